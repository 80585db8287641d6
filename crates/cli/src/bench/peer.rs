//! Who is measured, and the people and conversations of a scenario there.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::fleet::Fleet;
use super::process::Process;
use super::wire::{self, Kind, Shape, Signer};

/// What answers at the other end.
#[derive(Clone)]
pub(super) enum Speech {
    /// The server: WebSockets, tokens, subscriptions.
    Server(Signer),
    /// The floor: bare frames.
    Floor,
}

/// The other end of a scenario.
pub(super) struct Peer {
    /// One for each node; connections are spread over them.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) process: Process,
    /// The database of the nodes, if it is measured apart.
    pub(super) database: Process,
    /// Groups are spread over them.
    pub(super) websites: Vec<String>,
    pub(super) speech: Speech,
    /// Makes the names of a run its own, so that a run never meets what an earlier one stored.
    pub(super) run: String,
}

/// What a connection is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A visitor; at the floor one that speaks.
    Visitor,
    /// A team member; at the floor one that listens.
    User,
}

impl Peer {
    pub(super) fn fleet(&self) -> Result<Fleet> {
        Fleet::new(self.addresses.clone(), matches!(self.speech, Speech::Server(_)))
    }

    /// The same other end, with people and conversations apart from those of this run.
    pub(super) fn apart(&self, name: &str) -> Self {
        Self {
            addresses: self.addresses.clone(),
            process: self.process.clone(),
            database: self.database.clone(),
            websites: self.websites.clone(),
            speech: self.speech.clone(),
            run: format!("{}-{name}", self.run),
        }
    }

    pub(super) const fn is_floor(&self) -> bool {
        matches!(self.speech, Speech::Floor)
    }

    /// What the connection of somebody says first. The name is unique within the run.
    pub(super) fn greeting(&self, role: Role, name: usize, group: usize, shape: Shape) -> Result<Vec<u8>> {
        match &self.speech {
            Speech::Server(signer) => {
                let (kind, letter) = match role {
                    Role::Visitor => ("visitor", 'v'),
                    Role::User => ("user", 'u'),
                };
                let website = &self.websites[group % self.websites.len()];
                let token = signer.token(kind, &format!("{letter}-{}-{name}", self.run), website)?;
                Ok(wire::upgrade_request(self.addresses[0], &token))
            }
            Speech::Floor => Ok(wire::floor_greeting(role == Role::Visitor, group, shape)),
        }
    }

    pub(super) fn conversation(&self, at: usize) -> String {
        // Names of one length make messages of one length, which the floor counts by.
        format!("c-{}-{at:06}", self.run)
    }

    /// Subscribes connections to their conversations; the floor subscribes by its greeting.
    pub(super) fn subscribe(&self, fleet: &mut Fleet, who: impl Iterator<Item = (usize, String)>) -> Result<Vec<u64>> {
        if self.is_floor() {
            return Ok(Vec::new());
        }
        let requests: Vec<_> = who.map(|(on, conversation)| (on, wire::subscribe(&conversation, None))).collect();
        fleet.ask(&requests, &[Kind::Confirmed, Kind::Unrecovered])
    }

    /// Opens pairs: connection 2n is a visitor, 2n + 1 the user who answers, both subscribed to conversation n.
    pub(super) fn pairs(&self, count: usize, shape: Shape) -> Result<Fleet> {
        let mut fleet = self.fleet()?;
        let greetings =
            (0..count).flat_map(|pair| [Role::Visitor, Role::User].map(|role| self.greeting(role, pair, pair, shape)));
        let first = fleet.open(greetings.collect::<Result<_>>()?)?;
        // The visitors come first: a conversation exists once its visitor has asked for it.
        for side in [0, 1] {
            self.subscribe(&mut fleet, (0..count).map(|pair| (first + 2 * pair + side, self.conversation(pair))))?;
        }
        self.process.settle(&mut fleet).context("waiting for the peer to settle")?;
        Ok(fleet)
    }
}
