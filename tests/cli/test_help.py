"""Help texts as golden files: `KALE_BLESS=1` writes them, a person reads the difference."""

import os
from pathlib import Path

import pytest
from kale_rs import _native

from .support import call

GOLDEN = Path(__file__).parent / "help"
VERBS = _native.cli_verbs()
#: Verbs of verbs.
INNER = {
    "context": "add list use test remove",
    "schedule": "add list pause resume remove",
    "services": "show logs stop",
    "snapshot": "push pull",
    "sweeps": "show stop resume extend export",
}
PAGES = ["", *VERBS, *(f"{verb} {inner}" for verb, inners in INNER.items() for inner in inners.split())]


def file_of(page: str) -> str:
    return page.replace(" ", "-") or "kale-rs"


@pytest.mark.parametrize("page", PAGES)
def test_help_is_the_golden_one(page):
    done = call(*page.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Examples:" in done.stdout or "A first session:" in done.stdout
    path = GOLDEN / f"{file_of(page)}.txt"
    if os.environ.get("KALE_BLESS") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(map(file_of, PAGES))


def test_all_inner_verbs_are_listed():
    for verb in VERBS:
        commands = call(verb, "--help").stdout.partition("\nCommands:\n")[2].partition("\n\n")[0]
        names = [line.split()[0] for line in commands.splitlines()]
        assert names == INNER.get(verb, "").split(), verb


def test_version():
    done = call("--version")
    assert done.stdout == f"kale-rs {_native.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_verb(shell):
    done = call("completion", shell)
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
