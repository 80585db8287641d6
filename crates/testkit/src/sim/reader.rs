//! What one client was given of the durable events, and the rules that its order must keep.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_protocol::{
    Channel, ConversationId, ConversationStatus, MessageId, PersonId, ServerMessage, SubscriptionConfirmed,
};
use cossistant_server::store::{EventBody, StoredEvent};

/// What a durable event says, as far as it can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Created(PersonId),
    Message(MessageId),
    Updated(MessageId),
    Status(ConversationStatus),
    Assigned(Option<PersonId>),
}

/// A durable event as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) conversation: ConversationId,
    pub(super) seq: u64,
    pub(super) offset: Option<u64>,
    pub(super) what: What,
}

impl Told {
    /// Conversation, `seq` and `offset`; `None` for what is not durable.
    #[expect(clippy::wildcard_enum_match_arm, reason = "five messages of many are durable")]
    pub(super) fn place_of(message: &ServerMessage) -> Option<(&str, u64, Option<u64>)> {
        Some(match message {
            ServerMessage::ConversationCreated(event) => (event.conversation_id.as_str(), event.seq, event.offset),
            ServerMessage::NewMessage(event) => (event.conversation_id.as_str(), event.seq, event.offset),
            ServerMessage::MessageUpdated(event) => (event.conversation_id.as_str(), event.seq, event.offset),
            ServerMessage::ConversationStatusChanged(event) => {
                (event.conversation_id.as_str(), event.seq, event.offset)
            }
            ServerMessage::ConversationAssigned(event) => (event.conversation_id.as_str(), event.seq, event.offset),
            _ => return None,
        })
    }

    /// `None` for what is not durable.
    #[expect(clippy::wildcard_enum_match_arm, reason = "five messages of many are durable")]
    pub(super) fn of(message: &ServerMessage) -> Option<Self> {
        let (what, conversation) = match message {
            ServerMessage::ConversationCreated(event) => {
                (What::Created(event.visitor_id.clone()), &event.conversation_id)
            }
            ServerMessage::NewMessage(event) => (What::Message(event.message_id.clone()), &event.conversation_id),
            ServerMessage::MessageUpdated(event) => (What::Updated(event.message_id.clone()), &event.conversation_id),
            ServerMessage::ConversationStatusChanged(event) => (What::Status(event.status), &event.conversation_id),
            ServerMessage::ConversationAssigned(event) => {
                (What::Assigned(event.assigned_team_member_id.clone()), &event.conversation_id)
            }
            _ => return None,
        };
        let (_, seq, offset) = Self::place_of(message)?;
        Some(Self { conversation: conversation.clone(), seq, offset, what })
    }
}

impl What {
    /// What of a stored event a reader is to be told.
    pub(super) fn of_stored(event: &StoredEvent) -> Self {
        match &event.body {
            EventBody::Created { visitor, .. } => Self::Created(visitor.clone()),
            EventBody::Message(message) => Self::Message(message.id.clone()),
            EventBody::Updated { message, .. } => Self::Updated(message.clone()),
            EventBody::Status { status, .. } => Self::Status(*status),
            EventBody::Assigned { assignee, .. } => Self::Assigned(assignee.clone()),
        }
    }
}

/// One conversation as it came in.
#[derive(Debug, Default)]
pub(super) struct Thread {
    pub(super) last: Option<u64>,
    pub(super) told: BTreeMap<u64, What>,
    /// The next event may be further on: the client was told so.
    may_jump: bool,
    /// Nobody listened for a while: until that is confirmed again, anything newer may come.
    is_fresh: bool,
    /// Whether that was ever so.
    pub(super) has_jumped: bool,
    /// Where a confirmation of its own began it, if that was behind what was told before.
    begun_at: Option<u64>,
    /// The website was resumed when nothing was told yet behind the beginning at this place: it brings what was before.
    website_brings: Option<u64>,
}

impl Thread {
    /// Whether the place that was seen last says nothing of what comes next.
    pub(super) fn is_open_ended(&self) -> bool {
        self.may_jump || self.is_fresh || self.told.is_empty()
    }

    fn newest(&self) -> u64 {
        self.told.last_key_value().map_or(0, |(seq, _)| *seq)
    }
}

/// All durable events that one client's application got.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) threads: BTreeMap<String, Thread>,
    pub(super) offsets: BTreeSet<u64>,
    /// Where the present unbroken listening to the website began.
    pub(super) website_base: Option<u64>,
}

impl Reader {
    /// Takes one durable event in.
    ///
    /// # Errors
    /// It is out of turn.
    pub(super) fn take(&mut self, told: &Told) -> Result<(), String> {
        let thread = self.threads.entry(told.conversation.to_string()).or_default();
        if let Some(upto) = thread.website_brings {
            let newest = thread.newest();
            if told.seq <= upto {
                if told.seq <= newest {
                    return Err(format!("{} came with seq {} behind {newest}", told.conversation, told.seq));
                }
                thread.told.insert(told.seq, told.what.clone());
                self.offsets.extend(told.offset);
                return Ok(());
            }
            // It goes on before its website has brought all of that: the rest would be out of order.
            thread.website_brings = None;
            thread.has_jumped |= newest < upto;
        }
        if let Some(last) = thread.last {
            let is_next = told.seq == last + 1 || ((thread.may_jump || thread.is_fresh) && told.seq > last);
            if !is_next {
                return Err(format!("{} came with seq {} behind {last}", told.conversation, told.seq));
            }
        }
        thread.last = Some(told.seq);
        thread.may_jump = false;
        thread.told.insert(told.seq, told.what.clone());
        self.offsets.extend(told.offset);
        Ok(())
    }

    /// A conversation is listened to no more, or anew without a place.
    pub(super) fn begin_anew(&mut self, conversation: &str) {
        let thread = self.threads.entry(conversation.to_owned()).or_default();
        thread.is_fresh = true;
        thread.has_jumped |= thread.last.is_some();
    }

    /// So is every conversation but those.
    pub(super) fn begin_anew_except(&mut self, held: &BTreeSet<String>) {
        let threads: Vec<String> = self.threads.keys().filter(|id| !held.contains(*id)).cloned().collect();
        for id in threads {
            self.begin_anew(&id);
        }
    }

    /// The store was restored: whatever is past these heads was never so.
    pub(super) fn forget_past(&mut self, head_of: impl Fn(&str) -> u64, website_head: u64) {
        for (id, thread) in &mut self.threads {
            let head = head_of(id);
            thread.told.retain(|seq, _| *seq <= head);
            thread.last = thread.last.map(|last| last.min(head));
            thread.may_jump = true;
            thread.has_jumped = true;
            thread.begun_at = None;
            thread.website_brings = None;
        }
        self.offsets.retain(|offset| *offset <= website_head);
        self.website_base = self.website_base.map(|base| base.min(website_head));
    }

    /// A conversation begins at its head, before its website is resumed further back.
    pub(super) fn has_begun_late(&mut self, conversation: &str) {
        self.threads.entry(conversation.to_owned()).or_default().has_jumped = true;
    }

    /// A conversation may go on anywhere.
    pub(super) fn allow_jump(&mut self, conversation: &str) {
        let thread = self.threads.entry(conversation.to_owned()).or_default();
        thread.may_jump = true;
        thread.has_jumped = true;
    }

    /// Every conversation but those may go on anywhere.
    pub(super) fn allow_jumps_except(&mut self, held: &BTreeSet<String>) {
        let threads: Vec<String> = self.threads.keys().filter(|id| !held.contains(*id)).cloned().collect();
        for id in threads {
            self.allow_jump(&id);
        }
    }

    /// Takes a confirmation in. What was not listened to before begins behind its head, or behind its replay.
    pub(super) fn confirm(&mut self, confirmed: &SubscriptionConfirmed, holds_website: bool, held: &BTreeSet<String>) {
        let begin = confirmed.head - confirmed.replayed;
        match &confirmed.channel {
            Channel::Conversation(id) if !holds_website => {
                let thread = self.threads.entry(id.to_string()).or_default();
                if thread.last.is_none() || thread.may_jump || thread.is_fresh {
                    let last = begin.max(thread.last.unwrap_or(0));
                    if last > thread.newest() {
                        thread.begun_at = Some(last);
                    }
                    thread.last = Some(last);
                    thread.may_jump = false;
                    thread.is_fresh = false;
                } else if confirmed.replayed > 0 && thread.last == thread.begun_at && thread.last > Some(begin) {
                    // A request was sent again, from where its conversation was known up to, and the first answer was
                    // that to the one before it: what counts is the second, as nothing has come since.
                    (thread.last, thread.begun_at) = (Some(begin), Some(begin));
                }
            }
            Channel::Conversation(id) => {
                let thread = self.threads.entry(id.to_string()).or_default();
                if std::mem::take(&mut thread.is_fresh) {
                    thread.may_jump = true;
                }
            }
            Channel::Website(_) => {
                let is_first = self.website_base.is_none();
                for (id, thread) in &mut self.threads {
                    if is_first && confirmed.replayed > 0 {
                        // In order comes before complete: of what was before a beginning it tells nothing once that
                        // has gone on.
                        let has_begun = thread.begun_at.is_some() && thread.last == thread.begun_at;
                        thread.website_brings = thread.last.filter(|_| has_begun);
                        thread.has_jumped |= held.contains(id) && !has_begun;
                    }
                    if !held.contains(id) && (std::mem::take(&mut thread.is_fresh) || is_first) {
                        thread.may_jump = true;
                    }
                }
                if !confirmed.recovered {
                    self.website_base = Some(begin);
                }
                self.website_base.get_or_insert(begin);
            }
        }
    }
}
