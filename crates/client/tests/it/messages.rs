//! Sending, receiving, resuming.

use std::time::Duration;

use cossistant_client::{
    Client, ErrorCode, Event, MessageContent, RequestId, SendError, SendMessage, ServerMessage, SubscriptionState,
};
use serde_json::json;

use crate::peer::{Peer, ack, confirmed, find, new_message};

fn text(text: &str) -> MessageContent {
    MessageContent::text(text).expect("a valid text")
}

fn conversation(id: &str) -> cossistant_client::ConversationId {
    id.parse().expect("an id")
}

/// The text of the next `new_message`.
async fn next_text(events: &mut cossistant_client::Events) -> String {
    find(events, |event| match event {
        Event::Message(message) => match *message {
            ServerMessage::NewMessage(message) => Some(message.content.expect("not deleted").to_string()),
            _ => None,
        },
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_message_is_acknowledged() {
    let peer = Peer::listen().await;
    let (client, _events) = Client::connect(peer.config());
    let delivery = client.send_message(conversation("c"), text("hello"));
    let mut link = peer.welcome().await;
    let sent = link.expect("send_message").await;
    assert_eq!(sent["content"]["text"], "hello");
    assert_eq!(sent["id"], delivery.id().as_str());
    link.send(ack(&sent, 7)).await;
    assert_eq!(delivery.await.expect("an ack").seq, 7);
    assert_eq!(client.queued_message_count(), 0);
}

#[tokio::test]
async fn a_refusal_reaches_the_sender_with_its_words() {
    let peer = Peer::listen().await;
    let (client, mut events) = Client::connect(peer.config());
    let delivery = client.send_message(conversation("c"), text("hello"));
    let mut link = peer.welcome().await;
    let sent = link.expect("send_message").await;
    link.send(json!({"type": "error", "id": sent["id"], "code": "forbidden", "error": "not here"})).await;
    let refused = SendError::Refused { code: ErrorCode::Forbidden, error: String::from("not here") };
    assert_eq!(delivery.await, Err(refused.clone()));
    let told =
        find(&mut events, |event| if let Event::MessageFailed { error, .. } = event { Some(error) } else { None });
    assert_eq!(told.await, refused);
}

#[tokio::test]
async fn invalid_and_repeated_messages_never_leave() {
    let peer = Peer::listen().await;
    let (client, _events) = Client::connect(peer.config());
    let empty = client.send_message(conversation("c"), MessageContent::default()).await;
    assert!(matches!(empty, Err(SendError::Invalid(_))));
    let id: RequestId = "mine".parse().expect("an id");
    let message = |words| SendMessage {
        conversation_id: conversation("c"),
        content: text(words),
        metadata: None,
        visibility: None,
    };
    let first = client.send_with_id(id.clone(), message("one"));
    let second = client.send_with_id(id, message("two"));
    assert_eq!(second.await, Err(SendError::DuplicateId));
    let mut link = peer.welcome().await;
    let sent = link.expect("send_message").await;
    link.send(ack(&sent, 1)).await;
    assert_eq!(first.await.expect("an ack").seq, 1);
}

#[tokio::test]
async fn after_a_cut_it_resumes_and_sends_again_and_hears_all_once() {
    let peer = Peer::listen().await;
    let (client, mut events) = Client::connect(peer.config());
    client.subscribe_to_conversation(conversation("c")).expect("it runs");
    let mut link = peer.welcome().await;
    let asked = link.expect("subscribe_conversation").await;
    assert!(asked.get("after").is_none());
    link.send(confirmed(&asked, 3)).await;
    link.send(new_message(4, "four")).await;
    assert!(next_text(&mut events).await.contains("four"));
    let delivery = client.send_message(conversation("c"), text("hello"));
    let first = link.expect("send_message").await;
    drop(link);

    let mut link = peer.welcome().await;
    let asked = link.expect("subscribe_conversation").await;
    assert_eq!((&asked["after"], &asked["epoch"]), (&json!(4), &json!("e1")));
    link.send(confirmed(&asked, 5)).await;
    let again = link.expect("send_message").await;
    assert_eq!(again["id"], first["id"]);
    link.send(new_message(4, "four")).await;
    link.send(new_message(5, "five")).await;
    link.send(ack(&again, 6)).await;
    assert!(next_text(&mut events).await.contains("five"));
    assert_eq!(delivery.await.expect("an ack").seq, 6);
    let subscriptions = client.subscriptions();
    assert_eq!(subscriptions[0].1, SubscriptionState::Confirmed);
    assert_eq!(client.stats().duplicates, 1);
}

#[tokio::test]
async fn what_is_no_message_is_skipped_and_an_unknown_type_handed_on() {
    let peer = Peer::listen().await;
    let (client, mut events) = Client::connect(peer.config());
    let mut link = peer.welcome().await;
    for bad in ["", "[]", r#"{"type":"new_message"}"#] {
        link.send_text(String::from(bad)).await;
    }
    link.send(json!({"type": "brand_new", "x": 1})).await;
    let unknown = find(&mut events, |event| if let Event::Unknown(text) = event { Some(text) } else { None }).await;
    assert!(unknown.contains("brand_new"));
    assert_eq!(client.stats().messages_invalid, 3);
}

#[tokio::test]
async fn typing_goes_with_its_edges_and_pings_are_answered() {
    let peer = Peer::listen().await;
    let (client, _events) = Client::connect(peer.config());
    let mut link = peer.welcome().await;
    assert!(client.wait_for_state(|_| client.is_connected()).await);
    for draft in ["h", "he", "hel"] {
        client.send_typing_progress(conversation("c"), draft);
    }
    link.expect("typing_start").await;
    assert_eq!(link.expect("typing_progress").await["content"], "h");
    assert_eq!(link.expect("typing_progress").await["content"], "hel");
    client.mark_seen(conversation("c"), 9);
    assert_eq!(link.expect("mark_seen").await["seq"], 9);
    let (latency, ()) = tokio::join!(client.ping(), async {
        let ping = link.expect("ping").await;
        link.send(json!({"type": "pong", "id": ping["id"]})).await;
    });
    assert!(latency.expect("a pong") < Duration::from_secs(5));
}

#[tokio::test]
async fn an_application_that_does_not_listen_can_still_send() {
    let peer = Peer::listen().await;
    let (client, events) = Client::connect(peer.config());
    drop(events);
    let delivery = client.send_message(conversation("c"), text("hello"));
    let mut link = peer.welcome().await;
    let sent = link.expect("send_message").await;
    for seq in 1..3_000 {
        link.send(new_message(seq, "noise")).await;
    }
    link.send(ack(&sent, 3_000)).await;
    assert!(delivery.await.is_ok());
}

#[tokio::test]
async fn a_slow_application_loses_nothing() {
    let peer = Peer::listen().await;
    let (client, mut events) = Client::connect(peer.config());
    client.subscribe_to_conversation(conversation("c")).expect("it runs");
    let mut link = peer.welcome().await;
    let asked = link.expect("subscribe_conversation").await;
    link.send(confirmed(&asked, 0)).await;
    let server = tokio::spawn(async move {
        for seq in 1..=5_000 {
            link.send(new_message(seq, &"long ".repeat(200))).await;
        }
        link
    });
    tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await.expect_err("nothing");
    for seq in 1..=5_000 {
        let got = find(&mut events, |event| match event {
            Event::Message(message) => match *message {
                ServerMessage::NewMessage(message) => Some(message.seq),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(got.await, seq);
    }
    drop(server.await.expect("all was sent"));
    drop(client);
}
