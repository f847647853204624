"""What a user does with a cluster, from the first upload to the last clean-up: by the official client, and by ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import kfp

from .client import Ours
from .server import Kubeflow

NAME = "churn"
NAMESPACE = "team"
PARAMETERS = {"trees": 300, "rate": 0.1, "title": "a 'b' \"c\" é", "columns": ["a", {"b": None}], "dry": False}
CRON = "0 30 6 * * MON-FRI"
START, END = "2026-11-21T06:00:00Z", "2026-12-21T06:00:00+00:00"


@dataclass
class Stage:
    """What both sides know when a part begins."""

    package: Path
    kubeflow: Kubeflow
    client: object
    ids: dict[str, str] = field(default_factory=dict)


@dataclass
class Part:
    """One thing to do, in the words of each client."""

    name: str
    official: Callable[[Stage, kfp.Client], None]
    ours: Callable[[Stage, Ours], None]


def parts() -> list[Part]:
    """In the order in which they stand below: functions `official_X` and `ours_X`."""
    functions = {name: each for name, each in globals().items() if inspect.isfunction(each)}
    names = [name.removeprefix("official_") for name in functions if name.startswith("official_")]
    return [Part(name, functions[f"official_{name}"], functions[f"ours_{name}"]) for name in names]


def official_health(stage, client):
    client.get_kfp_healthz()


def ours_health(stage, ours):
    assert ours("health")["multi_user"] is True


def official_experiment(stage, client):
    made = client.create_experiment(NAME, description="who leaves", namespace=NAMESPACE)
    stage.ids["experiment"] = made.experiment_id


def ours_experiment(stage, ours):
    stage.ids["experiment"] = ours("experiment", name=NAME, description="who leaves")


def official_experiment_again(stage, client):
    assert client.create_experiment(NAME, namespace=NAMESPACE).experiment_id == stage.ids["experiment"]


def ours_experiment_again(stage, ours):
    assert ours("experiment", name=NAME) == stage.ids["experiment"]


def official_upload(stage, client):
    made = client.upload_pipeline(str(stage.package), NAME, description="all of it", namespace=NAMESPACE)
    version = client.upload_pipeline_version(
        str(stage.package), "the-version", pipeline_id=made.pipeline_id, description="all of it"
    )
    stage.ids |= {"pipeline": made.pipeline_id, "version": version.pipeline_version_id}


def ours_upload(stage, ours):
    pipeline, version, name = ours("upload", name=NAME, description="all of it", ir=stage.package.read_text())
    assert name.startswith(f"{NAME}-")
    stage.ids |= {"pipeline": pipeline, "version": version}


def official_run(stage, client):
    made = client.run_pipeline(
        stage.ids["experiment"],
        "churn 1",
        params=PARAMETERS,
        pipeline_id=stage.ids["pipeline"],
        version_id=stage.ids["version"],
        pipeline_root="s3://bucket/root",
        service_account="runner",
    )
    stage.ids["run"] = made.run_id


def of_version(stage, name, **more):
    ids = {"experiment_id": stage.ids["experiment"], "pipeline_id": stage.ids["pipeline"]}
    return {"display_name": name, "marker": name, "version_id": stage.ids["version"], **ids, **more}


def ours_run(stage, ours):
    more = {"parameters": PARAMETERS, "pipeline_root": "s3://bucket/root", "service_account": "runner"}
    stage.ids["run"] = ours("create_run", **of_version(stage, "churn 1", **more))["run_id"]


def official_run_of_a_file(stage, client):
    client.run_pipeline(stage.ids["experiment"], "churn 2", pipeline_package_path=str(stage.package))


def ours_run_of_a_file(stage, ours):
    import yaml

    [document] = yaml.safe_load_all(stage.package.read_text())
    new = {"experiment_id": stage.ids["experiment"], "spec": document}
    ours("create_run", display_name="churn 2", marker="2", **new)


def official_look_at_the_run(stage, client):
    assert client.get_run(stage.ids["run"]).state == "PENDING"


def ours_look_at_the_run(stage, ours):
    assert ours("run", id=stage.ids["run"])["state"] == "PENDING"


def official_list_runs_in_pages(stage, client):
    token, found = "", []
    while token is not None:
        page = client.list_runs(token, 1, "created_at desc", experiment_id=stage.ids["experiment"])
        found += page.runs
        token = page.next_page_token
    assert len(found) == 2


def ours_list_runs_in_pages(stage, ours):
    assert len(ours("runs", experiment_id=stage.ids["experiment"], limit=1000)) == 2


def official_list_runs_of_a_namespace(stage, client):
    assert len(client.list_runs(page_size=200, sort_by="created_at desc", namespace=NAMESPACE).runs) == 2


def ours_list_runs_of_a_namespace(stage, ours):
    assert len(ours("runs", experiment_id=None, limit=200)) == 2


def official_list_the_rest(stage, client):
    order = {"page_size": 5, "sort_by": "created_at desc"}
    assert len(client.list_experiments(namespace=NAMESPACE, **order).experiments) == 1
    assert len(client.list_pipelines(namespace=NAMESPACE, **order).pipelines) == 1
    assert client.list_pipeline_versions(stage.ids["pipeline"], **order).pipeline_versions


def ours_list_the_rest(stage, ours):
    assert len(ours("experiments", limit=5)) == 1
    assert len(ours("pipelines", limit=5)) == 1
    assert ours("versions", pipeline_id=stage.ids["pipeline"], limit=5)


def official_terminate(stage, client):
    client.terminate_run(stage.ids["run"])


def ours_terminate(stage, ours):
    ours("terminate", id=stage.ids["run"])


def official_retry(stage, client):
    stage.kubeflow.runs[stage.ids["run"]].state = "FAILED"
    client._run_api.run_service_retry_run(stage.ids["run"])


def ours_retry(stage, ours):
    stage.kubeflow.runs[stage.ids["run"]].state = "FAILED"
    ours("retry", id=stage.ids["run"])


def official_archive(stage, client):
    client.archive_run(stage.ids["run"])
    client.unarchive_run(stage.ids["run"])
    client.archive_experiment(stage.ids["experiment"])
    client.unarchive_experiment(stage.ids["experiment"])


def ours_archive(stage, ours):
    ours("archive", id=stage.ids["run"])
    ours("unarchive", id=stage.ids["run"])
    ours("archive_experiment", id=stage.ids["experiment"])
    ours("unarchive_experiment", id=stage.ids["experiment"])


def official_by_the_clock(stage, client):
    ids = {"pipeline_id": stage.ids["pipeline"], "version_id": stage.ids["version"]}
    client.create_recurring_run(
        stage.ids["experiment"],
        "every workday",
        cron_expression=CRON,
        start_time=START,
        end_time=END,
        no_catchup=True,
        params={"trees": 5},
        **ids,
    )
    made = client.create_recurring_run(
        stage.ids["experiment"], "hourly", interval_second=3600, no_catchup=False, enabled=False, **ids
    )
    stage.ids["recurring"] = made.recurring_run_id


def ours_by_the_clock(stage, ours):
    new = of_version(stage, "every workday", parameters={"trees": 5})
    schedule = {"cron": CRON, "start": START, "end": END}
    ours("create_recurring_run", new=new, schedule=schedule, enabled=True, catch_up=False)
    arguments = {"new": of_version(stage, "hourly"), "schedule": {"interval": 3600}, "enabled": False, "catch_up": True}
    stage.ids["recurring"] = ours("create_recurring_run", **arguments)


def official_recurring_runs(stage, client):
    id = stage.ids["recurring"]
    assert client.get_recurring_run(id).status == "DISABLED"
    client.enable_recurring_run(id)
    assert client.get_recurring_run(id).status == "ENABLED"
    client.disable_recurring_run(id)
    arguments = {"page_size": 100, "sort_by": "created_at desc", "experiment_id": stage.ids["experiment"]}
    assert len(client.list_recurring_runs(**arguments).recurring_runs) == 2
    client.delete_recurring_run(id)


def ours_recurring_runs(stage, ours):
    id = stage.ids["recurring"]
    assert ours("recurring_run", id=id) == ["DISABLED", False]
    ours("enable", id=id)
    assert ours("recurring_run", id=id) == ["ENABLED", False]
    ours("disable", id=id)
    assert len(ours("recurring_runs", experiment_id=stage.ids["experiment"], limit=100)) == 2
    ours("delete_recurring_run", id=id)


def official_clean_up(stage, client):
    client.delete_run(stage.ids["run"])
    client.delete_pipeline_version(stage.ids["pipeline"], stage.ids["version"])


def ours_clean_up(stage, ours):
    ours("delete_run", id=stage.ids["run"])
    ours("delete_version", pipeline_id=stage.ids["pipeline"], version_id=stage.ids["version"])
