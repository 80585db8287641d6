//! Moves bytes between sockets and a shard's core, and runs its jobs.
//!
//! Everything here lives on one thread. A connection is one task that waits for its socket; there is no second task
//! and no channel per connection. Reads go into the thread's own buffer, so an idle connection has none. Whatever
//! a tick queued is written by one flusher, each connection's frames together.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use cossistant_protocol::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::deflate::DeflateParams;
use super::frame::{Decoded, Decoder, DecoderConfig, Scratch};
use super::jobs::Jobs;
use super::shard::{Arrival, Job, Output, Shard};
use crate::bus::Notice;
use crate::hub::{ConnRef, MAX_FRAMES_PER_WRITE};

/// Bytes read at a time, into the thread's buffer.
const READ_BYTES: usize = 64 * 1024;

/// A socket of one connection.
struct Socket {
    at: ConnRef,
    stream: TcpStream,
    /// Frames of a connection that was refused before it had an outbox.
    last_words: RefCell<Vec<Bytes>>,
    is_blocked: Cell<bool>,
    is_gone: Cell<bool>,
    must_look: Cell<bool>,
    is_partial: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Socket {
    fn wake(&self) {
        self.must_look.set(true);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn drop_now(&self) {
        self.is_gone.set(true);
        self.wake();
    }
}

/// What a connection's task woke up for.
enum Event {
    Look,
    Readable,
    Writable,
}

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
    sockets: RefCell<Vec<Option<Rc<Socket>>>>,
    buffer: RefCell<Vec<u8>>,
    scratch: RefCell<Scratch>,
    jobs: Arc<Jobs>,
    clocks: Clocks,
    max_message_bytes: u32,
    flush_due: Notify,
    is_flush_due: Cell<bool>,
    timer_changed: Notify,
    tasks: Cell<usize>,
    task_ended: Notify,
}

impl Driver {
    pub(crate) fn new(shard: Shard, jobs: Arc<Jobs>, clocks: Clocks, max_message_bytes: u32) -> Rc<Self> {
        Rc::new(Self {
            shard: RefCell::new(shard),
            sockets: RefCell::new(Vec::new()),
            buffer: RefCell::new(vec![0; READ_BYTES]),
            scratch: RefCell::new(Scratch::default()),
            jobs,
            clocks,
            max_message_bytes,
            flush_due: Notify::new(),
            is_flush_due: Cell::new(false),
            timer_changed: Notify::new(),
            tasks: Cell::new(0),
            task_ended: Notify::new(),
        })
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
                Output::TellPresence { site, visitor } => {
                    let driver = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        let is_online = driver.with_shard(|shard| shard.hub().is_visitor_here(&site, &visitor));
                        let was_told =
                            driver.jobs.tell_presence(&site, &visitor, is_online, (driver.clocks.wall)()).await;
                        driver.apply(|shard, now| shard.handle_told_presence(site, visitor, was_told, now));
                    });
                }
                Output::Publish(notice) => self.jobs.publish(notice),
                Output::Refuse(at, frames) => self.refuse(at, frames),
                Output::Drop(at) => {
                    if let Some(socket) = self.socket(at) {
                        socket.drop_now();
                    }
                }
                Output::Wake(at) => {
                    if let Some(socket) = self.socket(at) {
                        socket.wake();
                    }
                }
            }
        }
        if self.shard.borrow_mut().has_sooner_timer() {
            self.timer_changed.notify_one();
        }
        if self.shard.borrow().hub().has_dirty() && !self.is_flush_due.replace(true) {
            self.flush_due.notify_one();
        }
    }

    fn run_job(self: &Rc<Self>, at: ConnRef, job: Job) {
        let driver = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let done = driver.jobs.run(job, (driver.clocks.wall)()).await;
            driver.apply(|shard, now| shard.handle_done(at, done, now));
        });
    }

    fn socket(&self, at: ConnRef) -> Option<Rc<Socket>> {
        let sockets = self.sockets.borrow();
        let socket = sockets.get(at.index as usize)?.as_ref()?;
        (socket.at == at).then(|| Rc::clone(socket))
    }

    /// A refused connection has no outbox: its last frames are written as the socket takes them.
    fn refuse(&self, at: ConnRef, frames: Vec<Bytes>) {
        if let Some(socket) = self.socket(at) {
            socket.last_words.borrow_mut().extend(frames);
            self.write_last_words(&socket);
            socket.wake();
        }
    }

    fn write_last_words(&self, socket: &Socket) {
        let mut words = socket.last_words.borrow_mut();
        while let Some(first) = words.first_mut() {
            match socket.stream.try_write(first) {
                Ok(written) if written == first.len() => {
                    words.remove(0);
                }
                Ok(written) => *first = first.slice(written..),
                Err(error) => {
                    socket.is_blocked.set(error.kind() == io::ErrorKind::WouldBlock);
                    return;
                }
            }
        }
    }

    /// Takes over an upgraded socket with what was already read from it. Returns when the connection has ended.
    pub(crate) async fn serve(
        self: Rc<Self>,
        stream: TcpStream,
        early: Bytes,
        arrival: Arrival,
        deflate: Option<DeflateParams>,
    ) {
        let config = DecoderConfig {
            max_message_bytes: self.max_message_bytes,
            deflate: deflate.is_some(),
            ..DecoderConfig::default()
        };
        let mut decoder = Decoder::new(config);
        let (at, outputs) = {
            let mut shard = self.shard.borrow_mut();
            let (now, wall) = ((self.clocks.steady)(), (self.clocks.wall)());
            shard.set_wall(wall, now);
            (shard.open(arrival, now), shard.take_outputs())
        };
        let socket = Rc::new(Socket {
            at,
            stream,
            last_words: RefCell::new(Vec::new()),
            is_blocked: Cell::new(false),
            is_gone: Cell::new(false),
            must_look: Cell::new(false),
            is_partial: Cell::new(false),
            waker: RefCell::new(None),
        });
        {
            let mut sockets = self.sockets.borrow_mut();
            if sockets.len() <= at.index as usize {
                sockets.resize_with(at.index as usize + 1, || None);
            }
            sockets[at.index as usize] = Some(Rc::clone(&socket));
        }
        self.tasks.set(self.tasks.get() + 1);
        self.perform(outputs);
        // What came early is copied, since it shares the buffer in which the request was read.
        let mut early_bytes = Some(early.to_vec()).filter(|bytes| !bytes.is_empty());
        drop(early);
        self.run(&socket, &mut decoder, &mut early_bytes).await;
        self.let_go(&socket);
    }

    async fn run(self: &Rc<Self>, socket: &Rc<Socket>, decoder: &mut Decoder, early: &mut Option<Vec<u8>>) {
        loop {
            if socket.is_gone.get() {
                return;
            }
            let is_reading = self.shard.borrow().is_reading(socket.at.index);
            if is_reading && let Some(mut bytes) = early.take() {
                let kept = self.decode(socket, decoder, &mut bytes);
                if kept < bytes.len() {
                    bytes.drain(..kept);
                    *early = Some(bytes);
                }
                continue;
            }
            match wait(socket, is_reading && early.is_none()).await {
                Event::Look => {}
                Event::Readable => {
                    if !self.read(socket, decoder, early) {
                        return;
                    }
                }
                Event::Writable => {
                    socket.is_blocked.set(false);
                    self.write_last_words(socket);
                    self.flush_one(socket.at.index);
                }
            }
        }
    }

    /// Reads once; `false` when the connection is over.
    fn read(self: &Rc<Self>, socket: &Rc<Socket>, decoder: &mut Decoder, early: &mut Option<Vec<u8>>) -> bool {
        let mut buffer = self.buffer.take();
        let read = socket.stream.try_read(&mut buffer);
        let goes_on = match read {
            Ok(0) => {
                self.lost(socket);
                false
            }
            Ok(count) => {
                let taken = self.decode(socket, decoder, &mut buffer[..count]);
                if taken < count {
                    *early = Some(buffer[taken..count].to_vec());
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(_) => {
                self.lost(socket);
                false
            }
        };
        self.buffer.replace(buffer);
        goes_on && !socket.is_gone.get()
    }

    /// Feeds bytes to the core until it wants no more for now; how many it took.
    fn decode(self: &Rc<Self>, socket: &Rc<Socket>, decoder: &mut Decoder, bytes: &mut [u8]) -> usize {
        let index = socket.at.index;
        let mut scratch = self.scratch.take();
        let mut taken = 0;
        while taken < bytes.len() {
            if socket.is_gone.get() || !self.shard.borrow().is_reading(index) {
                break;
            }
            match decoder.decode(&mut bytes[taken..], &mut scratch) {
                Ok((count, decoded)) => {
                    taken += count;
                    match decoded {
                        Some(Decoded::Text(text)) => self.apply(|shard, now| shard.handle_text(index, text, now)),
                        Some(Decoded::Ping(payload)) => {
                            self.apply(|shard, now| shard.handle_ping(index, payload, now));
                        }
                        Some(Decoded::Pong(_)) => self.apply(|shard, now| shard.handle_pong(index, now)),
                        Some(Decoded::Close { code, .. }) => {
                            self.peer_closes(socket, code);
                            taken = bytes.len();
                        }
                        // The decoder refuses binary messages itself.
                        Some(Decoded::Binary(_)) | None => {}
                    }
                }
                Err(error) => {
                    self.apply(|shard, now| shard.handle_frame_error(index, error, now));
                    taken = bytes.len();
                }
            }
        }
        self.scratch.replace(scratch);
        let is_partial = decoder.has_partial();
        if socket.is_partial.replace(is_partial) != is_partial {
            self.apply(|shard, now| shard.handle_partial(index, is_partial, now));
        }
        taken
    }

    fn peer_closes(self: &Rc<Self>, socket: &Rc<Socket>, code: Option<u16>) {
        let index = socket.at.index;
        let is_ours = self.shard.borrow().is_closing(index);
        if !is_ours {
            self.flush_one(index);
        }
        let reply = self.apply(|shard, now| shard.handle_close(index, code, now));
        if !is_ours && !socket.is_blocked.get() {
            // The answer is a courtesy: a peer that does not take it has closed all the same.
            let _courtesy = socket.stream.try_write(&reply);
        }
        socket.drop_now();
    }

    fn lost(self: &Rc<Self>, socket: &Rc<Socket>) {
        if self.socket(socket.at).is_some() {
            self.apply(|shard, now| shard.handle_lost(socket.at.index, now));
        }
        socket.drop_now();
    }

    /// Forgets the socket; the core has forgotten the connection already, or does so now.
    fn let_go(self: &Rc<Self>, socket: &Rc<Socket>) {
        if self.shard.borrow().is_current(socket.at) {
            self.apply(|shard, now| shard.handle_lost(socket.at.index, now));
        }
        {
            let mut sockets = self.sockets.borrow_mut();
            if let Some(slot) = sockets.get_mut(socket.at.index as usize)
                && slot.as_ref().is_some_and(|other| other.at == socket.at)
            {
                *slot = None;
            }
        }
        self.tasks.set(self.tasks.get() - 1);
        self.task_ended.notify_waiters();
    }

    // ---- the flusher ----

    /// Writes what a tick has queued, each connection once. Runs for ever.
    pub(crate) async fn flush_always(self: Rc<Self>) {
        loop {
            self.flush_due.notified().await;
            // Everything that is ready to run goes first, so that its frames go into the same write.
            tokio::task::yield_now().await;
            self.is_flush_due.set(false);
            let dirty = self.shard.borrow_mut().hub_mut().take_dirty();
            for index in dirty {
                self.flush_one(index);
            }
        }
    }

    fn flush_one(self: &Rc<Self>, index: u32) {
        let socket = self.sockets.borrow().get(index as usize).and_then(Clone::clone);
        let Some(socket) = socket else { return };
        if socket.is_blocked.get() {
            return;
        }
        let is_drained;
        let mut is_lost = false;
        {
            let mut shard = self.shard.borrow_mut();
            if !shard.is_current(socket.at) {
                return;
            }
            let Some(conn) = shard.hub_mut().conn_mut(index) else { return };
            while !conn.outbox.is_empty() {
                let written = match conn.outbox.only() {
                    Some(bytes) => socket.stream.try_write(bytes),
                    None => {
                        let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
                        let count = conn.outbox.slices(&mut slices);
                        socket.stream.try_write_vectored(&slices[..count])
                    }
                };
                match written {
                    Ok(written) => {
                        conn.outbox.advance(written);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        socket.is_blocked.set(true);
                        break;
                    }
                    Err(_) => {
                        is_lost = true;
                        break;
                    }
                }
            }
            // Only who is taking up a subscription waits for its outbox to be empty.
            is_drained = conn.outbox.is_empty() && conn.is_working();
        }
        if is_lost {
            return self.lost(&socket);
        }
        if socket.is_blocked.get() {
            socket.wake();
        } else if is_drained {
            self.apply(|shard, _| shard.hub_mut().go_on(index));
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
                        let sleep = tokio::time::sleep(std::time::Duration::from_millis(wait_ms));
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

    /// Some of what shards told was lost.
    pub(crate) fn notices_lost(self: &Rc<Self>) {
        self.apply(|shard, now| shard.handle_lost_notices(now));
    }

    /// Asks all connections to come back later; returns when all are closed, or when the window is over.
    pub(crate) async fn drain(self: &Rc<Self>, window: std::time::Duration) {
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let end = tokio::time::Instant::now() + window;
        self.apply(|shard, now| shard.drain(window_ms, now));
        while self.tasks.get() > 0 {
            let ended = self.task_ended.notified();
            if tokio::time::timeout_at(end, ended).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until there is something to do for a connection.
async fn wait(socket: &Socket, is_reading: bool) -> Event {
    std::future::poll_fn(|cx| {
        if socket.must_look.replace(false) {
            return Poll::Ready(Event::Look);
        }
        let mut waker = socket.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        if is_reading && socket.stream.poll_read_ready(cx).is_ready() {
            return Poll::Ready(Event::Readable);
        }
        if socket.is_blocked.get() && socket.stream.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Event::Writable);
        }
        Poll::Pending
    })
    .await
}
