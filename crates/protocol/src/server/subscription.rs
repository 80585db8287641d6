//! Subscriptions, and the state that a confirmation tells.

use std::fmt;

use serde::de::SeqAccess;
use serde::{Deserialize, Deserializer, Serialize};

use crate::fields::{Strict, maybe_number, maybe_object, nullable, number, objects, present};
use crate::{Channel, ConversationId, ConversationStatus, ErrorCode, ErrorDetails, PersonId, RequestId, UserType};

/// Live delivery is in place, and this is the state; `replayed` durable events follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionConfirmed {
    /// The `id` of the request.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Which channel.
    pub channel: Channel,
    /// The store's life; places of another one mean nothing.
    pub epoch: String,
    /// The newest place.
    #[serde(deserialize_with = "number")]
    pub head: u64,
    /// Whether nothing is missing between `after` and `head`.
    pub recovered: bool,
    /// How many durable events follow.
    #[serde(deserialize_with = "number")]
    pub replayed: u64,
    /// Of a conversation: whose it is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<PersonId>,
    /// Of a conversation: how it stands.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversationStatus>,
    /// Of a conversation: who is to answer; null for nobody.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-nullable" = true)))]
    pub assigned_team_member_id: Option<Option<PersonId>>,
    /// Of a conversation: how far each has read.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub seen: Option<Vec<SeenState>>,
    /// Who is typing, oneself excepted.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub typing: Option<Vec<TypingState>>,
    /// Of a conversation: what AI agents are doing.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub activity: Option<Vec<ActivityState>>,
    /// Told to the team: who is online.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub online: Option<OnlineState>,
    /// Of a conversation, told to the team: who has it open, oneself excepted.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub viewing: Option<Vec<ViewingState>>,
}

/// A subscription was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionError {
    /// The `id` of the request.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Why, for people.
    pub error: String,
    /// Why, for programs.
    #[serde(deserialize_with = "ErrorCode::received")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("x-openEnum" = "ErrorCode")))]
    pub code: ErrorCode,
    /// Which channel.
    pub channel: Channel,
    /// Where the request is wrong.
    #[serde(default, deserialize_with = "maybe_object", skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// After how many ms it may be asked again.
    #[serde(default, deserialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// A subscription has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionEnded {
    /// The `id` of the request, if it was asked for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Which channel.
    pub channel: Channel,
    /// `revoked` when access ended.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a person has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SeenState {
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// The place, in the numbering of the one who is told.
    #[serde(deserialize_with = "number")]
    pub last_seen_seq: u64,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// A person who is typing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingState {
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// Where; told of a website, not of a conversation.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// What an AI agent is doing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivityState {
    /// Who.
    pub user_id: PersonId,
    /// A word for it.
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
}

/// A user who has the conversation open now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ViewingState {
    /// Who.
    pub user_id: PersonId,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// Who is online: of a conversation whether its visitor is, of a website which visitors are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OnlineState {
    /// Of a conversation.
    Conversation(bool),
    /// Of a website.
    Website(Vec<OnlineVisitor>),
}

// Derived code would keep the whole value in memory a second time and lose the path of a fault.
impl<'de> Deserialize<'de> for OnlineState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OnlineState;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean or a list")
            }

            fn visit_bool<E>(self, online: bool) -> Result<OnlineState, E> {
                Ok(OnlineState::Conversation(online))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OnlineState, A::Error> {
                let mut visitors = Vec::new();
                while let Some(Strict(visitor)) = items.next_element()? {
                    visitors.push(visitor);
                }
                Ok(OnlineState::Website(visitors))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A visitor who is online now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OnlineVisitor {
    /// Who.
    pub visitor_id: PersonId,
    /// The visitor's conversations that are not closed, newest first, at most 20.
    pub conversation_ids: Vec<ConversationId>,
}
