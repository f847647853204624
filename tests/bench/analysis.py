"""Compares the analysis of a notebook's cells with marimo's: part of `make bench`.

Both read the same 500 cells in a process that is running already, in turn; CPU time is that of the process. marimo
finds which names each cell binds and reads, and makes a graph of cells; kale_rs goes on to aliases, mutation, hidden
state and the program of every step.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import notebooks
from compare import CACHE, ROOT, install

PEER = "marimo==0.25.2"
#: Milliseconds of CPU for 500 cells, and how many times less than the peer.
MOST, RATIO = 10.0, 20.0
ROUNDS = 3
PEER_PROGRAM = """
import json, sys, time
from marimo._ast.compiler import compile_cell
from marimo._runtime.dataflow import DirectedGraph
cells = [cell["source"] for cell in json.load(open(sys.argv[1]))["cells"]]
def analyse():
    graph = DirectedGraph()
    for index, source in enumerate(cells):
        graph.register_cell(str(index), compile_cell(source, cell_id=str(index)))
analyse()
start = time.process_time()
analyse()
print((time.process_time() - start) * 1000)
"""


def ours(notebook: Path) -> float:
    command = ["cargo", "bench", "--quiet", "-p", "kale_frontend", "--bench", "analysis", "--", notebook]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def peer(python: Path, notebook: Path) -> float:
    done = subprocess.run([python, "-c", PEER_PROGRAM, notebook], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> int:
    python = install(CACHE / "marimo", PEER) / "python"
    good, rows = True, {}
    print(f"\n{'500 cells, in process':<24}{'kale_rs':>12}{PEER:>18}{'ratio':>9}{'asked':>20}")
    with tempfile.TemporaryDirectory() as scratch:
        subjects = {
            "exploring data": notebooks.exploration(Path(scratch) / "exploration.ipynb"),
            "a chain": notebooks.chain(Path(scratch) / "chain.ipynb", 500),
        }
        for name, notebook in subjects.items():
            pairs = [(ours(notebook), peer(python, notebook)) for _ in range(ROUNDS)]
            mine, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
            rows[name] = (mine, theirs)
            good &= mine <= MOST and theirs >= RATIO * mine
            asked = f"{MOST:.0f} ms, {RATIO:.0f}x"
            print(f"{name:<24}{mine:>9.1f} ms{theirs:>15.1f} ms{theirs / mine:>8.0f}x{asked:>20}", flush=True)
    (CACHE / "analysis.json").write_text(json.dumps(rows, indent=1))
    print("all targets met" if good else "TARGETS MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
