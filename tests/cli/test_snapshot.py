"""Snapshots go to an object store and come back in the store of somebody else, whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .object_server import s3_server
from .support import COMMAND, call, cell, environment, notebook, start

CELLS = [
    "import numpy as np\n\nclass Point:\n    def __init__(self, x):\n        self.x = x",
    cell("count = 3", "pipeline-parameters"),
    cell(
        "data = list(range(count))\npoint = Point(5)\nbig = np.arange(3_000_000)\nopen('made.txt', 'w').write('x')",
        "step:load",
    ),
    cell("left = sum(data)\nunused = np.arange(7)", "step:left"),
    cell("right = max(data) + len(big)", "step:right"),
    cell("total = left + right", "step:join"),
    cell("print(total)", "pipeline-metrics"),
]
#: What is in `big`: one blob of several parts, and more than a transfer takes at a time.
BIG = 3_000_000 * 8


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which the notebook has run."""
    folder = tmp_path_factory.mktemp("made")
    done = call("run", notebook(folder / "n.ipynb", *CELLS), "-p", "count=5", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def server():
    with s3_server() as server:
        yield server


@pytest.fixture
def other(tmp_path):
    """A folder of somebody else, with a store of its own."""
    folder = tmp_path / "other"
    (folder / ".kale_rs").mkdir(parents=True)
    return folder


def ask(*arguments, cwd, **variables):
    done = call(*arguments, "--json", cwd=cwd, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def restored(folder, *names, trust=True, step="join"):
    """What `kale_rs.restore` binds in a fresh process."""
    run = ask("runs", cwd=folder)["runs"][0]["run_id"]
    lines = [
        "import kale_rs, json",
        f"kale_rs.restore({run!r}, {step!r}, trust={trust})",
        f"print(json.dumps([{', '.join(names)}]))",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def blobs_of(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in (folder / "blobs").glob("*/*")}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


VALUES = ["point.x", "left", "right", "total", "len(big)", "unused.tolist()", "count"]
EXPECTED = [5, 10, 3_000_004, 3_000_014, 3_000_000, [0, 1, 2, 3, 4, 5, 6], 5]


def test_a_run_travels_by_a_folder(made, other, tmp_path):
    share = tmp_path / "share"
    pushed = ask("snapshot", "push", "last", f"file://{share}", cwd=made)
    assert pushed["sent"] == pushed["all"] and pushed["all"]["bytes"] > BIG and pushed["missing"] == 0
    run = ask("show", "last", cwd=made)
    assert pushed["url"] == f"file://{share}/snapshots/{run['run_id']}.json" and pushed["step"] is None
    before = everything(share)
    again = ask("snapshot", "push", run["run_id"], share, cwd=made)
    assert again["sent"] == {"blobs": 0, "bytes": 0} and everything(share) == before

    pulled = ask("snapshot", "pull", share, cwd=other)
    assert pulled["run_id"] == run["run_id"] and pulled["trusted"] is False
    assert pulled["received"] == pulled["all"] == pushed["all"]
    assert ask("snapshot", "pull", pushed["url"], cwd=other)["received"] == {"blobs": 0, "bytes": 0}
    shown = ask("show", pulled["run_id"], cwd=other)
    same = ("run_id", "status", "metrics", "parameters", "steps")
    assert {key: shown[key] for key in same} == {key: run[key] for key in same}
    assert str(made) not in json.dumps(shown), "paths of the other machine stay there"
    assert restored(other, *VALUES) == EXPECTED


def test_a_step_travels_with_what_came_before_it(made, other, tmp_path):
    pushed = ask("snapshot", "push", "last:left", tmp_path / "share", cwd=made)
    assert pushed["step"] == "left" and pushed["url"].endswith("/left.json")
    ask("snapshot", "pull", pushed["url"], cwd=other)
    statuses = {step["name"]: step["status"] for step in ask("runs", cwd=other)["runs"][0]["steps"]}
    assert (statuses["load"], statuses["left"], statuses["join"]) == ("succeeded", "succeeded", "skipped")
    assert restored(other, "left", "point.x", "'total' in dir()", step="left") == [10, 5, False]
    # The rest comes later, and has to be trusted anew: it may be of somebody else.
    whole = ask("snapshot", "push", "last", tmp_path / "share", cwd=made)
    assert ask("snapshot", "pull", whole["url"], cwd=other)["trusted"] is False
    assert restored(other, *VALUES) == EXPECTED
    assert ask("snapshot", "pull", pushed["url"], cwd=other)["trusted"] is True, "nothing of it is new"
    several = call("snapshot", "pull", tmp_path / "share", cwd=other)
    assert several.returncode == 2 and pushed["url"] in several.stderr and whole["url"] in several.stderr


def test_a_run_travels_by_s3(made, other, server):
    url = f"s3://{server.bucket}/churn/a b"
    pushed = ask("snapshot", "push", "last", url, cwd=made, **server.variables)
    assert pushed["sent"] == pushed["all"]
    assert ask("snapshot", "push", "last", url, cwd=made, **server.variables)["sent"]["blobs"] == 0
    pulled = ask("snapshot", "pull", url, cwd=other, **server.variables)
    assert pulled["received"] == pushed["all"] and pulled["url"] == pushed["url"]
    assert restored(other, *VALUES) == EXPECTED
    secret = server.variables["AWS_SECRET_ACCESS_KEY"].encode()
    for store in (made, other):
        assert not any(secret in content for content in everything(store / ".kale_rs").values())


def test_what_was_not_pushed_is_not_there(made, other, server, tmp_path):
    nothing = call("snapshot", "pull", f"s3://{server.bucket}/nothing", cwd=other, **server.variables)
    assert nothing.returncode == 2 and "there is no snapshot" in nothing.stderr
    no_bucket = call("snapshot", "push", "last", "s3://nobodys/x", cwd=made, **server.variables)
    assert no_bucket.returncode == 2 and "`s3://nobodys/x` cannot be used: there is no such bucket" in no_bucket.stderr
    gone = {**server.variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    unreachable = call("snapshot", "push", "last", f"s3://{server.bucket}/x", cwd=made, **gone)
    assert unreachable.returncode == 2 and "Connection refused" in unreachable.stderr
    assert call("snapshot", "pull", tmp_path / "nowhere", cwd=other).returncode == 2
    assert not (tmp_path / "nowhere").exists()
    unknown = call("snapshot", "push", "last:lfet", tmp_path, cwd=made)
    assert unknown.returncode == 2 and "`left`" in unknown.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:hunter2@bucket/x", "credentials"),
        ("gopher://x/y", "`gopher://` is not known"),
        ("file://elsewhere/x", "no folder of this machine"),
        ("s3://bucket/x?sig=hunter2", "query"),
    ],
)
def test_urls_that_cannot_be_used(made, url, said):
    done = call("snapshot", "push", "last", url, cwd=made)
    assert done.returncode == 2 and said in done.stderr
    assert "hunter2@" not in done.stderr.replace("...@", "")


# --- strangers ------------------------------------------------------------------------------------------------------


def test_a_pulled_run_is_loaded_only_after_a_yes(made, other, tmp_path):
    ask("snapshot", "push", "last", tmp_path / "share", cwd=made)
    pulled = ask("snapshot", "pull", tmp_path / "share", cwd=other)
    run = pulled["run_id"]
    refused = call("restore", run, "join", cwd=other)
    assert refused.returncode == 2 and "can run any code" in refused.stderr and "--trust" in refused.stderr
    assert not list(other.glob("*.ipynb"))
    code = f"kale_rs.restore({run!r}, 'join')\nexcept kale_rs.UsageError as error:\n    print(error.help)"
    command = [sys.executable, "-c", f"import kale_rs\ntry:\n    {code}"]
    asked = subprocess.run(command, cwd=other, capture_output=True, text=True, env=environment())
    assert "trust=True" in asked.stdout, asked.stderr
    facts = ask("lineage", run, cwd=other)["facts"]
    assert facts["trusted"] is False and facts["pulled_from"] == pulled["url"]
    assert "not trusted" in call("show", run, cwd=other).stdout
    written = ask("restore", run, "join", "--trust", "--files", cwd=other)
    assert Path(written["notebook"]).parent == other and (other / "made.txt").read_text() == "x"
    assert call("restore", run, "left", cwd=other).returncode == 0, "once is enough"
    assert restored(other, *VALUES, trust=False) == EXPECTED


def test_steps_never_use_results_of_a_pulled_run(made, other, tmp_path):
    ask("snapshot", "push", "last", tmp_path / "share", cwd=made)
    run = ask("snapshot", "pull", tmp_path / "share", cwd=other)["run_id"]
    resumed = call("resume", run, cwd=other)
    assert resumed.returncode == 0, "it has succeeded, there is nothing to do"
    path = notebook(other / "n.ipynb", *CELLS)
    first = ask("run", path, "-p", "count=5", cwd=other)
    assert {step["status"] for step in first["steps"]} == {"succeeded"}
    ask("snapshot", "push", f"{run}:left", tmp_path / "more", cwd=other)
    third = tmp_path / "third"
    (third / ".kale_rs").mkdir(parents=True)
    ask("snapshot", "pull", tmp_path / "more", cwd=third)
    path = notebook(third / "n.ipynb", *CELLS)
    again = call("run", path, "--from", "join", cwd=third)
    assert "cached" not in again.stderr


def test_the_last_run_is_one_that_was_made_here(made, other, tmp_path):
    ask("snapshot", "push", "last", tmp_path / "share", cwd=made)
    own = ask("run", notebook(other / "small.ipynb", "print(1)"), cwd=other)["run_id"]
    pulled = ask("snapshot", "pull", tmp_path / "share", cwd=other)["run_id"]
    assert ask("show", "last", cwd=other)["run_id"] == own != pulled


def test_a_run_of_this_store_is_not_replaced(made, tmp_path):
    share = tmp_path / "share"
    pushed = ask("snapshot", "push", "last", share, cwd=made)
    pulled = ask("snapshot", "pull", share, cwd=made)
    assert pulled["trusted"] is True and pulled["received"]["blobs"] == 0
    assert call("restore", pushed["run_id"], "join", "-o", tmp_path / "r.ipynb", cwd=made).returncode == 0


# --- accidents ------------------------------------------------------------------------------------------------------


def big_blob(folder: Path) -> Path:
    return max(blobs_of(folder).values(), key=lambda path: path.stat().st_size)


def test_a_blob_that_was_tampered_with_is_refused(made, other, tmp_path):
    share = tmp_path / "share"
    ask("snapshot", "push", "last", share, cwd=made)
    blob = big_blob(share)
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = call("snapshot", "pull", share, cwd=other)
    assert done.returncode == 2 and "damaged, or was changed" in done.stderr and blob.name in done.stderr
    assert ask("runs", cwd=other)["runs"] == [] and blob.name not in blobs_of(other / ".kale_rs")
    assert not list((other / ".kale_rs" / "blobs").glob(".writing-*"))
    blob.write_bytes(content[:-1])
    assert "bytes, and" in call("snapshot", "pull", share, cwd=other).stderr
    blob.unlink()
    assert "missing" in call("snapshot", "pull", share, cwd=other).stderr
    # Pushing again mends it, and pulling again fetches only what is lacking.
    sent = ask("snapshot", "push", "last", share, cwd=made)["sent"]
    assert sent == {"blobs": 1, "bytes": len(content)}
    pulled = ask("snapshot", "pull", share, cwd=other)
    assert 0 < pulled["received"]["blobs"] < pulled["all"]["blobs"]
    assert restored(other, *VALUES) == EXPECTED


def test_an_interrupted_transfer_ends_with_its_status(made, tmp_path, server):
    process = start(
        "snapshot", "push", "last", f"s3://{server.bucket}/interrupted", cwd=made, variables=server.variables
    )
    # Before that, it is Python's own start that is interrupted.
    while process.poll() is None and b"_native" not in Path(f"/proc/{process.pid}/maps").read_bytes():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130) and "Traceback" not in said


def test_a_damaged_blob_does_not_spread(made, tmp_path):
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", made, copy], check=True)
    blob = big_blob(copy / ".kale_rs")
    content = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(content[:-1] + b"?")
    done = call("snapshot", "push", "last", tmp_path / "share", cwd=copy)
    assert done.returncode == 1 and "missing or damaged" in done.stderr
    assert not (tmp_path / "share" / "snapshots").exists() and blob.name not in blobs_of(tmp_path / "share")
    blob.unlink()
    assert ask("snapshot", "push", "last", tmp_path / "share", cwd=copy)["missing"] == 1


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_a_transfer_that_is_killed_leaves_nothing_half_written(made, tmp_path, server, verb):
    """At some instants of it; then the same command finishes what was begun."""
    url = f"s3://{server.bucket}/killed-{verb}"
    variables = environment(**server.variables)
    if verb == "pull":
        ask("snapshot", "push", "last", url, cwd=made, **server.variables)
    other = tmp_path / "other"
    (other / ".kale_rs").mkdir(parents=True)
    arguments = ["push", "last", url] if verb == "push" else ["pull", url]
    folder, killed = (made if verb == "push" else other), 0
    for instant in range(6):
        command = [COMMAND, "snapshot", *arguments]
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        time.sleep(0.08 + 0.06 * instant)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode == 0:
            break
        if verb == "push":
            assert call("snapshot", "pull", url, cwd=other, **server.variables).returncode == 2
        elif ask("runs", cwd=other)["runs"]:
            # It was through, but for its last words.
            break
        killed += 1
    assert killed > 0
    ask("snapshot", *arguments, cwd=folder, **server.variables)
    ask("snapshot", "pull", url, cwd=other, **server.variables)
    assert restored(other, *VALUES) == EXPECTED


def test_garbage_collection_spares_what_was_pulled(made, other, tmp_path):
    ask("snapshot", "push", "last", tmp_path / "share", cwd=made)
    run = ask("snapshot", "pull", tmp_path / "share", cwd=other)["run_id"]
    database = other / ".kale_rs" / "store.db"
    # As if it had run a year ago: what counts is when it came here.
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sqlite3; c = sqlite3.connect({str(database)!r}); "
            "c.execute('UPDATE runs SET created = created - 31536000'); c.commit()",
        ],
        check=True,
    )
    for blob in blobs_of(other / ".kale_rs").values():
        os.utime(blob, (0, 0))
    collected = ask("gc", "--keep-days", "30", cwd=other)
    assert collected["runs"] == [] and collected["blobs"] == 0
    assert restored(other, *VALUES) == EXPECTED
    gone = ask("gc", "--keep-days", "0", cwd=other)
    assert gone["runs"] == [run] and ask("snapshot", "pull", tmp_path / "share", cwd=other)["trusted"] is False


def test_from_python(made, other, tmp_path):
    lines = [
        "import kale_rs",
        f"pushed = kale_rs.snapshot('push', 'last', {str(tmp_path / 'share')!r}, step='left', store={str(made)!r})",
        "pulled = kale_rs.snapshot('pull', pushed.url)",
        "print(pushed.step, pulled.run_id == pushed.run_id, pulled.trusted, pulled.bytes == pushed.bytes)",
        "kale_rs.restore(pulled.run_id, 'left', trust=True)",
        "print(left, pulled)",
        "try:\n    kale_rs.snapshot('pull', 's3://')\nexcept kale_rs.UsageError as e:\n    print('told', e.help)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=other, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("left True False True\n10 snapshot of ") and "told" in done.stdout
