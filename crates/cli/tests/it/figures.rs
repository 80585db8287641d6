//! The figures that the binary tells, the dashboard and the alerts that ask for them, and the log of what is slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Instant;

use cossistant_testkit::{Credential, Server, eventually, unique};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{MOMENT, PATIENCE, Stage, event, options, say, subscribe, subscribe_with};

static SERVER: OnceLock<Server> = OnceLock::new();

/// A server to which everything is slow.
fn stage() -> Stage {
    Stage::shared(&SERVER, "slow_operation = \"1ms\"\n")
}

pub(crate) async fn exposition(stage: &Stage) -> String {
    let answer = stage.http.get("/metrics").send().await;
    assert_eq!(answer.status, 200);
    answer.text
}

/// The figures of an exposition, by name: what `# TYPE` says of each.
fn types(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// All names of ours within a query, as the exposition has them: without what a histogram adds to its own.
fn names(query: &str, histograms: &BTreeSet<&str>) -> BTreeSet<String> {
    let starts = query.match_indices("cossistant_").map(|(at, _)| at);
    starts
        .map(|at| {
            let name: String = query[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            of_histogram.filter(|base| histograms.contains(base)).unwrap_or(&name).to_owned()
        })
        .collect()
}

/// Every `expr` in a document, wherever it stands.
fn queries(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| queries(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_dashboard_asks_for_what_is_told_and_leaves_nothing_out() {
    let stage = stage();
    exposition(&stage).await;
    let text = exposition(&stage).await;
    let told = types(&text);
    // Figures of shards and of requests are there once there is one; without TLS there is no certificate, and without
    // NATS nothing that could be up.
    let absent = [("cossistant_tls_certificate_expires_seconds", "gauge"), ("cossistant_bus_up", "gauge")];
    let told: BTreeMap<&str, &str> = told.into_iter().chain(absent).collect();
    assert!(told.len() > 20, "all figures are told from the start: {told:?}");
    let histograms: BTreeSet<&str> =
        told.iter().filter(|(_, kind)| **kind == "histogram").map(|(name, _)| *name).collect();
    let told_names: BTreeSet<String> = told.keys().map(|name| (*name).to_owned()).collect();

    let dashboard: Value =
        serde_json::from_str(include_str!("../../../../deploy/grafana/cossistant.json")).expect("it is JSON");
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    let asked: BTreeSet<String> = all.iter().flat_map(|query| names(query, &histograms)).collect();
    assert_eq!(asked, told_names, "on the left what the dashboard asks for, on the right what there is");

    let alerts = include_str!("../../../../deploy/prometheus/alerts.yml");
    let exprs: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(exprs.len() >= 9, "{exprs:?}");
    for query in exprs {
        let asked = names(query, &histograms);
        assert!(!asked.is_empty() && asked.is_subset(&told_names), "{query}");
    }
    let page = include_str!("../../../../docs/operations.md");
    for name in told_names {
        assert!(page.contains(&format!("`{name}`")), "{name} is explained in docs/operations.md");
    }
}

#[tokio::test]
async fn the_exposition_is_whole() {
    let stage = stage();
    let text = exposition(&stage).await;
    let told = types(&text);
    for (name, kind) in &told {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} is explained");
        assert!(["counter", "gauge", "histogram"].contains(kind), "{name} is a {kind}");
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}: counters are called so");
    }
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().expect("a name");
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let is_typed = told.contains_key(name) || base.is_some_and(|base| told.get(base) == Some(&"histogram"));
        assert!(is_typed, "{line}");
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    for _ in 0..3 {
        say(&mut visitor, &conversation, "hello").await;
    }
    let mut reader = stage.visitor("reader").await;
    reader.send(json!({"type": "send_message", "id": unique("x")})).await;
    reader.expect("error").await;
    let mut team = stage.user(&unique("u")).await;
    subscribe_with(&mut team, &conversation, json!({"after": 1})).await;
    let deadline = Instant::now() + PATIENCE;
    let mut text = exposition(&stage).await;
    // Figures of connections are gathered from time to time.
    while !(sum(&text, "cossistant_deliveries_total") > 0.0 && sum(&text, "cossistant_loop_lag_seconds_count") > 0.0) {
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::timeout(MOMENT, visitor.next()).await.ok();
        text = exposition(&stage).await;
    }
    for (series, least) in [
        ("cossistant_messages_total{sender=\"visitor\"}", 3.0),
        ("cossistant_send_seconds_count", 3.0),
        ("cossistant_commits_total", 3.0),
        ("cossistant_commit_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("cossistant_subscriptions_total{outcome=\"live\"}", 1.0),
        ("cossistant_subscriptions_total{outcome=\"resumed\"}", 1.0),
        ("cossistant_replay_events_sum", 1.0),
        ("cossistant_connections_total", 3.0),
    ] {
        assert!(sum(&text, series) >= least, "{series} is at least {least}: {text}");
    }
    assert!(sum(&text, "cossistant_refused_total{code=\"invalid_message\"}") >= 1.0, "{text}");
}

/// The sum of all series that begin so.
pub(crate) fn sum(text: &str, series: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(series)?.rsplit_once(' ')?.1.parse::<f64>().ok();
    text.lines().filter_map(of).sum()
}

/// The largest content that a message may have, or nearly.
fn big() -> String {
    "😀".repeat(15_000)
}

#[tokio::test]
async fn open_connections_are_told_by_kind() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let told = async |kind: &str| {
        let text = exposition(&stage).await;
        let of_kind = text.lines().filter(|line| line.contains(&format!("kind=\"{kind}\"")));
        of_kind.map(|line| sum(line, "cossistant_connections{")).sum::<f64>()
    };
    let assert_told = async |kind: &str, count: f64| {
        let is_so = async || (told(kind).await == count).then_some(());
        eventually(PATIENCE, &format!("{count} of kind {kind}"), is_so).await;
    };
    let visitors = [stage.visitor("v1").await, stage.visitor("v2").await, stage.visitor("v3").await];
    let (users, agent) = ([stage.user("u1").await, stage.user("u2").await], stage.agent("a").await);
    for (kind, count) in [("visitor", 3.0), ("user", 2.0), ("ai_agent", 1.0)] {
        assert_told(kind, count).await;
    }
    drop((users, agent));
    for (kind, count) in [("user", 0.0), ("ai_agent", 0.0), ("visitor", 3.0)] {
        assert_told(kind, count).await;
    }
    drop(visitors);
}

#[tokio::test]
async fn bytes_that_wait_for_a_reader_who_sleeps_are_told() {
    // As much as the system never takes for one socket.
    let server = options("max_outbox_bytes = 67108864\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let options = stage.options(Credential::Header(stage.user_token("sleeper"))).receive_buffer(8 * 1024);
    let mut sleeper = options.establish().await;
    subscribe(&mut sleeper, &conversation).await;
    let names = ["cossistant_outbox_bytes", "cossistant_outbox_largest_bytes"];
    let of = |text: &str| names.map(|name| sum(text, &format!("{name}{{")));
    let (big, mut sent) = (big(), 0.0);
    let waiting = loop {
        for _ in 0..80 {
            say(&mut visitor, &conversation, &big).await;
            sent += 1.0;
        }
        // Figures of connections are gathered from time to time: these are of a time behind the last message.
        let gathered = async || {
            let text = exposition(&stage).await;
            (sum(&text, "cossistant_deliveries_total") >= sent).then(|| of(&text))
        };
        let waiting = eventually(PATIENCE, "the last messages are among the figures", gathered).await;
        if waiting[0] > 0.0 {
            break waiting;
        }
        assert!(sent < 900.0, "they are somewhere");
    };
    assert!(waiting[0] >= 60_000.0 && waiting[0] < 64e6, "whole messages wait, and not all of them: {waiting:?}");
    assert_eq!(waiting[0].to_bits(), waiting[1].to_bits(), "all of it for one reader");
    let last = say(&mut visitor, &conversation, "the last one").await;
    crate::support::new_message(&mut sleeper, &last).await;
    let read = async || (of(&exposition(&stage).await) == [0.0, 0.0]).then_some(());
    eventually(PATIENCE, "nothing waits for one who has read it all", read).await;
}

#[tokio::test]
async fn what_is_slow_is_logged_without_a_word_of_it() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let secret = unique("unspeakable");
    let server = SERVER.get().expect("it was started");
    // Whoever holds the database makes the commit wait, and all that waits for it.
    let holder = Connection::open(server.data().join("store.db")).expect("it is a database");
    let path = format!("/v1/conversations/{conversation}/messages");
    let token = stage.visitor_token(visitor.user_id());
    let operations = ["operation=\"commit\"", "operation=\"http\"", "kind=\"send\""];
    let deadline = Instant::now() + PATIENCE;
    while let Some(what) = untold(server, &operations) {
        assert!(Instant::now() < deadline, "{what} is told as slow: {}", server.output());
        holder.execute_batch("BEGIN IMMEDIATE").expect("nobody writes for long");
        let (id, content) = (unique("m"), json!({"text": secret}));
        let by_http = json!({"id": unique("m"), "content": content});
        let message = json!({"type": "send_message", "id": id, "conversationId": conversation, "content": content});
        visitor.send(message).await;
        let hold = async {
            let early = tokio::time::timeout(MOMENT, visitor.recv_until("an ack", |told| told["id"] == id)).await;
            assert!(early.is_err(), "nothing is acked before it is stored: {early:?}");
            holder.execute_batch("ROLLBACK").expect("it was begun");
        };
        let (answer, ()) = tokio::join!(stage.http.post(&path, by_http).bearer(&token).send(), hold);
        let _stored = answer.expect(201, "section 8, a message by HTTP");
        assert_eq!(visitor.expect_answer(&id).await["type"], "message_ack");
    }
    assert!(!server.output().contains(&secret), "contents are not logged");
    assert!(!server.output().contains(&token), "nor are tokens");
    let text = exposition(&stage).await;
    for operation in ["commit", "http", "job"] {
        let series = format!("cossistant_slow_operations_total{{operation=\"{operation}\"}}");
        assert!(sum(&text, &series) >= 1.0, "{series}: {text}");
    }
}

/// What is not told as slow yet.
fn untold<'a>(server: &Server, operations: &[&'a str]) -> Option<&'a str> {
    let output = server.output();
    let is_told = |what: &str| output.lines().any(|line| line.contains(" slow ") && line.contains(what));
    operations.iter().find(|what| !is_told(what)).copied()
}

#[tokio::test]
async fn replays_and_fan_outs_that_are_slow_are_told() {
    let server = options("slow_operation = \"1ms\"\nshards = 1\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut readers = Vec::new();
    for _ in 0..50 {
        readers.push(stage.user_in(&conversation).await);
    }
    let big = big();
    let deadline = Instant::now() + 4 * PATIENCE;
    while let Some(what) = untold(&server, &["operation=\"fan_out\"", "operation=\"replay\""]) {
        assert!(Instant::now() < deadline, "{what} is told as slow: {}", server.output());
        say(&mut visitor, &conversation, &big).await;
        for reader in &mut readers {
            event(reader, "new_message", &conversation).await;
        }
        // A replay of all that there is.
        let confirmed = subscribe_with(&mut visitor, &conversation, json!({"after": 1})).await;
        for _ in 0..confirmed["replayed"].as_u64().unwrap_or_default() {
            event(&mut visitor, "new_message", &conversation).await;
        }
    }
    let text = exposition(&stage).await;
    for operation in ["fan_out", "replay"] {
        let series = format!("cossistant_slow_operations_total{{operation=\"{operation}\"}}");
        assert!(sum(&text, &series) >= 1.0, "{series}: {text}");
    }
}
