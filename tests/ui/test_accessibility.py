"""What axe-core finds in what is ours, in every theme: nothing serious."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui import notebooks
from tests.ui.page import LabPage

AXE = Path(__file__).resolve().parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
OURS = ["#kale-rs\\:panel", ".kale-Badge", ".kale-StatusItem"]


def serious(lab: LabPage, include: list[str]) -> list[object]:
    """What axe finds that keeps people out, with the elements."""
    script = """
      async include => {
        const runOnly = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'];
        const found = (await axe.run({ include }, { runOnly })).violations;
        return found.map(each => [each.impact, each.id, each.nodes.map(node => node.html).slice(0, 3)]);
      }
    """
    return [each for each in lab.page.evaluate(script, include) if each[0] in ("serious", "critical")]


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_serious(lab: LabPage, example: str, theme: str) -> None:
    lab.open(example)
    lab.command("apputils:change-theme", {"theme": theme})
    lab.show_panel()
    lab.await_ready()
    expect(lab.panel.locator(".kale-Steps-name").first).to_be_visible()
    lab.page.add_script_tag(path=str(AXE))
    lab.page.wait_for_function(f"document.body.dataset.jpThemeName === '{theme}'")
    violations = serious(lab, OURS)
    lab.screenshot(f"panel-{theme.lower().replace(' ', '-')}")
    assert violations == []


def test_nothing_serious_where_there_are_errors(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "errors.ipynb", [*notebooks.CHAIN, ("broken = (", ["step:last"])])
    lab.open_pipeline(f"{folder.name}/errors.ipynb")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]").first).to_be_visible()
    lab.page.add_script_tag(path=str(AXE))
    assert serious(lab, OURS[:1]) == []


def test_nothing_serious_in_the_views(lab: LabPage, folder: Path) -> None:
    cells = [*notebooks.CHAIN[:-1], ("assert total == 4", ["step:fail"])]
    notebooks.write(folder / "views.ipynb", cells)
    lab.open_pipeline(f"{folder.name}/views.ipynb")
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=failed]").wait_for()
    lab.page.add_script_tag(path=str(AXE))
    lab.command("kale-rs:open-graph")
    lab.page.locator(".kale-View .kale-Graph-node").first.wait_for()
    in_themes(lab, "graph")
    lab.panel.locator(".kale-RunStrip").click()
    expect(lab.page.locator(".kale-Log-text")).to_contain_text("AssertionError")
    in_themes(lab, "run")
    lab.page.locator("tr[data-step=add] button").click()
    for tab in ("outputs", "details", "artifacts"):
        lab.page.locator(f"[role=tab][data-tab={tab}]").click()
        assert serious(lab, [".kale-View"]) == []
    lab.page.locator("[data-action=preview]").first.click()
    lab.page.locator(".kale-Preview").wait_for()
    in_themes(lab, "values")
    lab.page.locator("[data-action=lineage]").click()
    lab.page.locator(".kale-Lineage-this").wait_for()
    in_themes(lab, "lineage")


def test_nothing_serious_in_sweeps(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "sweep.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/sweep.ipynb")
    lab.page.add_script_tag(path=str(AXE))
    lab.panel.locator("[data-action=sweep]").click()
    form = lab.page.locator(".kale-SweepForm")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("trials")
    assert serious(lab, [".kale-SweepForm"]) == []
    form.locator("[data-action=begin-sweep]").click()
    expect(lab.page.locator(".kale-SweepView")).to_have_attribute("data-status", "succeeded")
    in_themes(lab, "sweep")


def in_themes(lab: LabPage, name: str) -> None:
    """Hold a view against axe in every theme, and keep a picture of each."""
    # The last is the default, since settings outlive the page.
    for theme in (*THEMES[1:], THEMES[0]):
        lab.command("apputils:change-theme", {"theme": theme})
        lab.page.wait_for_function(f"document.body.dataset.jpThemeName === '{theme}'")
        violations = serious(lab, [".kale-View"])
        lab.screenshot(f"view-{name}-{theme.lower().replace(' ', '-')}")
        assert violations == []
