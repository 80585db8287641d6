//! The embedded store: one SQLite database in a data directory.
//!
//! One thread writes, some read. A commit returns once its log is on stable storage, and all writes that wait share
//! one. Access through the file's own tools (`sqlite3 store.db`) is safe while a server runs, as long as it only reads.

mod backup;
mod checkpoint;
mod connection;
mod conversations;
mod error;
mod history;
mod inspect;
mod kept;
mod lists;
mod lock;
mod lookup;
mod messages;
mod outbox;
mod people;
mod reader;
mod rows;
mod schema;
mod setup;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cossistant_protocol::{
    ConversationId, DeliveryId, KeyId, MessageId, OrganizationId, PersonId, RequestId, Timestamp, WebhookId, WebsiteId,
};
use tokio::sync::Notify;

pub use self::backup::{BackupError, BackupProgress, backup, restore};
pub use self::error::OpenError;
pub use self::inspect::{Depth, Holder, Inspection, holder, inspect};
pub use self::schema::DataKind;

use self::history::Stretch;
use self::lock::Lock;
use self::reader::Readers;
use self::writer::Writer;
use super::{
    AppendMessage, Appended, Attempt, Audience, ChangeConversation, Changed, CleanOutbox, Conversation,
    ConversationPage, ConversationQuery, ConversationSnapshot, CreateConversation, Created, DeleteMessage,
    DeliveryPage, DeliveryRow, DirectoryRows, DueDeliveries, EditMessage, Identified, IdentifyVisitor, KeyRow,
    KnownMessage, MarkSeen, Member, MessagePage, MovedMark, OrganizationRow, Outbox, PersonKey, RevocationRow, Scope,
    SiteKey, Store, StoreFuture, StoredEvent, TakeDeliveries, TouchPerson, VisitorRow, WebhookRow, WebsiteRow,
    WebsiteSnapshot,
};

/// How to open a [`SqliteStore`].
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// What the data is for. Data of the other kind is refused.
    pub kind: DataKind,
    /// How many threads read; at least 1. More help only while reads wait for a disk.
    pub readers: usize,
    /// How many writes may wait before further ones are [`super::StoreError::Unavailable`].
    pub waiting_writes_max: usize,
    /// How many reads may wait before further ones are [`super::StoreError::Unavailable`].
    pub waiting_reads_max: usize,
}

impl SqliteConfig {
    /// The defaults for a directory: two readers, 8,192 waiting writes and as many reads.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, kind: DataKind) -> Self {
        Self { dir: dir.into(), kind, readers: 2, waiting_writes_max: 8192, waiting_reads_max: 8192 }
    }
}

/// What the writer has done since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteCounts {
    /// Operations that were answered, whatever the answer.
    pub operations: u64,
    /// Transactions that were committed; fewer than operations under load.
    pub commits: u64,
}

/// The store in a data directory, which it holds alone.
///
/// Dropping it answers what is queued, closes the database and lets go of the directory; that may wait for the disk.
#[derive(Debug)]
pub struct SqliteStore {
    epoch: String,
    dir: PathBuf,
    // In the order in which they end: the lock is let go of last.
    readers: Readers,
    writer: Writer,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the store of a directory, or makes one, and brings it to this program's version.
    ///
    /// # Errors
    /// [`OpenError`]; see its variants.
    pub fn open(config: SqliteConfig) -> Result<Self, OpenError> {
        let lock = Lock::take(&config.dir)?;
        let path = config.dir.join(connection::FILE);
        if path.exists() {
            // Looked at without writing, so that data which is not ours stays as it is.
            schema::check(&path, &connection::reader(&path).map_err(OpenError::opening(&path))?)?;
        }
        let conn = connection::writer(&path).map_err(OpenError::opening(&path))?;
        schema::migrate(&path, &conn, config.kind)?;
        let epoch = schema::epoch(&path, &conn)?;
        let readers = (0..config.readers.max(1)).map(|_| connection::reader(&path)).collect::<Result<_, _>>()?;
        let readers = Readers::start(readers, config.waiting_reads_max)?;
        let writer = Writer::start(path, conn, config.waiting_writes_max)?;
        Ok(Self { epoch, dir: config.dir, readers, writer, _lock: lock })
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the writer has done.
    #[must_use]
    pub fn write_counts(&self) -> WriteCounts {
        WriteCounts {
            operations: self.writer.counters.operations.load(Ordering::Relaxed),
            commits: self.writer.counters.commits.load(Ordering::Relaxed),
        }
    }
}

impl Store for SqliteStore {
    fn epoch(&self) -> StoreFuture<String> {
        Box::pin(std::future::ready(Ok(self.epoch.clone())))
    }

    fn append_message(&self, append: AppendMessage) -> StoreFuture<Appended> {
        self.writer.call_unsettled(move |write| messages::append(write, &append))
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
        self.writer.call(move |write| messages::edit(write, &edit))
    }

    fn delete_message(&self, delete: DeleteMessage) -> StoreFuture<Vec<StoredEvent>> {
        self.writer.call(move |write| messages::delete(write, &delete))
    }

    fn create_conversation(&self, create: CreateConversation) -> StoreFuture<Created> {
        self.writer.call(move |write| conversations::create(write, &create))
    }

    fn change_conversation(&self, change: ChangeConversation) -> StoreFuture<Changed> {
        self.writer.call(move |write| conversations::change(write, &change))
    }

    fn mark_seen(&self, mark: MarkSeen) -> StoreFuture<Option<MovedMark>> {
        self.writer.call(move |write| conversations::mark_seen(write, &mark))
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
        self.writer.call_unsettled(move |write| people::touch(write, &touch))
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
        self.writer.call(move |write| people::identify(write, &identify))
    }

    fn members(&self, website: SiteKey) -> StoreFuture<Vec<Member>> {
        self.readers.call(move |conn| people::members(conn, &website))
    }

    fn directory(&self) -> StoreFuture<DirectoryRows> {
        self.readers.call(setup::directory)
    }

    fn create_organization(&self, row: OrganizationRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::create_organization(write.conn, &row))
    }

    fn delete_organization(&self, organization: OrganizationId) -> StoreFuture<()> {
        self.writer.call(move |write| setup::delete_organization(write, &organization))
    }

    fn create_website(&self, row: WebsiteRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::create_website(write.conn, &row))
    }

    fn update_website(&self, row: WebsiteRow) -> StoreFuture<()> {
        self.writer.call(move |write| setup::update_website(write.conn, &row))
    }

    fn delete_website(&self, website: SiteKey) -> StoreFuture<()> {
        self.writer.call(move |write| setup::delete_website(write, &website))
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

impl Outbox for SqliteStore {
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
        let epoch = self.epoch.clone();
        self.readers.call(move |conn| outbox::deliveries(conn, &organization, &webhook, &page, &epoch))
    }

    fn resend_delivery(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        delivery: DeliveryId,
        at: Timestamp,
    ) -> StoreFuture<DeliveryRow> {
        let epoch = self.epoch.clone();
        self.writer.call(move |write| outbox::resend(write, &organization, &webhook, &delivery, at, &epoch))
    }

    fn outbox_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.writer.outbox)
    }

    fn due_deliveries(&self, take: TakeDeliveries) -> StoreFuture<DueDeliveries> {
        let epoch = self.epoch.clone();
        self.readers.call(move |conn| outbox::due(conn, &take, &epoch))
    }

    fn settle_delivery(&self, attempt: Attempt) -> StoreFuture<()> {
        let epoch = self.epoch.clone();
        self.writer.call_unsettled(move |write| outbox::settle(write, &attempt, &epoch))
    }

    fn tell_unseen(&self, now: Timestamp) -> StoreFuture<()> {
        self.writer.call(move |write| outbox::tell_unseen(write, now))
    }

    fn clean_outbox(&self, clean: CleanOutbox) -> StoreFuture<usize> {
        self.writer.call_unsettled(move |write| outbox::clean(write, &clean))
    }
}
