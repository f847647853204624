//! The Python side of the frontend: an abstract interpretation of the notebook, from top to bottom.
//!
//! [`parse`] gives syntax trees, [`scope`] what every name in them means. [`analyzer`] walks over cells and statements
//! (begin there: its comment says how); `statements`, `expressions`, `operators`, `definitions` and `calls` execute
//! them on abstract values (`value`), whose objects live in alias classes (`heap`). Functions of the notebook become
//! summaries (`summary`), libraries are what the [`knowledge`] base says, and star imports bind what [`exports`] reads
//! in sources. What comes out are [`facts`]: which versions of which names every cell uses and makes.

pub mod analyzer;
mod arguments;
mod assignments;
mod attributes;
mod axes;
pub mod beside;
mod branches;
mod caches;
mod calls;
mod class_hooks;
mod classes;
mod dead_targets;
mod definitions;
mod displays;
mod effects;
mod escapes;
pub mod exports;
mod expressions;
pub mod facts;
mod files;
mod fixpoint;
mod heap;
mod holding;
mod identity;
mod import_statements;
pub mod imports;
mod inheritance;
pub mod knowledge;
mod library;
mod methods;
pub mod module_state;
pub mod names;
mod nesting;
mod objects;
mod operators;
mod outcomes;
mod owned;
pub mod parse;
mod pragmas;
pub mod pseudo;
mod replay;
mod results;
pub mod scope;
mod statements;
mod summary;
mod types;
mod value;
mod variables;
mod versions;
mod whereabouts;
