//! The store of the simulator: the one in memory, with the timing and the faults of a slower one.
//!
//! Each call takes three polls: it is made, it happens, it is answered. Whatever polls decides how much time lies
//! between them, and a crash may come at any of them. Writes happen in the order of their calls, those that wait
//! together at once, as one commit.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use cossistant_protocol::{
    ConversationId, DeliveryId, KeyId, MessageId, OrganizationId, PersonId, RequestId, Timestamp, WebhookId, WebsiteId,
};
use tokio::sync::Notify;

use super::Plant;
use super::node::SimBus;
use crate::bus::{Bus as _, Notice};
use crate::event::Event;
use crate::store::{
    AppendMessage, Appended, Attempt, Audience, ChangeConversation, Changed, CleanOutbox, Conversation,
    ConversationPage, ConversationQuery, ConversationSnapshot, CreateConversation, Created, DeleteMessage,
    DeliveryPage, DeliveryRow, DirectoryRows, DueDeliveries, EditMessage, EventBody, Heads, Identified,
    IdentifyVisitor, KeyRow, KnownMessage, MarkSeen, Member, MemoryStore, MessagePage, MovedMark, OrganizationRow,
    Outbox, PersonKey, RevocationRow, Scope, SiteKey, Store, StoreError, StoreFuture, StoredEvent, TakeDeliveries,
    TouchPerson, VisitorRow, WebhookRow, WebsiteRow, WebsiteSnapshot,
};

type Write = Box<dyn FnOnce(&MemoryStore, Option<StoreError>) + Send>;

/// What is wrong with the store.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// No call succeeds.
    Down,
    /// No write succeeds, as when the disk is full or another process holds the lock.
    Full,
}

/// When the process is to die.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doom {
    #[default]
    None,
    /// Right before the next commit.
    BeforeCommit,
    /// Right behind the next commit, before anybody is told of it.
    BehindCommit,
}

/// Writes that were called and have not happened.
#[derive(Default)]
struct Queue {
    next_ticket: u64,
    waiting: VecDeque<(u64, Write)>,
    trouble: Trouble,
    doom: Doom,
    has_died: bool,
    commits: u64,
    /// What a crash leaves, under a bug that loses the newest commits.
    synced: Option<MemoryStore>,
}

/// A [`MemoryStore`] that takes its time.
pub(super) struct PacedStore {
    inner: Arc<MemoryStore>,
    // Guards what waits; held for one step and never while anything waits.
    queue: Arc<Mutex<Queue>>,
    bus: Arc<SimBus>,
    plant: Option<Plant>,
}

/// Lets whoever polls decide when to go on.
async fn pause() {
    let mut is_first = true;
    poll_fn(|_| if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer of a future that waits for the store in memory alone, and so is ready at once.
pub(super) fn answer<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StoreError::Corrupt("the store in memory made somebody wait".to_owned())),
    }
}

fn down() -> StoreError {
    StoreError::Unavailable("told to be down".to_owned())
}

impl PacedStore {
    pub(super) fn new(inner: Arc<MemoryStore>, bus: Arc<SimBus>, plant: Option<Plant>) -> Self {
        if plant == Some(Plant::KeysForgottenOnRestart) {
            inner.forget_message_keys();
        }
        let synced = (plant == Some(Plant::AckBeforeFsync)).then(|| inner.fork());
        Self { inner, queue: Arc::new(Mutex::new(Queue { synced, ..Queue::default() })), bus, plant }
    }

    pub(super) fn set_trouble(&self, trouble: Trouble) {
        lock(&self.queue).trouble = trouble;
    }

    /// Decides whether the process dies at the next commit.
    pub(super) fn set_doom(&self, doom: Doom) {
        lock(&self.queue).doom = doom;
    }

    pub(super) fn has_died(&self) -> bool {
        lock(&self.queue).has_died
    }

    /// What is left behind a crash, if that is not all.
    pub(super) fn take_remains(&self) -> Option<MemoryStore> {
        lock(&self.queue).synced.take()
    }

    fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&MemoryStore) -> StoreFuture<T> + Send + 'static,
    ) -> StoreFuture<T> {
        let (inner, queue) = (Arc::clone(&self.inner), Arc::clone(&self.queue));
        Box::pin(async move {
            pause().await;
            let is_down = lock(&queue).trouble == Trouble::Down;
            let result = if is_down { Err(down()) } else { answer(call(&inner)) };
            pause().await;
            result
        })
    }

    fn write<T: Send + 'static>(
        &self,
        call: impl FnOnce(&MemoryStore) -> StoreFuture<T> + Send + 'static,
    ) -> StoreFuture<T> {
        let (inner, queue) = (Arc::clone(&self.inner), Arc::clone(&self.queue));
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let write: Write = Box::new(move |store, error| {
            let result = error.map_or_else(|| answer(call(store)), Err);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        let ticket = {
            let mut queue = lock(&queue);
            queue.next_ticket += 1;
            let ticket = queue.next_ticket;
            queue.waiting.push_back((ticket, write));
            ticket
        };
        Box::pin(async move {
            pause().await;
            commit_through(&inner, &queue, ticket);
            pause().await;
            let result = result.lock().unwrap_or_else(PoisonError::into_inner).take();
            result.unwrap_or_else(|| Err(StoreError::Corrupt("a write was forgotten".to_owned())))
        })
    }

    /// The planted bugs of the message's way into the store.
    fn append(&self, append: AppendMessage) -> StoreFuture<Appended> {
        // What would be stored, by a copy. Not when others wait: they come first.
        let early = |is_wanted: bool| {
            let is_sure = is_wanted && lock(&self.queue).waiting.is_empty();
            is_sure.then(|| answer(self.inner.fork().append_message(append.clone()))).and_then(Result::ok)
        };
        match self.plant {
            Some(Plant::ForgottenKeys) => self.write(move |store| {
                store.forget_message_keys();
                store.append_message(append)
            }),
            Some(Plant::CountedNotes) => self.write(move |store| {
                let appended = answer(store.append_message(append)).map(|mut appended| {
                    for event in &mut appended.events {
                        event.visitor_seq = event.visitor_seq.map(|_| event.team_seq);
                    }
                    appended
                });
                Box::pin(std::future::ready(appended))
            }),
            Some(Plant::AckBeforeCommit) => match early(true) {
                Some(appended) => {
                    let late = self.write(move |store| store.append_message(append));
                    Box::pin(async move {
                        pause().await;
                        drop(late);
                        Ok(appended)
                    })
                }
                None => self.write(move |store| store.append_message(append)),
            },
            Some(Plant::PublishBeforeCommit) => {
                let events = early(true).map(|appended| appended.events).unwrap_or_default();
                if !events.is_empty() {
                    let events: Vec<_> = events.iter().map(|event| Arc::new(Event::encode(event))).collect();
                    self.bus.publish(Notice::Events(events));
                }
                self.write(move |store| store.append_message(append))
            }
            Some(_) | None => self.write(move |store| store.append_message(append)),
        }
    }

    /// The organization as which a conversation is looked up.
    fn organization(&self, organization: OrganizationId, conversation: &ConversationId) -> OrganizationId {
        if self.plant == Some(Plant::ForeignTenant) {
            let ours = super::site(super::Tenant::Ours).organization;
            let scope = Scope::Team { websites: crate::store::Websites::All };
            if answer(self.inner.conversation(ours.clone(), scope, conversation.clone())).is_ok() {
                return ours;
            }
        }
        organization
    }
}

fn commit_through(store: &MemoryStore, queue: &Mutex<Queue>, ticket: u64) {
    let mut queue = lock(queue);
    if queue.doom == Doom::BeforeCommit && queue.trouble == Trouble::None {
        queue.has_died = true;
    }
    let mut has_written = false;
    while !queue.has_died && queue.waiting.front().is_some_and(|(waiting, _)| *waiting <= ticket) {
        let error = match queue.trouble {
            Trouble::None => None,
            Trouble::Down => Some(down()),
            Trouble::Full => Some(StoreError::Unavailable("told to be full".to_owned())),
        };
        has_written |= error.is_none();
        if let Some((_, write)) = queue.waiting.pop_front() {
            write(store, error);
        }
    }
    queue.commits += u64::from(has_written);
    if has_written && queue.commits.is_multiple_of(4) && queue.synced.is_some() {
        queue.synced = Some(store.fork());
    }
    if queue.doom == Doom::BehindCommit && has_written {
        queue.has_died = true;
    }
}

macro_rules! reads {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        $(fn $name(&self, $($arg: $kind),*) -> StoreFuture<$out> {
            self.read(move |store| store.$name($($arg),*))
        })*
    };
}

macro_rules! writes {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        $(fn $name(&self, $($arg: $kind),*) -> StoreFuture<$out> {
            self.write(move |store| store.$name($($arg),*))
        })*
    };
}

impl Outbox for PacedStore {
    writes! {
        create_webhook(row: WebhookRow) -> ();
        delete_webhook(organization: OrganizationId, webhook: WebhookId) -> ();
        resend_delivery(organization: OrganizationId, webhook: WebhookId, delivery: DeliveryId, at: Timestamp) -> DeliveryRow;
        settle_delivery(attempt: Attempt) -> ();
        tell_unseen(now: Timestamp) -> ();
        clean_outbox(clean: CleanOutbox) -> usize;
    }

    reads! {
        webhooks(organization: OrganizationId) -> Vec<WebhookRow>;
        deliveries(organization: OrganizationId, webhook: WebhookId, page: DeliveryPage) -> (Vec<DeliveryRow>, bool);
        due_deliveries(take: TakeDeliveries) -> DueDeliveries;
    }

    fn outbox_signal(&self) -> Arc<Notify> {
        self.inner.outbox_signal()
    }
}

impl Store for PacedStore {
    writes! {
        edit_message(edit: EditMessage) -> Vec<StoredEvent>;
        delete_message(delete: DeleteMessage) -> Vec<StoredEvent>;
        create_conversation(create: CreateConversation) -> Created;
        change_conversation(change: ChangeConversation) -> Changed;
        mark_seen(mark: MarkSeen) -> Option<MovedMark>;
        touch_person(touch: TouchPerson) -> ();
        identify_visitor(identify: IdentifyVisitor) -> Identified;
        create_organization(row: OrganizationRow) -> ();
        delete_organization(organization: OrganizationId) -> ();
        create_website(row: WebsiteRow) -> ();
        update_website(row: WebsiteRow) -> ();
        delete_website(website: SiteKey) -> ();
        create_key(row: KeyRow) -> ();
        delete_key(key: KeyId) -> ();
        revoke(row: RevocationRow) -> ();
    }

    reads! {
        epoch() -> String;
        known_message(organization: OrganizationId, scope: Scope, conversation: ConversationId, sender: PersonKey, key: RequestId) -> Option<KnownMessage>;
        website_snapshot(organization: OrganizationId, website: WebsiteId) -> WebsiteSnapshot;
        heads(known: Vec<(SiteKey, u64)>) -> Heads;
        website_events(organization: OrganizationId, website: WebsiteId, after: u64, upto: u64, limit: usize) -> Vec<StoredEvent>;
        messages(organization: OrganizationId, scope: Scope, conversation: ConversationId, page: MessagePage) -> (Vec<StoredEvent>, bool);
        message(organization: OrganizationId, scope: Scope, conversation: ConversationId, message: MessageId) -> StoredEvent;
        conversations(query: ConversationQuery) -> ConversationPage;
        open_conversations(website: SiteKey, visitor: PersonId) -> Vec<ConversationId>;
        open_conversations_of(website: SiteKey, visitors: Vec<PersonId>) -> Vec<(PersonId, Vec<ConversationId>)>;
        resolve_visitor(website: SiteKey, visitor: PersonId) -> PersonId;
        known_visitor(website: SiteKey, external_id: String) -> Option<PersonId>;
        visitor(website: SiteKey, visitor: PersonId) -> VisitorRow;
        visitor_websites(organization: OrganizationId, visitor: PersonId) -> Vec<WebsiteId>;
        members(website: SiteKey) -> Vec<Member>;
        directory() -> DirectoryRows;
    }

    fn append_message(&self, append: AppendMessage) -> StoreFuture<Appended> {
        self.append(append)
    }

    fn conversation(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<Conversation> {
        let organization = self.organization(organization, &conversation);
        self.read(move |store| store.conversation(organization, scope, conversation))
    }

    fn conversation_snapshot(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<ConversationSnapshot> {
        let organization = self.organization(organization, &conversation);
        self.read(move |store| store.conversation_snapshot(organization, scope, conversation))
    }

    fn conversation_events(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        audience: Audience,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> StoreFuture<Vec<StoredEvent>> {
        let plant = self.plant;
        self.read(move |store| {
            let past = |after| {
                let (organization, conversation) = (organization.clone(), conversation.clone());
                store.conversation_events(organization, conversation, audience, after, upto, limit)
            };
            match plant {
                // Not the first one: that it is missing would be noticed, and told by `recovered`.
                Some(Plant::ReplayGap) => {
                    let mut events = answer(past(after));
                    if let Ok(events) = &mut events
                        && events.len() > 2
                    {
                        events.remove(1);
                    }
                    Box::pin(std::future::ready(events))
                }
                Some(Plant::NoteOnReplay) if audience == Audience::Visitor => {
                    let mut events = answer(store.conversation_events(
                        organization.clone(),
                        conversation.clone(),
                        Audience::Team,
                        0,
                        u64::MAX >> 1,
                        usize::MAX,
                    ));
                    if let Ok(events) = &mut events {
                        let mut seq = 0;
                        events.retain_mut(|event| {
                            let is_note = event.visitor_seq.is_none() && matches!(event.body, EventBody::Message(_));
                            seq = event.visitor_seq.unwrap_or(seq);
                            event.visitor_seq = Some(seq);
                            (is_note || seq > after) && seq <= upto
                        });
                        events.truncate(limit);
                    }
                    Box::pin(std::future::ready(events))
                }
                _ => past(after),
            }
        })
    }
}
