//! What the server does, seen from its public interfaces.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod http;
