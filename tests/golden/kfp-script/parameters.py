"""The pipeline parameters, in the Python DSL of Kubeflow Pipelines.

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


def restore_numbers(value, default):
    """KFP makes a float of every number in a list or dict. Equal to the default, it is the default; otherwise whole
    numbers are ints again."""
    if value == default:
        return default
    if isinstance(value, list):
        return [restore_numbers(item, None) for item in value]
    if isinstance(value, dict):
        return {key: restore_numbers(item, None) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[log_metric, new_notebook, read_json, restore_numbers, run_cell, save_values, unindent],
)
def read(
    count: int,
    big: str,
    rate: float,
    tiny: float,
    limit: str,
    flag: bool,
    text: str,
    items: list,
    options: dict,
    nothing: str,
    seen: dsl.Output[dsl.Artifact],
):
    """Step read (cells 1, 2)."""
    notebook = new_notebook()
    run_cell(notebook, "cell 1", '''
        count = -3
        big = 9007199254740993
        rate = 1.0
        tiny = 1e-07
        limit = 1e999
        flag = True
        text = 'it\\'s "quoted"\\\\n é 😀 {\x7bx}}'
        items = [1, 2.5, 'a', 2.0]
        options = {'a': 1, 'b': {'c': [True, 2.0]}}
        nothing = None
        doubled = count * 2
        ''',
        parameters={
            "count": count,
            "big": int(big),
            "rate": float(rate),
            "tiny": float(tiny),
            "limit": float(limit),
            "flag": flag,
            "text": text,
            "items": restore_numbers(items, [1, 2.5, "a", 2.0]),
            "options": restore_numbers(options, {"a": 1, "b": {"c": [True, 2.0]}}),
            "nothing": read_json(nothing),
        },
    )
    run_cell(notebook, "cell 2", r'''
        seen = [count, big, rate, tiny, limit, flag, text, items, options, nothing]
        kinds = [type(value).__name__ for value in seen]
        ''')
    save_values(notebook, seen.path, ["seen"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, read_json, restore_numbers, run_cell, unindent],
)
def check(
    count: int,
    big: str,
    limit: str,
    items: list,
    nothing: str,
    seen: dsl.Input[dsl.Artifact],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step check (cells 3, 4)."""
    notebook = new_notebook()
    load_values(notebook, seen.path, ["seen"])
    notebook["count"] = count
    notebook["items"] = restore_numbers(items, [1, 2.5, "a", 2.0])
    notebook["nothing"] = read_json(nothing)
    notebook["limit"] = float(limit)
    notebook["big"] = int(big)
    run_cell(notebook, "cell 3", r'''
        kinds = [type(value).__name__ for value in seen]
        assert kinds == ["int", "int", "float", "float", "float", "bool", "str", "list", "dict", type(nothing).__name__], kinds
        assert seen[0] == count and seen[1] == big and seen[4] == limit and seen[7] == items and seen[9] == nothing
        item_kinds = [type(item).__name__ for item in items]
        assert item_kinds[0] == "int" and item_kinds == [type(item).__name__ for item in seen[7]], item_kinds
        print(seen)
        ''')
    run_cell(notebook, "cell 4", r'''
        print(count)
        print("odd", big % 10)
        print("length", len(seen[6]))
        print(len(items))
        print("none", seen[9] is None)
        ''',
        metrics=[
            ("count", 0, 0),
            ("odd", 1, 1),
            ("length", 2, 1),
            ("len_items", 3, 0),
            ("none", 4, 1),
        ],
        log_to=kale_metrics,
    )


class Outputs(NamedTuple):
    check_metrics: dsl.Metrics


@dsl.pipeline(name="parameters")
def pipeline(
    count: int = -3,
    big: str = "9007199254740993",
    rate: float = 1.0,
    tiny: float = 1e-7,
    limit: str = "Infinity",
    flag: bool = True,
    text: str = "it's \"quoted\"\\n é 😀 {{x}}",
    items: list = [1, 2.5, "a", 2.0],
    options: dict = {"a": 1, "b": {"c": [True, 2.0]}},
    nothing: str = "null",
) -> Outputs:
    read_task = read(
        count=count,
        big=big,
        rate=rate,
        tiny=tiny,
        limit=limit,
        flag=flag,
        text=text,
        items=items,
        options=options,
        nothing=nothing,
    )

    check_task = check(
        count=count,
        big=big,
        limit=limit,
        items=items,
        nothing=nothing,
        seen=read_task.outputs["seen"],
    )

    # Under one seed of hashes, sets have one order in all steps.
    for each_task in (read_task, check_task):
        each_task.set_env_variable("PYTHONHASHSEED", "0")

    return Outputs(
        check_metrics=check_task.outputs["kale_metrics"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "parameters.yaml")
