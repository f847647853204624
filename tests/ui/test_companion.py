"""A kernel of ipykernel 6 has no subshells: a companion of the same environment answers for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.oracle import environments
from tests.ui import kernels, notebooks
from tests.ui.page import LabPage
from tests.ui.server import LabServer


@pytest.fixture(scope="module")
def old_kernel(server: LabServer) -> Iterator[str]:
    """The name of a kernelspec of an environment of its own."""
    python = environments.make("ipykernel6", "requirements-ipykernel6.txt", wheel=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernels.write(server.data, "old", "Python with ipykernel 6", "python", argv)
    yield "old"


def session_types(lab: LabPage) -> list[str]:
    types: list[str] = lab.evaluate("app => Array.from(app.serviceManager.sessions.running(), model => model.type)")
    return types


def test_a_companion_answers_while_a_cell_runs(lab: LabPage, folder: Path, old_kernel: str) -> None:
    sleep = "import time; print('begun', flush=True); time.sleep(300)"
    notebooks.write(folder / "old.ipynb", [(sleep, ["skip"]), *notebooks.CHAIN], kernel=old_kernel)
    lab.open_pipeline(f"{folder.name}/old.ipynb")
    assert "companion kernel" in lab.panel.locator(".kale-LinkStatus").inner_text()
    assert lab.run_cell(0).startswith("begun")
    lab.type_in_cell(4, "\nbroken = (")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]").first).to_be_visible()
    assert lab.cell(0).locator(".jp-InputPrompt").inner_text() == "[*]:"
    # The notebook closed, the companion ends.
    assert "kale_rs" in session_types(lab)
    lab.evaluate("app => app.shell.currentWidget.sessionContext.session.kernel.interrupt()")
    # What the cell says of it changes the notebook once more: one that is not saved is closed only after a question.
    expect(lab.cell(0)).to_contain_text("KeyboardInterrupt")
    expect(lab.cell(0).locator(".jp-InputPrompt")).not_to_have_text("[*]:")
    lab.evaluate("app => app.shell.currentWidget.context.save()")
    lab.command("application:close")
    lab.page.wait_for_selector(".jp-NotebookPanel", state="detached")
    lab.await_promise(
        "async app => { const manager = app.serviceManager.sessions; await manager.refreshRunning();"
        " return !Array.from(manager.running()).some(model => model.type === 'kale_rs'); }"
    )
