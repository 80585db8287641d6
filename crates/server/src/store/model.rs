//! The rows that go in and out of a store.

use std::sync::Arc;

use cossistant_protocol::{
    ConversationId, ConversationStatus, Identity, KeyId, MessageId, OrganizationId, PersonId, RequestId, Timestamp,
    Visibility, WebsiteId,
};

use super::{PersonKey, RevocationRow, SiteKey, WebsiteSettings};

/// Who reads: the two have numberings of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// The visitor of the conversation, without notes.
    Visitor,
    /// Users and AI agents, with notes.
    Team,
}

/// Which websites of its organization a team member may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Websites {
    /// All, those of the future included.
    All,
    /// These.
    Only(Arc<[WebsiteId]>),
}

impl Websites {
    /// Whether a website is among them.
    #[must_use]
    pub fn contains(&self, website: &WebsiteId) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(website),
        }
    }
}

/// Whose conversations may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A visitor's own, on its website.
    Visitor {
        /// The website.
        website: WebsiteId,
        /// The visitor.
        visitor: PersonId,
    },
    /// Those of some websites.
    Team {
        /// Which.
        websites: Websites,
    },
}

impl Scope {
    /// In which numbering one of this scope reads.
    #[must_use]
    pub const fn audience(&self) -> Audience {
        match self {
            Self::Visitor { .. } => Audience::Visitor,
            Self::Team { .. } => Audience::Team,
        }
    }
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct AppendMessage {
    /// In which organization.
    pub organization: OrganizationId,
    /// What the sender may touch.
    pub scope: Scope,
    /// Where.
    pub conversation: ConversationId,
    /// The id that it gets if it is new.
    pub message: MessageId,
    /// Who sends it.
    pub sender: PersonKey,
    /// The sender's name, for people.
    pub sender_name: Option<Arc<str>>,
    /// The idempotency key.
    pub key: RequestId,
    /// A hash of what was sent, by which a repeated key is compared.
    pub fingerprint: [u8; 16],
    /// The content to keep, as JSON text (sanitised).
    pub content: Arc<str>,
    /// The words that a search finds it by.
    pub search_text: String,
    /// The application's metadata, as JSON text.
    pub metadata: Option<Arc<str>>,
    /// Who may read it.
    pub visibility: Visibility,
    /// Whether a visitor's unknown conversation may be created; else it is [`super::StoreError::NotFound`].
    pub may_create: bool,
    /// When.
    pub at: Timestamp,
}

/// A message found by its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMessage {
    /// Its id.
    pub message: MessageId,
    /// Its place in the team's numbering.
    pub team_seq: u64,
    /// Its place in the visitor's numbering, unless it is a note.
    pub visitor_seq: Option<u64>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The hash of what was first sent.
    pub fingerprint: [u8; 16],
}

/// The answer to an [`AppendMessage`].
#[derive(Debug, Clone)]
pub struct Appended {
    /// The id of the message, the first one's for a duplicate.
    pub message: MessageId,
    /// Its place in the team's numbering.
    pub team_seq: u64,
    /// Its place in the visitor's numbering, unless it is a note.
    pub visitor_seq: Option<u64>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether it had been stored before; `events` is empty then.
    pub duplicate: bool,
    /// What happened, in order: creation, message, reopening.
    pub events: Vec<StoredEvent>,
}

/// Who may edit a message: its sender within a time, or a user for a note.
#[derive(Debug, Clone)]
pub struct EditMessage {
    /// In which organization.
    pub organization: OrganizationId,
    /// What the editor may touch.
    pub scope: Scope,
    /// Where.
    pub conversation: ConversationId,
    /// Which message.
    pub message: MessageId,
    /// Who edits.
    pub editor: PersonKey,
    /// A sender that is a visitor may edit only messages that are not older than this point.
    pub not_before: Option<Timestamp>,
    /// The new content, as JSON text.
    pub content: Arc<str>,
    /// The words that a search finds it by.
    pub search_text: String,
    /// When.
    pub at: Timestamp,
}

/// A message to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteMessage {
    /// In which organization.
    pub organization: OrganizationId,
    /// What the deleter may touch.
    pub scope: Scope,
    /// Where.
    pub conversation: ConversationId,
    /// Which message.
    pub message: MessageId,
    /// Who deletes.
    pub editor: PersonKey,
    /// Whether the deleter may delete anybody's.
    pub is_admin: bool,
    /// A sender that is a visitor may delete only messages that are not older than this point.
    pub not_before: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
}

/// A conversation to be made.
#[derive(Debug, Clone)]
pub struct CreateConversation {
    /// On which website.
    pub website: SiteKey,
    /// Whose.
    pub visitor: PersonId,
    /// Its id.
    pub conversation: ConversationId,
    /// When.
    pub at: Timestamp,
}

/// The answer to a [`CreateConversation`].
#[derive(Debug, Clone)]
pub struct Created {
    /// The conversation.
    pub conversation: Conversation,
    /// Its creation; empty if it stood already.
    pub events: Vec<StoredEvent>,
}

/// A change of status or assignee.
#[derive(Debug, Clone)]
pub struct ChangeConversation {
    /// In which organization.
    pub organization: OrganizationId,
    /// What the one who changes it may touch.
    pub scope: Scope,
    /// Which conversation.
    pub conversation: ConversationId,
    /// The new status.
    pub status: Option<ConversationStatus>,
    /// The new assignee; `Some(None)` for nobody.
    pub assignee: Option<Option<PersonId>>,
    /// Only if this is the assignee now, else [`super::Conflict::Assignee`].
    pub if_assigned_to: Option<Option<PersonId>>,
    /// Who changes it.
    pub by: Option<PersonId>,
    /// When.
    pub at: Timestamp,
}

/// The answer to a [`ChangeConversation`].
#[derive(Debug, Clone)]
pub struct Changed {
    /// The conversation as it is now.
    pub conversation: Conversation,
    /// What changed: status first, then assignee.
    pub events: Vec<StoredEvent>,
}

/// A mark to be moved.
#[derive(Debug, Clone)]
pub struct MarkSeen {
    /// In which organization.
    pub organization: OrganizationId,
    /// What the reader may touch; its audience is the numbering of `seq`.
    pub scope: Scope,
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who has read.
    pub person: PersonKey,
    /// The reader's name, for people.
    pub name: Option<Arc<str>>,
    /// The reader's picture.
    pub avatar_url: Option<Arc<str>>,
    /// The place.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// How far a person has read, in both numberings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMark {
    /// On which website.
    pub website: SiteKey,
    /// Who.
    pub person: PersonKey,
    /// The name, for people.
    pub name: Option<Arc<str>>,
    /// A picture.
    pub avatar_url: Option<Arc<str>>,
    /// The place in the team's numbering.
    pub team_seq: u64,
    /// The place in the visitor's numbering.
    pub visitor_seq: u64,
    /// When.
    pub at: Timestamp,
}

/// A mark that has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedMark {
    /// Where it is now.
    pub mark: SeenMark,
    /// Whether it has moved in the visitor's numbering too: a mark that only passed notes stands still in it.
    pub visitor_moved: bool,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// On which website.
    pub website: SiteKey,
    /// Whose.
    pub visitor: PersonId,
    /// How it stands.
    pub status: ConversationStatus,
    /// Who is to answer.
    pub assignee: Option<PersonId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When something durable last happened in it.
    pub last_activity_at: Timestamp,
    /// When something last happened in it that its visitor may see; never a time that only notes have.
    pub visitor_activity_at: Timestamp,
    /// The newest place in the team's numbering.
    pub team_head: u64,
    /// The newest place in the visitor's numbering.
    pub visitor_head: u64,
}

impl Conversation {
    /// The newest place in an audience's numbering.
    #[must_use]
    pub const fn head(&self, audience: Audience) -> u64 {
        match audience {
            Audience::Visitor => self.visitor_head,
            Audience::Team => self.team_head,
        }
    }

    /// When something last happened in it that an audience may see.
    #[must_use]
    pub const fn activity(&self, audience: Audience) -> Timestamp {
        match audience {
            Audience::Visitor => self.visitor_activity_at,
            Audience::Team => self.last_activity_at,
        }
    }
}

/// A durable event with its places.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// On which website.
    pub website: SiteKey,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Its place in the website.
    pub offset: u64,
    /// Its place in the conversation, as the team counts.
    pub team_seq: u64,
    /// Its place in the conversation, as the visitor counts; `None` for what the visitor may not see.
    pub visitor_seq: Option<u64>,
    /// What happened.
    pub body: EventBody,
}

impl StoredEvent {
    /// Its place in the conversation, as an audience counts; `None` for what that may not see.
    #[must_use]
    pub const fn seq(&self, audience: Audience) -> Option<u64> {
        match audience {
            Audience::Team => Some(self.team_seq),
            Audience::Visitor => self.visitor_seq,
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum EventBody {
    /// The conversation began.
    Created {
        /// Whose it is.
        visitor: PersonId,
        /// When.
        at: Timestamp,
    },
    /// A message, with its newest content.
    Message(Message),
    /// A message was edited or deleted; read later, it carries the newest content too.
    Updated {
        /// Which message.
        message: MessageId,
        /// What it says now, as JSON text; `None` once deleted.
        content: Option<Arc<str>>,
        /// When it was edited or deleted.
        at: Timestamp,
        /// Whether it was deleted.
        deleted: bool,
    },
    /// The status changed.
    Status {
        /// How it stands.
        status: ConversationStatus,
        /// Who changed it.
        by: Option<PersonId>,
        /// Whose conversation it is.
        visitor: PersonId,
    },
    /// The assignee changed.
    Assigned {
        /// Who is to answer.
        assignee: Option<PersonId>,
        /// Who changed it.
        by: Option<PersonId>,
    },
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// What it says, as JSON text; `None` once deleted.
    pub content: Option<Arc<str>>,
    /// The application's metadata, as JSON text; `None` once deleted.
    pub metadata: Option<Arc<str>>,
    /// Who sent it.
    pub sender: PersonKey,
    /// The sender's name, for people.
    pub sender_name: Option<Arc<str>>,
    /// The idempotency key.
    pub key: RequestId,
    /// Who may read it.
    pub visibility: Visibility,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last edited or deleted.
    pub updated_at: Option<Timestamp>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// The durable state of a conversation at one moment.
#[derive(Debug, Clone)]
pub struct ConversationSnapshot {
    /// The conversation with its heads.
    pub conversation: Conversation,
    /// How far each has read.
    pub seen: Vec<SeenMark>,
    /// The newest offset of its website at the same moment.
    pub website_head: u64,
}

/// How far several websites have come, and whether the set-up has changed, whichever node did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// Another number after each change of organizations, websites, keys and revocations. Where no other node can change
    /// any, it may stay the same.
    pub setup: u64,
    /// The newest offsets of those that have come further than was known, in no order.
    pub moved: Vec<(SiteKey, u64)>,
}

/// The durable state of a website at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebsiteSnapshot {
    /// The newest offset.
    pub head: u64,
}

/// Which messages of a conversation; places are in the reader's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePage {
    /// Those before this place: the nearest `limit` of them.
    pub before: Option<u64>,
    /// Those after this place: the nearest `limit` of them. With neither, the newest `limit`.
    pub after: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

/// Who is to answer, as a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssigneeFilter {
    /// Nobody.
    Nobody,
    /// This person.
    Person(PersonId),
}

/// Which conversations.
#[derive(Debug, Clone)]
pub struct ConversationQuery {
    /// In which organization.
    pub organization: OrganizationId,
    /// What the asker may touch.
    pub scope: Scope,
    /// Who asks: for unread counts.
    pub asker: PersonKey,
    /// Only of this website.
    pub website: Option<WebsiteId>,
    /// Only of this visitor.
    pub visitor: Option<PersonId>,
    /// Only with this status.
    pub status: Option<ConversationStatus>,
    /// Only with this assignee.
    pub assignee: Option<AssigneeFilter>,
    /// Only those in which all of these words begin a word of the visitor's name or e-mail address or of a message that
    /// the asker may see, each wherever it likes, without regard to case and accents.
    pub search: Vec<String>,
    /// Only those past this place of an earlier page: an item's time of activity, as the scope's audience sees it, and
    /// its id. Equal times are ordered by id, greatest first.
    pub after: Option<(Timestamp, ConversationId)>,
    /// How many at most.
    pub limit: usize,
}

/// One page of conversations.
#[derive(Debug, Clone)]
pub struct ConversationPage {
    /// The conversations.
    pub items: Vec<ConversationItem>,
    /// Whether more follow.
    pub has_more: bool,
}

/// A conversation in a list.
#[derive(Debug, Clone)]
pub struct ConversationItem {
    /// The conversation.
    pub conversation: Conversation,
    /// What is known of its visitor.
    pub identity: Option<Identity>,
    /// The newest message that the asker may see.
    pub last_message: Option<StoredEvent>,
    /// How many messages the asker may see and has not, its own and deleted ones excepted; at most
    /// [`super::UNREAD_MAX`].
    pub unread: u64,
}

/// Somebody was here.
#[derive(Debug, Clone)]
pub struct TouchPerson {
    /// Who.
    pub person: PersonKey,
    /// In which organization.
    pub organization: OrganizationId,
    /// For which websites.
    pub websites: Vec<WebsiteId>,
    /// The name, for people.
    pub name: Option<Arc<str>>,
    /// The e-mail address.
    pub email: Option<Arc<str>>,
    /// A picture.
    pub avatar_url: Option<Arc<str>>,
    /// The page on which a visitor is.
    pub page: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorRow {
    /// Who.
    pub id: PersonId,
    /// What is known of the person.
    pub identity: Option<Identity>,
    /// When first seen.
    pub first_seen_at: Timestamp,
    /// When last seen.
    pub last_seen_at: Timestamp,
    /// The last page.
    pub page: Option<String>,
}

/// Says who a visitor is.
#[derive(Debug, Clone)]
pub struct IdentifyVisitor {
    /// On which website.
    pub website: SiteKey,
    /// The anonymous visitor, if there is one; made if it is not known. One who was identified as somebody else
    /// before is left as it is.
    pub visitor: Option<PersonId>,
    /// The visitor to be made if there is neither an anonymous one nor the person's own.
    pub fresh: PersonId,
    /// Who it is; `external_id` is set, else [`super::StoreError::Forbidden`]. What is not told stays as it was.
    pub identity: Identity,
    /// When.
    pub at: Timestamp,
}

/// The answer to an [`IdentifyVisitor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Who the visitor is now.
    pub visitor: PersonId,
    /// Who the visitor was, if it was merged into a known one.
    pub previous: Option<PersonId>,
    /// The conversations that moved, or all open ones of the visitor; newest activity first.
    pub conversations: Vec<ConversationId>,
}

/// A member of a website's team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: PersonKey,
    /// The name, for people.
    pub name: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsiteRow {
    /// Which.
    pub key: SiteKey,
    /// Its settings.
    pub settings: WebsiteSettings,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key is, and what of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// `pk_…`: names a website to anonymous visitors; not a secret.
    Public {
        /// The key itself.
        key: String,
        /// Whose visitors it lets in.
        website: WebsiteId,
    },
    /// `sk_…`: only the SHA-256 of it is kept.
    Secret {
        /// The SHA-256.
        sha256: [u8; 32],
    },
    /// A secret shared with the organization, for HS256.
    JwtHs256 {
        /// The secret.
        secret: Vec<u8>,
    },
    /// A public key of the organization's.
    JwtPublic {
        /// The key as PEM.
        pem: String,
        /// RS256, ES256 or EdDSA.
        algorithm: String,
    },
}

/// A key of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id: the `kid` of tokens.
    pub id: KeyId,
    /// Whose.
    pub organization: OrganizationId,
    /// What it is.
    pub material: KeyMaterial,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All of the set-up.
#[derive(Debug, Clone, Default)]
pub struct DirectoryRows {
    /// Organizations.
    pub organizations: Vec<OrganizationRow>,
    /// Websites.
    pub websites: Vec<WebsiteRow>,
    /// Keys.
    pub keys: Vec<KeyRow>,
    /// Revocations.
    pub revocations: Vec<RevocationRow>,
}
