//! What goes into the engine.

use crate::config::Config;

/// What one subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel<T = String> {
    /// One conversation, by its id; `conversation:ID` on the wire.
    Conversation(T),
    /// One website, by its id; `website:ID` on the wire.
    Website(T),
}

/// One thing that happened, on the network, to the page or by the application.
///
/// Inputs about a socket name its `generation`, as given by [`Output::Dial`](crate::Output::Dial). One of a
/// generation that was closed or replaced changes nothing, so a driver need not filter.
#[derive(Debug)]
pub enum Input<P, M = P, T = String> {
    /// Connect, and stay connected until [`Input::Disconnect`]. Ends a wait and begins anew after a stop.
    Connect,
    /// Close, and stay closed. Wishes and queued messages are kept.
    Disconnect,
    /// Choices changed.
    Configure(Config),
    /// Time passed. Due when [`Engine::poll_timeout`](crate::Engine::poll_timeout) says; earlier and later are harmless.
    Tick,

    /// The token source answered the request of that number.
    Token {
        /// As given by [`Output::RequestToken`](crate::Output::RequestToken).
        request: u32,
        /// What it said.
        outcome: TokenOutcome,
    },
    /// The socket is open, WebSocket handshake included.
    Opened {
        /// Which socket.
        generation: u32,
    },
    /// Dialling failed, or no socket could even be made.
    DialFailed {
        /// Which socket.
        generation: u32,
    },
    /// The socket closed.
    Closed {
        /// Which socket.
        generation: u32,
        /// The close code; 1006 when there was none.
        code: u16,
        /// The server's reason, for people.
        reason: T,
    },
    /// A valid frame came.
    Inbound {
        /// On which socket.
        generation: u32,
        /// What the engine needs to know of it.
        envelope: Envelope<T>,
        /// What the application gets of it, by [`Output::Deliver`](crate::Output::Deliver).
        message: M,
    },
    /// A frame came that is no valid message: a life sign, counted and otherwise skipped.
    Invalid {
        /// On which socket.
        generation: u32,
    },

    /// Somebody wants a channel. Wanting what is already held by the same holder changes nothing, except
    /// that a refused channel is asked for again.
    Subscribe {
        /// What is wanted.
        channel: Channel<T>,
        /// By whom: any number that the driver gives each hook or handle.
        holder: u32,
    },
    /// A holder lets go; the wish ends with the last one. Letting go twice changes nothing.
    Unsubscribe {
        /// What is no longer wanted.
        channel: Channel<T>,
        /// By whom.
        holder: u32,
    },
    /// Send a message. It ends in [`Output::MessageAcked`](crate::Output::MessageAcked) or
    /// [`Output::MessageFailed`](crate::Output::MessageFailed), once.
    Send {
        /// The idempotency key, unique among the messages that are not yet answered.
        id: T,
        /// The conversation whose order it keeps.
        conversation: T,
        /// What is sent; cloned for each transmission.
        payload: P,
        /// How long ago it was first queued, in ms: 0 for a new one, more for one that was stored.
        age: u64,
    },
    /// Send once if connected, else drop: viewing, seen, activity.
    Pass {
        /// What is sent.
        payload: P,
    },
    /// Somebody types.
    TypingStart {
        /// Where.
        conversation: T,
    },
    /// The draft is now this text; sent throttled, and preceded by `typing_start` when that was not sent.
    TypingProgress {
        /// Where.
        conversation: T,
        /// The whole draft.
        text: T,
    },
    /// Typing ended, or the field lost the focus.
    TypingStop {
        /// Where.
        conversation: T,
    },
    /// Measure the link. Ends in [`Output::Pong`](crate::Output::Pong) or
    /// [`Output::PingFailed`](crate::Output::PingFailed), once.
    Ping {
        /// The id of the ping; one that starts with neither `ping-` nor `sub-` nor `auth-`.
        id: T,
    },

    /// The network says that it is back.
    Online,
    /// The network says that it is gone; only a mark.
    Offline,
    /// The page is looked at again.
    Visible,
    /// The page is in the background: it pings, but no deadline of liveness holds.
    Hidden,
    /// The page goes away, perhaps into the back/forward cache.
    PageHide,
    /// The page is back.
    PageShow,
}

impl<P, M, T> Input<P, M, T> {
    /// Whether a socket did this, as opposed to the application, the page or the clock.
    pub(crate) fn is_of_socket(&self) -> bool {
        matches!(
            self,
            Self::Opened { .. }
                | Self::DialFailed { .. }
                | Self::Closed { .. }
                | Self::Inbound { .. }
                | Self::Invalid { .. }
        )
    }
}

/// What a token source said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOutcome {
    /// The driver holds what it needs to dial (or to answer [`Frame::Authenticate`](crate::Frame::Authenticate)):
    /// a token, or the knowledge that none is needed.
    Ready,
    /// None could be had this time; counts as a failed attempt.
    Failed,
    /// None will ever be had: the client stops.
    Denied,
}

/// What the engine needs to know of a server message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<T = String> {
    /// The `id` of the message, which for an answer is that of the request.
    pub id: Option<T>,
    /// What kind of message it is.
    pub kind: EnvelopeKind<T>,
}

/// The kinds of server messages that the engine tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvelopeKind<T = String> {
    /// `connection_established`.
    ConnectionEstablished {
        /// `heartbeatInterval`, in ms.
        heartbeat_interval: Option<u64>,
        /// `limits.typingInterval`, in ms.
        typing_interval: Option<u64>,
    },
    /// `authenticated`: a renewed token was accepted.
    Authenticated,
    /// `token_expiring`.
    TokenExpiring,
    /// `subscription_confirmed`.
    SubscriptionConfirmed {
        /// Which.
        channel: Channel<T>,
        /// The life of the store.
        epoch: T,
        /// The newest place.
        head: u64,
        /// Whether nothing is missing since the place that was asked for.
        recovered: bool,
    },
    /// `subscription_error`.
    SubscriptionError {
        /// Which.
        channel: Channel<T>,
        /// The error code.
        code: T,
        /// `retryAfter`, in ms.
        retry_after: Option<u64>,
    },
    /// `subscription_ended`.
    SubscriptionEnded {
        /// Which.
        channel: Channel<T>,
        /// Why, if the server ended it.
        reason: Option<T>,
    },
    /// `message_ack`; the envelope's `id` names the message.
    MessageAck,
    /// `error`; the envelope's `id` names what it answers, if anything.
    Error {
        /// The error code.
        code: T,
        /// `retryAfter`, in ms.
        retry_after: Option<u64>,
    },
    /// `reconnect`: the server will go away.
    Reconnect {
        /// `retryAfter`, in ms.
        retry_after: Option<u64>,
    },
    /// `pong`; the envelope's `id` names the ping.
    Pong,
    /// A durable event.
    Event {
        /// `conversationId`.
        conversation: T,
        /// `websiteId`.
        website: T,
        /// Its place in the conversation.
        seq: u64,
        /// Its place in the website, which a visitor is not told.
        offset: Option<u64>,
    },
    /// An event without a place: typing, presence, seen, activity.
    Ephemeral,
    /// A message of a type that the driver does not know.
    Unknown,
}
