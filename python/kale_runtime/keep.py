"""Stores what a step leaves in its namespace and no later step needs, for `restore`.

What travels to other steps is stored by the step's program (`["save", ...]`), right behind the cell that makes it. All
other variables that the cells bind or change are stored here, after the result is written: the step has succeeded by
then, and nothing that happens here can change that. Variables that may share objects go into one pickle, so that they
share them again when they are put back. What definitions bind is not stored: it is executed again.

Request: {"folder": path, "bytes": how much may be stored}. In the folder, at the very end and by a rename:

    kept.json  {"groups": [{"names": ["a", "b"], "kind": "value" | "callable" | "rng:numpy", "cell": 5, "file": "0",
                            "bytes": n} or the same with "artifact": key in place of "file" and "bytes"],
                "unbound": [[name, cell]], "lost": [[name, cell, type, reason]]}

`cell` is the last cell of the step that bound or changed one of the names.
"""

import os
import re
import sys
import types

from kale_runtime import classes, mapped, sharing
from kale_runtime import step as core

#: Of a pickling error's text; some quote the value.
LONGEST_REASON = 200


#: What was shown last, and what else a shell binds by itself.
OF_IPYTHON = re.compile(r"__\w+__|_+\d*|_i+\d*|_[oid]h|In|Out").fullmatch
#: Nothing is shared by these that could be told from a copy.
ATOMS = (bool, bytes, complex, float, int, str, type(None))
MODULES_AND_DEFINED = (types.ModuleType, *classes.DEFINED)


class TooLarge(Exception):
    pass


class Limited:
    """A file that takes no more than a number of bytes."""

    def __init__(self, file, room):
        self.file, self.room, self.size = file, room, 0

    def write(self, data):
        size = memoryview(data).nbytes
        if self.size + size > self.room:
            raise TooLarge
        self.size += size
        return self.file.write(data)

    def fileno(self):
        return self.file.fileno()


class Keeper:
    """Follows the variables of a step from cell to cell. `rows` are the compiler's claims about the cells."""

    def __init__(self, step, request, rows):
        self.step, self.folder, self.room = step, request["folder"], request["bytes"]
        self.claims = {row["cell"]: row for row in rows or ()}
        self.last, self.remade, self.saved, self.given = {}, set(), {}, {}
        self.groups, self.generators = sharing.Groups(), set()
        self.bound_here = {name for claim in self.claims.values() for name in claim.get("binds", ())}
        self.lost, self.files = [], 0

    # While the step runs

    def loaded(self, kind, names, anew):
        if kind in ("value", "callable"):
            self.groups.fresh(anew)
            self.groups.join(names)
            self.given.update((name, id(self.step.names[name])) for name in names if name in self.step.names)

    def stored(self, key, kind, names):
        if kind in ("value", "callable"):
            self.saved.update(dict.fromkeys(names, key))

    def after(self, cell):
        claim = self.claims.get(cell, {"unseen": True})
        unseen = claim.get("unseen", False)
        binds, changes = set(claim.get("binds", ())), set(claim.get("changes", ()))
        bound = {name for name, (value, at) in self.step.bound.items() if at == cell and self.given.get(name) != value}
        touched = binds | changes | bound | (self.values() if unseen else set())
        self.groups.unknown |= unseen
        self.groups.fresh(binds)
        for names in claim.get("groups", ()):
            self.groups.join(names)
        self.generators.update(claim.get("generators", ()))
        self.remade -= touched
        self.remade |= set(claim.get("remade", ())) - changes
        for name in touched:
            self.last[name] = cell
            self.saved.pop(name, None)

    def values(self):
        """Code that cannot be seen into may have changed any of them."""
        return {name for name, value in self.step.names.items() if not isinstance(value, MODULES_AND_DEFINED)}

    # When it is done

    def write(self, save):
        groups = [group for names in self.components() if (group := self.group(names))]
        groups += [group for name in sorted(self.generators) if (group := self.generator(name))]
        unbound, lost = [], self.lost
        for name, cell in sorted(self.last.items()):
            if name in self.step.names:
                continue
            if name in self.bound_here or name in self.step.bound:
                unbound.append([name, cell])
            else:
                lost.append([name, cell, None, "it was changed through another variable, and was not here itself"])
        save(os.path.join(self.folder, "kept.json"), {"groups": groups, "unbound": unbound, "lost": lost})

    def components(self):
        """Variables that are to be stored, those that may share objects together, in a fixed order."""
        names = self.step.names
        hidden = getattr(self.step.shell, "user_ns_hidden", ())
        own = {n for n in self.last if n in self.bound_here or not (n in hidden or OF_IPYTHON(n))}
        wanted = sorted(name for name in own if name in names and name not in self.remade)
        components = {}
        for name in wanted:
            components.setdefault(self.root(name), {name})
        for name in set(self.groups.nodes) & set(names) | set(wanted):
            if self.root(name) in components and not isinstance(names[name], types.ModuleType):
                components[self.root(name)].add(name)
        return [sorted(each) for each in components.values()]

    def root(self, name):
        if type(self.step.names.get(name)) in ATOMS:
            return ("atom", name)
        return None if self.groups.unknown else self.groups.root(name)

    def group(self, names):
        keys = {self.saved.get(name) for name in names}
        if len(keys) == 1 and None not in keys:
            return {"names": names, "kind": "value", "cell": self.cell(names), "artifact": keys.pop()}
        try:
            return self.pickled(names)
        except Exception as error:
            if len(names) == 1:
                return self.lose(names, error)
        good = [name for name in names if self.can_be_pickled(name)]
        try:
            return self.pickled(good) if good else None
        except Exception as error:
            return self.lose(good, error)

    def cell(self, names):
        return max(self.last[name] for name in names if name in self.last)

    def lose(self, names, error):
        for name in names:
            kind = type(self.step.names[name])
            reason = f"more than the {size(self.room)} that are left of what may be stored"
            if not isinstance(error, TooLarge):
                reason = (str(error) or type(error).__name__)[:LONGEST_REASON]
            self.lost.append([name, self.last.get(name), f"{kind.__module__}.{kind.__qualname__}", reason])

    def can_be_pickled(self, name):
        try:
            with open(os.devnull, "wb") as nowhere:
                self.dump([name], nowhere)
        except Exception as error:
            self.lose([name], error)
            return False
        return True

    def pickled(self, names):
        path = os.path.join(self.folder, str(self.files))
        self.files += 1
        try:
            with open(path, "wb") as file:
                kind, written = self.dump(names, file)
        except BaseException:
            os.remove(path)
            raise
        self.room -= written
        group = {"names": names, "kind": kind, "cell": self.cell(names)}
        return {**group, "file": os.path.basename(path), "bytes": written}

    def dump(self, names, file):
        """Pickles variables, by reference to definitions where that is possible; says how, and how many bytes."""
        values = {name: self.step.names[name] for name in names}
        kinds = self.kinds(values)
        for kind in kinds:
            limited = Limited(file, self.room)
            try:
                mapped.dump(values, limited, kind, self.definitions(values))
                return kind, limited.size
            except Exception as error:
                if kind == kinds[-1] or isinstance(error, TooLarge):
                    raise
                if file.seekable() and file.name != os.devnull:
                    file.seek(0)
                    file.truncate()

    def definitions(self, values):
        """Names of what is executed again before the values are put back."""
        others = {*values, *self.given, *(set(self.last) - self.remade)}
        return [name for name in self.step.names if name not in others]

    def kinds(self, values):
        """A function or class that no definition makes must be stored by value: its name leads nowhere."""
        for value in values.values():
            if isinstance(value, MODULES_AND_DEFINED) and getattr(value, "__module__", None) == "__main__":
                return ("callable",)
        return ("value", "callable")

    def generator(self, name):
        path = os.path.join(self.folder, str(self.files))
        try:
            with open(path, "wb") as file:
                core.dump(core.generator(name, "get"), file, "rng")
        except Exception:
            return None  # a module that was never imported here has no state
        self.files += 1
        cells = [cell for cell, claim in self.claims.items() if name in claim.get("generators", ())]
        group = {"names": [], "kind": f"rng:{name}", "cell": max(cells)}
        return {**group, "file": os.path.basename(path), "bytes": os.path.getsize(path)}


def size(number):
    """`12 MiB`."""
    power = min(3, max(0, number.bit_length() - 1) // 10)
    return f"{number >> 10 * power} {('B', 'KiB', 'MiB', 'GiB')[power]}"


class Silence:
    """While values are pickled, their classes may print; the log of the step is closed by then."""

    def __enter__(self):
        sys.stdout.flush()
        self.kept = [os.dup(1), os.dup(2)]
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.close(nothing)

    def __exit__(self, *_):
        sys.stdout.flush()
        for number, copy in enumerate(self.kept, 1):
            os.dup2(copy, number)
            os.close(copy)


class Nothing:
    """In place of a keeper where nothing is to be kept."""

    def loaded(self, kind, names, anew):
        return

    def stored(self, key, kind, names):
        return

    def after(self, cell):
        return

    def write(self, save):
        return


def make(step, request, rows):
    return Keeper(step, request, rows) if request else Nothing()


def write(keeper, save):
    """The step has succeeded, whatever happens here. `save` writes a JSON file as a whole or not at all."""
    try:
        with Silence():
            keeper.write(save)
    except BaseException:
        return
