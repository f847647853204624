"""What a model says through the server is what it says in this process."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from .support import RUNTIME, Server, bundle

IMAGES = "/v2/models/iris/infer"


def tensor(array: np.ndarray, datatype: str, **parameters) -> dict:
    return {"name": "x", "datatype": datatype, "shape": list(array.shape), "parameters": parameters}


def framed(head: dict, *parts: bytes) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(head).encode()
    headers = {"Content_Type": "application/octet-stream", "Inference_Header_Content_Length": str(len(text))}
    return text + b"".join(parts), headers


def test_v1_says_what_predict_says(server, iris):
    model, rows = iris
    assert server.predict(rows.tolist()) == model.predict(rows).tolist()
    assert server.predict(rows[:0].reshape(0, 4).tolist() or rows[:1].tolist()) == [0]


def test_v2_says_what_predict_says_in_json_and_binary(server, iris):
    model, rows = iris
    expected = model.predict(rows).tolist()
    plain = server.ask(IMAGES, {"id": "7", "inputs": [tensor(rows, "FP64") | {"data": rows.ravel().tolist()}]}).json
    assert plain["id"] == "7" and plain["model_name"] == "iris"
    assert plain["outputs"] == [{"name": "output-0", "shape": [150], "datatype": "INT64", "data": expected}]

    part = rows.astype("<f4").tobytes()
    head = {"inputs": [tensor(rows, "FP32", binary_data_size=len(part))], "parameters": {"binary_data_output": True}}
    body, headers = framed(head, part)
    answer = server.ask(IMAGES, body, **headers)
    length = int(answer.headers["Inference-Header-Content-Length"])
    told = json.loads(answer.body[:length])["outputs"][0]
    assert (told["datatype"], told["parameters"]) == ("INT64", {"binary_data_size": 1200})
    assert np.frombuffer(answer.body[length:], "<i8").tolist() == model.predict(rows.astype("<f4")).tolist()


def test_who_asks_about_the_server_is_told(server):
    assert server.ask("/").json == {"status": "alive"}
    assert server.ask("/v2/health/live").json == {"live": True}
    assert server.ask("/v2/health/ready").json == {"ready": True}
    assert server.ask("/v1/models").json == server.ask("/v2/models").json == {"models": ["iris"]}
    assert server.ask("/v1/models/iris").json == server.ask("/v2/models/iris/ready").json
    assert server.ask("/v2").json["extensions"] == ["binary_tensor_data"]
    assert server.ask("/v2/models/iris").json["platform"] == "sklearn"
    paths = server.ask("/openapi.json").json["paths"]
    assert {"/v1/models/iris:predict", "/v2/models/iris/infer"} <= set(paths)
    server.predict([[5.1, 3.5, 1.4, 0.2]])
    metrics = server.ask("/metrics").body.decode()
    assert 'kale_requests_total{model_name="iris",protocol="v1",code="200"}' in metrics
    assert 'request_predict_seconds_count{model_name="iris"}' in metrics
    status = server.status()
    assert status["state"] == "ready" and status["replicas"][0]["rss_bytes"] > 1e7 and status["requests"]["total"] > 0


def test_a_request_keeps_its_id_and_is_in_the_log(server):
    answer = server.ask("/v1/models/iris:predict", {"instances": [[1, 2, 3]]}, X_Request_Id="mine")
    assert answer.headers["x-request-id"] == "mine"
    assert answer.status == 500 and answer.json["type"] == "ValueError"
    assert "LogisticRegression is expecting 4 features" in answer.json["error"]
    assert "linear_model" in answer.json["traceback"] and "kale_runtime" not in answer.json["traceback"]
    assert server.ask("/v1/models/iris:predict", {"instances": [[1, 2, 3, 4]]}).headers["x-request-id"]
    while not any(line.get("request_id") == "mine" for line in server.lines()):
        pass
    line = next(line for line in server.lines() if line.get("request_id") == "mine")
    assert (line["level"], line["status"], line["rows"] if "rows" in line else None) == ("error", 500, None)


def test_what_is_asked_wrongly_is_told_kindly(server):
    for path, body, status, words in [
        ("/v1/models/iris:predict", b"{", 400, "no JSON"),
        ("/v1/models/iris:predict", {"instance": []}, 400, "instances"),
        ("/v1/models/other:predict", {"instances": []}, 404, "other does not exist"),
        ("/v1/models/iris:explain", {"instances": []}, 501, "explains"),
        ("/v1/models/iris", {"instances": []}, 405, ":predict"),
        ("/v2/models/iris/versions/9/infer", {"inputs": []}, 404, "version 9"),
        ("/v2/models/iris/infer", {"inputs": []}, 400, "no inputs"),
        ("/nowhere", {}, 404, "/openapi.json"),
    ]:
        answer = server.ask(path, body)
        assert (answer.status, words in answer.json["error"]) == (status, True), (path, answer.body)
    for path, body in [
        ("/v1/models/iris:predict", {"instances": []}),
        ("/v2/models/iris/infer", {"inputs": [tensor(np.empty((0, 4)), "FP64") | {"data": []}]}),
    ]:
        answer = server.ask(path, body)
        # What sklearn says of it stands behind.
        assert answer.status == 400 and answer.json.keys() == {"error"}, answer.body
        assert answer.json["error"].startswith("the request has no rows, which the model does not take: ValueError:")
    form = server.ask("/v1/models/iris:predict", b"a=b", Content_Type="application/x-www-form-urlencoded")
    assert form.status == 415 and "application/json" in form.json["error"]
    page = server.ask("/v1/models", Host="evil.example")
    assert page.status == 403 and "evil.example" in page.json["error"]
    assert server.ask("/v1/models", Host="localhost:1").status == 200


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A model of a DataFrame, with the signature that packing infers."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"town": ["a", "b", "a", "c"], "size": [10, 20, 30, 40], "age": [1.0, 2.0, None, 4.0]})
    frame = frame.fillna({"age": 3.0})
    encoder = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(frame, [1.0, 2.5, 3.0, 4.5])
    types = {"object": "BYTES", "str": "BYTES", "int64": "INT64", "float64": "FP64"}
    columns = [{"name": name, "dtype": str(frame[name].dtype)} for name in frame]
    inputs = [{"name": one["name"], "datatype": types[one["dtype"]], "shape": [-1]} for one in columns]
    outputs = [{"name": "price", "datatype": "FP64", "shape": [-1]}]
    signature = {"container": "dataframe", "columns": columns, "inputs": inputs, "outputs": outputs}
    folder = bundle(tmp_path_factory.mktemp("table") / "table", model, "table", signature=signature)
    with Server(folder) as server:
        yield server, model, frame


def test_rows_by_name_and_by_position_become_the_table(table):
    server, model, frame = table
    expected = model.predict(frame).tolist()
    by_name = frame[["age", "town", "size"]].to_dict(orient="records")
    assert server.predict(by_name, "table") == expected
    assert server.predict(frame.values.tolist(), "table") == expected
    assert server.predict([{name: frame[name].tolist() for name in frame}], "table") == expected
    columns = [
        {"name": "age", "datatype": "FP64", "shape": [4], "data": frame["age"].tolist()},
        {"name": "town", "datatype": "BYTES", "shape": [4, 1], "data": frame["town"].tolist()},
        {"name": "size", "datatype": "INT64", "shape": [4], "data": frame["size"].tolist()},
    ]
    answer = server.ask("/v2/models/table/infer", {"inputs": columns}).json
    assert answer["outputs"] == [{"name": "price", "shape": [4], "datatype": "FP64", "data": expected}]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"town": "a", "size": 1}], "no `age`"),
        ([["a", 1]], "2 columns, and the model takes 3 columns: `town`, `size`, `age`"),
        ([["a", "much", 1.0]], "column `size` is to be int64"),
        ([1.0, 2.0], "1 axis,"),
        (["a"], "1 column,"),
    ],
)
def test_rows_that_do_not_fit_the_table_are_refused_by_name(table, rows, words):
    answer = table[0].ask("/v1/models/table:predict", {"instances": rows})
    assert answer.status == 400 and words in answer.json["error"], answer.body


FUNCTIONS = """
def preprocess(texts):
    print("got", texts)
    return [[table[text] * scale] for text in texts]

def postprocess(numbers):
    return [{"text": kind(number), "score": float(number)} for number in numbers]

def kind(number):
    return "high" if number > 15 else "low"

scale = 2
"""


class Double:
    def predict(self, rows):
        return np.array([row[0] * 2.0 for row in rows])


def test_functions_and_assets_go_before_and_behind_the_model(tmp_path, monkeypatch):
    # The class goes by its name in `__main__`, where the bundle's source defines it.
    source = FUNCTIONS + "\nimport numpy as np\nclass Double:\n    def predict(self, rows):\n"
    source += "        return np.array([row[0] * 2.0 for row in rows])\n"
    monkeypatch.setattr(Double, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Double", Double, raising=False)
    assets = {"table": {"file": "table.json", "format": "json"}, "scale": {"file": "scale.json", "format": "json"}}
    folder = bundle(tmp_path / "double", Double(), "double", source, assets=assets)
    (folder / "table.json").write_text('{"one": 1, "two": 2}')
    (folder / "scale.json").write_text("3")
    expected = [{"text": "low", "score": 6.0}, {"text": "low", "score": 12.0}]
    once = subprocess.run(
        [sys.executable, RUNTIME, "--serve", folder, "--once"],
        input=b'{"instances": ["one", "two"]}',
        capture_output=True,
    )
    assert json.loads(once.stdout) == {"predictions": expected} and b"got" in once.stderr
    with Server(folder) as server:
        assert server.predict(["one", "two"], "double") == expected
        failed = server.ask("/v1/models/double:predict", {"instances": ["three"]})
        assert (failed.status, failed.json["type"], failed.json["error"]) == (500, "KeyError", "'three'")
        assert "in preprocess" in failed.json["traceback"] and "functions.py" in failed.json["traceback"]
        texts = {"name": "x", "datatype": "BYTES", "shape": [1], "data": ["two"]}
        answer = server.ask("/v2/models/double/infer", {"inputs": [texts]}).json["outputs"][0]
        assert json.loads(answer["data"][0]) == expected[1]
        # Two processes, as on a cluster: one has the functions, the other the model.
        with Server(folder, "--model-only", "yes") as model:
            with Server(folder, "--predictor", f"http://{model.host}:{model.port}") as transformer:
                assert transformer.predict(["one", "two"], "double") == expected


def test_a_model_that_cannot_be_loaded_says_why(tmp_path, iris):
    folder = bundle(tmp_path / "broken", iris[0], functions="import nothing_of_this_name")
    server = Server(folder, wait=False)
    with server:
        assert server.process.wait(60) == 1
    told = "\n".join(server.events)
    assert "ModuleNotFoundError: No module named 'nothing_of_this_name'" in told
