//! What whoever starts a server decides, and what it tells them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The default is right for a laptop, but for `python` and `runtime`.
#[derive(Clone, Debug)]
pub struct Options {
    pub host: IpAddr,
    /// 0: any that is free.
    pub port: u16,
    /// Instead of the bundle's.
    pub name: Option<String>,
    /// What requests have to show, as `Authorization: Bearer TOKEN`.
    pub token: Option<String>,
    /// Other machines may come without a token: something in front of the server guards it.
    pub open: bool,
    pub replicas: usize,
    pub batching: Batching,
    pub limits: Limits,
    pub python: PathBuf,
    /// The package `kale_runtime`.
    pub runtime: PathBuf,
    /// Where the model itself is served, when this server only does what comes before and after it.
    pub predictor: Option<String>,
    /// The model without its functions: what stands behind such a server.
    pub model_only: bool,
    /// Origins whose pages may ask from within a browser.
    pub cors: Vec<String>,
    pub log: Log,
    /// At the end of standard input the server ends: whoever holds the other end is gone.
    pub ends_with_stdin: bool,
    pub stop: Option<Stop>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            name: None,
            token: None,
            open: false,
            replicas: 1,
            batching: Batching::default(),
            limits: Limits::default(),
            python: PathBuf::from("python3"),
            runtime: PathBuf::new(),
            predictor: None,
            model_only: false,
            cors: Vec::new(),
            log: Log::Stderr,
            ends_with_stdin: false,
            stop: None,
        }
    }
}

/// Requests that wait go to the model together, up to `max_rows`; one that comes alone waits `max_delay` for others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batching {
    /// 1: each request alone, as if it were the only one. `None`: [`TOGETHER`] where the bundle says that its model
    /// answers rows together as it answers them alone, else 1.
    pub max_rows: Option<usize>,
    /// Without one, only what waits already goes together, and nobody waits for others.
    pub max_delay: Duration,
}

/// Rows that go together where nobody says so. More save little: what a request costs beside its rows is gone by then.
pub const TOGETHER: usize = 32;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_body: usize,
    /// Bytes of all bodies that are in memory, and of answers that clients have not taken yet.
    pub max_bodies: usize,
    /// Requests that wait for a worker.
    pub max_queue: usize,
    pub max_connections: usize,
    /// From having been read to the answer.
    pub request_timeout: Duration,
    /// A client sends its headers, or the next request, in this time.
    pub header_timeout: Duration,
    /// The whole body arrives in this time.
    pub body_timeout: Duration,
    /// A client takes as much of its answer in this time as is worth waiting for.
    pub answer_timeout: Duration,
    /// The model is loaded in this time.
    pub start_timeout: Duration,
    /// What is in flight when the server is to end has this time.
    pub grace: Duration,
    /// A worker that uses more bytes is replaced by a new one.
    pub worker_memory: Option<u64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body: 64 << 20,
            max_bodies: 512 << 20,
            max_queue: 256,
            max_connections: 16_384,
            request_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(300),
            grace: Duration::from_secs(30),
            worker_memory: None,
        }
    }
}

/// Where lines of JSON go.
#[derive(Clone, Debug)]
pub enum Log {
    Stderr,
    /// Appended to; what is older than 16 MiB is kept once more beside it, as `PATH.1`.
    File(PathBuf),
    None,
}

/// Ends a server from another thread.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Stop {
        Stop(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    pub fn new() -> Stop {
        Stop::default()
    }

    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is to stop.
    pub(crate) async fn stopped(&self) {
        // It cannot be dropped while we have it.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Liveness is answered; readiness is not there yet.
    Listening {
        url: String,
        port: u16,
    },
    /// The first replica has the model.
    Ready {
        name: String,
        url: String,
        port: u16,
        seconds: f64,
    },
    WorkerReady {
        replica: usize,
    },
    /// Another one is started, after a while that grows.
    WorkerLost {
        replica: usize,
        reason: String,
    },
    Stopping,
}
