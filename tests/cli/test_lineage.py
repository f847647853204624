"""Where things come from: every link leads back, and every id is understood."""

import json
import re
import subprocess

import pytest

from .support import call, cell, notebook
from .test_restore import in_a_process

STEPS = [
    cell("factor = 2", "pipeline-parameters"),
    cell("data = list(range(5))\nspare = {'x': 1}", "step:load"),
    cell("total = sum(data) * factor", "step:add"),
    cell("print(total)", "step:tell"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lineage")
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "m"], check=True)
    path = notebook(folder / "n.ipynb", *STEPS)
    for factor in (2, 3):
        assert call("run", path, "-p", f"factor={factor}", cwd=folder).returncode == 0
    return folder


def lineage(folder, id):
    done = call("lineage", id, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_link_leads_back(folder):
    todo, nodes = [lineage(folder, "last")["id"]], {}
    while todo:
        id = todo.pop()
        if id not in nodes:
            nodes[id] = lineage(folder, id)
            assert nodes[id]["id"] == id
            todo += [each for links in ("made_by", "uses", "made", "used_by") for each in nodes[id][links]]
    assert {node["kind"] for node in nodes.values()} == {"run", "step", "artifact", "snapshot"}
    assert sum(node["kind"] == "run" for node in nodes.values()) == 2, "through the value that both runs share"
    for id, node in nodes.items():
        for there, back in (("made", "made_by"), ("made_by", "made"), ("uses", "used_by"), ("used_by", "uses")):
            assert all(id in nodes[other][back] for other in node[there]), (id, there)


def test_a_run_knows_its_commit_and_parameters(folder):
    facts = lineage(folder, "last")["facts"]
    head = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert (facts["code_version"], facts["parameters"]) == (head.stdout.strip(), {"factor": 3})
    told = call("lineage", "last", cwd=folder).stdout
    assert f"  code version: {head.stdout.strip()}\n" in told and "  parameters: factor=3\n" in told
    assert re.search(r"  created: \d{4}-\d\d-\d\dT[\d:.]+Z\n", told)


def test_a_value_knows_who_made_it_and_who_used_it(folder):
    run = lineage(folder, "last")
    add = lineage(folder, next(id for id in run["made"] if id.endswith("/step/add")))
    assert add["facts"]["parameters"] == {"factor": 3}
    data = lineage(folder, add["uses"][0])
    assert data["facts"]["variables"] == ["data"]
    assert sorted(id.rsplit("/", 1)[1] for id in data["used_by"]) == ["add", "add"]


def test_every_verb_takes_the_ids(folder):
    run = lineage(folder, "last")["id"]
    step = f"{run}/step/add"
    for arguments in (["show", run], ["logs", run], ["diff", run, "last"], ["resume", run], ["show", step]):
        assert call(*arguments, cwd=folder).returncode == 0, arguments
    assert in_a_process(folder, f"kale_rs.restore({step!r})", "print((total, spare))") == (30, {"x": 1})
    for wrong in ("kale://moon/1", "kale://artifact/0000", "nothing"):
        done = call("lineage", wrong, cwd=folder)
        assert (done.returncode, done.stdout) == (2, ""), wrong
    assert "names no run" in call("show", "kale://artifact/00", cwd=folder).stderr
