//! What an application may choose.

/// Milliseconds, as a point on the driver's clock or as a length of time.
pub type Millis = u64;

/// So much later, or at the end of all time, which is before [`Millis::MAX`]. A function of its own, because there are
/// many calls of it.
#[inline(never)]
pub(crate) fn later(at: Millis, wait: Millis) -> Millis {
    at.saturating_add(wait).min(Millis::MAX - 1)
}

/// The choices of an application, with the defaults of every Cossistant client.
///
/// A change is handed in by [`Input::Configure`](crate::Input::Configure); it never reconnects, and holds
/// from the next decision on.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Whether a lost connection is dialled again. Without it a loss ends in
    /// [`ConnectionState::Disconnected`](crate::ConnectionState::Disconnected).
    pub auto_reconnect: bool,
    /// The delay before the first attempt, in ms.
    pub reconnect_delay: Millis,
    /// No delay of the client's own making is longer, in ms.
    pub max_reconnect_delay: Millis,
    /// By how much each delay is longer than the one before; below 1 counts as 1.
    pub reconnect_delay_multiplier: f64,
    /// After this many attempts in a row the client gives up; `None` means never.
    pub max_reconnect_attempts: Option<u32>,
    /// The share of a delay that is random, from 0 (none) to 1 (all of it).
    pub reconnect_jitter: f64,
    /// From dialling to `connection_established`, and for one answer of the token source, in ms.
    pub connect_timeout: Millis,
    /// Whether messages wait for a connection. Without it a message is refused while there is none, and
    /// fails when the connection is lost before the answer.
    pub enable_message_queue: bool,
    /// How many messages may be unanswered; the next one is refused to its caller.
    pub max_queue_size: usize,
    /// A message that was not acknowledged within this time fails, in ms.
    pub max_queue_age: Millis,
    /// The longest time between two pings, in ms; the server may ask for a shorter one.
    pub heartbeat_interval: Millis,
    /// How long an answer may take before the link is probed and the request repeated, in ms.
    pub request_timeout: Millis,
    /// The shortest time between two `typing_progress` of a conversation, in ms; the server may ask for
    /// a longer one.
    pub typing_progress_throttle: Millis,
    /// Whether the driver can answer [`Output::RequestToken`](crate::Output::RequestToken). Then a token is
    /// asked for before each connection, when one expires, and once after a refusal.
    pub has_token_source: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auto_reconnect: true,
            reconnect_delay: 1_000,
            max_reconnect_delay: 30_000,
            reconnect_delay_multiplier: 1.5,
            max_reconnect_attempts: None,
            reconnect_jitter: 1.0,
            connect_timeout: 10_000,
            enable_message_queue: true,
            max_queue_size: 100,
            max_queue_age: 24 * 60 * 60 * 1_000,
            heartbeat_interval: 30_000,
            request_timeout: 10_000,
            typing_progress_throttle: 100,
            has_token_source: false,
        }
    }
}
