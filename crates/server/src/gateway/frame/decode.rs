//! From the bytes of a socket to messages.

use std::ops::Range;
use std::str;

use super::super::deflate::Inflater;
use super::header::{Header, MAX_HEADER_BYTES, OpenMessage};
use super::message::{Frame, Message};
use super::{BinaryMessages, FrameError, Opcode, Role, apply_mask};

/// What a connection allows. It cannot change once the connection is open.
#[derive(Clone, Copy, Debug)]
pub struct DecoderConfig {
    /// The longest message in bytes, counted after inflation. One byte more is closed with 1009.
    pub max_message_bytes: u32,
    /// The most frames that one message may have. One more is closed with 4400.
    pub max_fragments: u32,
    /// Which end we are.
    pub role: Role,
    /// Whether binary messages are decoded.
    pub binary: BinaryMessages,
    /// Whether permessage-deflate (without context takeover) was negotiated.
    pub deflate: bool,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 * 1024,
            max_fragments: 1024,
            role: Role::Server,
            binary: BinaryMessages::Refuse,
            deflate: false,
        }
    }
}

/// One message or control frame, borrowed until the next call of [`Decoder::decode`].
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'b> {
    /// A whole text message.
    Text(&'b str),
    /// A whole binary message.
    Binary(&'b [u8]),
    /// A ping; it is answered with a pong of the same payload.
    Ping(&'b [u8]),
    /// A pong.
    Pong(&'b [u8]),
    /// The peer closes; nothing is decoded after this.
    Close {
        /// The code that the peer gave, if it gave one.
        code: Option<u16>,
        /// The text that the peer gave, often empty.
        reason: &'b str,
    },
}

/// What all connections of a thread share while they decode.
///
/// It holds the last message that did not lie whole in the read buffer, and the inflater, which is
/// allocated with the first compressed message.
#[derive(Debug, Default)]
pub struct Scratch {
    assembled: Vec<u8>,
    inflater: Inflater,
}

/// The state of one connection's inbound side.
///
/// The caller reads into a buffer that many connections share and calls [`decode`](Self::decode)
/// on what it read until that returns no message. Only an incomplete frame or message is kept
/// here, and nothing is allocated while there is none.
#[derive(Debug)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
    config: DecoderConfig,
    has_ended: bool,
}

/// What has arrived of a frame or message that is not complete.
#[derive(Debug, Default)]
struct Partial {
    header: [u8; MAX_HEADER_BYTES],
    header_bytes: usize,
    frame: Option<Frame>,
    control: Vec<u8>,
    message: Option<Message>,
}

/// A complete payload, unmasked but not yet inflated or understood.
struct Payload {
    opcode: Opcode,
    is_compressed: bool,
    source: Source,
}

enum Source {
    /// It lies in the input.
    Input(Range<usize>),
    /// It came in pieces and was put together.
    Assembled(Vec<u8>),
}

impl Decoder {
    /// A decoder for a connection that has just been opened.
    pub fn new(config: DecoderConfig) -> Self {
        Self { partial: None, config, has_ended: false }
    }

    /// Takes bytes off the front of `input` until a message or control frame is complete.
    ///
    /// Returns how many bytes were taken. Without a message that is all of them. With one, call
    /// again with the rest, which may hold more. A frame that lies whole in `input` is unmasked in
    /// place and borrowed from it; one that came in pieces is borrowed from `scratch`.
    ///
    /// After an error or a close nothing more is decoded: all further bytes are taken and dropped.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol or a limit. Messages returned before are not affected.
    pub fn decode<'b>(
        &mut self,
        input: &'b mut [u8],
        scratch: &'b mut Scratch,
    ) -> Result<(usize, Option<Decoded<'b>>), FrameError> {
        if self.has_ended {
            return Ok((input.len(), None));
        }
        let result = match self.assemble(input) {
            Ok((taken, None)) => Ok((taken, None)),
            Ok((taken, Some(payload))) => {
                self.understand(payload, input, scratch).map(|decoded| (taken, Some(decoded)))
            }
            Err(error) => Err(error),
        };
        self.has_ended = matches!(result, Err(_) | Ok((_, Some(Decoded::Close { .. }))));
        if self.has_ended || self.partial.as_ref().is_some_and(|p| p.is_empty()) {
            self.partial = None;
        }
        result
    }

    /// How much has arrived of the message that has begun and not ended, in bytes of its payload as it was sent; `None`
    /// while neither a message nor a frame is incomplete.
    ///
    /// The driver gives such a connection a deadline, so that nobody holds memory by dripping.
    pub fn partial_bytes(&self) -> Option<usize> {
        let message = self.partial.as_ref()?.message.as_ref();
        Some(message.map_or(0, |message| message.bytes.len()))
    }

    /// The bytes on the heap for what is incomplete; 0 when idle.
    pub fn heap_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let message = partial.message.as_ref();
            size_of::<Partial>() + partial.control.capacity() + message.map_or(0, |message| message.bytes.capacity())
        })
    }

    /// Frames become payloads: headers, masks, fragments.
    fn assemble(&mut self, input: &mut [u8]) -> Result<(usize, Option<Payload>), FrameError> {
        let mut at = 0;
        loop {
            let frame = match self.partial.as_mut().and_then(|p| p.frame.take()) {
                Some(frame) => frame,
                None => {
                    let (taken, header) = self.take_header(&input[at..])?;
                    at += taken;
                    let Some(header) = header else {
                        return Ok((at, None));
                    };
                    Frame { header, taken: 0 }
                }
            };
            let start = at;
            let left = frame.left();
            let arrived = usize::try_from(left).map_or(input.len() - at, |left| left.min(input.len() - at));
            at += arrived;
            let chunk = &mut input[start..at];
            if let Some(mask) = frame.header.mask {
                // Only the last two bits count, so the narrowing loses nothing.
                apply_mask(chunk, mask, (frame.taken % 4) as usize);
            }
            let payload = if frame.is_whole(arrived) {
                Some(Payload {
                    opcode: frame.header.opcode,
                    is_compressed: frame.header.is_compressed,
                    source: Source::Input(start..at),
                })
            } else {
                self.keep(frame, chunk)?
            };
            if payload.is_some() || (arrived as u64) < left {
                return Ok((at, payload));
            }
        }
    }

    /// Reads a header from the front of `input`, behind what of it came earlier.
    fn take_header(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), FrameError> {
        let open = self.open_message();
        let earlier = self.partial.as_ref().map_or(0, |p| p.header_bytes);
        if earlier == 0 {
            if let Some((header, length)) = Header::parse(input, &self.config, open)? {
                return Ok((length, Some(header)));
            }
            if input.is_empty() {
                return Ok((0, None));
            }
        }
        let partial = self.partial.get_or_insert_default();
        for (index, byte) in input.iter().enumerate() {
            // A header is complete at the latest when its room is full.
            partial.header[partial.header_bytes] = *byte;
            partial.header_bytes += 1;
            let header = &partial.header[..partial.header_bytes];
            if let Some((header, _)) = Header::parse(header, &self.config, open)? {
                partial.header_bytes = 0;
                return Ok((index + 1, Some(header)));
            }
        }
        Ok((input.len(), None))
    }

    fn open_message(&self) -> Option<OpenMessage> {
        let message = self.partial.as_ref()?.message.as_ref()?;
        Some(OpenMessage { bytes: message.bytes.len(), is_compressed: message.is_compressed })
    }

    /// Keeps a piece of a frame or message, and gives the whole out when this was the last.
    fn keep(&mut self, mut frame: Frame, chunk: &[u8]) -> Result<Option<Payload>, FrameError> {
        let header = frame.header;
        let partial = self.partial.get_or_insert_default();
        let is_complete = frame.left() == chunk.len() as u64;
        if chunk.is_empty() && !is_complete {
            // Its first byte, or its end, is what makes it count as a fragment.
            partial.frame = Some(frame);
            return Ok(None);
        }
        if header.opcode.is_control() {
            partial.control.extend_from_slice(chunk);
        } else {
            let message = partial.message.get_or_insert_with(|| Message::new(&header));
            if frame.taken == 0 {
                message.count_fragment(self.config.max_fragments)?;
            }
            message.push(&frame, chunk)?;
        }
        if !is_complete {
            frame.taken += chunk.len() as u64;
            partial.frame = Some(frame);
            return Ok(None);
        }
        if header.opcode.is_control() {
            return Ok(Some(Payload {
                opcode: header.opcode,
                is_compressed: false,
                source: Source::Assembled(std::mem::take(&mut partial.control)),
            }));
        }
        if !header.is_final {
            return Ok(None);
        }
        Ok(partial.message.take().map(|message| Payload {
            opcode: message.opcode,
            is_compressed: message.is_compressed,
            source: Source::Assembled(message.bytes),
        }))
    }

    /// Payloads become messages: inflation, UTF-8, close codes.
    fn understand<'b>(
        &self,
        payload: Payload,
        input: &'b [u8],
        scratch: &'b mut Scratch,
    ) -> Result<Decoded<'b>, FrameError> {
        let Scratch { assembled, inflater } = scratch;
        let mut bytes = match payload.source {
            Source::Input(range) => &input[range],
            Source::Assembled(whole) => {
                *assembled = whole;
                assembled.as_slice()
            }
        };
        if payload.is_compressed {
            bytes = inflater.inflate(bytes, self.config.max_message_bytes as usize)?;
        }
        match payload.opcode {
            Opcode::Text => Ok(Decoded::Text(text(bytes)?)),
            // The assembled payload has its first frame's opcode, so this is never met.
            Opcode::Continuation => Err(FrameError::UnexpectedContinuation),
            Opcode::Binary => Ok(Decoded::Binary(bytes)),
            Opcode::Ping => Ok(Decoded::Ping(bytes)),
            Opcode::Pong => Ok(Decoded::Pong(bytes)),
            Opcode::Close => close(bytes),
        }
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header_bytes == 0 && self.frame.is_none() && self.message.is_none()
    }
}

fn text(bytes: &[u8]) -> Result<&str, FrameError> {
    str::from_utf8(bytes).map_err(|_| FrameError::InvalidUtf8)
}

fn close(bytes: &[u8]) -> Result<Decoded<'_>, FrameError> {
    let Some((code, reason)) = bytes.split_first_chunk() else {
        if bytes.is_empty() {
            return Ok(Decoded::Close { code: None, reason: "" });
        }
        return Err(FrameError::ClosePayload);
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 and 1015 say what never travels; 1016 to 2999 have no meaning yet.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(FrameError::CloseCode);
    }
    Ok(Decoded::Close { code: Some(code), reason: text(reason)? })
}
