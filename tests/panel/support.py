"""A kernel as JupyterLab starts it, and a panel's end of the channel: what the extension does, by jupyter_client."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.manager import KernelManager

#: An answer on a busy machine.
PATIENCE = 60


@contextmanager
def kernel(folder: Path, notebook: str = "n.ipynb", python: Path | str = sys.executable):
    """A kernel for a notebook of a server whose root is `folder`."""
    path = folder / notebook
    manager = KernelManager()
    manager.kernel_spec.argv[0] = str(python)
    manager.start_kernel(cwd=str(path.parent), env={**os.environ, "JPY_SESSION_NAME": str(path)})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


class Kernel:
    """A kernel with its messages: those of every panel, and those of its cells."""

    def __init__(self, manager, client) -> None:
        self.manager, self.client = manager, client
        #: Comm to its messages that nobody has taken yet.
        self.inbox: dict[str, list[dict]] = {}
        self.outputs: list[dict] = []

    def send(self, kind: str, content: dict, subshell: str | None = None) -> str:
        message = self.client.session.msg(kind, content)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def control(self, kind: str, content: dict) -> dict:
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    def subshell(self) -> str:
        return self.control("create_subshell_request", {})["subshell_id"]

    def execute(self, code: str, subshell: str | None = None) -> str:
        """Begin a cell."""
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
        return self.send("execute_request", content | {"user_expressions": {}}, subshell)

    def run(self, code: str, subshell: str | None = None) -> list[dict]:
        """Run a cell to its end; its outputs."""
        return self.finish(self.execute(code, subshell))

    def finish(self, cell: str) -> list[dict]:
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == cell:
                break
        self.read_until(lambda: self._is_idle(cell))
        outputs = [each for each in self.outputs if each["parent_header"].get("msg_id") == cell]
        return [each for each in outputs if each["msg_type"] not in ("status", "execute_input")]

    @contextmanager
    def busy(self, code: str = "time.sleep(300)"):
        """While a cell is at work, whose output stays its own: that it still is shows in its interruption."""
        cell = self.execute(f"import time\nprint('begun', flush=True)\n{code}")
        self.read_until(lambda: self._has_printed(cell, "begun"))
        yield
        self.manager.interrupt_kernel()
        *printed, error = (each["content"] for each in self.finish(cell))
        # A line and its end may come apart.
        assert ("".join(each["text"] for each in printed), error["ename"]) == ("begun\n", "KeyboardInterrupt")

    def _has_printed(self, cell: str, text: str) -> bool:
        own = [each["content"] for each in self.outputs if each["parent_header"].get("msg_id") == cell]
        return text in "".join(each.get("text", "") for each in own)

    def _is_idle(self, cell: str) -> bool:
        return any(
            each["msg_type"] == "status"
            and each["content"]["execution_state"] == "idle"
            and each["parent_header"].get("msg_id") == cell
            for each in self.outputs
        )

    def read_until(self, condition, patience: float = PATIENCE) -> object:
        deadline = time.monotonic() + patience
        while not (found := condition()):
            left = deadline - time.monotonic()
            assert left > 0, "nothing came"
            try:
                self._sort(self.client.get_iopub_msg(timeout=min(left, 0.5)))
            except Exception as error:
                if type(error).__name__ != "Empty":
                    raise
        return found

    def _sort(self, message: dict) -> None:
        if message["msg_type"] in ("comm_msg", "comm_close"):
            content = message["content"]
            data = content["data"] if message["msg_type"] == "comm_msg" else {"closed": True}
            self.inbox.setdefault(content["comm_id"], []).append(data)
        else:
            self.outputs.append(message)


class Panel:
    """The panel's end of one comm, on a subshell of its own unless told otherwise."""

    def __init__(self, kernel: Kernel, path: str | None = "n.ipynb", subshell: str | None | bool = True) -> None:
        self.kernel = kernel
        self.subshell = kernel.subshell() if subshell is True else subshell or None
        self.comm = uuid.uuid4().hex
        self.notifications: list[dict] = []
        self._number = 0
        kernel.inbox[self.comm] = []
        kernel.send("comm_open", {"comm_id": self.comm, "target_name": "kale_rs", "data": {}}, self.subshell)
        if path is not None:
            self.hello = self.ask("hello", version="0.1.0", path=path)

    def send(self, data: object) -> None:
        """Any message at all."""
        self.kernel.send("comm_msg", {"comm_id": self.comm, "data": data}, self.subshell)

    def request(self, method: str, **params) -> int:
        """Send a request; its number."""
        self._number += 1
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def take(self, match, patience: float = PATIENCE) -> dict:
        """The first message that matches; notifications that come by are kept."""

        def found():
            inbox = self.kernel.inbox[self.comm]
            hit = next((each for each in inbox if match(each)), None)
            if hit is not None:
                inbox.remove(hit)
            return hit

        return self.kernel.read_until(found, patience)

    def answer(self, number: int, patience: float = PATIENCE) -> dict:
        return self.take(lambda each: each.get("id") == number, patience)

    def ask(self, method: str, patience: float = PATIENCE, **params):
        """A request's result."""
        answer = self.answer(self.request(method, **params), patience)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def refusal(self, method: str, **params) -> dict:
        """A request's error."""
        return self.answer(self.request(method, **params))["error"]

    def told(self, method: str, patience: float = PATIENCE) -> dict:
        """What the next notification says."""
        return self.take(lambda each: each.get("method") == method, patience)["params"]

    def follow(self, run: str, patience: float = PATIENCE) -> list[dict]:
        """What is told of a run from now to its end."""
        told = []
        while not told or told[-1]["detail"]["status"] not in ("succeeded", "failed", "cancelled", "interrupted"):
            told.append(self.told("run", patience))
            assert told[-1]["run_id"] == run
        return told


def text(*cells: dict) -> str:
    """A notebook as an editor has it."""
    rows = [{**cell, "id": f"c{number}"} for number, cell in enumerate(cells)]
    return json.dumps({"cells": rows, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
