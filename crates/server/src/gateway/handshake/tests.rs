//! The handshake's examples and what must not pass for them.

use super::*;

#[test]
fn the_accept_key_of_the_standard() {
    let accept = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn keys() {
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC=="] {
        assert!(is_valid_key(key), "{key}");
    }
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZSAx",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25j-_==",
        " GhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ= ",
        "====================ab==",
    ] {
        assert!(!is_valid_key(key), "{key}");
    }
}

#[test]
fn header_tokens() {
    assert!(has_token("Upgrade", "upgrade"));
    assert!(has_token("keep-alive, Upgrade", "upgrade"));
    assert!(has_token("\tWebSocket ", "websocket"));
    assert!(!has_token("", "upgrade"));
    assert!(!has_token("upgraded, x-upgrade", "upgrade"));
    assert!(!has_token("keep-alive Upgrade", "upgrade"));
}

fn parse<'a>(headers: &[&'a str]) -> (Option<&'static str>, Option<&'a str>) {
    let offered = OfferedProtocols::parse(headers.iter().copied());
    (offered.subprotocol, offered.bearer)
}

#[test]
fn subprotocols() {
    let ours = Some(SUBPROTOCOL);
    assert_eq!(parse(&[]), (None, None));
    assert_eq!(parse(&["cossistant.v1"]), (ours, None));
    assert_eq!(parse(&["chat, cossistant.v1 ,x"]), (ours, None));
    assert_eq!(parse(&["bearer.a.b_c-d,cossistant.v1"]), (ours, Some("a.b_c-d")));
    assert_eq!(parse(&["cossistant.v1", "bearer.t"]), (ours, Some("t")));
    assert_eq!(parse(&["bearer.t"]), (None, Some("t")));
    assert_eq!(parse(&["bearer., bearer.one, bearer.two"]), (None, Some("one")));
    assert_eq!(parse(&["Cossistant.v1, cossistant.v10, bearer"]), (None, None));
}

#[test]
fn a_credential_does_not_show_in_logs() {
    let offered = OfferedProtocols::parse(["cossistant.v1, bearer.secret"]);
    assert!(!format!("{offered:?}").contains("secret"));
}
