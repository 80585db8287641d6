//! Section 7: typing, viewing, activity and seen, and how each ends.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cossistant_testkit::{Server, WsClient, unique};
use serde_json::{Value, json};

use crate::support::{MOMENT, Stage, event, is, new_message, number, say, say_with, subscribe, subscribe_website};

static SERVER: OnceLock<Server> = OnceLock::new();

/// Short enough to be awaited, long enough that a slow machine does not end it early.
const TYPING_EXPIRY: Duration = Duration::from_secs(2);

fn stage() -> Stage {
    Stage::shared(&SERVER, "typing_expiry = \"2s\"\n")
}

async fn typing(client: &mut WsClient, conversation: &str, is_typing: bool, who: &str) -> Value {
    let what = format!("section 7, {who} {} typing", if is_typing { "starts" } else { "ends" });
    client
        .recv_until(&what, |message| {
            message["type"] == "typing_indicator"
                && message["conversationId"] == conversation
                && message["isTyping"] == is_typing
                && message["userId"] == who
        })
        .await
}

/// Takes the next mark of this person.
async fn mark_of(client: &mut WsClient, who: &str) -> Value {
    let what = format!("conversation_seen of {who}");
    client.recv_until(&what, |message| message["type"] == "conversation_seen" && message["userId"] == who).await
}

fn on(kind: &str, conversation: &str) -> Value {
    json!({"type": kind, "conversationId": conversation})
}

async fn two_sides() -> (Stage, String, WsClient, WsClient) {
    let stage = stage();
    let (visitor, conversation) = stage.visitor_in_conversation().await;
    let user = stage.user_in(&conversation).await;
    (stage, conversation, visitor, user)
}

#[tokio::test]
async fn typing_starts_and_stops() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    let (sub, member) = (visitor.user_id().to_owned(), user.user_id().to_owned());
    visitor.send(on("typing_start", &conversation)).await;
    typing(&mut user, &conversation, true, &sub).await;
    visitor.send(on("typing_stop", &conversation)).await;
    typing(&mut user, &conversation, false, &sub).await;
    user.send(on("typing_start", &conversation)).await;
    typing(&mut visitor, &conversation, true, &member).await;
    user.send(on("typing_stop", &conversation)).await;
    typing(&mut visitor, &conversation, false, &member).await;
    for client in [&mut visitor, &mut user] {
        client.assert_none("section 5, typing is never told to the typist", is("typing_indicator")).await;
    }
}

#[tokio::test]
async fn typing_carries_the_name_of_the_token() {
    let (stage, conversation, mut visitor, _user) = two_sides().await;
    let claims =
        stage.claims("user", &unique("u")).claim("name", "Grace").claim("avatarUrl", "https://x.example/g.png");
    let mut named = stage.join(&claims.sign(), "named").await;
    named.send(on("typing_start", &conversation)).await;
    let told = typing(&mut visitor, &conversation, true, named.user_id()).await;
    assert_eq!(
        (&told["userName"], &told["avatarUrl"]),
        (&json!("Grace"), &json!("https://x.example/g.png")),
        "section 4: {told}"
    );
}

#[tokio::test]
async fn typing_ends_by_a_message_of_the_same_person() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    visitor.send(on("typing_start", &conversation)).await;
    typing(&mut user, &conversation, true, visitor.user_id()).await;
    let start = Instant::now();
    let ack = say(&mut visitor, &conversation, "typed").await;
    typing(&mut user, &conversation, false, visitor.user_id()).await;
    new_message(&mut user, &ack).await;
    assert!(start.elapsed() < TYPING_EXPIRY, "section 7, by a message, not by expiry: {:?}", start.elapsed());
}

#[tokio::test]
async fn typing_ends_by_the_connections_end() {
    for clean in [true, false] {
        let (_stage, conversation, mut visitor, mut user) = two_sides().await;
        let sub = visitor.user_id().to_owned();
        visitor.send(on("typing_start", &conversation)).await;
        typing(&mut user, &conversation, true, &sub).await;
        let start = Instant::now();
        if clean {
            visitor.close(1000).await;
        } else {
            visitor.abort();
        }
        typing(&mut user, &conversation, false, &sub).await;
        assert!(
            start.elapsed() < TYPING_EXPIRY,
            "section 7, by the connection's end (clean: {clean}): {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn typing_ends_by_silence() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    let start = Instant::now();
    visitor.send(on("typing_start", &conversation)).await;
    typing(&mut user, &conversation, true, visitor.user_id()).await;
    typing(&mut user, &conversation, false, visitor.user_id()).await;
    assert!(
        start.elapsed() >= TYPING_EXPIRY - Duration::from_millis(200),
        "section 7, not before typing_expiry: {:?}",
        start.elapsed()
    );
    let limits = &visitor.established()["limits"];
    assert_eq!(limits["typingExpiry"], 2_000, "section 4, the client is told the expiry: {limits}");
}

#[tokio::test]
async fn typing_again_prolongs() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    visitor.send(on("typing_start", &conversation)).await;
    typing(&mut user, &conversation, true, visitor.user_id()).await;
    for _ in 0..3 {
        user.assert_none("section 7, typing goes on while it is repeated", |message| message["isTyping"] == false)
            .await;
        tokio::time::sleep(TYPING_EXPIRY / 2).await;
        visitor.send(on("typing_start", &conversation)).await;
        visitor.fence().await;
    }
    user.assert_none("section 7, typing goes on while it is repeated", |message| message["isTyping"] == false).await;
    typing(&mut user, &conversation, false, visitor.user_id()).await;
}

#[tokio::test]
async fn the_connection_that_typed_last_ends_it() {
    let (stage, conversation, mut first, mut user) = two_sides().await;
    let sub = first.user_id().to_owned();
    let mut second = stage.visitor(&sub).await;
    first.send(on("typing_start", &conversation)).await;
    typing(&mut user, &conversation, true, &sub).await;
    second.send(on("typing_start", &conversation)).await;
    second.fence().await;
    first.close(1000).await;
    let ended = |message: &Value| message["isTyping"] == false;
    user.assert_none_within(MOMENT, "section 7, per person: the other tab typed last", ended).await;
    let start = Instant::now();
    second.abort();
    typing(&mut user, &conversation, false, &sub).await;
    assert!(
        start.elapsed() < TYPING_EXPIRY,
        "section 7, the end of the connection that typed last: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn confirmations_tell_who_types_but_never_oneself() {
    let (stage, conversation, mut visitor, mut user) = two_sides().await;
    let member = user.user_id().to_owned();
    visitor.send(on("typing_start", &conversation)).await;
    typing(&mut user, &conversation, true, visitor.user_id()).await;
    let mut late = stage.user(&unique("u")).await;
    let confirmed = subscribe(&mut late, &conversation).await;
    let listed = confirmed["typing"].as_array().cloned().unwrap_or_default();
    assert!(
        listed.iter().any(|entry| entry["userId"] == visitor.user_id() && entry["userType"] == "visitor"),
        "section 4, typing as of the confirmation: {confirmed}"
    );
    let confirmed = subscribe_website(&mut late, &stage.website, json!({})).await;
    let listed = confirmed["typing"].as_array().cloned().unwrap_or_default();
    assert!(
        listed.iter().any(|entry| entry["userId"] == visitor.user_id() && entry["conversationId"] == conversation),
        "section 4, a website's with conversationId: {confirmed}"
    );
    let mut tab = stage.visitor(visitor.user_id()).await;
    let confirmed = subscribe(&mut tab, &conversation).await;
    assert_eq!(confirmed["typing"], json!([]), "section 4, never oneself: {confirmed}");
    for hidden in ["online", "viewing"] {
        assert!(confirmed.get(hidden).is_none(), "section 4, {hidden} is for the team: {confirmed}");
    }
    user.send(on("viewing_start", &conversation)).await;
    let viewing = event(&mut late, "viewing_indicator", &conversation).await;
    assert_eq!(viewing["userId"], member, "section 4: {viewing}");
    let confirmed = subscribe(&mut late, &conversation).await;
    assert!(
        confirmed["viewing"].to_string().contains(&member),
        "section 4, viewing as of the confirmation: {confirmed}"
    );
    let confirmed = subscribe(&mut user, &conversation).await;
    assert!(!confirmed["viewing"].to_string().contains(&member), "section 4, never oneself: {confirmed}");
}

#[tokio::test]
async fn the_preview_of_a_visitors_text_is_a_setting() {
    for (setting, text_passes) in [("text", true), ("indicator", false), ("off", false)] {
        let stage = stage().own_website().await;
        let settings = stage.patch_website(json!({"typingPreview": setting})).await;
        assert_eq!(settings["typingPreview"], setting, "section 8: {settings}");
        let (mut visitor, conversation) = stage.visitor_in_conversation().await;
        let mut user = stage.user_in(&conversation).await;
        visitor
            .send(json!({"type": "typing_progress", "conversationId": conversation, "content": "secret draft"}))
            .await;
        if text_passes {
            let told = event(&mut user, "typing_progress", &conversation).await;
            assert_eq!(told["content"], "secret draft", "section 5, text: {told}");
            continue;
        }
        if setting == "indicator" {
            let told = |message: &Value| {
                message["isTyping"] == true
                    || message["type"] == "typing_progress" && message["content"] != "secret draft"
            };
            user.recv_until("section 5, indicator: told that, not what", told).await;
        }
        let ack = say(&mut visitor, &conversation, "sent").await;
        new_message(&mut user, &ack).await;
        user.assert_none(&format!("section 5, typingPreview {setting}"), |message| {
            message.to_string().contains("secret draft")
        })
        .await;
        if setting == "off" {
            user.assert_none("section 5, off: neither", |message| {
                message["type"] == "typing_progress" || message["isTyping"] == true
            })
            .await;
        }
    }
}

#[tokio::test]
async fn the_newest_typed_text_arrives() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    for at in 0..50 {
        visitor
            .send(json!({"type": "typing_progress", "conversationId": conversation, "content": format!("draft {at}")}))
            .await;
    }
    user.recv_until("section 6, the newest typing_progress wins", |message| {
        message["type"] == "typing_progress" && message["content"] == "draft 49"
    })
    .await;
}

#[tokio::test]
async fn viewing_ends_with_its_connection() {
    let (stage, conversation, mut visitor, mut user) = two_sides().await;
    let mut viewer = stage.user(&unique("viewer")).await;
    let sub = viewer.user_id().to_owned();
    viewer.send(on("viewing_start", &conversation)).await;
    let viewing = event(&mut user, "viewing_indicator", &conversation).await;
    assert_eq!((&viewing["userId"], &viewing["isViewing"]), (&json!(sub), &json!(true)), "section 4: {viewing}");
    viewer.send(on("viewing_stop", &conversation)).await;
    assert_eq!(event(&mut user, "viewing_indicator", &conversation).await["isViewing"], false, "section 3");
    viewer.send(on("viewing_start", &conversation)).await;
    assert_eq!(event(&mut user, "viewing_indicator", &conversation).await["isViewing"], true, "section 3");
    viewer.abort();
    assert_eq!(
        event(&mut user, "viewing_indicator", &conversation).await["isViewing"],
        false,
        "section 7, nobody sees a stuck indicator"
    );
    visitor.assert_none("section 5, viewing is never for the visitor", is("viewing_indicator")).await;
}

#[tokio::test]
async fn activity_is_done_when_the_agents_last_connection_ends() {
    let (stage, conversation, mut visitor, mut user) = two_sides().await;
    let agent = unique("agent");
    let (mut one, other) = (stage.agent(&agent).await, stage.agent(&agent).await);
    one.send(json!({"type": "agent_activity", "conversationId": conversation, "phase": "thinking", "text": "hm", "audience": "all"})).await;
    for client in [&mut visitor, &mut user] {
        let told = event(client, "agent_activity", &conversation).await;
        assert_eq!((&told["userId"], &told["phase"]), (&json!(agent), &json!("thinking")), "section 4: {told}");
    }
    let mut late = stage.visitor(visitor.user_id()).await;
    let confirmed = subscribe(&mut late, &conversation).await;
    assert_eq!(
        confirmed["activity"][0]["phase"], "thinking",
        "section 4, activity as of the confirmation: {confirmed}"
    );
    one.close(1000).await;
    let done = |message: &Value| message["phase"] == "done";
    user.assert_none_within(MOMENT, "section 3, the agent has another connection", done).await;
    other.abort();
    let aborted = Instant::now();
    for client in [&mut visitor, &mut user] {
        let told = event(client, "agent_activity", &conversation).await;
        assert_eq!(told["phase"], "done", "section 3, the server sends done: {told}");
    }
    assert!(aborted.elapsed() < Duration::from_secs(8), "section 7, the ten seconds of grace are for people");
    let confirmed = subscribe(&mut late, &conversation).await;
    assert_eq!(confirmed["activity"], json!([]), "section 6, state plus events: {confirmed}");
}

#[tokio::test]
async fn a_confirmation_tells_activity_by_audience() {
    let (stage, conversation, mut visitor, mut user) = two_sides().await;
    let mut agent = stage.agent(&unique("agent")).await;
    agent.send(json!({"type": "agent_activity", "conversationId": conversation, "phase": "digging"})).await;
    event(&mut user, "agent_activity", &conversation).await;
    let confirmed = subscribe(&mut user, &conversation).await;
    assert_eq!(confirmed["activity"][0]["phase"], "digging", "section 4: {confirmed}");
    let confirmed = subscribe(&mut visitor, &conversation).await;
    assert_eq!(confirmed["activity"], json!([]), "section 4, by audience: {confirmed}");
}

#[tokio::test]
async fn marks_are_translated_between_the_numberings() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    let note = json!({"visibility": "internal", "content": {"text": "a note"}});
    say_with(&mut user, &conversation, note.clone()).await;
    let first = say(&mut user, &conversation, "first").await;
    say_with(&mut user, &conversation, note.clone()).await;
    let second = say(&mut user, &conversation, "second").await;
    let last_note = say_with(&mut user, &conversation, note).await;
    let first_seen = new_message(&mut visitor, &first).await;
    let second_seen = new_message(&mut visitor, &second).await;
    assert!(number(&first_seen, "seq") < number(&first, "seq"), "section 6, each audience has its own numbering");
    let reader = visitor.user_id().to_owned();
    visitor.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": first_seen["seq"]})).await;
    let told = mark_of(&mut user, &reader).await;
    assert_eq!(told["lastSeenSeq"], first["seq"], "section 6, translated to the team's numbering: {told}");
    let own = mark_of(&mut visitor, &reader).await;
    assert_eq!(own["lastSeenSeq"], first_seen["seq"], "section 5, the sending one too, in its numbering: {own}");
    // The user has seen all, the last note too: to the visitor, that is its own newest.
    user.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": last_note["seq"]})).await;
    let member = user.user_id().to_owned();
    let told = mark_of(&mut visitor, &member).await;
    assert_eq!(told["lastSeenSeq"], second_seen["seq"], "section 6, translated to the visitor's numbering: {told}");
    let confirmed = subscribe(&mut visitor, &conversation).await;
    for mark in confirmed["seen"].as_array().into_iter().flatten() {
        let expected = if mark["userId"] == reader { &first_seen["seq"] } else { &second_seen["seq"] };
        assert_eq!(&mark["lastSeenSeq"], expected, "section 6, in all fields: {confirmed}");
    }
}

#[tokio::test]
async fn a_mark_stops_at_head_and_never_goes_back() {
    let (_stage, conversation, mut visitor, mut user) = two_sides().await;
    let first = say(&mut visitor, &conversation, "first").await;
    let head = say(&mut visitor, &conversation, "second").await;
    let member = user.user_id().to_owned();
    user.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": 1_000_000})).await;
    let told = mark_of(&mut visitor, user.user_id()).await;
    assert_eq!(told["lastSeenSeq"], head["seq"], "section 7, beyond head is taken as head: {told}");
    user.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": first["seq"]})).await;
    user.fence().await;
    let confirmed = subscribe(&mut visitor, &conversation).await;
    let mark =
        confirmed["seen"].as_array().into_iter().flatten().find(|mark| mark["userId"] == user.user_id()).cloned();
    assert_eq!(
        mark.map(|mark| mark["lastSeenSeq"].clone()),
        Some(head["seq"].clone()),
        "section 3, mark_seen never goes back: {confirmed}"
    );
    let lower = |message: &Value| {
        message["type"] == "conversation_seen" && message["userId"] == member && message["lastSeenSeq"] != head["seq"]
    };
    visitor.assert_none("section 3, mark_seen never goes back", lower).await;
}
