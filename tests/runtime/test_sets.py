"""Sets keep the layout of their hash table, and so the order of iteration, when they travel."""

import pickle
import random
import sys

import pytest
from conftest import RUNTIME, text_of

sys.path.insert(0, str(RUNTIME.parent))

from kale_runtime import sets  # noqa: E402

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="a matter of CPython's memory")


def travelled(value, path):
    with open(path, "w+b") as file:
        pickler = pickle.Pickler(file, 5)
        pickler.dump(value)
        sets.dump(pickler)
        file.seek(0)
        return sets.load(pickle.Unpickler(file))


def some(generator, count):
    def one():
        number = generator.randrange(10**6)
        return generator.choice([number, str(number), number / 7, (number % 50, "a"), None, True])

    return [one() for _ in range(count)]


def grown(generator):
    """A set that was filled, joined, copied and emptied in parts."""
    made = set(some(generator, generator.choice([1, 3, 4, 5, 6, 18, 19, 20, 40, 300])))
    for _ in range(generator.randrange(4)):
        match generator.randrange(5):
            case 0:
                made |= set(some(generator, generator.randrange(20)))
            case 1:
                made = set(made)
            case 2:
                for each in generator.sample(list(made), len(made) // 3):
                    made.discard(each)
            case 3:
                made.update(some(generator, 5))
            case 4 if made:
                made.pop()
    return made


def test_the_memory_of_sets_is_known():
    assert sets.KNOWN


@pytest.mark.parametrize("seed", range(8))
def test_order_now_and_after_changes(tmp_path, seed):
    generator = random.Random(seed)
    for _ in range(40):
        here = grown(generator)
        frozen = frozenset(here)
        values = travelled({"set": here, "more": [here, frozenset({frozen, "x"})], "frozen": frozen}, tmp_path / "v")
        there = values["set"]
        assert there is values["more"][0]
        assert list(there) == list(here) and list(values["frozen"]) == list(frozen)
        assert sys.getsizeof(there) == sys.getsizeof(here)
        for each in some(generator, generator.randrange(60)):
            here.add(each)
            there.add(each)
        assert list(there) == list(here) and all(each in there for each in here)
        assert [here.pop() for _ in range(len(here))] == [there.pop() for _ in range(len(there))]


def test_no_code_of_the_elements_runs():
    class Counted:
        calls = 0

        def __hash__(self):
            Counted.calls += 1
            return 7

    here = {Counted() for _ in range(10)}
    here.pop()
    Counted.calls = 0
    assert sets.layout(here) and Counted.calls == 0


def test_elements_with_other_hashes_are_left_alone(tmp_path):
    """Objects that are hashed by where they are: they have no order that could be kept."""
    here = {object() for _ in range(30)}
    there = travelled(here, tmp_path / "v")
    assert len(there) == 30 and all(each in there for each in there)


def test_a_container_reads_what_a_local_step_wrote(bench):
    first = ["run", 0, 1, "words = {f'word {n}' for n in range(80)}\nkept = sorted(words)", [], []]
    assert bench.run([first, ["save", "both", "value", ["words", "kept"]]])["error"] is None
    bench.embedded(
        [["load", "both", "value", ["words", "kept"]], ["run", 1, 1, "print(sorted(words) == kept)", [], []]]
    )
    assert bench.stdout == "True\n"


def test_order_between_steps(bench):
    source = "words = {f'word {n}' for n in range(80)}\nkept = list(words)"
    seed = {"environment": {"PYTHONHASHSEED": "5"}}
    save, load = (["save", "v", "value", ["words", "kept"]], ["load", "v", "value", ["words", "kept"]])
    assert bench.run([["run", 0, 1, source, [], []], save], **seed)["error"] is None
    assert text_of(bench.run([load, ["run", 0, 1, "print(list(words) == kept)", [], []]], **seed)) == "True\n"


def test_beside_large_buffers(bench):
    source = (
        "import numpy as np\nbig = np.arange(100_000.0)\nwords = {f'word {n}' for n in range(80)}\nkept = list(words)"
    )
    seed = {"environment": {"PYTHONHASHSEED": "5"}}
    names = ["big", "words", "kept"]
    assert bench.run([["run", 0, 1, source, [], []], ["save", "v", "value", names]], **seed)["error"] is None
    look = ["run", 0, 1, "print(list(words) == kept, big.base is not None, big[-1])", [], []]
    assert text_of(bench.run([["load", "v", "value", names], look], **seed)).startswith("True True 99999.0")
