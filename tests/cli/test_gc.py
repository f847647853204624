"""Old runs go, and nothing that is left is broken by it."""

import json
import os
import pickle
import sqlite3
import statistics
import time
from pathlib import Path

import pytest

from .support import call, cell, notebook, start
from .test_restore import in_a_process


def steps(factor):
    return [
        cell("shared = list(range(1000))\nspare = {'a': shared}", "step:load"),
        cell(f"score = len(shared) * {factor}\nleft = [score, {factor}]", "step:score"),
        cell("print(score)", "pipeline-metrics"),
    ]


@pytest.fixture
def folder(tmp_path):
    """Three runs: the first is the best, the last the worst; none of their values is new."""
    for factor in (3, 2, 1):
        done = call("run", notebook(tmp_path / "n.ipynb", *steps(factor)), "--json")
        assert done.returncode == 0, done.stderr
    age(tmp_path)
    return tmp_path


def age(folder, days=10.0):
    then = time.time() - days * 86400
    for blob in (folder / ".kale_rs" / "blobs").glob("*/*"):
        os.utime(blob, (then, then))
    with sqlite3.connect(folder / ".kale_rs" / "store.db") as database:
        database.execute("UPDATE runs SET created = created - ?", [days * 86400])


def gc(folder, *arguments):
    done = call("gc", *arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def runs(folder):
    return json.loads(call("runs", "--json", cwd=folder).stdout)["runs"]


def is_whole(folder, run):
    """Everything that can be asked of a run can still be had."""
    assert json.loads(Path(run["notebook"]).read_text())["cells"]
    assert "score" in call("show", run["run_id"], cwd=folder).stdout
    found = in_a_process(
        folder,
        f"r = kale_rs.restore({run['run_id']!r}, 'score')",
        "print((score, left[0], spare['a'] is shared, sum(shared), r.missing))",
    )
    score = int(run["metrics"]["score"])
    assert found == (score, score, True, 499500, {})


def test_without_a_policy_only_what_nobody_names_goes(folder):
    before = runs(folder)
    stray = folder / ".kale_rs" / "blobs" / "ab" / ("ab" + "0" * 62)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x" * 1000)
    collected = gc(folder)
    assert (collected["blobs"], collected["young"]) == (0, 1), "what was written a moment ago may be on its way"
    assert "1 value that no run names, as yet too young" in call("gc", cwd=folder).stdout
    age(folder, 1)
    collected = gc(folder)
    assert (collected["blobs"], collected["bytes"], collected["runs"]) == (1, 1000, [])
    assert runs(folder) == before
    is_whole(folder, before[0])


def test_old_runs_go_and_the_best_stay(folder):
    worst, middle, best = runs(folder)
    planned = gc(folder, "--keep-days", "5", "--keep-best", "1", "--dry-run")
    assert planned["runs"] == [middle["run_id"]] and len(runs(folder)) == 3
    collected = gc(folder, "--keep-days", "5", "--keep-best", "1")
    assert (collected["runs"], collected["blobs"]) == ([middle["run_id"]], planned["blobs"])
    assert planned["blobs"] > 0 and planned["bytes"] == collected["bytes"]
    assert [run["run_id"] for run in runs(folder)] == [worst["run_id"], best["run_id"]]
    is_whole(folder, worst)
    is_whole(folder, best)
    assert not (folder / ".kale_rs" / "runs" / middle["run_id"]).exists()
    assert call("show", middle["run_id"], cwd=folder).returncode == 2


def test_results_that_are_kept_are_used_and_others_made_anew(folder):
    assert gc(folder, "--keep-days", "5")["kept_runs"] == 0
    assert gc(folder)["kept_bytes"] == 0
    document = json.loads(call("run", "n.ipynb", "--json", cwd=folder).stdout)
    assert [step["status"] for step in document["steps"]] == ["succeeded", "succeeded"]
    is_whole(folder, runs(folder)[0])


def test_the_oldest_go_until_the_rest_fits(folder):
    sizes = gc(folder)["kept_bytes"]
    collected = gc(folder, "--max-size", str(sizes - 1))
    assert len(collected["runs"]) == 1 and collected["kept_bytes"] < sizes
    assert [int(run["metrics"]["score"]) for run in runs(folder)] == [1000, 2000]
    for run in runs(folder):
        is_whole(folder, run)
    bad = call("gc", "--max-size", "much", cwd=folder)
    assert bad.returncode == 2 and "`much` is no size" in bad.stderr


def test_a_run_at_work_loses_nothing(tmp_path):
    """Its values are those of an old run, which goes meanwhile: they are found in the store, and must stay there."""
    cells = [cell(f"v{n} = [{n}] * 1000\nimport time\ntime.sleep(0.05)", f"step:s{n}") for n in range(8)]
    total = "print(" + " + ".join(f"len(v{n})" for n in range(8)) + ")"
    path = notebook(tmp_path / "n.ipynb", *cells, cell(total, "step:total"))
    assert call("run", path).returncode == 0
    old = runs(tmp_path)[0]["run_id"]
    age(tmp_path)
    running = start("run", path, "--json", "--no-cache", cwd=tmp_path)
    gone = []
    while running.poll() is None:
        gone += gc(tmp_path, "--keep-days", "5")["runs"]
    document = json.loads(running.communicate()[0])
    assert (document["status"], gone) == ("succeeded", [old]), document["diagnostics"]
    assert call("logs", "last", "total", cwd=tmp_path).stdout.endswith("8000\n")
    found = in_a_process(tmp_path, "r = kale_rs.restore('last', 'total')", "print((v0[:1], len(v7), r.missing))")
    assert found == ([0], 1000, {})


MODEL = [
    cell("class Model:\n    def predict(self, rows):\n        return [sum(row) for row in rows]", "functions"),
    cell("model, X = Model(), [[1, 2], [3, 4]]", "step:train"),
]


def bundles(folder):
    return sorted(path.parent.parent.name for path in (folder / ".kale_rs" / "bundles").glob("*/*/bundle.json"))


def test_bundles_go_with_their_run_or_with_time_and_those_that_are_served_stay(tmp_path):
    path = notebook(tmp_path / "n.ipynb", *MODEL)
    assert call("run", path).returncode == 0

    def serve(name, *options):
        done = call("serve", *options, "--name", name, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    of_run = ["last:train:model", "--example", "X"]
    serve("gone", *of_run, "--pack")
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(statistics.mean))
    serve("file", "old.pkl", "--pack")
    serve("fresh", "old.pkl", "--pack")
    serve("served", *of_run, "--detach")
    half = tmp_path / ".kale_rs" / "bundles" / ".packing-half"
    half.mkdir()
    try:
        assert gc(tmp_path)["bundles"] == 0, "their run is there"
        age(tmp_path)
        then = time.time() - 10 * 86400
        for note in [*(tmp_path / ".kale_rs" / "bundles").glob("*/.*.python"), half]:
            if note.parent.name != "fresh":
                os.utime(note, (then, then))
        for about in (tmp_path / ".kale_rs" / "bundles").glob("*/*/bundle.json"):
            os.utime(about, (then, then))
        assert gc(tmp_path)["bundles"] == 1 and not half.exists(), "what a kill has left"
        planned = gc(tmp_path, "--keep-days", "5", "--dry-run")
        assert planned["bundles"] == 2 and bundles(tmp_path) == ["file", "fresh", "gone", "served"]
        done = call("gc", "--keep-days", "5", cwd=tmp_path)
        assert "and 2 bundles" in done.stdout
        assert bundles(tmp_path) == ["fresh", "served"]
        assert not (tmp_path / ".kale_rs" / "bundles" / "gone").exists()
    finally:
        assert call("services", "stop", "served", cwd=tmp_path).returncode == 0
    assert gc(tmp_path)["bundles"] == 1 and bundles(tmp_path) == ["fresh"], "its run is no more"
