//! From groups of cells to the pipeline.

mod artifacts;
mod modules;

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{
    Definition, Diagnostic, Edge, FileUse, Instruction, Metric, Pipeline, PipelineName, Step, StepCell, StepConfig,
    StepId, StepName, Uncacheable,
};

use crate::analysis::Analysis;
use crate::blocks::Role;
use crate::claims::Claimant;
use crate::dataflow::program::{Action, Transfer};
use crate::fault::{Fault, planted};
use crate::grouping::Groups;
use crate::magics::names_ipython;
use crate::python::facts::{CellId, Replay, Resource, StatementId, VersionId};
use crate::python::names::{Name, NameSet};
use crate::python::pseudo;
use crate::requirements::{Packages, Requirements};
use crate::{CompileOptions, fingerprint, report, warm_up};
use artifacts::Artifacts;

pub fn lower(
    analysis: &Analysis,
    groups: &Groups,
    options: &CompileOptions,
    diagnostics: &mut Vec<Diagnostic>,
) -> Pipeline {
    let mut lowering = Lowering {
        analysis,
        groups,
        options,
        artifacts: Artifacts::number(analysis, groups),
        incoming: transfers_by(groups, |transfer| transfer.to),
        outgoing: transfers_by(groups, |transfer| transfer.from),
        claimant: Claimant::new(analysis),
        upstream_modules: vec![],
        requirements: Requirements::new(analysis, &options.environment),
        packages: BTreeMap::new(),
        first_writers: first_writers(analysis),
        tags: analysis.blocks.steps.iter().enumerate().map(|(index, step)| (step.name.clone(), index)).collect(),
    };
    lowering.collect_modules();
    let steps: Vec<Step> = (0..groups.groups.len()).map(|group| lowering.step(group, diagnostics)).collect();
    let metrics = lowering.metrics(diagnostics);
    let metadata = &analysis.blocks.metadata;
    let prelude = lowering.prelude();
    let definitions = lowering.definitions();
    Pipeline {
        name: metadata.name.clone().unwrap_or_else(|| PipelineName::slug(&options.default_name)),
        description: metadata.description.clone(),
        experiment: metadata.experiment.clone(),
        python: options.environment.python,
        base_image: metadata.base_image.clone(),
        parameters: analysis.parameters.clone(),
        steps,
        edges: lowering.edges(),
        artifacts: lowering.artifacts.list,
        metrics,
        volumes: metadata.volumes.clone(),
        package_index: None,
        prelude,
        definitions,
        bindings: lowering.claimant.bindings(),
        sub_cells: analysis.blocks.sub_cells.clone(),
        warm_up: if options.for_run { warm_up::warm_up(analysis, &options.environment) } else { vec![] },
    }
}

struct Lowering<'a> {
    analysis: &'a Analysis<'a>,
    groups: &'a Groups,
    options: &'a CompileOptions,
    artifacts: Artifacts,
    /// By group: the transfers that end there, and those that start there.
    incoming: Vec<Vec<&'a Transfer>>,
    outgoing: Vec<Vec<&'a Transfer>>,
    claimant: Claimant<'a>,
    /// By group: what it and everything before it import.
    upstream_modules: Vec<BTreeSet<&'a str>>,
    requirements: Requirements<'a>,
    /// What it takes to import modules, of which many steps import the same.
    packages: BTreeMap<BTreeSet<&'a str>, Packages>,
    /// The first cell that writes each file.
    first_writers: BTreeMap<String, CellId>,
    /// Indices of tagged steps by name.
    tags: BTreeMap<StepName, usize>,
}

fn first_writers(analysis: &Analysis) -> BTreeMap<String, CellId> {
    let mut writers = BTreeMap::new();
    for (cell, facts) in analysis.facts.cells.iter().enumerate() {
        for used in facts.resources.iter().filter(|used| used.write) {
            if let Resource::File(path) = &used.resource {
                writers.entry(path.clone()).or_insert(cell);
            }
        }
    }
    writers
}

fn transfers_by(groups: &Groups, group: impl Fn(&Transfer) -> usize) -> Vec<Vec<&Transfer>> {
    let mut sorted = vec![vec![]; groups.groups.len()];
    for transfer in &groups.programs.transfers {
        sorted[group(transfer)].push(transfer);
    }
    sorted
}

impl Lowering<'_> {
    fn step(&mut self, group: usize, diagnostics: &mut Vec<Diagnostic>) -> Step {
        let made = &self.groups.groups[group];
        let program = self.program(group);
        let cells: Vec<StepCell> = made.cells.iter().map(|&cell| self.step_cell(cell)).collect();
        let mut inputs = BTreeSet::new();
        let mut outputs = BTreeSet::new();
        for instruction in &program {
            match instruction {
                Instruction::Load { artifact, .. } => inputs.insert(*artifact),
                Instruction::Save { artifact, .. } => outputs.insert(*artifact),
                _ => false,
            };
        }
        let own = || made.cells.iter().map(|&cell| &self.analysis.cells[cell].block.code);
        let environment_variables: BTreeSet<String> = made
            .cells
            .iter()
            .flat_map(|&cell| &self.analysis.facts.cells[cell].environment_variables)
            .cloned()
            .collect();
        let parameters = self.parameters_of(&program);
        let uses_escapes = self.groups.programs.actions[group].iter().any(|action| match action {
            Action::Define(statement) => takes_ipython(&self.statement_source(*statement)),
            _ => false,
        });
        let needs_ipython = own().any(|code| code.needs_ipython) || uses_escapes;
        let packages = self.packages(group, needs_ipython, diagnostics);
        Step {
            name: made.name.clone(),
            cells,
            program,
            parameters,
            inputs: inputs.into_iter().collect(),
            outputs: outputs.into_iter().collect(),
            needs_ipython,
            requirements: packages.requirements.into_iter().collect(),
            local_modules: packages.local.into_iter().collect(),
            files: self.files(group),
            environment_variables: environment_variables.into_iter().collect(),
            uncacheable: self.uncacheable(group),
            claims: self.options.for_run.then(|| self.claimant.claims(&made.cells)),
            config: self.config(group),
            fingerprint_source: self.fingerprint_source(group),
        }
    }

    /// Cells that no step runs.
    fn prelude(&self) -> Vec<StepCell> {
        let grouping = self.groups.grouping.iter().enumerate();
        grouping.filter(|(_, group)| group.is_none()).map(|(cell, _)| self.step_cell(cell)).collect()
    }

    /// All that could be executed again, whether a step needs it or not. Empty where no run will ask for it.
    fn definitions(&self) -> Vec<Definition> {
        if !self.options.for_run {
            return vec![];
        }
        let facts = &self.analysis.facts;
        let settings = facts.statements.iter().filter_map(|statement| statement.replay.setting());
        let displays: BTreeSet<StatementId> = settings.flat_map(|setting| setting.displays.values().copied()).collect();
        let ids = (0..facts.statements.len()).map(StatementId);
        ids.flat_map(|id| {
            let statement = facts.statement(id);
            let again = match statement.replay {
                Replay::Definition | Replay::Configuration(_) | Replay::Parameter => self.definition(id),
                Replay::No if displays.contains(&id) => self.definition(id),
                Replay::No | Replay::Nothing => vec![],
            };
            let cell = self.analysis.cells[statement.cell].block.index;
            let names = self.texts(&statement.binds);
            again.into_iter().map(move |instruction| Definition { cell, names: names.clone(), instruction })
        })
        .collect()
    }

    /// Empty where no run will ask for it.
    fn fingerprint_source(&self, group: usize) -> String {
        if !self.options.for_run {
            return String::new();
        }
        let actions = &self.groups.programs.actions[group];
        fingerprint::source(self.analysis, actions, |cell| self.run(cell), self.options.environment.python)
    }

    fn step_cell(&self, cell: CellId) -> StepCell {
        let block = self.analysis.cells[cell].block;
        StepCell {
            index: block.index,
            id: block.id.clone(),
            source: block.code.run_source.clone(),
            first_line: block.code.first_line,
        }
    }

    fn config(&self, group: usize) -> StepConfig {
        let made = &self.groups.groups[group];
        match self.tags.get(&made.name).filter(|_| made.tagged) {
            Some(&step) => self.analysis.blocks.steps[step].config.clone(),
            None => self.analysis.blocks.config_of(made.cells.iter().map(|&cell| self.analysis.cells[cell].block)),
        }
    }

    fn program(&self, group: usize) -> Vec<Instruction> {
        let mut program = vec![];
        for action in &self.groups.programs.actions[group] {
            match action {
                Action::Define(statement) => program.extend(self.definition(*statement)),
                Action::Forget(name, version) => program.push(self.deletion(*name, *version)),
                Action::Load(version, names) => program.push(Instruction::Load {
                    artifact: self.artifacts.of_version(*version),
                    names: self.texts(names),
                }),
                Action::Save(version, names) => program.push(Instruction::Save {
                    artifact: self.artifacts.of_version(*version),
                    names: self.texts(names),
                }),
                Action::LoadFile { path, writer } => {
                    program.push(Instruction::Load { artifact: self.artifacts.of_file(path, *writer), names: vec![] });
                }
                Action::SaveFile { path, writer } => {
                    program.push(Instruction::Save { artifact: self.artifacts.of_file(path, *writer), names: vec![] });
                }
                Action::Run(cell) => program.push(self.run(*cell)),
            }
        }
        program
    }

    fn run(&self, cell: CellId) -> Instruction {
        let block = self.analysis.cells[cell].block;
        let parameters = match block.role {
            Role::Parameters => {
                self.analysis.parameters.iter().filter(|p| p.span.cell == block.index).map(|p| p.name.clone()).collect()
            }
            _ => vec![],
        };
        let metrics = self.analysis.metrics[cell].iter().map(|found| found.site.clone()).collect();
        Instruction::Run { cell: block.index, parameters, metrics }
    }

    fn definition(&self, id: StatementId) -> Vec<Instruction> {
        let statement = self.analysis.facts.statement(id);
        let block = self.analysis.cells[statement.cell].block;
        if statement.replay == Replay::Parameter && !planted(Fault::ParameterAsConstant) {
            let bound: BTreeSet<&str> = statement.binds.iter().map(|&name| self.analysis.facts.text(name)).collect();
            let named = self.analysis.parameters.iter().filter(|p| bound.contains(p.name.as_str()));
            return named.map(|p| Instruction::Parameter { name: p.name.clone() }).collect();
        }
        let line = self.analysis.cells[statement.cell].line(statement.range);
        vec![Instruction::Define { cell: block.index, line, source: self.statement_source(id) }]
    }

    /// A deletion that does not fail when there is nothing to delete.
    fn deletion(&self, name: Name, version: VersionId) -> Instruction {
        let version = self.analysis.facts.version(version);
        let cell = &self.analysis.cells[version.cell];
        let name = self.analysis.facts.text(name);
        let source = format!("{name} = None; del {name}");
        Instruction::Define { cell: cell.block.index, line: cell.line(version.range), source }
    }

    fn statement_source(&self, id: StatementId) -> String {
        let statement = self.analysis.facts.statement(id);
        let python = &self.analysis.cells[statement.cell].block.code.python;
        python[statement.range].to_owned()
    }

    fn texts(&self, names: &NameSet) -> Vec<String> {
        let mut texts: Vec<String> = names
            .iter()
            .map(|&name| self.analysis.facts.text(name))
            .filter(|text| pseudo::is_variable(text))
            .map(str::to_owned)
            .collect();
        texts.sort();
        texts
    }

    fn parameters_of(&self, program: &[Instruction]) -> Vec<kale_model::ParameterName> {
        let used: BTreeSet<_> = program
            .iter()
            .flat_map(|instruction| match instruction {
                Instruction::Parameter { name } => vec![name.clone()],
                Instruction::Run { parameters, .. } => parameters.clone(),
                _ => vec![],
            })
            .collect();
        self.analysis.parameters.iter().map(|p| p.name.clone()).filter(|name| used.contains(name)).collect()
    }

    fn files(&self, group: usize) -> FileUse {
        let mut used = FileUse::default();
        for &cell in &self.groups.groups[group].cells {
            for resource in &self.analysis.facts.cells[cell].resources {
                let Resource::File(path) = &resource.resource else { continue };
                if path.contains('{') {
                    continue;
                }
                let written_before = self.first_writers.get(path).is_some_and(|&writer| writer < cell);
                if resource.write {
                    used.writes.push(path.clone());
                } else if !written_before {
                    used.reads.push(path.clone());
                }
            }
        }
        for paths in [&mut used.reads, &mut used.writes] {
            paths.sort();
            paths.dedup();
        }
        used
    }

    fn uncacheable(&self, group: usize) -> Vec<Uncacheable> {
        let mut reasons = BTreeSet::new();
        for &cell in &self.groups.groups[group].cells {
            for used in &self.analysis.facts.cells[cell].resources {
                reasons.extend(match &used.resource {
                    Resource::File(path) if path.contains('{') => Some(Uncacheable::UnknownFiles),
                    Resource::AnyFile => Some(Uncacheable::UnknownFiles),
                    Resource::Network => Some(Uncacheable::Network),
                    Resource::Database => Some(Uncacheable::Database),
                    Resource::Subprocess => Some(Uncacheable::Subprocess),
                    Resource::Clock => Some(Uncacheable::Clock),
                    Resource::Entropy | Resource::UnseededRng(_) => Some(Uncacheable::UnseededRandomness),
                    Resource::File(_) | Resource::Process(_) => None,
                });
            }
        }
        reasons.into_iter().collect()
    }

    fn edges(&self) -> Vec<Edge> {
        let facts = &self.analysis.facts;
        let mut found: BTreeMap<(usize, usize), (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
        for transfer in &self.groups.programs.transfers {
            let (variables, resources) = found.entry((transfer.from, transfer.to)).or_default();
            for &name in &transfer.names {
                let text = facts.text(name).to_owned();
                match pseudo::generator(&text) {
                    Some(_) => resources.insert(text),
                    None => variables.insert(text),
                };
            }
        }
        for ordering in &self.groups.orderings {
            let pair = (self.groups.grouping[ordering.from], self.groups.grouping[ordering.to]);
            if let (Some(from), Some(to)) = pair
                && from != to
            {
                found.entry((from, to)).or_default().1.insert(ordering.resource.clone());
            }
        }
        for &pair in self.groups.declared.iter().filter(|(from, to)| from != to) {
            found.entry(pair).or_default();
        }
        found
            .into_iter()
            .map(|((from, to), (variables, resources))| Edge {
                from: StepId(from),
                to: StepId(to),
                variables: variables.into_iter().collect(),
                resources: resources.into_iter().collect(),
                declared: self.groups.declared.contains(&(from, to)),
            })
            .collect()
    }

    fn metrics(&self, diagnostics: &mut Vec<Diagnostic>) -> Vec<Metric> {
        let mut found: Vec<Metric> = vec![];
        for cell in 0..self.analysis.cells.len() {
            let Some(group) = self.groups.grouping[cell] else { continue };
            let sites = self.analysis.metrics[cell].iter().map(|site| site.site.name.clone());
            for name in sites.chain(self.analysis.facts.cells[cell].reported_metrics.iter().cloned()) {
                let known = found.iter().find(|metric| metric.name == name);
                match known {
                    Some(metric) if metric.step.0 != group => diagnostics.push(report::metric_twice(&name)),
                    Some(_) => {}
                    None => found.push(Metric { name, step: StepId(group) }),
                }
            }
        }
        found
    }
}

/// Whether a statement is one of IPython's escapes, or changes IPython itself.
fn takes_ipython(source: &str) -> bool {
    source.trim_start().starts_with(['%', '!', '?']) || names_ipython(source)
}
