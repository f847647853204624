"""What can be raised.

::

    KaleError
    ├── UsageError       a wrong argument: an unknown run, an option that contradicts the notebook (also a ValueError)
    ├── FileError        a file, an object store or a cluster that cannot be read or written (also an OSError)
    ├── StoreError       the store refuses: not writable, written by a newer version, damaged
    ├── ServiceError     a service does not answer, or its model or functions have failed; their traceback is shown
    ├── NotebookError    the notebook has errors, so there is nothing to emit; they are in `.diagnostics`
    └── RunError         `Run.raise_for_status()`: the run did not succeed; it is in `.run`

Faults of a notebook are no exceptions where they are the answer: `check` returns them, `graph` and `run` carry them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kale_rs.results import Diagnostics, Run


class KaleError(Exception):
    """Any error of kale_rs. `help` says what to do about it."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(f"{message}\n{help}" if help else message)
        self.message = message
        self.help = help

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: a user's mistake is told in words, and our own frames say nothing about it."""
        return [f"{type(self).__name__}: {self.message}", *([f"help: {self.help}"] if self.help else [])]


class UsageError(KaleError, ValueError):
    """A wrong argument."""


class FileError(KaleError, OSError):
    """A file, an object store or a cluster that cannot be read or written."""


class StoreError(KaleError):
    """The store refuses."""


class NotebookError(KaleError):
    """The notebook has errors."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        super().__init__(f"the notebook has errors\n\n{diagnostics.text.rstrip()}")
        self.diagnostics = diagnostics


class RunError(KaleError):
    """A run that did not succeed."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"run {run.run_id} {run.status}\n\n{run.diagnostics.text.rstrip()}")
        self.run = run


class ServiceError(KaleError):
    """A service that does not answer, or answers that something is wrong."""

    def __init__(
        self,
        message: str,
        help: str = "",
        *,
        status: int | None = None,
        type: str | None = None,
        traceback: str | None = None,
    ) -> None:
        super().__init__(f"{message}\n\n{traceback.rstrip()}" if traceback else message, help)
        #: HTTP's; None where there was no answer.
        self.status = status
        #: The exception's class in the service, and its traceback there.
        self.type = type
        self.traceback = traceback
