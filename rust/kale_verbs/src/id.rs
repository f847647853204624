//! `kale://` ids: one way to name a run, a step, an artifact or a snapshot, which every verb about the past takes.
//!
//! ```text
//! kale://run/20261120-094815-3f9a                   a run; its id alone, the start of that, `last` and `best` name one too
//! kale://run/20261120-094815-3f9a/step/train        a step
//! kale://run/20261120-094815-3f9a/snapshot/train    the variables that the step left
//! kale://artifact/3f9a...e1                         a stored value, by its digest (or the start of it)
//! ```

use kale_model::RunId;
use kale_store::Digest;

const SCHEME: &str = "kale://";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    Run(String),
    Step(String, String),
    Snapshot(String, String),
    Artifact(String),
}

impl Id {
    /// What is no `kale://` id names a run.
    pub fn parse(text: &str) -> Option<Id> {
        let Some(path) = text.strip_prefix(SCHEME) else { return Some(Id::Run(text.to_owned())) };
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["run", run] => Some(Id::Run(run.to_owned())),
            ["run", run, "step", step] => Some(Id::Step(run.to_owned(), step.to_owned())),
            ["run", run, "snapshot", step] => Some(Id::Snapshot(run.to_owned(), step.to_owned())),
            ["artifact", digest] => Some(Id::Artifact(digest.to_owned())),
            _ => None,
        }
    }

    /// The run that it is of, and the step.
    pub fn run_and_step(self) -> Option<(String, Option<String>)> {
        match self {
            Id::Run(run) => Some((run, None)),
            Id::Step(run, step) | Id::Snapshot(run, step) => Some((run, Some(step))),
            Id::Artifact(_) => None,
        }
    }
}

pub fn run(run: &RunId) -> String {
    format!("{SCHEME}run/{run}")
}

pub fn step(run: &RunId, step: &str) -> String {
    format!("{SCHEME}run/{run}/step/{step}")
}

pub fn snapshot(run: &RunId, step: &str) -> String {
    format!("{SCHEME}run/{run}/snapshot/{step}")
}

pub fn artifact(content: &Digest) -> String {
    format!("{SCHEME}artifact/{content}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let of = RunId("r-1".to_owned());
        let content = Digest::of(b"x");
        assert_eq!(Id::parse(&run(&of)), Some(Id::Run("r-1".to_owned())));
        assert_eq!(Id::parse(&step(&of, "s")), Some(Id::Step("r-1".to_owned(), "s".to_owned())));
        assert_eq!(Id::parse(&snapshot(&of, "s")), Some(Id::Snapshot("r-1".to_owned(), "s".to_owned())));
        assert_eq!(Id::parse(&artifact(&content)), Some(Id::Artifact(content.to_string())));
        assert_eq!(Id::parse("last"), Some(Id::Run("last".to_owned())));
        assert_eq!(Id::parse("kale://moon/1"), None);
    }
}
