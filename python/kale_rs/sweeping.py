"""`sweep`, and what can be done with sweeps that are there. What they do is `kale_rs._native`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kale_rs import asking
from kale_rs.asking import Path
from kale_rs.errors import NotebookError, UsageError
from kale_rs.results import Diagnostics
from kale_rs.trials import Export, Plan, Sweep, SweepProgress, Sweeps

ACTIONS = ("list", "show", "stop", "resume", "extend", "export")


def sweep(
    notebook: Path | None = None,
    ranges: Mapping[str, object] | None = None,
    *,
    objective: str | Sequence[str] = (),
    maximize: bool | None = None,
    goal: float | None = None,
    algorithm: str | None = None,
    settings: Mapping[str, object] | None = None,
    early_stopping: str | None = None,
    early_stopping_settings: Mapping[str, object] | None = None,
    trials: int | None = None,
    parallel: int | None = None,
    max_failed: int | None = None,
    timeout: float | None = None,
    seed: int | None = None,
    parameters: Mapping[str, object] | None = None,
    file: Path | None = None,
    overlay: Path | None = None,
    cache: bool = True,
    granularity: str | None = None,
    python: Path | None = None,
    plan: bool = False,
    detach: bool = False,
    progress: bool = True,
) -> Sweep | Plan:
    """Run a notebook with many values of its parameters, and find those that are best.

    `ranges` says what is varied: `{"lr": "loguniform:1e-5:1e-1", "layers": "int:1:8", "opt": ["adam", "sgd"]}`, where a
    list is a choice; without it ranges around the notebook's own values are taken. `parameters` are values of what is
    not varied. The `objective` is a metric of the notebook, which becomes larger with `maximize=True`, and smaller with
    `maximize=False`; where that is not said, its name decides. Several, such as `["loss:minimize",
    "accuracy:maximize"]`, are weighed against each other. `algorithm` and `settings` have
    Katib's names; `tpe`, `multivariate-tpe`, `cmaes` and `bayesianoptimization` need `pip install 'kale-rs[sweep]'`.

    Each trial is a run: `show`, `logs` and `restore` work on it. Steps that have in two trials what they depend on are
    run once. With `plan`, only what it would cost is told. With `detach`, the sweep is returned as soon as it has
    begun; it outlives this process in any case.
    """
    return sweep_assigned(
        notebook,
        [f"{name}={_range(name, values)}" for name, values in (ranges or {}).items()],
        asking.values(parameters),
        objective=objective,
        maximize=maximize,
        goal=goal,
        algorithm=algorithm,
        settings=_assignments(settings),
        early_stopping=early_stopping,
        early_stopping_settings=_assignments(early_stopping_settings),
        trials=trials,
        parallel=parallel,
        max_failed=max_failed,
        timeout=timeout,
        seed=seed,
        file=file,
        overlay=overlay,
        cache=cache,
        granularity=granularity,
        python=python,
        plan=plan,
        detach=detach,
        progress=progress,
    )


def sweep_assigned(
    notebook: Path | None,
    ranges: Sequence[str],
    parameters: Mapping[str, object],
    *,
    overlay: Path | None = None,
    cache: bool = True,
    granularity: str | None = None,
    python: Path | None = None,
    plan: bool = False,
    detach: bool = False,
    progress: bool = True,
    **options: Any,
) -> Sweep | Plan:
    """As `sweep`, with ranges and settings as texts `NAME=VALUE`, and parameters as `run_assigned` takes them."""
    request = asking.source(notebook, granularity, python)
    request |= _asked(ranges, parameters, **options)
    request |= {"overlay": asking.text(overlay), "no_cache": not cache, "plan": plan, "detach": detach}
    from kale_rs import _native

    told = SweepProgress() if progress and not detach and not plan else None
    answer = json.loads(_native.sweep(json.dumps(request), told, asking.cancels_on_interrupt()))
    if answer["plan"] is None:
        raise NotebookError(Diagnostics(answer["diagnostics"], answer["text"]))
    planned = Plan(answer["plan"])
    return planned if plan else Sweep(answer, plan=planned, store=request["notebook"])


def asked(
    ranges: Mapping[str, object] | None = None,
    *,
    parameters: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
    early_stopping_settings: Mapping[str, object] | None = None,
    **options: Any,
) -> dict[str, object]:
    """What `sweep` takes of the sweep itself, as a request has it."""
    return _asked(
        [f"{name}={_range(name, values)}" for name, values in (ranges or {}).items()],
        asking.values(parameters),
        settings=_assignments(settings),
        early_stopping_settings=_assignments(early_stopping_settings),
        **options,
    )


def _asked(
    ranges: Sequence[str],
    parameters: Mapping[str, object],
    *,
    objective: str | Sequence[str] = (),
    maximize: bool | None = None,
    goal: float | None = None,
    algorithm: str | None = None,
    settings: Sequence[str] = (),
    early_stopping: str | None = None,
    early_stopping_settings: Sequence[str] = (),
    trials: int | None = None,
    parallel: int | None = None,
    max_failed: int | None = None,
    timeout: float | None = None,
    seed: int | None = None,
    file: Path | None = None,
) -> dict[str, object]:
    return {
        "vary": list(ranges),
        "parameters": parameters,
        "objectives": [objective] if isinstance(objective, str) else list(objective),
        "direction": None if maximize is None else "maximize" if maximize else "minimize",
        "goal": asking.number("goal", goal),
        "algorithm": algorithm,
        "settings": list(settings),
        "early_stopping": early_stopping,
        "early_stopping_settings": list(early_stopping_settings),
        "trials": asking.whole("trials", trials),
        "parallel": asking.whole("parallel", parallel),
        "max_failed": asking.whole("max_failed", max_failed),
        "timeout": asking.number("timeout", timeout),
        "seed": asking.whole("seed", seed),
        "file": asking.text(file),
    }


def sweeps(
    action: str = "list",
    sweep: str | Sweep = "last",
    *,
    ranges: Mapping[str, object] | None = None,
    trials: int | None = None,
    parallel: int | None = None,
    max_failed: int | None = None,
    goal: float | None = None,
    timeout: float | None = None,
    optuna: str | None = None,
    name: str | None = None,
    notebook: Path | None = None,
    limit: int | None = None,
    store: Path | None = None,
    detach: bool = False,
    progress: bool = True,
) -> Any:
    """List the sweeps of a store, newest first; or `show`, `stop`, `resume`, `extend` or `export` one of them.

    The list has those of one `notebook` only, and no more than `limit`, where these are given.
    `sweep` is an id, the start of one, or `last`. `stop` waits until its trials have stopped; `resume` goes on with
    them. `extend` has it make more `trials` (the finished ones included), or take the next ones from other `ranges`.
    `export` writes the trials into a study of Optuna's, `optuna="sqlite:///study.db"`, for its dashboard.
    """
    asking.one_of("action", action, ACTIONS)
    if action == "export" and optuna is None:
        raise UsageError("nobody knows where the study is to be", 'say where: `optuna="sqlite:///study.db"`')
    request: dict[str, Any] = {"action": action, "store": asking.text(store)}
    if action == "list":
        request |= {"notebook": asking.text(notebook), "limit": asking.whole("limit", limit)}
    else:
        request["sweep"] = sweep if isinstance(sweep, str) else sweep.sweep_id
    if action in ("resume", "extend"):
        request["detach"] = detach
    if action == "extend":
        counts = {"trials": trials, "parallel": parallel, "max_failed": max_failed}
        request |= {name: asking.whole(name, value) for name, value in counts.items()}
        request |= {"goal": asking.number("goal", goal), "timeout": asking.number("timeout", timeout)}
        request["vary"] = [f"{name}={_range(name, values)}" for name, values in (ranges or {}).items()]
    if action == "export":
        request |= {"optuna": optuna, "name": name}
    from kale_rs import _native

    told = SweepProgress() if progress and not detach and action in ("resume", "extend") else None
    answer = json.loads(_native.sweeps(json.dumps(request), told, asking.cancels_on_interrupt()))
    if action == "list":
        return Sweeps(Sweep(one, store=store) for one in answer["sweeps"])
    return Export(answer) if action == "export" else Sweep(answer, store=store)


def named_range(text: str) -> tuple[str, str]:
    """`NAME=RANGE`, taken apart."""
    name, separator, values = text.partition("=")
    if not separator:
        raise UsageError(f"`{text}` has no values", "write NAME=RANGE, such as lr=loguniform:1e-5:1e-1")
    return name.strip(), values.strip()


def _range(name: str, values: object) -> str:
    """A text as the command line has it; a list of values is a choice."""
    if isinstance(values, str):
        return values
    if isinstance(values, (list, tuple)):
        return "choice:" + json.dumps([asking.value(name, value) for value in values])
    raise UsageError(
        f"the range of `{name}` cannot be this `{type(values).__name__}`",
        'write a text such as "uniform:0:1" or "int:1:8", or a list of values',
    )


def _assignments(settings: Mapping[str, object] | None) -> list[str]:
    return [f"{name}={value}" for name, value in (settings or {}).items()]
