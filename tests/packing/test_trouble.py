"""What goes wrong around a service: told in words, nothing left behind, and nobody else concerned."""

import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kale_rs
import pandas as pd
import pytest
from cli.support import call, processes_with, wait_for
from kale_rs.serving.wire import Client
from sklearn.linear_model import LinearRegression

MODEL = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])


class Fatal:
    def __reduce__(self):
        return os._exit, (7,)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A bundle to be damaged."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "line.pkl").write_bytes(pickle.dumps(MODEL))
    done = call("serve", "line.pkl", "--pack", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["bundle"])


@pytest.fixture
def bundle(packed, tmp_path):
    return Path(shutil.copytree(packed, tmp_path / "bundle"))


def changed(bundle, **about):
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


def ended(folder):
    """What has told that it failed is gone a moment later."""
    wait_for(lambda: processes_with(str(folder)) == [], "the end of all processes")


DAMAGES = {
    "half of its description": (lambda b: (b / "bundle.json").write_text('{"name": "line", '), "is no bundle"),
    "no model": (lambda b: (b / "model" / "model.joblib").unlink(), "`model/model.joblib` is missing"),
    "another model": (lambda b: (b / "model" / "model.joblib").write_bytes(b"garbage"), "cannot be loaded"),
    "a model that ends the process": (
        lambda b: (b / "model" / "model.joblib").write_bytes(pickle.dumps(Fatal())),
        "it ended with status 7",
    ),
    "a model elsewhere": (lambda b: changed(b, model={"flavour": "sklearn", "file": "../x"}), "is not within"),
    "a newer format": (lambda b: changed(b, format_version=9), "format"),
    "an asset that is not there": (lambda b: changed(b, assets={"a": {"file": "assets/a.pkl"}}), "is missing"),
    "a function that is not there": (
        lambda b: changed(b, functions={"file": "names.pkl", "format": "dill", "preprocess": "f"}),
        "is missing",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bundle_that_was_changed_is_told(bundle, damage):
    do, told = DAMAGES[damage]
    do(bundle)
    done = call("serve", "--bundle", bundle, "--detach", cwd=bundle.parent)
    assert done.returncode == 2 and told in done.stderr, done.stderr
    assert json.loads(call("services", "--json", cwd=bundle.parent).stdout)["services"] == []
    ended(bundle)


def test_bundles_are_not_for_git(packed):
    assert (packed.parents[2] / ".gitignore").read_text() == "*\n"


def test_a_file_that_ends_the_process_that_reads_it(tmp_path):
    (tmp_path / "fatal.pkl").write_bytes(pickle.dumps(Fatal()))
    done = call("serve", "fatal.pkl", "--detach", cwd=tmp_path)
    assert done.returncode == 2 and "the process that packs the model died" in done.stderr
    assert not list((tmp_path / ".kale_rs" / "bundles").iterdir())


@pytest.mark.parametrize(
    "options, told",
    [
        (["--name", "a b"], "`a b` cannot be the service's name"),
        (["--token-env", "NOT_THERE"], "the environment variable `NOT_THERE` has no token"),
        (["--host", "0.0.0.0"], "a server that other machines reach needs a token"),
        (["--cors", "app.example.org"], "`app.example.org` is no origin of pages"),
        (["--cors", "https://a.example/"], "`https://a.example/` is no origin of pages"),
        (["--timeout", "0"], "0 is no time for a request"),
    ],
)
def test_what_can_be_known_is_told_before_anything_is_loaded(tmp_path, options, told):
    (tmp_path / "fatal.pkl").write_bytes(pickle.dumps(Fatal()))
    done = call("serve", "fatal.pkl", "--detach", *options, cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr, done.stderr
    assert not (tmp_path / ".kale_rs").exists()


def test_a_name_and_a_port_that_are_taken_are_told_before_anything_is_loaded(bundle):
    (bundle.parent / "line.pkl").write_bytes(pickle.dumps(Fatal()))
    done = call("serve", bundle, "--detach", "--json", cwd=bundle.parent)
    assert done.returncode == 0, done.stderr
    url = json.loads(done.stdout)["url"]
    try:
        # By the file it would have the name, too.
        for options, told in [
            ([], "is running already"),
            (["--name", "a", "--port", url.rpartition(":")[2]], "in use"),
        ]:
            done = call("serve", "line.pkl", "--detach", *options, cwd=bundle.parent)
            assert done.returncode == 2 and told in done.stderr, done.stderr
    finally:
        assert call("services", "stop", "line", cwd=bundle.parent).returncode == 0


def test_the_folder_of_a_bundle_is_known(bundle):
    done = call("serve", bundle, "--preprocess", "clean", cwd=bundle.parent)
    assert done.returncode == 2 and "a bundle has its functions" in done.stderr
    assert json.loads(call("serve", bundle, "--pack", "--json", cwd=bundle.parent).stdout)["bundle"] == str(bundle)
    done = call("compile", bundle, "-o", "-", cwd=bundle.parent)
    assert done.returncode == 0 and "kind: InferenceService" in done.stdout
    assert kale_rs.compile(bundle).target == "kserve"


def test_a_server_that_dies_at_once_is_told_with_its_last_words(bundle, monkeypatch):
    # The one module that is looked for before anything of ours is there to tell what goes wrong.
    lines = ["import sys", "if 'server' in sys.argv: sys.exit('the disk is on fire')", "raise ImportError"]
    (bundle.parent / "resource.py").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(bundle.parent))
    done = call("serve", bundle, "--detach", cwd=bundle.parent)
    assert done.returncode == 2 and "its last words were\n\nthe disk is on fire" in done.stderr, done.stderr


def test_a_port_that_is_taken(bundle):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = call("serve", "--bundle", bundle, "--port", port, "--detach", cwd=bundle.parent)
    assert done.returncode == 2 and port in done.stderr and "in use" in done.stderr, done.stderr
    ended(bundle)


def test_of_several_that_want_one_name_one_gets_it(bundle):
    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(call, "serve", "--bundle", bundle, "--detach", cwd=bundle.parent) for _ in range(4)]
        done = [one.result() for one in started]
    try:
        assert sorted(one.returncode for one in done) == [0, 2, 2, 2]
        refused = [one.stderr for one in done if one.returncode]
        assert all("is being started" in text or "is running already" in text for text in refused), refused
        assert len(json.loads(call("services", "--json", cwd=bundle.parent).stdout)["services"]) == 1
    finally:
        assert call("services", "stop", "line", cwd=bundle.parent).returncode == 0
    ended(bundle)


def test_a_server_that_is_killed_leaves_nothing_and_its_name(bundle):
    def start():
        done = call("serve", "--bundle", bundle, "--detach", "--json", cwd=bundle.parent)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def logged():
        return "is ready" in call("services", "logs", "line", cwd=bundle.parent).stdout

    first = start()
    wait_for(logged, "its log, which is written some lines at a time")
    os.kill(first["pid"], signal.SIGKILL)
    wait_for(lambda: processes_with(str(bundle)) == [], "the end of the model's process")
    assert json.loads(call("services", "--json", cwd=bundle.parent).stdout)["services"] == []
    done = call("services", "show", "line", cwd=bundle.parent)
    assert done.returncode == 2 and f"was ended from outside: process {first['pid']} is no more" in done.stderr
    assert logged()
    second = start()
    assert Client(second["url"], "line", None).predict([[3.0]]) == [pytest.approx(6.0)]
    assert call("services", "stop", "line", cwd=bundle.parent).returncode == 0


NARROW = """
import resource, signal, sys
import kale_rs
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    kale_rs.serve(model, name="line", store=sys.argv[1])
except kale_rs.UsageError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more(tmp_path):
    command = [sys.executable, "-c", NARROW, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert "the bundle cannot be written" in done.stdout and "make room" in done.stdout, done.stderr
    assert not list(tmp_path.glob("kale-rs-*")) and processes_with(str(tmp_path)) == []


def test_names_of_everybody(serve, notebook_names):
    table = pd.DataFrame({"Größe in m²": [1.0, 2.0], "价格": [3.0, 5.0]})
    names = notebook_names("def später(antworten):\n    return [f'{wort} {wert:.0f}' for wert in antworten]\n")
    model = LinearRegression().fit(table, [4.0, 7.0])
    plain = serve(model, name="plain")
    for data in (table, table.to_dict("records"), table.to_numpy()):
        assert list(plain.predict(data)) == pytest.approx([4.0, 7.0])
    service = serve(model, name="m", postprocess=names["später"], assets={"wort": "größe"}, example=table)
    assert service.predict(table) == ["größe 4", "größe 7"]
    for name in ("größe", "a b", "../x", ".x", "", "x" * 64):
        with pytest.raises(kale_rs.UsageError, match="cannot be the service's name"):
            serve(model, name=name or " ")


def test_a_model_is_asked_while_another_of_its_name_takes_its_place(serve):
    """Nobody gets an answer of a service that is half there."""
    first = serve(MODEL, name="line")
    ending, odd = threading.Event(), []

    def ask():
        while not ending.is_set():
            try:
                if first.predict([[3.0]]) != [pytest.approx(6.0)]:
                    odd.append("an answer")
            except kale_rs.ServiceError as error:
                if "does not answer" not in str(error) and error.status != 503:
                    odd.append(str(error))
                return

    thread = threading.Thread(target=ask)
    thread.start()
    second = serve(MODEL, name="line")
    ending.set()
    thread.join()
    assert odd == [] and second.predict([[3.0]]) == [pytest.approx(6.0)]


def test_limits_are_whoever_serves(serve, notebook_names, tmp_path):
    names = notebook_names("import time\ndef slow(rows):\n    time.sleep(60 * (len(rows) > 2))\n    return rows\n")
    service = serve(
        MODEL, name="line", preprocess=names["slow"], example=[[1.0]], timeout=1, max_body="1kB", memory="4GB"
    )
    assert service.predict([[3.0]]) == [pytest.approx(6.0)]
    for rows, status in ([[[1.0]] * 3, 504], [[[1.0]] * 1000, 413]):
        with pytest.raises(kale_rs.ServiceError) as raised:
            service.predict(rows)
        assert raised.value.status == status
    for wrong in ({"timeout": 0}, {"timeout": -1}, {"memory": "much"}, {"max_body": "-1"}):
        with pytest.raises(kale_rs.UsageError, match="no time|no size"):
            serve(MODEL, name="wrong", **wrong)
