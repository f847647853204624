"""Twice as much of the same takes about twice as long to compile: what a fuzzer of small inputs does not see."""

import time

import pytest

from .planner import Planner, build
from .writer import RandomNotebook


def cells(count, source):
    return [source(i) for i in range(count)]


SHAPES = {
    "cells": lambda n: cells(n, lambda i: f"x{i} = [{i}]"),
    "chain": lambda n: ["x0 = [0]", *cells(n, lambda i: f"x{i + 1} = [v for v in x{i}]")],
    "one name": lambda n: ["x = [0]", *cells(n, lambda i: f"x.append({i})")],
    "aliases": lambda n: ["x = [0]\n" + "\n".join(f"x{i} = x" for i in range(n)), "x.append(1)"],
    "names in a cell": lambda n: ["\n".join(f"x{i} = [{i}]" for i in range(n)), "\n".join(f"x{i}" for i in range(n))],
    "elif": lambda n: ["x = 1", "if x == 0: pass\n" + "\n".join(f"elif x == {i}: y{i % 50} = [{i}]" for i in range(n))],
    "functions": lambda n: ["def f0(a): return a", *cells(n, lambda i: f"def f{i + 1}(a): return f{max(0, i - 5)}(a)")],
    "elements": lambda n: [f"x = [{', '.join(f'[{i}]' for i in range(n))}]", "print(x)"],
    "operators": lambda n: ["x = " + " + ".join("1" for _ in range(n))],
}  # fmt: skip
#: Cells or parts of the smaller notebook; operators nest, and CPython itself has a limit there.
SIZES = {"operators": 400, "aliases": 400}


@pytest.fixture(scope="module")
def planner():
    planner = Planner(build())
    yield planner
    planner.close()


def seconds(planner, sources) -> float:
    document = RandomNotebook(0, sources, [[] for _ in sources], None, {}).document()
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        planned = planner.plan(document, None)
        taken.append(time.perf_counter() - start)
        assert planned.plans is not None, planned.errors
    return min(taken)


@pytest.mark.parametrize("shape", SHAPES)
def test_growth_is_not_quadratic(shape, planner):
    size = SIZES.get(shape, 1000)
    one, two = (seconds(planner, SHAPES[shape](factor * size)) for factor in (1, 4))
    text = sum(map(len, SHAPES[shape](4 * size)))
    assert two < max(1.0, text / 100_000), f"{text} bytes took {two:.2f} s"
    # Four times as much; what takes no time says nothing.
    assert two < 0.05 or two / one < 10, f"{one:.3f} s, then {two:.3f} s"
