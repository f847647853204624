"""What the functions return: small values that print well, and that Jupyter shows richly."""

from __future__ import annotations

import json
import re
from collections import UserDict, UserList
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from kale_rs.errors import RunError

Json = dict[str, Any]

# As the command line calls them.
SEVERITIES = {"info": "note"}
_COLOURS = {
    "succeeded": "#2e9e5b",
    "cached": "#2e9e5b",
    "failed": "#d9364c",
    "error": "#d9364c",
    "warning": "#b7791f",
    "running": "#2f80ed",
}


def html_table(heading: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """An HTML table that takes its colours from the page."""
    cell = '<td style="text-align:left">{}</td>'.format
    head = "".join(f'<th style="text-align:left">{escape(one)}</th>' for one in heading)
    body = "".join("<tr>" + "".join(cell(one) for one in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _prose(text: str) -> str:
    """A message as HTML: what is in backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def coloured(status: str) -> str:
    """A status as HTML."""
    colour = _COLOURS.get(status, "inherit")
    return f'<span style="color:{colour}">{escape(status)}</span>'


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class Diagnostic(NamedTuple):
    """One remark about a notebook. Lines and columns count from 1, cells from 0; `cell` is None for all of it."""

    id: str
    severity: str
    message: str
    help: str
    cell: int | None
    line: int | None
    column: int | None


class Fixed(NamedTuple):
    """A fix that was carried out."""

    id: str
    cell: int | None
    title: str


class Diagnostics(UserList[Diagnostic]):
    """Remarks about a notebook, in order of place. `.text` shows them with the lines they are about."""

    def __init__(self, diagnostics: Iterable[Json] = (), text: str = "", fixed: Iterable[Json] = ()) -> None:
        super().__init__(self._read(one) for one in diagnostics)
        self.text = text
        self.fixed = [Fixed(one["id"], one["cell"], one["title"]) for one in fixed]

    @staticmethod
    def _read(one: Json) -> Diagnostic:
        start = one["start"] or {"line": None, "column": None}
        place = (one["cell"], start["line"], start["column"])
        return Diagnostic(one["id"], one["severity"], one["message"], one["help"], *place)

    @property
    def errors(self) -> list[Diagnostic]:
        """Those because of which there is no pipeline."""
        return [one for one in self if one.severity == "error"]

    def __repr__(self) -> str:
        return self.text.rstrip()

    def _repr_html_(self) -> str:
        if not self:
            return "no problems"
        rows = (
            (
                coloured(SEVERITIES.get(one.severity, one.severity)),
                "" if one.cell is None else f"cell {one.cell}" + (f", line {one.line}" if one.line else ""),
                f"{_prose(one.message)}<br><small>{_prose(one.help)}</small>",
                f"<code>{escape(one.id)}</code>",
            )
            for one in self
        )
        return html_table(("", "where", "what", "id"), rows)


class Edge(NamedTuple):
    """`target` runs after `source`, and gets `variables` from it."""

    source: str
    target: str
    variables: list[str]
    resources: list[str]
    declared: bool


class Reason(NamedTuple):
    """Why `target` runs after `source`: a place of `source` that produces, and one of `target` that consumes."""

    source: str
    target: str
    #: `variable`, `resource` or `declared`
    kind: str
    name: str
    #: `{"cell", "start", "end", "message"}`
    produced: Json
    consumed: Json


class Graph:
    """The steps of a notebook and what flows between them."""

    def __init__(self, answer: Json) -> None:
        self._reasons: str = answer.pop("reasons", "")
        self.diagnostics = Diagnostics(answer["diagnostics"], answer.pop("text"))
        self._answer = answer

    @property
    def pipeline(self) -> str | None:
        """The pipeline's name; None when the notebook has errors."""
        name: str | None = self._answer["pipeline"]
        return name

    @property
    def steps(self) -> dict[str, list[int]]:
        """Step name to the indices of its cells, in an order in which they can run."""
        return {step["name"]: step["cells"] for step in self._answer["steps"]}

    @property
    def edges(self) -> list[Edge]:
        keys = ("from", "to", "variables", "resources", "declared")
        return [Edge(*(edge[key] for key in keys)) for edge in self._answer["edges"]]

    @property
    def why(self) -> list[Reason]:
        """The reasons for the edge that `graph(..., why=(FROM, TO))` asked about."""
        keys = ("from", "to", "kind", "name", "produced", "consumed")
        return [Reason(*(reason[key] for key in keys)) for reason in self._answer.get("why") or []]

    @property
    def parameters(self) -> dict[str, object]:
        """Parameter name to its default."""
        return {one["name"]: one["default"] for one in self._answer["parameters"]}

    @property
    def metrics(self) -> dict[str, str]:
        """Metric name to the step that reports it."""
        return {one["name"]: one["step"] for one in self._answer["metrics"]}

    def to_dict(self) -> Json:
        """The same document as `kale-rs graph --format json`."""
        copy: Json = json.loads(json.dumps(self._answer))
        return copy

    def _render(self, format: str) -> str:
        from kale_rs import _native

        return _native.render_graph(json.dumps(self._answer), format)

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        return self._render("dot")

    def __repr__(self) -> str:
        if not self.pipeline:
            return repr(self.diagnostics)
        return (self._reasons or self._render("text")).rstrip()

    def _repr_svg_(self) -> str | None:
        return self._render("svg") if self.pipeline and not self._reasons else None

    def _repr_html_(self) -> str | None:
        if not self.pipeline:
            return self.diagnostics._repr_html_()
        if self._reasons:
            return f"<pre>{escape(self._reasons)}</pre>"
        return f'<div style="overflow-x:auto">{self._render("svg")}</div>'


class Compiled(NamedTuple):
    """An emitted pipeline: its text, and the files that were written."""

    target: str
    text: str
    files: list[str]
    diagnostics: Diagnostics
    #: Files that an image for the steps is built from.
    build_context: list[str]

    def __repr__(self) -> str:
        where = ", ".join(self.files) or f"{len(self.text)} characters, not written"
        return f"<{self.target}: {where}>"


class Step(NamedTuple):
    """A step of a run."""

    name: str
    status: str
    seconds: float
    cells: list[int]


class Run:
    """A run as it was when it was looked at; `refresh()` looks again."""

    def __init__(self, answer: Json) -> None:
        self.run_id: str | None = answer["run_id"]
        self.status: str = answer["status"]
        self.seconds: float = answer["seconds"]
        self.steps = [Step(one["name"], one["status"], one["seconds"], one["cells"]) for one in answer["steps"]]
        self.metrics: dict[str, float | str] = answer["metrics"]
        self.parameters: dict[str, object] = answer["parameters"]
        self.source: str | None = answer["source"]
        self.notebook: str | None = answer["notebook"]
        #: The context of a run on a cluster, and the page about it there.
        self.context: str | None = answer.get("context")
        self.url: str | None = (answer.get("remote") or {}).get("url")
        #: With `then`: what became of each context, and of the gates before the next one.
        self.promotion: list[Json] = answer.get("promotion", [])
        self.diagnostics = Diagnostics(answer["diagnostics"], answer.get("text", ""))

    def refresh(self) -> Run:
        """The run as it is now."""
        from kale_rs import api

        return api.show(self, store=self.source)

    def logs(self, step: str | None = None) -> Logs:
        """What its steps (or one of them) wrote."""
        from kale_rs import api

        return api.logs(self, step, store=self.source)

    def raise_for_status(self) -> Run:
        """Raise `RunError` unless it has succeeded; gives itself back."""
        if self.status != "succeeded":
            raise RunError(self)
        return self

    def __repr__(self) -> str:
        if self.run_id is None:
            return repr(self.diagnostics)
        lines = [f"run {self.run_id} {self.status} in {self.seconds:.1f} s"]
        lines += [f"  {step.name:<20} {step.status:<10} {step.seconds:8.2f} s" for step in self.steps]
        lines += [f"  {name} = {_number(value)}" for name, value in self.metrics.items()]
        if self.url:
            lines.append(f"  on {self.context}: {self.url}")
        if self.notebook:
            lines.append(f"  notebook {self.notebook}")
        if self.diagnostics.errors:
            lines += ["", repr(self.diagnostics)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self.run_id is None:
            return self.diagnostics._repr_html_()
        cells = [", ".join(map(str, step.cells)) for step in self.steps]
        rows = (
            (escape(step.name), coloured(step.status), f"{step.seconds:.2f} s", where)
            for step, where in zip(self.steps, cells, strict=True)
        )
        parts = [f"run <b>{self.run_id}</b> {coloured(self.status)} in {self.seconds:.1f} s"]
        parts.append(html_table(("step", "status", "time", "cells"), rows))
        if self.metrics:
            metrics = ((escape(name), escape(_number(value))) for name, value in self.metrics.items())
            parts.append(html_table(("metric", "value"), metrics))
        if self.url:
            link = escape(self.url) if self.url.startswith(("https:", "http:")) else "#"
            parts.append(f'on <a href="{link}" target="_blank" rel="noopener">{escape(self.context or "")}</a>')
        if self.notebook:
            parts.append(f"executed notebook: <code>{escape(self.notebook)}</code>")
        if self.diagnostics.errors:
            parts.append(self.diagnostics._repr_html_())
        return "\n".join(parts)


class Runs(UserList[Run]):
    """Runs, newest first."""

    def __repr__(self) -> str:
        if not self:
            return "no runs"
        return "\n".join(f"{run.run_id}  {run.status:<11} {run.seconds:8.1f} s  {run.source or '-'}" for run in self)

    def _repr_html_(self) -> str:
        rows = (
            (
                escape(run.run_id or ""),
                coloured(run.status),
                f"{run.seconds:.1f} s",
                escape((run.source or "-").rsplit("/", 1)[-1]),
                escape(", ".join(f"{name}={_number(value)}" for name, value in run.metrics.items())),
            )
            for run in self
        )
        return html_table(("run", "status", "time", "notebook", "metrics"), rows) if self else "no runs"


class Logs(UserDict[str, str]):
    """Step name to what it wrote."""

    def __repr__(self) -> str:
        if len(self) == 1:
            return next(iter(self.values())).rstrip()
        return "\n".join(f"── {step} ──\n{text.rstrip()}" for step, text in self.items())


class Diff:
    """What differs between two runs: `code`, `data`, `parameters`, `environment`, `metrics`."""

    def __init__(self, answer: Json) -> None:
        self._answer: Json = answer["diff"]
        self._text: str = answer["text"]
        self._markdown: str = answer["markdown"]

    def to_dict(self) -> Json:
        """The same document as `kale-rs diff --json`."""
        return dict(self._answer)

    def __repr__(self) -> str:
        return self._text.rstrip()

    def _repr_markdown_(self) -> str:
        return self._markdown


class Finding(NamedTuple):
    """One thing that `doctor` looked at."""

    subject: str
    health: str
    detail: str
    help: str


class Diagnosis(UserList[Finding]):
    """What `doctor` found."""

    def __init__(self, findings: Iterable[Json] = ()) -> None:
        super().__init__(Finding(**one) for one in findings)

    def __repr__(self) -> str:
        lines = []
        for finding in self:
            lines.append(f"{finding.health:<8} {finding.subject:<10} {finding.detail}")
            if finding.help:
                lines.append(f"{'':20}help: {finding.help}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = (
            (coloured(one.health), escape(one.subject), f"{_prose(one.detail)}<br><small>{_prose(one.help)}</small>")
            for one in self
        )
        return html_table(("", "", ""), rows)


class Explanation:
    """Pages about diagnostics."""

    def __init__(self, pages: list[Json]) -> None:
        self.pages = {page["id"]: page for page in pages}

    def _texts(self, heading: str) -> list[str]:
        if len(self.pages) == 1:
            return [
                heading.format(page["id"]) + f" ({page['severity']})\n\n{page['text']}" for page in self.pages.values()
            ]
        return [f"- `{page['id']}` ({page['severity']}): {page['summary']}" for page in self.pages.values()]

    def __repr__(self) -> str:
        return "\n".join(self._texts("{}"))

    def _repr_markdown_(self) -> str:
        return "\n".join(self._texts("### {}"))


class Setting(NamedTuple):
    """A value that an overlay can set."""

    step: str | None
    setting: str
    value: str
    origin: str
    instead_of: str | None


class OverlaySettings(UserList[Setting]):
    """The values that an overlay can set, with where each is from: `overlay`, `context`, `notebook` or `default`."""

    def __init__(self, settings: Iterable[Json], unused: Iterable[str] = ()) -> None:
        #: What overlays say of steps and parameters that the notebook does not have.
        self.unused = list(unused)
        super().__init__(
            Setting(one["step"], one["setting"], one["value"], one["from"], one.get("instead_of")) for one in settings
        )

    def __repr__(self) -> str:
        def line(one: Setting) -> str:
            before = f" (instead of {one.instead_of})" if one.instead_of is not None else ""
            return f"{one.step or '(pipeline)'}: {one.setting} = {one.value}, {one.origin}{before}"

        return "\n".join([*map(line, self), *(f"not of this notebook: {what}" for what in self.unused)])

    def _repr_html_(self) -> str:
        rows = ([escape(word or "") for word in one] for one in self)
        return html_table(("step", "setting", "value", "from", "instead of"), rows)


class Restored:
    """What `restore` did: variables that are back, and those that are not."""

    def __init__(
        self, answer: Json, bound: set[str], failed: dict[str, str], apart: dict[str, list[str]] | None = None
    ) -> None:
        self.run_id: str = answer["run_id"]
        self.step: str = answer["step"]
        self.before: bool = answer["before"]
        self.notebook: str | None = answer["notebook"]
        self.names: list[str] = sorted(bound)
        #: Variables that were bound then and could not be put back, and why.
        self.missing: dict[str, str] = {
            each["name"]: each["reason"] for each in answer["namespace"]["missing"]
        } | failed
        #: Variables that shared objects with others in the notebook, and have copies of their own now: steps that were
        #: given the same object have each stored it.
        self.apart: dict[str, list[str]] = apart or {}
        #: Files that the steps wrote until then.
        self.files: list[str] = [each["path"] for each in answer["namespace"]["files"]]
        #: Files that are still on a cluster, and why they could not be fetched.
        self.unfetched_files: dict[str, str] = {
            each["path"]: each["reason"] for each in answer["namespace"]["unfetched_files"]
        }
        self.files_put_back: list[str] = answer["files_put_back"]
        #: Files of a run that was pulled, from outside of its notebook's folder: they are not put back.
        self.files_outside: list[str] = answer["files_outside"]

    def __repr__(self) -> str:
        when = "before" if self.before else "after"
        lines = [f"run {self.run_id}, {when} step {self.step}"]
        if self.notebook is not None:
            lines.append(f"notebook   {self.notebook}")
        else:
            lines.append(f"restored   {', '.join(self.names) or 'nothing'}")
        lines += [f"missing    {name}: {reason}" for name, reason in self.missing.items()]
        lines += [f"apart      {name}: it shared objects with {', '.join(with_)}" for name, with_ in self.apart.items()]
        lines += [f"not here   {path}: {reason}" for path, reason in self.unfetched_files.items()]
        if self.files_put_back:
            lines.append(f"put back   {', '.join(self.files_put_back)}")
        if self.files_outside:
            lines.append(f"left alone {', '.join(self.files_outside)}")
        if self.files and not (self.files_put_back or self.files_outside):
            lines.append(f"files      {', '.join(self.files)} (`files=True` puts them back as they were)")
        return "\n".join(lines)


class Collected:
    """What `gc` removed (or would remove), and what is left."""

    def __init__(self, answer: Json) -> None:
        self.runs: list[str] = answer["runs"]
        self.blobs: int = answer["blobs"]
        #: Of models.
        self.bundles: int = answer["bundles"]
        self.bytes: int = answer["bytes"]
        self.kept_runs: int = answer["kept_runs"]
        self.kept_bytes: int = answer["kept_bytes"]
        #: Values that no run names, and that are too young to be removed.
        self.young: int = answer["young"]
        self.dry_run: bool = answer["dry_run"]

    def __repr__(self) -> str:
        word = "would remove" if self.dry_run else "removed"
        gone = f"{word} {len(self.runs)} runs, {self.blobs} values and {self.bundles} bundles ({self.bytes:,} bytes)"
        return f"{gone}; left: {self.kept_runs} runs, {self.kept_bytes:,} bytes"


class Snapshot:
    """A snapshot that was pushed or pulled."""

    def __init__(self, answer: Json) -> None:
        self.run_id: str = answer["run_id"]
        #: The step whose state it is; `None`: those of all steps.
        self.step: str | None = answer["step"]
        #: What to pull.
        self.url: str = answer["url"]
        self.blobs: int = answer["all"]["blobs"]
        self.bytes: int = answer["all"]["bytes"]
        self.carried_bytes: int = (answer["sent"] if "sent" in answer else answer["received"])["bytes"]
        #: Values that the store no longer had when it was pushed.
        self.missing: int = answer.get("missing", 0)
        #: What is still on a cluster, and why; pushing again later completes the snapshot.
        self.left_out: dict[str, str] = {", ".join(one["names"]): one["reason"] for one in answer.get("left_out", [])}
        #: Whether `restore` loads it without `trust=True`.
        self.trusted: bool = answer.get("trusted", True)

    def __repr__(self) -> str:
        of = self.run_id if self.step is None else f"{self.run_id}:{self.step}"
        size = f"{self.blobs} values, {self.bytes:,} bytes, of which {self.carried_bytes:,} had to travel"
        lines = [f"snapshot of {of} at {self.url} ({size}){'' if self.trusted else '; not trusted'}"]
        return "\n".join(lines + [f"left out   {names}: {reason}" for names, reason in self.left_out.items()])


class Lineage:
    """A run, step, stored value or snapshot, with what it is linked to."""

    def __init__(self, answer: Json) -> None:
        self.id: str = answer["id"]
        self.kind: str = answer["kind"]
        self.facts: Json = answer["facts"]
        self.made_by: list[str] = answer["made_by"]
        self.uses: list[str] = answer["uses"]
        self.made: list[str] = answer["made"]
        self.used_by: list[str] = answer["used_by"]

    def __repr__(self) -> str:
        facts = {name.replace("_", " "): value for name, value in self.facts.items() if value not in ([], {})}
        lines = [self.id, *(f"  {name}: {value}" for name, value in facts.items())]
        return "\n".join([*lines, *(f"{word:<8} {id}" for word, id in self._links())])

    def _links(self) -> list[tuple[str, str]]:
        links = {"made by": self.made_by, "uses": self.uses, "made": self.made, "used by": self.used_by}
        return [(word, id) for word, ids in links.items() for id in ids]

    def _repr_html_(self) -> str:
        facts = ((name.replace("_", " "), value) for name, value in self.facts.items() if value not in ([], {}))
        rows = [(escape(name), f"<code>{escape(str(value))}</code>") for name, value in facts]
        rows += [(word, f"<code>{escape(id)}</code>") for word, id in self._links()]
        return f"{escape(self.kind)} <b>{escape(self.id)}</b>{html_table(('', ''), rows)}"
