"""A sweep from the panel: asked for in a dialog, followed live in a view whose parts are linked."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import kale_rs
import pytest
from playwright.sync_api import Locator, expect

from tests.ui import notebooks
from tests.ui.page import LabPage

MODEL: tuple[notebooks.Cell, ...] = (
    ("import os, time", ["imports"]),
    ("rate = 0.01\nlayers = 3\nopt = 'adam'\nseeds = [1]", ["pipeline-parameters"]),
    ("rows = list(range(100))", ["step:load"]),
    ("loss = (rate - 0.02) ** 2 + layers * 0.1 + (opt == 'sgd') + len(rows) * 0 + seeds[0] * 0", ["step:train"]),
    ("print(loss)", ["pipeline-metrics"]),
)
"""A loss that is least with one layer, and with `adam`."""


def waiting_for(go: Path) -> tuple[notebooks.Cell, ...]:
    """Trials that wait for a file."""
    return (
        ("import os, time", ["imports"]),
        ("k = 1", ["pipeline-parameters"]),
        (f"while not os.path.exists({str(go)!r}):\n    time.sleep(0.05)\nloss = k", ["step:wait"]),
        ("print(loss)", ["pipeline-metrics"]),
    )


def ask(lab: LabPage, folder: Path, cells: tuple[notebooks.Cell, ...] = MODEL) -> Locator:
    """The dialog of a new sweep, on a notebook of these cells."""
    notebooks.write(folder / "model.ipynb", cells)
    lab.open_pipeline(f"{folder.name}/model.ipynb")
    lab.panel.locator("[data-action=sweep]").click()
    form = lab.page.locator(".kale-SweepForm")
    expect(form).to_be_visible()
    return form


def begin(lab: LabPage, form: Locator) -> Locator:
    form.locator("[data-action=begin-sweep]").click()
    view = lab.page.locator(".kale-SweepView:visible")
    expect(view).to_be_visible()
    return view


def test_the_dialog_is_filled_and_tells_what_it_will_cost(lab: LabPage, folder: Path) -> None:
    form = ask(lab, folder)
    assert form.locator(".kale-SweepRow").evaluate_all("rows => rows.map(row => row.dataset.mode)") == [
        "range", "range", "fixed", "fixed"
    ]  # fmt: skip
    expect(form.locator("[name=rate-low]")).to_have_value("0.001")
    expect(form.locator("[name=rate-log]")).to_be_checked()
    expect(form.locator("[name=objective]")).to_have_value("loss")
    expect(form.locator("[name=direction]")).to_have_value("minimize")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("10 trials: 11 step runs, not 20")
    form.locator("[name=rate-mode]").select_option("fixed")
    form.locator("[name=opt-mode]").select_option("list")
    form.locator("[name=opt-values]").fill("adam, sgd")
    form.locator("[name=layers-high]").fill("4")
    form.locator("[name=algorithm]").select_option("grid")
    form.locator("[name=trials]").fill("")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("8 trials: 9 step runs, not 16")
    form.locator("[name=layers-high]").fill("0")
    expect(form.locator("[role=alert]")).to_contain_text("1 is not less than 0")
    expect(form.locator("[data-action=begin-sweep]")).to_be_disabled()
    for mode in ("layers-mode", "opt-mode"):
        form.locator(f"[name={mode}]").select_option("fixed")
    expect(form.locator("[role=alert]")).to_contain_text("Choose a range or a list")
    lab.screenshot("sweep-dialog")


def test_a_sweep_is_followed_and_its_parts_are_linked(lab: LabPage, folder: Path) -> None:
    form = ask(lab, folder)
    form.locator("[name=opt-mode]").select_option("list")
    form.locator("[name=opt-values]").fill("adam, sgd")
    form.locator("[name=trials]").fill("12")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("12 trials")
    view = begin(lab, form)
    expect(view).to_have_attribute("data-status", "succeeded")
    expect(view.locator("tbody tr")).to_have_count(12)
    expect(view.locator(".kale-Parallel-line")).to_have_count(12)
    expect(view.locator(".kale-History circle")).to_have_count(12)
    expect(view.locator(".kale-Importance dt")).to_have_count(3)
    # Sorted by the objective: the best one stands above.
    first = view.locator("tbody tr").first
    expect(first).to_have_attribute("data-best", "true")
    first.hover()
    expect(view.locator(".kale-Parallel-hovered")).to_be_visible()
    expect(view.locator(".kale-History circle[data-hovered=true]")).to_have_count(1)
    view.locator("[data-column=trial]").click()
    trials = view.locator("tbody tr").evaluate_all("rows => rows.map(row => Number(row.dataset.trial))")
    assert trials == list(range(12))
    # The lower half of an axis: by keys, and with the table.
    axis = view.locator(".kale-Parallel-axis[data-axis=loss] [role=slider]")
    axis.focus()
    for _ in range(5):
        lab.page.keyboard.press("ArrowDown")
    chosen = view.locator(".kale-Parallel-line[data-chosen=true]").count()
    assert 0 < chosen < 12
    expect(view.locator("tbody tr")).to_have_count(chosen)
    lab.screenshot("sweep-brushed")
    view.locator("[data-action=show-all]").click()
    expect(view.locator("tbody tr")).to_have_count(12)
    lab.screenshot("sweep")
    sweeps = lab.panel.locator(".kale-Sweeps li")
    expect(sweeps).to_have_count(1)
    expect(sweeps).to_contain_text("12 of 12 trials")
    # Trials stay out of the list of runs.
    expect(lab.panel.locator(".kale-Runs:not(.kale-Sweeps) li")).to_have_count(0)
    view.locator("[data-action=open-best]").click()
    expect(lab.page.locator(".kale-RunView:visible:not(.kale-SweepView)")).to_have_attribute("data-status", "succeeded")


def test_the_best_model_opens_in_a_notebook(lab: LabPage, folder: Path) -> None:
    form = ask(lab, folder)
    form.locator("[name=trials]").fill("4")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("4 trials")
    view = begin(lab, form)
    expect(view).to_have_attribute("data-status", "succeeded")
    value = float(view.locator("[data-values=best] dd").first.inner_text())
    view.locator("[data-action=restore-best]").click()
    opened = lab.page.locator(".jp-NotebookPanel", has_text="kale_rs.restore")
    expect(opened.locator(".jp-InputPrompt").first).to_have_text("[1]:")
    told = (
        "async app => { const panel = app.shell.currentWidget;"
        " const done = panel.sessionContext.session.kernel.requestExecute({ code: 'print(loss)' });"
        " let text = ''; done.onIOPub = message => { text += message.content.text ?? ''; };"
        " await done.done; return text; }"
    )
    assert abs(float(lab.evaluate(told)) - value) < 1e-5


def tab_to(lab: LabPage, target: Locator) -> None:
    for _ in range(80):
        if target.evaluate("field => field === document.activeElement"):
            return
        lab.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


def test_all_by_keyboard(lab: LabPage, folder: Path) -> None:
    """From the palette's command to the run of a trial; nothing is clicked, and nothing is focused but by Tab."""
    notebooks.write(folder / "model.ipynb", MODEL)
    lab.open_pipeline(f"{folder.name}/model.ipynb")
    lab.page.keyboard.press("Control+Shift+C")
    lab.page.locator(".lm-CommandPalette-input").wait_for()
    lab.page.keyboard.type("Sweep Parameters")
    # All commands are there until those that match are: Enter is for the one that is chosen of them.
    expect(lab.page.locator(".lm-CommandPalette-item.lm-mod-active[data-command='kale-rs:sweep']")).to_be_visible()
    lab.page.keyboard.press("Enter")
    form = lab.page.locator(".kale-SweepForm")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("10 trials")
    expect(form.locator("select").first).to_be_focused()
    tab_to(lab, form.locator("[name=opt-mode]"))
    lab.page.keyboard.press("ArrowDown")
    tab_to(lab, form.locator("[name=opt-values]"))
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.type("adam, sgd")
    tab_to(lab, form.locator("[name=trials]"))
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.type("3")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("3 trials")
    lab.page.keyboard.press("Enter")
    view = lab.page.locator(".kale-SweepView:visible")
    expect(view).to_have_attribute("data-status", "succeeded")
    expect(view.locator("tbody tr")).to_have_count(3)
    tab_to(lab, view.locator("[data-action=extend-form]"))
    lab.page.keyboard.press("Enter")
    expect(view.locator("[name=extend-trials]")).to_be_focused()
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.type("4")
    lab.page.keyboard.press("Enter")
    expect(view.locator("tbody tr[data-status=succeeded]")).to_have_count(4)
    tab_to(lab, view.locator(".kale-Parallel-axis[data-axis=loss] [role=slider]"))
    lab.page.keyboard.press("ArrowDown")
    expect(view.locator("[data-action=show-all]")).to_be_visible()
    lab.page.keyboard.press("Escape")
    tab_to(lab, view.locator("[data-column=trial]"))
    lab.page.keyboard.press("Enter")
    tab_to(lab, view.locator("tbody button").first)
    lab.page.keyboard.press("Enter")
    expect(lab.page.locator(".kale-RunView:visible:not(.kale-SweepView)")).to_be_visible()


def test_more_trials_where_the_good_ones_were(lab: LabPage, folder: Path) -> None:
    form = ask(lab, folder)
    form.locator("[name=opt-mode]").select_option("list")
    form.locator("[name=opt-values]").fill("adam, sgd")
    form.locator("[name=trials]").fill("8")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("8 trials")
    view = begin(lab, form)
    expect(view).to_have_attribute("data-status", "succeeded")
    axis = view.locator(".kale-Parallel-axis[data-axis=opt] [role=slider]")
    axis.focus()
    for _ in range(9):
        lab.page.keyboard.press("ArrowDown")
    view.locator("[data-action=narrow]").click()
    expect(view.locator("[name=opt-values]")).to_have_value("adam")
    view.locator("[name=extend-trials]").fill("8")
    view.locator("[data-action=extend]").click()
    expect(view.locator("[role=alert]").first).to_contain_text("there are 8 trials, and no more")
    lab.screenshot("sweep-extend")
    view.locator("[name=layers-mode]").select_option("range")
    view.locator("[name=layers-low]").fill("2")
    view.locator("[name=layers-high]").fill("3")
    view.locator("[name=extend-trials]").fill("12")
    view.locator("[data-action=extend]").click()
    expect(view.locator(".kale-ExtendForm")).to_have_count(0)
    view.locator("[data-action=show-all]").click()
    expect(view.locator("tbody tr[data-status=succeeded]")).to_have_count(12)
    with sqlite3.connect(folder / ".kale_rs" / "store.db") as database:
        rows = database.execute("SELECT point FROM trials WHERE number >= 8").fetchall()
    points = [json.loads(point) for (point,) in rows]
    assert {point["opt"] for point in points} == {"adam"}
    assert {point["layers"] for point in points} <= {2, 3}


def test_a_page_that_is_loaded_again_follows_the_sweep(lab: LabPage, folder: Path) -> None:
    """Also one that was begun in a terminal, and though its view was never open."""
    go = folder / "go"
    notebooks.write(folder / "model.ipynb", waiting_for(go))
    sweep = kale_rs.sweep(folder / "model.ipynb", {"k": "int:1:3"}, algorithm="grid", detach=True)
    lab.open_pipeline(f"{folder.name}/model.ipynb")
    listed = lab.panel.locator(f".kale-Sweeps [data-sweep='{sweep.sweep_id}']")
    expect(listed).to_contain_text("0 of")
    lab.page.reload()
    lab.page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.show_panel()
    lab.await_ready()
    expect(listed).to_contain_text("0 of")
    go.write_text("")
    expect(listed).to_contain_text("3 of 3 trials")
    expect(listed.locator(".kale-Status")).to_have_attribute("data-status", "succeeded")


def test_several_objectives_have_a_front(lab: LabPage, folder: Path) -> None:
    cells = (
        ("k = 1", ["pipeline-parameters"]),
        ("loss = (k - 3) ** 2\ncost = k", ["step:train"]),
        ("print(loss)\nprint(cost)", ["pipeline-metrics"]),
    )
    notebooks.write(folder / "model.ipynb", cells)
    sweep = kale_rs.sweep(
        folder / "model.ipynb", {"k": "int:1:6"}, objective=["loss", "cost"], algorithm="grid", progress=False
    )
    assert [trial.parameters["k"] for trial in sweep.front] == [1, 2, 3]
    lab.open_pipeline(f"{folder.name}/model.ipynb")
    lab.panel.locator(".kale-Sweeps button").first.click()
    view = lab.page.locator(".kale-SweepView:visible")
    expect(view.locator(".kale-Front circle")).to_have_count(6)
    expect(view.locator(".kale-Front circle[data-front=true]")).to_have_count(3)
    expect(view.locator("tbody tr[data-front=true]")).to_have_count(3)
    view.locator(".kale-Front circle[data-front=true]").first.hover()
    expect(view.locator("tbody tr[data-selected=true][data-front=true]")).to_have_count(1)
    lab.screenshot("sweep-front")


def test_stopped_and_gone_on_with(lab: LabPage, folder: Path) -> None:
    go = folder / "go"
    form = ask(lab, folder, waiting_for(go))
    form.locator("[name=trials]").fill("4")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("4 trials")
    view = begin(lab, form)
    expect(view.locator("tbody tr[data-status=running]").first).to_be_visible()
    view.locator("[data-action=stop]").click()
    expect(view).to_have_attribute("data-status", "cancelled")
    go.write_text("")
    view.locator("[data-action=resume]").click()
    expect(view).to_have_attribute("data-status", "succeeded")
    expect(view.locator("tbody tr[data-status=succeeded]")).to_have_count(4)


@pytest.mark.measured
def test_five_hundred_trials_repaint_in_time(lab: LabPage, folder: Path) -> None:
    """A sweep of three trials is made a large one in the store; then the pointer goes over its table and axes."""
    form = ask(lab, folder)
    form.locator("[name=trials]").fill("3")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("3 trials")
    view = begin(lab, form)
    expect(view).to_have_attribute("data-status", "succeeded")
    grow(folder / ".kale_rs" / "store.db", 500)
    lab.page.reload()
    lab.page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.show_panel()
    lab.await_ready()
    lab.panel.locator(".kale-Sweeps button").first.click()
    view = lab.page.locator(".kale-SweepView:visible")
    expect(view.locator("tbody tr")).to_have_count(500)
    axis = ".kale-SweepView .kale-Parallel-axis[data-axis=loss] [role=slider]"
    took = lab.page.evaluate(
        """async axis => {
            const times = [];
            for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowUp', 'Escape', 'ArrowDown', 'Escape']) {
                const start = performance.now();
                document.querySelector(axis).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
                await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                times.push(performance.now() - start);
            }
            return times.sort((a, b) => a - b);
        }""",
        axis,
    )
    median, longest = took[len(took) // 2], took[-1]
    print(f"\nsweep of 500 trials: repaint median {median:.0f} ms, longest {longest:.0f} ms; promised 100 ms")
    assert median < 400


def grow(store: Path, count: int) -> None:
    """Gives a sweep so many trials, which all have the run of one of the first."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with sqlite3.connect(store) as database:
                sweep, run = database.execute("SELECT sweep, run FROM trials LIMIT 1").fetchone()
                for number in range(3, count):
                    point = json.dumps({"rate": 0.001 + number / 10_000, "layers": 1 + number % 12})
                    database.execute(
                        "INSERT INTO trials (sweep, number, run, point, status, objectives) VALUES (?,?,?,?,?,?)",
                        (sweep, number, run, point, "succeeded", json.dumps([number / count])),
                    )
            return
        except sqlite3.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
