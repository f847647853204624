"""What a model answers here and now: what the service in its fresh process is held against."""

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from kale_runtime.serving import batch, models, outputs
from kale_runtime.serving.bundle import Bundle


@dataclass
class Asked:
    #: What the model was given.
    data: object = None
    #: What `predict` (and `postprocess`) gave, and the same as JSON; or why there is none.
    result: object = None
    told: object = None
    error: str = None


def ask(chain, assets, rows):
    """Do with the notebook's own objects what a service will do with its copies."""
    try:
        with assets_bound(assets):
            data = batch.prepared(chain, rows, {"protocol": "v1", "inputs": []})
            result = chain.predict(data)
            if chain.postprocess is not None:
                result = chain.postprocess(result)
        return Asked(data, result, json.loads(outputs.written(outputs.rows(result))))
    except Exception as error:
        return Asked(error=f"{type(error).__name__}: {error}")


def chain(wanted, saved, folder, signature):
    """What a worker has of a bundle, of the notebook's own objects."""
    return Bundle({"signature": signature}, predict(wanted.model, saved, folder), wanted.preprocess, wanted.postprocess)


@contextlib.contextmanager
def assets_bound(assets):
    """The notebook's functions find assets as they will in the service, and the notebook finds its own names again."""
    names = sys.modules["__main__"].__dict__
    before = {name: names[name] for name in assets if name in names}
    names.update(
        {name: os.fspath(asset) if isinstance(asset, os.PathLike) else asset for name, asset in assets.items()}
    )
    try:
        yield
    finally:
        for name in assets:
            del names[name]
        names.update(before)


def predict(model, saved, folder):
    """As the worker calls it; afterwards the model is as it was."""
    about = {"flavour": saved.flavour, "format": "native", "file": saved.file, "method": saved.method}
    if saved.flavour == "onnx":
        return models.load(Path(folder), about)  # what was saved is all that there is
    answer = models.live(model, about)
    if saved.flavour != "torch":
        return answer

    def restoring(data):
        training = [each for each in model.modules() if each.training]
        model.eval()
        try:
            return answer(data)
        finally:
            for each in training:
                each.training = True

    return restoring
