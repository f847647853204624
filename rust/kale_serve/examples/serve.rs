//! The server alone, as tests and benchmarks start it: `serve BUNDLE PYTHON RUNTIME [--OPTION VALUE]...`. It tells its
//! address in a line of standard output, what befalls it on standard error, and ends with standard input.

use std::path::Path;
use std::time::Duration;

use kale_serve::{Batching, Event, Limits, Log, Options};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let number = |name: &str, otherwise: usize| option(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let [bundle, python, runtime, ..] = arguments.as_slice() else { panic!("serve BUNDLE PYTHON RUNTIME") };
    let milliseconds = |name: &str, otherwise: u64| Duration::from_millis(number(name, otherwise as usize) as u64);
    let limits = Limits::default();
    let options = Options {
        port: u16::try_from(number("--port", 0)).expect("a port"),
        replicas: number("--replicas", 1),
        batching: Batching {
            max_rows: option("--rows").map(|text| text.parse().expect("a number")),
            max_delay: milliseconds("--delay", 0),
        },
        limits: Limits {
            max_queue: number("--queue", limits.max_queue),
            max_connections: number("--connections", limits.max_connections),
            max_body: number("--body", limits.max_body),
            request_timeout: milliseconds("--request-timeout", 60_000),
            header_timeout: milliseconds("--header-timeout", 30_000),
            body_timeout: milliseconds("--body-timeout", 30_000),
            answer_timeout: milliseconds("--answer-timeout", 30_000),
            max_bodies: number("--bodies", limits.max_bodies),
            worker_memory: option("--memory").map(|text| text.parse().expect("bytes")),
            ..limits
        },
        token: option("--token"),
        predictor: option("--predictor"),
        model_only: option("--model-only").is_some(),
        python: python.into(),
        runtime: runtime.into(),
        ends_with_stdin: true,
        log: option("--log").map_or(Log::None, |path| Log::File(path.into())),
        ..Options::default()
    };
    let listener = |event| match event {
        Event::Ready { url, seconds, .. } => println!("{url} {seconds}"),
        other => eprintln!("{other:?}"),
    };
    if let Err(error) = kale_serve::serve(Path::new(bundle), options, &listener) {
        eprintln!("{error}\n{}", error.help());
        std::process::exit(1);
    }
}
