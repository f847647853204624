"""Arrays over common memory: an array and a view of it that one object holds stay what they are.

Numpy pickles every array by itself. Here arrays that overlap are written as one buffer, from the first byte of them to
the last, and each as a place in it. An array that overlaps with no other one is written as ever, a view with its own
elements only. Which do is known from a look ahead: at the first array the values are pickled into nothing, without what
is in arrays.

A pickle of that needs nothing of ours to be read. Travels behind `step.py`, in the same namespace and by the same rule,
in steps with requirements only: numpy is one.
"""

import bisect
import itertools
import os
import sys
import types

# So many arrays in one place, and so much work for two of them, are compared exactly. Of more the bounds must do.
MANY, WORK = 64, 10_000


def writing_arrays(base, values):
    """Gives a function from an array to its reduction; `base` is a pickler's class."""
    numpy = sys.modules.get("numpy")
    places = []

    def reduction(value):
        if not is_plain(value, numpy):
            return masked(value)
        if not places:
            places.append(Places(base, values, numpy))
        return places[0].reduction(value)

    return reduction


class Places:
    """Where arrays overlap: `buffers` has the first byte, the end, and what is between as an array."""

    def __init__(self, base, values, numpy):
        self.numpy, self.arrays, self.apart = numpy, [], {}
        try:
            with open(os.devnull, "wb") as nothing:
                self.ahead(base)(nothing, 5).dump(values)
        except Exception:
            self.arrays.clear()  # it will fail again, where that is told
        self.buffers = list(self.overlaps())
        self.exempt = {*self.apart, *(id(memory) for _, _, memory in self.buffers)}

    def ahead(self, base):
        def note(pickler, value):
            kind = type(value)
            if hasattr(kind, "mgr_locs") and hasattr(kind, "refs") and value.refs.has_reference():
                # Of pandas' tables that have this in common, each writes to a copy.
                held = [value.values, *(getattr(value.values, name, None) for name in ("_ndarray", "_data", "_mask"))]
                self.apart.update((id(each), each) for each in held)
            if is_plain(value, self.numpy) and id(value) not in self.apart and value.size:
                if value.dtype.kind == "O":
                    self.arrays.append(value)
                elif not value.dtype.hasobject:
                    self.arrays.append(value)
                    return int, ()
            return (int, ()) if hasattr(kind, "grad_fn") else NotImplemented

        # Dill tells its own picklers by their module.
        return type("Pickler", (base,), {"reducer_override": note, "__module__": base.__module__})

    def overlaps(self):
        groups = []
        for low, high, array in sorted(((*bounds(array), array) for array in self.arrays), key=lambda row: row[0]):
            if groups and low < groups[-1][1]:
                groups[-1][1] = max(high, groups[-1][1])
                groups[-1][2].append(array)
            else:
                groups.append([low, high, [array]])
        for low, high, group in groups:
            if len(group) > 1 and self.share(group):
                yield low, high, self.memory(low, high, group[0].dtype.kind == "O")

    def share(self, group):
        pairs = itertools.combinations(group, 2)
        return len(group) > MANY or any(self.numpy.may_share_memory(*pair, WORK) for pair in pairs)

    def memory(self, low, high, objects):
        kind, size = ("|O", 8) if objects else ("|u1", 1)
        interface = {"data": (low, False), "shape": ((high - low) // size,), "typestr": kind, "version": 3}
        return self.numpy.asarray(types.SimpleNamespace(__array_interface__=interface))

    def reduction(self, value):
        low, high = bounds(value)
        at = bisect.bisect(self.buffers, low, key=lambda row: row[0]) - 1
        if at < 0 or high > self.buffers[at][1] or not value.size or id(value) in self.exempt:
            return NotImplemented
        first, _, memory = self.buffers[at]
        offset = value.__array_interface__["data"][0] - first
        arguments = type(value), value.shape, value.dtype, memory, offset, value.strides
        writeable, kind = None if value.flags.writeable else False, self.numpy.ndarray
        return kind.__new__, arguments, writeable, None, None, kind.setflags


class Reduced:
    """Stands for what comes of a reduction."""

    def __init__(self, *reduction):
        self.reduction = reduction

    def __reduce__(self):
        return self.reduction


def masked(value):
    """The reduction of a masked array that has no mask, or a hard one: numpy's own forgets that."""
    ma = sys.modules.get("numpy.ma")
    kind = getattr(ma, "MaskedArray", None)
    if kind is None or not isinstance(value, kind) or type(value).__reduce__ is not kind.__reduce__:
        return NotImplemented
    reduction = value.__reduce__()
    if value._mask is ma.nomask:
        reduction = kind.shrink_mask, (Reduced(*reduction),)
    if value.hardmask:
        reduction = kind.harden_mask, (Reduced(*reduction),)
    return reduction


def is_plain(value, numpy):
    """Whether a value is an array that numpy itself pickles, such as one on a file. (A masked one is two arrays.)"""
    kind = getattr(numpy, "ndarray", None)
    return kind is not None and isinstance(value, kind) and type(value).__reduce__ is kind.__reduce__


def bounds(array):
    """The first byte of an array, and the end."""
    low = array.__array_interface__["data"][0]
    high = low + array.itemsize
    for length, stride in zip(array.shape, array.strides, strict=True):
        low += min((length - 1) * stride, 0)
        high += max((length - 1) * stride, 0)
    return low, high
