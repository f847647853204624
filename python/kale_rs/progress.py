"""A run as it goes: a table that updates itself in Jupyter, lines on stderr elsewhere."""

from __future__ import annotations

import json
import sys
import time
from html import escape
from typing import Any

_REDRAW_SECONDS = 0.25
_MARKS = {"succeeded": "✓", "cached": "=", "failed": "✗", "skipped": "-", "running": "…"}


class Progress:
    """Takes events as JSON texts."""

    def __init__(self) -> None:
        self._run = ""
        self._steps: dict[str, str] = {}
        self._cells: dict[str, str] = {}
        self._drawn = 0.0
        self._display = self._jupyter_display()

    @staticmethod
    def _jupyter_display() -> Any:
        if "ipykernel" not in sys.modules:
            return None
        from IPython.display import HTML, DisplayHandle

        handle = DisplayHandle()
        handle.display(HTML(""))
        return handle

    def __call__(self, text: str) -> None:
        event = json.loads(text)
        kind = event["event"]
        if kind == "log":
            print(event["text"], end="", flush=True)
        elif kind == "prepared":
            self._run = event["run_id"]
            self._say(f"run {event['run_id']}  {event['pipeline']}, {event['steps']} steps")
        elif kind == "run-started":
            self._steps = dict.fromkeys(event["steps"], "pending")
        elif kind == "step-started":
            self._steps[event["step"]] = "running"
        elif kind == "cell-started":
            self._cells[event["step"]] = f"cell {event['cell']} ({event['done'] + 1} of {event['total']})"
        elif kind == "step-finished":
            self._step_finished(event)
        self._draw(last=kind == "run-finished")

    def _step_finished(self, event: dict[str, Any]) -> None:
        step, status = event["step"], event["status"]
        self._steps[step] = status
        self._cells[step] = f"{event['seconds']:.1f} s" if status in ("succeeded", "failed") else event["reason"] or ""
        self._say(f"{_MARKS.get(status, '!')} {step}  {status}  {self._cells[step]}".rstrip())

    def _say(self, line: str) -> None:
        if self._display is None:
            print(line, file=sys.stderr, flush=True)

    def _draw(self, last: bool) -> None:
        now = time.monotonic()
        if self._display is None or (not last and now - self._drawn < _REDRAW_SECONDS):
            return
        from IPython.display import HTML

        self._drawn = now
        row = "<tr>{}</tr>".format
        cell = '<td style="text-align:left">{}</td>'.format
        rows = [
            row(
                cell(escape(step))
                + cell(f"{_MARKS.get(status, '')} {status}")
                + cell(escape(self._cells.get(step, "")))
            )
            for step, status in self._steps.items()
        ]
        finished = "" if last else f"run <b>{escape(self._run)}</b><table>{''.join(rows)}</table>"
        self._display.update(HTML(finished))
