"""Sweeps: what is tried, how often steps run (they count themselves), and what is left when something breaks."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import venv
from pathlib import Path

import kale_rs
import pytest
from kale_rs.errors import UsageError

from .support import call, cell, notebook, processes_with, start, wait_for

#: Each step leaves a byte in a file of its own, beside which nothing else lies.
COUNT = "import os\nwith open(os.path.join(os.environ['KALE_TEST_COUNTS'], '{}'), 'a') as file: file.write('.')"


def counting(name: str, source: str, *tags: str):
    return cell(f"{COUNT.format(name)}\n{source}", f"step:{name}", *tags)


def four_steps(path: Path, loss: str = "(x - 2) ** 2 + half * 0", before: str = "pass") -> Path:
    return notebook(
        path,
        cell("x = 1.0\nwide = 3", "pipeline-parameters"),
        counting("load", "rows = list(range(100))"),
        counting("split", "half = len(rows) // 2", "prev:load"),
        counting("train", f"{before}\nloss = {loss} + wide * 0", "prev:split"),
        counting("test", "score = -loss", "prev:train"),
        cell("print(loss)\nprint(score)", "pipeline-metrics"),
    )


@pytest.fixture
def counts(tmp_path, monkeypatch):
    folder = tmp_path / "counts"
    folder.mkdir()
    monkeypatch.setenv("KALE_TEST_COUNTS", str(folder))
    return lambda: {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.fixture
def project(tmp_path, monkeypatch, counts):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def swept(*arguments) -> dict:
    done = call("sweep", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def points(sweep: dict) -> list[dict]:
    return [trial["parameters"] for trial in sweep["trials"]]


def test_what_nothing_varied_reaches_runs_once(project, counts):
    path = four_steps(project / "n.ipynb")
    plan = json.loads(call("sweep", path, "--param", "x=uniform:0:4", "--trials", 50, "--plan", "--json",
                           "--objective", "loss").stdout)["plan"]  # fmt: skip
    # The steps that tell the metrics count as one more.
    sweep = swept(path, "--param", "x=uniform:0:4", "--trials", 50, "--parallel", 4, "--objective", "loss")
    assert counts() == {"load": 1, "split": 1, "train": 50, "test": 50}
    assert len(sweep["trials"]) == 50
    assert plan["step_executions"] == sweep["planned_step_executions"] == sweep["step_executions"]
    assert sweep["best"]["value"] == min((point["x"] - 2) ** 2 for point in points(sweep))


def test_ranges_are_guessed_and_shown(project):
    done = call("sweep", four_steps(project / "n.ipynb"), "--objective", "loss", "--trials", 2)
    assert "x=loguniform:0.1:10" in done.stderr
    assert "wide=int:1:12" in done.stderr
    assert "2 trials: " in done.stderr


def test_trials_that_write_files_do_not_meet(project):
    path = notebook(
        project / "n.ipynb",
        cell("k = 1", "pipeline-parameters"),
        cell("import time\nopen('out.txt', 'a').write(str(k))\ntime.sleep(0.3)", "step:write"),
        cell("text = open('out.txt').read()\nright = int(text == str(k))", "step:read", "prev:write"),
        cell("print(right)", "pipeline-metrics"),
    )
    sweep = swept(path, "--param", "k=int:1:6", "--algorithm", "grid", "--parallel", 3)
    assert [trial["metrics"]["right"] for trial in sweep["trials"]] == [1] * 6
    assert not (project / "out.txt").exists()
    folders = project / ".kale_rs" / "sweeps" / sweep["sweep_id"] / "folders"
    assert list(folders.iterdir()) == []


def test_failed_trials_say_why_and_count(project):
    path = notebook(
        project / "n.ipynb",
        cell("k = 1", "pipeline-parameters"),
        cell("import kale_rs\nif k > 2:\n    raise ValueError(f'k is {k}')\nloss = k", "step:train"),
        cell("print(loss)", "pipeline-metrics"),
    )
    sweep = swept(path, "--param", "k=int:1:4", "--algorithm", "grid", "--parallel", 1)
    assert [trial["status"] for trial in sweep["trials"]] == ["succeeded", "succeeded", "failed", "failed"]
    assert "in cell 1, line 3" in sweep["trials"][2]["reason"]
    assert "k is 3" in sweep["trials"][2]["reason"]
    done = call(
        "sweep", path, "--param", "k=int:3:9", "--algorithm", "grid", "--parallel", 1, "--max-failed", 1, "--json"
    )
    ended = json.loads(done.stdout)
    assert (done.returncode, ended["status"], len(ended["trials"])) == (1, "failed", 2)
    assert ended["reason"] == "2 trials have failed, and 1 may."


def test_numbers_that_nobody_seeded_differ_from_trial_to_trial(project):
    path = notebook(
        project / "n.ipynb",
        cell("import random\nimport numpy as np", "imports"),
        cell("k = 1", "pipeline-parameters"),
        cell("first = k * 0 + random.random()\nsecond = k * 0 + np.random.rand()", "step:draw"),
        cell("print(first)\nprint(second)", "pipeline-metrics"),
    )
    sweep = swept(path, "--param", "k=int:1:6", "--algorithm", "grid", "--parallel", 3, "--objective", "first")
    for name in ("first", "second"):
        assert len({trial["metrics"][name] for trial in sweep["trials"]}) == 6


def test_a_goal_ends_it(project):
    sweep = swept(four_steps(project / "n.ipynb", "x"), "--param", "x=discrete:5,4,3,2,1", "--algorithm", "grid",
                  "--objective", "loss", "--goal", "2", "--parallel", "1")  # fmt: skip
    assert [point["x"] for point in points(sweep)] == [1]


def test_what_is_written_down_counts_less_than_what_is_said(project):
    path = four_steps(project / "n.ipynb")
    document = json.loads(path.read_text())
    document["metadata"]["kale_rs"] = {
        "sweep": {"parameters": {"x": "uniform:0:1"}, "objective": "score", "direction": "maximize", "trials": 7}
    }
    path.write_text(json.dumps(document))
    (project / "sweep.yaml").write_text("parameters: {x: 'discrete:1,2'}\nalgorithm: grid\ntrials: 5\n")

    def plan(*more):
        return json.loads(call("sweep", path, "--plan", "--json", *more).stdout)["plan"]

    assert (plan()["trials"], plan()["definition"]["space"][0]["domain"]["kind"]) == (7, "double")
    assert plan("--file", "sweep.yaml")["trials"] == 2
    assert plan("--file", "sweep.yaml", "--algorithm", "random", "--trials", 3)["trials"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--param", "y=uniform:0:1"], "the notebook has no parameter `y`"),
        (["--param", "x=uniform:1:0"], "1 is not less than 0"),
        (["--param", "x=normal:0:1"], "is not a range of values"),
        (["--param", "x=uniform:0:1", "--algorithm", "magic"], "there is no algorithm `magic`"),
        (["--param", "x=uniform:0:1", "--algorithm", "grid"], "give it a step"),
        (["--param", "x=uniform:0:1", "--setting", "sigma=1"], "random has no setting `sigma`"),
        (["--param", "x=uniform:0:1", "--objective", "beauty"], "no metric `beauty`"),
        (["--param", "x=uniform:0:1", "--objective", "loss", "--objective", "loss:maximize"], "`loss` is there twice"),
        (
            ["--algorithm", "cmaes", "--objective", "loss", "--objective", "score:maximize"],
            "cmaes knows one objective, not 2",
        ),
        (["--early-stopping-setting", "start_step=1"], "early stopping has settings, and is not asked for"),
        (["--param", "x=uniform:0:1", "-p", "x=3"], "`x` is varied, and has one value"),
        (["--trials", "0"], "no trials are asked for"),
        (["--goal", "nan"], "the goal is NaN"),
        (["--timeout", "0"], "the timeout is 0 seconds"),
    ],
)
def test_wrong_usage_says_what_to_write(project, arguments, words):
    objective = [] if "--objective" in arguments else ["--objective", "loss"]
    done = call("sweep", four_steps(project / "n.ipynb"), *objective, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "help:" in done.stderr
    assert not (project / ".kale_rs").exists()


def test_what_has_one_value_is_not_guessed(project):
    done = call("sweep", four_steps(project / "n.ipynb"), "--objective", "loss", "-p", "wide=2", "--plan")
    assert "x=loguniform:0.1:10" in done.stderr and "wide=" not in done.stderr


def test_a_seed_is_varied_only_where_it_is_named(project):
    path = notebook(project / "n.ipynb", cell("x = 1.0\nsplit_seed = 7", "pipeline-parameters"),
                    cell("loss = x + split_seed", "step:train"), cell("print(loss)", "pipeline-metrics"))  # fmt: skip
    kept = "`split_seed` keeps its value, since random numbers begin there: give it a range to vary it"
    guessed = kale_rs.sweep(path, plan=True)
    assert [one["name"] for one in guessed.definition["space"]] == ["x"]
    assert guessed.remarks == [kept] and kept in repr(guessed)
    assert kept in call("sweep", path, "--plan").stderr
    for given in (("-p", "split_seed=3"), ("--param", "split_seed=int:1:9"), ("--param", "x=uniform:0:1")):
        assert kept not in call("sweep", path, "--plan", *given).stderr
    named = kale_rs.sweep(path, {"split_seed": "int:1:9"}, plan=True)
    assert [one["name"] for one in named.definition["space"]] == ["split_seed"]


def test_a_grid_that_is_cut_short_is_told(project):
    path = four_steps(project / "n.ipynb")
    ranges = ["--param", "x=discrete:1,2,3", "--param", "wide=int:1:4", "--algorithm", "grid", "--objective", "loss"]
    told = "only the first 5 of the grid's 12 points will be tried: ask for 12 trials to have all"
    cut = call("sweep", path, *ranges, "--trials", 5, "--plan", "--json")
    assert told in cut.stderr and json.loads(cut.stdout)["plan"]["remarks"] == [told]
    for whole in ((), ("--trials", 12), ("--trials", 100)):
        plan = json.loads(call("sweep", path, *ranges, *whole, "--plan", "--json").stdout)["plan"]
        assert (plan["remarks"], plan["trials"], plan["definition"]["trials"]) == ([], 12, 12)
    assert told in repr(kale_rs.sweep(path, {"x": "discrete:1,2,3", "wide": "int:1:4"}, objective="loss", trials=5,
                                      algorithm="grid", progress=False))  # fmt: skip


def test_one_is_one(project):
    path = four_steps(project / "n.ipynb")
    sweep = kale_rs.sweep(path, {"x": "discrete:1,2"}, objective="loss", trials=1, progress=False)
    assert repr(sweep.plan).startswith("1 trial: 5 step runs") and ": 1 trial, " in repr(sweep)


def test_a_direction_that_nobody_has_said_is_told(project):
    path = notebook(project / "n.ipynb", cell("x = 1.0", "pipeline-parameters"), cell("auc = x", "step:train"),
                    cell("print(auc)", "pipeline-metrics"))  # fmt: skip
    sweep = kale_rs.sweep(path, {"x": "discrete:1,2"}, algorithm="grid", progress=False)
    assert (sweep.objective["direction"], sweep.best_value) == ("maximize", 2)
    told = "`auc` is taken to be better when larger"
    assert told in call("sweep", path, "--plan").stderr
    assert told not in call("sweep", path, "--plan", "--maximize").stderr


def test_what_no_step_reads_is_told(project):
    path = notebook(project / "n.ipynb", cell("x = 1\nidle = 2", "pipeline-parameters"), cell("loss = x", "step:train"),
                    cell("print(loss)", "pipeline-metrics"))  # fmt: skip
    done = call("sweep", path, "--param", "idle=int:1:9", "--plan")
    assert "no step reads `idle`: trials are alike in it" in done.stderr
    assert kale_rs.sweep(path, {"idle": "int:1:9", "x": "int:1:2"}, plan=True).unread == ["idle"]


def test_what_belongs_to_another_objective_or_algorithm_is_not_taken_over(project):
    path = four_steps(project / "n.ipynb")
    Path("sweep.yaml").write_text(
        "parameters: {x: 'uniform:0:1'}\nobjective: score\ndirection: maximize\ngoal: 5\nalgorithm: tpe\n"
        "settings: {n_EI_candidates: 9}\nearly_stopping: medianstop\nearly_stopping_settings: {start_step: 2}\n"
    )
    plan = kale_rs.sweep(path, file="sweep.yaml", objective="loss", algorithm="random", plan=True)
    [objective] = plan.definition["objectives"]
    assert objective == {"metric": "loss", "direction": "minimize", "goal": None}
    assert (plan.definition["algorithm"], plan.definition["settings"]) == ("random", {})
    assert plan.definition["early_stopping"] == ["medianstop", {"start_step": "2"}]
    [objective] = kale_rs.sweep(path, file="sweep.yaml", goal=7, plan=True).definition["objectives"]
    assert objective == {"metric": "score", "direction": "maximize", "goal": 7.0}


def test_seeds(project):
    path = four_steps(project / "n.ipynb")
    seeds = {kale_rs.sweep(path, objective="loss", plan=True).definition["seed"] for _ in range(4)}
    assert len(seeds) == 4
    same = kale_rs.sweep(path, objective="loss", settings={"random_state": 3}, seed=4, plan=True)
    assert same.definition["seed"] == 3


def test_what_has_ended_a_sweep_is_told_before_it_would_end_it_again(project):
    path = four_steps(project / "n.ipynb", "x")
    sweep = kale_rs.sweep(path, {"x": "discrete:1,2,3"}, objective="loss", algorithm="grid", goal=1.5, parallel=1,
                          progress=False)  # fmt: skip
    assert len(sweep.trials) == 1
    with pytest.raises(UsageError, match="trial 0 has reached the goal: its `loss` is 1, and 1.5 is asked for"):
        sweep.extend(trials=3)
    sweep = sweep.extend(goal=-1.0, progress=False)
    assert len(sweep.trials) == 3
    with pytest.raises(UsageError, match="there are 3 trials, and no more in all are asked for"):
        sweep.extend()
    with pytest.raises(UsageError, match="grid has 3 points here, and all of them have been tried"):
        sweep.extend(trials=9)
    with pytest.raises(UsageError, match="follow from its ranges"):
        sweep.extend(trials=9, ranges={"x": "discrete:5,6"})
    with pytest.raises(UsageError, match="`goal` is a number, not nan"):
        sweep.extend(trials=9, goal=float("nan"))


def test_too_many_failures_end_it_until_more_are_allowed(project):
    path = four_steps(project / "n.ipynb", "1 / 0")
    failed = kale_rs.sweep(path, {"x": "int:1:5"}, objective="loss", trials=5, max_failed=0, parallel=1, seed=1,
                           progress=False)  # fmt: skip
    assert (failed.status, failed.reason) == ("failed", "1 trial has failed, and 0 may.")
    with pytest.raises(UsageError, match="1 trial has failed, and 0 may"):
        failed.resume()
    assert len(failed.extend(max_failed=9, progress=False).trials) == 5


@pytest.mark.parametrize("algorithm", ["tpe", "bayesianoptimization"])
def test_ranges_may_become_others_on_the_way(project, algorithm):
    pytest.importorskip("optuna" if algorithm == "tpe" else "skopt")
    path = four_steps(project / "n.ipynb")
    sweep = kale_rs.sweep(path, {"x": "uniform:0:1:0.1", "wide": "int:1:9:2"}, objective="loss", algorithm=algorithm,
                          trials=3, parallel=1, seed=2, progress=False)  # fmt: skip
    ranges = {"x": "uniform:0.05:0.95:0.15", "wide": "int:2:8:3"}
    sweep = sweep.extend(trials=5, ranges=ranges, progress=False)
    assert {trial.status for trial in sweep.trials} == {"succeeded"}
    steps = {0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95}
    assert {round(trial.parameters["x"], 9) for trial in sweep.trials[3:]} <= steps
    assert {trial.parameters["wide"] for trial in sweep.trials[3:]} <= {2, 5, 8}


def test_several_objectives_have_a_front(project):
    path = four_steps(project / "n.ipynb", "x")
    sweep = swept(path, "--param", "x=discrete:1,2,3", "--param", "wide=int:1:2", "--algorithm", "grid",
                  "--objective", "loss:minimize", "--objective", "score:maximize")  # fmt: skip
    best = [trial["trial"] for trial in sweep["trials"] if trial["parameters"]["x"] == 1]
    assert sweep["front"] == best


def test_trials_that_do_worse_are_given_up(project):
    path = notebook(
        project / "n.ipynb",
        cell("k = 0", "pipeline-parameters"),
        cell(
            "import kale_rs, time\n"
            "for epoch in range(100 if k > 3 else 3):\n"
            "    kale_rs.metric('loss', float(k), step=epoch)\n"
            "    time.sleep(0.05 if k <= 3 else 0.6)",
            "step:train",
        ),
    )
    sweep = swept(path, "--param", "k=int:1:4", "--algorithm", "grid", "--parallel", 1, "--objective", "loss",
                  "--early-stopping", "medianstop", "--early-stopping-setting", "start_step=2")  # fmt: skip
    assert [trial["status"] for trial in sweep["trials"]] == ["succeeded"] * 3 + ["cancelled"]
    assert sweep["trials"][3]["reason"] == "stopped early: its `loss` was worse than the median"


def engine_of_the_newest() -> int | None:
    with sqlite3.connect(Path(".kale_rs/store.db")) as database:
        (pid,) = database.execute("SELECT engine_pid FROM sweeps ORDER BY number DESC").fetchone()
    return pid


def kill_engine(process, dead: set[int | None]) -> None:
    """As `kill -9` and the power do it; who follows the sweep then ends as well. `dead` are those of before."""
    wait_for(lambda: engine_of_the_newest() not in dead, "another engine")
    engine = engine_of_the_newest()
    os.kill(engine, signal.SIGKILL)
    dead.add(engine)
    process.wait(60)


def test_a_sweep_killed_at_random_moments_comes_to_its_end(project, counts):
    path = four_steps(project / "n.ipynb", before="import time; time.sleep(0.1)")
    arguments = ["--param", "x=int:1:60", "--algorithm", "grid", "--objective", "loss", "--parallel", "2"]
    path.write_text(path.read_text().replace("x = 1.0", "x = 1"))
    dice, dead = random.Random(7), {None}
    process = start("sweep", path, *arguments, cwd=project)
    wait_for(lambda: (project / ".kale_rs/store.db").exists() and sweeps_known(), "the beginning")
    for _ in range(20):
        with pytest.raises(Exception, match="timed out"):
            process.wait(dice.uniform(0.05, 0.25))
        kill_engine(process, dead)
        process = start("sweeps", "resume", "last", cwd=project)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    view = json.loads(call("sweeps", "show", "--json", cwd=project).stdout)
    assert view["status"] == "succeeded"
    assert points(view) == [{"x": x} for x in range(1, 61)]
    # A step whose process was killed runs again; one that has finished does not.
    with sqlite3.connect(project / ".kale_rs/store.db") as database:
        finished = (
            "SELECT run, step FROM (SELECT run, name AS step, COUNT(*) AS n FROM steps GROUP BY run, name) WHERE n > 1"
        )
        assert database.execute(finished).fetchall() == []
        ended = database.execute("SELECT COUNT(*) FROM trials WHERE status = 'succeeded'").fetchone()
    assert ended == (60,)


def sweeps_known() -> bool:
    try:
        with sqlite3.connect(Path(".kale_rs/store.db")) as database:
            return database.execute("SELECT COUNT(*) FROM trials").fetchone()[0] > 0
    except sqlite3.OperationalError:
        return False


def test_a_sweep_that_was_stopped_goes_on(project, counts):
    path = four_steps(project / "n.ipynb", before="import time; time.sleep(0.2)")
    sweep = kale_rs.sweep(path, {"x": "uniform:0:1"}, objective="loss", trials=12, parallel=2, seed=3, detach=True)
    wait_for(lambda: counts().get("test", 0) >= 2, "some trials")
    stopped = sweep.stop()
    assert stopped.status == "cancelled"
    assert re.search(r" cancelled: \d+ of 12 trials, ", repr(stopped)) and "`.resume()` goes on" in repr(stopped)
    assert re.search(rf"{stopped.sweep_id}  cancelled  \d+/12", call("sweeps").stdout)
    assert f"to go on: `kale-rs sweeps resume {stopped.sweep_id}`" in call("sweeps", "stop").stdout
    with pytest.raises(UsageError, match=f"ask for more than 12 trials: .* resume {stopped.sweep_id}` goes on"):
        stopped.extend()
    before = counts()["test"]
    assert before < 12
    over = sweep.resume(progress=False)
    assert (over.status, len(over.trials)) == ("succeeded", 12)
    assert {trial.status for trial in over.trials} == {"succeeded"}
    assert counts()["load"] == 1
    whole = kale_rs.sweep(path, {"x": "uniform:0:1"}, objective="loss", trials=12, seed=3, progress=False)
    assert [trial.parameters for trial in whole.trials] == [trial.parameters for trial in over.trials]


@pytest.mark.parametrize("algorithm", ["tpe", "multivariate-tpe", "cmaes"])
def test_optunas_algorithms_choose_what_optuna_chooses(project, algorithm):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=5, multivariate=False),
        "multivariate-tpe": lambda: optuna.samplers.TPESampler(seed=5, multivariate=True),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=5),
    }
    study = optuna.create_study(sampler=samplers[algorithm]())
    expected = []
    for _ in range(16):
        trial = study.ask()
        x, wide = trial.suggest_float("x", 0.0, 4.0), trial.suggest_int("wide", 1, 8)
        study.tell(trial, (x - 2) ** 2)
        expected.append({"x": x, "wide": wide})
    path = four_steps(project / "n.ipynb")
    ranges = {"x": "uniform:0:4", "wide": "int:1:8"}
    sweep = kale_rs.sweep(path, ranges, objective="loss", algorithm=algorithm, trials=12, parallel=1, seed=5,
                          progress=False)  # fmt: skip
    # Another process, which has to find its way through what was before.
    sweep = sweep.extend(trials=16, progress=False)
    assert [trial.parameters for trial in sweep.trials] == expected


def test_bayesian_optimization_finds_the_place(project):
    pytest.importorskip("skopt")
    sweep = kale_rs.sweep(four_steps(project / "n.ipynb"), {"x": "uniform:-20:20"}, objective="loss", trials=16,
                          algorithm="bayesianoptimization", parallel=1, seed=1, progress=False)  # fmt: skip
    assert sweep.best_value < 0.5


def test_what_the_library_cannot_do_is_told_before_anything_begins(project):
    pytest.importorskip("cmaes")
    done = call("sweep", four_steps(project / "n.ipynb"), "--objective", "loss", "--algorithm", "cmaes", "--setting",
                "restart_strategy=ipop")  # fmt: skip
    assert done.returncode == 2
    assert "Optuna's cmaes does not begin anew" in done.stderr
    assert not (project / ".kale_rs").exists()


def test_the_process_that_chooses_may_be_killed_or_hang(project):
    pytest.importorskip("optuna")
    path = four_steps(project / "n.ipynb", before="import time; time.sleep(0.3)")
    options = {"objective": "loss", "algorithm": "tpe", "trials": 6, "parallel": 1, "seed": 3}
    whole = kale_rs.sweep(path, {"x": "uniform:0:4"}, **options, progress=False)

    def chooser(sweep):
        """Its process, once it has chosen a trial."""
        wait_for(lambda: len(sweep.refresh().trials) >= 2, "a trial")
        [pid] = wait_for(lambda: processes_with(f"{sweep.sweep_id}@"), "the process")[-1:]
        found = [pid for pid in processes_with(f"{sweep.sweep_id}@") if b"--suggestions" in cmdline(pid)]
        return found[0]

    def cmdline(pid):
        return Path(f"/proc/{pid}/cmdline").read_bytes()

    killed = kale_rs.sweep(path, {"x": "uniform:0:4"}, **options, cache=False, detach=True)
    os.kill(chooser(killed), signal.SIGKILL)
    ended = wait_for(lambda: (now := killed.refresh()).status == "failed" and now, "its end")
    assert "sweeps resume" in ended.reason
    over = killed.resume(progress=False)
    assert [trial.parameters for trial in over.trials] == [trial.parameters for trial in whole.trials]
    hanging = kale_rs.sweep(path, {"x": "uniform:0:4"}, **options, cache=False, detach=True)
    os.kill(pid := chooser(hanging), signal.SIGSTOP)
    assert hanging.stop().status == "cancelled"
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the end of what hung")


def test_a_missing_library_is_told_before_anything_begins(project, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    path = four_steps(project / "n.ipynb")
    done = call("sweep", path, "--objective", "loss", "--algorithm", "tpe", "--python", tmp_path / "bare/bin/python")
    assert done.returncode == 2
    assert "tpe is optuna's" in done.stderr
    assert "pip install 'kale-rs[sweep]'" in done.stderr
    assert not (project / ".kale_rs").exists()


def test_optuna_opens_what_is_exported(project):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = four_steps(project / "n.ipynb")
    sweep = kale_rs.sweep(path, {"x": "uniform:0:4", "wide": [1, 2]}, objective="loss", trials=5, progress=False)
    url = f"sqlite:///{project / 'study.db'}"
    assert sweep.export(url).trials == 5
    assert sweep.extend(trials=7, ranges={"x": "uniform:2:3"}, progress=False).export(url).trials == 7
    study = optuna.load_study(study_name=sweep.sweep_id, storage=url)
    assert study.best_value == kale_rs.sweeps("show", sweep).best_value
    assert [trial.params for trial in study.trials] == [t.parameters for t in kale_rs.sweeps("show", sweep).trials]


def test_trials_are_runs_that_stay_out_of_the_way(project):
    path = four_steps(project / "n.ipynb")
    first = kale_rs.run(path, progress=False)
    sweep = kale_rs.sweep(path, {"x": "uniform:0:4"}, objective="loss", trials=3, progress=False)
    assert [run.run_id for run in kale_rs.runs()] == [first.run_id]
    assert kale_rs.show().run_id == first.run_id
    assert len(kale_rs.runs(trials=True)) == 4
    assert f"trial {sweep.best.trial} of sweep {sweep.sweep_id}" in call("show", sweep.best.run_id).stdout
    kale_rs.gc(keep_days=0)
    assert (list(kale_rs.runs(trials=True)), list(kale_rs.sweeps())) == ([], [])


def test_the_api_says_what_to_write(project):
    path = four_steps(project / "n.ipynb")
    with pytest.raises(UsageError, match="cannot be this `float`"):
        kale_rs.sweep(path, {"x": 1.5})
    for wrong in ({"trials": -1}, {"trials": 2.5}, {"parallel": "2"}, {"seed": -3}):
        [name] = wrong
        with pytest.raises(UsageError, match=f"`{name}` is a whole number, not"):
            kale_rs.sweep(path, **wrong)
    with pytest.raises(UsageError, match="nobody knows where"):
        kale_rs.sweeps("export")
    with pytest.raises(UsageError, match="there is no sweep `last`"):
        kale_rs.sweeps("show")
    assert repr(kale_rs.sweeps()) == "no sweeps"


def test_a_sweep_that_lost_its_engine_says_so(project):
    path = four_steps(project / "n.ipynb", before="import time; time.sleep(60)")
    sweep = kale_rs.sweep(path, {"x": "uniform:0:4"}, objective="loss", trials=3, detach=True)
    wait_for(lambda: sweep.refresh().status == "running" and engine_of_the_newest(), "its engine")
    os.kill(engine_of_the_newest(), signal.SIGKILL)
    lost = wait_for(lambda: (now := sweep.refresh()).status == "interrupted" and now, "its end")
    assert "it was killed, or the machine had no memory left" in lost.reason
    assert f"kale-rs sweeps resume {sweep.sweep_id}" in lost.reason


def test_sweeps_of_one_notebook(project):
    one, other = four_steps(project / "one.ipynb"), four_steps(project / "other.ipynb")
    for path in (one, one, other):
        kale_rs.sweep(path, {"x": "uniform:0:4"}, objective="loss", trials=1, progress=False)
    assert [len(kale_rs.sweeps(**only)) for only in ({}, {"notebook": one}, {"limit": 1})] == [3, 2, 1]
    done = call("sweeps", "--notebook", "other.ipynb", "-n", 5, "--json")
    assert len(json.loads(done.stdout)["sweeps"]) == 1


def test_results_print_well(project):
    path = four_steps(project / "n.ipynb")
    assert repr(kale_rs.sweep(path, {"x": "uniform:0:4"}, objective="loss", trials=3, plan=True)).startswith(
        "3 trials: "
    )
    sweep = kale_rs.sweep(path, {"x": "uniform:0:4"}, objective="loss", trials=3, progress=False)
    assert repr(sweep).startswith(f"sweep {sweep.sweep_id} succeeded: 3 trials")
    html = sweep._repr_html_()
    assert html.count("<circle") == 3
    assert "<table" in html
    assert sweep.best.run().metrics["loss"] == sweep.best_value
