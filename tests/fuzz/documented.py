"""Examples of documentation as notebooks: what other people wrote about Python and its libraries, a cell per example.

    python -m fuzz.documented                 the standard library's and its tests'
    python -m fuzz.documented numpy pandas    those of installed packages

Every docstring (and every `__test__` string) with examples is a notebook. It is run from top to bottom and as steps of
one cell each, in a process of its own, and both must be the same. A notebook that does not repeat itself is left out,
and so are examples that are to raise an exception: they would end the notebook.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib.util
import json
import os
import signal
import sys
import sysconfig
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .campaign import Examiner, as_case
from .planner import build
from .writer import RandomNotebook

#: Seconds for one notebook.
PATIENCE = 20


@dataclass
class Documented:
    """Where the examples are from, and their sources."""

    place: str
    sources: list[str]

    def notebook(self) -> RandomNotebook:
        return RandomNotebook(0, self.sources, [[] for _ in self.sources], "cell", {})


def documented(path: Path, module: str) -> Iterator[Documented]:
    """The notebooks of one source file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ">>> " in node.value:
            sources = list(examples(node.value))
            if len(sources) > 1:
                yield Documented(f"{module}:{node.lineno}", preamble(sources, module) + sources)


def preamble(sources: list[str], module: str) -> list[str]:
    """A cell that imports what the examples take for granted: names of their own module."""
    try:
        names = vars(importlib.import_module(module))
    except BaseException:
        return []
    used = {node.id for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    lines = []
    for name in sorted(used & names.keys() - vars(builtins).keys()):
        is_module = isinstance(names[name], types.ModuleType)
        lines.append(f"import {names[name].__name__} as {name}" if is_module else f"from {module} import {name}")
    return ["\n".join(lines)] if lines else []


def examples(text: str) -> Iterator[str]:
    try:
        found = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return
    for example in found:
        if example.exc_msg is None:
            source = example.source.strip("\n")
            try:
                compile(source, "example", "exec")
            except (SyntaxError, ValueError):
                continue
            yield source


def modules(package: str | None) -> Iterator[tuple[Path, str]]:
    if package is None:
        folder = Path(sysconfig.get_path("stdlib"))
        yield from ((path, path.stem) for path in sorted(folder.glob("*.py")))
        yield from ((path, f"test.{path.stem}") for path in sorted((folder / "test").glob("test_*.py")))
        return
    folder = Path(importlib.util.find_spec(package).origin).parent
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        if "tests" not in parts:
            yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def look_at(each: Documented, executable: Path) -> dict:
    """What comes of it, by a child: libraries keep state, and examples end processes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer = {"differences": ["it ended the process"]}
        try:
            signal.alarm(PATIENCE)
            silence()
            with Examiner(executable) as examiner:
                answer = vars(examiner.differences(each.notebook()))
        except BaseException as error:
            answer = {"differences": [f"{type(error).__name__}: {error}"]}
        finally:
            with os.fdopen(writing, "w") as file:
                json.dump(answer, file)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"differences": [f"it did not end within {PATIENCE} s"]}


def silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)


def main() -> int:
    """What differs is printed: it is for people to say what the knowledge base lacks, and what is as it should be (an
    address that is printed, the time that something took)."""
    executable = build()
    counts: Counter = Counter()
    for package in sys.argv[1:] or [None]:
        if package:
            importlib.import_module(package)
        for path, module in modules(package):
            for each in documented(path, module):
                answer = look_at(each, executable)
                wrong = answer["differences"] or answer["refused"]
                counts["notebooks"] += 1
                counts["cells"] += len(each.sources)
                counts["with a difference"] += bool(wrong)
                if wrong:
                    print(f"## {each.place}\n{as_case(each.notebook())}\n{wrong}\n", flush=True)
    print(dict(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
