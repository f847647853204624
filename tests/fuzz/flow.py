"""Recipes: branches, loops, exceptions, contexts, patterns."""

from __future__ import annotations

from .writer import Writer, indented


def branch(w: Writer) -> list[str]:
    lines = w.block(f"if {w.condition()}:")
    if w.chance(0.25):
        lines += w.block(f"elif {w.condition()}:")
    if w.chance(0.4):
        lines += w.block("else:")
    return lines


def bound_on_both_sides(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    kind = w.pick(("list", "int", "dict"))
    name = w.target(kind)
    if name is None:
        return []
    lines = [
        f"if {w.condition()}:",
        f"    {name} = {w.expression(kind)}",
        "else:",
        f"    {name} = {w.expression(kind)}",
    ]
    w.bound(name, kind)
    return lines


def perhaps_delete(w: Writer) -> list[str]:
    """`del` in a branch: from here on the name is perhaps bound."""
    if w.fixed or w.in_function:
        return []
    names = [name for name, kind in w.scope.values.items() if isinstance(kind, str) and name not in w.reserved]
    if len(names) < 4:
        return []
    name, condition = w.pick(names), w.condition()
    w.scope.maybe[name] = w.scope.values.pop(name)
    return [f"if {condition}:", f"    del {name}"]


def for_loop(w: Writer) -> list[str]:
    target = w.target("int")
    if target is None:
        return []
    if w.chance(0.5):
        source = f"range({w.pick((1, 2, 3))})"
        w.bound(target, "int")
    else:
        if w.kind(target) != "int":
            return []
        # Loops within loops over lists that they extend would take for ever.
        source = f"({w.a_copy()})[:3]"
    w.reserved.add(target)
    lines = w.block(f"for {target} in {source}:")
    w.reserved.discard(target)
    roll = w.random.random()
    if roll < 0.2:
        lines += [f"    if {w.condition()}: break"]
    elif roll < 0.3:
        lines.insert(1, f"    if {w.condition()}: continue")
    if roll < 0.2 and w.chance(0.5):
        lines += w.block("else:")
    return lines


def lists_to_bind(w: Writer, count: int) -> list[str]:
    """So many lists of the notebook that a statement of a cell may bind anew, if there are."""
    if w.in_function:
        return []
    found = [n for n in w.names("list") if n in w.scope.values and n not in w.reserved]
    return w.random.sample(found, count) if len(found) >= count else []


def aliasing_loop(w: Writer) -> list[str]:
    """The second round sees what the first left: `for v in d: d = c; c = b; b = a`."""
    chosen = lists_to_bind(w, 3)
    if not chosen:
        return []
    first, second, third = chosen
    lines = [f"for _ in range({w.pick((2, 3))}):", f"    {first} = {second}", f"    {second} = {third}"]
    if w.chance(0.4):
        lines.insert(1, f"    {first}.append({w.fresh()})")
    if w.chance(0.5):
        lines.append(f"{first}.append({w.fresh()})")
    return lines


def changing_loop(w: Writer) -> list[str]:
    """What a round changes is what the round before it has bound: `for _ in range(2): d.append(1); d = c`."""
    chosen = lists_to_bind(w, 2)
    if not chosen:
        return []
    first, second = chosen
    return ["for _ in range(2):", f"    {first}.append({w.fresh()})", f"    {first} = {second}"]


def bound_before_the_exception(w: Writer) -> list[str]:
    """The handler sees what the block has bound until then."""
    chosen = lists_to_bind(w, 2)
    if not chosen:
        return []
    first, second = chosen
    lines = ["try:", f"    {first} = {second}", f"    {w.pick(('raise ValueError', f'{first}[99]'))}"]
    lines += [f"    {first} = [{w.fresh()}]"] if w.chance(0.5) else []
    lines += ["except (ValueError, IndexError):", f"    {first}.append({w.fresh()})"]
    # Else both names reach what follows, as one value.
    return [*lines, f"{first} = [{w.fresh()}]"] if w.chance(0.7) else lines


def left_in_the_middle(w: Writer) -> list[str]:
    """After the loop a name is what its body has bound it to first, or last."""
    chosen = lists_to_bind(w, 2)
    if not chosen:
        return []
    first, second = chosen
    lines = ["for _ in range(2):", f"    {first} = {second}", f"    if {w.condition()}: break"]
    lines += [f"    {first} = [{w.fresh()}]", f"{first}.append({w.fresh()})"]
    return [*lines, f"{first} = [{w.fresh()}]"] if w.chance(0.7) else lines


def while_loop(w: Writer) -> list[str]:
    if w.in_function or w.fixed:
        return []
    name = w.target("int")
    if name is None:
        return []
    w.bound(name, "int")
    w.reserved.add(name)
    lines = [f"{name} = 0"] + w.block(f"while {name} < {w.pick((1, 2, 3))}:")
    w.reserved.discard(name)
    lines.insert(2, f"    {name} += 1")
    if w.chance(0.3):
        lines.append(f"    if {w.condition()}: break")
    return lines


def loop_over_values(w: Writer) -> list[str]:
    """The target is an alias of what is in the container, and stays after the loop."""
    target = w.target("list")
    source = w.name("nest")
    if target is None or source is None or target == source:
        return []
    w.bound(target, "list")
    w.reserved.add(target)
    lines = w.block(f"for {target} in {source}[:3]:")
    w.reserved.discard(target)
    if w.chance(0.5):
        lines.append(f"    {target}.append({w.fresh()})")
    return lines


def attempt(w: Writer) -> list[str]:
    """An exception in the middle of a block."""
    lines = w.block("try:")
    roll = w.random.random()
    if roll < 0.7:
        raising = w.pick((
            f"if {w.condition()}: raise ValueError({w.fresh()})", f"{w.a_list()}.index({w.fresh()})",
            f"int('x' * (1 + {w.an_int()} % 2))", "raise ValueError", f"{{}}[{w.an_int()}]", "undefined_name",
        ))  # fmt: skip
        lines += indented([raising])
        if w.chance(0.5):
            more = w.block("x:", count=1)[1:]
            lines += more
    named = w.chance(0.3) and not w.in_function
    lines += w.block(f"except Exception{' as err' if named else ''}:")
    if w.chance(0.2):
        lines += w.block("else:")
    if w.chance(0.25):
        lines += w.block("finally:")
    return lines


def suppress(w: Writer) -> list[str]:
    lines = w.block("with contextlib.suppress(ValueError, IndexError):")
    lines += indented(
        [w.pick(("raise ValueError", f"if {w.condition()}: raise ValueError", f"{w.a_list()}[{w.an_int()}]"))]
    )
    if w.chance(0.5):
        lines += w.block("x:", count=1)[1:]
    return lines


def match(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    number = next((n for n, kind in w.scope.values.items() if kind == "int" and n not in w.reserved), None)
    rest = next((n for n, kind in w.scope.values.items() if kind == "list" and n not in w.reserved), None)
    if number is None or rest is None:
        return []
    subject = w.a_list()
    lines = [f"match {subject}:"]
    case = w.pick(
        (
            f"case [{number}]:",
            f"case [{number}, *{rest}]:",
            f"case [_, {number}, *_]:",
            f"case [1 | 2 as {number}, *_]:",
        )
    )
    lines += indented(w.block(case))
    if w.chance(0.3):
        owner = w.name(("obj",))
        if owner:
            lines += indented(w.block(f"case list() if {w.condition()}:"))
    lines += indented(w.block("case _:"))
    return lines


def match_mapping(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    subject, target = w.name("dict"), w.target("list")
    if subject is None or target is None or w.kind(target) != "list":
        return []
    return [f"match {subject}:", f"    case {{'k': {target}}}:", f"        {target}.append({w.fresh()})"]


def assertion(w: Writer) -> list[str]:
    """A cell that fails: rarely, for it ends the notebook."""
    if w.in_function or not w.chance(0.15):
        return []
    return [f"assert {w.condition()}"]


RECIPES = [
    (4, branch), (2, bound_on_both_sides), (1, perhaps_delete), (3, for_loop), (1, aliasing_loop), (2, changing_loop),
    (1, while_loop), (2, loop_over_values), (3, attempt), (2, bound_before_the_exception),
    (1, left_in_the_middle), (1, suppress), (1, match),
    (1, match_mapping), (1, assertion),
]  # fmt: skip
