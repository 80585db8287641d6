//! Durable events as they are delivered: encoded once for each audience, shared by every recipient.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cossistant_protocol::{
    ConversationAssigned, ConversationCreated, ConversationId, ConversationStatusChanged, MessageUpdated, NewMessage,
    PersonId, ServerMessage,
};
use serde_json::value::RawValue;

use crate::gateway::deflate::Deflater;
use crate::gateway::frame::{self, FrameBuffer};
use crate::store::{Audience, EventBody, Message, SiteKey, StoredEvent};

/// Frames of fewer bytes are not worth compressing.
pub(crate) const DEFLATE_THRESHOLD: usize = 256;

/// One server message, encoded with its frame header, shared by all who get it.
///
/// The compressed form is made when the first recipient wants it, and then shared as well.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Forms>);

#[derive(Debug)]
struct Forms {
    plain: FrameBuffer,
    deflated: OnceLock<Bytes>,
}

impl Frame {
    /// Encodes a message.
    #[must_use]
    pub fn new(message: &ServerMessage) -> Self {
        let mut buffer = FrameBuffer::default();
        message.encode_into(buffer.payload());
        Self(Arc::new(Forms { plain: buffer.into_text(), deflated: OnceLock::new() }))
    }

    /// A message that was encoded elsewhere.
    pub(crate) fn of_json(json: &str) -> Self {
        let mut buffer = FrameBuffer::default();
        buffer.payload().extend_from_slice(json.as_bytes());
        Self(Arc::new(Forms { plain: buffer.into_text(), deflated: OnceLock::new() }))
    }

    /// The bytes for a connection that negotiated compression, or did not.
    #[must_use]
    pub fn bytes(&self, deflate: bool) -> &[u8] {
        if !deflate || self.0.plain.text().len() < DEFLATE_THRESHOLD {
            return self.0.plain.bytes();
        }
        self.0.deflated.get_or_init(|| compress(self.json()))
    }

    /// The message as JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        std::str::from_utf8(self.0.plain.text()).expect("JSON is UTF-8")
    }
}

impl From<Bytes> for Frame {
    /// A frame that is no message: a ping, a pong, a close.
    fn from(bytes: Bytes) -> Self {
        Self(Arc::new(Forms { plain: FrameBuffer::control(&bytes), deflated: OnceLock::new() }))
    }
}

/// Compresses with the thread's own compressor.
fn compress(json: &str) -> Bytes {
    thread_local! {
        static DEFLATER: RefCell<Deflater> = RefCell::new(Deflater::new());
    }
    DEFLATER.with_borrow_mut(|deflater| frame::compressed_text_frame(json, deflater))
}

/// A durable event with its places and its frames.
#[derive(Debug)]
pub struct Event {
    /// On which website.
    pub site: SiteKey,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Its place in the website.
    pub offset: u64,
    /// What the team is told.
    pub team: Frame,
    /// What the conversation's visitor is told; `None` for what a visitor may not see.
    pub visitor: Option<Frame>,
    /// Whose open conversations may be others than before it.
    pub moves: Option<PersonId>,
}

impl Event {
    /// Encodes a stored event for both audiences.
    #[must_use]
    pub fn encode(stored: &StoredEvent) -> Self {
        let moves = match &stored.body {
            EventBody::Created { visitor, .. } | EventBody::Status { visitor, .. } => Some(visitor.clone()),
            EventBody::Message(_) | EventBody::Updated { .. } | EventBody::Assigned { .. } => None,
        };
        Self {
            moves,
            site: stored.website.clone(),
            conversation: stored.conversation.clone(),
            offset: stored.offset,
            team: Frame::new(&message_for(stored, Audience::Team).expect("the team may see every event")),
            visitor: message_for(stored, Audience::Visitor).map(|message| Frame::new(&message)),
        }
    }

    /// What an audience is told.
    #[must_use]
    pub fn frame(&self, audience: Audience) -> Option<&Frame> {
        match audience {
            Audience::Visitor => self.visitor.as_ref(),
            Audience::Team => Some(&self.team),
        }
    }
}

/// The server message that tells an audience of an event; `None` if it may not see it.
#[must_use]
pub fn message_for(stored: &StoredEvent, audience: Audience) -> Option<ServerMessage> {
    let (seq, offset) = places(stored, audience)?;
    let conversation_id = stored.conversation.clone();
    let SiteKey { organization: organization_id, website: website_id } = stored.website.clone();
    let changed_by = |by: &Option<_>| match audience {
        Audience::Visitor => None,
        Audience::Team => by.clone(),
    };
    Some(match &stored.body {
        EventBody::Created { visitor, at } => ServerMessage::ConversationCreated(ConversationCreated {
            conversation_id,
            visitor_id: visitor.clone(),
            created_at: *at,
            website_id,
            organization_id,
            seq,
            offset,
        }),
        EventBody::Message(message) => ServerMessage::NewMessage(new_message(stored, message, seq, offset)),
        EventBody::Updated { message, content, at, deleted } => ServerMessage::MessageUpdated(MessageUpdated {
            conversation_id,
            message_id: message.clone(),
            content: content.as_deref().map(raw),
            updated_at: *at,
            deleted: *deleted,
            website_id,
            organization_id,
            seq,
            offset,
        }),
        EventBody::Status { status, by, .. } => ServerMessage::ConversationStatusChanged(ConversationStatusChanged {
            conversation_id,
            status: *status,
            changed_by: changed_by(by),
            website_id,
            organization_id,
            seq,
            offset,
        }),
        EventBody::Assigned { assignee, by } => ServerMessage::ConversationAssigned(ConversationAssigned {
            conversation_id,
            assigned_team_member_id: assignee.clone(),
            changed_by: changed_by(by),
            website_id,
            organization_id,
            seq,
            offset,
        }),
    })
}

/// A stored message as an audience reads it; `None` if the event is no message or may not be seen.
#[must_use]
pub fn read_message(stored: &StoredEvent, audience: Audience) -> Option<NewMessage> {
    let (seq, offset) = places(stored, audience)?;
    match &stored.body {
        EventBody::Message(message) => Some(new_message(stored, message, seq, offset)),
        EventBody::Created { .. }
        | EventBody::Updated { .. }
        | EventBody::Status { .. }
        | EventBody::Assigned { .. } => None,
    }
}

/// The places of an event as an audience counts; `None` if it may not see it. Offsets are for the team.
fn places(stored: &StoredEvent, audience: Audience) -> Option<(u64, Option<u64>)> {
    match audience {
        Audience::Visitor => Some((stored.visitor_seq?, None)),
        Audience::Team => Some((stored.team_seq, Some(stored.offset))),
    }
}

fn new_message(stored: &StoredEvent, message: &Message, seq: u64, offset: Option<u64>) -> NewMessage {
    NewMessage {
        conversation_id: stored.conversation.clone(),
        message_id: message.id.clone(),
        content: message.content.as_deref().map(raw),
        sender_type: message.sender.kind,
        sender_id: message.sender.id.clone(),
        sender_name: message.sender_name.as_deref().map(str::to_owned),
        created_at: message.created_at,
        website_id: stored.website.website.clone(),
        organization_id: stored.website.organization.clone(),
        metadata: message.metadata.as_deref().map(raw),
        visibility: message.visibility,
        client_message_id: Some(message.key.clone()),
        deleted: message.deleted.then_some(true),
        updated_at: message.updated_at,
        seq,
        offset,
    }
}

/// JSON text that the store holds, as a value that is never encoded again. One that was damaged in the store is told as
/// `null`: that a single message cannot be read must end nothing else.
fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|error| {
        tracing::error!(%error, "a text of the store is no JSON any more: look at the disk, and restore a backup");
        RawValue::NULL.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_json_any_more_is_told_as_null() {
        assert_eq!(raw(r#"{"text":"a"}"#).get(), r#"{"text":"a"}"#);
        for damaged in ["", "{", r#"{"text":"a"} x"#] {
            assert_eq!(raw(damaged).get(), "null", "{damaged:?}");
        }
    }
}
