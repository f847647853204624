"""How long random notebooks take to find each fault planted in the compiler: `python -m fuzz.faults [NAME ...]`.

The faults are in `rust/kale_frontend/src/fault.rs`. A fault that is not found within the limit fails.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

from .campaign import Examiner
from .planner import ROOT, build
from .writer import Writer

#: Seconds of CPU, of this process and the compiler's, on one core.
LIMIT = float(os.environ.get("KALE_FUZZ_FAULT_SECONDS", "60"))


def names() -> list[str]:
    source = (ROOT / "rust" / "kale_frontend" / "src" / "fault.rs").read_text(encoding="utf-8")
    listed = source.partition("faults! {\n")[2].partition("\n}\n")[0]
    return re.findall(r"^    (\w+),$", listed, re.M)


def find(executable: Path, fault: str, first: int = 0) -> tuple[float, int] | None:
    """Seconds and notebooks until a notebook differs."""
    start, wall = time.process_time(), time.monotonic()
    with Examiner(executable, fault) as examiner:
        seed = first
        # On a busy machine the clock runs ahead of the processor.
        while time.process_time() - start < LIMIT and time.monotonic() - wall < 5 * LIMIT:
            seed += 1
            if examiner.is_caught(Writer(seed - 1).write()):
                return time.process_time() - start, seed - first
    return None


def main() -> int:
    executable = build(planted_faults=True)
    wanted = sys.argv[1:] or names()
    missed = []
    print(f"{'fault':<28} {'seconds':>8} {'notebooks':>10}")
    for fault in wanted:
        found = find(executable, fault)
        missed += [] if found else [fault]
        seconds, notebooks = found or (float("nan"), 0)
        print(f"{fault:<28} {seconds:8.1f} {notebooks:10}" if found else f"{fault:<28}  not found", flush=True)
    print(f"{len(wanted) - len(missed)} of {len(wanted)} faults found within {LIMIT:.0f} s each")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
