"""Runs a notebook twice in this process: from top to bottom, and as the steps of its pipeline.

The linear run is plain `exec` of the cells in a fresh `__main__`. A step is carried out by the product's own
`kale_runtime.step.Step`: its program, its pickles, its files. What a process of its own would give a step, this module
gives it: a fresh `__main__`, generators in a state that nobody knows, the environment as it was at the start.
`test_campaign.py` confirms on a sample that real processes do the same.
"""

from __future__ import annotations

import ast
import builtins
import io
import json
import os
import random
import re
import shutil
import sys
import types
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from kale_runtime import classes, memory
from kale_runtime import step as core
from oracle.structure import Describer, captured

core.writing_classes, core.writing_arrays = classes.writing_classes, memory.writing_arrays
BASELINE = dict(os.environ)


@dataclass
class CellCode:
    body: types.CodeType
    #: A trailing expression, which is displayed.
    last: types.CodeType | None
    #: Names that the cell binds for certain: what they hold afterwards is its own doing.
    binds: frozenset[str]


@lru_cache(maxsize=4096)
def cell_code(source: str) -> CellCode:
    tree = ast.parse(source)
    binds = frozenset(certain_names(tree))
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
        last = compile(ast.Expression(tree.body.pop().value), "<cell>", "eval", dont_inherit=True)
    return CellCode(compile(tree, "<cell>", "exec", dont_inherit=True), last, binds)


def certain_names(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AugAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                found |= {
                    node.id
                    for node in ast.walk(target)
                    if isinstance(getattr(node, "ctx", None), ast.Store) and isinstance(node, ast.Name)
                }
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found.add(statement.name)
    return found


def run_cell(code: CellCode, namespace: dict) -> None:
    exec(code.body, namespace)
    if code.last is not None:
        value = eval(code.last, namespace)
        if value is not None:
            print(repr(value))


@dataclass
class CellRecord:
    stdout: str = ""
    error: str | None = None
    bound: dict = field(default_factory=dict)


@dataclass
class Record:
    """What a run showed."""

    cells: dict[int, CellRecord] = field(default_factory=dict)
    #: By (producing cell, kind, names): what these names held right after the cell.
    values: dict[tuple, object] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    #: A fault of the machinery: a value that could not be stored or loaded.
    failure: str | None = None


class Shapes(Describer):
    """Describes values, with what is known to differ left out."""

    def function(self, value) -> str:
        """By its name: dill does not keep a qualified name that `functools.wraps` has set."""
        rest = [value.__defaults__, value.__kwdefaults__, captured(value), value.__dict__]
        return f"function {value.__name__} {self.code(value.__code__)} {self.text(rest)}"

    def code(self, code) -> str:
        """Without the instructions: they differ when a definition is compiled apart from the imports above it."""
        constants = [self.code(c) if isinstance(c, types.CodeType) else self.text(c) for c in code.co_consts]
        return f"code({code.co_names}, {code.co_varnames}, {constants})"


def described(names, namespace: dict) -> dict:
    describer = Shapes({})
    return {name: describer.text(namespace[name]) for name in sorted(names) if name in namespace}


def outcome(error: BaseException | None) -> str | None:
    return None if error is None else without_addresses(f"{type(error).__name__}: {error}")


def without_addresses(text: str) -> str:
    """What is printed of an object without a `__repr__` says where it lies."""
    return re.sub(r"\b0x[0-9a-f]+", "0x", text) if "0x" in text else text


# The world around a run


class World:
    """The directory that both runs use, one after the other, and the process' state that they must not share."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.artifacts = directory / "artifacts"
        self.work = directory / "work"
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(exist_ok=True)
        os.chdir(self.work)
        self.entropy = random.Random()
        self.numpy = False

    def fresh_process(self) -> None:
        """What a new process would have."""
        random.seed(self.entropy.random())
        if self.numpy:
            import numpy

            numpy.random.seed(self.entropy.getrandbits(32))
        if os.environ != BASELINE:
            os.environ.clear()
            os.environ.update(BASELINE)

    def clear(self) -> None:
        for entry in os.scandir(self.work):
            os.unlink(entry.path) if entry.is_file() else shutil.rmtree(entry.path)

    def files(self) -> dict[str, bytes]:
        return {entry.name: Path(entry.path).read_bytes() for entry in os.scandir(self.work)}


class quiet:
    """Captures what is printed, and leaves the interpreter's own state as it was."""

    def __enter__(self):
        self.before = sys.stdout, sys.modules["__main__"], sys.modules.get("kale_rs")

    def __exit__(self, *_):
        sys.stdout, sys.modules["__main__"], stub = self.before
        if stub is None:
            sys.modules.pop("kale_rs", None)
        else:
            sys.modules["kale_rs"] = stub
        for name in ("__kale_metric__", "display"):
            builtins.__dict__.pop(name, None)


# From top to bottom


def run_linear(notebook, world: World, watched: dict[int, set]) -> Record:
    """`watched`: by cell, the (kind, names) to describe after it."""
    record = Record()
    world.fresh_process()
    module = types.ModuleType("__main__")
    namespace = module.__dict__
    with quiet():
        sys.modules["__main__"] = module
        for index, source in enumerate(notebook.sources):
            cell = record.cells[index] = CellRecord()
            sys.stdout = out = io.StringIO()
            code = cell_code(overridden(source, notebook) if "pipeline-parameters" in notebook.tags[index] else source)
            try:
                run_cell(code, namespace)
            except Exception as error:
                cell.error = outcome(error)
            else:
                cell.bound = described(code.binds, namespace)
            cell.stdout = without_addresses(out.getvalue())
            for kind, names in watched.get(index, ()):
                record.values[index, kind, names] = watched_value(kind, names, namespace)
            if cell.error:
                break
    record.files = world.files()
    world.clear()
    return record


def overridden(source: str, notebook) -> str:
    """The parameters cell with the run's values."""
    values = notebook.parameters
    lines = (line.partition(" = ") for line in source.split("\n"))
    return "\n".join(
        f"{name} = {values[name]!r}" if name in values else name + middle + text for name, middle, text in lines
    )


def watched_value(kind: str, names: tuple, namespace: dict):
    kind, _, detail = kind.partition(":")
    if kind == "file":
        with suppress(FileNotFoundError):
            return Path(detail).read_bytes()
        return None
    if kind == "rng":
        return repr(core.generator(detail, "get"))
    return described(names, namespace)


# As steps


class FastStep(core.Step):
    """A step in this process. Cells that need no edit run from code that is compiled once for both runs."""

    def __init__(self, plan: dict, world: World, record: Record, parameters: dict):
        super().__init__({"inputs": {"parameterValues": parameters}, "outputs": {}}, plan)
        self.world, self.record = world, record
        self.loaded: list[tuple] = []

    def path(self, side, key):
        return f"{self.world.artifacts}/{key}"

    async def run_cell(self, cell, line, source, parameters, sites):
        record = self.record.cells[cell] = CellRecord()
        sys.stdout = out = io.StringIO()
        try:
            await super().run_cell(cell, line, source, parameters, sites)
            record.bound = described(cell_code(source).binds, self.names)
        except Exception as error:
            record.error = outcome(error)
            raise
        finally:
            record.stdout = without_addresses(out.getvalue())

    async def plain(self, edit, silent):
        if edit.values or edit.sites:
            await super().plain(edit, silent)
        elif silent:
            sys.stdout = out = io.StringIO()
            exec(definition(self.source), self.names)
            if out.getvalue():
                self.record.failure = f"repeating `{self.source}` printed {out.getvalue()!r}"
        else:
            run_cell(cell_code(self.source), self.names)

    def load(self, key, kind, names):
        super().load(key, kind, names)
        self.loaded.append((key, kind, tuple(names), watched_value(kind, tuple(names), self.names)))


@lru_cache(maxsize=4096)
def definition(source: str) -> types.CodeType:
    return compile(source, "<definition>", "exec", dont_inherit=True)


def run_steps(notebook, planned, world: World, order: list[int]) -> tuple[Record, list[tuple]]:
    """The record, and what was loaded: (artifact, kind, names, value)."""
    record, loaded = Record(), []
    parameters = {**defaults(notebook), **notebook.parameters}
    failed: set[int] = set()
    before = predecessors(planned)
    with quiet():
        for index in order:
            if before[index] & failed:
                failed.add(index)
                continue
            world.fresh_process()
            step = FastStep(planned.plans[index], world, record, parameters)
            use_main_of(step)
            try:
                core_drive(step)
            except Exception as error:
                failed.add(index)
                cell = step.cell
                if cell is None or cell not in record.cells or record.cells[cell].error is None:
                    record.failure = f"step `{step.plan['step']}`: {outcome(error)}"
            loaded += step.loaded
    record.files = world.files()
    world.clear()
    for entry in os.scandir(world.artifacts):
        os.unlink(entry.path)
    return record, loaded


def use_main_of(step) -> None:
    """Dill keeps the `__main__` that it found when it was imported: in a process of its own, this one."""
    dill = sys.modules.get("dill")
    if dill is None and any(row[0] in ("load", "save") and row[2] == "callable" for row in step.plan["program"]):
        import dill
    if dill is not None:
        dill._dill._main_module = step.main


def core_drive(step) -> None:
    coroutine = step.run()
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("no cell of these notebooks awaits")


def defaults(notebook) -> dict:
    for source, tags in zip(notebook.sources, notebook.tags, strict=True):
        if "pipeline-parameters" in tags:
            return {
                name: json.loads(json.dumps(ast.literal_eval(text)))
                for name, _, text in (line.partition(" = ") for line in source.split("\n"))
                if text
            }
    return {}


def predecessors(planned) -> list[set[int]]:
    before: list[set[int]] = [set() for _ in planned.plans]
    for earlier, later in planned.edges:
        before[later].add(earlier)
    return before


def schedule(planned, chance: random.Random) -> list[int]:
    """A random order that the edges allow; half of the time the one that is furthest from the notebook's."""
    before = predecessors(planned)
    latest = chance.random() < 0.5
    waiting = [len(each) for each in before]
    after: list[list[int]] = [[] for _ in before]
    for later, earlier_ones in enumerate(before):
        for earlier in earlier_ones:
            after[earlier].append(later)
    ready = [index for index, count in enumerate(waiting) if not count]
    order = []
    while ready:
        index = max(ready) if latest else ready[int(chance.random() * len(ready))]
        ready.remove(index)
        order.append(index)
        for later in after[index]:
            waiting[later] -= 1
            if not waiting[later]:
                ready.append(later)
    return order
