//! What the analysis of a notebook finds out: per cell, which versions of which names it uses and makes.
//!
//! The notebook is read as one run from top to bottom. Each time a cell binds a name, or changes or links an alias
//! group, the names concerned get a new *version* made by that cell. A use names the version that reaches it. So only
//! true dependencies are left: two cells that bind one name to unrelated values do not depend on each other.

use std::collections::{BTreeMap, BTreeSet};

use ruff_text_size::TextRange;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::heap::{ObjectId, Unshippable};
use super::names::{Name, NameMap, NameSet, Names};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub usize);

/// A top-level statement, numbered through the notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(pub usize);

/// Index into [`Facts::cells`] (code cells that are analysed, in notebook order; not the notebook's cell index).
pub type CellId = usize;

#[derive(Default)]
pub struct Facts {
    pub cells: Vec<CellFacts>,
    pub statements: Vec<StatementFacts>,
    pub versions: Vec<Version>,
    /// By name, the versions that bind or delete it, and all versions that make it: these, and those that change its
    /// object. Where many cells join or change a group, what made a name is long past.
    pub binders: FxHashMap<Name, SmallVec<[VersionId; 2]>>,
    pub makers: FxHashMap<Name, SmallVec<[VersionId; 2]>>,
    pub names: Names,
    /// Those names of pragmas that are in the notebook: of `pure`, that some call fits.
    pub heard: BTreeSet<String>,
    /// How often the body of a function was evaluated: most of the work that there was.
    pub evaluated: usize,
}

#[derive(Default)]
pub struct CellFacts {
    /// Names read, or passed through by a binding that may not happen, with the version that reaches the cell.
    pub uses: Vec<Use>,
    /// Versions that the cell makes.
    pub versions: Vec<VersionId>,
    pub statements: Vec<StatementId>,
    pub resources: Vec<ResourceUse>,
    /// Names that nothing before the cell binds, with the place of the first read.
    pub undefined: Vec<(Name, TextRange)>,
    /// Modules that the cell star-imports and that cannot be read.
    pub unreadable_stars: Vec<(String, TextRange)>,
    /// Names read after `del`.
    pub deleted: Vec<(Name, TextRange)>,
    /// Code that cannot be seen into (`exec`, `eval`, `globals()`), and what it is.
    pub dynamic: Vec<(String, TextRange)>,
    pub history: Vec<(String, TextRange)>,
    pub interactive: Vec<TextRange>,
    /// Files whose path is not known before the run.
    pub unknown_paths: Vec<TextRange>,
    /// Modules (and what is taken from them, as it may be one) that the cell imports itself, directly or inside its functions' bodies.
    pub imports: BTreeSet<String>,
    /// Metrics reported by `kale_rs.metric("name", ...)`, when the name is a literal.
    pub reported_metrics: Vec<String>,
    /// Environment variables read by a literal name.
    pub environment_variables: BTreeSet<String>,
    /// It runs loops, functions of the notebook, or libraries, so a process of its own may pay.
    pub expensive: bool,
    /// Library modules whose functions it may call or whose objects it touches.
    pub libraries: NameSet,
    /// It makes calls that cannot be seen into, which may use any library.
    pub unknown_calls: bool,
    /// It makes views or copies of arrays by how these lie in memory.
    pub layout: bool,
    /// Alias classes whose objects it could tell from copies that share nothing: it changes, joins or binds some, or
    /// compares them with each other.
    pub handled: Vec<ObjectId>,
    /// It calls functions that compare objects, of any class.
    pub compares: bool,
    /// Its last line may show a value.
    pub displays: bool,
    /// Everything before it runs before it, everything after it runs after it.
    pub barrier: bool,
    /// The resources that it uses concern no other cell.
    pub independent: bool,
    /// Modules whose process-wide settings it changes, `""` for the interpreter's own.
    pub settings: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub struct Use {
    pub name: Name,
    pub version: VersionId,
    pub range: TextRange,
}

#[derive(Clone, Debug)]
pub struct StatementFacts {
    pub cell: CellId,
    pub range: TextRange,
    pub reads: Vec<(Name, Source)>,
    pub binds: NameSet,
    pub replay: Replay,
    /// How many assignments executing it again takes, its own included.
    pub depth: usize,
    /// Whether it gives names to displays of constants: `sizes = {"font.size": 8}`.
    pub is_display: bool,
    /// Modules (and what is taken from them) that the statement imports, for the requirements of a step that replays it.
    pub imports: BTreeSet<String>,
}

/// Whether a statement may be executed again in the process of another step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    No,
    /// No effect at all: a docstring, `pass`, a bare constant.
    Nothing,
    /// Only binds names, to values that a second execution makes just as well.
    Definition,
    /// Sets process-wide state: repeated in every later step that it may concern.
    Configuration(Setting),
    /// Binds a run parameter.
    Parameter,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The modules concerned, `""` for the interpreter's own.
    pub modules: BTreeSet<String>,
    /// Names that it reads and that displays of constants have made, which are executed again for it.
    pub displays: BTreeMap<Name, StatementId>,
}

impl Replay {
    /// Whether executing the statement again makes what it binds.
    pub fn remakes(&self) -> bool {
        matches!(self, Replay::Definition | Replay::Parameter | Replay::Configuration(_))
    }

    pub fn setting(&self) -> Option<&Setting> {
        match self {
            Replay::Configuration(setting) => Some(setting),
            _ => None,
        }
    }
}

/// Where a statement finds a name that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Version(VersionId),
    /// An earlier statement of the same cell.
    Statement(StatementId),
}

/// One state of one alias group (or of one name that shares nothing).
#[derive(Clone, Debug)]
pub struct Version {
    pub cell: CellId,
    /// Names that the cell binds, with the statement when it may be replayed instead of shipping the value.
    pub bound: BTreeMap<Name, Bound>,
    /// Earlier versions of the names that the cell does not bind for certain.
    pub parents: NameMap<VersionId>,
    /// Names whose objects changed, with the first statement that did it: though the cell does not bind them, they must
    /// come from it.
    pub mutated: NameMap<StatementId>,
    /// More changed than elements of containers and attributes of objects: arrays, perhaps.
    pub rewritten: bool,
    /// Names that may be unbound.
    pub optional: NameSet,
    /// The alias class that it is a state of, where that holds nothing but values: copies of its objects only differ from
    /// them in what they share.
    pub alias_class: Option<ObjectId>,
    pub view: bool,
    pub unshippable: Option<Unshippable>,
    /// Names of the group that do not lead to what cannot travel: what threads have filled, which have ended.
    pub free: NameSet,
    /// Definitions that unpickling needs.
    pub needs: BTreeMap<Name, VersionId>,
    /// Holds functions or classes that exist under no name of the module, so `pickle` cannot write it, or that are part
    /// of the alias group themselves, so that they travel with it.
    pub by_value: bool,
    /// First place where the cell binds or changes it.
    pub range: TextRange,
}

#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub statement: StatementId,
    pub replay: bool,
    /// It is one or several functions or classes without a state: made again, they are as good as they were.
    pub stateless: bool,
    pub kind: Kind,
    /// No value of another type has a view of its buffers.
    pub own_buffers: bool,
    /// It is of a built-in type, and holds what may share a buffer with something else.
    pub holds_buffers: bool,
    /// What has travelled must not be changed: it would not go on as the original does.
    pub only_unchanged: bool,
}

/// What is known of a value's type, as far as transport and display care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Immutable,
    Callable,
    Instance(Name),
    /// An instance of this type, which cannot travel between processes.
    Unshippable(Name),
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceUse {
    pub resource: Resource,
    pub write: bool,
    pub range: TextRange,
}

/// Hidden state that orders cells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A file or directory by its path, relative to the notebook's directory; parameters appear as `{name}`.
    File(String),
    /// Files that we cannot name.
    AnyFile,
    Network,
    Database,
    Subprocess,
    Clock,
    Entropy,
    /// A global generator used before any seed: `random`, `numpy`, `torch`.
    UnseededRng(&'static str),
    /// State of the process that a later step cannot be given again.
    Process(String),
}

impl Facts {
    /// Whether the cell may see a setting of the library `module`; of the interpreter itself when it is empty.
    pub fn may_use(&self, cell: CellId, module: &str) -> bool {
        let cell = &self.cells[cell];
        let touches = || self.names.get(module).is_some_and(|name| cell.libraries.contains(&name));
        module.is_empty() || cell.unknown_calls || touches() || cell.imports.contains(module)
    }

    pub fn version(&self, id: VersionId) -> &Version {
        &self.versions[id.0]
    }

    /// Whether the cell could not tell values of the version from copies that share nothing with each other.
    pub fn only_looks(&self, cell: CellId, id: VersionId) -> bool {
        let (cell, class) = (&self.cells[cell], self.version(id).alias_class);
        class.is_some_and(|class| !cell.handled.contains(&class)) && !cell.compares && cell.dynamic.is_empty()
    }

    /// How `name` was bound to the value that it has in a version.
    pub fn bound(&self, name: Name, id: VersionId) -> Option<Bound> {
        self.version(latest(self.binders.get(&name)?, id)?).bound.get(&name).copied()
    }

    /// The version in which a name of this version last got its object or its state, or was deleted.
    pub fn maker(&self, name: Name, id: VersionId) -> Option<VersionId> {
        latest(self.makers.get(&name)?, id)
    }

    /// The statement that has made the value of a name in a version, if it is a display that nothing has changed since,
    /// and that is not made again in its own right.
    pub fn display_behind(&self, name: Name, id: VersionId) -> Option<StatementId> {
        let version = self.version(self.maker(name, id)?);
        let bound = version.bound.get(&name).filter(|bound| !bound.replay && !version.mutated.contains_key(&name))?;
        self.statement(bound.statement).is_display.then_some(bound.statement)
    }

    pub fn statement(&self, id: StatementId) -> &StatementFacts {
        &self.statements[id.0]
    }

    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }
}

/// The last of these versions that is not behind `id`. Of a name, every cell makes one version at most.
fn latest(versions: &[VersionId], id: VersionId) -> Option<VersionId> {
    let behind = versions.partition_point(|&version| version <= id);
    Some(versions[behind.checked_sub(1)?])
}
