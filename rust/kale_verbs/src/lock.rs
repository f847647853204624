//! The lock of an isolated run, or of a service: what it needs, and what that needs in turn, at the versions installed
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use kale_model::{Lock, Pipeline, Requirement};
use pep508_rs::{ExtraName, MarkerEnvironment};

use crate::distributions::{self, Distribution};
use crate::environment;
use crate::error::VerbError;
use crate::session::Interpreter;

/// A dependency as metadata spells it (PEP 508): `dask[array]>=2024 ; python_version < "3.12"`.
type Dependency = pep508_rs::Requirement;
/// Distributions by name, with the extras that are wanted of each.
type Wanted = BTreeMap<String, BTreeSet<ExtraName>>;

pub fn lock(interpreter: &Interpreter, pipeline: &Pipeline) -> Result<Lock, VerbError> {
    let installed = distributions::installed(&interpreter.path);
    let installed: BTreeMap<&str, &Distribution> = installed.iter().map(|one| (one.name.as_str(), one)).collect();
    let closure = Closure { installed: &installed, markers: markers(interpreter)? };
    let mut packages: BTreeMap<String, Requirement> = BTreeMap::new();
    let mut steps = BTreeMap::new();
    for step in &pipeline.steps {
        let names: BTreeSet<String> = closure.of(&step.requirements).into_keys().collect();
        let own = |name: &str| step.requirements.iter().find(|requirement| requirement.name == name);
        for name in &names {
            let here = || installed.get(name.as_str()).map(|one| one.requirement(&one.origin()));
            if let Some(requirement) = own(name).cloned().or_else(here) {
                // A step that imports it may ask for extras, which must not be lost to one that needs it in passing.
                let known = packages.entry(name.clone()).or_insert_with(|| requirement.clone());
                if known.spelling.is_none() {
                    *known = requirement;
                }
            }
        }
        steps.insert(step.name.to_string(), names);
    }
    Ok(Lock { packages: packages.into_values().collect(), steps })
}

/// What modules need, by their dotted names, and what that needs in turn; sorted by name. Modules that nobody has
/// installed come with Python, or travel as files.
pub fn of_modules(interpreter: &Interpreter, modules: &[String]) -> Result<Vec<Requirement>, VerbError> {
    let known = environment::scan(interpreter, Path::new("/nowhere")).modules;
    let roots: BTreeMap<String, Requirement> = modules
        .iter()
        .filter_map(|module| owner(&known, module))
        .map(|requirement| (requirement.name.clone(), requirement.clone()))
        .collect();
    let roots: Vec<Requirement> = roots.into_values().collect();
    let installed = distributions::installed(&interpreter.path);
    let installed: BTreeMap<&str, &Distribution> = installed.iter().map(|one| (one.name.as_str(), one)).collect();
    let closure = Closure { installed: &installed, markers: markers(interpreter)? };
    let found = closure.of(&roots).into_keys();
    Ok(found.filter_map(|name| installed.get(name.as_str()).map(|one| one.requirement(&one.origin()))).collect())
}

/// Who installs a module: of a namespace's portions the one that it is in.
fn owner<'k>(known: &'k BTreeMap<String, Requirement>, module: &str) -> Option<&'k Requirement> {
    let mut name = module;
    loop {
        if let Some(requirement) = known.get(name) {
            return Some(requirement);
        }
        name = name.rsplit_once('.')?.0;
    }
}

struct Closure<'a> {
    installed: &'a BTreeMap<&'a str, &'a Distribution>,
    markers: MarkerEnvironment,
}

impl Closure<'_> {
    /// The distributions that `roots` need here, themselves included. What is not installed here is not needed, however
    /// much metadata asks for it: the notebook goes without.
    fn of(&self, roots: &[Requirement]) -> Wanted {
        let mut wanted = Wanted::new();
        let mut todo: Vec<(String, Vec<ExtraName>)> =
            roots.iter().map(|root| (root.name.clone(), extras(root))).collect();
        while let Some((name, extras)) = todo.pop() {
            let is_new = !wanted.contains_key(&name);
            let known = wanted.entry(name.clone()).or_default();
            let more = extras.into_iter().filter(|extra| known.insert(extra.clone())).count();
            if !is_new && more == 0 {
                continue;
            }
            let extras: Vec<ExtraName> = known.iter().cloned().collect();
            todo.extend(self.dependencies(&name, &extras));
        }
        wanted
    }

    fn dependencies(&self, name: &str, extras: &[ExtraName]) -> Vec<(String, Vec<ExtraName>)> {
        let lines = self.installed.get(name).map(|one| one.requires()).unwrap_or_default();
        let dependencies = lines.iter().filter_map(|line| Dependency::from_str(line).ok());
        let needed = dependencies.filter(|dependency| dependency.evaluate_markers(&self.markers, extras));
        let named = needed.map(|dependency| (distributions::normalise(dependency.name.as_ref()), dependency.extras));
        named.filter(|(name, _)| self.installed.contains_key(name.as_str())).collect()
    }
}

fn extras(requirement: &Requirement) -> Vec<ExtraName> {
    let spelled = requirement.spelling.as_deref().and_then(|text| Dependency::from_str(text).ok());
    spelled.map(|dependency| dependency.extras).unwrap_or_default()
}

/// What markers such as `python_version < "3.12"` are held against.
fn markers(interpreter: &Interpreter) -> Result<MarkerEnvironment, VerbError> {
    const QUESTION: &str = "import json, os, platform as p, sys; i = sys.implementation; v = '%d.%d.%d' % i.version[:3]; \
         print(json.dumps({'implementation_name': i.name, 'implementation_version': v, 'os_name': os.name, \
         'platform_machine': p.machine(), 'platform_python_implementation': p.python_implementation(), \
         'platform_release': p.release(), 'platform_system': p.system(), 'platform_version': p.version(), \
         'python_full_version': p.python_version(), 'python_version': '.'.join(p.python_version_tuple()[:2]), \
         'sys_platform': sys.platform}))";
    let output = Command::new(&interpreter.executable).args(["-I", "-S", "-c", QUESTION]).stdin(Stdio::null()).output();
    let said = output.map_err(|error| crate::notebook::plain(&error)).and_then(|output| {
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let told = String::from_utf8_lossy(&output.stderr);
            told.lines().last().map_or_else(|| error.to_string(), str::to_owned)
        })
    });
    said.map_err(|reason| {
        VerbError::usage(
            format!("`{}` is not a Python that runs: {reason}", interpreter.executable.display()),
            "give the path of an interpreter, such as `--python .venv/bin/python`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn write(site: &Path, name: &str, requires: &[&str]) {
        let folder = site.join(format!("{name}-1.dist-info"));
        fs::create_dir_all(&folder).unwrap();
        let lines: String = requires.iter().map(|line| format!("Requires-Dist: {line}\n")).collect();
        fs::write(folder.join("METADATA"), format!("Name: {name}\n{lines}\nRequires-Dist: not-a-header\n")).unwrap();
    }

    #[test]
    fn what_is_needed_in_turn_is_followed_as_far_as_it_is_installed() {
        let site = tempfile::tempdir().unwrap();
        write(site.path(), "a", &["b", "c ; sys_platform == 'win32'", "d[fast] (>=1)", "gone"]);
        write(site.path(), "b", &["a", "E_x>=1 ; python_version >= '3.10'"]);
        write(site.path(), "d", &["f ; extra == 'fast'", "g ; extra == 'slow'"]);
        ["c", "e.x", "f", "g", "not-a-header"].iter().for_each(|name| write(site.path(), name, &[]));
        let installed = distributions::installed(&[site.path().to_owned()]);
        let installed = installed.iter().map(|one| (one.name.as_str(), one)).collect();
        let values = r#"{"implementation_name": "cpython", "implementation_version": "3.12.1", "os_name": "posix",
            "platform_machine": "x86_64", "platform_python_implementation": "CPython", "platform_release": "6",
            "platform_system": "Linux", "platform_version": "1", "python_full_version": "3.12.1",
            "python_version": "3.12", "sys_platform": "linux"}"#;
        let closure = Closure { installed: &installed, markers: serde_json::from_str(values).unwrap() };
        let names = |roots: &[Requirement]| closure.of(roots).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&[Requirement::pinned("a", "1")]), ["a", "b", "d", "e-x", "f"]);
        let slow = Requirement { spelling: Some("d[slow]==1".to_owned()), ..Requirement::pinned("d", "1") };
        assert_eq!(names(&[slow]), ["d", "g"]);
    }
}
