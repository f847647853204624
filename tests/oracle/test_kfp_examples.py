"""The examples, compiled by `kale-rs`: the official SDK agrees with what we emit, its local runner with our runs."""

import json
import os
import subprocess

import pytest

from . import kfp_support as kfp
from .test_kfp_script import graph

NOTEBOOKS = sorted((kfp.ROOT / "examples").glob("*/*.ipynb"))
PRODUCT = kfp.ROOT / ".venv" / "bin"
KALE_RS = os.environ.get("KALE_RS", str(PRODUCT / "kale-rs"))

pytestmark = pytest.mark.skipif(not os.path.exists(KALE_RS), reason="needs `make install`")
every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.parent.name)


def kale_rs(*arguments, home) -> str:
    environment = {**os.environ, "KALE_RS_HOME": str(home / "store")}
    done = subprocess.run([KALE_RS, *map(str, arguments)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled(notebook, target, directory) -> str:
    path = directory / {"kfp": "pipeline.yaml", "kfp-script": "script.py"}[target]
    kale_rs("compile", notebook, "--target", target, "-o", path, home=directory)
    return path


def requirements(notebook, directory) -> frozenset[str]:
    """The pins of all steps, as the comment on top of the file lists them."""
    lines = compiled(notebook, "kfp", directory).read_text(encoding="utf-8").splitlines()
    pins = [line.split()[2:] for line in lines if line.startswith("#       requires ")]
    return frozenset(pin for step in pins for pin in step)


@every_notebook
def test_parses_strictly_and_loads(notebook, tmp_path):
    ir = compiled(notebook, "kfp", tmp_path).read_text(encoding="utf-8")
    kfp.strict_parse(ir)
    kfp.load_ir(ir)


@every_notebook
def test_the_script_compiles_to_the_same_graph(notebook, tmp_path):
    package = tmp_path / "compiled.yaml"
    kfp.compile_script(compiled(notebook, "kfp-script", tmp_path), package)
    ir = compiled(notebook, "kfp", tmp_path).read_text(encoding="utf-8")
    assert graph(package.read_text(encoding="utf-8")) == graph(ir)


@every_notebook
def test_runs_in_kfp_local_with_the_metrics_of_our_run(notebook, tmp_path):
    ours = json.loads(kale_rs("run", notebook, "--json", home=tmp_path))["metrics"]
    ir = compiled(notebook, "kfp", tmp_path).read_text(encoding="utf-8")
    assert kfp.run_locally(kfp.load_ir(ir), {}, tmp_path, str(PRODUCT / "python")) == pytest.approx(ours)


def test_runs_with_nothing_but_the_pinned_requirements(tmp_path):
    notebook = kfp.ROOT / "examples" / "tabular" / "notebook.ipynb"
    ir = compiled(notebook, "kfp", tmp_path).read_text(encoding="utf-8")
    python = kfp.bare_python(requirements(notebook, tmp_path), tmp_path)
    ours = json.loads(kale_rs("run", notebook, "--json", home=tmp_path))["metrics"]
    assert kfp.run_locally(kfp.load_ir(ir), {}, tmp_path, python) == pytest.approx(ours)
