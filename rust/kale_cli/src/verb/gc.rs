//! `kale-rs gc`.

use kale_verbs::Session;
use kale_verbs::gc::{GcRequest, gc as collect};
use kale_verbs::render::{bytes, count};

use super::{Done, store};
use crate::args::GcArgs;
use crate::output;

pub fn gc(session: &Session, args: GcArgs) -> Done {
    let request = GcRequest {
        keep_days: args.keep_days,
        keep_best: args.keep_best,
        max_size: args.max_size,
        dry_run: args.dry_run,
        store: store(args.store),
    };
    let collected = collect(session, &request)?;
    if args.json {
        output::json(&collected);
        return Ok(0);
    }
    let word = if collected.dry_run { "would remove" } else { "removed" };
    output::answer(format_args!(
        "{word} {}, {}, {} and {} ({})\nleft: {}, {}\n",
        count(collected.runs.len(), "run"),
        count(collected.blobs, "value"),
        count(collected.environments, "environment"),
        count(collected.bundles, "bundle"),
        bytes(collected.bytes),
        count(collected.kept_runs, "run"),
        bytes(collected.kept_bytes),
    ));
    if collected.young > 0 {
        let young = count(collected.young, "value");
        output::answer(format_args!("{young} that no run names, as yet too young to be removed: run it again later\n"));
    }
    Ok(0)
}
