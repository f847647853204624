//! Lists the files of the knowledge base, so that adding one needs no other change.

use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("knowledge");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the knowledge base is beside the crate's sources")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let list: Vec<String> = files.iter().map(|path| format!("include_str!({path:?})")).collect();
    let code = format!("static SOURCES: &[&str] = &[{}];", list.join(", "));
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("knowledge_sources.rs");
    fs::write(out, code).expect("cargo's output folder is writable");
}
