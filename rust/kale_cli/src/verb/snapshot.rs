//! `kale-rs snapshot push|pull`.

use kale_verbs::Session;
use kale_verbs::render::{bytes, count, inert};
use kale_verbs::snapshot::{Pulled, PushAnswer, SnapshotAction, SnapshotAnswer, SnapshotRequest, snapshot as carry};

use super::{Done, store};
use crate::args::{SnapshotArgs, SnapshotVerb};
use crate::output;
use crate::progress::Transferring;

pub fn snapshot(session: &Session, args: SnapshotArgs) -> Done {
    let (action, place, json) = match args.verb {
        SnapshotVerb::Push(push) => {
            (SnapshotAction::Push { run: push.run, step: None, url: push.url }, push.store, push.json)
        }
        SnapshotVerb::Pull(pull) => (SnapshotAction::Pull { url: pull.url }, pull.store, pull.json),
    };
    let answer = carry(session, &SnapshotRequest { action, store: store(place) }, &mut Transferring::new())?;
    if json {
        output::json(&answer);
    } else {
        output::answer(match &answer {
            SnapshotAnswer::Push(pushed) => pushed_text(pushed),
            SnapshotAnswer::Pull(pulled) => pulled_text(pulled),
        });
    }
    Ok(0)
}

fn pushed_text(answer: &PushAnswer) -> String {
    let pushed = &answer.pushed;
    let (all, sent) = (pushed.all, pushed.sent);
    let mut out = format!(
        "pushed {} ({}); {} ({}) had to be sent\n",
        values(all.blobs),
        bytes(all.bytes),
        sent.blobs,
        bytes(sent.bytes)
    );
    if pushed.missing > 0 {
        out.push_str(&format!("{} no longer in the store, and not in the snapshot\n", values(pushed.missing as u64)));
    }
    for one in &answer.left_out {
        let (names, step, reason) = (one.names.join(", "), &one.step, inert(&one.reason));
        out.push_str(&format!("not in the snapshot: {names} of step {step}: {reason}\n"));
    }
    out.push_str(&format!("to pull: kale-rs snapshot pull {}\n", pushed.url));
    out
}

fn pulled_text(pulled: &Pulled) -> String {
    let (all, received) = (pulled.all, pulled.received);
    let mut out = format!(
        "run {}: {} ({}); {} ({}) had to be fetched\n",
        pulled.run_id,
        values(all.blobs),
        bytes(all.bytes),
        received.blobs,
        bytes(received.bytes)
    );
    let step = pulled.step.as_deref().unwrap_or("STEP");
    let trust = if pulled.trusted { "" } else { " --trust" };
    out.push_str(&format!("to go on from it: kale-rs restore {} {step}{trust}\n", pulled.run_id));
    if !pulled.trusted {
        out.push_str(
            "its variables are pickles, which can run any code: say --trust only if you trust whoever made it\n",
        );
    }
    out
}

fn values(number: u64) -> String {
    count(number, "value")
}
