//! The figures that the binary tells, the dashboard and the alerts that ask for them, and the log of what is slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Instant;

use cossistant_testkit::{Server, unique};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{MOMENT, PATIENCE, Stage, options, say, subscribe_with};

static SERVER: OnceLock<Server> = OnceLock::new();

/// A server to which everything is slow.
fn stage() -> Stage {
    Stage::shared(&SERVER, "slow_operation = \"1ms\"\n")
}

async fn exposition(stage: &Stage) -> String {
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
fn sum(text: &str, series: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(series)?.rsplit_once(' ')?.1.parse::<f64>().ok();
    text.lines().filter_map(of).sum()
}

#[tokio::test]
async fn what_is_slow_is_logged_without_a_word_of_it() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let secret = unique("unspeakable");
    let server = SERVER.get().expect("it was started");
    // Whoever holds the database makes the commit wait.
    let holder = Connection::open(server.data().join("store.db")).expect("it is a database");
    holder.execute_batch("BEGIN IMMEDIATE").expect("nobody writes for long");
    let id = unique("m");
    let content = json!({"text": secret});
    visitor.send(json!({"type": "send_message", "id": id, "conversationId": conversation, "content": content})).await;
    visitor
        .assert_none_within(MOMENT, "nothing is acked before it is stored", |told| told["type"] == "message_ack")
        .await;
    holder.execute_batch("ROLLBACK").expect("it was begun");
    visitor.expect_answer(&id).await;
    let deadline = Instant::now() + PATIENCE;
    let is_told = |output: &str, what: &str| output.lines().any(|line| line.contains("slow") && line.contains(what));
    while !["commit", "send"].iter().all(|what| is_told(&server.output(), what)) {
        assert!(Instant::now() < deadline, "commit and message were told as slow: {}", server.output());
        visitor.fence().await;
    }
    assert!(!server.output().contains(&secret), "contents are not logged");
    let text = exposition(&stage).await;
    assert!(sum(&text, "cossistant_slow_operations_total{operation=\"commit\"}") >= 1.0, "{text}");
}
