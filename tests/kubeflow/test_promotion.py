"""`run --on A --then B --gate CONDITION`: a notebook goes from context to context, as far as its metrics carry it."""

import json
import subprocess
import sys

import kale_rs
import pytest
from cli.support import call, cell, notebook, start, wait_for

from .running import TOKEN, running, states

CELLS = [
    cell("quality = 0.95", "pipeline-parameters"),
    cell("acc = quality * 1.0", "step:train"),
    cell("print(acc)", "pipeline-metrics"),
]


@pytest.fixture
def clusters(tmp_path, monkeypatch):
    """Two clusters, `dev` and `prod`, which has an overlay of its own, and a folder with a notebook."""
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("TOKEN_OF_CLUSTERS", TOKEN)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    notebook(folder / "n.ipynb", *CELLS)
    overlay = tmp_path / "prod.yaml"
    overlay.write_text("parameters: {quality: 0.99}")
    with running(tmp_path / "dev") as dev, running(tmp_path / "prod") as prod:
        for name, cluster in {"dev": dev, "prod": prod}.items():
            options = ["--kfp", cluster.url, "--namespace", "team", "--auth", "token-env:TOKEN_OF_CLUSTERS"]
            options += ["--overlay", overlay] if name == "prod" else []
            assert call("context", "add", name, *options).returncode == 0
        yield dev, prod


def stages(answer: dict) -> list[tuple]:
    """Each context with what became of it, and the gates that were held against its metrics."""
    told = ("gate", "value", "holds")
    return [
        (stage["context"], stage["status"], [tuple(gate[key] for key in told) for gate in stage["gates"]])
        for stage in answer["promotion"]
    ]


def test_what_passes_goes_on_to_the_last(clusters):
    dev, prod = clusters
    arguments = ["run", "n.ipynb", "--on", "local", "--then", "dev", "--then", "prod", "--gate", "acc>=0.9"]
    done = call(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    passed = [("acc >= 0.9", 0.95, True)]
    assert stages(answer) == [
        ("local", "succeeded", passed),
        ("dev", "succeeded", passed),
        ("prod", "succeeded", []),
    ]
    assert (answer["context"], answer["status"], answer["metrics"]) == ("prod", "succeeded", {"acc": 0.99})
    assert (dev.runs(), prod.runs()) == (1, 1)
    held = "the notebook goes on to `prod`: `acc >= 0.9` holds, it is 0.95"
    other = "The run there has the same notebook, and other parameters: `quality` 0.99 instead of 0.95."
    assert "The run there has the same notebook and the same parameters." in done.stderr, "from here to `dev`"
    assert other in done.stderr
    assert held in done.stderr and held in call("show", answer["promotion"][1]["run_id"], "--json").stdout
    runs = json.loads(call("runs", "--json").stdout)["runs"]
    assert [run.get("context") for run in runs] == ["prod", "dev", None]


def test_a_gate_keeps_the_rest_from_starting(clusters):
    dev, prod = clusters
    arguments = ["run", "n.ipynb", "--on", "dev", "--then", "prod", "--gate", "acc <= 1", "--gate", "acc > 0.9"]
    done = call(*arguments, "-p", "quality=0.5", "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    gates = [("acc <= 1", 0.5, True), ("acc > 0.9", 0.5, False)]
    assert stages(answer) == [("dev", "succeeded", gates), ("prod", None, [])]
    assert (answer["context"], answer["status"]) == ("dev", "succeeded")
    refused = "`prod` was not started: the gate `acc > 0.9` does not hold on `dev`, it is 0.5."
    [told] = [one for one in answer["diagnostics"] if one["id"] == "not-promoted"]
    assert told["message"] == refused and refused in done.stderr
    assert refused in call("show", "last").stderr
    text = call(*arguments, "-p", "quality=0.5").stdout
    assert text.splitlines()[-1].split() == ["prod", "not", "started"] and "\ndev      succeeded    20" in text
    assert (dev.runs(), prod.runs()) == (2, 0)
    python = kale_rs.run("n.ipynb", {"quality": 0.5}, on="local", then="prod", gate="acc > 0.9", progress=False)
    assert [stage["run_id"] is None for stage in python.promotion] == [False, True]
    assert refused.replace("`dev`", "`local`") in repr(python)


def test_the_magic_takes_the_same_words(clusters):
    dev, prod = clusters
    line = "%pipeline run n.ipynb --on dev --then prod --then local --gate 'acc >= 0.9' --gate 'acc < 0.9'"
    source = f"import kale_rs\nget_ipython().run_line_magic('load_ext', 'kale_rs')\n{line}\nprint(_.promotion)"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "`acc >= 0.9` holds" not in done.stdout and "the gate `acc < 0.9` does not hold on `dev`" in done.stdout
    assert (dev.runs(), prod.runs()) == (1, 0)


def test_what_failed_goes_nowhere(clusters, tmp_path):
    dev, prod = clusters
    failing = cell("acc = quality / 0", "step:train")
    notebook(tmp_path / "project" / "n.ipynb", CELLS[0], failing, CELLS[2])
    done = call("run", "n.ipynb", "--on", "dev", "--then", "prod", "--gate", "acc > 0")
    assert done.returncode == 1
    assert "`prod` was not started: the run on `dev` is failed." in done.stderr and "kale-rs resume" in done.stderr
    again = json.loads(call("resume", "last", "--json").stdout)
    assert stages(again) == [("dev", "failed", [("acc > 0", None, False)]), ("prod", None, [])], "it fails again"
    assert (dev.runs(), prod.runs()) == (1, 0)


@pytest.fixture
def slow(clusters, tmp_path):
    """The notebook waits for a file, `go`, in every context."""
    waits = f"while not os.path.exists({str(tmp_path / 'go')!r}):\n    time.sleep(0.02)\nacc = quality"
    notebook(
        tmp_path / "project" / "n.ipynb",
        cell("import os, time", "imports"),
        CELLS[0],
        cell(waits, "step:train"),
        CELLS[2],
    )
    yield tmp_path / "go"


def killed_on_the_way() -> str:
    """The run on `dev`, whose terminal is gone."""
    process = start("run", "n.ipynb", "--on", "dev", "--then", "prod", "--gate", "acc > 0.9")
    run = wait_for(lambda: json.loads(call("runs", "--json").stdout)["runs"], "the run")[0]["run_id"]
    wait_for(lambda: states(json.loads(call("show", run, "--json").stdout)) == {"train": "running"}, "the step")
    assert "not-promoted" not in call("show", run, "--json").stdout, "somebody waits"
    assert "is still at work" in call("resume", run).stderr
    process.kill()
    process.communicate(timeout=60)
    told = "`prod` was not started: whoever waited for this run has ended before."
    wait_for(lambda: told in call("show", run, "--json").stdout, "the end of whoever waited")
    assert f"kale-rs resume {run}" in call("show", run).stderr
    return run


def test_whoever_waits_may_be_killed_and_resume_goes_on(clusters, slow, tmp_path):
    dev, prod = clusters
    run = killed_on_the_way()
    slow.touch()
    wait_for(lambda: json.loads(call("show", run, "--json").stdout)["status"] == "succeeded", "the end of the run")
    # What goes on is what was compiled at the beginning.
    (tmp_path / "project" / "n.ipynb").unlink()
    done = call("resume", run, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert stages(answer) == [("dev", "succeeded", [("acc > 0.9", 0.95, True)]), ("prod", "succeeded", [])]
    assert (answer["context"], answer["metrics"], answer["parameters"]) == ("prod", {"acc": 0.99}, {"quality": 0.99})
    assert "not-promoted" not in call("show", run, "--json").stdout
    again = json.loads(call("resume", run, "--json").stdout)
    assert again["run_id"] == answer["run_id"], "the run on `dev` has gone on to this one"
    assert (dev.runs(), prod.runs()) == (1, 1)


def test_resume_waits_for_a_run_that_nobody_waits_for(clusters, slow):
    dev, prod = clusters
    run = killed_on_the_way()
    process = start("resume", run, "--json")
    # A second one that came first would be the one that waits.
    wait_for(lambda: "not-promoted" not in call("show", run, "--json").stdout, "whoever waits now")
    assert "is still at work" in call("resume", run).stderr
    slow.touch()
    told, _ = process.communicate(timeout=60)
    assert [stage[:2] for stage in stages(json.loads(told))] == [("dev", "succeeded"), ("prod", "succeeded")]
    assert (dev.runs(), prod.runs()) == (1, 1)


def test_what_a_metric_is_may_not_be_known(clusters):
    dev, prod = clusters
    dev.tell(forget=True)
    done = call("run", "n.ipynb", "--on", "dev", "--then", "prod", "--gate", "acc > 0")
    assert done.returncode == 1
    assert "`prod` was not started: what the gate `acc > 0` asks for is not known here, `dev` keeps it." in done.stderr
    assert "kale-rs context test dev" in done.stderr and "--on prod" in done.stderr
    assert prod.runs() == 0
    # It is asked once more.
    assert "what the gate `acc > 0` asks for is not known here" in call("resume", "last").stderr
    assert (dev.runs(), prod.runs()) == (1, 0)


def test_a_bad_moment_of_the_service_of_metadata_costs_nothing(clusters):
    """Who decides asks once more."""
    dev, prod = clusters
    path = "/ml_metadata.MetadataStoreService/GetContextByTypeAndName"
    dev.tell(refuse={"method": "POST", "path": path, "status": 503, "message": "no healthy upstream", "times": 9999})
    process = start("run", "n.ipynb", "--on", "dev", "--then", "prod", "--gate", "acc > 0.9")
    wait_for(
        lambda: "cluster-keeps-values" in call("show", "last", "--json").stdout, "the end of the run, without metrics"
    )
    dev.tell(refuse=None)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0 and "`acc > 0.9` holds, it is 0.95" in told, told
    assert (dev.runs(), prod.runs()) == (1, 1)


def test_a_gate_may_ask_for_a_name_that_is_computed(clusters, tmp_path):
    dev, prod = clusters
    report = cell("import kale_rs\nfor kind in ('acc', 'loss'):\n    kale_rs.metric(f'{kind}_test', 0.5)", "step:train")
    notebook(tmp_path / "project" / "n.ipynb", CELLS[0], report)
    done = call("run", "n.ipynb", "--on", "local", "--then", "dev", "--gate", "acc_test > 0", "--gate", "los_test > 0")
    assert done.returncode == 1
    assert "the gate `los_test > 0` does not hold on `local`, the run does not report it." in done.stderr
    assert "kale_rs.metric" in done.stderr and dev.runs() == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--gate", "accuracy > 1", "--then", "prod"], "the gate `accuracy > 1` names a metric"),
        (["--gate", "acc > high", "--then", "prod"], "`high` is no number"),
        (["--gate", "acc", "--then", "prod"], "it compares nothing"),
        (["--gate", "acc > 1"], "`--gate` stands between two contexts"),
        (["--then", "staging"], "there is no context `staging`"),
        (["--then", "dev"], "`dev` is named twice"),
        (["--then", "prod", "--detach"], "`--detach` does not wait"),
        (["--then", "local", "--isolated"], "`--isolated` is for runs on this machine"),
        (["--verify", "full"], "`--verify` is for runs on this machine"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_starts(clusters, options, told):
    dev, prod = clusters
    done = call("run", "n.ipynb", "--on", "dev", *options)
    assert done.returncode == 2 and told in done.stderr
    assert "its metrics are `acc`" in done.stderr or "accuracy" not in told
    assert "--on local" not in done.stderr or "--then" not in options, "it would not help"
    assert (dev.runs(), prod.runs()) == (0, 0) and json.loads(call("runs", "--json").stdout)["runs"] == []
