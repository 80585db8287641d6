//! A clock that is put back while the server runs: it tells the wrong time, and forgets, doubles and delays nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cossistant_testkit::{Credential, OrderChecker, Place, ServerOptions, eventually, unique};
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::support::{BINARY, PAGE, PATIENCE, Stage, event, is_all, new_message, say, subscribe, subscribe_with, text};

/// Debian's libfaketime; `LIBFAKETIME` names another one.
fn faketime() -> Option<PathBuf> {
    let named = std::env::var_os("LIBFAKETIME").map(PathBuf::from);
    let at = |machine: &str| PathBuf::from(format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"));
    named.into_iter().chain([at("x86_64"), at("aarch64")]).find(|file| file.exists())
}

/// Sets the clock: so much off the true time. A rename, so that nobody reads half of it.
fn set(clock: &Path, offset: &str) {
    let new = clock.with_extension("new");
    std::fs::write(&new, offset).expect("a file");
    std::fs::rename(&new, clock).expect("it is put in place");
}

/// The server with a clock that reads its offset from a file whenever it is asked.
fn with_clock(options: ServerOptions, library: &Path, clock: &Path) -> ServerOptions {
    options
        .env("LD_PRELOAD", &library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
}

#[tokio::test]
async fn a_clock_that_is_put_back_loses_nothing_and_stops_no_timer() {
    let Some(library) = faketime() else {
        assert!(!is_all(), "libfaketime is missing, which `cargo xtask test` installs");
        eprintln!("no libfaketime here (Debian's package faketime): the clock is not put back");
        return;
    };
    let home = std::env::temp_dir().join(unique("cossistant-clock"));
    std::fs::create_dir(&home).expect("a folder");
    let clock = home.join("clock");
    set(&clock, "+0");
    let config = "heartbeat_interval = \"1s\"\npresence_grace = \"1s\"\ntyping_expiry = \"2s\"\n\
                  limit_visitor_messages = 5\nlimit_visitor_messages_burst = 20\n";
    let mut server = with_clock(ServerOptions::new(BINARY).config(config), &library, &clock).start();
    let stage = Stage::of(&server);
    let receiver = Receiver::start(|count| crate::receiver::Reply::Status(if count == 0 { 503 } else { 200 })).await;
    let body = json!({"url": receiver.url(), "events": ["message.created"]});
    let _hook = stage.http.post("/v1/webhooks", body).bearer(&stage.secret_key).send().await.expect(201, "a webhook");

    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let anonymous = stage.options(Credential::PublicKey(stage.public_key.clone())).origin(PAGE).establish().await;
    let anonymous_token = text(anonymous.established(), "visitorToken").to_owned();
    let mut acks = vec![say(&mut visitor, &conversation, "before").await];
    new_message(&mut user, &acks[0]).await;
    receiver.until("section 8, the first attempt, which fails", |told| told.len() == 1).await;
    // Timers of every kind are under way.
    visitor.send(json!({"type": "typing_start", "conversationId": conversation})).await;
    event(&mut user, "typing_indicator", &conversation).await;
    let vanished = stage.visitor(&unique("v")).await;

    set(&clock, "-3600");
    vanished.abort();
    let ended = event(&mut user, "typing_indicator", &conversation).await;
    assert_eq!(ended["isTyping"], false, "section 7, a typing state ends: {ended}");
    // More than a burst: the limit goes on, and lets through what it lets through.
    while acks.len() < 40 {
        let answer =
            crate::support::try_say(&mut visitor, &conversation, json!({"id": format!("k{}", acks.len())})).await;
        if answer["type"] == "message_ack" {
            new_message(&mut user, &answer).await;
            acks.push(answer);
            continue;
        }
        assert_eq!(answer["code"], "rate_limited", "section 9: {answer}");
        let wait = crate::support::number(&answer, "retryAfter");
        assert!(wait <= 1_000, "section 9, five a second, whatever the clock says: {answer}");
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let mut checker = OrderChecker::after(Place::Seq, 1);
    checker.assert_all("who was there", user.seen());
    // Whoever was silent is noticed, whoever answers stays.
    let calm = Duration::from_secs(4);
    let rule = "section 7, heartbeats go on";
    let is_error = |message: &Value| message["type"] == "error";
    let (of_user, of_visitor) =
        (user.assert_none_within(calm, rule, is_error), visitor.assert_none_within(calm, rule, is_error));
    futures_util::future::join(of_user, of_visitor).await;
    for client in [&mut user, &mut visitor] {
        client.fence().await;
    }

    // Who comes now: with tokens of before, of the true time, and of this one.
    let again = stage.options(Credential::Header(anonymous_token)).origin(PAGE).establish().await;
    assert_eq!(again.user_id(), anonymous.user_id(), "section 2, the same visitor comes back");
    let issue = json!({"type": "user", "sub": "uma", "websites": [stage.website], "expiresIn": 3_600});
    let issued = stage.http.post("/v1/tokens", issue).bearer(&stage.secret_key).send().await;
    let issued = issued.expect(201, "section 8, POST /v1/tokens");
    let mut uma = stage.join(text(&issued, "token"), "uma").await;
    let confirmed = subscribe_with(&mut uma, &conversation, json!({"after": 0})).await;
    assert_eq!(confirmed["recovered"], true, "section 6: {confirmed}");
    for ack in &acks {
        new_message(&mut uma, ack).await;
    }
    receiver
        .until("section 8, a failed delivery is tried again, and the others are told", |told| told.len() > 40)
        .await;

    // A start with the clock still wrong, and then put right again.
    server.kill_9();
    server.start_again();
    let stage = Stage::of(&server);
    let mut visitor = stage.visitor(visitor.user_id()).await;
    subscribe(&mut visitor, &conversation).await;
    acks.push(say(&mut visitor, &conversation, "after a start").await);
    set(&clock, "+0");
    acks.push(say(&mut visitor, &conversation, "the true time").await);
    let seqs: Vec<u64> = acks.iter().map(|ack| crate::support::number(ack, "seq")).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "section 6, without a gap: {seqs:?}");
    eventually(PATIENCE, "section 8, ready", || async {
        (stage.http.get("/readyz").send().await.status == 200).then_some(())
    })
    .await;
    drop(server);
    std::fs::remove_dir_all(&home).expect("it can be removed");
}
