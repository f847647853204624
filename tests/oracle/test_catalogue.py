"""Every diagnostic of the catalogue is triggered by some test."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOGUE = ROOT / "rust" / "kale_model" / "src" / "diagnostic" / "code.rs"


def entries() -> dict[str, str]:
    """Variant to id."""
    text = CATALOGUE.read_text(encoding="utf-8")
    return dict(re.findall(r'^ {4}(\w+) = "([a-z-]+)", (?:Error|Warning|Info);', text, re.M))


def tests() -> str:
    """The text of all tests: files of tests, and the tests inside of Rust files."""
    files = [*ROOT.glob("tests/spec/*.md"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("rust/*/tests/**/*.rs")]
    whole = [path.read_text(encoding="utf-8") for path in files if path != Path(__file__)]
    inside = [path.read_text(encoding="utf-8") for path in ROOT.glob("rust/*/src/**/*.rs")]
    return "\n".join(whole + [text.partition("#[cfg(test)]")[2] for text in inside])


#: Raised as errors of the store, by these names in its tests.
STORE_ERRORS = {"run-busy": "StoreError::Busy"}


def test_every_code_is_triggered_by_a_test():
    text = tests()
    named = {
        code: code in text or f"Code::{variant}" in text or STORE_ERRORS.get(code, "\0") in text
        for variant, code in entries().items()
    }
    assert len(named) > 40
    assert [code for code, is_named in named.items() if not is_named] == []
