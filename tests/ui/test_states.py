"""Every state that the panel can be in: its words, and the way out of it.

Elsewhere: a kernel that has no time (`test_busy.py`), a run from its start to its end, found again after a reload or a
restart (`test_runs.py`), a failing step that leads to its cell (`test_run_view.py`), kernels without subshells
(`test_companion.py`). Not there, because there is only `local` so far: a cluster that is not configured, not reachable,
or that refuses us, and steps that wait for one.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Browser, WebSocketRoute, expect

from tests.ui import notebooks
from tests.ui.page import LabPage
from tests.ui.server import LabServer


def status_of(lab: LabPage, state: str) -> str:
    """Wait for a state of the connection; give the words that the panel has for it."""
    lab.show_panel()
    line = lab.panel.locator(f".kale-LinkStatus[data-state={state}]")
    line.wait_for(state="attached")
    return line.inner_text()


def test_without_a_notebook(lab: LabPage) -> None:
    lab.page.goto(f"{lab.server.url}/lab?token={lab.server.token}&reset")
    lab.page.wait_for_selector(".jp-Launcher")
    lab.show_panel()
    expect(lab.panel).to_contain_text("Open a notebook to see it as a pipeline")


def test_enabling_is_at_once_and_is_kept(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "plain.ipynb", ["x = 1", "print(x)"])
    lab.open(f"{folder.name}/plain.ipynb")
    lab.show_panel()
    switch = lab.panel.get_by_role("switch")
    expect(switch).not_to_be_checked()
    expect(lab.panel).to_contain_text("Switch it on")
    switch.check()
    expect(lab.panel.get_by_role("button", name="Run", exact=True)).to_be_visible()
    lab.await_ready()
    expect(lab.panel.locator(".kale-Steps > li").first).to_be_visible()
    lab.save()
    assert notebooks.read(folder / "plain.ipynb").metadata["kale_rs"]["enabled"] is True
    switch.uncheck()
    expect(lab.panel).to_contain_text("Switch it on")
    expect(lab.page.locator(".kale-mod-step")).to_have_count(0)


def test_package_missing_in_the_kernel(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "bare.ipynb", notebooks.CHAIN, kernel="bare")
    lab.open(f"{folder.name}/bare.ipynb")
    words = status_of(lab, "missing")
    assert "kale_rs is not installed in the kernel “Python without kale_rs”" in words
    assert "%pip install" in words
    # The cells show what their tags say all the same.
    expect(lab.page.locator(".kale-Badge-step", has_text="load")).to_be_visible()
    lab.panel.get_by_role("button", name="Insert the command as a cell").click()
    expect(lab.page.locator(".jp-Cell.jp-mod-active")).to_contain_text("%pip install 'kale-rs[notebook]'")


def test_another_version_in_the_kernel(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "other.ipynb", notebooks.CHAIN, kernel="other")
    lab.open(f"{folder.name}/other.ipynb")
    words = status_of(lab, "mismatch")
    assert "The panel is version 0.1.0" in words
    assert "9.9.9" in words


def test_the_panel_stays_live_after_a_switch(lab: LabPage, folder: Path) -> None:
    """What is connected to the notebook before must not be all that the panel hears of."""
    for name in ("first", "second"):
        notebooks.write(folder / f"{name}.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/first.ipynb")
    for name in ("second", "first"):
        lab.command("docmanager:open", {"path": f"{folder.name}/{name}.ipynb"})
        expect(lab.panel.locator("h2")).to_have_text(f"{name}.ipynb")
        lab.await_ready()
    lab.type_in_cell(3, "\n1 +")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]").first).to_be_attached()
    expect(lab.page.locator(".kale-StatusItem")).to_contain_text("1 error")


def test_another_language(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "echo.ipynb", notebooks.CHAIN, kernel="echo")
    lab.open(f"{folder.name}/echo.ipynb")
    assert "this kernel runs echo" in status_of(lab, "not-python")


def test_a_notebook_without_kernel(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    lab.evaluate("app => app.shell.currentWidget.sessionContext.shutdown()")
    words = status_of(lab, "no-kernel")
    assert "no kernel" in words
    expect(lab.panel.get_by_role("button", name="Select kernel")).to_be_visible()


def test_restart_brings_the_connection_back(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    lab.evaluate("app => app.shell.currentWidget.sessionContext.session.kernel.restart()")
    lab.panel.locator(".kale-LinkStatus:not([data-state=ready])").wait_for(state="attached")
    lab.await_ready()
    lab.type_in_cell(3, "\nmore = total + 1")
    expect(lab.page.locator(".kale-Steps-name", has_text="add")).to_be_visible()


def test_a_killed_kernel_comes_back(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", ["import os; print('pid', os.getpid())", *notebooks.CHAIN])
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    pid = int(lab.run_cell(0).split()[-1])
    os.kill(pid, signal.SIGKILL)
    lab.panel.locator(".kale-LinkStatus:not([data-state=ready])").wait_for(state="attached")
    lab.await_ready()


def test_a_kernel_that_comes_back_without_a_word(lab: LabPage, folder: Path) -> None:
    """On a busy machine a new kernel is idle before anybody listens; then only JupyterLab's own questions are heard."""
    unheard = re.compile(
        rb'"execution_state": ?"starting"|"msg_type": ?"(comm_msg|comm_close|delete_subshell_request)"'
    )
    lost: list[bytes] = []

    def pass_on(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def from_server(message: str | bytes) -> None:
            text = message if isinstance(message, bytes) else message.encode()
            if has_died and b'"execution_state"' in text and unheard.search(text):
                lost.append(text)
            else:
                socket.send(message)

        server.on_message(from_server)

    has_died: list[bool] = []
    lab.page.route_web_socket(re.compile(r"/api/kernels/.*/channels"), pass_on)
    notebooks.write(folder / "chain.ipynb", ["import os; print('pid', os.getpid())", *notebooks.CHAIN])
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    pid = int(lab.run_cell(0).split()[-1])
    has_died.append(True)
    os.kill(pid, signal.SIGKILL)
    lab.panel.locator(".kale-LinkStatus:not([data-state=ready])").wait_for(state="attached")
    lab.await_ready()
    assert lost


def test_a_kernel_that_dies_at_once(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "broken.ipynb", notebooks.CHAIN, kernel="broken")
    lab.open(f"{folder.name}/broken.ipynb")
    lab.show_panel()
    line = lab.panel.locator(".kale-LinkStatus:is([data-state=dead],[data-state=no-kernel],[data-state=failed])")
    line.wait_for(state="attached")
    assert line.get_by_role("button").count() == 1
    lab.errors.clear()  # JupyterLab itself reports the kernel's end there.


def test_server_gone(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    notebooks.write(tmp_path / "root" / "chain.ipynb", notebooks.CHAIN)
    server = LabServer(tmp_path / "root", tmp_path)
    context = browser.new_context()
    try:
        lab = LabPage(context.new_page(), server)
        lab.open_pipeline("chain.ipynb")
        server.stop()
        assert "connection to the Jupyter server is lost" in status_of(lab, "disconnected")
    finally:
        server.stop()
        context.close()


def test_diagnostics_lead_to_their_place(lab: LabPage, folder: Path) -> None:
    cells = [*notebooks.CHAIN, ("broken = (", ["step:last"])]
    notebooks.write(folder / "errors.ipynb", cells)
    lab.open_pipeline(f"{folder.name}/errors.ipynb")
    problem = lab.panel.locator(".kale-Problems [data-severity=error] .kale-Problem").first
    expect(problem).to_contain_text("cell 5, line 1")
    problem.click()
    expect(lab.page.locator(".jp-Notebook .jp-Cell").nth(5)).to_have_class(re.compile("jp-mod-active"))


def test_a_line_half_typed_takes_nothing_away(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "typing.ipynb", [("rows = 4", ["pipeline-parameters"]), ("x = rows", ["step:first"])])
    lab.open_pipeline(f"{folder.name}/typing.ipynb")
    field = lab.panel.locator("input[name=parameter-rows]")
    field.fill("5")
    lab.evaluate("app => app.shell.currentWidget.model.cells.get(1).sharedModel.setSource('x = (')")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]")).to_have_count(1)
    expect(lab.panel.locator(".kale-Steps-name")).to_have_text(["first"])
    expect(lab.panel).to_contain_text("1, before the error")
    expect(field).to_have_value("5")
    lab.evaluate("app => app.shell.currentWidget.model.cells.get(1).sharedModel.setSource('x = (rows)')")
    expect(lab.panel.locator(".kale-Problems [data-severity=error]")).to_have_count(0)
    expect(lab.panel).not_to_contain_text("before the error")


def test_no_runs_and_no_problems_say_so(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    expect(lab.panel).to_contain_text("No runs yet")
    lab.panel.get_by_role("heading", name="Problems").click()
    expect(lab.panel).to_contain_text("No problems.")


def test_metadata_of_other_kinds(lab: LabPage, folder: Path) -> None:
    """Other tools and people write into it as well: what is no text is shown as if it were not there."""
    odd = {"enabled": True, "name": 5, "description": {"a": 1}, "experiment": ["x"], "base_image": None}
    notebooks.write(folder / "odd.ipynb", notebooks.CHAIN, kale_rs=odd, kubeflow_notebook="x")
    lab.open_pipeline(f"{folder.name}/odd.ipynb")
    lab.panel.locator("summary", has_text="Pipeline settings").click()
    for field in ("name", "description", "experiment", "base_image"):
        box = lab.panel.locator(f"input[name={field}]")
        expect(box).to_have_value("")
        box.focus()
    lab.panel.locator("input[name=name]").focus()
    lab.save()
    assert notebooks.read(folder / "odd.ipynb").metadata["kale_rs"] == odd
