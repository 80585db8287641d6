//! What it survives.

use cossistant_testkit::eventually;
use serde_json::Value;

use crate::stage::{
    Agent, DELIVERY, PATIENCE, PAYMENT, agent_is_past, replies, reply, say, server, subscribe, visitor,
};

#[tokio::test]
async fn what_was_asked_while_it_was_away_is_answered_once() {
    let server = server();
    let (mut visitor, conversation) = visitor(&server).await;
    say(&mut visitor, &conversation, "How can I pay?").await;
    say(&mut visitor, &conversation, "How long does delivery take?").await;
    let mut agent = Agent::start(&server, &[]);
    assert_eq!(reply(&mut visitor).await["content"]["text"], PAYMENT);
    assert_eq!(reply(&mut visitor).await["content"]["text"], DELIVERY);
    assert_eq!(agent.terminate().await.code(), Some(0), "{}", agent.log());
    let _next = Agent::start(&server, &[]);
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await, [PAYMENT, DELIVERY]);
}

#[tokio::test]
async fn killed_at_any_moment_it_answers_once() {
    let server = server();
    let (mut visitor, conversation) = visitor(&server).await;
    // Killed later each time: before it hears, while it writes, about when it sends.
    for round in 0..6 {
        say(&mut visitor, &conversation, "How long does delivery take?").await;
        let agent = Agent::start(&server, &[]);
        if round > 0 {
            let mut drafts = 0;
            visitor
                .recv_until("a draft, or an answer", |message| {
                    drafts += usize::from(message["type"] == "typing_progress");
                    drafts == round || (message["type"] == "new_message" && message["senderType"] == "ai_agent")
                })
                .await;
        }
        agent.kill_9();
    }
    let _agent = Agent::start(&server, &[]);
    let all = eventually(PATIENCE, "each question has its answer", || async {
        let all = replies(&server, &conversation).await;
        (all.len() >= 6).then_some(all)
    })
    .await;
    assert_eq!(all, [DELIVERY; 6]);
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await.len(), 6);
}

#[tokio::test]
async fn a_server_that_is_killed_is_waited_for() {
    let mut server = server();
    let agent = Agent::start(&server, &[]);
    let (mut first, conversation) = visitor(&server).await;
    say(&mut first, &conversation, "How long does delivery take?").await;
    first.recv_until("a draft", |message| message["type"] == "typing_progress").await;
    server.kill_9();
    server.start_again();
    let token = cossistant_testkit::tokens::user("grace").org(&server.ready().organization_id).websites(&["*"]).sign();
    let mut user = crate::stage::join(&server, token).await;
    subscribe(&mut user, &conversation).await;
    let is_answer = |message: &Value| message["type"] == "new_message" && message["senderType"] == "ai_agent";
    assert_eq!(user.recv_until("the answer", is_answer).await["content"]["text"], DELIVERY, "{}", agent.log());
    agent_is_past(&server).await;
    assert_eq!(replies(&server, &conversation).await, [DELIVERY]);
}

#[tokio::test]
async fn it_stops_when_it_is_told_and_when_it_is_not_let_in() {
    let server = server();
    let mut agent = Agent::start(&server, &[]);
    let (mut visitor, conversation) = visitor(&server).await;
    say(&mut visitor, &conversation, "How long does delivery take?").await;
    visitor.recv_until("a draft", |message| message["type"] == "typing_progress").await;
    assert_eq!(agent.terminate().await.code(), Some(0), "{}", agent.log());
    let is_end = |message: &Value| message["type"] == "agent_activity" && message["phase"] == "done";
    visitor.recv_until("no draft is left behind", is_end).await;
    let mut refused = Agent::start_with_key(&server, "sk_wrong", &[]);
    assert_eq!(refused.ended().await.code(), Some(1), "{}", refused.log());
    let mut elsewhere = Agent::start(&server, &["nowhere"]);
    assert_eq!(elsewhere.ended().await.code(), Some(1), "{}", elsewhere.log());
}
