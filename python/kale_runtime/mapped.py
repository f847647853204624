"""Values on this machine: pickles whose large buffers are mapped, not read.

The file is an ordinary pickle, which `pickle.load` reads anywhere. The bytes of a large buffer (the memory of an array,
a column of a table) lie in it as they are, at an aligned place; behind the pickle's end, where `pickle.load` does not
look, an index says where:

    ... pickle ... | no-ops | opcode, length | bytes of a buffer, aligned | ... pickle, STOP | rows of the index | tail

Between the pickle and the index there may be a second pickle, with the layout of sets (`sets.py`).

So a reader maps the file privately and lets arrays stand on the mapping: nothing is copied until it is written to, and
what is written never reaches the file.

The place of a buffer is known without looking for it: CPython's pickler hands a payload of 64 kiB and more to `write`
by itself, in a call of its own, right after its opcode and length.
"""

import ctypes
import io
import mmap
import os
import pickle
import struct
import sys

from kale_runtime import classes, memory, sets
from kale_runtime import step as core

core.writing_classes, core.writing_arrays = classes.writing_classes, memory.writing_arrays

ALIGNMENT = 64
#: Of a large buffer, what is written at one time: the engine is told of each write, and hashes it beside the next.
PIECE = 8 << 20
#: Do nothing between two opcodes of a pickle: push a mark, or a number, and drop it.
NO_OP, ODD_NO_OP = b"(1", b"K\x000"
#: What may stand before a payload: an opcode, and how its length is written.
HEADS = {pickle.BYTEARRAY8: "<Q", pickle.BINBYTES8: "<Q", pickle.BINBYTES: "<I"}
#: Of the index: where the opcode is, where its payload begins and ends. Last, the number of rows, and the mark.
ROW, TAIL, MARK = struct.Struct("<QQQ"), struct.Struct("<Q8s"), b"kale_buf"


class Writer:
    """Stands between a pickler and a file."""

    def __init__(self, file):
        self.file, self.position, self.held, self.rows, self.may_hold_sets = file, 0, b"", [], False

    def write(self, data):
        if isinstance(data, pickle.PickleBuffer):
            with data.raw() as view:
                self.payload(view)
                return view.nbytes
        self.forward(self.held)
        self.held = b""
        self.may_hold_sets = self.may_hold_sets or b"\x8f" in data or b"\x91" in data  # the opcodes of sets
        if isinstance(data, bytes):
            self.held = data  # it may end with the opcode of a payload
        else:
            self.forward(data)
        return len(data)

    def payload(self, view):
        head = next((head for head in heads(view.nbytes) if self.held.endswith(head)), b"")
        self.forward(self.held[: len(self.held) - len(head)])
        if head:
            self.forward(no_ops(-(self.position + len(head)) % ALIGNMENT))
            begin = self.position + len(head)
            self.rows.append((self.position, begin, begin + view.nbytes))
        self.forward(head)
        reserve(self.file, self.position, view.nbytes)
        for begin in range(0, view.nbytes, PIECE):
            self.forward(view[begin : begin + PIECE])
        self.held = b""

    def forward(self, data):
        self.file.write(data)
        self.position += len(data)

    def close(self):
        self.forward(self.held)
        if self.rows:
            self.file.write(b"".join(ROW.pack(*row) for row in self.rows) + TAIL.pack(len(self.rows), MARK))


def reserve(file, position, size):
    """Room on the disk, in one piece, for what comes now: spares the file system a third of its work. The file is not
    longer for it. Where that cannot be had, the file grows as it is written."""
    if size < PIECE or not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return
    keep_size, offset = 1, ctypes.c_int64
    try:
        ctypes.CDLL(None).fallocate(file.fileno(), keep_size, offset(position), offset(size))
    except (AttributeError, OSError):
        return


def heads(size):
    for opcode, length in HEADS.items():
        if size < 1 << (8 * struct.calcsize(length)):
            yield opcode + struct.pack(length, size)


def no_ops(size):
    """So many bytes of them, or so many and `ALIGNMENT`: one byte alone cannot be had."""
    size += ALIGNMENT if size == 1 else 0
    odd = size % 2
    return ODD_NO_OP * odd + NO_OP * ((size - 3 * odd) // 2)


def dump(values, file, kind, by_name=()):
    writer = Writer(file)
    pickler = core.dump(values, writer, kind, by_name)
    if writer.may_hold_sets:
        sets.dump(pickler)
    writer.close()


def load(file, kind):
    rows = index(file)
    if not rows:
        file.seek(0)
        return sets.load(core.pickling(kind).Unpickler(file))
    view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    pieces, buffers, at = [], [], 0
    for opcode, begin, end in rows:
        can_change = view[opcode] == pickle.BYTEARRAY8[0]
        pieces += [view[at:opcode], pickle.NEXT_BUFFER if can_change else pickle.NEXT_BUFFER + pickle.READONLY_BUFFER]
        buffers.append(view[begin:end])
        at = end
    rest = view[at : len(view) - TAIL.size - len(rows) * ROW.size]
    return sets.load(core.pickling(kind).Unpickler(io.BytesIO(b"".join([*pieces, rest])), buffers=buffers))


def index(file):
    """The rows at the end of a file; none for a pickle without large buffers."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - TAIL.size, 0))
    tail = file.read()
    if len(tail) < TAIL.size or not tail.endswith(MARK):
        return []
    count, _ = TAIL.unpack(tail)
    if count * ROW.size + TAIL.size > size:
        return []
    file.seek(size - TAIL.size - count * ROW.size)
    rows = list(ROW.iter_unpack(file.read(count * ROW.size)))
    in_order = [0, *(place for row in rows for place in row), size]
    return rows if in_order == sorted(in_order) else []
