//! `kale-rs lineage`.

use kale_verbs::Session;
use kale_verbs::lineage::{LineageRequest, lineage as ask};

use super::{Done, store};
use crate::args::LineageArgs;
use crate::output;

pub fn lineage(session: &Session, args: LineageArgs) -> Done {
    let found = ask(session, &LineageRequest { id: args.id, store: store(args.store) })?;
    if args.json {
        output::json(&found);
        return Ok(0);
    }
    let mut out = format!("{}\n", output::stdout_style().bold(&found.id));
    for (name, value) in &found.facts {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.push_str(&format!("  {name}: {text}\n"));
    }
    let links =
        [("made by", &found.made_by), ("uses", &found.uses), ("made", &found.made), ("used by", &found.used_by)];
    for (word, ids) in links {
        out.extend(ids.iter().map(|id| format!("{word:<8} {id}\n")));
    }
    output::answer(out);
    Ok(0)
}
