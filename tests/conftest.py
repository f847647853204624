"""For all tests: nothing of whoever runs them."""

import os
import tempfile
from pathlib import Path

import pytest

# No contexts: a run goes where the test says.
os.environ.setdefault("KALE_RS_CONFIG", str(Path(tempfile.gettempdir()) / "kale_rs-without-contexts"))


@pytest.fixture(scope="session")
def folders_above(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    return [base, *base.parents]


@pytest.fixture(autouse=True)
def no_store_above(folders_above):
    """A store above the folders of tests would be that of each of them."""
    yield
    found = [folder / ".kale_rs" for folder in folders_above if (folder / ".kale_rs").exists()]
    assert not found, f"a store was made where tests of other folders find it; remove it: {found[0]}"
