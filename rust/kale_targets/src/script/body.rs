//! The statements inside a step's function: what its program does, one helper call per instruction.

use std::collections::BTreeSet;

use kale_model::{
    Artifact, ArtifactId, ArtifactKind, Instruction, MetricSite, ParameterName, ParameterType, Step, StepCell,
};

use super::python::{block, string, strings};
use crate::graph::{Task, TaskGraph};
use crate::names::METRICS_OUTPUT;
use crate::types::WireParameter;

/// Statements stand one level into the function, the blocks of code one level further.
const BLOCK_INDENT: usize = 8;

pub struct Body {
    pub statements: Vec<String>,
    /// Helper functions that the statements call, and those that these call.
    pub helpers: BTreeSet<&'static str>,
}

/// `notebook` is the name of the local variable that holds the cells' namespace.
pub fn body(graph: &TaskGraph, task: &Task, notebook: &str) -> Body {
    let mut writer = Writer { graph, task, notebook, statements: vec![], helpers: BTreeSet::new() };
    writer.open();
    writer.program();
    Body { statements: writer.statements, helpers: writer.helpers }
}

struct Writer<'a> {
    graph: &'a TaskGraph<'a>,
    task: &'a Task<'a>,
    notebook: &'a str,
    statements: Vec<String>,
    helpers: BTreeSet<&'static str>,
}

impl Writer<'_> {
    fn call(&mut self, helper: &'static str, arguments: &str) {
        self.helpers.insert(helper);
        self.statements.push(format!("{helper}({arguments})"));
    }

    fn open(&mut self) {
        self.helpers.insert("new_notebook");
        self.statements.push(format!("{} = new_notebook()", self.notebook));
        for (path, content) in self.task.files() {
            if let Ok(text) = std::str::from_utf8(content) {
                let arguments = format!("{}, {}", string(path), block(text, BLOCK_INDENT));
                self.helpers.insert("unindent");
                self.call("place_file", &arguments);
            }
        }
        if self.task.step.needs_ipython {
            self.call("use_ipython", self.notebook);
        }
        if mentions_kale_rs(self.task.step) {
            self.helpers.insert("log_metric");
            self.call("offer_kale_rs", self.metrics_artifact());
        }
    }

    fn metrics_artifact(&self) -> &'static str {
        if self.task.metrics_output.is_some() { METRICS_OUTPUT } else { "None" }
    }

    fn program(&mut self) {
        let mut definitions: Vec<&str> = vec![];
        for instruction in &self.task.step.program {
            if let Instruction::Define { source, .. } = instruction {
                definitions.push(source);
                continue;
            }
            self.define(&mut definitions);
            match instruction {
                Instruction::Parameter { name } => self.parameter(name),
                Instruction::Load { artifact, names } => self.load(*artifact, names),
                Instruction::Save { artifact, names } => self.save(*artifact, names),
                Instruction::Run { cell, parameters, metrics } => {
                    let step = self.task.step;
                    let code = step.cells.iter().find(|c| c.index == *cell).expect("a step runs its own cells only");
                    self.run(code, parameters, metrics);
                }
                Instruction::Define { .. } => unreachable!("collected above"),
            }
        }
        self.define(&mut definitions);
    }

    /// Definitions of other cells in a row read better as one block.
    fn define(&mut self, definitions: &mut Vec<&str>) {
        if definitions.is_empty() {
            return;
        }
        let source = paragraphs(definitions);
        definitions.clear();
        self.helpers.extend(["log_metric", "unindent"]);
        let arguments = format!("{}, \"definitions\", {}", self.notebook, block(&source, BLOCK_INDENT));
        self.call("run_cell", &arguments);
    }

    fn parameter(&mut self, name: &ParameterName) {
        let value = self.decoded(name);
        self.statements.push(format!("{}[{}] = {value}", self.notebook, string(name.as_str())));
    }

    /// The expression that gives a parameter's value in the type that the notebook declares.
    fn decoded(&mut self, name: &ParameterName) -> String {
        let declared = self.graph.parameters.iter().find(|parameter| parameter.name == name.as_str());
        let parameter = declared.expect("a step reads declared parameters only");
        let argument = &parameter.argument;
        match parameter.declared {
            ParameterType::Int if parameter.is_encoded() => format!("int({argument})"),
            ParameterType::Float => match parameter.int_literal {
                // The notebook's literal is an int, and stays one unless the run has another value.
                Some(literal) => format!("{literal} if {argument} == {literal} else float({argument})"),
                None => format!("float({argument})"),
            },
            ParameterType::Json => self.json(argument),
            ParameterType::List | ParameterType::Dict if parameter.is_encoded() => self.json(argument),
            ParameterType::List | ParameterType::Dict => self.collection(parameter),
            ParameterType::Int | ParameterType::Bool | ParameterType::Str => argument.clone(),
        }
    }

    fn json(&mut self, argument: &str) -> String {
        self.helpers.insert("read_json");
        format!("read_json({argument})")
    }

    /// KFP turns every number in a list or dict into a float.
    fn collection(&mut self, parameter: &WireParameter) -> String {
        self.helpers.insert("restore_numbers");
        format!("restore_numbers({}, {})", parameter.argument, super::literal(&parameter.default))
    }

    fn load(&mut self, id: ArtifactId, names: &[String]) {
        let Artifact { key, kind, .. } = self.graph.pipeline.artifact(id);
        let loads_it = |other: &&Instruction| matches!(other, Instruction::Load { artifact, .. } if *artifact == id);
        let is_once = self.task.step.program.iter().filter(loads_it).count() == 1;
        let helper = if is_once { "load_values" } else { "load_in_turn" };
        match kind {
            ArtifactKind::Value => self.call(helper, &self.values(key, names)),
            ArtifactKind::Callable => {
                self.call(helper, &format!("{}, serializer=\"dill\"", self.values(key, names)));
            }
            ArtifactKind::Rng(generator) => self.call("load_random_state", &subject_arguments(generator, key)),
            ArtifactKind::File(path) => self.call("load_file", &subject_arguments(path, key)),
        }
    }

    fn save(&mut self, id: ArtifactId, names: &[String]) {
        let Artifact { key, kind, by_name, .. } = self.graph.pipeline.artifact(id);
        match kind {
            ArtifactKind::Value => self.call("save_values", &self.values(key, names)),
            ArtifactKind::Callable => {
                let by_name =
                    if by_name.is_empty() { String::new() } else { format!(", by_name={}", strings(by_name)) };
                self.call("save_callables", &format!("{}{by_name}", self.values(key, names)));
            }
            ArtifactKind::Rng(generator) => self.call("save_random_state", &subject_arguments(generator, key)),
            ArtifactKind::File(path) => self.call("save_file", &subject_arguments(path, key)),
        }
    }

    fn values(&self, key: &str, names: &[String]) -> String {
        format!("{}, {key}.path, {}", self.notebook, strings(names))
    }

    fn run(&mut self, code: &StepCell, parameters: &[ParameterName], metrics: &[MetricSite]) {
        let source = block(&dedent(&code.source), BLOCK_INDENT);
        let mut arguments = format!("{}, \"cell {}\", {source}", self.notebook, code.index.0);
        let options = self.options(parameters, metrics);
        if !options.is_empty() {
            let pad = " ".repeat(BLOCK_INDENT);
            let lines: Vec<String> = options.iter().map(|option| format!(",\n{pad}{option}")).collect();
            arguments.push_str(&format!("{},\n    ", lines.concat()));
        }
        self.helpers.extend(["unindent", "log_metric"]);
        self.call("run_cell", &arguments);
    }

    /// Keyword arguments of `run_cell`.
    fn options(&mut self, parameters: &[ParameterName], metrics: &[MetricSite]) -> Vec<String> {
        let mut options = vec![];
        if !parameters.is_empty() {
            let values: Vec<String> =
                parameters.iter().map(|name| format!("{}: {}", string(name.as_str()), self.decoded(name))).collect();
            options.push(format!("parameters={}", display("{", &values, "}")));
        }
        if !metrics.is_empty() {
            let sites: Vec<String> = metrics.iter().map(site).collect();
            options.push(format!("metrics={}", display("[", &sites, "]")));
            options.push(format!("log_to={}", self.metrics_artifact()));
        }
        options
    }
}

/// Arguments for the state of a generator, or the content of a file.
fn subject_arguments(subject: &str, key: &str) -> String {
    format!("{}, {key}.path", string(subject))
}

/// A list or dict display: on one line where that is short, else an item per line.
fn display(open: &str, items: &[String], close: &str) -> String {
    let line = format!("{open}{}{close}", items.join(", "));
    if line.len() <= 80 {
        return line;
    }
    let pad = " ".repeat(BLOCK_INDENT);
    let items: Vec<String> = items.iter().map(|item| format!("{pad}    {item},\n")).collect();
    format!("{open}\n{}{pad}{close}", items.concat())
}

fn site(site: &MetricSite) -> String {
    let argument = site.argument.map_or_else(|| "None".to_owned(), |position| position.to_string());
    format!("({}, {}, {argument})", string(&site.name), site.statement)
}

/// A notebook accepts a cell that is indented as a whole; Python does not.
fn dedent(source: &str) -> String {
    let first = source.split('\n').find(|line| !line.trim().is_empty()).unwrap_or_default();
    let indent = &first[..first.len() - first.trim_start_matches([' ', '\t']).len()];
    let lines: Vec<&str> = source.split('\n').map(|line| line.strip_prefix(indent).unwrap_or(line)).collect();
    lines.join("\n")
}

/// Definitions below each other, as a person would space them.
fn paragraphs(definitions: &[&str]) -> String {
    let mut text = String::new();
    for (position, definition) in definitions.iter().enumerate() {
        let definition = definition.trim_end_matches('\n');
        let is_block = |source: &str| source.trim_end().contains("\n ") || source.starts_with('@');
        if position > 0 {
            let spaced = is_block(definition) || is_block(definitions[position - 1]);
            text.push_str(if spaced { "\n\n\n" } else { "\n" });
        }
        text.push_str(&dedent(definition));
    }
    text
}

fn mentions_kale_rs(step: &Step) -> bool {
    let defined = step.program.iter().filter_map(|instruction| match instruction {
        Instruction::Define { source, .. } => Some(source.as_str()),
        _ => None,
    });
    step.cells.iter().map(|cell| cell.source.as_str()).chain(defined).any(|source| source.contains("kale_rs"))
}
