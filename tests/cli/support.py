"""The command as a user calls it, and notebooks made of a few lines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

COMMAND = Path(sys.executable).with_name("kale-rs")
#: A run on a busy machine.
PATIENCE = 120


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **more}


def call(*arguments, cwd: Path | None = None, stdin: str | bytes | None = None, **variables: str):
    """Runs `kale-rs` to its end."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        input=data,
        capture_output=True,
        env=environment(**variables),
        timeout=PATIENCE,
    )
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def start(*arguments, cwd: Path | None = None, variables: dict[str, str] | None = None, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(variables or {})),
        **options,
    )


def cell(source: str, *tags: str, kind: str = "code") -> dict:
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": "", "metadata": {"tags": list(tags)}, "source": source, **extra}


def notebook(path: Path, *cells: dict | str, metadata: dict | None = None) -> Path:
    rows = [cell(one) if isinstance(one, str) else one for one in cells]
    for number, row in enumerate(rows):
        row["id"] = f"c{number}"
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = {"cells": rows, "metadata": {**language, **(metadata or {})}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def ids(document: dict, severity: str | None = None) -> list[str]:
    """The ids of a document's diagnostics."""
    return [row["id"] for row in document["diagnostics"] if severity in (None, row["severity"])]


def wait_for(condition, what: str, patience: float = PATIENCE):
    """Asks until the answer is truthy; gives it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen in {patience} s")


def processes_with(marker: str) -> list[int]:
    """Processes whose environment or command line holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            state = re.search(r"^State:\s+(\w)", (folder / "status").read_text(), re.M)
        except OSError:
            continue
        if marker.encode() in text and state and state.group(1) != "Z" and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
