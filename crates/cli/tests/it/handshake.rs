//! The opening handshake and the HTTP around it, byte by byte: what a hostile or broken client gets.

use std::sync::OnceLock;

use cossistant_testkit::{Server, unique};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Stage};

static SERVER: OnceLock<Server> = OnceLock::new();

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

/// A handshake as it should be, in lines that a test may change.
fn handshake(stage: &Stage) -> Vec<String> {
    let token = stage.user_token(&unique("u"));
    [
        "GET /ws HTTP/1.1",
        "Host: localhost",
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        &format!("Sec-WebSocket-Key: {KEY}"),
        &format!("Authorization: Bearer {token}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The handshake without the line that begins so, and with others instead.
fn changed(stage: &Stage, without: &str, with: &[&str]) -> String {
    let mut lines = handshake(stage);
    lines.retain(|line| without.is_empty() || !line.starts_with(without));
    let at = usize::from(without != "GET");
    lines.splice(at..at, with.iter().map(|line| (*line).to_owned()));
    lines.join("\r\n") + "\r\n\r\n"
}

/// What the server answers: its head in lower case, and the stream behind it.
async fn answer(stage: &Stage, request: &[u8]) -> (String, TcpStream) {
    let address = stage.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("the server listens");
    // A server that refuses the beginning need not read the rest.
    let _refused = stream.write_all(request).await;
    (read_head(&mut stream).await, stream)
}

/// The head of the next answer, in lower case.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time") {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

/// The problem document behind a head.
async fn read_problem(head: &str, stream: &mut TcpStream) -> Value {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("its body");
    serde_json::from_slice(&body).expect("a problem document")
}

/// A request was refused as one that cannot be read, and nothing behind it was heard.
async fn expect_refused_alone(head: &str, mut stream: TcpStream, rule: &str) {
    assert_eq!(status(head), 400, "RFC 9112, {rule}: {head}");
    let mut rest = String::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut rest)).await;
    closed.expect("RFC 9112, 6.1: it closes behind the answer").expect("an orderly end");
    let problem: Value = serde_json::from_str(&rest).expect("a problem document and nothing else");
    assert_eq!(problem["code"], "invalid_message", "section 8, {rule}: {problem}");
}

#[track_caller]
fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("a status line: {head:?}"))
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_before_the_upgrade() {
    let stage = stage();
    for (rule, without, with, expected) in [
        ("as it should be", "", &[][..], 101),
        ("another version", "Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"][..], 426),
        ("no version", "Sec-WebSocket-Version", &[], 426),
        ("no key", "Sec-WebSocket-Key", &[], 400),
        ("a short key", "Sec-WebSocket-Key", &["Sec-WebSocket-Key: c2hvcnQ="], 400),
        ("no upgrade", "Upgrade", &[], 426),
        ("no connection", "Connection", &["Connection: keep-alive"], 426),
        ("another method", "GET", &["POST /ws HTTP/1.1"], 405),
        ("an old HTTP", "GET", &["GET /ws HTTP/1.0"], 426),
        ("no host", "Host", &[], 400),
        ("two hosts", "", &["Host: other"], 400),
        ("a body", "", &["Content-Length: 5"], 400),
        ("a body in chunks", "", &["Transfer-Encoding: chunked"], 400),
        ("a body of two lengths", "", &["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
    ] {
        let (head, _) = answer(&stage, changed(&stage, without, with).as_bytes()).await;
        assert_eq!(status(&head), expected, "RFC 6455, {rule}: {head}");
        if expected == 426 {
            assert!(head.contains("sec-websocket-version: 13"), "RFC 6455, the version that is spoken: {head}");
        }
        if expected == 405 {
            assert!(head.contains("allow: get"), "RFC 9110, what is allowed: {head}");
        }
        if expected != 101 {
            assert!(head.contains("application/problem+json"), "section 8, every error: {head}");
        }
    }
}

#[tokio::test]
async fn only_the_subprotocol_of_the_contract_is_echoed() {
    let stage = stage();
    let token = stage.user_token(&unique("u"));
    let bearer = format!("Sec-WebSocket-Protocol: bearer.{token}, cossistant.v1");
    for (offer, expected) in [
        ("Sec-WebSocket-Protocol: other.v2", None),
        ("Sec-WebSocket-Protocol: other.v2, cossistant.v1", Some("cossistant.v1")),
        (&bearer, Some("cossistant.v1")),
    ] {
        let (head, _) = answer(&stage, changed(&stage, "", &[offer]).as_bytes()).await;
        let echoed = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!((status(&head), echoed), (101, expected), "section 1, for {offer:.60}: {head}");
        assert!(!head.contains("bearer."), "section 2, never echoed back: {head}");
    }
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_heard_once_and_in_order() {
    let stage = stage();
    let mut bytes = changed(&stage, "", &[]).into_bytes();
    for id in ["early-1", "early-2"] {
        let ping = format!("{{\"type\":\"ping\",\"id\":\"{id}\"}}");
        bytes.extend([0x81, 0x80 | u8::try_from(ping.len()).expect("a short text"), 0, 0, 0, 0]);
        bytes.extend(ping.as_bytes());
    }
    // A close frame without a code ends it.
    bytes.extend([0x88, 0x80, 0, 0, 0, 0]);
    let (head, mut stream) = answer(&stage, &bytes).await;
    assert_eq!(status(&head), 101, "{head}");
    let mut frames = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut frames)).await;
    read.expect("the server closes in time").expect("an orderly end");
    let text = String::from_utf8_lossy(&frames).into_owned();
    let places: Vec<_> = ["early-1", "early-2"].iter().map(|id| text.matches(id).count()).collect();
    assert_eq!(places, [1, 1], "each is answered once: {text}");
    assert!(text.find("early-1") < text.find("early-2"), "in their order: {text}");
}

#[tokio::test]
async fn requests_that_no_parser_should_take_are_refused() {
    let stage = stage();
    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    let many: String = (0..1_000).map(|at| format!("X-{at}: a\r\n")).collect();
    for (rule, request, expected) in [
        ("a head of 100 KB", long, 431),
        ("1,000 headers", format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        // Nobody knows yet where such a target ends.
        ("a target of 100 KB", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)), 431),
        ("a folded header", "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n".to_owned(), 400),
        ("a bare CR", "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n".to_owned(), 400),
        ("a bare LF behind the request line", "GET /healthz HTTP/1.1\nHost: x\r\n\r\n".to_owned(), 400),
        ("a bare LF behind a header", "GET /healthz HTTP/1.1\r\nHost: x\nA: b\r\n\r\n".to_owned(), 400),
        ("a bare LF at the end", "GET /healthz HTTP/1.1\r\nHost: x\r\n\n".to_owned(), 400),
        ("nothing but bare LF", "GET /healthz HTTP/1.1\nHost: x\n\n".to_owned(), 400),
        ("a header without a name", "GET /healthz HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n".to_owned(), 400),
        ("a method that is none", "G(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("a version that is none", "GET /healthz HTTP/7.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        (
            "two lengths",
            "POST /v1/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
        ("no HTTP", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400),
    ] {
        let (head, mut stream) = answer(&stage, request.as_bytes()).await;
        assert_eq!(status(&head), expected, "RFC 9112, {rule}: {head}");
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "RFC 9112, {rule}: what follows could be anything, so the connection closes");
        assert!(head.contains("content-type: application/problem+json\r\n"), "section 8, every error, {rule}: {head}");
        assert!(head.contains(&format!("content-length: {}\r\n", rest.len())), "RFC 9112, {rule}: {head} {rest:?}");
        let problem: Value = serde_json::from_slice(&rest).expect("a problem document");
        let code = if expected == 431 { "too_large" } else { "invalid_message" };
        assert_eq!((&problem["status"], &problem["code"]), (&expected.into(), &code.into()), "{rule}: {problem}");
    }
    // What was asked properly before is answered first, and whole.
    let pipelined = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nno HTTP\r\n\r\n";
    let (head, mut stream) = answer(&stage, pipelined.as_bytes()).await;
    let mut rest = String::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut rest)).await;
    closed.expect("the connection closes").expect("an orderly end");
    assert_eq!(status(&head), 200, "section 8, /healthz: {head}");
    let (body, second) = rest.split_once("HTTP/1.1 400").expect("RFC 9112, the second is answered too");
    assert_eq!(body, r#"{"status":"ok"}"#, "section 8, /healthz");
    assert!(second.ends_with('}') && second.contains(r#""code":"invalid_message""#), "section 8: {second}");
    // What a proxy that goes by the length passes on as the body is no second request; asked behind another one, too.
    for lengths in
        ["Content-Length: 44\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 44"]
    {
        let both = format!("POST /v1/visitors HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n0\r\n\r\n");
        let smuggled = both + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        let (head, stream) = answer(&stage, smuggled.as_bytes()).await;
        expect_refused_alone(&head, stream, lengths).await;
        let (head, mut stream) = answer(&stage, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(status(&head), 200, "a good request: {head}");
        let mut body = [0; br#"{"status":"ok"}"#.len()];
        stream.read_exact(&mut body).await.expect("its answer");
        stream.write_all(smuggled.as_bytes()).await.expect("the connection is kept");
        let head = read_head(&mut stream).await;
        expect_refused_alone(&head, stream, lengths).await;
    }
    // The lines of a body may end as they like, also behind an answer and of one that was waited for.
    let body = "{\n  \"type\": \"user\"\n}\n\n";
    let asked = format!(
        "POST /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n",
        stage.secret_key,
        body.len()
    );
    let (head, mut stream) = answer(&stage, format!("{asked}\r\n{body}").as_bytes()).await;
    let mut last = read_problem(&head, &mut stream).await;
    for _ in 0..2 {
        stream.write_all(format!("{asked}Expect: 100-continue\r\n\r\n").as_bytes()).await.expect("it is kept");
        assert_eq!(status(&read_head(&mut stream).await), 100, "RFC 9110, 10.1.1: the body is waited for");
        stream.write_all(body.as_bytes()).await.expect("it is read");
        let head = read_head(&mut stream).await;
        let problem = read_problem(&head, &mut stream).await;
        assert_eq!(problem, last, "the same question, the same answer");
        last = problem;
    }
    assert_eq!(last["details"]["path"], "sub", "the body was read as it was sent: {last}");
    // A second one on the same connection that is none.
    stream.write_all(b"GET /healthz HTTP/1.1\nHost: x\n\n").await.expect("it is kept");
    let head = read_head(&mut stream).await;
    expect_refused_alone(&head, stream, "bare LF behind an answer").await;
    let alive = stage.http.get("/healthz").send().await.expect(200, "nothing of it disturbs others");
    assert_eq!(alive, serde_json::json!({"status": "ok"}));
}

#[tokio::test]
async fn an_origin_is_compared_as_a_whole() {
    let stage = stage();
    let page = |origin: &str| {
        let target = format!("GET /ws?publicKey={} HTTP/1.1", stage.public_key);
        let lines =
            [target, "Host: localhost".to_owned(), "Connection: Upgrade".to_owned(), "Upgrade: websocket".to_owned()];
        let mut lines = lines.to_vec();
        lines.extend(["Sec-WebSocket-Version: 13".to_owned(), format!("Sec-WebSocket-Key: {KEY}")]);
        if !origin.is_empty() {
            lines.push(format!("Origin: {origin}"));
        }
        lines.join("\r\n") + "\r\n\r\n"
    };
    for origin in [
        "",
        "null",
        "https://evil.example",
        "http://evil-localhost",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "localhost",
        "//localhost",
        "http://localhost:3000/path",
        "http://localhost:3000, http://evil.example",
    ] {
        let (head, mut stream) = answer(&stage, page(origin).as_bytes()).await;
        assert_eq!(status(&head), 403, "section 2, the origin {origin:?}: {head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = vec![0; length.expect("a length")];
        stream.read_exact(&mut body).await.expect("a body");
        let problem: Value = serde_json::from_slice(&body).expect("a problem document");
        assert_eq!(problem["code"], "forbidden", "section 8, {origin:?}: {problem}");
    }
    for origin in ["http://localhost", "https://localhost:3000", "http://shop.localhost:8080", "http://[::1]:5173"] {
        let (head, _) = answer(&stage, page(origin).as_bytes()).await;
        assert_eq!(status(&head), 101, "section 10, an origin of the demo website {origin}: {head}");
    }
}
