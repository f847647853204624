//! The server alone: `serve BUNDLE PYTHON RUNTIME [--rows N] [--replicas N] [--port N] [--token T] [--delay MS]`. Tells
//! its address in a line of standard output, and ends with standard input.

use std::path::Path;
use std::time::Duration;

use kale_serve::{Batching, Event, Log, Options};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let number = |name: &str, otherwise: usize| option(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let [bundle, python, runtime, ..] = arguments.as_slice() else { panic!("serve BUNDLE PYTHON RUNTIME") };
    let options = Options {
        port: u16::try_from(number("--port", 0)).expect("a port"),
        replicas: number("--replicas", 1),
        batching: Batching {
            max_rows: number("--rows", 1),
            max_delay: Duration::from_millis(number("--delay", 0) as u64),
        },
        token: option("--token"),
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
