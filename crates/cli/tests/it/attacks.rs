//! Attacks that no other module has, each with what it must get; `docs/attacks.md` says where the others are.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use cossistant_testkit::{ConnectError, Credential, Server, unique};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::RawSocket;
use crate::support::{
    PATIENCE, Stage, new_message, number, options, say, say_with, subscribe, subscribe_with, text, try_say,
};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

#[tokio::test]
async fn a_forged_forwarded_address_counts_for_nothing() {
    let server = options("limit_connections = 1\n").start();
    let stage = Stage::of(&server);
    let token = || Credential::Header(stage.user_token(&unique("u")));
    let _held = stage.options(token()).establish().await;
    for (name, value) in [
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-For", "198.51.100.7, 127.0.0.1"),
        ("Forwarded", "for=198.51.100.8"),
        ("X-Real-IP", "198.51.100.9"),
        ("CF-Connecting-IP", "198.51.100.9"),
    ] {
        let forged = stage.options(token()).header(name, value).connect().await;
        let Err(ConnectError::Refused { status, .. }) = &forged else { panic!("section 9, {name}: {forged:?}") };
        assert_eq!(*status, 429, "section 9, {name} of somebody who is no proxy: {forged:?}");
    }
}

#[tokio::test]
async fn a_frame_without_a_mask_is_closed_with_1002() {
    let mut socket = RawSocket::connect(&stage(), "").await;
    socket.stream.write_all(b"\x81\x02{}").await.expect("it reads");
    assert_eq!(socket.close_code().await, Some(1002), "RFC 6455, clients mask");
}

#[tokio::test]
async fn control_frames_that_no_peer_may_send_are_closed_with_1002() {
    let stage = stage();
    for (first, payload, rule) in [
        (0x88, [&3_000_u16.to_be_bytes()[..], &[b'x'; 124]].concat(), "a close of 126 bytes"),
        (0x89, vec![b'x'; 126], "a ping of 126 bytes"),
        (0x09, vec![b'x'; 5], "a ping in fragments"),
        (0x80, b"x".to_vec(), "a continuation of nothing"),
        (0xa1, b"x".to_vec(), "a reserved bit"),
        (0x8f, b"x".to_vec(), "a reserved opcode"),
    ] {
        let mut socket = RawSocket::connect(&stage, "").await;
        socket.send(first, &payload).await;
        assert_eq!(socket.close_code().await, Some(1002), "RFC 6455, {rule}");
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2000, 5000] {
        let mut socket = RawSocket::connect(&stage, "").await;
        socket.send(0x88, &code.to_be_bytes()).await;
        assert_eq!(socket.close_code().await, Some(1002), "RFC 6455, nobody may close with {code}");
    }
}

#[tokio::test]
async fn pings_are_answered_before_anybody_has_logged_in() {
    let stage = stage();
    let mut socket = RawSocket::connect_as_nobody(&stage).await;
    for payload in [&b"one"[..], &b"two"[..]] {
        socket.send(0x89, payload).await;
        assert_eq!(socket.frame().await, Some((0x8a, payload.to_vec())), "RFC 6455, section 5.5.2");
    }
}

#[tokio::test]
async fn a_length_that_no_message_has_is_refused_at_the_header() {
    let stage = stage();
    for length in [65_537_u64, 1 << 32, 1 << 62, 1 << 63, u64::MAX] {
        let mut socket = RawSocket::connect(&stage, "").await;
        let head = [&[0x81, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
        socket.stream.write_all(&head).await.expect("it reads");
        // Not a byte of it has come.
        let code = socket.close_code().await;
        assert!(matches!(code, Some(1002 | 1009)), "section 1, {length} bytes are announced: {code:?}");
    }
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_closed_with_1007_wherever_it_is_cut() {
    let stage = stage();
    for (rule, parts) in [
        ("a surrogate", vec![&b"{\"type\":\"\xed\xa0\x80\"}"[..]]),
        ("an overlong slash", vec![&b"{\"type\":\"\xc0\xaf\"}"[..]]),
        ("beyond Unicode", vec![&b"{\"type\":\"\xf4\x90\x80\x80\"}"[..]]),
        ("a character that does not end", vec![&b"{\"type\":\"\xe2\x82"[..]]),
        ("a character whose rest never comes", vec![&b"{\"type\":\"\xe2\x82"[..], &b"\"}"[..]]),
    ] {
        let mut socket = RawSocket::connect(&stage, "").await;
        for (at, part) in parts.iter().enumerate() {
            let opcode = if at == 0 { 0x01 } else { 0x00 };
            let is_last = if at + 1 == parts.len() { 0x80 } else { 0x00 };
            socket.send(opcode | is_last, part).await;
        }
        assert_eq!(socket.close_code().await, Some(1007), "RFC 6455, {rule}");
    }
    let mut socket = RawSocket::connect(&stage, "").await;
    socket.send(0x88, b"\x03\xe8\xff\xfe").await;
    assert_eq!(socket.close_code().await, Some(1007), "RFC 6455, the reason of a close is text too");
    // One that is cut in the middle of a character is whole in the end.
    let mut socket = RawSocket::connect(&stage, "").await;
    socket.send(0x01, b"{\"type\":\"ping\",\"id\":\"\xe2\x82").await;
    socket.send(0x80, b"\xac\"}").await;
    let (mut pong, mut frames) = (None, 0);
    while pong.is_none() && frames < 10 {
        frames += 1;
        let (_, payload) = socket.frame().await.expect("the connection stays");
        pong = String::from_utf8(payload).ok().filter(|text| text.contains("\"€\""));
    }
    assert!(pong.is_some_and(|text| text.contains("pong")), "section 3, ping");
}

#[tokio::test]
async fn nothing_follows_a_close_and_a_cut_frame_harms_nobody() {
    let stage = stage();
    let mut other = stage.user(&unique("u")).await;
    let mut socket = RawSocket::connect(&stage, "").await;
    let ping = br#"{"type":"ping","id":"late"}"#;
    let late = [&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8][..], &[0x81, 0x80 | 27, 0, 0, 0, 0], ping].concat();
    socket.stream.write_all(&late).await.expect("it reads");
    assert_eq!(socket.close_code().await, Some(1000), "RFC 6455, a close is answered");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, socket.stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty(), "RFC 6455, what comes behind a close is not heard: {rest:?}");
    for _ in 0..20 {
        let mut socket = RawSocket::connect(&stage, "").await;
        socket.stream.write_all(&[0x81, 0x80 | 100, 0, 0, 0, 0, b'{']).await.expect("it reads");
        socket2::SockRef::from(&socket.stream).set_linger(Some(Duration::ZERO)).expect("a reset");
    }
    other.fence().await;
}

#[tokio::test]
async fn json_that_two_parsers_could_read_in_two_ways_is_refused() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let head = format!(r#""type":"send_message","conversationId":"{conversation}""#);
    for (rule, message) in [
        ("a type twice", r#"{"type":"ping","type":"send_message","id":"x"}"#.to_owned()),
        ("content twice", format!(r#"{{{head},"id":"x","content":{{"text":"a"}},"content":{{"text":"b"}}}}"#)),
        ("a text twice", format!(r#"{{{head},"id":"x","content":{{"text":"a","text":"b"}}}}"#)),
        ("an id that is a number", format!(r#"{{{head},"id":1,"content":{{"text":"a"}}}}"#)),
        ("an id that is a float", format!(r#"{{{head},"id":1.5,"content":{{"text":"a"}}}}"#)),
        (
            "a number beyond all",
            format!(r#"{{"type":"mark_seen","id":"x","conversationId":"{conversation}","seq":1e999}}"#),
        ),
        (
            "a number below 0",
            format!(r#"{{"type":"mark_seen","id":"x","conversationId":"{conversation}","seq":-0.5}}"#),
        ),
        (
            "a number beyond 2^53",
            format!(r#"{{"type":"mark_seen","id":"x","conversationId":"{conversation}","seq":9007199254740993}}"#),
        ),
        ("NaN", format!(r#"{{"type":"mark_seen","id":"x","conversationId":"{conversation}","seq":NaN}}"#)),
        (
            "a number beyond 2^64",
            format!(r#"{{"type":"mark_seen","id":"x","conversationId":"{conversation}","seq":18446744073709551616}}"#),
        ),
    ] {
        visitor.send_text(message).await;
        let error = visitor.expect("error").await;
        let code = text(&error, "code");
        assert!(["invalid_message", "invalid_json"].contains(&code), "section 1, {rule}: {error}");
    }
    // What means nothing here is kept as it is, and changes nothing.
    let metadata = json!({"__proto__": {"isAdmin": true}, "constructor": {"prototype": {}}});
    let ack = say_with(&mut visitor, &conversation, json!({"metadata": metadata})).await;
    assert_eq!(new_message(&mut visitor, &ack).await["metadata"], metadata, "section 3, metadata is the sender's");
    let confirmed = subscribe(&mut visitor, &conversation).await;
    assert_eq!(confirmed["head"], ack["seq"], "nothing else was stored: {confirmed}");
}

#[tokio::test]
async fn ids_are_letters_digits_and_little_else() {
    let stage = stage();
    let mut user = stage.user(&unique("u")).await;
    for bad in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a.b",
        "*",
        ">",
        "a b",
        "a\u{0}b",
        "a\nb",
        "a\r\nb",
        "a\u{202e}b",
        "a'b",
        "a\"b",
        "a%00",
        "ａ",
        "é",
    ] {
        for (kind, field) in [("subscribe_conversation", "conversationId"), ("subscribe_website", "websiteId")] {
            user.send(json!({"type": kind, "id": "x", field: bad})).await;
            let error = user.expect_error("x", "invalid_message", &format!("section 1, {bad:?} is no id")).await;
            assert_eq!(error["details"]["path"], field, "section 3: {error}");
        }
    }
    for sub in ["", "a/b", "a b", "a\nb", "a\u{0}b", "a\u{202e}b", "*", "é"] {
        let token = stage.claims("user", "x").claim("sub", sub).sign();
        let mut client = stage.options(Credential::Header(token)).connect().await.expect("the upgrade comes first");
        let error = client.expect("error").await;
        assert_eq!(error["code"], "unauthorized", "section 1, {sub:?} is no id of a person: {error}");
    }
}

#[tokio::test]
async fn text_is_kept_as_it_was_sent_and_names_are_cleaned() {
    let stage = stage();
    let conversation = unique("conv");
    let name = "Ann\u{202e}gnp.exe\u{200f}\u{7}";
    let token = stage.claims("visitor", &unique("v")).claim("name", name).sign();
    let mut visitor = stage.join(&token, "v").await;
    subscribe(&mut visitor, &conversation).await;
    let mut user = stage.user_in(&conversation).await;
    let zalgo = format!("z{}", "\u{0301}".repeat(500));
    for sent in
        ["e\u{301} is not \u{e9}", "zero\u{200b}width", "\u{202e}right to left", "👩\u{200d}👩\u{200d}👧", &zalgo]
    {
        let ack = say(&mut visitor, &conversation, sent).await;
        let told = new_message(&mut user, &ack).await;
        assert_eq!(told["content"]["text"], sent, "section 3, content is as it was sent");
        assert_eq!(told["senderName"], "Anngnp.exe", "a name turns no line around: {told}");
    }
}

#[tokio::test]
async fn a_page_is_an_address_of_the_web_or_not_shown() {
    let stage = stage();
    let (team, script) = (stage.user_token(&unique("u")), "javascript:alert(1)");
    let shown = async |name: &str, query: &str, referer: Option<&str>| {
        let id = unique("v");
        let mut options = stage.options(Credential::Header(stage.visitor_token(&id))).query(name, query);
        if let Some(referer) = referer {
            options = options.header("Referer", referer);
        }
        let _here = options.establish().await;
        let answer = stage.http.get(&format!("/v1/visitors/{id}")).bearer(&team).send().await;
        answer.expect(200, "section 8, a visitor, whatever it says of its page")["page"].clone()
    };
    for hostile in [
        script,
        "JaVaScRiPt:alert(1)",
        "java%09script:alert(1)",
        "%20javascript:alert(1)",
        "javascript%3A%2F%2Fshop.example%2F%250aalert(1)",
        "data:text%2Fhtml,x",
        "vbscript:x",
        "file:%2F%2F%2Fetc%2Fpasswd",
        "blob:https:%2F%2Fshop.example%2F1",
        "https:%2F%2F",
        "https:%2F%2Fshop.example%2F%00",
        "https:%2F%2Fshop.example%2F%0d%0aSet-Cookie:%20a",
        "https:%2F%2Fshop.example%2F%1b%5B31m",
        "https:%2F%2Fshop.example%2F%C2%85",
        "https:%2F%2Fshop.example%2F%E2%80%AEgnp.exe",
        "https:%2F%2Fshop.example%2F%E2%81%A6%D8%9C",
    ] {
        let page = shown("page", hostile, None).await;
        assert_eq!(page, Value::Null, "section 8, {hostile} is no page");
    }
    for referer in [script, "data:text/html,x"] {
        assert_eq!(shown("other", "x", Some(referer)).await, Value::Null, "section 8, {referer} is no page");
    }
    let written = "https://shop.example/?back=%E2%80%AE%0D%0A#javascript:1";
    let encoded = "https://shop.example/?back=%25E2%2580%25AE%250D%250A%23javascript:1";
    assert_eq!(shown("page", encoded, Some(script)).await, written, "section 8, as a browser writes it");
    assert_eq!(shown("page", "%2Fcart", None).await, "/cart", "section 8, a part of an address is one");
    let page = shown("other", "x", Some("https://shop.example/cart")).await;
    assert_eq!(page, "https://shop.example/cart", "section 8, or the Referer");

    // The same by HTTP, where visitors are made.
    for (referer, page) in [(script, Value::Null), ("http://localhost:3000/cart", json!("http://localhost:3000/cart"))]
    {
        let made = stage.http.post("/v1/visitors", json!({"publicKey": stage.public_key}));
        let made = made.header("Origin", "http://localhost:3000").header("Referer", referer).send().await;
        let made = made.expect(201, "section 8, POST /v1/visitors");
        let path = format!("/v1/visitors/{}", text(&made, "visitorId"));
        let seen = stage.http.get(&path).bearer(&team).send().await.expect(200, "section 8, a visitor");
        assert_eq!(seen["page"], page, "section 8, {referer}");
    }
}

#[tokio::test]
async fn clocks_of_clients_order_nothing() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    for (last, timestamp) in (1..).zip([json!(253_402_300_799_000_u64), json!(0), json!(1)]) {
        let ack = say_with(&mut visitor, &conversation, json!({"timestamp": timestamp})).await;
        assert_eq!(number(&ack, "seq"), last + 1, "section 6, the server's order: {ack}");
        let year: u16 = text(&ack, "createdAt")[..4].parse().expect("a year");
        assert!((2024..2200).contains(&year), "section 4, createdAt is the server's: {ack}");
    }
}

#[tokio::test]
async fn pages_and_replays_have_bounds_that_nobody_can_move() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    for at in 0..3 {
        say(&mut visitor, &conversation, &at.to_string()).await;
    }
    let token = stage.visitor_token(visitor.user_id());
    for limit in ["1000000000", "201", "0", "-1", "18446744073709551616", "1e3", "all"] {
        let path = format!("/v1/conversations/{conversation}/messages?limit={limit}");
        let answer = stage.http.get(&path).bearer(&token).send().await;
        answer.expect_problem(400, "invalid_message", &format!("section 8, limit={limit}"));
    }
    let confirmed = subscribe_with(&mut visitor, &conversation, json!({"last": 1_000_000_000_u64})).await;
    assert!(number(&confirmed, "replayed") <= 1_000, "section 6, the replay limit: {confirmed}");
    let confirmed = subscribe_with(&mut visitor, &conversation, json!({"after": (1_u64 << 53) - 1})).await;
    assert_eq!((&confirmed["recovered"], &confirmed["replayed"]), (&json!(false), &json!(0)), "section 6: {confirmed}");
}

/// A token with a header of the attacker's own.
fn with_header(token: &str, more: &Value) -> String {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut parts = token.split('.');
    let header = parts.next().expect("a header");
    let mut header: Value = serde_json::from_slice(&engine.decode(header).expect("base64")).expect("JSON");
    crate::support::merge(&mut header, more);
    let rest: Vec<&str> = parts.collect();
    format!("{}.{}", engine.encode(header.to_string()), rest.join("."))
}

#[tokio::test]
async fn a_token_cannot_say_by_which_key_it_is_judged() {
    let stage = stage();
    let good = stage.user_token("mallory");
    for more in [
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "x' UNION SELECT 'secret"}),
        json!({"kid": "http://127.0.0.1:1/key"}),
        json!({"kid": "k".repeat(10_000)}),
        json!({"kid": ["a"]}),
        json!({"jku": "http://127.0.0.1:1/jwks"}),
        json!({"x5u": "http://127.0.0.1:1/cert"}),
        json!({"jwk": {"kty": "oct", "k": "YQ"}}),
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "RS256"}),
        json!({"crit": ["exp"], "b64": false}),
    ] {
        let token = with_header(&good, &more);
        let answer = stage.http.get("/v1/conversations?visitorId=v").bearer(&token).send().await;
        answer.expect_problem(
            401,
            "unauthorized",
            &format!("section 2, {}", &more.to_string()[..20.min(more.to_string().len())]),
        );
    }
    let unsigned = good.rsplit_once('.').map(|(head, _)| format!("{head}.")).expect("a signature");
    stage.http.get("/v1/conversations?visitorId=v").bearer(&unsigned).send().await.expect_problem(
        401,
        "unauthorized",
        "section 2, no signature",
    );
}

#[tokio::test]
async fn what_is_anothers_and_what_is_not_there_look_the_same() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let ack = say(&mut visitor, &conversation, "mine").await;
    let abroad = stage.own_organization().await;
    let theirs = abroad.admin_token("eve");
    let neighbour = stage.visitor_token(&unique("v"));
    let (there, nowhere) = (conversation.as_str(), "conv-nowhere");
    let message = text(&ack, "messageId");
    for token in [&theirs, &neighbour] {
        for (method, path) in [
            ("GET", "/v1/conversations/ID"),
            ("GET", "/v1/conversations/ID/messages"),
            ("GET", "/v1/conversations/ID/messages?before=1"),
            ("POST", "/v1/conversations/ID/messages"),
            ("PATCH", "/v1/conversations/ID/messages/MESSAGE"),
            ("DELETE", "/v1/conversations/ID/messages/MESSAGE"),
        ] {
            let mut told = Vec::new();
            for id in [there, nowhere] {
                let path = path.replace("ID", id).replace("MESSAGE", message);
                let request = stage.http.request(method, &path).bearer(token);
                let request = match method {
                    "POST" => request.json(json!({"id": "k", "content": {"text": "x"}})),
                    "PATCH" => request.json(json!({"content": {"text": "x"}})),
                    _ => request,
                };
                let answer = request.send().await;
                // Posting makes one's own conversation where there is none.
                told.push((answer.status, answer.text.replace(id, "ID")));
            }
            assert_eq!(told[0].0, 404, "section 4, {method} {path}: {told:?}");
            if method != "POST" {
                assert_eq!(told[0], told[1], "section 4, {method} {path}: nothing tells the two apart");
            }
        }
    }
    let still = subscribe_with(&mut visitor, &conversation, json!({})).await;
    assert_eq!(still["head"], ack["seq"], "nothing of it was done: {still}");
}

#[tokio::test]
async fn addresses_of_attachments_are_of_the_web_however_they_are_written() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    for bad in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "\tjava\nscript:alert(1)",
        "java\tscript:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://x.example/1",
        "ftp://x.example/a",
        "//x.example/a",
        "/etc/passwd",
        "../a.png",
        "https:",
        "https://",
        "http:///a",
        "https://x.example/a\u{0}",
        "https://x.example/a b",
        "",
    ] {
        let attachment = json!({"id": "a", "url": bad, "type": "image/png", "name": "a.png"});
        let answer = try_say(&mut visitor, &conversation, json!({"content": {"attachments": [attachment]}})).await;
        assert_eq!(answer["code"], "invalid_message", "section 3, {bad:?} is http or https: {answer}");
        assert_eq!(answer["details"]["path"], "content.attachments.0.url", "section 3, {bad:?}: {answer}");
    }
}

#[tokio::test]
async fn words_that_are_looked_for_are_words_and_no_queries() {
    let stage = stage().own_website().await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "two crates of lemons, quite fresh").await;
    let token = stage.user_token("u");
    let found = async |words: &str| {
        let query = crate::logs::escaped(words);
        let path = format!("/v1/websites/{}/conversations?search={query}", stage.website);
        let answer = stage.http.get(&path).bearer(&token).send().await;
        let page = answer.expect(200, &format!("section 8, search for {words:?}"));
        page["conversations"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(found("lemon").await, 1, "section 8, by prefix");
    for hostile in [
        "lemons' OR '1'='1",
        "nothing\" OR \"lemons",
        "nothing OR lemons",
        "lemons NOT limes",
        "NEAR(nothing lemons)",
        "nothing:lemons",
        "'; DROP TABLE messages; --",
        "%nothing%",
        "no_hing",
    ] {
        assert_eq!(found(hostile).await, 0, "section 8, words that are all there, and no query: {hostile:?}");
    }
    // Signs are no words; what is left may be found, or nothing was asked for.
    for hostile in ["lemons*", "\"lemons", "^lemons", "(lemons", "lemons)", "-lemons", "{lemons}"] {
        assert!(found(hostile).await <= 1, "section 8, {hostile:?} is no query");
    }
    assert_eq!(found("lemons").await, 1, "all of it is still there");
}

/// The page and the tests cannot part ways.
#[test]
fn every_test_that_the_page_names_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/attacks.md")).expect("the page");
    let mut named = 0;
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
        let (module, test) = name.split_once("::").expect("two parts");
        let file = root.join("crates/cli/tests/it").join(module).with_extension("rs");
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(source.contains(&format!("fn {test}(")), "{name} is named by docs/attacks.md, but is not there");
        named += 1;
    }
    assert!(named > 60, "the page names its tests: {named}");
}
