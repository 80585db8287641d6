//! Messages that are not yet answered.

use crate::config::{Config, Millis, later};
use crate::output::{Failure, Frame};
use crate::text::Text;
use crate::timer::{Next, Timer};

/// The order of a conversation is the order of its entries; only the first one of each may be under way.
#[derive(Debug)]
pub(crate) struct Outbox<P, T> {
    entries: Vec<Entry<P, T>>,
}

#[derive(Debug)]
struct Entry<P, T> {
    id: T,
    conversation: T,
    payload: P,
    expires_at: Millis,
    /// How often the server put it off.
    refusals: u32,
    state: Delivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Queued,
    InFlight { since: Millis },
    Waiting { until: Millis },
    NeedsToken,
}

impl<P: Clone, T: Text> Outbox<P, T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn visit_texts(&self, visit: &mut dyn FnMut(&T)) {
        for entry in &self.entries {
            visit(&entry.id);
            visit(&entry.conversation);
        }
    }

    /// Takes a message in, or says why not.
    pub(crate) fn queue(
        &mut self,
        id: &T,
        conversation: T,
        payload: P,
        expires_at: Millis,
        config: &Config,
    ) -> Result<(), Failure<T>> {
        if self.entries.iter().any(|entry| entry.id == *id) {
            return Err(Failure::DuplicateId);
        }
        if self.entries.len() >= config.max_queue_size {
            return Err(Failure::QueueFull);
        }
        self.entries.push(Entry {
            id: id.clone(),
            conversation,
            payload,
            expires_at,
            refusals: 0,
            state: Delivery::Queued,
        });
        Ok(())
    }

    /// The next message that may go, now under way.
    pub(crate) fn take_next(&mut self, now: Millis) -> Option<Frame<P, T>> {
        let index = self.entries.iter().enumerate().position(|(index, entry)| {
            entry.state == Delivery::Queued
                && !self.entries.iter().take(index).any(|earlier| earlier.conversation == entry.conversation)
        })?;
        let entry = self.entries.get_mut(index)?;
        entry.state = Delivery::InFlight { since: now };
        let Entry { id, conversation, payload, .. } = &*entry;
        Some(Frame::SendMessage { id: id.clone(), conversation: conversation.clone(), payload: payload.clone() })
    }

    /// An entry is done with, by an ack or a failure; whether there was one.
    pub(crate) fn remove(&mut self, id: &T) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.id == *id) else {
            return false;
        };
        self.entries.remove(index);
        true
    }

    pub(crate) fn contains(&self, id: &T) -> bool {
        self.entries.iter().any(|entry| entry.id == *id)
    }

    /// Counts a refusal of an entry, for its backoff.
    pub(crate) fn count_refusal(&mut self, id: &T) -> u32 {
        self.find(id).map_or(1, |entry| {
            entry.refusals = entry.refusals.saturating_add(1);
            entry.refusals
        })
    }

    /// The entry goes again at that time, unless another answer comes first.
    pub(crate) fn put_off(&mut self, id: &T, until: Millis) {
        if let Some(entry) = self.find(id) {
            entry.state = Delivery::Waiting { until };
        }
    }

    /// The entry goes again once a token was accepted.
    pub(crate) fn await_token(&mut self, id: &T) {
        if let Some(entry) = self.find(id) {
            entry.state = Delivery::NeedsToken;
        }
    }

    pub(crate) fn token_accepted(&mut self) {
        self.requeue(|state| state == Delivery::NeedsToken);
    }

    /// The connection is gone: what was under way goes again, with the same id.
    pub(crate) fn connection_lost(&mut self) {
        self.requeue(|state| matches!(state, Delivery::InFlight { .. }));
    }

    /// Takes out the first one that will be too old at that time.
    pub(crate) fn take_expired(&mut self, at: Millis) -> Option<T> {
        let index = self.entries.iter().position(|entry| entry.expires_at <= at)?;
        Some(self.entries.remove(index).id)
    }

    /// What waited long enough may go.
    pub(crate) fn end_waits(&mut self, now: Millis) {
        self.requeue(|state| matches!(state, Delivery::Waiting { until } if until <= now));
    }

    /// What was not answered in time goes again; whether there was any.
    pub(crate) fn end_requests(&mut self, now: Millis, timeout: Millis) -> bool {
        self.requeue(|state| matches!(state, Delivery::InFlight { since } if later(since, timeout) <= now))
    }

    pub(crate) fn offer_timers(&self, timeout: Millis, next: &mut Next) {
        for entry in &self.entries {
            match entry.state {
                Delivery::InFlight { since } => next.offer(later(since, timeout), Timer::Request),
                Delivery::Waiting { until } => next.offer(until, Timer::Retry),
                Delivery::Queued | Delivery::NeedsToken => {}
            }
            next.offer(entry.expires_at, Timer::Expiry);
        }
    }

    fn requeue(&mut self, is_meant: impl Fn(Delivery) -> bool) -> bool {
        let mut has_any = false;
        for entry in &mut self.entries {
            if is_meant(entry.state) {
                entry.state = Delivery::Queued;
                has_any = true;
            }
        }
        has_any
    }

    fn find(&mut self, id: &T) -> Option<&mut Entry<P, T>> {
        self.entries.iter_mut().find(|entry| entry.id == *id)
    }
}
