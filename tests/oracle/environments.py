"""Virtual environments beside the main one, for tests whose requirements would not go with the others.

Idempotent: nothing happens while the requirements, the interpreter and the wheel stay the same. Standard library only.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make(name: str, *requirements: str, wheel: bool = False) -> Path:
    """The Python of `.cache/.venv-NAME`, which has these requirements of `tests/`, and our own wheel if wanted."""
    files = [ROOT / "tests" / each for each in requirements]
    folder = ROOT / ".cache" / f".venv-{name}"
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if is_new(folder / "made-from", [*(each.read_bytes() for each in files), sys.version.encode()]):
        venv.create(folder, clear=True, with_pip=True)
        install([*pip, *(word for each in files for word in ("-r", each))])
        note(folder / "made-from", [*(each.read_bytes() for each in files), sys.version.encode()])
    if wheel:
        ours = max((ROOT / ".cache" / "wheel").glob("*.whl"), key=lambda path: path.stat().st_mtime)
        if is_new(folder / "wheel", [ours.read_bytes()]):
            install([*pip, "--no-deps", "--force-reinstall", ours])
            note(folder / "wheel", [ours.read_bytes()])
    return python


def install(command: list) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


def is_new(stamp: Path, parts: list[bytes]) -> bool:
    return not stamp.is_file() or stamp.read_text() != fingerprint(parts)


def note(stamp: Path, parts: list[bytes]) -> None:
    """Written last, so an interrupted installation starts again."""
    stamp.write_text(fingerprint(parts))


def fingerprint(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
