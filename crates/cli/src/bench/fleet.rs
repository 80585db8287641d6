//! Many raw connections on one thread.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use cossistant_server::gateway::frame::Scratch;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{Connection, Reading, Received};
use super::wire::Kind;

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;
/// How many connections are opened, or requests asked, before the first of them is answered.
const WINDOW: usize = 256;
/// How long nothing may come while something is awaited.
const PATIENCE: Duration = Duration::from_secs(30);
/// The last of the loopback addresses from which connections are opened.
const LAST_SOURCE: u8 = 250;

pub(super) struct Fleet {
    addresses: Vec<SocketAddr>,
    upgrades: bool,
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    reading: Reading,
    source: u8,
}

impl Fleet {
    /// No connections yet. With `upgrades` they are WebSockets, else bare frames follow the greeting.
    pub(super) fn new(addresses: Vec<SocketAddr>, upgrades: bool) -> Result<Self> {
        let reading =
            Reading { buffer: vec![0; READ_BYTES], scratch: Scratch::default(), received: Vec::new(), epoch: None };
        Ok(Self {
            addresses,
            upgrades,
            poll: Poll::new().context("cannot make a poll")?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            reading,
            source: 1,
        })
    }

    /// The store's epoch, once a subscription was confirmed.
    pub(super) fn epoch(&self) -> Option<&str> {
        self.reading.epoch.as_deref()
    }

    /// Opens connections, each with its greeting, and waits until all are authenticated. They are numbered on from
    /// the last one; returns the first one's number.
    pub(super) fn open(&mut self, greetings: Vec<Vec<u8>>) -> Result<usize> {
        let first = self.connections.len();
        let count = greetings.len();
        let mut greetings = greetings.into_iter();
        let mut established = 0;
        let mut patience = Instant::now() + PATIENCE;
        while established < count {
            while self.connections.len() - first < count.min(established + WINDOW) {
                let greeting = greetings.next().context("as many greetings as connections")?;
                self.connect(greeting)?;
            }
            let news = self.pump(Duration::from_millis(100))?;
            if !news.is_empty() {
                patience = Instant::now() + PATIENCE;
            }
            established += news.iter().filter(|news| news.on >= first && news.kind == Kind::Established).count();
            ensure!(Instant::now() < patience, "only {established} of {count} connections were accepted");
        }
        Ok(first)
    }

    fn connect(&mut self, greeting: Vec<u8>) -> Result<()> {
        let address = self.address_of(self.connections.len());
        let socket = loop {
            match self.dial(address) {
                Ok(socket) => break socket,
                // The ports of this source address are used up.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse)
                        && self.source < LAST_SOURCE =>
                {
                    self.source += 1;
                }
                Err(error) => return Err(error).with_context(|| format!("cannot connect to {address}")),
            }
        };
        let mut connection = Connection::new(TcpStream::from_std(socket.into()), greeting, self.upgrades);
        let token = Token(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(connection.stream_mut(), token, interest).context("cannot watch a socket")?;
        self.connections.push(Some(connection));
        Ok(())
    }

    /// Where a connection goes: the two of a pair to different nodes, if there are several.
    fn address_of(&self, on: usize) -> SocketAddr {
        self.addresses[(on / 2 + on % 2) % self.addresses.len()]
    }

    fn dial(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if self.source > 1 && matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
            let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, self.source), 0));
            socket.bind(&source.into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
            _ => Ok(socket),
        }
    }

    pub(super) fn send(&mut self, on: usize, text: &str) -> Result<()> {
        let connection = self.connections.get_mut(on).and_then(Option::as_mut);
        connection.with_context(|| format!("connection {on} is gone"))?.send(text)
    }

    /// Sends each request and waits until each of their connections has got an answer of this kind.
    /// Returns the answers' numbers in the order of the requests.
    pub(super) fn ask(&mut self, requests: &[(usize, String)], kinds: &[Kind]) -> Result<Vec<u64>> {
        let mut numbers = vec![None; self.connections.len()];
        let (mut sent, mut answered) = (0, 0);
        let mut waiting = HashSet::new();
        let mut patience = Instant::now() + PATIENCE;
        while answered < requests.len() {
            while sent < requests.len().min(answered + WINDOW) {
                let (on, text) = &requests[sent];
                waiting.insert(*on);
                self.send(*on, text)?;
                sent += 1;
            }
            for news in self.pump(Duration::from_millis(100))? {
                patience = Instant::now() + PATIENCE;
                if kinds.contains(&news.kind) && waiting.remove(&news.on) {
                    numbers[news.on] = Some(news.number);
                    answered += 1;
                }
            }
            ensure!(Instant::now() < patience, "only {answered} of {} requests were answered", requests.len());
        }
        requests.iter().map(|(on, _)| numbers[*on].context("every request was answered")).collect()
    }

    /// Waits for news, at most so long, and takes what came. A wait below 1 ms does not sleep.
    pub(super) fn pump(&mut self, wait: Duration) -> Result<Vec<Received>> {
        let Self { poll, events, connections, reading, .. } = self;
        let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        match poll.poll(events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error).context("cannot poll"),
            _ => {}
        }
        for event in &*events {
            let on = event.token().0;
            let Some(connection) = connections.get_mut(on).and_then(Option::as_mut) else { continue };
            if event.is_writable() {
                connection.flush()?;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                connection.read(on, reading)?;
            }
        }
        Ok(std::mem::take(&mut reading.received))
    }

    /// Cuts all connections at once.
    pub(super) fn cut_all(&mut self) {
        for connection in self.connections.iter_mut().filter_map(Option::take) {
            connection.cut();
        }
    }

    /// Closes one connection in good order.
    pub(super) fn leave(&mut self, on: usize) -> Result<()> {
        self.connections.get_mut(on).and_then(Option::take).map_or(Ok(()), Connection::leave)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // An orderly close would leave ten thousand ports waiting for a minute.
        self.cut_all();
    }
}
