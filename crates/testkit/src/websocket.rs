//! A plain client: frames by tungstenite, JSON by serde, no policy of its own.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::DEADLINE;

/// How the connection says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: `authenticate` has to follow.
    None,
    /// `Authorization: Bearer`.
    Header(String),
    /// The subprotocol `bearer.TOKEN` beside `cossistant.v1`.
    Subprotocol(String),
    /// The query parameter `token`.
    Query(String),
    /// The query parameter `publicKey`.
    PublicKey(String),
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct WsOptions {
    url: String,
    credential: Credential,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    protocols: Vec<String>,
    deadline: Duration,
    name: String,
    receive_buffer: Option<u32>,
}

impl WsOptions {
    /// Options for `url`, which is the `wsUrl` of a ready file.
    #[must_use]
    pub fn new(url: &str, credential: Credential) -> Self {
        Self {
            url: url.to_owned(),
            credential,
            query: Vec::new(),
            headers: Vec::new(),
            protocols: Vec::new(),
            deadline: DEADLINE,
            name: "client".to_owned(),
            receive_buffer: None,
        }
    }

    /// What failures call this client.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The `Origin` that a browser would send.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// One more header of the handshake.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more parameter of the query; `value` is sent as it is.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more subprotocol to offer.
    #[must_use]
    pub fn protocol(mut self, protocol: &str) -> Self {
        self.protocols.push(protocol.to_owned());
        self
    }

    /// How long each wait may last.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The size of the kernel's receive buffer in bytes: a small one makes a slow reader.
    #[must_use]
    pub const fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    async fn dial(&self, authority: &str) -> std::io::Result<TcpStream> {
        let address = tokio::net::lookup_host(authority).await?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn request(&self) -> Result<Request, ConnectError> {
        let mut query = self.query.clone();
        let mut protocols = self.protocols.clone();
        let mut headers = self.headers.clone();
        match &self.credential {
            Credential::None => {}
            Credential::Header(token) => headers.push(("Authorization".to_owned(), format!("Bearer {token}"))),
            Credential::Subprotocol(token) => {
                protocols.insert(0, "cossistant.v1".to_owned());
                protocols.push(format!("bearer.{token}"));
            }
            Credential::Query(token) => query.push(("token".to_owned(), token.clone())),
            Credential::PublicKey(key) => query.push(("publicKey".to_owned(), key.clone())),
        }
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = if query.is_empty() { self.url.clone() } else { format!("{}?{}", self.url, query.join("&")) };
        let mut request = url.into_client_request()?;
        if !protocols.is_empty() {
            headers.push(("Sec-WebSocket-Protocol".to_owned(), protocols.join(", ")));
        }
        for (name, value) in headers {
            let name: HeaderName = name.parse().map_err(|_| ConnectError::BadHeader)?;
            request.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(|_| ConnectError::BadHeader)?);
        }
        Ok(request)
    }

    /// Connects; the handshake is over when this returns.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Refused`] when the server answers with something else than an upgrade.
    pub async fn connect(self) -> Result<WsClient, ConnectError> {
        let request = self.request()?;
        let authority = request.uri().authority().ok_or(ConnectError::BadHeader)?.to_string();
        let patience = self.deadline.max(DEADLINE);
        let handshake = async {
            let stream = self.dial(&authority).await?;
            let config = WebSocketConfig::default().max_message_size(Some(64 << 20)).max_frame_size(Some(64 << 20));
            client_async_with_config(request, stream, Some(config)).await.map_err(ConnectError::from)
        };
        let (socket, response) =
            tokio::time::timeout(patience, handshake).await.map_err(|_| ConnectError::TimedOut)??;
        Ok(WsClient {
            name: self.name,
            socket,
            response: response.headers().clone(),
            seen: Vec::new(),
            taken: Vec::new(),
            closed: None,
            deadline: self.deadline,
            fences: 0,
            established: Value::Null,
        })
    }

    /// Connects and takes `connection_established`, which [`WsClient::established`] then gives.
    ///
    /// # Panics
    ///
    /// When the server refuses the upgrade or the credential.
    pub async fn establish(self) -> WsClient {
        let name = self.name.clone();
        let mut client = match self.connect().await {
            Ok(client) => client,
            Err(error) => panic!("{name} must be let in, but: {error}"),
        };
        client.established = client.expect("connection_established").await;
        client
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server answered the handshake with this status.
    #[error("refused with HTTP {status}: {body}")]
    Refused {
        /// The status code.
        status: u16,
        /// The answer's headers.
        headers: Box<HeaderMap>,
        /// The answer's body, as far as it came with the head.
        body: String,
    },
    /// A header value that HTTP does not know.
    #[error("the options make no valid request")]
    BadHeader,
    /// No answer in time.
    #[error("no answer to the handshake in time")]
    TimedOut,
    /// The network or the framing failed.
    #[error("{0}")]
    Transport(Box<WsError>),
}

impl From<WsError> for ConnectError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum, of which one case matters")]
    fn from(error: WsError) -> Self {
        match error {
            WsError::Http(response) => Self::Refused {
                status: response.status().as_u16(),
                headers: Box::new(response.headers().clone()),
                body: response
                    .body()
                    .as_deref()
                    .map(|body| String::from_utf8_lossy(body).into_owned())
                    .unwrap_or_default(),
            },
            other => Self::Transport(Box::new(other)),
        }
    }
}

impl From<std::io::Error> for ConnectError {
    fn from(error: std::io::Error) -> Self {
        Self::Transport(Box::new(WsError::Io(error)))
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code of the close frame; none when the line was cut without one.
    pub code: Option<u16>,
    /// Its reason; or the transport's words.
    pub reason: String,
}

/// A connection that reads when it is asked to and forgets nothing.
///
/// Every message is kept in [`Self::seen`]. The waiting functions each *take* one message: the
/// first that fits and was not taken before. So the order of unrelated events is of no matter
/// to a test, and what nobody took can be looked at later.
pub struct WsClient {
    name: String,
    socket: WebSocketStream<TcpStream>,
    response: HeaderMap,
    seen: Vec<Value>,
    taken: Vec<bool>,
    closed: Option<Closed>,
    deadline: Duration,
    fences: u64,
    established: Value,
}

impl fmt::Debug for WsClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WsClient")
            .field("name", &self.name)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl WsClient {
    /// What failures call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The headers of the upgrade.
    #[must_use]
    pub const fn response(&self) -> &HeaderMap {
        &self.response
    }

    /// `connection_established`, if [`WsOptions::establish`] made this client; else null.
    #[must_use]
    pub const fn established(&self) -> &Value {
        &self.established
    }

    /// The `userId` that the server gave.
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.established["userId"].as_str().unwrap_or_default()
    }

    /// Every message so far, in order, taken or not.
    #[must_use]
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// How it ended, if that was read already.
    #[must_use]
    pub const fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// Sends one JSON message.
    ///
    /// # Panics
    ///
    /// When the line is down.
    pub async fn send(&mut self, message: Value) {
        if let Err(error) = self.try_send(message).await {
            panic!("{}: cannot send: {error}\n{}", self.name, self.story());
        }
    }

    /// Sends one JSON message.
    ///
    /// # Errors
    ///
    /// The transport's words when the line is down.
    pub async fn try_send(&mut self, message: Value) -> Result<(), String> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|error| error.to_string())
    }

    /// Sends text that need not be JSON.
    ///
    /// # Panics
    ///
    /// When the line is down.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.send_frame(Message::text(text.into())).await;
    }

    /// Sends a binary frame.
    ///
    /// # Panics
    ///
    /// When the line is down.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.send_frame(Message::binary(bytes)).await;
    }

    async fn send_frame(&mut self, frame: Message) {
        if let Err(error) = self.socket.send(frame).await {
            panic!("{}: cannot send: {error}\n{}", self.name, self.story());
        }
    }

    /// Takes the first message of this type.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub async fn expect(&mut self, kind: &str) -> Value {
        self.recv_until(kind, |message| message["type"] == kind).await
    }

    /// Takes the first message that answers `id`, whatever its type.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub async fn expect_answer(&mut self, id: &str) -> Value {
        self.recv_until(&format!("an answer with the id {id}"), |message| message["id"] == id).await
    }

    /// Takes the `error` that answers `id`, and checks its code.
    ///
    /// # Panics
    ///
    /// When something else answers, or nothing does.
    pub async fn expect_error(&mut self, id: &str, code: &str, rule: &str) -> Value {
        let answer = self.expect_answer(id).await;
        assert_eq!(answer["type"], "error", "{rule}; {}: {answer}", self.name);
        assert_eq!(answer["code"], code, "{rule}; {}: {answer}", self.name);
        assert!(answer["error"].is_string(), "section 4, `error` has words for people: {answer}");
        answer
    }

    /// Takes the first message for which `fits` holds; `what` names it in the failure.
    ///
    /// # Panics
    ///
    /// When none comes in time or the connection ends first.
    pub async fn recv_until(&mut self, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        let until = Instant::now() + self.deadline;
        let mut from = 0;
        loop {
            while from < self.seen.len() {
                if !self.taken[from] && fits(&self.seen[from]) {
                    self.taken[from] = true;
                    return self.seen[from].clone();
                }
                from += 1;
            }
            if !self.read_one(until).await {
                panic!("{}: waited {:?} for: {what}\n{}", self.name, self.deadline, self.story());
            }
        }
    }

    /// Takes the next message in order, whatever it is; none when the deadline or the
    /// connection's end came first.
    pub async fn next(&mut self) -> Option<Value> {
        let until = Instant::now() + self.deadline;
        loop {
            if let Some(at) = self.taken.iter().position(|taken| !taken) {
                self.taken[at] = true;
                return Some(self.seen[at].clone());
            }
            if !self.read_one(until).await {
                return None;
            }
        }
    }

    /// Reads all that the server had queued for this connection: a `ping` and its `pong` are
    /// the fence behind which nothing older can come.
    ///
    /// # Panics
    ///
    /// When there is no `pong` in time.
    pub async fn fence(&mut self) {
        self.fences += 1;
        let id = format!("fence-{}", self.fences);
        self.send(json!({"type": "ping", "id": id})).await;
        self.recv_until("the pong of a fence", |message| message["type"] == "pong" && message["id"] == id).await;
    }

    /// Asserts that nothing for which `fits` holds is there that nobody took, after a fence.
    /// Cause the event, see it arrive where it should, then call this where it should not.
    ///
    /// # Panics
    ///
    /// With `rule` when there is.
    pub async fn assert_none(&mut self, rule: &str, mut fits: impl FnMut(&Value) -> bool) {
        self.fence().await;
        let taken = &self.taken;
        let found = self.seen.iter().enumerate().find(|(at, message)| !taken[*at] && fits(message));
        assert!(
            found.is_none(),
            "{rule}; {} got: {}",
            self.name,
            found.map(|(_, found)| found.to_string()).unwrap_or_default()
        );
    }

    /// Reads for `window` and then behind a fence, and asserts that nothing came at all.
    ///
    /// # Panics
    ///
    /// With `rule` when something came.
    pub async fn assert_silent(&mut self, window: Duration, rule: &str) {
        let before = self.seen.len();
        let until = Instant::now() + window;
        while self.read_one(until).await {}
        self.fence().await;
        let new: Vec<String> =
            self.seen[before..].iter().filter(|message| message["type"] != "pong").map(Value::to_string).collect();
        assert!(new.is_empty(), "{rule}; {} got: {}", self.name, new.join("\n"));
    }

    /// Reads for `window` and then behind a fence, and asserts that nothing for which `fits` holds
    /// is there that nobody took. For what would come by a timer of the server, if at all.
    ///
    /// # Panics
    ///
    /// With `rule` when there is.
    pub async fn assert_none_within(&mut self, window: Duration, rule: &str, fits: impl FnMut(&Value) -> bool) {
        let until = Instant::now() + window;
        while self.read_one(until).await {}
        self.assert_none(rule, fits).await;
    }

    /// Forgets what was seen so far: the next wait takes only what is new.
    pub fn skip_seen(&mut self) {
        self.taken.fill(true);
    }

    /// Reads until the connection's end and gives it.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub async fn expect_closed(&mut self) -> Closed {
        let until = Instant::now() + self.deadline;
        while self.read_one(until).await {}
        match self.closed.clone() {
            Some(closed) => closed,
            None => panic!("{}: waited {:?} for the close\n{}", self.name, self.deadline, self.story()),
        }
    }

    /// Reads until the connection's end and checks its code, and that it says why.
    ///
    /// # Panics
    ///
    /// With `rule` when it does not end in time, or otherwise.
    pub async fn expect_close(&mut self, code: u16, rule: &str) -> Closed {
        let closed = self.expect_closed().await;
        assert_eq!(closed.code, Some(code), "{rule}; {}: {closed:?}\n{}", self.name, self.story());
        closed
    }

    /// Ends the connection with a close frame of `code` and waits for the server's.
    pub async fn close(mut self, code: u16) -> Option<Closed> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.socket.close(Some(frame)).await.ok()?;
        let until = Instant::now() + self.deadline;
        while self.read_one(until).await {}
        self.closed
    }

    /// Ends the connection without a word: the peer gets a reset.
    pub fn abort(self) {
        let stream = self.socket.into_inner();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok();
    }

    /// Sends a WebSocket-level ping.
    ///
    /// # Errors
    ///
    /// The transport's words when the line is down.
    pub async fn try_ping(&mut self) -> Result<(), String> {
        self.socket.send(Message::Ping(Vec::new().into())).await.map_err(|error| error.to_string())
    }

    /// Reads one message into the log; false when the time or the connection is over.
    async fn read_one(&mut self, until: Instant) -> bool {
        while self.closed.is_none() {
            let Ok(read) = tokio::time::timeout_at(until.into(), self.socket.next()).await else {
                return false;
            };
            match read {
                Some(Ok(Message::Text(text))) => {
                    let message = serde_json::from_str(&text).unwrap_or_else(|error| {
                        panic!("section 1, text frames are JSON; {} got {error}: {text}", self.name)
                    });
                    self.seen.push(message);
                    self.taken.push(false);
                    return true;
                }
                Some(Ok(Message::Close(frame))) => {
                    self.closed = Some(frame.map_or_else(
                        || Closed { code: None, reason: "a close frame without a code".to_owned() },
                        |frame| Closed { code: Some(frame.code.into()), reason: frame.reason.to_string() },
                    ));
                    self.socket.flush().await.ok();
                }
                Some(Ok(Message::Binary(_))) => {
                    panic!("section 1, frames are text; {} got a binary one", self.name)
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => self.closed = Some(Closed { code: None, reason: error.to_string() }),
                None => self.closed = Some(Closed { code: None, reason: "the end of the stream".to_owned() }),
            }
        }
        false
    }

    /// All that it saw, for a failure.
    fn story(&self) -> String {
        let skipped = self.seen.len().saturating_sub(40);
        let lines: Vec<String> = self.seen[skipped..]
            .iter()
            .zip(&self.taken[skipped..])
            .map(|(message, taken)| format!("  {} {message}", if *taken { "-" } else { "*" }))
            .collect();
        format!(
            "{} saw ({skipped} earlier ones left out; * not taken yet):\n{}\n  closed: {:?}",
            self.name,
            lines.join("\n"),
            self.closed
        )
    }
}
