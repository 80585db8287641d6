//! Durable events, and the answer to a message.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fields::{maybe_number, maybe_raw_object, number, or_null, present};
use crate::{
    ConversationId, ConversationStatus, MessageId, OrganizationId, PersonId, RequestId, Timestamp, UserType,
    Visibility, WebsiteId,
};

/// A message is on stable storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageAck {
    /// The idempotency key: the `id` of the `send_message`, or one that the server made up.
    pub id: RequestId,
    /// Where it was stored.
    pub conversation_id: ConversationId,
    /// The id that the server gave it.
    pub message_id: MessageId,
    /// Its place, in the sender's numbering.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether it had been stored before.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// The id that the server gave it.
    pub message_id: MessageId,
    /// What it says; null once deleted.
    #[serde(deserialize_with = "or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::ReceivedContent>"))]
    pub content: Option<Box<RawValue>>,
    /// What kind of principal sent it.
    pub sender_type: UserType,
    /// Who sent it.
    pub sender_id: PersonId,
    /// The sender's name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// An object of the sending application's own.
    #[serde(default, deserialize_with = "maybe_raw_object", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::json::Object>"))]
    pub metadata: Option<Box<RawValue>>,
    /// Who may read it.
    pub visibility: Visibility,
    /// The idempotency key under which it was sent.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<RequestId>,
    /// Whether it was deleted.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// When it was last edited or deleted.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Its place in the conversation, in the reader's numbering.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A message was edited or deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageUpdated {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which message.
    pub message_id: MessageId,
    /// What it says now; null once deleted.
    #[serde(deserialize_with = "or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::ReceivedContent>"))]
    pub content: Option<Box<RawValue>>,
    /// When it was edited or deleted.
    pub updated_at: Timestamp,
    /// Whether it was deleted.
    pub deleted: bool,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// The place of this event in the conversation, in the reader's numbering.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A conversation began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationCreated {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Whose it is.
    pub visitor_id: PersonId,
    /// When it began.
    pub created_at: Timestamp,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Its place in the conversation: the first.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A conversation's status changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationStatusChanged {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// How it stands now.
    pub status: ConversationStatus,
    /// Who changed it; told to the team.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<PersonId>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Its place in the conversation, in the reader's numbering.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A conversation's assignee changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationAssigned {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who is to answer now; null for nobody.
    #[serde(deserialize_with = "or_null")]
    pub assigned_team_member_id: Option<PersonId>,
    /// Who changed it; told to the team.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<PersonId>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Its place in the conversation, in the reader's numbering.
    #[serde(deserialize_with = "number")]
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
