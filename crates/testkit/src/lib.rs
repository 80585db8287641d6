//! Fixtures for black-box tests of Cossistant realtime.
//!
//! Everything here speaks the wire contract with code of its own or of third parties, so that a
//! fault in the product's own codec cannot hide itself. The crate is imported from `tests/`
//! folders only; its functions panic with the broken rule where a test would assert.
//!
//! - [`Server`] runs the real binary on a port of its own and never outlives the test process.
//! - [`Postgres`] runs a real PostgreSQL server, which can be killed and started again.
//! - [`Nats`] runs a real NATS server, which can be killed and started again as well.
//! - [`Proxy`] stands between a client and the server and misbehaves on request.
//! - [`WsClient`] and [`Http`] are the two ways in.
//! - [`cluster`] puts clients on several nodes while their parts fail, and judges what they are told.
//! - [`tokens`] signs good and bad credentials.
//! - [`OrderChecker`] proves that a reader saw every durable event once and in order.

#![forbid(unsafe_code)]

pub mod cluster;
mod draw;
mod http;
mod leash;
mod nats;
mod order;
mod postgres;
mod proxy;
mod server;
#[cfg(feature = "sim")]
pub mod sim;
pub mod tokens;
mod websocket;

pub use http::{Http, Request, Response};
pub use nats::Nats;
pub use order::{OrderChecker, OrderError, Place};
pub use postgres::{Pool, Postgres, PostgresOptions};
pub use proxy::{Mode, Proxy, Rough};
pub use server::{Ready, Server, ServerGuard, ServerOptions, StartError};
pub use websocket::{Closed, ConnectError, Credential, WsClient, WsOptions};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a fixture waits for one thing to happen before it calls the rule broken.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A name that no other test of this run has: `prefix_` and letters that the wire allows in ids.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{:x}{nanos:x}{count:x}", std::process::id())
}

/// Asks `attempt` again and again, 20 ms apart, until it gives a value.
///
/// For states that the contract lets one read but not wait for.
///
/// # Panics
///
/// When `patience` is over; the message is `rule`.
pub async fn eventually<T>(patience: Duration, rule: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {patience:?}: {rule}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
