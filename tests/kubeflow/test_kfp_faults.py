"""What goes wrong between client and server: nothing happens twice, nothing hangs, and one line says what it was."""

import datetime
import json

import pytest

pytest.importorskip("kfp_server_api", reason="needs the environment of tests/oracle/kfp_environment.py")

import kfp_server_api as api  # noqa: E402

from . import server  # noqa: E402
from .client import Failed, connected  # noqa: E402
from .server import Fault, serving  # noqa: E402

TOKEN = "hunter2-is-the-secret"


@pytest.fixture
def kubeflow():
    with serving(token=TOKEN) as kubeflow:
        yield kubeflow


@pytest.fixture
def ours(kubeflow, tmp_path):
    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", TOKEN=TOKEN) as ours:
        yield ours
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "token-env:TOKEN" in written and TOKEN not in written + "".join(ours.said)


@pytest.fixture
def hurried(kubeflow, tmp_path):
    """A client that waits for half a second. What it needs is there already."""
    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", TOKEN=TOKEN) as patient:
        patient("experiment", name="churn")
    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", patience=500, TOKEN=TOKEN) as ours:
        yield ours


def start(ours, marker="20261121-090000-3f9a"):
    """A run; the experiment is there, or made."""
    id = ours("experiment", name="churn")
    new = {"experiment_id": id, "display_name": "churn", "marker": marker}
    return ours("create_run", pipeline_id="p", version_id="v", parameters={}, **new)["run_id"]


def failure(ours, *call, **arguments) -> Failed:
    with pytest.raises(Failed) as caught:
        ours(*call, **arguments)
    told = caught.value
    assert "\n" not in told.message and not told.message.endswith(".")
    return told


# --- reading: again, while that may help ----------------------------------------------------------------------------

PASSING = {
    "500": server.status(500, '{"code": 13, "message": "Internal error"}'),
    "503": server.status(503, "no healthy upstream", "text/plain"),
    "429": server.status(429, "slow down", "text/plain", Retry_After="0"),
    "dropped": server.drop,
    "broken off": server.break_off,
    "truncated": server.truncate,
}


@pytest.mark.parametrize("how", PASSING)
def test_reading_is_tried_again(kubeflow, ours, how):
    run = start(ours)
    kubeflow.faults.append(Fault("GET", f"/runs/{run}", "after", PASSING[how], times=2))
    assert ours("run", id=run)["state"] == "PENDING"
    assert len(kubeflow.asked("GET", f"/runs/{run}")) == 3


def test_it_is_not_tried_for_ever(kubeflow, ours):
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", PASSING["503"], times=100))
    told = failure(ours, "run", id="x")
    assert (told.kind, len(kubeflow.asked("GET", "/runs/x"))) == ("Server", 5)
    assert "(503)" in told.message and told.help


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for(kubeflow, ours):
    busy = server.status(429, "", "text/plain", Retry_After="86400")
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", busy))
    assert failure(ours, "run", id="x").kind == "Busy"
    assert len(kubeflow.asked("GET", "/runs/x")) == 1


def test_a_slow_answer_is_not_waited_for(kubeflow, hurried):
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", server.never_answer, times=100))
    told = failure(hurried, "run", id="x")
    assert told.kind == "Unreachable" and "did not answer in" in told.message


# --- making: once ---------------------------------------------------------------------------------------------------

#: What goes wrong, when, and how many requests it takes: each ends with exactly one run.
ONCE = [
    ("dropped", "before", 2),
    ("dropped", "after", 1),
    ("broken off", "after", 1),
    ("truncated", "after", 1),
    ("503", "before", 2),
    ("503", "after", 1),
    ("500", "after", 1),
    ("429", "before", 2),
]


@pytest.mark.parametrize("how, when, requests", ONCE)
def test_a_run_is_started_once(kubeflow, ours, how, when, requests):
    kubeflow.faults.append(Fault("POST", "/runs", when, PASSING[how]))
    run = start(ours)
    assert [run] == list(kubeflow.runs)
    assert len(kubeflow.asked("POST", "/runs")) == requests


def test_another_run_of_the_same_name_is_not_taken_for_ours(kubeflow, ours):
    first = start(ours, "one")
    kubeflow.faults.append(Fault("POST", "/runs", "before", server.drop))
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
    kubeflow.faults.append(Fault("POST", "/runs", "before", server.drop, times=100))
    assert start(ours, "the one") == "run-2"


@pytest.mark.parametrize("when, made", [("before", 0), ("after", 1)])
def test_after_a_silence_nothing_is_sent_again(kubeflow, hurried, when, made):
    """The server may still be at it: a second request could be a second run."""
    kubeflow.faults.append(Fault("POST", "/runs", when, server.never_answer))
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
    kubeflow.faults.append(Fault("POST", "/runs", "after", server.drop))
    kubeflow.faults.append(Fault("GET", "/runs", "before", server.drop, times=100))
    with pytest.raises(Failed, match="it is not known whether it worked"):
        start(ours)
    assert (len(kubeflow.runs), len(kubeflow.asked("POST", "/runs"))) == (1, 1)


@pytest.mark.parametrize(
    "how, when", [("dropped", "after"), ("dropped", "before"), ("503", "after"), ("truncated", "after")]
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


def test_a_retry_is_not_carried_out_twice(kubeflow, ours):
    run = start(ours)
    kubeflow.runs[run].state = "FAILED"
    kubeflow.faults.append(Fault("POST", f"/runs/{run}:retry", "after", server.drop))
    ours("retry", id=run)
    assert len(kubeflow.asked("POST", f"/runs/{run}:retry")) == 1


def test_ending_twice_is_ending_once(kubeflow, ours):
    run = start(ours)
    kubeflow.faults.append(Fault("POST", f"/runs/{run}:terminate", "after", server.drop))
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


# --- what is no answer of Kubeflow Pipelines ------------------------------------------------------------------------

PAGE = "<!doctype html><title>Log in</title>"
FOREIGN = [
    (server.status(200, PAGE, "text/html; charset=utf-8"), "Unauthorized", "answers with a web page"),
    (server.status(302, "", "text/html", Location="https://dex/auth?state=x"), "Unauthorized", "`https://dex/auth`"),
    (server.status(301, "", "text/html", Location="https://new.example/"), "Foreign", "`https://new.example/`"),
    (server.status(404, "404 page not found", "text/plain"), "Foreign", "has no such page"),
    (server.status(403, '{"code": 7, "message": "RBAC: denied"}'), "Forbidden", "in the namespace `team`"),
    (server.status(400, '{"code": 3, "message": "Invalid input"}'), "Refused", "Invalid input"),
    (server.status(401, json.dumps({"code": 16, "message": f"bad: {TOKEN}"})), "Unauthorized", "bad: ***"),
    (server.status(200, '{"runs": 3}'), "Server", "is not what the API"),
]


@pytest.mark.parametrize("how, kind, told", FOREIGN, ids=[told for _, _, told in FOREIGN])
def test_what_answers_is_named(kubeflow, ours, how, kind, told):
    kubeflow.faults.append(Fault("GET", "/runs", "before", how, times=100))
    found = failure(ours, "runs", experiment_id=None, limit=5)
    assert found.kind == kind and told in found.message and kubeflow.url in found.message + kubeflow.url
    if kind not in ("Refused",):
        assert found.help


ODD = [
    "null",
    "[]",
    "3",
    '"x"',
    "",
    '{"run_id": 5}',
    '{"run_id": null}',
    '{"run_id": "x", "state": {}}',
    "[" * 5000,
    "\x00",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_answers_are_told(kubeflow, ours, text):
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", server.status(200, text), times=100))
    assert failure(ours, "run", id="x").kind == "Server"


def test_what_is_empty_may_be_null(kubeflow, ours):
    empty = dict.fromkeys(["description", "state", "error", "run_details", "finished_at", "storage_state"])
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", server.status(200, json.dumps({"run_id": "x", **empty}))))
    assert ours("run", id="x")["run_id"] == "x"


def test_a_cookie_that_a_server_repeats_is_not_repeated(kubeflow, tmp_path):
    told = server.status(401, json.dumps({"code": 16, "message": f"unknown session {TOKEN}"}))
    kubeflow.faults.append(Fault("GET", "/runs", "before", told))
    with connected(kubeflow.url, tmp_path, "cookie-env:COOKIE", COOKIE=f"authservice_session={TOKEN}") as ours:
        assert "unknown session ***" in failure(ours, "runs", experiment_id=None, limit=5).message
    assert kubeflow.requests[0].headers["cookie"] == f"authservice_session={TOKEN}"


def test_a_token_that_is_renewed_is_read_anew(kubeflow, tmp_path):
    file = tmp_path / "token"
    file.write_text("old")
    with connected(kubeflow.url, tmp_path, f"token-file:{file}", "team") as ours:
        assert failure(ours, "runs", experiment_id=None, limit=5).kind == "Unauthorized"
        file.write_text(TOKEN + "\n")
        assert ours("runs", experiment_id=None, limit=5) == []
    assert [each.headers["authorization"] for each in kubeflow.requests] == ["Bearer old", f"Bearer {TOKEN}"]


# --- pages ----------------------------------------------------------------------------------------------------------


def test_all_pages_are_read(kubeflow, ours):
    run = start(ours)
    for _ in range(430):
        id = kubeflow.new_id("run")
        kubeflow.runs[id] = api.V2beta1Run(**{**kubeflow.runs[run].to_dict(), "run_id": id})
    assert len(ours("runs", experiment_id=None, limit=1000)) == 431
    sizes = [dict(each.query)["page_size"] for each in kubeflow.asked("GET", "/runs")]
    assert sizes == ["200", "200", "200"]
    assert len(ours("runs", experiment_id=None, limit=250)) == 250


def test_an_empty_page_is_not_the_end(kubeflow, ours):
    run = start(ours)
    empty = server.status(200, '{"next_page_token": "MA=="}')
    kubeflow.faults.append(Fault("GET", "/runs", "before", empty))
    assert [each["run_id"] for each in ours("runs", experiment_id=None, limit=10)] == [run]


def test_a_list_without_end_ends(kubeflow, ours):
    same = server.status(200, '{"runs": [], "next_page_token": "again"}')
    kubeflow.faults.append(Fault("GET", "/runs", "before", same, times=100))
    assert "the same page" in failure(ours, "runs", experiment_id=None, limit=10).message


# --- what a run says ------------------------------------------------------------------------------------------------


def test_tasks_errors_and_times_are_read(kubeflow, ours):
    run = start(ours)
    at = datetime.datetime(2026, 11, 21, 9, 0, 0, tzinfo=datetime.timezone.utc)
    task = api.V2beta1PipelineTaskDetail(
        task_id="t-1",
        display_name="train",
        state="FAILED",
        pod_name="churn-abc",
        start_time=at,
        end_time=at + datetime.timedelta(seconds=2.5),
        error=api.GoogleRpcStatus(code=2, message="exit code 1"),
        child_tasks=[api.PipelineTaskDetailChildTask(pod_name="churn-abc")],
    )
    kubeflow.runs[run].run_details = api.V2beta1RunDetails(task_details=[task])
    kubeflow.runs[run].state = "FAILED"
    kubeflow.runs[run].finished_at = at
    found = ours("run", id=run)
    assert (found["state"], found["finished"]) == ("FAILED", at.timestamp())
    assert found["tasks"] == [
        {
            "name": "train",
            "state": "FAILED",
            "pod": "churn-abc",
            "error": "exit code 1",
            "started": at.timestamp(),
            "ended": at.timestamp() + 2.5,
        }
    ]


def test_a_state_that_is_not_known_yet_is_one(kubeflow, ours):
    kubeflow.faults.append(
        Fault("GET", "/runs/x", "before", server.status(200, '{"run_id": "x", "state": "HIBERNATING"}'))
    )
    assert ours("run", id="x")["state"] == "RUNTIME_STATE_UNSPECIFIED"


def test_logs_and_artifacts(kubeflow, ours):
    kubeflow.logs["pod-1"] = "epoch 1\nepoch 2 é\n"
    assert ours("log", run_id="r", pod="pod-1") == "epoch 1\nepoch 2 é\n"
    kubeflow.logs["pod-1"] += '{"error_message": "stream closed", "error_details": ""}'
    assert ours("log", run_id="r", pod="pod-1") == "epoch 1\nepoch 2 é\n"
    assert failure(ours, "log", run_id="r", pod="pod-2").kind == "NotFound"
    assert ours("artifact", uri="s3://bucket/v2/a b/metrics") == "the artifact v2/a b/metrics"
    assert dict(kubeflow.requests[-1].query) == {
        "source": "s3",
        "bucket": "bucket",
        "key": "v2/a b/metrics",
        "namespace": "team",
    }


# --- what is refused before anything is sent ------------------------------------------------------------------------

TOO_MUCH = [
    ("experiment", {"name": "x" * 129}),
    ("upload", {"name": "Not a name", "ir": ""}),
    ("upload", {"name": "x" * 129, "ir": ""}),
    ("upload", {"name": "x", "ir": " " * (32 * 1024 * 1024 + 1)}),
    ("create_run", {"display_name": "", "marker": "m", "experiment_id": "e"}),
]


@pytest.mark.parametrize("call, arguments", TOO_MUCH)
def test_what_a_server_would_refuse_is_not_sent(kubeflow, ours, call, arguments):
    told = failure(ours, call, **arguments)
    assert told.kind == "Usage" and told.help and not kubeflow.requests
