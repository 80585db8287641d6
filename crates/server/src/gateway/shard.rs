//! One shard's core: connections and hub on one thread, without I/O.
//!
//! Texts, timers, answers and notices go in; [`Output`]s come out, and bytes wait in the outboxes. The driver
//! (`driver.rs`) moves bytes and runs the jobs; a simulator does the same on a virtual clock.

mod commands;
mod lifecycle;

use std::collections::{BTreeMap, BTreeSet};

use cossistant_protocol::{ConnectionId, ErrorMessage, MessageAck, PersonId, RequestId, ServerMessage, Timestamp};

pub(crate) use lifecycle::Arrival;

use super::connection::{CameFrom, Connection, ConnectionConfig, EphemeralMessage, Phase};
use super::frame;
use super::wheel::Wheel;
use crate::auth::{AuthError, Principal, Secret};
use crate::bus::{Notice, Topic};
use crate::chat::ChatError;
use crate::hub::{Answer, Ask, ConnRef, Effect, Hub, HubConfig, LocalKey, WorkId};
use crate::store::SiteKey;

/// Work that needs the store or the keys; its result comes back with [`Shard::handle_done`].
#[derive(Debug)]
pub(crate) enum Job {
    /// Check credentials.
    LogIn(Box<LogIn>),
    /// Check a new token of a live connection.
    Renew { id: Option<RequestId>, token: Secret },
    /// A question of the hub.
    Ask { principal: Principal, work: WorkId, ask: Ask },
    /// Store a message.
    Send { principal: Principal, id: Option<RequestId>, send: Box<cossistant_protocol::SendMessage> },
    /// Look up where an ephemeral message belongs.
    Locate { principal: Principal, message: EphemeralMessage },
    /// Move a mark.
    Seen { principal: Principal, message: EphemeralMessage, seq: u64 },
}

/// What kind of job it is, for log and figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobKind {
    /// Credentials are checked.
    Authenticate,
    /// Stored events are read: the beginning of a subscription, or more of a replay.
    Replay,
    /// A message is stored.
    Send,
    /// Something is looked up.
    Locate,
    /// A mark is moved.
    Seen,
}

impl JobKind {
    /// Its name in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Replay => "replay",
            Self::Send => "send",
            Self::Locate => "locate",
            Self::Seen => "seen",
        }
    }
}

impl Job {
    /// What kind of job it is.
    pub(crate) const fn kind(&self) -> JobKind {
        match self {
            Self::LogIn(_) | Self::Renew { .. } => JobKind::Authenticate,
            Self::Ask { ask: Ask::Locate(_), .. } | Self::Locate { .. } => JobKind::Locate,
            Self::Ask { ask: Ask::Subscribe(_) | Ask::Page { .. } | Ask::CatchUp { .. }, .. } => JobKind::Replay,
            Self::Send { .. } => JobKind::Send,
            Self::Seen { .. } => JobKind::Seen,
        }
    }
}

/// What a connection brought to say who it is.
#[derive(Debug)]
pub(crate) enum Credential {
    /// A token or secret key, by header, subprotocol, query or first message.
    Bearer(Secret),
    /// A public key: an anonymous visitor.
    PublicKey(String),
}

/// What is needed to check credentials.
#[derive(Debug)]
pub(crate) struct LogIn {
    pub(crate) credential: Credential,
    pub(crate) came_from: Box<CameFrom>,
}

/// Accepted credentials.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) principal: Principal,
    /// The token of a visitor that was made just now.
    pub(crate) visitor_token: Option<String>,
}

/// The result of a [`Job`].
#[derive(Debug)]
pub(crate) enum Done {
    LoggedIn(Result<Box<LoggedIn>, AuthError>),
    Renewed {
        id: Option<RequestId>,
        result: Result<Principal, AuthError>,
    },
    Answered(WorkId, Answer),
    Sent {
        id: Option<RequestId>,
        conversation: cossistant_protocol::ConversationId,
        result: Result<MessageAck, ChatError>,
    },
    Located {
        message: EphemeralMessage,
        result: Result<SiteKey, ChatError>,
    },
    Seen {
        id: Option<RequestId>,
        result: Result<(), ChatError>,
    },
}

/// What the driver must do.
#[derive(Debug)]
pub(crate) enum Output {
    /// Run a job for a connection.
    Job(ConnRef, Job),
    /// Read a website's events past an offset; back with [`Shard::handle_fill`].
    Fill { site: u32, key: SiteKey, after: u64 },
    /// Tell everyone of visitors who came or left, a few at the most; back with [`Shard::handle_told_presence`].
    TellPresence { site: SiteKey, visitors: Vec<PersonId> },
    /// Read who has read what; back with [`Shard::handle_marks`].
    ReadMarks(MarksWanted),
    /// Tell every shard.
    Publish(Notice),
    /// Tell the shards of this node.
    TellHere(Notice),
    /// Somebody, or nobody any more, is here to whom a topic matters.
    Follow(Topic, bool),
    /// Write these frames and then close; the connection never got further.
    Refuse(ConnRef, Vec<bytes::Bytes>),
    /// Answer a ping of a connection that has no outbox yet, if it took the last answer.
    Pong(ConnRef, bytes::Bytes),
    /// Let go of the socket at once.
    Drop(ConnRef),
    /// Look at the connection's reading state again.
    Wake(ConnRef),
}

/// What a timer is for.
#[derive(Debug)]
enum TimerKey {
    /// Something about a connection is due.
    Connection(ConnRef),
    /// A lost person's grace is over.
    Grace(Box<LocalKey>),
    /// A website waits for an event that may have been lost.
    Gap(u32),
    /// A connection's turn to close in a drain.
    Drain(ConnRef),
    /// The presence of visitors could not be told and is to be told now.
    Presence(Box<(SiteKey, Vec<PersonId>)>),
    /// Marks could not be read and are to be read now.
    Marks,
}

/// Marks that may have been told and not heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarksWanted {
    pub(crate) site: SiteKey,
    /// In these conversations.
    pub(crate) conversations: BTreeSet<cossistant_protocol::ConversationId>,
    /// Set since then.
    pub(crate) since: Timestamp,
}

/// How far the telling of a visitor's presence has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// It has its turn when others are told.
    Waits,
    /// It is under way; then whether it must be told again behind that, since what was read first must not be told last.
    UnderWay { again: bool },
}

/// The most reads that are under way of whom to tell of visitors, and the most visitors of one: with a node that dies,
/// all of its visitors leave at once.
const TELLINGS: usize = 8;
const TOLD_AT_ONCE: usize = 100;
/// In how many conversations marks are read at once, which is done once at a time: what is read has to get out, too.
const MARKED_AT_ONCE: usize = 50;
/// How long a website waits for an event that came out of turn, in ms.
const GAP_MS: u64 = 20;
/// After how long the store is asked again that could not say whom to tell, or what, in ms.
const RETRY_MS: u64 = 1_000;
/// How long a close frame is tried, in ms.
const CLOSE_MS: u64 = 10_000;
/// How long one message may take to arrive, in ms, and how many ms more for each KiB of it: 64 KiB at 16 kbit/s and less.
const MESSAGE_MS: u64 = 10_000;
const MESSAGE_KIB_MS: u64 = 500;
/// The most subscription requests of one connection that wait before no more is read from it.
const MAX_WAITING_COMMANDS: usize = 1_024;

/// Settings of a shard.
#[derive(Debug, Clone)]
pub(crate) struct ShardConfig {
    pub(crate) hub: HubConfig,
    pub(crate) connection: std::sync::Arc<ConnectionConfig>,
}

/// Figures of a shard, counted since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) frames_in: u64,
    pub(crate) slow_closes: u64,
}

/// Connections and hub of one thread.
pub(crate) struct Shard {
    config: ShardConfig,
    hub: Hub,
    connections: Vec<Option<Connection>>,
    next_serial: u64,
    wheel: Wheel<TimerKey>,
    outputs: Vec<Output>,
    /// Visitors whose presence is to be told, or is just being told.
    telling: std::collections::HashMap<(SiteKey, PersonId), Telling>,
    /// Those that wait, in the order in which they came or left.
    to_tell: std::collections::VecDeque<(SiteKey, PersonId)>,
    /// How many reads are under way for them.
    tellings: usize,
    /// Marks that are to be read, by website.
    marks: BTreeMap<SiteKey, MarksWanted>,
    /// Some of them are just being read, or it is waited for the store.
    is_reading_marks: bool,
    directory: std::sync::Arc<crate::directory::Directory>,
    ids: std::sync::Arc<crate::chat::Ids>,
    figures: Figures,
    /// The driver's steady time: timers and rates go by it.
    now: Timestamp,
    /// How far the system's time is ahead of it, in ms; tokens and people go by that one.
    wall_ahead_ms: i64,
}

impl Shard {
    pub(crate) fn new(
        config: ShardConfig,
        directory: std::sync::Arc<crate::directory::Directory>,
        ids: std::sync::Arc<crate::chat::Ids>,
        now: Timestamp,
    ) -> Self {
        Self {
            hub: Hub::new(config.hub.clone()),
            config,
            connections: Vec::new(),
            next_serial: 1,
            wheel: Wheel::new(now.as_millis()),
            outputs: Vec::new(),
            telling: std::collections::HashMap::new(),
            to_tell: std::collections::VecDeque::new(),
            tellings: 0,
            marks: BTreeMap::new(),
            is_reading_marks: false,
            directory,
            ids,
            figures: Figures::default(),
            now,
            wall_ahead_ms: 0,
        }
    }

    /// Takes the system's time beside the steady one. Looked at when a connection comes and when timers fire, so a
    /// clock that was put forward or back is noticed within a heartbeat.
    pub(crate) fn set_wall(&mut self, wall: Timestamp, now: Timestamp) {
        self.wall_ahead_ms = wall.as_millis().cast_signed() - now.as_millis().cast_signed();
    }

    /// The system's time of now.
    fn wall(&self) -> Timestamp {
        Timestamp(self.now.as_millis().saturating_add_signed(self.wall_ahead_ms))
    }

    fn now_ms(&self) -> u64 {
        self.now.as_millis()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn hub_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }

    /// What must be done since the last call, in order.
    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        self.drain_effects();
        std::mem::take(&mut self.outputs)
    }

    /// When a timer is due, in ms, for somebody who waits until then and asks [`Shard::has_sooner_timer`] meanwhile.
    pub(crate) fn watch_timers(&mut self) -> Option<u64> {
        self.wheel.watch()
    }

    /// Whether there is, since the last question, a timer that is due before what is waited for.
    pub(crate) fn has_sooner_timer(&mut self) -> bool {
        self.wheel.take_sooner()
    }

    pub(crate) fn connection(&self, index: u32) -> Option<&Connection> {
        self.connections.get(index as usize)?.as_ref()
    }

    fn connection_mut(&mut self, index: u32) -> Option<&mut Connection> {
        self.connections.get_mut(index as usize)?.as_mut()
    }

    /// Whether the slot still has the connection that it had.
    pub(crate) fn is_current(&self, at: ConnRef) -> bool {
        self.connection(at.index).is_some_and(|connection| connection.serial == at.serial)
    }

    fn at(&self, index: u32) -> Option<ConnRef> {
        self.connection(index).map(|connection| ConnRef { index, serial: connection.serial })
    }

    /// Whether more may be read from a connection now.
    ///
    /// What follows a subscription waits until the state of that is read: so a message sent right behind it comes
    /// live, and not as a part of the state. What follows a message that may create a conversation waits until there
    /// is one.
    pub(crate) fn is_reading(&self, index: u32) -> bool {
        self.connection(index).is_some_and(|connection| match connection.phase {
            Phase::Waiting { .. } | Phase::Closing { .. } => true,
            Phase::Authenticating { .. } => false,
            Phase::Ready => {
                connection.in_flight < self.config.connection.max_jobs
                    && connection.locating == 0
                    && connection.beginning().is_none()
                    && !self.hub.is_taking_up(index, |conversation| connection.known(conversation).is_some())
                    && self.hub.waiting_commands(index) < MAX_WAITING_COMMANDS
            }
        })
    }

    /// Whether nothing more is queued for a connection but its close frame.
    pub(crate) fn is_closing(&self, index: u32) -> bool {
        self.connection(index).is_some_and(|connection| matches!(connection.phase, Phase::Closing { .. }))
    }

    fn principal(&self, index: u32) -> Option<Principal> {
        self.hub.conn(index).map(|conn| conn.principal.clone())
    }

    /// Turns what the hub asks for into outputs.
    fn drain_effects(&mut self) {
        loop {
            let effects = self.hub.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Ask(at, work, ask) => {
                        if let Some(principal) = self.principal(at.index) {
                            self.outputs.push(Output::Job(at, Job::Ask { principal, work, ask }));
                        }
                    }
                    Effect::Fill { site, key, after } => self.outputs.push(Output::Fill { site, key, after }),
                    Effect::TellPresence { site, visitor } => self.tell_presence(site, visitor),
                    Effect::ReadMarks { site, conversations, for_ms } => {
                        let since = Timestamp(self.wall().as_millis().saturating_sub(for_ms));
                        self.want_marks(MarksWanted { site, conversations, since });
                    }
                    Effect::Publish(notice) => self.outputs.push(Output::Publish(notice)),
                    Effect::TellHere(notice) => self.outputs.push(Output::TellHere(notice)),
                    Effect::Follow(topic, is_followed) => self.outputs.push(Output::Follow(topic, is_followed)),
                    Effect::Close(at, code, reason) => {
                        if self.is_current(at) {
                            self.close(at.index, code, reason);
                        }
                    }
                    Effect::GapTimer { site } => {
                        let at_ms = self.now_ms() + GAP_MS;
                        self.wheel.insert(at_ms, TimerKey::Gap(site));
                    }
                    Effect::GraceTimer { at_ms, key } => self.wheel.insert(at_ms, TimerKey::Grace(Box::new(key))),
                }
            }
        }
    }

    fn error(&mut self, index: u32, id: Option<RequestId>, error: ChatError) {
        metrics::counter!(crate::metrics::REFUSED_TOTAL, "code" => error.code.as_str()).increment(1);
        let message = ErrorMessage {
            id,
            error: error.message,
            code: error.code,
            details: error.details,
            retry_after: error.retry_after,
        };
        self.hub.send(index, &ServerMessage::Error(message));
    }
}

/// The connection's id on the wire.
fn connection_id(ids: &crate::chat::Ids, now: Timestamp) -> ConnectionId {
    ids.connection(now)
}

/// The frames of a refusal: the error, then the close.
fn refusal(id: Option<RequestId>, error: AuthError) -> Vec<bytes::Bytes> {
    let AuthError { code, close, message, retry_after } = error;
    let told = ErrorMessage { id, error: message.to_owned(), code, details: None, retry_after };
    vec![frame::text_frame(&ServerMessage::Error(told).encode()), frame::close_frame(close.as_u16(), message)]
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of output among many")]
mod tests;
