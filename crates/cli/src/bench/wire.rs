//! What the load generator writes, and the little that it reads of what comes back.
//!
//! Texts are made by hand and scanned rather than parsed: the generator must be cheaper than what it measures.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use cossistant_server::config::DEMO_ORGANIZATION;
use cossistant_server::gateway::frame::{Opcode, encode_masked_frame};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// How long the tokens of a run are good, in seconds: longer than any run.
const TOKEN_SECONDS: u64 = 3_600;

/// What a text from the server is, as far as the scenarios care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection is authenticated.
    Established,
    /// A subscription holds, and nothing is missing.
    Confirmed,
    /// A subscription holds, but the past is not complete.
    Unrecovered,
    /// A message is stored.
    Ack,
    /// Somebody's message.
    NewMessage,
    /// What somebody is typing.
    TypingProgress,
    /// A refusal of any kind.
    Error,
    /// Anything else.
    Other,
}

impl Kind {
    pub(super) fn of(text: &str) -> Self {
        let Some(rest) = text.strip_prefix(r#"{"type":""#) else { return Self::Other };
        match rest.split_once('"').map_or("", |(name, _)| name) {
            "connection_established" => Self::Established,
            "subscription_confirmed" if text.contains(r#""recovered":true"#) => Self::Confirmed,
            "subscription_confirmed" => Self::Unrecovered,
            "message_ack" => Self::Ack,
            "new_message" => Self::NewMessage,
            "typing_progress" => Self::TypingProgress,
            "error" | "subscription_error" => Self::Error,
            _ => Self::Other,
        }
    }

    /// The number that places a text of this kind: of an ack its key's, of a message its `seq`, of a confirmation its
    /// `head`; else 0.
    pub(super) fn number_in(self, text: &str) -> u64 {
        let value = match self {
            Self::Ack => field(text, r#""id":"k"#),
            Self::NewMessage => field(text, r#""seq":"#),
            Self::Confirmed | Self::Unrecovered => field(text, r#""head":"#),
            Self::Established | Self::TypingProgress | Self::Error | Self::Other => None,
        };
        value.and_then(|value| value.parse().ok()).unwrap_or_default()
    }
}

/// What follows the last `name` up to the end of its value. The texts of a run hold no escapes.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.rsplit_once(name)?;
    rest.split(['"', ',', '}', ']']).next()
}

/// The epoch that a confirmation names.
pub(super) fn epoch_in(text: &str) -> Option<&str> {
    field(text, r#""epoch":""#)
}

/// Signs tokens of the demo organization.
#[derive(Clone)]
pub(super) struct Signer {
    key: EncodingKey,
    expires_at: u64,
}

impl Signer {
    pub(super) fn new(secret: &str) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        Ok(Self { key: EncodingKey::from_secret(secret.as_bytes()), expires_at: now.as_secs() + TOKEN_SECONDS })
    }

    /// A token of a visitor or a user of a website.
    pub(super) fn token(&self, kind: &str, sub: &str, website: &str) -> Result<String> {
        let claims = json!({
            "sub": sub,
            "type": kind,
            "org": DEMO_ORGANIZATION,
            "websites": [website],
            "exp": self.expires_at,
        });
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key).context("cannot sign a token")
    }
}

/// The request that opens a WebSocket.
pub(super) fn upgrade_request(address: SocketAddr, token: &str) -> Vec<u8> {
    // The key proves nothing about a client of ours, so that one serves all.
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y29zc2lzdGFudC1iZW5jaA==\r\n\
         Sec-WebSocket-Protocol: cossistant.v1\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// What opens a connection to the floor: its group there, and whether it speaks or listens.
pub(super) fn floor_greeting(speaks: bool, group: usize, shape: Shape) -> Vec<u8> {
    let role = if speaks { "speaks" } else { "listens" };
    format!("{role} {group} {} {} {}\n", masked_bytes(shape.request), shape.reply, shape.delivery).into_bytes()
}

/// The sizes of one message's texts, in bytes. The floor moves the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// What the sender writes.
    pub(super) request: usize,
    /// What comes back to the sender; 0 for nothing.
    pub(super) reply: usize,
    /// What each other subscriber gets.
    pub(super) delivery: usize,
}

/// The bytes of a client's frame around a payload.
fn masked_bytes(payload: usize) -> usize {
    let mut frame = Vec::new();
    encode_masked_frame(Opcode::Text, &vec![b' '; payload], [0; 4], &mut frame);
    frame.len()
}

/// Subscribes to a conversation, from a place on if there is one.
pub(super) fn subscribe(conversation: &str, after: Option<(&str, u64)>) -> String {
    let place = after.map(|(epoch, seq)| format!(r#","after":{seq},"epoch":"{epoch}""#)).unwrap_or_default();
    format!(r#"{{"type":"subscribe_conversation","conversationId":"{conversation}"{place}}}"#)
}

/// Sends a message; `number` makes its key.
pub(super) fn send_message(conversation: &str, number: u64, text: &str) -> String {
    format!(
        r#"{{"type":"send_message","id":"k{number:08}","conversationId":"{conversation}","content":{{"text":"{text}"}}}}"#
    )
}

/// Shows what is being typed.
pub(super) fn typing_progress(conversation: &str, text: &str) -> String {
    format!(r#"{{"type":"typing_progress","conversationId":"{conversation}","content":"{text}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_and_placed() {
        let ack = r#"{"type":"message_ack","id":"k00000012","conversationId":"c","messageId":"msg_1","seq":3}"#;
        assert_eq!((Kind::of(ack), Kind::of(ack).number_in(ack)), (Kind::Ack, 12));
        let message = r#"{"type":"new_message","content":{"text":"x"},"seq":42,"offset":7}"#;
        assert_eq!((Kind::of(message), Kind::NewMessage.number_in(message)), (Kind::NewMessage, 42));
        let confirmed = r#"{"type":"subscription_confirmed","epoch":"e7","head":5,"recovered":true,"replayed":1}"#;
        assert_eq!((Kind::of(confirmed), Kind::Confirmed.number_in(confirmed)), (Kind::Confirmed, 5));
        assert_eq!(epoch_in(confirmed), Some("e7"));
        assert_eq!(Kind::of(r#"{"type":"subscription_confirmed","recovered":false}"#), Kind::Unrecovered);
        assert_eq!(Kind::of("[]"), Kind::Other);
    }

    #[test]
    fn a_frame_of_a_client_has_its_mask_and_length_before_it() {
        assert_eq!([masked_bytes(100), masked_bytes(126)], [106, 134]);
    }
}
