"""Packs a model that is in a store or in a file, in a process of its own under the interpreter that made it.

The request comes on standard input, the answer goes to a file, since what is loaded may print:

    {"folder": the bundle's, "answer": path, "directory": the notebook's, "name": "churn", "method": null,
     "actions": what `restore` does, "variable": "model", "preprocess": name or null, "postprocess": name or null,
     "assets": [name], "example": name or null, "origin": {...}}
    {..., "file": "model.joblib"} in place of the actions and names

    {"about": bundle.json, "modules": [...], "answer": ..., "remarks": [...]} or {"error": {"message", "help"}}
"""

import json
import os
import sys
import types

from kale_runtime.packing import bundle
from kale_runtime.packing.bundle import CannotPack
from kale_runtime.restoring import Restorer

#: Names that are told where the one that is asked for is not there.
MOST = 12


def main():
    request = json.load(sys.stdin)
    os.dup2(2, 1)
    sys.path.insert(0, request["directory"])
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        wanted = of_file(request) if request.get("file") else of_namespace(request)
        answer = bundle.pack(wanted, request["folder"])
    except CannotPack as error:
        answer = {"error": {"message": str(error), "help": error.help}}
    except Exception as error:
        answer = {"error": {"message": f"{type(error).__name__}: {error}", "help": ""}}
    with open(request["answer"], "w", encoding="utf-8") as file:
        json.dump(answer, file)
    # What user code has registered for the end of the process is of no interest.
    os._exit(0)


def of_namespace(request):
    restorer = Restorer(None)
    restorer.carry_out(request["actions"])
    names = restorer.names

    def named(name, what):
        if name in names:
            return names[name]
        reason = restorer.failed.get(name)
        why = f"`{name}` {reason}" if reason else f"no {what} `{name}` is bound after this step"
        raise CannotPack(why, among(name, [each for each in names if is_a(what, each, names[each])]))

    def function(kind):
        return named(request[kind], "function") if request.get(kind) else None

    return bundle.Wanted(
        model=named(request["variable"], "variable"),
        name=request["name"],
        preprocess=function("preprocess"),
        postprocess=function("postprocess"),
        assets={name: named(name, "variable") for name in request.get("assets") or ()},
        example=named(request["example"], "variable") if request.get("example") else None,
        method=request.get("method"),
        names=names,
        origin=request.get("origin"),
    )


def is_a(what, name, value):
    if name[:1] == "_" or isinstance(value, (types.ModuleType, type)):
        return False
    return callable(value) if what == "function" else not isinstance(value, types.FunctionType)


def among(name, names):
    """Which there are; where they are many, those that are most like it come first."""
    import difflib

    def told(some):
        return ", ".join(f"`{each}`" for each in some)

    if not names:
        return "nothing is bound there"
    near = difflib.get_close_matches(name, names, n=3)
    meant = f"did you mean {told(near)}? " if near else ""
    rest = sorted(each for each in names if each not in near)
    more = f" and {len(rest) - MOST} more" if len(rest) > MOST else ""
    others = f"there are {'also ' if near else ''}{told(rest[:MOST])}{more}" if rest else ""
    return f"{meant}{others}".strip()


def of_file(request):
    path = request["file"]
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        known = ", ".join(f"`{each}`" for each in READERS)
        raise CannotPack(f"`{path}` is no file of a model that is known", f"the suffix says which: {known}")
    try:
        model = READERS[suffix](path)
    except ImportError as error:
        raise CannotPack(
            f"`{path}` cannot be read: {error}", "install it where `kale-rs` runs, or give `--python`"
        ) from None
    except Exception as error:
        raise CannotPack(f"`{path}` cannot be read: {type(error).__name__}: {error}") from None
    return bundle.Wanted(model=model, name=request["name"], method=request.get("method"), origin=request.get("origin"))


# A function each: what is in a file.


def read_pickle(path):
    import pickle

    with open(path, "rb") as file:
        return pickle.load(file)


def read_joblib(path):
    import joblib

    return joblib.load(path)


def read_dill(path):
    import dill

    with open(path, "rb") as file:
        return dill.load(file)


def read_onnx(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def read_keras(path):
    import keras

    return keras.models.load_model(path)


def read_torch(path):
    import torch

    try:
        return torch.jit.load(path, map_location="cpu")
    except RuntimeError:
        found = torch.load(path, map_location="cpu", weights_only=False)
    if isinstance(found, dict):
        raise ValueError("it holds weights without their module: load them into it and serve that")
    return found


def read_xgboost(path):
    """Files of the scikit-learn API say what they are for."""
    import xgboost

    booster = xgboost.Booster(model_file=path)
    told = json.loads(booster.attributes().get("scikit_learn") or "{}")
    kinds = {"classifier": xgboost.XGBClassifier, "regressor": xgboost.XGBRegressor} if told else {}
    kind = kinds.get(told.get("_estimator_type"))
    if kind is None:
        return booster
    model = kind()
    model.load_model(path)
    return model


def read_lightgbm(path):
    import lightgbm

    return lightgbm.Booster(model_file=path)


READERS = {
    ".joblib": read_joblib,
    ".pkl": read_pickle,
    ".pickle": read_pickle,
    ".dill": read_dill,
    ".onnx": read_onnx,
    ".keras": read_keras,
    ".pt": read_torch,
    ".pth": read_torch,
    ".ubj": read_xgboost,
    ".json": read_xgboost,
    ".txt": read_lightgbm,
}
