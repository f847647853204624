# ruff: noqa: E501 (cells are easier to read on one line)
"""Arrays over common memory are that after the trip, on this machine and in a container."""

import pytest
from conftest import text_of

CASES = {
    "an array and its head": ("[a, a[:2]]", "v[0][0, 0] = -1", "v[1][0, 0]", "-1.0"),
    "the view comes first": ("[a[1:, ::-1], a]", "v[1][2, 3] = -1", "v[0][1, 0]", "-1.0"),
    "turned and flat": ("[a.T, a.ravel()]", "v[0][0, 1] = -1", "v[1][4]", "-1.0"),
    "two views without their owner": ("[a[:2], a[1:]]", "v[1][0, 0] = -1", "v[0][1, 0]", "-1.0"),
    "parts and the whole": ("{'all': a, 'parts': np.split(a, 3)}", "v['parts'][2][0, 0] = -1", "v['all'][2, 0]", "-1.0"),
    "objects": ("[o, o[1:3]]", "v[1][0] = 'new'", "(v[0][1], v[0][2] is v[1][1])", "('new', True)"),
    "a column of records": ("[r, r['w']]", "v[1][1] = -1", "v[0]['w'][1]", "-1.0"),
    "dates": ("[d[1:], d]", "v[1][1] = np.datetime64(5, 's')", "v[0][0]", "1970-01-01T00:00:05"),
    "what cannot be written to": ("[np.broadcast_to(a[0], (5, 4)), a]", "v[1][0, 0] = -1", "(int(v[0][:, 0].sum()), v[0].flags.writeable)", "(-5, False)"),
    "the memory of something else": ("[f, f[3:]]", "v[1][0] = 200", "v[0][3]", "200"),
    "a frame and its array": ("[pd.DataFrame(a, copy=False), a]", "v[1][0, 0] = -1", "v[0].iloc[0, 0]", "-1.0"),
    "a matrix": ("[np.matrix(a, copy=False), a]", "v[1][0, 0] = -1", "(int(v[0][0, 0]), type(v[0]).__name__)", "(-1, 'matrix')"),
    "an array on a file": ("(lambda f: [f, f[:2], np.asarray(f)])(np.memmap('f.bin', 'f8', 'w+', shape=3))", "v[1][0] = -1", "v[0].tolist(), v[2].tolist(), type(v[1]).__name__", "[-1.0, 0.0, 0.0] [-1.0, 0.0, 0.0] memmap"),
    "an object that holds both": ("Table(a)", "v.rows[0, 0] = -1", "v.head[0, 0]", "-1.0"),
}  # fmt: skip

MAKE = """
import numpy as np, pandas as pd
class Table:
    def __init__(self, rows): self.rows, self.head = rows, rows[:2]
a = np.arange(12.0).reshape(3, 4)
o = np.array([1, "x", [2], None], dtype=object)
r = np.zeros(3, dtype=[("q", "i4"), ("w", "f8")])
d = np.zeros(3, dtype="M8[s]")
f = np.frombuffer(bytearray(range(64)), "u1")
"""


def passed_on(bench, values, look, contained=False):
    """What a later step prints of `v`."""
    if contained:
        for program in (
            [["run", 0, 1, MAKE + f"v = {values}", [], []], ["save", "v", "value", ["v"]]],
            [["define", 0, 1, MAKE], ["load", "v", "value", ["v"]], ["run", 1, 1, look, [], []]],
        ):
            assert bench.embedded(program, requirements=["numpy"], KALE_INSTALL="0") is not None, bench.stderr
        return bench.stdout
    made = bench.run([["run", 0, 1, MAKE + f"v = {values}", [], []], ["save", "v", "value", ["v"]]])
    assert made["error"] is None, made["error"]
    result = bench.run([["define", 0, 1, MAKE], ["load", "v", "value", ["v"]], ["run", 1, 1, look, [], []]])
    assert result["error"] is None, result["error"]
    return text_of(result, cell=1)


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_one_is_seen_in_the_other(bench, name):
    values, change, look, expected = CASES[name]
    assert passed_on(bench, values, f"{change}\nprint({look})") == expected + "\n"


def test_in_a_container(bench):
    names = "an array and its head", "objects", "a frame and its array"
    values = "[" + ", ".join(CASES[name][0] for name in names) + "]"
    looks = [f"v = w[{at}]\n{CASES[name][1]}\nprint({CASES[name][2]})" for at, name in enumerate(names)]
    printed = passed_on(bench, values, "w = v\n" + "\n".join(looks), contained=True)
    assert printed == "".join(CASES[name][3] + "\n" for name in names)


def test_large_ones_are_mapped_once(bench):
    values = "(lambda x: [x, x[::2], *x])(np.zeros((200, 100_000)))"
    assert passed_on(bench, values, "v[5][7] = 1\nprint(v[0][3, 7], v[0].flags.aligned)") == "1.0 True\n"
    assert 160e6 < (bench.scratch / "v").stat().st_size < 161e6


def test_who_shares_nothing_is_written_alone(bench):
    """A view is stored with its own elements, and so are views that only lie between each other."""
    passed_on(bench, "(lambda x: [x[:10], x[20:30], x[100::1000], x[101::1000]])(np.zeros(1_000_000))", "pass")
    assert (bench.scratch / "v").stat().st_size < 20_000


def test_the_same_values_make_the_same_bytes(bench):
    found = set()
    for _ in range(2):
        passed_on(bench, "[a[1:], a, o[1:], o]", "pass")
        found.add((bench.scratch / "v").read_bytes())
    assert len(found) == 1


def test_tables_that_are_copied_when_written_to_stay_apart(bench):
    """Pandas knows which of them have memory in common, and a pickle of them does not."""
    values = "(lambda t: [t, t['x'], t.to_numpy()])(pd.DataFrame({'x': [1.0, 2.0], 'y': [3.0, 4.0]}))"
    assert passed_on(bench, values, "v[1].iloc[0] = 9.0\nprint(v[0].iloc[0, 0])") == "1.0\n"
