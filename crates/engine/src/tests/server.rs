//! A toy server and a lossy network between it and an engine, all on one virtual clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Channel, Envelope, EnvelopeKind, Frame};

/// Seeded randomness for the tests.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// What the application gets of a server message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    Event { life: u64, conversation: String, seq: u64 },
    Confirmed { channel: Channel, head: u64 },
    Other,
}

pub(super) type Down = (Envelope, Shown);

#[derive(Debug, Clone)]
pub(super) struct Stored {
    conversation: String,
    seq: u64,
    offset: u64,
}

/// How this server behaves, within what a client must bear.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manners {
    /// Percentage of requests that are put off, or not answered at all.
    pub(super) refusing: u64,
    pub(super) ignoring: u64,
    /// Whether what a replay brought comes again by the other channel's replay.
    pub(super) repeats: bool,
    /// Whether a conversation may run ahead of its website while that is replayed.
    pub(super) runs_ahead: bool,
    /// Whether offsets are told.
    pub(super) is_for_team: bool,
    /// Percentage of events that are lost on the way, which no server may do.
    pub(super) losing: u64,
}

/// One website `w`, its conversations, and what was sent to them.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) life: u64,
    pub(super) log: Vec<Stored>,
    pub(super) heads: BTreeMap<String, u64>,
    pub(super) acked: BTreeMap<(String, String), u64>,
    /// Idempotency keys in the order in which they were stored, by conversation.
    pub(super) sent: BTreeMap<String, Vec<String>>,
    pub(super) manners: Manners,
}

/// The server's end of one connection: for each held channel the next place to send.
#[derive(Debug, Default)]
pub(super) struct ServerEnd {
    conversations: BTreeMap<String, u64>,
    website: Option<u64>,
    /// Up to here the website is replayed.
    website_head: u64,
    copies: BTreeSet<u64>,
}

impl Server {
    pub(super) fn head(&self, channel: &Channel) -> u64 {
        match channel {
            Channel::Conversation(id) => self.heads.get(id).copied().unwrap_or(0),
            Channel::Website(_) => self.log.len() as u64,
        }
    }

    pub(super) fn append(&mut self, conversation: &str) -> u64 {
        let head = self.heads.entry(String::from(conversation)).or_default();
        *head += 1;
        self.log.push(Stored {
            conversation: String::from(conversation),
            seq: *head,
            offset: self.log.len() as u64 + 1,
        });
        *head
    }

    /// The store comes back from a backup that lacks the newest `lost` events.
    pub(super) fn restore(&mut self, lost: usize) {
        self.life += 1;
        self.log.truncate(self.log.len().saturating_sub(lost));
        self.heads.clear();
        for stored in &self.log {
            self.heads.insert(stored.conversation.clone(), stored.seq);
        }
        self.acked.clear();
        self.sent.clear();
    }

    pub(super) fn greet() -> Down {
        let kind = EnvelopeKind::ConnectionEstablished { heartbeat_interval: Some(30_000), typing_interval: None };
        (Envelope { id: None, kind }, Shown::Other)
    }

    /// Answers a frame.
    pub(super) fn handle(&mut self, end: &mut ServerEnd, frame: Frame<String>, dice: &mut Dice) -> Vec<Down> {
        let other = |id: String, kind| vec![(Envelope { id: Some(id), kind }, Shown::Other)];
        match frame {
            Frame::Subscribe { id, channel, after, epoch } => self.subscribe(end, id, channel, (after, epoch), dice),
            Frame::Unsubscribe { id, channel } => {
                match &channel {
                    Channel::Conversation(conversation) => {
                        end.conversations.remove(conversation);
                    }
                    Channel::Website(_) => end.website = None,
                }
                let reason = None;
                other(id, EnvelopeKind::SubscriptionEnded { channel, reason })
            }
            Frame::SendMessage { id, conversation, payload } => {
                let error = |code: &str| EnvelopeKind::Error { code: String::from(code), retry_after: Some(300) };
                let key = (conversation.clone(), id.clone());
                if dice.chance(self.manners.ignoring) {
                    return Vec::new();
                }
                if payload == "bad" {
                    return other(id, error("conflict"));
                }
                if !self.acked.contains_key(&key) {
                    if dice.chance(self.manners.refusing) {
                        let code = ["unavailable", "rate_limited", "internal"][dice.roll(3) as usize];
                        return other(id, error(code));
                    }
                    let seq = self.append(&conversation);
                    self.acked.insert(key, seq);
                    self.sent.entry(conversation).or_default().push(id.clone());
                }
                other(id, EnvelopeKind::MessageAck)
            }
            Frame::Ping { id } => other(id, EnvelopeKind::Pong),
            Frame::Authenticate { id } => other(id, EnvelopeKind::Authenticated),
            Frame::Pass(_) | Frame::TypingStart { .. } | Frame::TypingProgress { .. } | Frame::TypingStop { .. } => {
                Vec::new()
            }
        }
    }

    fn subscribe(
        &mut self,
        end: &mut ServerEnd,
        id: String,
        channel: Channel,
        (after, epoch): (Option<u64>, Option<String>),
        dice: &mut Dice,
    ) -> Vec<Down> {
        let refusal = if channel == Channel::Conversation(String::from("forbidden")) {
            Some("not_found")
        } else if dice.chance(self.manners.refusing) {
            Some("unavailable")
        } else {
            None
        };
        if dice.chance(self.manners.ignoring) {
            return Vec::new();
        }
        if let Some(code) = refusal {
            let kind = EnvelopeKind::SubscriptionError { channel, code: String::from(code), retry_after: Some(200) };
            return vec![(Envelope { id: Some(id), kind }, Shown::Other)];
        }
        let head = self.head(&channel);
        let is_same_life = epoch.is_none_or(|epoch| epoch == self.life.to_string());
        let recovered = after.is_none_or(|after| is_same_life && after <= head && head - after <= 40);
        let next = match after {
            Some(after) if recovered => after + 1,
            Some(_) | None => head + 1,
        };
        match &channel {
            Channel::Conversation(conversation) => {
                // What is asked for is replayed, whatever else has brought it before.
                let is_of = |offset: &u64| {
                    let stored = self.log.get(*offset as usize - 1);
                    stored.is_some_and(|stored| stored.conversation == *conversation && stored.seq >= next)
                };
                end.copies.retain(|offset| !is_of(offset));
                end.conversations.insert(conversation.clone(), next);
            }
            Channel::Website(_) => {
                // A repeated request is answered in strict order.
                end.website_head = if end.website.is_none() { head } else { 0 };
                end.website = Some(next);
            }
        }
        let kind = EnvelopeKind::SubscriptionConfirmed {
            channel: channel.clone(),
            epoch: self.life.to_string(),
            head,
            recovered,
        };
        vec![(Envelope { id: Some(id), kind }, Shown::Confirmed { channel, head })]
    }

    /// The next event that this connection is owed, from whichever of its channels the dice choose.
    pub(super) fn next_event(&self, end: &mut ServerEnd, dice: &mut Dice) -> Option<Down> {
        let from_website = end.website.is_some() && dice.chance(50);
        self.next_of(end, from_website).or_else(|| self.next_of(end, !from_website))
    }

    fn next_of(&self, end: &mut ServerEnd, from_website: bool) -> Option<Down> {
        if from_website {
            return self.next_of_website(end);
        }
        let mut found = None;
        for (conversation, next) in &mut end.conversations {
            while let Some(stored) =
                self.log.iter().find(|stored| stored.conversation == *conversation && stored.seq == *next)
            {
                let is_sent = end.copies.contains(&stored.offset);
                let is_early = end.website.is_some_and(|website| website < stored.offset);
                let is_replaying = end.website.is_some_and(|website| website <= end.website_head);
                if is_early && !is_sent && !(self.manners.runs_ahead && is_replaying) {
                    break;
                }
                *next += 1;
                if !is_sent || self.manners.repeats {
                    found = Some(stored);
                    break;
                }
            }
            if found.is_some() {
                break;
            }
        }
        let stored = found?;
        end.copies.insert(stored.offset);
        Some(self.encode(stored))
    }

    fn next_of_website(&self, end: &mut ServerEnd) -> Option<Down> {
        loop {
            let next = end.website?;
            let stored = self.log.get(next as usize - 1)?;
            let is_sent = end.copies.contains(&stored.offset);
            if let Some(of_conversation) = end.conversations.get(&stored.conversation)
                && *of_conversation < stored.seq
                && !is_sent
            {
                // The conversation's own order comes first; its replay has not come this far.
                return None;
            }
            end.website = Some(next + 1);
            if !is_sent || self.manners.repeats {
                end.copies.insert(stored.offset);
                return Some(self.encode(stored));
            }
        }
    }

    fn encode(&self, stored: &Stored) -> Down {
        let kind = EnvelopeKind::Event {
            conversation: stored.conversation.clone(),
            website: String::from("w"),
            seq: stored.seq,
            offset: self.manners.is_for_team.then_some(stored.offset),
        };
        let shown = Shown::Event { life: self.life, conversation: stored.conversation.clone(), seq: stored.seq };
        (Envelope { id: None, kind }, shown)
    }
}

impl Server {
    /// Calls for each event of the website behind an offset.
    pub(super) fn check_website(&self, since: u64, mut check: impl FnMut(&str, u64)) {
        for stored in self.log.iter().skip(since as usize) {
            check(&stored.conversation, stored.seq);
        }
    }
}
