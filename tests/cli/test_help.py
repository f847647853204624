"""Help texts as golden files: `KALE_BLESS=1` writes them, a person reads the difference."""

import os
from pathlib import Path

import pytest
from kale_rs import _native

from .support import call

GOLDEN = Path(__file__).parent / "help"
VERBS = _native.cli_verbs()


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_the_golden_one(verb):
    done = call(*[verb] if verb else [], "--help")
    assert (done.returncode, done.stderr) == (0, "")
    path = GOLDEN / f"{verb or 'kale-rs'}.txt"
    if os.environ.get("KALE_BLESS") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {"kale-rs", *VERBS}


def test_version():
    done = call("--version")
    assert done.stdout == f"kale-rs {_native.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_verb(shell):
    done = call("completion", shell)
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
