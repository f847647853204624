//! The walk over a notebook's cells, and the state that it carries: where def-use analysis begins.
//!
//! The notebook is run once, from top to bottom, on *abstract values*: which type a value has, what it may share, which
//! code it may call ("abstract interpretation"). What comes out are the chains from what cells make to what cells use.
//!
//! - **Versions** are static single assignment (SSA) with cells for blocks: a cell that binds a name makes a new
//!   version of it, and a use means the version that reaches it. A binding that may not happen keeps its *parent*, as a
//!   phi does.
//! - **Alias groups** are what has versions: `b = a; b.append(1)` changes `a`. Objects that may share state are in one
//!   class ([`super::heap`], after Steensgaard); the names bound to one class change, are stored and are loaded
//!   together. Kishu calls such a set of names a co-variable.
//! - **Early and late binding.** Defaults, decorators and bodies of classes are evaluated where they stand. The body of
//!   a function is evaluated where it is *called*, and means the versions that reach the call. So a call uses what the
//!   body reads, though its own line does not name it, and a definition uses none of it.
//! - **Summaries** do this once per shape of the arguments: the body is evaluated in a [`Frame`] of its own, whose
//!   outside objects are [`Place`]s, and what happens to these is applied at every call ([`super::summary`]).
//! - **Choices and loops.** The branches of a choice start from one state and are joined; a loop is gone through until a
//!   round learns nothing new: two rounds mostly, five at most, the last of them with all types given up.
//! - **Replay.** What only binds names, to values that a second execution makes just as well (imports, functions,
//!   constants), is executed again where it is needed and never travels, unless it is changed ([`super::replay`]).
//!
//! Liveness comes after it, from the last cell to the first: a version that nobody asks for is not stored
//! ([`crate::dataflow::demand`]). In all this, what is not known counts as a use, a change, or shared.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use kale_model::Environment;
use ruff_python_ast::{ModModule, Parameters, Stmt, StmtClassDef};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxHashMap, FxHashSet};

use super::caches::{Noticed, noticed};
use super::calls::Invocation;
use super::dead_targets::{DeadTargets, dead_targets};
use super::effects::{Assumed, Changed, Effects, Summary};
use super::facts::{
    CellFacts, CellId, Facts, Replay, Resource, ResourceUse, Source, StatementFacts, StatementId, VersionId,
};
use super::fixpoint::Recursion;
use super::heap::{AliasClass, Heap, ObjectId, Place};
use super::knowledge::Knowledge;
use super::methods::MethodKinds;
use super::names::{Name, NameSet};
use super::owned::owned_attributes;
use super::pragmas::pure_callee;
use super::replay::{MAX_REPLAYED, is_display};
use super::scope::{ScopeKind, ScopeRef, SymbolTable};
use super::summary::SummaryKey;
use super::types::{Held, Types};
use super::value::{CodeId, Codes, Type, Value};
use super::whereabouts::Whereabouts;
use crate::pragma::Pragma;

/// A function, lambda, generator expression or class of the notebook.
pub struct Definition<'a> {
    pub kind: DefinitionKind<'a>,
    /// The module variable that a module-level `def` or `class` statement binds.
    pub name: Option<Name>,
    /// The class around it: names such as `__x` mean `_Class__x`.
    pub class_name: Option<String>,
    /// What its decorators suspend while it runs, as [`Frame::suspended`].
    pub suspends: Vec<&'static FxHashMap<String, String>>,
    /// A decorator keeps what it has returned, for the next call.
    pub caches: bool,
    /// Of a method that stands for several functions: which ones.
    pub alternatives: Vec<CodeId>,
    /// The class has not these functions but what a decorator or a call has made of them: it may call them, or do
    /// anything else.
    pub is_wrapped: bool,
    /// Of a class: making it runs code of the notebook, or a metaclass of the notebook says what it does.
    pub is_announced: bool,
    /// Of a generator expression in a function: what it iterates over first, which the code around it evaluates.
    pub iterated: Option<Iterated>,
}

impl<'a> Definition<'a> {
    pub fn new(kind: DefinitionKind<'a>, class_name: Option<String>) -> Definition<'a> {
        Definition {
            kind,
            name: None,
            class_name,
            suspends: vec![],
            caches: false,
            alternatives: vec![],
            is_wrapped: false,
            is_announced: false,
            iterated: None,
        }
    }
}

/// The type of a value, and what that may be where it is not known.
#[derive(Clone, PartialEq)]
pub struct Iterated {
    pub ty: Type,
    pub among: Option<Rc<[Type]>>,
}

pub enum DefinitionKind<'a> {
    Function(Function<'a>),
    Class {
        methods: BTreeMap<String, CodeId>,
        bases: Vec<Type>,
        /// A class of the notebook, of which it is an instance.
        metaclass: Option<CodeId>,
        statement: Option<&'a StmtClassDef>,
        /// What its attributes hold; `None` for anything.
        holds: Option<Vec<Held>>,
        /// Of named tuples that a call makes: the names of their elements, where they are known.
        record: Option<Vec<Name>>,
    },
}

#[derive(Clone, Copy)]
pub struct Function<'a> {
    pub parameters: Option<&'a Parameters>,
    pub body: Body<'a>,
    pub scope: ScopeRef<'a>,
    pub has_mutable_defaults: bool,
    pub is_generator: bool,
}

#[derive(Clone, Copy)]
pub enum Body<'a> {
    Statements(&'a [Stmt]),
    Expression(&'a ruff_python_ast::Expr),
    Generator(&'a ruff_python_ast::ExprGenerator),
}

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

/// What the code of one branch bound.
pub type Layer = FxHashMap<Name, Binding>;

/// A scope inside a frame: a comprehension's targets, a class body's names, type parameters.
pub struct Inner<'a> {
    pub scope: ScopeRef<'a>,
    /// Functions inside do not see its names, and a name that is not bound yet means the module's.
    pub is_class: bool,
    pub names: FxHashMap<Name, Value>,
    /// Of a class body: names that may not be bound.
    pub optional: NameSet,
    /// How many layers the frame had where it begins: with more of them, a branch is being executed.
    pub layers: usize,
}

impl<'a> Inner<'a> {
    pub fn new(scope: ScopeRef<'a>) -> Inner<'a> {
        let is_class = scope.scope().kind == ScopeKind::Class;
        Inner { scope, is_class, names: FxHashMap::default(), optional: NameSet::default(), layers: usize::MAX }
    }

    /// One whose code has statements, and so branches.
    pub fn block(scope: ScopeRef<'a>, layers: usize) -> Inner<'a> {
        Inner { is_class: true, layers, ..Inner::new(scope) }
    }
}

pub struct Frame<'a> {
    pub heap: Heap,
    /// Branches being executed: the last layer holds what the innermost branch bound.
    pub layers: Vec<Layer>,
    pub inner: Vec<Inner<'a>>,
    /// How many blocks around what is being executed may be left in the middle.
    pub interruptible: usize,
    /// What names were bound to in these blocks before they were bound anew.
    pub overwritten: Vec<(Name, Binding)>,
    /// Of the function; in the module's frame, of the cell.
    pub scope: ScopeRef<'a>,
    pub places: FxHashMap<Place, ObjectId>,
    /// The types of the objects of places when they were first met.
    pub met: FxHashMap<Place, Types>,
    /// Variables that functions inside share with the function.
    pub cells: FxHashMap<Name, ObjectId>,
    pub effects: Effects,
    pub returned: Option<Value>,
    /// Exceptions raised so far, outside of what handlers have caught.
    pub raised: Option<Value>,
    /// Outside objects that were changed, or of which a part was.
    pub mutated: BTreeMap<Place, Changed>,
    /// Outside functions and classes that got a state.
    pub stateful: BTreeSet<Place>,
    /// What has been run by calls that cannot be seen into.
    pub invoked: BTreeMap<Invocation, Vec<Value>>,
    pub assumptions: Vec<(Name, Option<Assumed>)>,
    /// A call that a pragma declares to be pure is being carried out: changes of objects and hidden effects are left out.
    pub trusts: bool,
    /// The function that is being executed.
    pub code: Option<CodeId>,
    /// Its body may wait, while others go on: a generator, or asynchronous.
    pub suspends: bool,
    /// Code of the closure that is being executed.
    pub own_code: Codes,
    /// Types of what the closure holds.
    pub own_types: Types,
    /// Types of the parameters, of a function.
    pub parameters: Vec<Type>,
    /// The class around the code, for private names.
    pub class_name: Option<String>,
    /// Types that values do not have inside the contexts entered, each with the type they have instead.
    pub suspended: Vec<&'static FxHashMap<String, String>>,
}

impl<'a> Frame<'a> {
    pub fn new(scope: ScopeRef<'a>) -> Frame<'a> {
        Frame {
            heap: Heap::default(),
            layers: vec![Layer::default()],
            inner: vec![],
            interruptible: 0,
            overwritten: vec![],
            scope,
            places: FxHashMap::default(),
            met: FxHashMap::default(),
            cells: FxHashMap::default(),
            effects: Effects::default(),
            returned: None,
            raised: None,
            mutated: BTreeMap::new(),
            stateful: BTreeSet::new(),
            invoked: BTreeMap::new(),
            assumptions: vec![],
            trusts: false,
            code: None,
            suspends: false,
            own_code: Codes::new(),
            own_types: Types::default(),
            parameters: vec![],
            class_name: None,
            suspended: vec![],
        }
    }

    /// Binds a name in the innermost layer.
    pub fn put(&mut self, name: Name, binding: Binding) {
        if self.interruptible > 0
            && let Some(old) = self.lookup(name).filter(|old| old.version.is_none()).cloned()
        {
            self.overwritten.push((name, old));
        }
        self.layers.last_mut().expect("a frame has a layer").insert(name, binding);
    }

    pub fn lookup(&self, name: Name) -> Option<&Binding> {
        self.layers.iter().rev().find_map(|layer| layer.get(&name))
    }

    pub fn place(&mut self, place: Place) -> ObjectId {
        if let Some(&object) = self.places.get(&place) {
            return object;
        }
        self.place_of(place, &Types::default())
    }

    /// The object of a place which has these types, when it is met for the first time.
    pub fn place_of(&mut self, place: Place, types: &Types) -> ObjectId {
        if let Some(&object) = self.places.get(&place) {
            return object;
        }
        let object =
            self.heap.allocate(AliasClass { places: vec![place], types: types.clone(), ..AliasClass::default() });
        self.places.insert(place, object);
        self.met.insert(place, types.clone());
        object
    }
}

pub struct Analyzer<'a> {
    pub knowledge: &'static Knowledge,
    pub facts: Facts,
    pub definitions: Vec<Definition<'a>>,
    /// Functions, lambdas and generator expressions by their place in the syntax tree.
    pub code_ids: FxHashMap<usize, CodeId>,
    /// What stands for several functions, by these and by whether it wraps them.
    pub(super) choices: FxHashMap<(Vec<CodeId>, bool), CodeId>,
    /// By method, what has been found out by [`Self::method_kind`].
    pub(super) method_kinds: RefCell<FxHashMap<CodeId, MethodKinds>>,
    /// Classes by the place of their bodies: a function may make different ones.
    pub class_ids: FxHashMap<usize, Vec<CodeId>>,
    pub frames: Vec<Frame<'a>>,
    pub summaries: FxHashMap<SummaryKey, Rc<Summary>>,
    pub(super) recursion: Recursion,
    /// Loops around what is being executed.
    pub loops: usize,
    /// `finally` blocks around what is being executed, in the function itself.
    pub(super) finals: usize,
    pub cell: CellId,
    pub statement: StatementId,
    pub source: &'a str,
    /// Versions that reached the current cell, for each name it has touched.
    pub(super) entry: FxHashMap<Name, Option<VersionId>>,
    /// Names used by the current cell, with the first place.
    pub(super) uses: BTreeMap<Name, TextRange>,
    /// Names whose objects the current cell changed, with the first statement that did.
    pub(super) mutated: FxHashMap<Name, StatementId>,
    /// Those of which not only the elements or attributes changed, as far as is known.
    pub(super) rewritten: NameSet,
    pub(super) statement_reads: BTreeMap<Name, Source>,
    pub(super) statement_binds: NameSet,
    /// By module, how many statements that steps repeat change its settings.
    pub(super) repeated_settings: BTreeMap<String, usize>,
    pub(super) whereabouts: Whereabouts,
    /// Global generators of which a function that draws from them is held by something: a call may be one of it.
    pub(super) held_rngs: BTreeSet<&'static str>,
    /// What star imports bind, and what lies beside the notebook.
    pub environment: &'a Environment,
    /// Every word of the notebook's code: what a star import binds beyond them, nobody reads.
    pub words: BTreeSet<&'a str>,
    pub(super) noticed: Noticed<'a>,
    /// Some thread was started and not waited for.
    pub(super) has_running_threads: bool,
    /// Some class was asked for those that are based on it.
    pub(super) asks_subclasses: bool,
    /// Functions that have become parts of libraries.
    pub(super) library_patches: Vec<CodeId>,
    /// A class has got a method, or a generator a state: what calls do is no longer what it was.
    pub(super) summaries_are_old: bool,
    /// Callees that pragmas declare to be pure, as calls write them.
    pub pure: BTreeSet<&'a str>,
    pub(super) dead_targets: DeadTargets<'a>,
    /// Names of attributes to which nothing but their objects refers.
    pub(super) owned: FxHashSet<&'a str>,
    /// By version, an object of its alias class.
    pub(super) alias_classes: Vec<Option<ObjectId>>,
}

/// A code cell as the analysis reads it.
pub struct Unit<'a> {
    pub source: &'a str,
    pub module: &'a ModModule,
    pub table: &'a SymbolTable,
    /// Literals of these names are overridden by the run.
    pub parameters: &'a [String],
    /// Names that the cell's magic binds, and reads.
    pub binds: &'a [String],
    pub reads: &'a [String],
    /// What the body binds does not survive (`%%timeit`).
    pub scratch: bool,
    /// What the cell's magic does: `%%bash` and the like.
    pub resources: &'a [Resource],
    pub pragmas: &'a [(Pragma, TextRange)],
}

/// Analyses the notebook's code cells, in order.
pub fn analyze<'a>(units: &[Unit<'a>], knowledge: &'static Knowledge, environment: &'a Environment) -> Facts {
    let Some(first) = units.first() else { return Facts::default() };
    let mut analyzer = Analyzer::new(knowledge, environment, first.table);
    if !environment.exports.is_empty() {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        analyzer.words = units.iter().flat_map(|unit| unit.source.split(|c| !is_part(c))).collect();
        analyzer.words.extend(units.iter().flat_map(|unit| unit.reads).map(String::as_str));
    }
    analyzer.pure = units.iter().flat_map(|unit| unit.pragmas).filter_map(|(said, _)| pure_callee(said)).collect();
    analyzer.dead_targets = dead_targets(units);
    analyzer.owned = owned_attributes(units);
    analyzer.noticed = noticed(units);
    let statements = units.iter().map(|unit| unit.module.body.len()).sum();
    analyzer.facts.cells.reserve(units.len());
    analyzer.facts.statements.reserve(statements);
    analyzer.facts.versions.reserve(statements);
    for unit in units {
        analyzer.cell(unit);
    }
    analyzer.note_classes();
    analyzer.facts
}

impl<'a> Analyzer<'a> {
    fn new(knowledge: &'static Knowledge, environment: &'a Environment, table: &'a SymbolTable) -> Analyzer<'a> {
        Analyzer {
            knowledge,
            facts: Facts::default(),
            definitions: vec![],
            code_ids: FxHashMap::default(),
            choices: FxHashMap::default(),
            method_kinds: RefCell::default(),
            class_ids: FxHashMap::default(),
            frames: vec![Frame::new(ScopeRef::module(table))],
            summaries: FxHashMap::default(),
            recursion: Recursion::default(),
            loops: 0,
            finals: 0,
            cell: 0,
            statement: StatementId(0),
            source: "",
            entry: FxHashMap::default(),
            uses: BTreeMap::new(),
            mutated: FxHashMap::default(),
            rewritten: NameSet::default(),
            statement_reads: BTreeMap::new(),
            statement_binds: NameSet::default(),
            whereabouts: Whereabouts::default(),
            held_rngs: BTreeSet::new(),
            repeated_settings: BTreeMap::new(),
            environment,
            words: BTreeSet::new(),
            noticed: Noticed::default(),
            has_running_threads: false,
            asks_subclasses: false,
            library_patches: vec![],
            summaries_are_old: false,
            pure: BTreeSet::new(),
            dead_targets: DeadTargets::default(),
            owned: FxHashSet::default(),
            alias_classes: vec![],
        }
    }

    fn cell(&mut self, unit: &Unit<'a>) {
        self.cell = self.facts.cells.len();
        self.facts.cells.push(CellFacts::default());
        self.source = unit.source;
        self.frame().scope = ScopeRef::module(unit.table);
        if unit.scratch {
            self.scratch(unit);
        } else {
            for statement in &unit.module.body {
                self.top_level(statement, unit);
            }
            self.facts.cells[self.cell].displays = self.displays(unit);
        }
        if !unit.binds.is_empty() || !unit.resources.is_empty() || !unit.reads.is_empty() {
            self.magic(unit);
        }
        for (said, range) in unit.pragmas {
            self.pragma(said, *range);
        }
        self.end_cell();
    }

    /// Whether a notebook shows what the last line gives. (What is printed shows, too, but is no definition.)
    fn displays(&self, unit: &Unit<'a>) -> bool {
        match unit.module.body.last() {
            Some(Stmt::Expr(last)) => !unit.source.trim_end().ends_with(';') && !self.gives_none(&last.value),
            _ => false,
        }
    }

    /// A body that runs in a namespace of its own: it reads and changes objects, and binds nothing.
    fn scratch(&mut self, unit: &Unit<'a>) {
        self.begin_statement();
        let layers = self.frame().layers.len();
        self.frame().inner.push(Inner::block(ScopeRef::module(unit.table), layers));
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
            let object = self.frame().heap.allocate(AliasClass::default());
            self.bind(name, Value::object(Type::Unknown, object));
        }
        for resource in unit.resources {
            self.touch(resource.clone(), true, range);
            if let Resource::File(path) = resource {
                self.rewrite_module(path, range);
            }
        }
        self.frame().effects.calls = true;
        self.end_statement(range, None, &[]);
    }

    fn top_level(&mut self, statement: &'a Stmt, unit: &Unit<'a>) {
        self.begin_statement();
        self.execute(statement);
        if !matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_) | Stmt::Import(_) | Stmt::ImportFrom(_)) {
            self.call_library_patches(statement.range());
        }
        self.end_statement(statement.range(), Some(statement), unit.parameters);
    }

    pub(super) fn begin_statement(&mut self) {
        self.statement = StatementId(self.facts.statements.len());
        if std::mem::take(&mut self.summaries_are_old) {
            self.summaries.clear();
        }
        self.frame().effects = Effects::default();
        self.statement_reads.clear();
        self.statement_binds = NameSet::default();
    }

    pub(super) fn end_statement(&mut self, range: TextRange, statement: Option<&'a Stmt>, parameters: &[String]) {
        let mut effects = std::mem::take(&mut self.frame().effects);
        let binds = std::mem::take(&mut self.statement_binds);
        let mut reads = std::mem::take(&mut self.statement_reads);
        for &name in &binds {
            if let Some(Some(version)) = self.module_binding(name).filter(|b| b.outer).map(|_| self.entry[&name]) {
                reads.entry(name).or_insert(Source::Version(version));
            }
        }
        let replay = self.replay(statement, &effects, &reads, &binds, parameters);
        let depth = self.depth(statement, &reads);
        let replay = if depth > MAX_REPLAYED && replay == Replay::Definition { Replay::No } else { replay };
        let is_stateless = matches!(statement, Some(Stmt::FunctionDef(_) | Stmt::ClassDef(_)));
        let replayed = replay.remakes() && (is_stateless || matches!(replay, Replay::Definition | Replay::Parameter));
        for &name in &binds {
            let id = self.statement;
            if let Some(binding) = self.frames[0].layers[0].get_mut(&name) {
                binding.replay = replayed && binding.statement == id;
            }
        }
        if effects.mutates {
            self.forget_replays();
        }
        self.located(&mut effects, &reads, range);
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
        cell.unknown_calls |= effects.unknown_calls;
        cell.layout |= effects.layout;
        cell.compares |= effects.compares;
        cell.settings.extend(effects.settings.iter().cloned());
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
            is_display: statement.is_some_and(is_display),
            imports: effects.imports,
        });
    }

    pub fn name(&mut self, text: &str) -> Name {
        self.facts.names.intern(text)
    }

    /// The frame of what is evaluated now.
    pub(super) fn innermost(&self) -> &Frame<'a> {
        self.frames.last().expect("the module's frame is always there")
    }

    pub fn frame(&mut self) -> &mut Frame<'a> {
        self.frames.last_mut().expect("the module's frame is always there")
    }

    pub fn in_module(&self) -> bool {
        self.frames.len() == 1
    }

    pub fn module_binding(&self, name: Name) -> Option<&Binding> {
        self.frames[0].lookup(name).filter(|binding| !binding.deleted)
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
