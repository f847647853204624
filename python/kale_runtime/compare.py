"""Where two values differ, as far as a notebook could tell.

Bytes of pickles will not do: they change in the first round trip of an estimator, when the blocks of a frame are joined
and with the order of a set. So two values are walked side by side: containers item by item, arrays by type, shape and
bytes (floats bit by bit), frames column by column, and other objects through the parts that pickling them would give.
Objects that one side shares, the other must share, too; so it is with the memory of arrays. What a cached property has
stored is no difference.

The walk calls the pickling methods of the notebook's classes, so it belongs into a process where that does no harm.
"""

import re
import struct
import sys
import types

from kale_runtime import memory, snapshot

ATOMS = (type(None), bool, int, float, complex, str, bytes, bytearray, range, type(Ellipsis), type(NotImplemented))
#: Modules whose objects say all about themselves in their `repr`.
TELLING = ("datetime", "decimal", "fractions", "uuid", "pathlib", "zoneinfo", "pandas._libs.tslibs", "numpy.dtypes")
#: (`_stop_words_id`: the address of what a vectorizer of scikit-learn has looked at.)
CACHE = re.compile(r"_+(\w+_)?(cache|cached|memo)(_\w+)?|_stop_words_id").fullmatch
BLOCK = 1 << 20


class Difference(Exception):
    """`place` is an expression without its variable (`['a'][3].rate`); `left` and `right` say what is there."""

    def __init__(self, place, left, right):
        super().__init__(place, left, right)
        self.place, self.left, self.right = place, left, right


def difference(left, right):
    """The first one, or `None`."""
    walk = Walk()
    try:
        walk.run(left, right)
    except Difference as found:
        return found
    return None


class Walk:
    def __init__(self):
        self.left, self.right, self.arrays = {}, {}, []
        # What is compared stays alive, so that no id is given to another object.
        self.seen, self.kept, self.todo = set(), [], []

    def run(self, left, right):
        """Without recursion: values are as deep as they like."""
        self.push("", left, right, True)
        while self.todo:
            self.look(*self.todo.pop())
        self.memory_of()

    def push(self, place, left, right, own):
        """`own`: it belongs to the notebook, and is no inside of a library's object, where sharing says nothing."""
        self.todo.append((place, left, right, own))

    def look(self, place, left, right, own):
        kind = type(left)
        if not same_type(kind, type(right)):
            raise Difference(place, words(left), words(right))
        if kind in ATOMS or kind.__module__.startswith(TELLING):
            if not same_atom(left, right):
                raise Difference(place, words(left), words(right))
            return
        if (id(left), id(right)) in self.seen:
            return
        self.seen.add((id(left), id(right)))
        self.kept += (left, right)
        if own and kind not in (tuple, frozenset):
            self.identity(place, left, right)
        if left is not right:
            self.parts(place, left, right, own)

    def identity(self, place, left, right):
        if self.left.setdefault(id(left), right) is not right:
            raise Difference(place, "the same object as elsewhere", "a copy of it")
        if self.right.setdefault(id(right), left) is not left:
            raise Difference(place, "an object of its own", "the same object as elsewhere")

    def parts(self, place, left, right, own):
        for kinds, look in (*CONTAINERS, *self.libraries()):
            if isinstance(left, kinds) and (kinds not in EXACT or type(left) is kinds):
                return look(self, place, left, right, own)
        return self.reduced(place, left, right, own)

    # Python's own

    def sequence(self, place, left, right, own):
        if len(left) != len(right):
            raise Difference(place, f"{len(left)} items", f"{len(right)} items")
        for index in reversed(range(len(left))):
            self.push(f"{place}[{index}]", left[index], right[index], own)

    def mapping(self, place, left, right, own):
        if len(left) != len(right):
            raise Difference(place, f"{len(left)} entries", f"{len(right)} entries")
        for (key, value), (other_key, other) in reversed(list(zip(left.items(), right.items(), strict=True))):
            at = f"{place}[{key!r}]" if type(key) in ATOMS else f"{place}[...]"
            self.push(at, value, other, own)
            self.push(f"{place} key", key, other_key, own)

    def set(self, place, left, right, own):
        """They have no order, so their items are matched by what they say of themselves."""
        for side, other, told in ((left, right, ("there", "missing")), (right, left, ("missing", "there"))):
            known = {self.key(each) for each in other}
            missing = sorted(repr(each) for each in side if self.key(each) not in known)
            if missing:
                raise Difference(f"{place} item {missing[0][:40]}", *told)

    def key(self, value):
        if type(value) in (tuple, frozenset):
            keys = [self.key(each) for each in value]
            return type(value).__name__, tuple(sorted(map(repr, keys)) if type(value) is frozenset else keys)
        plain = type(value).__repr__ is object.__repr__
        return type(value).__qualname__, "" if plain else bits(value) if type(value) is float else repr(value)

    def module(self, place, left, right, own):
        if left.__name__ != right.__name__:
            raise Difference(place, words(left), words(right))

    def definition(self, place, left, right):
        """Name of a class or function; whether it is the notebook's."""
        names = [f"{each.__module__}.{each.__qualname__}" for each in (left, right)]
        if names[0] != names[1]:
            raise Difference(place, *names)
        return left.__module__ == "__main__" or "<" in left.__qualname__

    def type(self, place, left, right, own):
        if self.definition(place, left, right):
            held = [{k: v for k, v in vars(each).items() if k not in snapshot.OF_CLASSES} for each in (left, right)]
            self.attributes(place, left, *held, False)

    def function(self, place, left, right, own):
        right = wrapped_as_often(left, right)
        # What `functools.wraps` says of a function, dill keeps, except for the module.
        wraps = hasattr(left, "__wrapped__") and left.__name__ == right.__name__
        if not wraps and not self.definition(place, left, right):
            return
        if code(left.__code__) != code(right.__code__):
            raise Difference(place, "a function", "a function with another body")
        self.push(f"{place}.__closure__", captured(left), captured(right), False)
        self.push(f"{place}.__dict__", left.__dict__, right.__dict__, own)
        for name in ("__kwdefaults__", "__defaults__"):
            self.push(f"{place}.{name}", getattr(left, name), getattr(right, name), own)

    def builtin(self, place, left, right, own):
        if left.__qualname__ != right.__qualname__:
            raise Difference(place, words(left), words(right))
        receivers = [getattr(each, "__self__", None) for each in (left, right)]
        if not isinstance(receivers[0], types.ModuleType):
            self.push(f"{place}.__self__", *receivers, own)

    def property(self, place, left, right, own):
        for name in ("fget", "fset", "fdel"):
            self.push(f"{place}.{name}", getattr(left, name), getattr(right, name), False)

    def wrapped(self, place, left, right, own):
        self.push(place, left.__func__, right.__func__, False)

    def descriptor(self, place, left, right, own):
        """Getters of slots and the like: Python makes them with the class."""

    # Values of libraries whose pickles say too much or too little

    def libraries(self):
        for module, kinds, look in LIBRARIES:
            module = sys.modules.get(module)
            if module is not None:
                yield tuple(getattr(module, kind) for kind in kinds.split()), look

    def array(self, place, left, right, own):
        if (left.dtype, left.shape) != (right.dtype, right.shape):
            told = [f"{each.dtype} of shape {each.shape}" for each in (left, right)]
            raise Difference(place, *told)
        if own and left.size:
            self.arrays.append((left, right, place))
        if hasattr(left, "mask"):
            self.push(f"{place}.mask", left.mask, right.mask, False)
            self.push(f"{place}.data", left.data, right.data, False)
        elif left.dtype.names is not None:
            for name in left.dtype.names:
                self.push(f"{place}[{name!r}]", left[name], right[name], False)
        elif left.dtype.hasobject:
            self.sequence(place, left.ravel().tolist(), right.ravel().tolist(), own)
        else:
            same_bytes(place, left, right)

    def memory_of(self):
        """Where an array overlaps with the widest one before it on one side, it must on the other."""
        shared, apart = "memory that another array has, too", "memory of its own"
        for side, told in ((0, (shared, apart)), (1, (apart, shared))):
            widest = None
            for row in sorted(self.arrays, key=lambda row: memory.bounds(row[side])):
                if widest and overlap(row[side], widest[side]) and not overlap(row[1 - side], widest[1 - side]):
                    raise Difference(row[2], *told)
                if widest is None or memory.bounds(row[side])[1] > memory.bounds(widest[side])[1]:
                    widest = row

    def scalar(self, place, left, right, own):
        same = left.tobytes() == right.tobytes() if not left.dtype.hasobject else repr(left) == repr(right)
        if left.dtype != right.dtype or not same:
            raise Difference(place, words(left), words(right))

    def index(self, place, left, right, own):
        same_dtype(place, left, right)
        self.push(place, left.to_numpy(dtype=object).tolist(), right.to_numpy(dtype=object).tolist(), False)
        self.push(f"{place}.names", list(left.names), list(right.names), False)

    def series(self, place, left, right, own):
        same_dtype(place, left, right)
        if isinstance(left.dtype, sys.modules["numpy"].dtype) and not left.dtype.hasobject:
            self.push(place, left.to_numpy(), right.to_numpy(), False)
        else:
            self.push(place, left.tolist(), right.tolist(), False)
        for name in ("index", "name", "attrs"):
            self.push(f"{place}.{name}", getattr(left, name), getattr(right, name), False)

    def frame(self, place, left, right, own):
        if left.shape != right.shape:
            raise Difference(place, f"shape {left.shape}", f"shape {right.shape}")
        for at in reversed(range(left.shape[1])):
            self.push(f"{place}[{left.columns[at]!r}]", left.iloc[:, at], right.iloc[:, at], False)
        for name in ("index", "columns", "attrs"):
            self.push(f"{place}.{name}", getattr(left, name), getattr(right, name), False)

    def tensor(self, place, left, right, own):
        told = [f"{each.dtype} of shape {tuple(each.shape)} on {each.device.type}" for each in (left, right)]
        if told[0] != told[1] or left.requires_grad != right.requires_grad:
            raise Difference(place, *told)
        sides = [each.detach().cpu().contiguous().reshape(-1) for each in (left, right)]
        same_bytes(place, *(each.view(sys.modules["torch"].uint8).numpy() for each in sides))
        if left.is_leaf:
            self.push(f"{place}.grad", left.grad, right.grad, False)

    def artist(self, place, left, right, own):
        """The inside of a figure is caches and references back; what counts is the tree of what is drawn."""
        for name in ("get_label", "get_visible", "get_zorder", "get_alpha", "get_text", "get_xydata"):
            if hasattr(left, name):
                self.push(f"{place}.{name}()", *(getattr(each, name)() for each in (left, right)), False)
        # Ticks are made when they are looked at.
        left, right = ([e for e in each.get_children() if not hasattr(e, "get_ticklabels")] for each in (left, right))
        self.push(f"{place}.get_children()", left, right, False)

    def bit_generator(self, place, left, right, own):
        """What it was seeded by is no part of its state, and lost by setting that."""
        self.push(f"{place}: its state", left.state, right.state, own)

    # Everything else

    def reduced(self, place, left, right, own):
        try:
            made, other = left.__reduce_ex__(4), right.__reduce_ex__(4)
        except Exception:
            return  # what does not pickle cannot be compared
        self.kept += (made, other)
        if isinstance(made, str) or isinstance(other, str):
            if made != other:
                raise Difference(place, words(left), words(right))
            return
        own = own and is_notebooks(type(left))
        made, other = ([*each, *[None] * (5 - len(each))] for each in (made, other))
        if made[4] is not None:
            self.mapping(place, dict(made[4]), dict(other[4] or ()), own)
        if made[3] is not None:
            self.sequence(place, list(made[3]), list(other[3] or ()), own)
        self.state(place, left, made[2], other[2], own)
        self.push(place, made[1], other[1], own)
        self.push(f"{place}: its maker", made[0], other[0], False)

    def state(self, place, value, left, right, own):
        """Attributes, slots, or whatever a class makes up."""
        pairs = [isinstance(each, tuple) and len(each) == 2 and is_names(each[1]) for each in (left, right)]
        if all(pairs):
            self.state(place, value, left[1], right[1], own)
            left, right = left[0], right[0]
        if is_names(left or {}) and is_names(right or {}):
            self.attributes(place, type(value), left or {}, right or {}, own)
        else:
            self.push(f"{place}: its state", left, right, own)

    def attributes(self, place, kind, left, right, own):
        """They have no order, and caches may be filled on one side only."""
        for name in sorted({*left, *right}):
            if name in left and name in right:
                if not (CACHE(name) and not is_notebooks(kind)):
                    self.push(f"{place}.{name}", left[name], right[name], own)
            elif not is_cache(kind, name) and not is_left_out(kind, left.get(name, right.get(name))):
                told = ("there", "missing") if name in left else ("missing", "there")
                raise Difference(f"{place}.{name}", *told)


def wrapped_as_often(left, right):
    """A class that travels by value is announced to its base a second time; scikit-learn's bases then wrap methods that
    they have wrapped before. One wrapper or two of a kind do the same."""
    inner = getattr(right, "__wrapped__", None)
    again = hasattr(left, "__wrapped__") and hasattr(inner, "__code__") and code(right.__code__) == code(inner.__code__)
    return inner if again and code(left.__code__) == code(right.__code__) else right


#: For these a subclass is not enough.
EXACT = (list, tuple, dict, set, frozenset)
CONTAINERS = [
    (list, Walk.sequence),
    (tuple, Walk.sequence),
    (dict, Walk.mapping),
    (set, Walk.set),
    (frozenset, Walk.set),
    (type, Walk.type),
    (types.ModuleType, Walk.module),
    (types.FunctionType, Walk.function),
    (types.MappingProxyType, Walk.mapping),
    (property, Walk.property),
    ((staticmethod, classmethod, types.MethodType), Walk.wrapped),
    ((types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType), Walk.builtin),
    ((types.MemberDescriptorType, types.GetSetDescriptorType), Walk.descriptor),
]
LIBRARIES = [
    ("numpy", "generic", Walk.scalar),
    ("numpy", "ndarray", Walk.array),
    ("numpy.random", "BitGenerator", Walk.bit_generator),
    ("pandas", "Index", Walk.index),
    ("pandas", "Series", Walk.series),
    ("pandas", "DataFrame", Walk.frame),
    ("torch", "Tensor", Walk.tensor),
    ("matplotlib.artist", "Artist", Walk.artist),
]


def same_type(left, right):
    """A class that was shipped by value is another object of the same name."""
    return left is right or (left.__module__, left.__qualname__) == (right.__module__, right.__qualname__)


def same_atom(left, right):
    if isinstance(left, float | complex):
        return bits(left) == bits(right)
    return left == right and repr(left) == repr(right)


def bits(number):
    return struct.pack("dd", number.real, number.imag)


def same_dtype(place, left, right):
    if str(left.dtype) != str(right.dtype):
        raise Difference(place, str(left.dtype), str(right.dtype))


def same_bytes(place, left, right):
    """Of arrays of equal type and shape."""
    numpy = sys.modules["numpy"]
    flat = [numpy.ascontiguousarray(each).reshape(-1).view(numpy.uint8) for each in (left, right)]
    for start in range(0, flat[0].size, BLOCK):
        blocks = [each[start : start + BLOCK] for each in flat]
        if blocks[0].tobytes() != blocks[1].tobytes():
            unequal = int(numpy.flatnonzero(blocks[0] != blocks[1])[0]) + start
            at = unequal // left.itemsize
            items = [numpy.ascontiguousarray(each).reshape(-1)[at] for each in (left, right)]
            index = ", ".join(map(str, numpy.unravel_index(at, left.shape))) if left.shape else ""
            raise Difference(f"{place}[{index}]", words(items[0]), words(items[1]))


def overlap(left, right):
    return sys.modules["numpy"].may_share_memory(left, right, memory.WORK)


def owner(array):
    """The object that has an array's memory."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def code(value):
    constants = [code(each) if isinstance(each, types.CodeType) else repr(each) for each in value.co_consts]
    return value.co_code, value.co_names, value.co_varnames, constants


def captured(function):
    """What a closure has captured; a variable may have no value yet."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(NotImplemented)
    return found


def is_names(value):
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def is_notebooks(kind):
    return kind.__module__ == "__main__" or kind.__module__ in ("builtins", "collections", "functools", "types")


def is_cache(kind, name):
    """Whether an attribute that is there on one side only is one that the class fills when it is asked for it."""
    if CACHE(name):
        return True
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    is_getter = hasattr(type(found), "__get__") and not hasattr(type(found), "__set__")
    return is_getter and not isinstance(found, types.FunctionType)


def is_left_out(kind, value):
    """Whether an attribute that is there on one side only says nothing, and a library's class does not restore it."""
    is_empty = value is None or (type(value) in (dict, list, tuple, set) and not value)
    return is_empty and not is_notebooks(kind) and hasattr(kind, "__setstate__")


def words(value):
    if type(value) in ATOMS or getattr(type(value), "__module__", "") == "numpy":
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"a `{type(value).__name__}`"
