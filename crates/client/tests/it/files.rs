//! What outlives a client.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cossistant_client::{Client, Config, Event, MessageContent, SendError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::peer::{Peer, ack, established, find};

/// A file of this test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cossistant-client-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    /// Waits until the file says something.
    async fn wait_for(&self, wanted: impl Fn(&str) -> bool) {
        let search = async {
            while !std::fs::read_to_string(&self.0).is_ok_and(|text| wanted(&text)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::peer::DEADLINE, search).await.expect("written in time");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn visitor(peer: &Peer, file: &Scratch) -> Config {
    let mut config = peer.config().with_public_key("pk_1", "https://shop.example").expect("a header");
    config.visitor_token_file = Some(file.0.clone());
    config
}

#[tokio::test]
async fn a_visitor_keeps_its_token_and_begins_anew_when_it_is_refused() {
    let peer = Peer::listen().await;
    let file = Scratch::new();
    let (client, events) = Client::connect(visitor(&peer, &file));
    let mut link = peer.accept().await;
    assert_eq!((link.query.as_str(), link.origin.as_deref()), ("publicKey=pk_1", Some("https://shop.example")));
    link.send(established(Some("vt1"))).await;
    file.wait_for(|text| text.contains("vt1")).await;
    drop((client, events));
    assert_eq!(link.next().await, Err(1_000));

    let (_client, mut events) = Client::connect(visitor(&peer, &file));
    let link = peer.accept().await;
    assert_eq!((link.query.as_str(), link.authorization.as_deref()), ("", Some("Bearer vt1")));
    link.close(4401).await;
    find(&mut events, |event| matches!(event, Event::VisitorChanged).then_some(())).await;
    let link = peer.accept().await;
    assert_eq!((link.query.as_str(), link.authorization.as_deref()), ("publicKey=pk_1", None));
    file.wait_for(|text| !text.contains("vt1")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_a_token() {
    use std::os::unix::fs::PermissionsExt;
    let peer = Peer::listen().await;
    let file = Scratch::new();
    let (_client, _events) = Client::connect(visitor(&peer, &file));
    let mut link = peer.accept().await;
    link.send(established(Some("vt1"))).await;
    file.wait_for(|text| text.contains("vt1")).await;
    let mode = std::fs::metadata(&file.0).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn unacknowledged_messages_outlive_the_process() {
    let peer = Peer::listen().await;
    let file = Scratch::new();
    let config = || {
        let mut config = peer.config();
        config.queue_file = Some(file.0.clone());
        config
    };
    let content = MessageContent::text("hello").expect("a valid text");
    let (client, events) = Client::connect(config());
    let delivery = client.send_message("c".parse().expect("an id"), content);
    let mut link = peer.welcome().await;
    let first = link.expect("send_message").await;
    let hang_up = async move { link.next().await };
    let (code, ()) = tokio::join!(hang_up, client.end());
    assert_eq!(code, Err(1_000));
    assert_eq!(delivery.await, Err(SendError::Ended));
    drop(events);

    let (client, _events) = Client::connect(config());
    let mut link = peer.welcome().await;
    let again = link.expect("send_message").await;
    assert_eq!((&again["id"], &again["content"]), (&first["id"], &first["content"]));
    link.send(ack(&again, 1)).await;
    file.wait_for(|text| text == "[]").await;
    assert_eq!(client.queued_message_count(), 0);
}

#[tokio::test]
async fn an_identified_visitor_comes_back_as_that_person() {
    let peer = Peer::listen().await;
    let file = Scratch::new();
    let (client, _events) = Client::connect(visitor(&peer, &file));
    let mut link = peer.accept().await;
    link.send(established(Some("vt1"))).await;
    file.wait_for(|text| text.contains("vt1")).await;
    let (identified, link) = tokio::join!(client.identify("jwt"), async {
        let (mut stream, _) = peer.listener.accept().await.expect("an HTTP request");
        let mut request = String::new();
        while !request.ends_with('}') {
            let mut bytes = [0; 2_048];
            let length = stream.read(&mut bytes).await.expect("it writes");
            request.push_str(std::str::from_utf8(&bytes[..length]).expect("text"));
        }
        assert!(request.starts_with("POST /v1/visitors "), "{request}");
        assert!(request.contains(r#""visitorToken":"vt1""#) && request.contains(r#""identityToken":"jwt""#));
        let body = r#"{"visitorId":"v1","token":"vt2","expiresAt":"2027-01-01T00:00:00.000Z"}"#;
        let answer = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.expect("it reads");
        peer.accept().await
    });
    assert_eq!(identified, Ok(()));
    assert_eq!(link.authorization.as_deref(), Some("Bearer vt2"));
}
