"""From a notebook with a difference to a small one: fewer cells, then fewer statements, then plainer ones."""

from __future__ import annotations

import ast
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from .writer import RandomNotebook

Predicate = Callable[[RandomNotebook], bool]


def shrink(notebook: RandomNotebook, fails: Predicate, attempts: int = 1500) -> RandomNotebook:
    """`fails` says whether a notebook still shows the difference."""
    left = attempts
    changed = True
    while changed and left > 0:
        changed = False
        for smaller in candidates(notebook):
            left -= 1
            if left <= 0:
                break
            if fails(smaller):
                notebook, changed = smaller, True
                break
    return notebook


class TooLong(BaseException):
    """Not an `Exception`: those are what cells raise."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Without the line that ends it, a loop goes on for ever."""

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def candidates(notebook: RandomNotebook) -> Iterator[RandomNotebook]:
    """Ever smaller pieces are left out."""
    count = len(notebook.sources)
    for index in range(count):
        keep = [place for place in range(count) if place != index]
        yield replace(notebook, sources=[notebook.sources[p] for p in keep], tags=[notebook.tags[p] for p in keep])
    if notebook.parameters:
        yield replace(notebook, parameters={})
    if notebook.granularity is not None:
        yield replace(notebook, granularity=None)
    if any(notebook.tags):
        yield replace(notebook, tags=[[] for _ in notebook.tags])
    for index, source in enumerate(notebook.sources):
        for smaller in smaller_sources(source):
            sources = [*notebook.sources]
            sources[index] = smaller
            yield replace(notebook, sources=sources)


def smaller_sources(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for owner, field in blocks(tree):
        statements = getattr(owner, field)
        for place, statement in enumerate(statements):
            inner = [each for name in ("body", "orelse", "finalbody") for each in getattr(statement, name, [])]
            unwrapped = [inner] if isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try)) else []
            for instead in [[], *unwrapped]:
                new = statements[:place] + instead + statements[place + 1 :]
                if not new and not isinstance(owner, ast.Module):
                    continue
                setattr(owner, field, new)
                yield ast.unparse(tree)
                setattr(owner, field, statements)
    for owner, field, simpler in simpler_expressions(tree):
        old = getattr(owner, field)
        setattr(owner, field, simpler)
        yield ast.unparse(ast.fix_missing_locations(tree))
        setattr(owner, field, old)


def blocks(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            if isinstance(getattr(node, field, None), list) and getattr(node, field):
                yield node, field


def simpler_expressions(tree: ast.AST) -> Iterator[tuple[ast.AST, str, object]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for place in range(len(node.args)):
                yield node, "args", node.args[:place] + node.args[place + 1 :]
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.decorator_list:
            yield node, "decorator_list", node.decorator_list[1:]
        elif isinstance(node, (ast.If, ast.IfExp)) and not isinstance(node.test, ast.Constant):
            yield node, "test", ast.Constant(True)
        elif isinstance(node, ast.Assign) and not isinstance(node.value, (ast.Constant, ast.List, ast.Name)):
            yield node, "value", ast.List([ast.Constant(1)], ast.Load())
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            yield node, "value", ast.Constant(1)
