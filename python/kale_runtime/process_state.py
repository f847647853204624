"""Hidden state of a process: global random generators, and settings that outlive the cell that makes them.

Only what is loaded is looked at, nothing is imported, and no random number is drawn.
"""

import os
import sys
import warnings

#: The position of numpy's generator before the first draw: as it is imported, and as it is seeded.
NUMPY_UNUSED = (623, 624)

#: rcParams that matplotlib sets by itself when the first figure is made.
RESOLVED_LATE = ("backend", "interactive", "toolbar")


def generators():
    """Global generator to its state."""
    states = {}
    if "random" in sys.modules:
        states["random"] = hash(sys.modules["random"].getstate())
    numpy = sys.modules.get("numpy.random")
    if hasattr(numpy, "get_state"):
        state = numpy.get_state(legacy=False)
        inner = state["state"]
        key = inner["key"].tobytes() if "key" in inner else str(inner)
        states["numpy"] = key, inner.get("pos"), state["has_gauss"], state["gauss"]
    torch = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        states["torch"] = torch.get_rng_state().numpy().tobytes()
    return states


def is_drawn_from(name, state):
    """Whether somebody has drawn from a generator since its library was imported, as far as its state tells."""
    if name != "numpy":
        return False
    _, position, has_gauss, _ = state
    return bool(has_gauss) or position not in NUMPY_UNUSED


def settings():
    """What a setting is called, to the module that it belongs to (`""`: the interpreter) and its value."""
    found = {"the working directory": ("", working_directory()), "`sys.path`": ("", tuple(sys.path))}
    found["the warning filters"] = "", tuple(map(repr, warnings.filters))
    found["the recursion limit"] = "", sys.getrecursionlimit()
    found.update(pandas_options())
    found.update(numpy_options())
    found.update(matplotlib_options())
    return found


def working_directory():
    try:
        return os.getcwd()
    except OSError:
        return None


def pandas_options():
    config = getattr(sys.modules.get("pandas._config.config"), "_global_config", None)
    return {f"pandas' option `{name}`": ("pandas", repr(value)) for name, value in flat(config or {}, "")}


def flat(options, prefix):
    for name, value in options.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def numpy_options():
    numpy = sys.modules.get("numpy")
    if not hasattr(numpy, "get_printoptions") or not hasattr(numpy, "geterr"):
        return {}
    options = {f"numpy's print option `{name}`": value for name, value in numpy.get_printoptions().items()}
    options.update({f"numpy's error state `{name}`": value for name, value in numpy.geterr().items()})
    return {name: ("numpy", repr(value)) for name, value in options.items()}


def matplotlib_options():
    """Past its own reading, which would decide on a backend."""
    options = getattr(sys.modules.get("matplotlib"), "rcParams", None)
    if not isinstance(options, dict):
        return {}
    return {
        f"matplotlib's `{name}`": ("matplotlib", repr(value))
        for name, value in dict.items(options)
        if not name.startswith(RESOLVED_LATE)
    }
