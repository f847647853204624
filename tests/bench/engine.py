"""Compares local runs with their peers: `make bench`, or `python tests/bench/engine.py [SUBJECT...]`.

Every figure stands beside a peer's, measured in turn in the same minutes, and the targets are ratios wherever there is
a peer: `kfp.local` (one process per step, as it is at its best: no virtual environment, nothing to install), papermill
(the whole notebook in one kernel), and numpy by itself. Seconds are those of the whole process as a user sees it; CPU
seconds are those of all processes that had a part, the warm one included. The least of some rounds counts: other work
on the machine only ever adds. How often a step ran is counted by the steps.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import compare

sys.path.insert(0, str(compare.ROOT / "tests" / "oracle"))
import environments

PRELUDE = "import numpy as np\nimport pandas as pd\nfrom sklearn.ensemble import RandomForestClassifier"
STEPS = 20
ROUNDS = 5
#: Beside the notebook, the file would be an input of the step that appends to it.
COUNT = "import os, tempfile\nwith open(os.path.join(tempfile.gettempdir(), '{}'), 'a') as f: f.write('.')"
PR_SET_CHILD_SUBREAPER = 36

#: Runs 1 and N steps under kfp.local; prints seconds and CPU seconds of each.
KFP = """
import json, os, sys, time
from kfp import dsl, local

@dsl.component(install_kfp_package=False)
def nothing(after: int = 0) -> int:
    IMPORTS
    return 1

def chain(count):
    @dsl.pipeline
    def steps():
        last = nothing()
        for _ in range(count - 1):
            last = nothing(after=last.output)
    return steps

def cost(count):
    before, start = os.times(), time.monotonic()
    chain(count)()
    return time.monotonic() - start, sum(os.times()[:4]) - sum(before[:4])

local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])
print(json.dumps([cost(2), cost(int(sys.argv[1]))]))
"""

#: What it costs to hand an array of 1 GiB on, without and with waiting for the disk. The array is made before the clock
#: starts.
NUMPY = """
import os, sys, time
import numpy as np
a = np.zeros(2**27)
a[::512] = 1
for wait in (lambda file: None, os.fsync):
    before, start = os.times(), time.monotonic()
    with open(sys.argv[1], "wb") as file:
        np.save(file, a)
        file.flush()
        wait(file.fileno())
    assert np.load(sys.argv[1], mmap_mode="c").sum() == 2**18
    print(time.monotonic() - start, sum(os.times()[:2]) - sum(before[:2]))
    os.unlink(sys.argv[1])
"""
LARGE = [
    ("step:make", "import numpy as np\na = np.zeros(2**27)\na[::512] = 1"),
    ("step:first", "print(a[:512].sum())"),
    ("step:sum", "print(a.sum())"),
]
#: The same work, of which the making of the array is a part, without handing it on.
ALONE = [(tag, source + ("\na = a[:512].copy()" if tag == "step:make" else "")) for tag, source in LARGE]


@dataclass
class Cost:
    seconds: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.seconds - other.seconds, self.cpu - other.cpu)

    def __truediv__(self, count: float) -> Cost:
        return Cost(self.seconds / count, self.cpu / count)


def least(costs: list[Cost]) -> Cost:
    return Cost(min(each.seconds for each in costs), min(each.cpu for each in costs))


def notebook(path: Path, cells: list[tuple[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {"tags": tag.split()}, "source": source, "outputs": []}
        | {"execution_count": None}
        for number, (tag, source) in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": rows, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


def chain(path: Path, count: int, prelude: str = "") -> Path:
    first = [("imports", prelude)] if prelude else []
    steps = [(f"step:s{n}" + (f" prev:s{n - 1}" if n else ""), f"x{n} = {n}") for n in range(count)]
    return notebook(path, [*first, *steps])


class Processes:
    """Runs commands, and knows the CPU seconds of everything that they start, also of what outlives them."""

    def __init__(self, runtime: Path):
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        # Who outlives a command becomes our child.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self, command: list, directory: Path) -> Cost:
        log = directory / "output.txt"
        warm_before, start = sum(map(cpu_of, self.warm())), time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=directory, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=self.environment
            )
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{command[:3]} ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        for pid in set(children()) - set(self.warm()):
            usage = os.wait4(pid, 0)[2]
            cpu += usage.ru_utime + usage.ru_stime
        return Cost(seconds, cpu + sum(map(cpu_of, self.warm())) - warm_before)

    def warm(self) -> list[int]:
        return [pid for pid in children() if b"--warm" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def end_warm(self) -> None:
        for pid in self.warm():
            os.kill(pid, 15)
            os.waitpid(pid, 0)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def cpu_of(pid: int) -> float:
    """Of a living process and of those it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, folder: Path):
        python = environments.make(
            "bench-engine", "../examples/requirements.txt", "requirements.txt", "requirements-bench.txt"
        )
        wheel = compare.build()
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel], check=True)
        self.python, self.ours, self.peer = python, python.with_name("kale-rs"), python.with_name("papermill")
        self.kfp = environments.make("bench-kfp", "requirements-kfp.txt", "requirements-bench-kfp.txt")
        self.folder, self.missed = folder, []
        runtime = folder / "runtime"
        runtime.mkdir()
        self.processes = Processes(runtime)

    def run(self, path: Path, *options: str) -> Cost:
        return self.processes.run([self.ours, "run", path, *options], path.parent)

    def papermill(self, path: Path) -> Cost:
        return self.processes.run([self.peer, path, path.with_name("out.ipynb")], path.parent)

    def row(self, name: str, ours: Cost, peer: Cost | None, asked: str, good: bool) -> None:
        theirs = (
            f"{peer.seconds:>9.3f} s {peer.cpu:>7.3f} CPU{peer.seconds / ours.seconds:>8.1f}x" if peer else " " * 32
        )
        print(
            f"{name:<34}{ours.seconds:>8.3f} s {ours.cpu:>7.3f} CPU{theirs}  {asked}{'' if good else '  MISSED'}",
            flush=True,
        )
        if not good:
            self.missed.append(name)

    # Subjects

    def overhead(self, name: str, prelude: str, seconds: float, ratio: float) -> None:
        """Of one more step."""
        one, many = (chain(self.folder / name / str(count) / "n.ipynb", count, prelude) for count in (1, STEPS))
        imports = prelude.replace("\n", "; ")
        self.run(one, "--no-cache")
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append((self.run(many, "--no-cache") - self.run(one, "--no-cache")) / (STEPS - 1))
            theirs.append(self.kfp_step(imports))
        own, peer = least(ours), least(theirs)
        good = own.seconds <= seconds and peer.seconds / own.seconds >= ratio
        self.row(f"a no-op step, {name}", own, peer, f"asked: {seconds} s, {ratio}x less than kfp.local", good)

    def kfp_step(self, imports: str) -> Cost:
        script = self.folder / "chain_of_steps.py"
        script.write_text(KFP.replace("IMPORTS", imports or "pass"))
        environment = {**os.environ, "PATH": f"{self.kfp.parent}:{os.environ['PATH']}"}
        command = [self.kfp, script, str(STEPS), self.folder / "kfp"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment)
        if done.returncode != 0:
            sys.exit(f"kfp.local: {done.stderr[-2000:]}")
        few, many = (Cost(*each) for each in json.loads(done.stdout.splitlines()[-1]))
        return (many - few) / (STEPS - 2)

    def whole(self, name: str, prelude: str) -> None:
        """With nothing there yet: no warm process, no store."""
        path = chain(self.folder / f"whole-{name}" / "n.ipynb", STEPS, prelude)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            self.forget(path)
            ours.append(self.run(path))
            theirs.append(self.papermill(path))
        own, peer = least(ours), least(theirs)
        self.row(
            f"{STEPS} no-op steps, {name}, cold", own, peer, "asked: faster than papermill", own.seconds < peer.seconds
        )

    def forget(self, path: Path) -> None:
        self.processes.end_warm()
        shutil.rmtree(path.parent / ".kale_rs", ignore_errors=True)

    def unchanged(self, name: str) -> None:
        cells = [(f"step:s{n}" + (f" prev:s{n - 1}" if n else ""), f"x{n} = {n}") for n in range(100)]
        count = Path(tempfile.gettempdir()) / f"kale-executions-{os.getpid()}"
        first = f"{cells[0][0]} cache:enabled", f"x0 = 0\n{COUNT.format(count.name)}"
        path = notebook(self.folder / name / "n.ipynb", [first, *cells[1:]])
        self.run(path)
        own = least([self.run(path) for _ in range(ROUNDS)])
        once = count.read_text() == "."
        count.unlink()
        self.row("100 steps, nothing changed", own, None, "asked: 0.15 s", own.seconds <= 0.15 and once)

    def large(self, name: str) -> None:
        path = notebook(self.folder / name / "n.ipynb", LARGE)
        alone = notebook(self.folder / name / "alone" / "n.ipynb", ALONE)
        ours, without, theirs, durable = [], [], [], []
        for _ in range(ROUNDS):
            for each in (path, alone):
                shutil.rmtree(each.parent / ".kale_rs", ignore_errors=True)
            without.append(self.run(alone, "--no-cache"))
            ours.append(self.run(path, "--no-cache"))
            array = path.with_name("a.npy")
            out = subprocess.run([self.python, "-c", NUMPY, array], capture_output=True, text=True, check=True)
            for costs, line in zip((theirs, durable), out.stdout.splitlines(), strict=True):
                costs.append(Cost(*map(float, line.split())))
        own = least(ours) - least(without)
        for peer, asked in (
            (least(theirs), "asked: 1.5 times numpy.save and load"),
            (least(durable), "the same with fsync: as safe from a power cut"),
        ):
            self.row("1 GiB through 3 steps", own, peer, asked, own.seconds <= 1.5 * peer.seconds)

    def example(self, name: str) -> None:
        source = compare.ROOT / "examples" / "tabular"
        folder = self.folder / name
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".kale_rs"))
        path = folder / "notebook.ipynb"
        original = path.read_text()
        cold, changed, theirs = [], [], []
        for number in range(3):
            path.write_text(original)
            self.forget(path)
            cold.append(self.run(path))
            path.write_text(with_last_cell_changed(original, number))
            changed.append(self.run(path))
            theirs.append(self.papermill(path))
        own, again, peer = least(cold), least(changed), least(theirs)
        self.row("examples/tabular, cold", own, peer, "asked: faster than papermill", own.seconds < peer.seconds)
        self.row("examples/tabular, a cell changed", again, peer, "asked: far faster", again.seconds < peer.seconds / 3)


def with_last_cell_changed(text: str, number: int) -> str:
    document = json.loads(text)
    last = [cell for cell in document["cells"] if cell["cell_type"] == "code"][-1]
    last["source"] = "".join(last["source"]) + f"\nprint({number})"
    return json.dumps(document)


def main(wanted: list[str]) -> int:
    subjects = {
        "empty prelude": lambda bench, name: bench.overhead(name, "", 0.01, 5),
        "heavy prelude": lambda bench, name: bench.overhead(name, PRELUDE, 0.02, 50),
        "empty": lambda bench, name: bench.whole(name, ""),
        "heavy": lambda bench, name: bench.whole(name, PRELUDE),
        "unchanged": Bench.unchanged,
        "large": Bench.large,
        "example": Bench.example,
    }
    with tempfile.TemporaryDirectory(prefix="kale") as scratch:
        bench = Bench(Path(scratch))
        print(f"\n{'':<34}{'kale-rs':>22}{'peer':>21}{'ratio':>9}")
        try:
            for name, subject in subjects.items():
                if not wanted or name in wanted:
                    subject(bench, name)
        finally:
            bench.processes.end_warm()
    print("\nall targets met" if not bench.missed else f"\nTARGETS MISSED: {', '.join(bench.missed)}")
    return int(bool(bench.missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
