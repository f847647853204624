"""Kernels that are real, and not as the panel would like them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

#: Refuses `import kale_rs`, as an environment does in which it is not installed.
WITHOUT_PACKAGE = "import sys; sys.modules['kale_rs'] = None"
#: Says that it speaks another version of the protocol, as an older or newer package would.
OTHER_VERSION = "import kale_rs.channel as c; c.PROTOCOL = 99; c._native.__version__ = '9.9.9'"

ANOTHER_LANGUAGE = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class Echo(Kernel):
    implementation = "echo"
    implementation_version = "1"
    banner = "echo"
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}

    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False):
        return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}

IPKernelApp.launch_instance(kernel_class=Echo)
"""


def install(data: Path) -> None:
    """Write the kernelspecs into a Jupyter data folder."""
    python = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    write(data, "bare", "Python without kale_rs", "python", [*python, f"--IPKernelApp.exec_lines={WITHOUT_PACKAGE}"])
    write(data, "other", "Another kale_rs", "python", [*python, f"--IPKernelApp.exec_lines={OTHER_VERSION}"])
    write(data, "echo", "Echo", "echo", [sys.executable, "-c", ANOTHER_LANGUAGE, "-f", "{connection_file}"])
    write(data, "broken", "A kernel that dies", "python", [sys.executable, "-c", "import sys; sys.exit(1)"])


def write(data: Path, name: str, title: str, language: str, argv: list[str]) -> None:
    """One kernelspec."""
    folder = data / "kernels" / name
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": title, "language": language}
    (folder / "kernel.json").write_text(json.dumps(spec))
