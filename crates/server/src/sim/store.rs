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
use crate::store::{
    AppendMessage, Appended, Attempt, Audience, ChangeConversation, Changed, CleanOutbox, Conversation,
    ConversationPage, ConversationQuery, ConversationSnapshot, CreateConversation, Created, DeleteMessage,
    DeliveryPage, DeliveryRow, DirectoryRows, DueDeliveries, EditMessage, EventBody, Identified, IdentifyVisitor,
    KeyRow, KnownMessage, MarkSeen, Member, MemoryStore, MessagePage, MovedMark, OrganizationRow, Outbox, PersonKey,
    RevocationRow, Scope, SiteKey, Store, StoreError, StoreFuture, StoredEvent, TakeDeliveries, TouchPerson,
    VisitorRow, WebhookRow, WebsiteRow, WebsiteSnapshot,
};

type Write = Box<dyn FnOnce(&MemoryStore, bool) + Send>;

/// Writes that were called and have not happened.
#[derive(Default)]
struct Queue {
    next_ticket: u64,
    waiting: VecDeque<(u64, Write)>,
    is_down: bool,
    /// The process dies right behind the next commit.
    is_fatal: bool,
    has_died: bool,
}

/// A [`MemoryStore`] that takes its time.
pub(super) struct PacedStore {
    inner: Arc<MemoryStore>,
    // Guards what waits; held for one step and never while anything waits.
    queue: Arc<Mutex<Queue>>,
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
    pub(super) fn new(inner: Arc<MemoryStore>, plant: Option<Plant>) -> Self {
        Self { inner, queue: Arc::default(), plant }
    }

    pub(super) fn set_down(&self, is_down: bool) {
        lock(&self.queue).is_down = is_down;
    }

    /// Whether the process dies behind the next commit, before anybody is told of it.
    pub(super) fn die_at_next_commit(&self, is_fatal: bool) {
        lock(&self.queue).is_fatal = is_fatal;
    }

    pub(super) fn has_died(&self) -> bool {
        lock(&self.queue).has_died
    }

    fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&MemoryStore) -> StoreFuture<T> + Send + 'static,
    ) -> StoreFuture<T> {
        let (inner, queue) = (Arc::clone(&self.inner), Arc::clone(&self.queue));
        Box::pin(async move {
            pause().await;
            let is_down = lock(&queue).is_down;
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
        let write: Write = Box::new(move |store, is_down| {
            let result = if is_down { Err(down()) } else { answer(call(store)) };
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
    fn append(&self, mut append: AppendMessage) -> StoreFuture<Appended> {
        match self.plant {
            Some(Plant::ForgottenKeys) => {
                let key = format!("{}-{}", append.key, append.message);
                append.key = RequestId::new(key.get(..64).unwrap_or(&key)).expect("two ids are an id");
            }
            Some(Plant::AckBeforeCommit) => {
                let early = self.inner.fork();
                let result = answer(early.append_message(append.clone()));
                let late = self.write(move |store| store.append_message(append));
                return Box::pin(async move {
                    pause().await;
                    drop(late);
                    result
                });
            }
            _ => {}
        }
        self.write(move |store| store.append_message(append))
    }
}

fn commit_through(store: &MemoryStore, queue: &Mutex<Queue>, ticket: u64) {
    let mut queue = lock(queue);
    while !queue.has_died && queue.waiting.front().is_some_and(|(waiting, _)| *waiting <= ticket) {
        let is_down = queue.is_down;
        if let Some((_, write)) = queue.waiting.pop_front() {
            write(store, is_down);
        }
    }
    if queue.is_fatal && !queue.is_down {
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
        conversation(organization: OrganizationId, scope: Scope, conversation: ConversationId) -> Conversation;
        conversation_snapshot(organization: OrganizationId, scope: Scope, conversation: ConversationId) -> ConversationSnapshot;
        website_snapshot(organization: OrganizationId, website: WebsiteId) -> WebsiteSnapshot;
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
                // The first event behind the place is left out.
                Some(Plant::ReplayGap) if upto > after + 1 => {
                    let mut events = answer(past(after));
                    if let Ok(events) = &mut events {
                        let first = events.first().cloned();
                        events.extend(first);
                        events.remove(0);
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
