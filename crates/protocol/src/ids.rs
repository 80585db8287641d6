//! Identifiers, each a type of its own.
//!
//! An id is checked when it is made and never changes, so code that holds one need not check it again.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest id, in characters.
pub const MAX_ID_LENGTH: usize = 128;
/// The longest `id` of a message (its idempotency key), in characters.
pub const MAX_KEY_LENGTH: usize = 64;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// It has no characters.
    #[error("must not be empty")]
    Empty,
    /// It is longer than the limit.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// It has a character outside the allowed set.
    #[error("has a character that ids may not have")]
    Character,
}

/// Which bytes an id may have.
type Allowed = [bool; 256];

/// Letters, digits and these.
const fn letters_and(others: &[u8]) -> Allowed {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        allowed[others[at] as usize] = true;
        at += 1;
    }
    allowed
}

static PLAIN: Allowed = letters_and(b"_-");
static PERSON: Allowed = letters_and(b"_-.:@|+");

fn check(text: &str, allowed: &Allowed) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if !text.bytes().all(|byte| allowed[usize::from(byte)]) {
        return Err(InvalidId::Character);
    }
    if text.len() > MAX_ID_LENGTH {
        return Err(InvalidId::TooLong(MAX_ID_LENGTH));
    }
    Ok(())
}

fn check_key(text: &str, _: &Allowed) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.as_bytes().contains(&0) {
        return Err(InvalidId::Character);
    }
    // A text of few bytes cannot have too many characters.
    if text.len() > MAX_KEY_LENGTH && text.chars().count() > MAX_KEY_LENGTH {
        return Err(InvalidId::TooLong(MAX_KEY_LENGTH));
    }
    Ok(())
}

macro_rules! id {
    ($(#[doc = $doc:literal])* $name:ident, $check:ident, $allowed:ident, $pattern:literal, $max:literal) => {
        $(#[doc = $doc])*
        ///
        /// Cheap to clone: clones share the text.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text and takes it as an id.
            ///
            /// # Errors
            /// [`InvalidId`] says which rule the text breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                $check(text, &$allowed)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!($($doc),*).trim_ascii(),
                    "type": "string", "minLength": 1, "maxLength": $max, "pattern": $pattern
                })
            }
        }
    };
}

id!(
    /// The id of a customer of the platform, who has websites.
    OrganizationId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id of a website; unique within its organization.
    WebsiteId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id of a conversation; unique within its organization.
    ConversationId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id that the server gave a message (`msg_…`); sorts by time.
    MessageId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id that the server gave a connection (`conn_…`).
    ConnectionId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id of a key; `kid` in the header of a token names it.
    KeyId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id that the server gave a webhook (`hook_…`).
    WebhookId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id that the server gave a delivery to a webhook (`dlv_…`); sorts by time.
    DeliveryId, check, PLAIN, "^[A-Za-z0-9_-]+$", 128
);
id!(
    /// The id of a visitor, user or AI agent: the `sub` of a token.
    PersonId, check, PERSON, "^[A-Za-z0-9_.:@|+-]+$", 128
);
id!(
    /// The `id` that a client gives a message, echoed by its answer; of a `send_message` the idempotency key.
    RequestId, check_key, PLAIN, "^[^\\u0000]+$", 64
);
