"""Makes the virtual environment of the official KFP SDK, once, and prints the path of its Python.

python tests/oracle/kfp_environment.py        # .cache/.venv-kfp/bin/python
"""

from pathlib import Path

import environments


def make() -> Path:
    return environments.make("kfp", "requirements-kfp.txt")


if __name__ == "__main__":
    print(make())
