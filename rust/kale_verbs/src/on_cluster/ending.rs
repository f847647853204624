//! What there is to say of a run or step that a cluster could not finish.

use kale_kubeflow::Run;
use kale_model::{CellIndex, Code, Diagnostic, Pipeline, Position, RemoteRun, Span};

/// A failed step, with the cell and line of its traceback where its log has one.
pub fn of_step(
    pipeline: &Pipeline,
    position: usize,
    context: Option<&str>,
    error: Option<&str>,
    log: &str,
) -> Diagnostic {
    let name = &pipeline.steps[position].name;
    let reason = log.lines().rev().find(|line| !line.trim().is_empty()).or(error);
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", reason.trim().trim_end_matches('.')));
    let message = format!("Step `{name}` failed on `{}`{reason}.", context.unwrap_or_default());
    let help = format!(
        "`kale-rs logs RUN {name}` has what it printed. Mend the cell and run again, or `kale-rs resume RUN` to have it \
         tried again as it is."
    );
    let diagnostic = Diagnostic::new(Code::StepFailed, message, help);
    match place(log) {
        Some(span) => diagnostic.at(span).shown_in(&pipeline.sub_cells),
        None => diagnostic,
    }
}

/// A run that failed though none of its steps did, as the cluster tells it.
pub fn of_run(run: &Run, context: &str, remote: &RemoteRun) -> Diagnostic {
    let reason = run.error().map_or_else(String::new, |reason| format!(": {}", reason.trim_end_matches('.')));
    let message = format!("The run failed on `{context}` before any step did{reason}.");
    Diagnostic::new(Code::ClusterRefused, message, format!("Its page may say more: {}", remote.url))
}

/// The last `cell 3, line 2` of a traceback, as the step runtime prints it.
fn place(log: &str) -> Option<Span> {
    let (before, rest) = log.rsplit_once(", line ")?;
    let cell = before.rsplit_once("cell ")?.1.parse().ok()?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let line = rest[..digits].parse().ok()?;
    let at = |column| Position { line, column };
    Some(Span { cell: CellIndex(cell), start: at(1), end: at(1) })
}

/// Help texts of the client are parts of sentences.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let Some(first) = letters.next() else { return String::new() };
    format!("{}{}.", first.to_uppercase(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_traceback_is_found() {
        let log =
            "row 1\nTraceback (most recent call last):\n  cell 2, line 1, in f\n  cell 3, line 14\nValueError: x\n";
        let span = place(log).unwrap();
        assert_eq!((span.cell, span.start.line), (CellIndex(3), 14));
        assert_eq!(place("line of text, line two"), None);
    }
}
