//! A small world to test in: two organizations, websites of equal names, and short ways to say things.

use std::sync::Arc;

use cossistant_protocol::{
    ConversationId, ConversationStatus, Identity, MessageId, OrganizationId, PersonId, RequestId, Timestamp,
    TypingPreview, UserType, Visibility, WebsiteId,
};

use crate::store::{
    AppendMessage, Appended, Audience, ChangeConversation, Changed, Conversation, ConversationPage, ConversationQuery,
    CreateConversation, Created, DeleteMessage, EditMessage, EventBody, Identified, IdentifyVisitor, MarkSeen, Message,
    MovedMark, OrganizationRow, PersonKey, Scope, SiteKey, Store, StoreError, StoredEvent, TouchPerson, WebsiteRow,
    WebsiteSettings, Websites,
};

pub(in crate::store) fn org(id: &str) -> OrganizationId {
    OrganizationId::new(id).unwrap()
}

pub(in crate::store) fn web(id: &str) -> WebsiteId {
    WebsiteId::new(id).unwrap()
}

pub(in crate::store) fn site(organization: &str, website: &str) -> SiteKey {
    SiteKey { organization: org(organization), website: web(website) }
}

pub(in crate::store) fn conv(id: &str) -> ConversationId {
    ConversationId::new(id).unwrap()
}

pub(in crate::store) fn msg(id: &str) -> MessageId {
    MessageId::new(id).unwrap()
}

pub(in crate::store) fn id(id: &str) -> PersonId {
    PersonId::new(id).unwrap()
}

pub(in crate::store) fn key(id: &str) -> RequestId {
    RequestId::new(id).unwrap()
}

pub(in crate::store) fn at(ms: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + ms)
}

pub(in crate::store) fn person(kind: UserType, name: &str) -> PersonKey {
    PersonKey { kind, id: id(name) }
}

pub(in crate::store) fn user(name: &str) -> PersonKey {
    person(UserType::User, name)
}

pub(in crate::store) fn visitor(name: &str) -> PersonKey {
    person(UserType::Visitor, name)
}

/// The scope of a visitor of website `a`.
pub(in crate::store) fn own(name: &str) -> Scope {
    Scope::Visitor { website: web("a"), visitor: id(name) }
}

/// The scope of a team member of all websites.
pub(in crate::store) fn team() -> Scope {
    Scope::Team { websites: Websites::All }
}

pub(in crate::store) fn team_of(websites: &[&str]) -> Scope {
    Scope::Team { websites: Websites::Only(websites.iter().map(|id| web(id)).collect()) }
}

fn fingerprint(text: &str) -> [u8; 16] {
    let mut sum = [0; 16];
    for (index, byte) in text.bytes().enumerate() {
        sum[index % 16] ^= byte.rotate_left(index as u32 / 16);
    }
    sum
}

/// A visitor's public message to `organization` `o`.
pub(in crate::store) fn says(name: &str, conversation: &str, request: &str, text: &str) -> AppendMessage {
    AppendMessage {
        organization: org("o"),
        scope: own(name),
        conversation: conv(conversation),
        message: msg(&format!("m-{name}-{conversation}-{request}")),
        sender: visitor(name),
        sender_name: None,
        key: key(request),
        fingerprint: fingerprint(text),
        content: Arc::from(format!("{{\"text\":{text:?}}}")),
        search_text: text.to_owned(),
        metadata: Some(Arc::from("{\"a\":1}")),
        visibility: Visibility::Public,
        may_create: true,
        at: at(0),
    }
}

/// A user's public message.
pub(in crate::store) fn replies(name: &str, conversation: &str, request: &str, text: &str) -> AppendMessage {
    AppendMessage {
        scope: team(),
        sender: user(name),
        sender_name: Some(Arc::from(name)),
        metadata: None,
        ..says(name, conversation, request, text)
    }
}

/// A user's note.
pub(in crate::store) fn notes(name: &str, conversation: &str, request: &str, text: &str) -> AppendMessage {
    AppendMessage { visibility: Visibility::Internal, ..replies(name, conversation, request, text) }
}

pub(in crate::store) fn edits(scope: Scope, editor: PersonKey, message: &Appended, text: &str, ms: u64) -> EditMessage {
    EditMessage {
        organization: org("o"),
        scope,
        conversation: conv("c"),
        message: message.message.clone(),
        editor,
        not_before: None,
        content: Arc::from(format!("{{\"text\":{text:?}}}")),
        search_text: text.to_owned(),
        at: at(ms),
    }
}

pub(in crate::store) fn deletes(scope: Scope, editor: PersonKey, message: &Appended, ms: u64) -> DeleteMessage {
    DeleteMessage {
        organization: org("o"),
        scope,
        conversation: conv("c"),
        message: message.message.clone(),
        editor,
        is_admin: false,
        not_before: None,
        at: at(ms),
    }
}

pub(in crate::store) fn settings(name: &str) -> WebsiteSettings {
    WebsiteSettings {
        name: name.to_owned(),
        accent: Some("#123456".to_owned()),
        questions: vec!["How \"much\"?".to_owned()],
        allowed_domains: vec!["*.example.com".to_owned(), "localhost:3000".to_owned()],
        typing_preview: TypingPreview::Indicator,
        unseen_after: 60,
    }
}

pub(in crate::store) fn website_row(key: SiteKey) -> WebsiteRow {
    let settings = settings(key.website.as_str());
    WebsiteRow { key, settings, created_at: at(1) }
}

/// A store with organizations `o` and `p`, each with websites `a` and `b`.
pub(in crate::store) struct World {
    pub(in crate::store) store: Arc<dyn Store>,
}

impl World {
    pub(in crate::store) async fn new(store: Arc<dyn Store>) -> Self {
        for organization in ["o", "p"] {
            let row = OrganizationRow { id: org(organization), name: organization.to_uppercase(), created_at: at(0) };
            store.create_organization(row).await.unwrap();
            for website in ["a", "b"] {
                store.create_website(website_row(site(organization, website))).await.unwrap();
            }
        }
        Self { store }
    }

    pub(in crate::store) async fn append(&self, append: AppendMessage) -> Appended {
        self.store.append_message(append).await.unwrap()
    }

    pub(in crate::store) async fn refused(&self, append: AppendMessage) -> StoreError {
        self.store.append_message(append).await.unwrap_err()
    }

    pub(in crate::store) async fn create(
        &self,
        visitor: &str,
        conversation: &str,
        ms: u64,
    ) -> Result<Created, StoreError> {
        let create = CreateConversation {
            website: site("o", "a"),
            visitor: id(visitor),
            conversation: conv(conversation),
            at: at(ms),
        };
        self.store.create_conversation(create).await
    }

    pub(in crate::store) async fn status(&self, conversation: &str, status: ConversationStatus, ms: u64) -> Changed {
        self.store.change_conversation(change(conversation, Some(status), None, ms)).await.unwrap()
    }

    pub(in crate::store) async fn assign(&self, conversation: &str, assignee: Option<&str>, ms: u64) -> Changed {
        self.store.change_conversation(change(conversation, None, Some(assignee.map(id)), ms)).await.unwrap()
    }

    pub(in crate::store) async fn conversation(
        &self,
        scope: Scope,
        conversation: &str,
    ) -> Result<Conversation, StoreError> {
        self.store.conversation(org("o"), scope, conv(conversation)).await
    }

    pub(in crate::store) async fn replay(
        &self,
        conversation: &str,
        audience: Audience,
        after: u64,
    ) -> Vec<StoredEvent> {
        self.store.conversation_events(org("o"), conv(conversation), audience, after, u64::MAX, 1000).await.unwrap()
    }

    pub(in crate::store) async fn seen(
        &self,
        scope: Scope,
        person: PersonKey,
        conversation: &str,
        seq: u64,
    ) -> Option<MovedMark> {
        self.store.mark_seen(seen(scope, person, conversation, seq)).await.unwrap()
    }

    pub(in crate::store) async fn list(&self, query: ConversationQuery) -> ConversationPage {
        self.store.conversations(query).await.unwrap()
    }

    pub(in crate::store) async fn listed(&self, query: ConversationQuery) -> Vec<String> {
        ids(&self.list(query).await)
    }

    pub(in crate::store) async fn identify(&self, visitor: Option<&str>, external_id: &str) -> Identified {
        self.store.identify_visitor(identify(visitor, external_id)).await.unwrap()
    }
}

pub(in crate::store) fn ids(page: &ConversationPage) -> Vec<String> {
    page.items.iter().map(|item| item.conversation.id.to_string()).collect()
}

pub(in crate::store) fn change(
    conversation: &str,
    status: Option<ConversationStatus>,
    assignee: Option<Option<PersonId>>,
    ms: u64,
) -> ChangeConversation {
    ChangeConversation {
        organization: org("o"),
        scope: team(),
        conversation: conv(conversation),
        status,
        assignee,
        if_assigned_to: None,
        by: Some(id("anna")),
        at: at(ms),
    }
}

pub(in crate::store) fn seen(scope: Scope, person: PersonKey, conversation: &str, seq: u64) -> MarkSeen {
    MarkSeen {
        organization: org("o"),
        scope,
        conversation: conv(conversation),
        person,
        name: Some(Arc::from("Name")),
        avatar_url: None,
        seq,
        at: at(seq),
    }
}

pub(in crate::store) fn identify(visitor: Option<&str>, external_id: &str) -> IdentifyVisitor {
    IdentifyVisitor {
        website: site("o", "a"),
        visitor: visitor.map(id),
        fresh: id(&format!("fresh-{external_id}")),
        identity: Identity {
            external_id: Some(external_id.to_owned()),
            email: Some(format!("{external_id}@example.com")),
            name: None,
        },
        at: at(7),
    }
}

pub(in crate::store) fn touch(person: PersonKey, websites: &[&str], ms: u64) -> TouchPerson {
    TouchPerson {
        person,
        organization: org("o"),
        websites: websites.iter().map(|id| web(id)).collect(),
        name: None,
        email: None,
        avatar_url: None,
        page: None,
        at: at(ms),
    }
}

/// All conversations of website `a`, as anna of the team asks.
pub(in crate::store) fn query() -> ConversationQuery {
    ConversationQuery {
        organization: org("o"),
        scope: team(),
        asker: user("anna"),
        website: Some(web("a")),
        visitor: None,
        status: None,
        assignee: None,
        search: Vec::new(),
        after: None,
        limit: 50,
    }
}

pub(in crate::store) fn message(event: &StoredEvent) -> &Message {
    match &event.body {
        EventBody::Message(message) => message,
        EventBody::Created { .. }
        | EventBody::Updated { .. }
        | EventBody::Status { .. }
        | EventBody::Assigned { .. } => {
            panic!("no message: {event:?}")
        }
    }
}

/// An event's kind and places, short enough to read in a comparison.
pub(in crate::store) fn brief(event: &StoredEvent) -> (&'static str, u64, Option<u64>) {
    let kind = match &event.body {
        EventBody::Created { .. } => "created",
        EventBody::Message(_) => "message",
        EventBody::Updated { .. } => "updated",
        EventBody::Status { .. } => "status",
        EventBody::Assigned { .. } => "assigned",
    };
    (kind, event.team_seq, event.visitor_seq)
}

pub(in crate::store) fn texts(events: &[StoredEvent]) -> Vec<String> {
    let text = |event: &StoredEvent| message(event).content.as_deref().unwrap_or("-").to_owned();
    events.iter().map(|event| text(event).replace("{\"text\":\"", "").replace("\"}", "")).collect()
}
