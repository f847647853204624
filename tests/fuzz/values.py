"""Recipes: binding, aliasing, copying, and changing values."""

from __future__ import annotations

from .writer import PLAIN, Code, Writer, shape


def bind(w: Writer) -> list[str]:
    return w.bind_new(w.pick(PLAIN))


def constant(w: Writer) -> list[str]:
    """What may be executed again elsewhere: constants, and constants made of constants."""
    name = w.name("int")
    if name is None or w.chance(0.3):
        return w.assign("int", str(w.fresh()))
    return w.assign("int", w.pick((f"{name} + 1", name, f"{name} * 2")))


def compute(w: Writer) -> list[str]:
    kind = w.pick(PLAIN)
    return w.assign(kind, w.expression(kind))


def alias(w: Writer) -> list[str]:
    names = [name for name, kind in w.scope.values.items() if w.usable(kind)]
    if not names:
        return []
    source = w.pick(names)
    kind = w.kind(source)
    return w.assign(kind, w.use(source))


def alias_of_part(w: Writer) -> list[str]:
    return w.assign("list", w.a_list())


def chained(w: Writer) -> list[str]:
    """`a = b = []`."""
    first, second = w.target("list"), w.target("list")
    if first is None or second is None:
        return []
    text = w.expression("list")
    w.bound(first, "list")
    w.bound(second, "list")
    return [f"{first} = {second} = {text}"]


def unpack(w: Writer) -> list[str]:
    """Several targets at once, with and without a star."""
    roll = w.random.random()
    first, second = w.target("list"), w.target("int")
    if first is None or second is None or first == second:
        return []
    if roll < 0.3:
        lines = [f"{first}, {second} = {w.expression('pair')}"]
    elif roll < 0.6:
        lines = [f"{first}, {second} = {w.a_list()}, {w.an_int()}"]
    elif roll < 0.8:
        lines = [f"{second}, *{first} = [{w.fresh()}, *{w.a_list()}]"]
    else:
        lines = [f"[*{first}, {second}] = {w.a_list()} + [{w.fresh()}]"]
    w.bound(first, "list")
    w.bound(second, "int")
    return lines


def swap(w: Writer) -> list[str]:
    kind = w.pick(("list", "int", "dict"))
    names = w.names(kind)
    names = [name for name in names if name in w.scope.values and name not in w.reserved]
    if len(names) < 2:
        return []
    first, second = w.random.sample(names, 2)
    return [f"{w.use(first)}, {w.use(second)} = {second}, {first}"]


def copying(w: Writer) -> list[str]:
    roll = w.random.random()
    if roll < 0.7:
        return w.assign("list", w.a_copy())
    kind = w.pick(("dict", "nest"))
    name = w.name(kind)
    if name is None:
        return []
    forms = {
        "dict": ("dict({})", "{}.copy()", "{{**{}}}", "copy.copy({})", "copy.deepcopy({})",
                 "{{k: v for k, v in {}.items()}}"),
        "nest": ("list({})", "{}[:]", "copy.deepcopy({})", "[v for v in {}]", "[list(v) for v in {}]"),
    }[kind]  # fmt: skip
    return w.assign(kind, w.pick(forms).format(name))


def change_list(w: Writer) -> list[str]:
    place, n = w.a_list(), w.fresh()
    forms = (
        "{p}.append({n})", "{p}.append({n})", "{p}.insert(0, {n})", "{p}.extend([{n}])", "{p}[:1] = [{n}]",
        "{p}[len({p}):] = [{n}]", "{p}.sort(reverse=True)", "{p}.reverse()", "del {p}[3:]", "{p}.append({i})",
        "{p} += [{n}]", "{p} += {l}[:2]", "{p}.extend({l}[:2])", "list.append({p}, {n})", "{p} *= 1",
        "{p}.__setitem__(slice(0, 1), [{n}])", "[{p}.append(v) for v in range(2)]", "{p}.append({n}) or {p}",
        "{p}.clear()", "{p}.pop() if {p} else None",
    )  # fmt: skip
    text = w.pick(forms)
    if " += " in text or " *= " in text:
        if place.startswith("[") or place.isidentifier() and not can_rebind(w, place) or place.endswith("0]"):
            return []
        place = place if not place.isidentifier() else place
    if place.startswith("["):
        return []
    return [text.format(p=place, n=n, i=w.an_int(), l=w.a_list())]


def can_rebind(w: Writer, name: str) -> bool:
    """Whether `name += ...` is allowed here: in a function, only for its own and declared names."""
    return name in w.scope.values


def change_dict(w: Writer) -> list[str]:
    name = w.name("dict")
    if name is None:
        return []
    n = w.fresh()
    forms = (
        "{d}['x{n}'] = [{n}]", "{d}['k'] = {l}", "{d}.update(y={l})", "{d}.setdefault('z', []).append({n})",
        "{d}.setdefault('k', []).append({n})", "{d}['k'].append({n})", "{d}['k'] += [{n}]", "{d}.pop('y', None)",
        "{d}.update({{'k': [{n}]}})", "{d}['k'][:1] = [{n}]", "for key in {d}: {d}[key].append({n})",
        "list({d}.values())[-1].append({n})",
    )  # fmt: skip
    text = w.pick(forms)
    if text.startswith("for") and ("key" in w.scope.values or w.fixed or w.in_function):
        return []
    return [text.format(d=name, n=n, l=w.a_list())]


def change_nest(w: Writer) -> list[str]:
    name = w.name("nest")
    if name is None:
        return []
    forms = (
        "{d}.append({l})", "{d}[0] = {l}", "{d}[0].append({n})", "{d}[-1].append({n})", "{d}.insert(0, {l})",
        "{d}[0] += [{n}]", "{d}[1:] = [{l}]", "for v in {d}: v.append({n})",
    )  # fmt: skip
    text = w.pick(forms)
    if text.startswith("for") and w.in_function and len(w.scopes) > 1 and "v" in w.scope.values:
        return []
    return [text.format(d=name, n=w.fresh(), l=w.a_list())]


def change_set(w: Writer) -> list[str]:
    name = w.name("set")
    if name is None:
        return []
    forms = ["{s}.add({n})", "{s}.update([{n}])", "{s}.discard({i})", "{s}.add({i})"]
    forms += ["{s} |= {{{n}}}", "{s} -= {{{i}}}"] if can_rebind(w, name) else []
    return [w.pick(forms).format(s=name, n=w.fresh(), i=w.an_int())]


def change_int(w: Writer) -> list[str]:
    name = w.name("int")
    if name is None or not can_rebind(w, name) or name in w.reserved:
        return []
    return [f"{name} {w.pick(('+=', '-=', '*='))} {w.pick((w.fresh(), w.an_int()))} % 97"]


def change_through_tuple(w: Writer) -> list[str]:
    name = w.name("pair")
    return [f"{name}[0].append({w.fresh()})"] if name else []


def contain(w: Writer) -> list[str]:
    """Puts a list where other names can reach it."""
    kind = w.pick(("dict", "nest", "pair"))
    text = {
        "dict": f"{{'k': {w.a_list()}, 'm': {w.a_list()}}}",
        "nest": f"[{w.a_list()}, {w.a_list()}]",
        "pair": f"({w.a_list()}, {w.an_int()})",
    }[kind]
    return w.assign(kind, text)


def comprehend(w: Writer) -> list[str]:
    """Comprehensions whose variables have the names of global ones."""
    inner = w.pick(("a", "b", "c", "v"))
    place = w.a_list()
    roll = w.random.random()
    if roll < 0.5:
        extra = w.pick(("", f" if {inner} % 2", f" for v in ({inner},)"))
        return w.assign("list", f"[{inner} for {inner} in {place}{extra}]")
    if roll < 0.65:
        return w.assign("set", f"{{{inner} for {inner} in {place}}}")
    if roll < 0.8:
        return w.assign("dict", f"{{key: {place} for key in ('k', 'm')}}")
    return w.assign("nest", f"[{w.a_list()} for {inner} in range(2)]")


def walrus(w: Writer) -> list[str]:
    if len(w.scopes) > 1:
        return []
    name = w.target("int")
    if name is None:
        return []
    place = w.a_list()
    roll = w.random.random()
    if roll < 0.35:
        text = w.an_int()
        w.bound(name, "int")
        return [f"print(({name} := {text}) + 1)"]
    if shape(w.kind(name)) != "int":
        return []
    if roll < 0.55:
        return [f"print([({name} := v) for v in {place}])"]
    if roll < 0.75:
        return [f"print({w.condition()} and ({name} := {w.an_int()}))"]
    if roll < 0.9:
        return [f"print(({name} := {w.an_int()}) if {w.condition()} else 0)"]
    return [f"while ({name} := {w.an_int()}) is None: pass"] if not w.fixed else []


def iterator(w: Writer) -> list[str]:
    place = w.a_list()
    text = w.pick((
        "iter({p})", "(v for v in {p})", "map(abs, {p})", "zip({p}, {q})", "enumerate({p})", "reversed({p})",
        "itertools.chain({p}, {q})", "filter(None, {p})",
    )).format(p=place, q=w.a_list())  # fmt: skip
    return w.assign("iter", text)


def consume(w: Writer) -> list[str]:
    name = w.name("iter")
    if name is None:
        return []
    form = w.pick(("next({}, 0)", "list({})", "sum(1 for v in {})", "[v for v in {}]", "list(itertools.islice({}, 1))"))
    return [f"print({form.format(name)})"]


def delete(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    names = [name for name in w.scope.values if name not in w.reserved]
    if len(names) < 4:
        return []
    name = w.pick(names)
    kind = w.scope.values.pop(name)
    if isinstance(kind, str) and w.chance(0.5):
        # So that a later cell asks for it.
        w.scope.maybe[name] = kind
    return [f"del {name}"]


def delete_constant(w: Writer) -> list[str]:
    """What was made of a constant is made again where it is needed, but the constant's name is gone."""
    names = [name for name, kind in w.scope.values.items() if kind == "int" and name not in w.reserved]
    if w.fixed or w.in_function or len(w.scope.values) < 4 or not names:
        return []
    name = w.pick(names)
    lines = [f"{name} = {w.fresh()}"] if w.chance(0.5) else []
    lines += w.assign("int", f"{name} + {w.fresh()}")
    w.scope.maybe[name] = w.scope.values.pop(name)
    return [*lines, f"del {name}"]


def shadow(w: Writer) -> list[str]:
    """A builtin's name is bound, used, and given back, perhaps cells later."""
    if w.fixed or w.in_function:
        return []
    builtin = w.pick(("len", "sum", "sorted", "list"))
    flag = f"shadow {builtin}"
    if flag in w.variables:
        w.variables.discard(flag)
        return [f"del {builtin}"]
    if builtin == "len" and w.chance(0.5):
        w.variables.add(flag)
        return ["def len(v): return 7"]
    real = {"len": "max", "sum": "max", "sorted": "tuple", "list": "tuple"}[builtin]
    if builtin in ("sum",):
        w.variables.add(flag)
        return [f"{builtin} = lambda v: {w.fresh()}"]
    return [f"{builtin} = {real}", f"print({builtin}((3, 1)))", f"del {builtin}"]


def perhaps_unbound(w: Writer) -> list[str]:
    """Uses a name that is perhaps bound."""
    if w.in_function or not w.scope.maybe:
        return []
    name = w.pick(sorted(w.scope.maybe))
    kind = w.scope.maybe[name]
    use = f"{name}.append({w.fresh()})" if kind == "list" and w.chance(0.5) else f"print({shown(name, kind)})"
    if w.chance(0.2) and not w.fixed:
        del w.scope.maybe[name]
        use = f"del {name}"
    # What was made of it may bring it back.
    made = w.names("int") if kind == "int" and not w.fixed else []
    return ["try:", f"    {use}", "except NameError:", f"    print({', '.join(made or [str(w.fresh())])})"]


def shown(name: str, kind) -> str:
    if isinstance(kind, Code):
        return f"bool({name})"
    return {"set": f"sorted({name})", "iter": f"list({name})"}.get(kind, name)


def display(w: Writer) -> list[str]:
    names = [name for name, kind in w.scope.values.items() if kind in PLAIN]
    if not names:
        return []
    chosen = [w.pick(names) for _ in range(2)]
    return [f"print({', '.join(shown(w.use(name), w.kind(name)) for name in chosen)})"]


RECIPES = [
    (3, bind), (2, constant), (4, compute), (5, alias), (4, alias_of_part), (1, chained), (2, unpack), (1, swap),
    (3, copying),
    (6, change_list), (3, change_dict), (3, change_nest), (1, change_set), (2, change_int), (1, change_through_tuple),
    (3, contain), (2, comprehend), (2, walrus), (1, iterator), (2, consume), (1, delete), (2, delete_constant),
    (1, shadow),
    (2, perhaps_unbound), (2, display),
]  # fmt: skip
