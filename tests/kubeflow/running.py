"""`cluster.py` as a process of its own: it needs the environment of the official KFP SDK, and its tests do not. And
what is asked of its runs."""

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

from cli.support import call, cell  # noqa: E402
from oracle import environments  # noqa: E402

TOKEN = "hunter2-is-the-secret"
CELLS = [
    cell("import os, time", "imports"),
    cell("count = 3", "pipeline-parameters"),
    cell("numbers = list(range(count))\nprint('made', numbers)", "step:make"),
    cell("total = sum(numbers)\nprint('total is', total)", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]


class Cluster:
    """The cluster's process, and what it is told."""

    def __init__(self, process: subprocess.Popen, url: str) -> None:
        self.process, self.url = process, url

    def tell(self, **what) -> dict:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def runs(self) -> int:
        return len(self.tell()["runs"])


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


def waiting(folder: Path) -> dict:
    return cell(
        f"print('waiting', flush=True)\nwhile not os.path.exists({str(folder / 'go')!r}):\n    time.sleep(0.02)\na = 1",
        "step:wait",
    )


def shown(run: str = "last") -> dict:
    return json.loads(call("show", run, "--json").stdout)


def states(run: dict) -> dict:
    return {step["name"]: step["status"] for step in run["steps"]}
