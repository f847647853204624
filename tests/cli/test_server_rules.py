"""What API servers of Kubeflow Pipelines, Argo and Kubernetes demand beyond what the SDK checks: one list.

Each rule is broken by an example, which is refused in words before anything is sent; or what we emit cannot break it,
which is looked at in pipelines that the specification (`tests/spec`) compiles to; or it is about requests, and the
test that breaks it is named.
"""

import json
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import kale_rs
import pytest
import yaml

from .support import call, cell, notebook

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

import spec_cases  # noqa: E402

NOISE = "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=1_200_000))
STEPS = [cell("a = 1", "step:one"), cell("print(a)", "step:two")]


def parameter(source: str) -> list[dict]:
    return [cell(source, "pipeline-parameters"), cell("print(a)", "step:one")]


def ours(**metadata: object) -> dict:
    return {"kale_rs": {"version": 1, **metadata}}


# --- rules that a user can break ------------------------------------------------------------------------------------


@dataclass
class Broken:
    """An example that breaks a rule: a notebook, an overlay, arguments of `compile` or `run`; and what is told."""

    rule: str
    told: str
    id: str | None = "cluster-value"
    cells: list = field(default_factory=lambda: STEPS)
    metadata: dict = field(default_factory=dict)
    overlay: dict | None = None
    arguments: tuple[str, ...] = ()
    verb: str = "compile"


def overlaid(rule: str, told: str, id: str | None = "cluster-value", **overlay: object) -> Broken:
    return Broken(rule, told, id, overlay=overlay)


def claim(**more: object) -> list[dict]:
    return [{"name": "data", "mount_point": "/data", "size": "1Gi", **more}]


BROKEN = [
    # The document.
    Broken("a pipeline has at least one task", "no code", "no-code", cells=[cell("# Title", kind="markdown")]),
    Broken(
        "a graph has no cycles",
        "`one`",
        "prev-order",
        cells=[cell("a = 1", "step:one", "prev:two"), cell("print(a)", "step:two")],
    ),
    Broken(
        "the name of a step is one that Kubernetes takes",
        "step name",
        "bad-tag",
        cells=[cell("a = 1", f"step:{'x' * 64}")],
    ),
    # Lengths and characters.
    Broken(
        "an experiment's name has at most 128 bytes", "the name of an experiment", metadata=ours(experiment="x" * 129)
    ),
    Broken(
        "a namespace has at most 63 characters",
        "the namespace",
        None,
        arguments=("--kubernetes", "--namespace", "x" * 64),
    ),
    overlaid("an image is a reference", "no reference of an image", image="python 3.12"),
    overlaid("an image is not empty", "no reference of an image", steps={"two": {"image": ""}}),
    Broken(
        "an image of the metadata is a reference", "no reference of an image", metadata=ours(base_image="python\n3")
    ),
    Broken(
        "labels are texts of Kubernetes",
        "not a label value",
        "bad-tag",
        cells=[cell("a = 1", "step:one", "label:team:a b")],
    ),
    Broken(
        "keys of annotations are names",
        "not a Kubernetes key",
        "bad-tag",
        cells=[cell("a = 1", "step:one", "annotation:a b:c")],
    ),
    overlaid("labels of nodes are texts of Kubernetes", "node label `pool: a b`", node_selector={"pool": "a b"}),
    overlaid(
        "keys of labels of nodes are names", "node label `a b: c`", steps={"two": {"node_selector": {"a b": "c"}}}
    ),
    # What is asked of Kubernetes.
    overlaid("a toleration of all taints exists", "is of every taint", tolerations=[{"value": "a"}]),
    overlaid(
        "a toleration that exists has no value",
        "has a value",
        tolerations=[{"key": "a", "operator": "Exists", "value": "b"}],
    ),
    overlaid("tolerations hold texts of Kubernetes", "toleration `a: b c`", tolerations=[{"key": "a", "value": "b c"}]),
    overlaid("an effect is one of three", "unknown variant `Never`", None, tolerations=[{"effect": "Never"}]),
    overlaid(
        "the name of a claim is one of DNS", "cannot be a claim", volumes=[{"name": "My Data", "mount_point": "/d"}]
    ),
    overlaid(
        "a volume is mounted at an absolute path",
        "must begin with `/`",
        None,
        volumes=[{"name": "d", "mount_point": "d"}],
    ),
    overlaid("nothing is mounted at the root", "no place to mount it", volumes=[{"name": "d", "mount_point": "/"}]),
    overlaid("a mount path holds no colon", "no place to mount it", volumes=[{"name": "d", "mount_point": "/a:b"}]),
    overlaid(
        "no path is taken for a template by Argo",
        "no place to mount it",
        volumes=[{"name": "d", "mount_point": "/a/{{workflow.name}}"}],
    ),
    Broken(
        "no annotation is taken for a template by Argo",
        "which Argo would replace",
        cells=[cell("a = 1", "step:one", "annotation:note:{{workflow.name}}"), cell("print(a)", "step:two")],
    ),
    overlaid(
        "an index of packages is a URL that is no template",
        "no URL without credentials",
        None,
        packages={"index_url": "https://pypi.example.org/{{workflow.name}}"},
    ),
    overlaid(
        "one volume is mounted at a path",
        "mounted at the same place",
        volumes=[{"name": "a", "mount_point": "/d"}, {"name": "b", "mount_point": "/d/"}],
    ),
    overlaid("a claim is not empty", "`0` is no size", volumes=claim(size=0)),
    overlaid("a claim has a size", "`much` is no size", volumes=claim(size="much")),
    overlaid("a storage class has a name of DNS", "no storage class", volumes=claim(storage_class="Fast!")),
    overlaid("a claim is shared in one of four ways", "no way to share it", volumes=claim(access_mode="Anyhow")),
    Broken(
        "variables of volumes have names",
        "no environment variable",
        metadata=ours(volumes=[{"name": "d", "mount_point": "/d", "variable": "a-b"}]),
    ),
    Broken(
        "a secret, its key and its variable have names",
        "cannot be the",
        "bad-tag",
        cells=[cell("a = 1", "step:one", "secret:hub:token:1A")],
    ),
    Broken("a deadline is counted in 32 bits", "more seconds", cells=[cell("a = 1", "step:one", "timeout:2147483648")]),
    Broken(
        "an amount is a quantity",
        "not a Kubernetes quantity",
        "bad-tag",
        cells=[cell("a = 1", "step:one", "memory:much")],
    ),
    overlaid("an amount of an overlay is a quantity", "is no amount", None, resources={"memory": "much"}),
    # Sizes.
    Broken(
        "a step's parameters fit one argument of 128 KiB",
        "reads of the parameters",
        "too-large",
        cells=parameter(f"a = '{NOISE[:120_000]}'"),
    ),
    Broken(
        "a pipeline fits an object of Kubernetes",
        "the 900 kB that clusters accept",
        "too-large",
        cells=[cell(f"a{n} = '{NOISE[n * 100_000 :][:100_000]}'", f"step:s{n}") for n in range(12)],
    ),
    # A run's parameters.
    Broken(
        "a run's parameters are those of the pipeline",
        "`b`",
        "unknown-parameter",
        cells=parameter("a = 1"),
        verb="run",
        arguments=("-p", "b=1"),
    ),
    Broken(
        "a run's parameters have the declared type",
        "is not an int",
        "parameter-value",
        cells=parameter("a = 1"),
        verb="run",
        arguments=("-p", "a=much"),
    ),
    Broken(
        "a run's integers are exact in a double",
        "KFP cannot hold 9007199254740993",
        "cluster-value",
        cells=parameter("a = 1"),
        verb="run",
        arguments=("-p", f"a={2**53 + 1}"),
    ),
    Broken(
        "a run's parameters fit one argument of 128 KiB",
        "The parameters are 121 kB",
        "cluster-value",
        cells=parameter("a = ''"),
        verb="run",
        arguments=("--params", "params.json"),
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.rule)
def test_what_breaks_a_rule_is_refused_before_anything_is_sent(broken, tmp_path, monkeypatch):
    """By `compile`, and by `run` on a cluster that nobody has asked: its address answers nothing."""
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    assert call("context", "add", "nowhere", "--kfp", "http://127.0.0.1:9").returncode == 0
    notebook(tmp_path / "n.ipynb", *broken.cells, metadata=broken.metadata)
    (tmp_path / "params.json").write_text(json.dumps({"a": NOISE[:120_000]}))
    options = list(broken.arguments)
    if broken.overlay is not None:
        (tmp_path / "o.yaml").write_text(json.dumps(broken.overlay))
        options += ["--overlay", "o.yaml"]
    commands = [("run", "n.ipynb", "--on", "nowhere", "--json", *options)]
    if broken.verb == "compile":
        commands.append(("compile", "n.ipynb", "--json", *options))
    for command in commands[1 if "--kubernetes" in options else 0 :]:
        done = call(*command, cwd=tmp_path)
        if broken.id is None:
            assert (done.returncode, broken.told in done.stderr, "help: " in done.stderr) == (2, True, True), done
        else:
            assert done.returncode == 1, done
            answer = json.loads(done.stdout)
            told = [one for one in answer["diagnostics"] if one["id"] == broken.id and broken.told in one["message"]]
            assert told and all(one["help"] for one in told), answer["diagnostics"]
            assert answer.get("run_id") is None
    assert not list(tmp_path.glob("*.yaml*")) or [path.name for path in tmp_path.glob("*.yaml")] == ["o.yaml"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--every", "1h", "--name", "a\nb"), "cannot be the name of a schedule"),
        (("--every", "1h", "--max-concurrency", "11"), "11 runs of one schedule"),
        (("--cron", "61 * * * * *"), "is no schedule"),
        (
            ("--every", "1h", "--start", "2027-01-01T00:00:00Z", "--end", "2026-01-01T00:00:00Z"),
            "ends before it starts",
        ),
    ],
)
def test_a_schedule_that_no_server_takes_is_refused_before_anything_is_sent(options, told, tmp_path, monkeypatch):
    """Neither is its pipeline."""
    monkeypatch.setenv("KALE_RS_CONFIG", str(tmp_path / "config"))
    assert call("context", "add", "nowhere", "--kfp", "http://127.0.0.1:9").returncode == 0
    notebook(tmp_path / "n.ipynb", *STEPS)
    done = call("schedule", "add", "n.ipynb", "--on", "nowhere", *options, cwd=tmp_path)
    assert (done.returncode, told in done.stderr, "help: " in done.stderr) == (2, True, True), done


# --- rules that what we emit cannot break ---------------------------------------------------------------------------

#: Fields of the document that the oldest supported server knows: one that it does not know makes it refuse the whole.
FIELDS = {
    "": "components deploymentSpec pipelineInfo root schemaVersion sdkVersion",
    "pipelineInfo": "description name",
    "component": "executorLabel inputDefinitions outputDefinitions",
    "root": "dag inputDefinitions outputDefinitions",
    "dag": "outputs tasks",
    "task": "cachingOptions componentRef dependentTasks inputs retryPolicy taskInfo",
    "container": "args command env image resources",
    "executor": "activeDeadlineSeconds nodeSelector podMetadata pvcMount secretAsEnv tolerations",
}
TYPES = {"NUMBER_DOUBLE": float, "NUMBER_INTEGER": int, "STRING": str, "BOOLEAN": bool, "LIST": list, "STRUCT": dict}
KEPT: dict[str, Callable[[list[dict]], bool]] = {}


def kept(rule: str):
    def register(check):
        KEPT[rule] = check
        return check

    return register


def known(kind: str, found: dict) -> bool:
    return set(found) <= set(FIELDS[kind].split())


def definitions(component: dict, which: str = "inputDefinitions") -> dict:
    return component.get(which, {}).get("parameters", {})


@kept("the schema has version 2.1.0")
def _(documents):
    return documents[0]["schemaVersion"] == "2.1.0"


@kept("there is one pipeline, and at most one document for a platform, which is not skipped as malformed")
def _(documents):
    return [list(one) for one in documents[1:]] in ([], [["platforms"]]) and all(
        list(one["platforms"]) == ["kubernetes"] for one in documents[1:]
    )


@kept("the document has no field that a server may not know")
def _(documents):
    spec, dag = documents[0], documents[0]["root"]["dag"]
    return (
        all(known(kind, found) for kind, found in [("", spec), ("pipelineInfo", spec["pipelineInfo"])])
        and all(known(kind, found) for kind, found in [("root", spec["root"]), ("dag", dag)])
        and all(known("task", task) for task in dag["tasks"].values())
        and all(known("component", component) for component in spec["components"].values())
    )


@kept("what a server ignores silently is written rightly")
def _(documents):
    executors = documents[0]["deploymentSpec"]["executors"]
    platform = documents[1]["platforms"]["kubernetes"] if len(documents) > 1 else {}
    configured = platform.get("deploymentSpec", {}).get("executors", {})
    return (
        list(documents[0]["deploymentSpec"]) == ["executors"]
        and all(list(one) == ["container"] and known("container", one["container"]) for one in executors.values())
        and set(configured) <= set(executors)
        and all(known("executor", one) for one in configured.values())
    )


@kept("the root is a graph of tasks")
def _(documents):
    return len(documents[0]["root"]["dag"]["tasks"]) > 0


@kept("every task has a component, every component an executor, and none is left over")
def _(documents):
    spec = documents[0]
    used = {task["componentRef"]["name"] for task in spec["root"]["dag"]["tasks"].values()}
    labels = {one["executorLabel"] for one in spec["components"].values()}
    return used == set(spec["components"]) and labels == set(spec["deploymentSpec"]["executors"])


@kept("every task gets what its component requires, of the type that it declares, and nothing else")
def _(documents):
    spec, root = documents[0], definitions(documents[0]["root"])
    for task in spec["root"]["dag"]["tasks"].values():
        declared = definitions(spec["components"][task["componentRef"]["name"]])
        given = task.get("inputs", {}).get("parameters", {})
        if not {name for name, one in declared.items() if not one.get("isOptional")} <= set(given) <= set(declared):
            return False
        named = {
            name: one["componentInputParameter"] for name, one in given.items() if "componentInputParameter" in one
        }
        if any(root[source]["parameterType"] != declared[name]["parameterType"] for name, source in named.items()):
            return False
    return True


@kept("a task waits for the tasks whose outputs it reads, all of which there are, and for itself never")
def _(documents):
    tasks, components = documents[0]["root"]["dag"]["tasks"], documents[0]["components"]
    done: set[str] = set()
    while ready := [
        name for name, task in tasks.items() if name not in done and set(task.get("dependentTasks", [])) <= done
    ]:
        done |= set(ready)
    for task in tasks.values():
        for source in task.get("inputs", {}).get("artifacts", {}).values():
            producer, key = (
                source["taskOutputArtifact"]["producerTask"],
                source["taskOutputArtifact"]["outputArtifactKey"],
            )
            made = components[tasks[producer]["componentRef"]["name"]]["outputDefinitions"]["artifacts"]
            if producer not in task["dependentTasks"] or key not in made:
                return False
    return done == set(tasks)


@kept("every parameter of a run may be left out, and its default has its type")
def _(documents):
    root = definitions(documents[0]["root"])
    kinds = [(TYPES[one["parameterType"]], one["defaultValue"]) for one in root.values()]
    return all(one["isOptional"] for one in root.values()) and all(
        isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
        for kind, value in kinds
    )


@kept("a parameter of a run is neither a task's status nor one of some literals")
def _(documents):
    every = [documents[0]["root"], *documents[0]["components"].values()]
    return all(
        one["parameterType"] in TYPES and "literals" not in one for c in every for one in definitions(c).values()
    )


@kept("there is no workspace, whose size and claim would have rules of their own")
def _(documents):
    return len(documents) == 1 or list(documents[1]["platforms"]["kubernetes"]) == ["deploymentSpec"]


@kept("the pipeline's name is `[a-z0-9][a-z0-9-]{0,127}`, and tasks have names of DNS")
def _(documents):
    names = documents[0]["root"]["dag"]["tasks"]
    return bool(
        re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", documents[0]["pipelineInfo"]["name"])
        and all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)
    )


@kept("nothing in a command line is taken for a template, by KFP or by Argo")
def _(documents):
    containers = [one["container"] for one in documents[0]["deploymentSpec"]["executors"].values()]
    words = [word for one in containers for word in [*one.get("command", []), *one.get("args", [])]]
    return all("{" not in word for word in words if word != "{{$}}")


@kept("nothing else that a pod is given is taken for a template, by KFP or by Argo")
def _(documents):
    containers = [one["container"] for one in documents[0]["deploymentSpec"]["executors"].values()]
    given = [one["value"] for container in containers for one in container.get("env", [])]
    return "{{" not in json.dumps([given, documents[1:]])


@kept("no word of a command line has 128 KiB, and no container as a whole")
def _(documents):
    containers = [one["container"] for one in documents[0]["deploymentSpec"]["executors"].values()]
    return all(len(json.dumps(one)) < 131_072 for one in containers)


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    """Documents of every third case of the specification, of targets' examples, and of a pipeline with much code."""
    folder = tmp_path_factory.mktemp("specification")
    cases = [case for case in spec_cases.read_cases() if case.compiles][::3]
    found = {path.stem: path.read_text() for path in (ROOT / "tests" / "golden" / "kfp").glob("*.yaml")}
    for number, case in enumerate(cases):
        (folder / str(number)).mkdir()
        path = case.write(folder / str(number))
        done = kale_rs.compile(path, granularity=case.options[1] if case.options else None)
        found[case.name] = done.text
    large = notebook(folder / "large.ipynb", cell(f"a = '{NOISE[:400_000]}'", "step:one"), cell("print(a)", "step:two"))
    found["large"] = kale_rs.compile(large).text
    assert len(found) > 150
    return {name: list(yaml.load_all(text, yaml.CSafeLoader)) for name, text in found.items()}


@pytest.mark.parametrize("rule", KEPT)
def test_what_is_emitted_keeps_the_rule(rule, emitted):
    assert [name for name, documents in emitted.items() if not KEPT[rule](documents)] == []


# --- rules about requests, which tests of the client break ----------------------------------------------------------

LIMITS = "rust/kale_kubeflow/src/limits.rs: names_are_checked_as_the_server_does"
ELSEWHERE = {
    "the names of a pipeline, a version, an experiment and a run have their lengths": LIMITS,
    "a package has at most 32 MiB": LIMITS,
    "the names that we make of a pipeline's and a digest have room": (
        "rust/kale_targets/src/kfp/manifests.rs: names_of_versions_have_room_for_their_digest"
    ),
    "what is too long is not sent": "tests/kubeflow/test_kfp_faults.py: test_what_a_server_would_refuse_is_not_sent",
    "a page has at most 200 rows": "tests/kubeflow/test_kfp_faults.py: test_all_pages_are_read",
    "a server of several users wants a namespace": (
        "tests/kubeflow/test_kfp_faults.py: test_a_server_of_several_users_wants_a_namespace"
    ),
    "a schedule is one that a server reads": "rust/kale_kubeflow/src/cron.rs: schedules_are_those_that_a_server_reads",
    "a schedule ends after it starts, and an interval is one": (
        "rust/kale_kubeflow/src/api/recurring.rs: a_schedule_has_sense"
    ),
    "from 1 to 10 runs of a schedule go on at the same time": LIMITS,
}


@pytest.mark.parametrize("rule", ELSEWHERE)
def test_the_rule_has_a_test(rule):
    path, name = ELSEWHERE[rule].split(": ")
    source = (ROOT / path).read_text()
    begin = re.search(rf"^(?P<mark>@[^\n]*\n|    #\[[^\n]*\n)*(def|    fn) {name}\(", source, re.M)
    assert begin and "skip" not in begin[0] and "ignore" not in begin[0], "it is there, and runs"
    # Up to the next thing of its level.
    body = re.split(r"\n(?=\S|    }\n)", source[begin.end() :], maxsplit=1)[0]
    assert re.search(r"\bassert|pytest\.raises", body), f"`{name}` looks at nothing"
