"""The product under test, called as a user calls it: the `kale-rs` command beside this interpreter."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .stored_values import names

COMMAND = Path(sys.executable).with_name("kale-rs")


@dataclass
class ProductRun:
    #: The contract's `R`.
    report: dict
    #: The executed notebook.
    notebook: dict | None
    #: Rows `{"key", "kind", "names", "cells", "path"}` of the values that steps stored; `cells` are the producer's.
    artifacts: list[dict]
    #: Events of the run, in order.
    events: list[dict]


def call(*arguments, environment=None, timeout=300) -> subprocess.CompletedProcess:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "NO_COLOR": "1", **(environment or {})},
    )


def graph(notebook: Path, options=()) -> dict:
    """The contract's `G`, also of a notebook that does not compile."""
    done = call("graph", notebook, "--format", "json", *options)
    return parse(done)


def graph_text(notebook: Path) -> str:
    done = call("graph", notebook, "--format", "text")
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(notebook: Path, parameters: dict | None = None, options=()) -> ProductRun:
    """Runs a notebook with a store of its own beside it."""
    home = notebook.parent / "store"
    values = notebook.parent / "parameters.json"
    values.write_text(json.dumps(parameters or {}), encoding="utf-8")
    arguments = ["run", notebook, "--json", "--params", values, *options]
    report = parse(call(*arguments, environment={"KALE_RS_HOME": str(home)}))
    if report["run_id"] is None:
        return ProductRun(report, None, [], [])
    executed = json.loads(Path(report["notebook"]).read_text(encoding="utf-8"))
    return ProductRun(report, executed, *stored(home, report["run_id"]))


def parse(done: subprocess.CompletedProcess) -> dict:
    """The one JSON document on stdout."""
    assert done.returncode in (0, 1), f"status {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def stored(home: Path, run_id: str) -> tuple[list[dict], list[dict]]:
    """What the store holds of a run: artifacts and events."""
    database = sqlite3.connect(f"file:{home / 'store.db'}?mode=ro", uri=True)
    try:
        pipeline = json.loads(database.execute("SELECT pipeline FROM runs WHERE id = ?", [run_id]).fetchone()[0])
        results = database.execute("SELECT result FROM steps WHERE run = ? AND result IS NOT NULL", [run_id])
        digests = {key: digest for (row,) in results for key, digest in json.loads(row)["outputs"].items()}
        events = database.execute("SELECT event FROM events WHERE run = ? ORDER BY sequence", [run_id])
        return artifact_rows(home, pipeline, digests), [json.loads(row) for (row,) in events]
    finally:
        database.close()


def visible(pipeline: dict, cell: int) -> int:
    """The cell of the notebook at which a cell of another notebook runs."""
    others = pipeline["sub_cells"]
    return cell if cell < others["first"] else others["cells"][cell - others["first"]]["at"]


def artifact_rows(home: Path, pipeline: dict, digests: dict[str, str]) -> list[dict]:
    rows = []
    for artifact in pipeline["artifacts"]:
        digest = digests.get(artifact["key"])
        if digest is None:
            continue
        cells = [visible(pipeline, cell["index"]) for cell in pipeline["steps"][artifact["producer"]]["cells"]]
        path = str(home / "blobs" / digest[:2] / digest)
        described = names(artifact["kind"], artifact["names"])
        rows.append(
            {"key": artifact["key"], "kind": artifact["kind"], "names": described, "cells": cells, "path": path}
        )
    return rows
