//! The simulated world: clients, the network between, the node, and one clock.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::Input;
use cossistant_protocol::{MessageId, PersonId, UserType};
use cossistant_server::sim::{Agenda, Dice, FromClient, FromServer, MAX_DEFERRED, SimConfig, SimConnection, SimServer};
use cossistant_server::store::{Audience, EventBody};

use super::client::Client;
use super::rule::{Failure, Rule};
use super::trace::Trace;
use super::wire::Library;

/// When the simulated node's clock begins, in ms since 1970.
const EPOCH_MS: u64 = 1_800_000_000_000;
/// How many bytes a client with nothing wrong reads at a time.
const ALL: usize = usize::MAX;
/// For how long a reader that was slow may find old frames on its wire, in ms.
const BACKLOG_MS: u64 = 1_000;

/// What the network and the plan of faults do at some time.
#[derive(Debug)]
pub(super) enum Due {
    /// A client's frame arrives.
    Up(SimConnection, FromClient),
    /// The node learns that a connection is gone.
    Reset(SimConnection),
    /// A client's dialling ends well, if the node is up.
    Dialled(usize, u32),
    /// A node's frame arrives.
    Down(usize, u32, FromServer),
    /// A client learns that its socket is gone.
    Lost(usize, u32),
    /// A token source answers.
    Token(usize, u32),
    /// A person signs in anew.
    SignIn(usize),
    /// A slow reader reads on.
    Read(usize, u32),
    /// A slow reader is slow no more.
    SlowOver(usize, u32),
    /// A browser lets a client's timers run as they like.
    Unthrottle(usize),
    /// A crashed node starts.
    Start(usize),
    /// A drained node ends.
    Crash(usize),
    /// The store answers again.
    StoreWell,
    /// Jobs take their usual time again.
    PaceOver,
    /// Announcements arrive again.
    LossOver,
    /// Nodes hear each other again.
    BusWell,
}

/// What a restore brought back.
#[derive(Debug, Default)]
pub(super) struct Restore {
    /// The heads of each conversation: the team's and the visitor's.
    pub(super) heads: BTreeMap<String, (u64, u64)>,
    pub(super) website_head: u64,
    pub(super) messages: BTreeSet<MessageId>,
}

/// Everything that is simulated.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) dice: Dice,
    pub(super) server: SimServer,
    pub(super) clients: Vec<Client>,
    pub(super) trace: Trace,
    pub(super) library: Library,
    pub(super) max_outbox_bytes: usize,
    /// How many jobs of a connection may be under way: more where ephemeral messages wait for their rate, which are
    /// taken up by themselves.
    max_jobs: u16,
    pub(super) notice_delay_ms: u64,
    /// No new faults: dialling works, links are sound.
    pub(super) is_calm: bool,
    /// What was found to be wrong.
    pub(super) failures: Vec<Failure>,
    /// Every time that the store was restored, in order.
    pub(super) restores: Vec<Restore>,
    /// Whose access was asked to be ended, and when by the node's clock and by the world's.
    pub(super) revoked: BTreeMap<(UserType, PersonId), (u64, u64)>,
    agenda: Agenda<Due>,
    /// When each client wants to be woken, `u64::MAX` for never, and the earliest of these times: it is looked at far more
    /// often than it changes.
    wakes: Vec<u64>,
    next_wake: u64,
    /// Connections that were cut: what is under way does not arrive.
    pub(super) cut: BTreeSet<SimConnection>,
    /// But for these, whose frames still get to the node.
    pub(super) late_up: BTreeSet<SimConnection>,
}

impl World {
    pub(super) fn new(config: SimConfig, dice: Dice, is_traced: bool) -> Self {
        let (max_outbox_bytes, notice_delay_ms) = (config.max_outbox_bytes, config.notice_delay_ms);
        let max_jobs = config.max_jobs + if config.ephemeral_rate > 0.0 { MAX_DEFERRED } else { 0 };
        let mut server = SimServer::new(config, EPOCH_MS);
        if is_traced {
            server.keep_log();
        }
        Self {
            now: EPOCH_MS,
            dice,
            server,
            clients: Vec::new(),
            trace: Trace::new(is_traced),
            library: Library::default(),
            max_outbox_bytes,
            max_jobs,
            notice_delay_ms,
            is_calm: false,
            failures: Vec::new(),
            restores: Vec::new(),
            revoked: BTreeMap::new(),
            agenda: Agenda::default(),
            wakes: Vec::new(),
            next_wake: u64::MAX,
            cut: BTreeSet::new(),
            late_up: BTreeSet::new(),
        }
    }

    /// The time since the beginning, as traces tell it.
    pub(super) const fn elapsed(&self) -> u64 {
        self.now - EPOCH_MS
    }

    /// Rolls all dice anew.
    pub(super) fn reseed(&mut self, seed: u64) {
        self.dice = Dice::new(seed);
        self.server.reseed(self.dice.bits());
    }

    pub(super) fn put(&mut self, after: u64, due: Due) {
        self.put_at(self.now + after, due);
    }

    pub(super) fn put_at(&mut self, at: u64, due: Due) {
        self.agenda.put(at, due);
    }

    pub(super) fn fail(&mut self, rule: Rule, what: String) {
        let failure = Failure { rule, what };
        say!(self, "FAILED {failure}");
        self.failures.push(failure);
    }

    // ---- time ----

    /// Lets so many ms pass.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.failures.is_empty() {
            let at = self.next();
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.step();
        }
        self.now = self.now.max(end);
        self.server.advance(self.now);
        self.collect();
    }

    /// When something happens next; `u64::MAX` for never.
    fn next(&mut self) -> u64 {
        let agenda = self.agenda.next_at().unwrap_or(u64::MAX);
        let server = self.server.next_due().unwrap_or(u64::MAX);
        agenda.min(server).min(self.next_wake)
    }

    fn step(&mut self) {
        self.server.advance(self.now);
        self.collect();
        while let Some(due) = self.agenda.take_due(self.now) {
            self.happen(due);
            self.collect();
        }
        if self.next_wake <= self.now {
            for at in 0..self.wakes.len() {
                if self.wakes[at] <= self.now {
                    self.input(at, Input::Tick);
                }
            }
            self.collect();
        }
    }

    /// A client's engine, its clock or its throttle has changed.
    pub(super) fn note_wake(&mut self, at: usize) {
        if self.wakes.len() <= at {
            self.wakes.resize(at + 1, u64::MAX);
        }
        self.wakes[at] = self.clients[at].wake_at().unwrap_or(u64::MAX);
        self.next_wake = self.wakes.iter().copied().min().unwrap_or(u64::MAX);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Up(connection, what) => {
                if !self.cut.contains(&connection) || self.late_up.contains(&connection) {
                    self.server.deliver(connection, what);
                }
            }
            Due::Reset(connection) => self.server.lose(connection),
            Due::Dialled(at, generation) => self.dialled(at, generation),
            Due::Down(at, generation, what) => self.arrive(at, generation, what),
            Due::Lost(at, generation) => self.client_loses(at, generation),
            Due::Token(at, request) => self.give_token(at, request),
            Due::SignIn(at) => {
                self.clients[at].token = self.token(at, super::client::LONG);
                if self.clients[at].is_wanted {
                    self.input(at, Input::Connect);
                }
            }
            Due::Read(at, generation) => {
                let slow = self.link(at, generation).and_then(|link| Some((link.connection?, link.slow?)));
                if let Some((connection, bytes)) = slow {
                    self.read(at, connection, bytes);
                    let pause = self.dice.between(20, 300);
                    self.put(pause, Due::Read(at, generation));
                }
            }
            Due::SlowOver(at, generation) => {
                let now = self.now;
                let Some(link) = self.link(at, generation) else { return };
                link.slow = None;
                link.slow_until = now + BACKLOG_MS;
                if let (Some(connection), false) = (link.connection, link.is_mute_down) {
                    self.read(at, connection, ALL);
                }
            }
            Due::Unthrottle(at) => {
                self.clients[at].throttle = None;
                self.input(at, Input::Visible);
            }
            Due::Start(node) => {
                say!(self, "node {node} starts");
                self.server.start(node);
            }
            Due::Crash(node) => self.crash(node),
            Due::StoreWell => self.server.heal_store(),
            Due::PaceOver => self.server.set_pace(None),
            Due::LossOver => self.server.set_lost_percent(0),
            Due::BusWell => self.server.heal_bus(),
        }
    }

    // ---- the nodes ----

    /// Takes what the nodes have written, and notices when one has died.
    fn collect(&mut self) {
        if self.trace.is_kept() {
            for line in self.server.take_log() {
                say!(self, "    {line}");
            }
        }
        while let Some(node) = self.server.next_dead() {
            self.died(node);
        }
        while let Some(connection) = self.server.next_written() {
            let is_read = |client: &Client| {
                client.link.as_ref().is_some_and(|link| {
                    link.connection == Some(connection) && link.slow.is_none() && !link.is_mute_down
                })
            };
            if let Some(at) = self.clients.iter().position(is_read) {
                self.read(at, connection, ALL);
            }
        }
    }

    /// Kills a node now.
    pub(super) fn crash(&mut self, node: usize) {
        self.server.crash(node);
        self.collect();
    }

    /// Kills all nodes and puts the newest backup in the store's place.
    pub(super) fn restore(&mut self, conversations: &[String]) {
        self.server.restore();
        let mut restore = Restore { website_head: self.server.website_events().len() as u64, ..Restore::default() };
        for id in conversations {
            let key = super::history::conversation(id);
            let Some(conversation) = self.server.conversation(&key) else { continue };
            restore.heads.insert(id.clone(), (conversation.team_head, conversation.visitor_head));
            let events = self.server.events(&key, Audience::Team).into_iter();
            restore.messages.extend(events.filter_map(|event| match event.body {
                EventBody::Message(message) => Some(message.id),
                EventBody::Created { .. }
                | EventBody::Updated { .. }
                | EventBody::Status { .. }
                | EventBody::Assigned { .. } => None,
            }));
        }
        self.restores.push(restore);
        self.collect();
    }

    fn died(&mut self, node: usize) {
        say!(self, "node {node} dies");
        for at in 0..self.clients.len() {
            let Some(link) = self.clients[at].link.as_mut().filter(|link| link.node == node) else { continue };
            let Some(connection) = link.connection else { continue };
            self.cut.insert(connection);
            self.late_up.remove(&connection);
            if self.dice.chance(70) && !link.is_mute_down {
                let at_time = link.down_until.max(self.now + self.dice.below(100));
                link.down_until = at_time;
                let generation = link.generation;
                self.put_at(at_time, Due::Lost(at, generation));
            } else {
                // The machine is gone as well: nobody says a word.
                link.is_mute_down = true;
                link.is_mute_up = true;
            }
        }
        let down_for = self.dice.between(50, 3_000);
        self.put(down_for, Due::Start(node));
    }

    /// Whether a node has a connection that no client holds.
    pub(super) fn has_leftovers(&self) -> bool {
        let is_held = |connection| {
            let links = self.clients.iter().filter_map(|client| client.link.as_ref());
            links.filter_map(|link| link.connection).any(|held| held == connection)
        };
        self.server.connections().any(|connection| !is_held(connection))
    }

    /// Checks what must hold at any moment.
    pub(super) fn check_bounds(&mut self) {
        let fullest = self.server.fullest_outbox();
        if fullest > self.max_outbox_bytes {
            let what = format!("an outbox held {fullest} bytes of at most {}", self.max_outbox_bytes);
            self.fail(Rule::Bounds, what);
        }
        let most = self.server.most_jobs();
        if most > self.max_jobs {
            let what = format!("{most} jobs of one connection were under way, of at most {}", self.max_jobs);
            self.fail(Rule::Bounds, what);
        }
    }
}
