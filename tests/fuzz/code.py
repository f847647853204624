"""Recipes: functions, closures, generators, decorators, and what is done with them."""

from __future__ import annotations

from .writer import FUNCTIONS, NAMES, PLAIN, Code, Scope, Writer, indented

ARGUMENTS = ("list", "list", "int", "dict", ("obj",))
RESULTS = ("list", "list", "list", "int", "dict", "nest", "pair")


def body(w: Writer, values: dict, result: str | None, declare: bool = True) -> tuple[list[str], set]:
    """Statements of a function with these parameters; also which global variables a call looks up."""
    scope = Scope(values=dict(values))
    lines, declared = [], None
    if declare and w.chance(0.3):
        found = [n for n, kind in w.scope.values.items() if kind in PLAIN and n not in values and n not in w.reserved]
        if found:
            name = w.pick(found)
            word = "nonlocal" if w.in_function else "global"
            if not w.in_function:
                scope.needs.add((name, w.scope.values[name]))
            if word == "global" or name not in w.scope.declared:
                scope.declared.add(name)
                scope.values[name] = w.scope.values[name]
                lines.append(f"{word} {name}")
                declared = name
    outer = w.fixed, w.depth, w.reserved
    w.fixed, w.depth, w.reserved = 0, w.depth + 1, set()
    w.scopes.append(scope)
    for _ in range(w.random.choice((0, 1, 1, 2))):
        lines += w.statement() if w.depth < 3 else w.simple()
    if declared and w.chance(0.6):
        lines.append(f"{declared} = {w.expression(scope.values[declared])}")
        if result is not None and w.chance(0.3):
            lines.append(f"if {w.condition()}: return {w.expression(result)}")
            lines += [f"del {declared}"] if w.chance(0.2) else []
            lines.append(f"{declared} = {w.expression(scope.values[declared])}")
    if result is not None:
        lines.append(f"return {w.expression(result)}")
    w.scopes.pop()
    w.fixed, w.depth, w.reserved = outer
    if w.in_function:
        for each in w.scopes[1:]:
            each.needs |= scope.needs
    return lines, scope.needs


def parameters(w: Writer) -> tuple[list[str], dict, tuple]:
    """A parameter list, the parameters' kinds, and the kinds of the arguments that a call must give."""
    texts, values, required = [], {}, []
    for _ in range(w.random.choice((0, 0, 1, 1, 2))):
        kind = w.pick(ARGUMENTS)
        free = [n for n in ("x", "y", "z", w.pick(NAMES)) if n not in values]
        name = w.pick(free)
        values[name] = kind
        required.append(kind)
        texts.append(name)
    roll = w.random.random()
    name = w.pick([n for n in ("x", "y", "z") if n not in values] or ["w"])
    if roll < 0.12:
        default = w.name("list") or w.literal("list")
        texts.append(f"{name}={default}")
        values[name] = "list"
    elif roll < 0.2:
        texts.append(f"{name}={w.literal('list')}")
        values[name] = "list"
    elif roll < 0.3:
        texts.append(f"{name}={w.an_int()}")
        values[name] = "int"
    elif roll < 0.35:
        texts.append(f"*, {name}={w.a_list()}")
        values[name] = "list"
    return texts, values, tuple(required)


def would_recurse(w: Writer, name: str, needs: set) -> bool:
    return any(n == name for n, _ in needs)


def function(w: Writer) -> list[str]:
    if w.fixed or len(w.scopes) > 2:
        return []
    name = w.pick(FUNCTIONS if not w.in_function else ("inner",))
    texts, values, required = parameters(w)
    result = w.pick(RESULTS)
    lines, needs = body(w, values, result)
    if would_recurse(w, name, needs):
        return []
    header = f"def {name}({', '.join(texts)}):"
    # A default is looked up when the function is made.
    define(w, name, Code(("fn", required, result), needs))
    if not w.in_function and w.chance(0.15):
        w.later.append([f"print(getattr({name}, 'seen', {w.fresh()}))"])
        return [header, *indented(lines), f"{name}.seen = {w.fresh()}"]
    return [header, *indented(lines)]


def define(w: Writer, name: str, kind: Code) -> None:
    """Whoever calls the function of this name may call it again now."""
    w.scope.values[name] = kind
    w.scope.maybe.pop(name, None)


def conditional_function(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    name, condition = w.pick(FUNCTIONS), w.condition()
    texts, values, required = parameters(w)
    result = w.pick(RESULTS)
    one, needs = body(w, values, result)
    other, more = body(w, values, result)
    if would_recurse(w, name, needs | more):
        return []
    define(w, name, Code(("fn", required, result), needs | more))
    header = indented([f"def {name}({', '.join(texts)}):"])
    return [f"if {condition}:", *header, *indented(indented(one)), "else:", *header, *indented(indented(other))]


def closure(w: Writer) -> list[str]:
    """A function that makes a function with a state of its own, and one that is made."""
    if w.fixed or w.in_function:
        return []
    name, target = w.pick(FUNCTIONS), w.pick(NAMES)
    kind, result = w.pick(("list", "int", "list")), w.pick(("list", "int"))
    w.scopes.append(Scope(values={"x": kind}))
    inner, needs = body(w, {}, result)
    declared = inner[:1] if inner[0].startswith("nonlocal") else []
    if kind == "int" and w.chance(0.6):
        inner = ["nonlocal x", "x += 1", *inner[len(declared) :]]
    if kind == "list" and w.chance(0.6):
        inner = [*declared, f"x.append({w.fresh()})", *inner[len(declared) :]]
    needs = needs | w.scopes.pop().needs
    if would_recurse(w, name, needs) or would_recurse(w, target, needs):
        return []
    argument = w.expression(kind)
    define(w, target, Code(("fn", (), result), needs))
    define(w, name, Code(("maker", kind, result), needs))
    return [
        f"def {name}(x):", "    def inner():", *indented(indented(inner)), "    return inner",
        f"{target} = {name}({argument})",
    ]  # fmt: skip


def make(w: Writer) -> list[str]:
    for kind in ("list", "int"):
        for result in ("list", "int"):
            name = w.name(("maker", kind, result))
            if name and not w.fixed and not w.in_function:
                target = w.pick(NAMES)
                needs = w.kind(name).needs
                if would_recurse(w, target, needs):
                    return []
                text = f"{target} = {name}({w.expression(kind)})"
                define(w, target, Code(("fn", (), result), needs))
                return [text]
    return []


def a_lambda(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    name, result = w.pick(FUNCTIONS + NAMES[:2]), w.pick(("list", "int"))
    w.scopes.append(Scope(values={}))
    text = w.expression(result)
    needs = w.scopes.pop().needs
    if would_recurse(w, name, needs):
        return []
    default = w.pick(("", "", f"x={w.a_list()}"))
    if default and w.chance(0.5) and result == "list":
        text = "x"
    define(w, name, Code(("fn", (), result), needs))
    return [f"{name} = lambda {default}: {text}".replace("lambda :", "lambda:")]


def functions_in_sight(w: Writer) -> list[str]:
    found = []
    for scope in w.scopes:
        for name, kind in scope.values.items():
            if isinstance(kind, Code) and kind.shape[0] == "fn" and w.kind(name) is kind and w.usable(kind):
                found.append(name)
    return found


def invocation(w: Writer) -> tuple[str, str] | None:
    """The text of a call, and the kind of its result."""
    found = functions_in_sight(w)
    if not found:
        return None
    name = w.pick(found)
    _, required, result = w.kind(name).shape
    arguments = [argument(w, kind) for kind in required]
    if None in arguments:
        return None
    return f"{w.use(name)}({', '.join(arguments)})", result


def argument(w: Writer, kind) -> str | None:
    if kind == ("obj",):
        return w.name(kind)
    return w.expression(kind)


def call(w: Writer) -> list[str]:
    made = invocation(w)
    if made is None:
        return function(w)
    text, result = made
    if w.chance(0.4):
        return [f"{text};"]
    if w.chance(0.2):
        return [f"print({text})"] if result != "set" else []
    return w.assign(result, text)


def recursive(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    name, place, n = w.pick(FUNCTIONS), w.name("list"), w.fresh()
    if place is None:
        return []
    define(w, name, Code(("fn", (), "int"), {(place, "list")}))
    return [
        f"def {name}(depth=2):",
        f"    {place}.append({n})",
        f"    return {name}(depth - 1) + len({place}) if depth else 0",
    ]


def varargs(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    name, n = w.pick(FUNCTIONS), w.fresh()
    forms = (
        ("list", [f"def {name}(x, *rest, **named):", f"    for each in rest: each.append({n})", "    return x"]),
        ("list", [f"def {name}(x, **named):", f"    named.get('y', x).append({n})", "    return [*x]"]),
        ("nest", [f"def {name}(x, *rest):", f"    return [x, *rest, [{n}]]"]),
    )
    result, lines = w.pick(forms)
    define(w, name, Code(("fn", ("list",), result), set()))
    calls = (f"{name}({w.a_list()}, {w.a_list()})", f"{name}(*[{w.a_list()}])", f"{name}({w.a_list()})")
    if "named" in lines[0]:
        calls += (f"{name}({w.a_list()}, y={w.a_list()})", f"{name}({w.a_list()}, **{{'y': {w.a_list()}}})")
    return lines + w.assign(result, w.pick(calls))


def generator(w: Writer) -> list[str]:
    if w.fixed or w.in_function:
        return []
    name, place = w.pick(FUNCTIONS), w.name("list")
    if place is None:
        return []
    lines = [f"def {name}(x):", "    for v in x:", f"        {place}.append(v)", "        yield v + 1"]
    define(w, name, Code(("gen",), {(place, "list")}))
    source = w.pick((f"{w.a_list()}[:2]", "[1, 2]"))
    if w.chance(0.5):
        return lines + w.assign("list", f"list({name}({source}))")
    return lines + w.assign("iter", f"{name}({source})")


def decorated(w: Writer) -> list[str]:
    """A decorator that registers, counts or wraps; mostly defined some cells before it is used."""
    if w.fixed or w.in_function:
        return []
    known = w.kind("deco")
    place, n = w.name("list"), w.fresh()
    if place is None:
        return []
    forms = (
        ["def deco(fn):", f"    {place}.append({n})", "    return fn"],
        ["def deco(fn):", "    @functools.wraps(fn)", "    def wrapper(*args):", f"        {place}.append({n})",
         "        return fn(*args)", "    return wrapper"],
        ["def deco(fn):", "    def wrapper(*args):", "        wrapper.calls += 1", "        return fn(*args)",
         "    wrapper.calls = 0", "    return wrapper"],
        ["def deco(fn):", "    return lambda *args: fn(*args)"],
    )  # fmt: skip
    if known is None or w.chance(0.3):
        form = w.pick(forms)
        needs = {(place, "list")} if place in "".join(form) else set()
        define(w, "deco", Code(("deco",), needs))
        if w.chance(0.6):
            return form
        lines, known = form, w.kind("deco")
    else:
        lines = []
    if not w.usable(known):
        return lines
    name, result = w.pick(FUNCTIONS), w.pick(("list", "int"))
    inner, needs = body(w, {}, result)
    needs = needs | known.needs
    if would_recurse(w, name, needs):
        return lines
    define(w, name, Code(("fn", (), result), needs))
    return [*lines, "@deco", f"def {name}():", *indented(inner)]


def function_attribute(w: Writer) -> list[str]:
    """A function as an object with attributes."""
    if w.fixed or w.in_function:
        return []
    name, n = w.pick(FUNCTIONS), w.fresh()
    kind = w.kind(name)
    if isinstance(kind, Code) and kind.shape == ("fn", (), "counter"):
        return [w.pick((f"{name}.log.append({n})", f"{name}.log = {w.a_list()}", f"print({name}.log)", f"{name}()"))]
    define(w, name, Code(("fn", (), "list"), set()))
    return [f"def {name}():", f"    {name}.log.append({n})", f"    return {name}.log", f"{name}.log = {w.a_list()}"]


def lock(w: Writer) -> list[str]:
    """A lock is made again where it is needed, but not when somebody has taken it."""
    if w.fixed or w.in_function:
        return []
    name = w.name(("lock",))
    if name and w.chance(0.7):
        return [w.pick((f"print({name}.locked())", f"{name}.acquire(False)"))]
    name, other = w.random.sample(NAMES, 2)
    for target in (name, other):
        define(w, target, Code(("lock",), set()))
    taken = [f"{name}.acquire()"] if w.chance(0.6) else []
    return [f"{name} = threading.Lock()", *taken, f"{other} = {name}"]


def hooks(w: Writer) -> list[str]:
    """Functions and bound methods kept in containers."""
    if w.fixed or w.in_function:
        return []
    name = w.name(("hooks",))
    candidates = [n for n in functions_in_sight(w) if w.kind(n).shape == ("fn", (), "list")]
    parts, needs = [], set()
    if candidates:
        chosen = w.pick(candidates)
        parts.append((chosen, w.kind(chosen).needs))
    owner = w.name(("obj",))
    if owner:
        parts.append((f"{owner}.peek", w.kind(owner).needs))
    place = w.name("list")
    if place:
        parts.append((f"lambda: {place}", {(place, "list")}))
        parts.append((f"lambda x={place}: x", set()))
        parts.append((f"functools.partial(list, {place})", set()))
    if not parts:
        return []
    text, needs = w.pick(parts)
    if name and w.chance(0.4):
        w.kind(name).needs |= needs
        return [f"{name}.append({text})"]
    target = w.pick(NAMES)
    if would_recurse(w, target, needs):
        return []
    define(w, target, Code(("hooks",), set(needs)))
    return [f"{target} = [{text}]"]


def run_hooks(w: Writer) -> list[str]:
    name = w.name(("hooks",))
    if name is None:
        return []
    forms = [f"print({name}[0]())", f"{name}[-1]().append({w.fresh()})", f"print([hook() for hook in {name}])"]
    functions = functions_in_sight(w)
    if functions:
        forms.append(f"print([hook is {w.use(w.pick(functions))} for hook in {name}])")
    return [w.pick(forms)]


RECIPES = [
    (6, function), (7, call), (1, conditional_function), (2, closure), (1, make), (2, a_lambda), (1, recursive),
    (1, varargs), (1, generator), (2, decorated), (1, function_attribute), (1, lock), (2, hooks), (2, run_hooks),
]  # fmt: skip
