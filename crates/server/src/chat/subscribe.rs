//! What a subscriber is told first: the state, and the plan of the replay.

use std::sync::Arc;

use cossistant_protocol::{Channel, ConversationId, ErrorCode, Timestamp, WebsiteId};

use super::{Chat, ChatError, require_team};
use crate::auth::Principal;
use crate::event::{Event, Frame, message_for};
use crate::store::{Audience, Conversation, CreateConversation, SeenMark, SiteKey, StoreError, StoredEvent};

/// How many events are read from the store at a time.
const PAGE: usize = 64;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// Which channel.
    pub channel: Channel,
    /// Replay all that follows this place.
    pub after: Option<u64>,
    /// Replay the newest so many.
    pub last: Option<u64>,
    /// The store's life in which `after` was seen.
    pub epoch: Option<String>,
}

/// The durable state of a channel at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The website.
    pub site: SiteKey,
    /// Its newest offset at that moment: what is past it comes live.
    pub website_head: u64,
    /// Of a conversation: itself and who has read how far.
    pub conversation: Option<(Conversation, Vec<SeenMark>)>,
    /// The newest place of the channel, in the subscriber's numbering.
    pub head: u64,
    /// Whether nothing is missing.
    pub is_recovered: bool,
    /// The replay: places past this one, up to `head`.
    pub replay_after: u64,
    /// The first events of the replay, as the subscriber is told them.
    pub page: Vec<Frame>,
}

/// More events of a replay, as the subscriber is told them.
#[derive(Debug, Clone)]
pub struct Page {
    /// One for each event.
    pub frames: Vec<Frame>,
}

/// Events of a website that a subscriber was too slow to take live.
#[derive(Debug, Clone)]
pub struct CatchUp {
    /// The events.
    pub events: Vec<Arc<Event>>,
    /// Whether there may be more.
    pub has_more: bool,
}

impl Chat {
    /// Checks access to a channel and reads its state. A visitor's unknown conversation is created.
    ///
    /// # Errors
    /// `forbidden` for a visitor's website, `not_found`, `rate_limited`, `unavailable`.
    pub async fn subscribe(
        &self,
        actor: &Principal,
        request: &SubscribeRequest,
        now: Timestamp,
    ) -> Result<Snapshot, ChatError> {
        let audience = actor.scope().audience();
        let mut is_new = false;
        let (site, website_head, conversation, head) = match &request.channel {
            Channel::Conversation(id) => {
                let snapshot = match self.conversation_snapshot(actor, id).await {
                    Err(error) if error.code == ErrorCode::NotFound && !actor.kind.is_team() => {
                        let created = self.create_own(actor, id, now).await;
                        match (self.conversation_snapshot(actor, id).await, created) {
                            // Past its rate a visitor may still have begun this one on another connection.
                            (Ok(snapshot), created) => {
                                is_new = created.unwrap_or(false);
                                snapshot
                            }
                            (Err(_), Err(refused)) => return Err(refused),
                            (Err(error), Ok(_)) => return Err(error),
                        }
                    }
                    answer => answer?,
                };
                let head = snapshot.conversation.head(audience);
                let site = snapshot.conversation.website.clone();
                (site, snapshot.website_head, Some((snapshot.conversation, snapshot.seen)), head)
            }
            Channel::Website(id) => {
                let site = self.website(actor, id)?;
                let head = self.store.website_snapshot(site.organization.clone(), site.website.clone()).await?.head;
                (site, head, None, head)
            }
        };
        // What was seen of one that did not stand until now was of another life of it.
        let is_lost = is_new && request.after.is_some_and(|after| after > 0);
        let (is_recovered, replay_after) = if is_lost { (false, head) } else { self.plan(request, head) };
        let mut snapshot =
            Snapshot { site, website_head, conversation, head, is_recovered, replay_after, page: Vec::new() };
        if replay_after < head {
            let first = self.stored(&snapshot.site, &request.channel, audience, replay_after, head).await?;
            snapshot.begin_replay(&first, request, audience);
        }
        snapshot.record(request);
        Ok(snapshot)
    }

    /// Whether nothing will be missing, and after which place the replay begins (`head` for none).
    fn plan(&self, request: &SubscribeRequest, head: u64) -> (bool, u64) {
        if request.epoch.as_deref().is_some_and(|epoch| epoch != self.epoch()) {
            return (false, head);
        }
        let after = match (request.after, request.last) {
            (Some(after), _) if after > head => return (false, head),
            (Some(after), _) => after,
            (None, Some(last)) => head.saturating_sub(last),
            (None, None) => head,
        };
        if head - after > self.replay_limit { (false, head) } else { (true, after) }
    }

    async fn conversation_snapshot(
        &self,
        actor: &Principal,
        id: &ConversationId,
    ) -> Result<crate::store::ConversationSnapshot, ChatError> {
        Ok(self.store.conversation_snapshot(actor.organization.clone(), actor.scope(), id.clone()).await?)
    }

    /// Creates a visitor's own conversation under an id that it chose; whether it did not stand before.
    async fn create_own(&self, actor: &Principal, id: &ConversationId, now: Timestamp) -> Result<bool, ChatError> {
        let Some(website) = actor.visitor_site() else { return Err(ChatError::not_found()) };
        self.take_conversation(actor, now)?;
        let create = CreateConversation { website, visitor: actor.id.clone(), conversation: id.clone(), at: now };
        match self.store.create_conversation(create).await {
            Ok(created) => {
                self.publish_created(&created);
                Ok(!created.events.is_empty())
            }
            // That the id is somebody else's must look like any other conversation that one may not see.
            Err(StoreError::Conflict(_)) => Err(ChatError::not_found()),
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes a conversation's beginning; the team may now see its visitor online.
    pub(crate) fn publish_created(&self, created: &crate::store::Created) {
        self.publish(&created.events);
        if !created.events.is_empty() {
            self.bus.publish(crate::bus::Notice::OpenConversations {
                site: created.conversation.website.clone(),
                visitor: created.conversation.visitor.clone(),
            });
        }
    }

    /// A website that a team member may see.
    ///
    /// # Errors
    /// `forbidden` for visitors, `not_found`.
    pub fn website(&self, actor: &Principal, id: &WebsiteId) -> Result<SiteKey, ChatError> {
        require_team(actor)?;
        let site = SiteKey { organization: actor.organization.clone(), website: id.clone() };
        let stands = actor.websites.contains(id) && self.directory.current().website(&site).is_some();
        if stands { Ok(site) } else { Err(ChatError::not_found()) }
    }

    /// Events of a channel past a place, at most a page of them.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn page(
        &self,
        site: &SiteKey,
        channel: &Channel,
        audience: Audience,
        after: u64,
        upto: u64,
    ) -> Result<Page, ChatError> {
        Ok(Page { frames: told(&self.stored(site, channel, audience, after, upto).await?, audience) })
    }

    async fn stored(
        &self,
        site: &SiteKey,
        channel: &Channel,
        audience: Audience,
        after: u64,
        upto: u64,
    ) -> Result<Vec<StoredEvent>, ChatError> {
        let organization = site.organization.clone();
        let stored = match channel {
            Channel::Conversation(id) => {
                self.store.conversation_events(organization, id.clone(), audience, after, upto, PAGE).await?
            }
            Channel::Website(id) => self.store.website_events(organization, id.clone(), after, upto, PAGE).await?,
        };
        Ok(stored)
    }

    /// Events of a website past an offset, for those who did not take them live.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn catch_up(&self, site: &SiteKey, after: u64) -> Result<CatchUp, ChatError> {
        let stored = self
            .store
            .website_events(site.organization.clone(), site.website.clone(), after, u64::MAX >> 1, PAGE)
            .await?;
        let events = stored.iter().map(|event| Arc::new(Event::encode(event))).collect();
        Ok(CatchUp { has_more: stored.len() == PAGE, events })
    }
}

/// What an audience is told of events that were read for it: the other one's frames are never made.
fn told(stored: &[StoredEvent], audience: Audience) -> Vec<Frame> {
    stored.iter().filter_map(|event| message_for(event, audience)).map(|message| Frame::new(&message)).collect()
}

impl Snapshot {
    /// Tells the figures what becomes of what the subscriber has missed.
    fn record(&self, request: &SubscribeRequest) {
        let replayed = self.head.saturating_sub(self.replay_after);
        let outcome = match (self.is_recovered, request.after) {
            (false, _) => "lost",
            (true, Some(_)) => "resumed",
            (true, None) => "live",
        };
        metrics::counter!(crate::metrics::SUBSCRIPTIONS_TOTAL, "outcome" => outcome).increment(1);
        #[expect(clippy::cast_precision_loss, reason = "a replay has a limit")]
        metrics::histogram!(crate::metrics::REPLAY_EVENTS).record(replayed as f64);
    }

    /// Takes the first events of the replay. A channel whose id was that of a deleted one begins behind the places of
    /// that one: what a client has seen before is of the deleted one, so it has not all that there is.
    fn begin_replay(&mut self, first: &[StoredEvent], request: &SubscribeRequest, audience: Audience) {
        let begin = first.first().and_then(|event| match request.channel {
            Channel::Conversation(_) => event.seq(audience),
            Channel::Website(_) => Some(event.offset),
        });
        let before = begin.map_or(self.head, |place| place - 1);
        if before == self.replay_after {
            self.page = told(first, audience);
        } else if request.after.is_some() {
            (self.is_recovered, self.replay_after) = (false, self.head);
        } else {
            // Fewer than the newest so many have ever been.
            (self.replay_after, self.page) = (before, told(first, audience));
        }
    }
}
