//! What shards tell each other.
//!
//! Every shard of a node gets every notice once, over a bounded queue, and applies it to its own view: who is connected, who
//! types, who has which conversation open. Durable events carry their `offset`, so a notice that was lost or came
//! out of order is noticed, and the hole is filled from the store; everything else is ephemeral.
//!
//! Between nodes the same notices go over NATS (`bus/nats.rs`), as far as somebody there cares for them. What is durable,
//! and who may do what, does not hang on that; what stands at a node for as long as it is there has a ledger
//! (`bus/ledger.rs`).

mod convey;
pub(crate) mod ledger;
pub(crate) mod nats;
pub(crate) mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cossistant_protocol::{ConversationId, OrganizationId, PersonId};

use crate::auth::Principal;
use crate::directory::Directory;
use crate::event::{Event, Frame};
use crate::store::{PersonKey, SiteKey, Websites};

/// One life of a node, drawn at random when it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

/// Which shard says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    /// Of which node.
    pub node: NodeId,
    /// Which of its shards, from 0.
    pub at: u16,
}

impl ShardId {
    /// A shard of a node beside which there is no other.
    #[must_use]
    pub const fn alone(at: u16) -> Self {
        Self { node: NodeId(0), at }
    }
}

/// One connection of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Whose connection.
    pub shard: ShardId,
    /// Which connection, never used twice by a shard.
    pub connection: u64,
}

/// A place in the order of what is told of AI agents' activities: later ones are greater, whichever shard told them.
///
/// A shard counts on from the greatest that it has told or heard, and never behind the time in ms (a hybrid logical clock,
/// Kulkarni and others 2014): whatever answers something is greater than that, and so is what comes later, as far as the
/// clocks of nodes agree. The shard's number decides between two that were told without knowing of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Greater than every one that the shard knew of, and not behind the time.
    pub count: u64,
    /// Which shard told it.
    pub shard: ShardId,
}

/// A person with what others see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonInfo {
    /// Who.
    pub key: PersonKey,
    /// The name, for people.
    pub name: Option<Arc<str>>,
    /// A picture.
    pub avatar_url: Option<Arc<str>>,
}

impl PersonInfo {
    /// The person of a principal, as its token tells of it.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        Self { key: principal.key(), name: principal.name.clone(), avatar_url: principal.avatar_url.clone() }
    }
}

/// Whose connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A visitor on a website.
    Visitor(SiteKey, PersonId),
    /// A user or AI agent.
    Member(OrganizationId, PersonKey),
}

/// What one shard tells all, itself included.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Durable events of one website, committed.
    Events(Vec<Arc<Event>>),
    /// A person types.
    TypingStarted {
        /// On which website.
        site: SiteKey,
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: Arc<PersonInfo>,
        /// The connection that typed.
        source: Source,
    },
    /// A person types no longer.
    TypingStopped {
        /// On which website.
        site: SiteKey,
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: Arc<PersonInfo>,
        /// Only if this connection typed last: it ended.
        source: Option<Source>,
    },
    /// A person's text so far.
    Progress {
        /// On which website.
        site: SiteKey,
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: Arc<PersonInfo>,
        /// The encoded message.
        frame: Frame,
        /// Told to the visitor too.
        to_visitor: bool,
    },
    /// A user's connection opens or leaves a conversation.
    Viewing {
        /// On which website.
        site: SiteKey,
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: Arc<PersonInfo>,
        /// The connection that views.
        source: Source,
        /// Opens or leaves.
        is_viewing: bool,
    },
    /// What an AI agent is doing; the phase `done` ends whatever is not newer.
    ///
    /// The shard that told of an activity also tells of its end when something newer takes its place or the agent is
    /// gone. An end that comes from elsewhere may be heard first; the one from the same shard never is.
    Activity {
        /// On which website.
        site: SiteKey,
        /// Where.
        conversation: ConversationId,
        /// Which agent.
        person: Arc<PersonInfo>,
        /// A word for it.
        phase: Arc<str>,
        /// A text for people.
        text: Option<Arc<str>>,
        /// Told to the visitor too.
        to_visitor: bool,
        /// Its place in the order; of an end, that of the newest that it ends.
        stamp: Stamp,
    },
    /// A person has read up to a place.
    Seen {
        /// On which website.
        site: SiteKey,
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: PersonKey,
        /// What the team is told.
        team: Frame,
        /// What the visitor is told; nothing of a mark that only passed notes.
        visitor: Option<Frame>,
    },
    /// A shard has its first, or no longer any, connection of a person.
    Presence {
        /// Whose.
        who: Who,
        /// What others see of the person.
        person: Arc<PersonInfo>,
        /// Of a member: for which websites.
        websites: Option<Websites>,
        /// Which shard.
        shard: ShardId,
        /// First or no longer any.
        is_here: bool,
    },
    /// A visitor came or left: the encoded message, for those who may see it.
    VisitorPresence {
        /// On which website.
        site: SiteKey,
        /// Who.
        visitor: PersonId,
        /// Came or left.
        is_online: bool,
        /// The visitor's open conversations.
        conversations: Arc<[ConversationId]>,
        /// `visitor_online` or `visitor_offline`; `None` for a visitor without an open conversation.
        frame: Option<Frame>,
    },
    /// A visitor may have more or fewer open conversations than before: tell again if it is online.
    OpenConversations {
        /// On which website.
        site: SiteKey,
        /// Who.
        visitor: PersonId,
    },
    /// Some of what was told of a website may not have been heard: what of it is in the store, and is no durable event, is
    /// to be looked at. Who has read what, and which conversations are open.
    Doubt {
        /// Which website.
        site: SiteKey,
        /// For how long that may have been so, in ms.
        for_ms: u64,
    },
    /// A visitor became a known person; connections of `previous` close.
    Identified {
        /// On which website.
        site: SiteKey,
        /// Who the visitor is now.
        visitor: PersonId,
        /// Who it was, if it was merged into a known one.
        previous: Option<PersonId>,
        /// The conversations that are now this visitor's.
        conversations: Arc<[ConversationId]>,
        /// The encoded message.
        frame: Frame,
    },
    /// Set-up changed: every connection is held against it again.
    Directory(Arc<Directory>),
    /// Connections of a person end.
    Disconnect {
        /// Whose.
        who: Who,
        /// Whether access was revoked: then for good.
        is_revoked: bool,
    },
}

/// What notices are about, as far as somebody may care for some of them alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What goes on on a website, and who of its visitors is here.
    Site(SiteKey),
    /// Who of a team is here.
    Organization(OrganizationId),
}

/// Tells every shard.
///
/// A call never waits: a queue that is full loses the notice and the shard behind it compares its places with the
/// store.
pub trait Bus: Send + Sync + 'static {
    /// Hands a notice to every shard, in the order of the calls of one thread.
    fn publish(&self, notice: Notice);

    /// The same for the shards of this node alone.
    fn tell_here(&self, notice: Notice) {
        self.publish(notice);
    }

    /// A shard has, or no longer has, somebody to whom it matters; each is told in turn. Matters only where notices come
    /// from beyond this node.
    fn follow(&self, topic: Topic, is_followed: bool) {
        let _ = (topic, is_followed);
    }

    /// Sees to it that is known who is on a website by way of other nodes, as far as they answer in a moment: what is to be
    /// awaited for that, or nothing where that is known or nobody else is there.
    fn look(&self, site: &SiteKey) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let _ = site;
        None
    }
}
