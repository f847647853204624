"""Where the notebooks of a Jupyter server are on the disk: its pages know paths that begin at the server's root."""

from __future__ import annotations

import os
import sys


class Places:
    """What a kernel knows of its server: the environment has the path of the notebook that it was started for."""

    def __init__(self) -> None:
        #: That of the page that asks.
        self.notebook: str | None = None
        self._root: str | None = None
        session = os.environ.get("JPY_SESSION_NAME", "")
        self._session = session if os.path.isabs(session) else ""
        self._folder = os.path.dirname(self._session) if self._session else _first_folder()

    @property
    def store(self) -> str:
        """What to find the store by: runs are kept beside their notebook."""
        return self.notebook or self._folder

    def beside(self, notebook: str | None) -> str:
        """The folder of a notebook, else of the page's: where files are written to."""
        notebook = notebook or self.notebook
        return self._folder if notebook is None else os.path.dirname(notebook)

    def open(self, path: str) -> str | None:
        """Take a notebook for that of the page; its absolute path, if it can be found."""
        self.notebook = self._find(path)
        return self.notebook

    def place(self, path: str) -> str:
        """The absolute path of a notebook. One that is not on the disk is taken to be beside the kernel's."""
        if os.path.isabs(path):
            return path
        return self._find(path) or os.path.join(self._folder, os.path.basename(path))

    def _find(self, path: str) -> str | None:
        # A document that several people edit is named after its drive, too: `RTC:sub/train.ipynb`.
        return self._find_on_disk(path) or self._find_on_disk(path.partition(":")[2])

    def _find_on_disk(self, path: str) -> str | None:
        path = path.strip("/")
        if not path or ".." in path.split("/"):
            return None
        if self._session.endswith("/" + path):
            self._root = self._session.removesuffix(path)
            return self._session
        # After a renaming the kernel still has the old name: the new one is somewhere below the same root.
        roots = [self._root] if self._root else _upwards(self._folder)
        places = [os.path.join(root, path) for root in roots]
        places.append(os.path.join(self._folder, os.path.basename(path)))
        return next((place for place in places if os.path.isfile(place)), None)


def _upwards(folder: str) -> list[str]:
    above = os.path.dirname(folder)
    return [folder] if above == folder else [folder, *_upwards(above)]


def _first_folder() -> str:
    """Where the kernel was started."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return str(getattr(shell, "starting_dir", "") or os.getcwd())
