//! The client against a server made of a third party's framing.

use std::time::Duration;

use cossistant_testkit::{ConnectError, Credential, Http, WsClient, WsOptions};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Greets, answers `ping`, echoes `echo`, and closes with 4401 on `bye`.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback works");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
                let hello = json!({"type": "connection_established", "userId": "u1"});
                socket.send(Message::text(hello.to_string())).await.ok();
                while let Some(Ok(Message::Text(text))) = socket.next().await {
                    let mut message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == "bye" {
                        let frame = CloseFrame { code: 4401.into(), reason: "no".into() };
                        socket.close(Some(frame)).await.ok();
                        return;
                    }
                    if message["type"] == "ping" {
                        message["type"] = json!("pong");
                    }
                    socket.send(Message::text(message.to_string())).await.ok();
                }
            });
        }
    });
    format!("ws://{address}/ws")
}

async fn client() -> WsClient {
    let options = WsOptions::new(&server().await, Credential::Header("token".to_owned()));
    options.deadline(Duration::from_secs(10)).establish().await
}

#[tokio::test]
async fn takes_by_kind_and_keeps_the_rest() {
    let mut client = client().await;
    assert_eq!(client.user_id(), "u1");
    client.send(json!({"type": "echo", "n": 1})).await;
    client.send(json!({"type": "other", "n": 2})).await;
    assert_eq!(client.expect("other").await["n"], 2);
    assert_eq!(client.next().await.unwrap()["n"], 1);
    client.assert_none("all was taken", |message| message["type"] != "pong").await;
    client.assert_silent(Duration::from_millis(20), "nothing is sent").await;
}

#[tokio::test]
async fn reads_close_codes() {
    let mut client = client().await;
    client.send(json!({"type": "bye"})).await;
    let closed = client.expect_close(4401, "the server says so").await;
    assert_eq!(closed.reason, "no");
    assert!(client.next().await.is_none(), "nothing after the end");
}

#[tokio::test]
#[should_panic(expected = "no echo may come")]
async fn a_message_that_must_not_come_fails() {
    let mut client = client().await;
    client.send(json!({"type": "echo"})).await;
    client.assert_none("no echo may come", |message| message["type"] == "echo").await;
}

#[tokio::test]
async fn refusals_and_problems_are_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let Ok(1..) = stream.read(&mut head).await else {
                return;
            };
            let body = r#"{"code":"forbidden","status":403}"#;
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    let refused = WsOptions::new(&format!("ws://{address}/ws"), Credential::None).connect().await;
    assert!(matches!(refused, Err(ConnectError::Refused { status: 403, .. })), "{refused:?}");
    let http = Http::new(&format!("http://{address}"));
    http.delete("/v1/x").bearer("t").send().await.expect_problem(403, "forbidden", "as sent");
    assert_eq!(http.patch("/v1/x", json!({})).send().await.status, 403);
}
