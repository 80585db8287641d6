//! Words about the connection itself.

use serde::{Deserialize, Serialize};

use crate::fields::{list, maybe_number, maybe_object, number, object, present};
use crate::{ConnectionId, ConversationStatus, ErrorCode, PersonId, RequestId, Timestamp, UserType, WebsiteId};

/// The first message on every connection that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectionEstablished {
    /// The connection's id.
    pub connection_id: ConnectionId,
    /// The server's clock, in ms since 1970.
    #[serde(deserialize_with = "number")]
    pub server_time: u64,
    /// Who the connection speaks for.
    pub user_id: PersonId,
    /// What kind of principal it is.
    pub user_type: UserType,
    /// How often the client sends a `ping`, in ms.
    #[serde(deserialize_with = "number")]
    pub heartbeat_interval: u64,
    /// What the connection may do.
    #[serde(deserialize_with = "object")]
    pub limits: Limits,
    /// The token of a visitor that was made just now.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor_token: Option<String>,
    /// When the token's time is over.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Told to visitors.
    #[serde(default, deserialize_with = "maybe_object", skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
}

/// What a connection may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The most bytes of one message, inflated.
    #[serde(deserialize_with = "number")]
    pub max_message_bytes: u64,
    /// The most characters of a message's `text`.
    #[serde(deserialize_with = "number")]
    pub max_text_length: u64,
    /// The most subscriptions of one connection; absent when there is no limit.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub max_subscriptions: Option<u64>,
    /// The least time between two typing messages before they are merged, in ms; absent when there is no limit.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub typing_interval: Option<u64>,
    /// After how long a silence a typing state ends, in ms.
    #[serde(deserialize_with = "number")]
    pub typing_expiry: u64,
}

/// The team of a website, as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Team {
    /// Whether anybody is connected.
    pub online: bool,
    /// Who is.
    #[serde(deserialize_with = "list")]
    pub members: Vec<TeamMember>,
}

/// A member of the team, as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamMember {
    /// A user or an AI agent.
    pub user_type: UserType,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// Answers a `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pong {
    /// The `id` of the `ping`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
}

/// The new token is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Authenticated {
    /// The `id` of the `authenticate`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// A new token is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenExpiring {
    /// When the present one's time is over.
    pub expires_at: Timestamp,
}

/// Something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// The `id` of the message that it answers.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// What failed, for people.
    pub error: String,
    /// What failed, for programs.
    #[serde(deserialize_with = "ErrorCode::received")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("x-openEnum" = "ErrorCode")))]
    pub code: ErrorCode,
    /// More about it.
    #[serde(default, deserialize_with = "maybe_object", skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// After how many ms it may be tried again.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// More about an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// Which field: names and indexes joined by dots.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the conversation stands, when that is the reason.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversationStatus>,
}

/// The server asks the client to come back elsewhere or later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reconnect {
    /// Why, such as `draining`.
    pub reason: String,
    /// After how many ms.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The first of a website's team came, or the last one left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamPresence {
    /// Of which website.
    pub website_id: WebsiteId,
}
