"""The notebook from top to bottom in one process, held against what a pipeline stored: `run --differential`.

    cells of all steps, in order --engine--> REQUEST.json "plan" with rows ["compare", key, kind, names] --> here
    what differs --> result.json "compared" --> differential.rs --> diagnostics

Where a step of the pipeline has stored something, this process has the same variables, and compares. What differs it
stores itself, so that a second run can tell whether the notebook repeats itself: then `against` names the first run's
values. Request and result are those of `local.py`, with

    {"linear": {"against": {key: path of what the first run stored}}}
    {"compared": [{"key", "cell", "place", "notebook", "pipeline"}], "unrepeatable": [key], "uncompared": [key]}
"""

import filecmp
import os
import pickle
import re
import sys

from kale_runtime import compare, local, verify
from kale_runtime import step as core
from kale_runtime.forked import FAILED, in_a_copy


class Notebook(local.LocalStep):
    def take(self, request):
        super().take(request)
        self.against = request["linear"]["against"]
        self.compared, self.unrepeatable, self.uncompared = [], [], []

    def compare(self, key, kind, names):
        kind, _, detail = kind.partition(":")
        look = {"file": self.of_file, "rng": self.of_generator}.get(kind, self.of_values)
        own = self.path(self.outputs, key)
        if key in self.against:
            if look(kind, detail or names, self.against[key], own):
                self.unrepeatable.append(key)
        elif key in self.inputs["artifacts"]:
            found = look(kind, detail or names, self.path(self.inputs, key), own)
            if found is FAILED:
                self.uncompared.append(key)
            elif found:
                row = dict(zip(("place", "notebook", "pipeline"), found, strict=True))
                self.compared.append({"key": key, "cell": self.cell, **row})

    def of_values(self, kind, names, path, own):
        held = {name: self.names[name] for name in names if name in self.names}

        def look():
            found = compare.difference(held, verify.stored(kind, path))
            if found:
                keep(held, own, kind)
            return found and (re.sub(r"^\['(\w+)'\]", r"\1", found.place), found.left, found.right)

        return in_a_copy(look)

    def of_generator(self, kind, name, path, own):
        state = core.generator(name, "get")

        def look():
            found = compare.difference(state, verify.stored(kind, path))
            if found:
                keep(state, own, "value")
            return found and (f"the state of `{name}`", "one", "another")

        return in_a_copy(look)

    def of_file(self, kind, name, path, own):
        core.make_parent(own)
        core.pack(os.path.join(self.home, name), own)
        if filecmp.cmp(own, path, shallow=False) or in_a_copy(lambda: hold_the_same(own, path)) is True:
            return None
        return f"the content of `{name}`", "one", "another"

    def findings(self):
        return {"compared": self.compared, "unrepeatable": self.unrepeatable, "uncompared": self.uncompared}


def hold_the_same(one, other):
    """Whether the notebook has pickled equal values to two files: which parts of them are shared, down to single
    strings, shows in the bytes, and is no difference."""
    left, right = unpickled(one), unpickled(other)
    return bool(left) and compare.difference(left, right) is None


def unpickled(path):
    """Every value of a file of pickles; none where it holds anything else."""
    load = sys.modules["joblib"].load if "joblib" in sys.modules else pickle.load
    values = []
    with open(path, "rb") as file:
        while file.peek(1):
            if not file.peek(1).startswith(pickle.PROTO):
                return []
            values.append(load(file))
    return values


def keep(values, path, kind):
    """For the second run; what cannot be stored cannot be compared with it."""
    try:
        with open(path, "wb") as file:
            core.dump(values, file, kind)
    except Exception:
        os.unlink(path)
