"""What makes something makes it once, whatever goes wrong between client and server."""

import datetime

import pytest

pytest.importorskip("kfp_server_api", reason="needs the environment of tests/oracle/kfp_environment.py")

import kfp_server_api as api  # noqa: E402

from . import faults  # noqa: E402
from .client import Failed, start  # noqa: E402
from .faults import PASSING  # noqa: E402
from .server import Fault  # noqa: E402

#: What goes wrong, when, and how many requests it takes: each ends with exactly one run.
ONCE = [
    ("dropped", "after", 1),
    ("broken off", "after", 1),
    ("truncated", "after", 1),
    ("503", "before", 2),
    ("503", "after", 1),
    ("503 after a reset", "after", 1),
    ("504", "after", 1),
    ("500", "after", 1),
    ("429", "before", 2),
]


@pytest.mark.parametrize("how, when, requests", ONCE)
def test_a_run_is_started_once(kubeflow, ours, how, when, requests):
    kubeflow.faults.append(Fault("POST", "/runs", when, PASSING[how]))
    run = start(ours)
    assert [run] == list(kubeflow.runs)
    assert len(kubeflow.asked("POST", "/runs")) == requests


@pytest.mark.parametrize("how", ["dropped", "503 after a reset", "504"])
def test_a_server_may_be_done_after_everybody_has_given_up(kubeflow, ours, how):
    """A gateway does not wait as long as a server works: its word is not the end of it."""
    kubeflow.faults.append(Fault("POST", "/runs", "before", faults.late(PASSING[how])))
    run = start(ours)
    assert [run] == list(kubeflow.runs)
    assert len(kubeflow.asked("POST", "/runs")) == 1


@pytest.mark.parametrize("how", ["dropped", "503 after a reset", "504"])
def test_what_does_not_turn_up_is_not_known(kubeflow, hurried, how):
    kubeflow.faults.append(Fault("POST", "/runs", "before", PASSING[how]))
    with pytest.raises(Failed, match="it is not known whether it worked"):
        start(hurried)
    assert (len(kubeflow.runs), len(kubeflow.asked("POST", "/runs"))) == (0, 1)


def test_another_run_of_the_same_name_is_not_taken_for_ours(kubeflow, ours):
    first = start(ours, "one")
    kubeflow.faults.append(Fault("POST", "/runs", "before", PASSING["503"]))
    second = start(ours, "two")
    assert [first, second] == list(kubeflow.runs)


def test_the_run_is_found_among_many(kubeflow, ours):
    """Also where it is not on the first page."""
    start(ours, "the one")
    wanted = kubeflow.runs["run-2"]
    for _ in range(450):
        id = kubeflow.new_id("run")
        later = kubeflow.now() + datetime.timedelta(days=1)
        kubeflow.runs[id] = api.V2beta1Run(**{**wanted.to_dict(), "run_id": id, "description": "", "created_at": later})
    kubeflow.faults.append(Fault("POST", "/runs", "before", faults.drop))
    assert start(ours, "the one") == "run-2"


@pytest.mark.parametrize("when, made", [("before", 0), ("after", 1)])
def test_after_a_silence_nothing_is_sent_again(kubeflow, hurried, when, made):
    """The server may still be at it: a second request could be a second run."""
    kubeflow.faults.append(Fault("POST", "/runs", when, faults.never_answer))
    if made:
        assert [start(hurried)] == list(kubeflow.runs)
    else:
        with pytest.raises(Failed, match="it is not known whether it worked"):
            start(hurried)
    assert (len(kubeflow.runs), len(kubeflow.asked("POST", "/runs"))) == (made, 1)


def test_a_failure_half_way_is_not_sent_again(kubeflow, ours):
    """KFP makes the workflow before its own record: what it reports as its error may run."""
    kubeflow.faults.append(Fault("POST", "/runs", "before", PASSING["500"]))
    ours("experiment", name="churn")
    with pytest.raises(Failed, match="Internal error.*nothing was sent a second time"):
        start(ours)
    assert len(kubeflow.asked("POST", "/runs")) == 1


def test_where_looking_fails_as_well_nothing_is_sent_again(kubeflow, ours):
    ours("experiment", name="churn")
    kubeflow.faults.append(Fault("POST", "/runs", "after", faults.drop))
    kubeflow.faults.append(Fault("GET", "/runs", "before", faults.drop, times=100))
    with pytest.raises(Failed, match="it is not known whether it worked"):
        start(ours)
    assert (len(kubeflow.runs), len(kubeflow.asked("POST", "/runs"))) == (1, 1)


@pytest.mark.parametrize(
    "how, when", [("dropped", "after"), ("503", "before"), ("504", "after"), ("truncated", "after")]
)
def test_everything_else_is_made_once_too(kubeflow, ours, how, when):
    paths = ["/experiments", "/pipelines", "/pipelines/upload_version", "/recurringruns"]
    kubeflow.faults += [Fault("POST", path, when, PASSING[how]) for path in paths]
    id = ours("experiment", name="churn")
    pipeline, version, _ = ours("upload", name="churn", ir="root: {}")
    new = {"display_name": "daily", "marker": "m", "experiment_id": id, "pipeline_id": pipeline, "version_id": version}
    arguments = {"schedule": {"cron": "@daily"}, "enabled": True, "catch_up": False}
    ours("create_recurring_run", new=new, **arguments)
    tables = (kubeflow.experiments, kubeflow.pipelines, kubeflow.versions, kubeflow.recurring)
    assert [len(table) for table in tables] == [1, 1, 1, 1]


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("how", ["dropped", "504", "500"])
def test_what_has_a_name_of_its_own_is_asked_for_again(kubeflow, ours, how, late):
    """The server refuses a second one of that name, so that there is none, and nobody is left in doubt."""
    way = faults.late(PASSING[how]) if late else PASSING[how]
    paths = ["/experiments", "/pipelines", "/pipelines/upload_version"]
    kubeflow.faults += [Fault("POST", path, "before", way) for path in paths]
    assert ours("experiment", name="churn") in kubeflow.experiments
    pipeline, version, _ = ours("upload", name="churn", ir="root: {}")
    assert (list(kubeflow.pipelines), list(kubeflow.versions)) == ([pipeline], [version])
    assert len(kubeflow.experiments) == 1


def test_a_retry_is_not_carried_out_twice(kubeflow, ours):
    run = start(ours)
    kubeflow.runs[run].state = "FAILED"
    kubeflow.faults.append(Fault("POST", f"/runs/{run}:retry", "after", faults.drop))
    ours("retry", id=run)
    assert len(kubeflow.asked("POST", f"/runs/{run}:retry")) == 1


def test_ending_twice_is_ending_once(kubeflow, ours):
    run = start(ours)
    kubeflow.faults.append(Fault("POST", f"/runs/{run}:terminate", "after", faults.drop))
    ours("terminate", id=run)
    kubeflow.runs[run].state = "CANCELED"
    ours("terminate", id=run)
    ours("delete_run", id=run)
    ours("delete_run", id=run)


def test_equal_content_is_uploaded_once(kubeflow, ours):
    first, again, other = (ours("upload", name="churn", ir=f"root: {{}} # {text}") for text in ("a", "a", "b"))
    assert first == again != other and first[0] == other[0]
    assert len(kubeflow.asked("POST", "/pipelines/upload_version")) == 2


def test_somebody_else_may_be_faster(kubeflow, ours):
    """Between the look and the request, others make what we want to make."""

    def and_then_ours(handler, text):
        request = handler.kubeflow.requests[-1]
        assert handler.carry_out(request)[0] == 200
        handler.send(*handler.carry_out(request))

    kubeflow.faults.append(Fault("POST", "/experiments", "before", and_then_ours))
    assert ours("experiment", name="churn") == "experiment-1"
    assert len(kubeflow.experiments) == 1
