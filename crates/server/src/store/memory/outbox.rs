//! Webhooks, their deliveries, and the timers of unseen messages.

use std::collections::BTreeMap;

use cossistant_protocol::http::{DeliveryStatus, MAX_UNSEEN_MESSAGES, MAX_WEBHOOKS, WebhookEvent};
use cossistant_protocol::{ConversationId, DeliveryId, OrganizationId, Timestamp, UserType, WebhookId};

use super::state::{State, Thread};
use crate::store::outbox::{
    Attempt, AttemptOutcome, CLEANED_AT_ONCE, CleanOutbox, DeliveryContent, DeliveryPage, DeliveryRow, DueDeliveries,
    DueDelivery, TOO_MANY_WEBHOOKS, TakeDeliveries, UNSEEN_AT_ONCE, UnseenMessages, WAITED_TOO_LONG, WebhookRow,
    reader_of, told_as,
};
use crate::store::{Audience, Conflict, EventBody, SiteKey, StoreError, StoredEvent};

/// All that is for webhooks.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    webhooks: BTreeMap<WebhookId, WebhookRow>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    /// How many deliveries were ever made.
    made: u64,
    unseen: BTreeMap<(OrganizationId, ConversationId, Audience), Timer>,
    /// Whether something has become due since that was last asked.
    pub(super) has_due: bool,
}

#[derive(Debug, Clone)]
struct Delivery {
    webhook: WebhookId,
    row: DeliveryRow,
    queued_at: Timestamp,
    round: u32,
    site: SiteKey,
    of: Of,
}

/// What a delivery tells of.
#[derive(Debug, Clone)]
enum Of {
    Event { offset: u64 },
    Unseen { conversation: ConversationId, by: Audience, since: u64, upto: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    since: u64,
    due_at: Timestamp,
}

impl Outbox {
    fn insert(&mut self, webhook: WebhookId, event: WebhookEvent, site: SiteKey, of: Of, at: Timestamp) {
        self.made += 1;
        let id = DeliveryId::new(format!("dlv_{:012x}", self.made)).expect("made of letters and digits");
        let row = DeliveryRow {
            id: id.clone(),
            event,
            at,
            status: DeliveryStatus::Pending,
            attempts: 0,
            last_at: None,
            next_at: at,
            last_status: None,
            last_error: None,
        };
        self.deliveries.insert(id, Delivery { webhook, row, queued_at: at, round: 0, site, of });
        self.has_due = true;
    }

    fn told_of(&self, organization: &OrganizationId, event: WebhookEvent) -> Vec<WebhookId> {
        let told = self.webhooks.values().filter(|row| row.organization == *organization && row.events.contains(event));
        told.map(|row| row.id.clone()).collect()
    }

    fn webhook(&self, organization: &OrganizationId, id: &WebhookId) -> Result<&WebhookRow, StoreError> {
        self.webhooks.get(id).filter(|row| row.organization == *organization).ok_or(StoreError::NotFound)
    }

    fn waiting(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.values().filter(|delivery| is_waiting(delivery.row.status))
    }
}

const fn is_waiting(status: DeliveryStatus) -> bool {
    match status {
        DeliveryStatus::Pending | DeliveryStatus::Failed => true,
        DeliveryStatus::Delivered | DeliveryStatus::Dead => false,
    }
}

impl Thread {
    /// The public messages of a stretch that one side did not write.
    fn to_read(&self, by: Audience, since: u64, upto: u64) -> Vec<StoredEvent> {
        let within = (0..self.events.len()).filter(|index| (since..=upto).contains(&self.team_seq(*index)));
        let events = within.map(|index| self.event(index)).filter(|event| match &event.body {
            EventBody::Message(message) => {
                let is_of_visitor = message.sender.kind == UserType::Visitor;
                event.visitor_seq.is_some() && !message.deleted && is_of_visitor == (by == Audience::Team)
            }
            EventBody::Created { .. }
            | EventBody::Updated { .. }
            | EventBody::Status { .. }
            | EventBody::Assigned { .. } => false,
        });
        events.collect()
    }

    /// How far a side has read, as the team counts.
    fn read_by(&self, by: Audience) -> u64 {
        let marks = self.seen.values().filter(|mark| match by {
            Audience::Visitor => mark.person.kind == UserType::Visitor,
            Audience::Team => mark.person.kind == UserType::User,
        });
        marks.map(|mark| mark.team_seq).max().unwrap_or(0)
    }
}

impl State {
    /// Queues what webhooks are to be told of an event that was just pushed.
    pub(super) fn queue(&mut self, event: &StoredEvent, at: Timestamp) {
        let organization = &event.website.organization;
        let kind = told_as(&event.body);
        for webhook in self.outbox.told_of(organization, kind) {
            self.outbox.insert(webhook, kind, event.website.clone(), Of::Event { offset: event.offset }, at);
        }
        let EventBody::Message(message) = &event.body else { return };
        let after = self.sites.get(&event.website).map_or(0, |site| site.row.settings.unseen_after);
        let is_watched = !self.outbox.told_of(organization, WebhookEvent::MessageUnseen).is_empty();
        if event.visitor_seq.is_none() || after == 0 || !is_watched {
            return;
        }
        let by = reader_of(message.sender.kind);
        let due_at = at.plus_millis(after.saturating_mul(1000));
        let key = (organization.clone(), event.conversation.clone(), by);
        self.outbox.unseen.entry(key).or_insert(Timer { since: event.team_seq, due_at });
        self.outbox.has_due = true;
    }

    pub(super) fn create_webhook(&mut self, row: WebhookRow) -> Result<(), StoreError> {
        self.check_organization(&row.organization)?;
        if self.outbox.webhooks.contains_key(&row.id) {
            return Err(StoreError::Conflict(Conflict::Taken));
        }
        if self.webhooks(&row.organization)?.len() >= MAX_WEBHOOKS {
            return Err(TOO_MANY_WEBHOOKS);
        }
        self.outbox.webhooks.insert(row.id.clone(), row);
        Ok(())
    }

    pub(super) fn webhooks(&self, organization: &OrganizationId) -> Result<Vec<WebhookRow>, StoreError> {
        self.check_organization(organization)?;
        Ok(self.outbox.webhooks.values().filter(|row| row.organization == *organization).cloned().collect())
    }

    pub(super) fn delete_webhook(&mut self, organization: &OrganizationId, id: &WebhookId) -> Result<(), StoreError> {
        self.outbox.webhook(organization, id)?;
        self.outbox.webhooks.remove(id);
        self.outbox.deliveries.retain(|_, delivery| delivery.webhook != *id);
        Ok(())
    }

    /// Removes what stands on organizations and conversations that are gone.
    pub(super) fn clear_outbox(&mut self) {
        let Self { outbox, organizations, threads, .. } = self;
        outbox.webhooks.retain(|_, row| organizations.contains_key(&row.organization));
        outbox.deliveries.retain(|_, delivery| outbox.webhooks.contains_key(&delivery.webhook));
        outbox.unseen.retain(|(organization, conversation, _), _| {
            threads.contains_key(&(organization.clone(), conversation.clone()))
        });
    }

    pub(super) fn deliveries(
        &self,
        organization: &OrganizationId,
        webhook: &WebhookId,
        page: &DeliveryPage,
    ) -> Result<(Vec<DeliveryRow>, bool), StoreError> {
        self.outbox.webhook(organization, webhook)?;
        let rows = self.outbox.deliveries.values().rev().filter(|delivery| {
            delivery.webhook == *webhook
                && page.status.is_none_or(|status| delivery.row.status == status)
                && page.before.as_ref().is_none_or(|before| delivery.row.id < *before)
        });
        let mut found: Vec<_> = rows.take(page.limit.saturating_add(1)).map(|delivery| delivery.row.clone()).collect();
        let has_more = found.len() > page.limit;
        found.truncate(page.limit);
        Ok((found, has_more))
    }

    pub(super) fn resend(
        &mut self,
        organization: &OrganizationId,
        webhook: &WebhookId,
        id: &DeliveryId,
        at: Timestamp,
    ) -> Result<DeliveryRow, StoreError> {
        self.outbox.webhook(organization, webhook)?;
        let found = self.outbox.deliveries.get_mut(id).filter(|delivery| delivery.webhook == *webhook);
        let delivery = found.ok_or(StoreError::NotFound)?;
        delivery.round += 1;
        delivery.queued_at = at;
        delivery.row.status = DeliveryStatus::Pending;
        delivery.row.attempts = 0;
        delivery.row.next_at = at;
        self.outbox.has_due = true;
        Ok(delivery.row.clone())
    }

    pub(super) fn due(&self, take: &TakeDeliveries) -> DueDeliveries {
        let mut due = DueDeliveries {
            unseen_at: self.outbox.unseen.values().map(|timer| timer.due_at).min(),
            waiting_since: self.outbox.waiting().map(|delivery| delivery.queued_at).min(),
            ..DueDeliveries::default()
        };
        let mut candidates = Vec::new();
        let mut of_organization: BTreeMap<&OrganizationId, usize> = BTreeMap::new();
        for (webhook, WebhookRow { organization, .. }) in &self.outbox.webhooks {
            let busy = take.busy.get(webhook).cloned().unwrap_or_default();
            *of_organization.entry(organization).or_default() += busy.in_flight.len();
            let lane = if take.busy.contains_key(webhook) { busy.lane } else { take.lane };
            let room = lane.saturating_sub(busy.in_flight.len());
            if room == 0 {
                continue;
            }
            let is_free =
                |delivery: &&Delivery| delivery.webhook == *webhook && !busy.in_flight.contains(&delivery.row.id);
            let mut waiting: Vec<_> = self.outbox.waiting().filter(is_free).collect();
            waiting.sort_by_key(|delivery| (delivery.row.next_at, delivery.row.id.clone()));
            let is_due = |delivery: &&&Delivery| delivery.row.next_at <= take.now;
            let now: Vec<_> = waiting.iter().take_while(is_due).take(room).collect();
            let taken = now.len();
            candidates.extend(now.iter().enumerate().map(|(at, delivery)| {
                (busy.in_flight.len() + at, delivery.row.next_at, delivery.row.id.clone(), organization)
            }));
            if let Some(next) = waiting.get(taken).filter(|next| next.row.next_at > take.now) {
                due.next_at = Some(due.next_at.map_or(next.row.next_at, |first| first.min(next.row.next_at)));
            }
        }
        candidates.sort_unstable();
        candidates.retain(|(_, _, _, organization)| {
            let busy = of_organization.entry(organization).or_default();
            *busy += 1;
            *busy <= take.organization
        });
        if candidates.len() > take.limit {
            candidates.truncate(take.limit);
            due.next_at = Some(take.now);
        }
        let mut bytes: usize = 0;
        for (_, _, id, _) in &candidates {
            if bytes >= take.bytes {
                due.next_at = Some(take.now);
                break;
            }
            let Some(delivery) = self.due_delivery(id) else { continue };
            bytes = bytes.saturating_add(delivery.content.bytes());
            due.deliveries.push(delivery);
        }
        due
    }

    fn due_delivery(&self, id: &DeliveryId) -> Option<DueDelivery> {
        let delivery = self.outbox.deliveries.get(id)?;
        let webhook = self.outbox.webhooks.get(&delivery.webhook)?;
        Some(DueDelivery {
            id: id.clone(),
            webhook: webhook.id.clone(),
            url: webhook.url.clone(),
            secret: webhook.secret.clone(),
            event: delivery.row.event,
            at: delivery.row.at,
            attempts: delivery.row.attempts,
            round: delivery.round,
            content: self.content(delivery).unwrap_or(DeliveryContent::Gone),
        })
    }

    fn content(&self, delivery: &Delivery) -> Option<DeliveryContent> {
        match &delivery.of {
            Of::Event { offset } => {
                let found = self.website_events(&delivery.site, (offset.checked_sub(1)?, *offset), 1).ok()?;
                found.into_iter().next().map(DeliveryContent::Event)
            }
            Of::Unseen { conversation, by, since, upto } => {
                let key = (delivery.site.organization.clone(), conversation.clone());
                let thread = self.threads.get(&key).filter(|thread| thread.conversation.website == delivery.site)?;
                // Somebody may have read since it was queued, or tried.
                let since = (*since).max(thread.read_by(*by) + 1);
                let mut messages = thread.to_read(*by, since, *upto);
                let count = messages.len();
                messages.drain(..count.saturating_sub(MAX_UNSEEN_MESSAGES));
                (count > 0).then(|| {
                    DeliveryContent::Unseen(UnseenMessages {
                        website: delivery.site.clone(),
                        conversation: conversation.clone(),
                        visitor: thread.conversation.visitor.clone(),
                        unseen_by: *by,
                        count: count as u64,
                        messages,
                    })
                })
            }
        }
    }

    pub(super) fn settle(&mut self, attempt: Attempt) {
        let Some(delivery) = self.outbox.deliveries.get_mut(&attempt.delivery) else { return };
        if delivery.round != attempt.round {
            return;
        }
        let row = &mut delivery.row;
        row.attempts += 1;
        row.last_at = Some(attempt.at);
        row.last_status = attempt.http_status;
        row.next_at = attempt.at;
        row.last_error = None;
        match attempt.outcome {
            AttemptOutcome::Gone => {
                self.outbox.deliveries.remove(&attempt.delivery);
            }
            AttemptOutcome::Delivered => row.status = DeliveryStatus::Delivered,
            AttemptOutcome::Failed { error, next_at } => {
                row.last_error = Some(error);
                row.next_at = next_at.unwrap_or(attempt.at);
                row.status = if next_at.is_some() { DeliveryStatus::Failed } else { DeliveryStatus::Dead };
            }
        }
    }

    pub(super) fn tell_unseen(&mut self, now: Timestamp) {
        let mut ended: Vec<_> = self.outbox.unseen.iter().filter(|(_, timer)| timer.due_at <= now).collect();
        ended.sort_by_key(|(_, timer)| timer.due_at);
        let ended: Vec<_> = ended.into_iter().take(UNSEEN_AT_ONCE).map(|(key, timer)| (key.clone(), *timer)).collect();
        for (key, timer) in ended {
            self.outbox.unseen.remove(&key);
            let (organization, conversation, by) = key.clone();
            let hooks = self.outbox.told_of(&organization, WebhookEvent::MessageUnseen);
            let Some(thread) = self.threads.get(&(organization, conversation.clone())) else { continue };
            let site = thread.conversation.website.clone();
            let after = self.sites.get(&site).map_or(0, |site| site.row.settings.unseen_after);
            let since = timer.since.max(thread.read_by(by) + 1);
            let upto = thread.conversation.team_head;
            let oldest = thread.to_read(by, since, upto).into_iter().next();
            let Some(StoredEvent { team_seq: since, body: EventBody::Message(message), .. }) = oldest else { continue };
            if after == 0 || hooks.is_empty() {
                continue;
            }
            let due_at = message.created_at.plus_millis(after.saturating_mul(1000));
            if due_at > now {
                self.outbox.unseen.insert(key, Timer { since, due_at });
                continue;
            }
            for webhook in hooks {
                let of = Of::Unseen { conversation: conversation.clone(), by, since, upto };
                self.outbox.insert(webhook, WebhookEvent::MessageUnseen, site.clone(), of, now);
            }
        }
    }

    pub(super) fn clean(&mut self, clean: &CleanOutbox) -> usize {
        let mut count = 0;
        for delivery in self.outbox.deliveries.values_mut() {
            let has_waited = clean.waiting_before.is_some_and(|before| delivery.queued_at < before);
            if is_waiting(delivery.row.status) && has_waited && count < CLEANED_AT_ONCE {
                delivery.row.status = DeliveryStatus::Dead;
                delivery.row.last_at = Some(clean.now);
                delivery.row.last_error = Some(WAITED_TOO_LONG.to_owned());
                count += 1;
            }
        }
        self.outbox.deliveries.retain(|_, delivery| {
            let before = match delivery.row.status {
                DeliveryStatus::Delivered => clean.delivered_before,
                DeliveryStatus::Dead => clean.dead_before,
                DeliveryStatus::Pending | DeliveryStatus::Failed => return true,
            };
            let is_old = delivery.row.last_at.is_some_and(|at| at < before) && count < CLEANED_AT_ONCE;
            count += usize::from(is_old);
            !is_old
        });
        count
    }
}
