"""Every diagnostic of the catalogue is triggered by some test, and stands in the table that users read.

`KALE_BLESS=1` writes the table.
"""

import os
import re
from pathlib import Path

import kale_rs

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOGUE = ROOT / "rust" / "kale_model" / "src" / "diagnostic" / "code.rs"


def entries() -> dict[str, str]:
    """Variant to id."""
    text = CATALOGUE.read_text(encoding="utf-8")
    return dict(re.findall(r'^ {4}(\w+) = "([a-z-]+)", (?:Error|Warning|Info);', text, re.M))


def sources_of_tests() -> str:
    """The text of all tests: files of tests, and the tests inside of Rust files."""
    files = [*ROOT.glob("tests/spec/*.md"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("rust/*/tests/**/*.rs")]
    whole = [path.read_text(encoding="utf-8") for path in files if path != Path(__file__)]
    inside = [path.read_text(encoding="utf-8") for path in ROOT.glob("rust/*/src/**/*.rs")]
    return "\n".join(whole + [text.partition("#[cfg(test)]")[2] for text in inside])


#: Raised as errors of the store, by these names in its tests.
STORE_ERRORS = {"run-busy": "StoreError::Busy"}


def test_every_code_is_triggered_by_a_test():
    text = sources_of_tests()
    named = {
        code: code in text or f"Code::{variant}" in text or STORE_ERRORS.get(code, "\0") in text
        for variant, code in entries().items()
    }
    assert len(named) > 40
    assert [code for code, is_named in named.items() if not is_named] == []


TABLE = ROOT / "rust" / "kale_model" / "diagnostics.md"
INTRODUCTION = """# Diagnostics

What kale_rs tells about a notebook or a run. `kale-rs explain ID` prints the page of one. *K* is the number of the same
finding in the specification of dependency inference that this follows; below are the numbers that have no diagnostic.
Written by `KALE_BLESS=1 pytest tests/oracle/test_catalogue.py`.
"""
#: Numbers of the specification (section 2.8), and our names.
NUMBERS = {
    "K001": "syntax-error nesting-too-deep",
    "K002": "unsupported-syntax",
    "K003": "opaque-code",
    "K102": "unreadable-star",
    "K103": "dynamic-code",
    "K104": "dynamic-code",
    "K105": "undefined-name",
    "K106": "dynamic-code sub-notebook",
    "K107": "deleted-name",
    "K201": "bound-in-skipped-cell",
    "K202": "step-cycle",
    "K203": "missing-prev",
    "K204": "prev-order unknown-prev",
    "K205": "parameter-reassigned",
    "K206": "impure-prelude",
    "K207": "not-a-metric metric-value",
    "K208": "bad-tag unknown-tag",
    "K209": "bad-tag",
    "K301": "joined-unshippable",
    "K302": "shared-buffer",
    "K304": "unknown-path not-in-target",
    "K305": "unseeded-randomness",
    "K306": "too-large",
    "K310": "unshippable-value",
    "K401": "ipython-history",
    "K402": "interactive-input",
    "K405": "process-state",
    "K501": "undeclared-change",
    "K502": "undeclared-read",
    "K503": "undeclared-sharing",
    "K504": "undeclared-resource",
    "K505": "undeclared-randomness",
    "K506": "undeclared-setting",
    "K507": "value-not-faithful",
}
#: Numbers without a diagnostic, and why.
SILENT = {
    "K101": "that an unknown call counts as changing its arguments is the normal case; `graph --why` names the lines "
    "that are concerned, and `# kale: pure f` says otherwise",
    "K108": "a function with state travels by value; nothing has to be done",
    "K109": "a function by value finds its globals where it is called, as in the notebook",
    "K303": "a lock or a logger is made again where it is used; nothing has to be done",
    "K403": "a step that uses the network is not cached; nothing has to be done",
    "K404": "the pipeline stops at the first failing step and what depends on it; the README says so",
}
#: All numbers of section 2.8.
SPECIFIED = [
    *range(1, 4), *range(101, 110), *range(201, 210), *range(301, 307), 310, *range(401, 406), *range(501, 508),
]  # fmt: skip


def table() -> str:
    numbers: dict[str, list[str]] = {}
    for number, codes in NUMBERS.items():
        for code in codes.split():
            numbers.setdefault(code, []).append(number)
    rows = [
        f"| `{page['id']}` | {page['severity']} | {', '.join(numbers.get(page['id'], []))} | {page['summary']} |"
        for page in kale_rs.explain().pages.values()
    ]
    silent = [f"- {number}: {why}." for number, why in SILENT.items()]
    head = ["| id | severity | K | meaning |", "|---|---|---|---|"]
    return "\n".join([INTRODUCTION, *head, *rows, "", "Numbers without a diagnostic:", "", *silent, ""])


def test_the_table_is_that_of_the_catalogue():
    if os.environ.get("KALE_BLESS") == "1":
        TABLE.write_text(table(), encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == table()


def test_every_number_of_the_specification_is_in_the_table():
    assert sorted([*NUMBERS, *SILENT]) == [f"K{number:03}" for number in SPECIFIED]
    assert {code for codes in NUMBERS.values() for code in codes.split()} <= set(entries().values())
