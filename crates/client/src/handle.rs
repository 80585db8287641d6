//! The handle that an application acts with.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cossistant_engine::{ConnectionState, Stats, SubscriptionState};
use cossistant_protocol::fields::{Integer, Text};
use cossistant_protocol::{
    ActivityAudience, AgentActivity, Channel, ClientFrame, ClientMessage, ConversationId, ConversationRef, ErrorCode,
    Invalid, MarkSeen, MessageAck, MessageContent, RequestId, SendMessage, WebsiteId,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::driver::{self, Command};
use crate::event::Events;
use crate::translate::Payload;

/// Commands that wait for the driver; more than that are refused.
const MAX_COMMANDS: usize = 1_024;

/// Events that wait for the application.
const MAX_EVENTS: usize = 1_024;

/// A client. Clones are cheap, and all of them are one holder of subscriptions.
///
/// The client lasts until [`Client::end`], or until every clone and the [`Events`](crate::Events) are dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    snapshot: watch::Receiver<Snapshot>,
}

/// What can be asked of a client at any time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) state: ConnectionState,
    pub(crate) stats: Stats,
    pub(crate) queued_message_count: usize,
    pub(crate) subscriptions: Arc<[(Channel, SubscriptionState)]>,
}

/// The client has ended, or its driver is so far behind that it takes no more commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has ended or is overloaded")]
pub struct NotQueued;

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A field breaks a rule of the protocol; nothing was sent.
    #[error("invalid message: {0}")]
    Invalid(Invalid),
    /// The server refused it for good.
    #[error("{code}: {error}")]
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people.
        error: String,
    },
    /// Too many messages are unanswered. It may be sent again later.
    #[error("the queue is full")]
    QueueFull,
    /// An unanswered message has the same id.
    #[error("a message with this id is under way")]
    DuplicateId,
    /// It was not acknowledged within the allowed age.
    #[error("it was not acknowledged in time")]
    TooOld,
    /// There is no queue, and there was no connection or it was lost; whether the server has it is unknown.
    #[error("not connected")]
    NotConnected,
    /// The client has ended; whether the server has it is unknown. With a queue file the next client sends it again.
    #[error("the client has ended")]
    Ended,
}

/// Why a ping has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not connected, or not answered in time")]
pub struct PingError;

/// Why a visitor was not identified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// This client is no visitor: it has no public key, or another credential wins over it.
    #[error("only a visitor can be identified")]
    NotAVisitor,
    /// The server refused, with this HTTP status.
    #[error("refused with status {0}")]
    Refused(u16),
    /// The server could not be reached, or its answer not be read.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// The way of a message to its ack. The message is under way whether or not this is awaited; dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "await it for the ack, or let go of it with `drop`"]
pub struct Delivery {
    id: RequestId,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Awaited(oneshot::Receiver<Result<MessageAck, SendError>>),
    Failed(SendError),
}

impl Delivery {
    /// The idempotency key, which the ack and the message carry.
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.id
    }
}

impl Future for Delivery {
    type Output = Result<MessageAck, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.answer {
            Answer::Awaited(receiver) => {
                Pin::new(receiver).poll(context).map(|answer| answer.unwrap_or(Err(SendError::Ended)))
            }
            Answer::Failed(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

impl Client {
    /// Starts a client, which connects at once, and gives a handle and its events.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn connect(config: Config) -> (Self, Events) {
        let (commands, command_receiver) = mpsc::channel(MAX_COMMANDS);
        let (event_sender, events) = mpsc::channel(MAX_EVENTS);
        let (snapshot_sender, snapshot) = watch::channel(Snapshot {
            state: ConnectionState::Disconnected,
            stats: Stats::default(),
            queued_message_count: 0,
            subscriptions: Arc::new([]),
        });
        driver::start(config, command_receiver, event_sender, snapshot_sender);
        (Self { commands, snapshot }, Events(events))
    }

    /// Connects again after [`Client::disconnect`] or a stop; ends a wait.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn reconnect(&self) -> Result<(), NotQueued> {
        self.command(Command::Connect)
    }

    /// Closes the connection and stays so. Subscriptions and unacknowledged messages are kept.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn disconnect(&self) -> Result<(), NotQueued> {
        self.command(Command::Disconnect)
    }

    /// Ends the client for all clones: closes the connection, writes the files, and ends the stream of events.
    ///
    /// Waits until that is done, so that a process may exit behind it; at most 5 s. What was not acknowledged is
    /// [`SendError::Ended`] to its sender.
    pub async fn end(&self) {
        // A driver that takes no more commands may still end for other reasons.
        self.commands.send(Command::End).await.unwrap_or_default();
        self.commands.closed().await;
    }

    /// Says that the network may have changed: the connection is probed, or a wait ended.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn network_changed(&self) -> Result<(), NotQueued> {
        self.command(Command::NetworkChanged)
    }

    /// Wants the events of a conversation, now and after every reconnect.
    ///
    /// # Errors
    /// [`NotQueued`]. A refusal comes as [`Event::SubscriptionChanged`](crate::Event::SubscriptionChanged).
    pub fn subscribe_to_conversation(&self, id: ConversationId) -> Result<(), NotQueued> {
        self.command(Command::Subscribe(Channel::Conversation(id)))
    }

    /// Wants the events of a website, now and after every reconnect.
    ///
    /// # Errors
    /// As [`Client::subscribe_to_conversation`].
    pub fn subscribe_to_website(&self, id: WebsiteId) -> Result<(), NotQueued> {
        self.command(Command::Subscribe(Channel::Website(id)))
    }

    /// Wants a conversation no longer.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn unsubscribe_from_conversation(&self, id: ConversationId) -> Result<(), NotQueued> {
        self.command(Command::Unsubscribe(Channel::Conversation(id)))
    }

    /// Wants a website no longer.
    ///
    /// # Errors
    /// [`NotQueued`].
    pub fn unsubscribe_from_website(&self, id: WebsiteId) -> Result<(), NotQueued> {
        self.command(Command::Unsubscribe(Channel::Website(id)))
    }

    /// Sends a message; the [`Delivery`] resolves with the ack, over any number of reconnects.
    pub fn send_message(&self, conversation_id: ConversationId, content: MessageContent) -> Delivery {
        self.send(SendMessage { conversation_id, content, metadata: None, visibility: None })
    }

    /// Sends a message with all its fields, under a new id.
    pub fn send(&self, message: SendMessage) -> Delivery {
        self.send_with_id(new_id(), message)
    }

    /// Sends a message under an id of the application's: the same id stores nothing twice.
    pub fn send_with_id(&self, id: RequestId, message: SendMessage) -> Delivery {
        let failed = |error| Delivery { id: id.clone(), answer: Answer::Failed(error) };
        if let Err(invalid) = message.check() {
            return failed(SendError::Invalid(invalid));
        }
        let conversation_id = message.conversation_id.clone();
        let frame = ClientFrame { id: Some(id.clone()), timestamp: None, message: ClientMessage::SendMessage(message) };
        let (answer, receiver) = oneshot::channel();
        let payload: Payload = frame.encode().into();
        match self.command(Command::Send { id: id.clone(), conversation_id, payload, answer }) {
            Ok(()) => Delivery { id, answer: Answer::Awaited(receiver) },
            Err(NotQueued) => failed(SendError::QueueFull),
        }
    }

    /// Says that somebody types. Lost when not connected.
    pub fn start_typing(&self, conversation_id: ConversationId) {
        self.offer(Command::TypingStart(conversation_id));
    }

    /// Tells the text typed so far: the first change at once, then throttled, the last one always. What is beyond
    /// 2,000 characters is left off.
    pub fn send_typing_progress(&self, conversation_id: ConversationId, text: &str) {
        let text = text.chars().filter(|&char| char != '\0').take(2_000).collect();
        self.offer(Command::TypingProgress(conversation_id, text));
    }

    /// Says that nobody types any more.
    pub fn stop_typing(&self, conversation_id: ConversationId) {
        self.offer(Command::TypingStop(conversation_id));
    }

    /// Has read up to a place. Lost when not connected.
    pub fn mark_seen(&self, conversation_id: ConversationId, seq: u64) {
        self.pass(ClientMessage::MarkSeen(MarkSeen { conversation_id, seq: Integer(seq) }));
    }

    /// Has the conversation open, or no longer. Lost when not connected.
    pub fn set_viewing(&self, conversation_id: ConversationId, is_viewing: bool) {
        let body = ConversationRef { conversation_id };
        self.pass(if is_viewing { ClientMessage::ViewingStart(body) } else { ClientMessage::ViewingStop(body) });
    }

    /// Tells what an AI agent is doing. Lost when not connected.
    ///
    /// # Errors
    /// [`SendError::Invalid`], when a text is beyond its limit.
    pub fn send_agent_activity(
        &self,
        conversation_id: ConversationId,
        phase: &str,
        text: Option<&str>,
        audience: ActivityAudience,
    ) -> Result<(), SendError> {
        let invalid = |path: &'static str| {
            move |error: cossistant_protocol::fields::InvalidText| {
                SendError::Invalid(Invalid::new(path, error.to_string()))
            }
        };
        self.pass(ClientMessage::AgentActivity(AgentActivity {
            conversation_id,
            phase: Text::new(phase).map_err(invalid("phase"))?,
            text: text.map(Text::new).transpose().map_err(invalid("text"))?,
            audience: Some(audience),
        }));
        Ok(())
    }

    /// Measures a round trip.
    ///
    /// # Errors
    /// [`PingError`], when there is no connection or no answer in time.
    pub async fn ping(&self) -> Result<Duration, PingError> {
        let (answer, receiver) = oneshot::channel();
        self.command(Command::Ping { id: new_id(), answer }).map_err(|NotQueued| PingError)?;
        receiver.await.unwrap_or(Err(PingError))
    }

    /// Says who this visitor is, by a token that the customer's own server signed; then reconnects as that person.
    ///
    /// # Errors
    /// [`IdentifyError`]. The visitor stays who it was.
    pub async fn identify(&self, identity_token: &str) -> Result<(), IdentifyError> {
        let ended = || IdentifyError::NoAnswer(String::from("the client has ended"));
        let (answer, receiver) = oneshot::channel();
        let identity_token = String::from(identity_token);
        self.command(Command::Identify { identity_token, answer }).map_err(|NotQueued| ended())?;
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.snapshot.borrow().state
    }

    /// Established and authenticated.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state() == ConnectionState::Connected
    }

    /// Waits until the state is one that is wanted; `false` when the client ended before. Cancel safe.
    pub async fn wait_for_state(&self, mut is_wanted: impl FnMut(ConnectionState) -> bool) -> bool {
        self.snapshot.clone().wait_for(|snapshot| is_wanted(snapshot.state)).await.is_ok()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.snapshot.borrow().stats.clone()
    }

    /// How many messages are neither acknowledged nor failed.
    #[must_use]
    pub fn queued_message_count(&self) -> usize {
        self.snapshot.borrow().queued_message_count
    }

    /// All wishes and where they stand.
    #[must_use]
    pub fn subscriptions(&self) -> Arc<[(Channel, SubscriptionState)]> {
        self.snapshot.borrow().subscriptions.clone()
    }

    fn pass(&self, message: ClientMessage) {
        let frame = ClientFrame { id: None, timestamp: None, message };
        self.offer(Command::Pass(frame.encode().into()));
    }

    /// For what may be lost.
    fn offer(&self, command: Command) {
        if self.command(command).is_err() {
            tracing::debug!("a command was dropped");
        }
    }

    fn command(&self, command: Command) -> Result<(), NotQueued> {
        self.commands.try_send(command).map_err(|_| NotQueued)
    }
}

/// An id that nobody else makes: 128 random bits.
fn new_id() -> RequestId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    let mut id = String::with_capacity(36);
    id.push_str("cli_");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    RequestId::new(id).expect("36 characters are an id")
}
