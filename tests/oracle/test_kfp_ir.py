"""What the `kfp` target emits, against the official SDK and the rules that servers apply."""

import re

import pytest

from . import kfp_support as kfp

PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
TASK_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@kfp.every_case()
def test_parses_strictly(case):
    parsed = kfp.strict_parse(case.ir)
    assert parsed.spec.schema_version == "2.1.0"
    assert parsed.spec.sdk_version.startswith("kale-rs-")
    assert PIPELINE_NAME.fullmatch(parsed.spec.pipeline_info.name)


@kfp.every_case()
def test_keeps_the_rules_of_servers(case):
    parsed = kfp.strict_parse(case.ir)
    tasks = parsed.spec.root.dag.tasks
    assert set(parsed.deployment.executors) == {f"exec-{name}" for name in tasks}
    for name, task in tasks.items():
        assert TASK_NAME.fullmatch(name)
        component = parsed.spec.components[task.component_ref.name]
        assert component.executor_label in parsed.deployment.executors
        assert set(task.inputs.parameters) <= set(component.input_definitions.parameters)
        assert set(task.inputs.artifacts) == set(component.input_definitions.artifacts)
        required = [key for key, value in component.input_definitions.parameters.items() if not value.is_optional]
        assert set(required) <= set(task.inputs.parameters)
        producers = {source.task_output_artifact.producer_task for source in task.inputs.artifacts.values()}
        assert producers <= set(task.dependent_tasks) <= set(tasks)
        assert list(task.dependent_tasks) == sorted(set(task.dependent_tasks))
    for parameter in parsed.spec.root.input_definitions.parameters.values():
        assert parameter.is_optional and parameter.HasField("default_value")


@kfp.every_case()
def test_command_lines_hold_one_template(case):
    """Argo and KFP replace `{{...}}` wherever it stands, kfp.local the interpreter's name."""
    for executor in kfp.strict_parse(case.ir).deployment.executors.values():
        if executor.container.image.startswith("argostub/"):
            continue
        interpreter, *words = [*executor.container.command, *executor.container.args]
        assert interpreter == "python3"
        assert [word for word in words if "{" in word or "}" in word] == ["{{$}}"]
        assert not any("python3" in word for word in words)
        assert sum(len(word) for word in words) < 110_000


@kfp.every_case()
def test_loads_in_the_sdk(case):
    component = kfp.load_ir(case.ir)
    inputs = (component.component_spec.inputs or {}) if component.component_spec else {}
    assert set(inputs) == {parameter["name"] for parameter in case.pipeline["parameters"]}


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    return tmp_path_factory.mktemp("environments")


@kfp.every_run()
def test_runs_with_nothing_but_the_pinned_requirements(case, run, tmp_path, environments):
    """kfp.local starts the steps in an environment without kfp, kale_rs, or anything else that they do not pin."""
    python = kfp.bare_python(case.requirements, environments)
    metrics = kfp.run_locally(kfp.load_ir(case.ir), run["arguments"], tmp_path, python)
    assert metrics == pytest.approx(run["metrics"])


def test_runs_where_kfp_runs(tmp_path):
    case = next(case for case in kfp.cases() if case.name == "branches")
    run = case.runs[0]
    assert kfp.run_locally(kfp.load_ir(case.ir), run["arguments"], tmp_path) == pytest.approx(run["metrics"])


def test_a_step_that_fails_fails_the_run(tmp_path):
    case = next(case for case in kfp.cases() if case.name == "branches")
    with pytest.raises(RuntimeError, match="train-linear|train-constant"):
        kfp.run_locally(kfp.load_ir(case.ir), {"rows": 0}, tmp_path)
