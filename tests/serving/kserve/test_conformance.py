"""The corpus, sent to our server and to a real KServe ModelServer with the same models."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from oracle import environments

from ..support import Server, bundle
from . import corpus

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def models(iris):
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"town": ["a", "b", "a", "c"], "size": [10, 20, 30, 40], "age": [1.0, 2.0, 3.0, 4.0]})
    encoder = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    return {"iris": iris[0], "table": make_pipeline(encoder, LinearRegression()).fit(frame, [1.0, 2.5, 3.0, 4.5])}


@pytest.fixture(scope="module")
def ours(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    servers = {name: Server(bundle(folder / name, model, name)) for name, model in models.items()}
    yield {name: (server.host, server.port) for name, server in servers.items()}
    for server in servers.values():
        server.__exit__()


@pytest.fixture(scope="module")
def theirs(models, ours, tmp_path_factory):
    python = environments.make("kserve", "requirements-kserve.txt")
    port, folder = free_port(), tmp_path_factory.getbasetemp()
    files = [f"{name}={next(folder.glob(f'ours*/{name}/model/model.pkl'))}" for name in models]
    log = folder / "kserve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, HERE / "model_server.py", *files, f"--http_port={port}"], stdout=output, stderr=output
        )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
        yield ("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(30)


def sent(address: tuple[str, int], case: corpus.Case) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*address, timeout=60)
    headers = {"Content-Type": "application/json"} if case.body is not None else {}
    headers = {name: value for name, value in (headers | case.headers).items() if value}
    connection.request(case.method, case.path, case.body, headers)
    response = connection.getresponse()
    body = response.read()
    length = response.headers.get("Inference-Header-Content-Length")
    connection.close()
    if response.status != 200:
        return response.status, body[:300]
    return 200, meaning(body, int(length) if length else None)


def meaning(body: bytes, length: int | None) -> Any:
    """Without what says the same in other words: names of outputs, keys that are null, ids that nobody gave."""
    try:
        answer = json.loads(body[:length])
    except ValueError:
        return "text"
    if not isinstance(answer, dict) or "outputs" not in answer or "model_name" not in answer:
        return answer
    position = length or 0
    outputs = []
    for output in answer["outputs"]:
        data = output.get("data")
        if data is None:
            size = (output.get("parameters") or {}).get("binary_data_size", 8 * output["shape"][0])
            letter = {"INT64": "q", "FP64": "d"}[output["datatype"]]
            data = list(struct.unpack_from(f"<{size // 8}{letter}", body, position))
            position += size
        outputs.append((output["datatype"], output["shape"], data))
    return {
        "model_name": answer["model_name"],
        "id": answer["id"] if len(answer["id"]) < 8 else None,
        "outputs": outputs,
    }


@pytest.mark.parametrize("case", corpus.cases(), ids=lambda case: case.name)
def test_what_kserve_answers_we_answer(case, ours, theirs):
    address = ours["table" if "/table" in case.path else "iris"]
    (their_status, their_answer), (our_status, our_answer) = sent(theirs, case), sent(address, case)
    told = f"theirs: {their_status} {their_answer!r}\nours: {our_status} {our_answer!r}"
    if case.is_good:
        assert (their_status, our_status) == (200, 200), told
        assert our_answer == their_answer, told
        return
    classes = (their_status // 100, our_status // 100)
    if case.differs is None:
        assert classes[0] == classes[1], told
    else:
        assert classes == corpus.REASONS[case.differs], told


def test_the_corpus_is_large_and_every_reason_is_needed():
    cases = corpus.cases()
    assert len(cases) >= 200 and len({case.name for case in cases}) == len(cases)
    assert sum(case.is_good for case in cases) >= 100
    assert {case.differs for case in cases} - {None} == set(corpus.REASONS)
