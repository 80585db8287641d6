//! The network between clients and node.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cossistant_engine::{Input, TokenOutcome};
use cossistant_protocol::{PersonId, ServerMessage, UserType};
use cossistant_server::sim::{FromClient, FromServer, SimConnection, Tenant};

use super::client::{LONG, Link, Token};
use super::rule::Rule;
use super::trace::hash_of;
use super::wire::{Copies, Heard};
use super::world::{Due, World};

/// For how long a node may still write to who has no access any more, in ms: its timers have ticks of 16 ms, and what
/// one shard tells another is under way.
const FAREWELL_MS: u64 = 500;
/// For how long a node may do so that has to find by itself what was revoked at another one, in ms: as long as it may do
/// without a look at the store.
const BLIND_MS: u64 = 8_000;
/// The longest that a request is under way which ends somebody's access, in ms, when the store is slow.
const REVOCATION_MS: u64 = 15_000;
/// How much earlier than a token a node's clock may have been when it judged, in ms: clocks step back by a second.
const CLOCK_TOLERANCE_MS: u64 = 5_000;

impl World {
    /// The present link of a client, if it is that one.
    pub(super) fn link(&mut self, at: usize, generation: u32) -> Option<&mut Link> {
        self.clients[at].link.as_mut().filter(|link| link.generation == generation)
    }

    pub(super) fn dial(&mut self, at: usize, generation: u32) {
        if self.clients[at].link.is_some() {
            self.fail(Rule::Contract, format!("{} dials a second socket", self.clients[at].name));
        }
        let delay = if self.dice.chance(30) { self.dice.between(20, 150) } else { self.dice.between(0, 20) };
        self.clients[at].link = Some(Link {
            generation,
            connection: None,
            node: 0,
            up_until: 0,
            down_until: 0,
            delay,
            is_mute_up: false,
            is_mute_down: false,
            slow: None,
            slow_until: 0,
            token: Token::default(),
            over_since: None,
            life: self.restores.len(),
            copies: Copies::default(),
        });
        let takes = self.dice.between(1, 150);
        match self.dice.below(if self.is_calm { 1 } else { 30 }) {
            29 => {}
            28 => self.put(takes, Due::Lost(at, generation)),
            _ => self.put(takes, Due::Dialled(at, generation)),
        }
    }

    pub(super) fn dialled(&mut self, at: usize, generation: u32) {
        if self.link(at, generation).is_none() {
            return;
        }
        let token = self.clients[at].token.clone();
        let Some((connection, node)) = self.server.open(&token.text) else { return self.client_loses(at, generation) };
        say!(self, "{} opens socket {generation} as connection {} of node {node}", self.clients[at].name, connection.0);
        self.clients[at].used = token.clone();
        let life = self.restores.len();
        if let Some(link) = self.link(at, generation) {
            link.connection = Some(connection);
            link.node = node;
            link.token = token;
            link.life = life;
        }
        self.input(at, Input::Opened { generation });
    }

    /// The client's socket is gone, or was never there.
    pub(super) fn client_loses(&mut self, at: usize, generation: u32) {
        let Some(link) = self.clients[at].link.take_if(|link| link.generation == generation) else { return };
        say!(self, "{} loses socket {generation}", self.clients[at].name);
        match link.connection {
            None => self.input(at, Input::DialFailed { generation }),
            Some(_) => self.input(at, Input::Closed { generation, code: 1006, reason: String::new() }),
        }
    }

    /// Cuts a client's link: what is under way is lost, and each side learns of it after some time, or never. What is
    /// under way to the node may still get there, perhaps when the client is back on another link.
    pub(super) fn cut(&mut self, at: usize, client_learns: Option<u64>, node_learns: Option<u64>, is_up_late: bool) {
        let Some(link) = &mut self.clients[at].link else { return };
        let Some(connection) = link.connection else { return };
        let generation = link.generation;
        link.is_mute_down = true;
        link.is_mute_up = true;
        if is_up_late {
            self.late_up.insert(connection);
        }
        self.cut.insert(connection);
        if let Some(after) = client_learns {
            self.put(after, Due::Lost(at, generation));
        }
        if let Some(after) = node_learns {
            self.put(after, Due::Reset(connection));
        }
    }

    /// A token for a client, for so many seconds.
    pub(super) fn token(&self, at: usize, seconds: u64) -> Token {
        let client = &self.clients[at];
        let text = self.server.token(client.tenant, client.kind, &client.person, seconds);
        let issued_at = self.server.clock().as_millis();
        Token { text, issued_at, expires_at: issued_at + seconds * 1_000 }
    }

    /// The token with which a client begins: as every history begins at the same moment, it is signed but once.
    pub(super) fn first_token(&self, at: usize) -> Token {
        thread_local! {
            static SIGNED: RefCell<BTreeMap<(bool, UserType, PersonId), Token>> = RefCell::default();
        }
        let client = &self.clients[at];
        let who = (client.tenant == Tenant::Ours, client.kind, client.person.clone());
        SIGNED.with_borrow_mut(|signed| signed.entry(who).or_insert_with(|| self.token(at, LONG)).clone())
    }

    pub(super) fn give_token(&mut self, at: usize, request: u32) {
        let outcome = if !self.is_calm && self.dice.chance(10) { TokenOutcome::Failed } else { TokenOutcome::Ready };
        if outcome == TokenOutcome::Ready {
            let seconds = if self.is_calm { LONG } else { self.dice.between(62, 90) };
            self.clients[at].token = self.token(at, seconds);
        }
        self.input(at, Input::Token { request, outcome });
    }

    /// Takes off the wire what the node has written, so many bytes of it.
    pub(super) fn read(&mut self, at: usize, connection: SimConnection, bytes: usize) {
        self.judge_access(at);
        for what in self.server.take(connection, bytes) {
            if let FromServer::Text(text) = &what
                && self.is_over(at)
                && !is_farewell(text)
            {
                let why = format!("{} has no access any more and is told {text}", self.clients[at].name);
                self.fail(Rule::Audience, why);
            }
            let Some(link) = &mut self.clients[at].link else { return };
            let delay = self.dice.delay(link.delay);
            link.down_until = link.down_until.max(self.now + 1 + delay);
            let (generation, at_time) = (link.generation, link.down_until);
            self.put_at(at_time, Due::Down(at, generation, what));
        }
    }

    /// Notes since when a connection's token is worth nothing.
    fn judge_access(&mut self, at: usize) {
        let clock = self.server.clock().as_millis();
        let client = &self.clients[at];
        let Some(link) = &client.link else { return };
        let is_revoked = self.server.has_revocations()
            && client.tenant == Tenant::Ours
            && self
                .server
                .revoked_at(client.kind, &client.person)
                .is_some_and(|revoked| link.token.issued_at < revoked.as_millis());
        let is_over = clock > link.token.expires_at || is_revoked;
        let since = is_over.then(|| link.over_since.unwrap_or(self.now));
        if let Some(link) = &mut self.clients[at].link {
            link.over_since = since;
        }
    }

    /// Whether a connection's token has been worth nothing for so long that nothing may come of it any more.
    fn is_over(&self, at: usize) -> bool {
        self.clients[at].link.as_ref().is_some_and(|link| {
            let has_backlog = link.slow.is_some() || link.slow_until > self.now;
            let farewell = if self.server.nodes() > 1 { BLIND_MS } else { FAREWELL_MS };
            !has_backlog && link.over_since.is_some_and(|since| since + farewell + self.notice_delay_ms < self.now)
        })
    }

    /// A frame of the node reaches a client.
    pub(super) fn arrive(&mut self, at: usize, generation: u32, what: FromServer) {
        let Some(link) = self.link(at, generation) else { return };
        if link.is_mute_down && link.connection.is_some_and(|connection| self.cut.contains(&connection)) {
            return;
        }
        match what {
            FromServer::Text(text) => self.hear(at, generation, &text),
            FromServer::Ping => self.transmit(at, generation, FromClient::Pong),
            FromServer::Close(code, reason) => {
                say!(self, "{} is closed with {code} {reason}", self.clients[at].name);
                self.transmit(at, generation, FromClient::Close(Some(code)));
                self.clients[at].link = None;
                self.input(at, Input::Closed { generation, code, reason });
            }
            FromServer::Gone => self.client_loses(at, generation),
        }
    }

    fn hear(&mut self, at: usize, generation: u32, text: &str) {
        let hash = hash_of(text);
        let elapsed = self.elapsed();
        self.trace.count(elapsed, at, hash);
        say!(self, "{} <- {text}", self.clients[at].name);
        let letter = match self.library.read(text, hash) {
            Ok(letter) => letter,
            Err(error) => {
                return self.fail(Rule::Contract, format!("{} cannot read {text}: {error}", self.clients[at].name));
            }
        };
        let client = &self.clients[at];
        let leaked = match client.tenant {
            Tenant::Other => letter.is_ours().then_some("of another organization"),
            Tenant::Ours if client.is_visitor() => letter.secret(),
            Tenant::Ours => None,
        };
        if let Some(why) = leaked {
            self.fail(Rule::Audience, format!("{} was told {why}: {text}", self.clients[at].name));
        }
        let issued_at = self.clients[at].token.issued_at;
        let Some(link) = self.link(at, generation) else { return };
        if let ServerMessage::Authenticated(renewed) = &*letter.message {
            link.token.issued_at = issued_at;
            link.token.expires_at = renewed.expires_at.as_millis();
        }
        if let Err(why) = link.copies.take(&letter.message) {
            self.fail(Rule::OnceInOrder, format!("{}: {why}", self.clients[at].name));
        }
        let (envelope, message) = (letter.envelope.clone(), Heard::clone(&letter.message));
        self.input(at, Input::Inbound { generation, envelope, message });
    }

    pub(super) fn transmit(&mut self, at: usize, generation: u32, what: FromClient) {
        let Some(link) = self.clients[at].link.as_mut().filter(|link| link.generation == generation) else { return };
        let (Some(connection), false) = (link.connection, link.is_mute_up) else { return };
        let delay = self.dice.delay(link.delay);
        link.up_until = link.up_until.max(self.now + 1 + delay);
        let at_time = link.up_until;
        if let FromClient::Text(text) = &what {
            let (elapsed, hash) = (self.elapsed(), hash_of(text));
            self.trace.count(elapsed, at, hash);
        }
        self.put_at(at_time, Due::Up(connection, what));
    }

    /// Whether a client had to expect that it would be refused: its token has expired or was revoked.
    pub(super) fn is_refusal_due(&self, at: usize) -> bool {
        let client = &self.clients[at];
        let clock = self.server.clock().as_millis() + CLOCK_TOLERANCE_MS;
        let asked = self.revoked.get(&(client.kind, client.person.clone()));
        // A request that ends somebody's access also ends the connections that were begun while it was under way.
        let is_under_way = asked.is_some_and(|(_, at)| *at + REVOCATION_MS >= self.now);
        let asked = asked.map_or(0, |(clock, _)| *clock);
        is_under_way
            || [&client.token, &client.used]
                .into_iter()
                .any(|token| token.expires_at <= clock || token.issued_at <= asked)
    }
}

/// What may still be said to somebody whose access is over.
fn is_farewell(text: &str) -> bool {
    ["\"error\"", "\"subscription_ended\"", "\"subscription_error\"", "\"token_expiring\"", "\"reconnect\""]
        .iter()
        .any(|kind| text.contains(kind))
}
