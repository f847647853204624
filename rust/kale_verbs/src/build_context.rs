//! `compile --build-context DIR`: what an image for the steps is built from.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use kale_model::{Pipeline, Requirement};
use kale_targets::{Files, image};

use crate::compile;
use crate::error::VerbError;
use crate::lock::lock;
use crate::notebook::plain;
use crate::session::Session;
use crate::source::Compiled;

/// An image may hold more than a command line, and is no place for data sets.
const LARGEST: u64 = 100 << 20;

/// The files that go into the image. What they do not hold is missing there, too.
pub fn files(compiled: &Compiled, pipeline: &Pipeline) -> Files {
    compile::files(compiled, pipeline, LARGEST).files
}

/// Writes the build context, and gives its files.
pub fn write(
    session: &Session,
    compiled: &Compiled,
    pipeline: &Pipeline,
    files: Files,
    folder: &Path,
) -> Result<Vec<PathBuf>, VerbError> {
    let locked = lock(&compiled.interpreter, pipeline)?.packages;
    // What is installed from a folder of this machine travels as files.
    let published: Vec<Requirement> = locked.into_iter().filter(|one| !is_of_this_machine(one)).collect();
    let root = session.directory.join(folder);
    make_room(folder, &root)?;
    let context = image::build_context(pipeline, &published, files);
    let written = context.iter().map(|(path, content)| {
        let place = root.join(path);
        kale_engine::replace_file(&place, |file| file.write_all(content))
            .map_err(|error| VerbError::writing(&place, plain(&error)))?;
        Ok(folder.join(path))
    });
    written.collect()
}

fn is_of_this_machine(requirement: &Requirement) -> bool {
    requirement.spelling.as_deref().is_some_and(|spelling| spelling.contains("file:") || spelling.contains("@ /"))
}

/// Removes what an earlier compilation has left in the folder. Refuses one that holds anything else: a person has put it
/// there, and what lies below `files` is removed.
fn make_room(shown: &Path, root: &Path) -> Result<(), VerbError> {
    let mut entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_ours = || fs::read_to_string(root.join(image::DOCKERFILE)).is_ok_and(|text| text.starts_with(image::MARK));
    let may_hold = |name: &OsString| {
        [image::DOCKERFILE, image::REQUIREMENTS, image::FILES].iter().any(|ours| name == ours) && is_ours()
    };
    if let Some(other) = entries.find(|name| !may_hold(name)) {
        let message =
            format!("`{}` holds `{}`, which is no part of a build context", shown.display(), other.to_string_lossy());
        let help = "name a folder that is empty, not there yet, or was written by `--build-context` before";
        return Err(VerbError::usage(message, help));
    }
    for removed in [fs::remove_dir_all(root.join(image::FILES)), fs::remove_file(root.join(image::REQUIREMENTS))] {
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(VerbError::writing(root, plain(&error))),
            _ => {}
        }
    }
    Ok(())
}
