"""One server and one browser for all tests; a folder and a page for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.ui.page import LabPage
from tests.ui.server import LabServer, chromium

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    home = tmp_path_factory.mktemp("lab")
    (home / "root").mkdir()
    server = LabServer(home / "root", home)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def folder(server: LabServer, request: pytest.FixtureRequest) -> Path:
    """A folder of the server's for this test alone, and for this try of it."""
    name = request.node.name.replace("[", "-").replace("]", "")
    tries = getattr(request.node, "execution_count", 1)
    folder = server.root / (name if tries == 1 else f"{name}-{tries}")
    folder.mkdir()
    return folder


@pytest.fixture
def lab(server: LabServer, browser: Browser) -> Iterator[LabPage]:
    """A fresh page. A test fails when the browser's console has reported an error."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    page = LabPage(context.new_page(), server)
    yield page
    context.close()
    assert page.errors == []


@pytest.fixture
def example(folder: Path) -> str:
    """The example `tabular`, in the test's folder; its path on the server."""
    shutil.copytree(EXAMPLES / "tabular", folder / "tabular", ignore=shutil.ignore_patterns(".kale_rs"))
    return f"{folder.name}/tabular/notebook.ipynb"
