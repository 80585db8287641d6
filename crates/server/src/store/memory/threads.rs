//! Conversations and messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use cossistant_protocol::{
    Channel, ConversationId, ConversationStatus, MessageId, OrganizationId, PersonId, RequestId, Timestamp, UserType,
    Visibility,
};

use super::state::{Body, Entry, State, Thread};
use crate::store::rules::{self, MessageFacts};
use crate::store::{
    AppendMessage, Appended, Audience, ChangeConversation, Changed, Conflict, Conversation, ConversationSnapshot,
    CreateConversation, Created, DeleteMessage, EditMessage, KnownMessage, MarkSeen, Message, MessagePage, MovedMark,
    PersonKey, Scope, SeenMark, SiteKey, StoreError, StoredEvent,
};

impl State {
    /// Adds an event behind all others of its conversation and website.
    fn push(
        &mut self,
        key: &(OrganizationId, ConversationId),
        body: Body,
        is_note: bool,
        at: Timestamp,
    ) -> StoredEvent {
        let thread = self.threads.get_mut(key).expect("the caller looked it up");
        let site = self.sites.get_mut(&thread.conversation.website).expect("a conversation has a website");
        let index = thread.events.len();
        site.events.push((key.1.clone(), index));
        let conversation = &mut thread.conversation;
        conversation.team_head += 1;
        if !is_note {
            conversation.visitor_head += 1;
            conversation.visitor_activity_at = conversation.visitor_activity_at.max(at);
        }
        conversation.last_activity_at = conversation.last_activity_at.max(at);
        let visitor_seq = (!is_note).then_some(conversation.visitor_head);
        thread.events.push(Entry { offset: site.head(), visitor_seq, body });
        let event = thread.event(index);
        self.queue(&event, at);
        event
    }

    fn begin(
        &mut self,
        website: SiteKey,
        visitor: &PersonId,
        id: ConversationId,
        at: Timestamp,
    ) -> Result<StoredEvent, StoreError> {
        let visitor = self.visitor_or_new(&website, visitor, at)?;
        let key = (website.organization.clone(), id.clone());
        let (team_head, visitor_head) = self.begin_of(&key.0, Channel::Conversation(id.clone()));
        let conversation = Conversation {
            id,
            website,
            visitor,
            status: ConversationStatus::Open,
            assignee: None,
            created_at: at,
            last_activity_at: at,
            visitor_activity_at: at,
            team_head,
            visitor_head,
        };
        let thread = Thread {
            conversation,
            begin: team_head,
            events: Vec::new(),
            messages: BTreeMap::new(),
            keys: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        self.threads.insert(key.clone(), thread);
        Ok(self.push(&key, Body::Created(at), false, at))
    }

    pub(super) fn append(&mut self, append: AppendMessage) -> Result<Appended, StoreError> {
        rules::check_visibility(&append.scope, append.visibility)?;
        let key = (append.organization.clone(), append.conversation.clone());
        let is_new = !self.threads.contains_key(&key);
        let (website, owner, status) = if is_new {
            let (true, Scope::Visitor { website, visitor }) = (append.may_create, &append.scope) else {
                return Err(StoreError::NotFound);
            };
            let website = SiteKey { organization: append.organization.clone(), website: website.clone() };
            self.site(&website)?;
            let owner = self.resolve(&website, visitor);
            (website, owner, ConversationStatus::Open)
        } else {
            let thread = self.thread_in(key.0.clone(), &append.scope, key.1.clone())?;
            let c = &thread.conversation;
            (c.website.clone(), c.visitor.clone(), c.status)
        };
        let sender = self.resolve_person(&website, append.sender.clone());
        rules::check_person(&append.scope, &sender, &owner)?;
        let mut events = Vec::new();
        if let Some(thread) = self.threads.get(&key) {
            if let Some(known) = thread.known(&sender, &append.key) {
                return duplicate(known, &append);
            }
            if sender.kind == UserType::Visitor && status == ConversationStatus::Closed {
                return Err(StoreError::Conflict(Conflict::Status(status)));
            }
            if thread.messages.contains_key(&append.message) {
                return Err(StoreError::Conflict(Conflict::Taken));
            }
        } else {
            events.push(self.begin(website, &owner, key.1.clone(), append.at)?);
        }
        let event = self.push_message(&key, &sender, append);
        let (team_seq, visitor_seq) = (event.team_seq, event.visitor_seq);
        let crate::store::EventBody::Message(Message { id, created_at, .. }) = &event.body else {
            return Err(StoreError::Corrupt("a message was stored as another event".to_owned()));
        };
        let (id, at) = (id.clone(), *created_at);
        events.push(event);
        if sender.kind == UserType::Visitor && status == ConversationStatus::Resolved && visitor_seq.is_some() {
            events.push(self.set_status(&key, ConversationStatus::Open, Some(sender.id), at));
        }
        Ok(Appended { message: id, team_seq, visitor_seq, created_at: at, duplicate: false, events })
    }

    fn push_message(
        &mut self,
        key: &(OrganizationId, ConversationId),
        sender: &PersonKey,
        append: AppendMessage,
    ) -> StoredEvent {
        let is_note = append.visibility == Visibility::Internal;
        let message = Message {
            id: append.message.clone(),
            content: Some(append.content),
            metadata: append.metadata,
            sender: sender.clone(),
            sender_name: append.sender_name,
            key: append.key.clone(),
            visibility: append.visibility,
            created_at: append.at,
            updated_at: None,
            deleted: false,
        };
        let body = Body::Message { message, search_text: append.search_text };
        let event = self.push(key, body, is_note, append.at);
        let thread = self.threads.get_mut(key).expect("the event was just pushed to it");
        thread.messages.insert(append.message.clone(), thread.events.len() - 1);
        thread.keys.insert((sender.clone(), append.key), (append.message, append.fingerprint));
        event
    }

    fn set_status(
        &mut self,
        key: &(OrganizationId, ConversationId),
        status: ConversationStatus,
        by: Option<PersonId>,
        at: Timestamp,
    ) -> StoredEvent {
        let event = self.push(key, Body::Status { status, by }, false, at);
        self.threads.get_mut(key).expect("the event was just pushed to it").conversation.status = status;
        event
    }

    pub(super) fn known(
        &self,
        organization: OrganizationId,
        scope: &Scope,
        conversation: ConversationId,
        sender: PersonKey,
        key: RequestId,
    ) -> Result<Option<KnownMessage>, StoreError> {
        let is_new = !self.threads.contains_key(&(organization.clone(), conversation.clone()));
        if is_new && matches!(scope, Scope::Visitor { .. }) {
            return Ok(None);
        }
        let thread = self.thread_in(organization, scope, conversation)?;
        let sender = self.resolve_person(&thread.conversation.website, sender);
        Ok(thread.known(&sender, &key))
    }

    pub(super) fn edit(&mut self, edit: EditMessage) -> Result<Vec<StoredEvent>, StoreError> {
        let key = (edit.organization, edit.conversation);
        let (index, facts, editor) = self.facts(&key, &edit.scope, &edit.message, edit.editor)?;
        facts.check_edit(&editor, edit.not_before)?;
        self.rewrite(&key, index, Some(edit.content), edit.search_text, edit.at);
        Ok(vec![self.push(&key, Body::Updated(index), facts.is_note, edit.at)])
    }

    pub(super) fn delete(&mut self, delete: DeleteMessage) -> Result<Vec<StoredEvent>, StoreError> {
        let key = (delete.organization, delete.conversation);
        let (index, facts, editor) = self.facts(&key, &delete.scope, &delete.message, delete.editor)?;
        if !delete.is_admin {
            facts.check_edit(&editor, delete.not_before)?;
        }
        self.rewrite(&key, index, None, String::new(), delete.at);
        Ok(vec![self.push(&key, Body::Updated(index), facts.is_note, delete.at)])
    }

    fn facts(
        &self,
        key: &(OrganizationId, ConversationId),
        scope: &Scope,
        message: &MessageId,
        editor: PersonKey,
    ) -> Result<(usize, MessageFacts, PersonKey), StoreError> {
        let thread = self.thread_in(key.0.clone(), scope, key.1.clone())?;
        let index = *thread.messages.get(message).ok_or(StoreError::NotFound)?;
        let Body::Message { message, .. } = &thread.events[index].body else { return Err(StoreError::NotFound) };
        let facts = MessageFacts {
            sender: message.sender.clone(),
            is_note: message.visibility == Visibility::Internal,
            created_at: message.created_at,
            deleted: message.deleted,
        };
        facts.check_exists(scope)?;
        Ok((index, facts, self.resolve_person(&thread.conversation.website, editor)))
    }

    fn rewrite(
        &mut self,
        key: &(OrganizationId, ConversationId),
        index: usize,
        content: Option<Arc<str>>,
        new_search_text: String,
        at: Timestamp,
    ) {
        let thread = self.threads.get_mut(key).expect("the caller looked it up");
        let Some((message, search_text)) = thread.message_at(index) else { return };
        if content.is_none() {
            message.deleted = true;
            message.metadata = None;
        }
        message.content = content;
        message.updated_at = Some(at);
        *search_text = new_search_text;
    }

    pub(super) fn create(&mut self, create: CreateConversation) -> Result<Created, StoreError> {
        self.site(&create.website)?;
        let key = (create.website.organization.clone(), create.conversation.clone());
        let events = match self.threads.get(&key) {
            Some(thread) => {
                let c = &thread.conversation;
                if c.website != create.website || c.visitor != self.resolve(&create.website, &create.visitor) {
                    return Err(StoreError::Conflict(Conflict::Taken));
                }
                Vec::new()
            }
            None => vec![self.begin(create.website, &create.visitor, create.conversation, create.at)?],
        };
        Ok(Created { conversation: self.threads[&key].conversation.clone(), events })
    }

    pub(super) fn change(&mut self, change: ChangeConversation) -> Result<Changed, StoreError> {
        let thread = self.thread_in(change.organization.clone(), &change.scope, change.conversation.clone())?;
        let (status, assignee) = (thread.conversation.status, thread.conversation.assignee.clone());
        if change.if_assigned_to.is_some_and(|expected| expected != assignee) {
            return Err(StoreError::Conflict(Conflict::Assignee));
        }
        let key = (change.organization, change.conversation);
        let mut events = Vec::new();
        if let Some(new) = change.status.filter(|new| *new != status) {
            events.push(self.set_status(&key, new, change.by.clone(), change.at));
        }
        if let Some(new) = change.assignee.filter(|new| *new != assignee) {
            let body = Body::Assigned { assignee: new.clone(), by: change.by };
            events.push(self.push(&key, body, false, change.at));
            self.threads.get_mut(&key).expect("the event was just pushed to it").conversation.assignee = new;
        }
        Ok(Changed { conversation: self.threads[&key].conversation.clone(), events })
    }

    pub(super) fn mark_seen(&mut self, mark: MarkSeen) -> Result<Option<MovedMark>, StoreError> {
        let audience = mark.scope.audience();
        let thread = self.thread_in(mark.organization.clone(), &mark.scope, mark.conversation.clone())?;
        let website = thread.conversation.website.clone();
        let person = self.resolve_person(&website, mark.person);
        rules::check_person(&mark.scope, &person, &thread.conversation.visitor)?;
        let seq = mark.seq.min(thread.conversation.head(audience));
        let Some((team_seq, visitor_seq)) = thread.translate(audience, seq) else { return Ok(None) };
        let (team_was, visitor_was) = thread.seen.get(&person).map_or((0, 0), |seen| (seen.team_seq, seen.visitor_seq));
        let has_moved = match audience {
            Audience::Team => team_seq > team_was,
            Audience::Visitor => visitor_seq > visitor_was,
        };
        if !has_moved {
            return Ok(None);
        }
        let seen = SeenMark {
            website,
            person: person.clone(),
            name: mark.name,
            avatar_url: mark.avatar_url,
            team_seq,
            visitor_seq,
            at: mark.at,
        };
        let thread = self.threads.get_mut(&(mark.organization, mark.conversation)).ok_or(StoreError::NotFound)?;
        thread.seen.insert(person, seen.clone());
        Ok(Some(MovedMark { mark: seen, visitor_moved: visitor_seq > visitor_was }))
    }

    pub(super) fn snapshot(
        &self,
        organization: OrganizationId,
        scope: &Scope,
        conversation: ConversationId,
    ) -> Result<ConversationSnapshot, StoreError> {
        let thread = self.thread_in(organization, scope, conversation)?;
        Ok(ConversationSnapshot {
            conversation: thread.conversation.clone(),
            seen: thread.seen.values().cloned().collect(),
            website_head: self.site(&thread.conversation.website)?.head(),
        })
    }

    pub(super) fn conversation_events(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        audience: Audience,
        (after, upto): (u64, u64),
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let thread = self.threads.get(&(organization, conversation)).ok_or(StoreError::NotFound)?;
        let within = |index: &usize| thread.seq(*index, audience).is_some_and(|seq| seq > after && seq <= upto);
        Ok((0..thread.events.len()).filter(within).take(limit).map(|index| thread.event(index)).collect())
    }

    pub(super) fn website_events(
        &self,
        website: &SiteKey,
        (after, upto): (u64, u64),
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let site = self.site(website)?;
        let events = (site.begin + 1..).zip(&site.events).filter(|(offset, _)| *offset > after && *offset <= upto);
        let event = |(conversation, index): &(ConversationId, usize)| {
            self.threads[&(website.organization.clone(), conversation.clone())].event(*index)
        };
        Ok(events.take(limit).map(|(_, place)| event(place)).collect())
    }

    pub(super) fn messages(
        &self,
        organization: OrganizationId,
        scope: &Scope,
        conversation: ConversationId,
        page: MessagePage,
    ) -> Result<(Vec<StoredEvent>, bool), StoreError> {
        Ok(self.thread_in(organization, scope, conversation)?.page(scope.audience(), page))
    }

    pub(super) fn message(
        &self,
        organization: OrganizationId,
        scope: &Scope,
        conversation: ConversationId,
        message: &MessageId,
    ) -> Result<StoredEvent, StoreError> {
        let thread = self.thread_in(organization, scope, conversation)?;
        let index = *thread.messages.get(message).ok_or(StoreError::NotFound)?;
        thread.seq(index, scope.audience()).ok_or(StoreError::NotFound)?;
        Ok(thread.event(index))
    }
}

fn duplicate(known: KnownMessage, append: &AppendMessage) -> Result<Appended, StoreError> {
    if known.fingerprint != append.fingerprint {
        return Err(StoreError::Conflict(Conflict::OtherContent));
    }
    Ok(Appended {
        message: known.message,
        team_seq: known.team_seq,
        visitor_seq: known.visitor_seq,
        created_at: known.created_at,
        duplicate: true,
        events: Vec::new(),
    })
}

impl Thread {
    pub(super) fn seq(&self, index: usize, audience: Audience) -> Option<u64> {
        match audience {
            Audience::Team => Some(self.team_seq(index)),
            Audience::Visitor => self.events[index].visitor_seq,
        }
    }

    fn known(&self, sender: &PersonKey, key: &RequestId) -> Option<KnownMessage> {
        let (message, fingerprint) = self.keys.get(&(sender.clone(), key.clone()))?;
        let event = self.event(self.messages[message]);
        let crate::store::EventBody::Message(message) = event.body else { return None };
        Some(KnownMessage {
            message: message.id,
            team_seq: event.team_seq,
            visitor_seq: event.visitor_seq,
            created_at: message.created_at,
            fingerprint: *fingerprint,
        })
    }

    /// A place of one numbering in both; `None` before the first event, which both may see.
    fn translate(&self, audience: Audience, seq: u64) -> Option<(u64, u64)> {
        let team = self.begin + 1..;
        let mut places = team.zip(&self.events).filter_map(|(team, entry)| Some((team, entry.visitor_seq?)));
        match audience {
            Audience::Team => places.take_while(|(team, _)| *team <= seq).last().map(|place| (seq, place.1)),
            Audience::Visitor => places.find(|place| place.1 == seq),
        }
    }

    pub(super) fn page(&self, audience: Audience, page: MessagePage) -> (Vec<StoredEvent>, bool) {
        let within = |index: &usize| {
            let seq = self.seq(*index, audience).filter(|_| self.is_message(*index));
            seq.is_some_and(|seq| page.after.is_none_or(|after| seq > after) && page.before.is_none_or(|to| seq < to))
        };
        let all: Vec<usize> = (0..self.events.len()).filter(within).collect();
        let has_more = all.len() > page.limit;
        let nearest = match page.after {
            Some(_) => &all[..all.len().min(page.limit)],
            None => &all[all.len().saturating_sub(page.limit)..],
        };
        (nearest.iter().map(|index| self.event(*index)).collect(), has_more)
    }
}
