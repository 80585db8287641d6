//! The names of all wake-ups, and which of them comes next.

use crate::config::Millis;

/// Why the engine wants to be woken. What is due at the same time fires in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The wait before the next attempt is over.
    Redial,
    /// The token, the socket or `connection_established` did not come within the connect timeout.
    Connect,
    /// The connection has lasted long enough for the count of attempts to return to 0.
    Stable,
    /// The time that a draining server gave is over.
    Drain,
    /// A probe was not answered. Before the heartbeat, because into a dead link no ping is sent.
    Probe,
    /// Nothing came for two heartbeat intervals.
    Silence,
    /// The next ping is due.
    Heartbeat,
    /// A subscription, a message or a ping has no answer within the request timeout.
    Request,
    /// A message or a subscription that was put off may go again.
    Retry,
    /// A message is too old.
    Expiry,
    /// The newest typed text may go.
    TypingProgress,
    /// Nothing was typed for a while.
    TypingStop,
}

/// The earliest of the wake-ups offered. None is at [`Millis::MAX`], since no [`later`](crate::config::later) is.
#[derive(Debug)]
pub(crate) struct Next(Millis, Timer);

impl Next {
    pub(crate) const fn new() -> Self {
        Self(Millis::MAX, Timer::Redial)
    }

    #[inline(never)]
    pub(crate) fn offer(&mut self, at: Millis, timer: Timer) {
        if (at, timer) < (self.0, self.1) {
            *self = Self(at, timer);
        }
    }

    pub(crate) fn get(&self) -> Option<(Millis, Timer)> {
        (self.0 != Millis::MAX).then_some((self.0, self.1))
    }
}
