"""What the `kfp-script` target emits: the official SDK compiles it to the graph of the `kfp` target, and runs it."""

import ast

import pytest
import yaml

from . import kfp_support as kfp


def graph(ir: str) -> tuple:
    """What both files must agree on: everything but who wrote it and what a container executes."""
    parsed = kfp.strict_parse(ir)
    documents = list(yaml.safe_load_all(ir))
    pipeline = documents[0]
    del pipeline["sdkVersion"]
    for executor in pipeline["deploymentSpec"]["executors"].values():
        executor["container"].pop("command", None)
        executor["container"].pop("args", None)
        executor["container"].get("env", []).sort(key=lambda variable: variable["name"])
    for component in pipeline["components"].values():
        for definition in component.get("inputDefinitions", {}).get("parameters", {}).values():
            definition.pop("description", None)
        # A step of a script writes no report; `kfp-script` warns of it.
        outputs = component.get("outputDefinitions", {})
        if outputs.get("artifacts", {}).pop("kale_report", None) and not outputs["artifacts"]:
            del component["outputDefinitions"]
    return plain(pipeline), documents[1:], sorted(parsed.spec.components)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


# Its parameter's default has a line break, which ends a comment that the SDK writes; `kfp-script` warns of it.
SDK_FAULT = "line_break"


@kfp.every_case()
def test_compiles_to_the_same_graph(case, tmp_path):
    package = tmp_path / "compiled.yaml"
    kfp.compile_script(case.script, package)
    if case.name == SDK_FAULT:
        with pytest.raises(yaml.YAMLError):
            graph(package.read_text(encoding="utf-8"))
        return
    compiled, ours = (graph(text) for text in (package.read_text(encoding="utf-8"), case.ir))
    if case.name == "foreign_names":
        # The SDK takes no such parameter name, so the script has another.
        assert compiled != ours
        ours = graph(case.ir.replace("größe", "parameter_gr_e").replace("_hidden", "parameter_hidden"))
    assert compiled == ours


@kfp.every_run(but=SDK_FAULT)
def test_runs_in_kfp_local(case, run, tmp_path):
    package = tmp_path / "compiled.yaml"
    kfp.compile_script(case.script, package)
    pipeline = kfp.load_ir(package.read_text(encoding="utf-8"))
    assert kfp.run_locally(pipeline, run["arguments"], tmp_path) == pytest.approx(run["metrics"])


@kfp.every_case()
def test_is_for_people(case):
    """No encoded code, and every line of a cell that needs no escape stands in the file as it is."""
    text = case.script.read_text(encoding="utf-8")
    ast.parse(text)
    assert "base64" not in text
    if case.name != "quoting":
        lines = {line.strip() for line in text.splitlines()}
        for step in case.pipeline["steps"]:
            for cell in step["cells"]:
                missing = [line for line in cell["source"].splitlines() if line.strip() not in lines]
                assert not missing or "{{" in cell["source"]
