//! The sockets of a shard: watched together, read and written when the system says so.
//!
//! They are registered with a selector of their own, and one task waits for that. News of the selector is told once
//! (edge-triggered), so what a socket has to tell is kept with it until it is used: that more can be read although
//! its connection takes no more for now, or that a write must wait.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Events, Interest, Registry, Token};
use tokio::io::unix::AsyncFd;

use super::Driver;
use super::wire::{Upgraded, Wire};
use crate::auth::AuthError;
use crate::gateway::deflate::DeflateParams;
#[cfg(feature = "sim")]
use crate::gateway::frame::Opcode;
use crate::gateway::frame::{Decoded, Decoder, DecoderConfig};
use crate::gateway::shard::{Arrival, Done};
use crate::gateway::upgrade::Admitted;
use crate::hub::{ConnRef, MAX_FRAMES_PER_WRITE};
use crate::slow;
use crate::trace::Attribute;

/// How many sockets' news are taken at a time.
const EVENTS: usize = 1_024;

/// A socket of one connection; what an idle one does not need is behind a pointer.
struct Socket {
    serial: u64,
    wire: Wire,
    decoder: Decoder,
    rest: Option<Box<Rest>>,
    /// There may be something to read.
    is_readable: bool,
    /// The peer writes no more, so reading goes on to the end.
    is_ending: bool,
    /// A write must wait until the system has room.
    is_blocked: bool,
    /// What came is no WebSocket any more. It is read and thrown away until the peer ends, who learns of our end once it
    /// has been told why: closed at once, with bytes unread, the system might take that word back.
    has_failed: bool,
    partial: Option<u32>,
    /// Makes room for another connection when it is dropped.
    admitted: Admitted,
}

/// What only busy or refused connections have.
#[derive(Default)]
struct Rest {
    /// Bytes that were read before the connection took more.
    early: Vec<u8>,
    /// Frames of a connection that was refused before it had an outbox.
    last_words: Vec<Bytes>,
}

impl Socket {
    fn keep_early(&mut self, bytes: &[u8]) {
        self.rest.get_or_insert_default().early = bytes.to_vec();
    }

    fn take_early(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest.as_mut()?;
        let early = std::mem::take(&mut rest.early);
        if rest.last_words.is_empty() {
            self.rest = None;
        }
        Some(early).filter(|bytes| !bytes.is_empty())
    }

    /// Says that nothing follows, once all is written of what a failed connection is told.
    fn end_if_failed(&mut self) {
        if self.has_failed && !self.is_blocked {
            self.wire.end_writing();
        }
    }

    /// Writes frames that are in no outbox, as far as there is room.
    fn write_last_words(&mut self) {
        let Some(rest) = &mut self.rest else { return };
        while let Some(first) = rest.last_words.first_mut() {
            match self.wire.write(first) {
                Ok(written) if written == first.len() => {
                    rest.last_words.remove(0);
                }
                Ok(written) => *first = first.slice(written..),
                Err(error) => {
                    self.is_blocked = error.kind() == io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
        self.is_blocked |= self.wire.has_unsent();
        self.end_if_failed();
    }
}

/// The sockets of a shard by the slots of their connections.
pub(super) struct Sockets {
    registry: Registry,
    slots: Vec<Option<Socket>>,
    count: usize,
}

impl Sockets {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, slots: Vec::new(), count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn at_slot(&mut self, index: u32) -> Option<&mut Socket> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    fn get(&mut self, at: ConnRef) -> Option<&mut Socket> {
        self.at_slot(at.index).filter(|socket| socket.serial == at.serial)
    }

    /// Watches a socket. Its slot is free: whoever had it before was let go of.
    fn insert(&mut self, index: u32, mut socket: Socket) -> io::Result<()> {
        let slot = index as usize;
        self.registry.register(socket.wire.stream(), Token(slot), Interest::READABLE | Interest::WRITABLE)?;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.count += usize::from(self.slots[slot].is_none());
        self.slots[slot] = Some(socket);
        Ok(())
    }

    /// Closes a socket, which ends its being watched.
    fn remove(&mut self, at: ConnRef) -> bool {
        let Some(socket) = self.get(at) else { return false };
        socket.wire.end();
        self.slots[at.index as usize] = None;
        self.count -= 1;
        true
    }
}

impl Driver {
    /// Takes over an upgraded socket with what was already read from it.
    pub(crate) fn accept(
        self: &Rc<Self>,
        upgraded: Upgraded,
        early: &[u8],
        arrival: Arrival,
        deflate: Option<&DeflateParams>,
        admitted: Admitted,
    ) {
        let config = DecoderConfig {
            max_message_bytes: self.max_message_bytes,
            deflate: deflate.is_some(),
            ..DecoderConfig::default()
        };
        #[cfg(feature = "sim")]
        let config = super::echo::decoder(config);
        let (at, outputs) = {
            let mut shard = self.shard.borrow_mut();
            let (now, wall) = ((self.clocks.steady)(), (self.clocks.wall)());
            shard.set_wall(wall, now);
            #[cfg(not(feature = "sim"))]
            let at = shard.open(arrival, now);
            #[cfg(feature = "sim")]
            let at = super::echo::open(&mut shard, arrival, deflate, now);
            (at, shard.take_outputs())
        };
        // A session may have decrypted more than was asked for.
        let is_readable = matches!(upgraded, Upgraded::Tls(..));
        let mut socket = Socket {
            serial: at.serial,
            wire: Wire::new(upgraded),
            decoder: Decoder::new(config),
            rest: None,
            is_readable,
            is_ending: false,
            is_blocked: false,
            has_failed: false,
            partial: None,
            admitted,
        };
        if !early.is_empty() {
            // Copied, since it shares the buffer in which the request was read.
            socket.keep_early(early);
        }
        let watched = self.sockets.borrow_mut().insert(at.index, socket);
        if let Err(error) = watched {
            tracing::warn!(%error, "a socket could not be watched");
            return self.apply(|shard, now| shard.handle_lost(at.index, now));
        }
        self.woken.borrow_mut().push(at);
        self.perform(outputs);
    }

    /// Where a connection comes from, as limits go by it.
    pub(super) fn address_of(&self, at: ConnRef) -> Option<IpAddr> {
        self.sockets.borrow_mut().get(at).and_then(|socket| socket.admitted.address())
    }

    /// Notes that somebody has logged in; a visitor counts for its website, which may have no room.
    pub(super) fn seat(&self, at: ConnRef, done: Done) -> Done {
        let Done::LoggedIn(Ok(logged_in)) = &done else { return done };
        let mut sockets = self.sockets.borrow_mut();
        let Some(socket) = sockets.get(at) else { return done };
        socket.admitted.has_logged_in();
        let Some(site) = logged_in.principal.visitor_site() else { return done };
        match socket.admitted.count_for(site) {
            Ok(()) => done,
            Err(wait) => {
                Done::LoggedIn(Err(AuthError::rate_limited("the website has no room for more visitors", wait)))
            }
        }
    }

    /// A refused connection has no outbox: its last frames are written as the socket takes them.
    pub(super) fn refuse(&self, at: ConnRef, frames: Vec<Bytes>) {
        if let Some(socket) = self.sockets.borrow_mut().get(at) {
            socket.rest.get_or_insert_default().last_words.extend(frames);
            socket.write_last_words();
        }
        self.woken.borrow_mut().push(at);
    }

    /// Answers a ping before anybody has logged in. One who does not read is owed the answer to one ping alone.
    pub(super) fn pong(&self, at: ConnRef, frame: Bytes) {
        if let Some(socket) = self.sockets.borrow_mut().get(at)
            && socket.rest.as_ref().is_none_or(|rest| rest.last_words.is_empty())
        {
            socket.rest.get_or_insert_default().last_words.push(frame);
            socket.write_last_words();
        }
    }

    /// Waits for what the sockets have to tell. Runs for ever.
    pub(crate) async fn watch_always(self: Rc<Self>) {
        let Some(poll) = self.poll.take() else { return };
        #[expect(deprecated, reason = "unsound for what may change its descriptor, which a selector never does")]
        let watched = AsyncFd::with_interest(poll, tokio::io::Interest::READABLE);
        let mut poll = match watched {
            Ok(poll) => poll,
            Err(error) => return tracing::error!(%error, "the sockets of a shard cannot be watched"),
        };
        let mut events = Events::with_capacity(EVENTS);
        let mut has_more = false;
        loop {
            if has_more || !self.unread.borrow().is_empty() {
                // Jobs, timers and the flusher have their turn too.
                tokio::task::yield_now().await;
            } else {
                tokio::select! {
                    ready = poll.readable_mut() => match ready {
                        Ok(mut ready) => ready.clear_ready(),
                        Err(error) => return tracing::error!(%error, "a shard hears of its sockets no more"),
                    },
                    () = self.unread_due.notified() => {}
                }
            }
            self.woken.borrow_mut().append(&mut self.unread.borrow_mut());
            has_more = match poll.get_mut().poll(&mut events, Some(Duration::ZERO)) {
                Ok(()) => events.iter().count() == EVENTS,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
                Err(error) => return tracing::error!(%error, "a shard hears of its sockets no more"),
            };
            for event in &events {
                #[expect(clippy::cast_possible_truncation, reason = "it was a u32 when it was registered")]
                self.heard(event.token().0 as u32, event);
            }
            self.look_at_woken();
        }
    }

    /// Notes what a socket has to tell; what waits to be written goes out.
    fn heard(self: &Rc<Self>, index: u32, event: &mio::event::Event) {
        let mut is_unblocked = false;
        if let Some(socket) = self.sockets.borrow_mut().at_slot(index) {
            let is_over = event.is_read_closed() || event.is_error();
            if event.is_readable() || is_over {
                socket.is_readable = true;
                socket.is_ending |= is_over;
                self.woken.borrow_mut().push(ConnRef { index, serial: socket.serial });
            }
            if socket.is_blocked && (event.is_writable() || event.is_write_closed() || event.is_error()) {
                socket.is_blocked = false;
                is_unblocked = true;
                socket.write_last_words();
                self.woken.borrow_mut().push(ConnRef { index, serial: socket.serial });
            }
        }
        if is_unblocked {
            self.flush_one(index);
        }
    }

    /// Looks at every socket for which there is something to do; those that come up meanwhile are looked at as well.
    pub(super) fn look_at_woken(self: &Rc<Self>) {
        if self.is_looking.replace(true) {
            return;
        }
        loop {
            let woken = self.woken.take();
            if woken.is_empty() {
                break;
            }
            for at in woken {
                self.look(at);
            }
        }
        self.is_looking.set(false);
    }

    /// Takes what was read early, and reads once, as far as the connection takes more.
    fn look(self: &Rc<Self>, at: ConnRef) {
        let early = match self.sockets.borrow_mut().get(at) {
            Some(socket) if self.is_reading(at) => socket.take_early(),
            Some(_) | None => return,
        };
        if let Some(mut bytes) = early {
            let taken = self.decode(at, &mut bytes);
            if taken < bytes.len() {
                if let Some(socket) = self.sockets.borrow_mut().get(at) {
                    socket.keep_early(&bytes[taken..]);
                }
                return;
            }
        }
        let is_readable = self.sockets.borrow_mut().get(at).is_some_and(|socket| socket.is_readable);
        if is_readable && self.is_reading(at) {
            self.read(at);
        }
    }

    fn is_reading(&self, at: ConnRef) -> bool {
        let shard = self.shard.borrow();
        shard.is_current(at) && shard.is_reading(at.index)
    }

    fn read(self: &Rc<Self>, at: ConnRef) {
        let mut buffer = self.buffer.take();
        let read = match self.sockets.borrow_mut().get(at) {
            Some(socket) => {
                let read = socket.wire.read(&mut buffer);
                // Less than there was room for means that there is no more; the system tells when more has come.
                let is_full = matches!(read, Ok(count) if count == buffer.len());
                socket.is_readable = socket.is_ending || is_full || socket.wire.has_unread();
                read
            }
            None => Ok(0),
        };
        match read {
            Ok(0) => self.lost(at),
            Ok(count) => {
                let taken = self.decode(at, &mut buffer[..count]);
                if let Some(socket) = self.sockets.borrow_mut().get(at) {
                    if taken < count {
                        socket.keep_early(&buffer[taken..count]);
                    }
                    if socket.is_readable {
                        self.unread.borrow_mut().push(at);
                        self.unread_due.notify_one();
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some(socket) = self.sockets.borrow_mut().get(at) {
                    socket.is_readable = false;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.unread.borrow_mut().push(at);
                self.unread_due.notify_one();
            }
            Err(_) => self.lost(at),
        }
        self.buffer.replace(buffer);
    }

    /// Feeds bytes to the core until it wants no more for now; how many it took.
    fn decode(self: &Rc<Self>, at: ConnRef, bytes: &mut [u8]) -> usize {
        let index = at.index;
        let mut scratch = self.scratch.take();
        let (mut taken, mut has_ended) = (0, false);
        while taken < bytes.len() && self.is_reading(at) {
            let decoded = match self.sockets.borrow_mut().get(at) {
                Some(socket) => socket.decoder.decode(&mut bytes[taken..], &mut scratch),
                None => break,
            };
            match decoded {
                Ok((count, decoded)) => {
                    taken += count;
                    match decoded {
                        #[cfg(feature = "sim")]
                        Some(Decoded::Text(text)) if self.echo(at, Opcode::Text, text.as_bytes()) => has_ended = true,
                        #[cfg(feature = "sim")]
                        Some(Decoded::Binary(bytes)) if self.echo(at, Opcode::Binary, bytes) => has_ended = true,
                        Some(Decoded::Text(text)) => {
                            has_ended = true;
                            self.apply(|shard, now| shard.handle_text(index, text, now));
                        }
                        Some(Decoded::Ping(payload)) => {
                            self.apply(|shard, now| shard.handle_ping(index, payload, now));
                        }
                        Some(Decoded::Pong(_)) => self.apply(|shard, now| shard.handle_pong(index, now)),
                        Some(Decoded::Close { code, .. }) => {
                            self.peer_closes(at, code);
                            taken = bytes.len();
                        }
                        // The decoder refuses binary messages itself.
                        Some(Decoded::Binary(_)) | None => {}
                    }
                }
                Err(error) => {
                    if let Some(socket) = self.sockets.borrow_mut().get(at) {
                        socket.has_failed = true;
                    }
                    self.apply(|shard, now| shard.handle_frame_error(index, error, now));
                    taken = bytes.len();
                }
            }
        }
        self.scratch.replace(scratch);
        let partial = self.sockets.borrow_mut().get(at).map(|socket| {
            let partial = socket.decoder.partial_bytes().map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
            (std::mem::replace(&mut socket.partial, partial), partial)
        });
        match partial {
            // One that ended with the next one begun is news as well: that one has its own time.
            Some((Some(before), Some(bytes))) if !has_ended => {
                if bytes > before {
                    self.apply(|shard, now| shard.handle_more(index, bytes - before, now));
                }
            }
            Some((None, None)) | None => {}
            Some((_, partial)) => self.apply(|shard, now| shard.handle_partial(index, partial.is_some(), now)),
        }
        taken
    }

    fn peer_closes(self: &Rc<Self>, at: ConnRef, code: Option<u16>) {
        let is_ours = self.shard.borrow().is_closing(at.index);
        if !is_ours {
            self.flush_one(at.index);
        }
        if !self.shard.borrow().is_current(at) {
            return self.let_go(at);
        }
        let reply = self.apply(|shard, now| shard.handle_close(at.index, code, now));
        if let Some(socket) = self.sockets.borrow_mut().get(at)
            && !is_ours
            && !socket.is_blocked
        {
            // The answer is a courtesy: a peer that does not take it has closed all the same.
            let _courtesy = socket.wire.write(&reply);
        }
        self.let_go(at);
    }

    fn lost(self: &Rc<Self>, at: ConnRef) {
        if self.shard.borrow().is_current(at) {
            self.apply(|shard, now| shard.handle_lost(at.index, now));
        }
        self.let_go(at);
    }

    /// Closes a socket; the core has forgotten its connection already, or does so now.
    pub(super) fn let_go(self: &Rc<Self>, at: ConnRef) {
        if !self.sockets.borrow_mut().remove(at) {
            return;
        }
        #[cfg(feature = "sim")]
        super::echo::forget(at);
        if self.shard.borrow().is_current(at) {
            self.apply(|shard, now| shard.handle_lost(at.index, now));
        }
        self.socket_ended.notify_waiters();
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
            let (connections, started) = (dirty.len(), Instant::now());
            for index in dirty {
                self.flush_one(index);
            }
            let took = started.elapsed();
            if slow::is_slow(took) {
                slow::tell!("fan_out", took, connections);
            }
            self.tell_traced(connections);
        }
    }

    /// Tells the spans whose frames went out by a flush, or wait for slow readers now.
    fn tell_traced(&self, connections: usize) {
        for (context, since) in self.traced.borrow_mut().drain(..) {
            if let Some(mut span) = context.child("flush", since) {
                span.note("cossistant.connections", Attribute::Number(connections as u64));
                span.end(false);
            }
        }
    }

    fn flush_one(self: &Rc<Self>, index: u32) {
        let is_drained;
        let mut is_lost = false;
        let at;
        {
            let (mut sockets, mut shard) = (self.sockets.borrow_mut(), self.shard.borrow_mut());
            let Some(socket) = sockets.at_slot(index).filter(|socket| !socket.is_blocked) else { return };
            let Some(conn) = shard.hub_mut().conn_mut(index) else { return };
            if conn.serial != socket.serial {
                return;
            }
            at = ConnRef { index, serial: socket.serial };
            if socket.wire.has_unsent() && conn.outbox.is_empty() {
                match socket.wire.flush() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.is_blocked = true,
                    flushed => is_lost = flushed.is_err(),
                }
            }
            while !conn.outbox.is_empty() {
                let written = match conn.outbox.only() {
                    Some(bytes) => socket.wire.write(bytes),
                    None => {
                        let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
                        let count = conn.outbox.slices(&mut slices);
                        socket.wire.write_vectored(&slices[..count])
                    }
                };
                match written {
                    Ok(written) => {
                        conn.outbox.advance(written);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        socket.is_blocked = true;
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => {
                        is_lost = true;
                        break;
                    }
                }
            }
            // What a session has taken and the system has not goes out when there is room.
            socket.is_blocked |= socket.wire.has_unsent();
            if conn.outbox.is_empty() {
                socket.end_if_failed();
            }
            // Only who is taking up a subscription, or has missed news, waits for its outbox to be empty.
            is_drained = conn.outbox.is_empty() && (conn.is_working() || conn.outbox.is_stale());
        }
        if is_lost {
            self.lost(at);
        } else if is_drained {
            self.apply(|shard, _| shard.hub_mut().go_on(index));
        }
    }
}
