//! The client's engine: whatever happens, in whatever order and at whatever times, it does not panic, has at most one
//! socket, speaks only on one that is open, ends every message once, and always wakes again while something is pending.

use std::collections::BTreeMap;

use cossistant_engine::{Channel, Config, Engine, Envelope, EnvelopeKind, Failure, Input, Output, TokenOutcome};

use crate::Target;

/// An input is what the application chose, and then what happens: a byte for what, some for how, one for how much later.
pub(crate) const TARGET: Target = Target { name: "engine", run, seeds, words: &[], max_bytes: 400, change: None };

/// Bytes, read as choices; behind the last one all are 0.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Mostly few, sometimes as many as there are.
    fn amount(&mut self) -> u64 {
        match self.byte() {
            byte @ ..100 => byte.into(),
            byte @ 100..200 => u64::from(byte - 99) * 1_000,
            byte @ 200..250 => u64::from(byte - 199) * 600_000,
            250 | 251 => (1 << 53) - 1,
            252.. => u64::MAX,
        }
    }

    fn optional(&mut self) -> Option<u64> {
        self.flag().then(|| self.amount())
    }

    fn real(&mut self) -> f64 {
        self.of(&[1.0, 1.5, 0.0, 0.5, -1.0, 1e300, f64::INFINITY, f64::NAN])
    }

    fn text(&mut self) -> String {
        self.of(&[
            "a",
            "b",
            "c",
            "rate_limited",
            "forbidden",
            "unauthorized",
            "token_expired",
            "unavailable",
            "sub-1",
            "ping-1",
            "",
        ])
        .to_owned()
    }

    fn channel(&mut self) -> Channel {
        let is_website = self.flag();
        let id = self.text();
        if is_website { Channel::Website(id) } else { Channel::Conversation(id) }
    }

    fn config(&mut self) -> Config {
        let flags = self.byte();
        let mut config = Config {
            auto_reconnect: flags & 1 == 0,
            enable_message_queue: flags & 2 == 0,
            has_token_source: flags & 4 != 0,
            ..Config::default()
        };
        if flags & 8 != 0 {
            config.reconnect_delay = self.amount();
            config.max_reconnect_delay = self.amount();
            config.reconnect_delay_multiplier = self.real();
            config.reconnect_jitter = self.real();
            config.max_reconnect_attempts = self.flag().then(|| self.byte().into());
        }
        if flags & 16 != 0 {
            config.connect_timeout = self.amount();
            config.request_timeout = self.amount();
            config.heartbeat_interval = self.amount();
            config.typing_progress_throttle = self.amount();
            config.max_queue_age = self.amount();
            config.max_queue_size = self.byte().into();
        }
        config
    }

    fn envelope(&mut self) -> Envelope {
        let kind = match self.byte() % 13 {
            0 => EnvelopeKind::ConnectionEstablished {
                heartbeat_interval: self.optional(),
                typing_interval: self.optional(),
            },
            1 => EnvelopeKind::Authenticated,
            2 => EnvelopeKind::TokenExpiring,
            3 => EnvelopeKind::SubscriptionConfirmed {
                channel: self.channel(),
                epoch: self.text(),
                head: self.amount(),
                recovered: self.flag(),
            },
            4 => EnvelopeKind::SubscriptionError {
                channel: self.channel(),
                code: self.text(),
                retry_after: self.optional(),
            },
            5 => EnvelopeKind::SubscriptionEnded { channel: self.channel(), reason: None },
            6 => EnvelopeKind::MessageAck,
            7 => EnvelopeKind::Error { code: self.text(), retry_after: self.optional() },
            8 => EnvelopeKind::Reconnect { retry_after: self.optional() },
            9 => EnvelopeKind::Pong,
            10 => EnvelopeKind::Event {
                conversation: self.text(),
                website: self.text(),
                seq: self.amount(),
                offset: self.optional(),
            },
            11 => EnvelopeKind::Ephemeral,
            _ => EnvelopeKind::Unknown,
        };
        let id = match self.byte() {
            byte @ ..64 => Some(format!("sub-{byte}")),
            byte @ 64..96 => Some(format!("ping-{}", byte - 64)),
            byte @ 96..128 => Some(format!("auth-{}", byte - 96)),
            byte @ 128..192 => Some(format!("m{}", byte - 128)),
            _ => None,
        };
        Envelope { id, kind }
    }
}

/// The engine, and what a driver knows of it.
struct World {
    engine: Engine<(), (), String>,
    now: u64,
    /// The present socket, and whether it is open.
    socket: Option<(u32, bool)>,
    request: u32,
    /// How often each message is unanswered: twice until the second one of an id is refused.
    open: BTreeMap<String, u32>,
    sent: u32,
}

fn run(input: &[u8]) {
    let mut choices = Choices(input);
    let config = choices.config();
    let mut world =
        World { engine: Engine::new(config, 7), now: 1_000, socket: None, request: 0, open: BTreeMap::new(), sent: 0 };
    while !choices.is_over() {
        let kind = choices.byte();
        world.now = world.now.saturating_add(choices.amount());
        if let Some(input) = world.choose(kind, &mut choices) {
            world.hand_in(input);
        }
    }
    world.wake();
}

impl World {
    /// What happens next; a socket does only what sockets do.
    fn choose(&mut self, kind: u8, choices: &mut Choices<'_>) -> Option<Input<(), (), String>> {
        Some(match kind % 24 {
            0 => Input::Connect,
            1 => {
                let (generation, is_open) = self.socket.as_mut()?;
                if std::mem::replace(is_open, true) {
                    return None;
                }
                Input::Opened { generation: *generation }
            }
            2 | 3 => {
                let (generation, _) = self.socket.filter(|(_, is_open)| *is_open)?;
                Input::Inbound { generation, envelope: choices.envelope(), message: () }
            }
            4 => {
                let (generation, _) = self.socket.take()?;
                let code = choices.of(&[
                    1000, 1001, 1006, 1008, 1011, 1012, 4000, 4001, 4008, 4009, 4029, 4400, 4401, 4403, 4500, 4999, 0,
                ]);
                Input::Closed { generation, code, reason: String::new() }
            }
            5 => {
                let (generation, is_open) = self.socket?;
                if is_open {
                    return None;
                }
                self.socket = None;
                Input::DialFailed { generation }
            }
            6 => Input::Invalid { generation: self.socket?.0 },
            7 | 8 => Input::Subscribe { channel: choices.channel(), holder: u32::from(choices.byte() % 3) },
            9 => Input::Unsubscribe { channel: choices.channel(), holder: u32::from(choices.byte() % 3) },
            10 | 11 => {
                // Some ids come twice.
                if choices.byte() % 8 != 7 {
                    self.sent += 1;
                }
                let id = format!("m{}", self.sent);
                *self.open.entry(id.clone()).or_default() += 1;
                Input::Send { id, conversation: choices.text(), payload: (), age: choices.amount() }
            }
            12 => Input::TypingStart { conversation: choices.text() },
            13 => Input::TypingStop { conversation: choices.text() },
            14 => Input::TypingProgress { conversation: choices.text(), text: choices.text() },
            15 => {
                self.sent += 1;
                Input::Ping { id: format!("p{}", self.sent) }
            }
            16 => Input::Token {
                request: self.request.saturating_sub(u32::from(choices.byte() % 8 == 7)),
                outcome: choices.of(&[TokenOutcome::Ready, TokenOutcome::Failed, TokenOutcome::Denied]),
            },
            17 => Input::Disconnect,
            18 => choices.of(&[0, 1, 2, 3, 4, 5]).pipe(|at| match at {
                0 => Input::Online,
                1 => Input::Offline,
                2 => Input::Visible,
                3 => Input::Hidden,
                4 => Input::PageHide,
                _ => Input::PageShow,
            }),
            19 => Input::Configure(choices.config()),
            20 => Input::Pass { payload: () },
            // Of a socket that is gone, or never was.
            21 => {
                let generation = u32::from(choices.byte());
                if self.socket.is_some_and(|(present, _)| present == generation) {
                    return None;
                }
                match choices.byte() % 4 {
                    0 => Input::Opened { generation },
                    1 => Input::Closed { generation, code: 1006, reason: String::new() },
                    2 => Input::DialFailed { generation },
                    _ => Input::Inbound { generation, envelope: choices.envelope(), message: () },
                }
            }
            _ => Input::Tick,
        })
    }

    fn hand_in(&mut self, input: Input<(), (), String>) {
        self.engine.handle_input(input, self.now);
        while let Some(output) = self.engine.poll_output() {
            self.heed(output);
        }
        let open = self.open.values().sum::<u32>();
        assert_eq!(self.engine.queued_message_count(), open as usize, "as many messages are queued as are unanswered");
        if open > 0 {
            assert!(self.engine.poll_timeout().is_some(), "messages are queued and nothing wakes");
        }
        let mut texts = 0;
        self.engine.visit_texts(&mut |_| texts += 1);
        assert!(texts < 2_000, "{texts} texts are held");
    }

    fn heed(&mut self, output: Output<(), (), String>) {
        match output {
            Output::Dial { generation } => {
                assert_eq!(self.socket, None, "a second socket is dialled");
                self.socket = Some((generation, false));
            }
            Output::CloseSocket { generation, code } => {
                let closed = self.socket.take();
                assert_eq!(closed.map(|(present, _)| present), Some(generation), "it closes what is not there");
                assert!(code == 1000 || (3000..5000).contains(&code), "{code} is no code that a browser sends");
            }
            Output::Transmit { generation, .. } => {
                assert_eq!(self.socket, Some((generation, true)), "it speaks where nobody hears");
            }
            Output::RequestToken { request, .. } => self.request = request,
            Output::MessageAcked { id } => self.end(&id),
            Output::MessageFailed { id, failure } => {
                if failure == Failure::DuplicateId {
                    assert_eq!(self.open.get(&id), Some(&2), "{id} is not there twice");
                }
                self.end(&id);
            }
            Output::Deliver(())
            | Output::StateChanged(_)
            | Output::Closed { .. }
            | Output::ReconnectAttempt(_)
            | Output::ReconnectSuccess
            | Output::ReconnectFail
            | Output::SubscriptionChanged { .. }
            | Output::Resync(_)
            | Output::Pong { .. }
            | Output::PingFailed { .. } => {}
        }
    }

    /// A message has its end, and had none before.
    fn end(&mut self, id: &str) {
        let left = self.open.get_mut(id).expect("a message ends once");
        *left -= 1;
        if *left == 0 {
            self.open.remove(id);
        }
    }

    /// Goes from wake-up to wake-up: time must pass, or the driver would spin.
    fn wake(&mut self) {
        for _ in 0..8 {
            let Some(at) = self.engine.poll_timeout() else { return };
            // So many timers may fire at once, and what is left is due at once.
            let before = self.now;
            for _ in 0..10 {
                self.now = self.now.max(self.engine.poll_timeout().unwrap_or(u64::MAX).min(at.max(self.now)));
                self.hand_in(Input::Tick);
                if self.engine.poll_timeout().is_none_or(|next| next > self.now) {
                    break;
                }
            }
            assert!(
                self.now == u64::MAX || self.engine.poll_timeout().is_none_or(|next| next > self.now),
                "it wakes at {before} again and again: {:?}",
                self.engine.next_timer()
            );
        }
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, then: impl FnOnce(Self) -> T) -> T {
        then(self)
    }
}

impl Pipe for i32 {}

fn seeds() -> Vec<Vec<u8>> {
    const LATER: u8 = 110;
    let established: &[u8] = &[0, 0, 1, 1, 2, 1, 0, 0, 0, 255];
    let with = |before: &[u8], after: &[u8]| [before, established, after].concat();
    vec![
        vec![],
        with(&[0], &[]),
        // Subscribe, confirm, and events: in order, twice, and with a gap.
        with(
            &[0, 7, 0, 0, 0, 0],
            &[
                2, 1, 3, 0, 0, 0, 5, 1, 0, 2, 1, 10, 0, 1, 6, 0, 255, 2, 1, 10, 0, 1, 6, 0, 255, 2, 1, 10, 0, 1, 9, 0,
                255,
            ],
        ),
        // A message, its answer, and one that nobody answers.
        with(&[0], &[10, 1, 0, 0, 0, 2, 1, 6, 129, 10, 1, 0, 1, 0, 22, LATER, 22, LATER, 22, LATER]),
        // Messages before a connection; the connection is lost with them.
        with(&[0, 10, 0, 0, 0, 0, 10, 0, 0, 1, 0], &[4, 1, 2, 22, LATER, 1, 1, 2, 1, 0, 0, 0, 255]),
        // A token source: it fails, gives one, and the token is refused.
        [&[4, 0, 0, 16, 1, 0, 1, 22, LATER, 16, 1, 0, 0][..], &[1, 1, 4, 1, 13, 16, 1, 0, 0, 1, 1]].concat(),
        // Typing, pings, silence, a sleep.
        with(&[0], &[12, 1, 0, 14, 1, 0, 1, 13, 1, 0, 15, 1, 22, 140, 22, 140, 22, 240]),
        // The page goes and comes, the server asks to go.
        with(&[0], &[18, 1, 4, 22, LATER, 18, 1, 5, 2, 1, 8, 1, 105, 255, 22, LATER]),
        // Odd numbers everywhere.
        with(&[31, 0, 255, 7, 6, 1, 2, 0, 0, 0, 0, 255, 3], &[22, 255, 22, 0, 22, 0]),
    ]
}
