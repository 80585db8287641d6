//! The wire contract: what is written, what is read, what is refused.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod arbitrary;
mod examples;
mod fixtures;
mod refused;
