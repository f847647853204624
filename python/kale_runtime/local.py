"""A step on this machine: `python kale_runtime REQUEST.json`.

Request:

    {"plan": StepPlan, "executor_input": KFP's ExecutorInput with plain paths,
     "directory": the notebook's, "result": path, "events": path or descriptor or null, "log": path or null,
     "cells": {"3": {"id": "ab12", "execution_count": 4}} or a path or null, "rich": true,
     "verify": "off" | "inputs" | "full", "claims": rows of `verify.py` or null,
     "keep": what `keep.py` is asked for, or null,
     "isolated": {"modules": folder of packed modules, "hidden": [distributions of other steps]} or null}

`rich` runs the cells in IPython where the Python has it. `cells` as a path names a file that holds the outputs of the
cells finished so far, replaced after every cell, so that they outlive a step that is killed.

Result, which appears at the end by a rename (without it the step has died):

    {"status": "succeeded" | "failed",
     "error": null | {"code": diagnostic id, "type", "message", "cell", "line", "column", "traceback": [lines],
                      "missing": a variable that the step was not given, or null},
     "metrics": {name: value}, "metric_steps": [[name, value, step or null], ...],
     "cells": {"3": {"outputs": [nbformat output, ...], "execution_count": 4}},
     "reads": [path], "writes": [path], "environment_reads": [name],
     "observed": {"listings", "changes", "network", "processes", "databases"},
     "touched": [[cell, "read" | "write" | "list" | "network" | "process" | "database", what, whether it was claimed]],
     "peak_memory_bytes": n, "cpu_seconds": x, "warnings": [diagnostic],
     "settled": whether this process does nothing any more but to store what `restore` may ask for}

Paths are relative to the directory when they lie below it. Lines and columns count from 1, columns in UTF-16 units.
Events are JSON lines: {"event": "cell-started", "cell", "done", "total"} and
{"event": "metric", "name", "value", "at"}.

The process exits with 0 when the step succeeded and 1 when it failed, and does not wait for the user's threads longer
than `PATIENCE`.
"""

import contextlib
import errno
import json
import os
import re
import signal
import sys
import threading
import traceback
from threading import Thread
from time import sleep

from kale_runtime import keep, mapped, shell, verify
from kale_runtime import step as core
from kale_runtime.audit import Audit
from kale_runtime.capture import Capture

#: Seconds that threads and exit handlers of the user get after the result is written.
PATIENCE = 5
#: Seconds that the variables' own code gets to have them stored for `restore`.
KEEPING = 300
#: As they were before a cell could replace them.
OPEN, WRITE, RENAME, CLOSE, DUMPS = os.open, os.write, os.rename, os.close, json.dumps
for names in (globals(), vars(core), vars(keep), vars(verify)):
    names["open"] = open


#: Before it is known which step this will be.
NO_REQUEST = {"executor_input": {}, "plan": {"program": [], "ipython": False}, "rich": True}


class LocalStep(core.Step):
    def __init__(self, capture):
        super().__init__(NO_REQUEST["executor_input"], NO_REQUEST["plan"])
        self.request, self.capture, self.audit, self.events = NO_REQUEST, capture, None, None
        self.identities, self.total = {}, 0
        self.finished, self.metric_steps, self.warnings = {}, [], []
        self.bound = {}  # name to the identity of its value and the cell that made it
        self.display_error, self.first_line = None, 1

    def take(self, request):
        """From here on the process is that of one step, in the folder of its notebook."""
        self.request, self.plan, self.pid = request, request["plan"], os.getpid()
        self.inputs, self.outputs = (request["executor_input"].get(side, {}) for side in ("inputs", "outputs"))
        self.identities = request.get("cells") if isinstance(request.get("cells"), dict) else {}
        self.total = sum(row[0] == "run" for row in self.plan["program"])
        enter(request["directory"])
        self.home = os.getcwd()
        if request.get("isolated"):
            from kale_runtime import isolation

            isolation.enter(request["isolated"])
        self.audit = Audit(request["directory"])
        self.events = open_events(request.get("events"))
        self.verifier = verify.make(self, request.get("verify"), request.get("claims"))
        self.keeper = keep.make(self, request.get("keep"), request.get("claims"))
        forbid_questions(self)
        self.exit_handlers = exit_handlers()
        self.audit.start()

    # Running

    def start_shell(self):
        if self.shell is None and (self.plan["ipython"] or self.request.get("rich")):
            super().start_shell()
        if self.shell:
            shell.prepare(self.shell)

    def shell_members(self):
        return shell.members(self, self.capture, self.shown_outputs)

    def drive(self):
        """Without the event loop, which takes long to import, where nobody could tell."""
        if self.shell or re.search("async|await", str(self.plan["program"])):
            super().drive()
        else:
            finish_at_once(self.run())

    async def execute(self, cell, line, source, edit, silent):
        self.first_line = line
        self.audit.active, self.audit.cell = True, None if silent else cell
        try:
            await super().execute(cell, line, source, edit, silent)
        finally:
            self.audit.active = False
        if silent:
            self.verifier.defined()

    async def run_cell(self, cell, line, source, parameters, sites):
        self.emit({"event": "cell-started", "cell": cell, "done": len(self.finished), "total": self.total})
        count = self.identities.get(str(cell), {}).get("execution_count") or len(self.finished) + 1
        if self.shell:
            self.shell.execution_count = count
        self.verifier.before(cell)
        self.capture.begin(count)
        try:
            await super().run_cell(cell, line, source, parameters, sites)
            if self.display_error is not None:
                raise self.display_error
            self.verifier.after(cell)
            self.keeper.after(cell)
        except BaseException as error:
            self.note_error(error)
            raise
        finally:
            self.finished[str(cell)] = self.capture.end()
            self.write_cells()

    def settle(self):
        self.capture.settle()
        for name, value in self.names.items():
            if self.bound.get(name, (None, None))[0] != id(value):
                self.bound[name] = id(value), self.cell

    def note_error(self, error):
        """The error output that Jupyter would have. What a cell raised in IPython is shown already."""
        shown = self.shell and (error.__cause__ or not isinstance(error, core.StepError))
        if not shown:
            origin = error.__cause__ if isinstance(error, core.StepError) and error.__cause__ else error
            lines = core.tell(error).split("\n")
            self.capture.publish(shell.error_output(type(origin).__name__, shell.message_of(origin), lines))

    def shown_outputs(self):
        cells = [*self.finished.values(), self.capture.cell]
        return [output for cell in cells if cell for output in cell.outputs]

    # What plain Python displays, where there is no IPython

    def show(self, value):
        output = {"data": {"text/plain": repr(value)}, "metadata": {}, "execution_count": self.capture.cell.count}
        self.capture.publish({"output_type": "execute_result", **output})

    def display(self, *values, **_):
        for value in values:
            data = {"text/plain": repr(value)}
            html = getattr(value, "_repr_html_", None)
            if html and not isinstance(value, type):
                data["text/html"] = html()
            self.capture.publish({"output_type": "display_data", "data": data, "metadata": {}})

    # Values

    def exact(self, kind, value):
        """The engine's JSON keeps ints and floats apart."""
        return value

    def parameter(self, name):
        super().parameter(name)
        self.verifier.defined()

    def load(self, key, kind, names):
        before = {name: self.names.get(name) for name in names}
        super().load(key, kind, names)
        anew = [name for name in names if before[name] is not self.names.get(name)]
        self.verifier.loaded(key, kind, names, anew)
        self.keeper.loaded(kind, names, anew)

    def save(self, key, kind, names, by_name=()):
        self.verifier.before_save(key, kind, names)
        self.store(key, kind, names, by_name)
        self.verifier.saved(key, kind, names)
        self.keeper.stored(key, kind, names)

    def read(self, file, kind):
        return mapped.load(file, kind)

    def dump(self, values, file, kind, by_name=()):
        mapped.dump(values, file, kind, by_name)

    def store(self, key, kind, names, by_name):
        try:
            super().save(key, kind, names, by_name)
        except OSError as error:
            # On a full disk the result needs the room.
            remove(self.path(self.outputs, key))
            text = f"`{'`, `'.join(names) or key}` could not be stored: {error.strerror or error}"
            code = (
                "store-unwritable" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else "value-not-stored"
            )
            raise core.StepError(code, text, self.cell) from error

    def blame(self, values, kind, by_name, error):
        """Says which of the values cannot be stored, and where it was made."""
        for name in values:
            try:
                with open(os.devnull, "wb") as nowhere:
                    core.dump({name: values[name]}, nowhere, kind, by_name)
            except Exception as found:
                error = found
                break
        cell = self.bound.get(name, (None, self.cell))[1]
        text = f"`{name}`, a `{type(values[name]).__name__}` made in cell {cell}, cannot go to another step: {error}"
        text += ". Make it in the step that uses it, or give both cells the same `step:` tag"
        raise core.StepError("value-not-stored", text, cell) from error

    # What it tells

    def findings(self):
        """More for the result."""
        return {}

    def record(self, name, number, step):
        super().record(name, number, step)
        at = None if step is None else int(step)
        self.metric_steps.append([name, number, at])
        self.emit({"event": "metric", "name": name, "value": number, "at": at})

    def warn(self, code, message):
        self.note(code, message, "Report one finite number, such as `float(value)`.", "warning")

    def note(self, code, message, help, severity="info"):
        diagnostic = {"id": code, "severity": severity, "message": message, "help": help, "cell": self.cell}
        diagnostic["cell_id"] = self.identities.get(str(self.cell), {}).get("id")
        self.warnings.append({**diagnostic, "start": None, "end": None, "related": [], "fixes": []})

    def emit(self, event):
        if self.events is not None and os.getpid() == self.pid:
            os.write(self.events, as_json(event).encode() + b"\n")

    def cells(self):
        return {cell: outputs.finish() for cell, outputs in self.finished.items()}

    def write_cells(self):
        path = self.request.get("cells")
        if isinstance(path, str):
            try:
                replace_json(path, self.cells())
            except OSError:
                return  # it only serves a step that dies


def finish_at_once(coroutine):
    try:
        coroutine.send(None)
    except StopIteration:
        return


def open_events(place):
    if place is None or isinstance(place, int):
        return place
    return os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def locate(error, cell):
    """Line and column of the failing cell: the innermost place in it."""
    origin = error.__cause__ or error if isinstance(error, core.StepError) else error
    if isinstance(origin, SyntaxError) and origin.filename == core.FILE % cell:
        return origin.lineno, origin.offset
    frames = [f for f in traceback.extract_tb(origin.__traceback__) if f.filename == core.FILE % cell]
    if not frames:
        return None, None
    line, column = frames[-1].lineno, getattr(frames[-1], "colno", None)
    if column is not None:
        before = core.linecache.getline(frames[-1].filename, line).encode()[:column].decode(errors="ignore")
        column = len(before.encode("utf-16-le", "surrogatepass")) // 2 + 1
    return line, column


def describe(error, cell):
    is_ours = isinstance(error, core.StepError)
    origin = error.__cause__ or error if is_ours else error
    cell = error.cell if is_ours and error.cell is not None else cell
    line, column = locate(error, cell)
    return {
        "code": error.code if is_ours else "step-failed",
        "type": type(origin).__name__,
        "message": shell.message_of(error),
        "cell": cell,
        "line": line,
        "column": column,
        "traceback": core.tell(error).split("\n"),
    }


def high_water_mark():
    """Bytes; `ru_maxrss` also counts what the process that started this one had in memory."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def usage():
    import resource

    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 1 if sys.platform == "darwin" else 1024
    uses = (own, children)
    return {
        "peak_memory_bytes": max(high_water_mark() or own.ru_maxrss * unit, children.ru_maxrss * unit),
        "cpu_seconds": round(sum(use.ru_utime + use.ru_stime for use in uses), 3),
    }


def as_json(value):
    """JSON for those who know no half of a character: a lone surrogate becomes text, as where Python shows it."""
    text = DUMPS(value, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\\\u{ord(found[0]):x}", text)


def replace_json(path, value):
    """Writes a file that is there as a whole or not at all. That it outlasts a power cut is up to whoever keeps it."""
    part = f"{path}.part"
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(as_json(value))
    except OSError:
        remove(part)
        raise
    os.replace(part, path)


def write_result(step, result):
    """On a full disk what the step has stored makes room for saying so."""
    path = step.request["result"]
    try:
        replace_json(path, result)
    except OSError as error:
        for key in step.outputs.get("artifacts", {}):
            remove(step.path(step.outputs, key))
        failure = describe(
            core.StepError("store-unwritable", f"the step's result could not be stored: {error.strerror}"), None
        )
        replace_json(path, {**result, "status": "failed", "error": failure, "cells": {}})


def remove(path):
    try:
        os.unlink(path)
    except OSError:
        return


def enter(directory):
    """The working directory and module search path of a kernel: the notebook's folder comes after the standard
    library."""
    os.chdir(directory)
    sys.argv = [""]
    if "" not in sys.path:
        installed = (at for at, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages")))
        sys.path.insert(next(installed, len(sys.path)), "")


def forbid_questions(step):
    import getpass

    getpass.getpass = step.no_input
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def leave(code):
    """Ends the process; threads that never end do not keep it."""

    def give_up():
        sleep(PATIENCE)
        os._exit(code)

    end_after(PATIENCE + 1)
    with contextlib.suppress(RuntimeError):
        Thread(target=give_up, daemon=True).start()
    return code


def end_after(seconds):
    """The system ends the process then, whatever it does: what counts has been stored. A thread of ours does not start
    where a cell has used up the memory, and a library in C may never give it its turn."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, seconds)


def kind_of(request):
    if "linear" not in request:
        return LocalStep
    from kale_runtime.linear import Notebook

    return Notebook


def main(path):
    request = read_request(path)
    capture = Capture(request.get("log"), request["result"])
    step = kind_of(request)(capture)
    step.take(request)
    capture.attach()
    return leave(carry_out(step))


def is_settled(step):
    """Whether the end of the process can do nothing to the world that it has not done: no file that it has written to
    may still be open, no thread, process or exit handler of the user's may be at work."""
    touched = step.audit.writes, step.audit.changes, step.audit.processes, step.audit.network, step.audit.databases
    own = {threading.main_thread(), step.capture.watcher}
    return (
        not any(touched)
        and own.issuperset(threading.enumerate())
        and exit_handlers() == step.exit_handlers
        and not has_children()
    )


def exit_handlers():
    import atexit

    return atexit._ncallbacks()


def has_children():
    if not hasattr(os, "waitid"):
        return True  # nobody knows on this system
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def read_request(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def carry_out(step):
    """Runs the step and writes its result; gives the process's exit status."""
    try:
        return run(step)
    except BaseException as error:
        give_up(step, error)
        return 1


def give_up(step, error):
    """What can still be said by a process in which a cell has replaced parts of Python's library, or has forbidden it
    to open files. Where even that fails, the engine says that it ended without a word."""
    try:
        kind, cell = type(error).__name__, step.cell
        text = (
            "after the cell the step's result could not be stored, as the cell has changed what Python needs for that, "
            f"or what the process may do: {error}"
        )
        text = "".join(letter if letter.isprintable() and letter not in '"\\' else " " for letter in text)
        document = '{"status": "failed", "error": {"code": "step-failed", "type": "%s", "message": "%s", "cell": %s}}'
        CLOSE(0)  # so that there is one to be had
        part = step.request["result"] + ".part"
        file = OPEN(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        WRITE(file, (document % (kind, text, "null" if cell is None else cell)).encode())
        RENAME(part, step.request["result"])
    except BaseException:
        return


def run(step):
    step.capture.start()
    error = None
    try:
        step.start_shell()
        step.drive()
        step.verifier.finish()
    except BaseException as failure:
        error = {**describe(failure, step.cell), "missing": step.verifier.missing(failure)}
    step.capture.stop()
    result = {
        "status": "failed" if error else "succeeded",
        "error": error,
        "metrics": step.metrics,
        "metric_steps": step.metric_steps,
        "cells": step.cells(),
        **step.audit.result(),
        "touched": step.verifier.touched(),
        **step.findings(),
        **usage(),
        "warnings": step.warnings,
        "settled": error is None and is_settled(step),
    }
    write_result(step, result)
    if error is None:
        end_after(KEEPING)
        keep.write(step.keeper, replace_json)
    return int(error is not None)
