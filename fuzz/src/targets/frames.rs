//! The framing of WebSockets: any bytes, in any pieces, give the same messages and the same error, with memory for no
//! more than arrived; a second, naive reader of RFC 6455 sees the same; and what was read can be written and read again.

mod naive;
mod seeds;

use cossistant_server::gateway::frame::{
    BinaryMessages, Decoded, Decoder, DecoderConfig, FrameError, Opcode, Role, Scratch, encode_frame,
    encode_masked_frame,
};

use crate::{Dice, Target};

/// An input is what the connection allows (see [`config`]), a seed for the pieces, and the stream.
pub(crate) const TARGET: Target =
    Target { name: "frames", run, seeds: seeds::seeds, words: &[], max_bytes: 1_024, change: None };

const FROM_SERVER: u8 = 1;
const BINARY: u8 = 2;
const DEFLATE: u8 = 4;
const ROOMY: u8 = 8;

fn config(flags: u8) -> DecoderConfig {
    let has = |flag: u8| flags & flag != 0;
    DecoderConfig {
        // Small mostly, so that inputs reach the limits.
        max_message_bytes: if has(ROOMY) { 64 * 1024 } else { 200 },
        max_fragments: if has(ROOMY) { 1_024 } else { 4 },
        role: if has(FROM_SERVER) { Role::Client } else { Role::Server },
        binary: if has(BINARY) { BinaryMessages::Accept } else { BinaryMessages::Refuse },
        deflate: has(DEFLATE),
    }
}

/// A message that outlives the buffer.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Decoded<'_>> for Message {
    fn from(decoded: Decoded<'_>) -> Self {
        match decoded {
            Decoded::Text(text) => Self::Text(text.to_owned()),
            Decoded::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Decoded::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Decoded::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Decoded::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

fn run(input: &[u8]) {
    let [flags, seed, stream @ ..] = input else { return };
    let config = config(*flags);
    let whole = decode(config, stream, &mut || usize::MAX);
    assert_eq!(decode(config, stream, &mut || 1), whole, "byte by byte");
    let mut dice = Dice::new((*seed).into());
    assert_eq!(decode(config, stream, &mut || 1 + dice.below(40)), whole, "in random pieces");

    let (messages, error) = &whole;
    let (seen, end) = naive::read(&config, stream);
    match end {
        naive::End::Wrong => assert!(error.is_some(), "the naive reader sees a fault behind {seen:?}"),
        naive::End::Between | naive::End::Closed => assert_eq!(*error, None),
        // What is not complete may be seen to be wrong already.
        naive::End::Within => {}
    }
    assert_eq!(*messages, seen, "the naive reader sees other messages");
    check_written(config, messages);
}

/// Decodes a stream in pieces of these lengths.
fn decode(
    config: DecoderConfig,
    stream: &[u8],
    length: &mut dyn FnMut() -> usize,
) -> (Vec<Message>, Option<FrameError>) {
    let (mut decoder, mut scratch, mut messages) = (Decoder::new(config), Scratch::default(), Vec::new());
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(length().min(rest.len()));
        rest = after;
        let mut buffer = piece.to_vec();
        let mut at = 0;
        loop {
            let result = decoder.decode(&mut buffer[at..], &mut scratch);
            let (taken, decoded) = match result {
                Ok((taken, decoded)) => (taken, decoded.map(Message::from)),
                Err(error) => {
                    assert!(decoder.partial_bytes().is_none(), "nothing is kept behind an error");
                    return (messages, Some(error));
                }
            };
            at += taken;
            let arrived = stream.len() - rest.len();
            check_memory(&decoder, config, arrived);
            let Some(message) = decoded else { break };
            let is_over = matches!(message, Message::Close(..));
            messages.push(message);
            if is_over {
                assert!(decoder.partial_bytes().is_none(), "nothing is kept behind a close");
                return (messages, None);
            }
        }
        assert_eq!(at, buffer.len(), "without a message all is taken");
    }
    (messages, None)
}

/// A connection holds twice what arrived or may arrive, and a few hundred bytes for the state.
fn check_memory(decoder: &Decoder, config: DecoderConfig, arrived: usize) {
    let limit = config.max_message_bytes as usize;
    let most = arrived.min(limit + limit / 8 + 64);
    let held = decoder.heap_bytes();
    assert!(held <= 2 * most + 1_024, "{held} bytes are held for {arrived}");
    assert!(decoder.partial_bytes().is_some() || held == 0, "an idle connection holds nothing");
}

/// Writes messages as the peer would have, and reads them again.
fn check_written(config: DecoderConfig, messages: &[Message]) {
    let mut stream = Vec::new();
    for message in messages {
        let (opcode, payload) = match message {
            Message::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
            Message::Binary(bytes) => (Opcode::Binary, bytes.clone()),
            Message::Ping(bytes) => (Opcode::Ping, bytes.clone()),
            Message::Pong(bytes) => (Opcode::Pong, bytes.clone()),
            Message::Close(None, _) => (Opcode::Close, Vec::new()),
            Message::Close(Some(code), reason) => (Opcode::Close, [&code.to_be_bytes(), reason.as_bytes()].concat()),
        };
        match config.role {
            Role::Server => encode_masked_frame(opcode, &payload, [0x9a, 0, 0xff, 0x31], &mut stream),
            Role::Client => encode_frame(opcode, &payload, &mut stream),
        }
    }
    let (again, error) = decode(config, &stream, &mut || usize::MAX);
    assert_eq!((&*again, error), (messages, None), "what is written is read");
}
