//! `kale-rs doctor`.

use kale_verbs::Session;
use kale_verbs::doctor::{DoctorRequest, Finding, Health, doctor as examine};

use super::{Done, status};
use crate::args::DoctorArgs;
use crate::output;

pub fn doctor(session: &Session, args: DoctorArgs) -> Done {
    let diagnosis = examine(session, &DoctorRequest { notebook: args.notebook, python: args.python })?;
    if args.json {
        output::json(&diagnosis);
        return Ok(status(diagnosis.is_healthy()));
    }
    print_findings(&diagnosis.findings);
    Ok(status(diagnosis.is_healthy()))
}

/// A line for each, and what to do below it.
pub fn print_findings(findings: &[Finding]) {
    let style = output::stdout_style();
    let width = findings.iter().map(|finding| finding.subject.len()).max().unwrap_or_default().max(10);
    let indent = "warning".len() + 2 + width + 2;
    for finding in findings {
        let mark = match finding.health {
            Health::Ok => style.green("ok     "),
            Health::Warning => style.yellow("warning"),
            Health::Error => style.red("error  "),
            Health::Skipped => style.dim("-      "),
        };
        output::answer(format_args!("{mark}  {:<width$}  {}\n", finding.subject, finding.detail));
        if !finding.help.is_empty() {
            output::answer(format_args!("{:indent$}{} {}\n", "", style.cyan("help:"), finding.help));
        }
    }
}
