//! From messages to frames.

use bytes::{BufMut, Bytes, BytesMut};

use super::super::deflate::Deflater;
use super::{MAX_CONTROL_BYTES, Opcode, apply_mask};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// Appends an unmasked, unfragmented frame, its length in the shortest form.
///
/// A control frame's payload is cut to [`MAX_CONTROL_BYTES`].
pub fn encode_frame(opcode: Opcode, payload: &[u8], out: &mut impl BufMut) {
    let payload = fitting(opcode, payload);
    put_header(FIN | opcode.bits(), 0, payload.len(), out);
    out.put_slice(payload);
}

/// Appends a frame as a client sends it. `mask` has to be random for each frame.
///
/// A control frame's payload is cut to [`MAX_CONTROL_BYTES`].
pub fn encode_masked_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let payload = fitting(opcode, payload);
    put_header(FIN | opcode.bits(), MASKED, payload.len(), out);
    out.put_slice(&mask);
    let start = out.len();
    out.put_slice(payload);
    apply_mask(&mut out[start..], mask, 0);
}

/// A text message: header and payload in one piece, to be shared by all who receive it.
pub fn text_frame(payload: &str) -> Bytes {
    frame(FIN | Opcode::Text.bits(), payload.as_bytes())
}

/// Where a text message is written that gets its header afterwards, without being copied once more.
#[derive(Debug)]
pub struct FrameBuffer {
    buffer: Vec<u8>,
    starts_at: usize,
    text_at: usize,
}

/// The longest header that a server writes.
const HEADER_ROOM: usize = 10;

impl Default for FrameBuffer {
    fn default() -> Self {
        let mut buffer = Vec::with_capacity(512);
        buffer.resize(HEADER_ROOM, 0);
        Self { buffer, starts_at: 0, text_at: HEADER_ROOM }
    }
}

impl FrameBuffer {
    /// A frame that is complete and has no text.
    pub fn control(frame: &[u8]) -> Self {
        Self { buffer: frame.to_vec(), starts_at: 0, text_at: frame.len() }
    }

    /// Where the payload is appended. Nothing may be taken away.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Puts the header of a text frame before the payload.
    #[must_use]
    pub fn into_text(mut self) -> Self {
        let length = self.buffer.len() - HEADER_ROOM;
        self.starts_at = HEADER_ROOM - header_bytes(length);
        let mut room = &mut self.buffer[self.starts_at..HEADER_ROOM];
        put_header(FIN | Opcode::Text.bits(), 0, length, &mut room);
        self
    }

    /// The frame.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.starts_at..]
    }

    /// Its text alone.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.buffer[self.text_at..]
    }
}

/// A text message that `deflater` has compressed, for connections that negotiated
/// permessage-deflate and whose window it fits.
///
/// It may be longer than [`text_frame`] gives; whoever sends it compares.
pub fn compressed_text_frame(payload: &str, deflater: &mut Deflater) -> Bytes {
    compressed_frame(Opcode::Text, payload.as_bytes(), deflater)
}

/// A compressed message of either kind. `opcode` is `Text` or `Binary`, since a control frame is
/// never compressed.
pub fn compressed_frame(opcode: Opcode, payload: &[u8], deflater: &mut Deflater) -> Bytes {
    debug_assert!(matches!(opcode, Opcode::Text | Opcode::Binary));
    frame(FIN | RSV1 | opcode.bits(), deflater.deflate(payload))
}

/// A ping. The payload is cut to [`MAX_CONTROL_BYTES`].
pub fn ping_frame(payload: &[u8]) -> Bytes {
    frame(FIN | Opcode::Ping.bits(), fitting(Opcode::Ping, payload))
}

/// A pong. The payload is cut to [`MAX_CONTROL_BYTES`]; that of a ping always fits.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    frame(FIN | Opcode::Pong.bits(), fitting(Opcode::Pong, payload))
}

/// A close frame. The reason is cut to 123 bytes, at a character's border.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let room = reason.floor_char_boundary(MAX_CONTROL_BYTES - 2);
    let mut payload = [0; MAX_CONTROL_BYTES];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + room].copy_from_slice(&reason.as_bytes()[..room]);
    frame(FIN | Opcode::Close.bits(), &payload[..2 + room])
}

/// The answer to a peer's close frame: its own code, or none if it gave none.
pub fn close_reply(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => close_frame(code, ""),
        None => frame(FIN | Opcode::Close.bits(), &[]),
    }
}

fn frame(first: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(header_bytes(payload.len()) + payload.len());
    put_header(first, 0, payload.len(), &mut out);
    out.put_slice(payload);
    out.freeze()
}

fn fitting(opcode: Opcode, payload: &[u8]) -> &[u8] {
    if opcode.is_control() { &payload[..payload.len().min(MAX_CONTROL_BYTES)] } else { payload }
}

fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

fn put_header(first: u8, masked: u8, payload_bytes: usize, out: &mut impl BufMut) {
    out.put_u8(first);
    // Each form is chosen only for lengths that it can hold.
    match header_bytes(payload_bytes) {
        2 => out.put_u8(masked | payload_bytes as u8),
        4 => {
            out.put_u8(masked | 126);
            out.put_u16(payload_bytes as u16);
        }
        _ => {
            out.put_u8(masked | 127);
            out.put_u64(payload_bytes as u64);
        }
    }
}
