//! Ids that the server makes.

use std::sync::Mutex;

use cossistant_protocol::{ConnectionId, ConversationId, KeyId, MessageId, PersonId, RequestId, Timestamp};
use sha2::{Digest, Sha256};

/// Makes ids: a prefix, the time with a counter (so that ids of one node sort strictly by time), and random letters.
///
/// The letters come from SHA-256 over a secret seed and a counter, so they cannot be guessed and a simulator gets
/// the same ones for the same seed.
#[derive(Debug)]
pub struct Ids {
    seed: [u8; 32],
    // Guards the last stamp alone; held for one step.
    last: Mutex<u64>,
}

/// Crockford's base 32 in lower case: it sorts as its values do.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Bits below the milliseconds, for ids of the same millisecond.
const COUNTER_BITS: u32 = 16;

impl Ids {
    /// Ids from a seed; in production 32 random bytes.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, last: Mutex::new(0) }
    }

    fn next(&self, prefix: &str, random: usize, now: Timestamp) -> String {
        let stamp = {
            let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *last = (now.as_millis() << COUNTER_BITS).max(*last + 1);
            *last
        };
        let hash = Sha256::new().chain_update(self.seed).chain_update(stamp.to_le_bytes()).finalize();
        let mut id = String::with_capacity(prefix.len() + 13 + random);
        id.push_str(prefix);
        for digit in (0..13).rev() {
            id.push(letter(stamp >> (digit * 5)));
        }
        for byte in hash.iter().take(random) {
            id.push(letter(u64::from(*byte)));
        }
        id
    }

    /// A message's id.
    #[must_use]
    pub fn message(&self, now: Timestamp) -> MessageId {
        MessageId::new(self.next("msg_", 6, now)).expect("made of letters")
    }

    /// A conversation's id, unguessable.
    #[must_use]
    pub fn conversation(&self, now: Timestamp) -> ConversationId {
        ConversationId::new(self.next("conv_", 20, now)).expect("made of letters")
    }

    /// A connection's id.
    #[must_use]
    pub fn connection(&self, now: Timestamp) -> ConnectionId {
        ConnectionId::new(self.next("conn_", 6, now)).expect("made of letters")
    }

    /// A new visitor's id, unguessable.
    #[must_use]
    pub fn visitor(&self, now: Timestamp) -> PersonId {
        PersonId::new(self.next("vis_", 20, now)).expect("made of letters")
    }

    /// A key's id.
    #[must_use]
    pub fn key(&self, now: Timestamp) -> KeyId {
        KeyId::new(self.next("key_", 6, now)).expect("made of letters")
    }

    /// An id with a prefix of the caller's.
    #[must_use]
    pub fn other(&self, prefix: &str, now: Timestamp) -> String {
        self.next(prefix, 10, now)
    }

    /// An idempotency key for a message that came without one.
    #[must_use]
    pub fn request(&self, now: Timestamp) -> RequestId {
        RequestId::new(self.next("srv_", 10, now)).expect("made of letters")
    }
}

fn letter(value: u64) -> char {
    char::from(ALPHABET[(value & 31) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_even_within_a_millisecond() {
        let ids = Ids::new([7; 32]);
        let made: Vec<_> = (0..1_000).map(|at| ids.message(Timestamp(1_700_000_000_000 + at / 100))).collect();
        assert!(made.is_sorted_by(|a, b| a < b), "strictly rising");
    }
}
