//! What can be found wanting before anything starts.

use kale_model::{Code, Diagnostic, Pipeline};

/// Errors that would make a run pointless: secrets whose environment variable is not set.
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
