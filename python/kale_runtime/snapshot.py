"""A checksum that changes when values change, taken without running a line of the notebook's code.

The values are pickled into a checksum. Pickling would call `__reduce__` and `__getstate__` of the notebook's classes,
which may print or count, so instances of these are taken apart by their attributes, slots and items instead. Classes,
functions and modules count by what they hold, not by name, and what does not pickle counts by its identity. Iterators
are copied by their own `__reduce__` and not consumed.

The checksum is for mistakes and not for attackers: CRC-32 runs at 6 GB/s, and misses one change in 4 thousand million.
It may differ for equal values (a cached property was read, a frame's blocks were joined), so a difference is a reason
to compare, and equality is the proof.

With a limit the work is bounded: of the objects the first `OBJECTS` bytes of their pickle count, and how many there are
in a list; of the buffers (arrays, frames) `BUFFERS` bytes, taken as pages that are spread evenly.
"""

import copyreg
import pickle
import sys
import types
import zlib

OBJECTS = 2 << 20
BUFFERS = 64 << 20
PAGE = 4096
ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range)
HOOKS = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__", "__getattr__")
HOOKS += ("__getattribute__", "__iter__", "items")
#: What Python itself puts into a class.
OF_CLASSES = {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__static_attributes__"}
OF_CLASSES |= {"__firstlineno__", "__slots__", "__annotate_func__", "__annotations_cache__", "_abc_impl"}
OF_CLASSES |= {"__slotnames__", "__abstractmethods__"}
CONTAINERS = (dict, list, tuple, set, frozenset)
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)


class Snapshot:
    """`whole` is false when the limit left something out."""

    def __init__(self, checksum, whole):
        self.checksum, self.whole = checksum, whole

    def __eq__(self, other):
        return self.checksum == other.checksum


class Full(Exception):
    pass


def take(values, is_own, limited=True):
    """`None` when it cannot be had. `is_own` tells by a module's name whether its classes are the notebook's."""
    sink = Sink(limited)
    if type(values) in CONTAINERS:
        sink.add(str(len(values)).encode())
    try:
        Reader(sink, is_own).dump(values)
    except Full:
        pass
    except Exception:
        return None
    return Snapshot((sink.checksum, sink.size), sink.whole)


def is_constant(value):
    """Whether nothing about it can change."""
    kind = type(value)
    return kind in ATOMS or (kind in (tuple, frozenset) and all(map(is_constant, value)))


class Sink:
    def __init__(self, limited):
        self.checksum, self.size, self.whole = 0, 0, True
        self.objects, self.buffers = (OBJECTS, BUFFERS) if limited else (sys.maxsize, sys.maxsize)

    def write(self, data):
        self.add(data)
        self.objects -= len(data)
        if self.objects < 0:
            self.whole = False
            raise Full

    def add(self, data):
        self.checksum = zlib.crc32(data, self.checksum)
        self.size += len(data)

    def buffer(self, buffer):
        with buffer.raw() as view:
            room = max(self.buffers, PAGE)
            self.buffers -= view.nbytes
            if view.nbytes <= room:
                self.add(view)
                return
            self.whole = False
            stride = view.nbytes * PAGE // room
            for start in range(0, view.nbytes - PAGE, stride):
                self.add(view[start : start + PAGE])
            self.add(view[-PAGE:])


class Reader(pickle.Pickler):
    """Never to be read back: it stands for the values, and does not hold them."""

    def __init__(self, sink, is_own):
        super().__init__(sink, 5, buffer_callback=sink.buffer)
        self.is_own, self.hooks = is_own, {}

    def reducer_override(self, value):
        if value is stands_for:
            return NotImplemented
        if isinstance(value, type):
            return self.class_(value)
        if isinstance(value, FUNCTIONS):
            return function(value)
        if isinstance(value, types.ModuleType):
            return stands_for, (value.__name__,)
        if isinstance(value, types.CellType):
            return cell(value)
        if isinstance(value, types.CodeType):
            return stands_for, (value.co_code, value.co_names, value.co_consts)
        kind = type(value)
        if kind not in self.hooks:
            self.hooks[kind] = has_hooks(kind, self.is_own)
        return taken_apart(value, kind) if self.hooks[kind] else reduced(value, kind)

    def class_(self, value):
        name = f"{value.__module__}.{value.__qualname__}"
        if not self.is_own(value.__module__):
            return stands_for, (name,)
        held = {key: each for key, each in vars(value).items() if key not in OF_CLASSES and not is_descriptor(each)}
        return stands_for, (name,), held


def stands_for(*_):
    """What the pickle calls; nobody does."""


def is_descriptor(value):
    """Getters of slots and the like, which Python makes itself."""
    return isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType))


def function(value):
    name = f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__module__") else value.__qualname__
    if not isinstance(value, types.FunctionType):
        return stands_for, (name,)
    return (
        stands_for,
        (name, value.__code__),
        [value.__defaults__, value.__kwdefaults__, value.__closure__, value.__dict__],
    )


def cell(value):
    try:
        return stands_for, (), value.cell_contents
    except ValueError:
        return stands_for, ()


def has_hooks(kind, is_own):
    """Whether pickling an instance would run code of the notebook."""
    own = [each for each in kind.__mro__ if is_own(each.__module__)]
    return any(name in vars(each) for each in own for name in HOOKS)


def taken_apart(value, kind):
    """An instance of a class of the notebook that has a say in how it is pickled."""
    container = next((base for base in CONTAINERS if isinstance(value, base)), None)
    items = None
    if container is dict:
        items = list(dict.items(value))
    elif container is not None:
        items = list(container.__iter__(value))
    return stands_for, (f"{kind.__module__}.{kind.__qualname__}",), [attributes(value, kind), items]


def attributes(value, kind):
    found = {}
    for base in kind.__mro__:
        for name, each in vars(base).items():
            if isinstance(each, types.MemberDescriptorType):
                try:
                    found[name] = each.__get__(value)
                except AttributeError:
                    continue
    try:
        found.update(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        pass
    return found


def reduced(value, kind):
    try:
        known = copyreg.dispatch_table.get(kind)
        made = known(value) if known else kind.__reduce_ex__(value, 5)
    except Exception:
        return opaque(value, kind)
    return (stands_for, (made,)) if isinstance(made, str) else made


def opaque(value, kind):
    return stands_for, (f"{kind.__module__}.{kind.__qualname__}", id(value))
