//! Visitors, members of the team, tokens.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fields::{Integer, Text, present};
use crate::limits::MAX_TOKEN_BYTES;
use crate::{Identity, PersonId, Timestamp, Url, UserType, WebsiteId};

/// Lets a visitor in by a website's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdmitVisitor {
    /// The website's public key (`pk_…`).
    pub public_key: Text<1, 256>,
    /// The token that this visitor was given before; without it the visitor is a new one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor_token: Option<Text<1, MAX_TOKEN_BYTES>>,
    /// A visitor's JWT signed by the customer's own server: says who the visitor is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<Text<1, MAX_TOKEN_BYTES>>,
}

/// A visitor who was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorAdmitted {
    /// Who the visitor is.
    pub visitor_id: PersonId,
    /// The visitor's token.
    pub token: String,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// What is known of a visitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorProfile {
    /// Who.
    pub visitor_id: PersonId,
    /// What is known of the person.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// When the visitor first came.
    pub first_seen_at: Timestamp,
    /// When the visitor was last here.
    pub last_seen_at: Timestamp,
    /// The page from which the visitor last connected.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// Everyone of the team who ever connected for a website.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberList {
    /// The members.
    pub members: Vec<MemberProfile>,
}

/// A member of the team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MemberProfile {
    /// Who.
    pub user_id: PersonId,
    /// A user or an AI agent.
    pub user_type: UserType,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Whether the member is connected now.
    pub online: bool,
}

/// Ends the connections of one person; exactly one of the three ids is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Disconnect {
    /// A user.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<PersonId>,
    /// A visitor, on every website of the organization.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<PersonId>,
    /// An AI agent.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<PersonId>,
    /// Whether tokens issued before now stay refused.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub revoke: Option<bool>,
}

/// Asks for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IssueToken {
    /// What kind of principal.
    pub r#type: UserType,
    /// Who.
    pub sub: PersonId,
    /// For which websites; a visitor has exactly one, by its id.
    #[cfg_attr(feature = "schema", schemars(length(max = 1000)))]
    pub websites: Vec<WebsiteGrant>,
    /// The name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<0, 256>>,
    /// The e-mail address.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<Text<0, 256>>,
    /// A picture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<Url>,
    /// More than a member may; users only.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// For how many seconds; an hour by default, 30 days at most.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 1, "maximum" = MAX_TOKEN_SECONDS)))]
    pub expires_in: Option<Integer>,
}

/// The longest life of a token that the server issues, in seconds.
pub const MAX_TOKEN_SECONDS: u64 = 30 * 24 * 60 * 60;

/// More than a member may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May set up the organization.
    Admin,
}

/// A website of a token: one by its id, or `*` for all of the organization's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebsiteGrant {
    /// All, those of the future included.
    All,
    /// This one.
    One(WebsiteId),
}

impl Serialize for WebsiteGrant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("*"),
            Self::One(id) => id.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for WebsiteGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "*" {
            return Ok(Self::All);
        }
        WebsiteId::new(text).map(Self::One).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for WebsiteGrant {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WebsiteGrant".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A website of a token: one by its id, or `*` for all of the organization's.",
            "pattern": "^(\\*|[A-Za-z0-9_-]{1,128})$"
        })
    }
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenIssued {
    /// The JWT.
    pub token: String,
    /// When its time is over.
    pub expires_at: Timestamp,
}
