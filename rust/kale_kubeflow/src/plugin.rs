//! A program that a kubeconfig names for making credentials: `exec`, as `aws`, `gcloud` and `kubelogin` offer it.
//!
//! It is started with its arguments as they are, never by a shell, with nobody to answer its questions, and has a minute.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kube::config::ExecConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::credentials::Secret;
use crate::error::{Kind, KubeflowError};

const PATIENCE: Duration = Duration::from_secs(60);
const OLDEST_API: &str = "client.authentication.k8s.io/v1beta1";

pub struct Plugin {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    dropped: Vec<String>,
    /// What it is told, in KUBERNETES_EXEC_INFO.
    told: Value,
    install_hint: String,
    patience: Duration,
}

/// Its arguments and its environment may hold secrets.
impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What a plugin gives.
#[derive(Debug, Default)]
pub struct Given {
    pub token: Option<Secret>,
    /// Certificate and key, in PEM.
    pub identity: Option<(String, Secret)>,
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Plugin {
    /// `cluster` is what a plugin may ask to be told of the cluster.
    pub fn new(exec: &ExecConfig, cluster: Value) -> Result<Plugin, KubeflowError> {
        let command = exec.command.clone().filter(|command| !command.is_empty()).ok_or_else(|| {
            let message = "the kubeconfig names a plugin for credentials without saying which program it is";
            KubeflowError::new(Kind::Credentials, message, "mend `exec.command` of the user in the kubeconfig")
        })?;
        let mut spec = json!({"interactive": false});
        if exec.provide_cluster_info {
            spec["cluster"] = cluster;
        }
        let version = exec.api_version.as_deref().unwrap_or(OLDEST_API);
        let pair = |entry: &std::collections::HashMap<String, String>| {
            Some((entry.get("name")?.clone(), entry.get("value")?.clone()))
        };
        Ok(Plugin {
            program: PathBuf::from(command),
            arguments: exec.args.clone().unwrap_or_default(),
            environment: exec.env.iter().flatten().filter_map(pair).collect(),
            dropped: exec.drop_env.clone().unwrap_or_default(),
            told: json!({"apiVersion": version, "kind": "ExecCredential", "spec": spec}),
            install_hint: exec.install_hint.clone().unwrap_or_default(),
            patience: PATIENCE,
        })
    }

    pub fn name(&self) -> &str {
        self.program.file_name().unwrap_or_default().to_str().unwrap_or("plugin")
    }

    pub fn run(&self) -> Result<Given, KubeflowError> {
        let output = self.output()?;
        // Neither what it wrote nor what the parser says of it is repeated: both may hold the token.
        let answer: Answer = serde_json::from_slice(&output)
            .map_err(|_| self.fault("did not write credentials as JSON (ExecCredential)".to_owned()))?;
        let Status { token, client_certificate_data, client_key_data } = answer.status;
        let given = Given {
            token: token.filter(|token| !token.is_empty()).map(Secret::new),
            identity: client_certificate_data.zip(client_key_data.map(Secret::new)),
        };
        if given.token.is_none() && given.identity.is_none() {
            return Err(self.fault("gave neither a token nor a certificate".to_owned()));
        }
        Ok(given)
    }

    fn output(&self) -> Result<Vec<u8>, KubeflowError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        for name in &self.dropped {
            command.env_remove(name);
        }
        command.env("KUBERNETES_EXEC_INFO", self.told.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| self.fault(format!("cannot be started: {error}")))?;
        let output = read(&mut child, self.patience);
        if output.is_none() {
            // Somebody else may hold its end of the pipe, so the program is ended and nothing is waited for but itself.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| self.fault(error.to_string()))?;
        let output = output.ok_or_else(|| self.fault(format!("did not end in {} s", self.patience.as_secs())))?;
        if status.success() { Ok(output) } else { Err(self.fault(format!("failed ({status})"))) }
    }

    fn fault(&self, what: String) -> KubeflowError {
        let message = format!("`{}`, which the kubeconfig names for credentials, {what}", self.name());
        let mut help = "see whether `kubectl get pods` works: it asks the same program".to_owned();
        if !self.install_hint.trim().is_empty() {
            help = format!("{help}; {}", self.install_hint.trim().replace('\n', " "));
        }
        KubeflowError::new(Kind::Credentials, message, help)
    }
}

/// All that a process writes, if it ends in time.
fn read(child: &mut Child, patience: Duration) -> Option<Vec<u8>> {
    let mut pipe = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = vec![];
        let read = pipe.read_to_end(&mut output).map(|_| output);
        let _ = sender.send(read);
    });
    receiver.recv_timeout(patience).ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(script: &str) -> Plugin {
        let exec = ExecConfig {
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned(), "sh".to_owned(), "a 'b' $(c)".to_owned()]),
            ..serde_json::from_value(json!({})).unwrap()
        };
        Plugin { patience: Duration::from_secs(20), ..Plugin::new(&exec, json!({})).unwrap() }
    }

    #[test]
    fn arguments_arrive_as_they_are() {
        let script =
            r#"test "$1" = "a 'b' \$(c)" && test -n "$KUBERNETES_EXEC_INFO" && printf '{"status":{"token":"t"}}'"#;
        assert_eq!(plugin(script).run().unwrap().token, Some(Secret::new("t")));
    }

    #[test]
    fn what_it_writes_is_not_repeated() {
        for script in ["echo hunter2", "echo hunter2 >&2; exit 3", "printf '{\"status\":{\"tok\":\"hunter2\"}}'"] {
            let error = plugin(script).run().unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(plugin("exit 3").run().unwrap_err().message.contains("exit status: 3"));
    }

    #[test]
    fn it_does_not_hang_us() {
        let slow = Plugin { patience: Duration::from_millis(50), ..plugin("exec sleep 600") };
        assert!(slow.run().unwrap_err().message.contains("did not end"));
    }
}
