//! `kale-rs doctor`.

use kale_verbs::Session;
use kale_verbs::doctor::{DoctorRequest, Health, doctor as examine};

use super::{Done, status};
use crate::args::DoctorArgs;
use crate::output;

pub fn doctor(session: &Session, args: DoctorArgs) -> Done {
    let diagnosis = examine(session, &DoctorRequest { notebook: args.notebook, python: args.python })?;
    if args.json {
        output::json(&diagnosis);
        return Ok(status(diagnosis.is_healthy()));
    }
    let style = output::stdout_style();
    for finding in &diagnosis.findings {
        let mark = match finding.health {
            Health::Ok => style.green("ok     "),
            Health::Warning => style.yellow("warning"),
            Health::Error => style.red("error  "),
        };
        output::answer(format_args!("{mark}  {:<10}  {}\n", finding.subject, finding.detail));
        if !finding.help.is_empty() {
            output::answer(format_args!("{:21}{} {}\n", "", style.cyan("help:"), finding.help));
        }
    }
    Ok(status(diagnosis.is_healthy()))
}
