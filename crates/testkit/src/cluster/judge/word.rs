//! Messages as the judge knows them: by what they say.

use std::fmt;

use serde_json::Value;

/// Who speaks, and to whom. Each voice of a conversation counts its messages from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cluster) enum Voice {
    Visitor,
    User,
    /// A user, to the team alone.
    Note,
}

impl Voice {
    pub(super) const COUNT: usize = 3;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Visitor, Self::User, Self::Note];

    /// What stands in every message of this voice, and in nothing else that is sent.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Visitor => "-visitor-says-",
            Self::User => "-user-says-",
            Self::Note => "-user-notes-",
        }
    }
}

/// A message. The next one of its voice is sent when it is acknowledged, so their numbers are their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cluster) struct Word {
    pub(in crate::cluster) talk: usize,
    pub(in crate::cluster) voice: Voice,
    pub(in crate::cluster) number: u64,
}

impl Word {
    /// Which message an event is, by its content.
    pub(super) fn of(event: &Value) -> Option<Self> {
        let text = event["content"]["text"].as_str()?;
        Self::parse(text.split(' ').next().unwrap_or_default())
    }

    /// Reads a key, as [`fmt::Display`] writes it.
    pub(in crate::cluster) fn parse(key: &str) -> Option<Self> {
        let read = |voice: Voice| {
            let (talk, number) = key.strip_prefix('t')?.split_once(voice.mark())?;
            Some(Self { talk: talk.parse().ok()?, voice, number: number.parse().ok()? })
        };
        Voice::ALL.into_iter().find_map(read)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "t{}{}{}", self.talk, self.voice.mark(), self.number)
    }
}
