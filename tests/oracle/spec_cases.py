"""Reads `tests/spec/*.md`: specification and test at once.

A `##` heading (with its file's name) is the name of a case, prose says why, fenced blocks are the notebook and what is
expected of it:

    ```py step:load prev:x        a code cell with these tags; `py` alone is an untagged cell
    ```md                         a markdown cell
    ```file data.csv              a file that lies beside the notebook
    ```nb other.ipynb step:x      a code cell, with these tags, of another notebook beside it; a word `KEY=VALUE` among
                                  the tags of a cell is metadata: `notebook:x notebook_path=other.ipynb`
    ```options                    `granularity=heading`: options of `kale-rs graph` and `kale-rs run`
    ```params                     one more run with other parameters per line: `a=5 b="x y"`
    ```raises                     the exception that stops the notebook, such as `NameError`
    ```flow                       the graph: `load -> train: df, [file:data.csv]`; `load => train` for an edge that only
                                  `prev:` asks for; a step without edges on a line of its own
    ```diagnostics                `warning missing-prev cell 2 line 1` per line, without place: `error no-code`
    ```metrics                    `accuracy = 0.5` per line
    ```varies                     variables whose values no two runs share, such as times: they are not compared

A case without a `flow` block is one that must not compile. Lines of `flow` and `diagnostics` are compared as sets.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

SPEC_DIRECTORY = Path(__file__).parent.parent / "spec"
FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$\n?", re.M | re.S)
EXPECTATIONS = ("flow", "diagnostics", "metrics", "raises", "params", "options", "varies")


@dataclass
class Case:
    path: Path
    title: str
    line: int
    cells: list[dict] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    others: dict[str, list[dict]] = field(default_factory=dict)
    expectations: dict[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
        return f"{self.path.stem}/{slug}"

    @property
    def compiles(self) -> bool:
        return "flow" in self.expectations

    @property
    def raises(self) -> str | None:
        return next(iter(self.expectations.get("raises", [])), None)

    @property
    def options(self) -> list[str]:
        """Command line options, such as `["--granularity", "cell"]`."""
        pairs = (line.split("=", 1) for line in self.expectations.get("options", []))
        return [word for key, value in pairs for word in (f"--{key.strip()}", value.strip())]

    @property
    def parameter_sets(self) -> list[dict]:
        """The default run, then one per line of `params`. A value is JSON, else text."""
        lines = self.expectations.get("params", [])
        return [{}] + [dict(parameter(word) for word in shlex.split(line, posix=True)) for line in lines]

    def notebook(self) -> dict:
        cells = [notebook_cell(index, cell) for index, cell in enumerate(self.cells)]
        metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}

    def other_notebooks(self) -> dict[str, dict]:
        """By path."""
        return {
            path: {**self.notebook(), "cells": [notebook_cell(index, cell) for index, cell in enumerate(cells)]}
            for path, cells in self.others.items()
        }

    def write(self, directory: Path) -> Path:
        """The notebook, with the files beside it, in a directory."""
        others = {path: json.dumps(notebook) for path, notebook in self.other_notebooks().items()}
        for name, text in {**self.files, **others}.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        path = directory / f"{self.name.replace('/', '-')}.ipynb"
        path.write_text(json.dumps(self.notebook()), encoding="utf-8")
        return path


def parameter(word: str) -> tuple[str, object]:
    name, _, text = word.partition("=")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def notebook_cell(index: int, cell: dict) -> dict:
    tags = [word for word in cell["tags"] if "=" not in word]
    metadata = dict(word.split("=", 1) for word in cell["tags"] if "=" in word) | ({"tags": tags} if tags else {})
    row = {"id": f"cell-{index}", "metadata": metadata, "source": cell["source"]}
    if cell["kind"] == "md":
        return {"cell_type": "markdown", **row}
    return {"cell_type": "code", **row, "execution_count": None, "outputs": []}


def read_cases(directory: Path = SPEC_DIRECTORY) -> list[Case]:
    return [case for path in sorted(directory.glob("*.md")) for case in cases_of(path)]


def cases_of(path: Path) -> list[Case]:
    text = path.read_text(encoding="utf-8")
    starts = headings(text)
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [
        read_case(path, title, text[start:end], text.count("\n", 0, start) + 1)
        for (start, title), end in zip(starts, ends, strict=True)
    ]


def headings(text: str) -> list[tuple[int, str]]:
    """Offsets of the `##` lines that stand outside fenced blocks."""
    fences = [match.span() for match in FENCE.finditer(text)]
    return [
        (match.start(), match[1].strip())
        for match in re.finditer(r"^## (.+)$", text, re.M)
        if not any(start <= match.start() < end for start, end in fences)
    ]


def read_case(path: Path, title: str, text: str, line: int) -> Case:
    case = Case(path, title, line)
    for match in FENCE.finditer(text):
        kind, *words = match["info"].split() or [""]
        body = match["body"].removesuffix("\n")
        if kind in ("py", "md"):
            case.cells.append({"kind": kind, "tags": words, "source": body})
        elif kind == "nb":
            case.others.setdefault(words[0], []).append({"kind": "py", "tags": words[1:], "source": body})
        elif kind == "file":
            case.files[words[0]] = match["body"]
        elif kind in EXPECTATIONS:
            case.expectations[kind] = [row.strip() for row in body.splitlines() if row.strip()]
        else:
            raise ValueError(f"{path.name}:{line}: `{kind}` is no kind of block")
    return case


def flow_lines(graph: dict) -> list[str]:
    """The lines of a `flow` block for a graph `G`, in the order of the graph."""
    lines, joined = [], set()
    for edge in graph["edges"]:
        joined |= {edge["from"], edge["to"]}
        cargo = sorted(edge["variables"] + [f"[{resource}]" for resource in edge["resources"]])
        if cargo:
            lines.append(f"{edge['from']} -> {edge['to']}: {', '.join(cargo)}")
        else:
            lines.append(f"{edge['from']} => {edge['to']}")
    return lines + [step["name"] for step in graph["steps"] if step["name"] not in joined]


def check_prose(diagnostics):
    """Messages and helps are whole sentences, whichever layer they are of."""
    for row in diagnostics:
        for text in (row["message"], row["help"]):
            assert text[:1] == "`" or text[:1].isupper() or not text[:1].isalpha(), text
            assert text.endswith((".", "?", "!", "…")), text


def diagnostic_line(diagnostic: dict) -> str:
    place = ""
    if diagnostic["cell"] is not None:
        place = f" cell {diagnostic['cell']}"
        if diagnostic["start"] is not None:
            place += f" line {diagnostic['start']['line']}"
    return f"{diagnostic['severity']} {diagnostic['id']}{place}"


def normal_flow(line: str) -> str:
    """Cargo in any order and spacing is the same flow."""
    edge, colon, cargo = line.partition(":")
    edge = " ".join(edge.split())
    if not colon:
        return edge
    return f"{edge}: {', '.join(sorted(part.strip() for part in cargo.split(',')))}"


def bless(case: Case, kind: str, lines: list[str]) -> None:
    """Writes the block of this kind into the spec file, at the end of the case when it has none."""
    text = case.path.read_text(encoding="utf-8")
    starts = headings(text)
    index = next(i for i, (_, title) in enumerate(starts) if title == case.title)
    start = starts[index][0]
    end = starts[index + 1][0] if index + 1 < len(starts) else len(text)
    body = text[start:end]
    block = f"```{kind}\n" + "".join(f"{line}\n" for line in lines) + "```\n"
    old = next((match for match in FENCE.finditer(body) if match["info"].split()[:1] == [kind]), None)
    if old is not None:
        body = body[: old.start()] + (block if lines else "") + body[old.end() :]
    elif lines:
        body = body.rstrip("\n") + "\n" + block + ("\n" if index + 1 < len(starts) else "")
    case.path.write_text(text[:start] + body + text[end:], encoding="utf-8")
