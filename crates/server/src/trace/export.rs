//! Sends ended spans by OTLP over HTTP, as JSON.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Attribute, IS_ON, Span, SpanKind, TRACER, Tracer, nanos};
use crate::metrics::TRACE_SPANS_TOTAL;

/// The most spans that wait; further ones are dropped.
const WAITING_MAX: usize = 4_096;
/// The most spans of one request.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// After how long a request is given up. The spans are lost then: traces are not worth a second copy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A span that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(super) span: Span,
    pub(super) ended: SystemTime,
    pub(super) is_error: bool,
}

/// Counts spans by what became of them.
pub(super) fn count(result: &'static str, spans: usize) {
    metrics::counter!(TRACE_SPANS_TOTAL, "result" => result).increment(spans as u64);
}

/// The thread that sends. Dropping it takes no more traces, and leaves the thread to end by itself.
#[derive(Debug)]
pub(crate) struct Exporter {
    thread: Option<JoinHandle<()>>,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        IS_ON.store(false, Ordering::Relaxed);
    }
}

impl Exporter {
    /// Begins to take traces: `ratio` of the calls that bring no decision, sent to `endpoint` with `/v1/traces` behind
    /// it. Once in a process.
    ///
    /// # Errors
    /// The system has no randomness, or no thread.
    pub(crate) fn start(endpoint: &str, ratio: f64) -> std::io::Result<Self> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
        let (ended, waiting) = sync_channel(WAITING_MAX);
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let tracer = Tracer { ratio, ended, seed: AtomicU64::new(u64::from_ne_bytes(seed)) };
        // A second one would have no tracer, and end with its queue. The thread ends where nothing is taken.
        IS_ON.store(TRACER.set(tracer).is_ok(), Ordering::Relaxed);
        let mut exporter = Self { thread: None };
        let send = move || send_always(&url, &waiting);
        exporter.thread = Some(std::thread::Builder::new().name("traces".to_owned()).spawn(send)?);
        Ok(exporter)
    }

    /// Takes no more traces, and sends what waits; that may take as long as two requests.
    pub(crate) fn stop(mut self) {
        IS_ON.store(false, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the sender of traces panicked");
        }
    }
}

fn send_always(url: &str, waiting: &Receiver<Ended>) {
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0).build();
    let agent = ureq::Agent::new_with_config(config);
    let mut is_failing = false;
    loop {
        let mut batch = Vec::new();
        match waiting.recv_timeout(GATHER) {
            Ok(first) => batch.push(first),
            Err(RecvTimeoutError::Timeout) if IS_ON.load(Ordering::Relaxed) => continue,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
        let until = std::time::Instant::now() + GATHER;
        while batch.len() < BATCH_MAX && IS_ON.load(Ordering::Relaxed) {
            match waiting.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                Ok(ended) => batch.push(ended),
                Err(_) => break,
            }
        }
        batch.extend(waiting.try_iter().take(BATCH_MAX - batch.len()));
        let body = request(&batch).to_string();
        let sent = agent.post(url).header("content-type", "application/json").send(&body);
        let failed = sent.err();
        count(if failed.is_some() { "failed" } else { "sent" }, batch.len());
        match &failed {
            // One line for a collector that is away, however long it is.
            Some(error) if !is_failing => tracing::warn!(%error, "traces cannot be sent; they are counted and lost"),
            None if is_failing => tracing::info!("traces are sent again"),
            Some(_) | None => {}
        }
        is_failing = failed.is_some();
        if is_failing && !IS_ON.load(Ordering::Relaxed) {
            // The process is to end, and what is left would fare no better.
            return count("dropped", waiting.try_iter().count());
        }
    }
}

/// The body of a request.
fn request(batch: &[Ended]) -> Value {
    let resource = [("service.name", text("cossistant")), ("service.version", text(env!("CARGO_PKG_VERSION")))];
    let resource: Vec<Value> = resource.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let spans: Vec<Value> = batch.iter().map(span).collect();
    json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": { "name": "cossistant" }, "spans": spans }],
        }],
    })
}

fn text(value: &str) -> Value {
    json!({ "stringValue": value })
}

fn span(Ended { span, ended, is_error }: &Ended) -> Value {
    let attribute = |(key, value): &(&'static str, Attribute)| {
        let value = match value {
            Attribute::Text(value) => text(value),
            // 64 bits are text in the JSON form.
            Attribute::Number(value) => json!({ "intValue": value.to_string() }),
        };
        json!({ "key": key, "value": value })
    };
    let mut told = json!({
        "traceId": format!("{:032x}", span.context.trace),
        "spanId": format!("{:016x}", span.context.span),
        "name": span.name,
        "kind": match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
        },
        "startTimeUnixNano": nanos(span.started).to_string(),
        "endTimeUnixNano": nanos(*ended).to_string(),
        "attributes": span.attributes.iter().map(attribute).collect::<Vec<_>>(),
        // Unset, or an error.
        "status": { "code": if *is_error { 2 } else { 0 } },
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    told
}
