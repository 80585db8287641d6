//! Writes to conversations: making them, their numbering, status and assignee, marks.

use cossistant_protocol::{Channel, ConversationStatus, PersonId, Timestamp, UserType};

use super::error::Failure;
use super::link::{Aim, Aimed, Sql};
use super::lookup::{self, Person, Site};
use super::rows::{self, Thread};
use super::value::params;
use super::writer::Write;
use super::{outbox, statements};
use crate::store::{
    AppendMessage, Audience, ChangeConversation, Changed, Conflict, Conversation, CreateConversation, Created,
    EventBody, MarkSeen, MovedMark, Scope, SeenMark, SiteKey, StoreError, StoredEvent, rules,
};

/// An event's places, given out by its conversation and website.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Place {
    pub(in crate::store) offset: u64,
    pub(in crate::store) team_seq: u64,
    pub(in crate::store) visitor_seq: Option<u64>,
}

/// The columns of an event that is no message.
#[derive(Debug, Default)]
pub(in crate::store) struct Columns<'a> {
    pub(in crate::store) message: Option<i64>,
    pub(in crate::store) status: Option<ConversationStatus>,
    pub(in crate::store) assignee: Option<&'a PersonId>,
    pub(in crate::store) by: Option<&'a PersonId>,
}

impl Thread {
    /// Takes the next places. They stand once [`Thread::save`] has run.
    pub(in crate::store) fn next_place(&mut self, is_note: bool, at: Timestamp) -> Place {
        self.website_head += 1;
        self.conversation.team_head += 1;
        if !is_note {
            self.conversation.visitor_head += 1;
            self.conversation.visitor_activity_at = self.conversation.visitor_activity_at.max(at);
        }
        self.conversation.last_activity_at = self.conversation.last_activity_at.max(at);
        Place {
            offset: self.website_head,
            team_seq: self.conversation.team_head,
            visitor_seq: (!is_note).then_some(self.conversation.visitor_head),
        }
    }

    /// Writes an event that is no message.
    pub(in crate::store) fn add(
        &mut self,
        conn: &dyn Sql,
        kind: i64,
        columns: &Columns<'_>,
        is_note: bool,
        at: Timestamp,
    ) -> Result<Place, Failure> {
        let place = self.next_place(is_note, at);
        conn.execute(
            statements::INSERT_EVENT,
            params![
                self.website,
                rows::int(place.offset),
                self.id,
                rows::int(place.team_seq),
                place.visitor_seq.map(rows::int),
                kind,
                rows::int(at.0),
                columns.message,
                columns.status.map(rows::status_number),
                columns.assignee.map(PersonId::as_str),
                columns.by.map(PersonId::as_str)
            ],
        )?;
        Ok(place)
    }

    pub(in crate::store) fn event(&self, place: Place, body: EventBody) -> StoredEvent {
        StoredEvent {
            website: self.conversation.website.clone(),
            conversation: self.conversation.id.clone(),
            offset: place.offset,
            team_seq: place.team_seq,
            visitor_seq: place.visitor_seq,
            body,
        }
    }

    /// Changes the status, with its event.
    pub(in crate::store) fn set_status(
        &mut self,
        conn: &dyn Sql,
        status: ConversationStatus,
        by: Option<PersonId>,
        at: Timestamp,
    ) -> Result<StoredEvent, Failure> {
        self.conversation.status = status;
        let columns = Columns { status: Some(status), by: by.as_ref(), ..Columns::default() };
        let place = self.add(conn, rows::STATUS, &columns, false, at)?;
        Ok(self.event(place, EventBody::Status { status, by, visitor: self.conversation.visitor.clone() }))
    }

    /// Writes the conversation's and the website's row, after all events of an operation.
    pub(in crate::store) fn save(&self, conn: &dyn Sql) -> Result<(), Failure> {
        self.save_conversation(conn)?;
        conn.execute(statements::UPDATE_HEAD, params![self.website, rows::int(self.website_head)])?;
        Ok(())
    }

    /// Writes the conversation's row alone.
    pub(in crate::store) fn save_conversation(&self, conn: &dyn Sql) -> Result<(), Failure> {
        let c = &self.conversation;
        conn.execute(
            statements::UPDATE_CONVERSATION,
            params![
                self.id,
                rows::status_number(c.status),
                c.assignee.as_ref().map(PersonId::as_str),
                rows::int(c.last_activity_at.0),
                rows::int(c.team_head),
                rows::int(c.visitor_head),
                rows::int(c.visitor_activity_at.0)
            ],
        )?;
        Ok(())
    }
}

/// Makes a conversation with its first event; the caller saves it.
fn begin(
    conn: &dyn Sql,
    key: SiteKey,
    site: Site,
    visitor: Person,
    id: cossistant_protocol::ConversationId,
    at: Timestamp,
) -> Result<(Thread, StoredEvent), Failure> {
    let status = ConversationStatus::Open;
    let row = conn.insert(
        statements::INSERT_CONVERSATION,
        params![site.organization, id.as_str(), site.id, visitor.id, rows::status_number(status), rows::int(at.0)],
    )?;
    let (team_head, visitor_head) = lookup::begin(conn, &key.organization, &Channel::Conversation(id.clone()))?;
    let row = row.ok_or_else(|| StoreError::Corrupt("a new conversation has no row".to_owned()))?;
    let mut thread = Thread {
        id: row,
        website: site.id,
        visitor: visitor.id,
        organization: site.organization,
        website_head: site.head,
        identity: None,
        conversation: Conversation {
            id,
            website: key,
            visitor: visitor.public_id.clone(),
            status,
            assignee: None,
            created_at: at,
            last_activity_at: at,
            visitor_activity_at: at,
            team_head,
            visitor_head,
        },
    };
    let place = thread.add(conn, rows::CREATED, &Columns::default(), false, at)?;
    let event = thread.event(place, EventBody::Created { visitor: visitor.public_id, at });
    Ok((thread, event))
}

/// Makes the conversation that a visitor's first message names.
pub(in crate::store) fn begin_for(write: &Write<'_>, append: &AppendMessage) -> Result<(Thread, StoredEvent), Failure> {
    let (true, Scope::Visitor { website, visitor }) = (append.may_create, &append.scope) else {
        return Err(StoreError::NotFound.into());
    };
    let key = SiteKey { organization: append.organization.clone(), website: website.clone() };
    let conn = write.conn;
    let mut site = lookup::site_of(conn, &key)?;
    site.head = write.kept.head(site.id, site.head);
    let visitor = lookup::person_or_new(conn, site.organization, site.id, UserType::Visitor, visitor, append.at)?;
    begin(conn, key, site, visitor, append.conversation.clone(), append.at)
}

impl Aimed for CreateConversation {
    fn aim(&self) -> Aim<'_> {
        Aim::Conversation {
            organization: &self.website.organization,
            conversation: &self.conversation,
            website: Some(&self.website.website),
        }
    }
}

impl Aimed for ChangeConversation {
    fn aim(&self) -> Aim<'_> {
        Aim::Conversation { organization: &self.organization, conversation: &self.conversation, website: None }
    }
}

impl Aimed for MarkSeen {
    fn aim(&self) -> Aim<'_> {
        Aim::Marks { organization: &self.organization, conversation: &self.conversation }
    }
}

pub(in crate::store) fn create(write: &mut Write<'_>, create: &CreateConversation) -> Result<Created, Failure> {
    let conn = write.conn;
    let site = lookup::site_of(conn, &create.website)?;
    if let Some(thread) = lookup::thread(conn, &create.website.organization, &create.conversation)? {
        let is_same =
            thread.website == site.id && thread.resolve(conn, &create.visitor)? == thread.conversation.visitor;
        if !is_same {
            return Err(StoreError::Conflict(Conflict::Taken).into());
        }
        return Ok(Created { conversation: thread.conversation, events: Vec::new() });
    }
    let kind = UserType::Visitor;
    let visitor = lookup::person_or_new(conn, site.organization, site.id, kind, &create.visitor, create.at)?;
    let (thread, event) = begin(conn, create.website.clone(), site, visitor, create.conversation.clone(), create.at)?;
    thread.save(conn)?;
    let events = vec![event];
    outbox::queue(write, &thread, &events, create.at)?;
    Ok(Created { conversation: thread.conversation, events })
}

pub(in crate::store) fn change(write: &mut Write<'_>, change: &ChangeConversation) -> Result<Changed, Failure> {
    let conn = write.conn;
    let mut thread = lookup::thread_in(conn, &change.organization, &change.scope, &change.conversation)?;
    if change.if_assigned_to.as_ref().is_some_and(|expected| *expected != thread.conversation.assignee) {
        return Err(StoreError::Conflict(Conflict::Assignee).into());
    }
    let mut events = Vec::new();
    if let Some(status) = change.status.filter(|status| *status != thread.conversation.status) {
        events.push(thread.set_status(conn, status, change.by.clone(), change.at)?);
    }
    if let Some(assignee) = change.assignee.as_ref().filter(|assignee| **assignee != thread.conversation.assignee) {
        let columns = Columns { assignee: assignee.as_ref(), by: change.by.as_ref(), ..Columns::default() };
        let place = thread.add(conn, rows::ASSIGNED, &columns, false, change.at)?;
        thread.conversation.assignee.clone_from(assignee);
        let body = EventBody::Assigned { assignee: assignee.clone(), by: change.by.clone() };
        events.push(thread.event(place, body));
    }
    if !events.is_empty() {
        thread.save(conn)?;
        outbox::queue(write, &thread, &events, change.at)?;
    }
    Ok(Changed { conversation: thread.conversation, events })
}

pub(in crate::store) fn mark_seen(write: &mut Write<'_>, mark: &MarkSeen) -> Result<Option<MovedMark>, Failure> {
    let conn = write.conn;
    let audience = mark.scope.audience();
    let thread = write.kept.thread(conn, &mark.organization, &mark.conversation)?.ok_or(StoreError::NotFound)?;
    thread.check(conn, &mark.scope)?;
    let person = thread.resolve_person(conn, mark.person.clone())?;
    rules::check_person(&mark.scope, &person, &thread.conversation.visitor)?;
    let seq = mark.seq.min(thread.conversation.head(audience));
    let Some((team_seq, visitor_seq)) = translate(conn, thread.id, audience, seq)? else { return Ok(None) };
    let row = write.person_row(&thread, &person, mark.at)?;
    let (team_was, visitor_was) = seen(conn, thread.id, row)?;
    let has_moved = match audience {
        Audience::Team => team_seq > team_was,
        Audience::Visitor => visitor_seq > visitor_was,
    };
    if !has_moved {
        return Ok(None);
    }
    conn.execute(
        statements::PUT_SEEN,
        params![
            thread.id,
            row,
            rows::int(team_seq),
            rows::int(visitor_seq),
            rows::int(mark.at.0),
            mark.name.as_deref(),
            mark.avatar_url.as_deref()
        ],
    )?;
    let mark = SeenMark {
        website: thread.conversation.website,
        person,
        name: mark.name.clone(),
        avatar_url: mark.avatar_url.clone(),
        team_seq,
        visitor_seq,
        at: mark.at,
    };
    Ok(Some(MovedMark { mark, visitor_moved: visitor_seq > visitor_was }))
}

/// A place of one numbering in both: the event itself for a visitor's, the last that a visitor sees for the team's.
/// `None` before the first event, which both may see.
fn translate(conn: &dyn Sql, thread: i64, audience: Audience, seq: u64) -> Result<Option<(u64, u64)>, Failure> {
    let sql = match audience {
        Audience::Team => statements::VISITOR_SEQ_AT,
        Audience::Visitor => statements::TEAM_SEQ_AT,
    };
    let other = conn.one(sql, params![thread, rows::int(seq)], |row| rows::number(row, 0))?;
    Ok(other.map(|other| match audience {
        Audience::Team => (seq, other),
        Audience::Visitor => (other, seq),
    }))
}

/// How far a person has read, in both numberings.
fn seen(conn: &dyn Sql, thread: i64, person: i64) -> Result<(u64, u64), Failure> {
    let found =
        conn.one(statements::SEEN, params![thread, person], |row| Ok((rows::number(row, 0)?, rows::number(row, 1)?)))?;
    Ok(found.unwrap_or((0, 0)))
}
