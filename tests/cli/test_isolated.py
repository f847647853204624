"""`run --isolated`: steps in an environment of their own. Real ones, made by pip of small packages that are installed
for the tests; the versions are those of this interpreter."""

import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import kale_rs
import pytest

from .support import call, cell, ids, notebook, processes_with, start, wait_for

#: uv is there; without, pip is the one to be asked. It takes seconds where uv takes none.
UV = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
LOOK = "import sys, os\nprint(*sys.path, sep='\\n')\nprint(sys.executable)\nprint(os.environ['PATH'])"


def run(path, *options, **variables):
    done = call("run", path, "--isolated", "--json", *options, cwd=path.parent, **variables)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def statuses(report):
    return {step["name"]: step["status"] for step in report["steps"]}


def log(path, step):
    return call("logs", "last", step, cwd=path.parent).stdout


def environments(store):
    return sorted(path for path in (store / "environments").iterdir() if path.is_dir())


def locked(store):
    return [sorted((run / "lock.txt").read_text().split()) for run in sorted((store / "runs").iterdir())]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One run whose environment several tests look at. Its folder has a space and an accent in its name."""
    folder = tmp_path_factory.mktemp("a b é")
    (folder / "helpers.py").write_text("import deeper\ndef show(x): return deeper.text(x)\n", encoding="utf-8")
    (folder / "deeper.py").write_text("def text(x):\n    import yaml\n    return yaml.safe_dump(x)\n", encoding="utf-8")
    (folder / "unused.py").write_text("value = 1\n", encoding="utf-8")
    path = notebook(
        folder / "n.ipynb",
        cell("import helpers\ntext = helpers.show({'a': 1})\nprint(text)", "step:dump"),
        cell(
            "def parts(t):\n    import idna\n    return idna.encode(t).decode()\ndomain = parts('é.org')", "step:inner"
        ),
        cell(LOOK, "step:look"),
        cell("print(text, domain)", "step:both"),
    )
    report = run(path, PYTHONPATH=str(folder))
    assert report["status"] == "succeeded", report["diagnostics"]
    return path


def test_the_lock_is_what_the_steps_import(project):
    names = {"pyyaml": "PyYAML", "idna": "idna"}
    expected = sorted(f"{name}=={metadata.version(listed)}" for name, listed in names.items())
    assert locked(project.parent / ".kale_rs")[0] == expected


def test_nothing_of_the_notebooks_environment_is_there(project):
    own, text = Path(sys.prefix).resolve(), log(project, "look")
    lines = text.splitlines()[1:]
    assert all(str(own) not in line for line in lines if "modules" not in line), text
    assert str(project.parent) not in lines, "not the notebook's folder either"
    assert any(line.endswith("/bin/python") and "environments" in line for line in lines)


def test_an_environment_is_made_once(project):
    store = project.parent / ".kale_rs"
    (one,) = environments(store)
    made = (one / "pyvenv.cfg").stat().st_ino
    report = run(project, "--no-cache")
    assert set(statuses(report).values()) == {"succeeded"}
    assert environments(store) == [one] and (one / "pyvenv.cfg").stat().st_ino == made
    assert set(statuses(run(project)).values()) == {"cached"}, "the lock is part of the key, and it is the same"
    with_own = json.loads(call("run", project, "--json", cwd=project.parent).stdout)
    assert "cached" not in statuses(with_own).values(), "a result of another environment does not stand for it"


def test_gc_keeps_what_runs_name(project):
    store = project.parent / ".kale_rs"
    half = store / "environments" / "0123456789abcdef01234567"
    (half / "lib").mkdir(parents=True)
    collected = json.loads(call("gc", "--json", cwd=project.parent).stdout)
    assert (collected["environments"], half.exists(), len(environments(store))) == (1, False, 1)


@pytest.fixture
def made(tmp_path):
    return lambda *cells: notebook(tmp_path / "n.ipynb", *cells)


def test_a_step_sees_its_own_packages(made):
    """`idna` is there for the other step; this one imports it in a way that nobody can see."""
    path = made(
        cell("import idna\nprint(idna.encode('a'))", "step:a"),
        cell("import importlib\nname = 'idn' + 'a'\nimportlib.import_module(name)", "step:b"),
    )
    report = run(path, **UV)
    assert statuses(report) == {"a": "succeeded", "b": "failed"}
    (one,) = [one for one in report["diagnostics"] if one["severity"] == "error"]
    assert "No module named 'idna'" in one["message"] and "--isolated" in one["message"]
    assert "%pip install" in one["help"]


def test_what_is_installed_by_name_only_is_there_for_all(made):
    path = made(
        cell("%pip install -q idna", "step:a"),
        cell("import importlib\nprint(importlib.import_module('idn' + 'a').__name__)", "step:b"),
    )
    assert run(path, **UV)["status"] == "succeeded"
    assert locked(path.parent / ".kale_rs") == [[f"idna=={metadata.version('idna')}"]]


def test_a_package_that_no_index_has(made, tmp_path):
    """It is installed here by hand, as a package of the company's own would be."""
    site = tmp_path / "site"
    (site / "kale_rs_tests_no_such-1.2.dist-info").mkdir(parents=True)
    (site / "kale_rs_tests_no_such-1.2.dist-info" / "top_level.txt").write_text("no_such\n")
    (site / "no_such.py").write_text("value = 1\n")
    path = made(cell("import idna, no_such\nprint(no_such.value)", "step:use"))
    report = run(path, PYTHONPATH=str(site))
    assert (report["status"], ids(report, "error")) == ("failed", ["environment-not-built"])
    (one,) = [one for one in report["diagnostics"] if one["severity"] == "error"]
    assert "`kale-rs-tests-no-such==1.2`, which step `use`" in one["message"], one
    assert "index" in one["help"] and "environment.log" in one["help"]
    assert not [place for place in environments(path.parent / ".kale_rs") if (place / "kale_rs.json").exists()]


def test_a_development_install_travels_as_modules(made, tmp_path):
    site, source = tmp_path / "site", tmp_path / "my project" / "src"
    (site / "mine-1.dist-info").mkdir(parents=True)
    (source / "mine").mkdir(parents=True)
    (source / "mine" / "__init__.py").write_text("import idna\nfrom .inner import value\n")
    (source / "mine" / "inner.py").write_text("value = 41\n")
    url = {"url": source.parent.as_uri(), "dir_info": {"editable": True}}
    (site / "mine-1.dist-info" / "direct_url.json").write_text(json.dumps(url))
    path = made(cell("import mine\nprint(mine.value, mine.__file__)", "step:use"))
    variables = UV | {"PYTHONPATH": os.pathsep.join([str(site), str(source)])}
    report = run(path, **variables)
    assert (report["status"], ids(report, "info")) == ("succeeded", ["local-requirement"])
    assert "41" in log(path, "use") and str(source) not in log(path, "use")
    assert locked(path.parent / ".kale_rs") == [[f"idna=={metadata.version('idna')}"]]
    assert statuses(run(path, **variables)) == {"use": "cached"}
    (source / "mine" / "inner.py").write_text("value = 42\n")
    assert statuses(run(path, **variables)) == {"use": "succeeded"}, "its text is part of the step"


def test_killed_while_it_is_made(made):
    """Half an environment is none, nobody goes on with it, and the next run begins anew."""
    path = made(cell("import yaml, idna\nprint(yaml.__name__, idna.__name__)", "step:a"))
    store = path.parent / ".kale_rs"
    first = call("run", path, "--isolated", "--detach", "--json", cwd=path.parent)
    name = json.loads(first.stdout)["run_id"]
    wait_for(lambda: (store / "environments").exists() and environments(store), "the environment's begin")
    engine = [pid for pid in processes_with(name) if b"engine" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in engine:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not processes_with(name), "the end of all that the engine had started")
    assert not (environments(store)[0] / "kale_rs.json").exists()
    done = call("resume", name, "--json", cwd=path.parent)
    assert json.loads(done.stdout)["status"] == "succeeded", done.stderr


def test_a_damaged_environment_is_made_anew(made):
    path = made(cell("import idna\nprint(idna.__name__)", "step:a"))
    assert run(path, **UV)["status"] == "succeeded"
    (folder,) = environments(path.parent / ".kale_rs")
    for lost in ("lib/python*/site-packages/idna/core.py", "bin/python"):
        (file,) = folder.glob(lost)
        file.unlink()
        report = run(path, "--no-cache", **UV)
        assert (report["status"], report["diagnostics"]) == ("succeeded", [])
        assert file.exists() and environments(path.parent / ".kale_rs") == [folder]


def test_two_runs_make_one_environment(made):
    path = made(cell("import idna\nprint(idna.__name__)", "step:a"))
    both = [start("run", path, "--isolated", "--no-cache", cwd=path.parent) for _ in range(2)]
    said = [one.communicate(timeout=120)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert sum("making an environment" in text for text in said) == 1, said
    assert len(environments(path.parent / ".kale_rs")) == 1


def test_cancelled_while_it_is_made(made):
    path = made(cell("import yaml\nprint(yaml.__name__)", "step:a"))
    process = start("run", path, "--isolated", cwd=path.parent)
    wait_for(lambda: (path.parent / ".kale_rs" / "environments").exists(), "the environment's begin")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, process.stderr.read()


def test_by_uv(made):
    """uv comes first where it is there: it is much faster."""
    path = made(cell("%pip install -q idna", "step:a"), cell("import yaml\nprint(yaml.__name__)", "step:b"))
    done = call("run", path, "--isolated", cwd=path.parent, **UV)
    assert done.returncode == 0 and "2 packages with uv" in done.stderr, done.stderr


def test_why_a_step_runs_again_when_it_is_isolated(made):
    path = made(cell("a = 1", "step:one"))
    told = [call("run", path, *how, cwd=path.parent).stderr for how in ([], ["--isolated"], ["--isolated"])]
    assert "(now with `--isolated`)" in told[1] and "= one  cached" in told[2], told


def test_pip_has_the_word_after_uv(made, tmp_path):
    """An index may be known to pip only."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(f"#!/bin/sh\necho \"$@\" >> '{tmp_path}/asked'\necho 'error: no index' >&2\nexit 2\n")
    (tools / "uv").chmod(0o755)
    path = made(cell("import idna\nprint(idna.__name__)", "step:a"))
    report = run(path, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert report["status"] == "succeeded"
    assert (tmp_path / "asked").read_text().startswith("venv --python")


def test_a_kernel_without_pip(made, tmp_path):
    """Python brings a pip of its own."""
    own = tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", own], check=True)
    site = next(own.glob("lib/*/site-packages"))
    version = metadata.version("idna")
    (site / f"idna-{version}.dist-info").mkdir()
    (site / f"idna-{version}.dist-info" / "top_level.txt").write_text("idna\n")
    path = made(cell("import idna\nprint(idna.__version__)", "step:a"))
    report = run(path, "--python", own / "bin" / "python")
    assert (report["status"], version in log(path, "a")) == ("succeeded", True), report["diagnostics"]


def test_modules_beside_the_notebook_go_to_a_container(made, tmp_path):
    (tmp_path / "helpers.py").write_text("import deeper\nvalue = deeper.value\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "__init__.py").write_text("value = 1\n")
    (tmp_path / "small.csv").write_text("a\n1\n")
    (tmp_path / "large.csv").write_bytes(os.urandom(700_000))
    path = made(cell("import helpers\nprint(helpers.value, open('small.csv').read(), open('large.csv', 'rb'))"))
    done = call("compile", path, "--json", cwd=tmp_path)
    (one,) = [one for one in json.loads(done.stdout)["diagnostics"] if one["id"] == "not-in-target"]
    assert "`large.csv`" in one["message"] and "helpers" not in one["message"] and "small" not in one["message"]


def test_from_python(made):
    path = made(cell("import idna\nvalue = idna.__name__\nprint(value)", "step:a"))
    result = kale_rs.run(path, isolated=True, progress=False)
    assert result.status == "succeeded"
    assert subprocess.run(
        [*environments(path.parent / ".kale_rs")[0].glob("bin/python"), "-c", "import pip"]
    ).returncode
