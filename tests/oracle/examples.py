"""The examples, run by nbclient: Jupyter's own way to execute a notebook is their authority."""

from __future__ import annotations

import ast
import copy
import json
from pathlib import Path

from .linear import CellRecord, override, python_cells

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/notebook.ipynb"))
#: One run of each example with parameters other than its defaults.
OTHER_PARAMETERS = {
    "digits": {"noise": 2.0, "C": 1.0},
    "hello": {"name": "Ada 'Countess' Lovelace", "repeat": 5},
    "kale_classic": {"ALPHA": 1.0, "TREES": 20, "SEED": 9},
    "story": {"words_at_once": 2, "strength": 0.3},
    "tabular": {"trees": 30, "depth": 2, "seed": 1},
    "text": {"modules": ["random", "json", "argparse", "statistics"], "smoothing": 0.1},
}


def read(name: str) -> dict:
    return json.loads((EXAMPLES / name / "notebook.ipynb").read_text(encoding="utf-8"))


def run_with_nbclient(notebook: dict, directory: Path, parameters: dict) -> dict[int, CellRecord]:
    """Runs the code cells that a pipeline has, too, and returns their outputs by index in the notebook."""
    import nbformat
    from nbclient import NotebookClient

    rows = python_cells(notebook)
    wanted = copy.deepcopy(notebook)
    wanted["cells"] = [nbformat.v4.new_code_cell(source_of(row, parameters)) for row in rows]
    client = NotebookClient(
        nbformat.from_dict(wanted), kernel_name="python3", resources={"metadata": {"path": str(directory)}}
    )
    executed = client.execute()
    return {row["index"]: cell["outputs"] for row, cell in zip(rows, executed["cells"], strict=True)}


def source_of(row: dict, parameters: dict) -> str:
    if not row["parameters"] or not parameters:
        return row["source"]
    return ast.unparse(override(ast.parse(row["source"]), parameters))


def visible(outputs: list[dict]) -> list:
    """What a reader sees of a cell: joined streams, and displayed data by type, pictures included."""
    streams: dict[str, str] = {}
    shown = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + "".join(output["text"])
        elif output["output_type"] in ("execute_result", "display_data"):
            data = {kind: "".join(text) if isinstance(text, list) else text for kind, text in output["data"].items()}
            shown.append([output["output_type"], {kind: str(text).strip() for kind, text in sorted(data.items())}])
        else:
            shown.append([output["output_type"], output.get("ename")])
    return [dict(sorted(streams.items())), shown]
