"""The pipeline names, in the Python DSL of Kubeflow Pipelines.

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


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[log_metric, new_notebook, run_cell, save_values, unindent],
)
def Train(
    train: int,
    lambda_2: dsl.Output[dsl.Artifact],
):
    """Step Train (cell 1)."""
    notebook_2 = new_notebook()
    notebook_2["train"] = train
    run_cell(notebook_2, "cell 1", r'''
        LAMBDA = train
        ''')
    save_values(notebook_2, lambda_2.path, ["LAMBDA"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, save_values, unindent],
)
def train_(
    notebook: int,
    lambda_2: dsl.Input[dsl.Artifact],
    train_2: dsl.Output[dsl.Artifact],
):
    """Step train (cell 2)."""
    notebook_2 = new_notebook()
    load_values(notebook_2, lambda_2.path, ["LAMBDA"])
    notebook_2["notebook"] = notebook
    run_cell(notebook_2, "cell 2", r'''
        TRAIN = LAMBDA + notebook
        ''')
    save_values(notebook_2, train_2.path, ["TRAIN"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, save_values, unindent],
)
def lambda_(
    K: int,
    k: int,
    train_2: dsl.Input[dsl.Artifact],
    load_values_2: dsl.Output[dsl.Artifact],
):
    """Step lambda (cell 3)."""
    notebook_2 = new_notebook()
    load_values(notebook_2, train_2.path, ["TRAIN"])
    notebook_2["K"] = K
    notebook_2["k"] = k
    run_cell(notebook_2, "cell 3", r'''
        load_values = TRAIN + 10 * K + 100 * k
        ''')
    save_values(notebook_2, load_values_2.path, ["load_values"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, save_values, unindent],
)
def step(
    train: int,
    load_values_2: dsl.Input[dsl.Artifact],
    kale_metrics_2: dsl.Output[dsl.Artifact],
):
    """Step _ (cell 4)."""
    notebook_2 = new_notebook()
    load_values(notebook_2, load_values_2.path, ["load_values"])
    notebook_2["train"] = train
    run_cell(notebook_2, "cell 4", r'''
        kale_metrics = load_values + train
        ''')
    save_values(notebook_2, kale_metrics_2.path, ["kale_metrics"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, unindent],
)
def run_cell_(
    pipeline: int,
    dsl: int,
    kale_metrics_2: dsl.Input[dsl.Artifact],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step run_cell (cell 5)."""
    notebook_2 = new_notebook()
    load_values(notebook_2, kale_metrics_2.path, ["kale_metrics"])
    notebook_2["pipeline"] = pipeline
    notebook_2["dsl"] = dsl
    run_cell(notebook_2, "cell 5", r'''
        kale_metrics * pipeline * dsl
        ''',
        metrics=[("product", 0, None)],
        log_to=kale_metrics,
    )


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[log_metric, new_notebook, run_cell, unindent],
)
def kfp(
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step kfp (cell 6)."""
    notebook_2 = new_notebook()
    run_cell(notebook_2, "cell 6", r'''
        1
        ''',
        metrics=[("unit", 0, None)],
        log_to=kale_metrics,
    )


class Outputs(NamedTuple):
    run_cell_metrics: dsl.Metrics
    kfp_metrics: dsl.Metrics


@dsl.pipeline(name="names")
def pipeline_2(
    train: int = 1,
    notebook: int = 2,
    K: int = 3,
    k: int = 4,
    pipeline: int = 5,
    dsl: int = 6,
) -> Outputs:
    Train_task = Train(train=train)
    Train_task.set_display_name("Train")

    train_task = train_(notebook=notebook, lambda_2=Train_task.outputs["lambda_2"])
    train_task.set_display_name("train")

    lambda_task = lambda_(
        K=K,
        k=k,
        train_2=train_task.outputs["train_2"],
    )

    step_task = step(train=train, load_values_2=lambda_task.outputs["load_values_2"])
    step_task.set_display_name("_")

    run_cell_task = run_cell_(
        pipeline=pipeline,
        dsl=dsl,
        kale_metrics_2=step_task.outputs["kale_metrics_2"],
    )
    run_cell_task.set_display_name("run_cell")

    kfp_task = kfp()

    # Under one seed of hashes, sets have one order in all steps.
    for each_task in (Train_task, train_task, lambda_task, step_task, run_cell_task, kfp_task):
        each_task.set_env_variable("PYTHONHASHSEED", "0")

    return Outputs(
        run_cell_metrics=run_cell_task.outputs["kale_metrics"],
        kfp_metrics=kfp_task.outputs["kale_metrics"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline_2, "names.yaml")
