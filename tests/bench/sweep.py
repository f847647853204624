"""Compares sweeps with their peers: part of `make bench`, or `python tests/bench/sweep.py`.

The same 20 trials of a model that trains for about 0.2 s, two at a time, with equal seeds and no point twice: Optuna
that calls the whole notebook through papermill, Optuna that calls a function somebody has made of the notebook by hand
(the lower bound), and a sweep of the notebook as it is. Then eight trials that do nothing but sleep for a second, four
at a time. Seconds are those of the whole process as a user sees it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import compare

sys.path.insert(0, str(compare.ROOT / "tests" / "oracle"))
import environments

TRIALS, PARALLEL, SEED = 20, 2, 7
LOAD = "from sklearn.datasets import load_digits\nX, y = load_digits(return_X_y=True)"
SPLIT = "from sklearn.model_selection import train_test_split\n" + (
    "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)"
)
TRAIN = "from sklearn.ensemble import RandomForestClassifier\n" + (
    "model = RandomForestClassifier(n_estimators=60, max_samples=share, random_state=0).fit(X_train, y_train)"
)
SCORE = "accuracy = model.score(X_test, y_test)"

NUMBERS = [str(number) for number in (SEED, TRIALS, PARALLEL)]

#: Called with a seed, a number of trials, how many at one time, and the notebook.
BY_PAPERMILL = """
import os, sys, tempfile
import optuna, papermill
optuna.logging.set_verbosity(optuna.logging.ERROR)
seed, trials, parallel = map(int, sys.argv[1:4])
def objective(trial):
    out = os.path.join(tempfile.mkdtemp(), "out.ipynb")
    parameters = {"share": trial.suggest_float("share", 0.3, 0.9)}
    done = papermill.execute_notebook(sys.argv[4], out, parameters, progress_bar=False)
    text = "".join(o.get("text", "") for c in done.cells for o in c.get("outputs", []))
    return float(text.split()[-1])
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=False))
study.optimize(objective, n_trials=trials, n_jobs=parallel)
"""

BY_HAND = f"""
import sys
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
seed, trials, parallel = map(int, sys.argv[1:4])
{LOAD}
{SPLIT}
def objective(trial):
    share = trial.suggest_float("share", 0.3, 0.9)
{textwrap.indent(TRAIN, "    ")}
{textwrap.indent(SCORE, "    ")}
    return accuracy
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=False))
study.optimize(objective, n_trials=trials, n_jobs=parallel)
"""


def cell(source: str, *tags: str) -> dict:
    about = {"metadata": {"tags": list(tags)}, "outputs": [], "execution_count": None}
    return {"cell_type": "code", "id": f"c{abs(hash(source))}", "source": source, **about}


def notebook(path: Path, *cells: dict) -> Path:
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": list(cells), "metadata": language, "nbformat": 4, "nbformat_minor": 5}))
    return path


def seconds(command: list, folder: Path) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return time.monotonic() - start


def main() -> int:
    python = environments.make(
        "bench-engine", "../examples/requirements.txt", "requirements.txt", "requirements-bench.txt"
    )
    wheel = compare.build()
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel], check=True)
    ours = python.with_name("kale-rs")
    missed = []

    def row(name: str, value: float, asked: str, good: bool) -> None:
        print(f"{name:<58}{value:>8.2f} s   {asked}{'' if good else '  MISSED'}", flush=True)
        if not good:
            missed.append(name)

    with tempfile.TemporaryDirectory(prefix="kale") as scratch:
        folder = Path(scratch)
        path = notebook(
            folder / "model.ipynb",
            cell("share = 0.5", "pipeline-parameters", "parameters"),
            cell(LOAD, "step:load"),
            cell(SPLIT, "step:split"),
            cell(TRAIN, "step:train"),
            cell(SCORE, "step:score"),
            cell("print(accuracy)", "pipeline-metrics"),
        )
        command = [ours, "sweep", path, "--param", "share=uniform:0.3:0.9", "--objective", "accuracy", "--maximize"]
        command += ["--algorithm", "tpe", "--trials", TRIALS, "--parallel", PARALLEL, "--seed", SEED, "--no-cache"]
        rounds = [
            (
                seconds([python, "-c", BY_PAPERMILL, *NUMBERS, path], folder),
                seconds([python, "-c", BY_HAND, *NUMBERS], folder),
                seconds([*map(str, command)], folder),
            )
            for _ in range(2)
        ]
        papermill, function, own = map(min, zip(*rounds, strict=True))
        row(f"{TRIALS} trials, Optuna and papermill", papermill, "", True)
        row(f"{TRIALS} trials, Optuna and a function made by hand", function, "", True)
        row(f"{TRIALS} trials, kale-rs sweep", own, "asked: 5 times less than papermill", own <= papermill / 5)
        row("the same", own, "asked: at most 1.5 times the function", own <= 1.5 * function)
        per_trial = (own - function) * PARALLEL / TRIALS
        row("more than the function, per trial", per_trial, "goal: 0.05 s", per_trial <= 0.05)
        asleep = notebook(
            folder / "asleep.ipynb",
            cell("k = 1", "pipeline-parameters"),
            cell("import time\ntime.sleep(1)\nvalue = k", "step:sleep"),
            cell("print(value)", "pipeline-metrics"),
        )
        command = [ours, "sweep", asleep, "--param", "k=int:1:8", "--algorithm", "grid", "--parallel", "4"]
        slept = seconds(command, folder)
        row("8 trials that sleep 1 s, 4 at a time", slept, "asked: 3.5 s", slept < 3.5)
    print("\nall targets met" if not missed else f"\nTARGETS MISSED: {', '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
