"""The authority: a notebook run from top to bottom by plain CPython, as "Restart kernel and run all" would.

A warm process forks once per notebook, so a run costs a few milliseconds. The child executes every cell in a fresh
`__main__` and records, per cell, what was printed and displayed; it also describes values (see `structure`) after the
cells where a pipeline stored them, and reads the pipeline's stored values in the same `__main__`, because there the
notebook's own classes exist.

    with LinearExecutor() as executor:
        run = executor.run(notebook, directory, parameters={"a": 5})
        run.cells[3].stdout, run.cells[3].displayed, run.error

IPython is used for a notebook only if a cell of it is not plain Python, or speaks of IPython.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import builtins
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import types
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    import stored_values
    from structure import describe

#: Imported before the fork: importing is all the warm process ever does, so its children are as good as fresh ones.
WARM = ("numpy", "pandas", "IPython.core.interactiveshell")
FUTURE_FLAGS = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
PARAMETER_TAGS = {"pipeline-parameters", "parameters"}


@dataclass
class CellRecord:
    stdout: str = ""
    #: Per displayed value, the texts that it may have: `repr`, and IPython's pretty form.
    displayed: list[list[str]] = field(default_factory=list)


def comparable(stdout: str) -> str:
    """Printed text without what no two runs share: the times that `%time` prints."""
    return re.sub(r"^(CPU times|Wall time): .*$", r"\1", stdout, flags=re.M)


@dataclass
class LinearRun:
    cells: dict[int, CellRecord]
    #: `[cell, exception type, message]` of the exception that stopped the notebook.
    error: list | None
    #: Cell to artifact key to name to description; a name that is not bound there is absent.
    values: dict[int, dict[str, dict[str, str]]]
    #: Artifact key to name to description of what the pipeline stored.
    stored: dict[str, dict[str, str]]
    #: The global variables that are numbers, at the end.
    numbers: dict[str, float]


class LinearExecutor:
    """The warm process."""

    def __init__(self):
        environment = {**os.environ, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, notebook: dict, directory: Path, parameters=None, artifacts=()) -> LinearRun:
        """Runs a notebook in `directory`.

        `artifacts` are rows `{"key", "kind", "names", "cells", "path"}`: the names are described after each of the
        cells, and what is stored at the path is described at the end.
        """
        with tempfile.TemporaryDirectory() as scratch:
            request = {
                "cells": python_cells(notebook),
                "directory": str(directory),
                "parameters": parameters or {},
                "artifacts": list(artifacts),
                "result": os.path.join(scratch, "result.json"),
            }
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            status = self.process.stdout.readline().strip()
            if status != "0":
                raise RuntimeError(f"the linear run ended with status {status or 'none'}")
            return read_result(json.loads(Path(request["result"]).read_text(encoding="utf-8")))

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_result(data: dict) -> LinearRun:
    return LinearRun(
        cells={int(index): CellRecord(**record) for index, record in data["cells"].items()},
        error=data["error"],
        values={int(index): names for index, names in data["values"].items()},
        stored=data["stored"],
        numbers=data["numbers"],
    )


def python_cells(notebook: dict) -> list[dict]:
    """The code cells that a pipeline has, too: those with the tag `skip` are left out."""
    rows = []
    for index, cell in enumerate(notebook["cells"]):
        tags = set(cell.get("metadata", {}).get("tags", []))
        source = "".join(cell["source"])
        words, source = pipeline_magic(source)
        if cell["cell_type"] != "code" or "skip" in tags or words[:1] == ["skip"]:
            continue
        if any(tag.startswith("notebook:") for tag in tags):
            # Another notebook's cells run there: what IPython's `%run` does.
            source = f"%run {cell['metadata']['notebook_path']}"
        is_parameters = bool(tags & PARAMETER_TAGS) or words[:1] == ["parameters"]
        rows.append({"index": index, "source": source, "parameters": is_parameters})
    return rows


def pipeline_magic(source: str) -> tuple[list[str], str]:
    """A `%%pipeline` line says something to the compiler and nothing to the kernel."""
    first, newline, rest = source.partition("\n")
    if not first.startswith("%%pipeline"):
        return [], without_control_lines(source)
    return first.split()[1:], without_control_lines(newline + rest)


def without_control_lines(source: str) -> str:
    lines = source.split("\n")
    return "\n".join("" if line.startswith("%pipeline") else line for line in lines)


def serve() -> None:
    """Reads one request per line, runs each in a child, answers with the child's exit status."""
    for module in WARM:
        try:
            importlib.import_module(module)
        except ImportError:
            continue
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            answer_in_child(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def answer_in_child(request: dict) -> None:
    status = 1
    try:
        os.chdir(request["directory"])
        sys.path[0] = request["directory"]
        result = Child(request).run()
        Path(request["result"]).write_text(json.dumps(result), encoding="utf-8")
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


class Child:
    def __init__(self, request: dict):
        self.request = request
        self.module = types.ModuleType("__main__")
        self.module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = self.module
        self.namespace = self.module.__dict__
        # Open as long as the child lives.
        self.capture = tempfile.TemporaryFile()  # noqa: SIM115
        os.dup2(self.capture.fileno(), 1)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.artifacts = request["artifacts"]
        self.cells: dict[int, dict] = {}
        self.values: dict[int, dict] = {}
        #: By an artifact's key, the functions and classes of the notebook where the pipeline stored it.
        self.definitions: dict[str, dict] = {}
        self.shell = None
        self.displayed: list[list[str]] = []
        # What a cell imports from `__future__` holds for the cells after it, as in IPython.
        self.flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        if any(needs_ipython(cell["source"]) for cell in request["cells"]):
            self.shell = make_shell(self)

    def run(self) -> dict:
        error = None
        for cell in self.request["cells"]:
            failure = self.run_cell(cell)
            self.watch(cell["index"])
            if failure is not None:
                error = [cell["index"], type(failure).__name__, str(failure)]
                break
        numbers = {name: number(value) for name, value in self.namespace.items()}
        return {
            "cells": self.cells,
            "error": error,
            "values": self.values,
            "numbers": {name: value for name, value in numbers.items() if value is not None},
            "stored": {artifact["key"]: self.describe_stored(artifact) for artifact in self.artifacts},
        }

    def run_cell(self, cell: dict) -> BaseException | None:
        self.displayed = []
        start = self.capture.seek(0, os.SEEK_END)
        failure = None
        try:
            overrides = self.request["parameters"] if cell["parameters"] else {}
            self.execute(cell["source"], cell["index"], overrides)
        except (Exception, SystemExit, KeyboardInterrupt) as raised:
            failure = raised
        sys.stdout.flush()
        self.capture.seek(start)
        text = self.capture.read().decode("utf-8", "replace")
        self.cells[cell["index"]] = {"stdout": text, "displayed": self.displayed}
        return failure

    def execute(self, source: str, index: int, overrides: dict) -> None:
        if self.shell is not None:
            self.execute_in_shell(source, overrides)
            return
        tree = override(ast.parse(source), overrides)
        last = tree.body.pop() if ends_with_expression(tree, source) else None
        if tree.body:
            self.evaluate(tree, index, "exec")
        if last is not None:
            self.display(self.evaluate(ast.Expression(last.value), index, "eval"))

    def evaluate(self, tree: ast.AST, index: int, mode: str):
        code = compile(tree, f"<cell {index}>", mode, self.flags, dont_inherit=True)
        self.flags |= code.co_flags & FUTURE_FLAGS
        value = eval(code, self.namespace)
        return self.loop.run_until_complete(value) if inspect.iscoroutine(value) and is_coroutine(code) else value

    def execute_in_shell(self, source: str, overrides: dict) -> None:
        if overrides:
            source = ast.unparse(override(ast.parse(source), overrides))
        outcome = self.loop.run_until_complete(
            self.shell.run_cell_async(source, store_history=False, transformed_cell=self.shell.transform_cell(source))
        )
        if outcome.error_before_exec or outcome.error_in_exec:
            raise outcome.error_before_exec or outcome.error_in_exec

    def display(self, value) -> None:
        if value is None:
            return
        texts = [repr(value)]
        self.displayed.append(texts)
        try:
            from IPython.lib.pretty import pretty
        except ImportError:
            return
        texts.append(pretty(value))

    def watch(self, index: int) -> None:
        self.values[index] = {
            artifact["key"]: describe_names(artifact, stored_values.live(artifact, self.namespace))
            for artifact in self.artifacts
            if index in artifact["cells"]
        }
        kinds = (types.FunctionType, type)
        definitions = {name: value for name, value in self.namespace.items() if isinstance(value, kinds)}
        self.definitions.update(dict.fromkeys(self.values[index], definitions))

    def describe_stored(self, artifact: dict) -> dict[str, str]:
        """What is stored may refer to definitions by names that mean others by now."""
        definitions, now = self.definitions.get(artifact["key"], {}), dict(self.namespace)
        self.namespace.update(definitions)
        try:
            return describe_stored(artifact)
        finally:
            for name in definitions:
                self.namespace.pop(name)
            self.namespace.update(now)


def describe_names(artifact: dict, values: dict) -> dict[str, str]:
    """What an artifact's names share is described once, in the order of its names."""
    seen: dict = {}
    return {name: describe(values[name], seen) for name in artifact["names"] if name in values}


def describe_stored(artifact: dict) -> dict[str, str]:
    try:
        values = stored_values.stored(artifact)
    except Exception as error:
        return {name: f"cannot be read back: {type(error).__name__}: {error}" for name in artifact["names"]}
    return describe_names(artifact, values)


def number(value) -> float | None:
    try:
        return float(value) if hasattr(value, "__float__") else None
    except (TypeError, ValueError):
        return None


def is_coroutine(code) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def needs_ipython(source: str) -> bool:
    if "get_ipython" in source or "InteractiveShell" in source:
        return True
    try:
        compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return True
    return False


def make_shell(child: Child):
    from IPython.core.displayhook import DisplayHook
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    class Recorder(DisplayHook):
        """Displays into the record of the cell instead of onto a terminal."""

        def __call__(self, result=None):
            if not self.quiet():
                child.display(result)

    HistoryManager.enabled = False
    InteractiveShell.displayhook_class = Recorder
    InteractiveShell.showtraceback = lambda *_, **__: None
    InteractiveShell.showsyntaxerror = lambda *_, **__: None
    InteractiveShell.enable_gui = lambda *_, **__: None
    shell = InteractiveShell.instance(user_module=child.module, user_ns=child.namespace)
    # Help goes to the pager, which in Jupyter is a pane and no output.
    shell.set_hook("show_in_pager", lambda *_, **__: None, 0)
    return shell


def ends_with_expression(tree: ast.Module, source: str) -> bool:
    """IPython displays a trailing expression, unless a semicolon ends it."""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return False
    last = tree.body[-1]
    lines = source.encode("utf-8").splitlines()
    rest = lines[last.end_lineno - 1][last.end_col_offset :] if lines else b""
    return not rest.lstrip().startswith(b";")


def override(tree: ast.Module, overrides: dict) -> ast.Module:
    """Puts the run's values in place of the literals; what else the cell does then follows from them."""
    for statement in tree.body:
        target = assigned_name(statement)
        if target in overrides:
            statement.value = ast.copy_location(ast.parse(repr(overrides[target]), mode="eval").body, statement.value)
    return ast.fix_missing_locations(tree)


def assigned_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    if isinstance(statement, ast.AnnAssign) and statement.value is not None and isinstance(statement.target, ast.Name):
        return statement.target.id
    return None


if __name__ == "__main__":
    serve()
