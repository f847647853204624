"""The pictures of the README, taken from what is there: `KALE_BLESS=1` puts new ones in their place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import expect

from tests.ui.conftest import EXAMPLES
from tests.ui.page import LabPage


def keep(picture: Path, name: str) -> None:
    if os.environ.get("KALE_BLESS"):
        shutil.copyfile(picture, EXAMPLES / "tabular" / name)


def test_the_pictures_of_the_readme(lab: LabPage, example: str) -> None:
    lab.page.set_viewport_size({"width": 1500, "height": 950})
    lab.open_pipeline(example)
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").wait_for(timeout=180_000)
    expect(lab.panel.locator(".kale-Steps .kale-Status[data-status=succeeded]")).to_have_count(5)
    lab.command("filebrowser:hide-main")
    lab.evaluate("app => app.shell.currentWidget.content.scrollToItem(8, 'start')")
    expect(lab.page.locator(".kale-Badge", has_text="boosting").first).to_be_in_viewport()
    keep(lab.screenshot("jupyterlab"), "jupyterlab.png")

    lab.panel.locator(".kale-RunStrip").click()
    view = lab.page.locator(".kale-View:visible")
    view.get_by_role("row", name="compare").click()
    view.get_by_role("tab", name="Outputs").click()
    expect(view).to_contain_text("the winner is")
    keep(lab.screenshot("run"), "run.png")


def test_the_picture_of_a_service(lab: LabPage, example: str) -> None:
    lab.page.set_viewport_size({"width": 1500, "height": 950})
    lab.open_pipeline(example)
    lab.command("filebrowser:hide-main")
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(".kale-RunStrip[data-status=succeeded]").click(timeout=180_000)
    run = lab.page.locator(".kale-RunView:visible")
    run.locator("tr[data-step=forest] button").click()
    run.locator("[data-action=serve]").click()
    form = lab.page.locator(".kale-ServeForm")
    expect(form.locator("[name=step]")).to_have_value("forest")
    form.locator("[name=example]").fill("X_test")
    form.locator("[data-action=begin-service]").click()
    view = lab.page.locator(".kale-ServiceView:visible")
    expect(view).to_have_attribute("data-state", "ready")
    for answered in ("1", "2", "3"):
        view.locator("[data-action=predict]").click()
        expect(view.locator("[data-figure=requests] dd")).to_have_text(answered)
    expect(view.locator(".kale-TestBox-predictions")).to_be_visible()
    keep(lab.screenshot("service-example"), "service.png")
    view.locator("[data-action=stop]").click()
    expect(view).to_have_attribute("data-state", "ended")


def test_the_picture_of_a_sweep(lab: LabPage, example: str) -> None:
    lab.page.set_viewport_size({"width": 1500, "height": 950})
    lab.open_pipeline(example)
    lab.command("filebrowser:hide-main")
    lab.panel.locator("[data-action=sweep]").click()
    form = lab.page.locator(".kale-SweepForm")
    for name in ("test_size", "seed"):
        form.locator(f"[name={name}-mode]").select_option("fixed")
    for name, low, high in (("trees", "1", "24"), ("depth", "1", "4")):
        form.locator(f"[name={name}-low]").fill(low)
        form.locator(f"[name={name}-high]").fill(high)
    form.locator("[name=objective]").select_option("auc")
    form.locator("[name=algorithm]").select_option("sobol")
    form.locator("[name=trials]").fill("12")
    expect(form.locator(".kale-SweepForm-plan")).to_contain_text("12 trials: ")
    form.locator("[data-action=begin-sweep]").click()
    view = lab.page.locator(".kale-SweepView:visible")
    expect(view).to_have_attribute("data-status", "succeeded", timeout=180_000)
    expect(view.locator(".kale-Importance dt")).to_have_count(3)
    view.locator("tbody tr").first.hover()
    keep(lab.screenshot("sweep-example"), "sweep.png")
