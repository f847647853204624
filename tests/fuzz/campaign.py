"""Random notebooks by the thousand: `python -m fuzz.campaign` (from `tests/`), which `make fuzz` runs.

    --cells 1000000     stop after this many cells           KALE_FUZZ_CELLS
    --seconds 7200      stop after this time, if earlier     KALE_FUZZ_SECONDS
    --seed 0            the first notebook's seed            KALE_FUZZ_SEED
    --workers 2         processes                            KALE_FUZZ_WORKERS

What differs is shrunk and printed as a case for `tests/spec`. The exit status is 1 when anything differs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .planner import Planner, build
from .shrinking import TooLong, limited, shrink
from .writer import RandomNotebook, Writer

#: Notebooks with a difference that are shrunk and shown; more of them mostly have the same cause.
SHOWN = 5
#: Seconds that a notebook may take.
PATIENCE = 10


@dataclass
class Tally:
    cells: int = 0
    notebooks: int = 0
    steps: int = 0
    planned: int = 0
    raised: int = 0
    endless: int = 0
    refused: Counter = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0

    def add(self, other: Tally) -> None:
        for name in ("cells", "notebooks", "steps", "planned", "raised", "endless", "cpu"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused += other.refused
        self.found += other.found
        self.seconds = max(self.seconds, other.seconds)

    def summary(self) -> str:
        planned, refused = max(self.planned, 1), dict(self.refused.most_common())
        return (
            f"{self.cells} cells in {self.notebooks} notebooks, {len(self.found)} with a difference, "
            f"{self.seconds:.0f} s, {self.cells / max(self.cpu, 0.001):.0f} cells per second of CPU; "
            f"{self.steps / planned:.1f} steps per notebook, {self.raised / planned:.1%} stop early, "
            f"{self.endless} never end, refused: {refused}"
        )


def scratch() -> Path:
    """Files of the notebooks live in memory where that is possible."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="kale-fuzz-", dir=memory if memory.is_dir() else None))


class Examiner:
    """One worker: a compiler, a directory, and what it counts."""

    def __init__(self, executable: Path, fault: str | None = None):
        from .execution import World

        self.executable, self.fault = executable, fault
        self.directory = scratch()
        self.before = os.getcwd()
        self.world, self.planner = World(self.directory), Planner(executable, fault)
        self.tally = Tally()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.planner.close()
        os.chdir(self.before)
        shutil.rmtree(self.directory, ignore_errors=True)

    def differences(self, notebook: RandomNotebook, orders: int = 1):
        """What differs, and what was seen; a compiler that dies differs, too."""
        from .comparison import Verdict, examine

        try:
            return examine(notebook, self.planner, self.world, orders)
        except RuntimeError as error:
            if "the compiler died" not in str(error):
                raise
            self.start_again()
            return Verdict(differences=[str(error)])

    def start_again(self) -> None:
        """After what did not come to its end."""
        self.planner.process.kill()
        self.planner.process.wait()
        self.planner = Planner(self.executable, self.fault)
        self.world.clear()

    def look_at(self, seed: int) -> bool:
        """Whether the notebook of this seed is as it should be."""
        start = time.process_time()
        notebook = Writer(seed).write()
        tally = self.tally
        tally.notebooks += 1
        try:
            with limited(PATIENCE):
                verdict = self.differences(notebook)
        except TooLong:
            return self.is_endless(notebook)
        tally.cells += len(notebook.sources)
        tally.steps += verdict.steps
        tally.planned += verdict.steps > 0
        tally.raised += verdict.raised
        tally.refused.update(verdict.refused)
        tally.cpu += time.process_time() - start
        if verdict.differences:
            tally.found.append(self.report(notebook) if len(tally.found) < SHOWN else f"seed {seed}")
        return not verdict.differences

    def is_caught(self, notebook: RandomNotebook) -> bool:
        """Whether the notebook shows a difference in time."""
        try:
            with limited(PATIENCE):
                return bool(self.differences(notebook).differences)
        except TooLong:
            self.start_again()
            return False

    def is_endless(self, notebook: RandomNotebook) -> bool:
        """Whether what took too long does so from top to bottom, too: a loop over what its body makes longer, say."""
        from .execution import run_linear

        self.start_again()
        try:
            with limited(PATIENCE):
                run_linear(notebook, self.world, {})
        except TooLong:
            self.tally.endless += 1
            self.world.clear()
            return True
        self.tally.found.append("\n".join([as_case(notebook), "the pipeline did not end"]))
        return False

    def report(self, notebook: RandomNotebook) -> str:
        first = self.differences(notebook, orders=3)

        def fails(smaller: RandomNotebook) -> bool:
            try:
                with limited(PATIENCE):
                    verdict = self.differences(smaller, orders=3)
            except SyntaxError:
                return False
            except TooLong:
                self.start_again()
                return False
            same = verdict.raised == first.raised and bool(verdict.refused) == bool(first.refused)
            return bool(verdict.differences) and same

        small = shrink(notebook, fails)
        verdict = self.differences(small, orders=3)
        return "\n".join([as_case(small), f"order of steps: {', '.join(verdict.order)}", *verdict.differences[:3]])


def as_case(notebook: RandomNotebook) -> str:
    """A notebook as a case of `tests/spec`."""
    lines = [f"## Seed {notebook.seed}"]
    for tags, source in zip(notebook.tags, notebook.sources, strict=True):
        lines += [f"```py {' '.join(tags)}".rstrip(), source, "```"]
    if notebook.granularity:
        lines += ["```options", f"granularity={notebook.granularity}", "```"]
    if notebook.parameters:
        lines += ["```params", " ".join(f"{name}={value!r}" for name, value in notebook.parameters.items()), "```"]
    return "\n".join(lines)


def run(executable: Path, first: int, stride: int, cells: int, seconds: float) -> Tally:
    start = time.monotonic()
    with Examiner(executable) as examiner:
        seed = first
        while examiner.tally.cells < cells and time.monotonic() - start < seconds:
            if not examiner.look_at(seed):
                # At once: a campaign that is stopped has shown what it has found.
                print(examiner.tally.found[-1], end="\n\n", flush=True)
            seed += stride
        examiner.tally.seconds = time.monotonic() - start
        return examiner.tally


def option(parser: argparse.ArgumentParser, name: str, default: float) -> None:
    kind = type(default)
    parser.add_argument(f"--{name}", type=kind, default=kind(os.environ.get(f"KALE_FUZZ_{name.upper()}", default)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("cells", 1_000_000), ("seconds", 7200.0), ("seed", 0), ("workers", os.cpu_count() or 1)):
        option(parser, name, default)
    asked = parser.parse_args()
    executable = build()
    share = asked.cells // asked.workers + 1
    jobs = [(executable, asked.seed + index, asked.workers, share, asked.seconds) for index in range(asked.workers)]
    total = Tally()
    with multiprocessing.get_context("spawn").Pool(asked.workers) as pool:
        for tally in pool.starmap(run, jobs):
            total.add(tally)
    print(total.summary())
    return 1 if total.found else 0


if __name__ == "__main__":
    sys.exit(main())
