"""`compile --target katib`: what is emitted is what Katib's own schema knows, and what cannot be is told.

`tests/kubeflow/test_kfp_katib.py` carries it out; `kale_targets/tests/golden/katib.rs` has the rules."""

import copy
import json
import re
from pathlib import Path

import jsonschema
import kale_rs
import pytest
import yaml

from .support import call, cell, ids, notebook

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden" / "katib").glob("*.yaml"))
SCHEMAS = json.loads((ROOT / "tests" / "schemas" / "katib.json").read_text())["components"]["schemas"]
#: `batch/v1`, which Katib's description does not have.
JOB_FIELDS = (
    "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions manualSelector managedBy "
    "maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy selector successPolicy suspend "
    "ttlSecondsAfterFinished"
)
CELLS = [
    cell("rate: float = 0.5\nlayers = 2\nkind = 'plain'", "pipeline-parameters"),
    cell("loss = rate * layers\nsize = 1", "step:train"),
    cell("print(loss)\nprint(size)", "pipeline-metrics"),
]


def strict(schema):
    """The same with every field that it does not name refused."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def validator(root):
    whole = {"components": {"schemas": strict(SCHEMAS)}, **strict(root)}
    return jsonschema.Draft202012Validator(whole)


def of(name):
    return {"$ref": f"#/components/schemas/{name}"}


VALIDATORS = {
    "ConfigMap": validator(of("io.k8s.api.core.v1.ConfigMap")),
    "Experiment": validator(of("v1beta1.Experiment")),
    "Job": validator(
        {
            "type": "object",
            "required": ["apiVersion", "kind", "spec"],
            "properties": {
                "apiVersion": {"const": "batch/v1"},
                "kind": {"const": "Job"},
                "spec": {
                    "type": "object",
                    "required": ["template"],
                    "properties": {
                        **{name: {} for name in JOB_FIELDS.split()},
                        "backoffLimit": {"type": "integer"},
                        "template": of("io.k8s.api.core.v1.PodTemplateSpec"),
                    },
                },
            },
        }
    ),
}


def faults(resources):
    """What the schemas refuse in a file's resources."""
    config_map, experiment = resources
    job = experiment["spec"]["trialTemplate"]["trialSpec"]
    pairs = [("ConfigMap", config_map), ("Experiment", experiment), ("Job", job)]
    return [error.message for name, value in pairs for error in VALIDATORS[name].iter_errors(value)]


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return notebook(tmp_path / "churn.ipynb", *CELLS)


def compiled(*arguments):
    done = call("compile", "churn.ipynb", "--target", "katib", "--objective", "loss", *arguments, "-o", "-")
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout)), done.stderr


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_is_emitted_is_valid(path):
    resources = list(yaml.safe_load_all(path.read_text()))
    assert [each["kind"] for each in resources] == ["ConfigMap", "Experiment"] and faults(resources) == []


BREAKS = [
    ("a field that nobody knows", lambda c, e: e["spec"].update(maxTrials=3)),
    ("a count that is a text", lambda c, e: e["spec"].update(parallelTrialCount="3")),
    ("an end that is a number", lambda c, e: e["spec"]["parameters"][0]["feasibleSpace"].update(min=1)),
    (
        "a setting that is a number",
        lambda c, e: e["spec"]["algorithm"].update(algorithmSettings=[{"name": "a", "value": 1}]),
    ),
    ("a field of a Job that nobody knows", lambda c, e: job_of(e)["spec"].update(backofLimit=0)),
    ("a name of the Job's own", lambda c, e: job_of(e).update(metadata={"name": "mine"})),
    ("a command that is a text", lambda c, e: container_of(e).update(command="python3 trial.py")),
    ("a variable that is a number", lambda c, e: container_of(e)["env"][0].update(value=1)),
    ("a file that is a number", lambda c, e: c["data"].update({"trial.json": 1})),
]


def job_of(experiment):
    return experiment["spec"]["trialTemplate"]["trialSpec"]


def container_of(experiment):
    [container] = job_of(experiment)["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("change", [change for _, change in BREAKS], ids=[name for name, _ in BREAKS])
def test_the_schemas_refuse_what_is_wrong(change):
    resources = list(yaml.safe_load_all(GOLDEN[0].read_text()))
    changed = copy.deepcopy(resources)
    change(*changed)
    assert len(faults(changed)) == 1


def test_a_sweep_is_asked_for_in_the_words_of_sweep(path):
    words = ["--param", "rate=loguniform:1e-4:1", "--param", "kind=choice:plain,other", "-p", "layers=3", "--maximize"]
    words += ["--algorithm", "tpe", "--setting", "n_EI_candidates=8", "--trials", "9", "--parallel", "2", "--seed", "5"]
    words += ["--max-failed", "4", "--goal", "0.9", "--namespace", "team-a", "--service-account", "runner"]
    (config_map, experiment), _ = compiled(*words)
    assert faults([config_map, experiment]) == []
    assert config_map["metadata"]["namespace"] == experiment["metadata"]["namespace"] == "team-a"
    spec = experiment["spec"]
    assert (spec["maxTrialCount"], spec["parallelTrialCount"], spec["maxFailedTrialCount"]) == (9, 2, 4)
    assert spec["objective"] == {
        "type": "maximize",
        "goal": 0.9,
        "objectiveMetricName": "loss",
        "additionalMetricNames": ["size"],
    }
    settings = {each["name"]: each["value"] for each in spec["algorithm"]["algorithmSettings"]}
    assert (spec["algorithm"]["algorithmName"], settings) == ("tpe", {"n_EI_candidates": "8", "random_state": "5"})
    assert [each["name"] for each in spec["parameters"]] == ["rate", "kind"]
    assert job_of(experiment)["spec"]["template"]["spec"]["serviceAccountName"] == "runner"
    assert json.loads(config_map["data"]["trial.json"])["arguments"] == {"layers": 3}


def test_python_asks_in_the_same_words(path):
    words = ["--param", "rate=loguniform:1e-4:1", "--param", 'kind=choice:["plain","other"]', "-p", "layers=3"]
    resources, _ = compiled(*words, "--algorithm", "tpe", "--trials", "9", "--service-account", "runner")
    asked = {"ranges": {"rate": "loguniform:1e-4:1", "kind": ["plain", "other"]}, "parameters": {"layers": 3}}
    asked |= {"objective": "loss", "algorithm": "tpe", "trials": 9}
    answer = kale_rs.compile(path, target="katib", sweep=asked, service_account="runner")
    assert list(yaml.safe_load_all(answer.text)) == resources


def test_what_is_written_down_counts(path):
    Path("sweep.yaml").write_text("parameters: {rate: 'uniform:0:1'}\nobjective: loss\ntrials: 4\nparallel: 2\n")
    done = call("compile", "churn.ipynb", "--target", "katib", "--file", "sweep.yaml", "--trials", "5", "-o", "-")
    spec = list(yaml.safe_load_all(done.stdout))[1]["spec"]
    assert (spec["maxTrialCount"], spec["parallelTrialCount"], len(spec["parameters"])) == (5, 2, 1)


def test_ranges_are_guessed_and_shown(path):
    (_, experiment), said = compiled()
    assert [each["name"] for each in experiment["spec"]["parameters"]] == ["rate", "layers"]
    assert "varied, by the notebook's own values" in said and "layers=int:1:8" in said


def test_the_same_bytes_everywhere(path, monkeypatch):
    """What this machine has (processors, process ids, the time) is nobody else's."""
    first = call("compile", "churn.ipynb", "--target", "katib", "--objective", "loss")
    assert first.returncode == 0 and "churn-katib.yaml" in first.stderr
    written = Path("churn-katib.yaml").read_text()
    again = call("compile", "churn.ipynb", "--target", "katib", "--objective", "loss", "-o", "-", TZ="Asia/Tokyo")
    assert again.stdout == written


def test_what_katib_refuses_is_told(path):
    done = call("compile", "churn.ipynb", "--target", "katib", "--objective", "loss", "--parallel", "11", "--json")
    assert done.returncode == 1 and ids(json.loads(done.stdout)) == ["katib-refuses"]
    words = ["--algorithm", "bayesianoptimization", "--param", "rate=uniform:0.1:1"]
    done = call("compile", "churn.ipynb", "--target", "katib", "--objective", "loss", *words, "--json")
    assert done.returncode == 0 and ids(json.loads(done.stdout)) == ["katib-differs"]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--target", "kfp", "--param", "rate=uniform:0:1"], "`kfp` is one pipeline"),
        (["--target", "kfp-script", "-p", "rate=1"], "`kfp-script` is one pipeline"),
        (["--target", "kfp", "--service-account", "runner"], "`kfp` is one pipeline"),
        (["--target", "katib"], "several metrics"),
        (["--target", "katib", "--objective", "accuracy"], "no metric `accuracy`"),
        (["--target", "katib", "--objective", "loss", "--param", "depth=int:1:2"], "no parameter `depth`"),
        (
            ["--target", "katib", "--objective", "loss", "--param", "rate=uniform:0:1", "-p", "rate=3"],
            "is varied, and has",
        ),
        (["--target", "katib", "--objective", "loss", "--kubernetes"], "resources of Kubernetes anyway"),
        (["--target", "katib", "--objective", "loss", "--namespace", "Team A"], "the namespace"),
    ],
)
def test_wrong_usage_is_told(path, arguments, told):
    done = call("compile", "churn.ipynb", *arguments, "-o", "-")
    assert done.returncode == 2 and told in done.stderr and done.stdout == "", done.stderr


def test_a_value_of_the_wrong_type_is_told(path):
    done = call(
        "compile", "churn.ipynb", "--target", "katib", "--objective", "loss", "-p", "kind=a", "-p", "layers=many"
    )
    assert done.returncode == 1 and "layers" in done.stderr and not re.search("Traceback|panicked", done.stderr)
