//! Warm processes: a step's process forked from one that has imported what the notebook imports.
//!
//! ```text
//!   engine of a run --order--> socket in a private folder --> warm process (kale_runtime/warm.py) --fork--> step
//!     key.rs: which one may serve this run   place.rs: where it listens   protocol.rs: what is said
//! ```
//!
//! A warm process serves every run of its key, outlives engines, and ends by itself when it is idle. Whatever goes
//! wrong with it (it cannot be started, was killed, refuses) costs time and nothing else: the step's process is then
//! started plainly. A process that it has forked goes on when the warm one dies; it ends with the engine like any
//! other, by its marker.

mod key;
mod place;
mod protocol;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener as Listener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use kale_model::{Pipeline, WarmUp};
use kale_store::{Digest, ProcessIdentity, RunOptions};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::process::MARKER;
use crate::worker::{Exit, Launch, Usage};
use protocol::{Answer, Ended, Order};

/// Imports may take long; a step that could have been started plainly meanwhile does not wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an idle warm process stays.
const IDLE: Duration = Duration::from_secs(300);
const IDLE_VARIABLE: &str = "KALE_RS_WARM_IDLE";
/// Room for a step's marker in the environment of the warm process, which its forks fill in.
const MARKER_ROOM: usize = 200;
/// The descriptor at which the warm process finds its socket.
const LISTENER: i32 = 3;

/// The warm process of one run, which is started when a step first wants it.
pub struct Warm {
    imports: Vec<Value>,
    runtime: Digest,
    /// Which process may serve the run: nothing that decides it changes while the engine lives.
    key: OnceLock<Digest>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Usable,
    GivenUp,
}

/// A step's process that was forked for it.
pub struct Fork {
    pub pid: i32,
    /// The warm process, which the step's orphans are given to.
    pub parent: i32,
    ending: oneshot::Receiver<Exit>,
    ended: Option<Exit>,
}

/// Forks are only safe, and equal to a plain start, where the system is known well.
pub fn can_be_had(options: &RunOptions) -> bool {
    // An isolated step sees packages that another does not, so they share no imports.
    cfg!(target_os = "linux") && options.warm && options.isolated.is_none()
}

impl Warm {
    /// `runtime` is the digest of the runtime package.
    pub fn new(pipeline: &Pipeline, runtime: Digest) -> Warm {
        let row = |action: &WarmUp| match action {
            WarmUp::Import(statement) => json!(["import", statement]),
            WarmUp::Set { name, value } => json!(["set", name, value]),
        };
        Warm {
            imports: pipeline.warm_up.iter().map(row).collect(),
            runtime,
            key: OnceLock::new(),
            state: tokio::sync::Mutex::new(State::Usable),
        }
    }

    /// A process for the step, or none: then it is to be started plainly.
    pub async fn fork(&self, launch: &Launch) -> Option<Fork> {
        // A process that has become stale or was about to end is replaced once.
        for _ in 0..2 {
            let mut stream = self.connect(launch).await?;
            let order = Order::new(launch);
            let answer = async {
                protocol::send(&mut stream, &order).await?;
                protocol::receive::<Answer>(&mut stream).await
            };
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(Answer::Pid { pid, parent })) => return Some(Fork::new(stream, pid, parent)),
                Ok(Ok(Answer::Refused { .. })) => return None,
                Ok(Ok(Answer::Stale { .. }) | Err(_)) => {}
                Err(_) => break,
            }
        }
        *self.state.lock().await = State::GivenUp;
        None
    }

    /// Finds the warm process or starts one. The lock: one step of the run at a time.
    async fn connect(&self, launch: &Launch) -> Option<UnixStream> {
        let mut state = self.state.lock().await;
        if *state == State::GivenUp {
            return None;
        }
        let stream = self.connect_or_start(launch).and_then(|stream| {
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)
        });
        if stream.is_err() {
            *state = State::GivenUp;
        }
        stream.ok()
    }

    fn connect_or_start(&self, launch: &Launch) -> io::Result<std::os::unix::net::UnixStream> {
        let folder = place::folder()?;
        let key = self.key.get_or_init(|| key::digest(launch, &self.imports, &self.runtime));
        let socket = folder.join(format!("{}.sock", &key.as_str()[..32]));
        let connect = || std::os::unix::net::UnixStream::connect(&socket);
        connect().or_else(|_| {
            let _lock = place::lock(&folder)?;
            // Another engine may have been quicker between the look and the lock.
            connect().or_else(|_| {
                place::make_room(&folder);
                self.start(launch, &socket)?;
                connect()
            })
        })
    }

    /// The socket is there before the process is up: whoever connects meanwhile waits.
    fn start(&self, launch: &Launch, socket: &Path) -> io::Result<()> {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = OwnedFd::from(Listener::bind(socket)?);
        let idle = std::env::var(IDLE_VARIABLE).ok().and_then(|seconds| seconds.parse::<f64>().ok());
        let settings = json!({
            "imports": self.imports, "socket": socket, "idle": idle.unwrap_or(IDLE.as_secs_f64()),
        });
        let mut command = Command::new(&launch.python);
        command
            .arg(&launch.runtime)
            .args(["--warm", &LISTENER.to_string()])
            .current_dir(socket.parent().unwrap_or(Path::new("/")))
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .env(MARKER, " ".repeat(MARKER_ROOM))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let descriptor = listener.as_raw_fd();
        let prepare = move || {
            nix::unistd::setsid()?;
            // SAFETY: these calls only concern the calling process and are allowed between fork and exec.
            unsafe {
                #[cfg(target_os = "linux")]
                libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
                // A descriptor that is there already keeps its flag to be closed.
                let done = if descriptor == LISTENER {
                    libc::fcntl(LISTENER, libc::F_SETFD, 0)
                } else {
                    libc::dup2(descriptor, LISTENER)
                };
                if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            }
        };
        // SAFETY: `prepare` allocates nothing and takes no lock.
        unsafe { command.pre_exec(prepare) };
        let mut child = command.spawn()?;
        let given = child
            .stdin
            .take()
            .map_or(Ok(()), |mut stdin| io::Write::write_all(&mut stdin, settings.to_string().as_bytes()));
        // An engine that lives on must not keep its zombie.
        std::thread::spawn(move || child.wait());
        given
    }
}

impl Fork {
    fn new(stream: UnixStream, pid: i32, parent: i32) -> Fork {
        let identity = u32::try_from(pid).ok().and_then(ProcessIdentity::of);
        let (tell, ending) = oneshot::channel();
        tokio::spawn(async move {
            // The receiver is gone when the engine gives the process up: then this hangs up, too.
            let _ = tell.send(follow(stream, identity).await);
        });
        Fork { pid, parent, ending, ended: None }
    }

    /// How it ended. May be asked again, also when it was not waited for to the end.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.ended {
            return exit;
        }
        let exit = (&mut self.ending).await.unwrap_or_default();
        *self.ended.insert(exit)
    }
}

async fn follow(mut stream: UnixStream, identity: Option<ProcessIdentity>) -> Exit {
    if let Ok(ended) = protocol::receive::<Ended>(&mut stream).await {
        let usage = Usage { cpu_seconds: ended.cpu_seconds, peak_memory_bytes: ended.peak_memory_bytes };
        return Exit { status: Some(ExitStatus::from_raw(ended.status)), usage: Some(usage) };
    }
    // The warm process is no more, and nobody will say how its fork ends.
    while identity.as_ref().is_some_and(ProcessIdentity::is_alive) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Exit::default()
}
