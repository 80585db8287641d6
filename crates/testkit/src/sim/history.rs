//! One history: who is there, what they do, and what goes wrong.

use std::sync::Arc;

use cossistant_engine::{Channel, Config, Input};
use cossistant_protocol::fields::{Integer, Text};
use cossistant_protocol::{
    ActivityAudience, AgentActivity, ClientFrame, ClientMessage, ConversationId, ConversationRef, ConversationStatus,
    MarkSeen, MessageContent, PersonId, RequestId, SendMessage, UserType, Visibility,
};
use cossistant_server::sim::{Dice, Plant, SimConfig, SimRequest, WEBSITE};

use super::Outcome;
use super::client::{Acked, Client, HOLDER, Sent, name_of};
use super::translate::Payload;
use super::world::{Due, World};

/// Every history has at least so many faults.
const MIN_FAULTS: u64 = 3;

/// A history under way.
pub(super) struct History {
    pub(super) world: World,
    /// Conversations by the visitor whose they are.
    pub(super) conversations: Vec<(PersonId, Vec<String>)>,
    actions: u64,
    faults: u64,
}

fn person(id: &str) -> PersonId {
    PersonId::new(id).expect("names of the simulation are ids")
}

pub(super) fn conversation(id: &str) -> ConversationId {
    ConversationId::new(id).expect("names of the simulation are ids")
}

fn frame(id: Option<&str>, message: ClientMessage) -> Payload {
    let id = id.map(|id| RequestId::new(id).expect("the simulation's keys are ids"));
    ClientFrame { id, timestamp: None, message }.encode().into()
}

impl History {
    pub(super) fn new(seed: u64, plant: Option<Plant>, is_traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let heartbeat_ms = if dice.chance(50) { 4_000 } else { 10_000 };
        let config = SimConfig {
            seed,
            shards: 2,
            max_outbox_bytes: if dice.chance(50) { 1 << 20 } else { 12 << 10 },
            replay_limit: if dice.chance(80) { 1_000 } else { 12 },
            heartbeat_ms,
            presence_grace_ms: 10_000,
            ephemeral_rate: if dice.chance(80) { 0.0 } else { 5.0 },
            socket_bytes: if dice.chance(60) { 64 << 10 } else { 2 << 10 },
            notice_delay_ms: if dice.chance(50) { 5 } else { 150 },
            pace_ms: if dice.chance(50) { 5 } else { 60 },
            plant,
        };
        let mut history = Self {
            world: World::new(config, dice.split(), is_traced),
            conversations: Vec::new(),
            actions: 0,
            faults: 0,
        };
        history.people(&mut dice, heartbeat_ms);
        history
    }

    /// Draws who takes part. Sometimes people of different kinds have the same id, which must make no difference.
    fn people(&mut self, dice: &mut Dice, heartbeat: u64) {
        let is_alike = dice.chance(30);
        let (vera, uma, bot) = if is_alike { ("sam", "sam", "sam") } else { ("vera", "uma", "bot") };
        let mut cast = vec![
            ("vera-1", UserType::Visitor, vera),
            ("uma-1", UserType::User, uma),
            ("bot-1", UserType::AiAgent, bot),
        ];
        let more = [
            ("vera-2", UserType::Visitor, vera),
            ("ben-1", UserType::Visitor, "ben"),
            ("udo-1", UserType::User, "udo"),
            ("uma-2", UserType::User, uma),
        ];
        cast.extend(more.into_iter().filter(|_| dice.chance(60)));
        for (name, kind, id) in cast {
            let config = Config {
                heartbeat_interval: heartbeat,
                reconnect_delay: dice.between(100, 1_000),
                max_reconnect_delay: 5_000,
                request_timeout: if dice.chance(50) { 10_000 } else { 2_500 },
                has_token_source: dice.chance(40),
                max_queue_size: 20,
                ..Config::default()
            };
            let id = person(id);
            let token = self.world.server.token(kind, &id, 30 * 24 * 3_600);
            let ahead = dice.below(100_000);
            self.world.clients.push(Client::new(name, kind, id, config, dice.bits(), ahead, token));
        }
        self.conversations = vec![
            (person(vera), vec!["conv-a1".to_owned(), "conv-a2".to_owned()]),
            (person("ben"), vec!["conv-b1".to_owned()]),
        ];
    }

    pub(super) fn run(mut self) -> Outcome {
        self.begin();
        let plan = self.world.dice.between(40, 110);
        while self.actions < plan && self.world.failures.is_empty() {
            let pause = match self.world.dice.below(10) {
                0..5 => self.world.dice.below(60),
                5..9 => self.world.dice.below(600),
                _ => self.world.dice.below(6_000),
            };
            self.world.run(pause);
            self.act();
            if self.world.dice.chance(15) {
                self.go_wrong();
            }
            if self.world.dice.chance(3) {
                self.check_meanwhile();
            }
        }
        while self.faults < MIN_FAULTS && self.world.failures.is_empty() {
            self.go_wrong();
            self.world.run(500);
        }
        if self.world.failures.is_empty() {
            self.check_at_the_end();
        }
        Outcome {
            failure: self.world.failures.first().cloned(),
            trace_hash: self.world.trace.hash(),
            trace: self.world.trace.into_lines(),
            actions: self.actions,
            faults: self.faults,
        }
    }

    /// Everyone comes and listens.
    fn begin(&mut self) {
        for at in 0..self.world.clients.len() {
            self.connect(at);
            self.listen(at);
            let pause = self.world.dice.below(300);
            self.world.run(pause);
        }
    }

    pub(super) fn connect(&mut self, at: usize) {
        self.world.clients[at].is_wanted = true;
        self.world.input(at, Input::Connect);
    }

    // ---- what people do ----

    fn act(&mut self) {
        self.actions += 1;
        let at = self.world.dice.below(self.world.clients.len() as u64) as usize;
        match (self.world.clients[at].kind, self.world.dice.below(100)) {
            (_, 0..30) => self.send(at),
            (_, 30..42) => self.type_on(at),
            (_, 42..46) => self.stop_typing(at),
            (_, 46..54) => self.mark_seen(at),
            (_, 54..60) => self.listen(at),
            (_, 60..64) => self.listen_no_more(at),
            (_, 64..67) => self.come_or_go(at),
            (_, 67..70) => self.nudge(at),
            (UserType::User, 70..80) => self.view(at),
            (UserType::User, 80..100) => self.change(at),
            (UserType::AiAgent, 70..100) => self.be_active(at),
            (UserType::Visitor, 70..75) => self.change(at),
            (UserType::Visitor, _) => self.send(at),
            (UserType::User, _) | (UserType::AiAgent, _) => {}
        }
    }

    /// A conversation that a client may have to do with.
    fn any_conversation(&mut self, at: usize) -> String {
        let client = &self.world.clients[at];
        let of_all: Vec<&String> = self
            .conversations
            .iter()
            .filter(|(visitor, _)| !client.is_visitor() || *visitor == client.person)
            .flat_map(|(_, ids)| ids)
            .collect();
        let picked = self.world.dice.pick(&of_all).map(|id| (*id).clone());
        picked.unwrap_or_default()
    }

    fn send(&mut self, at: usize) {
        let id = self.any_conversation(at);
        let is_note = !self.world.clients[at].is_visitor() && self.world.dice.chance(30);
        let padding = if self.world.dice.chance(10) { self.world.dice.below(3_000) } else { self.world.dice.below(40) };
        let client = &mut self.world.clients[at];
        let number = client.next_number;
        client.next_number += 1;
        client.sent.insert(number, Sent { conversation: id.clone(), is_open: true });
        let key = format!("{}-{}-{number}", if is_note { "note" } else { "say" }, client.name);
        let word = if is_note { "NOTE" } else { "word" };
        let text = format!("{word} {number} of {} {}", client.name, "x".repeat(padding as usize));
        let send = SendMessage {
            conversation_id: conversation(&id),
            content: content(text),
            metadata: None,
            visibility: is_note.then_some(Visibility::Internal),
        };
        let payload = frame(Some(&key), ClientMessage::SendMessage(send));
        let name = client.name.clone();
        self.world.say(format_args!("{name} sends {key} to {id}"));
        self.world.input(at, Input::Send { id: key, conversation: id, payload, age: 0 });
    }

    pub(super) fn type_on(&mut self, at: usize) {
        let conversation = self.any_conversation(at);
        let number = self.world.dice.below(1_000);
        let text =
            if self.world.clients[at].is_visitor() { format!("I mean {number}") } else { format!("so {number}") };
        self.world.input(at, Input::TypingProgress { conversation, text });
    }

    fn stop_typing(&mut self, at: usize) {
        let conversation = self.any_conversation(at);
        self.world.input(at, Input::TypingStop { conversation });
    }

    fn mark_seen(&mut self, at: usize) {
        let id = self.any_conversation(at);
        let last = self.world.clients[at].reader.threads.get(&id).and_then(|thread| thread.last);
        let Some(last) = last.filter(|last| *last > 0) else { return };
        let seq = if self.world.dice.chance(80) { last } else { self.world.dice.between(1, last + 3) };
        let mark = MarkSeen { conversation_id: conversation(&id), seq: Integer(seq) };
        let payload = frame(None, ClientMessage::MarkSeen(mark));
        self.world.input(at, Input::Pass { payload });
    }

    fn listen(&mut self, at: usize) {
        let channel = if !self.world.clients[at].is_visitor() && self.world.dice.chance(50) {
            Channel::Website(WEBSITE.to_owned())
        } else {
            Channel::Conversation(self.any_conversation(at))
        };
        let client = &mut self.world.clients[at];
        let holds_website = client.holds_website();
        if client.held.insert(name_of(&channel)) {
            match &channel {
                Channel::Conversation(id) if !holds_website => client.reader.begin_anew(id),
                Channel::Conversation(_) => {}
                Channel::Website(_) => {
                    let held = client.held_conversations();
                    client.reader.begin_anew_except(&held);
                }
            }
        }
        let name = self.world.clients[at].name.clone();
        self.world.say(format_args!("{name} wants {channel:?}"));
        self.world.input(at, Input::Subscribe { channel, holder: HOLDER });
    }

    fn listen_no_more(&mut self, at: usize) {
        let held: Vec<Channel> =
            self.world.clients[at].engine.subscriptions().map(|(channel, _)| channel.clone()).collect();
        let Some(channel) = self.world.dice.pick(&held).cloned() else { return };
        self.world.clients[at].held.remove(&name_of(&channel));
        let name = self.world.clients[at].name.clone();
        self.world.say(format_args!("{name} wants no more {channel:?}"));
        self.world.input(at, Input::Unsubscribe { channel: channel.clone(), holder: HOLDER });
        if let Some(channel) = super::translate::from_engine(&channel) {
            self.world.clients[at].released(&channel);
        }
    }

    fn come_or_go(&mut self, at: usize) {
        if self.world.clients[at].is_wanted {
            self.world.clients[at].is_wanted = false;
            self.world.input(at, Input::Disconnect);
        } else {
            self.connect(at);
        }
    }

    fn nudge(&mut self, at: usize) {
        let input = match self.world.dice.below(5) {
            0 => Input::Online,
            1 => Input::Offline,
            2 => Input::Hidden,
            3 => Input::Visible,
            _ => Input::Ping { id: format!("look-{}", self.actions) },
        };
        self.world.input(at, input);
    }

    fn view(&mut self, at: usize) {
        let id = self.any_conversation(at);
        let reference = ConversationRef { conversation_id: conversation(&id) };
        let is_over = self.world.dice.chance(40);
        let message =
            if is_over { ClientMessage::ViewingStop(reference) } else { ClientMessage::ViewingStart(reference) };
        let payload = frame(Some(&format!("view-{id}")), message);
        self.world.input(at, Input::Pass { payload });
    }

    fn be_active(&mut self, at: usize) {
        let is_for_all = self.world.dice.chance(50);
        let is_done = self.world.dice.chance(40);
        let said = if is_for_all { "for everybody" } else { "for the team" };
        let activity = AgentActivity {
            conversation_id: conversation(&self.any_conversation(at)),
            phase: Text::new(if is_done { "done" } else { "thinking" }).expect("a phase"),
            text: (!is_done).then(|| Text::new(said).expect("a text")),
            audience: is_for_all.then_some(ActivityAudience::All),
        };
        let payload = frame(None, ClientMessage::AgentActivity(activity));
        self.world.input(at, Input::Pass { payload });
    }

    /// Over HTTP: status, assignee, a message of one's own.
    fn change(&mut self, at: usize) {
        let client = &self.world.clients[at];
        let (token, own) = (client.token.clone(), client.acked.clone());
        let id = conversation(&self.any_conversation(at));
        let request = match self.world.dice.below(10) {
            0..4 if !self.world.clients[at].is_visitor() => {
                let status = self.world.dice.pick(ConversationStatus::ALL).copied();
                SimRequest::Change { conversation: id, status, assignee: None }
            }
            4..6 if !self.world.clients[at].is_visitor() => {
                let assignee = if self.world.dice.chance(70) { Some(person("udo")) } else { None };
                SimRequest::Change { conversation: id, status: None, assignee: Some(assignee) }
            }
            roll => {
                let Some(Acked { conversation: id, message, is_note, .. }) = self.world.dice.pick(&own).cloned() else {
                    return;
                };
                let id = conversation(&id);
                if roll < 8 {
                    let text = format!("{} edited {}", if is_note { "NOTE" } else { "word" }, self.actions);
                    SimRequest::Edit { conversation: id, message, content: content(text) }
                } else {
                    SimRequest::Delete { conversation: id, message }
                }
            }
        };
        self.world.say(format_args!("over HTTP: {request:?}"));
        self.world.server.request(&token, request);
    }

    // ---- what goes wrong ----

    fn go_wrong(&mut self) {
        self.faults += 1;
        let at = self.world.dice.below(self.world.clients.len() as u64) as usize;
        let name = self.world.clients[at].name.clone();
        match self.world.dice.below(100) {
            0..25 => {
                let client_learns = self.world.dice.chance(75).then(|| self.world.dice.below(400));
                let node_learns = self.world.dice.chance(60).then(|| self.world.dice.below(3_000));
                self.world.say(format_args!("fault: {name} is cut; told {client_learns:?} and {node_learns:?}"));
                self.world.cut(at, client_learns, node_learns);
            }
            25..35 => self.half_open(at),
            35..42 => self.stall(at),
            42..52 => self.slow_down(at),
            52..58 => {
                self.world.say(format_args!("fault: the node crashes"));
                self.world.crash();
            }
            58..66 => {
                self.world.say(format_args!("fault: the node crashes behind its next commit"));
                self.world.server.crash_at_next_commit(true);
            }
            66..74 => {
                let lasts = self.world.dice.between(200, 6_000);
                self.world.say(format_args!("fault: the store is down for {lasts}"));
                self.world.server.set_store_down(true);
                self.world.put(lasts, Due::StoreUp);
            }
            74..80 => {
                let (pace, lasts) = (self.world.dice.between(50, 1_500), self.world.dice.between(500, 5_000));
                self.world.say(format_args!("fault: jobs take {pace} a step for {lasts}"));
                self.world.server.set_pace(Some(pace));
                self.world.put(lasts, Due::PaceOver);
            }
            80..90 => {
                let lasts = self.world.dice.between(500, 5_000);
                self.world.say(format_args!("fault: announcements are lost for {lasts}"));
                self.world.server.set_lost_percent(40);
                self.world.put(lasts, Due::LossOver);
            }
            90..95 => self.step_clock(at),
            _ => {
                let window = self.world.dice.between(200, 3_000);
                self.world.say(format_args!("fault: the node drains in {window}"));
                self.world.server.drain(window);
                self.world.put(window, Due::Crash);
            }
        }
    }

    /// One direction of a link goes dead, and nobody is told.
    fn half_open(&mut self, at: usize) {
        let (up, down) = match self.world.dice.below(3) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        if let Some(link) = &mut self.world.clients[at].link {
            link.is_mute_up |= up;
            link.is_mute_down |= down;
        }
        let name = self.world.clients[at].name.clone();
        self.world.say(format_args!("fault: {name} is half open, up {up}, down {down}"));
    }

    /// Nothing passes for a while, and then all of it.
    fn stall(&mut self, at: usize) {
        let until = self.world.now + self.world.dice.between(200, 8_000);
        if let Some(link) = &mut self.world.clients[at].link {
            link.up_until = link.up_until.max(until);
            link.down_until = link.down_until.max(until);
        }
        let name = self.world.clients[at].name.clone();
        self.world.say(format_args!("fault: {name} stalls"));
    }

    fn slow_down(&mut self, at: usize) {
        let bytes = self.world.dice.between(20, 600) as usize;
        let lasts = self.world.dice.between(1_000, 10_000);
        let Some(link) = &mut self.world.clients[at].link else { return };
        if link.slow.is_some() {
            return;
        }
        link.slow = Some(bytes);
        let generation = link.generation;
        self.world.put(10, Due::Read(at, generation));
        self.world.put(lasts, Due::SlowOver(at, generation));
        let name = self.world.clients[at].name.clone();
        self.world.say(format_args!("fault: {name} reads {bytes} bytes at a time"));
    }

    fn step_clock(&mut self, at: usize) {
        if self.world.dice.chance(50) {
            let by = self.world.dice.between(1, 60_000);
            self.world.say(format_args!("fault: a client's clock leaps by {by}"));
            self.world.clients[at].clock_ahead += by;
        } else {
            let ahead = self.world.dice.between(1, 30_000).cast_signed();
            let back = -self.world.dice.between(1, 1_000).cast_signed();
            let by = if self.world.dice.chance(50) { ahead } else { back };
            self.world.say(format_args!("fault: the node's clock steps by {by}"));
            self.world.server.step_clock(by);
        }
    }
}

fn content(text: String) -> MessageContent {
    MessageContent { text: Some(Text::new(text).expect("a short text")), ..MessageContent::default() }
}

/// The frames of a probe.
pub(super) fn subscribe_frame(channel: &Channel) -> Option<Arc<str>> {
    let id = "probe".to_owned();
    let subscribe = cossistant_engine::Frame::Subscribe { id, channel: channel.clone(), after: None, epoch: None };
    super::translate::encode(subscribe, None)
}
