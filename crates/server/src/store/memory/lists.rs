//! Lists of conversations.

use std::collections::BTreeSet;

use cossistant_protocol::{ConversationId, ConversationStatus, PersonId};

use super::state::{Body, State, Thread};
use crate::store::{
    AssigneeFilter, Audience, ConversationItem, ConversationPage, ConversationQuery, MessagePage, OPEN_MAX, PersonKey,
    Scope, SiteKey, StoreError, UNREAD_MAX, search,
};

impl State {
    pub(super) fn conversations(&self, query: &ConversationQuery) -> Result<ConversationPage, StoreError> {
        self.check_query(query)?;
        let asked = search::asked(&query.search);
        let mut found: Vec<&Thread> =
            self.threads.values().filter(|thread| self.passes(query, asked.as_ref(), thread)).collect();
        let audience = query.scope.audience();
        found.sort_by(|a, b| rank(b, audience).cmp(&rank(a, audience)));
        let has_more = found.len() > query.limit;
        found.truncate(query.limit);
        Ok(ConversationPage { items: found.into_iter().map(|thread| self.item(query, thread)).collect(), has_more })
    }

    /// What the query names must lie within its scope.
    fn check_query(&self, query: &ConversationQuery) -> Result<(), StoreError> {
        let key = |website: &cossistant_protocol::WebsiteId| SiteKey {
            organization: query.organization.clone(),
            website: website.clone(),
        };
        let is_within = match &query.scope {
            Scope::Team { websites } => query.website.as_ref().is_none_or(|asked| websites.contains(asked)),
            Scope::Visitor { website, visitor } => {
                let key = key(website);
                self.site(&key)?;
                let is_own = |asked: &PersonId| self.resolve(&key, asked) == self.resolve(&key, visitor);
                query.website.as_ref().is_none_or(|asked| asked == website) && query.visitor.as_ref().is_none_or(is_own)
            }
        };
        if !is_within {
            return Err(StoreError::NotFound);
        }
        query.website.as_ref().map_or(Ok(()), |asked| self.site(&key(asked)).map(|_| ()))
    }

    fn passes(&self, query: &ConversationQuery, asked: Option<&BTreeSet<String>>, thread: &Thread) -> bool {
        let c = &thread.conversation;
        let is_visitor = |visitor: &PersonId| self.resolve(&c.website, visitor) == c.visitor;
        let is_within = match &query.scope {
            Scope::Team { websites } => websites.contains(&c.website.website),
            Scope::Visitor { website, visitor } => *website == c.website.website && is_visitor(visitor),
        };
        let is_assigned = match &query.assignee {
            None => true,
            Some(AssigneeFilter::Nobody) => c.assignee.is_none(),
            Some(AssigneeFilter::Person(person)) => c.assignee.as_ref() == Some(person),
        };
        c.website.organization == query.organization
            && is_within
            && is_assigned
            && query.website.as_ref().is_none_or(|website| *website == c.website.website)
            && query.visitor.as_ref().is_none_or(is_visitor)
            && query.status.is_none_or(|status| status == c.status)
            && query.after.as_ref().is_none_or(|(at, id)| rank(thread, query.scope.audience()) < (*at, id))
            && asked.is_none_or(|asked| self.is_found(query.scope.audience(), asked, thread))
    }

    fn is_found(&self, audience: Audience, asked: &BTreeSet<String>, thread: &Thread) -> bool {
        let identity = self.profile(&thread.conversation.website, &thread.conversation.visitor);
        let identity = identity.map(|profile| &profile.identity);
        let text = |part: Option<&String>| part.map(|text| search::words(text)).unwrap_or_default();
        let mut words = text(identity.and_then(|identity| identity.name.as_ref()));
        words.append(&mut text(identity.and_then(|identity| identity.email.as_ref())));
        for index in 0..thread.events.len() {
            if let (Some(_), Body::Message { search_text, .. }) =
                (thread.seq(index, audience), &thread.events[index].body)
            {
                words.append(&mut search::words(search_text));
            }
        }
        !asked.is_empty() && asked.iter().all(|prefix| words.iter().any(|word| word.starts_with(prefix)))
    }

    fn item(&self, query: &ConversationQuery, thread: &Thread) -> ConversationItem {
        let audience = query.scope.audience();
        let newest = MessagePage { before: None, after: None, limit: 1 };
        let c = &thread.conversation;
        let asker = self.resolve_person(&c.website, query.asker.clone());
        ConversationItem {
            conversation: c.clone(),
            identity: self.profile(&c.website, &c.visitor).and_then(super::state::Profile::known),
            last_message: thread.page(audience, newest).0.pop(),
            unread: unread(thread, audience, &asker),
        }
    }

    /// A visitor's conversations that are not closed, newest activity that the audience may see first.
    pub(super) fn open(&self, website: &SiteKey, visitor: &PersonId, audience: Audience) -> Vec<ConversationId> {
        let all = self.of_visitor(website, visitor, audience).into_iter();
        let open = all.filter(|thread| thread.conversation.status != ConversationStatus::Closed);
        open.map(|thread| thread.conversation.id.clone()).collect()
    }

    /// A visitor's conversations, the newest activity first.
    pub(super) fn of_visitor(&self, website: &SiteKey, visitor: &PersonId, audience: Audience) -> Vec<&Thread> {
        let visitor = self.resolve(website, visitor);
        let is_of =
            |thread: &&Thread| thread.conversation.website == *website && thread.conversation.visitor == visitor;
        let mut all: Vec<&Thread> = self.threads.values().filter(is_of).collect();
        all.sort_by(|a, b| rank(b, audience).cmp(&rank(a, audience)));
        all
    }

    pub(super) fn open_at_most_20(&self, website: &SiteKey, visitor: &PersonId) -> Vec<ConversationId> {
        let mut open = self.open(website, visitor, Audience::Team);
        open.truncate(OPEN_MAX);
        open
    }
}

fn rank(thread: &Thread, audience: Audience) -> (cossistant_protocol::Timestamp, &ConversationId) {
    (thread.conversation.activity(audience), &thread.conversation.id)
}

fn unread(thread: &Thread, audience: Audience, asker: &PersonKey) -> u64 {
    let mark = thread.seen.get(asker).map_or(0, |seen| match audience {
        Audience::Team => seen.team_seq,
        Audience::Visitor => seen.visitor_seq,
    });
    let is_unread = |index: &usize| {
        let is_past = thread.seq(*index, audience).is_some_and(|seq| seq > mark);
        match &thread.events[*index].body {
            Body::Message { message, .. } => is_past && !message.deleted && message.sender != *asker,
            Body::Created(_) | Body::Updated(_) | Body::Status { .. } | Body::Assigned { .. } => false,
        }
    };
    ((0..thread.events.len()).filter(is_unread).count() as u64).min(UNREAD_MAX)
}
