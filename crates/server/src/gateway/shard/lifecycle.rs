//! How a connection begins, lives and ends.

use std::net::IpAddr;
use std::sync::Arc;

use cossistant_protocol::{
    Authenticated, CloseCode, ConnectionEstablished, ErrorCode, PersonId, Reconnect, RequestId, ServerMessage, Team,
    Timestamp, TokenExpiring, UserType,
};

use super::{
    CLOSE_MS, Credential, Job, LogIn, LoggedIn, MARKED_AT_ONCE, MESSAGE_KIB_MS, MESSAGE_MS, MarksWanted, Output,
    RETRY_MS, Shard, TELLINGS, TOLD_AT_ONCE, Telling, TimerKey, connection_id, refusal,
};
use crate::auth::{AuthError, Principal, Secret};
use crate::bus::{Notice, Who};
use crate::chat::ChatError;
use crate::event::Event;
use crate::gateway::connection::{CameFrom, Connection, Ephemeral, Phase};
use crate::gateway::frame::{self, FrameError};
use crate::hub::ConnRef;
use crate::store::SiteKey;

/// A connection that was just upgraded.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) address: IpAddr,
    pub(crate) origin: Option<String>,
    pub(crate) deflate: bool,
    /// `None`: the first message must bring it.
    pub(crate) credential: Option<Credential>,
    pub(crate) agent_id: Option<String>,
    pub(crate) page: Option<String>,
}

impl Shard {
    /// Takes a new connection.
    pub(crate) fn open(&mut self, arrival: Arrival, now: Timestamp) -> ConnRef {
        self.now = now;
        let index = self.hub.reserve();
        let serial = self.next_serial;
        self.next_serial += 1;
        let at = ConnRef { index, serial };
        if self.connections.len() <= index as usize {
            self.connections.resize_with(index as usize + 1, || None);
        }
        let Arrival { address, origin, deflate, credential, agent_id, page } = arrival;
        let came_from = CameFrom { address, origin, agent_id, page };
        let mut connection = Connection::new(&self.config.connection, serial, came_from, deflate, now.as_millis());
        if let Some(credential) = credential
            && let Some(came_from) = connection.came_from.take()
        {
            connection.phase = Phase::Authenticating { has_asked: false, request: None };
            self.outputs.push(Output::Job(at, Job::LogIn(Box::new(LogIn { credential, came_from }))));
        }
        self.connections[index as usize] = Some(connection);
        metrics::counter!(crate::metrics::CONNECTIONS_TOTAL).increment(1);
        self.arm(index);
        at
    }

    pub(super) fn log_in(&mut self, index: u32, id: Option<RequestId>, token: Secret) {
        let Some(at) = self.at(index) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        connection.phase = Phase::Authenticating { has_asked: true, request: id };
        let Some(came_from) = connection.came_from.take() else { return };
        let credential = Credential::Bearer(token);
        self.outputs.push(Output::Job(at, Job::LogIn(Box::new(LogIn { credential, came_from }))));
    }

    pub(super) fn finish_log_in(&mut self, index: u32, result: Result<Box<LoggedIn>, AuthError>) {
        let now = self.wall();
        let Some(at) = self.at(index) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        if !matches!(connection.phase, Phase::Authenticating { .. }) {
            return;
        }
        let before = std::mem::replace(&mut connection.phase, Phase::Ready);
        let (has_asked, request) = match before {
            Phase::Authenticating { has_asked, request } => (has_asked, request),
            Phase::Waiting { .. } | Phase::Ready | Phase::Closing { .. } => (false, None),
        };
        // The set-up may have changed while the credentials were checked.
        let result = result.and_then(|logged_in| {
            logged_in.principal.recheck(&self.directory)?;
            Ok(logged_in)
        });
        let LoggedIn { principal, visitor_token } = match result {
            Ok(logged_in) => *logged_in,
            Err(error) => return self.refuse(index, request, error),
        };
        let Some(deflate) = self.connection(index).map(|connection| connection.deflate) else { return };
        let established = self.established(&principal, visitor_token, now);
        let expires_at = principal.expires_at;
        self.hub.connect(at, principal, deflate);
        self.hub.send(index, &ServerMessage::ConnectionEstablished(established));
        if has_asked && let Some(expires_at) = expires_at {
            self.hub.send(index, &ServerMessage::Authenticated(Authenticated { id: request, expires_at }));
        }
        self.arm(index);
        self.outputs.push(Output::Wake(at));
    }

    fn established(
        &self,
        principal: &Principal,
        visitor_token: Option<String>,
        now: Timestamp,
    ) -> ConnectionEstablished {
        let config = &self.config.connection;
        let team = principal.visitor_site().map(|site| {
            let members = self.hub.team(&site);
            Team { online: !members.is_empty(), members }
        });
        ConnectionEstablished {
            connection_id: connection_id(&self.ids, now),
            server_time: now.as_millis(),
            user_id: principal.id.clone(),
            user_type: principal.kind,
            heartbeat_interval: config.heartbeat_ms,
            limits: config.limits.clone(),
            visitor_token,
            expires_at: principal.expires_at,
            team,
        }
    }

    pub(super) fn finish_renewal(&mut self, index: u32, id: Option<RequestId>, result: Result<Principal, AuthError>) {
        let Some(current) = self.principal(index) else { return };
        let result = result.and_then(|renewed| renewed.recheck(&self.directory).map(|()| renewed));
        let renewed = match result {
            Ok(renewed) => renewed,
            // A token that is refused changes nothing: the present one still stands.
            Err(error) => return self.error(index, id, error.into()),
        };
        if !current.is_same_person(&renewed) {
            return self.error(index, id, ChatError::forbidden("the token is of another principal"));
        }
        let Some(expires_at) = renewed.expires_at else { return };
        let left_ms = expires_at.as_millis().saturating_sub(self.wall().as_millis());
        if let Some(connection) = self.connection_mut(index) {
            connection.renew_token(left_ms);
        }
        self.hub.renew(index, renewed.clone());
        self.hub.send(index, &ServerMessage::Authenticated(Authenticated { id, expires_at }));
        self.revoke_uncovered(index, |site| renewed.websites.contains(&site.website));
        self.arm(index);
    }

    /// Refuses a connection that was never established: the error, then the close.
    pub(super) fn refuse(&mut self, index: u32, id: Option<RequestId>, error: AuthError) {
        let until_ms = self.now_ms() + CLOSE_MS;
        metrics::counter!(crate::metrics::REFUSED_TOTAL, "code" => error.code.as_str()).increment(1);
        let Some(at) = self.at(index) else { return };
        count_close(error.close);
        if let Some(connection) = self.connection_mut(index) {
            connection.phase = Phase::Closing { until_ms };
        }
        self.outputs.push(Output::Refuse(at, refusal(id, error)));
        self.arm(index);
    }

    /// Closes a connection: what is queued is still written, then the close frame.
    pub(crate) fn close(&mut self, index: u32, code: CloseCode, reason: &str) {
        let until_ms = self.now_ms() + CLOSE_MS;
        let Some(at) = self.at(index) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        if matches!(connection.phase, Phase::Closing { .. }) {
            return;
        }
        tracing::debug!(code = code.as_u16(), reason, "closing a connection");
        count_close(code);
        match std::mem::replace(&mut connection.phase, Phase::Closing { until_ms }) {
            Phase::Waiting { .. } | Phase::Authenticating { .. } => {
                let frames = vec![frame::close_frame(code.as_u16(), reason)];
                self.outputs.push(Output::Refuse(at, frames));
                return self.arm(index);
            }
            Phase::Ready | Phase::Closing { .. } => {}
        }
        if code == CloseCode::SlowReader {
            self.figures.slow_closes += 1;
        }
        self.hub.retire(index, frame::close_frame(code.as_u16(), reason));
        self.arm(index);
    }

    /// Takes a ping of the peer.
    pub(crate) fn handle_ping(&mut self, index: u32, payload: &[u8], now: Timestamp) {
        self.now = now;
        if !self.count_frame(index) {
            return;
        }
        let Some(at) = self.at(index) else { return };
        match self.connection(index).map(|connection| &connection.phase) {
            Some(Phase::Ready) => self.hub.push_durable(index, frame::pong_frame(payload).into()),
            // Nobody has an outbox before it has logged in.
            Some(Phase::Waiting { .. } | Phase::Authenticating { .. }) => {
                self.outputs.push(Output::Pong(at, frame::pong_frame(payload)));
            }
            Some(Phase::Closing { .. }) | None => {}
        }
    }

    /// Takes a pong of the peer: it lives.
    pub(crate) fn handle_pong(&mut self, index: u32, now: Timestamp) {
        self.now = now;
        self.count_frame(index);
    }

    /// Takes a close frame of the peer. One that means to leave ends its presence at once; 1001 is what browsers send
    /// when a page is reloaded, and then the person is soon back.
    pub(crate) fn handle_close(&mut self, index: u32, code: Option<u16>, now: Timestamp) -> bytes::Bytes {
        self.now = now;
        // Those from 3000 on are an application's own.
        let is_clean = matches!(code, None | Some(1000 | 3000..=4999));
        self.end(index, is_clean);
        frame::close_reply(code)
    }

    /// Takes the news that a message has begun and is not yet complete, or that none has.
    pub(crate) fn handle_partial(&mut self, index: u32, is_partial: bool, now: Timestamp) {
        self.now = now;
        let until_ms = if is_partial { self.now_ms() + MESSAGE_MS } else { u64::MAX };
        if let Some(connection) = self.connection_mut(index) {
            connection.partial_until_ms = until_ms;
            self.arm(index);
        }
    }

    /// Takes the news that so many bytes more of the message that has begun are here: a slow line has more time for a
    /// long one, and nobody has more for nothing.
    pub(crate) fn handle_more(&mut self, index: u32, bytes: u32, now: Timestamp) {
        self.now = now;
        if let Some(connection) = self.connection_mut(index) {
            let more_ms = u64::from(bytes) * MESSAGE_KIB_MS / 1_024;
            connection.partial_until_ms = connection.partial_until_ms.saturating_add(more_ms);
        }
    }

    /// Takes bytes that are no WebSocket frames of ours.
    pub(crate) fn handle_frame_error(&mut self, index: u32, error: FrameError, now: Timestamp) {
        self.now = now;
        let code = CloseCode::ALL.iter().find(|code| code.as_u16() == error.close_code());
        self.close(index, code.copied().unwrap_or(CloseCode::ProtocolError), error.reason());
    }

    /// The socket is gone without a word.
    pub(crate) fn handle_lost(&mut self, index: u32, now: Timestamp) {
        self.now = now;
        self.end(index, false);
    }

    /// Forgets a connection.
    fn end(&mut self, index: u32, is_clean: bool) {
        let (now_ms, at) = (self.now_ms(), self.at(index));
        let Some(connection) = self.connection_mut(index) else { return };
        let marks = if matches!(connection.phase, Phase::Ready) { connection.take_kept_marks() } else { Vec::new() };
        for message in marks {
            if let (Some(at), Some(principal), Ephemeral::Seen(seq)) = (at, self.principal(index), &message.body) {
                let seq = *seq;
                self.outputs.push(Output::Job(at, Job::Seen { principal, message, seq }));
            }
        }
        self.connections[index as usize] = None;
        self.hub.disconnect(index, is_clean, now_ms);
    }

    // ---- timers ----

    /// Sees to it that the connection is looked at when something is due.
    pub(super) fn arm(&mut self, index: u32) {
        let (config, now_ms) = (Arc::clone(&self.config.connection), self.now_ms());
        let expires = self.hub.conn(index).and_then(|conn| conn.principal.expires_at);
        let expires = expires.map(|at| at.as_millis().saturating_add_signed(-self.wall_ahead_ms));
        let Some(at) = self.at(index) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        let deadline = connection.next_deadline_ms(&config, expires);
        if deadline >= connection.armed_ms {
            return;
        }
        if connection.armed_ms != u64::MAX {
            connection.set_spare_ms(connection.armed_ms);
        } else if (now_ms + 1..=deadline).contains(&connection.spare_ms()) {
            // That one is still to come, and soon enough.
            connection.armed_ms = connection.spare_ms();
            connection.set_spare_ms(0);
            return;
        }
        connection.armed_ms = deadline;
        self.wheel.insert(deadline, TimerKey::Connection(at));
    }

    /// Does what is due.
    pub(crate) fn handle_timers(&mut self, now: Timestamp) {
        self.now = now;
        let mut due = Vec::new();
        self.wheel.expire(now.as_millis(), &mut due);
        for key in due {
            match key {
                TimerKey::Connection(at) if self.is_current(at) => self.check(at.index),
                TimerKey::Drain(at) if self.is_current(at) => {
                    self.close(at.index, CloseCode::GoingAway, "draining");
                }
                TimerKey::Connection(_) | TimerKey::Drain(_) => {}
                TimerKey::Grace(key) => self.hub.handle_grace(&key, now.as_millis()),
                TimerKey::Gap(site) => self.hub.handle_gap(site),
                TimerKey::Presence(visitors) => {
                    let (site, visitors) = *visitors;
                    for visitor in visitors {
                        self.telling.remove(&(site.clone(), visitor.clone()));
                        self.tell_presence(site.clone(), visitor);
                    }
                }
                TimerKey::Marks => {
                    self.is_reading_marks = false;
                    self.read_marks();
                }
            }
        }
    }

    /// Looks at a connection whose timer fired.
    fn check(&mut self, index: u32) {
        let now_ms = self.now_ms();
        let config = Arc::clone(&self.config.connection);
        let is_reading = self.is_reading(index);
        let Some(at) = self.at(index) else { return };
        let Some(connection) = self.connection_mut(index) else { return };
        if connection.spare_ms() <= now_ms {
            connection.set_spare_ms(0);
        }
        if connection.armed_ms > now_ms {
            // A sooner timer came before this one, and what was due then has put in the next.
            return;
        }
        connection.armed_ms = u64::MAX;
        if !is_reading {
            // Its silence is ours: nothing is read from it until its requests are answered.
            connection.last_inbound_ms = now_ms;
            if connection.partial_until_ms != u64::MAX {
                connection.partial_until_ms = now_ms + MESSAGE_MS;
            }
        }
        match connection.phase {
            Phase::Waiting { until_ms } if until_ms <= now_ms => {
                self.close(index, CloseCode::TimedOut, "no authentication in time");
            }
            Phase::Closing { until_ms } if until_ms <= now_ms => {
                self.outputs.push(Output::Drop(at));
                self.end(index, false);
                return;
            }
            Phase::Ready | Phase::Authenticating { .. } if connection.silence_deadline_ms(&config) <= now_ms => {
                self.close(index, CloseCode::TimedOut, "silent");
            }
            Phase::Ready if connection.partial_until_ms <= now_ms => {
                self.close(index, CloseCode::TimedOut, "a message took too long");
            }
            Phase::Ready => self.check_ready(index),
            Phase::Waiting { .. } | Phase::Authenticating { .. } | Phase::Closing { .. } => {}
        }
        self.arm(index);
    }

    fn check_ready(&mut self, index: u32) {
        let now = self.now;
        let heartbeat_ms = self.config.connection.heartbeat_ms;
        let Some(connection) = self.connection_mut(index) else { return };
        let warning_ms = connection.warning_ms;
        let is_ping_due = connection.next_ping_ms <= now.as_millis();
        let is_deferred_due = connection.deferred_until_ms() <= now.as_millis();
        if is_ping_due {
            connection.next_ping_ms = now.as_millis() + heartbeat_ms;
            self.hub.push_durable(index, frame::ping_frame(&[]).into());
        }
        self.expire_typing(index);
        if is_deferred_due {
            self.admit_deferred(index);
        }
        let expires_at = self.hub.conn(index).and_then(|conn| conn.principal.expires_at);
        if let Some(expires_at) = expires_at {
            let now = self.wall();
            if expires_at <= now {
                self.error(index, None, ChatError::new(ErrorCode::TokenExpired, "the token has expired"));
                self.close(index, CloseCode::Unauthorized, "the token has expired");
            } else if warning_ms > 0 && expires_at.as_millis().saturating_sub(warning_ms.into()) <= now.as_millis() {
                if let Some(connection) = self.connection_mut(index) {
                    connection.warning_ms = 0;
                }
                self.hub.send(index, &ServerMessage::TokenExpiring(TokenExpiring { expires_at }));
            }
        }
    }

    // ---- notices ----

    /// Takes what a shard, this one included, has told all.
    pub(crate) fn handle_notice(&mut self, notice: Notice, now: Timestamp) {
        self.now = now;
        match notice {
            Notice::Directory(ref directory) => self.change_directory(Arc::clone(directory)),
            Notice::Disconnect { ref who, is_revoked } => self.disconnect(who, is_revoked),
            Notice::TypingStopped { ref site, ref conversation, ref person, source: None } => {
                self.confirm_typing_end(site, conversation, &person.key);
                self.hub.handle_notice(notice);
            }
            Notice::Identified { ref site, ref visitor, previous: Some(ref previous), .. } => {
                let (site, visitor, previous) = (site.clone(), visitor.clone(), previous.clone());
                self.hub.handle_notice(notice);
                self.hub.hand_over(&site, &previous, &visitor, now.as_millis());
            }
            Notice::Events(_)
            | Notice::TypingStarted { .. }
            | Notice::TypingStopped { source: Some(_), .. }
            | Notice::Progress { .. }
            | Notice::Viewing { .. }
            | Notice::Activity { .. }
            | Notice::Seen { .. }
            | Notice::Presence { .. }
            | Notice::VisitorPresence { .. }
            | Notice::OpenConversations { .. }
            | Notice::Doubt { .. }
            | Notice::Identified { .. } => self.hub.handle_notice(notice),
        }
    }

    /// Has a visitor's presence told, behind what is just being told of it.
    pub(super) fn tell_presence(&mut self, site: SiteKey, visitor: PersonId) {
        match self.telling.entry((site, visitor)) {
            std::collections::hash_map::Entry::Occupied(mut telling) => {
                if let Telling::UnderWay { again } = telling.get_mut() {
                    *again = true;
                }
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                self.to_tell.push_back(free.key().clone());
                free.insert(Telling::Waits);
                self.begin_tellings();
            }
        }
    }

    /// Of each visitor, whether it is here, and whether this node keeps when it was last seen.
    pub(crate) fn how_are(&self, site: &SiteKey, visitors: &[PersonId]) -> Vec<(PersonId, (bool, bool))> {
        let how = |visitor| (self.hub.is_visitor_here(site, visitor), !self.hub.is_gone_elsewhere(site, visitor));
        visitors.iter().map(|visitor| (visitor.clone(), how(visitor))).collect()
    }

    fn begin_tellings(&mut self) {
        while self.tellings < TELLINGS
            && let Some((site, first)) = self.to_tell.pop_front()
        {
            let mut visitors = vec![first];
            while visitors.len() < TOLD_AT_ONCE
                && let Some((_, visitor)) = self.to_tell.pop_front_if(|(other, _)| *other == site)
            {
                visitors.push(visitor);
            }
            for visitor in &visitors {
                self.telling.insert((site.clone(), visitor.clone()), Telling::UnderWay { again: false });
            }
            self.tellings += 1;
            self.outputs.push(Output::TellPresence { site, visitors });
        }
    }

    /// The presence of visitors was told, or could not be, since the store is down; then it is tried again.
    pub(crate) fn handle_told_presence(
        &mut self,
        site: &SiteKey,
        visitors: Vec<PersonId>,
        was_told: bool,
        now: Timestamp,
    ) {
        self.now = now;
        self.tellings -= 1;
        if was_told {
            for visitor in visitors {
                let telling = self.telling.remove(&(site.clone(), visitor.clone()));
                if telling == Some(Telling::UnderWay { again: true }) {
                    self.tell_presence(site.clone(), visitor);
                }
            }
        } else {
            let key = TimerKey::Presence(Box::new((site.clone(), visitors)));
            self.wheel.insert(now.as_millis() + RETRY_MS, key);
        }
        self.begin_tellings();
    }

    /// Marks may have been missed: they are read a few at a time, and each once, however often that is said.
    pub(super) fn want_marks(&mut self, wanted: MarksWanted) {
        match self.marks.entry(wanted.site.clone()) {
            std::collections::btree_map::Entry::Occupied(mut waiting) => {
                let waiting = waiting.get_mut();
                waiting.since = waiting.since.min(wanted.since);
                waiting.conversations.extend(wanted.conversations);
            }
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(wanted);
            }
        }
        self.read_marks();
    }

    fn read_marks(&mut self) {
        if self.is_reading_marks {
            return;
        }
        let Some(mut first) = self.marks.first_entry() else { return };
        let waiting = first.get_mut();
        let conversations = std::collections::BTreeSet::new();
        let mut next = MarksWanted { site: waiting.site.clone(), conversations, since: waiting.since };
        while next.conversations.len() < MARKED_AT_ONCE
            && let Some(conversation) = waiting.conversations.pop_first()
        {
            next.conversations.insert(conversation);
        }
        if waiting.conversations.is_empty() {
            first.remove();
        }
        self.is_reading_marks = true;
        self.outputs.push(Output::ReadMarks(next));
    }

    /// Tells those who are connected here of marks that they may not have heard of; `None` if those could not be read,
    /// since the store is down, which is tried again.
    pub(crate) fn handle_marks(&mut self, wanted: MarksWanted, marks: Option<Vec<Notice>>, now: Timestamp) {
        self.now = now;
        match marks {
            Some(marks) => {
                marks.into_iter().for_each(|mark| self.hub.handle_notice(mark));
                self.is_reading_marks = false;
                self.read_marks();
            }
            None => {
                self.want_marks(wanted);
                self.wheel.insert(now.as_millis() + RETRY_MS, TimerKey::Marks);
            }
        }
        self.drain_effects();
    }

    /// Notices were lost: what is durable is compared with the store.
    pub(crate) fn handle_lost_notices(&mut self, now: Timestamp) {
        self.now = now;
        self.hub.fill_all();
    }

    /// Takes how far websites have come in the store.
    pub(crate) fn handle_heads(&mut self, heads: &[(SiteKey, u64)], now: Timestamp) {
        self.now = now;
        self.hub.handle_heads(heads);
    }

    /// Closes every connection that is let in: what is told them can no longer be held against the store. They may come
    /// back at once, here or elsewhere.
    pub(crate) fn abandon(&mut self, reason: &'static str, now: Timestamp) {
        self.now = now;
        for index in self.hub.indexes() {
            self.close(index, CloseCode::GoingAway, reason);
        }
    }

    pub(crate) fn handle_fill(
        &mut self,
        site: u32,
        key: &SiteKey,
        filled: Option<(Vec<Arc<Event>>, bool)>,
        now: Timestamp,
    ) {
        self.now = now;
        self.hub.handle_fill(site, key, filled);
    }

    /// Holds every connection against a new set-up.
    fn change_directory(&mut self, directory: Arc<crate::directory::Directory>) {
        if directory.generation() < self.directory.generation() {
            return;
        }
        self.directory = directory;
        let directory = Arc::clone(&self.directory);
        for index in self.hub.indexes() {
            let Some(principal) = self.principal(index) else { continue };
            if let Err(error) = principal.recheck(&directory) {
                self.revoke_uncovered(index, |_| false);
                self.close(index, error.close, error.message);
                continue;
            }
            self.revoke_uncovered(index, |site| {
                directory.website(site).is_some() && principal.websites.contains(&site.website)
            });
        }
    }

    /// Ends a person's connections.
    fn disconnect(&mut self, who: &Who, is_revoked: bool) {
        for index in self.hub.indexes() {
            let Some(principal) = self.principal(index) else { continue };
            let is_meant = match who {
                Who::Visitor(site, visitor) => {
                    principal.id == *visitor && principal.visitor_site().as_ref() == Some(site)
                }
                Who::Member(organization, key) => {
                    principal.organization == *organization
                        && principal.key() == *key
                        && principal.kind != UserType::Visitor
                }
            };
            if !is_meant {
                continue;
            }
            if is_revoked {
                self.revoke_uncovered(index, |_| false);
                self.close(index, CloseCode::Forbidden, "access was revoked");
            } else {
                self.close(index, CloseCode::Disconnected, "disconnected by an administrator");
            }
        }
    }

    /// Asks every connection to come back later, each at its own time within the window, and closes it then.
    pub(crate) fn drain(&mut self, window_ms: u64, now: Timestamp) {
        self.now = now;
        let indexes: Vec<u32> = (0..self.connections.len())
            .filter_map(|at| u32::try_from(at).ok())
            .filter(|at| self.connection(*at).is_some())
            .collect();
        let count = indexes.len().max(1) as u64;
        for (turn, index) in indexes.into_iter().enumerate() {
            // The last turn leaves a tenth of the window for what is still to be written.
            let after_ms = window_ms * 9 / 10 * turn as u64 / count;
            let Some(at) = self.at(index) else { continue };
            let message = Reconnect { reason: "draining".to_owned(), retry_after: Some(after_ms) };
            self.hub.send(index, &ServerMessage::Reconnect(message));
            self.wheel.insert(now.as_millis() + after_ms, TimerKey::Drain(at));
        }
    }

    /// Tells the shard's figures to the recorder; `label` tells the shards apart.
    pub(crate) fn record(&self, label: &str) {
        use crate::metrics::{
            CONNECTIONS, DELIVERIES_TOTAL, FRAMES_TOTAL, OUTBOX_BYTES, OUTBOX_LARGEST_BYTES, SLOW_CLOSES_TOTAL,
        };
        let labels = [("shard", label.to_owned())];
        let mut kinds = [0_u32; 3];
        let (mut waiting, mut largest) = (0, 0);
        for conn in self.hub.indexes().into_iter().filter_map(|index| self.hub.conn(index)) {
            match conn.principal.kind {
                UserType::Visitor => kinds[0] += 1,
                UserType::User => kinds[1] += 1,
                UserType::AiAgent => kinds[2] += 1,
            }
            waiting += conn.outbox.counted();
            largest = largest.max(conn.outbox.counted());
        }
        for (name, bytes) in [(OUTBOX_BYTES, waiting), (OUTBOX_LARGEST_BYTES, largest)] {
            #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
            metrics::gauge!(name, &labels).set(bytes as f64);
        }
        for (kind, count) in UserType::ALL.iter().zip(kinds) {
            let labels = [("shard", label.to_owned()), ("kind", kind.as_str().to_owned())];
            metrics::gauge!(CONNECTIONS, &labels).set(f64::from(count));
        }
        metrics::counter!(FRAMES_TOTAL, &labels).absolute(self.figures.frames_in);
        metrics::counter!(DELIVERIES_TOTAL, &labels).absolute(self.hub.deliveries());
        metrics::counter!(SLOW_CLOSES_TOTAL, &labels).absolute(self.figures.slow_closes);
    }
}

fn count_close(code: CloseCode) {
    metrics::counter!(crate::metrics::CLOSES_TOTAL, "code" => code.as_u16().to_string()).increment(1);
}
