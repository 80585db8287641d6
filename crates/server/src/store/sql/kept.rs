//! What a group of operations knows of rows beside the database.
//!
//! Each message moves its conversation's row, which stands in several indexes, and its website's. While appends follow
//! each other in a group, both are kept here; before anything else reads them they are written ([`Kept::settle`]). Where
//! each statement is a journey to the database and back, new messages wait here too, and what the group will ask for was
//! read before it began ([`Sql::prepare`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use cossistant_protocol::{ConversationId, MessageId, OrganizationId, PersonId, RequestId, Timestamp, UserType};

use super::error::Failure;
use super::link::Sql;
use super::lookup::{self, Person};
use super::outbox::Hook;
use super::rows::Thread;
use crate::store::KnownMessage;

/// A message to be written.
#[derive(Debug)]
pub(in crate::store) struct NewMessage {
    pub(in crate::store) website: i64,
    pub(in crate::store) offset: u64,
    pub(in crate::store) thread: i64,
    pub(in crate::store) team_seq: u64,
    pub(in crate::store) visitor_seq: Option<u64>,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) id: MessageId,
    pub(in crate::store) sender: i64,
    pub(in crate::store) sender_name: Option<Arc<str>>,
    pub(in crate::store) key: RequestId,
    pub(in crate::store) fingerprint: [u8; 16],
    pub(in crate::store) content: Arc<str>,
    pub(in crate::store) metadata: Option<Arc<str>>,
    /// What a search finds it by.
    pub(in crate::store) words: String,
}

/// By what a person is found: organization, website (or none), kind and id.
pub(in crate::store) type PersonPlace = (i64, i64, UserType, PersonId);
/// By what a message is found that was sent before: conversation, sender and idempotency key.
pub(in crate::store) type KeyPlace = (i64, i64, RequestId);

/// Conversations, heads of websites and messages that are ahead of their rows, and rows that were read before.
#[derive(Debug, Default)]
pub(in crate::store) struct Kept {
    /// `None` for one that was looked for and is not there.
    threads: BTreeMap<(ConversationId, OrganizationId), Option<Kin>>,
    heads: BTreeMap<i64, Head>,
    people: BTreeMap<PersonPlace, Option<Person>>,
    keys: BTreeMap<KeyPlace, Option<KnownMessage>>,
    messages: Vec<NewMessage>,
    /// The webhooks of the organizations of the group, if they were read.
    pub(in crate::store) hooks: Option<BTreeMap<i64, Vec<Hook>>>,
    /// How many messages were ever kept.
    added: u64,
}

/// A conversation, and whether it is ahead of its row.
#[derive(Debug)]
struct Kin {
    thread: Thread,
    is_ahead: bool,
}

/// A website's newest offset, and whether it is ahead of its row.
#[derive(Debug, Clone, Copy)]
struct Head {
    offset: u64,
    is_ahead: bool,
}

impl Kept {
    /// A conversation as it will be, kept or from its row.
    pub(super) fn thread(
        &self,
        conn: &dyn Sql,
        organization: &OrganizationId,
        conversation: &ConversationId,
    ) -> Result<Option<Thread>, Failure> {
        let kept = self.threads.get(&(conversation.clone(), organization.clone()));
        let mut thread = match kept {
            Some(kept) => kept.as_ref().map(|kin| kin.thread.clone()),
            None => lookup::thread(conn, organization, conversation)?,
        };
        if let Some(thread) = &mut thread {
            thread.website_head = self.head(thread.website, thread.website_head);
            // Of no use to a writer.
            thread.identity = None;
        }
        Ok(thread)
    }

    /// A website's newest offset as it will be, given that of its row.
    pub(super) fn head(&self, website: i64, stored: u64) -> u64 {
        self.heads.get(&website).map_or(stored, |head| head.offset)
    }

    /// Keeps a conversation that was changed.
    pub(super) fn keep(&mut self, thread: Thread) {
        self.heads.insert(thread.website, Head { offset: thread.website_head, is_ahead: true });
        self.insert(thread, true);
    }

    fn insert(&mut self, thread: Thread, is_ahead: bool) {
        let key = (thread.conversation.id.clone(), thread.conversation.website.organization.clone());
        self.threads.insert(key, Some(Kin { thread, is_ahead }));
    }

    /// Takes in a conversation that was read and locked.
    pub(in crate::store) fn learn_thread(&mut self, thread: Thread) {
        self.heads.insert(thread.website, Head { offset: thread.website_head, is_ahead: false });
        self.insert(thread, false);
    }

    /// Takes in that a conversation was looked for and is not there, unless it was found.
    pub(in crate::store) fn learn_absent(&mut self, conversation: ConversationId, organization: OrganizationId) {
        self.threads.entry((conversation, organization)).or_insert(None);
    }

    /// Takes in a person that was looked for.
    pub(in crate::store) fn learn_person(&mut self, place: PersonPlace, person: Option<Person>) {
        self.people.insert(place, person);
    }

    /// Takes in what was found under an idempotency key.
    pub(in crate::store) fn learn_key(&mut self, place: KeyPlace, known: Option<KnownMessage>) {
        self.keys.insert(place, known);
    }

    /// A person, as [`lookup::person`] finds it.
    pub(super) fn person(&self, place: &PersonPlace) -> Option<&Option<Person>> {
        self.people.get(place)
    }

    /// A person who was just made.
    pub(super) fn keep_person(&mut self, place: PersonPlace, person: Person) {
        if let Some(kept) = self.people.get_mut(&place) {
            *kept = Some(person);
        }
    }

    /// What stands under an idempotency key, if that is known here.
    pub(super) fn key(&self, place: &KeyPlace) -> Option<&Option<KnownMessage>> {
        self.keys.get(place)
    }

    /// Keeps a message until [`Kept::settle`].
    pub(super) fn keep_message(&mut self, message: NewMessage) {
        let known = KnownMessage {
            message: message.id.clone(),
            team_seq: message.team_seq,
            visitor_seq: message.visitor_seq,
            created_at: message.at,
            fingerprint: message.fingerprint,
        };
        self.keys.insert((message.thread, message.sender, message.key.clone()), Some(known));
        self.messages.push(message);
        self.added += 1;
    }

    /// How many messages were ever kept.
    pub(super) const fn added(&self) -> u64 {
        self.added
    }

    /// Writes all that is ahead. What is known stays so.
    pub(super) fn settle(&mut self, conn: &dyn Sql) -> Result<(), Failure> {
        if !self.messages.is_empty() {
            // Their words are with them: where they are not, messages do not wait here.
            conn.insert_messages(&std::mem::take(&mut self.messages))?;
        }
        let ahead: Vec<&Thread> = self.threads.values_mut().flatten().filter_map(Kin::take_ahead).collect();
        conn.update_threads(&ahead)?;
        let mut heads = Vec::new();
        for (website, head) in &mut self.heads {
            if std::mem::take(&mut head.is_ahead) {
                heads.push((*website, head.offset));
            }
        }
        conn.update_heads(&heads)
    }

    /// Forgets all that was read, since somebody is going to change it; nothing is ahead.
    pub(super) fn forget(&mut self) {
        self.threads.clear();
        self.heads.clear();
        self.people.clear();
        self.keys.clear();
    }
}

impl Kin {
    fn take_ahead(&mut self) -> Option<&Thread> {
        std::mem::take(&mut self.is_ahead).then_some(&self.thread)
    }
}
