//! `kale-rs cancel`.

use kale_verbs::Session;
use kale_verbs::cancel::{CancelRequest, cancel as cancel_run};
use kale_verbs::render;

use super::{Done, store};
use crate::args::CancelArgs;
use crate::output;
use crate::progress::Progress;

pub fn cancel(session: &Session, args: CancelArgs) -> Done {
    let request = CancelRequest { run: args.run, store: store(args.store) };
    let mut progress = Progress::new();
    let run = cancel_run(session, &request, &mut progress)?;
    if args.json {
        output::json(&run);
    } else {
        if !progress.has_begun() {
            output::remark(Some("there was nothing to cancel: the run had ended"));
        }
        let id = run.run_id.as_ref().map(ToString::to_string).unwrap_or_default();
        output::answer(format_args!("run {id}: {}\n", render::run_status(run.status, output::stdout_style())));
    }
    Ok(0)
}
