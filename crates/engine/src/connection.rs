//! The life of a connection: getting a token, dialling, being established, waiting, stopping.

use crate::backoff;
use crate::config::{Millis, later};
use crate::engine::Engine;
use crate::input::TokenOutcome;
use crate::law::{CloseAction, close_action};
use crate::liveness::Liveness;
use crate::output::{ConnectionState, Failure, Frame, Output, StopReason, Trouble};
use crate::text::{RequestKind, Text, Word};
use crate::timer::{Next, Timer};

/// A connection that lasted this long counts as stable.
pub(crate) const STABLE_AFTER: Millis = 5_000;

/// The close code of a client that needs the socket no more.
const DONE: u16 = 1_000;
/// The close code of a client that gives a link up; of the range that is free for such use.
const GIVEN_UP: u16 = 4_000;

/// Where the connection stands. Each state owns what is valid only in it.
#[derive(Debug)]
pub(crate) enum Phase<T> {
    /// Not wanted.
    Idle,
    /// Wanted, but the page is away.
    Suspended,
    /// Waiting for the token source.
    Token { request: u32, deadline: Millis },
    /// Waiting for the socket.
    Dialling { generation: u32, deadline: Millis },
    /// The socket is open; waiting for `connection_established`.
    Opening { generation: u32, deadline: Millis },
    /// Established and authenticated.
    Established(Link<T>),
    /// Waiting before the next attempt.
    Waiting { until: Millis },
    /// Given up until the application connects again.
    Stopped(StopReason),
}

/// An established connection.
#[derive(Debug)]
pub(crate) struct Link<T> {
    pub(crate) generation: u32,
    pub(crate) liveness: Liveness,
    pub(crate) typing_interval: Millis,
    /// When the count of attempts returns to 0; none once that is done.
    pub(crate) stable_at: Option<Millis>,
    /// When a draining server's patience ends.
    pub(crate) drain_until: Option<Millis>,
    /// Whether the resubscriptions have been answered, so that messages may go.
    pub(crate) is_resumed: bool,
    /// The token request that is under way for a renewal.
    pub(crate) renewal: Option<u32>,
    /// The engine's own last ping: its id and when it went.
    pub(crate) ping: Option<(T, Millis)>,
}

impl<T> Link<T> {
    pub(crate) fn offer_timers(&self, is_hidden: bool, next: &mut Next) {
        if let Some(at) = self.stable_at {
            next.offer(at, Timer::Stable);
        }
        if let Some(until) = self.drain_until {
            next.offer(until, Timer::Drain);
        }
        if let Some(until) = self.liveness.probe_until() {
            next.offer(until, Timer::Probe);
        } else if !is_hidden {
            next.offer(self.liveness.silence_at(), Timer::Silence);
        }
        next.offer(self.liveness.ping_at(), Timer::Heartbeat);
    }
}

impl<T> Phase<T> {
    /// The generation of the socket that this state owns, open or not.
    pub(crate) fn generation(&self) -> Option<u32> {
        match self {
            Self::Dialling { generation, .. } | Self::Opening { generation, .. } => Some(*generation),
            Self::Established(link) => Some(link.generation),
            Self::Idle | Self::Suspended | Self::Token { .. } | Self::Waiting { .. } | Self::Stopped(_) => None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Opening { .. } | Self::Established(_))
    }

    pub(crate) fn link(&self) -> Option<&Link<T>> {
        if let Self::Established(link) = self { Some(link) } else { None }
    }

    pub(crate) fn link_mut(&mut self) -> Option<&mut Link<T>> {
        if let Self::Established(link) = self { Some(link) } else { None }
    }
}

impl<P: Clone, M, T: Text> Engine<P, M, T> {
    pub(crate) fn connection_state(&self) -> ConnectionState {
        match &self.phase {
            Phase::Idle | Phase::Suspended => ConnectionState::Disconnected,
            Phase::Token { .. } | Phase::Dialling { .. } | Phase::Opening { .. } => ConnectionState::Connecting,
            Phase::Established(_) => ConnectionState::Connected,
            Phase::Waiting { until } => ConnectionState::Waiting { attempt: self.attempts, until: *until },
            Phase::Stopped(reason) => ConnectionState::Stopped(*reason),
        }
    }

    pub(crate) fn enter(&mut self, phase: Phase<T>) {
        let before = self.connection_state();
        self.phase = phase;
        let after = self.connection_state();
        if before != after {
            self.put(Output::StateChanged(after));
        }
    }

    pub(crate) fn connect(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Stopped(_) => {
                self.is_reconnecting = false;
                self.is_renewed = false;
                self.not_before = 0;
                self.attempts = 0;
                self.begin(false);
            }
            Phase::Suspended | Phase::Waiting { .. } => {
                self.not_before = 0;
                self.attempts = 0;
                self.begin(false);
            }
            Phase::Token { .. } | Phase::Dialling { .. } | Phase::Opening { .. } | Phase::Established(_) => {}
        }
    }

    pub(crate) fn disconnect(&mut self) {
        self.is_reconnecting = false;
        self.drop_socket(DONE, Word::Disconnected);
        self.enter(Phase::Idle);
    }

    pub(crate) fn suspend(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Stopped(_) | Phase::Suspended => {}
            Phase::Token { .. }
            | Phase::Dialling { .. }
            | Phase::Opening { .. }
            | Phase::Established(_)
            | Phase::Waiting { .. } => {
                self.is_reconnecting = true;
                self.drop_socket(DONE, Word::PageHidden);
                self.enter(Phase::Suspended);
            }
        }
    }

    /// The world may have changed while nobody looked: probe what is open, or try again now.
    pub(crate) fn nudge(&mut self) {
        match self.phase {
            Phase::Established(_) => self.probe(),
            // A first attempt has only begun; a later one may be made by a way that is no more.
            Phase::Dialling { ref mut deadline, .. } if self.attempts > 1 => {
                self.attempts = 0;
                *deadline = self.now;
            }
            Phase::Suspended | Phase::Waiting { .. } => {
                self.attempts = 0;
                // What the server asked for still holds.
                if self.not_before > self.now {
                    let until = self.not_before;
                    self.attempts = 1;
                    self.enter(Phase::Waiting { until });
                } else {
                    self.begin(false);
                }
            }
            Phase::Idle | Phase::Token { .. } | Phase::Dialling { .. } | Phase::Opening { .. } | Phase::Stopped(_) => {}
        }
    }

    /// Begins an attempt: by asking for a token, if there is anyone to ask, else by dialling.
    pub(crate) fn begin(&mut self, is_refused: bool) {
        if self.is_reconnecting {
            self.stats.reconnect_attempts += 1;
            let attempt = self.attempts.max(1);
            self.put(Output::ReconnectAttempt(attempt));
        }
        if !self.config.has_token_source {
            self.dial();
            return;
        }
        let request = self.next_number();
        let deadline = later(self.now, self.config.connect_timeout);
        self.enter(Phase::Token { request, deadline });
        self.put(Output::RequestToken { request, is_refused });
    }

    fn dial(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let deadline = later(self.now, self.config.connect_timeout);
        self.enter(Phase::Dialling { generation, deadline });
        self.put(Output::Dial { generation });
    }

    pub(crate) fn handle_token(&mut self, answered: u32, outcome: TokenOutcome) {
        match &mut self.phase {
            Phase::Token { request, .. } if *request == answered => match outcome {
                TokenOutcome::Ready => self.dial(),
                TokenOutcome::Failed => self.lose(Trouble::Token),
                TokenOutcome::Denied => self.stop(StopReason::TokenDenied),
            },
            Phase::Established(link) if link.renewal == Some(answered) => {
                link.renewal = None;
                // Without a new token the old one serves on until it expires.
                if outcome == TokenOutcome::Ready {
                    let id = T::of_request(RequestKind::Authenticate, self.next_number());
                    self.transmit(Frame::Authenticate { id });
                }
            }
            Phase::Idle
            | Phase::Suspended
            | Phase::Token { .. }
            | Phase::Dialling { .. }
            | Phase::Opening { .. }
            | Phase::Established(_)
            | Phase::Waiting { .. }
            | Phase::Stopped(_) => {}
        }
    }

    /// Asks for a new token for the present connection, unless that is under way.
    pub(crate) fn renew(&mut self) {
        if !self.config.has_token_source {
            return;
        }
        let request = self.next_number();
        let Some(link) = self.phase.link_mut() else {
            return;
        };
        if link.renewal.is_none() {
            link.renewal = Some(request);
            self.put(Output::RequestToken { request, is_refused: false });
        }
    }

    pub(crate) fn handle_opened(&mut self, opened: u32) {
        if let Phase::Dialling { generation, deadline } = self.phase
            && generation == opened
        {
            self.enter(Phase::Opening { generation, deadline });
        }
    }

    pub(crate) fn handle_dial_failed(&mut self, failed: u32) {
        if self.phase.generation() == Some(failed) {
            self.note(Trouble::Dial);
            self.forget_requests();
            self.retry();
        }
    }

    pub(crate) fn handle_established(&mut self, heartbeat_interval: Option<Millis>, typing_interval: Option<Millis>) {
        let Phase::Opening { generation, .. } = self.phase else {
            return;
        };
        let now = self.now;
        self.stats.connected_at = Some(now);
        self.enter(Phase::Established(Link {
            generation,
            liveness: Liveness::new(self.config.heartbeat_interval, heartbeat_interval, now),
            typing_interval: typing_interval.unwrap_or(0),
            stable_at: Some(later(now, STABLE_AFTER)),
            drain_until: None,
            is_resumed: false,
            renewal: None,
            ping: None,
        }));
        if self.is_reconnecting {
            self.is_reconnecting = false;
            self.put(Output::ReconnectSuccess);
        }
        self.token_accepted();
    }

    pub(crate) fn token_accepted(&mut self) {
        self.outbox.token_accepted();
        self.subscriptions.token_accepted();
    }

    /// The connection has been good for a while: the next loss starts from the beginning.
    pub(crate) fn handle_stable(&mut self) {
        if let Some(link) = self.phase.link_mut() {
            link.stable_at = None;
        }
        self.attempts = 0;
        self.is_renewed = false;
    }

    /// The server will go away. Its `retry_after` both ends this connection and begins the next.
    pub(crate) fn handle_reconnect(&mut self, retry_after: Option<Millis>) {
        let Some(retry_after) = retry_after else {
            return;
        };
        let until = later(self.now, retry_after);
        self.not_before = self.not_before.max(until);
        if let Some(link) = self.phase.link_mut() {
            link.drain_until = Some(until);
        }
    }

    /// The time that a draining server gave is over, and with it the wait before the next connection.
    pub(crate) fn handle_drained(&mut self) {
        self.drop_socket(DONE, Word::ServerDrains);
        if self.config.auto_reconnect {
            self.is_reconnecting = true;
            self.attempts = self.attempts.max(1);
            self.begin(false);
        } else {
            self.enter(Phase::Idle);
        }
    }

    pub(crate) fn handle_closed(&mut self, closed: u32, code: u16, reason: T) {
        if self.phase.generation() != Some(closed) {
            return;
        }
        if self.phase.is_open() {
            self.put(Output::Closed { code, reason });
        }
        self.forget_requests();
        let has_trouble = code != 1_000 && code != 1_001;
        if has_trouble {
            self.note(Trouble::Close(code));
        }
        match close_action(code) {
            CloseAction::Stop => self.stop(StopReason::Close(code)),
            CloseAction::Renew if !self.config.has_token_source || self.is_renewed => {
                self.stop(StopReason::Close(code));
            }
            CloseAction::Renew if self.config.auto_reconnect => {
                self.is_renewed = true;
                self.is_reconnecting = true;
                self.begin(true);
            }
            CloseAction::Renew | CloseAction::Retry => self.retry(),
        }
    }

    /// The present attempt or connection is to be given up for that reason.
    pub(crate) fn lose(&mut self, trouble: Trouble<T>) {
        let reason = match trouble {
            Trouble::ConnectTimeout => Word::ConnectTimeout,
            Trouble::Silence => Word::Silent,
            Trouble::Loss => Word::EventMissing,
            Trouble::Dial | Trouble::Token | Trouble::Server(_) | Trouble::Close(_) => Word::GivenUp,
        };
        self.note(trouble);
        self.drop_socket(GIVEN_UP, reason);
        self.retry();
    }

    fn retry(&mut self) {
        if !self.config.auto_reconnect {
            self.is_reconnecting = false;
            self.enter(Phase::Idle);
            return;
        }
        self.is_reconnecting = true;
        self.attempts = self.attempts.saturating_add(1);
        if self.config.max_reconnect_attempts.is_some_and(|max| self.attempts > max) {
            self.stop(StopReason::Exhausted);
            self.put(Output::ReconnectFail);
            return;
        }
        let delay = backoff::delay(&self.config, self.attempts, &mut self.randomness);
        let until = later(self.now, delay).max(self.not_before);
        self.enter(Phase::Waiting { until });
    }

    fn stop(&mut self, reason: StopReason) {
        self.is_reconnecting = false;
        self.enter(Phase::Stopped(reason));
    }

    /// Closes whatever socket there is, and forgets what was true of it alone.
    fn drop_socket(&mut self, code: u16, reason: Word) {
        if let Some(generation) = self.phase.generation() {
            self.put(Output::CloseSocket { generation, code });
        }
        if self.phase.is_open() {
            self.put(Output::Closed { code, reason: T::of_word(reason) });
        }
        self.forget_requests();
    }

    /// What was asked for on this connection has no answer any more. The caller enters the next state.
    fn forget_requests(&mut self) {
        self.typing.clear();
        self.subscriptions.connection_lost();
        if self.config.enable_message_queue {
            self.outbox.connection_lost();
        } else {
            while let Some(id) = self.outbox.take_expired(Millis::MAX) {
                self.put(Output::MessageFailed { id, failure: Failure::NotConnected });
            }
        }
        while let Some((id, _)) = self.pings.pop() {
            self.put(Output::PingFailed { id });
        }
    }
}
