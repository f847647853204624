"""Recipes: classes, objects, and what is done with them."""

from __future__ import annotations

from .code import would_recurse
from .writer import CLASSES, Code, Writer, indented


def a_class(w: Writer) -> list[str]:
    """Every class has the same members, each made in one of several ways."""
    if w.fixed or w.in_function:
        return []
    name = w.pick(CLASSES)
    known = w.kind(name)
    if known is not None and not w.chance(0.15):
        return new_object(w)
    bases = [each for each in CLASSES if each != name and may_derive(w, name, each)]
    return make_class(w, name, w.pick(bases) if bases and w.chance(0.5) else "")


def may_derive(w: Writer, name: str, base: str) -> bool:
    kind = w.kind(base)
    return isinstance(kind, Code) and name not in derived(w, base) and w.usable(kind)


def class_and_derived(w: Writer) -> list[str]:
    """A method hands on to the one of the base, which changes the object."""
    if w.fixed or w.in_function:
        return []
    base, name = w.random.sample(CLASSES, 2)
    lines = [] if may_derive(w, name, base) else make_class(w, base, "")
    text, needs = method_add(w.pick(handing_on(w, name)))
    note_class(w, name, base, needs | needs_of_base(w, base))
    return [*lines, f"class {name}({base}):", *indented(text), *new_object(w, name)]


def needs_of_base(w: Writer, base: str) -> set:
    return w.kind(base).needs | {(base, w.kind(base).shape)}


def note_class(w: Writer, name: str, base: str, needs: set) -> None:
    w.scopes[0].values[name] = Code(("class", name), needs)
    w.bases[name] = base


def make_class(w: Writer, name: str, base: str) -> list[str]:
    n, needs = w.fresh(), set()
    if base:
        needs |= needs_of_base(w, base)
    lines = ["@dataclasses.dataclass"] if not base and w.chance(0.15) else []
    is_data = bool(lines)
    lines.append(f"class {name}{f'({base})' if base else ''}:")
    members: list[list[str]] = []
    if is_data:
        members.append(["items: list = dataclasses.field(default_factory=list)", f"n: int = {n}"])
    if not base or w.chance(0.5):
        # Bound methods of this class must find its class attributes.
        members.append([f"shared = {w.pick((f'[{n}]', '[]', w.a_list()))}"])
        members.append([f"count = {w.pick((n, w.an_int()))}"])
    if not is_data and (not base or w.chance(0.4)):
        start = ["super().__init__(x)"] if base else []
        attribute = w.pick(("x", "x", "list(x)", "[*x, 0]"))
        members.append([
            f"def __init__(self, x={w.pick(('()', w.a_list()))}):", *indented(start),
            f"    self.items = {attribute if attribute != 'x' else 'x if x else []'}", f"    self.n = {n}",
        ])  # fmt: skip
    for method in (add, total, peek, clone, length, plus, enter):
        if not base or w.chance(0.4):
            text, more = a_method(w, method, name, base)
            members.append(text)
            needs |= more
    if w.chance(0.3):
        members.append(last(w))
    note_class(w, name, base, needs)
    return lines + (indented([line for member in members for line in member]))


def a_method(w: Writer, method, name: str, base: str) -> tuple[list[str], set]:
    """Mostly plain; or what a decorator makes of it, or one of two."""
    text, needs = method(w, name, base)
    roll, decorator = w.random.random(), w.kind("deco")
    if roll < 0.1:
        other, more = method(w, name, base)
        return [f"if {w.condition()}:", *indented(text), "else:", *indented(other)], needs | more
    if roll < 0.2 and method in (add, peek, clone) and decorator is not None and w.usable(decorator):
        return ["@deco", *text], needs | decorator.needs
    if roll < 0.25 and method in (peek, clone):
        return [*text, f"{method.__name__} = (lambda f: lambda self: f(self))({method.__name__})"], needs
    return text, needs


def last(w: Writer) -> list[str]:
    """A property, perhaps one that can be set."""
    n = w.fresh()
    load = w.pick((
        ["return self.items[-1:]"], ["self.n += 1", "return self.n"], [f"type(self).shared.append({n})", "return 0"],
    ))  # fmt: skip
    store = w.pick((["self.items.append(value)"], ["self.n = value"], ["type(self).shared.append(value)"]))
    if w.chance(0.2):
        return [f"last = property(lambda self: self.items.append({n}))"]
    setter = ["@last.setter", "def last(self, value):", *indented(store)] if w.chance(0.5) else []
    return ["@property", "def last(self):", *indented(load), *setter]


def derived(w: Writer, name: str) -> set[str]:
    """The class and its bases."""
    found = set()
    while name and name not in found:
        found.add(name)
        name = w.bases.get(name, "")
    return found


def add(w: Writer, name: str, base: str):
    n, place, number = w.fresh(), w.name("list"), w.name("int")
    forms = [
        ([f"self.items.append(v + {n})"], set()),
        (["self.items += [v]", "self.n += 1"], set()),
        ([f"{name}.count += v"], {(name, ("class", name))}),
        (["type(self).shared.append(v)"], set()),
        (["self.shared.append(v)", "self.items = self.items + [v]"], set()),
        ([f"{name}.shared = {name}.shared + [v]"], {(name, ("class", name))}),
        (["self.__dict__['n'] = v"], set()),
        (["setattr(type(self), 'count', v)"], set()),
        ([f"setattr({name}, 'shared', {name}.shared + [v])"], {(name, ("class", name))}),
        (["__class__.count += v"], set()),
        (["__class__.shared.append(v)"], set()),
    ]
    if place:
        forms.append(([f"{place}.append(v)"], {(place, "list")}))
    if number:
        forms.append(([f"global {number}", f"{number} += v"], {(number, "int")}))
    return method_add(w.pick(forms + (handing_on(w, name) if base else [])))


def handing_on(w: Writer, name: str) -> list[tuple]:
    """Ways in which `add` can use what the base has."""
    n = w.fresh()
    return [
        ([f"super().add(v + {n})", "return self"], set()),
        ([f"super().add(v + {n})"], set()),
        ([f"return super().add({n})"], set()),
        (["above = super()", "above.add(v)"], set()),
        ([f"super({name}, self).add(v)", "self.n += 1"], {(name, ("class", name))}),
        (["super().shared.append(v)"], set()),
    ]


def method_add(form: tuple) -> tuple[list[str], set]:
    lines, needs = form
    return [
        "def add(self, v):",
        *indented(lines),
        *indented([] if lines[-1].startswith("return") else ["return self"]),
    ], needs


def total(w: Writer, name: str, base: str):
    place, number = w.name("list"), w.name("int")
    forms = [("sum(self.items) + self.n", set()), ("len(self.shared) + type(self).count", set()), ("self.n", set())]
    if place:
        forms.append((f"len(self.items) + len({place})", {(place, "list")}))
    if number:
        forms.append((f"self.count + {number}", {(number, "int")}))
    text, needs = w.pick(forms)
    return ["@property", "def total(self):", f"    return {text}"], needs


def peek(w: Writer, name: str, base: str):
    forms = [
        ("self.items", set()),
        ("list(self.items)", set()),
        ("self.shared", set()),
        ("[self.n, self.count]", set()),
    ]
    if base:
        forms += [("super().peek()", set())] * 2
    text, needs = w.pick(forms)
    if w.chance(0.25):
        return ["def peek(self):", f"    self.n += {w.fresh()}", f"    return {text}"], needs
    return ["def peek(self):", f"    return {text}"], needs


def clone(w: Writer, name: str, base: str):
    text = w.pick(("copy.copy(self)", "type(self)(self.items)", "self"))
    return ["def clone(self):", f"    return {text}"], set()


def length(w: Writer, name: str, base: str):
    extra = w.pick(([], ["self.n += 1"], [f"self.items.append({w.fresh()})"]))
    return ["def __len__(self):", *indented(extra), "    return len(self.items)"], set()


def plus(w: Writer, name: str, base: str):
    place = w.name("list")
    if place and w.chance(0.1):
        return ["def __neg__(self):", f"    return {place}"], {(place, "list")}
    forms = (
        ["def __add__(self, other):", "    return type(self)(self.items + other.items)"],
        ["def __iadd__(self, other):", "    self.items.extend(other.items[:2])", "    return self"],
        ["def __call__(self, v=1):", "    self.n += v", "    return self.items"],
        ["def __neg__(self):", f"    return {w.pick(('self.items', 'self.shared'))}"],
        ["def __mul__(self, other):", "    return self.items"],
        ["def __iter__(self):", "    return iter(self.items)"],
        ["def __getitem__(self, v):", "    self.n += 1", "    return self.items[v:]"],
        ["def __setitem__(self, v, w):", "    self.items[v:] = [w]"],
        ["def __contains__(self, v):", "    self.shared.append(v)", "    return v in self.items"],
        ["def __eq__(self, other):", "    self.n += 1", "    return self.items == other.items", "__hash__ = None"],
        ["def __eq__(self, other):", "    self.items.append(1)", "    return True", "__hash__ = None"],
        ["def __bool__(self):", "    self.n += 1", "    return True"],
        ["def __bool__(self):", "    self.items.append(2)", "    return True"],
        ["@classmethod", "def make(cls, v=1):", "    cls.count += v", "    return cls([v])"],
        ["@staticmethod", "def helper(v):", "    v.append(1)", "    return v"],
    )
    return w.pick(forms), set()


def enter(w: Writer, name: str, base: str):
    return ["def __enter__(self):", f"    self.items.append({w.fresh()})", "    return self",
            "def __exit__(self, *error):", f"    {w.pick(('self.n += 1', 'self.items.append(0)'))}"], set()  # fmt: skip


def classes_in_sight(w: Writer) -> list[str]:
    values = w.scopes[0].values
    return [
        n for n in CLASSES if isinstance(values.get(n), Code) and values[n].shape[0] == "class" and w.usable(values[n])
    ]


def new_object(w: Writer, of_class: str = "") -> list[str]:
    found = classes_in_sight(w)
    if not found or w.in_function or w.fixed:
        return []
    name = of_class if of_class in found else w.pick(found)
    kind = Code(("obj",), w.kind(name).needs | {(name, ("class", name))})
    target = w.target(kind)
    if target is None or would_recurse(w, target, kind.needs):
        return []
    argument = w.pick(("", w.a_list(), w.a_list(), w.a_copy()))
    w.bound(target, kind)
    if w.chance(0.3):
        w.later.append([w.pick(("bool({o})", "not {o}", "{o} == {o}", "{o} != {o}")).format(o=target)])
    return [f"{target} = {name}({argument})"]


def use_object(w: Writer) -> list[str]:
    name = w.name(("obj",))
    if name is None:
        return a_class(w) if w.chance(0.5) else new_object(w)
    n = w.fresh()
    forms = (
        "{o}.add({n})", "{o}.add({i})", "{o}.items.append({n})", "{o}.items = {l}", "{o}.n = {i}", "{o}.n += {n}",
        "{o}.items += [{n}]", "print({o}.total, len({o}))", "print({o}.peek())", "{o}.peek().append({n})",
        "{o}.shared.append({n})", "type({o}).count += {n}", "type({o}).shared = {l}", "{o}.extra = {l}",
        "setattr({o}, 'n', {n})", "print({o}.items is {l})", "{o}.add({n}).add({i})", "{o}.shared = {l}",
        "{o}.__class__.count = {n}", "vars({o})['n'] = {i}", "print({o}.count, {o}.shared)", "str(len({o}))",
        "with {o} as x: x.n += {n}", "if {o}: print({n})",
        "bool({o})", "not {o}", "{o} or {i}", "{o} == {o}", "{o} != {o}", "{n} if {o} else 0",
        "{o} and {i}", "f'{{len({o})}}'", "del {o}.items[2:]",
        "print(getattr({o}, 'extra', {n}))", "print(getattr({o}, 'last', {n}))", "print(hasattr({o}, 'last'))",
        "{o}.last = {n}", "setattr({o}, 'last', {i})",
        "{o}.late()", "{o}.late()", "(-{o}).append({n})", "({o} * 2).append({n})",
        "{o}.hook = lambda: {n}", "{o}.hook = lambda: {n}", "print(getattr({o}, 'hook', int)())",
    )  # fmt: skip
    kind = w.kind(name)  # (A parameter's is its shape.)
    is_derived = isinstance(kind, Code) and any(w.bases.get(each) for each, _ in kind.needs)
    text = "{o}.add({n})" if w.chance(0.6 if is_derived else 0.1) else w.pick(forms)
    if text.startswith("with") and (w.in_function or w.fixed):
        return []
    text = text.format(o=name, n=n, i=w.an_int(), l=w.a_list())
    if any(word in text for word in ("last", "late", "(-", "* 2)")) and "hasattr" not in text:
        return ["try:", f"    {text}", "except (AttributeError, TypeError):", "    pass"]
    return [text]


def use_class(w: Writer) -> list[str]:
    found = classes_in_sight(w)
    if not found or w.in_function:
        return []
    name, n = w.pick(found), w.fresh()
    owner = w.name(("obj",))
    forms = [
        "{c}.count += {n}", "{c}.shared.append({n})", "{c}.shared = {l}", "print({c}.count, {c}.shared)",
        "{c}.late = lambda self: self.items.append({n})", "{c}.late = lambda self: self.n",
        "{c}.late = lambda self: {p}.append({n})", "{c}.late = property(lambda self: self.items.append({n}))",
        "{c}.count = {i}", "setattr({c}, 'count', {n})", "{c}.extra = {n}", "print(hasattr({c}, 'extra'))",
    ]  # fmt: skip
    forms += ["print(isinstance({o}, {c}), type({o}) is {c})"] * 2 + ["{c}.add({o}, {n})"] if owner else []
    if owner and name not in derived(w, "") and "add" in forms[-1]:
        forms.pop() if not w.chance(0.3) else None
    place = w.name("list") or "[]"
    text = w.pick(forms).format(c=w.use(name), n=n, i=w.an_int(), l=w.a_list(), o=owner, p=place)
    if ".add(" in text:
        return ["try:", f"    {text}", "except AttributeError:", "    pass"]
    return [text]


def clone_object(w: Writer) -> list[str]:
    name = w.name(("obj",))
    if name is None:
        return []
    kind = w.kind(name)
    form = w.pick(("{o}.clone()", "copy.copy({o})", "copy.deepcopy({o})", "{o}", "{o}.add({n})"))
    return w.assign(kind, form.format(o=name, n=w.fresh()))


RECIPES = [
    (4, a_class), (3, class_and_derived), (3, new_object), (6, use_object), (2, use_class), (1, clone_object),
]  # fmt: skip
