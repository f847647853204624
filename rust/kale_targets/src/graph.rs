//! The pipeline as KFP sees it: tasks with their names, inputs, images and limits, settled once for every target.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{Artifact, Code, Diagnostic, Pipeline, SecretVariable, Step, StepId, Volume, VolumeKind};

use crate::names::{METRICS_OUTPUT, Unique, kebab};
use crate::packed::{self, Found, Packed, Room};
use crate::resources::Limits;
use crate::types::WireParameter;

/// Where pip looks for packages; steps tell uv as well.
const INDEX: &str = "PIP_INDEX_URL";

pub struct TaskGraph<'a> {
    pub pipeline: &'a Pipeline,
    pub parameters: Vec<WireParameter>,
    /// In topological order, as the pipeline's steps.
    pub tasks: Vec<Task<'a>>,
    /// Environment variables of every task.
    pub environment: BTreeMap<String, String>,
    /// Volumes that exist before the run.
    pub mounts: Vec<&'a Volume>,
    /// Volumes that the run makes and deletes.
    pub claims: Vec<Claim<'a>>,
}

pub struct Task<'a> {
    pub step: &'a Step,
    pub id: StepId,
    /// Unique in the pipeline: `train`, or `train-2` where another step's name comes out the same.
    pub name: String,
    pub image: String,
    pub limits: Limits,
    pub inputs: Vec<&'a Artifact>,
    pub outputs: Vec<&'a Artifact>,
    /// Steps whose artifacts it reads.
    pub producers: BTreeSet<StepId>,
    /// Every step it waits for, the producers included.
    pub upstream: BTreeSet<StepId>,
    /// From beside the notebook, to be put where the step runs.
    pub packed: Vec<Packed<'a>>,
    /// The pipeline's output that shows this step's metrics.
    pub metrics_output: Option<String>,
    pub reuse: bool,
}

/// A PersistentVolumeClaim that lives as long as the run, and the two tasks that make and delete it.
pub struct Claim<'a> {
    pub volume: &'a Volume,
    pub size: String,
    pub storage_class: String,
    pub access_mode: String,
    /// Appended to the claim's generated name, so it begins with a dash.
    pub name_suffix: String,
    pub create_task: String,
    pub delete_task: String,
}

impl<'a> TaskGraph<'a> {
    pub fn new(pipeline: &'a Pipeline, found: &'a Found, diagnostics: &mut Vec<Diagnostic>) -> TaskGraph<'a> {
        let mut names = Unique::joined_by("-");
        let mut claims = claims(pipeline, &mut names, diagnostics);
        let tasks = tasks(pipeline, found, &mut names, diagnostics);
        diagnostics.extend(packed::unknown_files(pipeline));
        for claim in &mut claims {
            claim.delete_task = names.claim("deletepvc");
        }
        let mounts = pipeline.volumes.iter().filter(|volume| volume.kind == VolumeKind::Existing).collect();
        let mut parameters: Vec<WireParameter> = pipeline.parameters.iter().map(WireParameter::new).collect();
        let mut arguments = Unique::joined_by("_");
        for parameter in parameters.iter_mut().filter(|parameter| parameter.argument != parameter.name) {
            parameter.argument = arguments.claim(&parameter.argument);
        }
        TaskGraph { pipeline, parameters, tasks, environment: environment(pipeline), mounts, claims }
    }

    pub fn task(&self, id: StepId) -> &Task<'a> {
        &self.tasks[id.0]
    }

    /// The parameters that a task reads, in declaration order.
    pub fn parameters_of(&self, task: &Task<'a>) -> impl Iterator<Item = &WireParameter> {
        let read = &task.step.parameters;
        self.parameters.iter().filter(move |parameter| read.iter().any(|name| name.as_str() == parameter.name))
    }

    /// Tasks that nothing waits for: with them the run is over.
    pub fn leaves(&self) -> impl Iterator<Item = &Task<'a>> {
        let awaited: BTreeSet<StepId> = self.tasks.iter().flat_map(|task| task.upstream.iter().copied()).collect();
        self.tasks.iter().filter(move |task| !awaited.contains(&task.id))
    }
}

fn tasks<'a>(
    pipeline: &'a Pipeline,
    found: &'a Found,
    names: &mut Unique,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Task<'a>> {
    let mut metrics_outputs = Unique::joined_by("_");
    let reporting: BTreeSet<StepId> = pipeline.metrics.iter().map(|metric| metric.step).collect();
    let mut upstream: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for edge in &pipeline.edges {
        upstream.entry(edge.to).or_default().insert(edge.from);
    }
    let mut room = Room::default();
    let mut tasks = Vec::with_capacity(pipeline.steps.len());
    for id in pipeline.step_ids() {
        let step = pipeline.step(id);
        let name = names.claim(&task_base_name(step));
        let inputs: Vec<&Artifact> = step.inputs.iter().map(|&id| pipeline.artifact(id)).collect();
        let producers: BTreeSet<StepId> = inputs.iter().map(|artifact| artifact.producer).collect();
        let mut upstream = upstream.remove(&id).unwrap_or_default();
        upstream.extend(&producers);
        tasks.push(Task {
            step,
            id,
            image: image(pipeline, step),
            limits: Limits::of(step, diagnostics),
            inputs,
            outputs: step.outputs.iter().map(|&id| pipeline.artifact(id)).collect(),
            upstream,
            producers,
            packed: packed::of_step(pipeline, step, found, &mut room, diagnostics),
            metrics_output: reporting
                .contains(&id)
                .then(|| metrics_outputs.claim(&format!("{}_metrics", name.replace('-', "_")))),
            reuse: step.may_reuse(),
            name,
        });
    }
    tasks
}

/// Names of underscores alone have no KFP form.
pub fn task_base_name(step: &Step) -> String {
    let name = kebab(step.name.as_str());
    if name.is_empty() { "step".to_owned() } else { name }
}

fn image(pipeline: &Pipeline, step: &Step) -> String {
    let chosen = step.config.image.as_ref().or(pipeline.base_image.as_ref());
    chosen.cloned().unwrap_or_else(|| format!("python:{}-slim", pipeline.python))
}

fn environment(pipeline: &Pipeline) -> BTreeMap<String, String> {
    // Sets iterate in one order in every step only under one hash seed.
    let seed = ("PYTHONHASHSEED".to_owned(), "0".to_owned());
    let mount_points = pipeline
        .volumes
        .iter()
        .filter_map(|volume| volume.variable.as_ref().map(|variable| (variable.clone(), volume.mount_point.clone())));
    let index = pipeline.package_index.iter();
    let urls = index.flat_map(|index| [(INDEX, &index.url), ("PIP_EXTRA_INDEX_URL", &index.extra_url)]);
    let urls = urls.filter_map(|(variable, url)| Some((variable.to_owned(), url.clone()?)));
    mount_points.chain(urls).chain([seed]).collect()
}

fn claims<'a>(pipeline: &'a Pipeline, names: &mut Unique, diagnostics: &mut Vec<Diagnostic>) -> Vec<Claim<'a>> {
    let mut claims = vec![];
    for volume in &pipeline.volumes {
        let VolumeKind::New { size, storage_class, access_mode } = &volume.kind else { continue };
        if storage_class.is_none() {
            diagnostics.push(no_storage_class(volume));
        }
        claims.push(Claim {
            volume,
            size: size.0.clone(),
            storage_class: storage_class.clone().unwrap_or_else(|| "standard".to_owned()),
            access_mode: access_mode.clone(),
            name_suffix: format!("-{}", kebab(&volume.name)),
            create_task: names.claim("createpvc"),
            delete_task: String::new(),
        });
    }
    claims
}

fn no_storage_class(volume: &Volume) -> Diagnostic {
    let message = format!(
        "Volume `{}` names no storage class, and KFP cannot ask for the cluster's default: `standard` is asked for.",
        volume.name
    );
    Diagnostic::new(Code::NotInTarget, message, "Set `storage_class_name` of the volume in the notebook's metadata.")
}

impl TaskGraph<'_> {
    /// Secrets that become environment variables of a task: its own, and the URL of the index of packages.
    pub fn secrets(&self, task: &Task) -> Vec<SecretVariable> {
        let index = self.pipeline.package_index.as_ref().filter(|_| !task.step.requirements.is_empty());
        let index = index.and_then(|index| index.secret.clone());
        let url = index.map(|(secret, key)| SecretVariable { secret, key, variable: INDEX.to_owned() });
        task.step.config.secrets.iter().cloned().chain(url).collect()
    }
}

impl Task<'_> {
    /// Steps it waits for without reading anything of theirs.
    pub fn ordering(&self) -> impl Iterator<Item = StepId> {
        self.upstream.difference(&self.producers).copied()
    }

    /// What comes from beside the notebook, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.packed.iter().flat_map(|packed| packed.files.iter().map(|(path, content)| (*path, *content)))
    }

    /// Whether it writes a page with what its cells put out.
    pub fn reports(&self) -> bool {
        self.step.config.report == Some(true)
    }

    /// The output that holds its metrics, if it reports any.
    pub fn metrics_key(&self) -> Option<&'static str> {
        self.metrics_output.as_ref().map(|_| METRICS_OUTPUT)
    }

    /// Seconds after which Kubernetes ends the step.
    pub fn timeout(&self) -> Option<u64> {
        self.step.config.timeout_seconds.filter(|seconds| *seconds > 0)
    }
}
