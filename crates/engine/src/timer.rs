//! The names of all wake-ups.

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The wait before the next attempt is over.
    Redial,
    /// The token, the socket or `connection_established` did not come within the connect timeout.
    Connect,
    /// The connection has lasted long enough for the count of attempts to return to 0.
    Stable,
    /// The next ping is due.
    Heartbeat,
    /// Nothing came for two heartbeat intervals.
    Silence,
    /// A probe was not answered.
    Probe,
    /// The time that a draining server gave is over.
    Drain,
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
