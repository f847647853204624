//! Events of OpenLineage: what runs, what it is made of, what it reads and writes, for catalogues that collect such from
//! many tools (<https://openlineage.io>).
//!
//! A run of a pipeline is one job, each of its steps another with the first as its parent. Values that flow between
//! steps are datasets, and so are files. [`Reporter`] follows a run in its store, as a terminal does; the engine does not
//! know of it, and a server that does not answer costs a warning.

mod event;
mod reporter;
mod sink;

pub use reporter::Reporter;
pub use sink::Target;
