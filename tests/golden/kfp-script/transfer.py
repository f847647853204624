"""The pipeline transfer, in the Python DSL of Kubeflow Pipelines.

Written by kale-rs 0.1.0 from a notebook; from here on it is yours to edit. Each step is a function that
`kfp` turns into a container. The code of the cells stands in it as text, and runs in a namespace like a notebook's.

Compile it with `python` and this file's name (needs `pip install kfp`).
"""

from typing import NamedTuple

from kfp import compiler, dsl

# Functions that steps use. Each component carries a copy of those that it names in `additional_funcs`.


def new_notebook():
    """An empty `__main__`, where functions and classes of the cells live, so that pickle finds them by name."""
    import sys
    import types

    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return vars(main)

def unindent(block):
    """The text of a block, whose lines are indented like its closing quotes."""
    lines = block.split("\n")
    return "\n".join(line.removeprefix(lines[-1]) for line in lines[1:-1])


def run_cell(notebook, name, block, parameters={}, metrics=(), log_to=None):
    """Runs code as a cell. Shows the value of a last expression.

    `parameters` replace the values of assignments to these names. `metrics` says which expressions are metrics: name,
    number of the statement, and number of the argument where the statement is a `print`.
    """
    import ast
    import asyncio
    import inspect
    import linecache

    source = unindent(block)
    if "get_ipython" in notebook:
        source = notebook["get_ipython"]().transform_cell(source)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    body = ast.parse(source, name).body

    def hook(function, *arguments):
        """A node that calls one of ours; the name is no identifier, so no cell can use it."""
        call = ast.Call(ast.Name("<" + function + ">", ast.Load()), list(arguments), [])
        return ast.fix_missing_locations(ast.copy_location(call, arguments[-1]))

    pending = dict(parameters)
    for statement in body:
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        assigned = getattr(targets[0], "id", None)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value and assigned in pending:
            key = ast.copy_location(ast.Constant(assigned), statement.value)
            statement.value = hook("parameter", key)
            notebook["<parameter>"] = parameters.__getitem__
            del pending[assigned]
    for metric, position, argument in metrics:
        statement = body[position]
        key = ast.copy_location(ast.Constant(metric), statement)
        if argument is None:
            statement.value = hook("metric", key, statement.value)
        else:
            arguments = statement.value.args
            arguments[argument] = hook("metric", key, arguments[argument])
        notebook["<metric>"] = lambda key, value: log_metric(log_to, key, value)

    quiet = source.rstrip().endswith(";") or not (body and isinstance(body[-1], ast.Expr))
    parts = [(ast.Module(body if quiet else body[:-1], []), "exec")]
    if not quiet:
        parts.append((ast.Interactive(body[-1:]), "single"))
    for tree, mode in parts:
        code = compile(tree, name, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, notebook))
        else:
            exec(code, notebook)


def log_metric(artifact, name, value):
    """Records a finite number and gives the value back."""
    import math

    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if artifact is not None and math.isfinite(number):
        artifact.log_metric(name, number)
    else:
        print(f"metric {name}: {value!r} is not a finite number, or the step has no metrics")
    return value


def load_values(notebook, path, names, serializer="pickle"):
    """Binds names to values that another step saved. A name that was not bound there is not bound here."""
    import importlib

    with open(path, "rb") as file:
        values = importlib.import_module(serializer).load(file)
    for name in names:
        notebook.pop(name, None)
        if name in values:
            notebook[name] = values[name]


def load_in_turn(notebook, path, names, serializer="pickle", loaded={}):
    """Binds names as `load_values` does, for a step that binds those of one file one after the other: to the same
    objects."""
    import importlib

    if path not in loaded:
        with open(path, "rb") as file:
            loaded[path] = importlib.import_module(serializer).load(file)
    for name in names:
        notebook.pop(name, None)
        if name in loaded[path]:
            notebook[name] = loaded[path][name]


def save_values(notebook, path, names):
    """Saves values together, so that two names of one object stay two names of one object."""
    import pickle

    values = {name: notebook[name] for name in names if name in notebook}
    with open(path, "wb") as file:
        pickle.dump(values, file, protocol=5)


def save_callables(notebook, path, names, by_name=()):
    """Saves values together, with the functions and classes that they hold; what whoever reads them has under the same
    name is written as that name."""
    import dill

    def qualified(value):
        return getattr(value, "__qualname__", "") if isinstance(value, (type, type(qualified))) else ""

    class Pickler(dill.Pickler):
        __module__ = dill.Pickler.__module__  # by which dill knows its own

        def reducer_override(self, value):
            return known.get(id(value), NotImplemented)

    known, found = {}, [(name, notebook.get(name)) for name in by_name]
    for dotted, value in found:
        if getattr(value, "__module__", None) == "__main__" and known.setdefault(id(value), dotted) == dotted:
            inside = vars(value).items() if isinstance(value, type) else ()
            of_class = f"{value.__qualname__}."
            found += [(f"{dotted}.{name}", each) for name, each in inside if qualified(each).startswith(of_class)]
    values = {name: notebook[name] for name in names if name in notebook}
    with open(path, "wb") as file:
        Pickler(file, protocol=5).dump(values)


def load_random_state(generator, path):
    """Goes on with the random numbers where another step stopped."""
    import importlib
    import pickle

    setters = {"random": "random:setstate", "numpy": "numpy.random:set_state", "torch": "torch:set_rng_state"}
    module, _, function = setters[generator].partition(":")
    with open(path, "rb") as file:
        getattr(importlib.import_module(module), function)(pickle.load(file))


def save_random_state(generator, path):
    """Saves where a random generator stands."""
    import importlib
    import pickle

    getters = {"random": "random:getstate", "numpy": "numpy.random:get_state", "torch": "torch:get_rng_state"}
    module, _, function = getters[generator].partition(":")
    with open(path, "wb") as file:
        pickle.dump(getattr(importlib.import_module(module), function)(), file)


def load_file(name, path):
    """Puts a file (or a directory, packed as a tar) of another step where the cells expect it."""
    import os
    import shutil
    import tarfile

    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    if tarfile.is_tarfile(path) and not name.endswith(".tar"):
        with tarfile.open(path) as archive:
            archive.extractall(os.path.dirname(name) or ".")
    else:
        shutil.copy(path, name)


def save_file(name, path):
    """Hands a file (or a directory, packed as a tar) to later steps."""
    import os
    import shutil
    import tarfile

    if os.path.isdir(name):
        with tarfile.open(path, "w") as archive:
            archive.add(name, os.path.basename(name.rstrip("/")))
    elif os.path.exists(name):
        shutil.copy(name, path)


@dsl.component(
    base_image="python:3.11-slim",
    packages_to_install=["dill==0.4.1"],
    additional_funcs=[log_metric, new_notebook, run_cell, save_callables, save_file, save_random_state, save_values, unindent],
)
def write(
    rng_random: dsl.Output[dsl.Artifact],
    file_table_csv: dsl.Output[dsl.Dataset],
    file_parts: dsl.Output[dsl.Artifact],
    scale: dsl.Output[dsl.Artifact],
    maybe: dsl.Output[dsl.Artifact],
):
    """Step write (cell 1)."""
    notebook = new_notebook()
    run_cell(notebook, "definitions", r'''
        import os
        import random


        class Table:
            class Row:
                pass
            def __init__(self, scale):
                self.scale, self.row = scale, Table.Row()
        ''')
    run_cell(notebook, "cell 1", r'''
        random.seed(7)
        first = random.random()
        os.makedirs("build/parts", exist_ok=True)
        with open("build/table.csv", "w") as file:
            file.write("1,2,3")
        for part in "ab":
            with open(f"build/parts/{part}.txt", "w") as file:
                file.write(part * 3)
        factor = 3
        scaled = []
        scale = (lambda f, scaled: lambda x: scaled.append(x) or f * x)(factor, scaled)
        if first > 2:
            maybe = 1
        table = Table(scale)
        ''')
    save_random_state("random", rng_random.path)
    save_file("build/table.csv", file_table_csv.path)
    save_file("build/parts", file_parts.path)
    save_callables(notebook, scale.path, ["scale", "factor", "scaled", "table"], by_name=["Table"])
    save_values(notebook, maybe.path, ["maybe"])


@dsl.component(
    base_image="python:3.11-slim",
    packages_to_install=["dill==0.4.1"],
    additional_funcs=[load_file, load_in_turn, load_random_state, load_values, log_metric, new_notebook, run_cell, save_random_state, unindent],
)
def read(
    rng_random: dsl.Input[dsl.Artifact],
    file_table_csv: dsl.Input[dsl.Dataset],
    file_parts: dsl.Input[dsl.Artifact],
    scale: dsl.Input[dsl.Artifact],
    maybe: dsl.Input[dsl.Artifact],
    rng_random_2: dsl.Output[dsl.Artifact],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step read (cells 2, 3)."""
    notebook = new_notebook()
    run_cell(notebook, "definitions", r'''
        import os
        import random


        class Table:
            class Row:
                pass
            def __init__(self, scale):
                self.scale, self.row = scale, Table.Row()
        ''')
    load_random_state("random", rng_random.path)
    load_file("build/table.csv", file_table_csv.path)
    load_file("build/parts", file_parts.path)
    load_in_turn(notebook, scale.path, ["scale", "factor", "table"], serializer="dill")
    load_values(notebook, maybe.path, ["maybe"])
    run_cell(notebook, "cell 2", r'''
        second = random.random()
        with open("build/table.csv") as file:
            row = [scale(int(cell)) for cell in file.read().split(",")]
        parts = [open(f"build/parts/{part}").read() for part in sorted(os.listdir("build/parts"))]
        assert parts == ["aaa", "bbb"], parts
        assert "maybe" not in globals()
        ''')
    load_in_turn(notebook, scale.path, ["scaled"], serializer="dill")
    run_cell(notebook, "cell 3", r'''
        print(second)
        print("row", sum(row))
        assert scaled == [1, 2, 3], scaled
        assert type(table) is Table and table.scale is scale and type(table.row) is Table.Row
        ''',
        metrics=[("second", 0, 0), ("row", 1, 1)],
        log_to=kale_metrics,
    )
    save_random_state("random", rng_random_2.path)


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_random_state, log_metric, new_notebook, run_cell, unindent],
)
def go_on(
    rng_random_2: dsl.Input[dsl.Artifact],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step go_on (cells 4, 5)."""
    notebook = new_notebook()
    run_cell(notebook, "definitions", r'''
        import random
        ''')
    load_random_state("random", rng_random_2.path)
    run_cell(notebook, "cell 4", r'''
        third = random.random()
        ''')
    run_cell(notebook, "cell 5", r'''
        print(third)
        ''',
        metrics=[("third", 0, 0)],
        log_to=kale_metrics,
    )


class Outputs(NamedTuple):
    read_metrics: dsl.Metrics
    go_on_metrics: dsl.Metrics


@dsl.pipeline(name="transfer")
def pipeline() -> Outputs:
    write_task = write()

    read_task = read(
        rng_random=write_task.outputs["rng_random"],
        file_table_csv=write_task.outputs["file_table_csv"],
        file_parts=write_task.outputs["file_parts"],
        scale=write_task.outputs["scale"],
        maybe=write_task.outputs["maybe"],
    )

    go_on_task = go_on(rng_random_2=read_task.outputs["rng_random_2"])
    go_on_task.set_display_name("go_on")

    # Under one seed of hashes, sets have one order in all steps.
    for each_task in (write_task, read_task, go_on_task):
        each_task.set_env_variable("PYTHONHASHSEED", "0")

    return Outputs(
        read_metrics=read_task.outputs["kale_metrics"],
        go_on_metrics=go_on_task.outputs["kale_metrics"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "transfer.yaml")
