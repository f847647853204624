"""What `--verify` costs: `python tests/bench/verification.py [ROUNDS] [SUBJECT...]`, in the environment of the tests.

Every example, and a notebook whose steps pass on an array of 1 GiB, is run with `off`, `inputs` and `full` in turn,
each step anew. Told are the least of the run's seconds and of the CPU seconds of its steps' processes: other work on
the machine only ever adds to them.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("kale-rs")
LEVELS = ("off", "inputs", "full")
#: Share of the run's CPU time that `inputs` may take, and what each step may cost besides, in seconds.
SHARE, PER_STEP = 0.05, 0.01
LARGE = [
    ("step:make", "import numpy as np\na = np.zeros(2**27)\na[::4096] = 1"),
    ("step:sum", "print(a.sum())"),
    ("step:change", "a += 1\nprint(a[0])"),
]


def main(rounds: int, wanted: list[str]) -> int:
    good = True
    print(f"{'':<14}{'steps':>6}" + "".join(f"{level:>22}" for level in LEVELS) + f"{'inputs costs':>16}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, notebook in subjects(Path(scratch)):
            good &= bool(wanted and name not in wanted) or report(name, notebook, rounds)
    print("\nall targets met" if good else "\nTARGETS MISSED")
    return 0 if good else 1


def subjects(scratch: Path):
    for path in sorted(ROOT.glob("examples/*/notebook.ipynb")):
        folder = scratch / path.parent.name
        folder.mkdir()
        yield path.parent.name, Path(shutil.copy(path, folder))
    cells = [
        {"cell_type": "code", "metadata": {"tags": [tag]}, "source": source, "outputs": [], "execution_count": None}
        for tag, source in LARGE
    ]
    (scratch / "large").mkdir()
    large = scratch / "large" / "notebook.ipynb"
    large.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    yield "1 GiB array", large


def report(name: str, notebook: Path, rounds: int) -> bool:
    """In turn, so that a slow moment of the machine hits all."""
    run(notebook, "off")  # writes byte code
    measured = [[run(notebook, level) for level in LEVELS] for _ in range(rounds)]
    steps = measured[0][0][2]
    least = [[min(row[at][what] for row in measured) for what in (0, 1)] for at in range(len(LEVELS))]
    cost = least[1][1] - least[0][1]
    shown = "".join(f"{seconds:>9.2f} s {cpu:>7.2f} CPU" for seconds, cpu in least)
    print(f"{name:<14}{steps:>6}{shown}{cost:>10.3f} s {cost / least[0][1]:>4.0%}", flush=True)
    return cost <= least[0][1] * SHARE + steps * PER_STEP


def run(notebook: Path, level: str) -> tuple[float, float, int]:
    """Seconds of the run, CPU seconds of its steps, and their number."""
    home = notebook.parent / "store"
    command = [COMMAND, "run", notebook, "--verify", level, "--jobs", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KALE_RS_HOME": str(home)})
    if done.returncode != 0:
        sys.exit(f"{notebook.parent.name}: {done.stderr or done.stdout}")
    answer = json.loads(done.stdout)
    database = sqlite3.connect(home / "store.db")
    rows = database.execute("SELECT result FROM steps WHERE run = ?", [answer["run_id"]]).fetchall()
    database.close()
    shutil.rmtree(home)
    return answer["seconds"], sum(json.loads(row)["cpu_seconds"] for (row,) in rows), len(rows)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:]))
