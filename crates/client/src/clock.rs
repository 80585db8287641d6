//! The engine's clock.

use std::time::{Duration, Instant, SystemTime};

/// A difference between both clocks that counts as a sleep of the machine.
const SLEEP: Duration = Duration::from_secs(5);

/// Milliseconds that never step back, and that leap ahead when the machine slept.
///
/// The monotonic clock of most systems stands still during a sleep, and the wall clock may be set. So
/// time is taken from the first, and from the second only where it has run far ahead of it.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    slept: Duration,
    last: (Instant, SystemTime),
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, slept: Duration::ZERO, last: (now, SystemTime::now()) }
    }

    /// The present time, in ms since this clock was made.
    pub(crate) fn now(&mut self) -> u64 {
        self.read(Instant::now(), SystemTime::now())
    }

    fn read(&mut self, monotonic: Instant, wall: SystemTime) -> u64 {
        let (last_monotonic, last_wall) = self.last;
        let ran = monotonic.saturating_duration_since(last_monotonic);
        let passed = wall.duration_since(last_wall).unwrap_or_default();
        if passed > ran + SLEEP {
            self.slept += passed - ran;
        }
        self.last = (monotonic, wall);
        let total = monotonic.saturating_duration_since(self.began) + self.slept;
        u64::try_from(total.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_seen_and_a_clock_set_back_is_not() {
        let mut clock = Clock::new();
        let (monotonic, wall) = clock.last;
        let second = Duration::from_secs(1);
        assert_eq!(clock.read(monotonic + second, wall + second), 1_000);
        assert_eq!(clock.read(monotonic + 2 * second, wall - 3_600 * second), 2_000);
        assert_eq!(clock.read(monotonic + 3 * second, wall - 3_599 * second), 3_000);
        assert_eq!(clock.read(monotonic + 4 * second, wall - 2_998 * second), 604_000);
    }
}
