//! The shards: one thread each, which accepts by itself, serves HTTP and carries its WebSockets.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use cossistant_protocol::Invalid;
use http::header::{HOST, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use metrics_exporter_prometheus::PrometheusHandle;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::accept::Room;
use super::bus::{Mail, Mailbox};
use super::files::Files;
use super::socket::{HttpSocket, Stream, turn_away};
use super::{StartError, clock, rate};
use crate::auth::Authenticator;
use crate::bus::{NodeId, ShardId};
use crate::chat::Ids;
use crate::config::Config;
use crate::directory::SharedDirectory;
use crate::gateway::{Admission, Admitted, Clocks, ConnectionConfig, Driver, Jobs, Shard, ShardConfig, Upgrader};
use crate::http::{ClientAddr, Failure, client_addr, limit_key, steady_now};
use crate::hub::HubConfig;
use crate::limits::{Buckets, Rate};
use crate::tls::Tls;

/// The most connections that wait to be accepted, at each shard.
const BACKLOG: i32 = 4_096;
/// The most jobs of one connection that are under way before no more is read from it.
const MAX_JOBS: u16 = 64;
/// The most bytes of a request's head; what comes in one read may be as much again.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How often the files of certificate and secrets are looked at; a change is taken at the second look that finds it.
const LOOKS: Duration = Duration::from_secs(2);
/// What is told to browsers of a server that speaks TLS: to come by it alone, for a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// How often the lag of a shard is measured.
const LAG: Duration = Duration::from_millis(250);
/// How often figures are gathered.
const FIGURES: Duration = Duration::from_secs(5);

/// All shards of the node.
pub(super) struct ShardSet {
    address: SocketAddr,
    ops_address: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<Option<Duration>>,
}

/// What every shard needs.
struct Common {
    config: Config,
    upgrader: Arc<Upgrader>,
    jobs: Arc<Jobs>,
    router: Router,
    metrics: PrometheusHandle,
    auth: Arc<Authenticator>,
    files: Arc<Files>,
    room: Room,
    /// Bounds HTTP connections, until they end or become WebSockets.
    doors: Arc<Admission>,
    /// Requests to the API, by address.
    requests: Buckets<IpAddr>,
}

impl ShardSet {
    #[expect(clippy::too_many_arguments, reason = "one caller, which builds every room")]
    pub(super) fn start(
        config: &Config,
        node: NodeId,
        epoch: &str,
        jobs: Arc<Jobs>,
        upgrader: Arc<Upgrader>,
        directory: Arc<SharedDirectory>,
        router: Router,
        ops: Option<(SocketAddr, Router)>,
        mailboxes: Vec<Mailbox>,
        metrics: PrometheusHandle,
        auth: Arc<Authenticator>,
        files: Arc<Files>,
    ) -> Result<Self, StartError> {
        is_free(config.listen)?;
        let first = listen(config.listen)?;
        let address = first.local_addr().map_err(|error| StartError::Listen { address: config.listen, error })?;
        let mut listeners = vec![first];
        for _ in 1..mailboxes.len() {
            listeners.push(listen(address)?);
        }
        let mut ops_address = None;
        let mut ops_listener = None;
        if let Some((wished, router)) = ops {
            let listener = listen(wished)?;
            ops_address = listener.local_addr().ok();
            ops_listener = Some((listener, router));
        }
        let room = Room::default();
        let (of_address, in_all) = (config.limit_http_connections, config.limit_http_connections_total);
        let doors = Arc::new(Admission::new(Rate::OFF, of_address, in_all, 0, 0));
        let requests = Buckets::new(rate(config.limit_requests, config.limit_requests_burst));
        let common = Arc::new(Common {
            config: config.clone(),
            upgrader,
            jobs,
            router,
            metrics,
            auth,
            files,
            room,
            doors,
            requests,
        });
        let (stop, stopped) = watch::channel(None);
        let ids = Arc::new(Ids::new(super::random_seed()?));
        let mut threads = Vec::new();
        let count = mailboxes.len();
        // Nothing is ever sent: the channel closes when the last shard but the one that hears of it has ended.
        let (alive, others) = mpsc::channel(1);
        let mut ops_listener = ops_listener.map(|(listener, router)| Ops { listener, router, others });
        for (at, (mailbox, listener)) in mailboxes.into_iter().zip(listeners).enumerate() {
            let shard_config = shard_config(config, node, epoch, at, count);
            let (common, directory, ids) = (Arc::clone(&common), directory.current(), Arc::clone(&ids));
            let stopped = stopped.clone();
            let ops = ops_listener.take();
            let alive = if ops.is_none() { Some(alive.clone()) } else { None };
            let run = move || {
                let _alive = alive;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(error) => return tracing::error!(%error, "a shard could not start"),
                };
                let shard = Shard::new(shard_config, directory, ids, steady_now());
                LocalSet::new().block_on(&runtime, run_shard(at, shard, common, mailbox, listener, ops, stopped));
            };
            let thread = std::thread::Builder::new().name(format!("shard-{at}")).spawn(run);
            threads.push(thread.map_err(StartError::System)?);
        }
        Ok(Self { address, ops_address, threads, stop })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn ops_address(&self) -> Option<SocketAddr> {
        self.ops_address
    }

    /// Drains every shard and waits for the threads.
    pub(super) async fn stop(self, window: Duration) {
        self.stop.send_replace(Some(window));
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a shard ended by a panic");
                }
            }
        });
        joined.await.unwrap_or_default();
    }
}

/// Health and figures at an address of their own, on one of the shards.
struct Ops {
    listener: std::net::TcpListener,
    router: Router,
    /// Closes when the other shards have ended.
    others: mpsc::Receiver<()>,
}

fn shard_config(config: &Config, node: NodeId, epoch: &str, at: usize, count: usize) -> ShardConfig {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    ShardConfig {
        hub: HubConfig {
            shard: ShardId { node, at: u16::try_from(at).unwrap_or(u16::MAX) },
            shards: u16::try_from(count).unwrap_or(u16::MAX),
            max_outbox_bytes: config.max_outbox_bytes,
            max_subscriptions: usize::try_from(config.limit_subscriptions).unwrap_or(usize::MAX),
            presence_grace_ms: millis(config.presence_grace),
            epoch: Arc::from(epoch),
        },
        connection: Arc::new(ConnectionConfig {
            heartbeat_ms: millis(config.heartbeat_interval),
            auth_timeout_ms: millis(config.auth_timeout),
            typing_expiry_ms: millis(config.typing_expiry),
            frames: rate(config.limit_frames, config.limit_frames_burst),
            ephemeral: rate(config.limit_ephemeral, config.limit_ephemeral_burst),
            max_jobs: MAX_JOBS,
            limits: config.wire_limits(),
        }),
    }
}

/// Whether nobody else listens on an address: sharing a port with another server would go unnoticed.
fn is_free(address: SocketAddr) -> Result<(), StartError> {
    let probe = || -> std::io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // As a listener does, so that connections which have just ended are no hindrance.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1)
    };
    probe().map_err(|error| StartError::Listen { address, error })
}

/// A listener that shares its port with those of the other shards.
fn listen(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let bind = || -> std::io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    bind().map_err(|error| StartError::Listen { address, error })
}

async fn run_shard(
    at: usize,
    shard: Shard,
    common: Arc<Common>,
    mailbox: Mailbox,
    listener: std::net::TcpListener,
    ops: Option<Ops>,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    let max_message_bytes = u32::try_from(common.config.max_message_bytes).unwrap_or(u32::MAX);
    let clocks = Clocks { steady: steady_now, wall: clock };
    let driver = match Driver::new(shard, Arc::clone(&common.jobs), clocks, max_message_bytes) {
        Ok(driver) => driver,
        Err(error) => return tracing::error!(%error, "a shard could not start"),
    };
    let requests = Rc::new(Requests::default());
    tokio::task::spawn_local(Rc::clone(&driver).watch_always());
    tokio::task::spawn_local(Rc::clone(&driver).flush_always());
    tokio::task::spawn_local(Rc::clone(&driver).tick_always());
    tokio::task::spawn_local(take_mail(Rc::clone(&driver), mailbox));
    tokio::task::spawn_local(watch_lag(at));
    tokio::task::spawn_local(gather_figures(at, Rc::clone(&driver), Arc::clone(&common)));
    if at == 0 {
        tokio::task::spawn_local(refresh_keys(Arc::clone(&common)));
        tokio::task::spawn_local(look_at_files(Arc::clone(&common)));
    }
    let mut accepting = Vec::new();
    let server = Rc::new(Server {
        driver: Rc::clone(&driver),
        common,
        requests: Rc::clone(&requests),
        stopped: stopped.clone(),
    });
    accepting.push(tokio::task::spawn_local(accept(Rc::clone(&server), listener, None)));
    let mut others = None;
    if let Some(ops) = ops {
        // It goes on to the end, and says that the node is draining.
        tokio::task::spawn_local(accept(Rc::clone(&server), ops.listener, Some(ops.router)));
        others = Some(ops.others);
    }
    let window = loop {
        if let Some(window) = *stopped.borrow_and_update() {
            break window;
        }
        if stopped.changed().await.is_err() {
            break Duration::ZERO;
        }
    };
    for task in accepting {
        task.abort();
    }
    let end = tokio::time::Instant::now() + window;
    driver.drain(window).await;
    requests.finish(end).await;
    if let Some(mut others) = others {
        let ended = tokio::time::timeout_at(end, others.recv()).await;
        tracing::debug!(in_time = ended.is_ok(), "the other shards have ended");
    }
}

/// HTTP connections that are under way.
#[derive(Default)]
struct Requests {
    count: Cell<usize>,
    ended: tokio::sync::Notify,
}

impl Requests {
    async fn finish(&self, end: tokio::time::Instant) {
        while self.count.get() > 0 {
            if tokio::time::timeout_at(end, self.ended.notified()).await.is_err() {
                return;
            }
        }
    }
}

/// One shard's HTTP side.
struct Server {
    driver: Rc<Driver>,
    common: Arc<Common>,
    requests: Rc<Requests>,
    stopped: watch::Receiver<Option<Duration>>,
}

impl Server {
    /// Counts an HTTP connection. Those to the address for operators are always taken, and all clients of a proxy
    /// come from its one address.
    fn admit(&self, peer: IpAddr, is_ops: bool) -> Result<Option<Admitted>, Failure> {
        if is_ops {
            return Ok(None);
        }
        let address = (!self.common.config.trusts_proxy(peer)).then_some(peer);
        if let (Some(address), Some(_)) = (address, &self.common.files.tls) {
            // A handshake costs more than most requests.
            self.common.requests.take(limit_key(address), clock().as_millis()).map_err(Failure::rate_limited)?;
        }
        self.common.doors.admit(address, clock()).map(Some)
    }
}

async fn accept(server: Rc<Server>, listener: std::net::TcpListener, router: Option<Router>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a shard cannot listen"),
    };
    loop {
        let (stream, peer) = server.common.room.accept(&listener).await;
        // Without it small frames would wait for an acknowledgement; a socket that refuses is closed soon.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        match server.admit(peer.ip(), router.is_some()) {
            Ok(admitted) => {
                let (server, router) = (Rc::clone(&server), router.clone());
                // Made inside of the task, which would have room for it twice otherwise.
                tokio::task::spawn_local(async move {
                    serve(server, stream, peer.ip(), router).await;
                    drop(admitted);
                });
            }
            Err(failure) if server.common.files.tls.is_none() => turn_away(&stream, failure),
            Err(failure) => {
                // Who speaks TLS would not understand it; it counts all the same.
                let _untold = failure.into_document();
            }
        }
    }
}

/// Serves one connection, which counts as a request that is under way until it ends or becomes a WebSocket.
async fn serve(server: Rc<Server>, stream: TcpStream, peer: IpAddr, router: Option<Router>) {
    let is_ops = router.is_some();
    if !is_ops {
        server.requests.count.set(server.requests.count.get() + 1);
    }
    // Health and figures are for the operator's own network.
    let tls = server.common.files.tls.as_ref().filter(|_| !is_ops);
    let stream = match tls {
        // Apart, so that a connection without TLS has no room for it.
        Some(tls) => Box::pin(shake_hands(&server, tls, stream)).await,
        None => Some(Stream::Plain(stream)),
    };
    if let Some(stream) = stream {
        serve_http(&server, stream, peer, router).await;
    }
    if !is_ops {
        server.requests.count.set(server.requests.count.get() - 1);
        server.requests.ended.notify_waiters();
    }
}

/// Begins TLS, in the time that a request has; `None` when it comes to nothing, or the server stops.
async fn shake_hands(server: &Rc<Server>, tls: &Tls, stream: TcpStream) -> Option<Stream> {
    let mut stopped = server.stopped.clone();
    let shaken = TlsAcceptor::from(tls.config()).accept(stream);
    let shaken = tokio::time::timeout(server.common.config.request_timeout, shaken);
    let failed = tokio::select! {
        shaken = shaken => match shaken {
            Ok(Ok(stream)) => return Some(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        },
        _ = stopped.wait_for(Option::is_some) => return None,
    };
    metrics::counter!(crate::metrics::TLS_FAILURES_TOTAL).increment(1);
    tracing::debug!(error = failed, "a TLS handshake failed");
    None
}

/// Serves the HTTP of one connection, until it ends or becomes a WebSocket.
async fn serve_http(server: &Rc<Server>, stream: Stream, peer: IpAddr, router: Option<Router>) {
    let is_ops = router.is_some();
    let router = router.unwrap_or_else(|| server.common.router.clone());
    let service = {
        let server = Rc::clone(server);
        service_fn(move |request: Request<Incoming>| {
            let (server, router) = (Rc::clone(&server), router.clone());
            async move {
                let mut response = respond(&server, router, request, peer, is_ops).await;
                // Under dev it would keep browsers from all else on this machine.
                if server.common.files.tls.is_some() && !is_ops && !server.common.config.dev {
                    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        })
    };
    let mut stopped = server.stopped.clone();
    let timeout = server.common.config.request_timeout;
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(HttpSocket::new(stream, timeout), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Whoever asks how the node does is answered until it ends.
        _ = stopped.wait_for(Option::is_some), if !is_ops => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

async fn respond(
    server: &Rc<Server>,
    router: Router,
    mut request: Request<Incoming>,
    peer: IpAddr,
    is_ops: bool,
) -> Response<Body> {
    let config = &server.common.config;
    let address = client_addr(peer, request.headers(), |address| config.trusts_proxy(address));
    // With none or several of them, a proxy and this server could think of different sites.
    if request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1 {
        return Failure::invalid(Invalid::new("host", "must be given once")).into_response();
    }
    // Figures cost more than most requests. Whether the node is ready costs little, and balancers have to be told.
    let is_limited = request.uri().path().starts_with("/v1/") || (request.uri().path() == "/metrics" && !is_ops);
    if is_limited && let Err(wait) = server.common.requests.take(limit_key(address), clock().as_millis()) {
        return Failure::rate_limited(wait).into_response();
    }
    if request.uri().path() != "/ws" || is_ops {
        request.extensions_mut().insert(ClientAddr(address));
        return answer(router, request.map(Body::new)).await;
    }
    let upgrade = match server.common.upgrader.upgrade(&request, address, clock()) {
        Ok(upgrade) => *upgrade,
        Err(refusal) => return *refusal,
    };
    let driver = Rc::clone(&server.driver);
    let (arrival, deflate, admitted) = (upgrade.arrival, upgrade.deflate, upgrade.admitted);
    tokio::task::spawn_local(async move {
        let upgraded = match hyper::upgrade::on(&mut request).await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "an upgrade failed"),
        };
        drop(request);
        match upgraded.downcast::<HttpSocket>() {
            // The driver watches its sockets by itself.
            Ok(parts) => match parts.io.into_inner().into_upgraded() {
                Ok(upgraded) => driver.accept(upgraded, &parts.read_buf, arrival, deflate.as_ref(), admitted),
                Err(error) => tracing::warn!(%error, "an upgraded socket could not be taken over"),
            },
            Err(_) => tracing::error!("an upgraded connection is not the socket that was accepted"),
        }
    });
    upgrade.response
}

/// Answers a request. What it does comes to its end though nobody may wait for it any more: what it has stored is to be
/// told to everybody else.
async fn answer(router: Router, request: Request<Body>) -> Response<Body> {
    match tokio::task::spawn_local(router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Failure::unavailable("the node ends", 0).into_response(),
        },
    }
}

async fn take_mail(driver: Rc<Driver>, mut mailbox: Mailbox) {
    while let Some(mail) = mailbox.mail.recv().await {
        match mail {
            Mail::Notice(notice, span) => {
                driver.notice(notice);
                if let Some(context) = span {
                    driver.trace_flush(*context);
                }
            }
            Mail::Visitors(site, ids, answer) => {
                let online = driver
                    .with_shard(|shard| ids.into_iter().filter(|id| shard.hub().is_visitor_here(&site, id)).collect());
                // The one who asked may have gone.
                let _gone = answer.send(online);
            }
            Mail::Members(site, answer) => {
                let _gone = answer.send(driver.with_shard(|shard| shard.hub().members_here(&site)));
            }
            Mail::Heads(heads) => driver.heads(&heads),
            Mail::Orders => {}
        }
        if mailbox.must_abandon() {
            driver.abandon();
        }
        if mailbox.must_retell() {
            driver.retell();
        }
        if mailbox.has_lost() {
            tracing::warn!("a shard's mailbox was full; its places are compared with the store");
            driver.notices_lost();
        }
    }
}

/// Reads the operator's JWKS anew from time to time.
async fn refresh_keys(common: Arc<Common>) {
    if common.config.jwt_jwks_url.is_none() {
        return;
    }
    loop {
        tokio::time::sleep(common.config.jwt_jwks_refresh).await;
        if let Err(error) = common.auth.reload_keys().await {
            tracing::warn!(%error, "the JWKS could not be read; the keys in memory stay");
        }
    }
}

/// Takes another certificate or other secrets when their files have changed.
async fn look_at_files(common: Arc<Common>) {
    loop {
        tokio::time::sleep(LOOKS).await;
        common.files.look();
    }
}

/// Tells the shard's figures to the recorder.
async fn gather_figures(at: usize, driver: Rc<Driver>, common: Arc<Common>) {
    let shard = at.to_string();
    loop {
        driver.with_shard(|core| core.record(&shard));
        if at == 0 {
            common.metrics.run_upkeep();
        }
        tokio::time::sleep(FIGURES).await;
    }
}

/// Tells how much later than asked the shard's thread comes to what is due: a timer is to the thread what news of a
/// socket is.
async fn watch_lag(at: usize) {
    let lag = metrics::histogram!(crate::metrics::LOOP_LAG_SECONDS, "shard" => at.to_string());
    loop {
        let due = tokio::time::Instant::now() + LAG;
        tokio::time::sleep_until(due).await;
        lag.record(due.elapsed().as_secs_f64());
    }
}
