"""Models of torch and keras behind an endpoint: a process that has never seen the notebook answers as they do here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from kale_rs.serving.wire import Client

from tests.packing.conftest import notebook_names, serve  # noqa: F401

ROWS = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")

#: What a notebook has: its own module, with layers that learn and layers that drop, and a function among its settings.
TORCH = """
import torch
from torch import nn

def squeezed(values):
    return torch.tanh(values) * SCALE

SCALE = 0.5

class Block(nn.Module):
    def __init__(self, inner, outer, squeeze):
        super().__init__()
        self.linear, self.norm, self.drop = nn.Linear(inner, outer), nn.BatchNorm1d(outer), nn.Dropout(0.5)
        self.squeeze = squeeze

    def forward(self, rows):
        return self.drop(self.norm(self.squeeze(self.linear(rows))))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Block(4, 8, squeezed), nn.Linear(8, 3))

    def forward(self, rows):
        return self.layers(rows)

def made():
    class Local(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.act = nn.Linear(4, 2), lambda values: values * 2

        def forward(self, rows):
            return self.act(self.inner(rows))

    return Local()

class Kind(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, rows):
        return self.linear(rows).argmax(1)

class Centred(nn.Module):
    def forward(self, rows):
        return rows - rows.mean(0)  # looks at all the rows that it is given

torch.manual_seed(0)
net = Net()
for _ in range(3):
    net(torch.randn(16, 4))  # what it normalises by is not what it began with
"""


def answered(module, rows):
    was_training = module.training
    try:
        with torch.no_grad():
            return module.eval()(torch.as_tensor(rows)).numpy()
    finally:
        module.train(was_training)


def same(found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_module_of_the_notebook(serve, notebook_names):  # noqa: F811
    net = notebook_names(TORCH)["net"]
    expected = answered(net, ROWS)
    service = serve(net, example=ROWS)
    assert service.name == "net" and service.verified and net.training and net.layers[0].drop.training
    same(service.predict(ROWS), expected)
    same(service.predict(torch.as_tensor(ROWS)), expected)
    # JSON has neither single precision nor whole numbers of other kinds.
    np.testing.assert_allclose(service.predict(ROWS[:2].tolist()), expected[:2], rtol=1e-5)
    whole = [[1, 2, 3, 4]]
    np.testing.assert_allclose(service.predict(whole), answered(net, np.array(whole, "float32")), rtol=1e-5)
    told = json.loads(Client(service.url, "net", None).get("/v2/models/net"))
    assert told["platform"] == "torch"
    assert told["inputs"] == [{"name": "input-0", "datatype": "FP32", "shape": [-1, 4]}]
    assert told["outputs"] == [{"name": "output-0", "datatype": "FP32", "shape": [-1, 3]}]
    with pytest.raises(Exception, match="the rows have 3 columns, and the model takes 4"):
        service.predict(ROWS[:, :3])
    assert f"torch=={version('torch')}" in lock(service)


def version(name):
    from importlib.metadata import version

    return version(name)


def lock(service):
    return Path(service.bundle, "requirements.txt").read_text().split()


def test_modules_by_whatever_way_they_are_stored(serve, notebook_names):  # noqa: F811
    names = notebook_names(TORCH)
    torch.manual_seed(1)
    plain = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1))
    cases = {
        "plain": (plain, "pickle"),
        "script": (torch.jit.script(plain), "native"),
        "trace": (torch.jit.trace(names["net"].eval(), torch.zeros(2, 4)), "native"),
        "local": (names["made"](), "dill"),
        "compiled": (torch.compile(plain), "pickle"),
    }
    for name, (module, form) in cases.items():
        service = serve(module, name=name, example=ROWS[:2])
        model = service.about["model"]
        assert (name, model["flavour"], model["format"], service.verified) == (name, "torch", form, True)
        same(service.predict(ROWS), answered(plain if name == "compiled" else module, ROWS))
        service.stop()


TEXTS = ["so good", "bad, bad, bad", "good and bad", "neither"]

TEXT_TORCH = """
import re
import torch

class Bag(torch.nn.Module):
    def __init__(self, words):
        super().__init__()
        self.words = torch.nn.EmbeddingBag(words + 1, 8, padding_idx=words)
        self.last = torch.nn.Linear(8, 2)

    def forward(self, ids):
        return {"logits": self.last(self.words(ids)), "sure": torch.softmax(self.last(self.words(ids)), 1)[:, 0]}

def ids(texts):
    found = [[vocabulary.index(word) for word in re.findall("[a-z]+", text) if word in vocabulary] for text in texts]
    longest = max(map(len, found)) or 1
    return torch.tensor([each + [len(vocabulary)] * (longest - len(each)) for each in found])

def told(answer):
    return [{"label": LABELS[int(row.argmax())], "sure": float(sure)}
            for row, sure in zip(answer["logits"], answer["sure"])]

LABELS = ("down", "up")
torch.manual_seed(2)
"""


def test_raw_text(serve, notebook_names):  # noqa: F811
    names = notebook_names(TEXT_TORCH)
    vocabulary = ["good", "bad", "so", "and"]
    bag = names["Bag"](len(vocabulary))
    names["vocabulary"] = vocabulary
    with torch.no_grad():
        expected = names["told"]({name: value.numpy() for name, value in bag(names["ids"](TEXTS)).items()})
    service = serve(
        bag,
        name="bag",
        preprocess=names["ids"],
        postprocess=names["told"],
        assets={"vocabulary": vocabulary},
        example=TEXTS[:2],
    )
    assert service.verified
    found = service.predict(TEXTS)
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    np.testing.assert_allclose([one["sure"] for one in found], [one["sure"] for one in expected], rtol=1e-5)


def sequential():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    model.fit(ROWS, np.arange(40) % 3, epochs=1, verbose=0)
    return model


KERAS = """
import keras

def swelled(values):
    return keras.ops.tanh(values) * GROWTH

GROWTH = 3.0

class Scaled(keras.layers.Layer):
    def __init__(self, factor, **more):
        super().__init__(**more)
        self.factor = factor

    def call(self, rows):
        return rows * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}

@keras.saving.register_keras_serializable(package="notebook")
class Shifted(keras.layers.Layer):
    def call(self, rows):
        return rows + 1.0

def own_loss(wanted, found):
    return keras.ops.mean(keras.ops.square(wanted - found))

given = keras.Input((4,))
values = Shifted()(Scaled(2.0)(keras.layers.Dense(5, activation=swelled)(given)))
custom = keras.Model(given, keras.layers.Dense(1)(values))
custom.compile(loss=own_loss)
"""


def test_models_of_keras(serve, notebook_names):  # noqa: F811
    names = notebook_names(KERAS)
    for name, model, outputs in [("plain", sequential(), 3), ("custom", names["custom"], 1)]:
        expected = model.predict(ROWS, verbose=0)
        service = serve(model, name=name)
        assert service.verified and service.about["model"]["flavour"] == "keras"
        same(service.predict(ROWS), expected)
        np.testing.assert_allclose(service.predict(ROWS[:2].tolist()), expected[:2], rtol=1e-5)
        told = json.loads(Client(service.url, name, None).get(f"/v2/models/{name}"))
        assert (told["inputs"][0]["datatype"], told["inputs"][0]["shape"]) == ("FP32", [-1, 4])
        assert told["outputs"][0]["shape"] == [-1, outputs]
        # The lock has what computes for it, and the service chooses it, whatever the machine is set to.
        assert {f"keras=={version('keras')}", f"torch=={version('torch')}"} <= set(lock(service))
        assert service.about["environment"]["variables"] == {"KERAS_BACKEND": os.environ["KERAS_BACKEND"]}
        service.stop()


def test_keras_of_raw_text_with_two_outputs(serve, notebook_names):  # noqa: F811
    names = notebook_names(
        """
import numpy as np
def counts(texts):
    return np.array([[text.count(word) for word in words] for text in texts], dtype="float32")
def told(answer):
    first, second = answer
    return [{"first": [round(float(value), 4) for value in row], "second": round(float(other[0]), 4)}
            for row, other in zip(first, second)]
"""
    )
    given = keras.Input((2,))
    inner = keras.layers.Dense(4)(given)
    model = keras.Model(given, [keras.layers.Dense(2)(inner), keras.layers.Dense(1)(inner)])
    names["words"] = ["good", "bad"]
    expected = names["told"](model.predict(names["counts"](TEXTS), verbose=0))
    service = serve(
        model,
        name="both",
        preprocess=names["counts"],
        postprocess=names["told"],
        assets={"words": ["good", "bad"]},
        example=TEXTS[:2],
    )
    assert service.verified and service.predict(TEXTS) == expected


def test_files_of_models(serve, tmp_path):  # noqa: F811
    plain = torch.nn.Sequential(torch.nn.Linear(4, 2)).eval()
    torch.save(plain, tmp_path / "whole.pt")
    torch.jit.save(torch.jit.script(plain), tmp_path / "script.pt")
    model = sequential()
    model.save(tmp_path / "net.keras")
    for file, expected in [
        ("whole.pt", answered(plain, ROWS)),
        ("script.pt", answered(plain, ROWS)),
        ("net.keras", model.predict(ROWS, verbose=0)),
    ]:
        service = serve(str(tmp_path / file), name=file.replace(".", "-"))
        same(service.predict(ROWS), expected)
        service.stop()
    torch.save(plain.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(Exception, match="weights without their module"):
        serve(str(tmp_path / "weights.pt"))


def test_what_waits_goes_together_where_that_changes_nothing(serve, notebook_names):  # noqa: F811
    names = notebook_names(TORCH)
    service = serve(names["Kind"](), name="kind", example=ROWS)
    assert service.status()["batch_rows"] == 32
    centred = serve(names["Centred"](), name="centred", example=ROWS)
    assert centred.status()["batch_rows"] == 1
    assert "more than the last digits" in centred.about["batchable_because"]
