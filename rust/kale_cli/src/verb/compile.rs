//! `kale-rs compile`.

use std::path::Path;

use kale_verbs::Session;
use kale_verbs::compile::{CompileRequest, compile as compile_notebook};

use super::{Done, note_diagnostics, note_guessed, source, status};
use crate::args::CompileArgs;
use crate::output;

pub fn compile(session: &Session, mut args: CompileArgs) -> Done {
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    let request = CompileRequest {
        source: source(args.source).with_overlay(args.overlay),
        target: args.target,
        output: args.output,
        on: args.on,
        build_context: args.build_context,
        allow_oversize: args.allow_oversize,
        kubernetes: args.kubernetes,
        namespace: args.namespace,
        service_account: args.service_account,
        parameters: args.options.parameters(),
        options: args.options.options(),
        kserve: args.kserve.options(),
    };
    let answer = compile_notebook(session, &request)?;
    let good = answer.text.is_some();
    if args.json {
        output::json(&answer);
        return Ok(status(good));
    }
    answer.remarks.iter().for_each(|remark| output::remark(Some(remark)));
    note_diagnostics(&answer.diagnostics, &answer.listing);
    if let Some(space) = &answer.guessed {
        note_guessed(space);
    }
    if let (true, Some(text)) = (to_stdout, &answer.text) {
        output::answer(text);
    }
    for file in answer.files.iter().chain(&answer.image_files) {
        output::note(format_args!("{} {}", output::stderr_style().green("wrote"), file.display()));
    }
    Ok(status(good))
}
