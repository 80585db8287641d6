//! What is sent: the same that the team is told over a connection.
//!
//! A webhook belongs to the organization, like its secret keys, and so it is told what the team may see: notes too, in
//! the team's numbering. Each message says who may read it.

use cossistant_protocol::http::{MessageUnseen, WebhookEvent, WebhookMessageUpdated, WebhookPayload};
use cossistant_protocol::{ServerMessage, Timestamp, UserType, Visibility};
use serde::Serialize;

use crate::event::{message_for, read_message};
use crate::store::{Audience, DeliveryContent, DueDelivery, StoredEvent, UnseenMessages};

/// The body of a request; `None` if nothing is left to tell.
pub(super) fn payload(due: &DueDelivery) -> Option<Vec<u8>> {
    match &due.content {
        DeliveryContent::Event(stored) => of_event(due, stored),
        DeliveryContent::Unseen(unseen) => Some(json(due.event, due.at, message_unseen(unseen))),
        DeliveryContent::Gone => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "durable events are few of all that a server says")]
fn of_event(due: &DueDelivery, stored: &StoredEvent) -> Option<Vec<u8>> {
    let visibility = if stored.visitor_seq.is_some() { Visibility::Public } else { Visibility::Internal };
    let body = match message_for(stored, Audience::Team)? {
        ServerMessage::NewMessage(data) => json(due.event, due.at, data),
        ServerMessage::MessageUpdated(update) => json(due.event, due.at, WebhookMessageUpdated { update, visibility }),
        ServerMessage::ConversationCreated(data) => json(due.event, due.at, data),
        ServerMessage::ConversationStatusChanged(data) => json(due.event, due.at, data),
        ServerMessage::ConversationAssigned(data) => json(due.event, due.at, data),
        _ => return None,
    };
    Some(body)
}

fn message_unseen(unseen: &UnseenMessages) -> MessageUnseen {
    MessageUnseen {
        conversation_id: unseen.conversation.clone(),
        visitor_id: unseen.visitor.clone(),
        unseen_by: match unseen.unseen_by {
            Audience::Visitor => UserType::Visitor,
            Audience::Team => UserType::User,
        },
        count: unseen.count,
        messages: unseen.messages.iter().filter_map(|stored| read_message(stored, Audience::Team)).collect(),
        website_id: unseen.website.website.clone(),
        organization_id: unseen.website.organization.clone(),
    }
}

fn json(r#type: WebhookEvent, timestamp: Timestamp, data: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&WebhookPayload { r#type, timestamp, data }).expect("plain data is always JSON")
}
