"""Models by their flavour: how each is loaded, and called with what a request has come to."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: From what the model takes to what it says.
Predict = Callable[[Any], Any]


def load(folder: Path, about: dict[str, Any]) -> Predict:
    path, form = folder / about["file"], about.get("format", "pickle")
    if form == "native":
        return NATIVE[about["flavour"]](path, about)
    if about["flavour"] == "torch" and form == "pickle":
        return live(_torch().load(path, map_location="cpu", weights_only=False).eval(), about)
    found = unpickled(path, form)
    return live(found.eval() if about["flavour"] == "torch" else found, about)


def live(model: Any, about: dict[str, Any]) -> Predict:
    """Of a model that is there, such as the one of the notebook."""
    flavour, method = about["flavour"], about.get("method", "predict")
    if flavour == "torch":
        return _of_torch(model, method)
    if flavour == "keras":
        return _of_keras(model, method)
    if flavour == "xgboost" and type(model).__name__ == "Booster":
        matrix = importlib.import_module("xgboost").DMatrix
        return lambda rows: model.predict(matrix(rows))
    if flavour == "onnx":
        return _of_onnx(model)
    found: Predict = getattr(model, method) if method else model
    return found


def unpickled(path: Path, form: str) -> Any:
    if form == "joblib":
        return importlib.import_module("joblib").load(path)
    module = importlib.import_module("dill") if form == "dill" else pickle
    with path.open("rb") as file:
        return module.load(file)


def _xgboost(path: Path, about: dict[str, Any]) -> Predict:
    module, _, name = about["class"].rpartition(".")
    model = getattr(importlib.import_module(module), name)()
    model.load_model(path)
    return live(model, about)


def _lightgbm(path: Path, about: dict[str, Any]) -> Predict:
    return live(importlib.import_module("lightgbm").Booster(model_file=str(path)), about)


def _onnx(path: Path, about: dict[str, Any]) -> Predict:
    runtime = importlib.import_module("onnxruntime")
    return live(runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]), about)


def _of_onnx(session: Any) -> Predict:
    inputs = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    # What the model takes is as narrow as it was made; requests in JSON have 64 bits.
    types = {
        "tensor(float)": "float32",
        "tensor(double)": "float64",
        "tensor(int64)": "int64",
        "tensor(int32)": "int32",
    }

    def cast(value: Any, one: Any) -> Any:
        import numpy

        return numpy.asarray(value, dtype=types.get(one.type))

    def predict(data: Any) -> Any:
        given = data if isinstance(data, dict) else {inputs[0].name: data}
        by_place = dict(zip((one.name for one in inputs), given.values(), strict=False))
        found = {one.name: cast(given.get(one.name, by_place.get(one.name)), one) for one in inputs}
        # A classifier's second output is a dict per row, which is no tensor.
        results = {name: value for name, value in zip(names, session.run(None, found), strict=True)}
        tensors = {name: value for name, value in results.items() if hasattr(value, "dtype")}
        return next(iter(tensors.values())) if len(tensors) == 1 else tensors

    return predict


def _torch() -> Any:
    return importlib.import_module("torch")


def _torchscript(path: Path, about: dict[str, Any]) -> Predict:
    return live(_torch().jit.load(str(path), map_location="cpu").eval(), about)


def _of_torch(module: Any, method: str) -> Predict:
    torch = _torch()
    #: What the weights are made of: what is sent as 64 bits becomes that.
    weights = next((one.dtype for one in module.parameters() if one.is_floating_point()), None)

    def tensor(value: Any) -> Any:
        made = value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
        return made.to(weights) if weights is not None and made.is_floating_point() else made

    call = module if method in ("", "predict", "forward") else getattr(module, method)

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.detach().cpu().numpy()
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value

    def predict(data: Any) -> Any:
        with torch.no_grad():
            given = {name: tensor(one) for name, one in data.items()} if isinstance(data, dict) else tensor(data)
            return plain(call(**given) if isinstance(data, dict) else call(given))

    return predict


def _of_keras(model: Any, method: str) -> Predict:
    def predict(data: Any) -> Any:
        found = model.predict(data, verbose=0) if method == "predict" else getattr(model, method)(data)
        # One for each output.
        return tuple(found) if isinstance(found, list) else found

    return predict


def _keras(path: Path, about: dict[str, Any]) -> Predict:
    # Classes of the notebook have come along; what it was trained by is not needed to predict.
    names = vars(sys.modules["__main__"])
    custom = {known_as: names[name] for known_as, name in (about.get("custom_objects") or {}).items()}
    keras = importlib.import_module("keras")
    return live(keras.models.load_model(path, custom_objects=custom, compile=False, safe_mode=False), about)


NATIVE: dict[str, Callable[[Path, dict[str, Any]], Predict]] = {
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "onnx": _onnx,
    "torch": _torchscript,
    "keras": _keras,
}
