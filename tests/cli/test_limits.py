"""What a process may have (`ulimit`): too little is told before anything is done, and nothing is left behind."""

import json
import subprocess
import sys

import pytest

from .support import COMMAND, call, cell, environment, notebook


def limited(limit, *command, cwd):
    text = f'ulimit {limit}; exec "$@"'
    return subprocess.run(
        ["bash", "-c", text, "bash", *map(str, command)],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=60,
    )


@pytest.mark.parametrize(
    "limit, told",
    [
        ("-n 8", "may have 8 open files here, and kale-rs needs 64"),
        ("-s 256", "may have 256 kB of stack here, and kale-rs needs 512"),
        ("-v 300000", "may have 300000 kB of memory here, and kale-rs needs 524288"),
    ],
)
def test_too_little_to_do_anything(limit, told, tmp_path):
    path = notebook(tmp_path / "n.ipynb", "a = 1")
    done = limited(limit, COMMAND, "run", path, "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    error, help = done.stderr.splitlines()
    assert told in error and f"`ulimit {limit[:2]} " in help
    assert not (tmp_path / ".kale_rs").exists()


def test_a_kernel_with_too_little_is_told_what(tmp_path):
    """There the engine finds it, which the kernel starts."""
    path = notebook(tmp_path / "n.ipynb", "a = 1")
    code = f"import kale_rs; print(kale_rs.run({str(path)!r}, progress=False).diagnostics[0])"
    done = limited("-n 48", sys.executable, "-c", code, cwd=tmp_path)
    assert "may have 48 open files" in done.stdout, done
    # With more, the run goes on.
    assert json.loads(call("resume", "last", "--json", cwd=tmp_path).stdout)["status"] == "succeeded"


def test_little_is_enough(tmp_path):
    path = notebook(tmp_path / "n.ipynb", cell("a = 1", "step:a"), cell("print(a)", "step:b"))
    done = limited("-n 64 -s 512 -v 1000000", COMMAND, "run", path, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["status"] == "succeeded", done
