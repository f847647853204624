//! `kale-rs lineage`.

use kale_verbs::Session;
use kale_verbs::lineage::{LineageRequest, lineage as ask};
use kale_verbs::render;
use serde_json::Value;

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
    for (name, value) in found.facts.iter().filter(|(_, value)| !is_empty(value)) {
        out.push_str(&format!("  {}: {}\n", name.replace('_', " "), shown(value)));
    }
    let links =
        [("made by", &found.made_by), ("uses", &found.uses), ("made", &found.made), ("used by", &found.used_by)];
    for (word, ids) in links {
        out.extend(ids.iter().map(|id| format!("{word:<8} {id}\n")));
    }
    output::answer(out);
    Ok(0)
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Lists and maps without the signs of JSON, where what is in them is plain.
fn shown(value: &Value) -> String {
    let is_plain = |value: &Value| !value.is_array() && !value.is_object();
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Array(items) if items.iter().all(is_plain) => joined(items.iter().map(render::scalar).collect()),
        Value::Object(map) if map.values().all(is_plain) => {
            joined(map.iter().map(|(name, value)| format!("{name}={}", render::scalar(value))).collect())
        }
        other => render::scalar(other),
    }
}
