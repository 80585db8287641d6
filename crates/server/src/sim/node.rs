//! One life of a simulated node: its shards, what they wait for, and what waits for them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use cossistant_protocol::http::{ChangeConversation, Disconnect};
use cossistant_protocol::{KeyId, Limits, PersonId, Timestamp, UserType};

use super::beyond::Beyond;
use super::socket::{Flushed, Socket};
use super::store::{PacedStore, answer};
use super::{Agenda, FromClient, FromServer, Plant, SimConnection, SimRequest, SimServer};
use crate::auth::{Guard, HttpPrincipal, PrincipalFields, Secret};
use crate::bus::{Bus, NodeId, Notice, ShardId, Topic};
use crate::chat::{Chat, ChatError, Ids};
use crate::directory::SharedDirectory;
use crate::event::Event;
use crate::gateway::{Arrival, ConnectionConfig, Credential, Done, Jobs, MarksWanted, Output, Shard, ShardConfig};
use crate::hub::{ConnRef, HubConfig, LocalKey};
use crate::limits::{Buckets, Limiter, NewVisitors, Rate};
use crate::node::others::Looked;
use crate::store::{MemoryStore, SiteKey, Store, StoreError};

/// The longest that a shard takes to notice that it lost announcements.
const LOSS_NOTICED_MS: u64 = 1_000;

/// How often an answer to a connection that is gone, under a bug, looks for another one, in ms.
const DEAD_ANSWER_MS: u64 = 50;

/// Notices on their way to the shards, and whether they go beyond the node.
#[derive(Default)]
pub(super) struct SimBus {
    told: Mutex<Vec<(Notice, bool)>>,
    /// Whether there are any; asked far more often than there are.
    has_told: AtomicBool,
}

impl Bus for SimBus {
    fn publish(&self, notice: Notice) {
        self.put(notice, true);
    }

    fn tell_here(&self, notice: Notice) {
        self.put(notice, false);
    }
}

impl SimBus {
    fn put(&self, notice: Notice, goes_beyond: bool) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((notice, goes_beyond));
        self.has_told.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> Vec<(Notice, bool)> {
        if !self.has_told.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.has_told.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One shard of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) shard: usize,
}

/// What a task comes back with.
pub(super) enum Finished {
    Job(ConnRef, Done),
    Fill(u32, SiteKey, Option<(Vec<Arc<Event>>, bool)>),
    Told(SiteKey, Vec<PersonId>, bool),
    Marks(MarksWanted, Option<Vec<Notice>>),
    Revoked(UserType, PersonId, Timestamp),
    Looked(u64, Result<Box<Looked>, StoreError>),
    Nothing,
}

/// What happens next at a node.
#[derive(Debug, Clone, Copy)]
struct Next {
    at: u64,
    /// The shard whose timers are due then; else it is what is planned.
    timer_of: Option<usize>,
}

pub(super) struct Task {
    pub(super) shard: usize,
    pub(super) future: Pin<Box<dyn Future<Output = Finished>>>,
}

/// What happens at a node at some time; where a shard is named, at that one.
pub(super) enum Due {
    Poll(Task),
    Notice(usize, Notice),
    LostNotices(usize),
    Flush(usize),
    Look(SimConnection),
    DeadTimer(usize, LocalKey),
    Heads(usize, Vec<(SiteKey, u64)>),
    Abandon(usize),
    Retell(usize),
    /// Another node has said something, of a topic or to all.
    Heard(Option<Topic>, Vec<u8>),
    /// The bus between nodes came or went, if nothing has changed since.
    Weather(u64, bool),
    /// What was told here gets as far as the bus between nodes.
    Outgoing,
    Tick,
    LookAround(u64),
    /// The look of this number has taken too long.
    LookOver(u64),
}

/// The running parts.
pub(super) struct SimNode {
    pub(super) store: Arc<PacedStore>,
    shards: Vec<Shard>,
    /// When each shard's next timer is due by its own clock; `None` if that is to be asked again.
    deadlines: Vec<Option<Option<u64>>>,
    is_flush_due: Vec<bool>,
    jobs: Arc<Jobs>,
    chat: Arc<Chat>,
    pub(super) directory: Arc<SharedDirectory>,
    bus: Arc<SimBus>,
    agenda: Agenda<Due>,
    /// What happens next, as long as nothing has changed since that was asked.
    next: Option<Option<Next>>,
    /// By the shard that tells and the one that is told: until when what was told is under way, since a queue keeps its
    /// order. The last ones are those of what comes from beyond the node.
    pub(super) lanes: Vec<Vec<u64>>,
    /// None where there are no other nodes.
    pub(super) beyond: Option<Beyond>,
}

impl SimNode {
    pub(super) fn start(server: &SimServer) -> Self {
        let (config, memory): (_, &MemoryStore) = (&server.config, &server.store);
        // Of all lives, so that none is taken for the one before.
        let id = if config.nodes > 1 { NodeId(u32::try_from(server.lives).unwrap_or(u32::MAX)) } else { NodeId(0) };
        let directory = Arc::new(SharedDirectory::new());
        answer(directory.reload(memory)).expect("the store in memory answers");
        let bus = Arc::new(SimBus::default());
        let store = Arc::new(PacedStore::new(Arc::clone(&server.store), Arc::clone(&bus), config.plant));
        store.set_trouble(server.faults.trouble);
        let as_bus = || Arc::clone(&bus) as Arc<dyn Bus>;
        let ids = || {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&config.seed.to_le_bytes());
            seed[8..16].copy_from_slice(&server.lives.to_le_bytes());
            Ids::new(seed)
        };
        let as_store = Arc::clone(&store) as Arc<dyn Store>;
        let epoch = server.epoch.clone();
        let chat =
            Chat::new(as_store, as_bus(), Arc::clone(&directory), ids(), Limiter::off(), config.replay_limit, &epoch);
        let chat = Arc::new(chat);
        let unlimited = NewVisitors { of_address: Buckets::new(Rate::OFF), of_website: Buckets::new(Rate::OFF) };
        let jobs = Jobs::new(
            Arc::clone(&chat),
            Arc::clone(&server.auth),
            Arc::clone(&directory),
            as_bus(),
            Arc::new(unlimited),
            Arc::new(Guard::new(Rate::OFF)),
        );
        let shard_ids = Arc::new(ids());
        let is_bounded = |but: Plant| config.plant != Some(but);
        let max_outbox_bytes = if is_bounded(Plant::UnboundedOutbox) { config.max_outbox_bytes } else { usize::MAX };
        let max_jobs = if is_bounded(Plant::UnboundedJobs) { config.max_jobs } else { u16::MAX };
        let shard = |at: usize| {
            let shard_config = ShardConfig {
                hub: HubConfig {
                    shard: ShardId { node: id, at: u16::try_from(at).unwrap_or(u16::MAX) },
                    shards: u16::try_from(config.shards).unwrap_or(u16::MAX),
                    max_outbox_bytes,
                    max_subscriptions: 1_000,
                    presence_grace_ms: config.presence_grace_ms,
                    epoch: Arc::from(epoch.as_str()),
                },
                connection: Arc::new(ConnectionConfig {
                    heartbeat_ms: config.heartbeat_ms,
                    auth_timeout_ms: 5_000,
                    typing_expiry_ms: 6_000,
                    frames: Rate::OFF,
                    ephemeral: Rate { per_second: config.ephemeral_rate, burst: config.ephemeral_rate * 4.0 },
                    max_jobs,
                    limits: Limits {
                        max_message_bytes: 65_536,
                        max_text_length: 16_000,
                        max_subscriptions: Some(1_000),
                        typing_interval: None,
                        typing_expiry: 6_000,
                    },
                }),
            };
            Shard::new(shard_config, directory.current(), Arc::clone(&shard_ids), server.clock())
        };
        Self {
            store,
            shards: (0..config.shards).map(shard).collect(),
            deadlines: vec![None; config.shards],
            is_flush_due: vec![false; config.shards],
            jobs: Arc::new(jobs),
            chat,
            directory: Arc::clone(&directory),
            bus,
            agenda: Agenda::default(),
            next: None,
            lanes: vec![vec![0; config.shards]; config.shards + 1],
            beyond: (config.nodes > 1).then(|| Beyond::new(id, server.now)),
        }
    }

    pub(super) fn forget_deadlines(&mut self) {
        self.next = None;
        self.deadlines.fill(None);
    }

    pub(super) fn put(&mut self, at: u64, due: Due) {
        // What is put in comes behind what is there of the same time.
        if let Some(next) = &mut self.next
            && next.is_none_or(|next| at < next.at)
        {
            *next = Some(Next { at, timer_of: None });
        }
        self.agenda.put(at, due);
    }

    /// What happens next: of those of one time, the timers of a shard are before what is planned.
    #[inline]
    fn next(&mut self, clock_offset: i64, now: u64) -> Option<Next> {
        match self.next {
            Some(next) => next,
            None => self.find_next(clock_offset, now),
        }
    }

    #[inline(never)]
    fn find_next(&mut self, clock_offset: i64, now: u64) -> Option<Next> {
        let mut next = self.agenda.next_at().map(|at| Next { at, timer_of: None });
        for shard in (0..self.shards.len()).rev() {
            if let Some(deadline) = self.deadline(shard) {
                let at = deadline.saturating_add_signed(-clock_offset).max(now);
                if next.is_none_or(|next| at <= next.at) {
                    next = Some(Next { at, timer_of: Some(shard) });
                }
            }
        }
        self.next = Some(next);
        next
    }

    /// When a shard's next timer is due, by its own clock.
    fn deadline(&mut self, shard: usize) -> Option<u64> {
        let core = &mut self.shards[shard];
        *self.deadlines[shard].get_or_insert_with(|| core.watch_timers())
    }
}

impl SimServer {
    // ---- the network's side ----

    /// Takes a new connection with a token on one of the shards of a node that is up; `None` if none is. The connection,
    /// and which node has it.
    pub fn open(&mut self, token: &str) -> Option<(SimConnection, usize)> {
        let node = self.any_up();
        let place = Place { node: node.unwrap_or_default(), shard: self.any_shard() };
        let arrival = Arrival {
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            origin: None,
            deflate: false,
            credential: Some(Credential::Bearer(Secret::new(token))),
            agent_id: None,
            page: None,
        };
        node?;
        let at = self.apply(place, |shard, now| shard.open(arrival, now))?;
        let id = SimConnection(self.next_connection);
        self.next_connection += 1;
        self.sockets.insert(id, Socket::new(id, place, at, self.config.socket_bytes));
        self.look(id);
        Some((id, place.node))
    }

    /// One of the nodes that are up.
    pub fn any_up(&mut self) -> Option<usize> {
        if self.nodes.len() == 1 {
            return self.nodes[0].is_some().then_some(0);
        }
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_some()).collect();
        self.dice.pick(&up).copied()
    }

    fn any_shard(&mut self) -> usize {
        usize::try_from(self.dice.below(self.config.shards as u64)).unwrap_or_default()
    }

    /// Whether the node still has this connection.
    #[must_use]
    pub fn has(&self, connection: SimConnection) -> bool {
        self.sockets.contains_key(&connection)
    }

    /// The connections that the nodes have and have not let go of.
    pub fn connections(&self) -> impl Iterator<Item = SimConnection> {
        self.sockets.iter().filter(|(_, socket)| !socket.is_gone).map(|(id, _)| *id)
    }

    /// Brings what a client sent; the node reads it when it wants to.
    pub fn deliver(&mut self, connection: SimConnection, what: FromClient) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.inbound.push_back(what);
            self.read(connection);
        }
    }

    /// The connection was reset.
    pub fn lose(&mut self, connection: SimConnection) {
        let Some(socket) = self.sockets.remove(&connection) else { return };
        if self.config.plant == Some(Plant::DeadTimer)
            && let Some(node) = &mut self.nodes[socket.place.node]
            && let Some(key) = node.shards[socket.place.shard].hub().person_here(socket.at.index)
        {
            node.put(self.now + self.config.presence_grace_ms, Due::DeadTimer(socket.place.shard, key));
        }
        self.is_losing = true;
        self.apply(socket.place, |shard, now| {
            if shard.is_current(socket.at) {
                shard.handle_lost(socket.at.index, now);
            }
        });
        self.is_losing = false;
    }

    /// Takes up to so many bytes of what was written to a client; the frames that they complete.
    pub fn take(&mut self, connection: SimConnection, max_bytes: usize) -> Vec<FromServer> {
        let Some(socket) = self.sockets.get_mut(&connection) else { return Vec::new() };
        socket.is_announced = false;
        let frames = socket.take(max_bytes);
        if socket.is_blocked && socket.on_wire() < socket.capacity {
            socket.is_blocked = false;
            self.flush(connection);
        }
        if frames.last() == Some(&FromServer::Gone) {
            self.sockets.remove(&connection);
        }
        frames
    }

    /// A connection to which something was written since it was taken from last; each once.
    pub fn next_written(&mut self) -> Option<SimConnection> {
        self.written.pop_front()
    }

    /// Does something over HTTP; what comes of it is told to the subscribers.
    pub fn request(&mut self, token: &str, request: SimRequest) {
        let now = self.clock();
        let Some(at) = self.any_up() else { return };
        let Some(node) = &self.nodes[at] else { return };
        let (chat, auth, directory) = (Arc::clone(&node.chat), Arc::clone(&self.auth), node.directory.current());
        let token = token.to_owned();
        let future: Pin<Box<dyn Future<Output = Finished>>> = Box::pin(async move {
            if let SimRequest::Revoke { kind, person } = request {
                let is_done = revoke(&chat, kind, person.clone(), now).await.is_ok();
                return if is_done { Finished::Revoked(kind, person, now) } else { Finished::Nothing };
            }
            // Whoever asked may be refused like anybody else; the judge looks at what is stored.
            if let Ok(principal) = auth.authenticate_bearer(&token, None, &directory, now).await {
                let _answer = run(&chat, &principal, request, now).await;
            }
            Finished::Nothing
        });
        let shard = self.any_shard();
        self.spawn(Place { node: at, shard }, future);
    }

    // ---- time ----

    /// When something happens next, in ms of the simulator's clock.
    pub fn next_due(&mut self) -> Option<u64> {
        self.next().map(|(_, next)| next.at)
    }

    /// What happens next, and at which node; of those of one time, that of the first node.
    fn next(&mut self) -> Option<(usize, Next)> {
        let (offset, now) = (self.clock_offset, self.now);
        let mut first: Option<(usize, Next)> = None;
        for (at, node) in self.nodes.iter_mut().enumerate() {
            if let Some(next) = node.as_mut().and_then(|node| node.next(offset, now))
                && first.is_none_or(|(_, first)| next.at < first.at)
            {
                first = Some((at, next));
            }
        }
        first
    }

    /// Lets time pass and everything happen that is due by then.
    pub fn advance(&mut self, now: u64) {
        while let Some((node, next)) = self.next().filter(|(_, next)| next.at <= now) {
            self.now = self.now.max(next.at);
            self.step(node, next.timer_of);
        }
        self.now = self.now.max(now);
    }

    /// Does the next thing at a node: lets the timers of a shard fire, or takes up what is planned.
    fn step(&mut self, at: usize, timer_of: Option<usize>) {
        let now = self.now;
        let Some(node) = &mut self.nodes[at] else { return };
        node.next = None;
        let place = |shard| Place { node: at, shard };
        if let Some(shard) = timer_of {
            node.deadlines[shard] = None;
            self.apply(place(shard), Shard::handle_timers);
            return;
        }
        let Some(due) = node.agenda.take_due(now) else { return };
        match due {
            Due::Poll(task) => self.poll(at, task),
            Due::Notice(shard, notice) => {
                if let Some(log) = &mut self.log {
                    log.push(format!("{} hears {}", named(self.config.nodes, place(shard)), in_short(&notice)));
                }
                let mut again = Vec::new();
                if let Notice::Events(events) = &notice
                    && self.config.plant == Some(Plant::DoubleDelivery)
                {
                    again.clone_from(events);
                }
                self.apply(place(shard), |shard, now| {
                    shard.handle_notice(notice, now);
                    again.iter().for_each(|event| shard.hub_mut().deliver_twice(event));
                });
            }
            Due::DeadTimer(shard, key) => {
                self.apply(place(shard), |shard, _| shard.hub_mut().leave_anyway(&key));
            }
            Due::LostNotices(shard) => {
                self.apply(place(shard), Shard::handle_lost_notices);
            }
            Due::Flush(shard) => self.flush_shard(place(shard)),
            Due::Look(id) => {
                self.look(id);
                self.read(id);
            }
            Due::Heads(shard, heads) => {
                self.apply(place(shard), |shard, now| shard.handle_heads(&heads, now));
            }
            Due::Abandon(shard) => {
                self.apply(place(shard), |shard, now| shard.abandon("the store cannot be read", now));
            }
            Due::Retell(shard) => {
                self.apply(place(shard), |shard, _| shard.hub_mut().retell());
            }
            Due::Heard(topic, bytes) => self.hear(at, topic.as_ref(), &bytes),
            Due::Weather(change, is_up) => self.weather(at, change, is_up),
            Due::Outgoing => self.take_outgoing(at, now),
            Due::Tick => self.tick(at),
            Due::LookAround(plan) => self.look_around(at, plan),
            Due::LookOver(number) => self.looked(at, number, Err(StoreError::Unavailable("too slow".to_owned()))),
        }
    }

    // ---- what the driver does ----

    /// Applies something to a shard and does what comes of it.
    pub(super) fn apply<T>(&mut self, place: Place, action: impl FnOnce(&mut Shard, Timestamp) -> T) -> Option<T> {
        let clock = self.clock();
        let shard = place.shard;
        let node = self.nodes[place.node].as_mut()?;
        let core = &mut node.shards[shard];
        let result = action(core, clock);
        let outputs = core.take_outputs();
        if core.has_sooner_timer() {
            node.next = None;
            node.deadlines[shard] = None;
        }
        for output in outputs {
            self.perform(place, output);
        }
        self.send_notices(place);
        let due = self.now + self.dice.below(3);
        let node = self.nodes[place.node].as_mut()?;
        if node.shards[shard].hub().has_dirty() && !std::mem::replace(&mut node.is_flush_due[shard], true) {
            node.put(due, Due::Flush(shard));
        }
        Some(result)
    }

    fn perform(&mut self, place: Place, output: Output) {
        let clock = self.clock();
        let Some(node) = &self.nodes[place.node] else { return };
        let jobs = Arc::clone(&node.jobs);
        match output {
            Output::Job(at, job) => {
                self.spawn(place, Box::pin(async move { Finished::Job(at, jobs.run(job, None, clock).await) }));
            }
            Output::Fill { site, key, after } => {
                if self.config.plant == Some(Plant::NoFill) {
                    return;
                }
                self.spawn(
                    place,
                    Box::pin(async move {
                        let filled = jobs.fill(&key, after).await;
                        Finished::Fill(site, key, filled)
                    }),
                );
            }
            Output::TellPresence { site, visitors } => {
                let mut how = node.shards[place.shard].how_are(&site, &visitors);
                if self.config.plant == Some(Plant::Ghosts) {
                    how.retain(|(_, (is_online, _))| *is_online);
                }
                if how.is_empty() {
                    return self.spawn(place, Box::pin(async move { Finished::Told(site, visitors, true) }));
                }
                self.spawn(
                    place,
                    Box::pin(async move {
                        let was_told = jobs.tell_presence(&site, how, clock).await;
                        Finished::Told(site, visitors, was_told)
                    }),
                );
            }
            Output::ReadMarks(wanted) => {
                let read = async move {
                    let marks = jobs.marks(&wanted).await;
                    Finished::Marks(wanted, marks)
                };
                self.spawn(place, Box::pin(read));
            }
            Output::Publish(Notice::TypingStopped { .. } | Notice::Viewing { is_viewing: false, .. })
                if self.is_losing && self.config.plant == Some(Plant::UndeadDoings) => {}
            Output::Publish(notice) => node.bus.publish(notice),
            Output::TellHere(notice) => node.bus.tell_here(notice),
            Output::Follow(topic, is_followed) => self.follow(place.node, topic, is_followed),
            Output::Refuse(at, frames) => {
                if let Some(socket) = find(&mut self.sockets, place, at) {
                    frames.iter().for_each(|frame| socket.write(frame));
                    socket.announce(&mut self.written);
                }
                self.wake(place, at);
            }
            Output::Pong(at, frame) => {
                if let Some(socket) = find(&mut self.sockets, place, at) {
                    socket.write(&frame);
                    socket.announce(&mut self.written);
                }
            }
            Output::Drop(at) => {
                if let Some(socket) = find(&mut self.sockets, place, at) {
                    socket.is_gone = true;
                    socket.forget_wire();
                    socket.announce(&mut self.written);
                }
            }
            Output::Wake(at) => self.wake(place, at),
        }
    }

    fn spawn(&mut self, place: Place, future: Pin<Box<dyn Future<Output = Finished>>>) {
        let at = self.now + self.dice.below(2);
        if let Some(node) = &mut self.nodes[place.node] {
            node.put(at, Due::Poll(Task { shard: place.shard, future }));
        }
    }

    fn poll(&mut self, node: usize, mut task: Task) {
        let place = Place { node, shard: task.shard };
        let polled = task.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if self.nodes[node].as_ref().is_none_or(|node| node.store.has_died()) {
            return self.crash(node);
        }
        // What it published before it had to wait is under way already.
        self.send_notices(place);
        match polled {
            Poll::Pending => {
                let pace = self.faults.pace_ms.unwrap_or(self.config.pace_ms);
                let at = self.now + self.dice.delay(pace);
                if let Some(node) = &mut self.nodes[node] {
                    node.put(at, Due::Poll(task));
                }
            }
            Poll::Ready(Finished::Job(at, done)) if self.waits_for_another(place, at) => {
                let (shard, later) = (task.shard, self.now + DEAD_ANSWER_MS);
                let future = Box::pin(async move { Finished::Job(at, done) });
                if let Some(node) = &mut self.nodes[node] {
                    node.put(later, Due::Poll(Task { shard, future }));
                }
            }
            Poll::Ready(Finished::Job(at, done)) => {
                let (at, done) = self.spoil(place, at, done);
                self.apply(place, |shard, now| shard.handle_done(at, done, now));
            }
            Poll::Ready(Finished::Fill(site, key, filled)) => {
                self.apply(place, |shard, now| shard.handle_fill(site, &key, filled, now));
            }
            Poll::Ready(Finished::Told(site, visitors, was_told)) => {
                self.apply(place, |shard, now| shard.handle_told_presence(&site, visitors, was_told, now));
            }
            Poll::Ready(Finished::Marks(wanted, marks)) => {
                self.apply(place, |shard, now| shard.handle_marks(wanted, marks, now));
            }
            Poll::Ready(Finished::Revoked(kind, person, at)) => {
                self.revoked.insert((kind, person), at);
            }
            Poll::Ready(Finished::Looked(number, looked)) => self.looked(node, number, looked),
            Poll::Ready(Finished::Nothing) => {}
        }
    }

    /// Whether an answer, under a bug, stays until somebody has the place of the connection that it was meant for.
    fn waits_for_another(&self, place: Place, at: ConnRef) -> bool {
        let core = self.nodes[place.node].as_ref().map(|node| &node.shards[place.shard]);
        self.config.plant == Some(Plant::DeadAnswer) && core.is_some_and(|core| core.connection(at.index).is_none())
    }

    /// The planted bugs of a job's way back to its connection.
    fn spoil(&self, place: Place, mut at: ConnRef, mut done: Done) -> (ConnRef, Done) {
        match (self.config.plant, &mut done) {
            (Some(Plant::DeadAnswer), _) => {
                let here = self.nodes[place.node].as_ref();
                let here = here.and_then(|node| node.shards[place.shard].connection(at.index));
                at.serial = here.map_or(at.serial, |connection| connection.serial);
            }
            (Some(Plant::ExpiredReceives), Done::LoggedIn(Ok(logged_in))) => {
                let fields = PrincipalFields { expires_at: None, ..(*logged_in.principal).clone() };
                logged_in.principal = fields.into();
            }
            (_, _) => {}
        }
        (at, done)
    }

    /// Sends what a shard has published to every shard of its node, each at its own time, in order between any two of
    /// them, and on to other nodes.
    fn send_notices(&mut self, from: Place) {
        let Some(node) = &self.nodes[from.node] else { return };
        let plant = self.config.plant;
        for (notice, goes_beyond) in node.bus.take() {
            let is_revocation = matches!(notice, Notice::Disconnect { .. } | Notice::Directory(_));
            if is_revocation && plant == Some(Plant::RevokedReceives) {
                continue;
            }
            if goes_beyond {
                self.send_beyond(from.node, &notice);
            }
            let Some(node) = &mut self.nodes[from.node] else { return };
            if let Notice::Presence { who, person, websites, shard, is_here: false } = &notice
                && plant == Some(Plant::PresenceDrift)
            {
                let others = (0..self.config.shards).filter_map(|at| u16::try_from(at).ok());
                let others = others.map(|at| ShardId { node: shard.node, at });
                for shard in others.filter(|other| other != shard) {
                    let (who, person, websites) = (who.clone(), Arc::clone(person), websites.clone());
                    let drift = Notice::Presence { who, person, websites, shard, is_here: false };
                    (0..self.config.shards).for_each(|to| node.put(self.now, Due::Notice(to, drift.clone())));
                }
            }
            let is_durable = matches!(notice, Notice::Events(_));
            let is_stop = matches!(notice, Notice::TypingStopped { .. });
            let deaf = (is_durable && self.dice.chance(self.faults.lost_percent))
                .then(|| self.dice.below(self.config.shards as u64));
            for to in 0..node.shards.len() {
                let at = self.now + self.dice.delay(self.config.notice_delay_ms);
                if deaf == Some(to as u64) {
                    let noticed = self.now + self.dice.below(LOSS_NOTICED_MS);
                    node.put(noticed, Due::LostNotices(to));
                    continue;
                }
                if is_stop && to != from.shard && plant == Some(Plant::StuckTyping) {
                    continue;
                }
                let lane = &mut node.lanes[from.shard][to];
                let at = at.max(*lane);
                *lane = at;
                node.put(at, Due::Notice(to, notice.clone()));
            }
        }
    }

    // ---- sockets ----

    /// Wakes a connection's task, which then runs in its turn.
    fn wake(&mut self, place: Place, at: ConnRef) {
        let found = self.sockets.iter().find(|(_, socket)| socket.place == place && socket.at == at);
        if let Some((id, _)) = found {
            let (id, now) = (*id, self.now);
            if let Some(node) = &mut self.nodes[place.node] {
                node.put(now, Due::Look(id));
            }
        }
    }

    /// Looks whether the node wants to read from a connection.
    fn look(&mut self, id: SimConnection) {
        if let Some(socket) = self.sockets.get_mut(&id)
            && let Some(node) = &self.nodes[socket.place.node]
        {
            let core = &node.shards[socket.place.shard];
            socket.is_reading = core.is_current(socket.at) && core.is_reading(socket.at.index);
        }
    }

    fn read(&mut self, id: SimConnection) {
        while let Some(socket) = self.sockets.get_mut(&id) {
            if socket.is_gone || !socket.is_reading {
                return;
            }
            let Some(what) = socket.inbound.pop_front() else { return };
            let (place, index) = (socket.place, socket.at.index);
            match what {
                FromClient::Text(text) => {
                    let jobs = self.apply(place, |core, now| {
                        core.handle_text(index, &text, now);
                        core.connection(index).map(|connection| connection.in_flight)
                    });
                    self.most_jobs = self.most_jobs.max(jobs.flatten().unwrap_or_default());
                }
                FromClient::Pong => {
                    self.apply(place, |core, now| core.handle_pong(index, now));
                }
                FromClient::Close(code) => {
                    self.flush(id);
                    let reply = self.apply(place, |core, now| core.handle_close(index, code, now));
                    if let Some(socket) = self.sockets.get_mut(&id) {
                        socket.write(reply.as_deref().unwrap_or_default());
                        socket.is_gone = true;
                        socket.announce(&mut self.written);
                    }
                    return;
                }
            }
            self.look(id);
        }
    }

    fn flush_shard(&mut self, place: Place) {
        let Some(node) = &mut self.nodes[place.node] else { return };
        node.is_flush_due[place.shard] = false;
        for index in node.shards[place.shard].hub_mut().take_dirty() {
            let found = self
                .sockets
                .iter()
                .find(|(_, socket)| socket.place == place && socket.at.index == index && !socket.is_gone);
            if let Some((id, _)) = found {
                let id = *id;
                self.flush(id);
            }
        }
    }

    fn flush(&mut self, id: SimConnection) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let (place, at) = (socket.place, socket.at);
        let Some(node) = &mut self.nodes[place.node] else { return };
        if let Some(conn) = node.shards[place.shard].hub().conn(at.index) {
            self.fullest_outbox = self.fullest_outbox.max(conn.outbox.counted());
        }
        let flushed = socket.flush(&mut node.shards[place.shard]);
        if socket.on_wire() > 0 {
            socket.announce(&mut self.written);
        }
        match flushed {
            Flushed::Nothing => {}
            Flushed::Blocked => self.wake(place, at),
            Flushed::Drained => {
                self.apply(place, |core, _| core.hub_mut().go_on(at.index));
            }
        }
    }
}

fn find(sockets: &mut BTreeMap<SimConnection, Socket>, place: Place, at: ConnRef) -> Option<&mut Socket> {
    sockets.values_mut().find(|socket| socket.place == place && socket.at == at)
}

/// A shard, as a trace names it.
fn named(nodes: usize, Place { node, shard }: Place) -> String {
    if nodes == 1 { format!("shard {shard}") } else { format!("shard {shard} of node {node}") }
}

/// A notice, as a trace tells it.
fn in_short(notice: &Notice) -> String {
    match notice {
        Notice::Events(events) => {
            let offsets: Vec<u64> = events.iter().map(|event| event.offset).collect();
            format!("events {offsets:?}")
        }
        Notice::TypingStarted { conversation, person, source, .. } => {
            format!("typing of {:?} in {conversation} by {source:?}", person.key)
        }
        Notice::TypingStopped { conversation, person, source, .. } => {
            format!("no typing of {:?} in {conversation} by {source:?}", person.key)
        }
        Notice::Progress { conversation, person, .. } => format!("progress of {:?} in {conversation}", person.key),
        Notice::Viewing { conversation, person, source, is_viewing, .. } => {
            format!("viewing {is_viewing} of {:?} in {conversation} by {source:?}", person.key)
        }
        Notice::Activity { conversation, person, phase, stamp, .. } => {
            format!("activity {phase} of {:?} in {conversation} by {stamp:?}", person.key)
        }
        Notice::Seen { conversation, person, team, .. } => format!("{person:?} in {conversation}: {}", team.json()),
        Notice::Presence { person, shard, is_here, .. } => format!("here {is_here} of {:?} on {shard:?}", person.key),
        Notice::VisitorPresence { visitor, is_online, conversations, .. } => {
            format!("online {is_online} of {visitor} with {conversations:?}")
        }
        Notice::OpenConversations { visitor, .. } => format!("open conversations of {visitor} changed"),
        Notice::Doubt { for_ms, .. } => format!("doubt for {for_ms}"),
        Notice::Identified { visitor, previous, .. } => format!("{previous:?} is {visitor}"),
        Notice::Directory(directory) => format!("directory {}", directory.generation()),
        Notice::Disconnect { who, is_revoked } => format!("disconnect {who:?} {is_revoked}"),
    }
}

async fn run(chat: &Chat, actor: &HttpPrincipal, request: SimRequest, now: Timestamp) -> Result<(), ChatError> {
    match request {
        SimRequest::Change { conversation, status, assignee } => {
            let change = ChangeConversation { status, assigned_team_member_id: assignee, if_assigned_to: None };
            chat.change_conversation(actor, conversation, change, now).await.map(|_| ())
        }
        SimRequest::Edit { conversation, message, content } => match actor {
            HttpPrincipal::Person(person) => {
                chat.edit_message(person, conversation, message, content, now).await.map(|_| ())
            }
            HttpPrincipal::Admin | HttpPrincipal::Secret { .. } => Ok(()),
        },
        SimRequest::Delete { conversation, message } => match actor {
            HttpPrincipal::Person(person) => chat.delete_message(person, conversation, message, now).await,
            HttpPrincipal::Admin | HttpPrincipal::Secret { .. } => Ok(()),
        },
        SimRequest::Revoke { kind, person } => revoke(chat, kind, person, now).await,
    }
}

async fn revoke(chat: &Chat, kind: UserType, person: PersonId, now: Timestamp) -> Result<(), ChatError> {
    let key = KeyId::new("key_demo_secret").expect("the demo's ids are ids");
    let actor = HttpPrincipal::Secret { organization: super::site(super::Tenant::Ours).organization, key, agent: None };
    let mut disconnect = Disconnect { revoke: Some(true), ..Disconnect::default() };
    match kind {
        UserType::Visitor => disconnect.visitor_id = Some(person),
        UserType::User => disconnect.user_id = Some(person),
        UserType::AiAgent => disconnect.agent_id = Some(person),
    }
    chat.disconnect(&actor, disconnect, now).await
}
