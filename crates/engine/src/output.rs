//! What comes out of the engine.

use crate::config::Millis;
use crate::input::Channel;

/// One thing to do, or to tell. Outputs are to be handled in the order in which they come.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<P, M = P, T = String> {
    /// Open a socket, with the newest token. The driver answers with
    /// [`Input::Opened`](crate::Input::Opened) or [`Input::DialFailed`](crate::Input::DialFailed).
    Dial {
        /// The name of this socket.
        generation: u32,
    },
    /// Close this socket, or stop dialling it, and forget it. No answer is awaited.
    CloseSocket {
        /// Which socket.
        generation: u32,
        /// The close code to send; one that a browser may send.
        code: u16,
    },
    /// Ask the token source; answer with [`Input::Token`](crate::Input::Token).
    RequestToken {
        /// The number of this request.
        request: u32,
        /// Whether the last token was refused, so that a stored one must not be used again.
        is_refused: bool,
    },
    /// Send a frame on this socket.
    Transmit {
        /// Which socket.
        generation: u32,
        /// What to send.
        frame: Frame<P, T>,
    },

    /// Hand a server message to the application. Durable events come in order and once.
    Deliver(M),
    /// The connection is in another state.
    StateChanged(ConnectionState),
    /// A socket that was open is gone, whoever closed it.
    Closed {
        /// The close code.
        code: u16,
        /// Why, for people.
        reason: T,
    },
    /// Attempt `n` begins; the count returns to 0 after a stable connection.
    ReconnectAttempt(u32),
    /// A connection that had been lost is established again.
    ReconnectSuccess,
    /// The last allowed attempt failed.
    ReconnectFail,
    /// A subscription is in another state.
    SubscriptionChanged {
        /// Which.
        channel: Channel<T>,
        /// Its state now.
        state: SubscriptionState<T>,
    },
    /// Events of this channel are missing and will not come: load it afresh.
    Resync(Channel<T>),
    /// A message was acknowledged; it has left the queue.
    MessageAcked {
        /// Which.
        id: T,
    },
    /// A message failed for good; it has left the queue, or never entered it.
    MessageFailed {
        /// Which.
        id: T,
        /// Why.
        failure: Failure<T>,
    },
    /// A ping of the application was answered.
    Pong {
        /// Which.
        id: T,
        /// The round trip, in ms.
        latency: Millis,
    },
    /// A ping of the application was not sent, or not answered in time.
    PingFailed {
        /// Which.
        id: T,
    },
}

/// A request to the server, to be encoded by the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<P, T = String> {
    /// `subscribe_conversation` or `subscribe_website`.
    Subscribe {
        /// The `id` of the request.
        id: T,
        /// Which.
        channel: Channel<T>,
        /// The last place seen.
        after: Option<u64>,
        /// The life of the store in which that place was seen.
        epoch: Option<T>,
    },
    /// `unsubscribe_conversation` or `unsubscribe_website`.
    Unsubscribe {
        /// The `id` of the request.
        id: T,
        /// Which.
        channel: Channel<T>,
    },
    /// `send_message`.
    SendMessage {
        /// The idempotency key.
        id: T,
        /// Where.
        conversation: T,
        /// As given by [`Input::Send`](crate::Input::Send).
        payload: P,
    },
    /// What [`Input::Pass`](crate::Input::Pass) gave.
    Pass(P),
    /// `typing_start`.
    TypingStart {
        /// Where.
        conversation: T,
    },
    /// `typing_progress`.
    TypingProgress {
        /// Where.
        conversation: T,
        /// The whole draft, possibly empty.
        text: T,
    },
    /// `typing_stop`.
    TypingStop {
        /// Where.
        conversation: T,
    },
    /// `ping`.
    Ping {
        /// The `id` of the request.
        id: T,
    },
    /// `authenticate`, with the newest token.
    Authenticate {
        /// The `id` of the request.
        id: T,
    },
}

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not connected, and not trying: never asked to, asked not to, or the page is away.
    Disconnected,
    /// Getting a token, dialling, or waiting for `connection_established`.
    Connecting,
    /// Established and authenticated.
    Connected,
    /// Waiting before the next attempt.
    Waiting {
        /// The number of that attempt.
        attempt: u32,
        /// When it begins, on the driver's clock, unless something brings it forward.
        until: Millis,
    },
    /// Not trying any more; [`Input::Connect`](crate::Input::Connect) begins anew.
    Stopped(StopReason),
}

/// Why the client does not try any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The server closed with a code that means stop.
    Close(u16),
    /// The token source will give no token.
    TokenDenied,
    /// All allowed attempts failed.
    Exhausted,
}

/// Where a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionState<T = String> {
    /// Wanted, and not yet answered on this connection.
    Pending,
    /// Live.
    Confirmed,
    /// Refused or ended by the server, with its code or reason; not asked for again on its own.
    Refused(T),
    /// Not answered, or put off by the server; asked for again later.
    Unavailable,
    /// Nobody holds it any more.
    Released,
}

/// Why a message failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure<T = String> {
    /// The server refused it for good, with this code.
    Refused(T),
    /// The queue is full; the message never entered it.
    QueueFull,
    /// An unanswered message has the same id; this one never entered the queue.
    DuplicateId,
    /// It was not acknowledged within the allowed age.
    TooOld,
    /// There is no queue, and there was no connection or it was lost; whether the server has the message is unknown.
    NotConnected,
}

/// What last went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble<T = String> {
    /// An `error` or `subscription_error`, by its code.
    Server(T),
    /// A close code other than 1000 and 1001.
    Close(u16),
    /// The socket could not be opened.
    Dial,
    /// No token could be had.
    Token,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The link fell silent.
    Silence,
    /// An event was missing.
    Loss,
}

/// Counters and the like. They only grow, except for what a new value replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats<T = String> {
    /// When the present or last connection was established.
    pub connected_at: Option<Millis>,
    /// Frames given to a socket.
    pub messages_sent: u64,
    /// Frames that came in, valid or not.
    pub messages_received: u64,
    /// Frames that came in and were no valid message.
    pub messages_invalid: u64,
    /// Durable events that had been delivered before.
    pub duplicates: u64,
    /// Attempts to reconnect.
    pub reconnect_attempts: u64,
    /// What last went wrong.
    pub last_error: Option<Trouble<T>>,
    /// When that was.
    pub last_error_at: Option<Millis>,
    /// The newest round trip of a ping, in ms.
    pub latency: Option<Millis>,
}
