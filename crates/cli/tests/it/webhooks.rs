//! Section 8, webhooks: told of everything, at least once, signed, and never anywhere that they must not lead.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use cossistant_testkit::{Server, ServerOptions, WsClient, eventually, unique};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply};
use crate::support::{BINARY, PATIENCE, Stage, assert_time, is, number, options, say, say_with, subscribe, text};

/// Makes a webhook by the stage's secret key: `{id, url, events, secret, createdAt}`.
pub(crate) async fn hook(stage: &Stage, url: &str, events: &[&str]) -> Value {
    let mut body = json!({"url": url});
    if !events.is_empty() {
        body["events"] = json!(events);
    }
    let made = stage.http.post("/v1/webhooks", body).bearer(&stage.secret_key).send().await;
    made.expect(201, "section 8, POST /v1/webhooks makes a webhook")
}

async fn deliveries(stage: &Stage, hook: &Value, query: &str) -> Vec<Value> {
    let path = format!("/v1/webhooks/{}/deliveries{query}", text(hook, "id"));
    let answer = stage.http.get(&path).bearer(&stage.secret_key).send().await;
    let answer = answer.expect(200, "section 8, deliveries of a webhook");
    answer["deliveries"].as_array().cloned().unwrap_or_default()
}

/// Waits until so many deliveries stand so.
pub(crate) async fn until_status(stage: &Stage, hook: &Value, status: &str, count: usize) -> Vec<Value> {
    let query = format!("?status={status}&limit=200");
    let rule = format!("section 8, {count} deliveries are {status}");
    eventually(PATIENCE * 2, &rule, || async {
        Some(deliveries(stage, hook, &query).await).filter(|found| found.len() == count)
    })
    .await
}

/// Turns the clock for what waits: everything is due now, and has `attempts` behind it.
pub(crate) fn hasten(server: &Server, attempts: u32) {
    let store = rusqlite::Connection::open(server.data().join("store.db")).expect("the store is a database");
    let sql = "UPDATE deliveries SET next_at = 0, attempts = ?1 WHERE status <= 1";
    store.execute(sql, [attempts]).expect("nobody else has it open");
}

/// A production server with an organization, a website and keys, by its admin key.
async fn production(config: &str) -> (Server, Stage) {
    let options = ServerOptions::new(BINARY).production();
    let server = if config.is_empty() { options.start() } else { options.config(config).start() };
    let stage = in_production(&server).await;
    (server, stage)
}

async fn in_production(server: &Server) -> Stage {
    let admin = std::fs::read_to_string(server.data().join("admin-key")).expect("section 10, DIR/admin-key");
    let mut stage = Stage { admin_key: admin.trim().to_owned(), ..Stage::of(server) };
    stage = stage.own_organization().await;
    let key = stage.key("secret", json!({})).await;
    Stage { secret_key: text(&key, "key").to_owned(), ..stage }
}

/// A user's connection by a token of the server's own.
async fn issued_user(stage: &Stage, sub: &str) -> WsClient {
    let body = json!({"type": "user", "sub": sub, "websites": [stage.website]});
    let issued = stage.http.post("/v1/tokens", body).bearer(&stage.secret_key).send().await;
    let issued = issued.expect(201, "section 8, POST /v1/tokens");
    stage.join(text(&issued, "token"), sub).await
}

#[tokio::test]
async fn every_event_is_told_and_signed() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::willing().await;
    let hook = hook(&stage, receiver.url(), &[]).await;
    assert_time(&hook, "createdAt");
    let secret = text(&hook, "secret");
    assert!(secret.starts_with("whsec_"), "section 8, Standard Webhooks: {hook}");

    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    let said = say_with(
        &mut visitor,
        &conversation,
        json!({"content": {"text": "hello"}, "metadata": {"order": [1, {"x": "y"}]}}),
    )
    .await;
    let mut user = stage.user(&unique("u")).await;
    subscribe(&mut user, &conversation).await;
    let note = say_with(&mut user, &conversation, json!({"content": {"text": "psst"}, "visibility": "internal"})).await;
    stage.patch_conversation(&conversation, json!({"status": "pending", "assignedTeamMemberId": "anna"})).await;
    let edit = |id: &Value, body: Value, token: String| {
        let id = id.as_str().expect("an id");
        let path = format!("/v1/conversations/{conversation}/messages/{id}");
        stage.http.patch(&path, body).bearer(&token).send()
    };
    let edited = edit(&note["messageId"], json!({"content": {"text": "psst!"}}), stage.user_token("other"));
    let _ = edited.await.expect(200, "section 8, a note is edited by users");

    let told = receiver.until("section 8, all events are told", |told| told.len() == 6).await;
    let ids: BTreeSet<_> = told.iter().map(|told| told.id().to_owned()).collect();
    assert_eq!(ids.len(), 6, "each delivery has an id of its own");
    for told in &told {
        told.verify(secret);
        assert_time(&told.json, "timestamp");
        assert_eq!(told.data()["conversationId"], conversation, "section 8: {}", told.json);
        assert_eq!(told.data()["websiteId"], stage.website, "section 8: {}", told.json);
        assert_eq!(told.data()["organizationId"], stage.org, "section 8: {}", told.json);
    }
    let of = |kind: &str| told.iter().filter(|told| told.kind() == kind).collect::<Vec<_>>();
    let path = format!("/v1/conversations/{conversation}/messages");
    let page = stage.http.get(&path).bearer(&stage.user_token("reader")).send().await.expect(200, "section 8");
    let as_the_team_reads = page["messages"].as_array().cloned().unwrap_or_default();
    let created = of("message.created");
    assert_eq!(created.len(), 2, "section 8, notes are for the team, whose webhook it is");
    for (ack, visibility) in [(&said, "public"), (&note, "internal")] {
        let told = created.iter().find(|told| told.data()["messageId"] == ack["messageId"]).expect("it is told");
        assert_eq!(told.data()["visibility"], visibility, "section 8: {}", told.json);
        let read = as_the_team_reads.iter().find(|message| message["messageId"] == ack["messageId"]);
        if visibility == "public" {
            assert_eq!(Some(told.data()), read, "section 8, the fields of new_message, in the team's numbering");
        }
    }
    let updated = of("message.updated");
    assert_eq!(updated[0].data()["messageId"], note["messageId"], "section 8: {}", updated[0].json);
    assert_eq!(updated[0].data()["content"]["text"], "psst!", "section 8: {}", updated[0].json);
    assert_eq!(updated[0].data()["visibility"], "internal", "section 8: {}", updated[0].json);
    assert_eq!(of("conversation.created")[0].data()["visitorId"], visitor.user_id(), "section 8");
    let status = of("conversation.status_changed")[0];
    assert_eq!(status.data()["status"], "pending", "section 8: {}", status.json);
    assert_eq!(status.data()["changedBy"], "patcher", "section 8, as the team is told: {}", status.json);
    assert_eq!(of("conversation.assigned")[0].data()["assignedTeamMemberId"], "anna", "section 8");

    for shown in until_status(&stage, &hook, "delivered", 6).await {
        assert_eq!((&shown["attempts"], &shown["lastStatus"]), (&json!(1), &json!(204)), "section 8: {shown}");
        assert!(ids.contains(text(&shown, "id")), "section 8, the id is the webhook-id: {shown}");
    }
    let list = stage.http.get("/v1/webhooks").bearer(&stage.secret_key).send().await.expect(200, "section 8");
    assert_eq!(list["webhooks"][0]["id"], hook["id"], "section 8: {list}");
    assert!(!list.to_string().contains("whsec_"), "the secret is shown once: {list}");
    let metrics = stage.http.get("/metrics").send().await;
    let figure = "cossistant_webhook_deliveries_total{result=\"delivered\"} 6";
    assert!(metrics.text.contains(figure), "{figure}: {}", metrics.text);
    assert!(metrics.text.contains("cossistant_webhook_waiting_seconds"), "{}", metrics.text);
}

#[tokio::test]
async fn a_webhook_is_told_only_of_what_it_asked_for() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let (some, all) = (Receiver::willing().await, Receiver::willing().await);
    hook(&stage, some.url(), &["conversation.assigned", "message.updated"]).await;
    let other = stage.own_organization().await;
    let key = other.key("secret", json!({})).await;
    let other = Stage { secret_key: text(&key, "key").to_owned(), ..other };
    hook(&other, all.url(), &[]).await;
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    stage.patch_conversation(&conversation, json!({"status": "pending", "assignedTeamMemberId": "ben"})).await;
    some.first("conversation.assigned").await;
    let mut stranger = other.visitor(&unique("v")).await;
    let elsewhere = unique("conv");
    say(&mut stranger, &elsewhere, "hi").await;
    all.first("message.created").await;
    assert_eq!(some.told().len(), 1, "section 8, `events`");
    assert!(
        all.told().iter().all(|told| told.data()["organizationId"] == other.org),
        "nothing crosses from one organization to another: {:?}",
        all.told()
    );
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_under_its_id() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|count| Reply::Status(if count == 0 { 503 } else { 200 })).await;
    let hook = hook(&stage, receiver.url(), &["message.created"]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    let began = std::time::Instant::now();
    say(&mut visitor, &unique("conv"), "hi").await;
    let failed = until_status(&stage, &hook, "failed", 1).await.remove(0);
    assert_eq!((&failed["attempts"], &failed["lastStatus"]), (&json!(1), &json!(503)), "section 8: {failed}");
    assert_time(&failed, "nextAttemptAt");
    let told = receiver.until("section 8, retried after 5 s", |told| told.len() == 2).await;
    assert!(began.elapsed() >= Duration::from_secs(5), "section 8, after 5 s: {:?}", began.elapsed());
    assert_eq!(told[0].id(), told[1].id(), "section 8, the same id");
    assert_eq!(told[0].body, told[1].body, "section 8, the same event");
    for told in &told {
        told.verify(text(&hook, "secret"));
    }
    let delivered = until_status(&stage, &hook, "delivered", 1).await.remove(0);
    assert_eq!((&delivered["attempts"], &delivered["lastStatus"]), (&json!(2), &json!(200)), "section 8: {delivered}");
    assert_eq!(delivered.get("nextAttemptAt"), None, "section 8: {delivered}");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let (hanging, willing) = (Receiver::start(|_| Reply::Hang).await, Receiver::willing().await);
    let slow = hook(&stage, hanging.url(), &["message.created"]).await;
    hook(&stage, willing.url(), &["message.created"]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    for n in 0..40 {
        say(&mut visitor, &conversation, &format!("text {n}")).await;
    }
    let began = std::time::Instant::now();
    willing.until("section 8, the other one is told of all", |told| told.len() == 40).await;
    assert!(began.elapsed() < Duration::from_secs(10), "without waiting for the slow one: {:?}", began.elapsed());
    let at_once = hanging.until("section 8, the slow one is tried", |told| !told.is_empty()).await.len();
    assert!(at_once <= 8, "the slow one has so many at once at most: {at_once}");
    assert_eq!(deliveries(&stage, &slow, "?status=delivered").await, Vec::<Value>::new());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let elsewhere = Receiver::willing().await;
    let to = elsewhere.url().to_owned();
    let receiver = Receiver::start(move |_| Reply::Redirect(to.clone())).await;
    let hook = hook(&stage, receiver.url(), &["message.created"]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "hi").await;
    let failed = until_status(&stage, &hook, "failed", 1).await.remove(0);
    assert_eq!(failed["lastStatus"], 302, "section 8, redirects not followed: {failed}");
    assert!(elsewhere.told().is_empty(), "section 8, redirects not followed");
}

#[tokio::test]
async fn a_kill_loses_nothing_and_doubles_no_id() {
    const MESSAGES: usize = 60;
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::willing().await;
    hook(&stage, receiver.url(), &["message.created"]).await;
    let mut acked = BTreeSet::new();
    for (round, kill_at) in [3, 8, 15].into_iter().enumerate() {
        let stage = Stage::of(&server);
        let mut visitor = stage.visitor(&unique("v")).await;
        let conversation = unique("conv");
        let before = receiver.told().len();
        let sending = async {
            let mut acks = Vec::new();
            for n in 0..MESSAGES / 3 {
                acks.push(say(&mut visitor, &conversation, &format!("{round} {n}")).await);
            }
            acks
        };
        let acks = sending.await;
        acked.extend(acks.iter().map(|ack| text(ack, "messageId").to_owned()));
        // Somewhere in the middle: some are told, some are on their way, some wait.
        receiver.until("section 8, some are told", |told| told.len() >= before + kill_at).await;
        server.kill_9();
        server.start_again();
    }
    let all = |told: &[crate::receiver::Told]| -> BTreeSet<String> {
        told.iter().map(|told| text(told.data(), "messageId").to_owned()).collect()
    };
    let told = receiver.until("section 8, nothing is lost", |told| all(told) == acked).await;
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for told in &told {
        ids.entry(text(told.data(), "messageId").to_owned()).or_default().insert(told.id().to_owned());
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "section 8, what comes twice comes under one id: {ids:?}");
    let distinct: BTreeSet<_> = ids.values().flatten().collect();
    assert_eq!(distinct.len(), MESSAGES, "and no two events share one");
}

#[tokio::test]
async fn what_nobody_takes_dies_and_is_sent_once_more_by_hand() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|count| Reply::Status(if count < 2 { 500 } else { 200 })).await;
    let hook = hook(&stage, receiver.url(), &["message.created"]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "hi").await;
    until_status(&stage, &hook, "failed", 1).await;
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    // As if a day had passed.
    hasten(&server, 9);
    server.start_again();
    let stage = Stage::of(&server);
    let dead = until_status(&stage, &hook, "dead", 1).await.remove(0);
    assert_eq!((&dead["attempts"], &dead["lastStatus"]), (&json!(10), &json!(500)), "section 8, is dead: {dead}");
    assert_eq!(dead.get("nextAttemptAt"), None, "section 8, it is not tried again: {dead}");
    assert!(server.output().contains("given up"), "who runs the server is told");
    let resend = |hook: &Value, delivery: &Value, key: &str| {
        let path = format!("/v1/webhooks/{}/deliveries/{}/resend", text(hook, "id"), text(delivery, "id"));
        stage.http.post(&path, json!({})).bearer(key).send()
    };
    let again = resend(&hook, &dead, &stage.secret_key).await.expect(202, "section 8, once more");
    assert_eq!(again["id"], dead["id"], "section 8: {again}");
    let told = receiver.until("section 8, once more", |told| told.len() == 3).await;
    assert_eq!(told[0].id(), told[2].id(), "section 8, under the same id");
    told[2].verify(text(&hook, "secret"));
    let delivered = until_status(&stage, &hook, "delivered", 1).await.remove(0);
    assert_eq!(delivered["attempts"], 1, "section 8, with all attempts before it: {delivered}");
    let _ = resend(&hook, &delivered, &stage.secret_key).await.expect(202, "section 8, also what was taken");
    receiver.until("section 8, once more", |told| told.len() == 4).await;
    let unknown = json!({"id": "dlv_unknown"});
    let answer = resend(&hook, &unknown, &stage.secret_key).await;
    answer.expect_problem(404, "not_found", "section 8, an unknown delivery");
}

#[tokio::test]
async fn deliveries_come_in_pages_and_a_cursor_is_of_one() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let hook = hook(&stage, receiver.url(), &["message.created"]).await;
    let (mut visitor, conversation) = (stage.visitor(&unique("v")).await, unique("conv"));
    for said in ["one", "two", "three"] {
        say(&mut visitor, &conversation, said).await;
    }
    let all = until_status(&stage, &hook, "delivered", 3).await;
    let page = |query: String| {
        let path = format!("/v1/webhooks/{}/deliveries{query}", text(&hook, "id"));
        stage.http.get(&path).bearer(&stage.secret_key).send()
    };
    let (mut found, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let answer = page(query).await.expect(200, "section 8, one page");
        found.extend(answer["deliveries"].as_array().cloned().unwrap_or_default());
        let Some(cursor) = answer["nextCursor"].as_str() else { break };
        query = format!("?limit=1&cursor={cursor}");
    }
    assert_eq!(found, all, "section 8, the pages are the whole");
    for bad in ["zz", "dlv_zz", text(&hook, "id"), "%22"] {
        let refused = page(format!("?cursor={bad}")).await;
        let problem = refused.expect_problem(400, "invalid_message", &format!("section 8, {bad} is no cursor"));
        assert_eq!(problem["details"]["path"], "cursor", "section 8: {problem}");
    }
}

#[tokio::test]
async fn unseen_messages_are_told_once_and_reading_cancels_them() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::willing().await;
    let hook = hook(&stage, receiver.url(), &["message.unseen"]).await;
    // As long as a slow machine may need from a message to the mark that it was seen.
    stage.patch_website(json!({"unseenAfter": 5})).await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let (mut reader, read) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&read).await;
    for words in ["one", "two", "three"] {
        say(&mut visitor, &conversation, words).await;
    }
    let ack = say(&mut reader, &read, "will be read").await;
    say_with(&mut user, &read, json!({"content": {"text": "note"}, "visibility": "internal"})).await;
    user.send(json!({"type": "mark_seen", "conversationId": read, "seq": number(&ack, "seq")})).await;
    // What is told of is stored.
    user.recv_until("the mark", is("conversation_seen")).await;
    // The timers are durable: the server is away for a moment before they end.
    server.kill_9();
    server.start_again();
    let stage = Stage::of(&server);

    let told = receiver.first("message.unseen").await;
    told.verify(text(&hook, "secret"));
    let data = told.data();
    assert_eq!(data["conversationId"], conversation, "section 8, not what was read: {data}");
    assert_eq!((&data["unseenBy"], &data["count"]), (&json!("user"), &json!(3)), "section 8: {data}");
    let texts: Vec<_> = data["messages"].as_array().expect("messages").iter().map(|m| &m["content"]["text"]).collect();
    assert_eq!(texts, ["one", "two", "three"], "section 8, batched per conversation: {data}");

    // Now the team's side, which the visitor reads in one conversation and not in the other.
    let mut user = stage.user_in(&conversation).await;
    let mut back = stage.visitor(&unique("v")).await;
    let third = unique("conv");
    subscribe(&mut back, &third).await;
    let reply = say(&mut user, &conversation, "a reply").await;
    let seen = say(&mut user, &third, "read at once").await;
    back.recv_until("the reply", |message| message["messageId"] == seen["messageId"]).await;
    let mark = back.seen().iter().rev().find(|message| message["messageId"] == seen["messageId"]).cloned();
    let seq = mark.map_or(0, |message| number(&message, "seq"));
    back.send(json!({"type": "mark_seen", "conversationId": third, "seq": seq})).await;
    back.fence().await;
    let told = receiver.until("section 8, told of the reply", |told| told.len() == 2).await;
    assert_eq!(told[1].data()["conversationId"], conversation, "section 8: {}", told[1].json);
    assert_eq!(told[1].data()["unseenBy"], "visitor", "section 8: {}", told[1].json);
    assert_eq!(told[1].data()["messages"][0]["messageId"], reply["messageId"], "section 8: {}", told[1].json);

    // Another conversation's timer that ends later shows that nothing more came of the ones before.
    let (mut last, marker) = stage.visitor_in_conversation().await;
    say(&mut last, &marker, "marker").await;
    let told =
        receiver.until("section 8, the marker", |told| told.iter().any(|t| t.data()["conversationId"] == marker)).await;
    assert_eq!(told.len(), 3, "section 8, once, and not of what was read: {told:?}");
}

#[tokio::test]
async fn webhooks_are_for_secret_keys_of_their_organization() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mine = hook(&stage, receiver.url(), &["message.created"]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "hi").await;
    let delivery = until_status(&stage, &mine, "failed", 1).await.remove(0);
    let other = stage.own_organization().await;
    let foreign = other.key("secret", json!({})).await;
    let foreign = text(&foreign, "key").to_owned();
    let id = text(&mine, "id");
    let paths = [
        ("GET", format!("/v1/webhooks/{id}/deliveries")),
        ("POST", format!("/v1/webhooks/{id}/deliveries/{}/resend", text(&delivery, "id"))),
        ("DELETE", format!("/v1/webhooks/{id}")),
    ];
    for (method, path) in &paths {
        let ask = |key: &str| stage.http.request(method, path).bearer(key).send();
        ask(&foreign).await.expect_problem(404, "not_found", "section 1, nothing crosses organizations");
        for key in [&stage.admin_key, &stage.admin_token("boss"), &stage.user_token("u"), &stage.visitor_token("v")] {
            ask(key).await.expect_problem(403, "forbidden", "section 8, for secret keys");
        }
        let nobody = stage.http.request(method, path).send().await;
        nobody.expect_problem(401, "unauthorized", "section 8, no credential");
    }
    let list = stage.http.get("/v1/webhooks").bearer(&foreign).send().await.expect(200, "section 8");
    assert_eq!(list["webhooks"], json!([]), "section 1, nothing crosses organizations");
    for (body, path) in [
        (json!({}), "url"),
        (json!({"url": 5}), "url"),
        (json!({"url": "ftp://127.0.0.1/"}), "url"),
        (json!({"url": "http://user:pass@127.0.0.1/"}), "url"),
        (json!({"url": receiver.url(), "events": []}), "events"),
        (json!({"url": receiver.url(), "events": ["message.read"]}), "events.0"),
    ] {
        let refused = stage.http.post("/v1/webhooks", body.clone()).bearer(&stage.secret_key).send().await;
        let problem = refused.expect_problem(400, "invalid_message", "section 8");
        assert_eq!(problem["details"]["path"], path, "{body}: {problem}");
    }
    let bad = stage.http.get(&format!("{}?status=lost", paths[0].1)).bearer(&stage.secret_key).send().await;
    bad.expect_problem(400, "invalid_message", "section 8, `status`");
}

#[tokio::test]
async fn nothing_is_sent_to_what_was_deleted() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let own = stage.own_website().await;
    let other = stage.own_organization().await;
    let key = other.key("secret", json!({})).await;
    let other = Stage { secret_key: text(&key, "key").to_owned(), ..other };
    let gone = hook(&stage, receiver.url(), &["message.created"]).await;
    let of_website = hook(&stage, receiver.url(), &["message.created"]).await;
    let of_organization = hook(&other, receiver.url(), &["message.created"]).await;
    let mut visitor = own.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "hi").await;
    let mut stranger = other.visitor(&unique("v")).await;
    say(&mut stranger, &unique("conv"), "hi").await;
    for (stage, hook) in [(&stage, &gone), (&stage, &of_website), (&other, &of_organization)] {
        until_status(stage, hook, "failed", 1).await;
    }
    let delete = |path: String, key: &str| stage.http.delete(&path).bearer(key).send();
    let path = format!("/v1/webhooks/{}", text(&gone, "id"));
    let _ = delete(path.clone(), &stage.secret_key).await.expect(204, "section 8, DELETE /v1/webhooks/{id}");
    delete(path, &stage.secret_key).await.expect_problem(404, "not_found", "section 8, it is gone");
    let _ = delete(format!("/v1/websites/{}", own.website), &stage.admin_key).await.expect(204, "section 8");
    let _ = delete(format!("/v1/organizations/{}", other.org), &stage.admin_key).await.expect(204, "section 8");
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    hasten(&server, 1);
    let before = receiver.told().len();
    assert_eq!(before, 3, "each was tried once");
    server.start_again();
    let stage = Stage::of(&server);
    let rule = "section 8, what has nothing to tell is removed";
    eventually(PATIENCE, rule, || async { deliveries(&stage, &of_website, "").await.is_empty().then_some(()) }).await;
    // What comes later is told, so the worker has passed those.
    let willing = Receiver::willing().await;
    hook(&stage, willing.url(), &["message.created"]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "hi").await;
    willing.first("message.created").await;
    receiver.until("section 8, the one that stands is told too", |told| told.len() > before).await;
    let later = &receiver.told()[before..];
    assert!(later.iter().all(|told| told.data()["websiteId"] == stage.website), "section 8: {later:?}");
}

#[tokio::test]
async fn private_addresses_are_refused() {
    let (_server, stage) = production("").await;
    let ask = |url: &str| stage.http.post("/v1/webhooks", json!({"url": url})).bearer(&stage.secret_key).send();
    for url in [
        "http://127.0.0.1/",
        "http://127.0.0.1:8080/hook",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://0.0.0.0/",
        "http://localhost/",
        "https://localhost:8443/",
        "http://sub.localhost/",
        "http://LocalHost./",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[2002:7f00:1::]/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://user:secret@example.com/",
        "gopher://example.com/",
        "file:///etc/passwd",
    ] {
        let problem = ask(url).await.expect_problem(400, "invalid_message", &format!("section 8, {url}"));
        assert_eq!(problem["details"]["path"], "url", "section 8, {url}: {problem}");
    }
    for url in ["https://example.com/hook", "http://example.com:8080/hook?a=b", "https://[2606:4700::1111]/"] {
        let _ = ask(url).await.expect(201, &format!("section 8, {url}"));
    }
}

#[tokio::test]
async fn an_address_is_checked_at_every_attempt() {
    let (mut server, stage) = production("webhook_allow_private = true\n").await;
    let receiver = Receiver::willing().await;
    let hook = hook(&stage, receiver.url(), &["message.created"]).await;
    let mut user = issued_user(&stage, "anna").await;
    let body = json!({"websiteId": stage.website, "visitorId": "vera"});
    let made = stage.http.post("/v1/conversations?agentId=bot", body).bearer(&stage.secret_key).send().await;
    let conversation = text(&made.expect(201, "section 8, POST /v1/conversations"), "conversationId").to_owned();
    say(&mut user, &conversation, "allowed").await;
    receiver.first("message.created").await;
    until_status(&stage, &hook, "delivered", 1).await;
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");

    // The same data, where private addresses are not allowed.
    let strict = ServerOptions::new(BINARY).production().data(server.data()).start();
    let ready = strict.ready();
    let stage = Stage { http: strict.http(), ws_url: ready.ws_url.clone(), url: ready.url.clone(), ..stage };
    let mut user = issued_user(&stage, "anna").await;
    say(&mut user, &conversation, "refused").await;
    let failed = until_status(&stage, &hook, "failed", 1).await.remove(0);
    assert!(text(&failed, "lastError").contains("private address"), "section 8: {failed}");
    assert_eq!(failed.get("lastStatus"), None, "section 8: {failed}");
    assert_eq!(receiver.told().len(), 1, "section 8, nobody was connected to");
}

#[tokio::test]
async fn the_log_has_neither_secrets_nor_messages() {
    let server = options("log_level = \"debug\"\n").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let address = format!("{}?key=credential-of-the-receiver", receiver.url());
    let hook = hook(&stage, &address, &[]).await;
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "the-words-of-a-visitor").await;
    until_status(&stage, &hook, "failed", 2).await;
    let output = server.output();
    let secret = text(&hook, "secret").trim_start_matches("whsec_").to_owned();
    for hidden in [secret.as_str(), "the-words-of-a-visitor", "credential-of-the-receiver"] {
        assert!(!output.contains(hidden), "the log has {hidden}: {output}");
    }
}

fn webhook(stage: &Stage, words: &[&str]) -> Value {
    let output = Command::new(BINARY)
        .arg("webhook")
        .args(words)
        .args(["--url", &stage.url, "--json"])
        .env("COSSISTANT_TOKEN", &stage.secret_key)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "section 10, cossistant webhook {words:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("section 10, --json")
}

#[tokio::test]
async fn the_command_line_sets_up_shows_and_repeats() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|count| Reply::Status(if count == 0 { 400 } else { 200 })).await;
    let made = webhook(&stage, &["create", receiver.url(), "--event", "message.created"]);
    let id = text(&made, "id").to_owned();
    assert_eq!(made["events"], json!(["message.created"]), "section 10: {made}");
    let list = webhook(&stage, &["list"]);
    assert_eq!(list["webhooks"][0]["id"], id, "section 10: {list}");
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "hi").await;
    let failed = until_status(&stage, &made, "failed", 1).await.remove(0);
    let shown = webhook(&stage, &["deliveries", &id, "--status", "failed"]);
    assert_eq!(shown["deliveries"], json!([failed]), "section 10: {shown}");
    let again = webhook(&stage, &["resend", &id, text(&failed, "id")]);
    assert_eq!(again["id"], failed["id"], "section 10: {again}");
    until_status(&stage, &made, "delivered", 1).await;
    let table = Command::new(BINARY)
        .args(["webhook", "deliveries", &id, "--url", &stage.url, "--token", &stage.secret_key])
        .output()
        .expect("the binary runs");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert_eq!(table.lines().count(), 1, "section 10, a delivery a line: {table}");
    assert!(table.contains("message.created") && table.contains("delivered"), "section 10: {table}");
    let deleted = webhook(&stage, &["delete", &id]);
    assert_eq!(deleted, json!({"id": id, "deleted": true}), "section 10");
    assert_eq!(webhook(&stage, &["list"]), json!({"webhooks": []}), "section 10");
}
