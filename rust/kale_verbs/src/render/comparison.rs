//! The difference of two runs, for the terminal and for a report.

use kale_store::{Change, RunDiff};
use serde_json::Value;

use super::table::{markdown as markdown_table, table};
use super::{Style, metric, scalar};

/// A digest is told from its first digits.
const SHOWN: usize = 40;

struct Section {
    title: &'static str,
    rows: Vec<Vec<String>>,
}

fn sections(diff: &RunDiff) -> Vec<Section> {
    let changes = |title, changes: &[Change], shown: fn(&Value) -> String| {
        let heading = vec![String::new(), diff.left.to_string(), diff.right.to_string()];
        let side = |value: Option<&Value>| short(value.map_or_else(|| "-".to_owned(), shown));
        let row = |change: &Change| vec![change.name.clone(), side(change.left.as_ref()), side(change.right.as_ref())];
        Section { title, rows: [heading].into_iter().chain(changes.iter().map(row)).collect() }
    };
    let code = diff.code.iter().map(|change| vec![change.step.clone(), change.change.to_owned()]);
    let heading = vec!["step".to_owned(), "change".to_owned()];
    let all = vec![
        changes("Metrics", &diff.metrics, metric),
        changes("Parameters", &diff.parameters, scalar),
        Section { title: "Code", rows: [heading].into_iter().chain(code).collect() },
        changes("Data", &diff.data, scalar),
        changes("Environment", &diff.environment, scalar),
    ];
    all.into_iter().filter(|section| section.rows.len() > 1).collect()
}

fn short(text: String) -> String {
    if text.chars().count() <= SHOWN { text } else { text.chars().take(12).chain("…".chars()).collect() }
}

fn nothing(diff: &RunDiff) -> String {
    format!("runs {} and {} do not differ\n", diff.left, diff.right)
}

pub fn text(diff: &RunDiff, style: Style) -> String {
    let sections = sections(diff);
    if sections.is_empty() {
        return nothing(diff);
    }
    let text = |section: &Section| format!("{}\n{}", style.bold(section.title), table(&section.rows));
    sections.iter().map(text).collect::<Vec<_>>().join("\n")
}

pub fn markdown(diff: &RunDiff) -> String {
    let sections = sections(diff);
    if sections.is_empty() {
        return nothing(diff);
    }
    let text = |section: &Section| format!("### {}\n\n{}", section.title, markdown_table(&section.rows));
    sections.iter().map(text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kale_model::RunId;
    use kale_store::StepChange;
    use serde_json::json;

    fn diff() -> RunDiff {
        let change = |name: &str, left, right| Change { name: name.to_owned(), left, right };
        RunDiff {
            left: RunId("a".to_owned()),
            right: RunId("b".to_owned()),
            code: vec![StepChange { step: "train".to_owned(), change: "changed" }],
            data: vec![],
            parameters: vec![change("lr", Some(json!(0.1)), Some(json!(0.2)))],
            environment: vec![change("numpy", Some(json!("2.0")), None)],
            metrics: vec![],
        }
    }

    #[test]
    fn only_what_differs_is_shown() {
        insta::assert_snapshot!(text(&diff(), Style { colour: false }), @r"
        Parameters
              a    b
        lr  0.1  0.2

        Code
        step   change
        train  changed

        Environment
                 a  b
        numpy  2.0  -
        ");
    }

    #[test]
    fn a_report_has_tables() {
        insta::assert_snapshot!(markdown(&diff()), @r"
        ### Parameters

        |  | a | b |
        | --- | --- | --- |
        | lr | 0.1 | 0.2 |

        ### Code

        | step | change |
        | --- | --- |
        | train | changed |

        ### Environment

        |  | a | b |
        | --- | --- | --- |
        | numpy | 2.0 | - |
        ");
    }
}
