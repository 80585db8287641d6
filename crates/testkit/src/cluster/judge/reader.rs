//! One reader of one channel: what it was told so far.

use std::collections::HashMap;

use serde_json::Value;

use super::{Rule, Voice, Word};
use crate::{OrderChecker, OrderError, Place};

/// For whose eyes something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Audience {
    Visitor,
    Team,
}

/// What is read, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Channel {
    /// A conversation, live.
    Talk(usize),
    /// A website, live.
    Site(usize),
    /// What is stored of a conversation's messages, page by page.
    Store(usize),
}

#[derive(Debug)]
pub(in crate::cluster) struct Reader {
    pub(super) name: String,
    pub(super) audience: Audience,
    pub(super) channel: Channel,
    /// None before the first confirmation.
    order: Option<OrderChecker>,
    /// The last message of each voice, by conversation.
    heard: HashMap<usize, [u64; Voice::COUNT]>,
    /// What comes behind a breach of order breaks it, too, and says nothing more.
    is_broken: bool,
}

impl Reader {
    pub(super) fn new(name: &str, audience: Audience, channel: Channel) -> Self {
        let heard = HashMap::new();
        Self { name: name.to_owned(), audience, channel, order: None, heard, is_broken: false }
    }

    /// The conversation that it reads, if it is one.
    pub(super) const fn talk(&self) -> Option<usize> {
        match self.channel {
            Channel::Talk(talk) | Channel::Store(talk) => Some(talk),
            Channel::Site(_) => None,
        }
    }

    pub(super) fn begin(&mut self, head: u64) {
        let place = match self.channel {
            Channel::Talk(_) | Channel::Store(_) => Place::Seq,
            Channel::Site(_) => Place::Offset,
        };
        self.order = Some(OrderChecker::after(place, head));
    }

    pub(super) fn place(&self) -> Option<u64> {
        self.order.as_ref().map(OrderChecker::last)
    }

    pub(super) fn heard(&self, talk: usize, voice: Voice) -> u64 {
        self.heard.get(&talk).map_or(0, |heard| heard[voice as usize])
    }

    /// Takes what comes next.
    pub(super) fn hear(&mut self, frame: &Value, word: Option<Word>) -> Result<(), (Rule, String)> {
        if self.is_broken {
            return Ok(());
        }
        let judged = self.place_of(frame).and_then(|()| word.map_or(Ok(()), |word| self.number_of(word)));
        self.is_broken = judged.is_err();
        judged
    }

    /// Places are dense. Pages hold messages alone, so that theirs only rise.
    fn place_of(&mut self, frame: &Value) -> Result<(), (Rule, String)> {
        if matches!(self.channel, Channel::Store(_)) {
            let place = frame["seq"].as_u64().unwrap_or_default();
            if self.place().is_some_and(|last| place <= last) {
                return Err((Rule::Disordered, format!("what is stored does not rise: {frame}")));
            }
            self.begin(place);
            return Ok(());
        }
        let Some(order) = &mut self.order else {
            let is_early = OrderChecker::is_durable(frame);
            return if is_early { Err((Rule::Leaked, format!("not subscribed yet: {frame}"))) } else { Ok(()) };
        };
        order.observe(frame).map_err(|error| {
            let rule = match &error {
                OrderError::Jump { expected, got, .. } if got < expected => Rule::Doubled,
                OrderError::Jump { .. } | OrderError::Unplaced { .. } => Rule::Lost,
                OrderError::Doubled(_) => Rule::Doubled,
            };
            (rule, error.to_string())
        })
    }

    /// So are the numbers of each voice.
    fn number_of(&mut self, word: Word) -> Result<(), (Rule, String)> {
        let last = &mut self.heard.entry(word.talk).or_default()[word.voice as usize];
        let expected = *last + 1;
        if word.number < expected {
            return Err((Rule::Doubled, format!("{word} came behind number {last}")));
        }
        if word.number > expected {
            // What is read page by page has a message in front or not at all.
            let is_stored = matches!(self.channel, Channel::Store(_));
            let rule = if is_stored { Rule::Lost } else { Rule::Disordered };
            return Err((rule, format!("{word} came where number {expected} was due")));
        }
        *last = word.number;
        Ok(())
    }
}
