//! Conversations: made, listed, changed, read.

use cossistant_protocol::http::{ChangeConversation, CreateConversation};
use cossistant_protocol::{
    ConversationId, ConversationStatus, Identity, Invalid, NewMessage, PersonId, Timestamp, WebsiteId,
};

use super::reach::Reach;
use super::{Chat, ChatError};
use crate::auth::HttpPrincipal;
use crate::bus::Notice;
use crate::event::read_message;
use crate::store::{
    self, AssigneeFilter, Audience, Conversation, ConversationItem, ConversationPage, ConversationQuery, MessagePage,
    Scope, SiteKey, StoreError, Websites,
};

/// Whose conversations are listed, as far as the asker may see them.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Only of this website.
    pub website: Option<WebsiteId>,
    /// Only of this visitor.
    pub visitor: Option<PersonId>,
    /// Only with this status.
    pub status: Option<ConversationStatus>,
    /// Only with this assignee: `me`, `none`, or an id.
    pub assignee: Option<PersonId>,
    /// Only those in which each of these words begins a word.
    pub search: Option<String>,
    /// Only those past this place.
    pub after: Option<ListPlace>,
    /// How many at most.
    pub limit: usize,
}

/// The place of a conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlace {
    /// When something last happened in it that the asker may see.
    pub at: Timestamp,
    /// Which conversation.
    pub conversation: ConversationId,
}

/// One page of conversations.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The conversations, newest activity first.
    pub items: Vec<ListedConversation>,
    /// Where the next page begins.
    pub next: Option<ListPlace>,
}

/// A conversation as the asker may see it.
#[derive(Debug, Clone)]
pub struct ListedConversation {
    /// The conversation.
    pub conversation: Conversation,
    /// When something last happened in it that the asker may see.
    pub last_activity_at: Timestamp,
    /// What is known of its visitor.
    pub identity: Option<Identity>,
    /// The newest message that the asker may see.
    pub last_message: Option<NewMessage>,
    /// How many messages the asker may see and has not, its own excepted.
    pub unread: u64,
}

/// How often a conversation in which something happens meanwhile is looked for in its list.
const ITEM_ATTEMPTS: usize = 5;

impl Chat {
    /// Makes a conversation, or finds the one of this id; says whether it is new.
    ///
    /// The team names a website and a visitor; a visitor makes its own.
    ///
    /// # Errors
    /// `invalid_message`, `not_found` for a website that one may not see, `forbidden` for another one's website or
    /// visitor, `conflict` for an id that is another visitor's, `rate_limited`, `unavailable`.
    pub async fn create_conversation(
        &self,
        actor: &HttpPrincipal,
        create: CreateConversation,
        now: Timestamp,
    ) -> Result<(ListedConversation, bool), ChatError> {
        let reach = Reach::of(actor)?;
        let (website, visitor) = self.place_of(&reach, &create).await?;
        if let (Scope::Visitor { .. }, HttpPrincipal::Person(person)) = (&reach.scope, actor) {
            if let Some(id) = &create.conversation_id {
                match self.store.conversation(reach.organization.clone(), reach.scope.clone(), id.clone()).await {
                    Ok(conversation) => return Ok((self.item(&reach, conversation).await?, false)),
                    Err(StoreError::NotFound) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.take_conversation(person, now)?;
        }
        let conversation = create.conversation_id.unwrap_or_else(|| self.ids.conversation(now));
        let create = store::CreateConversation { website, visitor, conversation, at: now };
        let created = self.store.create_conversation(create).await?;
        self.publish_created(&created);
        let is_new = !created.events.is_empty();
        Ok((self.item(&reach, created.conversation).await?, is_new))
    }

    /// On which website, and whose, a new conversation is to be.
    async fn place_of(&self, reach: &Reach, create: &CreateConversation) -> Result<(SiteKey, PersonId), ChatError> {
        let required = |path: &str| ChatError::invalid(Invalid::new(path, "is required"));
        match &reach.scope {
            Scope::Visitor { website, visitor } => {
                let is_own_site = create.website_id.as_ref().is_none_or(|id| id == website);
                let site = SiteKey { organization: reach.organization.clone(), website: website.clone() };
                let is_own = match &create.visitor_id {
                    None => true,
                    // It may name itself by the id that it had before it was merged.
                    Some(id) => self.store.resolve_visitor(site.clone(), id.clone()).await? == *visitor,
                };
                if !is_own_site || !is_own {
                    return Err(ChatError::forbidden("a visitor makes conversations of its own"));
                }
                Ok((site, visitor.clone()))
            }
            Scope::Team { websites } => {
                let website = create.website_id.as_ref().ok_or_else(|| required("websiteId"))?;
                let visitor = create.visitor_id.clone().ok_or_else(|| required("visitorId"))?;
                let (site, _) = self.covered_website(reach, websites, website)?;
                let visitor = self.store.resolve_visitor(site.clone(), visitor).await?;
                Ok((site, visitor))
            }
        }
    }

    /// One conversation.
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn conversation(
        &self,
        actor: &HttpPrincipal,
        conversation: ConversationId,
    ) -> Result<ListedConversation, ChatError> {
        let reach = Reach::of(actor)?;
        let conversation =
            self.store.conversation(reach.organization.clone(), reach.scope.clone(), conversation).await?;
        self.item(&reach, conversation).await
    }

    /// Changes status and assignee, for the team.
    ///
    /// # Errors
    /// `forbidden` for the visitor whose it is, `not_found`, `conflict` when `ifAssignedTo` does not hold, `unavailable`.
    pub async fn change_conversation(
        &self,
        actor: &HttpPrincipal,
        conversation: ConversationId,
        change: ChangeConversation,
        now: Timestamp,
    ) -> Result<ListedConversation, ChatError> {
        let reach = Reach::of(actor)?;
        if reach.audience() == Audience::Visitor {
            // Its own a visitor may see but not change; of anybody else's it must not learn that it exists.
            self.store.conversation(reach.organization, reach.scope, conversation).await?;
            return Err(ChatError::forbidden("for users and AI agents only"));
        }
        let changed = self
            .store
            .change_conversation(store::ChangeConversation {
                organization: reach.organization.clone(),
                scope: reach.scope.clone(),
                conversation,
                status: change.status,
                assignee: change.assigned_team_member_id,
                if_assigned_to: change.if_assigned_to,
                by: reach.person.as_ref().map(|person| person.id.clone()),
                at: now,
            })
            .await?;
        self.publish(&changed.events);
        // Whether it was open before is not asked: by now another change may have come between. Nobody is told of what is
        // as it was.
        if !changed.events.is_empty() && change.status.is_some() {
            self.bus.publish(Notice::OpenConversations {
                site: changed.conversation.website.clone(),
                visitor: changed.conversation.visitor.clone(),
            });
        }
        self.item(&reach, changed.conversation).await
    }

    /// Lists conversations, newest activity first.
    ///
    /// # Errors
    /// `forbidden` for a visitor who names a website or searches, `not_found` for a website that one may not see,
    /// `invalid_message` for `me` without a person, `unavailable`.
    pub async fn conversations(&self, actor: &HttpPrincipal, filter: ConversationFilter) -> Result<Listed, ChatError> {
        let reach = Reach::of(actor)?;
        let query = self.query(&reach, filter).await?;
        let ConversationPage { items, has_more } = self.store.conversations(query).await?;
        let next = match items.last() {
            Some(last) if has_more => Some(ListPlace {
                at: last.conversation.activity(reach.audience()),
                conversation: last.conversation.id.clone(),
            }),
            Some(_) | None => None,
        };
        let items = items.into_iter().map(|item| listed(item, reach.audience())).collect();
        Ok(Listed { items, next })
    }

    async fn query(&self, reach: &Reach, filter: ConversationFilter) -> Result<ConversationQuery, ChatError> {
        if matches!(reach.scope, Scope::Visitor { .. }) && (filter.website.is_some() || filter.search.is_some()) {
            return Err(ChatError::forbidden("for users and AI agents only"));
        }
        if let (Scope::Team { websites }, Some(website)) = (&reach.scope, &filter.website) {
            self.covered_website(reach, websites, website)?;
        }
        let assignee = match filter.assignee {
            None => None,
            Some(id) if id.as_str() == "none" => Some(AssigneeFilter::Nobody),
            Some(id) if id.as_str() == "me" => {
                let me = reach.person.clone().ok_or_else(|| agent_required("me"))?;
                Some(AssigneeFilter::Person(me.id))
            }
            Some(id) => Some(AssigneeFilter::Person(id)),
        };
        let visitor = match (&reach.scope, filter.visitor) {
            (Scope::Team { websites }, Some(visitor)) => {
                Some(self.stands_for(reach, websites, filter.website.as_ref(), visitor).await?)
            }
            // A visitor's scope is its own conversations, whatever it names.
            (Scope::Visitor { .. }, Some(_)) | (_, None) => None,
        };
        Ok(ConversationQuery {
            organization: reach.organization.clone(),
            scope: reach.scope.clone(),
            asker: reach.asker(),
            website: filter.website,
            visitor,
            status: filter.status,
            assignee,
            search: filter.search.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect(),
            after: filter.after.map(|ListPlace { at, conversation }| (at, conversation)),
            limit: filter.limit,
        })
    }

    /// Whom an old visitor id stands for on the websites that one may see.
    async fn stands_for(
        &self,
        reach: &Reach,
        websites: &Websites,
        website: Option<&WebsiteId>,
        visitor: PersonId,
    ) -> Result<PersonId, ChatError> {
        let known = match website {
            Some(website) => vec![website.clone()],
            None => self.store.visitor_websites(reach.organization.clone(), visitor.clone()).await?,
        };
        for website in known.into_iter().filter(|website| websites.contains(website)) {
            let site = SiteKey { organization: reach.organization.clone(), website };
            let person = self.store.resolve_visitor(site, visitor.clone()).await?;
            if person != visitor {
                return Ok(person);
            }
        }
        Ok(visitor)
    }

    /// One page of messages by rising `seq`, and whether there are more in that direction.
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn messages(
        &self,
        actor: &HttpPrincipal,
        conversation: ConversationId,
        page: MessagePage,
    ) -> Result<(Vec<NewMessage>, bool), ChatError> {
        let reach = Reach::of(actor)?;
        let (stored, has_more) =
            self.store.messages(reach.organization.clone(), reach.scope.clone(), conversation, page).await?;
        let messages = stored.iter().filter_map(|event| read_message(event, reach.audience())).collect();
        Ok((messages, has_more))
    }

    /// The conversation with what a list would tell of it.
    async fn item(&self, reach: &Reach, conversation: Conversation) -> Result<ListedConversation, ChatError> {
        let mut conversation = conversation;
        for _ in 0..ITEM_ATTEMPTS {
            if let Some(item) = self.item_at(reach, &conversation).await? {
                return Ok(listed(item, reach.audience()));
            }
            // Something happened in it meanwhile, so it stands at another place of the list.
            let (organization, scope) = (reach.organization.clone(), reach.scope.clone());
            conversation = self.store.conversation(organization, scope, conversation.id).await?;
        }
        Err(StoreError::Unavailable("a conversation changes faster than it is read".to_owned()).into())
    }

    /// Looks for a conversation at its place in the list of its visitor's: behind all that are newer.
    async fn item_at(&self, reach: &Reach, conversation: &Conversation) -> Result<Option<ConversationItem>, ChatError> {
        let audience = reach.audience();
        let mut after = (conversation.activity(audience).plus_millis(1), conversation.id.clone());
        loop {
            let page = self
                .store
                .conversations(ConversationQuery {
                    organization: reach.organization.clone(),
                    scope: reach.scope.clone(),
                    asker: reach.asker(),
                    website: Some(conversation.website.website.clone()),
                    visitor: Some(conversation.visitor.clone()),
                    status: None,
                    assignee: None,
                    search: Vec::new(),
                    after: Some(after),
                    limit: 1,
                })
                .await?;
            let Some(item) = page.items.into_iter().next() else { return Ok(None) };
            if item.conversation.id == conversation.id {
                return Ok(Some(item));
            }
            if item.conversation.activity(audience) < conversation.activity(audience) {
                return Ok(None);
            }
            after = (item.conversation.activity(audience), item.conversation.id);
        }
    }
}

fn listed(item: ConversationItem, audience: Audience) -> ListedConversation {
    let ConversationItem { conversation, identity, last_message, unread } = item;
    let last_message = last_message.and_then(|event| read_message(&event, audience));
    let last_activity_at = conversation.activity(audience);
    ListedConversation { conversation, last_activity_at, identity, last_message, unread }
}

/// A secret key that acts for nobody was asked to act for somebody.
pub(crate) fn agent_required(what: &str) -> ChatError {
    ChatError::invalid(Invalid::new("agentId", format!("is required with a secret key for `{what}`")))
}
