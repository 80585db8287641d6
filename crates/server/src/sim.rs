//! A node for a simulator: the real shards, hub, chat rules and jobs, without sockets, threads or a clock.
//!
//! Time, the network and the store's pace are the simulator's. It hands in what clients say ([`SimServer::deliver`]),
//! takes out what was written to them ([`SimServer::take`]), and lets time pass ([`SimServer::advance`]); everything
//! that is left open by the product's contract (how long a job or a notice takes, which shard hears first, when
//! a flusher runs) is decided by the seed. Equal seeds and calls give equal answers.
//!
//! What the driver and the node do in production, this module does in their place; it is to be kept like them.

mod dice;
mod node;
mod socket;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use cossistant_protocol::{
    Channel, ConversationId, ConversationStatus, MessageContent, MessageId, OrganizationId, PersonId, Timestamp,
    UserType, WebsiteId,
};

pub use dice::Dice;
use node::SimNode;
use socket::Socket;
pub use socket::{FromClient, FromServer};
use store::{PacedStore, answer};

use crate::auth::{AuthSettings, Authenticator, Secret, TokenRequest};
use crate::config::demo_rows;
use crate::store::{Audience, Conversation, MemoryStore, SiteKey, Store as _, StoredEvent, Websites};

/// A bug that is put in on purpose, to prove that the simulation finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A replay leaves out its first event.
    ReplayGap,
    /// A visitor's replay has notes in it.
    NoteOnReplay,
    /// A message is acknowledged and published before it is stored.
    AckBeforeCommit,
    /// A message that is sent again is stored again.
    ForgottenKeys,
    /// Some shards never hear that somebody stopped typing.
    StuckTyping,
    /// A hole in a website's events is never filled.
    NoFill,
    /// A visitor's leaving is told to nobody.
    Ghosts,
}

impl Plant {
    /// Every planted bug with its name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("replay-gap", Self::ReplayGap),
        ("note-on-replay", Self::NoteOnReplay),
        ("ack-before-commit", Self::AckBeforeCommit),
        ("forgotten-keys", Self::ForgottenKeys),
        ("stuck-typing", Self::StuckTyping),
        ("no-fill", Self::NoFill),
        ("ghosts", Self::Ghosts),
    ];
}

/// What a simulated node is like. Times are in ms.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Decides whatever the contract leaves open.
    pub seed: u64,
    /// How many shards.
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
}

/// Where a simulated visitor's, user's or agent's token is for: the demo organization's website.
pub const WEBSITE: &str = crate::config::DEMO_WEBSITE;
/// The secret behind the node's tokens; the same after each restart.
const OWN_SECRET: &str = "a secret that only simulated nodes have";

/// A node with its store. The node may crash and start again; the store stays.
pub struct SimServer {
    config: SimConfig,
    store: Arc<MemoryStore>,
    auth: Arc<Authenticator>,
    node: Option<SimNode>,
    sockets: BTreeMap<SimConnection, Socket>,
    next_connection: u64,
    lives: u64,
    dice: Dice,
    now: u64,
    /// What the node's clock is ahead of the simulator's, in ms.
    clock_offset: i64,
    epoch: String,
    faults: Faults,
    log: Option<Vec<String>>,
}

/// Faults that outlast the node's present life.
#[derive(Debug, Default, Clone, Copy)]
struct Faults {
    is_store_down: bool,
    /// Slows every step of a job down.
    pace_ms: Option<u64>,
    /// How many of a hundred announcements of durable events are lost on the way to some shard.
    lost_percent: u64,
}

impl SimServer {
    /// A node that is up, with an empty store and the demo's set-up, at a time in ms since 1970.
    #[must_use]
    pub fn new(config: SimConfig, now: u64) -> Self {
        let epoch = format!("life-{:x}", config.seed);
        let store = MemoryStore::new(epoch.clone());
        let rows = demo_rows(Timestamp(now));
        for row in rows.organizations {
            answer(store.create_organization(row)).expect("the store is empty");
        }
        for row in rows.websites {
            answer(store.create_website(row)).expect("the store is empty");
        }
        let auth = Authenticator::new(AuthSettings {
            jwt_secret: None,
            jwt_public_key: None,
            jwt_algorithm: None,
            jwks: None,
            admin_key: Secret::new("ak_sim"),
            own_secret: Secret::new(OWN_SECRET),
            visitor_token_life: std::time::Duration::from_secs(30 * 24 * 3_600),
        });
        let mut server = Self {
            dice: Dice::new(config.seed ^ 0x5e71),
            config,
            store: Arc::new(store),
            auth: Arc::new(auth.expect("the keys are good")),
            node: None,
            sockets: BTreeMap::new(),
            next_connection: 1,
            lives: 0,
            now,
            clock_offset: 0,
            epoch,
            faults: Faults::default(),
            log: None,
        };
        server.start();
        server
    }

    /// Signs a token for a person of the demo's website.
    #[must_use]
    pub fn token(&self, kind: UserType, id: &PersonId, life_seconds: u64) -> String {
        let site = site();
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

    /// The node's own clock.
    fn clock(&self) -> Timestamp {
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

    /// Whether the node runs.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// Starts the node on what is stored, unless it runs.
    pub fn start(&mut self) {
        if self.node.is_none() {
            self.lives += 1;
            let paced = PacedStore::new(Arc::clone(&self.store), self.config.plant);
            paced.set_down(self.faults.is_store_down);
            self.node = Some(SimNode::start(self, Arc::new(paced)));
        }
    }

    /// Kills the node: whatever it had not written to the store is gone, and every connection with it.
    pub fn crash(&mut self) {
        self.node = None;
        self.sockets.clear();
    }

    /// Whether the node dies behind its next commit, before anybody is told of it.
    pub fn crash_at_next_commit(&mut self, is_wanted: bool) {
        if let Some(node) = &self.node {
            node.store.die_at_next_commit(is_wanted);
        }
    }

    /// Restores the store into another life, which nothing but its `epoch` tells from the one before. The node is
    /// down then.
    pub fn restore(&mut self) {
        self.crash();
        self.epoch = format!("{}+", self.epoch);
        self.store = Arc::new(self.store.fork_with_epoch(self.epoch.clone()));
    }

    /// Asks every connection to come back within a window; a crash behind it makes a deploy.
    pub fn drain(&mut self, window_ms: u64) {
        let shards = self.config.shards;
        for shard in 0..shards {
            self.apply(shard, |shard, now| shard.drain(window_ms, now));
        }
    }

    // ---- faults ----

    /// Whether every call of the store fails.
    pub fn set_store_down(&mut self, is_down: bool) {
        self.faults.is_store_down = is_down;
        if let Some(node) = &self.node {
            node.store.set_down(is_down);
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

    /// Sets the node's clock ahead or back.
    pub fn step_clock(&mut self, by_ms: i64) {
        self.clock_offset += by_ms;
        if let Some(node) = &mut self.node {
            node.forget_deadlines();
        }
    }

    // ---- what is stored ----

    /// The durable state of a conversation; `None` if there is none of that id.
    #[must_use]
    pub fn conversation(&self, id: &ConversationId) -> Option<Conversation> {
        answer(self.store.conversation(site().organization, team(), id.clone())).ok()
    }

    /// Everything durable that an audience may see of a conversation, in order.
    #[must_use]
    pub fn events(&self, id: &ConversationId, audience: Audience) -> Vec<StoredEvent> {
        let organization = site().organization;
        let events = self.store.conversation_events(organization, id.clone(), audience, 0, u64::MAX >> 1, usize::MAX);
        answer(events).unwrap_or_default()
    }

    /// Everything durable of the website, in order.
    #[must_use]
    pub fn website_events(&self) -> Vec<StoredEvent> {
        let site = site();
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
    pub fn fullest_outbox(&self) -> usize {
        self.node.as_ref().map_or(0, |node| node.fullest_outbox)
    }
}

/// The demo's website.
fn site() -> SiteKey {
    SiteKey {
        organization: OrganizationId::new(crate::config::DEMO_ORGANIZATION).expect("the demo's ids are ids"),
        website: WebsiteId::new(WEBSITE).expect("the demo's ids are ids"),
    }
}

fn team() -> crate::store::Scope {
    crate::store::Scope::Team { websites: Websites::All }
}
