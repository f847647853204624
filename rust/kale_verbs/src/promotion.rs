//! From one context to the next: `run --on dev --then test --then prod --gate 'acc >= 0.9'`. The notebook is read once, and
//! compiled for each context before anything starts, so that what reaches the last one is what went through the others.
//! The next one is started only when the run has succeeded and every gate holds on its metrics; what was decided, and by
//! which values, is kept with the run that it was decided on.
//!
//! It is whoever waits for the runs that goes on to the next one. Where that process has ended, `resume` takes it up
//! (`way.rs`).

pub mod way;

use std::collections::BTreeMap;

use kale_model::{Code, Diagnostic, Pipeline, RunId, RunStatus, RunView, Step};
use serde::Serialize;
use serde_json::Value;

use crate::error::VerbError;
use crate::render;

/// A condition on a metric, such as `acc >= 0.9`.
#[derive(Clone, Debug)]
pub struct Gate {
    metric: String,
    comparison: Comparison,
    bound: f64,
}

#[derive(Clone, Copy, Debug)]
struct Comparison {
    sign: &'static str,
    holds: fn(&f64, &f64) -> bool,
}

/// Longer signs come first: `>=` begins with `>`.
const COMPARISONS: [Comparison; 6] = [
    Comparison { sign: ">=", holds: f64::ge },
    Comparison { sign: "<=", holds: f64::le },
    Comparison { sign: "==", holds: f64::eq },
    Comparison { sign: "!=", holds: f64::ne },
    Comparison { sign: ">", holds: f64::gt },
    Comparison { sign: "<", holds: f64::lt },
];

/// How a notebook reports a metric.
const REPORTS: &str = "print it in a cell tagged `pipeline-metrics`, or call `kale_rs.metric(\"name\", value)`";

/// What became of a context.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub context: String,
    /// `None`: no run was started there.
    pub run_id: Option<RunId>,
    pub status: Option<RunStatus>,
    /// What was asked of its metrics before the next context.
    pub gates: Vec<Judged>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub gate: String,
    /// The metric as the run reports it; `None`: it does not.
    pub value: Option<Value>,
    pub holds: bool,
}

impl Gate {
    pub fn parse(text: &str) -> Result<Gate, VerbError> {
        let fault = |reason: &str| {
            let message = format!("the gate `{}` cannot be read: {reason}", text.escape_debug());
            VerbError::usage(message, "write a metric, a comparison and a number, such as `--gate 'acc >= 0.9'`")
        };
        let sign = text.find(['<', '>', '=', '!']).ok_or_else(|| fault("it compares nothing"))?;
        let (metric, rest) = (text[..sign].trim(), &text[sign..]);
        let comparison = COMPARISONS.into_iter().find(|comparison| rest.starts_with(comparison.sign));
        let comparison = comparison.ok_or_else(|| fault("a comparison is one of `>=`, `<=`, `>`, `<`, `==`, `!=`"))?;
        let number = rest[comparison.sign.len()..].trim();
        let bound = number.parse().ok().filter(|bound: &f64| bound.is_finite());
        let bound = bound.ok_or_else(|| fault(&format!("`{}` is no number", number.escape_debug())))?;
        if metric.is_empty() {
            return Err(fault("it names no metric"));
        }
        Ok(Gate { metric: metric.to_owned(), comparison, bound })
    }

    /// On what a run reports. What is not a number passes no gate.
    fn judge(&self, run: &RunView) -> Judged {
        let value = run.metrics.get(&self.metric).cloned();
        let number = value.as_ref().and_then(Value::as_f64);
        let holds = number.is_some_and(|number| (self.comparison.holds)(&number, &self.bound));
        Judged { gate: self.text(), value, holds }
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.metric, self.comparison.sign, self.bound)
    }
}

/// What is decided about the next context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// A gate does not hold: that is the end of it.
    Refused,
    /// The run has not come to a good end, or does not tell enough: `resume` may mend that.
    Open,
}

/// All that is to be passed on the way.
#[derive(Debug)]
pub struct Gates(Vec<Gate>);

impl Gates {
    pub fn parse(texts: &[String]) -> Result<Gates, VerbError> {
        texts.iter().map(|text| Gate::parse(text)).collect::<Result<_, _>>().map(Gates)
    }

    /// A metric that the notebook does not report would stop every run, at its end. Names that it computes are not known
    /// before.
    pub fn refuse_unknown_metrics(&self, pipeline: &Pipeline) -> Result<(), VerbError> {
        if pipeline.steps.iter().any(computes_names) {
            return Ok(());
        }
        let is_known = |gate: &&Gate| pipeline.metrics.iter().any(|metric| metric.name == gate.metric);
        let Some(unknown) = self.0.iter().find(|gate| !is_known(gate)) else { return Ok(()) };
        let message = format!("the gate `{}` names a metric that the notebook does not report", unknown.text());
        let names: Vec<String> = pipeline.metrics.iter().map(|metric| format!("`{}`", metric.name)).collect();
        let help = match names.as_slice() {
            [] => format!("it reports none: {REPORTS}"),
            names => format!("its metrics are {}", names.join(", ")),
        };
        Err(VerbError::usage(message, help))
    }

    pub fn judge(&self, run: &RunView) -> Vec<Judged> {
        self.0.iter().map(|gate| gate.judge(run)).collect()
    }
}

/// Whether it calls `kale_rs.metric` with something else than a text.
fn computes_names(step: &Step) -> bool {
    let names = |source: &str| -> bool {
        let arguments = source.split("metric(").skip(1).map(|rest| rest.trim_start());
        arguments.into_iter().any(|rest| !rest.starts_with(['"', '\'']))
    };
    step.cells.iter().any(|cell| names(&cell.source))
}

/// Parameters that the next run has otherwise, by its context's overlay: name, value there, and here.
pub fn differing(here: &BTreeMap<String, Value>, there: &BTreeMap<String, Value>) -> Vec<String> {
    let others = there.iter().filter(|(name, value)| here.get(*name) != Some(value));
    others
        .map(|(name, value)| format!("`{name}` {value} instead of {}", here.get(name).unwrap_or(&Value::Null)))
        .collect()
}

/// What is told of the step from one context to the next, and whether it is made; `differing` is what is other there.
pub fn decision(run: &RunView, from: &str, to: &str, judged: &[Judged], differing: &[String]) -> (Diagnostic, Verdict) {
    let stopped = |verdict: Verdict, reason: String, help: String| {
        let message = format!("`{to}` was not started: {reason}.");
        (Diagnostic::new(Code::NotPromoted, message, help), verdict)
    };
    let id = run.run_id.as_ref().map(ToString::to_string).unwrap_or_default();
    if run.status != RunStatus::Succeeded {
        let reason = format!("the run on `{from}` is {}", run.status.as_str());
        let help = format!("`kale-rs resume {id}` finishes it, and then goes on.");
        return stopped(Verdict::Open, reason, help);
    }
    if let Some(closed) = judged.iter().find(|judged| !judged.holds) {
        return match &closed.value {
            None if run.diagnostics.iter().any(|told| told.code == Code::ClusterKeepsValues) => {
                let reason = format!("what the gate `{}` asks for is not known here, `{from}` keeps it", closed.gate);
                let help = format!(
                    "See to the warning about `{from}` (`kale-rs context test {from}` looks); then `kale-rs resume {id}` asks \
                     again. The run itself has succeeded: where its page shows metrics that are good, go on with `kale-rs \
                     run` and `--on {to}`."
                );
                stopped(Verdict::Open, reason, help)
            }
            None => {
                let reason =
                    format!("the gate `{}` does not hold on `{from}`, the run does not report it", closed.gate);
                stopped(Verdict::Refused, reason, format!("See that the notebook reports it in every run: {REPORTS}."))
            }
            Some(value) => {
                let value = render::scalar(value);
                let reason = format!("the gate `{}` does not hold on `{from}`, it is {value}", closed.gate);
                stopped(
                    Verdict::Refused,
                    reason,
                    "Mend the notebook, or give parameters or a gate that fit.".to_owned(),
                )
            }
        };
    }
    let shown = |judged: &Judged| {
        format!("`{}` holds, it is {}", judged.gate, judged.value.as_ref().map(render::scalar).unwrap_or_default())
    };
    let held: Vec<String> = judged.iter().map(shown).collect();
    let because = if held.is_empty() { String::new() } else { format!(": {}", held.join("; ")) };
    let message = format!("From `{from}` the notebook goes on to `{to}`{because}.");
    let help = match differing {
        [] => "The run there has the same notebook and the same parameters.".to_owned(),
        _ => format!("The run there has the same notebook, and other parameters: {}.", differing.join(", ")),
    };
    (Diagnostic::new(Code::Promoted, message, help), Verdict::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read() {
        let read = |text: &str| Gate::parse(text).unwrap().text();
        assert_eq!(read("acc>=0.9"), "acc >= 0.9");
        assert_eq!(read(" val loss < -1e-3 "), "val loss < -0.001");
        assert_eq!(read("n != 3"), "n != 3");
        for text in ["", "acc", "acc = 1", ">= 1", "acc >= ", "acc >= high", "acc >= nan", "acc => 1", "acc ! 1"] {
            assert!(Gate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_pass_or_do_not() {
        let holds = |text: &str, value: f64| {
            let gate = Gate::parse(text).unwrap();
            (gate.comparison.holds)(&value, &gate.bound)
        };
        assert!(holds("a >= 1", 1.0) && holds("a <= 1", 1.0) && holds("a == 1", 1.0) && holds("a != 1", 2.0));
        assert!(!holds("a > 1", 1.0) && !holds("a < 1", 1.0) && !holds("a >= 1", f64::NAN));
    }
}
