//! What the tests of framing share: owned messages, hand-made frames, a naive second decoder.

mod cases;
mod deflated;
mod encoding;
mod limits;
mod random;

use super::{BinaryMessages, Decoded, Decoder, DecoderConfig, FrameError, Scratch, apply_mask};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const TEXT_PART: u8 = 0x01;
const BINARY_PART: u8 = 0x02;
const PART: u8 = 0x00;
const LAST_PART: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A [`Decoded`] that outlives the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Decoded<'_>> for Owned {
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

/// All that was decoded, and what stopped it.
type Outcome = (Vec<Owned>, Option<FrameError>);

fn accepting() -> DecoderConfig {
    DecoderConfig { binary: BinaryMessages::Accept, ..DecoderConfig::default() }
}

/// A client's frame, its length in the shortest form.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_with_length(first, payload, payload.len() as u64, 0)
}

/// A client's frame that claims `length` in a form of at least `form` bytes (0, 2 or 8).
fn masked_with_length(first: u8, payload: &[u8], length: u64, form: usize) -> Vec<u8> {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    if form < 2 && length < 126 {
        frame.push(0x80 | length as u8);
    } else if form < 8 && length < 0x1_0000 {
        frame.push(0x80 | 126);
        frame.extend((length as u16).to_be_bytes());
    } else {
        frame.push(0x80 | 127);
        frame.extend(length.to_be_bytes());
    }
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]));
    frame
}

/// Decodes `bytes` in the pieces that `lengths` gives, the last length for ever.
fn decode_in(config: DecoderConfig, bytes: &[u8], lengths: impl IntoIterator<Item = usize>) -> Outcome {
    let mut decoder = Decoder::new(config);
    let mut scratch = Scratch::default();
    let mut seen = Vec::new();
    let mut lengths = lengths.into_iter();
    let mut length = bytes.len();
    let mut rest = bytes;
    while !rest.is_empty() {
        length = lengths.next().unwrap_or(length).clamp(1, rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        if let Err(error) = decode_piece(&mut decoder, &mut scratch, piece, &mut seen) {
            return (seen, Some(error));
        }
    }
    (seen, None)
}

fn decode_piece(
    decoder: &mut Decoder,
    scratch: &mut Scratch,
    piece: &[u8],
    seen: &mut Vec<Owned>,
) -> Result<(), FrameError> {
    let mut buffer = piece.to_vec();
    let mut at = 0;
    loop {
        let (taken, decoded) = decoder.decode(&mut buffer[at..], scratch)?;
        at += taken;
        match decoded {
            Some(decoded) => seen.push(decoded.into()),
            None => {
                assert_eq!(at, buffer.len(), "without a message all is taken");
                return Ok(());
            }
        }
    }
}

/// Decodes `bytes` whole, then cut once at every place, then byte by byte; all must agree.
fn decode(config: DecoderConfig, bytes: &[u8]) -> Outcome {
    let whole = decode_in(config, bytes, []);
    for cut in 1..bytes.len().min(400) {
        let split = decode_in(config, bytes, [cut, bytes.len()]);
        assert_eq!(split, whole, "cut at {cut}");
    }
    assert_eq!(decode_in(config, bytes, [1]), whole, "byte by byte");
    whole
}

fn expect_messages(bytes: &[u8], expected: &[Owned]) {
    assert_eq!(decode(accepting(), bytes), (expected.to_vec(), None));
}

fn expect_error(bytes: &[u8], error: FrameError) {
    assert_eq!(decode(accepting(), bytes), (Vec::new(), Some(error)));
}

fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}

/// A frame as a second, naive reader sees it.
#[derive(Debug, PartialEq, Eq)]
struct PlainFrame {
    first: u8,
    is_masked: bool,
    payload: Vec<u8>,
}

/// Reads whole frames as the picture in RFC 6455 section 5.2 shows them, and nothing more.
fn read_frames(mut bytes: &[u8]) -> Vec<PlainFrame> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let mut rest = rest;
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at(count);
            rest = after;
            taken
        };
        let extra = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = usize::from(second & 0x7F);
        if extra > 0 {
            length = take(extra).iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
            assert!(length > 125, "not the shortest form");
            assert!(extra == 2 || length > 0xFFFF, "not the shortest form");
        }
        let is_masked = second & 0x80 != 0;
        let key = if is_masked { take(4).to_vec() } else { vec![0; 4] };
        let payload = take(length).iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect();
        frames.push(PlainFrame { first: *first, is_masked, payload });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a header is left");
    frames
}

/// A small generator (xorshift), so that a seed names a run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 24) as u8).collect()
    }
}

#[test]
fn masking_in_pieces_equals_the_plain_rule() {
    let key = [1, 0x80, 0xFF, 7];
    let plain: Vec<u8> = (0..=255).collect();
    for offset in 0..9 {
        for length in 0..70 {
            let mut bytes = plain[..length].to_vec();
            apply_mask(&mut bytes, key, offset);
            for (index, byte) in bytes.iter().enumerate() {
                assert_eq!(*byte, plain[index] ^ key[(index + offset) % 4]);
            }
        }
    }
}
