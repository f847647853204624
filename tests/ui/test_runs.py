"""Runs from the panel: started, followed, and found again after whatever happened to the page and the kernel."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.ui import notebooks
from tests.ui.page import LabPage

WAITING: tuple[notebooks.Cell, ...] = (
    ("import os, time", ["imports"]),
    ("first = 1", ["step:first", "cache:disabled"]),
    (
        "while not os.path.exists('go'):\n    time.sleep(0.05)\nsecond = first + 1",
        ["step:second", "cache:disabled"],
    ),
    ("print(second)", ["pipeline-metrics"]),
)
"""Runs until somebody makes the file `go`."""

ENDLESS: tuple[notebooks.Cell, ...] = (("import time", ["imports"]), ("time.sleep(300)", ["step:first"]))


def start(lab: LabPage, folder: Path, cells: tuple[notebooks.Cell, ...] = WAITING) -> None:
    notebooks.write(folder / "waiting.ipynb", cells)
    lab.open_pipeline(f"{folder.name}/waiting.ipynb")
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-Steps .kale-Status[data-status=running]").first.wait_for()


def ends_well(lab: LabPage, folder: Path) -> None:
    (folder / "go").touch()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").wait_for()
    expect(lab.panel.locator(".kale-Runs > li")).to_have_count(1)
    expect(lab.panel.locator(".kale-Runs-metrics")).to_have_text("second 2")


def test_parameters_reach_the_run(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    lab.panel.locator("[name=parameter-count]").fill("5")
    lab.panel.locator("[data-action=run]").click()
    expect(lab.panel.locator(".kale-Runs-metrics")).to_have_text("total 10")


def test_a_value_of_the_wrong_type_is_refused_in_words(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    lab.panel.locator("[name=parameter-count]").fill("many")
    lab.panel.locator("[data-action=run]").click()
    expect(lab.panel.locator(".kale-Refusal")).to_contain_text("count")


def test_page_loaded_again_during_a_run(lab: LabPage, folder: Path) -> None:
    start(lab, folder)
    lab.page.reload()
    lab.page.wait_for_selector(".jp-Notebook .jp-Cell")
    lab.show_panel()
    expect(lab.panel.locator(".kale-RunStrip")).to_be_visible()
    ends_well(lab, folder)


def test_another_window_shows_the_run_that_goes_on(lab: LabPage, folder: Path) -> None:
    """Nothing is known there of what this page has stored, as after a reload before JupyterLab has kept it."""
    start(lab, folder)
    lab.open_elsewhere(f"{folder.name}/waiting.ipynb")
    lab.show_panel()
    expect(lab.panel.locator(".kale-RunStrip")).to_be_visible()
    ends_well(lab, folder)


def test_kernel_restarted_during_a_run(lab: LabPage, folder: Path) -> None:
    start(lab, folder)
    lab.evaluate("app => app.shell.currentWidget.sessionContext.session.kernel.restart()")
    lab.await_ready()
    ends_well(lab, folder)


def test_stop(lab: LabPage, folder: Path) -> None:
    start(lab, folder, ENDLESS)
    lab.panel.locator("[data-action=stop]").click()
    lab.panel.locator(".kale-RunStrip[data-status=cancelled]").wait_for()


def test_two_notebooks_at_once_and_fast_switches(lab: LabPage, folder: Path) -> None:
    for name in ("one", "two"):
        cells = [(f"value_{name} = 1", [f"step:only_{name}"])]
        notebooks.write(folder / f"{name}.ipynb", cells)
    lab.open_pipeline(f"{folder.name}/one.ipynb")
    lab.command("docmanager:open", {"path": f"{folder.name}/two.ipynb"})
    expect(lab.panel.locator("h2")).to_have_text("two.ipynb")
    lab.await_ready()
    for number in range(10):
        name = ("one", "two")[number % 2]
        lab.page.get_by_role("tab", name=f"{name}.ipynb").click()
        expect(lab.panel.locator("h2")).to_have_text(f"{name}.ipynb")
        expect(lab.panel.locator(".kale-Steps-name")).to_have_text([f"only_{name}"])


def test_twenty_clicks_are_one_run(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "waiting.ipynb", WAITING)
    lab.open_pipeline(f"{folder.name}/waiting.ipynb")
    # In one go: a click that comes when the run has begun is meant for another one.
    lab.evaluate("app => { for (let n = 0; n < 20; n += 1) { void app.commands.execute('kale-rs:run'); } }")
    ends_well(lab, folder)


def test_a_notebook_that_was_moved_has_its_runs_beside_it(lab: LabPage, folder: Path) -> None:
    for name in ("here", "there"):
        (folder / name / ".kale_rs").mkdir(parents=True)
    notebooks.write(folder / "here" / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/here/chain.ipynb")
    lab.panel.locator("[data-action=run]").click()
    expect(lab.panel.locator(".kale-Runs > li")).to_have_count(1)
    names = f"'{folder.name}/here/chain.ipynb', '{folder.name}/there/moved.ipynb'"
    lab.evaluate(f"app => app.serviceManager.contents.rename({names})")
    expect(lab.panel.locator("h2")).to_have_text("moved.ipynb")
    expect(lab.panel.locator(".kale-Runs > li")).to_have_count(0)
    lab.panel.locator("[name=parameter-count]").fill("5")
    lab.panel.locator("[data-action=run]").click()
    expect(lab.panel.locator(".kale-Runs-metrics")).to_have_text("total 10")
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").click()
    expect(lab.page.locator(".kale-View tr", has_text="load").first).to_be_visible()


def test_compiling_spares_what_others_have_written(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    (folder / "chain.yaml").write_text("mine: 1\n")
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    for _ in range(2):
        lab.page.get_by_role("tab", name="chain.ipynb").click()
        with lab.page.expect_response(lambda answer: answer.request.method == "PUT" and ".yaml" in answer.url):
            lab.panel.locator("[data-action=compile]").click()
        expect(lab.page.get_by_role("tab", name="chain-2.yaml")).to_be_visible()
    assert sorted(path.name for path in folder.glob("*.yaml")) == ["chain-2.yaml", "chain.yaml"]
    assert (folder / "chain.yaml").read_text() == "mine: 1\n"
