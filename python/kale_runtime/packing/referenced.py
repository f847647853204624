"""What functions and values of a notebook refer to: what must travel with them, and what is nowhere to be found.

A service runs in a process that has never seen the notebook. What its functions name is found in their code: other
functions, classes and values of the notebook travel by value, modules beside it as files, and what is installed by
name. Nothing is called and nothing executed.
"""

import ast
import builtins
import dis
import functools
import importlib.util
import inspect
import os
import pickle
import sys
import sysconfig
import textwrap
import types

from kale_runtime import step as core

MAIN = "__main__"
#: Of these every container has its own.
OURS = ("kale_rs", "kale_runtime", "dill")
SITES = ("stdlib", "platstdlib", "purelib", "platlib")


class Unresolved(Exception):
    """Something that a service would look for in vain. Each fault says what, where, and what to do."""

    def __init__(self, faults):
        super().__init__("\n".join(faults))
        self.faults = faults


class Closure:
    """Names of `__main__` with their values, and the modules that all of it needs. `given` are bound by assets."""

    def __init__(self, given=()):
        self.main = sys.modules[MAIN].__dict__
        self.given = set(given)
        self.names, self.imported, self.local, self.faults = {}, set(), {}, []
        self.seen, self.kept = set(), []
        #: Names that assets have, as far as somebody asks for them.
        self.asked = set()
        #: Whose reference is followed, for what is told: `preprocess`, and within it `clean`.
        self.path = []

    def add(self, what, value):
        """Follow all that a value refers to. `what` is how people know it."""
        self.path.append(what)
        try:
            self.visit(value)
        finally:
            self.path.pop()

    def check(self):
        """Raise if something is missing."""
        if self.faults:
            raise Unresolved(self.faults)

    def visit(self, value):
        if id(value) in self.seen:
            return
        self.seen.add(id(value))
        self.kept.append(value)
        if isinstance(value, types.FunctionType) and travels(value):
            self.function(value)
        elif isinstance(value, type) and travels(value):
            self.class_(value)
        elif isinstance(value, types.ModuleType):
            self.module(value.__name__)
        else:
            self.value(value)

    # Code

    def function(self, function):
        """A function that travels by value. One that has a name is bound to it: pickles look for it there."""
        if self.main.get(function.__qualname__) is function:
            self.names.setdefault(function.__qualname__, function)
        self.path.append(function.__qualname__)
        try:
            self.code(function.__code__, function.__globals__)
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
                try:
                    content = cell.cell_contents
                except ValueError:
                    self.lacks(name, "it has no value yet")
                    continue
                self.visit(content)
            for value in (function.__defaults__, function.__kwdefaults__, function.__dict__):
                if value:
                    self.visit(value)
        finally:
            self.path.pop()

    def code(self, code, names):
        for name in globals_of(code):
            self.name(name, names)
        for module in imports_of(code):
            if find(module) is None and module not in self.optional(code):
                self.faults.append(
                    f"{self.place()} imports `{module}`, which is not installed here: install it, or import something "
                    "else"
                )
            else:
                self.module(module)
        for inner in code.co_consts:
            if isinstance(inner, types.CodeType):
                self.code(inner, names)

    def optional(self, code):
        """Modules that the code can do without: those that it tries to import."""
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
        except (OSError, TypeError, SyntaxError):
            return set()
        tried = (inner for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node))
        return {name for node in tried for name in imported(node)}

    def name(self, name, names):
        """A global name in code, looked up where the code would."""
        if name in self.given and names is self.main:
            self.asked.add(name)
            return
        if name not in names:
            if not hasattr(builtins, name) or name == "get_ipython":
                self.lacks(name, "the notebook has no such name")
            return
        value = names[name]
        if names is not self.main:
            return  # a module brings its own
        if name not in self.names:
            self.names[name] = value
            self.path.append(f"`{name}`")
            try:
                self.visit(value)
            finally:
                self.path.pop()

    def lacks(self, name, why):
        self.faults.append(
            f"{self.place()} uses `{name}`, and {why}: define it, import it in the function, or hand it over as "
            f'`assets={{"{name}": ...}}`'
        )

    def place(self):
        """Where we are: the function people gave, and how it leads here."""
        names = [name for name in self.path if not name.startswith("`")]
        inner = names[-1] if names else "?"
        outer = self.path[0]
        return f"`{inner}`" if inner == outer or len(self.path) <= 2 else f"`{inner}` (used by `{outer}`)"

    def class_(self, kind):
        """A class that travels by value is bound to its name: pickles look for it there."""
        if "." not in kind.__qualname__ and "<" not in kind.__qualname__:
            self.names.setdefault(kind.__qualname__, kind)
        self.path.append(kind.__qualname__)
        try:
            for base in kind.__bases__:
                self.visit(base)
            for member in list(vars(kind).values()):
                for function in functions_of(member):
                    self.visit(function)
        finally:
            self.path.pop()

    # Values

    def value(self, value):
        """What a pickle of the value would name."""
        try:
            Reader(self).dump(value)
        except Exception as error:
            self.faults.append(self.cannot(value, error))

    def cannot(self, value, error):
        kind = type(value)
        named = [name for name in self.path if name.startswith("`")]
        what = named[-1] if named else f"`{self.path[0]}`"
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        where = (
            "" if len(self.path) == 1 else f"{self.place()} uses {what}, a " if named else f"{self.place()} holds a "
        )
        return (
            f"{where or what + ' is a '}`{kind.__module__}.{kind.__qualname__}`, which cannot be stored ({said}): make "
            "it inside the function, from something that can be"
        )

    def refers(self, value):
        """A function, class or module that a pickle names."""
        if isinstance(value, types.ModuleType):
            self.module(value.__name__)
            return True
        module = getattr(value, "__module__", None)
        if not isinstance(module, str):
            return False
        if not travels(value):
            self.module(module)
            if module == MAIN and isinstance(inner := getattr(value, "__wrapped__", None), types.FunctionType):
                self.visit(inner)
            return False
        if self.main.get(value.__qualname__) is value:
            self.names.setdefault(value.__qualname__, value)
        self.visit(value)
        return True

    # Modules

    def module(self, name):
        """A module is packed when it lies beside the notebook, and else required."""
        top = name.partition(".")[0]
        if top in OURS or top in sys.stdlib_module_names or top == MAIN:
            return
        place = local_place(top)
        if place is None:
            self.imported.add(name)
        elif top not in self.local:
            self.local[top] = place
            for imported_name in modules_imported(place):
                if find(imported_name) is not None:
                    self.module(imported_name)


class Reader(pickle.Pickler):
    """A pickle that nobody reads: what matters is what it asks for by name."""

    def __init__(self, closure):
        super().__init__(Nowhere(), 5, buffer_callback=lambda buffer: None)
        self.closure = closure

    def reducer_override(self, value):
        must_outlive(value)
        if isinstance(value, (type, types.ModuleType)) or (callable(value) and hasattr(value, "__qualname__")):
            if value is not stands_for and self.closure.refers(value):
                return stands_for, ()
        return NotImplemented


def must_outlive(value):
    """Refuse what pickles and comes back dead."""
    for kind in type(value).__mro__:
        if core.MORTAL(f"{kind.__module__}.{kind.__qualname__}"):
            raise TypeError(f"a `{type(value).__name__}` does not outlive its process")


class Nowhere:
    def write(self, data):
        return len(data)


def stands_for():
    """In place of what travels by value."""


def travels(value):
    """Whether a function or class exists in the notebook only, or cannot be found by its name."""
    if not isinstance(value, (types.FunctionType, type)):
        return False
    if value.__module__ == MAIN or value.__module__ is None:
        return True
    found = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is not value and isinstance(value, types.FunctionType)


def is_named(value):
    """Whether it is found in the notebook by its name."""
    return value.__module__ == MAIN and getattr(sys.modules[MAIN], value.__qualname__, None) is value


def functions_of(member):
    """The functions behind a member of a class: its own, those of a property, that of a class method."""
    member = inspect.unwrap(member, stop=lambda each: not hasattr(each, "__wrapped__")) if callable(member) else member
    found = (member, *(getattr(member, name, None) for name in ("__func__", "func", "fget", "fset", "fdel")))
    return [each for each in found if isinstance(each, types.FunctionType)]


def globals_of(code):
    """Global names that code reads, in their order; those of functions within it are asked for by themselves."""
    loads = (each for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    made = {each.argval for each in dis.get_instructions(code) if each.opname == "STORE_NAME"}
    return [name for name in dict.fromkeys(each.argval for each in loads) if name not in made and name[:2] != "__"]


def globals_written(code):
    """Global names that code binds anew, and the functions within it."""
    own = [each.argval for each in dis.get_instructions(code) if each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")]
    inner = (globals_written(each) for each in code.co_consts if isinstance(each, types.CodeType))
    return list(dict.fromkeys([*own, *(name for names in inner for name in names)]))


def imports_of(code):
    names = (each.argval for each in dis.get_instructions(code) if each.opname == "IMPORT_NAME")
    return [name for name in dict.fromkeys(names) if name]


def imported(node):
    """The modules that a statement imports, by their full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def modules_imported(place):
    """Modules that the files of a local module import, anywhere in them."""
    found = {}
    for path in files_of(place):
        if path.endswith(".py"):
            try:
                with open(path, "rb") as file:
                    tree = ast.parse(file.read())
            except (OSError, SyntaxError, ValueError):
                continue
            found.update(dict.fromkeys(name for node in ast.walk(tree) for name in imported(node)))
    return list(found)


def files_of(place):
    """The files of a module, in a fixed order: its folder without what tools leave there, or one file."""
    if not os.path.isdir(place):
        return [place]
    found = []
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and name[0] != ".")
        found += [os.path.join(folder, name) for name in sorted(files) if name[0] != "." and not name.endswith(".pyc")]
    return found


def find(name):
    """Where a module is, by its top name; None if it is nowhere."""
    top = name.partition(".")[0]
    if top in sys.modules:
        return sys.modules[top]
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


@functools.lru_cache
def local_place(top):
    """The folder or file of a module that no index has; None for what is installed, or comes with Python."""
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None) or (None if module else find(top))
    places = list(getattr(spec, "submodule_search_locations", None) or ())
    path = places[0] if places else getattr(module, "__file__", None) or getattr(spec, "origin", None)
    if not path or not os.path.isabs(path) or not os.path.exists(path):
        return None
    real = os.path.realpath(path)
    return None if any(real.startswith(site) for site in sites()) else path


@functools.lru_cache
def sites():
    """Where Python and pip put modules: those travel by name."""
    folders = [sysconfig.get_paths()[name] for name in SITES]
    folders += [
        path for path in sys.path if os.path.basename(path.rstrip(os.sep)) in ("site-packages", "dist-packages")
    ]
    return [os.path.realpath(folder) + os.sep for folder in dict.fromkeys(folders) if folder]
