//! Which event is news, which is an echo, and which one shows that something is missing.
//!
//! An event has a place in its conversation (`seq`) and, for the team, one in its website (`offset`). It may
//! reach a connection by a subscription to either, live or in a replay, and does not say by which. So
//! the two orders are kept apart:
//!
//! - Whether an event is **news** is decided by its conversation: it is, if its `seq` is beyond what was
//!   delivered of that conversation. Where nothing is known of the conversation, its website decides.
//!   An event that comes by its website while its conversation is still to be resumed further back is left to
//!   that resumption.
//! - A **jump of `seq`** is a loss if the conversation's subscription is live.
//! - A **jump of `offset`** is a loss if the website's subscription is live and nothing else can have brought the
//!   event early. A replay of a conversation can, and so can the live delivery of a conversation
//!   while the website is still being replayed. Such offsets are remembered as seen ahead.
//!
//! The answer to a loss is a reconnect, which resumes behind the last place. A hole that is still there
//! after that is one of the server's: it is told as a resync, once, and the channel goes on behind it.

use crate::config::later;
use crate::input::Channel;
use crate::subscription::{Ask, Place, Subscription, Subscriptions};
use crate::text::Text;

/// Offsets seen ahead that are remembered; more than that is taken for a loss.
const MAX_AHEAD: usize = 1_024;

/// Conversations that nobody holds and that are remembered; the one known longest is forgotten beyond it.
const MAX_UNHELD: usize = 1_024;

/// What to do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is news.
    Deliver,
    /// It was delivered before, or will come again in its turn.
    Duplicate,
    /// Something before it is missing: reconnect.
    Loss,
}

/// An event's places.
#[derive(Debug)]
pub(crate) struct Places<'a, T> {
    pub(crate) conversation: &'a T,
    pub(crate) website: &'a T,
    pub(crate) seq: u64,
    pub(crate) offset: Option<u64>,
}

/// How far a conversation that nobody holds was seen, through its website or while it was held.
#[derive(Debug)]
pub(crate) struct Unheld<T> {
    pub(crate) conversation: T,
    seq: u64,
}

impl<T: Text> Subscription<T> {
    fn is_live(&self) -> bool {
        matches!(self.ask, Ask::Confirmed)
    }

    fn at(&self) -> u64 {
        self.place.as_ref().map_or(0, |place| place.at)
    }

    /// Events up to `head` are still to come.
    fn is_replaying(&self) -> bool {
        self.is_live() && self.at() < self.head
    }

    /// Whether this conversation's event is news. Where nothing of it was delivered yet, what is not beyond its
    /// place is news only to the website.
    fn is_news(&self, seq: u64, has_website_seen: bool) -> bool {
        match (self.delivered, &self.place) {
            (Some(delivered), _) => seq > delivered,
            (None, Some(place)) if seq > place.at => true,
            (None, _) => !has_website_seen,
        }
    }

    /// Whether the website brings an event too early: the resumption that is still to come will bring those
    /// before it, and then this one again.
    fn must_wait_for(&self, seq: u64) -> bool {
        let is_resuming = match &self.ask {
            Ask::Wanted { .. } | Ask::Asked { .. } | Ask::Unavailable { .. } => true,
            Ask::Confirmed | Ask::Refused { .. } => false,
        };
        is_resuming && self.place.as_ref().is_some_and(|place| seq > later(place.at, 1))
    }

    /// The first hole at this place asks for a reconnect; the second one is lived with.
    fn is_new_hole(&mut self) -> bool {
        let at = Some(self.at());
        if self.hole_at == at {
            return false;
        }
        self.hole_at = at;
        true
    }

    fn find_ahead(&self, offset: u64) -> Option<usize> {
        self.ahead.iter().position(|&ahead| ahead == offset)
    }

    fn has_seen_offset(&self, offset: u64) -> bool {
        offset <= self.at() || self.find_ahead(offset).is_some()
    }

    fn note_offset(&mut self, offset: u64, epoch: &T) {
        if self.has_seen_offset(offset) || self.ahead.len() > MAX_AHEAD {
            return;
        }
        self.ahead.push(offset);
        let mut at = self.at();
        while let Some(index) = self.find_ahead(later(at, 1)) {
            self.ahead.swap_remove(index);
            at = later(at, 1);
        }
        self.move_to(at, epoch);
    }

    fn move_to(&mut self, at: u64, epoch: &T) {
        match &mut self.place {
            Some(place) => place.at = at,
            None => self.place = Some(Place::new(at, epoch)),
        }
    }
}

impl<T: Text> Subscriptions<T> {
    /// Judges an event, and moves the places of its conversation and its website unless it shows a loss.
    pub(crate) fn judge(&mut self, event: &Places<'_, T>) -> Verdict {
        let conversation =
            self.find_index(|channel| matches!(channel, Channel::Conversation(id) if id == event.conversation));
        let website = event
            .offset
            .and_then(|_| self.find_index(|channel| matches!(channel, Channel::Website(id) if id == event.website)));
        if self.has_jump(event, conversation) || self.has_website_jump(event, conversation, website) {
            return Verdict::Loss;
        }

        let offset = event.offset.unwrap_or(0);
        let has_website_seen = website
            .and_then(|index| self.list.get(index))
            .is_some_and(|website| website.is_live() && website.has_seen_offset(offset));
        let is_news = match conversation.and_then(|index| self.list.get(index)) {
            Some(held) if held.must_wait_for(event.seq) => false,
            Some(held) => held.is_news(event.seq, has_website_seen),
            None => self.unheld_seq(event.conversation).map_or(!has_website_seen, |seen| event.seq > seen),
        };

        let epoch = self.epoch.clone().unwrap_or_default();
        // A website that is yet to be resumed may be spared what its conversations have brought.
        if let Some(website) = website.and_then(|index| self.list.get_mut(index))
            && website.place.is_some()
        {
            website.note_offset(offset, &epoch);
        }
        if is_news {
            self.note_seq(event, conversation, website.is_some(), &epoch);
            Verdict::Deliver
        } else {
            Verdict::Duplicate
        }
    }

    fn has_jump(&mut self, event: &Places<'_, T>, conversation: Option<usize>) -> bool {
        let Some(held) = conversation.and_then(|index| self.list.get_mut(index)) else {
            return false;
        };
        if !held.is_live() || event.seq <= later(held.at(), 1) {
            return false;
        }
        if held.is_new_hole() {
            return true;
        }
        if let Some(place) = &mut held.place {
            place.at = event.seq - 1;
        }
        let channel = held.channel.clone();
        self.resyncs.push(channel);
        false
    }

    fn has_website_jump(&mut self, event: &Places<'_, T>, conversation: Option<usize>, website: Option<usize>) -> bool {
        let (Some(index), Some(offset)) = (website, event.offset) else {
            return false;
        };
        let is_any_replaying = self.list.iter().any(|subscription| {
            matches!(subscription.channel, Channel::Conversation(_)) && subscription.is_replaying()
        });
        let live = conversation.and_then(|index| self.list.get(index)).filter(|held| held.is_live());
        let is_by_replay = live.is_some_and(|held| event.seq <= held.head);
        let is_by_conversation = live.is_some();
        // What is followed through the website alone is without gaps of its own.
        let has_gap = conversation.is_none()
            && self.unheld_seq(event.conversation).is_some_and(|seen| event.seq > later(seen, 1));
        let Some(website) = self.list.get_mut(index) else {
            return false;
        };
        if !website.is_live() || website.has_seen_offset(offset) {
            return false;
        }
        let is_early_bird = is_any_replaying || is_by_replay || (is_by_conversation && website.is_replaying());
        let has_hole =
            (later(website.at(), 1)..offset).take(MAX_AHEAD + 1).any(|missing| website.find_ahead(missing).is_none());
        let is_borne = is_early_bird && !has_gap && website.ahead.len() < MAX_AHEAD;
        if !has_hole || is_borne {
            return false;
        }
        if website.is_new_hole() {
            return true;
        }
        if let Some(place) = &mut website.place {
            place.at = offset - 1;
        }
        website.ahead.retain(|&ahead| ahead > offset);
        let channel = website.channel.clone();
        self.resyncs.push(channel);
        false
    }

    fn note_seq(&mut self, event: &Places<'_, T>, conversation: Option<usize>, is_website_wanted: bool, epoch: &T) {
        if let Some(held) = conversation.and_then(|index| self.list.get_mut(index)) {
            held.delivered = Some(event.seq);
            if event.seq > held.at() {
                held.move_to(event.seq, epoch);
            }
        } else if is_website_wanted || self.unheld_seq(event.conversation).is_some() {
            self.remember_unheld(event.conversation, event.seq);
        }
    }

    fn unheld_seq(&self, conversation: &T) -> Option<u64> {
        self.unheld.iter().find(|unheld| unheld.conversation == *conversation).map(|unheld| unheld.seq)
    }

    pub(crate) fn remember_unheld(&mut self, conversation: &T, seq: u64) {
        if let Some(unheld) = self.unheld.iter_mut().find(|unheld| unheld.conversation == *conversation) {
            unheld.seq = seq;
            return;
        }
        if self.unheld.len() >= MAX_UNHELD {
            self.unheld.remove(0);
        }
        self.unheld.push(Unheld { conversation: conversation.clone(), seq });
    }

    pub(crate) fn take_unheld(&mut self, conversation: &T) -> Option<u64> {
        let index = self.unheld.iter().position(|unheld| unheld.conversation == *conversation)?;
        Some(self.unheld.remove(index).seq)
    }
}
