//! What can be found wanting before anything starts.

use std::path::Path;

use kale_model::{Code, Diagnostic, Pipeline};

/// Errors that would make a run pointless: secrets whose environment variable is not set.
///
/// `kale-rs run` may ask before it records a run; the engine asks again, since a run may be resumed elsewhere.
pub fn preflight(pipeline: &Pipeline) -> Vec<Diagnostic> {
    let set = |name: &str| std::env::var_os(name).is_some();
    let mut missing = vec![];
    for step in &pipeline.steps {
        for secret in step.config.secrets.iter().filter(|secret| !set(&secret.variable)) {
            missing.push(Diagnostic::new(
                Code::MissingSecret,
                format!(
                    "Step `{}` needs the secret `{}`, and the environment variable `{}` is not set.",
                    step.name, secret.secret, secret.variable
                ),
                format!("Set `{}` in the environment that `kale-rs run` is started from.", secret.variable),
            ));
        }
    }
    missing
}

/// Whether the folder that the steps work in is still there: a run may be resumed long after it was recorded.
pub(crate) fn missing_directory(directory: &Path) -> Option<Diagnostic> {
    let diagnostic = || {
        Diagnostic::new(
            Code::StepNotStarted,
            format!(
                "The notebook's folder `{}` is not there (any more), and the steps work in it.",
                directory.display()
            ),
            "Put the folder back, or run the notebook anew where it is now.",
        )
    };
    (!directory.is_dir()).then(diagnostic)
}
