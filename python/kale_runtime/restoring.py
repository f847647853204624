"""Puts a run's namespace back into the module `__main__` of this process: what `kale_rs.restore` does.

The verb says what to do (`rust/kale_verbs/src/restore/namespace.rs`): definitions are executed again, values are
unpickled, those of one alias group together. What fails is told, and does not keep the rest from coming back.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kale_runtime import mapped, sharing
from kale_runtime import step as core

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: Flags of code that `from __future__ import` sets, which hold for what comes after it.
FUTURE = 0x1FE0000


def shares(one: object, other: object) -> bool:
    """Whether a change of one value may be seen in the other."""
    parts = {id(part) for part in sharing.mutable_parts(one, ())}
    return any(id(part) in parts for part in sharing.mutable_parts(other, ()))


class Restorer:
    """`names` is the namespace of the real `__main__`: pickles find the notebook's classes there."""

    def __init__(self, shell: InteractiveShell | None) -> None:
        self.names: dict[str, Any] = sys.modules["__main__"].__dict__
        self.shell, self.flags = shell, 0
        self.texts: dict[str, list[str]] = {}
        self.bound: set[str] = set()
        #: What could not be put back, and why.
        self.failed: dict[str, str] = {}
        #: Of a variable that several pickles hold, what each of them binds that shares objects with its copy.
        self.copies: dict[tuple[str, int], list[set[str]]] = {}

    def carry_out(self, actions: list[dict[str, Any]]) -> None:
        """Carry out all actions, in their order."""
        for action in actions:
            rest = {key: value for key, value in action.items() if key != "do"}
            kinds: dict[str, Callable[..., None]] = {
                "define": self.define,
                "parameter": self.parameter,
                "unbind": self.unbind,
                "load": self.load,
                "generator": self.generator,
            }
            kinds[action["do"]](**rest)

    def define(self, cell: int, line: int, source: str) -> None:
        """Execute a definition, an import or a setting as the cell had it, at its lines."""
        before = dict(self.names)
        try:
            if source.lstrip().startswith(("%", "!")):
                self.escape(source)
            else:
                self.execute(cell, line, source)
        except Exception as error:
            self.failed[source.strip().split("\n")[0]] = f"cell {cell}: {type(error).__name__}: {error}"
        self.bound |= {name for name in self.names if self.names[name] is not before.get(name, self)}

    def escape(self, source: str) -> None:
        """Only IPython knows what its own syntax means."""
        if self.shell is not None:
            self.shell.run_cell(source, store_history=False, silent=True)

    def execute(self, cell: int, line: int, source: str) -> None:
        file = core.FILE % f"restored-{cell}"
        lines = self.texts.setdefault(file, [])
        lines += ["\n"] * (line - 1 - len(lines))
        new = [each + "\n" for each in source.split("\n")]
        lines[line - 1 : line - 1 + len(new)] = new
        linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
        code = compile("\n" * (line - 1) + source, file, "exec", self.flags, True)
        self.flags |= code.co_flags & FUTURE
        exec(code, self.names)

    def parameter(self, name: str, type: str, value: object, default: object) -> None:
        """Bind a run parameter. `rate: float = 1` stays an int, as in the notebook."""
        self.names[name] = default if value == default else core.typed(type, value)
        self.bound.add(name)

    def unbind(self, names: list[str]) -> None:
        """Forget names that are not bound, or not known, at the point."""
        for name in names:
            self.names.pop(name, None)
            self.bound.discard(name)

    def load(self, names: list[str], kind: str, path: str, copies: Iterable[tuple[str, int]] = ()) -> None:
        """Bind names of one pickle. `copies` are variables of it that another one holds, too."""
        try:
            with open(path, "rb") as file:
                values = mapped.load(file, kind)
            found = {name: values[name] for name in names if name in values}
        except Exception as error:
            self.failed.update(dict.fromkeys(names, f"cannot be read back: {type(error).__name__}: {error}"))
            return
        self.names.update(found)
        self.bound |= set(found)
        for name, cell in copies:
            sharing_it = {other for other in found if shares(values[other], values.get(name))}
            self.copies.setdefault((name, cell), []).append(sharing_it)

    def apart(self) -> dict[str, list[str]]:
        """Variables, each with those that it shared objects with in the notebook and does not any more."""
        found: dict[str, set[str]] = {}
        for each in self.copies.values():
            for names in each:
                for name in names:
                    found.setdefault(name, set()).update(*(other for other in each if other is not names))
        return {name: sorted(others) for name, others in sorted(found.items()) if others}

    def generator(self, name: str, path: str) -> None:
        """Set a global random generator to the state that it had."""
        try:
            with open(path, "rb") as file:
                core.generator(name, "set", core.pickling("rng").load(file))
        except Exception as error:
            self.failed[f"the random generator of {name}"] = f"{type(error).__name__}: {error}"
