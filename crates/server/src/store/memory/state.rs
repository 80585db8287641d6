//! What is kept, and how one gets at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cossistant_protocol::{
    Channel, ConversationId, ConversationStatus, Identity, KeyId, MessageId, OrganizationId, PersonId, RequestId,
    Timestamp,
};

use super::outbox::Outbox;
use crate::store::{
    Conversation, EventBody, KeyRow, Message, OrganizationRow, PersonKey, Scope, SeenMark, SiteKey, StoreError,
    StoredEvent, WebsiteRow,
};

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) epoch: String,
    /// How often the set-up was changed.
    pub(super) setup: u64,
    pub(super) organizations: BTreeMap<OrganizationId, OrganizationRow>,
    pub(super) sites: BTreeMap<SiteKey, Site>,
    pub(super) keys: BTreeMap<KeyId, KeyRow>,
    pub(super) revocations: BTreeMap<(OrganizationId, PersonKey), Timestamp>,
    pub(super) team: BTreeMap<(OrganizationId, PersonKey), Profile>,
    pub(super) threads: BTreeMap<(OrganizationId, ConversationId), Thread>,
    /// From which places on the numbers of a channel go that was there before: the team's (or the website's offset)
    /// and the visitor's.
    pub(super) retired: BTreeMap<(OrganizationId, Channel), (u64, u64)>,
    pub(super) outbox: Outbox,
}

#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) row: WebsiteRow,
    /// The first event is at the place behind this one.
    pub(super) begin: u64,
    /// By offset, less one and less `begin`: in which conversation, and where in it.
    pub(super) events: Vec<(ConversationId, usize)>,
    pub(super) visitors: BTreeMap<PersonId, Visitor>,
    pub(super) members: BTreeSet<PersonKey>,
}

impl Site {
    pub(super) fn head(&self) -> u64 {
        self.begin + self.events.len() as u64
    }
}

#[derive(Debug, Clone)]
pub(super) enum Visitor {
    /// Merged into this one.
    Alias(PersonId),
    Own(Profile),
}

#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub(super) identity: Identity,
    pub(super) avatar_url: Option<String>,
    pub(super) page: Option<String>,
    pub(super) first_seen_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
}

impl Profile {
    pub(super) const fn new(at: Timestamp) -> Self {
        Self {
            identity: Identity { external_id: None, email: None, name: None },
            avatar_url: None,
            page: None,
            first_seen_at: at,
            last_seen_at: at,
        }
    }

    /// `None` where nothing is known.
    pub(super) fn known(&self) -> Option<Identity> {
        let identity = &self.identity;
        let is_known = identity.external_id.is_some() || identity.email.is_some() || identity.name.is_some();
        is_known.then(|| identity.clone())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Thread {
    pub(super) conversation: Conversation,
    /// The first event is at the team's `seq` behind this one.
    pub(super) begin: u64,
    /// By `seq` of the team, less one and less `begin`.
    pub(super) events: Vec<Entry>,
    pub(super) messages: BTreeMap<MessageId, usize>,
    pub(super) keys: BTreeMap<(PersonKey, RequestId), (MessageId, [u8; 16])>,
    pub(super) seen: BTreeMap<PersonKey, SeenMark>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) visitor_seq: Option<u64>,
    pub(super) body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Created(Timestamp),
    Message { message: Message, search_text: String },
    Updated(usize),
    Status { status: ConversationStatus, by: Option<PersonId> },
    Assigned { assignee: Option<PersonId>, by: Option<PersonId> },
}

impl State {
    pub(super) fn new(epoch: String) -> Self {
        Self {
            epoch,
            setup: 0,
            organizations: BTreeMap::new(),
            sites: BTreeMap::new(),
            keys: BTreeMap::new(),
            revocations: BTreeMap::new(),
            team: BTreeMap::new(),
            threads: BTreeMap::new(),
            retired: BTreeMap::new(),
            outbox: Outbox::default(),
        }
    }

    pub(super) fn site(&self, key: &SiteKey) -> Result<&Site, StoreError> {
        self.sites.get(key).ok_or(StoreError::NotFound)
    }

    pub(super) fn site_mut(&mut self, key: &SiteKey) -> Result<&mut Site, StoreError> {
        self.sites.get_mut(key).ok_or(StoreError::NotFound)
    }

    /// Whom a visitor's id stands for.
    pub(super) fn resolve(&self, website: &SiteKey, visitor: &PersonId) -> PersonId {
        let visitors = self.sites.get(website).map(|site| &site.visitors);
        match visitors.and_then(|visitors| visitors.get(visitor)) {
            Some(Visitor::Alias(known)) => known.clone(),
            Some(Visitor::Own(_)) | None => visitor.clone(),
        }
    }

    /// The person as a website knows it.
    pub(super) fn resolve_person(&self, website: &SiteKey, person: PersonKey) -> PersonKey {
        match person.kind {
            cossistant_protocol::UserType::Visitor => PersonKey { id: self.resolve(website, &person.id), ..person },
            cossistant_protocol::UserType::User | cossistant_protocol::UserType::AiAgent => person,
        }
    }

    /// A conversation within a scope.
    pub(super) fn thread_in(
        &self,
        organization: OrganizationId,
        scope: &Scope,
        conversation: ConversationId,
    ) -> Result<&Thread, StoreError> {
        let thread = self.threads.get(&(organization, conversation)).ok_or(StoreError::NotFound)?;
        let website = &thread.conversation.website;
        let is_within = match scope {
            Scope::Team { websites } => websites.contains(&website.website),
            Scope::Visitor { website: asked, visitor } => {
                *asked == website.website && self.resolve(website, visitor) == thread.conversation.visitor
            }
        };
        if is_within { Ok(thread) } else { Err(StoreError::NotFound) }
    }

    /// Makes a visitor's row if there is none, and answers for whom the id stands.
    pub(super) fn visitor_or_new(
        &mut self,
        website: &SiteKey,
        visitor: &PersonId,
        at: Timestamp,
    ) -> Result<PersonId, StoreError> {
        let site = self.site_mut(website)?;
        site.visitors.entry(visitor.clone()).or_insert_with(|| Visitor::Own(Profile::new(at)));
        Ok(self.resolve(website, visitor))
    }

    /// The profile of a visitor, by the id itself or what it stands for.
    pub(super) fn profile(&self, website: &SiteKey, visitor: &PersonId) -> Option<&Profile> {
        let visitor = self.resolve(website, visitor);
        match self.sites.get(website)?.visitors.get(&visitor)? {
            Visitor::Own(profile) => Some(profile),
            Visitor::Alias(_) => None,
        }
    }

    pub(super) fn profile_mut(&mut self, website: &SiteKey, visitor: &PersonId) -> Result<&mut Profile, StoreError> {
        let visitor = self.resolve(website, visitor);
        match self.site_mut(website)?.visitors.get_mut(&visitor) {
            Some(Visitor::Own(profile)) => Ok(profile),
            Some(Visitor::Alias(_)) | None => Err(StoreError::NotFound),
        }
    }
}

impl Thread {
    /// The team's place of an event.
    pub(super) const fn team_seq(&self, index: usize) -> u64 {
        self.begin + index as u64 + 1
    }

    /// The event at a place, as it reads now.
    pub(super) fn event(&self, index: usize) -> StoredEvent {
        let entry = &self.events[index];
        let body = match &entry.body {
            Body::Created(at) => EventBody::Created { visitor: self.conversation.visitor.clone(), at: *at },
            Body::Message { message, .. } => EventBody::Message(message.clone()),
            Body::Updated(of) => match &self.events[*of].body {
                Body::Message { message, .. } => EventBody::Updated {
                    message: message.id.clone(),
                    content: message.content.clone(),
                    at: message.updated_at.unwrap_or(message.created_at),
                    deleted: message.deleted,
                },
                Body::Created(_) | Body::Updated(_) | Body::Status { .. } | Body::Assigned { .. } => {
                    unreachable!("an update points at a message")
                }
            },
            Body::Status { status, by } => {
                EventBody::Status { status: *status, by: by.clone(), visitor: self.conversation.visitor.clone() }
            }
            Body::Assigned { assignee, by } => EventBody::Assigned { assignee: assignee.clone(), by: by.clone() },
        };
        StoredEvent {
            website: self.conversation.website.clone(),
            conversation: self.conversation.id.clone(),
            offset: entry.offset,
            team_seq: self.team_seq(index),
            visitor_seq: entry.visitor_seq,
            body,
        }
    }

    /// A message by its place.
    pub(super) fn message_at(&mut self, index: usize) -> Option<(&mut Message, &mut String)> {
        match &mut self.events.get_mut(index)?.body {
            Body::Message { message, search_text } => Some((message, search_text)),
            Body::Created(_) | Body::Updated(_) | Body::Status { .. } | Body::Assigned { .. } => None,
        }
    }

    pub(super) fn is_message(&self, index: usize) -> bool {
        matches!(self.events[index].body, Body::Message { .. })
    }
}

pub(super) fn shared(text: Option<&Arc<str>>) -> Option<String> {
    text.map(|text| text.as_ref().to_owned())
}
