//! What must hold while a history goes on: what clients show is what somebody is told who comes anew.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::Channel;
use cossistant_protocol::{ConversationStatus, PersonId, ServerMessage, UserType};
use cossistant_server::sim::{FromClient, FromServer, Tenant};
use cossistant_server::store::Audience;

use super::client::{Client, HeldChannel};
use super::history::{History, conversation};
use super::replica::{ConversationView, Person, Replica};
use super::rule::Rule;
use super::world::Due;

/// Longer than a node is believed to be there that is not, in ms.
pub(super) const LEASE_MS: u64 = 16_000;

/// How long other nodes may take to tell what stands at them, in ms.
const ASKED_MS: u64 = 1_000;

pub(super) fn audience(kind: UserType) -> Audience {
    if kind.is_team() { Audience::Team } else { Audience::Visitor }
}

impl History {
    /// Ends what is wrong with the node, lets it work off what waits, and holds what clients show against what
    /// somebody is told who comes anew.
    pub(super) fn check_meanwhile(&mut self) {
        say!(self.world, "check: quiet for a moment");
        self.end_faults();
        let is_alone = self.world.server.nodes() == 1;
        self.world.run(if is_alone { 3_500 } else { LEASE_MS });
        for at in 0..self.world.clients.len() {
            if self.dice.chance(40) {
                self.type_on(at);
            }
        }
        self.world.run(700);
        self.compare(4, 200);
        self.world.check_bounds();
    }

    /// The node and the store are well from now on; links that are broken stay so until that is noticed.
    pub(super) fn end_faults(&mut self) {
        self.world.server.crash_no_more();
        for due in [Due::StoreWell, Due::PaceOver, Due::LossOver, Due::BusWell] {
            self.world.put(0, due);
        }
    }

    /// Holds every client against a newcomer, again after a pause if they differ, since news may be under way.
    pub(super) fn compare(&mut self, attempts: usize, pause: u64) {
        let mut differences = Vec::new();
        for _ in 0..attempts {
            differences = self.differences();
            if differences.is_empty() || !self.world.failures.is_empty() {
                return;
            }
            self.world.run(pause);
        }
        if let Some(first) = differences.into_iter().next() {
            self.world.fail(Rule::SnapshotLaw, first);
        }
    }

    fn differences(&mut self) -> Vec<String> {
        let mut fresh: BTreeMap<(Audience, PersonId), Replica> = BTreeMap::new();
        let mut wanted: BTreeMap<(Audience, PersonId), (UserType, BTreeSet<HeldChannel>)> = BTreeMap::new();
        let probe = PersonId::new("probe").expect("an id");
        let now = self.world.now;
        for client in self.world.clients.iter().filter(|client| is_sound(client, now)) {
            let who = if client.is_visitor() { client.person.clone() } else { probe.clone() };
            let kind = if client.is_visitor() { UserType::Visitor } else { UserType::User };
            let entry = wanted.entry((audience(kind), who)).or_insert((kind, BTreeSet::new()));
            entry.1.extend(client.confirmed().iter().map(super::client::name_of));
        }
        for (who, (kind, channels)) in wanted {
            if let Some(replica) = self.probe(kind, &who.1, &channels) {
                fresh.insert(who, replica);
            }
        }
        let open = self.visitors_with_open();
        let twice = self.people_with_two_clients();
        let noted = self.conversations_with_notes();
        let mut differences = Vec::new();
        let now = self.world.now;
        for client in self.world.clients.iter().filter(|client| is_sound(client, now)) {
            let who = if client.is_visitor() { client.person.clone() } else { probe.clone() };
            let Some(fresh) = fresh.get(&(audience(client.kind), who)) else { continue };
            compare_one(client, fresh, &Known { open: &open, twice: &twice, noted: &noted }, &mut differences);
        }
        differences
    }

    /// What somebody is told who comes anew; nothing if the node is down or does not answer.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a probe waits for three kinds of messages")]
    fn probe(&mut self, kind: UserType, who: &PersonId, channels: &BTreeSet<HeldChannel>) -> Option<Replica> {
        let token = self.world.server.token(Tenant::Ours, kind, who, 600);
        let (connection, _) = self.world.server.open(&token)?;
        let mut replica = Replica::default();
        let mut waiting = channels.len();
        let mut has_asked = false;
        // What other nodes know is told behind the confirmation where nobody listened before.
        let mut pause = if self.world.server.nodes() > 1 { ASKED_MS } else { 0 };
        for _ in 0..400 {
            self.world.run(5);
            for what in self.world.server.take(connection, usize::MAX) {
                let FromServer::Text(text) = what else { continue };
                say!(self.world, "probe {who} <- {text}");
                let Ok(message) = ServerMessage::parse(&text) else { continue };
                match &message {
                    ServerMessage::SubscriptionConfirmed(_) => waiting -= 1,
                    ServerMessage::SubscriptionError(_) => return None,
                    ServerMessage::ConnectionEstablished(_) if !has_asked => {
                        has_asked = true;
                        for (is_conversation, id) in channels {
                            let id = id.clone();
                            let channel =
                                if *is_conversation { Channel::Conversation(id) } else { Channel::Website(id) };
                            let text = subscribe_frame(&channel)?;
                            self.world.server.deliver(connection, FromClient::Text(text));
                        }
                    }
                    _ => {}
                }
                replica.apply(&message);
            }
            if waiting == 0 && has_asked && pause > 0 {
                self.world.run(std::mem::take(&mut pause));
                continue;
            }
            if waiting == 0 && has_asked {
                self.world.server.deliver(connection, FromClient::Close(Some(1000)));
                self.world.server.take(connection, usize::MAX);
                return Some(replica);
            }
        }
        if self.world.server.has(connection) {
            let what = format!("a newcomer waits for {waiting} of {} confirmations", channels.len());
            self.world.fail(Rule::Convergence, what);
        }
        None
    }

    /// People who may type by one client while their message goes by another: which of the two came last may be told
    /// differently by two shards, for as long as one state of typing lasts.
    fn people_with_two_clients(&self) -> BTreeSet<Person> {
        let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for client in self.world.clients.iter().filter(|client| client.tenant == Tenant::Ours) {
            let person = (client.kind, client.person.clone());
            if !once.insert(person.clone()) {
                twice.insert(person);
            }
        }
        twice
    }

    /// Conversations with notes, where there are several nodes: a mark that was set at one and missed at another is not told
    /// to a visitor there if it may have passed notes alone, but with the next one.
    fn conversations_with_notes(&self) -> BTreeSet<String> {
        let has_notes = |id: &&String| {
            let events = self.world.server.events(&conversation(id), Audience::Team);
            events.iter().any(|event| event.visitor_seq.is_none())
        };
        let ids = self.conversations.iter().flat_map(|(_, ids)| ids);
        if self.world.server.nodes() > 1 { ids.filter(has_notes).cloned().collect() } else { BTreeSet::new() }
    }

    pub(super) fn visitors_with_open(&self) -> BTreeSet<String> {
        let is_open = |id: &String| {
            self.world.server.conversation(&conversation(id)).is_some_and(|it| it.status != ConversationStatus::Closed)
        };
        let with_open = self.conversations.iter().filter(|(_, ids)| ids.iter().any(is_open));
        with_open.map(|(visitor, _)| visitor.to_string()).collect()
    }
}

/// Whether a client is where it wants to be and hears everything.
fn is_sound(client: &Client, now: u64) -> bool {
    client.tenant == Tenant::Ours
        && client.is_connected()
        && client.link.as_ref().is_some_and(|link| link.is_sound(now))
}

/// What has to be known to compare what two clients show.
struct Known<'a> {
    /// Visitors with an open conversation.
    open: &'a BTreeSet<String>,
    /// People with two clients.
    twice: &'a BTreeSet<Person>,
    /// Conversations of which visitors may be told marks late.
    noted: &'a BTreeSet<String>,
}

fn compare_one(client: &Client, fresh: &Replica, known: &Known<'_>, differences: &mut Vec<String>) {
    let Known { open, twice, noted } = known;
    let own = (client.kind, client.person.clone());
    let is_told = |typist: &Person| !twice.contains(typist) && *typist != own;
    for channel in client.confirmed() {
        match channel {
            Channel::Conversation(id) => {
                let (Some((_, shown)), Some((_, told))) =
                    (client.replica.conversations.get(&id), fresh.conversations.get(&id))
                else {
                    continue;
                };
                let (mut shown, mut told) = (without_own(shown, &own, open), without_own(told, &own, open));
                for view in [&mut shown, &mut told] {
                    view.typing.retain(is_told);
                    if client.is_visitor() && noted.contains(&id) {
                        view.seen.retain(|(kind, _), _| *kind == UserType::Visitor);
                    }
                }
                if shown != told {
                    differences.push(format!("{} shows {id} as {shown:?}, a newcomer is told {told:?}", client.name));
                }
            }
            Channel::Website(_) => {
                let (Some(shown), Some(told)) = (&client.replica.website, &fresh.website) else { continue };
                let (mut shown, mut told) = (shown.clone(), told.clone());
                for view in [&mut shown, &mut told] {
                    view.typing.retain(|(_, person)| is_told(person));
                }
                if shown != told {
                    differences
                        .push(format!("{} shows the website as {shown:?}, a newcomer is told {told:?}", client.name));
                }
            }
        }
    }
}

/// Nobody is told of oneself. Whether a visitor without an open conversation is online is told to nobody.
fn without_own(view: &ConversationView, own: &Person, open: &BTreeSet<String>) -> ConversationView {
    let mut view = view.clone();
    view.typing.remove(own);
    match own.0 {
        UserType::User => {
            view.viewing.remove(&own.1);
        }
        UserType::AiAgent => {
            view.activity.remove(&own.1);
        }
        UserType::Visitor => {}
    }
    if view.visitor.as_ref().is_some_and(|visitor| !open.contains(visitor.as_str())) {
        view.online = None;
    }
    view
}

/// The frame of somebody who comes anew.
fn subscribe_frame(channel: &Channel) -> Option<std::sync::Arc<str>> {
    let id = "probe".to_owned();
    let subscribe = cossistant_engine::Frame::Subscribe { id, channel: channel.clone(), after: None, epoch: None };
    super::translate::encode(subscribe, None)
}
