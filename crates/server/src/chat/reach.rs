//! How far a caller of the HTTP API reaches.

use std::sync::Arc;

use cossistant_protocol::{OrganizationId, PersonId, UserType, WebsiteId};

use super::{Chat, ChatError};
use crate::auth::HttpPrincipal;
use crate::directory::Website;
use crate::store::{Audience, PersonKey, Scope, SiteKey, Websites};

/// What a caller may touch, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// Within which organization.
    pub(super) organization: OrganizationId,
    /// Which conversations.
    pub(super) scope: Scope,
    /// Who acts; a secret key may act for nobody.
    pub(super) person: Option<PersonKey>,
}

impl Reach {
    /// The reach of a principal or of a secret key, which is that of its organization's team.
    ///
    /// # Errors
    /// `forbidden` for the admin key, which is for set-up alone.
    pub(super) fn of(actor: &HttpPrincipal) -> Result<Self, ChatError> {
        match actor {
            HttpPrincipal::Admin => Err(ChatError::forbidden("the admin key is for set-up only")),
            HttpPrincipal::Person(person) | HttpPrincipal::Secret { agent: Some(person), .. } => Ok(Self {
                organization: person.organization.clone(),
                scope: person.scope(),
                person: Some(person.key()),
            }),
            HttpPrincipal::Secret { organization, agent: None, .. } => Ok(Self {
                organization: organization.clone(),
                scope: Scope::Team { websites: Websites::All },
                person: None,
            }),
        }
    }

    /// The same, for the team only.
    ///
    /// # Errors
    /// `forbidden` for visitors and the admin key.
    pub(super) fn of_team(actor: &HttpPrincipal) -> Result<(Self, Websites), ChatError> {
        let reach = Self::of(actor)?;
        match &reach.scope {
            Scope::Visitor { .. } => Err(ChatError::forbidden("for users and AI agents only")),
            Scope::Team { websites } => {
                let websites = websites.clone();
                Ok((reach, websites))
            }
        }
    }

    pub(super) const fn audience(&self) -> Audience {
        self.scope.audience()
    }

    /// For whom unread messages are counted: to a secret key that acts for nobody, every message is unread.
    pub(super) fn asker(&self) -> PersonKey {
        self.person.clone().unwrap_or_else(|| PersonKey {
            kind: UserType::AiAgent,
            id: PersonId::new("-").expect("an allowed character"),
        })
    }
}

impl Chat {
    /// A website that the team of this reach may see.
    pub(super) fn covered_website(
        &self,
        reach: &Reach,
        websites: &Websites,
        id: &WebsiteId,
    ) -> Result<(SiteKey, Arc<Website>), ChatError> {
        let site = SiteKey { organization: reach.organization.clone(), website: id.clone() };
        let directory = self.directory.current();
        match directory.website(&site) {
            Some(website) if websites.contains(id) => Ok((site, Arc::clone(website))),
            Some(_) | None => Err(ChatError::not_found()),
        }
    }
}
