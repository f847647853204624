use kale_frontend::metadata::{PipelineMetadata, read};
use kale_model::{Quantity, VolumeKind};
use serde_json::{Value, json};

use crate::lines;

fn check(metadata: Value, expected_diagnostics: &[&str]) -> PipelineMetadata {
    let (metadata, diagnostics) = read(&metadata);
    assert_eq!(lines(&diagnostics), expected_diagnostics);
    metadata
}

#[test]
fn kale_metadata_is_read() {
    let metadata = check(
        json!({"kubeflow_notebook": {
        "autosnapshot": true, "docker_image": "python:3.9", "experiment": {"id": "new", "name": "Titanic"},
        "experiment_name": "Titanic", "katib_metadata": {"maxTrialCount": 12}, "katib_run": false,
        "pipeline_description": "Predict who's saved", "pipeline_name": "titanic-ml", "snapshot_volumes": true,
        "steps_defaults": ["label:access-rok:true", "limit:memory:2Gi"], "timeout": 600,
        "storage_class_name": "fast", "volume_access_mode": "rwm",
        "volumes": [
            {"annotations": [], "mount_point": "/home/jovyan/data", "name": "data", "size": 5, "size_type": "Gi",
             "snapshot": false, "type": "new_pvc"},
            {"mount_point": "/models", "name": "my-models", "size": 5, "size_type": "Gi", "type": "pvc",
             "expose_as_env_var": true},
        ]}}),
        &[],
    );
    assert_eq!(metadata.name.unwrap().as_str(), "titanic-ml");
    assert_eq!(metadata.description.as_deref(), Some("Predict who's saved"));
    assert_eq!(metadata.experiment.as_deref(), Some("Titanic"));
    assert_eq!(metadata.base_image.as_deref(), Some("python:3.9"));
    let defaults: Vec<String> = metadata.step_defaults.iter().map(ToString::to_string).collect();
    assert_eq!(defaults, ["timeout:600", "label:access-rok:true", "limit:memory:2Gi"]);
    let [data, models] = &metadata.volumes[..] else { panic!("{:?}", metadata.volumes) };
    let VolumeKind::New { size, storage_class, access_mode } = &data.kind else { panic!("{data:?}") };
    assert_eq!((size, access_mode.as_str()), (&Quantity("5Gi".into()), "ReadWriteMany"));
    assert_eq!(storage_class.as_deref(), Some("fast"));
    assert_eq!(
        (models.kind == VolumeKind::Existing, models.variable.as_deref()),
        (true, Some("KALE_VOLUME_MY_MODELS"))
    );
}

#[test]
fn what_kales_panel_leaves_blank_says_nothing() {
    let metadata = check(
        json!({"kubeflow_notebook": {
            "docker_image": "", "experiment": {"id": "", "name": ""}, "experiment_name": "", "pipeline_name": "",
            "pipeline_description": "", "volumes": [], "steps_defaults": null}}),
        &[],
    );
    assert_eq!(metadata, PipelineMetadata::default());
}

#[test]
fn ours_wins_over_kales() {
    let metadata = check(
        json!({"kale_rs": {"version": 1, "name": "ours", "enable_caching": false},
               "kubeflow_notebook": {"pipeline_name": "theirs", "base_image": "x", "enable_caching": true}}),
        &[],
    );
    assert_eq!(metadata.name.unwrap().as_str(), "ours");
    assert_eq!((metadata.base_image.as_deref(), metadata.enable_caching), (Some("x"), Some(false)));
}

#[test]
fn our_volumes() {
    let metadata = check(
        json!({"kale_rs": {"version": 1, "volumes": [
            {"name": "data", "mount_point": "/data", "variable": "DATA"},
            {"name": "new", "mount_point": "/new", "size": "1Gi", "access_mode": "ReadWriteOnce"},
        ]}}),
        &[],
    );
    assert_eq!(metadata.volumes.len(), 2);
    assert_eq!(metadata.volumes[0].variable.as_deref(), Some("DATA"));
}

#[test]
fn wrong_kinds_are_ignored_with_a_warning() {
    check(
        json!({"kale_rs": 3}),
        &["warning bad-metadata `kale_rs` in the notebook's metadata is `3`, not an object; it is ignored"],
    );
    check(
        json!({"kale_rs": {"version": 9}}),
        &["warning bad-metadata the notebook's `kale_rs` metadata is of version 9, which is not known here"],
    );
    let metadata = check(
        json!({"kubeflow_notebook": {
            "pipeline_name": "My Pipeline", "base_image": 7, "enable_caching": "yes", "volumes": {},
            "steps_defaults": ["step:a", "limit:cpu:x", 5, "hide-input"]}}),
        &[
            "warning bad-metadata the pipeline name `My Pipeline` must be lower-case letters, digits and `-`, at most 128",
            "warning bad-metadata `kubeflow_notebook.base_image` in the notebook's metadata is `7`, not a text; it is ignored",
            "warning bad-metadata `kubeflow_notebook.enable_caching` in the notebook's metadata is `\"yes\"`, not true or \
             false; it is ignored",
            "warning bad-metadata `step:a` among the step defaults of `kubeflow_notebook` is ignored",
            "warning bad-metadata the step default `limit:cpu:x` is ignored: `x` is not a Kubernetes quantity",
            "warning bad-metadata `kubeflow_notebook.step_defaults[2]` in the notebook's metadata is `5`, not a tag; it is \
             ignored",
            "warning bad-metadata `hide-input` among the step defaults of `kubeflow_notebook` is ignored",
            "warning bad-metadata `kubeflow_notebook.volumes` in the notebook's metadata is `{}`, not a list; it is ignored",
        ],
    );
    assert_eq!(metadata.name.unwrap().as_str(), "my-pipeline");
    let volume = |volume: Value, cause: &str| {
        let expected = format!(
            "warning bad-metadata `volumes[0]` of the notebook's `kubeflow_notebook` metadata is ignored: {cause}"
        );
        check(json!({"kubeflow_notebook": {"volumes": [volume]}}), &[&expected]);
    };
    volume(json!(1), "it is not an object");
    volume(json!({"name": "a"}), "it has no `mount_point`");
    volume(json!({"name": "a", "mount_point": "data"}), "its mount point `data` is not an absolute path");
    volume(json!({"name": 3, "mount_point": "/d"}), "its `name` is not a text");
    volume(
        json!({"name": "a", "mount_point": "/d", "type": "clone"}),
        "volumes of type `clone` do not exist outside of Kale's own clusters",
    );
    volume(
        json!({"name": "a", "mount_point": "/d", "type": "new_pvc", "size": "big"}),
        "its size `big` is not a quantity such as `5Gi`",
    );
}
