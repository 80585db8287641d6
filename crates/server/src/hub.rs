//! Fan-out: channels, the connections that hold them, and what waits for each connection.
//!
//! A [`Hub`] belongs to one shard and its thread. It does no I/O and reads no clock: notices and answers go in,
//! [`Effect`]s come out, and bytes wait in each connection's outbox until the shard's flusher writes them.
//!
//! Durable events are delivered in the order of their website's `offset`. An event that comes early is held, a hole
//! is filled from the store. A connection that is taking up a subscription is fed from the store until it has caught
//! up (see `hub/work.rs`), and live after that, with neither a hole nor an overlap.

mod activity;
mod conversation;
mod deliver;
mod ephemeral;
mod few;
mod interest;
mod outbox;
#[cfg(feature = "sim")]
mod planted;
mod presence;
mod sites;
mod state;
#[cfg(test)]
mod tests;
mod work;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use cossistant_protocol::{Channel, CloseCode, ConversationId, RequestId, ServerMessage, UserType};

pub(crate) use ephemeral::{Doing, LocalKey, What};
pub(crate) use outbox::{MAX_FRAMES_PER_WRITE, Outbox};
pub(crate) use work::Answer;

use crate::auth::Principal;
use crate::bus::{Notice, ShardId, Source, Topic};
use crate::chat::SubscribeRequest;
use crate::event::Frame;
use crate::store::{Audience, PersonKey, SiteKey};
use activity::Said;
use few::Few;
pub(crate) use interest::Interest;
use presence::{Locals, Presence};
use sites::Sites;
use work::{Command, Work};

/// One connection: its slot, and a serial that no other connection of this shard ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnRef {
    pub(crate) index: u32,
    pub(crate) serial: u64,
}

/// What the hub asks of its shard.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Read from the store for a connection, and come back with [`Hub::handle_answer`].
    Ask(ConnRef, WorkId, Ask),
    /// Read the events of a website past an offset, and come back with [`Hub::handle_fill`].
    Fill { site: u32, key: SiteKey, after: u64 },
    /// Read a visitor's open conversations, and publish what the team must be told.
    TellPresence { site: SiteKey, visitor: cossistant_protocol::PersonId },
    /// Tell every shard of this node.
    TellHere(Notice),
    /// Read the marks of these conversations that were set in the last so many ms, and tell them here.
    ReadMarks { site: SiteKey, conversations: BTreeSet<ConversationId>, for_ms: u64 },
    /// Tell every shard.
    Publish(Notice),
    /// Somebody, or nobody any more, is here to whom a topic matters.
    Follow(Topic, bool),
    /// The connection must be closed; nothing more is queued for it.
    Close(ConnRef, CloseCode, &'static str),
    /// A website waits for an event; look again in a moment with [`Hub::handle_gap`].
    GapTimer { site: u32 },
    /// A lost person is not yet told; look again at this time, in ms, with [`Hub::handle_grace`].
    GraceTimer { at_ms: u64, key: LocalKey },
}

/// One piece of work of one connection; an answer to another one is not meant for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkId(u64);

/// A question to the chat room for one connection.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// Where is this conversation?
    Locate(ConversationId),
    /// Check access and read the state.
    Subscribe(SubscribeRequest),
    /// Read more of the replay.
    Page { site: SiteKey, channel: Channel, after: u64, upto: u64 },
    /// Read what was missed while others came first.
    CatchUp { site: SiteKey, after: u64 },
}

/// Settings that the hub needs.
#[derive(Debug, Clone)]
pub(crate) struct HubConfig {
    pub(crate) shard: ShardId,
    /// How many shards there are.
    pub(crate) shards: u16,
    pub(crate) max_outbox_bytes: usize,
    /// 0 is no limit.
    pub(crate) max_subscriptions: usize,
    pub(crate) presence_grace_ms: u64,
    pub(crate) epoch: Arc<str>,
}

/// A connection's subscriptions on one website.
#[derive(Debug)]
struct Link {
    site: u32,
    has_website: bool,
    conversations: Few<ConversationId>,
}

/// A connection, as the hub sees it.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) serial: u64,
    pub(crate) principal: Principal,
    pub(crate) outbox: Outbox,
    is_dirty: bool,
    /// It is being closed: nothing more is queued, so that no event follows one that was left out.
    is_sealed: bool,
    links: Few<Link>,
    work: Option<Box<Work>>,
    busy: Option<Box<Busy>>,
}

/// What a connection has that does not just listen.
#[derive(Debug, Default)]
struct Busy {
    /// Requests that wait their turn.
    commands: std::collections::VecDeque<Command>,
    /// What its end ends.
    doing: Vec<Doing>,
}

impl Conn {
    fn audience(&self) -> Audience {
        match self.principal.kind {
            UserType::Visitor => Audience::Visitor,
            UserType::User | UserType::AiAgent => Audience::Team,
        }
    }

    /// Whether it is taking up a subscription.
    pub(crate) fn is_working(&self) -> bool {
        self.work.is_some()
    }

    /// Whether it is a connection of this person.
    fn is(&self, person: &PersonKey) -> bool {
        self.principal.kind == person.kind && self.principal.id == person.id
    }

    fn commands(&self) -> impl Iterator<Item = &Command> {
        self.busy.iter().flat_map(|busy| &busy.commands)
    }

    /// Gives back the room for what a connection does when it does nothing.
    fn rest(&mut self) {
        if self.busy.as_ref().is_some_and(|busy| busy.commands.is_empty() && busy.doing.is_empty()) {
            self.busy = None;
        }
    }

    fn link(&self, site: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.site == site)
    }

    fn holds_website(&self, site: u32) -> bool {
        self.link(site).is_some_and(|link| link.has_website)
    }
}

/// The fan-out of one shard.
#[derive(Debug)]
pub(crate) struct Hub {
    config: HubConfig,
    conns: Vec<Option<Conn>>,
    free: Vec<u32>,
    sites: Sites,
    presence: Presence,
    said: Said,
    interest: Interest,
    /// Websites that came further while nobody here listened to them and visitors of them were known.
    unheard: HashSet<SiteKey>,
    /// Local connections by person; visitors are told apart by website.
    locals: Locals,
    dirty: Vec<u32>,
    effects: Vec<Effect>,
    deliveries: u64,
    next_work: u64,
}

impl Hub {
    pub(crate) fn new(config: HubConfig) -> Self {
        Self {
            config,
            conns: Vec::new(),
            free: Vec::new(),
            sites: Sites::default(),
            presence: Presence::default(),
            said: Said::default(),
            interest: Interest::default(),
            unheard: HashSet::new(),
            locals: Locals::default(),
            dirty: Vec::new(),
            effects: Vec::new(),
            deliveries: 0,
            next_work: 0,
        }
    }

    /// What must be done since the last call, in order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Connections whose outbox got something since the last call, each once.
    pub(crate) fn take_dirty(&mut self) -> Vec<u32> {
        let dirty = std::mem::take(&mut self.dirty);
        for index in &dirty {
            if let Some(conn) = &mut self.conns[*index as usize] {
                conn.is_dirty = false;
            }
        }
        dirty
    }

    pub(crate) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// How many frames were handed to connections, ever.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Takes a slot for a connection that is not yet known; it costs nothing but the number.
    pub(crate) fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.conns.push(None);
            u32::try_from(self.conns.len() - 1).expect("fewer connections than a u32 counts")
        })
    }

    /// Fills a slot: the principal is known, and its person is here.
    pub(crate) fn connect(&mut self, at: ConnRef, principal: Principal, deflate: bool) {
        self.conns[at.index as usize] = Some(Conn {
            serial: at.serial,
            principal,
            outbox: Outbox::new(deflate),
            is_dirty: false,
            is_sealed: false,
            links: Few::None,
            work: None,
            busy: None,
        });
        self.arrive(at.index);
    }

    /// Empties a slot. A clean end is told at once, a loss after the grace.
    pub(crate) fn disconnect(&mut self, index: u32, is_clean: bool, now_ms: u64) {
        if self.conns[index as usize].is_some() {
            self.end_goings(index, |_| true);
            self.leave(index, is_clean, now_ms);
            self.drop_subscriptions(index);
        }
        self.conns[index as usize] = None;
        self.free.push(index);
    }

    /// The connection is closing: it gets nothing more but what is queued and its close frame.
    pub(crate) fn retire(&mut self, index: u32, close_frame: Bytes) {
        self.end_goings(index, |_| true);
        self.drop_subscriptions(index);
        if let Some(conn) = &mut self.conns[index as usize] {
            conn.is_sealed = true;
            conn.outbox.push_paced(Frame::from(close_frame));
            self.mark_dirty(index);
        }
    }

    pub(crate) fn conn(&self, index: u32) -> Option<&Conn> {
        self.conns[index as usize].as_ref()
    }

    pub(crate) fn conn_mut(&mut self, index: u32) -> Option<&mut Conn> {
        self.conns[index as usize].as_mut()
    }

    /// Whether the slot still has the connection that it had.
    pub(crate) fn is_current(&self, at: ConnRef) -> bool {
        self.conn(at.index).is_some_and(|conn| conn.serial == at.serial)
    }

    /// Every connection's slot.
    pub(crate) fn indexes(&self) -> Vec<u32> {
        (0..self.conns.len()).filter(|at| self.conns[*at].is_some()).map(|at| at as u32).collect()
    }

    pub(crate) fn source(&self, index: u32) -> Option<Source> {
        Some(Source { shard: self.config.shard, connection: self.conn(index)?.serial })
    }

    /// Answers one connection.
    pub(crate) fn send(&mut self, index: u32, message: &ServerMessage) {
        if self.conn(index).is_some() {
            self.push_durable(index, Frame::new(message));
        }
    }

    /// Queues a frame that must not be lost; a reader for whom there is no room is closed.
    pub(crate) fn push_durable(&mut self, index: u32, frame: Frame) {
        let bound = self.config.max_outbox_bytes;
        let Some(conn) = &mut self.conns[index as usize] else { return };
        if conn.is_sealed {
            return;
        }
        let at = ConnRef { index, serial: conn.serial };
        if conn.outbox.push_durable(frame, bound).is_err() {
            conn.outbox.clear();
            conn.is_sealed = true;
            self.effects.push(Effect::Close(at, CloseCode::SlowReader, "the reader is too slow"));
            return;
        }
        self.deliveries += 1;
        self.mark_dirty(index);
    }

    fn push_paced(&mut self, index: u32, frame: Frame) {
        if let Some(conn) = &mut self.conns[index as usize]
            && !conn.is_sealed
        {
            conn.outbox.push_paced(frame);
            self.deliveries += 1;
            self.mark_dirty(index);
        }
    }

    fn push_ephemeral(&mut self, index: u32, frame: &Frame, key: outbox::MergeKey) {
        let bound = self.config.max_outbox_bytes;
        if let Some(conn) = &mut self.conns[index as usize]
            && !conn.is_sealed
        {
            conn.outbox.push_ephemeral(frame.clone(), key, bound);
            self.deliveries += 1;
            self.mark_dirty(index);
        }
    }

    fn mark_dirty(&mut self, index: u32) {
        if let Some(conn) = &mut self.conns[index as usize]
            && !conn.is_dirty
        {
            conn.is_dirty = true;
            self.dirty.push(index);
        }
    }

    /// Asks for a subscription; the answer comes as a message, in the order of the requests.
    pub(crate) fn subscribe(&mut self, index: u32, id: Option<RequestId>, request: SubscribeRequest) {
        self.enqueue(index, Command::Subscribe { id, request });
    }

    /// Ends a subscription; answered even if it is not held.
    pub(crate) fn unsubscribe(&mut self, index: u32, id: Option<RequestId>, channel: Channel) {
        self.enqueue(index, Command::Unsubscribe { id, channel });
    }
}
