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

#[test]
fn the_same_text_gives_the_same_pipeline() {
    let text = notebook(&["import random\nrandom.seed(3)\na = {1, 2}\nb = a", "b.add(3)", "print(a, random.random())"]);
    let once = compile(&text, &options(&[])).pipeline.expect("it compiles");
    for _ in 0..5 {
        assert_eq!(compile(&text, &options(&[])).pipeline.as_ref(), Some(&once));
    }
}
