//! The bus between the shards of this node: a bounded queue to each of them.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cossistant_protocol::PersonId;
use tokio::sync::{mpsc, oneshot};

use crate::bus::{Bus, Notice, Topic};
use crate::http::{PresenceFuture, PresenceView};
use crate::hub::Interest;
use crate::store::{PersonKey, SiteKey};
use crate::trace::{self, SpanContext};

/// The most notices that wait for one shard; past it the shard compares its places with the store.
/// All who are here may go at once.
const MAILBOX: usize = 262_144;
/// How much of that is to be free where what is told can wait until it is.
const ROOM: usize = MAILBOX / 2;
/// How often is looked whether it is.
const ROOM_LOOKS: Duration = Duration::from_millis(2);
/// For how long that is waited for. What ends with another node that died is told once, and may be more than shards take at once;
/// but while a shard is waited for nothing is said to other nodes, and they must not think that this one is dead.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// How long a question waits for what other nodes say of a website of which nothing was heard here.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// For how long it is then heard of, at least; less than a topic is followed on.
const LOOK_LASTS: Duration = Duration::from_secs(8);

/// What is put into a shard's mailbox.
pub(super) enum Mail {
    /// What all are told, and the span that it belongs to.
    Notice(Notice, Option<Box<SpanContext>>),
    Visitors(SiteKey, Vec<PersonId>, oneshot::Sender<HashSet<PersonId>>),
    Members(SiteKey, oneshot::Sender<Vec<PersonKey>>),
    /// How far websites have come in the store.
    Heads(Arc<[(SiteKey, u64)]>),
    /// There are orders.
    Orders,
}

/// What a shard is to do, however full its mailbox is.
#[derive(Default)]
struct Orders {
    /// Something was lost.
    has_lost: AtomicBool,
    /// Every connection is to be closed.
    abandon: AtomicBool,
    /// All that stands here is to be told once more.
    retell: AtomicBool,
}

/// The receiving end of a shard's mailbox.
pub(super) struct Mailbox {
    pub(super) mail: mpsc::Receiver<Mail>,
    orders: Arc<Orders>,
}

impl Mailbox {
    /// Whether something was lost since the last question.
    pub(super) fn has_lost(&self) -> bool {
        self.orders.has_lost.swap(false, Ordering::AcqRel)
    }

    /// Whether every connection is to be closed; once for each time that it was said.
    pub(super) fn must_abandon(&self) -> bool {
        self.orders.abandon.swap(false, Ordering::AcqRel)
    }

    /// Whether all that stands here is to be told once more; once for each time that it was said.
    pub(super) fn must_retell(&self) -> bool {
        self.orders.retell.swap(false, Ordering::AcqRel)
    }
}

/// The sending end of a shard's mailbox.
struct Slot {
    mail: mpsc::Sender<Mail>,
    orders: Arc<Orders>,
}

impl Slot {
    fn put(&self, mail: Mail) {
        if self.mail.try_send(mail).is_err() {
            self.orders.has_lost.store(true, Ordering::Release);
        }
    }

    /// Gives an order, which is seen behind the mail that waits, or sooner if there is no room behind it.
    fn order(&self, which: impl Fn(&Orders) -> &AtomicBool) {
        which(&self.orders).store(true, Ordering::Release);
        // When it is full there is mail to be taken, behind each of which orders are looked at.
        let _full = self.mail.try_send(Mail::Orders);
    }
}

/// What goes beyond this node.
pub(super) enum Beyond {
    /// What a shard of it told all.
    Notice(Notice),
    /// The first shard follows a topic, or the last one no longer does.
    Follow(Topic, bool),
    /// Somebody asked for what stands of a topic.
    Look(Topic),
}

/// The most of it that waits; what is past that is lost.
const BEYOND: usize = 65_536;

/// The receiving end of what goes beyond this node.
pub(super) struct Outgoing {
    pub(super) mail: mpsc::Receiver<Beyond>,
    has_lost: Arc<AtomicBool>,
}

impl Outgoing {
    /// Whether something was lost since the last question.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::AcqRel)
    }
}

/// The bus of this node: in-process between its shards, and on to whoever tells other nodes.
pub(super) struct NodeBus {
    shards: Vec<Slot>,
    /// None where there are no other nodes.
    beyond: Option<(mpsc::Sender<Beyond>, Arc<AtomicBool>)>,
    /// What the shards follow; held for one change, or to be copied.
    followed: Mutex<Interest>,
    /// When it was first asked who is on a website that nobody here follows; held as shortly.
    asked: Mutex<HashMap<SiteKey, Instant>>,
}

impl NodeBus {
    pub(super) fn new(count: usize) -> (Self, Vec<Mailbox>) {
        let (mut shards, mut mailboxes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (sender, mail) = mpsc::channel(MAILBOX);
            let orders = Arc::new(Orders::default());
            shards.push(Slot { mail: sender, orders: Arc::clone(&orders) });
            mailboxes.push(Mailbox { mail, orders });
        }
        (Self { shards, beyond: None, followed: Mutex::default(), asked: Mutex::default() }, mailboxes)
    }

    /// Has all that is told go beyond this node as well.
    pub(super) fn reach_beyond(&mut self) -> Outgoing {
        let (sender, mail) = mpsc::channel(BEYOND);
        let has_lost = Arc::new(AtomicBool::new(false));
        self.beyond = Some((sender, Arc::clone(&has_lost)));
        Outgoing { mail, has_lost }
    }

    fn put_beyond(&self, beyond: Beyond) {
        if let Some((sender, has_lost)) = &self.beyond
            && sender.try_send(beyond).is_err()
        {
            has_lost.store(true, Ordering::Release);
        }
    }

    fn followed(&self) -> MutexGuard<'_, Interest> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What somebody here follows, in no order.
    pub(super) fn followed_topics(&self) -> Vec<Topic> {
        self.followed().topics().cloned().collect()
    }

    /// The websites that somebody here follows, in no order.
    pub(super) fn followed_sites(&self) -> Vec<SiteKey> {
        self.followed().sites().cloned().collect()
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

    /// The same once every shard has room for more. Where one took too long before, and still has none, it is not waited
    /// for again.
    pub(super) async fn tell_in_turn(&self, notice: Notice, is_patient: &mut bool) {
        let look = || self.shards.iter().all(|shard| shard.mail.capacity() >= ROOM);
        let mut has_room = look();
        if !has_room && *is_patient {
            let room = async {
                while !look() {
                    tokio::time::sleep(ROOM_LOOKS).await;
                }
            };
            has_room = tokio::time::timeout(ROOM_PATIENCE, room).await.is_ok();
        }
        *is_patient = has_room;
        self.tell(notice);
    }

    /// Tells every shard how far websites have come in the store.
    pub(super) fn tell_heads(&self, heads: &Arc<[(SiteKey, u64)]>) {
        self.shards.iter().for_each(|shard| shard.put(Mail::Heads(Arc::clone(heads))));
    }

    /// Has every shard tell once more what stands at it.
    pub(super) fn retell(&self) {
        self.shards.iter().for_each(|shard| shard.order(|orders| &orders.retell));
    }

    /// Has every shard close its connections.
    pub(super) fn abandon(&self) {
        self.shards.iter().for_each(|shard| shard.order(|orders| &orders.abandon));
    }

    /// Sees to it that is known who is on a website at other nodes; for how long to wait for that.
    fn ask_others(&self, site: &SiteKey) -> Option<Duration> {
        self.beyond.as_ref()?;
        let topics = [Topic::Site(site.clone()), Topic::Organization(site.organization.clone())];
        let is_known = topics.iter().all(|topic| self.followed().has(topic));
        let asked_at = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            match asked.get(site).filter(|at| at.elapsed() < LOOK_LASTS) {
                Some(at) => *at,
                None if is_known => return None,
                None => {
                    // Now and then, so that the old ones go.
                    if asked.len().is_power_of_two() {
                        asked.retain(|_, at| at.elapsed() < LOOK_LASTS);
                    }
                    let now = Instant::now();
                    asked.insert(site.clone(), now);
                    now
                }
            }
        };
        topics.into_iter().for_each(|topic| self.put_beyond(Beyond::Look(topic)));
        Some(LOOK_PAUSE.saturating_sub(asked_at.elapsed())).filter(|pause| !pause.is_zero())
    }

    /// Every shard knows everyone who is here, so any of them can answer. One that is too busy leaves the question
    /// unanswered, and nobody counts as online then.
    fn ask<T: Default + Send + 'static>(
        &self,
        site: &SiteKey,
        question: impl FnOnce(oneshot::Sender<T>) -> Mail,
    ) -> PresenceFuture<T> {
        let (answer, answered) = oneshot::channel();
        let mail = question(answer);
        let shard = self.shards.first().map(|shard| shard.mail.clone());
        let pause = self.ask_others(site);
        Box::pin(async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            if shard.is_some_and(|shard| shard.try_send(mail).is_err()) {
                tracing::warn!("a shard is too busy to say who is online");
            }
            answered.await.unwrap_or_default()
        })
    }
}

impl Bus for NodeBus {
    fn publish(&self, notice: Notice) {
        // Each node finds out for itself what these say.
        let is_own = matches!(notice, Notice::VisitorPresence { .. } | Notice::Doubt { .. });
        if self.beyond.is_some() && !is_own {
            self.put_beyond(Beyond::Notice(notice.clone()));
        }
        self.tell(notice);
    }

    fn tell_here(&self, notice: Notice) {
        self.tell(notice);
    }

    fn follow(&self, topic: Topic, is_followed: bool) {
        let mut followed = self.followed();
        // Under the lock, so that what is told of a topic has the order in which it came about.
        if followed.note(&topic, is_followed) {
            self.put_beyond(Beyond::Follow(topic, is_followed));
        }
    }

    fn look(&self, site: &SiteKey) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(tokio::time::sleep(self.ask_others(site)?)))
    }
}

impl PresenceView for NodeBus {
    fn visitors_online(&self, site: &SiteKey, ids: Vec<PersonId>) -> PresenceFuture<HashSet<PersonId>> {
        let of = site.clone();
        self.ask(site, move |answer| Mail::Visitors(of, ids, answer))
    }

    fn members_online(&self, site: &SiteKey) -> PresenceFuture<Vec<PersonKey>> {
        let of = site.clone();
        self.ask(site, move |answer| Mail::Members(of, answer))
    }
}

#[cfg(test)]
mod tests {
    use cossistant_protocol::{OrganizationId, WebsiteId};

    use super::*;

    fn some_notice() -> Notice {
        let site =
            SiteKey { organization: OrganizationId::new("org").unwrap(), website: WebsiteId::new("web").unwrap() };
        Notice::OpenConversations { site, visitor: PersonId::new("vera").unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_a_shard_takes_at_once_waits_for_it_but_not_for_ever() {
        let (bus, mut mailboxes) = NodeBus::new(1);
        let mut mailbox = mailboxes.remove(0);
        let count = 2 * MAILBOX;
        let takes = async {
            for taken in 0..count {
                mailbox.mail.recv().await.expect("the bus is there");
                if taken % 1_000 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        let mut is_patient = true;
        let tells = async {
            for _ in 0..count {
                bus.tell_in_turn(some_notice(), &mut is_patient).await;
            }
        };
        tokio::join!(takes, tells);
        assert!(!mailbox.has_lost(), "all of it was told");

        // Now nobody takes anything.
        let began = tokio::time::Instant::now();
        for _ in 0..count {
            bus.tell_in_turn(some_notice(), &mut is_patient).await;
        }
        let waited = began.elapsed();
        assert!(waited >= ROOM_PATIENCE && waited < 2 * ROOM_PATIENCE, "once: {waited:?}");
        assert!(mailbox.has_lost(), "what has no room is lost, and that is known");
    }
}
