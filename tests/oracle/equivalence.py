"""Compares a pipeline's run with the notebook's linear run: output, displayed values, metrics, and stored values."""

from __future__ import annotations

import math
from pathlib import Path

from .linear import LinearExecutor, LinearRun, comparable
from .product import ProductRun


def differences(run: ProductRun, linear: LinearRun, varying=()) -> list[str]:
    """What a user could see differ, one line each; empty when the pipeline computed what the notebook computes.

    `varying` are the names whose values no two runs share.
    """
    found = status_differences(run, linear)
    for index, record in sorted(linear.cells.items()):
        if run.notebook is not None and cell_ran(run, index):
            found += cell_differences(index, run.notebook["cells"][index], record)
    return found + metric_differences(run, linear) + value_differences(run, linear, set(varying))


def run_linear(executor: LinearExecutor, notebook: dict, directory: Path, parameters: dict, run: ProductRun):
    """The linear run, with every stored value described at the cells of the step that stored it."""
    return executor.run(notebook, directory, parameters, run.artifacts)


def status_differences(run: ProductRun, linear: LinearRun) -> list[str]:
    status = run.report["status"]
    expected = "succeeded" if linear.error is None else "failed"
    if status == expected:
        return []
    told = [f"{row['id']}: {row['message']}" for row in run.report["diagnostics"] if row["severity"] == "error"]
    return [f"the run {status}, but the notebook would have {expected}: {linear.error or told}"]


def cell_ran(run: ProductRun, index: int) -> bool:
    """After a failure the steps behind it are skipped; the notebook, too, would have stopped."""
    return all(step["status"] != "skipped" for step in run.report["steps"] if index in step["cells"])


def cell_differences(index: int, cell: dict, record) -> list[str]:
    found = []
    printed = comparable(stream(cell, "stdout"))
    if printed != comparable(record.stdout):
        found.append(f"cell {index} printed {printed!r}, the notebook prints {record.stdout!r}")
    shown = ["".join(row["data"]["text/plain"]) for row in cell["outputs"] if row["output_type"] == "execute_result"]
    if len(shown) != len(record.displayed) or not all(map(list.__contains__, record.displayed, shown)):
        found.append(f"cell {index} displayed {shown!r}, the notebook displays {record.displayed!r}")
    return found


def stream(cell: dict, name: str) -> str:
    return "".join(
        "".join(row["text"]) for row in cell["outputs"] if row["output_type"] == "stream" and row["name"] == name
    )


def metric_differences(run: ProductRun, linear: LinearRun) -> list[str]:
    """A metric that is named after a variable has that variable's value."""
    return [
        f"metric `{name}` is {value}, the notebook has {linear.numbers[name]}"
        for name, value in run.report["metrics"].items()
        if name in linear.numbers and not same_number(value, linear.numbers[name])
    ]


def same_number(reported, expected: float) -> bool:
    reported = float(reported)
    return reported == expected or (math.isnan(reported) and math.isnan(expected))


def value_differences(run: ProductRun, linear: LinearRun, varying: set[str]) -> list[str]:
    if linear.error is not None:
        return []
    found = []
    for artifact in run.artifacts:
        stored = linear.stored.get(artifact["key"])
        if stored is not None and varying.isdisjoint(artifact["names"]):
            found += artifact_differences(artifact, stored, linear)
    return found


def artifact_differences(artifact: dict, stored: dict, linear: LinearRun) -> list[str]:
    """A step stores what its names hold after its last cell that touched them; which one that is, is not known here,
    so for a step of several cells the value after any of them will do, the last one first."""
    wanted = [linear.values[cell][artifact["key"]] for cell in reversed(artifact["cells"])]
    if stored in wanted:
        return []
    found = []
    for name in artifact["names"]:
        if stored.get(name) not in [values.get(name) for values in wanted]:
            found.append(f"`{name}` was stored as {stored.get(name)}, the notebook has {wanted[0].get(name)}")
    return found or [f"{artifact['names']} do not share the parts that they share in the notebook"]
