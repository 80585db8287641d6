//! Durable state: what was acknowledged, and what survives.
//!
//! [`Store`] is the one door to it. Every backend passes the same contract test (`store/contract.rs`).
//! A write is answered only after it is on stable storage; writes that wait together share one commit, in the
//! order in which they were called, and each succeeds or fails alone. The numbers of an event (`offset`, both
//! `seq`s) and the idempotency key are given in the same transaction as its row.
//!
//! Access is checked inside the transaction: a [`Scope`] says whose conversations may be touched, and whatever
//! lies outside it is [`StoreError::NotFound`]. Nobody acts as another one's visitor: in a conversation, a person of kind
//! visitor is its own, else it is [`StoreError::Forbidden`].
//!
//! The id of a visitor who was merged into a known one is taken for that one's wherever it is given; answers carry the
//! known one's.

#[cfg(test)]
mod contract;
mod memory;
mod model;
mod outbox;
mod postgres;
mod rules;
mod search;
mod sql;
mod sqlite;
mod transfer;

use std::future::Future;
use std::pin::Pin;

use cossistant_protocol::{
    ConversationId, ErrorCode, KeyId, MessageId, OrganizationId, PersonId, RequestId, Timestamp, TypingPreview,
    UserType, WebsiteId,
};

pub use memory::MemoryStore;
pub use model::*;
pub(crate) use outbox::UNREADABLE;
pub use outbox::{
    Attempt, AttemptOutcome, BusyLane, CleanOutbox, DeliveryContent, DeliveryPage, DeliveryRow, DueDeliveries,
    DueDelivery, EventSet, Outbox, SigningSecret, TakeDeliveries, UnreadableDelivery, UnseenMessages, WebhookRow,
};
pub use postgres::{Database, DatabaseError, PostgresConfig, PostgresStore, check_address, look_at};
pub use sql::version::DataKind;
pub use sql::{Keeper, SqlStore, WriteCounts};
pub(crate) use sqlite::make_folder;
pub use sqlite::{
    BackupError, BackupProgress, Depth, Folder, Holder, Inspection, OpenError, SqliteConfig, SqliteStore, backup,
    holder, inspect, restore,
};
pub use transfer::{
    TableReport, Transfer, TransferError, TransferPhase, TransferPlace, TransferProgress, TransferReport, transfer,
};

/// How many conversations [`Store::open_conversations`] answers at most.
pub const OPEN_MAX: usize = 20;

/// Where [`ConversationItem::unread`] stops counting, so that a list costs the same whatever was left unread.
pub const UNREAD_MAX: u64 = 1000;

/// The answer to a call, some time later. Dropping it does not undo a write.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Why a call failed. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It does not exist within the scope.
    #[error("not found")]
    NotFound,
    /// It exists with other content, belongs to somebody else, or a compare-and-set lost.
    #[error("conflict: {0}")]
    Conflict(Conflict),
    /// It may be seen but not be done.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// There are as many as there may be.
    #[error("{0}")]
    LimitExceeded(&'static str),
    /// The store is down, locked or full; the same call may be made again later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The stored data is not as this version writes it.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

/// What a write collided with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The idempotency key was used for other content.
    #[error("the id was used for another message")]
    OtherContent,
    /// The conversation does not take this in its status.
    #[error("the conversation is {0}")]
    Status(cossistant_protocol::ConversationStatus),
    /// The id belongs to another visitor.
    #[error("the id is taken")]
    Taken,
    /// `ifAssignedTo` did not hold.
    #[error("the conversation is assigned to somebody else")]
    Assignee,
}

impl StoreError {
    /// The code that a client is told.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::NotFound,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::LimitExceeded(_) => ErrorCode::LimitExceeded,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Corrupt(_) => ErrorCode::Internal,
        }
    }
}

/// Durable state; see the module's documentation for what every backend promises.
///
/// The time of a write is given by the caller (`at`), so that no backend reads a clock; ids of messages are given
/// too. Reads see every write that was answered before they were called.
pub trait Store: Outbox {
    /// The store's life: another text after a restore.
    fn epoch(&self) -> StoreFuture<String>;

    // ---- messages and conversations: writes ----

    /// Stores a message. For [`Scope::Visitor`] an unknown conversation is created first, as that visitor's, if
    /// `may_create` says so.
    ///
    /// Looked up in this order: access, idempotency key (a known one answers `duplicate`, or
    /// [`Conflict::OtherContent`] by its fingerprint), status (a closed conversation refuses a visitor with
    /// [`Conflict::Status`]; a visitor's public message reopens a resolved one, with a status event right behind
    /// the message). The events of the answer are in order and dense.
    fn append_message(&self, append: AppendMessage) -> StoreFuture<Appended>;

    /// The message that stands under an idempotency key within the scope, with its fingerprint; a read. For
    /// [`Scope::Visitor`] an unknown conversation has none.
    fn known_message(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        sender: PersonKey,
        key: RequestId,
    ) -> StoreFuture<Option<KnownMessage>>;

    /// Replaces the content of a message; [`StoreError::NotFound`] for a deleted one. Its key keeps the fingerprint of
    /// what was first sent.
    fn edit_message(&self, edit: EditMessage) -> StoreFuture<Vec<StoredEvent>>;

    /// Deletes a message's content and keeps its place; [`StoreError::NotFound`] for a deleted one.
    fn delete_message(&self, delete: DeleteMessage) -> StoreFuture<Vec<StoredEvent>>;

    /// Creates a conversation, or finds the same visitor's: `events` is empty then. Another visitor's is
    /// [`Conflict::Taken`].
    fn create_conversation(&self, create: CreateConversation) -> StoreFuture<Created>;

    /// Changes status and assignee; what already stands makes no event.
    fn change_conversation(&self, change: ChangeConversation) -> StoreFuture<Changed>;

    /// Moves a person's mark forward, never back; past the head it is the head. `None` when it did not move. A visitor's
    /// place is the team's place of the same event; a team's place is the visitor's place of the last event up to it that
    /// a visitor sees.
    fn mark_seen(&self, mark: MarkSeen) -> StoreFuture<Option<MovedMark>>;

    // ---- messages and conversations: reads ----

    /// One conversation within a scope.
    fn conversation(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<Conversation>;

    /// The durable state of a conversation, its heads and marks, and its website's head; all of one moment. For
    /// [`Scope::Visitor`] an unknown conversation is [`StoreError::NotFound`] (the caller creates it).
    fn conversation_snapshot(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
    ) -> StoreFuture<ConversationSnapshot>;

    /// The newest offset of a website.
    fn website_snapshot(&self, organization: OrganizationId, website: WebsiteId) -> StoreFuture<WebsiteSnapshot>;

    /// Which of some websites have an offset past the one given beside it; those that do not exist have none. One cheap
    /// read, however many they are.
    fn heads(&self, known: Vec<(SiteKey, u64)>) -> StoreFuture<Heads>;

    /// Events of a conversation whose `seq` of that audience is past `after` and not past `upto`, rising, at most
    /// `limit`. A message carries its newest content.
    fn conversation_events(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        audience: Audience,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> StoreFuture<Vec<StoredEvent>>;

    /// Events of a website whose `offset` is past `after` and not past `upto`, rising, at most `limit`.
    fn website_events(
        &self,
        organization: OrganizationId,
        website: WebsiteId,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> StoreFuture<Vec<StoredEvent>>;

    /// One page of a conversation's messages, by rising `seq` of the reader's numbering, and whether more follow in the
    /// page's direction.
    fn messages(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        page: MessagePage,
    ) -> StoreFuture<(Vec<StoredEvent>, bool)>;

    /// One message by its id (as its `new_message` event, with the newest content).
    fn message(
        &self,
        organization: OrganizationId,
        scope: Scope,
        conversation: ConversationId,
        message: MessageId,
    ) -> StoreFuture<StoredEvent>;

    /// One page of conversations, newest activity first. A website outside the scope, or for a visitor anybody else's
    /// conversations, are [`StoreError::NotFound`].
    fn conversations(&self, query: ConversationQuery) -> StoreFuture<ConversationPage>;

    /// The visitor's conversations that are not closed, newest activity first, at most [`OPEN_MAX`].
    fn open_conversations(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<Vec<ConversationId>>;

    /// The same for many visitors in one read, in the order of the visitors.
    fn open_conversations_of(
        &self,
        website: SiteKey,
        visitors: Vec<PersonId>,
    ) -> StoreFuture<Vec<(PersonId, Vec<ConversationId>)>>;

    // ---- people ----

    /// Notes that a person was here: a visitor's first and last visit and page, a team member's name and picture
    /// for each of the websites. What is not told stays as it was. An unknown website is [`StoreError::NotFound`] for a
    /// visitor and passed over for the team.
    fn touch_person(&self, touch: TouchPerson) -> StoreFuture<()>;

    /// Whom a visitor id stands for: itself, or the person whom it was merged into.
    fn resolve_visitor(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<PersonId>;

    /// The visitor of a website who is the person of this external id, if there is one.
    fn known_visitor(&self, website: SiteKey, external_id: String) -> StoreFuture<Option<PersonId>>;

    /// One visitor.
    fn visitor(&self, website: SiteKey, visitor: PersonId) -> StoreFuture<VisitorRow>;

    /// The websites of an organization on which this visitor id is known.
    fn visitor_websites(&self, organization: OrganizationId, visitor: PersonId) -> StoreFuture<Vec<WebsiteId>>;

    /// Says who an anonymous visitor is. If the person is known on this website already, conversations, messages and
    /// marks move to that person's visitor and the old id stands for it from then on; else the visitor keeps its id. Two
    /// known people are never one.
    fn identify_visitor(&self, identify: IdentifyVisitor) -> StoreFuture<Identified>;

    /// Everyone of the team who ever connected for a website.
    fn members(&self, website: SiteKey) -> StoreFuture<Vec<Member>>;

    // ---- set-up: small, and read whole into the directory ----

    /// All organizations, websites, keys and revocations.
    fn directory(&self) -> StoreFuture<DirectoryRows>;

    /// Creates an organization; an id that is taken is [`Conflict::Taken`].
    fn create_organization(&self, row: OrganizationRow) -> StoreFuture<()>;

    /// Deletes an organization with all that is its own.
    fn delete_organization(&self, organization: OrganizationId) -> StoreFuture<()>;

    /// Creates a website; an id that is taken is [`Conflict::Taken`].
    fn create_website(&self, row: WebsiteRow) -> StoreFuture<()>;

    /// Replaces a website's settings.
    fn update_website(&self, row: WebsiteRow) -> StoreFuture<()>;

    /// Deletes a website with all that is its own: conversations, visitors, public keys.
    fn delete_website(&self, website: SiteKey) -> StoreFuture<()>;

    /// Creates a key; an id, public key or secret key that is taken is [`Conflict::Taken`].
    fn create_key(&self, row: KeyRow) -> StoreFuture<()>;

    /// Deletes a key.
    fn delete_key(&self, key: KeyId) -> StoreFuture<()>;

    /// Refuses tokens of a person that were issued before `at`; an earlier `at` than stands changes nothing.
    fn revoke(&self, row: RevocationRow) -> StoreFuture<()>;
}

/// A website of an organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteKey {
    /// The organization.
    pub organization: OrganizationId,
    /// Its website.
    pub website: WebsiteId,
}

/// Settings of a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsiteSettings {
    /// Its name, for people.
    pub name: String,
    /// A CSS colour, for widgets.
    pub accent: Option<String>,
    /// Suggested first questions.
    pub questions: Vec<String>,
    /// Where its pages may be: `host`, `*.host`, optionally `:port`.
    pub allowed_domains: Vec<String>,
    /// What of a visitor's unsent text the team sees.
    pub typing_preview: TypingPreview,
    /// After how many seconds an unseen message is told to webhooks; 0 for never.
    pub unseen_after: u64,
}

/// A person of an organization; visitors are told apart by website as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey {
    /// What kind of principal.
    pub kind: UserType,
    /// The `sub`.
    pub id: PersonId,
}

/// Tokens of a person issued before `at` are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRow {
    /// Whose.
    pub organization: OrganizationId,
    /// Who.
    pub person: PersonKey,
    /// Since when.
    pub at: Timestamp,
}
