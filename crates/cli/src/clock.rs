//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use cossistant_protocol::Timestamp;

/// Now, by the clock of this machine; 1970 if that stands before it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
