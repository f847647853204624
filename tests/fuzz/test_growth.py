"""Four times as much of the same takes about four times as long: what a fuzzer of small inputs does not see."""

import sys
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
    "fan": lambda n: ["x = [0]", *cells(n, lambda i: f"y{i} = [v + {i} for v in x]")],
    "diamonds": lambda n: ["x0 = [0]", *[
        source for i in range(n // 3)
        for source in (f"a{i} = [v for v in x{i}]", f"b{i} = [v for v in x{i}]", f"x{i + 1} = a{i} + b{i}")
    ]],
    "fan in": lambda n: [*cells(n, lambda i: f"y{i} = [len('{i}')]"), f"z = [{', '.join(f'y{i}' for i in range(n))}]"],
    "settings": lambda n: ["import pandas as pd", *cells(n, lambda i: f"pd.set_option('display.max_rows', {i})"),
                           "print(pd.DataFrame())"],
    "settings and users": lambda n: ["import pandas as pd", *cells(
        n, lambda i: f"pd.set_option('display.max_rows', {i})\nx{i} = pd.DataFrame()"
    )],
    "draws": lambda n: ["import random\nrandom.seed(1)", *cells(n, lambda i: f"x{i} = random.random()")],
    "one file": lambda n: cells(n, lambda i: "open('f.txt', 'a').write('a')"),
    "functions in a circle": lambda n: [*cells(n, lambda i: f"def f{i}(a): return f{(i + 1) % n}(a)"), "f0(1)"],
    "functions both ways": lambda n: [*cells(n, lambda i: f"def f{i}(a): return f{i - 1}(a) or f{i + 1}(a)"), "f1(1)"],
    "one unknown": lambda n: ["import foo\nx = foo.a()", *cells(n, lambda i: "foo.b(x)")],
    "tries in a cell": lambda n: ["\n".join(f"try: y{i} = [1]\nexcept E{i}: pass" for i in range(n))],
}  # fmt: skip
#: One alias group of as many names as there are cells, and every cell may change all of it: to say so takes the square.
GROUPS = {
    "unknown chain": lambda n: ["import foo\nx0 = foo.a()", *cells(n, lambda i: f"x{i + 1} = foo.b(x{i})")],
    "unknown fan": lambda n: ["import foo\nx = foo.a()", *cells(n, lambda i: f"y{i} = foo.b(x)")],
    "objects in a chain": lambda n: [
        "class C:\n    def __init__(self, a): self.a = a", "c0 = C(None)", *cells(n, lambda i: f"c{i + 1} = C(c{i})")
    ],
    "views": lambda n: ["import numpy as np\na = np.zeros(3)", *cells(n, lambda i: f"v{i} = a[{i}:]"), "v0[:] = 1"],
}  # fmt: skip
#: Cells or parts of the smaller notebook; operators nest, and CPython itself has a limit there.
SIZES = {"operators": 400, "aliases": 400, "settings": 500, "settings and users": 500}


@pytest.fixture(scope="module")
def planner():
    planner = Planner(build())
    yield planner
    planner.close()


def clock(process) -> float:
    """Seconds of a processor that another process has taken; elsewhere than on Linux, the time of day."""
    if sys.platform == "linux":
        return time.clock_gettime(~process.pid << 3 | 2)
    return time.perf_counter()


def seconds(planner, sources) -> float:
    document = RandomNotebook(0, sources, [[] for _ in sources], None, {}).document()
    taken = []
    for _ in range(3):
        start = clock(planner.process)
        planned = planner.plan(document, None)
        taken.append(clock(planner.process) - start)
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


@pytest.mark.parametrize("shape", GROUPS)
def test_large_alias_groups_are_no_burden(shape, planner):
    assert seconds(planner, GROUPS[shape](1000)) < 0.5
