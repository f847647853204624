# ruff: noqa: E501, SIM115 (cells are easier to read on one line)
"""The core as a container runs it: no package, no IPython needed, everything in the command line."""

import ast
import functools
import http.server
import json
import random
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from conftest import RUNTIME, Bench, runtime, shortened


def without_docstrings(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return ast.dump(tree)


def test_fits_a_command_line():
    assert len(runtime()) <= 8192


def test_shortening_keeps_the_program():
    source = (RUNTIME / "step.py").read_text()
    assert without_docstrings(shortened(source)) == without_docstrings(source)


def test_only_the_standard_library_is_imported():
    names = set()
    for file in RUNTIME.glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    assert names - {"kale_runtime"} <= set(sys.stdlib_module_names)


def test_two_steps_and_their_metrics(bench):
    define = [
        "define",
        0,
        1,
        "class Box:\n    def __init__(self, value): self.value = value\ndef double(x): return 2 * x",
    ]
    first = [
        ["parameter", "lr"],
        define,
        ["run", 1, 2, "lr = 0.5\nbox = Box(double(lr))\nf = double", ["lr"], []],
        ["save", "box", "value", ["box", "f", "unbound"]],
    ]
    output = bench.embedded(first, parameters={"lr": "float"}, values={"lr": 3})
    uri = str(bench.scratch / "box")
    assert output["artifacts"]["box"] == {"artifacts": [{"name": "box", "uri": uri}]}
    second = [
        define,
        ["load", "box", "value", ["box", "f", "unbound"]],
        [
            "run",
            2,
            1,
            "print('acc', box.value)\nassert type(box) is Box and f is double\nf(1)",
            [],
            [["acc", 0, 1], ["twice", 2, None]],
        ],
    ]
    output = bench.embedded(second, metrics=True)
    assert bench.stdout.replace("Out[1]: 2", "2").split() == ["acc", "6.0", "2"], bench.stderr
    [artifact] = output["artifacts"]["kale_metrics"]["artifacts"]
    assert artifact["metadata"] == {"acc": 6.0, "twice": 2.0}
    assert list(artifact["metadata"]) == ["acc", "twice"]
    assert json.loads(open(artifact["uri"]).read()) == artifact["metadata"]


def test_failure_is_told_in_the_notebooks_terms(bench):
    bench.embedded([["define", 4, 3, "def f(x):\n    return 1 / x"], ["run", 7, 2, "import json\n\nf(0)", [], []]])
    assert bench.returncode == 1
    assert "cell 7, line 4\n    f(0)" in bench.stderr
    assert "cell 4, line 4, in f\n    return 1 / x" in bench.stderr
    assert "File" not in bench.stderr and bench.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("source", ["exit(0)", "quit()", "import sys\nsys.exit()", "raise SystemExit(3)"])
def test_exit_is_a_failure(bench, source):
    assert bench.embedded([["run", 5, 1, source, [], []]]) is None
    assert bench.returncode == 1
    assert "cell 5 called `exit(" in bench.stderr


def test_a_fork_ends_with_its_cell(bench):
    source = "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('parent' if pid else 'child', flush=True)"
    assert bench.embedded([["run", 0, 1, source, [], []], ["run", 1, 1, "print('once')", [], []]]) is not None
    assert sorted(bench.stdout.split()) == ["child", "once", "parent"]


def test_closed_streams_do_not_end_it(bench):
    closing = "import os, sys\nsys.stdout.close()\nsys.stderr.close()"
    assert bench.embedded([["run", 0, 1, closing, [], []], ["run", 1, 1, "print('still here')", [], []]]) is not None
    assert "still here" in bench.stdout


def test_own_names_stay_out_of_the_notebook(bench):
    source = "import sys\nassert [n for n in globals() if 'kale' in n or n == 'start'] == []\nassert sys.argv == ['']"
    source += "\nassert sys.modules['__main__'].__dict__ is globals() and __name__ == '__main__'"
    assert bench.embedded([["run", 0, 1, source, [], []]]) is not None, bench.stderr


def test_kale_rs_is_there_and_cannot_start_pipelines(bench):
    source = "import kale_rs\nfrom kale_rs import metric\nassert kale_rs.metric('loss', 1, step=0) is None\nmetric('loss', 0.5)"
    output = bench.embedded([["run", 0, 1, source, [], []]], metrics=True)
    assert output["artifacts"]["kale_metrics"]["artifacts"][0]["metadata"] == {"loss": 0.5}
    bench.embedded([["run", 0, 1, "import kale_rs\nkale_rs.run('x.ipynb')", [], []]])
    assert "`kale_rs.run`: a step cannot control pipelines" in bench.stderr


def test_missing_ipython_is_told():
    python = random.choice([sys.executable])
    script = "import sys; sys.modules['IPython'] = None\n" + (RUNTIME / "step.py").read_text()
    plan = {"step": "s", "ipython": True, "program": [], "requirements": [], "parameters": {}, "metrics": False}
    script += f"\nmain({{}}, {plan!r})"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "`s` needs IPython" in done.stderr


@pytest.mark.parametrize(
    "uri, path",
    [
        ("gs://bucket/a/b", "/gcs/bucket/a/b"),
        ("s3://bucket/a", "/s3/bucket/a"),
        ("minio://mlpipeline/v2/x", "/minio/mlpipeline/v2/x"),
        ("/tmp/plain", "/tmp/plain"),
    ],
)
def test_places_of_artifacts(uri, path):
    core = {}
    exec(compile((RUNTIME / "step.py").read_text(), "step.py", "exec"), core)
    assert core["local_path"]({"uri": uri}) == path
    assert core["local_path"]({"uri": uri, "customPath": "/here"}) == "/here"
    in_workspace = core["local_path"]({"uri": uri, "metadata": {"_kfp_workspace": True}})
    assert in_workspace == "/kfp-workspace/.artifacts" + path


def wheel_of(folder):
    """A package `kale-probe` 1.5 as a wheel."""
    with zipfile.ZipFile(folder / "kale_probe-1.5-py3-none-any.whl", "w") as archive:
        archive.writestr("kale_probe.py", "answer = 42\n")
        archive.writestr("kale_probe-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: kale-probe\nVersion: 1.5\n")
        archive.writestr(
            "kale_probe-1.5.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("kale_probe-1.5.dist-info/RECORD", "")


def python_alone(tmp_path, *options):
    """A bench in an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", *options, str(tmp_path / "venv")], check=True)
    (tmp_path / "work").mkdir()
    return Bench(tmp_path / "work", str(tmp_path / "venv" / "bin" / "python"))


PROGRAM = [["run", 0, 1, "import kale_probe\nprint(kale_probe.answer)", [], []]]


def test_requirements_are_installed_when_missing(tmp_path):
    wheel_of(tmp_path)
    bench = python_alone(tmp_path)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    bench.embedded(PROGRAM, requirements=["kale-probe==1.5"], KALE_INSTALL="0")
    assert "No module named 'kale_probe'" in bench.stderr
    for _ in range(2):
        bench.embedded(PROGRAM, requirements=["kale-probe==1.5"], **offline)
        assert (bench.stdout, bench.stderr) == ("42\n", "")
    bench.embedded(PROGRAM, requirements=["kale-probe==2.0"], **offline)
    assert bench.returncode == 1
    assert "`pip` could not install kale-probe==2.0" in bench.stderr
    assert all(word in bench.stderr.splitlines()[-1] for word in ("`packages:`", "`image:`")), "what to do is told"
    index = {"PIP_INDEX_URL": "http://me:hunter2@127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    bench.embedded(PROGRAM, requirements=["kale-probe==2.0"], **index)
    assert bench.returncode == 1 and "hunter2" not in bench.stderr + bench.stdout


def test_uv_installs_where_there_is_no_pip(tmp_path):
    """With the index that pip's variables name: here a folder, which as a URL is an index as good as any."""
    uv = Path(sys.executable).with_name("uv")
    index = tmp_path / "index" / "kale-probe"
    index.mkdir(parents=True)
    wheel_of(index)
    (index / "index.html").write_text('<a href="kale_probe-1.5-py3-none-any.whl">kale_probe-1.5-py3-none-any.whl</a>')
    bench = python_alone(tmp_path, "--without-pip")
    bench.embedded(PROGRAM, requirements=["kale-probe==1.5"], PATH="")
    assert bench.returncode == 1
    assert "kale-probe==1.5 must be installed, and there is neither `pip` nor `uv`" in bench.stderr
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").symlink_to(uv)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {"PIP_INDEX_URL": f"http://me:hunter2@127.0.0.1:{server.server_port}", "PATH": str(tmp_path / "bin")}
        settings |= {"HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
        bench.embedded(PROGRAM, requirements=["kale-probe==2.0"], **settings)
        assert "`uv` could not install kale-probe==2.0" in bench.stderr and "hunter2" not in bench.stderr
        bench.embedded(PROGRAM, requirements=["kale-probe==1.5"], **settings)
        server.shutdown()
    assert (bench.stdout, bench.stderr) == ("42\n", "")
