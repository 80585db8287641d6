//! Conversations and their messages.

use serde::{Deserialize, Serialize};

use crate::fields::{nullable, object, present};
use crate::json::Object;
use crate::{
    ConversationId, ConversationStatus, Identity, Invalid, MessageContent, NewMessage, PersonId, RequestId,
    SendMessage, Timestamp, Visibility, WebsiteId,
};

/// Makes a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateConversation {
    /// On which website; required of the team, a visitor has one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub website_id: Option<WebsiteId>,
    /// Whose it is; required of the team, a visitor's own is its own.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<PersonId>,
    /// Its id; the server makes one up if there is none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
}

/// Changes a conversation; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChangeConversation {
    /// The new status.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversationStatus>,
    /// Who is to answer now; `null` for nobody.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-nullable" = true)))]
    pub assigned_team_member_id: Option<Option<PersonId>>,
    /// Only if this is who is to answer, `null` for nobody; else nothing changes and the answer is `conflict`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-nullable" = true)))]
    pub if_assigned_to: Option<Option<PersonId>>,
}

/// A message to be stored and delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PostMessage {
    /// The idempotency key: the same one of the same sender stores nothing new in this conversation.
    pub id: RequestId,
    /// What it says.
    #[serde(deserialize_with = "object")]
    pub content: MessageContent,
    /// An object of the application's own.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Object>,
    /// Who may read it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

impl PostMessage {
    /// The same message as it is sent over a connection, with its idempotency key; checked in every field.
    ///
    /// # Errors
    /// Says which field and why.
    pub fn into_send(self, conversation_id: ConversationId) -> Result<(RequestId, SendMessage), Invalid> {
        let Self { id, content, metadata, visibility } = self;
        let send = SendMessage { conversation_id, content, metadata, visibility };
        send.check()?;
        Ok((id, send))
    }
}

/// Replaces what a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EditContent {
    /// What it says from now on.
    #[serde(deserialize_with = "object")]
    pub content: MessageContent,
}

/// A conversation as the asker may see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationItem {
    /// Its id.
    pub conversation_id: ConversationId,
    /// On which website.
    pub website_id: WebsiteId,
    /// Whose it is.
    pub visitor_id: PersonId,
    /// What is known of the visitor.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor: Option<Identity>,
    /// How it stands.
    pub status: ConversationStatus,
    /// Who is to answer; `null` for nobody.
    pub assigned_team_member_id: Option<PersonId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When something durable last happened in it, as far as the asker may see it.
    pub last_activity_at: Timestamp,
    /// The newest message that the asker may see; `null` if there is none.
    pub last_message: Option<NewMessage>,
    /// How many messages the asker may see and has not, its own excepted.
    pub unread_count: u64,
    /// Whether its visitor is online.
    pub online: bool,
}

/// One page of conversations, newest activity first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationList {
    /// The conversations.
    pub conversations: Vec<ConversationItem>,
    /// The `cursor` of the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// One page of messages, by rising `seq`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageList {
    /// The messages.
    pub messages: Vec<NewMessage>,
    /// Whether there are more in the direction that was asked for: newer ones with `after`, else older ones.
    pub has_more: bool,
}
