"""The files that the warm process depends on."""

import importlib.machinery
import os
import site
import sys
import sysconfig

#: Files that imports look for in the working directory, by the module that does.
READ_FROM_FOLDER = {"matplotlib": "matplotlibrc"}


class FileWatch:
    """What imports have read and may change: what is installed, and files that are not."""

    def __init__(self):
        paths = sysconfig.get_paths()
        self.installed = {paths["purelib"], paths["platlib"], *site.getsitepackages(), site.getusersitepackages()}
        standard = {paths["stdlib"], paths["platstdlib"], os.path.dirname(__file__)}
        self.settled = tuple(os.path.join(path, "") for path in (*self.installed, *standard))
        self.opened, self.stamps = set(), {}
        sys.addaudithook(self.note)

    def note(self, event, arguments):
        if event == "open" and self.opened is not None and isinstance(arguments[0], str):
            self.opened.add(os.path.abspath(arguments[0]))

    def look(self):
        """Imports are over."""
        files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        opened, self.opened = self.opened, None
        files = {path for path in (files | opened) - {None} if not path.startswith((*self.settled, "/proc/", "/sys/"))}
        self.stamps = {path: stamp(path) for path in files | self.installed | set(filter(None, sys.path))}
        self.modules = {name for name in sys.modules if "." not in name} - sys.stdlib_module_names

    def changed(self):
        return next((path for path, seen in self.stamps.items() if stamp(path) != seen), None)

    def beside(self, folder):
        """What in a notebook's folder would have been imported or read instead."""
        suffixes = importlib.machinery.all_suffixes()
        for entry in os.scandir(folder):
            name, dot, rest = entry.name.partition(".")
            if name in self.modules and (dot + rest in suffixes or os.path.isfile(os.path.join(entry, "__init__.py"))):
                return entry.name
        for module, name in READ_FROM_FOLDER.items():
            if module in sys.modules and os.path.exists(os.path.join(folder, name)):
                return name
        return None


def stamp(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
