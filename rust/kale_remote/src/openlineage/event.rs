//! One event as JSON: a function of what the store has.
//!
//! Facets are those of the standard, each with the version of its schema that it was written for.

use std::collections::BTreeMap;
use std::path::Path;

use kale_model::{Artifact, ArtifactKind, Diagnostic, RunStatus, Step, StepStatus};
use kale_store::{Digest, RunRecord, StepRecord, rfc3339};
use serde_json::{Map, Value, json};
use url::Url;

const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const PRODUCER: &str = concat!("urn:kale-rs:", env!("CARGO_PKG_VERSION"));
/// Where datasets of the local file system are, by the standard's rules for names.
const FILES: &str = "file";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Start,
    Complete,
    Fail,
    Abort,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Start => "START",
            Kind::Complete => "COMPLETE",
            Kind::Fail => "FAIL",
            Kind::Abort => "ABORT",
        }
    }

    pub fn of_run(status: RunStatus) -> Kind {
        match status {
            RunStatus::Succeeded => Kind::Complete,
            RunStatus::Failed => Kind::Fail,
            _ => Kind::Abort,
        }
    }

    /// `None`: the step did not run.
    pub fn of_step(status: StepStatus) -> Option<Kind> {
        match status {
            StepStatus::Succeeded | StepStatus::Cached => Some(Kind::Complete),
            StepStatus::Failed => Some(Kind::Fail),
            StepStatus::Skipped => None,
            _ => Some(Kind::Abort),
        }
    }
}

/// Makes the events of one run.
pub struct Events<'r> {
    pub record: &'r RunRecord,
    /// Of jobs, and of the values between steps.
    pub namespace: String,
}

impl Events<'_> {
    pub fn of_run(&self, kind: Kind, time: f64, steps: &[StepRecord]) -> Value {
        let record = self.record;
        let mut run = Map::new();
        run.insert("processing_engine".to_owned(), engine());
        if !record.parameters.is_empty() {
            run.insert("executionParameters".to_owned(), parameters(&record.parameters));
        }
        if kind == Kind::Fail {
            run.insert("errorMessage".to_owned(), error_message(steps.iter().flat_map(|step| &step.diagnostics)));
        }
        let mut job = Map::new();
        job.insert("jobType".to_owned(), job_type("DAG"));
        job.extend(self.location().map(|location| ("sourceCodeLocation".to_owned(), location)));
        let written: Vec<&String> = steps.iter().flat_map(files_written).map(|(path, _)| path).collect();
        let read = steps.iter().flat_map(files_read).filter(|(path, _)| !written.contains(path));
        let inputs: BTreeMap<_, _> = read.map(|(path, digest)| (path, self.file(path, Some(&digest)))).collect();
        let outputs: BTreeMap<_, _> =
            steps.iter().flat_map(files_written).map(|(path, digest)| (path, self.file(path, Some(digest)))).collect();
        json!({
            "eventType": kind.as_str(),
            "eventTime": rfc3339(time),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": {"runId": self.run_id(None), "facets": run},
            "job": {"namespace": self.namespace, "name": self.job(None), "facets": job},
            "inputs": inputs.into_values().collect::<Vec<_>>(),
            "outputs": outputs.into_values().collect::<Vec<_>>(),
        })
    }

    pub fn of_step(&self, kind: Kind, time: f64, record: &StepRecord) -> Value {
        let step = &self.record.pipeline.steps[record.position];
        let mut run = Map::new();
        run.insert("parent".to_owned(), self.parent());
        run.insert("processing_engine".to_owned(), engine());
        if kind == Kind::Fail {
            run.insert("errorMessage".to_owned(), error_message(record.diagnostics.iter()));
        }
        let mut job = Map::new();
        job.insert("jobType".to_owned(), job_type("TASK"));
        job.insert("sourceCode".to_owned(), source_code(step));
        job.extend(self.location().map(|location| ("sourceCodeLocation".to_owned(), location)));
        let name = step.name.as_str();
        json!({
            "eventType": kind.as_str(),
            "eventTime": rfc3339(time),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": {"runId": self.run_id(Some(name)), "facets": run},
            "job": {"namespace": self.namespace, "name": self.job(Some(name)), "facets": job},
            "inputs": self.inputs(step, record),
            "outputs": self.outputs(step, record),
        })
    }

    fn inputs(&self, step: &Step, record: &StepRecord) -> Vec<Value> {
        let digests = record.identity.as_ref().map(|identity| &identity["inputs"]);
        let loaded = self.values(&step.inputs).map(|artifact| {
            let digest = digests.and_then(|digests| digests[&artifact.key].as_str()?.to_owned().try_into().ok());
            self.value(artifact, digest.as_ref())
        });
        let files = files_read(record).map(|(path, digest)| (path, self.file(path, Some(&digest))));
        loaded.chain(files.collect::<BTreeMap<_, _>>().into_values()).collect()
    }

    fn outputs(&self, step: &Step, record: &StepRecord) -> Vec<Value> {
        let digests = record.result.as_ref().map(|result| &result.outputs);
        let saved = self.values(&step.outputs).filter_map(|artifact| {
            let digest = digests?.get(&artifact.key)?;
            Some(self.value(artifact, Some(digest)))
        });
        saved.chain(files_written(record).map(|(path, digest)| self.file(path, Some(digest)))).collect()
    }

    /// Files among the artifacts are told as files.
    fn values<'a>(&'a self, ids: &'a [kale_model::ArtifactId]) -> impl Iterator<Item = &'a Artifact> {
        let artifacts = ids.iter().map(|id| self.record.pipeline.artifact(*id));
        artifacts.filter(|artifact| !matches!(artifact.kind, ArtifactKind::File(_)))
    }

    /// The same name in every run, so that catalogues see one dataset with many versions.
    fn value(&self, artifact: &Artifact, digest: Option<&Digest>) -> Value {
        dataset(&self.namespace, &format!("{}.{}", self.record.pipeline.name, artifact.key), digest)
    }

    fn file(&self, path: &str, digest: Option<&Digest>) -> Value {
        dataset(FILES, &self.record.options.directory.join(Path::new(path)).to_string_lossy(), digest)
    }

    fn job(&self, step: Option<&str>) -> String {
        let name = &self.record.pipeline.name;
        step.map_or_else(|| name.to_string(), |step| format!("{name}.{step}"))
    }

    /// The standard wants UUIDs: one that is a function of our id, so a run that is resumed stays the same run.
    fn run_id(&self, step: Option<&str>) -> String {
        let run = format!("kale://run/{}", self.record.id);
        let id = step.map_or_else(|| run.clone(), |step| format!("{run}/step/{step}"));
        uuid(&format!("{id} {}", self.record.created))
    }

    fn parent(&self) -> Value {
        facet(
            "1-2-0/ParentRunFacet",
            json!({
                "run": {"runId": self.run_id(None)},
                "job": {"namespace": self.namespace, "name": self.job(None)},
            }),
        )
    }

    /// Only a version makes a place in a repository of it.
    fn location(&self) -> Option<Value> {
        let commit = self.record.options.code_version.as_ref()?;
        let source = self.record.source.as_deref()?;
        let url = Url::from_file_path(source).ok()?;
        let facts = json!({"type": "git", "url": url.as_str(), "version": commit});
        Some(facet("1-1-0/SourceCodeLocationJobFacet", facts))
    }
}

/// What was found at a path; what was looked for and not found is no input.
fn files_read(record: &StepRecord) -> impl Iterator<Item = (&String, Digest)> {
    let declared = record.identity.as_ref().and_then(|identity| identity["files"].as_object());
    let digest = |value: &Value| Digest::try_from(value.as_str()?.to_owned()).ok();
    let declared = declared.into_iter().flatten().filter_map(move |(path, value)| Some((path, digest(value)?)));
    let observed = record.result.iter().flat_map(|result| &result.observed.files);
    let own: Vec<&String> = files_written(record).map(|(path, _)| path).collect();
    let all = declared.chain(observed.filter_map(|(path, digest)| Some((path, digest.clone()?))));
    all.filter(move |(path, _)| !own.contains(path))
}

fn files_written(record: &StepRecord) -> impl Iterator<Item = (&String, &Digest)> {
    record.result.iter().flat_map(|result| &result.files)
}

fn dataset(namespace: &str, name: &str, digest: Option<&Digest>) -> Value {
    let mut facets = Map::new();
    if let Some(digest) = digest {
        let version = json!({"datasetVersion": digest.as_str()});
        facets.insert("version".to_owned(), facet("1-0-1/DatasetVersionDatasetFacet", version));
    }
    json!({"namespace": namespace, "name": name, "facets": facets})
}

fn source_code(step: &Step) -> Value {
    let cells: Vec<&str> = step.cells.iter().map(|cell| cell.source.as_str()).collect();
    facet("1-0-1/SourceCodeJobFacet", json!({"language": "python", "sourceCode": cells.join("\n\n")}))
}

fn job_type(kind: &str) -> Value {
    let facts = json!({"processingType": "BATCH", "integration": "KALE_RS", "jobType": kind});
    facet("2-0-4/JobTypeJobFacet", facts)
}

fn engine() -> Value {
    facet("1-1-1/ProcessingEngineRunFacet", json!({"name": "kale_rs", "version": env!("CARGO_PKG_VERSION")}))
}

fn parameters(parameters: &BTreeMap<String, Value>) -> Value {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Value> =
        parameters.iter().map(|(name, value)| json!({"key": name, "name": name, "value": text(value)})).collect();
    facet("1-0-0/ExecutionParametersRunFacet", json!({"parameters": rows}))
}

fn error_message<'d>(mut diagnostics: impl Iterator<Item = &'d Diagnostic>) -> Value {
    let error = diagnostics.find(|diagnostic| diagnostic.is_error());
    let message = error.map_or("the run failed", |error| error.message.as_str());
    facet("1-0-1/ErrorMessageRunFacet", json!({"message": message, "programmingLanguage": "python"}))
}

/// `schema` is `VERSION/NAME`.
fn facet(schema: &str, mut facts: Value) -> Value {
    let name = schema.rsplit('/').next().unwrap_or(schema);
    facts["_producer"] = json!(PRODUCER);
    facts["_schemaURL"] = json!(format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{name}"));
    facts
}

/// A UUID of version 8 (RFC 9562): its bits are a digest's, but for those that say so.
fn uuid(text: &str) -> String {
    let digest = Digest::of(text.as_bytes());
    let hex = digest.as_str();
    let variant = match hex.as_bytes()[16] % 4 {
        0 => '8',
        1 => '9',
        2 => 'a',
        _ => 'b',
    };
    format!("{}-{}-8{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
