//! Starting the process that runs one step: a fork of a warm process where there is one (`warm.rs`), else a plain spawn
//! of the interpreter with the runtime's folder and the request, as `python3 .../kale_runtime REQUEST.json`.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use kale_store::RunOptions;
use tokio::process::{Child, Command};

use crate::process::MARKER;
use crate::warm::{Fork, Warm};

/// All that a step's process is given besides its request.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    pub python: PathBuf,
    pub runtime: PathBuf,
    pub request: PathBuf,
    pub directory: PathBuf,
    /// Receives what the process writes to its standard streams.
    pub log: PathBuf,
    pub marker: String,
    pub environment: Vec<(OsString, OsString)>,
    /// Variables of the engine's that it does not get.
    pub withheld: &'static [&'static str],
    /// Those that it may run on; empty: all.
    pub processors: Vec<usize>,
}

/// A step's process: the leader of a process group of its own.
pub struct Worker {
    pub pid: i32,
    process: Process,
}

enum Process {
    Spawned(Child),
    Forked(Fork),
}

/// How a process ended, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exit {
    pub status: Option<ExitStatus>,
    pub usage: Option<Usage>,
}

/// What the system says that a process has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub peak_memory_bytes: u64,
}

impl Worker {
    pub async fn start(launch: &Launch, warm: Option<&Warm>) -> io::Result<Worker> {
        // Libraries that are imported already have their threads.
        if let Some(warm) = warm.filter(|_| launch.processors.is_empty())
            && let Some(fork) = warm.fork(launch).await
        {
            return Ok(Worker { pid: fork.pid, process: Process::Forked(fork) });
        }
        Worker::spawn(launch)
    }

    fn spawn(launch: &Launch) -> io::Result<Worker> {
        let log = OpenOptions::new().create(true).append(true).open(&launch.log)?;
        let mut command = std::process::Command::new(&launch.python);
        command
            .arg(&launch.runtime)
            .arg(&launch.request)
            .current_dir(&launch.directory)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .env(MARKER, &launch.marker)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        for name in launch.withheld {
            command.env_remove(name);
        }
        die_with_the_engine(&mut command);
        bind(&mut command, &launch.processors);
        let child = Command::from(command).spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).expect("a process that was not waited for");
        Ok(Worker { pid, process: Process::Spawned(child) })
    }

    pub async fn wait(&mut self) -> io::Result<Exit> {
        match &mut self.process {
            Process::Spawned(child) => Ok(Exit { status: Some(child.wait().await?), usage: None }),
            Process::Forked(fork) => Ok(fork.wait().await),
        }
    }

    /// The process to which orphans of this one are given.
    pub fn reaper(&self) -> i32 {
        match &self.process {
            Process::Spawned(_) => i32::try_from(std::process::id()).expect("process ids are positive ints"),
            Process::Forked(fork) => fork.parent,
        }
    }
}

/// Has the kernel kill the child when the engine dies, however it dies.
#[cfg(target_os = "linux")]
pub fn die_with_the_engine(command: &mut std::process::Command) {
    let engine = std::process::id();
    let tie = move || {
        // SAFETY: both calls only concern the calling process and are allowed between fork and exec.
        let orphaned = unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::getppid().unsigned_abs() != engine
        };
        // The engine may have died before the tie was made.
        if orphaned { Err(io::Error::from_raw_os_error(libc::ESRCH)) } else { Ok(()) }
    };
    // SAFETY: `tie` allocates nothing and takes no lock.
    unsafe { command.pre_exec(tie) };
}

#[cfg(not(target_os = "linux"))]
pub fn die_with_the_engine(_command: &mut std::process::Command) {}

#[cfg(target_os = "linux")]
fn bind(command: &mut std::process::Command, processors: &[usize]) {
    if !processors.is_empty() {
        let processors = processors.to_vec();
        // SAFETY: `bind` allocates nothing and takes no lock.
        unsafe { command.pre_exec(move || crate::processors::bind(&processors)) };
    }
}

#[cfg(not(target_os = "linux"))]
fn bind(_command: &mut std::process::Command, _processors: &[usize]) {}

/// How a process ended, for people: `exit status 3`, `signal 9 (SIGKILL)`.
pub fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else { return "a way that nobody saw".to_owned() };
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = nix::sys::signal::Signal::try_from(signal).map_or("unknown", |signal| signal.as_str());
            format!("signal {signal} ({name})")
        }
        (None, code) => format!("exit status {}", code.unwrap_or_default()),
    }
}

/// Finds a program given by name or path, as the shell would.
pub fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// The notebook's interpreter. One that is not there is left as it was written, so that starting it says what is wrong.
pub fn notebook_python(options: &RunOptions) -> PathBuf {
    find_program(&options.python).unwrap_or_else(|| options.python.clone())
}
