"""Makes the virtual environment of the official KFP SDK, once, and prints the path of its Python.

    python tests/oracle/kfp_environment.py        # .cache/.venv-kfp/bin/python

Idempotent: nothing happens while `tests/requirements-kfp.txt` and the interpreter stay the same. Standard library only.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "tests" / "requirements-kfp.txt"
ENVIRONMENT = ROOT / ".cache" / ".venv-kfp"
PYTHON = ENVIRONMENT / "bin" / "python"


def fingerprint() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()


def make() -> Path:
    # Written last, so an interrupted installation starts again.
    stamp = ENVIRONMENT / "made-from"
    if stamp.is_file() and stamp.read_text() == fingerprint():
        return PYTHON
    venv.create(ENVIRONMENT, clear=True, with_pip=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", REQUIREMENTS], check=True, stdout=sys.stderr)
    stamp.write_text(fingerprint())
    return PYTHON


if __name__ == "__main__":
    print(make())
