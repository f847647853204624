"""The official client and the command `kale-rs` do the same with equal servers: what they ask is equal, but for what is
documented in `verbs.py` and `differences.py`. And where a server fails, the command starts nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("kfp", reason="needs the environment of tests/oracle/kfp_environment.py")

from cli.support import wait_for  # noqa: E402

from . import server, verbs  # noqa: E402
from .server import PREFIX, serving  # noqa: E402
from .verbs import CRON, FAULTS, OWN, PARTS, START, TOKEN, Server, Stage, staged  # noqa: E402

# --- the scenario, as `verbs.py` has it of the official client ------------------------------------------------------


def terminal_run(stage: Stage) -> None:
    run = stage.kale("run", "churn.ipynb", "--on", "dev", "-p", "trees=300", status=1)
    stage.ids["local"] = run["run_id"]
    stage.note_run("run", run["remote"]["id"])
    stage.note_what_was_made()


def terminal_retry(stage: Stage) -> None:
    assert stage.kale("resume", stage.ids["local"])["status"] == "succeeded"


def terminal_archive(stage: Stage) -> None:
    assert stage.kale("archive", stage.ids["local"])["archived"] is True
    assert stage.kubeflow.runs[stage.ids["run"]].storage_state == "ARCHIVED"
    assert stage.kale("unarchive", stage.ids["local"])["archived"] is False


def terminal_terminate(stage: Stage) -> None:
    stage.kubeflow.next_state = "RUNNING"
    local = stage.kale("run", "churn.ipynb", "--on", "dev", "--detach")["run_id"]
    # What is not there yet would never be started.
    wait_for(lambda: stage.kale("show", local).get("remote"), "the run on the server")
    assert stage.kale("cancel", local)["status"] == "cancelled"
    [second] = set(stage.kubeflow.runs) - {stage.ids["run"]}
    stage.note_run("second run", second)


def terminal_schedules(stage: Stage) -> None:
    words = ("schedule", "add", "churn.ipynb", "--on", "dev")
    stage.kale(*words, "--cron", CRON, "--start", START, "--name", "every workday", "-p", "trees=7")
    hourly = stage.kale(*words, "--every", "1h", "--name", "hourly", "--paused", "--catch-up", "--max-concurrency", "3")
    stage.ids["hourly"] = hourly["schedule"]["id"]
    assert len(stage.kale("schedule", "list", "--on", "dev")["schedules"]) == 2
    for verb in ("resume", "pause", "remove"):
        stage.kale("schedule", verb, "hourly", "--on", "dev")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> dict[str, dict[str, list[server.Request]]]:
    """What each side asked, by part. The command goes first, since it chooses the names of its runs."""
    folder = tmp_path_factory.mktemp("terminal")
    with serving(Server(token=TOKEN)) as kubeflow:
        ours = staged(kubeflow, folder / "ours")
        found = {"terminal": verbs.played(ours, verbs.side(globals(), "terminal"))}
    with serving(Server(token=TOKEN)) as kubeflow, verbs.official_client(kubeflow, folder) as client:
        theirs = Stage(kubeflow, folder / "ours", names=ours.names, client=client)
        return found | {"official": verbs.played(theirs, verbs.OFFICIAL)}


@pytest.mark.parametrize("part", PARTS)
def test_requests_are_equal(recorded, part):
    official, terminal = (verbs.without_differences(recorded[side][part]) for side in ("official", "terminal"))
    assert official and terminal == official


def test_every_difference_is_one(recorded):
    """What is documented is there, on the side of the command alone."""
    terminal = [each for requests in recorded["terminal"].values() for each in requests]
    official = [each for requests in recorded["official"].values() for each in requests]
    for each in OWN:
        assert each(terminal) != terminal and each(official) == official, each.__name__


def test_both_show_the_same_credentials(recorded):
    for requests in recorded.values():
        of_the_api = [each for part in requests.values() for each in part if each.path.startswith(PREFIX)]
        assert {each.headers["authorization"] for each in of_the_api} == {f"Bearer {TOKEN}"}


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", FAULTS)
def test_a_run_is_started_once_whatever_goes_wrong(what, tmp_path):
    with serving(Server(token=TOKEN)) as kubeflow:
        stage = staged(kubeflow, tmp_path / "project")
        kubeflow.next_state = "SUCCEEDED"
        kubeflow.faults.append(replace(FAULTS[what], times=1))
        run = stage.kale("run", "churn.ipynb", "--on", "dev")
        assert run["status"] == "succeeded" and list(kubeflow.runs) == [run["remote"]["id"]]
        assert kubeflow.faults[0].times == 0, "it went wrong"


def test_who_is_not_let_in_is_told(tmp_path):
    with serving(Server(token=TOKEN)) as kubeflow:
        stage = staged(kubeflow, tmp_path / "project")
        run = stage.kale("run", "churn.ipynb", "--on", "dev", status=1, token="another")
        [refusal] = [one for one in run["diagnostics"] if one["severity"] == "error"]
        assert refusal["id"] == "cluster-refused" and "TOKEN" in refusal["message"] + refusal["help"]
        assert not kubeflow.runs
