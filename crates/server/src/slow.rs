//! Operations that take longer than they should: each has a line in the log and is counted.
//!
//! The threshold belongs to the process, as log and figures do. What an operation was about is told by its kind, its
//! route and its sizes; texts, tokens and ids of persons are not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// In microseconds; 0 for none.
static THRESHOLD: AtomicU64 = AtomicU64::new(0);

/// What can be slow; the names are labels of [`crate::metrics::SLOW_OPERATIONS_TOTAL`].
pub(crate) const OPERATIONS: [&str; 5] = ["commit", "fan_out", "http", "job", "replay"];

/// From which duration on operations are told as slow; zero for never.
pub(crate) fn set_threshold(threshold: Duration) {
    THRESHOLD.store(u64::try_from(threshold.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Whether something took so long that it is to be told.
pub(crate) fn is_slow(took: Duration) -> bool {
    let threshold = THRESHOLD.load(Ordering::Relaxed);
    threshold > 0 && took.as_micros() >= u128::from(threshold)
}

/// Tells that an operation was slow: what it was, how long it took, and fields of the caller's.
macro_rules! tell {
    ($operation:literal, $took:expr, $($fields:tt)*) => {{
        metrics::counter!(crate::metrics::SLOW_OPERATIONS_TOTAL, "operation" => $operation).increment(1);
        let ms = u64::try_from($took.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(operation = $operation, ms, $($fields)*, "slow");
    }};
}

pub(crate) use tell;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_slow_without_a_threshold() {
        assert!(!is_slow(Duration::MAX));
        set_threshold(Duration::from_millis(5));
        assert!(is_slow(Duration::from_millis(5)) && !is_slow(Duration::from_micros(4_999)));
        set_threshold(Duration::ZERO);
        assert!(!is_slow(Duration::MAX));
    }
}
