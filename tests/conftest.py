"""For all tests: nothing of whoever runs them."""

import os
import tempfile
from pathlib import Path

# No contexts: a run goes where the test says.
os.environ.setdefault("KALE_RS_CONFIG", str(Path(tempfile.gettempdir()) / "kale_rs-without-contexts"))
