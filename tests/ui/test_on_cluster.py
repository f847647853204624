"""A run on a cluster, from the panel: chosen, followed and shown as one of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from tests.kubeflow.running import TOKEN, running
from tests.ui import notebooks
from tests.ui.page import LabPage


def kale_rs(lab: LabPage, *arguments: str) -> None:
    command = [Path(sys.executable).with_name("kale-rs"), *arguments]
    subprocess.run(command, check=True, env={**os.environ, "KALE_RS_CONFIG": str(lab.server.contexts)})


def test_a_run_on_a_cluster(lab: LabPage, folder: Path, tmp_path: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    (tmp_path / "token").write_text(TOKEN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    picker = lab.panel.locator("select[name=context]")
    expect(picker).to_have_value("local")
    with running(tmp_path / "cluster") as cluster:
        access = ["--auth", f"token-file:{tmp_path / 'token'}"]
        kale_rs(lab, "context", "add", "dev", "--kfp", cluster.url, "--namespace", "team", *access)
        try:
            # It was added while the panel was open.
            picker.focus()
            expect(picker.locator("option")).to_have_text(["this machine", "dev"])
            picker.select_option("dev")
            lab.panel.locator("[name=parameter-count]").fill("5")
            lab.panel.locator("[data-action=run]").click()
            expect(lab.cell(2).locator(".kale-Status")).to_contain_text("succeeded")
            lab.panel.locator(".kale-RunStrip[data-status=succeeded]").click()
            view = lab.page.locator(".kale-RunView:visible")
            expect(view.locator("a", has_text="on dev")).to_have_attribute("href", re.compile(re.escape(cluster.url)))
            view.locator("tr[data-step=add] button").click()
            view.locator("[role=tab][data-tab=logs]").click()
            expect(view.locator(".kale-Log-text")).to_contain_text("10")
            expect(view.locator("[data-action=restore-before]")).to_have_count(0)
            lab.screenshot("run-on-cluster")
            assert cluster.runs() == 1
        finally:
            kale_rs(lab, "context", "remove", "dev")
