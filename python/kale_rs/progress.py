"""A run as it goes: a table that updates itself in Jupyter, lines on stderr elsewhere."""

from __future__ import annotations

import json
import sys
import time
from html import escape
from typing import Any

from kale_rs.results import SEVERITIES, coloured, html_table

_REDRAW_SECONDS = 0.25
_ENVIRONMENT = "(environment)"
_MARKS = {"succeeded": "✓", "cached": "=", "failed": "✗", "skipped": "-", "running": "…"}


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel; `ipykernel` may be imported anywhere."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Progress:
    """Takes events as JSON texts."""

    def __init__(self) -> None:
        self._run = ""
        self._steps: dict[str, str] = {}
        self._cells: dict[str, str] = {}
        self._began = 0.0
        self._drawn = 0.0
        #: Something has changed since the table was drawn.
        self._is_stale = False
        self._has_line = False
        self._in_jupyter = in_kernel()
        self._display: Any = None

    def __call__(self, text: str) -> None:
        event = json.loads(text)
        kind = event["event"]
        if kind == "waiting":
            if self._is_stale:
                self._draw()
            return
        if kind == "log":
            print(event["text"], end="", flush=True)
        elif kind == "transfer":
            self._transferred(event)
            return
        elif kind == "prepared":
            self._run = event["run_id"]
            self.say(f"run {event['run_id']}  {event['pipeline']}, {_steps(event['steps'])}")
        elif kind == "run-started":
            self._began = event["time"]
            self._steps = dict.fromkeys(event["steps"], "pending")
        elif kind == "environment-started":
            packages = event["packages"]
            self.say(
                f"making an environment of {packages} package{'' if packages == 1 else 's'} with {event['tool']} ..."
            )
        elif kind == "environment-progress":
            self._steps = {_ENVIRONMENT: "running"} | self._steps
            self._cells[_ENVIRONMENT] = event["text"]
        elif kind == "environment-finished":
            self._steps.pop(_ENVIRONMENT, None)
        elif kind == "step-started":
            self._steps[event["step"]] = "running"
        elif kind == "cell-started":
            self._cells[event["step"]] = f"cell {event['cell']} ({event['done'] + 1} of {event['total']})"
        elif kind == "step-finished":
            self._step_finished(event)
        elif kind == "diagnostic":
            self._diagnosed(event["diagnostic"])
        elif kind == "run-finished":
            self._conclude(event)
            return
        self._draw()

    def _step_finished(self, event: dict[str, Any]) -> None:
        step, status = event["step"], event["status"]
        self._steps[step] = status
        self._cells[step] = f"{event['seconds']:.1f} s" if status in ("succeeded", "failed") else event["reason"] or ""
        self.say(f"{_MARKS.get(status, '!')} {step}  {status}  {self._cells[step]}".rstrip())

    def _diagnosed(self, diagnostic: dict[str, Any]) -> None:
        """In Jupyter the result that the call gives back shows them."""
        severity = SEVERITIES.get(diagnostic["severity"], diagnostic["severity"])
        self.say(f"{severity}[{diagnostic['id']}]: {diagnostic['message']}\n  help: {diagnostic['help']}")

    def _transferred(self, event: dict[str, Any]) -> None:
        """A line that updates itself; short transfers show none."""
        now = time.monotonic()
        if not self._drawn:
            self._drawn = now
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        line = f"{event['done']['bytes']:,} of {event['total']['bytes']:,} bytes"
        if self._in_jupyter:
            self._show(escape(line), line)
        elif sys.stderr.isatty():
            self._has_line = True
            print(f"\r{line}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line of a transfer behind."""
        if self._has_line:
            print(file=sys.stderr)

    def say(self, line: str) -> None:
        """Print a line, where there is no table."""
        if not self._in_jupyter:
            print(line, file=sys.stderr, flush=True)

    def _draw(self) -> None:
        now = time.monotonic()
        self._is_stale = self._in_jupyter and now - self._drawn < _REDRAW_SECONDS
        if self._is_stale or not self._in_jupyter:
            return
        self._drawn = now
        rows = (
            (escape(step), f"{_MARKS.get(status, '')} {coloured(status)}", escape(self._cells.get(step, "")))
            for step, status in self._steps.items()
        )
        states = ", ".join(f"{step} {status}" for step, status in self._steps.items())
        table = html_table(("step", "status", ""), rows)
        self._show(f"run <b>{escape(self._run)}</b>{table}", f"run {self._run}: {states}")

    def _conclude(self, event: dict[str, Any]) -> None:
        """One line stays: the result that the call gives back has the table."""
        if not self._in_jupyter:
            return
        cached = sum(status == "cached" for status in self._steps.values())
        detail = _steps(len(self._steps)) + (f", {cached} cached" if cached else "")
        end = f"{event['status']} in {event['time'] - self._began:.1f} s ({detail})"
        self._show(f"run <b>{escape(self._run)}</b> {escape(end)}", f"run {self._run} {end}")

    def _show(self, html: str, text: str) -> None:
        from IPython.display import DisplayHandle

        bundle = {"text/html": html, "text/plain": text}
        if self._display is None:
            self._display = DisplayHandle()
            self._display.display(bundle, raw=True)
        else:
            self._display.update(bundle, raw=True)


def _steps(number: int) -> str:
    return f"{number} step{'' if number == 1 else 's'}"
