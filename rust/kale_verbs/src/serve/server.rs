//! The server's process. In the foreground it is this one; else it is started as `kale-rs server`, which tells on standard
//! output when it is ready, or why it is not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::IpAddr;
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use kale_serve::{Batching, Event, Log, Options, ServeError};
use kale_store::ProcessIdentity;
use serde::{Deserialize, Serialize};

use super::running::{self, Claim, Record};
use super::sealed::Bundle;
use super::{ServeAnswer, ServeListener, ServeRequest};
use crate::error::VerbError;
use crate::notebook::plain;
use crate::session::Session;
use crate::size::size;

/// How a server listens and what it allows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// `None`: this machine only.
    #[serde(default)]
    pub host: Option<IpAddr>,
    /// 0 or `None`: any that is free.
    #[serde(default)]
    pub port: Option<u16>,
    /// The environment variable that has the token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// Something in front of it guards it.
    #[serde(default)]
    pub open: bool,
    #[serde(default)]
    pub replicas: Option<usize>,
    /// Rows that are predicted together; `None`: as the bundle says.
    #[serde(default)]
    pub batch: Option<usize>,
    /// Milliseconds that a request waits for others.
    #[serde(default)]
    pub batch_delay: Option<f64>,
    /// Seconds that a request may take.
    #[serde(default)]
    pub timeout: Option<f64>,
    /// Of a request's body: `64MB`, or bytes.
    #[serde(default)]
    pub max_body: Option<String>,
    /// Of a process of the model: one that has more is replaced.
    #[serde(default)]
    pub memory: Option<String>,
    /// Where the model is served, when this one only does what comes before and after it.
    #[serde(default)]
    pub predictor: Option<String>,
    /// Serve the model alone: what comes before and after it is done elsewhere.
    #[serde(default)]
    pub model_only: bool,
    /// Pages of these origins may ask.
    #[serde(default)]
    pub cors: Vec<String>,
}

/// All that the process of a server is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerRequest {
    pub root: PathBuf,
    pub bundle: PathBuf,
    pub name: String,
    pub version: String,
    pub python: PathBuf,
    pub tied: bool,
    pub settings: Settings,
}

/// The one line that a server's process says to whoever started it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Ready(Box<Record>),
    Failed { message: String, help: String },
}

fn request(
    request: &ServeRequest,
    bundle: &Bundle,
    name: &str,
    python: &Path,
    root: &Path,
) -> Result<ServerRequest, VerbError> {
    running::refuse_taken(root, name, &[])?;
    Ok(ServerRequest {
        root: root.to_owned(),
        bundle: bundle.folder.clone(),
        name: name.to_owned(),
        version: bundle.version.clone(),
        python: python.to_owned(),
        tied: request.tied,
        settings: request.settings.clone(),
    })
}

/// Starts a process in a session of its own, and waits until it is ready.
pub fn start(
    session: &Session,
    asked: &ServeRequest,
    bundle: &Bundle,
    name: &str,
    python: &Path,
    root: &Path,
) -> Result<Record, VerbError> {
    let request = request(asked, bundle, name, python, root)?;
    kale_store::create_root(root)?;
    let text = serde_json::to_string(&request).expect("a request is plain data");
    let (program, arguments) = session.launcher.split_first().expect("a launcher has a command line");
    let mut command = Command::new(program);
    command.args(arguments).arg("server").arg(text).stdout(Stdio::piped());
    // A file that is nowhere: nobody reads a pipe once it is ready.
    let mut said = tempfile::tempfile().map_err(|error| VerbError::writing(std::env::temp_dir(), plain(&error)))?;
    command.stderr(said.try_clone().map_or_else(|_| Stdio::null(), Stdio::from));
    command.stdin(if asked.tied { Stdio::piped() } else { Stdio::null() }).current_dir(root);
    // SAFETY: `setsid` is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(std::io::Error::from));
    }
    let mut child = command.spawn().map_err(|error| {
        VerbError::usage(
            format!("`{}` cannot be started: {}", program.display(), plain(&error)),
            "see `kale-rs doctor`",
        )
    })?;
    if let Some(end) = child.stdin.take() {
        // Open as long as this process lives, however it ends: the server's end then says so.
        let _ = end.into_raw_fd();
    }
    let mut line = String::new();
    let told = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    // Whoever starts a server and lives on must not keep its zombie.
    std::thread::spawn(move || child.wait());
    match serde_json::from_str(&line) {
        Ok(Word::Ready(record)) => Ok(*record),
        Ok(Word::Failed { message, help }) => Err(VerbError::usage(message, help)),
        Err(_) => {
            let why = match (told, last_words(&mut said)) {
                (Some(Err(error)), _) => plain(&error),
                (_, Some(words)) => format!("it died, and its last words were\n\n{words}"),
                _ => "it died without a word".to_owned(),
            };
            Err(VerbError::usage(format!("the server's process did not start: {why}"), "see `kale-rs doctor`"))
        }
    }
}

/// The end of what a process that is no more has said on standard error.
fn last_words(said: &mut File) -> Option<String> {
    const MOST: usize = 10;
    let mut text = vec![];
    said.rewind().and_then(|()| said.read_to_end(&mut text)).ok()?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let words = lines[lines.len().saturating_sub(MOST)..].join("\n");
    (!words.is_empty()).then_some(words)
}

/// The process behind [`start`]: returns when the service has ended.
pub fn serve_here(session: &Session, request: &ServerRequest) -> Result<(), VerbError> {
    let say = |word: &Word| {
        let mut out = std::io::stdout().lock();
        let text = serde_json::to_string(word).expect("a word is plain data");
        // Whoever started it may be gone.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    };
    let done = Claim::of(&request.root, &request.name).and_then(|claim| {
        let log = running::service_log(&request.root, &request.name);
        carry_out(session, request, Some(&claim), Some(log), &|record| say(&Word::Ready(Box::new(record.clone()))))
    });
    if let Err(error) = &done {
        say(&Word::Failed { message: error.to_string(), help: error.help().to_owned() });
    }
    done
}

/// Serves from this process, until it is told to stop.
pub fn foreground(
    session: &Session,
    asked: &ServeRequest,
    bundle: &Bundle,
    answer: ServeAnswer,
    python: &Path,
    root: &Path,
    listener: &dyn ServeListener,
) -> Result<ServeAnswer, VerbError> {
    let request = request(asked, bundle, &answer.name, python, root)?;
    // Where there is a store that can be written, other verbs find it there. Its log is in the terminal.
    let claim = match root.is_dir().then(|| Claim::of(root, &answer.name)) {
        Some(Err(error @ VerbError::Usage { .. })) => return Err(error),
        claim => claim.and_then(Result::ok),
    };
    carry_out(session, &request, claim.as_ref(), None, &|record| {
        listener.ready(&ServeAnswer { url: Some(record.url.clone()), pid: Some(record.pid), ..answer.clone() });
    })?;
    Ok(answer)
}

/// Without a claim it is not recorded: a container's bundle may lie where nothing can be written.
fn carry_out(
    session: &Session,
    request: &ServerRequest,
    claim: Option<&Claim>,
    log: Option<PathBuf>,
    on_ready: &(dyn Fn(&Record) + Send + Sync),
) -> Result<(), VerbError> {
    let options = Options {
        name: Some(request.name.clone()),
        python: request.python.clone(),
        runtime: session.runtime.clone(),
        log: log.clone().map_or(Log::Stderr, Log::File),
        ends_with_stdin: request.tied,
        ..options(&request.settings)?
    };
    let noted: Mutex<Option<Record>> = Mutex::new(None);
    let tell = |event: Event| {
        if let Event::Ready { url, .. } = event {
            let own = ProcessIdentity::current();
            let record = Record {
                name: request.name.clone(),
                url,
                version: request.version.clone(),
                pid: own.pid,
                process: own.started,
                bundle: request.bundle.clone(),
                log: log.clone(),
                since: kale_store::rfc3339(kale_store::now()),
                settings: request.settings.clone(),
            };
            let _ = claim.map(|claim| claim.write(&record));
            on_ready(&record);
            *noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(record);
        }
    };
    let done = kale_serve::serve(&request.bundle, options, &tell);
    if let (Some(claim), Some(record)) = (claim, noted.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    {
        claim.remove(&record);
    }
    done.map_err(|error| in_words(&error))
}

/// What is wrong with them can be known before there is a model.
pub fn check(request: &ServeRequest, root: &Path) -> Result<(), VerbError> {
    let options = options(&request.settings)?;
    kale_serve::check(&options).map_err(|error| in_words(&error))?;
    let makes_room =
        |record: &Record| request.replaces.contains(&record.pid) && record.url.ends_with(&format!(":{}", options.port));
    if options.port == 0 || running::running(root).iter().any(makes_room) {
        return Ok(());
    }
    kale_serve::check_port(&options).map_err(|error| in_words(&error))
}

fn options(given: &Settings) -> Result<Options, VerbError> {
    let usual = Options::default();
    let token = given.token_env.as_deref().map(token).transpose()?;
    let batching = Batching {
        max_rows: given.batch,
        max_delay: given.batch_delay.map(delay).transpose()?.unwrap_or(usual.batching.max_delay),
    };
    let mut limits = usual.limits;
    if let Some(seconds) = given.timeout {
        limits.request_timeout =
            Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(|| {
                VerbError::usage(format!("{seconds} is no time for a request"), "give seconds, such as `--timeout 30`")
            })?;
    }
    if let Some(text) = &given.max_body {
        limits.max_body = usize::try_from(size(text)?).unwrap_or(usize::MAX);
        limits.max_bodies = limits.max_bodies.max(limits.max_body.saturating_mul(2));
    }
    limits.worker_memory = given.memory.as_deref().map(size).transpose()?;
    Ok(Options {
        host: given.host.unwrap_or(usual.host),
        port: given.port.unwrap_or(usual.port),
        token,
        open: given.open,
        replicas: given.replicas.unwrap_or(usual.replicas).max(1),
        batching,
        predictor: given.predictor.clone(),
        model_only: given.model_only,
        cors: given.cors.clone(),
        limits,
        ..usual
    })
}

/// So long a model may take to be loaded, and to answer once.
pub fn patience(settings: &Settings) -> Result<Duration, VerbError> {
    let limits = options(settings)?.limits;
    Ok(limits.start_timeout.saturating_add(limits.request_timeout))
}

/// An empty one would guard nothing.
fn token(variable: &str) -> Result<String, VerbError> {
    std::env::var(variable).ok().filter(|token| !token.trim().is_empty()).ok_or_else(|| {
        let help = "set it to the token that requests are to show";
        VerbError::usage(format!("the environment variable `{variable}` has no token"), help)
    })
}

fn delay(milliseconds: f64) -> Result<Duration, VerbError> {
    // So long a request waits for its answer, where nobody says otherwise.
    const MOST: f64 = 60_000.0;
    if (0.0..=MOST).contains(&milliseconds) {
        return Ok(Duration::from_secs_f64(milliseconds / 1e3));
    }
    let help = format!("give milliseconds from 0 to {MOST}, such as `--batch-delay 5`");
    Err(VerbError::usage(format!("no request can wait {milliseconds} milliseconds for others"), help))
}

/// It is the name of a folder before the server looks at it.
pub fn check_name(request: &ServeRequest, name: &str, root: &Path) -> Result<(), VerbError> {
    let refuse = |reason| in_words(&ServeError::Name { name: name.to_owned(), reason });
    kale_serve::bundle::check_name(name).map_err(refuse)?;
    if request.pack_only { Ok(()) } else { running::refuse_taken(root, name, &request.replaces) }
}

fn in_words(error: &ServeError) -> VerbError {
    let message = match error {
        ServeError::Load { traceback: Some(traceback), .. } => format!("{error}\n\n{}", traceback.trim_end()),
        _ => error.to_string(),
    };
    VerbError::usage(message, error.help())
}
