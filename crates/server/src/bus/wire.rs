//! What nodes tell each other, as bytes.
//!
//! One JSON object a message: the version of this form, who says it, and what. A node of another version, or whatever
//! else speaks on the bus, cannot harm this one: what is not understood is an error and nothing more, ids are checked
//! while they are read, and sizes have bounds.

use std::sync::Arc;

use cossistant_protocol::{ConversationId, OrganizationId, PHASE_DONE, PersonId, UserType, WebsiteId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{NodeId, PersonInfo, Topic};
use crate::store::{PersonKey, SiteKey, Websites};

/// The version of this form. Messages of another one are not looked into.
const VERSION: u32 = 2;
/// The most bytes of a message, in either direction; what brokers allow unless they are told otherwise.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// The greatest number that is believed to have been counted to.
const MAX_COUNT: u64 = 1 << 53;
/// What stands before every subject.
const PREFIX: &str = "cossistant";

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is of this node itself.
    Own,
    /// It is of another version.
    Version,
    /// It has too many bytes, or is not as this version writes it.
    Form,
}

/// What a node says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Something happens, which is numbered as changes are.
    Live {
        /// The number of what was said before of this topic.
        #[serde(deserialize_with = "counted")]
        before: u64,
        /// The number of this.
        #[serde(deserialize_with = "counted")]
        at: u64,
        /// What happens.
        live: Live,
    },
    /// What stands of this topic at the node changes.
    Change {
        /// The number of what was said before of this topic.
        #[serde(deserialize_with = "counted")]
        before: u64,
        /// The number of this one.
        #[serde(deserialize_with = "counted")]
        at: u64,
        /// What changes.
        change: Change,
    },
    /// The node is there, and what it said last of this topic had this number.
    Lease {
        /// The number.
        #[serde(deserialize_with = "counted")]
        at: u64,
    },
    /// All that stands of this topic at the node, in parts that follow each other.
    State {
        /// The number of what was said last before it.
        #[serde(deserialize_with = "counted")]
        at: u64,
        /// Which part this is, from 0.
        part: u32,
        /// How many parts there are.
        parts: u32,
        /// What stands.
        entries: Vec<Entry>,
    },
    /// Whoever is meant, or everybody, may tell all that stands of a topic. Said to all, since what stands may stand where
    /// nobody cares what others say of it.
    Ask {
        /// Who is meant.
        of: Option<NodeId>,
        /// Of which topic.
        topic: Asked,
    },
    /// Organizations, websites, keys or revocations have changed.
    Setup,
    /// The node is there.
    Here {
        /// For how long, in ms.
        #[serde(deserialize_with = "counted")]
        for_ms: u64,
    },
    /// Some of what goes on at the node was never said.
    Lost,
    /// The node goes, in good order.
    Gone,
}

/// A topic that is asked for: a website, or an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    organization: OrganizationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    website: Option<WebsiteId>,
}

impl From<&Topic> for Asked {
    fn from(topic: &Topic) -> Self {
        let (organization, website) = match topic {
            Topic::Organization(organization) => (organization, None),
            Topic::Site(site) => (&site.organization, Some(site.website.clone())),
        };
        Self { organization: organization.clone(), website }
    }
}

impl From<Asked> for Topic {
    fn from(Asked { organization, website }: Asked) -> Self {
        match website {
            Some(website) => Self::Site(SiteKey { organization, website }),
            None => Self::Organization(organization),
        }
    }
}

/// Something that happens and does not last. On a website, unless it says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Live {
    /// Durable events, committed.
    Events(Vec<Told>),
    /// A person types no longer, wherever it typed.
    TypingStopped { conversation: ConversationId, person: Person },
    /// A person's text so far.
    Progress { conversation: ConversationId, person: Person, frame: Box<RawValue>, to_visitor: bool },
    /// A person has read up to a place.
    Seen { conversation: ConversationId, by: Who, team: Box<RawValue>, visitor: Option<Box<RawValue>> },
    /// A visitor may have more or fewer open conversations than before.
    Open { visitor: PersonId },
    /// A visitor became a known person.
    Identified {
        visitor: PersonId,
        previous: Option<PersonId>,
        conversations: Vec<ConversationId>,
        frame: Box<RawValue>,
    },
    /// Connections of a visitor or, of an organization, of a member end.
    Disconnect { who: Who, is_revoked: bool },
}

/// A durable event as both audiences are told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) conversation: ConversationId,
    pub(crate) offset: u64,
    pub(crate) team: Box<RawValue>,
    /// None of what a visitor may not see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) visitor: Option<Box<RawValue>>,
    /// Whose open conversations may be others than before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moves: Option<PersonId>,
}

/// A change of what stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// It stands from now on, in place of what stood under its key.
    Put(Entry),
    /// It stands no longer.
    Drop(Key),
}

/// Something that stands at a node until the node says otherwise, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A shard has a visitor's connection.
    Visitor { shard: u16, id: PersonId },
    /// A shard has a member's connection, for these websites or for all.
    Member { shard: u16, person: Person, websites: Option<Vec<WebsiteId>> },
    /// A person types, by this connection.
    Typing { conversation: ConversationId, person: Person, shard: u16, connection: u64 },
    /// A user has a conversation open by a connection.
    Viewing { conversation: ConversationId, person: Person, shard: u16, connection: u64 },
    /// What an AI agent said by a shard that it is doing, or for a while, that it has done it.
    Activity {
        conversation: ConversationId,
        person: Person,
        phase: String,
        text: Option<String>,
        to_visitor: bool,
        shard: u16,
        #[serde(deserialize_with = "counted")]
        count: u64,
    },
}

/// A number that was counted up from 0: none is so great that counting on from it could come to an end.
fn counted<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let count = u64::deserialize(from)?;
    if count <= MAX_COUNT { Ok(count) } else { Err(D::Error::custom("it was never counted so far")) }
}

/// What an entry is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    Visitor(u16, PersonId),
    Member(u16, Who),
    Typing(ConversationId, Who),
    Viewing(ConversationId, Who, u16, u64),
    Activity(ConversationId, Who, u16),
}

/// Who a person is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) kind: UserType,
    pub(crate) id: PersonId,
}

/// A person with what others see of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    kind: UserType,
    id: PersonId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
}

impl From<&PersonKey> for Who {
    fn from(key: &PersonKey) -> Self {
        Self { kind: key.kind, id: key.id.clone() }
    }
}

impl From<&Who> for PersonKey {
    fn from(who: &Who) -> Self {
        Self { kind: who.kind, id: who.id.clone() }
    }
}

impl From<&PersonInfo> for Person {
    fn from(person: &PersonInfo) -> Self {
        let own = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        let PersonKey { kind, id } = person.key.clone();
        Self { kind, id, name: own(&person.name), avatar_url: own(&person.avatar_url) }
    }
}

impl Person {
    fn who(&self) -> Who {
        Who { kind: self.kind, id: self.id.clone() }
    }

    pub(crate) fn info(&self) -> Arc<PersonInfo> {
        let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
        let (name, avatar_url) = (shared(&self.name), shared(&self.avatar_url));
        Arc::new(PersonInfo { key: PersonKey::from(&self.who()), name, avatar_url })
    }
}

/// Websites as they are told: none for all.
pub(crate) fn websites_told(websites: &Websites) -> Option<Vec<WebsiteId>> {
    match websites {
        Websites::All => None,
        Websites::Only(ids) => Some(ids.to_vec()),
    }
}

/// The inverse of [`websites_told`].
pub(crate) fn websites_of(told: Option<Vec<WebsiteId>>) -> Websites {
    told.map_or(Websites::All, |ids| Websites::Only(ids.into()))
}

impl Entry {
    /// The place of an activity in their order.
    pub(crate) const fn count(&self) -> Option<u64> {
        match self {
            Self::Activity { count, .. } => Some(*count),
            Self::Visitor { .. } | Self::Member { .. } | Self::Typing { .. } | Self::Viewing { .. } => None,
        }
    }

    /// Whether it is the end of an activity.
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Activity { phase, .. } => phase == PHASE_DONE,
            Self::Visitor { .. } | Self::Member { .. } | Self::Typing { .. } | Self::Viewing { .. } => false,
        }
    }

    /// How many bytes it takes when it is told.
    pub(crate) fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |bytes| bytes.len())
    }

    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Visitor { shard, id } => Key::Visitor(*shard, id.clone()),
            Self::Member { shard, person, .. } => Key::Member(*shard, person.who()),
            Self::Typing { conversation, person, .. } => Key::Typing(conversation.clone(), person.who()),
            Self::Viewing { conversation, person, shard, connection } => {
                Key::Viewing(conversation.clone(), person.who(), *shard, *connection)
            }
            Self::Activity { conversation, person, shard, .. } => {
                Key::Activity(conversation.clone(), person.who(), *shard)
            }
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    node: NodeId,
    said: &'a Said,
}

#[derive(Deserialize)]
struct Cover<S> {
    v: u32,
    node: NodeId,
    said: S,
}

/// The bytes of what a node says; `None` of what is too large to be said.
pub(crate) fn write(node: NodeId, said: &Said) -> Option<Vec<u8>> {
    let bytes = serde_json::to_vec(&Written { v: VERSION, node, said }).ok()?;
    (bytes.len() <= MAX_BYTES).then_some(bytes)
}

/// Who says what; `own` is who reads.
///
/// # Errors
/// [`Unread`].
pub(crate) fn read(bytes: &[u8], own: NodeId) -> Result<(NodeId, Said), Unread> {
    if bytes.len() > MAX_BYTES {
        return Err(Unread::Form);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unread::Form)?;
    // Nearly always it is as it must be, and one pass is enough.
    if let Ok(Cover { v: VERSION, node, said }) = serde_json::from_str(text)
        && node != own
    {
        return Ok((node, said));
    }
    let cover: Cover<&RawValue> = serde_json::from_str(text).map_err(|_| Unread::Form)?;
    if cover.v != VERSION {
        return Err(Unread::Version);
    }
    if cover.node == own {
        return Err(Unread::Own);
    }
    let said = serde_json::from_str(cover.said.get()).map_err(|_| Unread::Form)?;
    Ok((cover.node, said))
}

/// Where a topic is spoken of, among those who share a store in this life; `None` is where all nodes listen.
///
/// An id of ours has none of the characters that mean something in a subject, so each is one word of it, and no subject
/// stands for several topics.
///
/// # Panics
/// When a word has other characters all the same: ids are checked when they are made.
pub(crate) fn subject(epoch: &str, topic: Option<&Topic>) -> String {
    let words: &[&str] = match topic {
        None => &["nodes"],
        Some(Topic::Organization(organization)) => &["organization", organization.as_str()],
        Some(Topic::Site(SiteKey { organization, website })) => &["site", organization.as_str(), website.as_str()],
    };
    let mut subject = PREFIX.to_owned();
    for word in std::iter::once(&epoch).chain(words) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(!word.is_empty() && word.bytes().all(is_plain), "a word of a subject is an id: {word:?}");
        subject.push('.');
        subject.push_str(word);
    }
    subject
}

#[cfg(test)]
mod tests;
