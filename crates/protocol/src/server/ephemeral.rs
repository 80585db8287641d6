//! Events that are told once and never stored.

use serde::{Deserialize, Serialize};

use crate::fields::{number, object, present};
use crate::{ConversationId, OrganizationId, PersonId, Timestamp, UserType, WebsiteId};

/// Somebody has read up to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationSeen {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// The place, in the numbering of the one who is told.
    #[serde(deserialize_with = "number")]
    pub last_seen_seq: u64,
    /// When.
    pub seen_at: Timestamp,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// Somebody begins or stops typing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingIndicator {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// Begins or stops.
    pub is_typing: bool,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// Somebody opened or left a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ViewingIndicator {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// Opened or left.
    pub is_viewing: bool,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// The text that somebody has typed so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingProgressEvent {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// The whole text.
    pub content: String,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// What an AI agent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentActivityEvent {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which agent.
    pub user_id: PersonId,
    /// A word for it; `done` ends it.
    pub phase: String,
    /// A text for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// A visitor came or left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorPresence {
    /// The visitor's latest conversation that is not closed.
    pub conversation_id: ConversationId,
    /// All such, newest first, at most 20.
    pub conversation_ids: Vec<ConversationId>,
    /// Who.
    pub visitor_id: PersonId,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// When the visitor was last here.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

/// A visitor became a known person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorIdentified {
    /// Who the visitor is now.
    pub visitor_id: PersonId,
    /// What is known of the person.
    #[serde(deserialize_with = "object")]
    pub identity: Identity,
    /// Who the visitor was, when the person had been known already.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub previous_visitor_id: Option<PersonId>,
    /// The conversations that are now this visitor's.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub conversation_ids: Option<Vec<ConversationId>>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// Who a visitor is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The id in the customer's own books.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The e-mail address.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
