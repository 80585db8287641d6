//! What a shard's core asks for and cannot do itself: keys, the store, other shards.

use std::net::IpAddr;
use std::sync::Arc;

use cossistant_protocol::{ConversationId, PersonId, ServerMessage, Timestamp, UserType, VisitorPresence, WebsiteId};

use super::shard::{Credential, Done, Job, LogIn, LoggedIn, MarksWanted};
use crate::auth::{AuthError, Authenticator, Guard, Principal};
use crate::bus::{Bus, Notice, Topic};
use crate::chat::Chat;
use crate::directory::{Directory, SharedDirectory};
use crate::event::{Event, Frame};
use crate::gateway::connection::EphemeralMessage;
use crate::hub::{Answer, Ask};
use crate::limits::NewVisitors;
use crate::store::{PersonKey, SiteKey, TouchPerson, Websites};

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

    pub(crate) fn tell_here(&self, notice: Notice) {
        self.bus.tell_here(notice);
    }

    pub(crate) fn follow(&self, topic: Topic, is_followed: bool) {
        self.bus.follow(topic, is_followed);
    }

    /// The set-up as it is now.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.directory.current()
    }

    /// Runs a job of a connection from an address, where one is known; the result goes back to the core. Who is let in
    /// has been noted by then.
    pub(crate) async fn run(&self, job: Job, address: Option<IpAddr>, now: Timestamp) -> Done {
        match job {
            Job::LogIn(log_in) => {
                let page = log_in.came_from.page.clone();
                let result = self.log_in(*log_in, now).await;
                if let Ok(logged_in) = &result {
                    let principal = &logged_in.principal;
                    self.note(self.visit(principal, page, now)).await;
                    // A visitor is told of the team as soon as it is let in, also of those who are elsewhere.
                    if let Some(look) = principal.visitor_site().and_then(|site| self.bus.look(&site)) {
                        look.await;
                    }
                }
                Done::LoggedIn(result.map(Box::new))
            }
            Job::Renew { id, token } => {
                let directory = self.directory.current();
                let judged = self.auth.authenticate_socket(token.expose(), None, &directory, now);
                let result = match address {
                    // Whoever is in may guess no faster than whoever is not.
                    Some(address) => self.guard.judge(token.expose(), address, now, judged).await,
                    None => judged.await,
                };
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
        let LogIn { credential, came_from } = log_in;
        let origin = came_from.origin.as_deref();
        match credential {
            Credential::Bearer(token) => {
                let agent_id = came_from.agent_id.as_deref();
                let judged = self.auth.authenticate_socket(token.expose(), agent_id, &directory, now);
                let principal = self.guard.judge(token.expose(), came_from.address, now, judged).await?;
                principal.check_origin(origin, &directory)?;
                Ok(LoggedIn { principal: self.chat.resolve(principal).await?, visitor_token: None })
            }
            Credential::PublicKey(key) => {
                let website = self.auth.admit_page(&key, origin, &directory)?;
                self.new_visitors
                    .take(came_from.address, &website.row.key, now.as_millis())
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
                .organization(&principal.organization)
                .map(|organization| organization.websites.keys().cloned().collect())
                .unwrap_or_default(),
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

    /// Tells everyone that visitors came or left, and keeps when each was last seen if that says so (whether it is here,
    /// and whether that is kept); `false` if the store cannot say whom to tell.
    pub(crate) async fn tell_presence(
        &self,
        site: &SiteKey,
        visitors: Vec<(PersonId, (bool, bool))>,
        now: Timestamp,
    ) -> bool {
        let ids = visitors.iter().map(|(visitor, _)| visitor.clone()).collect();
        let open = match self.chat.store.open_conversations_of(site.clone(), ids).await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "the presence of visitors could not be told yet");
                return false;
            }
        };
        let mut left = Vec::new();
        for ((visitor, (is_online, is_kept)), (_, conversations)) in visitors.into_iter().zip(open) {
            if !is_online && is_kept {
                left.push(visitor.clone());
            }
            self.bus.publish(visitor_presence(site, visitor, is_online, conversations, now));
        }
        // Together, so that they share commits.
        futures_util::future::join_all(left.iter().map(|visitor| self.note_leaving(site, visitor, now))).await;
        true
    }

    /// Keeps when a visitor was last seen.
    async fn note_leaving(&self, site: &SiteKey, visitor: &PersonId, now: Timestamp) {
        self.note(TouchPerson {
            person: PersonKey { kind: UserType::Visitor, id: visitor.clone() },
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

    /// Marks of conversations as they are told when they are set; `None` if they could not be read. A conversation that is
    /// not there any more has none.
    pub(crate) async fn marks(&self, wanted: &MarksWanted) -> Option<Vec<Notice>> {
        match self.chat.marks_since(&wanted.site, &wanted.conversations, wanted.since).await {
            Ok(marks) => Some(marks),
            Err(error) => {
                tracing::warn!(%error, "marks that may have been missed could not be read yet");
                None
            }
        }
    }
}

fn visitor_presence(
    site: &SiteKey,
    visitor: PersonId,
    is_online: bool,
    conversations: Vec<ConversationId>,
    now: Timestamp,
) -> Notice {
    let frame = conversations.first().map(|latest| {
        let body = VisitorPresence {
            conversation_id: latest.clone(),
            conversation_ids: conversations.clone(),
            visitor_id: visitor.clone(),
            website_id: site.website.clone(),
            organization_id: site.organization.clone(),
            last_seen_at: (!is_online).then_some(now),
        };
        let message = if is_online { ServerMessage::VisitorOnline(body) } else { ServerMessage::VisitorOffline(body) };
        Frame::new(&message)
    });
    Notice::VisitorPresence { site: site.clone(), visitor, is_online, conversations: conversations.into(), frame }
}
