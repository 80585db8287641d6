//! What clients say: any text is a message or is refused with a code and a short reason, and a message is written as
//! one that is read as the same.

use cossistant_protocol::examples::CLIENT;
use cossistant_protocol::{ClientFrame, ClientMessage, ErrorCode};
use serde::de::IgnoredAny;

use crate::{Target, json};

/// An input is the text of a frame.
pub(crate) const TARGET: Target = Target {
    name: "client_messages",
    run,
    seeds: || json::texts(CLIENT),
    words: json::WORDS,
    max_bytes: 4_096,
    change: Some(json::change_client),
};

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match ClientFrame::parse(text) {
        Ok(frame) => {
            let written = frame.encode();
            assert_eq!(ClientFrame::parse(&written).as_ref(), Ok(&frame), "{written}");
            if let ClientMessage::SendMessage(message) = &frame.message {
                let canonical = message.canonical();
                let again: serde_json::Value = serde_json::from_str(&canonical).expect("one form is JSON");
                assert_eq!(cossistant_protocol::json::canonical(&again), canonical, "one form has itself for one form");
            }
        }
        Err(rejected) => {
            let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
            let details = rejected.details();
            #[expect(clippy::wildcard_enum_match_arm, reason = "a parser has three codes")]
            match rejected.code {
                ErrorCode::InvalidJson => assert!(!is_json && details.is_none() && rejected.id.is_none()),
                ErrorCode::UnknownType => assert!(is_json && details.is_none()),
                code => {
                    assert_eq!(code, ErrorCode::InvalidMessage);
                    let details = details.expect("what is invalid is said");
                    assert!(details.path.is_some_and(|path| path.len() < text.len() + 20));
                    let reason = details.reason.unwrap_or_default();
                    assert!(!reason.is_empty() && reason.len() < 200, "the peer does not choose the reason: {reason}");
                }
            }
        }
    }
}
