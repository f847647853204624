"""The compiler, as a process that turns notebooks into step programs: see `rust/kale_fuzz/src/bin/planner.rs`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(planted_faults: bool = False) -> Path:
    """Builds the planner: optimised, with its checks."""
    name, features = ("faulty-planner", "planted-faults") if planted_faults else ("planner", "")
    command = [
        "cargo",
        "build",
        "--quiet",
        "--profile",
        "fuzz",
        "-p",
        "kale_fuzz",
        "--bin",
        name,
        "--features",
        features,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    return ROOT / "target" / "fuzz" / name


def environment() -> str:
    versions = {}
    for name in ("numpy", "pandas", "dill"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    version = {"major": sys.version_info.major, "minor": sys.version_info.minor}
    return json.dumps({"python": version, "distributions": versions})


@dataclass
class Planned:
    #: Per step, the program that `kale_runtime` carries out; `None` when the notebook was refused.
    plans: list[dict] | None
    #: Pairs of steps: the first runs before the second.
    edges: list[list[int]]
    diagnostics: list[dict]

    @property
    def errors(self) -> list[str]:
        return [f"{row['id']}: {row['message']}" for row in self.diagnostics if row["severity"] == "error"]


class Planner:
    def __init__(self, executable: Path, fault: str | None = None):
        variables = {**os.environ, **({"KALE_PLANTED_FAULT": fault} if fault else {})}
        self.process = subprocess.Popen(
            [executable, environment()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
        )

    def plan(self, document: dict, granularity: str | None) -> Planned:
        self.process.stdin.write(f"{granularity or '-'}\t{json.dumps(document)}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the compiler died with status {self.process.wait()}")
        return Planned(**json.loads(answer))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=10)
