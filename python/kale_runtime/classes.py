"""What pickles with functions in them have instead of the notebook's classes: the names of those that whoever reads
them has, and all others by value, also those that hold instances or subclasses of themselves (a singleton, a registry).

Dill makes a class of all that it holds at once, so that nothing of this may need the class. Here a class is made empty
and filled then, attribute by attribute: what it holds finds it made. What an object is made of comes before it: its
class, and of a class its metaclass and bases. Nothing of the notebook runs: no metaclass, no `__init_subclass__`.

A pickle of that needs nothing of ours to be read. Travels behind `step.py`, in the same namespace and by the same rule,
in steps with requirements only: dill is one.
"""

import abc
import enum
import pkgutil
import sys
import types

#: What a definition makes.
DEFINED = types.FunctionType, type
HOOK = "__init_subclass__"
# What Python wants to know when it makes a class, and what it makes itself.
GIVEN = "__module__", "__doc__", "__slots__", "__orig_bases__"
MADE = "__dict__", "__weakref__", "__slotnames__", "_abc_impl"


def writing_classes(base, by_name):
    """A pickler's class that does it; that of the standard library writes classes by their names."""
    return pickler(base, references(by_name)) if "dill" in base.__module__ else base


def references(names):
    """What to write for functions and classes that whoever reads it has under these names, and for what is inside of
    such classes, by identity: the name, or how to find it."""
    main = vars(sys.modules["__main__"])
    found, todo = {}, [(name, main[name]) for name in names if isinstance(main.get(name), DEFINED)]
    for path, value in todo:
        module = value.__module__ if isinstance(value, DEFINED) else None
        is_foreign = module not in (None, "__main__")
        if id(value) in found or (is_foreign and getattr(sys.modules.get(module), value.__name__, None) is value):
            continue
        # `make_dataclass` and the like give another module, where it cannot be found.
        found[id(value)] = path if module == "__main__" else (pkgutil.resolve_name, (f"__main__:{path}",))
        for name, each in vars(value).items() if isinstance(value, type) else ():
            way = f"{path}.{name}"
            if isinstance(each, (classmethod, staticmethod)):
                way += ".__func__" * isinstance(each, classmethod)
                each = each.__func__
            is_inside = isinstance(each, DEFINED) and each.__qualname__.startswith(f"{value.__qualname__}.")
            if is_inside or isinstance(each, property):
                todo.append((way, each))
    return found


def is_own(value):
    return isinstance(value, type) and value.__module__ == "__main__"


def maker(kind):
    """What makes an empty class of a metaclass: that of a library stays with dill."""
    known = {type: type.__new__, abc.ABCMeta: abc.ABCMeta.__new__, enum.EnumMeta: type.__new__}
    return known.get(next(each for each in kind.__mro__ if not is_own(each)))


def pickler(base, known):
    class Pickler(base):
        # Dill tells its own picklers by their module.
        __module__ = base.__module__

        def __init__(self, *arguments):
            super().__init__(*arguments)
            #: By identity, the classes of which the hook has been written.
            self.hooked = {}

        def save(self, value, *rest):
            kind = type(value)
            if id(value) in self.memo:
                return super().save(value, *rest)
            if id(value) in known:
                return self.reference(value, known[id(value)])
            if isinstance(value, enum.Enum) and id(kind) in known and value._name_ in kind.__members__:
                return self.save_reduce(getattr, (kind, value._name_), obj=value)
            if is_own(value) or (is_own(kind) and id(kind) not in known):
                self.before(kind, *(getattr(value, "__bases__", ()) if is_own(value) else ()))
                if id(value) not in self.memo:
                    if is_own(value) and maker(kind) and not hasattr(value, "_field_defaults"):
                        return self.class_(value)
                    if isinstance(value, enum.Enum):
                        return self.member(value, kind)
            super().save(value, *rest)
            if kind is types.FunctionType and self.is_renamed(value):
                self.call(setattr, value, "__qualname__", value.__qualname__)

        def reference(self, value, found):
            if isinstance(found, str):
                self.save_global(value, found)
            else:
                self.save_reduce(*found, obj=value)

        def is_renamed(self, value):
            """Of a function that `functools.wraps` has named as another one, dill writes half of the name."""
            name, code = value.__qualname__, value.__code__
            written = getattr(code, "co_qualname", code.co_name)  # of Python 3.11
            return value.__globals__.get("__name__") == "__main__" and name == value.__name__ and name != written

        def before(self, *classes):
            for each in classes:
                if is_own(each) and id(each) not in self.memo:
                    self.save(each)
                    self.write(b"0")

        def call(self, *what):
            self.save_reduce(what[0], what[1:])
            self.write(b"0")

        def class_(self, value):
            held = {name: each for name, each in vars(value).items() if name not in MADE and not is_slot(each, value)}
            # With a place for each in its order; those of Python's own names would have effects.
            places = {name: None for name in held if name[:2] != "__"} | {"__qualname__": value.__qualname__}
            places.update((name, held.pop(name)) for name in GIVEN if name in held)
            hooked = [each for each in value.__mro__ if self.is_hooked(each)]
            for each in hooked:
                # While it can be found.
                self.save(vars(each)[HOOK])
                self.write(b"0")
                self.call(type.__delattr__, each, HOOK)
            self.save_reduce(maker(type(value)), (type(value), value.__name__, value.__bases__, places), obj=value)
            for each in hooked:
                self.call(type.__setattr__, each, HOOK, vars(each)[HOOK])
            # Methods first: objects may need them to be read.
            for name, each in sorted(held.items(), key=lambda item: not hasattr(type(item[1]), "__get__")):
                self.call(type.__setattr__, value, name, each)
                if name == HOOK:
                    self.hooked[id(value)] = value
            if isinstance(value, abc.ABCMeta):
                known = filter(None, (each() for each in abc._get_dump(value)[0]))
                for each in sorted(known, key=lambda each: (each.__module__, each.__qualname__)):
                    self.call(abc.ABCMeta.register, value, each)

        def is_hooked(self, value):
            return id(value) in self.hooked or (id(value) in known and HOOK in vars(value))

        def member(self, value, kind):
            made = object.__reduce_ex__(value, 2)[1]
            self.save_reduce(kind._member_type_.__new__, made, value.__dict__, obj=value)

    return Pickler


def is_slot(value, owner):
    kinds = types.MemberDescriptorType, types.GetSetDescriptorType
    return isinstance(value, kinds) and value.__objclass__ is owner
