//! Who is here, as one shard knows it.
//!
//! Every shard tells all when it has the first, or no longer any, connection of a person; a person is here while
//! any shard says so. Counts are derived from membership and cannot drift.

use std::collections::HashMap;
use std::sync::Arc;

use cossistant_protocol::{ConversationId, OrganizationId, PersonId, TeamMember};

use super::LocalKey;
use super::few::Few;
use crate::bus::{NodeId, PersonInfo, ShardId};
use crate::store::{PersonKey, SiteKey, Websites};

/// A visitor who is here.
#[derive(Debug, Default)]
pub(crate) struct VisitorEntry {
    /// The shards that have a connection of it.
    shards: Few<ShardId>,
    /// The open conversations that were last told with `visitor_online`; `None` when it is told as offline.
    pub(crate) told: Option<Arc<[ConversationId]>>,
    /// Whether the last shard that said that it is gone is of another node.
    is_gone_elsewhere: bool,
}

/// A member of a team who is here.
#[derive(Debug)]
pub(crate) struct MemberEntry {
    pub(crate) person: Arc<PersonInfo>,
    /// The shards that have a connection of it, and for which websites.
    shards: Vec<(ShardId, Websites)>,
}

/// A local person's connections, or the time until which an abrupt loss is not told.
#[derive(Debug)]
pub(crate) enum Local {
    /// The slots of the connections.
    Here(Few<u32>),
    /// All were lost; until then, in ms, the person counts as here. Of the shards in the list a word that it is here is
    /// yet to come that is no news: there, too, it is only waited for.
    Grace(u64, Few<ShardId>),
}

/// The people of this shard: visitors by their website, the team by its organization. Places are few and people many, so
/// each place stands once.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    visitors: HashMap<SiteKey, People>,
    team: HashMap<OrganizationId, People>,
}

type People = HashMap<PersonKey, Local>;

impl Locals {
    pub(crate) fn get(&self, (site, organization, person): &LocalKey) -> Option<&Local> {
        match site {
            Some(site) => self.visitor(site, person),
            None => self.member(organization, person),
        }
    }

    /// A visitor of a website.
    pub(crate) fn visitor(&self, site: &SiteKey, person: &PersonKey) -> Option<&Local> {
        self.visitors.get(site)?.get(person)
    }

    /// A member of an organization's team.
    pub(crate) fn member(&self, organization: &OrganizationId, person: &PersonKey) -> Option<&Local> {
        self.team.get(organization)?.get(person)
    }

    pub(crate) fn get_mut(&mut self, (site, organization, person): &LocalKey) -> Option<&mut Local> {
        let people = match site {
            Some(site) => self.visitors.get_mut(site),
            None => self.team.get_mut(organization),
        };
        people?.get_mut(person)
    }

    /// Puts a person there; whether nobody was there before.
    pub(crate) fn insert(&mut self, (site, organization, person): &LocalKey, local: Local) -> bool {
        let people = match site {
            Some(site) => self.visitors.entry(site.clone()).or_default(),
            None => self.team.entry(organization.clone()).or_default(),
        };
        let is_first = people.is_empty();
        people.insert(person.clone(), local);
        is_first
    }

    /// Takes a person away; whether nobody is there any more.
    pub(crate) fn remove(&mut self, (site, organization, person): &LocalKey) -> bool {
        fn take<K: Eq + std::hash::Hash>(places: &mut HashMap<K, People>, place: &K, person: &PersonKey) -> bool {
            let Some(people) = places.get_mut(place) else { return false };
            people.remove(person);
            let is_empty = people.is_empty();
            if is_empty {
                places.remove(place);
            }
            is_empty
        }
        match site {
            Some(site) => take(&mut self.visitors, site, person),
            None => take(&mut self.team, organization, person),
        }
    }

    /// Everyone, in no order.
    pub(crate) fn people(&self) -> Vec<LocalKey> {
        let visitors = self.visitors.iter().flat_map(|(site, people)| {
            people.keys().map(move |person| (Some(site.clone()), site.organization.clone(), person.clone()))
        });
        let team = self.team.iter().flat_map(|(organization, people)| {
            people.keys().map(move |person| (None, organization.clone(), person.clone()))
        });
        visitors.chain(team).collect()
    }

    /// The websites that have visitors here, each once, in no order.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &SiteKey> {
        self.visitors.keys()
    }
}

/// Everyone who is here.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    visitors: HashMap<SiteKey, HashMap<PersonId, VisitorEntry>>,
    members: HashMap<OrganizationId, Vec<MemberEntry>>,
}

fn set(shards: &mut Few<ShardId>, shard: ShardId, is_here: bool) {
    shards.retain(|other| *other != shard);
    if is_here {
        shards.push(shard);
    }
}

impl Presence {
    /// Applies what a shard says of a visitor; whether that changed whether it is here.
    pub(crate) fn set_visitor(
        &mut self,
        site: &SiteKey,
        visitor: &PersonId,
        (shard, own): (ShardId, NodeId),
        is_here: bool,
    ) -> bool {
        let visitors = self.visitors.entry(site.clone()).or_default();
        let entry = visitors.entry(visitor.clone()).or_default();
        let was_here = !entry.shards.is_empty();
        set(&mut entry.shards, shard, is_here);
        entry.is_gone_elsewhere = !is_here && shard.node != own;
        let changed = was_here == entry.shards.is_empty();
        self.forget_visitor(site, visitor);
        changed
    }

    /// Forgets an entry that says nothing any more.
    fn forget_visitor(&mut self, site: &SiteKey, visitor: &PersonId) {
        if let Some(visitors) = self.visitors.get_mut(site) {
            if visitors.get(visitor).is_some_and(|entry| entry.shards.is_empty() && entry.told.is_none()) {
                visitors.remove(visitor);
            }
            if visitors.is_empty() {
                self.visitors.remove(site);
            }
        }
    }

    /// Whether a visitor has a connection.
    pub(crate) fn is_visitor_here(&self, site: &SiteKey, visitor: &PersonId) -> bool {
        self.visitors.get(site).and_then(|visitors| visitors.get(visitor)).is_some_and(|entry| !entry.shards.is_empty())
    }

    /// The shards that have a connection of a visitor.
    pub(crate) fn shards_of(&self, site: &SiteKey, visitor: &PersonId) -> Few<ShardId> {
        let entry = self.visitors.get(site).and_then(|visitors| visitors.get(visitor));
        entry.map_or(Few::None, |entry| entry.shards.clone())
    }

    /// Whether a visitor was last at another node, which sees to what is kept of it.
    pub(crate) fn is_gone_elsewhere(&self, site: &SiteKey, visitor: &PersonId) -> bool {
        let entry = self.visitors.get(site).and_then(|visitors| visitors.get(visitor));
        entry.is_some_and(|entry| entry.is_gone_elsewhere)
    }

    /// Whether a visitor is told as online: what a confirmation says must be what the events before it said.
    pub(crate) fn is_told_online(&self, site: &SiteKey, visitor: &PersonId) -> bool {
        let entry = self.visitors.get(site).and_then(|visitors| visitors.get(visitor));
        entry.and_then(|entry| entry.told.as_ref()).is_some_and(|conversations| !conversations.is_empty())
    }

    /// Notes what is told of a visitor from now on; what was told before.
    pub(crate) fn set_told(
        &mut self,
        site: &SiteKey,
        visitor: &PersonId,
        told: Option<Arc<[ConversationId]>>,
    ) -> Option<Arc<[ConversationId]>> {
        let visitors = self.visitors.entry(site.clone()).or_default();
        let before = std::mem::replace(&mut visitors.entry(visitor.clone()).or_default().told, told);
        self.forget_visitor(site, visitor);
        before
    }

    /// Whether any visitor of a website is here, or told as online.
    pub(crate) fn has_visitors(&self, site: &SiteKey) -> bool {
        self.visitors.contains_key(site)
    }

    /// The visitors of a website who are here, or are told as online, in no order.
    pub(crate) fn visitors(&self, site: &SiteKey) -> Vec<PersonId> {
        self.visitors.get(site).map(|visitors| visitors.keys().cloned().collect()).unwrap_or_default()
    }

    /// The visitors of a website who are told as online.
    pub(crate) fn online_visitors(&self, site: &SiteKey) -> Vec<(PersonId, Arc<[ConversationId]>)> {
        let Some(visitors) = self.visitors.get(site) else { return Vec::new() };
        let mut online: Vec<_> = visitors
            .iter()
            .filter_map(|(visitor, entry)| Some((visitor.clone(), entry.told.clone()?)))
            .filter(|(_, conversations)| !conversations.is_empty())
            .collect();
        online.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        online
    }

    /// Applies what a shard says of a member.
    pub(crate) fn set_member(
        &mut self,
        organization: &OrganizationId,
        person: &Arc<PersonInfo>,
        websites: Websites,
        shard: ShardId,
        is_here: bool,
    ) {
        let members = self.members.entry(organization.clone()).or_default();
        match members.iter_mut().find(|entry| entry.person.key == person.key) {
            Some(entry) => {
                entry.shards.retain(|(other, _)| *other != shard);
                if is_here {
                    entry.person = Arc::clone(person);
                    entry.shards.push((shard, websites));
                }
            }
            None if is_here => {
                members.push(MemberEntry { person: Arc::clone(person), shards: vec![(shard, websites)] });
            }
            None => {}
        }
        members.retain(|entry| !entry.shards.is_empty());
        if members.is_empty() {
            self.members.remove(organization);
        }
    }

    /// The members who are here for a website.
    pub(crate) fn members<'a>(&'a self, site: &'a SiteKey) -> impl Iterator<Item = &'a MemberEntry> {
        self.members
            .get(&site.organization)
            .into_iter()
            .flatten()
            .filter(|entry| entry.shards.iter().any(|(_, websites)| websites.contains(&site.website)))
    }

    /// Whether a member has a connection anywhere.
    pub(crate) fn is_member_here(&self, organization: &OrganizationId, key: &PersonKey) -> bool {
        self.members.get(organization).is_some_and(|members| members.iter().any(|entry| entry.person.key == *key))
    }

    /// The team of a website as visitors see it.
    pub(crate) fn team(&self, site: &SiteKey) -> Vec<TeamMember> {
        let mut members: Vec<_> = self.members(site).map(|entry| (&entry.person.key, &entry.person)).collect();
        members.sort_unstable_by_key(|(key, _)| (*key).clone());
        members
            .into_iter()
            .map(|(key, person)| TeamMember {
                user_type: key.kind,
                name: person.name.as_deref().map(str::to_owned),
                avatar_url: person.avatar_url.as_deref().map(str::to_owned),
            })
            .collect()
    }
}
