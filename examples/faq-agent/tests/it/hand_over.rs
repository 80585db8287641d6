//! How it leaves a conversation to people, and takes it up again.

use serde_json::{Value, json};

use crate::stage::{
    Agent, DELIVERY, PAYMENT, agent_is_past, change, replies, reply, say, say_with, server, stands, user, visitor,
};

#[tokio::test]
async fn whoever_asks_for_a_person_is_handed_over_and_left_alone() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    say(&mut visitor, &conversation, "How can I pay?").await;
    assert_eq!(reply(&mut visitor).await["content"]["text"], PAYMENT);
    assert_eq!(stands(&server, &conversation).await.1, "faq-agent");
    say(&mut visitor, &conversation, "I'd like to talk to a real person, please").await;
    let told = visitor.recv_until("its status", |message| message["type"] == "conversation_status_changed").await;
    assert_eq!(told["status"], "pending");
    let promise = reply(&mut visitor).await;
    assert!(promise["content"]["text"].as_str().is_some_and(|text| text.contains("person")), "{promise}");
    assert_eq!(stands(&server, &conversation).await, ("pending".to_owned(), Value::Null));
    // The team has a note, which the visitor has not.
    let mut user = user(&server, &conversation).await;
    let is_note = |message: &Value| message["type"] == "new_message" && message["visibility"] == "internal";
    user.recv_until("a note", is_note).await;
    visitor.assert_none("a note is for the team", is_note).await;
    say(&mut visitor, &conversation, "How long does delivery take?").await;
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await.len(), 3, "an answer, a note and a promise");
}

#[tokio::test]
async fn the_widget_says_it_by_an_intent() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    for message in [
        json!({"content": {"text": "Parler à quelqu'un"}, "metadata": {"intent": "person"}}),
        json!({"content": {"text": "How can I pay?", "metadata": {"intent": "person"}}}),
    ] {
        let (mut visitor, conversation) = visitor(&server).await;
        say_with(&mut visitor, &conversation, message).await;
        reply(&mut visitor).await;
        assert_eq!(stands(&server, &conversation).await, ("pending".to_owned(), Value::Null));
    }
}

#[tokio::test]
async fn a_conversation_that_is_handed_back_is_taken_up_where_it_was_left() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    for back in [json!({"assignedTeamMemberId": "faq-agent"}), json!({"status": "open"})] {
        let (mut visitor, conversation) = visitor(&server).await;
        say(&mut visitor, &conversation, "talk to a person").await;
        reply(&mut visitor).await;
        say(&mut visitor, &conversation, "How can I pay?").await;
        agent_is_past(&server).await;
        assert_eq!(replies(&server, &conversation).await.len(), 2, "a note and a promise");
        change(&server, &conversation, back).await;
        assert_eq!(reply(&mut visitor).await["content"]["text"], PAYMENT, "what was asked meanwhile");
        say(&mut visitor, &conversation, "How long does delivery take?").await;
        assert_eq!(reply(&mut visitor).await["content"]["text"], DELIVERY);
    }
}

#[tokio::test]
async fn what_a_person_has_taken_is_theirs() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    change(&server, &conversation, json!({"assignedTeamMemberId": "grace"})).await;
    say(&mut visitor, &conversation, "How can I pay?").await;
    say(&mut visitor, &conversation, "talk to a person").await;
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await, [""; 0]);
    assert_eq!(stands(&server, &conversation).await, ("open".to_owned(), json!("grace")));
}

#[tokio::test]
async fn a_person_who_takes_over_stops_the_pen() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    say(&mut visitor, &conversation, "How long does delivery take?").await;
    visitor.recv_until("a draft", |message| message["type"] == "typing_progress").await;
    change(&server, &conversation, json!({"assignedTeamMemberId": "grace"})).await;
    visitor
        .recv_until("the end of its work", |message| message["type"] == "agent_activity" && message["phase"] == "done")
        .await;
    assert_eq!(replies(&server, &conversation).await, [""; 0]);
}
