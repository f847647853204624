"""Code and files that no command line has room for, in steps that have nothing but Python, by the official runner."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from . import kfp_support as kfp

#: This is the environment of the SDK; kale_rs is in the other one.
COMMAND = kfp.ROOT / ".venv" / "bin" / "kale-rs"
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def noise(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(LETTERS, k=length))


def written(folder: Path) -> tuple[Path, dict[str, float]]:
    """A notebook whose code, module and input are long, and the metrics that it has."""
    literal, constant, data = noise(180_000, 1), noise(60_000, 2), noise(150_000, 3)
    (folder / "tables.py").write_text(f"TABLE = '{constant}'\n\n\ndef count(text):\n    return text.count('a')\n")
    (folder / "data").mkdir()
    (folder / "data" / "letters.txt").write_text(data)
    cells = [
        ("import tables", ["imports"]),
        (f"text = '{literal}'\nfirst = tables.count(text)", ["step:literal"]),
        ("second = tables.count(open('data/letters.txt').read())", ["step:file"]),
        ("third = tables.count(tables.TABLE)\nall = first + second + third", ["step:all"]),
        ("print(first)\nprint(second)\nprint(all)", ["pipeline-metrics"]),
    ]
    rows = [
        {"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": [], "execution_count": None}
        for source, tags in cells
    ]
    path = folder / "large.ipynb"
    path.write_text(json.dumps({"cells": rows, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    counts = [text.count("a") for text in (literal, data, constant)]
    return path, {"first": counts[0], "second": counts[1], "all": sum(counts)}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    path, metrics = written(folder)
    done = subprocess.run([COMMAND, "compile", path, "-o", "-"], capture_output=True, text=True, check=True)
    return done.stdout, metrics


def test_long_code_is_ahead_of_its_steps(large):
    ir, _ = large
    parsed = kfp.strict_parse(ir)
    tasks = parsed.spec.root.dag.tasks
    carriers = {name for name in tasks if name.startswith("code")}
    users = {carrier: sum(carrier in task.dependent_tasks for task in tasks.values()) for carrier in carriers}
    assert sorted(users.values()) == [1, 1, 1, 1, 1, 3], "the module, which all steps need, goes once"
    for executor in parsed.deployment.executors.values():
        words = [*executor.container.command, *executor.container.args]
        assert sum(map(len, words)) < 110_000


def test_it_runs_with_nothing_but_python(large, tmp_path):
    ir, metrics = large
    work = tmp_path / "work"
    work.mkdir()
    found = kfp.run_locally(kfp.load_ir(ir), {}, work, kfp.bare_python(frozenset(), tmp_path))
    assert found == metrics


def test_code_that_was_changed_on_its_way_is_refused(large, tmp_path):
    ir, _ = large
    pieces = [line for line in ir.splitlines() if len(line) > 20_000 and "b64decode" not in line]
    damaged = ir.replace(pieces[0], pieces[0][:-100] + "A" * 100)
    with pytest.raises(RuntimeError, match="literal|file|all"):
        kfp.run_locally(kfp.load_ir(damaged), {}, tmp_path, kfp.bare_python(frozenset(), tmp_path))
