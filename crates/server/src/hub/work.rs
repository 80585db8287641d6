//! Taking up a subscription: from the request to live delivery, with neither a hole nor an overlap.
//!
//! A connection does one such piece of work at a time, in the order of its requests. While it works on a website,
//! live events of that website are held for it. The state is read from the store at some offset S. Held events up
//! to S go to the subscriptions that stood before; then come the confirmation and the replay, read at the reader's
//! pace; then the held events past S, to the new subscription too. If more is held than a bound, it is forgotten and
//! read from the store instead, until the connection has caught up.

use std::collections::VecDeque;
use std::sync::Arc;

use cossistant_protocol::{
    Channel, CloseCode, ConversationId, ErrorCode, RequestId, ServerMessage, SubscriptionEnded, SubscriptionError,
};

use super::few::Few;
use super::sites::Sites;
use super::{Ask, Conn, ConnRef, Effect, Hub, Link, WorkId};
use crate::bus::PersonInfo;
use crate::chat::{CatchUp, ChatError, Page, Snapshot, SubscribeRequest};
use crate::event::{Event, Frame};
use crate::store::{Audience, SiteKey};

/// The most live events that are held for one connection, and the most bytes of them.
const MAX_HELD: usize = 1_024;
const MAX_HELD_BYTES: usize = 256 * 1024;
/// How often a state that is too old is read again.
const MAX_REREADS: u8 = 8;
/// The most marks that are held for one connection; a newer mark says all that an older one did.
const MAX_SEEN: usize = 64;

/// What waits its turn.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe { id: Option<RequestId>, request: SubscribeRequest },
    Unsubscribe { id: Option<RequestId>, channel: Channel },
}

/// The answer to an [`Ask`].
#[derive(Debug)]
pub(crate) enum Answer {
    /// The website of a conversation.
    Located(Result<SiteKey, ChatError>),
    /// The state of a channel.
    Snapshot(Result<Box<Snapshot>, ChatError>),
    /// More of the replay.
    Page(Result<Page, ChatError>),
    /// What was missed.
    CatchUp(Result<CatchUp, ChatError>),
}

#[derive(Debug)]
enum Stage {
    /// The conversation's website is being looked up.
    Locating,
    /// The state is being read.
    Reading,
    /// The state is read; events up to its offset are on their way.
    Waiting(Box<Snapshot>),
    /// The replay is being written.
    Replaying { after: u64, upto: u64, is_reading: bool },
    /// What could not be held is being read. `then_read`: the state was not yet read.
    CatchingUp { is_reading: bool, then_read: bool },
}

/// One subscription being taken up.
#[derive(Debug)]
pub(super) struct Work {
    work: WorkId,
    id: Option<RequestId>,
    request: SubscribeRequest,
    site: Option<u32>,
    /// Whether the channel was not held before.
    is_new: bool,
    stage: Stage,
    held: VecDeque<Arc<Event>>,
    held_bytes: usize,
    is_lagging: bool,
    /// Marks told while the state was read.
    seen: Vec<Frame>,
    /// What the website had delivered when holding began.
    base: Option<u64>,
    /// Offset up to which the standing subscriptions have got everything.
    through: u64,
    /// Offset of the state: the new subscription is live past it.
    state_at: u64,
    rereads: u8,
}

impl Work {
    pub(super) fn is_on(&self, site: u32) -> bool {
        self.site == Some(site)
    }

    /// Keeps a live event for later.
    pub(super) fn hold(&mut self, event: &Arc<Event>) {
        if self.is_lagging || self.held.back().is_some_and(|last| last.offset >= event.offset) {
            return;
        }
        self.held_bytes += event.team.bytes(false).len();
        if self.held.len() == MAX_HELD || self.held_bytes > MAX_HELD_BYTES {
            self.forget_held();
            self.is_lagging = true;
            return;
        }
        self.held.push_back(Arc::clone(event));
    }

    fn forget_held(&mut self) {
        self.held = VecDeque::new();
        self.held_bytes = 0;
    }

    fn take_held(&mut self) -> Option<Arc<Event>> {
        let event = self.held.pop_front()?;
        self.held_bytes -= event.team.bytes(false).len();
        Some(event)
    }

    /// Keeps a mark that the state may be too old to know.
    pub(super) fn hold_seen(&mut self, frame: &Frame) {
        if matches!(self.stage, Stage::Reading | Stage::Waiting(_)) {
            if self.seen.len() == MAX_SEEN {
                self.seen.remove(0);
            }
            self.seen.push(frame.clone());
        }
    }

    fn is_confirmed(&self) -> bool {
        match &self.stage {
            Stage::Locating | Stage::Reading | Stage::Waiting(_) => false,
            Stage::Replaying { .. } => true,
            Stage::CatchingUp { then_read, .. } => !then_read,
        }
    }

    /// Whether an event concerns the channel that is being taken up.
    fn concerns(&self, event: &Event) -> bool {
        match &self.request.channel {
            Channel::Conversation(id) => *id == event.conversation,
            Channel::Website(_) => true,
        }
    }
}

/// Whether a connection has asked for this channel but is not yet confirmed, so that it is told nothing of it.
pub(super) fn is_taking_up(conn: &Conn, site: u32, conversation: Option<&ConversationId>) -> bool {
    conn.work.as_ref().is_some_and(|work| {
        work.is_on(site)
            && work.is_new
            && !work.is_confirmed()
            && match (&work.request.channel, conversation) {
                (Channel::Conversation(id), Some(conversation)) => id == conversation,
                (Channel::Website(_), None) => true,
                (Channel::Conversation(_), None) | (Channel::Website(_), Some(_)) => false,
            }
    })
}

impl Hub {
    pub(super) fn enqueue(&mut self, index: u32, command: Command) {
        let bound = self.config.max_subscriptions;
        let Some(conn) = &mut self.conns[index as usize] else { return };
        if let Command::Subscribe { id, request } = &command {
            let held: usize =
                conn.links.iter().map(|link| link.conversations.len() + usize::from(link.has_website)).sum();
            let asked = conn.commands().filter(|command| matches!(command, Command::Subscribe { .. })).count();
            // One that is being located is registered nowhere yet.
            let located = conn.work.as_ref().is_some_and(|work| work.site.is_none());
            let is_over = bound > 0 && held + asked + usize::from(located) >= bound;
            if is_over && !conn.holds(&request.channel, &self.sites) {
                let error = ChatError::new(ErrorCode::LimitExceeded, "too many subscriptions on this connection");
                let (id, channel) = (id.clone(), request.channel.clone());
                return self.refuse(index, id, channel, error);
            }
        }
        conn.busy.get_or_insert_default().commands.push_back(command);
        self.next_command(index);
    }

    /// How many requests wait; past some bound the shard stops reading from the connection.
    pub(crate) fn waiting_commands(&self, index: u32) -> usize {
        self.conn(index).and_then(|conn| conn.busy.as_ref()).map_or(0, |busy| busy.commands.len())
    }

    /// Whether what a connection says next has to wait for a subscription: the state of one is being read, or a
    /// visitor's, behind others, may create a conversation that is not known otherwise.
    pub(crate) fn is_taking_up(&self, index: u32, is_known: impl Fn(&ConversationId) -> bool) -> bool {
        let Some(conn) = self.conn(index) else { return false };
        let creates = |command: &Command| match command {
            Command::Subscribe { request, .. } => {
                matches!(&request.channel, Channel::Conversation(id) if !is_known(id))
            }
            Command::Unsubscribe { .. } => false,
        };
        conn.work.as_ref().is_some_and(|work| matches!(work.stage, Stage::Locating | Stage::Reading))
            || (conn.audience() == Audience::Visitor && conn.commands().any(creates))
    }

    fn next_command(&mut self, index: u32) {
        loop {
            let Some(conn) = &mut self.conns[index as usize] else { return };
            if conn.work.is_some() {
                return;
            }
            let command = conn.busy.as_mut().and_then(|busy| busy.commands.pop_front());
            conn.rest();
            match command {
                None => return,
                Some(Command::Unsubscribe { id, channel }) => {
                    self.release(index, &channel);
                    self.send(index, &ended(id, channel, None));
                }
                Some(Command::Subscribe { id, request }) => return self.begin_work(index, id, request),
            }
        }
    }

    fn begin_work(&mut self, index: u32, id: Option<RequestId>, request: SubscribeRequest) {
        let Some(conn) = &mut self.conns[index as usize] else { return };
        let site = match &request.channel {
            Channel::Website(website) => {
                Some(SiteKey { organization: conn.principal.organization.clone(), website: website.clone() })
            }
            Channel::Conversation(conversation) => conn.principal.visitor_site().or_else(|| {
                let link = conn.links.iter().find(|link| link.conversations.as_slice().contains(conversation))?;
                self.sites.get(link.site).map(|site| site.key.clone())
            }),
        };
        // Only the team may hold a website; the chat room would refuse it, but nothing may be registered before.
        if matches!(request.channel, Channel::Website(_)) && conn.audience() == Audience::Visitor {
            let error = ChatError::forbidden("for users and AI agents only");
            self.refuse(index, id, request.channel, error);
            return self.next_command(index);
        }
        self.next_work += 1;
        conn.work = Some(Box::new(Work {
            work: WorkId(self.next_work),
            id,
            request,
            site: None,
            is_new: false,
            stage: Stage::Locating,
            held: VecDeque::new(),
            held_bytes: 0,
            is_lagging: false,
            seen: Vec::new(),
            base: None,
            through: 0,
            state_at: 0,
            rereads: 0,
        }));
        match site {
            Some(site) => self.begin_reading(index, &site),
            None => {
                if let Some(work) = &conn.work
                    && let Channel::Conversation(conversation) = &work.request.channel
                {
                    let ask = Ask::Locate(conversation.clone());
                    self.ask(index, ask);
                }
            }
        }
    }

    fn ask(&mut self, index: u32, ask: Ask) {
        if let Some(conn) = self.conn(index)
            && let Some(work) = &conn.work
        {
            let effect = Effect::Ask(ConnRef { index, serial: conn.serial }, work.work, ask);
            self.effects.push(effect);
        }
    }

    /// Registers the channel, so that nothing is missed from here on, and asks for the state.
    fn begin_reading(&mut self, index: u32, key: &SiteKey) {
        let site = self.sites.entry(key);
        let Some(conn) = &mut self.conns[index as usize] else { return };
        let Some(work) = &mut conn.work else { return };
        work.site = Some(site);
        work.stage = Stage::Reading;
        work.base = self.sites.get(site).and_then(|slot| slot.next).map(|next| next - 1);
        work.through = work.base.unwrap_or_default();
        let request = work.request.clone();
        let is_new = self.register(index, site, &request.channel);
        if let Some(work) = self.work_mut(index) {
            work.is_new = is_new;
        }
        self.ask(index, Ask::Subscribe(request));
    }

    fn work_mut(&mut self, index: u32) -> Option<&mut Work> {
        self.conns[index as usize].as_mut()?.work.as_deref_mut()
    }

    /// Notes that a connection has something on a website.
    fn link_to(&mut self, index: u32, site: u32) {
        let Some(conn) = &mut self.conns[index as usize] else { return };
        if conn.link(site).is_none() {
            conn.links.push(Link { site, has_website: false, conversations: Few::None });
            self.take_up_site(site);
        }
    }

    /// Adds a connection to a channel's list; whether it was not there.
    fn register(&mut self, index: u32, site: u32, channel: &Channel) -> bool {
        self.link_to(index, site);
        let Some(conn) = &mut self.conns[index as usize] else { return false };
        let audience = conn.audience();
        let Some(link) = conn.links.as_mut_slice().iter_mut().find(|link| link.site == site) else { return false };
        let Some(slot) = self.sites.get_mut(site) else { return false };
        match channel {
            Channel::Website(_) => {
                let is_new = !std::mem::replace(&mut link.has_website, true);
                if is_new {
                    slot.team.push(index);
                }
                is_new
            }
            Channel::Conversation(id) => {
                if link.conversations.as_slice().contains(id) {
                    return false;
                }
                link.conversations.push(id.clone());
                let conversation = slot.conversation(id);
                match audience {
                    Audience::Visitor => conversation.visitors.push(index),
                    Audience::Team => conversation.team.push(index),
                }
                true
            }
        }
    }

    /// Takes a connection off a channel's list; whether it was there.
    pub(super) fn release(&mut self, index: u32, channel: &Channel) -> bool {
        let Some(conn) = &mut self.conns[index as usize] else { return false };
        let Some(at) = conn.links.iter().position(|link| link.has(channel, &self.sites)) else { return false };
        let link = &mut conn.links.as_mut_slice()[at];
        let site = link.site;
        if let Some(slot) = self.sites.get_mut(site) {
            match channel {
                Channel::Website(_) => {
                    link.has_website = false;
                    slot.team.retain(|other| *other != index);
                }
                Channel::Conversation(id) => {
                    link.conversations.retain(|other| other != id);
                    slot.release_conversation(id, index);
                }
            }
            if !link.has_website && link.conversations.is_empty() {
                conn.links.retain(|link| link.site != site);
                self.leave_site(site);
                return true;
            }
        }
        self.sites.forget_idle(site);
        true
    }

    /// Takes a connection off every list.
    pub(super) fn drop_subscriptions(&mut self, index: u32) {
        let Some(conn) = &mut self.conns[index as usize] else { return };
        if let Some(busy) = &mut conn.busy {
            busy.commands.clear();
        }
        conn.rest();
        conn.work = None;
        for link in std::mem::take(&mut conn.links) {
            if let Some(slot) = self.sites.get_mut(link.site) {
                if link.has_website {
                    slot.team.retain(|other| *other != index);
                }
                for id in &link.conversations {
                    slot.release_conversation(id, index);
                }
            }
            self.leave_site(link.site);
        }
    }

    fn refuse(&mut self, index: u32, id: Option<RequestId>, channel: Channel, error: ChatError) {
        let message = SubscriptionError {
            id,
            error: error.message,
            code: error.code,
            channel,
            details: error.details,
            retry_after: error.retry_after,
        };
        self.send(index, &ServerMessage::SubscriptionError(message));
    }

    /// Takes an answer of the chat room.
    pub(crate) fn handle_answer(&mut self, at: ConnRef, asked_for: WorkId, answer: Answer) {
        if !self.is_current(at) {
            return;
        }
        let index = at.index;
        let Some(work) = self.work_mut(index) else { return };
        if work.work != asked_for {
            return;
        }
        match (&mut work.stage, answer) {
            (Stage::Locating, Answer::Located(Ok(site))) => self.begin_reading(index, &site),
            (Stage::Locating, Answer::Located(Err(error))) | (Stage::Reading, Answer::Snapshot(Err(error))) => {
                self.fail_work(index, error);
            }
            (Stage::Reading, Answer::Snapshot(Ok(snapshot))) => self.take_snapshot(index, snapshot),
            (Stage::Replaying { after, is_reading, .. }, Answer::Page(Ok(page))) => {
                *is_reading = false;
                *after += page.frames.len() as u64;
                // Places are dense, so an empty page means that the store lost some: better to close than to skip.
                if page.frames.is_empty() {
                    return self.abandon(at, "the replay is incomplete");
                }
                self.write_page(index, &page.frames);
                self.go_on(index);
            }
            (Stage::CatchingUp { is_reading, .. }, Answer::CatchUp(Ok(missed))) => {
                *is_reading = false;
                self.take_missed(index, &missed);
            }
            (Stage::Replaying { .. } | Stage::CatchingUp { .. }, Answer::Page(Err(_)) | Answer::CatchUp(Err(_))) => {
                self.abandon(at, "the store is unavailable");
            }
            // An answer to a question that is no longer asked.
            (
                Stage::Locating
                | Stage::Reading
                | Stage::Waiting(_)
                | Stage::Replaying { .. }
                | Stage::CatchingUp { .. },
                Answer::Located(_) | Answer::Snapshot(_) | Answer::Page(_) | Answer::CatchUp(_),
            ) => {}
        }
    }

    /// A confirmed subscription cannot be completed: the client comes back and resumes.
    fn abandon(&mut self, at: ConnRef, reason: &'static str) {
        self.effects.push(Effect::Close(at, CloseCode::Internal, reason));
    }

    fn take_snapshot(&mut self, index: u32, snapshot: Box<Snapshot>) {
        let Some(site) = self.work_mut(index).and_then(|work| work.site) else { return };
        if !self.conn(index).is_some_and(|conn| conn.principal.websites.contains(&snapshot.site.website)) {
            // Access ended while the state was read.
            return self.fail_work(index, ChatError::not_found());
        }
        self.begin_site(site, snapshot.website_head);
        let began_at = self.sites.get(site).map_or(0, |slot| slot.began_at);
        let next = self.sites.get(site).and_then(|slot| slot.next).unwrap_or(1);
        let Some(work) = self.work_mut(index) else { return };
        let base = *work.base.get_or_insert_with(|| {
            work.through = began_at;
            began_at
        });
        if base > snapshot.website_head {
            // The state is older than what was already delivered: read again, which sees at least that.
            work.rereads += 1;
            if work.rereads > MAX_REREADS {
                let Some(serial) = self.conn(index).map(|conn| conn.serial) else { return };
                return self.abandon(ConnRef { index, serial }, "the store is behind its own events");
            }
            let request = work.request.clone();
            return self.ask(index, Ask::Subscribe(request));
        }
        if work.is_lagging {
            work.is_lagging = false;
            work.stage = Stage::CatchingUp { is_reading: false, then_read: true };
            return self.go_on(index);
        }
        let is_reached = next > snapshot.website_head;
        work.stage = Stage::Waiting(snapshot);
        if is_reached {
            return self.confirm(index);
        }
        if let Some(serial) = self.conn(index).map(|conn| conn.serial)
            && let Some(slot) = self.sites.get_mut(site)
        {
            slot.waiting.push(ConnRef { index, serial });
            self.watch_gap(site);
        }
    }

    /// The website has got further; see whether it is far enough.
    pub(super) fn resume_work(&mut self, at: ConnRef) {
        if !self.is_current(at) {
            return;
        }
        let Some(work) = self.work_mut(at.index) else { return };
        let (Stage::Waiting(snapshot), Some(site)) = (&work.stage, work.site) else { return };
        let head = snapshot.website_head;
        match self.sites.get_mut(site) {
            Some(slot) if slot.next.is_some_and(|next| next <= head) => slot.waiting.push(at),
            Some(_) => self.confirm(at.index),
            None => {}
        }
    }

    fn confirm(&mut self, index: u32) {
        let Some(work) = self.work_mut(index) else { return };
        let stage = std::mem::replace(&mut work.stage, Stage::Locating);
        let Stage::Waiting(snapshot) = stage else {
            work.stage = stage;
            return;
        };
        if work.is_lagging {
            work.is_lagging = false;
            work.stage = Stage::CatchingUp { is_reading: false, then_read: true };
            return self.go_on(index);
        }
        work.state_at = snapshot.website_head;
        let (id, channel) = (work.id.clone(), work.request.channel.clone());
        self.release_held(index, snapshot.website_head);
        let confirmed = self.confirmation(index, id, &channel, &snapshot);
        let seen = match self.work_mut(index) {
            Some(work) => {
                work.stage = Stage::Replaying {
                    after: snapshot.replay_after + snapshot.page.len() as u64,
                    upto: snapshot.head,
                    is_reading: false,
                };
                std::mem::take(&mut work.seen)
            }
            None => return,
        };
        self.push_paced(index, Frame::new(&ServerMessage::SubscriptionConfirmed(confirmed)));
        for frame in seen {
            self.push_durable(index, frame);
        }
        self.write_page(index, &snapshot.page);
        self.go_on(index);
    }

    fn write_page(&mut self, index: u32, page: &[Frame]) {
        for frame in page {
            self.push_paced(index, frame.clone());
        }
    }

    /// Delivers what was held up to an offset, to those subscriptions that it is for.
    fn release_held(&mut self, index: u32, upto: u64) {
        while let Some(work) = self.work_mut(index) {
            match work.held.front() {
                Some(event) if event.offset <= upto => {}
                Some(_) | None => break,
            }
            let Some(event) = work.take_held() else { break };
            self.pass(index, &event);
        }
    }

    /// Delivers one event of the past to a connection, if one of its subscriptions is to have it.
    fn pass(&mut self, index: u32, event: &Arc<Event>) {
        let Some(conn) = &mut self.conns[index as usize] else { return };
        let Some(work) = &mut conn.work else { return };
        work.through = work.through.max(event.offset);
        let Some(link) = conn.links.iter().find(|link| work.is_on(link.site)) else { return };
        let holds_conversation = link.conversations.as_slice().contains(&event.conversation);
        let is_for_standing = match &work.request.channel {
            Channel::Website(_) if work.is_new => holds_conversation,
            Channel::Conversation(id) if work.is_new && *id == event.conversation => link.has_website,
            Channel::Website(_) | Channel::Conversation(_) => link.has_website || holds_conversation,
        };
        let is_for_new = work.is_confirmed() && event.offset > work.state_at && work.concerns(event);
        if !(is_for_standing || is_for_new) {
            return;
        }
        let Some(frame) = event.frame(conn.audience()) else { return };
        // What was held is bounded by itself; the rest is read at the reader's pace.
        self.push_paced(index, frame.clone());
    }

    fn take_missed(&mut self, index: u32, missed: &CatchUp) {
        for event in &missed.events {
            self.pass(index, event);
        }
        let Some(work) = self.work_mut(index) else { return };
        if !missed.has_more {
            let through = work.through;
            while work.held.front().is_some_and(|event| event.offset <= through) {
                work.take_held();
            }
            if !work.is_lagging {
                return self.caught_up(index);
            }
            work.is_lagging = false;
        }
        self.go_on(index);
    }

    /// Nothing is missing any more: read the state, or go live.
    fn caught_up(&mut self, index: u32) {
        let Some(work) = self.work_mut(index) else { return };
        if matches!(work.stage, Stage::CatchingUp { then_read: true, .. }) {
            work.stage = Stage::Reading;
            work.base = Some(work.through);
            let request = work.request.clone();
            return self.ask(index, Ask::Subscribe(request));
        }
        self.release_held(index, u64::MAX);
        if let Some(conn) = &mut self.conns[index as usize] {
            conn.work = None;
        }
        self.next_command(index);
    }

    /// The next step, when the reader has taken what was written so far.
    ///
    /// A reader to whom news of a state was not told, since there was no room, would show the old one for ever: once it
    /// has taken all that was written, it is closed, comes back and takes the state up anew.
    pub(crate) fn go_on(&mut self, index: u32) {
        let Some(conn) = &mut self.conns[index as usize] else { return };
        let is_drained = conn.outbox.is_empty();
        if is_drained && conn.outbox.is_stale() && !conn.is_sealed {
            conn.is_sealed = true;
            let at = ConnRef { index, serial: conn.serial };
            return self.effects.push(Effect::Close(at, CloseCode::SlowReader, "the reader was too slow for news"));
        }
        let Some(work) = &mut conn.work else { return };
        let Some(site) = work.site.and_then(|site| self.sites.get(site)).map(|slot| slot.key.clone()) else { return };
        match &mut work.stage {
            Stage::Locating | Stage::Reading | Stage::Waiting(_) => {}
            Stage::Replaying { after, upto, is_reading } if *after < *upto => {
                if is_drained && !*is_reading {
                    *is_reading = true;
                    let ask = Ask::Page { site, channel: work.request.channel.clone(), after: *after, upto: *upto };
                    self.ask(index, ask);
                }
            }
            Stage::Replaying { .. } if work.is_lagging => {
                work.is_lagging = false;
                work.stage = Stage::CatchingUp { is_reading: false, then_read: false };
                self.go_on(index);
            }
            Stage::Replaying { .. } => self.caught_up(index),
            Stage::CatchingUp { is_reading, .. } => {
                if is_drained && !*is_reading {
                    *is_reading = true;
                    let ask = Ask::CatchUp { site, after: work.through };
                    self.ask(index, ask);
                }
            }
        }
    }

    fn fail_work(&mut self, index: u32, error: ChatError) {
        let Some(work) = self.work_mut(index) else { return };
        let (id, channel, is_new) = (work.id.clone(), work.request.channel.clone(), work.is_new);
        if work.is_lagging && work.site.is_some() {
            // The standing subscriptions have missed something; they resume from their places.
            if let Some(serial) = self.conn(index).map(|conn| conn.serial) {
                return self.abandon(ConnRef { index, serial }, "the store is unavailable");
            }
        }
        self.release_held(index, u64::MAX);
        if let Some(conn) = &mut self.conns[index as usize] {
            conn.work = None;
        }
        if is_new {
            self.release(index, &channel);
        }
        self.refuse(index, id, channel, error);
        self.next_command(index);
    }

    /// Ends subscriptions, typing and viewing that access no longer covers.
    pub(crate) fn revoke_uncovered(&mut self, index: u32, is_covered: impl Fn(&SiteKey) -> bool) {
        self.end_goings(index, |site| !is_covered(site));
        let Some(conn) = self.conn(index) else { return };
        let mut ended_channels = Vec::new();
        for link in &conn.links {
            let Some(slot) = self.sites.get(link.site) else { continue };
            if is_covered(&slot.key) {
                continue;
            }
            if link.has_website {
                ended_channels.push(Channel::Website(slot.key.website.clone()));
            }
            ended_channels.extend(link.conversations.iter().cloned().map(Channel::Conversation));
        }
        for channel in ended_channels {
            // A subscription that is just being taken up is refused as a whole.
            let is_in_work = self.work_mut(index).is_some_and(|work| work.request.channel == channel);
            if is_in_work {
                self.revoke_work(index, channel);
                continue;
            }
            self.release(index, &channel);
            self.send(index, &ended(None, channel, Some("revoked")));
        }
    }

    /// Ends the subscription that is being taken up: refused if it was not yet confirmed, else ended.
    fn revoke_work(&mut self, index: u32, channel: Channel) {
        let Some(work) = self.work_mut(index) else { return };
        work.forget_held();
        work.is_lagging = false;
        if !work.is_confirmed() {
            work.is_new = true;
            return self.fail_work(index, ChatError::not_found());
        }
        if let Some(conn) = &mut self.conns[index as usize] {
            conn.work = None;
        }
        self.release(index, &channel);
        self.send(index, &ended(None, channel, Some("revoked")));
        self.next_command(index);
    }

    /// The website of a conversation to which a connection is subscribed, once the store has said that it may be.
    pub(crate) fn subscribed_site(&self, index: u32, conversation: &ConversationId) -> Option<&SiteKey> {
        let conn = self.conn(index)?;
        let link = conn.links.iter().find(|link| link.conversations.as_slice().contains(conversation))?;
        let is_unproven = conn.work.as_ref().is_some_and(|work| {
            work.is_new
                && matches!(work.stage, Stage::Locating | Stage::Reading)
                && matches!(&work.request.channel, Channel::Conversation(id) if id == conversation)
        });
        if is_unproven { None } else { self.sites.get(link.site).map(|site| &site.key) }
    }

    /// The person of a connection with what others see of it.
    pub(crate) fn person(&self, index: u32) -> Option<Arc<PersonInfo>> {
        Some(Arc::new(PersonInfo::of(&self.conn(index)?.principal)))
    }
}

impl Conn {
    /// Whether it has this channel, or is being given it.
    fn holds(&self, channel: &Channel, sites: &Sites) -> bool {
        let is_asked =
            |command: &Command| matches!(command, Command::Subscribe { request, .. } if request.channel == *channel);
        self.links.iter().any(|link| link.has(channel, sites))
            || self.work.as_ref().is_some_and(|work| work.site.is_none() && work.request.channel == *channel)
            || self.commands().any(is_asked)
    }
}

impl Link {
    fn has(&self, channel: &Channel, sites: &Sites) -> bool {
        match channel {
            Channel::Website(id) => {
                self.has_website && sites.get(self.site).is_some_and(|site| site.key.website == *id)
            }
            Channel::Conversation(id) => self.conversations.as_slice().contains(id),
        }
    }
}

impl super::sites::Site {
    fn release_conversation(&mut self, id: &ConversationId, index: u32) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        conversation.visitors.retain(|other| *other != index);
        conversation.team.retain(|other| *other != index);
        if conversation.team.is_empty()
            && let Some(visitor) = conversation.visitor.take()
            && let Some(held) = self.by_visitor.get_mut(&visitor)
        {
            held.retain(|other| other != id);
            if held.is_empty() {
                self.by_visitor.remove(&visitor);
            }
        }
        self.forget_idle_conversation(id);
    }
}

fn ended(id: Option<RequestId>, channel: Channel, reason: Option<&str>) -> ServerMessage {
    ServerMessage::SubscriptionEnded(SubscriptionEnded { id, channel, reason: reason.map(str::to_owned) })
}
