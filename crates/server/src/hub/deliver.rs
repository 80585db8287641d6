//! Who gets an event: the union of those who hold its conversation and those who hold its website, each once.

use std::sync::Arc;

use cossistant_protocol::{ConversationId, UserType};

use super::few::Few;
use super::outbox::MergeKey;
use super::{Conn, Hub, work};
use crate::event::{Event, Frame};
use crate::store::{Audience, PersonKey};

/// Who of a conversation's and its website's subscribers gets an ephemeral event.
pub(crate) struct Recipients<'a> {
    /// Never this person.
    pub(crate) except: Option<&'a PersonKey>,
    /// What the team gets.
    pub(crate) team: Option<&'a Frame>,
    /// What the visitor gets.
    pub(crate) visitor: Option<&'a Frame>,
    /// What a newer one of the same key replaces.
    pub(crate) key: MergeKey,
}

impl Hub {
    /// Hands a durable event to everyone whose turn it is; those who are catching up get it later.
    pub(super) fn deliver(&mut self, site: u32, event: &Arc<Event>) {
        let Some(slot) = self.sites.get_mut(site) else { return };
        // The lists are taken out while they are walked, since a delivery may close a slow reader.
        let website_team = std::mem::take(&mut slot.team);
        let (visitors, team) = match slot.conversations.get_mut(&event.conversation) {
            Some(conversation) => (std::mem::take(&mut conversation.visitors), std::mem::take(&mut conversation.team)),
            None => (Few::None, Few::None),
        };
        for index in &website_team {
            self.offer(*index, site, event, Audience::Team);
        }
        for index in &team {
            if !self.conn(*index).is_some_and(|conn| conn.holds_website(site)) {
                self.offer(*index, site, event, Audience::Team);
            }
        }
        if event.visitor.is_some() {
            for index in &visitors {
                self.offer(*index, site, event, Audience::Visitor);
            }
        }
        if let Some(slot) = self.sites.get_mut(site) {
            slot.team = website_team;
            if let Some(conversation) = slot.conversations.get_mut(&event.conversation) {
                conversation.visitors = visitors;
                conversation.team = team;
            }
        }
    }

    fn offer(&mut self, index: u32, site: u32, event: &Arc<Event>, audience: Audience) {
        let Some(conn) = &mut self.conns[index as usize] else { return };
        if let Some(work) = &mut conn.work
            && work.is_on(site)
        {
            work.hold(event);
            return;
        }
        if let Some(frame) = event.frame(audience) {
            self.push_durable(index, frame.clone());
        }
    }

    /// Hands an ephemeral event to those of a conversation and its website who may know.
    pub(super) fn deliver_ephemeral(&mut self, site: u32, conversation: &ConversationId, to: &Recipients<'_>) {
        let Some(slot) = self.sites.get(site) else { return };
        let is_told = |conn: &Conn| {
            !to.except.is_some_and(|person| conn.is(person)) && !work::is_taking_up(conn, site, Some(conversation))
        };
        let mut team: Vec<u32> = Vec::new();
        if to.team.is_some() {
            let website = slot.team.iter().filter(|index| {
                self.conn(**index).is_some_and(|conn| {
                    !to.except.is_some_and(|person| conn.is(person)) && !work::is_taking_up(conn, site, None)
                })
            });
            team.extend(website);
            let own = slot.conversations.get(conversation).into_iter().flat_map(|conversation| &conversation.team);
            let own = own.filter(|index| {
                self.conn(**index).is_some_and(|conn| {
                    is_told(conn) && (!conn.holds_website(site) || work::is_taking_up(conn, site, None))
                })
            });
            team.extend(own);
        }
        let mut visitors: Vec<u32> = Vec::new();
        if to.visitor.is_some() {
            let own = slot.conversations.get(conversation).into_iter().flat_map(|conversation| &conversation.visitors);
            visitors.extend(own.filter(|index| self.conn(**index).is_some_and(is_told)));
        }
        for (frame, indexes) in [(to.team, team), (to.visitor, visitors)] {
            let Some(frame) = frame else { continue };
            for index in indexes {
                self.push_ephemeral(index, frame, to.key);
            }
        }
    }

    /// Hands an event to every local connection of a website's visitors.
    pub(super) fn deliver_to_visitors(&mut self, site: &crate::store::SiteKey, frame: &Frame, key: MergeKey) {
        let indexes: Vec<u32> = self
            .indexes()
            .into_iter()
            .filter(|index| {
                self.conn(*index).is_some_and(|conn| {
                    conn.principal.kind == UserType::Visitor && conn.principal.visitor_site().as_ref() == Some(site)
                })
            })
            .collect();
        for index in indexes {
            self.push_ephemeral(index, frame, key);
        }
    }
}
