"""One action, one function, one command: what the panel asks for is a function of `kale_rs` and a verb of `kale-rs`."""

import inspect
import re
from pathlib import Path

import kale_rs
import pytest
from kale_rs import _native, channel, magics

SOURCES = Path(__file__).resolve().parents[2] / "labextension" / "src"
#: What the channel answers itself: it is about the connection, and nothing that a person does.
OF_THE_CHANNEL = {"hello", "ping", "watch", "unwatch", "watch_sweep", "unwatch_sweep"}
OF_THE_CHANNEL |= {"watch_services", "watch_service_log", "unwatch_service_log", "variables"}


@pytest.fixture(scope="module")
def verbs():
    """Those of the list `VERBS` in `protocol.ts`, which types what the panel may ask for."""
    text = (SOURCES / "protocol.ts").read_text()
    [listed] = re.findall(r"export const VERBS = \[(.*?)\] as const;", text, re.S)
    found = re.findall(r"'(\w+)'", listed)
    assert len(found) >= 10 and found == sorted(set(found))
    return set(found)


def test_every_action_of_the_panel_is_a_function(verbs):
    functions = {name for name in kale_rs.__all__ if inspect.isfunction(getattr(kale_rs, name))}
    assert verbs <= functions


def test_every_action_of_the_panel_is_a_command(verbs):
    assert verbs <= set(_native.cli_verbs())


def test_every_action_of_the_panel_is_a_magic(verbs):
    assert verbs <= set(magics.VERBS)


def test_the_kernel_answers_every_action_of_the_panel(verbs):
    assert verbs <= set(channel.VERBS)


def test_the_panel_asks_for_nothing_else(verbs):
    """Also where the types are got around: every method that is asked for by its name is known."""
    asked = set()
    for source in SOURCES.rglob("*.ts*"):
        asked |= set(re.findall(r"\.(?:ask|request|call)\(\s*'(\w+)'", source.read_text()))
    assert asked and asked <= verbs | OF_THE_CHANNEL


def test_both_ends_mean_the_same_protocol():
    [number] = re.findall(r"export const PROTOCOL = (\d+);", (SOURCES / "protocol.ts").read_text())
    assert int(number) == channel.PROTOCOL
    [target] = re.findall(r"export const COMM_TARGET = '(\w+)';", (SOURCES / "protocol.ts").read_text())
    assert target == "kale_rs"
