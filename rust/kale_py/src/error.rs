//! From errors of the verbs to exceptions of `kale_rs.errors`.

use kale_verbs::VerbError;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

pub fn exception(py: Python<'_>, error: &VerbError) -> PyErr {
    let class = match error {
        VerbError::Interrupted => return PyKeyboardInterrupt::new_err(()),
        VerbError::Usage { .. } => "UsageError",
        VerbError::File { .. } | VerbError::Remote { .. } => "FileError",
        VerbError::Store { .. } => "StoreError",
    };
    let built = py
        .import("kale_rs.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((error.to_string(), error.help())));
    built.map_or_else(|failure| failure, PyErr::from_value)
}
