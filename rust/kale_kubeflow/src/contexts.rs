//! The file of contexts, in the user's configuration directory:
//!
//! ```toml
//! version = 1
//! current = "dev"
//!
//! [contexts.dev]
//! kfp = "https://kubeflow.example.org/pipeline"
//! namespace = "team"
//! auth = "token-env:KFP_TOKEN"
//! ```
//!
//! Only its owner can read it, although it holds no secrets: where clusters are is nobody else's business. It is replaced
//! as a whole, and whoever changes it holds a lock, so that two terminals do not undo each other's changes.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::context::{Cluster, Context, ContextName, LOCAL};
use crate::error::{Kind, KubeflowError};

/// Changes when an older kale_rs could not cope.
const VERSION: u32 = 1;
const FILE: &str = "contexts.toml";
/// The folder that holds the file, for tests and for machines that people share.
const FOLDER_VARIABLE: &str = "KALE_RS_CONFIG";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default = "local")]
    current: String,
    #[serde(default)]
    contexts: BTreeMap<ContextName, Cluster>,
}

fn local() -> String {
    LOCAL.to_owned()
}

impl Default for Document {
    fn default() -> Document {
        Document { version: VERSION, current: local(), contexts: BTreeMap::new() }
    }
}

/// The contexts of a user, as they were when they were read.
#[derive(Clone, Debug)]
pub struct Contexts {
    path: PathBuf,
    document: Document,
}

impl Contexts {
    /// Those of the user: below `KALE_RS_CONFIG`, else `XDG_CONFIG_HOME/kale_rs`, else `~/.config/kale_rs`.
    pub fn open_default() -> Result<Contexts, KubeflowError> {
        Contexts::open(&default_folder()?)
    }

    /// Those of a folder, which need not exist.
    pub fn open(folder: &Path) -> Result<Contexts, KubeflowError> {
        let path = folder.join(FILE);
        let document = match fs::read_to_string(&path) {
            Ok(text) => parse(&text, &path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(KubeflowError::file("read", &path, &error)),
        };
        Ok(Contexts { path, document })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of them: `local` first, then clusters by name.
    pub fn all(&self) -> Vec<Context> {
        let clusters = self.document.contexts.values().map(|cluster| Context::Cluster(Box::new(cluster.clone())));
        std::iter::once(Context::Local).chain(clusters).collect()
    }

    pub fn find(&self, name: &str) -> Result<Context, KubeflowError> {
        if name == LOCAL {
            return Ok(Context::Local);
        }
        let found = self.document.contexts.values().find(|cluster| cluster.name.as_str() == name);
        found.map(|cluster| Context::Cluster(Box::new(cluster.clone()))).ok_or_else(|| self.no_such(name))
    }

    fn no_such(&self, name: &str) -> KubeflowError {
        let names: Vec<&str> = self.document.contexts.keys().map(ContextName::as_str).collect();
        let known = std::iter::once(LOCAL).chain(names).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let help = format!("there are {known}; `kale-rs context add` makes another");
        KubeflowError::usage(format!("there is no context `{}`", name.escape_debug()), help)
    }

    /// The one that is meant where none is named. Somebody who has mended the file by hand may have taken it out: then
    /// [`Contexts::find`] says so, since to go on somewhere else would be a guess.
    pub fn current(&self) -> &str {
        &self.document.current
    }

    /// Adds a context, or with `replace` puts it in the place of one of that name.
    pub fn add(&mut self, cluster: Cluster, replace: bool) -> Result<(), KubeflowError> {
        self.change(|document, _| {
            if document.contexts.contains_key(&cluster.name) && !replace {
                let message = format!("there is a context `{}` already", cluster.name);
                return Err(KubeflowError::usage(message, "choose another name, or add `--replace`"));
            }
            document.contexts.insert(cluster.name.clone(), cluster);
            Ok(())
        })
    }

    pub fn choose(&mut self, name: &str) -> Result<(), KubeflowError> {
        self.change(|document, contexts| {
            contexts.find(name)?;
            document.current = name.to_owned();
            Ok(())
        })
    }

    /// Removes a context and gives it. If it was the current one, `local` is.
    pub fn remove(&mut self, name: &str) -> Result<Cluster, KubeflowError> {
        self.change(|document, contexts| {
            let Context::Cluster(cluster) = contexts.find(name)? else {
                return Err(KubeflowError::usage(
                    "`local` is this machine, and cannot be removed",
                    "name another context",
                ));
            };
            document.contexts.remove(&cluster.name);
            if document.current == name {
                document.current = local();
            }
            Ok(*cluster)
        })
    }

    /// Changes the file as it is now, which need not be what was read before.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Document, &Contexts) -> Result<T, KubeflowError>,
    ) -> Result<T, KubeflowError> {
        let folder = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let failed = |error: std::io::Error| KubeflowError::file("write", &self.path, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let lock = lock(&folder).map_err(failed)?;
        let now = Contexts::open(&folder)?;
        let mut document = now.document.clone();
        let done = change(&mut document, &now)?;
        write(&self.path, &document).map_err(failed)?;
        drop(lock);
        self.document = document;
        Ok(done)
    }
}

fn parse(text: &str, path: &Path) -> Result<Document, KubeflowError> {
    let fault = |reason: String, help: &str| {
        KubeflowError::new(Kind::File, format!("`{}` cannot be used: {reason}", path.display()), help)
    };
    let mend = "mend it, or move it away and add the contexts again";
    // Only what kind of fault it is and where: a message that quotes a value might quote a secret.
    let place = |error: &toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let kind = error.message().split(": ").next().unwrap_or_default();
        format!("line {line}: {kind}")
    };
    let table: toml::Table = toml::from_str(text).map_err(|error| fault(place(&error), mend))?;
    let version = table.get("version").and_then(toml::Value::as_integer).unwrap_or_default();
    if version > i64::from(VERSION) {
        return Err(fault(
            format!("it has version {version}, and this kale_rs reads version {VERSION}"),
            "upgrade kale_rs",
        ));
    }
    let mut document: Document = toml::from_str(text).map_err(|error| fault(place(&error), mend))?;
    for (name, cluster) in &mut document.contexts {
        cluster.name = name.clone();
    }
    Ok(document)
}

/// Held by whoever changes the file, until the value is dropped.
fn lock(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(".contexts.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

/// All of it or nothing, whatever happens. A temporary file is the owner's alone from the beginning. Where the file is a
/// link, into a repository of settings for instance, what it leads to is replaced.
fn write(path: &Path, document: &Document) -> std::io::Result<()> {
    let text = toml::to_string(document).map_err(std::io::Error::other)?;
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn default_folder() -> Result<PathBuf, KubeflowError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable(FOLDER_VARIABLE) {
        return std::path::absolute(&folder).map_err(|error| KubeflowError::file("find", &folder, &error));
    }
    // The specification of these folders says to ignore a relative one.
    let standard = variable("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
    let home = || std::env::home_dir().map(|home| home.join(".config"));
    standard.or_else(home).map(|folder| folder.join("kale_rs")).ok_or_else(|| {
        KubeflowError::new(
            Kind::File,
            "there is no home directory to keep contexts in",
            "set KALE_RS_CONFIG to a folder",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::context::Auth;

    fn cluster(name: &str) -> Cluster {
        Cluster {
            name: name.parse().unwrap(),
            kfp: Some("https://host/pipeline".parse().unwrap()),
            ui: None,
            namespace: Some("team".to_owned()),
            auth: Auth::TokenEnv("TOKEN".to_owned()),
            ca: None,
            insecure_skip_verify: false,
            proxy: None,
            overlay: None,
            kfp_namespace: None,
        }
    }

    fn names(contexts: &Contexts) -> Vec<String> {
        contexts.all().iter().map(|context| context.name().to_owned()).collect()
    }

    #[test]
    fn what_is_added_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("deep/er");
        let mut contexts = Contexts::open(&folder).unwrap();
        assert_eq!((names(&contexts), contexts.current()), (vec!["local".to_owned()], "local"));
        contexts.add(cluster("dev"), false).unwrap();
        contexts.add(cluster("a.b"), false).unwrap();
        contexts.choose("dev").unwrap();
        let again = Contexts::open(&folder).unwrap();
        assert_eq!((names(&again).join(" "), again.current()), ("local a.b dev".to_owned(), "dev"));
        assert_eq!(again.find("a.b").unwrap(), Context::Cluster(Box::new(cluster("a.b"))));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(contexts.path()), mode(&folder)), (0o600, 0o700));
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let [settings, config] = ["settings", "config"].map(|name| folder.path().join(name));
        fs::create_dir(&settings).and_then(|()| fs::create_dir(&config)).unwrap();
        fs::write(settings.join("mine.toml"), "version = 1\n").unwrap();
        std::os::unix::fs::symlink(settings.join("mine.toml"), config.join(FILE)).unwrap();
        Contexts::open(&config).unwrap().add(cluster("dev"), false).unwrap();
        assert!(config.join(FILE).is_symlink());
        assert!(fs::read_to_string(settings.join("mine.toml")).unwrap().contains("[contexts.dev]"));
    }

    #[test]
    fn nothing_is_lost_by_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let mut contexts = Contexts::open(folder.path()).unwrap();
        let mut elsewhere = contexts.clone();
        contexts.add(cluster("dev"), false).unwrap();
        assert!(elsewhere.add(cluster("dev"), false).unwrap_err().help.contains("--replace"));
        elsewhere.add(cluster("test"), false).unwrap();
        assert_eq!(names(&elsewhere), ["local", "dev", "test"]);
        fs::write(contexts.path(), "version = 1\ncurrent = \"gone\"\n[contexts.dev]\nauth = \"in-cluster\"\n").unwrap();
        let mended = Contexts::open(folder.path()).unwrap();
        assert!(mended.find(mended.current()).unwrap_err().help.contains("`local`, `dev`"));
        contexts.add(cluster("test"), true).unwrap();
        assert!(contexts.remove("local").is_err() && contexts.choose("nowhere").is_err());
        contexts.choose("dev").unwrap();
        contexts.remove("dev").unwrap();
        assert_eq!((names(&contexts), contexts.current()), (vec!["local".to_owned(), "test".to_owned()], "local"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for (text, told) in [
            ("version = 1\n[contexts.dev]\nauth = \"hunter2\"\n", "line 3"),
            ("version = 1\n[contexts.dev]\nauth = \"none\"\ntoken = \"hunter2\"\n", "line 4"),
            ("version = 2\n", "version 2"),
            ("not toml", "line 1"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Contexts::open(folder.path()).unwrap_err();
            assert!(error.message.contains(told) && !error.message.contains("hunter2"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
