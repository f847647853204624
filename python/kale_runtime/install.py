"""Puts what a step requires where it is missing, by pip or by uv, whichever its image has.

Travels behind `step.py`, in the same namespace and by the same rule, in steps with requirements only. Where packages
come from is a matter of the environment: pip's variables and uv's mean the same here, whichever of them installs.
"""

import os
import site
import subprocess
import sys

# pip's variable, and uv's by the newer and the older name.
SETTINGS = ["INDEX_URL DEFAULT_INDEX INDEX_URL", "EXTRA_INDEX_URL INDEX EXTRA_INDEX_URL", "FIND_LINKS FIND_LINKS"]


def install(requirements):
    from importlib import invalidate_caches, metadata, util

    def present(requirement):
        name, _, pin = requirement.partition("==")
        try:
            return metadata.version(name.split("[")[0]) == pin or not pin
        except metadata.PackageNotFoundError:
            return False

    missing = [each for each in requirements if not present(each)]
    if not missing or os.environ.get("KALE_INSTALL") == "0":
        return
    variables = settings(os.environ)
    # All of them, so that what is there already bounds what is put beside it.
    if util.find_spec("pip"):
        tool, command = "pip", [sys.executable, *"-m pip install -q --disable-pip-version-check".split()]
        folder = site.getusersitepackages()
    else:
        tool, command, folder = "uv", *with_uv(missing)
    if subprocess.call([*command, *requirements], env=variables):
        text = (
            f"`{tool}` could not install {', '.join(missing)}: see what it says above; an overlay's `packages:` names"
        )
        text += " another index, and with an `image:` that has them nothing is installed"
        raise StepError("step-not-started", text)  # noqa: F821
    site.addsitedir(folder)
    invalidate_caches()


def with_uv(missing):
    """The command, and where it puts packages: into the user's own folder where that of all may not be written."""
    import shutil
    import sysconfig

    uv, folder = shutil.which("uv"), sysconfig.get_path("purelib")
    if not uv:
        text = f"{', '.join(missing)} must be installed, and there is neither `pip` nor `uv`: use an image that has one"
        raise StepError("step-not-started", text)  # noqa: F821
    command = [uv, *"pip install -q --break-system-packages --python".split(), sys.executable]
    if not os.access(folder, os.W_OK):
        folder = site.getusersitepackages()
        command += ["--target", folder]
    if os.environ.get("PIP_NO_INDEX"):
        command.append("--no-index")
    return command, folder


def settings(given):
    variables = {**given, "PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    for row in SETTINGS:
        pip, *uv = row.split()
        names = ["PIP_" + pip, *("UV_" + name for name in uv)]
        value = next((given[name] for name in names if given.get(name)), None)
        if value:
            variables.update({names[0]: given.get(names[0]) or value, names[1]: given.get(names[1]) or value})
    return variables
