//! What is told of a round.

use std::fmt;
use std::time::Duration;

/// What counts as at once when people come back.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How long clients took to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back {
    pub(super) count: usize,
    pub(super) took: Duration,
}

impl fmt::Display for Back {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} clients back within {:.1} s", self.count, self.took.as_secs_f64())
    }
}

/// How the clients of a node that drained came to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Herd {
    pub(super) count: usize,
    pub(super) took: Duration,
    /// The most that came within 100 ms.
    pub(super) peak: usize,
    /// The most that may.
    pub(super) bound: usize,
}

impl Herd {
    /// Judges arrivals, by the time since the node was asked to end. Evenly over nine tenths of the window, so many
    /// would come in 100 ms; three times as many may, and five more for small numbers. What the program's own timers
    /// were late by is time in which arrivals gather.
    pub(super) fn of(
        count: usize,
        took: Duration,
        window: Duration,
        mut arrivals: Vec<Duration>,
        lateness: Duration,
    ) -> Self {
        arrivals.sort_unstable();
        let mut peak = 0;
        for (first, began) in arrivals.iter().enumerate() {
            let within = arrivals[first..].partition_point(|at| *at < *began + AT_ONCE);
            peak = peak.max(within);
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of clients is small")]
        let even = count as f64 * (AT_ONCE + lateness).as_secs_f64() / (window.as_secs_f64() * 0.9);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of clients is small")]
        let bound = (even * 3.0) as usize + 5;
        Self { count, took, peak, bound }
    }

    pub(super) const fn is_spread(&self) -> bool {
        self.peak <= self.bound
    }
}

impl fmt::Display for Herd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, took, peak, bound } = self;
        #[expect(clippy::cast_precision_loss, reason = "a count of clients is small")]
        let share = *peak as f64 * 100.0 / (*count).max(1) as f64;
        let seconds = took.as_secs_f64();
        write!(formatter, "{count} in {seconds:.1} s, at most {peak} ({share:.1} %) in 100 ms of {bound} that may")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn herd(arrivals: impl Iterator<Item = u64>) -> Herd {
        Herd::of(900, WINDOW, WINDOW, arrivals.map(Duration::from_millis).collect(), Duration::ZERO)
    }

    #[test]
    fn arrivals_that_are_spread_are_told_from_a_herd() {
        let even = herd((0..900).map(|at| at * 10));
        assert_eq!((even.peak, even.bound, even.is_spread()), (10, 35, true));
        assert!(!herd((0..900).map(|at| at / 10)).is_spread(), "within 90 ms");
        assert!(!herd((0..900).map(|at| at / 100 * 1_000)).is_spread(), "a hundred at a time");
        assert!(!herd((0..900).map(|at| at * 2)).is_spread(), "in a fifth of the window");
    }

    #[test]
    fn a_machine_that_stands_still_may_gather_as_many_as_come_meanwhile() {
        let arrivals = (0..900).map(|at| if at < 50 { 500 } else { at * 10 });
        let arrivals: Vec<_> = arrivals.map(Duration::from_millis).collect();
        let judged = |lateness| Herd::of(900, WINDOW, WINDOW, arrivals.clone(), Duration::from_millis(lateness));
        assert!(!judged(0).is_spread());
        assert!(judged(500).is_spread());
    }
}
