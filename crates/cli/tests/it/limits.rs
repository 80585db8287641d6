//! Sections 6 and 9: what a server refuses, and how it goes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cossistant_testkit::{Credential, OrderChecker, Place, Response, WsClient, eventually, unique};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::figures::{exposition, sum};
use crate::support::{
    PAGE, PATIENCE, Stage, event, number, options, say, say_with, subscribe, subscribe_website, subscribe_with, text,
    try_say,
};

/// How often a test knocks until a bucket is empty: a slow machine refills it meanwhile.
const ATTEMPTS: usize = 100;

/// Sends until a message is refused, and gives the refusal.
async fn until_limited(client: &mut WsClient, conversation: &str) -> Value {
    for _ in 0..ATTEMPTS {
        let answer = try_say(client, conversation, json!({})).await;
        if answer["type"] == "error" {
            return answer;
        }
    }
    panic!("section 9, no limit after {ATTEMPTS} messages")
}

/// Checks an `error` of a limit, and gives the wait that it asks for.
#[track_caller]
fn assert_limited(answer: &Value, rule: &str) -> Duration {
    assert_eq!(answer["code"], "rate_limited", "section 9, {rule}: {answer}");
    Duration::from_millis(number(answer, "retryAfter"))
}

#[track_caller]
fn assert_http_limited(answer: &Response, rule: &str) {
    let problem = answer.expect_problem(429, "rate_limited", &format!("section 9, {rule}"));
    number(&problem, "retryAfter");
    let after = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    assert!(after.is_some(), "section 8, Retry-After beside retryAfter: {answer:?}");
}

#[tokio::test]
async fn a_visitors_messages_are_limited_over_all_ways() {
    let server = options("limit_visitor_messages = 1\nlimit_visitor_messages_burst = 4\n").start();
    let stage = Stage::of(&server);
    let (mut one, conversation) = stage.visitor_in_conversation().await;
    let mut two = stage.visitor(one.user_id()).await;
    for client in [&mut one, &mut two] {
        say(client, &conversation, "1").await;
        say(client, &conversation, "2").await;
    }
    let wait = assert_limited(&until_limited(&mut one, &conversation).await, "a visitor, all connections together");
    assert_limited(&until_limited(&mut two, &conversation).await, "a visitor, all connections together");
    let message = json!({"id": unique("key"), "content": {"text": "patience"}});
    let path = format!("/v1/conversations/{conversation}/messages");
    let mut posted = None;
    for _ in 0..ATTEMPTS {
        let body = json!({"id": unique("key"), "content": {"text": "x"}});
        let answer = stage.http.post(&path, body).bearer(&stage.visitor_token(one.user_id())).send().await;
        if answer.status != 201 {
            posted = Some(answer);
            break;
        }
    }
    assert_http_limited(&posted.expect("section 9, limit_visitor_messages by HTTP"), "a visitor, HTTP together");
    assert!(wait <= Duration::from_secs(10), "section 9, one a second: {wait:?}");
    // The other ways drew from the same bucket meanwhile, so the wait may be asked for again.
    let mut wait = wait;
    let ack = loop {
        tokio::time::sleep(wait + Duration::from_millis(50)).await;
        let answer = try_say(&mut one, &conversation, message.clone()).await;
        if answer["type"] == "message_ack" {
            break answer;
        }
        wait = assert_limited(&answer, "retryAfter is a wait that suffices");
    };
    assert!(ack["duplicate"] != true, "section 6, rate_limited means: not stored: {ack}");
    let mut other = stage.visitor(&unique("v")).await;
    say(&mut other, &unique("conv"), "my own bucket").await;
    let mut user = stage.user_in(&conversation).await;
    for _ in 0..8 {
        say(&mut user, &conversation, "the team has another limit").await;
    }
}

#[tokio::test]
async fn a_visitors_changes_of_messages_are_limited_as_messages_are() {
    let server = options("limit_visitor_messages = 1\nlimit_visitor_messages_burst = 4\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let ack = say(&mut visitor, &conversation, "as it was").await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", text(&ack, "messageId"));
    let token = stage.visitor_token(visitor.user_id());
    let mut last = None;
    for n in 0..ATTEMPTS {
        let body = json!({"content": {"text": format!("change {n}")}});
        let answer = stage.http.patch(&path, body).bearer(&token).send().await;
        if answer.status != 200 {
            last = Some(answer);
            break;
        }
    }
    assert_http_limited(&last.expect("section 9, limit_visitor_messages"), "changes of messages");
    let deleted = stage.http.delete(&path).bearer(&token).send().await;
    assert_http_limited(&deleted, "to delete one is a change, too");
}

#[tokio::test]
async fn a_duplicate_is_answered_before_any_limit() {
    let server = options("limit_visitor_messages = 1\nlimit_visitor_messages_burst = 1\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let message = json!({"id": unique("key"), "content": {"text": "x"}});
    say_with(&mut visitor, &conversation, message.clone()).await;
    for _ in 0..5 {
        let again = say_with(&mut visitor, &conversation, message.clone()).await;
        assert_eq!(again["duplicate"], true, "section 3, looked up before any check of rate: {again}");
    }
}

#[tokio::test]
async fn the_teams_messages_are_limited() {
    let server = options("limit_team_messages = 1\nlimit_team_messages_burst = 3\n").start();
    let stage = Stage::of(&server);
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    for _ in 0..3 {
        say(&mut user, &conversation, "x").await;
    }
    assert_limited(&until_limited(&mut user, &conversation).await, "a user");
}

#[tokio::test]
async fn subscriptions_are_limited() {
    let server = options("limit_subscriptions = 3\n").start();
    let stage = Stage::of(&server);
    let mut visitor = stage.visitor(&unique("v")).await;
    assert_eq!(visitor.established()["limits"]["maxSubscriptions"], 3, "section 4, limits: {}", visitor.established());
    let held: Vec<String> = (0..3).map(|_| unique("conv")).collect();
    for conversation in &held {
        subscribe(&mut visitor, conversation).await;
    }
    subscribe(&mut visitor, &held[0]).await;
    let more = unique("conv");
    visitor.send(json!({"type": "subscribe_conversation", "id": "more", "conversationId": more})).await;
    let answer = visitor.expect_answer("more").await;
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&json!("subscription_error"), &json!("limit_exceeded")),
        "section 9: {answer}"
    );
    visitor.send(json!({"type": "unsubscribe_conversation", "id": "less", "conversationId": held[1]})).await;
    visitor.expect_answer("less").await;
    subscribe(&mut visitor, &more).await;
}

#[tokio::test]
async fn websites_count_as_subscriptions_each_by_itself() {
    let server = options("limit_subscriptions = 1\n").start();
    let stage = Stage::of(&server).own_website().await;
    let other = stage.own_website().await;
    let mut user = stage.user(&unique("u")).await;
    subscribe_website(&mut user, &stage.website, json!({})).await;
    for again in ["again", "and again"] {
        let message = json!({"type": "subscribe_website", "id": again, "websiteId": stage.website});
        user.send(message).await;
    }
    for again in ["again", "and again"] {
        assert_eq!(user.expect_answer(again).await["type"], "subscription_confirmed", "section 3, it is held already");
    }
    user.send(json!({"type": "subscribe_website", "id": "more", "websiteId": other.website})).await;
    assert_eq!(user.expect_answer("more").await["code"], "limit_exceeded", "section 9");
}

#[tokio::test]
async fn a_limit_that_is_off_is_absent() {
    let server = options("limit_subscriptions = 0\n").start();
    let stage = Stage::of(&server);
    let user = stage.user(&unique("u")).await;
    let limits = &user.established()["limits"];
    assert!(
        limits.get("maxSubscriptions").is_none_or(Value::is_null),
        "section 9, 0 switches one off, it is then absent: {limits}"
    );
    number(limits, "maxMessageBytes");
}

#[tokio::test]
async fn too_many_frames_are_closed_with_4029() {
    let server = options("limit_frames = 5\nlimit_frames_burst = 40\n").start();
    let stage = Stage::of(&server);
    let mut json_flood = stage.user(&unique("u")).await;
    let mut control_flood = stage.user(&unique("u")).await;
    for _ in 0..200 {
        if json_flood.try_send(json!({"type": "ping"})).await.is_err() {
            break;
        }
    }
    json_flood.expect_close(4029, "section 9, limit_frames").await;
    for _ in 0..200 {
        if control_flood.try_ping().await.is_err() {
            break;
        }
    }
    control_flood.expect_close(4029, "section 9, control frames too").await;
    let mut calm = stage.user(&unique("u")).await;
    calm.fence().await;
}

#[tokio::test]
async fn connects_of_an_address_are_limited_before_the_upgrade() {
    let server = options("limit_connects = 1\nlimit_connects_burst = 3\n").start();
    let stage = Stage::of(&server);
    let token = stage.user_token(&unique("u"));
    let mut held = Vec::new();
    let mut refused = None;
    for _ in 0..20 {
        match stage.options(Credential::Header(token.clone())).connect().await {
            Ok(client) => held.push(client),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.expect("section 9, limit_connects of an address");
    let cossistant_testkit::ConnectError::Refused { status, headers, .. } = &refused else {
        panic!("section 9, HTTP 429 before the upgrade: {refused}");
    };
    assert_eq!(*status, 429, "section 9, HTTP 429 before the upgrade: {refused}");
    assert!(headers.contains_key("retry-after"), "section 8, Retry-After: {refused}");
    assert!(held.len() >= 3, "section 9, the burst passes: {}", held.len());
}

#[tokio::test]
async fn connections_of_an_address_are_limited() {
    let server = options("limit_connections = 2\n").start();
    let stage = Stage::of(&server);
    let first = stage.user(&unique("u")).await;
    let second = stage.user(&unique("u")).await;
    let third = stage.options(Credential::Header(stage.user_token("u"))).connect().await;
    assert!(
        matches!(&third, Err(cossistant_testkit::ConnectError::Refused { status: 429 | 503, .. })),
        "section 9, limit_connections of an address: {third:?}"
    );
    first.close(1000).await;
    cossistant_testkit::eventually(PATIENCE, "section 9, a place is free again", || async {
        stage.options(Credential::Header(stage.user_token("u"))).connect().await.ok()
    })
    .await;
    drop(second);
}

#[tokio::test]
async fn new_visitors_and_new_conversations_are_limited() {
    let server = options("limit_new_visitors = 1\nlimit_new_conversations = 1\n").start();
    let stage = Stage::of(&server);
    let mut limited = None;
    for _ in 0..30 {
        let made = stage.http.post("/v1/visitors", json!({"publicKey": stage.public_key})).origin(PAGE).send().await;
        if made.status != 201 {
            limited = Some(made);
            break;
        }
    }
    assert_http_limited(&limited.expect("section 9, limit_new_visitors"), "new visitors of an address");
    let mut visitor = stage.visitor(&unique("v")).await;
    let mut limited = None;
    for _ in 0..30 {
        let answer = try_say(&mut visitor, &unique("conv"), json!({})).await;
        if answer["type"] == "error" {
            limited = Some(answer);
            break;
        }
    }
    assert_limited(&limited.expect("section 9, limit_new_conversations"), "new conversations of a visitor");
}

#[tokio::test]
async fn new_visitors_over_a_websocket_are_limited_and_told_when_to_come() {
    let server = options("limit_new_visitors = 1\n").start();
    let stage = Stage::of(&server);
    let mut limited = None;
    for _ in 0..30 {
        let key = Credential::PublicKey(stage.public_key.clone());
        let mut client = stage.options(key).origin(PAGE).connect().await.expect("the upgrade comes first");
        let said = client.next().await.expect("a word of the server");
        if said["type"] == "error" {
            limited = Some((client, said));
            break;
        }
    }
    let (mut client, error) = limited.expect("section 9, limit_new_visitors");
    assert_limited(&error, "new visitors of an address");
    client.expect_close(4029, "section 4, rate limited").await;
}

#[tokio::test]
async fn a_subscription_and_a_message_that_begin_a_conversation_are_one_new_conversation() {
    let server = options("limit_new_conversations = 1\nlimit_new_conversations_burst = 1\n").start();
    let stage = Stage::of(&server);
    for kinds in [["subscribe_conversation", "send_message"], ["send_message", "subscribe_conversation"]] {
        let mut visitor = stage.visitor(&unique("v")).await;
        let conversation = unique("conv");
        for kind in kinds {
            visitor
                .send(json!({"type": kind, "id": kind, "conversationId": conversation, "content": {"text": "x"}}))
                .await;
        }
        for kind in kinds {
            let answer = visitor.expect_answer(kind).await;
            assert!(
                ["message_ack", "subscription_confirmed"].iter().any(|expected| answer["type"] == *expected),
                "section 9, it is created once, in {kinds:?}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn ephemeral_messages_above_the_limit_are_merged() {
    let server = options("limit_ephemeral = 2\nlimit_ephemeral_burst = 3\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    for at in 0..60 {
        visitor
            .send(json!({"type": "typing_progress", "conversationId": conversation, "content": format!("draft {at}")}))
            .await;
    }
    user.recv_until("section 9, merged, newest wins", |message| message["content"] == "draft 59").await;
    visitor.assert_none("section 9, without an error", |message| message["type"] == "error").await;
    let passed = user.seen().iter().filter(|message| message["type"] == "typing_progress").count();
    assert!(passed < 30, "section 9, above it they are merged: {passed} of 60 passed");
}

#[tokio::test]
async fn silence_before_authentication_is_closed_with_4008() {
    let server = options("auth_timeout = \"400ms\"\n").start();
    let stage = Stage::of(&server);
    let mut client = stage.options(Credential::None).connect().await.expect("the upgrade needs no credential");
    let start = Instant::now();
    client.expect_close(4008, "section 4, no authentication in time").await;
    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "section 2, the client has the time it was given: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn silence_past_two_and_a_half_heartbeats_is_closed_with_4008() {
    let server = options("heartbeat_interval = \"1s\"\n").start();
    let stage = Stage::of(&server);
    let mut silent = stage.user(&unique("silent")).await;
    let mut alive = stage.user(&unique("alive")).await;
    assert_eq!(alive.established()["heartbeatInterval"], 1_000, "section 4, in ms");
    // A client that reads answers the server's pings by itself; one that does not is dead.
    alive.assert_silent(Duration::from_millis(4_500), "section 7, any inbound frame counts as life").await;
    silent.expect_close(4008, "section 4, silent past 2.5 heartbeats").await;
    alive.fence().await;
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_closed_and_resumes() {
    let server = options("max_outbox_bytes = 65536\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let slow_options = stage.options(Credential::Header(stage.user_token(&unique("slow")))).receive_buffer(8 * 1024);
    let mut slow = slow_options.name("slow").establish().await;
    let head = number(&subscribe(&mut slow, &conversation).await, "head");
    let mut quick = stage.user_in(&conversation).await;
    visitor.send(json!({"type": "unsubscribe_conversation", "id": "un", "conversationId": conversation})).await;
    visitor.expect_answer("un").await;
    let big = "😀".repeat(15_000);
    let start = Instant::now();
    let mut newest = 0;
    for _ in 0..160 {
        let ack = say(&mut visitor, &conversation, &big).await;
        newest = number(&ack, "seq");
        event(&mut quick, "new_message", &conversation).await;
    }
    let mut checker = OrderChecker::after(Place::Seq, head);
    let closed = slow.expect_closed().await;
    // The close frame is tried for 10 s; on a slow disk the burst above takes longer.
    let reset = closed.code.is_none() && start.elapsed() > Duration::from_secs(10);
    assert!(closed.code == Some(4009) || reset, "section 6, past its bound a slow reader is closed: {closed:?}");
    checker.assert_all("the slow reader", slow.seen());
    assert!(checker.last() < newest, "section 6, it was too slow for all of it");
    let told = async || {
        let text = exposition(&stage).await;
        let closes = sum(&text, "cossistant_closes_total{code=\"4009\"}");
        (closes >= 1.0 && closes == sum(&text, "cossistant_slow_closes_total")).then_some(closes)
    };
    let closes = eventually(PATIENCE, "both figures of slow readers tell of it", told).await;
    assert!(closes < 2.0, "nobody else was too slow");
    let mut back = stage.user(&unique("back")).await;
    let confirmed = subscribe_with(&mut back, &conversation, json!({"after": checker.last()})).await;
    assert_eq!(confirmed["recovered"], true, "section 6, it resumes by after: {confirmed}");
    while checker.last() < newest {
        let next = back.next().await.expect("section 6, a replay does not count for the outbox bound");
        checker.assert_all("the slow reader, back", [&next]);
    }
}

#[tokio::test]
async fn a_drain_tells_closes_and_exits_with_0() {
    // On one of two shards are ten of twenty at the least.
    let mut server = options("shards = 2\n").flag("--drain-window").flag("2s").start();
    let stage = Stage::of(&server);
    let (visitor, conversation) = stage.visitor_in_conversation().await;
    let mut clients = vec![visitor, stage.user_in(&conversation).await];
    while clients.len() < 20 {
        clients.push(stage.user(&unique("u")).await);
    }
    server.signal_term();
    let mut afters = BTreeSet::new();
    for client in &mut clients {
        let told = client.expect("reconnect").await;
        assert_eq!(told["reason"], "draining", "section 6, a deploy: {told}");
        let after = number(&told, "retryAfter");
        assert!(after <= 2_000, "section 6, within the drain window: {told}");
        afters.insert(after);
    }
    let is_spread = afters.len() >= 10
        && afters.first().is_some_and(|first| *first < 1_000)
        && afters.last().is_some_and(|last| *last > 1_000);
    assert!(is_spread, "section 6, spread over the drain window: {afters:?}");
    let late = stage.options(Credential::Header(stage.user_token("late"))).connect().await;
    assert!(late.is_err(), "section 10, new connections are refused at once: {late:?}");
    for client in &mut clients {
        client.expect_close(1001, "section 6, closes with 1001").await;
    }
    assert_eq!(server.wait_exit(PATIENCE), Some(0), "section 10, exit 0");
}

#[tokio::test]
async fn health_has_an_address_of_its_own_and_says_that_the_node_drains() {
    let config = "shards = 2\nlimit_requests = 0.001\nlimit_requests_burst = 4\n";
    let options = options(config).flag("--ops-listen").flag("127.0.0.1:0");
    let mut server = options.flag("--drain-window").flag("4s").start();
    let stage = Stage::of(&server);
    let told = || async {
        let output = server.output();
        let line = output.lines().find(|line| line.contains("health and metrics"))?;
        line.split("url=").nth(1).map(|url| url.trim().to_owned())
    };
    let url = eventually(PATIENCE, "section 10, the address of --ops-listen is told", told).await;
    let ops = cossistant_testkit::Http::new(&url);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let there = ops.get(path).send().await;
        assert_eq!(there.status, 200, "section 8, {path} at its own address: {there:?}");
        stage.http.get(path).send().await.expect_problem(404, "not_found", "section 8, and there alone");
    }
    for _ in 0..8 {
        let figures = ops.get("/metrics").send().await;
        assert_eq!(figures.status, 200, "section 9, whoever runs the server may ask as often as they like");
    }
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(stage.user(&unique("u")).await);
    }
    server.signal_term();
    for client in &mut clients {
        client.expect("reconnect").await;
    }
    let draining = ops.get("/readyz").send().await;
    let problem = draining.expect_problem(503, "unavailable", "section 8, 503 while draining");
    assert!(problem.to_string().contains("draining"), "section 8, with the reason: {problem}");
    assert!(draining.header("retry-after").is_some(), "section 8, Retry-After: {draining:?}");
    let _alive = ops.get("/healthz").send().await.expect(200, "section 8, it still lives");
    assert_eq!(server.wait_exit(PATIENCE), Some(0), "section 10, exit 0, whoever still asks");
}

#[tokio::test]
async fn a_drain_finishes_what_it_has_acked() {
    let mut server = options("").flag("--drain-window").flag("2s").start();
    let stage = Stage::of(&server);
    let sub = unique("v");
    let conversation = unique("conv");
    let mut visitor = stage.visitor(&sub).await;
    say(&mut visitor, &conversation, "before").await;
    server.signal_term();
    visitor.expect("reconnect").await;
    // Up to 1001 it may go on: what is acked now must be there afterwards.
    let mut acked = Vec::new();
    for at in 0..5 {
        let id = unique("key");
        let message = json!({"type": "send_message", "id": id, "conversationId": conversation, "content": {"text": format!("{at}")}});
        if visitor.try_send(message).await.is_err() {
            break;
        }
        while let Some(next) = visitor.next().await {
            if next["type"] == "message_ack" && next["id"] == id {
                acked.push(next);
                break;
            }
        }
        if visitor.closed().is_some() {
            break;
        }
    }
    assert_eq!(server.wait_exit(PATIENCE), Some(0), "section 10, exit 0");
    server.start_again();
    let stage = Stage::of(&server);
    let mut back = stage.visitor(&sub).await;
    let confirmed = subscribe_with(&mut back, &conversation, json!({"after": 0})).await;
    assert!(
        number(&confirmed, "head") >= 2 + acked.len() as u64,
        "section 6, finishes what it has acked: {confirmed}, {acked:?}"
    );
    for ack in &acked {
        crate::support::new_message(&mut back, ack).await;
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_1() {
    let mut server = options("").flag("--drain-window").flag("60s").start();
    let mut user = Stage::of(&server).user(&unique("u")).await;
    server.signal_term();
    user.expect("reconnect").await;
    let start = Instant::now();
    assert_eq!(server.terminate(PATIENCE), Some(1), "section 10, a second signal ends at once, exit 1");
    assert!(start.elapsed() < PATIENCE, "section 10, at once");
}

#[tokio::test]
async fn an_unfinished_request_is_cut_off() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let address = server.address();
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("it listens");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.expect("it reads");
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "section 9, unfinished requests are cut after 10 s");
    let mut user = stage.user(&unique("u")).await;
    user.fence().await;
}

#[tokio::test]
async fn pipelined_first_messages_of_a_conversation_count_as_one_new_conversation() {
    let server = options("limit_new_conversations = 1\nlimit_new_conversations_burst = 1\n").start();
    let stage = Stage::of(&server);
    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    let keys: Vec<_> = (0..5).map(|_| unique("key")).collect();
    for key in &keys {
        let message =
            json!({"type": "send_message", "id": key, "conversationId": conversation, "content": {"text": "x"}});
        visitor.send(message).await;
    }
    for key in &keys {
        let answer = visitor.expect_answer(key).await;
        assert_eq!(answer["type"], "message_ack", "section 9, the conversation is there by then: {answer}");
    }
    let other = try_say(&mut visitor, &unique("conv"), json!({})).await;
    assert_limited(&other, "another conversation is a new one");
}
