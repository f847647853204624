"""Compares compiling with `kubeflow-kale`: `make bench`.

Both compilers are called as a user calls them, one process per notebook, in turn, on the same files; CPU seconds and
peak memory are those that the system reports for the finished process. The peer is installed for this comparison only,
in an environment of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import notebooks

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
PEER = "kubeflow-kale==2.3.0"
#: Name, how much less CPU time than the peer is asked for.
TARGETS = {"20 steps": 20, "1,000 one-cell steps": 100}
GROWTH = (100, 1_000, 10_000)
#: Seconds per cell at the large end over those at the small end; process start is taken off first.
MOST_GROWTH = 2.0


@dataclass
class Cost:
    """Of one process: CPU seconds and peak memory in MiB."""

    cpu: float
    memory: float


def measure(command: list[str | Path], directory: Path) -> Cost:
    """Runs a command to its end."""
    log = directory / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 2**20)


def median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.cpu for c in costs), statistics.median(c.memory for c in costs))


def install(folder: Path, requirement: str | Path, *options: str) -> Path:
    """An environment that holds one distribution; gives its `bin`."""
    stamp = folder / "made-from"
    wanted = f"{requirement} {requirement.stat().st_mtime_ns}" if isinstance(requirement, Path) else requirement
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {requirement if isinstance(requirement, str) else requirement.name} ...", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *options, requirement], check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def build() -> Path:
    """The wheel as it is released."""
    print("building the release wheel ...", flush=True)
    wheels = CACHE / "wheel"
    subprocess.run(
        [
            Path(sys.executable).with_name("maturin"),
            "build",
            "--quiet",
            "--release",
            "--interpreter",
            sys.executable,
            "--out",
            wheels,
        ],
        cwd=ROOT,
        check=True,
    )
    return max(wheels.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)


class Bench:
    def __init__(self, ours: Path, peer: Path, directory: Path):
        self.ours, self.peer, self.directory = ours / "kale-rs", peer / "kale", directory

    def compile_ours(self, notebook: Path) -> Cost:
        return measure([self.ours, "compile", notebook, "-o", "out.yaml", "--allow-oversize"], self.directory)

    def compile_peer(self, notebook: Path) -> Cost:
        return measure([self.peer, "--nb", notebook], self.directory)

    def compare(self, notebook: Path, rounds: int) -> tuple[Cost, Cost]:
        """In turn, so that a slow moment of the machine hits both."""
        pairs = [(self.compile_ours(notebook), self.compile_peer(notebook)) for _ in range(rounds)]
        return median([ours for ours, _ in pairs]), median([peer for _, peer in pairs])


def main() -> int:
    bins = install(CACHE / "ours", build()), install(CACHE / "peer", PEER)
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(*bins, Path(scratch))
        rows, faster = against_peer(bench)
        growth, linear = growth_of(bench)
    (CACHE / "result.json").write_text(json.dumps({"rows": rows, "growth": growth}, default=vars, indent=1))
    print("\nall targets met" if faster and linear else "\nTARGETS MISSED")
    return 0 if faster and linear else 1


def against_peer(bench: Bench) -> tuple[dict[str, tuple[Cost, Cost]], bool]:
    small = notebooks.realistic(bench.directory / "twenty.ipynb")
    bench.compare(small, 1)  # writes the byte code of both
    subjects = {
        "20 steps": (small, 5),
        "1,000 one-cell steps": (notebooks.chain(bench.directory / "chain.ipynb", 1000), 1),
    }
    rows, good = {}, True
    print(f"\n{'whole process':<24}{'kale-rs':>20}{PEER:>24}{'ratio':>9}{'asked':>8}")
    for name, (notebook, rounds) in subjects.items():
        ours, peer = rows[name] = bench.compare(notebook, rounds)
        ratio, asked = peer.cpu / ours.cpu, TARGETS[name]
        good &= ratio >= asked
        print(f"{name:<24}{ours.cpu:>18.3f} s{peer.cpu:>22.2f} s{ratio:>8.0f}x{asked:>7}x")
        memory = f"{ours.memory:>16.0f} MiB{peer.memory:>20.0f} MiB{peer.memory / ours.memory:>8.1f}x"
        print(f"{'  peak memory':<24}{memory}", flush=True)
    return rows, good


def growth_of(bench: Bench) -> tuple[dict[int, Cost], bool]:
    start = median([measure([bench.ours, "--version"], bench.directory) for _ in range(5)])
    print(f"\nour growth, one-cell steps (start of the process, {start.cpu:.3f} s, taken off)")
    costs: dict[int, Cost] = {}
    per_cell: dict[int, float] = {}
    for size in GROWTH:
        notebook = notebooks.chain(bench.directory / f"chain-{size}.ipynb", size)
        cost = costs[size] = median([bench.compile_ours(notebook) for _ in range(3 if size <= 1_000 else 1)])
        per_cell[size] = max(cost.cpu - start.cpu, 1e-3) / size
        per = per_cell[size] * 1e6
        print(f"{size:>8,} cells {cost.cpu:>9.3f} s {per:>9.1f} us per cell {cost.memory:>8.0f} MiB", flush=True)
    bend = per_cell[GROWTH[-1]] / per_cell[GROWTH[1]]
    print(f"cost per cell from {GROWTH[1]:,} to {GROWTH[-1]:,} cells: {bend:.2f}x (asked: {MOST_GROWTH}x at most)")
    return costs, bend <= MOST_GROWTH


if __name__ == "__main__":
    sys.exit(main())
