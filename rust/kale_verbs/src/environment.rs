//! What is installed for an interpreter, read from the `*.dist-info` and `*.egg-info` directories on its path: the
//! same facts as `importlib.metadata`, without starting Python.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kale_model::{Environment, Requirement};

use crate::session::Interpreter;

pub fn scan(interpreter: &Interpreter, notebook_directory: &Path) -> Environment {
    let mut environment = Environment {
        python: interpreter.version,
        modules: BTreeMap::new(),
        distributions: BTreeMap::new(),
        local_modules: local_modules(notebook_directory),
        exports: BTreeMap::new(),
        module_states: BTreeMap::new(),
    };
    for directory in &interpreter.path {
        for distribution in installed_in(directory) {
            add(&mut environment, &distribution);
        }
    }
    environment
}

struct Distribution {
    /// Lower case, runs of `-_.` as one `-`.
    name: String,
    version: String,
    metadata: PathBuf,
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
    fn modules(&self) -> Vec<String> {
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

/// The first on the path wins, as for `import`; of several distributions that share a namespace package, the one of
/// its own name.
fn add(environment: &mut Environment, distribution: &Distribution) {
    if environment.distributions.contains_key(&distribution.name) {
        return;
    }
    environment.distributions.insert(distribution.name.clone(), distribution.version.clone());
    let requirement = Requirement { name: distribution.name.clone(), version: distribution.version.clone() };
    for module in distribution.modules() {
        if !environment.modules.contains_key(&module) || normalise(&module) == distribution.name {
            environment.modules.insert(module, requirement.clone());
        }
    }
}

fn normalise(name: &str) -> String {
    kale_model::name::slug(name, '-')
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// `x.py` and packages beside the notebook, sorted.
fn local_modules(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut modules: Vec<String> = entries.filter_map(|entry| local_module(&entry.path())).collect();
    modules.sort();
    modules.dedup();
    modules
}

fn local_module(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let module = match name.strip_suffix(".py") {
        Some(module) => module,
        None if path.is_dir() && holds_python(path) => name,
        None => return None,
    };
    is_identifier(module).then(|| module.to_owned())
}

fn holds_python(directory: &Path) -> bool {
    let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|extension| extension == "py"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kale_model::PythonVersion;

    fn interpreter(path: Vec<PathBuf>) -> Interpreter {
        let version = PythonVersion { major: 3, minor: 12 };
        let (executable, full_version) = (PathBuf::from("python"), "3.12.1".to_owned());
        Interpreter { executable, version, full_version, prefix: "/p".into(), base_prefix: "/p".into(), path }
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn modules_come_from_top_level_or_record() {
        let site = tempfile::tempdir().unwrap();
        write(&site.path().join("scikit_learn-1.9.0.dist-info/top_level.txt"), "sklearn\n");
        write(
            &site.path().join("Python_Dateutil-2.9.dist-info/RECORD"),
            "dateutil/__init__.py,sha256=x,1\ndateutil/tz/a.py,,\n../../bin/tool,,\nsix.py,,\nlib.libs/x.so.1,,\n",
        );
        write(&site.path().join("own_thing-0.1.dist-info/RECORD"), "__editable__.own_thing.pth,,\n");
        let found = scan(&interpreter(vec![site.path().into()]), Path::new("/nowhere"));
        assert_eq!(found.modules["sklearn"].to_string(), "scikit-learn==1.9.0");
        assert_eq!(found.modules["dateutil"].to_string(), "python-dateutil==2.9");
        assert_eq!(found.modules["six"].to_string(), "python-dateutil==2.9");
        assert_eq!(found.modules["own_thing"].to_string(), "own-thing==0.1");
        assert_eq!(found.modules.len(), 4);
    }

    #[test]
    fn the_first_on_the_path_wins() {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(&near.path().join("a-2.dist-info/top_level.txt"), "a\n");
        write(&far.path().join("a-1.dist-info/top_level.txt"), "a\n");
        let found = scan(&interpreter(vec![near.path().into(), far.path().into()]), Path::new("/nowhere"));
        assert_eq!(found.distributions["a"], "2");
    }

    #[test]
    fn a_namespace_belongs_to_the_distribution_of_its_name() {
        let site = tempfile::tempdir().unwrap();
        for name in ["aaa_google", "google", "zzz_google"] {
            write(&site.path().join(format!("{name}-1.dist-info/top_level.txt")), "google\n");
        }
        let found = scan(&interpreter(vec![site.path().into()]), Path::new("/nowhere"));
        assert_eq!(found.modules["google"].name, "google");
    }

    #[test]
    fn modules_beside_the_notebook() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("helpers.py"), "");
        write(&directory.path().join("package/__init__.py"), "");
        write(&directory.path().join("data/table.csv"), "");
        write(&directory.path().join("not-a-module.py"), "");
        assert_eq!(local_modules(directory.path()), ["helpers", "package"]);
    }
}
