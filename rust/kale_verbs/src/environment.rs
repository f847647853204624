//! What the notebook's environment has to do with a compilation: what is installed, and what lies beside the notebook.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kale_model::{Environment, Requirement};

use crate::distributions::{self, Distribution, Origin, is_identifier, normalise};
use crate::session::Interpreter;

/// Steps bring their own part of it.
const OURS: &str = "kale-rs";

pub fn scan(interpreter: &Interpreter, notebook_directory: &Path) -> Environment {
    let mut environment = Environment {
        python: interpreter.version,
        local_modules: local_modules(notebook_directory),
        ..Environment::default()
    };
    let installed = distributions::installed(&interpreter.path);
    let mut owners: BTreeMap<String, Vec<(&Distribution, Requirement)>> = BTreeMap::new();
    for distribution in &installed {
        environment.distributions.insert(distribution.name.clone(), distribution.version.clone());
        let origin = distribution.origin();
        let requirement = distribution.requirement(&origin);
        for module in distribution.modules() {
            if let Origin::Local(folder) = &origin
                && distribution.name != OURS
                && let Some(place) = distribution.place_of(&module, folder)
            {
                environment.unpublished.insert(module.clone(), place.to_string_lossy().into_owned());
            }
            owners.entry(module).or_default().push((distribution, requirement.clone()));
        }
    }
    for (module, owners) in owners {
        own(&mut environment.modules, &module, &owners);
    }
    environment
}

/// Records who installs a module. Of several distributions that share a namespace package, that of its name has the
/// namespace itself, else the first; and each has its own portion.
fn own(modules: &mut BTreeMap<String, Requirement>, module: &str, owners: &[(&Distribution, Requirement)]) {
    let of_its_name = owners.iter().find(|(distribution, _)| distribution.name == normalise(module));
    if let Some((_, requirement)) = of_its_name.or(owners.first()) {
        modules.insert(module.to_owned(), requirement.clone());
    }
    if owners.len() > 1 {
        for (distribution, requirement) in owners {
            let portions: BTreeSet<String> = distribution.portions(module);
            let inner = portions.into_iter().filter(|portion| portion != module);
            modules.extend(inner.map(|portion| (portion, requirement.clone())));
        }
    }
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
    use std::path::PathBuf;

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
    fn portions_of_a_namespace_belong_to_who_installs_them() {
        let site = tempfile::tempdir().unwrap();
        let record = |text: &str| text.split(' ').map(|file| format!("{file},,\n")).collect::<String>();
        write(
            &site.path().join("g_storage-1.dist-info/RECORD"),
            &record("google/cloud/storage/__init__.py google/cloud/storage/blob.py google/cloud/single.py"),
        );
        write(
            &site.path().join("protobuf-4.dist-info/RECORD"),
            &record("google/protobuf/__init__.py google/_x.abi3.so"),
        );
        let found = scan(&interpreter(vec![site.path().into()]), Path::new("/nowhere"));
        let owners: Vec<String> =
            found.modules.iter().map(|(module, owner)| format!("{module} {}", owner.name)).collect();
        let expected = [
            "google g-storage",
            "google._x protobuf",
            "google.cloud.single g-storage",
            "google.cloud.storage g-storage",
            "google.protobuf protobuf",
        ];
        assert_eq!(owners, expected);
    }

    #[test]
    fn what_is_not_from_an_index_is_told() {
        let site = tempfile::tempdir().unwrap();
        let project = site.path().join("my project");
        write(&project.join("src/mine/__init__.py"), "");
        let url = |name: &str, text: String| {
            write(&site.path().join(format!("{name}-1.dist-info/direct_url.json")), &text);
        };
        let folder = project.display().to_string().replace(' ', "%20");
        url("mine", format!(r#"{{"url": "file://{folder}", "dir_info": {{"editable": true}}}}"#));
        url("conda", r#"{"url": "file:///croot/conda_1234/work", "dir_info": {}}"#.to_owned());
        let git = r#"{"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}"#;
        url("fetched", git.to_owned());
        let found = scan(&interpreter(vec![site.path().into()]), Path::new("/nowhere"));
        assert_eq!(found.modules["fetched"].to_string(), "fetched @ git+https://example.org/x.git@c0ffee");
        assert_eq!(found.modules["conda"].to_string(), "conda==1");
        let mine = project.join("src/mine").display().to_string();
        assert_eq!(found.unpublished.into_iter().collect::<Vec<_>>(), [("mine".to_owned(), mine)]);
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
