//! A store in which something is not as it was written: what it costs, and whom.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cossistant_testkit::{ServerOptions, unique};
use serde_json::json;

use crate::receiver::{Receiver, Reply};
use crate::support::{PATIENCE, Stage, new_message, number, options, say, subscribe_with, text, try_say, wrapped};
use crate::webhooks::{hasten, hook, until_status};

/// How many events a server reads at a time is its own affair; this is more than that.
const MANY: usize = 200;

/// Overwrites a text where it stands in a file, as a bad disk would: the length stays, and it is no UTF-8 any more.
fn spoil(file: &Path, text: &str) {
    let mut bytes = std::fs::read(file).expect("the store is a file");
    let places: Vec<usize> = bytes
        .windows(text.len())
        .enumerate()
        .filter(|(_, found)| *found == text.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{text} stands in {}", file.display());
    for at in places {
        bytes[at + text.len() / 2] = 0xff;
    }
    std::fs::write(file, bytes).expect("the store can be written");
}

#[tokio::test]
async fn what_cannot_be_read_is_an_internal_error_and_the_rest_goes_on() {
    let mut server = options("").start();
    let (spoiled, sound) = (unique("conv"), unique("conv"));
    let stage = Stage::of(&server);
    let mut visitor = stage.visitor("vera").await;
    for at in 0..MANY {
        say(&mut visitor, &spoiled, &if at == MANY - 20 { "spoil-this-message".to_owned() } else { at.to_string() })
            .await;
    }
    say(&mut visitor, &sound, "untouched").await;
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    spoil(&server.data().join("store.db"), "{\"text\":\"spoil-this-message\"}");
    server.start_again();

    let stage = Stage::of(&server);
    let token = stage.user_token("uma");
    let mut user = stage.user("uma").await;
    user.send(json!({"type": "subscribe_conversation", "id": "near", "conversationId": spoiled, "last": 25})).await;
    let refused = user.expect_answer("near").await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("subscription_error"), &json!("internal")),
        "section 4, a fault of the server: {refused}"
    );
    let path = format!("/v1/conversations/{spoiled}/messages?limit=50");
    stage.http.get(&path).bearer(&token).send().await.expect_problem(500, "internal", "section 8, every error");

    // The connection stays, and what is sound is served.
    let confirmed = subscribe_with(&mut user, &sound, json!({"after": 0})).await;
    assert_eq!(confirmed["recovered"], true, "section 6: {confirmed}");
    let mut visitor = stage.visitor("vera").await;
    let ack = say(&mut visitor, &sound, "still here").await;
    new_message(&mut user, &ack).await;
    let ack = say(&mut visitor, &spoiled, "even here").await;
    assert!(number(&ack, "seq") > MANY as u64, "section 6: {ack}");

    // A replay that was confirmed and cannot be completed must not go on with a hole.
    subscribe_with(&mut user, &spoiled, json!({"after": 0})).await;
    let closed = user.expect_close(4500, "section 4, internal").await;
    assert!(!closed.reason.is_empty(), "section 4, each close has a reason: {closed:?}");
    let told =
        user.seen().iter().filter(|message| message["type"] == "new_message" && message["conversationId"] == spoiled);
    let places: Vec<u64> = told.map(|message| number(message, "seq")).collect();
    assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1), "section 6, no hole before the close: {places:?}");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_keeps_no_other_from_webhooks() {
    let mut server = options("").start();
    let mut stages = [Stage::of(&server), Stage::of(&server).own_organization().await];
    let key = stages[1].key("secret", json!({})).await;
    stages[1].secret_key = text(&key, "key").to_owned();
    let mut hooks = Vec::new();
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let receiver = Receiver::start(move |_| Reply::Status(if up.load(Ordering::SeqCst) { 204 } else { 503 })).await;
    for (stage, words) in stages.iter().zip(["spoil-this-message", "untouched"]) {
        let made = hook(stage, receiver.url(), &["message.created"]).await;
        say(&mut stage.visitor("vera").await, &unique("conv"), words).await;
        until_status(stage, &made, "failed", 1).await;
        hooks.push(made);
    }
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    hasten(&server, 1);
    spoil(&server.data().join("store.db"), "{\"text\":\"spoil-this-message\"}");
    let before = receiver.told().len();
    is_up.store(true, Ordering::SeqCst);
    server.start_again();

    let at = Stage::of(&server);
    let [spoiled, sound] =
        stages.map(|stage| Stage { http: server.http(), url: at.url.clone(), ws_url: at.ws_url.clone(), ..stage });
    until_status(&sound, &hooks[1], "delivered", 1).await;
    let dead = until_status(&spoiled, &hooks[0], "dead", 1).await.remove(0);
    assert!(text(&dead, "lastError").contains("cannot be read"), "section 8, why it is dead: {dead}");
    assert!(server.output().contains(text(&dead, "id")), "whoever runs the server is told: {}", server.output());
    assert_eq!(receiver.told().len(), before + 1, "nothing was sent of it");

    let path = format!("/v1/webhooks/{}/deliveries/{}/resend", text(&hooks[0], "id"), text(&dead, "id"));
    let _again = spoiled.http.post(&path, json!({})).bearer(&spoiled.secret_key).send().await.expect(202, "section 8");
    until_status(&spoiled, &hooks[0], "dead", 1).await;
    // What comes later is told.
    say(&mut spoiled.visitor("vera").await, &unique("conv"), "still here").await;
    until_status(&spoiled, &hooks[0], "delivered", 1).await;
}

/// The program with a bound on the size of every file that it writes: a disk that is full at some point.
fn bounded(folder: &Path, bytes: u64) -> std::path::PathBuf {
    wrapped(folder, &format!("trap '' XFSZ\nulimit -S -f {} || exit 3\nexec", bytes / 512))
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_recovers_by_itself() {
    let folder = std::env::temp_dir().join(unique("cossistant-full"));
    std::fs::create_dir(&folder).expect("a folder");
    let server = ServerOptions::new(bounded(&folder, 2 << 20)).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let big = "x".repeat(15_000);
    let mut acked = Vec::new();
    let refused = loop {
        let key = format!("key-{}", acked.len());
        let more = json!({"id": key, "content": {"text": big}});
        let answer = try_say(&mut visitor, &conversation, more).await;
        if answer["type"] == "error" {
            break answer;
        }
        acked.push(answer);
        assert!(acked.len() < 1_000, "the disk is never full");
    };
    assert_eq!(refused["code"], "unavailable", "section 4, the store is full: {refused}");
    number(&refused, "retryAfter");
    let ready = stage.http.get("/readyz").send().await;
    ready.expect_problem(503, "unavailable", "section 8, /readyz with the reason");
    assert!(ready.header("retry-after").is_some(), "section 8, Retry-After: {ready:?}");
    let _alive = stage.http.get("/healthz").send().await.expect(200, "the process lives");
    // What can be read is served.
    let mut user = stage.user("uma").await;
    let confirmed = subscribe_with(&mut user, &conversation, json!({"last": 1})).await;
    assert_eq!(confirmed["head"], acked.last().expect("some fit")["seq"], "section 6, what was acked: {confirmed}");
    new_message(&mut user, acked.last().expect("some fit")).await;

    let pid = server.pid().expect("it runs").to_string();
    let raised = std::process::Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.expect("prlimit, of util-linux").success(), "there is room again");
    let more = json!({"id": format!("key-{}", acked.len()), "content": {"text": big}});
    let deadline = std::time::Instant::now() + PATIENCE;
    let ack = loop {
        let answer = try_say(&mut visitor, &conversation, more.clone()).await;
        if answer["type"] == "message_ack" {
            break answer;
        }
        assert_eq!(answer["code"], "unavailable", "section 4: {answer}");
        assert!(std::time::Instant::now() < deadline, "section 4, send the same id again, and it recovers by itself");
    };
    assert_eq!(number(&ack, "seq"), acked.len() as u64 + 2, "section 6, nothing was stored meanwhile: {ack}");
    let _ready = stage.http.get("/readyz").send().await.expect(200, "section 8, /readyz");
    drop(server);
    std::fs::remove_dir_all(&folder).expect("it can be removed");
}
