//! The client of Cossistant realtime as a pure machine.
//!
//! [`Engine`] decides everything that a client decides: when to dial, what to ask for again after a
//! reconnect, which message goes next, when a link is dead, which event is news and which one is an echo.
//! It opens no socket, reads no clock, draws no randomness of its own and knows no encoding. A driver owns
//! those, and owns no policy:
//!
//! 1. The driver hands each thing that happens to [`Engine::handle_input`], with the time.
//! 2. It then takes [`Engine::poll_output`] until that gives `None`, and does what each [`Output`] says, in order.
//! 3. It then asks [`Engine::poll_timeout`], and hands in [`Input::Tick`] at that time at the latest.
//!
//! All times are milliseconds of one clock that the driver chooses; only differences matter. A clock that
//! steps back is held at its latest time, and one that leaps ahead is taken for a sleep of the machine.
//!
//! The engine is generic over what it carries but never reads: `P` is what the application sends (cloned
//! when it is sent again) and `M` is what it receives. In a browser both may be `()` or a small handle,
//! while the text stays outside. The same holds for `T`, the ids and other short texts that it compares:
//! see [`Text`].

#![forbid(unsafe_code)]

mod backoff;
mod config;
mod connection;
mod engine;
mod inbound;
mod input;
mod law;
mod liveness;
mod outbox;
mod output;
mod place;
mod subscription;
mod text;
mod timer;
mod typing;

pub use config::{Config, Millis};
pub use engine::Engine;
pub use input::{Channel, Envelope, EnvelopeKind, Input, TokenOutcome};
pub use law::{CloseAction, ErrorClass, close_action, error_class};
pub use output::{ConnectionState, Failure, Frame, Output, Stats, StopReason, SubscriptionState, Trouble};
pub use text::{RequestKind, Text, Word};
pub use timer::Timer;

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of output among many")]
mod tests;
