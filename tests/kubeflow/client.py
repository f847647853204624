"""Our client, as a process that is told by lines of JSON what to do: `rust/kale_kubeflow/examples/driver.rs`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from programs import example

ROOT = Path(__file__).resolve().parents[2]
#: The wait before a second attempt, in milliseconds: tests do not wait for real servers to recover.
BASE = 2
#: For an answer, in milliseconds. Only tests of slow servers wait for it to end.
PATIENCE = 60_000


class Failed(Exception):
    """The client gave an error: its kind, what it says, and what to do."""

    def __init__(self, kind: str, message: str, help: str) -> None:
        super().__init__(f"{kind}: {message} ({help})")
        self.kind, self.message, self.help = kind, message, help


class Ours:
    """A connected client; every method of the driver is one here."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        #: All that it has said.
        self.said: list[str] = []

    def __call__(self, call: str, **arguments: object) -> object:
        self._process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        self.said.append(line)
        assert line, "the driver has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(**answer["error"])
        return answer["ok"]


@contextlib.contextmanager
def connected(
    url: str,
    folder: Path,
    auth: str = "none",
    namespace: str | None = None,
    patience: int = PATIENCE,
    ui: str | None = None,
    **variables: str,
) -> Iterator[Ours]:
    """A client of a server, whose context is written down in a folder."""
    (folder / "config").mkdir(exist_ok=True)
    lines = ["version = 1", "[contexts.test]", f"kfp = {json.dumps(url)}", f"auth = {json.dumps(auth)}"]
    optional = {"namespace": namespace, "ui": ui}
    lines += [f"{name} = {json.dumps(value)}" for name, value in optional.items() if value]
    (folder / "config" / "contexts.toml").write_text("\n".join(lines) + "\n")
    outside = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(
        [example("driver"), "test", str(BASE), str(patience)],
        env={**outside, "KALE_RS_CONFIG": str(folder / "config"), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("w"),
        text=True,
    )
    ours = Ours(process)
    try:
        yield ours
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def start(ours: Ours, marker: str = "20261121-090000-3f9a") -> str:
    """A run; the experiment is there, or made."""
    id = ours("experiment", name="churn")
    new = {"experiment_id": id, "display_name": "churn", "marker": marker}
    return ours("create_run", pipeline_id="p", version_id="v", parameters={}, **new)["run_id"]
