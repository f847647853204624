"""The functions of a notebook as a file: names of `__main__` with their values, by `dill`.

Read back into another `__main__`, functions find there what they found here: one namespace for all of them. Modules
are named and not copied. Where a function stood is told as `notebook_cells/1.py`; such files, with the lines of
functions and nothing else, travel with the modules, so that a traceback of a service can show them.
"""

import linecache
import os
import sys
import types

from kale_runtime.packing import referenced
from kale_runtime.step import StepError, pickling

CELLS = "notebook_cells"


def write(names, path):
    """Write names with their values; give the files of source that go with them, by path below the modules."""
    sources = Sources()
    with open(path, "wb") as file:
        writer(file, sources).dump(dict(sorted(names.items())))
    return sources.files()


def write_value(value, path):
    """Write one value, with what it refers to by value where that has no name."""
    with open(path, "wb") as file:
        writer(file, Sources()).dump(value)


def writer(file, sources):
    try:
        dill = pickling("callable")
    except StepError:
        raise ImportError("the functions of a notebook travel by `dill`: install it") from None

    def override(self, value):
        referenced.must_outlive(value)
        if isinstance(value, types.ModuleType) and value.__name__ in sys.modules:
            return module, (value.__name__,)
        if type(value) is dict and (name := module_of(value)):
            return namespace, (name,)
        return NotImplemented

    def save_code(pickler, value):
        dill.Pickler.dispatch[types.CodeType](pickler, sources.at_home(value))

    # Dill tells its own picklers by their module.
    members = {"__module__": dill.Pickler.__module__, "reducer_override": override}
    members["dispatch"] = {**dill.Pickler.dispatch, types.CodeType: save_code}
    return type("Pickler", (dill.Pickler,), members)(file, 5)


def module_of(names):
    """The module whose namespace a dict is; the notebook's own is known to `dill`."""
    name = names.get("__name__")
    found = sys.modules.get(name) if isinstance(name, str) and name != referenced.MAIN else None
    return name if found is not None and vars(found) is names else None


def module(name):
    __import__(name)
    return sys.modules[name]


def namespace(name):
    return vars(module(name))


class Sources:
    """Where code stands, with paths of this machine taken out."""

    def __init__(self):
        self.paths, self.lines = {}, {}

    def at_home(self, code):
        name = code.co_filename
        path = self.paths.setdefault(name, f"{CELLS}/{len(self.paths) + 1}.py")
        numbers = [line for *_, line in code.co_lines() if line]
        self.lines.setdefault(name, set()).update(range(code.co_firstlineno, max(numbers, default=0) + 1))
        return code.replace(co_filename=path)

    def files(self):
        """Each with the lines of what travels at their places, and nothing else of its cell."""
        found = {}
        for name, path in self.paths.items():
            lines = linecache.getlines(name)
            last = min(len(lines), max(self.lines[name], default=0))
            kept = [lines[at] if at + 1 in self.lines[name] else "\n" for at in range(last)]
            if any(map(str.strip, kept)):
                found[path] = "".join(kept)
        return found


def copy_modules(modules, folder):
    """Copy local modules, by name to place, into a folder."""
    import shutil

    for place in modules.values():
        top = os.path.dirname(place)
        for path in referenced.files_of(place):
            target = os.path.join(folder, os.path.relpath(path, top))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
