"""The warm process: imports once what the steps of a notebook import, and forks the process of each step.

    engine --spawns--> python kale_runtime --warm LISTENER <SETTINGS.json       (one per key; rust/kale_engine/src/warm)
    engine --order---> socket --> a fork that is ready --> `local.carry_out`
    engine <--pid, then how it ended-- socket

SETTINGS: {"imports": [["import", "import numpy as np"], ["set", "OMP_NUM_THREADS", "1"]], "socket": its path,
           "idle": seconds}

A message is its length (4 bytes, most significant first) and so much JSON. Each order has a connection of its own:

    -> {"version": 1, "marker": of the step's process, "request": path, "directory": the notebook's,
        "environment": {name: value or null}}              or {"version": 1, "end": true}
    <- {"pid": n, "parent": this one}  or {"refused": why}: the engine starts the step's process itself;
                                     or {"stale": why}: the same, and this process takes no more orders
    <- {"status": as `wait` gives it, "cpu_seconds": x, "peak_memory_bytes": n}

An engine that hangs up before the end is gone, and the step's process group is killed.

What makes a fork equal to a plain start
----------------------------------------
- All that a process inherits and that imports may read (environment, limits, affinity) is part of the key.
- Environment variables that the notebook sets are set where it sets them, between the imports, and taken back before
  the step begins: the step sets them itself.
- The streams that libraries take hold of while they are imported are those of the step (`Capture.move`).
- Random generators that were made without a seed get a new one: CPython does it for `random`, here it is done for
  numpy's, wherever libraries have some, and for torch.
- An import is left to the step where it writes something, fails, starts threads that outlast a fork, or makes
  random generators that nobody knows (`Flaw`); this process then starts over without it.
- Modules beside the notebook are never imported; an order from a folder that has a module of the name of one that is
  loaded is refused. So is one from before a change of what is installed, or of other files that imports have read.
- Nothing is ever computed here: a process that has used OpenMP must not fork.
"""

import asyncio
import atexit
import contextlib
import ctypes
import gc
import importlib
import itertools
import json
import linecache
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

from kale_runtime import local
from kale_runtime import step as core
from kale_runtime.capture import Capture
from kale_runtime.forked import fork
from kale_runtime.generators import generators, has_no_seed, is_obscure, reseed
from kale_runtime.watched import FileWatch, stamp

VERSION = 1
#: Forks that wait for an order.
SPARES = 2
#: So many of them may end by themselves, one after another.
LOST = 20
#: The environment variable by which the engine finds a step's processes. It comes filled with spaces.
MARKER = "KALE_STEP_PROCESS"
#: Top-level modules that do not stand a fork, whatever they have been used for.
FORK_UNSAFE = {"grpc", "jax", "jaxlib", "keras", "pyspark", "ray", "tensorflow"}
#: Threads, by name, without which a fork works as well: their libraries know what a fork is.
FORK_SAFE_THREADS = {"jemalloc_bg_thd"}


#: What steps import while they run.
LATE_IMPORTS = ("IPython.core.logger", "bdb", "encodings.ascii", "getpass", "resource", "tarfile")


class Flaw(Exception):
    """The import at this place in the settings has to be left to the steps; at the end: nobody knows yet which."""

    def __init__(self, at):
        super().__init__(at)
        self.at = at


def main(listener):
    settings = json.load(sys.stdin)
    listener = socket.socket(fileno=listener)
    listener.set_inheritable(False)
    initial = dict(os.environ)
    place = place_of_marker()
    capture = Capture(None, settings["socket"])
    capture.remove_files()
    capture.attach()
    step = local.LocalStep(capture)
    step.start_shell()
    run_empty_cell(step)
    watch = FileWatch()
    try:
        with names_of_ipython(step):
            replaced = carry_out_imports(settings["imports"], capture, settings.get("careful"))
        step.unseeded = unseeded_generators(len(settings["imports"]), settings.get("careful"))
    except Flaw as flaw:
        start_over(settings, flaw.at, listener, initial)
    set_variables(replaced)
    watch.look()
    step.last_module = next(reversed(sys.modules))
    gc.collect()
    gc.freeze()
    order = Server(settings, listener, watch, lambda: run_empty_cell(step)).serve()
    end(step, in_fork(step, order, place))


# Getting warm


def run_empty_cell(step):
    """What Python and IPython do at the first cell, and with the first result, they have then done."""
    for name in LATE_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if step.shell is None:
        return
    step.pid = os.getpid()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(core.Step.execute(step, 0, 1, "None\n", core.Edit(), True))
    loop.close()
    step.cell, step.source, step.file = None, "", ""
    step.texts.clear()
    step.bound.clear()
    linecache.clearcache()


def names_of_ipython(step):
    """`get_ipython` and the like among the builtins, as while a cell runs: by these, pandas knows a notebook from a
    terminal when it is imported."""
    return step.shell.builtin_trap if step.shell else contextlib.nullcontext()


def carry_out_imports(rows, capture, careful):
    """Imports and environment writes in the notebook's order; gives what the latter replaced."""
    replaced = {}
    for at, (what, *row) in enumerate(rows):
        if what == "set":
            name, value = row
            replaced.setdefault(name, os.environ.get(name))
            os.environ[name] = value
            continue
        try:
            exec(row[0], {"__name__": "__main__"})
        except BaseException:
            raise Flaw(at) from None
        if not capture.is_silent() or has_threads() or not FORK_UNSAFE.isdisjoint(sys.modules):
            raise Flaw(at)
        if careful and any(map(is_obscure, generators())):
            raise Flaw(at)
    return replaced


def unseeded_generators(at, careful):
    """What forks have to give new seeds. To look for obscure ones takes long, so that is done only now, and after each
    import only where there are some."""
    found = generators()
    if not careful and any(map(is_obscure, found)):
        raise Flaw(at)
    return [each for each in found if has_no_seed(each)]


def has_threads():
    """Whether there are threads that a fork would not take along. Some libraries end theirs themselves before one."""
    if threading.active_count() > 1:
        return True
    if threads() > 1:
        pid = fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return threads() > 1


def threads():
    """The number of those that matter."""
    count = 0
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/comm", encoding="utf-8") as name:
            count += name.read().strip() not in FORK_SAFE_THREADS
    return count


def set_variables(values):
    """Environment variables; `None` unsets one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def start_over(settings, at, listener, environment):
    """The same program anew, without the import that cannot be had ahead; the second time, without all after it, so
    that a notebook of many such imports does not wait for as many starts."""
    if at == len(settings["imports"]):
        settings["careful"] = True
    else:
        del settings["imports"][at : None if settings.get("started over") else at + 1]
        settings["started over"] = True
    reading, writing = os.pipe()
    os.write(writing, json.dumps(settings).encode())
    os.close(writing)
    os.dup2(reading, 0)
    listener.set_inheritable(True)
    os.execve(sys.executable, sys.orig_argv, environment)


# Taking orders


class Server:
    def __init__(self, settings, listener, watch, rehearse):
        self.rehearse = rehearse
        self.path, self.idle, self.listener, self.watch = settings["socket"], settings["idle"], listener, watch
        self.inode = os.stat(self.path).st_ino
        self.spares, self.waiting, self.running = [], {}, {}
        self.lost = 0
        self.ends = False
        self.wake, waking = socket.socketpair()
        for each in (self.wake, waking, listener):
            each.setblocking(False)
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        self.waking = waking
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self):
        """Returns in a fork, with its order; the process itself ends here."""
        last = time.monotonic()
        while True:
            while not self.ends and len(self.spares) < SPARES:
                order = self.add_spare()
                if order:
                    return order
            ready = self.poll(max(last + self.idle - time.monotonic(), 0))
            if ready or self.running:
                last = time.monotonic()
            if self.wake.fileno() in ready:
                self.reap()
            if self.listener.fileno() in ready:
                self.accept()
            for connection in [each for each in self.connections() if each.fileno() in ready]:
                self.hear(connection)
            if not ready and not self.running:
                self.end()
            if self.ends and not self.running:
                os._exit(0)

    def connections(self):
        return [*self.waiting, *filter(None, self.running.values())]

    def poll(self, seconds):
        poll = select.poll()
        for each in (self.wake, *([] if self.ends else [self.listener]), *self.connections()):
            poll.register(each, select.POLLIN)
        timeout = None if self.running else seconds * 1000 + 1
        return {descriptor for descriptor, _ in poll.poll(timeout)}

    def end(self):
        """Takes no more orders."""
        if not self.ends:
            self.ends = True
            if (stamp(self.path) or (0, 0, 0))[2] == self.inode:
                os.unlink(self.path)
            self.listener.close()

    def add_spare(self):
        own, theirs = socket.socketpair()
        pid = fork()
        if pid == 0:
            own.close()
            self.leave()
            # What a cell writes to first has to be copied from the parent, page by page: better before there is an
            # order than after.
            self.rehearse()
            return wait_for_order(theirs)
        theirs.close()
        self.spares.append((pid, own))
        return None

    def leave(self):
        """In a fork: nothing of the parent's stays open."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        spares = [own for _, own in self.spares]
        for each in (self.wake, self.waking, self.listener, *spares, *self.connections()):
            each.close()

    def accept(self):
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            connection.setblocking(True)
            self.waiting[connection] = b""

    def hear(self, connection):
        data = self.receive(connection)
        if connection in self.waiting:
            self.waiting[connection] += data
            whole = message_in(self.waiting[connection])
            if whole or not data:
                del self.waiting[connection]
                self.take(connection, whole) if whole else connection.close()
        elif not data:
            self.abandon(connection)

    def receive(self, connection):
        try:
            return connection.recv(1 << 16)
        except OSError:
            return b""

    def take(self, connection, order):
        if order.get("end"):
            self.end()
        why = self.reason_to_refuse(order)
        if why or not self.spares:
            send(connection, {"stale" if self.ends else "refused": why or "no process could be forked"})
            connection.close()
            return
        pid, spare = self.spares.pop(0)
        self.lost = 0
        self.running[pid] = connection
        send(spare, order)
        spare.close()
        send(connection, {"pid": pid, "parent": os.getpid()})
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def reason_to_refuse(self, order):
        if order["version"] != VERSION or self.ends:
            return f"no orders of version {order['version']} are taken"
        changed = self.watch.changed()
        if changed:
            self.end()
            return f"{changed} has changed"
        beside = self.watch.beside(order["directory"])
        return beside and f"{beside} lies beside the notebook"

    def reap(self):
        with contextlib.suppress(BlockingIOError):
            self.wake.recv(1 << 10)
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if any(spare == pid for spare, _ in self.spares):
                self.lose(pid)
            connection = self.running.pop(pid, None)
            if connection:
                cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
                send(connection, {"status": status, "cpu_seconds": cpu, "peak_memory_bytes": peak})
                connection.close()

    def lose(self, pid):
        """A fork has ended before it had an order. Where all do, for want of memory or of files of this package, others
        would for ever: then steps have to start without this process."""
        self.spares = [spare for spare in self.spares if spare[0] != pid]
        self.lost += 1
        if self.lost > LOST:
            self.end()

    def abandon(self, connection):
        for pid, other in list(self.running.items()):
            if other is connection:
                with contextlib.suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)
                self.running[pid] = None
        connection.close()


def send(connection, message):
    data = json.dumps(message).encode()
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack(">I", len(data)) + data)


def message_in(data):
    """The message, once it is there as a whole."""
    size = 4 + struct.unpack(">I", data[:4])[0] if len(data) >= 4 else 4
    return json.loads(data[4:size]) if 4 < size <= len(data) else None


# In the fork


def wait_for_order(connection):
    data = b""
    while not message_in(data):
        chunk = connection.recv(1 << 16)
        if not chunk:
            os._exit(0)
        data += chunk
    connection.close()
    return message_in(data)


def in_fork(step, order, place):
    mark(order["marker"], place)
    set_variables(order["environment"])
    request = local.read_request(order["request"])
    step.capture.move(request.get("log"), request["result"])
    step.take(request)
    mend(step)
    return local.carry_out(step)


def mend(step):
    """What libraries know of the process from when they were imported."""
    folder = os.getcwd()
    if step.shell:
        visited = step.shell.user_ns["_dh"]
        visited[:] = [type(visited[0])(folder)]
        step.shell.starting_dir = folder
    processes = sys.modules.get("multiprocessing.process")
    if processes:
        processes.ORIGINAL_DIR = folder
    for generator in step.unseeded:
        reseed(generator)
    torch = sys.modules.get("torch")
    if hasattr(torch, "seed"):
        torch.seed()


def end(step, code):
    """Ends the fork as the interpreter would end, but for taking apart what it shares with its parent, for which all
    that memory would have to be copied."""
    local.leave(code)
    threading._shutdown()
    atexit._run_exitfuncs()
    step.verifier = None
    if step.shell:
        step.shell.user_ns.get("Out", {}).clear()
    for names in (vars(module) for module in (step.main, *own_modules(step))):
        for name in sorted(names, key=lambda name: not name.startswith("_")):
            if name != "__builtins__":
                names[name] = None
    gc.collect()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    # Runs what C libraries have registered, such as the flushing of their own files.
    ctypes.PyDLL(None).exit(code)


def own_modules(step):
    """Modules beside the notebook. They are among the last: before the fork, none was imported."""
    late = list(itertools.takewhile(lambda name: name != step.last_module, reversed(sys.modules)))
    modules = [sys.modules[name] for name in reversed(late)]
    return [module for module in modules if step.audit.is_beside(getattr(module, "__file__", None) or "")]


def place_of_marker():
    """Where in this process's memory `/proc/PID/environ` has the marker's value, and its size."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    with open("/proc/self/environ", "rb") as file:
        environment = file.read()
    before = b"%s=" % MARKER.encode()
    at = environment.index(before) + len(before)
    return int(fields[47]) + at, environment.index(b"\0", at) - at


def mark(marker, place):
    """As if the process had been started with the marker: forks of its own have it, too."""
    address, size = place
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(marker.encode().ljust(size, b"\0")[:size])
    os.environ[MARKER] = marker
