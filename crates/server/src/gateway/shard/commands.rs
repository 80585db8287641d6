//! What a client says, and what becomes of it.

use std::sync::Arc;

use cossistant_protocol::{
    ActivityAudience, AgentActivity, Authenticate, Channel, ClientFrame, ClientMessage, CloseCode, ConversationId,
    ErrorCode, ErrorMessage, Pong, Rejected, RequestId, SendMessage, ServerMessage, SubscriptionError, Timestamp,
    TypingPreview, TypingProgressEvent, UserType,
};

use super::{Done, Job, Output, Shard};
use crate::auth::{AuthError, CredentialKind, Principal, Secret};
use crate::bus::Notice;
use crate::chat::{ChatError, SubscribeRequest};
use crate::event::Frame;
use crate::gateway::connection::{Ephemeral, EphemeralMessage, Phase, TypingUntil};
use crate::hub::{Answer, Doing, What, WorkId};
use crate::store::{PersonKey, SiteKey};

/// How often a typing state that goes on is told again to the other shards, in ms.
const TYPING_TOLD_MS: u64 = 1_000;

impl Shard {
    /// Takes a text message.
    pub(crate) fn handle_text(&mut self, index: u32, text: &str, now: Timestamp) {
        self.now = now;
        if !self.count_frame(index) {
            return;
        }
        let parsed = ClientFrame::parse(text);
        let Some(connection) = self.connection(index) else { return };
        match connection.phase {
            Phase::Waiting { .. } => self.handle_first(index, parsed),
            Phase::Ready => match parsed {
                Ok(frame) => self.handle_message(index, frame),
                Err(rejected) => self.reject(index, rejected),
            },
            Phase::Authenticating { .. } | Phase::Closing { .. } => {}
        }
    }

    /// Counts a frame of any kind; closes the connection past its rate.
    pub(super) fn count_frame(&mut self, index: u32) -> bool {
        let now_ms = self.now_ms();
        self.figures.frames_in += 1;
        let Some(Some(connection)) = self.connections.get_mut(index as usize) else { return false };
        if connection.count_frame(&self.config.connection, now_ms) {
            return true;
        }
        self.close(index, CloseCode::RateLimited, "too many frames");
        false
    }

    /// The first message of a connection that brought no credentials must bring them.
    fn handle_first(&mut self, index: u32, parsed: Result<ClientFrame, Rejected>) {
        match parsed {
            Ok(ClientFrame { id, message: ClientMessage::Authenticate(Authenticate { token }), .. }) => {
                self.log_in(index, id, Secret::new(token.into_string()));
            }
            Ok(ClientFrame { id, .. }) | Err(Rejected { id, .. }) => {
                self.refuse(index, id, AuthError::unauthorized("the first message must be authenticate"));
            }
        }
    }

    /// Answers a text that is no valid message; too many of them are abuse.
    fn reject(&mut self, index: u32, rejected: Rejected) {
        let now_ms = self.now_ms();
        let details = rejected.details();
        let text = match (&rejected.code, &rejected.invalid) {
            (ErrorCode::UnknownType, _) => "unknown type".to_owned(),
            (_, Some(invalid)) => invalid.to_string(),
            (_, None) => "not JSON".to_owned(),
        };
        metrics::counter!(crate::metrics::REFUSED_TOTAL, "code" => rejected.code.as_str()).increment(1);
        let message = match rejected.subscription {
            Some(channel) => ServerMessage::SubscriptionError(SubscriptionError {
                id: rejected.id,
                error: text,
                code: rejected.code,
                channel,
                details,
                retry_after: None,
            }),
            None => ServerMessage::Error(ErrorMessage {
                id: rejected.id,
                error: text,
                code: rejected.code,
                details,
                retry_after: None,
            }),
        };
        self.hub.send(index, &message);
        if let Some(connection) = self.connection_mut(index)
            && !connection.count_invalid(now_ms)
        {
            self.close(index, CloseCode::Abuse, "too many invalid messages");
        }
    }

    fn handle_message(&mut self, index: u32, frame: ClientFrame) {
        let Some(principal) = self.principal(index) else { return };
        let id = frame.id;
        match frame.message {
            ClientMessage::Ping(_) => self.hub.send(index, &ServerMessage::Pong(Pong { id })),
            // A secret key has no end and no websites that a token could replace.
            ClientMessage::Authenticate(_) if matches!(principal.credential, CredentialKind::SecretKey(_)) => {
                self.error(index, id, ChatError::forbidden("a connection by secret key takes no token"));
            }
            ClientMessage::Authenticate(Authenticate { token }) => {
                self.start(index, Job::Renew { id, token: Secret::new(token.into_string()) });
            }
            ClientMessage::SubscribeConversation(subscribe) => {
                let request = SubscribeRequest {
                    channel: Channel::Conversation(subscribe.conversation_id),
                    after: subscribe.after.map(|after| after.0),
                    last: subscribe.last.map(|last| last.0),
                    epoch: subscribe.epoch.map(|epoch| epoch.into_string()),
                };
                self.hub.subscribe(index, id, request);
            }
            ClientMessage::SubscribeWebsite(subscribe) => {
                let request = SubscribeRequest {
                    channel: Channel::Website(subscribe.website_id),
                    after: subscribe.after.map(|after| after.0),
                    last: None,
                    epoch: subscribe.epoch.map(|epoch| epoch.into_string()),
                };
                self.hub.subscribe(index, id, request);
            }
            ClientMessage::UnsubscribeConversation(reference) => {
                self.hub.unsubscribe(index, id, Channel::Conversation(reference.conversation_id));
            }
            ClientMessage::UnsubscribeWebsite(reference) => {
                self.hub.unsubscribe(index, id, Channel::Website(reference.website_id));
            }
            ClientMessage::SendMessage(send) => self.send_message(index, principal, id, send),
            ClientMessage::TypingStart(reference) => {
                self.ephemeral(index, id, reference.conversation_id, Ephemeral::TypingStart);
            }
            ClientMessage::TypingStop(reference) => {
                self.ephemeral(index, id, reference.conversation_id, Ephemeral::TypingStop);
            }
            ClientMessage::TypingProgress(progress) => {
                let body = Ephemeral::TypingProgress(progress.content.into_string());
                self.ephemeral(index, id, progress.conversation_id, body);
            }
            ClientMessage::MarkSeen(mark) => {
                self.ephemeral(index, id, mark.conversation_id, Ephemeral::Seen(mark.seq.0));
            }
            ClientMessage::ViewingStart(reference) => {
                self.viewing(index, &principal, id, reference.conversation_id, true)
            }
            ClientMessage::ViewingStop(reference) => {
                self.viewing(index, &principal, id, reference.conversation_id, false)
            }
            ClientMessage::AgentActivity(activity) => self.agent_activity(index, &principal, id, activity),
        }
    }

    fn send_message(&mut self, index: u32, principal: Principal, id: Option<RequestId>, send: SendMessage) {
        if let Some(connection) = self.connection_mut(index) {
            connection.drop_kept_typing(&send.conversation_id);
        }
        if principal.kind == UserType::Visitor
            && let Some(connection) = self.connection_mut(index)
            && connection.known(&send.conversation_id).is_none()
        {
            connection.begin(send.conversation_id.clone());
        }
        self.start(index, Job::Send { principal, id, send: Box::new(send) });
    }

    fn viewing(
        &mut self,
        index: u32,
        principal: &Principal,
        id: Option<RequestId>,
        conversation: ConversationId,
        is_viewing: bool,
    ) {
        if principal.kind != UserType::User {
            return self.error(index, id, ChatError::forbidden("viewing is for users only"));
        }
        let body = if is_viewing { Ephemeral::ViewingStart } else { Ephemeral::ViewingStop };
        self.ephemeral(index, id, conversation, body);
    }

    fn agent_activity(&mut self, index: u32, principal: &Principal, id: Option<RequestId>, activity: AgentActivity) {
        if principal.kind != UserType::AiAgent {
            return self.error(index, id, ChatError::forbidden("agent_activity is for AI agents only"));
        }
        let body = Ephemeral::Activity {
            phase: activity.phase.into_string(),
            text: activity.text.map(|text| text.into_string()),
            to_visitor: activity.audience == Some(ActivityAudience::All),
        };
        self.ephemeral(index, id, activity.conversation_id, body);
    }

    /// Starts a job for a connection.
    pub(super) fn start(&mut self, index: u32, job: Job) {
        let Some(at) = self.at(index) else { return };
        if let Some(connection) = self.connection_mut(index) {
            connection.in_flight += 1;
        }
        self.outputs.push(Output::Job(at, job));
    }

    // ---- ephemeral messages ----

    fn ephemeral(&mut self, index: u32, id: Option<RequestId>, conversation: ConversationId, body: Ephemeral) {
        let (config, now_ms) = (Arc::clone(&self.config.connection), self.now_ms());
        let message = EphemeralMessage { id, conversation, body };
        let Some(connection) = self.connection_mut(index) else { return };
        match connection.admit(&config, message, now_ms) {
            Some(message) => self.locate(index, message),
            None => self.arm(index),
        }
    }

    pub(super) fn admit_deferred(&mut self, index: u32) {
        let (config, now_ms) = (Arc::clone(&self.config.connection), self.now_ms());
        let Some(connection) = self.connection_mut(index) else { return };
        for message in connection.admit_deferred(&config, now_ms) {
            self.locate(index, message);
        }
    }

    /// Finds the website of the message's conversation, which proves access, and applies it.
    fn locate(&mut self, index: u32, message: EphemeralMessage) {
        let Some(principal) = self.principal(index) else { return };
        if let Ephemeral::Seen(seq) = message.body {
            return self.start(index, Job::Seen { principal, message, seq });
        }
        let known = self.connection(index).and_then(|connection| connection.known(&message.conversation));
        let known = known.or_else(|| self.hub.subscribed_site(index, &message.conversation).cloned());
        match known {
            Some(site) if principal.websites.contains(&site.website) && self.directory.website(&site).is_some() => {
                self.apply(index, &site, message);
            }
            Some(_) | None => {
                if let Some(connection) = self.connection_mut(index) {
                    connection.locating += 1;
                }
                self.start(index, Job::Locate { principal, message });
            }
        }
    }

    fn apply(&mut self, index: u32, site: &SiteKey, message: EphemeralMessage) {
        let (Some(person), Some(source)) = (self.hub.person(index), self.hub.source(index)) else { return };
        let (site, conversation) = (site.clone(), message.conversation);
        let is_visitor = person.key.kind == UserType::Visitor;
        let preview = match self.directory.website(&site) {
            Some(website) if is_visitor => website.row.settings.typing_preview,
            Some(_) | None => TypingPreview::Text,
        };
        match message.body {
            Ephemeral::TypingStart => {
                if preview != TypingPreview::Off {
                    self.type_on(index, site, conversation);
                }
            }
            Ephemeral::TypingProgress(content) => {
                if preview == TypingPreview::Off {
                    return;
                }
                self.type_on(index, site.clone(), conversation.clone());
                if preview == TypingPreview::Text {
                    let frame = Frame::new(&ServerMessage::TypingProgress(TypingProgressEvent {
                        conversation_id: conversation.clone(),
                        user_id: person.key.id.clone(),
                        user_type: person.key.kind,
                        content,
                        user_name: person.name.as_deref().map(str::to_owned),
                        avatar_url: person.avatar_url.as_deref().map(str::to_owned),
                        website_id: site.website.clone(),
                        organization_id: site.organization.clone(),
                    }));
                    let to_visitor = person.key.kind == UserType::AiAgent;
                    let notice = Notice::Progress { site, conversation, person, frame, to_visitor };
                    self.outputs.push(Output::Publish(notice));
                }
            }
            Ephemeral::TypingStop => self.stop_typing(index, conversation, site),
            Ephemeral::ViewingStart => {
                let doing = Doing { site: site.clone(), conversation: conversation.clone(), what: What::Viewing };
                self.hub.begin_doing(index, doing);
                let notice = Notice::Viewing { site, conversation, person, source, is_viewing: true };
                self.outputs.push(Output::Publish(notice));
            }
            Ephemeral::ViewingStop => {
                let doing = Doing { site: site.clone(), conversation: conversation.clone(), what: What::Viewing };
                if self.hub.end_doing(index, &doing) {
                    let notice = Notice::Viewing { site, conversation, person, source, is_viewing: false };
                    self.outputs.push(Output::Publish(notice));
                }
            }
            Ephemeral::Activity { phase, text, to_visitor } => {
                let said = (Arc::from(phase), text.map(Arc::from));
                let now = self.now;
                self.hub.say_activity(index, site, conversation, said, to_visitor, now);
            }
            Ephemeral::Seen(_) => {}
        }
    }

    /// The connection's person types on: the state lasts until some time from now.
    fn type_on(&mut self, index: u32, site: SiteKey, conversation: ConversationId) {
        let (now_ms, expiry_ms) = (self.now_ms(), self.config.connection.typing_expiry_ms);
        let (Some(person), Some(source)) = (self.hub.person(index), self.hub.source(index)) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        let until_ms = now_ms + expiry_ms;
        let must_tell = match connection.typing_mut().iter_mut().find(|typing| typing.conversation == conversation) {
            Some(typing) => {
                typing.until_ms = until_ms;
                let must_tell = now_ms >= typing.told_ms + TYPING_TOLD_MS;
                if must_tell {
                    typing.told_ms = now_ms;
                }
                must_tell
            }
            None => {
                let told_ms = now_ms;
                connection.typing_mut().push(TypingUntil {
                    site: site.clone(),
                    conversation: conversation.clone(),
                    until_ms,
                    told_ms,
                });
                true
            }
        };
        self.arm(index);
        if must_tell {
            let doing = Doing { site: site.clone(), conversation: conversation.clone(), what: What::Typing };
            self.hub.begin_doing(index, doing);
            self.outputs.push(Output::Publish(Notice::TypingStarted { site, conversation, person, source }));
        }
    }

    /// The person says that it types no longer.
    fn stop_typing(&mut self, index: u32, conversation: ConversationId, site: SiteKey) {
        let Some(person) = self.hub.person(index) else { return };
        self.end_typing(index, &conversation);
        self.outputs.push(Output::Publish(Notice::TypingStopped { site, conversation, person, source: None }));
    }

    /// The connection's message was stored, or had been: it types no longer.
    ///
    /// The chat room has told so at the commit. But what was typed may have been looked up since, and of a message
    /// that was stored before nothing is told.
    fn end_typing_by_message(&mut self, index: u32, conversation: &ConversationId) {
        let Some(connection) = self.connection(index) else { return };
        let Some(typing) = connection.typing().iter().find(|typing| typing.conversation == *conversation) else {
            return;
        };
        let (site, conversation) = (typing.site.clone(), typing.conversation.clone());
        let (Some(person), Some(source)) = (self.hub.person(index), self.hub.source(index)) else { return };
        self.end_typing(index, &conversation);
        let source = Some(source);
        self.outputs.push(Output::Publish(Notice::TypingStopped { site, conversation, person, source }));
    }

    /// Some shard has told that a person types no longer: so it is with the connections here, too.
    ///
    /// What they told before may get to a shard behind that. It hears behind both of them that it has ended.
    pub(super) fn confirm_typing_end(&mut self, site: &SiteKey, conversation: &ConversationId, key: &PersonKey) {
        for index in self.hub.connections_of(site, key).iter().copied() {
            if let Some(connection) = self.connection_mut(index) {
                connection.drop_kept_typing(conversation);
            }
            let is_it = |typing: &TypingUntil| typing.site == *site && typing.conversation == *conversation;
            if self.connection(index).is_some_and(|connection| connection.typing().iter().any(is_it))
                && let (Some(person), Some(source)) = (self.hub.person(index), self.hub.source(index))
            {
                self.end_typing(index, conversation);
                let (site, conversation, source) = (site.clone(), conversation.clone(), Some(source));
                self.outputs.push(Output::Publish(Notice::TypingStopped { site, conversation, person, source }));
            }
        }
    }

    /// Ends what a connection holds and does where its access no longer reaches.
    pub(super) fn revoke_uncovered(&mut self, index: u32, is_covered: impl Fn(&SiteKey) -> bool) {
        if let Some(connection) = self.connection_mut(index)
            && !connection.typing().is_empty()
        {
            connection.typing_mut().retain(|typing| is_covered(&typing.site));
        }
        self.hub.revoke_uncovered(index, is_covered);
    }

    /// Forgets that the connection types.
    fn end_typing(&mut self, index: u32, conversation: &ConversationId) {
        let Some(connection) = self.connection_mut(index) else { return };
        let Some(at) = connection.typing().iter().position(|typing| typing.conversation == *conversation) else {
            return;
        };
        let TypingUntil { site, conversation, .. } = connection.typing_mut().swap_remove(at);
        self.hub.end_doing(index, &Doing { site, conversation, what: What::Typing });
    }

    /// Typing that went silent ends.
    pub(super) fn expire_typing(&mut self, index: u32) {
        let now_ms = self.now_ms();
        let (Some(person), Some(source)) = (self.hub.person(index), self.hub.source(index)) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        if connection.typing().is_empty() {
            return;
        }
        let expired: Vec<TypingUntil> =
            connection.typing_mut().extract_if(.., |typing| typing.until_ms <= now_ms).collect();
        for TypingUntil { site, conversation, .. } in expired {
            let doing = Doing { site: site.clone(), conversation: conversation.clone(), what: What::Typing };
            self.hub.end_doing(index, &doing);
            let (person, source) = (Arc::clone(&person), Some(source));
            self.outputs.push(Output::Publish(Notice::TypingStopped { site, conversation, person, source }));
        }
    }

    // ---- results ----

    /// Takes the result of a job.
    pub(crate) fn handle_done(&mut self, at: crate::hub::ConnRef, done: Done, now: Timestamp) {
        self.now = now;
        if !self.is_current(at) {
            return;
        }
        let index = at.index;
        if matches!(done, Done::Located { .. })
            && let Some(connection) = self.connection_mut(index)
        {
            connection.locating = connection.locating.saturating_sub(1);
        }
        match done {
            Done::LoggedIn(result) => return self.finish_log_in(index, result),
            Done::Answered(work, answer) => return self.handle_answer(at, work, answer),
            Done::Renewed { id, result } => self.finish_renewal(index, id, result),
            Done::Sent { id, conversation, result } => match result {
                Ok(ack) => {
                    self.end_beginning(index, &conversation, true);
                    self.end_typing_by_message(index, &conversation);
                    self.hub.send(index, &ServerMessage::MessageAck(ack));
                }
                Err(error) => {
                    self.end_beginning(index, &conversation, false);
                    self.error(index, id, error);
                }
            },
            Done::Located { message, result } => match result {
                Ok(site) => {
                    if let Some(connection) = self.connection_mut(index) {
                        connection.remember(message.conversation.clone(), site.clone());
                    }
                    self.apply(index, &site, message);
                }
                Err(error) => self.error(index, message.id, error),
            },
            Done::Seen { id, result } => {
                if let Err(error) = result {
                    self.error(index, id, error);
                }
            }
        }
        if let Some(connection) = self.connection_mut(index) {
            connection.in_flight = connection.in_flight.saturating_sub(1);
            self.outputs.push(Output::Wake(at));
        }
    }

    /// A visitor's message was stored, or refused: whether there is such a conversation is known by now.
    fn end_beginning(&mut self, index: u32, conversation: &ConversationId, is_stored: bool) {
        let site = self.principal(index).and_then(|principal| principal.visitor_site());
        let Some(connection) = self.connection_mut(index) else { return };
        if connection.end_beginning(conversation)
            && let Some(site) = site.filter(|_| is_stored)
        {
            connection.remember(conversation.clone(), site);
        }
    }

    fn handle_answer(&mut self, at: crate::hub::ConnRef, work: WorkId, answer: Answer) {
        self.hub.handle_answer(at, work, answer);
        self.outputs.push(Output::Wake(at));
    }
}
