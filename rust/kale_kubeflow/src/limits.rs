//! What a server of Kubeflow Pipelines would refuse, told before anything is sent.

use crate::error::KubeflowError;

/// An upload is refused beyond this.
const LARGEST_PACKAGE: usize = 32 << 20;

/// The longest names, in bytes.
const PIPELINE: usize = 128;
const VERSION: usize = 127;
const EXPERIMENT: usize = 128;
const RUN: usize = 255;
const NAMESPACE: usize = 63;

/// How many runs of a schedule may go on at one time.
const CONCURRENCY: std::ops::RangeInclusive<u32> = 1..=10;

pub fn pipeline_name(name: &str) -> Result<(), KubeflowError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() <= PIPELINE && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        return Ok(());
    }
    let message = format!("`{}` cannot be the name of a pipeline", name.escape_debug());
    Err(KubeflowError::usage(message, format!("use lower-case letters, digits and `-`, at most {PIPELINE}")))
}

pub fn version_name(name: &str) -> Result<(), KubeflowError> {
    text("a version", name, VERSION)
}

pub fn experiment_name(name: &str) -> Result<(), KubeflowError> {
    text("an experiment", name, EXPERIMENT)
}

pub fn run_name(name: &str) -> Result<(), KubeflowError> {
    text("a run", name, RUN)
}

pub fn namespace(name: &str) -> Result<(), KubeflowError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.len() <= NAMESPACE && name.starts_with(ends) && name.ends_with(ends) && name.chars().all(plain) {
        return Ok(());
    }
    let message = format!("`{}` cannot be a namespace of Kubernetes", name.escape_debug());
    Err(KubeflowError::usage(
        message,
        format!("use lower-case letters, digits and `-` between them, at most {NAMESPACE}"),
    ))
}

pub fn package(ir: &str) -> Result<(), KubeflowError> {
    if ir.len() <= LARGEST_PACKAGE {
        return Ok(());
    }
    let message = format!("the pipeline has {} bytes, and servers take {LARGEST_PACKAGE}", ir.len());
    Err(KubeflowError::usage(message, "keep large files out of the notebook's folder, or give their URI"))
}

/// What is said of a schedule beside its time; `concurrency` is how many of its runs may go on at the same time.
pub fn schedule(name: &str, concurrency: u32) -> Result<(), KubeflowError> {
    text("a schedule", name, RUN)?;
    at_one_time(concurrency)
}

fn at_one_time(runs: u32) -> Result<(), KubeflowError> {
    if CONCURRENCY.contains(&runs) {
        return Ok(());
    }
    let (least, most) = (CONCURRENCY.start(), CONCURRENCY.end());
    let message = format!("{runs} runs of one schedule cannot go on at the same time");
    Err(KubeflowError::usage(message, format!("give a number from {least} to {most}")))
}

fn text(what: &str, name: &str, longest: usize) -> Result<(), KubeflowError> {
    if !name.trim().is_empty() && name.len() <= longest && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    let message = format!("`{}` cannot be the name of {what}", shown.escape_debug());
    Err(KubeflowError::usage(message, format!("use a text of one line, at most {longest} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_the_server_does() {
        assert!(pipeline_name("churn-2").is_ok() && pipeline_name(&"a".repeat(128)).is_ok());
        assert!(["", "-a", "A", "a_b", &"a".repeat(129)].iter().all(|name| pipeline_name(name).is_err()));
        assert!(version_name(&"a".repeat(127)).is_ok() && version_name(&"a".repeat(128)).is_err());
        assert!(experiment_name(&"a".repeat(128)).is_ok() && experiment_name(&"a".repeat(129)).is_err());
        assert!(namespace("team-1").is_ok() && namespace(&"a".repeat(63)).is_ok());
        assert!(["", "Team", "-a", "a-", "a.b", &"a".repeat(64)].iter().all(|name| namespace(name).is_err()));
        assert!(run_name(" ").is_err() && run_name("a\nb").is_err() && run_name("churn, again").is_ok());
        assert!(schedule("daily", 1).is_ok() && schedule("daily", 10).is_ok());
        assert!(schedule("daily", 0).is_err() && schedule("daily", 11).is_err() && schedule("a\nb", 1).is_err());
        assert!(package(&" ".repeat(LARGEST_PACKAGE + 1)).is_err());
    }
}
