"""What the notebook's code touched: files, environment variables, and the world beyond.

CPython's audit events tell of files opened by Python code; they miss reads made in C++ and by subprocesses. Python's
own files, installed packages and temporary files say nothing about a step and are left out.
"""

import os
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NETWORK = {"socket.connect", "socket.sendto", "socket.bind"}
PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}
IMPORTERS = {"_frozen_importlib_external", "importlib", "importlib_metadata", "inspect", "linecache", "pkgutil"}
IMPORTERS |= {"pkg_resources", "zipimport"}
LISTINGS = {"os.listdir", "os.scandir"}
CHANGES = {"os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.truncate", "os.link", "os.symlink", "shutil.move"}


class Audit:
    def __init__(self, directory):
        self.active = False
        self.pid = os.getpid()
        self.directory = os.path.join(os.path.abspath(directory), "")
        self.reads, self.writes, self.changes, self.listings = {}, {}, {}, {}
        self.network, self.processes, self.databases = {}, {}, {}
        self.environment, self.copied, self.whole_environment = {}, set(), False
        # The cell that runs; what it touched, in order; folders that were the working directory.
        self.cell, self.touched, self.folders, self.environment_changes = None, {}, {}, {}
        self.handlers = {"open": self.opened, "sqlite3.connect": self.database}
        self.handlers.update(dict.fromkeys(NETWORK, self.connected))
        self.handlers.update(dict.fromkeys(PROCESSES, self.started))
        self.handlers.update(dict.fromkeys(LISTINGS, self.listed))
        self.handlers.update(dict.fromkeys(CHANGES, self.changed))
        self.handlers["os.chdir"] = self.moved

    def start(self):
        self.uninteresting = tuple(os.path.join(path, "") for path in uninteresting_folders())
        self.uninteresting_below = tuple(path for path in self.uninteresting if path.startswith(self.directory))
        sys.addaudithook(self.hook)
        os.environ.__class__ = recording_environment(self)

    def hook(self, event, arguments):
        """Must neither raise nor take long: CPython calls it very often."""
        handler = self.handlers.get(event) if self.active else None
        if handler:
            self.active = False
            try:
                handler(event, arguments)
            except (OSError, TypeError, ValueError):
                return  # arguments that are wrong in themselves: the operation itself will say so
            finally:
                self.active = os.getpid() == self.pid

    def opened(self, event, arguments):
        path, mode, flags = arguments
        path = self.interesting(path)
        if path is None:
            return
        mode = mode or ("r+" if flags & os.O_RDWR else "w" if flags & WRITING else "r")
        writes = any(letter in mode for letter in "wax+")
        if (
            ("r" in mode or "a" in mode)
            and path not in self.writes
            and os.path.exists(os.path.join(self.directory, path))
        ):
            self.reads.setdefault(path)
            self.touch("read", path)
        if writes:
            self.writes.setdefault(path)
            self.touch("write", path)

    def touch(self, how, what):
        if self.cell is not None:
            self.touched.setdefault((self.cell, how, what))

    def moved(self, event, arguments):
        if not isinstance(arguments[0], int):
            self.folders.setdefault(os.path.join(os.path.abspath(os.fsdecode(arguments[0])), ""))

    def interesting(self, path):
        """The path as the plan would name it, or nothing."""
        if isinstance(path, int) or not path:
            return None
        path = os.path.abspath(os.fsdecode(path))
        if "__pycache__" in path or "/.kale_rs/" in path:
            return None
        if path.startswith(self.directory):
            return None if path.startswith(self.uninteresting_below) else path[len(self.directory) :]
        return None if os.path.join(path, "").startswith(self.uninteresting) else path

    def listed(self, event, arguments):
        if from_import(sys._getframe(2)):
            return
        path = self.interesting(os.path.join(os.path.abspath(arguments[0] or "."), "*"))
        if path is not None:
            self.listings.setdefault(path[:-2] or ".")
            self.touch("list", path[:-2] or ".")

    def changed(self, event, arguments):
        for path in arguments:
            path = self.interesting(path) if isinstance(path, (str, bytes, os.PathLike)) else None
            if path is not None:
                self.changes.setdefault(path)
                if event != "os.mkdir":  # which is the same whoever comes first
                    self.touch("write", path)

    def connected(self, event, arguments):
        if getattr(arguments[0], "family", None) != 1:  # not a Unix socket
            self.network.setdefault(str(arguments[1]))
            self.touch("network", str(arguments[1]))

    def started(self, event, arguments):
        first = arguments[0] if arguments else event
        name = os.fsdecode(first) if isinstance(first, (str, bytes, os.PathLike)) else event
        self.processes.setdefault(name)
        self.touch("process", name)

    def database(self, event, arguments):
        name = os.fsdecode(arguments[0])
        self.databases.setdefault(name)
        self.touch("database", name)

    def environment_read(self, name):
        if name in self.copied:
            self.copied.discard(name)
        elif self.active and self.from_notebook(sys._getframe(2)):
            self.environment.setdefault(name)

    def environment_iterated(self, names):
        """A copy, as for a subprocess, asks for every variable once after it has iterated over the names."""
        if self.active:
            self.copied, self.whole_environment = set(names), True

    def environment_changed(self, name):
        if self.active and not during_import(sys._getframe(2)):
            self.environment_changes.setdefault(name)

    def is_beside(self, file):
        """Whether a file belongs to the notebook's folder and to nothing that is installed in it."""
        return file.startswith(self.directory) and not file.startswith(self.uninteresting_below)

    def from_notebook(self, frame):
        """Whether the notebook, or a module beside it, asks for the variable, and not a library."""
        while frame and frame.f_globals.get("__name__") in ("os", "_collections_abc", "collections.abc"):
            frame = frame.f_back
        file = frame.f_code.co_filename if frame else ""
        return file.startswith("<ipython-input-") or self.is_beside(file)

    def result(self):
        observed = {
            "listings": sorted(self.listings),
            "changes": sorted(self.changes),
            "network": sorted(self.network),
            "processes": sorted(self.processes),
            "databases": sorted(self.databases),
            "whole_environment": self.whole_environment,
        }
        return {
            "reads": sorted(self.reads),
            "writes": sorted(self.writes),
            "environment_reads": sorted(self.environment),
            "observed": observed,
        }


def from_import(frame):
    """Whether Python looks for modules, and not the notebook for its files."""
    for _ in range(4):
        if frame is None:
            return False
        if frame.f_globals.get("__name__", "").split(".")[0] in IMPORTERS:
            return True
        frame = frame.f_back
    return False


def during_import(frame):
    """Whether a module is being executed for the first time."""
    while frame and not frame.f_code.co_filename.startswith("<ipython-input-"):
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def uninteresting_folders():
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, "/proc", "/sys", "/dev", "/usr", "/lib", "/etc"}
    folders.add(os.path.dirname(os.__file__))
    folders.update(path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages"))
    home = os.path.expanduser("~")
    folders.update(os.path.join(home, name) for name in (".cache", ".config", ".ipython", ".jupyter", ".local"))
    folders.update(os.environ.get(name) or "/tmp" for name in ("TMPDIR", "TEMP", "TMP"))
    return sorted(os.path.abspath(folder) for folder in folders - {"/", ""})


def recording_environment(audit):
    """`os.environ` as it was, and it tells which variables are asked for by name."""

    class Environment(type(os.environ)):
        def __getitem__(self, name):
            audit.environment_read(name)
            return super().__getitem__(name)

        def __setitem__(self, name, value):
            audit.environment_changed(name)
            super().__setitem__(name, value)

        def __delitem__(self, name):
            audit.environment_changed(name)
            super().__delitem__(name)

        def __iter__(self):
            names = list(super().__iter__())
            audit.environment_iterated(names)
            return iter(names)

        def __contains__(self, name):
            audit.environment_read(name)
            return super().__contains__(name)

    Environment.__name__ = Environment.__qualname__ = "_Environ"
    Environment.__module__ = "os"
    return Environment
