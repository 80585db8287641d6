//! The native client of Cossistant realtime.
//!
//! [`Client::connect`] gives a handle to act with and a stream of [`Event`]s to listen to. From then on the
//! client keeps the connection: it comes back after a loss with backoff, resumes each subscription where it
//! left off, sends again what was not acknowledged, and hands durable events to the application in order and once.
//!
//! ```no_run
//! use cossistant_client::{Client, Config, Event, MessageContent, ServerMessage, StreamExt};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::new("wss://chat.example/ws")?.with_bearer("TOKEN")?;
//! let (client, mut events) = Client::connect(config);
//! client.subscribe_to_conversation("conv_1".parse()?)?;
//! let ack = client.send_message("conv_1".parse()?, MessageContent::text("Hello")?).await?;
//! println!("stored as {}", ack.message_id);
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event
//!         && let ServerMessage::NewMessage(message) = *message
//!     {
//!         println!("{}: {:?}", message.sender_id, message.content);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All decisions are those of `cossistant-engine`; this crate moves bytes and timers, and keeps files.

#![forbid(unsafe_code)]

mod clock;
mod config;
mod driver;
mod event;
mod handle;
mod identify;
mod incoming;
#[cfg(test)]
mod scenarios;
mod socket;
mod storage;
mod translate;

pub use config::{Config, ConfigError, TokenError, TokenSource};
pub use cossistant_engine::{Config as EngineConfig, ConnectionState, Stats, StopReason, SubscriptionState, Trouble};
pub use cossistant_protocol::{
    ActivityAudience, Channel, ConversationId, ErrorCode, Invalid, InvalidId, MessageAck, MessageContent, NewMessage,
    PersonId, ReceivedContent, RequestId, SendMessage, ServerMessage, UserType, Visibility, WebsiteId,
};
pub use event::{Event, Events};
pub use futures_util::StreamExt;
pub use handle::{Client, Delivery, IdentifyError, NotQueued, PingError, SendError};
