//! What a close code and an error code mean, by class, so that old clients handle new codes.

/// What a closed connection asks of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseAction {
    /// Come back, with backoff.
    Retry,
    /// Come back once with a new token, if one can be had; else stop.
    Renew,
    /// Stay away until the application connects again.
    Stop,
}

/// The law of close codes, by range.
#[must_use]
pub fn close_action(code: u16) -> CloseAction {
    match code {
        4401 => CloseAction::Renew,
        1002 | 1003 | 1007 | 1009 | 4400..=4499 => CloseAction::Stop,
        _ => CloseAction::Retry,
    }
}

/// What an error that answers a request means for that request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// It may go again later: after the server's `retryAfter`, else after a backoff.
    Transient,
    /// It may go again once a token has been accepted.
    NeedsToken,
    /// It fails for good. Every code that the client does not know is of this class.
    Permanent,
}

/// The class of an error code.
#[must_use]
pub fn error_class(code: &str) -> ErrorClass {
    match code {
        "unavailable" | "rate_limited" | "internal" => ErrorClass::Transient,
        "unauthorized" | "token_expired" => ErrorClass::NeedsToken,
        _ => ErrorClass::Permanent,
    }
}
