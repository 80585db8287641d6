//! Section 6 over a network that fails: what a cut line did not answer is sent again.

use std::sync::OnceLock;

use cossistant_testkit::{Credential, Mode, OrderChecker, Place, Proxy, Server, WsClient, WsOptions, unique};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Stage, new_message, number, say, subscribe, subscribe_with};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

async fn proxy(stage: &Stage) -> Proxy {
    Proxy::start(stage.url.trim_start_matches("http://").trim_end_matches('/')).await
}

fn through(proxy: &Proxy, stage: &Stage, token: &str) -> WsOptions {
    WsOptions::new(&proxy.url(&stage.ws_url), Credential::Header(token.to_owned())).deadline(PATIENCE)
}

/// Sends over a line that may be cut at any byte; none when no ack came back.
async fn send_over(options: WsOptions, message: &Value) -> Option<Value> {
    let mut client: WsClient = options.connect().await.ok()?;
    client.try_send(message.clone()).await.ok()?;
    loop {
        let answer = client.next().await?;
        if answer["id"] == message["id"] {
            return Some(answer);
        }
    }
}

#[tokio::test]
async fn a_line_cut_at_any_byte_loses_and_doubles_nothing() {
    let stage = stage();
    let mut proxy = proxy(&stage).await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let confirmed = subscribe(&mut visitor, &conversation).await;
    let token = stage.visitor_token(visitor.user_id());
    let mut acks = Vec::new();
    for at in 0..25 {
        let message = json!({"type": "send_message", "id": unique("key"), "conversationId": conversation, "content": {"text": format!("{at}")}});
        // From within the handshake to behind the ack.
        proxy.set(Mode::CutAfter(300 + at * 70)).await;
        let first = send_over(through(&proxy, &stage, &token), &message).await;
        proxy.set(Mode::Pass).await;
        let second = send_over(through(&proxy, &stage, &token), &message).await;
        let second = second.expect("section 6, an open line answers");
        assert_eq!(second["type"], "message_ack", "section 6, send it again with the same id: {second}");
        if let Some(first) = first {
            assert_eq!(
                (&first["messageId"], &second["duplicate"]),
                (&second["messageId"], &json!(true)),
                "section 3, answered with the first ack"
            );
        }
        acks.push(second);
    }
    let mut checker = OrderChecker::after(Place::Seq, number(&confirmed, "head"));
    while checker.messages() < acks.len() {
        let next = visitor.next().await.expect("section 6, every message is told");
        checker.assert_all("a witness", [&next]);
    }
    for ack in &acks {
        let told = visitor
            .seen()
            .iter()
            .filter(|message| message["type"] == "new_message" && message["messageId"] == ack["messageId"]);
        assert_eq!(told.count(), 1, "section 6, once: {ack}");
    }
}

#[tokio::test]
async fn a_reader_behind_a_bad_line_resumes_without_a_hole() {
    let stage = stage();
    let mut proxy = proxy(&stage).await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let token = stage.user_token(&unique("u"));
    let mut checker = OrderChecker::after(Place::Seq, 0);
    for mode in [Mode::Reset, Mode::Fin, Mode::BlackHole, Mode::Reset] {
        let mut reader = through(&proxy, &stage, &token).name("reader").establish().await;
        let confirmed = subscribe_with(&mut reader, &conversation, json!({"after": checker.last()})).await;
        assert_eq!(confirmed["recovered"], true, "section 6: {confirmed}");
        let before = say(&mut visitor, &conversation, "before").await;
        new_message(&mut reader, &before).await;
        proxy.set(mode).await;
        for _ in 0..5 {
            say(&mut visitor, &conversation, "while the line is bad").await;
        }
        checker.assert_all("the reader", reader.seen());
        proxy.set(Mode::Pass).await;
    }
    let last = say(&mut visitor, &conversation, "last").await;
    let mut reader = through(&proxy, &stage, &token).name("reader").establish().await;
    subscribe_with(&mut reader, &conversation, json!({"after": checker.last()})).await;
    new_message(&mut reader, &last).await;
    checker.assert_all("the reader", reader.seen());
    assert_eq!(checker.messages(), 25, "section 6, everything in the end");
}

#[tokio::test]
async fn a_short_black_hole_is_only_a_delay() {
    let stage = stage();
    let mut proxy = proxy(&stage).await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut reader = through(&proxy, &stage, &stage.user_token(&unique("u"))).establish().await;
    let confirmed = subscribe(&mut reader, &conversation).await;
    proxy.set(Mode::BlackHole).await;
    let mut last = Value::Null;
    for _ in 0..5 {
        last = say(&mut visitor, &conversation, "delayed").await;
    }
    proxy.set(Mode::Throttle(20_000)).await;
    new_message(&mut reader, &last).await;
    OrderChecker::after(Place::Seq, number(&confirmed, "head")).assert_all("behind a black hole", reader.seen());
    reader.fence().await;
}
