//! What the planted bugs of a simulation do inside of a hub. Built with the feature `sim` alone.

use std::sync::Arc;

use super::{Hub, LocalKey};
use crate::bus::PersonInfo;
use crate::event::Event;

impl Hub {
    /// Hands an event once more to those who hold both its conversation and its website.
    pub(crate) fn deliver_twice(&mut self, event: &Event) {
        let Some(site) = self.sites.find(&event.site) else { return };
        let is_double = |index: &u32| {
            let conn = self.conn(*index).filter(|conn| conn.work.is_none() && conn.holds_website(site));
            let link = conn.and_then(|conn| conn.link(site));
            link.is_some_and(|link| link.conversations.as_slice().contains(&event.conversation))
        };
        for index in self.indexes().into_iter().filter(is_double).collect::<Vec<_>>() {
            self.push_durable(index, event.team.clone());
        }
    }

    /// The person of a connection, as this shard counts it.
    pub(crate) fn person_here(&self, index: u32) -> Option<LocalKey> {
        self.local_key(index)
    }

    /// Tells that a person left this shard, whether or not it did.
    pub(crate) fn leave_anyway(&mut self, key: &LocalKey) {
        let person = Arc::new(PersonInfo { key: key.2.clone(), name: None, avatar_url: None });
        self.push_presence(key, person, None, false);
    }
}
