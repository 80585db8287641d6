//! The native client against a server that a test plays.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of event among many")]

mod connection;
mod files;
mod messages;
mod peer;
