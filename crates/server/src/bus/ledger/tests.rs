//! Several ledgers on one clock, and a bus between them that loses what it likes.

use std::collections::BTreeSet;
use std::sync::Arc;

use cossistant_protocol::{ConversationId, OrganizationId, PersonId, UserType, WebsiteId};

use super::*;
use crate::bus::{PersonInfo, ShardId, Source, Stamp, wire};
use crate::event::Frame;
use crate::store::Websites;

fn site() -> SiteKey {
    SiteKey { organization: OrganizationId::new("org").unwrap(), website: WebsiteId::new("web").unwrap() }
}

fn topics() -> [Topic; 2] {
    [on(&site()), Topic::Organization(site().organization)]
}

fn person(kind: UserType, name: &str) -> Arc<PersonInfo> {
    let key = PersonKey { kind, id: PersonId::new(name).unwrap() };
    Arc::new(PersonInfo { key, name: Some(Arc::from(name)), avatar_url: None })
}

/// What a shard of a node tells, by a number: who, what, and whether it begins.
fn deed(node: NodeId, number: u64, begins: bool) -> Notice {
    let (name, shard) = (format!("p{}", number / 5 % 3), ShardId { node, at: u16::try_from(number / 15 % 2).unwrap() });
    let (site, conversation) = (site(), ConversationId::new("c").unwrap());
    let source = Source { shard, connection: number / 30 % 2 };
    let user = person(UserType::User, &name);
    match number % 5 {
        0 => Notice::Presence {
            who: Who::Visitor(site, PersonId::new(&name).unwrap()),
            person: person(UserType::Visitor, &name),
            websites: None,
            shard,
            is_here: begins,
        },
        1 => Notice::Presence {
            who: Who::Member(site.organization, user.key.clone()),
            person: user,
            websites: Some(Websites::All),
            shard,
            is_here: begins,
        },
        2 if begins => Notice::TypingStarted { site, conversation, person: user, source },
        2 => Notice::TypingStopped { site, conversation, person: user, source: Some(source) },
        3 => Notice::Viewing { site, conversation, person: user, source, is_viewing: begins },
        _ => Notice::Activity {
            site,
            conversation,
            person: person(UserType::AiAgent, &name),
            phase: Arc::from(if begins { "thinking" } else { PHASE_DONE }),
            text: None,
            to_visitor: true,
            stamp: Stamp { count: 1, shard },
        },
    }
}

/// What somebody who heard these notices believes to stand.
#[derive(Debug, Default, PartialEq, Eq)]
struct View(BTreeSet<String>);

impl View {
    fn hear(&mut self, notice: &Notice) {
        let (what, stands) = match notice {
            Notice::Presence { who, shard, is_here, .. } => (format!("here {who:?} {shard:?}"), *is_here),
            Notice::TypingStarted { person, source, .. } => {
                // One connection of a node after the other is the one that typed last.
                let of = format!("typing {:?} {:?}", person.key, source.shard.node);
                self.0.retain(|other| !other.starts_with(&of));
                (format!("{of} {source:?}"), true)
            }
            Notice::TypingStopped { person, source: Some(source), .. } => {
                (format!("typing {:?} {:?} {source:?}", person.key, source.shard.node), false)
            }
            Notice::Viewing { person, source, is_viewing, .. } => {
                (format!("viewing {:?} {source:?}", person.key), *is_viewing)
            }
            Notice::Activity { person, phase, stamp, .. } => {
                (format!("activity {:?} {:?}", person.key, stamp.shard), &**phase != PHASE_DONE)
            }
            other => panic!("{other:?} is nothing that stands"),
        };
        if stands {
            self.0.insert(what);
        } else {
            self.0.remove(&what);
        }
    }
}

/// Numbers that follow from a seed (a linear congruential generator, with Knuth's factor), each below what is given.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

struct Node {
    ledger: Ledger,
    /// What its shards believe of others.
    view: View,
    /// What stands at it.
    own: View,
    /// Whose marks were heard.
    heard: BTreeSet<String>,
    /// When something was doubted, and for how long.
    doubts: Vec<(u64, u64)>,
}

/// That somebody has read something, which is said once.
fn mark(name: &str) -> Notice {
    Notice::Seen {
        site: site(),
        conversation: ConversationId::new("c").unwrap(),
        person: person(UserType::User, name).key.clone(),
        team: Frame::of_json("{}"),
        visitor: None,
    }
}

struct Net {
    nodes: Vec<Node>,
    now_ms: u64,
    /// Who said it, of what, and the bytes.
    under_way: Vec<(usize, Option<Topic>, Vec<u8>)>,
}

impl Net {
    fn new(count: u32) -> Self {
        let node = |id| Node {
            ledger: Ledger::new(NodeId(id), 0),
            view: View::default(),
            own: View::default(),
            heard: BTreeSet::new(),
            doubts: Vec::new(),
        };
        let mut net = Self { nodes: (1..=count).map(node).collect(), now_ms: 1_000, under_way: Vec::new() };
        for at in 0..net.nodes.len() {
            net.nodes[at].ledger.set_down(false, net.now_ms);
            net.collect(at);
        }
        net
    }

    fn id(&self, at: usize) -> NodeId {
        self.nodes[at].ledger.node
    }

    fn collect(&mut self, at: usize) {
        let id = self.id(at);
        let node = &mut self.nodes[at];
        for output in node.ledger.take_outputs() {
            match output {
                Output::Say(topic, said) => self.under_way.push((at, topic, wire::write(id, &said).unwrap())),
                Output::Tell(Notice::Seen { person, .. }) => {
                    node.heard.insert(person.id.to_string());
                }
                Output::Tell(Notice::Doubt { for_ms, .. }) => node.doubts.push((self.now_ms, for_ms)),
                Output::Tell(notice) => node.view.hear(&notice),
                // Whoever begins to hear asks.
                Output::Hear(topic) => {
                    let ask = wire::write(id, &Said::Ask { of: None, topic: Asked::from(&topic) }).unwrap();
                    self.under_way.push((at, None, ask));
                }
                Output::Leave(_) | Output::SetupChanged => {}
            }
        }
    }

    fn follow(&mut self, at: usize, is_followed: bool) {
        for topic in topics() {
            self.nodes[at].ledger.follow(topic, is_followed, self.now_ms);
        }
        self.collect(at);
    }

    fn happens(&mut self, at: usize, number: u64, begins: bool) {
        let notice = deed(self.id(at), number, begins);
        self.nodes[at].own.hear(&notice);
        self.nodes[at].ledger.handle_own(&notice, self.now_ms);
        self.collect(at);
    }

    fn deliver(&mut self, (from, topic, bytes): (usize, Option<Topic>, Vec<u8>)) {
        for at in 0..self.nodes.len() {
            if let Ok((node, said)) = wire::read(&bytes, self.id(at)) {
                assert_ne!(from, at, "nobody hears itself");
                self.nodes[at].ledger.handle_said(topic.as_ref(), node, said, self.now_ms);
                self.collect(at);
            }
        }
    }

    fn settle(&mut self) {
        while !self.under_way.is_empty() {
            let next = self.under_way.remove(0);
            self.deliver(next);
        }
    }

    /// Some time in which nothing is lost.
    fn passes(&mut self, ms: u64, alive: &[usize]) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms = end.min(self.now_ms + 250);
            for at in alive {
                self.nodes[*at].ledger.tick(self.now_ms);
                self.collect(*at);
            }
            self.settle();
        }
    }

    /// Whether each that follows believes what stands at the others.
    fn is_true_at(&self, at: usize) -> bool {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != at);
        let truth: BTreeSet<String> = others.flat_map(|(_, node)| node.own.0.clone()).collect();
        self.nodes[at].view.0 == truth
    }
}

#[test]
fn what_stands_is_told_to_those_who_follow_and_to_those_who_come() {
    let mut net = Net::new(3);
    net.follow(1, true);
    for number in 0..60 {
        net.happens(0, number, true);
    }
    net.settle();
    assert!(net.is_true_at(1) && !net.nodes[1].view.0.is_empty(), "{:?}", net.nodes[1].view);
    assert!(net.nodes[2].view.0.is_empty(), "who does not follow hears nothing");
    net.follow(2, true);
    // Another one has asked just now, and is answered once for a while.
    net.passes(ASK_MS + 250, &[0, 1, 2]);
    assert!(net.is_true_at(2), "who comes later is told what stands: {:?}", net.nodes[2].view);
    for number in (0..60).step_by(2) {
        net.happens(0, number, false);
    }
    net.settle();
    assert!(net.is_true_at(1) && net.is_true_at(2));
    net.follow(2, false);
    net.passes(LINGER_MS + 1_000, &[0, 1, 2]);
    assert!(net.nodes[2].view.0.is_empty(), "who follows no longer believes nothing");
    assert!(net.is_true_at(1));
}

#[test]
fn a_node_that_is_silent_is_gone_after_its_lease() {
    let mut net = Net::new(2);
    net.follow(1, true);
    net.happens(0, 0, true);
    net.happens(0, 2, true);
    net.passes(10 * RENEW_MS, &[0, 1]);
    assert!(net.is_true_at(1), "as long as it renews it is believed");
    // It says no more; the last renewal was at most this long ago.
    net.passes(LEASE_MS - RENEW_MS - 500, &[1]);
    assert!(net.is_true_at(1), "{:?}", net.nodes[1].view);
    net.passes(RENEW_MS + 750, &[1]);
    assert!(net.nodes[1].view.0.is_empty(), "all that stood there has ended: {:?}", net.nodes[1].view);
    assert_eq!(net.nodes[1].ledger.entries, 0);
    net.passes(RENEW_MS + ASK_MS + 500, &[0, 1]);
    assert!(net.is_true_at(1), "when it speaks again it is asked, and believed: {:?}", net.nodes[1].view);
}

#[test]
fn whatever_is_lost_doubled_or_late_comes_right() {
    for seed in 1..=200_u64 {
        let mut dice = dice(seed);
        let mut net = Net::new(3);
        for _ in 0..300 {
            let at = usize::try_from(dice(3)).unwrap();
            match dice(12) {
                0..6 => net.happens(at, dice(60), dice(2) == 0),
                6 => net.follow(at, dice(3) > 0),
                7 => {
                    net.now_ms += dice(2_000);
                    net.nodes[at].ledger.tick(net.now_ms);
                    net.collect(at);
                }
                8 => {
                    net.nodes[at].ledger.set_down(dice(2) == 0, net.now_ms);
                    net.collect(at);
                }
                _ => {
                    for _ in 0..net.under_way.len() {
                        let next = net.under_way.remove(usize::try_from(dice(net.under_way.len() as u64)).unwrap());
                        match dice(4) {
                            0 => {}
                            1 => {
                                net.deliver(next.clone());
                                net.deliver(next);
                            }
                            _ => net.deliver(next),
                        }
                    }
                }
            }
        }
        // From now on nothing is lost.
        net.settle();
        for at in 0..3 {
            net.nodes[at].ledger.set_down(false, net.now_ms);
            net.follow(at, true);
        }
        net.passes(LEASE_MS + 2 * RENEW_MS, &[0, 1, 2]);
        for at in 0..3 {
            let (view, ledger) = (&net.nodes[at].view, &net.nodes[at].ledger);
            assert!(net.is_true_at(at), "seed {seed}, node {at}: {view:?}");
            let entries: usize = ledger.others.values().flat_map(BTreeMap::values).map(|it| it.entries.len()).sum();
            let known: usize = ledger.others.values().map(BTreeMap::len).sum();
            assert_eq!((ledger.entries, ledger.known), (entries, known), "seed {seed}: the counts are right");
        }
    }
}

#[test]
fn what_is_said_once_is_heard_or_doubted() {
    let mut missed = 0;
    for seed in 1..=200_u64 {
        let mut dice = dice(seed);
        let mut net = Net::new(3);
        (0..3).for_each(|at| net.follow(at, true));
        let mut said = Vec::new();
        for number in 0..200 {
            let at = usize::try_from(dice(3)).unwrap();
            match dice(10) {
                0..4 => {
                    let name = format!("m{number}");
                    net.nodes[at].ledger.handle_own(&mark(&name), net.now_ms);
                    net.collect(at);
                    said.push((at, net.now_ms, name));
                }
                4 => net.passes(dice(20_000), &[at]),
                5 => {
                    net.nodes[at].ledger.set_down(dice(2) == 0, net.now_ms);
                    net.collect(at);
                }
                _ => {
                    for next in std::mem::take(&mut net.under_way) {
                        if dice(4) > 0 {
                            net.deliver(next);
                        }
                    }
                }
            }
        }
        net.settle();
        for at in 0..3 {
            net.nodes[at].ledger.set_down(false, net.now_ms);
            net.collect(at);
        }
        net.passes(LEASE_MS + 2 * RENEW_MS, &[0, 1, 2]);
        for (by, at_ms, name) in &said {
            for (to, node) in net.nodes.iter().enumerate().filter(|(to, _)| to != by) {
                let is_heard = node.heard.contains(name);
                // Without what is added for clocks that differ.
                let since = |(now, for_ms): &(u64, u64)| now.saturating_sub(for_ms.saturating_sub(SKEW_MS));
                let is_doubted = node.doubts.iter().any(|doubt| (since(doubt)..=doubt.0).contains(at_ms));
                assert!(is_heard || is_doubted, "seed {seed}: {name} of {by} at {at_ms} to {to}: {:?}", node.doubts);
                missed += u32::from(!is_heard);
            }
        }
        if seed % 20 > 0 {
            continue;
        }
        // Until those that were missed are looked for no longer.
        net.passes(MISSED_MS << (MISSED_TIMES + 1), &[0, 1, 2]);
        let quiet = net.nodes.iter().map(|node| node.doubts.len()).sum::<usize>();
        net.passes(60_000, &[0, 1, 2]);
        net.nodes[0].ledger.handle_own(&mark("last"), net.now_ms);
        net.collect(0);
        net.passes(60_000, &[0, 1, 2]);
        let now = net.nodes.iter().map(|node| node.doubts.len()).sum::<usize>();
        assert_eq!(now, quiet, "seed {seed}: nothing is doubted while all is heard");
        assert!(net.nodes[1].heard.contains("last") && net.nodes[2].heard.contains("last"));
    }
    assert!(missed > 1_000, "{missed} were missed");
}

#[test]
fn a_node_that_lost_what_it_was_to_say_has_all_doubt() {
    let mut net = Net::new(2);
    net.follow(1, true);
    net.settle();
    let now_ms = net.now_ms;
    net.nodes[0].ledger.begin_anew(&[], now_ms);
    net.collect(0);
    net.passes(500, &[0, 1]);
    assert_eq!(net.nodes[1].doubts.len(), 1);
}

#[test]
fn while_nobody_can_be_heard_nothing_is_said_and_nobody_types() {
    let mut net = Net::new(2);
    net.follow(1, true);
    net.happens(0, 0, true);
    net.happens(0, 2, true);
    net.settle();
    assert_eq!(net.nodes[1].view.0.len(), 2);
    let now_ms = net.now_ms;
    net.nodes[1].ledger.set_down(true, now_ms);
    net.collect(1);
    assert_eq!(net.nodes[1].view.0.len(), 1, "typing ends at once: {:?}", net.nodes[1].view);
    net.nodes[0].ledger.set_down(true, now_ms);
    net.happens(0, 5, true);
    assert!(net.under_way.is_empty(), "nothing is said");
    for at in 0..2 {
        net.nodes[at].ledger.set_down(false, now_ms);
        net.collect(at);
    }
    net.passes(ASK_MS + 250, &[0, 1]);
    assert!(net.is_true_at(1), "all is found again: {:?}", net.nodes[1].view);
}

#[test]
fn what_stands_is_told_in_parts_that_can_be_told() {
    let activity = |shard: u16| Entry::Activity {
        conversation: ConversationId::new("c").unwrap(),
        person: (&*person(UserType::AiAgent, "bot")).into(),
        phase: "thinking".to_owned(),
        text: Some("\u{1}".repeat(2_000)),
        to_visitor: false,
        shard,
        count: 1,
    };
    let all: Vec<Entry> = (0..250).map(activity).collect();
    let parts = in_parts(all.iter());
    assert!(parts.len() > 3, "{} parts", parts.len());
    assert_eq!(parts.concat().len(), all.len());
    for entries in parts {
        assert!(!entries.is_empty());
        assert!(wire::write(NodeId(1), &Said::State { at: 1, part: 0, parts: 1, entries }).is_some());
    }
    assert_eq!(in_parts(std::iter::empty()), [vec![]], "that nothing stands is told, too");
}

#[test]
fn what_does_not_belong_to_a_topic_is_not_taken() {
    let mut net = Net::new(2);
    net.follow(1, true);
    let [of_site, of_organization] = topics();
    let member = Entry::Member { shard: 0, person: Person::from(&*person(UserType::User, "p")), websites: None };
    let visitor = Entry::Visitor { shard: 0, id: PersonId::new("v").unwrap() };
    for (topic, entry) in [(&of_site, member), (&of_organization, visitor)] {
        let change = Said::Change { before: 0, at: 1, change: Change::Put(entry.clone()) };
        net.nodes[1].ledger.handle_said(Some(topic), NodeId(9), change, 1);
        let state = Said::State { at: 2, part: 0, parts: 1, entries: vec![entry] };
        net.nodes[1].ledger.handle_said(Some(topic), NodeId(9), state, 1);
        // Neither are events of an organization, nor parts that follow nothing.
        net.nodes[1].ledger.handle_said(
            Some(topic),
            NodeId(9),
            Said::State { at: 3, part: 7, parts: 8, entries: vec![] },
            1,
        );
    }
    net.nodes[1].ledger.handle_said(
        Some(&of_organization),
        NodeId(9),
        Said::Live { before: 0, at: 4, live: Live::Events(vec![]) },
        1,
    );
    net.nodes[1].ledger.handle_said(None, NodeId(9), Said::Live { before: 0, at: 4, live: Live::Events(vec![]) }, 1);
    net.collect(1);
    assert!(net.nodes[1].view.0.is_empty() && net.nodes[1].ledger.entries == 0);
}

#[test]
fn a_node_that_missed_what_its_shards_did_tells_all_anew() {
    let mut net = Net::new(2);
    net.follow(1, true);
    net.happens(0, 0, true);
    net.happens(0, 2, true);
    net.settle();
    assert!(net.is_true_at(1));
    // The end of typing is lost on its way to the ledger, and so is that somebody follows what is said elsewhere.
    let (end, now_ms) = (deed(net.id(0), 2, false), net.now_ms);
    net.nodes[0].own.hear(&end);
    net.happens(1, 1, true);
    net.nodes[0].ledger.begin_anew(&topics(), now_ms);
    net.collect(0);
    // The shards tell what stands.
    net.happens(0, 0, true);
    net.passes(RENEW_MS + 2 * ASK_MS, &[0, 1]);
    assert!(net.is_true_at(1), "{:?}", net.nodes[1].view);
    assert!(net.is_true_at(0), "{:?}", net.nodes[0].view);
}
