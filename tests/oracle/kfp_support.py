"""The official KFP SDK as an authority on what we emit: strict parse, load, local run.

Runs only in the environment that `kfp_environment.py` makes; elsewhere the tests that use it are skipped.
"""

import base64
import contextlib
import hashlib
import importlib.util
import json
import logging
import subprocess
import sys
import venv
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("kfp", reason="needs the environment of tests/oracle/kfp_environment.py")

import yaml  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from kfp import compiler, components, dsl, local  # noqa: E402
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig  # noqa: E402
from kfp.pipeline_spec import pipeline_spec_pb2 as pb  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
# Golden files hold the names of these in angle brackets where their texts are, so that they do not change with them.
RUNTIME = [f"python/kale_runtime/{name}.py" for name in ("step", "install", "memory", "classes", "report")]


@dataclass
class Case:
    name: str
    pipeline: dict
    ir: str
    script: Path
    # Arguments and the metrics they give; none where kfp.local cannot run the pipeline (it has no volumes to make).
    runs: list

    @property
    def requirements(self) -> frozenset[str]:
        pins = (pin for step in self.pipeline["steps"] for pin in step["requirements"])
        return frozenset(f"{pin['name']}=={pin['version']}" for pin in pins)


def cases() -> list[Case]:
    found = []
    for path in sorted((GOLDEN / "pipelines").glob("*.json")):
        name = path.name.removesuffix(".json")
        if name.endswith(".runs"):
            continue
        runs = path.with_name(f"{name}.runs.json")
        found.append(
            Case(
                name,
                json.loads(path.read_text(encoding="utf-8")),
                with_runtime((GOLDEN / "kfp" / f"{name}.yaml").read_text(encoding="utf-8")),
                GOLDEN / "kfp-script" / f"{name}.py",
                json.loads(runs.read_text(encoding="utf-8")) if runs.exists() else [],
            )
        )
    return found


def with_runtime(ir: str) -> str:
    for path in RUNTIME:
        text = shortened((ROOT / path).read_text(encoding="utf-8"))
        ir = ir.replace(f"<{path}>", base64.b64encode(zlib.compress(text.encode(), 9)).decode())
    return ir


def shortened(source: str) -> str:
    """As `kale_targets` embeds it: without blank lines, comments and docstrings, one space per level."""
    lines, in_docstring = [], False
    for line in source.splitlines():
        code = line.strip()
        if in_docstring or code.startswith('"""'):
            in_docstring = not (code.endswith('"""') and (in_docstring or len(code) >= 6))
        elif code and not code.startswith("#"):
            lines.append(" " * ((len(line) - len(line.lstrip())) // 4) + code)
    return "\n".join(lines)


def every_case():
    return pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)


def every_run(but=None):
    runs = [
        pytest.param(case, run, id=f"{case.name}-{number}")
        for case in cases()
        if case.name != but
        for number, run in enumerate(case.runs)
    ]
    return pytest.mark.parametrize(("case", "run"), runs)


@dataclass
class Parsed:
    spec: pb.PipelineSpec
    deployment: pb.PipelineDeploymentConfig
    platform: pb.PlatformSpec | None


def strict_parse(ir: str) -> Parsed:
    """Refuses any unknown field: the deployment is a free-form Struct to the first parse, so it is parsed again."""
    documents = list(yaml.safe_load_all(ir))
    assert 1 <= len(documents) <= 2
    spec = json_format.ParseDict(documents[0], pb.PipelineSpec())
    deployment = json_format.ParseDict(documents[0]["deploymentSpec"], pb.PipelineDeploymentConfig())
    platform = None
    if len(documents) == 2:
        platform = json_format.ParseDict(documents[1], pb.PlatformSpec())
        for executor in documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
            json_format.ParseDict(executor, KubernetesExecutorConfig())
    return Parsed(spec, deployment, platform)


def bare_python(requirements: frozenset[str], directory: Path) -> str:
    """The Python of a virtual environment that holds nothing but these requirements (and what they require)."""
    directory = directory / hashlib.sha256(" ".join(sorted(requirements)).encode()).hexdigest()[:12]
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=False, symlinks=True)
        if requirements:
            pip = [sys.executable, "-m", "pip", "--python", directory, "install", "--quiet"]
            subprocess.run([*pip, "--disable-pip-version-check", *sorted(requirements)], check=True)
    return str(python)


@contextlib.contextmanager
def steps_run_under(python: str):
    """kfp.local starts steps with `sys.executable`."""
    ours, sys.executable = sys.executable, python
    try:
        yield
    finally:
        sys.executable = ours


def run_locally(pipeline, arguments: dict, root: Path, python: str = sys.executable) -> dict[str, float]:
    """Runs a loaded pipeline in kfp.local; the metrics of all its steps."""
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(root / "outputs"), raise_on_error=True)
    logging.getLogger().setLevel(logging.WARNING)
    with steps_run_under(python), contextlib.chdir(root):
        task = pipeline(**arguments)
    metrics = {}
    for artifact in task.outputs.values():
        assert isinstance(artifact, dsl.Metrics)
        metrics.update(artifact.metadata)
    return metrics


def load_ir(ir: str):
    return components.load_component_from_text(ir)


def compile_script(path: Path, package: Path) -> None:
    compiler.Compiler().compile(load_script(path), str(package))


def load_script(path: Path):
    """The pipeline of a `kfp-script` file."""
    spec = importlib.util.spec_from_file_location(f"golden_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return next(value for name, value in vars(module).items() if name.startswith("pipeline"))
