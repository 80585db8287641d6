//! What stands at this node and at others, and for how long that is believed.
//!
//! Who is here, who types, who has what open, what agents are doing: each node owns what stands at it, tells of every
//! change, and says every few seconds that it is still there. Of a node that says so no longer, everything ends. What is
//! told may be lost, come twice, or in another order; so whatever is told has a number and that of what was told before it,
//! and who misses something asks for all that stands. What does not stand is then looked for in the store.
//!
//! A pure machine: what is published here and what others say goes in, with the time; notices for the shards and messages
//! for other nodes come out.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use cossistant_protocol::PHASE_DONE;

use super::convey::{is_of, live_notice, notice, raw, told};
use super::wire::{Asked, Change, Entry, Key, Live, Person, Said, Who as Named, websites_told};
use super::{NodeId, Notice, Topic, Who};
use crate::store::{PersonKey, SiteKey};

/// How often a node says of a topic that it is still there, in ms.
pub(crate) const RENEW_MS: u64 = 3_000;
/// For how long what a node said is believed, in ms. With the time that it takes to be noticed and told it stays below
/// the 15 s that are promised.
pub(crate) const LEASE_MS: u64 = 12_000;
/// For how long a topic is followed on after nobody here cares for it, in ms: who reconnects finds everything there.
const LINGER_MS: u64 = 10_000;
/// For how long it is remembered of a node that is not heard of any more how far it was heard, in ms.
const REMEMBER_MS: u64 = 60 * 60 * 1_000;
/// For how long the numbers of a topic go on of which nothing stands, in ms: as long as anybody remembers them.
const COUNTED_MS: u64 = REMEMBER_MS + LEASE_MS;
/// How long ago that may have been which a node had no room to say, in ms.
const LOST_MS: u64 = 5_000;
/// By how much clocks of nodes may differ, in ms.
const SKEW_MS: u64 = 60_000;
/// How long one waits before asking the same node for the same again, or answers it again, in ms.
const ASK_MS: u64 = 500;
/// How many entries are told at once.
const PART: usize = 100;
/// How many bytes one part has at the most, unless one entry alone has more: a broker takes a message as large as that.
const PART_BYTES: usize = 256 * 1024;
/// The most entries of others that are kept, over all topics; further ones are left out.
const ENTRIES_MAX: usize = 2_000_000;
/// For how long the end of an activity stands, in ms: who did not hear of it asks for what stands within that time.
const END_MS: u64 = 60_000;
/// The most of them that stand at once; the oldest go first.
const ENDS_MAX: usize = 100_000;
/// How long after a node was missed the store is looked at again for what it may have done since, in ms; then twice as
/// long, and so on, so many times.
const MISSED_MS: u64 = 15_000;
const MISSED_TIMES: u32 = 5;
/// Over how long nodes spread such looks, in ms.
const SPREAD_MS: u64 = 1_000;
/// The most other nodes that are known.
const NODES_MAX: usize = 10_000;
/// The most pairs of topic and node that are known of others.
const OTHERS_MAX: usize = 200_000;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Tell other nodes; without a topic, all of them.
    Say(Option<Topic>, Said),
    /// Tell the shards of this node.
    Tell(Notice),
    /// Hear what others say of a topic, and then ask for what stands.
    Hear(Topic),
    /// Hear of it no longer.
    Leave(Topic),
    /// The set-up in the store is another one.
    SetupChanged,
}

/// What stands of a topic at this node.
#[derive(Debug, Default)]
struct Own {
    at: u64,
    entries: BTreeMap<Key, Entry>,
    /// Since when it is empty.
    empty_since_ms: Option<u64>,
    /// Somebody has asked for all of it.
    is_asked: bool,
    told_at_ms: Option<u64>,
}

impl Own {
    /// The number of what was said last of the topic, and that of what is said next.
    fn number(&mut self, last: &mut u64) -> (u64, u64) {
        *last += 1;
        (std::mem::replace(&mut self.at, *last), *last)
    }
}

/// What stands of a topic at another node, as far as it was told.
#[derive(Debug, Default)]
struct Other {
    at: u64,
    /// Whether nothing before `at` is missing.
    is_whole: bool,
    entries: BTreeMap<Key, Entry>,
    /// Until when it is believed.
    until_ms: u64,
    /// It is believed no longer, and remembered alone.
    is_over: bool,
    /// When it was known last that nothing is missing.
    whole_at_ms: u64,
    asked_at_ms: Option<u64>,
    /// A state of which some parts have come.
    coming: Option<Coming>,
}

#[derive(Debug)]
struct Coming {
    at: u64,
    next: u32,
    entries: BTreeMap<Key, Entry>,
}

/// When a node was heard.
#[derive(Debug, Clone, Copy)]
struct Heard {
    last_ms: u64,
    /// Since when it is there, if it said so.
    began_ms: Option<u64>,
}

/// A node that is not heard of any more. It may be dead; or it goes on, and nobody hears of it.
#[derive(Debug, Clone, Copy)]
struct Missing {
    node: NodeId,
    /// Up to when the store was looked at for what it did.
    since_ms: u64,
    /// When that is done again, and how long after the last time.
    next_ms: u64,
    pause_ms: u64,
}

/// The ledger of a node.
#[derive(Debug)]
pub(crate) struct Ledger {
    node: NodeId,
    own: BTreeMap<Topic, Own>,
    others: BTreeMap<Topic, BTreeMap<NodeId, Other>>,
    /// Since when nobody here cares for a topic that is still followed; none of one that somebody cares for.
    followed: HashMap<Topic, Option<u64>>,
    /// The number of the last change, over all topics.
    last: u64,
    renewed_at_ms: u64,
    is_down: bool,
    /// Since when it is down, or was before it was up last.
    down_since_ms: u64,
    /// Since when it is there.
    began_ms: u64,
    /// The others that were heard lately.
    nodes: BTreeMap<NodeId, Heard>,
    /// Those that were, until lately.
    missing: Vec<Missing>,
    /// Ends of activities that stand here, and until when, in order.
    ends: VecDeque<(u64, Topic, Key)>,
    /// Of which websites something may have been missed, and since when.
    doubts: BTreeMap<SiteKey, u64>,
    /// How many pairs of topic and node, and how many entries of others there are.
    known: usize,
    entries: usize,
    outputs: Vec<Output>,
}

impl Ledger {
    /// The ledger of a node that nobody is at yet. It is down until it is told otherwise.
    pub(crate) fn new(node: NodeId, now_ms: u64) -> Self {
        Self {
            node,
            own: BTreeMap::new(),
            others: BTreeMap::new(),
            followed: HashMap::new(),
            last: 0,
            renewed_at_ms: 0,
            is_down: true,
            down_since_ms: now_ms,
            began_ms: now_ms,
            nodes: BTreeMap::new(),
            missing: Vec::new(),
            ends: VecDeque::new(),
            doubts: BTreeMap::new(),
            known: 0,
            entries: 0,
            outputs: Vec::new(),
        }
    }

    /// What is to be done since the last call, in order.
    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn say(&mut self, topic: Option<&Topic>, said: Said) {
        // What nobody can hear need not be made ready for them.
        if !self.is_down {
            self.outputs.push(Output::Say(topic.cloned(), said));
        }
    }

    // ---- this node ----

    /// Takes what a shard of this node has told all.
    pub(crate) fn handle_own(&mut self, notice: &Notice, now_ms: u64) {
        match notice {
            Notice::Events(events) => {
                if let Some(first) = events.first() {
                    let told = events.iter().filter_map(told).collect();
                    self.live(&first.site, Live::Events(told));
                }
            }
            Notice::TypingStarted { site, conversation, person, source } => {
                let (conversation, person) = (conversation.clone(), Person::from(&**person));
                let (shard, connection) = (source.shard.at, source.connection);
                self.put(&on(site), Entry::Typing { conversation, person, shard, connection }, now_ms);
            }
            Notice::TypingStopped { site, conversation, person, source } => {
                let key = Key::Typing(conversation.clone(), Named::from(&person.key));
                let by = source.map(|source| (source.shard.at, source.connection));
                self.drop_if(&on(site), &key, now_ms, |entry| match (entry, by) {
                    (Entry::Typing { shard, connection, .. }, Some(by)) => (*shard, *connection) == by,
                    (_, _) => true,
                });
                if source.is_none() {
                    let (conversation, person) = (conversation.clone(), Person::from(&**person));
                    self.live(site, Live::TypingStopped { conversation, person });
                }
            }
            Notice::Progress { site, conversation, person, frame, to_visitor } => {
                let (conversation, person) = (conversation.clone(), Person::from(&**person));
                if let Some(frame) = raw(frame) {
                    self.live(site, Live::Progress { conversation, person, frame, to_visitor: *to_visitor });
                }
            }
            Notice::Viewing { site, conversation, person, source, is_viewing } => {
                let (shard, connection) = (source.shard.at, source.connection);
                if *is_viewing {
                    let (conversation, person) = (conversation.clone(), Person::from(&**person));
                    self.put(&on(site), Entry::Viewing { conversation, person, shard, connection }, now_ms);
                } else {
                    let key = Key::Viewing(conversation.clone(), Named::from(&person.key), shard, connection);
                    self.drop_if(&on(site), &key, now_ms, |_| true);
                }
            }
            Notice::Activity { site, conversation, person, phase, text, to_visitor, stamp } => {
                let (shard, count) = (stamp.shard.at, stamp.count);
                let (conversation, person) = (conversation.clone(), Person::from(&**person));
                let (phase, text, to_visitor) = (phase.to_string(), text.as_deref().map(str::to_owned), *to_visitor);
                let is_done = phase == PHASE_DONE;
                let entry = Entry::Activity { conversation, person, phase, text, to_visitor, shard, count };
                let (topic, key) = (on(site), entry.key());
                let own = self.own.get(&topic).and_then(|own| own.entries.get(&key));
                let is_newer = own.is_none_or(|own| own.count().is_none_or(|stands| stands <= count));
                if is_newer {
                    // An end stands for a while as well: it may be meant for what stands at another node.
                    self.put(&topic, entry, now_ms);
                    if is_done {
                        self.ends.push_back((now_ms + END_MS, topic, key));
                    }
                }
            }
            Notice::Seen { site, conversation, person, team, visitor } => {
                let (conversation, by) = (conversation.clone(), Named::from(person));
                if let Some(team) = raw(team) {
                    self.live(site, Live::Seen { conversation, by, team, visitor: visitor.as_ref().and_then(raw) });
                }
            }
            Notice::Presence { who, person, websites, shard, is_here } => {
                let (topic, entry) = match who {
                    Who::Visitor(site, id) => (on(site), Entry::Visitor { shard: shard.at, id: id.clone() }),
                    Who::Member(organization, _) => {
                        let websites = websites.as_ref().and_then(websites_told);
                        let entry = Entry::Member { shard: shard.at, person: Person::from(&**person), websites };
                        (Topic::Organization(organization.clone()), entry)
                    }
                };
                if *is_here {
                    self.put(&topic, entry, now_ms);
                } else {
                    self.drop_if(&topic, &entry.key(), now_ms, |_| true);
                }
            }
            // Every node finds out for itself, from who is here.
            Notice::VisitorPresence { .. } => {}
            Notice::OpenConversations { site, visitor } => self.live(site, Live::Open { visitor: visitor.clone() }),
            Notice::Identified { site, visitor, previous, conversations, frame } => {
                let (visitor, previous) = (visitor.clone(), previous.clone());
                if let Some(frame) = raw(frame) {
                    let conversations = conversations.to_vec();
                    self.live(site, Live::Identified { visitor, previous, conversations, frame });
                }
            }
            Notice::Directory(_) => self.say(None, Said::Setup),
            Notice::Disconnect { who, is_revoked } => {
                let (topic, who) = match who {
                    Who::Visitor(site, id) => {
                        let named = PersonKey { kind: cossistant_protocol::UserType::Visitor, id: id.clone() };
                        (on(site), Named::from(&named))
                    }
                    Who::Member(organization, key) => (Topic::Organization(organization.clone()), Named::from(key)),
                };
                self.say_live(&topic, Live::Disconnect { who, is_revoked: *is_revoked });
            }
            // It came from here.
            Notice::Doubt { .. } => {}
        }
    }

    fn live(&mut self, site: &SiteKey, live: Live) {
        self.say_live(&on(site), live);
    }

    fn say_live(&mut self, topic: &Topic, live: Live) {
        let own = self.own.entry(topic.clone()).or_default();
        let (before, at) = own.number(&mut self.last);
        if own.entries.is_empty() {
            // Set when leases are renewed: it lives on for as long as somebody may miss this.
            own.empty_since_ms = None;
        }
        self.say(Some(topic), Said::Live { before, at, live });
    }

    fn put(&mut self, topic: &Topic, entry: Entry, now_ms: u64) {
        let own = self.own.entry(topic.clone()).or_default();
        if own.entries.get(&entry.key()) == Some(&entry) {
            return;
        }
        own.entries.insert(entry.key(), entry.clone());
        self.changed(topic, Change::Put(entry), now_ms);
    }

    fn drop_if(&mut self, topic: &Topic, key: &Key, now_ms: u64, is_meant: impl Fn(&Entry) -> bool) {
        let Some(own) = self.own.get_mut(topic) else { return };
        if own.entries.get(key).is_some_and(is_meant) {
            own.entries.remove(key);
            self.changed(topic, Change::Drop(key.clone()), now_ms);
        }
    }

    fn changed(&mut self, topic: &Topic, change: Change, now_ms: u64) {
        let Some(own) = self.own.get_mut(topic) else { return };
        own.empty_since_ms = own.entries.is_empty().then_some(now_ms);
        let (before, at) = own.number(&mut self.last);
        self.say(Some(topic), Said::Change { before, at, change });
    }

    /// Tells all that stands of a topic here.
    fn tell_state(&mut self, topic: &Topic, now_ms: u64) {
        let Some(own) = self.own.get_mut(topic) else { return };
        own.is_asked = false;
        own.told_at_ms = Some(now_ms);
        let at = own.at;
        let told = in_parts(own.entries.values());
        let parts = u32::try_from(told.len()).unwrap_or(u32::MAX);
        for (part, entries) in (0..parts).zip(told) {
            self.say(Some(topic), Said::State { at, part, parts, entries });
        }
    }

    // ---- what is followed ----

    /// Somebody here cares for a topic, or nobody any more.
    pub(crate) fn follow(&mut self, topic: Topic, is_followed: bool, now_ms: u64) {
        if is_followed {
            if self.followed.insert(topic.clone(), None).is_none() {
                self.outputs.push(Output::Hear(topic));
            }
        } else if let Some(since) = self.followed.get_mut(&topic) {
            since.get_or_insert(now_ms);
        }
    }

    /// Somebody here wants to know once what stands of a topic; it is followed for a while.
    pub(crate) fn look(&mut self, topic: Topic, now_ms: u64) {
        match self.followed.get_mut(&topic) {
            Some(Some(since)) => *since = now_ms,
            Some(None) => {}
            None => {
                self.followed.insert(topic.clone(), Some(now_ms));
                self.outputs.push(Output::Hear(topic));
            }
        }
    }

    fn leave(&mut self, topic: &Topic) {
        self.followed.remove(topic);
        for (node, other) in self.others.remove(topic).unwrap_or_default() {
            self.known -= 1;
            self.end_all(topic, node, other.entries);
        }
        self.outputs.push(Output::Leave(topic.clone()));
    }

    /// Some of what was told here was lost: all that stands is going to be told once more, and these topics are followed.
    pub(crate) fn begin_anew(&mut self, followed: &[Topic], now_ms: u64) {
        for topic in followed {
            self.own.entry(topic.clone()).or_default();
        }
        self.say(None, Said::Lost);
        for own in self.own.values_mut() {
            own.number(&mut self.last);
            own.entries.clear();
            own.empty_since_ms = Some(now_ms);
        }
        let wanted: HashSet<&Topic> = followed.iter().collect();
        for topic in self.followed.keys().filter(|topic| !wanted.contains(topic)).cloned().collect::<Vec<_>>() {
            self.follow(topic, false, now_ms);
        }
        for topic in followed {
            self.follow(topic.clone(), true, now_ms);
        }
    }

    // ---- other nodes ----

    /// Whether other nodes can be heard. When they can again, all that was missed is asked for, and they are told that
    /// this one is there.
    pub(crate) fn set_down(&mut self, is_down: bool, now_ms: u64) {
        if is_down {
            if !std::mem::replace(&mut self.is_down, true) {
                self.down_since_ms = now_ms;
            }
            self.pause();
            return;
        }
        if std::mem::take(&mut self.is_down) {
            // There may be a node that nobody here has heard of yet, and of which nobody ever will.
            self.missing.retain(|missing| missing.node != self.node);
            self.miss(self.node, now_ms, now_ms + MISSED_MS);
            // They have as long as ever to be heard again.
            self.nodes.values_mut().for_each(|heard| heard.last_ms = now_ms);
            self.doubt_all(self.down_since_ms.saturating_sub(LEASE_MS));
        }
        let mut topics: Vec<Topic> = self.followed.keys().cloned().collect();
        topics.sort_unstable();
        for topic in &topics {
            self.say(None, Said::Ask { of: None, topic: Asked::from(topic) });
        }
        // What was changed meanwhile can have been changed in the set-up too.
        self.outputs.push(Output::SetupChanged);
        self.renew(now_ms);
    }

    /// Nobody can be heard: whoever was typing may have stopped, and is to be asked later.
    fn pause(&mut self) {
        let mut ended = Vec::new();
        for (topic, nodes) in &mut self.others {
            for (node, other) in nodes {
                (other.is_whole, other.coming) = (false, None);
                let is_passing = |entry: &Entry| matches!(entry, Entry::Typing { .. } | Entry::Activity { .. });
                let passing: Vec<Key> =
                    other.entries.iter().filter(|(_, entry)| is_passing(entry)).map(|(key, _)| key.clone()).collect();
                self.entries -= passing.len();
                let gone = passing.iter().filter_map(|key| other.entries.remove(key));
                ended.extend(gone.filter_map(|entry| notice(topic, *node, entry, false)));
            }
        }
        self.outputs.extend(ended.into_iter().map(Output::Tell));
    }

    /// Takes what another node says.
    pub(crate) fn handle_said(&mut self, topic: Option<&Topic>, node: NodeId, said: Said, now_ms: u64) {
        let is_new = !self.nodes.contains_key(&node);
        if !is_new || self.nodes.len() < NODES_MAX {
            let heard = self.nodes.entry(node).or_insert(Heard { last_ms: now_ms, began_ms: None });
            heard.last_ms = now_ms;
            if let Said::Here { for_ms } = &said {
                heard.began_ms.get_or_insert(now_ms.saturating_sub(*for_ms));
            }
            if is_new {
                self.missing.retain(|missing| missing.node != node);
                // It is to know of this one as well, before that can be silent.
                self.say_here(now_ms);
            }
        }
        match (topic, said) {
            (None, Said::Setup) => self.outputs.push(Output::SetupChanged),
            (None, Said::Lost) => self.doubt_all(now_ms.saturating_sub(LOST_MS)),
            (None, Said::Gone) => {
                // Its last words may have been missed, and it has no others.
                self.nodes.remove(&node);
                self.doubt_all(now_ms.saturating_sub(LEASE_MS));
            }
            (None, Said::Ask { of, topic }) if of.is_none_or(|of| of == self.node) => {
                let topic = Topic::from(topic);
                if let Some(own) = self.own.get_mut(&topic) {
                    own.is_asked = true;
                    if own.told_at_ms.is_none_or(|at| now_ms >= at + ASK_MS) {
                        self.tell_state(&topic, now_ms);
                    }
                }
            }
            (Some(topic), Said::Live { before, at, live }) if self.followed.contains_key(topic) => {
                let is_late = !self.note(topic, node, (before, at), now_ms);
                // What is late may be over, unless that makes no difference.
                let may_be_late = !matches!(live, Live::TypingStopped { .. } | Live::Progress { .. });
                if may_be_late || !is_late {
                    self.outputs.extend(live_notice(topic, live).map(Output::Tell));
                }
                self.ask_if_unsure(topic, node, now_ms);
            }
            (Some(topic), Said::Change { before, at, change }) => {
                if self.note(topic, node, (before, at), now_ms) {
                    self.apply(topic, node, change);
                    self.ask_if_unsure(topic, node, now_ms);
                }
            }
            (Some(topic), Said::Lease { at }) => {
                let Some(other) = self.other(topic, node, now_ms) else { return };
                if at > other.at {
                    other.is_whole = false;
                }
                if other.is_whole {
                    other.whole_at_ms = now_ms;
                }
                self.ask_if_unsure(topic, node, now_ms);
            }
            (Some(topic), Said::State { at, part, parts, entries }) => {
                self.take_part(topic, node, now_ms, (at, part, parts), entries);
            }
            (_, _) => {}
        }
    }

    /// Notes the number of what a node says of a topic; whether that is newer than what was heard before.
    fn note(&mut self, topic: &Topic, node: NodeId, (before, at): (u64, u64), now_ms: u64) -> bool {
        let Some(other) = self.other(topic, node, now_ms) else { return false };
        if at <= other.at {
            return false;
        }
        let is_first = before == 0 && other.at == 0;
        other.is_whole = is_first || (other.is_whole && before == other.at);
        if other.is_whole {
            other.whole_at_ms = now_ms;
        }
        other.at = at;
        true
    }

    /// What may have been missed of a website since then is to be looked for in the store.
    fn doubt(&mut self, site: SiteKey, since_ms: u64) {
        self.doubts.entry(site).and_modify(|at| *at = (*at).min(since_ms)).or_insert(since_ms);
    }

    /// What a node may do that is not heard is looked for in the store, now and then.
    fn miss(&mut self, node: NodeId, since_ms: u64, next_ms: u64) {
        // Not all nodes at the same time.
        let next_ms = next_ms + u64::from(self.node.0) % SPREAD_MS;
        self.missing.push(Missing { node, since_ms, next_ms, pause_ms: MISSED_MS });
    }

    /// So of every website that somebody here follows.
    fn doubt_all(&mut self, since_ms: u64) {
        let sites: Vec<SiteKey> = self.followed.keys().filter_map(site_of).cloned().collect();
        sites.into_iter().for_each(|site| self.doubt(site, since_ms));
    }

    /// What is known of a node; it has just said something. `None` of what nobody here follows.
    fn other(&mut self, topic: &Topic, node: NodeId, now_ms: u64) -> Option<&mut Other> {
        if !self.followed.contains_key(topic) {
            return None;
        }
        let nodes = self.others.entry(topic.clone()).or_default();
        let is_new = !nodes.contains_key(&node);
        if is_new && self.known >= OTHERS_MAX {
            return None;
        }
        self.known += usize::from(is_new);
        // Whatever it said since it is there may have been missed.
        let began_ms = self.nodes.get(&node).and_then(|heard| heard.began_ms).unwrap_or(0);
        let new = || Other { whole_at_ms: began_ms.max(now_ms.saturating_sub(REMEMBER_MS)), ..Other::default() };
        let other = nodes.entry(node).or_insert_with(new);
        (other.until_ms, other.is_over) = (now_ms + LEASE_MS, false);
        Some(other)
    }

    fn ask_if_unsure(&mut self, topic: &Topic, node: NodeId, now_ms: u64) {
        let Some(other) = self.others.get_mut(topic).and_then(|nodes| nodes.get_mut(&node)) else { return };
        if !other.is_whole && other.asked_at_ms.is_none_or(|at| now_ms >= at + ASK_MS) {
            other.asked_at_ms = Some(now_ms);
            self.say(None, Said::Ask { of: Some(node), topic: Asked::from(topic) });
        }
    }

    fn apply(&mut self, topic: &Topic, node: NodeId, change: Change) {
        let Some(other) = self.others.get_mut(topic).and_then(|nodes| nodes.get_mut(&node)) else { return };
        match change {
            Change::Put(entry) => {
                let is_new = !other.entries.contains_key(&entry.key());
                if !is_of(topic, &entry) || (is_new && self.entries >= ENTRIES_MAX) {
                    return;
                }
                other.entries.insert(entry.key(), entry.clone());
                self.entries += usize::from(is_new);
                self.tell(topic, node, entry, true);
            }
            Change::Drop(key) => {
                if let Some(entry) = other.entries.remove(&key) {
                    self.entries -= 1;
                    self.tell(topic, node, entry, false);
                }
            }
        }
    }

    fn take_part(
        &mut self,
        topic: &Topic,
        node: NodeId,
        now_ms: u64,
        (at, part, parts): (u64, u32, u32),
        entries: Vec<Entry>,
    ) {
        let room = ENTRIES_MAX.saturating_sub(self.entries);
        let Some(other) = self.other(topic, node, now_ms) else { return };
        if at < other.at {
            // It was made before what came since.
            other.coming = None;
            return;
        }
        if part == 0 {
            other.coming = Some(Coming { at, next: 0, entries: BTreeMap::new() });
        }
        let Some(coming) = other.coming.as_mut().filter(|coming| coming.at == at && coming.next == part) else {
            other.coming = None;
            return;
        };
        coming.next += 1;
        let left = room.saturating_sub(coming.entries.len());
        let of_topic = entries.into_iter().filter(|entry| is_of(topic, entry)).take(left);
        coming.entries.extend(of_topic.map(|entry| (entry.key(), entry)));
        if coming.next < parts {
            return;
        }
        let Some(Coming { entries: mut now, .. }) = other.coming.take() else { return };
        // It is said behind all that it has in it, so what it has and was not heard was missed.
        let has_missed = !other.is_whole || at > other.at;
        let missed_since_ms = has_missed.then_some(other.whole_at_ms);
        (other.at, other.is_whole, other.whole_at_ms) = (at, true, now_ms);
        let before = std::mem::take(&mut other.entries);
        other.entries.clone_from(&now);
        self.entries = self.entries + now.len() - before.len();
        for (key, entry) in before {
            match now.get(&key) {
                Some(same) if *same == entry => {
                    now.remove(&key);
                }
                Some(_) => {}
                None => self.tell(topic, node, entry, false),
            }
        }
        for entry in now.into_values() {
            self.tell(topic, node, entry, true);
        }
        if let (Some(since_ms), Some(site)) = (missed_since_ms, site_of(topic)) {
            self.doubt(site.clone(), since_ms);
        }
    }

    fn tell(&mut self, topic: &Topic, node: NodeId, entry: Entry, stands: bool) {
        self.outputs.extend(notice(topic, node, entry, stands).map(Output::Tell));
    }

    fn end_all(&mut self, topic: &Topic, node: NodeId, entries: BTreeMap<Key, Entry>) {
        self.entries -= entries.len();
        for entry in entries.into_values() {
            self.tell(topic, node, entry, false);
        }
    }

    // ---- time ----

    /// Does what is due; to be called about every second, and sooner to answer sooner.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        if now_ms >= self.renewed_at_ms + RENEW_MS {
            self.renew(now_ms);
        }
        let asked: Vec<Topic> = self
            .own
            .iter()
            .filter(|(_, own)| own.is_asked && own.told_at_ms.is_none_or(|at| now_ms >= at + ASK_MS))
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in asked {
            self.tell_state(&topic, now_ms);
        }
        self.end_leases(now_ms);
        let mut surplus = self.ends.len().saturating_sub(ENDS_MAX);
        while let Some((_, topic, key)) = self.ends.pop_front_if(|(until_ms, _, _)| surplus > 0 || *until_ms <= now_ms)
        {
            surplus = surplus.saturating_sub(1);
            self.drop_if(&topic, &key, now_ms, Entry::is_end);
        }
        for (site, since_ms) in std::mem::take(&mut self.doubts) {
            let for_ms = now_ms.saturating_sub(since_ms).saturating_add(SKEW_MS);
            self.outputs.push(Output::Tell(Notice::Doubt { site, for_ms }));
        }
        let is_over = |since: &Option<u64>| since.is_some_and(|since| now_ms >= since + LINGER_MS);
        let mut over: Vec<Topic> =
            self.followed.iter().filter(|(_, since)| is_over(since)).map(|(topic, _)| topic.clone()).collect();
        over.sort_unstable();
        for topic in over {
            self.leave(&topic);
        }
    }

    /// Believes no longer in nodes that have not been heard of.
    fn end_leases(&mut self, now_ms: u64) {
        let (mut gone, mut forgotten) = (Vec::new(), 0);
        for (topic, nodes) in &mut self.others {
            for (node, other) in nodes.iter_mut().filter(|(_, other)| !other.is_over && other.until_ms <= now_ms) {
                // A node stops to say that it is there of a topic of which nothing stands.
                (other.is_over, other.is_whole, other.coming) =
                    (true, other.is_whole && other.entries.is_empty(), None);
                gone.push((topic.clone(), *node, std::mem::take(&mut other.entries)));
            }
            let before = nodes.len();
            nodes.retain(|_, other| !other.is_over || now_ms < other.until_ms.saturating_add(REMEMBER_MS));
            forgotten += before - nodes.len();
        }
        self.known -= forgotten;
        self.others.retain(|_, nodes| !nodes.is_empty());
        for (topic, node, entries) in gone {
            self.end_all(&topic, node, entries);
        }
        if self.is_down {
            return;
        }
        let silent = self.nodes.iter().filter(|(_, heard)| heard.last_ms + LEASE_MS <= now_ms);
        let silent: Vec<(NodeId, u64)> = silent.map(|(node, heard)| (*node, heard.last_ms)).collect();
        for (node, at_ms) in silent {
            tracing::info!(node = node.0, "another node has not been heard of for a while");
            self.nodes.remove(&node);
            self.miss(node, at_ms, now_ms);
        }
        // What it stored last it may have told nobody.
        let mut since_ms = None;
        for missing in self.missing.iter_mut().filter(|missing| missing.next_ms <= now_ms) {
            since_ms = Some(since_ms.unwrap_or(u64::MAX).min(missing.since_ms));
            (missing.since_ms, missing.next_ms) = (now_ms, now_ms + missing.pause_ms);
            missing.pause_ms *= 2;
        }
        self.missing.retain(|missing| missing.pause_ms <= MISSED_MS << MISSED_TIMES);
        if let Some(since_ms) = since_ms {
            self.doubt_all(since_ms);
        }
    }

    /// Says that this node goes.
    pub(crate) fn say_goodbye(&mut self) {
        self.say(None, Said::Gone);
    }

    fn say_here(&mut self, now_ms: u64) {
        self.say(None, Said::Here { for_ms: now_ms.saturating_sub(self.began_ms) });
    }

    /// Says that this node is there, and so of each topic of which something stands, or stood until lately.
    fn renew(&mut self, now_ms: u64) {
        self.renewed_at_ms = now_ms;
        self.say_here(now_ms);
        for own in self.own.values_mut().filter(|own| own.entries.is_empty()) {
            // While nobody can be told, it is not over.
            if self.is_down || own.empty_since_ms.is_none() {
                own.empty_since_ms = Some(now_ms);
            }
        }
        let empty_for_ms = |own: &Own| own.empty_since_ms.map_or(0, |since| now_ms.saturating_sub(since));
        self.own.retain(|_, own| empty_for_ms(own) < COUNTED_MS);
        let lives = self.own.iter().filter(|(_, own)| empty_for_ms(own) < LEASE_MS);
        let leases: Vec<(Topic, u64)> = lives.map(|(topic, own)| (topic.clone(), own.at)).collect();
        for (topic, at) in leases {
            self.say(Some(&topic), Said::Lease { at });
        }
    }
}

fn on(site: &SiteKey) -> Topic {
    Topic::Site(site.clone())
}

const fn site_of(topic: &Topic) -> Option<&SiteKey> {
    match topic {
        Topic::Site(site) => Some(site),
        Topic::Organization(_) => None,
    }
}

/// All of them in parts that may be told; one part at least, of which all may be empty.
fn in_parts<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<Vec<Entry>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for entry in entries {
        let size = entry.size();
        let last = parts.last().map_or(0, Vec::len);
        if last == PART || (last > 0 && bytes + size > PART_BYTES) {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(entry.clone());
        }
    }
    parts
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "what is nothing that stands is not looked at")]
mod tests;
