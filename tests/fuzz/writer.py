"""Notebooks made by chance from what makes dataflow hard; the same seed gives the same notebook everywhere.

A notebook uses few names, and uses them again and again: a cell binds, aliases, changes, captures, deletes and shows
what the cells before it left. So that most notebooks run to their end, the writer knows of every name what kind of
value it is bound to (`Scope`), and of every function which global variables it will look up when it is called
(`Code.needs`). Every notebook enables a random part of the recipes only: what is rare among all of them is common in
some ("swarm testing").

    notebook = Writer(seed).write()
    notebook.sources, notebook.tags, notebook.granularity, notebook.parameters

Recipes are functions from the writer to lines of code. They are in `values`, `code`, `flow` and `outside`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

NAMES = ("a", "b", "c", "d", "e")
FUNCTIONS = ("f", "g", "h")
CLASSES = ("C", "D")
#: Local variables, by how deep the function is nested.
LOCALS = (NAMES, ("x", "y", "z"), ("s", "t", "u"), ("q", "r"))
MODULES = (
    "collections", "contextlib", "copy", "dataclasses", "functools", "itertools", "json", "os", "random", "threading",
)  # fmt: skip

#: Kinds of plain values: a list of ints, a dict of such lists (with a key `k`), a list of such lists, a pair of such a
#: list and an int, ...
PLAIN = ("list", "int", "dict", "nest", "pair", "set", "str")


@dataclass(eq=False)
class Code:
    """A function, class, instance, or container of functions: using it looks up global variables."""

    shape: tuple
    #: Global variables that a use looks up, with the shape that they must have then.
    needs: set = field(default_factory=set)


def shape(kind):
    return kind.shape if isinstance(kind, Code) else kind


@dataclass
class Scope:
    """Which names are bound for sure, and to what."""

    values: dict = field(default_factory=dict)
    #: Names that are perhaps bound.
    maybe: dict = field(default_factory=dict)
    #: Global variables that a function looks up.
    needs: set = field(default_factory=set)
    #: Names that a function declares `global` or `nonlocal`.
    declared: set = field(default_factory=set)


@dataclass
class RandomNotebook:
    seed: int
    sources: list[str]
    tags: list[list[str]]
    granularity: str | None
    parameters: dict

    def document(self) -> dict:
        rows = zip(self.sources, self.tags, strict=True)
        cells = [
            {
                "cell_type": "code",
                "id": f"cell-{index}",
                "metadata": {"tags": tags} if tags else {},
                "source": source,
                "execution_count": None,
                "outputs": [],
            }
            for index, (source, tags) in enumerate(rows)
        ]
        metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


class Writer:
    def __init__(self, seed: int):
        self.seed = seed
        self.random = random.Random(seed)
        self.scopes = [Scope()]
        self.number = 0
        #: How many blocks around may be left out: in them, names keep their kinds.
        self.fixed = 0
        self.depth = 0
        #: Names that a loop needs.
        self.reserved: set[str] = set()
        self.files: set[str] = set()
        #: Lines for cells to come.
        self.later: list[list[str]] = []
        self.variables: set[str] = set()
        self.parameter_names: dict[str, object] = {}
        #: The base of each class.
        self.bases: dict[str, str] = {}
        self.seeded = False
        self.heavy = ""

    # The notebook

    def write(self) -> RandomNotebook:
        from .recipes import choose

        self.tagged = self.chance(0.25)
        self.seeded = self.chance(0.4)
        roll = self.random.random()
        self.heavy = "numpy" if roll < 0.2 else "pandas" if roll < 0.205 else ""
        self.recipes, self.weights = choose(self)
        cells = [self.cell(first=True)]
        cells += [self.cell() for _ in range(self.random.randint(3, 8))]
        cells += [self.last_cell() for _ in range(self.random.randint(0, 2))]
        return self.assemble(["\n".join(lines) for lines in cells])

    def cell(self, first: bool = False) -> list[str]:
        lines = []
        if first:
            lines += self.seeds()
            lines += [line for kind in ("list", "int", self.pick(PLAIN)) for line in self.bind_new(kind)]
        elif self.later and self.chance(0.5):
            lines += self.later.pop(0)
        for _ in range(self.random.choice((1, 1, 2, 2, 3, 4))):
            lines += self.statement()
        # Cells without a trace are repeated where they are needed, if they can be.
        return lines + (self.show() if self.chance(0.8) else [])

    def seeds(self) -> list[str]:
        lines = [f"random.seed({self.fresh()})"] if self.seeded else []
        return lines + ([f"np.random.seed({self.fresh()})"] if self.heavy and self.seeded else [])

    def last_cell(self) -> list[str]:
        """Looks at much of what is left, so that little that is wrong stays unseen."""
        shown = [self.shown(name) for name in sorted(self.scopes[0].values) if self.chance(0.7)]
        lines = [f"print({', '.join(filter(None, shown))})"] if any(shown) else ["print()"]
        if self.seeded and self.chance(0.3):
            lines.append("print(random.random())")
        return lines

    def assemble(self, sources: list[str]) -> RandomNotebook:
        tags: list[list[str]] = [[] for _ in sources]
        granularity = None
        if self.tagged:
            tags = self.step_tags(len(sources))
        else:
            granularity = self.pick((None, "auto", "cell", "cell", "heading"))
        parameters = {}
        if self.parameter_names:
            sources.insert(0, "\n".join(f"{name} = {value!r}" for name, value in self.parameter_names.items()))
            tags.insert(0, ["pipeline-parameters"])
            if self.chance(0.6):
                parameters = {name: self.other(value) for name, value in self.parameter_names.items()}
            granularity = None
        return self.with_imports(RandomNotebook(self.seed, sources, tags, granularity, parameters))

    def other(self, value):
        return value + 1 if isinstance(value, int) else value + "z" if isinstance(value, str) else value + [7]

    def step_tags(self, count: int) -> list[list[str]]:
        """Mostly a step per cell; some steps of several cells, also with others between them."""
        steps: list[str] = []
        for index in range(count):
            again = steps and self.chance(0.15)
            steps.append(self.pick(steps) if again and self.chance(0.3) else steps[-1] if again else f"s{index}")
        tags = [[f"step:{step}"] for step in steps]
        for index in range(1, count):
            if self.chance(0.1) and steps[index] not in steps[:index]:
                tags[index].append(f"prev:{self.pick(steps[:index])}")
            elif self.chance(0.05) and steps[index] in steps[:index]:
                tags[index] = []
        return tags

    def with_imports(self, notebook: RandomNotebook) -> RandomNotebook:
        """Imports what is used: mostly in a cell of its own, else where it is first used."""
        text = "\n".join(notebook.sources)
        lines = [(name, f"import {name}") for name in MODULES if f"{name}." in text]
        lines += [("Path", "from pathlib import Path")] if "Path(" in text else []
        lines += [("np", "import numpy as np")] if "np." in text else []
        lines += [("pd", "import pandas as pd")] if "pd." in text else []
        if not lines:
            return notebook
        if self.chance(0.75):
            notebook.sources.insert(0, "\n".join(line for _, line in lines))
            notebook.tags.insert(0, ["imports"] if self.tagged else [])
            return notebook
        for name, line in lines:
            uses = (index for index, source in enumerate(notebook.sources) if re.search(rf"\b{name}\b", source))
            index = next(uses)
            notebook.sources[index] = f"{line}\n{notebook.sources[index]}"
        return notebook

    # Statements

    def statement(self) -> list[str]:
        recipe = self.random.choices(self.recipes, cum_weights=self.weights)[0]
        return recipe(self) or self.simple()

    def simple(self) -> list[str]:
        """What is always possible."""
        places = self.names("list")
        return [f"{self.pick(places)}.append({self.fresh()})"] if places else [f"print({self.fresh()})"]

    def block(self, header: str, count: int | None = None, fixed: bool = True) -> list[str]:
        """A header with statements below it; a block that may be left out changes no name's kind."""
        self.fixed += fixed
        self.depth += 1
        lines = []
        for _ in range(count or self.random.choice((1, 1, 2))):
            lines += self.statement() if self.depth < 3 else self.simple()
        self.fixed -= fixed
        self.depth -= 1
        return [header, *indented(lines)]

    # Chance

    def fresh(self) -> int:
        self.number += 1
        return self.number

    def pick(self, choices):
        return choices[int(self.random.random() * len(choices))]

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    # Names

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    @property
    def in_function(self) -> bool:
        return len(self.scopes) > 1

    def names(self, wanted) -> list[str]:
        """Names in sight whose values have this shape and can be used now."""
        found, hidden = [], set()
        for scope in reversed(self.scopes):
            for name, kind in scope.values.items():
                if name not in hidden and shape(kind) == wanted and self.usable(kind):
                    found.append(name)
            hidden |= scope.values.keys()
        return found

    def name(self, wanted) -> str | None:
        """One of these names; a function that looks it up will need it."""
        found = self.names(wanted)
        return self.use(self.pick(found)) if found else None

    def use(self, name: str) -> str:
        kind = None
        for scope in reversed(self.scopes[1:]):
            if name in scope.values and name not in scope.declared:
                return name
        if self.in_function:
            kind = self.scopes[0].values.get(name)
            if kind is not None:
                for scope in self.scopes[1:]:
                    scope.needs.add((name, shape(kind)))
                    if isinstance(kind, Code):
                        scope.needs |= kind.needs
        return name

    def kind(self, name: str):
        for scope in reversed(self.scopes):
            if name in scope.values:
                return scope.values[name]
        return None

    def usable(self, kind) -> bool:
        if not isinstance(kind, Code):
            return True
        values = self.scopes[0].values
        for name, wanted in kind.needs:
            found = values.get(name)
            if found is None or shape(found) != wanted:
                return False
            if isinstance(found, Code) and not found.needs <= kind.needs:
                if not self.usable(Code((), found.needs - kind.needs)):
                    return False
        return True

    def target(self, kind) -> str | None:
        """A name to be bound to a value of this kind."""
        scope = self.scope
        same = [n for n, k in scope.values.items() if shape(k) == shape(kind) and n not in self.reserved]
        if self.fixed:
            free = [n for n in LOCALS[0] if n not in scope.values and n not in self.reserved]
            if not self.in_function and free and self.chance(0.3 if same else 1):
                name = self.pick(free)
                if scope.maybe.get(name, kind) != kind or isinstance(kind, Code):
                    return None
                scope.maybe[name] = kind
                return name
            return self.pick(same) if same and not isinstance(kind, Code) else None
        if self.in_function:
            declared = [n for n in same if n in scope.declared]
            if declared and self.chance(0.5):
                return self.pick(declared)
            pool = LOCALS[min(len(self.scopes) - 1, len(LOCALS) - 1)]
        else:
            pool = NAMES
        free = [n for n in pool if n not in self.reserved and n not in scope.declared]
        return self.pick(free) if free else None

    def bound(self, name: str, kind) -> None:
        if self.fixed and name not in self.scope.values:
            return
        self.scope.values[name] = kind
        self.scope.maybe.pop(name, None)

    def assign(self, kind, expression: str) -> list[str]:
        """`name = expression`, with what the name is bound to noted."""
        name = self.target(kind)
        if name is None:
            return []
        self.bound(name, kind)
        return [f"{name} = {expression}"]

    def bind_new(self, kind: str) -> list[str]:
        return self.assign(kind, self.literal(kind))

    # Expressions

    def literal(self, kind: str) -> str:
        n = self.fresh()
        return {
            "list": f"[{n}]",
            "int": f"{n}",
            "dict": f"{{'k': [{n}]}}",
            "nest": f"[[{n}]]",
            "pair": f"([{n}], {n})",
            "set": f"{{{n}}}",
            "str": f"'s{n}'",
        }[kind]

    def a_list(self) -> str:
        """An expression for a list that others may hold, too."""
        roll = self.random.random()
        for kind, path in self.shuffled_paths(roll):
            name = self.name(kind)
            if name is not None:
                return name + path
        return self.literal("list")

    PATHS = (("list", ""), ("dict", "['k']"), ("nest", "[0]"), ("pair", "[0]"), (("obj",), ".items"))

    def shuffled_paths(self, roll: float):
        if roll < 0.5:
            return self.PATHS
        start = int(roll * 1000) % len(self.PATHS)
        return self.PATHS[start:] + self.PATHS[:start]

    def an_int(self) -> str:
        roll = self.random.random()
        if roll < 0.3:
            return str(self.fresh())
        if roll < 0.6:
            name = self.name("int")
            if name:
                return name if roll < 0.5 else f"{name} + {self.fresh()}"
        if roll < 0.7:
            name = self.name("pair")
            if name:
                return f"{name}[1]"
        if roll < 0.8:
            name = self.name(("obj",))
            if name:
                return self.pick((f"{name}.n", f"{name}.total", f"len({name})"))
        if roll < 0.83 and self.parameter_names.get("p") is not None:
            return "p"
        return self.pick(("len({})", "sum({})", "max({}, default=0)", "{}.count(1)", "hash(tuple({})) % 7")).format(
            self.a_list()
        )

    def a_copy(self) -> str:
        """An expression for a new list."""
        place = self.a_list()
        return self.pick((
            "list({})", "{}[:]", "{}.copy()", "sorted({})", "[*{}]", "[v for v in {}]", "{} + [0]", "copy.copy({})",
            "list(map(abs, {}))", "list(reversed({}))", "[v + 1 for v in {} if v]", "{}[:2]", "copy.deepcopy({})",
            "[a for a in {}]", "(lambda v: v[:1])({})", "list(x for x in {})", "list(set({}))[:1]",
        )).format(place)  # fmt: skip

    def expression(self, kind: str) -> str:
        if kind == "int":
            return self.an_int()
        if kind == "list":
            return self.a_list() if self.chance(0.6) else self.a_copy()
        roll = self.random.random()
        if roll < 0.4:
            name = self.name(kind)
            if name:
                return name
        return {
            "dict": lambda: self.pick((f"{{'k': {self.a_list()}}}", f"dict(k={self.a_list()})")),
            "nest": lambda: f"[{self.a_list()}, {self.a_list()}]",
            "pair": lambda: f"({self.a_list()}, {self.an_int()})",
            "set": lambda: f"set({self.a_list()})",
            "str": lambda: self.pick((f"str({self.an_int()})", f'f"s{{{self.an_int()}}}"')),
        }[kind]()

    def condition(self) -> str:
        """Something that a compiler cannot decide."""
        return self.pick((
            f"len({self.a_list()}) % 2", f"{self.an_int()} % 2", f"sum({self.a_list()}) % 3 == 1",
            f"{self.a_list()} is {self.a_list()}", f"{self.an_int()} > {self.an_int()}", f"{self.a_list()}",
            f"not {self.a_list()}", f"{self.an_int()} in {self.a_list()}",
        ))  # fmt: skip

    # What a cell shows

    def shown(self, name: str) -> str:
        kind = self.kind(name)
        if isinstance(kind, Code):
            return f"{name}.items, {name}.n, {name}.total" if kind.shape == ("obj",) and self.usable(kind) else ""
        if kind == "set":
            return f"sorted({name})"
        if kind == "frame":
            return f"{name}.to_dict('list')"
        if kind == "array":
            return f"{name}.tolist()"
        return "" if kind == "iter" else name

    def show(self) -> list[str]:
        names = [name for name in sorted(self.scope.values) if self.chance(0.45)]
        shown = [text for text in map(self.shown, names) if text]
        lines = [f"print({', '.join(shown)})"] if shown else []
        lists = self.names("list")
        if len(lists) > 1 and self.chance(0.4):
            first, second = self.random.sample(lists, 2)
            lines.append(f"print({first} is {second})")
        if lists and self.chance(0.15):
            lines.append(self.pick(lists))
        return lines


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines] or ["    pass"]
