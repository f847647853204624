# ruff: noqa: E501 (cells are easier to read on one line)
"""A step that is forked from a warm process does what a plainly started one does; one test for each trap.

Every notebook is run both ways, and each step says what it found by printing it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path

import pytest

from .support import call, cell, notebook, processes_with, start, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every step is started plainly")

IDLE = "30"
FORKED = "b'--warm' in open(f'/proc/{os.getppid()}/cmdline', 'rb').read()"


@pytest.fixture(scope="module")
def runtime():
    """A folder of their own for the sockets, with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="kale"))
    yield folder
    for pid in warm_processes(folder):
        os.kill(pid, signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)


def warm_processes(runtime):
    """Not their forks."""
    found = {}
    for pid in processes_with(f"XDG_RUNTIME_DIR={runtime}"):
        try:
            if b"--warm" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    return [pid for pid, parent in found.items() if parent not in found]


@pytest.fixture
def printed(tmp_path, runtime):
    """Runs a notebook; gives what each cell printed."""

    def printed(*cells, warm=True, **variables):
        path = notebook(tmp_path / "n.ipynb", *cells)
        variables = {"XDG_RUNTIME_DIR": str(runtime), "KALE_RS_WARM_IDLE": IDLE, **variables}
        options = ["--json", "--no-cache", "--jobs", "1", *([] if warm else ["--no-warm"])]
        done = call("run", path, *options, cwd=tmp_path, **variables)
        document = json.loads(done.stdout)
        assert done.returncode == 0, document["diagnostics"]
        executed = json.loads(Path(document["notebook"]).read_text())
        return [text_of(each) for each in executed["cells"]]

    return printed


def text_of(executed):
    streams = [output for output in executed["outputs"] if output["output_type"] == "stream"]
    return "".join("".join(output["text"]) for output in streams)


def same(printed, *cells, **variables):
    warm, cold = (printed(*cells, warm=warm, **variables) for warm in (True, False))
    lines = ["\n".join(each).split("\n") for each in (warm, cold)]
    assert [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]] == []
    return warm


def package(folder, name, source, version="1"):
    """A module as an installation leaves it."""
    for old in folder.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    (folder / f"{name}.py").write_text(source)
    (folder / f"{name}-{version}.dist-info").mkdir(parents=True)
    (folder / f"{name}-{version}.dist-info" / "RECORD").write_text(f"{name}.py,,\n")


@pytest.fixture
def installed(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def test_steps_are_forked_unless_that_is_not_wanted(printed, runtime):
    look = cell(f"import os\nprint({FORKED})", "step:a")
    assert [printed(look, warm=warm) for warm in (True, False)] == [["True\n"], ["False\n"]]
    before = warm_processes(runtime)
    assert before and [printed(look), printed(look)] == [["True\n"]] * 2
    assert warm_processes(runtime) == before, "one warm process serves every run"


def test_a_process_finds_the_same(printed):
    look = r"""
import asyncio, atexit, gc, multiprocessing, os, resource, signal, sys, threading, warnings
hidden = {"KALE_STEP_PROCESS"}
print(*sorted((k, v) for k, v in os.environ.items() if k not in hidden), sep="\n")
names = get_ipython().user_ns
print(sorted(names), names["In"][:-1], names["Out"], names["_dh"], get_ipython().execution_count, __name__)
print(os.getcwd() == multiprocessing.process.ORIGINAL_DIR, sys.path, sys.argv, sys.flags, os.umask(0o22))
print([(s, signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)])
print(threading.active_count(), threading.main_thread() is threading.current_thread(), gc.isenabled(), gc.get_threshold())
print(os.getpid() == os.getpgid(0), resource.getrlimit(resource.RLIMIT_NOFILE), sorted(os.sched_getaffinity(0)))
print(sorted(os.readlink(f"/proc/self/fd/{n}").split(":")[0].rpartition("/")[2] for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")))
print([repr(f) for f in warnings.filters], sys.stdin, sys.stdout.encoding, sys.gettrace(), hash("a"))
print({**os.environ}["KALE_STEP_PROCESS"].encode() in open("/proc/self/environ", "rb").read())
"""
    same(printed, cell(look, "step:a"))


def test_draws(printed):
    imports = cell("import random\nimport numpy as np", "imports")
    seeded = cell("np.random.seed(7)\nrandom.seed(7)\nprint(np.random.rand(), random.random())", "step:seeded")
    same(printed, imports, seeded, cell("print(np.random.rand(), random.random())", "step:next", "prev:seeded"))
    unseeded = cell("print(np.random.rand(), random.random())", "step:free")
    first, second = printed(imports, unseeded)[1].split(), printed(imports, unseeded)[1].split()
    assert not set(first) & set(second)


THREADS = "import threadpoolctl\nprint(np.ones(2).sum(), [(p['user_api'], p['num_threads']) for p in threadpoolctl.threadpool_info()])"


def test_thread_counts(printed):
    few = "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nos.environ['OPENBLAS_NUM_THREADS'] = '1'\nimport numpy as np"
    limited = same(printed, cell(few, "imports"), cell(THREADS, "step:a"))
    assert "1)]" in limited[1]
    many = same(printed, cell("import numpy as np", "imports"), cell(THREADS, "step:a"))
    assert (limited == many) == (os.cpu_count() == 1)
    outside = same(printed, cell("import numpy as np", "imports"), cell(THREADS, "step:a"), OPENBLAS_NUM_THREADS="1")
    assert outside == limited
    computed = "import os\nn = str(1)\nos.environ['OPENBLAS_NUM_THREADS'] = n\nimport numpy as np"
    assert same(printed, cell(computed, "imports"), cell(THREADS, "step:a")) == limited


def test_computing_with_openmp_in_forks(printed):
    imports = cell("import numpy as np\nfrom sklearn.cluster import KMeans", "imports")
    fit = "print(KMeans(3, random_state=0, n_init=1).fit(np.arange(4000.).reshape(-1, 2)).inertia_ > 0)"
    assert printed(imports, cell(fit, "step:a"), cell(fit, "step:b"))[1:] == ["True\n", "True\n"]


def test_what_notebooks_use_most_is_there_already(printed):
    modules = "pandas as pd", "sklearn.datasets", "sklearn.ensemble", "matplotlib.pyplot as plt"
    imports = cell("\n".join(f"import {module}" for module in modules), "imports")
    look = "print([name for name in ('pandas', 'sklearn', 'matplotlib') if f'/{name}/' not in open('/proc/self/maps').read()])"
    assert printed(imports, cell(look, "step:a"))[1] == "[]\n"


def test_what_is_a_notebook_and_not_a_terminal(printed):
    """pandas asks IPython when it is imported, and lays tables out by the answer."""
    asked = cell("print(pd.get_option('display.max_columns'))", "step:ask")
    assert same(printed, cell("import pandas as pd", "imports"), asked)[-1].strip() == "20"


def test_an_installation_is_noticed(printed, installed):
    cells = cell("import kale_probe", "imports"), cell("print(kale_probe.VERSION)", "step:a")
    for version in ("1", "2"):
        package(installed, "kale_probe", f"VERSION = {version}", version)
        assert same(printed, *cells, PYTHONPATH=str(installed))[1] == f"{version}\n"


def test_modules_beside_the_notebook(printed, installed, tmp_path):
    package(installed, "kale_outer", "import kale_inner\nWHERE = kale_inner.WHERE")
    package(installed, "kale_inner", "WHERE = 'installed'")
    cells = cell("import helpers\nimport kale_outer", "imports"), cell("print(helpers.A, kale_outer.WHERE)", "step:a")
    (tmp_path / "helpers.py").write_text("A = 1")
    assert same(printed, *cells, PYTHONPATH=str(installed))[1] == "1 installed\n"
    (tmp_path / "helpers.py").write_text("A = 22")
    assert same(printed, *cells, PYTHONPATH=str(installed))[1] == "22 installed\n"


@pytest.mark.parametrize(
    "source, look",
    [
        ("print('hello')", "import kale_probe"),
        ("import warnings\nwarnings.warn('old')", "import kale_probe"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()", "import kale_probe, threading\nprint(threading.active_count())"),
        ("import logging\nhandler = logging.StreamHandler()\nlogging.getLogger('probe').addHandler(handler)", "import kale_probe, logging\nlogging.getLogger('probe').warning('seen')"),
        ("import os\nWHERE = os.getpid()", "import kale_probe\nprint('done')"),
        ("import no_such_module_at_all", "try:\n    import kale_probe\nexcept ImportError as error:\n    print(error)"),
        ("import os\nos.environ['PROBE'] = '1'", "import kale_probe, os\nprint(os.environ['PROBE'])"),
    ],
    ids=["prints", "warns", "threads", "keeps-a-stream", "reads-pid", "fails", "sets-a-variable"],
)  # fmt: skip
def test_what_imports_do_beside(printed, installed, source, look):
    package(installed, "kale_probe", source)
    imports = cell("import kale_probe" if "fails" not in look and "no_such" not in source else "import json", "imports")
    same(printed, imports, cell(look, "step:a"), cell(look + "\n1", "step:b"), PYTHONPATH=str(installed))


@pytest.mark.parametrize("make", ["random.Random()", "numpy.random.default_rng()", "numpy.random.RandomState()"])
def test_generators_of_libraries(printed, installed, make):
    source = f"import random, numpy\nOWN = {make}\nSEEDED = numpy.random.default_rng(3)"
    package(installed, "kale_probe", source)
    look = "print(kale_probe.SEEDED.random(), getattr(kale_probe.OWN, 'random', None) and kale_probe.OWN.random())"
    cells = cell("import kale_probe", "imports"), cell(look, "step:a")
    first, second = (printed(*cells, PYTHONPATH=str(installed))[1].split() for _ in range(2))
    assert (first[0], first[1] != second[1]) == (second[0], True)


def test_a_settings_file_beside_the_notebook(printed, tmp_path):
    cells = cell("import matplotlib", "imports"), cell("print(matplotlib.rcParams['lines.linewidth'])", "step:a")
    for width in ("3.0", "5.0"):
        (tmp_path / "matplotlibrc").write_text(f"lines.linewidth: {width}\n")
        assert same(printed, *cells)[1] == f"{width}\n"


def test_what_a_process_does_at_its_end(printed, tmp_path):
    leave = "import atexit\nf = open('open.txt', 'w')\nf.write('kept')\natexit.register(lambda: open('exit.txt', 'w').write('ran'))"
    for warm in (True, False):
        printed(cell(leave, "step:a"), warm=warm)
        for name, content in (("open.txt", "kept"), ("exit.txt", "ran")):
            assert (tmp_path / name).read_text() == content
            (tmp_path / name).unlink()


def test_pools_of_processes(printed, tmp_path):
    (tmp_path / "helpers.py").write_text("def double(x):\n    return 2 * x\n")
    pool = "import helpers, multiprocessing\nwith multiprocessing.get_context('{}').Pool(2) as pool:\n    print(pool.map(helpers.double, [1, 2]))"
    steps = [cell(pool.format(how), f"step:{how}") for how in ("spawn", "fork")]
    assert same(printed, *steps) == ["[2, 4]\n"] * 2


def test_how_a_fork_ended_is_known(tmp_path, runtime):
    variables = {"XDG_RUNTIME_DIR": str(runtime), "KALE_RS_WARM_IDLE": IDLE}
    for source, words in (("import os; os._exit(7)", "exit status 7"), ("import os; os.abort()", "signal 6 (SIGABRT)")):
        path = notebook(tmp_path / "n.ipynb", cell(source, "step:a"))
        document = json.loads(call("run", path, "--json", cwd=tmp_path, **variables).stdout)
        assert words in document["diagnostics"][0]["message"]


SLOW = "import os, time\nopen('pids', 'a').write(f'{{os.getpid()}} ')\nopen('executions', 'a').write('{0}')\nwhile not os.path.exists('go'): time.sleep(0.02)\nx{0} = 1"


def slow_run(tmp_path, runtime):
    """A run whose first step waits."""
    path = notebook(tmp_path / "n.ipynb", cell(SLOW.format(1), "step:a"), cell(SLOW.format(2) + "+ x1", "step:b"))
    os.environ.update(XDG_RUNTIME_DIR=str(runtime), KALE_RS_WARM_IDLE="1")
    try:
        run = start("run", path, "--json", "--no-cache", cwd=tmp_path, start_new_session=True)
    finally:
        del os.environ["XDG_RUNTIME_DIR"], os.environ["KALE_RS_WARM_IDLE"]
    wait_for(lambda: (tmp_path / "executions").exists(), "the first step's start")
    return run


@pytest.fixture
def alone():
    """Warm processes that nobody else uses."""
    folder = Path(tempfile.mkdtemp(prefix="kale"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_killed_warm_process_costs_time_only(tmp_path, alone):
    run = slow_run(tmp_path, alone)
    (warm,) = warm_processes(alone)
    os.kill(warm, signal.SIGKILL)
    wait_for(lambda: not warm_processes(alone) or warm_processes(alone) != [warm], "its end")
    (tmp_path / "go").touch()
    stdout, _ = run.communicate(timeout=60)
    assert json.loads(stdout)["status"] == "succeeded"
    assert (tmp_path / "executions").read_text() == "12"
    wait_for(lambda: not processes_with(f"XDG_RUNTIME_DIR={alone}"), "the end of all processes")


def test_forks_that_do_not_live_are_not_replaced_for_ever(tmp_path, alone):
    run = slow_run(tmp_path, alone)
    (warm,) = warm_processes(alone)
    (step,) = [int(text) for text in re.findall(r"\d+", (tmp_path / "pids").read_text())]

    def kill_spares():
        forks = Path(f"/proc/{warm}/task/{warm}/children").read_text().split()
        for pid in (int(text) for text in forks if int(text) != step):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not list(alone.glob("kale_rs/*.sock"))

    wait_for(kill_spares, "the process that takes no more orders")
    (tmp_path / "go").touch()
    stdout, _ = run.communicate(timeout=60)
    assert json.loads(stdout)["status"] == "succeeded"
    assert (tmp_path / "executions").read_text() == "12"
    wait_for(lambda: warm not in warm_processes(alone), "the end of the warm process")


def test_a_killed_engine_leaves_nothing(tmp_path, alone):
    run = slow_run(tmp_path, alone)
    with sqlite3.connect(f"file:{tmp_path / '.kale_rs/store.db'}?mode=ro", uri=True) as database:
        os.kill(database.execute("SELECT engine_pid FROM runs").fetchone()[0], signal.SIGKILL)
    run.communicate(timeout=60)
    # The warm process is idle now, and ends by itself.
    wait_for(lambda: not processes_with(f"XDG_RUNTIME_DIR={alone}"), "the end of all processes")
    assert not list(alone.glob("kale_rs/*.sock"))


def test_ctrl_c_leaves_nothing(tmp_path, alone):
    run = slow_run(tmp_path, alone)
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    wait_for(lambda: not processes_with(f"XDG_RUNTIME_DIR={alone}"), "the end of all processes")
