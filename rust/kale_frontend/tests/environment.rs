//! What the environment that a notebook is compiled for has to do with the answer.

use kale_frontend::{CompileOptions, compile};
use kale_model::{Code, Environment, PythonVersion, Requirement};

/// The text of a notebook with one step per source.
fn notebook(sources: &[&str]) -> String {
    let cells: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(index, source)| {
            serde_json::json!({
                "cell_type": "code", "id": format!("cell-{index}"), "metadata": {"tags": [format!("step:s{index}")]},
                "source": source, "outputs": [], "execution_count": null,
            })
        })
        .collect();
    let kernel = serde_json::json!({"name": "python3", "display_name": "Python 3", "language": "python"});
    serde_json::json!({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
        .to_string()
}

fn options(modules: &[(&str, &str, &str)]) -> CompileOptions {
    let requirement = |name: &str, version: &str| Requirement::pinned(name, version);
    let environment = Environment {
        python: PythonVersion { major: 3, minor: 10 },
        modules: modules
            .iter()
            .map(|(module, name, version)| (module.to_string(), requirement(name, version)))
            .collect(),
        distributions: modules.iter().map(|(_, name, version)| (name.to_string(), version.to_string())).collect(),
        local_modules: vec!["helpers".to_owned()],
        ..Environment::default()
    };
    CompileOptions { environment, default_name: "test".to_owned(), ..CompileOptions::default() }
}

fn codes(text: &str, options: &CompileOptions) -> Vec<Code> {
    compile(text, options).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn syntax_that_the_kernel_does_not_have_is_told_from_wrong_syntax() {
    let text = notebook(&["def first[T](values: list[T]) -> T:\n    return values[0]"]);
    assert_eq!(codes(&text, &options(&[])), [Code::UnsupportedSyntax]);
    let mut newer = options(&[]);
    newer.environment.python.minor = 12;
    assert_eq!(codes(&text, &newer), []);
}

#[test]
fn a_module_that_is_not_installed_has_no_known_version() {
    let text = notebook(&["import numpy, helpers, json, missing_module\nprint(numpy, helpers, json, missing_module)"]);
    let options = options(&[("numpy", "numpy", "2.4.1")]);
    assert_eq!(codes(&text, &options), [Code::UnknownRequirement]);
    let pipeline = compile(&text, &options).pipeline.expect("a warning is no error");
    let requirements: Vec<String> = pipeline.steps[0].requirements.iter().map(ToString::to_string).collect();
    assert_eq!(requirements, ["numpy==2.4.1"]);
    assert_eq!(pipeline.steps[0].local_modules, ["helpers"]);
}

#[test]
fn a_step_needs_what_its_inputs_are_made_of() {
    let text = notebook(&["import numpy as np\nx = np.zeros(3)", "print(x)"]);
    let pipeline = compile(&text, &options(&[("numpy", "numpy", "2.4.1")])).pipeline.expect("it compiles");
    assert_eq!(pipeline.steps[1].requirements.len(), 1, "reading an array takes numpy, imported or not");
}

/// What each step needs, as text.
fn needs(sources: &[&str], options: &CompileOptions) -> Vec<String> {
    let pipeline = compile(&notebook(sources), options).pipeline.expect("it compiles");
    let of_step = |step: &kale_model::Step| {
        let requirements = step.requirements.iter().map(ToString::to_string);
        requirements.chain(step.local_modules.iter().cloned()).collect::<Vec<_>>().join(" ")
    };
    pipeline.steps.iter().map(of_step).collect()
}

#[test]
fn what_modules_beside_the_notebook_import_is_needed_too() {
    let mut options = options(&[("yaml", "pyyaml", "6"), ("numpy", "numpy", "2")]);
    options.environment.local_modules = vec!["deeper".to_owned(), "helpers".to_owned(), "other".to_owned()];
    let imports = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    options.environment.local_imports =
        [("helpers".to_owned(), imports(&["deeper", "cupy"])), ("deeper".to_owned(), imports(&["helpers", "yaml"]))]
            .into();
    assert_eq!(needs(&["import helpers\nprint(helpers)"], &options), ["pyyaml==6 deeper helpers"]);
    // A module may go without what it would like to have.
    assert_eq!(codes(&notebook(&["import helpers\nprint(helpers)"]), &options), []);
}

#[test]
fn portions_of_a_namespace_are_needed_one_by_one() {
    let options = options(&[
        ("google", "protobuf", "4"),
        ("google.protobuf", "protobuf", "4"),
        ("google.cloud.storage", "google-cloud-storage", "2"),
    ]);
    let sources = [
        "from google.cloud import storage\nprint(storage)",
        "import google.cloud.storage.blob as b\nprint(b)",
        "import google.protobuf\nprint(google.protobuf)",
        "import google\nprint(google)",
    ];
    let expected = ["google-cloud-storage==2", "google-cloud-storage==2", "protobuf==4", "protobuf==4"];
    assert_eq!(needs(&sources, &options), expected);
}

#[test]
fn lines_that_install_are_requirements() {
    let options = options(&[("ray", "ray", "2.9"), ("numpy", "numpy", "2"), ("pyarrow", "pyarrow", "20")]);
    let install = "%pip install 'ray[tune]>=2' pyarrow numpy other>=3 Missing.Thing";
    let sources = [install, "import ray\nprint(ray)", "import numpy\nprint(numpy)", "import other\nprint(other)"];
    // By an import where there is one; pyarrow and the missing thing may be used by anything.
    let everywhere = "Missing.Thing";
    let expected = [
        format!("{everywhere} pyarrow==20 ray[tune]==2.9"),
        format!("{everywhere} numpy==2 pyarrow==20"),
        format!("{everywhere} other>=3 pyarrow==20"),
    ];
    assert_eq!(needs(&sources, &options), expected);
}

#[test]
fn what_only_this_machine_has_installed_travels_as_modules() {
    let mut options = options(&[("mine", "mine", "0.1"), ("yaml", "pyyaml", "6")]);
    options.environment.unpublished = [("mine".to_owned(), "/home/me/mine/src/mine".to_owned())].into();
    options.environment.local_imports = [("mine".to_owned(), ["yaml".to_owned()].into())].into();
    assert_eq!(needs(&["import mine.part\nprint(mine)"], &options), ["pyyaml==6 mine"]);
    assert_eq!(codes(&notebook(&["import mine\nprint(mine)"]), &options), [Code::LocalRequirement]);
}

#[test]
fn steps_in_ipython_need_it() {
    let options = options(&[("IPython", "ipython", "9")]);
    assert_eq!(needs(&["files = !ls\nprint(files)", "print(1)"], &options), ["ipython==9", ""]);
}

#[test]
fn the_same_text_gives_the_same_pipeline() {
    let text = notebook(&["import random\nrandom.seed(3)\na = {1, 2}\nb = a", "b.add(3)", "print(a, random.random())"]);
    let once = compile(&text, &options(&[])).pipeline.expect("it compiles");
    for _ in 0..5 {
        assert_eq!(compile(&text, &options(&[])).pipeline.as_ref(), Some(&once));
    }
}
