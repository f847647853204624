"""Pickles whose large buffers are mapped: exact, readable by anyone, and no second copy in memory."""

import pickle

import pytest
from conftest import text_of

MAKE = """
import numpy as np, pandas as pd
big = np.arange(100_000, dtype="f8").reshape(1000, 100)
fortran = np.asfortranarray(big) + 1
fixed = big[:500].copy(); fixed.flags.writeable = False
part = big[::2, ::2]
table = pd.DataFrame({"a": np.arange(50_000), "b": ["x" * 9, "y"] * 25_000, "c": np.arange(50_000) * 0.5})
text, raw, own = "t" * 200_000, b"r" * 200_000, bytearray(b"o" * 200_000)
odd = np.arange(70_001, dtype="u1")
small = np.arange(3)
shared = {"one": big, "two": big}
"""
NAMES = "big fortran fixed part table text raw own odd small shared".split()


def passed_on(bench, look, names=NAMES):
    made = bench.run([["run", 0, 1, MAKE, [], []], ["save", "all", "value", names]])
    assert made["error"] is None
    return bench.run([["load", "all", "value", names], ["run", 1, 1, look, [], []]])


def test_values_are_what_they_were(bench):
    look = (
        f"expected = {{}}\nexec({MAKE!r}, expected)\n"
        + """
for name in "big fortran fixed part odd small".split():
    one, two = expected[name], globals()[name]
    assert (one == two).all() and one.dtype == two.dtype and one.flags.aligned and two.flags.aligned, name
    assert (one.flags.f_contiguous, one.flags.writeable) == (two.flags.f_contiguous, two.flags.writeable), name
assert table.equals(expected["table"]) and list(table.dtypes) == list(expected["table"].dtypes)
assert [type(each) for each in (text, raw, own)] == [str, bytes, bytearray]
assert (text, raw, own) == tuple(expected[name] for name in ("text", "raw", "own"))
assert shared["one"] is shared["two"] is big
"""
    )
    assert passed_on(bench, look)["error"] is None


def test_the_file_is_an_ordinary_pickle(bench):
    passed_on(bench, "pass")
    with (bench.scratch / "all").open("rb") as file:
        values = pickle.load(file)
    assert list(values) == NAMES
    assert values["big"].sum() == sum(range(100_000)) and values["own"] == bytearray(b"o" * 200_000)


def test_what_is_changed_stays_in_the_process(bench):
    look = "big[0, 0] = -1.0\nbig.sort()\ntable.iloc[0, 0] = 7\nfortran += 1\nprint(big[0, 0], table.iloc[0, 0])"
    result = passed_on(bench, look)
    assert text_of(result, cell=1) == "-1.0 7\n"
    before = (bench.scratch / "all").read_bytes()
    result = bench.run([["load", "all", "value", NAMES], ["run", 1, 1, "print(big[0, 0], fortran[0, 0])", [], []]])
    assert text_of(result, cell=1) == "0.0 1.0\n"
    assert (bench.scratch / "all").read_bytes() == before


def test_a_large_array_takes_no_memory_of_its_own(bench):
    make = "import numpy as np\nbig = np.zeros(2**24)\nbig[::512] = 1"
    bench.run([["run", 0, 1, make, [], []], ["save", "all", "value", ["big"]]])
    look = """
def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
before = anonymous()
print(big.sum(), (anonymous() - before) // 1024)
big[:2**20] = 2
print((anonymous() - before) // 2**10)
"""
    result = bench.run([["load", "all", "value", ["big"]], ["run", 1, 1, look, [], []]])
    total, read, written = text_of(result, cell=1).split()
    assert (total, int(read) < 4, 7 <= int(written) < 12) == ("32768.0", True, True)
    assert result["peak_memory_bytes"] < 400 * 2**20


@pytest.mark.parametrize("tail", [b"", b"kale_buf", b"\xff" * 8 + b"kale_buf", b"\x00" * 8 + b"kale_buf"])
def test_what_only_looks_like_an_index_is_none(bench, tail):
    (bench.scratch / "all").write_bytes(pickle.dumps({"x": 1}) + tail)
    assert text_of(bench.run([["load", "all", "value", ["x"]], ["run", 1, 1, "print(x)", [], []]]), cell=1) == "1\n"
