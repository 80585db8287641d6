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
    /// Where its pages may be.
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub allowed_domains: Vec<Domain>,
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
    /// Where its pages may be.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub allowed_domains: Option<Vec<Domain>>,
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
    /// Where its pages may be.
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

/// How tokens are signed by a key of two halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeyAlgorithm {
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
    /// Of a `public` key, required: whose visitors it lets in.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub website_id: Option<WebsiteId>,
    /// Of a `jwt_public` key, required: the key as PEM.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Text<1, 8192>>,
    /// Of a `jwt_public` key, required: how it signs.
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

/// A checked text: made by [`Domain::new`] or [`Color::new`] and never changed.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:ident, $max:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// A reason for people.
            pub fn new(text: impl AsRef<str>) -> Result<Self, &'static str> {
                $check(text.as_ref()).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, owned.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "maxLength": $max, "pattern": $pattern })
            }
        }
    };
}

checked_text!(
    /// Where a website's pages may be: `host` or `*.host`, for any port unless it ends in `:port`. In small letters.
    Domain, check_domain, 255, "^(\\*\\.)?(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*)(:[0-9]{1,5})?$"
);
checked_text!(
    /// A CSS colour: `#rgb`, `#rrggbb`, a name, or a function of numbers.
    Color, check_color, 64, "^[#A-Za-z][A-Za-z0-9 .,%/()-]*$"
);

fn check_domain(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "must be `host` or `*.host`, optionally with `:port`";
    if text.len() > 255 {
        return Err("must have at most 255 characters");
    }
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (rest, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if !port.is_none_or(is_port) {
        return Err(FORM);
    }
    let is_address = |inner: &str| inner.parse::<std::net::Ipv6Addr>().is_ok();
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => is_address(inner),
        None => host.split('.').all(is_label),
    };
    if is_host { Ok(text.to_ascii_lowercase()) } else { Err(FORM) }
}

fn check_color(text: &str) -> Result<String, &'static str> {
    let starts = text.starts_with(|first: char| first == '#' || first.is_ascii_alphabetic());
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || " .,%/()-".contains(c);
    if text.len() > 64 {
        return Err("must have at most 64 characters");
    }
    if starts && text.chars().skip(1).all(is_allowed) { Ok(text.to_owned()) } else { Err("must be a CSS colour") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_hosts_with_an_optional_port() {
        for text in ["localhost", "*.shop.example", "shop.example:8443", "127.0.0.1", "[::1]", "[::1]:80", "xn--bcher-kva.example"] {
            assert_eq!(Domain::new(text).unwrap().as_str(), text);
        }
        assert_eq!(Domain::new("Shop.Example").unwrap().as_str(), "shop.example");
        for text in ["", "*", "*.", "https://shop.example", "shop.example/", "shop..example", "a b", "shop.example:", "shop.example:99999", "[zz]", "a*.example", "bücher.example"] {
            assert!(Domain::new(text).is_err(), "{text}");
        }
    }

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
