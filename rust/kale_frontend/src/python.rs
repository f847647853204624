//! The Python side of the frontend: syntax, scopes, effects.

pub mod analyzer;
mod arguments;
mod branches;
mod calls;
mod definitions;
mod effects;
mod escapes;
mod expressions;
pub mod facts;
mod files;
mod heap;
pub mod knowledge;
mod library;
pub mod names;
mod objects;
pub mod parse;
mod replay;
mod results;
pub mod scope;
mod statements;
mod summary;
mod value;
mod variables;
mod versions;
