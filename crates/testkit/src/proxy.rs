//! A TCP proxy that can fail in every way a network does, while connections are open.

mod rough;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use rough::Rough;
use rough::{Dice, Line, Next};

/// A throttled connection passes a twentieth of its rate each time.
const THROTTLE_STEP: Duration = Duration::from_millis(50);

/// What happens to bytes and connections from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything is passed on.
    Pass,
    /// Connections are accepted and kept, nothing is passed on. What is sent meanwhile waits,
    /// as behind a pulled cable, and is passed on after a change to another mode.
    BlackHole,
    /// Open connections are reset (RST) on both sides; new ones as soon as they are accepted.
    Reset,
    /// Open connections are ended in order (FIN) on both sides; new ones likewise.
    Fin,
    /// New connections are refused by the kernel; open ones pass.
    Refuse,
    /// Each chunk waits this long before it is passed on.
    Delay(Duration),
    /// At most this many bytes a second, each way, for each connection.
    Throttle(usize),
    /// A connection is reset once this many bytes have passed through it, both ways together,
    /// counted from its beginning; the last chunk is cut to fit.
    CutAfter(usize),
    /// A bad line: every chunk is late, some are held up, and now and then the connection is reset.
    Rough(Rough),
}

/// A proxy on 127.0.0.1 and a free port. Dropping it resets nothing but ends everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    target: watch::Sender<String>,
    listening: watch::Receiver<bool>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicUsize,
    open: AtomicUsize,
    cut: AtomicUsize,
    held_up: AtomicUsize,
}

impl Proxy {
    /// Starts one in front of `target` (`host:port`), in [`Mode::Pass`].
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (mode, modes) = watch::channel(Mode::Pass);
        let (target, targets) = watch::channel(target.to_owned());
        let (state, listening) = watch::channel(true);
        let counts = Arc::new(Counts::default());
        let acceptor =
            Acceptor { address, modes, targets, state, counts: Arc::clone(&counts), connections: JoinSet::new() };
        let task = tokio::spawn(acceptor.run(listener));
        Self { address, mode, target, listening, counts, task }
    }

    /// `host:port` of the proxy.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `url` with the proxy's address in place of the server's.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        format!("{scheme}://{}{path}", self.address)
    }

    /// Changes the mode for open connections and new ones. When this returns, the port is
    /// closed ([`Mode::Refuse`]) or open (all others).
    pub async fn set(&mut self, mode: Mode) {
        self.mode.send_replace(mode);
        let listens = mode != Mode::Refuse;
        self.listening.wait_for(|now| *now == listens).await.ok();
    }

    /// New connections go here from now on.
    pub fn set_target(&self, target: &str) {
        self.target.send_replace(target.to_owned());
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// How many connections were reset because their line was [`Mode::Rough`].
    #[must_use]
    pub fn cut(&self) -> usize {
        self.counts.cut.load(Ordering::SeqCst)
    }

    /// How many chunks were held up because their line was [`Mode::Rough`].
    #[must_use]
    pub fn held_up(&self) -> usize {
        self.counts.held_up.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Acceptor {
    address: SocketAddr,
    modes: watch::Receiver<Mode>,
    targets: watch::Receiver<String>,
    state: watch::Sender<bool>,
    counts: Arc<Counts>,
    connections: JoinSet<()>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let refuses = *self.modes.borrow_and_update() == Mode::Refuse;
            if refuses {
                listener = None;
            } else if listener.is_none() {
                listener = Some(self.bind_again().await);
            }
            self.state.send_replace(!refuses);
            let accepted = tokio::select! {
                changed = self.modes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                Some(accepted) = accept(listener.as_ref()) => accepted,
                Some(_) = self.connections.join_next() => continue,
            };
            if let Ok((client, _)) = accepted {
                self.take(client);
            }
        }
    }

    fn take(&mut self, client: TcpStream) {
        let counts = Arc::clone(&self.counts);
        let number = counts.accepted.fetch_add(1, Ordering::SeqCst);
        counts.open.fetch_add(1, Ordering::SeqCst);
        let modes = self.modes.clone();
        let target = self.targets.borrow().clone();
        self.connections.spawn(async move {
            // A peer that fails is what a proxy is for, not an error of the proxy.
            serve(client, &target, modes, &counts, number).await.ok();
            counts.open.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// The port was ours a moment ago, and connections through it may still be open.
    async fn bind_again(&self) -> TcpListener {
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    Some(listener?.accept().await)
}

/// One connection through the proxy, until either side or a mode ends it.
async fn serve(
    client: TcpStream,
    target: &str,
    mut modes: watch::Receiver<Mode>,
    counts: &Arc<Counts>,
    number: usize,
) -> io::Result<()> {
    // A black hole accepts but does not go on: the server knows nothing of the connection yet.
    let mode = *modes.wait_for(|mode| *mode != Mode::BlackHole).await.map_err(io::Error::other)?;
    match mode {
        Mode::Reset => return reset(&client),
        Mode::Fin => return finish(client).await,
        Mode::Pass
        | Mode::BlackHole
        | Mode::Refuse
        | Mode::Delay(_)
        | Mode::Throttle(_)
        | Mode::CutAfter(_)
        | Mode::Rough(_) => {}
    }
    let server = TcpStream::connect(target).await.inspect_err(|_| {
        reset(&client).ok();
    })?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client, server) = (Arc::new(client), Arc::new(server));
    let passed = Arc::new(AtomicUsize::new(0));
    let pump = |from: &Arc<TcpStream>, to: &Arc<TcpStream>, way| Pump {
        from: Arc::clone(from),
        to: Arc::clone(to),
        modes: modes.clone(),
        passed: Arc::clone(&passed),
        counts: Arc::clone(counts),
        way,
    };
    let (up, down) = (pump(&client, &server, 2 * number), pump(&server, &client, 2 * number + 1));
    let (up, down) = (up.run(), down.run());
    tokio::pin!(up, down);
    // A half close is passed on as one; any other end takes the whole connection along.
    tokio::select! {
        end = &mut up => if end == End::HalfClosed { down.await; },
        end = &mut down => if end == End::HalfClosed { up.await; },
    }
    Ok(())
}

/// Makes the coming close of `stream` an RST.
fn reset(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Ends a stream with a FIN, and reads what still comes so that no RST follows.
async fn finish(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Moves bytes one way. The sockets are shared with the other way rather than split, since a
/// dropped half would say FIN where a reset is wanted.
struct Pump {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    modes: watch::Receiver<Mode>,
    passed: Arc<AtomicUsize>,
    counts: Arc<Counts>,
    /// Which of all ways through the proxy this is, for its dice.
    way: usize,
}

/// How one way ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    HalfClosed,
    Broken,
}

impl Pump {
    async fn run(mut self) -> End {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let mode = *self.modes.borrow_and_update();
            let room = match mode {
                Mode::Reset => return self.reset(),
                Mode::Fin => return self.finish(&mut buffer).await,
                Mode::BlackHole => {
                    if self.modes.changed().await.is_err() {
                        return End::Broken;
                    }
                    continue;
                }
                Mode::CutAfter(limit) if self.passed.load(Ordering::SeqCst) >= limit => {
                    return self.reset();
                }
                Mode::Rough(rough) => match self.run_rough(rough, &mut buffer).await {
                    Some(end) => return end,
                    None => continue,
                },
                Mode::Throttle(rate) => (rate / 20).clamp(1, buffer.len()),
                Mode::Pass | Mode::Refuse | Mode::Delay(_) | Mode::CutAfter(_) => buffer.len(),
            };
            let read = tokio::select! {
                biased;
                changed = self.modes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Broken,
                },
                read = read(&self.from, &mut buffer[..room]) => read,
            };
            match read {
                Ok(0) => return self.half_close(),
                Ok(count) => {
                    if self.forward(&buffer[..count], mode).await.is_err() {
                        return self.reset();
                    }
                }
                Err(_) => return self.reset(),
            }
        }
    }

    /// Hands a chunk over, of which an empty one is the end of the stream; the end of the way if it comes to that.
    async fn arrive(&self, chunk: &[u8]) -> Option<End> {
        if chunk.is_empty() {
            return Some(self.half_close());
        }
        self.passed.fetch_add(chunk.len(), Ordering::SeqCst);
        let written = write_all(&self.to, chunk).await;
        written.is_err().then(|| self.reset())
    }

    /// Passes chunks on late, until the way ends; none when the mode has changed. Reading goes on while chunks are
    /// under way, so a delay costs time and no throughput.
    async fn run_rough(&mut self, rough: Rough, buffer: &mut [u8]) -> Option<End> {
        let mut dice = Dice::new(rough.seed, self.way);
        let mut line = Line::new(rough);
        loop {
            let due = line.due();
            let step = tokio::select! {
                biased;
                changed = self.modes.changed() => match changed {
                    // What is under way arrives before whatever the new mode does.
                    Ok(()) => {
                        while let Some(chunk) = line.pop() {
                            if let Some(end) = self.arrive(&chunk).await {
                                return Some(end);
                            }
                        }
                        return None;
                    }
                    Err(_) => return Some(End::Broken),
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => None,
                read = read(&self.from, buffer), if line.has_room() => Some(read),
            };
            match step {
                None => {
                    if let Some(end) = self.arrive(&line.pop().unwrap_or_default()).await {
                        return Some(end);
                    }
                }
                Some(Ok(0)) => line.end(),
                Some(Ok(count)) => match line.push(&buffer[..count], &mut dice) {
                    Next::Passes => {}
                    Next::IsHeldUp => {
                        self.counts.held_up.fetch_add(1, Ordering::SeqCst);
                    }
                    Next::Cuts => {
                        self.counts.cut.fetch_add(1, Ordering::SeqCst);
                        return Some(self.reset());
                    }
                },
                Some(Err(_)) => return Some(self.reset()),
            }
        }
    }

    async fn forward(&self, chunk: &[u8], mode: Mode) -> io::Result<()> {
        if let Mode::Delay(pause) = mode {
            tokio::time::sleep(pause).await;
        } else if let Mode::Throttle(_) = mode {
            tokio::time::sleep(THROTTLE_STEP).await;
        }
        let before = self.passed.fetch_add(chunk.len(), Ordering::SeqCst);
        let allowed =
            if let Mode::CutAfter(limit) = mode { limit.saturating_sub(before).min(chunk.len()) } else { chunk.len() };
        write_all(&self.to, &chunk[..allowed]).await?;
        if allowed < chunk.len() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn reset(&self) -> End {
        reset(&self.from).ok();
        reset(&self.to).ok();
        End::Broken
    }

    fn half_close(&self) -> End {
        SockRef::from(&*self.to).shutdown(Shutdown::Write).ok();
        End::HalfClosed
    }

    async fn finish(&self, buffer: &mut [u8]) -> End {
        let end = self.half_close();
        while matches!(read(&self.from, buffer).await, Ok(1..)) {}
        end
    }
}

async fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
