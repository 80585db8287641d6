//! The sockets of a simulated node: what the driver does with real ones.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use super::SimConnection;
use super::node::Place;
use crate::gateway::Shard;
use crate::hub::{ConnRef, MAX_FRAMES_PER_WRITE};

/// What a client sends on its socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    /// A text message.
    Text(Arc<str>),
    /// The answer to a ping.
    Pong,
    /// A close frame.
    Close(Option<u16>),
}

/// What a client finds on its socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// A text message.
    Text(String),
    /// A ping, which the client's WebSocket answers by itself.
    Ping,
    /// A close frame.
    Close(u16, String),
    /// The end of the stream.
    Gone,
}

/// One socket between the node and the simulator's network.
pub(super) struct Socket {
    id: SimConnection,
    pub(super) place: Place,
    pub(super) at: ConnRef,
    /// What came and was not read.
    pub(super) inbound: VecDeque<FromClient>,
    /// Whether the node reads from it, as it found when it looked last.
    pub(super) is_reading: bool,
    /// What the node has written. Of the last `on_wire` bytes the network has taken nothing; what is before them was taken
    /// and is not yet a whole frame.
    wire: Vec<u8>,
    on_wire: usize,
    pub(super) capacity: usize,
    pub(super) is_blocked: bool,
    /// The node has let go of it.
    pub(super) is_gone: bool,
    is_told_gone: bool,
    /// The simulator knows that something was written.
    pub(super) is_announced: bool,
}

/// What became of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    Nothing,
    Blocked,
    Drained,
}

impl Socket {
    pub(super) fn new(id: SimConnection, place: Place, at: ConnRef, capacity: usize) -> Self {
        Self {
            id,
            is_announced: false,
            place,
            at,
            inbound: VecDeque::new(),
            is_reading: false,
            wire: Vec::new(),
            on_wire: 0,
            capacity,
            is_blocked: false,
            is_gone: false,
            is_told_gone: false,
        }
    }

    /// Lets the simulator know that something was written, unless it knows.
    pub(super) fn announce(&mut self, written: &mut VecDeque<SimConnection>) {
        if !std::mem::replace(&mut self.is_announced, true) {
            written.push_back(self.id);
        }
    }

    /// How many bytes wait for the network.
    pub(super) const fn on_wire(&self) -> usize {
        self.on_wire
    }

    /// Writes bytes, whether or not there is room for them.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
        self.on_wire += bytes.len();
    }

    /// Forgets what the network has not yet taken.
    pub(super) fn forget_wire(&mut self) {
        self.wire.truncate(self.wire.len() - self.on_wire);
        self.on_wire = 0;
    }

    /// Writes what the outbox holds, as far as there is room.
    pub(super) fn flush(&mut self, shard: &mut Shard) -> Flushed {
        if self.is_blocked || !shard.is_current(self.at) {
            return Flushed::Nothing;
        }
        let Some(conn) = shard.hub_mut().conn_mut(self.at.index) else { return Flushed::Nothing };
        while !conn.outbox.is_empty() {
            let room = self.capacity.saturating_sub(self.on_wire);
            if room == 0 {
                self.is_blocked = true;
                return Flushed::Blocked;
            }
            let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
            let count = conn.outbox.slices(&mut slices);
            let mut written = 0;
            for slice in &slices[..count] {
                let part = &slice[..slice.len().min(room - written)];
                self.wire.extend_from_slice(part);
                written += part.len();
            }
            self.on_wire += written;
            conn.outbox.advance(written);
        }
        Flushed::Drained
    }

    /// Takes up to so many bytes off the wire and reads the frames that they complete.
    pub(super) fn take(&mut self, max_bytes: usize) -> Vec<FromServer> {
        self.on_wire -= max_bytes.min(self.on_wire);
        let taken = self.wire.len() - self.on_wire;
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some((frame, length)) = read_frame(&self.wire[at..taken]) {
            at += length;
            frames.extend(frame);
        }
        self.wire.drain(..at);
        if self.is_gone && self.on_wire == 0 && !self.is_told_gone {
            self.is_told_gone = true;
            frames.push(FromServer::Gone);
        }
        frames
    }
}

/// The first frame of some bytes, unless there is more to come, and its length. A pong says nothing.
fn read_frame(bytes: &[u8]) -> Option<(Option<FromServer>, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (start, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => {
            let long = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(long).ok()?)
        }
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(start..start + length)?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap_or("no UTF-8").to_owned();
    let frame = match first & 0x0f {
        0x1 => Some(FromServer::Text(text(payload))),
        0x8 => {
            let code = payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
            Some(FromServer::Close(code, text(payload.get(2..).unwrap_or_default())))
        }
        0x9 => Some(FromServer::Ping),
        _ => None,
    };
    Some((frame, start + length))
}
