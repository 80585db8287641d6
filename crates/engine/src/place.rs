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
use crate::subscription::{Ask, News, Place, Subscription, Subscriptions};
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

/// How far each conversation that nobody holds was seen, through its website or while it was held.
#[derive(Debug, Default)]
pub(crate) struct Unheld<T>(Vec<(T, u64)>);

impl<T: Text> Unheld<T> {
    pub(crate) fn visit_texts(&self, visit: &mut dyn FnMut(&T)) {
        self.0.iter().for_each(|(conversation, _)| visit(conversation));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn seq(&self, conversation: &T) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == conversation).map(|(_, seq)| *seq)
    }

    pub(crate) fn remember(&mut self, conversation: &T, seq: u64) {
        if let Some((_, seen)) = self.0.iter_mut().find(|(known, _)| known == conversation) {
            *seen = seq;
            return;
        }
        if self.0.len() >= MAX_UNHELD {
            self.0.remove(0);
        }
        self.0.push((conversation.clone(), seq));
    }

    pub(crate) fn take(&mut self, conversation: &T) -> Option<u64> {
        let index = self.0.iter().position(|(known, _)| known == conversation)?;
        Some(self.0.remove(index).1)
    }
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
    /// place is news only to the website, if that is live and has not seen it.
    fn is_news(&self, seq: u64, has_website_seen: Option<bool>) -> bool {
        match (self.delivered, &self.place) {
            (Some(delivered), _) => seq > delivered,
            (None, Some(place)) => seq > place.at || has_website_seen == Some(false),
            (None, None) => has_website_seen != Some(true),
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

    /// Something is missing before `next`. The first hole at a place asks for a reconnect; the second one is lived
    /// with, and told. Whether it is the first.
    fn meets_hole(&mut self, next: u64, news: &mut Vec<(Channel<T>, News<T>)>) -> bool {
        let at = Some(self.at());
        if self.hole_at != at {
            self.hole_at = at;
            return true;
        }
        if let Some(place) = &mut self.place {
            place.at = next - 1;
        }
        self.ahead.retain(|&ahead| ahead > next);
        news.push((self.channel.clone(), News::Hole));
        false
    }

    fn find_ahead(&self, offset: u64) -> Option<usize> {
        self.ahead.iter().position(|&ahead| ahead == offset)
    }

    fn has_seen_offset(&self, offset: u64) -> bool {
        offset <= self.at() || self.find_ahead(offset).is_some()
    }

    /// Whether this website's event shows that another one is missing. `is_borne`: something else may have brought it
    /// early, so that those before it are still to come.
    fn has_jump(&self, offset: u64, is_borne: bool) -> bool {
        if !self.is_live() || self.has_seen_offset(offset) || (is_borne && self.ahead.len() < MAX_AHEAD) {
            return false;
        }
        (later(self.at(), 1)..offset).take(MAX_AHEAD + 1).any(|missing| self.find_ahead(missing).is_none())
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
        let Self { list, unheld, epoch, news } = self;
        let seq = event.seq;
        let mut conversation = None;
        let mut website = None;
        let mut is_any_replaying = false;
        for known in list {
            match &known.channel {
                Channel::Conversation(id) => {
                    is_any_replaying |= known.is_replaying();
                    if id == event.conversation {
                        conversation = Some(known);
                    }
                }
                Channel::Website(id) => {
                    if event.offset.is_some() && id == event.website {
                        website = Some(known);
                    }
                }
            }
        }
        let seen = unheld.seq(event.conversation);
        let offset = event.offset.unwrap_or(0);

        if let Some(held) = &mut conversation
            && held.is_live()
            && seq > later(held.at(), 1)
            && held.meets_hole(seq, news)
        {
            return Verdict::Loss;
        }
        if let Some(website) = &mut website {
            let live = conversation.as_ref().filter(|held| held.is_live());
            let is_by_replay = live.is_some_and(|held| seq <= held.head);
            // What is followed through the website alone is without gaps of its own.
            let has_gap = conversation.is_none() && seen.is_some_and(|seen| seq > later(seen, 1));
            let is_early_bird = is_any_replaying || is_by_replay || (live.is_some() && website.is_replaying());
            if website.has_jump(offset, is_early_bird && !has_gap) && website.meets_hole(offset, news) {
                return Verdict::Loss;
            }
        }

        // What comes before it is confirmed was not brought by the present wish for it.
        let live_website = website.as_ref().filter(|website| website.is_live());
        let has_website_seen = live_website.map(|website| website.has_seen_offset(offset));
        let is_news = match &conversation {
            Some(held) if held.must_wait_for(seq) => false,
            Some(held) => held.is_news(seq, has_website_seen),
            None => seen.map_or(has_website_seen != Some(true), |seen| seq > seen),
        };

        let epoch = epoch.clone().unwrap_or_default();
        // A website that is yet to be resumed may be spared what its conversations have brought.
        if let Some(website) = website
            && website.place.is_some()
        {
            website.note_offset(offset, &epoch);
        }
        if !is_news {
            return Verdict::Duplicate;
        }
        if let Some(held) = conversation {
            held.delivered = Some(seq);
            if seq > held.at() {
                held.move_to(seq, &epoch);
            }
        } else {
            // Also when it comes late, to nobody any more: it may come so twice.
            unheld.remember(event.conversation, seq);
        }
        Verdict::Deliver
    }
}
