"""The logic of the extension that needs no browser, by Node's own test runner."""

from __future__ import annotations

import subprocess
from pathlib import Path

EXTENSION = Path(__file__).resolve().parents[2] / "labextension"


def test_logic_without_a_browser() -> None:
    """Tags, places, badges and forms: `labextension/test`."""
    compiler = EXTENSION / "node_modules" / "typescript" / "bin" / "tsc"
    built = EXTENSION / "lib" / "test"
    for command in (
        ["node", str(compiler), "-p", "tsconfig.test.json"],
        [
            "node",
            "--test",
            *sorted(str(built / "test" / f"{path.stem}.js") for path in EXTENSION.glob("test/*.test.ts")),
        ],
    ):
        done = subprocess.run(command, cwd=EXTENSION, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
