//! Webhooks: addresses of customers that are told of what happens, and what became of each telling.

use serde::{Deserialize, Deserializer, Serialize};

use super::PageLimit;
use crate::codes::names;
use crate::fields::{Text, present};
use crate::{
    ConversationId, DeliveryId, MessageUpdated, NewMessage, OrganizationId, PersonId, Timestamp, UnknownName, Url,
    UserType, Visibility, WebhookId, WebsiteId,
};

/// The most webhooks of an organization.
pub const MAX_WEBHOOKS: usize = 100;
/// The most messages that one `message.unseen` carries: the newest ones.
pub const MAX_UNSEEN_MESSAGES: usize = 20;

names!(
    /// What a webhook may be told of.
    WebhookEvent {
        /// A message was stored, a note for the team too.
        #[serde(rename = "message.created")]
        MessageCreated = "message.created",
        /// A message was edited or deleted.
        #[serde(rename = "message.updated")]
        MessageUpdated = "message.updated",
        /// A conversation began.
        #[serde(rename = "conversation.created")]
        ConversationCreated = "conversation.created",
        /// A conversation's status changed.
        #[serde(rename = "conversation.status_changed")]
        ConversationStatusChanged = "conversation.status_changed",
        /// A conversation's assignee changed.
        #[serde(rename = "conversation.assigned")]
        ConversationAssigned = "conversation.assigned",
        /// Public messages have waited for their reader for as long as the website's `unseenAfter`.
        #[serde(rename = "message.unseen")]
        MessageUnseen = "message.unseen",
    }
);

names!(
    /// How a delivery stands.
    DeliveryStatus {
        /// It was not tried yet.
        Pending = "pending",
        /// It was tried and not taken; it will be tried again.
        Failed = "failed",
        /// It was taken.
        Delivered = "delivered",
        /// It was not taken and will not be tried again, unless it is sent once more by hand.
        Dead = "dead",
    }
);

/// Makes a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateWebhook {
    /// Where it is told: http or https, without user name and password.
    pub url: Url,
    /// What it is told of; everything, if it is left out.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub events: Option<Vec<WebhookEvent>>,
}

/// A webhook that was made. Its secret is shown here and never again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebhookCreated {
    /// Its id.
    pub id: WebhookId,
    /// Where it is told.
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// `whsec_…`: by it the receiver knows that a request is ours.
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where it is told.
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All webhooks of an organization, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebhookList {
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
}

/// Which deliveries of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeliveriesQuery {
    /// Only those that stand so.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<DeliveryStatus>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Text<0, 128>>,
    /// How many at most.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
}

/// One telling of one webhook, over all of its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id: the `webhook-id` of every attempt.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook_id: WebhookId,
    /// Of what.
    pub r#type: WebhookEvent,
    /// How it stands.
    pub status: DeliveryStatus,
    /// How often it was tried since it was queued, or sent once more by hand.
    pub attempts: u32,
    /// When that happened of which it tells.
    pub created_at: Timestamp,
    /// When it was last tried.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<Timestamp>,
    /// When it will be tried, while it is `pending` or `failed`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// Why the last attempt failed, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// One page of deliveries, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeliveryList {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// The `cursor` of the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// What a webhook is sent: the body of the request.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "{T}Payload"))]
pub struct WebhookPayload<T> {
    /// What happened.
    pub r#type: WebhookEvent,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The same that the team is told over a connection, in the team's numbering; newest content.
    pub data: T,
}

/// The `data` of a `message.updated`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebhookMessageUpdated {
    /// What the team is told over a connection.
    #[serde(flatten)]
    pub update: MessageUpdated,
    /// Who may read the message.
    pub visibility: Visibility,
}

/// The `data` of a `message.unseen`: public messages of one conversation that wait for the other side.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageUnseen {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Its visitor.
    pub visitor_id: PersonId,
    /// Who has not read: `visitor`, or `user` for the team's users, none of whom has.
    pub unseen_by: UserType,
    /// How many messages wait.
    pub count: u64,
    /// The newest 20 of them, by rising `seq`.
    pub messages: Vec<NewMessage>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}
