//! What stands behind the `?` of a request.
//!
//! Values of a query are texts, so numbers are read from texts here; everything else is as in bodies.

use serde::{Deserialize, Deserializer, Serialize};

use crate::fields::{Text, present};
use crate::limits::{MAX_INTEGER, MAX_PAGE};
use crate::{ConversationStatus, OrganizationId, PersonId, WebsiteId};

/// How many entries of a list at most: 1 to 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PageLimit(usize);

impl PageLimit {
    /// How many.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl<'de> Deserialize<'de> for PageLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let limit = decimal(&text).and_then(|value| usize::try_from(value).ok());
        match limit {
            Some(limit @ 1..=MAX_PAGE) => Ok(Self(limit)),
            Some(_) | None => Err(serde::de::Error::custom("must be a whole number from 1 to 200")),
        }
    }
}

/// A place in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Place(pub u64);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match decimal(&text) {
            Some(value @ 0..=MAX_INTEGER) => Ok(Self(value)),
            Some(_) | None => Err(serde::de::Error::custom("must be a whole number from 0 to 2^53-1")),
        }
    }
}

fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{MAX_INTEGER, MAX_PAGE, PageLimit, Place};

    impl schemars::JsonSchema for PageLimit {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> std::borrow::Cow<'static, str> {
            "PageLimit".into()
        }

        fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50 })
        }
    }

    impl schemars::JsonSchema for Place {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Place".into()
        }

        fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({ "type": "integer", "minimum": 0, "maximum": MAX_INTEGER })
        }
    }
}

/// Which conversations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationsQuery {
    /// Only with this status.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversationStatus>,
    /// Only with this assignee: `me`, `none`, or an id.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub assignee: Option<PersonId>,
    /// Only of this visitor.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<PersonId>,
    /// Only those in which each of these words begins a word of a name, e-mail address or message.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub search: Option<Text<0, 200>>,
    /// The `nextCursor` of the page before.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Text<0, 512>>,
    /// How many at most.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
}

/// Which messages of a conversation; the newest, if neither place is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessagesQuery {
    /// The nearest ones before this `seq`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub before: Option<Place>,
    /// The nearest ones after this `seq`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Place>,
    /// How many at most.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
}

/// For whom a secret key sends or edits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentQuery {
    /// The AI agent; required with a secret key, else of no meaning.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<PersonId>,
}

/// On which website a visitor is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorQuery {
    /// The website; without it, the one on which the visitor was last seen.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub website_id: Option<WebsiteId>,
}

/// In which organization a website is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebsiteQuery {
    /// The organization; of use with the admin key, when two organizations have a website of the same id.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
}
