//! The server's life: it listens, loads the model, serves, and drains.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Uri;
use axum::http::uri::Authority;
use futures_util::future::join3;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::body::Room;
use crate::bundle::{ABOUT, Bundle, check_name};
use crate::connections::{Connection, Connections};
use crate::error::ServeError;
use crate::guard::Guard;
use crate::log::Logger;
use crate::metrics::Metrics;
use crate::options::{Batching, Event, Limits, Options, TOGETHER};
use crate::pool::{Listener, Pool};
use crate::queue::{Failure, Queue};
use crate::stream::PatientStream;
use crate::worker::{Launch, StartError};

const BACKLOG: u32 = 4096;
/// Files that are not connections: sockets of workers, their outputs, the log.
const OTHER_FILES: u64 = 128;
const LARGEST_HEAD: usize = 64 << 10;
/// Clients that have not yet sent all of their request have this long once the server is to end.
const LAST_CALL: Duration = Duration::from_secs(3);

/// Serves until SIGTERM or SIGINT, or until `options.stop`. Makes a tokio runtime of its own.
pub fn serve(folder: &Path, options: Options, listener: Listener<'_>) -> Result<(), ServeError> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    // Nobody clears away what is served.
    let used = File::open(folder.join(ABOUT)).and_then(|about| about.lock_shared().map(|()| about));
    let mut bundle = Bundle::load(&folder)?;
    check(&options)?;
    if let Some(name) = &options.name {
        bundle.name.clone_from(name);
    }
    if options.model_only {
        bundle = bundle.model_only();
    }
    let system = |error: io::Error| ServeError::System { reason: error.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    let served = runtime.block_on(run(&folder, bundle, options, listener));
    // Nobody waits for what still hangs, such as a read of standard input.
    runtime.shutdown_background();
    drop(used);
    served
}

/// What is wrong with options, whatever they are for.
pub fn check(options: &Options) -> Result<(), ServeError> {
    if let Some(name) = &options.name {
        check_name(name).map_err(|reason| ServeError::Name { name: name.clone(), reason })?;
    }
    if !options.host.is_loopback() && options.token.is_none() && !options.open {
        return Err(ServeError::Unguarded);
    }
    match options.cors.iter().find(|origin| !is_origin(origin)) {
        Some(origin) => Err(ServeError::Origin { origin: origin.clone() }),
        None => Ok(()),
    }
}

/// As browsers write it: they are compared letter by letter.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let parts = uri.scheme_str().zip(uri.authority());
    let is_plain = |(scheme, authority): (&str, &Authority)| {
        text == format!("{scheme}://{authority}").to_ascii_lowercase() && !authority.as_str().contains('@')
    };
    matches!(text, "*" | "null") || parts.is_some_and(is_plain)
}

/// Whether a server with these options finds its port free.
pub fn check_port(options: &Options) -> Result<(), ServeError> {
    let address = SocketAddr::new(options.host, options.port);
    let refuse = |error: io::Error| ServeError::Listen { address, reason: error.to_string() };
    std::net::TcpListener::bind(address).map(drop).map_err(refuse)
}

async fn run(folder: &Path, bundle: Bundle, options: Options, listener: Listener<'_>) -> Result<(), ServeError> {
    let begun = Instant::now();
    let logger = open_log(&options)?;
    let (tcp, address) = listen(&options)?;
    let (stop, stopping) = watch::channel(false);
    // Workers are needed until the last request has its answer.
    let (end, mut ended) = watch::channel(false);
    let metrics = Arc::new(Metrics::new(&bundle.name));
    let max_rows = rows_together(&bundle, options.batching);
    let limits = Limits { max_connections: connections_at_most(options.limits.max_connections), ..options.limits };
    let pool = Arc::new(Pool::new(
        (Queue::new(limits.max_queue, max_rows, options.batching.max_delay), options.replicas),
        (launch(folder, &options), limits),
        (logger.clone(), metrics.clone()),
        ended.clone(),
    ));
    let url = format!("http://{address}");
    let name = bundle.name.clone();
    let guard = Guard { token: options.token.clone(), is_loopback: options.host.is_loopback() };
    let app = Arc::new(App {
        bundle,
        url: url.clone(),
        begun,
        limits,
        guard,
        pool: pool.clone(),
        metrics,
        logger: logger.clone(),
        room: Room::new(limits.max_bodies),
        ids: crate::app::Ids::new(),
        stopping: stopping.clone(),
    });
    listener(Event::Listening { url: url.clone(), port: address.port() });
    let connections = Arc::<Connections>::default();
    let accepting =
        tokio::spawn(accept(tcp, crate::routes::router(app, &options.cors), connections.clone(), limits, stopping));

    let mut outcome = Ok(());
    {
        let (events, mut happened) = mpsc::unbounded_channel();
        // Tasks of their own: to wake this one takes system calls, and they are woken by every request.
        let mut replicas = JoinSet::new();
        let firsts = (0..pool.replicas.len()).map(|number| {
            let (first, told) = oneshot::channel();
            replicas.spawn(pool.clone().keep(number, events.clone(), first));
            told
        });
        let firsts = firsts.collect();
        drop(events);
        let telling = async {
            while let Some(event) = happened.recv().await {
                listener(event);
            }
        };
        let ready = |seconds| Event::Ready { name, url, port: address.port(), seconds };
        let life = async {
            outcome = live(firsts, &options, listener, ready, (begun, &limits)).await;
            listener(Event::Stopping);
            logger.say("info", "the server ends: what it was asked so far is answered");
            stop.send_replace(true);
            drain(&connections, &pool, limits.grace).await;
            end.send_replace(true);
        };
        let cut_off = async {
            let _ = ended.wait_for(|ended| *ended).await;
            sleep(LAST_CALL).await;
        };
        tokio::select! {
            _ = join3(telling, life, replicas.join_all()) => {}
            () = cut_off => {}
        }
    }
    let _ = accepting.await;
    drop(pool);
    logger.finish();
    outcome
}

/// Until it is to end: by a signal, by whoever started it, or because the model cannot be loaded.
async fn live(
    firsts: Vec<oneshot::Receiver<Result<(), StartError>>>,
    options: &Options,
    listener: Listener<'_>,
    ready: impl FnOnce(f64) -> Event,
    (begun, limits): (Instant, &Limits),
) -> Result<(), ServeError> {
    let loading = async {
        let mut ready = Some(ready);
        for first in firsts {
            match first.await {
                Ok(Ok(())) => {
                    if let Some(ready) = ready.take() {
                        listener(ready(begun.elapsed().as_secs_f64()));
                    }
                }
                Ok(Err(error)) => return Err(not_loaded(error, limits)),
                Err(_) => return Err(ServeError::Stopped),
            }
        }
        Ok(())
    };
    tokio::pin!(loading);
    let told = told_to_end(options);
    tokio::pin!(told);
    tokio::select! {
        loaded = &mut loading => loaded?,
        ended = &mut told => return ended,
    }
    told.await
}

async fn told_to_end(options: &Options) -> Result<(), ServeError> {
    let system = |error: io::Error| ServeError::System { reason: error.to_string() };
    let mut terminated = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(system)?;
    let stopped = async {
        match &options.stop {
            Some(stop) => stop.stopped().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = stopped => {}
        () = stdin_ended(), if options.ends_with_stdin => {}
    }
    Ok(())
}

async fn stdin_ended() {
    let mut buffer = [0; 1024];
    let mut stdin = tokio::io::stdin();
    while stdin.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

fn not_loaded(error: StartError, limits: &Limits) -> ServeError {
    match error {
        StartError::Spawn(error) => ServeError::Worker { reason: error.to_string() },
        StartError::Load(fault) => {
            ServeError::Load { message: format!("{}: {}", fault.kind, fault.message), traceback: fault.traceback }
        }
        StartError::Died(reason) => {
            ServeError::Load { message: format!("its process was lost: {reason}"), traceback: None }
        }
        StartError::Slow => ServeError::Slow { seconds: limits.start_timeout.as_secs() },
    }
}

fn open_log(options: &Options) -> Result<Logger, ServeError> {
    Logger::start(&options.log).map_err(|error| {
        let path = match &options.log {
            crate::options::Log::File(path) => path.clone(),
            _ => "standard error".into(),
        };
        ServeError::Log { path, reason: error.to_string() }
    })
}

fn rows_together(bundle: &Bundle, wanted: Batching) -> usize {
    let usual = if bundle.batchable == Some(true) { TOGETHER } else { 1 };
    wanted.max_rows.unwrap_or(usual)
}

fn launch(folder: &Path, options: &Options) -> Launch {
    Launch {
        python: options.python.clone(),
        runtime: options.runtime.clone(),
        bundle: folder.to_owned(),
        predictor: options.predictor.clone(),
        model_only: options.model_only,
        start_timeout: options.limits.start_timeout,
        largest_answer: options.limits.max_bodies,
    }
}

fn listen(options: &Options) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = SocketAddr::new(options.host, options.port);
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        io::Result::Ok((listener, bound))
    };
    bind().map_err(|error| ServeError::Listen { address, reason: error.to_string() })
}

/// As many as wanted, as far as the system gives us files for them.
fn connections_at_most(wanted: usize) -> usize {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted.min(512) };
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    wanted.min(usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)).max(1)
}

async fn accept(
    tcp: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                if connections.count() >= limits.max_connections {
                    connections.evict_one();
                }
                let connection = connections.open();
                tokio::spawn(converse(stream, router.clone(), connection, limits, stopping.clone()));
            }
            // The client has gone already, or there are no files left.
            Err(_) => {
                connections.evict_one();
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    router: Router,
    connection: Arc<Connection>,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = PatientStream::new(stream, limits.answer_timeout);
    let service = TowerToHyperService::new(router.layer(axum::Extension(connection.clone())));
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(http);
    let mut is_ending = false;
    loop {
        tokio::select! {
            _ = &mut http => return,
            () = connection.evicted() => return,
            _ = stopping.wait_for(|stopping| *stopping), if !is_ending => {
                is_ending = true;
                http.as_mut().graceful_shutdown();
            }
        }
    }
}

/// What was asked is answered; who is slow to ask is not waited for.
async fn drain(connections: &Connections, pool: &Pool, grace: Duration) {
    let patient = async {
        if timeout(LAST_CALL, connections.all_closed()).await.is_err() {
            while connections.evict_one() {}
            connections.all_closed().await;
        }
    };
    let _ = timeout(grace, patient).await;
    pool.queue.give_up(&Failure::Stopping);
}
