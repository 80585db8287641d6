//! What the engine wants done.

use super::*;
use cossistant_engine::Failure;

impl Driver {
    pub(super) fn handle_output(&mut self, output: Output<Payload, Incoming>) {
        match output {
            Output::Dial { generation } => self.dial(generation),
            Output::CloseSocket { generation, code } => self.close_socket(generation, code),
            Output::RequestToken { request, is_refused } => self.request_token(request, is_refused),
            Output::Transmit { generation, frame } => {
                let Some(socket) = self.socket.as_ref().filter(|socket| socket.generation == generation) else {
                    return;
                };
                if let Some(text) = encode(frame, self.credentials.token())
                    && socket.orders.try_send(Order::Send(text)).is_err()
                {
                    // Nothing is lost: what matters is sent again, and a link that takes nothing is found dead.
                    tracing::debug!("the socket takes no more frames");
                }
            }
            Output::Deliver(Incoming::Message(message)) => self.tell(Event::Message(message)),
            Output::Deliver(Incoming::Unknown(text)) => self.tell(Event::Unknown(text)),
            Output::StateChanged(state) => self.tell(Event::StateChanged(state)),
            Output::Closed { code, reason } => self.tell(Event::Closed { code, reason }),
            Output::ReconnectAttempt(attempt) => self.tell(Event::ReconnectAttempt(attempt)),
            Output::ReconnectSuccess => self.tell(Event::ReconnectSuccess),
            Output::ReconnectFail => self.tell(Event::ReconnectFail),
            Output::SubscriptionChanged { channel, state } => {
                self.publish_subscriptions();
                if let Some(channel) = from_engine(&channel) {
                    self.tell(Event::SubscriptionChanged { channel, state });
                }
            }
            Output::Resync(channel) => {
                if let Some(channel) = from_engine(&channel) {
                    self.tell(Event::Resync(channel));
                }
            }
            Output::MessageAcked { id } => {
                if let Some(ServerMessage::MessageAck(ack)) = self.answer.take() {
                    self.settle(&id, Ok(ack));
                }
            }
            Output::MessageFailed { id, failure } => {
                let error = self.explain(failure);
                self.settle(&id, Err(error.clone()));
                self.tell(Event::MessageFailed { id, error });
            }
            Output::Pong { id, latency } => self.answer_ping(&id, Ok(Duration::from_millis(latency))),
            Output::PingFailed { id } => self.answer_ping(&id, Err(PingError)),
        }
    }

    fn tell(&mut self, event: Event) {
        if self.has_listener {
            self.backlog.push_back(event);
        }
    }

    fn answer_ping(&mut self, id: &str, result: Result<Duration, PingError>) {
        if let Some(answer) = self.pings.remove(id) {
            // Who asked may have stopped waiting.
            let _unheard = answer.send(result).is_err();
        }
    }

    fn explain(&mut self, failure: Failure) -> SendError {
        match failure {
            Failure::Refused(code) => match self.answer.take() {
                Some(ServerMessage::Error(error)) => SendError::Refused { code: error.code, error: error.error },
                Some(_) | None => {
                    let known = code.parse().unwrap_or(cossistant_protocol::ErrorCode::Unknown);
                    SendError::Refused { code: known, error: code }
                }
            },
            Failure::QueueFull => SendError::QueueFull,
            Failure::DuplicateId => SendError::DuplicateId,
            Failure::TooOld => SendError::TooOld,
            Failure::NotConnected => SendError::NotConnected,
        }
    }

    fn dial(&mut self, generation: u32) {
        let request = match self.credentials.request(&self.config) {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, "the handshake cannot be made");
                self.inputs.push_back(Input::DialFailed { generation });
                return;
            }
        };
        let (orders, receiver) = mpsc::channel(MAX_ORDERS);
        let events = self.socket_events.clone();
        let (alive, gone) = oneshot::channel();
        let task = self.tasks.spawn(socket::run(generation, request, self.tls.clone(), receiver, events, gone));
        self.socket = Some(Socket { generation, is_open: false, orders, task, _alive: alive });
    }

    fn close_socket(&mut self, generation: u32, code: u16) {
        let Some(socket) = self.socket.take_if(|socket| socket.generation == generation) else {
            return;
        };
        if !socket.is_open || socket.orders.try_send(Order::Close(code)).is_err() {
            socket.task.abort();
        }
    }

    fn request_token(&mut self, request: u32, is_refused: bool) {
        if let Some(source) = &self.config.token_source {
            let asked = source.ask();
            let findings = self.findings.clone();
            self.tasks.spawn(async move {
                let token = asked.await;
                drop(findings.send(Finding::Token { request, token }).await);
            });
            return;
        }
        // A visitor whose token was refused begins anew, without one.
        if is_refused && self.credentials.token().is_some() {
            self.credentials.keep_visitor_token(None);
            self.tell(Event::VisitorChanged);
        }
        self.inputs.push_back(Input::Token { request, outcome: TokenOutcome::Ready });
    }
}
