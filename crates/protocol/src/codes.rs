//! Stable codes: why a message failed, why a connection closed.

use serde::{Deserialize, Deserializer, Serialize};

macro_rules! names {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }
        $(or { $(#[$xdoc:meta])* $extra:ident = $xtext:literal })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            $($(#[$xdoc])* #[cfg_attr(feature = "schema", schemars(skip))] $extra)?
        }

        impl $name {
            /// Every value that is said, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The value as it is written on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* $(Self::$extra => $xtext)? }
            }
        }

        // Derived code would also read the form `{"name": null}`.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("one of", $(" ", $text),*))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(|_| E::custom(concat!("must be one of", $(" ", $text),*)))
                    }
                }

                deserializer.deserialize_str(Visitor)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(UnknownName) }
            }
        }
    };
}

pub(crate) use names;

/// A text is none of the names that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of the known names")]
pub struct UnknownName;

names!(
    /// Why a message or a request failed: for programs.
    ErrorCode {
        /// The text is not JSON.
        InvalidJson = "invalid_json",
        /// A field is missing, too long, or of a wrong form; `details` says which and why.
        InvalidMessage = "invalid_message",
        /// The server does not know this `type`.
        UnknownType = "unknown_type",
        /// The credentials are missing or not accepted.
        Unauthorized = "unauthorized",
        /// The token's time is over.
        TokenExpired = "token_expired",
        /// One may see it, but not do this.
        Forbidden = "forbidden",
        /// It does not exist, or not for the one who asks.
        NotFound = "not_found",
        /// It contradicts what stands: the same id with other content, a closed conversation, a lost compare-and-set.
        Conflict = "conflict",
        /// It is larger than the limit.
        TooLarge = "too_large",
        /// Too many in too short a time; not stored, the same `id` may be sent again after `retryAfter`.
        RateLimited = "rate_limited",
        /// Too many subscriptions on one connection.
        LimitExceeded = "limit_exceeded",
        /// The store is down or full; not stored, the same `id` may be sent again after `retryAfter`.
        Unavailable = "unavailable",
        /// A fault of the server.
        Internal = "internal",
        /// HTTP: the path exists, but not with this method.
        MethodNotAllowed = "method_not_allowed",
        /// HTTP: the body is not `application/json`.
        UnsupportedMediaType = "unsupported_media_type",
    } or {
        /// A code of a newer server, as a client reads it; never said. Permanent, as every code is that a client does
        /// not know.
        Unknown = "unknown"
    }
);

impl ErrorCode {
    /// Reads a code as a client does: one of a newer server is [`ErrorCode::Unknown`].
    ///
    /// # Errors
    /// That the value is no text.
    pub fn received<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or(Self::Unknown))
    }
}

names!(
    /// What kind of person or program a principal is.
    UserType {
        /// A person on a customer's website.
        Visitor = "visitor",
        /// A team member who answers.
        User = "user",
        /// A program that answers.
        AiAgent = "ai_agent",
    }
);

impl UserType {
    /// Whether this is a user or an AI agent.
    #[must_use]
    pub const fn is_team(self) -> bool {
        match self {
            Self::Visitor => false,
            Self::User | Self::AiAgent => true,
        }
    }
}

names!(
    /// How a conversation stands.
    ConversationStatus {
        /// Somebody should answer.
        Open = "open",
        /// It waits for something.
        Pending = "pending",
        /// Answered; a visitor's next message opens it again.
        Resolved = "resolved",
        /// Ended; a visitor's message is refused.
        Closed = "closed",
    }
);

names!(
    /// Who may read a message.
    Visibility {
        /// The visitor and the team.
        Public = "public",
        /// The team only: a note.
        Internal = "internal",
    }
);

names!(
    /// Who sees an AI agent's activity.
    ActivityAudience {
        /// Users and AI agents.
        Team = "team",
        /// The visitor too.
        All = "all",
    }
);

names!(
    /// What of a visitor's unsent text the team sees; a setting of the website.
    TypingPreview {
        /// The text.
        Text = "text",
        /// That the visitor types, not what.
        Indicator = "indicator",
        /// Nothing.
        Off = "off",
    }
);

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// Done, by wish of one side.
    Normal = 1000,
    /// The server goes away; come back with backoff.
    GoingAway = 1001,
    /// The peer broke the WebSocket protocol.
    ProtocolError = 1002,
    /// A binary frame came where text is spoken.
    Unsupported = 1003,
    /// A text frame was not UTF-8.
    InvalidUtf8 = 1007,
    /// A message was larger than the limit.
    TooLarge = 1009,
    /// No authentication in time, or silence past 2.5 heartbeats.
    TimedOut = 4008,
    /// The reader was slower than its outbox bound allows.
    SlowReader = 4009,
    /// An administrator ended it; the client may come back.
    Disconnected = 4010,
    /// Too many frames.
    RateLimited = 4029,
    /// Too many invalid messages.
    Abuse = 4400,
    /// The credentials were not accepted or have expired.
    Unauthorized = 4401,
    /// The origin or the principal may not be here, or access was revoked.
    Forbidden = 4403,
    /// A fault of the server.
    Internal = 4500,
}

impl CloseCode {
    /// Every close code that the server sends.
    pub const ALL: &'static [Self] = &[
        Self::Normal,
        Self::GoingAway,
        Self::ProtocolError,
        Self::Unsupported,
        Self::InvalidUtf8,
        Self::TooLarge,
        Self::TimedOut,
        Self::SlowReader,
        Self::Disconnected,
        Self::RateLimited,
        Self::Abuse,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Internal,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self as u16
    }
}

/// Whether a client may dial again after a close with this code: not after 1002, 1003, 1007, 1009 and 44xx.
///
/// 4401 allows one more attempt to a client that can get a new token.
#[must_use]
pub const fn may_reconnect(code: u16) -> bool {
    !matches!(code, 1002 | 1003 | 1007 | 1009 | 4400..=4499)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_with_serde() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        for kind in UserType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn close_codes_follow_the_law_of_ranges() {
        let stop: Vec<u16> =
            CloseCode::ALL.iter().map(|code| code.as_u16()).filter(|code| !may_reconnect(*code)).collect();
        assert_eq!(stop, [1002, 1003, 1007, 1009, 4400, 4401, 4403]);
    }
}
