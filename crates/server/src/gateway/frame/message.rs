//! A frame or message that arrives in pieces.

use std::str;

use super::header::Header;
use super::{FrameError, Opcode};

/// A frame whose header is read, with `taken` bytes of its payload.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) header: Header,
    pub(super) taken: u64,
}

impl Frame {
    /// The bytes of the payload that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.header.payload_bytes - self.taken
    }

    /// Whether these bytes are all of the frame and the frame is all of its message.
    pub(super) fn is_whole(&self, arrived: usize) -> bool {
        let header = &self.header;
        self.taken == 0
            && arrived as u64 == header.payload_bytes
            && header.is_final
            && header.opcode != Opcode::Continuation
    }
}

/// A message of which something is still to come.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) opcode: Opcode,
    pub(super) is_compressed: bool,
    pub(super) bytes: Vec<u8>,
    fragments: u32,
    valid_bytes: usize,
}

impl Message {
    /// The message that this header's frame begins.
    pub(super) fn new(header: &Header) -> Self {
        Self {
            opcode: header.opcode,
            is_compressed: header.is_compressed,
            bytes: Vec::new(),
            fragments: 0,
            valid_bytes: 0,
        }
    }

    /// Counts one frame more, of `max` that are allowed.
    pub(super) fn count_fragment(&mut self, max: u32) -> Result<(), FrameError> {
        self.fragments += 1;
        if self.fragments > max {
            return Err(FrameError::TooManyFragments);
        }
        Ok(())
    }

    /// Adds the next bytes of the frame, and fails with the first one that cannot be part of text.
    ///
    /// Whether the text stops within a character is seen when the message is complete.
    pub(super) fn push(&mut self, frame: &Frame, chunk: &[u8]) -> Result<(), FrameError> {
        self.reserve(frame, chunk.len());
        self.bytes.extend_from_slice(chunk);
        if self.opcode != Opcode::Text || self.is_compressed {
            return Ok(());
        }
        match str::from_utf8(&self.bytes[self.valid_bytes..]) {
            Ok(valid) => self.valid_bytes += valid.len(),
            Err(error) if error.error_len().is_some() => return Err(FrameError::InvalidUtf8),
            Err(error) => self.valid_bytes += error.valid_up_to(),
        }
        Ok(())
    }

    /// Doubles the room when it is full, but not past the end of the message when that is known:
    /// what is allocated follows what has arrived, never what a header claims.
    fn reserve(&mut self, frame: &Frame, arrived: usize) {
        if self.bytes.capacity() - self.bytes.len() >= arrived {
            return;
        }
        let mut room = self.bytes.len().max(arrived);
        if frame.header.is_final {
            room = room.min(usize::try_from(frame.left()).unwrap_or(usize::MAX));
        }
        self.bytes.reserve_exact(room);
    }
}
