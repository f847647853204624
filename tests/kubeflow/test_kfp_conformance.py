"""The official client and ours do the same with equal servers: what they ask is equal, but for what is documented."""

import dataclasses
import re
import socket
import warnings

import pytest

pytest.importorskip("kfp", reason="needs the environment of tests/oracle/kfp_environment.py")

import kfp  # noqa: E402

from . import differences, scenario  # noqa: E402
from .client import ROOT, connected  # noqa: E402
from .server import serving  # noqa: E402

TOKEN = "the-token-of-this-test"
#: A pipeline of ours, as it is uploaded.
PACKAGE = ROOT / "tests" / "golden" / "kfp" / "branches.yaml"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What each client asked, by part of the scenario."""
    package = tmp_path_factory.mktemp("package") / "branches.yaml"
    package.write_text(PACKAGE.read_text(encoding="utf-8"), encoding="utf-8")
    return {"official": official(package), "ours": ours(package, tmp_path_factory.mktemp("ours"))}


def official(package):
    with serving(token=TOKEN) as kubeflow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # What a person has written down for the official client is none of this test's.
        kfp.Client._LOCAL_KFP_CONTEXT = str(package.with_name("context.json"))
        client = kfp.Client(host=kubeflow.url, existing_token=TOKEN, namespace=scenario.NAMESPACE)
        return played(scenario.Stage(package, kubeflow, client), "official")


def ours(package, folder):
    arguments = {"auth": "token-env:TOKEN", "namespace": scenario.NAMESPACE, "TOKEN": TOKEN}
    with serving(token=TOKEN) as kubeflow, connected(kubeflow.url, folder, **arguments) as client:
        return played(scenario.Stage(package, kubeflow, client), "ours")


def played(stage, side):
    found = {}
    for part in scenario.parts():
        stage.kubeflow.requests.clear()
        getattr(part, side)(stage, stage.client)
        found[part.name] = list(stage.kubeflow.requests)
    return {name: [with_names(request, stage.ids) for request in requests] for name, requests in found.items()}


def with_names(request, ids):
    """What the server called `version-2` in one of the scenarios is the `version` in both."""
    names = {id: name for name, id in ids.items()}

    def named(value):
        if isinstance(value, dict):
            return {key: named(each) for key, each in value.items()}
        return names.get(value, value) if isinstance(value, str) else value

    path = re.sub(r"[a-z]+-\d+", lambda found: named(found.group()), request.path)
    query = [(name, named(value)) for name, value in request.query]
    return dataclasses.replace(request, path=path, query=query, body=named(request.body))


@pytest.mark.parametrize("part", [part.name for part in scenario.parts()])
def test_requests_are_equal(recorded, part):
    official, ours = (differences.without_differences(part, recorded[side][part]) for side in ("official", "ours"))
    assert official and ours == official


def test_both_show_the_same_credentials(recorded):
    for requests in recorded.values():
        assert {each.headers["authorization"] for part in requests.values() for each in part} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("each", differences.DIFFERENCES, ids=lambda each: each.__name__)
def test_every_difference_is_one(recorded, each, monkeypatch):
    """What is documented is there: without the exception, something is not equal any more."""
    monkeypatch.setattr(differences, "DIFFERENCES", [one for one in differences.DIFFERENCES if one is not each])
    unequal = [part for part in recorded["ours"] if different(recorded, part)]
    assert unequal


def different(recorded, part):
    official, ours = (differences.without_differences(part, recorded[side][part]) for side in ("official", "ours"))
    return official != ours


def test_a_port_is_free_again():
    with serving() as kubeflow:
        port = int(kubeflow.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
