"""Notebooks to pipelines: check, compile and run them, here or on Kubeflow.

>>> import kale_rs
>>> kale_rs.check("train.ipynb")            # what is wrong, or worth knowing
>>> kale_rs.graph("train.ipynb")            # the steps, and what flows between them
>>> run = kale_rs.run("train.ipynb", {"epochs": 20})
>>> run.metrics
{'accuracy': 0.97}

In a notebook the first argument may be left out: it is then the notebook itself, as it was last saved. Importing this
module makes the magics `%%pipeline` and `%pipeline` known to IPython, lets the JupyterLab extension talk to this
kernel, and loads nothing heavy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kale_rs.api import (
        artifact,
        cancel,
        check,
        compile,
        diff,
        doctor,
        explain,
        explain_overlay,
        gc,
        graph,
        lineage,
        logs,
        metric,
        restore,
        resume,
        run,
        runs,
        show,
        snapshot,
    )
    from kale_rs.clusters import archive, context, schedule, unarchive
    from kale_rs.errors import FileError, KaleError, NotebookError, RunError, ServiceError, StoreError, UsageError
    from kale_rs.serving.control import predict, services
    from kale_rs.serving.start import serve
    from kale_rs.sweeping import sweep, sweeps

__all__ = [
    "FileError",
    "KaleError",
    "NotebookError",
    "RunError",
    "ServiceError",
    "StoreError",
    "UsageError",
    "archive",
    "artifact",
    "cancel",
    "check",
    "compile",
    "context",
    "diff",
    "doctor",
    "explain",
    "explain_overlay",
    "gc",
    "graph",
    "lineage",
    "logs",
    "metric",
    "predict",
    "restore",
    "resume",
    "run",
    "runs",
    "schedule",
    "serve",
    "services",
    "show",
    "snapshot",
    "sweep",
    "sweeps",
    "unarchive",
]


def __getattr__(name: str) -> object:
    """Load the API when something of it is asked for: the command line comes by this file, and does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules: tuple[object, ...]
    if name in ("predict", "serve", "services"):
        from kale_rs.serving import control, start

        modules = (start, control)
    else:
        from kale_rs import api, clusters, errors, sweeping

        modules = (errors, api, clusters, sweeping)
    found: object = getattr(next(module for module in modules if hasattr(module, name)), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Completion offers what is meant to be used."""
    return __all__


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make the magics known, and answer panels: what `%load_ext kale_rs` calls."""
    from kale_rs.magics import register

    register(shell)
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is not None:
        manager.register_target("kale_rs", _panel_opened)


def _panel_opened(comm: object, message: object) -> None:
    from kale_rs.channel import Connection

    Connection(comm)


def _register() -> None:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        load_ipython_extension(shell)


_register()
