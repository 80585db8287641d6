//! TLS from files: HTTP and WebSockets on it, other certificates while it runs, and what is told of bad ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use cossistant_testkit::{Server, ServerOptions, unique};
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{BINARY, PATIENCE, Stage, comes_true, text};

/// A certificate for `localhost` that signs itself, as PEM, and its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pair {
    fn until(year: i32) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate: pem("CERTIFICATE", certificate.der()), key: pem("PRIVATE KEY", key.serialized_der()) }
    }

    pub(crate) fn valid() -> Self {
        Self::until(2099)
    }

    /// A client that trusts this one alone.
    fn trusting(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

fn pem(of: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64")).collect();
    format!("-----BEGIN {of}-----\n{}\n-----END {of}-----\n", lines.join("\n"))
}

/// The files of a pair, in a folder that goes with the test.
struct Files(PathBuf);

impl Files {
    fn of(pair: &Pair) -> Self {
        let folder = std::env::temp_dir().join(unique("cossistant-tls"));
        fs::create_dir(&folder).expect("a new folder");
        let files = Self(folder);
        files.write(pair);
        files
    }

    fn write(&self, pair: &Pair) {
        fs::write(self.path("cert.pem"), &pair.certificate).expect("a file of ours");
        fs::write(self.path("key.pem"), &pair.key).expect("a file of ours");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn flags(&self) -> [String; 2] {
        let flag = |flag: &str, name: &str| format!("--{flag}={}", self.path(name).display());
        [flag("tls-cert", "cert.pem"), flag("tls-key", "key.pem")]
    }

    fn options(&self) -> ServerOptions {
        let [cert, key] = self.flags();
        ServerOptions::new(BINARY).flag(&cert).flag(&key)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

async fn shake(connector: &TlsConnector, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    connector.connect(ServerName::try_from("localhost").expect("a name"), socket).await
}

async fn connect(server: &Server, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    shake(connector, TcpStream::connect(server.address()).await?).await
}

/// The whole answer to one GET.
async fn get(server: &Server, connector: &TlsConnector, path: &str) -> std::io::Result<String> {
    let mut stream = connect(server, connector).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A client of the WebSocket endpoint, established.
struct Socket(WebSocketStream<TlsStream<TcpStream>>);

impl Socket {
    async fn open(stream: TlsStream<TcpStream>, token: &str) -> Self {
        let address = format!("wss://localhost/ws?token={token}");
        let (socket, _) = tokio_tungstenite::client_async(address, stream).await.expect("an upgrade");
        let mut socket = Self(socket);
        let first = socket.next().await;
        assert_eq!(first["type"], "connection_established", "{first}");
        socket
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("it comes in time");
            if let Message::Text(text) = message.expect("it goes on").expect("no error") {
                return serde_json::from_str(&text).expect("it is JSON");
            }
        }
    }

    async fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("it is written");
    }
}

pub(crate) fn hang_up(server: &Server) {
    let pid = server.pid().expect("it runs").to_string();
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -HUP {pid}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "SIGHUP could be sent");
}

fn check(words: &[&str], files: &Files) -> (Option<i32>, Value) {
    let output = Command::new(BINARY).args(words).arg("--json").args(files.flags()).output().expect("it runs");
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), told)
}

#[tokio::test]
async fn http_and_websockets_go_by_tls() {
    let pair = Pair::valid();
    let files = Files::of(&pair);
    let server = files.options().start();
    let stage = Stage::of(&server);
    assert!(stage.url.starts_with("https://") && stage.ws_url.starts_with("wss://"), "{}", stage.url);
    let client = pair.trusting();
    let answer = get(&server, &client, "/healthz").await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.to_lowercase().contains("strict-transport-security"), "dev pins no browser: {answer}");

    let stream = connect(&server, &client).await.expect("a handshake");
    let mut visitor = Socket::open(stream, &stage.visitor_token("v")).await;
    let conversation = unique("conv");
    visitor.send(json!({"type": "subscribe_conversation", "id": "s", "conversationId": conversation})).await;
    visitor.wait_for("subscription_confirmed").await;
    // Longer than a record of TLS holds, both ways.
    let words = "long words ".repeat(1_400);
    visitor
        .send(json!({"type": "send_message", "id": "m", "conversationId": conversation, "content": {"text": words}}))
        .await;
    let told = visitor.wait_for("new_message").await;
    assert_eq!(told["content"]["text"], json!(words));

    // Who speaks no TLS is let go of, and nobody else notices.
    let mut plain = TcpStream::connect(server.address()).await.expect("a connection");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it is taken");
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("it ends").ok();
    assert!(!answer.starts_with(b"HTTP"), "nothing is said without TLS");
    comes_true("the failure is counted", async || {
        let figures = get(&server, &client, "/metrics").await.expect("an answer");
        figures.contains("cossistant_tls_handshake_failures_total 1")
    })
    .await;

    let production = files.options().production().start();
    let answer = get(&production, &client, "/healthz").await.expect("an answer");
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age="), "{answer}");
}

#[tokio::test]
async fn handshakes_of_an_address_are_limited() {
    let pair = Pair::valid();
    let files = Files::of(&pair);
    let server = files.options().config("limit_requests = 0.001\nlimit_requests_burst = 3\n").start();
    let client = pair.trusting();
    for _ in 0..3 {
        assert!(get(&server, &client, "/healthz").await.expect("a handshake").contains("200 OK"));
    }
    connect(&server, &client).await.expect_err("one more than it may at once");
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_it_in_order() {
    const MESSAGES: usize = 200;
    let pair = Pair::valid();
    let files = Files::of(&pair);
    let server = files.options().start();
    let stage = Stage::of(&server);
    let client = pair.trusting();
    let stream = connect(&server, &client).await.expect("a handshake");
    let mut writer = Socket::open(stream, &stage.visitor_token("v")).await;
    let (conversation, words) = (unique("conv"), "w".repeat(12_000));
    for n in 0..MESSAGES {
        let content = json!({"text": format!("{n} {words}")});
        let id = format!("m{n}");
        writer
            .send(json!({"type": "send_message", "id": id, "conversationId": conversation, "content": content}))
            .await;
    }
    for _ in 0..MESSAGES {
        writer.wait_for("message_ack").await;
    }

    // So little fits on the way that the server must wait for the reader time and again.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small one");
    let socket = socket.connect(server.address().parse().expect("an address")).await.expect("a connection");
    let mut reader = Socket::open(shake(&client, socket).await.expect("a handshake"), &stage.visitor_token("v")).await;
    reader.send(json!({"type": "subscribe_conversation", "id": "s", "conversationId": conversation, "after": 0})).await;
    // The other connection is served meanwhile.
    writer.send(json!({"type": "ping", "id": "p"})).await;
    writer.wait_for("pong").await;
    for n in 0..MESSAGES {
        let told = reader.wait_for("new_message").await;
        assert!(text(&told["content"], "text").starts_with(&format!("{n} ")), "the {n}th comes in its turn");
    }
}

#[tokio::test]
async fn another_certificate_is_taken_and_a_broken_one_is_not() {
    let [first, second] = [Pair::valid(), Pair::valid()];
    let files = Files::of(&first);
    let server = files.options().start();
    let stage = Stage::of(&server);
    let stream = connect(&server, &first.trusting()).await.expect("a handshake");
    let mut before = Socket::open(stream, &stage.visitor_token("v")).await;

    files.write(&second);
    hang_up(&server);
    comes_true("a signal has the second pair read", async || connect(&server, &second.trusting()).await.is_ok()).await;
    assert!(connect(&server, &first.trusting()).await.is_err(), "the first is not shown any more");
    before.send(json!({"type": "ping", "id": "p"})).await;
    before.wait_for("pong").await;

    let figures = async || get(&server, &second.trusting(), "/metrics").await.expect("the second pair is in force");
    let failures = async || {
        let text = figures().await;
        let line = text.lines().find_map(|line| line.strip_prefix("cossistant_tls_reloads_total{result=\"failed\"} "));
        line.expect("it is told from the start").parse::<usize>().expect("a number")
    };
    for broken in [
        Pair { certificate: first.certificate.clone(), key: second.key.clone() },
        Pair { certificate: "nothing\n".to_owned(), key: second.key.clone() },
        Pair::until(2001),
    ] {
        let before = failures().await;
        files.write(&broken);
        hang_up(&server);
        // The change of the files may be noticed by itself as well.
        comes_true("the failure is counted", async || failures().await > before).await;
        comes_true("the log tells it", async || server.output().matches("the old one stays").count() > before).await;
    }
    assert!(figures().await.contains("cossistant_tls_certificate_expires_seconds 4070908800"), "that of 2099");

    files.write(&first);
    comes_true("a change of the files is noticed", async || connect(&server, &first.trusting()).await.is_ok()).await;
}

#[test]
fn bad_files_are_refused_by_name() {
    let files = Files::of(&Pair::valid());
    assert_eq!(check(&["check-config"], &files).0, Some(0));
    let data = files.path("data");
    let doctor = ["doctor", "--listen", "127.0.0.1:0", "--data", data.to_str().expect("a path of ours")];
    let certificate = |report: &Value| {
        let findings = report["findings"].as_array().expect("findings").clone();
        findings.into_iter().find(|finding| finding["check"] == "certificate").expect("it is looked at")
    };
    let (code, report) = check(&doctor, &files);
    assert_eq!((code, &certificate(&report)["state"]), (Some(0), &json!("ok")), "{report}");

    files.write(&Pair::until(2001));
    let (code, report) = check(&doctor, &files);
    assert_eq!((code, &certificate(&report)["state"]), (Some(1), &json!("fail")), "{report}");

    fs::write(files.path("key.pem"), Pair::valid().key).expect("a file of ours");
    let (code, told) = check(&["check-config"], &files);
    assert_eq!((code, &told["problems"][0]["place"]), (Some(2), &json!("tls_key")), "{told}");
    assert!(text(&told["problems"][0], "problem").contains("is not the key of"), "{told}");
    assert!(serve_is_refused(&files.0), "and a server does not start by it");

    fs::remove_file(files.path("cert.pem")).expect("it is there");
    let (code, told) = check(&["check-config"], &files);
    assert_eq!((code, &told["problems"][0]["place"]), (Some(2), &json!("tls_cert")), "{told}");
}

fn serve_is_refused(folder: &Path) -> bool {
    let flag = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
    let output = Command::new(BINARY)
        .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
        .args([flag("data", "data"), flag("tls-cert", "cert.pem"), flag("tls-key", "key.pem")])
        .output()
        .expect("it runs");
    output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("is not the key of")
}
