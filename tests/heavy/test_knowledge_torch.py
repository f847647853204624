"""Is what the knowledge base says of torch true? Every function, method and layer is called, as in `test_knowledge`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oracle import knowledge
from tests.oracle.knowledge import MISSING, Entry, resolve
from tests.oracle.test_knowledge import Case, bound, is_sampled, plain_call

from .samples import RECEIVERS, TENSORS

ENOUGH = 12
"""Of calls of one entry on one receiver."""


def cases(entry: Entry) -> Iterator[list[Case]]:
    if entry.is_method:
        receivers, samples = RECEIVERS[entry.owner]
        for receiver in receivers:
            yield [Case(entry, bound(entry, receiver, arguments)) for arguments in samples]
        return
    function = resolve(entry.path)
    if function is not MISSING and callable(function):
        yield [Case(entry, plain_call(function, arguments)) for arguments in TENSORS]


def outcomes(entry: Entry) -> tuple[int, set[str]]:
    """How many of the sample arguments suit the entry, and what was wrong."""
    done, faults = 0, set()
    for group in cases(entry):
        suited = 0
        for case in group:
            try:
                found = case.faults()
            except Exception:  # noqa: BLE001 - these arguments do not suit this function
                continue
            suited += 1
            faults |= {f"{entry.path}: {fault}" for fault in found}
            if suited == ENOUGH:
                break
        done += suited
    return done, faults


@pytest.mark.parametrize("owner", ["torch", *RECEIVERS])
def test_calls_do_what_their_lines_say(owner):
    entries = [e for e in knowledge.entries() if e.owner == owner and is_sampled(e)]
    results = {e.name: outcomes(e) for e in entries}
    called = sum(done > 0 for done, _ in results.values())
    print("not called", sorted(name for name, (done, _) in results.items() if not done))
    assert not sorted(fault for _, faults in results.values() for fault in faults)
    assert called >= 0.7 * len(results), f"only {called} of {len(results)} could be called"
