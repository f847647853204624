"""The pipeline branches, in the Python DSL of Kubeflow Pipelines.

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


def offer_kale_rs(artifact):
    """Gives the cells `kale_rs.metric`, without the package."""
    import sys
    import types

    stand_in = types.ModuleType("kale_rs")
    stand_in.metric = lambda name, value, step=None: log_metric(artifact, name, value) and None
    sys.modules["kale_rs"] = stand_in


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
    additional_funcs=[log_metric, new_notebook, run_cell, unindent],
)
def setup():
    """Step setup (cell 1)."""
    notebook = new_notebook()
    run_cell(notebook, "cell 1", r'''
        print('started')
        ''')


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[log_metric, new_notebook, run_cell, save_values, unindent],
)
def load_data(
    rows: int,
    noise: float,
    points: dsl.Output[dsl.Dataset],
):
    """Step load_data (cell 2)."""
    notebook = new_notebook()
    notebook["rows"] = rows
    notebook["noise"] = float(noise)
    run_cell(notebook, "cell 2", r'''
        points = [(x, 2 * x + 1 + noise * (-1) ** x) for x in range(rows)]
        same_points = points
        ''')
    save_values(notebook, points.path, ["points", "same_points"])


@dsl.component(
    base_image="python:3.11-slim",
    packages_to_install=["six==1.17.0"],
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, save_values, unindent],
)
def train_linear(
    points: dsl.Input[dsl.Dataset],
    linear: dsl.Output[dsl.Model],
):
    """Step train-linear (cell 3)."""
    notebook = new_notebook()
    run_cell(notebook, "definitions", r'''
        import statistics


        class Line:
            def __init__(self, slope, offset):
                self.slope, self.offset = slope, offset

            def predict(self, x):
                return self.slope * x + self.offset
        ''')
    load_values(notebook, points.path, ["points", "same_points"])
    run_cell(notebook, "cell 3", r'''
        slope, offset = statistics.linear_regression(*zip(*points))
        linear = Line(slope, offset)
        slope
        ''')
    save_values(notebook, linear.path, ["linear"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, run_cell, save_values, unindent],
)
def train_constant(
    points: dsl.Input[dsl.Dataset],
    constant: dsl.Output[dsl.Model],
):
    """Step train-constant (cell 4)."""
    notebook = new_notebook()
    run_cell(notebook, "definitions", r'''
        class Line:
            def __init__(self, slope, offset):
                self.slope, self.offset = slope, offset

            def predict(self, x):
                return self.slope * x + self.offset
        ''')
    load_values(notebook, points.path, ["points"])
    run_cell(notebook, "cell 4", r'''
        constant = Line(0.0, sum(y for _, y in points) / len(points))
        ''')
    save_values(notebook, constant.path, ["constant"])


@dsl.component(
    base_image="python:3.11-slim",
    additional_funcs=[load_values, log_metric, new_notebook, offer_kale_rs, run_cell, unindent],
)
def compare(
    points: dsl.Input[dsl.Dataset],
    linear: dsl.Input[dsl.Model],
    constant: dsl.Input[dsl.Model],
    kale_metrics: dsl.Output[dsl.Metrics],
):
    """Step compare (cells 5, 6)."""
    notebook = new_notebook()
    offer_kale_rs(kale_metrics)
    run_cell(notebook, "definitions", r'''
        class Line:
            def __init__(self, slope, offset):
                self.slope, self.offset = slope, offset

            def predict(self, x):
                return self.slope * x + self.offset


        def error(model, points):
            return sum((model.predict(x) - y) ** 2 for x, y in points) / len(points)
        ''')
    load_values(notebook, points.path, ["points", "same_points"])
    load_values(notebook, linear.path, ["linear"])
    load_values(notebook, constant.path, ["constant"])
    run_cell(notebook, "cell 5", r'''
        import kale_rs

        assert points is same_points, "identity within an artifact survives"
        assert type(linear) is Line is type(constant)
        kale_rs.metric("rows_used", len(points))
        ''')
    run_cell(notebook, "cell 6", r'''
        print("linear", error(linear, points))
        error(constant, points)
        ''',
        metrics=[("linear", 0, 1), ("constant_error", 1, None)],
        log_to=kale_metrics,
    )


class Outputs(NamedTuple):
    compare_metrics: dsl.Metrics


@dsl.pipeline(name="branches", description="Two models side by side: a \"quoted\" description,\nof two lines.")
def pipeline(
    rows: int = 20,
    noise: float = 0.5,
) -> Outputs:
    setup_task = setup()
    setup_task.set_caching_options(False)

    load_data_task = load_data(rows=rows, noise=noise)
    load_data_task.after(setup_task)
    load_data_task.set_display_name("load_data")

    train_linear_task = train_linear(points=load_data_task.outputs["points"])

    train_constant_task = train_constant(points=load_data_task.outputs["points"])

    compare_task = compare(
        points=load_data_task.outputs["points"],
        linear=train_linear_task.outputs["linear"],
        constant=train_constant_task.outputs["constant"],
    )
    compare_task.after(setup_task)

    # Under one seed of hashes, sets have one order in all steps.
    for each_task in (setup_task, load_data_task, train_linear_task, train_constant_task, compare_task):
        each_task.set_env_variable("PYTHONHASHSEED", "0")

    return Outputs(
        compare_metrics=compare_task.outputs["kale_metrics"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(pipeline, "branches.yaml")
