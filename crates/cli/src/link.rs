//! The connection of the commands that listen: how it is made, and what is told about it.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use cossistant_client::{
    Channel, Client, Config, ConnectionState, EngineConfig, Event, PersonId, ServerMessage, StopReason,
    SubscriptionState, Trouble,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::api;

/// Which server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Endpoint {
    /// The server: the `url` of its ready file
    #[arg(long, value_name = "URL", value_parser = api::parse_url)]
    pub(crate) url: String,
    /// Who connects: a token, or a secret key (sk_…) together with --agent-id
    #[arg(long, value_name = "TOKEN", env = "COSSISTANT_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// With a secret key: the agent that it speaks for
    #[arg(long, value_name = "ID")]
    agent_id: Option<PersonId>,
}

impl Endpoint {
    /// What a client needs to connect.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let config = Config::new(&self.socket_url()).context("--url")?;
        config.with_bearer(&self.token).map_err(|_| Failure::Usage(anyhow!("--token has characters that no token has")))
    }

    fn socket_url(&self) -> String {
        let url = self.url.replacen("http", "ws", 1);
        match &self.agent_id {
            // An id may have characters that mean something else in a query.
            Some(id) => format!("{url}/ws?agentId={}", id.to_string().replace('+', "%2B").replace('|', "%7C")),
            None => format!("{url}/ws"),
        }
    }
}

/// Resolves when the program is told to end.
pub(crate) async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the program on their own.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What a person should know about the connection.
#[derive(Debug)]
pub(crate) enum Change {
    /// Connected and subscribed.
    Live {
        /// Whether it had been so before.
        is_back: bool,
    },
    /// Not connected; the next attempt comes on its own.
    Waiting {
        /// Why.
        reason: String,
        /// The number of that attempt.
        attempt: u32,
        /// When it comes at the latest.
        within: Duration,
    },
    /// Events are missing and will not come.
    Missing,
    /// It will not go on; why.
    Ended(anyhow::Error),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { is_back: false } => f.write_str("connected"),
            Self::Live { is_back: true } => f.write_str("connected again"),
            Self::Waiting { reason, attempt, within } => {
                write!(f, "not connected: {reason}; attempt {attempt} within {:.1} s", within.as_secs_f64())
            }
            Self::Missing => f.write_str("events are missing here: too many came while the connection was lost"),
            Self::Ended(error) => write!(f, "{error:#}"),
        }
    }
}

/// Follows the events of a client that has one subscription.
#[derive(Debug)]
pub(crate) struct Link {
    channel: Channel,
    engine: EngineConfig,
    /// The newest words of the server about the connection.
    reason: Option<String>,
    /// How long the server wants one to stay away, at least.
    stay_away: Duration,
    was_live: bool,
}

impl Link {
    pub(crate) fn new(channel: Channel, engine: EngineConfig) -> Self {
        Self { channel, engine, reason: None, stay_away: Duration::ZERO, was_live: false }
    }

    /// Takes each event in turn.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events mean nothing here, nor will new ones")]
    pub(crate) fn hear(&mut self, event: &Event, client: &Client) -> Option<Change> {
        match event {
            Event::Message(message) => {
                self.hear_message(message);
                None
            }
            Event::Closed { code, reason } => {
                // What the server said before it closed says more than the close.
                if self.reason.is_none() && !reason.is_empty() {
                    self.reason = Some(format!("{reason} ({code})"));
                }
                None
            }
            Event::StateChanged(ConnectionState::Waiting { attempt, .. }) => {
                let reason = self.reason.take();
                let reason = reason.unwrap_or_else(|| trouble(client.stats().last_error.as_ref()));
                let within = self.longest_delay(*attempt).max(std::mem::take(&mut self.stay_away));
                Some(Change::Waiting { reason, attempt: *attempt, within })
            }
            Event::StateChanged(ConnectionState::Stopped(stop)) => {
                let reason = self.reason.take();
                Some(Change::Ended(stopped(*stop, reason.as_deref())))
            }
            Event::SubscriptionChanged { channel, state } if *channel == self.channel => self.hear_subscription(state),
            Event::Resync(channel) if *channel == self.channel => Some(Change::Missing),
            _ => None,
        }
    }

    fn hear_message(&mut self, message: &ServerMessage) {
        if let ServerMessage::Error(error) = message
            && error.id.is_none()
        {
            self.reason = Some(format!("{} ({})", error.error, error.code));
        } else if let ServerMessage::Reconnect(reconnect) = message {
            self.reason = Some(format!("the server goes away ({})", reconnect.reason));
            self.stay_away = Duration::from_millis(reconnect.retry_after.unwrap_or(0));
        }
    }

    fn hear_subscription(&mut self, state: &SubscriptionState) -> Option<Change> {
        match state {
            SubscriptionState::Confirmed => {
                self.reason = None;
                Some(Change::Live { is_back: std::mem::replace(&mut self.was_live, true) })
            }
            SubscriptionState::Refused(code) => {
                let why = match code.as_str() {
                    "not_found" => "does not exist, or is not yours to see",
                    "forbidden" => "is not for you",
                    "revoked" => "is not for you any more",
                    _ => "was refused",
                };
                Some(Change::Ended(anyhow!("{} {why} ({code})", self.channel)))
            }
            SubscriptionState::Pending | SubscriptionState::Unavailable | SubscriptionState::Released => None,
        }
    }

    /// The delay before an attempt, before chance makes it shorter.
    fn longest_delay(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.engine.reconnect_delay as f64 * self.engine.reconnect_delay_multiplier.powi(exponent);
        Duration::from_secs_f64(grown.min(self.engine.max_reconnect_delay as f64) / 1000.0)
    }
}

fn stopped(stop: StopReason, reason: Option<&str>) -> anyhow::Error {
    match (stop, reason) {
        (StopReason::Close(code), Some(reason)) => {
            anyhow!("the server refuses the connection: {reason}, close code {code}")
        }
        (StopReason::Close(code), None) => anyhow!("the server refuses the connection: close code {code}"),
        (StopReason::TokenDenied, _) => anyhow!("no token"),
        (StopReason::Exhausted, _) => anyhow!("no connection after the last attempt"),
    }
}

fn trouble(trouble: Option<&Trouble>) -> String {
    match trouble {
        Some(Trouble::Server(code)) => format!("the server refused ({code})"),
        Some(Trouble::Close(1006)) | None => "the connection broke".to_owned(),
        Some(Trouble::Close(code)) => format!("closed with code {code}"),
        Some(Trouble::Dial) => "the server cannot be reached".to_owned(),
        Some(Trouble::Token) => "no token".to_owned(),
        Some(Trouble::ConnectTimeout) => "the server does not answer".to_owned(),
        Some(Trouble::Silence) => "the connection fell silent".to_owned(),
        Some(Trouble::Loss) => "an event was missing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, agent_id: Option<&str>) -> Endpoint {
        let agent_id = agent_id.map(|id| id.parse().expect("an id"));
        Endpoint { url: url.to_owned(), token: "t".to_owned(), agent_id }
    }

    #[test]
    fn the_socket_is_beside_the_api() {
        assert_eq!(endpoint("http://127.0.0.1:8787", None).socket_url(), "ws://127.0.0.1:8787/ws");
        assert_eq!(endpoint("https://chat.example/live", None).socket_url(), "wss://chat.example/live/ws");
        assert_eq!(endpoint("http://a", Some("bot+1")).socket_url(), "ws://a/ws?agentId=bot%2B1");
    }

    #[test]
    fn delays_grow_up_to_their_maximum() {
        let link = Link::new("website:w".parse().expect("a channel"), EngineConfig::default());
        assert_eq!(link.longest_delay(1), Duration::from_secs(1));
        assert_eq!(link.longest_delay(2), Duration::from_millis(1500));
        assert_eq!(link.longest_delay(u32::MAX), Duration::from_secs(30));
    }
}
