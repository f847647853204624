"""`compile --target kserve`: what is emitted is what KServe's own schema knows, and what cannot be is told."""

import copy
import json
from pathlib import Path

import jsonschema
import kale_rs
import pytest
import yaml
from cli.support import call, ids
from cli.test_katib import strict

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "tests" / "schemas" / "kserve.json").read_text())["schema"]
VALIDATOR = jsonschema.Draft202012Validator(strict(SCHEMA))
FUNCTIONS = {"file": "names.pkl", "format": "dill", "preprocess": "prepare"}
LOCKS = {
    "sklearn": ["scikit-learn==1.5.2", "numpy==2.1.0"],
    "xgboost": ["xgboost-cpu==2.1.4"],
    "lightgbm": ["lightgbm==4.6.0"],
    "torch": ["torch==2.9.0"],
}
MODELS = {
    "sklearn": ("model/model.joblib", "joblib", "sklearn.linear_model._logistic.LogisticRegression"),
    "xgboost": ("model/model.ubj", "native", "xgboost.sklearn.XGBRegressor"),
    "lightgbm": ("model/model.bst", "native", "lightgbm.basic.Booster"),
    "torch": ("model/model.pt", "pickle", "__main__.Net"),
}


def bundle(folder, flavour="sklearn", lock=None, functions=None, **model):
    file, format, kind = MODELS[flavour]
    about = {"format_version": 1, "name": "churn", "version": "3f9a41c07d2e"}
    about["model"] = {"flavour": flavour, "file": file, "format": format, "class": kind, "method": "predict"} | model
    about["environment"] = {"python_version": "3.12", "requirements": "requirements.txt"}
    if functions:
        about["functions"] = functions
    folder.mkdir(exist_ok=True)
    (folder / "bundle.json").write_text(json.dumps(about))
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lock or LOCKS[flavour]))
    # So that none is made: tests/packing/test_container.py is about that.
    (folder / "wheel").mkdir(exist_ok=True)
    (folder / "wheel" / "kale_rs-0.1.0-cp310-abi3-manylinux_2_34_x86_64.whl").write_bytes(b"")
    return folder


@pytest.fixture
def churn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return bundle(tmp_path / "churn")


def faults(resource):
    return [error.message for error in VALIDATOR.iter_errors(resource)]


def compiled(folder, **kserve):
    found = kale_rs.compile(folder, "-", target="kserve", kserve=kserve)
    resource = yaml.safe_load(found.text)
    assert faults(resource) == []
    return resource


def annotation(resource, name):
    return resource["metadata"]["annotations"].get(f"serving.kserve.io/{name}")


def test_our_server_is_the_predictor(churn):
    resource = compiled(churn, storage_uri="pvc://models/churn")
    assert (resource["apiVersion"], resource["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert resource["metadata"]["name"] == "churn" and annotation(resource, "deploymentMode") == "Standard"
    [container] = resource["spec"]["predictor"]["containers"]
    assert container["name"] == "kserve-container" and container["image"] == "python:3.12-slim"
    assert container["env"] == [{"name": "STORAGE_URI", "value": "pvc://models/churn"}]
    assert (
        "kale-rs serve --bundle /mnt/models --host 0.0.0.0 --port 8080 --open --name churn" in container["command"][2]
    )


def test_the_mode_is_always_said(churn):
    for mode in ("standard", "knative"):
        resource = compiled(churn, mode=mode)
        assert annotation(resource, "deploymentMode") == mode.capitalize()
        assert (annotation(resource, "autoscalerClass") == "hpa") == (mode == "standard")


def test_pods_are_placed_by_the_overlay(churn, tmp_path):
    overlay = tmp_path / "prod.yaml"
    overlay.write_text(
        "image: registry.example/kale:1\nresources: {memory: 4Gi, gpu: 1}\nnode_selector: {pool: serving}\n"
        "tolerations: [{key: serving, operator: Exists}]\n"
    )
    found = kale_rs.compile(churn, "-", target="kserve", overlay=overlay, namespace="team-a", service_account="reader")
    resource = yaml.safe_load(found.text)
    predictor = resource["spec"]["predictor"]
    [container] = predictor["containers"]
    assert faults(resource) == [] and resource["metadata"]["namespace"] == "team-a"
    assert container["image"] == "registry.example/kale:1"
    assert container["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert predictor["nodeSelector"] == {"pool": "serving"} and predictor["tolerations"][0]["key"] == "serving"
    assert predictor["serviceAccountName"] == "reader"
    other = compiled(churn, image="other:2")
    assert other["spec"]["predictor"]["containers"][0]["image"] == "other:2"


def test_replicas_follow_what_is_asked(churn):
    asked = {"min_replicas": 1, "max_replicas": 5, "scale_metric": "memory", "scale_target": 70, "concurrency": 4}
    predictor = compiled(churn, **asked)["spec"]["predictor"]
    told = [predictor[key] for key in ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")]
    assert told == [1, 5, "memory", 70] and predictor["containerConcurrency"] == 4
    knative = compiled(churn, mode="knative", min_replicas=0, scale_metric="rps")["spec"]["predictor"]
    assert (knative["minReplicas"], knative["scaleMetric"]) == (0, "rps")
    keda = compiled(churn, min_replicas=0, autoscaler="keda")
    assert annotation(keda, "autoscalerClass") == "keda"


def test_a_canary_in_both_modes(churn):
    knative = compiled(churn, mode="knative", canary=10)["spec"]
    assert knative["predictor"]["canaryTrafficPercent"] == 10 and "canary" not in knative
    both = {"storage_uri": "s3://b/new", "stable_uri": "s3://b/old", "max_replicas": 4}
    standard = compiled(churn, canary=10, **both)["spec"]
    [canary] = standard["canary"]
    uris = [each["containers"][0]["env"][0]["value"] for each in (standard["predictor"], canary["predictor"])]
    assert canary["trafficPercent"] == 10 and uris == ["s3://b/old", "s3://b/new"]
    assert standard["predictor"]["name"] == "stable" != canary["predictor"]["name"]
    assert "maxReplicas" in standard["predictor"] and "maxReplicas" not in canary["predictor"]


@pytest.mark.parametrize(
    "flavour, runtime, format",
    [
        ("sklearn", "kserve-sklearnserver", {"name": "sklearn", "version": "1"}),
        ("xgboost", "kserve-xgbserver", {"name": "xgboost", "version": "2"}),
        ("lightgbm", "kserve-lgbserver", {"name": "lightgbm", "version": "4"}),
    ],
)
def test_a_runtime_of_kserves_where_versions_allow(tmp_path, flavour, runtime, format):
    folder = bundle(tmp_path / "b", flavour)
    model = compiled(folder, runtime="native", storage_uri="pvc://models/b/")["spec"]["predictor"]["model"]
    assert (model["runtime"], model["modelFormat"], model["protocolVersion"]) == (runtime, format, "v2")
    assert model["storageUri"] == "pvc://models/b/model"
    assert compiled(folder, runtime=runtime)["spec"]["predictor"]["model"] == model | {
        "storageUri": "pvc://models/churn/3f9a41c07d2e/model"
    }


def test_a_canary_of_a_runtime_has_the_name_that_the_schema_wants(churn):
    spec = compiled(churn, runtime="native", canary=5, stable_uri="s3://b/old")["spec"]
    assert spec["canary"][0]["predictor"]["model"]["name"] == "kserve-container"


def test_a_transformer_stands_before_the_model(tmp_path):
    folder = bundle(tmp_path / "b", functions=FUNCTIONS)
    spec = compiled(folder, transformer=True, runtime="native")["spec"]
    [container] = spec["transformer"]["containers"]
    assert "--predictor http://churn-predictor" in container["command"][2]
    assert spec["predictor"]["model"]["runtime"] == "kserve-sklearnserver"
    [own] = compiled(folder, transformer=True)["spec"]["predictor"]["containers"]
    assert "--model-only" in own["command"][2]


REFUSED = [
    ({"runtime": "native"}, {"lock": ["scikit-learn==1.9.1"]}, "made with scikit-learn 1.9.1"),
    ({"runtime": "native"}, {"lock": ["numpy==2.1.0"]}, "made with scikit-learn unknown"),
    ({"runtime": "native"}, {"functions": FUNCTIONS}, "come before or after its model"),
    ({"runtime": "native"}, {"method": "predict_proba"}, "answers by `predict_proba`"),
    ({"runtime": "native"}, {"file": "model/model.dill"}, "refers to code of the notebook"),
    ({"runtime": "native"}, {"flavour": "torch"}, "No runtime of KServe's serves a model of `torch`"),
    (
        {"runtime": "native"},
        {"flavour": "xgboost", "class": "xgboost.sklearn.XGBClassifier"},
        "another than the runtime's",
    ),
    ({"runtime": "mine"}, {}, "Not `mine`"),
    ({"storage_uri": "/mnt/models"}, {}, "cannot read a bundle from `/mnt/models`"),
    ({"storage_uri": "s3://"}, {}, "cannot read a bundle"),
    ({"min_replicas": 0}, {}, "keeps at least one replica"),
    ({"scale_metric": "rps"}, {}, "follow `cpu` or `memory`"),
    ({"min_replicas": 3, "max_replicas": 2}, {}, "At most 2 replicas"),
    ({"mode": "knative", "autoscaler": "hpa"}, {}, "Knative has its own"),
    ({"canary": 10}, {}, "stands beside a stable predictor"),
    ({"canary": 0, "mode": "knative"}, {}, "1 to 100 percent"),
    ({"transformer": True}, {}, "no functions"),
    ({"transformer": True, "canary": 5, "stable_uri": "s3://a/b"}, {"functions": FUNCTIONS}, "a canary is a predictor"),
]


@pytest.mark.parametrize("asked, made, told", REFUSED, ids=[told for *_, told in REFUSED])
def test_what_kserve_refuses_is_told(tmp_path, asked, made, told):
    folder = bundle(tmp_path / "b", **made)
    with pytest.raises(kale_rs.NotebookError) as refused:
        kale_rs.compile(folder, "-", target="kserve", kserve=asked)
    assert {one.id for one in refused.value.diagnostics.errors} == {"kserve-refuses"}
    assert told in " ".join(one.message for one in refused.value.diagnostics)


def test_what_is_otherwise_is_told(churn):
    found = kale_rs.compile(churn, "-", target="kserve", kserve={"runtime": "native"})
    assert [one.id for one in found.diagnostics] == ["kserve-differs"]


BREAKS = [
    ("a key that nobody knows", lambda spec: spec["predictor"].update(minReplica=1)),
    ("a component that nobody knows", lambda spec: spec.update(transfomer={})),
    ("a number that is a text", lambda spec: spec["predictor"].update(minReplicas="one")),
    ("a metric that nobody knows", lambda spec: spec["predictor"].update(scaleMetric="gpu")),
    ("a variable that is a number", lambda spec: spec["predictor"]["containers"][0]["env"][0].update(value=1)),
    ("a command that is a text", lambda spec: spec["predictor"]["containers"][0].update(command="kale-rs")),
    ("a probe that nobody knows", lambda spec: spec["predictor"]["containers"][0]["readinessProbe"].update(path="/")),
]


@pytest.mark.parametrize("change", [change for _, change in BREAKS], ids=[name for name, _ in BREAKS])
def test_the_schema_refuses_what_is_wrong(churn, change):
    resource = copy.deepcopy(compiled(churn))
    change(resource["spec"])
    assert len(faults(resource)) == 1


def test_the_command_line_says_the_same(churn):
    words = ["--storage-uri", "pvc://models/churn", "--max-replicas", "3", "--mode", "knative"]
    done = call("compile", "churn", "--target", "kserve", *words, "-o", "-")
    assert done.returncode == 0, done.stderr
    asked = {"storage_uri": "pvc://models/churn", "max_replicas": 3, "mode": "knative"}
    assert yaml.safe_load(done.stdout) == compiled(churn, **asked)
    again = call("compile", "churn", "--target", "kserve", *words, "-o", "-", TZ="Asia/Tokyo")
    assert again.stdout == done.stdout
    done = call("compile", "churn", "--target", "kserve")
    assert done.returncode == 0 and Path("churn-kserve.yaml").exists() and "nobody said where" in done.stderr
    done = call("compile", "churn", "--target", "kserve", "--min-replicas", "0", "--json")
    assert done.returncode == 1 and ids(json.loads(done.stdout)) == ["kserve-refuses"]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["nothing", "--target", "kserve"], "`nothing` is no bundle"),
        (["churn", "--target", "kserve", "--mode", "modelmesh"], "no mode `modelmesh`"),
        (["churn", "--target", "kserve", "--kubernetes"], "resource of Kubernetes anyway"),
        (["churn", "--target", "kserve", "--transformer", "--name", "other"], "asks for the model `churn`"),
        (["train.ipynb", "--target", "kfp", "--image", "x"], "`kfp` is a pipeline"),
    ],
)
def test_wrong_usage_is_told(churn, arguments, told):
    done = call("compile", *arguments, "-o", "-")
    assert done.returncode == 2 and told in done.stderr and done.stdout == "", done.stderr
