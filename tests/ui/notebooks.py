"""Notebooks for the browser tests: short cells, steps of milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat

#: A cell as its source, or as its source and tags.
Cell = str | tuple[str, Sequence[str]]


def write(path: Path, cells: Sequence[Cell], kernel: str = "python3", **metadata: object) -> None:
    """Write a notebook; `metadata` is that of the notebook."""
    notebook = nbformat.v4.new_notebook()
    for cell in cells:
        source, tags = (cell, ()) if isinstance(cell, str) else cell
        made = nbformat.v4.new_code_cell(source)
        if tags:
            made.metadata["tags"] = list(tags)
        notebook.cells.append(made)
    language = "echo" if kernel == "echo" else "python"
    notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": language}
    notebook.metadata.update(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook as it is on the disk, by another reader than ours."""
    return nbformat.read(path, as_version=4)


CHAIN: tuple[Cell, ...] = (
    ("import time", ["imports"]),
    ("count = 3", ["pipeline-parameters"]),
    ("numbers = list(range(count))", ["step:load"]),
    ("total = sum(numbers)", ["step:add"]),
    ("print(total)", ["pipeline-metrics"]),
)
"""Two steps, a parameter and a metric."""
