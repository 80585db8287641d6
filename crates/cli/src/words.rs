//! Server messages in words for people.

use cossistant_client::{ConversationId, NewMessage, PersonId, ReceivedContent, ServerMessage, Visibility};
use cossistant_protocol::Timestamp;
use serde_json::value::RawValue;

use crate::output::tame;

/// How a person is called: by name, else by id.
pub(crate) fn who(name: Option<&str>, id: &PersonId) -> String {
    match name {
        Some(name) if !name.trim().is_empty() => tame(name),
        _ => id.to_string(),
    }
}

/// What a message says, without who said it.
pub(crate) fn content(raw: Option<&RawValue>) -> String {
    let Some(raw) = raw else {
        return "(deleted)".to_owned();
    };
    let content = ReceivedContent::parse(raw).unwrap_or_default();
    let mut parts = Vec::new();
    match (&content.text, &content.html) {
        (Some(text), _) if !text.is_empty() => parts.push(tame(text)),
        (_, Some(html)) if !html.is_empty() => parts.push(tame(html)),
        (Some(_) | None, Some(_) | None) => {}
    }
    for attachment in content.attachments.iter().flatten() {
        parts.push(format!("[{}] {}", tame(attachment.name.as_str()), attachment.url.as_str()));
    }
    parts.join("\n    ")
}

/// A message with who said it.
pub(crate) fn said(message: &NewMessage) -> String {
    let who = who(message.sender_name.as_deref(), &message.sender_id);
    let note = if message.visibility == Visibility::Internal { " (note)" } else { "" };
    format!("{who}{note}: {}", content(message.content.as_deref()))
}

/// A message in words; `None` for what is between programs.
pub(crate) fn describe(message: &ServerMessage) -> Option<String> {
    Some(match message {
        ServerMessage::NewMessage(message) => said(message),
        ServerMessage::MessageUpdated(update) if update.deleted => "a message was deleted".to_owned(),
        ServerMessage::MessageUpdated(update) => {
            format!("a message was edited: {}", content(update.content.as_deref()))
        }
        ServerMessage::ConversationCreated(created) => format!("{} began a conversation", created.visitor_id),
        ServerMessage::ConversationStatusChanged(change) => {
            format!("the conversation is {}{}", change.status, by(change.changed_by.as_ref()))
        }
        ServerMessage::ConversationAssigned(change) => match &change.assigned_team_member_id {
            Some(member) => format!("assigned to {member}{}", by(change.changed_by.as_ref())),
            None => format!("assigned to nobody{}", by(change.changed_by.as_ref())),
        },
        ServerMessage::VisitorIdentified(identified) => {
            let identity = &identified.identity;
            let name = identity.name.as_deref().or(identity.email.as_deref()).or(identity.external_id.as_deref());
            let before = identified.previous_visitor_id.as_ref().unwrap_or(&identified.visitor_id);
            format!("{before} is known as {}", who(name, &identified.visitor_id))
        }
        ServerMessage::ConversationSeen(seen) => {
            format!("{} has read up to #{}", who(seen.user_name.as_deref(), &seen.user_id), seen.last_seen_seq)
        }
        ServerMessage::TypingIndicator(typing) => {
            let who = who(typing.user_name.as_deref(), &typing.user_id);
            if typing.is_typing { format!("{who} is typing") } else { format!("{who} has stopped typing") }
        }
        ServerMessage::TypingProgress(typing) => {
            format!("{} is typing: {}", who(typing.user_name.as_deref(), &typing.user_id), tame(&typing.content))
        }
        ServerMessage::ViewingIndicator(viewing) => {
            let who = who(viewing.user_name.as_deref(), &viewing.user_id);
            if viewing.is_viewing { format!("{who} has opened it") } else { format!("{who} has left it") }
        }
        ServerMessage::AgentActivity(activity) => {
            let who = who(activity.user_name.as_deref(), &activity.user_id);
            let text = activity.text.as_deref().map(|text| format!(": {}", tame(text))).unwrap_or_default();
            format!("{who}: {}{text}", tame(&activity.phase))
        }
        ServerMessage::VisitorOnline(presence) => format!("{} is here", presence.visitor_id),
        ServerMessage::VisitorOffline(presence) => format!("{} has left", presence.visitor_id),
        ServerMessage::TeamOnline(_) => "the team is here".to_owned(),
        ServerMessage::TeamOffline(_) => "the team has left".to_owned(),
        ServerMessage::TokenExpiring(expiring) => format!("the token ends at {}", expiring.expires_at),
        ServerMessage::Error(error) => format!("{} ({})", tame(&error.error), error.code),
        ServerMessage::ConnectionEstablished(_)
        | ServerMessage::Pong(_)
        | ServerMessage::Authenticated(_)
        | ServerMessage::SubscriptionConfirmed(_)
        | ServerMessage::SubscriptionError(_)
        | ServerMessage::SubscriptionEnded(_)
        | ServerMessage::MessageAck(_)
        | ServerMessage::Reconnect(_) => return None,
    })
}

fn by(person: Option<&PersonId>) -> String {
    person.map(|person| format!(" (by {person})")).unwrap_or_default()
}

/// In which conversation it happened.
pub(crate) fn conversation(message: &ServerMessage) -> Option<&ConversationId> {
    match message {
        ServerMessage::NewMessage(event) => Some(&event.conversation_id),
        ServerMessage::MessageUpdated(event) => Some(&event.conversation_id),
        ServerMessage::ConversationCreated(event) => Some(&event.conversation_id),
        ServerMessage::ConversationStatusChanged(event) => Some(&event.conversation_id),
        ServerMessage::ConversationAssigned(event) => Some(&event.conversation_id),
        ServerMessage::ConversationSeen(event) => Some(&event.conversation_id),
        ServerMessage::TypingIndicator(event) => Some(&event.conversation_id),
        ServerMessage::TypingProgress(event) => Some(&event.conversation_id),
        ServerMessage::ViewingIndicator(event) => Some(&event.conversation_id),
        ServerMessage::AgentActivity(event) => Some(&event.conversation_id),
        ServerMessage::VisitorOnline(event) | ServerMessage::VisitorOffline(event) => Some(&event.conversation_id),
        ServerMessage::VisitorIdentified(event) => event.conversation_ids.as_ref()?.first(),
        ServerMessage::ConnectionEstablished(_)
        | ServerMessage::Pong(_)
        | ServerMessage::Authenticated(_)
        | ServerMessage::TokenExpiring(_)
        | ServerMessage::SubscriptionConfirmed(_)
        | ServerMessage::SubscriptionError(_)
        | ServerMessage::SubscriptionEnded(_)
        | ServerMessage::MessageAck(_)
        | ServerMessage::TeamOnline(_)
        | ServerMessage::TeamOffline(_)
        | ServerMessage::Error(_)
        | ServerMessage::Reconnect(_) => None,
    }
}

/// When it happened, where the server says so.
pub(crate) fn time(message: &ServerMessage) -> Option<Timestamp> {
    if let ServerMessage::NewMessage(event) = message {
        Some(event.created_at)
    } else if let ServerMessage::MessageUpdated(event) = message {
        Some(event.updated_at)
    } else if let ServerMessage::ConversationCreated(event) = message {
        Some(event.created_at)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerMessage {
        ServerMessage::parse(text).expect("a server message")
    }

    #[test]
    fn messages_name_their_sender_and_what_is_attached() {
        let message = parse(
            r#"{"type":"new_message","conversationId":"c","messageId":"m","content":{"text":"Hi\u001b[2J","attachments":[{"id":"1","url":"https://a/b","type":"image/png","name":"cat"}]},"senderType":"user","senderId":"u1","senderName":"Grace","createdAt":"2026-01-01T00:00:00.000Z","websiteId":"w","organizationId":"o","visibility":"internal","seq":1}"#,
        );
        assert_eq!(describe(&message).as_deref(), Some("Grace (note): Hi\u{fffd}[2J\n    [cat] https://a/b"));
        assert_eq!(conversation(&message).map(ToString::to_string).as_deref(), Some("c"));
        assert!(time(&message).is_some());
    }

    #[test]
    fn what_is_deleted_says_so_and_acks_say_nothing() {
        assert_eq!(content(None), "(deleted)");
        let ack = parse(
            r#"{"type":"message_ack","id":"i","conversationId":"c","messageId":"m","seq":1,"createdAt":"2026-01-01T00:00:00.000Z"}"#,
        );
        assert_eq!(describe(&ack), None);
    }
}
