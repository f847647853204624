"""What the compiler promised about one cell, as `verify.py` asks for it; files among the rest."""

import os
import re
from importlib.machinery import all_suffixes

NAMES = ("reads", "binds", "changes", "optional", "generators", "seeded", "settings", "resources")


class Claim:
    def __init__(self, row):
        for name in NAMES:
            setattr(self, name, set(row.get(name, ())))
        self.cell, self.groups = row["cell"], row.get("groups", ())
        self.unseen, self.independent = row.get("unseen", False), row.get("independent", False)
        files = row.get("files", {})
        self.reads_files, self.writes_files = files.get("reads", ()), files.get("writes", ())

    def leaves(self, name):
        """Whether it claims to leave a variable as it is."""
        return not (self.unseen or name in self.binds or name in self.changes)


class Reach:
    """Whether a claim covers a file. Paths are relative to where the notebook is at the time."""

    def __init__(self, audit):
        self.audit = audit
        self.folders = {audit.directory, *audit.folders}

    def claims(self, claim, how, what):
        words = claim.resources
        if claim.unseen or "subprocess" in words:
            return True
        if how in ("network", "process", "database"):
            return {"process": "subprocess"}.get(how, how) in words
        if "writes-any-file" in words or (how in ("read", "list") and "reads-any-file" in words):
            return True
        if how == "read" and what.endswith(tuple(all_suffixes())):
            return True  # modules
        paths = [*claim.writes_files, *(claim.reads_files if how in ("read", "list") else ())]
        return any(self.covers(path, what) for path in paths)

    def covers(self, path, what):
        for folder in self.folders:
            full = os.path.normpath(os.path.join(folder, os.path.expanduser(path)))
            full = full[len(self.audit.directory) :] if full.startswith(self.audit.directory) else full
            pattern = re.sub(r"\\\{\w+\\\}", ".*", re.escape(full))
            if re.fullmatch(f"{pattern}(/.*)?", what) or full.startswith(what + "/"):
                return True
        return False
