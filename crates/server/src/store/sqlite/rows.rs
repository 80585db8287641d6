//! Rows to the model, and its small enums to numbers.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use cossistant_protocol::{ConversationStatus, Identity, PersonId, Timestamp, UserType, Visibility};
use rusqlite::types::Type;
use rusqlite::{Error, Row};

use crate::store::{Conversation, EventBody, Message, PersonKey, SeenMark, SiteKey, StoredEvent};

pub(super) const CREATED: i64 = 0;
pub(super) const MESSAGE: i64 = 1;
pub(super) const UPDATED: i64 = 2;
pub(super) const STATUS: i64 = 3;
pub(super) const ASSIGNED: i64 = 4;

pub(super) const fn kind_number(kind: UserType) -> i64 {
    match kind {
        UserType::Visitor => 0,
        UserType::User => 1,
        UserType::AiAgent => 2,
    }
}

pub(super) const fn status_number(status: ConversationStatus) -> i64 {
    match status {
        ConversationStatus::Open => 0,
        ConversationStatus::Pending => 1,
        ConversationStatus::Resolved => 2,
        ConversationStatus::Closed => 3,
    }
}

/// A number for the database, which counts to 2^63.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same for lengths.
pub(super) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsound(index: usize, reason: impl Display) -> Error {
    Error::FromSqlConversionFailure(index, Type::Null, reason.to_string().into())
}

/// A number that was written by [`int`].
pub(super) fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| unsound(index, "a number is negative"))
}

pub(super) fn some_number(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(index)?;
    value.map(|value| u64::try_from(value).map_err(|_| unsound(index, "a number is negative"))).transpose()
}

pub(super) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    number(row, index).map(Timestamp)
}

/// An id, or anything else that has a form.
pub(super) fn parsed<T: FromStr<Err: Display>>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?.as_str().map_err(|error| unsound(index, error))?;
    text.parse().map_err(|error| unsound(index, error))
}

pub(super) fn some_parsed<T: FromStr<Err: Display>>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(index)?.as_str_or_null().map_err(|error| unsound(index, error))?;
    text.map(|text| text.parse().map_err(|error| unsound(index, error))).transpose()
}

pub(super) fn some_shared(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Arc<str>>> {
    let text = row.get_ref(index)?.as_str_or_null().map_err(|error| unsound(index, error))?;
    Ok(text.map(Arc::from))
}

pub(super) fn user_type(row: &Row<'_>, index: usize) -> rusqlite::Result<UserType> {
    let value: i64 = row.get(index)?;
    let found = UserType::ALL.iter().find(|kind| kind_number(**kind) == value);
    found.copied().ok_or_else(|| unsound(index, "no kind of person"))
}

pub(super) fn status(row: &Row<'_>, index: usize) -> rusqlite::Result<ConversationStatus> {
    let value: i64 = row.get(index)?;
    let found = ConversationStatus::ALL.iter().find(|status| status_number(**status) == value);
    found.copied().ok_or_else(|| unsound(index, "no status"))
}

pub(super) fn person(row: &Row<'_>, kind: usize, id: usize) -> rusqlite::Result<PersonKey> {
    Ok(PersonKey { kind: user_type(row, kind)?, id: parsed(row, id)? })
}

/// `None` where nothing is known of the person.
pub(super) fn identity(
    row: &Row<'_>,
    external_id: usize,
    email: usize,
    name: usize,
) -> rusqlite::Result<Option<Identity>> {
    let identity = Identity { external_id: row.get(external_id)?, email: row.get(email)?, name: row.get(name)? };
    let is_known = identity.external_id.is_some() || identity.email.is_some() || identity.name.is_some();
    Ok(is_known.then_some(identity))
}

/// A conversation with the integers by which its rows refer to each other.
#[derive(Debug, Clone)]
pub(super) struct Thread {
    pub(super) id: i64,
    pub(super) website: i64,
    pub(super) visitor: i64,
    pub(super) organization: i64,
    /// The newest offset of its website.
    pub(super) website_head: u64,
    /// What is known of its visitor.
    pub(super) identity: Option<Identity>,
    pub(super) conversation: Conversation,
}

/// A row of a `conversations!` statement.
pub(super) fn thread(row: &Row<'_>, organization: &cossistant_protocol::OrganizationId) -> rusqlite::Result<Thread> {
    Ok(Thread {
        id: row.get(0)?,
        website: row.get(2)?,
        visitor: row.get(4)?,
        organization: row.get(12)?,
        website_head: number(row, 13)?,
        identity: identity(row, 14, 15, 16)?,
        conversation: Conversation {
            id: parsed(row, 1)?,
            website: SiteKey { organization: organization.clone(), website: parsed(row, 3)? },
            visitor: parsed(row, 5)?,
            status: status(row, 6)?,
            assignee: some_parsed(row, 7)?,
            created_at: time(row, 8)?,
            last_activity_at: time(row, 9)?,
            visitor_activity_at: time(row, 17)?,
            team_head: number(row, 10)?,
            visitor_head: number(row, 11)?,
        },
    })
}

/// A row of an `events!` statement.
pub(super) fn event(row: &Row<'_>, website: &SiteKey) -> rusqlite::Result<StoredEvent> {
    let kind: i64 = row.get(3)?;
    let by = || some_parsed::<PersonId>(row, 20);
    let body = match kind {
        CREATED => EventBody::Created { visitor: parsed(row, 6)?, at: time(row, 4)? },
        MESSAGE => EventBody::Message(message(row)?),
        UPDATED => EventBody::Updated {
            message: parsed(row, 7)?,
            content: some_shared(row, 16)?,
            at: time(row, 10)?,
            deleted: row.get(11)?,
        },
        STATUS => EventBody::Status { status: status(row, 18)?, by: by()? },
        ASSIGNED => EventBody::Assigned { assignee: some_parsed(row, 19)?, by: by()? },
        _ => return Err(unsound(3, "no kind of event")),
    };
    Ok(StoredEvent {
        website: website.clone(),
        conversation: parsed(row, 5)?,
        offset: number(row, 0)?,
        team_seq: number(row, 1)?,
        visitor_seq: some_number(row, 2)?,
        body,
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let is_note = row.get_ref(8)? == rusqlite::types::ValueRef::Null;
    Ok(Message {
        id: parsed(row, 7)?,
        content: some_shared(row, 16)?,
        metadata: some_shared(row, 17)?,
        sender: person(row, 12, 13)?,
        sender_name: some_shared(row, 14)?,
        key: parsed(row, 15)?,
        visibility: if is_note { Visibility::Internal } else { Visibility::Public },
        created_at: time(row, 9)?,
        updated_at: some_number(row, 10)?.map(Timestamp),
        deleted: row.get(11)?,
    })
}

/// A row of `SEEN_OF_CONVERSATION`.
pub(super) fn seen(row: &Row<'_>, website: &SiteKey) -> rusqlite::Result<SeenMark> {
    Ok(SeenMark {
        website: website.clone(),
        person: person(row, 0, 1)?,
        name: some_shared(row, 2)?,
        avatar_url: some_shared(row, 3)?,
        team_seq: number(row, 4)?,
        visitor_seq: number(row, 5)?,
        at: time(row, 6)?,
    })
}
