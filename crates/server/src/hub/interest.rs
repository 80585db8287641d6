//! What a shard wants to hear of, and so the node.

use std::collections::HashMap;

use super::{Effect, Hub};
use crate::bus::Topic;
use crate::store::SiteKey;

/// How many reasons there are to follow each topic. For a shard, that a website has subscribers is one, that a place has
/// people another; for a node, each shard that follows it is one.
#[derive(Debug, Default)]
pub(crate) struct Interest(HashMap<Topic, usize>);

impl Interest {
    /// There is one more, or one fewer, reason to follow something; whether that changes whether it is followed.
    pub(crate) fn note(&mut self, topic: &Topic, is_followed: bool) -> bool {
        if is_followed { self.begin(topic) } else { self.end(topic) }
    }

    /// What is followed, in no order.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.0.keys()
    }

    /// Whether something is followed.
    pub(crate) fn has(&self, topic: &Topic) -> bool {
        self.0.contains_key(topic)
    }

    /// The websites that are followed, in no order.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &SiteKey> {
        self.topics().filter_map(|topic| match topic {
            Topic::Site(site) => Some(site),
            Topic::Organization(_) => None,
        })
    }

    /// Whether this is the first reason.
    fn begin(&mut self, topic: &Topic) -> bool {
        let reasons = self.0.entry(topic.clone()).or_default();
        *reasons += 1;
        *reasons == 1
    }

    /// Whether it was the last reason.
    fn end(&mut self, topic: &Topic) -> bool {
        let Some(reasons) = self.0.get_mut(topic) else { return false };
        *reasons -= 1;
        let is_over = *reasons == 0;
        if is_over {
            self.0.remove(topic);
        }
        is_over
    }
}

impl Hub {
    /// There is one more, or one fewer, reason to follow something.
    pub(super) fn follow(&mut self, topic: Topic, is_followed: bool) {
        if self.interest.note(&topic, is_followed) {
            self.effects.push(Effect::Follow(topic, is_followed));
        }
    }

    /// The same for a website, on which one hears of the team too.
    pub(super) fn follow_site(&mut self, site: &SiteKey, is_followed: bool) {
        self.follow(Topic::Site(site.clone()), is_followed);
        self.follow(Topic::Organization(site.organization.clone()), is_followed);
    }
}
