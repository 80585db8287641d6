//! permessage-deflate, outwards: what is compressed is inflated to the same, at every window, by either implementation.

use std::cell::RefCell;

use cossistant_server::gateway::deflate::{Deflater, Inflater};
use cossistant_server::gateway::frame::FrameError;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::inflate;
use crate::Target;

/// An input is the window's bits, how often the text is repeated, and the text.
pub(crate) const TARGET: Target = Target { name: "deflate", run, seeds, words: &[], max_bytes: 2_048, change: None };

/// The longest message that the server takes.
const MAX_BYTES: usize = 64 * 1024;

fn run(input: &[u8]) {
    thread_local! {
        static INFLATER: RefCell<Inflater> = RefCell::default();
        static DEFLATERS: RefCell<Vec<Deflater>> =
            RefCell::new((9..=15).filter_map(Deflater::with_window_bits).collect());
    }
    let [window, times, text @ ..] = input else { return };
    let mut message = text.repeat(1 + usize::from(*times));
    message.truncate(MAX_BYTES);
    DEFLATERS.with_borrow_mut(|deflaters| {
        let at = usize::from(*window) % deflaters.len();
        let deflater = &mut deflaters[at];
        let bits = deflater.window_bits();
        let compressed = deflater.deflate(&message);
        // The decoder has this much room for what does not compress, before it inflates.
        assert!(compressed.len() <= message.len() + message.len() / 8 + 64);
        INFLATER.with_borrow_mut(|inflater| {
            assert_eq!(inflater.inflate(compressed, message.len()), Ok(&*message));
            if let Some(less) = message.len().checked_sub(1) {
                assert_eq!(inflater.inflate(compressed, less), Err(FrameError::MessageTooLarge));
            }
        });
        assert_eq!(inflate::inflate(compressed, message.len()).as_deref(), Ok(&*message));
        assert_eq!(inflate_in_window(compressed, bits), message, "nothing refers back further than {bits} bits");
    });
}

/// Inflates with no more memory of what came before than the window has.
fn inflate_in_window(mut compressed: &[u8], bits: u8) -> Vec<u8> {
    let mut stream = DecompressorOxide::new();
    let mut window = vec![0; 1 << bits];
    let (mut at, mut out) = (0, Vec::new());
    loop {
        let (status, taken, written) = decompress(&mut stream, compressed, &mut window, at, TINFL_FLAG_HAS_MORE_INPUT);
        out.extend_from_slice(&window[at..at + written]);
        compressed = &compressed[taken..];
        at = (at + written) % window.len();
        // Else it has all that there is; what the sender left out would only end it.
        if status != TINFLStatus::HasMoreOutput {
            return out;
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for window in 0..7 {
        for (times, text) in [(0, ""), (0, "a"), (255, "abc"), (9, r#"{"type":"new_message","seq":1}"#)] {
            seeds.push([&[window, times], text.as_bytes()].concat());
        }
        let noise: Vec<u8> = (0..700_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
        seeds.push([&[window, 3], &noise[..]].concat());
    }
    seeds
}
