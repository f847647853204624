"""From a model in a notebook, in a run or in a file to an endpoint that answers as the model does."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import kale_rs
import numpy as np
import pandas as pd
import pytest
from cli.support import COMMAND, call, cell, environment, notebook, processes_with, wait_for
from kale_runtime.packing import bundle
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TABLE, TARGET = load_iris(return_X_y=True, as_frame=True)
ARRAY = TABLE.to_numpy()
SPECIES = load_iris().target_names[TARGET]


def xgboost_classifier():
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5).fit(TABLE, TARGET)


def xgboost_booster():
    xgboost = pytest.importorskip("xgboost")
    return xgboost.train({}, xgboost.DMatrix(ARRAY, TARGET), 5)


def lightgbm_classifier():
    return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=5, verbose=-1).fit(TABLE, SPECIES)


def lightgbm_booster():
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.train({"verbose": -1}, lightgbm.Dataset(ARRAY, TARGET), 5)


def onnx_model():
    convert = pytest.importorskip("skl2onnx").to_onnx
    return convert(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(ARRAY, TARGET), ARRAY[:1].astype("float32")
    )


def statsmodels_formula():
    formulas = pytest.importorskip("statsmodels.formula.api")
    table = TABLE.set_axis(list("abcd"), axis=1).assign(y=TARGET)
    return formulas.ols("y ~ a + np.log(b) + c", table).fit()


#: Each with what it is asked, and what it answers in this process.
MODELS = {
    "pipeline": (lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, SPECIES), TABLE, None),
    "forest": (lambda: RandomForestClassifier(5, random_state=0).fit(ARRAY, TARGET), ARRAY, None),
    "xgboost": (xgboost_classifier, TABLE, None),
    "booster": (
        xgboost_booster,
        ARRAY,
        lambda model, rows: model.predict(sys.modules["xgboost"].DMatrix(rows)),
    ),
    "lightgbm": (lightgbm_classifier, TABLE, None),
    "lightgbm booster": (lightgbm_booster, ARRAY, None),
    "onnx": (
        onnx_model,
        ARRAY,
        lambda model, rows: (
            __import__("onnxruntime")
            .InferenceSession(model.SerializeToString())
            .run(None, {"X": rows.astype("float32")})[0]
        ),
    ),
    "statsmodels": (statsmodels_formula, TABLE.set_axis(list("abcd"), axis=1)[["a", "b", "c"]], None),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_service_answers_as_its_model(serve, case):
    make, rows, answer = MODELS[case]
    model = make()
    expected = np.asarray(answer(model, rows) if answer else model.predict(rows))
    service = serve(model, name="m", example=rows[:2])
    assert service.verified
    found = service.predict(rows)
    assert found.shape == expected.shape
    np.testing.assert_allclose(
        found, expected, rtol=1e-6
    ) if expected.dtype.kind == "f" else np.testing.assert_array_equal(found, expected)
    listed = service.predict(rows[:3].to_dict("records") if isinstance(rows, pd.DataFrame) else rows[:3].tolist())
    assert isinstance(listed, list)
    np.testing.assert_allclose(
        listed, expected[:3], rtol=1e-6
    ) if expected.dtype.kind == "f" else np.testing.assert_array_equal(listed, expected[:3])


CELL = """
import re
import numpy as np
WORDS = ("good", "bad")
def tokens(text):
    return re.findall("[a-z]+", text.lower())
class Vectors:
    def of(self, text):
        return [tokens(text).count(word) for word in WORDS] + [bias]
def prepare(texts):
    return np.array([Vectors().of(text) for text in texts], dtype=float)
def told(answers):
    return [{"label": "up" if answer else "down", "sure": float(answer)} for answer in answers]
from sklearn.linear_model import LogisticRegression
sentiment = LogisticRegression().fit([[1, 0, 1], [0, 1, 1], [2, 0, 1], [0, 2, 1]], [1, 0, 1, 0])
"""


def test_raw_rows_go_through_the_notebooks_functions(serve, notebook_names):
    names = notebook_names(CELL)
    service = serve(
        names["sentiment"],
        preprocess=names["prepare"],
        postprocess=names["told"],
        assets={"bias": 1.0},
        example=["good", "bad"],
    )
    assert service.name == "sentiment" and service.verified
    assert service.predict(["so good", "bad, bad"]) == [{"label": "up", "sure": 1.0}, {"label": "down", "sure": 0.0}]
    assert service.predict("good") == [{"label": "up", "sure": 1.0}]
    with pytest.raises(kale_rs.ServiceError) as raised:
        service.predict([3])
    error = raised.value
    assert (error.status, error.type) == (500, "AttributeError") and "return re.findall" in error.traceback
    assert "'int' object has no attribute 'lower'" in str(error)
    html = service._repr_mimebundle_()["text/html"]
    assert "sentiment" in html and "prepare" in html and service.url in html and "ready" in html


def test_data_is_taken_as_people_have_it(serve):
    model = LogisticRegression(max_iter=500).fit(TABLE, TARGET)
    service = serve(model, name="iris")
    expected = model.predict(TABLE[:2]).tolist()
    columns = TABLE[:2].to_dict("list")
    for data in (
        TABLE[:2],
        ARRAY[:2],
        ARRAY[:2].tolist(),
        TABLE[:2].to_dict("records"),
        columns,
        TABLE[:2][::-1][::-1],
    ):
        assert list(service.predict(data)) == expected
    assert service.predict(TABLE.iloc[0].to_dict()) == expected[:1]
    assert list(service.predict(TABLE[:2][TABLE.columns[::-1]])) == expected
    assert service.metrics() and service.status()["requests"]["total"] >= 8
    assert any(line.get("path", "").endswith(":predict") for line in service.logs())
    with pytest.raises(kale_rs.ServiceError) as raised:
        service.predict([[1.0]])
    assert raised.value.status == 400


def test_it_ends_when_it_is_stopped_and_nothing_is_left(serve, tmp_path):
    model = LogisticRegression(max_iter=500).fit(TABLE, TARGET)
    service = serve(model, name="iris")
    again = serve(model, name="iris")
    assert again.version == service.version and again.pid != service.pid and again.bundle == service.bundle
    assert [one.name for one in kale_rs.services(store=tmp_path)] == ["iris"]
    again.stop()
    again.stop()
    assert kale_rs.services(store=tmp_path) == [] and processes_with(str(tmp_path)) == []
    with pytest.raises(kale_rs.ServiceError, match="does not answer"):
        service.predict([[1.0, 2.0, 3.0, 4.0]])
    leftover = [path.name for path in (tmp_path / ".kale_rs" / "bundles").iterdir()]
    assert leftover == ["iris"]


KERNEL = """
import kale_rs, sys
from sklearn.linear_model import LinearRegression
service = kale_rs.serve(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), name="line", store=sys.argv[1])
print(service.url, *service.predict([[3.0]]), flush=True)
sys.stdin.read()
"""


def test_it_ends_with_the_kernel_however_that_ends(tmp_path):
    (tmp_path / "kernel.py").write_text(KERNEL)
    command = [sys.executable, tmp_path / "kernel.py", tmp_path]
    kernel = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert float(kernel.stdout.readline().split()[1]) == pytest.approx(6.0)
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    wait_for(lambda: not processes_with(str(tmp_path / ".kale_rs")), "the end of the service")
    for stream in (kernel.stdin, kernel.stdout):
        stream.close()


def test_who_watches_is_told_how_it_goes_on(trained):
    assert call("run", trained).returncode == 0
    words = ["serve", "last:train:model", "--preprocess", "prepare", "--example", "rows", "--pack"]
    shown = in_terminal(*words)
    assert shown.index("packing the model") < shown.index("asking it for the example's answer") < shown.index("model ")
    assert "packing" not in in_terminal(*words, "--json")


def in_terminal(*words):
    """What somebody sees."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen([COMMAND, *words], stdout=theirs, stderr=theirs, env=environment())
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0, shown
    return shown.decode()


def test_one_that_is_served_again_takes_the_place_of_the_other(serve, capsys):
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    first = serve(model, name="iris")
    port = int(first.url.rpartition(":")[2])
    capsys.readouterr()
    second = serve(model, name="iris", example=ARRAY[:2], port=port)
    assert capsys.readouterr().err == f"note: it takes the place of the `iris` that was at {first.url}\n"
    assert second.url == first.url and second.predict(ARRAY[:1]).tolist() == [0]
    third = serve(second.bundle, name="iris")
    assert (third.version, third.verified) == (second.version, None) and "fresh process" not in repr(third)
    assert f"that was at {second.url}" in capsys.readouterr().err
    shown = repr(third.metrics()).splitlines()
    assert len(shown) < 30 and 'kale_request_seconds_count{model_name="iris"} 0' in shown
    assert re.fullmatch(r"and \d+ buckets of these; all of it is in `.text`", shown[-1])
    third.stop()
    heading, *facts = repr(third).splitlines()
    assert heading == f"service iris stopped, was at {third.url}"
    assert [fact.split()[0] for fact in facts] == ["model", "bundle"]


def test_what_python_is_given_is_looked_at(serve):
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    for options, told in [
        ({"port": 99999}, "there is no port 99999"),
        ({"port": "8080"}, "`port` is a whole number, not '8080'"),
        ({"host": "localhost"}, "`host` is an address, not 'localhost'"),
        ({"batch": "many"}, "`batch` is a whole number"),
        ({"timeout": "long"}, "`timeout` is a number"),
        ({"cors": "app.example.org"}, "`app.example.org` is no origin of pages"),
        ({"name": "a b"}, "`a b` cannot be the service's name"),
    ]:
        with pytest.raises(kale_rs.UsageError, match=re.escape(told)) as raised:
            serve(model, **options)
        [heading, help] = raised.value._render_traceback_()
        assert heading.startswith("UsageError: ") and heading.count("UsageError") == 1 and help.startswith("help: ")


def test_what_only_works_here_is_found_out(serve, notebook_names, tmp_path):
    names = notebook_names("import os\ndef prepare(rows):\n    assert os.getpid() == HERE\n    return rows\n")
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    asked = {
        "preprocess": names["prepare"],
        "example": ARRAY[:2].tolist(),
        "assets": {"HERE": os.getpid()},
        "name": "m",
    }
    with pytest.raises(kale_rs.UsageError, match="assert os.getpid"):
        serve(model, **asked)
    names = notebook_names("import os\ndef prepare(rows):\n    return [[float(os.getpid())] * 4 for row in rows]\n")
    regression = __import__("sklearn.linear_model").linear_model.LinearRegression().fit(ARRAY, TARGET)
    with pytest.raises(kale_rs.UsageError, match="answers otherwise than here"):
        serve(regression, **asked | {"preprocess": names["prepare"], "assets": {}})
    assert kale_rs.services(store=tmp_path) == []


TRAINING = [
    cell("power = 1.0", "pipeline-parameters"),
    cell("import numpy as np\nfrom sklearn.linear_model import LinearRegression", "imports"),
    cell("def prepare(rows):\n    return np.array(rows, dtype=float) ** power", "functions"),
    cell(
        "X = np.arange(10.0).reshape(-1, 1)\nrows = [[2.0], [3.0]]\n"
        "model = LinearRegression().fit(X, 3 * X[:, 0])\nloss = abs(power - 2)",
        "step:train",
    ),
    cell("print(loss)", "pipeline-metrics"),
]


def test_a_function_of_the_notebook_is_a_model(serve, notebook_names):
    names = notebook_names(
        "def twice(row):\n    return 2 * row\ndef add(rows):\n    return [twice(sum(row)) for row in rows]"
    )
    service = serve(names["add"], example=[[1.0, 2.0]])
    assert (service.name, service.verified) == ("add", True)
    assert service.predict([[1.0, 2.0], [3.0, 4.0]]) == [6.0, 14.0]


def test_what_cannot_be_packed_leaves_its_forerunner(serve, notebook_names):
    names = notebook_names("def add(rows):\n    return [sum(row) for row in rows]")
    service = serve(names["add"], name="sums")
    with pytest.raises(kale_rs.UsageError, match="`missing`"):
        serve(notebook_names("def add(rows):\n    return missing(rows)")["add"], name="sums")
    assert service.predict([[1.0, 2.0]]) == [3.0]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return notebook(tmp_path / "train.ipynb", *TRAINING)


def answered(url, *rows):
    from kale_rs.serving.wire import Client

    return Client(url, "model", None).predict(list(rows))


def test_a_variable_of_a_run_is_served(trained, tmp_path):
    assert call("run", trained).returncode == 0
    done = call("serve", "last:train:model", "--preprocess", "prepare", "--detach", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    try:
        assert answered(told["url"], [2.0]) == [pytest.approx(6.0)] and told["name"] == "model"
        listed = json.loads(call("services", "--json").stdout)["services"]
        assert [(one["name"], one["pid"]) for one in listed] == [("model", told["pid"])]
        taken = call("serve", "--bundle", told["bundle"], "--detach")
        assert taken.returncode == 2 and "is running already" in taken.stderr
    finally:
        assert call("services", "stop", "model").returncode == 0
    assert json.loads(call("services", "--json").stdout) == {"services": []}
    about = json.loads(Path(told["bundle"], "bundle.json").read_text())
    assert about["origin"]["step"] == "train" and about["functions"]["preprocess"] == "prepare"
    lock = Path(told["bundle"], "requirements.txt").read_text().split()
    assert f"scikit-learn=={__import__('sklearn').__version__}" in lock and "scipy" in " ".join(lock)


def test_what_is_told_to_be_typed_works(trained):
    assert call("run", trained).returncode == 0
    done = call("serve", "last:train:model", "--preprocess", "prepare", "--example", "rows", "--detach")
    assert done.returncode == 0, done.stderr
    # Whoever does not watch is not told how it goes on.
    assert "packing" not in done.stderr
    _, asking, ending = done.stdout.splitlines()
    curl, url, option, header, data, body = shlex.split(asking)
    assert (curl, option, data) == ("curl", "-H", "-d")
    kind, _, value = header.partition(": ")
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), {kind: value})) as answer:
        assert json.load(answer) == {"predictions": [pytest.approx(6.0)]}
    asked = call("predict", "model")
    assert [float(line) for line in asked.stdout.split()] == [pytest.approx(6.0), pytest.approx(9.0)]
    assert "no rows are given, so it was asked with the 2 rows of its example: [[2.0],[3.0]]" in asked.stderr
    assert call("predict", "model", "[[2.0]]").stderr == ""
    assert json.loads(call("predict", "model", "--json").stdout)["example"] == {"instances": [[2.0], [3.0]]}
    heading, row = call("services").stdout.splitlines()
    assert heading.split() == ["service", "state", "url", "version", "requests", "process"]
    assert row.split()[:3] == ["model", "ready", url.partition("/v1")[0]] and row.split()[4] == "4"
    assert call(*ending.split("`")[1].split()[1:]).returncode == 0
    assert json.loads(call("services", "--json").stdout) == {"services": []}


def test_the_best_of_a_sweep_is_served(trained):
    done = call("sweep", trained, "--param", "power=choice:1,2", "--algorithm", "grid", "--objective", "loss")
    assert done.returncode == 0, done.stderr
    shown = json.loads(call("show", "best", "--json").stdout)
    assert shown["parameters"]["power"] == 2
    done = call("serve", "best:train:model", "--preprocess", "prepare", "--pack", "--json")
    assert done.returncode == 0, done.stderr
    bundle = json.loads(done.stdout)["bundle"]
    found = kale_rs.serve(bundle)
    try:
        assert found.predict([[3.0]]) == [pytest.approx(27.0)]
    finally:
        found.stop()


def in_the_foreground(*arguments):
    """The process, and what it says when it is ready."""
    process = subprocess.Popen(
        [COMMAND, "serve", *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    text = b""
    while not text.endswith(b"}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        text += line
    return process, json.loads(text)


def ended(process):
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()
    process.stderr.close()


def test_a_file_is_served_in_the_foreground(tmp_path, monkeypatch):
    import joblib

    monkeypatch.chdir(tmp_path)
    joblib.dump(LogisticRegression(max_iter=500).fit(ARRAY, TARGET), "model.joblib")
    process, told = in_the_foreground("model.joblib")
    assert answered(told["url"], *ARRAY[:2].tolist()) == [0, 0] and told["pid"] == process.pid
    listed = json.loads(call("services", "--json").stdout)["services"]
    assert [(one["name"], one["pid"]) for one in listed] == [("model", process.pid)]
    asked = call("predict", "model", json.dumps(ARRAY[:1].tolist()), "--json")
    assert asked.returncode == 0, asked.stderr
    logs = call("services", "logs", "model")
    assert logs.returncode == 2 and "runs in a terminal, which shows its log" in logs.stderr
    ended(process)


def test_a_bundle_is_served_where_there_is_no_store_and_none_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bundle").mkdir()
    bundle.pack(bundle.Wanted(model=LogisticRegression(max_iter=500).fit(ARRAY, TARGET), name="model"), "bundle")
    process, told = in_the_foreground("--bundle", "bundle")
    assert answered(told["url"], *ARRAY[:2].tolist()) == [0, 0]
    ended(process)
    assert os.listdir() == ["bundle"]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--name", "../iris"], "cannot be the service's name"),
        (["--token-env", "NO_TOKEN"], "has no token"),
        (["--batch-delay", "inf"], "can wait inf milliseconds"),
    ],
)
def test_settings_that_make_no_sense_are_told(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_TOKEN", "")
    Path("bundle").mkdir()
    bundle.pack(bundle.Wanted(model=LogisticRegression(max_iter=500).fit(ARRAY, TARGET), name="iris"), "bundle")
    done = call("serve", "--bundle", "bundle", *arguments)
    assert done.returncode == 2 and told in done.stderr, done.stderr
    assert not Path(".kale_rs/iris").exists()


def test_who_has_no_token_is_told_that_it_runs(serve, monkeypatch, tmp_path):
    monkeypatch.setenv("IRIS_TOKEN", "a word")
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    assert serve(model, name="guarded", token_env="IRIS_TOKEN").predict(ARRAY[:1]).tolist() == [0]
    monkeypatch.delenv("IRIS_TOKEN")
    found = kale_rs.services("show", "guarded", store=tmp_path)
    assert repr(found).startswith("service guarded silent at ") and "batching" not in repr(found)
    with pytest.raises(kale_rs.ServiceError, match="401: send the token"):
        found.predict(ARRAY[:1])


def test_pages_of_all_origins_may_ask(serve):
    service = serve(LogisticRegression(max_iter=500).fit(ARRAY, TARGET), cors=["*"], name="open")
    request = urllib.request.Request(service.url, headers={"Origin": "https://anywhere.example"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["nothing.joblib"], "is no file, and no variable of a run"),
        (["last:train:model"], "no notebook has run here yet"),
        (["--bundle", "nowhere"], "is no bundle"),
        (["best:train:model"], "no notebook has run here yet"),
        (["notes.md"], "no file of a model"),
        (["notes.md", "--preprocess", "f"], "has no functions"),
        (["broken.pkl"], "cannot be read"),
        (["three.pkl"], "is no model"),
    ],
)
def test_what_cannot_be_served_is_told(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    Path("notes.md").write_text("# Notes")
    Path("broken.pkl").write_text("no pickle")
    Path("three.pkl").write_bytes(b"K\x03.")
    done = call("serve", *arguments, "--detach")
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not list(Path(".kale_rs").glob("bundles/*"))


def test_variables_that_a_run_does_not_have_are_told(trained):
    assert call("run", trained).returncode == 0
    for arguments, told in [
        (["last:train:modell"], "did you mean `model`? there are also `X`, `loss`, `power`, `rows`"),
        (["last:train:model", "--preprocess", "clean"], "`clean` is bound"),
        (["last:fit:model"], "no step `fit`"),
    ]:
        done = call("serve", *arguments, "--detach")
        assert done.returncode == 2 and told in done.stderr, done.stderr
