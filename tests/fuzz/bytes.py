"""Builds and runs the fuzzer of notebook bytes (`rust/kale_fuzz/src/bin/bytes.rs`): `python -m fuzz.bytes [SECONDS]`.

Coverage counters come from LLVM itself, which the stable toolchain lets through; only crates for the target are
instrumented, so that build scripts and macros stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys

from .planner import ROOT

COUNTERS = (
    "-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=3 "
    "-C llvm-args=-sanitizer-coverage-inline-8bit-counters"
)


def host() -> str:
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.split()[1] for line in told.splitlines() if line.startswith("host:"))


def build():
    target = ROOT / "target" / "fuzz-bytes"
    command = ["cargo", "build", "--quiet", "--profile", "fuzz", "-p", "kale_fuzz", "--bin", "bytes"]
    command += ["--target", host(), "--target-dir", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "RUSTFLAGS": COUNTERS})
    return target / host() / "fuzz" / "bytes"


def main() -> int:
    default = os.environ.get("KALE_FUZZ_BYTES_SECONDS", "60")
    seconds = sys.argv[1] if len(sys.argv) > 1 else default
    seeds = sorted([*ROOT.glob("examples/*/notebook.ipynb"), *ROOT.glob("tests/spec/*.md")])
    return subprocess.run([build(), seconds, *seeds], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
