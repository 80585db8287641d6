//! Webhooks and what they are still to be told: durable like the events themselves.
//!
//! A delivery is a row that is written in the transaction of the event that it tells of, one for each webhook of the
//! organization that asked for such events. The row names the event and does not copy it: what is sent is read when it
//! is sent, so that it has the newest content, and nothing is sent of what was deleted meanwhile.
//!
//! One worker takes deliveries ([`Outbox::due_deliveries`]), tries them, and writes what came of it
//! ([`Outbox::settle_delivery`]). What is being tried is known to that worker alone: after a crash it is tried again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cossistant_protocol::http::{DeliveryStatus, MAX_WEBHOOKS, WebhookEvent};
use cossistant_protocol::{DeliveryId, OrganizationId, PersonId, Timestamp, UserType, WebhookId};
use tokio::sync::Notify;

use super::{Audience, EventBody, SiteKey, StoreError, StoreFuture, StoredEvent};

/// How many ended timers of unseen messages are told in one call of [`Outbox::tell_unseen`].
pub(crate) const UNSEEN_AT_ONCE: usize = 100;
/// How many rows one call of [`Outbox::clean_outbox`] removes, so that no other write waits long for it.
pub(crate) const CLEANED_AT_ONCE: usize = 500;

/// Why a delivery is dead that no attempt has given up.
pub(crate) const WAITED_TOO_LONG: &str = "it waited too long for the address to take what came before it";

/// Why a delivery is dead that cannot be read.
pub(crate) const UNREADABLE: &str = "it cannot be read: what the store has of it is damaged";

/// What is said of one more than [`MAX_WEBHOOKS`].
pub(super) const TOO_MANY_WEBHOOKS: StoreError = StoreError::LimitExceeded("an organization has at most 100 webhooks");
const _: () = assert!(MAX_WEBHOOKS == 100, "the words above say so");

/// The part of a [`Store`](super::Store) that is for webhooks.
pub trait Outbox: Send + Sync + 'static {
    // ---- set-up ----

    /// Creates a webhook; an id that is taken is [`super::Conflict::Taken`], and one more than [`MAX_WEBHOOKS`] of an
    /// organization [`StoreError::LimitExceeded`], however many are created at once.
    fn create_webhook(&self, row: WebhookRow) -> StoreFuture<()>;

    /// The webhooks of an organization, in the order of their ids.
    fn webhooks(&self, organization: OrganizationId) -> StoreFuture<Vec<WebhookRow>>;

    /// Deletes a webhook of an organization. From then on nothing of it is found; its deliveries' rows go by and by.
    fn delete_webhook(&self, organization: OrganizationId, webhook: WebhookId) -> StoreFuture<()>;

    // ---- what became of deliveries ----

    /// One page of a webhook's deliveries, the newest first, and whether more follow.
    fn deliveries(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        page: DeliveryPage,
    ) -> StoreFuture<(Vec<DeliveryRow>, bool)>;

    /// Makes a delivery due at `at`, with all of its attempts before it, whatever became of it.
    fn resend_delivery(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> StoreFuture<DeliveryRow>;

    // ---- for the worker ----

    /// Wakes one waiter after each commit that made a delivery, or a timer of an unseen message, due earlier.
    fn outbox_signal(&self) -> Arc<Notify>;

    /// What is to be sent now, and when there is more to do. What of it cannot be read is told apart, and is no error.
    fn due_deliveries(&self, take: TakeDeliveries) -> StoreFuture<DueDeliveries>;

    /// Writes what came of an attempt. It changes nothing if the delivery was sent once more by hand meanwhile, or is
    /// gone.
    fn settle_delivery(&self, attempt: Attempt) -> StoreFuture<()>;

    /// Makes deliveries of the messages whose time is over and that were not read: for each conversation and side one
    /// for each webhook. At most 100 conversations at once; those that remain are due at once, see
    /// [`DueDeliveries::unseen_at`].
    fn tell_unseen(&self, now: Timestamp) -> StoreFuture<()>;

    /// Removes rows that nobody needs any more, at most 500 at once; answers how many.
    fn clean_outbox(&self, clean: CleanOutbox) -> StoreFuture<usize>;
}

/// The key that a webhook's requests are signed with. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Takes bytes as a key.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// Which events a webhook is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSet(u32);

impl EventSet {
    /// Those of a list.
    #[must_use]
    pub fn new(events: &[WebhookEvent]) -> Self {
        Self(events.iter().fold(0, |bits, event| bits | 1 << event_number(*event)))
    }

    /// As a number to store.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From a stored number; bits of unknown events are kept and mean nothing.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether it has an event.
    #[must_use]
    pub const fn contains(self, event: WebhookEvent) -> bool {
        self.0 >> event_number(event) & 1 == 1
    }

    /// Its events, in the order of their declaration.
    #[must_use]
    pub fn to_vec(self) -> Vec<WebhookEvent> {
        WebhookEvent::ALL.iter().copied().filter(|event| self.contains(*event)).collect()
    }
}

/// As what webhooks are told of a durable event.
pub(super) const fn told_as(body: &EventBody) -> WebhookEvent {
    match body {
        EventBody::Created { .. } => WebhookEvent::ConversationCreated,
        EventBody::Message(_) => WebhookEvent::MessageCreated,
        EventBody::Updated { .. } => WebhookEvent::MessageUpdated,
        EventBody::Status { .. } => WebhookEvent::ConversationStatusChanged,
        EventBody::Assigned { .. } => WebhookEvent::ConversationAssigned,
    }
}

/// Who is to read a public message.
pub(super) const fn reader_of(sender: UserType) -> Audience {
    match sender {
        UserType::Visitor => Audience::Team,
        UserType::User | UserType::AiAgent => Audience::Visitor,
    }
}

/// An event as a number to store; never given to another one.
pub(super) const fn event_number(event: WebhookEvent) -> u32 {
    match event {
        WebhookEvent::MessageCreated => 0,
        WebhookEvent::MessageUpdated => 1,
        WebhookEvent::ConversationCreated => 2,
        WebhookEvent::ConversationStatusChanged => 3,
        WebhookEvent::ConversationAssigned => 4,
        WebhookEvent::MessageUnseen => 5,
    }
}

/// A webhook of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Whose.
    pub organization: OrganizationId,
    /// Where it is told.
    pub url: String,
    /// What its requests are signed with.
    pub secret: SigningSecret,
    /// What it is told of.
    pub events: EventSet,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which deliveries of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Only those that stand so.
    pub status: Option<DeliveryStatus>,
    /// Only those older than this one, which need not be there any more.
    pub before: Option<DeliveryId>,
    /// How many at most.
    pub limit: usize,
}

/// A delivery, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id; sorts by time.
    pub id: DeliveryId,
    /// Of what it tells.
    pub event: WebhookEvent,
    /// When that happened.
    pub at: Timestamp,
    /// How it stands.
    pub status: DeliveryStatus,
    /// How often it was tried since it was queued or sent once more by hand.
    pub attempts: u32,
    /// When it was last tried.
    pub last_at: Option<Timestamp>,
    /// When it will be tried; of no meaning once it is delivered or dead.
    pub next_at: Timestamp,
    /// The HTTP status of the last answer.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// What the worker can take.
#[derive(Debug, Clone)]
pub struct TakeDeliveries {
    /// Now: nothing is due that lies behind it.
    pub now: Timestamp,
    /// How many in all.
    pub limit: usize,
    /// How many deliveries to the webhooks of one organization may be in the works at once, those of `busy` included.
    pub organization: usize,
    /// No more begins behind the one with which so many bytes of content are reached.
    pub bytes: usize,
    /// How many deliveries of one webhook may be in the works at once, those of `busy` excepted.
    pub lane: usize,
    /// The webhooks that something is in the works for.
    pub busy: BTreeMap<WebhookId, BusyLane>,
}

impl Default for TakeDeliveries {
    /// Nothing is in the works, and there is no bound; as of the beginning of time.
    fn default() -> Self {
        Self {
            now: Timestamp::default(),
            limit: usize::MAX,
            organization: usize::MAX,
            bytes: usize::MAX,
            lane: usize::MAX,
            busy: BTreeMap::new(),
        }
    }
}

/// What is in the works for one webhook.
#[derive(Debug, Clone, Default)]
pub struct BusyLane {
    /// These are not due, whatever the store says.
    pub in_flight: Vec<DeliveryId>,
    /// How many at once.
    pub lane: usize,
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct DueDeliveries {
    /// What is to be sent now, webhooks with the least in the works first.
    pub deliveries: Vec<DueDelivery>,
    /// What would be sent now if it could be read; each has a place in the works like the others, until it is settled.
    pub unreadable: Vec<UnreadableDelivery>,
    /// When the next delivery is due of a webhook that has room for it; may lie in the past if `limit` was reached.
    pub next_at: Option<Timestamp>,
    /// When the first timer of unseen messages ends; in the past if [`Outbox::tell_unseen`] is to be called.
    pub unseen_at: Option<Timestamp>,
    /// Since when the oldest one waits that was neither taken nor given up.
    pub waiting_since: Option<Timestamp>,
}

/// A delivery to be tried.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook: WebhookId,
    /// Where that is told.
    pub url: String,
    /// What the request is signed with.
    pub secret: SigningSecret,
    /// Of what it tells.
    pub event: WebhookEvent,
    /// When that happened.
    pub at: Timestamp,
    /// How often it was tried before.
    pub attempts: u32,
    /// How often it was sent once more by hand; comes back with [`Attempt`].
    pub round: u32,
    /// What is to be told.
    pub content: DeliveryContent,
}

/// A delivery that is not as it was written, or that tells of something that is not: an attempt at it cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook: WebhookId,
    /// How often it was sent once more by hand; comes back with [`Attempt`].
    pub round: u32,
    /// What was found, for the log.
    pub why: String,
}

/// What a delivery tells of, as it stands now.
#[derive(Debug, Clone)]
pub enum DeliveryContent {
    /// A durable event.
    Event(StoredEvent),
    /// Messages that nobody has read.
    Unseen(UnseenMessages),
    /// Nothing is left of it.
    Gone,
}

/// What an event takes besides its texts, roughly.
const EVENT_BYTES: usize = 1024;

impl DeliveryContent {
    /// The events that it tells of.
    fn events(&self) -> &[StoredEvent] {
        match self {
            Self::Event(event) => std::slice::from_ref(event),
            Self::Unseen(unseen) => &unseen.messages,
            Self::Gone => &[],
        }
    }

    /// The texts of those, which are JSON.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Arc<str>> {
        let texts = |event: &StoredEvent| match &event.body {
            EventBody::Message(message) => [message.content.clone(), message.metadata.clone()],
            EventBody::Updated { content, .. } => [content.clone(), None],
            EventBody::Created { .. } | EventBody::Status { .. } | EventBody::Assigned { .. } => [None, None],
        };
        self.events().iter().flat_map(texts).flatten()
    }

    /// How many bytes it takes, as it is and as it is sent, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.events().len() * EVENT_BYTES + self.texts().map(|text| text.len()).sum::<usize>()
    }
}

/// Public messages of one conversation that waited for their reader.
#[derive(Debug, Clone)]
pub struct UnseenMessages {
    /// On which website.
    pub website: SiteKey,
    /// In which conversation.
    pub conversation: cossistant_protocol::ConversationId,
    /// Whose it is.
    pub visitor: PersonId,
    /// Who has not read.
    pub unseen_by: Audience,
    /// How many there are.
    pub count: u64,
    /// The newest ones, in order.
    pub messages: Vec<StoredEvent>,
}

/// An attempt that has ended.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// To which webhook.
    pub webhook: WebhookId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// The round in which it was taken.
    pub round: u32,
    /// When it ended.
    pub at: Timestamp,
    /// The HTTP status of the answer, if there was one.
    pub http_status: Option<u16>,
    /// How it ended.
    pub outcome: AttemptOutcome,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It was taken.
    Delivered,
    /// It was not.
    Failed {
        /// Why, for people; never with anything of the answer in it.
        error: String,
        /// When it is tried again; `None` for never.
        next_at: Option<Timestamp>,
    },
    /// Nothing was left to tell; the delivery is removed.
    Gone,
}

/// What may be removed.
#[derive(Debug, Clone, Copy)]
pub struct CleanOutbox {
    /// Now.
    pub now: Timestamp,
    /// Delivered ones that were taken before this time.
    pub delivered_before: Timestamp,
    /// Dead ones that were given up before this time.
    pub dead_before: Timestamp,
    /// Those that wait since before this time are given up: they are dead then, and not removed.
    pub waiting_before: Option<Timestamp>,
}
