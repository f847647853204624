"""Holds a step against what the compiler promised about it.

The compiler decides what cannot be decided before a run: which objects a C function changes, which names share an
object, which files a call touches. It takes the worst case where it does not know, and elsewhere it believes something.
Its beliefs come with the step as *claims*, one row per cell, each an upper bound of what the cell does:

    facts of the analysis --claims.rs--> Pipeline (Step.claims) --request.rs--> REQUEST.json "claims" --> here
    a violation --> `core.StepError` --> result.json --> fault.rs --> a diagnostic that names cell and variable

    {"cell": 3, "reads": ["df"], "binds": ["X"], "changes": [], "optional": [], "groups": [["X", "df"]],
     "files": {"reads": [...], "writes": [...]}, "resources": ["network"], "generators": ["numpy"],
     "seeded": ["random"], "settings": ["pandas"]}

What is checked, when, and what it is called (the numbers are those of the specification):

R1  After a cell: each value that was loaded or stored in this step, and that the cell does not claim to bind or to
    change, is the same object (always) with the same content (`snapshot.py`). A checksum that differs is confirmed by
    reading the stored value back and comparing (`compare.py`). -> undeclared-change
R2  An error that asks for a variable that the step was not given (`NameError`, mostly). The engine knows whether an
    earlier cell binds it. -> undeclared-read
R3  At the end (`full`): two variables that travel share an object only if they are in one alias group.
    -> undeclared-sharing
R4  Before a save: a variable is bound unless it may be missing. -> missing-output
R5  After a cell: global generators that the notebook has seeded, and settings of the process, are as before unless the
    cell claims to use them (`process_state.py`). -> undeclared-randomness, undeclared-setting
    Files and the world beyond are noted (`audit.py`); whether a touch that no claim covers matters depends on the other
    steps, so the engine judges it. -> undeclared-resource, unforeseen-resource
R6  After a save (`full`): what is read back equals what was stored. -> value-not-faithful

`inputs` does R1 within the limits of `snapshot.py`, and after a cell only for what the cell reads (and at the end for
the rest); `full` without limits. What was left out is told: not-verified.

Nothing changes by being looked at: no random number is drawn, no iterator consumed, no attribute asked for, none of the
notebook's code run in this process. Reading back and comparing, which may run some, happen in a copy of it (`fork`).
"""

import os
import re
import sys

from kale_runtime import classes, compare, mapped, process_state, sharing, snapshot
from kale_runtime import step as core
from kale_runtime.claims import Claim, Reach
from kale_runtime.forked import FAILED, in_a_copy

PYTHONS = {*sys.stdlib_module_names, "IPython", "traitlets", "decorator"}


class Off:
    """The verifier that looks at nothing."""

    def before(self, cell):
        return

    after = before

    def loaded(self, key, kind, names, anew):
        return

    def before_save(self, key, kind, names):
        return

    saved = before_save

    def defined(self):
        return

    finish = defined

    def missing(self, error):
        return None

    def touched(self):
        return []


class Watch:
    """A value that is stored elsewhere, too, and must stay what is stored."""

    def __init__(self, name, value, kind, path, definitions):
        self.name, self.value, self.kind, self.path = name, value, kind, path
        #: What names meant when it was stored.
        self.definitions = definitions
        self.snapshot, self.since = None, []


def make(step, level, rows):
    """`rows` is `None` for a step that nobody has analysed: nothing was promised."""
    return Off() if level in (None, "off") or rows is None else Verifier(step, level == "full", rows)


class Verifier:
    def __init__(self, step, full, rows):
        self.step, self.full = step, full
        self.claims = {row["cell"]: Claim(row) for row in rows}
        #: Cells that are still to run, in order.
        self.ahead = [row[1] for row in step.plan["program"] if row[0] == "run"]
        self.given, self.watches, self.left_out = set(), [], {}
        self.groups, self.shipped = sharing.Groups(), {}
        self.local = {}

    # What comes in and goes out

    def loaded(self, key, kind, names, anew):
        if kind in ("value", "callable"):
            self.given.update(names)
            self.groups.fresh(anew)
            self.groups.join(names)
            self.watch(kind, names, self.step.path(self.step.inputs, key))

    def defined(self):
        """After a definition was executed again: whatever it bound, the step has it, and what it deleted is gone."""
        self.given.update(self.step.names)
        self.watches = [watch for watch in self.watches if self.step.names.get(watch.name) is watch.value]

    def before_save(self, key, kind, names):
        claim = self.claims.get(self.step.cell)
        if kind not in ("value", "callable") or claim is None or claim.unseen:
            return
        for name in names:
            if name not in self.step.names and name not in claim.optional:
                text = f"`{name}` should be bound after this cell, for a later step, and it is not"
                raise core.StepError("missing-output", text, claim.cell)

    def saved(self, key, kind, names):
        if kind not in ("value", "callable"):
            return
        path = self.step.path(self.step.outputs, key)
        if self.full:
            self.round_trip(kind, names, path)
        self.watch(kind, names, path)

    def watch(self, kind, names, path):
        """Values of which a cell to come claims that it leaves them alone."""
        definitions = {name: each for name, each in self.step.names.items() if isinstance(each, classes.DEFINED)}
        for name in names:
            value = self.step.names.get(name)
            self.shipped[name] = value
            self.watches = [watch for watch in self.watches if watch.name != name]
            if name in self.step.names and self.ahead and self.claim(self.ahead[0]).leaves(name):
                self.watches.append(self.look_at(Watch(name, value, kind, path, definitions)))

    def look_at(self, watch):
        if not snapshot.is_constant(watch.value):
            watch.snapshot = self.snapshot(watch.value)
            if watch.snapshot is None or not watch.snapshot.whole:
                self.left_out.setdefault(watch.name, watch.snapshot is None)
        return watch

    def snapshot(self, value):
        return snapshot.take(value, self.is_own, not self.full)

    def is_own(self, module):
        """Whether a module is the notebook or lies beside it."""
        if module not in self.local:
            file = getattr(sys.modules.get(module), "__file__", None) or ""
            self.local[module] = module == "__main__" or self.step.audit.is_beside(file)
        return self.local[module]

    # Around a cell

    def claim(self, cell):
        return self.claims.get(cell) or Claim({"cell": cell, "unseen": True})

    def before(self, cell):
        self.ahead.remove(cell)
        self.packages, self.environment = packages(), dict(os.environ._data)
        self.generators, self.settings = process_state.generators(), process_state.settings()

    def after(self, cell):
        claim = self.claim(cell)
        self.given.update(claim.binds, self.step.names)
        self.groups.fresh(claim.binds)
        for names in claim.groups:
            self.groups.join(names)
        self.watches = [watch for watch in self.watches if claim.leaves(watch.name)]
        if claim.unseen:
            self.groups.unknown = True
            return
        self.check_generators(claim)
        self.check_settings(claim)
        for watch in self.watches:
            self.check_value(watch, claim)

    def check_generators(self, claim):
        for name, state in process_state.generators().items():
            known = self.generators.get(name)
            used = process_state.is_drawn_from(name, state) if known is None else known != state
            if name in claim.seeded and used:
                text = f"the global random generator of `{name}`, which an earlier cell has seeded, is used here"
                text += ", and the analysis did not see it: later cells of other steps would draw other numbers"
                raise core.StepError("undeclared-randomness", text, claim.cell)

    def check_settings(self, claim):
        if "" in claim.settings or claim.independent:
            return
        found = self.changed_variable() or self.changed_setting(claim)
        if found:
            text = f"this cell changes {found}, and the analysis did not see it: later steps would not have the change"
            raise core.StepError("undeclared-setting", text, claim.cell)

    def changed_variable(self):
        """An environment variable; what imports set, every step that imports the same sets, too."""
        now = os.environ._data
        for name in self.step.audit.environment_changes:
            raw = os.environ.encodekey(name)
            if now.get(raw) != self.environment.get(raw):
                return f"the environment variable `{name}`"
        return None

    def changed_setting(self, claim):
        """Importing a library changes settings by right, and every step that needs the library imports it."""
        imported = packages() != self.packages
        for name, (module, value) in process_state.settings().items():
            known = self.settings.get(name, (module, value))
            by_import = imported and name not in ("the working directory", "the recursion limit")
            claimed = module in claim.settings or (module == "matplotlib" and "seaborn" in claim.settings)
            if known[1] != value and not by_import and not claimed:
                return name
        return None

    def check_value(self, watch, claim):
        watch.since.append(claim.cell)
        if self.step.names.get(watch.name) is not watch.value:
            self.violated(watch, claim, f"`{watch.name}` is bound anew here")
        if watch.snapshot is None or not (self.full or watch.name in claim.reads or not self.ahead):
            return
        new = self.snapshot(watch.value)
        if new is None or new == watch.snapshot:
            watch.since = []
            return
        found = in_a_copy(lambda: changed(watch))
        if found is FAILED:
            self.left_out[watch.name] = True
        elif found:
            place, before, now = found
            self.violated(watch, claim, f"`{watch.name}{place}` changes here from {before} to {now}")
        watch.snapshot, watch.since = new, []

    def violated(self, watch, claim, what):
        others = [str(cell) for cell in watch.since if cell != claim.cell]
        text = f"{what}{', or in cell ' + ', '.join(others) if others else ''}, and the analysis did not see it"
        text += ": other steps would have the value from before"
        raise core.StepError("undeclared-change", text, claim.cell)

    def round_trip(self, kind, names, path):
        values = {name: self.step.names[name] for name in names if name in self.step.names}
        if all(map(snapshot.is_constant, values.values())):
            return
        found = in_a_copy(lambda: differs_from_stored(values, kind, path))
        if found is FAILED:
            self.left_out.update(dict.fromkeys(values, True))
        elif found:
            place, live, stored = found
            place = re.sub(r"^\['(\w+)'\]", r"\1", place)
            text = f"`{place}` does not survive being stored: it is {live}, and what is read back is {stored}"
            raise core.StepError("value-not-faithful", text, self.step.cell)

    # At the end

    def finish(self):
        if self.full and not self.groups.unknown:
            self.check_sharing()
        reasons = ((False, "large, so only a part of it was compared"), (True, "nothing that can be compared"))
        for nothing, why in reasons:
            names = [f"`{name}`" for name, left in self.left_out.items() if left == nothing]
            if names:
                text = f"Whether a cell changes {', '.join(names)} was not fully checked: the value is {why}."
                self.step.note("not-verified", text, "`--verify full` compares values of any size.")

    def check_sharing(self):
        holders = {}
        held = self.of_libraries()
        for name, value in self.shipped.items():
            if self.step.names.get(name) is not value:
                continue
            for each in sharing.mutable_parts(value, held):
                other = holders.setdefault(id(each), name)
                if not self.groups.together(name, other):
                    cell = max(self.step.bound.get(one, (None, -1))[1] or 0 for one in (name, other))
                    text = f"`{other}` and `{name}` share a `{type(each).__name__}`, and the analysis takes them for"
                    text += " separate: in another step each would have a copy"
                    raise core.StepError("undeclared-sharing", text, cell)

    def of_libraries(self):
        """What modules hold belongs to them, and is there in every process."""
        modules = [vars(module) for name, module in list(sys.modules.items()) if not self.is_own(name)]
        loggers = getattr(getattr(sys.modules.get("logging"), "root", None), "manager", None)
        held = [value for names in modules for value in list(names.values())]
        return {id(value) for value in [*held, *getattr(loggers, "loggerDict", {}).values()]}

    def missing(self, error):
        """The variable that an error asks for in vain, when the step was never given it."""
        while isinstance(error, core.StepError) and error.__cause__:
            error = error.__cause__
        name = asked_for(error, self.step.main)
        return None if name in self.given else name

    def touched(self):
        """Rows `[cell, "read", path, whether it was claimed]` of files and the like."""
        reach = Reach(self.step.audit)
        rows = [(self.claim(cell), how, what) for cell, how, what in self.step.audit.touched]
        return [[c.cell, how, what, reach.claims(c, how, what)] for c, how, what in rows if not c.independent]


def asked_for(error, main):
    """The name of a global variable that code, `__main__.name`, or a value that is read back has asked for."""
    name, text = getattr(error, "name", None), str(error)
    if type(error) is NameError and text.startswith(f"name {name!r}"):
        return name
    if not isinstance(error, AttributeError):
        return None
    unpickled = re.match(r"Can't get attribute '(\w+)[\w.]*' on <module '__main__'", text)
    return unpickled[1] if unpickled else name if getattr(error, "obj", None) is main else None


def packages():
    """What is imported and could have settings; Python and IPython import parts of themselves when they like."""
    return {name for name in list(sys.modules) if "." not in name} - PYTHONS


def stored(kind, path):
    with open(path, "rb") as file:
        return mapped.load(file, kind)


def changed(watch):
    """How a value differs from what is stored of it; in a process of its own, since names may mean others by now."""
    vars(sys.modules["__main__"]).update(watch.definitions)
    found = compare.difference(stored(watch.kind, watch.path)[watch.name], watch.value)
    return found and found.args


def differs_from_stored(values, kind, path):
    found = compare.difference(values, stored(kind, path))
    return found and found.args
