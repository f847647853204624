//! Names as KFP's SDK writes them, so that our files and the SDK's agree on every task.

use std::collections::BTreeSet;

use kale_model::Pipeline;

/// The output of a step that reports metrics.
pub const METRICS_OUTPUT: &str = "kale_metrics";
/// The output of a step tagged `report:enabled`.
pub const REPORT_OUTPUT: &str = "kale_report";

/// Words that cannot name a Python argument.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

pub fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Lower case, every run of other characters one dash, none at the ends: the SDK's form of a task name.
pub fn kebab(text: &str) -> String {
    kale_model::name::slug(text, '-')
}

/// Hands out names that differ: the second `train` is `train-2`, as in the SDK.
#[derive(Default)]
pub struct Unique {
    taken: BTreeSet<String>,
    joint: &'static str,
}

impl Unique {
    pub fn joined_by(joint: &'static str) -> Unique {
        Unique { taken: BTreeSet::new(), joint }
    }

    pub fn reserve(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    pub fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    pub fn claim(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|n| format!("{wanted}{}{n}", self.joint));
        let free = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = free.expect("the numbers do not end");
        self.taken.insert(name.clone());
        name
    }
}

/// The pipeline with artifact keys that every target can use as the name of an input beside the parameters: KFP keeps
/// both in one namespace, a component's arguments. They begin with a letter, and neither a Python keyword nor a function
/// that the script's components call can be one.
pub fn portable(pipeline: &Pipeline) -> Pipeline {
    let mut pipeline = pipeline.clone();
    let mut names = Unique::joined_by("_");
    names.reserve(METRICS_OUTPUT);
    names.reserve(REPORT_OUTPUT);
    for parameter in &pipeline.parameters {
        names.reserve(parameter.name.as_str());
    }
    for word in KEYWORDS.iter().chain(crate::script::HELPERS) {
        names.reserve(word);
    }
    for artifact in &mut pipeline.artifacts {
        let letters = artifact.key.trim_start_matches('_');
        let starts_well = letters.starts_with(|c: char| c.is_ascii_alphabetic());
        artifact.key = names.claim(&if starts_well { letters.to_owned() } else { format!("value{}", artifact.key) });
    }
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_numbered_from_two() {
        let mut names = Unique::joined_by("-");
        assert_eq!(names.claim("train"), "train");
        assert_eq!(names.claim("train"), "train-2");
        assert_eq!(names.claim("train-2"), "train-2-2");
        assert_eq!(names.claim("train"), "train-3");
    }

    #[test]
    fn kebab_is_the_sdks() {
        assert_eq!(kebab("_1_Load  Data__"), "1-load-data");
        assert_eq!(kebab("Train-XGB"), "train-xgb");
    }
}
