//! Rows to the model, and its small enums to numbers.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use super::error::Failure;
use super::link::Row;
use crate::store::{Conversation, EventBody, Message, PersonKey, SeenMark, SiteKey, StoreError, StoredEvent};
use cossistant_protocol::{ConversationStatus, Identity, PersonId, Timestamp, UserType, Visibility};

pub(in crate::store) const CREATED: i64 = 0;
pub(in crate::store) const MESSAGE: i64 = 1;
pub(in crate::store) const UPDATED: i64 = 2;
pub(in crate::store) const STATUS: i64 = 3;
pub(in crate::store) const ASSIGNED: i64 = 4;

pub(in crate::store) const fn kind_number(kind: UserType) -> i64 {
    match kind {
        UserType::Visitor => 0,
        UserType::User => 1,
        UserType::AiAgent => 2,
    }
}

pub(in crate::store) const fn status_number(status: ConversationStatus) -> i64 {
    match status {
        ConversationStatus::Open => 0,
        ConversationStatus::Pending => 1,
        ConversationStatus::Resolved => 2,
        ConversationStatus::Closed => 3,
    }
}

/// A number for the database, which counts to 2^63.
pub(in crate::store) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same for lengths.
pub(in crate::store) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsound(index: usize, reason: impl Display) -> Failure {
    StoreError::Corrupt(format!("column {index} of a row: {reason}")).into()
}

/// A number of a row, which refers to others by it.
pub(in crate::store) fn id(row: &dyn Row, index: usize) -> Result<i64, Failure> {
    row.int(index)?.ok_or_else(|| unsound(index, "a number is missing"))
}

/// A small number.
pub(in crate::store) fn small<T: TryFrom<i64>>(row: &dyn Row, index: usize) -> Result<T, Failure> {
    T::try_from(id(row, index)?).map_err(|_| unsound(index, "a number is out of its range"))
}

/// A number that was written by [`int`].
pub(in crate::store) fn number(row: &dyn Row, index: usize) -> Result<u64, Failure> {
    u64::try_from(id(row, index)?).map_err(|_| unsound(index, "a number is negative"))
}

pub(in crate::store) fn some_number(row: &dyn Row, index: usize) -> Result<Option<u64>, Failure> {
    row.int(index)?.map(|value| u64::try_from(value).map_err(|_| unsound(index, "a number is negative"))).transpose()
}

pub(in crate::store) fn time(row: &dyn Row, index: usize) -> Result<Timestamp, Failure> {
    number(row, index).map(Timestamp)
}

pub(in crate::store) fn flag(row: &dyn Row, index: usize) -> Result<bool, Failure> {
    Ok(id(row, index)? != 0)
}

fn str(row: &dyn Row, index: usize) -> Result<&str, Failure> {
    row.text(index)?.ok_or_else(|| unsound(index, "a text is missing"))
}

pub(in crate::store) fn text(row: &dyn Row, index: usize) -> Result<String, Failure> {
    str(row, index).map(str::to_owned)
}

pub(in crate::store) fn some_text(row: &dyn Row, index: usize) -> Result<Option<String>, Failure> {
    Ok(row.text(index)?.map(str::to_owned))
}

pub(in crate::store) fn bytes(row: &dyn Row, index: usize) -> Result<Vec<u8>, Failure> {
    row.blob(index)?.map(<[u8]>::to_vec).ok_or_else(|| unsound(index, "bytes are missing"))
}

/// As many bytes as the array has.
pub(in crate::store) fn array<const N: usize>(row: &dyn Row, index: usize) -> Result<[u8; N], Failure> {
    let bytes = bytes(row, index)?;
    let count = bytes.len();
    bytes.try_into().map_err(|_| unsound(index, format_args!("{count} bytes and not {N}")))
}

/// An id, or anything else that has a form.
pub(in crate::store) fn parsed<T: FromStr<Err: Display>>(row: &dyn Row, index: usize) -> Result<T, Failure> {
    str(row, index)?.parse().map_err(|error| unsound(index, error))
}

pub(in crate::store) fn some_parsed<T: FromStr<Err: Display>>(
    row: &dyn Row,
    index: usize,
) -> Result<Option<T>, Failure> {
    row.text(index)?.map(|text| text.parse().map_err(|error| unsound(index, error))).transpose()
}

pub(in crate::store) fn some_shared(row: &dyn Row, index: usize) -> Result<Option<Arc<str>>, Failure> {
    Ok(row.text(index)?.map(Arc::from))
}

pub(in crate::store) fn user_type(row: &dyn Row, index: usize) -> Result<UserType, Failure> {
    let value = id(row, index)?;
    let found = UserType::ALL.iter().find(|kind| kind_number(**kind) == value);
    found.copied().ok_or_else(|| unsound(index, "no kind of person"))
}

pub(in crate::store) fn status(row: &dyn Row, index: usize) -> Result<ConversationStatus, Failure> {
    let value = id(row, index)?;
    let found = ConversationStatus::ALL.iter().find(|status| status_number(**status) == value);
    found.copied().ok_or_else(|| unsound(index, "no status"))
}

pub(in crate::store) fn person(row: &dyn Row, kind: usize, id: usize) -> Result<PersonKey, Failure> {
    Ok(PersonKey { kind: user_type(row, kind)?, id: parsed(row, id)? })
}

/// `None` where nothing is known of the person.
pub(in crate::store) fn identity(
    row: &dyn Row,
    external_id: usize,
    email: usize,
    name: usize,
) -> Result<Option<Identity>, Failure> {
    let identity = Identity {
        external_id: some_text(row, external_id)?,
        email: some_text(row, email)?,
        name: some_text(row, name)?,
    };
    let is_known = identity.external_id.is_some() || identity.email.is_some() || identity.name.is_some();
    Ok(is_known.then_some(identity))
}

/// A conversation with the integers by which its rows refer to each other.
#[derive(Debug, Clone)]
pub(in crate::store) struct Thread {
    pub(in crate::store) id: i64,
    pub(in crate::store) website: i64,
    pub(in crate::store) visitor: i64,
    pub(in crate::store) organization: i64,
    /// The newest offset of its website.
    pub(in crate::store) website_head: u64,
    /// What is known of its visitor.
    pub(in crate::store) identity: Option<Identity>,
    pub(in crate::store) conversation: Conversation,
}

/// A row of a `conversations!` statement.
pub(in crate::store) fn thread(
    row: &dyn Row,
    organization: &cossistant_protocol::OrganizationId,
) -> Result<Thread, Failure> {
    Ok(Thread {
        id: id(row, 0)?,
        website: id(row, 2)?,
        visitor: id(row, 4)?,
        organization: id(row, 12)?,
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
pub(in crate::store) fn event(row: &dyn Row, website: &SiteKey) -> Result<StoredEvent, Failure> {
    let kind = id(row, 3)?;
    let by = || some_parsed::<PersonId>(row, 20);
    let body = match kind {
        CREATED => EventBody::Created { visitor: parsed(row, 6)?, at: time(row, 4)? },
        MESSAGE => EventBody::Message(message(row)?),
        UPDATED => EventBody::Updated {
            message: parsed(row, 7)?,
            content: some_shared(row, 16)?,
            at: time(row, 10)?,
            deleted: flag(row, 11)?,
        },
        STATUS => EventBody::Status { status: status(row, 18)?, by: by()?, visitor: parsed(row, 6)? },
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

fn message(row: &dyn Row) -> Result<Message, Failure> {
    let is_note = row.int(8)?.is_none();
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
        deleted: flag(row, 11)?,
    })
}

/// A row of `SEEN_OF_CONVERSATION`.
pub(in crate::store) fn seen(row: &dyn Row, website: &SiteKey) -> Result<SeenMark, Failure> {
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
