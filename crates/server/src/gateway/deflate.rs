//! permessage-deflate (RFC 7692) without context takeover on either side.
//!
//! No connection owns a compression state: [`Inflater`] and [`Deflater`] belong to a thread and
//! start afresh with each message. So an idle connection costs nothing for it, and one event can
//! be compressed once for all who receive it.

mod negotiate;
#[cfg(test)]
mod tests;

pub use negotiate::{DeflateParams, negotiate};

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::frame::FrameError;

/// The window of DEFLATE itself, as a power of two; no peer can ask for more.
pub const MAX_WINDOW_BITS: u8 = 15;

/// What ends a flushed DEFLATE stream, which RFC 7692 leaves out on the wire.
const FLUSH_TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The flush tail, then an empty final block. A whole message followed by this ends its stream
/// exactly here; one that was cut off does not.
const END_TAIL: [u8; 6] = [0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00];

/// Fast enough for live events; higher levels gain little on texts of their size.
const LEVEL: Compression = Compression::new(3);

/// The output buffer grows by this much at first, and then doubles.
const FIRST_STEP: usize = 4 * 1024;

/// A larger buffer is given back after its message, for one message in a thousand needs it.
const KEPT_BYTES: usize = 256 * 1024;

/// Inflates messages, one after the other, for all connections of a thread.
///
/// Its memory (about 40 KiB) is allocated with the first message.
#[derive(Default)]
pub struct Inflater {
    stream: Option<Decompress>,
    out: Vec<u8>,
}

/// How feeding a piece of a stream ended.
#[derive(PartialEq, Eq)]
enum Fed {
    /// More of the stream may follow.
    Open,
    /// The piece's last byte was the stream's last byte.
    Ended,
}

impl Inflater {
    /// Inflates one message. The result lives until the next call.
    ///
    /// Memory for the output grows with what was inflated, to `limit` bytes and one that tells
    /// that there is more.
    ///
    /// # Errors
    ///
    /// [`FrameError::MessageTooLarge`] as soon as the output passes `limit`, and
    /// [`FrameError::InvalidDeflate`] for what is no DEFLATE stream or ends too early.
    pub fn inflate(&mut self, message: &[u8], limit: usize) -> Result<&[u8], FrameError> {
        if self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
        self.out.clear();
        match &mut self.stream {
            Some(stream) => stream.reset(false),
            None => self.stream = Some(Decompress::new(false)),
        }
        if message.is_empty() {
            // Not a stream, yet some peers send it for an empty message.
            return Ok(&self.out);
        }
        // A stream that says itself where it ends needs no tail.
        if self.feed(message, limit)? == Fed::Open && self.feed(&END_TAIL, limit)? == Fed::Open {
            return Err(FrameError::InvalidDeflate);
        }
        Ok(&self.out)
    }

    fn feed(&mut self, mut input: &[u8], limit: usize) -> Result<Fed, FrameError> {
        let Some(stream) = &mut self.stream else {
            return Ok(Fed::Open);
        };
        loop {
            reserve(&mut self.out, limit.saturating_add(1));
            let taken_before = stream.total_in();
            let made_before = self.out.len();
            let status = stream
                .decompress_vec(input, &mut self.out, FlushDecompress::None)
                .map_err(|_| FrameError::InvalidDeflate)?;
            if self.out.len() > limit {
                return Err(FrameError::MessageTooLarge);
            }
            // What was taken lies within the input, whose length is a usize.
            let taken = (stream.total_in() - taken_before) as usize;
            input = &input[taken..];
            match status {
                Status::StreamEnd if input.is_empty() => return Ok(Fed::Ended),
                // A message may consist of several streams that each end with a final block.
                Status::StreamEnd => stream.reset(false),
                Status::Ok | Status::BufError => {
                    let is_stuck = taken == 0 && self.out.len() == made_before;
                    let has_room = self.out.len() < self.out.capacity();
                    if input.is_empty() && has_room {
                        return Ok(Fed::Open);
                    }
                    if is_stuck && has_room {
                        return Err(FrameError::InvalidDeflate);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("is_allocated", &self.stream.is_some())
            .field("buffer_bytes", &self.out.capacity())
            .finish()
    }
}

/// Makes room when there is none: a first step, then twice as much, never beyond `limit`.
fn reserve(out: &mut Vec<u8>, limit: usize) {
    if out.len() == out.capacity() {
        let step = out.len().max(FIRST_STEP);
        out.reserve_exact(step.min(limit - out.len()));
    }
}

/// Compresses messages, one after the other, for all connections of a thread.
///
/// It takes about 270 KiB at the full window, from the start.
pub struct Deflater {
    stream: Compress,
    window_bits: u8,
    out: Vec<u8>,
}

impl Deflater {
    /// A deflater with the full window, for events that many connections share.
    pub fn new() -> Self {
        Self::make(MAX_WINDOW_BITS)
    }

    /// A deflater whose window is two to the power of `window_bits`, for a connection that asked
    /// for less. `None` outside of 9 to 15: a peer that asks for 8 is sent nothing compressed.
    pub fn with_window_bits(window_bits: u8) -> Option<Self> {
        (9..=MAX_WINDOW_BITS).contains(&window_bits).then(|| Self::make(window_bits))
    }

    fn make(window_bits: u8) -> Self {
        Self { stream: Compress::new_with_window_bits(LEVEL, false, window_bits), window_bits, out: Vec::new() }
    }

    /// The window that this deflater uses, as a power of two.
    pub fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Compresses one message, without the tail that RFC 7692 leaves out.
    ///
    /// The result lives until the next call.
    pub fn deflate(&mut self, message: &[u8]) -> &[u8] {
        if self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
        self.out.clear();
        self.stream.reset();
        let mut input = message;
        loop {
            let room = input.len() / 2 + FIRST_STEP;
            self.out.reserve(room);
            let taken_before = self.stream.total_in();
            let status = self
                .stream
                .compress_vec(input, &mut self.out, FlushCompress::Sync)
                .expect("a stream that is not finished takes all input");
            // What was taken lies within the input, whose length is a usize.
            input = &input[(self.stream.total_in() - taken_before) as usize..];
            let is_flushed = self.out.len() < self.out.capacity() || status == Status::BufError;
            if input.is_empty() && is_flushed {
                break;
            }
        }
        self.out.strip_suffix(&FLUSH_TAIL).unwrap_or(&self.out)
    }
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("window_bits", &self.window_bits)
            .field("buffer_bytes", &self.out.capacity())
            .finish()
    }
}
