//! Why a step runs though it has run before: which of all that decides its result is not the same.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{Caching, Instruction, Pipeline, Step, StepId, Uncacheable};
use kale_store::EarlierStep;
use serde_json::Value;

use crate::execute::Execution;
use crate::fingerprint::{self, Fingerprint};

/// How many runs back it is worth to look for one of the same notebook.
const LOOKED_AT: usize = 20;
/// More reasons than these tell nobody more.
const TOLD: usize = 3;

/// `None` for a step that this notebook's runs have never finished.
pub(crate) fn why(execution: &Execution, id: StepId, fingerprint: &Fingerprint) -> Option<String> {
    let step = execution.pipeline.step(id);
    let record = &execution.record;
    let earlier = execution.store.earlier_steps(step.name.as_str(), &record.id, LOOKED_AT).ok()?;
    let earlier = earlier.into_iter().find(|earlier| earlier.source == record.source)?;
    if record.options.from.as_deref() == Some(step.name.as_str()) {
        return Some("asked for by `--from`".to_owned());
    }
    if !record.options.cache {
        return Some("asked for by `--no-cache`".to_owned());
    }
    if let Some(reason) = never(step) {
        return Some(reason);
    }
    let changes = Comparison { execution, step, id, earlier: &earlier }.changes(fingerprint);
    if changes.is_empty() {
        return Some(format!("its result of run `{}` is damaged, or cannot stand for it", earlier.run));
    }
    let more = changes.len().saturating_sub(TOLD);
    let mut text = changes.into_iter().take(TOLD).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(", and {more} more"));
    }
    Some(text)
}

fn never(step: &Step) -> Option<String> {
    if step.may_reuse() {
        return None;
    }
    if step.config.caching == Caching::Disabled {
        return Some("tagged `cache:disabled`".to_owned());
    }
    let words = step.uncacheable.iter().map(|reason| match reason {
        Uncacheable::UnknownFiles => "files that cannot be named",
        Uncacheable::Network => "the network",
        Uncacheable::Database => "a database",
        Uncacheable::Subprocess => "other programs",
        Uncacheable::Clock => "the clock",
        Uncacheable::UnseededRandomness => "random numbers without a seed",
    });
    Some(format!("never cached, since it uses {}", words.collect::<Vec<_>>().join(" and ")))
}

struct Comparison<'a> {
    execution: &'a Execution,
    step: &'a Step,
    id: StepId,
    earlier: &'a EarlierStep,
}

impl Comparison<'_> {
    fn changes(&self, fingerprint: &Fingerprint) -> Vec<String> {
        let mut found = vec![];
        let now = serde_json::to_value(fingerprint).expect("plain data");
        if self.earlier.identity["code"] != now["code"] {
            found.extend(self.changed_cells());
        }
        let differing = |section: &str| differing(&self.earlier.identity[section], &now[section]);
        found.extend(differing("parameters").into_iter().map(|name| format!("parameter `{name}` changed")));
        found.extend(differing("inputs").into_iter().map(|key| self.changed_input(&key)));
        let file = |path: String| format!("file `{path}` changed");
        found.extend(differing("files").into_iter().map(file));
        let variable = |name: String| format!("environment variable `{name}` changed");
        found.extend(differing("variables").into_iter().map(variable));
        found.extend(environment_changes(differing("environment")).map(|name| self.changed_environment(&name, &now)));
        let observed = &self.earlier.result.observed;
        let directory = &self.execution.record.options.directory;
        let files = fingerprint::changed_files(observed, directory, &self.execution.files);
        found.extend(files.into_iter().map(|path| format!("`{path}` changed")));
        found.extend(fingerprint::changed_variables(observed).into_iter().map(variable));
        found
    }

    /// Cells by their texts in both runs; what is new in this one is what has changed.
    fn changed_cells(&self) -> Vec<String> {
        let earlier = self.execution.store.run(&self.earlier.run).ok();
        let old: BTreeSet<String> = earlier
            .iter()
            .flat_map(|record| record.pipeline.step_ids().map(|id| (&record.pipeline, id)))
            .filter(|(pipeline, id)| pipeline.step(*id).name == self.step.name)
            .flat_map(|(pipeline, id)| sources(pipeline, id).into_keys())
            .collect();
        let new = sources(&self.execution.pipeline, self.id);
        let cells: BTreeSet<&String> =
            new.iter().filter(|(source, _)| !old.contains(*source)).map(|(_, cell)| cell).collect();
        if cells.is_empty() {
            return vec!["what it is given, stores, or reports changed".to_owned()];
        }
        cells.into_iter().map(|cell| format!("{cell} changed")).collect()
    }

    fn changed_input(&self, key: &str) -> String {
        let artifacts = &self.execution.pipeline.artifacts;
        let Some(artifact) = artifacts.iter().find(|artifact| artifact.key == key) else {
            return format!("input `{key}` is gone");
        };
        let producer = &self.execution.pipeline.step(artifact.producer).name;
        let what = if artifact.names.is_empty() { key.to_owned() } else { artifact.names.join("`, `") };
        format!("`{what}` from step `{producer}` changed")
    }

    fn changed_environment(&self, name: &str, now: &Value) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| "none".to_owned(), str::to_owned);
        match name {
            "kale_runtime" | "plan" => "kale_rs itself changed".to_owned(),
            "isolated" if now["environment"][name] == true => "now with `--isolated`".to_owned(),
            "isolated" => "now without `--isolated`".to_owned(),
            name => {
                let (old, new) = (&self.earlier.identity["environment"][name], &now["environment"][name]);
                format!("{name} {} became {}", text(old), text(new))
            }
        }
    }
}

/// A run in an environment of its own has other packages than one without; that it is one says it all.
fn environment_changes(names: Vec<String>) -> impl Iterator<Item = String> {
    let moved = names.iter().any(|name| name == "isolated");
    names.into_iter().filter(move |name| !moved || name == "isolated")
}

/// Source to the cell that it stands in, of the step's own cells and of the definitions that it repeats.
fn sources(pipeline: &Pipeline, id: StepId) -> BTreeMap<String, String> {
    let step = pipeline.step(id);
    let name = |cell| pipeline.sub_cells.name(cell);
    let own = step.cells.iter().map(|cell| (cell.source.clone(), name(cell.index)));
    let repeated = step.program.iter().filter_map(|instruction| match instruction {
        Instruction::Define { cell, source, .. } => Some((source.clone(), name(*cell))),
        _ => None,
    });
    own.chain(repeated).collect()
}

/// Keys whose values are not the same.
fn differing(old: &Value, new: &Value) -> Vec<String> {
    let keys =
        |value: &Value| value.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<BTreeSet<_>>();
    keys(old).union(&keys(new)).filter(|key| old[key.as_str()] != new[key.as_str()]).cloned().collect()
}

/// A result of an earlier run that stands for a step before the one that the run starts from: the same code, on the same
/// values. What it read of the world may have changed since; the user has asked for going on with what there is.
pub(crate) fn finished_before(execution: &Execution, id: StepId, fingerprint: &Fingerprint) -> Option<EarlierStep> {
    let now = serde_json::to_value(fingerprint).expect("plain data");
    let name = execution.step_name(id);
    let earlier = execution.store.earlier_steps(name, &execution.record.id, LOOKED_AT).ok()?;
    let same = |earlier: &EarlierStep| {
        ["code", "parameters", "inputs"].iter().all(|part| earlier.identity[part] == now[part])
            && execution.store.is_complete(&earlier.result)
    };
    earlier.into_iter().find(same)
}

/// Whether the run starts from a step that this one neither is nor comes after.
pub(crate) fn comes_before_start(execution: &Execution, id: StepId) -> bool {
    let Some(from) = &execution.record.options.from else { return false };
    let pipeline = &execution.pipeline;
    let mut later: BTreeSet<StepId> =
        pipeline.step_ids().filter(|id| pipeline.step(*id).name.as_str() == from).collect();
    // Steps are in topological order, so one pass finds all.
    for step in pipeline.step_ids() {
        if pipeline.upstream(step).any(|before| later.contains(&before)) {
            later.insert(step);
        }
    }
    !later.contains(&id)
}
