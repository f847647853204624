"""The two sides of a comparison, in the process (and `__main__`) of the linear run: what a pipeline stored for an
artifact, and what the notebook has there.

Both are a dict from name to value: variables by their names, the state of a random generator as `state`, a file or
directory as `content`.
"""

from __future__ import annotations

import importlib
import pkgutil
import tarfile
from pathlib import Path

STATES = {
    "random": ["random.getstate"],
    "numpy": ["numpy.random.get_state"],
    "torch": ["torch.get_rng_state", "torch.cuda.get_rng_state_all"],
}
"""What gets the state of a generator, or the states of its devices."""


def names(kind: str | dict, variables: list[str]) -> list[str]:
    """`kind` is as the store writes it: `value`, `callable`, `{"rng": "numpy"}`, `{"file": path}`."""
    if isinstance(kind, str):
        return variables
    return ["state"] if "rng" in kind else ["content"]


def stored(artifact: dict) -> dict:
    kind, path = artifact["kind"], Path(artifact["path"])
    if isinstance(kind, dict) and "file" in kind:
        return {"content": stored_content(path)}
    module = importlib.import_module("dill" if kind == "callable" else "pickle")
    with path.open("rb") as file:
        value = module.load(file)
    return value if isinstance(kind, str) else {"state": value}


def live(artifact: dict, namespace: dict) -> dict:
    kind = artifact["kind"]
    if isinstance(kind, str):
        return namespace
    if "file" in kind:
        return {"content": content(Path(kind["file"]))}
    return {"state": [[pkgutil.resolve_name(path)()] for path in STATES[kind["rng"]]]}


def content(path: Path) -> list[tuple[str, bytes]]:
    """A file is a directory of one file without a name."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return [("" if each == path else each.relative_to(path).as_posix(), each.read_bytes()) for each in files]


def stored_content(path: Path) -> list[tuple[str, bytes]]:
    """A directory is stored as a tar that says so in its first header."""
    with path.open("rb") as file:
        if b" kale_rs=" not in file.read(1024):
            return [("", path.read_bytes())]
    with tarfile.open(path) as tar:
        members = sorted((member for member in tar if member.isfile()), key=lambda member: member.name)
        return [(member.name.removeprefix("./"), tar.extractfile(member).read()) for member in members]
