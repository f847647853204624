"""Wrong claims are planted, and the step says which cell broke which; right claims are kept, whatever a cell does.

A claim is an upper bound of what a cell does (`kale_runtime/verify.py`), so to leave something out of one is to plant a
fault in the compiler.
"""

import pickle

import pytest
from conftest import text_of

BOTH = pytest.mark.parametrize("level", ["inputs", "full"])
RICH = pytest.mark.parametrize("rich", [True, False], ids=["ipython", "plain"])


def run(index, source):
    return ["run", index, 1, source, [], []]


def load(*names, key="inputs"):
    return ["load", key, "value", list(names)]


def save(*names, key="outputs"):
    return ["save", key, "value", list(names)]


def store(bench, key="inputs", /, **values):
    (bench.scratch / key).write_bytes(pickle.dumps(values, 5))


def checked(bench, program, *claims, level="inputs", **options):
    """Runs a step of which each cell claims what is given here, and nothing else."""
    given = {row["cell"]: row for row in claims}
    rows = [{"cell": row[1], **given.get(row[1], {})} for row in program if row[0] == "run"]
    return bench.run(program, verify=level, claims=rows, **options)


def violation(result):
    return result["error"] and (result["error"]["code"], result["error"]["cell"])


# R1: undeclared change

CHANGES = {
    "in place": "a[0] = 9",
    "by C": "import heapq\nheapq.heapify(a)",
    "through an element": "a[2].append(1)",
    "then undone and done": "a.append(1); a.pop(); a.reverse()",
    "bound anew": "a = list(a)",
    "deleted": "del a",
}


@BOTH
@RICH
@pytest.mark.parametrize("source", CHANGES.values(), ids=CHANGES)
def test_a_change_that_no_claim_covers(bench, source, level, rich):
    values = [3, 1, [5]] if "element" in source or "[2]" in source else [3, 1, 2]
    store(bench, a=values)
    program = [load("a"), run(4, source)]
    claim = {"cell": 4, "reads": ["a"]}
    result = checked(bench, program, claim, level=level, rich=rich)
    assert violation(result) == ("undeclared-change", 4)
    assert "`a" in result["error"]["message"]
    assert checked(bench, program, {**claim, "changes": ["a"], "binds": ["a"]}, level=level, rich=rich)["error"] is None
    assert checked(bench, program, claim, level="off", rich=rich)["error"] is None


def test_it_is_told_where_the_value_changes(bench):
    store(bench, a={"x": [1, 2.5], "y": 0})
    result = checked(bench, [load("a"), run(2, "a['x'][1] = 3.5")], {"cell": 2, "reads": ["a"]})
    assert "`a['x'][1]` changes here from 2.5 to 3.5" in result["error"]["message"]


@BOTH
def test_the_cell_that_did_it_is_named(bench, level):
    store(bench, a=[1], b=[1])
    program = [load("a", "b"), run(2, "len(a)"), run(5, "b.append(2); a"), run(7, "a")]
    claims = [{"cell": 2, "reads": ["a"]}, {"cell": 5, "reads": ["a", "b"]}, {"cell": 7, "reads": ["a"]}]
    result = checked(bench, program, *claims, level=level)
    assert violation(result) == ("undeclared-change", 5) and "`b" in result["error"]["message"]


def test_a_change_that_is_seen_late_names_the_cells_that_may_have_done_it(bench):
    """With `inputs`, a cell that does not read a variable is not looked at for it."""
    store(bench, a=[1])
    program = [load("a"), run(2, "a.append(2)"), run(5, "1")]
    result = checked(bench, program)
    assert violation(result) == ("undeclared-change", 5) and "or in cell 2" in result["error"]["message"]
    assert violation(checked(bench, program, level="full")) == ("undeclared-change", 2)


@BOTH
def test_what_was_stored_must_stay_what_was_stored(bench, level):
    program = [run(0, "a = [1]"), save("a"), run(1, "a.append(2)")]
    binds = {"cell": 0, "binds": ["a"]}
    result = checked(bench, program, binds, {"cell": 1, "reads": ["a"]}, level=level)
    assert violation(result) == ("undeclared-change", 1)
    assert checked(bench, program, binds, {"cell": 1, "changes": ["a"]}, level=level)["error"] is None


@BOTH
def test_arrays_and_frames(bench, level):
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    store(bench, a=numpy.arange(5.0), df=pandas.DataFrame({"x": [1, 2], "y": ["a", "b"]}))
    for source, told in (
        ("a[3] = 7", "`a[3]` changes here from np.float64(3.0) to np.float64(7.0)"),
        ("a[::-1].sort()", "`a[0]`"),
        ("df.loc[1, 'y'] = 'c'", "`df['y'][1]` changes here from 'b' to 'c'"),
        ("df['z'] = 1", "`df` changes here from shape (2, 2) to shape (2, 3)"),
        ("df.index.name = 'n'", "`df.index.names[0]` changes here from None to 'n'"),
    ):
        result = checked(bench, [load("a", "df"), run(1, source)], {"cell": 1, "reads": ["a", "df"]}, level=level)
        assert violation(result) == ("undeclared-change", 1) and told in result["error"]["message"], result["error"]


CLASSES = """
import functools
class Point:
    count = 0
    def __init__(self, x): self.x = x
    @functools.cached_property
    def double(self): return self.x * 2
class Loud:
    def __init__(self): self.x = [1]
    def __getstate__(self): print('asked'); return self.__dict__
    def __getattr__(self, name): print('asked for', name); raise AttributeError(name)
class Items(list):
    def __iter__(self): print('iterated'); return super().__iter__()
class Slots:
    __slots__ = ('x',)
"""


@BOTH
def test_looking_runs_none_of_the_notebooks_code(bench, level):
    source = "loud, items, slots = Loud(), Items([1]), Slots(); slots.x = [1]; print('made')"
    program = [["define", 0, 1, CLASSES], run(1, source), save("loud", "items", "slots"), run(2, "1"), run(3, "2")]
    result = checked(bench, program, {"cell": 1, "binds": ["loud", "items", "slots"]}, level=level)
    assert result["error"] is None
    # Storing asks once, as it does without verification.
    quiet = checked(bench, program, level="off")
    assert [text_of(result, cell=cell) for cell in (1, 2, 3)] == [text_of(quiet, cell=cell) for cell in (1, 2, 3)]
    for change in ("loud.x.append(2)", "items.append(2)", "slots.x = 3"):
        program[3] = run(2, change)
        claims = {"cell": 1, "binds": ["loud", "items", "slots"]}, {"cell": 2, "reads": ["loud", "items", "slots"]}
        assert violation(checked(bench, program, *claims, level=level)) == ("undeclared-change", 2), change


@BOTH
def test_a_look_is_no_change(bench, level):
    """Bytes of a pickle change in these, and a notebook could not tell."""
    pandas = pytest.importorskip("pandas")
    store(bench, s={"b", "a"}, df=pandas.DataFrame({"x": [1.0], "y": [2.0]}), it=iter([1, 2]))
    made = "p = Point(3)"
    program = [["define", 0, 1, CLASSES], run(1, made), save("p", key="points"), load("s", "df", "it")]
    program += [run(2, "p.double; sorted(s); df.values; df['x'].sum(); df.describe(); repr(it)"), run(3, "list(it)")]
    claims = {"cell": 1, "binds": ["p"]}, {"cell": 2, "reads": ["p", "s", "df", "it"]}
    result = checked(bench, program, *claims, {"cell": 3, "changes": ["it"]}, level=level)
    assert result["error"] is None and text_of(result, cell=3) == ""


def test_nothing_is_drawn(bench):
    numpy = pytest.importorskip("numpy")
    store(bench, g=numpy.random.default_rng(0), it=iter([1, 2, 3]))
    program = [["define", 0, 1, "import random, numpy as np"], load("g", "it")]
    program += [run(1, "random.seed(1); np.random.seed(1)"), run(2, "1"), run(3, "2")]
    program += [run(4, "print(random.random(), np.random.rand(), g.random(), next(it))")]
    claim = {"cell": 4, "changes": ["g", "it"]}
    seeds = {"cell": 1, "generators": ["random", "numpy"]}
    printed = {text_of(checked(bench, program, seeds, claim, level=level), cell=4) for level in ("off", "full")}
    assert len(printed) == 1 and printed != {""}


def test_a_large_value_is_looked_at_in_part(bench):
    numpy = pytest.importorskip("numpy")
    store(bench, a=numpy.zeros(10_000_000))
    program = [load("a"), run(1, "a += 1")]
    result = checked(bench, program, {"cell": 1, "reads": ["a"]})
    assert violation(result) == ("undeclared-change", 1)
    program = [load("a"), run(1, "a[562] = 1")]
    result = checked(bench, program, {"cell": 1, "reads": ["a"]})
    assert result["error"] is None
    assert [(row["id"], row["severity"]) for row in result["warnings"]] == [("not-verified", "info")]
    result = checked(bench, program, {"cell": 1, "reads": ["a"]}, level="full")
    assert violation(result) == ("undeclared-change", 1) and "`a[562]`" in result["error"]["message"]


# R2: undeclared read. The engine knows whether an earlier cell binds the variable.


@RICH
def test_a_variable_that_the_step_was_not_given(bench, rich):
    result = checked(bench, [run(3, "def f():\n    return missing + 1\nf()")], rich=rich)
    assert result["error"]["missing"] == "missing" and result["error"]["line"] == 2
    for source in ("len(1)", "raise NameError('name \\'x\\' is my own')", "def f():\n    x += 1\nf()"):
        assert checked(bench, [run(3, source)], rich=rich)["error"]["missing"] is None


def test_a_variable_that_was_given_and_is_unbound_is_the_notebooks_own_fault(bench):
    store(bench, b=1)
    assert checked(bench, [load("a", "b"), run(3, "a")])["error"]["missing"] is None
    claim = {"cell": 3, "binds": ["a"]}
    assert checked(bench, [run(3, "a = 1\ndel a"), run(4, "a")], claim)["error"]["missing"] is None


# R3: undeclared sharing


SHARING = {
    "an alias": "a = [1]; b = a",
    "an element": "a = [[1]]; b = {'k': a[0]}",
    "a closure": "a = [1]\nclass C: pass\nb = C(); b.me = {'deep': (a,)}",
    "a view": "import numpy as np\na = np.arange(9); b = a[2:5]",
}


@pytest.mark.parametrize("source", SHARING.values(), ids=SHARING)
def test_two_variables_that_share_an_object(bench, source):
    program = [run(6, source), save("a", key="one"), save("b", key="two")]
    claim = {"cell": 6, "binds": ["a", "b"]}
    result = checked(bench, program, claim, level="full")
    assert violation(result) == ("undeclared-sharing", 6)
    assert "`a`" in result["error"]["message"] and "`b`" in result["error"]["message"]
    assert checked(bench, program, claim, level="inputs")["error"] is None
    together = [run(6, source), save("a", "b")]
    grouped = checked(bench, together, {**claim, "groups": [["a", "b"]]}, level="full")
    assert violation(grouped) in (None, ("value-not-faithful", 6))


def test_what_libraries_and_classes_hold_is_shared_by_right(bench):
    source = "import logging, enum\nclass E(enum.Enum):\n    X = []\nclass C:\n    items = []\n"
    source += "a = [E.X, logging.root, logging, len, (1, 'x'), C(), C]; b = [E.X, logging.root, logging, len, (1,), C]"
    program = [run(0, source), ["save", "one", "callable", ["a"]], ["save", "two", "callable", ["b"]]]
    assert checked(bench, program, {"cell": 0, "binds": ["a", "b"]}, level="full")["error"] is None


# R4: missing output


@BOTH
def test_a_variable_that_should_be_bound(bench, level):
    program = [run(1, "if not 1:\n    a = 2"), save("a")]
    claim = {"cell": 1, "binds": ["a"]}
    assert violation(checked(bench, program, claim, level=level)) == ("missing-output", 1)
    assert checked(bench, program, {**claim, "optional": ["a"]}, level=level)["error"] is None


# R5: hidden state


@BOTH
def test_a_seeded_generator_is_used(bench, level):
    program = [["define", 0, 1, "import random"], run(2, "random.random()")]
    assert violation(checked(bench, program, {"cell": 2, "seeded": ["random"]}, level=level)) == (
        "undeclared-randomness",
        2,
    )
    for claim in ({"generators": ["random"]}, {}):
        assert checked(bench, program, {"cell": 2, **claim}, level=level)["error"] is None


@pytest.mark.parametrize(
    "source, error", [("numpy.random.rand()", "undeclared-randomness"), ("numpy.random.seed", None)]
)
def test_a_seeded_generator_is_used_that_the_step_has_not_loaded_before(bench, source, error):
    program = [run(2, f"import numpy.random\n{source}")]
    found = checked(bench, program, {"cell": 2, "seeded": ["numpy"]})["error"]
    assert (found and found["code"]) == error


SETTINGS = {
    "working directory": ("import os\nos.chdir('..')", "", "the working directory"),
    "environment": ("import os\nos.environ.update(A_B='1')", "", "the environment variable `A_B`"),
    "module search path": ("import sys\nsys.path.append('x')", "", "`sys.path`"),
    "warnings": ("import warnings\nwarnings.simplefilter('ignore')", "", "the warning filters"),
    "pandas": ("pd.set_option('display.max_rows', 7)", "pandas", "pandas' option `display.max_rows`"),
    "numpy": ("np.set_printoptions(precision=3)", "numpy", "numpy's print option `precision`"),
    "numpy errors": ("np.seterr(all='raise')", "numpy", "numpy's error state `divide`"),
    "matplotlib": ("plt.rcParams['lines.linewidth'] = 7", "matplotlib", "matplotlib's `lines.linewidth`"),
}


@pytest.mark.parametrize("source, module, told", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_of_the_process_changes(bench, source, module, told):
    imports = "import os, sys, warnings\nimport numpy as np, pandas as pd\nimport matplotlib.pyplot as plt"
    if module:
        pytest.importorskip(module)
    program = [["define", 0, 1, imports if module else "import os, sys, warnings"], run(2, source)]
    result = checked(bench, program)
    assert violation(result) == ("undeclared-setting", 2) and told in result["error"]["message"]
    assert checked(bench, program, {"cell": 2, "settings": [module]})["error"] is None


def test_what_imports_and_plots_set_is_no_setting_of_the_cell(bench):
    pytest.importorskip("matplotlib")
    (bench.folder / "helper.py").write_text(
        "import os, warnings\nos.environ['C_D'] = '1'\nwarnings.simplefilter('once')"
    )
    program = [
        run(0, "import helper"),
        run(1, "import matplotlib.pyplot as plt\nplt.plot([1])"),
        run(2, "plt.plot([2])"),
    ]
    program += [run(3, "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')")]
    claims = [{"cell": 0, "binds": ["helper"]}, {"cell": 1, "binds": ["plt"]}, {"cell": 3, "binds": ["warnings"]}]
    assert checked(bench, program, *claims)["error"] is None


def test_files_are_told_with_whether_they_were_claimed(bench):
    (bench.folder / "in.csv").write_text("1")
    (bench.folder / "sub").mkdir()
    (bench.folder / "helper.py").write_text("def go():\n    open('deep.txt', 'w').close()\n")
    program = [run(1, "open('in.csv').read(); open('out-7.csv', 'w').close()")]
    program += [run(2, "import helper\nhelper.go()"), run(3, "import os\nos.chdir('sub'); open('x', 'w').close()")]
    files = {"reads": ["in.csv"], "writes": ["out-{n}.csv"]}
    claims = {"cell": 1, "files": files}, {"cell": 3, "files": {"writes": ["x"]}, "settings": [""]}
    result = checked(bench, program, *claims, {"cell": 2, "binds": ["helper"]})
    assert result["error"] is None
    assert result["touched"] == [
        [1, "read", "in.csv", True],
        [1, "write", "out-7.csv", True],
        [2, "read", "helper.py", True],
        [2, "write", "deep.txt", False],
        [3, "write", "sub/x", True],
    ]


# R6: round trip

UNFAITHFUL = {
    "drops": "class C:\n    def __init__(self): self.x = 1\n    def __reduce__(self): return (dict, ())\nv = C()",
    "changes": "class C:\n    def __setstate__(self, state): self.__dict__.update(state, x=0)\nv = C(); v.x = 1",
}


@pytest.mark.parametrize("source", UNFAITHFUL.values(), ids=UNFAITHFUL)
def test_a_value_that_does_not_survive(bench, source):
    program = [run(3, source), save("v")]
    claim = {"cell": 3, "binds": ["v", "C"]}
    result = checked(bench, program, claim, level="full")
    assert violation(result) == ("value-not-faithful", 3) and "`v" in result["error"]["message"]
    assert checked(bench, program, claim)["error"] is None


def test_what_a_library_does_not_restore_may_be_empty(bench):
    pytest.importorskip("sklearn")
    source = "from sklearn.utils import Bunch\nv = Bunch(data=[1])"
    claim = {"cell": 3, "binds": ["v", "Bunch"]}
    assert checked(bench, [run(3, source), save("v")], claim, level="full")["error"] is None
    told = "\nv._set_deprecated(2, new_key='new', deprecated_key='old', warning_message='gone')"
    assert violation(checked(bench, [run(3, source + told), save("v")], claim, level="full")) is not None


def test_the_address_of_what_a_vectorizer_has_looked_at_is_no_change(bench):
    pytest.importorskip("sklearn")
    imported = "from sklearn.feature_extraction.text import CountVectorizer\n"
    made = f"{imported}v = CountVectorizer(stop_words=['the']).fit(['the word'])"
    for change, expected in (("v._stop_words_id = 1", None), ("v.max_df = 0.5", ("undeclared-change", 1))):
        program = [run(0, made), save("v"), run(1, f"v\n{change}")]
        claims = {"cell": 0, "binds": ["v", "CountVectorizer"]}, {"cell": 1, "reads": ["v"]}
        assert violation(checked(bench, program, *claims)) == expected


FAITHFUL = """
import collections, datetime, decimal, enum, fractions, pathlib, re, uuid
import numpy as np, pandas as pd
class Colour(enum.Enum):
    RED = 1
class Tree:
    def __init__(self): self.me, self.kids = self, [1]
Pair = collections.namedtuple('Pair', 'a b')
nan = float('nan')
v = [1, 2.5, nan, -0.0, 1j, 'é', b'x', None, ..., range(3), {1, 'a', (2, nan)}, frozenset([1]), bytearray(b'x')]
v += [Colour.RED, Tree(), Pair(1, [2]), collections.deque([1], 3), collections.Counter('aab'), re.compile('x')]
v += [collections.defaultdict(list, a=[1]), collections.OrderedDict(b=1), datetime.datetime(2020, 1, 1), v]
v += [decimal.Decimal('1.0'), fractions.Fraction(1, 3), pathlib.Path('a'), uuid.UUID(int=1), len, Tree, dict.get]
w = [np.arange(6).reshape(2, 3).T, np.array([nan, 1]), np.array(['a', None], dtype=object), np.float32(1)]
w += [np.array([(1, 2.0)], dtype=[('a', 'i4'), ('b', 'f8')]), np.ma.array([1, 2], mask=[0, 1]), np.dtype('i4')]
w += [pd.DataFrame({'a': [1, None], 'b': ['x', None], 'c': pd.Categorical(['u', 'v'])}), pd.Series([1], name='n')]
w += [pd.date_range('2020', periods=3, tz='UTC'), pd.MultiIndex.from_tuples([(1, 'a')]), pd.Timestamp('2020'), pd.NA]
w += [pd.DataFrame({'a': [1]}, index=pd.Index([5], name='i')).groupby('a').sum(), np.random.RandomState(3)]
w += [np.random.default_rng(1)]
d = {'self': w}; d['d'] = d
"""


def test_values_that_survive(bench):
    pytest.importorskip("pandas")
    program = [run(0, FAITHFUL), save("v", "w", "d"), run(1, "1")]
    claim = {"cell": 0, "binds": ["v", "w", "d", "Tree"], "groups": [["v", "w", "d"]]}
    result = checked(bench, program, claim, level="full")
    assert result["error"] is None and result["warnings"] == []


# Cells that say nothing


def test_code_that_cannot_be_seen_into_has_no_claims(bench):
    store(bench, a=[1])
    program = [load("a"), run(1, "exec('a.append(2)')"), save("a", "b")]
    assert checked(bench, program, {"cell": 1, "unseen": True}, level="full")["error"] is None


def test_a_step_that_nobody_has_analysed_is_not_checked(bench):
    store(bench, a=[1])
    assert bench.run([load("a"), run(1, "a.append(2)")], verify="full", claims=None)["error"] is None
