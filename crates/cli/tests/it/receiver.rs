//! A customer's server that is told by webhooks, and behaves as a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cossistant_testkit::eventually;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use ureq::http::HeaderMap;

use crate::support::{PATIENCE, text};

/// What is answered to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// This status.
    Status(u16),
    /// 302 to this address.
    Redirect(String),
    /// Nothing, for ever.
    Hang,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) json: Value,
}

impl Told {
    /// The `webhook-id`.
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn kind(&self) -> &str {
        text(&self.json, "type")
    }

    pub(crate) fn data(&self) -> &Value {
        &self.json["data"]
    }

    /// Judges the signature by the library of the standard's authors.
    #[track_caller]
    pub(crate) fn verify(&self, secret: &str) {
        let mut headers = HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, self.headers[name].parse().expect("it is a header"));
        }
        let judge = Webhook::new(secret).expect("section 8, the secret is one of Standard Webhooks");
        judge.verify(&self.body, &headers).expect("section 8, Standard Webhooks, signed");
        let mut forged = self.body.clone();
        forged.push(b' ');
        judge.verify(&forged, &headers).expect_err("the signature is of this body");
    }
}

/// Listens on a port of its own until it is dropped.
pub(crate) struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Answers the nth request, counted from 0, as `reply` says.
    pub(crate) async fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (kept, reply) = (Arc::clone(&told), Arc::new(reply));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
                tokio::spawn(async move {
                    let mut stream = stream;
                    // A server that was killed leaves half a request behind.
                    let Some(request) = read(&mut stream).await else { return };
                    let count = {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.push(request);
                        kept.len() - 1
                    };
                    answer(&mut stream, reply(count)).await;
                });
            }
        });
        Self { url, told, task }
    }

    /// Takes everything.
    pub(crate) async fn willing() -> Self {
        Self::start(|_| Reply::Status(204)).await
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Everything that came so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until what came fits, and gives all of it.
    pub(crate) async fn until(&self, rule: &str, fits: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        eventually(PATIENCE * 2, rule, || async { Some(self.told()).filter(|told| fits(told)) }).await
    }

    /// Waits for the first request of this kind.
    pub(crate) async fn first(&self, kind: &str) -> Told {
        let rule = format!("section 8, a webhook is told of {kind}");
        let told = self.until(&rule, |told| told.iter().any(|told| told.kind() == kind)).await;
        told.into_iter().find(|told| told.kind() == kind).expect("it was just seen")
    }
}

async fn read(stream: &mut TcpStream) -> Option<Told> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).expect("a head is ASCII");
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("POST /hook"), "section 8, a webhook is a POST to its address: {first}");
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    assert_eq!(headers["content-type"], "application/json", "section 8, a webhook is JSON");
    let length: usize = headers["content-length"].parse().expect("it has a length");
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = bytes[head..].to_vec();
    let json = serde_json::from_slice(&body).expect("section 8, a webhook is JSON");
    Some(Told { headers, body, json })
}

async fn answer(stream: &mut TcpStream, reply: Reply) {
    let head = match reply {
        Reply::Status(status) => format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n"),
        Reply::Redirect(to) => format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        Reply::Hang => return std::future::pending().await,
    };
    // The other end may be gone.
    drop(stream.write_all(head.as_bytes()).await);
}
