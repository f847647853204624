//! What can be found wanting before anything starts.

use std::path::Path;

use kale_model::{Code, Diagnostic, Pipeline, Step};

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

/// Steps that ask for a GPU, where there is none. They run: many a library then takes the processor.
pub(crate) fn missing_gpu(pipeline: &Pipeline) -> Option<Diagnostic> {
    let asks = |step: &&Step| step.config.resources.accelerator().is_some();
    let steps: Vec<String> = pipeline.steps.iter().filter(asks).map(|step| format!("`{}`", step.name)).collect();
    (!steps.is_empty() && !has_gpu(Path::new("/dev"))).then(|| {
        Diagnostic::new(
            Code::NoGpu,
            format!(
                "A GPU is asked for by {}, and this machine shows none: the run goes on without.",
                steps.join(", ")
            ),
            "See that the GPU's driver is loaded, or run the pipeline where there is one.",
        )
    })
}

/// By the devices that drivers make: NVIDIA's, AMD's, and that of Windows below WSL. A Mac has its GPU on board.
fn has_gpu(devices: &Path) -> bool {
    cfg!(target_os = "macos") || ["nvidiactl", "kfd", "dxg"].iter().any(|name| devices.join(name).exists())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_known_by_the_device_of_its_driver() {
        let devices = tempfile::tempdir().unwrap();
        assert_eq!(has_gpu(devices.path()), cfg!(target_os = "macos"));
        std::fs::write(devices.path().join("nvidiactl"), "").unwrap();
        assert!(has_gpu(devices.path()));
    }
}
