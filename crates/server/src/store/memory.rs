//! The store of tests and the simulator: plain collections, nothing on disk.

mod lists;
mod outbox;
mod people;
mod setup;
mod state;
mod threads;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cossistant_protocol::{
    ConversationId, DeliveryId, KeyId, MessageId, OrganizationId, PersonId, RequestId, Timestamp, WebhookId, WebsiteId,
};
use tokio::sync::Notify;

use self::state::State;
use super::{
    AppendMessage, Appended, Attempt, Audience, ChangeConversation, Changed, CleanOutbox, Conversation,
    ConversationPage, ConversationQuery, ConversationSnapshot, CreateConversation, Created, DeleteMessage,
    DeliveryPage, DeliveryRow, DirectoryRows, DueDeliveries, EditMessage, Heads, Identified, IdentifyVisitor, KeyRow,
    KnownMessage, MarkSeen, Member, MessagePage, MovedMark, OrganizationRow, Outbox, PersonKey, RevocationRow, Scope,
    SiteKey, Store, StoreError, StoreFuture, StoredEvent, TakeDeliveries, TouchPerson, VisitorRow, WebhookRow,
    WebsiteRow, WebsiteSnapshot,
};

/// A store in memory: deterministic, and every answer is ready at once.
///
/// A write has happened when its call returns, whether or not its answer is awaited.
#[derive(Debug)]
pub struct MemoryStore {
    // Guards the whole state; held for one call at a time and never while anything waits.
    inner: Mutex<Inner>,
    outbox: Arc<Notify>,
}

#[derive(Debug, Clone)]
struct Inner {
    state: State,
    failing_writes: usize,
}

impl MemoryStore {
    /// An empty store of the given life.
    #[must_use]
    pub fn new(epoch: impl Into<String>) -> Self {
        Self::of(State::new(epoch.into()))
    }

    /// A copy of what is stored now: what a server finds that starts after a crash at this moment.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.lock().state.clone())
    }

    fn of(state: State) -> Self {
        Self { inner: Mutex::new(Inner { state, failing_writes: 0 }), outbox: Arc::default() }
    }

    /// The same data in another life, as after a restore.
    #[must_use]
    pub fn fork_with_epoch(&self, epoch: impl Into<String>) -> Self {
        let fork = self.fork();
        fork.lock().state.epoch = epoch.into();
        fork
    }

    /// Makes the next `count` writes [`StoreError::Unavailable`]; 0 ends that.
    pub fn fail_next_writes(&self, count: usize) {
        self.lock().failing_writes = count;
    }

    /// Forgets which messages were sent under which keys: a planted bug.
    #[cfg(feature = "sim")]
    pub(crate) fn forget_message_keys(&self) {
        self.lock().state.threads.values_mut().for_each(|thread| thread.keys.clear());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T: Send + 'static>(&self, write: impl FnOnce(&mut State) -> Result<T, StoreError>) -> StoreFuture<T> {
        let mut inner = self.lock();
        let result = if inner.failing_writes > 0 {
            inner.failing_writes -= 1;
            Err(StoreError::Unavailable("told to fail".to_owned()))
        } else {
            write(&mut inner.state)
        };
        if std::mem::take(&mut inner.state.outbox.has_due) {
            self.outbox.notify_one();
        }
        Box::pin(std::future::ready(result))
    }

    /// Changes the set-up.
    fn set_up(&self, change: impl FnOnce(&mut State) -> Result<(), StoreError>) -> StoreFuture<()> {
        self.write(|state| {
            change(state)?;
            state.setup += 1;
            Ok(())
        })
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&State) -> Result<T, StoreError>) -> StoreFuture<T> {
        Box::pin(std::future::ready(read(&self.lock().state)))
    }
}

impl Store for MemoryStore {
    fn epoch(&self) -> StoreFuture<String> {
        self.read(|state| Ok(state.epoch.clone()))
    }

    fn append_message(&self, append: AppendMessage) -> StoreFuture<Appended> {
        self.write(|state| state.append(append))
    }

    fn known_message(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        sender: PersonKey,
        key: RequestId,
    ) -> StoreFuture<Option<KnownMessage>> {
        self.read(|state| state.known(organization, &scope, conversation, sender, key))
    }

    fn edit_message(&self, edit: EditMessage) -> StoreFuture<Vec<StoredEvent>> {
        self.write(|state| state.edit(edit))
    }

    fn delete_message(&self, delete: DeleteMessage) -> StoreFuture<Vec<StoredEvent>> {
        self.write(|state| state.delete(delete))
    }

    fn create_conversation(&self, create: CreateConversation) -> StoreFuture<Created> {
        self.write(|state| state.create(create))
    }

    fn change_conversation(&self, change: ChangeConversation) -> StoreFuture<Changed> {
        self.write(|state| state.change(change))
    }

    fn mark_seen(&self, mark: MarkSeen) -> StoreFuture<Option<MovedMark>> {
        self.write(|state| state.mark_seen(mark))
    }

    fn conversation(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<Conversation> {
        self.read(|state| Ok(state.thread_in(organization, &scope, conversation)?.conversation.clone()))
    }

    fn conversation_snapshot(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<ConversationSnapshot> {
        self.read(|state| state.snapshot(organization, &scope, conversation))
    }

    fn website_snapshot(&self, organization: OrganizationId, website: WebsiteId) -> StoreFuture<WebsiteSnapshot> {
        self.read(|state| Ok(WebsiteSnapshot { head: state.site(&SiteKey { organization, website })?.head() }))
    }

    fn heads(&self, known: Vec<(SiteKey, u64)>) -> StoreFuture<Heads> {
        self.read(move |state| {
            let head = |site: &SiteKey| state.site(site).map_or(0, |site| site.head());
            let moved = known.iter().map(|(site, known)| (site.clone(), *known, head(site)));
            let moved = moved.filter(|(_, known, head)| head > known).map(|(site, _, head)| (site, head));
            Ok(Heads { setup: state.setup, moved: moved.collect() })
        })
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
        self.read(|state| state.conversation_events(organization, conversation, audience, (after, upto), limit))
    }

    fn website_events(
        &self,
        organization: OrganizationId,
        website: WebsiteId,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> StoreFuture<Vec<StoredEvent>> {
        self.read(|state| state.website_events(&SiteKey { organization, website }, (after, upto), limit))
    }

    fn messages(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        page: MessagePage,
    ) -> StoreFuture<(Vec<StoredEvent>, bool)> {
        self.read(|state| state.messages(organization, &scope, conversation, page))
    }

    fn message(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        message: MessageId,
    ) -> StoreFuture<StoredEvent> {
        self.read(|state| state.message(organization, &scope, conversation, &message))
    }

    fn conversations(&self, query: ConversationQuery) -> StoreFuture<ConversationPage> {
        self.read(|state| state.conversations(&query))
    }

    fn open_conversations(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<Vec<ConversationId>> {
        self.read(|state| Ok(state.open_at_most_20(&website, &visitor)))
    }

    fn open_conversations_of(
        &self,
        website: SiteKey,
        visitors: Vec<PersonId>,
    ) -> StoreFuture<Vec<(PersonId, Vec<ConversationId>)>> {
        let open = |state: &State, visitor: PersonId| {
            let open = state.open_at_most_20(&website, &visitor);
            (visitor, open)
        };
        self.read(|state| Ok(visitors.into_iter().map(|visitor| open(state, visitor)).collect()))
    }

    fn touch_person(&self, touch: TouchPerson) -> StoreFuture<()> {
        self.write(|state| state.touch(&touch))
    }

    fn resolve_visitor(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<PersonId> {
        self.read(|state| Ok(state.resolve(&website, &visitor)))
    }

    fn known_visitor(&self, website: SiteKey, external_id: String) -> StoreFuture<Option<PersonId>> {
        self.read(|state| state.known_visitor(&website, &external_id))
    }

    fn visitor(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<VisitorRow> {
        self.read(|state| state.visitor(website, &visitor))
    }

    fn visitor_websites(&self, organization: OrganizationId, visitor: PersonId) -> StoreFuture<Vec<WebsiteId>> {
        self.read(|state| Ok(state.visitor_websites(&organization, &visitor)))
    }

    fn identify_visitor(&self, identify: IdentifyVisitor) -> StoreFuture<Identified> {
        self.write(|state| state.identify(identify))
    }

    fn members(&self, website: SiteKey) -> StoreFuture<Vec<Member>> {
        self.read(|state| state.members(&website))
    }

    fn directory(&self) -> StoreFuture<DirectoryRows> {
        self.read(|state| Ok(state.directory()))
    }

    fn create_organization(&self, row: OrganizationRow) -> StoreFuture<()> {
        self.set_up(|state| state.create_organization(row))
    }

    fn delete_organization(&self, organization: OrganizationId) -> StoreFuture<()> {
        self.set_up(|state| state.delete_organization(&organization))
    }

    fn create_website(&self, row: WebsiteRow) -> StoreFuture<()> {
        self.set_up(|state| state.create_website(row))
    }

    fn update_website(&self, row: WebsiteRow) -> StoreFuture<()> {
        self.set_up(|state| state.update_website(row))
    }

    fn delete_website(&self, website: SiteKey) -> StoreFuture<()> {
        self.set_up(|state| state.delete_website(&website))
    }

    fn create_key(&self, row: KeyRow) -> StoreFuture<()> {
        self.set_up(|state| state.create_key(row))
    }

    fn delete_key(&self, key: KeyId) -> StoreFuture<()> {
        self.set_up(|state| state.delete_key(&key))
    }

    fn revoke(&self, row: RevocationRow) -> StoreFuture<()> {
        self.set_up(|state| state.revoke(row))
    }
}

impl Outbox for MemoryStore {
    fn create_webhook(&self, row: WebhookRow) -> StoreFuture<()> {
        self.write(|state| state.create_webhook(row))
    }

    fn webhooks(&self, organization: OrganizationId) -> StoreFuture<Vec<WebhookRow>> {
        self.read(|state| state.webhooks(&organization))
    }

    fn delete_webhook(&self, organization: OrganizationId, webhook: WebhookId) -> StoreFuture<()> {
        self.write(|state| state.delete_webhook(&organization, &webhook))
    }

    fn deliveries(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        page: DeliveryPage,
    ) -> StoreFuture<(Vec<DeliveryRow>, bool)> {
        self.read(|state| state.deliveries(&organization, &webhook, &page))
    }

    fn resend_delivery(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> StoreFuture<DeliveryRow> {
        self.write(|state| state.resend(&organization, &webhook, &delivery, at))
    }

    fn outbox_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.outbox)
    }

    fn due_deliveries(&self, take: TakeDeliveries) -> StoreFuture<DueDeliveries> {
        self.read(|state| Ok(state.due(&take)))
    }

    fn settle_delivery(&self, attempt: Attempt) -> StoreFuture<()> {
        self.write(|state| {
            state.settle(attempt);
            Ok(())
        })
    }

    fn tell_unseen(&self, now: Timestamp) -> StoreFuture<()> {
        self.write(|state| {
            state.tell_unseen(now);
            Ok(())
        })
    }

    fn clean_outbox(&self, clean: CleanOutbox) -> StoreFuture<usize> {
        self.write(|state| Ok(state.clean(&clean)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::world::{World, replies, says};
    use crate::store::contract::{Opened, contract_tests};

    fn open() -> Opened {
        Opened { store: Arc::new(MemoryStore::new("epoch")), _guard: Box::new(()) }
    }

    contract_tests!(super::open);

    #[tokio::test]
    async fn a_fork_goes_its_own_way() {
        let store = Arc::new(MemoryStore::new("first"));
        let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
        world.append(says("vera", "c", "k1", "before")).await;
        let fork = store.fork();
        world.append(says("vera", "c", "k2", "after")).await;
        let again = fork.append_message(says("vera", "c", "k2", "after")).await.unwrap();
        assert!(!again.duplicate, "what came after the fork is not in it");
        assert_eq!(fork.epoch().await.unwrap(), "first");
        assert_eq!(fork.fork_with_epoch("second").epoch().await.unwrap(), "second");
    }

    #[tokio::test]
    async fn writes_fail_as_often_as_told() {
        let store = Arc::new(MemoryStore::new("epoch"));
        let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
        world.append(says("vera", "c", "k1", "x")).await;
        store.fail_next_writes(2);
        for _ in 0..2 {
            let failed = store.append_message(replies("anna", "c", "k", "x")).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))));
        }
        assert!(!store.append_message(replies("anna", "c", "k", "x")).await.unwrap().duplicate);
    }
}
