//! What it answers, and how that looks.

use cossistant_testkit::unique;
use serde_json::json;

use crate::stage::{
    Agent, DELIVERY, PAYMENT, agent_is_past, join, replies, reply, say, say_with, server, stands, user, user_token,
    visitor, visitor_of,
};

#[tokio::test]
async fn a_question_is_answered_and_the_draft_is_seen_to_grow() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    say(&mut visitor, &conversation, "Hi! I bought a lamp yesterday, how long will delivery take?").await;
    let mut drafts = Vec::new();
    let answer = loop {
        let message = visitor.next().await.expect("the connection stays");
        match message["type"].as_str() {
            Some("typing_progress") => drafts.push(message["content"].as_str().unwrap_or_default().to_owned()),
            Some("new_message") if message["senderType"] == "ai_agent" => break message,
            _ => {}
        }
    };
    assert_eq!((&answer["content"]["text"], &answer["senderName"]), (&json!(DELIVERY), &json!("FAQ assistant")));
    assert!(!drafts.is_empty() && drafts.iter().all(|draft| DELIVERY.starts_with(draft.as_str())), "{drafts:?}");
    assert!(drafts.is_sorted_by_key(String::len), "it grows: {drafts:?}");
    visitor
        .recv_until("the end of its work", |message| message["type"] == "agent_activity" && message["phase"] == "done")
        .await;
    assert_eq!(stands(&server, &conversation).await, ("open".to_owned(), json!("faq-agent")));
}

#[tokio::test]
async fn what_is_not_in_the_file_is_not_made_up() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    say(&mut visitor, &conversation, "Is the red lamp in stock?").await;
    let answer = reply(&mut visitor).await["content"]["text"].as_str().unwrap_or_default().to_owned();
    assert!(answer.contains("no answer") && answer.contains("talk to a person"), "{answer}");
    let picture = json!({"id": "a", "url": "https://files.example/a.png", "type": "image/png", "name": "a.png"});
    say_with(&mut visitor, &conversation, json!({"content": {"attachments": [picture]}})).await;
    let answer = reply(&mut visitor).await["content"]["text"].as_str().unwrap_or_default().to_owned();
    assert!(answer.contains("only read text"), "{answer}");
}

#[tokio::test]
async fn several_questions_are_answered_in_their_order() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    for question in ["How long does delivery take?", "How can I pay?", "when will it arrive"] {
        say(&mut visitor, &conversation, question).await;
    }
    for answer in [DELIVERY, PAYMENT, DELIVERY] {
        assert_eq!(reply(&mut visitor).await["content"]["text"], answer);
    }
}

#[tokio::test]
async fn what_is_asked_while_it_comes_is_answered_in_its_order() {
    let server = server();
    let (mut visitor, conversation) = visitor(&server).await;
    let ask_delivery = |at: usize| at.is_multiple_of(3);
    let question = |at| if ask_delivery(at) { "How long does delivery take?" } else { "How can I pay?" };
    say(&mut visitor, &conversation, question(0)).await;
    let _agent = Agent::start(&server, &[]);
    for at in 1..15 {
        say(&mut visitor, &conversation, question(at)).await;
    }
    for at in 0..15 {
        let answer = if ask_delivery(at) { DELIVERY } else { PAYMENT };
        assert_eq!(reply(&mut visitor).await["content"]["text"], answer, "of question {at}");
    }
}

#[tokio::test]
async fn many_conversations_of_several_websites_are_answered_at_once() {
    let server = server();
    let ready = server.ready().clone();
    let body = json!({"organizationId": ready.organization_id, "name": unique("Second"), "allowedDomains": []});
    let made = server.http().post("/v1/websites", body).bearer(&ready.admin_key).send().await.expect(201, "a website");
    let second = made["id"].as_str().expect("an id").to_owned();
    let _agent = Agent::start(&server, &[&second]);
    let mut visitors = Vec::new();
    for at in 0..8 {
        let website = if at % 2 == 0 { &ready.website_id } else { &second };
        let (mut visitor, conversation) = visitor_of(&server, website).await;
        say(&mut visitor, &conversation, if at < 4 { "How can I pay?" } else { "How long does delivery take?" }).await;
        visitors.push((visitor, at));
    }
    for (visitor, at) in &mut visitors {
        assert_eq!(reply(visitor).await["content"]["text"], if *at < 4 { PAYMENT } else { DELIVERY });
    }
}

#[tokio::test]
async fn only_visitors_are_answered() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    let mut user = user(&server, &conversation).await;
    say(&mut user, &conversation, "How can I pay?").await;
    say_with(&mut user, &conversation, json!({"content": {"text": "How can I pay?"}, "visibility": "internal"})).await;
    let other = cossistant_testkit::tokens::ai_agent("other").org(&server.ready().organization_id).websites(&["*"]);
    let mut other = join(&server, other.sign()).await;
    say(&mut other, &conversation, "How can I pay?").await;
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await, ["How can I pay?"], "only the other agent's own");
    // Its own answer asks a question, too; there is one answer to one question.
    say(&mut visitor, &conversation, "How long does delivery take?").await;
    assert_eq!(reply(&mut visitor).await["senderId"], "other");
    assert_eq!(reply(&mut visitor).await["content"]["text"], DELIVERY);
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await.len(), 2);
}

#[tokio::test]
async fn it_is_among_the_team() {
    let server = server();
    let _agent = Agent::start(&server, &[]);
    agent_is_past(&server).await;
    let path = format!("/v1/websites/{}/members", server.ready().website_id);
    let members = server.http().get(&path).bearer(&user_token(&server)).send().await.expect(200, "members");
    let found = members["members"].as_array().into_iter().flatten().find(|member| member["userId"] == "faq-agent");
    let found = found.unwrap_or_else(|| panic!("the agent is a member: {members}"));
    assert_eq!(
        (&found["userType"], &found["name"], &found["online"]),
        (&json!("ai_agent"), &json!("FAQ assistant"), &json!(true))
    );
}
