//! The bus between the shards of this node: a bounded queue to each of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cossistant_protocol::PersonId;
use tokio::sync::{mpsc, oneshot};

use crate::bus::{Bus, Notice, Topic};
use crate::http::{PresenceFuture, PresenceView};
use crate::store::{PersonKey, SiteKey};
use crate::trace::{self, SpanContext};

/// The most notices that wait for one shard; past it the shard compares its places with the store.
const MAILBOX: usize = 65_536;

/// What is put into a shard's mailbox.
pub(super) enum Mail {
    /// What all are told, and the span that it belongs to.
    Notice(Notice, Option<Box<SpanContext>>),
    Visitors(SiteKey, Vec<PersonId>, oneshot::Sender<HashSet<PersonId>>),
    Members(SiteKey, oneshot::Sender<Vec<PersonKey>>),
    /// How far websites have come in the store.
    Heads(Arc<[(SiteKey, u64)]>),
    /// Every connection is to be closed.
    Abandon,
}

/// The receiving end of a shard's mailbox.
pub(super) struct Mailbox {
    pub(super) mail: mpsc::Receiver<Mail>,
    has_lost: Arc<AtomicBool>,
}

impl Mailbox {
    /// Whether something was lost since the last question.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::AcqRel)
    }
}

/// The sending end of a shard's mailbox.
struct Slot {
    mail: mpsc::Sender<Mail>,
    has_lost: Arc<AtomicBool>,
}

impl Slot {
    fn put(&self, mail: Mail) {
        if self.mail.try_send(mail).is_err() {
            self.has_lost.store(true, Ordering::Release);
        }
    }
}

/// The in-process bus.
pub(super) struct NodeBus {
    shards: Vec<Slot>,
    /// How many shards follow each topic; held for one change, or to be copied.
    followed: Mutex<HashMap<Topic, usize>>,
}

impl NodeBus {
    pub(super) fn new(count: usize) -> (Self, Vec<Mailbox>) {
        let (mut shards, mut mailboxes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (sender, mail) = mpsc::channel(MAILBOX);
            let has_lost = Arc::new(AtomicBool::new(false));
            shards.push(Slot { mail: sender, has_lost: Arc::clone(&has_lost) });
            mailboxes.push(Mailbox { mail, has_lost });
        }
        (Self { shards, followed: Mutex::default() }, mailboxes)
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<Topic, usize>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The websites that somebody here follows, in no order.
    pub(super) fn followed_sites(&self) -> Vec<SiteKey> {
        let site = |topic: &Topic| match topic {
            Topic::Site(site) => Some(site.clone()),
            Topic::Organization(_) => None,
        };
        self.followed().keys().filter_map(site).collect()
    }

    /// Tells the shards of this node alone.
    pub(super) fn tell(&self, notice: Notice) {
        let Some((last, others)) = self.shards.split_last() else { return };
        let span = trace::current().map(Box::new);
        for shard in others {
            shard.put(Mail::Notice(notice.clone(), span.clone()));
        }
        last.put(Mail::Notice(notice, span));
    }

    /// Tells every shard how far websites have come in the store.
    pub(super) fn tell_heads(&self, heads: &Arc<[(SiteKey, u64)]>) {
        self.shards.iter().for_each(|shard| shard.put(Mail::Heads(Arc::clone(heads))));
    }

    /// Has every shard close its connections.
    pub(super) fn abandon(&self) {
        self.shards.iter().for_each(|shard| shard.put(Mail::Abandon));
    }

    /// Every shard knows everyone who is here, so any of them can answer. One that is too busy leaves the question
    /// unanswered, and nobody counts as online then.
    fn ask(&self, mail: Mail) {
        if let Some(shard) = self.shards.first()
            && shard.mail.try_send(mail).is_err()
        {
            tracing::warn!("a shard is too busy to say who is online");
        }
    }
}

impl Bus for NodeBus {
    fn publish(&self, notice: Notice) {
        self.tell(notice);
    }

    fn follow(&self, topic: Topic, is_followed: bool) {
        let mut followed = self.followed();
        let shards = followed.entry(topic.clone()).or_default();
        *shards = if is_followed { *shards + 1 } else { shards.saturating_sub(1) };
        if *shards == 0 {
            followed.remove(&topic);
        }
    }
}

impl PresenceView for NodeBus {
    fn visitors_online(&self, site: &SiteKey, ids: Vec<PersonId>) -> PresenceFuture<HashSet<PersonId>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Mail::Visitors(site.clone(), ids, answer));
        Box::pin(async { answered.await.unwrap_or_default() })
    }

    fn members_online(&self, site: &SiteKey) -> PresenceFuture<Vec<PersonKey>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Mail::Members(site.clone(), answer));
        Box::pin(async { answered.await.unwrap_or_default() })
    }
}
