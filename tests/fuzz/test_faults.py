"""Random notebooks find faults: a few of those that are planted, here; `make fuzz` measures all of them."""

import pytest

from .faults import find, names
from .planner import build

SAMPLE = ("NoAliasOfNames", "EarlyBinding", "LostRng", "DroppedDel", "MissedDefault", "AliasGroupSplit")


@pytest.fixture(scope="module")
def executable():
    return build(planted_faults=True)


def test_there_are_twenty_faults():
    assert len(names()) >= 20
    assert set(SAMPLE) <= set(names())


@pytest.mark.parametrize("fault", SAMPLE)
def test_a_planted_fault_is_found(fault, executable):
    assert find(executable, fault) is not None
