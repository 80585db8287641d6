//! The edge of the machine: inputs, outputs, wake-ups.

use crate::backoff::Randomness;
use crate::config::{Config, Millis, later};
use crate::connection::{Link, Phase};
use crate::input::{Channel, Input};
use crate::outbox::Outbox;
use crate::output::{ConnectionState, Failure, Frame, Output, Stats, SubscriptionState, Trouble};
use crate::subscription::{News, Subscriptions};
use crate::text::{RequestKind, Text};
use crate::timer::{Next, Timer};
use crate::typing::{Keystroke, Typing};

/// A wake-up that comes later than this is taken for a sleep of the machine.
const CLOCK_JUMP: Millis = 5_000;

/// How many timers may fire by one input. What is left fires by the next, which is due at once.
const MAX_FIRINGS: usize = 64;

/// The client, as a pure machine. See the [crate] for the order of calls.
///
/// It never panics, whatever the order of its inputs. At any time at most one socket lives: each
/// [`Output::Dial`] is followed by [`Output::CloseSocket`], [`Input::Closed`] or [`Input::DialFailed`] of that generation before the next one.
#[derive(Debug)]
pub struct Engine<P, M = P, T = String> {
    pub(crate) config: Config,
    pub(crate) randomness: Randomness,
    pub(crate) now: Millis,
    /// When the driver was asked to come back.
    wake_at: Option<Millis>,
    pub(crate) phase: Phase<T>,
    pub(crate) generation: u32,
    numbers: u32,
    /// Failures in a row, which is the number of the present or next attempt.
    pub(crate) attempts: u32,
    /// Whether a connection was lost that is to be told as regained.
    pub(crate) is_reconnecting: bool,
    /// Whether a token was renewed because of a refusal, and none has proved good since.
    pub(crate) is_renewed: bool,
    /// The server asked not to be dialled earlier.
    pub(crate) not_before: Millis,
    is_hidden: bool,
    is_offline: bool,
    pub(crate) subscriptions: Subscriptions<T>,
    pub(crate) outbox: Outbox<P, T>,
    pub(crate) typing: Typing<T>,
    /// Pings of the application: id and when it went.
    pub(crate) pings: Vec<(T, Millis)>,
    /// While an input is handled in order, and else the last one first.
    outputs: Vec<Output<P, M, T>>,
    pub(crate) stats: Stats<T>,
}

impl<P: Clone, M, T: Text> Engine<P, M, T> {
    /// A client that is not connected. Equal seeds and inputs give equal outputs.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            randomness: Randomness::new(seed),
            now: 0,
            wake_at: None,
            phase: Phase::Idle,
            generation: 0,
            numbers: 0,
            attempts: 0,
            is_reconnecting: false,
            is_renewed: false,
            not_before: 0,
            is_hidden: false,
            is_offline: false,
            subscriptions: Subscriptions::default(),
            outbox: Outbox::new(),
            typing: Typing::default(),
            pings: Vec::new(),
            outputs: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Takes in one thing that happened, at the time `now` in ms.
    ///
    /// What is due by then happens too. All outputs are to be polled before the next input.
    pub fn handle_input(&mut self, input: Input<P, M, T>, now: Millis) {
        // What was not polled comes first.
        self.outputs.reverse();
        self.now = self.now.max(now);
        let is_asleep_over = self.wake_at.is_some_and(|at| self.now > later(at, CLOCK_JUMP));
        // What a socket did, it did before this moment: that comes before the timers that it may put out.
        let is_of_socket = input.is_of_socket();
        if is_of_socket {
            self.hear(&input);
        } else {
            self.catch_up(is_asleep_over);
        }
        self.apply(input);
        self.catch_up(is_asleep_over && is_of_socket);
        self.pump();
        self.outputs.reverse();
        self.wake_at = self.next_timer().map(|(at, _)| at);
    }

    /// The next thing to do, in order; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output<P, M, T>> {
        self.outputs.pop()
    }

    /// When to hand in [`Input::Tick`] at the latest, on the driver's clock; `None` when nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        self.wake_at
    }

    /// The wake-up that comes next, with its name, for logs.
    #[must_use]
    pub fn next_timer(&self) -> Option<(Millis, Timer)> {
        let mut next = Next::new();
        match &self.phase {
            Phase::Token { deadline, .. } | Phase::Dialling { deadline, .. } | Phase::Opening { deadline, .. } => {
                next.offer(*deadline, Timer::Connect)
            }
            Phase::Waiting { until } => next.offer(*until, Timer::Redial),
            Phase::Established(link) => link.offer_timers(self.is_hidden, &mut next),
            Phase::Idle | Phase::Suspended | Phase::Stopped(_) => {}
        }
        let timeout = self.config.request_timeout;
        self.subscriptions.offer_timers(timeout, &mut next);
        self.outbox.offer_timers(timeout, &mut next);
        for (_, since) in &self.pings {
            next.offer(later(*since, timeout), Timer::Request);
        }
        self.typing.offer_timers(self.typing_throttle(), &mut next);
        next.get()
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.connection_state()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Stats<T> {
        &self.stats
    }

    /// How many messages are neither acknowledged nor failed.
    #[must_use]
    pub fn queued_message_count(&self) -> usize {
        self.outbox.len()
    }

    /// Whether the network was last said to be gone. Only a mark: nothing is decided by it.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// All wishes and where they stand, in the order in which they were made.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&Channel<T>, SubscriptionState<T>)> {
        self.subscriptions.list.iter().map(|subscription| (&subscription.channel, subscription.state()))
    }

    /// Shows all texts that the engine holds between two inputs, some of them more than once, but for the ids of its own
    /// requests. What is not shown it has forgotten, so a driver whose texts stand for something of its own may forget that too.
    pub fn visit_texts(&self, visit: &mut dyn FnMut(&T)) {
        self.subscriptions.visit_texts(visit);
        self.outbox.visit_texts(visit);
        self.typing.visit_texts(visit);
        self.pings.iter().for_each(|(id, _)| visit(id));
        if let Some(Trouble::Server(code)) = &self.stats.last_error {
            visit(code);
        }
    }

    /// Notes a life sign, if the input is a frame of the present socket.
    fn hear(&mut self, input: &Input<P, M, T>) {
        let (Input::Inbound { generation, .. } | Input::Invalid { generation }) = input else {
            return;
        };
        let now = self.now;
        if let Some(link) = self.phase.link_mut()
            && link.generation == *generation
        {
            link.liveness.heard(now);
        }
    }

    fn apply(&mut self, input: Input<P, M, T>) {
        match input {
            Input::Connect => self.connect(),
            Input::Disconnect => self.disconnect(),
            Input::Configure(config) => self.config = config,
            Input::Tick => {}
            Input::Token { request, outcome } => self.handle_token(request, outcome),
            Input::Opened { generation } => self.handle_opened(generation),
            Input::DialFailed { generation } => self.handle_dial_failed(generation),
            Input::Closed { generation, code, reason } => self.handle_closed(generation, code, reason),
            Input::Inbound { generation, envelope, message } => {
                if self.phase.is_open() && self.phase.generation() == Some(generation) {
                    self.handle_inbound(envelope, message);
                }
            }
            Input::Invalid { generation } => {
                if self.phase.generation() == Some(generation) {
                    self.stats.messages_received += 1;
                    self.stats.messages_invalid += 1;
                }
            }
            Input::Subscribe { channel, holder } => self.subscriptions.hold(channel, holder),
            Input::Unsubscribe { channel, holder } => {
                if self.subscriptions.release(&channel, holder) && self.may_transmit() {
                    let id = T::of_request(RequestKind::Subscribe, self.next_number());
                    self.transmit(Frame::Unsubscribe { id, channel });
                }
            }
            Input::Send { id, conversation, payload, age } => self.send(id, conversation, payload, age),
            Input::Pass { payload } => {
                if self.may_transmit() {
                    self.transmit(Frame::Pass(payload));
                }
            }
            Input::TypingStart { .. } | Input::TypingProgress { .. } | Input::TypingStop { .. } => {
                self.apply_typing(input)
            }
            Input::Ping { id } => self.ping_for(id),
            Input::Online => {
                self.is_offline = false;
                self.nudge();
            }
            Input::Offline => self.is_offline = true,
            Input::Visible | Input::PageShow => {
                self.is_hidden = false;
                self.nudge();
            }
            Input::Hidden => {
                self.is_hidden = true;
                if let Some(link) = self.phase.link_mut() {
                    link.liveness.hidden();
                }
            }
            Input::PageHide => self.suspend(),
        }
    }

    fn apply_typing(&mut self, input: Input<P, M, T>) {
        // Typing is never queued: without a connection it is forgotten.
        if !self.may_transmit() {
            return;
        }
        let now = self.now;
        let throttle = self.typing_throttle();
        if let Input::TypingStart { conversation } = input {
            self.typing.start(conversation, now);
        } else if let Input::TypingProgress { conversation, text } = input {
            self.typing.progress(conversation, text, throttle, now);
        } else if let Input::TypingStop { conversation } = input {
            self.typing.stop(&conversation, now);
        }
    }

    fn send(&mut self, id: T, conversation: T, payload: P, age: Millis) {
        let config = &self.config;
        let is_connected = matches!(self.phase, Phase::Established(_));
        let expires_at = later(self.now, config.max_queue_age.saturating_sub(age));
        let taken = if config.enable_message_queue || is_connected {
            self.outbox.queue(&id, conversation.clone(), payload, expires_at, config)
        } else {
            Err(Failure::NotConnected)
        };
        match taken {
            Ok(()) => self.typing.message_sent(&conversation),
            Err(failure) => self.put(Output::MessageFailed { id, failure }),
        }
    }

    fn ping_for(&mut self, id: T) {
        if !self.may_transmit() || self.pings.iter().any(|(known, _)| *known == id) {
            self.put(Output::PingFailed { id });
            return;
        }
        self.pings.push((id.clone(), self.now));
        self.transmit(Frame::Ping { id });
    }

    /// A ping of the application's is done with; when it went, if there is one of that id.
    pub(crate) fn take_ping(&mut self, id: &T) -> Option<Millis> {
        let index = self.pings.iter().position(|(known, _)| known == id)?;
        Some(self.pings.remove(index).1)
    }

    /// Does what became due while time passed.
    fn catch_up(&mut self, is_asleep_over: bool) {
        if is_asleep_over {
            self.nudge();
        }
        for _ in 0..MAX_FIRINGS {
            match self.next_timer() {
                Some((at, timer)) if at <= self.now => self.fire(timer),
                Some(_) | None => return,
            }
        }
    }

    fn fire(&mut self, timer: Timer) {
        let now = self.now;
        let throttle = self.typing_throttle();
        match timer {
            Timer::Redial => self.begin(false),
            Timer::Connect => self.lose(Trouble::ConnectTimeout),
            Timer::Stable => self.handle_stable(),
            Timer::Heartbeat => self.ping(),
            Timer::Silence | Timer::Probe => self.lose(Trouble::Silence),
            Timer::Drain => self.handle_drained(),
            Timer::Request => self.end_requests(),
            Timer::Retry => {
                self.outbox.end_waits(now);
                self.subscriptions.end_waits(now);
            }
            Timer::Expiry => {
                while let Some(id) = self.outbox.take_expired(now) {
                    let failure = Failure::TooOld;
                    self.put(Output::MessageFailed { id, failure });
                }
            }
            Timer::TypingProgress => self.typing.handle_progress_due(throttle, now),
            Timer::TypingStop => self.typing.handle_stop_due(now),
        }
    }

    fn end_requests(&mut self) {
        let (now, timeout) = (self.now, self.config.request_timeout);
        let is_message_late = self.outbox.end_requests(now, timeout);
        let is_subscription_late = self.subscriptions.end_requests(now, timeout, self.config.max_reconnect_delay);
        let find_late = |pings: &[(T, Millis)]| pings.iter().position(|(_, since)| later(*since, timeout) <= now);
        let mut late = find_late(&self.pings);
        if is_message_late || is_subscription_late || late.is_some() {
            self.probe();
        }
        while let Some(index) = late {
            let (id, _) = self.pings.remove(index);
            self.put(Output::PingFailed { id });
            late = find_late(&self.pings);
        }
    }

    /// Sends what may go now, and tells what changed.
    fn pump(&mut self) {
        let now = self.now;
        for (conversation, keystroke) in self.typing.take_frames() {
            self.transmit(match keystroke {
                Keystroke::Start => Frame::TypingStart { conversation },
                Keystroke::Progress(text) => Frame::TypingProgress { conversation, text },
                Keystroke::Stop => Frame::TypingStop { conversation },
            });
        }
        if let Some(link) = self.phase.link() {
            if link.liveness.is_overdue(now) {
                // Into a link that may be dead nothing goes but the question whether it is.
                if !link.liveness.is_probed() {
                    self.probe();
                }
            } else {
                self.pump_requests();
            }
        }
        self.tell_subscriptions();
    }

    fn pump_requests(&mut self) {
        let now = self.now;
        let is_resumption = self.phase.link().is_some_and(|link| !link.is_resumed);
        loop {
            let number = self.numbers.wrapping_add(1);
            let Some(frame) = self.subscriptions.ask_next(number, now, is_resumption) else {
                break;
            };
            self.next_number();
            self.transmit(frame);
        }
        if self.subscriptions.is_resuming() {
            return;
        }
        if let Some(link) = self.phase.link_mut() {
            link.is_resumed = true;
        }
        while let Some(frame) = self.outbox.take_next(now) {
            self.transmit(frame);
        }
    }

    pub(crate) fn tell_subscriptions(&mut self) {
        for (channel, news) in core::mem::take(&mut self.subscriptions.news) {
            self.put(match news {
                News::State(state) => Output::SubscriptionChanged { channel, state },
                News::Hole => Output::Resync(channel),
            });
        }
    }

    /// Pings, and gives the link a short deadline if somebody looks.
    pub(crate) fn probe(&mut self) {
        let is_probing = |link: &Link<T>| link.liveness.probe_until().is_some();
        if self.phase.link().is_some_and(is_probing) {
            return;
        }
        let now = self.now;
        // A heartbeat of this very moment serves as the question.
        let has_asked = |link: &Link<T>| link.ping.as_ref().is_some_and(|(_, at)| *at == now);
        if !self.phase.link().is_some_and(has_asked) {
            self.ping();
        }
        let has_deadline = !self.is_hidden;
        if let Some(link) = self.phase.link_mut() {
            link.liveness.probed(now, has_deadline);
        }
    }

    fn ping(&mut self) {
        let now = self.now;
        let id = T::of_request(RequestKind::Ping, self.next_number());
        if let Some(link) = self.phase.link_mut() {
            link.liveness.pinged(now);
            link.ping = Some((id.clone(), now));
        }
        self.transmit(Frame::Ping { id });
    }

    fn may_transmit(&self) -> bool {
        self.phase.link().is_some_and(|link| !link.liveness.is_overdue(self.now))
    }

    pub(crate) fn transmit(&mut self, frame: Frame<P, T>) {
        if let Some(generation) = self.phase.link().map(|link| link.generation) {
            self.stats.messages_sent += 1;
            self.put(Output::Transmit { generation, frame });
        }
    }

    fn typing_throttle(&self) -> Millis {
        self.phase.link().map_or(0, |link| self.config.typing_progress_throttle.max(link.typing_interval))
    }

    pub(crate) fn put(&mut self, output: Output<P, M, T>) {
        self.outputs.push(output);
    }

    pub(crate) fn note(&mut self, trouble: Trouble<T>) {
        self.stats.last_error = Some(trouble);
        self.stats.last_error_at = Some(self.now);
    }

    pub(crate) fn next_number(&mut self) -> u32 {
        self.numbers = self.numbers.wrapping_add(1);
        self.numbers
    }
}
