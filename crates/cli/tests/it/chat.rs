//! Sections 3 and 6: messages are sent, acked, told, and happen once.

use std::sync::OnceLock;
use std::time::Duration;

use cossistant_testkit::{Server, unique};
use serde_json::{Value, json};

use crate::support::{
    Stage, assert_time, event, is, new_message, number, options, say, say_with, subscribe, subscribe_with, text,
    try_say,
};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

#[tokio::test]
async fn a_message_is_acked_and_told_with_all_fields() {
    let stage = stage();
    let sub = unique("visitor");
    let mut visitor = stage.join(&stage.claims("visitor", &sub).claim("name", "Ada").sign(), "visitor").await;
    let conversation = unique("conv");
    let head = number(&subscribe(&mut visitor, &conversation).await, "head");
    let mut user = stage.user_in(&conversation).await;
    let key = unique("key");
    let content = json!({"text": "grüße 😀 \u{202e}x", "metadata": {"a": [1, 2.5, null]}});
    let metadata = json!({"page": "/cart", "n": 1});
    let ack = say_with(&mut visitor, &conversation, json!({"id": key, "content": content, "metadata": metadata})).await;
    assert_eq!(ack["id"], key, "section 3, the ack has the same id: {ack}");
    assert_eq!(ack["conversationId"], conversation, "section 4: {ack}");
    assert!(text(&ack, "messageId").starts_with("msg_"), "section 1, ids of messages: {ack}");
    assert_time(&ack, "createdAt");
    assert!(ack.get("duplicate").is_none_or(|value| value == false), "section 4, stored for the first time: {ack}");
    let mine = new_message(&mut visitor, &ack).await;
    let theirs = new_message(&mut user, &ack).await;
    for message in [&mine, &theirs] {
        assert_eq!(message["content"], content, "reliability, content is stored as sent: {message}");
        assert_eq!(message["metadata"], metadata, "section 4: {message}");
        assert_eq!(
            (&message["senderType"], &message["senderId"]),
            (&json!("visitor"), &json!(sub)),
            "section 5, from the principal: {message}"
        );
        assert_eq!(message["senderName"], "Ada", "section 4: {message}");
        assert_eq!(message["createdAt"], ack["createdAt"], "section 4: {message}");
        assert_eq!(
            (&message["websiteId"], &message["organizationId"]),
            (&json!(stage.website), &json!(stage.org)),
            "section 4: {message}"
        );
        assert_eq!(message["visibility"], "public", "section 3, the default: {message}");
        assert_eq!(message["conversationId"], conversation, "section 4: {message}");
        assert!(message.get("deleted").is_none_or(|value| value == false), "section 4: {message}");
    }
    assert_eq!(mine["seq"], ack["seq"], "section 6, one numbering in all fields: {mine}");
    assert_eq!(mine["clientMessageId"], key, "section 4, the sender knows its message again: {mine}");
    assert!(mine.get("offset").is_none(), "section 4, offset is given to users and ai_agents only: {mine}");
    number(&theirs, "offset");
    assert!(number(&ack, "seq") > head, "section 6: {ack} after head {head}");
}

#[tokio::test]
async fn a_sender_hears_itself_once_on_every_subscribed_connection() {
    let stage = stage();
    let (mut first, conversation) = stage.visitor_in_conversation().await;
    let sub = first.user_id().to_owned();
    let (mut second, mut deaf) = (stage.visitor(&sub).await, stage.visitor(&sub).await);
    subscribe(&mut second, &conversation).await;
    let ack = say(&mut first, &conversation, "hello").await;
    for client in [&mut first, &mut second] {
        new_message(client, &ack).await;
        client.assert_none("section 5, once on every one of them", is("new_message")).await;
    }
    deaf.assert_none("section 5, on those that are subscribed", is("new_message")).await;
    second.assert_none("section 3, the ack is for the sending connection", is("message_ack")).await;
}

#[tokio::test]
async fn the_same_id_again_stores_nothing_new() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let message = json!({"id": unique("key"), "content": {"text": "once", "metadata": {"a": 1, "b": 2}}, "metadata": {"x": [1], "y": {}}});
    let first = say_with(&mut visitor, &conversation, message.clone()).await;
    let mut other = stage.visitor(visitor.user_id()).await;
    let reordered = json!({"id": message["id"], "content": {"metadata": {"b": 2, "a": 1}, "text": "once"}, "metadata": {"y": {}, "x": [1]}, "visibility": "public"});
    for (again, rule) in [(message.clone(), "the same"), (reordered, "the same as JSON values")] {
        for client in [&mut visitor, &mut other] {
            let ack = say_with(client, &conversation, again.clone()).await;
            assert_eq!(ack["duplicate"], true, "section 3, {rule} again: {ack}");
            for field in ["messageId", "seq", "createdAt", "id"] {
                assert_eq!(ack[field], first[field], "section 3, {rule} is answered with the first ack: {ack}");
            }
        }
    }
    new_message(&mut user, &first).await;
    let after = say(&mut visitor, &conversation, "after").await;
    assert_eq!(number(&after, "seq"), number(&first, "seq") + 1, "section 3, nothing new was stored");
    new_message(&mut user, &after).await;
    user.assert_none("section 6, a message happens once", is("new_message")).await;
}

#[tokio::test]
async fn the_same_id_with_other_content_is_a_conflict() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let id = unique("key");
    say_with(&mut visitor, &conversation, json!({"id": id, "content": {"text": "one"}})).await;
    for more in [json!({"content": {"text": "two"}}), json!({"content": {"text": "one"}, "metadata": {"new": 1}})] {
        let mut message = json!({"id": id});
        crate::support::merge(&mut message, &more);
        let answer = try_say(&mut visitor, &conversation, message).await;
        assert_eq!(answer["code"], "conflict", "section 3, other content under the same id: {answer}");
    }
    let id = unique("key");
    say_with(&mut user, &conversation, json!({"id": id})).await;
    let answer = try_say(&mut user, &conversation, json!({"id": id, "visibility": "internal"})).await;
    assert_eq!(answer["code"], "conflict", "section 3, visibility is compared: {answer}");
}

#[tokio::test]
async fn the_key_is_per_sender_and_conversation() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let second = unique("conv");
    subscribe(&mut visitor, &second).await;
    let id = unique("key");
    let acks = [
        say_with(&mut visitor, &conversation, json!({"id": id})).await,
        say_with(&mut user, &conversation, json!({"id": id})).await,
        say_with(&mut visitor, &second, json!({"id": id})).await,
    ];
    let ids: std::collections::HashSet<&str> = acks.iter().map(|ack| text(ack, "messageId")).collect();
    assert_eq!(ids.len(), 3, "section 3, per sender and conversation: {acks:?}");
    assert!(acks.iter().all(|ack| ack["duplicate"] != true), "section 3: {acks:?}");
}

#[tokio::test]
async fn without_an_id_the_server_makes_one_up() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    visitor
        .send(json!({"type": "send_message", "conversationId": conversation, "content": {"text": "old client"}}))
        .await;
    let ack = visitor.expect("message_ack").await;
    assert!(!text(&ack, "id").is_empty(), "section 3, the server makes one up: {ack}");
    new_message(&mut visitor, &ack).await;
}

#[tokio::test]
async fn a_visitor_creates_a_conversation_by_sending() {
    let stage = stage().own_website().await;
    let mut user = stage.user(&unique("u")).await;
    crate::support::subscribe_website(&mut user, &stage.website, json!({})).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    let ack = say(&mut visitor, &conversation, "first").await;
    assert_eq!(ack["seq"], 2, "section 6, numbers are 1, 2, 3: created, then the message: {ack}");
    let created = event(&mut user, "conversation_created", &conversation).await;
    assert_eq!(created["visitorId"], visitor.user_id(), "section 3, as its owner: {created}");
    assert_eq!(created["websiteId"], stage.website, "section 3, on its website: {created}");
    assert_eq!(created["seq"], 1, "section 6: {created}");
    assert_time(&created, "createdAt");
    let message = new_message(&mut user, &ack).await;
    assert_eq!(number(&message, "offset"), number(&created, "offset") + 1, "section 6, dense by website");
    let confirmed = subscribe_with(&mut visitor, &conversation, json!({"after": 0})).await;
    assert_eq!((&confirmed["replayed"], &confirmed["recovered"]), (&json!(2), &json!(true)), "section 6: {confirmed}");
}

#[tokio::test]
async fn a_visitor_creates_a_conversation_by_subscribing() {
    let stage = stage();
    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    let confirmed = subscribe_with(&mut visitor, &conversation, json!({"after": 0})).await;
    assert_eq!(confirmed["recovered"], true, "section 3, after 0 on a new one is recovered: {confirmed}");
    assert_eq!(confirmed["visitorId"], visitor.user_id(), "section 4: {confirmed}");
    assert_eq!(confirmed["status"], "open", "section 4: {confirmed}");
    assert!(confirmed["assignedTeamMemberId"].is_null(), "section 4: {confirmed}");
    assert!(!text(&confirmed, "epoch").is_empty(), "section 4: {confirmed}");
    let created = event(&mut visitor, "conversation_created", &conversation).await;
    assert_eq!(created["seq"], 1, "section 6: {created}");
    for after in [1, 5] {
        let ahead = unique("conv");
        let confirmed = subscribe_with(&mut visitor, &ahead, json!({"after": after})).await;
        assert_eq!(
            (&confirmed["recovered"], &confirmed["replayed"]),
            (&json!(false), &json!(0)),
            "section 3, a greater one is ahead of head: {confirmed}"
        );
    }
}

#[tokio::test]
async fn what_follows_a_visitors_first_word_finds_the_conversation() {
    let stage = stage();
    let first_words = [
        json!({"type": "subscribe_conversation", "id": "first"}),
        json!({"type": "send_message", "id": "first", "content": {"text": "hello"}}),
    ];
    for first in first_words {
        let mut visitor = stage.visitor(&unique("v")).await;
        let conversation = unique("conv");
        let rest = [
            json!({"type": "typing_start", "id": "typing"}),
            json!({"type": "mark_seen", "id": "seen", "seq": 1}),
            json!({"type": "send_message", "id": "second", "content": {"text": "anyone?"}}),
        ];
        for mut message in std::iter::once(first.clone()).chain(rest) {
            message["conversationId"] = json!(conversation);
            visitor.send(message).await;
        }
        visitor.expect_answer("first").await;
        let ack = visitor.expect_answer("second").await;
        assert_eq!(ack["type"], "message_ack", "section 3, behind {first}: {ack}");
        visitor
            .assert_none("section 3, subscribing needs no order with typing", |message| message["type"] == "error")
            .await;
    }
}

#[tokio::test]
async fn an_unknown_conversation_is_not_found_for_the_team() {
    let stage = stage();
    let unknown = unique("conv");
    for mut client in [stage.user(&unique("u")).await, stage.agent(&unique("a")).await] {
        let answer = try_say(&mut client, &unknown, json!({})).await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!("not_found")),
            "section 3, for users and ai_agents: {answer}"
        );
        client.send(json!({"type": "subscribe_conversation", "id": "sub", "conversationId": unknown})).await;
        let answer = client.expect_answer("sub").await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("subscription_error"), &json!("not_found")),
            "section 3: {answer}"
        );
        assert_eq!(answer["channel"], format!("conversation:{unknown}"), "section 4: {answer}");
        assert!(answer["error"].is_string(), "section 4, words for people: {answer}");
        for message in [
            json!({"type": "typing_start"}),
            json!({"type": "mark_seen", "seq": 1}),
            json!({"type": "typing_progress", "content": "x"}),
        ] {
            let mut message = message;
            message["id"] = json!(unique("e"));
            message["conversationId"] = json!(unknown);
            let id = text(&message, "id").to_owned();
            client.send(message).await;
            client.expect_error(&id, "not_found", "section 4, not_found").await;
        }
    }
}

#[tokio::test]
async fn a_closed_conversation_refuses_its_visitor() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let kept = json!({"id": unique("key"), "content": {"text": "before the end"}});
    let first = say_with(&mut visitor, &conversation, kept.clone()).await;
    stage.patch_conversation(&conversation, json!({"status": "closed"})).await;
    let changed = event(&mut visitor, "conversation_status_changed", &conversation).await;
    assert_eq!(changed["status"], "closed", "section 4: {changed}");
    let answer = try_say(&mut visitor, &conversation, json!({})).await;
    assert_eq!(answer["code"], "conflict", "section 6, a closed one refuses: {answer}");
    assert_eq!(answer["details"]["status"], "closed", "section 6: {answer}");
    let again = say_with(&mut visitor, &conversation, kept).await;
    assert_eq!(
        (&again["duplicate"], &again["messageId"]),
        (&json!(true), &first["messageId"]),
        "section 3, looked up before any check of state: {again}"
    );
    let confirmed = subscribe(&mut visitor, &conversation).await;
    assert_eq!(confirmed["status"], "closed", "section 6, subscribing is not refused: {confirmed}");
    visitor.send(json!({"type": "typing_start", "conversationId": conversation})).await;
    let typing = event(&mut user, "typing_indicator", &conversation).await;
    assert_eq!(typing["isTyping"], true, "section 6, typing is not refused: {typing}");
    visitor.assert_none("section 6, typing is not refused", is("error")).await;
}

#[tokio::test]
async fn a_visitors_message_reopens_a_resolved_one() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    stage.patch_conversation(&conversation, json!({"status": "resolved"})).await;
    for client in [&mut visitor, &mut user] {
        assert_eq!(
            event(client, "conversation_status_changed", &conversation).await["status"],
            "resolved",
            "section 4"
        );
    }
    say_with(&mut user, &conversation, json!({"visibility": "internal"})).await;
    let by_team = say(&mut user, &conversation, "resolved, is it?").await;
    new_message(&mut visitor, &by_team).await;
    visitor
        .assert_none("section 6, a visitor's message reopens, not the team's", is("conversation_status_changed"))
        .await;
    let ack = say(&mut visitor, &conversation, "not quite").await;
    for client in [&mut visitor, &mut user] {
        let message = new_message(client, &ack).await;
        let reopened = event(client, "conversation_status_changed", &conversation).await;
        assert_eq!(reopened["status"], "open", "section 6, it reopens: {reopened}");
        assert_eq!(
            number(&reopened, "seq"),
            number(&message, "seq") + 1,
            "section 6, new_message, then the status: {reopened}"
        );
    }
}

#[tokio::test]
async fn a_key_is_known_after_a_restart() {
    let mut server = options("").start();
    let sub = unique("v");
    let conversation = unique("conv");
    let message = json!({"id": unique("key"), "content": {"text": "durable"}});
    let first = {
        let mut visitor = Stage::of(&server).visitor(&sub).await;
        say_with(&mut visitor, &conversation, message.clone()).await
    };
    let token = Stage::of(&server).visitor_token(&sub);
    server.restart();
    let stage = Stage::of(&server);
    let mut visitor = stage.join(&token, "after the restart").await;
    let again = say_with(&mut visitor, &conversation, message).await;
    assert_eq!(again["duplicate"], true, "section 3, at any later time: {again}");
    for field in ["messageId", "seq", "createdAt"] {
        assert_eq!(again[field], first[field], "section 3, the first ack: {again}");
    }
    let confirmed = subscribe_with(&mut visitor, &conversation, json!({"after": 0})).await;
    assert_eq!(confirmed["replayed"], 2, "section 6, stored once: {confirmed}");
}

#[tokio::test]
async fn racing_sends_of_one_key_store_one_message() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let message: Value = json!({"id": unique("key"), "content": {"text": "raced"}});
    let sub = visitor.user_id().to_owned();
    let racers = (0..6).map(|_| async {
        let mut client = stage.visitor(&sub).await;
        say_with(&mut client, &conversation, message.clone()).await
    });
    let acks = futures_util::future::join_all(racers).await;
    assert!(acks.iter().all(|ack| ack["messageId"] == acks[0]["messageId"]), "section 3, one message: {acks:?}");
    let fresh = acks.iter().filter(|ack| ack["duplicate"] != true).count();
    assert_eq!(fresh, 1, "section 3, one ack is the first: {acks:?}");
    new_message(&mut visitor, &acks[0]).await;
    tokio::time::timeout(Duration::from_secs(30), visitor.assert_none("section 6, told once", is("new_message")))
        .await
        .expect("a fence in time");
}
