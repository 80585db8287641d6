//! The simulated world: clients, the network between, the node, and one clock.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::{
    Channel as EngineChannel, ConnectionState, Failure, Frame, Input, Output, SubscriptionState, TokenOutcome,
};
use cossistant_protocol::{Channel, ClientFrame, ClientMessage, ServerMessage};
use cossistant_server::sim::{Dice, FromClient, FromServer, SimConfig, SimConnection, SimServer};

use super::client::{Client, Link, name_of};
use super::reader::Told;
use super::trace::Trace;
use super::translate::{Incoming, Payload, encode, envelope, from_engine, to_engine};

/// When the simulated node's clock begins, in ms since 1970.
const EPOCH_MS: u64 = 1_800_000_000_000;

/// What the network and the plan of faults do at some time.
#[derive(Debug)]
pub(super) enum Due {
    /// A client's frame arrives.
    Up(SimConnection, FromClient),
    /// The node learns that a connection is gone.
    Reset(SimConnection),
    /// A client's dialling ends well, if the node is up.
    Dialled(usize, u32),
    /// A node's frame arrives.
    Down(usize, u32, FromServer),
    /// A client learns that its socket is gone.
    Lost(usize, u32),
    /// A token source answers.
    Token(usize, u32),
    /// A slow reader reads on.
    Read(usize, u32),
    /// A slow reader is slow no more.
    SlowOver(usize, u32),
    /// A crashed node starts.
    Start,
    /// A drained node ends.
    Crash,
    /// The store answers again.
    StoreUp,
    /// Jobs take their usual time again.
    PaceOver,
    /// Announcements arrive again.
    LossOver,
}

/// Everything that is simulated.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) dice: Dice,
    pub(super) server: SimServer,
    pub(super) clients: Vec<Client>,
    pub(super) trace: Trace,
    pub(super) max_outbox_bytes: usize,
    /// No new faults: dialling works, links are sound.
    pub(super) is_calm: bool,
    /// What was found to be wrong.
    pub(super) failures: Vec<String>,
    agenda: BTreeMap<(u64, u64), Due>,
    entries: u64,
    was_up: bool,
    /// Connections that were cut: what is under way does not arrive.
    cut: BTreeSet<SimConnection>,
}

/// How many bytes a client with nothing wrong reads at a time.
const ALL: usize = usize::MAX;

impl World {
    pub(super) fn new(config: SimConfig, dice: Dice, is_traced: bool) -> Self {
        let max_outbox_bytes = config.max_outbox_bytes;
        let mut server = SimServer::new(config, EPOCH_MS);
        if is_traced {
            server.keep_log();
        }
        Self {
            now: EPOCH_MS,
            dice,
            server,
            clients: Vec::new(),
            trace: Trace::new(is_traced),
            max_outbox_bytes,
            is_calm: false,
            failures: Vec::new(),
            agenda: BTreeMap::new(),
            entries: 0,
            was_up: true,
            cut: BTreeSet::new(),
        }
    }

    /// The time since the beginning, as traces tell it.
    pub(super) const fn elapsed(&self) -> u64 {
        self.now - EPOCH_MS
    }

    pub(super) fn put(&mut self, after: u64, due: Due) {
        self.put_at(self.now + after, due);
    }

    fn put_at(&mut self, at: u64, due: Due) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), due);
    }

    pub(super) fn fail(&mut self, why: String) {
        let elapsed = self.elapsed();
        self.trace.note(elapsed, format_args!("FAILED {why}"));
        self.failures.push(why);
    }

    pub(super) fn say(&mut self, what: std::fmt::Arguments<'_>) {
        let elapsed = self.elapsed();
        self.trace.note(elapsed, what);
    }

    // ---- time ----

    /// Lets so many ms pass.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.failures.is_empty() {
            let Some(at) = self.next().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.step();
        }
        self.now = self.now.max(end);
        self.server.advance(self.now);
        self.collect();
    }

    fn next(&mut self) -> Option<u64> {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let server = self.server.next_due();
        let clients = self.clients.iter().filter_map(wake_at).min();
        [agenda, server, clients].into_iter().flatten().min()
    }

    fn step(&mut self) {
        self.server.advance(self.now);
        self.collect();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let due = entry.remove();
            self.happen(due);
            self.collect();
        }
        for at in 0..self.clients.len() {
            if wake_at(&self.clients[at]).is_some_and(|wake| wake <= self.now) {
                self.input(at, Input::Tick);
            }
        }
        self.collect();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Up(connection, what) => {
                if !self.cut.contains(&connection) {
                    self.server.deliver(connection, what);
                }
            }
            Due::Reset(connection) => self.server.lose(connection),
            Due::Dialled(at, generation) => self.dialled(at, generation),
            Due::Down(at, generation, what) => self.arrive(at, generation, what),
            Due::Lost(at, generation) => self.client_loses(at, generation),
            Due::Token(at, request) => self.give_token(at, request),
            Due::Read(at, generation) => {
                let slow = self.link(at, generation).and_then(|link| Some((link.connection?, link.slow?)));
                if let Some((connection, bytes)) = slow {
                    self.read(at, connection, bytes);
                    let pause = self.dice.between(20, 300);
                    self.put(pause, Due::Read(at, generation));
                }
            }
            Due::SlowOver(at, generation) => {
                if let Some(link) = self.link(at, generation) {
                    link.slow = None;
                }
            }
            Due::Start => {
                self.say(format_args!("the node starts"));
                self.server.start();
                self.was_up = true;
            }
            Due::Crash => self.crash(),
            Due::StoreUp => self.server.set_store_down(false),
            Due::PaceOver => self.server.set_pace(None),
            Due::LossOver => self.server.set_lost_percent(0),
        }
    }

    // ---- the node's side ----

    /// Takes what the node has written, and notices when it has died.
    fn collect(&mut self) {
        let elapsed = self.elapsed();
        for line in self.server.take_log() {
            self.trace.aside(elapsed, &line);
        }
        if self.was_up && !self.server.is_up() {
            self.died();
        }
        for at in 0..self.clients.len() {
            let Some(link) = &self.clients[at].link else { continue };
            if let (Some(connection), None, false) = (link.connection, link.slow, link.is_mute_down) {
                self.read(at, connection, ALL);
            }
        }
    }

    fn read(&mut self, at: usize, connection: SimConnection, bytes: usize) {
        for what in self.server.take(connection, bytes) {
            let Some(link) = &mut self.clients[at].link else { return };
            let delay = self.dice.delay(link.delay);
            link.down_until = link.down_until.max(self.now + 1 + delay);
            let (generation, at_time) = (link.generation, link.down_until);
            self.put_at(at_time, Due::Down(at, generation, what));
        }
    }

    /// Kills the node now.
    pub(super) fn crash(&mut self) {
        self.server.crash();
        self.collect();
    }

    fn died(&mut self) {
        self.say(format_args!("the node dies"));
        self.was_up = false;
        for at in 0..self.clients.len() {
            let Some(link) = &mut self.clients[at].link else { continue };
            let Some(connection) = link.connection else { continue };
            self.cut.insert(connection);
            if self.dice.chance(70) && !link.is_mute_down {
                let at_time = link.down_until.max(self.now + self.dice.below(100));
                link.down_until = at_time;
                let generation = link.generation;
                self.put_at(at_time, Due::Lost(at, generation));
            } else {
                // The machine is gone as well: nobody says a word.
                link.is_mute_down = true;
                link.is_mute_up = true;
            }
        }
        let down_for = self.dice.between(50, 3_000);
        self.put(down_for, Due::Start);
    }

    // ---- the clients' side ----

    fn link(&mut self, at: usize, generation: u32) -> Option<&mut Link> {
        self.clients[at].link.as_mut().filter(|link| link.generation == generation)
    }

    fn dialled(&mut self, at: usize, generation: u32) {
        if self.link(at, generation).is_none() {
            return;
        }
        let token = self.clients[at].token.clone();
        match self.server.open(&token) {
            Some(connection) => {
                if let Some(link) = self.link(at, generation) {
                    link.connection = Some(connection);
                }
                let name = self.clients[at].name.clone();
                self.say(format_args!("{name} opens socket {generation} as connection {}", connection.0));
                self.input(at, Input::Opened { generation });
            }
            None => self.client_loses(at, generation),
        }
    }

    /// The client's socket is gone, or was never there.
    fn client_loses(&mut self, at: usize, generation: u32) {
        let Some(link) = self.clients[at].link.take_if(|link| link.generation == generation) else { return };
        let name = self.clients[at].name.clone();
        self.say(format_args!("{name} loses socket {generation}"));
        match link.connection {
            None => self.input(at, Input::DialFailed { generation }),
            Some(_) => self.input(at, Input::Closed { generation, code: 1006, reason: String::new() }),
        }
    }

    /// Cuts a client's link: what is under way is lost, and each side learns of it after some time, or never.
    pub(super) fn cut(&mut self, at: usize, client_learns: Option<u64>, node_learns: Option<u64>) {
        let Some(link) = &mut self.clients[at].link else { return };
        let Some(connection) = link.connection else { return };
        let generation = link.generation;
        link.is_mute_down = true;
        link.is_mute_up = true;
        self.cut.insert(connection);
        if let Some(after) = client_learns {
            self.put(after, Due::Lost(at, generation));
        }
        if let Some(after) = node_learns {
            self.put(after, Due::Reset(connection));
        }
    }

    fn give_token(&mut self, at: usize, request: u32) {
        let client = &self.clients[at];
        let life = if client.has_token_source { 90 } else { 30 * 24 * 3_600 };
        let token = self.server.token(client.kind, &client.person, life);
        let outcome = if !self.is_calm && self.dice.chance(5) { TokenOutcome::Failed } else { TokenOutcome::Ready };
        self.clients[at].token = token;
        self.input(at, Input::Token { request, outcome });
    }

    /// A frame of the node reaches a client.
    fn arrive(&mut self, at: usize, generation: u32, what: FromServer) {
        let Some(link) = self.link(at, generation) else { return };
        if link.is_mute_down && link.connection.is_some_and(|connection| self.cut.contains(&connection)) {
            return;
        }
        match what {
            FromServer::Text(text) => self.hear(at, generation, &text),
            FromServer::Ping => self.transmit(at, generation, FromClient::Pong),
            FromServer::Close(code, reason) => {
                let name = self.clients[at].name.clone();
                self.say(format_args!("{name} is closed with {code} {reason}"));
                self.transmit(at, generation, FromClient::Close(Some(code)));
                self.clients[at].link = None;
                self.input(at, Input::Closed { generation, code, reason });
            }
            FromServer::Gone => self.client_loses(at, generation),
        }
    }

    fn hear(&mut self, at: usize, generation: u32, text: &str) {
        let name = self.clients[at].name.clone();
        self.say(format_args!("{name} <- {text}"));
        if self.clients[at].is_visitor()
            && let Some(why) = leak(text)
        {
            self.fail(format!("{name} was told {why}: {text}"));
        }
        match ServerMessage::parse(text) {
            Ok(message) => {
                let message = Incoming::Message(Box::new(message));
                let envelope = envelope(&message);
                self.input(at, Input::Inbound { generation, envelope, message });
            }
            Err(error) => self.fail(format!("{name} cannot read {text}: {error}")),
        }
    }

    fn transmit(&mut self, at: usize, generation: u32, what: FromClient) {
        let Some(link) = self.clients[at].link.as_mut().filter(|link| link.generation == generation) else { return };
        let (Some(connection), false) = (link.connection, link.is_mute_up) else { return };
        let delay = self.dice.delay(link.delay);
        link.up_until = link.up_until.max(self.now + 1 + delay);
        let at_time = link.up_until;
        self.put_at(at_time, Due::Up(connection, what));
    }

    /// Hands something to a client's engine and does what it says.
    pub(super) fn input(&mut self, at: usize, input: Input<Payload, Incoming>) {
        let now = self.now + self.clients[at].clock_ahead;
        self.clients[at].engine.handle_input(input, now);
        while let Some(output) = self.clients[at].engine.poll_output() {
            self.handle(at, output);
        }
        if self.clients[at].engine.poll_timeout().is_some_and(|wake| wake <= now) {
            let why = format!("{} wants to be woken in the past", self.clients[at].name);
            self.fail(why);
        }
    }

    fn handle(&mut self, at: usize, output: Output<Payload, Incoming>) {
        match output {
            Output::Dial { generation } => self.dial(at, generation),
            Output::CloseSocket { generation, code } => {
                let name = self.clients[at].name.clone();
                self.say(format_args!("{name} closes socket {generation} with {code}"));
                self.transmit(at, generation, FromClient::Close(Some(code)));
                self.clients[at].link.take_if(|link| link.generation == generation);
            }
            Output::RequestToken { request, .. } => {
                let delay = self.dice.between(1, 200);
                self.put(delay, Due::Token(at, request));
            }
            Output::Transmit { generation, frame } => {
                let is_pass = matches!(frame, Frame::Pass(_));
                let token = self.clients[at].token.clone();
                let Some(text) = encode(frame, Some(&token)) else {
                    return self.fail("a frame cannot be encoded".to_owned());
                };
                if is_pass {
                    self.note_pass(at, &text);
                }
                let name = self.clients[at].name.clone();
                self.say(format_args!("{name} -> {text}"));
                self.transmit(at, generation, FromClient::Text(text.to_string()));
            }
            Output::Deliver(Incoming::Message(message)) => self.show(at, &message),
            Output::Deliver(Incoming::Unknown(text)) => self.fail(format!("an unknown message: {text}")),
            Output::StateChanged(state) => {
                let name = self.clients[at].name.clone();
                self.say(format_args!("{name} is {state:?}"));
                if state != ConnectionState::Connected {
                    self.clients[at].viewing.clear();
                }
                if let ConnectionState::Stopped(reason) = state {
                    self.clients[at].stop(format!("{reason:?}"));
                }
            }
            Output::SubscriptionChanged { channel, state } => {
                let name = self.clients[at].name.clone();
                self.say(format_args!("{name} has {channel:?} {state:?}"));
                if matches!(state, SubscriptionState::Refused(_))
                    && let Some(channel) = from_engine(&channel)
                {
                    self.clients[at].held.remove(&name_of(&to_engine(&channel)));
                    self.clients[at].released(&channel);
                }
            }
            Output::Resync(channel) => self.resync(at, &channel),
            Output::MessageAcked { id } => self.settle(at, &id, None),
            Output::MessageFailed { id, failure } => self.settle(at, &id, Some(failure)),
            Output::Closed { reason, .. } => {
                if reason == "an event was missing" {
                    self.fail(format!("{} was given events with a hole", self.clients[at].name));
                }
            }
            Output::ReconnectAttempt(_)
            | Output::ReconnectSuccess
            | Output::ReconnectFail
            | Output::Pong { .. }
            | Output::PingFailed { .. } => {}
        }
    }

    fn dial(&mut self, at: usize, generation: u32) {
        if self.clients[at].link.is_some() {
            self.fail(format!("{} dials a second socket", self.clients[at].name));
        }
        let delay = if self.dice.chance(30) { self.dice.between(20, 150) } else { self.dice.between(0, 20) };
        self.clients[at].link = Some(Link {
            generation,
            connection: None,
            up_until: 0,
            down_until: 0,
            delay,
            is_mute_up: false,
            is_mute_down: false,
            slow: None,
        });
        let takes = self.dice.between(1, 150);
        match self.dice.below(if self.is_calm { 1 } else { 30 }) {
            29 => {}
            28 => self.put(takes, Due::Lost(at, generation)),
            _ => self.put(takes, Due::Dialled(at, generation)),
        }
    }

    /// The application gets a message.
    fn show(&mut self, at: usize, message: &ServerMessage) {
        let holds_website = self.clients[at].holds_website();
        if let ServerMessage::SubscriptionConfirmed(confirmed) = message
            && !self.clients[at].held.contains(&name_of(&to_engine(&confirmed.channel)))
        {
            // It was given up while it was asked for.
            return;
        }
        self.clients[at].replica.apply(message);
        if let ServerMessage::SubscriptionConfirmed(confirmed) = message {
            if !confirmed.recovered {
                self.clients[at].unrecovered.insert(name_of(&to_engine(&confirmed.channel)));
            }
            let held = self.clients[at].held_conversations();
            self.clients[at].reader.confirm(confirmed, holds_website, &held);
            let is_live = |channel: &EngineChannel| matches!(channel, EngineChannel::Website(_));
            if let Channel::Conversation(id) = &confirmed.channel
                && holds_website
                && !self.clients[at].confirmed().iter().any(is_live)
            {
                // What it begins behind is not told again by the website that comes up later.
                self.clients[at].reader.has_begun_late(id.as_str());
            }
        } else if let ServerMessage::Error(error) = message {
            if let Some(conversation) = error.id.as_ref().and_then(|id| id.as_str().strip_prefix("view-")) {
                // The store was down, and whoever wants to be seen has to say so again.
                self.clients[at].viewing.remove(conversation);
            }
        } else if let ServerMessage::MessageAck(ack) = message {
            if !self.clients[at].note_ack(ack) {
                self.fail(format!("{} got an ack for what it did not send: {}", self.clients[at].name, ack.id));
            }
        } else if let Some(told) = Told::of(message)
            && let Err(why) = self.clients[at].reader.take(&told)
        {
            self.fail(format!("{}: {why}", self.clients[at].name));
        }
    }

    fn resync(&mut self, at: usize, channel: &EngineChannel) {
        let name = self.clients[at].name.clone();
        self.say(format_args!("{name} must load {channel:?} afresh"));
        if !self.clients[at].unrecovered.remove(&name_of(channel)) {
            self.fail(format!("{name} must load {channel:?} afresh, though nothing was to be missing"));
        }
        match from_engine(channel) {
            Some(Channel::Conversation(id)) => self.clients[at].reader.allow_jump(id.as_str()),
            Some(Channel::Website(_)) | None => {
                let held = self.clients[at].held_conversations();
                self.clients[at].reader.allow_jumps_except(&held);
            }
        }
    }

    /// A message has left the queue.
    fn settle(&mut self, at: usize, id: &str, failure: Option<Failure>) {
        let number = id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        let is_visitor = self.clients[at].is_visitor();
        let name = self.clients[at].name.clone();
        self.say(format_args!("{name}'s {id} ended: {failure:?}"));
        let Some(sent) = number.and_then(|number| self.clients[at].sent.get_mut(&number)) else {
            return self.fail(format!("{name}'s unknown message {id} ended"));
        };
        if !std::mem::take(&mut sent.is_open) {
            return self.fail(format!("{name}'s message {id} ended twice"));
        }
        let is_allowed = match &failure {
            None | Some(Failure::QueueFull) => true,
            Some(Failure::Refused(code)) => (is_visitor && code == "conflict") || (!is_visitor && code == "not_found"),
            Some(Failure::DuplicateId | Failure::TooOld | Failure::NotConnected) => false,
        };
        if !is_allowed {
            self.fail(format!("{name}'s message {id} failed: {failure:?}"));
        }
    }

    fn note_pass(&mut self, at: usize, text: &str) {
        let viewing = &mut self.clients[at].viewing;
        if let Ok(ClientFrame { message, .. }) = ClientFrame::parse(text) {
            if let ClientMessage::ViewingStart(reference) = message {
                viewing.insert(reference.conversation_id.to_string());
            } else if let ClientMessage::ViewingStop(reference) = message {
                viewing.remove(reference.conversation_id.as_str());
            }
        }
    }

    /// Checks what must hold at any moment.
    pub(super) fn check_bounds(&mut self) {
        let fullest = self.server.fullest_outbox();
        if fullest > self.max_outbox_bytes {
            self.fail(format!("an outbox held {fullest} bytes of at most {}", self.max_outbox_bytes));
        }
    }
}

/// When a client's engine wants to be woken, by the world's clock.
fn wake_at(client: &Client) -> Option<u64> {
    client.engine.poll_timeout().map(|at| at.saturating_sub(client.clock_ahead))
}

/// What of a text a visitor must never be told.
fn leak(text: &str) -> Option<&'static str> {
    let forbidden = [
        ("\"visibility\":\"internal\"", "of a note"),
        ("NOTE", "what a note says"),
        ("\"offset\"", "an offset"),
        ("\"changedBy\"", "who changed something"),
        ("\"viewing_indicator\"", "who is viewing"),
        ("\"visitor_online\"", "of a visitor's presence"),
        ("\"visitor_offline\"", "of a visitor's presence"),
        ("\"for the team\"", "what an agent does for the team"),
    ];
    forbidden.iter().find(|(part, _)| text.contains(part)).map(|(_, what)| *what)
}
