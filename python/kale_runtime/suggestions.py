"""Chooses trials with the algorithms that Python's libraries have: Optuna's and scikit-optimize's.

`python .../kale_runtime --suggestions` reads a JSON document per line and answers each with one:

    {"algorithm": "tpe", "settings": {}, "seed": 7, "directions": ["minimize"], "space": [{"name": "lr", "domain": D}]}
    -> {"versions": {"optuna": "5.0.0"}}
    {"ended": [{"number": 0, "values": [0.3]}, {"number": 1, "values": []}], "was": null}
    -> {"point": {"lr": 0.01}}

The second kind asks for the next trial, and tells which trials have ended since the last time, in that order; without
values they failed. Who goes on with a sweep asks once more for each trial of its log, with the point that it had then
as `was`: so the library's random numbers stand where they stood, and what comes next is what would have come next.
`{"error": ..., "help": ...}` is the last word.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import math
import sys
from collections.abc import Iterable
from typing import Any

INSTALL = "install it: `pip install 'kale-rs[sweep]'`"
#: By algorithm: modules that it needs, and the distributions that bring them.
NEEDS = {
    "tpe": {"optuna": "optuna"},
    "multivariate-tpe": {"optuna": "optuna"},
    "cmaes": {"optuna": "optuna", "cmaes": "cmaes"},
    "bayesianoptimization": {"skopt": "scikit-optimize"},
}


class Unable(Exception):
    """What the user has to know, and to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


class OptunaStudy:
    """Trials in a study in memory. Nothing of it is kept: the log of trials is the truth."""

    def __init__(self, sweep: dict[str, Any]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        self.space = {one["name"]: one["domain"] for one in sweep["space"]}
        sampler = self._sampler(sweep["algorithm"], sweep["settings"], sweep["seed"])
        self.study = optuna.create_study(sampler=sampler, directions=sweep["directions"])
        self.trials: list[Any] = []

    def _sampler(self, algorithm: str, settings: dict[str, str], seed: int) -> Any:
        samplers = self.optuna.samplers
        seed = int(settings.get("random_state", seed)) % 2**32
        if algorithm == "cmaes":
            if settings.get("restart_strategy", "none") != "none":
                words = "Optuna's cmaes does not begin anew: it has no `restart_strategy` any more"
                raise Unable(words, "leave it out; on a cluster, `compile --target katib`, it counts")
            sigma = settings.get("sigma")
            return samplers.CmaEsSampler(seed=seed, sigma0=None if sigma is None else float(sigma))
        # Which of the two is the default has changed between versions.
        options: dict[str, Any] = {"multivariate": algorithm == "multivariate-tpe"}
        if "n_startup_trials" in settings:
            options["n_startup_trials"] = int(settings["n_startup_trials"])
        candidates = settings.get("n_ei_candidates", settings.get("n_EI_candidates"))
        if candidates is not None:
            options["n_ei_candidates"] = int(candidates)
        if "prior_weight" in settings:
            options["prior_weight"] = float(settings["prior_weight"])
        if "gamma" in settings:
            share = float(settings["gamma"])
            # As the engine has it whose setting this is: a share of the root, and no more than 25 good ones.
            options["gamma"] = lambda count: min(math.ceil(share * math.sqrt(count)), 25)
        # A trial that still runs counts as a bad one: those beside each other do not try the same.
        return samplers.TPESampler(seed=seed, constant_liar=True, **options)

    def next(self, ended: list[dict[str, Any]], was: dict[str, Any] | None) -> dict[str, Any]:
        for end in ended:
            self._tell(end["number"], end["values"])
        trial = self.study.ask()
        point = {name: self._suggest(trial, name, domain) for name, domain in self.space.items()}
        if was is not None and point != was:
            # Another version of the library chooses otherwise, or the ranges have changed: what was tried counts.
            self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
            self.trials.append(was)
            return was
        self.trials.append(trial)
        return point

    def _tell(self, number: int, values: list[float]) -> None:
        trial = self.trials[number]
        if not isinstance(trial, dict):
            failed = self.optuna.trial.TrialState.FAIL
            self.study.tell(trial, values or None, state=None if values else failed)
        elif values and _fits(self.space, trial):
            distributions = {name: distribution(domain) for name, domain in self.space.items()}
            params = {name: inner(self.space[name], value) for name, value in trial.items()}
            made = self.optuna.trial.create_trial(params=params, distributions=distributions, values=values)
            self.study.add_trial(made)

    def _suggest(self, trial: Any, name: str, domain: dict[str, Any]) -> Any:
        return _outer(domain, trial._suggest(name, distribution(domain)))


class SkoptOptimizer:
    """Gaussian processes, or forests, of scikit-optimize, which is also what Katib's service calls.

    The optimizer is made anew each time from all values so far: the same trials give the same next one.
    """

    def __init__(self, sweep: dict[str, Any]) -> None:
        self.sweep = sweep
        self.space = {one["name"]: one["domain"] for one in sweep["space"]}
        self.sign = 1.0 if sweep["directions"][0] == "minimize" else -1.0
        self.points: list[dict[str, Any]] = []
        self.values: dict[int, float] = {}
        self.running: set[int] = set()

    def next(self, ended: list[dict[str, Any]], was: dict[str, Any] | None) -> dict[str, Any]:
        for end in ended:
            self.running.discard(end["number"])
            if end["values"]:
                self.values[end["number"]] = end["values"][0]
        point = self._ask() if was is None else was
        self.running.add(len(self.points))
        self.points.append(point)
        return point

    def _ask(self) -> dict[str, Any]:
        optimizer = self._optimizer()
        # What still runs is taken to come out as well as the best so far, so that it is not tried again.
        lie = min((self.sign * value for value in self.values.values()), default=0.0)
        known = {number: self.sign * value for number, value in self.values.items()} | dict.fromkeys(self.running, lie)
        told = [number for number in sorted(known) if _fits(self.space, self.points[number])]
        if told:
            points = [[inner(domain, self.points[n][name]) for name, domain in self.space.items()] for n in told]
            optimizer.tell(points, [known[number] for number in told])
        asked = zip(self.space.items(), optimizer.ask(), strict=True)
        return {name: _outer(domain, value) for (name, domain), value in asked}

    def _optimizer(self) -> Any:
        from skopt import Optimizer

        settings = self.sweep["settings"]
        seed = (int(settings.get("random_state", self.sweep["seed"])) + len(self.points)) % 2**32
        initial = int(settings.get("n_initial_points", 10))
        return Optimizer(
            [self._dimension(domain) for domain in self.space.values()],
            base_estimator=settings.get("base_estimator", "GP"),
            n_initial_points=initial,
            acq_func=settings.get("acq_func", "gp_hedge"),
            acq_optimizer=settings.get("acq_optimizer", "auto"),
            random_state=seed,
        )

    def _dimension(self, domain: dict[str, Any]) -> Any:
        from skopt.space import Categorical, Integer, Real

        prior = "log-uniform" if domain.get("scale") == "logarithmic" else "uniform"
        if domain["kind"] == "int" and domain["step"] == 1:
            return Integer(domain["low"], domain["high"], prior=prior)
        if domain["kind"] == "double" and domain["step"] is None:
            return Real(domain["low"], domain["high"], prior=prior)
        return Categorical(range(len(domain["values"])) if "values" in domain else _steps(domain))


def distribution(domain: dict[str, Any], *, by_place: bool = True) -> Any:
    """Optuna's; of what has no order, the places in its list, or the values themselves."""
    from optuna import distributions

    is_log = domain.get("scale") == "logarithmic"
    low, high, step = (domain.get(name) for name in ("low", "high", "step"))
    if domain["kind"] == "int":
        return distributions.IntDistribution(low, high - (high - low) % step, is_log, step)
    if domain["kind"] == "double":
        end = high if step is None else min(high, low + math.floor((high - low) / step + 1e-9) * step)
        return distributions.FloatDistribution(low, end, is_log, step)
    values = domain["values"]
    return distributions.CategoricalDistribution(range(len(values)) if by_place else [_flat(each) for each in values])


def inner(domain: dict[str, Any], value: Any, *, by_place: bool = True) -> Any:
    """A value as the libraries hold it."""
    if "values" not in domain:
        return _on_step(domain, value)
    return _places(domain).index(json.dumps(value)) if by_place else _flat(value)


def _on_step(domain: dict[str, Any], value: Any) -> Any:
    """The number that the range itself has at this place: ranges with other ends come to it on another way."""
    if domain["kind"] != "double" or domain["step"] is None:
        return value
    return domain["low"] + round((value - domain["low"]) / domain["step"]) * domain["step"]


def _outer(domain: dict[str, Any], value: Any) -> Any:
    value = _plain(value)
    return domain["values"][value] if "values" in domain else value


def _places(domain: dict[str, Any]) -> list[str]:
    # As texts: True is not 1 here.
    return [json.dumps(each) for each in domain["values"]]


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def _fits(space: dict[str, dict[str, Any]], point: dict[str, Any]) -> bool:
    """Whether a point is one of these still: ranges may have changed since."""

    def fits(domain: dict[str, Any], value: Any) -> bool:
        if "values" in domain:
            return json.dumps(value) in _places(domain)
        steps = (value - domain["low"]) / (domain["step"] or 1)
        is_between = domain["step"] is not None and abs(steps - round(steps)) > 1e-8
        return bool(domain["low"] <= value <= domain["high"]) and not is_between

    return all(fits(domain, point[name]) for name, domain in space.items())


def _steps(domain: dict[str, Any]) -> list[Any]:
    """All values of a range with a step, which scikit-optimize does not know."""
    low, step = domain["low"], domain["step"]
    count = math.floor((domain["high"] - low) / step + 1e-9) + 1
    return [low + index * step for index in range(count)]


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's."""
    return value.item() if hasattr(value, "item") else value


def _check(algorithm: str) -> dict[str, str]:
    """The versions of what the algorithm needs."""
    found = {}
    for module, distribution in NEEDS[algorithm].items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            words = f"{algorithm} is {distribution}'s, which {sys.executable} cannot import: {error}"
            raise Unable(words, INSTALL) from None
        found[distribution] = importlib.metadata.version(distribution)
    return found


def _answers(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    documents = (json.loads(line) for line in lines)
    sweep = next(documents)
    versions = _check(sweep["algorithm"])
    chooser = SkoptOptimizer(sweep) if sweep["algorithm"] == "bayesianoptimization" else OptunaStudy(sweep)
    yield {"versions": versions}
    for asked in documents:
        yield {"point": chooser.next(asked["ended"], asked["was"])}


def main() -> int:
    # Libraries may print what they like: the answers have a stream of their own.
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            for answer in _answers(sys.stdin):
                print(json.dumps(answer), file=out, flush=True)
        except Unable as unable:
            print(json.dumps({"error": str(unable), "help": unable.help}), file=out, flush=True)
            return 1
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            help = "change the ranges or the settings, or take another algorithm"
            print(json.dumps({"error": words, "help": help}), file=out, flush=True)
            return 1
    return 0
