"""Notebooks made by chance from the statements that make dataflow hard: aliases, changes in place, functions that read
or write globals, names that are perhaps bound, deletions, defaults, closures, random numbers.

Every cell is a step of its own and prints what it can see, so a wrong edge, a lost alias or a stale version shows.
Every third notebook has no tags, so that the compiler finds the steps. A seed gives the same notebook everywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

NAMES = ["a", "b", "c", "d", "e"]
FUNCTIONS = ["f", "g", "h"]


@dataclass
class Scope:
    """Which names are bound for sure, to what: `list`, `int`, `dict`; and the functions, to how they are called."""

    values: dict[str, str] = field(default_factory=dict)
    functions: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)

    def of(self, kind: str) -> list[str]:
        return sorted(name for name, known in self.values.items() if known == kind)


class Writer:
    def __init__(self, seed: int):
        self.tagged = seed % 3 != 2
        self.options = [] if self.tagged else ["--granularity", "cell" if seed % 2 else "auto"]
        self.random = random.Random(seed)
        self.scope = Scope()
        self.number = 0

    def notebook(self) -> dict:
        cells = [self.cell(["imports"], ["import random", "import copy"])]
        cells.append(self.cell(["step:s0"], ["random.seed(1)", *self.bind("list"), *self.bind("int")]))
        for index in range(1, self.random.randint(3, 6)):
            lines = [line for _ in range(self.random.randint(1, 4)) for line in self.statement()]
            cells.append(self.cell([f"step:s{index}"], lines + self.show()))
        metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        rows = [{"id": f"cell-{i}", **cell} for i, cell in enumerate(cells)]
        return {"cells": rows, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}

    def cell(self, tags: list[str], lines: list[str]) -> dict:
        source = "\n".join(lines)
        return {
            "cell_type": "code",
            "metadata": {"tags": tags} if self.tagged else {},
            "source": source,
            "execution_count": None,
            "outputs": [],
        }

    def fresh(self) -> int:
        self.number += 1
        return self.number

    def pick(self, choices):
        return self.random.choice(choices)

    def statement(self) -> list[str]:
        makers = [
            self.bind_any, self.bind_any, self.alias, self.alias, self.change, self.change, self.change, self.copy,
            self.contain, self.define, self.define, self.call, self.call, self.call, self.perhaps, self.perhaps,
            self.loop, self.delete, self.draw, self.comprehend,
        ]  # fmt: skip
        return self.pick(makers)()

    def bind_any(self) -> list[str]:
        return self.bind(self.pick(["list", "list", "int", "constant", "dict"]))

    def bind(self, kind: str, name: str | None = None) -> list[str]:
        name = name or self.pick(NAMES)
        n = self.fresh()
        self.scope.values[name] = "int" if kind == "constant" else kind
        text = {"list": f"[{n}]", "int": f"sum([{n}])", "constant": f"{n}", "dict": f"{{'k': [{n}]}}"}[kind]
        return [f"{name} = {text}"]

    def alias(self) -> list[str]:
        source = self.pick(sorted(self.scope.values) or ["a"])
        if source not in self.scope.values:
            return self.bind("list", source)
        name = self.pick(NAMES)
        self.scope.values[name] = self.scope.values[source]
        return [f"{name} = {source}"]

    def change(self) -> list[str]:
        lists, dicts, ints = (self.scope.of(kind) for kind in ("list", "dict", "int"))
        n = self.fresh()
        choices = [f"{name}.append({n})" for name in lists] + [f"{name} += [{n}]" for name in lists]
        choices += [f"{name}['k'].append({n})" for name in dicts] + [f"{name}['x{n}'] = {n}" for name in dicts]
        choices += [f"{name} += {n}" for name in ints]
        return [self.pick(choices)] if choices else self.bind("list")

    def copy(self) -> list[str]:
        lists, dicts = self.scope.of("list"), self.scope.of("dict")
        name = self.pick(NAMES)
        choices = [("list", f"{name} = list({source})") for source in lists]
        choices += [("list", f"{name} = copy.deepcopy({source})") for source in lists]
        choices += [("dict", f"{name} = dict({source})") for source in dicts]
        if not choices:
            return self.bind("list")
        self.scope.values[name], text = self.pick(choices)
        return [text]

    def contain(self) -> list[str]:
        lists, dicts = self.scope.of("list"), self.scope.of("dict")
        if not lists:
            return self.bind("list")
        inner, name = self.pick(lists), self.pick(NAMES)
        if dicts and self.random.random() < 0.5:
            return [f"{self.pick(dicts)}['k'].append({inner})"]
        self.scope.values[name] = "dict"
        return [f"{name} = {{'k': {inner}}}"]

    def define(self) -> list[str]:
        """A function; the names it reads or writes are looked up when it is called."""
        name, variable, n = self.pick(FUNCTIONS), self.pick(sorted(self.scope.values) or ["a"]), self.fresh()
        kind = self.scope.values.get(variable)
        if kind is None:
            return self.bind("list", variable)
        bodies = [(["", variable, kind], [f"    return {variable}"])]
        if kind == "list":
            bodies.append((["", variable, "list"], [f"    {variable}.append({n})", f"    return {variable}"]))
            bodies.append((["x", "", "list"], [f"    x.append({n})", "    return x"]))
            bodies.append((["x", variable, "list"], [f"    {variable}.append(x)", f"    return [{n}]"]))
            bodies.append(([f"x={variable}", "", "list"], [f"    x.append({n})", "    return x"]))
        if kind == "int":
            writes = [f"    global {variable}", f"    {variable} = {variable} + {n}", f"    return {variable}"]
            bodies.append((["", variable, "int"], writes))
            bodies.append(([f"x={variable}", "", "int"], [f"    return x + {n}"]))
        (argument, needed, result), body = self.pick(bodies)
        self.scope.functions[name] = (argument, needed, self.scope.values[variable] if needed else "", result)
        return [f"def {name}({argument}):", *body]

    def call(self) -> list[str]:
        usable = [
            name
            for name, (_, needed, kind, _) in sorted(self.scope.functions.items())
            if not needed or self.scope.values.get(needed) == kind
        ]
        if not usable:
            return self.define()
        name = self.pick(usable)
        argument, _, _, result = self.scope.functions[name]
        lists = self.scope.of("list")
        if argument == "x" and not lists:
            return self.bind("list")
        call = f"{name}({self.pick(lists)})" if argument == "x" else f"{name}()"
        if self.random.random() < 0.5:
            return [call + ";"]
        target = self.pick(NAMES)
        self.scope.values[target] = result
        return [f"{target} = {call}"]

    def perhaps(self) -> list[str]:
        """A branch that a compiler cannot decide; the kinds of names stay what they were."""
        names = sorted(self.scope.values)
        if not names:
            return self.bind("list")
        name = self.pick(names)
        kind, n = self.scope.values[name], self.fresh()
        condition = f"len(str({self.pick(names)})) % 2"
        text = {"list": f"[{n}]", "int": f"sum([{n}])", "dict": f"{{'k': [{n}]}}"}[kind]
        changes = {"list": f"{name}.append({n})", "int": f"{name} += {n}", "dict": f"{name}['k'].append({n})"}
        return [f"if {condition}:", f"    {self.pick([f'{name} = {text}', changes[kind]])}"]

    def loop(self) -> list[str]:
        lists = self.scope.of("list")
        if not lists:
            return self.bind("list")
        target = self.pick(NAMES)
        changed = self.pick(lists)
        if target == changed:
            return [f"for _ in range(2): {changed}.append(0)"]
        self.scope.values[target] = "int"
        return [f"for {target} in range(2):", f"    {changed}.append({target})"]

    def delete(self) -> list[str]:
        if len(self.scope.values) < 3:
            return self.bind("list")
        name = self.pick(sorted(self.scope.values))
        del self.scope.values[name]
        return [f"del {name}"]

    def draw(self) -> list[str]:
        name = self.pick(NAMES)
        self.scope.values[name] = "int"
        return [f"{name} = random.randint(0, 99)"]

    def comprehend(self) -> list[str]:
        lists = self.scope.of("list")
        if not lists:
            return self.bind("list")
        source, name = self.pick(lists), self.pick(NAMES)
        inner = self.pick(NAMES)
        self.scope.values[name] = "list"
        return [f"{name} = [{inner} for {inner} in {source}]"]

    def show(self) -> list[str]:
        names = [name for name in sorted(self.scope.values) if self.random.random() < 0.6]
        lists = self.scope.of("list")
        lines = [f"print({', '.join(names)})"] if names else []
        if len(lists) > 1:
            first, second = self.random.sample(lists, 2)
            lines.append(f"print({first} is {second})")
        return lines
