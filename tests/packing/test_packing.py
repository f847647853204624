"""What a bundle takes along of a notebook, what is told of what cannot be found, and that it is the same each time."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from kale_runtime.packing import bundle, referenced
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

RUNTIME = pathlib.Path(bundle.__file__).parents[1]
TABLE = pd.DataFrame({"age": [1.0, 2.0, 3.0], "size": [4, 5, 7]})
MODEL = LinearRegression().fit(TABLE, [1.0, 2.0, 4.0])


def pack(folder, model=MODEL, **options):
    folder.mkdir(exist_ok=True)
    return bundle.pack(bundle.Wanted(model=model, **options), str(folder))


def once(folder, *instances):
    """What a fresh process answers, from a folder that has nothing of the test's."""
    body = json.dumps({"instances": list(instances)}) if instances else ""
    command = [sys.executable, str(RUNTIME), "--serve", str(folder), "--once"]
    # (The last digits are those of the processor that the library of linear algebra is told to take it for.)
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("OPENBLAS_")}
    done = subprocess.run(command, input=body.encode(), capture_output=True, cwd="/", env=kept)
    return json.loads(done.stdout)


def test_functions_take_along_what_they_name(tmp_path, notebook_names):
    names = notebook_names(
        """
import functools
import numpy as np
from pathlib import Path as Place
SCALE = 2
class Cleaner:
    '''Uses a global of the notebook.'''
    def clean(self, row):
        return [value * SCALE for value in row]
cleaner = Cleaner()
@functools.lru_cache
def remembered(value):
    return value + SHIFT
SHIFT = 1
def counted():
    global calls
    calls += 1
    return calls
calls = 10
def apply(function, row):
    return [function(value) for value in row]
def prepare(rows):
    import math
    assert Place and counted() == 11
    return np.array([apply(lambda value: remembered(math.floor(value)), cleaner.clean(row)) for row in rows])
def told(answer, unit="EUR"):
    return [f"{value:.1f} {unit}" for value in answer]
"""
    )
    made = pack(tmp_path / "b", preprocess=names["prepare"], postprocess=names["told"], example=[[1, 4], [2, 5]])
    assert made["answer"] == once(tmp_path / "b")["predictions"] and made["answer"][0].endswith(" EUR")
    assert names["calls"] == 11


@pytest.mark.parametrize("rows", [TABLE.mask(TABLE < 2), TABLE.mask(TABLE < 2).to_numpy()], ids=["table", "array"])
def test_what_is_no_number_is_null(tmp_path, rows):
    model = HistGradientBoostingRegressor(max_iter=2).fit(rows, [1.0, 2.0, 4.0])
    made = pack(tmp_path / "b", model, example=rows)

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    about = json.loads((tmp_path / "b" / "bundle.json").read_text(), parse_constant=refuse)
    first = about["example"]["instances"][0]
    assert (first["age"] if isinstance(first, dict) else first[0]) is None
    assert made["answer"] == once(tmp_path / "b")["predictions"] == pytest.approx(model.predict(rows)[:2].tolist())


def test_a_traceback_shows_the_functions_lines_and_nothing_else(tmp_path, notebook_names):
    names = notebook_names("SECRET = 'not for others'\ndef prepare(rows):\n    return rows.missing\n")
    pack(tmp_path / "b", preprocess=names["prepare"])
    error = once(tmp_path / "b", 1)["error"]
    assert error["type"] == "AttributeError" and "return rows.missing" in error["traceback"]
    texts = [path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()]
    assert not any(b"not for others" in text for text in texts)


def test_modules_beside_the_notebook_come_along(tmp_path, notebook_names, monkeypatch):
    beside = tmp_path / "project"
    (beside / "tools").mkdir(parents=True)
    (beside / "tools" / "__init__.py").write_text("from .inner import double\nfrom more import SHIFT\n")
    (beside / "tools" / "inner.py").write_text("def double(value):\n    return 2 * value\n")
    (beside / "more.py").write_text("import statistics\nSHIFT = 5\n")
    (beside / "unused.py").write_text("")
    monkeypatch.syspath_prepend(beside)
    names = notebook_names(
        "import tools\nfrom tools import double\n"
        "def prepare(rows):\n    return [[double(a) + tools.SHIFT, b] for a, b in rows]"
    )
    made = pack(tmp_path / "b", preprocess=names["prepare"], example=[[1, 2]])
    packed = sorted(str(path.relative_to(tmp_path / "b/modules")) for path in (tmp_path / "b/modules").rglob("*.py"))
    assert packed == ["more.py", "notebook_cells/1.py", "tools/__init__.py", "tools/inner.py"]
    assert made["answer"] == once(tmp_path / "b")["predictions"]
    for module in ("tools", "tools.inner", "more"):
        sys.modules.pop(module, None)


def test_assets_are_globals_and_files_are_paths(tmp_path, notebook_names):
    names = notebook_names("def prepare(rows):\n    return [[table[row], len(open(words).read())] for row in rows]")
    (tmp_path / "words.txt").write_text("abc")
    assets = {"table": {"a": 1.0}, "words": tmp_path / "words.txt"}
    made = pack(tmp_path / "b", preprocess=names["prepare"], assets=assets, example=["a"])
    assert made["answer"] == once(tmp_path / "b")["predictions"]
    assert "table" not in names


def test_classes_of_the_notebook_are_found_by_the_models_pickle(tmp_path, notebook_names):
    names = notebook_names(
        """
from sklearn.base import BaseEstimator, TransformerMixin
FACTOR = 3
class Times(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self
    def transform(self, X):
        return X * FACTOR
"""
    )
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(names["Times"](), LinearRegression()).fit(TABLE, [1.0, 2.0, 4.0])
    made = pack(tmp_path / "b", model, names={"X_train": TABLE})
    assert made["about"]["model"]["format"] == "joblib" and made["about"]["functions"]["file"] == "names.pkl"
    assert once(tmp_path / "b")["predictions"] == made["answer"]


@pytest.mark.parametrize(
    "source, told",
    [
        ("def prepare(rows):\n    return nowhere(rows)", ["`prepare`", "`nowhere`", "assets"]),
        (
            "def inner(rows):\n    return nowhere\ndef prepare(rows):\n    return inner(rows)",
            ["`inner` (used by `preprocess`)", "`nowhere`"],
        ),
        (
            "class A:\n    def f(self):\n        return nowhere\ndef prepare(rows):\n    return A().f()",
            ["`A.f` (used by `preprocess`)", "`nowhere`"],
        ),
        ("def prepare(rows):\n    return [nowhere for row in rows]", ["`nowhere`"]),
        ("def prepare(rows):\n    import not_installed_here", ["`not_installed_here`", "not installed"]),
        ("file = open('/dev/null')\ndef prepare(rows):\n    return file.read()", ["`file`", "TextIOWrapper", "inside"]),
        ("def prepare(rows):\n    return get_ipython()", ["`get_ipython`"]),
    ],
)
def test_what_a_service_would_miss_is_named(tmp_path, notebook_names, source, told):
    names = notebook_names(source)
    with pytest.raises(bundle.CannotPack) as refused:
        pack(tmp_path / "b", preprocess=names["prepare"])
    assert all(part in str(refused.value) for part in told), str(refused.value)
    names.get("file") and names["file"].close()


@pytest.mark.parametrize(
    "source",
    [
        "def prepare(rows):\n    try:\n        import not_installed_here\n    except ImportError:\n        return rows",
        "def prepare(rows):\n    len = max\n    return [len(row) for row in rows]",
        "def prepare(rows):\n    def again(n):\n        return n and again(n - 1)\n    return again(3)",
        "def prepare(rows):\n    return prepare(rows[1:]) if rows else rows",
        "from __future__ import annotations\ndef prepare(rows: Unknown) -> Nothing:\n    return rows",
        "prepare = str.strip",
        "import functools, operator\nprepare = functools.partial(operator.add, [])",
        "class Prepare:\n    def __call__(self, rows):\n        return self.other(rows)\n"
        "    def other(self, rows):\n        return rows\nprepare = Prepare()",
        "class Prepare:\n    def run(self, rows):\n        return rows\nprepare = Prepare().run",
    ],
)
def test_what_is_found_is_no_fault(tmp_path, notebook_names, source):
    pack(tmp_path / "b", preprocess=notebook_names(source)["prepare"])


@pytest.mark.parametrize(
    "model, told",
    [
        (LinearRegression(), "has not been fitted"),
        (LinearRegression, "is a class"),
        (3, "is no model"),
        (np.array([1]), "is no model"),
    ],
)
def test_what_is_no_model_is_told(tmp_path, model, told):
    with pytest.raises(bundle.CannotPack, match=told):
        pack(tmp_path / "b", model)


def test_wrong_arguments_are_told(tmp_path):
    for options, told in [
        ({"name": "my model"}, "cannot be called"),
        ({"preprocess": 3}, "no function"),
        ({"method": "transform"}, "no method `transform`"),
        ({"assets": {"a b": 1}}, "cannot be called"),
        ({"assets": {"a": pathlib.Path("/nowhere/a")}}, "no such file"),
        ({"example": [["a", "b"]]}, "is not answered here either"),
    ]:
        with pytest.raises(bundle.CannotPack, match=told):
            pack(tmp_path / "b", **options)


def test_the_signature_is_that_of_the_training_data(tmp_path):
    made = pack(tmp_path / "b", names={"X_train": TABLE, "other": TABLE[["age"]]})["about"]
    assert made["signature"]["columns"] == [{"name": "age", "dtype": "float64"}, {"name": "size", "dtype": "int64"}]
    assert [one["datatype"] for one in made["signature"]["inputs"]] == ["FP64", "INT64"]
    assert made["signature"]["outputs"] == [{"name": "output-0", "datatype": "FP64", "shape": [-1]}]
    assert made["example"]["instances"] == [{"age": 1.0, "size": 4}, {"age": 2.0, "size": 5}]
    bare = LinearRegression().fit(TABLE.to_numpy(), [1.0, 2.0, 4.0])
    made = pack(tmp_path / "c", bare, names={"x": TABLE.to_numpy(dtype="float32")})["about"]
    assert made["signature"]["inputs"] == [{"name": "input-0", "datatype": "FP32", "shape": [-1, 2]}]
    made = pack(tmp_path / "d", bare)["about"]
    assert made["signature"]["inputs"] == [{"name": "input-0", "datatype": "FP64", "shape": [-1, 2]}]


def test_packed_again_it_is_the_same(tmp_path, notebook_names):
    source = "OFFSET = 1\ndef shift(rows):\n    return [[a + OFFSET, b] for a, b in rows]\n"
    contents = []
    for folder in ("one", "two"):
        # Another cell of the same text: where it stood is not part of it.
        pack(tmp_path / folder, preprocess=notebook_names(source)["shift"], example=[[1, 2]])
        files = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
        contents.append([(str(path.relative_to(tmp_path / folder)), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]


def test_imports_are_known_by_their_modules():
    closure = referenced.Closure()
    closure.add("model", MODEL)
    closure.check()
    assert "sklearn.linear_model._base" in closure.imported and not closure.local and not closure.names
    assert not closure.imported & set(sys.stdlib_module_names)


def test_the_inside_of_a_bundle_needs_no_kale_rs():
    """Packing and serving run under the interpreter of a run, which may have nothing of ours installed."""
    for path in [*RUNTIME.glob("packing/*.py"), *RUNTIME.glob("serving/*.py")]:
        assert "import kale_rs" not in path.read_text() and "from kale_rs" not in path.read_text()
