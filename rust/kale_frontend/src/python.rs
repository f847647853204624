//! The Python side of the frontend: syntax, scopes, effects.

pub mod parse;
