"""What `test_kfp_terminal.py` asks of the command, asked of the panel: its end of the channel, with a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

pytest.importorskip("kfp", reason="needs the environment of tests/oracle/kfp_environment.py")

from cli.support import wait_for  # noqa: E402

from . import faults, panel, server, verbs  # noqa: E402
from .server import PREFIX, Fault, serving  # noqa: E402
from .verbs import CRON, FAULTS, PARTS, START, TOKEN, Server, Stage  # noqa: E402

NOTEBOOK = "churn.ipynb"


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Iterator[Stage]:
    """A panel beside a notebook, for all tests: what its kernel says never holds the token."""
    with serving(Server(token=TOKEN)) as kubeflow:
        stage = verbs.staged(kubeflow, tmp_path_factory.mktemp("panel") / "ours")
        with panel.connected(stage.folder, NOTEBOOK, stage.variables()) as channel:
            stage.panel = channel
            yield stage
    assert channel.said and not any(TOKEN in line for line in channel.said)


@contextmanager
def asked_of(beside: Stage, token: str | None = TOKEN, next_state: str = "SUCCEEDED") -> Iterator[Server]:
    """Another server behind the context of the panel."""
    with serving(Server(token=token)) as kubeflow:
        kubeflow.next_state = next_state
        beside.add_context(kubeflow.url)
        yield kubeflow


def begin(stage: Stage, *assignments: str) -> str:
    """What Run does; the run's id here."""
    run = stage.panel("run", notebook=NOTEBOOK, on="dev", parameters={"assignments": assignments})
    return run["run_id"]


def told(run: dict, id: str) -> list[dict]:
    return [one for one in run["diagnostics"] if one["id"] == id]


# --- the scenario, as `verbs.py` has it of the official client ------------------------------------------------------


def panel_run(stage: Stage) -> None:
    stage.ids["local"] = begin(stage, "trees=300")
    run = stage.panel("follow", run=stage.ids["local"])
    assert (run["status"], run["context"], run["parameters"]) == ("failed", "dev", {"trees": 300})
    stage.note_run("run", run["remote"]["id"])
    stage.note_what_was_made()


def panel_retry(stage: Stage) -> None:
    stage.panel("resume", run=stage.ids["local"])
    assert stage.panel("follow", run=stage.ids["local"])["status"] == "succeeded"


def panel_archive(stage: Stage) -> None:
    assert stage.panel("archive", run=stage.ids["local"])["archived"] is True
    assert stage.kubeflow.runs[stage.ids["run"]].storage_state == "ARCHIVED"
    assert stage.panel("unarchive", run=stage.ids["local"])["archived"] is False


def panel_terminate(stage: Stage) -> None:
    stage.kubeflow.next_state = "RUNNING"
    local = begin(stage)
    # What is not there yet would never be started.
    wait_for(lambda: stage.panel("show", run=local).get("remote"), "the run on the server")
    stage.panel("cancel", run=local)
    assert stage.panel("follow", run=local)["status"] == "cancelled"
    [second] = set(stage.kubeflow.runs) - {stage.ids["run"]}
    stage.note_run("second run", second)


def panel_schedules(stage: Stage) -> None:
    add = {"action": "add", "notebook": NOTEBOOK, "on": "dev"}
    time = {"cron": CRON, "start": START}
    stage.panel("schedule", **add, schedule=time, name="every workday", parameters={"assignments": ["trees=7"]})
    time = {"every": "1h", "catch_up": True, "max_concurrency": 3}
    hourly = stage.panel("schedule", **add, schedule=time, name="hourly", paused=True)
    stage.ids["hourly"] = hourly["schedule"]["id"]
    assert len(stage.panel("schedule", action="list", on="dev")["schedules"]) == 2
    for action in ("resume", "pause", "remove"):
        stage.panel("schedule", action=action, schedule="hourly", on="dev")


@pytest.fixture(scope="module")
def recorded(beside, tmp_path_factory) -> dict[str, dict[str, list[server.Request]]]:
    """What each side asked, by part. The panel goes first, since it chooses the names of its runs."""
    found = {"panel": verbs.played(beside, verbs.side(globals(), "panel"))}
    folder = tmp_path_factory.mktemp("official")
    with serving(Server(token=TOKEN)) as kubeflow, verbs.official_client(kubeflow, folder) as client:
        theirs = Stage(kubeflow, beside.folder, names=beside.names, client=client)
        return found | {"official": verbs.played(theirs, verbs.OFFICIAL)}


@pytest.mark.parametrize("part", PARTS)
def test_requests_are_equal(recorded, part):
    official, ours = (verbs.without_differences(recorded[side][part]) for side in ("official", "panel"))
    assert official and ours == official


def test_both_show_the_same_credentials(recorded):
    for requests in recorded.values():
        of_the_api = [each for part in requests.values() for each in part if each.path.startswith(PREFIX)]
        assert {each.headers["authorization"] for each in of_the_api} == {f"Bearer {TOKEN}"}


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", FAULTS)
def test_a_run_is_started_once_whatever_goes_wrong(what, beside):
    with asked_of(beside) as kubeflow:
        kubeflow.faults.append(replace(FAULTS[what], times=1))
        run = beside.panel("follow", run=begin(beside))
        assert run["status"] == "succeeded" and list(kubeflow.runs) == [run["remote"]["id"]]
        assert kubeflow.faults[0].times == 0, "it went wrong"


def test_a_connection_that_breaks_off_is_taken_up_again(beside):
    with asked_of(beside, next_state="RUNNING") as kubeflow:
        local = begin(beside)
        remote = wait_for(lambda: beside.panel("show", run=local).get("remote"), "the run on the server")["id"]
        kubeflow.is_down = True
        wait_for(lambda: told(beside.panel("show", run=local), "cluster-unreachable"), "the warning")
        assert beside.panel("show", run=local)["status"] == "running", "it goes on there"
        kubeflow.runs[remote].state, kubeflow.is_down = "SUCCEEDED", False
        assert beside.panel("follow", run=local)["status"] == "succeeded"
        assert list(kubeflow.runs) == [remote]


def test_a_kernel_that_is_started_anew_takes_its_run_up_again(beside):
    with asked_of(beside, next_state="RUNNING") as kubeflow:
        local = begin(beside)
        remote = wait_for(lambda: beside.panel("show", run=local).get("remote"), "the run on the server")["id"]
        beside.panel("restart")
        assert beside.panel("show", run=local)["status"] == "running"
        kubeflow.runs[remote].state = "SUCCEEDED"
        assert beside.panel("follow", run=local)["status"] == "succeeded"
        assert list(kubeflow.runs) == [remote]


def test_a_slow_server_holds_nothing_up(beside):
    """Its answer is waited for by the engine, and the panel is answered meanwhile."""
    with asked_of(beside) as kubeflow:
        kubeflow.faults.append(Fault("POST", "/experiments", "before", faults.never_answer))
        local = begin(beside)
        wait_for(lambda: kubeflow.asked("POST", "/experiments"), "the request")
        assert beside.panel("show", run=local)["status"] == "running"
        assert beside.panel("runs", limit=1)["runs"][0]["run_id"] == local
        kubeflow.ended.set()
        assert beside.panel("follow", run=local)["status"] == "succeeded"
        assert len(kubeflow.experiments) == 1


def test_a_cluster_that_keeps_what_steps_have_left_is_named(beside):
    with asked_of(beside) as kubeflow:
        kubeflow.metadata = None
        run = beside.panel("follow", run=begin(beside))
        assert run["status"] == "succeeded"
        [warning] = told(run, "cluster-keeps-values")
        assert "`dev`" in warning["message"] and "--ui" in warning["help"]


GONE = faults.status(404, '{"code": 5, "message": "run not found"}')
NOT_OURS = faults.status(200, "<!doctype html><title>Log in</title>", "text/html")
REFUSALS = [
    ({"method": "archive"}, "/runs/{remote}:archive", GONE, "not found: run not found", "deleted"),
    ({"method": "archive"}, "/runs/{remote}:archive", NOT_OURS, "answers with a web page", "TOKEN"),
    ({"method": "schedule", "action": "list", "on": "dev"}, "/recurringruns", NOT_OURS, "web page", "TOKEN"),
]


@pytest.mark.parametrize(
    ("asked", "path", "how", "message", "help"), REFUSALS, ids=["gone", "a page", "a page for a list"]
)
def test_what_a_server_refuses_is_told_in_words(beside, asked, path, how, message, help):
    with asked_of(beside) as kubeflow:
        run = beside.panel("follow", run=begin(beside))
        path, method = path.format(remote=run["remote"]["id"]), "POST" if "archive" in path else "GET"
        kubeflow.faults.append(Fault(method, path, "before", how))
        params = {key: value for key, value in asked.items() if key != "method"} or {"run": run["run_id"]}
        with pytest.raises(panel.Refused) as refused:
            beside.panel(asked["method"], **params)
        assert message in refused.value.message and help in refused.value.help, refused.value


def test_who_is_not_let_in_is_told(beside):
    with asked_of(beside, token="another") as kubeflow:
        run = beside.panel("follow", run=begin(beside))
        [refusal] = told(run, "cluster-refused")
        assert run["status"] == "failed" and "TOKEN" in refusal["message"] + refusal["help"]
        assert not kubeflow.runs


def test_what_is_wrong_with_a_schedule_is_told(beside):
    with asked_of(beside) as kubeflow:
        add = {"action": "add", "notebook": NOTEBOOK, "on": "dev"}
        with pytest.raises(panel.Refused, match="Kubeflow counts seconds: write `0 30 6"):
            beside.panel("schedule", **add, schedule={"cron": "30 6 * * *"})
        wrong = beside.panel("schedule", **add, schedule={"every": "1h"}, parameters={"assignments": ["trees=x"]})
        assert wrong["schedule"] is None and told(wrong, "parameter-value")
        with pytest.raises(panel.Refused, match="no schedule `hourly`"):
            beside.panel("schedule", action="pause", schedule="hourly", on="dev")
        assert not kubeflow.recurring and not kubeflow.pipelines
