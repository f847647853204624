//! A module of the runtime in the notebook's Python: `python .../kale_runtime --MODULE`, to be talked to by its standard
//! streams.

use std::path::Path;
use std::process::{Command, Stdio};

pub fn runtime_module(python: &Path, runtime: &Path, module: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(runtime).arg(format!("--{module}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
