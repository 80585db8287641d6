//! What a shard's core asks for and cannot do itself: keys, the store, other shards.

use std::sync::Arc;

use cossistant_protocol::{ConversationId, PersonId, ServerMessage, Timestamp, UserType, VisitorPresence, WebsiteId};

use super::shard::{Credential, Done, Job, LogIn, LoggedIn};
use crate::auth::{AuthError, Authenticator, Guard, Principal};
use crate::bus::{Bus, Notice, Topic};
use crate::chat::Chat;
use crate::directory::SharedDirectory;
use crate::event::{Event, Frame};
use crate::gateway::connection::EphemeralMessage;
use crate::hub::{Answer, Ask};
use crate::limits::NewVisitors;
use crate::store::{PersonKey, SiteKey, StoreError, TouchPerson, Websites};

/// Runs the jobs of every shard.
pub(crate) struct Jobs {
    chat: Arc<Chat>,
    auth: Arc<Authenticator>,
    directory: Arc<SharedDirectory>,
    bus: Arc<dyn Bus>,
    new_visitors: Arc<NewVisitors>,
    guard: Arc<Guard>,
}

impl Jobs {
    pub(crate) fn new(
        chat: Arc<Chat>,
        auth: Arc<Authenticator>,
        directory: Arc<SharedDirectory>,
        bus: Arc<dyn Bus>,
        new_visitors: Arc<NewVisitors>,
        guard: Arc<Guard>,
    ) -> Self {
        Self { chat, auth, directory, bus, new_visitors, guard }
    }

    pub(crate) fn publish(&self, notice: Notice) {
        self.bus.publish(notice);
    }

    pub(crate) fn follow(&self, topic: Topic, is_followed: bool) {
        self.bus.follow(topic, is_followed);
    }

    /// Runs a job; the result goes back to the core. Who is let in has been noted by then.
    pub(crate) async fn run(&self, job: Job, now: Timestamp) -> Done {
        match job {
            Job::LogIn(log_in) => {
                let page = log_in.page.clone();
                let result = self.log_in(*log_in, now).await;
                if let Ok(logged_in) = &result {
                    self.note(self.visit(&logged_in.principal, page, now)).await;
                }
                Done::LoggedIn(result.map(Box::new))
            }
            Job::Renew { id, token } => {
                let result = self.auth.authenticate_socket(token.expose(), None, &self.directory.current(), now).await;
                let result = match result {
                    Ok(principal) => self.chat.resolve(principal).await,
                    Err(error) => Err(error),
                };
                if let Ok(principal) = &result {
                    self.note(self.visit(principal, None, now)).await;
                }
                Done::Renewed { id, result }
            }
            Job::Ask { principal, work, ask } => Done::Answered(work, self.ask(&principal, ask, now).await),
            Job::Send { principal, id, send } => {
                let conversation = send.conversation_id.clone();
                let result = self.chat.send_message(&principal, id.clone(), *send, now).await;
                Done::Sent { id, conversation, result }
            }
            Job::Locate { principal, message } => {
                let result = self.chat.access(&principal, message.conversation.clone()).await;
                Done::Located { message, result: result.map(|conversation| conversation.website) }
            }
            Job::Seen { principal, message: EphemeralMessage { id, conversation, .. }, seq } => {
                Done::Seen { id, result: self.chat.mark_seen(&principal, conversation, seq, now).await }
            }
        }
    }

    async fn ask(&self, principal: &Principal, ask: Ask, now: Timestamp) -> Answer {
        match ask {
            Ask::Locate(conversation) => Answer::Located(
                self.chat.access(principal, conversation).await.map(|conversation| conversation.website),
            ),
            Ask::Subscribe(request) => {
                Answer::Snapshot(self.chat.subscribe(principal, &request, now).await.map(Box::new))
            }
            Ask::Page { site, channel, after, upto } => {
                Answer::Page(self.chat.page(&site, &channel, principal.scope().audience(), after, upto).await)
            }
            Ask::CatchUp { site, after } => Answer::CatchUp(self.chat.catch_up(&site, after).await),
        }
    }

    async fn log_in(&self, log_in: LogIn, now: Timestamp) -> Result<LoggedIn, AuthError> {
        let directory = self.directory.current();
        match log_in.credential {
            Credential::Bearer(token) => {
                let agent_id = log_in.agent_id.as_deref();
                let judged = self.auth.authenticate_socket(token.expose(), agent_id, &directory, now);
                let principal = self.guard.judge(token.expose(), log_in.address, now, judged).await?;
                principal.check_origin(log_in.origin.as_deref(), &directory)?;
                Ok(LoggedIn { principal: self.chat.resolve(principal).await?, visitor_token: None })
            }
            Credential::PublicKey(key) => {
                let website = self.auth.admit_page(&key, log_in.origin.as_deref(), &directory)?;
                self.new_visitors
                    .take(log_in.address, &website.row.key, now.as_millis())
                    .map_err(|retry_after| AuthError::rate_limited("too many new visitors", retry_after))?;
                let (principal, issued) = self.auth.admit_visitor(&website, self.chat.ids.visitor(now), now);
                Ok(LoggedIn { principal, visitor_token: Some(issued.token) })
            }
        }
    }

    fn visit(&self, principal: &Principal, page: Option<String>, now: Timestamp) -> TouchPerson {
        let directory = self.directory.current();
        let websites: Vec<WebsiteId> = match &principal.websites {
            Websites::Only(ids) => ids.to_vec(),
            Websites::All => directory
                .websites()
                .filter(|website| website.row.key.organization == principal.organization)
                .map(|website| website.row.key.website.clone())
                .collect(),
        };
        TouchPerson {
            person: principal.key(),
            organization: principal.organization.clone(),
            websites,
            name: principal.name.clone(),
            email: principal.email.clone(),
            avatar_url: principal.avatar_url.clone(),
            page,
            at: now,
        }
    }

    /// Notes a visit. That it could not be noted keeps nobody from chatting.
    async fn note(&self, visit: TouchPerson) {
        if let Err(error) = self.chat.store.touch_person(visit).await {
            tracing::warn!(%error, "a visit was not noted");
        }
    }

    /// Events of a website past an offset; `None` if they could not be read.
    pub(crate) async fn fill(&self, site: &SiteKey, after: u64) -> Option<(Vec<Arc<Event>>, bool)> {
        match self.chat.catch_up(site, after).await {
            Ok(read) => Some((read.events, read.has_more)),
            Err(error) => {
                tracing::warn!(%error, "a hole in a website's events could not be filled yet");
                None
            }
        }
    }

    /// A visitor's conversations that are not closed.
    pub(crate) async fn open_conversations(
        &self,
        site: &SiteKey,
        visitor: &PersonId,
    ) -> Result<Vec<ConversationId>, StoreError> {
        self.chat.store.open_conversations(site.clone(), visitor.clone()).await
    }

    /// Tells everyone that a visitor came or left, and keeps when it was last seen if `is_kept` says so; `false` if the
    /// store cannot say whom to tell.
    pub(crate) async fn tell_presence(
        &self,
        site: &SiteKey,
        visitor: &PersonId,
        (is_online, is_kept): (bool, bool),
        now: Timestamp,
    ) -> bool {
        let conversations: Arc<[ConversationId]> = match self.open_conversations(site, visitor).await {
            Ok(conversations) => conversations.into(),
            Err(error) => {
                tracing::warn!(%error, "a visitor's presence could not be told yet");
                return false;
            }
        };
        let frame = conversations.first().map(|latest| {
            let body = VisitorPresence {
                conversation_id: latest.clone(),
                conversation_ids: conversations.to_vec(),
                visitor_id: visitor.clone(),
                website_id: site.website.clone(),
                organization_id: site.organization.clone(),
                last_seen_at: (!is_online).then_some(now),
            };
            let message =
                if is_online { ServerMessage::VisitorOnline(body) } else { ServerMessage::VisitorOffline(body) };
            Frame::new(&message)
        });
        let (site, visitor) = (site.clone(), visitor.clone());
        if !is_online && is_kept {
            let person = PersonKey { kind: UserType::Visitor, id: visitor.clone() };
            self.note(TouchPerson {
                person,
                organization: site.organization.clone(),
                websites: vec![site.website.clone()],
                name: None,
                email: None,
                avatar_url: None,
                page: None,
                at: now,
            })
            .await;
        }
        self.bus.publish(Notice::VisitorPresence { site, visitor, is_online, conversations, frame });
        true
    }
}
