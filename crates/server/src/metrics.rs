//! The figures that the server counts, by name.
//!
//! Labels are bounded: codes, kinds, routes; never an id of a person, a conversation or a website. Every figure is
//! there from the start, at 0, so that whoever asks for the first of its kind finds what it was before.

use cossistant_protocol::{CloseCode, ErrorCode, UserType};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::slow::OPERATIONS;

/// Open WebSocket connections. A gauge; by `kind`.
pub const CONNECTIONS: &str = "cossistant_connections";
/// WebSocket connections accepted since the start.
pub const CONNECTIONS_TOTAL: &str = "cossistant_connections_total";
/// Connections closed by the server, by `code`.
pub const CLOSES_TOTAL: &str = "cossistant_closes_total";
/// Frames from clients, control frames too.
pub const FRAMES_TOTAL: &str = "cossistant_frames_total";
/// Messages and requests refused, by `code`.
pub const REFUSED_TOTAL: &str = "cossistant_refused_total";
/// Chat messages stored, by `sender` (what kind of principal).
pub const MESSAGES_TOTAL: &str = "cossistant_messages_total";
/// Frames handed to connections.
pub const DELIVERIES_TOTAL: &str = "cossistant_deliveries_total";
/// Connections closed because they read too slowly.
pub const SLOW_CLOSES_TOTAL: &str = "cossistant_slow_closes_total";
/// Commits of the store.
pub const COMMITS_TOTAL: &str = "cossistant_commits_total";
/// How long a commit took.
pub const COMMIT_SECONDS: &str = "cossistant_commit_seconds";
/// How many writes shared a commit.
pub const COMMIT_WRITES: &str = "cossistant_commit_writes";
/// Attempts to tell webhooks, by `result`: delivered, failed (and tried again), dead (and given up).
pub const WEBHOOK_DELIVERIES_TOTAL: &str = "cossistant_webhook_deliveries_total";
/// For how long the oldest delivery waits that was neither taken nor given up; 0 if there is none. It grows while the
/// outbox cannot be read, too. A gauge.
pub const WEBHOOK_WAITING_SECONDS: &str = "cossistant_webhook_waiting_seconds";
/// HTTP requests, by `method`, `route` and `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "cossistant_http_requests_total";
/// How long an HTTP request took, by `route`.
pub const HTTP_SECONDS: &str = "cossistant_http_seconds";
/// Attempts to take another certificate, by `result`: ok, failed (and the old one stays).
pub const TLS_RELOADS_TOTAL: &str = "cossistant_tls_reloads_total";
/// Until when the certificate in force is valid, in seconds since 1970. A gauge; only where TLS is spoken.
pub const TLS_EXPIRES_SECONDS: &str = "cossistant_tls_certificate_expires_seconds";
/// Connections that did not come through the TLS handshake.
pub const TLS_FAILURES_TOTAL: &str = "cossistant_tls_handshake_failures_total";

/// How long it took from a `send_message` to its answer.
pub const SEND_SECONDS: &str = "cossistant_send_seconds";
/// Commits that failed; nothing of them was stored.
pub const COMMIT_FAILURES_TOTAL: &str = "cossistant_commit_failures_total";
/// Bytes that wait for readers. A gauge.
pub const OUTBOX_BYTES: &str = "cossistant_outbox_bytes";
/// Bytes that wait for the slowest reader. A gauge.
pub const OUTBOX_LARGEST_BYTES: &str = "cossistant_outbox_largest_bytes";
/// Subscriptions, by `outcome`: live (nothing to replay), resumed (a replay fills what was missed), lost (it does not).
pub const SUBSCRIPTIONS_TOTAL: &str = "cossistant_subscriptions_total";
/// How many events a subscription replays.
pub const REPLAY_EVENTS: &str = "cossistant_replay_events";
/// How much later than asked a shard's thread comes to what is due.
pub const LOOP_LAG_SECONDS: &str = "cossistant_loop_lag_seconds";
/// Operations that took longer than `slow_operation`, by `operation`.
pub const SLOW_OPERATIONS_TOTAL: &str = "cossistant_slow_operations_total";

/// Spans of traces, by `result`: sent, failed (they could not be sent), dropped (too many waited).
pub const TRACE_SPANS_TOTAL: &str = "cossistant_trace_spans_total";

/// Whether other nodes can be heard over NATS: 1 or 0. A gauge; only where `nats_url` is set.
pub const BUS_UP: &str = "cossistant_bus_up";
/// Messages of the bus between nodes, by `direction`: in, out.
pub const BUS_MESSAGES_TOTAL: &str = "cossistant_bus_messages_total";
/// Messages of the bus for which there was no room, by `direction`.
pub const BUS_LOST_TOTAL: &str = "cossistant_bus_lost_total";
/// Messages of the bus that were not understood, by `reason`: version (of another one), form.
pub const BUS_REFUSED_TOTAL: &str = "cossistant_bus_refused_total";

/// Seconds: from a tenth of a millisecond to the time after which requests are cut.
const SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Writes that share a commit.
const WRITES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Events of one replay, up to the most that `replay_limit` allows unless it is set.
const EVENTS: &[f64] = &[0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// What kind of figure it is, as Prometheus tells them apart.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every figure: its kind, and its words for people.
const FIGURES: &[(&str, Kind, &str)] = &[
    (CONNECTIONS, Gauge, "Open WebSocket connections, by kind of principal."),
    (CONNECTIONS_TOTAL, Counter, "WebSocket connections accepted."),
    (CLOSES_TOTAL, Counter, "Connections closed by the server, by close code."),
    (FRAMES_TOTAL, Counter, "Frames from clients, control frames too."),
    (REFUSED_TOTAL, Counter, "Messages and requests refused, by code."),
    (MESSAGES_TOTAL, Counter, "Chat messages stored, by kind of sender."),
    (DELIVERIES_TOTAL, Counter, "Frames handed to connections."),
    (SLOW_CLOSES_TOTAL, Counter, "Connections closed because they read too slowly."),
    (SEND_SECONDS, Histogram, "How long it took from a message to its answer."),
    (COMMITS_TOTAL, Counter, "Commits of the store."),
    (COMMIT_SECONDS, Histogram, "How long a commit took."),
    (COMMIT_WRITES, Histogram, "How many writes shared a commit."),
    (COMMIT_FAILURES_TOTAL, Counter, "Commits that failed."),
    (OUTBOX_BYTES, Gauge, "Bytes that wait for readers."),
    (OUTBOX_LARGEST_BYTES, Gauge, "Bytes that wait for the slowest reader."),
    (SUBSCRIPTIONS_TOTAL, Counter, "Subscriptions, by what became of what was missed."),
    (REPLAY_EVENTS, Histogram, "How many events a subscription replays."),
    (LOOP_LAG_SECONDS, Histogram, "How much later than asked a shard comes to what is due."),
    (SLOW_OPERATIONS_TOTAL, Counter, "Operations that took longer than slow_operation, by kind."),
    (TRACE_SPANS_TOTAL, Counter, "Spans of traces, by what became of them."),
    (BUS_UP, Gauge, "Whether other nodes can be heard over NATS."),
    (BUS_MESSAGES_TOTAL, Counter, "Messages of the bus between nodes, by direction."),
    (BUS_LOST_TOTAL, Counter, "Messages of the bus for which there was no room, by direction."),
    (BUS_REFUSED_TOTAL, Counter, "Messages of the bus that were not understood, by reason."),
    (WEBHOOK_DELIVERIES_TOTAL, Counter, "Attempts to tell webhooks, by result."),
    (WEBHOOK_WAITING_SECONDS, Gauge, "For how long the oldest delivery to a webhook waits."),
    (TLS_RELOADS_TOTAL, Counter, "Attempts to take another certificate, by result."),
    (TLS_EXPIRES_SECONDS, Gauge, "Until when the certificate in force is valid, since 1970."),
    (TLS_FAILURES_TOTAL, Counter, "Connections that did not come through the TLS handshake."),
    (HTTP_REQUESTS_TOTAL, Counter, "HTTP requests, by method, route and status."),
    (HTTP_SECONDS, Histogram, "How long an HTTP request took, by route."),
];

/// Makes this process record its figures, and returns the handle that writes them as text.
///
/// Called once in a process. [`PrometheusHandle::run_upkeep`] is to be called every few seconds, or what histograms
/// collect grows until somebody reads the figures.
///
/// # Errors
/// When the process records to something else already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = builder()?.install_recorder()?;
    describe();
    begin();
    Ok(handle)
}

/// A handle that records nothing of the process; for a router in a test.
///
/// # Errors
/// Never, as long as the buckets above are not empty.
pub fn detached() -> Result<PrometheusHandle, BuildError> {
    Ok(builder()?.build_recorder().handle())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(COMMIT_WRITES.to_owned()), WRITES)?
        .set_buckets_for_metric(Matcher::Full(REPLAY_EVENTS.to_owned()), EVENTS)
}

fn describe() {
    for (name, kind, words) in FIGURES {
        match kind {
            Counter => metrics::describe_counter!(*name, *words),
            Gauge => metrics::describe_gauge!(*name, *words),
            Histogram => metrics::describe_histogram!(*name, *words),
        }
    }
}

/// Puts every figure there at 0. Those of a shard come with the shard, those of routes with requests, and the
/// certificate's with a certificate.
fn begin() {
    for name in [CONNECTIONS_TOTAL, COMMITS_TOTAL, COMMIT_FAILURES_TOTAL, TLS_FAILURES_TOTAL] {
        metrics::counter!(name).increment(0);
    }
    for name in [COMMIT_SECONDS, COMMIT_WRITES, REPLAY_EVENTS, SEND_SECONDS] {
        // To register it is enough.
        let _registered = metrics::histogram!(name);
    }
    metrics::gauge!(WEBHOOK_WAITING_SECONDS).set(0.0);
    let codes = ErrorCode::ALL.iter().map(|code| code.as_str().to_owned());
    let closes = CloseCode::ALL.iter().map(|code| code.as_u16().to_string());
    let kinds = UserType::ALL.iter().map(|kind| kind.as_str().to_owned());
    let labels = [
        (REFUSED_TOTAL, "code", codes.collect()),
        (CLOSES_TOTAL, "code", closes.collect()),
        (MESSAGES_TOTAL, "sender", kinds.collect()),
        (SUBSCRIPTIONS_TOTAL, "outcome", owned(&["live", "resumed", "lost"])),
        (SLOW_OPERATIONS_TOTAL, "operation", owned(&OPERATIONS)),
        (WEBHOOK_DELIVERIES_TOTAL, "result", owned(&["delivered", "failed", "dead"])),
        (TRACE_SPANS_TOTAL, "result", owned(&["sent", "failed", "dropped"])),
        (TLS_RELOADS_TOTAL, "result", owned(&["ok", "failed"])),
        (BUS_MESSAGES_TOTAL, "direction", owned(&["in", "out"])),
        (BUS_LOST_TOTAL, "direction", owned(&["in", "out"])),
        (BUS_REFUSED_TOTAL, "reason", owned(&["version", "form"])),
    ];
    for (name, label, values) in labels {
        for value in values {
            metrics::counter!(name, label => value).increment(0);
        }
    }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}
