//! Words of clients in the log and in the figures: they must neither look like the server's own, nor make any.

use std::collections::BTreeSet;

use cossistant_testkit::{Credential, Server, eventually, unique};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::RawSocket;
use crate::support::{PAGE, PATIENCE, Stage, options, try_say};

/// What an attacker would like to see at the beginning of a line: as text, and as JSON.
const FORGED: &str =
    "\n2026-01-01T00:00:00.000000Z ERROR forged-line\r\n{\"level\":\"ERROR\",\"forged\":true}\n\u{1b}[31mred";
/// A word of it that goes anywhere as it is, so that it is found however it comes into a log.
const MARK: &str = "forged-line";
/// The longest line that the log may have, in bytes, whatever a client says.
const LINE_MAX: usize = 4 * 1024;

/// The same words as an address can carry them.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Sends bytes as they are, and waits for the end of what is answered.
pub(crate) async fn say_raw(server: &Server, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    // A server that refuses the beginning need not read the rest.
    let _refused = stream.write_all(bytes).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    let _how = ended.expect("the server answers and closes");
}

/// Puts the forged line wherever a client can put words.
async fn shout(server: &Server) {
    let stage = Stage::of(server);
    let path = escaped(FORGED);
    for head in [
        format!("GET /{path}?{path}={path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {path}\r\nConnection: close\r\n\r\n"),
        format!("GET /{MARK}?{MARK}={MARK} HTTP/1.1\r\nHost: x\r\nUser-Agent: {MARK}\r\nConnection: close\r\n\r\n"),
        format!("GET /v1/{MARK} HTTP/1.1\r\nHost: {MARK}\r\nReferer: http://{MARK}/\r\nConnection: close\r\n\r\n"),
        format!("POST /ws?page={MARK}&token={MARK} HTTP/1.1\r\nHost: x\r\nOrigin: {MARK}\r\nConnection: close\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: {path}\r\nReferer: {path}\r\nConnection: close\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: a\u{1b}[31mred{FORGED}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: {}\r\n\r\n", MARK.repeat(100_000)),
        format!("FORGED-{} /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", unique("M")),
        FORGED.to_owned(),
    ] {
        say_raw(server, head.as_bytes()).await;
    }
    for words in [&path, MARK] {
        let nobody = stage.options(Credential::Query(words.to_owned())).query("page", words);
        let nobody = nobody.header("Referer", words).header("User-Agent", words);
        let mut refused = nobody.connect().await.expect("it is refused inside");
        refused.expect_close(4401, "section 2, refused credentials").await;
    }
    let foreign = Credential::PublicKey(stage.public_key.clone());
    let _refused = stage.options(foreign).origin("http://forged-line.example").connect().await.expect_err("section 2");

    // A name may hold anything; it is shown to people, never to the log.
    let claims = stage.claims("visitor", &unique("v")).claim("name", FORGED).claim("email", FORGED);
    let mut visitor = stage.join(&claims.sign(), "visitor").await;
    let conversation = unique("conv");
    try_say(&mut visitor, &conversation, json!({"content": {"text": FORGED}, "metadata": {"forged": FORGED}})).await;
    for (id, message) in [
        ("1", json!({"type": FORGED})),
        ("2", json!({"type": "send_message", "conversationId": FORGED, "content": {"text": "x"}})),
        ("3", json!({"type": "subscribe_conversation", "conversationId": "x", "epoch": FORGED})),
        ("4", json!({"type": "typing_progress", "conversationId": conversation, "content": FORGED, FORGED: FORGED})),
        ("5", json!({"type": "authenticate", "token": FORGED})),
    ] {
        let mut message = message;
        message["id"] = json!(id);
        visitor.send(message).await;
    }
    visitor.send_text(FORGED).await;
    visitor.fence().await;
    let mut leaving = RawSocket::connect(&stage, FORGED.lines().next().unwrap_or_default()).await;
    leaving.send(0x88, &[&4_000_u16.to_be_bytes()[..], FORGED.as_bytes()].concat()).await;
    let _end = leaving.close_code().await;
    let mut broken = RawSocket::connect(&stage, "").await;
    broken.send(0x81, b"\xff forged-line").await;
    let _end = broken.close_code().await;

    let admin = stage.admin_token("boss");
    let site = stage.own_website().await;
    let settings = json!({"name": FORGED, "allowedDomains": [FORGED]});
    let path = format!("/v1/websites/{}", site.website);
    let _ = stage.http.patch(&path, settings).bearer(&admin).send().await;
    let made =
        stage.http.post("/v1/websites", json!({"organizationId": stage.org, "name": FORGED, "allowedDomains": []}));
    let _made = made.bearer(&stage.admin_key).send().await.expect(201, "section 8, a name is any text");
    let body = json!({"publicKey": stage.public_key, "visitorToken": FORGED, "identityToken": FORGED});
    let _ = stage.http.post("/v1/visitors", body).origin(PAGE).send().await;
    let list = format!("/v1/websites/{}/conversations?search={0}&status={0}&cursor={0}", escaped(FORGED));
    let _ = stage.http.get(&list).bearer(&admin).send().await;
}

/// Ends the server, and gives all that it wrote.
pub(crate) async fn whole_log(mut server: Server) -> String {
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    eventually(PATIENCE, "the last line comes", || async { server.output().contains("stopped").then_some(()) }).await;
    server.output()
}

#[tokio::test]
async fn words_of_clients_make_no_lines_in_a_log_of_text() {
    let server = options("log_level = \"debug\"\n").start();
    shout(&server).await;
    let log = whole_log(server).await;
    assert!(log.contains("DEBUG"), "there is something to look at: {log}");
    for line in log.lines() {
        assert!(line.len() <= LINE_MAX, "a line has a bound: {} bytes: {line:.200}", line.len());
        assert!(!line.contains('\u{1b}'), "no terminal is told anything: {line}");
        assert!(!line.contains(MARK), "nobody's words are in the log: {line}");
    }
}

#[tokio::test]
async fn words_of_clients_make_no_lines_in_a_log_of_json() {
    let server = options("log_level = \"debug\"\nlog_format = \"json\"\n").start();
    // What to do next is told to the person who started it, in words.
    let words_end = "Ctrl-C stops the server.\n";
    eventually(PATIENCE, "it has started", || async { server.output().contains(words_end).then_some(()) }).await;
    shout(&server).await;
    let log = whole_log(server).await;
    let (_, log) = log.split_once(words_end).expect("nothing of it was forgotten");
    assert!(log.lines().count() > 3, "there is something to look at: {log}");
    for line in log.lines() {
        let told: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: each line is JSON: {line}"));
        assert!(told["timestamp"].is_string() && told["level"].is_string(), "it is the server's own: {line}");
        assert!(line.len() <= LINE_MAX && !line.contains("forged"), "nobody's words are in the log: {line:.200}");
    }
}

#[tokio::test]
async fn words_of_clients_make_no_figures() {
    let server = options("").start();
    let stage = Stage::of(&server);
    shout(&server).await;
    // Those of shards are gathered now and then, and have the shard and the kind of principal alone.
    let names = |figures: &str| -> BTreeSet<String> {
        let lines = figures.lines().filter(|line| !line.starts_with('#') && !line.contains("shard="));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let read = || async { stage.http.get("/metrics").send().await.text };
    // The first reading makes figures of its own.
    read().await;
    let before = names(&read().await);
    assert!(before.iter().any(|name| name.starts_with("cossistant_http_requests_total{")), "{before:?}");
    shout(&server).await;
    let after = names(&read().await);
    let added: Vec<_> = after.difference(&before).collect();
    assert!(added.is_empty(), "other words, the same figures: {added:?}");
    assert!(after.iter().all(|name| !name.to_lowercase().contains("forged")), "{after:?}");
}
