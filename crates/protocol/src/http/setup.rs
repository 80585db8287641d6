//! Organizations, websites and keys.

use serde::{Deserialize, Deserializer, Serialize};

use crate::fields::{Integer, Text, nullable, present};
use crate::{KeyId, OrganizationId, Timestamp, TypingPreview, WebsiteId};

/// The most domains of a website.
pub const MAX_DOMAINS: usize = 100;
/// The most suggested questions of a website.
pub const MAX_QUESTIONS: usize = 20;
/// The longest time until a message counts as unseen, in seconds.
pub const MAX_UNSEEN_AFTER: u64 = 30 * 24 * 60 * 60;

/// Makes an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateOrganization {
    /// Its name, for people.
    pub name: Text<1, 200>,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a website.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateWebsite {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Its name, for people.
    pub name: Text<1, 200>,
    /// Where its pages may be: `host` or `*.host`, for any port unless it ends in `:port`.
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub allowed_domains: Vec<Text<1, 262>>,
}

/// Changes settings of a website; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChangeWebsite {
    /// Its name, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<1, 200>>,
    /// A colour for widgets; `null` for none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-nullable" = true)))]
    pub accent: Option<Option<Color>>,
    /// Suggested first questions.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 20)))]
    pub questions: Option<Vec<Text<1, 200>>>,
    /// Where its pages may be: `host` or `*.host`, for any port unless it ends in `:port`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub allowed_domains: Option<Vec<Text<1, 262>>>,
    /// What of a visitor's unsent text the team sees.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub typing_preview: Option<TypingPreview>,
    /// After how many seconds an unseen message is told to webhooks; 0 for never, 30 days at most.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maximum" = MAX_UNSEEN_AFTER)))]
    pub unseen_after: Option<Integer>,
}

/// A website with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Website {
    /// Its id.
    pub id: WebsiteId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Its name, for people.
    pub name: String,
    /// A colour for widgets.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub accent: Option<String>,
    /// Suggested first questions.
    pub questions: Vec<String>,
    /// Where its pages may be: `host` or `*.host`, for any port unless it ends in `:port`.
    pub allowed_domains: Vec<String>,
    /// What of a visitor's unsent text the team sees.
    pub typing_preview: TypingPreview,
    /// After how many seconds an unseen message is told to webhooks; 0 for never.
    pub unseen_after: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// `pk_…`: lets anonymous visitors of one website in; not a secret.
    Public,
    /// `sk_…`: speaks for the organization, server to server.
    Secret,
    /// A secret with which the organization signs tokens by HS256.
    JwtHs256,
    /// The public half of a key with which the organization signs tokens.
    JwtPublic,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256, by a secret that both sides have.
    HS256,
    /// RSA with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl KeyAlgorithm {
    /// The name, as in the header of a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// Makes a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateKey {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub r#type: KeyType,
    /// Of a `public` key, required: whose visitors it lets in. Keys of other types are for the whole organization.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub website_id: Option<WebsiteId>,
    /// Of a `jwt_public` key, required: the key as PEM.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Text<1, 8192>>,
    /// How it signs; without it, the type and the kind of key say so.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
}

/// A key that was made. A secret is shown here and never again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyCreated {
    /// Its id: the `kid` of tokens.
    pub id: KeyId,
    /// The key, unless it is the organization's own.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A key, without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its id: the `kid` of tokens.
    pub id: KeyId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub r#type: KeyType,
    /// Of a `public` key: whose visitors it lets in.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub website_id: Option<WebsiteId>,
    /// Of a `public` key: the key.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of a `jwt_public` key: the key as PEM.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Of a `jwt_public` key: how it signs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A CSS colour: `#rgb`, `#rrggbb`, a name, or a function of numbers. Nothing in it can end a declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Color(String);

impl Color {
    /// Checks a text.
    ///
    /// # Errors
    /// A reason for people.
    pub fn new(text: impl Into<String>) -> Result<Self, &'static str> {
        let text = text.into();
        let starts = text.starts_with(|first: char| first == '#' || first.is_ascii_alphabetic());
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || " .,%/()-".contains(c);
        if text.len() > 64 {
            return Err("must have at most 64 characters");
        }
        if starts && text.chars().skip(1).all(is_allowed) { Ok(Self(text)) } else { Err("must be a CSS colour") }
    }

    /// The colour as text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for Color {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Color {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Color".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "maxLength": 64, "pattern": "^[#A-Za-z][A-Za-z0-9 .,%/()-]*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_cannot_end_a_declaration() {
        for text in ["#0af", "#00aaff", "rebeccapurple", "rgb(0 0 0 / 50%)"] {
            assert!(Color::new(text).is_ok(), "{text}");
        }
        for text in ["", "red;", "url(\"x\")", "1px", "red}"] {
            assert!(Color::new(text).is_err(), "{text}");
        }
    }
}
