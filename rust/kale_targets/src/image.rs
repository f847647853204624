//! What an image for a pipeline's steps is built from, for people who want one: a Dockerfile, requirements, and the files
//! that steps need from beside the notebook. With it a step installs nothing, and has files that are too large to travel.
//!
//! What does travel still comes along, since it may have changed since the image was built. Digests in the image say which
//! files are as it has brought them: those give way (see [`crate::kfp`], `PLACE_FILES`).

use std::collections::BTreeMap;

use kale_model::{Pipeline, Requirement};

use crate::packed::Files;
use crate::text::sha256;

/// The first line of every Dockerfile of ours.
pub const MARK: &str = "# Made by kale_rs";
pub const DOCKERFILE: &str = "Dockerfile";
pub const REQUIREMENTS: &str = "requirements.txt";
/// The folder with what lies beside the notebook.
pub const FILES: &str = "files";
/// Among these files: SHA-256 of each, as JSON. Steps look for it in their working directory.
const DIGESTS: &str = ".kale_rs_files.json";

/// Files by path within the build context; `requirements` are all packages of the image.
pub fn build_context(pipeline: &Pipeline, requirements: &[Requirement], files: Files) -> Files {
    let mut context = Files::new();
    let lines: String = requirements.iter().map(|requirement| format!("{requirement}\n")).collect();
    let dockerfile = dockerfile(pipeline, !requirements.is_empty(), !files.is_empty());
    context.insert(DOCKERFILE.to_owned(), dockerfile.into_bytes());
    if !requirements.is_empty() {
        context.insert(REQUIREMENTS.to_owned(), lines.into_bytes());
    }
    if !files.is_empty() {
        context.insert(format!("{FILES}/{DIGESTS}"), digests(&files));
    }
    context.extend(files.into_iter().map(|(path, content)| (format!("{FILES}/{path}"), content)));
    context
}

fn digests(files: &Files) -> Vec<u8> {
    let digests: BTreeMap<&str, String> =
        files.iter().map(|(path, content)| (path.as_str(), sha256(content))).collect();
    let mut text = serde_json::to_string_pretty(&digests).expect("texts are plain data");
    text.push('\n');
    text.into_bytes()
}

fn dockerfile(pipeline: &Pipeline, installs: bool, has_files: bool) -> String {
    let base = pipeline.base_image.clone().unwrap_or_else(|| format!("python:{}-slim", pipeline.python));
    let mut text = format!(
        "{MARK}: an image for the steps of the pipeline `{}`.\n\
         #\n\
         #     docker build --tag IMAGE .\n\
         #\n\
         # An overlay with `image: IMAGE` makes the steps use it. Add `--build-arg RUN_AS=1000` where it is not to run as\n\
         # root. An index that wants credentials is told without leaving them in the image, to pip or to uv:\n\
         # `--secret id=pip.conf,src=FILE` or `--secret id=uv.toml,src=FILE`.\n\
         FROM {base}\n\
         ARG RUN_AS=root\n\
         USER root\n",
        pipeline.name
    );
    if installs {
        text.push_str(&INSTALL.replace("REQUIREMENTS", REQUIREMENTS));
    }
    text.push_str("WORKDIR /work\n");
    if has_files {
        text.push_str(&format!("COPY {FILES}/ ./\n"));
    }
    // Clusters may run it as any user.
    text.push_str("RUN chmod -R a+rwX .\nUSER ${RUN_AS}\n");
    text
}

/// By what the image has, and where packages of the system may not be touched otherwise: as `install.py` does.
const INSTALL: &str = "\
COPY REQUIREMENTS /tmp/REQUIREMENTS
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=uv.toml,target=/etc/uv/uv.toml \\
    if python3 -m pip --version >/dev/null 2>&1; \\
    then PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore \\
      python3 -m pip install --no-cache-dir --requirement /tmp/REQUIREMENTS; \\
    else uv pip install --no-cache --break-system-packages --python \"$(command -v python3)\" \\
      --requirement /tmp/REQUIREMENTS; \\
    fi
";
