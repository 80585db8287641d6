//! A node for a simulator, or several on one store: the real shards, hub, chat rules and jobs, without sockets, threads or a clock.
//!
//! Time, the network and the store's pace are the simulator's. It hands in what clients say ([`SimServer::deliver`]),
//! takes out what was written to them ([`SimServer::take`]), and lets time pass ([`SimServer::advance`]); everything
//! that is left open by the product's contract (how long a job or a notice takes, which shard hears first, when
//! a flusher runs) is decided by the seed. Equal seeds and calls give equal answers.
//!
//! What the driver and the node do in production, this module does in their place; it is to be kept like them.

mod agenda;
mod beyond;
mod dice;
mod node;
mod plant;
mod socket;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cossistant_protocol::{
    Channel, ConversationId, ConversationStatus, MessageContent, MessageId, OrganizationId, PersonId, Timestamp,
    UserType, WebsiteId,
};

pub use agenda::Agenda;
use beyond::Ghost;
pub use dice::Dice;
use node::{Place, SimNode};
pub use plant::Plant;
use socket::Socket;
pub use socket::{FromClient, FromServer};
use store::{Doom, Trouble, answer};

use crate::auth::{AuthSettings, Authenticator, OwnSecrets, Secret, TokenRequest};
use crate::config::demo_rows;
use crate::store::{
    Audience, Conversation, MemoryStore, OrganizationRow, SiteKey, Store as _, StoredEvent, WebsiteRow, Websites,
};

/// How many ephemeral messages of a connection wait for their rate.
pub const MAX_DEFERRED: u16 = crate::gateway::MAX_DEFERRED;

/// What a simulated node is like. Times are in ms.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Decides whatever the contract leaves open.
    pub seed: u64,
    /// How many nodes, on one store.
    pub nodes: usize,
    /// How many shards each node has.
    pub shards: usize,
    /// The bound of each outbox.
    pub max_outbox_bytes: usize,
    /// The most events that a subscription replays.
    pub replay_limit: u64,
    /// How often the server pings.
    pub heartbeat_ms: u64,
    /// How long a lost person counts as here.
    pub presence_grace_ms: u64,
    /// Ephemeral messages of a connection a second; 0 is no limit.
    pub ephemeral_rate: f64,
    /// The most jobs of a connection that are under way before no more is read from it.
    pub max_jobs: u16,
    /// How many bytes a socket takes before it blocks.
    pub socket_bytes: usize,
    /// The longest that a notice is under way between shards.
    pub notice_delay_ms: u64,
    /// The longest that each step of a job takes.
    pub pace_ms: u64,
    /// A bug to be found.
    pub plant: Option<Plant>,
}

/// One connection of the simulated node, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimConnection(pub u64);

/// What a team member does over HTTP.
#[derive(Debug, Clone)]
pub enum SimRequest {
    /// Change status or assignee.
    Change {
        /// Where.
        conversation: ConversationId,
        /// The new status.
        status: Option<ConversationStatus>,
        /// The new assignee; `Some(None)` for nobody.
        assignee: Option<Option<PersonId>>,
    },
    /// Replace the content of a message.
    Edit {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// The new content.
        content: MessageContent,
    },
    /// Delete what a message says.
    Delete {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
    },
    /// End a person's connections for good; asked by the organization's secret key.
    Revoke {
        /// What kind of person.
        kind: UserType,
        /// Whom.
        person: PersonId,
    },
}

/// Whose somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenant {
    /// The demo's organization, where everything happens.
    Ours,
    /// Another one, whose people must never learn of it.
    Other,
}

/// Where a simulated visitor's, user's or agent's token is for: the demo organization's website.
pub const WEBSITE: &str = crate::config::DEMO_WEBSITE;
/// The website of the other organization.
pub const OTHER_WEBSITE: &str = "website-other";
const OTHER_ORGANIZATION: &str = "org-other";
/// The secret behind the node's tokens; the same after each restart.
const OWN_SECRET: &str = "a secret that only simulated nodes have";

/// Nodes with their store. A node may crash and start again; the store stays.
pub struct SimServer {
    config: SimConfig,
    store: Arc<MemoryStore>,
    auth: Arc<Authenticator>,
    /// None while it is down.
    nodes: Vec<Option<SimNode>>,
    ghosts: Vec<Ghost>,
    sockets: BTreeMap<SimConnection, Socket>,
    /// Connections to which something was written.
    written: VecDeque<SimConnection>,
    /// Nodes that have died, and of which the simulator was not told yet.
    dead: BTreeSet<usize>,
    next_connection: u64,
    lives: u64,
    dice: Dice,
    now: u64,
    /// What the node's clock is ahead of the simulator's, in ms.
    clock_offset: i64,
    epoch: String,
    faults: Faults,
    /// What a restore brings back.
    backup: MemoryStore,
    fullest_outbox: usize,
    most_jobs: u16,
    /// A connection is just being lost.
    is_losing: bool,
    /// When a person's access was ended, by the node's clock, once that was answered.
    revoked: BTreeMap<(UserType, PersonId), Timestamp>,
    backup_revoked: BTreeMap<(UserType, PersonId), Timestamp>,
    log: Option<Vec<String>>,
}

/// Faults that outlast the node's present life.
#[derive(Debug, Default, Clone)]
struct Faults {
    trouble: Trouble,
    /// Slows every step of a job down.
    pace_ms: Option<u64>,
    /// How many of a hundred announcements of durable events are lost on the way to some shard.
    lost_percent: u64,
    /// By node: whether it does not reach the bus between nodes.
    cut: Vec<bool>,
    /// How many of a hundred messages between nodes are lost, doubled or overtaken.
    rough_percent: u64,
    /// How many of a hundred notices do not get as far as the bus between nodes.
    unsaid_percent: u64,
}

impl SimServer {
    /// All nodes are up, with an empty store and the demo's set-up, at a time in ms since 1970.
    #[must_use]
    pub fn new(config: SimConfig, now: u64) -> Self {
        let epoch = format!("life-{:x}", config.seed);
        let store = blank_store(now).fork_with_epoch(epoch.clone());
        let mut server = Self {
            dice: Dice::new(config.seed ^ 0x5e71),
            nodes: (0..config.nodes).map(|_| None).collect(),
            ghosts: Vec::new(),
            faults: Faults { cut: vec![false; config.nodes], ..Faults::default() },
            config,
            backup: store.fork(),
            store: Arc::new(store),
            auth: authenticator(),
            sockets: BTreeMap::new(),
            written: VecDeque::new(),
            dead: BTreeSet::new(),
            next_connection: 1,
            lives: 0,
            now,
            clock_offset: 0,
            epoch,
            fullest_outbox: 0,
            most_jobs: 0,
            is_losing: false,
            backup_revoked: BTreeMap::new(),
            revoked: BTreeMap::new(),
            log: None,
        };
        (0..server.nodes.len()).for_each(|node| server.start(node));
        server
    }

    /// Signs a token for a person, for so many seconds by the node's clock.
    #[must_use]
    pub fn token(&self, tenant: Tenant, kind: UserType, id: &PersonId, life_seconds: u64) -> String {
        let site = site(tenant);
        let request = TokenRequest {
            organization: site.organization,
            kind,
            id: id.clone(),
            websites: match kind {
                UserType::Visitor => Websites::Only([site.website].into()),
                UserType::User | UserType::AiAgent => Websites::All,
            },
            is_admin: false,
            name: Some(format!("{id} by name")),
            email: None,
            avatar_url: None,
            life: std::time::Duration::from_secs(life_seconds),
        };
        self.auth.issue_token(&request, self.clock()).token
    }

    /// The nodes' own clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        Timestamp(self.now.saturating_add_signed(self.clock_offset))
    }

    /// Writes down from now on what shards tell each other, for traces.
    pub fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    /// What was written down since the last call.
    pub fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    // ---- life and death ----

    /// How many nodes there are, up or down.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Starts a node on what is stored, unless it runs.
    pub fn start(&mut self, node: usize) {
        if self.nodes[node].is_none() {
            self.lives += 1;
            self.nodes[node] = Some(SimNode::start(self));
            self.begin_beyond(node);
        }
    }

    /// A node that has died since it was asked last; each once.
    pub fn next_dead(&mut self) -> Option<usize> {
        self.dead.pop_first()
    }

    /// Kills a node: whatever it had not written to the store is gone, and every connection with it.
    pub fn crash(&mut self, node: usize) {
        let Some(dead) = self.nodes[node].take() else { return };
        self.dead.insert(node);
        // A store that nodes share does not die with one of them.
        if let Some(remains) = dead.store.take_remains()
            && self.nodes.len() == 1
        {
            self.store = Arc::new(remains);
        }
        if self.config.plant == Some(Plant::EndlessLease) {
            self.ghosts.extend(dead.beyond.as_ref().map(beyond::Beyond::ghost));
        }
        self.sockets.retain(|_, socket| socket.place.node != node);
        self.written.retain(|connection| self.sockets.contains_key(connection));
    }

    /// A node dies right before its next commit.
    pub fn crash_before_next_commit(&mut self, node: usize) {
        self.doom(node, Doom::BeforeCommit);
    }

    /// A node dies right behind its next commit, before anybody is told of it.
    pub fn crash_behind_next_commit(&mut self, node: usize) {
        self.doom(node, Doom::BehindCommit);
    }

    /// All nodes live on.
    pub fn crash_no_more(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.doom(node, Doom::None));
    }

    fn doom(&mut self, node: usize, doom: Doom) {
        if let Some(node) = &self.nodes[node] {
            node.store.set_doom(doom);
        }
    }

    /// Keeps a copy of what is stored now for the next restore.
    pub fn back_up(&mut self) {
        self.backup = self.store.fork();
        self.backup_revoked = self.revoked.clone();
    }

    /// Restores the newest backup, or the empty store, into another life with an `epoch` of its own. All nodes are
    /// down then.
    pub fn restore(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.crash(node));
        if self.config.plant != Some(Plant::SameEpoch) {
            self.epoch = format!("{}+", self.epoch);
        }
        self.revoked = self.backup_revoked.clone();
        self.store = Arc::new(self.backup.fork_with_epoch(self.epoch.clone()));
    }

    /// Asks every connection of a node to come back within a window; a crash behind it makes a deploy.
    pub fn drain(&mut self, node: usize, window_ms: u64) {
        let shards = self.config.shards;
        for shard in 0..shards {
            self.apply(Place { node, shard }, |shard, now| shard.drain(window_ms, now));
        }
    }

    // ---- faults ----

    /// Every call of the store fails from now on.
    pub fn take_store_down(&mut self) {
        self.trouble(Trouble::Down);
    }

    /// Every write of the store fails from now on: the disk is full, or another process holds the lock.
    pub fn fill_store_up(&mut self) {
        self.trouble(Trouble::Full);
    }

    /// The store is well again.
    pub fn heal_store(&mut self) {
        self.trouble(Trouble::None);
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.faults.trouble = trouble;
        for node in self.nodes.iter().flatten() {
            node.store.set_trouble(trouble);
        }
    }

    /// Slows every step of a job down to at most so many ms; `None` ends that.
    pub fn set_pace(&mut self, pace_ms: Option<u64>) {
        self.faults.pace_ms = pace_ms;
    }

    /// How many of a hundred announcements of durable events do not reach some shard.
    pub fn set_lost_percent(&mut self, percent: u64) {
        self.faults.lost_percent = percent;
    }

    /// Sets the nodes' clock ahead or back.
    pub fn step_clock(&mut self, by_ms: i64) {
        self.clock_offset += by_ms;
        for node in self.nodes.iter_mut().flatten() {
            node.forget_deadlines();
        }
    }

    // ---- what is stored ----

    /// The durable state of a conversation; `None` if there is none of that id.
    #[must_use]
    pub fn conversation(&self, id: &ConversationId) -> Option<Conversation> {
        answer(self.store.conversation(site(Tenant::Ours).organization, team(), id.clone())).ok()
    }

    /// Everything durable that an audience may see of a conversation, in order.
    #[must_use]
    pub fn events(&self, id: &ConversationId, audience: Audience) -> Vec<StoredEvent> {
        let organization = site(Tenant::Ours).organization;
        let events = self.store.conversation_events(organization, id.clone(), audience, 0, u64::MAX >> 1, usize::MAX);
        answer(events).unwrap_or_default()
    }

    /// Everything durable of the website, in order.
    #[must_use]
    pub fn website_events(&self) -> Vec<StoredEvent> {
        let site = site(Tenant::Ours);
        let events = self.store.website_events(site.organization, site.website, 0, u64::MAX >> 1, usize::MAX);
        answer(events).unwrap_or_default()
    }

    /// The newest place of a channel, as an audience counts.
    #[must_use]
    pub fn head(&self, channel: &Channel, audience: Audience) -> u64 {
        match channel {
            Channel::Conversation(id) => self.conversation(id).map_or(0, |conversation| conversation.head(audience)),
            Channel::Website(_) => self.website_events().len() as u64,
        }
    }

    /// The most bytes that ever waited in one outbox and counted for its bound.
    #[must_use]
    pub const fn fullest_outbox(&self) -> usize {
        self.fullest_outbox
    }

    /// The most jobs of one connection that were ever under way.
    #[must_use]
    pub const fn most_jobs(&self) -> u16 {
        self.most_jobs
    }

    /// Rolls the dice anew for whatever the contract leaves open from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.dice = Dice::new(seed);
    }

    /// Whether anybody's access was ended.
    #[must_use]
    pub fn has_revocations(&self) -> bool {
        !self.revoked.is_empty()
    }

    /// When a person's access was ended by a request that was answered, by the node's clock: nothing is meant for a
    /// token from before then.
    #[must_use]
    pub fn revoked_at(&self, kind: UserType, person: &PersonId) -> Option<Timestamp> {
        self.revoked.get(&(kind, person.clone())).copied()
    }
}

/// The keys of every simulated node, made once: they hold nothing that a history could change.
fn authenticator() -> Arc<Authenticator> {
    static MADE: OnceLock<Arc<Authenticator>> = OnceLock::new();
    let make = || {
        let auth = Authenticator::new(AuthSettings {
            jwt_secret: None,
            jwt_secret_previous: None,
            jwt_public_key: None,
            jwt_algorithm: None,
            jwks: None,
            own: OwnSecrets { admin_key: Secret::new("ak_sim").into(), own: Secret::new(OWN_SECRET).into() },
            visitor_token_life: std::time::Duration::from_secs(30 * 24 * 3_600),
        });
        Arc::new(auth.expect("the keys are good"))
    };
    Arc::clone(MADE.get_or_init(make))
}

/// A store with nothing but the demo's set-up and that of the other organization.
fn blank_store(now: u64) -> Arc<MemoryStore> {
    static MADE: Mutex<Option<(u64, Arc<MemoryStore>)>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, store)) = &*made
        && *at == now
    {
        return Arc::clone(store);
    }
    let store = MemoryStore::new("blank");
    let rows = demo_rows(Timestamp(now));
    let other = site(Tenant::Other);
    let mut organizations = rows.organizations;
    organizations
        .extend(organizations.first().cloned().map(|row| OrganizationRow { id: other.organization.clone(), ..row }));
    let mut websites = rows.websites;
    websites.extend(websites.first().cloned().map(|row| WebsiteRow { key: other, ..row }));
    for row in organizations {
        answer(store.create_organization(row)).expect("the store is empty");
    }
    for row in websites {
        answer(store.create_website(row)).expect("the store is empty");
    }
    let store = Arc::new(store);
    *made = Some((now, Arc::clone(&store)));
    store
}

/// Where a tenant's people are.
fn site(tenant: Tenant) -> SiteKey {
    let (organization, website) = match tenant {
        Tenant::Ours => (crate::config::DEMO_ORGANIZATION, WEBSITE),
        Tenant::Other => (OTHER_ORGANIZATION, OTHER_WEBSITE),
    };
    SiteKey {
        organization: OrganizationId::new(organization).expect("the simulation's ids are ids"),
        website: WebsiteId::new(website).expect("the simulation's ids are ids"),
    }
}

fn team() -> crate::store::Scope {
    crate::store::Scope::Team { websites: Websites::All }
}
