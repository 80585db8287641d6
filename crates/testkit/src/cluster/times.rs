//! How long things took: from a message to its acknowledgement, and from there to its readers on other nodes.

use std::collections::HashMap;
use std::time::Duration;

use super::judge::Word;

/// How late a message may be that crosses from node to node without a bus. Nodes look into the store once a second; the
/// rest is for the look itself. What the program's own timers were late by meanwhile is added: so late is the machine.
const WITHOUT_BUS: Duration = Duration::from_millis(1_500);

/// A message that came to a reader.
#[derive(Clone, Copy, Debug)]
struct Receipt {
    node: usize,
    /// Since when the reader was there without a break.
    live_since: Duration,
    at: Duration,
}

/// A message that was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Acked {
    node: usize,
    at: Duration,
}

/// The way of a message from node to node.
#[derive(Clone, Copy, Debug)]
struct Way {
    from: Acked,
    to: Receipt,
}

impl Way {
    /// None for a message that came before its acknowledgement.
    fn took(&self) -> Duration {
        self.to.at.saturating_sub(self.from.at)
    }

    fn was_live(&self) -> bool {
        self.to.live_since <= self.from.at
    }
}

/// A time for which nodes could not talk to each other, or one of them could not.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Duration,
    until: Option<Duration>,
    /// The node that was cut off; none when all were.
    node: Option<usize>,
}

impl Outage {
    /// Whether any part of a message's way fell into it.
    fn meets(&self, way: &Way) -> bool {
        let is_cut = self.node.is_none_or(|node| node == way.from.node || node == way.to.node);
        is_cut && self.since <= way.to.at.max(way.from.at) && self.until.is_none_or(|until| way.from.at <= until)
    }
}

/// The times of one round.
#[derive(Debug, Default)]
pub(super) struct Times {
    acked: HashMap<Word, Acked>,
    /// What came before its acknowledgement.
    early: HashMap<Word, Vec<Receipt>>,
    acks: Vec<Duration>,
    ways: Vec<Way>,
    outages: Vec<Outage>,
    /// When a timer of this program was late, and by how much.
    late: Vec<(Duration, Duration)>,
}

impl Times {
    /// A message was acknowledged by a node, so long after it was sent first.
    pub(super) fn acked(&mut self, word: Word, node: usize, at: Duration, took: Duration) {
        self.acks.push(took);
        let from = Acked { node, at };
        self.acked.insert(word, from);
        for to in self.early.remove(&word).unwrap_or_default() {
            self.cross(from, to);
        }
    }

    /// A message came to a reader.
    pub(super) fn heard(&mut self, word: Word, node: usize, live_since: Duration, at: Duration) {
        let to = Receipt { node, live_since, at };
        match self.acked.get(&word) {
            Some(from) => self.cross(*from, to),
            None => self.early.entry(word).or_default().push(to),
        }
    }

    fn cross(&mut self, from: Acked, to: Receipt) {
        if from.node != to.node {
            self.ways.push(Way { from, to });
        }
    }

    /// The bus is away: for all, or for one node.
    pub(super) fn outage_begins(&mut self, at: Duration, node: Option<usize>) {
        self.outages.push(Outage { since: at, until: None, node });
    }

    pub(super) fn outage_ends(&mut self, at: Duration) {
        if let Some(outage) = self.outages.last_mut() {
            outage.until = Some(at);
        }
    }

    /// A timer was late.
    pub(super) fn was_late(&mut self, at: Duration, by: Duration) {
        self.late.push((at, by));
    }

    /// By how much a timer was late at the most between two moments.
    pub(super) fn latest(&self, since: Duration, until: Duration) -> Duration {
        let within = self.late.iter().filter(|(at, by)| *at >= since && at.saturating_sub(*by) <= until);
        within.map(|(_, by)| *by).max().unwrap_or_default()
    }

    /// What the round came to; the next one begins.
    pub(super) fn take(&mut self, now: Duration) -> Summary {
        let round = std::mem::take(self);
        let meets = |way: &Way| round.outages.iter().any(|outage| outage.meets(way));
        let without_bus: Vec<&Way> = round.ways.iter().filter(|way| way.was_live() && meets(way)).collect();
        let bound = |way: &Way| WITHOUT_BUS + round.latest(way.from.at, way.to.at);
        let too_late = without_bus.iter().map(|way| (way.took(), bound(way))).filter(|(took, bound)| took > bound);
        Summary {
            acks: Spread::of(round.acks.clone()),
            deliveries: Spread::of(round.ways.iter().map(Way::took).collect()),
            outage: round.outages.iter().map(|outage| outage.until.unwrap_or(now) - outage.since).sum(),
            too_late: too_late.max_by_key(|(took, bound)| *took - *bound),
            without_bus: Spread::of(without_bus.iter().map(|way| way.took()).collect()),
        }
    }
}

/// The times of one round, in short.
#[derive(Debug)]
pub(super) struct Summary {
    /// From the first try of a message to its acknowledgement.
    pub(super) acks: Spread,
    /// From the acknowledgement to all readers on other nodes, those that were away meanwhile too.
    pub(super) deliveries: Spread,
    /// How long the bus was away.
    pub(super) outage: Duration,
    /// The same of readers that were there all the time, for messages that had any of their way without the bus.
    pub(super) without_bus: Spread,
    /// How long one of these took that took longer than it may, and how long it may: by as much as no other.
    pub(super) too_late: Option<(Duration, Duration)>,
}

/// How some durations are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) count: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

impl Spread {
    pub(super) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let at = |percent: usize| {
            // The smallest that so many of a hundred do not exceed.
            let rank = (durations.len() * percent).div_ceil(100).saturating_sub(1);
            durations.get(rank).copied().unwrap_or_default()
        };
        Self { count: durations.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        write!(formatter, "p50 {:.0}, p99 {:.0}, max {:.0} ms", ms(self.p50), ms(self.p99), ms(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::Voice;
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn word(number: u64) -> Word {
        Word { talk: 0, voice: Voice::Visitor, number }
    }

    #[test]
    fn spreads_are_by_rank() {
        assert_eq!(Spread::of(Vec::new()), Spread::default());
        let spread = Spread::of((1..=200).rev().map(ms).collect());
        assert_eq!((spread.p50, spread.p99, spread.max), (ms(100), ms(198), ms(200)));
        assert_eq!(Spread::of(vec![ms(7)]).p50, ms(7));
    }

    #[test]
    fn only_ways_between_nodes_count_and_what_came_first_took_no_time() {
        let mut times = Times::default();
        times.heard(word(1), 1, ms(0), ms(90));
        times.acked(word(1), 0, ms(100), ms(20));
        times.heard(word(1), 0, ms(0), ms(110));
        times.heard(word(1), 2, ms(0), ms(130));
        let summary = times.take(ms(200));
        assert_eq!((summary.deliveries.count, summary.deliveries.max), (2, ms(30)));
        assert_eq!((summary.acks.max, summary.without_bus.count), (ms(20), 0));
    }

    #[test]
    fn a_message_may_be_as_late_as_timers_were_meanwhile() {
        let late = |late_at| {
            let mut times = Times::default();
            times.outage_begins(ms(0), None);
            times.acked(word(1), 0, ms(1_000), ms(1));
            times.heard(word(1), 1, ms(0), ms(2_600));
            times.was_late(ms(late_at), ms(300));
            times.take(ms(20_000)).too_late
        };
        assert_eq!(late(2_000), None);
        let too_late = Some((ms(1_600), WITHOUT_BUS));
        assert_eq!((late(900), late(6_000)), (too_late, too_late), "what was late before or behind it is no excuse");
    }

    #[test]
    fn what_crosses_without_the_bus_is_told_apart_by_time_node_and_presence() {
        let mut times = Times::default();
        let cross = |times: &mut Times, number, acked, heard, node, live_since| {
            times.acked(word(number), 0, ms(acked), ms(1));
            times.heard(word(number), node, ms(live_since), ms(heard));
        };
        cross(&mut times, 1, 50, 90, 1, 0);
        times.outage_begins(ms(100), Some(1));
        // Its way began before and ended within.
        cross(&mut times, 2, 95, 700, 1, 0);
        cross(&mut times, 3, 200, 1_100, 1, 0);
        // Between others; and to one who was not there all the time.
        cross(&mut times, 4, 200, 210, 2, 0);
        cross(&mut times, 5, 200, 5_000, 1, 4_000);
        times.outage_ends(ms(2_000));
        cross(&mut times, 6, 2_001, 9_000, 1, 0);
        times.was_late(ms(1_000), ms(40));
        times.was_late(ms(90), ms(80));
        let summary = times.take(ms(9_000));
        assert_eq!((summary.without_bus.count, summary.without_bus.max), (2, ms(900)));
        assert_eq!((summary.outage, summary.too_late), (ms(1_900), None));
        assert_eq!(times.take(ms(9_100)).acks.count, 0, "the next round begins at nothing");
    }
}
