//! What this shard wants to hear of.

use std::collections::HashMap;

use super::{Effect, Hub};
use crate::bus::Topic;
use crate::store::SiteKey;

/// How many reasons there are to follow each topic: that a website has subscribers is one, that a place has people
/// another.
#[derive(Debug, Default)]
pub(super) struct Interest(HashMap<Topic, usize>);

impl Interest {
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
        let has_changed = if is_followed { self.interest.begin(&topic) } else { self.interest.end(&topic) };
        if has_changed {
            self.effects.push(Effect::Follow(topic, is_followed));
        }
    }

    /// The same for a website, on which one hears of the team too.
    pub(super) fn follow_site(&mut self, site: &SiteKey, is_followed: bool) {
        self.follow(Topic::Site(site.clone()), is_followed);
        self.follow(Topic::Organization(site.organization.clone()), is_followed);
    }
}
