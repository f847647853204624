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
        ("steps: {trian: {image: a}}", "the overlay `o.yaml`: the notebook has no step `trian`"),
        ("parameters: {trees: many}", 'the overlay `o.yaml`: parameter `trees`: `"many"` is not an int'),
        ("parameters: {leaves: 1}", "the overlay `o.yaml`: the notebook has no parameter `leaves`"),
        ("resources: {memory: much}", "the overlay `o.yaml`: `memory: much` for step `train` is no amount"),
        ("tolerations: [{effect: Never}]", "unknown variant `Never`"),
        ("volumes: [{name: a, mount_point: data}]", "it mounts `a` at `data`"),
        ("image: a\nimage: b", "duplicate"),
        ("steps: {train: {image: a}, train: {image: b}}", "duplicate"),
        ("volumes: [{name: a, mount_point: /a, storage_class: fast}]", "has its `storage_class` and `access_mode`"),
        ("volumes: [{name: a, mount_point: /a}, {name: a, mount_point: /b}]", "it has two volumes `a`"),
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


# --- the overlay of a context ---------------------------------------------------------------------------------------

OF_CONTEXT = """
image: registry.example/context:1
resources: {memory: 8Gi}
tolerations: [{key: context, operator: Exists}]
packages: {index_url: https://pypi.example.org/simple}
parameters: {trees: 7, rate: 2}
schedule: {cron: "0 0 3 * * *", max_concurrency: 2}
"""
OF_COMMAND = """
image: registry.example/command:1
tolerations: [{key: command, operator: Exists}]
packages: {secret: {name: pip, key: url}}
parameters: {trees: 9}
schedule: {every: 1h}
"""


@pytest.fixture
def with_context(folder, monkeypatch):
    monkeypatch.setenv("KALE_RS_CONFIG", str(folder / "config"))
    (folder / "context.yaml").write_text(OF_CONTEXT)
    (folder / "command.yaml").write_text(OF_COMMAND)
    added = call("context", "add", "dev", "--kfp", "http://127.0.0.1:9", "--overlay", "context.yaml", cwd=folder)
    assert added.returncode == 0, added.stderr
    return folder


def test_the_overlay_of_a_context_counts_where_the_context_is_named(with_context):
    elsewhere = with_context / "elsewhere"
    elsewhere.mkdir()
    listed = json.loads(call("context", "list", "--json", cwd=elsewhere).stdout)["contexts"][1]
    assert listed["overlay"] == str(with_context / "context.yaml")
    _, plain, _ = compiled(with_context)
    spec, container, executors = compiled(with_context, "--on", "dev")
    assert container["show"]["image"] == "registry.example/context:1" != plain["show"]["image"]
    assert spec["root"]["inputDefinitions"]["parameters"]["trees"]["defaultValue"] == 7
    assert [one["key"] for one in executors["exec-show"]["tolerations"]] == ["context"]
    assert {"name": "PIP_INDEX_URL", "value": "https://pypi.example.org/simple"} in container["show"]["env"]


def test_the_overlay_of_the_command_line_lies_above_it(with_context):
    spec, container, executors = compiled(with_context, "--on", "dev", "--overlay", "command.yaml")
    assert container["show"]["image"] == "registry.example/command:1"
    assert container["show"]["resources"]["resourceMemoryLimit"] == "8Gi"
    defaults = {name: one["defaultValue"] for name, one in spec["root"]["inputDefinitions"]["parameters"].items()}
    assert defaults == {"trees": 9, "rate": 2}
    assert [one["key"] for one in executors["exec-show"]["tolerations"]] == ["context", "command"]
    assert not any(one["name"] == "PIP_INDEX_URL" for one in container["show"]["env"])
    settings = kale_rs.explain_overlay(with_context / "n.ipynb", with_context / "command.yaml", on="dev")
    told = {(one.step, one.setting): (one.value, one.origin, one.instead_of) for one in settings}
    assert told[None, "parameter trees"] == ("9", "overlay", "7")
    assert told[None, "parameter rate"] == ("2", "context", "0.5")
    assert told[None, "index_url"] == ("secret pip, key url", "overlay", "https://pypi.example.org/simple")
    assert told[None, "schedule"] == ("every 1h", "overlay", "0 0 3 * * *")
    assert told[None, "schedule max_concurrency"] == ("2", "context", None)
    assert told["show", "memory"] == ("8Gi", "context", None)
    assert told["show", "toleration of context"] == ("Exists", "context", None)
    assert told["show", "toleration of command"] == ("Exists", "overlay", None)
    assert told["train", "image"] == ("registry.example/command:1", "overlay", "registry.example/context:1")
    steps = [one.step for one in settings]
    assert steps == sorted(steps, key=[None, "train", "show"].index), "what belongs to a step stands together"


def test_the_overlay_of_a_context_is_for_all_notebooks_that_go_there(with_context):
    """Of steps and parameters that this one does not have it may speak; what it says wrongly is told with its file."""
    path = with_context / "context.yaml"
    path.write_text(OF_CONTEXT + "steps: {other: {image: a}}")
    notebook(with_context / "n.ipynb", cell("rate = 1", "pipeline-parameters"), cell("print(rate)", "step:show"))
    compiled(with_context, "--on", "dev")
    told = call("explain-overlay", "n.ipynb", "--on", "dev", cwd=with_context).stdout
    of = f"of the overlay of the context `dev` (`{path}`)"
    assert told.endswith(f"not of this notebook: step `other` {of}\nnot of this notebook: parameter `trees` {of}\n")
    assert "not of this notebook: step `other`" in repr(kale_rs.explain_overlay(with_context / "n.ipynb", on="dev"))
    path.write_text("parameters: {rate: many}")
    done = call("compile", "n.ipynb", "--on", "dev", "-o", "-", cwd=with_context)
    assert done.returncode == 2 and f"{of.removeprefix('of ')}: parameter `rate`" in done.stderr


def test_the_context_in_use_is_explained(with_context):
    """As `run` follows it. What `compile` writes does not depend on this machine's choice."""

    def image(*options):
        done = call("explain-overlay", "n.ipynb", "--json", *options, cwd=with_context)
        answer = json.loads(done.stdout)
        [setting] = [one for one in answer["settings"] if one["step"] == "show" and one["setting"] == "image"]
        return answer["context"], setting["value"], setting["from"]

    base = (None, "registry.example/base:1", "notebook")
    assert image() == base
    assert call("context", "use", "dev").returncode == 0
    assert image() == ("dev", "registry.example/context:1", "context")
    assert image("--on", "local") == base
    assert compiled(with_context)[1]["show"]["image"] == "registry.example/base:1"


def test_packages_come_from_where_an_overlay_says(folder):
    """A URL is written down, one with credentials is a reference to a secret, in steps that require something."""
    notebook(folder / "n.ipynb", cell("import yaml", "imports"), cell("a = yaml.dump(1)", "step:one"), "step:two")
    (folder / "o.yaml").write_text("packages: {secret: {name: pip, key: url}}")
    _, _, executors = compiled(folder, "--overlay", "o.yaml")
    [secret] = executors["exec-one"]["secretAsEnv"]
    assert (secret["secretName"], secret["keyToEnv"]) == ("pip", [{"secretKey": "url", "envVar": "PIP_INDEX_URL"}])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("packages: {index_url: 'https://me:hunter2@pypi.example.org/simple'}", "no URL without credentials"),
        ("packages: {index_url: hunter2}", "no URL without credentials"),
        ("packages: {index_url: 'https://a/?token=hunter2'}", "no URL without credentials"),
        ("packages: {extra_index_url: 'https://a/{{hunter2}}'}", "the overlay `o.yaml`: `extra_index_url` is no URL"),
        ("packages: {index_url: 'ftp://hunter2/'}", "no URL without credentials"),
        ("packages: {index_url: 'https://a/', secret: {name: a, key: b}}", "has two indexes"),
        ("schedule: {cron: '30 6 * * *'}", "`30 6 * * *` is no schedule"),
        ("schedule: {cron: '@daily', every: 1h}", "`cron` or `every`, and not both"),
        ("schedule: {every: 1h, start: soon}", "`soon` is no instant"),
    ],
)
def test_what_is_wrong_of_packages_and_schedules_is_told(text, told, folder):
    (folder / "o.yaml").write_text(text)
    done = call("compile", "n.ipynb", "--overlay", "o.yaml", "-o", "out.yaml", cwd=folder)
    assert (done.returncode, told in done.stderr, "help: " in done.stderr) == (2, True, True), done
    assert "hunter2" not in done.stderr and not (folder / "out.yaml").exists()


def test_an_overlay_of_a_context_that_is_gone_is_told(with_context):
    (with_context / "context.yaml").unlink()
    done = call("compile", "n.ipynb", "--on", "dev", "-o", "-", cwd=with_context)
    assert done.returncode == 2 and "context.yaml`: No such file" in done.stderr
    refused = call("context", "add", "two", "--kfp", "http://127.0.0.1:9", "--overlay", "nowhere", cwd=with_context)
    assert refused.returncode == 2 and "two" not in call("context", "list", cwd=with_context).stdout
