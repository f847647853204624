"""A page of JupyterLab in a browser, in the words of a user: open a notebook, look at the panel, press Run."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.ui.server import LabServer

SCREENSHOTS = Path(__file__).parent / "screenshots"
WAIT_MS = 60_000
# What is expected comes when it comes: how long that takes is asked in `test_budgets.py` alone.
expect.set_options(timeout=WAIT_MS)
#: What JupyterLab itself writes, also without any extension: its debugger asks a kernel that is being restarted, and
#: its server cannot list kernels while one of them starts.
NOT_OURS = re.compile(r"Could not restore the debugger state|status of 500 .*/api/kernels\?\d+$")


class LabPage:
    """Collects what the browser's console says, so that a test can hold it against nothing."""

    def __init__(self, page: Page, server: LabServer) -> None:
        self.page, self.server = page, server
        self.errors: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        text = f"{message.text} at {message.location['url']}"
        if message.type == "error" and NOT_OURS.search(text) is None:
            self.errors.append(text)

    def open(self, notebook: str, *, reset: bool = True) -> None:
        """Open a notebook and wait for its kernel."""
        query = f"token={self.server.token}" + ("&reset" if reset else "")
        self.page.goto(f"{self.server.url}/lab/tree/{quote(notebook)}?{query}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=WAIT_MS)

    def open_elsewhere(self, notebook: str) -> None:
        """Open a notebook in a workspace of its own, as another window has it."""
        query = f"token={self.server.token}"
        self.page.goto(f"{self.server.url}/lab/workspaces/elsewhere/tree/{quote(notebook)}?{query}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=WAIT_MS)

    def open_pipeline(self, notebook: str) -> None:
        """Open a notebook with the panel beside it, and wait until that is connected."""
        self.open(notebook)
        self.show_panel()
        self.await_ready()

    def await_kernel(self) -> None:
        """Wait until the notebook's kernel is idle."""
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]")

    @property
    def panel(self) -> Locator:
        return self.page.locator("#kale-rs\\:panel")

    def show_panel(self) -> Locator:
        """Bring our panel to the front."""
        self.command("kale-rs:show-panel")
        expect(self.panel).to_be_visible()
        return self.panel

    def command(self, id: str, arguments: dict[str, Any] | None = None) -> Any:
        """Carry out a command of JupyterLab, as the palette does."""
        script = "([id, arguments]) => { void window.jupyterapp.commands.execute(id, arguments) }"
        return self.page.evaluate(script, [id, arguments or {}])

    def evaluate(self, function: str) -> Any:
        """Call a JavaScript function with the application, and wait for what it promises."""
        return self.page.evaluate(f"() => ({function})(window.jupyterapp)")

    def await_promise(self, function: str) -> None:
        """Wait until what a function of the application promises is true; the browser's own wait takes any promise."""
        deadline = time.monotonic() + WAIT_MS / 1000
        while not self.evaluate(function):
            assert time.monotonic() < deadline, f"it never came: {function}"
            self.page.wait_for_timeout(100)

    def await_gone(self, file: Path) -> None:
        """Wait until a file is not there any more."""
        deadline = time.monotonic() + WAIT_MS / 1000
        while file.exists():
            assert time.monotonic() < deadline, f"{file} is still there"
            self.page.wait_for_timeout(100)

    def save(self) -> None:
        """Save the notebook in front and wait until it is on the disk."""
        self.evaluate("app => app.shell.currentWidget.context.save()")

    def cell(self, index: int) -> Locator:
        """A cell of the notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").nth(index)

    def type_in_cell(self, index: int, text: str) -> None:
        """Type at the end of a cell, key by key."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)

    def run_cell(self, index: int) -> str:
        """Execute a cell and give its text output."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        output = self.cell(index).locator(".jp-OutputArea-output").first
        output.wait_for()
        return output.inner_text()

    def await_ready(self) -> None:
        """Wait until the panel is connected to the kernel and has a compilation."""
        self.page.wait_for_selector("#kale-rs\\:panel .kale-LinkStatus[data-state=ready]", state="attached")

    def screenshot(self, name: str) -> Path:
        """Keep a picture for people to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=str(path))
        return path
