"""A cluster from the panel: a run there is chosen, followed, shown and stopped as one of this machine; and what is only
about clusters: the archive, and runs by the clock."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.kubeflow.running import TOKEN, Cluster, running
from tests.ui import notebooks
from tests.ui.page import LabPage
from tests.ui.server import LabServer

CELLS: tuple[notebooks.Cell, ...] = (
    ("import time", ["imports"]),
    ("count = 3", ["pipeline-parameters"]),
    ("numbers = list(range(count))", ["step:load"]),
    (
        "mean = sum(numbers) / count\nprint('the mean is', mean, flush=True)\nwhile count == 9:\n    time.sleep(0.05)",
        ["step:add"],
    ),
    ("print(mean)", ["pipeline-metrics"]),
)
"""A mean that cannot be had of no numbers, and of nine takes for ever."""


def kale_rs(server: LabServer, *arguments: str) -> None:
    command = [Path(sys.executable).with_name("kale-rs"), *arguments]
    subprocess.run(command, check=True, env={**os.environ, "KALE_RS_CONFIG": str(server.contexts)})


@pytest.fixture(scope="module")
def cluster(server: LabServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster, which is the context `dev` as soon as it is asked for."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "token").write_text(TOKEN)
    with running(folder / "it") as cluster:
        access = ["--auth", f"token-file:{folder / 'token'}"]
        kale_rs(server, "context", "add", "dev", "--kfp", cluster.url, "--namespace", "team", *access)
        yield cluster
        kale_rs(server, "context", "remove", "dev")


def run_on_dev(lab: LabPage, count: int, status: str) -> Locator:
    """Runs the notebook in front there; the run's view, once it has come to this status."""
    lab.panel.locator("select[name=context]").focus()
    lab.panel.locator("select[name=context]").select_option("dev")
    lab.panel.locator("[name=parameter-count]").fill(str(count))
    lab.panel.locator("[data-action=run]").click()
    lab.panel.locator(f".kale-RunStrip[data-status={status}]").click()
    return lab.page.locator(".kale-RunView:visible")


def test_a_run_on_a_cluster(lab: LabPage, folder: Path, request: pytest.FixtureRequest) -> None:
    notebooks.write(folder / "chain.ipynb", CELLS)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    picker = lab.panel.locator("select[name=context]")
    expect(picker).to_have_value("local")
    expect(lab.panel.locator("[data-action=schedule]")).to_have_count(0)
    # It is added while the panel is open.
    cluster: Cluster = request.getfixturevalue("cluster")
    picker.focus()
    expect(picker.locator("option")).to_have_text(["this machine", "dev"])
    view = run_on_dev(lab, 5, "succeeded")
    expect(lab.cell(2).locator(".kale-Status")).to_contain_text("succeeded")
    expect(view).to_have_attribute("data-status", "succeeded")
    link = view.locator("a", has_text="on dev")
    expect(link).to_have_attribute("href", re.compile(f"{re.escape(cluster.url)}/#/runs/details/run-"))
    view.locator("tr[data-step=add] button").click()
    view.locator("[role=tab][data-tab=logs]").click()
    expect(view.locator(".kale-Log-text")).to_contain_text("the mean is 2.0")
    expect(view.locator("[data-action=restore-before]")).to_have_count(0)
    lab.screenshot("run-on-cluster")
    assert cluster.runs() == 1
    archive = view.locator("[data-action=archive]")
    archive.focus()
    lab.page.keyboard.press("Enter")
    expect(view.locator(".kale-RunHead-place")).to_contain_text("archived")
    view.locator("[data-action=unarchive]").click()
    expect(archive).to_be_visible()


def test_a_failure_leads_to_its_cell_and_a_run_is_stopped(lab: LabPage, folder: Path, cluster: Cluster) -> None:
    notebooks.write(folder / "chain.ipynb", CELLS)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    view = run_on_dev(lab, 0, "failed")
    expect(view).to_have_attribute("data-status", "failed")
    expect(view.locator("[role=alert]")).to_contain_text("ZeroDivisionError")
    expect(view.locator("[data-action=archive]")).to_be_visible()
    view.locator("[data-action=show-failure]").click()
    expect(lab.cell(3).locator(".kale-Status")).to_contain_text("failed")
    expect(lab.page.locator(".jp-Notebook-cell.jp-mod-active .cm-content")).to_contain_text("mean = sum(numbers)")
    view = run_on_dev(lab, 9, "running")
    view.locator("tr[data-step=add] button").click()
    view.locator("[role=tab][data-tab=logs]").click()
    expect(view.locator(".kale-Log-text")).to_contain_text("the mean is 4.0")
    view.locator("[data-action=stop]").click()
    expect(view).to_have_attribute("data-status", "cancelled")
    assert list(cluster.tell()["runs"].values())[-2:] == ["FAILED", "CANCELED"]


def test_a_cluster_runs_it_by_the_clock(lab: LabPage, folder: Path, cluster: Cluster) -> None:
    notebooks.write(folder / "chain.ipynb", CELLS)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    lab.panel.locator("select[name=context]").select_option("dev")
    lab.panel.locator("[data-action=schedule]").click()
    form = lab.page.locator(".kale-ScheduleForm")
    expect(form.locator(".kale-empty")).to_have_text("No schedules yet.")
    expect(form.locator("[name=time]")).to_be_focused()
    lab.page.keyboard.type("30 6 * * 1-5")
    lab.page.keyboard.press("Enter")
    expect(form.locator("[role=alert]")).to_contain_text("write `0 30 6 * * 1-5`")
    form.locator("[name=time]").fill("0 30 6 * * 1-5")
    form.locator("[name=name]").fill("workdays")
    lab.page.keyboard.press("Enter")
    added = form.locator("[data-schedule=workdays]")
    expect(added).to_contain_text("0 30 6 * * 1-5")
    expect(form.locator("[role=alert]")).to_have_count(0)
    expect(added.locator("a")).to_have_attribute("href", re.compile("/#/recurringrun/details/"))
    form.locator("[name=kind]").select_option("every")
    form.locator("[name=time]").fill("1h30m")
    form.locator("[data-action=add-schedule]").click()
    hourly = form.locator("[data-schedule=chain]")
    expect(hourly).to_contain_text("every 1 h 30 min")
    lab.screenshot("schedules")
    added.locator("[data-action=pause]").click()
    expect(added).to_have_attribute("data-enabled", "false")
    added.locator("[data-action=resume]").focus()
    lab.page.keyboard.press("Enter")
    expect(added).to_have_attribute("data-enabled", "true")
    for schedule in (added, hourly):
        schedule.locator("[data-action=remove]").click()
        expect(schedule).to_have_count(0)
    lab.page.keyboard.press("Escape")
    expect(form).to_have_count(0)
