"""Services in the panel: served from a run or a cell, tried in the view, followed, and stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kale_rs
import pytest
from playwright.sync_api import Locator, expect

from tests.ui import notebooks
from tests.ui.page import LabPage
from tests.ui.test_accessibility import AXE, THEMES, serious

MODEL: tuple[notebooks.Cell, ...] = (
    ("import numpy as np\nfrom sklearn.tree import DecisionTreeRegressor", ["imports"]),
    ("def halve(rows):\n    return np.asarray(rows, dtype=float) / 2", ["functions"]),
    ("power = 1", ["pipeline-parameters"]),
    ("rows = np.arange(8.0)[:, None]", ["step:load"]),
    ("model = DecisionTreeRegressor().fit(rows, 6 * rows[:, 0] ** power)", ["step:train"]),
    ("loss = float(abs(model.predict(rows)[-1] - 42))\nprint(loss)", ["pipeline-metrics"]),
)
"""Three times what it is asked, after `halve`, as far as that is even."""


@pytest.fixture
def folder(folder: Path) -> Iterator[Path]:
    """What was served there ends with the test."""
    yield folder
    for service in kale_rs.services(store=folder):
        kale_rs.services("stop", service.name, store=folder)


def view_of(lab: LabPage, name: str) -> Locator:
    view = lab.page.locator(f".kale-ServiceView[data-service={name}]:visible")
    expect(view).to_have_attribute("data-state", "ready")
    return view


def within_a_small_window(lab: LabPage, form: Locator) -> None:
    """What does not fit into it is scrolled to."""
    usual = lab.page.viewport_size
    assert usual is not None
    lab.page.set_viewport_size({"width": 640, "height": 360})
    frame = lab.page.locator(".kale-ServeDialog .jp-Dialog-content").bounding_box()
    assert frame is not None and frame["y"] >= 0 and frame["y"] + frame["height"] <= 360
    begin = form.locator("[data-action=begin-service]")
    begin.scroll_into_view_if_needed()
    expect(begin).to_be_in_viewport(ratio=0.9)
    lab.screenshot("serve-dialog-small")
    lab.page.set_viewport_size(usual)


def figure(view: Locator, name: str) -> Locator:
    return view.locator(f"[data-figure={name}] dd")


def test_a_step_of_a_run_is_served_tried_and_stopped(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "model.ipynb", MODEL)
    lab.open_pipeline(f"{folder.name}/model.ipynb")
    expect(lab.panel.locator(".kale-Panel-body")).to_contain_text("No services.")
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").click()
    run = lab.page.locator(".kale-RunView:visible")
    run.locator("tr[data-step=train] button").click()
    run.get_by_role("tab", name="Artifacts").click()
    run.get_by_role("button", name="Serve model").click()
    form = lab.page.locator(".kale-ServeForm")
    expect(form.locator("[name=variable]")).to_have_value("model")
    expect(form.locator("[name=step]")).to_have_value("train")
    form.locator("[name=preprocess]").fill("half")
    form.locator("[data-action=begin-service]").click()
    expect(form.locator("[role=alert]")).to_contain_text("no function `half` is bound")
    form.locator("[name=preprocess]").fill("halve")
    form.locator("[name=example]").fill("rows")
    lab.screenshot("serve-dialog")
    within_a_small_window(lab, form)
    form.locator("[data-action=begin-service]").click()
    view = view_of(lab, "model")
    listed = lab.panel.locator("[data-service=model]")
    expect(listed).to_contain_text("0 requests")

    # The example that it was packed with; then other rows, and rows that are wrong.
    expect(view.locator("[name=json]")).to_have_value('{"instances": [[0], [1]]}')
    view.locator("[data-action=predict]").click()
    expect(view.locator(".kale-TestBox-answer [data-status='200']")).to_contain_text("[0, 0]")
    expect(figure(view, "requests")).to_have_text("1")
    view.locator("[name=json]").fill('{"instances": [[2], [4]]}')
    view.locator("[name=json]").press("Control+Enter")
    expect(view.locator(".kale-TestBox-predictions")).to_have_text("[6, 12]")
    view.locator("[name=json]").fill('{"instances": ["four"]}')
    view.locator("[data-action=predict]").click()
    expect(view.locator(".kale-TestBox-answer .kale-Refusal")).to_contain_text("could not convert string to float")
    view.locator("[name=json]").fill("[[1]")
    view.locator("[data-action=predict]").click()
    expect(view.locator("[role=alert]")).to_contain_text("This is no JSON")
    expect(figure(view, "requests")).to_have_text("3")
    expect(figure(view, "errors")).to_have_text("1")
    expect(listed).to_contain_text("3 requests · 1 error")
    lab.screenshot("service")

    view.get_by_role("tab", name="Logs").click()
    log = view.get_by_role("log")
    expect(log).to_contain_text("POST /v1/models/model:predict 200")
    expect(log).to_contain_text("could not convert string to float")
    view.get_by_role("tab", name="Manifest").click()
    expect(view.locator(".kale-Manifest-text")).to_contain_text("kind: InferenceService")
    view.locator("[name=storage]").fill("s3://models/line")
    view.locator("[name=storage]").press("Enter")
    expect(view.locator(".kale-Manifest-text")).to_contain_text("s3://models/line")
    with lab.page.expect_download() as download:
        view.locator("[data-action=download-manifest]").click()
    assert "InferenceService" in Path(download.value.path()).read_text()
    lab.screenshot("service-manifest")
    view.get_by_role("tab", name="Details").click()
    expect(view.locator(".kale-Facts")).to_contain_text("DecisionTreeRegressor")

    # Back to the run, and from there to the service again.
    view.locator("[data-action=open-run]").click()
    expect(lab.page.locator(".kale-StepPane:visible")).to_have_attribute("data-step", "train")
    listed.locator("button").click()
    view = view_of(lab, "model")
    view.locator("[data-action=stop]").click()
    ended = lab.page.locator(".kale-ServiceView:visible")
    expect(ended).to_have_attribute("data-state", "ended")
    expect(listed).to_have_count(0)
    ended.get_by_role("tab", name="Try it").click()
    expect(ended.locator("[data-action=predict]")).to_be_disabled()
    expect(ended.locator("[role=alert]")).to_have_count(0)
    ended.locator("[data-action=serve-again]").click()
    expect(ended).to_have_attribute("data-state", "ready")
    expect(figure(ended, "requests")).to_have_text("0")


CELL = """import kale_rs, numpy as np
table = np.arange(12.0).reshape(4, 3)
def add(rows):
    return np.asarray(rows, dtype=float).sum(axis=1)
service = kale_rs.serve(add, name="add", example=[[1.0, 2.0, 3.0]])
print("served")"""


def test_what_a_cell_serves_appears_and_takes_rows_of_a_variable(lab: LabPage, folder: Path) -> None:
    """All by keyboard, and with nothing that keeps people out, in every theme."""
    notebooks.write(folder / "cell.ipynb", [("size = 3", ["step:first"]), CELL])
    lab.open_pipeline(f"{folder.name}/cell.ipynb")
    assert "served" in lab.run_cell(1)
    listed = lab.panel.locator("[data-service=add]")
    expect(listed).to_have_attribute("data-state", "ready")
    listed.locator("button").focus()
    lab.page.keyboard.press("Enter")
    view = view_of(lab, "add")
    view.locator("[name=kind][value=json]").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(view.locator("[name=kind][value=rows]")).to_be_checked()
    lab.page.keyboard.press("Tab")
    expect(view.locator("[name=variable]")).to_be_focused()
    expect(view.locator("datalist option[value=table]")).to_have_count(1)
    lab.page.keyboard.type("table")
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.type("1:3")
    lab.page.keyboard.press("Enter")
    expect(view.locator(".kale-TestBox-predictions")).to_have_text("[12, 21]")
    expect(figure(view, "requests")).to_have_text("1")
    lab.page.add_script_tag(path=str(AXE))
    # The server keeps the last one for the tests after this.
    for theme in (*THEMES[1:], THEMES[0]):
        lab.command("apputils:change-theme", {"theme": theme})
        lab.page.wait_for_function(f"document.body.dataset.jpThemeName === '{theme}'")
        assert serious(lab, [".kale-View", "#kale-rs\\:panel"]) == []
        lab.screenshot(f"service-{theme.lower().replace(' ', '-')}")
    for tab in ("logs", "manifest", "details"):
        view.locator(f"[role=tab][data-tab={tab}]").click()
        expect(view.locator(f".kale-Tabs-panel[data-tab={tab}]")).not_to_be_empty()
        assert serious(lab, [".kale-View"]) == []


def test_the_best_trial_is_served_and_a_new_page_finds_it(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "model.ipynb", MODEL)
    kale_rs.sweep(folder / "model.ipynb", {"power": "choice:1,2"}, algorithm="grid", progress=False)
    lab.open_pipeline(f"{folder.name}/model.ipynb")
    lab.panel.locator(".kale-Sweeps button").first.click()
    sweep = lab.page.locator(".kale-SweepView:visible")
    sweep.locator("[data-action=serve-best]").click()
    form = lab.page.locator(".kale-ServeForm")
    expect(form.locator("[name=variable]")).to_have_value("model")
    form.locator("[name=name]").fill("best")
    form.locator("[data-action=begin-service]").click()
    view = view_of(lab, "best")
    expect(view.locator("[data-action=open-trial]")).to_contain_text("Trial 0 of sweep")
    lab.page.reload()
    lab.page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.show_panel()
    lab.await_ready()
    listed = lab.panel.locator("[data-service=best]")
    expect(listed).to_have_attribute("data-state", "ready")
    listed.locator("button").click()
    view = view_of(lab, "best")
    view.locator("[name=json]").fill("[[7]]")
    view.locator("[data-action=predict]").click()
    expect(view.locator(".kale-TestBox-answer [data-status='200']")).to_contain_text("[42]")
    view.locator("[data-action=restore-origin]").click()
    opened = lab.page.locator(".jp-NotebookPanel", has_text="kale_rs.restore")
    expect(opened.locator(".jp-InputPrompt").first).to_have_text("[1]:")
