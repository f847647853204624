"""A cluster, and a notebook to be run on it. A server, and clients of it: these need the environment of the SDK."""

import pytest
from cli.support import call, notebook

from .running import CELLS, TOKEN, running


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def folder(cluster, tmp_path, monkeypatch):
    """A folder with a notebook, and a context `dev` whose token is in the environment only."""
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("DEV_TOKEN", TOKEN)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    notebook(folder / "n.ipynb", *CELLS)
    added = call("context", "add", "dev", "--kfp", cluster.url, "--namespace", "team", "--auth", "token-env:DEV_TOKEN")
    assert added.returncode == 0, added.stderr
    yield folder
    written = [path for path in (*folder.rglob("*"), *(tmp_path / "config").rglob("*")) if path.is_file()]
    assert len(written) > 3 and not any(TOKEN.encode() in path.read_bytes() for path in written)


@pytest.fixture
def kubeflow():
    from .server import serving

    with serving(token=TOKEN) as kubeflow:
        yield kubeflow


@pytest.fixture
def ours(kubeflow, tmp_path):
    from .client import connected

    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", TOKEN=TOKEN) as ours:
        yield ours
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "token-env:TOKEN" in written and TOKEN not in written + "".join(ours.said)


@pytest.fixture
def hurried(kubeflow, tmp_path):
    """A client that waits for half a second. What it needs is there already."""
    from .client import connected

    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", TOKEN=TOKEN) as patient:
        patient("experiment", name="churn")
    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", patience=500, TOKEN=TOKEN) as ours:
        yield ours
