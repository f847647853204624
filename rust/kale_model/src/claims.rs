//! What the compiler promises about a step, as plain data, so that a run can be held against it.
//!
//! Dataflow analysis has to decide what cannot be decided: whether a C function changes its argument, whether two names
//! share an object, which files a call touches. Where it does not know it assumes the worst; where it believes to know,
//! its belief is one of these claims. All of them are upper bounds: a cell may do less than is claimed, and a cell that
//! does more shows a fault of the analysis or of the knowledge base. The local runner looks (`kale_runtime/verify.py`).
//!
//! Claims are no part of [`crate::StepPlan`]: they do not change what a step does, so they enter neither fingerprints
//! nor emitted pipelines.

use serde::{Deserialize, Serialize};

use crate::cell::CellIndex;
use crate::step::FileUse;

/// Claims about the cells of a step, in notebook order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims {
    pub cells: Vec<CellClaims>,
}

/// What one cell does at most. Names and paths are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellClaims {
    pub cell: CellIndex,
    /// It has code that cannot be seen into, so nothing is claimed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unseen: bool,
    /// The user says that what it uses of the world concerns no other cell.
    #[serde(default, skip_serializing_if = "is_false")]
    pub independent: bool,
    /// Variables of earlier cells that it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Variables that it binds or deletes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<String>,
    /// Those of them that executing definitions again binds just as well: they are never stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remade: Vec<String>,
    /// Variables whose objects it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Variables that may be unbound after it, though a value of theirs is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    /// Variables that may share mutable objects after it: alias groups that the cell made or enlarged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Vec<String>>,
    /// Files by path; parameters appear as `{name}`.
    #[serde(default, skip_serializing_if = "is_no_file")]
    pub files: FileUse,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ClaimedResource>,
    /// Global random generators that it draws from or seeds: `random`, `numpy`, `torch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generators: Vec<String>,
    /// Those of the other generators whose draws are repeatable here, because the notebook has seeded them before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeded: Vec<String>,
    /// Modules whose process-wide settings it changes; `""` is the interpreter itself (working directory, environment).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
}

/// What a cell may reach beyond files that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimedResource {
    ReadsAnyFile,
    WritesAnyFile,
    Network,
    Database,
    Subprocess,
}

impl CellClaims {
    /// Claims that the cell does nothing.
    pub fn nothing(cell: CellIndex) -> CellClaims {
        CellClaims {
            cell,
            unseen: false,
            independent: false,
            reads: vec![],
            binds: vec![],
            remade: vec![],
            changes: vec![],
            optional: vec![],
            groups: vec![],
            files: FileUse::default(),
            resources: vec![],
            generators: vec![],
            seeded: vec![],
            settings: vec![],
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_false(value: &bool) -> bool {
    !value
}

fn is_no_file(files: &FileUse) -> bool {
    files.reads.is_empty() && files.writes.is_empty()
}
