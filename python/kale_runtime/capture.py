"""What a step writes, per cell: Python's streams, what C libraries and subprocesses write, and displays, in order.

File descriptors 1 and 2 lead to files and not to pipes: nothing ever waits for a reader, so a library that prints
while it holds the interpreter lock cannot hang, and 100 MB of prints take no memory. What arrives there is moved on
five times a second, and whenever Python changes from one stream to the other or displays something, which keeps the
order. It goes to the log and to the cell's outputs, to each within a limit: a loop that never stops printing must not
fill the disk. What has been moved on gives its place in the file back.

The files have names, `PREFIX.stdout` and `PREFIX.stderr`, until the capture stops; `PREFIX.drained` tells how much of
each is in the log. So whoever finds that the process has died can save its last words.
"""

import faulthandler
import io
import os
import sys
import threading

#: Bytes kept per stream and cell, of the beginning and of the end.
HEAD = TAIL = 512 * 1024
#: Bytes of a step's log.
LOG_LIMIT = 256 * 1024 * 1024
CUT = b"\n[the log of a step holds %d MiB: what comes after is left out]\n" % (LOG_LIMIT >> 20)
#: So much of a file is given back at a time.
RELEASE = 16 * 1024 * 1024
#: Seconds between two looks at the files.
LOOK = 0.2


class CellOutputs:
    """The nbformat outputs of one cell."""

    def __init__(self, count):
        self.count = count
        self.outputs = []
        self.clear_at_next = False
        self.forget_text()

    def forget_text(self):
        self.room = {"stdout": HEAD, "stderr": HEAD}
        self.tails = {"stdout": bytearray(), "stderr": bytearray()}
        self.dropped = {"stdout": 0, "stderr": 0}

    def text(self, name, chunk):
        self.clear_if_due()
        head = chunk[: self.room[name]]
        if head:
            self.room[name] -= len(head)
            last = self.outputs[-1] if self.outputs else {}
            if last.get("name") != name:
                last = {"output_type": "stream", "name": name, "text": bytearray()}
                self.outputs.append(last)
            last["text"] += head
        tail = self.tails[name]
        tail += chunk[len(head) :]
        if len(tail) > 2 * TAIL:
            self.dropped[name] += len(tail) - TAIL
            del tail[:-TAIL]

    def add(self, output):
        self.clear_if_due()
        self.outputs.append(output)

    def clear(self, wait):
        self.clear_at_next = wait
        if not wait:
            self.outputs.clear()
            self.forget_text()

    def clear_if_due(self):
        if self.clear_at_next:
            self.clear(False)

    def finish(self):
        """The outputs as JSON, with the end of what was too long after its beginning."""
        ends = {name: self.end_of(name) for name, tail in self.tails.items() if tail}
        finished = []
        for output in reversed(self.outputs):
            output = {key: value for key, value in output.items() if key != "display_id"}
            if output["output_type"] == "stream":
                text = bytes(output["text"]) + ends.pop(output["name"], b"")
                output["text"] = text.decode("utf-8", "replace")
            finished.append(output)
        return {"outputs": finished[::-1], "execution_count": self.count}

    def end_of(self, name):
        tail = self.tails[name]
        dropped = self.dropped[name] + max(len(tail) - TAIL, 0)
        notice = b"\n[%d bytes are left out here; the log has them]\n" % dropped if dropped else b""
        return notice + bytes(tail[-TAIL:])


class Spool:
    """A file that stands behind one file descriptor."""

    def __init__(self, name, descriptor, prefix):
        self.name, self.descriptor, self.file = name, descriptor, None
        self.open(prefix)

    def open(self, prefix):
        """A new file; an older one is left to whoever has its descriptors."""
        self.path, self.position, self.released = f"{prefix}.{self.name}", 0, 0
        new = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.file is None:
            self.file = new
        else:
            stand_for(new, self.file)

    def attach(self):
        os.dup2(self.file, self.descriptor)

    def attach_if_closed(self):
        try:
            os.fstat(self.descriptor)
        except OSError:
            self.attach()

    def chunks(self):
        while chunk := os.pread(self.file, 1 << 18, self.position):
            self.position += len(chunk)
            yield chunk
            if self.position - self.released >= RELEASE:
                release(self.file, self.position)
                self.released = self.position


def release(file, size):
    """Makes a hole of a file's beginning, where the system can: its place on the disk is free, its length stays."""
    if sys.platform != "linux" or sys.maxsize < 1 << 32:
        return
    import ctypes

    keep_size_and_punch = 1 | 2
    ctypes.CDLL(None).fallocate(file, keep_size_and_punch, ctypes.c_long(0), ctypes.c_long(size))


def stand_for(new, descriptor):
    """Lets a descriptor lead to where a new one leads, and closes that."""
    os.dup2(new, descriptor, inheritable=False)
    os.close(new)


class Stream(io.TextIOWrapper):
    """`sys.stdout` or `sys.stderr`. It has a descriptor of its own, so that `os.close(1)` does not concern it."""

    def __init__(self, capture, spool):
        raw = io.BufferedWriter(io.FileIO(os.dup(spool.file), "w"))
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
        self.capture, self.spool = capture, spool
        self.mode = "w"

    @property
    def name(self):
        return f"<{self.spool.name}>"

    def write(self, text):
        if self.capture.current is not self:
            self.capture.change_to(self)
        return super().write(text)

    def close(self):
        self.flush()


def open_log(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644) if path else None


def open_drained(prefix):
    path = f"{prefix}.drained"
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


class Capture:
    def __init__(self, log, prefix):
        self.pid = os.getpid()
        self.cell = self.watcher = None
        self.log, self.room = open_log(log), LOG_LIMIT
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.saved = [os.dup(1), os.dup(2)]
        self.replaced = sys.stdout, sys.stderr
        self.spools = [Spool("stdout", 1, prefix), Spool("stderr", 2, prefix)]
        self.drained_path, self.drained = open_drained(prefix)
        self.streams = [Stream(self, spool) for spool in self.spools]
        self.current = self.streams[0]

    def attach(self):
        """From here on all that is written is captured."""
        for stream, spool in zip(self.replaced, self.spools, strict=True):
            stream.flush()
            spool.attach()
        sys.stdout, sys.stderr = self.streams

    def move(self, log, prefix):
        """In a fork: the same streams, which others may hold, lead to files of its own."""
        self.pid, self.lock = os.getpid(), threading.RLock()
        self.log, self.room = open_log(log), LOG_LIMIT
        for saved in self.saved:
            stand_for(open_log(log), saved)
        for stream, spool in zip(self.streams, self.spools, strict=True):
            spool.open(prefix)
            stand_for(os.dup(spool.file), stream.fileno())
            spool.attach()
        os.close(self.drained)
        self.drained_path, self.drained = open_drained(prefix)

    def start(self):
        """Looks after what was written, now and then."""
        faulthandler.enable(self.spools[1].file)
        os.register_at_fork(
            before=self.before_fork, after_in_parent=self.lock.release, after_in_child=self.lock.release
        )
        self.watcher = threading.Thread(target=self.watch, name="kale_runtime capture", daemon=True)
        self.watcher.start()

    def before_fork(self):
        """A child must find empty buffers and a free lock."""
        self.flush()
        self.lock.acquire()

    def watch(self):
        while not self.stopping.wait(LOOK):
            self.drain()

    def change_to(self, stream):
        if os.getpid() == self.pid:
            with self.lock:
                self.flush()
                self.drain()
                self.current = stream

    def flush(self):
        for stream in {id(each): each for each in (*self.streams, sys.stdout, sys.stderr)}.values():
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                continue

    def drain(self):
        with self.lock:
            if self.stopping.is_set():
                return
            before = [spool.position for spool in self.spools]
            for spool in self.spools:
                for chunk in spool.chunks():
                    self.to_log(chunk)
                    if self.cell:
                        self.cell.text(spool.name, chunk)
            after = [spool.position for spool in self.spools]
            if after != before:
                self.note_drained(after)

    def note_drained(self, positions):
        try:
            os.pwrite(self.drained, b"%20d %20d" % tuple(positions), 0)
        except OSError:
            return  # a full disk: at worst the last words are there twice

    def to_log(self, chunk):
        if self.log is None:
            return
        fits = chunk[: self.room]
        self.room -= len(fits)
        is_cut = len(fits) < len(chunk)
        rest = fits + CUT if is_cut else fits
        try:
            while rest:
                rest = rest[os.write(self.log, rest) :]
        except OSError:
            # The log is a copy: a step does not fail for it.
            self.log = None
        if is_cut:
            self.log = None

    def begin(self, count):
        self.settle()
        self.cell = CellOutputs(count)

    def end(self):
        """Closes the cell and returns its outputs."""
        self.settle()
        cell, self.cell = self.cell, None
        return cell

    def is_silent(self):
        """Whether nothing was written so far."""
        self.flush()
        return not any(os.fstat(spool.file).st_size for spool in self.spools)

    def remove_files(self):
        for path in (self.drained_path, *(spool.path for spool in self.spools)):
            os.unlink(path)

    def settle(self):
        """Takes in what was written, and mends what a cell has closed."""
        self.flush()
        self.drain()
        for spool in self.spools:
            spool.attach_if_closed()
        for name, stream in zip(("stdout", "stderr"), self.streams, strict=True):
            present = getattr(sys, name)
            if present is None or getattr(present, "closed", False):
                setattr(sys, name, stream)

    def publish(self, output):
        """Adds a display, an execution result or an error, after all that was written before it."""
        self.flush()
        with self.lock:
            self.drain()
            if self.cell:
                self.cell.add(output)

    def clear_output(self, wait):
        self.flush()
        with self.lock:
            self.drain()
            if self.cell:
                self.cell.clear(wait)

    def stop(self):
        self.settle()
        faulthandler.disable()
        with self.lock:
            self.stopping.set()
            for saved, descriptor in zip(self.saved, (1, 2), strict=True):
                os.dup2(saved, descriptor)
            self.remove_files()
        sys.stdout, sys.stderr = self.replaced
