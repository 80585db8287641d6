//! Reads of conversations and their events.

use cossistant_protocol::{ConversationId, MessageId, OrganizationId, RequestId, WebsiteId};

use super::error::Failure;
use super::link::Sql;
use super::value::{Value, params};
use super::{lookup, messages, rows, statements};
use crate::store::{
    Audience, ConversationSnapshot, EventBody, KnownMessage, MessagePage, PersonKey, Scope, SiteKey, StoreError,
    StoredEvent,
};

pub(super) fn snapshot(
    conn: &dyn Sql,
    organization: &OrganizationId,
    scope: &Scope,
    conversation: &ConversationId,
) -> Result<ConversationSnapshot, Failure> {
    let thread = lookup::thread_in(conn, organization, scope, conversation)?;
    let website = &thread.conversation.website;
    let mut seen = conn.all(statements::SEEN_OF_CONVERSATION, params![thread.id], |row| rows::seen(row, website))?;
    seen.sort_by(|a, b| a.person.cmp(&b.person));
    Ok(ConversationSnapshot { website_head: thread.website_head, conversation: thread.conversation, seen })
}

/// A stretch of a numbering: past `after`, not past `upto`, at most `limit`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) after: u64,
    pub(super) upto: u64,
    pub(super) limit: usize,
}

pub(super) fn conversation_events(
    conn: &dyn Sql,
    organization: &OrganizationId,
    conversation: &ConversationId,
    audience: Audience,
    stretch: Stretch,
) -> Result<Vec<StoredEvent>, Failure> {
    let thread = lookup::thread(conn, organization, conversation)?.ok_or(StoreError::NotFound)?;
    let sql = match audience {
        Audience::Team => statements::TEAM_EVENTS,
        Audience::Visitor => statements::VISITOR_EVENTS,
    };
    let places = params![thread.id, rows::int(stretch.after), rows::int(stretch.upto), rows::limit(stretch.limit)];
    events(conn, sql, places, &thread.conversation.website)
}

pub(super) fn website_events(
    conn: &dyn Sql,
    organization: OrganizationId,
    website: WebsiteId,
    stretch: Stretch,
) -> Result<Vec<StoredEvent>, Failure> {
    let site = lookup::site(conn, &organization, &website)?;
    let places = params![site.id, rows::int(stretch.after), rows::int(stretch.upto), rows::limit(stretch.limit)];
    events(conn, statements::WEBSITE_EVENTS, places, &SiteKey { organization, website })
}

fn events(
    conn: &dyn Sql,
    sql: &'static str,
    params: &[Value<'_>],
    website: &SiteKey,
) -> Result<Vec<StoredEvent>, Failure> {
    conn.all(sql, params, |row| rows::event(row, website))
}

pub(super) fn page(
    conn: &dyn Sql,
    organization: &OrganizationId,
    scope: &Scope,
    conversation: &ConversationId,
    page: MessagePage,
) -> Result<(Vec<StoredEvent>, bool), Failure> {
    let thread = lookup::thread_in(conn, organization, scope, conversation)?;
    page_of(conn, thread.id, scope.audience(), &thread.conversation.website, page)
}

/// One page of messages and whether more lie in its direction.
pub(super) fn page_of(
    conn: &dyn Sql,
    thread: i64,
    audience: Audience,
    website: &SiteKey,
    page: MessagePage,
) -> Result<(Vec<StoredEvent>, bool), Failure> {
    let is_rising = page.after.is_some();
    let sql = match (audience, is_rising) {
        (Audience::Team, true) => statements::TEAM_MESSAGES_UP,
        (Audience::Team, false) => statements::TEAM_MESSAGES_DOWN,
        (Audience::Visitor, true) => statements::VISITOR_MESSAGES_UP,
        (Audience::Visitor, false) => statements::VISITOR_MESSAGES_DOWN,
    };
    let after = rows::int(page.after.unwrap_or(0));
    let before = rows::int(page.before.unwrap_or(u64::MAX));
    let one_more = rows::limit(page.limit).saturating_add(1);
    let mut found = events(conn, sql, params![thread, after, before, one_more], website)?;
    let has_more = found.len() > page.limit;
    found.truncate(page.limit);
    if !is_rising {
        found.reverse();
    }
    Ok((found, has_more))
}

pub(super) fn message(
    conn: &dyn Sql,
    organization: &OrganizationId,
    scope: &Scope,
    conversation: &ConversationId,
    message: &MessageId,
) -> Result<StoredEvent, Failure> {
    let thread = lookup::thread_in(conn, organization, scope, conversation)?;
    let website = &thread.conversation.website;
    let found = conn.one(statements::MESSAGE, params![thread.id, message.as_str()], |row| rows::event(row, website))?;
    let event = found.ok_or(StoreError::NotFound)?;
    let is_hidden = event.visitor_seq.is_none() && scope.audience() == Audience::Visitor;
    if is_hidden || !matches!(event.body, EventBody::Message(_)) {
        return Err(StoreError::NotFound.into());
    }
    Ok(event)
}

/// The message under an idempotency key; none where a visitor would make the conversation by sending.
pub(super) fn known(
    conn: &dyn Sql,
    organization: &OrganizationId,
    scope: &Scope,
    conversation: &ConversationId,
    sender: PersonKey,
    key: &RequestId,
) -> Result<Option<KnownMessage>, Failure> {
    let Some(thread) = lookup::thread(conn, organization, conversation)? else {
        return match scope {
            Scope::Visitor { .. } => Ok(None),
            Scope::Team { .. } => Err(StoreError::NotFound.into()),
        };
    };
    thread.check(conn, scope)?;
    let sender = thread.resolve_person(conn, sender)?;
    match lookup::person(conn, thread.organization, thread.website, sender.kind, &sender.id)? {
        Some(sender) => messages::known(conn, &thread, sender.id, key),
        None => Ok(None),
    }
}
