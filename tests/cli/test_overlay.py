"""Overlays: what a file wants otherwise than the notebook says, in what is emitted and in what runs."""

import json

import kale_rs
import pytest
import yaml

from .support import call, cell, notebook

VOLUME = {"type": "pvc", "name": "datasets", "mount_point": "/data"}
METADATA = {"kubeflow_notebook": {"docker_image": "registry.example/base:1", "volumes": [VOLUME]}}
CELLS = [
    cell("trees = 10\nrate = 0.5", "pipeline-parameters"),
    cell("forest = trees * rate", "step:train", "cpu:1", "memory:2Gi", "image:registry.example/train:1"),
    cell("print(forest)", "step:show"),
    cell("print(forest)", "pipeline-metrics"),
]
OVERLAY = """
image: registry.example/production:2
resources: {memory: 4Gi, cpu: 2}
node_selector: {ssd: true}
tolerations: [{key: batch, operator: Exists}]
steps:
  train:
    resources: {gpu: 1, memory: 32Gi}
    node_selector: {pool: gpu}
volumes:
  - {name: datasets, mount_point: /other}
  - {name: scratch, mount_point: /scratch, size: 10Gi, storage_class: fast}
parameters: {trees: 500}
"""


@pytest.fixture
def folder(tmp_path):
    notebook(tmp_path / "n.ipynb", *CELLS, metadata=METADATA)
    (tmp_path / "production.yaml").write_text(OVERLAY)
    return tmp_path


def compiled(folder, *options):
    done = call("compile", "n.ipynb", "-o", "-", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    spec, platform = yaml.safe_load_all(done.stdout)
    container = {
        label.removeprefix("exec-"): one["container"] for label, one in spec["deploymentSpec"]["executors"].items()
    }
    return spec, container, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_it_wins_over_the_notebook_which_stays_as_it_is(folder):
    before = (folder / "n.ipynb").read_bytes()
    spec, container, executors = compiled(folder, "--overlay", "production.yaml")
    assert (folder / "n.ipynb").read_bytes() == before
    assert spec["root"]["inputDefinitions"]["parameters"]["trees"]["defaultValue"] == 500
    assert spec["root"]["inputDefinitions"]["parameters"]["rate"]["defaultValue"] == 0.5
    train, show = container["train"], container["show"]
    assert train["image"] == show["image"] == "registry.example/production:2"
    limits = ("resourceCpuLimit", "resourceMemoryLimit")
    assert [train["resources"][limit] for limit in limits] == ["2", "32Gi"]
    assert [show["resources"][limit] for limit in limits] == ["2", "4Gi"]
    assert train["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert "accelerator" not in show["resources"]
    assert executors["exec-train"]["nodeSelector"]["labels"] == {"ssd": "true", "pool": "gpu"}
    assert executors["exec-show"]["nodeSelector"]["labels"] == {"ssd": "true"}
    for step in ("exec-train", "exec-show"):
        assert executors[step]["tolerations"] == [{"key": "batch", "operator": "Exists"}]
        assert {mount["mountPath"] for mount in executors[step]["pvcMount"]} == {"/other", "/scratch"}


def test_without_it_the_notebook_counts(folder):
    spec, container, executors = compiled(folder)
    assert spec["root"]["inputDefinitions"]["parameters"]["trees"]["defaultValue"] == 10
    assert container["train"]["image"] == "registry.example/train:1"
    assert container["show"]["image"] == "registry.example/base:1"
    assert [mount["mountPath"] for mount in executors["exec-show"]["pvcMount"]] == ["/data"]
    assert "nodeSelector" not in executors["exec-train"]


def test_every_value_says_where_it_is_from(folder):
    done = call("explain-overlay", "n.ipynb", "--overlay", "production.yaml", "--json", cwd=folder)
    told = {
        (one["step"], one["setting"]): (one["value"], one["from"], one.get("instead_of"))
        for one in json.loads(done.stdout)["settings"]
    }
    assert told == {
        (None, "parameter trees"): ("500", "overlay", "10"),
        (None, "parameter rate"): ("0.5", "notebook", None),
        (None, "volume datasets"): ("at /other", "overlay", "at /data"),
        (None, "volume scratch"): ("10Gi at /scratch", "overlay", None),
        ("train", "image"): ("registry.example/production:2", "overlay", "registry.example/train:1"),
        ("train", "cpu"): ("2", "overlay", "1"),
        ("train", "memory"): ("32Gi", "overlay", "2Gi"),
        ("train", "nvidia.com/gpu"): ("1", "overlay", None),
        ("train", "node label ssd"): ("true", "overlay", None),
        ("train", "node label pool"): ("gpu", "overlay", None),
        ("train", "toleration of batch"): ("Exists", "overlay", None),
        ("show", "image"): ("registry.example/production:2", "overlay", "registry.example/base:1"),
        ("show", "cpu"): ("2", "overlay", None),
        ("show", "memory"): ("4Gi", "overlay", None),
        ("show", "node label ssd"): ("true", "overlay", None),
        ("show", "toleration of batch"): ("Exists", "overlay", None),
    }
    text = call("explain-overlay", "n.ipynb", cwd=folder).stdout
    assert "train       image            registry.example/train:1  notebook" in text
    settings = kale_rs.explain_overlay(folder / "n.ipynb", folder / "production.yaml")
    assert ("train", "memory", "32Gi", "overlay", "2Gi") in settings
    assert ">32Gi<" in settings._repr_html_()


def test_a_run_here_has_its_parameters_too(folder):
    def forest(*options):
        done = call("run", "n.ipynb", "--overlay", "production.yaml", "--json", *options, cwd=folder)
        return json.loads(done.stdout)["metrics"]["forest"]

    (folder / "production.yaml").write_text("parameters: {trees: 500}")
    assert forest() == 250
    assert forest("-p", "trees=20") == 10, "what is said on the command line is said last"
    run = kale_rs.run(folder / "n.ipynb", overlay=folder / "production.yaml", progress=False)
    assert run.metrics == {"forest": 250}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("imgae: a", "unknown field `imgae`, expected one of `image`"),
        ("- a", "cannot read `o.yaml`"),
        ("steps: {trian: {image: a}}", "a step `trian`, which the notebook does not have"),
        ("parameters: {trees: many}", 'the overlay\'s parameter `trees`: `"many"` is not an int'),
        ("parameters: {leaves: 1}", "a parameter `leaves`, which the notebook does not have"),
        ("resources: {memory: much}", "the overlay's `memory: much` for step `train` is no amount"),
        ("tolerations: [{effect: Never}]", "unknown variant `Never`"),
        ("volumes: [{name: a, mount_point: data}]", "the overlay mounts `a` at `data`"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(text, told, folder):
    (folder / "o.yaml").write_text(text)
    done = call("compile", "n.ipynb", "--overlay", "o.yaml", "-o", "out.yaml", cwd=folder)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (folder / "out.yaml").exists()


def test_an_empty_overlay_changes_nothing(folder):
    (folder / "o.yaml").write_text("# nothing yet\n")
    assert compiled(folder, "--overlay", "o.yaml") == compiled(folder)
