//! `kale-rs diff`.

use kale_verbs::Session;
use kale_verbs::diff::{DiffRequest, diff as diff_runs};
use kale_verbs::render::comparison;

use super::{Done, store};
use crate::args::DiffArgs;
use crate::output;

pub fn diff(session: &Session, args: DiffArgs) -> Done {
    let request = DiffRequest { before: args.before, after: args.after, store: store(args.store) };
    let diff = diff_runs(session, &request)?;
    if args.json {
        output::json(&diff);
    } else if args.markdown {
        output::answer(comparison::markdown(&diff));
    } else {
        output::answer(comparison::text(&diff, output::stdout_style()));
    }
    Ok(0)
}
