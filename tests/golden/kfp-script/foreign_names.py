"""The pipeline foreign-names, in the Python DSL of Kubeflow Pipelines.

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


def save_values(notebook, path, names):
    """Saves values together, so that two names of one object stay two names of one object."""
    import pickle

    values = {name: notebook[name] for name in names if name in notebook}
    with open(path, "wb") as file:
        pickle.dump(values, file, protocol=5)


def read_json(text):
    """A parameter that KFP has no type for travels as JSON; anything else stands for itself."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[log_metric, new_notebook, read_json, run_cell, save_values, unindent],
)
def make(
    parameter_gr_e: int,
    parameter_hidden: str,
    private: dsl.Output[dsl.Artifact],
    value__: dsl.Output[dsl.Artifact],
):
    """Step make (cells 1, 2)."""
    notebook = new_notebook()
    run_cell(notebook, "cell 1", r'''
        größe = 2
        _hidden = [1, None]
        ''',
        parameters={"größe": parameter_gr_e, "_hidden": read_json(parameter_hidden)},
    )
    run_cell(notebook, "cell 2", r'''
        _private = [größe] * 3
        __ = _hidden
        ''')
    save_values(notebook, private.path, ["_private"])
    save_values(notebook, value__.path, ["__"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, unindent],
)
def use(
    parameter_gr_e: int,
    private: dsl.Input[dsl.Artifact],
    value__: dsl.Input[dsl.Artifact],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step use (cell 3)."""
    notebook = new_notebook()
    notebook["größe"] = parameter_gr_e
    load_values(notebook, private.path, ["_private"])
    load_values(notebook, value__.path, ["__"])
    run_cell(notebook, "cell 3", r'''
        print(größe * len(_private) + len(__))
        ''',
        metrics=[("value", 0, 0)],
        log_to=kale_metrics,
    )


class Outputs(NamedTuple):
    use_metrics: dsl.Metrics


@dsl.pipeline(name="foreign-names")
def pipeline(
    parameter_gr_e: int = 2,
    parameter_hidden: str = "[1,null]",
) -> Outputs:
    make_task = make(parameter_gr_e=parameter_gr_e, parameter_hidden=parameter_hidden)

    use_task = use(
        parameter_gr_e=parameter_gr_e,
        private=make_task.outputs["private"],
        value__=make_task.outputs["value__"],
    )

    # Under one seed of hashes, sets have one order in all steps.
    for each_task in (make_task, use_task):
        each_task.set_env_variable("PYTHONHASHSEED", "0")

    return Outputs(
        use_metrics=use_task.outputs["kale_metrics"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "foreign-names.yaml")
