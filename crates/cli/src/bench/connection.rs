//! One raw connection of the load generator: a socket, a decoder, and what did not fit into the socket yet.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cossistant_server::gateway::frame::{
    Decoded, Decoder, DecoderConfig, Opcode, Role, Scratch, close_reply, encode_masked_frame,
};
use mio::net::TcpStream;
use socket2::SockRef;

use super::wire::{Kind, epoch_in};

/// A text that came, in short.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Which connection it came on.
    pub(super) on: usize,
    pub(super) kind: Kind,
    /// Its place; see [`Kind::number_in`].
    pub(super) number: u64,
    /// The length of the text.
    pub(super) bytes: usize,
    /// When it was read.
    pub(super) at: Instant,
}

/// What all connections of a fleet share while they read.
pub(super) struct Reading {
    pub(super) buffer: Vec<u8>,
    pub(super) scratch: Scratch,
    pub(super) received: Vec<Received>,
    /// The store's epoch, as the last confirmation said.
    pub(super) epoch: Option<String>,
}

pub(super) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
    /// The answer to the upgrade as far as it came; `None` once frames are read.
    head: Option<Vec<u8>>,
    unsent: Vec<u8>,
    mask: u32,
}

impl Connection {
    /// Begins to connect; `greeting` is what it writes first. With `upgrades` an HTTP answer comes before frames.
    pub(super) fn new(stream: TcpStream, greeting: Vec<u8>, upgrades: bool) -> Self {
        let config = DecoderConfig { role: Role::Client, max_message_bytes: 1 << 20, ..DecoderConfig::default() };
        Self {
            stream,
            decoder: Decoder::new(config),
            head: upgrades.then(Vec::new),
            unsent: greeting,
            mask: 0x9E37_79B9,
        }
    }

    pub(super) const fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends a text, or keeps what the socket does not take now.
    pub(super) fn send(&mut self, text: &str) -> Result<()> {
        self.frame(Opcode::Text, text.as_bytes());
        self.flush()
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.mask = self.mask.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
        encode_masked_frame(opcode, payload, self.mask.to_be_bytes(), &mut self.unsent);
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => {
                    self.unsent.drain(..written);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot write"),
            }
        }
        if self.unsent.is_empty() {
            // Ten thousand idle connections keep no buffers.
            self.unsent = Vec::new();
        }
        Ok(())
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, on: usize, reading: &mut Reading) -> Result<()> {
        loop {
            match self.stream.read(&mut reading.buffer) {
                Ok(0) => bail!("connection {on} ended"),
                Ok(count) => {
                    let mut buffer = std::mem::take(&mut reading.buffer);
                    let taken = self.take(on, &mut buffer[..count], reading);
                    // A read that does not fill the buffer has emptied the socket.
                    let is_empty = count < buffer.len();
                    reading.buffer = buffer;
                    taken?;
                    if is_empty {
                        return self.flush();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.flush(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("connection {on} was lost")),
            }
        }
    }

    fn take(&mut self, on: usize, bytes: &mut [u8], reading: &mut Reading) -> Result<()> {
        let Some(head) = &mut self.head else { return self.decode(on, bytes, reading) };
        head.extend_from_slice(bytes);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(()) };
        ensure!(head.starts_with(b"HTTP/1.1 101"), "connection {on} was refused: {}", String::from_utf8_lossy(head));
        let mut rest = head.split_off(end + 4);
        self.head = None;
        self.decode(on, &mut rest, reading)
    }

    fn decode(&mut self, on: usize, bytes: &mut [u8], reading: &mut Reading) -> Result<()> {
        let at = Instant::now();
        let mut taken = 0;
        while taken < bytes.len() {
            let mut pong = None;
            let (count, decoded) = self
                .decoder
                .decode(&mut bytes[taken..], &mut reading.scratch)
                .with_context(|| format!("connection {on} got a broken frame"))?;
            taken += count;
            match decoded {
                Some(Decoded::Text(text)) => {
                    let kind = Kind::of(text);
                    ensure!(kind != Kind::Error, "connection {on} was told {text}");
                    if matches!(kind, Kind::Confirmed | Kind::Unrecovered) && reading.epoch.is_none() {
                        reading.epoch = epoch_in(text).map(str::to_owned);
                    }
                    let number = kind.number_in(text);
                    reading.received.push(Received { on, kind, number, bytes: text.len(), at });
                }
                Some(Decoded::Ping(payload)) => pong = Some(payload.to_vec()),
                Some(Decoded::Close { code, reason }) => {
                    bail!("connection {on} was closed: {} {reason}", code.unwrap_or_default())
                }
                Some(Decoded::Pong(_) | Decoded::Binary(_)) | None => {}
            }
            if let Some(payload) = pong {
                self.frame(Opcode::Pong, &payload);
            }
        }
        Ok(())
    }

    /// Ends as a pulled cable would, as far as a program can: with a reset, which leaves no port waiting.
    pub(super) fn cut(self) {
        // If the option is refused, it ends with an orderly close.
        let _orderly = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Says goodbye and leaves.
    pub(super) fn leave(mut self) -> Result<()> {
        let goodbye = close_reply(Some(1000));
        self.frame(Opcode::Close, &goodbye[2..]);
        self.flush()
    }
}
