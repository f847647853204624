//! The extension module `kale_rs._native`: the verbs as functions from a JSON request to a JSON answer.
//!
//! Nothing is decided here. Requests and answers are those of `kale_verbs`; `python/kale_rs/_native.pyi` has the
//! types, and `python/kale_rs/api.py` the functions that people call.

mod error;
mod listener;
mod session;
mod verbs;

use pyo3::prelude::*;

/// A compilation makes and drops some hundred thousand small objects; the allocator of the C library takes a third of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::verbs::{
        archive, artifact, cancel, check, check_service, cli_verbs, compile, context, diff, doctor, explain,
        explain_overlay, gc, graph, lineage, logs, main, predict, render_graph, restore, resume, run, runs, schedule,
        serve, services, show, snapshot, sweep, sweeps, unarchive,
    };

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
