//! Traces by OTLP: one of a message, from its arrival over the commit to the sockets of its readers.

use std::collections::BTreeMap;
use std::net::TcpListener;

use cossistant_testkit::{Server, ServerOptions, eventually, unique};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply, Told};
use crate::support::{BINARY, PATIENCE, Stage, say, text};

/// One span as a collector has it.
#[derive(Debug, Clone)]
struct Span {
    name: String,
    trace: String,
    id: String,
    parent: Option<String>,
    began: u128,
    ended: u128,
    attributes: BTreeMap<String, Value>,
}

impl Span {
    fn of(value: &Value) -> Self {
        let nanos = |field: &str| text(value, field).parse().expect("nanoseconds");
        let attributes = value["attributes"].as_array().expect("a list").iter();
        Self {
            name: text(value, "name").to_owned(),
            trace: text(value, "traceId").to_owned(),
            id: text(value, "spanId").to_owned(),
            parent: value["parentSpanId"].as_str().map(str::to_owned),
            began: nanos("startTimeUnixNano"),
            ended: nanos("endTimeUnixNano"),
            attributes: attributes.map(|one| (text(one, "key").to_owned(), one["value"].clone())).collect(),
        }
    }
}

/// All spans that a collector was told of.
fn spans(told: &[Told]) -> Vec<Span> {
    let mut all = Vec::new();
    for request in told {
        let resource = &request.json["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "cossistant");
        all.extend(resource["scopeSpans"][0]["spans"].as_array().expect("spans").iter().map(Span::of));
    }
    all
}

fn traced(endpoint: &str, ratio: &str) -> ServerOptions {
    ServerOptions::new(BINARY).config(&format!("otlp_endpoint = \"{endpoint}\"\ntrace_ratio = {ratio}\n"))
}

/// The root of this name with all of its parts, once these are there.
async fn trace(collector: &Receiver, root: &str, parts: &[&str]) -> (Span, Vec<Span>) {
    let find = |told: &[Told]| {
        let all = spans(told);
        let root = all.iter().find(|span| span.name == root)?.clone();
        let of_root: Vec<Span> = all.into_iter().filter(|span| span.parent.as_deref() == Some(&*root.id)).collect();
        let is_whole = parts.iter().all(|part| of_root.iter().any(|span| span.name == *part));
        is_whole.then_some((root, of_root))
    };
    let told = collector.until("one trace has all of its parts", |told| find(told).is_some()).await;
    find(&told).expect("it was just there")
}

/// Ends a server in order, which sends what waits; the collector answers meanwhile.
async fn stop(mut server: Server) {
    let ended = tokio::task::spawn_blocking(move || server.terminate(PATIENCE * 4));
    assert_eq!(ended.await.expect("no panic"), Some(0));
}

/// That the parts are of the same trace and in their order; the flush is behind the commit.
fn assert_order(root: &Span, parts: &[Span]) {
    let part = |name: &str| parts.iter().find(|span| span.name == name).expect("it is a part");
    let (commit, flush) = (part("commit"), part("flush"));
    assert!(parts.iter().all(|part| part.trace == root.trace && part.id != root.id), "{root:?} {parts:?}");
    assert!(root.began <= commit.ended && commit.began <= commit.ended && flush.began <= flush.ended);
    assert!(commit.ended <= flush.ended, "nobody is told before it is stored: {commit:?} {flush:?}");
    assert!(commit.attributes.contains_key("cossistant.writes"), "{commit:?}");
}

#[tokio::test]
async fn a_message_is_followed_from_its_arrival_to_the_flush() {
    let collector = Receiver::willing().await;
    let server = traced(collector.url(), "1").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let (words, person) = (unique("unspeakable"), unique("person"));
    say(&mut visitor, &conversation, &words).await;
    let (root, parts) = trace(&collector, "send_message", &["commit", "flush"]).await;
    assert_eq!(root.parent, None);
    assert_order(&root, &parts);

    // By HTTP the caller's trace goes on.
    let (theirs, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let path = format!("/v1/conversations/{conversation}/messages");
    let body = json!({"id": unique("m"), "content": {"text": words}});
    let request = stage.http.post(&path, body).bearer(&stage.user_token(&person));
    let answer = request.header("traceparent", &format!("00-{theirs}-{span}-01")).send().await;
    assert_eq!(answer.status, 201, "section 8, a participant may post: {}", answer.text);
    let name = "POST /v1/conversations/{conversationId}/messages";
    let (root, parts) = trace(&collector, name, &["commit", "flush"]).await;
    assert_eq!((root.trace.as_str(), root.parent.as_deref()), (theirs, Some(span)));
    assert_order(&root, &parts);
    assert_eq!(root.attributes["http.response.status_code"], json!({"intValue": "201"}));

    // A caller that does not trace is not traced, whatever chance says.
    let request = stage.http.get("/healthz").header("traceparent", &format!("00-{theirs}-{span}-00"));
    assert_eq!(request.send().await.status, 200);
    assert_eq!(stage.http.get("/readyz").send().await.status, 200);
    stop(server).await;
    let told = collector.told();
    let names: Vec<String> = spans(&told).into_iter().map(|span| span.name).collect();
    assert!(names.iter().any(|name| name == "GET /readyz"), "{names:?}");
    assert!(!names.iter().any(|name| name == "GET /healthz"), "{names:?}");
    for request in told {
        let body = String::from_utf8(request.body).expect("it is text");
        for secret in [&words, &person, &conversation] {
            assert!(!body.contains(secret.as_str()), "neither contents nor ids are told: {body}");
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_nothing_but_spans() {
    // Whoever has had the port is gone.
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    let hanging = Receiver::start(|_| Reply::Hang).await;
    for endpoint in [format!("http://{gone}"), hanging.url().to_owned()] {
        let server = traced(&endpoint, "1").start();
        let stage = Stage::of(&server);
        let (mut visitor, conversation) = stage.visitor_in_conversation().await;
        for _ in 0..20 {
            say(&mut visitor, &conversation, "hello").await;
        }
        eventually(PATIENCE * 2, "lost spans are counted", || async {
            let figures = stage.http.get("/metrics").send().await.text;
            let line =
                figures.lines().find_map(|line| line.strip_prefix("cossistant_trace_spans_total{result=\"failed\"} "));
            line.filter(|count| count.parse::<u64>().is_ok_and(|count| count > 0)).map(|_| ())
        })
        .await;
        say(&mut visitor, &conversation, "and on it goes").await;
        let warned = server.output().matches("traces cannot be sent").count();
        assert_eq!(warned, 1, "once for all: {}", server.output());
    }
}

#[tokio::test]
async fn nothing_is_sent_where_nothing_is_picked() {
    let collector = Receiver::willing().await;
    let server = traced(collector.url(), "0").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "hello").await;
    assert_eq!(stage.http.get("/healthz").send().await.status, 200);
    stop(server).await;
    assert!(collector.told().is_empty());
}
