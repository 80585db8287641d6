//! The task that moves bytes and timers for the engine.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cossistant_engine::{Engine, Input, Output, TokenOutcome};
use cossistant_protocol::{Channel, ConversationId, MessageAck, RequestId, ServerMessage};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{Config, TokenError};
use crate::event::Event;
use crate::handle::{IdentifyError, PingError, SendError, Snapshot};
use crate::identify;
use crate::socket::{self, Order, SocketEvent};
use crate::storage::{self, StoredMessage};
use crate::translate::{Incoming, Payload, encode, from_engine, to_engine};

mod credentials;
mod outputs;

use credentials::Credentials;

/// Events that wait for the application beside those in its stream; beyond it the socket is not read.
const MAX_BACKLOG: usize = 1_024;

/// Frames that wait for a socket. A link that takes none of them is dead, and the engine will notice.
const MAX_ORDERS: usize = 1_024;

/// Frames that were read ahead.
const MAX_SOCKET_EVENTS: usize = 64;

/// All clones of a handle are one holder.
const HOLDER: u32 = 0;

/// How long a client that has ended may take to close its socket and write its files.
const ENDING: Duration = Duration::from_secs(5);

/// What a handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Connect,
    Disconnect,
    End,
    NetworkChanged,
    Subscribe(Channel),
    Unsubscribe(Channel),
    Send {
        id: RequestId,
        conversation_id: ConversationId,
        payload: Payload,
        answer: oneshot::Sender<Result<MessageAck, SendError>>,
    },
    Pass(Payload),
    TypingStart(ConversationId),
    TypingProgress(ConversationId, String),
    TypingStop(ConversationId),
    Ping {
        id: RequestId,
        answer: oneshot::Sender<Result<Duration, PingError>>,
    },
    Identify {
        identity_token: String,
        answer: oneshot::Sender<Result<(), IdentifyError>>,
    },
}

/// What a background task found out.
enum Finding {
    Token { request: u32, token: Result<Option<String>, TokenError> },
    Identified { token: Result<String, IdentifyError>, answer: oneshot::Sender<Result<(), IdentifyError>> },
}

/// The present socket.
struct Socket {
    generation: u32,
    is_open: bool,
    orders: mpsc::Sender<Order>,
    task: AbortHandle,
    /// Once this is dropped, the socket's task ends soon, even if nothing can be written any more.
    _alive: oneshot::Sender<()>,
}

/// Owns the engine and everything that it decides about.
struct Driver {
    engine: Engine<Payload, Incoming>,
    clock: Clock,
    config: Config,
    tls: Arc<rustls::ClientConfig>,
    credentials: Credentials,
    socket: Option<Socket>,
    socket_events: mpsc::Sender<(u32, SocketEvent)>,
    findings: mpsc::Sender<Finding>,
    tasks: JoinSet<()>,
    /// Inputs that follow from outputs.
    inputs: VecDeque<Input<Payload, Incoming>>,
    backlog: VecDeque<Event>,
    has_listener: bool,
    snapshot: watch::Sender<Snapshot>,
    deliveries: HashMap<String, oneshot::Sender<Result<MessageAck, SendError>>>,
    pings: HashMap<String, oneshot::Sender<Result<Duration, PingError>>>,
    /// The server message that is being handled, where it may be an answer.
    answer: Option<ServerMessage>,
    /// What is not acknowledged, in order, if it is kept in a file.
    queue: Vec<StoredMessage>,
    queue_file: Option<watch::Sender<Vec<u8>>>,
}

/// Starts a driver and connects.
pub(crate) fn start(
    mut config: Config,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    snapshot: watch::Sender<Snapshot>,
) {
    config.engine.has_token_source = config.token_source.is_some() || config.is_visitor();
    let (socket_events, from_socket) = mpsc::channel(MAX_SOCKET_EVENTS);
    let (findings, found) = mpsc::channel(MAX_SOCKET_EVENTS);
    let mut tasks = JoinSet::new();
    let queue = config.queue_file.as_deref().map(storage::load_queue).unwrap_or_default();
    let queue_file = config.queue_file.clone().map(|path| {
        let (sender, receiver) = watch::channel(Vec::new());
        tasks.spawn(storage::keep(path, receiver));
        sender
    });
    let credentials = Credentials::new(&config, &mut tasks);
    let driver = Driver {
        engine: Engine::new(config.engine.clone(), seed()),
        clock: Clock::new(),
        tls: config.tls.clone().unwrap_or_else(tls),
        credentials,
        config,
        socket: None,
        socket_events,
        findings,
        tasks,
        inputs: VecDeque::new(),
        backlog: VecDeque::new(),
        has_listener: true,
        snapshot,
        deliveries: HashMap::new(),
        pings: HashMap::new(),
        answer: None,
        queue,
        queue_file,
    };
    // The task owns itself: it ends, with all of its own tasks, when nobody holds the client any more.
    tokio::spawn(driver.run(commands, events, from_socket, found));
}

impl Driver {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        mut from_socket: mpsc::Receiver<(u32, SocketEvent)>,
        mut found: mpsc::Receiver<Finding>,
    ) {
        let mut has_handle = true;
        self.restore_queue();
        self.input(Input::Connect);
        while has_handle || self.has_listener {
            let wake = self.wake_at();
            tokio::select! {
                command = commands.recv(), if has_handle => match command {
                    Some(Command::End) => break,
                    Some(command) => self.handle_command(command),
                    None => has_handle = false,
                },
                Some((generation, event)) = from_socket.recv(), if self.backlog.len() < MAX_BACKLOG => {
                    self.handle_socket(generation, event);
                }
                Some(finding) = found.recv() => self.handle_finding(finding),
                permit = events.reserve(), if self.has_listener && !self.backlog.is_empty() => {
                    if let (Ok(permit), Some(event)) = (permit, self.backlog.pop_front()) {
                        permit.send(event);
                    }
                }
                () = events.closed(), if self.has_listener => {
                    self.has_listener = false;
                    self.backlog.clear();
                }
                () = tokio::time::sleep_until(wake) => self.input(Input::Tick),
                Some(_) = self.tasks.join_next() => {}
            }
        }
        drop(events);
        self.end(from_socket).await;
        // Only now whoever waits for the end may go on.
        drop(commands);
    }

    /// Closes the socket and waits until files are written.
    async fn end(mut self, mut from_socket: mpsc::Receiver<(u32, SocketEvent)>) {
        self.input(Input::Disconnect);
        self.deliveries.clear();
        self.pings.clear();
        self.queue_file = None;
        self.credentials.end();
        let Self { mut tasks, socket_events, .. } = self;
        drop(socket_events);
        let finish = async {
            // What still comes is thrown away, so that no socket waits to be heard.
            while from_socket.recv().await.is_some() {}
            while tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout(ENDING, finish).await.is_err() {
            tracing::debug!("ended before all was closed");
        }
    }

    fn wake_at(&mut self) -> Instant {
        let now = self.clock.now();
        // A month stands for never.
        let wait = self.engine.poll_timeout().map_or(30 * 24 * 3_600_000, |at| at.saturating_sub(now));
        Instant::now() + Duration::from_millis(wait)
    }

    /// Hands an input to the engine and does all that follows from it.
    fn input(&mut self, input: Input<Payload, Incoming>) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let now = self.clock.now();
            self.engine.handle_input(input, now);
            while let Some(output) = self.engine.poll_output() {
                self.handle_output(output);
            }
        }
        self.publish();
    }

    /// Tells what can be asked of a client, if it changed.
    fn publish(&self) {
        let engine = &self.engine;
        self.snapshot.send_if_modified(|snapshot| {
            let is_same = snapshot.state == engine.state()
                && snapshot.queued_message_count == engine.queued_message_count()
                && snapshot.stats == *engine.stats();
            if !is_same {
                snapshot.state = engine.state();
                snapshot.queued_message_count = engine.queued_message_count();
                snapshot.stats = engine.stats().clone();
            }
            !is_same
        });
    }

    /// Tells the subscriptions; only when one of them changed.
    fn publish_subscriptions(&self) {
        let of_engine = self.engine.subscriptions();
        let subscriptions =
            of_engine.filter_map(|(channel, state)| Some((from_engine(channel)?, state))).collect::<Arc<[_]>>();
        self.snapshot.send_modify(|snapshot| snapshot.subscriptions = subscriptions);
    }

    fn handle_command(&mut self, command: Command) {
        let input = match command {
            Command::Connect => Input::Connect,
            Command::Disconnect => Input::Disconnect,
            // The loop ends before it comes to this.
            Command::End => return,
            Command::NetworkChanged => Input::Online,
            Command::Subscribe(channel) => Input::Subscribe { channel: to_engine(&channel), holder: HOLDER },
            Command::Unsubscribe(channel) => Input::Unsubscribe { channel: to_engine(&channel), holder: HOLDER },
            Command::Send { id, conversation_id, payload, answer } => {
                return self.send(id.to_string(), conversation_id.to_string(), payload, answer);
            }
            Command::Pass(payload) => Input::Pass { payload },
            Command::TypingStart(id) => Input::TypingStart { conversation: id.to_string() },
            Command::TypingProgress(id, text) => Input::TypingProgress { conversation: id.to_string(), text },
            Command::TypingStop(id) => Input::TypingStop { conversation: id.to_string() },
            Command::Ping { id, answer } => {
                self.pings.insert(id.to_string(), answer);
                Input::Ping { id: id.to_string() }
            }
            Command::Identify { identity_token, answer } => return self.identify(&identity_token, answer),
        };
        self.input(input);
    }

    fn send(
        &mut self,
        id: String,
        conversation: String,
        payload: Payload,
        answer: oneshot::Sender<Result<MessageAck, SendError>>,
    ) {
        // The one that is under way keeps its answer.
        if self.deliveries.contains_key(&id) || self.queue.iter().any(|stored| stored.id == id) {
            drop(answer.send(Err(SendError::DuplicateId)));
            return;
        }
        self.deliveries.insert(id.clone(), answer);
        if self.queue_file.is_some() {
            self.queue.push(StoredMessage {
                id: id.clone(),
                conversation_id: conversation.clone(),
                queued_at: storage::unix_now(),
                frame: String::from(&*payload),
            });
            self.save_queue();
        }
        self.input(Input::Send { id, conversation, payload, age: 0 });
    }

    /// A message is done with.
    fn settle(&mut self, id: &str, result: Result<MessageAck, SendError>) {
        if let Some(answer) = self.deliveries.remove(id) {
            drop(answer.send(result));
        }
        let before = self.queue.len();
        self.queue.retain(|stored| stored.id != id);
        if before != self.queue.len() {
            self.save_queue();
        }
    }

    fn restore_queue(&mut self) {
        for stored in self.queue.clone() {
            let age = stored.age();
            self.input(Input::Send {
                id: stored.id,
                conversation: stored.conversation_id,
                payload: stored.frame.into(),
                age,
            });
        }
    }

    fn save_queue(&self) {
        if let Some(file) = &self.queue_file {
            match serde_json::to_vec(&self.queue) {
                Ok(bytes) => drop(file.send_replace(bytes)),
                Err(error) => tracing::warn!(%error, "could not encode the queue"),
            }
        }
    }

    fn handle_socket(&mut self, generation: u32, event: SocketEvent) {
        let input = match event {
            SocketEvent::Opened => {
                if let Some(socket) = self.socket.as_mut().filter(|socket| socket.generation == generation) {
                    socket.is_open = true;
                }
                Input::Opened { generation }
            }
            SocketEvent::DialFailed(error) => {
                tracing::debug!(%error, "could not connect");
                self.forget_socket(generation);
                Input::DialFailed { generation }
            }
            SocketEvent::Received(incoming, envelope) => {
                if self.is_present(generation) {
                    self.note_message(&incoming);
                }
                Input::Inbound { generation, envelope, message: incoming }
            }
            SocketEvent::Invalid(error) => {
                tracing::debug!(%error, "skipped an invalid message");
                Input::Invalid { generation }
            }
            SocketEvent::Closed { code, reason } => {
                self.forget_socket(generation);
                Input::Closed { generation, code, reason }
            }
        };
        self.input(input);
        self.answer = None;
    }

    fn is_present(&self, generation: u32) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.generation == generation)
    }

    fn forget_socket(&mut self, generation: u32) {
        self.socket.take_if(|socket| socket.generation == generation);
    }

    /// Keeps what the driver itself needs of a message: answers, and a visitor's token.
    fn note_message(&mut self, incoming: &Incoming) {
        let Incoming::Message(message) = incoming else {
            return;
        };
        if let ServerMessage::ConnectionEstablished(established) = &**message
            && let Some(token) = &established.visitor_token
            && self.config.is_visitor()
        {
            self.credentials.keep_visitor_token(Some(token.clone()));
        }
        if matches!(**message, ServerMessage::MessageAck(_) | ServerMessage::Error(_)) {
            self.answer = Some((**message).clone());
        }
    }

    fn handle_finding(&mut self, finding: Finding) {
        match finding {
            Finding::Token { request, token } => {
                let outcome = match token {
                    Ok(token) => {
                        self.credentials.set_token(token);
                        TokenOutcome::Ready
                    }
                    Err(TokenError::Denied(error)) => {
                        tracing::warn!(%error, "the token source denies a token");
                        TokenOutcome::Denied
                    }
                    Err(TokenError::Failed(error)) => {
                        tracing::debug!(%error, "the token source failed");
                        TokenOutcome::Failed
                    }
                };
                self.input(Input::Token { request, outcome });
            }
            Finding::Identified { token, answer } => {
                let result = token.map(|token| {
                    self.credentials.keep_visitor_token(Some(token));
                    self.input(Input::Disconnect);
                    self.input(Input::Connect);
                });
                drop(answer.send(result));
            }
        }
    }

    fn identify(&mut self, identity_token: &str, answer: oneshot::Sender<Result<(), IdentifyError>>) {
        let Some(request) = self.credentials.admission(&self.config, identity_token) else {
            drop(answer.send(Err(IdentifyError::NotAVisitor)));
            return;
        };
        let base = self.config.http_base();
        let origin = self.config.headers.get("origin").and_then(|origin| origin.to_str().ok()).map(String::from);
        let findings = self.findings.clone();
        self.tasks.spawn(async move {
            let admitted = tokio::task::spawn_blocking(move || identify::admit(&base, origin.as_deref(), &request));
            let token = admitted.await.unwrap_or_else(|error| Err(IdentifyError::NoAnswer(error.to_string())));
            drop(findings.send(Finding::Identified { token, answer }).await);
        });
    }
}

/// The web's root certificates, with ring.
fn tls() -> Arc<rustls::ClientConfig> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring serves the default protocol versions");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn seed() -> u64 {
    getrandom::u64().expect("the system has randomness")
}
