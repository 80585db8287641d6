//! What the server says.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{Invalid, TypeName, is_json, read};
use crate::fields::{Integer, Strict, present};
use crate::json::Object;
use crate::messages::messages;
use crate::{ReceivedContent, RequestId};

mod connection;
mod durable;
mod ephemeral;
mod subscription;

pub use connection::*;
pub use durable::*;
pub use ephemeral::*;
pub use subscription::*;

messages!(
    /// What the server says.
    #[derive(Debug, Clone, Serialize)]
    pub enum ServerMessage {
        /// The connection is established and authenticated.
        ConnectionEstablished(ConnectionEstablished) = "connection_established",
        /// Answers a `ping`.
        Pong(Pong) = "pong",
        /// Answers an `authenticate`.
        Authenticated(Authenticated) = "authenticated",
        /// The token's time is nearly over.
        TokenExpiring(TokenExpiring) = "token_expiring",
        /// Live delivery is in place; the replay follows.
        SubscriptionConfirmed(SubscriptionConfirmed) = "subscription_confirmed",
        /// A subscription was refused.
        SubscriptionError(SubscriptionError) = "subscription_error",
        /// A subscription has ended.
        SubscriptionEnded(SubscriptionEnded) = "subscription_ended",
        /// A message is on stable storage.
        MessageAck(MessageAck) = "message_ack",
        /// A message. Durable.
        NewMessage(NewMessage) = "new_message",
        /// A message was edited or deleted. Durable.
        MessageUpdated(MessageUpdated) = "message_updated",
        /// A conversation began. Durable.
        ConversationCreated(ConversationCreated) = "conversation_created",
        /// A visitor became a known person.
        VisitorIdentified(VisitorIdentified) = "visitor_identified",
        /// The first of the team came.
        TeamOnline(TeamPresence) = "team_online",
        /// The last of the team left.
        TeamOffline(TeamPresence) = "team_offline",
        /// A conversation's status changed. Durable.
        ConversationStatusChanged(ConversationStatusChanged) = "conversation_status_changed",
        /// A conversation's assignee changed. Durable.
        ConversationAssigned(ConversationAssigned) = "conversation_assigned",
        /// Somebody has read up to a place.
        ConversationSeen(ConversationSeen) = "conversation_seen",
        /// Somebody begins or stops typing.
        TypingIndicator(TypingIndicator) = "typing_indicator",
        /// Somebody opened or left a conversation.
        ViewingIndicator(ViewingIndicator) = "viewing_indicator",
        /// The text that somebody has typed so far.
        TypingProgress(TypingProgressEvent) = "typing_progress",
        /// What an AI agent is doing.
        AgentActivity(AgentActivityEvent) = "agent_activity",
        /// A visitor came.
        VisitorOnline(VisitorPresence) = "visitor_online",
        /// A visitor left.
        VisitorOffline(VisitorPresence) = "visitor_offline",
        /// Something failed.
        Error(ErrorMessage) = "error",
        /// The server asks the client to come back elsewhere or later.
        Reconnect(Reconnect) = "reconnect",
    }
);

/// Why a text is no server message that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableMessage {
    /// Not JSON, or not an object with a string `type`.
    #[error("not an object with a type")]
    NotAMessage,
    /// A `type` of a newer server: for the application as it is.
    #[error("unknown type {0}")]
    UnknownType(String),
    /// A field is not as it must be.
    #[error("{0}")]
    Invalid(Invalid),
}

/// The fields that every message may have, each still raw.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp: Option<&'a RawValue>,
}

impl ServerMessage {
    /// Reads one text frame.
    ///
    /// # Errors
    /// [`UnreadableMessage`] tells apart what to skip and what to hand on.
    pub fn parse(text: &str) -> Result<Self, UnreadableMessage> {
        match Self::parse_whole(text) {
            Some(message) => Ok(message),
            None => Self::parse_long(text),
        }
    }

    /// Reads a message that is as it must be, and begins with its type, in one pass.
    pub(crate) fn parse_whole(text: &str) -> Option<Self> {
        Self::read_whole(text)?.body.check().ok()
    }

    /// Reads any message, or finds out what is wrong with it.
    pub(crate) fn parse_long(text: &str) -> Result<Self, UnreadableMessage> {
        let unreadable =
            |invalid| if is_json(text) { UnreadableMessage::Invalid(invalid) } else { UnreadableMessage::NotAMessage };
        let Strict(head) = read::<Strict<Head<'_>>>(text).map_err(unreadable)?;
        let kind = match head.r#type {
            Some(raw) => read::<TypeName>(raw.get()).map_err(|_| UnreadableMessage::NotAMessage)?.into_string(),
            None => return Err(UnreadableMessage::NotAMessage),
        };
        if let Some(raw) = head.id {
            read::<RequestId>(raw.get()).map_err(|invalid| UnreadableMessage::Invalid(invalid.under("id")))?;
        }
        if let Some(raw) = head.timestamp {
            read::<Integer>(raw.get()).map_err(|invalid| UnreadableMessage::Invalid(invalid.under("timestamp")))?;
        }
        match Self::parse_body(&kind, text) {
            Some(body) => body.and_then(Self::check).map_err(UnreadableMessage::Invalid),
            None => Err(UnreadableMessage::UnknownType(kind)),
        }
    }

    /// Checks what the types of the fields do not.
    fn check(self) -> Result<Self, Invalid> {
        let content = if let Self::NewMessage(message) = &self {
            message.content.as_deref()
        } else if let Self::MessageUpdated(message) = &self {
            message.content.as_deref()
        } else {
            None
        };
        if let Some(raw) = content {
            ReceivedContent::parse(raw).map_err(|invalid| invalid.under("content"))?;
        }
        Ok(self)
    }

    /// The message as JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a server message is always JSON")
    }

    /// Appends the message as JSON text.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("a server message is always JSON");
    }
}

/// The metadata of a message as raw JSON.
///
/// # Errors
/// Never for an object; the type keeps the conversion in one place.
pub fn raw_object(object: &Object) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(object)
}
