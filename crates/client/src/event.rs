//! What the application hears.

use std::pin::Pin;
use std::task::{Context, Poll};

use cossistant_engine::{ConnectionState, SubscriptionState};
use cossistant_protocol::{Channel, ServerMessage};
use futures_util::Stream;
use tokio::sync::mpsc;

use crate::handle::SendError;

/// One thing that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A server message; durable ones come in order and once.
    Message(Box<ServerMessage>),
    /// A message of a type that this version does not know, as JSON text.
    Unknown(String),
    /// The connection is in another state.
    StateChanged(ConnectionState),
    /// A socket that was open is gone.
    Closed {
        /// The close code.
        code: u16,
        /// Why, for people.
        reason: String,
    },
    /// Attempt `n` begins.
    ReconnectAttempt(u32),
    /// A connection that had been lost is established again.
    ReconnectSuccess,
    /// The last allowed attempt failed.
    ReconnectFail,
    /// A subscription is in another state.
    SubscriptionChanged {
        /// Which.
        channel: Channel,
        /// Its state now.
        state: SubscriptionState,
    },
    /// Events of this channel are missing and will not come: load it afresh.
    Resync(Channel),
    /// A message failed for good; also those of an earlier process, from the queue file.
    MessageFailed {
        /// The id of the message.
        id: String,
        /// Why.
        error: SendError,
    },
    /// The visitor's token was refused and dropped: a new visitor begins.
    VisitorChanged,
}

/// The stream of events. It ends when the client has ended.
///
/// It holds 1,024 events. Who reads more slowly than the server sends slows the reading from the socket
/// down, which may end in a reconnect and a replay, but nothing is lost. Dropping it is allowed: events are then thrown away.
#[derive(Debug)]
pub struct Events(pub(crate) mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` when the client has ended. Cancel safe.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(context)
    }
}
