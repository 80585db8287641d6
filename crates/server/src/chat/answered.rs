//! What the store said last when it was asked whether it is up, and for how long that is taken for true.

use std::sync::atomic::{AtomicU64, Ordering};

use cossistant_protocol::Timestamp;

use crate::store::StoreError;

/// How long an answer counts.
const COUNTS_MS: u64 = 250;

/// The last answer; shared by all shards, without a lock: of two that are noted at once either may stand.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// When it was there, 0 if not.
    up_at_ms: AtomicU64,
    /// When it was unavailable, 0 if not.
    down_at_ms: AtomicU64,
}

impl Answered {
    /// The last answer, if it still counts.
    pub(super) fn lately(&self, now: Timestamp) -> Option<Result<(), StoreError>> {
        if is_recent(&self.up_at_ms, now, COUNTS_MS) {
            return Some(Ok(()));
        }
        let is_down = is_recent(&self.down_at_ms, now, COUNTS_MS);
        is_down.then(|| Err(StoreError::Unavailable("it was a moment ago".to_owned())))
    }

    /// Takes an answer. Another fault than that it is unavailable is asked for each time.
    pub(super) fn note(&self, answer: &Result<(), StoreError>, now: Timestamp) {
        let is_down = matches!(answer, Err(StoreError::Unavailable(_)));
        let at = |is_so: bool| if is_so { now.as_millis() } else { 0 };
        self.up_at_ms.store(at(answer.is_ok()), Ordering::Relaxed);
        self.down_at_ms.store(at(is_down), Ordering::Relaxed);
    }
}

/// Whether something was noted within the last so many ms. What is yet to come is of a clock that was put back, and says
/// nothing.
pub(super) fn is_recent(at_ms: &AtomicU64, now: Timestamp, ms: u64) -> bool {
    let at_ms = at_ms.load(Ordering::Relaxed);
    at_ms != 0 && (at_ms..at_ms.saturating_add(ms)).contains(&now.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_a_moment() {
        let answered = Answered::default();
        assert_eq!(answered.lately(Timestamp(1_000)), None, "nobody has asked");
        answered.note(&Ok(()), Timestamp(1_000));
        assert_eq!(answered.lately(Timestamp(1_249)), Some(Ok(())));
        assert_eq!((answered.lately(Timestamp(1_250)), answered.lately(Timestamp(999))), (None, None));
        answered.note(&Err(StoreError::Unavailable("away".to_owned())), Timestamp(1_100));
        assert!(matches!(answered.lately(Timestamp(1_200)), Some(Err(StoreError::Unavailable(_)))), "the newer one");
        answered.note(&Err(StoreError::Corrupt("damaged".to_owned())), Timestamp(1_150));
        assert_eq!(answered.lately(Timestamp(1_200)), None, "a fault is told each time as what it is");
    }
}
