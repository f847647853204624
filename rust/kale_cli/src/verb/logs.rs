//! `kale-rs logs`.

use std::io::{self, IsTerminal};

use kale_verbs::logs::{LogsRequest, logs as read_logs};
use kale_verbs::{Interrupt, Listener, Session};

use super::{Done, store};
use crate::args::LogsArgs;
use crate::{interrupt, output};

pub fn logs(session: &Session, args: LogsArgs) -> Done {
    let several = args.step.is_none();
    let request =
        LogsRequest { run: args.run, step: args.step, offset: None, store: store(args.store), follow: args.follow };
    if args.follow {
        interrupt::follow();
    }
    let mut tail = Tail { several, last: None };
    let answer = read_logs(session, &request, &mut tail)?;
    if args.json {
        output::json(&answer);
    } else if !args.follow {
        for log in &answer.logs {
            tail.log(&log.step, &log.text);
        }
    }
    if answer.logs.is_empty() && !args.json && io::stderr().is_terminal() {
        output::note("nothing was printed");
    }
    Ok(0)
}

/// Output of several steps, with a heading where it changes from one to another.
struct Tail {
    several: bool,
    last: Option<String>,
}

impl Listener for Tail {
    fn log(&mut self, step: &str, text: &str) {
        if self.several && self.last.as_deref() != Some(step) {
            output::answer(format_args!("{}\n", output::stdout_style().cyan(&format!("── {step} ──"))));
            self.last = Some(step.to_owned());
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        output::answer(format_args!("{}{end}", output::printed(text, output::stdout_style())));
    }

    fn interrupted(&mut self) -> Option<Interrupt> {
        interrupt::pressed().then_some(Interrupt::Leave)
    }
}
