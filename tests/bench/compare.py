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
    ours = install(CACHE / "ours", build())
    peer = install(CACHE / "peer", PEER)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        bench = Bench(ours, peer, directory)
        small = notebooks.realistic(directory / "twenty.ipynb")
        bench.compare(small, 1)  # writes the byte code of both
        subjects = {
            "20 steps": (small, 5),
            "1,000 one-cell steps": (notebooks.chain(directory / "chain.ipynb", 1000), 1),
        }
        rows = {name: bench.compare(*subject) for name, subject in subjects.items()}
        growth = {size: growth_of(bench, directory, size) for size in GROWTH}
        start = median([measure([bench.ours, "--version"], directory) for _ in range(5)])
    return report(rows, growth, start)


def growth_of(bench: Bench, directory: Path, size: int) -> Cost:
    notebook = notebooks.chain(directory / f"chain-{size}.ipynb", size)
    return median([bench.compile_ours(notebook) for _ in range(3)])


def report(rows: dict[str, tuple[Cost, Cost]], growth: dict[int, Cost], start: Cost) -> int:
    good = True
    print(f"\n{'whole process':<24}{'kale-rs':>20}{PEER:>24}{'ratio':>9}{'asked':>8}")
    for name, (ours, peer) in rows.items():
        ratio, asked = peer.cpu / ours.cpu, TARGETS[name]
        good &= ratio >= asked
        print(f"{name:<24}{ours.cpu:>18.3f} s{peer.cpu:>22.2f} s{ratio:>8.0f}x{asked:>7}x")
        print(
            f"{'  peak memory':<24}{ours.memory:>16.0f} MiB{peer.memory:>20.0f} MiB{peer.memory / ours.memory:>8.1f}x"
        )
    print(f"\nour growth, one-cell steps (start of the process, {start.cpu:.3f} s, taken off)")
    per_cell = {}
    for size, cost in growth.items():
        per_cell[size] = max(cost.cpu - start.cpu, 1e-3) / size
        print(f"{size:>8,} cells {cost.cpu:>9.3f} s {per_cell[size] * 1e6:>9.1f} us per cell {cost.memory:>8.0f} MiB")
    bend = per_cell[GROWTH[-1]] / per_cell[GROWTH[1]]
    good &= bend <= MOST_GROWTH
    print(f"cost per cell from {GROWTH[1]:,} to {GROWTH[-1]:,} cells: {bend:.2f}x (asked: {MOST_GROWTH}x at most)")
    (CACHE / "result.json").write_text(json.dumps({"rows": rows, "growth": growth}, default=vars, indent=1))
    print("\nall targets met" if good else "\nTARGETS MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
