//! The websites of which a shard has subscribers, and the order of their events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cossistant_protocol::{ConversationId, PersonId};

use super::conversation::Conversation;
use super::{ConnRef, Effect, Hub};
use crate::bus::Notice;
use crate::event::Event;
use crate::store::SiteKey;

/// The most early events that a website holds before it relies on the store.
const MAX_HELD: usize = 4_096;

/// How often in a row the store may have nothing of what is waited for before what came early is forgotten: a node
/// that tells of what was never stored must not keep the store busy.
const MAX_FRUITLESS: u8 = 50;

/// A website with local subscribers or with something going on.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) key: SiteKey,
    /// The offset of the next event to deliver; `None` until the first snapshot says where the website stands.
    pub(crate) next: Option<u64>,
    /// Where the first snapshot stood.
    pub(crate) began_at: u64,
    /// Events that came before their turn.
    held: BTreeMap<u64, Arc<Event>>,
    /// Connections that wait for the website to reach a snapshot's offset.
    pub(crate) waiting: Vec<ConnRef>,
    /// Connections that hold the website itself.
    pub(crate) team: Vec<u32>,
    pub(crate) conversations: HashMap<ConversationId, Conversation>,
    /// Conversations here that team members hold, by their visitor.
    pub(crate) by_visitor: HashMap<PersonId, Vec<ConversationId>>,
    /// How many links and local visitors need it.
    pub(crate) users: usize,
    is_gap_timed: bool,
    is_filling: bool,
    /// Something may have been stored, or lost, while it was being read: that reading may have come too soon for it.
    must_fill_again: bool,
    /// The store could not be read when something may have been missing.
    must_fill: bool,
    /// The newest offset that the store is known to have; 0 once that was read.
    reached: u64,
    /// How often in a row the store had nothing that was missing.
    fruitless: u8,
}

/// The websites of a shard.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    by_key: HashMap<SiteKey, u32>,
    slots: Vec<Option<Site>>,
    free: Vec<u32>,
}

impl Sites {
    pub(crate) fn find(&self, key: &SiteKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, site: u32) -> Option<&Site> {
        self.slots.get(site as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, site: u32) -> Option<&mut Site> {
        self.slots.get_mut(site as usize)?.as_mut()
    }

    /// The slot of a website, made if there is none.
    pub(crate) fn entry(&mut self, key: &SiteKey) -> u32 {
        if let Some(site) = self.find(key) {
            return site;
        }
        let site = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer websites than a u32 counts")
        });
        self.slots[site as usize] = Some(Site {
            key: key.clone(),
            next: None,
            began_at: 0,
            held: BTreeMap::new(),
            waiting: Vec::new(),
            team: Vec::new(),
            conversations: HashMap::new(),
            by_visitor: HashMap::new(),
            users: 0,
            is_gap_timed: false,
            is_filling: false,
            must_fill_again: false,
            must_fill: false,
            reached: 0,
            fruitless: 0,
        });
        self.by_key.insert(key.clone(), site);
        site
    }

    /// Forgets a website that nobody needs and where nothing goes on.
    pub(crate) fn forget_idle(&mut self, site: u32) {
        if self.get(site).is_some_and(|site| site.users == 0 && site.conversations.is_empty()) {
            if let Some(gone) = self.slots[site as usize].take() {
                self.by_key.remove(&gone.key);
            }
            self.free.push(site);
        }
    }

    pub(crate) fn keys(&self) -> Vec<(u32, SiteKey)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, site)| Some((u32::try_from(at).ok()?, site.as_ref()?.key.clone())))
            .collect()
    }
}

impl Site {
    /// Whether something is to come that may have been lost.
    fn is_waiting(&self) -> bool {
        let is_behind = self.next.is_some_and(|next| next <= self.reached);
        !self.held.is_empty() || !self.waiting.is_empty() || self.must_fill || is_behind
    }

    /// A conversation, made if there is none.
    pub(crate) fn conversation(&mut self, id: &ConversationId) -> &mut Conversation {
        if !self.conversations.contains_key(id) {
            self.conversations.insert(id.clone(), Conversation::default());
        }
        self.conversations.get_mut(id).expect("it was put there just now")
    }

    /// Whether anybody here may have to be told of what goes on in a conversation.
    pub(crate) fn has_listeners(&self, id: &ConversationId) -> bool {
        let here = self.conversations.get(id);
        !self.team.is_empty() || here.is_some_and(|here| !here.team.is_empty() || !here.visitors.is_empty())
    }

    pub(crate) fn forget_idle_conversation(&mut self, id: &ConversationId) {
        if self.conversations.get(id).is_some_and(Conversation::is_idle) {
            self.conversations.remove(id);
        }
    }
}

impl Hub {
    /// Takes committed events of one website, in any order, each any number of times.
    pub(crate) fn handle_events(&mut self, events: &[Arc<Event>]) {
        let Some(first) = events.first() else { return };
        let Some(site) = self.sites.find(&first.site) else { return };
        for event in events {
            self.take_event(site, event);
        }
        self.advance(site);
    }

    fn take_event(&mut self, site: u32, event: &Arc<Event>) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        match slot.next {
            // The common case: it is the next one.
            Some(next) if event.offset == next && slot.held.is_empty() => {
                slot.next = Some(next + 1);
                self.deliver(site, event);
            }
            Some(next) if event.offset < next => {}
            // Nobody here listens; what goes on in it needs no events.
            None if slot.users == 0 => {}
            // So far ahead that the store is asked anyway.
            Some(next) if event.offset - next > MAX_HELD as u64 => slot.must_fill = true,
            Some(_) | None => {
                slot.held.insert(event.offset, Arc::clone(event));
                while slot.held.len() > MAX_HELD {
                    slot.held.pop_last();
                }
            }
        }
    }

    /// Delivers what is next, and sees to it that a hole is filled.
    fn advance(&mut self, site: u32) {
        while let Some(slot) = self.sites.get_mut(site) {
            let Some(next) = slot.next else { return };
            match slot.held.first_key_value() {
                Some((offset, _)) if *offset < next => {
                    slot.held.pop_first();
                }
                Some((offset, _)) if *offset == next => {
                    let Some((_, event)) = slot.held.pop_first() else { return };
                    slot.next = Some(next + 1);
                    self.deliver(site, &event);
                }
                Some(_) | None => break,
            }
        }
        self.resume_waiting(site);
        self.watch_gap(site);
    }

    /// Says where a website stands, if that is not known yet.
    pub(crate) fn begin_site(&mut self, site: u32, head: u64) {
        if let Some(slot) = self.sites.get_mut(site)
            && slot.next.is_none()
        {
            slot.next = Some(head + 1);
            slot.began_at = head;
            self.advance(site);
        }
    }

    /// Wakes the connections whose snapshot the website has reached.
    fn resume_waiting(&mut self, site: u32) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        if slot.waiting.is_empty() {
            return;
        }
        for at in std::mem::take(&mut slot.waiting) {
            self.resume_work(at);
        }
    }

    /// If something is missing, looks again in a moment.
    pub(crate) fn watch_gap(&mut self, site: u32) {
        if let Some(slot) = self.sites.get_mut(site)
            && slot.next.is_some()
            && slot.is_waiting()
            && !slot.is_gap_timed
            && !slot.is_filling
        {
            slot.is_gap_timed = true;
            self.effects.push(Effect::GapTimer { site });
        }
    }

    /// The moment is over: what is still missing is read from the store.
    pub(crate) fn handle_gap(&mut self, site: u32) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        slot.is_gap_timed = false;
        if slot.is_waiting() {
            self.fill(site);
        }
    }

    /// Reads from the store what may have been lost on the way.
    pub(crate) fn fill(&mut self, site: u32) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        let Some(next) = slot.next else { return };
        if slot.is_filling {
            slot.must_fill_again = true;
        } else {
            slot.is_filling = true;
            let key = slot.key.clone();
            self.effects.push(Effect::Fill { site, key, after: next - 1 });
        }
    }

    /// Takes what the store had; `None` if it could not be read.
    pub(crate) fn handle_fill(&mut self, site: u32, key: &SiteKey, filled: Option<(Vec<Arc<Event>>, bool)>) {
        match self.sites.get_mut(site) {
            Some(slot) if slot.key == *key => {
                slot.is_filling = false;
                slot.must_fill = std::mem::take(&mut slot.must_fill_again) || filled.is_none();
                if let Some((events, _)) = &filled {
                    slot.reached = 0;
                    slot.fruitless = if events.is_empty() { slot.fruitless.saturating_add(1) } else { 0 };
                    if slot.fruitless >= MAX_FRUITLESS {
                        slot.held.clear();
                        slot.fruitless = 0;
                    }
                }
            }
            Some(_) | None => return,
        }
        let has_more = filled.as_ref().is_some_and(|(_, has_more)| *has_more);
        for event in filled.iter().flat_map(|(events, _)| events) {
            self.take_event(site, event);
            // Whoever told of it has told this too, and it may be lost as well; other nodes see for themselves.
            if let Some(visitor) = event.moves.clone() {
                let notice = Notice::OpenConversations { site: event.site.clone(), visitor };
                self.effects.push(Effect::TellHere(notice));
            }
        }
        self.advance(site);
        if has_more {
            self.fill(site);
        }
    }

    /// Takes how far websites have come in the store: what does not come by itself in a moment is read from there.
    pub(crate) fn handle_heads(&mut self, heads: &[(SiteKey, u64)]) {
        for (key, head) in heads {
            let Some(site) = self.sites.find(key) else {
                // Nobody here listens. Who comes to listen is told of visitors what was last told of them.
                let is_new = self.presence.has_visitors(key) && self.unheard.insert(key.clone());
                // Now and then, so that those are forgotten who have gone since.
                if is_new && self.unheard.len().is_power_of_two() {
                    self.unheard.retain(|site| self.presence.has_visitors(site));
                }
                continue;
            };
            if let Some(slot) = self.sites.get_mut(site) {
                slot.reached = slot.reached.max(*head);
                slot.must_fill_again |= slot.is_filling;
            }
            self.watch_gap(site);
        }
    }

    /// A connection has its first subscription on a website.
    pub(super) fn take_up_site(&mut self, site: u32) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        slot.users += 1;
        if slot.users == 1 {
            let key = slot.key.clone();
            self.follow_site(&key, true);
            if self.unheard.remove(&key) {
                self.effects.push(Effect::TellHere(Notice::Doubt { site: key, for_ms: 0 }));
            }
        }
    }

    /// A connection has no subscription on a website any more. Without any, one need not hear what happens on it, so
    /// where it stands is known no longer.
    pub(super) fn leave_site(&mut self, site: u32) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        slot.users -= 1;
        if slot.users == 0 {
            slot.next = None;
            slot.held.clear();
            (slot.must_fill, slot.must_fill_again, slot.reached) = (false, false, 0);
            let key = slot.key.clone();
            self.follow_site(&key, false);
        }
        self.sites.forget_idle(site);
    }

    /// Notices were lost: every website is compared with the store.
    pub(crate) fn fill_all(&mut self) {
        for (site, _) in self.sites.keys() {
            self.fill(site);
        }
    }
}
