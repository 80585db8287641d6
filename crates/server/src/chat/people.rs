//! Visitors and the team: who they are, and that they leave.

use std::time::Duration;

use cossistant_protocol::fields::Text;
use cossistant_protocol::http::{Disconnect, IssueToken, MAX_TOKEN_SECONDS, Role, WebsiteGrant};
use cossistant_protocol::{
    Identity, Invalid, OrganizationId, PersonId, ServerMessage, Timestamp, UserType, VisitorIdentified, WebsiteId,
};

use super::reach::Reach;
use super::{Chat, ChatError, UNAVAILABLE_RETRY_MS};
use crate::auth::{AuthError, HttpPrincipal, IdentityClaims, Principal, PrincipalFields, TokenRequest};
use crate::bus::{Notice, Who};
use crate::event::Frame;
use crate::store::{
    Identified, IdentifyVisitor, Member, PersonKey, RevocationRow, SiteKey, StoreError, TouchPerson, VisitorRow,
    Websites,
};

/// The most websites that a token names.
const MAX_GRANTS: usize = 1000;

/// A visitor at a website's door; what it says of itself has been verified.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which website.
    pub site: SiteKey,
    /// Who the visitor is by its own token, if it has one.
    pub visitor: Option<PersonId>,
    /// Who the customer's server says that it is.
    pub identity: Option<IdentityClaims>,
    /// On which page.
    pub page: Option<String>,
}

impl Chat {
    /// Who a principal is by now: a visitor who was merged into a known person is that person, and is refused when
    /// that person was revoked after the credential was issued. Every way in goes through this.
    ///
    /// # Errors
    /// `unauthorized` when revoked, `unavailable`.
    pub(crate) async fn resolve(&self, principal: Principal) -> Result<Principal, AuthError> {
        let Some(site) = principal.visitor_site() else { return Ok(principal) };
        match self.store.resolve_visitor(site, principal.id.clone()).await {
            Ok(visitor) if visitor == principal.id => Ok(principal),
            Ok(visitor) => {
                let mut fields = PrincipalFields::clone(&principal);
                fields.id = visitor;
                let person = Principal::from(fields);
                person.refuse_revoked(&self.directory.current())?;
                Ok(person)
            }
            Err(error) => {
                tracing::warn!(%error, "could not resolve a visitor");
                Err(AuthError::unavailable("the store is unavailable", UNAVAILABLE_RETRY_MS))
            }
        }
    }

    /// Lets a visitor in, a new one if it has no token, and says who it is from now on, with what is known of it.
    ///
    /// With an identity the anonymous visitor becomes that person, or is merged into the visitor who is that person
    /// already; a visitor who is somebody else already stays who it is, and the person's own visitor comes in.
    ///
    /// # Errors
    /// `unauthorized` when the person was revoked after its identity was said, `unavailable`.
    pub async fn admit_visitor(
        &self,
        arrival: Arrival,
        now: Timestamp,
    ) -> Result<(PersonId, Option<Identity>), ChatError> {
        let Arrival { site, visitor, identity, page } = arrival;
        let visitor = match visitor {
            Some(visitor) => Some(self.store.resolve_visitor(site.clone(), visitor).await?),
            None => None,
        };
        let admitted = match identity {
            Some(IdentityClaims { external_id, identity, issued_at }) => {
                // Whom the customer's server means may have been revoked; then nothing is changed either.
                if let Some(person) = self.store.known_visitor(site.clone(), external_id.to_string()).await? {
                    let key = PersonKey { kind: UserType::Visitor, id: person };
                    if self.directory.current().is_revoked(&site.organization, &key, issued_at) {
                        return Err(AuthError::revoked().into());
                    }
                }
                self.identify(&site, visitor, identity, now).await?
            }
            None => visitor.unwrap_or_else(|| self.ids.visitor(now)),
        };
        self.store
            .touch_person(TouchPerson {
                person: PersonKey { kind: UserType::Visitor, id: admitted.clone() },
                organization: site.organization.clone(),
                websites: vec![site.website.clone()],
                name: None,
                email: None,
                avatar_url: None,
                page,
                at: now,
            })
            .await?;
        let known = self.store.visitor(site, admitted.clone()).await?;
        Ok((admitted, known.identity))
    }

    async fn identify(
        &self,
        site: &SiteKey,
        visitor: Option<PersonId>,
        identity: Identity,
        now: Timestamp,
    ) -> Result<PersonId, ChatError> {
        let mut visitor = visitor;
        if let Some(id) = &visitor {
            let known = match self.store.visitor(site.clone(), id.clone()).await {
                Ok(row) => row.identity,
                Err(StoreError::NotFound) => None,
                Err(error) => return Err(error.into()),
            };
            if known.as_ref() == Some(&identity) {
                return Ok(id.clone());
            }
            // Two people on one browser: the second does not become the first, nor take the first one's conversations.
            let is_somebody_else =
                known.is_some_and(|known| known.external_id.is_some() && known.external_id != identity.external_id);
            if is_somebody_else {
                visitor = None;
            }
        }
        let identified = self
            .store
            .identify_visitor(IdentifyVisitor {
                website: site.clone(),
                visitor,
                fresh: self.ids.visitor(now),
                identity: identity.clone(),
                at: now,
            })
            .await?;
        self.publish_identified(site, &identified, identity);
        Ok(identified.visitor)
    }

    /// Tells who a visitor is now; a merge may change whom the team sees online, and where.
    fn publish_identified(&self, site: &SiteKey, identified: &Identified, identity: Identity) {
        let Identified { visitor, previous, conversations } = identified.clone();
        let message = ServerMessage::VisitorIdentified(VisitorIdentified {
            visitor_id: visitor.clone(),
            identity,
            previous_visitor_id: previous.clone(),
            conversation_ids: Some(conversations.clone()),
            website_id: site.website.clone(),
            organization_id: site.organization.clone(),
        });
        let has_merged = previous.is_some();
        self.bus.publish(Notice::Identified {
            site: site.clone(),
            visitor: visitor.clone(),
            previous,
            conversations: conversations.into(),
            frame: Frame::new(&message),
        });
        if has_merged {
            self.bus.publish(Notice::OpenConversations { site: site.clone(), visitor });
        }
    }

    /// What is known of a visitor, for the team: on one website, or on the one where it was last seen.
    ///
    /// # Errors
    /// `forbidden` for visitors, `not_found`, `unavailable`.
    pub async fn visitor(
        &self,
        actor: &HttpPrincipal,
        visitor: PersonId,
        website: Option<WebsiteId>,
    ) -> Result<VisitorRow, ChatError> {
        let (reach, websites) = Reach::of_team(actor)?;
        let candidates = match website {
            Some(website) => vec![website],
            None => self.store.visitor_websites(reach.organization.clone(), visitor.clone()).await?,
        };
        let mut newest: Option<VisitorRow> = None;
        for website in candidates {
            let Ok((site, _)) = self.covered_website(&reach, &websites, &website) else { continue };
            let person = self.store.resolve_visitor(site.clone(), visitor.clone()).await?;
            match self.store.visitor(site, person).await {
                Ok(row) if newest.as_ref().is_none_or(|best| best.last_seen_at < row.last_seen_at) => {
                    newest = Some(row);
                }
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        newest.ok_or_else(ChatError::not_found)
    }

    /// Everyone of the team who ever connected for a website, for the team; with the website.
    ///
    /// # Errors
    /// `forbidden` for visitors, `not_found`, `unavailable`.
    pub async fn members(
        &self,
        actor: &HttpPrincipal,
        website: &WebsiteId,
    ) -> Result<(SiteKey, Vec<Member>), ChatError> {
        let (reach, websites) = Reach::of_team(actor)?;
        let (site, _) = self.covered_website(&reach, &websites, website)?;
        let members = self.store.members(site.clone()).await?;
        Ok((site, members))
    }

    /// Ends the connections of a person, with `revoke` for good: tokens issued before now stay refused.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `invalid_message` unless exactly one person is named, `unavailable`.
    pub async fn disconnect(
        &self,
        actor: &HttpPrincipal,
        disconnect: Disconnect,
        now: Timestamp,
    ) -> Result<(), ChatError> {
        let HttpPrincipal::Secret { organization, .. } = actor else {
            return Err(ChatError::forbidden("for secret keys only"));
        };
        let Disconnect { user_id, visitor_id, agent_id, revoke } = disconnect;
        let person = match (user_id, visitor_id, agent_id) {
            (Some(id), None, None) => PersonKey { kind: UserType::User, id },
            (None, Some(id), None) => PersonKey { kind: UserType::Visitor, id },
            (None, None, Some(id)) => PersonKey { kind: UserType::AiAgent, id },
            (_, _, _) => {
                let reason = "give exactly one of userId, visitorId and agentId";
                return Err(ChatError::invalid(Invalid::new("", reason)));
            }
        };
        let targets = self.connections_of(organization, &person).await?;
        let is_revoked = revoke.unwrap_or(false);
        if is_revoked {
            for person in targets.people {
                self.store.revoke(RevocationRow { organization: organization.clone(), person, at: now }).await?;
            }
            self.publish_directory().await?;
        }
        for who in targets.connections {
            self.bus.publish(Notice::Disconnect { who, is_revoked });
        }
        Ok(())
    }

    /// What a token is to say that a secret key asks for.
    ///
    /// # Errors
    /// `forbidden` unless asked by a secret key, `invalid_message` for a grant that cannot be, `not_found` for a
    /// visitor's website that does not exist.
    pub fn token_request(&self, actor: &HttpPrincipal, issue: IssueToken) -> Result<TokenRequest, ChatError> {
        let HttpPrincipal::Secret { organization, .. } = actor else {
            return Err(ChatError::forbidden("for secret keys only"));
        };
        let invalid = |path: &str, reason: &str| ChatError::invalid(Invalid::new(path, reason));
        if issue.websites.len() > MAX_GRANTS {
            return Err(invalid("websites", "must have at most 1000 entries"));
        }
        let mut ids = Vec::new();
        for grant in &issue.websites {
            if let WebsiteGrant::One(id) = grant {
                ids.push(id.clone());
            }
        }
        let websites = match (issue.websites.as_slice(), issue.r#type) {
            ([WebsiteGrant::One(id)], UserType::Visitor) => {
                let site = SiteKey { organization: organization.clone(), website: id.clone() };
                if self.directory.current().website(&site).is_none() {
                    return Err(ChatError::not_found());
                }
                Websites::Only(ids.into())
            }
            (_, UserType::Visitor) => return Err(invalid("websites", "a visitor has exactly one website")),
            ([WebsiteGrant::All], UserType::User | UserType::AiAgent) => Websites::All,
            (grants, UserType::User | UserType::AiAgent) if ids.len() == grants.len() => Websites::Only(ids.into()),
            (_, UserType::User | UserType::AiAgent) => {
                return Err(invalid("websites", "`*` stands alone"));
            }
        };
        if issue.role.is_some() && issue.r#type != UserType::User {
            return Err(invalid("role", "is for users only"));
        }
        let seconds = issue.expires_in.map_or(TokenRequest::DEFAULT_LIFE.as_secs(), |seconds| seconds.0);
        if !(1..=MAX_TOKEN_SECONDS).contains(&seconds) {
            return Err(invalid("expiresIn", "must be 1 to 2592000 seconds"));
        }
        Ok(TokenRequest {
            organization: organization.clone(),
            kind: issue.r#type,
            id: issue.sub,
            websites,
            is_admin: issue.role == Some(Role::Admin),
            name: issue.name.map(Text::into_string),
            email: issue.email.map(Text::into_string),
            avatar_url: issue.avatar_url.map(|url| url.as_str().to_owned()),
            life: Duration::from_secs(seconds),
        })
    }

    /// Whose connections a person's are: a visitor's on every website, also under the id that it was merged into.
    async fn connections_of(&self, organization: &OrganizationId, person: &PersonKey) -> Result<Targets, ChatError> {
        let mut targets = Targets { people: vec![person.clone()], connections: Vec::new() };
        match person.kind {
            UserType::User | UserType::AiAgent => {
                targets.connections.push(Who::Member(organization.clone(), person.clone()));
            }
            UserType::Visitor => {
                let directory = self.directory.current();
                let websites = directory.organization(organization).map(|organization| organization.websites.keys());
                for website in websites.into_iter().flatten() {
                    let site = SiteKey { organization: organization.clone(), website: website.clone() };
                    targets.connections.push(Who::Visitor(site, person.id.clone()));
                }
                for website in self.store.visitor_websites(organization.clone(), person.id.clone()).await? {
                    let site = SiteKey { organization: organization.clone(), website };
                    let id = self.store.resolve_visitor(site.clone(), person.id.clone()).await?;
                    if id != person.id {
                        targets.connections.push(Who::Visitor(site, id.clone()));
                        targets.people.push(PersonKey { kind: UserType::Visitor, id });
                    }
                }
            }
        }
        Ok(targets)
    }
}

/// Who is meant by a disconnect.
struct Targets {
    people: Vec<PersonKey>,
    connections: Vec<Who>,
}
