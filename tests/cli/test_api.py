"""The Python API: the same verbs as the command line, with results that print well."""

import inspect
import itertools
import pkgutil
import subprocess
import sys
import time

import kale_rs
import pytest
from kale_rs import _native, results

from .support import call, cell, notebook

STEPS = [
    cell("count = 3", "pipeline-parameters"),
    cell("numbers = list(range(count))", "step:load"),
    cell("total = sum(numbers)\nprint('total is', total)", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]

#: Verbs that only a terminal needs.
ONLY_COMMAND_LINE = {"completion": "a shell's completion is installed from a shell"}
#: Functions that only code needs.
ONLY_PYTHON = {"metric": "it is called inside a notebook"}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return notebook(tmp_path / "n.ipynb", *STEPS)


def names(verbs):
    return {verb.replace("-", "_") for verb in verbs}


def test_the_command_line_and_the_api_have_the_same_verbs():
    functions = {name for name in kale_rs.__all__ if inspect.isfunction(getattr(kale_rs, name))}
    assert functions - set(ONLY_PYTHON) == names(_native.cli_verbs()) - set(ONLY_COMMAND_LINE)


def test_the_line_magic_has_the_same_verbs():
    pytest.importorskip("IPython")
    from kale_rs.magics import VERBS

    assert set(VERBS) == set(_native.cli_verbs()) - set(ONLY_COMMAND_LINE)


def test_every_verb_is_a_native_function():
    assert all(hasattr(_native, verb) for verb in names(_native.cli_verbs()) - set(ONLY_COMMAND_LINE))


def test_no_submodule_bears_a_public_functions_name():
    modules = {module.name for module in pkgutil.iter_modules(kale_rs.__path__)}
    assert not modules & {name for name in dir(kale_rs) if callable(getattr(kale_rs, name))}


def test_every_function_says_what_it_does():
    for name in kale_rs.__all__:
        assert inspect.getdoc(getattr(kale_rs, name))


def test_import_is_fast_and_light():
    code = (
        "import sys, time; start = time.process_time(); import kale_rs; used = time.process_time() - start;"
        "print(used, any(m in sys.modules for m in ('numpy', 'pandas', 'IPython', 'kale_rs._native', 'dill')))"
    )
    measured = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(5)]
    seconds, heavy = zip(*(line.split() for line in measured), strict=True)
    assert set(heavy) == {"False"}
    assert min(map(float, seconds)) < 0.05


def test_the_whole_way(path, tmp_path):
    diagnostics = kale_rs.check(path)
    assert (len(diagnostics), repr(diagnostics)) == (0, f"no problems in {path}")
    graph = kale_rs.graph(path)
    assert graph.steps == {"load": [1], "add": [2, 3]}
    assert graph.edges == [results.Edge("load", "add", ["numbers"], [], False)]
    assert (graph.parameters, graph.metrics) == ({"count": 3}, {"total": "add"})
    assert graph._repr_svg_().startswith("<svg") and "● load" in repr(graph)
    compiled = kale_rs.compile(path)
    assert compiled.files == [] and "schemaVersion" in compiled.text
    assert kale_rs.compile(path, tmp_path / "n.yaml").files == [str(tmp_path / "n.yaml")]
    run = kale_rs.run(path, {"count": 5}, progress=False)
    assert (run.status, run.metrics, run.parameters) == ("succeeded", {"total": 10}, {"count": 5})
    assert run.raise_for_status() is run
    assert "total = 10" in repr(run) and "<table>" in run._repr_html_()
    assert run.logs("add")["add"].startswith("total is 10")
    assert [one.run_id for one in kale_rs.runs()] == [run.run_id]
    assert [one.run_id for one in kale_rs.runs(notebook=path)] == [run.run_id]
    assert kale_rs.runs(notebook=path.with_name("other.ipynb")) == []
    other = kale_rs.run(path, progress=False)
    assert [step.status for step in kale_rs.show().steps] == ["succeeded", "succeeded"]
    assert kale_rs.show(run).metrics == run.metrics == run.refresh().metrics
    assert kale_rs.diff(run, other).to_dict()["metrics"] == [{"name": "total", "left": 10, "right": 3}]
    assert kale_rs.resume(other).run_id == kale_rs.cancel(other).run_id == other.run_id


def test_api_and_command_line_give_the_same_graph(path):
    import json

    assert kale_rs.graph(path).to_dict() == json.loads(call("graph", path, "--json").stdout)


def test_progress_is_told_on_stderr(path, capfd):
    kale_rs.run(path)
    told = capfd.readouterr()
    assert told.out == ""
    assert "✓ load  succeeded" in told.err
    notebook(path, "numbers = []", "numbers[0]")
    kale_rs.run(path)
    told = capfd.readouterr().err
    assert "error[step-failed]" in told and "IndexError" in told and "help: Correct the cell" in told


def test_faults_of_a_notebook(path, capsys):
    notebook(path, "c = = 3")
    diagnostics = kale_rs.check(path)
    assert [(one.id, one.cell, one.line) for one in diagnostics.errors] == [("syntax-error", 0, 1)]
    assert "^" in repr(diagnostics) and "syntax-error" in diagnostics._repr_html_()
    assert kale_rs.graph(path).pipeline is None
    with pytest.raises(kale_rs.NotebookError, match="syntax-error") as caught:
        kale_rs.compile(path)
    assert caught.value.diagnostics.errors == diagnostics.errors
    run = kale_rs.run(path)
    assert (run.run_id, run.status) == (None, "failed")
    assert "error[syntax-error]" in capsys.readouterr().err, "a script says why nothing runs"
    with pytest.raises(kale_rs.RunError):
        run.raise_for_status()
    with pytest.raises(kale_rs.UsageError, match="never started"):
        kale_rs.show(run)


def test_wrong_use_is_a_usage_error(path, tmp_path):
    with pytest.raises(kale_rs.FileError, match=r"cannot read `nowhere.ipynb`"):
        kale_rs.check("nowhere.ipynb")
    with pytest.raises(kale_rs.UsageError, match="no granularity"):
        kale_rs.check(path, granularity="line")
    with pytest.raises(ValueError, match="there is no run"):
        kale_rs.show("19990101", store=tmp_path)
    with pytest.raises(kale_rs.UsageError, match="no notebook given"):
        kale_rs.check()
    assert "epoch" in kale_rs.run(path, {"epoch": 1}).diagnostics.text


def test_values_of_parameters(tmp_path, monkeypatch):
    np = pytest.importorskip("numpy")
    monkeypatch.chdir(tmp_path)
    path = notebook(tmp_path / "n.ipynb", cell("rate = 0.5\ncount = 1\nrows = [1]", "parameters"), cell("print(rate)"))
    run = kale_rs.run(path, {"rate": float("nan"), "count": np.int64(3)})
    assert run.status == "succeeded" and run.parameters["count"] == 3
    assert "nan" in repr(kale_rs.logs(run))
    for name, value in {"rows": [object()], "count": {1, 2}, "rate": [float("nan")]}.items():
        with pytest.raises(kale_rs.UsageError, match=f"parameter `{name}` cannot be this"):
            kale_rs.run(path, {name: value})


def test_explain_and_doctor():
    assert "missing-prev (warning)" in repr(kale_rs.explain("missing-prev"))
    assert len(kale_rs.explain().pages) > 20
    assert {finding.health for finding in kale_rs.doctor()} == {"ok"}


def test_metric_outside_a_step_checks_and_gives_the_value_back(capsys):
    assert kale_rs.metric("loss", 0.5, step=3) == 0.5
    assert capsys.readouterr().err == ""
    kale_rs.metric("loss", float("nan"))
    kale_rs.metric("loss", "0.5")
    assert capsys.readouterr().err == (
        "warning: metric `loss` is nan\nwarning: metric `loss` is no number but a `str`: left out\n"
    )
    with pytest.raises(kale_rs.UsageError):
        kale_rs.metric("", 1)
    with pytest.raises(kale_rs.UsageError):
        kale_rs.metric("loss", 1, step=0.5)


def test_other_threads_go_on_while_rust_works(path):
    """The interpreter's lock is released: a run takes seconds, and a thread counts meanwhile."""
    import threading

    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    kale_rs.run(path, cache=False, progress=False)
    done.set()
    thread.join()
    assert max(later - earlier for earlier, later in itertools.pairwise(ticks)) < 0.5


def test_ctrl_c_in_a_script_cancels(tmp_path):
    import os
    import signal

    from .support import wait_for

    path = notebook(tmp_path / "slow.ipynb", cell("import time\ntime.sleep(600)", "step:slow"))
    script = f"import kale_rs\ntry:\n    kale_rs.run({str(path)!r})\nexcept KeyboardInterrupt:\n    print('stopped')"
    # Where tests run in the background, interrupts are ignored, and that is inherited.
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: any(s.status == "running" for r in kale_rs.runs(store=path) for s in r.steps), "the step's start")
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "stopped\n"
    assert kale_rs.show(store=path).status == "cancelled"
