//! Thousands of random histories against a toy server, and what must hold in each of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::server::{Dice, Down, Manners, Server, ServerEnd, Shown};
use crate::{Channel, Config, Engine, Failure, Frame, Input, Output, TokenOutcome};

const HISTORIES: u64 = 4_000;

/// What the network carries to the client.
enum Arrival {
    Opened(u32),
    Failed(u32),
    Frame(u32, Down),
    Closed(u32, u16),
    Token(u32),
}

struct Socket {
    generation: u32,
    is_open: bool,
    /// A cut that nobody was told of: nothing passes any more.
    is_mute: bool,
    end: ServerEnd,
    to_server: VecDeque<(u64, Frame<String>)>,
}

struct World {
    dice: Dice,
    now: u64,
    engine: Engine<String, Shown>,
    server: Server,
    socket: Option<Socket>,
    arrivals: Vec<(u64, Arrival)>,
    is_calm: bool,
    is_lossy: bool,
    /// Messages that the engine took and that are neither acked nor failed, and all that were acked, in the order of sending.
    open: BTreeSet<String>,
    sent_order: BTreeMap<String, Vec<String>>,
    failed: BTreeSet<String>,
    delivered: BTreeMap<(u64, String), Vec<u64>>,
    /// Since which place a channel that is held all along must be complete.
    complete_since: BTreeMap<String, (u64, u64)>,
    resynced: BTreeSet<String>,
    /// Conversations that were subscribed to on the way, whose past the application loads by other means.
    begun: BTreeSet<String>,
    messages: u64,
}

fn key(channel: &Channel) -> String {
    match channel {
        Channel::Conversation(id) => format!("conversation:{id}"),
        Channel::Website(id) => format!("website:{id}"),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let config = Config { has_token_source: dice.chance(30), max_queue_size: 20, ..Config::default() };
        let manners = Manners {
            refusing: dice.roll(20),
            ignoring: dice.roll(4),
            repeats: dice.chance(50),
            runs_ahead: dice.chance(50),
            is_for_team: dice.chance(80),
            losing: 0,
        };
        Self {
            engine: Engine::new(config, seed),
            dice,
            now: 1_000,
            server: Server { manners, ..Server::default() },
            socket: None,
            arrivals: Vec::new(),
            is_calm: false,
            is_lossy: false,
            open: BTreeSet::new(),
            sent_order: BTreeMap::new(),
            failed: BTreeSet::new(),
            delivered: BTreeMap::new(),
            complete_since: BTreeMap::new(),
            resynced: BTreeSet::new(),
            begun: BTreeSet::new(),
            messages: 0,
        }
    }

    fn later(&mut self, arrival: Arrival, max_delay: u64) {
        let at = self.now + 1 + self.dice.roll(max_delay);
        // One connection keeps its order.
        let at = self.arrivals.last().map_or(at, |(last, _)| at.max(*last));
        self.arrivals.push((at, arrival));
    }

    fn input(&mut self, input: Input<String, Shown>) {
        self.engine.handle_input(input, self.now);
        while let Some(output) = self.engine.poll_output() {
            self.handle(output);
        }
        if let Some(at) = self.engine.poll_timeout() {
            assert!(at > self.now, "a wake-up in the past: {:?}", self.engine.next_timer());
        } else {
            assert!(self.open.is_empty(), "messages are queued and nothing wakes");
        }
        assert_eq!(self.open.len(), self.engine.queued_message_count());
    }

    fn handle(&mut self, output: Output<String, Shown>) {
        match output {
            Output::Dial { generation } => {
                assert!(self.socket.is_none(), "a second socket");
                self.socket = Some(Socket {
                    generation,
                    is_open: false,
                    is_mute: false,
                    end: ServerEnd::default(),
                    to_server: VecDeque::new(),
                });
                match self.dice.roll(if self.is_calm { 1 } else { 10 }) {
                    9 => self.later(Arrival::Failed(generation), 500),
                    8 => {}
                    _ => self.later(Arrival::Opened(generation), 500),
                }
            }
            Output::CloseSocket { generation, .. } => {
                let socket = self.socket.take().expect("closes what is not there");
                assert_eq!(socket.generation, generation);
            }
            Output::RequestToken { request, .. } => self.later(Arrival::Token(request), 300),
            Output::Transmit { generation, frame } => {
                let delay = self.now + 1 + self.dice.roll(80);
                let socket = self.socket.as_mut().expect("transmits without a socket");
                assert_eq!(socket.generation, generation);
                assert!(socket.is_open);
                let at = socket.to_server.back().map_or(delay, |(last, _)| delay.max(*last));
                socket.to_server.push_back((at, frame));
            }
            Output::Deliver(shown) => self.show(shown),
            Output::Resync(channel) => {
                self.resynced.insert(key(&channel));
            }
            Output::MessageAcked { id } => assert!(self.open.remove(&id)),
            Output::MessageFailed { id, failure } => {
                assert!(matches!(failure, Failure::QueueFull | Failure::Refused(_)));
                self.open.remove(&id);
                self.failed.insert(id);
            }
            Output::Closed { reason, .. } => {
                let is_honest = !self.is_lossy && self.server.life == 0;
                assert!(!is_honest || reason != "an event was missing", "a loss where nothing was lost");
            }
            Output::StateChanged(_)
            | Output::ReconnectAttempt(_)
            | Output::ReconnectSuccess
            | Output::ReconnectFail
            | Output::SubscriptionChanged { .. }
            | Output::Pong { .. }
            | Output::PingFailed { .. } => {}
        }
    }

    fn show(&mut self, shown: Shown) {
        match shown {
            Shown::Event { life, conversation, seq } => {
                let seen = self.delivered.entry((life, conversation)).or_default();
                assert!(seen.last().is_none_or(|last| *last < seq), "out of order or twice: {seq} after {seen:?}");
                seen.push(seq);
            }
            Shown::Confirmed { channel, head } => {
                let life = self.server.life;
                self.complete_since.entry(key(&channel)).or_insert((life, head));
            }
            Shown::Other => {}
        }
    }

    /// Lets time pass up to `until`, with all that is due.
    fn run(&mut self, until: u64) {
        loop {
            self.serve();
            let wake = self.engine.poll_timeout();
            let arrival = self.arrivals.iter().map(|(at, _)| *at).min();
            let request = self.socket.as_ref().and_then(|socket| socket.to_server.front().map(|(at, _)| *at));
            let next = [wake, arrival, request].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let index = self.arrivals.iter().position(|(at, _)| *at == next);
                let (_, arrival) = self.arrivals.remove(index.expect("just found"));
                self.arrive(arrival);
            } else if request != Some(next) {
                self.input(Input::Tick);
            }
        }
        self.now = until;
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Opened(generation) => {
                if let Some(socket) = &mut self.socket
                    && socket.generation == generation
                {
                    socket.is_open = true;
                    self.later(Arrival::Frame(generation, Server::greet()), 50);
                }
                self.input(Input::Opened { generation });
            }
            Arrival::Failed(generation) => {
                self.socket.take_if(|socket| socket.generation == generation);
                self.input(Input::DialFailed { generation });
            }
            Arrival::Frame(generation, (envelope, message)) => {
                self.input(Input::Inbound { generation, envelope, message })
            }
            Arrival::Closed(generation, code) => {
                self.socket.take_if(|socket| socket.generation == generation);
                let reason = String::new();
                self.input(Input::Closed { generation, code, reason });
            }
            Arrival::Token(request) => {
                let is_bad = !self.is_calm && self.dice.chance(10);
                let outcome = if is_bad { TokenOutcome::Failed } else { TokenOutcome::Ready };
                self.input(Input::Token { request, outcome });
            }
        }
    }

    /// The server handles what has arrived there, and sends what it owes.
    fn serve(&mut self) {
        let Some(mut socket) = self.socket.take() else {
            return;
        };
        let mut answers = Vec::new();
        while socket.to_server.front().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, frame)) = socket.to_server.pop_front()
                && !socket.is_mute
            {
                answers.extend(self.server.handle(&mut socket.end, frame, &mut self.dice));
                // Replays run beside the answers to what comes next.
                for _ in 0..self.dice.roll(4) {
                    answers.extend(self.server.next_event(&mut socket.end, &mut self.dice));
                }
            }
        }
        if !socket.is_mute {
            while let Some(event) = self.server.next_event(&mut socket.end, &mut self.dice) {
                answers.push(event);
            }
            for answer in answers {
                let is_event = matches!(answer.1, Shown::Event { .. });
                if !(is_event && self.dice.chance(self.server.manners.losing)) {
                    self.later(Arrival::Frame(socket.generation, answer), 60);
                }
            }
        }
        self.socket = Some(socket);
    }

    fn cut(&mut self) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        let generation = socket.generation;
        self.arrivals.retain(|(_, arrival)| !matches!(arrival, Arrival::Frame(..)));
        if self.dice.chance(25) {
            socket.is_mute = true;
            return;
        }
        socket.is_mute = true;
        let code = [1000, 1001, 1005, 1006, 1011, 4008, 4009, 4029, 4500][self.dice.roll(9) as usize];
        self.later(Arrival::Closed(generation, code), 200);
    }

    fn act(&mut self) {
        let conversation = ["a", "b", "c", "d"][self.dice.roll(4) as usize];
        let conversation = String::from(conversation);
        match self.dice.roll(22) {
            0..=6 => {
                self.server.append(&conversation);
            }
            7..=10 => {
                self.messages += 1;
                let id = format!("m{}", self.messages);
                self.open.insert(id.clone());
                self.sent_order.entry(conversation.clone()).or_default().push(id.clone());
                let payload = String::from(if self.dice.chance(5) { "bad" } else { "good" });
                let age = 0;
                self.input(Input::Send { id, conversation, payload, age });
            }
            11 | 12 => self.cut(),
            13 => {
                self.begun.insert(conversation.clone());
                let channel = Channel::Conversation(conversation);
                let holder = self.dice.roll(2) as u32 + 10;
                self.input(Input::Subscribe { channel, holder });
            }
            14 if !self.server.manners.repeats => {
                let channel = Channel::Conversation(conversation);
                let holder = self.dice.roll(2) as u32 + 10;
                self.input(Input::Unsubscribe { channel, holder });
            }
            15 => self.input(Input::TypingProgress { conversation, text: self.now.to_string() }),
            16 => self.input(Input::Ping { id: self.now.to_string() }),
            17 => {
                let toggle = [Input::Hidden, Input::Visible, Input::Online, Input::Offline];
                let choice = self.dice.roll(4) as usize;
                self.input(toggle.into_iter().nth(choice).expect("one of four"));
            }
            18 => {
                self.input(Input::PageHide);
                self.run(self.now + 500);
                self.input(Input::PageShow);
            }
            19 if self.dice.chance(30) => {
                self.input(Input::Disconnect);
                self.run(self.now + 500);
                self.input(Input::Connect);
            }
            20 => {
                // The machine sleeps: nothing runs, and the socket may be gone after it.
                self.now += 10_000 + self.dice.roll(200_000);
            }
            21 if self.dice.chance(10) => {
                self.cut();
                self.arrivals.retain(|(_, arrival)| !matches!(arrival, Arrival::Frame(..)));
                let lost = self.dice.roll(5) as usize;
                self.server.restore(lost);
            }
            _ => {}
        }
    }

    fn play(&mut self) {
        self.live();
        self.calm_down();
        self.check_end();
    }

    fn live(&mut self) {
        for channel in [
            Channel::Conversation(String::from("a")),
            Channel::Website(String::from("w")),
            Channel::Conversation(String::from("forbidden")),
        ] {
            let is_website = channel == Channel::Website(String::from("w"));
            if !is_website || (self.server.manners.is_for_team && self.dice.chance(70)) {
                self.input(Input::Subscribe { channel, holder: 1 });
            }
        }
        self.input(Input::Connect);
        for _ in 0..60 {
            let pause = if self.dice.chance(80) { 100 } else { 20_000 };
            let until = self.now + self.dice.roll(pause);
            self.run(until);
            self.act();
        }
    }

    /// From here on nothing goes wrong any more, and something more happens everywhere, by which a hole shows.
    fn calm_down(&mut self) {
        self.is_calm = true;
        self.server.manners.ignoring = 0;
        self.server.manners.refusing = 0;
        self.server.manners.losing = 0;
        self.input(Input::Visible);
        self.input(Input::Connect);
        self.run(self.now + 400_000);
        for conversation in ["a", "b", "c", "d", "e"] {
            self.server.append(conversation);
            self.run(self.now + 100_000);
        }
    }

    fn check_end(&self) {
        assert!(self.open.is_empty(), "still queued on a good connection: {:?}", self.open);
        if self.server.life == 0 {
            for (conversation, stored) in &self.server.sent {
                let wanted: Vec<_> =
                    self.sent_order[conversation].iter().filter(|id| !self.failed.contains(*id)).cloned().collect();
                assert_eq!(*stored, wanted, "order of {conversation}");
            }
        }
        let life = self.server.life;
        let has_all = |conversation: &str, since: u64| {
            let seen = self.delivered.get(&(life, String::from(conversation)));
            let head = self.server.heads.get(conversation).copied().unwrap_or(0);
            for seq in since + 1..=head {
                assert!(
                    seen.is_some_and(|seen| seen.contains(&seq)),
                    "{conversation}:{seq} of {head} is missing in {seen:?}"
                );
            }
        };
        if let Some((in_life, since)) = self.complete_since.get("conversation:a")
            && *in_life == life
            && !self.resynced.contains("conversation:a")
        {
            has_all("a", *since);
        }
        if let Some((in_life, since)) = self.complete_since.get("website:w")
            && *in_life == life
            && self.server.manners.is_for_team
            && self.resynced.is_empty()
        {
            self.server.check_website(*since, |conversation, seq| {
                let seen = self.delivered.get(&(life, String::from(conversation)));
                // Where the very first events of a conversation were lost, nothing tells that they were.
                let is_before = self.is_lossy && seen.and_then(|seen| seen.first()).is_none_or(|first| seq < *first);
                if conversation == "a" || self.begun.contains(conversation) || is_before {
                    return;
                }
                assert!(
                    seen.is_some_and(|seen| seen.contains(&seq)),
                    "{conversation}:{seq} of the website is missing in {seen:?}"
                );
            });
        }
    }
}

#[test]
fn nothing_is_lost_doubled_or_reordered_in_any_history() {
    for seed in 0..HISTORIES {
        let outcome = std::panic::catch_unwind(|| World::new(seed).play());
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn lost_events_are_missed_and_fetched() {
    for seed in 0..HISTORIES / 4 {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.is_lossy = true;
            world.server.manners.losing = 10;
            world.play();
        });
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn equal_seeds_give_equal_histories() {
    let stats = |seed| {
        let mut world = World::new(seed);
        world.play();
        world.engine.stats().clone()
    };
    for seed in 0..50 {
        assert_eq!(stats(seed), stats(seed), "seed {seed}");
    }
}
