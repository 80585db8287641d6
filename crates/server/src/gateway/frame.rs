//! RFC 6455 framing without I/O: bytes in, messages out, and frames ready to write.
//!
//! [`Decoder`] is the state that one connection keeps; [`Scratch`] is what all connections of a
//! thread share while they decode. The `*_frame` functions build what a server sends: unmasked
//! and unfragmented, header and payload in one piece.

mod decode;
mod encode;
mod error;
mod header;
mod mask;
mod message;
#[cfg(test)]
mod tests;

pub use decode::{Decoded, Decoder, DecoderConfig, Scratch};
pub use encode::{
    FrameBuffer, close_frame, close_reply, compressed_frame, compressed_text_frame, encode_frame, encode_masked_frame,
    ping_frame, pong_frame, text_frame,
};
pub use error::FrameError;
pub use mask::apply_mask;

/// The longest payload that a control frame (close, ping, pong) may carry, in bytes.
pub const MAX_CONTROL_BYTES: usize = 125;

/// What a frame is, as its four opcode bits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further frame of the message that an earlier frame began.
    Continuation,
    /// UTF-8 text, or the first part of it.
    Text,
    /// Bytes, or the first part of them.
    Binary,
    /// The last frame of its sender.
    Close,
    /// A question that a pong with the same payload answers.
    Ping,
    /// The answer to a ping, or an unasked sign of life.
    Pong,
}

impl Opcode {
    /// The opcode of these four bits; `None` for the reserved ones.
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits of this opcode.
    pub fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether this is a control frame, which may stand between the frames of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Which end of the connection decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer is a client: each of its frames must be masked.
    Server,
    /// The peer is a server: none of its frames may be masked.
    Client,
}

/// What happens to a binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryMessages {
    /// It is refused with 1003 as soon as its first header is there.
    Refuse,
    /// It is decoded like a text message, but for the UTF-8.
    Accept,
}
