//! Installed distributions, read from the `*.dist-info` and `*.egg-info` directories on an interpreter's path: the same
//! facts as `importlib.metadata`, without starting Python.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kale_model::Requirement;
use serde::Deserialize;

#[derive(Clone, Debug)]
pub struct Distribution {
    /// Lower case, runs of `-_.` as one `-`.
    pub name: String,
    pub version: String,
    metadata: PathBuf,
}

/// Where a distribution was installed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By name, from an index.
    Index,
    /// From a place that others can reach, too: what to give pip.
    Url(String),
    /// From a folder or file of this machine.
    Local(PathBuf),
}

/// What installers record of a direct reference (PEP 610).
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    vcs_info: Option<VcsInfo>,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct VcsInfo {
    vcs: String,
    commit_id: String,
}

/// Distributions of the path. Of those of one name the first, as for `import`.
pub fn installed(path: &[PathBuf]) -> Vec<Distribution> {
    let mut names = BTreeSet::new();
    let all = path.iter().flat_map(|directory| installed_in(directory));
    all.filter(|distribution| names.insert(distribution.name.clone())).collect()
}

/// Distributions of one directory of the path, by name.
fn installed_in(directory: &Path) -> Vec<Distribution> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<Distribution> = entries.filter_map(|entry| Distribution::at(entry.path())).collect();
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    found
}

impl Distribution {
    /// From the directory's own name, which the standards fix as `NAME-VERSION.dist-info`.
    fn at(metadata: PathBuf) -> Option<Distribution> {
        let file = metadata.file_name()?.to_str()?;
        let stem = file.strip_suffix(".dist-info").or_else(|| file.strip_suffix(".egg-info"))?;
        let mut parts = stem.splitn(3, '-');
        let (name, version) = (parts.next()?, parts.next());
        let version = version.map(str::to_owned).or_else(|| version_in_metadata(&metadata))?;
        Some(Distribution { name: normalise(name), version, metadata })
    }

    /// Top-level modules that it installs.
    pub fn modules(&self) -> Vec<String> {
        let mut modules = fs::read_to_string(self.metadata.join("top_level.txt"))
            .map(|text| text.lines().map(|line| line.trim().to_owned()).collect())
            .or_else(|_| fs::read_to_string(self.metadata.join("RECORD")).map(|record| modules_of_record(&record)))
            .unwrap_or_default();
        modules.retain(|module: &String| is_identifier(module));
        if modules.is_empty() {
            // An editable install lists no module: by custom it has the distribution's name.
            modules.push(self.name.replace('-', "_"));
        }
        modules
    }

    /// The packages and modules that it puts into the namespace `top`, dotted: `google.cloud.storage`.
    pub fn portions(&self, top: &str) -> BTreeSet<String> {
        let record = fs::read_to_string(self.metadata.join("RECORD")).unwrap_or_default();
        let files: Vec<&str> = record.lines().filter_map(|line| line.split(',').next()).collect();
        let packages: BTreeSet<&str> = files.iter().filter_map(|file| file.strip_suffix("/__init__.py")).collect();
        let below = files.into_iter().filter(|file| file.split('/').next() == Some(top));
        below.filter_map(|file| portion(file, &packages)).collect()
    }

    pub fn origin(&self) -> Origin {
        let text = fs::read_to_string(self.metadata.join("direct_url.json")).unwrap_or_default();
        let Ok(found) = serde_json::from_str::<DirectUrl>(&text) else { return Origin::Index };
        let folder = found.subdirectory.map_or(String::new(), |folder| format!("#subdirectory={folder}"));
        match (found.vcs_info, found.url.strip_prefix("file://")) {
            (Some(VcsInfo { vcs, commit_id }), _) => Origin::Url(format!("{vcs}+{}@{commit_id}{folder}", found.url)),
            (None, None) => Origin::Url(found.url),
            (None, Some(path)) => {
                let path = PathBuf::from(percent_decoded(path));
                // Conda's packages name the folder in which they were built, on another machine.
                if path.exists() { Origin::Local(path) } else { Origin::Index }
            }
        }
    }

    pub fn requirement(&self, origin: &Origin) -> Requirement {
        let spelling = match origin {
            Origin::Url(url) => Some(format!("{} @ {url}", self.name)),
            Origin::Index | Origin::Local(_) => None,
        };
        Requirement { spelling, ..Requirement::pinned(&self.name, &self.version) }
    }

    /// The distributions that it asks for, as its metadata spells them (PEP 508).
    pub fn requires(&self) -> Vec<String> {
        let text = fs::read_to_string(self.metadata.join("METADATA")).unwrap_or_default();
        let header = text.lines().take_while(|line| !line.is_empty());
        header.filter_map(|line| Some(line.strip_prefix("Requires-Dist:")?.trim().to_owned())).collect()
    }

    /// Where one of its modules lies, when it was installed from `folder` of this machine: among what is installed, or
    /// for a development install in the folder itself.
    pub fn place_of(&self, module: &str, folder: &Path) -> Option<PathBuf> {
        let site = self.metadata.parent().unwrap_or(folder);
        let places =
            [site.to_owned(), folder.to_owned(), folder.join("src"), folder.join("python"), folder.join("lib")];
        let candidates = places.iter().flat_map(|place| [place.join(module), place.join(format!("{module}.py"))]);
        candidates.into_iter().find(|path| path.is_file() || path.join("__init__.py").is_file())
    }
}

/// The shallowest package that a file is in, below its namespaces; the module itself where it is in none.
fn portion(file: &str, packages: &BTreeSet<&str>) -> Option<String> {
    let ends = file.match_indices('/').map(|(end, _)| end);
    let package = ends.map(|end| &file[..end]).find(|folder| packages.contains(folder));
    let (stem, is_module) = match file.strip_suffix(".py") {
        Some(stem) => (stem, true),
        None => (file.split('.').next().unwrap_or(file), is_extension(file)),
    };
    let dotted = |path: &str| path.replace('/', ".");
    package.map(dotted).or_else(|| is_module.then(|| dotted(stem)))
}

/// `%20` and the like as what they stand for.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `name.egg-info` of a development install has its version only inside.
fn version_in_metadata(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("PKG-INFO")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Version: ")).map(|version| version.trim().to_owned())
}

/// First components of the paths that are modules or packages.
fn modules_of_record(record: &str) -> Vec<String> {
    let mut modules: Vec<String> = vec![];
    for line in record.lines() {
        let path = line.split(',').next().unwrap_or_default();
        let module = match path.split_once('/') {
            Some((first, rest)) if rest.ends_with(".py") || is_extension(rest) => first,
            Some(_) => continue,
            None if path.ends_with(".py") || is_extension(path) => path.split('.').next().unwrap_or_default(),
            None => continue,
        };
        if modules.last().map(String::as_str) != Some(module) {
            modules.push(module.to_owned());
        }
    }
    modules.sort();
    modules.dedup();
    modules
}

fn is_extension(path: &str) -> bool {
    path.ends_with(".so") || path.ends_with(".pyd")
}

pub fn normalise(name: &str) -> String {
    kale_model::name::slug(name, '-')
}

pub fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
