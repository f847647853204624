"""Every test, part by part, with the time each part takes: what `make test` runs, and `make test-all` with `--all`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "oracle"))
KFP_TESTS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("*/test_kfp*.py"))

#: What installs KServe, or what a bundle needs, before it begins.
INSTALLING = ("tests/serving/kserve", "tests/packing/test_container.py")

#: Older versions of JupyterLab that the extension supports.
LABS = ("lab44", "lab45")


def kfp_python() -> str:
    """The interpreter that has the official KFP SDK, whose pins need an environment of their own."""
    import kfp_environment

    return str(kfp_environment.make())


def in_browser(python: str | Path, *options: str) -> list[str]:
    """Browsers, servers and several kernels share two processors for ten minutes, and one event out of a hundred
    thousand is late for one of them. A test that fails is tried once more on a new page; one that passes only then is
    named in the summary, since some of those have been faults of ours."""
    return [str(python), "-m", "pytest", "-q", "tests/ui", *options, "--reruns", "1", "-rR"]


def at_once(files: int) -> list[str]:
    """Each file's tests in their order, the files too: what builds something does so early."""
    slowest = ("--durations", "15", "--durations-min", "10")
    return ["-n", str(files), "--dist", "loadfile", "--no-loadscope-reorder", *slowest]


def parts() -> dict[str, list[str]]:
    # Two processors: one in four moments of a test is spent on waiting.
    ignored = [*KFP_TESTS, "tests/heavy", "tests/ui", *INSTALLING]
    return {
        "rust": ["cargo", "test", "--workspace", "--quiet"],
        "python": [
            *(sys.executable, "-m", "pytest", "-q", *at_once(3), "tests"),
            *(f"--ignore={path}" for path in ignored),
        ],
        "lab": in_browser(sys.executable, "-m", "not measured", *at_once(2)),
        "budgets": in_browser(sys.executable, "-m", "measured"),
        "kfp": [kfp_python(), "-m", "pytest", "-q", *at_once(3), *KFP_TESTS],
    }


def further_parts() -> dict[str, list[str]]:
    """What needs gigabytes of libraries, older versions of some, or a server that takes minutes to install."""
    import environments

    everything = ("../examples/requirements.txt", "requirements.txt")
    heavy = environments.make("heavy", *everything, "requirements-heavy.txt", wheel=True)
    older = environments.make("older", "requirements-older.txt")
    labs = {name: environments.make(name, *everything, f"requirements-{name}.txt", wheel=True) for name in LABS}
    facts = ["tests/oracle/test_knowledge.py", "tests/oracle/test_knowledge_models.py"]
    return {
        "heavy": [str(heavy), "-m", "pytest", "-q", "tests/heavy", "tests/runtime/test_values.py", *facts],
        "serving": [sys.executable, "-m", "pytest", "-q", *INSTALLING],
        "older": [str(older), "-m", "pytest", "-q", *facts],
        **{name: in_browser(python) for name, python in labs.items()},
    }


def main() -> int:
    seconds: dict[str, float] = {}
    failed: list[str] = []
    chosen = parts() | (further_parts() if "--all" in sys.argv[1:] else {})
    for name, command in chosen.items():
        print(f"\n=== {name} ===", flush=True)
        start = time.monotonic()
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            failed.append(name)
        seconds[name] = time.monotonic() - start
    print("\n=== time ===")
    for name, value in seconds.items():
        print(f"{name:<8} {value:7.1f} s  {'FAILED' if name in failed else 'passed'}")
    total = sum(seconds.values())
    print(f"{'FAILED: ' + ', '.join(failed) if failed else 'all tests passed'} in {total:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
