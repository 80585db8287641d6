//! One connection's own state: how far it has got, how it behaves, when it must be looked at again.
//!
//! Pure: times are given, nothing is awaited. What it is subscribed to is the hub's business.

use std::collections::VecDeque;
use std::net::IpAddr;

use cossistant_protocol::{ConversationId, Limits, RequestId};

use crate::limits::{Bucket, Rate};
use crate::store::SiteKey;

/// Settings that a connection needs; times in ms.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionConfig {
    pub(crate) heartbeat_ms: u64,
    pub(crate) auth_timeout_ms: u64,
    pub(crate) typing_expiry_ms: u64,
    pub(crate) frames: Rate,
    pub(crate) ephemeral: Rate,
    /// The most jobs of one connection that are under way before no more is read from it.
    pub(crate) max_jobs: u16,
    /// As clients are told them.
    pub(crate) limits: Limits,
}

/// How far a connection has got.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Its first message must bring the credentials until then.
    Waiting { until_ms: u64 },
    /// Its credentials are being checked.
    Authenticating {
        /// Whether they came as a message, which is answered as such, too.
        has_asked: bool,
        request: Option<RequestId>,
    },
    /// It speaks for a principal.
    Ready,
    /// The close frame is on its way; after that time the socket is dropped.
    Closing { until_ms: u64 },
}

/// An ephemeral message, once its conversation's website is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ephemeral {
    TypingStart,
    TypingStop,
    TypingProgress(String),
    ViewingStart,
    ViewingStop,
    Activity { phase: String, text: Option<String>, to_visitor: bool },
    Seen(u64),
}

impl Ephemeral {
    /// Whether a newer message makes this one pointless.
    fn is_replaced_by(&self, newer: &Self) -> bool {
        let kind = |ephemeral: &Self| match ephemeral {
            Self::TypingStart | Self::TypingStop | Self::TypingProgress(_) => 0,
            Self::ViewingStart | Self::ViewingStop => 1,
            Self::Activity { .. } => 2,
            Self::Seen(_) => 3,
        };
        kind(self) == kind(newer)
    }
}

/// An ephemeral message with where it belongs.
#[derive(Debug, Clone)]
pub(crate) struct EphemeralMessage {
    pub(crate) id: Option<RequestId>,
    pub(crate) conversation: ConversationId,
    pub(crate) body: Ephemeral,
}

/// A person's typing in one conversation by this connection.
#[derive(Debug)]
pub(crate) struct TypingUntil {
    pub(crate) site: SiteKey,
    pub(crate) conversation: ConversationId,
    pub(crate) until_ms: u64,
    pub(crate) told_ms: u64,
}

/// How many invalid messages in a window are abuse, and the window in ms.
const MAX_INVALID: usize = 100;
const INVALID_WINDOW_MS: u64 = 60_000;
/// How many conversations' websites a connection remembers.
const MAX_KNOWN: usize = 32;
/// How many ephemeral messages wait for their rate; the oldest goes first.
pub(crate) const MAX_DEFERRED: u16 = 32;

/// Where a connection came from; only who has not logged in is asked for it.
#[derive(Debug, Clone)]
pub(crate) struct CameFrom {
    pub(crate) address: IpAddr,
    pub(crate) origin: Option<String>,
    /// The agent for whom a secret key speaks.
    pub(crate) agent_id: Option<String>,
    /// The page on which a visitor is.
    pub(crate) page: Option<String>,
}

/// One connection. An idle one is small: what only some have is behind a pointer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) serial: u64,
    pub(crate) phase: Phase,
    /// `None` once it has logged in.
    pub(crate) came_from: Option<Box<CameFrom>>,
    pub(crate) deflate: bool,
    /// How long before its token's end it is warned, in ms; 0 once it has been.
    pub(crate) warning_ms: u16,
    /// How often in a row it was given a token of whose end it had to be warned at once.
    warnings: u8,
    pub(crate) in_flight: u16,
    /// Ephemeral messages whose conversation is being looked up; what follows them waits, so that order is kept.
    pub(crate) locating: u16,
    pub(crate) last_inbound_ms: u64,
    pub(crate) next_ping_ms: u64,
    /// When its timer fires.
    pub(crate) armed_ms: u64,
    /// Until when the message that has begun must be complete, in ms.
    pub(crate) partial_until_ms: u64,
    frames: Bucket,
    lively: Option<Box<Lively>>,
}

/// What a connection has that types, views, or sends what is no message.
#[derive(Debug)]
struct Lively {
    /// The conversation that a visitor's message under way may create; what follows that message waits.
    beginning: Option<ConversationId>,
    typing: Vec<TypingUntil>,
    deferred: VecDeque<EphemeralMessage>,
    deferred_until_ms: u64,
    /// Full until the first ephemeral message.
    ephemeral: Option<Bucket>,
    /// When each of the newest invalid messages came.
    invalid: VecDeque<u64>,
    known: VecDeque<(ConversationId, SiteKey)>,
    /// When another timer fires, which was put in before the one that is next and is later; 0 if none is known.
    spare_ms: u64,
}

impl Default for Lively {
    fn default() -> Self {
        Self {
            beginning: None,
            typing: Vec::new(),
            deferred: VecDeque::new(),
            deferred_until_ms: u64::MAX,
            ephemeral: None,
            invalid: VecDeque::new(),
            known: VecDeque::new(),
            spare_ms: 0,
        }
    }
}

impl Lively {
    fn take(&mut self, config: &ConnectionConfig, now_ms: u64) -> Result<(), u64> {
        let bucket = self.ephemeral.get_or_insert_with(|| Bucket::full(&config.ephemeral, now_ms));
        bucket.take(&config.ephemeral, now_ms)
    }
}

impl Connection {
    pub(crate) fn new(config: &ConnectionConfig, serial: u64, came_from: CameFrom, deflate: bool, now_ms: u64) -> Self {
        Self {
            serial,
            phase: Phase::Waiting { until_ms: now_ms + config.auth_timeout_ms },
            came_from: Some(Box::new(came_from)),
            deflate,
            warning_ms: TOKEN_WARNING_MS,
            warnings: 0,
            in_flight: 0,
            locating: 0,
            last_inbound_ms: now_ms,
            next_ping_ms: now_ms + config.heartbeat_ms,
            armed_ms: u64::MAX,
            partial_until_ms: u64::MAX,
            frames: Bucket::full(&config.frames, now_ms),
            lively: None,
        }
    }

    /// Notes that its token was replaced by one that lives for so long, in ms.
    ///
    /// Who has been warned and gets no token that lives for longer is warned again after a pause, which doubles each
    /// time and is at most half of what is left: without one, the two would ask each other for ever.
    pub(crate) fn renew_token(&mut self, left_ms: u64) {
        let was_warned = self.warning_ms < TOKEN_WARNING_MS;
        match u16::try_from(left_ms) {
            Ok(left @ ..=TOKEN_WARNING_MS) if was_warned => {
                let pause = MIN_WARNING_PAUSE_MS.saturating_mul(1 << self.warnings.min(8)).min(left / 2);
                self.warnings = self.warnings.saturating_add(1);
                self.warning_ms = if pause < MIN_WARNING_PAUSE_MS { 0 } else { left - pause };
            }
            Ok(_) | Err(_) => {
                self.warnings = 0;
                self.warning_ms = TOKEN_WARNING_MS;
            }
        }
    }

    fn lively(&mut self) -> &mut Lively {
        self.lively.get_or_insert_default()
    }

    /// The conversation that a message under way may create.
    pub(crate) fn beginning(&self) -> Option<&ConversationId> {
        self.lively.as_ref()?.beginning.as_ref()
    }

    /// A message that may create a conversation is under way.
    pub(crate) fn begin(&mut self, conversation: ConversationId) {
        self.lively().beginning = Some(conversation);
    }

    /// The message that may have created this conversation has its answer; whether there was one.
    pub(crate) fn end_beginning(&mut self, conversation: &ConversationId) -> bool {
        let beginning = self.lively.as_mut().and_then(|lively| lively.beginning.take_if(|begun| begun == conversation));
        beginning.is_some()
    }

    /// Where its person types by it.
    pub(crate) fn typing(&self) -> &[TypingUntil] {
        self.lively.as_ref().map_or(&[], |lively| &lively.typing)
    }

    /// The same, to be changed.
    pub(crate) fn typing_mut(&mut self) -> &mut Vec<TypingUntil> {
        &mut self.lively().typing
    }

    /// When ephemeral messages that were kept may go on, in ms.
    pub(crate) fn deferred_until_ms(&self) -> u64 {
        self.lively.as_ref().map_or(u64::MAX, |lively| lively.deferred_until_ms)
    }

    /// When a timer fires that is still there and later than the next one; 0 if none is known.
    pub(crate) fn spare_ms(&self) -> u64 {
        self.lively.as_ref().map_or(0, |lively| lively.spare_ms)
    }

    /// Notes when one fires. Of who does nothing it is not noted, since nothing is due then but the next ping.
    pub(crate) fn set_spare_ms(&mut self, spare_ms: u64) {
        if let Some(lively) = &mut self.lively {
            lively.spare_ms = spare_ms;
        }
    }

    /// Counts a frame of any kind; `false` past the rate.
    pub(crate) fn count_frame(&mut self, config: &ConnectionConfig, now_ms: u64) -> bool {
        self.last_inbound_ms = now_ms;
        self.frames.take(&config.frames, now_ms).is_ok()
    }

    /// Counts an invalid message; `false` when that makes too many.
    pub(crate) fn count_invalid(&mut self, now_ms: u64) -> bool {
        let invalid = &mut self.lively().invalid;
        while invalid.pop_front_if(|at| now_ms.saturating_sub(*at) > INVALID_WINDOW_MS).is_some() {}
        invalid.push_back(now_ms);
        invalid.len() < MAX_INVALID
    }

    /// Takes an ephemeral message now, or keeps the newest of its kind for when the rate allows it.
    pub(crate) fn admit(
        &mut self,
        config: &ConnectionConfig,
        message: EphemeralMessage,
        now_ms: u64,
    ) -> Option<EphemeralMessage> {
        let lively = self.lively();
        if lively.deferred.is_empty() {
            match lively.take(config, now_ms) {
                Ok(()) => return Some(message),
                Err(wait_ms) => lively.deferred_until_ms = now_ms + wait_ms,
            }
        }
        lively
            .deferred
            .retain(|older| older.conversation != message.conversation || !older.body.is_replaced_by(&message.body));
        if lively.deferred.len() == usize::from(MAX_DEFERRED) {
            lively.deferred.pop_front();
        }
        lively.deferred.push_back(message);
        None
    }

    /// The kept ephemeral messages whose time has come.
    pub(crate) fn admit_deferred(&mut self, config: &ConnectionConfig, now_ms: u64) -> Vec<EphemeralMessage> {
        let mut admitted = Vec::new();
        let lively = self.lively();
        while !lively.deferred.is_empty() {
            match lively.take(config, now_ms) {
                Ok(()) => admitted.extend(lively.deferred.pop_front()),
                Err(wait_ms) => {
                    lively.deferred_until_ms = now_ms + wait_ms;
                    return admitted;
                }
            }
        }
        lively.deferred_until_ms = u64::MAX;
        admitted
    }

    /// Forgets what was kept of typing in a conversation: it came before what ends it.
    pub(crate) fn drop_kept_typing(&mut self, conversation: &ConversationId) {
        if let Some(lively) = &mut self.lively {
            let is_it = |kept: &EphemeralMessage| {
                kept.conversation == *conversation && kept.body.is_replaced_by(&Ephemeral::TypingStop)
            };
            lively.deferred.retain(|kept| !is_it(kept));
        }
    }

    /// The marks that were kept: those are no passing state, and outlive the connection.
    pub(crate) fn take_kept_marks(&mut self) -> Vec<EphemeralMessage> {
        let Some(lively) = &mut self.lively else { return Vec::new() };
        std::mem::take(&mut lively.deferred)
            .into_iter()
            .filter(|kept| matches!(kept.body, Ephemeral::Seen(_)))
            .collect()
    }

    /// The website of a conversation, if it was looked up lately.
    pub(crate) fn known(&self, conversation: &ConversationId) -> Option<SiteKey> {
        let known = &self.lively.as_ref()?.known;
        known.iter().find(|(id, _)| id == conversation).map(|(_, site)| site.clone())
    }

    /// Remembers the website of a conversation.
    pub(crate) fn remember(&mut self, conversation: ConversationId, site: SiteKey) {
        if self.known(&conversation).is_none() {
            let known = &mut self.lively().known;
            if known.len() == MAX_KNOWN {
                known.pop_front();
            }
            known.push_back((conversation, site));
        }
    }

    /// When it must be looked at next, in ms; `expires_ms` is the token's end.
    pub(crate) fn next_deadline_ms(&self, config: &ConnectionConfig, expires_ms: Option<u64>) -> u64 {
        match self.phase {
            Phase::Waiting { until_ms } | Phase::Closing { until_ms } => until_ms,
            Phase::Authenticating { .. } => self.silence_deadline_ms(config),
            Phase::Ready => {
                let typing = self.typing().iter().map(|typing| typing.until_ms).min().unwrap_or(u64::MAX);
                let token = expires_ms.map_or(u64::MAX, |expires| expires.saturating_sub(self.warning_ms.into()));
                self.next_ping_ms
                    .min(self.silence_deadline_ms(config))
                    .min(typing)
                    .min(token)
                    .min(self.deferred_until_ms())
                    .min(self.partial_until_ms)
            }
        }
    }

    /// When silence has lasted too long: 2.5 heartbeats.
    pub(crate) fn silence_deadline_ms(&self, config: &ConnectionConfig) -> u64 {
        self.last_inbound_ms + config.heartbeat_ms * 5 / 2
    }
}

/// How long before its end a token's holder is warned, in ms.
const TOKEN_WARNING_MS: u16 = 60_000;
/// The shortest pause between a renewed token and the warning of its end, in ms.
const MIN_WARNING_PAUSE_MS: u16 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ConnectionConfig {
        ConnectionConfig {
            heartbeat_ms: 30_000,
            auth_timeout_ms: 5_000,
            typing_expiry_ms: 6_000,
            frames: Rate { per_second: 1.0, burst: 2.0 },
            ephemeral: Rate { per_second: 10.0, burst: 1.0 },
            max_jobs: 64,
            limits: Limits {
                max_message_bytes: 65_536,
                max_text_length: 16_000,
                max_subscriptions: None,
                typing_interval: None,
                typing_expiry: 6_000,
            },
        }
    }

    fn connection() -> Connection {
        let address = IpAddr::from([127, 0, 0, 1]);
        let came_from = CameFrom { address, origin: None, agent_id: None, page: None };
        Connection::new(&config(), 1, came_from, false, 0)
    }

    #[test]
    fn who_gets_no_better_token_is_warned_again_and_again_with_pauses() {
        let mut connection = connection();
        connection.renew_token(2_000);
        assert_eq!(connection.warning_ms, TOKEN_WARNING_MS, "not warned yet: at once");
        connection.warning_ms = 0;
        for pause in [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
            connection.renew_token(30_000);
            assert_eq!(connection.warning_ms, 30_000 - pause);
        }
        for (left, warned) in [(60_000, 30_000), (4_000, 2_000), (1_000, 500), (999, 0), (60_001, 60_000)] {
            connection.renew_token(left);
            assert_eq!(connection.warning_ms, warned, "{left} ms left");
        }
        connection.renew_token(30_000);
        assert_eq!(connection.warning_ms, TOKEN_WARNING_MS, "of the one that lived for long nobody was warned");
    }

    #[test]
    fn too_many_ephemeral_messages_are_merged_and_the_newest_wins() {
        let (config, mut connection) = (config(), connection());
        let conversation = ConversationId::new("c").unwrap();
        let progress = |text: &str| EphemeralMessage {
            id: None,
            conversation: conversation.clone(),
            body: Ephemeral::TypingProgress(text.to_owned()),
        };
        assert!(connection.admit(&config, progress("a"), 0).is_some());
        assert!(connection.admit(&config, progress("ab"), 0).is_none());
        assert!(connection.admit(&config, progress("abc"), 0).is_none());
        assert_eq!(connection.deferred_until_ms(), 100);
        let admitted = connection.admit_deferred(&config, 100);
        assert_eq!(admitted.len(), 1);
        assert_eq!(admitted[0].body, Ephemeral::TypingProgress("abc".to_owned()));
    }

    #[test]
    fn a_hundred_invalid_messages_in_a_minute_are_abuse() {
        let mut connection = connection();
        assert!((0..99).all(|_| connection.count_invalid(1_000)));
        assert!(!connection.count_invalid(1_000));
        assert!(connection.count_invalid(100_000), "another minute");
    }

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 104, "{} bytes", size_of::<Connection>());
    }

    #[test]
    fn frames_past_the_rate_are_noticed() {
        let (config, mut connection) = (config(), connection());
        assert!(connection.count_frame(&config, 0) && connection.count_frame(&config, 0));
        assert!(!connection.count_frame(&config, 0));
    }
}
