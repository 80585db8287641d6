//! What happened in a history: a hash of all of it, and the lines themselves when they are wanted.

use std::fmt::{Arguments, Write as _};

/// The trace of one history.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    line: String,
    kept: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(is_kept: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, line: String::new(), kept: is_kept.then(Vec::new) }
    }

    /// Notes what happened at a time in ms.
    pub(super) fn note(&mut self, at: u64, what: Arguments<'_>) {
        self.line.clear();
        let written = write!(self.line, "{at:>8} {what}");
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        // FNV-1a: nobody has to be kept from making collisions.
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.clone());
        }
    }

    /// Keeps what only a trace tells; the hash does not count it.
    pub(super) fn aside(&mut self, at: u64, what: &str) {
        if let Some(kept) = &mut self.kept {
            kept.push(format!("{at:>8}     {what}"));
        }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.kept.unwrap_or_default()
    }
}
