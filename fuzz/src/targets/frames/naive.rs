//! RFC 6455 read naively: the whole stream is there, and nothing is done before its frame is complete.

use cossistant_server::gateway::frame::{BinaryMessages, DecoderConfig, Role};

use super::Message;
use crate::targets::inflate;

/// Where a stream ends.
pub(super) enum End {
    /// Behind a message, or before the first one.
    Between,
    /// In a frame or message.
    Within,
    /// Behind a close frame.
    Closed,
    /// At a frame or message that must be refused.
    Wrong,
}

struct Frame {
    is_final: bool,
    is_compressed: bool,
    opcode: u8,
    payload: Vec<u8>,
}

/// The frame at the front, and what is behind it; `None` when it is not complete.
fn frame(config: &DecoderConfig, stream: &[u8]) -> Result<Option<(Frame, usize)>, ()> {
    let [first, second, ..] = stream else { return Ok(None) };
    let opcode = first & 0x0f;
    let (is_final, is_compressed, is_control) = (first & 0x80 != 0, first & 0x40 != 0, opcode >= 8);
    let is_masked = second & 0x80 != 0;
    let is_wrong = first & 0x30 != 0
        || !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10)
        || (is_control && (!is_final || second & 0x7f > 125))
        || (is_compressed && !(config.deflate && matches!(opcode, 1 | 2)))
        || (opcode == 2 && config.binary == BinaryMessages::Refuse)
        || is_masked != (config.role == Role::Server);
    if is_wrong {
        return Err(());
    }
    let extra = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(bytes) = stream.get(2..2 + extra) else { return Ok(None) };
    let length = bytes.iter().fold(0_u128, |length, byte| length * 256 + u128::from(*byte));
    let length = if extra == 0 { u128::from(second & 0x7f) } else { length };
    if length >= 1 << 63 {
        return Err(());
    }
    let key_at = 2 + extra;
    let at = key_at + if is_masked { 4 } else { 0 };
    let Some(payload) = usize::try_from(length).ok().and_then(|length| stream.get(at..at.checked_add(length)?)) else {
        return Ok(None);
    };
    let key = if is_masked { &stream[key_at..at] } else { &[0; 4] };
    let payload: Vec<u8> = payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
    let end = at + payload.len();
    Ok(Some((Frame { is_final, is_compressed, opcode, payload }, end)))
}

/// The messages of a stream, and where it ends.
pub(super) fn read(config: &DecoderConfig, mut stream: &[u8]) -> (Vec<Message>, End) {
    let mut messages = Vec::new();
    // The frame that began a message, with all payloads so far, and how many frames these were.
    let mut open: Option<(Frame, u32)> = None;
    loop {
        if stream.is_empty() {
            return (messages, if open.is_some() { End::Within } else { End::Between });
        }
        let frame = match frame(config, stream) {
            Err(()) => return (messages, End::Wrong),
            Ok(None) => return (messages, End::Within),
            Ok(Some((frame, end))) => {
                stream = &stream[end..];
                frame
            }
        };
        let whole = match (frame.opcode, open.take()) {
            (8.., still_open) => {
                open = still_open;
                Some(frame)
            }
            (0, Some((mut first, count))) => {
                first.payload.extend(frame.payload);
                first.is_final = frame.is_final;
                open = Some((first, count + 1));
                None
            }
            (1 | 2, None) => {
                open = Some((frame, 1));
                None
            }
            (_, _) => return (messages, End::Wrong),
        };
        if let Some((first, count)) = &open
            && whole.is_none()
            // A message of one frame is not made of fragments.
            && !(*count == 1 && first.is_final)
            && *count > config.max_fragments
        {
            return (messages, End::Wrong);
        }
        let whole = whole.or_else(|| open.take_if(|(first, _)| first.is_final).map(|(first, _)| first));
        if let Some((first, _)) = &open
            && (is_too_long(config, first) || is_no_text(first))
        {
            return (messages, End::Wrong);
        }
        let Some(whole) = whole else { continue };
        match message(config, whole) {
            Err(()) => return (messages, End::Wrong),
            Ok(message) => {
                let is_over = matches!(message, Message::Close(..));
                messages.push(message);
                if is_over {
                    return (messages, End::Closed);
                }
            }
        }
    }
}

/// What does not compress may be a little longer on the wire.
fn is_too_long(config: &DecoderConfig, frame: &Frame) -> bool {
    let limit = config.max_message_bytes as usize;
    let room = if frame.is_compressed { limit / 8 + 64 } else { 0 };
    frame.payload.len() > limit + room
}

/// Whether what is there of a text can be no part of one, whatever follows.
fn is_no_text(frame: &Frame) -> bool {
    let fault = std::str::from_utf8(&frame.payload).err();
    frame.opcode == 1 && !frame.is_compressed && fault.is_some_and(|fault| fault.error_len().is_some())
}

fn message(config: &DecoderConfig, frame: Frame) -> Result<Message, ()> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| ());
    if is_too_long(config, &frame) && frame.opcode < 8 {
        return Err(());
    }
    let payload = if frame.is_compressed {
        inflate::inflate(&frame.payload, config.max_message_bytes as usize).map_err(|_| ())?
    } else {
        frame.payload
    };
    match frame.opcode {
        1 => text(payload).map(Message::Text),
        2 => Ok(Message::Binary(payload)),
        9 => Ok(Message::Ping(payload)),
        10 => Ok(Message::Pong(payload)),
        _ if payload.is_empty() => Ok(Message::Close(None, String::new())),
        _ => {
            let (code, reason) = payload.split_first_chunk().ok_or(())?;
            let code = u16::from_be_bytes(*code);
            let is_known = (1000..5000).contains(&code) && !matches!(code, 1004..=1006 | 1015..=2999);
            if is_known { Ok(Message::Close(Some(code), text(reason.to_vec())?)) } else { Err(()) }
        }
    }
}
