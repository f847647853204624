//! Translates the files of the knowledge base from TOML, which people like to write, to JSON, which is read ten times
//! faster: a user waits for that in every process that compiles. Adding a file needs no other change.

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
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let list: Vec<String> =
        files.iter().map(|path| format!("include_str!({:?})", translate(path, Path::new(&out)))).collect();
    let code = format!("static SOURCES: &[&str] = &[{}];", list.join(", "));
    fs::write(Path::new(&out).join("knowledge_sources.rs"), code).expect("cargo's output folder is writable");
}

/// Writes a file as JSON; returns where.
fn translate(file: &Path, out: &Path) -> std::path::PathBuf {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let tables: serde_json::Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let translated = out.join(file.with_extension("json").file_name().expect("it is a file"));
    fs::write(&translated, tables.to_string()).expect("cargo's output folder is writable");
    translated
}
