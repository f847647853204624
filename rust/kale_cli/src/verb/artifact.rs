//! `kale-rs artifact`.

use kale_verbs::Session;
use kale_verbs::artifact::{Artifact, ArtifactRequest, artifact as look_at};
use kale_verbs::render;

use super::{Done, store};
use crate::args::ArtifactArgs;
use crate::output;

pub fn artifact(session: &Session, args: ArtifactArgs) -> Done {
    let request = ArtifactRequest { id: args.id, output: args.output, trust: args.trust, store: store(args.store) };
    let found = look_at(session, &request)?;
    if args.json {
        output::json(&found);
    } else {
        output::answer(text(&found));
    }
    Ok(0)
}

fn text(found: &Artifact) -> String {
    let (head, style) = (&found.head, output::stdout_style());
    let mut out = format!("{}\n", style.bold(&head.id));
    let size = head.bytes.map_or_else(|| "no longer stored".to_owned(), render::bytes);
    let mut facts = vec![("type", [head.artifact_type.as_str(), &found.summary].join("  ").trim().to_owned())];
    facts.push(("variables", head.names.join(", ")));
    facts.push(("size", size));
    facts.push(("path", output::path(&found.path.to_string_lossy()).to_owned()));
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("  {name}: {value}\n"));
    }
    for (word, ids) in [("made by", &found.made_by), ("used by", &found.used_by)] {
        out.extend(ids.iter().map(|id| format!("{word:<8} {id}\n")));
    }
    if let Some(file) = &found.output {
        out.push_str(&format!("written  {}\n", output::path(&file.to_string_lossy())));
    } else if let Some(text) = found.preview["text"].as_str().filter(|text| !text.is_empty()) {
        out.push_str(&format!("\n{}\n", output::printed(text.trim_end(), style)));
    } else if found.preview.get("png").is_some() {
        out.push_str("\nan image: `-o FILE.png` writes it\n");
    }
    out
}
