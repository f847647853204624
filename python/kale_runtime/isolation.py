"""A step of `run --isolated`: it finds the packages of its own part of the lock, and modules that travel with it."""

import re
import sys
from importlib import metadata


def enter(isolated):
    """Puts the packed modules where a kernel has the notebook's folder, and hides what is there for other steps."""
    sys.path[sys.path.index("")] = isolated["modules"]
    hidden = set(isolated["hidden"])
    if hidden:
        sys.meta_path.insert(0, Hidden(hidden))


class Hidden:
    """Answers for modules that no package of the step's own has, as if nobody had installed them."""

    def __init__(self, packages):
        owners = metadata.packages_distributions()
        self.modules = {module: names[0] for module, names in owners.items() if {*map(normalised, names)} <= packages}

    def find_spec(self, name, path=None, target=None):
        if name in self.modules:
            package = self.modules[name]
            text = f"No module named '{name}' (`--isolated`: nothing in the step's code imports `{package}`)"
            raise ModuleNotFoundError(text, name=name)
        return None


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()
