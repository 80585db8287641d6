//! When the next message is due.

use std::time::{Duration, Instant};

/// An even pace from a moment on.
pub(super) struct Pace {
    start: Instant,
    rate: f64,
    total: u64,
    sent: u64,
}

impl Pace {
    /// `rate` a second, for so long.
    pub(super) fn new(rate: f64, time: Duration) -> Self {
        Self { start: Instant::now(), rate, total: (rate * time.as_secs_f64()) as u64, sent: 0 }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.sent >= self.total
    }

    fn due(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.sent as f64 / self.rate)
    }

    /// The next message that is due by now: its number and when it was due. A late sender catches up, and what it
    /// sends counts as late.
    pub(super) fn next_due(&mut self) -> Option<(u64, Instant)> {
        let due = self.due();
        if self.is_over() || Instant::now() < due {
            return None;
        }
        self.sent += 1;
        Some((self.sent - 1, due))
    }

    /// How long until there is something to send.
    pub(super) fn wait(&self) -> Duration {
        self.due().saturating_duration_since(Instant::now())
    }
}
