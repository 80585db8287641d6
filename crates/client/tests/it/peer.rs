//! A server that does what a test tells it, frame by frame.

use std::net::SocketAddr;
use std::time::Duration;

use cossistant_client::{Config, Event, Events};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// How long anything may take that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A listening server.
pub(crate) struct Peer {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// The server's end of one connection, and how it was asked for.
pub(crate) struct Link {
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) protocols: String,
    stream: WebSocketStream<TcpStream>,
}

/// A configuration for what is at an address, or is not, that comes back quickly.
pub(crate) fn config_for(address: SocketAddr) -> Config {
    let mut config = Config::new(&format!("ws://{address}/ws")).expect("a url");
    config.engine.reconnect_delay = 10;
    config.engine.reconnect_jitter = 0.0;
    config
}

impl Peer {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { listener, address }
    }

    /// A configuration that comes back quickly.
    pub(crate) fn config(&self) -> Config {
        config_for(self.address)
    }

    /// The next connection, not yet established.
    pub(crate) async fn accept(&self) -> Link {
        let (stream, _) =
            timeout(DEADLINE, self.listener.accept()).await.expect("a connection in time").expect("accept");
        let mut asked = (String::new(), None, None, String::new());
        let header = |request: &Request, name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).map(String::from)
        };
        #[expect(clippy::result_large_err, reason = "the type of the callback is tungstenite's")]
        let callback = |request: &Request, mut response: Response| {
            asked = (
                String::from(request.uri().query().unwrap_or_default()),
                header(request, "authorization"),
                header(request, "origin"),
                header(request, "sec-websocket-protocol").unwrap_or_default(),
            );
            let protocol = HeaderValue::from_static("cossistant.v1");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let stream = accept_hdr_async(stream, callback).await.expect("a handshake");
        let (query, authorization, origin, protocols) = asked;
        Link { query, authorization, origin, protocols, stream }
    }

    /// The next connection, established.
    pub(crate) async fn welcome(&self) -> Link {
        let mut link = self.accept().await;
        link.send(established(None)).await;
        link
    }
}

/// `connection_established`.
pub(crate) fn established(visitor_token: Option<&str>) -> Value {
    let mut message = json!({
        "type": "connection_established", "connectionId": "conn_1", "serverTime": 0, "userId": "u1", "userType": "user",
        "heartbeatInterval": 30_000,
        "limits": {"maxMessageBytes": 65_536, "maxTextLength": 16_000, "maxSubscriptions": 100, "typingInterval": 100, "typingExpiry": 6_000},
    });
    if let Some(token) = visitor_token {
        message["visitorToken"] = json!(token);
    }
    message
}

/// `new_message` of conversation `c`.
pub(crate) fn new_message(seq: u64, text: &str) -> Value {
    json!({
        "type": "new_message", "conversationId": "c", "messageId": format!("msg_{seq}"), "content": {"text": text},
        "senderType": "user", "senderId": "u2", "createdAt": "2026-01-01T00:00:00.000Z", "websiteId": "w",
        "organizationId": "o", "visibility": "public", "seq": seq,
    })
}

/// The ack of a `send_message`.
pub(crate) fn ack(message: &Value, seq: u64) -> Value {
    json!({
        "type": "message_ack", "id": message["id"], "conversationId": message["conversationId"], "seq": seq,
        "messageId": format!("msg_{seq}"), "createdAt": "2026-01-01T00:00:00.000Z",
    })
}

/// The confirmation of a `subscribe_conversation`.
pub(crate) fn confirmed(message: &Value, head: u64) -> Value {
    let channel = format!("conversation:{}", message["conversationId"].as_str().expect("a conversation"));
    json!({
        "type": "subscription_confirmed", "id": message["id"], "channel": channel, "epoch": "e1", "head": head,
        "recovered": true, "replayed": 0,
    })
}

impl Link {
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        self.stream.send(Message::text(text)).await.expect("the client reads");
    }

    /// The next frame of a type, skipping others.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|code| panic!("closed with {code} before {kind}"));
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The next frame, or the code with which the client closed.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(DEADLINE, self.stream.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1_005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1_006),
            }
        }
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "test".into() };
        self.stream.close(Some(frame)).await.expect("the client reads");
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

/// The first event that a function wants, skipping others.
pub(crate) async fn find<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.recv().await.expect("the client runs");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    timeout(DEADLINE, search).await.expect("an event in time")
}
