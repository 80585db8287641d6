//! Messages: sent, edited, deleted, seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use cossistant_protocol::fields::Text;
use cossistant_protocol::{
    ConversationId, ConversationSeen, ErrorCode, Invalid, MAX_HTML_LENGTH, MessageAck, MessageContent, MessageId,
    NewMessage, ReceivedContent, RequestId, SendMessage, ServerMessage, Timestamp, UserType, Visibility,
};
use sha2::{Digest, Sha256};

use super::{Chat, ChatError, sanitize, visitor_edit_limit};
use crate::auth::Principal;
use crate::bus::{Notice, PersonInfo};
use crate::event::{Frame, read_message};
use crate::limits::SenderKey;
use crate::store::{
    AppendMessage, Appended, Audience, Conversation, DeleteMessage, EditMessage, MarkSeen, MovedMark, Scope, SeenMark,
    SiteKey, StoreError, Websites,
};

impl Chat {
    /// Stores a message and tells everyone who may read it. Without a key the server makes one up.
    ///
    /// The answer comes after the message is on stable storage. A key that is known already is answered with the
    /// first message's places, whatever the rates and the conversation's status are now.
    ///
    /// # Errors
    /// `forbidden` for what the role may not send, `not_found`, `conflict`, `rate_limited`, `unavailable`.
    pub async fn send_message(
        &self,
        actor: &Principal,
        key: Option<RequestId>,
        send: SendMessage,
        now: Timestamp,
    ) -> Result<MessageAck, ChatError> {
        let visibility = send.visibility.unwrap_or(Visibility::Public);
        if !actor.kind.is_team() {
            if visibility == Visibility::Internal {
                return Err(ChatError::forbidden("notes are for users and AI agents only"));
            }
            if send.content.html.is_some() {
                return Err(ChatError::forbidden("html is for users and AI agents only"));
            }
        }
        let key = key.unwrap_or_else(|| self.ids.request(now));
        let digest = Sha256::digest(send.canonical());
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&digest[..16]);
        if let Err(retry_after) = self.take_message(actor, now) {
            return self.answer_known(actor, &send.conversation_id, &key, fingerprint, retry_after).await;
        }
        let (content, search_text) = prepare(send.content)?;
        let metadata = send.metadata.as_ref().map(json);
        let append = AppendMessage {
            organization: actor.organization.clone(),
            scope: actor.scope(),
            conversation: send.conversation_id.clone(),
            message: self.ids.message(now),
            sender: actor.key(),
            sender_name: actor.name.clone(),
            key: key.clone(),
            fingerprint,
            content,
            search_text,
            metadata,
            visibility,
            may_create: !self.limiter.new_conversations.is_on(),
            at: now,
        };
        let appended = self.append(actor, append).await;
        self.note_write(appended.as_ref().err(), now);
        let appended = appended?;
        self.publish_appended(&appended);
        if let Some(event) = appended.events.first() {
            metrics::counter!(crate::metrics::MESSAGES_TOTAL, "sender" => actor.kind.as_str()).increment(1);
            // Whoever has sent what it typed types no longer, over whichever connection it did either.
            self.bus.publish(Notice::TypingStopped {
                site: event.website.clone(),
                conversation: event.conversation.clone(),
                person: Arc::new(PersonInfo::of(actor)),
                source: None,
            });
        }
        let seq = match actor.scope().audience() {
            Audience::Team => appended.team_seq,
            Audience::Visitor => appended.visitor_seq.unwrap_or_default(),
        };
        Ok(MessageAck {
            id: key,
            conversation_id: send.conversation_id,
            message_id: appended.message,
            seq,
            created_at: appended.created_at,
            duplicate: appended.duplicate.then_some(true),
        })
    }

    /// Appends; a conversation that would have to be created first counts against its own rate.
    async fn append(&self, actor: &Principal, append: AppendMessage) -> Result<Appended, ChatError> {
        if append.may_create {
            return Ok(self.store.append_message(append).await?);
        }
        match self.store.append_message(append.clone()).await {
            Err(StoreError::NotFound) if actor.kind == UserType::Visitor => {
                if let Err(refused) = self.take_conversation(actor, append.at) {
                    // A message sent just before may have made the conversation, at the cost of the last token.
                    return match self.store.append_message(append).await {
                        Err(StoreError::NotFound) => Err(refused),
                        answer => Ok(answer?),
                    };
                }
                Ok(self.store.append_message(AppendMessage { may_create: true, ..append }).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Publishes what an append did; a conversation that began or reopened may change whom the team sees online.
    fn publish_appended(&self, appended: &Appended) {
        use crate::store::EventBody;
        self.publish(&appended.events);
        for event in &appended.events {
            if let EventBody::Created { visitor, .. } = &event.body {
                self.bus.publish(Notice::OpenConversations { site: event.website.clone(), visitor: visitor.clone() });
            }
        }
    }

    /// Takes a token for a message from the sender's bucket.
    fn take_message(&self, actor: &Principal, now: Timestamp) -> Result<(), u64> {
        let key = SenderKey {
            organization: actor.organization.clone(),
            website: actor.visitor_site().map(|site| site.website),
            person: actor.key(),
        };
        let buckets = match actor.kind {
            UserType::Visitor => &self.limiter.visitor_messages,
            UserType::User | UserType::AiAgent => &self.limiter.team_messages,
        };
        buckets.take(key, now.as_millis())?;
        match actor.visitor_site() {
            Some(site) => self.limiter.website_messages.take(site, now.as_millis()),
            None => Ok(()),
        }
    }

    /// Takes a token for a change of a message: to everybody who hears of it, one of a visitor's is as much as a message.
    fn take_change(&self, actor: &Principal, now: Timestamp) -> Result<(), ChatError> {
        if actor.kind.is_team() {
            return Ok(());
        }
        self.take_message(actor, now).map_err(ChatError::rate_limited)
    }

    /// Takes a token for a new conversation from a visitor's bucket.
    pub(crate) fn take_conversation(&self, actor: &Principal, now: Timestamp) -> Result<(), ChatError> {
        let Some(site) = actor.visitor_site() else { return Ok(()) };
        self.limiter
            .new_conversations
            .take((site.website, actor.id.clone()), now.as_millis())
            .map_err(ChatError::rate_limited)
    }

    /// Past the rate only a message that is stored already is answered.
    async fn answer_known(
        &self,
        actor: &Principal,
        conversation: &ConversationId,
        key: &RequestId,
        fingerprint: [u8; 16],
        retry_after: u64,
    ) -> Result<MessageAck, ChatError> {
        let known = self
            .store
            .known_message(actor.organization.clone(), actor.scope(), conversation.clone(), actor.key(), key.clone())
            .await;
        let known = match known {
            Ok(Some(known)) => known,
            Ok(None) => return Err(ChatError::rate_limited(retry_after)),
            Err(StoreError::NotFound) if !actor.kind.is_team() => return Err(ChatError::rate_limited(retry_after)),
            Err(error) => return Err(error.into()),
        };
        if known.fingerprint != fingerprint {
            return Err(StoreError::Conflict(crate::store::Conflict::OtherContent).into());
        }
        Ok(MessageAck {
            id: key.clone(),
            conversation_id: conversation.clone(),
            message_id: known.message,
            seq: match actor.scope().audience() {
                Audience::Team => known.team_seq,
                Audience::Visitor => known.visitor_seq.unwrap_or_default(),
            },
            created_at: known.created_at,
            duplicate: Some(true),
        })
    }

    /// Replaces the content of a message: one's own (a visitor within five minutes), or a note.
    ///
    /// # Errors
    /// `not_found` (a deleted one too), `forbidden`, `invalid_message`, `rate_limited`, `unavailable`.
    pub async fn edit_message(
        &self,
        actor: &Principal,
        conversation: ConversationId,
        message: MessageId,
        content: MessageContent,
        now: Timestamp,
    ) -> Result<NewMessage, ChatError> {
        if !actor.kind.is_team() && content.html.is_some() {
            return Err(ChatError::forbidden("html is for users and AI agents only"));
        }
        content.check().map_err(|invalid| ChatError::invalid(invalid.under("content")))?;
        let (content, search_text) = prepare(content)?;
        self.take_change(actor, now)?;
        let events = self
            .store
            .edit_message(EditMessage {
                organization: actor.organization.clone(),
                scope: actor.scope(),
                conversation: conversation.clone(),
                message: message.clone(),
                editor: actor.key(),
                not_before: (!actor.kind.is_team()).then(|| visitor_edit_limit(now)),
                content,
                search_text,
                at: now,
            })
            .await?;
        self.publish(&events);
        let stored = self.store.message(actor.organization.clone(), actor.scope(), conversation, message).await?;
        read_message(&stored, actor.scope().audience()).ok_or_else(ChatError::not_found)
    }

    /// Deletes what a message says and keeps its place.
    ///
    /// # Errors
    /// `not_found` (a deleted one too), `forbidden`, `rate_limited`, `unavailable`.
    pub async fn delete_message(
        &self,
        actor: &Principal,
        conversation: ConversationId,
        message: MessageId,
        now: Timestamp,
    ) -> Result<(), ChatError> {
        self.take_change(actor, now)?;
        let events = self
            .store
            .delete_message(DeleteMessage {
                organization: actor.organization.clone(),
                scope: actor.scope(),
                conversation,
                message,
                editor: actor.key(),
                is_admin: actor.is_admin,
                not_before: (!actor.kind.is_team()).then(|| visitor_edit_limit(now)),
                at: now,
            })
            .await?;
        self.publish(&events);
        Ok(())
    }

    /// Moves one's mark forward and tells those who may know.
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn mark_seen(
        &self,
        actor: &Principal,
        conversation: ConversationId,
        seq: u64,
        now: Timestamp,
    ) -> Result<(), ChatError> {
        let moved = self
            .store
            .mark_seen(MarkSeen {
                organization: actor.organization.clone(),
                scope: actor.scope(),
                conversation: conversation.clone(),
                person: actor.key(),
                name: actor.name.clone(),
                avatar_url: actor.avatar_url.clone(),
                seq,
                at: now,
            })
            .await?;
        if let Some(MovedMark { mark, visitor_moved }) = moved {
            // A mark that stands still for the visitor would tell it that there is a note.
            self.bus.publish(seen_notice(&mark, conversation, visitor_moved));
        }
        Ok(())
    }

    /// What all are told of the marks that were set in conversations since a time, as far as they are of that website.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn marks_since(
        &self,
        site: &SiteKey,
        conversations: &BTreeSet<ConversationId>,
        since: Timestamp,
    ) -> Result<Vec<Notice>, StoreError> {
        let scope = Scope::Team { websites: Websites::Only([site.website.clone()].into()) };
        let mut notices = Vec::new();
        for id in conversations {
            let read = self.store.conversation_snapshot(site.organization.clone(), scope.clone(), id.clone()).await;
            let seen = match read {
                Ok(snapshot) => snapshot.seen,
                // It was deleted meanwhile.
                Err(StoreError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            for mark in seen.iter().filter(|mark| mark.at >= since) {
                let is_for_visitor = self.is_on_what_visitors_see(site, id, mark).await?;
                notices.push(seen_notice(mark, id.clone(), is_for_visitor));
            }
        }
        Ok(notices)
    }

    /// Whether a mark is on an event that a visitor may see. One that is on a note may have passed notes alone when it was
    /// set: to tell a visitor of it would tell of a note.
    async fn is_on_what_visitors_see(
        &self,
        site: &SiteKey,
        conversation: &ConversationId,
        mark: &SeenMark,
    ) -> Result<bool, StoreError> {
        let (organization, conversation) = (site.organization.clone(), conversation.clone());
        let (after, upto) = (mark.team_seq.saturating_sub(1), mark.team_seq);
        let read = self.store.conversation_events(organization, conversation, Audience::Team, after, upto, 1).await;
        match read {
            Ok(events) => Ok(events.first().is_some_and(|event| event.visitor_seq.is_some())),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A conversation that the principal may touch.
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn access(&self, actor: &Principal, conversation: ConversationId) -> Result<Conversation, ChatError> {
        Ok(self.store.conversation(actor.organization.clone(), actor.scope(), conversation).await?)
    }
}

fn seen_notice(mark: &SeenMark, conversation: ConversationId, is_for_visitor: bool) -> Notice {
    let frame = |audience| Frame::new(&seen_message(mark, conversation.clone(), audience));
    Notice::Seen {
        site: mark.website.clone(),
        person: mark.person.clone(),
        team: frame(Audience::Team),
        visitor: is_for_visitor.then(|| frame(Audience::Visitor)),
        conversation,
    }
}

/// The `conversation_seen` of a mark, in an audience's numbering.
pub(crate) fn seen_message(mark: &SeenMark, conversation: ConversationId, audience: Audience) -> ServerMessage {
    ServerMessage::ConversationSeen(ConversationSeen {
        conversation_id: conversation,
        user_id: mark.person.id.clone(),
        user_type: mark.person.kind,
        last_seen_seq: match audience {
            Audience::Team => mark.team_seq,
            Audience::Visitor => mark.visitor_seq,
        },
        seen_at: mark.at,
        user_name: mark.name.as_deref().map(str::to_owned),
        avatar_url: mark.avatar_url.as_deref().map(str::to_owned),
        website_id: mark.website.website.clone(),
        organization_id: mark.website.organization.clone(),
    })
}

/// The content as it is kept, with sanitised HTML, and the words that a search finds it by.
fn prepare(mut content: MessageContent) -> Result<(Arc<str>, String), ChatError> {
    if let Some(html) = content.html.take() {
        let refuse = |reason| ChatError::invalid(Invalid::new("content.html", reason));
        if !sanitize::is_simple(html.as_str()) {
            return Err(refuse("is nested too deeply"));
        }
        let clean: Text<0, MAX_HTML_LENGTH> =
            Text::new(sanitize::html(html.as_str())).map_err(|_| refuse("is too long once it is made safe"))?;
        content.html = Some(clean);
        // Nothing may be left of a message that was all script.
        if content.check().is_err() {
            return Err(ChatError {
                code: ErrorCode::InvalidMessage,
                ..ChatError::invalid(Invalid::new("content.html", "has nothing that may be shown"))
            });
        }
    }
    let words = said(content.text.as_ref().map(Text::as_str), content.html.as_ref().map(Text::as_str));
    Ok((json(&content), words))
}

/// What a search finds a message by, of its content as it is stored; nothing of what is no content.
#[must_use]
pub fn search_text(content: &str) -> String {
    let content: ReceivedContent = serde_json::from_str(content).unwrap_or_default();
    said(content.text.as_deref(), content.html.as_deref())
}

/// The words of a text and of HTML that was made safe.
fn said(text: Option<&str>, html: Option<&str>) -> String {
    let mut words = text.unwrap_or_default().to_owned();
    if let Some(html) = html {
        words.push(' ');
        words.push_str(&sanitize::words(html));
    }
    words
}

fn json(value: &impl serde::Serialize) -> Arc<str> {
    Arc::from(serde_json::to_string(value).expect("plain data is always JSON"))
}
