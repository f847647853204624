"""Is what the knowledge base says of estimators and plots true? Every estimator is fitted, every plot drawn twice."""

from __future__ import annotations

import inspect
import io
import pickle
import warnings
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import all_estimators

from . import knowledge
from .knowledge import MODULES, inherited, methods_of, words

ROWS = np.random.RandomState(0)
X = np.ascontiguousarray(ROWS.rand(60, 6))
LABELS = (X[:, 0] + 0.3 * ROWS.rand(60) > 0.6).astype(int)
TARGETS = X @ ROWS.rand(6)
TEXTS = ["a text of words", "more words here"] * 30
SPECIAL_DATA = {
    "CategoricalNB": (X * 3).astype(int),
    "CountVectorizer": TEXTS,
    "DictVectorizer": [{"a": 1, "b": 2}] * 20,
    "FeatureHasher": [{"a": 1, "b": 2}] * 20,
    "HashingVectorizer": TEXTS,
    "IsotonicRegression": X[:, 0].copy(),
    "LabelBinarizer": LABELS,
    "LabelEncoder": LABELS,
    "MultiLabelBinarizer": [(1, 2), (3,)],
    "TfidfVectorizer": TEXTS,
}
ONE_ARGUMENT = {"LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"}


def public_name(cls: type) -> str | None:
    """The line of sklearn.toml for a class."""
    names = [name for name in MODULES["sklearn"] if name.endswith(f".{cls.__name__}")]
    return next((name for name in names if knowledge.resolve(f"sklearn.{name}") is cls), None)


def data_for(name: str, estimator) -> tuple:
    y = TARGETS if is_regressor(estimator) else LABELS
    if "MultiTask" in name or name in ("CCA", "PLSCanonical", "PLSSVD"):
        y = np.c_[TARGETS, TARGETS[::-1]]
    data = pickle.loads(pickle.dumps(SPECIAL_DATA.get(name, X)))
    takes_y = "y" in inspect.signature(estimator.fit).parameters and name not in ONE_ARGUMENT
    return (data, y.copy()) if takes_y else (data,)


def arrays(value, seen: set[int]) -> Iterator[np.ndarray]:
    """All arrays that a fitted estimator holds, also those in compiled trees."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type(None)):
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        yield value
        return
    parts = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else []
    if not parts and not callable(value):
        parts = [getattr(value, "__dict__", None)]
        if not isinstance(value, BaseEstimator) and type(value).__module__.startswith("sklearn"):
            parts.append(value.__getstate__() if hasattr(value, "__getstate__") else None)
    for part in parts:
        yield from arrays(part, seen)


def shares_memory(value, other) -> bool:
    found = arrays(vars(value) if hasattr(value, "__dict__") else value, set())
    return isinstance(other, np.ndarray) and any(np.shares_memory(a, other) for a in found)


def faults_of_fit(facts: dict, estimator, data: tuple) -> list[str]:
    before, state = pickle.dumps(data), pickle.dumps(np.random.get_state())
    result = estimator.fit(*data)
    faults = [] if result is estimator else ["fit returns something else"]
    if pickle.dumps(data) != before:
        faults.append("fit changes the data")
    if pickle.dumps(np.random.get_state()) != state and "numpy" not in words(facts.get("rng")):
        faults.append("fit draws")
    if any(shares_memory(estimator, d) for d in data) and not facts.get("stores"):
        faults.append("fit keeps the data")
    return faults


def faults_of_method(facts: dict, estimator, name: str, data: tuple) -> list[str]:
    method = getattr(estimator, name)
    arguments = data if "y" in inspect.signature(method).parameters else data[:1]
    before, state, picture = pickle.dumps(data), pickle.dumps(np.random.get_state()), pickle.dumps(estimator)
    result = method(*arguments)
    faults = []
    if pickle.dumps(np.random.get_state()) != state and "numpy" not in words(facts.get("rng")):
        faults.append(f"{name} draws")
    if pickle.dumps(data) != before:
        faults.append(f"{name} changes the data")
    if pickle.dumps(estimator) != picture and "self" not in words(facts.get("mutates")):
        faults.append(f"{name} changes the estimator")
    if isinstance(result, np.ndarray):
        shared = [kind for kind in words(facts.get("result")) if kind != "fresh"]
        if any(np.shares_memory(result, a) for a in arrays(vars(estimator), set())) and not shared:
            faults.append(f"the result of {name} is part of the estimator")
        if any(isinstance(d, np.ndarray) and np.shares_memory(result, d) for d in data) and not shared:
            faults.append(f"the result of {name} is part of the data")
    return faults


METHODS = ("fit_predict", "fit_transform", "predict", "predict_proba", "decision_function", "transform", "score")


def faults_of_estimator(cls: type, type_name: str, settings: dict) -> list[str]:
    facts = methods_of(type_name)
    estimator = cls(**settings)
    data = data_for(cls.__name__, estimator)
    faults = faults_of_fit(facts["fit"], estimator, data)
    for method in METHODS:
        if hasattr(estimator, method):
            faults += faults_of_method(facts[method], estimator, method, data)
    return [f"{cls.__name__}({settings}): {fault}" for fault in faults]


def claimed_types(facts: dict, cls: type) -> list[tuple[str, dict]]:
    """The type of an estimator made without arguments, and of a seeded one."""
    unseeded = facts.get("returns_unseeded", facts["returns"])
    claims = [(unseeded, {})]
    if "random_state" in inspect.signature(cls).parameters:
        claims.append((facts["returns"], {"random_state": 0}))
    return claims


def test_estimators_draw_and_keep_what_their_lines_say():
    faults, fitted = [], 0
    for _, cls in all_estimators():
        name = public_name(cls)
        if name is None:
            continue
        for type_name, settings in claimed_types(MODULES["sklearn"][name], cls):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = faults_of_estimator(cls, type_name, settings)
                except (TypeError, ValueError):
                    continue  # needs other arguments or other data
            faults += found
            fitted += 1
    assert not faults
    assert fitted > 150


# ---- plots --------------------------------------------------------------------------------------------------------

LINE = ("x", "y")
PLOTS = {
    **dict.fromkeys(
        "bar barh errorbar fill fill_between fill_betweenx hexbin hist2d loglog plot semilogx semilogy step".split(),
        LINE,
    ),
    **dict.fromkeys("stackplot stem".split(), LINE),
    **dict.fromkeys("boxplot ecdf eventplot hist pie stairs violinplot".split(), ("x",)),
    **dict.fromkeys("contour contourf imshow matshow pcolor pcolormesh spy".split(), ("grid",)),
    **dict.fromkeys("barbs quiver".split(), ("x", "y", "x", "y")),
    "scatter": ("x", "y", "x", "y"),
    "set_xticks": ("x",),
    "set_yticks": ("x",),
}


def samples(names: tuple[str, ...]) -> list[np.ndarray]:
    made = {"x": np.arange(1, 11.0), "y": np.arange(1, 11.0) ** 1.5, "grid": np.arange(100.0).reshape(10, 10)}
    return [made[name].copy() for name in names]


def picture(method: str, names: tuple[str, ...], change: bool) -> bytes:
    figure, axes = plt.subplots(figsize=(2, 2), dpi=50)
    arguments = samples(names)
    getattr(axes, method)(*arguments)
    if change:
        for argument in arguments:
            argument[...] = argument[::-1] * 0.4 + 1
    figure.canvas.draw()
    image = bytes(figure.canvas.buffer_rgba())
    plt.close(figure)
    return image


@pytest.mark.parametrize("method", sorted(PLOTS))
def test_plots_copy_their_data_unless_their_line_says_otherwise(method):
    facts = methods_of("matplotlib.axes.Axes")[method]
    arguments = samples(PLOTS[method])
    state = pickle.dumps(np.random.get_state())
    axes = plt.subplots()[1]
    getattr(axes, method)(*arguments)
    plt.close("all")
    assert pickle.dumps(np.random.get_state()) == state
    assert all((a == b).all() for a, b in zip(arguments, samples(PLOTS[method]), strict=True))
    keeps = picture(method, PLOTS[method], change=True) != picture(method, PLOTS[method], change=False)
    assert not keeps or facts.get("stores")


@pytest.mark.parametrize("method", sorted(PLOTS))
def test_figures_look_the_same_in_another_process(method):
    figure, axes = plt.subplots(figsize=(2, 2), dpi=50)
    group = figure, axes, getattr(axes, method)(*samples(PLOTS[method]))
    plt.close(figure)
    images = []
    for each, its_axes, _ in (group, pickle.loads(pickle.dumps(group))):
        its_axes.set_title("later")
        its_axes.plot([1, 2], [2, 1])
        image = io.BytesIO()
        each.savefig(image, format="png")
        images.append(image.getvalue())
    assert images[0] == images[1]
    assert not plt.get_fignums()


def test_random_estimators_are_not_called_deterministic():
    for name in ("sklearn.RandomEstimator", "sklearn.base.BaseEstimator"):
        assert "numpy" in words(methods_of(name)["fit"].get("rng"))
        assert not inherited(name, "deterministic", False)
