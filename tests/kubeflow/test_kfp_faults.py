"""What goes wrong between client and server: nothing happens twice, nothing hangs, and one line says what it was."""

import datetime
import json

import pytest

pytest.importorskip("kfp_server_api", reason="needs the environment of tests/oracle/kfp_environment.py")

import kfp_server_api as api  # noqa: E402

from . import faults, metadata  # noqa: E402
from .client import Failed, connected, start  # noqa: E402
from .faults import PASSING  # noqa: E402
from .running import TOKEN  # noqa: E402
from .server import Fault, serving  # noqa: E402


def failure(ours, *call, **arguments) -> Failed:
    with pytest.raises(Failed) as caught:
        ours(*call, **arguments)
    told = caught.value
    assert "\n" not in told.message and not told.message.endswith(".")
    return told


# --- reading: again, while that may help ----------------------------------------------------------------------------


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
    busy = faults.status(429, "", "text/plain", Retry_After="86400")
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", busy))
    assert failure(ours, "run", id="x").kind == "Busy"
    assert len(kubeflow.asked("GET", "/runs/x")) == 1


def test_a_slow_answer_is_not_waited_for(kubeflow, hurried):
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", faults.never_answer, times=100))
    told = failure(hurried, "run", id="x")
    assert told.kind == "Unreachable" and "did not answer in" in told.message


def test_an_answer_that_comes_drop_by_drop_is_not_waited_for(kubeflow, tmp_path):
    """Ten times as long as for a first word."""
    kubeflow.faults.append(Fault("GET", "/runs", "before", faults.drip))
    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", "team", patience=200, TOKEN=TOKEN) as ours:
        assert ours("runs", experiment_id=None, limit=5) == []
    assert len(kubeflow.asked("GET", "/runs")) == 2


def test_an_answer_without_end_is_not_read_to_its_end(kubeflow, ours):
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", faults.flood, times=100))
    told = failure(ours, "run", id="x")
    assert told.kind == "TooLong" and told.help
    assert len(kubeflow.asked("GET", "/runs/x")) == 1


# --- what is no answer of Kubeflow Pipelines ------------------------------------------------------------------------

PAGE = "<!doctype html><title>Log in</title>"
FOREIGN = [
    (faults.status(200, PAGE, "text/html; charset=utf-8"), "Unauthorized", "answers with a web page"),
    (faults.status(302, "", "text/html", Location="https://dex/auth?state=x"), "Unauthorized", "`https://dex/auth`"),
    (faults.status(301, "", "text/html", Location="https://new.example/"), "Foreign", "`https://new.example/`"),
    (faults.status(404, "404 page not found", "text/plain"), "Foreign", "has no such page"),
    (faults.status(404, '{"message": "no Route matched"}'), "Foreign", "has no such page (404): no Route matched"),
    (faults.status(404, '{"code": 5, "message": "none"}'), "NotFound", "not found: none"),
    (faults.status(403, '{"code": 7, "message": "RBAC: denied"}'), "Forbidden", "in the namespace `team`"),
    (faults.status(400, '{"code": 3, "message": "Invalid input"}'), "Refused", "Invalid input"),
    (faults.status(401, json.dumps({"code": 16, "message": f"bad: {TOKEN}"})), "Unauthorized", "bad: ***"),
    (faults.status(200, '{"runs": 3}'), "Server", "is not what the API"),
]


@pytest.mark.parametrize("how, kind, told", FOREIGN, ids=[told for _, _, told in FOREIGN])
def test_what_answers_is_named(kubeflow, ours, how, kind, told):
    kubeflow.faults.append(Fault("GET", "/runs", "before", how, times=100))
    found = failure(ours, "runs", experiment_id=None, limit=5)
    assert found.kind == kind and told in found.message and kubeflow.url in found.message + kubeflow.url
    if kind not in ("Refused",):
        assert found.help


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
def test_credentials_follow_nobody_elsewhere(kubeflow, ours, number):
    """Nor does a request, wherever it is sent: to another server, to itself, or to what is no web address."""
    run = start(ours)
    with serving() as other:
        for location in (other.url, kubeflow.url, "file:///etc/passwd", "//["):
            path = f"/runs/{run}"
            moved = faults.status(number, "", "text/html", Location=f"{location}/apis/v2beta1{path}")
            kubeflow.faults += [Fault("GET", path, "before", moved), Fault("POST", "/runs", "before", moved)]
            kubeflow.requests.clear()
            assert "sends us to" in failure(ours, "run", id=run).message
            with pytest.raises(Failed, match="sends us to"):
                start(ours, location)
            assert not other.requests and len(kubeflow.asked("GET", path)) == 1
    assert list(kubeflow.runs) == [run]


def test_a_page_to_log_in_is_no_log(kubeflow, ours):
    page = faults.status(200, PAGE, "text/html")
    kubeflow.faults.append(Fault("GET", "/apis/v1alpha1/runs/r/nodes/pod-1/log", "before", page))
    kubeflow.logs["pod-1"] = "<b>printed</b>"
    assert failure(ours, "log", run_id="r", pod="pod-1").kind == "Unauthorized"
    assert ours("log", run_id="r", pod="pod-1") == "<b>printed</b>"


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
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", faults.status(200, text), times=100))
    assert failure(ours, "run", id="x").kind == "Server"


def test_what_is_empty_may_be_null(kubeflow, ours):
    empty = dict.fromkeys(["description", "state", "error", "run_details", "finished_at", "storage_state"])
    kubeflow.faults.append(Fault("GET", "/runs/x", "before", faults.status(200, json.dumps({"run_id": "x", **empty}))))
    assert ours("run", id="x")["run_id"] == "x"


def test_the_token_of_a_gateway_goes_to_its_pages(kubeflow, tmp_path):
    kubeflow.objects["s3/b/k"] = b"value"
    with serving() as pages, connected(kubeflow.url, tmp_path, "token-env:T", T=TOKEN, ui=pages.url) as ours:
        pages.objects = kubeflow.objects
        assert ours("artifact", uri="s3://b/k") == "value"
        assert pages.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
        assert ours("outputs", run_id="r") == {} and not kubeflow.requests


@pytest.mark.parametrize("auth", ["kubeconfig", "in-cluster"])
def test_what_is_for_kubernetes_goes_nowhere_else(kubeflow, tmp_path, auth):
    """Where the pages have an address of their own, they are asked without it."""
    token, config = tmp_path / "token", tmp_path / "kubeconfig"
    token.write_text(TOKEN)
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": kubeflow.url}}],
                "users": [{"name": "u", "user": {"token": TOKEN}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    variables = {"KUBECONFIG": str(config), "KF_PIPELINES_SA_TOKEN_PATH": str(token)}
    with serving(token="another") as pages, connected(kubeflow.url, tmp_path, auth, ui=pages.url, **variables) as ours:
        assert ours("runs", experiment_id=None, limit=5) == []
        assert kubeflow.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
        for call in ({"call": "artifact", "uri": "s3://b/k"}, {"call": "outputs", "run_id": "r"}):
            told = failure(ours, **call)
            assert pages.url in told.message and "no credentials" in told.message and "--ui" in told.help
        assert pages.requests and not any("authorization" in each.headers for each in pages.requests)
        assert len(kubeflow.requests) == 1


def test_an_artifacts_key_leads_nowhere_else(kubeflow, ours):
    """What servers call their things is asked of the place that it is said to be in, or not at all."""
    for key in ("../../../api/v1/secrets", "a/./b", "a/%2e%2e/b", ".."):
        kubeflow.objects[f"s3/bucket/{key}"] = b"as it is"
        if "%" in key:
            assert ours("artifact", uri=f"s3://bucket/{key}") == "as it is"
        else:
            assert "leads elsewhere" in failure(ours, "artifact", uri=f"s3://bucket/{key}").message
    assert "leads elsewhere" in failure(ours, "run", id="..").message
    assert len(kubeflow.requests) == 1


def test_a_cookie_that_a_server_repeats_is_not_repeated(kubeflow, tmp_path):
    told = faults.status(401, json.dumps({"code": 16, "message": f"unknown session {TOKEN}"}))
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
    empty = faults.status(200, '{"next_page_token": "MA=="}')
    kubeflow.faults.append(Fault("GET", "/runs", "before", empty))
    assert [each["run_id"] for each in ours("runs", experiment_id=None, limit=10)] == [run]


def test_a_list_without_end_ends(kubeflow, ours):
    same = faults.status(200, '{"runs": [], "next_page_token": "again"}')
    kubeflow.faults.append(Fault("GET", "/runs", "before", same, times=100))
    assert "the same page" in failure(ours, "runs", experiment_id=None, limit=10).message


def test_a_list_that_goes_on_for_ever_ends(kubeflow, ours):
    """Each page names another one."""

    def another(handler, text):
        handler.send(200, json.dumps({"runs": [], "next_page_token": str(len(kubeflow.requests))}))

    kubeflow.faults.append(Fault("GET", "/runs", "before", another, times=100_000))
    assert "without end" in failure(ours, "runs", experiment_id=None, limit=10).message


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
        Fault("GET", "/runs/x", "before", faults.status(200, '{"run_id": "x", "state": "HIBERNATING"}'))
    )
    assert ours("run", id="x")["state"] == "RUNTIME_STATE_UNSPECIFIED"


def test_logs_and_artifacts(kubeflow, ours):
    kubeflow.logs["pod-1"] = "epoch 1\nepoch 2 é\n"
    assert ours("log", run_id="r", pod="pod-1") == "epoch 1\nepoch 2 é\n"
    kubeflow.logs["pod-1"] += '{"error_message": "stream closed", "error_details": ""}'
    assert ours("log", run_id="r", pod="pod-1") == "epoch 1\nepoch 2 é\n"
    assert failure(ours, "log", run_id="r", pod="pod-2").kind == "NotFound"
    kubeflow.objects["s3/bucket/v2/a b/metrics"] = b"0123456789"
    assert ours("artifact", uri="s3://bucket/v2/a b/metrics", session="{}") == "0123456789"
    assert kubeflow.requests[-1].query == [("namespace", "team"), ("providerInfo", "{}")]
    assert ours("artifact", uri="s3://bucket/v2/a b/metrics", limit=10) == "0123456789"
    assert "longer than 9 bytes" in failure(ours, "artifact", uri="s3://bucket/v2/a b/metrics", limit=9).message
    assert failure(ours, "artifact", uri="s3://bucket/none").kind == "Server"


@pytest.mark.parametrize("how", ["dropped", "broken off"])
def test_an_artifact_that_broke_off_is_fetched_anew(kubeflow, ours, how):
    kubeflow.objects["minio/b/key"] = b"0123456789"
    kubeflow.faults.append(Fault("GET", "/artifacts/minio/b/key", "after", PASSING[how], times=2))
    assert ours("artifact", uri="minio://b/key") == "0123456789"


def test_what_tasks_have_left(kubeflow, ours):
    assert ours("outputs", run_id="r") == {}
    publish = kubeflow.metadata.publish
    publish("r", "load", metadata.COMPLETE, {"table": ("s3://b/table", {})})
    publish("r", "train", metadata.FAILED, {})
    publish(
        "r", "train", metadata.COMPLETE, {"model": ("s3://b/model", {}), "kale_metrics": ("", {"acc": 0.5, "l": "NaN"})}
    )
    publish("other", "train", metadata.COMPLETE, {"model": ("s3://b/another", {})})
    session = '{"Provider":"minio"}'
    table, model = ({"display_name": name} for name in ("table", "model"))
    assert ours("outputs", run_id="r") == {
        "load": {"table": {"uri": "s3://b/table", "session": session, "numbers": {}, "texts": table}},
        "train": {
            "kale_metrics": {
                "uri": "",
                "session": session,
                "numbers": {"acc": 0.5},
                "texts": {"display_name": "kale_metrics", "l": "NaN"},
            },
            "model": {"uri": "s3://b/model", "session": session, "numbers": {}, "texts": model},
        },
    }
    kubeflow.metadata = None
    assert failure(ours, "outputs", run_id="r").kind in ("NotFound", "Foreign")


SERVICE = "/ml_metadata.MetadataStoreService/"


def test_metadata_without_end_ends(kubeflow, ours):
    kubeflow.metadata.publish("r", "load", metadata.COMPLETE, {})
    same = metadata.TYPES["GetExecutionsByContextResponse"](next_page_token="again")
    path = SERVICE + "GetExecutionsByContext"
    content = kubeflow.metadata.framed(same)
    how = lambda handler, text: handler.send(200, content)  # noqa: E731
    kubeflow.faults.append(Fault("POST", path, "before", how, times=100))
    assert "the same page" in failure(ours, "outputs", run_id="r").message


def test_a_status_of_grpc_may_be_among_the_headers(kubeflow, ours):
    """So say proxies what they have to say: there is no body then."""
    how = faults.status(200, "", metadata.CONTENT_TYPE, grpc_status="14", grpc_message="no healthy upstream %C3%A9")
    kubeflow.faults.append(Fault("POST", SERVICE + "GetContextByTypeAndName", "before", how))
    told = failure(ours, "outputs", run_id="r")
    assert "no healthy upstream é (14)" in told.message and told.help


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


def test_a_server_of_several_users_wants_a_namespace(kubeflow, tmp_path):
    with connected(kubeflow.url, tmp_path, "token-env:TOKEN", TOKEN=TOKEN) as ours:
        told = failure(ours, "experiment", name="churn")
        assert told.kind == "Usage" and "--namespace" in told.help
        assert [(each.method, each.path.rpartition("/")[2]) for each in kubeflow.requests] == [("GET", "healthz")]
        kubeflow.multi_user = False
        assert ours("experiment", name="churn")
