"""The compiler's symbol tables are CPython's, on every source at hand: not one name differs.

What a function binds, what it captures, which names are the module's: CPython decides it in `Python/symtable.c`, and
shows it in the module `symtable`. The compiler decides it again, in `kale_frontend/src/python/scope.rs`, and everything
it says about a notebook rests on that. So each of the two makes the table of the same source, and the tables must be
equal: the tree of scopes with their kinds, names and lines, and for every name what the scope does with it and where it
lives.

Sources are the standard library, installed packages, and the cells of examples and specs. A source that CPython refuses
must be refused, and no other. `make test` takes the whole standard library and every twentieth file of the packages;
with `KALE_TEST_ALL=1` it takes every file, and asks every interpreter that it finds.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager, leading_empty_lines, leading_indent
from programs import example

from . import scopes
from .spec_cases import read_cases

ALL = bool(os.environ.get("KALE_TEST_ALL"))
SAMPLE = 1 if ALL else 20
CHUNK = 200
VERSIONS = [(3, minor) for minor in range(10, 15)]
# Magics whose body is Python code of the notebook.
PYTHON_MAGICS = ("%%time", "%%capture", "%%pipeline")


def interpreters() -> dict[str, str]:
    """The running interpreter, and the others that are asked."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {own: sys.executable}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for major, minor in VERSIONS if ALL else []:
        version = f"{major}.{minor}"
        installed = sorted(pyenv.glob(f"{version}.*/bin/python"))
        path = str(installed[-1]) if installed else shutil.which(f"python{version}")
        if path and runs(path, version):
            found.setdefault(version, path)
    return found


def runs(path: str, version: str) -> bool:
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", script], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == version


@pytest.fixture(scope="module")
def program() -> Path:
    return example("symbol_table")


def chunks(paths: list[Path]):
    for start in range(0, len(paths), CHUNK):
        texts = [(path, scopes.read(path)) for path in paths[start : start + CHUNK]]
        yield [(str(path), text) for path, text in texts if text is not None]


def theirs(python: str, sources: list[str], notebook: bool) -> list[dict]:
    """CPython's half."""
    text = scopes.requests(sources, notebook)
    done = subprocess.run([python, "-X", "utf8", scopes.__file__], input=text, **scopes.TEXT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(program: Path, version: str, python: str, named: list[tuple[str, str]], notebook: bool = False):
    """The differences, and how many scopes and names were compared."""
    sources = [source for _, source in named]
    answers = zip(
        named, scopes.ours(program, sources, version, notebook), theirs(python, sources, notebook), strict=True
    )
    found, scope_count, name_count = [], 0, 0
    for (name, source), mine, correct in answers:
        if correct["table"] is None:
            if not mine["faults"]:
                found.append(f"{name}: CPython refuses it, {correct['refusal']}; we do not")
            continue
        if mine["faults"] and refusal(python, source) is None:
            found.append(f"{name}: we refuse it, {mine['faults'][0]}; CPython does not")
        if "table" not in mine:
            continue
        found += [f"{name}{difference}" for difference in scopes.differences(mine["table"], correct["table"])]
        inside, names = scopes.size(correct["table"])
        scope_count, name_count = scope_count + inside, name_count + names
    return found, scope_count, name_count


def refusal(python: str, source: str) -> str | None:
    script = f"import sys, runpy; print(runpy.run_path({scopes.__file__!r})['refusal'](sys.stdin.read()) or '')"
    done = subprocess.run([python, "-X", "utf8", "-W", "ignore", "-c", script], input=source, **scopes.TEXT)
    return done.stdout.strip() or None


def assert_equal_tables(program: Path, version: str, python: str, paths: list[Path]) -> None:
    found, files, scope_count, name_count = [], 0, 0, 0
    for named in chunks(paths):
        differences, inside, names = compare(program, version, python, named)
        found += differences
        files, scope_count, name_count = files + len(named), scope_count + inside, name_count + names
    print(f"Python {version}: {files} files, {scope_count} scopes, {name_count} names, {len(found)} differences")
    assert not found, "\n".join(found[:30])


def directories(python: str) -> tuple[Path, Path]:
    """The standard library of an interpreter, and its packages."""
    script = "import sysconfig as s; print(s.get_path('stdlib')); print(s.get_path('purelib'))"
    lines = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    return Path(lines[0]), Path(lines[1])


def modules(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*.py") if path.is_file())


@pytest.mark.parametrize(("version", "python"), interpreters().items())
def test_the_standard_library(version, python, program):
    library, _ = directories(python)
    paths = [path for path in modules(library) if "site-packages" not in path.parts]
    assert len(paths) > 500
    assert_equal_tables(program, version, python, paths)


@pytest.mark.parametrize(("version", "python"), interpreters().items())
def test_installed_packages(version, python, program):
    _, packages = directories(python)
    assert_equal_tables(program, version, python, modules(packages)[::SAMPLE])


def test_code_cells(program):
    """Magics bind and read no names by CPython's rules: IPython makes calls of them, whose arguments are text."""
    version, python = next(iter(interpreters().items()))
    cells = dict(code_cells())
    transform = TransformerManager().transform_cell
    mine = scopes.ours(program, list(cells.values()), version, notebook=True)
    correct = theirs(python, [transform(cell) for cell in cells.values()], notebook=True)
    compared = 0
    for (name, source), ours, cpython in zip(cells.items(), mine, correct, strict=True):
        refused = cpython["table"] is None
        if ours["faults"] and not refused:
            # What the symbol table lets through, the compiler may refuse: `return` outside of a function.
            refused = any(scopes.refusal(statement) for statement in statements(transform(source)))
        assert bool(ours["faults"]) == refused, (name, source, ours["faults"], cpython["refusal"])
        if not refused:
            for table in (ours["table"], cpython["table"]):
                forget(table, "get_ipython")
            assert not scopes.differences(ours["table"], cpython["table"]), (name, source)
            compared += 1
    assert compared > 500


def forget(table: dict, name: str) -> None:
    table["symbols"].pop(name, None)
    for child in table["children"]:
        forget(child, name)


def code_cells():
    """The cells of specs and examples; of a cell magic's cell, the body."""
    notebooks = [(case.name, case.notebook()) for case in read_cases()]
    paths = sorted((scopes.ROOT / "examples").rglob("*.ipynb"))
    notebooks += [(path.parent.name, json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    for name, notebook in notebooks:
        for index, cell in enumerate(notebook["cells"]):
            source = "".join(cell["source"])
            if source.startswith("%%"):
                magic, _, source = source.partition("\n")
                source = source if magic.split()[0] in PYTHON_MAGICS else ""
            lines = leading_indent(leading_empty_lines(source.splitlines(keepends=True)))
            if cell["cell_type"] == "code" and lines:
                yield f"{name} cell {index}", "".join(lines)


REFUSED = [
    "return 1",
    "if x:\n    return 1",
    "yield 1",
    "x = yield",
    "break",
    "class A:\n    return 1",
    "class A:\n    await x",
    "class A:\n    [(y := 0) for i in [1]]",
    "def f():\n    await g()",
    "def f():\n    [x async for x in y]",
    "def f():\n    [(yield) for i in [1]]",
    "def f():\n    from os import *",
    "def f(a, a): pass",
    "lambda a, a: 1",
    "f(__debug__=1)",
    "nonlocal x",
    "def f():\n    nonlocal x",
    "def f():\n    x = 1\n    global x",
    "def f():\n    print(x)\n    global x",
    "def f(x):\n    global x",
    "def f():\n    global x\n    x: int = 1",
    "def f(x):\n    def g():\n        global x\n        nonlocal x",
    "if True:\n    x = 1\n    global x",
    "[(i := 0) for i in [1]]",
    "[i for i in (q := [1])]",
    "[[(j := 0) for i in [1]] for j in [1]]",
    "async def f():\n    yield 1\n    return 2",
    "from __future__ import nothing",
    "*a = 1",
    "__debug__ = 1",
    "match 1:\n    case x: pass\n    case 1: pass",
    "[a, *b, *c] = 1",
    "for i in []:\n    def f():\n        continue",
]
ACCEPTED = [
    "await x",
    "async with a as b: pass",
    "[await x for x in y]",
    "[x async for x in y]",
    "x = 1\nglobal x\nx = 2",
    "x = 1\nfrom __future__ import annotations",
    "lambda: (yield)",
    "def f(): return (await x for x in y)",
    "def f():\n    def g():\n        nonlocal q\n    q = 1",
    "for i in []:\n    break\nelse:\n    pass",
]


@pytest.mark.parametrize("source", REFUSED + ACCEPTED)
def test_cells_are_refused_as_jupyter_refuses_them(source, program):
    """IPython compiles the statements of a cell one by one, with `await` allowed outside of functions."""
    lines = [scopes.refusal(statement) for statement in statements(source)]
    assert any(lines) == (source in REFUSED), lines
    [mine] = scopes.ours(program, [source], "{}.{}".format(*sys.version_info[:2]), notebook=True)
    assert bool(mine["faults"]) == (source in REFUSED), mine["faults"]


def statements(source: str) -> list[str]:
    """The statements of a module; the whole text when they cannot be told apart."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return [source]
    return [ast.get_source_segment(source, statement) for statement in tree.body]


def test_a_difference_is_found(program):
    """The comparison itself: one name that lives elsewhere is one difference."""
    [mine] = scopes.ours(program, ["def f():\n    x = 1\n"], "{}.{}".format(*sys.version_info[:2]))
    table = scopes.cpython("def f():\n    return x\n")["table"]
    [difference] = scopes.differences(mine["table"], table)
    assert "'x' is referenced global-implicit, ours assigned local" in difference
