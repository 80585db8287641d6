//! What a server says, as a client reads it: any text is a message or is refused, and a message is written as one that
//! is read as the same.

use cossistant_protocol::ServerMessage;
use cossistant_protocol::examples::SERVER;

use crate::{Target, json};

/// An input is the text of a frame.
pub(crate) const TARGET: Target = Target {
    name: "server_messages",
    run,
    seeds: || json::texts(SERVER),
    words: json::WORDS,
    max_bytes: 4_096,
    change: Some(json::change_server),
};

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(message) = ServerMessage::parse(text) {
        let written = message.encode();
        let again = ServerMessage::parse(&written);
        assert_eq!(again.map(|message| message.encode()).as_ref(), Ok(&written));
    }
}
