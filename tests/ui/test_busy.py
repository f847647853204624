"""A kernel that has no time: cells that sleep, that loop, and that hold the interpreter's lock in a C function."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.ui import notebooks
from tests.ui.page import LabPage

SLEEP = "import time; print('begun', flush=True); time.sleep(300)"
LOOP = "import time; print('begun', flush=True); end = time.time() + 300\nwhile time.time() < end: pass"
#: One call into C of some seconds, during which no other Python code runs in the kernel; after the cell has said so.
HOLD = "print('begun', flush=True)\nimport time; time.sleep(0.15)\nx = 7 ** (2 * 10**7)"


def begin(lab: LabPage, folder: Path, cell: str) -> None:
    """Open a notebook, wait for the panel, and let its first cell run."""
    notebooks.write(folder / "busy.ipynb", [(cell, ["skip"]), *notebooks.CHAIN])
    lab.open_pipeline(f"{folder.name}/busy.ipynb")
    assert lab.run_cell(0).startswith("begun")


def answers_while_busy(lab: LabPage) -> None:
    """An edit is compiled, and a run goes to its end, while the cell is still running."""
    lab.type_in_cell(4, "\nbroken = (")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]").first).to_be_visible()
    for _ in "\nbroken = (":
        lab.page.keyboard.press("Backspace")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]")).to_have_count(0)
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").wait_for()
    assert lab.cell(0).locator(".jp-InputPrompt").inner_text() == "[*]:"
    lab.evaluate("app => app.shell.currentWidget.sessionContext.session.kernel.interrupt()")
    expect(lab.cell(0).locator(".jp-InputPrompt")).not_to_have_text("[*]:")
    lab.page.wait_for_selector("#kale-rs\\:panel .kale-LinkStatus[data-state=ready]", state="attached")


def test_a_cell_that_sleeps(lab: LabPage, folder: Path) -> None:
    begin(lab, folder, SLEEP)
    answers_while_busy(lab)


def test_a_cell_that_loops(lab: LabPage, folder: Path) -> None:
    begin(lab, folder, LOOP)
    answers_while_busy(lab)


def test_a_cell_that_holds_the_lock(lab: LabPage, folder: Path) -> None:
    begin(lab, folder, HOLD)
    lab.type_in_cell(4, "\nmore = total")
    silent = lab.panel.locator(".kale-LinkStatus[data-state=silent]")
    silent.wait_for()
    assert "The kernel is not answering" in silent.inner_text()
    # What was known stays on the screen, and the answer comes when the call has returned.
    expect(lab.panel.locator(".kale-Steps-name", has_text="add")).to_be_visible()
    lab.await_ready()
    expect(lab.panel.locator(".kale-Panel-body")).to_have_attribute("data-stale", "false")
