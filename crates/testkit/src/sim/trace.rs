//! What happened in a history: a hash of all that was said, and the lines themselves when they are wanted.

use std::fmt::Display;

/// The trace of one history.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    kept: Option<Vec<String>>,
}

/// A hash of a text, eight bytes at a time: nobody has to be kept from making collisions.
pub(super) fn hash_of(text: &str) -> u64 {
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mut hash = mix(0xcbf2_9ce4_8422_2325, text.len() as u64);
    for chunk in chunks {
        hash = mix(hash, u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last))
}

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0xa076_1d64_78bd_642f) * u128::from(0xe703_7ed1_a0b4_28db_u64);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Trace {
    pub(super) fn new(is_kept: bool) -> Self {
        Self { hash: 0, kept: is_kept.then(Vec::new) }
    }

    /// Counts something that happened, whether or not lines are kept.
    pub(super) fn count(&mut self, at: u64, who: usize, what: u64) {
        self.hash = mix(mix(self.hash.rotate_left(1), at ^ ((who as u64) << 48)), what);
    }

    /// Whether lines are kept.
    pub(super) const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Keeps a line of what happened at a time in ms.
    pub(super) fn note(&mut self, at: u64, what: impl Display) {
        if let Some(kept) = &mut self.kept {
            kept.push(format!("{at:>8} {what}"));
        }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.kept.unwrap_or_default()
    }
}
