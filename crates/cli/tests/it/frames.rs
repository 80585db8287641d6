//! Sections 1 and 3: the form of frames and messages, and what a wrong one is told.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cossistant_testkit::{Server, WsClient, unique};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::RawSocket;
use crate::support::{PATIENCE, Stage, is, new_message, say, say_with, subscribe, text, try_say};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

#[tokio::test]
async fn pong_goes_to_the_sender_alone_with_its_id() {
    let stage = stage();
    let sub = unique("u");
    let (mut one, mut other) = (stage.user(&sub).await, stage.user(&sub).await);
    one.send(json!({"type": "ping", "id": "p-1", "timestamp": 1, "unknown": {"field": true}})).await;
    let pong = one.expect_answer("p-1").await;
    assert_eq!(pong["type"], "pong", "section 3, ping: {pong}");
    other.assert_none("section 3, pong to the sender alone", |message| message["id"] == "p-1").await;
    one.send(json!({"type": "ping"})).await;
    let pong = one.expect("pong").await;
    assert!(pong.get("id").is_none_or(Value::is_null), "section 1, no id, none in the answer: {pong}");
}

#[tokio::test]
async fn text_that_is_no_json_is_told() {
    let mut client = stage().user(&unique("u")).await;
    let deep = format!("{{\"type\":\"ping\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for bad in ["", "{", "nonsense", "{\"type\":\"ping\"", "{'type':'ping'}", "{\"type\":\"ping\",\"n\":NaN}", &deep] {
        client.send_text(bad).await;
        let error = client.expect("error").await;
        let code = text(&error, "code");
        assert!(
            code == "invalid_json" || (bad.len() > 1_000 && code == "invalid_message"),
            "section 4, no JSON: {error}"
        );
    }
    client.fence().await;
}

#[tokio::test]
async fn json_that_is_no_message_is_told() {
    let mut client = stage().user(&unique("u")).await;
    for bad in ["[]", "\"ping\"", "1", "null", "true", "{}", "{\"type\":5}", "{\"type\":null}", "[{\"type\":\"ping\"}]"]
    {
        client.send_text(bad).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], "invalid_message", "section 1, {bad} is no object with a string type: {error}");
    }
    client.send(json!({"type": 5, "id": "with-id"})).await;
    client.expect_error("with-id", "invalid_message", "section 1, errors carry the id").await;
    client.fence().await;
}

#[tokio::test]
async fn an_unknown_type_is_told_with_its_id() {
    let mut client = stage().user(&unique("u")).await;
    for kind in ["dance", "Ping", "new_message", "connection_established", ""] {
        let id = unique("id");
        client.send(json!({"type": kind, "id": id})).await;
        client.expect_error(&id, "unknown_type", "section 1, an unknown type").await;
    }
    client.fence().await;
}

#[tokio::test]
async fn an_id_has_1_to_64_chars() {
    let mut client = stage().user(&unique("u")).await;
    for bad in [json!(""), json!("x".repeat(65)), json!(7), json!({}), json!("a\u{0}b")] {
        client.send(json!({"type": "ping", "id": bad})).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], "invalid_message", "section 1, the id {bad}: {error}");
        assert!(error.get("id").is_none_or(Value::is_null), "section 1, without an id of bad form: {error}");
    }
    for good in ["x".repeat(64), "ü😀".repeat(32), "x".to_owned()] {
        client.send(json!({"type": "ping", "id": good})).await;
        assert_eq!(client.expect_answer(&good).await["type"], "pong", "section 1, chars are Unicode scalar values");
    }
}

#[tokio::test]
async fn fields_of_a_wrong_form_are_named_by_path() {
    let stage = stage();
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let mut agent = stage.agent(&unique("a")).await;
    let attachment = |url: &str| json!({"id": "a1", "url": url, "type": "image/png", "name": "a.png"});
    let deep = (0..9).fold(json!(1), |inner, _| json!({"x": inner}));
    let send = |content: Value| json!({"type": "send_message", "conversationId": conversation, "content": content});
    let sends = |more: Value| {
        let mut message = send(json!({"text": "x"}));
        crate::support::merge(&mut message, &more);
        message
    };
    let cases = [
        (json!({"type": "typing_start"}), "conversationId"),
        (json!({"type": "typing_start", "conversationId": 5}), "conversationId"),
        (json!({"type": "typing_start", "conversationId": ""}), "conversationId"),
        (json!({"type": "typing_start", "conversationId": "a/b"}), "conversationId"),
        (json!({"type": "typing_start", "conversationId": "a.*"}), "conversationId"),
        (json!({"type": "typing_start", "conversationId": "x".repeat(129)}), "conversationId"),
        (json!({"type": "send_message", "conversationId": conversation}), "content"),
        (send(json!("hello")), "content"),
        (send(json!({})), "content"),
        (send(json!({"text": "", "html": "", "attachments": []})), "content"),
        (send(json!({"text": 5})), "content.text"),
        (send(json!({"text": "x".repeat(16_001)})), "content.text"),
        (send(json!({"text": "a\u{0}b"})), "content.text"),
        (send(json!({"text": "x", "html": "x".repeat(32_001)})), "content.html"),
        (send(json!({"text": "x", "attachments": vec![attachment("https://x.example/a"); 11]})), "content.attachments"),
        (
            send(json!({"attachments": [attachment("https://x.example/a"), attachment("javascript:alert(1)")]})),
            "content.attachments.1.url",
        ),
        (send(json!({"attachments": [attachment("data:text/html,x")]})), "content.attachments.0.url"),
        (
            send(json!({"attachments": [{"id": "a", "url": "https://x.example", "type": "image/png"}]})),
            "content.attachments.0.name",
        ),
        (send(json!({"text": "x", "metadata": deep})), "content.metadata"),
        (send(json!({"text": "x", "metadata": []})), "content.metadata"),
        (sends(json!({"metadata": {"big": "x".repeat(8_200)}})), "metadata"),
        (sends(json!({"metadata": {"k": "a\u{0}"}})), "metadata.k"),
        (sends(json!({"visibility": "secret"})), "visibility"),
        (json!({"type": "mark_seen", "conversationId": conversation, "seq": -1}), "seq"),
        (json!({"type": "mark_seen", "conversationId": conversation, "seq": "1"}), "seq"),
        (json!({"type": "mark_seen", "conversationId": conversation}), "seq"),
        (json!({"type": "typing_progress", "conversationId": conversation, "content": "x".repeat(2_001)}), "content"),
        (json!({"type": "agent_activity", "conversationId": conversation, "phase": ""}), "phase"),
        (json!({"type": "agent_activity", "conversationId": conversation, "phase": "x".repeat(65)}), "phase"),
        (
            json!({"type": "agent_activity", "conversationId": conversation, "phase": "x", "audience": "world"}),
            "audience",
        ),
    ];
    for (mut message, path) in cases {
        let id = unique("bad");
        message["id"] = json!(id);
        agent.send(message.clone()).await;
        let error = agent.expect_error(&id, "invalid_message", &format!("section 3, {path}")).await;
        // What is deep inside metadata may be named by the metadata as a whole, or more exactly.
        let said = text(&error["details"], "path");
        let within = |outer: &str, inner: &str| {
            outer.ends_with("metadata") && inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
        };
        assert!(
            said == path || within(said, path) || within(path, said),
            "section 3, details.path is dotted, {path}: {error}"
        );
        assert!(error["details"]["reason"].is_string(), "section 4, details.reason: {error}");
    }
    agent.fence().await;
}

#[tokio::test]
async fn null_is_the_absence_of_an_optional_field() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let more = json!({"after": null, "epoch": null, "last": null, "timestamp": null});
    let confirmed = crate::support::subscribe_with(&mut visitor, &conversation, more).await;
    assert_eq!(confirmed["replayed"], 0, "null asks for nothing: {confirmed}");
    let content = json!({"text": "x", "html": null, "attachments": null, "metadata": null});
    let ack = say_with(&mut visitor, &conversation, json!({"id": "k", "content": content, "metadata": null})).await;
    let again = say_with(&mut visitor, &conversation, json!({"id": "k", "content": {"text": "x"}})).await;
    assert_eq!(again["duplicate"], true, "section 3, the same content: {again}");
    let message = new_message(&mut visitor, &ack).await;
    assert_eq!(message["content"], json!({"text": "x"}), "section 4, what is not there is left out: {message}");
    let token = stage.visitor_token(visitor.user_id());
    let body = json!({"conversationId": null, "websiteId": null});
    let made = stage.http.post("/v1/conversations", body).bearer(&token).send().await;
    let _made = made.expect(201, "section 8, the same in bodies");
    visitor.send(json!({"type": "mark_seen", "id": "seen", "conversationId": conversation, "seq": null})).await;
    visitor.expect_error("seen", "invalid_message", "section 3, what must be there must not be null").await;
}

#[tokio::test]
async fn texts_up_to_the_limits_pass() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let content = json!({"text": "😀".repeat(16_000)});
    let ack = say_with(&mut visitor, &conversation, json!({"content": content})).await;
    assert_eq!(
        new_message(&mut visitor, &ack).await["content"]["text"],
        content["text"],
        "section 3, 16,000 chars of 4 bytes"
    );
    let deep = (0..7).fold(json!(1), |inner, _| json!({"x": inner}));
    say_with(&mut visitor, &conversation, json!({"metadata": deep, "content": {"text": "x", "metadata": deep}})).await;
    let url = json!({"id": "a1", "url": "http://x.example/a.png", "type": "image/png", "name": "a.png", "size": 5});
    let ack = say_with(&mut visitor, &conversation, json!({"content": {"attachments": vec![url.clone(); 10]}})).await;
    let message = new_message(&mut visitor, &ack).await;
    assert_eq!(message["content"]["attachments"][9], url, "section 3, ten attachments alone are a message: {message}");
}

#[tokio::test]
async fn subscriptions_of_a_wrong_form_are_refused() {
    let mut client = stage().user(&unique("u")).await;
    for (at, after) in [json!(-1), json!("5"), json!(1.5)].into_iter().enumerate() {
        let id = format!("after-{at}");
        client
            .send(json!({"type": "subscribe_conversation", "id": id, "conversationId": "conv-1", "after": after}))
            .await;
        let answer = client.expect_answer(&id).await;
        assert_eq!(answer["type"], "subscription_error", "section 3, the channel can be named: {answer}");
        assert_eq!(
            (&answer["code"], &answer["channel"]),
            (&json!("invalid_message"), &json!("conversation:conv-1")),
            "section 3: {answer}"
        );
    }
    client.send(json!({"type": "subscribe_conversation", "id": "none", "conversationId": "a b"})).await;
    client.expect_error("none", "invalid_message", "section 3, no channel can be named, so `error`").await;
}

#[tokio::test]
async fn roles_bound_what_one_may_send() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let with_html = json!({"content": {"text": "x", "html": "<b>x</b>"}});
    let as_note = json!({"visibility": "internal"});
    for (more, rule) in [(with_html, "html is for users and ai_agents"), (as_note, "notes are for users and ai_agents")]
    {
        let answer = try_say(&mut visitor, &conversation, more).await;
        assert_eq!(answer["code"], "forbidden", "section 3, {rule}: {answer}");
    }
    visitor.send(json!({"type": "viewing_start", "id": "view", "conversationId": conversation})).await;
    visitor.expect_error("view", "forbidden", "section 3, viewing is for users").await;
    visitor.send(json!({"type": "subscribe_website", "id": "site", "websiteId": stage.website})).await;
    let answer = visitor.expect_answer("site").await;
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&json!("subscription_error"), &json!("forbidden")),
        "section 3: {answer}"
    );
    for client in [&mut visitor, &mut user] {
        client
            .send(json!({"type": "agent_activity", "id": "act", "conversationId": conversation, "phase": "thinking"}))
            .await;
        client.expect_error("act", "forbidden", "section 3, agent_activity is for ai_agents").await;
    }
}

#[tokio::test]
async fn html_is_kept_sanitised() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let html = "<b>bold</b><script>alert(1)</script><img src=x onerror=alert(2)><a href=\"javascript:alert(3)\">l</a>";
    let ack = say_with(&mut user, &conversation, json!({"content": {"html": html}})).await;
    let message = new_message(&mut visitor, &ack).await;
    let kept = text(&message["content"], "html");
    assert!(kept.contains("<b>bold</b>"), "section 3, the server keeps a sanitised form: {kept}");
    for bad in ["<script", "onerror", "javascript:"] {
        assert!(!kept.contains(bad), "section 3, {bad} is sanitised away: {kept}");
    }
}

#[tokio::test]
async fn a_lone_surrogate_is_no_text() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    visitor.send_text(format!("{{\"type\":\"send_message\",\"id\":\"s\",\"conversationId\":\"{conversation}\",\"content\":{{\"text\":\"a\\ud800b\"}}}}")).await;
    let error = visitor.expect("error").await;
    assert!(
        ["invalid_json", "invalid_message"].contains(&text(&error, "code")),
        "section 1, chars are scalar values: {error}"
    );
    visitor.fence().await;
}

#[tokio::test]
async fn a_binary_frame_is_closed_with_1003() {
    let mut client = stage().user(&unique("u")).await;
    client.send_binary(b"{\"type\":\"ping\"}".to_vec()).await;
    client.expect_close(1003, "section 1, a binary frame").await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_closed_with_1009() {
    let stage = stage();
    let sized = |size: usize| {
        let head = "{\"type\":\"ping\",\"id\":\"big\",\"x\":\"";
        format!("{head}{}\"}}", "x".repeat(size - head.len() - 2))
    };
    let mut client = stage.user(&unique("u")).await;
    client.send_text(sized(65_536)).await;
    assert_eq!(client.expect_answer("big").await["type"], "pong", "section 1, 64 KiB is within the limit");
    client.send_text(sized(65_537)).await;
    client.expect_close(1009, "section 1, above the size limit").await;
}

#[tokio::test]
async fn a_hundred_invalid_messages_are_abuse() {
    let mut client = stage().user(&unique("u")).await;
    for _ in 0..100 {
        if client.try_send(json!({"type": "send_message"})).await.is_err() {
            break;
        }
    }
    let closed = client.expect_close(4400, "section 4, 100 invalid messages in 60 s").await;
    assert!(!closed.reason.is_empty(), "section 4, each close has a reason");
    let told = client.seen().iter().filter(|message| is("error")(message)).count();
    assert!(told >= 90, "section 4, invalid ones before are told, not closed: {told}");
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(text.len() + 1024);
    compress.compress_vec(text, &mut out, FlushCompress::Sync).expect("deflate cannot fail");
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "a sync flush ends so");
    out.truncate(out.len() - 4);
    out
}

#[tokio::test]
async fn deflate_is_negotiated_and_its_limit_counts_inflated_bytes() {
    let stage = stage();
    let mut socket = RawSocket::connect(&stage, "permessage-deflate; client_max_window_bits").await;
    assert!(socket.head.starts_with("http/1.1 101"), "section 1: {}", socket.head);
    let answer =
        socket.head.lines().find(|line| line.starts_with("sec-websocket-extensions:")).unwrap_or_default().to_owned();
    for part in ["permessage-deflate", "server_no_context_takeover", "client_no_context_takeover"] {
        assert!(answer.contains(part), "section 1, deflate is negotiated when offered, no context takeover: {answer}");
    }
    socket.send(0xc1, &deflated(br#"{"type":"ping","id":"deflated"}"#)).await;
    let bomb = format!("{{\"type\":\"ping\",\"x\":\"{}\"}}", "x".repeat(4 << 20));
    let bomb = deflated(bomb.as_bytes());
    assert!(bomb.len() < 60_000, "small on the wire");
    socket.send(0xc1, &bomb).await;
    assert_eq!(socket.close_code().await, Some(1009), "section 1, every limit counts inflated bytes");
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 * 1024);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false)
        .decompress_vec(&whole, &mut out, FlushDecompress::Sync)
        .expect("what is compressed inflates");
    out
}

#[tokio::test]
async fn only_long_messages_are_compressed_and_only_for_whole_windows() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    for (offer, is_compressed) in [
        ("permessage-deflate", true),
        ("permessage-deflate; server_max_window_bits=15", true),
        ("permessage-deflate; server_max_window_bits=14", false),
        ("permessage-deflate; server_max_window_bits=8", false),
        ("x-unknown", false),
    ] {
        let mut socket = RawSocket::connect(&stage, offer).await;
        let subscribe = format!(r#"{{"type":"subscribe_conversation","id":"s","conversationId":"{conversation}"}}"#);
        socket.send(0x81, subscribe.as_bytes()).await;
        socket.send(0x81, br#"{"type":"ping","id":"p"}"#).await;
        let words = "more than a window of eight bits holds, ".repeat(40);
        let (mut is_subscribed, mut is_answered, mut is_told) = (false, false, false);
        while !(is_subscribed && is_answered && is_told) {
            let frame = tokio::time::timeout(PATIENCE, socket.frame()).await.expect("a frame in time");
            let (first, payload) = frame.expect("the connection stays open");
            let text = if first == 0xc1 { inflated(&payload) } else { payload };
            let is_long = text.len() >= 256;
            assert_eq!(first, if is_long && is_compressed { 0xc1 } else { 0x81 }, "section 1, for {offer}");
            let message: Value = serde_json::from_slice(&text).expect("a message");
            is_answered |= message["type"] == "pong";
            if message["type"] == "subscription_confirmed" {
                is_subscribed = true;
                say(&mut visitor, &conversation, &words).await;
            }
            is_told |= message["type"] == "new_message" && message["content"]["text"] == words;
        }
    }
}

#[tokio::test]
async fn broken_frames_are_closed_by_the_book() {
    let stage = stage();
    let invalid_utf8: &[u8] = b"{\"type\":\"\xff\"}";
    let cases: [(u8, &[u8], u16, &str); 5] = [
        (0x83, b"x", 1002, "a reserved opcode"),
        (0xc1, b"x", 1002, "a reserved bit without an extension"),
        (0x88, &[3], 1002, "a close frame of one byte"),
        (0x88, &[0x03, 0xed], 1002, "a close code that nobody may send"),
        (0x81, invalid_utf8, 1007, "text that is no UTF-8"),
    ];
    for (first, payload, code, rule) in cases {
        let mut socket = RawSocket::connect(&stage, "x-unknown").await;
        socket.send(first, payload).await;
        assert_eq!(socket.close_code().await, Some(code), "RFC 6455, {rule}");
    }
}

#[tokio::test]
async fn a_message_in_fragments_counts_as_one() {
    let stage = stage();
    let mut socket = RawSocket::connect(&stage, "x-unknown").await;
    socket.send(0x01, br#"{"type":"ping","x":""#).await;
    for _ in 0..5 {
        socket.send(0x00, &[b'x'; 16_000]).await;
    }
    assert_eq!(socket.close_code().await, Some(1009), "section 1, the limit is of the message");
}

#[tokio::test]
async fn what_is_no_websocket_is_told_why_and_the_line_ends() {
    let stage = stage();
    let big = [b"{\"type\":\"ping\",\"x\":\"".as_slice(), &[b'x'; 100_000]].concat();
    for (first, payload, code) in
        [(0x82, &b"{}"[..], 1003), (0x81, &big, 1009), (0x81, b"\xff", 1007), (0xc1, b"{}", 1002)]
    {
        let mut socket = RawSocket::connect(&stage, "").await;
        socket.send(first, payload).await;
        assert_eq!(socket.close_code().await, Some(code), "section 1");
        let begun = Instant::now();
        assert!(socket.frame().await.is_none(), "RFC 6455, nothing follows a close");
        assert!(begun.elapsed() < Duration::from_secs(5), "RFC 6455, 7.1.1, the server ends the line: {code}");
        // Whoever had more to say is not interrupted, so that it can read why.
        socket.send(0x88, &u16::to_be_bytes(code)).await;
    }
}

#[tokio::test]
async fn a_message_in_endless_fragments_is_abuse() {
    let stage = stage();
    for payload in [&b" "[..], b""] {
        let mut socket = RawSocket::connect(&stage, "").await;
        socket.send(0x01, b"{").await;
        // The close may come before all of it is said.
        let fragment = [&[0x00, 0x80 | u8::try_from(payload.len()).expect("short"), 0, 0, 0, 0], payload].concat();
        let _refused = socket.stream.write_all(&fragment.repeat(5_000)).await;
        assert_eq!(socket.close_code().await, Some(4400), "section 4, protocol abuse by fragments of {payload:?}");
    }
}

#[tokio::test]
async fn a_message_that_drips_is_not_waited_for() {
    let stage = stage();
    let mut socket = RawSocket::connect(&stage, "").await;
    let begun = Instant::now();
    socket.send(0x01, b"{").await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        socket.send(0x00, b" ").await;
        // A sign of life is none of the message.
        socket.send(0x89, &[b'x'; 125]).await;
    }
    assert_eq!(socket.close_code().await, Some(4008), "a message took too long");
    assert!(begun.elapsed() > Duration::from_secs(9), "it has ten seconds");
}

#[tokio::test]
async fn a_close_of_the_peer_is_answered() {
    let stage = stage();
    for code in [1000_u16, 1001, 4999] {
        let mut socket = RawSocket::connect(&stage, "").await;
        socket.send(0x88, &code.to_be_bytes()).await;
        assert_eq!(socket.close_code().await, Some(code), "section 4, done; RFC 6455, the code is repeated");
        let after = tokio::time::timeout(PATIENCE, socket.stream.read_u8()).await.expect("the line ends in time");
        assert!(after.is_err(), "RFC 6455, nothing follows a close");
    }
}

#[tokio::test]
async fn unsubscribing_is_always_answered() {
    let stage = stage();
    let (mut visitor, conversation): (WsClient, String) = stage.visitor_in_conversation().await;
    for round in ["held", "not held"] {
        let id = unique("un");
        visitor.send(json!({"type": "unsubscribe_conversation", "id": id, "conversationId": conversation})).await;
        let answer = visitor.expect_answer(&id).await;
        assert_eq!(answer["type"], "subscription_ended", "section 3, unsubscribing from what is {round}: {answer}");
        assert_eq!(answer["channel"], format!("conversation:{conversation}"), "section 4: {answer}");
    }
    let ack = try_say(&mut visitor, &conversation, json!({})).await;
    assert_eq!(ack["type"], "message_ack", "section 3, sending needs no subscription: {ack}");
    visitor.assert_none("section 3, no events after the end", is("new_message")).await;
    subscribe(&mut visitor, &conversation).await;
}

#[tokio::test]
async fn what_came_with_the_request_is_answered_in_its_order() {
    let stage = stage();
    let pings: Vec<u8> = (0..20).flat_map(|n: u8| [0x89, 0x81, 0, 0, 0, 0, n]).collect();
    let mut raw = RawSocket::connect_and_send(&stage, "", &pings).await;
    let mut pongs = Vec::new();
    while pongs.len() < 20 {
        let frame = tokio::time::timeout(PATIENCE, raw.frame()).await.expect("a frame in time");
        let (first, payload) = frame.expect("the connection stays open");
        if first == 0x8a {
            pongs.extend(payload);
        }
    }
    assert_eq!(pongs, (0..20).collect::<Vec<u8>>());
}

#[tokio::test]
async fn an_end_of_the_stream_is_noticed_though_it_comes_with_a_message() {
    let stage = stage();
    for _ in 0..20 {
        let mut raw = RawSocket::connect(&stage, "").await;
        // The end reaches the server together with the message, or so shortly behind it that it is one piece of news.
        raw.send(0x81, br#"{"type":"ping","id":"last"}"#).await;
        raw.stream.shutdown().await.expect("the server reads");
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, raw.stream.read_to_end(&mut rest)).await;
        // A reset is an end as well.
        let _how = ended.expect("the server lets go of the socket");
    }
}
