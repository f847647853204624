"""Whether the pipeline computed what the notebook computes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .execution import Record, World, run_linear, run_steps, schedule
from .planner import Planned, Planner
from .writer import RandomNotebook

#: What an untagged notebook may be refused for: nothing, since none of these looks into its own namespace. A tagged
#: one may ask for boundaries that cannot be.
REFUSALS = {
    "step-cycle", "unshippable-value", "shared-buffer", "process-state", "ambiguous-order", "prev-order", "prev-cycle",
}  # fmt: skip


@dataclass
class Verdict:
    differences: list[str] = field(default_factory=list)
    #: Ids of the errors with which the compiler refused the notebook.
    refused: list[str] = field(default_factory=list)
    steps: int = 0
    cells: int = 0
    raised: bool = False
    order: list[str] = field(default_factory=list)


def examine(notebook: RandomNotebook, planner: Planner, world: World, orders: int = 1) -> Verdict:
    planned = planner.plan(notebook.document(), notebook.granularity)
    world.numpy = "np." in "".join(notebook.sources)
    if planned.plans is None:
        return refusal(notebook, planned, run_linear(notebook, world, {}))
    watched, makers = watch(planned)
    linear = run_linear(notebook, world, watched)
    verdict = Verdict(steps=len(planned.plans), cells=len(notebook.sources))
    verdict.raised = any(cell.error for cell in linear.cells.values())
    chance = random.Random(notebook.seed)
    for _ in range(orders):
        order = schedule(planned, chance)
        run, loaded = run_steps(notebook, planned, world, order)
        verdict.differences = differences(linear, run) + wrong_loads(linear, loaded, makers)
        if verdict.differences and run_linear(notebook, world, watched) != linear:
            verdict.differences = []  # the notebook itself is not deterministic
        if verdict.differences:
            verdict.order = [planned.plans[index]["step"] for index in order]
            break
    return verdict


def refusal(notebook: RandomNotebook, planned: Planned, linear: Record) -> Verdict:
    ids = {row["id"] for row in planned.diagnostics if row["severity"] == "error"}
    tagged = any(tag.startswith("step:") for tags in notebook.tags for tag in tags)
    verdict = Verdict(refused=sorted(ids), cells=len(notebook.sources))
    verdict.raised = any(cell.error for cell in linear.cells.values())
    unbound = any((cell.error or "").startswith("NameError") for cell in linear.cells.values())
    allowed = (REFUSALS if tagged else set()) | ({"deleted-name"} if unbound else set())
    if not ids <= allowed:
        verdict.differences = [f"refused: {text}" for text in planned.errors]
    return verdict


def watch(planned: Planned) -> tuple[dict[int, set], dict[str, int]]:
    """By cell, what to describe after it; and for every artifact the cell after which it is saved."""
    makers: dict[str, int] = {}
    for plan in planned.plans:
        cell = None
        for action, *row in plan["program"]:
            if action == "run":
                cell = row[0]
            elif action == "save":
                makers[row[0]] = cell
    watched: dict[int, set] = {}
    for plan in planned.plans:
        for action, *row in plan["program"]:
            if action == "load":
                watched.setdefault(makers[row[0]], set()).add((row[1], tuple(row[2])))
    return watched, makers


def differences(linear: Record, run: Record) -> list[str]:
    """Cells after the one that stops the notebook may or may not have run."""
    found = []
    stopped = max(linear.cells) if linear.cells and any(c.error for c in linear.cells.values()) else None
    for index, expected in linear.cells.items():
        cell = run.cells.get(index)
        if cell is None:
            continue
        if cell.stdout != expected.stdout:
            found.append(f"cell {index} printed {cell.stdout!r}, the notebook prints {expected.stdout!r}")
        if cell.error != expected.error:
            found.append(f"cell {index} raised {cell.error}, in the notebook {expected.error}")
        for name in cell.bound.keys() | expected.bound.keys():
            one, other = cell.bound.get(name), expected.bound.get(name)
            if one != other:
                found.append(f"cell {index} left `{name}` as {one}, in the notebook it is {other}")
    if stopped is None:
        missing = [index for index in linear.cells if index not in run.cells and index in run_cells(run)]
        if run.failure:
            found.append(run.failure)
        elif run.files != linear.files:
            found.append(f"the files are {run.files}, the notebook's {linear.files}")
        found += [f"cell {index} did not run" for index in missing]
    elif not run.failure and not any(cell.error for cell in run.cells.values()):
        found.append(f"the run succeeded; the notebook stops at cell {stopped}: {linear.cells[stopped].error}")
    return found


def run_cells(run: Record) -> set[int]:
    return set(run.cells)


def wrong_loads(linear: Record, loaded: list[tuple], makers: dict[str, int]) -> list[str]:
    found = []
    for key, kind, names, value in loaded:
        place = makers[key], kind, names
        if place in linear.values and linear.values[place] != value:
            found.append(f"`{key}` was loaded as {value}, after cell {makers[key]} it is {linear.values[place]}")
    return found
