"""Packs a model with all that it takes to answer a request into a folder, its bundle.

The folder is complete but for two things that need to know what is installed: the versions of packages, which
`rust/kale_verbs/src/serve` writes down, and whether it answers, which a fresh process shows (`kale_runtime --serve
BUNDLE --once`). `packed` gives what that process is held against.
"""

import dataclasses
import errno
import json
import os
import pickle
import re
import shutil
import sys
from dataclasses import dataclass, field

from kale_runtime.packing import code, flavours, live, referenced, signature, together
from kale_runtime.serving.bundle import FORMAT_VERSION

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
#: What a service takes with it without anybody having asked for it is told from here on.
LARGE = 64 << 20


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class CannotPack(Exception):
    """What was given cannot be served, and why; `help` is what to do."""

    def __init__(self, message, help=""):
        super().__init__(message)
        self.help = help


@dataclass
class Wanted:
    """What is to be packed. `names` are those of the notebook, where training data may be found."""

    model: object
    name: str = "model"
    preprocess: object = None
    postprocess: object = None
    assets: dict = field(default_factory=dict)
    example: object = None
    method: str = None
    names: dict = field(default_factory=dict)
    origin: dict = None


def pack(wanted, folder):
    """Write the bundle; give what is known of it: modules that it needs, what it answers, and remarks."""
    try:
        return packed(wanted, folder)
    except flavours.NotAModel as error:
        raise CannotPack(str(error)) from None
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise CannotPack(
            f"the bundle cannot be written: {error.strerror}", "make room, or set TMPDIR to a disk that has some"
        ) from None
    except referenced.Unresolved as error:
        what = "\n".join(f"- {fault}" for fault in error.faults)
        raise CannotPack(f"a service could not find all that it needs:\n{what}") from None


def packed(wanted, folder):
    check(wanted)
    wanted = dataclasses.replace(wanted, model=flavours.plain(wanted.model))
    model = wanted.model
    flavour = flavours.flavour_of(model)
    closure = referenced.Closure(wanted.assets)
    functions = {"preprocess": wanted.preprocess, "postprocess": wanted.postprocess}
    functions = {kind: function for kind, function in functions.items() if function is not None}
    for kind, function in functions.items():
        closure.add(kind, function)
    for name, asset in wanted.assets.items():
        if not is_path(asset):
            closure.add(f"assets[{name!r}]", asset)
    for part in flavours.parts_of(model, flavour):
        closure.add("model", part)
    closure.check()
    saved = flavours.save(model, folder, wanted.method)
    about = {
        "format_version": FORMAT_VERSION,
        "name": wanted.name,
        "model": {"flavour": flavour, "file": saved.file, "format": saved.format, "class": saved.kind},
    }
    about["model"]["method"] = saved.method
    if saved.custom_objects:
        about["model"]["custom_objects"] = saved.custom_objects
    closure.imported |= NEEDED_BY.get((flavour, saved.format), set())
    if assets := write_assets(wanted.assets, folder):
        about["assets"] = assets
    write_functions(about, functions, closure, saved, folder)
    known, example, rows = signature.infer(model, flavour, wanted.names, wanted.example, bool(wanted.preprocess))
    answer = None
    verdict = together.Verdict(False, "there is no row to try it with: give an `example`")
    if rows:
        own = live.chain(wanted, saved, folder, known)
        asked = live.ask(own, wanted.assets, example)
        if asked.error is None:
            about["example"], answer = {"instances": example}, asked.told
            verdict = together.tried(own, wanted.assets, rows, asked.data)
            if outputs := signature.outputs(asked.result):
                known["outputs"] = outputs
        elif wanted.example is not None:
            raise CannotPack(f"the example is not answered here either: {asked.error}", "give another `example`")
        elif not signature.is_known(model, flavour):
            known = {}
    if known:
        about["signature"] = known
    about |= {"batchable": verdict.is_same, "batchable_because": verdict.reason}
    closure.imported |= {"dataframe": {"numpy", "pandas"}, "array": {"numpy"}}.get(known.get("container"), set())
    about["environment"] = environment(closure, folder, flavour)
    if wanted.origin:
        about["origin"] = wanted.origin
    remarks = list(large(folder))
    with open(os.path.join(folder, "bundle.json"), "w", encoding="utf-8") as file:
        json.dump(about, file, indent=2)
        file.write("\n")
    return {"about": about, "modules": sorted(closure.imported), "answer": answer, "remarks": remarks}


#: What a format asks for where a file does not say so itself.
NEEDED_BY = {
    ("sklearn", "joblib"): {"sklearn", "joblib"},
    ("lightgbm", "joblib"): {"lightgbm", "sklearn", "joblib"},
    ("lightgbm", "native"): {"lightgbm"},
    ("xgboost", "native"): {"xgboost"},
    ("onnx", "native"): {"onnxruntime", "numpy"},
    ("keras", "native"): {"keras"},
    ("torch", "native"): {"torch", "numpy"},
    ("torch", "pickle"): {"torch", "numpy"},
    ("torch", "dill"): {"torch", "numpy"},
}


def check(wanted):
    if not NAME.fullmatch(wanted.name):
        raise CannotPack(
            f"a service cannot be called `{wanted.name}`: its name stands in URLs",
            "use letters, digits, `.`, `-` and `_`, at most 63, with a letter or digit first",
        )
    for kind in ("preprocess", "postprocess"):
        function = getattr(wanted, kind)
        if function is not None and not callable(function):
            raise CannotPack(
                f"`{kind}` is a `{type(function).__name__}`, and no function", "give a function of one argument"
            )
    for name in wanted.assets:
        if not isinstance(name, str) or not name.isidentifier():
            raise CannotPack(
                f"an asset cannot be called {name!r}: functions use it by its name", "use a name of Python's"
            )


def is_path(asset):
    return isinstance(asset, os.PathLike)


def write_assets(assets, folder):
    """Values as pickles; files and folders, given as a `Path`, as they are."""
    told = {}
    for name, asset in sorted(assets.items()):
        os.makedirs(os.path.join(folder, "assets"), exist_ok=True)
        if is_path(asset):
            source = os.fspath(asset)
            if not os.path.exists(source):
                raise CannotPack(f"asset `{name}` is to be `{source}`, and there is no such file", "give another path")
            file = f"assets/{name}/{os.path.basename(os.path.abspath(source))}"
            target = os.path.join(folder, file)
            os.makedirs(os.path.dirname(target))
            (shutil.copytree if os.path.isdir(source) else shutil.copyfile)(source, target)
            told[name] = {"file": file, "format": "path"}
            continue
        file, format = f"assets/{name}.pkl", "pickle"
        path = os.path.join(folder, file)
        try:
            with open(path, "wb") as out:
                pickle.dump(asset, out, protocol=5)
        except Exception as reason:
            format = "dill"
            try:
                code.write_value(asset, path)
            except Exception:
                raise CannotPack(
                    f"asset `{name}`, a `{type(asset).__name__}`, cannot be stored: {reason}",
                    "give what it is made from, and make it in the function",
                ) from None
        told[name] = {"file": file, "format": format}
    return told


def write_functions(about, functions, closure, saved, folder):
    names = dict(closure.names)
    bound = {kind: bind(names, kind, function) for kind, function in functions.items()}
    modules = os.path.join(folder, "modules")
    if names:
        try:
            sources = code.write(names, os.path.join(folder, "names.pkl"))
        except ImportError as error:
            raise CannotPack(str(error), "`pip install dill`") from None
        except Exception:
            raise CannotPack("\n".join(unstorable(names)), "make it inside the function, or leave it out") from None
        for path, text in sources.items():
            os.makedirs(os.path.dirname(os.path.join(modules, path)), exist_ok=True)
            with open(os.path.join(modules, path), "w", encoding="utf-8") as file:
                file.write(text)
        about["functions"] = {"file": "names.pkl", "format": "dill", **bound}
    if names or saved.format == "dill" or any(asset["format"] == "dill" for asset in about.get("assets", {}).values()):
        closure.imported.add("dill")
    code.copy_modules(closure.local, modules)


def unstorable(names):
    """Which of them it is."""
    for name, value in names.items():
        try:
            code.write_value({name: value}, os.devnull)
        except Exception as error:
            yield f"`{name}`, a `{type(value).__name__}`, cannot be stored: {error}"


def bind(names, kind, function):
    """The name by which a function is found in `__main__`."""
    own = getattr(function, "__name__", "")
    name = own if own.isidentifier() and names.get(own, function) is function else f"__{kind}__"
    names[name] = function
    return name


def environment(closure, folder, flavour):
    variables = {}
    if flavour == "keras":
        # What computes for it is chosen when it is imported.
        variables["KERAS_BACKEND"] = sys.modules["keras"].backend.backend()
        closure.imported.add(variables["KERAS_BACKEND"])
    about = {"python_version": ".".join(map(str, sys.version_info[:2])), "imports": sorted(closure.imported)}
    if variables:
        about["variables"] = variables
    if os.path.isdir(os.path.join(folder, "modules")):
        about["modules"] = "modules"
    return about


def large(folder):
    path = os.path.join(folder, "names.pkl")
    if os.path.exists(path) and os.path.getsize(path) > LARGE:
        megabytes = os.path.getsize(path) >> 20
        yield f"the functions take {megabytes} MiB of the notebook's values along: hand over what they need as `assets`"
