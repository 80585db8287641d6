//! The words that a Cossistant client and server say to each other.
//!
//! Everything that crosses a process boundary is a type of this crate: ids, channels, client and server
//! messages, message content, error and close codes, limits. The crate does no I/O, reads no clock and draws
//! no randomness.
//!
//! Text from outside becomes types in two places, [`ClientFrame::parse`] on the server and
//! [`ServerMessage::parse`] on a client, and whatever comes out of them is valid: lengths, characters and
//! numbers have been checked.
#![forbid(unsafe_code)]

mod channel;
mod client;
mod codes;
mod content;
#[cfg(feature = "schema")]
pub mod examples;
pub mod fields;
pub mod http;
mod ids;
pub mod json;
mod limits;
mod messages;
mod server;
mod time;
mod whole;

pub use channel::*;
pub use client::*;
pub use codes::*;
pub use content::*;
pub use ids::*;
pub use limits::*;
#[cfg(feature = "schema")]
pub use messages::MessageSchema;
pub use server::*;
pub use time::*;
