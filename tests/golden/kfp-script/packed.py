"""The pipeline packed, in the Python DSL of Kubeflow Pipelines.

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


def place_file(path, block):
    """Puts a file from beside the notebook where the step runs. Another one that is there stays, unless it is as an
    image of kale-rs has brought it: then it is older."""
    import hashlib
    import json
    import os

    content, there, brought = unindent(block).encode(), None, {}
    if os.path.exists(".kale_rs_files.json"):
        with open(".kale_rs_files.json") as file:
            brought = json.load(file)
    if os.path.exists(path):
        with open(path, "rb") as file:
            there = file.read()
    if there is None or hashlib.sha256(there).hexdigest() == brought.get(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    elif there != content:
        print(f"`{path}` is there already, and stays; beside the notebook it is another one")


def load_values(notebook, path, names, serializer="pickle"):
    """Binds names to values that another step saved. A name that was not bound there is not bound here."""
    import importlib

    with open(path, "rb") as file:
        values = importlib.import_module(serializer).load(file)
    for name in names:
        notebook.pop(name, None)
        if name in values:
            notebook[name] = values[name]


def save_values(notebook, path, names):
    """Saves values together, so that two names of one object stay two names of one object."""
    import pickle

    values = {name: notebook[name] for name in names if name in notebook}
    with open(path, "wb") as file:
        pickle.dump(values, file, protocol=5)


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[log_metric, new_notebook, place_file, run_cell, save_values, unindent],
)
def read(
    words: dsl.Output[dsl.Artifact],
):
    """Step read (cell 1)."""
    notebook = new_notebook()
    place_file("helpers.py", '''
        def shout(word):
            """Loud: \\"{\x7bword}}\\"."""
            return word.upper() + "!"

        ''')
    place_file("tools/__init__.py", r'''

        ''')
    place_file("tools/count.py", r'''
        def count(words):
            return len({word for word in words if word.endswith('!')})

        ''')
    place_file("data/words.txt", r'''
        one two
        three

        ''')
    run_cell(notebook, "definitions", r'''
        from helpers import shout
        from tools.count import count
        ''')
    run_cell(notebook, "cell 1", r'''
        with open("data/words.txt") as file:
            words = [shout(word) for word in file.read().split()]
        ''')
    save_values(notebook, words.path, ["words"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, place_file, run_cell, unindent],
)
def count(
    words: dsl.Input[dsl.Artifact],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step count (cell 2)."""
    notebook = new_notebook()
    place_file("tools/__init__.py", r'''

        ''')
    place_file("tools/count.py", r'''
        def count(words):
            return len({word for word in words if word.endswith('!')})

        ''')
    load_values(notebook, words.path, ["words"])
    run_cell(notebook, "definitions", r'''
        from tools.count import count
        ''')
    run_cell(notebook, "cell 2", r'''
        count(words)
        ''',
        metrics=[("words", 0, None)],
        log_to=kale_metrics,
    )


class Outputs(NamedTuple):
    count_metrics: dsl.Metrics


@dsl.pipeline(name="packed")
def pipeline() -> Outputs:
    read_task = read()

    count_task = count(words=read_task.outputs["words"])

    # Under one seed of hashes, sets have one order in all steps.
    for each_task in (read_task, count_task):
        each_task.set_env_variable("PYTHONHASHSEED", "0")

    return Outputs(
        count_metrics=count_task.outputs["kale_metrics"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "packed.yaml")
