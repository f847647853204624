//! The state of the analysis: frames of names, and the versions that cells make.
//!
//! The analysis is an abstract interpretation of the notebook from top to bottom. `cells[0]` runs in the module's frame;
//! a call of one of the notebook's functions evaluates the function's body in a frame of its own (see [`super::summary`])
//! whose outside objects are [`Place`]s, and applies the result where it is called.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use ruff_python_ast::{Expr, ModModule, Parameters, Stmt, StmtClassDef};
use ruff_text_size::{Ranged, TextRange};

use super::effects::{Effects, Outcome, Summary};
use super::facts::{
    Bound, CellFacts, CellId, Facts, Kind, Replay, Resource, ResourceUse, Source, StatementFacts, StatementId, Use,
    Version, VersionId,
};
use super::heap::{Class, Heap, ObjectId, Place, Unshippable};
use super::knowledge::Knowledge;
use super::names::Name;
use super::scope::Scope;
use super::summary::{ActiveSummary, SummaryKey};
use super::value::{CodeId, Type, Value};

/// A function, lambda, generator expression or class of the notebook.
pub struct Definition<'a> {
    pub kind: DefinitionKind<'a>,
    /// The module variable that a module-level `def` or `class` statement binds.
    pub name: Option<Name>,
    pub scope: Rc<Scope>,
    /// Locals of the functions around it.
    pub enclosing: Rc<BTreeSet<String>>,
    pub is_generator: bool,
    /// The class around it: names such as `__x` mean `_Class__x`.
    pub class_name: Option<String>,
}

pub enum DefinitionKind<'a> {
    Function { parameters: Option<&'a Parameters>, body: Body<'a>, has_mutable_defaults: bool },
    Class { methods: BTreeMap<String, CodeId>, bases: Vec<Type>, statement: Option<&'a StmtClassDef> },
}

#[derive(Clone, Copy)]
pub enum Body<'a> {
    Statements(&'a [Stmt]),
    Expression(&'a ruff_python_ast::Expr),
    Generator(&'a ruff_python_ast::ExprGenerator),
}

/// Assignments that build on each other are executed again up to this many; beyond it the value is shipped.
const MAX_DEPTH: usize = 3;

/// A name's state in one frame.
#[derive(Clone, Debug)]
pub struct Binding {
    pub value: Value,
    pub cell: CellId,
    pub statement: StatementId,
    /// The value may still be the one from before the cell.
    pub outer: bool,
    /// There may be no value.
    pub maybe_unbound: bool,
    /// `del` was executed for certain.
    pub deleted: bool,
    /// A second execution of `statement` makes the value just as well.
    pub replay: bool,
    /// The version that holds the value; `None` when the current cell bound it.
    pub version: Option<VersionId>,
}

/// A scope inside a frame: a comprehension's targets, or a class body's names.
pub struct Inner {
    pub is_class: bool,
    pub names: HashMap<Name, Value>,
}

pub struct Frame {
    pub heap: Heap,
    /// Branches being executed: the last layer holds what the innermost branch bound.
    pub layers: Vec<HashMap<Name, Binding>>,
    pub inner: Vec<Inner>,
    /// `None` for the module.
    pub scope: Option<Rc<Scope>>,
    pub enclosing: Rc<BTreeSet<String>>,
    pub places: HashMap<Place, ObjectId>,
    pub effects: Effects,
    pub returned: Option<Value>,
    /// Outside objects that were changed.
    pub mutated: BTreeSet<Place>,
    pub assumptions: Vec<(Name, Option<Type>)>,
    /// Code of the closure that is being executed.
    pub own_code: Vec<CodeId>,
    /// The class around the code, for private names.
    pub class_name: Option<String>,
}

impl Frame {
    pub fn new(scope: Option<Rc<Scope>>, enclosing: Rc<BTreeSet<String>>) -> Frame {
        Frame {
            heap: Heap::default(),
            layers: vec![HashMap::new()],
            inner: vec![],
            scope,
            enclosing,
            places: HashMap::new(),
            effects: Effects::default(),
            returned: None,
            mutated: BTreeSet::new(),
            assumptions: vec![],
            own_code: vec![],
            class_name: None,
        }
    }

    pub fn lookup(&self, name: Name) -> Option<&Binding> {
        self.layers.iter().rev().find_map(|layer| layer.get(&name))
    }

    pub fn place(&mut self, place: Place) -> ObjectId {
        if let Some(&object) = self.places.get(&place) {
            return object;
        }
        let object = self.heap.allocate(Class { places: vec![place], ..Class::default() });
        self.places.insert(place, object);
        object
    }
}

pub struct Analyzer<'a> {
    pub knowledge: &'static Knowledge,
    pub facts: Facts,
    pub definitions: Vec<Definition<'a>>,
    pub frames: Vec<Frame>,
    pub summaries: HashMap<SummaryKey, Rc<Summary>>,
    pub active: Vec<ActiveSummary>,
    /// Summaries that hold only within the current round of a recursion, with the depth of its outermost function.
    pub provisional: HashMap<SummaryKey, (Rc<Summary>, usize)>,
    /// The outermost function being summarised that the current body's summary depends on.
    pub depends_on: usize,
    pub cell: CellId,
    pub statement: StatementId,
    pub source: &'a str,
    /// Versions that reached the current cell, for each name it has touched.
    entry: BTreeMap<Name, Option<VersionId>>,
    /// Names used by the current cell, with the first place.
    uses: BTreeMap<Name, TextRange>,
    /// Names whose objects the current cell changed.
    mutated: BTreeSet<Name>,
    statement_reads: BTreeMap<Name, Source>,
    statement_binds: BTreeSet<Name>,
    /// Modules star-imported so far: they may provide any name.
    pub star_modules: Vec<(StatementId, Name)>,
}

/// A code cell as the analysis reads it.
pub struct Unit<'a> {
    pub source: &'a str,
    pub module: &'a ModModule,
    /// Literals of these names are overridden by the run.
    pub parameters: &'a [String],
    /// Names that the cell's magic binds, and reads.
    pub binds: &'a [String],
    pub reads: &'a [String],
    /// What the body binds does not survive (`%%timeit`).
    pub scratch: bool,
    /// What the cell's magic does: `%%bash` and the like.
    pub resources: &'a [Resource],
}

/// Analyses the notebook's code cells, in order.
pub fn analyze<'a>(units: &[Unit<'a>], knowledge: &'static Knowledge) -> Facts {
    let mut analyzer = Analyzer::new(knowledge);
    for unit in units {
        analyzer.cell(unit);
    }
    analyzer.facts
}

impl<'a> Analyzer<'a> {
    fn new(knowledge: &'static Knowledge) -> Analyzer<'a> {
        Analyzer {
            knowledge,
            facts: Facts::default(),
            definitions: vec![],
            frames: vec![Frame::new(None, Rc::default())],
            summaries: HashMap::new(),
            active: vec![],
            provisional: HashMap::new(),
            depends_on: usize::MAX,
            cell: 0,
            statement: StatementId(0),
            source: "",
            entry: BTreeMap::new(),
            uses: BTreeMap::new(),
            mutated: BTreeSet::new(),
            statement_reads: BTreeMap::new(),
            statement_binds: BTreeSet::new(),
            star_modules: vec![],
        }
    }

    fn cell(&mut self, unit: &Unit<'a>) {
        self.cell = self.facts.cells.len();
        self.facts.cells.push(CellFacts::default());
        self.source = unit.source;
        if unit.scratch {
            self.scratch(unit);
        } else {
            for statement in &unit.module.body {
                self.top_level(statement, unit);
            }
        }
        if !unit.binds.is_empty() || !unit.resources.is_empty() || !unit.reads.is_empty() {
            self.magic(unit);
        }
        self.end_cell();
    }

    /// A body that runs in a namespace of its own: it reads and changes objects, and binds nothing.
    fn scratch(&mut self, unit: &Unit<'a>) {
        self.begin_statement();
        self.frame().inner.push(Inner { is_class: true, names: HashMap::new() });
        self.execute_all(&unit.module.body);
        self.frame().inner.pop();
        self.frame().effects.calls = true;
        self.frame().effects.expensive = true;
        self.end_statement(TextRange::default(), None, &[]);
    }

    /// What the cell's own magic does, after its body: `%%capture out` binds `out`, `%%bash` touches files.
    fn magic(&mut self, unit: &Unit<'a>) {
        let range = TextRange::default();
        self.begin_statement();
        for name in unit.reads {
            self.read(name, range);
        }
        for name in unit.binds {
            let name = self.name(name);
            let object = self.frame().heap.allocate(Class::default());
            self.bind(name, Value::object(Type::Unknown, object));
        }
        for resource in unit.resources {
            self.touch(resource.clone(), true, range);
        }
        self.frame().effects.calls = true;
        self.end_statement(range, None, &[]);
    }

    fn top_level(&mut self, statement: &'a Stmt, unit: &Unit<'a>) {
        self.begin_statement();
        self.execute(statement);
        self.end_statement(statement.range(), Some(statement), unit.parameters);
    }

    fn begin_statement(&mut self) {
        self.statement = StatementId(self.facts.statements.len());
        self.frame().effects = Effects::default();
        self.statement_reads.clear();
        self.statement_binds.clear();
    }

    fn end_statement(&mut self, range: TextRange, statement: Option<&'a Stmt>, parameters: &[String]) {
        let effects = std::mem::take(&mut self.frame().effects);
        let binds = std::mem::take(&mut self.statement_binds);
        let mut reads = std::mem::take(&mut self.statement_reads);
        for &name in &binds {
            if let Some(Some(version)) = self.module_binding(name).filter(|b| b.outer).map(|_| self.entry[&name]) {
                reads.entry(name).or_insert(Source::Version(version));
            }
        }
        let replay = self.replay(statement, &effects, &reads, &binds, parameters);
        let depth = self.depth(statement, &reads);
        let replay = if depth > MAX_DEPTH && replay == Replay::Definition { Replay::No } else { replay };
        let replayed = matches!(replay, Replay::Definition | Replay::Parameter);
        for &name in &binds {
            let id = self.statement;
            if let Some(binding) = self.frames[0].layers[0].get_mut(&name) {
                binding.replay = replayed && binding.statement == id;
            }
        }
        if effects.mutates {
            self.forget_replays();
        }
        let cell = &mut self.facts.cells[self.cell];
        cell.statements.push(self.statement);
        cell.expensive |= effects.expensive;
        cell.resources.extend(effects.resources);
        cell.dynamic.extend(effects.dynamic);
        cell.history.extend(effects.history);
        cell.interactive.extend(effects.interactive);
        cell.unknown_paths.extend(effects.unknown_paths);
        cell.imports.extend(effects.imports.iter().cloned());
        cell.libraries.extend(effects.libraries);
        cell.reported_metrics.extend(effects.metrics);
        cell.environment_variables.extend(effects.environment_variables);
        if replay == Replay::No {
            for module in effects.settings {
                let resource = Resource::Process(module);
                cell.resources.push(ResourceUse { resource, write: true, range });
            }
        }
        self.facts.statements.push(StatementFacts {
            cell: self.cell,
            range,
            reads: reads.into_iter().collect(),
            binds,
            replay,
            depth,
            imports: effects.imports,
        });
    }

    /// How many assignments are behind the statement.
    fn depth(&self, statement: Option<&Stmt>, reads: &BTreeMap<Name, Source>) -> usize {
        let behind = reads.iter().filter_map(|(&name, &source)| match source {
            Source::Statement(id) => Some(self.facts.statement(id).depth),
            Source::Version(id) => {
                let bound = defining_statement(&self.facts, name, id)?;
                Some(self.facts.statement(bound).depth)
            }
        });
        let own = usize::from(matches!(statement, Some(Stmt::Assign(_) | Stmt::AnnAssign(_))));
        behind.max().unwrap_or(0) + own
    }

    /// Whether the statement just executed may be executed again in another step.
    fn replay(
        &mut self,
        statement: Option<&'a Stmt>,
        effects: &Effects,
        reads: &BTreeMap<Name, Source>,
        binds: &BTreeSet<Name>,
        parameters: &[String],
    ) -> Replay {
        let Some(statement) = statement else { return Replay::No };
        if effects.is_impure() || !reads.iter().all(|(&name, &source)| self.is_replayable(name, source)) {
            return Replay::No;
        }
        if !effects.settings.is_empty() {
            let only_settings = binds.is_empty() || !effects.calls;
            let module = effects.settings.iter().next().cloned().unwrap_or_default();
            return if only_settings { Replay::Configuration(module) } else { Replay::No };
        }
        let is_definition = matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_));
        if effects.unknown_calls || (effects.calls && !is_definition) || !is_simple(statement) {
            return Replay::No;
        }
        if binds.is_empty() {
            let bare = match statement {
                Stmt::Pass(_) | Stmt::AnnAssign(_) => true,
                Stmt::Expr(expr) => expr.value.is_string_literal_expr() || expr.value.is_ellipsis_literal_expr(),
                Stmt::If(_) | Stmt::Try(_) | Stmt::Import(_) | Stmt::ImportFrom(_) => true,
                _ => false,
            };
            if effects.star_import {
                return Replay::Definition;
            }
            return if bare { Replay::Nothing } else { Replay::No };
        }
        if parameters.iter().any(|p| binds.contains(&self.facts.names.intern(p))) {
            return Replay::Parameter;
        }
        let values_are_remade = binds
            .iter()
            .filter_map(|&name| Some(&self.module_binding(name)?.value))
            .all(|value| is_definition || self.is_stateless(value) || self.is_rebuildable(value));
        if values_are_remade { Replay::Definition } else { Replay::No }
    }

    /// Whether another object made by the same statement is as good.
    fn is_rebuildable(&self, value: &Value) -> bool {
        self.type_path(value)
            .is_some_and(|path| self.knowledge.inherited(path, |t| t.ships.as_deref()) == Some("rebuild"))
    }

    fn is_replayable(&self, name: Name, source: Source) -> bool {
        match source {
            Source::Statement(id) => {
                matches!(self.facts.statement(id).replay, Replay::Definition | Replay::Parameter)
                    && self.module_binding(name).is_none_or(|b| b.statement != id || b.replay)
            }
            Source::Version(id) => replays(&self.facts, name, id),
        }
    }

    /// After a change of existing objects, the names bound to them are not what their statements made.
    fn forget_replays(&mut self) {
        for name in &self.mutated {
            if let Some(binding) = self.frames[0].layers[0].get_mut(name) {
                binding.replay = false;
            }
        }
    }

    /// Gives a new version to every name that the cell bound, and to every alias group that it changed or joined.
    fn end_cell(&mut self) {
        let mut groups: Vec<(BTreeSet<Name>, Option<ObjectId>)> = vec![];
        let mut grouped = BTreeSet::new();
        for root in self.frames[0].heap.take_marked() {
            let members = self.current_members(root);
            grouped.extend(members.iter().copied());
            if !members.is_empty() {
                groups.push((members, Some(root)));
            }
        }
        let cell = self.cell;
        let alone: Vec<Name> = self.frames[0].layers[0]
            .iter()
            .filter(|(name, binding)| binding.cell == cell && binding.version.is_none() && !grouped.contains(name))
            .map(|(&name, _)| name)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        groups.extend(alone.into_iter().map(|name| (BTreeSet::from([name]), None)));
        let mut needed = vec![];
        for (members, root) in groups {
            needed.extend(self.make_version(&members, root));
        }
        for (id, name) in needed {
            if let Some(version) = self.frames[0].layers[0].get(&name).and_then(|binding| binding.version)
                && version != id
            {
                self.facts.versions[id.0].needs.insert(name, version);
            }
        }
        self.mutated.clear();
        let uses = std::mem::take(&mut self.uses);
        let entry = std::mem::take(&mut self.entry);
        let used = uses.into_iter().filter_map(|(name, range)| {
            let version = entry.get(&name).copied().flatten()?;
            Some(Use { name, version, range })
        });
        self.facts.cells[cell].uses = used.collect();
    }

    /// The names that are bound to objects of a class now; a branch that was overwritten may have left others.
    fn current_members(&mut self, root: ObjectId) -> BTreeSet<Name> {
        let mut members = std::mem::take(&mut self.frames[0].heap.class(root).members);
        members.retain(|name| {
            let object = self.frames[0].layers[0].get(name).and_then(|binding| binding.value.objects.first().copied());
            object.is_some_and(|object| self.frames[0].heap.find(object) == root)
        });
        self.frames[0].heap.class(root).members = members.clone();
        members
    }

    /// Makes one version; returns the definitions that unpickling its values needs.
    fn make_version(&mut self, members: &BTreeSet<Name>, root: Option<ObjectId>) -> Vec<(VersionId, Name)> {
        let id = VersionId(self.facts.versions.len());
        let class = root.map(|root| self.frames[0].heap.class(root).clone()).unwrap_or_default();
        let (mut bound, mut parents, mut needed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (mut by_value, mut range) = (false, None);
        for &name in members {
            let Some(binding) = self.frames[0].layers[0].get(&name).cloned() else { continue };
            let bound_here = binding.cell == self.cell && binding.version.is_none();
            if bound_here && !binding.deleted {
                let kind = self.kind(&binding.value);
                bound.insert(name, Bound { statement: binding.statement, replay: binding.replay, kind });
                range = range.or(Some(self.facts.statement(binding.statement).range));
            }
            if !bound_here || binding.outer {
                if let Some(&Some(version)) = self.entry.get(&name) {
                    parents.insert(name, version);
                } else if let Some(version) = binding.version {
                    parents.insert(name, version);
                }
            }
            by_value |= matches!(binding.value.ty, Type::Function(_) | Type::Class(_));
            by_value |= self.needed_definitions(binding.value.code.iter().chain(&class.code), &mut needed);
        }
        let last = self.facts.cells[self.cell].statements.last();
        let range = range.or_else(|| last.map(|&statement| self.facts.statement(statement).range));
        self.facts.versions.push(Version {
            cell: self.cell,
            bound,
            parents,
            mutated: members.intersection(&self.mutated).copied().collect(),
            view: class.view,
            unshippable: class.unshippable,
            needs: BTreeMap::new(),
            by_value,
            range: range.unwrap_or_default(),
        });
        self.facts.cells[self.cell].versions.push(id);
        for &name in members {
            if let Some(binding) = self.frames[0].layers[0].get_mut(&name) {
                binding.version = Some(id);
                binding.outer = false;
            }
        }
        needed.difference(members).map(|&name| (id, name)).collect()
    }

    /// Adds the names under which pickle refers to definitions; true when some definition has no name.
    fn needed_definitions<'c>(&self, code: impl Iterator<Item = &'c CodeId>, needed: &mut BTreeSet<Name>) -> bool {
        let mut by_value = false;
        for code in code {
            let definition = &self.definitions[code.0];
            let Some(name) = definition.name else {
                by_value |= matches!(definition.kind, DefinitionKind::Function { .. });
                continue;
            };
            let current = self.frames[0].layers[0].get(&name);
            if current.is_some_and(|binding| binding.value.code.contains(code)) {
                needed.insert(name);
            }
        }
        by_value
    }

    pub fn kind(&self, value: &Value) -> Kind {
        match value.ty {
            Type::Immutable => Kind::Immutable,
            Type::Library(_) | Type::Function(_) | Type::Class(_) => Kind::Callable,
            Type::Instance(path) => {
                let ships = self.knowledge.inherited(self.facts.text(path), |t| t.ships.as_deref());
                if ships == Some("no") { Kind::Unshippable(path) } else { Kind::Instance(path) }
            }
            Type::Object(_) | Type::Unknown => Kind::Unknown,
        }
    }

    // Names.

    pub fn name(&mut self, text: &str) -> Name {
        self.facts.names.intern(text)
    }

    pub fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the module's frame is always there")
    }

    pub fn in_module(&self) -> bool {
        self.frames.len() == 1
    }

    pub fn module_binding(&self, name: Name) -> Option<&Binding> {
        self.frames[0].lookup(name).filter(|binding| !binding.deleted)
    }

    /// Reads a variable by the rules of the innermost scope.
    pub fn read(&mut self, text: &str, range: TextRange) -> Value {
        let mangled = self.mangled(text);
        let text = mangled.as_deref().unwrap_or(text);
        let name = self.name(text);
        let frame = self.frames.last().expect("the module's frame is always there");
        let mut classes_visible = true;
        for inner in frame.inner.iter().rev() {
            if inner.is_class && !classes_visible {
                continue;
            }
            if let Some(value) = inner.names.get(&name) {
                return value.clone();
            }
            classes_visible &= inner.is_class;
        }
        let Some(scope) = &frame.scope else { return self.read_module(name, range) };
        if scope.locals.contains(text) || frame.layers.iter().any(|layer| layer.contains_key(&name)) {
            return frame.lookup(name).map_or_else(Value::immutable, |binding| binding.value.clone());
        }
        if !scope.globals.contains(text) && frame.enclosing.contains(text) {
            return self.captured();
        }
        self.read_global(name, range)
    }

    /// The private name that `__x` means inside of a class.
    fn mangled(&self, text: &str) -> Option<String> {
        let class = self.frames.last()?.class_name.as_deref()?.trim_start_matches('_');
        (text.starts_with("__") && !text.ends_with("__") && !class.is_empty()).then(|| format!("_{class}{text}"))
    }

    /// A variable of an enclosing function: part of what the closure holds.
    fn captured(&mut self) -> Value {
        let frame = self.frame();
        let own = frame.place(Place::Own);
        let code = frame.own_code.clone();
        Value { ty: Type::Unknown, objects: vec![own], code, text: None, parts: None }
    }

    /// A module variable read by a function's body: its type as it is now, its object as a place.
    pub fn read_global(&mut self, name: Name, range: TextRange) -> Value {
        let known = self.frames[0].lookup(name).filter(|b| !b.deleted).map(|b| b.value.clone());
        let frame = self.frame();
        frame.effects.reads.entry(name).or_insert(range);
        frame.assumptions.push((name, known.as_ref().map(|v| v.ty)));
        let written = frame.effects.writes.get(&name).cloned();
        let mut value = match known {
            Some(value) if value.objects.is_empty() => value,
            Some(value) => {
                let object = frame.place(Place::Global(name));
                Value { objects: vec![object], ..value }
            }
            None => return self.builtin_or_unknown(name),
        };
        if let Some(outcome) = written {
            value = self.written_global(name, value, &outcome);
        }
        value
    }

    fn written_global(&mut self, name: Name, mut value: Value, outcome: &Outcome) -> Value {
        let object = self.frame().place(Place::Global(name));
        value.ty = if value.ty == outcome.ty { value.ty } else { Type::Unknown };
        value.objects = vec![object];
        value.text = None;
        value.code.extend(outcome.code.iter().copied());
        value
    }

    fn builtin_or_unknown(&mut self, name: Name) -> Value {
        let text = self.facts.text(name).to_owned();
        if self.knowledge.is_builtin(&text) {
            let path = self.facts.names.intern(&format!("builtins.{text}"));
            return Value::library(path);
        }
        if let Some(&(_, module)) = self.star_modules.last() {
            let path = self.facts.names.join(module, &text);
            return Value::library(path);
        }
        let object = self.frame().heap.allocate(Class::default());
        Value::object(Type::Unknown, object)
    }

    /// A read of a module variable by the module's own code, or through a function that it calls.
    pub fn read_module(&mut self, name: Name, range: TextRange) -> Value {
        self.frames[0].effects.reads.entry(name).or_insert(range);
        let Some(binding) = self.frames[0].lookup(name).cloned() else {
            return self.read_unbound(name, range);
        };
        if binding.deleted {
            let text = self.facts.text(name);
            if !self.knowledge.is_builtin(text) {
                self.facts.cells[self.cell].deleted.push((name, range));
            }
            return self.builtin_or_unknown(name);
        }
        if let Some(&(star_statement, _)) = self.star_modules.last()
            && star_statement > binding.statement
        {
            let star = self.name("*");
            self.read_module(star, range);
        }
        let here = binding.cell == self.cell && binding.version.is_none();
        if !here || binding.outer {
            self.enter(name);
            self.uses.entry(name).or_insert(range);
        }
        let source =
            if here { Some(Source::Statement(binding.statement)) } else { binding.version.map(Source::Version) };
        if let Some(source) = source.filter(|s| *s != Source::Statement(self.statement)) {
            self.statement_reads.entry(name).or_insert(source);
        }
        binding.value
    }

    fn read_unbound(&mut self, name: Name, range: TextRange) -> Value {
        let text = self.facts.text(name).to_owned();
        if is_history(&text) {
            self.frames[0].effects.history.push((text, range));
        } else if !self.star_modules.is_empty() {
            // A name that only a star import can provide is read from the pseudo-variable that the import binds.
            let star = self.name("*");
            self.read_module(star, range);
        } else if !self.knowledge.is_builtin(&text) {
            self.facts.cells[self.cell].undefined.push((name, range));
        }
        self.builtin_or_unknown(name)
    }

    /// Notes the version with which a name enters the cell.
    fn enter(&mut self, name: Name) {
        if !self.entry.contains_key(&name) {
            let version = self.frames[0].layers.iter().rev().find_map(|layer| layer.get(&name)).and_then(|b| b.version);
            let version = version.or_else(|| self.frames[0].layers[0].get(&name).and_then(|b| b.version));
            self.entry.insert(name, version);
        }
    }

    /// Binds a name by the rules of the innermost scope.
    pub fn bind_text(&mut self, text: &str, value: Value) {
        let mangled = self.mangled(text);
        let text = mangled.as_deref().unwrap_or(text);
        let name = self.name(text);
        let frame = self.frame();
        if let Some(inner) = frame.inner.last_mut() {
            inner.names.insert(name, value);
            return;
        }
        self.bind_in_frame(name, text, value);
    }

    /// Binds in the nearest scope that is not a comprehension (a walrus).
    pub fn bind_walrus(&mut self, text: &str, value: Value) {
        let name = self.name(text);
        let class = self.frame().inner.iter_mut().find(|inner| inner.is_class);
        if let Some(inner) = class {
            inner.names.insert(name, value);
            return;
        }
        self.bind_in_frame(name, text, value);
    }

    fn bind_in_frame(&mut self, name: Name, text: &str, value: Value) {
        let frame = self.frame();
        let Some(scope) = frame.scope.clone() else { return self.bind(name, value) };
        if scope.globals.contains(text) {
            return self.write_global(name, &value);
        }
        if scope.nonlocals.contains(text) {
            let own = self.frame().place(Place::Own);
            self.mutate_object(own);
            for object in value.objects {
                self.frame().heap.union(own, object, false);
            }
            return;
        }
        let statement = self.statement;
        let layer = self.frame().layers.last_mut().expect("a frame has a layer");
        layer.insert(name, Binding::local(value, statement));
    }

    /// `global x; x = value` in a function.
    pub fn write_global(&mut self, name: Name, value: &Value) {
        if self.in_module() {
            return self.bind(name, value.clone());
        }
        let place = self.frame().place(Place::Global(name));
        for &object in &value.objects {
            self.frame().heap.union(place, object, false);
        }
        let outcome = Outcome {
            ty: value.ty,
            object: !value.objects.is_empty(),
            scalars: false,
            places: vec![],
            view: false,
            code: value.code.clone(),
        };
        self.frame().effects.writes.insert(name, outcome);
    }

    /// Binds a module variable.
    pub fn bind(&mut self, name: Name, mut value: Value) {
        self.enter(name);
        self.unlink(name);
        self.mutated.remove(&name);
        if let Type::Class(code) = value.ty {
            self.definitions[code.0].name.get_or_insert(name);
        }
        if let Some((&first, rest)) = value.objects.split_first() {
            let mut root = first;
            for &object in rest {
                root = self.frames[0].heap.union(root, object, false);
            }
            let root = self.frames[0].heap.find(root);
            self.frames[0].heap.class(root).members.insert(name);
            self.frames[0].heap.mark(root);
            value.objects = vec![root];
        }
        self.statement_binds.insert(name);
        let binding = Binding {
            value,
            cell: self.cell,
            statement: self.statement,
            outer: false,
            maybe_unbound: false,
            deleted: false,
            replay: false,
            version: None,
        };
        self.frames[0].layers.last_mut().expect("a frame has a layer").insert(name, binding);
    }

    /// Binds a module variable that may also keep its value.
    pub fn bind_maybe(&mut self, name: Name, value: Value) {
        let before = self.frames[0].lookup(name).cloned();
        self.frames[0].layers.push(HashMap::new());
        self.bind(name, value);
        let layer = self.frames[0].layers.pop().expect("it was pushed above");
        for (name, binding) in layer {
            self.merge_binding(name, Some(binding), before.clone());
        }
    }

    /// Takes a name out of the alias group it was bound to, unless a branch below still has it.
    fn unlink(&mut self, name: Name) {
        if self.frames[0].layers.len() > 1 {
            return;
        }
        let Some(binding) = self.frames[0].layers[0].get(&name) else { return };
        let objects = binding.value.objects.clone();
        for object in objects {
            self.frames[0].heap.class(object).members.remove(&name);
        }
    }

    /// `del name`.
    pub fn delete(&mut self, text: &str) {
        let name = self.name(text);
        if !self.in_module() {
            let scope_is_global = self.frame().scope.as_ref().is_some_and(|s| s.globals.contains(text));
            if scope_is_global {
                self.frame().effects.deletes.insert(name);
            }
            return;
        }
        if let Some(inner) = self.frame().inner.last_mut() {
            inner.names.remove(&name);
            return;
        }
        self.delete_module(name);
    }

    pub fn delete_module(&mut self, name: Name) {
        self.enter(name);
        self.unlink(name);
        self.statement_binds.insert(name);
        self.frames[0].effects.deletes.insert(name);
        let binding = Binding {
            deleted: true,
            cell: self.cell,
            version: None,
            ..Binding::local(Value::immutable(), self.statement)
        };
        self.frames[0].layers.last_mut().expect("a frame has a layer").insert(name, binding);
    }

    // Branches.

    pub fn push_layer(&mut self) {
        self.frame().layers.push(HashMap::new());
    }

    pub fn pop_layer(&mut self) -> HashMap<Name, Binding> {
        self.frame().layers.pop().expect("every pop has its push")
    }

    /// After a choice between branches: each name is what one of them, or (`None`) the code before, left it.
    pub fn join(&mut self, branches: Vec<HashMap<Name, Binding>>, may_skip: bool) {
        let names: BTreeSet<Name> = branches.iter().flat_map(|layer| layer.keys().copied()).collect();
        for name in names {
            let before = self.frame().lookup(name).cloned();
            let mut merged: Option<Option<Binding>> = may_skip.then(|| before.clone());
            for layer in &branches {
                let this = layer.get(&name).cloned().or_else(|| before.clone());
                merged = Some(match merged {
                    None => this,
                    Some(other) => join_bindings(other, this, self.cell),
                });
            }
            if let Some(Some(binding)) = merged {
                self.install(name, binding);
            }
        }
    }

    fn merge_binding(&mut self, name: Name, a: Option<Binding>, b: Option<Binding>) {
        if let Some(binding) = join_bindings(a, b, self.cell) {
            self.install(name, binding);
        }
    }

    /// Puts a joined binding into the current layer; in the module, its objects become one alias group.
    fn install(&mut self, name: Name, mut binding: Binding) {
        if self.in_module() && !binding.deleted {
            if let Some((&first, rest)) = binding.value.objects.split_first() {
                let mut root = first;
                for &object in rest {
                    root = self.frames[0].heap.union(root, object, false);
                }
                let root = self.frames[0].heap.find(root);
                self.frames[0].heap.class(root).members.insert(name);
                binding.value.objects = vec![root];
            }
            if binding.outer {
                // Whether the old value is needed depends on who reads the name afterwards.
                self.enter(name);
            }
            self.statement_binds.insert(name);
        }
        self.frame().layers.last_mut().expect("a frame has a layer").insert(name, binding);
    }

    // Objects and resources.

    pub fn fresh(&mut self, ty: Type) -> Value {
        let object = self.frame().heap.allocate(Class::default());
        Value::object(ty, object)
    }

    /// A new container of immutable elements.
    pub fn fresh_scalars(&mut self, ty: Type) -> Value {
        let object = self.frame().heap.allocate(Class { scalars: true, ..Class::default() });
        Value::object(ty, object)
    }

    pub fn mutate(&mut self, value: &Value) {
        for object in value.objects.clone() {
            self.mutate_object(object);
        }
    }

    pub fn mutate_object(&mut self, object: ObjectId) {
        let in_module = self.in_module();
        let members: Vec<Name> = {
            let class = self.frame().heap.class(object);
            class.members.iter().copied().collect()
        };
        if in_module {
            for name in &members {
                self.enter(*name);
            }
        }
        let frame = self.frame();
        frame.heap.mark(object);
        let places = frame.heap.class(object).places.clone();
        frame.effects.mutates |= !members.is_empty() || !places.is_empty();
        frame.mutated.extend(places);
        if in_module {
            self.mutated.extend(members);
        }
    }

    /// After this, `a` and `b` may share state.
    pub fn link(&mut self, a: &Value, b: &Value, view: bool) {
        let (Some(&first), Some(&second)) = (a.objects.first(), b.objects.first()) else {
            self.note_code(a, b);
            return;
        };
        if self.is_stateless(b) {
            // Whoever holds a function or class without state can call it, and no more.
            self.note_code(a, b);
            return;
        }
        let held = self.unshippable(b);
        for value in [a, b] {
            for object in value.objects.clone() {
                self.enter_members(object);
            }
        }
        let heap = &mut self.frame().heap;
        let mut root = heap.union(first, second, view);
        for &object in a.objects.iter().chain(&b.objects).skip(1) {
            root = heap.union(root, object, view);
        }
        if let Some(held) = held {
            heap.class(root).unshippable.get_or_insert(held);
        }
        self.note_code(a, b);
        self.note_code(b, a);
    }

    /// Why a container of the value could not travel.
    fn unshippable(&mut self, value: &Value) -> Option<Unshippable> {
        match self.kind(value) {
            Kind::Unshippable(type_path) => Some(Unshippable { type_path }),
            _ => value.objects.iter().find_map(|&object| self.frames.last()?.heap.peek(object).unshippable),
        }
    }

    fn enter_members(&mut self, object: ObjectId) {
        if self.in_module() {
            let members: Vec<Name> = self.frame().heap.class(object).members.iter().copied().collect();
            for name in members {
                self.enter(name);
            }
        }
    }

    /// `holder` may now call the code of `value`.
    pub fn note_code(&mut self, holder: &Value, value: &Value) {
        if let Some(&object) = holder.objects.first() {
            let class = self.frame().heap.class(object);
            for &code in &value.code {
                if !class.code.contains(&code) {
                    class.code.push(code);
                }
            }
        }
    }

    pub fn touch(&mut self, resource: Resource, write: bool, range: TextRange) {
        self.frame().effects.resources.push(ResourceUse { resource, write, range });
    }

    /// Draws from a global generator: its state is a variable of its own that travels along the chain of its users.
    pub fn draw(&mut self, generator: &'static str, range: TextRange) {
        if !self.in_module() {
            self.frame().effects.draws.insert(generator);
            return;
        }
        self.frame().effects.draws.insert(generator);
        let name = self.name(&format!("rng:{generator}"));
        if self.module_binding(name).is_some() {
            self.read_module(name, range);
            self.bind(name, Value::immutable());
        } else {
            self.touch(Resource::UnseededRng(generator), true, range);
        }
    }

    pub fn seed(&mut self, generator: &'static str) {
        self.frame().effects.seeds.insert(generator);
        if self.in_module() {
            let name = self.name(&format!("rng:{generator}"));
            self.bind(name, Value::immutable());
        }
    }
}

impl Binding {
    pub fn local(value: Value, statement: StatementId) -> Binding {
        Binding {
            value,
            cell: usize::MAX,
            statement,
            outer: false,
            maybe_unbound: false,
            deleted: false,
            replay: false,
            version: None,
        }
    }
}

/// The binding that is one or the other; `None` stands for "no binding".
fn join_bindings(a: Option<Binding>, b: Option<Binding>, cell: CellId) -> Option<Binding> {
    match (a, b) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(Binding { maybe_unbound: true, replay: false, ..one }),
        (Some(a), Some(b)) => {
            let outside = |binding: &Binding| binding.outer || binding.version.is_some();
            let unchanged = a.version.is_some() && a.version == b.version && a.statement == b.statement;
            if unchanged {
                return Some(a);
            }
            let deleted = a.deleted && b.deleted;
            let value = match (a.deleted, b.deleted) {
                (true, false) => b.value.clone(),
                (false, true) => a.value.clone(),
                _ => a.value.clone().join(&b.value),
            };
            Some(Binding {
                value,
                cell: if a.cell == usize::MAX { a.cell } else { cell },
                statement: a.statement.max(b.statement),
                outer: outside(&a) || outside(&b),
                maybe_unbound: a.maybe_unbound || b.maybe_unbound || a.deleted != b.deleted,
                deleted,
                replay: false,
                version: None,
            })
        }
    }
}

/// Whether an assignment's value cannot fail or take long for reasons of its own: no element of something is taken.
fn is_simple(statement: &Stmt) -> bool {
    fn simple(expr: &Expr) -> bool {
        match expr {
            Expr::Subscript(_) | Expr::Await(_) | Expr::IpyEscapeCommand(_) => false,
            Expr::BinOp(op) => simple(&op.left) && simple(&op.right),
            Expr::UnaryOp(op) => simple(&op.operand),
            Expr::Tuple(tuple) => tuple.elts.iter().all(simple),
            Expr::Call(call) => call.arguments.args.iter().all(simple),
            _ => true,
        }
    }
    match statement {
        Stmt::Assign(assign) => simple(&assign.value),
        Stmt::AnnAssign(assign) => assign.value.as_deref().is_none_or(simple),
        _ => true,
    }
}

/// IPython's history variables.
fn is_history(name: &str) -> bool {
    matches!(name, "_" | "__" | "___" | "_i" | "_ii" | "_iii" | "In" | "Out" | "_ih" | "_oh" | "_dh")
        || name
            .strip_prefix("_i")
            .or_else(|| name.strip_prefix('_'))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The statement that binds the value of `name` in a version.
fn defining_statement(facts: &Facts, name: Name, mut id: VersionId) -> Option<StatementId> {
    loop {
        let version = facts.version(id);
        match version.bound.get(&name) {
            Some(bound) => return Some(bound.statement),
            None => id = *version.parents.get(&name)?,
        }
    }
}

/// Whether the value of `name` in a version can be made again by executing its statement.
pub fn replays(facts: &Facts, name: Name, id: VersionId) -> bool {
    let version = facts.version(id);
    if version.mutated.contains(&name) {
        return false;
    }
    match version.bound.get(&name) {
        Some(bound) => bound.replay,
        None => version.parents.get(&name).is_some_and(|&parent| replays(facts, name, parent)),
    }
}
