"""The command of an emitted service, carried out: in an empty virtual environment, with nothing but the bundle's lock
and wheel, it predicts."""

import os
import shlex
import signal
import socket
import subprocess
import sys

import kale_rs
import pytest
import yaml
from cli.support import wait_for
from kale_rs.serving.wire import Client
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TABLE, TARGET = load_iris(return_X_y=True, as_frame=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_the_emitted_command_predicts_from_the_bundle_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, TARGET)
    service = kale_rs.serve(model, name="iris", store=tmp_path)
    service.stop()
    found = service.manifest(storage_uri="pvc://models/iris")
    assert [one.id for one in found.diagnostics] == []
    [container] = yaml.safe_load(found.text)["spec"]["predictor"]["containers"]
    port, home = free_port(), tmp_path / "home"
    home.mkdir()
    shell, flag, script = container["command"]
    # The places of a container, here; and nobody else is to reach it.
    for there, here in [
        ("/mnt/models", service.bundle),
        ("/tmp/kale", str(tmp_path / "kale")),
        ("0.0.0.0 --port 8080 --open", f"127.0.0.1 --port {port}"),
        ("python3 -m venv", f"{shlex.quote(sys._base_executable)} -m venv"),
        # Whatever this machine's Python has is not in a container's.
        ("--system-site-packages ", ""),
    ]:
        assert there in script
        script = script.replace(there, here)
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL", "UV_"))
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **kept}
    if "PIP_CACHE_DIR" not in environment:
        cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True)
        environment["PIP_CACHE_DIR"] = cache.stdout.strip()
    script = script.replace("--no-cache-dir ", "")
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen([shell, flag, script], env=environment, stdout=log, stderr=log, cwd="/")
    try:
        client = Client(f"http://127.0.0.1:{port}", "iris", None)

        def is_ready():
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                return client.get("/v2/health/ready") is not None
            except kale_rs.ServiceError:
                return False

        wait_for(is_ready, "readiness", 300)
        assert client.predict(TABLE[:3].to_numpy().tolist()) == model.predict(TABLE[:3]).tolist()
        installed = subprocess.run(
            [tmp_path / "kale" / "bin" / "python", "-m", "pip", "list", "--format", "freeze"],
            capture_output=True,
            text=True,
        ).stdout.split()
        lock = open(os.path.join(service.bundle, "requirements.txt")).read().split()
        assert set(lock) <= set(installed) and len(installed) <= len(lock) + 4
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_what_comes_before_the_model_may_be_a_service_of_its_own(tmp_path, monkeypatch, notebook_names):
    monkeypatch.chdir(tmp_path)
    names = notebook_names("def prepare(rows):\n    return [[2 * value for value in row] for row in rows]\n")
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 3.0])
    whole = kale_rs.serve(model, name="line", preprocess=names["prepare"], store=tmp_path)
    whole.stop()
    behind = kale_rs.serve(whole.bundle, name="line", model_only=True, store=tmp_path / "behind")
    before = kale_rs.serve(whole.bundle, name="before", predictor=behind.url, store=tmp_path / "before")
    try:
        assert behind.predict([[1.0]]) == [pytest.approx(3.0)]
        assert before.predict([[1.0]]) == [pytest.approx(6.0)]
    finally:
        before.stop()
        behind.stop()
