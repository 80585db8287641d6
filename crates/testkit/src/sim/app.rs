//! A client's application: what it hands to its engine, and what it makes of what comes out.

use cossistant_engine::{
    Channel as EngineChannel, ConnectionState, Failure as MessageFailure, Frame, Input, Output, SubscriptionState,
};
use cossistant_protocol::{Channel, ClientFrame, ClientMessage, RequestId, ServerMessage};
use cossistant_server::sim::{FromClient, Tenant};

use super::client::name_of;
use super::reader::Told;
use super::rule::Rule;
use super::translate::{Payload, encode, from_engine, to_engine};
use super::wire::Heard;
use super::world::{Due, World};

impl World {
    /// Hands something to a client's engine and does what it says.
    pub(super) fn input(&mut self, at: usize, input: Input<Payload, Heard>) {
        let now = self.now + self.clients[at].clock_ahead;
        self.clients[at].engine.handle_input(input, now);
        while let Some(output) = self.clients[at].engine.poll_output() {
            self.handle(at, output);
        }
        self.note_wake(at);
        let client = &self.clients[at];
        let (kept, bound) = (client.engine.queued_message_count(), client.max_queue_size);
        if kept > bound {
            let what = format!("{} keeps {kept} messages of at most {bound}", client.name);
            self.fail(Rule::Bounds, what);
        }
        if self.clients[at].engine.poll_timeout().is_some_and(|wake| wake <= now) {
            self.fail(Rule::Contract, format!("{} wants to be woken in the past", self.clients[at].name));
        }
    }

    fn handle(&mut self, at: usize, output: Output<Payload, Heard>) {
        match output {
            Output::Dial { generation } => self.dial(at, generation),
            Output::CloseSocket { generation, code } => {
                say!(self, "{} closes socket {generation} with {code}", self.clients[at].name);
                self.transmit(at, generation, FromClient::Close(Some(code)));
                self.clients[at].link.take_if(|link| link.generation == generation);
            }
            Output::RequestToken { request, .. } => {
                let delay = self.dice.between(1, 200);
                self.put(delay, Due::Token(at, request));
            }
            Output::Transmit { generation, frame } => {
                let is_pass = matches!(frame, Frame::Pass(_));
                if let Frame::Subscribe { id, channel, .. } = &frame {
                    self.clients[at].asked.insert(name_of(channel), id.clone());
                }
                let Some(text) = encode(frame, Some(&self.clients[at].token.text)) else {
                    return self.fail(Rule::Contract, "a frame cannot be encoded".to_owned());
                };
                if is_pass {
                    self.note_pass(at, &text);
                }
                say!(self, "{} -> {text}", self.clients[at].name);
                self.transmit(at, generation, FromClient::Text(text));
            }
            Output::Deliver(message) => self.show(at, &message),
            Output::StateChanged(state) => {
                say!(self, "{} is {state:?}", self.clients[at].name);
                if state != ConnectionState::Connected {
                    self.clients[at].viewing.clear();
                    self.clients[at].viewing_again.clear();
                }
                if let ConnectionState::Stopped(reason) = state {
                    if self.is_refusal_due(at) {
                        let pause = self.dice.between(500, 3_000);
                        self.put(pause, Due::SignIn(at));
                    } else {
                        let what = format!("{} stopped for good: {reason:?}", self.clients[at].name);
                        self.fail(Rule::Convergence, what);
                    }
                }
            }
            Output::SubscriptionChanged { channel, state } => {
                say!(self, "{} has {channel:?} {state:?}", self.clients[at].name);
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
                    self.fail(Rule::OnceInOrder, format!("{} was given events with a hole", self.clients[at].name));
                }
            }
            Output::ReconnectAttempt(_)
            | Output::ReconnectSuccess
            | Output::ReconnectFail
            | Output::Pong { .. }
            | Output::PingFailed { .. } => {}
        }
    }

    /// The application gets a message.
    fn show(&mut self, at: usize, message: &ServerMessage) {
        if let ServerMessage::ConnectionEstablished(established) = message {
            let client = &self.clients[at];
            if (established.user_type, &established.user_id) != (client.kind, &client.person) {
                let what = format!("{} is let in as {:?} {}", client.name, established.user_type, established.user_id);
                self.fail(Rule::Contract, what);
            }
            self.enter_life(at);
        }
        let holds_website = self.clients[at].holds_website();
        if let ServerMessage::SubscriptionConfirmed(confirmed) = message {
            let channel = name_of(&to_engine(&confirmed.channel));
            let asked = self.clients[at].asked.get(&channel).map(String::as_str);
            if !self.clients[at].held.contains(&channel) || asked != confirmed.id.as_ref().map(RequestId::as_str) {
                // It was given up while it was asked for, and may have been asked for again since.
                return;
            }
        }
        self.clients[at].replica.apply(message);
        if let ServerMessage::SubscriptionConfirmed(confirmed) = message {
            let channel = name_of(&to_engine(&confirmed.channel));
            if !confirmed.recovered {
                self.clients[at].unrecovered.insert(channel.clone());
            }
            let life = self.clients[at].life;
            let before = self.clients[at].confirmed_in.insert(channel, life);
            if confirmed.recovered && before.is_some_and(|before| before < life) {
                let what = format!("{} was not told that {:?} was restored", self.clients[at].name, confirmed.channel);
                self.fail(Rule::Epoch, what);
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
                // The store was down, and whoever wants to be seen has to say so again; who was seen still is.
                let client = &mut self.clients[at];
                if !client.viewing_again.remove(conversation) {
                    client.viewing.remove(conversation);
                }
            }
        } else if let ServerMessage::MessageAck(ack) = message {
            let life = self.clients[at].link.as_ref().map_or(0, |link| link.life);
            if !self.clients[at].note_ack(ack, life) {
                let what = format!("{} got an ack for what it did not send: {}", self.clients[at].name, ack.id);
                self.fail(Rule::Contract, what);
            }
        } else if let Some(told) = Told::of(message) {
            let client = &mut self.clients[at];
            let id = told.conversation.as_str();
            if !client.holds_website() && !client.held.contains(&(true, id.to_owned())) {
                // It comes late, perhaps of several wishes that were given up one after the other.
                client.reader.begin_anew(id);
            }
            if let Err(why) = client.reader.take(&told) {
                let why = format!("{}: {why}", client.name);
                self.fail(Rule::OnceInOrder, why);
            }
        }
    }

    /// A client is connected to a node whose store may have been restored: what it knows past the backup is void.
    fn enter_life(&mut self, at: usize) {
        let life = self.clients[at].link.as_ref().map_or(0, |link| link.life);
        self.forget_past(at, life);
    }

    /// Voids what a client knows past the backups of so many restores.
    pub(super) fn forget_past(&mut self, at: usize, life: usize) {
        let client = &mut self.clients[at];
        let is_visitor = client.is_visitor();
        for restore in &self.restores[client.life.min(life)..life] {
            let head_of = |id: &str| {
                let (team, visitor) = restore.heads.get(id).copied().unwrap_or((0, 0));
                if is_visitor { visitor } else { team }
            };
            client.reader.forget_past(head_of, restore.website_head);
        }
        client.life = client.life.max(life);
    }

    fn resync(&mut self, at: usize, channel: &EngineChannel) {
        say!(self, "{} must load {channel:?} afresh", self.clients[at].name);
        if !self.clients[at].unrecovered.remove(&name_of(channel)) {
            let what = format!("{} must load {channel:?} afresh, though nothing was missing", self.clients[at].name);
            self.fail(Rule::Contract, what);
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
    fn settle(&mut self, at: usize, id: &str, failure: Option<MessageFailure>) {
        let number = id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        let client = &mut self.clients[at];
        let (is_visitor, name) = (client.is_visitor(), client.name.clone());
        let is_foreign = client.tenant == Tenant::Other;
        let Some(sent) = number.and_then(|number| client.sent.get_mut(&number)) else {
            return self.fail(Rule::Contract, format!("{name}'s unknown message {id} ended"));
        };
        let was_open = std::mem::take(&mut sent.is_open);
        sent.was_refused = failure.is_some();
        say!(self, "{name}'s {id} ended: {failure:?}");
        if !was_open {
            return self.fail(Rule::Contract, format!("{name}'s message {id} ended twice"));
        }
        let is_allowed = match &failure {
            None => !is_foreign,
            Some(MessageFailure::QueueFull) => true,
            Some(MessageFailure::Refused(code)) => {
                (is_visitor && code == "conflict") || (!is_visitor && code == "not_found")
            }
            Some(MessageFailure::DuplicateId | MessageFailure::TooOld | MessageFailure::NotConnected) => false,
        };
        if !is_allowed {
            self.fail(Rule::Convergence, format!("{name}'s message {id} ended so: {failure:?}"));
        }
    }

    fn note_pass(&mut self, at: usize, text: &str) {
        let client = &mut self.clients[at];
        if !text.contains("viewing_") {
            return;
        }
        if let Ok(ClientFrame { message, .. }) = ClientFrame::parse(text) {
            if let ClientMessage::ViewingStart(reference) = message {
                let conversation = reference.conversation_id.to_string();
                if !client.viewing.insert(conversation.clone()) {
                    client.viewing_again.insert(conversation);
                }
            } else if let ClientMessage::ViewingStop(reference) = message {
                client.viewing.remove(reference.conversation_id.as_str());
                client.viewing_again.remove(reference.conversation_id.as_str());
            }
        }
    }
}
