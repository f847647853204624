"""What a cluster runs by the clock, and what is put away there: from the terminal and from Python."""

import json
import urllib.request

import kale_rs
import pytest
from cli.support import call, cell, notebook

from .running import TOKEN, running

CELLS = [
    cell("count = 3\nrate: float = 1", "pipeline-parameters"),
    cell("total = sum(range(count)) * rate", "step:add"),
    cell("print(total)", "pipeline-metrics"),
]
OVERLAY = {"schedule": {"cron": "0 0 3 * * *", "end": "2030-01-01T00:00:00Z"}, "parameters": {"count": 7}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running(tmp_path_factory.mktemp("cluster") / "it") as cluster:
        yield cluster


@pytest.fixture
def folder(cluster, tmp_path, monkeypatch):
    """A notebook, and contexts `dev`, and `prod` with an overlay of its own, on one cluster."""
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("DEV_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path / "n.ipynb", *CELLS)
    (tmp_path / "prod.json").write_text(json.dumps(OVERLAY))
    where = ("--kfp", cluster.url, "--namespace", "team", "--auth", "token-env:DEV_TOKEN")
    assert call("context", "add", "dev", *where).returncode == 0
    assert call("context", "add", "prod", *where, "--overlay", "prod.json").returncode == 0
    yield tmp_path
    for one in kale_rs.schedule(on="dev"):
        kale_rs.schedule("remove", one.id, on="dev")


def told(*words) -> dict:
    done = call(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_schedule_is_added_listed_paused_resumed_and_removed(folder):
    words = ("--cron", "0 30 6 * * MON-FRI", "-p", "count=5", "--name", "every workday", "--max-concurrency", "2")
    added = told("schedule", "add", "n.ipynb", "--on", "dev", *words)["schedule"]
    assert (added["name"], added["enabled"], added["cron"]) == ("every workday", True, "0 30 6 * * MON-FRI")
    assert (added["catch_up"], added["max_concurrency"]) == (False, 2)
    assert added["url"].endswith(f"/#/recurringrun/details/{added['id']}")
    every = kale_rs.schedule("add", "n.ipynb", {"count": 4}, every="1h30m", paused=True, catch_up=True, on="dev")
    assert (every.name, every.enabled, every.every_seconds, every.catch_up) == ("n", False, 5400, True)
    listed = told("schedule", "list", "--on", "dev")
    assert [one["name"] for one in listed["schedules"]] == ["n", "every workday"]
    text = call("schedule", "list", "--on", "dev").stdout
    assert "paused   every 5400 s" in text and "enabled  0 30 6 * * MON-FRI" in text
    assert told("schedule", "resume", "n", "--on", "dev")["enabled"] is True
    assert kale_rs.schedule("pause", added["id"], on="dev").enabled is False
    assert [one.enabled for one in kale_rs.schedule(on="dev")] == [True, False]
    assert call("schedule", "remove", "every workday", "--on", "dev").stdout.startswith("removed every workday")
    assert ">n</td>" in kale_rs.schedule(on="dev")._repr_html_()
    assert [one.id for one in kale_rs.schedule(on="dev")] == [every.id]


def test_an_overlay_says_when_and_the_command_line_more(folder):
    assert kale_rs.schedule("add", "n.ipynb", on="prod").when == "0 0 3 * * *  until 2030-01-01T00:00:00Z"
    (folder / "often.yaml").write_text("schedule: {every: 30m, max_concurrency: 3}")
    often = kale_rs.schedule("add", "n.ipynb", overlay="often.yaml", on="prod")
    assert (often.when, often.max_concurrency) == ("every 1800 s  until 2030-01-01T00:00:00Z", 3)
    assert kale_rs.schedule("add", "n.ipynb", overlay="often.yaml", cron="@daily", on="prod").cron == "@daily"


WRONG = [
    ((), 2, "nothing says when the pipeline is to run"),
    (("--cron", "30 6 * * *"), 2, "write `0 30 6 * * *`"),
    (("--every", "soon"), 2, "`soon` is no time between two runs"),
    (("--every", "1h", "--start", "tomorrow"), 2, "`tomorrow` is no instant"),
    (("--every", "1h", "--start", "2027-01-01T00:00:00Z", "--end", "2026-01-01T00:00:00Z"), 2, "ends before it starts"),
    (("--every", "1h", "--max-concurrency", "11"), 2, "give a number from 1 to 10"),
    (("--every", "1h", "-p", "count=many"), 1, "`many` is not an int"),
    (("--every", "1h", "-p", f"count={2**53 + 1}"), 1, "KFP cannot hold 9007199254740993"),
]


@pytest.mark.parametrize("words, status, what", WRONG, ids=[what for _, _, what in WRONG])
def test_what_is_wrong_is_told_and_nothing_is_added(words, status, what, folder):
    done = call("schedule", "add", "n.ipynb", "--on", "dev", *words)
    assert (done.returncode, what in done.stderr, done.stdout) == (status, True, ""), done
    assert call("schedule", "list", "--on", "dev").stdout == "no schedules in `dev`\n"


def test_what_is_meant_is_named(folder):
    assert "this is about a cluster" in call("schedule", "list").stderr
    assert "there is no schedule `x` in the context `dev`" in call("schedule", "pause", "x", "--on", "dev").stderr
    one, two = (kale_rs.schedule("add", "n.ipynb", every=60, on="dev") for _ in range(2))
    done = call("schedule", "remove", "n", "--on", "dev")
    assert done.returncode == 2 and f"`{two.id}`, `{one.id}`" in done.stderr
    with pytest.raises(kale_rs.UsageError, match="which schedule is it to pause"):
        kale_rs.schedule("pause", on="dev")
    with pytest.raises(kale_rs.UsageError, match="is said when it is added"):
        kale_rs.schedule("pause", one.id, cron="@daily", on="dev")
    with pytest.raises(kale_rs.UsageError, match="a list has all schedules"):
        kale_rs.schedule("list", "n.ipynb", on="dev")
    assert kale_rs.schedule("pause", name=one.id, on="dev").enabled is False


def test_the_name_of_a_schedule_does_nothing_to_a_terminal(cluster, folder):
    """Others give names, too, with clients that let them."""
    body = {"experiment_id": "1", "display_name": "a\x1b[2J\x1b]0;owned\x07b\nc", "max_concurrency": 1}
    body |= {"trigger": {"cron_schedule": {"cron": "@daily\x1b[2J"}}, "mode": "ENABLE"}
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    url = f"{cluster.url}/apis/v2beta1/recurringruns"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    [added] = kale_rs.schedule(on="dev")
    listed = call("schedule", "list", "--on", "dev").stdout
    paused = call("schedule", "pause", added.id, "--on", "dev").stdout
    for told in (listed, paused, repr(added), repr(kale_rs.schedule(on="dev"))):
        assert "owned" in told and not any(letter < " " and letter != "\n" for letter in told), told
    assert len(listed.splitlines()) == 2


def test_a_run_is_put_away_and_back(folder):
    run = told("run", "n.ipynb", "--on", "prod")
    assert run["parameters"]["count"] == 7, "the overlay of the context counts"
    away = told("archive", "last")
    assert (away["run_id"], away["archived"], away["remote"]) == (run["run_id"], True, run["remote"])
    assert "no longer archived" in repr(kale_rs.unarchive(run["run_id"]))
    told("run", "n.ipynb", "--on", "local")
    refused = call("archive", "last")
    assert refused.returncode == 2 and "is on no cluster" in refused.stderr and "kale-rs gc" in refused.stderr
