//! Takes what is due, has it sent, and writes what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cossistant_protocol::{DeliveryId, Timestamp, WebhookId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lanes::{LANE, Lanes, ORGANIZATION};
use super::payload::payload;
use super::schedule::next_attempt;
use super::send::{Sender, Signed};
use super::sign::signature;
use crate::metrics::{WEBHOOK_DELIVERIES_TOTAL, WEBHOOK_WAITING_SECONDS};
use crate::store::{
    Attempt, AttemptOutcome, CleanOutbox, DeliveryContent, DueDeliveries, DueDelivery, Outbox, StoreError,
    TakeDeliveries, UNREADABLE, UnreadableDelivery,
};

/// The longest pause between two looks, so that a clock that was put forward or back is noticed, and figures are fresh.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The shortest one: what comes in a burst is taken together.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How often old rows are removed.
const CLEAN_EVERY: Duration = Duration::from_secs(600);
/// How long after the start nothing is given up for its age: the server may have been away, not the receiver.
const GRACE: Duration = Duration::from_secs(3600);

const HOUR_MS: u64 = 3_600_000;
/// How long delivered rows are kept.
const DELIVERED_KEPT_MS: u64 = 3 * 24 * HOUR_MS;
/// How long dead rows are kept.
const DEAD_KEPT_MS: u64 = 14 * 24 * HOUR_MS;
/// How long a delivery may wait for its turn: longer than all of its attempts take.
const WAITING_MS: u64 = 30 * HOUR_MS;

/// How far the worker is on its way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    /// Nothing new begins.
    Draining,
    /// What runs is cut.
    Ended,
}

/// The worker; see [`super::Webhooks`].
pub(super) struct Worker {
    outbox: Arc<dyn Outbox>,
    sender: Sender,
    clocks: Clocks,
    lanes: Lanes,
    tasks: JoinSet<Ended>,
    waiting: Waiting,
    began: Instant,
    /// When old rows are removed next.
    clean_at: Instant,
}

/// What was known when the outbox was last read.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// Since when the oldest delivery waits.
    since: Option<Timestamp>,
    /// When that was.
    looked_at: Timestamp,
}

impl Waiting {
    /// For how long the oldest delivery waits, in milliseconds. What nobody could see since then may have come right
    /// behind it: so the figure grows while the outbox cannot be read.
    fn ms(self, now: Timestamp, is_readable: bool) -> u64 {
        let since = if is_readable { self.since } else { Some(self.since.unwrap_or(self.looked_at)) };
        since.map_or(0, |since| now.as_millis().saturating_sub(since.as_millis()))
    }
}

/// The two times of a worker.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    /// The system's: what receivers are told, and what messages are dated by.
    pub(super) wall: fn() -> Timestamp,
    /// Never goes back, so that no attempt waits for the hour by which the system's clock was put back.
    pub(super) onward: fn() -> Timestamp,
}

/// A delivery is no longer in the works.
struct Ended {
    webhook: WebhookId,
    delivery: DeliveryId,
    was_taken: Option<bool>,
}

impl Worker {
    pub(super) fn new(outbox: Arc<dyn Outbox>, sender: Sender, clocks: Clocks) -> Self {
        let now = Instant::now();
        let waiting = Waiting { since: None, looked_at: (clocks.onward)() };
        let (lanes, tasks) = (Lanes::default(), JoinSet::new());
        Self { outbox, sender, clocks, lanes, tasks, waiting, began: now, clean_at: now }
    }

    /// Works until it is told that all is over, or nobody is left to tell it.
    pub(super) async fn run(mut self, mut stage: watch::Receiver<Stage>) {
        let signal = self.outbox.outbox_signal();
        let mut look_at = Instant::now();
        loop {
            let current = *stage.borrow_and_update();
            if current == Stage::Ended || (current == Stage::Draining && self.tasks.is_empty()) {
                break;
            }
            let is_running = current == Stage::Running;
            if is_running && look_at <= Instant::now() {
                let next = self.look().await;
                look_at = Instant::now() + next.clamp(LOOK_PAUSE, LOOK_EVERY);
                continue;
            }
            tokio::select! {
                changed = stage.changed() => if changed.is_err() { break },
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.end(ended);
                    look_at = look_at.min(Instant::now() + LOOK_PAUSE);
                }
                () = signal.notified(), if is_running => look_at = look_at.min(Instant::now() + LOOK_PAUSE),
                () = tokio::time::sleep_until(look_at), if is_running => {}
            }
        }
        self.tasks.shutdown().await;
    }

    fn end(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended { webhook, delivery, was_taken }) => self.lanes.end(&webhook, &delivery, was_taken),
            Err(error) => tracing::error!(%error, "an attempt at a webhook panicked"),
        }
    }

    /// Begins what is due, and says how long there is nothing more to do.
    async fn look(&mut self) -> Duration {
        let looked = self.try_look().await;
        let waits = self.waiting.ms((self.clocks.onward)(), looked.is_ok());
        #[expect(clippy::cast_precision_loss, reason = "a gauge is for people")]
        metrics::gauge!(WEBHOOK_WAITING_SECONDS).set(waits as f64 / 1000.0);
        match looked {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "the webhooks' outbox cannot be read");
                STORE_PAUSE
            }
        }
    }

    async fn try_look(&mut self) -> Result<Duration, StoreError> {
        if self.clean_at <= Instant::now() {
            self.clean().await?;
        }
        let (now, wall) = ((self.clocks.onward)(), (self.clocks.wall)());
        let (limit, bytes, busy) = (self.lanes.room(), self.lanes.bytes_left(), self.lanes.busy());
        let take = TakeDeliveries { now, limit, organization: ORGANIZATION, bytes, lane: LANE, busy };
        let found = self.outbox.due_deliveries(take).await?;
        let DueDeliveries { deliveries, unreadable, next_at, unseen_at, waiting_since } = found;
        self.waiting = Waiting { since: waiting_since, looked_at: now };
        for unreadable in unreadable {
            self.lanes.begin(&unreadable.webhook, &unreadable.id, 0);
            self.tasks.spawn(give_up(Arc::clone(&self.outbox), self.clocks, unreadable));
        }
        for due in deliveries {
            self.lanes.begin(&due.webhook, &due.id, due.content.bytes());
            self.tasks.spawn(deliver(Arc::clone(&self.outbox), self.sender.clone(), self.clocks, due));
        }
        // Messages have their dates from the system's clock, and what is unseen is counted from those.
        let is_unseen_due = unseen_at.is_some_and(|at| at <= wall);
        if is_unseen_due {
            self.outbox.tell_unseen(wall).await?;
            return Ok(Duration::ZERO);
        }
        // Whatever waits for room is looked for again when an attempt ends.
        let next_at = next_at.filter(|_| self.lanes.room() > 0);
        let until = |at: Option<Timestamp>, now: Timestamp| at.map(|at| at.as_millis().saturating_sub(now.as_millis()));
        let pause = [until(next_at, now), until(unseen_at, wall)].into_iter().flatten().min();
        Ok(pause.map_or(LOOK_EVERY, Duration::from_millis))
    }

    async fn clean(&mut self) -> Result<(), StoreError> {
        self.lanes.forget_idle();
        let now = (self.clocks.onward)();
        let before = |ms| Timestamp(now.as_millis().saturating_sub(ms));
        let clean = CleanOutbox {
            now,
            delivered_before: before(DELIVERED_KEPT_MS),
            dead_before: before(DEAD_KEPT_MS),
            waiting_before: (self.began.elapsed() > GRACE).then(|| before(WAITING_MS)),
        };
        let removed = self.outbox.clean_outbox(clean).await?;
        // There may be more: one piece for each look, so that nothing waits behind it.
        self.clean_at = Instant::now() + if removed > 0 { LOOK_PAUSE } else { CLEAN_EVERY };
        Ok(())
    }
}

/// Makes one attempt and writes what came of it; only then may the delivery be taken again.
async fn deliver(outbox: Arc<dyn Outbox>, sender: Sender, clocks: Clocks, mut due: DueDelivery) -> Ended {
    let body = payload(&due);
    // It is in the body, and an attempt may take long.
    due.content = DeliveryContent::Gone;
    let (http_status, outcome) = match body {
        Some(body) => attempt(&sender, clocks, &due, body).await,
        None => (None, AttemptOutcome::Gone),
    };
    let was_taken = match &outcome {
        AttemptOutcome::Delivered => Some(true),
        AttemptOutcome::Failed { .. } => Some(false),
        AttemptOutcome::Gone => None,
    };
    count(&due, &outcome);
    let DueDelivery { id: delivery, webhook, round, .. } = due;
    let attempt = Attempt { webhook, delivery, round, at: (clocks.wall)(), http_status, outcome };
    settle(&*outbox, attempt, was_taken).await
}

/// Ends a delivery of which nothing can be sent: it is seen among the dead ones, and holds no other one up.
async fn give_up(outbox: Arc<dyn Outbox>, clocks: Clocks, unreadable: UnreadableDelivery) -> Ended {
    let UnreadableDelivery { id: delivery, webhook, round, why } = unreadable;
    tracing::error!(%webhook, %delivery, error = %why, "a delivery cannot be read and is given up");
    metrics::counter!(WEBHOOK_DELIVERIES_TOTAL, "result" => "dead").increment(1);
    let outcome = AttemptOutcome::Failed { error: UNREADABLE.to_owned(), next_at: None };
    let attempt = Attempt { webhook, delivery, round, at: (clocks.wall)(), http_status: None, outcome };
    settle(&*outbox, attempt, None).await
}

/// Writes what came of an attempt, however long the store cannot.
async fn settle(outbox: &dyn Outbox, attempt: Attempt, was_taken: Option<bool>) -> Ended {
    while let Err(error) = outbox.settle_delivery(attempt.clone()).await {
        tracing::warn!(%error, "what came of a webhook's delivery cannot be written yet");
        tokio::time::sleep(STORE_PAUSE).await;
    }
    let Attempt { webhook, delivery, .. } = attempt;
    Ended { webhook, delivery, was_taken }
}

async fn attempt(sender: &Sender, clocks: Clocks, due: &DueDelivery, body: Vec<u8>) -> (Option<u16>, AttemptOutcome) {
    let seconds = (clocks.wall)().as_millis() / 1000;
    let signed = Signed { id: due.id.to_string(), seconds, signature: signature(&due.secret, &due.id, seconds, &body) };
    let (http_status, error) = match sender.send(&due.url, signed, Bytes::from(body)).await {
        Ok(status) if (200..300).contains(&status) => return (Some(status), AttemptOutcome::Delivered),
        Ok(status) => (Some(status), format!("the answer had the status {status}")),
        Err(error) => (None, error.to_string()),
    };
    let next_at = next_attempt(due.attempts.saturating_add(1), (clocks.onward)(), random());
    (http_status, AttemptOutcome::Failed { error, next_at })
}

/// Some random bits; without them attempts are not spread, and that is all.
fn random() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    }
}

fn count(due: &DueDelivery, outcome: &AttemptOutcome) {
    let result = match outcome {
        AttemptOutcome::Delivered => "delivered",
        AttemptOutcome::Failed { next_at: Some(_), .. } => "failed",
        AttemptOutcome::Failed { next_at: None, error } => {
            tracing::warn!(webhook = %due.webhook, delivery = %due.id, event = %due.event, %error, "a delivery is given up");
            "dead"
        }
        AttemptOutcome::Gone => return,
    };
    metrics::counter!(WEBHOOK_DELIVERIES_TOTAL, "result" => result).increment(1);
}

#[cfg(test)]
mod tests;
