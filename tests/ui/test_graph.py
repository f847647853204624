"""The graph of steps: small in the panel, large in a tab, by mouse and by keyboard, with the state of a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.ui.notebooks import Cell, write
from tests.ui.page import LabPage

#: What a graph of 500 steps may take to be drawn. The machine of the tests may be busy: the budget itself is printed.
BUDGET_MS, SLACK = 200, 4


@pytest.fixture
def diamond(folder: Path) -> str:
    """Four steps: `load`, two that need it, and one that needs both and a declared order."""
    cells: list[Cell] = [
        ("data = list(range(10))", ["step:load"]),
        ("low = sorted(data)[0]", ["step:low", "prev:load"]),
        ("high = sorted(data)[-1]", ["step:high", "prev:load"]),
        ("data.count(3)\nprint(low, high)", ["step:report", "prev:low", "prev:high"]),
        ("print('done')", ["step:close", "prev:report"]),
    ]
    write(folder / "diamond.ipynb", cells)
    return f"{folder.name}/diamond.ipynb"


def open_graph(lab: LabPage, notebook: str) -> Locator:
    lab.open_pipeline(notebook)
    expect(lab.panel.locator(".kale-Steps > li").first).to_be_visible()
    lab.command("kale-rs:open-graph")
    graph = lab.page.locator(".kale-View .kale-Graph")
    expect(graph.locator(".kale-Graph-node").first).to_be_visible(timeout=30_000)
    expect(lab.page.locator(".kale-View")).to_be_focused()
    return graph


def test_the_graph_leads_to_cells_and_lights_them_up(lab: LabPage, diamond: str) -> None:
    graph = open_graph(lab, diamond)
    expect(graph.locator(".kale-Graph-node")).to_have_count(5)
    expect(lab.panel.locator(".kale-Graph-node")).to_have_count(5)
    edge = graph.locator(".kale-Graph-edge[data-from=load][data-to=low]")
    assert "load → low: data" in (edge.locator("title").text_content() or "")
    expect(graph.locator(".kale-Graph-edge[data-from=report][data-to=close]")).to_have_attribute(
        "data-kind", "declared"
    )

    graph.locator("[data-step=low]").hover()
    cells = lab.page.locator(".jp-Notebook .jp-Cell")
    expect(cells.nth(1)).to_have_class(has("kale-mod-lit"))
    expect(cells.nth(0)).to_have_class(has("kale-mod-near"))
    expect(cells.nth(2)).not_to_have_class(has("kale-mod-lit"))
    expect(edge).to_have_class(has("kale-mod-lit"))
    lit = "[...CSS.highlights.get('kale-variables')].map(range => range.toString())"
    assert set(lab.page.evaluate(lit)) == {"data", "low"}
    lab.screenshot("graph-light")

    graph.locator("[data-step=high]").click()
    expect(cells.nth(2)).to_have_class(has("jp-mod-active"))


def test_the_keyboard_walks_along_edges(lab: LabPage, diamond: str) -> None:
    graph = open_graph(lab, diamond)
    graph.locator("[data-step=load]").focus()
    steps = (
        ("ArrowDown ArrowLeft", "low"),
        ("ArrowRight", "high"),
        ("ArrowDown", "report"),
        ("ArrowDown", "close"),
    )
    for keys, step in steps:
        for key in keys.split():
            lab.page.keyboard.press(key)
        expect(graph.locator(f"[data-step={step}]")).to_be_focused()
    lab.page.keyboard.press("ArrowUp")
    expect(graph.locator("[data-step=report]")).to_be_focused()
    expect(lab.page.locator(".jp-Notebook .jp-Cell").nth(3)).to_have_class(has("kale-mod-lit"))

    picture = graph.locator("svg > g")
    fitted = picture.get_attribute("transform")
    lab.page.keyboard.press("+")
    expect(picture).not_to_have_attribute("transform", fitted or "")
    lab.page.keyboard.press("0")
    expect(picture).to_have_attribute("transform", fitted or "")
    graph.hover()
    lab.page.mouse.wheel(0, -200)
    expect(picture).not_to_have_attribute("transform", fitted or "")
    graph.locator("[data-action=fit]").click()
    expect(picture).to_have_attribute("transform", fitted or "")

    graph.locator("[data-step=report]").focus()
    lab.page.keyboard.press("Enter")
    expect(lab.page.locator(".jp-Notebook .jp-Cell").nth(3)).to_have_class(has("jp-mod-active"))

    # The view stays with its notebook, whatever that is called.
    renamed = diamond.replace("diamond", "renamed")
    lab.evaluate(f"app => app.serviceManager.contents.rename('{diamond}', '{renamed}')")
    expect(lab.page.locator(".kale-View[aria-label='Graph of renamed']")).to_be_visible()
    expect(graph.locator(".kale-Graph-node")).to_have_count(5)


def test_a_run_is_seen_on_the_graph(lab: LabPage, diamond: str) -> None:
    graph = open_graph(lab, diamond)
    lab.panel.locator("[data-action=run]").click()
    for step in ("load", "low", "high", "report", "close"):
        expect(graph.locator(f"[data-step={step}]")).to_have_attribute("data-status", "succeeded")
    expect(graph.locator("[data-step=load]")).to_have_attribute("aria-label", "Step load, succeeded")
    dark, contrast, light = "JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light"
    for theme, name in ((dark, "dark"), (contrast, "high-contrast"), (light, "light")):
        lab.command("apputils:change-theme", {"theme": theme})
        expect(lab.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        lab.screenshot(f"graph-run-{name}")


@pytest.mark.measured
def test_a_graph_of_500_steps_is_drawn_in_time(lab: LabPage, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells: list[Cell] = [("x0 = [0]", ["step:s0"])]
    cells += [(f"x{i} = [*x{(i - 1) // 3}, {i}]", [f"step:s{i}"]) for i in range(1, 500)]
    write(folder / "large.ipynb", cells)
    graph = open_graph(lab, f"{folder.name}/large.ipynb")
    expect(graph.locator(".kale-Graph-node")).to_have_count(500)
    script = "performance.getEntriesByName('kale-rs:graph').map(entry => entry.duration)"
    lab.page.wait_for_function(f"{script}.length > 0")
    duration = max(lab.page.evaluate(script))
    with capsys.disabled():
        print(f"\n  graph of 500 steps drawn in {duration:.0f} ms (budget {BUDGET_MS} ms)")
    assert duration < BUDGET_MS * SLACK
    lab.screenshot("graph-500")


def has(name: str) -> re.Pattern[str]:
    """A class among others."""
    return re.compile(rf"(^|\s){name}(\s|$)")
