//! One simulated client: a real engine, what its application shows, and what it was promised.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::{Channel as EngineChannel, Config, ConnectionState, Engine, SubscriptionState};
use cossistant_protocol::{Channel, MessageAck, MessageId, PersonId, UserType};
use cossistant_server::sim::SimConnection;

use super::reader::Reader;
use super::replica::Replica;
use super::translate::{Incoming, Payload};

/// All of an application's wishes have one holder.
pub(super) const HOLDER: u32 = 0;

/// The present socket of a client, as the network treats it. Times are in ms.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) generation: u32,
    /// `None` while it is dialled.
    pub(super) connection: Option<SimConnection>,
    /// When what was sent last arrives: a socket keeps its order.
    pub(super) up_until: u64,
    pub(super) down_until: u64,
    /// The longest that a frame is under way when nothing is wrong.
    pub(super) delay: u64,
    /// Nothing arrives any more in this direction, and nobody is told.
    pub(super) is_mute_up: bool,
    pub(super) is_mute_down: bool,
    /// The client reads so many bytes at a time.
    pub(super) slow: Option<usize>,
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
}

/// A message that the server acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Acked {
    pub(super) key: String,
    pub(super) conversation: String,
    pub(super) message: MessageId,
    pub(super) seq: u64,
    pub(super) is_note: bool,
}

/// One tab, app or bot.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) kind: UserType,
    pub(super) person: PersonId,
    pub(super) engine: Engine<Payload, Incoming>,
    pub(super) clock_ahead: u64,
    pub(super) has_token_source: bool,
    pub(super) token: String,
    pub(super) link: Option<Link>,
    pub(super) is_wanted: bool,
    pub(super) replica: Replica,
    pub(super) reader: Reader,
    pub(super) held: BTreeSet<HeldChannel>,
    /// Channels whose last confirmation said that something is missing.
    pub(super) unrecovered: BTreeSet<HeldChannel>,
    /// In the order of sending.
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) acked: Vec<Acked>,
    pub(super) next_number: u64,
    /// Conversations that this connection has said it views.
    pub(super) viewing: BTreeSet<String>,
    pub(super) stops: Vec<String>,
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
        kind: UserType,
        person: PersonId,
        config: Config,
        seed: u64,
        clock_ahead: u64,
        token: String,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            person,
            has_token_source: config.has_token_source,
            engine: Engine::new(config, seed),
            clock_ahead,
            token,
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
            stops: Vec::new(),
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

    pub(super) fn note_ack(&mut self, ack: &MessageAck) -> bool {
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
        });
        true
    }

    /// Notes what the engine's refusals and stops say.
    pub(super) fn stop(&mut self, why: String) {
        self.stops.push(why);
    }

    pub(super) fn released(&mut self, channel: &Channel) {
        self.replica.forget(channel);
        match channel {
            Channel::Conversation(id) => {
                // Until its website is confirmed, nothing says that it goes on there.
                if !self.holds_website() || self.reader.website_base.is_none() {
                    self.reader.begin_anew(id.as_str());
                }
            }
            Channel::Website(_) => {
                self.reader.website_base = None;
                let held = self.held_conversations();
                self.reader.begin_anew_except(&held);
            }
        }
    }
}
