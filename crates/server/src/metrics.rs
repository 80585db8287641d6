//! The figures that the server counts, by name.
//!
//! Labels are bounded: codes, kinds, routes; never an id of a person, a conversation or a website.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

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
/// For how long the oldest delivery waits that was neither taken nor given up; 0 if there is none. A gauge.
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

/// Seconds: from a tenth of a millisecond to the time after which requests are cut.
const SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Writes that share a commit.
const WRITES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

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
        .set_buckets_for_metric(Matcher::Full(COMMIT_WRITES.to_owned()), WRITES)
}

fn describe() {
    metrics::describe_gauge!(CONNECTIONS, "Open WebSocket connections, by kind of principal.");
    metrics::describe_counter!(CONNECTIONS_TOTAL, "WebSocket connections accepted.");
    metrics::describe_counter!(CLOSES_TOTAL, "Connections closed by the server, by close code.");
    metrics::describe_counter!(FRAMES_TOTAL, "Frames from clients, control frames too.");
    metrics::describe_counter!(REFUSED_TOTAL, "Messages and requests refused, by code.");
    metrics::describe_counter!(MESSAGES_TOTAL, "Chat messages stored, by kind of sender.");
    metrics::describe_counter!(DELIVERIES_TOTAL, "Frames handed to connections.");
    metrics::describe_counter!(SLOW_CLOSES_TOTAL, "Connections closed because they read too slowly.");
    metrics::describe_counter!(COMMITS_TOTAL, "Commits of the store.");
    metrics::describe_histogram!(COMMIT_SECONDS, metrics::Unit::Seconds, "How long a commit took.");
    metrics::describe_histogram!(COMMIT_WRITES, "How many writes shared a commit.");
    metrics::describe_counter!(WEBHOOK_DELIVERIES_TOTAL, "Attempts to tell webhooks, by result.");
    metrics::describe_gauge!(
        WEBHOOK_WAITING_SECONDS,
        metrics::Unit::Seconds,
        "For how long the oldest delivery to a webhook waits."
    );
    metrics::describe_counter!(TLS_RELOADS_TOTAL, "Attempts to take another certificate, by result.");
    metrics::describe_gauge!(
        TLS_EXPIRES_SECONDS,
        metrics::Unit::Seconds,
        "Until when the certificate in force is valid, since 1970."
    );
    metrics::describe_counter!(TLS_FAILURES_TOTAL, "Connections that did not come through the TLS handshake.");
    metrics::describe_counter!(HTTP_REQUESTS_TOTAL, "HTTP requests, by method, route and status.");
    metrics::describe_histogram!(HTTP_SECONDS, metrics::Unit::Seconds, "How long an HTTP request took, by route.");
}
