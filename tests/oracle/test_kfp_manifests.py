"""The resources of `compile --kubernetes` are what the official SDK makes of the same pipeline."""

import pytest
import yaml
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from . import kfp_support as kfp


@pytest.mark.parametrize(("name", "namespace"), [("cluster", None), ("branches", "team-a")])
def test_resources_are_those_of_the_sdk(name, namespace, tmp_path):
    case = next(case for case in kfp.cases() if case.name == name)
    text = (kfp.GOLDEN / "kfp-kubernetes" / f"{name}.yaml").read_text(encoding="utf-8")
    pipeline, version = ours = list(yaml.safe_load_all(kfp.with_runtime(text)))
    options = KubernetesManifestOptions(
        pipeline_name=pipeline["metadata"]["name"],
        pipeline_version_name=version["metadata"]["name"],
        namespace=namespace,
        include_pipeline_manifest=True,
    )
    path = tmp_path / "theirs.yaml"
    kfp.compiler.Compiler().compile(
        kfp.load_ir(case.ir),
        str(path),
        kubernetes_manifest_options=options,
        kubernetes_manifest_format=True,
    )
    theirs = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    # Theirs shows a version by the pipeline's name, ours by its own: a list of versions tells them apart.
    theirs[1]["spec"]["displayName"] = version["metadata"]["name"]
    # The SDK has a description in one line.
    for document in ours:
        if "description" in document["spec"]:
            document["spec"]["description"] = " ".join(document["spec"]["description"].split())
    for document in (ours[1], theirs[1]):
        del document["spec"]["pipelineSpec"]["sdkVersion"]
    assert ours == theirs
