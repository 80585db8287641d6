//! Writes to messages.

use std::sync::Arc;

use cossistant_protocol::{ConversationStatus, MessageId, RequestId, Timestamp, UserType, Visibility};

use super::conversations::{Columns, begin_for};
use super::error::Failure;
use super::kept::NewMessage;
use super::link::{Aim, Aimed, Document, Sql};
use super::rows::{self, Thread};
use super::value::params;
use super::writer::{Write, indexed};
use super::{lookup, outbox, statements};
use crate::store::rules::{self, MessageFacts};
use crate::store::{
    AppendMessage, Appended, Conflict, DeleteMessage, EditMessage, EventBody, KnownMessage, Message, PersonKey, Scope,
    StoreError, StoredEvent,
};

impl Aimed for AppendMessage {
    fn aim(&self) -> Aim<'_> {
        let website = match &self.scope {
            Scope::Visitor { website, .. } => Some(website),
            Scope::Team { .. } => None,
        };
        Aim::Message {
            organization: &self.organization,
            conversation: &self.conversation,
            website: website.filter(|_| self.may_create),
            sender: &self.sender,
            key: &self.key,
        }
    }
}

impl Aimed for EditMessage {
    fn aim(&self) -> Aim<'_> {
        Aim::Conversation { organization: &self.organization, conversation: &self.conversation, website: None }
    }
}

impl Aimed for DeleteMessage {
    fn aim(&self) -> Aim<'_> {
        Aim::Conversation { organization: &self.organization, conversation: &self.conversation, website: None }
    }
}

pub(in crate::store) fn append(write: &mut Write<'_>, append: &AppendMessage) -> Result<Appended, Failure> {
    let conn = write.conn;
    rules::check_visibility(&append.scope, append.visibility)?;
    let mut events = Vec::with_capacity(1);
    let mut thread = match write.kept.thread(conn, &append.organization, &append.conversation)? {
        Some(thread) => {
            thread.check(conn, &append.scope)?;
            thread
        }
        None => {
            let (thread, created) = begin_for(write, append)?;
            events.push(created);
            thread
        }
    };
    let sender = thread.resolve_person(conn, append.sender.clone())?;
    rules::check_person(&append.scope, &sender, &thread.conversation.visitor)?;
    let sender_row = write.person_row(&thread, &sender, append.at)?;
    if let Some(first) = duplicate(write, &thread, sender_row, append)? {
        return Ok(first);
    }
    let status = thread.conversation.status;
    let is_visitor = sender.kind == UserType::Visitor;
    if is_visitor && status == ConversationStatus::Closed {
        return Err(StoreError::Conflict(Conflict::Status(status)).into());
    }
    let message = insert(write, &mut thread, sender_row, sender, append)?;
    let (team_seq, visitor_seq) = (message.team_seq, message.visitor_seq);
    let (id, by, at) = match &message.body {
        EventBody::Message(message) => (message.id.clone(), message.sender.clone(), message.created_at),
        EventBody::Created { .. }
        | EventBody::Updated { .. }
        | EventBody::Status { .. }
        | EventBody::Assigned { .. } => {
            return Err(StoreError::Corrupt("a message was stored as another event".to_owned()).into());
        }
    };
    events.push(message);
    if is_visitor && status == ConversationStatus::Resolved && visitor_seq.is_some() {
        events.push(thread.set_status(conn, ConversationStatus::Open, Some(by.id), at)?);
    }
    outbox::queue(write, &thread, &events, at)?;
    write.keep(thread)?;
    Ok(Appended { message: id, team_seq, visitor_seq, created_at: at, duplicate: false, events })
}

/// The first answer to the same key.
fn duplicate(
    write: &Write<'_>,
    thread: &Thread,
    sender: i64,
    append: &AppendMessage,
) -> Result<Option<Appended>, Failure> {
    let known = match write.kept.key(&(thread.id, sender, append.key.clone())) {
        Some(known) => known.clone(),
        None => known(write.conn, thread, sender, &append.key)?,
    };
    let Some(known) = known else { return Ok(None) };
    if known.fingerprint != append.fingerprint {
        return Err(StoreError::Conflict(Conflict::OtherContent).into());
    }
    Ok(Some(Appended {
        message: known.message,
        team_seq: known.team_seq,
        visitor_seq: known.visitor_seq,
        created_at: known.created_at,
        duplicate: true,
        events: Vec::new(),
    }))
}

/// The message under an idempotency key.
pub(in crate::store) fn known(
    conn: &dyn Sql,
    thread: &Thread,
    sender: i64,
    key: &RequestId,
) -> Result<Option<KnownMessage>, Failure> {
    let known = conn.one(statements::MESSAGE_BY_KEY, params![thread.id, sender, key.as_str()], |row| {
        Ok(KnownMessage {
            message: rows::parsed(row, 0)?,
            team_seq: rows::number(row, 1)?,
            visitor_seq: rows::some_number(row, 2)?,
            created_at: rows::time(row, 3)?,
            fingerprint: rows::array(row, 4)?,
        })
    })?;
    Ok(known)
}

fn insert(
    write: &mut Write<'_>,
    thread: &mut Thread,
    sender_row: i64,
    sender: PersonKey,
    append: &AppendMessage,
) -> Result<StoredEvent, Failure> {
    let is_note = append.visibility == Visibility::Internal;
    let place = thread.next_place(is_note, append.at);
    write.insert_message(NewMessage {
        website: thread.website,
        offset: place.offset,
        thread: thread.id,
        team_seq: place.team_seq,
        visitor_seq: place.visitor_seq,
        at: append.at,
        id: append.message.clone(),
        sender: sender_row,
        sender_name: append.sender_name.clone(),
        key: append.key.clone(),
        fingerprint: append.fingerprint,
        content: Arc::clone(&append.content),
        metadata: append.metadata.clone(),
        words: words(thread, is_note, &append.search_text),
    })?;
    Ok(thread.event(
        place,
        EventBody::Message(Message {
            id: append.message.clone(),
            content: Some(append.content.clone()),
            metadata: append.metadata.clone(),
            sender,
            sender_name: append.sender_name.clone(),
            key: append.key.clone(),
            visibility: append.visibility,
            created_at: append.at,
            updated_at: None,
            deleted: false,
        }),
    ))
}

fn words(thread: &Thread, is_note: bool, text: &str) -> String {
    indexed(thread.website, if is_note { 'n' } else { 'p' }, text)
}

pub(in crate::store) fn edit(write: &mut Write<'_>, edit: &EditMessage) -> Result<Vec<StoredEvent>, Failure> {
    let conn = write.conn;
    let mut thread = lookup::thread_in(conn, &edit.organization, &edit.scope, &edit.conversation)?;
    let (row, facts) = facts(conn, &thread, &edit.scope, &edit.message)?;
    let editor = thread.resolve_person(conn, edit.editor.clone())?;
    facts.check_edit(&editor, edit.not_before)?;
    conn.execute(statements::EDIT_MESSAGE, params![row, &*edit.content, rows::int(edit.at.0)])?;
    write.replace_words(Document::Message(row), words(&thread, facts.is_note, &edit.search_text));
    let event = updated(conn, &mut thread, row, &facts, edit.message.clone(), Some(edit.content.clone()), edit.at)?;
    let events = vec![event];
    outbox::queue(write, &thread, &events, edit.at)?;
    Ok(events)
}

pub(in crate::store) fn delete(write: &mut Write<'_>, delete: &DeleteMessage) -> Result<Vec<StoredEvent>, Failure> {
    let conn = write.conn;
    let mut thread = lookup::thread_in(conn, &delete.organization, &delete.scope, &delete.conversation)?;
    let (row, facts) = facts(conn, &thread, &delete.scope, &delete.message)?;
    if !delete.is_admin {
        let editor = thread.resolve_person(conn, delete.editor.clone())?;
        facts.check_edit(&editor, delete.not_before)?;
    }
    conn.execute(statements::DELETE_MESSAGE, params![row, rows::int(delete.at.0)])?;
    write.delete_words(Document::Message(row));
    let event = updated(conn, &mut thread, row, &facts, delete.message.clone(), None, delete.at)?;
    let events = vec![event];
    outbox::queue(write, &thread, &events, delete.at)?;
    Ok(events)
}

/// A message that the scope knows of and that is not deleted.
fn facts(conn: &dyn Sql, thread: &Thread, scope: &Scope, message: &MessageId) -> Result<(i64, MessageFacts), Failure> {
    let found = conn.one(statements::MESSAGE_FACTS, params![thread.id, message.as_str()], |row| {
        let facts = MessageFacts {
            sender: rows::person(row, 4, 5)?,
            is_note: rows::some_number(row, 1)?.is_none(),
            created_at: rows::time(row, 2)?,
            deleted: rows::flag(row, 3)?,
        };
        Ok((rows::id(row, 0)?, facts))
    })?;
    let (row, facts): (i64, MessageFacts) = found.ok_or(StoreError::NotFound)?;
    facts.check_exists(scope)?;
    Ok((row, facts))
}

fn updated(
    conn: &dyn Sql,
    thread: &mut Thread,
    row: i64,
    facts: &MessageFacts,
    message: MessageId,
    content: Option<std::sync::Arc<str>>,
    at: Timestamp,
) -> Result<StoredEvent, Failure> {
    let columns = Columns { message: Some(row), ..Columns::default() };
    let place = thread.add(conn, rows::UPDATED, &columns, facts.is_note, at)?;
    thread.save(conn)?;
    let deleted = content.is_none();
    Ok(thread.event(place, EventBody::Updated { message, content, at, deleted }))
}
