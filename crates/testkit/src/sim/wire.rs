//! What came over one connection, and which of it may come twice.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use cossistant_engine::Envelope;
use cossistant_protocol::{Channel, ServerMessage};
use cossistant_server::sim::WEBSITE;

use super::reader::Told;
use super::trace::hash_of;
use super::translate::{Incoming, envelope};

/// A server message, read once however many clients get it.
pub(super) type Heard = Rc<ServerMessage>;

/// What is to be known of a text that came.
#[derive(Debug)]
pub(super) struct Letter {
    text: Box<str>,
    pub(super) envelope: Envelope,
    pub(super) message: Heard,
    /// What of it a visitor must never be told, once that was asked.
    secret: OnceCell<Option<&'static str>>,
}

/// What stands in no message to a visitor, and what is given away by it.
const FORBIDDEN: [(&str, &str); 8] = [
    ("\"visibility\":\"internal\"", "of a note"),
    ("NOTE", "what a note says"),
    ("\"offset\"", "an offset"),
    ("\"changedBy\"", "who changed something"),
    ("\"viewing_indicator\"", "who is viewing"),
    ("\"visitor_online\"", "of a visitor's presence"),
    ("\"visitor_offline\"", "of a visitor's presence"),
    ("\"for the team\"", "what an agent does for the team"),
];
/// Finds any of them in one pass, since every text to a visitor is searched.
static SECRETS: LazyLock<Searcher> = LazyLock::new(|| {
    Searcher::new(FORBIDDEN.map(|(part, _)| part)).expect("a few short texts, and a processor with vectors")
});

impl Letter {
    /// What of it a visitor must never be told.
    pub(super) fn secret(&self) -> Option<&'static str> {
        *self.secret.get_or_init(|| {
            let found = SECRETS.find(&*self.text)?;
            Some(FORBIDDEN[found.pattern().as_usize()].1)
        })
    }

    /// Whether it is about the demo's organization.
    pub(super) fn is_ours(&self) -> bool {
        ["org-demo", WEBSITE].iter().any(|part| self.text.contains(part))
    }
}

/// A map whose keys are numbers, most of them hashes already.
type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<Multiplied>>;

/// A hash of numbers, for keys that nobody chooses to harm us.
#[derive(Debug, Default)]
struct Multiplied(u64);

impl Hasher for Multiplied {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Messages that were read already, by the hash of their text: most of them go to many.
#[derive(Debug, Default)]
pub(super) struct Library(ByNumber<u64, Rc<Letter>>);

impl Library {
    /// Reads a message as the native client does.
    ///
    /// # Errors
    /// It cannot be read, or is of a type that the contract does not know.
    pub(super) fn read(&mut self, text: &str, hash: u64) -> Result<Rc<Letter>, String> {
        if let Some(known) = self.0.get(&hash).filter(|known| *known.text == *text) {
            return Ok(Rc::clone(known));
        }
        let message = ServerMessage::parse(text).map_err(|error| error.to_string())?;
        let incoming = Incoming::Message(Box::new(message));
        let envelope = envelope(&incoming);
        let Incoming::Message(message) = incoming else { return Err("it is of no known type".to_owned()) };
        let letter =
            Rc::new(Letter { text: text.into(), envelope, message: Rc::from(message), secret: OnceCell::new() });
        self.0.insert(hash, Rc::clone(&letter));
        Ok(letter)
    }
}

/// The durable events of one connection. Each comes live at most once, and once more in each replay that it is part
/// of; the engine hides a copy too many from the application, so this looks at the wire.
#[derive(Debug, Default)]
pub(super) struct Copies {
    came: ByNumber<(u64, u64), u32>,
    replays: Vec<Replay>,
}

#[derive(Debug)]
struct Replay {
    /// `None` for that of the website.
    conversation: Option<u64>,
    behind: u64,
    head: u64,
}

impl Copies {
    /// Takes in what came.
    ///
    /// # Errors
    /// It came too often.
    pub(super) fn take(&mut self, message: &ServerMessage) -> Result<(), String> {
        if let ServerMessage::SubscriptionConfirmed(confirmed) = message {
            let conversation = match &confirmed.channel {
                Channel::Conversation(id) => Some(hash_of(id.as_str())),
                Channel::Website(_) => None,
            };
            let behind = confirmed.head - confirmed.replayed;
            if behind < confirmed.head {
                self.replays.push(Replay { conversation, behind, head: confirmed.head });
            }
            return Ok(());
        }
        let Some((id, seq, offset)) = Told::place_of(message) else { return Ok(()) };
        let conversation = hash_of(id);
        let count = self.came.entry((conversation, seq)).or_default();
        *count += 1;
        let is_in = |replay: &&Replay| match (replay.conversation, offset) {
            (Some(of), _) => of == conversation && (replay.behind + 1..=replay.head).contains(&seq),
            (None, Some(offset)) => (replay.behind + 1..=replay.head).contains(&offset),
            (None, None) => false,
        };
        let allowed = 1 + self.replays.iter().filter(is_in).count();
        if *count as usize > allowed {
            return Err(format!("{id} {seq} came {count} times over one connection"));
        }
        Ok(())
    }
}
