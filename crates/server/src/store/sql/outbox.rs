//! Webhooks, their deliveries, and the timers of unseen messages.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cossistant_protocol::http::{DeliveryStatus, MAX_UNSEEN_MESSAGES, MAX_WEBHOOKS, WebhookEvent};
use cossistant_protocol::{DeliveryId, OrganizationId, Timestamp, WebhookId};
use serde_json::value::RawValue;

use super::error::Failure;
use super::link::{Row, Sql};
use super::rows::{self, Thread};
use super::statements::{self, directory};
use super::value::{numbers, params};
use super::writer::Write;
use super::{lookup, setup};
use crate::store::outbox::{
    Attempt, AttemptOutcome, CLEANED_AT_ONCE, CleanOutbox, DeliveryContent, DeliveryPage, DeliveryRow, DueDeliveries,
    DueDelivery, EventSet, SigningSecret, TOO_MANY_WEBHOOKS, TakeDeliveries, UNSEEN_AT_ONCE, UnreadableDelivery,
    UnseenMessages, WAITED_TOO_LONG, WebhookRow, event_number, reader_of, told_as,
};
use crate::store::{Audience, EventBody, SiteKey, StoreError, StoredEvent};

const NO_BYTES: &[u8] = &[];

/// For how long a node takes a delivery where others send too: longer than any attempt.
const LEASE_MS: u64 = 60_000;
/// How many deliveries of one webhook other nodes may have in the works before those behind them are not seen.
const OTHERS_MAX: i64 = 256;

const VISITOR: i64 = 0;
const TEAM: i64 = 1;

/// A webhook's row, and what it is told of.
pub(in crate::store) type Hook = (i64, EventSet);

/// Which webhooks there are, in the writer's memory: where there are none, an event costs nothing more.
///
/// Those of an organization are read when they are first asked for, within the transaction of whoever asks, and
/// forgotten whenever webhooks change, a transaction is undone, or others may have changed them.
#[derive(Debug, Default)]
pub(in crate::store) struct Hooks {
    /// By organization.
    known: BTreeMap<i64, Vec<Hook>>,
    /// Whether the group has made something due.
    pub(in crate::store) has_due: bool,
}

impl Hooks {
    pub(in crate::store) fn forget(&mut self) {
        self.known.clear();
    }

    /// Takes what was read already in this transaction.
    pub(in crate::store) fn learn(&mut self, known: BTreeMap<i64, Vec<Hook>>) {
        self.known = known;
    }

    /// The webhooks of an organization.
    fn of(&mut self, conn: &dyn Sql, organization: i64) -> Result<&[Hook], Failure> {
        match self.known.entry(organization) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let found = conn.all(statements::HOOKS_OF_ORGANIZATION, params![organization], |row| {
                    Ok((rows::id(row, 0)?, EventSet::from_bits(rows::small(row, 1)?)))
                })?;
                Ok(unknown.insert(found))
            }
        }
    }
}

/// Queues what webhooks are to be told of events that were just written. Looks at conversations and websites only by
/// what is given.
pub(in crate::store) fn queue(
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
        let told = told_of(hooks, kind);
        if !told.is_empty() {
            let telling = Telling { event: kind, website: thread.website, place: rows::int(event.offset) };
            telling.insert(write.conn, &told, None, at)?;
            has_due = true;
        }
        if hooks.iter().any(|(_, events)| events.contains(WebhookEvent::MessageUnseen)) {
            has_due |= watch(write.conn, thread, event, at)?;
        }
    }
    write.hooks.has_due |= has_due;
    Ok(())
}

/// The rows of those that are told of an event.
fn told_of(hooks: &[Hook], event: WebhookEvent) -> Vec<i64> {
    hooks.iter().filter(|(_, events)| events.contains(event)).map(|(hook, _)| *hook).collect()
}

/// Begins the timer of a public message, unless the side that is to read it has one already.
fn watch(conn: &dyn Sql, thread: &Thread, event: &StoredEvent, at: Timestamp) -> Result<bool, Failure> {
    let EventBody::Message(message) = &event.body else { return Ok(false) };
    if event.visitor_seq.is_none() {
        return Ok(false);
    }
    let after: u64 = conn.must(statements::UNSEEN_AFTER, params![thread.website], |row| rows::number(row, 0))?;
    if after == 0 {
        return Ok(false);
    }
    let side = match reader_of(message.sender.kind) {
        Audience::Visitor => VISITOR,
        Audience::Team => TEAM,
    };
    let due_at = at.plus_millis(after.saturating_mul(1000));
    let begun =
        conn.execute(statements::PUT_UNSEEN, params![thread.id, side, rows::int(event.team_seq), rows::int(due_at.0)])?;
    Ok(begun > 0)
}

/// What deliveries to be queued tell of.
#[derive(Debug, Clone, Copy)]
struct Telling {
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
    /// Queues one delivery for each of some webhooks: by one statement, however many there are.
    fn insert(&self, conn: &dyn Sql, hooks: &[i64], unread: Option<Unread>, at: Timestamp) -> Result<(), Failure> {
        conn.execute(
            statements::INSERT_DELIVERIES,
            params![
                &numbers(hooks),
                event_number(self.event),
                self.website,
                self.place,
                unread.map(|unread| unread.since_seq),
                unread.map(|unread| unread.upto_seq),
                unread.map(|unread| unread.side),
                rows::int(at.0)
            ],
        )?;
        Ok(())
    }
}

// ---- set-up ----

pub(in crate::store) fn create_webhook(write: &mut Write<'_>, row: &WebhookRow) -> Result<(), Failure> {
    let organization = lookup::organization(write.conn, &row.organization)?;
    write.conn.lock_organization(organization)?;
    if write.hooks.of(write.conn, organization)?.len() >= MAX_WEBHOOKS {
        return Err(TOO_MANY_WEBHOOKS.into());
    }
    let inserted = write.conn.execute(
        statements::INSERT_WEBHOOK,
        params![
            row.id.as_str(),
            organization,
            &row.url,
            row.secret.expose(),
            row.events.bits(),
            rows::int(row.created_at.0)
        ],
    );
    inserted.map_err(setup::taken)?;
    write.hooks.forget();
    Ok(())
}

pub(in crate::store) fn webhooks(conn: &dyn Sql, id: &OrganizationId) -> Result<Vec<WebhookRow>, Failure> {
    let organization = lookup::organization(conn, id)?;
    conn.all(statements::WEBHOOKS_OF_ORGANIZATION, params![organization], |row| {
        Ok(WebhookRow {
            id: rows::parsed(row, 0)?,
            organization: id.clone(),
            url: rows::text(row, 1)?,
            secret: SigningSecret::new(rows::bytes(row, 2)?),
            events: EventSet::from_bits(rows::small(row, 3)?),
            created_at: rows::time(row, 4)?,
        })
    })
}

fn webhook(conn: &dyn Sql, organization: &OrganizationId, id: &WebhookId) -> Result<i64, Failure> {
    let found = conn.one(statements::WEBHOOK, params![id.as_str(), organization.as_str()], |row| rows::id(row, 0))?;
    found.ok_or(Failure::Answer(StoreError::NotFound))
}

pub(in crate::store) fn delete_webhook(
    write: &mut Write<'_>,
    organization: &OrganizationId,
    id: &WebhookId,
) -> Result<(), Failure> {
    let hook = webhook(write.conn, organization, id)?;
    write.conn.execute(statements::LEAVE_WEBHOOK, params![hook, NO_BYTES])?;
    write.hooks.forget();
    Ok(())
}

/// Takes all webhooks from an organization that is about to be deleted.
pub(in crate::store) fn clear_organization(write: &mut Write<'_>, organization: i64) -> Result<(), Failure> {
    write.conn.execute(statements::LEAVE_WEBHOOKS, params![organization, NO_BYTES])?;
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

fn event(row: &dyn Row, index: usize) -> Result<WebhookEvent, Failure> {
    let number: u32 = rows::small(row, index)?;
    let found = WebhookEvent::ALL.iter().find(|event| event_number(**event) == number);
    found.copied().ok_or_else(|| StoreError::Corrupt(format!("{number} is no event of webhooks")).into())
}

fn delivery(row: &dyn Row, epoch: &str) -> Result<DeliveryRow, Failure> {
    let number = rows::id(row, 3)?;
    let status = DeliveryStatus::ALL.iter().find(|status| status_number(**status) == number);
    Ok(DeliveryRow {
        id: delivery_id(rows::id(row, 0)?, epoch),
        event: event(row, 1)?,
        at: rows::time(row, 2)?,
        status: *status.ok_or_else(|| StoreError::Corrupt(format!("{number} is no status of a delivery")))?,
        attempts: rows::small(row, 4)?,
        last_at: rows::some_number(row, 5)?.map(Timestamp),
        next_at: rows::time(row, 6)?,
        last_status: row.int(7)?.map(|_| rows::small(row, 7)).transpose()?,
        last_error: rows::some_text(row, 8)?,
    })
}

pub(in crate::store) fn deliveries(
    conn: &dyn Sql,
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
    let read = |row: &dyn Row| delivery(row, epoch);
    let mut found = match page.status {
        Some(status) => {
            conn.all(statements::DELIVERIES_BY_STATUS, params![hook, before, one_more, status_number(status)], read)?
        }
        None => conn.all(statements::DELIVERIES, params![hook, before, one_more], read)?,
    };
    let has_more = found.len() > page.limit;
    found.truncate(page.limit);
    Ok((found, has_more))
}

pub(in crate::store) fn resend(
    write: &mut Write<'_>,
    organization: &OrganizationId,
    id: &WebhookId,
    delivery_id: &DeliveryId,
    at: Timestamp,
    epoch: &str,
) -> Result<DeliveryRow, Failure> {
    let hook = webhook(write.conn, organization, id)?;
    let row = delivery_row(delivery_id, epoch).ok_or(StoreError::NotFound)?;
    let changed = write.conn.execute(statements::RESEND_DELIVERY, params![row, hook, rows::int(at.0)])?;
    if changed == 0 {
        return Err(StoreError::NotFound.into());
    }
    write.hooks.has_due = true;
    write.conn.must(statements::DELIVERY, params![row], |row| delivery(row, epoch))
}

// ---- for the worker ----

/// A webhook that may have something to be sent.
#[derive(Debug, Clone)]
struct Lane {
    row: i64,
    organization: i64,
    id: WebhookId,
}

/// A delivery that could be sent now.
pub(in crate::store) struct Candidate {
    row: i64,
    lane: Lane,
}

/// What is to be sent now, taken for this node where others send too. What cannot be read holds nothing else up.
pub(in crate::store) fn due(conn: &dyn Sql, take: &TakeDeliveries, epoch: &str) -> Result<DueDeliveries, Failure> {
    let (mut due, candidates) = candidates(conn, take, epoch)?;
    let rows: Vec<i64> = candidates.iter().map(|candidate| candidate.row).collect();
    let claimed = conn.claim(&rows, rows::int(take.now.0), rows::int(LEASE_MS))?;
    let until = take.now.plus_millis(LEASE_MS);
    if claimed.len() < candidates.len() {
        due.next_at = Some(due.next_at.map_or(until, |at| at.min(until)));
    }
    let mut bytes: usize = 0;
    for candidate in candidates.into_iter().filter(|candidate| claimed.contains(&candidate.row)) {
        if bytes >= take.bytes {
            due.next_at = Some(take.now);
            break;
        }
        match read_due(conn, &candidate, epoch) {
            Ok(delivery) => {
                bytes = bytes.saturating_add(delivery.content.bytes());
                due.deliveries.push(delivery);
            }
            Err(Failure::Answer(StoreError::Corrupt(why))) => {
                due.unreadable.push(unreadable(conn, candidate, why, epoch)?);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(due)
}

/// What could be sent now, and when there is more to do.
pub(in crate::store) fn candidates(
    conn: &dyn Sql,
    take: &TakeDeliveries,
    epoch: &str,
) -> Result<(DueDeliveries, Vec<Candidate>), Failure> {
    let mut due = DueDeliveries::default();
    let mut candidates = Vec::new();
    let mut of_organization: BTreeMap<i64, usize> = BTreeMap::new();
    let mut lanes_with_room = Vec::new();
    let mut sets = Vec::new();
    for lane in lanes(conn)? {
        let busy = take.busy.get(&lane.id);
        let in_flight = busy.map(|busy| busy.in_flight.as_slice()).unwrap_or_default();
        *of_organization.entry(lane.organization).or_default() += in_flight.len();
        let width = busy.map_or(take.lane, |busy| busy.lane);
        let Some(room) = width.checked_sub(in_flight.len()).filter(|room| *room > 0) else { continue };
        // Those in flight may be the first ones, and the one behind the last tells when there is more to do.
        let most = rows::limit(in_flight.len().saturating_add(room).saturating_add(1));
        sets.push(params![lane.row, most.saturating_add(if conn.is_shared() { OTHERS_MAX } else { 0 })].to_vec());
        lanes_with_room.push((lane, in_flight, room, Vec::new()));
    }
    conn.query_each(statements::WAITING_DELIVERIES, &sets, &mut |place, row| {
        let (_, _, _, waiting) = &mut lanes_with_room[place];
        waiting.push((rows::id(row, 0)?, rows::time(row, 1)?, rows::number(row, 2)?, rows::id(row, 3)?));
        Ok(())
    })?;
    for (lane, in_flight, room, waiting) in lanes_with_room {
        let mut taken = 0;
        for (row, next_at, leased_for, leased_by) in waiting {
            if in_flight.contains(&delivery_id(row, epoch)) {
                continue;
            }
            if leased_by != conn.node() && leased_for > 0 && next_at <= take.now {
                // Another node sends it; if it dies over that, somebody else has to.
                let leased_until = take.now.plus_millis(leased_for);
                due.next_at = Some(due.next_at.map_or(leased_until, |first| first.min(leased_until)));
                continue;
            }
            if next_at > take.now {
                due.next_at = Some(due.next_at.map_or(next_at, |first| first.min(next_at)));
                break;
            }
            if taken == room {
                break;
            }
            candidates.push((in_flight.len() + taken, next_at, Candidate { row, lane: lane.clone() }));
            taken += 1;
        }
    }
    candidates.sort_unstable_by_key(|(behind, next_at, candidate)| (*behind, *next_at, candidate.row));
    candidates.retain(|(_, _, candidate)| {
        let busy = of_organization.entry(candidate.lane.organization).or_default();
        *busy += 1;
        *busy <= take.organization
    });
    if candidates.len() > take.limit {
        candidates.truncate(take.limit);
        due.next_at = Some(take.now);
    }
    due.unseen_at = first(conn, statements::FIRST_UNSEEN)?;
    due.waiting_since = first(conn, statements::WAITING_SINCE)?;
    Ok((due, candidates.into_iter().map(|(_, _, candidate)| candidate).collect()))
}

fn first(conn: &dyn Sql, sql: &'static str) -> Result<Option<Timestamp>, Failure> {
    conn.one(sql, params![], |row| rows::time(row, 0))
}

/// The webhooks that may have something to be sent. One whose id cannot be read is left out: what waits for it is given
/// up in the end.
fn lanes(conn: &dyn Sql) -> Result<Vec<Lane>, Failure> {
    let found = conn.all(directory::WEBHOOK_IDS, params![], |row| {
        let (hook, organization) = (rows::id(row, 0)?, rows::id(row, 1)?);
        match rows::parsed(row, 2) {
            Ok(id) => Ok(Some(Lane { row: hook, organization, id })),
            Err(Failure::Answer(StoreError::Corrupt(_))) => Ok(None),
            Err(failure) => Err(failure),
        }
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// What of a delivery's row names what it tells of.
struct Named {
    website: i64,
    place: i64,
    unread: Option<Unread>,
}

fn read_due(conn: &dyn Sql, candidate: &Candidate, epoch: &str) -> Result<DueDelivery, Failure> {
    let (url, secret) = conn.must(statements::WEBHOOK_TARGET, params![candidate.lane.row], |row| {
        Ok((rows::text(row, 0)?, SigningSecret::new(rows::bytes(row, 1)?)))
    })?;
    let (named, mut due) = conn.must(statements::DUE_DELIVERY, params![candidate.row], |row| {
        let unread = match row.int(3)? {
            Some(since_seq) => Some(Unread { since_seq, upto_seq: rows::id(row, 4)?, side: rows::id(row, 5)? }),
            None => None,
        };
        let named = Named { website: rows::id(row, 1)?, place: rows::id(row, 2)?, unread };
        let due = DueDelivery {
            id: delivery_id(rows::id(row, 9)?, epoch),
            webhook: candidate.lane.id.clone(),
            url,
            secret,
            event: event(row, 0)?,
            at: rows::time(row, 6)?,
            attempts: rows::small(row, 7)?,
            round: rows::small(row, 8)?,
            content: DeliveryContent::Gone,
        };
        Ok((named, due))
    })?;
    due.content = content(conn, &named)?;
    check_json(&due.content)?;
    Ok(due)
}

/// A delivery that is not as it was written, or tells of something that is not.
fn unreadable(conn: &dyn Sql, candidate: Candidate, why: String, epoch: &str) -> Result<UnreadableDelivery, Failure> {
    let round = conn.one(statements::DUE_DELIVERY, params![candidate.row], |row| rows::small(row, 8))?;
    let id = delivery_id(candidate.row, epoch);
    Ok(UnreadableDelivery { id, webhook: candidate.lane.id, round: round.unwrap_or(0), why })
}

/// Whoever encodes what is to be told takes for granted that the texts are JSON, as they were when they were stored.
fn check_json(content: &DeliveryContent) -> Result<(), Failure> {
    for text in content.texts() {
        let json = serde_json::from_str::<&RawValue>(&text);
        json.map_err(|error| StoreError::Corrupt(format!("a text of an event is no JSON: {error}")))?;
    }
    Ok(())
}

fn content(conn: &dyn Sql, named: &Named) -> Result<DeliveryContent, Failure> {
    let site = conn.one(statements::SITE_BY_ID, params![named.website], |row| {
        Ok(SiteKey { organization: rows::parsed(row, 0)?, website: rows::parsed(row, 1)? })
    })?;
    let Some(site) = site else { return Ok(DeliveryContent::Gone) };
    let content = match named.unread {
        None => {
            let event =
                conn.one(statements::EVENT_AT, params![named.website, named.place], |row| rows::event(row, &site))?;
            event.map(DeliveryContent::Event)
        }
        Some(unread) => unseen(conn, named, unread, site)?.map(DeliveryContent::Unseen),
    };
    Ok(content.unwrap_or(DeliveryContent::Gone))
}

fn unseen(conn: &dyn Sql, named: &Named, unread: Unread, website: SiteKey) -> Result<Option<UnseenMessages>, Failure> {
    let Unread { since_seq, upto_seq, side } = unread;
    let thread = conn.one(statements::UNSEEN_PLACE, params![named.place, named.website, side], |row| {
        Ok((rows::parsed(row, 0)?, rows::parsed(row, 1)?, rows::id(row, 2)?))
    })?;
    let Some((conversation, visitor, read)) = thread else { return Ok(None) };
    // Somebody may have read since it was queued, or tried.
    let since_seq = since_seq.max(read.saturating_add(1));
    let stretch = params![named.place, since_seq, upto_seq, side];
    let count = conn.must(statements::COUNT_UNSEEN, stretch, |row| rows::number(row, 0))?;
    let newest = params![named.place, since_seq, upto_seq, side, rows::limit(MAX_UNSEEN_MESSAGES)];
    let mut messages = conn.all(statements::UNSEEN_MESSAGES, newest, |row| rows::event(row, &website))?;
    messages.reverse();
    let unseen_by = if side == VISITOR { Audience::Visitor } else { Audience::Team };
    let unseen = UnseenMessages { website, conversation, visitor, unseen_by, count, messages };
    Ok((count > 0).then_some(unseen))
}

pub(in crate::store) fn settle(write: &mut Write<'_>, attempt: &Attempt, epoch: &str) -> Result<(), Failure> {
    let Some(row) = delivery_row(&attempt.delivery, epoch) else { return Ok(()) };
    let at = rows::int(attempt.at.0);
    let (status, next_at, error) = match &attempt.outcome {
        AttemptOutcome::Gone => {
            write.conn.execute(statements::DROP_DELIVERY, params![row, attempt.round, write.conn.node()])?;
            return Ok(());
        }
        AttemptOutcome::Delivered => (DeliveryStatus::Delivered, at, None),
        AttemptOutcome::Failed { error, next_at: Some(next_at) } => {
            (DeliveryStatus::Failed, rows::int(next_at.0), Some(error))
        }
        AttemptOutcome::Failed { error, next_at: None } => (DeliveryStatus::Dead, at, Some(error)),
    };
    write.conn.execute(
        statements::SETTLE_DELIVERY,
        params![row, attempt.round, write.conn.node(), status_number(status), next_at, at, attempt.http_status, error],
    )?;
    Ok(())
}

pub(in crate::store) fn tell_unseen(write: &mut Write<'_>, now: Timestamp) -> Result<(), Failure> {
    let conn = write.conn;
    let ended = conn.all(statements::DUE_UNSEEN, params![rows::int(now.0), rows::limit(UNSEEN_AT_ONCE)], |row| {
        Ok((rows::id(row, 0)?, rows::id(row, 1)?, rows::id(row, 2)?))
    })?;
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
    let thread = conn.one(statements::UNSEEN_THREAD, params![conversation, side], |row| {
        let places = (rows::id(row, 2)?, rows::id(row, 4)?);
        Ok((rows::id(row, 0)?, rows::id(row, 1)?, places, rows::number(row, 3)?))
    })?;
    let end = || -> Result<(), Failure> {
        conn.execute(statements::DROP_UNSEEN, params![conversation, side])?;
        Ok(())
    };
    let Some((organization, website, (head, read), after)) = thread else { return end() };
    let hooks = told_of(write.hooks.of(conn, organization)?, WebhookEvent::MessageUnseen);
    if after == 0 || hooks.is_empty() {
        return end();
    }
    let since_seq = since_seq.max(read.saturating_add(1));
    let oldest = conn.one(statements::OLDEST_UNSEEN, params![conversation, since_seq, head, side], |row| {
        Ok((rows::id(row, 0)?, rows::time(row, 1)?))
    })?;
    let Some((since_seq, since)) = oldest else { return end() };
    let due_at = since.plus_millis(after.saturating_mul(1000));
    if due_at > now {
        let moved = params![conversation, side, since_seq, rows::int(due_at.0)];
        conn.execute(statements::MOVE_UNSEEN, moved)?;
        return Ok(());
    }
    let unread = Unread { since_seq, upto_seq: head, side };
    let telling = Telling { event: WebhookEvent::MessageUnseen, website, place: conversation };
    telling.insert(conn, &hooks, Some(unread), now)?;
    write.hooks.has_due = true;
    end()
}

pub(in crate::store) fn clean(write: &mut Write<'_>, clean: &CleanOutbox) -> Result<usize, Failure> {
    let conn = write.conn;
    let most = rows::limit(CLEANED_AT_ONCE);
    let mut count = 0;
    if let Some(before) = clean.waiting_before {
        let given_up = params![rows::int(before.0), rows::int(clean.now.0), WAITED_TOO_LONG, most];
        count += conn.execute(statements::GIVE_UP_DELIVERIES, given_up)?;
    }
    for (sql, before) in
        [(statements::CLEAN_DELIVERED, clean.delivered_before), (statements::CLEAN_DEAD, clean.dead_before)]
    {
        count += conn.execute(sql, params![rows::int(before.0), most])?;
    }
    let gone = conn.one(statements::GONE_WEBHOOK, params![], |row| rows::id(row, 0))?;
    if let Some(hook) = gone {
        let removed = conn.execute(statements::CLEAN_WEBHOOK, params![hook, most])?;
        if removed == 0 {
            conn.execute(statements::DELETE_WEBHOOK, params![hook])?;
        }
        count += removed + 1;
    }
    Ok(count)
}
