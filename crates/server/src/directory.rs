//! The set-up in memory: who the customers are, where their pages may be, by which keys people are let in.
//!
//! A [`Directory`] never changes; [`SharedDirectory`] replaces it as a whole when the store's rows changed. Everything
//! that decides about access reads a directory, so such a decision costs no I/O, and one that holds an `Arc` of a
//! directory sees one moment of it.

mod key;
mod origin;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cossistant_protocol::{KeyId, OrganizationId, Timestamp, WebsiteId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use key::{InvalidKey, SigningAlgorithm, VerifyingKey};
pub use origin::{DomainPattern, DomainSet, InvalidDomain, InvalidOrigin, Origin};

use crate::store::{
    DirectoryRows, KeyMaterial, KeyRow, OrganizationRow, PersonKey, RevocationRow, SiteKey, Store, StoreError,
    WebsiteRow, Websites,
};

/// All organizations, websites, keys and revocations of one moment.
#[derive(Debug, Default)]
pub struct Directory {
    generation: u64,
    organizations: HashMap<OrganizationId, Organization>,
    public_keys: HashMap<String, PublicKey>,
    /// By the first bytes of the SHA-256, so that a look-up by hash tells nothing of the rest.
    secret_keys: HashMap<[u8; 8], Vec<SecretKey>>,
    signing_keys: HashMap<KeyId, Arc<SigningKey>>,
    keys: BTreeMap<KeyId, KeyRow>,
    revocations: HashMap<OrganizationId, HashMap<PersonKey, Timestamp>>,
    domains: DomainSet,
}

/// An organization with its websites.
#[derive(Debug)]
pub struct Organization {
    /// The row.
    pub row: OrganizationRow,
    /// Its websites, by id.
    pub websites: BTreeMap<WebsiteId, Arc<Website>>,
}

/// A website with what is derived from its settings.
#[derive(Debug)]
pub struct Website {
    /// The row.
    pub row: WebsiteRow,
    /// This website alone, as the list that its visitors' principals share.
    pub only: Websites,
    domains: DomainSet,
}

impl Website {
    /// Whether a page of this origin may speak for the website; what is no origin may not.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        origin.parse().is_ok_and(|origin| self.domains.contains(&origin))
    }
}

/// A `pk_…` key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its id.
    pub id: KeyId,
    /// Whose visitors it lets in.
    pub site: SiteKey,
}

/// An `sk_…` key, of which only the hash is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// When it was made.
    pub created_at: Timestamp,
    sha256: [u8; 32],
}

/// A key by which an organization signs tokens.
#[derive(Debug)]
pub struct SigningKey {
    /// Whose it is: no other organization's tokens are verified by it.
    pub organization: OrganizationId,
    /// The key.
    pub key: VerifyingKey,
}

impl Directory {
    /// Builds the directory of some rows. `generation` tells it from earlier ones.
    ///
    /// What hangs in the air is left out: websites and keys of unknown organizations, public keys of unknown
    /// websites, domains that are no pattern, keys that cannot be read. So a bad row lets nobody in.
    #[must_use]
    pub fn new(rows: DirectoryRows, generation: u64) -> Self {
        let mut directory = Self { generation, ..Self::default() };
        for row in rows.organizations {
            directory.organizations.insert(row.id.clone(), Organization { row, websites: BTreeMap::new() });
        }
        for row in rows.websites {
            directory.add_website(row);
        }
        for row in rows.keys {
            directory.add_key(row);
        }
        for RevocationRow { organization, person, at } in rows.revocations {
            let revoked = directory.revocations.entry(organization).or_default().entry(person).or_insert(at);
            *revoked = at.max(*revoked);
        }
        directory
    }

    fn add_website(&mut self, row: WebsiteRow) {
        let Some(organization) = self.organizations.get_mut(&row.key.organization) else { return };
        let mut domains = DomainSet::default();
        for text in &row.settings.allowed_domains {
            match text.parse() {
                Ok(pattern) => {
                    domains.insert(&pattern);
                    self.domains.insert(&pattern);
                }
                Err(InvalidDomain) => {
                    tracing::warn!(website = %row.key.website, domain = ?text, "an allowed domain is no pattern and allows nothing");
                }
            }
        }
        let id = row.key.website.clone();
        let only = Websites::Only(Arc::from([id.clone()]));
        organization.websites.insert(id, Arc::new(Website { row, only, domains }));
    }

    fn add_key(&mut self, row: KeyRow) {
        if !self.organizations.contains_key(&row.organization) {
            return;
        }
        match &row.material {
            KeyMaterial::Public { key, website } => {
                let site = SiteKey { organization: row.organization.clone(), website: website.clone() };
                if self.website(&site).is_some() {
                    self.public_keys.insert(key.clone(), PublicKey { id: row.id.clone(), site });
                }
            }
            KeyMaterial::Secret { sha256 } => self.secret_keys.entry(prefix(sha256)).or_default().push(SecretKey {
                id: row.id.clone(),
                organization: row.organization.clone(),
                created_at: row.created_at,
                sha256: *sha256,
            }),
            KeyMaterial::JwtHs256 { secret } => self.add_signing_key(&row, VerifyingKey::from_secret(secret)),
            KeyMaterial::JwtPublic { pem, algorithm } => {
                let key = algorithm.parse().and_then(|algorithm| VerifyingKey::from_pem(pem, Some(algorithm)));
                self.add_signing_key(&row, key);
            }
        }
        self.keys.insert(row.id.clone(), row);
    }

    fn add_signing_key(&mut self, row: &KeyRow, key: Result<VerifyingKey, InvalidKey>) {
        match key {
            Ok(key) => {
                let organization = row.organization.clone();
                self.signing_keys.insert(row.id.clone(), Arc::new(SigningKey { organization, key }));
            }
            Err(error) => tracing::warn!(key = %row.id, %error, "a key cannot be used"),
        }
    }

    /// Grows with each reload: what was decided by an older directory may no longer hold.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// An organization.
    #[must_use]
    pub fn organization(&self, id: &OrganizationId) -> Option<&Organization> {
        self.organizations.get(id)
    }

    /// All organizations, in no order.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values()
    }

    /// A website.
    #[must_use]
    pub fn website(&self, site: &SiteKey) -> Option<&Arc<Website>> {
        self.organizations.get(&site.organization)?.websites.get(&site.website)
    }

    /// All websites, in no order of organizations.
    pub fn websites(&self) -> impl Iterator<Item = &Arc<Website>> {
        self.organizations.values().flat_map(|organization| organization.websites.values())
    }

    /// Those of an organization's websites that the list covers and that exist, in the order of their ids.
    pub fn covered<'a>(
        &'a self,
        organization: &OrganizationId,
        websites: &'a Websites,
    ) -> impl Iterator<Item = &'a Arc<Website>> {
        let all = self.organizations.get(organization).map(|organization| organization.websites.values());
        all.into_iter().flatten().filter(|website| websites.contains(&website.row.key.website))
    }

    /// The public key of this text.
    #[must_use]
    pub fn public_key(&self, text: &str) -> Option<&PublicKey> {
        self.public_keys.get(text)
    }

    /// The secret key of this text, compared by its SHA-256 in constant time.
    #[must_use]
    pub fn secret_key(&self, text: &str) -> Option<&SecretKey> {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let candidates = self.secret_keys.get(&prefix(&hash))?;
        candidates.iter().find(|key| bool::from(key.sha256.ct_eq(&hash)))
    }

    /// The key that signs tokens under this `kid`.
    #[must_use]
    pub fn signing_key(&self, kid: &str) -> Option<&Arc<SigningKey>> {
        self.signing_keys.get(kid)
    }

    /// The row of a key.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&KeyRow> {
        self.keys.get(id)
    }

    /// All keys, in the order of their ids.
    pub fn keys(&self) -> impl Iterator<Item = &KeyRow> {
        self.keys.values()
    }

    /// Whether a person's token is revoked: one issued before the revocation, or without a time of issue.
    #[must_use]
    pub fn is_revoked(&self, organization: &OrganizationId, person: &PersonKey, issued_at: Option<Timestamp>) -> bool {
        let revoked = self.revocations.get(organization).and_then(|people| people.get(person));
        revoked.is_some_and(|at| issued_at.is_none_or(|issued_at| issued_at < *at))
    }

    /// Whether any website allows this origin: the answer to a preflight, which names no website.
    #[must_use]
    pub fn allowed_origin(&self, origin: &str) -> bool {
        origin.parse().is_ok_and(|origin| self.domains.contains(&origin))
    }
}

fn prefix(hash: &[u8; 32]) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&hash[..8]);
    prefix
}

/// The newest [`Directory`], shared by all threads.
#[derive(Debug, Default)]
pub struct SharedDirectory {
    /// Guards the pointer alone; it is held to clone or to replace it.
    current: RwLock<Arc<Directory>>,
    /// The generation that the last reload took.
    reloads: AtomicU64,
}

impl SharedDirectory {
    /// An empty directory, of generation 0, until the first [`SharedDirectory::reload`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest directory.
    #[must_use]
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the store and replaces the directory by one of a higher generation, which is returned.
    ///
    /// What was written before the call is in it. Of reloads at the same time, the one that was called last wins,
    /// and the others return its directory.
    ///
    /// # Errors
    /// Those of the store; the old directory stays then.
    pub async fn reload(&self, store: &dyn Store) -> Result<Arc<Directory>, StoreError> {
        // The generation is taken before the rows are read, so a higher one has seen every write that a lower one was
        // to show.
        let generation = self.reloads.fetch_add(1, Ordering::SeqCst) + 1;
        let rows = store.directory().await?;
        Ok(self.install(Directory::new(rows, generation)))
    }

    fn install(&self, directory: Directory) -> Arc<Directory> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if directory.generation > current.generation {
            *current = Arc::new(directory);
        }
        Arc::clone(&current)
    }
}

#[cfg(test)]
mod tests;
