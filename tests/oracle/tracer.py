"""What a notebook really needs: its cells run from top to bottom in one process, and every access is seen.

A static analysis says what a cell *may* depend on. This says what the cells did depend on, in one execution:

- **names** read and bound: the cells' globals are a dictionary that records its accesses. CPython asks such a
  dictionary also for `LOAD_GLOBAL`, so what functions read counts for the cell that calls them;
- **values** changed: the value of every name is described (`structure`) before and after each cell. A cell that reads a
  name depends on the last cell that bound the name or changed its value, under whatever name;
- **hidden state**: the global generators' states before and after, and files opened (an audit hook).

The result is the graph that a perfect analysis would find, under the transport rules that pipelines have, too:

- definitions are executed again wherever they are needed: imports, functions, classes, names bound to literals, and
  literal seeds. They cost nothing, and cells that consist of them are not counted;
- what cannot be pickled does not travel: a cell that uses it is joined with the cell that made or last used it. The
  same goes for figures, which pickle, but would be shown a second time where they are loaded.

One child per notebook is forked from a warm process, as in `linear`:

    for path, trace in trace_all(paths).items():
        trace.edges, trace.joined, trace.definitions
"""

from __future__ import annotations

import ast
import builtins
import gc
import importlib
import inspect
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import types
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    from structure import Describer, digest
else:
    from .structure import Describer, digest

#: Imported before the fork.
WARM = ("numpy", "pandas", "scipy.stats", "scipy.optimize", "sklearn.ensemble", "sklearn.svm", "matplotlib.pyplot")
CANNOT_TRAVEL = "does not pickle"
PARALLEL_CHILDREN = 2


@dataclass
class Trace:
    #: Code cells, in notebook order.
    cells: list[int]
    #: Pairs `(from, to)` of cells, with what makes them depend.
    edges: dict[tuple[int, int], list[str]]
    #: Pairs of cells between which something would have to travel that cannot.
    joined: list[tuple[int, int]]
    #: Cells of which every statement may be executed again elsewhere.
    definitions: list[int]
    #: By cell: the names it asked for, whatever they hold, that it had not bound itself before.
    reads: dict[int, set[str]]
    #: By cell: the names whose values it changed without binding them.
    changes: dict[int, set[str]]
    #: `[cell, exception]` that stopped the notebook.
    error: list | None


def trace_all(paths: list[Path]) -> dict[Path, Trace]:
    environment = {**os.environ, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
    with tempfile.TemporaryDirectory() as scratch:
        requests = [[str(path.resolve()), os.path.join(scratch, f"{number}.json")] for number, path in enumerate(paths)]
        subprocess.run([sys.executable, __file__], input=json.dumps(requests), text=True, env=environment, check=True)
        return {
            path: read_result(json.loads(Path(result).read_text(encoding="utf-8")))
            for path, (_, result) in zip(paths, requests, strict=True)
        }


def read_result(data: dict) -> Trace:
    return Trace(
        cells=data["cells"],
        edges={(source, target): why for source, target, why in data["edges"]},
        joined=[tuple(pair) for pair in data["joined"]],
        definitions=data["definitions"],
        reads={int(cell): set(names) for cell, names in data["reads"].items()},
        changes={int(cell): set(names) for cell, names in data["changes"].items()},
        error=data["error"],
    )


def serve() -> None:
    for module in WARM:
        try:
            importlib.import_module(module)
        except ImportError:
            continue
    running, failed = set(), False
    for notebook, result in json.load(sys.stdin):
        if len(running) == PARALLEL_CHILDREN:
            failed |= wait_for_one(running)
        pid = os.fork()
        if pid == 0:
            answer_in_child(notebook, result)
        running.add(pid)
    while running:
        failed |= wait_for_one(running)
    sys.exit(failed)


def wait_for_one(running: set[int]) -> bool:
    pid, status = os.wait()
    running.discard(pid)
    return status != 0


def answer_in_child(notebook: str, result: str) -> None:
    status = 1
    try:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        with tempfile.TemporaryDirectory() as directory:
            os.chdir(directory)
            sys.path[0] = directory
            for beside in Path(notebook).parent.iterdir():
                if beside.suffix != ".ipynb":
                    (shutil.copytree if beside.is_dir() else shutil.copy)(beside, Path(directory, beside.name))
            answer = Tracer(json.loads(Path(notebook).read_text(encoding="utf-8")), directory).run()
            Path(result).write_text(json.dumps(answer), encoding="utf-8")
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


class Namespace(dict):
    """Globals that record who reads and binds what."""

    def __init__(self):
        super().__init__()
        self.start()

    def start(self) -> None:
        self.read: set[str] = set()
        self.bound: set[str] = set()

    def __getitem__(self, name):
        # Also one that is not there: that is something to know, too.
        self.note_read(name)
        return super().__getitem__(name)

    def __setitem__(self, name, value):
        self.bound.add(name)
        super().__setitem__(name, value)

    def __delitem__(self, name):
        self.note_read(name)
        super().__delitem__(name)
        self.bound.discard(name)

    def note_read(self, name: str) -> None:
        if name not in self.bound and not (name.startswith("__") and name.endswith("__")):
            self.read.add(name)


class Main(types.ModuleType):
    """Stands for `__main__`, where pickle looks for the notebook's functions and classes."""

    def __init__(self, namespace: Namespace):
        super().__init__("__main__")
        self.__dict__["namespace"] = namespace

    def __getattr__(self, name):
        try:
            return dict.__getitem__(self.__dict__["namespace"], name)
        except KeyError:
            raise AttributeError(name) from None


class ValueDescriber(Describer):
    """Describes frames fast, and says of pictures that they do not travel."""

    def parts(self, value) -> str:
        if type(value).__module__.startswith("matplotlib") and hasattr(value, "get_figure"):
            return f"picture {id(value)} that {CANNOT_TRAVEL}"
        return super().parts(value)

    def pandas(self, value) -> str | None:
        import pandas

        if isinstance(value, pandas.DataFrame):
            columns = [self.column(value.iloc[:, place]) for place in range(value.shape[1])]
            return f"DataFrame {list(value.columns)} {columns} {self.column(value.index)}"
        return self.column(value) if isinstance(value, (pandas.Series, pandas.Index)) else None

    def column(self, value) -> str:
        array = value.to_numpy()
        content = array.tobytes() if not array.dtype.hasobject else "\n".join(map(repr, array)).encode()
        return f"{type(value).__name__} {value.name!r} {value.dtype} {digest(content)}"


class Tracer:
    def __init__(self, notebook: dict, directory: str):
        cells = enumerate(notebook["cells"])
        self.sources = {index: python("".join(cell["source"])) for index, cell in cells if cell["cell_type"] == "code"}
        self.directory = directory
        self.namespace = Namespace()
        dict.__setitem__(self.namespace, "__builtins__", builtins)
        dict.__setitem__(self.namespace, "__name__", "__main__")
        sys.modules["__main__"] = Main(self.namespace)
        #: By name: the cell that bound it or changed its value last, and whether a definition did.
        self.maker: dict[str, int] = {}
        self.is_definition: dict[str, bool] = {}
        self.texts: dict[str, str] = {}
        self.generators = {"random": RandomModule(), "numpy": NumpyRandom()}
        self.files = Files(directory)
        self.edges: dict[tuple[int, int], list[str]] = {}
        self.joined: set[tuple[int, int]] = set()
        self.reads: dict[int, set[str]] = {}
        self.changes: dict[int, set[str]] = {}

    def run(self) -> dict:
        error = None
        for index, source in self.sources.items():
            before = {name: id(value) for name, value in self.namespace.items()}
            self.namespace.start()
            self.files.start()
            for generator in self.generators.values():
                generator.start()
            try:
                tree = ast.parse(source)
                self.execute(tree, index)
            except Exception as raised:
                self.reads[index] = set(self.namespace.read)
                error = [index, repr(raised)]
                break
            self.settle(index, tree, before)
        return {
            "cells": list(self.sources),
            "edges": [[source, target, sorted(set(why))] for (source, target), why in sorted(self.edges.items())],
            "joined": sorted(self.joined),
            "definitions": [index for index, source in self.sources.items() if is_definitions(source)],
            "reads": {index: sorted(names) for index, names in self.reads.items()},
            "changes": {index: sorted(names) for index, names in self.changes.items()},
            "error": error,
        }

    def execute(self, tree: ast.Module, index: int) -> None:
        tree = ast.Module(list(tree.body), [])
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        code = compile(tree, f"<cell {index}>", "exec", dont_inherit=True)
        exec(code, self.namespace)
        for name in class_body_names(code):
            self.namespace.note_read(name)
        if last is not None:
            show(eval(compile(ast.Expression(last.value), f"<cell {index}>", "eval"), self.namespace))
        # The inline backend shows the figures of a cell at its end and forgets them.
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")

    def settle(self, index: int, tree: ast.Module, before: dict[str, int]) -> None:
        read, bound = self.namespace.read, self.namespace.bound
        values = {name: value for name, value in self.namespace.items() if not name.startswith("__")}
        # `global x` in a function stores past the dictionary's methods.
        bound |= {name for name, value in values.items() if before.get(name) != id(value)}
        self.reads[index] = set(read)
        for name in read:
            self.depend_on_name(index, name)
        self.depend_on_hidden_state(index)
        texts = {name: describe(value) for name, value in values.items()}
        changed = {name for name in texts if name not in bound and texts[name] != self.texts.get(name)}
        changed |= self.used_without_trace(read & set(values), values, texts)
        self.changes[index] = changed
        definitions = defined_names(tree)
        for name in bound | changed:
            self.maker[name] = index
            is_class = isinstance(values.get(name), type)
            self.is_definition[name] = name not in changed and (name in definitions or is_class)
        self.texts = texts

    def depend_on_name(self, index: int, name: str) -> None:
        if name not in self.maker or self.is_definition[name]:
            return
        maker = self.maker[name]
        self.depend(maker, index, name)
        if CANNOT_TRAVEL in self.texts.get(name, ""):
            self.joined.add((maker, index))

    def depend(self, source: int, target: int, why: str) -> None:
        if source != target:
            self.edges.setdefault((source, target), []).append(why)

    def depend_on_hidden_state(self, index: int) -> None:
        for name, generator in self.generators.items():
            source = generator.settle(index)
            if source is not None:
                self.depend(source, index, f"rng:{name}")
        for source, path in self.files.settle(index):
            self.depend(source, index, f"file:{path}")

    def used_without_trace(self, read: set[str], values: dict, texts: dict[str, str]) -> set[str]:
        """Names of values whose state cannot be described (an open file, a connection, a figure): a use of one is taken
        for a change of all that hang together with it."""
        hidden = {name for name in texts if CANNOT_TRAVEL in texts[name]}
        reached = {name: reachable(values[name]) for name in hidden}
        used = set().union(*(reached[name] for name in hidden & read))
        return {name for name in hidden if reached[name] & used}


class Generator:
    """A global generator of random numbers: which cell drew from it last since it was seeded."""

    def __init__(self):
        self.writer: int | None = None
        self.is_seeded = False
        seed = self.module.seed

        def seed_and_note(*arguments, **keywords):
            self.drew_before_seed |= self.state() != self.first
            seed(*arguments, **keywords)
            self.seeded_to = self.state() if arguments or keywords else None
            self.was_seeded = True

        self.module.seed = seed_and_note

    def start(self) -> None:
        self.first, self.drew_before_seed, self.was_seeded, self.seeded_to = self.state(), False, False, None

    def settle(self, index: int) -> int | None:
        """The cell on which this one depends by drawing. A seed alone is no dependency: it can be set again."""
        drew = self.state() != (self.seeded_to if self.was_seeded else self.first)
        depends = self.drew_before_seed or (drew and not self.was_seeded)
        source = self.writer if depends else None
        if self.was_seeded:
            self.writer, self.is_seeded = (index if drew else None), True
        elif drew and self.is_seeded:
            self.writer = index
        return source


class RandomModule(Generator):
    module = random

    def state(self):
        return random.getstate()


class NumpyRandom(Generator):
    def __init__(self):
        import numpy

        self.module = numpy.random
        super().__init__()

    def state(self):
        kind, keys, *rest = self.module.get_state()
        return kind, keys.tobytes(), tuple(rest)


class Files:
    """Files below the notebook's directory: who wrote and who read them."""

    def __init__(self, directory: str):
        self.directory = os.path.realpath(directory)
        self.opened: dict[str, bool] = {}
        self.writer: dict[str, int] = {}
        self.readers: dict[str, set[int]] = {}
        sys.addaudithook(self.hook)

    def start(self) -> None:
        self.opened = {}

    def hook(self, event: str, arguments: tuple) -> None:
        if event == "sqlite3.connect":
            self.note(arguments[0], True)
        elif event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            mode, flags = arguments[1] or "", arguments[2] or 0
            self.note(arguments[0], bool(set("wax+") & set(mode)) or bool(flags & (os.O_WRONLY | os.O_RDWR)))

    def note(self, path, writes: bool) -> None:
        path = os.path.realpath(os.path.join(self.directory, os.fsdecode(path)))
        if path.startswith(self.directory + os.sep):
            path = os.path.relpath(path, self.directory)
            self.opened[path] = self.opened.get(path, False) or writes

    def settle(self, index: int) -> list[tuple[int, str]]:
        found = []
        for path, writes in self.opened.items():
            if path in self.writer:
                found.append((self.writer[path], path))
            if writes:
                found += [(reader, path) for reader in self.readers.pop(path, ())]
                self.writer[path] = index
            else:
                self.readers.setdefault(path, set()).add(index)
        return found


def describe(value) -> str:
    try:
        return ValueDescriber({}).text(value)
    except RecursionError:
        return f"{type(value).__name__} {id(value)} that {CANNOT_TRAVEL}"


#: Through these, everything hangs together with everything.
SHARED_BY_ALL = (types.ModuleType, type, types.FunctionType, types.CodeType, Namespace)


def reachable(value) -> set[int]:
    """Identities of the mutable objects that hang together with a value."""
    found, todo = {}, [value]
    while todo and len(found) < 20_000:
        each = todo.pop()
        if id(each) in found or isinstance(
            each, (types.ModuleType, type, types.FunctionType, types.CodeType, Namespace)
        ):
            continue
        if gc.is_tracked(each):
            found[id(each)] = each
            todo += gc.get_referents(each)
    return set(found)


def show(value) -> None:
    """What a front end asks of a displayed value."""
    if value is not None:
        repr(value)
        html = getattr(value, "_repr_html_", None)
        if html is not None:
            html()


def python(source: str) -> str:
    """The cells of the corpus use no more of IPython than line magics about plots, which do nothing here."""
    return "\n".join("" if line.startswith("%") else line for line in source.split("\n"))


def class_body_names(code: types.CodeType) -> set[str]:
    """Names that class bodies ask for: CPython looks these up behind the dictionary's methods."""
    found = set()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if not constant.co_flags & inspect.CO_NEWLOCALS:
                found |= set(constant.co_names)
            found |= class_body_names(constant)
    return found


def is_definitions(source: str) -> bool:
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return False
    return all(defined_by(statement) is not None or is_setting(statement) for statement in statements)


def defined_names(tree: ast.Module) -> set[str]:
    """Names that only definitions bind."""
    defined, others = set(), set()
    for statement in tree.body:
        names = defined_by(statement)
        if names is not None:
            defined |= names
        else:
            others |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and not is_load(node)}
    return defined - others


def is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def defined_by(statement: ast.stmt) -> set[str] | None:
    """The names that a definition binds; None for any other statement."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
        return {target.id for target in statement.targets} if is_literal(statement.value) else None
    return None


def is_literal(node: ast.expr) -> bool:
    """Of a type that nothing can change."""
    try:
        hash(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def is_setting(statement: ast.stmt) -> bool:
    """A bare constant, or a call with literals that sets an option or a seed."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    if isinstance(value, ast.Constant):
        return True
    settings = ("seed", "set_option", "filterwarnings", "set_printoptions", "use")
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in settings


if __name__ == "__main__":
    serve()
