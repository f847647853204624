//! Notebooks as bytes, changed at random: the compiler must answer each, in time, without a panic.
//!
//!     bytes SECONDS FILE...        the files (`.ipynb`, or `.md` with `py` blocks) are what is changed
//!
//! Built by `tests/fuzz/bytes.py` with LLVM's coverage counters (`-C passes=sancov-module`, which the stable toolchain
//! has), it keeps every input that reaches code in a way that none before did. Without the counters it changes the given
//! files only. The input being tried is in `target/fuzz-bytes/current`, so that an abort leaves it behind.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kale_frontend::{CompileOptions, compile};

/// Seconds that one input may take, per 100 kB and at least.
const PATIENCE: f64 = 1.0;
const MAX_BYTES: usize = 100_000;

/// LLVM's counters, one byte per edge, of each module that was compiled with them.
mod coverage {
    use std::sync::Mutex;

    static COUNTERS: Mutex<Vec<(usize, usize)>> = Mutex::new(vec![]);

    /// Called by every instrumented module when the program starts.
    ///
    /// # Safety
    /// LLVM passes the bounds of a static array of bytes.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
        let mut known = COUNTERS.lock().expect("no thread panics while it holds the lock");
        if !known.contains(&(start.addr(), stop.addr())) {
            start.expose_provenance();
            known.push((start.addr(), stop.addr()));
        }
    }

    /// Which edges were passed how often (in powers of two) since the last call.
    pub fn take() -> Vec<(usize, u8)> {
        let mut passed = vec![];
        for &(start, stop) in COUNTERS.lock().expect("no thread panics while it holds the lock").iter() {
            let first: *mut u8 = std::ptr::with_exposed_provenance_mut(start);
            // SAFETY: the array is static, and only bytes are written to it, by whichever thread.
            let counters = unsafe { std::slice::from_raw_parts_mut(first, stop - start) };
            for (offset, count) in counters.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
                passed.push((start + offset, 8 - count.leading_zeros() as u8));
                *count = 0;
            }
        }
        passed
    }
}

/// A small generator of its own, so that a seed gives the same run everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().and_then(|text| text.parse().ok()).expect("seconds, then files");
    let mut corpus: Vec<Vec<u8>> = arguments.flat_map(|path| seeds(Path::new(&path))).collect();
    let current = PathBuf::from("target/fuzz-bytes/current");
    std::fs::create_dir_all("target/fuzz-bytes").expect("a folder for the current input");
    let (mut seen, mut chance) = (HashSet::new(), Chance(0x9E37_79B9_7F4A_7C15));
    let (start, mut tried, mut slowest) = (Instant::now(), 0usize, Duration::ZERO);
    for input in &corpus {
        slowest = slowest.max(attempt(input, &current));
        seen.extend(coverage::take());
    }
    let given = corpus.len();
    while start.elapsed().as_secs_f64() < seconds {
        let input = changed(&corpus, &mut chance);
        slowest = slowest.max(attempt(&input, &current));
        tried += 1;
        let is_new = coverage::take().into_iter().fold(false, |new, edge| seen.insert(edge) | new);
        if is_new {
            corpus.push(input);
        }
    }
    println!(
        "{tried} inputs, {given} given, {} kept for new coverage, {} counters seen, slowest {:.3} s",
        corpus.len() - given,
        seen.len(),
        slowest.as_secs_f64()
    );
}

/// Compiles one input; ends the program when it panics or takes too long.
fn attempt(input: &[u8], current: &Path) -> Duration {
    std::fs::write(current, input).expect("the current input can be written");
    let text = String::from_utf8_lossy(input);
    let start = Instant::now();
    compile(&text, &CompileOptions { default_name: "bytes".to_owned(), ..CompileOptions::default() });
    let taken = start.elapsed();
    let allowed = PATIENCE * (input.len() as f64 / MAX_BYTES as f64).max(1.0);
    assert!(taken.as_secs_f64() < allowed, "{} bytes took {taken:?}: see {}", input.len(), current.display());
    taken
}

/// A notebook as it is; of a page of specs, a notebook per block of Python.
fn seeds(path: &Path) -> Vec<Vec<u8>> {
    let Ok(text) = std::fs::read_to_string(path) else { return vec![] };
    if path.extension().is_some_and(|e| e == "ipynb") {
        return vec![text.into_bytes()];
    }
    let cases = text.split("\n## ").map(|case| {
        let cells: Vec<serde_json::Value> = case
            .split("\n```py")
            .skip(1)
            .filter_map(|block| block.split_once('\n'))
            .map(|(tags, rest)| {
                let tags: Vec<&str> = tags.split_whitespace().collect();
                let source = rest.split("\n```").next().unwrap_or_default();
                serde_json::json!({"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": []})
            })
            .collect();
        serde_json::json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).to_string().into_bytes()
    });
    cases.collect()
}

/// One to four changes of an input: of bytes, of words, of lines, of pieces from another one.
fn changed(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "del ",
        "global ",
        "lambda: ",
        "yield ",
        "await ",
        "async ",
        "*",
        "**",
        ":=",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\\n",
        "    ",
        "if x:\\n ",
        "for a in b:\\n ",
        "def f(a=f):\\n ",
        "class C(C):\\n ",
        "%%bash\\n",
        "%time ",
        "!ls ",
        "?",
        "f'{",
        "}'",
        "import *",
        "match a:\\n case ",
        "step:a",
        "prev:a",
        "skip",
        "# kale: pure f",
        "\\u0000",
        "\"",
        "\\",
        "try:\\n ",
        "except:\\n ",
        "with a as b:\\n ",
        "a = b",
        "a.b.c",
        "a[b][c]",
        "0",
        "-",
        "e999",
        "null",
        "true",
    ];
    let mut input = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(input.len() + 1);
        let end = (at + chance.below(40)).min(input.len());
        match chance.below(7) {
            0 if at < input.len() => input[at] = chance.next() as u8,
            1 => drop(input.drain(at..end)),
            2 => {
                let word = WORDS[chance.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
            3 => {
                let piece = input[at..end].to_vec();
                let times = 1 << chance.below(9);
                input.splice(at..at, piece.repeat(times));
            }
            4 => {
                let other = &corpus[chance.below(corpus.len())];
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(400)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            5 => {
                let word = WORDS[chance.below(WORDS.len())];
                let times = 1 << chance.below(10);
                input.splice(at..at, word.repeat(times).bytes());
            }
            _ => {
                let to = chance.below(input.len() + 1);
                let piece = input[at..end].to_vec();
                input.splice(to..to, piece);
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}
