"""One run in a tab of its own: what its steps printed and made, where it failed, and the way back into it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.ui import notebooks
from tests.ui.page import LabPage

REPORT: tuple[notebooks.Cell, ...] = (
    ("import pandas as pd\nimport matplotlib.pyplot as plt", ["imports"]),
    ("rows = 4", ["pipeline-parameters"]),
    ("frame = pd.DataFrame({'a': range(rows)})\nframe['b'] = frame.a ** 2\nprint('loaded', rows)", ["step:load"]),
    ("figure, axes = plt.subplots()\naxes.plot(frame.a, frame.b)\nplt.show()\nframe", ["step:plot"]),
    ("total = int(frame.b.sum())\nfor n in range(3):\n    print(f'\\x1b[31mline\\x1b[0m {n}')", ["step:add"]),
    ("half = total / 2\nratio = half / (total - 14)", ["step:divide"]),
    ("print(ratio)", ["step:close"]),
)
"""A table, a figure, coloured prints, and a step that fails in its second line."""

WAITING: tuple[notebooks.Cell, ...] = (
    ("import os, time", ["imports"]),
    ("first = 1\nfor row in range(30_000):\n    print('row', row)", ["step:first"]),
    (
        "print('waiting')\nwhile not os.path.exists('go'):\n    time.sleep(0.05)\nsecond = first + 1\nprint('gone')",
        ["step:second", "cache:disabled"],
    ),
)
"""Runs until somebody makes the file `go`."""


def start(lab: LabPage, folder: Path, cells: tuple[notebooks.Cell, ...]) -> Locator:
    """Run a notebook and open its run."""
    notebooks.write(folder / "report.ipynb", cells)
    lab.open_pipeline(f"{folder.name}/report.ipynb")
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip").click()
    return lab.page.locator(".kale-RunView:visible")


def choose(view: Locator, step: str, tab: str) -> Locator:
    view.locator(f"tr[data-step={step}] button").click()
    view.locator(f"[role=tab][data-tab={tab}]").click()
    return view.locator(f".kale-StepPane[data-step={step}] [role=tabpanel]")


def test_the_state_on_a_cell_leads_to_its_step(lab: LabPage, folder: Path) -> None:
    view = start(lab, folder, REPORT)
    expect(view).to_have_attribute("data-status", "failed")
    for step in ("load", "divide"):
        cell = lab.page.locator(f".jp-Cell[data-kale-step={step}]")
        cell.locator(".kale-Badge").get_by_role("button", name="open this step of the run").click()
        expect(view.locator("tr[data-selected=true]")).to_have_attribute("data-step", step)


def test_a_run_shows_all_that_its_steps_have_left(lab: LabPage, folder: Path) -> None:
    view = start(lab, folder, REPORT)
    expect(view).to_have_attribute("data-status", "failed")
    expect(view.locator("[data-values=parameters]")).to_contain_text("rows")
    expect(view.locator("[role=alert]")).to_contain_text("ZeroDivisionError")
    # What failed is shown first; arrow keys lead to the other steps.
    expect(view.locator("tr[data-selected=true]")).to_have_attribute("data-step", "divide")
    expect(view.locator(".kale-Log-text")).to_contain_text("ZeroDivisionError: float division by zero")
    lab.screenshot("run-failed")
    view.locator("tr[data-step=divide] button").focus()
    lab.page.keyboard.press("ArrowUp")
    expect(view.locator("tr[data-step=add] button")).to_be_focused()

    log = view.locator(".kale-Log-text")
    expect(log).to_contain_text("line 2")
    expect(log.locator(".ansi-red-fg").first).to_have_text("line")
    view.locator(".kale-Log input[type=search]").fill("LINE")
    expect(view.locator(".kale-Log-count")).to_have_text("1 of 3")
    lab.page.keyboard.press("Enter")
    expect(view.locator(".kale-Log-count")).to_have_text("2 of 3")
    marked = "[...CSS.highlights.get('kale-found-current')].map(range => range.toString())"
    lab.page.wait_for_function(f"{marked}.join() === 'line'")

    outputs = choose(view, "plot", "outputs")
    expect(outputs.locator("img")).to_have_count(1)
    expect(outputs.locator("table td").first).to_be_visible()
    lab.screenshot("run-outputs")
    expect(choose(view, "divide", "outputs")).to_contain_text("ZeroDivisionError")

    figures = choose(view, "plot", "artifacts")
    figures.locator("tr[data-artifact*=figure] [data-action=preview]").click()
    expect(figures.locator(".kale-Preview img")).to_be_visible()

    artifacts = choose(view, "load", "artifacts")
    row = artifacts.locator("tr[data-artifact=frame]")
    row.locator("[data-action=preview]").click()
    preview = artifacts.locator(".kale-Preview")
    expect(preview.locator("td").last).to_have_text("9")
    lab.screenshot("run-artifacts")
    with lab.page.expect_download() as download:
        preview.locator("[data-action=download]").click()
    assert download.value.suggested_filename == "frame.csv"
    assert Path(download.value.path()).read_text().split() == ["a,b", "0,0", "1,1", "2,4", "3,9"]
    expect(lab.page.locator(".jp-DirListing-item", has_text="frame.csv")).to_have_count(0)
    # It is taken away when the browser has it, which the list may not have seen at all.
    lab.await_gone(folder / "frame.csv")
    expect(choose(view, "load", "details").locator(".kale-Link").first).to_contain_text("kale://run/")

    view.locator("[data-action=show-failure]").click()
    expect(lab.cell(5)).to_have_class(re.compile("jp-mod-active"))
    place = "app.shell.currentWidget.content.activeCell.editor.getCursorPosition().line"
    lab.await_promise(f"app => {place} === 1")


def test_the_notebook_is_restored_with_its_variables(lab: LabPage, folder: Path) -> None:
    view = start(lab, folder, REPORT)
    expect(view).to_have_attribute("data-status", "failed")
    view.locator("[data-action=restore-before]").click()
    opened = lab.page.locator(".jp-NotebookPanel", has_text="kale_rs.restore")
    expect(lab.page.get_by_role("tab", name="report-before-divide.ipynb")).to_have_attribute("aria-selected", "true")
    expect(opened.locator(".jp-InputPrompt").first).to_have_text("[1]:")
    run = (
        "async app => { const panel = app.shell.currentWidget;"
        " const done = panel.sessionContext.session.kernel.requestExecute({ code: 'print(total, len(frame))' });"
        " let text = ''; done.onIOPub = message => { text += message.content.text ?? ''; };"
        " await done.done; return text; }"
    )
    assert lab.evaluate(run).split() == ["14", "4"]
    lab.screenshot("restored")


def test_a_run_is_followed_again_after_the_page_was_loaded_again(lab: LabPage, folder: Path) -> None:
    view = start(lab, folder, WAITING)
    expect(view.locator("tr[data-step=second]")).to_have_attribute("data-status", "running")
    view.locator("tr[data-step=second] button").click()
    expect(view.locator(".kale-Log-text")).to_contain_text("waiting")
    saved = "JSON.stringify(await app.serviceManager.workspaces.fetch('default'))"
    lab.await_promise(f"async app => {saved}.includes('kale-rs-views:run')")
    lab.page.reload()
    expect(lab.page.locator(".kale-RunView")).to_have_attribute("data-status", "running")
    # Its engine is another process than the kernel, which is asked again once it is back.
    lab.evaluate("app => app.shell.widgets('main').next().value.sessionContext.session.kernel.restart()")
    lab.await_ready()
    expect(lab.page.locator(".kale-View-link")).to_be_hidden()
    (folder / "go").touch()
    expect(lab.page.locator(".kale-RunView")).to_have_attribute("data-status", "succeeded")
    lab.page.locator(".lm-TabBar-tab", has_text="report.ipynb").first.locator(".lm-TabBar-tabCloseIcon").click()
    lab.page.get_by_role("button", name="Discard").click()
    expect(lab.page.locator(".kale-View-state[data-state=closed]")).to_contain_text("report.ipynb is not open")
    lab.page.locator(".kale-View-state button").click()
    expect(lab.page.locator(".kale-RunView")).to_have_attribute("data-status", "succeeded")


def test_a_log_that_grows_says_each_line_once(lab: LabPage, folder: Path) -> None:
    lines = "\n".join(
        f"print('line {n}', flush=True)\nwhile not os.path.exists('go{n}'):\n    time.sleep(0.02)" for n in range(4)
    )
    view = start(lab, folder, (("import os, time", ["imports"]), (lines, ["step:talk", "cache:disabled"])))
    log = choose(view, "talk", "logs").locator(".kale-Log-text")
    for number in range(4):
        expect(log).to_have_text(re.compile("^" + r"\s*".join(f"line {n}" for n in range(number + 1)) + r"\s*$"))
        (folder / f"go{number}").touch()
    expect(view).to_have_attribute("data-status", "succeeded")


def test_stop_resume_and_run_again_from_a_step(lab: LabPage, folder: Path) -> None:
    view = start(lab, folder, WAITING)
    expect(view.locator("tr[data-step=second]")).to_have_attribute("data-status", "running")
    view.locator("[data-action=stop]").click()
    expect(view).to_have_attribute("data-status", "cancelled")
    (folder / "go").touch()
    view.locator("[data-action=resume]").click()
    expect(view).to_have_attribute("data-status", "succeeded")
    first = view.get_attribute("data-run")
    # Of a long log only the end is in the page.
    log, pieces = choose(view, "first", "logs").locator(".kale-Log-text"), view.locator(".kale-Log-piece")
    expect(log).to_contain_text("row 29999")
    expect(pieces).to_have_count(10)
    log.get_by_role("button", name="Show earlier lines").click()
    expect(pieces).to_have_count(20)
    expect(view.locator(".kale-Log input[type=checkbox]")).not_to_be_checked()
    view.locator(".kale-Log input[type=search]").fill("row 1234")
    lab.page.keyboard.press("Shift+Enter")
    expect(log).to_contain_text("row 12349")
    view.locator("tr[data-step=second] button").click()
    view.locator("[data-action=run-from]").click()
    again = lab.page.locator(f".kale-RunView:visible:not([data-run='{first}'])")
    expect(again).to_have_attribute("data-status", "succeeded")
    expect(again.locator("tr[data-step=first]")).to_have_attribute("data-status", "cached")

    boxes = lab.panel.locator(".kale-Runs input")
    expect(boxes).to_have_count(2)
    for number in range(2):
        boxes.nth(number).check()
    lab.panel.locator("[data-action=compare]").click()
    expect(lab.page.locator(".kale-Comparison .jp-RenderedMarkdown")).to_contain_text(first or "")
    lab.screenshot("comparison")


def test_values_of_a_run_from_elsewhere_are_loaded_after_a_yes(lab: LabPage, folder: Path) -> None:
    cells: tuple[notebooks.Cell, ...] = (("numbers = [1, 2, 3]", ["step:make"]), ("print(numbers)", ["step:use"]))
    for place in ("theirs", "ours"):
        notebooks.write(folder / place / "n.ipynb", cells)
    kale_rs(folder / "theirs", "run", "n.ipynb")
    kale_rs(folder / "theirs", "snapshot", "push", "last", str(folder / "share"))
    run = kale_rs(folder / "ours", "snapshot", "pull", str(folder / "share"))["run_id"]
    lab.open_pipeline(f"{folder.name}/ours/n.ipynb")
    lab.command("kale-rs:open-run", {"path": f"{folder.name}/ours/n.ipynb", "run": run, "step": "make"})
    view = lab.page.locator(".kale-RunView")
    preview = view.locator(".kale-Preview")
    expect(view.locator("[role=note]")).to_contain_text("made elsewhere")
    choose(view, "make", "artifacts").locator("[data-action=preview]").click()
    expect(preview).to_contain_text("not loaded")
    view.locator("[data-action=trust]").click()
    expect(view.locator("[role=note]")).to_have_count(0)
    for _ in range(2):
        view.locator("[data-action=preview]").click()
    expect(preview).to_contain_text("[1, 2, 3]")


def kale_rs(folder: Path, *arguments: str) -> dict[str, str]:
    """What a verb of the command line answers."""
    command = [sys.executable, "-m", "kale_rs", *arguments, "--json"]
    answer: dict[str, str] = json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)
    return answer


def test_a_long_log_is_searched_without_a_stop(lab: LabPage, folder: Path) -> None:
    """A letter stands in it a million times; who looks for one line finds it, and nothing freezes."""
    cells = [("for row in range(300_000):\n    print('row', row)\nprint('needle')", ["step:first"])]
    view = start(lab, folder, tuple(cells))
    expect(view).to_have_attribute("data-status", "succeeded", timeout=120_000)
    log = choose(view, "first", "logs")
    expect(log.locator("[role=log]")).to_contain_text("needle")
    search = log.get_by_role("searchbox")
    search.fill("row")
    expect(log.locator(".kale-Log-count")).to_contain_text("10000+")
    search.press("Enter")
    search.press("Enter")
    expect(log.locator(".kale-Log-count")).to_have_text("3 of 10000+")
    search.fill("needle")
    expect(log.locator(".kale-Log-count")).to_have_text("1 of 1")
    search.press("Enter")
    expect(log.locator("[role=log]")).to_contain_text("needle")
    pieces = log.locator(".kale-Log-piece").count()
    assert pieces <= 20, "only what is looked at is in the page"
