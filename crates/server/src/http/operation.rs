//! Health, figures, and the documents of the contract.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cossistant_protocol::http::{Health, Ready};

use super::Failure;
use super::call::{Call, json};

/// How long the store may take to say that it is there.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// After how many ms one asks again whether the node is ready.
const RETRY_MS: u64 = 1_000;

/// Whether this node takes requests: told by those who know, asked by `/readyz`.
#[derive(Debug, Default)]
pub struct Readiness {
    is_draining: AtomicBool,
    is_bus_down: AtomicBool,
}

impl Readiness {
    /// The node begins to stop; there is no way back.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the bus is down: live events come a second later then, and the node stays ready.
    pub fn set_bus_down(&self, is_down: bool) {
        self.is_bus_down.store(is_down, Ordering::Relaxed);
    }
}

pub(super) fn health() -> Response {
    json(StatusCode::OK, &Health { status: "ok".to_owned() })
}

pub(super) async fn ready(call: &Call) -> Result<Response, Failure> {
    let readiness = &call.state.readiness;
    if readiness.is_draining.load(Ordering::Relaxed) {
        return Err(Failure::unavailable("draining", RETRY_MS));
    }
    match tokio::time::timeout(STORE_TIMEOUT, call.state.chat.is_store_up(super::now())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(Failure::unavailable("the store does not answer", RETRY_MS)),
    }
    let degraded = readiness.is_bus_down.load(Ordering::Relaxed).then(|| vec!["bus".to_owned()]);
    Ok(json(StatusCode::OK, &Ready { status: "ready".to_owned(), degraded }))
}

pub(super) fn metrics(call: &Call) -> Response {
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, media)], call.state.metrics.render()).into_response()
}

pub(super) fn openapi() -> Response {
    document(include_str!("../../../../packages/protocol/openapi.json"))
}

pub(super) fn asyncapi() -> Response {
    document(include_str!("../../../../packages/protocol/asyncapi.json"))
}

fn document(text: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}
