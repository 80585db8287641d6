//! What the engine asks of the texts that it carries.

use core::fmt::Debug;

use crate::law::{ErrorClass, error_class};

/// A text that the engine carries: an id, an error code, a reason, a draft.
///
/// The engine compares texts and hands them on, and reads none but error codes. So it does not matter to it
/// whether a text is there as such (a [`String`], in a process) or is a number that stands for one which the
/// driver keeps (in a browser). What does matter: two are equal if, and only if, the texts are.
pub trait Text: Clone + Default + Eq + Debug {
    /// The id of the engine's own request of that number: `ping-7`, say.
    fn of_request(kind: RequestKind, number: u32) -> Self;

    /// What the engine itself says.
    fn of_word(word: Word) -> Self;

    /// What this error code means for the request that it answers, by [`error_class`].
    fn error_class(&self) -> ErrorClass;
}

/// The kinds of requests to which the engine gives ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// `auth-N`: `authenticate`.
    Authenticate,
    /// `ping-N`: `ping`, unless the application asked for it.
    Ping,
    /// `sub-N`: subscribing and unsubscribing.
    Subscribe,
}

impl RequestKind {
    /// What stands before the number.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Authenticate => "auth-",
            Self::Ping => "ping-",
            Self::Subscribe => "sub-",
        }
    }
}

/// What the engine says in its own words: why it closed, and that a subscription ended without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The server gave no reason for ending a subscription.
    Ended,
    /// The application disconnected.
    Disconnected,
    /// The page is away.
    PageHidden,
    /// The server goes away.
    ServerDrains,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The link fell silent.
    Silent,
    /// An event was missing.
    EventMissing,
    /// No more is known.
    GivenUp,
}

impl Word {
    /// The words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Disconnected => "disconnected",
            Self::PageHidden => "page hidden",
            Self::ServerDrains => "server drains",
            Self::ConnectTimeout => "connect timeout",
            Self::Silent => "silent",
            Self::EventMissing => "an event was missing",
            Self::GivenUp => "given up",
        }
    }
}

impl Text for String {
    fn of_request(kind: RequestKind, number: u32) -> Self {
        format!("{}{number}", kind.prefix())
    }

    fn of_word(word: Word) -> Self {
        Self::from(word.as_str())
    }

    fn error_class(&self) -> ErrorClass {
        error_class(self)
    }
}
