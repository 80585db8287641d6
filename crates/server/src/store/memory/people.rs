//! People.

use cossistant_protocol::{ConversationId, OrganizationId, PersonId, UserType, WebsiteId};

use super::state::{Body, Profile, State, Visitor, shared};
use crate::store::{
    Audience, Identified, IdentifyVisitor, Member, PersonKey, SiteKey, StoreError, TouchPerson, VisitorRow,
};

impl State {
    pub(super) fn touch(&mut self, touch: &TouchPerson) -> Result<(), StoreError> {
        let key = |website: &WebsiteId| SiteKey { organization: touch.organization.clone(), website: website.clone() };
        match touch.person.kind {
            UserType::Visitor => {
                for website in &touch.websites {
                    self.site(&key(website))?;
                }
                for website in &touch.websites {
                    self.visitor_or_new(&key(website), &touch.person.id, touch.at)?;
                    renew(self.profile_mut(&key(website), &touch.person.id)?, touch);
                }
            }
            UserType::User | UserType::AiAgent => {
                if !self.organizations.contains_key(&touch.organization) {
                    return Err(StoreError::NotFound);
                }
                let person = (touch.organization.clone(), touch.person.clone());
                renew(self.team.entry(person).or_insert_with(|| Profile::new(touch.at)), touch);
                for website in &touch.websites {
                    if let Some(site) = self.sites.get_mut(&key(website)) {
                        site.members.insert(touch.person.clone());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn known_visitor(&self, website: &SiteKey, external_id: &str) -> Result<Option<PersonId>, StoreError> {
        self.site(website)?;
        Ok(self.with_external_id(website, external_id))
    }

    pub(super) fn visitor(&self, website: SiteKey, visitor: &PersonId) -> Result<VisitorRow, StoreError> {
        let profile = self.profile(&website, visitor).ok_or(StoreError::NotFound)?;
        Ok(VisitorRow {
            id: self.resolve(&website, visitor),
            identity: profile.known(),
            first_seen_at: profile.first_seen_at,
            last_seen_at: profile.last_seen_at,
            page: profile.page.clone(),
        })
    }

    pub(super) fn visitor_websites(&self, organization: &OrganizationId, visitor: &PersonId) -> Vec<WebsiteId> {
        let known = self
            .sites
            .iter()
            .filter(|(key, site)| key.organization == *organization && site.visitors.contains_key(visitor));
        known.map(|(key, _)| key.website.clone()).collect()
    }

    pub(super) fn members(&self, website: &SiteKey) -> Result<Vec<Member>, StoreError> {
        let member = |person: &PersonKey| {
            let profile = self.team.get(&(website.organization.clone(), person.clone()));
            Member {
                person: person.clone(),
                name: profile.and_then(|profile| profile.identity.name.clone()),
                avatar_url: profile.and_then(|profile| profile.avatar_url.clone()),
            }
        };
        Ok(self.site(website)?.members.iter().map(member).collect())
    }

    pub(super) fn identify(&mut self, identify: IdentifyVisitor) -> Result<Identified, StoreError> {
        let website = &identify.website;
        self.site(website)?;
        let Some(external_id) = &identify.identity.external_id else {
            return Err(StoreError::Forbidden("an external id is needed"));
        };
        let known = self.with_external_id(website, external_id);
        let mut anonymous = None;
        if let Some(visitor) = &identify.visitor {
            let visitor = self.visitor_or_new(website, visitor, identify.at)?;
            let is = self.profile(website, &visitor).and_then(|profile| profile.identity.external_id.as_ref());
            anonymous = is.is_none_or(|is| is == external_id).then_some(visitor);
        }
        let (visitor, merged) = match (known, anonymous) {
            (Some(known), Some(old)) if old != known => {
                let moved = self.merge(website, &old, &known)?;
                (known, Some((old, moved)))
            }
            (Some(known), _) => (known, None),
            (None, Some(anonymous)) => (anonymous, None),
            (None, None) => (self.visitor_or_new(website, &identify.fresh, identify.at)?, None),
        };
        let profile = self.profile_mut(website, &visitor)?;
        profile.identity.external_id = identify.identity.external_id;
        profile.identity.name = identify.identity.name.or(profile.identity.name.take());
        profile.identity.email = identify.identity.email.or(profile.identity.email.take());
        let (previous, conversations) = match merged {
            Some((previous, moved)) => (Some(previous), moved),
            None => {
                let all = self.of_visitor(website, &visitor, Audience::Visitor);
                (None, all.iter().map(|thread| thread.conversation.id.clone()).collect())
            }
        };
        Ok(Identified { visitor, previous, conversations })
    }

    fn with_external_id(&self, website: &SiteKey, external_id: &str) -> Option<PersonId> {
        let visitors = &self.sites.get(website)?.visitors;
        let found = visitors.iter().find(|(_, visitor)| match visitor {
            Visitor::Own(profile) => profile.identity.external_id.as_deref() == Some(external_id),
            Visitor::Alias(_) => false,
        });
        found.map(|(id, _)| id.clone())
    }

    fn merge(
        &mut self,
        website: &SiteKey,
        old: &PersonId,
        known: &PersonId,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let mut moved = Vec::new();
        let kind = UserType::Visitor;
        let (was, is) = (PersonKey { kind, id: old.clone() }, PersonKey { kind, id: known.clone() });
        for thread in self.threads.values_mut() {
            let c = &mut thread.conversation;
            if c.website != *website || c.visitor != *old {
                continue;
            }
            c.visitor = known.clone();
            moved.push((c.visitor_activity_at, c.id.clone()));
            for entry in &mut thread.events {
                match &mut entry.body {
                    Body::Message { message, .. } if message.sender == was => message.sender = is.clone(),
                    Body::Status { by, .. } | Body::Assigned { by, .. } if by.as_ref() == Some(old) => {
                        *by = Some(known.clone());
                    }
                    Body::Created(_)
                    | Body::Message { .. }
                    | Body::Updated(_)
                    | Body::Status { .. }
                    | Body::Assigned { .. } => {}
                }
            }
            let keys = std::mem::take(&mut thread.keys);
            let renamed = |sender: PersonKey| if sender == was { is.clone() } else { sender };
            thread.keys = keys.into_iter().map(|((sender, key), of)| ((renamed(sender), key), of)).collect();
            if let Some(mut seen) = thread.seen.remove(&was) {
                seen.person = is.clone();
                thread.seen.insert(is.clone(), seen);
            }
        }
        self.merge_profiles(website, old, known)?;
        moved.sort_by(|a, b| b.cmp(a));
        Ok(moved.into_iter().map(|(_, id)| id).collect())
    }

    fn merge_profiles(&mut self, website: &SiteKey, old: &PersonId, known: &PersonId) -> Result<(), StoreError> {
        let from = self.profile_mut(website, old)?.clone();
        let into = self.profile_mut(website, known)?;
        into.identity.name = into.identity.name.take().or(from.identity.name);
        into.identity.email = into.identity.email.take().or(from.identity.email);
        into.avatar_url = into.avatar_url.take().or(from.avatar_url);
        if from.page.is_some() && (into.page.is_none() || from.last_seen_at >= into.last_seen_at) {
            into.page = from.page;
        }
        into.first_seen_at = into.first_seen_at.min(from.first_seen_at);
        into.last_seen_at = into.last_seen_at.max(from.last_seen_at);
        for (id, visitor) in &mut self.site_mut(website)?.visitors {
            let is_moved = match visitor {
                Visitor::Alias(of) => of == old,
                Visitor::Own(_) => id == old,
            };
            if is_moved {
                *visitor = Visitor::Alias(known.clone());
            }
        }
        Ok(())
    }
}

fn renew(profile: &mut Profile, touch: &TouchPerson) {
    profile.identity.name = shared(touch.name.as_ref()).or(profile.identity.name.take());
    profile.identity.email = shared(touch.email.as_ref()).or(profile.identity.email.take());
    profile.avatar_url = shared(touch.avatar_url.as_ref()).or(profile.avatar_url.take());
    if touch.person.kind == UserType::Visitor && touch.page.is_some() {
        profile.page.clone_from(&touch.page);
    }
    profile.last_seen_at = profile.last_seen_at.max(touch.at);
}
