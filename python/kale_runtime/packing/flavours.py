"""Which library a model is of, and the model as a file in that library's own format.

A library is known by the names of a model's classes: nothing is imported that the model has not imported.
"""

import os
import pickle
import sys
import types
from dataclasses import dataclass, field

from kale_runtime.packing import code, referenced


class NotAModel(Exception):
    """What was given cannot be served, and why."""


@dataclass
class Saved:
    """What a bundle says of its model."""

    flavour: str
    file: str
    format: str
    kind: str
    method: str
    #: Classes and functions of the notebook by the names that the file has for them.
    custom_objects: dict = field(default_factory=dict)


def save(model, folder, method=None):
    """Write a model below `model/` of a bundle."""
    flavour = flavour_of(model)
    os.makedirs(os.path.join(folder, "model"), exist_ok=True)
    file, format = WRITERS[flavour](model, os.path.join(folder, "model"))
    if method is None:
        method = "predict" if flavour != "python" or hasattr(model, "predict") else ""
    elif method and not callable(getattr(model, method, None)):
        raise NotAModel(f"the model, a `{name_of(type(model))}`, has no method `{method}`")
    custom = custom_objects(model) if flavour == "keras" else {}
    return Saved(flavour, f"model/{file}", format, name_of(type(model)), method, custom)


def plain(model):
    """What is stored of a model: a module that `torch.compile` made faster is compiled again where that is wanted."""
    return getattr(model, "_orig_mod", model)


def flavour_of(model):
    """One of the words of the contract between bundles and servers."""
    if isinstance(model, type):
        raise NotAModel(f"`{model.__name__}` is a class: give an object of it, which has been fitted")
    classes = [name_of(each) for each in type(model).__mro__]
    found = (flavour for flavour, names in CLASSES.items() if names.intersection(classes))
    of_statsmodels = any(each.startswith("statsmodels.") for each in classes)
    flavour = next(found, "statsmodels" if of_statsmodels else "python")
    if flavour == "python" and not callable(getattr(model, "predict", None)) and not callable(model):
        raise NotAModel(
            f"a `{classes[0]}` is no model: give an object with a method `predict`, a function, or a model of sklearn, "
            "xgboost, lightgbm, torch, keras, onnx or statsmodels"
        )
    must_be_fitted(model, flavour)
    return flavour


#: Classes by which flavours are known, the more special before the more general: models of keras are modules of torch
#: where that computes for them.
CLASSES = {
    "onnx": {"onnx.onnx_ml_pb2.ModelProto", "onnxruntime.capi.onnxruntime_inference_collection.InferenceSession"},
    "keras": {"keras.src.models.model.Model", "keras.engine.training.Model", "keras.src.engine.training.Model"},
    "torch": {"torch.nn.modules.module.Module"},
    "xgboost": {"xgboost.core.Booster", "xgboost.sklearn.XGBModel"},
    "lightgbm": {"lightgbm.basic.Booster", "lightgbm.sklearn.LGBMModel"},
    "sklearn": {"sklearn.base.BaseEstimator"},
}


def name_of(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def must_be_fitted(model, flavour):
    name = name_of(type(model))
    fit_it = NotAModel(f"this `{name}` has not been fitted: call its `fit` first")
    if flavour == "sklearn":
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(model)
        except NotFittedError:
            raise fit_it from None
        except TypeError:
            pass  # it has no `fit`
    if flavour in ("xgboost", "lightgbm") and hasattr(model, "fit"):
        try:
            model.n_features_in_  # noqa: B018
        except Exception:
            raise fit_it from None
    if flavour == "statsmodels" and not hasattr(model, "params"):
        raise NotAModel(f"a `{name}` has not been fitted: serve what its `fit` gives")


# One function each: the file below the folder, and its format.


def save_by_joblib(model, folder):
    import joblib

    return by_reference(model, folder, "model.joblib", "joblib", lambda path: joblib.dump(model, path))


def save_by_pickle(model, folder):
    def dump(path):
        with open(path, "wb") as file:
            pickle.dump(model, file, protocol=5)

    return by_reference(model, folder, "model.pkl", "pickle", dump)


def by_reference(model, folder, name, format, dump):
    """Classes and functions by name, where all of them have one; else by value."""
    path = os.path.join(folder, name)
    try:
        dump(path)
        return name, format
    except OSError:
        raise  # the disk's fault
    except Exception as reason:
        if os.path.exists(path):
            os.unlink(path)
        try:
            code.write_value(model, os.path.join(folder, "model.dill"))
        except Exception:
            raise NotAModel(f"the model, a `{name_of(type(model))}`, cannot be stored: {reason}") from None
        return "model.dill", "dill"


def save_xgboost(model, folder):
    model.save_model(os.path.join(folder, "model.ubj"))
    return "model.ubj", "native"


def save_lightgbm(model, folder):
    if hasattr(model, "booster_"):
        return save_by_joblib(model, folder)  # its text has no names of classes
    model.save_model(os.path.join(folder, "model.bst"))
    return "model.bst", "native"


def save_torch(model, folder):
    torch = sys.modules["torch"]
    path = os.path.join(folder, "model.pt")
    if isinstance(model, torch.jit.ScriptModule):
        torch.jit.save(model, path)
        return "model.pt", "native"
    return by_reference(model, folder, "model.pt", "pickle", lambda path: torch.save(model, path))


def save_keras(model, folder):
    model.save(os.path.join(folder, "model.keras"))
    return "model.keras", "native"


def save_onnx(model, folder):
    content = model.SerializeToString() if hasattr(model, "SerializeToString") else session_bytes(model)
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(content)
    return "model.onnx", "native"


def session_bytes(session):
    """What a session of onnxruntime was made of."""
    if getattr(session, "_model_bytes", None):
        return session._model_bytes
    path = getattr(session, "_model_path", None)
    if path and os.path.isfile(path):
        with open(path, "rb") as file:
            return file.read()
    raise NotAModel("this session of onnxruntime does not tell what it was made of: serve the model itself")


WRITERS = {
    "keras": save_keras,
    "lightgbm": save_lightgbm,
    "onnx": save_onnx,
    "python": save_by_pickle,
    "sklearn": save_by_joblib,
    "statsmodels": save_by_pickle,
    "torch": save_torch,
    "xgboost": save_xgboost,
}


def parts_of(model, flavour):
    """What refers to classes in a file that is no pickle: objects to look at instead of the model."""
    if flavour == "torch":
        return parts_of_torch(model)
    if flavour == "keras":
        return parts_of_keras(model)
    if flavour == "onnx":
        return []
    return [type(model)] if flavour == "xgboost" or hasattr(model, "save_model") else [model]


def parts_of_torch(model):
    """Modules are known by their class, and have more than weights: functions, settings."""
    if isinstance(model, sys.modules["torch"].jit.ScriptModule):
        return [type(model)]
    modules = list(model.modules())
    settings = [value for each in modules for name, value in vars(each).items() if name[:1] != "_"]
    return [*dict.fromkeys(map(type, modules)), settings]


def parts_of_keras(model):
    layers = [model, *(model._flatten_layers() if hasattr(model, "_flatten_layers") else model.layers)]
    functions = [value for each in layers for value in vars(each).values() if isinstance(value, types.FunctionType)]
    return [*dict.fromkeys(map(type, layers)), functions]


def custom_objects(model):
    """What of the notebook a model of keras is made of, by the names that keras writes down."""
    *kinds, functions = parts_of_keras(model)
    registered = sys.modules["keras"].saving.get_registered_name
    return {registered(each): each.__name__ for each in (*kinds, *functions) if referenced.is_named(each)}
