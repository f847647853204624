"""`cluster.py` as a process of its own: it needs the environment of the official KFP SDK, and its tests do not."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from oracle import environments  # noqa: E402

TOKEN = "hunter2-is-the-secret"


class Cluster:
    """The cluster's process, and what it is told."""

    def __init__(self, process: subprocess.Popen, url: str) -> None:
        self.process, self.url = process, url

    def tell(self, **what) -> dict:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def runs(self) -> int:
        return self.tell(down=False)["runs"]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster that lets in whoever has `TOKEN`. It ends with its input."""
    python = environments.make("kfp", "requirements-kfp.txt")
    folder.mkdir()
    arguments = [python, "-m", "tests.kubeflow.cluster", folder, json.dumps({"token": TOKEN})]
    # Steps run under the Python that has what examples import.
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=variables
    ) as process:
        yield Cluster(process, json.loads(process.stdout.readline())["url"])
        process.stdin.close()
