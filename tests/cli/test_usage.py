"""Exit status 2: wrong usage and unreadable input, with what to do on stderr and nothing on stdout."""

import json

import kale_rs
import pytest

from .support import call, cell, notebook


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "Usage"),
        (["nonsense"], "unrecognized subcommand"),
        (["check"], "required"),
        (["check", "nowhere.ipynb"], "cannot read `nowhere.ipynb`: No such file or directory"),
        (["graph", "."], "cannot read `.`: Is a directory"),
        (["check", "n.ipynb", "--format", "xml"], "invalid value 'xml'"),
        (["check", "n.ipynb", "--granularity", "line"], "invalid value 'line'"),
        (["compile", "n.ipynb", "--target", "argo"], "invalid value 'argo'"),
        (["compile", "n.ipynb", "--target", "kfp-script", "--kubernetes"], "`kfp-script` is no resource of Kubernetes"),
        (["compile", "n.ipynb", "--kubernetes", "--namespace", "Team A"], "the namespace `Team A` must be lower-case"),
        (["run", "n.ipynb", "-p", "epochs"], "`-p epochs` has no `=`"),
        (["run", "n.ipynb", "--params", "nowhere.yaml"], "cannot read `nowhere.yaml`"),
        (["run", "n.ipynb", "--params", "list.yaml"], "it must hold one object"),
        (["run", "n.ipynb", "--jobs", "0"], "invalid value '0'"),
        (["check", "n.ipynb", "--python", "./no-python"], "no-python` is not a Python that runs: No such file"),
        (["show", "last"], "no notebook has run here yet"),
        (["diff", "a", "b"], "no notebook has run here yet"),
        (["explain", "no-such-thing"], "no diagnostic is called `no-such-thing`"),
        (["compile", "n.ipynb", "-o", "list.yaml/out.yaml"], "cannot write"),
    ],
)
def test_wrong_usage(arguments, told, tmp_path):
    notebook(tmp_path / "n.ipynb", "a = 1")
    (tmp_path / "list.yaml").write_text("- 1\n")
    done = call(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert told in done.stderr
    assert "Traceback" not in done.stderr and "panicked" not in done.stderr


def test_a_file_that_cannot_be_read_or_written_says_what_to_do(tmp_path):
    notebook(tmp_path / "n.ipynb", "a = 1")
    helps = {
        ("run", "nowhere.ipynb"): "it begins in the current folder",
        ("check", "."): "name a file in it",
        ("run", "n.ipynb", "--params", "nowhere.yaml"): "it begins in the current folder",
        ("compile", "n.ipynb", "-o", "n.ipynb/out.yaml"): "a folder that you may write to",
    }
    for arguments, help in helps.items():
        told = call(*arguments, cwd=tmp_path).stderr
        assert "help: " in told and help in told.split("help: ")[1], told


def test_integers_of_parameters_are_exact_or_refused(tmp_path):
    path = notebook(
        tmp_path / "n.ipynb", cell("n = 1\nxs = [1]", "pipeline-parameters"), cell("print(n, xs)", "step:one")
    )
    (tmp_path / "p.json").write_text('{"n": 12345678901234567890123}')
    for given in (["-p", "n=12345678901234567890123"], ["-p", "xs=[-9223372036854775809]"], ["--params", "p.json"]):
        done = call("run", path, *given, "--json", cwd=tmp_path)
        (row,) = json.loads(done.stdout)["diagnostics"]
        assert (done.returncode, row["id"]) == (1, "parameter-value")
        assert "is not an integer of 64 bits" in row["message"] and "given as a str" in row["help"], row
    assert call("run", path, "-p", f"n={2**64 - 1}", "-p", f"xs=[{-(2**63)}]", cwd=tmp_path).returncode == 0
    assert call("logs", "last", "one", cwd=tmp_path).stdout.strip() == f"{2**64 - 1} [{-(2**63)}]"
    with pytest.raises(kale_rs.UsageError, match="has 64 bits"):
        kale_rs.run(path, parameters={"xs": [1, [2**64]]})


def test_granularity_is_for_notebooks_without_tags(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = 1", "step:one"))
    for verb in ("check", "graph", "run"):
        done = call(verb, path, "--granularity", "cell", "--json")
        assert (done.returncode, done.stdout) == (2, "")
        assert "`step:` tags" in done.stderr


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "n.ipynb").write_bytes(b'{"cells": "\xff"}')
    done = call("check", "n.ipynb", cwd=tmp_path)
    assert done.returncode == 2
    assert "not UTF-8 (byte 11)" in done.stderr


def test_a_reader_that_stops_is_no_error(tmp_path):
    import subprocess

    from .support import COMMAND, environment

    done = subprocess.run(
        ["sh", "-c", f"'{COMMAND}' completion bash | head -1; '{COMMAND}' explain | head -1"],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.stderr == ""
