"""Where something comes from and what came of it: cards that lead from one thing to the next."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.ui import notebooks
from tests.ui.page import LabPage

PAIR: tuple[notebooks.Cell, ...] = (
    ("numbers = [n * n for n in range(5)]", ["step:make"]),
    ("total = sum(numbers)\nprint(total)", ["step:use"]),
)


def test_lineage_leads_both_ways(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "pair.ipynb", PAIR)
    lab.open_pipeline(f"{folder.name}/pair.ipynb")
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").wait_for()
    lab.panel.locator(".kale-RunStrip").click()
    lab.page.locator(".kale-RunHead [data-action=lineage]").click()

    view = lab.page.locator(".kale-Lineage")
    made, made_by = view.locator("[data-neighbours=made]"), view.locator("[data-neighbours=made_by]")
    expect(view).to_have_attribute("data-id", re.compile(r"^kale://run/[^/]+$"))
    made.locator("[data-id$='/step/use']").click()
    expect(view).to_have_attribute("data-id", re.compile("/step/use$"))
    lab.screenshot("lineage-step")
    # A value has the name of its variable, and was made by the other step.
    value = view.locator("[data-neighbours=uses] .kale-Card")
    expect(value).to_contain_text("numbers")
    value.click()
    expect(view).to_have_attribute("data-id", re.compile("^kale://artifact/"))
    expect(view.locator(".kale-Preview")).to_contain_text("[0, 1, 4, 9, 16]")
    expect(view.locator("[data-neighbours=used_by] .kale-Card").first).to_contain_text("use")
    lab.screenshot("lineage-value")
    made_by.locator("[data-id$='/step/make']").click()
    expect(view).to_have_attribute("data-id", re.compile("/step/make$"))
    made.locator("[data-id$='/snapshot/make']").click()
    expect(view.locator("[data-fact=variables]")).to_contain_text("numbers")

    back, forward = view.locator("[data-action=back]"), view.locator("[data-action=forward]")
    back.click()
    back.click()
    expect(view).to_have_attribute("data-id", re.compile("^kale://artifact/"))
    forward.click()
    expect(view).to_have_attribute("data-id", re.compile("/step/make$"))

    view.locator("[data-fact=cells] button").click()
    expect(lab.cell(0)).to_have_class(re.compile("jp-mod-active"))
    lab.cell(1).click()
    lab.command("kale-rs:open-lineage")
    expect(view).to_have_attribute("data-id", re.compile("/step/use$"))
    back.click()
    expect(view).to_have_attribute("data-id", re.compile("/step/make$"))
    view.locator("[data-action=open-run]").click()
    expect(lab.page.locator(".kale-StepPane:visible")).to_have_attribute("data-step", "make")
