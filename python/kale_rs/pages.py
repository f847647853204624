"""What `show` gives of one step, and `artifact` of one stored value."""

from __future__ import annotations

import base64
from html import escape
from typing import Any, NamedTuple

from kale_rs.errors import UsageError
from kale_rs.results import Diagnostics, Json, coloured, html_table


class Value(NamedTuple):
    """A stored value: `kale_rs.artifact(value.id)` looks into it."""

    id: str
    names: list[str]
    bytes: int | None


class WrittenFile(NamedTuple):
    """A file that a step wrote, as it was then: `kale_rs.artifact(file.id)` looks into it."""

    id: str
    path: str
    bytes: int | None


class Cell(NamedTuple):
    """A cell as a step ran it, with its outputs as a notebook has them."""

    cell: int
    source: str
    outputs: list[Json]


class StepPage:
    """One step of a run, with all that it made."""

    def __init__(self, answer: Json) -> None:
        step = answer["step"]
        self.run_id: str = answer["run_id"]
        self.name: str = step["name"]
        self.status: str = step["status"]
        self.seconds: float = step["seconds"]
        self.attempt: int = step["attempt"]
        self.cpu_seconds: float | None = step["cpu_seconds"]
        self.peak_memory_bytes: int | None = step["peak_memory_bytes"]
        #: Why it has its status, or why it ran again.
        self.reason: str | None = step["reason"]
        self.made = [Value(one["id"], one["names"], one["bytes"]) for one in answer["artifacts"]]
        self.given = [Value(one["id"], one["names"], one["bytes"]) for one in answer["inputs"]]
        #: Values and files that are still on a cluster: names, to where they are and why they could not be fetched.
        self.unfetched = {
            ", ".join(one["names"]): ": ".join(filter(None, (one["uri"], one["reason"])))
            for one in answer.get("unfetched", [])
        }
        self.files = [WrittenFile(one["id"], one["path"], one["bytes"]) for one in answer["files"]]
        self.cells = [Cell(one["cell"], one["source"], one["outputs"]) for one in answer["cells"]]
        #: Whether `restore` knows its variables.
        self.snapshot: bool = answer["snapshot"]
        self.diagnostics = Diagnostics(answer["diagnostics"])
        self._trusted: bool = answer["trusted"]

    def _heading(self) -> str:
        memory = f", {self.peak_memory_bytes / 2**20:.1f} MiB" if self.peak_memory_bytes else ""
        return f"in {self.seconds:.2f} s{memory}" + (f": {self.reason}" if self.reason else "")

    def _rows(self) -> list[tuple[str, str, str, str]]:
        values = [("given", value) for value in self.given] + [("made", value) for value in self.made]
        rows = [(word, ", ".join(value.names), _size(value.bytes), value.id) for word, value in values]
        return rows + [("file", file.path, _size(file.bytes), file.id) for file in self.files]

    def __repr__(self) -> str:
        lines = [f"step {self.name} of run {self.run_id} {self.status} {self._heading()}"]
        lines += [f"  {word:<6} {what:<24} {size:>10}  {id}" for word, what, size, id in self._rows()]
        lines += [f"  not here: {names} ({why})" for names, why in self.unfetched.items()]
        for cell in self.cells:
            lines.append(f"── cell {cell.cell} ──")
            lines += [text.rstrip() for text in map(_text, cell.outputs) if text]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heading = (
            f"step <b>{escape(self.name)}</b> of run {self.run_id} {coloured(self.status)} {escape(self._heading())}"
        )
        rows = (
            (escape(word), escape(what), size, f"<code>{escape(id)}</code>") for word, what, size, id in self._rows()
        )
        parts = [heading, html_table(("", "name", "size", "id"), rows) if self._rows() else ""]
        parts += [escape(f"not here: {names} ({why})") for names, why in self.unfetched.items()]
        for cell in self.cells:
            outputs = "".join(_html(output, self._trusted) for output in cell.outputs)
            source = f"<pre><code>{escape(cell.source)}</code></pre>"
            parts.append(f"<details open><summary>cell {cell.cell}</summary>{source}{outputs}</details>")
        return "\n".join(parts)


class Artifact:
    """A stored value: what it is, who made it, and a preview. `value()` loads it."""

    def __init__(self, answer: Json) -> None:
        self.id: str = answer["id"]
        self.names: list[str] = answer["names"]
        #: Its type in Python, and its size in words.
        self.type: str = answer["type"]
        self.summary: str = answer["summary"]
        self.bytes: int | None = answer["bytes"]
        #: The pickle, or the file, in the store.
        self.path: str = answer["path"]
        #: The file that was written.
        self.output: str | None = answer["output"]
        self.made_by: list[str] = answer["made_by"]
        self.used_by: list[str] = answer["used_by"]
        #: `png` (base64), or `html` and `text`, or `text` alone.
        self.preview: dict[str, str] = answer["preview"]
        self._kind: str = answer["kind"]
        self._trusted: bool = answer["trusted"]

    def value(self) -> Any:
        """The value itself, in this process: of several variables stored together a dict, of a file its bytes.

        Objects of the notebook's own classes need these to be defined here; `kale_rs.restore` does both.
        """
        if self._kind.startswith("file:"):
            with open(self.path, "rb") as file:
                return file.read()
        if not self._trusted:
            raise UsageError(
                f"`{self.id}` is a pickle of a run that was pulled: loading it can run any code",
                "if you trust whoever made it, say so with `kale_rs.artifact(id, trust=True)`; once is enough",
            )
        from kale_runtime import mapped

        with open(self.path, "rb") as file:
            values = mapped.load(file, self._kind)
        return values[self.names[0]] if self.names == list(values) and len(values) == 1 else values

    def _facts(self) -> str:
        names = f"{', '.join(self.names)}: " if self.names else ""
        about = ", ".join(part for part in (self.summary, _size(self.bytes)) if part)
        return f"{names}{self.type} ({about})"

    def __repr__(self) -> str:
        return "\n".join([self._facts(), *([self.preview["text"].rstrip()] if self.preview.get("text") else [])])

    def _repr_html_(self) -> str:
        if "png" in self.preview:
            shown = _image("image/png", self.preview["png"])
        else:
            shown = self.preview.get("html") or f"<pre>{escape(self.preview.get('text', ''))}</pre>"
        return f"{escape(self._facts())}<br>{shown}"

    def _repr_png_(self) -> bytes | None:
        return base64.b64decode(self.preview["png"]) if "png" in self.preview else None


def _size(bytes: int | None) -> str:
    if bytes is None:
        return "gone"
    size = float(bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _image(kind: str, data: str) -> str:
    return f'<img src="data:{kind};base64,{escape(data)}">'


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")


def _text(output: Json) -> str:
    if "traceback" in output:
        return "\n".join(output["traceback"])
    return _joined(output.get("text")) or _joined(output.get("data", {}).get("text/plain"))


def _html(output: Json, trusted: bool) -> str:
    """An output as Jupyter would show it; of a run from elsewhere only what cannot do anything."""
    data = output.get("data", {})
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return _image(kind, _joined(data[kind]).replace("\n", ""))
    if trusted and "text/html" in data:
        return _joined(data["text/html"])
    return f"<pre>{escape(_text(output))}</pre>"
