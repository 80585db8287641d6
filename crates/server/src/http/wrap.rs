//! What every request goes through: CORS, headers of caution, figures.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, ORIGIN, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::directory::SharedDirectory;
use crate::slow;
use crate::trace::{Attribute, Span, TRACEPARENT, Tracing as _};

/// Answers preflights, and adds to each answer what browsers need to know.
///
/// A preflight names no website, so it is answered for the union of all allowed domains; whether the page of the
/// request itself may speak for its website is decided where the visitor is known.
pub(super) async fn wrap(State(directory): State<Arc<SharedDirectory>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let origin = request.headers().get(ORIGIN).cloned();
    let allowed =
        origin.filter(|origin| origin.to_str().is_ok_and(|origin| directory.current().allowed_origin(origin)));
    let parent = request.headers().get(TRACEPARENT).and_then(|parent| parent.to_str().ok());
    let span = Span::begin("http", parent);
    let context = span.as_ref().map(Span::context);
    let mut response =
        if is_preflight(&request) { preflight(allowed.is_some()) } else { next.run(request).within(context).await };
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    caution(headers);
    let route = route.unwrap_or_else(|| "other".to_owned());
    if let Some(span) = span {
        end_span(span, &method, &route, response.status());
    }
    record(&method, route, response.status(), started);
    response
}

/// Ends the span of a request by the names that such spans have everywhere.
fn end_span(mut span: Span, method: &Method, route: &str, status: StatusCode) {
    let method = named(method);
    span.rename(format!("{method} {route}"));
    span.note("http.request.method", Attribute::Text(method.to_owned()));
    span.note("http.route", Attribute::Text(route.to_owned()));
    span.note("http.response.status_code", Attribute::Number(status.as_u16().into()));
    span.end(status.is_server_error());
}

/// Methods are the client's words; those that no route has are one.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(is_allowed: bool) -> Response {
    if !is_allowed {
        return StatusCode::NO_CONTENT.into_response();
    }
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PATCH, DELETE"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Answers are data: never run, framed, guessed at, or kept.
fn caution_fields() -> [(HeaderName, &'static str); 4] {
    [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ]
}

/// Adds the headers of caution, where an answer has none of its own.
pub(crate) fn caution(headers: &mut HeaderMap) {
    for (name, value) in caution_fields() {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The same as lines of a head.
pub(crate) fn caution_lines() -> String {
    caution_fields().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

pub(super) fn record(method: &Method, route: String, status: StatusCode, started: Instant) {
    let method = named(method);
    let took = started.elapsed();
    if slow::is_slow(took) {
        slow::tell!("http", took, method, route, status = status.as_u16());
    }
    let labels = [("method", method.to_owned()), ("route", route.clone()), ("status", status.as_str().to_owned())];
    metrics::counter!(crate::metrics::HTTP_REQUESTS_TOTAL, &labels).increment(1);
    metrics::histogram!(crate::metrics::HTTP_SECONDS, "route" => route).record(took.as_secs_f64());
}
