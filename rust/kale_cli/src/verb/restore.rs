//! `kale-rs restore`.

use kale_verbs::Session;
use kale_verbs::render;
use kale_verbs::restore::{Action, RestoreRequest, Restored, restore as restore_run};

use super::{Done, store};
use crate::args::RestoreArgs;
use crate::output;

pub fn restore(session: &Session, args: RestoreArgs) -> Done {
    let request = RestoreRequest {
        run: args.run,
        step: args.step,
        before: args.before,
        write: true,
        output: args.output,
        files: args.files,
        trust: args.trust,
        store: store(args.store),
    };
    let restored = restore_run(session, &request)?;
    if args.json {
        output::json(&restored);
    } else {
        output::answer(text(&restored));
    }
    Ok(0)
}

fn text(restored: &Restored) -> String {
    let namespace = &restored.namespace;
    let values: usize = namespace
        .actions
        .iter()
        .map(|action| if let Action::Load { names, .. } = action { names.len() } else { 0 })
        .sum();
    let definitions = namespace.actions.iter().filter(|action| matches!(action, Action::Define { .. })).count();
    let when = if restored.before { "before" } else { "after" };
    let mut out = format!("run {}, {when} step {}: ", restored.run_id, restored.step);
    out.push_str(&format!(
        "{} stored, {}\n",
        render::count(values, "variable"),
        render::count(definitions, "definition")
    ));
    for missing in &namespace.missing {
        out.push_str(&format!("not stored: {} (cell {}): {}\n", missing.name, missing.cell, missing.reason));
    }
    for file in &namespace.unfetched_files {
        let reason = render::inert(&file.reason);
        out.push_str(&format!("not here: {} of step {}: {reason}\n", file.path, file.step));
    }
    for path in &restored.files_put_back {
        out.push_str(&format!("put back: {path}\n"));
    }
    for path in &restored.files_outside {
        out.push_str(&format!("not put back: {path} (it was outside of the notebook's folder)\n"));
    }
    if let Some(notebook) = &restored.notebook {
        out.push_str(&format!("notebook  {}\n", output::path(&notebook.to_string_lossy())));
    }
    out
}
