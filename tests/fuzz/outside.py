"""Recipes for what is outside of variables: generators, files, the environment, parameters; and arrays and frames."""

from __future__ import annotations

from .writer import Writer

FILES = ("one.txt", "two.txt", "three.txt")


def draw(w: Writer) -> list[str]:
    if not w.seeded:
        return []
    if w.heavy and w.chance(0.3):
        return w.assign("int", "int(np.random.randint(99))")
    roll = w.random.random()
    if roll < 0.5:
        return w.assign(
            "int", w.pick(("random.randint(0, 99)", "random.choice([4, 5, 6])", "int(random.random() * 50)"))
        )
    if roll < 0.8:
        place = w.a_list()
        return [f"random.shuffle({place})"] if not place.startswith("[") else []
    if roll < 0.9:
        return [f"random.seed({w.fresh()})"]
    return ["print(random.random())"]


def drawing_function(w: Writer) -> list[str]:
    from .code import Code, define

    if not w.seeded or w.fixed or w.in_function:
        return []
    name = w.pick(("f", "g"))
    define(w, name, Code(("fn", (), "int"), set()))
    return [f"def {name}():", f"    return random.randint(0, {w.fresh()})"]


def path(w: Writer, name: str) -> str:
    """The file's path, as a literal, made of parts, or through a variable."""
    stem, _, suffix = name.partition(".")
    forms = [f"'{name}'", f"'{name}'", f"f'{{\"{stem}\"}}.{suffix}'", f"os.path.join('{name}')", f"'./{name}'"]
    known = [n for n, kind in w.scopes[0].values.items() if kind == f"path {name}"]
    return w.pick(forms + [w.use(n) for n in known] * 3)


def write_file(w: Writer) -> list[str]:
    name, n = w.pick(FILES), w.fresh()
    place = path(w, name)
    text = w.pick((f"'{n} '", f"str({w.an_int()})", f"json.dumps({w.a_list()})"))
    mode = w.pick(("w", "w", "a"))
    if not w.fixed and not w.in_function:
        w.files.add(name)
    forms = [
        [f"with open({place}, '{mode}') as file: file.write({text})"],
        [f"print(open({place}, '{mode}').write({text}))"],
    ]  # fmt: skip
    forms += [[f"Path({place}).write_text({text})"]] if mode == "w" else []
    return w.pick(forms)


def read_file(w: Writer) -> list[str]:
    found = sorted(w.files)
    if not found:
        return []
    name = w.pick(found)
    place = path(w, name)
    if not w.fixed and not w.in_function and w.chance(0.3):
        # Whoever writes it next has to wait.
        w.later.append([f"with open('{name}', 'w') as file: file.write('{w.fresh()} ')"])
    text = w.pick((f"open({place}).read()", f"Path({place}).read_text()"))
    if w.chance(0.4):
        return [f"print({text})"]
    if w.chance(0.3):
        return [f"with open({place}) as file: print(file.read())"]
    return w.assign("str", text)


def name_a_path(w: Writer) -> list[str]:
    if w.in_function or w.fixed:
        return []
    name = w.pick(FILES)
    return w.assign(f"path {name}", f"'{name}'")


def file_function(w: Writer) -> list[str]:
    from .code import Code, define

    if w.fixed or w.in_function:
        return []
    name, file, n = w.pick(("g", "h")), w.pick(FILES), w.fresh()
    w.files.add(file)
    define(w, name, Code(("fn", (), "int"), set()))
    return [
        f"def {name}():", f"    with open('{file}', '{w.pick(('w', 'a'))}') as file:", f"        file.write('{n} ')",
        f"    return {n}", f"{name}()",
    ]  # fmt: skip


def environment(w: Writer) -> list[str]:
    name = w.pick(("KALE_FUZZ_A", "KALE_FUZZ_B"))
    roll = w.random.random()
    if roll < 0.45:
        return [f"os.environ['{name}'] = '{w.fresh()}'"]
    if roll < 0.5:
        return [f"os.environ['{name}'] = str({w.an_int()})"]
    if roll < 0.55:
        return [f"os.environ.pop('{name}', None)"]
    return [f"print(os.environ.get('{name}'))"]


def parameter(w: Writer) -> list[str]:
    """A run parameter: its value differs from the one in the cell."""
    if w.in_function or w.fixed:
        return []
    if not w.parameter_names:
        w.parameter_names = {"p": w.fresh(), "p_list": [w.fresh()], "p_text": f"t{w.fresh()}"}
    name, kind = w.pick((("p", "int"), ("p", "int"), ("p_list", "list"), ("p_text", "str")))
    return w.assign(kind, w.pick((name, f"{name}", "p + 1" if name == "p" else name)))


def array(w: Writer) -> list[str]:
    if not w.heavy:
        return []
    name = w.name("array")
    n = w.fresh()
    if name is None or w.chance(0.2):
        return w.assign("array", w.pick((f"np.array([{n}, 2, 3])", "np.arange(3)", f"np.full(3, {n})", "np.zeros(3)")))
    roll = w.random.random()
    if roll < 0.4:
        form = w.pick(("{}[:]", "{}[::-1]", "{}.reshape(3)", "{}.T", "np.asarray({})", "{}.view()", "{}"))
        return w.assign("array", form.format(name))
    if roll < 0.5:
        form = w.pick(("{}.copy()", "{} + 1", "np.sort({})", "np.array({})", "np.where({} > 1, {}, 0)"))
        return w.assign("array", form.replace("{}", name))
    if roll < 0.85:
        forms = (
            "{a}[0] = {n}",
            "{a}[1:] += {n}",
            "{a}.sort()",
            "np.add({a}, 1, out={a})",
            "{a}.fill({n})",
            "{a}[:] = {n}",
        )
        return [w.pick(forms).format(a=name, n=n)]
    return [f"print({name}.tolist(), {w.name('array')}.sum())"]


def frame(w: Writer) -> list[str]:
    if w.heavy != "pandas":
        return []
    name, n = w.name("frame"), w.fresh()
    if name is None:
        return w.assign("frame", f"pd.DataFrame({{'x': [{n}, 2], 'y': {w.pick(('[1, 2]', '[3, 4]'))}}})")
    roll = w.random.random()
    if roll < 0.4:
        forms = ("{d}['x'] = {n}", "{d}.loc[0, 'y'] = {n}", "{d}.insert(0, 'c{n}', {n})", "{d}['z'] = {d}['x'] * 2")
        return [w.pick(forms).format(d=name, n=n)]
    if roll < 0.8:
        forms = ("{d}", "{d}.copy()", "{d}.head(2)", "{d}[['x', 'y']]", "{d}.assign(w={n})", "{d}.sort_values('x')")
        return w.assign("frame", w.pick(forms).format(d=name, n=n))
    return [f"print({name}.to_dict('list'))"]


RECIPES = [
    (5, draw), (1, drawing_function), (3, write_file), (4, read_file), (1, name_a_path), (1, file_function),
    (3, environment), (2, parameter), (13, array), (9, frame),
]  # fmt: skip
