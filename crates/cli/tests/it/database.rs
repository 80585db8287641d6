//! A server on a PostgreSQL database in place of the embedded store.

use std::process::Command;
use std::time::Duration;

use cossistant_testkit::{Credential, Postgres, PostgresOptions, ServerOptions, StartError, eventually, unique};
use serde_json::{Value, json};

use crate::support::{BINARY, PATIENCE, Stage, number, options, say, subscribe, subscribe_with, text, try_say};

fn with_database(url: &str) -> ServerOptions {
    options(&format!("database_url = {url:?}"))
}

/// The texts that one who comes anew is told, in their order.
async fn history(stage: &Stage, conversation: &str) -> Vec<String> {
    let token = stage.user_token("reader");
    let path = format!("/v1/conversations/{conversation}/messages?limit=200");
    let answer = stage.http.get(&path).bearer(&token).send().await.expect(200, "a user reads the messages");
    let items = answer["messages"].as_array().expect("messages").clone();
    items.iter().map(|message| text(&message["content"], "text").to_owned()).collect()
}

#[tokio::test]
async fn what_was_acked_is_in_the_database_whatever_dies() {
    let mut database = PostgresOptions::new().start();
    let mut server = with_database(&database.database()).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut words = Vec::new();
    for n in 0..20 {
        say(&mut visitor, &conversation, &format!("before {n}")).await;
        words.push(format!("before {n}"));
    }
    let confirmed = subscribe(&mut visitor, &conversation).await;
    let (epoch, head) = (text(&confirmed, "epoch").to_owned(), number(&confirmed, "head"));

    server.kill_9();
    server.start_again();
    let stage = Stage::of(&server);
    assert_eq!(history(&stage, &conversation).await, words, "a killed server had stored what it acked");
    let by = unique("user");
    let mut user = stage.user(&by).await;
    let again = subscribe(&mut user, &conversation).await;
    assert_eq!(text(&again, "epoch"), epoch, "a new server on the same data goes on in the same life");
    assert!(number(&again, "head") >= head);

    // The database crashes under a running server: who sends is told so, and sends the same again.
    database.kill_9();
    // Its processes end one by one when they notice, and until then what comes may still be stored.
    let late = loop {
        words.push(format!("late {}", words.len()));
        let late = json!({"id": unique("key"), "content": {"text": words.last()}});
        let answer = try_say(&mut user, &conversation, late.clone()).await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "unavailable", "{answer}");
            break late;
        }
    };
    database.start_again();
    // By HTTP, since a server that cannot look at the database for a while closes its connections.
    let (path, token) = (format!("/v1/conversations/{conversation}/messages"), stage.user_token(&by));
    let sent = async || {
        let answer = stage.http.post(&path, late.clone()).bearer(&token).send().await;
        (answer.status < 300).then_some(())
    };
    eventually(4 * PATIENCE, "the server finds the database again by itself", sent).await;
    assert_eq!(history(&stage, &conversation).await, words, "each once");
    // Whoever was there has learned of it live or by its place.
    let mut other = stage.user(&unique("other")).await;
    let after = json!({"after": head, "epoch": epoch});
    let resumed = subscribe_with(&mut other, &conversation, after).await;
    assert_eq!(resumed["recovered"], true, "places are those of before: {resumed}");
    assert_eq!(server.terminate(4 * PATIENCE), Some(0), "{}", server.output());
}

/// A start that must fail, with its code and words.
fn refused(server: ServerOptions) -> (Option<i32>, String) {
    match server.try_start() {
        Err(StartError::Exited { code, output }) => (code, output),
        Err(error) => panic!("{error}"),
        Ok(server) => panic!("it came up: {}", server.output()),
    }
}

#[test]
fn a_database_that_cannot_be_used_is_refused_with_its_reason() {
    let database = PostgresOptions::new().password("hunter2").setting("fsync=off").start();
    let url = database.database();
    for (server, code, part) in [
        (with_database(&url.replace("hunter2", "hunter3")), 2, "password authentication failed"),
        (with_database(&database.url("nowhere")), 2, "createdb"),
        (with_database("postgres://test:hunter2@127.0.0.1"), 2, "database_url"),
        (with_database(&url).production(), 2, "fsync = off"),
        (with_database(&url.replace(&database.port().to_string(), "1")), 1, "cannot be reached"),
    ] {
        let (found, output) = refused(server);
        assert!(found == Some(code) && output.contains(part), "{found:?} and not {code}, {part}: {output}");
        assert!(!output.contains("hunter"), "no password is told: {output}");
    }
    let name = url.rsplit('/').next().expect("a name");
    drop(with_database(&url).start());
    database.run("INSERT INTO migrations (version, checksum) VALUES (99, '')", name);
    let (code, output) = refused(with_database(&url));
    assert!(code == Some(1) && output.contains("version 99"), "{code:?}: {output}");
}

fn told(words: &[&str], database: &Postgres, name: &str) -> (Option<i32>, Value) {
    let mut command = Command::new(BINARY);
    command.args(words).args(["--json", "--listen", "127.0.0.1:0"]);
    command.env("COSSISTANT_DATABASE_URL", database.url(name)).env("COSSISTANT_DATA", std::env::temp_dir());
    let output = command.output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!told.contains("hunter2"), "no password is told: {told}");
    (output.status.code(), serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}")))
}

#[test]
fn doctor_and_check_config_know_the_database() {
    let database = PostgresOptions::new().password("hunter2").start();
    let finding = |words: &[&str], name: &str| {
        let (_, report) = told(words, &database, name);
        let findings = report["findings"].as_array().expect("findings").clone();
        let of = findings.into_iter().find(|finding| finding["check"] == "database").expect("one of the database");
        (text(&of, "state").to_owned(), text(&of, "found").to_owned())
    };
    assert_eq!(finding(&["doctor"], "postgres").0, "ok");
    let (state, found) = finding(&["doctor"], "nowhere");
    assert!(state == "fail" && found.contains("createdb"), "{state}: {found}");
    let (code, checked) = told(&["check-config"], &database, "postgres");
    assert_eq!((code, &checked["ok"]), (Some(0), &json!(true)), "{checked}");
    let effective = checked["effective"].as_array().expect("what is in force");
    let of = effective.iter().find(|value| value["key"] == "database_url").expect("the key");
    assert_eq!(of["isSecret"], true);
}

/// A database that is away for as long as it takes to be noticed by all.
#[tokio::test]
async fn a_server_waits_for_no_database_that_is_away() {
    let mut database = PostgresOptions::new().start();
    let server = with_database(&database.database()).start();
    let stage = Stage::of(&server);
    let (visitor, conversation) = stage.visitor_in_conversation().await;
    let (path, token) = (format!("/v1/conversations/{conversation}/messages"), stage.visitor_token(visitor.user_id()));
    let said = async || {
        let message = json!({"id": unique("key"), "content": {"text": "hello"}});
        stage.http.post(&path, message).bearer(&token).send().await
    };
    database.kill_9();
    let is_away = async || (said().await.status == 503).then_some(());
    eventually(PATIENCE, "its processes end when they notice", is_away).await;
    let started = std::time::Instant::now();
    for _ in 0..20 {
        said().await.expect_problem(503, "unavailable", "the store is down");
    }
    assert!(started.elapsed() < Duration::from_secs(60), "each is told at once");
    database.start_again();
    let is_said = async || (said().await.status < 300).then_some(());
    eventually(4 * PATIENCE, "the server finds the database again by itself", is_said).await;
}

/// What a server has told can no longer be held against what is stored.
#[tokio::test]
async fn a_server_that_cannot_look_at_the_database_lets_its_connections_go() {
    let mut database = PostgresOptions::new().start();
    let server = with_database(&database.database()).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let acked = say(&mut visitor, &conversation, "before").await;
    database.kill_9();
    visitor.expect_close(1001, "one may come back, here or elsewhere").await;
    database.start_again();
    let sub = visitor.user_id().to_owned();
    let back = async || {
        let mut visitor = stage.options(Credential::Header(stage.visitor_token(&sub))).connect().await.ok()?;
        let first = visitor.next().await?;
        (first["type"] == "connection_established").then_some(visitor)
    };
    let mut visitor = eventually(4 * PATIENCE, "the server finds the database again by itself", back).await;
    let resumed = subscribe_with(&mut visitor, &conversation, json!({"after": 0})).await;
    assert!(number(&resumed, "head") >= number(&acked, "seq"), "{resumed}");
    let message = visitor.expect("new_message").await;
    assert_eq!(text(&message["content"], "text"), "before");
}

/// A pool that gives each transaction another connection, with a configuration that says so.
#[tokio::test]
async fn a_server_works_behind_a_pool_that_prepares_nothing() {
    let database = PostgresOptions::new().start();
    let pool = database.pool(3);
    let direct = database.database();
    let name = direct.rsplit('/').next().expect("a name");
    let url = pool.url(name);
    let server = options(&format!("database_url = {url:?}\ndatabase_prepared = false")).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user(&unique("user")).await;
    subscribe(&mut user, &conversation).await;
    let mut words = Vec::new();
    for n in 0..10 {
        words.push(format!("message {n}"));
        say(&mut visitor, &conversation, &words[n]).await;
        let told = user.expect("new_message").await;
        assert_eq!(text(&told["content"], "text"), words[n]);
    }
    assert_eq!(history(&stage, &conversation).await, words);
    let by_pool = "SELECT count(*) BETWEEN 1 AND 3 FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'cossistant'";
    assert_eq!(database.run(by_pool, name), "t", "all of it by way of the pool");
}
