//! Dialling, coming back, credentials, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cossistant_client::{Client, Config, ConnectionState, Event, StopReason, TokenError, TokenSource};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use crate::peer::{DEADLINE, Peer, config_for, find};

#[tokio::test]
async fn the_handshake_carries_credentials_and_subprotocol() {
    let peer = Peer::listen().await;
    let mut config = peer.config().with_bearer("T").expect("a header");
    config.protocols = vec![String::from("mine")];
    let (client, _events) = Client::connect(config);
    let link = peer.welcome().await;
    assert_eq!(link.authorization.as_deref(), Some("Bearer T"));
    assert_eq!(link.protocols, "cossistant.v1, mine");
    assert!(client.wait_for_state(|state| state == ConnectionState::Connected).await);
    assert!(client.is_connected());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    // The port is held, so that nobody else gets it meanwhile; nobody listens.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = socket.local_addr().expect("an address");
    let (_client, mut events) = Client::connect(config_for(address));
    find(&mut events, |event| matches!(event, Event::ReconnectAttempt(2)).then_some(())).await;
    let listener = socket.listen(16).expect("the port is ours");
    let peer = Peer { listener, address };
    let _link = peer.welcome().await;
    find(&mut events, |event| matches!(event, Event::ReconnectSuccess).then_some(())).await;
}

#[tokio::test]
async fn disconnected_on_purpose_closes_cleanly_and_can_be_undone() {
    let peer = Peer::listen().await;
    let (client, _events) = Client::connect(peer.config());
    let mut link = peer.welcome().await;
    assert!(client.wait_for_state(|state| state == ConnectionState::Connected).await);
    client.disconnect().expect("it runs");
    assert_eq!(link.next().await, Err(1_000));
    assert!(client.wait_for_state(|state| state == ConnectionState::Disconnected).await);
    client.reconnect().expect("it runs");
    let _link = peer.welcome().await;
    assert!(client.wait_for_state(|state| state == ConnectionState::Connected).await);
}

#[tokio::test]
async fn a_client_that_nobody_holds_ends() {
    let peer = Peer::listen().await;
    let (client, mut events) = Client::connect(peer.config());
    let mut link = peer.welcome().await;
    find(&mut events, |event| matches!(event, Event::StateChanged(ConnectionState::Connected)).then_some(())).await;
    drop(client);
    drop(events);
    assert_eq!(link.next().await, Err(1_000));
}

#[tokio::test]
async fn tokens_come_from_their_source_and_are_renewed_once() {
    let peer = Peer::listen().await;
    let calls = Arc::new(AtomicU32::new(0));
    let source = {
        let calls = calls.clone();
        TokenSource::new(move || {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(Some(format!("t{call}"))) }
        })
    };
    let (client, _events) = Client::connect(peer.config().with_token_source(source));
    let link = peer.accept().await;
    assert_eq!(link.authorization.as_deref(), Some("Bearer t1"));
    link.close(4401).await;
    let mut link = peer.welcome().await;
    assert_eq!(link.authorization.as_deref(), Some("Bearer t2"));
    let expiring = serde_json::json!({"type": "token_expiring", "expiresAt": "2026-01-01T00:00:00.000Z"});
    link.send(expiring).await;
    assert_eq!(link.expect("authenticate").await["token"], "t3");
    link.close(4401).await;
    let stopped = ConnectionState::Stopped(StopReason::Close(4401));
    assert!(client.wait_for_state(|state| state == stopped).await);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_denied_token_stops() {
    let peer = Peer::listen().await;
    let source = TokenSource::new(|| async { Err(TokenError::Denied(String::from("signed out"))) });
    let (client, _events) = Client::connect(peer.config().with_token_source(source));
    let stopped = ConnectionState::Stopped(StopReason::TokenDenied);
    assert!(client.wait_for_state(|state| state == stopped).await);
}

#[tokio::test]
async fn a_close_code_that_means_stop_stops() {
    let peer = Peer::listen().await;
    let (client, mut events) = Client::connect(peer.config());
    peer.welcome().await.close(4403).await;
    let stopped = ConnectionState::Stopped(StopReason::Close(4403));
    assert!(client.wait_for_state(|state| state == stopped).await);
    let reason =
        find(&mut events, |event| if let Event::Closed { reason, .. } = event { Some(reason) } else { None }).await;
    assert_eq!(reason, "test");
}

#[tokio::test]
async fn a_server_without_tls_is_a_failed_dial() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("wss://{}/ws", listener.local_addr().expect("an address"));
    let mut config = Config::new(&url).expect("a url");
    config.engine.max_reconnect_attempts = Some(0);
    let (client, _events) = Client::connect(config);
    let (mut stream, _) = listener.accept().await.expect("a connection");
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("it reads");
    let stopped = ConnectionState::Stopped(StopReason::Exhausted);
    let waiting = client.wait_for_state(|state| state == stopped);
    assert!(timeout(DEADLINE, waiting).await.expect("in time"));
}
