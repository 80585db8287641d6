//! The headers of an upgrade: whatever they say, an answer that is given could have been offered.

use cossistant_server::gateway::deflate::negotiate;
use cossistant_server::gateway::handshake::{OfferedProtocols, SUBPROTOCOL, accept_key, has_token, is_valid_key};

use crate::Target;

/// An input is some values of one header, one a line.
pub(crate) const TARGET: Target = Target {
    name: "handshake",
    run,
    seeds,
    words: &[
        "permessage-deflate",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
        SUBPROTOCOL,
        "bearer.",
        "upgrade",
        "; ",
        ", ",
        "=\"10\"",
    ],
    max_bytes: 512,
    change: None,
};

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(params) = negotiate(text.lines()) {
        assert!(text.to_ascii_lowercase().contains("permessage-deflate"), "nothing is answered that was not offered");
        let bits = params.server_window_bits();
        assert!((8..=15).contains(&bits));
        assert_eq!(negotiate([params.to_string().as_str()]), Some(params), "the answer says what was agreed");
        assert_eq!(params.takes_shared(), bits == 15);
    }
    let offered = OfferedProtocols::parse(text.lines());
    if let Some(protocol) = offered.subprotocol {
        assert!(text.contains(protocol));
    }
    if let Some(bearer) = offered.bearer {
        assert!(!bearer.is_empty() && !bearer.contains([',', '\n']) && text.contains(&format!("bearer.{bearer}")));
        let shown = format!("OfferedProtocols {{ subprotocol: {:?}, has_bearer: true }}", offered.subprotocol);
        assert_eq!(format!("{offered:?}"), shown, "a credential is not shown");
    }
    if has_token(text, "upgrade") {
        assert!(text.to_ascii_lowercase().contains("upgrade"));
    }
    assert_eq!(accept_key(text).len(), 28);
    if is_valid_key(text) {
        let is_of_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        assert!(text.len() == 24 && text.ends_with("==") && text.bytes().take(22).all(is_of_base64));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=\"12\"",
        "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_no_context_takeover",
        "x-webkit-deflate-frame\nPermessage-Deflate;client_no_context_takeover;server_max_window_bits=\"8\"",
        "permessage-deflate; server_max_window_bits=08, foo; a=\"b\\\"c\", permessage-deflate",
        "cossistant.v1, bearer.eyJh.eyJi.c2ln",
        "bearer.,bearer.one\nbearer.two, cossistant.v1",
        "keep-alive, Upgrade",
        "dGhlIHNhbXBsZSBub25jZQ==",
        "",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
