//! Which runs a warm process may serve: those whose steps, started plainly, would find the same.
//!
//! That is: the same program, the same imports, and all that a process inherits and an import may read. A library
//! decides on its threads while it is imported, from variables and from the processors it may use.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use kale_store::{Digest, HOME_VARIABLE};
use serde_json::{Value, json};

use super::protocol::VERSION;
use crate::process::MARKER;
use crate::worker::Launch;

/// Environment variables that change from run to run and decide nothing while modules are imported. Forks get them
/// anew.
const FLEETING: &[&str] = &[
    "COLUMNS",
    "JPY_PARENT_PID",
    "JPY_SESSION_NAME",
    "LINES",
    "OLDPWD",
    "PWD",
    "PYTEST_CURRENT_TEST",
    "SHLVL",
    "TERM_SESSION_ID",
    "WINDOWID",
    "_",
    HOME_VARIABLE,
];
/// Of `/proc/self/status`.
const INHERITED: &[&str] = &["Umask", "Uid", "Gid", "Groups", "Seccomp", "Cpus_allowed", "Mems_allowed", "CapEff"];

pub fn digest(launch: &Launch, imports: &[Value], runtime: &Digest) -> Digest {
    let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    environment.extend(launch.environment.iter().cloned());
    environment.retain(|name, _| name != MARKER && !FLEETING.iter().any(|fleeting| name == fleeting));
    let bytes = |text: &OsString| text.as_encoded_bytes().to_vec();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
    let key = json!([VERSION, launch.python, launch.runtime, runtime, imports, environment, circumstances()]);
    Digest::of(key.to_string().as_bytes())
}

/// The present values of the fleeting variables; none for one that is not set.
pub fn fleeting() -> BTreeMap<&'static str, Option<String>> {
    FLEETING.iter().map(|name| (*name, std::env::var(name).ok())).collect()
}

fn circumstances() -> Vec<String> {
    let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let status = read("status");
    let is_inherited = |line: &&str| INHERITED.iter().any(|name| line.starts_with(&format!("{name}:")));
    let inherited: Vec<&str> = status.lines().filter(is_inherited).collect();
    // The niceness, 17 fields behind the name, which may itself hold spaces.
    let stat = read("stat");
    let nice = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(16)).unwrap_or_default();
    vec![inherited.join("\n"), nice.to_owned(), read("limits"), read("cgroup")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(python: &str) -> Launch {
        let environment = vec![("PYTHONHASHSEED".into(), "0".into())];
        Launch { python: python.into(), environment, ..Launch::default() }
    }

    #[test]
    fn what_imports_may_read_is_part_of_the_key() {
        let (runtime, imports) = (Digest::of(b""), [json!(["import", "import numpy"])]);
        let key = digest(&launch("python3"), &imports, &runtime);
        assert_eq!(digest(&launch("python3"), &imports, &runtime), key);
        let step = Launch { marker: "other".to_owned(), directory: "/other".into(), ..launch("python3") };
        assert_eq!(digest(&step, &imports, &runtime), key);
        assert_ne!(digest(&launch("python4"), &imports, &runtime), key);
        assert_ne!(digest(&launch("python3"), &[], &runtime), key);
        assert_ne!(digest(&launch("python3"), &imports, &Digest::of(b"new")), key);
        let seeded = Launch { environment: vec![("OMP_NUM_THREADS".into(), "1".into())], ..launch("python3") };
        assert_ne!(digest(&seeded, &imports, &runtime), key);
    }
}
