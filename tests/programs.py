"""Programs of the workspace that tests start."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def example(name: str) -> Path:
    """The example of a crate, built of the same libraries as the tests of the whole workspace, which are there: of the
    crate alone it would be built of libraries with fewer features, which are others."""
    command = ["cargo", "build", "--workspace", "--example", name, "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    made = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return next(Path(one["executable"]) for one in made if one.get("target", {}).get("name") == name)
