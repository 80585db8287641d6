//! Rows that a group of appends changes again and again, written once at its end.
//!
//! Each message moves its conversation's row, which stands in several indexes, and its website's. While appends follow
//! each other in a group, both are kept here; before anything else reads them they are written ([`Kept::settle`]).

use std::collections::BTreeMap;

use cossistant_protocol::{ConversationId, OrganizationId};
use rusqlite::Connection;

use super::error::Failure;
use super::lookup;
use super::rows::{self, Thread};
use super::statements;

/// Conversations and heads of websites that are ahead of their rows.
#[derive(Debug, Default)]
pub(super) struct Kept {
    threads: BTreeMap<(ConversationId, OrganizationId), Thread>,
    heads: BTreeMap<i64, u64>,
}

impl Kept {
    /// A conversation as it will be, kept or from its row.
    pub(super) fn thread(
        &self,
        conn: &Connection,
        organization: &OrganizationId,
        conversation: &ConversationId,
    ) -> Result<Option<Thread>, Failure> {
        let kept = self.threads.get(&(conversation.clone(), organization.clone())).cloned();
        let mut thread = match kept {
            Some(thread) => Some(thread),
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
        self.heads.get(&website).copied().unwrap_or(stored)
    }

    /// Keeps a conversation that was changed.
    pub(super) fn keep(&mut self, thread: Thread) {
        self.heads.insert(thread.website, thread.website_head);
        let key = (thread.conversation.id.clone(), thread.conversation.website.organization.clone());
        self.threads.insert(key, thread);
    }

    /// Writes all that is kept.
    pub(super) fn settle(&mut self, conn: &Connection) -> Result<(), Failure> {
        for thread in std::mem::take(&mut self.threads).into_values() {
            thread.save_conversation(conn)?;
        }
        for (website, head) in std::mem::take(&mut self.heads) {
            conn.prepare_cached(statements::UPDATE_HEAD)?.execute((website, rows::int(head)))?;
        }
        Ok(())
    }
}
