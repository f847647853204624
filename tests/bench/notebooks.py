"""The notebooks that the benchmark compiles: made here, the same for both compilers."""

from __future__ import annotations

import json
from pathlib import Path

IMPORTS = "import math\nimport random\nimport statistics"
PARAMETERS = "samples = 200\nseed = 7\nscale = 1.5"
FUNCTIONS = (
    "def standardise(values):\n    mean = statistics.mean(values)\n    return [value - mean for value in values]"
)


def _cell(source: str, *tags: str) -> dict:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "",
        "metadata": {"tags": list(tags)},
        "outputs": [],
        "source": source,
    }


def _write(path: Path, cells: list[dict]) -> Path:
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "kubeflow_notebook": {"pipeline_name": path.stem, "experiment_name": "bench", "volumes": []},
    }
    document = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path


def realistic(path: Path, steps: int = 20) -> Path:
    """A tagged notebook of `steps` steps of two cells each, with imports, functions, parameters and a metric."""
    cells = [
        _cell(IMPORTS, "imports"),
        _cell(FUNCTIONS, "functions"),
        _cell(PARAMETERS, "pipeline-parameters"),
        _cell("random.seed(seed)\nvalues_0 = [random.gauss(0, scale) for _ in range(samples)]", "step:load"),
    ]
    for number in range(1, steps):
        before = "load" if number == 1 else f"stage_{number - 1}"
        work = f"shifted = standardise(values_{number - 1})\nspread_{number} = math.sqrt(sum(v * v for v in shifted))"
        keep = f"values_{number} = [value / (spread_{number} or 1.0) for value in shifted]\nprint(spread_{number})"
        cells += [_cell(work, f"step:stage_{number}", f"prev:{before}"), _cell(keep)]
    cells.append(_cell(f"print(spread_{steps - 1})", "pipeline-metrics"))
    return _write(path, cells)


def chain(path: Path, steps: int) -> Path:
    """`steps` steps of one cell each, every one reading what the one before it made."""
    cells = [_cell("x_0 = list(range(3))", "step:s0")]
    cells += [_cell(f"x_{i} = x_{i - 1} + [{i}]", f"step:s{i}", f"prev:s{i - 1}") for i in range(1, steps)]
    return _write(path, cells)
