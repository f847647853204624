//! The compiler as a server, for tests that compile thousands of notebooks a minute.
//!
//! A request is one line: a granularity (`auto`, `heading`, `cell`, or `-` for none), a tab, and the notebook as JSON.
//! The answer is one line of JSON:
//!
//! ```json
//! {"plans": [StepPlan, ...], "edges": [[0, 1], ...], "diagnostics": [{"id", "severity", "message"}, ...]}
//! ```
//!
//! `plans` is null when there are errors. The only argument is what is known of the environment, as JSON of a
//! `kale_model::Environment` that may lack fields.

use std::io::{BufRead, Write};

use kale_frontend::{CompileOptions, Granularity, compile};
use kale_model::{Environment, Pipeline, StepId, StepPlan};
use serde_json::{Value, json};

pub fn main() -> std::io::Result<()> {
    let environment = environment(std::env::args().nth(1).as_deref());
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (granularity, notebook) = line.split_once('\t').expect("a granularity, a tab, a notebook");
        let options = CompileOptions {
            granularity: named(granularity),
            environment: environment.clone(),
            default_name: "fuzz".to_owned(),
            ..CompileOptions::default()
        };
        writeln!(answers, "{}", answer(notebook, &options))?;
        answers.flush()?;
    }
    Ok(())
}

fn environment(told: Option<&str>) -> Environment {
    let mut known = json!(Environment::default());
    let told: Value = serde_json::from_str(told.unwrap_or("{}")).expect("the argument is JSON");
    for (field, value) in told.as_object().into_iter().flatten() {
        known[field] = value.clone();
    }
    serde_json::from_value(known).expect("the argument is an environment")
}

fn named(granularity: &str) -> Option<Granularity> {
    match granularity {
        "auto" => Some(Granularity::Auto),
        "heading" => Some(Granularity::Heading),
        "cell" => Some(Granularity::Cell),
        _ => None,
    }
}

fn answer(notebook: &str, options: &CompileOptions) -> Value {
    let compiled = compile(notebook, options);
    let told = |d: &kale_model::Diagnostic| json!({"id": d.code, "severity": d.severity, "message": d.message});
    let diagnostics: Vec<Value> = compiled.diagnostics.iter().map(told).collect();
    let pipeline = compiled.pipeline.as_ref();
    let edges: Vec<[usize; 2]> = pipeline.iter().flat_map(|p| &p.edges).map(|edge| [edge.from.0, edge.to.0]).collect();
    json!({"plans": pipeline.map(plans), "edges": edges, "diagnostics": diagnostics})
}

fn plans(pipeline: &Pipeline) -> Vec<StepPlan> {
    (0..pipeline.steps.len()).map(|step| StepPlan::new(pipeline, StepId(step))).collect()
}
