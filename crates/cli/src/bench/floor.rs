//! The floor: a server that reads, writes frames of the same sizes, and does nothing else.
//!
//! Its first line from each connection says `speaks` or `listens`, a group, and the sizes of the group's messages.
//! For every message of a speaker it writes one frame to the speaker, if that is asked for, and one to each listener
//! of the group; messages that were read together are written together.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cossistant_server::gateway::frame::text_frame;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

const LISTENER: Token = Token(usize::MAX);
/// Bytes read at a time: more than what a window of messages takes.
const READ_BYTES: usize = 256 * 1024;
/// The most frames that one write takes.
const FRAMES_PER_WRITE: usize = 64;
/// The length of the text that answers a greeting: about what the server says to a new connection.
const WELCOME_BYTES: usize = 420;
/// How long the floor waits for a reader that is slow.
const SLOW_READER: Duration = Duration::from_micros(50);

/// The peer that every figure is compared with: it accepts, reads and writes, and does nothing else.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cossistant bench floor-server --listen 127.0.0.1:9900 --ready-file floor.json")]
pub(super) struct FloorServer {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file that is written, as JSON with `url`, once it listens.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl FloorServer {
    /// Runs until it is killed.
    pub(super) fn run(&self) -> Result<()> {
        let listener = std::net::TcpListener::bind(self.listen).context("cannot listen")?;
        if let Some(path) = &self.ready_file {
            let url = format!("http://{}", listener.local_addr().context("an address")?);
            let new = path.with_extension("new");
            std::fs::write(&new, format!("{}\n", json!({"url": url})))
                .and_then(|()| std::fs::rename(&new, path))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        serve(listener)
    }
}

/// What a connection said in its greeting.
struct Member {
    group: usize,
    /// The bytes of each of its messages; `None` for a listener.
    speaks: Option<usize>,
    /// Bytes of a message that is not complete.
    partial: usize,
}

struct Peer {
    stream: TcpStream,
    member: Option<Member>,
}

/// The connections of a group that listen, and its frames, several in one piece.
#[derive(Default)]
struct Group {
    listeners: Vec<usize>,
    reply: Frames,
    delivery: Frames,
}

#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    each: usize,
}

impl Frames {
    fn new(kind: &str, length: usize) -> Self {
        if length == 0 {
            return Self::default();
        }
        let frame = frame(kind, length);
        Self { bytes: frame.repeat(FRAMES_PER_WRITE), each: frame.len() }
    }

    fn write(&self, stream: &mut TcpStream, mut count: usize) -> io::Result<()> {
        while count > 0 && self.each > 0 {
            let now = count.min(FRAMES_PER_WRITE);
            write_all(stream, &self.bytes[..now * self.each])?;
            count -= now;
        }
        Ok(())
    }
}

/// A text frame of some kind and length.
fn frame(kind: &str, length: usize) -> Vec<u8> {
    let text = format!(r#"{{"type":"{kind}"}}"#);
    text_frame(&format!("{text:<length$}")).to_vec()
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(SLOW_READER),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Everything that the floor knows.
struct Floor {
    poll: Poll,
    peers: Vec<Option<Peer>>,
    groups: BTreeMap<usize, Group>,
    welcome: Vec<u8>,
    buffer: Vec<u8>,
}

fn serve(listener: std::net::TcpListener) -> Result<()> {
    listener.set_nonblocking(true).context("cannot make the listener non-blocking")?;
    // A burst of connections waits for its turn rather than for a retry of the first packet.
    socket2::SockRef::from(&listener).listen(4_096).context("cannot listen")?;
    let mut listener = TcpListener::from_std(listener);
    let poll = Poll::new().context("cannot make a poll")?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).context("cannot watch the listener")?;
    let mut floor = Floor {
        poll,
        peers: Vec::new(),
        groups: BTreeMap::new(),
        welcome: frame("connection_established", WELCOME_BYTES),
        buffer: vec![0; READ_BYTES],
    };
    let mut events = Events::with_capacity(1_024);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error).context("cannot poll"),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&listener)?;
            } else if floor.read(event.token().0).is_err() {
                floor.forget(event.token().0);
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot accept"),
            };
            stream.set_nodelay(true).context("cannot set an option")?;
            let token = Token(self.peers.len());
            self.poll.registry().register(&mut stream, token, Interest::READABLE).context("cannot watch a socket")?;
            self.peers.push(Some(Peer { stream, member: None }));
        }
    }

    /// Reads once, and writes what the read messages ask for. An error ends the connection.
    fn read(&mut self, index: usize) -> io::Result<()> {
        let Some(Some(peer)) = self.peers.get_mut(index) else { return Ok(()) };
        let count = match peer.stream.read(&mut self.buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(member) = &mut peer.member else {
            return self.greet(index, count);
        };
        let Some(size) = member.speaks else { return Ok(()) };
        let bytes = member.partial + count;
        member.partial = bytes % size;
        let messages = bytes / size;
        let Some(group) = self.groups.get(&member.group) else { return Ok(()) };
        group.reply.write(&mut peer.stream, messages)?;
        for listener in &group.listeners {
            if let Some(Some(peer)) = self.peers.get_mut(*listener) {
                // A listener that has gone is found out by its own event.
                let _gone = group.delivery.write(&mut peer.stream, messages);
            }
        }
        Ok(())
    }

    fn greet(&mut self, index: usize, count: usize) -> io::Result<()> {
        let Some(Some(peer)) = self.peers.get_mut(index) else { return Ok(()) };
        let greeting = String::from_utf8_lossy(&self.buffer[..count]);
        let mut words = greeting.split_whitespace();
        let speaks = words.next() == Some("speaks");
        let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
        let [id, request, reply, delivery] = numbers[..] else { return Err(io::ErrorKind::InvalidData.into()) };
        let group = self.groups.entry(id).or_insert_with(|| Group {
            listeners: Vec::new(),
            reply: Frames::new("message_ack", reply),
            delivery: Frames::new("new_message", delivery),
        });
        if !speaks {
            group.listeners.push(index);
        }
        peer.member = Some(Member { group: id, speaks: speaks.then_some(request.max(1)), partial: 0 });
        write_all(&mut peer.stream, &self.welcome)
    }

    /// Lets go of a connection, and of its group with the last of its members.
    fn forget(&mut self, index: usize) {
        let Some(Some(Peer { member: Some(member), .. })) = self.peers.get_mut(index).map(Option::take) else { return };
        let is_last = !self
            .peers
            .iter()
            .flatten()
            .any(|peer| peer.member.as_ref().is_some_and(|other| other.group == member.group));
        if is_last {
            self.groups.remove(&member.group);
        } else if let Some(group) = self.groups.get_mut(&member.group) {
            group.listeners.retain(|listener| *listener != index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fanout::Fanout;
    use super::super::figures::Report;
    use super::super::peer::{Peer, Speech};
    use super::super::process::Process;
    use super::super::wire::Shape;
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        fanout: Fanout,
    }

    #[test]
    fn the_floor_delivers_to_every_listener_what_a_speaker_writes() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || serve(listener));
        let (process, database) = (Process::default(), Process::default());
        let (addresses, websites) = (vec![address], vec!["site".to_owned()]);
        let peer = Peer { addresses, process, database, websites, speech: Speech::Floor, run: "test".to_owned() };
        let line = "bench --subscribers 20 --rate 200 --seconds 0.1 --backlog 100 --chars 10";
        let options = Options::parse_from(line.split(' '));
        let request = super::super::wire::send_message(&peer.conversation(0), 1, "xxxxxxxxxx").len();
        let shape = Shape { request, reply: 150, delivery: 300 };
        let measured = options.fanout.run(&peer, shape, &mut Report::new("fanout")).unwrap();
        assert_eq!(measured, shape);
    }
}
