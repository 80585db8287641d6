//! From a text that came to what the engine is told of it.

use cossistant_engine::{Envelope, EnvelopeKind};
use cossistant_protocol::{ErrorCode, ServerMessage, UnreadableMessage};
use serde::Deserialize;

use crate::translate::{Incoming, envelope};

/// The codes of a message as its text has them.
#[derive(Deserialize)]
struct Codes {
    code: Option<String>,
}

/// What came, and what the engine needs to know of it.
///
/// # Errors
/// The text is no message. One of an unknown type is one.
pub(crate) fn read(text: &str) -> Result<(Incoming, Envelope), UnreadableMessage> {
    let incoming = match ServerMessage::parse(text) {
        Ok(message) => Incoming::Message(Box::new(message)),
        Err(UnreadableMessage::UnknownType(_)) => Incoming::Unknown(String::from(text)),
        Err(error) => return Err(error),
    };
    let mut envelope = envelope(&incoming);
    // A code of a newer server has no name here, but the application is told which it was.
    if let EnvelopeKind::Error { code, .. } | EnvelopeKind::SubscriptionError { code, .. } = &mut envelope.kind
        && code == ErrorCode::Unknown.as_str()
        && let Ok(Codes { code: Some(said) }) = serde_json::from_str(text)
    {
        *code = said;
    }
    Ok((incoming, envelope))
}
