"""What is in a bundle, loaded: `Bundle.load` makes of the folder what answers requests.

The names that functions and classes of the notebook refer to live in `__main__`, as they did there: pickles find their
classes, and functions see each other and the assets.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kale_runtime.serving import models

#: The newest format that is understood here.
FORMAT_VERSION = 1


class Unloadable(Exception):
    """The bundle is not one that can be served from here."""


@dataclass
class Bundle:
    about: dict[str, Any]
    predict: models.Predict
    preprocess: Callable[[Any], Any] | None
    postprocess: Callable[[Any], Any] | None

    #: Only the model is served: another process does what comes before and after it.
    model_only: bool = False

    @property
    def signature(self) -> dict[str, Any]:
        # It is about the whole chain, which begins and ends elsewhere.
        functions = self.about.get("functions") or {}
        is_part = self.model_only and (functions.get("preprocess") or functions.get("postprocess"))
        return {} if is_part else self.about.get("signature") or {}

    @staticmethod
    def load(folder: Path, predictor: str | None = None, model_only: bool = False) -> Bundle:
        about = described(folder)
        environment = about.get("environment") or {}
        for name, value in (environment.get("variables") or {}).items():
            os.environ.setdefault(name, value)
        if environment.get("modules"):
            sys.path.insert(0, str(folder / environment["modules"]))
        names = main_module()
        functions = about.get("functions") or {}
        if functions.get("file"):
            bind(names, folder / functions["file"], functions.get("format", "source"))
        for name, asset in (about.get("assets") or {}).items():
            names[name] = asset_of(folder / asset["file"], asset.get("format", "pickle"))
        if predictor is not None:
            from kale_runtime.serving.remote import Predictor

            predict: models.Predict = Predictor(predictor, about["name"]).predict
        else:
            predict = models.load(folder, about["model"])
        if model_only:
            return Bundle(about, predict, None, None, model_only=True)
        return Bundle(about, predict, *(function(names, functions, kind) for kind in ("preprocess", "postprocess")))


def described(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    if about.get("format_version", 0) > FORMAT_VERSION:
        raise Unloadable(f"the bundle has format {about['format_version']}, and this kale_rs knows {FORMAT_VERSION}")
    return about


def main_module() -> dict[str, Any]:
    """A fresh `__main__`: the one of this process is ours."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return module.__dict__


def bind(names: dict[str, Any], path: Path, form: str) -> None:
    if form == "source":
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    else:
        module = importlib.import_module("dill") if form == "dill" else pickle
        with path.open("rb") as file:
            names.update(module.load(file))


def asset_of(path: Path, form: str) -> Any:
    if form == "path":
        return str(path.resolve())
    if form == "text":
        return path.read_text(encoding="utf-8")
    if form == "bytes":
        return path.read_bytes()
    if form == "json":
        return json.loads(path.read_text(encoding="utf-8"))
    return models.unpickled(path, form)


def function(names: dict[str, Any], functions: dict[str, Any], kind: str) -> Callable[[Any], Any] | None:
    name = functions.get(kind)
    if name is None:
        return None
    if not callable(names.get(name)):
        raise Unloadable(f"`{name}`, which is to {kind}, is not in {functions['file']}")
    found: Callable[[Any], Any] = names[name]
    return found
