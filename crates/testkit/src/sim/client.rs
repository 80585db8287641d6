//! One simulated client: a real engine, what its application shows, and what it was promised.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::{Channel as EngineChannel, Config, ConnectionState, Engine, SubscriptionState};
use cossistant_protocol::{Channel, MessageAck, MessageId, PersonId, UserType};
use cossistant_server::sim::{Plant, SimConnection, Tenant};

use super::reader::Reader;
use super::replica::Replica;
use super::translate::Payload;
use super::wire::{Copies, Heard};

/// How long a token lasts of which nothing is to be seen, in seconds.
pub(super) const LONG: u64 = 30 * 24 * 3_600;
/// All of an application's wishes have one holder.
pub(super) const HOLDER: u32 = 0;

/// The present socket of a client, as the network treats it. Times are in ms.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) generation: u32,
    /// `None` while it is dialled.
    pub(super) connection: Option<SimConnection>,
    /// Which node has it, then.
    pub(super) node: usize,
    /// When what was sent last arrives: a socket keeps its order.
    pub(super) up_until: u64,
    pub(super) down_until: u64,
    /// The longest that a frame is under way when nothing is wrong.
    pub(super) delay: u64,
    /// Nothing arrives any more in this direction, and nobody is told.
    pub(super) is_mute_up: bool,
    pub(super) is_mute_down: bool,
    /// The client reads so many bytes at a time; of 0 it has stopped.
    pub(super) slow: Option<usize>,
    /// Until when there may be more on the wire than what was written just now.
    pub(super) slow_until: u64,
    /// The newest token that it has shown.
    pub(super) token: Token,
    /// Since when the node should let nothing through any more.
    pub(super) over_since: Option<u64>,
    /// How often the store had been restored when it was opened.
    pub(super) life: usize,
    pub(super) copies: Copies,
}

/// What a client shows to be let in. Times are by the node's clock, in ms.
#[derive(Debug, Clone, Default)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) issued_at: u64,
    pub(super) expires_at: u64,
}

impl Link {
    /// Whether nothing is wrong with it, and nothing held up.
    pub(super) const fn is_sound(&self, now: u64) -> bool {
        let is_heard = !self.is_mute_up && !self.is_mute_down && self.slow.is_none();
        self.connection.is_some()
            && is_heard
            && self.down_until <= now + self.delay
            && self.up_until <= now + self.delay
    }
}

/// A message that the application gave to the engine.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) conversation: String,
    pub(super) is_open: bool,
    /// The application was told that it is not stored.
    pub(super) was_refused: bool,
}

/// A message that the server acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Acked {
    pub(super) key: String,
    pub(super) conversation: String,
    pub(super) message: MessageId,
    pub(super) seq: u64,
    pub(super) is_note: bool,
    /// How often the store had been restored by then.
    pub(super) life: usize,
}

/// One tab, app or bot.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) tenant: Tenant,
    pub(super) kind: UserType,
    pub(super) person: PersonId,
    pub(super) engine: Engine<Payload, Heard>,
    /// The most messages that it may keep.
    pub(super) max_queue_size: usize,
    pub(super) clock_ahead: u64,
    /// The browser lets its timers run so seldom, in ms, since it is in the background.
    pub(super) throttle: Option<u64>,
    pub(super) token: Token,
    /// The token that the last connection began with.
    pub(super) used: Token,
    pub(super) link: Option<Link>,
    pub(super) is_wanted: bool,
    pub(super) replica: Replica,
    pub(super) reader: Reader,
    pub(super) held: BTreeSet<HeldChannel>,
    /// By which `id` each channel was asked for last.
    pub(super) asked: BTreeMap<HeldChannel, String>,
    /// Channels whose last confirmation said that something is missing.
    pub(super) unrecovered: BTreeSet<HeldChannel>,
    /// In the order of sending.
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) acked: Vec<Acked>,
    pub(super) next_number: u64,
    /// Conversations that this connection has said it views.
    pub(super) viewing: BTreeSet<String>,
    /// Of these, those of which it has said so again since.
    pub(super) viewing_again: BTreeSet<String>,
    /// How often the store had been restored when each held channel was confirmed last.
    pub(super) confirmed_in: BTreeMap<HeldChannel, usize>,
    /// How many restores its reader has taken in.
    pub(super) life: usize,
    /// Messages that were sent, as they were, for those who send them again.
    pub(super) frames: BTreeMap<String, Payload>,
}

/// A channel with an order, to be kept in sets.
pub(super) type HeldChannel = (bool, String);

/// Names a channel for a set: websites first.
pub(super) fn name_of(channel: &EngineChannel) -> HeldChannel {
    match channel {
        EngineChannel::Conversation(id) => (true, id.clone()),
        EngineChannel::Website(id) => (false, id.clone()),
    }
}

impl Client {
    pub(super) fn new(
        name: &str,
        (tenant, kind, person): (Tenant, UserType, PersonId),
        config: Config,
        seed: u64,
        clock_ahead: u64,
        plant: Option<Plant>,
    ) -> Self {
        let max_queue_size = config.max_queue_size;
        let is_bounded = plant != Some(Plant::UnboundedQueue);
        let config = Config { max_queue_size: if is_bounded { max_queue_size } else { usize::MAX }, ..config };
        Self {
            name: name.to_owned(),
            tenant,
            kind,
            person,
            engine: Engine::new(config, seed),
            max_queue_size,
            clock_ahead,
            throttle: None,
            used: Token::default(),
            token: Token::default(),
            link: None,
            is_wanted: false,
            replica: Replica::default(),
            reader: Reader::default(),
            held: BTreeSet::new(),
            unrecovered: BTreeSet::new(),
            sent: BTreeMap::new(),
            acked: Vec::new(),
            next_number: 1,
            viewing: BTreeSet::new(),
            viewing_again: BTreeSet::new(),
            confirmed_in: BTreeMap::new(),
            asked: BTreeMap::new(),
            life: 0,
            frames: BTreeMap::new(),
        }
    }

    pub(super) fn is_visitor(&self) -> bool {
        self.kind == UserType::Visitor
    }

    pub(super) fn is_connected(&self) -> bool {
        self.engine.state() == ConnectionState::Connected
    }

    pub(super) fn holds_website(&self) -> bool {
        self.held.iter().any(|(is_conversation, _)| !is_conversation)
    }

    pub(super) fn held_conversations(&self) -> BTreeSet<String> {
        self.held.iter().filter(|(is_conversation, _)| *is_conversation).map(|(_, id)| id.clone()).collect()
    }

    /// Channels that are live on the present connection.
    pub(super) fn confirmed(&self) -> Vec<EngineChannel> {
        let confirmed = |(channel, state): (&EngineChannel, SubscriptionState)| {
            (state == SubscriptionState::Confirmed).then(|| channel.clone())
        };
        self.engine.subscriptions().filter_map(confirmed).collect()
    }

    /// Whether everything that it wants is answered, and nothing waits to be sent.
    pub(super) fn is_settled(&self) -> bool {
        if !self.is_wanted {
            return !self.is_connected();
        }
        let is_answered = |state: &SubscriptionState| match state {
            SubscriptionState::Confirmed | SubscriptionState::Refused(_) | SubscriptionState::Released => true,
            SubscriptionState::Pending | SubscriptionState::Unavailable => false,
        };
        self.is_connected()
            && self.engine.queued_message_count() == 0
            && self.engine.subscriptions().all(|(_, state)| is_answered(&state))
    }

    /// Why it has not settled, for the report of a failure.
    pub(super) fn describe(&self) -> String {
        let subscriptions: Vec<_> = self.engine.subscriptions().collect();
        format!(
            "{}: {:?}, {} queued, {subscriptions:?}",
            self.name,
            self.engine.state(),
            self.engine.queued_message_count()
        )
    }

    /// Notes an acknowledgement; whether it is for something that was sent.
    pub(super) fn note_ack(&mut self, ack: &MessageAck, life: usize) -> bool {
        let Some(number) = ack.id.as_str().rsplit('-').next().and_then(|number| number.parse().ok()) else {
            return false;
        };
        let Some(sent) = self.sent.get(&number) else { return false };
        if sent.conversation != ack.conversation_id.as_str() {
            return false;
        }
        let is_note = ack.id.as_str().starts_with("note-");
        self.acked.push(Acked {
            key: ack.id.to_string(),
            conversation: ack.conversation_id.to_string(),
            message: ack.message_id.clone(),
            seq: ack.seq,
            is_note,
            life,
        });
        true
    }

    /// When its engine wants to be woken, by the world's clock; later if the browser throttles it.
    pub(super) fn wake_at(&self) -> Option<u64> {
        let at = self.engine.poll_timeout()?.saturating_sub(self.clock_ahead);
        Some(self.throttle.map_or(at, |every| at.next_multiple_of(every)))
    }

    /// A channel is held no more.
    pub(super) fn released(&mut self, channel: &Channel) {
        self.replica.forget(channel);
        self.confirmed_in.remove(&name_of(&super::translate::to_engine(channel)));
        match channel {
            Channel::Conversation(id) => {
                // Until its website is confirmed, nothing says that it goes on there.
                if !self.holds_website() || self.reader.website_base.is_none() {
                    self.reader.begin_anew(id.as_str());
                }
            }
            Channel::Website(_) => {
                self.reader.website_base = None;
                // What was not confirmed yet begins when it is, wherever its website had come to by then.
                let is_begun = |id: &String| self.confirmed_in.contains_key(&(true, id.clone()));
                let held = self.held_conversations().into_iter().filter(is_begun).collect();
                self.reader.begin_anew_except(&held);
            }
        }
    }
}
