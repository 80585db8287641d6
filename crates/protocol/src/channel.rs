//! What one subscribes to.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ConversationId, WebsiteId};

/// A channel, written `conversation:ID` or `website:ID`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The events of one conversation.
    Conversation(ConversationId),
    /// The events of all conversations of a website; for the team only.
    Website(WebsiteId),
}

/// The text names no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be conversation:ID or website:ID")]
pub struct InvalidChannel;

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation(id) => write!(f, "conversation:{id}"),
            Self::Website(id) => write!(f, "website:{id}"),
        }
    }
}

impl std::str::FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(text: &str) -> Result<Self, InvalidChannel> {
        match text.split_once(':') {
            Some(("conversation", id)) => ConversationId::new(id).map(Self::Conversation).map_err(|_| InvalidChannel),
            Some(("website", id)) => WebsiteId::new(id).map(Self::Website).map_err(|_| InvalidChannel),
            Some(_) | None => Err(InvalidChannel),
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Channel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Channel".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A channel, written `conversation:ID` or `website:ID`.",
            "pattern": "^(conversation|website):[A-Za-z0-9_-]{1,128}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read_as_they_are_written() {
        for text in ["conversation:conv-1", "website:site_2"] {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
        }
        for text in ["", "conversation", "conversation:", "topic:a", "website:a b"] {
            assert!(text.parse::<Channel>().is_err(), "{text}");
        }
    }
}
