//! The Python side of the frontend: syntax, scopes, effects.

pub mod analyzer;
mod calls;
mod definitions;
mod effects;
mod expressions;
pub mod facts;
mod heap;
pub mod knowledge;
mod library;
pub mod names;
pub mod parse;
pub mod scope;
mod statements;
mod summary;
mod value;
