# ruff: noqa: E501 (cells are easier to read on one line)
"""Classes by value that hold instances, subclasses, or themselves."""

import pytest
from conftest import text_of

#: What is defined, the variables that travel, and what must hold after the trip.
CASES = {
    "a singleton": (
        "class One:\n    it = None\n    def __new__(cls):\n        if cls.it is None: cls.it = super().__new__(cls)\n        return cls.it\n"
        "one = One()",
        "one One", "One() is one and One.it is one",
    ),
    "instances that register": (
        "class Node:\n    all = []\n    def __init__(self, name):\n        self.name = name\n        Node.all.append(self)\n"
        "first, second = Node('a'), Node('b')",
        "second Node first", "Node.all == [first, second] and type(first) is Node",
    ),
    "subclasses that register": (
        "class Base:\n    kinds, count = {}, 0\n    def __init_subclass__(cls, tag):\n        Base.kinds[tag] = cls\n        Base.count += 1\n"
        "class Sub(Base, tag='s'): pass\nclass SubSub(Sub, tag='t'): pass",
        "SubSub Base", "Base.count == 2 and Base.kinds['t'] is SubSub and SubSub.__mro__[2] is Base",
    ),
    "a hook that nobody calls again": (
        "class Count:\n    n = 0\n    def __init_subclass__(cls): Count.n += 1\nclass Sub(Count): pass",
        "Count Sub", "Count.n == 1 and [type('New', (Count,), {})] and Count.n == 2",
    ),
    "a metaclass": (
        "class Meta(type):\n    made = {}\n    def __new__(mcs, *a):\n        cls = super().__new__(mcs, *a)\n        mcs.made[cls.__name__] = cls\n        return cls\n"
        "    def __init__(cls, *a): cls.order = len(Meta.made)\nclass A(metaclass=Meta): pass\nclass B(A): pass",
        "B A Meta", "list(Meta.made.values()) == [A, B] and (A.order, B.order) == (1, 2) and type(B) is Meta",
    ),
    "an enumeration": (
        "import enum\nclass Color(enum.Enum):\n    RED = [1]\n    BLUE = [2]\nColor.RED.value.append(Color)\nColor.BLUE.note = Color.RED",
        "Color", "list(Color) == [Color.RED, Color.BLUE] and Color.RED.value[1] is Color and Color.BLUE.note is Color.RED and Color([2]) is Color.BLUE",
    ),
    "numbers and flags with names": (
        "import enum\nclass Level(enum.IntEnum):\n    LOW = 1\n    HIGH = 2\nclass Right(enum.Flag):\n    R = 1\n    W = 2\n"
        "Level.LOW.note = Right.R.note = 'n'\nboth = Right.R | Right.W",
        "both Right Level", "Level(1) is Level.LOW < Level.HIGH and Level.LOW.note == 'n' and Right(3) is both and Right.R in both",
    ),
    "an abstract class": (
        "import abc\nclass Shape(abc.ABC):\n    known = []\n    @abc.abstractmethod\n    def area(self): ...\n"
        "class Square(Shape):\n    def area(self): return __class__\nclass Other: pass\nShape.known.append(Square())\nShape.register(Other)",
        "Shape Square Other", "type(Shape.known[0]) is Square is Square().area() and isinstance(Other(), Shape) and Shape.__abstractmethods__ == {'area'}",
    ),
    "slots, and names that are private": (
        "class Slotted:\n    __slots__ = ('a', '__b')\n    all = []\n    def __init__(self):\n        self.a, self.__b = 1, 2\n        self.all.append(self)\n    def b(self): return self.__b\n"
        "one = Slotted()",
        "one Slotted", "one.b() == 2 and Slotted.all == [one] and not hasattr(one, '__dict__')",
    ),
    "instances with a say in how they are read": (
        "class Key:\n    known = set()\n    def __init__(self, name):\n        self.name = name\n        Key.known.add(self)\n"
        "    def __hash__(self): return hash(self.name)\n    def __eq__(self, other): return self.name == other.name\n"
        "    def __getstate__(self): return self.name\n    def __setstate__(self, name): self.name = name\nkey = Key('k')",
        "key Key", "[*Key.known][0] is key and Key('k') in Key.known and len(Key.known) == 1",
    ),
    "the order of attributes": (
        "class Config:\n    zeta = 1\n    alpha = [2]\n    it = None\n    last = 3\nConfig.it = Config()",
        "Config", "[name for name in vars(Config) if name[0] != '_'] == ['zeta', 'alpha', 'it', 'last']",
    ),
    "a list that holds itself": (
        "class Items(list):\n    first = None\nItems.first = items = Items([1])\nitems.append(items)",
        "items Items", "Items.first is items is items[1] and len(items) == 2",
    ),
    "a class within a class": (
        "class Outer:\n    class Inner:\n        outer = None\nOuter.Inner.outer = Outer",
        "Outer", "Outer.Inner.outer is Outer and Outer.Inner.__qualname__ == 'Outer.Inner'",
    ),
}  # fmt: skip


def look(names, holds):
    return f"assert {holds}\nprint('as it was')"


@pytest.mark.parametrize("name", CASES)
def test_is_what_it_was(bench, name):
    pytest.importorskip("dill")
    source, names, holds = CASES[name]
    make = [["run", 0, 1, source, [], []], ["save", "k", "callable", names.split()]]
    assert bench.run(make)["error"] is None
    first = (bench.scratch / "k").read_bytes()
    result = bench.run([["load", "k", "callable", names.split()], ["run", 1, 1, look(names, holds), [], []]])
    assert result["error"] is None, result["error"]
    assert text_of(result, cell=1) == "as it was\n"
    bench.run(make)
    assert (bench.scratch / "k").read_bytes() == first


def test_in_a_container(bench):
    pytest.importorskip("dill")
    for name in ("a singleton", "subclasses that register", "an enumeration"):
        source, names, holds = CASES[name]
        options = {"requirements": ["dill"], "KALE_INSTALL": "0"}
        made = bench.embedded([["run", 0, 1, source, [], []], ["save", "k", "callable", names.split()]], **options)
        assert made is not None, bench.stderr
        bench.embedded([["load", "k", "callable", names.split()], ["run", 1, 1, look(names, holds), [], []]], **options)
        assert bench.stdout == "as it was\n", bench.stderr
