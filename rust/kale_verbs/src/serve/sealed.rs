//! A complete bundle: with the versions of the packages that it needs, and a version of its own, which is a digest of all
//! that it holds. Packed twice, the same model is the same bundle.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use kale_model::Requirement;
use kale_store::{Digest, bundle_note};
use serde_json::{Map, Value, json};

use super::bundles;
use super::packed::Packed;
use crate::error::VerbError;
use crate::lock;
use crate::notebook::plain;
use crate::session::{Interpreter, Session};

pub const ABOUT: &str = "bundle.json";
/// Begins the names of folders among the bundles that are on their way.
pub const PACKING: &str = ".packing-";
/// A folder of what a container installs besides.
const WHEEL: &str = "wheel";
const REQUIREMENTS: &str = "requirements.txt";
/// Digits of a digest that a version has.
const DIGITS: usize = 12;

/// A bundle as far as its own tools look at it.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub folder: PathBuf,
    pub name: String,
    pub version: String,
    pub about: Map<String, Value>,
}

impl Bundle {
    /// For `gc`, which removes what is not used for long.
    pub fn is_used(&self) {
        let _ = fs::File::open(bundle_note(&self.folder)).and_then(|note| note.set_modified(SystemTime::now()));
    }

    /// Models are loaded by the interpreter that they were packed under, where that is here.
    pub fn python(&self, own: &Interpreter) -> PathBuf {
        let noted = fs::read_to_string(bundle_note(&self.folder)).map(PathBuf::from).ok();
        noted.filter(|path| path.is_file()).unwrap_or_else(|| own.executable.clone())
    }

    /// Whether it has our wheel for a container. One is made where it can be: of what is installed, on Linux.
    pub fn has_wheel(&self, session: &Session) -> bool {
        let folder = self.folder.join(WHEEL);
        let is_there = || fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        if !is_there() {
            let mut command = Command::new(&session.caller.executable);
            let made = command.arg(&session.runtime).arg("--wheel").arg(&folder).stdin(Stdio::null()).output();
            drop(made);
        }
        is_there()
    }

    /// What speaks against answering requests together, where somebody has asked for that.
    pub fn against_batches(&self, rows: Option<usize>) -> Option<String> {
        let is_batchable = self.about.get("batchable").and_then(Value::as_bool).unwrap_or(true);
        let why = self.about.get("batchable_because").and_then(Value::as_str).unwrap_or("the bundle says so");
        (rows > Some(1) && !is_batchable).then(|| {
            format!("requests are answered together as you ask for, and what is answered may depend on it: {why}")
        })
    }

    /// What one row of a request looks like.
    pub fn first_row(&self) -> Option<&Value> {
        self.about.get("example")?.get("instances")?.get(0)
    }

    /// The versions in its requirements.
    pub fn requirements(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.folder.join(REQUIREMENTS)).unwrap_or_default();
        let pinned = text.lines().filter_map(|line| line.split_once("=="));
        pinned.map(|(name, version)| (name.trim().to_owned(), version.trim().to_owned())).collect()
    }
}

pub fn read(folder: &Path) -> Result<Bundle, VerbError> {
    let path = folder.join(ABOUT);
    let refuse = |reason: String| {
        VerbError::usage(
            format!("`{}` is no bundle: {reason}", folder.display()),
            "give the folder of one: `kale_rs.serve(...).bundle`, or what `kale-rs serve --pack` has written",
        )
    };
    let text = fs::read_to_string(&path).map_err(|error| refuse(plain(&error)))?;
    let about: Map<String, Value> = serde_json::from_str(&text).map_err(|error| refuse(format!("{ABOUT}: {error}")))?;
    let text = |key: &str| about.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").ok_or_else(|| refuse(format!("{ABOUT} has no `name`")))?;
    let version = text("version").unwrap_or_default();
    Ok(Bundle { folder: folder.to_owned(), name, version, about })
}

/// Completes what was packed, and puts it to its place in the store: `bundles/NAME/VERSION`.
pub fn seal(packed: &Packed, interpreter: &Interpreter, root: &Path) -> Result<Bundle, VerbError> {
    let done = complete(packed, interpreter).and_then(|bundle| put(&bundle, root, interpreter));
    if done.is_err() {
        let _ = fs::remove_dir_all(&packed.folder);
    }
    done
}

fn complete(packed: &Packed, interpreter: &Interpreter) -> Result<Bundle, VerbError> {
    let folder = &packed.folder;
    let needed = lock::of_modules(interpreter, &packed.modules)?;
    let lines: String = needed.iter().filter(|one| is_published(one)).map(|one| format!("{one}\n")).collect();
    write(&folder.join(REQUIREMENTS), &lines)?;
    let mut bundle = read(folder)?;
    let environment = bundle.about.entry("environment").or_insert_with(|| json!({}));
    environment["requirements"] = json!(REQUIREMENTS);
    write_about(&bundle)?;
    bundle.version = version(folder)?;
    // Beside the name, where people look for it.
    let mut about = Map::new();
    for (key, value) in std::mem::take(&mut bundle.about) {
        let is_name = key == "name";
        about.insert(key, value);
        if is_name {
            about.insert("version".to_owned(), json!(bundle.version));
        }
    }
    bundle.about = about;
    write_about(&bundle)?;
    Ok(bundle)
}

fn is_published(requirement: &Requirement) -> bool {
    !requirement.spelling.as_deref().is_some_and(|text| text.contains("file:") || text.contains("@ /"))
}

fn write_about(bundle: &Bundle) -> Result<(), VerbError> {
    let mut text = serde_json::to_string_pretty(&bundle.about).expect("a bundle is plain data");
    text.push('\n');
    write(&bundle.folder.join(ABOUT), &text)
}

fn write(path: &Path, text: &str) -> Result<(), VerbError> {
    kale_engine::replace_file(path, |file| file.write_all(text.as_bytes()))
        .map_err(|error| VerbError::writing(path, plain(&error)))
}

/// A digest of the paths and contents of all files.
fn version(folder: &Path) -> Result<String, VerbError> {
    let mut all = String::new();
    for path in files(folder) {
        let digest = Digest::of_file(&folder.join(&path))
            .map_err(|error| VerbError::reading(folder.join(&path), plain(&error)))?;
        all.push_str(&format!("{} {}\n", digest.as_str(), path.display()));
    }
    Ok(Digest::of(all.as_bytes()).as_str()[..DIGITS].to_owned())
}

/// Below a folder, relative to it and sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut todo = vec![PathBuf::new()];
    while let Some(inner) = todo.pop() {
        for entry in fs::read_dir(folder.join(&inner)).into_iter().flatten().flatten() {
            let path = inner.join(entry.file_name());
            if folder.join(&path).is_dir() {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn put(bundle: &Bundle, root: &Path, interpreter: &Interpreter) -> Result<Bundle, VerbError> {
    let place = bundles(root).join(&bundle.name).join(&bundle.version);
    if place.join(ABOUT).is_file() {
        let _ = fs::remove_dir_all(&bundle.folder);
    } else {
        kale_store::create_root(root)?;
        let parent = place.parent().expect("a bundle is in the folder of its name");
        fs::create_dir_all(parent).map_err(|error| VerbError::writing(parent, plain(&error)))?;
        moved(&bundle.folder, &place, root).map_err(|error| VerbError::writing(&place, plain(&error)))?;
    }
    write(&bundle_note(&place), &interpreter.executable.to_string_lossy())?;
    Ok(Bundle { folder: place, ..bundle.clone() })
}

/// To its place, which it has at once or not at all. What was packed for a notebook may be on another disk.
fn moved(folder: &Path, place: &Path, root: &Path) -> std::io::Result<()> {
    match fs::rename(folder, place) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {}
        done => return done,
    }
    let near = tempfile::Builder::new().prefix(PACKING).tempdir_in(bundles(root))?;
    for path in files(folder) {
        let target = near.path().join(&path);
        fs::create_dir_all(target.parent().expect("it is in the folder"))?;
        fs::copy(folder.join(&path), target)?;
    }
    fs::rename(near.keep(), place)?;
    let _ = fs::remove_dir_all(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_depends_on_contents_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/b", "1");
        write("c", "2");
        let first = version(folder.path()).unwrap();
        assert_eq!(first, version(folder.path()).unwrap());
        write("c", "3");
        let second = version(folder.path()).unwrap();
        fs::rename(folder.path().join("c"), folder.path().join("d")).unwrap();
        let third = version(folder.path()).unwrap();
        assert!(first != second && second != third && first.len() == DIGITS);
    }
}
