//! What is between simulated nodes: each node's end of the bus, and the bus itself, which may lose, double and reorder.
//!
//! A node's end does what `node/talk.rs` and `bus/nats.rs` do in production, and looks at the store as `node/others.rs`
//! does. What is said is written and read as bytes.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::node::{Due, Finished, Place, Task};
use super::{Plant, SimServer, Tenant};
use crate::bus::ledger::{Ledger, Output, RENEW_MS};
use crate::bus::wire::{self, Asked, Said};
use crate::bus::{NodeId, Notice, Topic};
use crate::hub::Interest;
use crate::node::others::{self, BLIND_MAX, LOOK_PATIENCE, LOOKS, Looked, RUNG_PAUSE};
use crate::node::talk::TICK;
use crate::store::{SiteKey, StoreError};

/// The longest that the library takes to notice that the bus is gone, in ms.
const GONE_NOTICED_MS: u64 = 3_000;
/// The longest that it takes to connect anew, in ms.
const CONNECT_MS: u64 = 600;

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What goes beyond a node.
enum Outgoing {
    Notice(Notice),
    Follow(Topic, bool),
}

/// A node's end of the bus between nodes.
pub(super) struct Beyond {
    pub(super) id: NodeId,
    ledger: Ledger,
    followed: Interest,
    /// What waits to be taken into the ledger, with the times.
    outgoing: VecDeque<(u64, Outgoing)>,
    has_lost: bool,
    /// The topics of which the bus brings it what is said.
    heard: BTreeSet<Topic>,
    /// What it says goes out, and what others say comes in.
    is_connected: bool,
    /// How often that has changed: what the library tells late of an earlier time is not told.
    changes: u64,
    /// By node: until when what was said is under way.
    lanes: HashMap<usize, u64>,
    look: Look,
}

/// The looks at the store.
#[derive(Default)]
struct Look {
    /// The number of the next one that is planned; those that were planned before it are not made.
    plan: u64,
    known: HashMap<SiteKey, u64>,
    setup: Option<u64>,
    number: u64,
    /// Since when the present one is under way.
    began_at: Option<u64>,
    seen_at: u64,
    is_rung: bool,
}

/// A node that is no more, whose leases go on under a bug.
pub(super) struct Ghost {
    id: NodeId,
    topics: Vec<Topic>,
}

impl Beyond {
    pub(super) fn new(id: NodeId, now: u64) -> Self {
        Self {
            id,
            ledger: Ledger::new(id, now),
            followed: Interest::default(),
            outgoing: VecDeque::new(),
            has_lost: false,
            heard: BTreeSet::new(),
            is_connected: false,
            changes: 0,
            lanes: HashMap::new(),
            look: Look { seen_at: now, ..Look::default() },
        }
    }

    /// What is left of it under a bug.
    pub(super) fn ghost(&self) -> Ghost {
        Ghost { id: self.id, topics: self.heard.iter().cloned().collect() }
    }
}

impl SimServer {
    fn beyond(&mut self, node: usize) -> Option<&mut Beyond> {
        self.nodes[node].as_mut()?.beyond.as_mut()
    }

    /// Begins what a node of several does beside its shards.
    pub(super) fn begin_beyond(&mut self, node: usize) {
        let now = self.now;
        if let Some(here) = &mut self.nodes[node]
            && here.beyond.is_some()
        {
            here.put(now + millis(TICK), Due::Tick);
            self.plan_look(node, now + 1);
            self.connect(node);
        }
    }

    // ---- the bus ----

    /// Cuts some nodes off the bus, or all of them when it is gone itself.
    pub fn cut_bus(&mut self, cut: impl Fn(usize) -> bool) {
        for node in (0..self.nodes.len()).filter(|node| cut(*node)) {
            if !std::mem::replace(&mut self.faults.cut[node], true) {
                self.disconnect(node);
            }
        }
    }

    /// All nodes reach the bus again, which loses, doubles and reorders nothing any more.
    pub fn heal_bus(&mut self) {
        self.faults.rough_percent = 0;
        self.faults.unsaid_percent = 0;
        for node in 0..self.nodes.len() {
            if std::mem::replace(&mut self.faults.cut[node], false) {
                self.connect(node);
            }
        }
    }

    /// How many of a hundred messages between nodes are lost, doubled or overtaken.
    pub fn roughen_bus(&mut self, percent: u64) {
        self.faults.rough_percent = percent;
    }

    /// How many of a hundred notices do not get as far as the bus, since too much is going on.
    pub fn crowd_bus(&mut self, percent: u64) {
        self.faults.unsaid_percent = percent;
    }

    fn connect(&mut self, node: usize) {
        if self.faults.cut[node] {
            return;
        }
        let at = self.now + self.dice.delay(CONNECT_MS);
        self.tell_weather(node, at, true);
    }

    fn disconnect(&mut self, node: usize) {
        let at = self.now + self.dice.delay(GONE_NOTICED_MS);
        if let Some(beyond) = self.beyond(node) {
            beyond.is_connected = false;
            self.tell_weather(node, at, false);
        }
    }

    fn tell_weather(&mut self, node: usize, at: u64, is_up: bool) {
        let Some(beyond) = self.beyond(node) else { return };
        beyond.changes += 1;
        let due = Due::Weather(beyond.changes, is_up);
        if let Some(here) = &mut self.nodes[node] {
            here.put(at, due);
        }
    }

    /// A node hears that the bus came or went.
    pub(super) fn weather(&mut self, node: usize, change: u64, is_up: bool) {
        let now = self.now;
        let Some(beyond) = self.beyond(node).filter(|beyond| beyond.changes == change) else { return };
        beyond.is_connected = is_up;
        beyond.ledger.set_down(!is_up, now);
        self.perform_beyond(node);
    }

    fn say(&mut self, from: usize, topic: Option<&Topic>, said: &Said) {
        if matches!(said, Said::Ask { .. }) && self.config.plant == Some(Plant::NoAsk) {
            return;
        }
        let Some(id) = self.beyond(from).filter(|beyond| beyond.is_connected).map(|beyond| beyond.id) else { return };
        let Some(bytes) = wire::write(id, said) else { return };
        if let Some(log) = &mut self.log {
            log.push(format!("node {from} says {}", String::from_utf8_lossy(&bytes)));
        }
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            self.carry((from, to), topic, &bytes);
        }
    }

    fn carry(&mut self, (from, to): (usize, usize), topic: Option<&Topic>, bytes: &[u8]) {
        let mut topic = topic.cloned();
        if let (Some(Topic::Site(site)), Some(Plant::CrossedSubjects)) = (&mut topic, self.config.plant) {
            let other = super::site(Tenant::Other);
            *site = if *site == other { super::site(Tenant::Ours) } else { other };
        }
        let hears = |beyond: &mut Beyond| {
            beyond.is_connected && topic.as_ref().is_none_or(|topic| beyond.heard.contains(topic))
        };
        if !self.beyond(to).is_some_and(hears) {
            return;
        }
        let rough = self.faults.rough_percent;
        let copies = match self.dice.chance(rough).then(|| self.dice.below(3)) {
            Some(0) => 0,
            Some(1) => 2,
            Some(_) | None => 1,
        };
        for _ in 0..copies {
            let at = self.now + self.dice.delay(self.config.notice_delay_ms);
            let is_overtaken = self.dice.chance(rough);
            let Some(beyond) = self.beyond(from) else { return };
            let lane = beyond.lanes.entry(to).or_default();
            let at = if is_overtaken {
                at + self.config.notice_delay_ms
            } else {
                *lane = at.max(*lane);
                *lane
            };
            if let Some(there) = &mut self.nodes[to] {
                there.put(at, Due::Heard(topic.clone(), bytes.to_vec()));
            }
        }
    }

    // ---- a node's end ----

    /// What a shard told all goes on to other nodes.
    pub(super) fn send_beyond(&mut self, node: usize, notice: &Notice) {
        if self.beyond(node).is_some() {
            self.queue_beyond(node, Outgoing::Notice(notice.clone()));
        }
    }

    /// A shard follows a topic, or no longer does.
    pub(super) fn follow(&mut self, node: usize, topic: Topic, is_followed: bool) {
        let Some(beyond) = self.beyond(node) else { return };
        if beyond.followed.note(&topic, is_followed) {
            self.queue_beyond(node, Outgoing::Follow(topic, is_followed));
        }
    }

    fn queue_beyond(&mut self, node: usize, outgoing: Outgoing) {
        let is_lost = self.faults.unsaid_percent > 0 && self.dice.chance(self.faults.unsaid_percent);
        let at = self.now + self.dice.delay(self.config.notice_delay_ms);
        let Some(beyond) = self.beyond(node) else { return };
        if is_lost {
            beyond.has_lost = true;
            return;
        }
        let at = beyond.outgoing.back().map_or(at, |(last, _)| at.max(*last));
        beyond.outgoing.push_back((at, outgoing));
        if let Some(here) = &mut self.nodes[node] {
            here.put(at, Due::Outgoing);
        }
    }

    /// Takes what is due, or all that waits, into the ledger.
    pub(super) fn take_outgoing(&mut self, node: usize, upto: u64) {
        let now = self.now;
        let Some(beyond) = self.beyond(node) else { return };
        while let Some((_, outgoing)) = beyond.outgoing.pop_front_if(|(at, _)| *at <= upto) {
            match outgoing {
                Outgoing::Notice(notice) => beyond.ledger.handle_own(&notice, now),
                Outgoing::Follow(topic, is_followed) => beyond.ledger.follow(topic, is_followed, now),
            }
        }
        self.perform_beyond(node);
    }

    pub(super) fn hear(&mut self, node: usize, topic: Option<&Topic>, bytes: &[u8]) {
        let now = self.now;
        let Some(beyond) = self.beyond(node) else { return };
        if let Ok((from, said)) = wire::read(bytes, beyond.id) {
            if let Some(log) = self.log.as_mut().filter(|_| !matches!(said, Said::Lease { .. } | Said::Here { .. })) {
                log.push(format!("node {node} hears {}", String::from_utf8_lossy(bytes)));
            }
            let Some(beyond) = self.beyond(node) else { return };
            beyond.ledger.handle_said(topic, from, said, now);
            self.perform_beyond(node);
        }
    }

    pub(super) fn tick(&mut self, node: usize) {
        let now = self.now;
        if let Some(here) = &mut self.nodes[node] {
            here.put(now + millis(TICK), Due::Tick);
        }
        let ghosts = &self.ghosts;
        let Some(beyond) = self.nodes[node].as_mut().and_then(|here| here.beyond.as_mut()) else { return };
        for (ghost, topic) in ghosts.iter().flat_map(|ghost| ghost.topics.iter().map(move |topic| (ghost, topic))) {
            if now % RENEW_MS < millis(TICK) {
                beyond.ledger.handle_said(Some(topic), ghost.id, Said::Lease { at: 0 }, now);
            }
        }
        if std::mem::take(&mut beyond.has_lost) {
            self.take_outgoing(node, u64::MAX);
            let Some(beyond) = self.beyond(node) else { return };
            let mut followed: Vec<Topic> = beyond.followed.topics().cloned().collect();
            followed.sort_unstable();
            beyond.ledger.begin_anew(&followed, now);
            for shard in 0..self.config.shards {
                self.put_to_shard(Place { node, shard }, Due::Retell(shard));
            }
        }
        if let Some(beyond) = self.beyond(node) {
            beyond.ledger.tick(now);
        }
        self.perform_beyond(node);
    }

    fn perform_beyond(&mut self, node: usize) {
        let Some(beyond) = self.beyond(node) else { return };
        for output in beyond.ledger.take_outputs() {
            match output {
                Output::Say(topic, said) => self.say(node, topic.as_ref(), &said),
                Output::Tell(notice) => self.tell_shards(node, &notice),
                Output::Hear(topic) => {
                    if let Some(beyond) = self.beyond(node) {
                        beyond.heard.insert(topic.clone());
                    }
                    self.say(node, None, &Said::Ask { of: None, topic: Asked::from(&topic) });
                }
                Output::Leave(topic) => {
                    if let Some(beyond) = self.beyond(node) {
                        beyond.heard.remove(&topic);
                    }
                }
                Output::SetupChanged => self.ring(node),
            }
        }
    }

    /// Tells the shards of a node alone what was heard or seen beyond them.
    fn tell_shards(&mut self, node: usize, notice: &Notice) {
        for shard in 0..self.config.shards {
            self.put_to_shard(Place { node, shard }, Due::Notice(shard, notice.clone()));
        }
    }

    /// Puts something into a shard's mailbox, behind what came from beyond before.
    fn put_to_shard(&mut self, place: Place, due: Due) {
        let at = self.now + self.dice.delay(self.config.notice_delay_ms);
        if let Some(here) = &mut self.nodes[place.node] {
            let lane = &mut here.lanes[self.config.shards][place.shard];
            *lane = at.max(*lane);
            let at = *lane;
            here.put(at, due);
        }
    }

    // ---- looks at the store ----

    fn plan_look(&mut self, node: usize, at: u64) {
        let Some(beyond) = self.beyond(node) else { return };
        beyond.look.plan += 1;
        let due = Due::LookAround(beyond.look.plan);
        if let Some(here) = &mut self.nodes[node] {
            here.put(at, due);
        }
    }

    fn ring(&mut self, node: usize) {
        let at = self.now + millis(RUNG_PAUSE);
        let Some(beyond) = self.beyond(node) else { return };
        let was_rung = std::mem::replace(&mut beyond.look.is_rung, true);
        if !was_rung && beyond.look.began_at.is_none() {
            self.plan_look(node, at);
        }
    }

    pub(super) fn look_around(&mut self, node: usize, plan: u64) {
        let now = self.now;
        if self.config.plant == Some(Plant::NoLook) {
            return;
        }
        let Some(here) = &mut self.nodes[node] else { return };
        let (store, directory) = (here.store.clone(), here.directory.clone());
        let Some(beyond) = here.beyond.as_mut().filter(|beyond| beyond.look.plan == plan) else { return };
        let look = &mut beyond.look;
        look.number += 1;
        (look.began_at, look.is_rung) = (Some(now), false);
        let (number, setup, known) = (look.number, look.setup, std::mem::take(&mut look.known));
        let mut sites: Vec<SiteKey> = beyond.followed.sites().cloned().collect();
        sites.sort_unstable();
        let patience = millis(BLIND_MAX).saturating_sub(now - look.seen_at).max(millis(LOOK_PATIENCE));
        here.put(now + patience, Due::LookOver(number));
        let future = Box::pin(async move {
            let looked = others::look(&*store, &directory, sites, known, setup).await;
            Finished::Looked(number, looked.map(Box::new))
        });
        here.put(now + 1, Due::Poll(Task { shard: 0, future }));
    }

    /// A look has ended, or nobody waits for it any longer.
    pub(super) fn looked(&mut self, node: usize, number: u64, looked: Result<Box<Looked>, StoreError>) {
        let (now, shards) = (self.now, self.config.shards);
        let Some(beyond) = self.beyond(node) else { return };
        let look = &mut beyond.look;
        let Some(began_at) = look.began_at.take_if(|_| look.number == number) else { return };
        let mut found = None;
        match looked {
            Ok(looked) => {
                look.seen_at = now;
                look.known.clone_from(&looked.known);
                look.setup = Some(looked.setup);
                found = Some(looked);
            }
            Err(_) if now - look.seen_at >= millis(BLIND_MAX) => {
                look.seen_at = now;
                for shard in 0..shards {
                    self.put_to_shard(Place { node, shard }, Due::Abandon(shard));
                }
            }
            Err(_) => {}
        }
        if let Some(looked) = found {
            if !looked.moved.is_empty() {
                for shard in 0..shards {
                    self.put_to_shard(Place { node, shard }, Due::Heads(shard, looked.moved.clone()));
                }
            }
            if let Some(directory) = looked.directory.filter(|_| self.config.plant != Some(Plant::DeafToSetup)) {
                self.tell_shards(node, &Notice::Directory(directory));
            }
        }
        let is_rung = self.beyond(node).is_some_and(|beyond| beyond.look.is_rung);
        let next = if is_rung { now + millis(RUNG_PAUSE) } else { now.max(began_at + millis(LOOKS)) };
        self.plan_look(node, next);
    }
}
