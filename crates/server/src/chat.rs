//! The rules: who may do what, and what an action does to a conversation.
//!
//! Every action goes *authorize → commit → publish*, never in another order. What a token allows is checked here;
//! whose conversation it is, inside the store's transaction. This room awaits the store alone: it reads no clock
//! (`now` is given) and spawns nothing, so a simulator can poll it.

mod answered;
mod conversations;
mod ids;
mod messages;
mod people;
mod reach;
pub mod sanitize;
mod setup;
mod subscribe;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cossistant_protocol::{ConversationId, ErrorCode, ErrorDetails, OrganizationId, Timestamp};

pub use conversations::{ConversationFilter, ListPlace, Listed, ListedConversation};
pub use ids::Ids;
pub use messages::search_text;
pub use people::Arrival;
pub use setup::MadeKey;
pub use subscribe::{CatchUp, Page, Snapshot, SubscribeRequest};

use self::answered::Answered;
use crate::auth::{AuthError, Principal};
use crate::bus::{Bus, Notice};
use crate::directory::SharedDirectory;
use crate::event::Event;
use crate::limits::Limiter;
use crate::store::{Conflict, Scope, Store, StoreError, StoredEvent, Websites};

/// The rules over a store, shared by every shard and the HTTP API.
pub struct Chat {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) directory: Arc<SharedDirectory>,
    pub(crate) ids: Ids,
    pub(crate) limiter: Limiter,
    pub(crate) replay_limit: u64,
    pub(crate) epoch: Arc<str>,
    /// When the store last refused a message for want of itself, in ms; 0 once it took one again.
    refused_at_ms: AtomicU64,
    /// What the store said to whoever asked whether it is up.
    answered: Answered,
}

/// Why an action failed, as the one who asked is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ChatError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// More about it.
    pub details: Option<ErrorDetails>,
    /// After how many ms it may be tried again.
    pub retry_after: Option<u64>,
}

/// After how many ms a store that is down or full is tried again.
const UNAVAILABLE_RETRY_MS: u64 = 1_000;

impl ChatError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None }
    }

    /// Something that one may see but not do.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// Something that does not exist for the one who asks.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "not found")
    }

    /// A field that is not as it must be.
    #[must_use]
    pub fn invalid(invalid: cossistant_protocol::Invalid) -> Self {
        Self {
            code: ErrorCode::InvalidMessage,
            message: invalid.to_string(),
            details: Some(ErrorDetails { path: Some(invalid.path), reason: Some(invalid.reason), status: None }),
            retry_after: None,
        }
    }

    /// Too many in too short a time.
    #[must_use]
    pub fn rate_limited(retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::RateLimited, "too many messages") }
    }
}

impl From<AuthError> for ChatError {
    fn from(error: AuthError) -> Self {
        let AuthError { code, message, retry_after, close: _ } = error;
        Self { retry_after, ..Self::new(code, message) }
    }
}

impl From<StoreError> for ChatError {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Conflict(Conflict::Status(status)) => Self {
                details: Some(ErrorDetails { status: Some(status), ..ErrorDetails::default() }),
                ..Self::new(code, Conflict::Status(status).to_string())
            },
            StoreError::Conflict(conflict) => Self::new(code, conflict.to_string()),
            StoreError::Forbidden(reason) | StoreError::LimitExceeded(reason) => Self::new(code, reason),
            StoreError::Unavailable(cause) => {
                tracing::warn!(%cause, "the store is unavailable");
                Self { retry_after: Some(UNAVAILABLE_RETRY_MS), ..Self::new(code, "the store is unavailable") }
            }
            StoreError::Corrupt(cause) => {
                tracing::error!(%cause, "the store holds what it should not");
                Self::new(code, "internal error")
            }
        }
    }
}

impl Chat {
    /// The rules over a store; `epoch` is the store's.
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        directory: Arc<SharedDirectory>,
        ids: Ids,
        limiter: Limiter,
        replay_limit: u64,
        epoch: &str,
    ) -> Self {
        Self {
            store,
            bus,
            directory,
            ids,
            limiter,
            replay_limit,
            epoch: Arc::from(epoch),
            refused_at_ms: AtomicU64::new(0),
            answered: Answered::default(),
        }
    }

    /// The store's life.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Notes whether the store takes messages.
    pub(crate) fn note_write(&self, refusal: Option<&ChatError>, now: Timestamp) {
        match refusal {
            None => self.refused_at_ms.store(0, Ordering::Relaxed),
            Some(error) if error.code == ErrorCode::Unavailable => {
                self.refused_at_ms.store(now.as_millis(), Ordering::Relaxed);
            }
            Some(_) => {}
        }
    }

    /// Whether the store answers, and has not just refused a message because it is full or down. What it answered is
    /// taken for true for a moment: anybody may ask, as often as they like.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn is_store_up(&self, now: Timestamp) -> Result<(), ChatError> {
        /// How long a refusal counts when no further message comes: whoever sends none must be let in again.
        const REFUSAL_COUNTS_MS: u64 = 5_000;
        if answered::is_recent(&self.refused_at_ms, now, REFUSAL_COUNTS_MS) {
            return Err(StoreError::Unavailable("it takes no messages".to_owned()).into());
        }
        if let Some(answer) = self.answered.lately(now) {
            return Ok(answer?);
        }
        let answer = self.ask_store().await;
        self.answered.note(&answer, now);
        Ok(answer?)
    }

    async fn ask_store(&self) -> Result<(), StoreError> {
        const NONE: &str = "a plain word is an id";
        let nobody = OrganizationId::new("none").expect(NONE);
        let scope = Scope::Team { websites: Websites::All };
        match self.store.conversation(nobody, scope, ConversationId::new("none").expect(NONE)).await {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Tells every shard of what was committed. Called after the commit only.
    pub(crate) fn publish(&self, events: &[StoredEvent]) {
        if events.is_empty() {
            return;
        }
        let events = events.iter().map(|stored| Arc::new(Event::encode(stored))).collect();
        self.bus.publish(Notice::Events(events));
    }
}

/// What a principal may not do because of what kind it is.
pub(crate) fn require_team(actor: &Principal) -> Result<(), ChatError> {
    if actor.kind.is_team() { Ok(()) } else { Err(ChatError::forbidden("for users and AI agents only")) }
}

/// The point in time before which a visitor's message can no longer be edited.
pub(crate) fn visitor_edit_limit(now: Timestamp) -> Timestamp {
    const VISITOR_EDIT_MS: u64 = 5 * 60 * 1000;
    Timestamp(now.0.saturating_sub(VISITOR_EDIT_MS))
}
