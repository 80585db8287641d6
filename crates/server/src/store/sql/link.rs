//! The edge between what the store does and the database that it does it with.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::error::Failure;
use super::kept::{Kept, NewMessage};
use super::rows::Thread;
use super::value::Value;
use cossistant_protocol::{ConversationId, OrganizationId, PersonId, RequestId, WebsiteId};

use crate::store::{Audience, Heads, PersonKey, SiteKey, StoreError};

/// A row of an answer. A column that cannot be read as what is asked for is [`crate::store::StoreError::Corrupt`].
pub(in crate::store) trait Row {
    /// An integer.
    fn int(&self, index: usize) -> Result<Option<i64>, Failure>;
    /// A text.
    fn text(&self, index: usize) -> Result<Option<&str>, Failure>;
    /// Bytes.
    fn blob(&self, index: usize) -> Result<Option<&[u8]>, Failure>;
}

/// What is done with each row; it breaks when it needs no more.
pub(in crate::store) type Each<'e> = &'e mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>, Failure>;

/// What is done with each row of several sets of parameters.
pub(in crate::store) type EachOf<'e> = &'e mut dyn FnMut(usize, &dyn Row) -> Result<(), Failure>;

/// A step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Step {
    /// Begins one that writes.
    BeginWrite,
    /// Begins one that only reads: all that it sees is of one moment.
    BeginRead,
    /// Ends it; what it wrote is on stable storage after that.
    Commit,
    /// Ends it and undoes what it wrote.
    Rollback,
    /// Begins what can be undone alone.
    Savepoint,
    /// Undoes what was written since then.
    Undo,
    /// Takes what was written since then into the transaction.
    Release,
}

/// What an operation is going to change, told before it runs: where other nodes write too, it is locked first, for all
/// operations of a group at once and always in the same order.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Aim<'a> {
    /// Nothing that has numbers.
    Nothing,
    /// A new message.
    Message {
        /// In which organization.
        organization: &'a OrganizationId,
        /// In which conversation.
        conversation: &'a ConversationId,
        /// On which website it may be created.
        website: Option<&'a WebsiteId>,
        /// By whom.
        sender: &'a PersonKey,
        /// Under which key.
        key: &'a RequestId,
    },
    /// A conversation, which may get events.
    Conversation {
        /// In which organization.
        organization: &'a OrganizationId,
        /// Which.
        conversation: &'a ConversationId,
        /// On which website it may be created.
        website: Option<&'a WebsiteId>,
    },
    /// The marks of a conversation.
    Marks {
        /// In which organization.
        organization: &'a OrganizationId,
        /// Which.
        conversation: &'a ConversationId,
    },
    /// A person's row.
    Person {
        /// In which organization.
        organization: &'a OrganizationId,
        /// Of which websites a visitor's rows are.
        websites: &'a [WebsiteId],
        /// Who.
        person: &'a PersonKey,
    },
    /// A website, whose visitors may be merged.
    Identity {
        /// Which.
        website: &'a SiteKey,
        /// One of them.
        visitor: Option<&'a PersonId>,
        /// Another one.
        external_id: Option<&'a str>,
    },
    /// A website with all that is its own.
    Website(&'a SiteKey),
    /// An organization with all that is its own.
    Organization(&'a OrganizationId),
}

/// A request of which is known what it is going to change.
pub(in crate::store) trait Aimed {
    /// What that is.
    fn aim(&self) -> Aim<'_>;
}

/// What the words of a search are looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Searched {
    /// Messages; the conversations that they are in are found.
    Messages(Audience),
    /// Names and addresses of visitors; all their conversations are found.
    Visitors,
}

/// What is to be indexed for the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Document {
    /// A message's row.
    Message(i64),
    /// A visitor's row.
    Visitor(i64),
}

/// How a document of the search index changes. Words stand with a space between them.
#[derive(Debug, Clone)]
pub(in crate::store) enum Words {
    /// It was not there before.
    Insert(String),
    /// It is there, maybe.
    Replace(String),
    /// It goes.
    Delete,
}

/// A connection to a database. Statements are those of `statements`, in which `/*pg … */` holds what is for Postgres
/// alone.
pub(in crate::store) trait Sql {
    /// Runs a query and hands out its rows.
    fn query(&self, sql: &'static str, params: &[Value<'_>], each: Each<'_>) -> Result<(), Failure>;

    /// Runs a query once for each of some sets of parameters and hands out its rows, each with the place of its set: one
    /// journey, however many sets there are.
    fn query_each(&self, sql: &'static str, sets: &[Vec<Value<'_>>], each: EachOf<'_>) -> Result<(), Failure>;

    /// Runs a statement; answers how many rows it has changed.
    fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<usize, Failure>;

    /// Runs an `INSERT` of one row into a table with an `id`; answers that, or `None` if the statement says that an
    /// existing row stays and there was one.
    fn insert(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Option<i64>, Failure>;

    /// Takes a step of a transaction.
    fn step(&self, step: Step) -> Result<(), Failure>;

    /// Whether there is no transaction that could go on: none was begun, or an error has ended it.
    fn is_aborted(&self) -> bool;

    /// How many rows have been changed; only ever compared with itself.
    fn changes(&self) -> u64;

    /// Whether others write to the same database: then nothing that was read may be remembered past a transaction.
    fn is_shared(&self) -> bool;

    /// Which node this is, among those that share the database.
    fn node(&self) -> i64;

    /// Locks what a group is going to change, and reads what it will ask for. Where others hold something it waits a
    /// while and then fails with [`FaultKind::Stalled`](super::error::FaultKind::Stalled); or it does not wait at all,
    /// and answers at which places those aims stand of which it has not got everything.
    fn prepare(&self, aims: &[Aim<'_>], kept: &mut Kept, waits: bool) -> Result<Vec<usize>, Failure>;

    /// Has others wait who come here too for an organization, until the transaction ends.
    fn lock_organization(&self, id: i64) -> Result<(), Failure>;

    /// Whether messages should be handed to [`Sql::insert_messages`] many at once.
    fn gathers(&self) -> bool;

    /// Writes messages. Answers the rows of those whose words are still to be indexed: all of them or none.
    fn insert_messages(&self, messages: &[NewMessage]) -> Result<Vec<i64>, Failure>;

    /// Writes the rows of conversations.
    fn update_threads(&self, threads: &[&Thread]) -> Result<(), Failure>;

    /// Writes the newest offsets of websites.
    fn update_heads(&self, heads: &[(i64, u64)]) -> Result<(), Failure>;

    /// Which websites have come further than was known, and the number of the set-up.
    fn heads(&self, known: Vec<(SiteKey, u64)>) -> Result<Heads, Failure>;

    /// Notes that the set-up changes, for other nodes to notice.
    fn raise_setup(&self) -> Result<(), Failure>;

    /// Changes the search index.
    fn index(&self, documents: BTreeMap<Document, Words>) -> Result<(), Failure>;

    /// Whether the index goes with the rows that are deleted.
    fn unindexes_deleted(&self) -> bool;

    /// Finds conversations, by row, of some websites in which a word begins with this one.
    fn search(&self, searched: Searched, sites: &[i64], word: &str, found: &mut dyn FnMut(i64)) -> Result<(), Failure>;

    /// Takes what is due of deliveries for this node, for as long as is said, unless another one has taken them; answers
    /// which it got.
    fn claim(&self, deliveries: &[i64], now: i64, lease_ms: i64) -> Result<Vec<i64>, Failure>;

    /// For tests of one backend.
    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any;
}

impl dyn Sql + '_ {
    /// The first row, if there is one.
    pub(in crate::store) fn one<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnOnce(&dyn Row) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let (mut read, mut found) = (Some(read), None);
        self.query(sql, params, &mut |row| {
            if let Some(read) = read.take() {
                found = Some(read(row)?);
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The row that is there whenever the store is sound.
    pub(in crate::store) fn must<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnOnce(&dyn Row) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.one(sql, params, read)?.ok_or_else(|| StoreError::Corrupt("a row is missing".to_owned()).into())
    }

    /// All rows.
    pub(in crate::store) fn all<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        self.query(sql, params, &mut |row| {
            all.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }
}

/// What became of a transaction whose commit was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Fate {
    /// It stands.
    Stands,
    /// Nothing of it is stored, nor will be.
    Undone,
    /// Nobody here will learn it: the database is another one than it was sent to.
    Untold,
}

/// Holds a connection and opens it again after it was given up. A thread of the store owns it.
pub(in crate::store) trait Link: Send {
    /// The connection.
    fn open(&mut self) -> Result<&dyn Sql, Failure>;

    /// Gives the connection up, so that the next one is a new one.
    fn give_up(&mut self);

    /// What became of a transaction whose commit was not answered. An error means that this cannot be told yet.
    fn fate(&mut self, transaction: u64) -> Result<Fate, Failure>;

    /// For what the writer does between two commits.
    fn after_commit(&mut self);

    /// Ends the transaction of a read, which was answered already.
    fn after_read(&mut self);
}
