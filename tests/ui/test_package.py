"""One wheel carries everything, the browser's part stays small, and both parts are of one version."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import kale_rs._native
from playwright.sync_api import expect

from tests.ui import notebooks
from tests.ui.page import LabPage

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "kale-rs"
#: Bytes of gzip: what every page of JupyterLab loads, and all there is.
INITIAL_BUDGET, TOTAL_BUDGET = 60_000, 250_000


def compressed(file: Path) -> int:
    return len(gzip.compress(file.read_bytes()))


def test_the_wheel_carries_the_extension() -> None:
    wheel = max((ROOT / ".cache" / "wheel").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    names = zipfile.ZipFile(wheel).namelist()
    place = "data/share/jupyter/labextensions/kale-rs"
    assert any(re.search(rf"{place}/static/remoteEntry\.\w+\.js$", name) for name in names)
    assert any(name.endswith(f"{place}/schemas/kale-rs/plugin.json") for name in names)
    assert not [name for name in names if name.endswith(".map")]


def test_jupyterlab_lists_it() -> None:
    command = [sys.executable, "-m", "jupyter", "labextension", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"kale-rs v\S+ .*enabled.*OK", listed.stdout + listed.stderr)


def test_both_parts_are_of_one_version() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    panel = re.search(r"VERSION = '([^']+)'", (ROOT / "labextension" / "src" / "version.ts").read_text())
    assert panel is not None
    assert package["version"] == panel[1] == kale_rs._native.__version__


def test_the_browser_loads_little(lab: LabPage, folder: Path) -> None:
    notebooks.write(folder / "chain.ipynb", notebooks.CHAIN)
    lab.open_pipeline(f"{folder.name}/chain.ipynb")
    expect(lab.panel.locator(".kale-Steps-name").first).to_be_visible()
    urls = lab.page.evaluate("() => performance.getEntriesByType('resource').map(entry => entry.name)")
    loaded = {url.split("?")[0].rsplit("/", 1)[-1] for url in urls if "/extensions/kale-rs/static/" in url}
    initial = sum(compressed(INSTALLED / "static" / name) for name in loaded)
    total = sum(compressed(file) for file in (INSTALLED / "static").glob("*.js"))
    print(f"loaded with the page: {initial:,} bytes of gzip in {len(loaded)} files; all there is: {total:,}")
    assert loaded
    assert initial <= INITIAL_BUDGET
    assert total <= TOTAL_BUDGET
