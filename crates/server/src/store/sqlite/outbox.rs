//! Webhooks, their deliveries, and the timers of unseen messages.

use std::collections::BTreeMap;

use cossistant_protocol::http::{DeliveryStatus, MAX_UNSEEN_MESSAGES, MAX_WEBHOOKS, WebhookEvent};
use cossistant_protocol::{DeliveryId, OrganizationId, Timestamp, WebhookId};
use rusqlite::{Connection, OptionalExtension, Row};

use super::conversations::seen;
use super::error::Failure;
use super::rows::{self, Thread};
use super::statements::{self, directory};
use super::writer::Write;
use super::{lookup, setup};
use crate::store::outbox::{
    Attempt, AttemptOutcome, CLEANED_AT_ONCE, CleanOutbox, DeliveryContent, DeliveryPage, DeliveryRow, DueDeliveries,
    DueDelivery, EventSet, SigningSecret, TOO_MANY_WEBHOOKS, TakeDeliveries, UNSEEN_AT_ONCE, UnseenMessages,
    WAITED_TOO_LONG, WebhookRow, event_number, reader_of, told_as,
};
use crate::store::{Audience, EventBody, SiteKey, StoreError, StoredEvent};

const VISITOR: i64 = 0;
const TEAM: i64 = 1;

/// Which webhooks there are, in the writer's memory: where there are none, an event costs nothing more.
///
/// It is read when it is first asked for, within the transaction of whoever asks, and forgotten whenever webhooks
/// change or a transaction is undone.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    /// By organization: which webhook, and what it is told of.
    known: Option<BTreeMap<i64, Vec<(i64, EventSet)>>>,
    /// Whether the group has made something due.
    pub(super) has_due: bool,
}

impl Hooks {
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// The webhooks of an organization.
    fn of(&mut self, conn: &Connection, organization: i64) -> Result<&[(i64, EventSet)], Failure> {
        let known = match self.known.take() {
            Some(known) => known,
            None => read_hooks(conn)?,
        };
        Ok(self.known.insert(known).get(&organization).map(Vec::as_slice).unwrap_or_default())
    }
}

fn read_hooks(conn: &Connection) -> Result<BTreeMap<i64, Vec<(i64, EventSet)>>, Failure> {
    let mut known: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    let mut statement = conn.prepare_cached(directory::WEBHOOKS)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        known.entry(row.get(1)?).or_default().push((row.get(0)?, EventSet::from_bits(row.get(2)?)));
    }
    Ok(known)
}

/// Queues what webhooks are to be told of events that were just written. Looks at conversations and websites only by
/// what is given.
pub(super) fn queue(
    write: &mut Write<'_>,
    thread: &Thread,
    events: &[StoredEvent],
    at: Timestamp,
) -> Result<(), Failure> {
    let hooks = write.hooks.of(write.conn, thread.organization)?;
    if hooks.is_empty() {
        return Ok(());
    }
    let mut has_due = false;
    for event in events {
        let kind = told_as(&event.body);
        for (hook, _) in hooks.iter().filter(|(_, events)| events.contains(kind)) {
            let telling = Telling { hook: *hook, event: kind, website: thread.website, place: rows::int(event.offset) };
            telling.insert(write.conn, None, at)?;
            has_due = true;
        }
        if hooks.iter().any(|(_, events)| events.contains(WebhookEvent::MessageUnseen)) {
            has_due |= watch(write.conn, thread, event, at)?;
        }
    }
    write.hooks.has_due |= has_due;
    Ok(())
}

/// Begins the timer of a public message, unless the side that is to read it has one already.
fn watch(conn: &Connection, thread: &Thread, event: &StoredEvent, at: Timestamp) -> Result<bool, Failure> {
    let EventBody::Message(message) = &event.body else { return Ok(false) };
    if event.visitor_seq.is_none() {
        return Ok(false);
    }
    let after: u64 =
        conn.prepare_cached(statements::UNSEEN_AFTER)?.query_row([thread.website], |row| rows::number(row, 0))?;
    if after == 0 {
        return Ok(false);
    }
    let side = match reader_of(message.sender.kind) {
        Audience::Visitor => VISITOR,
        Audience::Team => TEAM,
    };
    let due_at = at.plus_millis(after.saturating_mul(1000));
    let begun = conn.prepare_cached(statements::PUT_UNSEEN)?.execute((
        thread.id,
        side,
        rows::int(event.team_seq),
        rows::int(due_at.0),
    ))?;
    Ok(begun > 0)
}

/// A delivery to be queued.
#[derive(Debug, Clone, Copy)]
struct Telling {
    hook: i64,
    event: WebhookEvent,
    website: i64,
    place: i64,
}

/// The messages that a `message.unseen` is about.
#[derive(Debug, Clone, Copy)]
struct Unread {
    since_seq: i64,
    upto_seq: i64,
    side: i64,
}

impl Telling {
    fn insert(&self, conn: &Connection, unread: Option<Unread>, at: Timestamp) -> Result<(), Failure> {
        conn.prepare_cached(statements::INSERT_DELIVERY)?.execute((
            self.hook,
            event_number(self.event),
            self.website,
            self.place,
            unread.map(|unread| unread.since_seq),
            unread.map(|unread| unread.upto_seq),
            unread.map(|unread| unread.side),
            rows::int(at.0),
        ))?;
        Ok(())
    }
}

// ---- set-up ----

pub(super) fn create_webhook(write: &mut Write<'_>, row: &WebhookRow) -> Result<(), Failure> {
    let organization = lookup::organization(write.conn, &row.organization)?;
    if write.hooks.of(write.conn, organization)?.len() >= MAX_WEBHOOKS {
        return Err(TOO_MANY_WEBHOOKS.into());
    }
    let inserted = write.conn.prepare_cached(statements::INSERT_WEBHOOK)?.execute((
        row.id.as_str(),
        organization,
        &row.url,
        row.secret.expose(),
        row.events.bits(),
        rows::int(row.created_at.0),
    ));
    inserted.map_err(setup::taken)?;
    write.hooks.forget();
    Ok(())
}

pub(super) fn webhooks(conn: &Connection, id: &OrganizationId) -> Result<Vec<WebhookRow>, Failure> {
    let organization = lookup::organization(conn, id)?;
    let mut statement = conn.prepare_cached(statements::WEBHOOKS_OF_ORGANIZATION)?;
    let found = statement.query_map([organization], |row| {
        Ok(WebhookRow {
            id: rows::parsed(row, 0)?,
            organization: id.clone(),
            url: row.get(1)?,
            secret: SigningSecret::new(row.get::<_, Vec<u8>>(2)?),
            events: EventSet::from_bits(row.get(3)?),
            created_at: rows::time(row, 4)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn webhook(conn: &Connection, organization: &OrganizationId, id: &WebhookId) -> Result<i64, Failure> {
    let mut statement = conn.prepare_cached(statements::WEBHOOK)?;
    let found = statement.query_row([id.as_str(), organization.as_str()], |row| row.get(0)).optional()?;
    found.ok_or(Failure::Answer(StoreError::NotFound))
}

pub(super) fn delete_webhook(
    write: &mut Write<'_>,
    organization: &OrganizationId,
    id: &WebhookId,
) -> Result<(), Failure> {
    let hook = webhook(write.conn, organization, id)?;
    write.conn.prepare_cached(statements::LEAVE_WEBHOOK)?.execute([hook])?;
    write.hooks.forget();
    Ok(())
}

/// Takes all webhooks from an organization that is about to be deleted.
pub(super) fn clear_organization(write: &mut Write<'_>, organization: i64) -> Result<(), Failure> {
    write.conn.prepare_cached(statements::LEAVE_WEBHOOKS)?.execute([organization])?;
    write.hooks.forget();
    Ok(())
}

// ---- what became of deliveries ----

/// A delivery's id from its row's: the rows of a store are numbered as they are made, and those of another life of the
/// same data are told apart by the epoch.
fn delivery_id(row: i64, epoch: &str) -> DeliveryId {
    let life = epoch.get(..8).unwrap_or(epoch);
    DeliveryId::new(format!("dlv_{row:012x}{life}")).expect("made of letters and digits")
}

/// The inverse of [`delivery_id`]; `None` for ids of another life.
fn delivery_row(id: &DeliveryId, epoch: &str) -> Option<i64> {
    let digits = id.as_str().strip_prefix("dlv_")?.get(..12)?;
    let row = i64::from_str_radix(digits, 16).ok()?;
    (delivery_id(row, epoch) == *id).then_some(row)
}

fn status_number(status: DeliveryStatus) -> i64 {
    match status {
        DeliveryStatus::Pending => 0,
        DeliveryStatus::Failed => 1,
        DeliveryStatus::Delivered => 2,
        DeliveryStatus::Dead => 3,
    }
}

fn event(row: &Row<'_>, index: usize) -> rusqlite::Result<WebhookEvent> {
    let number: u32 = row.get(index)?;
    let found = WebhookEvent::ALL.iter().find(|event| event_number(**event) == number);
    found.copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(index, i64::from(number)))
}

fn delivery(row: &Row<'_>, epoch: &str) -> rusqlite::Result<DeliveryRow> {
    let number: i64 = row.get(3)?;
    let status = DeliveryStatus::ALL.iter().find(|status| status_number(**status) == number);
    Ok(DeliveryRow {
        id: delivery_id(row.get(0)?, epoch),
        event: event(row, 1)?,
        at: rows::time(row, 2)?,
        status: *status.ok_or(rusqlite::Error::IntegralValueOutOfRange(3, number))?,
        attempts: row.get(4)?,
        last_at: rows::some_number(row, 5)?.map(Timestamp),
        next_at: rows::time(row, 6)?,
        last_status: row.get(7)?,
        last_error: row.get(8)?,
    })
}

pub(super) fn deliveries(
    conn: &Connection,
    organization: &OrganizationId,
    id: &WebhookId,
    page: &DeliveryPage,
    epoch: &str,
) -> Result<(Vec<DeliveryRow>, bool), Failure> {
    let hook = webhook(conn, organization, id)?;
    let before = match &page.before {
        // Older ones of another life do not exist.
        Some(id) => delivery_row(id, epoch).unwrap_or(0),
        None => i64::MAX,
    };
    let one_more = rows::limit(page.limit).saturating_add(1);
    let read = |row: &Row<'_>| delivery(row, epoch);
    let mut found = match page.status {
        Some(status) => {
            let mut statement = conn.prepare_cached(statements::DELIVERIES_BY_STATUS)?;
            let rows = statement.query_map((hook, before, one_more, status_number(status)), read)?;
            rows.collect::<Result<Vec<_>, _>>()?
        }
        None => {
            let mut statement = conn.prepare_cached(statements::DELIVERIES)?;
            let rows = statement.query_map((hook, before, one_more), read)?;
            rows.collect::<Result<Vec<_>, _>>()?
        }
    };
    let has_more = found.len() > page.limit;
    found.truncate(page.limit);
    Ok((found, has_more))
}

pub(super) fn resend(
    write: &mut Write<'_>,
    organization: &OrganizationId,
    id: &WebhookId,
    delivery_id: &DeliveryId,
    at: Timestamp,
    epoch: &str,
) -> Result<DeliveryRow, Failure> {
    let hook = webhook(write.conn, organization, id)?;
    let row = delivery_row(delivery_id, epoch).ok_or(StoreError::NotFound)?;
    let changed = write.conn.prepare_cached(statements::RESEND_DELIVERY)?.execute((row, hook, rows::int(at.0)))?;
    if changed == 0 {
        return Err(StoreError::NotFound.into());
    }
    write.hooks.has_due = true;
    let mut statement = write.conn.prepare_cached(statements::DELIVERY)?;
    Ok(statement.query_row([row], |row| delivery(row, epoch))?)
}

// ---- for the worker ----

/// A webhook that may have something to be sent.
struct Hook {
    row: i64,
    id: WebhookId,
    url: String,
    secret: SigningSecret,
}

pub(super) fn due(conn: &Connection, take: &TakeDeliveries, epoch: &str) -> Result<DueDeliveries, Failure> {
    let mut due = DueDeliveries::default();
    let mut candidates = Vec::new();
    for hook in hooks(conn)? {
        let busy = take.busy.get(&hook.id);
        let in_flight = busy.map(|busy| busy.in_flight.as_slice()).unwrap_or_default();
        let lane = busy.map_or(take.lane, |busy| busy.lane);
        let Some(room) = lane.checked_sub(in_flight.len()).filter(|room| *room > 0) else { continue };
        let mut statement = conn.prepare_cached(statements::WAITING_DELIVERIES)?;
        // Those in flight may be the first ones, and the one behind the last tells when there is more to do.
        let waiting = statement
            .query_map((hook.row, rows::limit(in_flight.len() + room + 1)), |row| {
                Ok((row.get::<_, i64>(0)?, rows::time(row, 1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut taken = 0;
        for (row, next_at) in waiting {
            if in_flight.contains(&delivery_id(row, epoch)) {
                continue;
            }
            if next_at > take.now {
                due.next_at = Some(due.next_at.map_or(next_at, |first| first.min(next_at)));
                break;
            }
            if taken == room {
                break;
            }
            candidates.push((in_flight.len() + taken, next_at, row, hook.row));
            taken += 1;
        }
    }
    candidates.sort_unstable();
    if candidates.len() > take.limit {
        candidates.truncate(take.limit);
        due.next_at = Some(take.now);
    }
    for (_, _, row, hook) in candidates {
        due.deliveries.push(read_due(conn, row, hook, epoch)?);
    }
    due.unseen_at = first(conn, statements::FIRST_UNSEEN)?;
    due.waiting_since = first(conn, statements::WAITING_SINCE)?;
    Ok(due)
}

fn first(conn: &Connection, sql: &str) -> Result<Option<Timestamp>, Failure> {
    Ok(conn.prepare_cached(sql)?.query_row([], |row| rows::time(row, 0)).optional()?)
}

fn hooks(conn: &Connection) -> Result<Vec<Hook>, Failure> {
    let mut statement = conn.prepare_cached(directory::WEBHOOK_IDS)?;
    let found = statement.query_map([], hook)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn hook(row: &Row<'_>) -> rusqlite::Result<Hook> {
    Ok(Hook {
        row: row.get(0)?,
        id: rows::parsed(row, 1)?,
        url: row.get(2)?,
        secret: SigningSecret::new(row.get::<_, Vec<u8>>(3)?),
    })
}

/// What of a delivery's row names what it tells of.
struct Named {
    website: i64,
    place: i64,
    unread: Option<Unread>,
}

fn read_due(conn: &Connection, row: i64, hook_row: i64, epoch: &str) -> Result<DueDelivery, Failure> {
    let hook = conn.prepare_cached(statements::WEBHOOK_BY_ID)?.query_row([hook_row], hook)?;
    let (named, mut due) = conn.prepare_cached(statements::DUE_DELIVERY)?.query_row([row], |row| {
        let unread = match row.get::<_, Option<i64>>(3)? {
            Some(since_seq) => Some(Unread { since_seq, upto_seq: row.get(4)?, side: row.get(5)? }),
            None => None,
        };
        let named = Named { website: row.get(1)?, place: row.get(2)?, unread };
        let due = DueDelivery {
            id: delivery_id(row.get(9)?, epoch),
            webhook: hook.id,
            url: hook.url,
            secret: hook.secret,
            event: event(row, 0)?,
            at: rows::time(row, 6)?,
            attempts: row.get(7)?,
            round: row.get(8)?,
            content: DeliveryContent::Gone,
        };
        Ok((named, due))
    })?;
    due.content = content(conn, &named)?;
    Ok(due)
}

fn content(conn: &Connection, named: &Named) -> Result<DeliveryContent, Failure> {
    let site = conn
        .prepare_cached(statements::SITE_BY_ID)?
        .query_row([named.website], |row| {
            Ok(SiteKey { organization: rows::parsed(row, 0)?, website: rows::parsed(row, 1)? })
        })
        .optional()?;
    let Some(site) = site else { return Ok(DeliveryContent::Gone) };
    let content = match named.unread {
        None => {
            let mut statement = conn.prepare_cached(statements::EVENT_AT)?;
            let event = statement.query_row((named.website, named.place), |row| rows::event(row, &site)).optional()?;
            event.map(DeliveryContent::Event)
        }
        Some(unread) => unseen(conn, named, unread, site)?.map(DeliveryContent::Unseen),
    };
    Ok(content.unwrap_or(DeliveryContent::Gone))
}

fn unseen(
    conn: &Connection,
    named: &Named,
    unread: Unread,
    website: SiteKey,
) -> Result<Option<UnseenMessages>, Failure> {
    let thread = conn
        .prepare_cached(statements::UNSEEN_PLACE)?
        .query_row((named.place, named.website), |row| Ok((rows::parsed(row, 0)?, rows::parsed(row, 1)?)))
        .optional()?;
    let Some((conversation, visitor)) = thread else { return Ok(None) };
    let Unread { since_seq, upto_seq, side } = unread;
    let count = conn
        .prepare_cached(statements::COUNT_UNSEEN)?
        .query_row((named.place, since_seq, upto_seq, side), |row| rows::number(row, 0))?;
    let mut statement = conn.prepare_cached(statements::UNSEEN_MESSAGES)?;
    let newest = (named.place, since_seq, upto_seq, side, rows::limit(MAX_UNSEEN_MESSAGES));
    let messages = statement.query_map(newest, |row| rows::event(row, &website))?;
    let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
    messages.reverse();
    let unseen_by = if side == VISITOR { Audience::Visitor } else { Audience::Team };
    let unseen = UnseenMessages { website, conversation, visitor, unseen_by, count, messages };
    Ok((count > 0).then_some(unseen))
}

pub(super) fn settle(write: &mut Write<'_>, attempt: &Attempt, epoch: &str) -> Result<(), Failure> {
    let Some(row) = delivery_row(&attempt.delivery, epoch) else { return Ok(()) };
    let at = rows::int(attempt.at.0);
    let (status, next_at, error) = match &attempt.outcome {
        AttemptOutcome::Gone => {
            write.conn.prepare_cached(statements::DROP_DELIVERY)?.execute((row, attempt.round))?;
            return Ok(());
        }
        AttemptOutcome::Delivered => (DeliveryStatus::Delivered, at, None),
        AttemptOutcome::Failed { error, next_at: Some(next_at) } => {
            (DeliveryStatus::Failed, rows::int(next_at.0), Some(error))
        }
        AttemptOutcome::Failed { error, next_at: None } => (DeliveryStatus::Dead, at, Some(error)),
    };
    write.conn.prepare_cached(statements::SETTLE_DELIVERY)?.execute((
        row,
        attempt.round,
        status_number(status),
        next_at,
        at,
        attempt.http_status,
        error,
    ))?;
    Ok(())
}

pub(super) fn tell_unseen(write: &mut Write<'_>, now: Timestamp) -> Result<(), Failure> {
    let conn = write.conn;
    let mut statement = conn.prepare_cached(statements::DUE_UNSEEN)?;
    let ended = statement
        .query_map((rows::int(now.0), rows::limit(UNSEEN_AT_ONCE)), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for (conversation, side, since_seq) in ended {
        tell_unseen_of(write, conversation, side, since_seq, now)?;
    }
    Ok(())
}

/// The timer of one side of a conversation has ended: what it was begun for may have been read or deleted meanwhile,
/// and what came later may have its time still before it.
fn tell_unseen_of(
    write: &mut Write<'_>,
    conversation: i64,
    side: i64,
    since_seq: i64,
    now: Timestamp,
) -> Result<(), Failure> {
    let conn = write.conn;
    let thread = conn
        .prepare_cached(statements::UNSEEN_THREAD)?
        .query_row([conversation], |row| {
            let columns = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?);
            Ok((columns, row.get::<_, i64>(3)?, rows::number(row, 4)?))
        })
        .optional()?;
    let end = || -> Result<(), Failure> {
        conn.prepare_cached(statements::DROP_UNSEEN)?.execute((conversation, side))?;
        Ok(())
    };
    let Some(((organization, website, visitor), head, after)) = thread else { return end() };
    let hooks = write.hooks.of(conn, organization)?;
    let hooks: Vec<i64> =
        hooks.iter().filter(|(_, events)| events.contains(WebhookEvent::MessageUnseen)).map(|(id, _)| *id).collect();
    if after == 0 || hooks.is_empty() {
        return end();
    }
    let read = if side == VISITOR {
        seen(conn, conversation, visitor)?.0
    } else {
        let mut by_users = conn.prepare_cached(statements::SEEN_BY_USERS)?;
        by_users.query_row([conversation], |row| rows::some_number(row, 0))?.unwrap_or(0)
    };
    let since_seq = since_seq.max(rows::int(read).saturating_add(1));
    let oldest = conn
        .prepare_cached(statements::OLDEST_UNSEEN)?
        .query_row((conversation, since_seq, head, side), |row| Ok((row.get::<_, i64>(0)?, rows::time(row, 1)?)))
        .optional()?;
    let Some((since_seq, since)) = oldest else { return end() };
    let due_at = since.plus_millis(after.saturating_mul(1000));
    if due_at > now {
        let moved = (conversation, side, since_seq, rows::int(due_at.0));
        conn.prepare_cached(statements::MOVE_UNSEEN)?.execute(moved)?;
        return Ok(());
    }
    let unread = Unread { since_seq, upto_seq: head, side };
    for hook in hooks {
        let telling = Telling { hook, event: WebhookEvent::MessageUnseen, website, place: conversation };
        telling.insert(conn, Some(unread), now)?;
    }
    write.hooks.has_due = true;
    end()
}

pub(super) fn clean(write: &mut Write<'_>, clean: &CleanOutbox) -> Result<usize, Failure> {
    let conn = write.conn;
    let most = rows::limit(CLEANED_AT_ONCE);
    let mut count = 0;
    if let Some(before) = clean.waiting_before {
        let given_up = (rows::int(before.0), rows::int(clean.now.0), WAITED_TOO_LONG, most);
        count += conn.prepare_cached(statements::GIVE_UP_DELIVERIES)?.execute(given_up)?;
    }
    for (sql, before) in
        [(statements::CLEAN_DELIVERED, clean.delivered_before), (statements::CLEAN_DEAD, clean.dead_before)]
    {
        count += conn.prepare_cached(sql)?.execute((rows::int(before.0), most))?;
    }
    let gone = conn.prepare_cached(statements::GONE_WEBHOOK)?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
    if let Some(hook) = gone {
        let removed = conn.prepare_cached(statements::CLEAN_WEBHOOK)?.execute((hook, most))?;
        if removed == 0 {
            conn.prepare_cached(statements::DELETE_WEBHOOK)?.execute([hook])?;
        }
        count += removed + 1;
    }
    Ok(count)
}
