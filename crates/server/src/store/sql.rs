//! The store on a database that speaks SQL: what both backends have in common, which is all but the connection.
//!
//! One thread writes, some read ([`writer`], [`reader`]), each on a [`link::Link`] of its own. Everything that decides
//! anything stands in the modules here, once; a backend brings a connection ([`link::Sql`]), how it is opened, and what
//! its tables look like.

pub(super) mod conversations;
pub(super) mod error;
mod history;
pub(super) mod kept;
pub(super) mod link;
pub(super) mod lists;
pub(super) mod lookup;
pub(super) mod messages;
pub(super) mod outbox;
mod people;
mod reader;
pub(super) mod rows;
mod setup;
pub(super) mod statements;
pub(super) mod value;
pub(super) mod version;
pub(super) mod writer;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cossistant_protocol::{
    ConversationId, DeliveryId, KeyId, MessageId, OrganizationId, PersonId, RequestId, Timestamp, WebhookId, WebsiteId,
};
use tokio::sync::Notify;

use self::history::Stretch;
use self::link::Link;
pub(super) use self::reader::Readers;
use self::writer::{Reach, Writer};
use super::{
    AppendMessage, Appended, Attempt, Audience, ChangeConversation, Changed, CleanOutbox, Conversation,
    ConversationPage, ConversationQuery, ConversationSnapshot, CreateConversation, Created, DeleteMessage,
    DeliveryPage, DeliveryRow, DirectoryRows, DueDeliveries, EditMessage, Heads, Identified, IdentifyVisitor, KeyRow,
    KnownMessage, MarkSeen, Member, MessagePage, MovedMark, OrganizationRow, Outbox, PersonKey, RevocationRow, Scope,
    SiteKey, Store, StoreError, StoreFuture, StoredEvent, TakeDeliveries, TouchPerson, VisitorRow, WebhookRow,
    WebsiteRow, WebsiteSnapshot,
};

/// What the writer has done since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteCounts {
    /// Operations that were answered, whatever the answer.
    pub operations: u64,
    /// Transactions that were committed; fewer than operations under load.
    pub commits: u64,
    /// Groups that were run again because others wrote the same at that moment; 0 where nobody else writes.
    pub collisions: u64,
}

/// What a backend knows of the database as a whole.
pub trait Keeper: Debug + Send + Sync + 'static {
    /// The store's life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] once the database under the store is another one than it was opened on.
    fn epoch(&self) -> Result<String, StoreError>;

    /// Whether other nodes write to it too.
    fn is_shared(&self) -> bool;
}

/// A store on a database; opened as [`SqliteStore`](super::SqliteStore) or [`PostgresStore`](super::PostgresStore).
///
/// Dropping it answers what is queued and closes the database; that may wait for the disk.
#[derive(Debug)]
pub struct SqlStore<K> {
    // In the order in which they end.
    pub(super) readers: Readers,
    /// Where other nodes write too: what is read every second, so that no queue of other reads makes this node blind.
    lookout: Option<Readers>,
    pub(super) writer: Writer,
    pub(super) keeper: K,
}

impl<K: Keeper> SqlStore<K> {
    /// Starts the threads.
    pub(super) fn start(
        writer: Box<dyn Link>,
        readers: Vec<Box<dyn Link>>,
        lookout: Option<Box<dyn Link>>,
        waiting_writes_max: usize,
        waiting_reads_max: usize,
        keeper: K,
    ) -> std::io::Result<Self> {
        let readers = Readers::start(readers, waiting_reads_max)?;
        let lookout = lookout.map(|link| Readers::start(vec![link], waiting_reads_max)).transpose()?;
        let writer = Writer::start(writer, waiting_writes_max)?;
        Ok(Self { readers, lookout, writer, keeper })
    }

    /// What the writer has done.
    #[must_use]
    pub fn write_counts(&self) -> WriteCounts {
        WriteCounts {
            operations: self.writer.counters.operations.load(Ordering::Relaxed),
            commits: self.writer.counters.commits.load(Ordering::Relaxed),
            collisions: self.writer.counters.collisions.load(Ordering::Relaxed),
        }
    }
}

/// The value, or a future that tells why there is none.
macro_rules! or_refuse {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        }
    };
}

impl<K: Keeper> Store for SqlStore<K> {
    fn epoch(&self) -> StoreFuture<String> {
        Box::pin(std::future::ready(self.keeper.epoch()))
    }

    fn append_message(&self, append: AppendMessage) -> StoreFuture<Appended> {
        self.writer.call_for(Reach::Kept, append, messages::append)
    }

    fn known_message(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        sender: PersonKey,
        key: RequestId,
    ) -> StoreFuture<Option<KnownMessage>> {
        self.readers.call(move |conn| history::known(conn, &organization, &scope, &conversation, sender, &key))
    }

    fn edit_message(&self, edit: EditMessage) -> StoreFuture<Vec<StoredEvent>> {
        self.writer.call_for(Reach::Anything, edit, messages::edit)
    }

    fn delete_message(&self, delete: DeleteMessage) -> StoreFuture<Vec<StoredEvent>> {
        self.writer.call_for(Reach::Anything, delete, messages::delete)
    }

    fn create_conversation(&self, create: CreateConversation) -> StoreFuture<Created> {
        self.writer.call_for(Reach::Anything, create, conversations::create)
    }

    fn change_conversation(&self, change: ChangeConversation) -> StoreFuture<Changed> {
        self.writer.call_for(Reach::Anything, change, conversations::change)
    }

    fn mark_seen(&self, mark: MarkSeen) -> StoreFuture<Option<MovedMark>> {
        self.writer.call_for(Reach::Rows, mark, conversations::mark_seen)
    }

    fn conversation(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<Conversation> {
        self.readers.call(move |conn| Ok(lookup::thread_in(conn, &organization, &scope, &conversation)?.conversation))
    }

    fn conversation_snapshot(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<ConversationSnapshot> {
        self.readers.call(move |conn| history::snapshot(conn, &organization, &scope, &conversation))
    }

    fn website_snapshot(&self, organization: OrganizationId, website: WebsiteId) -> StoreFuture<WebsiteSnapshot> {
        self.readers.call(move |conn| Ok(WebsiteSnapshot { head: lookup::site(conn, &organization, &website)?.head }))
    }

    fn heads(&self, known: Vec<(SiteKey, u64)>) -> StoreFuture<Heads> {
        self.lookout.as_ref().unwrap_or(&self.readers).call(move |conn| conn.heads(known))
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
        let stretch = Stretch { after, upto, limit };
        self.readers
            .call(move |conn| history::conversation_events(conn, &organization, &conversation, audience, stretch))
    }

    fn website_events(
        &self,
        organization: OrganizationId,
        website: WebsiteId,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> StoreFuture<Vec<StoredEvent>> {
        let stretch = Stretch { after, upto, limit };
        self.readers.call(move |conn| history::website_events(conn, organization, website, stretch))
    }

    fn messages(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        page: MessagePage,
    ) -> StoreFuture<(Vec<StoredEvent>, bool)> {
        self.readers.call(move |conn| history::page(conn, &organization, &scope, &conversation, page))
    }

    fn message(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        message: MessageId,
    ) -> StoreFuture<StoredEvent> {
        self.readers.call(move |conn| history::message(conn, &organization, &scope, &conversation, &message))
    }

    fn conversations(&self, query: ConversationQuery) -> StoreFuture<ConversationPage> {
        self.readers.call(move |conn| lists::page(conn, &query))
    }

    fn open_conversations(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<Vec<ConversationId>> {
        self.readers.call(move |conn| {
            let all = lists::open_of_each(conn, &website, vec![visitor])?;
            Ok(all.into_iter().flat_map(|(_, open)| open).collect())
        })
    }

    fn open_conversations_of(
        &self,
        website: SiteKey,
        visitors: Vec<PersonId>,
    ) -> StoreFuture<Vec<(PersonId, Vec<ConversationId>)>> {
        self.readers.call(move |conn| lists::open_of_each(conn, &website, visitors))
    }

    fn touch_person(&self, touch: TouchPerson) -> StoreFuture<()> {
        // It reads and writes people alone.
        self.writer.call_for(Reach::Kept, touch, people::touch)
    }

    fn resolve_visitor(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<PersonId> {
        self.readers.call(move |conn| people::resolve(conn, &website, visitor))
    }

    fn known_visitor(&self, website: SiteKey, external_id: String) -> StoreFuture<Option<PersonId>> {
        self.readers.call(move |conn| people::known_visitor(conn, &website, &external_id))
    }

    fn visitor(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<VisitorRow> {
        self.readers.call(move |conn| people::visitor(conn, &website, &visitor))
    }

    fn visitor_websites(&self, organization: OrganizationId, visitor: PersonId) -> StoreFuture<Vec<WebsiteId>> {
        self.readers.call(move |conn| people::visitor_websites(conn, &organization, &visitor))
    }

    fn identify_visitor(&self, identify: IdentifyVisitor) -> StoreFuture<Identified> {
        self.writer.call_for(Reach::Anything, identify, people::identify)
    }

    fn members(&self, website: SiteKey) -> StoreFuture<Vec<Member>> {
        self.readers.call(move |conn| people::members(conn, &website))
    }

    fn directory(&self) -> StoreFuture<DirectoryRows> {
        // A look at the store needs it as well, and must not wait behind other reads.
        self.lookout.as_ref().unwrap_or(&self.readers).call(setup::directory)
    }

    fn create_organization(&self, row: OrganizationRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::create_organization(write.conn, &row))
    }

    fn delete_organization(&self, organization: OrganizationId) -> StoreFuture<()> {
        self.writer.call_for(Reach::Anything, organization, setup::delete_organization)
    }

    fn create_website(&self, row: WebsiteRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::create_website(write.conn, &row))
    }

    fn update_website(&self, row: WebsiteRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::update_website(write.conn, &row))
    }

    fn delete_website(&self, website: SiteKey) -> StoreFuture<()> {
        self.writer.call_for(Reach::Anything, website, setup::delete_website)
    }

    fn create_key(&self, row: KeyRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::create_key(write.conn, &row))
    }

    fn delete_key(&self, key: KeyId) -> StoreFuture<()> {
        self.writer.call(move |write| setup::delete_key(write.conn, &key))
    }

    fn revoke(&self, row: RevocationRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::revoke(write.conn, &row))
    }
}

impl<K: Keeper> Outbox for SqlStore<K> {
    fn create_webhook(&self, row: WebhookRow) -> StoreFuture<()> {
        self.writer.call(move |write| outbox::create_webhook(write, &row))
    }

    fn webhooks(&self, organization: OrganizationId) -> StoreFuture<Vec<WebhookRow>> {
        self.readers.call(move |conn| outbox::webhooks(conn, &organization))
    }

    fn delete_webhook(&self, organization: OrganizationId, webhook: WebhookId) -> StoreFuture<()> {
        self.writer.call(move |write| outbox::delete_webhook(write, &organization, &webhook))
    }

    fn deliveries(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        page: DeliveryPage,
    ) -> StoreFuture<(Vec<DeliveryRow>, bool)> {
        let epoch = or_refuse!(self.keeper.epoch());
        self.readers.call(move |conn| outbox::deliveries(conn, &organization, &webhook, &page, &epoch))
    }

    fn resend_delivery(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> StoreFuture<DeliveryRow> {
        let epoch = or_refuse!(self.keeper.epoch());
        self.writer.call(move |write| outbox::resend(write, &organization, &webhook, &delivery, at, &epoch))
    }

    fn outbox_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.writer.outbox)
    }

    fn due_deliveries(&self, take: TakeDeliveries) -> StoreFuture<DueDeliveries> {
        let epoch = or_refuse!(self.keeper.epoch());
        if !self.keeper.is_shared() {
            return self.readers.call(move |conn| outbox::due(conn, &take, &epoch));
        }
        // Only what is there to be taken is worth a commit.
        let (taken, known) = (take.clone(), epoch.clone());
        let seen = self.readers.call(move |conn| outbox::candidates(conn, &taken, &known));
        let writer = self.writer.handle();
        Box::pin(async move {
            match seen.await? {
                (due, candidates) if candidates.is_empty() => Ok(due),
                _ => writer.call(move |write| outbox::due(write.conn, &take, &epoch)).await,
            }
        })
    }

    fn settle_delivery(&self, attempt: Attempt) -> StoreFuture<()> {
        let epoch = or_refuse!(self.keeper.epoch());
        self.writer.call_within(Reach::Kept, move |write| outbox::settle(write, &attempt, &epoch))
    }

    fn tell_unseen(&self, now: Timestamp) -> StoreFuture<()> {
        self.writer.call_within(Reach::Rows, move |write| outbox::tell_unseen(write, now))
    }

    fn clean_outbox(&self, clean: CleanOutbox) -> StoreFuture<usize> {
        self.writer.call_within(Reach::Kept, move |write| outbox::clean(write, &clean))
    }
}
