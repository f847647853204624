"""Where things lie: notebooks that are links, projects that were copied, files in the way, folders still to be made."""

import json
import shutil

import pytest

from .support import PATIENCE, call, cell, ids, notebook, start, wait_for


def test_a_notebook_that_is_a_link_runs_where_the_link_lies(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "mine").mkdir()
    real = notebook(
        tmp_path / "shared/n.ipynb",
        cell("import helper\nx = open('data.txt').read() + helper.word", "step:read"),
        cell("import os\nprint(x, os.path.basename(os.getcwd()))", "step:say"),
    )
    for folder, text in {"shared": "theirs", "mine": "ours"}.items():
        (tmp_path / folder / "data.txt").write_text(text)
        (tmp_path / folder / "helper.py").write_text(f"word = ' and {text}'")
    link = tmp_path / "mine/n.ipynb"
    link.symlink_to("../shared/n.ipynb")
    done = call("run", "mine/n.ipynb", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert document["source"] == str(link)
    assert call("logs", "last", "say", cwd=tmp_path / "mine").stdout.strip() == "ours and ours mine"
    assert (tmp_path / "mine/.kale_rs").is_dir() and not (tmp_path / "shared/.kale_rs").exists()
    listed = json.loads(call("runs", "--notebook", link, "--json").stdout)["runs"]
    assert [run["run_id"] for run in listed] == [document["run_id"]]
    # A fix changes the notebook, and leaves the link.
    notebook(real, cell("x = 1", "stepp:one"))
    assert json.loads(call("check", link, "--fix", "--json").stdout)["fixed"]
    assert link.is_symlink() and "stepp" not in real.read_text()


def test_a_link_to_itself_refers_to_itself(tmp_path):
    reference = cell("", "notebook:itself")
    reference["metadata"]["notebook_path"] = "real.ipynb"
    real = notebook(tmp_path / "real.ipynb", reference, "y = 1")
    (tmp_path / "n.ipynb").symlink_to(real)
    document = json.loads(call("check", tmp_path / "n.ipynb", "--json").stdout)
    assert ids(document, "error") == ["sub-notebook"]
    assert "the notebook that it is in" in document["diagnostics"][0]["message"]


@pytest.fixture
def copied(tmp_path):
    """A project with a run that failed, and a copy of it in which the run can succeed."""
    (tmp_path / "here").mkdir()
    path = notebook(
        tmp_path / "here/n.ipynb",
        cell("x = 1\nopen('made.txt', 'w').write('made')", "step:make"),
        cell("import os\nopen(os.environ['COUNT'], 'a').write('.')\ny = x + int(open('later.txt').read())", "step:use"),
        cell("print(y, os.getcwd())", "step:say"),
    )
    call("run", path, "--output-notebook", "here/out.ipynb", cwd=tmp_path, COUNT=str(tmp_path / "count"))
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    (tmp_path / "here/out.ipynb").unlink()
    (tmp_path / "there/later.txt").write_text("2")
    return tmp_path


def test_a_run_of_a_copied_project_goes_on_in_the_copy(copied):
    before = sorted(copied.joinpath("here").iterdir())
    done = call("resume", "last", "--json", cwd=copied / "there", COUNT=str(copied / "count"))
    document = json.loads(done.stdout)
    assert {step["name"]: step["status"] for step in document["steps"]} == dict.fromkeys(
        ["make", "use", "say"], "succeeded"
    ), document["diagnostics"]
    assert call("logs", "last", "say", cwd=copied / "there").stdout.strip() == f"3 {copied / 'there'}"
    assert (copied / "count").read_text() == "..", "a finished step is not run again"
    assert (copied / "there/out.ipynb").is_file()
    assert sorted(copied.joinpath("here").iterdir()) == before, "nothing happens to the original"


def test_files_of_a_copied_project_are_put_back_in_the_copy(copied):
    for folder in ("here", "there"):
        (copied / folder / "made.txt").unlink()
    done = call("restore", "last", "make", "--files", cwd=copied / "there")
    assert done.returncode == 0, done.stderr
    assert (copied / "there/made.txt").read_text() == "made"
    assert (copied / "there/n-after-make.ipynb").is_file()
    assert not (copied / "here/made.txt").exists()


def test_two_copies_of_a_run_go_on_at_the_same_time(tmp_path):
    (tmp_path / "one").mkdir()
    waiting = (
        "import os, time\nassert os.path.exists('go')\nopen('started', 'a').write('x')\n"
        "while not all(os.path.exists(f'../{name}/started') for name in ('one', 'two')):\n    time.sleep(0.02)"
    )
    call("run", notebook(tmp_path / "one/n.ipynb", cell(waiting, "step:wait")), cwd=tmp_path)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    resumed = []
    for name in ("one", "two"):
        (tmp_path / name / "go").touch()
        resumed.append(start("resume", "last", "--json", cwd=tmp_path / name))
        wait_for((tmp_path / name / "started").exists, "the step")
    for process in resumed:
        stdout, stderr = process.communicate(timeout=PATIENCE)
        assert json.loads(stdout)["status"] == "succeeded", stderr
    assert [(tmp_path / name / "started").read_text() for name in ("one", "two")] == ["x", "x"]


@pytest.mark.parametrize("name", [".kale_rs", ".kale_rs/blobs"])
def test_a_file_that_has_the_name_of_the_store(name, tmp_path):
    path = notebook(tmp_path / "n.ipynb", "a = 1")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    (row,) = json.loads(call("run", path, "--json").stdout)["diagnostics"]
    assert (row["id"], row["message"]) == (
        "store-unwritable",
        f"the store `{tmp_path / '.kale_rs'}` cannot be made, since `{tmp_path / name}` is no folder.",
    )
    assert "another name" in row["help"] and "space" not in row["help"]


def test_every_output_makes_its_folder(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("x = [1]\nopen('f.txt', 'w').write('f')", "step:one"))
    outputs = {"run": "a/n.ipynb", "compile": "b/n.yaml", "restore": "c/n.ipynb", "value": "d/x.json", "file": "e/f"}
    assert call("run", path, "--output-notebook", outputs["run"], cwd=tmp_path).returncode == 0
    assert call("compile", path, "-o", outputs["compile"], cwd=tmp_path).returncode == 0
    assert call("restore", "last", "one", "-o", outputs["restore"], cwd=tmp_path).returncode == 0
    shown = json.loads(call("show", "last", "one", "--json", cwd=tmp_path).stdout)
    made = {"value": shown["artifacts"][0]["id"], "file": shown["files"][0]["id"]}
    for kind in ("value", "file"):
        done = call("artifact", made[kind], "-o", outputs[kind], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert all((tmp_path / output).is_file() for output in outputs.values())
    # In a file's place there can be no folder.
    done = call("restore", "last", "one", "-o", "n.ipynb/x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and "cannot write" in done.stderr and "os error" not in done.stderr
