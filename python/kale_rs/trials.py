"""What `sweep` and `sweeps` give: a sweep with its trials, and how it goes on."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import UserList
from html import escape
from os import PathLike
from typing import Any

from kale_rs.progress import in_kernel
from kale_rs.results import Json, Run, coloured, html_table

_REDRAW_SECONDS = 0.5
_SHOWN = 10


class Trial:
    """One point of a sweep. It is a run: `run()` gives it."""

    def __init__(self, answer: Json, store: str | PathLike[str] | None = None) -> None:
        self.trial: int = answer["trial"]
        self.run_id: str = answer["run_id"]
        self.status: str = answer["status"]
        self.parameters: dict[str, Any] = answer["parameters"]
        self.metrics: dict[str, float | str] = answer["metrics"]
        self.seconds: float = answer["seconds"]
        #: Why it does not count, of one that does not.
        self.reason: str | None = answer.get("reason")
        self._store = store

    def run(self) -> Run:
        """Its run, for `logs`, `restore` and the like."""
        from kale_rs import api

        return api.show(self.run_id, store=self._store)

    def __repr__(self) -> str:
        came = self.reason or _words(self.metrics)
        return f"trial {self.trial}  {self.status}  {_words(self.parameters)}  {came}".rstrip()


class Plan:
    """What a sweep will cost."""

    def __init__(self, answer: Json) -> None:
        self.trials: int = answer["trials"]
        #: What is asked for, with what was not said: its space, algorithm, seed and so on.
        self.definition: dict[str, Any] = answer["definition"]
        #: Whether nobody has said if the objective is to become smaller or larger.
        self.is_direction_guessed: bool = answer["is_direction_guessed"]
        #: What is varied, and read by no step.
        self.unread: list[str] = answer["unread"]
        #: What is to be said of it besides, in words.
        self.remarks: list[str] = answer["remarks"]
        #: Executions of steps; `None` where they depend on what comes out.
        self.step_executions: int | None = answer["step_executions"]
        #: As many as there would be if nothing was shared.
        self.without_sharing: int = answer["without_sharing"]
        #: By what the steps took when they last ran.
        self.seconds: float | None = answer["seconds"]

    def __repr__(self) -> str:
        runs, most = self.step_executions, self.without_sharing
        cost = f"at most {_count(most, 'step run')}" if runs is None else _count(runs, "step run")
        instead = f", not {most}" if runs is not None and runs < most else ""
        about = "" if self.seconds is None else f", about {self.seconds:.0f} s"
        better = {"minimize": "smaller", "maximize": "larger"}
        guessed = "".join(
            f"\n`{one['metric']}` is taken to be better when {better[one['direction']]}"
            for one in self.definition["objectives"]
            if self.is_direction_guessed
        )
        unread = "".join(f"\nno step reads `{name}`: trials are alike in it" for name in self.unread)
        remarks = "".join(f"\n{remark}" for remark in self.remarks)
        return f"{_count(self.trials, 'trial')}: {cost}{instead}{about}{remarks}{guessed}{unread}"


class Sweep:
    """A sweep as it was when it was looked at; `refresh()` looks again."""

    def __init__(self, answer: Json, plan: Plan | None = None, store: str | PathLike[str] | None = None) -> None:
        self.sweep_id: str = answer["sweep_id"]
        self.status: str = answer["status"]
        self.objective: dict[str, str] = answer["objective"]
        self.objectives: list[dict[str, str]] = answer.get("objectives") or [self.objective]
        self.trials = [Trial(one, store) for one in answer["trials"]]
        #: Steps that were really run, in all trials.
        self.step_executions: int = answer["step_executions"]
        self.planned_step_executions: int | None = answer["planned_step_executions"]
        #: Of several objectives: the trials that no other is better than in all of them.
        self.front = [self.trials[number] for number in answer.get("front", [])]
        #: Why it ended before its time.
        self.reason: str | None = answer.get("reason")
        #: As it was asked for, with what was not said, such as its `seed`.
        self.definition: dict[str, Any] = answer["definition"]
        self.plan = plan
        self._best: Json | None = answer["best"]
        self._store = store

    @property
    def best(self) -> Trial | None:
        """The best trial by the first objective."""
        return None if self._best is None else self.trials[self._best["trial"]]

    @property
    def best_value(self) -> float | None:
        return None if self._best is None else self._best["value"]

    def refresh(self) -> Sweep:
        """The sweep as it is now."""
        return self._do("show")

    def stop(self) -> Sweep:
        """Stop it and its trials; `resume()` goes on with them."""
        return self._do("stop")

    def resume(self, **options: Any) -> Sweep:
        """Go on with it, if it was stopped, interrupted, or has failed."""
        return self._do("resume", **options)

    def extend(self, **options: Any) -> Sweep:
        """Try more (`trials=100`, the finished ones included), or other `ranges`."""
        return self._do("extend", **options)

    def export(self, optuna: str, name: str | None = None) -> Export:
        """Write the trials into a study of Optuna's: `optuna="sqlite:///study.db"`."""
        found: Export = self._call("export", optuna=optuna, name=name)
        return found

    def _do(self, action: str, **options: Any) -> Sweep:
        found: Sweep = self._call(action, **options)
        found.plan = self.plan
        return found

    def _call(self, action: str, **options: Any) -> Any:
        from kale_rs import sweeping

        return sweeping.sweeps(action, self, store=self._store, **options)

    def _sorted(self) -> list[Trial]:
        sign = -1.0 if self.objective["direction"] == "maximize" else 1.0

        def key(trial: Trial) -> float:
            value = trial.metrics.get(self.objective["metric"])
            return sign * value if isinstance(value, (int, float)) and trial.status == "succeeded" else math.inf

        return sorted(self.trials, key=key)

    def _over(self) -> int:
        return sum(trial.status not in ("pending", "running") for trial in self.trials)

    def __repr__(self) -> str:
        over, asked = self._over(), self.definition["trials"]
        trials = f"{over} of {_count(asked, 'trial')}" if over < asked else _count(over, "trial")
        runs = _count(self.step_executions, "step run")
        lines = [f"sweep {self.sweep_id} {self.status}: {trials}, {runs}"]
        if self.best is not None:
            lines.append(f"  best: {self.objective['metric']} = {self.best_value} in trial {self.best.trial}")
            lines += [f"    {name} = {value!r}" for name, value in self.best.parameters.items()]
        if self.reason:
            lines.append(f"  {self.reason}")
        return "\n".join(lines + [f"  {line}" for line in self._remarks()])

    def _remarks(self) -> list[str]:
        remarks = self.plan.remarks if self.plan is not None else []
        goes_on = ["`.resume()` goes on with it"] if self.status in ("cancelled", "interrupted") else []
        return remarks + goes_on

    def _repr_html_(self) -> str:
        runs = _count(self.step_executions, "step run")
        parts = [f"sweep <b>{escape(self.sweep_id)}</b> {coloured(self.status)}, {runs}"]
        parts += [f"<p>{escape(line)}</p>" for line in ([self.reason] if self.reason else []) + self._remarks()]
        parts.append(history_svg(self))
        shown = self._sorted()[:_SHOWN]
        names = list(shown[0].parameters) if shown else []
        metrics = [one["metric"] for one in self.objectives]
        rows = (
            [str(trial.trial), coloured(trial.status)]
            + [escape(_short(trial.parameters.get(name))) for name in names]
            + ([escape(_short(trial.metrics.get(name))) for name in metrics] if not trial.reason else [])
            + ([escape(trial.reason)] if trial.reason else [])
            for trial in shown
        )
        parts.append(html_table(["trial", "status", *map(escape, names), *map(escape, metrics)], rows))
        if len(self.trials) > _SHOWN:
            parts.append(f"the best {_SHOWN} of {len(self.trials)} trials; all of them are in <code>.trials</code>")
        return "\n".join(parts)


class Sweeps(UserList[Sweep]):
    """The sweeps of a store, newest first."""

    def __repr__(self) -> str:
        return "\n".join(repr(one).splitlines()[0] for one in self) or "no sweeps"

    def _repr_html_(self) -> str:
        rows = (
            [escape(one.sweep_id), coloured(one.status), f"{one._over()}/{one.definition['trials']}"]
            + [escape(_short(one.best_value))]
            for one in self
        )
        return html_table(("sweep", "status", "trials", "best"), rows)


class Export:
    """Where the trials are now."""

    def __init__(self, answer: Json) -> None:
        self.study: str = answer["study"]
        self.storage: str = answer["storage"]
        self.trials: int = answer["trials"]

    def __repr__(self) -> str:
        return f"{_count(self.trials, 'trial')} in study {self.study} of {self.storage}"


class SweepProgress:
    """Takes events as JSON texts: a picture that updates itself in Jupyter, lines on stderr elsewhere."""

    def __init__(self) -> None:
        self._in_jupyter = in_kernel()
        self._told: set[int] = set()
        self._latest: Json | None = None
        self._drawn = 0.0
        self._display: Any = None

    def __call__(self, text: str) -> None:
        event = json.loads(text)
        if event["event"] == "planned":
            self._say(repr(Plan(event["plan"])))
        elif event["event"] == "taken-up":
            over = (one for one in event["sweep"]["trials"] if one["status"] not in ("pending", "running"))
            self._told = {one["trial"] for one in over}
        elif event["event"] == "sweep":
            self._latest = event["sweep"]
            self._tell(event["sweep"])
        if self._in_jupyter and self._latest is not None and time.monotonic() - self._drawn > _REDRAW_SECONDS:
            self._draw()

    def _tell(self, sweep: Json) -> None:
        for one in sweep["trials"]:
            if one["status"] not in ("pending", "running") and one["trial"] not in self._told:
                self._told.add(one["trial"])
                self._say(repr(Trial(one)))
        if self._in_jupyter and sweep["status"] not in ("pending", "running"):
            self._draw()

    def _say(self, line: str) -> None:
        if not self._in_jupyter:
            print(line, file=sys.stderr, flush=True)

    def _draw(self) -> None:
        from IPython.display import DisplayHandle

        assert self._latest is not None
        self._drawn = time.monotonic()
        sweep, self._latest = Sweep(self._latest), None
        if sweep.status not in ("pending", "running"):
            # The result that the call gives back has the picture.
            line = repr(sweep).splitlines()[0]
            bundle = {"text/html": escape(line), "text/plain": line}
        else:
            bundle = {"text/html": sweep._repr_html_(), "text/plain": repr(sweep)}
        if self._display is None:
            self._display = DisplayHandle()
            self._display.display(bundle, raw=True)
        else:
            self._display.update(bundle, raw=True)


def history_svg(sweep: Sweep, width: int = 480, height: int = 120) -> str:
    """The objective of each trial, and the best so far."""
    metric, is_larger = sweep.objective["metric"], sweep.objective["direction"] == "maximize"
    points = [
        (trial.trial, float(value))
        for trial in sweep.trials
        if trial.status == "succeeded" and isinstance(value := trial.metrics.get(metric), (int, float))
    ]
    if len(points) < 2:
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    last = max(trial for trial, _ in points) or 1

    def place(trial: int, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low) if high > low else 0.5
        return 8 + trial / last * (width - 16), height - 8 - share * (height - 16)

    best, line = points[0][1], []
    for trial, value in points:
        best = max(best, value) if is_larger else min(best, value)
        line.append("{:.1f},{:.1f}".format(*place(trial, best)))

    def dot(trial: int, value: float) -> str:
        (x, y), title = place(trial, value), escape(f"trial {trial}: {metric} = {_short(value)}")
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="currentColor" opacity="0.5"><title>{title}</title></circle>'
        )

    dots = "".join(dot(trial, value) for trial, value in points)
    label = escape(f"{metric} of {len(points)} trials, from {_short(low)} to {_short(high)}")
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{label}"><title>{label}</title>'
        f'{dots}<polyline points="{" ".join(line)}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _words(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
