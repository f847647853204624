"""What lets us into a cluster is shown to that cluster in one header, and to nobody and nowhere else: not in what is
written, printed, emitted, or sent in any other place, whatever the way to authenticate and whatever is done."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("kfp", reason="needs the environment of tests/oracle/kfp_environment.py")

from .server import Kubeflow, serving  # noqa: E402
from .verbs import COMMAND, Server  # noqa: E402

SECRET = "hunter2-lets-everybody-in"
#: Of an index of packages: only its name is known here.
OVERLAY = "packages: {secret: {name: pip, key: index-url}}\nschedule: {cron: '@daily'}"


@dataclass
class Way:
    """A way to authenticate: `--auth`, the header that shows it, and what holds the secret."""

    auth: str
    header: str
    value: str
    variables: dict[str, str] = field(default_factory=dict)
    #: Written to `outside/NAME`, which is nothing of ours.
    files: dict[str, str] = field(default_factory=dict)


def kubeconfig(url: str) -> str:
    named = {"name": "it"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [named | {"cluster": {"server": url}}],
            "users": [named | {"user": {"token": SECRET}}],
            "contexts": [named | {"context": {"cluster": "it", "user": "it"}}],
        }
    )


BEARER = ("authorization", f"Bearer {SECRET}")
WAYS = {
    "token-env": Way("token-env:T", *BEARER, variables={"T": SECRET}),
    "token-file": Way("token-file:outside/token", *BEARER, files={"token": SECRET}),
    "cookie-env": Way(
        "cookie-env:C", "cookie", f"authservice_session={SECRET}", {"C": f"authservice_session={SECRET}"}
    ),
    "kubeconfig": Way(
        "kubeconfig", *BEARER, variables={"KUBECONFIG": "outside/config"}, files={"config": "KUBECONFIG"}
    ),
}


def said(kubeflow: Kubeflow, folder: Path, way: Way) -> str:
    """All that the command prints while it does everything that has to do with a cluster."""
    outside = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    variables = {name: str(folder / value) if "outside/" in value else value for name, value in way.variables.items()}
    variables |= {"KALE_RS_CONFIG": str(folder / "config"), "HOME": str(folder / "home"), "NO_COLOR": "1"}
    printed = []

    def kale(*words: str, status: int = 0) -> None:
        done = subprocess.run(
            [COMMAND, *words], cwd=folder, env={**outside, **variables}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == status, done
        printed.append(done.stdout + done.stderr)

    kale(
        "context", "add", "dev", "--kfp", kubeflow.url, "--namespace", "team", "--auth", way.auth, "--overlay", "o.yaml"
    )
    kale("context", "list", "--json")
    kale("context", "test", "dev", "--json")
    kale("explain-overlay", "n.ipynb", "--on", "dev", "--json")
    kale("compile", "n.ipynb", "--on", "dev", "--kubernetes", "--build-context", "image", "-o", "n.yaml")
    kale("run", "n.ipynb", "--on", "dev", "--json")
    kale("run", "n.ipynb", "--on", "local", "--then", "dev", "--json")
    kale("schedule", "add", "n.ipynb", "--on", "dev", "--json")
    kale("archive", "last", "--json")
    # What a server says of a stranger may repeat what it was shown.
    kubeflow.token = "another"
    kale("run", "n.ipynb", "--on", "dev", "--json", status=1)
    kale("schedule", "list", "--on", "dev", status=2)
    return "".join(printed)


@pytest.mark.parametrize("name", WAYS)
def test_a_secret_is_shown_in_one_header(name, tmp_path):
    way = WAYS[name]
    cells = [{"cell_type": "code", "metadata": {}, "source": "print(1)", "outputs": [], "execution_count": None}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "o.yaml").write_text(OVERLAY)
    (tmp_path / "outside").mkdir()
    with serving(Server()) as kubeflow:
        kubeflow.next_state = "SUCCEEDED"
        for file, content in way.files.items():
            (tmp_path / "outside" / file).write_text(kubeconfig(kubeflow.url) if content == "KUBECONFIG" else content)
        printed = said(kubeflow, tmp_path, way)
    assert SECRET not in printed
    ours = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != tmp_path / "outside"]
    assert len(ours) > 10 and [path for path in ours if SECRET.encode() in path.read_bytes()] == []
    assert len(kubeflow.requests) > 10
    for request in kubeflow.requests:
        shown = [header for header, value in request.headers.items() if SECRET in value]
        assert shown == [way.header] and request.headers[way.header] == way.value
        assert SECRET not in f"{request.path} {request.query} {request.body!r}"
