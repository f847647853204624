"""Symbol tables of the same sources by CPython and by the compiler, in the same words.

CPython's table is read from the C structure behind the module `symtable`: a number per name, whose bits say what a
scope does with the name and where the name lives. The bits are named here once, for all versions; `symbol_table`, an
example program of `kale_frontend`, prints the compiler's table with these words.

Run as a program, the module is CPython's half: sources in, tables out, by whatever interpreter runs it (it needs the
standard library only). So a test can ask interpreters other than its own.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import symtable
import sys
import tokenize
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
USES = {
    1: "declared-global",
    2: "assigned",
    4: "parameter",
    8: "declared-nonlocal",
    16: "referenced",
    64: "free-in-class",
    128: "imported",
    256: "annotated",
    512: "iteration",
    1 << 10: "type-parameter",
    1 << 11: "inlined-cell",
}
RESOLUTIONS = {1: "local", 2: "global-explicit", 3: "global-implicit", 4: "free", 5: "cell"}
# Since type parameters have a bit of their own, the resolution begins behind it.
SCOPE_SHIFT = 12 if sys.version_info >= (3, 12) else 11
KINDS = {
    "TypeVar bound": "type variable",
    "type parameter": "type parameters",
    "annotation": "annotations",
}

TEXT = {"capture_output": True, "text": True, "encoding": "utf-8", "check": True}

_words: dict[int, str] = {}


def words(flags: int) -> str:
    """`"assigned referenced local"` for a name's number."""
    known = _words.get(flags)
    if known is None:
        uses = [word for bit, word in USES.items() if bit < 1 << SCOPE_SHIFT and flags & bit]
        known = _words[flags] = " ".join([*uses, RESOLUTIONS[flags >> SCOPE_SHIFT]])
    return known


CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


def read(path: Path) -> str | None:
    """A file's text as the interpreter decodes it; `None` when it cannot."""
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return None
    # Given as text, a source must not say that it is encoded otherwise.
    lines = text.split("\n")
    for index in range(min(2, len(lines))):
        if CODING.match(lines[index]):
            lines[index] = "#"
    return "\n".join(lines)


def tree(table: symtable.SymbolTable) -> dict:
    raw = table._table
    kind = getattr(table.get_type(), "value", table.get_type())
    return {
        "kind": KINDS.get(kind, kind),
        "name": raw.name,
        "line": raw.lineno,
        "nested": bool(raw.nested),
        "symbols": {name: words(flags) for name, flags in raw.symbols.items()},
        "children": [tree(child) for child in table.get_children()],
    }


def refusal(source: str) -> str | None:
    """Why CPython would not compile a source, with `await` allowed outside of functions, as in a notebook."""
    try:
        compile(source, "source", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


def cpython(source: str) -> dict:
    """`{"refusal": None, "table": {...}}`, or the reason why there is no table."""
    try:
        table = tree(symtable.symtable(source, "source", "exec"))
    except (SyntaxError, ValueError, RecursionError) as error:
        return {"refusal": f"{type(error).__name__}: {error}", "table": None}
    return {"refusal": None, "table": table}


def differences(ours: dict, theirs: dict, path: str = "") -> list[str]:
    """Each difference of two tables, with the scopes around it."""
    path = f"{path}/{theirs['name']}:{theirs['line']}"
    found = [
        f"{path}: {key} is {theirs[key]!r}, ours {ours[key]!r}"
        for key in ("kind", "name", "line", "nested")
        if ours[key] != theirs[key]
    ]
    if ours["symbols"] != theirs["symbols"]:
        for name in sorted(ours["symbols"].keys() | theirs["symbols"].keys()):
            mine, correct = ours["symbols"].get(name), theirs["symbols"].get(name)
            if mine != correct:
                found.append(f"{path}: {name!r} is {correct}, ours {mine}")
    names = [[child["name"] for child in side["children"]] for side in (ours, theirs)]
    if names[0] != names[1]:
        return [*found, f"{path}: the scopes inside are {names[1]}, ours {names[0]}"]
    for mine, correct in zip(ours["children"], theirs["children"], strict=True):
        found += differences(mine, correct, path)
    return found


def size(table: dict) -> tuple[int, int]:
    """How many scopes, and how many names, a table has."""
    inside = [size(child) for child in table["children"]]
    return 1 + sum(scopes for scopes, _ in inside), len(table["symbols"]) + sum(names for _, names in inside)


def requests(sources: list[str], notebook: bool) -> str:
    return "".join(json.dumps({"source": source, "notebook": notebook}) + "\n" for source in sources)


def ours(program: Path, sources: list[str], version: str, notebook: bool = False) -> list[dict]:
    text = requests(sources, notebook)
    done = subprocess.run([program, version], input=text, **TEXT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """CPython's half as a program: JSON lines in, JSON lines out."""
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(20_000)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(cpython(request["source"])))


if __name__ == "__main__":
    main()
