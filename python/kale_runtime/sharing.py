"""Which variables share objects, and which may."""

import enum
import sys
import types

from kale_runtime import compare, snapshot

#: Values that stand for themselves: nobody minds who shares them.
SHARED = (type, types.ModuleType, types.BuiltinFunctionType, enum.Enum)


class Groups:
    """Which variables may share objects: a union-find forest. A variable that is bound anew leaves its group."""

    def __init__(self):
        self.nodes, self.parents, self.unknown = {}, [], False

    def fresh(self, names):
        for name in names:
            self.nodes[name] = len(self.parents)
            self.parents.append(len(self.parents))

    def join(self, names):
        roots = [self.root(name) for name in names]
        for root in roots[1:]:
            self.parents[root] = roots[0]

    def root(self, name):
        if name not in self.nodes:
            self.fresh([name])
        at = self.nodes[name]
        while self.parents[at] != at:
            at = self.parents[at]
        return at

    def together(self, one, other):
        return one == other or self.root(one) == self.root(other)


def mutable_parts(value, left_out):
    """Objects below a value that could change. Classes, functions without captured variables, and modules are none."""
    todo, seen = [value], set()
    while todo:
        each = todo.pop()
        kind = type(each)
        if kind in snapshot.ATOMS or isinstance(each, SHARED) or id(each) in seen or id(each) in left_out:
            continue
        seen.add(id(each))
        if isinstance(each, types.FunctionType):
            todo += [*compare.captured(each), each.__defaults__, each.__kwdefaults__, each.__dict__ or None]
            continue
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if hasattr(numpy, "ndarray") and isinstance(each, numpy.ndarray):
            yield compare.owner(each)
            todo += each.ravel().tolist() if each.dtype.hasobject and not each.dtype.names else []
        elif hasattr(pandas, "DataFrame") and isinstance(each, pandas.DataFrame | pandas.Series):
            yield each  # its columns are copied when they are written to
        elif not (hasattr(pandas, "Index") and isinstance(each, pandas.Index)):
            parts, changes = parts_of(each, kind)
            todo += parts
            if changes:
                yield each


def parts_of(value, kind):
    """What an object refers to, and whether it can change itself."""
    if kind in (tuple, frozenset):
        return list(value), False
    if isinstance(value, dict):
        return [*dict.keys(value), *dict.values(value), *snapshot.attributes(value, kind).values()], True
    container = next((base for base in (list, tuple, set, frozenset) if isinstance(value, base)), None)
    items = list(container.__iter__(value)) if container else []
    attributes = snapshot.attributes(value, kind)
    return items + list(attributes.values()), bool(attributes) or container in (list, set) or kind is bytearray
