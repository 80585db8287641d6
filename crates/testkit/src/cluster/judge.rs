//! What was promised, held against what every reader was told. Pure: times are handed in.

mod reader;
#[cfg(test)]
mod tests;
mod word;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

pub(super) use self::reader::{Audience, Channel, Reader};
pub(super) use self::word::{Voice, Word};

/// How many lines of each conversation's story are kept; the oldest go first.
const STORY: usize = 400;
/// How many breaches are kept in words; all are counted.
const KEPT: usize = 20;

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Something that was acknowledged, or that has a place, did not come.
    Lost,
    /// Something came twice, or is stored twice.
    Doubled,
    /// Something came before what was sent before it.
    Disordered,
    /// Somebody was told what is not for them.
    Leaked,
    /// A message or a wish was refused that should be taken.
    Refused,
}

impl Rule {
    pub(super) const ALL: [Self; 5] = [Self::Lost, Self::Doubled, Self::Disordered, Self::Leaked, Self::Refused];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Disordered => "out of order",
            Self::Leaked => "leaked",
            Self::Refused => "refused",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(super) struct Breach {
    pub(super) rule: Rule,
    /// The conversation whose story tells how it came to that, where there is one.
    pub(super) talk: Option<usize>,
    pub(super) what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.rule.name(), self.what)
    }
}

/// A website.
#[derive(Debug)]
struct Site {
    id: String,
    organization: String,
}

/// A conversation, and what happened in it.
#[derive(Debug)]
struct Talk {
    site: usize,
    /// How many messages of each voice were acknowledged.
    acked: [u64; Voice::COUNT],
    story: VecDeque<String>,
}

/// How a message is stored, as the first who told it said.
#[derive(Debug)]
struct Stored {
    id: String,
    /// Its place in the conversation, as each audience counts.
    seq: [Option<u64>; 2],
}

/// What happened in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Messages that were acknowledged.
    pub(super) acked: u64,
    /// How often one came to a reader.
    pub(super) heard: u64,
    /// How often one was sent again, since nothing had answered.
    pub(super) again: u64,
    /// How many of these were acknowledged as stored before.
    pub(super) known: u64,
}

/// The judge.
#[derive(Debug, Default)]
pub(super) struct Judge {
    sites: Vec<Site>,
    talks: Vec<Talk>,
    talk_of: HashMap<String, usize>,
    readers: Vec<Reader>,
    stored: HashMap<Word, Stored>,
    kept: Vec<Breach>,
    counts: [u64; Rule::ALL.len()],
    epoch: Option<String>,
    sums: Sums,
}

impl Judge {
    pub(super) fn add_site(&mut self, id: &str, organization: &str) -> usize {
        self.sites.push(Site { id: id.to_owned(), organization: organization.to_owned() });
        self.sites.len() - 1
    }

    pub(super) fn add_talk(&mut self, id: &str, site: usize) -> usize {
        let (acked, story) = ([0; Voice::COUNT], VecDeque::new());
        self.talks.push(Talk { site, acked, story });
        self.talk_of.insert(id.to_owned(), self.talks.len() - 1);
        self.talks.len() - 1
    }

    pub(super) fn add_reader(&mut self, name: &str, audience: Audience, channel: Channel) -> usize {
        self.readers.push(Reader::new(name, audience, channel));
        self.readers.len() - 1
    }

    /// The words of a message: they say which one it is, and whose.
    pub(super) fn text(&self, word: Word) -> String {
        format!("{word} of {}", self.sites[self.talks[word.talk].site].organization)
    }

    /// The place from which a reader resumes; none before it has begun.
    pub(super) fn place(&self, reader: usize) -> Option<u64> {
        self.readers[reader].place()
    }

    /// The life of the data, as the first confirmation named it.
    pub(super) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Something that is worth knowing when a conversation's story is told.
    pub(super) fn note(&mut self, reader: usize, at: Duration, what: &str) {
        let Channel::Talk(talk) = self.readers[reader].channel else { return };
        let line = format!("{} {what}", self.readers[reader].name);
        self.tell(talk, at, &line);
    }

    /// A message goes out, for the first time or again.
    pub(super) fn sent(&mut self, word: Word, at: Duration, to: usize, is_again: bool) {
        let how = if is_again { "sent again" } else { "sent" };
        self.sums.again += u64::from(is_again);
        self.tell(word.talk, at, &format!("{word} is {how} to node {to}"));
    }

    /// A message was acknowledged, maybe as one that was stored before.
    pub(super) fn acked(&mut self, word: Word, message_id: &str, at: Duration, is_known: bool) {
        self.sums.known += u64::from(is_known);
        self.tell(word.talk, at, &format!("{word} is acknowledged as {message_id}"));
        let acked = &mut self.talks[word.talk].acked[word.voice as usize];
        *acked = word.number.max(*acked);
        self.sums.acked += 1;
        self.is_stored(word, message_id, None);
    }

    /// A reader's channel is confirmed for the first time or anew.
    pub(super) fn confirmed(&mut self, reader: usize, confirmation: &Value, at: Duration) {
        let head = confirmation["head"].as_u64().unwrap_or_default();
        let place = self.place(reader);
        if self.epoch.is_none() {
            self.epoch = confirmation["epoch"].as_str().map(str::to_owned);
        }
        self.note(reader, at, &format!("is confirmed: had {place:?}, head {head}"));
        match place {
            None => self.readers[reader].begin(head),
            Some(place) if confirmation["recovered"] != true || head < place => {
                let what = format!("{} resumed from {place} and was told {confirmation}", self.readers[reader].name);
                self.breach(Rule::Lost, self.readers[reader].talk(), what);
            }
            Some(_) => {}
        }
    }

    /// Takes whatever a reader is told, in order. Gives the message that it is, if it is a new one.
    pub(super) fn hear(&mut self, reader: usize, text: &str, frame: &Value, at: Duration) -> Option<Word> {
        let talk = frame["conversationId"].as_str().and_then(|id| self.talk_of.get(id).copied());
        if let Some(why) = self.leak(reader, text, frame, talk) {
            let what = format!("{} was told {why}: {text}", self.readers[reader].name);
            self.breach(Rule::Leaked, talk.or(self.readers[reader].talk()), what);
        }
        let word = (frame["type"] == "new_message").then(|| Word::of(frame)).flatten();
        if let (Some(word), Some(talk)) = (word, talk)
            && !matches!(self.readers[reader].channel, Channel::Site(_))
        {
            let line = format!("{} hears {word} at {}", self.readers[reader].name, frame["seq"]);
            self.tell(talk, at, &line);
        }
        if let Err((rule, why)) = self.readers[reader].hear(frame, word) {
            let what = format!("{}: {why}", self.readers[reader].name);
            self.breach(rule, talk.or(self.readers[reader].talk()), what);
        }
        let word = word?;
        self.sums.heard += 1;
        let place = frame["seq"].as_u64().map(|seq| (self.readers[reader].audience, seq));
        self.is_stored(word, frame["messageId"].as_str().unwrap_or_default(), place);
        if word.talk != talk.unwrap_or(usize::MAX) {
            self.breach(Rule::Leaked, talk, format!("{word} came in another conversation: {text}"));
        }
        Some(word)
    }

    /// Something was refused for good.
    pub(super) fn refused(&mut self, reader: usize, what: &str) {
        let what = format!("{} was told {what}", self.readers[reader].name);
        self.breach(Rule::Refused, self.readers[reader].talk(), what);
    }

    /// A message that was acknowledged and did not come to a reader whom it is for.
    pub(super) fn lacks(&self, reader: usize) -> Option<Word> {
        let reader = &self.readers[reader];
        let is_of = |talk: usize| match reader.channel {
            Channel::Talk(own) | Channel::Store(own) => own == talk,
            Channel::Site(site) => self.talks[talk].site == site,
        };
        let talks = (0..self.talks.len()).filter(|talk| is_of(*talk));
        talks.flat_map(|talk| Voice::ALL.map(|voice| (talk, voice))).find_map(|(talk, voice)| {
            let acked = self.talks[talk].acked[voice as usize];
            let heard = reader.heard(talk, voice);
            let is_meant = voice != Voice::Note || reader.audience == Audience::Team;
            (is_meant && heard < acked).then_some(Word { talk, voice, number: heard + 1 })
        })
    }

    /// What a reader lacks is lost: nothing more can be under way.
    pub(super) fn close(&mut self) {
        for reader in 0..self.readers.len() {
            if let Some(word) = self.lacks(reader) {
                let what = format!("{word} was acknowledged and never came to {}", self.readers[reader].name);
                self.breach(Rule::Lost, Some(word.talk), what);
            }
        }
    }

    pub(super) const fn readers(&self) -> usize {
        self.readers.len()
    }

    /// What happened in all.
    pub(super) const fn sums(&self) -> Sums {
        self.sums
    }

    /// How often each promise was broken.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Rule, u64)> {
        Rule::ALL.into_iter().zip(self.counts)
    }

    /// The first breaches.
    pub(super) fn breaches(&self) -> &[Breach] {
        &self.kept
    }

    /// What happened in a conversation.
    pub(super) fn story(&self, talk: usize) -> impl Iterator<Item = &str> {
        self.talks[talk].story.iter().map(String::as_str)
    }

    fn breach(&mut self, rule: Rule, talk: Option<usize>, what: String) {
        self.counts[rule as usize] += 1;
        if let Some(talk) = talk {
            self.tell(talk, Duration::MAX, &format!("BREACH {}: {what}", rule.name()));
        }
        if self.kept.len() < KEPT {
            self.kept.push(Breach { rule, talk, what });
        }
    }

    fn tell(&mut self, talk: usize, at: Duration, what: &str) {
        let story = &mut self.talks[talk].story;
        if story.len() >= STORY {
            story.pop_front();
        }
        let at = if at == Duration::MAX { "       --".to_owned() } else { format!("{:9.3}", at.as_secs_f64()) };
        story.push_back(format!("{at} {what}"));
    }

    /// A message has one id and one place, whoever tells it.
    fn is_stored(&mut self, word: Word, id: &str, place: Option<(Audience, u64)>) {
        let stored = self.stored.entry(word).or_insert_with(|| Stored { id: id.to_owned(), seq: [None; 2] });
        if stored.id != id {
            let what = format!("{word} is stored as {} and as {id}", stored.id);
            return self.breach(Rule::Doubled, Some(word.talk), what);
        }
        let Some((audience, seq)) = place else { return };
        let known = *stored.seq[audience as usize].get_or_insert(seq);
        if known != seq {
            self.breach(Rule::Disordered, Some(word.talk), format!("{word} is told at {known} and at {seq}"));
        }
    }

    /// What a reader must not be told in a frame, of whatever type.
    fn leak(&self, reader: usize, text: &str, frame: &Value, talk: Option<usize>) -> Option<&'static str> {
        let reader = &self.readers[reader];
        let site = match reader.channel {
            Channel::Talk(talk) | Channel::Store(talk) => self.talks[talk].site,
            Channel::Site(site) => site,
        };
        let is_other = |field: &str, own: &str| frame[field].as_str().is_some_and(|id| id != own);
        if is_other("websiteId", &self.sites[site].id) {
            return Some("another website's");
        }
        if is_other("organizationId", &self.sites[site].organization) {
            return Some("another organization's");
        }
        let is_of = match reader.channel {
            Channel::Talk(own) | Channel::Store(own) => talk == Some(own),
            Channel::Site(site) => talk.is_some_and(|talk| self.talks[talk].site == site),
        };
        if frame["conversationId"].is_string() && !is_of {
            return Some("another conversation's");
        }
        let is_secret = frame["visibility"] == "internal"
            || text.contains(Voice::Note.mark())
            || matches!(frame["type"].as_str(), Some("viewing_indicator" | "visitor_online" | "visitor_offline"));
        (reader.audience == Audience::Visitor && is_secret).then_some("what is for the team")
    }
}
