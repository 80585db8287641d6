//! Set-up: organizations, websites, keys.
//!
//! Each change is committed, then read back into the directory, then told to every shard, which holds every
//! connection against it again.

use std::sync::Arc;

use cossistant_protocol::fields::Text;
use cossistant_protocol::http::{
    ChangeWebsite, CreateKey, CreateOrganization, CreateWebsite, KeyAlgorithm, KeyType, MAX_DOMAINS, MAX_QUESTIONS,
    MAX_UNSEEN_AFTER,
};
use cossistant_protocol::{ErrorCode, Invalid, KeyId, OrganizationId, Timestamp, TypingPreview, WebsiteId};
use sha2::{Digest as _, Sha256};

use super::reach::Reach;
use super::{Chat, ChatError};
use crate::auth::{HttpPrincipal, new_secret};
use crate::bus::Notice;
use crate::directory::{DomainPattern, VerifyingKey};
use crate::store::{KeyMaterial, KeyRow, OrganizationRow, SiteKey, WebsiteRow, WebsiteSettings};

/// After how many seconds an unseen message is told to webhooks, unless the website says otherwise.
const UNSEEN_AFTER_SECONDS: u64 = 60;

/// A key that was made, and what of it is shown once.
#[derive(Debug, Clone)]
pub struct MadeKey {
    /// The key.
    pub row: KeyRow,
    /// The text to be shown; `None` if the organization had it before.
    pub shown: Option<String>,
}

impl Chat {
    /// Makes an organization, for the admin key.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`.
    pub async fn create_organization(
        &self,
        actor: &HttpPrincipal,
        create: CreateOrganization,
        now: Timestamp,
    ) -> Result<OrganizationRow, ChatError> {
        match actor {
            HttpPrincipal::Admin => {}
            HttpPrincipal::Secret { .. } | HttpPrincipal::Person(_) => {
                return Err(ChatError::forbidden("for the admin key only"));
            }
        }
        let id = OrganizationId::new(self.ids.other("org_", now)).expect("made of letters");
        let row = OrganizationRow { id, name: create.name.into_string(), created_at: now };
        self.store.create_organization(row.clone()).await?;
        self.publish_directory().await?;
        Ok(row)
    }

    /// One organization, for its admins.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn organization(&self, actor: &HttpPrincipal, id: &OrganizationId) -> Result<OrganizationRow, ChatError> {
        require_admin(actor, id)?;
        let directory = self.directory.current();
        let organization = directory.organization(id).ok_or_else(ChatError::not_found)?;
        Ok(organization.row.clone())
    }

    /// Deletes an organization with all that is its own, for its admins.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `unavailable`.
    pub async fn delete_organization(&self, actor: &HttpPrincipal, id: OrganizationId) -> Result<(), ChatError> {
        self.organization(actor, &id)?;
        self.store.delete_organization(id).await?;
        self.publish_directory().await
    }

    /// Makes a website, for the admins of its organization.
    ///
    /// # Errors
    /// `invalid_message`, `forbidden`, `not_found` for an unknown organization, `unavailable`.
    pub async fn create_website(
        &self,
        actor: &HttpPrincipal,
        create: CreateWebsite,
        now: Timestamp,
    ) -> Result<WebsiteRow, ChatError> {
        let organization = self.organization(actor, &create.organization_id)?.id;
        let settings = WebsiteSettings {
            name: create.name.into_string(),
            accent: None,
            questions: Vec::new(),
            allowed_domains: domains(create.allowed_domains)?,
            typing_preview: TypingPreview::Text,
            unseen_after: UNSEEN_AFTER_SECONDS,
        };
        let website = WebsiteId::new(self.ids.other("site_", now)).expect("made of letters");
        let row = WebsiteRow { key: SiteKey { organization, website }, settings, created_at: now };
        self.store.create_website(row.clone()).await?;
        self.publish_directory().await?;
        Ok(row)
    }

    /// A website with its settings, for its team and its admins.
    ///
    /// # Errors
    /// `forbidden` for visitors, `not_found`.
    pub fn website_settings(
        &self,
        actor: &HttpPrincipal,
        organization: Option<&OrganizationId>,
        id: &WebsiteId,
    ) -> Result<WebsiteRow, ChatError> {
        if is_admin(actor) {
            return self.admin_website(actor, organization, id);
        }
        let (reach, websites) = Reach::of_team(actor)?;
        if organization.is_some_and(|organization| *organization != reach.organization) {
            return Err(ChatError::not_found());
        }
        let (_, website) = self.covered_website(&reach, &websites, id)?;
        Ok(website.row.clone())
    }

    /// A website as its admins find it: the admin key, in any organization.
    fn admin_website(
        &self,
        actor: &HttpPrincipal,
        organization: Option<&OrganizationId>,
        id: &WebsiteId,
    ) -> Result<WebsiteRow, ChatError> {
        if !is_admin(actor) {
            return Err(ChatError::forbidden("for admins only"));
        }
        let directory = self.directory.current();
        let mut found = directory.websites().filter(|website| {
            let key = &website.row.key;
            key.website == *id
                && organization.is_none_or(|organization| *organization == key.organization)
                && require_admin(actor, &key.organization).is_ok()
        });
        let Some(website) = found.next() else { return Err(ChatError::not_found()) };
        if found.next().is_some() {
            let reason = "is required: several organizations have a website of this id";
            return Err(ChatError::invalid(Invalid::new("organizationId", reason)));
        }
        Ok(website.row.clone())
    }

    /// Changes settings of a website, for its admins.
    ///
    /// # Errors
    /// `invalid_message`, `forbidden`, `not_found`, `unavailable`.
    pub async fn change_website(
        &self,
        actor: &HttpPrincipal,
        organization: Option<&OrganizationId>,
        id: &WebsiteId,
        change: ChangeWebsite,
    ) -> Result<WebsiteRow, ChatError> {
        let mut row = self.admin_website(actor, organization, id)?;
        apply(&mut row.settings, change)?;
        self.store.update_website(row.clone()).await?;
        self.publish_directory().await?;
        Ok(row)
    }

    /// Deletes a website with its conversations, for its admins.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `unavailable`.
    pub async fn delete_website(
        &self,
        actor: &HttpPrincipal,
        organization: Option<&OrganizationId>,
        id: &WebsiteId,
    ) -> Result<(), ChatError> {
        let row = self.admin_website(actor, organization, id)?;
        self.store.delete_website(row.key).await?;
        self.publish_directory().await
    }

    /// Makes a key, for the admins of its organization.
    ///
    /// # Errors
    /// `invalid_message`, `forbidden`, `not_found` for an unknown organization or website, `unavailable`.
    pub async fn create_key(
        &self,
        actor: &HttpPrincipal,
        create: CreateKey,
        now: Timestamp,
    ) -> Result<MadeKey, ChatError> {
        let organization = self.organization(actor, &create.organization_id)?.id;
        let (material, shown) = self.key_material(&organization, create)?;
        let row = KeyRow { id: self.ids.key(now), organization, material, created_at: now };
        self.store.create_key(row.clone()).await?;
        self.publish_directory().await?;
        Ok(MadeKey { row, shown })
    }

    fn key_material(
        &self,
        organization: &OrganizationId,
        create: CreateKey,
    ) -> Result<(KeyMaterial, Option<String>), ChatError> {
        let required = |path: &str| ChatError::invalid(Invalid::new(path, "is required for a key of this type"));
        match create.r#type {
            KeyType::Public => {
                let website = create.website_id.ok_or_else(|| required("websiteId"))?;
                let site = SiteKey { organization: organization.clone(), website: website.clone() };
                if self.directory.current().website(&site).is_none() {
                    return Err(ChatError::not_found());
                }
                let key = made_secret("pk_")?;
                Ok((KeyMaterial::Public { key: key.clone(), website }, Some(key)))
            }
            KeyType::Secret => {
                let key = made_secret("sk_")?;
                Ok((KeyMaterial::Secret { sha256: Sha256::digest(&key).into() }, Some(key)))
            }
            KeyType::JwtHs256 => {
                if create.algorithm.is_some_and(|algorithm| algorithm != KeyAlgorithm::HS256) {
                    return Err(ChatError::invalid(Invalid::new("algorithm", "must be HS256 for a key of this type")));
                }
                let key = made_secret("")?;
                Ok((KeyMaterial::JwtHs256 { secret: key.clone().into_bytes() }, Some(key)))
            }
            KeyType::JwtPublic => {
                let pem = create.public_key.ok_or_else(|| required("publicKey"))?.into_string();
                let algorithm = create.algorithm.map(|algorithm| algorithm.as_str().parse()).transpose();
                let key = algorithm.and_then(|algorithm| VerifyingKey::from_pem(&pem, algorithm));
                let key = key.map_err(|error| ChatError::invalid(Invalid::new("publicKey", error.to_string())))?;
                Ok((KeyMaterial::JwtPublic { pem, algorithm: key.algorithm().to_string() }, None))
            }
        }
    }

    /// One key, for the admins of its organization.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn key(&self, actor: &HttpPrincipal, id: &KeyId) -> Result<KeyRow, ChatError> {
        if !is_admin(actor) {
            return Err(ChatError::forbidden("for admins only"));
        }
        let directory = self.directory.current();
        let row = directory.key(id).ok_or_else(ChatError::not_found)?;
        require_admin(actor, &row.organization)?;
        Ok(row.clone())
    }

    /// Deletes a key, for the admins of its organization; what was signed by it is refused from then on.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `unavailable`.
    pub async fn delete_key(&self, actor: &HttpPrincipal, id: &KeyId) -> Result<(), ChatError> {
        let row = self.key(actor, id)?;
        self.store.delete_key(row.id).await?;
        self.publish_directory().await
    }

    /// Reads the set-up again and tells every shard. Called after a commit only.
    pub(super) async fn publish_directory(&self) -> Result<(), ChatError> {
        let directory = self.directory.reload(&*self.store).await?;
        self.bus.publish(Notice::Directory(Arc::clone(&directory)));
        Ok(())
    }
}

/// Whether one may set anything up at all.
fn is_admin(actor: &HttpPrincipal) -> bool {
    match actor {
        HttpPrincipal::Admin => true,
        HttpPrincipal::Person(person) => person.is_admin,
        HttpPrincipal::Secret { .. } => false,
    }
}

/// An admin sets up its own organization; to it, others do not exist.
fn require_admin(actor: &HttpPrincipal, organization: &OrganizationId) -> Result<(), ChatError> {
    match actor {
        HttpPrincipal::Admin => Ok(()),
        HttpPrincipal::Person(person) if person.is_admin => {
            if person.organization == *organization {
                Ok(())
            } else {
                Err(ChatError::not_found())
            }
        }
        HttpPrincipal::Person(_) | HttpPrincipal::Secret { .. } => Err(ChatError::forbidden("for admins only")),
    }
}

fn apply(settings: &mut WebsiteSettings, change: ChangeWebsite) -> Result<(), ChatError> {
    let ChangeWebsite { name, accent, questions, allowed_domains, typing_preview, unseen_after } = change;
    if let Some(name) = name {
        settings.name = name.into_string();
    }
    if let Some(accent) = accent {
        settings.accent = accent.map(cossistant_protocol::http::Color::into_string);
    }
    if let Some(questions) = questions {
        if questions.len() > MAX_QUESTIONS {
            let reason = format!("must have at most {MAX_QUESTIONS} entries");
            return Err(ChatError::invalid(Invalid::new("questions", reason)));
        }
        settings.questions = questions.into_iter().map(Text::into_string).collect();
    }
    if let Some(allowed_domains) = allowed_domains {
        settings.allowed_domains = domains(allowed_domains)?;
    }
    if let Some(typing_preview) = typing_preview {
        settings.typing_preview = typing_preview;
    }
    if let Some(unseen_after) = unseen_after {
        if unseen_after.0 > MAX_UNSEEN_AFTER {
            let reason = format!("must be at most {MAX_UNSEEN_AFTER}");
            return Err(ChatError::invalid(Invalid::new("unseenAfter", reason)));
        }
        settings.unseen_after = unseen_after.0;
    }
    Ok(())
}

fn domains<const MIN: usize, const MAX: usize>(texts: Vec<Text<MIN, MAX>>) -> Result<Vec<String>, ChatError> {
    if texts.len() > MAX_DOMAINS {
        let reason = format!("must have at most {MAX_DOMAINS} entries");
        return Err(ChatError::invalid(Invalid::new("allowedDomains", reason)));
    }
    let parse = |(at, text): (usize, Text<MIN, MAX>)| match text.as_str().parse::<DomainPattern>() {
        Ok(pattern) => Ok(pattern.to_string()),
        Err(error) => Err(ChatError::invalid(Invalid::new(format!("allowedDomains.{at}"), error.to_string()))),
    };
    texts.into_iter().enumerate().map(parse).collect()
}

/// A secret that nobody can guess, to be shown once.
fn made_secret(prefix: &str) -> Result<String, ChatError> {
    let secret = new_secret(prefix).map_err(|error| {
        tracing::error!(%error, "no secret can be made");
        ChatError::new(ErrorCode::Internal, "internal error")
    })?;
    Ok(secret.expose().to_owned())
}
