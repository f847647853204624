"""Sets that are iterated after the trip in the order in which they were iterated before it.

CPython keeps the elements of a set in a hash table and iterates over its slots. Where an element stands depends on its
hash and on what stood in its way when it came. Pickle writes the elements in the order of the slots and adds them to a
new set, where others stand in the way: of sets with fifty strings, three of four come back in another order. A cell
that pairs a set's elements with what an earlier cell made of them would get wrong pairs.

So in an artifact a second pickle follows the first, with the *layout* of those sets that pickle alone would lay out
otherwise. The two share a memo, so the second refers to the very sets of the first, and who reads only the first (a
container, which has no room for this module) gets equal sets. The layout is read from CPython's memory and written back
there: entries are moved within tables that CPython made, and only where every hash is what it was. No code of the
elements runs. Where memory does not look as it should (another interpreter), there is no second pickle.
"""

import ctypes
import pickle
import sys
from array import array

WORD = 8
EMPTY = bytes(2 * WORD)
ATOMS = {type(None), bool, int, float, complex, str, bytes}


class Body(ctypes.Structure):
    """`PySetObject`, the same since CPython 3.7. `table` has `mask + 1` entries, each a pointer and a hash."""

    _fields_ = [
        ("head", ctypes.c_char * object.__basicsize__),
        ("fill", ctypes.c_ssize_t),  # elements, and dummies: an element removed leaves one
        ("used", ctypes.c_ssize_t),
        ("mask", ctypes.c_ssize_t),
        ("table", ctypes.c_void_p),
        ("hash", ctypes.c_ssize_t),
        ("finger", ctypes.c_ssize_t),  # where `pop` looks next
        ("smalltable", ctypes.c_ssize_t * 16),
        ("weakreflist", ctypes.c_void_p),
    ]


class Stand:
    """Stands for an element: it has the hash, and is equal to nothing else."""

    __slots__ = ("hash",)

    def __init__(self, hash):
        self.hash = hash

    def __hash__(self):
        return self.hash


def body(value):
    return Body.from_address(id(value))


def table(value):
    """A copy of the entries: pointer and hash of each in turn."""
    inside = body(value)
    return array("q", ctypes.string_at(inside.table, len(EMPTY) * (inside.mask + 1)))


def is_known():
    """Whether sets look in memory as described here."""
    if sys.implementation.name != "cpython" or set.__basicsize__ != ctypes.sizeof(Body) or sys.maxsize >> 32 == 0:
        return False
    probe = {1, 2, 3}
    inside = body(probe)
    numbers = (inside.fill, inside.used, inside.mask, inside.finger)
    return numbers == (3, 3, 7, 0) and list(table(probe)[:8]) == [0, 0, id(1), 1, id(2), 2, id(3), 3]


def dummy():
    """What stands in the place of an element that was removed."""
    probe = {1}
    probe.discard(1)
    return table(probe)[2]


KNOWN = is_known()
DUMMY = dummy() if KNOWN else None


def dump(pickler):
    """Behind what a pickler has dumped, the layouts of the sets in it."""
    if not KNOWN:
        return
    memo = pickler.memo if isinstance(pickler.memo, dict) else pickler.memo.copy()
    sets = [value for _, value in memo.values() if type(value) in (set, frozenset)]
    rows = [(value, *found) for value in sets if (found := layout(value))]
    if rows:
        pickler.dump(rows)


def layout(value):
    """Mask, finger, slots of the dummies, and of each element its slot and hash, in the order in which the set that
    pickle makes has them. `None` when that set is the same."""
    entries = table(value)
    pointers, hashes = entries[::2], entries[1::2]
    dummies = [slot for slot, pointer in enumerate(pointers) if pointer == DUMMY]
    taken = [slot for slot, pointer in enumerate(pointers) if pointer and pointer != DUMMY]
    # Atoms may stand for themselves; hashing and comparing others would run their code.
    is_plain = set(map(type, value)) <= ATOMS
    elements = list(value) if is_plain else [Stand(hashes[slot]) for slot in taken]
    plain = set(elements)
    inside, other = body(value), body(plain)
    places, slot_of = table(plain), dict(zip(map(id, elements), taken, strict=True))
    slots = array("q", (slot_of[pointer] for pointer in places[::2] if pointer))
    if inside.mask == other.mask and inside.finger == 0 and not dummies:
        if all(places[2 * slot] for slot in slots) and slots.tolist() == taken:
            return None
    hashes = array("q", (hash for pointer, hash in zip(places[::2], places[1::2], strict=True) if pointer))
    return inside.mask, inside.finger, dummies, slots, hashes


def load(unpickler):
    """What an unpickler loads, with its sets laid out as they were."""
    value = unpickler.load()
    try:
        rows = unpickler.load()
    except (EOFError, pickle.UnpicklingError):
        return value  # no second pickle is there, or no pickle
    for row in rows if KNOWN else ():
        arrange(*row)
    return value


def arrange(value, mask, finger, dummies, slots, hashes):
    """Moves the entries of a set to these slots, unless the elements have other hashes here."""
    old = table(value)
    at = [slot for slot, pointer in enumerate(old[::2]) if pointer and pointer != DUMMY]
    if [old[2 * slot + 1] for slot in at] != hashes.tolist():
        return
    new = array("q", EMPTY * (mask + 1))
    for slot in dummies:
        new[2 * slot], new[2 * slot + 1] = DUMMY, -1
    for slot, before in zip(slots, at, strict=True):
        new[2 * slot : 2 * slot + 2] = old[2 * before : 2 * before + 2]
    inside, giver = body(value), sized(mask + 1)
    if body(giver).mask != mask:
        return
    if inside.mask != mask:
        exchange(inside, body(giver))
    ctypes.memmove(inside.table, new.buffer_info()[0], len(new) * WORD)
    inside.fill, inside.used, inside.finger = len(at) + len(dummies), len(at), finger


def sized(size):
    """A set with a table of this size, and nothing but dummies in it."""
    # CPython makes the table for another set's elements at once: of the first size with room for twice as many.
    fillers = set(range(size * 3 // 8))
    made = set(fillers)
    for each in fillers:
        made.discard(each)
    return made


def exchange(ours, theirs):
    """Exchanges the tables of two sets, to leave both empty. The entries of ours are kept by who calls."""
    tables = [None if inside.mask == 7 else inside.table for inside in (theirs, ours)]
    masks = theirs.mask, ours.mask
    for inside, other, mask in zip((ours, theirs), tables, masks, strict=True):
        inside.fill = inside.used = 0
        inside.table, inside.mask = other or ctypes.addressof(inside) + Body.smalltable.offset, mask
        ctypes.memset(inside.table, 0, len(EMPTY) * (mask + 1))
