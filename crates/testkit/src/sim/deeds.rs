//! What people do.

use cossistant_engine::{Channel, Input};
use cossistant_protocol::fields::{Integer, Text};
use cossistant_protocol::{
    ActivityAudience, AgentActivity, ClientFrame, ClientMessage, ConversationRef, ConversationStatus, MarkSeen,
    MessageContent, RequestId, SendMessage, UserType, Visibility,
};
use cossistant_server::sim::{OTHER_WEBSITE, SimRequest, Tenant, WEBSITE};

use super::client::{Acked, HOLDER, Sent, name_of};
use super::faults::DRAWS;
use super::history::{History, conversation, person};
use super::translate::Payload;

fn frame(id: Option<&str>, message: ClientMessage) -> Payload {
    let id = id.map(|id| RequestId::new(id).expect("the simulation's keys are ids"));
    ClientFrame { id, timestamp: None, message }.encode().into()
}

fn content(text: String) -> MessageContent {
    MessageContent { text: Some(Text::new(text).expect("a short text")), ..MessageContent::default() }
}

impl History {
    /// Somebody does something.
    pub(super) fn act(&mut self) {
        if (0..DRAWS).any(|_| self.draw_action()) {
            self.actions += 1;
        }
    }

    /// One action; whether there was anything to do.
    fn draw_action(&mut self) -> bool {
        let at = self.dice.below(self.world.clients.len() as u64) as usize;
        match (self.world.clients[at].kind, self.dice.below(100)) {
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
            (UserType::User, _) | (UserType::AiAgent, _) => false,
        }
    }

    /// A conversation that a client may have to do with.
    pub(super) fn any_conversation(&mut self, at: usize) -> String {
        let client = &self.world.clients[at];
        let of_all: Vec<&String> = self
            .conversations
            .iter()
            .filter(|(visitor, _)| !client.is_visitor() || *visitor == client.person)
            .flat_map(|(_, ids)| ids)
            .collect();
        let picked = self.dice.pick(&of_all).map(|id| (*id).clone());
        picked.unwrap_or_default()
    }

    fn send(&mut self, at: usize) -> bool {
        let id = self.any_conversation(at);
        let is_note = !self.world.clients[at].is_visitor() && self.dice.chance(30);
        let padding = if self.dice.chance(10) { self.dice.below(3_000) } else { self.dice.below(40) };
        let client = &mut self.world.clients[at];
        let number = client.next_number;
        client.next_number += 1;
        client.sent.insert(number, Sent { conversation: id.clone(), is_open: true, was_refused: false });
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
        client.frames.insert(key.clone(), Payload::clone(&payload));
        say!(self.world, "{} sends {key} to {id}", self.world.clients[at].name);
        self.world.input(at, Input::Send { id: key, conversation: id, payload, age: 0 });
        true
    }

    pub(super) fn type_on(&mut self, at: usize) -> bool {
        let conversation = self.any_conversation(at);
        let number = self.dice.below(1_000);
        let text =
            if self.world.clients[at].is_visitor() { format!("I mean {number}") } else { format!("so {number}") };
        self.world.input(at, Input::TypingProgress { conversation, text });
        true
    }

    fn stop_typing(&mut self, at: usize) -> bool {
        let conversation = self.any_conversation(at);
        self.world.input(at, Input::TypingStop { conversation });
        true
    }

    fn mark_seen(&mut self, at: usize) -> bool {
        let id = self.any_conversation(at);
        let last = self.world.clients[at].reader.threads.get(&id).and_then(|thread| thread.last);
        let Some(last) = last.filter(|last| *last > 0) else { return false };
        let seq = if self.dice.chance(80) { last } else { self.dice.between(1, last + 3) };
        let mark = MarkSeen { conversation_id: conversation(&id), seq: Integer(seq) };
        let payload = frame(None, ClientMessage::MarkSeen(mark));
        self.world.input(at, Input::Pass { payload });
        true
    }

    pub(super) fn listen(&mut self, at: usize) -> bool {
        let channel = if !self.world.clients[at].is_visitor() && self.dice.chance(50) {
            let is_ours = self.world.clients[at].tenant == Tenant::Ours;
            Channel::Website(if is_ours { WEBSITE } else { OTHER_WEBSITE }.to_owned())
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
        say!(self.world, "{} wants {channel:?}", self.world.clients[at].name);
        self.world.input(at, Input::Subscribe { channel, holder: HOLDER });
        true
    }

    fn listen_no_more(&mut self, at: usize) -> bool {
        let held: Vec<Channel> =
            self.world.clients[at].engine.subscriptions().map(|(channel, _)| channel.clone()).collect();
        let Some(channel) = self.dice.pick(&held).cloned() else { return false };
        self.world.clients[at].held.remove(&name_of(&channel));
        say!(self.world, "{} wants no more {channel:?}", self.world.clients[at].name);
        self.world.input(at, Input::Unsubscribe { channel: channel.clone(), holder: HOLDER });
        if let Some(channel) = super::translate::from_engine(&channel) {
            self.world.clients[at].released(&channel);
        }
        true
    }

    fn come_or_go(&mut self, at: usize) -> bool {
        if self.world.clients[at].is_wanted {
            self.world.clients[at].is_wanted = false;
            self.world.input(at, Input::Disconnect);
        } else {
            self.connect(at);
        }
        true
    }

    fn nudge(&mut self, at: usize) -> bool {
        let input = match self.dice.below(5) {
            0 => Input::Online,
            1 => Input::Offline,
            2 => Input::Hidden,
            3 => Input::Visible,
            _ => Input::Ping { id: format!("look-{}", self.actions) },
        };
        self.world.input(at, input);
        true
    }

    fn view(&mut self, at: usize) -> bool {
        let id = self.any_conversation(at);
        let reference = ConversationRef { conversation_id: conversation(&id) };
        let is_over = self.dice.chance(40);
        let message =
            if is_over { ClientMessage::ViewingStop(reference) } else { ClientMessage::ViewingStart(reference) };
        let payload = frame(Some(&format!("view-{id}")), message);
        self.world.input(at, Input::Pass { payload });
        true
    }

    fn be_active(&mut self, at: usize) -> bool {
        let is_for_all = self.dice.chance(50);
        let is_done = self.dice.chance(40);
        let said = if is_for_all { "for everybody" } else { "for the team" };
        let activity = AgentActivity {
            conversation_id: conversation(&self.any_conversation(at)),
            phase: Text::new(if is_done { "done" } else { "thinking" }).expect("a phase"),
            text: (!is_done).then(|| Text::new(said).expect("a text")),
            audience: is_for_all.then_some(ActivityAudience::All),
        };
        let payload = frame(None, ClientMessage::AgentActivity(activity));
        self.world.input(at, Input::Pass { payload });
        true
    }

    /// Over HTTP: status, assignee, a message of one's own.
    fn change(&mut self, at: usize) -> bool {
        let id = conversation(&self.any_conversation(at));
        let request = match self.dice.below(10) {
            0..4 if !self.world.clients[at].is_visitor() => {
                let status = self.dice.pick(ConversationStatus::ALL).copied();
                SimRequest::Change { conversation: id, status, assignee: None }
            }
            4..6 if !self.world.clients[at].is_visitor() => {
                let assignee = if self.dice.chance(70) { Some(person("udo")) } else { None };
                SimRequest::Change { conversation: id, status: None, assignee: Some(assignee) }
            }
            roll => {
                let Some(Acked { conversation: id, message, is_note, .. }) =
                    self.dice.pick(&self.world.clients[at].acked).cloned()
                else {
                    return false;
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
        say!(self.world, "over HTTP: {request:?}");
        self.world.server.request(&self.world.clients[at].token.text, request);
        true
    }
}
