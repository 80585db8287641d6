//! What AI agents are doing.
//!
//! An agent may say so by connections of several shards, and whoever is subscribed must come to see the same of it
//! wherever its connection is. Two things see to that. Every activity has a [`Stamp`], and what is older than what is
//! known is dropped. And the shard that told of an activity answers for its end: when something newer takes its place,
//! or when the agent's last connection for the website is gone, it tells of the end behind the activity itself, which
//! nothing overtakes on the way between two shards. So no shard has to remember what has ended already.

use std::collections::HashMap;
use std::sync::Arc;

use cossistant_protocol::{AgentActivityEvent, ConversationId, OrganizationId, PHASE_DONE, ServerMessage, Timestamp};

use super::conversation::Activity;
use super::deliver::Recipients;
use super::ephemeral::merge_key;
use super::{Effect, Hub};
use crate::bus::{Notice, PersonInfo, Stamp};
use crate::event::Frame;
use crate::store::{PersonKey, SiteKey};

/// What this shard has told of agents' activities.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The greatest count that was told or heard.
    count: u64,
    /// What this shard answers for: what it told last of each agent in each conversation and nobody has ended.
    standing: HashMap<(OrganizationId, PersonKey), Vec<Standing>>,
}

#[derive(Debug)]
struct Standing {
    site: SiteKey,
    conversation: ConversationId,
    person: Arc<PersonInfo>,
    phase: Arc<str>,
    text: Option<Arc<str>>,
    to_visitor: bool,
    stamp: Stamp,
}

impl Said {
    /// The next count. None is behind the time, so that what is told now is newer than what was told before by a node that
    /// this one does not hear of, or by a life before this one.
    fn next_count(&mut self, now: Timestamp) -> u64 {
        self.count = (self.count + 1).max(now.as_millis());
        self.count
    }

    /// Forgets what stands of an agent in a conversation if `is_over` says so of its stamp; the stamp.
    fn end(
        &mut self,
        agent: &(OrganizationId, PersonKey),
        conversation: &ConversationId,
        is_over: impl Fn(Stamp) -> bool,
    ) -> Option<Stamp> {
        let standing = self.standing.get_mut(agent)?;
        let at = standing.iter().position(|it| it.conversation == *conversation && is_over(it.stamp))?;
        let Standing { stamp, .. } = standing.swap_remove(at);
        if standing.is_empty() {
            self.standing.remove(agent);
        }
        Some(stamp)
    }
}

fn agent_of(site: &SiteKey, person: &PersonKey) -> (OrganizationId, PersonKey) {
    (site.organization.clone(), person.clone())
}

impl Hub {
    /// Tells every shard what an agent says by one of the connections here that it is doing.
    pub(crate) fn say_activity(
        &mut self,
        index: u32,
        site: SiteKey,
        conversation: ConversationId,
        said: (Arc<str>, Option<Arc<str>>),
        to_visitor: bool,
        now: Timestamp,
    ) {
        let Some(person) = self.person(index) else { return };
        let (phase, text) = said;
        let stamp = Stamp { count: self.said.next_count(now), shard: self.config.shard };
        let agent = agent_of(&site, &person.key);
        self.said.end(&agent, &conversation, |_| true);
        if &*phase != PHASE_DONE {
            let standing = Standing {
                site: site.clone(),
                conversation: conversation.clone(),
                person: Arc::clone(&person),
                phase: Arc::clone(&phase),
                text: text.clone(),
                to_visitor,
                stamp,
            };
            self.said.standing.entry(agent).or_default().push(standing);
        }
        let notice = Notice::Activity { site, conversation, person, phase, text, to_visitor, stamp };
        self.effects.push(Effect::Publish(notice));
    }

    /// Tells that what this shard told has ended.
    fn end_said(&mut self, site: SiteKey, conversation: ConversationId, person: Arc<PersonInfo>, stamp: Stamp) {
        let (phase, text, to_visitor) = (Arc::from(PHASE_DONE), None, false);
        let done = Notice::Activity { site, conversation, person, phase, text, to_visitor, stamp };
        self.effects.push(Effect::Publish(done));
    }

    /// Takes what a shard, this one included, has told.
    pub(super) fn set_activity(&mut self, site: &SiteKey, conversation: &ConversationId, activity: Activity) {
        let stamp = activity.stamp;
        self.said.count = self.said.count.max(stamp.count);
        let agent = agent_of(site, &activity.person.key);
        if let Some(over) = self.said.end(&agent, conversation, |said| said < stamp) {
            self.end_said(site.clone(), conversation.clone(), Arc::clone(&activity.person), over);
        }
        self.show_activity(site, conversation, activity);
    }

    fn show_activity(&mut self, site: &SiteKey, conversation: &ConversationId, activity: Activity) {
        let slot = self.sites.entry(site);
        let is_done = &*activity.phase == PHASE_DONE;
        let person = Arc::clone(&activity.person);
        let frame = Frame::new(&ServerMessage::AgentActivity(AgentActivityEvent {
            conversation_id: conversation.clone(),
            user_id: person.key.id.clone(),
            phase: activity.phase.to_string(),
            text: activity.text.as_deref().map(str::to_owned),
            user_name: person.name.as_deref().map(str::to_owned),
            avatar_url: person.avatar_url.as_deref().map(str::to_owned),
            website_id: site.website.clone(),
            organization_id: site.organization.clone(),
        }));
        let is_visible = activity.to_visitor;
        let Some(at) = self.sites.get_mut(slot) else { return };
        let (changed, was_visible) = at.conversation(conversation).set_activity(activity, is_done);
        if changed {
            // What a visitor was told has begun, it is told has ended, though the end is for the team only.
            let hidden = (was_visible && !is_visible && !is_done).then(|| {
                Frame::new(&ServerMessage::AgentActivity(AgentActivityEvent {
                    conversation_id: conversation.clone(),
                    user_id: person.key.id.clone(),
                    phase: PHASE_DONE.to_owned(),
                    text: None,
                    user_name: None,
                    avatar_url: None,
                    website_id: site.website.clone(),
                    organization_id: site.organization.clone(),
                }))
            });
            let visitor = if is_visible || (is_done && was_visible) { Some(&frame) } else { hidden.as_ref() };
            let to = Recipients {
                except: Some(&person.key),
                team: Some(&frame),
                visitor,
                key: merge_key("activity", Some(conversation), &person.key),
            };
            self.deliver_ephemeral(slot, conversation, &to);
        }
        self.tidy(slot, conversation);
    }

    /// What agents are doing as this shard has told it and nobody has ended, as it is told.
    pub(super) fn activities_here(&self) -> Vec<Notice> {
        let mut agents: Vec<_> = self.said.standing.iter().collect();
        agents.sort_unstable_by_key(|(agent, _)| *agent);
        let notice = |it: &Standing| Notice::Activity {
            site: it.site.clone(),
            conversation: it.conversation.clone(),
            person: Arc::clone(&it.person),
            phase: Arc::clone(&it.phase),
            text: it.text.clone(),
            to_visitor: it.to_visitor,
            stamp: it.stamp,
        };
        agents.into_iter().flat_map(|(_, all)| all).map(notice).collect()
    }

    /// An agent may be gone, wholly or from some websites, and with it whatever this shard has told and heard that it was
    /// doing there.
    ///
    /// What this shard told and has not heard yet is of a connection that came since.
    pub(super) fn end_activities_of(&mut self, organization: &OrganizationId, key: &PersonKey) {
        let agent = (organization.clone(), key.clone());
        let mut standing: Vec<(SiteKey, ConversationId)> = self
            .said
            .standing
            .get(&agent)
            .map_or_else(Vec::new, |all| all.iter().map(|it| (it.site.clone(), it.conversation.clone())).collect());
        standing.sort_unstable();
        for (site, conversation) in standing {
            if self.presence.members(&site).any(|entry| entry.person.key == *key) {
                continue;
            }
            let here = self.sites.find(&site).and_then(|slot| self.sites.get(slot)?.conversations.get(&conversation));
            let shown = here.and_then(|here| here.goings.as_ref()?.activity.iter().find(|it| it.person.key == *key));
            let Some((stamp, person)) = shown.map(|shown| (shown.stamp, Arc::clone(&shown.person))) else { continue };
            if self.said.end(&agent, &conversation, |said| said == stamp).is_some() {
                self.end_said(site, conversation, person, stamp);
            }
        }
    }
}

#[cfg(test)]
mod tests;
