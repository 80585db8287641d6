//! Failures as `application/problem+json`.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cossistant_protocol::http::{PROBLEM_TYPE, Problem};
use cossistant_protocol::{ErrorCode, ErrorDetails, Invalid};

use crate::auth::AuthError;
use crate::chat::ChatError;

/// A request that failed, with all that its answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    code: ErrorCode,
    detail: String,
    details: Option<ErrorDetails>,
    retry_after: Option<u64>,
}

impl Failure {
    fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { status: status_of(code), code, detail: detail.into(), details: None, retry_after: None }
    }

    /// Nothing is there, as far as the one who asks may know.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "not found")
    }

    /// The path is there, but not with this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(ErrorCode::MethodNotAllowed, "the method is not allowed here")
    }

    /// The body is larger than the limit.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(ErrorCode::TooLarge, format!("the body has more than {limit} bytes"))
    }

    /// The body is not JSON by its own word.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(ErrorCode::UnsupportedMediaType, "the body must be application/json")
    }

    /// The request did not come to its end in time.
    #[must_use]
    pub fn too_slow() -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            ..Self::new(ErrorCode::InvalidMessage, "the body did not come in time")
        }
    }

    /// Something is not as it must be.
    #[must_use]
    pub fn invalid(invalid: Invalid) -> Self {
        ChatError::invalid(invalid).into()
    }

    /// What came is no request.
    #[must_use]
    pub(crate) fn unreadable() -> Self {
        Self::invalid(Invalid::new("head", "is not of HTTP/1.1"))
    }

    /// The address that the request names is longer than any that there is.
    #[must_use]
    pub(crate) fn target_too_long() -> Self {
        Self { status: StatusCode::URI_TOO_LONG, ..Self::new(ErrorCode::TooLarge, "the address is too long") }
    }

    /// The request line and headers are larger, or more, than the limit.
    #[must_use]
    pub(crate) fn head_too_large() -> Self {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self { status, ..Self::new(ErrorCode::TooLarge, "the head of the request is too large") }
    }

    /// Only a WebSocket is spoken here.
    #[must_use]
    pub fn upgrade_required(detail: &str) -> Self {
        Self { status: StatusCode::UPGRADE_REQUIRED, ..Self::invalid(Invalid::new("upgrade", detail)) }
    }

    /// No credential was shown.
    #[must_use]
    pub fn unauthorized(detail: &str) -> Self {
        Self::new(ErrorCode::Unauthorized, detail)
    }

    /// Too many requests; after how many ms the next may come.
    #[must_use]
    pub fn rate_limited(retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::RateLimited, "too many requests") }
    }

    /// The node cannot serve now.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::Unavailable, detail) }
    }

    /// The status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// After how many seconds one may ask again; 0 for at once.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.retry_after.unwrap_or_default().div_ceil(1000)
    }

    /// The body of the answer, of the type [`PROBLEM_TYPE`]. It counts as given.
    pub(crate) fn into_document(self) -> Vec<u8> {
        metrics::counter!(crate::metrics::REFUSED_TOTAL, "code" => self.code.as_str()).increment(1);
        let problem = Problem {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            details: self.details,
            retry_after: self.retry_after,
        };
        serde_json::to_vec(&problem).expect("a problem is plain data")
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        let ChatError { code, message, details, retry_after } = error;
        Self { details, retry_after, ..Self::new(code, message) }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        ChatError::from(error).into()
    }
}

const fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidJson | ErrorCode::InvalidMessage | ErrorCode::UnknownType => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthorized | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited | ErrorCode::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal | ErrorCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, self.into_document()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if let Some(ms) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        // Some are answered before the request has come to any route.
        super::wrap::caution(headers);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            headers.insert(axum::http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
