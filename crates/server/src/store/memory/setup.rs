//! Set-up.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_protocol::{Channel, KeyId, OrganizationId};

use super::state::{Site, State, Thread};
use crate::store::{
    Conflict, DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, RevocationRow, SiteKey, StoreError, WebsiteRow,
};

const TAKEN: StoreError = StoreError::Conflict(Conflict::Taken);

impl State {
    pub(super) fn check_organization(&self, id: &OrganizationId) -> Result<(), StoreError> {
        if self.organizations.contains_key(id) { Ok(()) } else { Err(StoreError::NotFound) }
    }

    pub(super) fn create_organization(&mut self, row: OrganizationRow) -> Result<(), StoreError> {
        if self.organizations.contains_key(&row.id) {
            return Err(TAKEN);
        }
        self.organizations.insert(row.id.clone(), row);
        Ok(())
    }

    pub(super) fn create_website(&mut self, row: WebsiteRow) -> Result<(), StoreError> {
        self.check_organization(&row.key.organization)?;
        if self.sites.contains_key(&row.key) {
            return Err(TAKEN);
        }
        let key = row.key.clone();
        let (begin, _) = self.begin_of(&key.organization, Channel::Website(key.website.clone()));
        let site = Site { row, begin, events: Vec::new(), visitors: BTreeMap::new(), members: BTreeSet::new() };
        self.sites.insert(key, site);
        Ok(())
    }

    pub(super) fn update_website(&mut self, row: WebsiteRow) -> Result<(), StoreError> {
        self.site_mut(&row.key)?.row.settings = row.settings;
        Ok(())
    }

    pub(super) fn delete_website(&mut self, website: &SiteKey) -> Result<(), StoreError> {
        self.site(website)?;
        self.clear_websites(|key| key == website);
        self.keys.retain(|_, key| match &key.material {
            KeyMaterial::Public { website: of, .. } => {
                key.organization != website.organization || *of != website.website
            }
            KeyMaterial::Secret { .. } | KeyMaterial::JwtHs256 { .. } | KeyMaterial::JwtPublic { .. } => true,
        });
        self.clear_outbox();
        Ok(())
    }

    pub(super) fn delete_organization(&mut self, id: &OrganizationId) -> Result<(), StoreError> {
        self.organizations.remove(id).ok_or(StoreError::NotFound)?;
        self.clear_websites(|key| key.organization == *id);
        self.keys.retain(|_, key| key.organization != *id);
        self.revocations.retain(|key, _| key.0 != *id);
        self.team.retain(|key, _| key.0 != *id);
        self.clear_outbox();
        Ok(())
    }

    /// Removes websites with their conversations; what is made under the same ids goes on behind their places.
    fn clear_websites(&mut self, is_gone: impl Fn(&SiteKey) -> bool) {
        let Self { sites, threads, retired, .. } = self;
        sites.retain(|key, site| {
            if is_gone(key) && site.head() > 0 {
                let channel = Channel::Website(key.website.clone());
                retired.insert((key.organization.clone(), channel), (site.head() + 1, 0));
            }
            !is_gone(key)
        });
        threads.retain(|(organization, id), Thread { conversation, .. }| {
            if is_gone(&conversation.website) {
                let places = (conversation.team_head + 1, conversation.visitor_head + 1);
                retired.insert((organization.clone(), Channel::Conversation(id.clone())), places);
            }
            !is_gone(&conversation.website)
        });
    }

    /// From which places on the numbers of a channel go that is about to be made.
    pub(super) fn begin_of(&self, organization: &OrganizationId, channel: Channel) -> (u64, u64) {
        self.retired.get(&(organization.clone(), channel)).copied().unwrap_or_default()
    }

    pub(super) fn create_key(&mut self, row: KeyRow) -> Result<(), StoreError> {
        self.check_organization(&row.organization)?;
        let names_caller = match &row.material {
            KeyMaterial::Public { website, .. } => {
                self.site(&SiteKey { organization: row.organization.clone(), website: website.clone() })?;
                true
            }
            KeyMaterial::Secret { .. } => true,
            KeyMaterial::JwtHs256 { .. } | KeyMaterial::JwtPublic { .. } => false,
        };
        let is_same = |other: &KeyRow| match (&row.material, &other.material) {
            (KeyMaterial::Public { key: a, .. }, KeyMaterial::Public { key: b, .. }) => a == b,
            (a, b) => a == b,
        };
        if self.keys.contains_key(&row.id) || (names_caller && self.keys.values().any(is_same)) {
            return Err(TAKEN);
        }
        self.keys.insert(row.id.clone(), row);
        Ok(())
    }

    pub(super) fn delete_key(&mut self, key: &KeyId) -> Result<(), StoreError> {
        self.keys.remove(key).map(|_| ()).ok_or(StoreError::NotFound)
    }

    pub(super) fn revoke(&mut self, row: RevocationRow) -> Result<(), StoreError> {
        self.check_organization(&row.organization)?;
        let at = self.revocations.entry((row.organization, row.person)).or_insert(row.at);
        *at = (*at).max(row.at);
        Ok(())
    }

    pub(super) fn directory(&self) -> DirectoryRows {
        let revocation = |((organization, person), at): (&(OrganizationId, crate::store::PersonKey), &_)| {
            RevocationRow { organization: organization.clone(), person: person.clone(), at: *at }
        };
        DirectoryRows {
            organizations: self.organizations.values().cloned().collect(),
            websites: self.sites.values().map(|site| site.row.clone()).collect(),
            keys: self.keys.values().cloned().collect(),
            revocations: self.revocations.iter().map(revocation).collect(),
        }
    }
}
