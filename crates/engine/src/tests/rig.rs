//! An engine with a clock, and a hand that plays the server and collects what comes out.

use crate::{
    Channel, Config, ConnectionState, Engine, Envelope, EnvelopeKind, Frame, Input, Output, SubscriptionState,
    TokenOutcome, Trouble,
};

pub(super) type Out = Output<&'static str, u32>;

/// An engine with a clock and a hand that collects its outputs.
pub(super) struct Rig {
    pub(super) engine: Engine<&'static str, u32>,
    pub(super) now: u64,
    pub(super) out: Vec<Out>,
}

pub(super) fn conversation(id: &str) -> Channel {
    Channel::Conversation(String::from(id))
}

pub(super) fn website(id: &str) -> Channel {
    Channel::Website(String::from(id))
}

pub(super) fn plain() -> Config {
    Config { reconnect_jitter: 0.0, ..Config::default() }
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        Self { engine: Engine::new(config, 7), now: 10_000, out: Vec::new() }
    }

    /// A rig whose first connection is established.
    pub(super) fn connected(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.input(Input::Connect);
        rig.establish();
        rig.out.clear();
        rig
    }

    pub(super) fn input(&mut self, input: Input<&'static str, u32>) {
        self.engine.handle_input(input, self.now);
        while let Some(output) = self.engine.poll_output() {
            self.out.push(output);
        }
    }

    /// Lets time pass, waking the engine whenever it asked for it.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until) {
            assert!(at > self.now, "busy loop");
            self.now = at;
            self.input(Input::Tick);
        }
        self.now = until;
    }

    pub(super) fn generation(&self) -> u32 {
        self.engine.generation
    }

    pub(super) fn receive(&mut self, id: Option<&str>, kind: EnvelopeKind) {
        let generation = self.generation();
        let id = id.map(String::from);
        self.input(Input::Inbound { generation, envelope: Envelope { id, kind }, message: 0 });
    }

    pub(super) fn establish(&mut self) {
        let generation = self.generation();
        self.input(Input::Opened { generation });
        self.receive(
            None,
            EnvelopeKind::ConnectionEstablished { heartbeat_interval: Some(30_000), typing_interval: None },
        );
    }

    pub(super) fn close(&mut self, code: u16) {
        let generation = self.generation();
        let reason = String::from("test");
        self.input(Input::Closed { generation, code, reason });
    }

    /// The server answers the newest ping.
    pub(super) fn pong(&mut self) {
        let id = self.frames().into_iter().rev().find_map(|frame| match frame {
            Frame::Ping { id } => Some(id),
            _ => None,
        });
        self.receive(id.as_deref(), EnvelopeKind::Pong);
    }

    pub(super) fn subscribe(&mut self, channel: Channel, holder: u32) {
        self.input(Input::Subscribe { channel, holder });
    }

    /// Confirms the newest request for a channel.
    pub(super) fn confirm(&mut self, channel: &Channel, head: u64, recovered: bool) {
        let id = self.frames().into_iter().rev().find_map(|frame| match frame {
            Frame::Subscribe { id, channel: of, .. } if of == *channel => Some(id),
            _ => None,
        });
        self.receive(
            id.as_deref(),
            EnvelopeKind::SubscriptionConfirmed { channel: channel.clone(), epoch: String::from("e"), head, recovered },
        );
    }

    pub(super) fn event(&mut self, conversation: &str, seq: u64, offset: Option<u64>) {
        self.receive(
            None,
            EnvelopeKind::Event { conversation: String::from(conversation), website: String::from("w"), seq, offset },
        );
    }

    pub(super) fn send(&mut self, id: &str, conversation: &str) {
        self.input(Input::Send {
            id: String::from(id),
            conversation: String::from(conversation),
            payload: "text",
            age: 0,
        });
    }

    pub(super) fn ack(&mut self, id: &str) {
        self.receive(Some(id), EnvelopeKind::MessageAck);
    }

    pub(super) fn refuse(&mut self, id: &str, code: &str, retry_after: Option<u64>) {
        self.receive(Some(id), EnvelopeKind::Error { code: String::from(code), retry_after });
    }

    pub(super) fn typed(&mut self, text: &str) {
        self.input(Input::TypingProgress { conversation: String::from("c"), text: String::from(text) });
    }

    pub(super) fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    pub(super) fn has(&self, output: &Out) -> bool {
        self.out.contains(output)
    }

    pub(super) fn count(&self, is_meant: impl Fn(&Out) -> bool) -> usize {
        self.out.iter().filter(|output| is_meant(output)).count()
    }

    pub(super) fn dials(&self) -> usize {
        self.count(|output| matches!(output, Output::Dial { .. }))
    }

    pub(super) fn frames(&self) -> Vec<Frame<&'static str>> {
        self.out
            .iter()
            .filter_map(|output| match output {
                Output::Transmit { frame, .. } => Some(frame.clone()),
                _ => None,
            })
            .collect()
    }

    /// The ids of the messages that were transmitted.
    pub(super) fn sent(&self) -> Vec<String> {
        self.frames()
            .into_iter()
            .filter_map(|frame| match frame {
                Frame::SendMessage { id, .. } => Some(id),
                _ => None,
            })
            .collect()
    }

    pub(super) fn pings(&self) -> usize {
        let is_ping = |frame: &Frame<&str>| matches!(frame, Frame::Ping { .. });
        self.frames().iter().filter(|frame| is_ping(frame)).count()
    }

    /// How many events were delivered.
    pub(super) fn delivered(&self) -> usize {
        self.count(|output| matches!(output, Output::Deliver(_)))
    }

    /// The delay that the engine waits before the next attempt.
    pub(super) fn wait(&self) -> u64 {
        assert!(matches!(self.engine.state(), ConnectionState::Waiting { .. }));
        self.engine.poll_timeout().expect("a wait ends") - self.now
    }
}

pub(super) fn with_tokens() -> Config {
    Config { has_token_source: true, ..plain() }
}

impl Rig {
    pub(super) fn token(&mut self, outcome: TokenOutcome) {
        let request = self.out.iter().rev().find_map(|output| match output {
            Output::RequestToken { request, .. } => Some(*request),
            _ => None,
        });
        let request = request.expect("a token was asked for");
        self.input(Input::Token { request, outcome });
    }
}

impl Rig {
    pub(super) fn refuse_channel(&mut self, channel: &Channel, code: &str, retry_after: Option<u64>) {
        self.receive(
            None,
            EnvelopeKind::SubscriptionError { channel: channel.clone(), code: String::from(code), retry_after },
        );
    }

    pub(super) fn state_of(&self, channel: &Channel) -> Option<SubscriptionState> {
        self.engine.subscriptions().find(|(known, _)| *known == channel).map(|(_, state)| state)
    }
}

impl Rig {
    /// Both channels held and confirmed, the conversation at 5, the website at 40.
    pub(super) fn with_both() -> Self {
        let mut rig = Self::connected(plain());
        rig.subscribe(conversation("c"), 1);
        rig.subscribe(website("w"), 1);
        rig.confirm(&conversation("c"), 5, true);
        rig.confirm(&website("w"), 40, true);
        rig.take();
        rig
    }

    pub(super) fn reconnect(&mut self) {
        self.close(1006);
        self.pass(1_000);
        self.establish();
    }

    pub(super) fn has_lost(&self) -> bool {
        self.engine.stats().last_error == Some(Trouble::Loss)
    }
}
