//! permessage-deflate, inwards: any bytes inflate within the limit or are refused, and a second implementation that
//! shares no code with the first (miniz_oxide beside zlib-rs) says the same.

use std::cell::RefCell;

use cossistant_server::gateway::deflate::{Deflater, Inflater};
use cossistant_server::gateway::frame::FrameError;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::Target;

/// An input is a message as it travels.
pub(crate) const TARGET: Target = Target { name: "inflate", run, seeds, words: &[], max_bytes: 2_048, change: None };

/// Small, so that inputs reach it.
const LIMIT: usize = 8 * 1024;

fn run(message: &[u8]) {
    thread_local! {
        // One for all messages, as in the server: nothing of a message may reach the next one.
        static INFLATER: RefCell<Inflater> = RefCell::default();
    }
    INFLATER.with_borrow_mut(|inflater| {
        let inflated = inflater.inflate(message, LIMIT);
        match (&inflated, inflate(message, LIMIT)) {
            (Ok(one), Ok(other)) => {
                assert!(one.len() <= LIMIT);
                assert_eq!(*one, other, "two implementations inflate to the same");
            }
            (Err(FrameError::MessageTooLarge | FrameError::InvalidDeflate), Err(_)) => {}
            (one, other) => panic!("one implementation says {one:?}, the other {other:?}"),
        }
    });
}

/// Why a message is not inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no stream, or none that ends.
    Invalid,
    /// It is longer than the limit.
    TooLong,
}

/// Inflates a message of RFC 7692 by another implementation. It may be several streams, the last of which may end with
/// the message or with what the sender left out.
pub(crate) fn inflate(message: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
    let mut reader = Reader { stream: DecompressorOxide::new(), out: vec![0; limit + 1], starts_at: 0, at: 0 };
    let is_over = message.is_empty() || reader.feed(message)? || reader.feed(&[0, 0, 0xff, 0xff, 3, 0])?;
    if !is_over {
        return Err(Refused::Invalid);
    }
    reader.out.truncate(reader.at);
    Ok(reader.out)
}

struct Reader {
    stream: DecompressorOxide,
    out: Vec<u8>,
    /// Where the present stream's output begins; it may not refer to what is before.
    starts_at: usize,
    at: usize,
}

impl Reader {
    /// Whether the last byte of the input was the last one of a stream.
    fn feed(&mut self, mut input: &[u8]) -> Result<bool, Refused> {
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
        loop {
            let out = &mut self.out[self.starts_at..];
            let (status, taken, written) = decompress(&mut self.stream, input, out, self.at - self.starts_at, flags);
            input = &input[taken..];
            self.at += written;
            if self.at == self.out.len() {
                return Err(Refused::TooLong);
            }
            match status {
                TINFLStatus::Done if input.is_empty() => return Ok(true),
                TINFLStatus::Done => {
                    self.stream = DecompressorOxide::new();
                    self.starts_at = self.at;
                }
                TINFLStatus::NeedsMoreInput => return Ok(false),
                TINFLStatus::HasMoreOutput => return Err(Refused::TooLong),
                TINFLStatus::FailedCannotMakeProgress
                | TINFLStatus::BadParam
                | TINFLStatus::Adler32Mismatch
                | TINFLStatus::Failed => return Err(Refused::Invalid),
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut deflater = Deflater::new();
    let texts = ["", "a", "Hello", "Hello, Hello, Hello", r#"{"type":"ping","id":"1"}"#];
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| deflater.deflate(text.as_bytes()).to_vec()).collect();
    seeds.push(deflater.deflate(&[b'a'; 8 * 1024]).to_vec());
    seeds.push(deflater.deflate(&[b'a'; 8 * 1024 + 1]).to_vec());
    seeds.push(deflater.deflate(&(0..2_000_u32).map(|n| (n * n % 251) as u8).collect::<Vec<u8>>()).to_vec());
    seeds.extend([
        // The examples of RFC 7692: two blocks, no compression, a final block, and one byte behind it.
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00".to_vec(),
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00".to_vec(),
        b"\xf3\x48\xcd\xc9\xc9\x07\x00".to_vec(),
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00".to_vec(),
        // Two streams, the second of which refers to the first.
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x03\x46\x00".to_vec(),
        // A length that is not the complement of its second form, and a block type that there is not.
        b"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00".to_vec(),
        b"\x06".to_vec(),
    ]);
    seeds
}
