//! Moves bytes between sockets and a shard's core, and runs its jobs.
//!
//! Everything here lives on one thread. A connection has no task and no channel of its own: all sockets of the shard
//! are watched together (`driver/sockets.rs`), and an idle one is an entry in a table. Whatever a tick queued is
//! written by one flusher, each connection's frames together.

#[cfg(feature = "sim")]
pub(super) mod echo;
mod sockets;
mod wire;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cossistant_protocol::Timestamp;
use tokio::sync::Notify;

use super::frame::Scratch;
use super::jobs::Jobs;
use super::shard::{Done, Job, JobKind, Output, Shard};
use crate::bus::Notice;
use crate::hub::ConnRef;
use crate::slow;
use crate::store::SiteKey;
use crate::trace::{Span, SpanContext, Tracing as _};
use sockets::Sockets;
pub(crate) use wire::Upgraded;

/// Bytes read at a time, into the thread's buffer.
const READ_BYTES: usize = 64 * 1024;

/// The most spans that wait for one flush; further ones have no part of it to tell.
const TRACED_MAX: usize = 64;

/// The two times of a driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    /// Never jumps: the core lives by it.
    pub(crate) steady: fn() -> Timestamp,
    /// The system's: what people and tokens are told by.
    pub(crate) wall: fn() -> Timestamp,
}

/// One thread's sockets and core.
pub(crate) struct Driver {
    shard: RefCell<Shard>,
    sockets: RefCell<Sockets>,
    /// What watches the sockets, until [`Driver::watch_always`] takes it.
    poll: Cell<Option<mio::Poll>>,
    /// Sockets that are to be looked at now, and whether somebody is about it.
    woken: RefCell<Vec<ConnRef>>,
    is_looking: Cell<bool>,
    /// Sockets that have more to read, once the others had their turn.
    unread: RefCell<Vec<ConnRef>>,
    unread_due: Notify,
    buffer: RefCell<Vec<u8>>,
    scratch: RefCell<Scratch>,
    jobs: Arc<Jobs>,
    clocks: Clocks,
    max_message_bytes: u32,
    flush_due: Notify,
    is_flush_due: Cell<bool>,
    timer_changed: Notify,
    socket_ended: Notify,
    /// Kept, since to look it up by its name would cost every message more than to record it.
    send_seconds: metrics::Histogram,
    /// Spans whose frames wait for the next flush, and since when.
    traced: RefCell<Vec<(SpanContext, SystemTime)>>,
}

impl Driver {
    /// # Errors
    /// The system has no more room for what watches sockets.
    pub(crate) fn new(shard: Shard, jobs: Arc<Jobs>, clocks: Clocks, max_message_bytes: u32) -> io::Result<Rc<Self>> {
        let poll = mio::Poll::new()?;
        Ok(Rc::new(Self {
            shard: RefCell::new(shard),
            sockets: RefCell::new(Sockets::new(poll.registry().try_clone()?)),
            poll: Cell::new(Some(poll)),
            woken: RefCell::new(Vec::new()),
            is_looking: Cell::new(false),
            unread: RefCell::new(Vec::new()),
            unread_due: Notify::new(),
            buffer: RefCell::new(vec![0; READ_BYTES]),
            scratch: RefCell::new(Scratch::default()),
            jobs,
            clocks,
            max_message_bytes,
            flush_due: Notify::new(),
            is_flush_due: Cell::new(false),
            timer_changed: Notify::new(),
            socket_ended: Notify::new(),
            send_seconds: metrics::histogram!(crate::metrics::SEND_SECONDS),
            traced: RefCell::default(),
        }))
    }

    pub(crate) fn with_shard<T>(&self, look: impl FnOnce(&Shard) -> T) -> T {
        look(&self.shard.borrow())
    }

    /// Applies something to the core and does what comes of it.
    fn apply<T>(self: &Rc<Self>, action: impl FnOnce(&mut Shard, Timestamp) -> T) -> T {
        let (result, outputs) = {
            let mut shard = self.shard.borrow_mut();
            let result = action(&mut shard, (self.clocks.steady)());
            (result, shard.take_outputs())
        };
        self.perform(outputs);
        result
    }

    fn perform(self: &Rc<Self>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Job(at, job) => self.run_job(at, job),
                Output::Fill { site, key, after } => {
                    let driver = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        let filled = driver.jobs.fill(&key, after).await;
                        driver.apply(|shard, now| shard.handle_fill(site, &key, filled, now));
                    });
                }
                Output::TellPresence { site, visitors } => {
                    let driver = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        let how = driver.with_shard(|shard| shard.how_are(&site, &visitors));
                        let was_told = driver.jobs.tell_presence(&site, how, (driver.clocks.wall)()).await;
                        driver.apply(|shard, now| shard.handle_told_presence(&site, visitors, was_told, now));
                    });
                }
                Output::ReadMarks(wanted) => {
                    let driver = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        let marks = driver.jobs.marks(&wanted).await;
                        driver.apply(|shard, now| shard.handle_marks(wanted, marks, now));
                    });
                }
                Output::Publish(notice) => self.jobs.publish(notice),
                Output::TellHere(notice) => self.jobs.tell_here(notice),
                Output::Follow(topic, is_followed) => self.jobs.follow(topic, is_followed),
                Output::Refuse(at, frames) => self.refuse(at, frames),
                Output::Pong(at, frame) => self.pong(at, frame),
                Output::Drop(at) => self.let_go(at),
                Output::Wake(at) => self.woken.borrow_mut().push(at),
            }
        }
        if self.shard.borrow_mut().has_sooner_timer() {
            self.timer_changed.notify_one();
        }
        if self.shard.borrow().hub().has_dirty() && !self.is_flush_due.replace(true) {
            self.flush_due.notify_one();
        }
        self.look_at_woken();
    }

    fn run_job(self: &Rc<Self>, at: ConnRef, job: Job) {
        let driver = Rc::clone(self);
        let kind = job.kind();
        let address = self.address_of(at);
        tokio::task::spawn_local(async move {
            let started = Instant::now();
            let span = if kind == JobKind::Send { Span::begin("send_message", None) } else { None };
            let context = span.as_ref().map(Span::context);
            let done = driver.jobs.run(job, address, (driver.clocks.wall)()).within(context).await;
            let done = driver.seat(at, done);
            driver.note_job(kind, started.elapsed());
            if let Some(span) = span {
                span.end(matches!(done, Done::Sent { result: Err(_), .. }));
            }
            driver.apply(|shard, now| shard.handle_done(at, done, now));
            if let Some(context) = context {
                driver.trace_flush(context);
            }
        });
    }

    /// What was just queued belongs to a span: the flush that writes it is told as a part of that.
    pub(crate) fn trace_flush(&self, context: SpanContext) {
        let mut traced = self.traced.borrow_mut();
        let is_known = traced.iter().any(|(other, _)| *other == context);
        if !is_known && traced.len() < TRACED_MAX && self.shard.borrow().hub().has_dirty() {
            traced.push((context, SystemTime::now()));
        }
    }

    /// Tells how long a job took.
    fn note_job(&self, kind: JobKind, took: Duration) {
        if kind == JobKind::Send {
            self.send_seconds.record(took.as_secs_f64());
        }
        if !slow::is_slow(took) {
            return;
        }
        if kind == JobKind::Replay {
            slow::tell!("replay", took, kind = kind.as_str());
        } else {
            slow::tell!("job", took, kind = kind.as_str());
        }
    }

    // ---- timers, notices, the end ----

    /// Does what is due when it is due. Runs for ever.
    pub(crate) async fn tick_always(self: Rc<Self>) {
        loop {
            let deadline = self.shard.borrow_mut().watch_timers();
            let changed = self.timer_changed.notified();
            match deadline {
                Some(deadline_ms) => {
                    let wait_ms = deadline_ms.saturating_sub((self.clocks.steady)().as_millis());
                    if wait_ms > 0 {
                        let sleep = tokio::time::sleep(Duration::from_millis(wait_ms));
                        tokio::select! { () = sleep => {}, () = changed => continue }
                    }
                }
                None => {
                    changed.await;
                    continue;
                }
            }
            let wall = (self.clocks.wall)();
            self.apply(|shard, now| {
                shard.set_wall(wall, now);
                shard.handle_timers(now);
            });
        }
    }

    /// Takes what a shard has told all.
    pub(crate) fn notice(self: &Rc<Self>, notice: Notice) {
        self.apply(|shard, now| shard.handle_notice(notice, now));
    }

    /// Some of what shards told was lost. What stands at other shards and was among it comes right with its next change.
    pub(crate) fn notices_lost(self: &Rc<Self>) {
        let directory = self.jobs.directory();
        self.apply(|shard, now| {
            shard.handle_notice(Notice::Directory(directory), now);
            shard.handle_lost_notices(now);
            shard.hub_mut().doubt_all();
        });
    }

    /// Takes how far websites have come in the store.
    pub(crate) fn heads(self: &Rc<Self>, heads: &[(SiteKey, u64)]) {
        self.apply(|shard, now| shard.handle_heads(heads, now));
    }

    /// Tells once more what stands here.
    pub(crate) fn retell(self: &Rc<Self>) {
        self.apply(|shard, _| shard.hub_mut().retell());
    }

    /// Closes every connection, since the store cannot be read.
    pub(crate) fn abandon(self: &Rc<Self>) {
        self.apply(|shard, now| shard.abandon("the store cannot be read", now));
    }

    /// Asks all connections to come back later; returns when all are closed, or when the window is over.
    pub(crate) async fn drain(self: &Rc<Self>, window: Duration) {
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let end = tokio::time::Instant::now() + window;
        self.apply(|shard, now| shard.drain(window_ms, now));
        while !self.sockets.borrow().is_empty() {
            let ended = self.socket_ended.notified();
            if tokio::time::timeout_at(end, ended).await.is_err() {
                return;
            }
        }
    }
}
