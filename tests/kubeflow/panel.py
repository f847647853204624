"""The panel's end of the channel, with a kernel, as a process: the environment of the official SDK has no kernels.

It is told by lines of JSON what to ask: `{"method": ..., "params": ...}`; `follow` waits for the end of a run, as a tab
does that shows it, and gives what it was told last; `restart` ends the kernel and starts it anew. The answer is
`{"ok": ...}`, or `{"error": ...}` as the channel has it. It ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The kernel's error: what it says, and what to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(f"{message}: {help}")
        self.message, self.help = message, help


class Channel:
    """What is asked of the process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        #: All that the kernel has said.
        self.said: list[str] = []

    def __call__(self, method: str, **params: object):
        self._process.stdin.write(json.dumps({"method": method, "params": params}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        self.said.append(line)
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"]["message"], answer["error"]["data"]["help"])
        return answer["ok"]


@contextlib.contextmanager
def connected(folder: Path, notebook: str, variables: dict[str, str]) -> Iterator[Channel]:
    """A panel beside a notebook of a folder, whose kernel has these environment variables."""
    command = [ROOT / ".venv" / "bin" / "python", "-m", "tests.kubeflow.panel", folder, notebook]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=variables
    ) as process:
        yield Channel(process)
        process.stdin.close()


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from panel.support import PATIENCE, Panel, kernel

    def beside(running) -> Panel:
        running.run("import kale_rs")
        return Panel(running, notebook)

    folder, notebook = Path(sys.argv[1]), sys.argv[2]
    with kernel(folder, notebook) as running:
        panel = beside(running)
        for line in sys.stdin:
            asked = json.loads(line)
            method, params = asked["method"], asked["params"]
            if method == "follow":
                panel.ask("watch", run=params["run"], after=0)
                answer = {"ok": panel.follow(params["run"])[-1]["detail"]}
            elif method == "restart":
                running.manager.restart_kernel(now=True)
                running.client.wait_for_ready(timeout=PATIENCE)
                panel, answer = beside(running), {"ok": None}
            else:
                given = panel.answer(panel.request(method, **params))
                answer = {"error": given["error"]} if "error" in given else {"ok": given["result"]}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
