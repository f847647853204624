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


EXPLORATION = [
    "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd\n"
    "from sklearn.linear_model import LinearRegression\nfrom sklearn.model_selection import train_test_split",
    "def clean(df, k=3):\n    df = df.dropna()\n    df['z'] = df['a'] * k\n    return df\n\n\n"
    "class Model:\n    def __init__(self, alpha):\n        self.alpha = alpha\n\n"
    "    def fit(self, X, y):\n        self.inner = LinearRegression().fit(X, y)\n        return self\n\n"
    "    def predict(self, X):\n        return self.inner.predict(X)",
    "np.random.seed(0)\ndf = pd.DataFrame({'a': np.random.rand(100), 'b': np.random.rand(100)})",
]
ROUND = [
    "d{i} = clean(df.copy())\nd{i}['w'] = np.log1p(d{i}['b'])\nd{i}.head()",
    "X{i}, y{i} = d{i}[['a', 'w']], d{i}['z']\n"
    "Xtr{i}, Xte{i}, ytr{i}, yte{i} = train_test_split(X{i}, y{i}, random_state={i})",
    "m{i} = Model(0.{i}).fit(Xtr{i}, ytr{i})\nprint(m{i}.predict(Xte{i})[:3])",
    "fig{i}, ax{i} = plt.subplots(figsize=(4, 3))\nax{i}.plot(d{i}['a'], d{i}['z'], label='run {i}')\nplt.show()",
    "s{i} = d{i}.groupby('a')['z'].mean().sort_values(ascending=False)\n"
    "for key, value in s{i}.items():\n    if value > 0.5:\n        print(key, value)\n        break",
]


def exploration(path: Path, size: int = 500) -> Path:
    """An untagged notebook as people explore data: frames, models, plots, loops, a function and a class."""
    rounds = [text.replace("{i}", str(number)) for number in range(size // len(ROUND) + 1) for text in ROUND]
    return _write(path, [_cell(text) for text in (EXPLORATION + rounds)[:size]])
