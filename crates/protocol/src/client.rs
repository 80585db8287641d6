//! What a client says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fields::{Integer, Strict, Text, object, present};
use crate::json::{self, Object};
use crate::limits::{
    MAX_ACTIVITY_LENGTH, MAX_EPOCH_LENGTH, MAX_METADATA_DEPTH, MAX_PHASE_LENGTH, MAX_TOKEN_BYTES, MAX_TYPING_LENGTH,
};
use crate::messages::messages;
use crate::whole::Whole;
use crate::{
    ActivityAudience, ConversationId, ErrorCode, ErrorDetails, MessageContent, RequestId, Visibility, WebsiteId,
    check_metadata,
};

/// A field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{reason}", if path.is_empty() { "" } else { ": " })]
pub struct Invalid {
    /// Where: field names and indexes joined by dots; empty for the whole.
    pub path: String,
    /// Why, for people.
    pub reason: String,
}

impl Invalid {
    /// A fault at a path.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// The same fault, seen from one level further out.
    #[must_use]
    pub fn under(self, head: &str) -> Self {
        Self { path: json::join(head, &self.path), reason: self.reason }
    }
}

/// A text that is no client message; with the `id` to answer, where it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The `id` of the message, when it is of the right form.
    pub id: Option<RequestId>,
    /// [`ErrorCode::InvalidJson`], [`ErrorCode::InvalidMessage`] or [`ErrorCode::UnknownType`].
    pub code: ErrorCode,
    /// Where and why.
    pub invalid: Option<Invalid>,
    /// The `type` and the channel's id, where they could be read, to answer a refused subscription by its kind.
    pub subscription: Option<crate::Channel>,
}

impl Rejected {
    /// `details` of the error that answers it.
    #[must_use]
    pub fn details(&self) -> Option<ErrorDetails> {
        self.invalid.as_ref().map(|invalid| ErrorDetails {
            path: Some(invalid.path.clone()),
            reason: Some(invalid.reason.clone()),
            status: None,
        })
    }
}

/// One message of a client with what every message may carry.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// Echoed by the answer; of a `send_message` the idempotency key.
    pub id: Option<RequestId>,
    /// When the client says that it sent it, in ms since 1970; a hint, never trusted.
    pub timestamp: Option<u64>,
    /// What it says.
    pub message: ClientMessage,
}

messages!(
    /// What a client says, valid in every field.
    #[derive(Debug, Clone, PartialEq, Serialize)]
    pub enum ClientMessage {
        /// Asks for a `pong`.
        Ping(Ping) = "ping",
        /// Gives the credentials, or renews them.
        Authenticate(Authenticate) = "authenticate",
        /// Asks for the events of a conversation.
        SubscribeConversation(SubscribeConversation) = "subscribe_conversation",
        /// Ends a subscription.
        UnsubscribeConversation(ConversationRef) = "unsubscribe_conversation",
        /// Asks for the events of a website.
        SubscribeWebsite(SubscribeWebsite) = "subscribe_website",
        /// Ends a subscription.
        UnsubscribeWebsite(WebsiteRef) = "unsubscribe_website",
        /// Begins to type.
        TypingStart(ConversationRef) = "typing_start",
        /// Stops typing.
        TypingStop(ConversationRef) = "typing_stop",
        /// Tells the text typed so far.
        TypingProgress(TypingProgress) = "typing_progress",
        /// Sends a message.
        SendMessage(SendMessage) = "send_message",
        /// Has read up to a place.
        MarkSeen(MarkSeen) = "mark_seen",
        /// Has the conversation open.
        ViewingStart(ConversationRef) = "viewing_start",
        /// Has it open no longer.
        ViewingStop(ConversationRef) = "viewing_stop",
        /// What an AI agent is doing.
        AgentActivity(AgentActivity) = "agent_activity",
    }
);

impl ClientMessage {
    /// Checks what the types of the fields do not.
    fn check(&self) -> Result<(), Invalid> {
        if let Self::SendMessage(send) = self { send.check() } else { Ok(()) }
    }
}

/// No fields of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ping {}

/// Credentials in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authenticate {
    /// A JWT.
    pub token: Text<1, MAX_TOKEN_BYTES>,
}

/// Names a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationRef {
    /// Which conversation.
    pub conversation_id: ConversationId,
}

/// Names a website.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebsiteRef {
    /// Which website.
    pub website_id: WebsiteId,
}

/// Asks for a conversation's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscribeConversation {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Replay all that follows this `seq`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Integer>,
    /// The store's life in which `after` was seen.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Text<0, MAX_EPOCH_LENGTH>>,
    /// Replay the newest so many; `after` wins over it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub last: Option<Integer>,
}

/// Asks for a website's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscribeWebsite {
    /// Which website.
    pub website_id: WebsiteId,
    /// Replay all that follows this `offset`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Integer>,
    /// The store's life in which `after` was seen.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Text<0, MAX_EPOCH_LENGTH>>,
}

/// The text typed so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingProgress {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// The whole text, empty when it was deleted.
    pub content: Text<0, MAX_TYPING_LENGTH>,
}

/// A message to be stored and delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// What it says.
    #[serde(deserialize_with = "object")]
    pub content: MessageContent,
    /// An object of the application's own.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::content::MetadataSchema"))]
    pub metadata: Option<Object>,
    /// Who may read it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

impl SendMessage {
    /// Checks what the types of the fields do not.
    ///
    /// # Errors
    /// Says which field and why.
    pub fn check(&self) -> Result<(), Invalid> {
        self.content.check().map_err(|error| error.under("content"))?;
        match &self.metadata {
            Some(metadata) => check_metadata(metadata).map_err(|error| error.under("metadata")),
            None => Ok(()),
        }
    }

    /// One text for all equal messages: what a repeated idempotency key is compared by.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.plain_canonical().unwrap_or_else(|| self.any_canonical())
    }

    /// [`SendMessage::canonical`] of a message of text alone, as nearly all are: its fields are written in their order.
    fn plain_canonical(&self) -> Option<String> {
        #[derive(Serialize)]
        struct Content<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            html: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            text: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Plain<'a> {
            content: Content<'a>,
            visibility: Visibility,
        }
        let MessageContent { text, html, attachments: None, metadata: None } = &self.content else { return None };
        if self.metadata.is_some() {
            return None;
        }
        let content = Content { html: html.as_ref().map(Text::as_str), text: text.as_ref().map(Text::as_str) };
        let plain = Plain { content, visibility: self.visibility.unwrap_or(Visibility::Public) };
        Some(serde_json::to_string(&plain).expect("a message is always JSON"))
    }

    fn any_canonical(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a message is always JSON");
        if let Some(object) = value.as_object_mut() {
            object.remove("conversationId");
            object.entry("visibility").or_insert_with(|| Visibility::Public.as_str().into());
        }
        json::canonical(&value)
    }
}

/// A place up to which a person has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MarkSeen {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// The place, in the reader's own numbering; past the head it means the head.
    pub seq: Integer,
}

/// What an AI agent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentActivity {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// A word for it; `done` ends it.
    pub phase: Text<1, MAX_PHASE_LENGTH>,
    /// A text for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<0, MAX_ACTIVITY_LENGTH>>,
    /// Who sees it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub audience: Option<ActivityAudience>,
}

/// The phase that ends an activity.
pub const PHASE_DONE: &str = "done";

/// A `type`, known or not.
pub(crate) type TypeName = Text<0, { usize::MAX }>;

/// The fields that every message has, each still raw, so that one bad field does not hide another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    conversation_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    website_id: Option<&'a RawValue>,
}

/// What is there, `null` included, which is no type.
fn raw<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Envelope<'_> {
    fn subscription(&self, kind: &str) -> Option<crate::Channel> {
        let text = |raw: Option<&RawValue>| serde_json::from_str::<String>(raw?.get()).ok();
        match kind {
            "subscribe_conversation" => {
                ConversationId::new(text(self.conversation_id)?).ok().map(crate::Channel::Conversation)
            }
            "subscribe_website" => WebsiteId::new(text(self.website_id)?).ok().map(crate::Channel::Website),
            _ => None,
        }
    }
}

impl ClientFrame {
    /// Reads one text frame.
    ///
    /// # Errors
    /// [`Rejected`] with the code and details of the answer.
    pub fn parse(text: &str) -> Result<Self, Rejected> {
        let whole = if json::nests_too_deep(text) { None } else { Self::parse_whole(text) };
        match whole {
            Some(frame) => Ok(frame),
            None => Self::parse_long(text),
        }
    }

    /// Reads a frame that is as it must be, and begins with its type, in one pass.
    pub(crate) fn parse_whole(text: &str) -> Option<Self> {
        let Whole { id, timestamp, body: message } = ClientMessage::read_whole(text)?;
        message.check().is_ok().then_some(Self { id, timestamp, message })
    }

    /// Reads any frame, or finds out what is wrong with it.
    pub(crate) fn parse_long(text: &str) -> Result<Self, Rejected> {
        let reject = |code, id: Option<RequestId>, invalid| Rejected { id, code, invalid, subscription: None };
        let envelope = match read::<Strict<Envelope<'_>>>(text) {
            Ok(Strict(envelope)) => envelope,
            Err(invalid) if is_json(text) => return Err(reject(ErrorCode::InvalidMessage, None, Some(invalid))),
            Err(_) => return Err(reject(ErrorCode::InvalidJson, None, None)),
        };
        let id = match envelope.id {
            None => None,
            Some(raw) => match read::<RequestId>(raw.get()) {
                Ok(id) => Some(id),
                Err(invalid) => return Err(reject(ErrorCode::InvalidMessage, None, Some(invalid.under("id")))),
            },
        };
        let invalid_at =
            |path: &str, invalid: Invalid| reject(ErrorCode::InvalidMessage, id.clone(), Some(invalid.under(path)));
        let kind = match envelope.r#type {
            None => return Err(invalid_at("type", Invalid::new("", "is required"))),
            Some(raw) => read::<TypeName>(raw.get()).map_err(|invalid| invalid_at("type", invalid))?.into_string(),
        };
        let timestamp = match envelope.timestamp {
            None => None,
            Some(raw) => Some(read::<Integer>(raw.get()).map_err(|invalid| invalid_at("timestamp", invalid))?.0),
        };
        let Some(body) = ClientMessage::parse_body(&kind, text) else {
            return Err(reject(ErrorCode::UnknownType, id, None));
        };
        let body = find_too_deep(text).map_or(body, Err);
        match body.and_then(|message| message.check().map(|()| message)) {
            Ok(message) => Ok(Self { id, timestamp, message }),
            Err(invalid) => Err(Rejected {
                subscription: envelope.subscription(&kind),
                ..reject(ErrorCode::InvalidMessage, id, Some(invalid))
            }),
        }
    }

    /// The frame as JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        #[derive(Serialize)]
        struct Out<'a> {
            #[serde(flatten)]
            message: &'a ClientMessage,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: &'a Option<RequestId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            timestamp: Option<u64>,
        }
        let out = Out { message: &self.message, id: &self.id, timestamp: self.timestamp };
        serde_json::to_string(&out).expect("a client message is always JSON")
    }
}

/// The longest name of an unknown field that a refusal repeats.
const MAX_NAME_BYTES: usize = 64;

/// The first field, by name, that nests too deep, known or not.
fn find_too_deep(text: &str) -> Option<Invalid> {
    if !json::nests_too_deep(text) {
        return None;
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let is_deep = |value: &RawValue| json::nests_deeper_than(value.get(), json::MAX_DEPTH - 1);
    let (name, _) = fields.iter().find(|(_, value)| is_deep(value))?;
    let most = if name == "metadata" { MAX_METADATA_DEPTH } else { json::MAX_DEPTH - 1 };
    // An unknown name may be as long as the message.
    let path = if name.len() <= MAX_NAME_BYTES { json::printable(name) } else { String::new() };
    Some(Invalid::new(path, format!("must nest at most {most} levels deep")))
}

/// Reads a value of JSON text that is known to be well formed; a failure tells its path.
///
/// # Errors
/// [`Invalid`], with the path inside the value.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Invalid> {
    let first = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => Err(Invalid::new("", data_reason(&first))),
        Err(error) => Err(locate(&error)),
    }
}

/// Whether a text is JSON by its grammar. (Such a text may still not be readable: `"\ud800"` stands for no text.)
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Turns serde's path into a dotted one, and names the field that a "missing" or "duplicate" is about.
fn locate(error: &serde_path_to_error::Error<serde_json::Error>) -> Invalid {
    use serde_path_to_error::Segment;
    let mut path = String::new();
    for segment in error.path() {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        path = json::join(&path, &part);
    }
    let text = error.inner().to_string();
    for (prefix, reason) in [("missing field `", "is required"), ("duplicate field `", "stands twice")] {
        if let Some(field) = text.strip_prefix(prefix).and_then(|rest| rest.split('`').next()) {
            // The path of a duplicate may or may not end in the field already.
            let whole = if path.rsplit('.').next() == Some(field) { path } else { json::join(&path, field) };
            return Invalid::new(whole, reason);
        }
    }
    Invalid::new(path, data_reason(error.inner()))
}

/// The reason of a serde error, without its line and column, which mean nothing to a peer, and without the value, of
/// which the peer could make an answer of any length.
fn data_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    let expected = text.starts_with("invalid ").then(|| text.rsplit_once(", expected ")).flatten();
    match expected {
        Some((_, "a map")) => "must be an object".to_owned(),
        Some((_, "a sequence")) => "must be a list".to_owned(),
        Some((_, kind)) => format!("must be {kind}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_message_has_the_same_one_text() {
        for content in [r#"{"text":"a \" \u0001 \u00e4"}"#, r#"{"html":"<b>","text":""}"#, r#"{"text":"t","html":"h"}"#]
        {
            for visibility in [None, Some(Visibility::Internal), Some(Visibility::Public)] {
                let conversation_id = ConversationId::new("c").unwrap();
                let content = serde_json::from_str(content).unwrap();
                let send = SendMessage { conversation_id, content, metadata: None, visibility };
                assert_eq!(send.plain_canonical(), Some(send.any_canonical()));
            }
        }
    }
}
