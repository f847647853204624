//! Pseudo-variables: hidden state that the analysis follows as if a variable of the notebook held it.
//!
//! ```text
//!   rng:numpy         the state of a global random generator
//!   module:helpers    what a module beside the notebook keeps
//! ```
//!
//! No variable of Python has a colon in its name, so the two kinds of names never meet.

const GENERATOR: &str = "rng:";
const MODULE: &str = "module:";

/// The pseudo-variable of a generator's state.
pub fn of_rng(generator: &str) -> String {
    format!("{GENERATOR}{generator}")
}

/// The generator whose state it is.
pub fn generator(name: &str) -> Option<&str> {
    name.strip_prefix(GENERATOR)
}

/// The pseudo-variable of a module's state.
pub fn of_module(module: &str) -> String {
    format!("{MODULE}{module}")
}

/// The module whose state it is.
pub fn module(name: &str) -> Option<&str> {
    name.strip_prefix(MODULE)
}

/// Whether it is a variable of the notebook itself.
pub fn is_variable(name: &str) -> bool {
    !name.contains(':')
}
