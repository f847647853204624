"""The pipeline that the trials of the `katib` target start, against the official SDK: it reads it strictly, and its own
runner carries it out, to the line of the log that the launcher reads."""

import json
import re

import pytest
import yaml

from . import kfp_support as kfp

CASES = sorted((kfp.GOLDEN / "katib").glob("*.yaml"))
every_case = pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)


def files(path) -> dict[str, str]:
    return next(yaml.safe_load_all(kfp.with_runtime(path.read_text(encoding="utf-8"))))["data"]


def documents(path) -> list[dict]:
    """What a request has: the pipeline, and what it asks of Kubernetes."""
    request = json.loads(files(path)["pipeline.json"])
    return [request["pipeline_spec"], request["platform_spec"]] if "pipeline_spec" in request else [request]


@every_case
def test_parses_strictly(path):
    parsed = kfp.strict_parse(yaml.safe_dump_all(documents(path)))
    report = parsed.spec.root.dag.tasks[json.loads(files(path)["trial.json"])["report"]]
    assert not report.caching_options.enable_cache, "what is not run has no log"
    assert {source.task_output_artifact.producer_task for source in report.inputs.artifacts.values()} == set(
        report.dependent_tasks
    )


@every_case
def test_command_lines_hold_one_template(path):
    for executor in kfp.strict_parse(yaml.safe_dump_all(documents(path))).deployment.executors.values():
        interpreter, *words = [*executor.container.command, *executor.container.args]
        assert interpreter == "python3" and not any("python3" in word for word in words)
        assert [word for word in words if "{" in word or "}" in word] == ["{{$}}"]


@pytest.mark.parametrize("name", ["hello", "branches"])
def test_the_log_has_the_metrics(name, tmp_path, capfd):
    [case] = [case for case in kfp.cases() if case.name == name]
    [pipeline] = documents(kfp.GOLDEN / "katib" / f"{name}-katib.yaml")
    python = kfp.bare_python(case.requirements, tmp_path / "environments")
    metrics = kfp.run_locally(kfp.load_ir(yaml.safe_dump(pipeline)), {}, tmp_path, python)
    [told] = re.findall(r"kale-metrics (\{.*\})", capfd.readouterr().out)
    assert metrics and json.loads(told) == metrics
