//! `kale-rs archive` and `kale-rs unarchive`.

use kale_verbs::archive::{ArchiveAnswer, ArchiveRequest};
use kale_verbs::{Session, VerbError};

use super::{Done, store};
use crate::args::ArchiveArgs;
use crate::output;

type Change = fn(&Session, &ArchiveRequest) -> Result<ArchiveAnswer, VerbError>;

pub fn archive(session: &Session, args: ArchiveArgs) -> Done {
    carry_out(session, args, kale_verbs::archive::archive)
}

pub fn unarchive(session: &Session, args: ArchiveArgs) -> Done {
    carry_out(session, args, kale_verbs::archive::unarchive)
}

fn carry_out(session: &Session, args: ArchiveArgs, change: Change) -> Done {
    let answer = change(session, &ArchiveRequest { run: args.run, store: store(args.store) })?;
    if args.json {
        output::json(&answer);
    } else {
        let done = if answer.archived { "archived" } else { "no longer archived" };
        output::answer(format_args!("run {} on {}: {done}\n", answer.run_id, answer.context));
    }
    Ok(0)
}
