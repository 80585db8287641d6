//! Talks with other nodes: hands what goes on here to NATS, and what is heard there to the shards.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bus::{Beyond, NodeBus, Outgoing};
use crate::bus::NodeId;
use crate::bus::ledger::{Ledger, Output};
use crate::bus::nats::{Heard, Link, NatsTarget, Weather};
use crate::bus::wire::{self, Asked, Said, Unread};
use crate::http::{Readiness, steady_now};
use crate::metrics::{BUS_LOST_TOTAL, BUS_MESSAGES_TOTAL, BUS_REFUSED_TOTAL, BUS_UP};

/// How often is looked what is due.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// How long NATS may take to be there at the start before that is said.
const START_PATIENCE: Duration = Duration::from_secs(2);
/// The most messages that were heard and wait to be looked at; further ones are lost.
const HEARD: usize = 65_536;
/// The most messages that are looked at before they are handed on. What came together is told together, so that a shard
/// wakes up once for it, and writes all of it to a connection at once.
const BURST: usize = 256;
/// The most pieces of news of NATS itself that wait.
const WEATHER: usize = 64;

/// What is needed to talk.
pub(super) struct TalkConfig {
    pub(super) target: NatsTarget,
    pub(super) epoch: String,
    pub(super) node: NodeId,
    pub(super) outgoing: Outgoing,
    pub(super) readiness: Arc<Readiness>,
}

/// A conversation with other nodes.
pub(super) struct Talk {
    node: NodeId,
    place: String,
    ledger: Ledger,
    link: Link,
    bus: Arc<NodeBus>,
    outgoing: Outgoing,
    heard: mpsc::Receiver<Heard>,
    weather: mpsc::Receiver<Weather>,
    readiness: Arc<Readiness>,
    /// Rung when the set-up may be another one.
    look: Arc<Notify>,
    began_at: Instant,
    /// None until it was there, or was not for a while.
    is_up: Option<bool>,
    trouble: Option<String>,
    /// Whether shards are waited for that have much to do.
    is_patient: bool,
}

impl Talk {
    /// Begins to connect, on the runtime that this runs on; that may succeed later.
    ///
    /// # Errors
    /// The credentials cannot be used.
    pub(super) async fn begin(config: TalkConfig, bus: Arc<NodeBus>, look: Arc<Notify>) -> std::io::Result<Self> {
        let TalkConfig { target, epoch, node, outgoing, readiness } = config;
        let (tell_weather, weather) = mpsc::channel(WEATHER);
        let (tell_heard, heard) = mpsc::channel(HEARD);
        metrics::gauge!(BUS_UP).set(0.0);
        let mut link = Link::open(&target, &epoch, tell_weather, tell_heard).await?;
        link.hear(None, None);
        Ok(Self {
            node,
            place: target.place,
            ledger: Ledger::new(node, now_ms()),
            link,
            bus,
            outgoing,
            heard,
            weather,
            readiness,
            look,
            began_at: Instant::now(),
            is_up: None,
            trouble: None,
            is_patient: true,
        })
    }

    /// Talks until it is stopped, and then says what is left to be said.
    pub(super) async fn talk(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                Some(weather) = self.weather.recv() => self.take_weather(weather),
                Some(beyond) = self.outgoing.mail.recv() => self.take(beyond),
                Some(heard) = self.heard.recv() => self.hear_all(&heard),
                _ = ticks.tick() => self.tick(),
            }
            self.perform().await;
        }
        while let Ok(beyond) = self.outgoing.mail.try_recv() {
            self.take(beyond);
        }
        self.ledger.say_goodbye();
        self.perform().await;
        self.link.flush().await;
    }

    fn take_weather(&mut self, weather: Weather) {
        let is_up = match weather {
            Weather::Up => true,
            Weather::Down => false,
            Weather::Trouble(trouble) => {
                // It is tried again and again, and said once.
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(place = self.place, %trouble, "NATS");
                    self.trouble = Some(trouble);
                }
                return;
            }
        };
        if self.is_up == Some(is_up) || (self.is_up.is_none() && !is_up) {
            return;
        }
        self.set_up(is_up);
    }

    fn set_up(&mut self, is_up: bool) {
        if is_up {
            tracing::info!(place = self.place, "other nodes can be heard over NATS");
            self.trouble = None;
        } else {
            tracing::warn!(
                place = self.place,
                "NATS is away: messages come by way of the database, and nobody is seen to type or be online elsewhere"
            );
        }
        self.is_up = Some(is_up);
        self.readiness.set_bus_down(!is_up);
        metrics::gauge!(BUS_UP).set(if is_up { 1.0 } else { 0.0 });
        self.ledger.set_down(!is_up, now_ms());
    }

    /// Takes what is to go beyond this node.
    fn take(&mut self, beyond: Beyond) {
        match beyond {
            Beyond::Notice(notice) => self.ledger.handle_own(&notice, now_ms()),
            Beyond::Follow(topic, is_followed) => self.ledger.follow(topic, is_followed, now_ms()),
            Beyond::Look(topic) => self.ledger.look(topic, now_ms()),
        }
    }

    /// Takes a message, and those that came with it.
    fn hear_all(&mut self, first: &Heard) {
        self.hear(first);
        for _ in 1..BURST {
            let Ok(next) = self.heard.try_recv() else { return };
            self.hear(&next);
        }
    }

    fn hear(&mut self, (topic, bytes): &Heard) {
        metrics::counter!(BUS_MESSAGES_TOTAL, "direction" => "in").increment(1);
        let reason = match wire::read(bytes, self.node) {
            Ok((node, said)) => return self.ledger.handle_said(topic.as_ref(), node, said, now_ms()),
            Err(Unread::Own) => return,
            Err(Unread::Version) => "version",
            Err(Unread::Form) => "form",
        };
        metrics::counter!(BUS_REFUSED_TOTAL, "reason" => reason).increment(1);
    }

    fn tick(&mut self) {
        let is_connected = self.link.is_connected();
        // That it came or went may have been lost on the way from the library.
        let is_news = self.is_up.map_or(is_connected, |is_up| is_up != is_connected);
        if is_news || (self.is_up.is_none() && self.began_at.elapsed() > START_PATIENCE) {
            self.set_up(is_connected);
        }
        if self.outgoing.has_lost() {
            metrics::counter!(BUS_LOST_TOTAL, "direction" => "out").increment(1);
            tracing::warn!("more is going on than can be told to other nodes; they are told anew what stands");
            // What waits is older than what stands; taken behind that, it would be told as if it stood.
            while let Ok(beyond) = self.outgoing.mail.try_recv() {
                self.take(beyond);
            }
            self.ledger.begin_anew(&self.bus.followed_topics(), now_ms());
            self.bus.retell();
        }
        self.ledger.tick(now_ms());
    }

    async fn perform(&mut self) {
        for output in self.ledger.take_outputs() {
            match output {
                Output::Say(topic, said) => {
                    let bytes = wire::write(self.node, &said);
                    let is_said = bytes.is_some_and(|bytes| self.link.say(topic.as_ref(), bytes));
                    let name = if is_said { BUS_MESSAGES_TOTAL } else { BUS_LOST_TOTAL };
                    metrics::counter!(name, "direction" => "out").increment(1);
                }
                Output::Tell(notice) => self.bus.tell_in_turn(notice, &mut self.is_patient).await,
                Output::Hear(topic) => {
                    let ask = wire::write(self.node, &Said::Ask { of: None, topic: Asked::from(&topic) });
                    self.link.hear(Some(topic), ask);
                }
                Output::Leave(topic) => self.link.leave(&topic),
                Output::SetupChanged => self.look.notify_one(),
            }
        }
    }
}

fn now_ms() -> u64 {
    steady_now().as_millis()
}
