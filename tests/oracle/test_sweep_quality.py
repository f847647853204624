"""Our own algorithms against Optuna's: the best value after as many trials, on three functions, over twenty seeds."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest
from programs import example

optuna = pytest.importorskip("optuna", reason="one of the tests' requirements")
qmc = pytest.importorskip("scipy.stats.qmc", reason="it comes with scikit-optimize, one of the tests' requirements")
stats = pytest.importorskip("scipy.stats")
optuna.logging.set_verbosity(optuna.logging.ERROR)

SEEDS = range(20)
TRIALS = 64
FUNCTIONS = {
    "sphere": lambda x, y: x**2 + y**2,
    "rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
    "rastrigin": lambda x, y: 20 + x**2 + y**2 - 10 * (math.cos(2 * math.pi * x) + math.cos(2 * math.pi * y)),
}
LOW, HIGH = -5.0, 5.0
PLANE = [
    {"name": name, "domain": {"kind": "double", "low": LOW, "high": HIGH, "step": None, "scale": "linear"}}
    for name in ("x", "y")
]


@pytest.fixture(scope="module")
def program() -> Path:
    return example("next_trial")


@pytest.fixture
def ask(program):
    """Gives the next trial of a sweep."""
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def asked(document: dict) -> dict | None:
            process.stdin.write(json.dumps(document) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield asked
        process.stdin.close()


def swept(ask, function, algorithm: str, seed: int, space=PLANE, settings=None, most: int = TRIALS) -> list[dict]:
    trials: list[dict] = []
    while len(trials) < most:
        document = {"space": space, "algorithm": algorithm, "settings": settings or {}, "seed": seed}
        found = ask(document | {"trials": trials})
        if found is None:
            break
        trials.append(found | {"value": function(**found["point"])})
    return trials


def best_of_optuna(function, sampler) -> float:
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: function(trial.suggest_float("x", LOW, HIGH), trial.suggest_float("y", LOW, HIGH)), TRIALS
    )
    return study.best_value


def is_worse(ours: list[float], theirs: list[float]) -> bool:
    return stats.mannwhitneyu(ours, theirs, alternative="greater").pvalue < 0.01


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("algorithm", ["random", "sobol"])
def test_as_good_as_optunas(ask, algorithm, name):
    samplers = {
        "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
        "sobol": lambda seed: optuna.samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=seed),
    }
    function = FUNCTIONS[name]
    ours = [min(trial["value"] for trial in swept(ask, function, algorithm, seed)) for seed in SEEDS]
    theirs = [best_of_optuna(function, samplers[algorithm](seed)) for seed in SEEDS]
    assert not is_worse(ours, theirs), (ours, theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hyperband_is_as_good_as_optunas_with_the_same_budget(ask, name):
    """What is told after little of the resource is blurred; Optuna's pruner sees it step by step."""
    function, most = FUNCTIONS[name], 27

    def blurred(x: float, y: float, epochs: int) -> float:
        return function(x, y) + (most - epochs) / most * (3 + math.sin(7 * x) + math.cos(5 * y))

    budget = {"name": "epochs", "domain": {"kind": "int", "low": 1, "high": most, "step": 1, "scale": "linear"}}
    settings = {"resource_name": "epochs", "r_l": str(most), "eta": "3"}

    def of_ours(seed: int) -> tuple[float, int]:
        trials = swept(ask, blurred, "hyperband", seed, [*PLANE, budget], settings, most=1000)
        spent = sum(trial["point"]["epochs"] for trial in trials)
        return min(trial["value"] for trial in trials if trial["point"]["epochs"] == most), spent

    def of_optuna(seed: int, allowed: int) -> float:
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=most, reduction_factor=3)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed), pruner=pruner)
        spent = 0
        while spent < allowed:
            trial = study.ask()
            x, y = trial.suggest_float("x", LOW, HIGH), trial.suggest_float("y", LOW, HIGH)
            for epoch in range(1, most + 1):
                spent += 1
                trial.report(blurred(x, y, epoch), epoch)
                if trial.should_prune():
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                    break
            else:
                study.tell(trial, blurred(x, y, most))
        return study.best_value

    ours, spent = zip(*(of_ours(seed) for seed in SEEDS), strict=True)
    theirs = [of_optuna(seed, allowed) for seed, allowed in zip(SEEDS, spent, strict=True)]
    assert not is_worse(list(ours), theirs), (ours, theirs)


@pytest.mark.parametrize("count", [32, 128])
def test_sobol_fills_the_square_evenly(ask, count):
    def discrepancy(algorithm: str, seed: int) -> float:
        trials = swept(ask, FUNCTIONS["sphere"], algorithm, seed, most=count)
        unit = [[(trial["point"][name] - LOW) / (HIGH - LOW) for name in ("x", "y")] for trial in trials]
        return float(qmc.discrepancy(unit))

    of_scipy = [float(qmc.discrepancy(qmc.Sobol(2, seed=seed).random(count))) for seed in range(5)]
    ours = [discrepancy("sobol", seed) for seed in range(5)]
    assert max(ours) < 2 * max(of_scipy)
    assert max(ours) < min(discrepancy("random", seed) for seed in range(5)) / 3


def test_a_grid_is_all_of_it(ask):
    space = [
        {"name": "x", "domain": {"kind": "int", "low": 1, "high": 4, "step": 1, "scale": "linear"}},
        {"name": "y", "domain": {"kind": "categorical", "values": [0.5, 2, 7]}},
    ]
    trials = swept(ask, FUNCTIONS["sphere"], "grid", 1, space, most=100)
    assert [(trial["point"]["x"], trial["point"]["y"]) for trial in trials] == [
        (x, y) for x in (1, 2, 3, 4) for y in (0.5, 2, 7)
    ]
