//! What goes wrong.

use cossistant_engine::Input;
use cossistant_server::sim::{FromClient, SimRequest, Tenant};

use super::history::{History, STALL_MS};
use super::translate::Payload;
use super::world::Due;

/// How often something is drawn, until it comes to anything.
pub(super) const DRAWS: u32 = 64;

impl History {
    /// Something goes wrong. What comes to nothing, since there is no link to be cut for instance, is no fault.
    pub(super) fn go_wrong(&mut self) {
        if (0..DRAWS).any(|_| self.draw_fault()) {
            self.faults += 1;
        }
    }

    /// One fault; whether it came to anything.
    fn draw_fault(&mut self) -> bool {
        if self.world.server.nodes() > 1 && self.dice.chance(35) {
            return self.upset_bus();
        }
        let at = self.dice.below(self.world.clients.len() as u64) as usize;
        match self.dice.below(100) {
            0..14 => self.cut(at),
            14..20 => self.half_open(at),
            20..27 => self.stall(at),
            27..36 => self.slow_down(at),
            36..42 => self.say_twice(at),
            42..46 => self.throttle(at),
            46..52 => self.revoke(at),
            52..56 => self.shorten_token(at),
            56..60 => self.step_clock(at),
            60..72 => self.crash(),
            72..76 => self.restore(),
            76..80 => {
                say!(self.world, "a backup is made");
                self.world.server.back_up();
                false
            }
            80..89 => self.upset_store(),
            89..96 => self.lose_announcements(),
            _ => self.drain(),
        }
    }

    fn cut(&mut self, at: usize) -> bool {
        let client_learns = self.dice.chance(75).then(|| self.dice.below(400));
        let node_learns = self.dice.chance(60).then(|| self.dice.below(3_000));
        let is_up_late = self.dice.chance(30);
        if self.world.clients[at].link.as_ref().is_none_or(|link| link.connection.is_none()) {
            return false;
        }
        let name = &self.world.clients[at].name;
        say!(self.world, "fault: {name} is cut; told {client_learns:?} and {node_learns:?}, up late {is_up_late}");
        self.world.cut(at, client_learns, node_learns, is_up_late);
        true
    }

    /// One direction of a link goes dead, and nobody is told.
    fn half_open(&mut self, at: usize) -> bool {
        let (up, down) = match self.dice.below(3) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        let Some(link) = &mut self.world.clients[at].link else { return false };
        link.is_mute_up |= up;
        link.is_mute_down |= down;
        say!(self.world, "fault: {} is half open, up {up}, down {down}", self.world.clients[at].name);
        true
    }

    /// Nothing passes for a while, and then all of it; by then the client may be back on another link.
    fn stall(&mut self, at: usize) -> bool {
        let until = self.world.now + self.dice.between(200, STALL_MS);
        let Some(link) = &mut self.world.clients[at].link else { return false };
        link.up_until = link.up_until.max(until);
        link.down_until = link.down_until.max(until);
        say!(self.world, "fault: {} stalls", self.world.clients[at].name);
        true
    }

    /// A client reads a few bytes at a time, or nothing any more.
    fn slow_down(&mut self, at: usize) -> bool {
        let bytes = if self.dice.chance(40) { 0 } else { self.dice.between(20, 600) as usize };
        let lasts = self.dice.between(1_000, 10_000);
        let Some(link) = &mut self.world.clients[at].link else { return false };
        if link.slow.is_some() {
            return false;
        }
        link.slow = Some(bytes);
        let generation = link.generation;
        self.world.put(10, Due::Read(at, generation));
        self.world.put(lasts, Due::SlowOver(at, generation));
        say!(self.world, "fault: {} reads {bytes} bytes at a time", self.world.clients[at].name);
        true
    }

    /// A message is sent again that was acknowledged, behind its engine's back; a copy that a restore has taken is no
    /// copy.
    fn say_twice(&mut self, at: usize) -> bool {
        let life = self.world.restores.len();
        let client = &self.world.clients[at];
        let acked: Vec<&Payload> = client
            .acked
            .iter()
            .filter(|acked| acked.life == life)
            .filter_map(|acked| client.frames.get(&acked.key))
            .collect();
        let (Some(payload), Some(link)) = (self.dice.pick(&acked), &client.link) else { return false };
        let (text, generation) = (Payload::clone(payload), link.generation);
        say!(self.world, "fault: {} says again {text}", client.name);
        for _ in 0..self.dice.between(1, 2) {
            self.world.transmit(at, generation, FromClient::Text(text.clone()));
        }
        true
    }

    /// A page goes to the background, where its timers run once a second, or once a minute.
    fn throttle(&mut self, at: usize) -> bool {
        let every = if self.dice.chance(60) { 1_000 } else { 60_000 };
        let lasts = self.dice.between(2_000, 20_000);
        say!(self.world, "fault: {} is in the background, with timers every {every}", self.world.clients[at].name);
        self.world.clients[at].throttle = Some(every);
        self.world.input(at, Input::Hidden);
        self.world.put(lasts, Due::Unthrottle(at));
        true
    }

    /// A person's access is ended. It will sign in anew.
    fn revoke(&mut self, at: usize) -> bool {
        let client = &self.world.clients[at];
        if client.tenant != Tenant::Ours {
            return false;
        }
        let (kind, person, token) = (client.kind, client.person.clone(), client.token.text.clone());
        say!(self.world, "fault: the access of {kind:?} {person} is ended");
        let (clock, now) = (self.world.server.clock().as_millis(), self.world.now);
        let asked = self.world.revoked.entry((kind, person.clone())).or_default();
        *asked = (clock.max(asked.0), now);
        self.world.server.request(&token, SimRequest::Revoke { kind, person });
        true
    }

    /// A client is cut and has but a token that ends soon.
    fn shorten_token(&mut self, at: usize) -> bool {
        let seconds = self.dice.between(1, 6);
        say!(self.world, "fault: the token of {} ends in {seconds} s", self.world.clients[at].name);
        self.world.clients[at].token = self.world.token(at, seconds);
        self.world.cut(at, Some(0), Some(0), false);
        true
    }

    fn step_clock(&mut self, at: usize) -> bool {
        if self.dice.chance(50) {
            let by = self.dice.between(1, 60_000);
            say!(self.world, "fault: a client's clock leaps by {by}");
            self.world.clients[at].clock_ahead += by;
            self.world.note_wake(at);
        } else {
            let ahead = self.dice.between(1, 30_000).cast_signed();
            let back = -self.dice.between(1, 1_000).cast_signed();
            let by = if self.dice.chance(50) { ahead } else { back };
            say!(self.world, "fault: the node's clock steps by {by}");
            self.world.server.step_clock(by);
        }
        true
    }

    fn crash(&mut self) -> bool {
        let Some(node) = self.world.server.any_up() else { return false };
        match self.dice.below(3) {
            0 => {
                say!(self.world, "fault: node {node} crashes");
                self.world.crash(node);
            }
            1 => {
                say!(self.world, "fault: node {node} crashes before its next commit");
                self.world.server.crash_before_next_commit(node);
            }
            _ => {
                say!(self.world, "fault: node {node} crashes behind its next commit");
                self.world.server.crash_behind_next_commit(node);
            }
        }
        true
    }

    /// Something is wrong between nodes.
    fn upset_bus(&mut self) -> bool {
        let lasts = self.dice.between(200, 20_000);
        match self.dice.below(4) {
            0 => {
                let node = self.dice.below(self.world.server.nodes() as u64) as usize;
                say!(self.world, "fault: node {node} is cut off the bus for {lasts}");
                self.world.server.cut_bus(|other| other == node);
            }
            1 => {
                say!(self.world, "fault: the bus is gone for {lasts}");
                self.world.server.cut_bus(|_| true);
            }
            2 => {
                let percent = self.dice.between(5, 60);
                say!(self.world, "fault: the bus loses, doubles and reorders {percent} of 100 for {lasts}");
                self.world.server.roughen_bus(percent);
            }
            _ => {
                let percent = self.dice.between(5, 60);
                say!(self.world, "fault: {percent} of 100 notices do not get as far as the bus for {lasts}");
                self.world.server.crowd_bus(percent);
            }
        }
        self.world.put(lasts, Due::BusWell);
        true
    }

    fn restore(&mut self) -> bool {
        say!(self.world, "fault: every node dies and the newest backup is restored");
        let ids: Vec<String> = self.conversations.iter().flat_map(|(_, ids)| ids).cloned().collect();
        self.world.restore(&ids);
        true
    }

    fn upset_store(&mut self) -> bool {
        // A database that other nodes share may take longer to be replaced by its copy than a node can go on without.
        let longest = if self.world.server.nodes() > 1 { 12_000 } else { 6_000 };
        let lasts = self.dice.between(200, longest);
        match self.dice.below(3) {
            0 => {
                say!(self.world, "fault: the store is down for {lasts}");
                self.world.server.take_store_down();
                self.world.put(lasts, Due::StoreWell);
            }
            1 => {
                say!(self.world, "fault: the store is full or locked for {lasts}");
                self.world.server.fill_store_up();
                self.world.put(lasts, Due::StoreWell);
            }
            _ => {
                let pace = self.dice.between(50, 1_500);
                say!(self.world, "fault: jobs take {pace} a step for {lasts}");
                self.world.server.set_pace(Some(pace));
                self.world.put(lasts, Due::PaceOver);
            }
        }
        true
    }

    fn lose_announcements(&mut self) -> bool {
        let lasts = self.dice.between(500, 5_000);
        say!(self.world, "fault: announcements are lost between shards for {lasts}");
        self.world.server.set_lost_percent(40);
        self.world.put(lasts, Due::LossOver);
        true
    }

    fn drain(&mut self) -> bool {
        let window = self.dice.between(200, 3_000);
        let Some(node) = self.world.server.any_up() else { return false };
        say!(self.world, "fault: node {node} drains in {window}");
        self.world.server.drain(node, window);
        self.world.put(window, Due::Crash(node));
        true
    }
}
