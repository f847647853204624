//! The command `kale-rs`: reads the command line, calls a verb, prints its answer.
//!
//! Nothing is decided here that another user interface would have to decide too; that is `kale_verbs`. There is no
//! binary of its own: the console script of the wheel calls [`main`] through `kale_rs._native`.

mod args;
mod interrupt;
mod output;
mod progress;
mod verb;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};
use kale_verbs::Session;

use args::{Cli, Verb};

/// Runs one command and gives its exit status. `argv` starts with the program's name.
pub fn main(argv: Vec<OsString>, session: &Session) -> i32 {
    interrupt::install();
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; the rest is wrong usage.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let done = match cli.verb {
        Verb::Check(args) => verb::check::check(session, args),
        Verb::Graph(args) => verb::graph::graph(session, args),
        Verb::Compile(args) => verb::compile::compile(session, *args),
        Verb::Run(args) => verb::run::run(session, args),
        Verb::Runs(args) => verb::runs::runs(session, args),
        Verb::Show(args) => verb::show::show(session, args),
        Verb::Logs(args) => verb::logs::logs(session, args),
        Verb::Resume(args) => verb::run::resume(session, args),
        Verb::Cancel(args) => verb::cancel::cancel(session, args),
        Verb::Archive(args) => verb::archive::archive(session, args),
        Verb::Unarchive(args) => verb::archive::unarchive(session, args),
        Verb::Diff(args) => verb::diff::diff(session, args),
        Verb::Restore(args) => verb::restore::restore(session, args),
        Verb::Snapshot(args) => verb::snapshot::snapshot(session, args),
        Verb::Lineage(args) => verb::lineage::lineage(session, args),
        Verb::Artifact(args) => verb::artifact::artifact(session, args),
        Verb::Gc(args) => verb::gc::gc(session, args),
        Verb::Context(args) => verb::context::context(session, args),
        Verb::Schedule(args) => verb::schedule::schedule(session, args),
        Verb::Sweep(args) => verb::sweep::sweep(session, *args),
        Verb::Sweeps(args) => verb::sweeps::sweeps(session, args),
        Verb::Serve(args) => verb::serve::serve(session, *args),
        Verb::Services(args) => verb::services::services(session, args),
        Verb::Predict(args) => verb::predict::predict(session, args),
        Verb::Server(args) => verb::serve::server(session, &args),
        Verb::Doctor(args) => verb::doctor::doctor(session, args),
        Verb::Explain(args) => verb::explain::explain(args),
        Verb::ExplainOverlay(args) => verb::explain_overlay::explain_overlay(session, args),
        Verb::Completion(args) => Ok(completion(args.shell)),
        Verb::Engine(args) => verb::engine::engine(&args),
    };
    done.unwrap_or_else(|error| output::failure(&error))
}

fn completion(shell: clap_complete::Shell) -> i32 {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "kale-rs", &mut script);
    output::answer(String::from_utf8_lossy(&script));
    0
}

/// The verbs that people see, for the test that compares them with the Python API.
pub fn verbs() -> Vec<String> {
    Cli::command().get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_a_purpose_and_examples() {
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("kale-rs {}", verb.get_name())), "{}", verb.get_name());
        }
    }
}
