"""What the steps of a run on a cluster have left: known as of other runs, and told where it cannot be had."""

import contextlib
import json
import sqlite3
import subprocess
import sys

import kale_rs
import pytest
from cli.object_server import s3_server
from cli.support import call, cell, notebook, wait_for

from .running import CELLS, shown, states, waiting

#: Nobody answers who knows what tasks have left.
SILENT = {
    "method": "POST",
    "path": "/ml_metadata.MetadataStoreService/GetContextByTypeAndName",
    "status": 503,
    "message": "no healthy upstream",
    "times": 9999,
}
FILES = [
    cell("numbers = [1, 2, 3]\nwith open('out.txt', 'w') as f:\n    f.write('written')", "step:make"),
    cell("with open('out.txt') as f:\n    text = f.read()\nprint(text, numbers)", "step:tell"),
]


@pytest.fixture
def hurried(monkeypatch):
    """Nobody waits for what does not come at once."""
    monkeypatch.setenv("KALE_RS_CLUSTER_PATIENCE", "0")


def test_what_steps_have_left_is_as_that_of_other_runs(cluster, folder):
    notebook(
        folder / "n.ipynb",
        cell("factor = 2", "pipeline-parameters"),
        cell("def twice(x):\n    return x * factor", "functions"),
        cell("numbers = [1, 2, 3]\nunused = list(numbers)", "step:make"),
        cell("total = sum(map(twice, numbers))\nwith open('out.txt', 'w') as f:\n    f.write('written')", "step:add"),
        cell("with open('out.txt') as f:\n    text = f.read()\nprint(text, total)", "step:tell"),
        cell("print(total)\nprint('never', float('nan'))", "pipeline-metrics"),
    )
    cluster.tell(cache=True)
    first = json.loads(call("run", "n.ipynb", "--on", "dev", "--json").stdout)
    assert first["metrics"] == {"total": 12, "never": "NaN"}
    second = json.loads(call("run", "n.ipynb", "--on", "dev", "-p", "factor=3", "--json").stdout)
    assert states(second)["make"] == "cached" and second["metrics"]["total"] == 18
    told = call("diff", first["run_id"], second["run_id"], "--json").stdout
    assert json.loads(told)["metrics"] == [{"name": "total", "left": 12.0, "right": 18.0}]
    # Nothing has been fetched yet; from now on it is here.
    page = json.loads(call("show", "last", "make", "--json").stdout)
    [made] = page["artifacts"]
    assert made["names"] == ["numbers"] and "unfetched" not in page
    assert "[1, 2, 3]" in call("artifact", made["id"]).stdout
    [given] = json.loads(call("show", "last", "add", "--json").stdout)["inputs"]
    assert given["id"] == made["id"]
    restore = """
import json, kale_rs
restored = kale_rs.restore("last", "add")
print(json.dumps([total, numbers, twice(1), str(restored)]))
"""
    restored = subprocess.run([sys.executable, "-c", restore], capture_output=True, text=True, check=True)
    *values, told = json.loads(restored.stdout)
    assert values == [18, [1, 2, 3], 3]
    assert "unused" in told and "step `make` ran on `dev`, where only what other steps need outlives it" in told
    assert json.loads(call("restore", "last", "add", "--files", "--json").stdout)["files_put_back"] == ["out.txt"]
    assert (folder / "out.txt").read_text() == "written"
    # Who gets a snapshot has no access to the cluster: values go along, also those that nobody has looked at here.
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    assert call("snapshot", "push", f"{first['run_id']}:add", folder.parent / "shared").returncode == 0
    pulled = call("snapshot", "pull", folder.parent / "shared", cwd=elsewhere)
    assert pulled.returncode == 0, pulled.stderr
    page = json.loads(call("show", first["run_id"], "add", "--json", cwd=elsewhere).stdout)
    assert [(made["names"], made["bytes"] > 0) for made in page["artifacts"]] == [(["total"], True)]


def test_values_that_cannot_be_had_are_told(cluster, folder):
    cluster.tell(forget=True)
    done = json.loads(call("run", "n.ipynb", "--on", "dev", "--json").stdout)
    assert done["status"] == "succeeded" and done["metrics"] == {}
    [told] = [one for one in done["diagnostics"] if one["id"] == "cluster-keeps-values"]
    assert "dev" in told["message"] and "--ui URL" in told["help"]


def test_a_server_that_is_gone_keeps_its_values(cluster, folder):
    assert call("run", "n.ipynb", "--on", "dev", "--json").returncode == 0
    cluster.tell(down=True)
    page = json.loads(call("show", "last", "make", "--json").stdout)
    [lost] = page["unfetched"]
    assert lost["names"] == ["numbers"] and lost["uri"].startswith("minio://") and cluster.url in lost["reason"]
    assert "minio://" in call("show", "last", "make").stdout
    assert f"not here: numbers ({lost['uri']}" in repr(kale_rs.show("last", "make"))
    cluster.tell(down=False)
    assert json.loads(call("show", "last", "make", "--json").stdout)["artifacts"][0]["names"] == ["numbers"]


def test_the_object_store_gives_out_what_the_pages_do_not(cluster, folder, monkeypatch):
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--json").stdout)
    cluster.tell(closed=True)
    [lost] = json.loads(call("show", "last", "make", "--json").stdout)["unfetched"]
    bucket, _, key = lost["uri"].removeprefix("minio://").partition("/")
    [value] = (folder.parent / "cluster" / run["remote"]["id"] / "make").glob("numbers")
    with s3_server() as store:
        for name, text in store.variables.items():
            monkeypatch.setenv(name, text)
        [lost] = json.loads(call("show", "last", "make", "--json").stdout)["unfetched"]
        assert "500" in lost["reason"] and f"s3://{bucket}/{key}" in lost["reason"]
        assert store.request("PUT", f"/{bucket}")[0] == 200
        assert store.request("PUT", f"/{bucket}/{key}", value.read_bytes())[0] == 200
        page = json.loads(call("show", "last", "make", "--json").stdout)
    assert [made["names"] for made in page["artifacts"]] == [["numbers"]] and "unfetched" not in page


def test_metrics_are_there_while_the_run_goes_on(cluster, folder):
    """Also where nobody answers at first: it is asked again, and whoever follows is told."""
    wait = waiting(folder)
    wait["metadata"]["tags"].append("prev:add")
    notebook(folder / "n.ipynb", *CELLS, wait)
    cluster.tell(refuse=SILENT)
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--detach", "--json").stdout)["run_id"]
    wait_for(lambda: states(shown(run))["add"] == "succeeded", "the end of a step")
    assert shown(run)["metrics"] == {}
    cluster.tell(refuse=None)
    wait_for(lambda: shown(run)["metrics"] == {"total": 3}, "the metric")
    assert shown(run)["status"] == "running"
    with contextlib.closing(sqlite3.connect(next(folder.rglob("store.db")))) as connection:
        events = [json.loads(text) for (text,) in connection.execute("SELECT event FROM events WHERE run = ?", [run])]
    told = [(one["step"], one["name"], one["value"]) for one in events if "value" in one]
    assert told == [("add", "total", 3)]
    (folder / "go").touch()
    wait_for(lambda: shown(run)["status"] == "succeeded", "the end of the run")
    assert "cluster-keeps-values" not in str(shown(run)["diagnostics"])


def test_what_a_cluster_does_not_tell_is_said_to_be_missing(cluster, folder, hurried):
    cluster.tell(refuse=SILENT)
    done = json.loads(call("run", "n.ipynb", "--on", "dev", "--json").stdout)
    assert "cluster-keeps-values" in str(done["diagnostics"])
    [lost] = json.loads(call("show", "last", "make", "--json").stdout)["unfetched"]
    assert (lost["names"], lost["uri"]) == (["numbers"], None) and "no healthy upstream" in lost["reason"]
    assert "no healthy upstream" in repr(kale_rs.show("last", "make"))
    [missing] = json.loads(call("restore", "last", "make", "--json").stdout)["namespace"]["missing"]
    assert missing["name"] == "numbers" and "it is on `dev`" in missing["reason"]
    cluster.tell(refuse=None)
    assert json.loads(call("show", "last", "make", "--json").stdout)["artifacts"][0]["names"] == ["numbers"]


def test_a_file_that_is_not_here_is_told_by_its_path(cluster, folder, hurried):
    notebook(folder / "n.ipynb", *FILES)
    assert call("run", "n.ipynb", "--on", "dev").returncode == 0
    cluster.tell(closed=True)
    page = kale_rs.show("last", "make")
    assert sorted(page.unfetched) == ["numbers", "out.txt"] and "out.txt (minio://" in repr(page)
    told = call("restore", "last", "make", "--files").stdout
    assert "not here: out.txt of step make" in told and "not stored: numbers" in told
    restored = subprocess.run(
        [sys.executable, "-c", "import kale_rs; print(kale_rs.restore('last', 'make', files=True))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not here   out.txt: " in restored.stdout
    assert not (folder / "out.txt").exists()
    cluster.tell(closed=False)
    assert "put back: out.txt" in call("restore", "last", "make", "--files").stdout


def test_a_snapshot_says_what_it_lacks_and_is_completed_later(cluster, folder, hurried):
    notebook(folder / "n.ipynb", *FILES)
    run = json.loads(call("run", "n.ipynb", "--on", "dev", "--json").stdout)["run_id"]
    cluster.tell(closed=True)
    place, elsewhere = folder.parent / "shared", folder.parent / "elsewhere"
    elsewhere.mkdir()
    pushed = kale_rs.snapshot("push", f"{run}:make", str(place))
    assert sorted(pushed.left_out) == ["numbers", "out.txt"] and "left out   numbers" in repr(pushed)

    def pulled() -> list[str]:
        done = call("snapshot", "pull", place, cwd=elsewhere)
        assert done.returncode == 0, done.stderr
        page = json.loads(call("show", run, "make", "--json", cwd=elsewhere).stdout)
        return [name for made in page["artifacts"] for name in made["names"]] + [one["path"] for one in page["files"]]

    assert pulled() == []
    cluster.tell(closed=False)
    again = call("snapshot", "push", f"{run}:make", place)
    assert again.returncode == 0 and "not in the snapshot" not in again.stdout
    assert pulled() == ["numbers", "out.txt"]
    assert pulled() == ["numbers", "out.txt"]


def test_a_look_fetches_no_large_value_but_says_how_to_have_it(cluster, folder):
    notebook(
        folder / "n.ipynb",
        CELLS[0],
        cell("large = bytearray(os.urandom(1 << 20) * 70)", "step:make"),
        cell("print(len(large))", "step:tell"),
    )
    assert call("run", "n.ipynb", "--on", "dev").returncode == 0
    asked = [cluster.tell()["artifacts"]]
    for _ in range(2):
        [lost] = json.loads(call("show", "last", "make", "--json").stdout)["unfetched"]
        assert "longer than 64.0 MiB" in lost["reason"] and "`kale-rs restore 2" in lost["reason"]
        asked.append(cluster.tell()["artifacts"])
    assert asked == [0, 1, 1], "that it is large is known from then on"
    assert json.loads(call("restore", "last", "make", "--json").stdout)["namespace"]["missing"] == []
    assert "unfetched" not in json.loads(call("show", "last", "make", "--json").stdout)


def test_a_server_that_does_not_answer_is_not_asked_for_each_value(cluster, folder, hurried):
    notebook(
        folder / "n.ipynb",
        cell("a = [1]", "step:one"),
        cell("b = [2]", "step:two"),
        cell("c = [3]", "step:three"),
        cell("print(a, b, c)", "step:tell"),
    )
    assert call("run", "n.ipynb", "--on", "dev").returncode == 0
    cluster.tell(down=True)
    missing = json.loads(call("restore", "last", "tell", "--json").stdout)["namespace"]["missing"]
    assert [one["name"] for one in missing] == ["a", "b", "c"]
    assert len({one["reason"] for one in missing}) == 1
    assert cluster.tell()["artifacts"] == 1
