//! What must hold: while a history goes on, and when all is quiet behind it.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::{Channel, Input};
use cossistant_protocol::{ConversationStatus, PersonId, ServerMessage, UserType};
use cossistant_server::sim::{FromClient, FromServer, WEBSITE};
use cossistant_server::store::{Audience, EventBody, StoredEvent};

use super::client::{Client, HeldChannel};
use super::history::{History, conversation, subscribe_frame};
use super::reader::stored_as;
use super::replica::{ConversationView, Person, Replica};
use super::world::Due;

/// How long everything may take to become quiet, in steps of a second.
const PATIENCE: u64 = 240;
/// Longer than it takes to notice a silent connection and to wait for a lost person's grace, in ms.
const QUIET_MS: u64 = 45_000;

fn audience(kind: UserType) -> Audience {
    if kind.is_team() { Audience::Team } else { Audience::Visitor }
}

impl History {
    // ---- meanwhile ----

    /// Ends what is wrong with the node, lets it work off what waits, and holds what clients show against what
    /// somebody is told who comes anew.
    pub(super) fn check_meanwhile(&mut self) {
        self.world.say(format_args!("check: quiet for a moment"));
        self.end_faults();
        self.world.run(3_500);
        for at in 0..self.world.clients.len() {
            if self.world.dice.chance(40) {
                self.type_on(at);
            }
        }
        self.world.run(700);
        self.compare(4, 200);
        self.world.check_bounds();
    }

    /// The node and the store are well from now on; links that are broken stay so until that is noticed.
    fn end_faults(&mut self) {
        self.world.server.crash_at_next_commit(false);
        for due in [Due::StoreUp, Due::PaceOver, Due::LossOver] {
            self.world.put(0, due);
        }
    }

    /// Holds every client against a newcomer, again after a pause if they differ, since news may be under way.
    fn compare(&mut self, attempts: usize, pause: u64) {
        let mut differences = Vec::new();
        for _ in 0..attempts {
            differences = self.differences();
            if differences.is_empty() || !self.world.failures.is_empty() {
                return;
            }
            self.world.run(pause);
        }
        if let Some(first) = differences.into_iter().next() {
            self.world.fail(first);
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
        let mut differences = Vec::new();
        let now = self.world.now;
        for client in self.world.clients.iter().filter(|client| is_sound(client, now)) {
            let who = if client.is_visitor() { client.person.clone() } else { probe.clone() };
            let Some(fresh) = fresh.get(&(audience(client.kind), who)) else { continue };
            compare_one(client, fresh, &open, &twice, &mut differences);
        }
        differences
    }

    /// What somebody is told who comes anew; nothing if the node is down or does not answer.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a probe waits for three kinds of messages")]
    fn probe(&mut self, kind: UserType, who: &PersonId, channels: &BTreeSet<HeldChannel>) -> Option<Replica> {
        let token = self.world.server.token(kind, who, 600);
        let connection = self.world.server.open(&token)?;
        let mut replica = Replica::default();
        let mut waiting = channels.len();
        let mut has_asked = false;
        for _ in 0..400 {
            self.world.run(5);
            for what in self.world.server.take(connection, usize::MAX) {
                let FromServer::Text(text) = what else { continue };
                let elapsed = self.world.elapsed();
                self.world.trace.note(elapsed, format_args!("probe {who} <- {text}"));
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
                            let text = subscribe_frame(&channel)?.to_string();
                            self.world.server.deliver(connection, FromClient::Text(text));
                        }
                    }
                    _ => {}
                }
                replica.apply(&message);
            }
            if waiting == 0 && has_asked {
                self.world.server.deliver(connection, FromClient::Close(Some(1000)));
                self.world.server.take(connection, usize::MAX);
                return Some(replica);
            }
        }
        if self.world.server.has(connection) {
            self.world.fail(format!("a newcomer waits for {waiting} of {} confirmations", channels.len()));
        }
        None
    }

    /// People who may type by one client while their message goes by another: which of the two came last may be told
    /// differently by two shards, for as long as one state of typing lasts.
    fn people_with_two_clients(&self) -> BTreeSet<Person> {
        let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for client in &self.world.clients {
            let person = (client.kind, client.person.to_string());
            if !once.insert(person.clone()) {
                twice.insert(person);
            }
        }
        twice
    }

    fn visitors_with_open(&self) -> BTreeSet<String> {
        let is_open = |id: &String| {
            self.world.server.conversation(&conversation(id)).is_some_and(|it| it.status != ConversationStatus::Closed)
        };
        let with_open = self.conversations.iter().filter(|(_, ids)| ids.iter().any(is_open));
        with_open.map(|(visitor, _)| visitor.to_string()).collect()
    }

    // ---- at the end ----

    /// Ends all that is wrong, waits until everything is quiet, and judges the whole.
    pub(super) fn check_at_the_end(&mut self) {
        self.world.say(format_args!("check: the end"));
        self.end_faults();
        self.world.is_calm = true;
        for at in 0..self.world.clients.len() {
            self.world.input(at, Input::Visible);
            let has_queue = self.world.clients[at].engine.queued_message_count() > 0;
            if has_queue || self.world.dice.chance(80) {
                self.connect(at);
            } else {
                // Somebody must be gone, so that it can be seen that nobody is shown who is.
                self.world.clients[at].is_wanted = false;
                self.world.input(at, Input::Disconnect);
            }
        }
        let mut patience = PATIENCE;
        while patience > 0 && self.world.failures.is_empty() && self.unsettled().is_some() {
            self.world.run(1_000);
            patience -= 1;
        }
        if !self.world.failures.is_empty() {
            return;
        }
        if let Some(client) = self.unsettled() {
            let why = format!("does not settle: {}", client.describe());
            return self.world.fail(why);
        }
        self.world.run(QUIET_MS);
        if !self.world.failures.is_empty() {
            return;
        }
        self.compare(3, 1_000);
        self.world.check_bounds();
        for why in self.verdicts() {
            self.world.fail(why);
        }
    }

    /// Somebody who is not yet where it wants to be, or does not yet know that its link is dead.
    fn unsettled(&self) -> Option<&Client> {
        let now = self.world.now;
        let is_linked = |client: &Client| client.link.as_ref().is_some_and(|link| link.is_sound(now));
        self.world.clients.iter().find(|client| !client.is_settled() || (client.is_wanted && !is_linked(client)))
    }

    fn verdicts(&self) -> Vec<String> {
        let mut why = Vec::new();
        for client in &self.world.clients {
            self.judge_acks(client, &mut why);
            self.judge_reader(client, &mut why);
            if !client.stops.is_empty() {
                why.push(format!("{} stopped for good: {:?}", client.name, client.stops));
            }
            if let Some(open) = client.sent.iter().find(|(_, sent)| sent.is_open) {
                why.push(format!("{} has an open message: {open:?}", client.name));
            }
        }
        self.judge_store(&mut why);
        self.judge_truth(&mut why);
        why
    }

    /// What was acknowledged is stored, once, at the place that was told, in the order of sending.
    fn judge_acks(&self, client: &Client, why: &mut Vec<String>) {
        let mut stored: BTreeMap<String, Vec<StoredEvent>> = BTreeMap::new();
        for acked in &client.acked {
            let events = stored
                .entry(acked.conversation.clone())
                .or_insert_with(|| self.world.server.events(&conversation(&acked.conversation), Audience::Team));
            let found: Vec<&StoredEvent> = events
                .iter()
                .filter(|event| match &event.body {
                    EventBody::Message(message) => {
                        message.key.as_str() == acked.key
                            && message.sender.id == client.person
                            && message.sender.kind == client.kind
                    }
                    EventBody::Created { .. }
                    | EventBody::Updated { .. }
                    | EventBody::Status { .. }
                    | EventBody::Assigned { .. } => false,
                })
                .collect();
            let [event] = found.as_slice() else {
                why.push(format!("{}'s acked message {} is stored {} times", client.name, acked.key, found.len()));
                continue;
            };
            let seq = if client.is_visitor() { event.visitor_seq } else { Some(event.team_seq) };
            let is_it = matches!(&event.body, EventBody::Message(message) if message.id == acked.message);
            if seq != Some(acked.seq) || !is_it {
                why.push(format!("{}'s ack of {} named another place: {acked:?}", client.name, acked.key));
            }
        }
        let mut newest: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let mut in_order: Vec<_> = client.acked.iter().filter_map(|acked| Some((number(&acked.key)?, acked))).collect();
        in_order.sort_by_key(|(number, _)| *number);
        for (number, acked) in in_order {
            if let Some((before, seq)) = newest.insert(&acked.conversation, (number, acked.seq))
                && seq >= acked.seq
                && before != number
            {
                why.push(format!("{}'s messages {before} and {number} are stored in the wrong order", client.name));
            }
        }
    }

    /// Every reader has got every durable event, as it is stored.
    fn judge_reader(&self, client: &Client, why: &mut Vec<String>) {
        let audience = audience(client.kind);
        for (id, thread) in &client.reader.threads {
            let stored = self.world.server.events(&conversation(id), audience);
            for (seq, told) in &thread.told {
                let at = usize::try_from(seq - 1).ok().and_then(|at| stored.get(at));
                if at.map(stored_as).as_ref() != Some(told) {
                    why.push(format!("{} was told {told} at {id} {seq}, but stored is {at:?}", client.name));
                }
            }
            let is_held = client.held_conversations().contains(id);
            let is_live = client.confirmed().iter().any(|channel| *channel == Channel::Conversation(id.clone()));
            let head = stored.len() as u64;
            if is_held && is_live && thread.last.is_some_and(|last| last != head) && !thread.is_open_ended() {
                why.push(format!("{} has {id} up to {:?} of {head}", client.name, thread.last));
            }
        }
        let is_live = client.confirmed().iter().any(|channel| matches!(channel, Channel::Website(_)));
        if let (Some(base), true) = (client.reader.website_base, is_live) {
            for event in self.world.server.website_events() {
                let has_jumped = client.reader.threads.get(event.conversation.as_str()).is_some_and(|it| it.has_jumped);
                if event.offset > base && !client.reader.offsets.contains(&event.offset) && !has_jumped {
                    why.push(format!("{} never got offset {} of {WEBSITE}", client.name, event.offset));
                    return;
                }
            }
        }
    }

    /// Numbers are dense, and no idempotency key is stored twice.
    fn judge_store(&self, why: &mut Vec<String>) {
        for (_, ids) in &self.conversations {
            for id in ids {
                for audience in [Audience::Team, Audience::Visitor] {
                    let mut keys = BTreeSet::new();
                    for (at, event) in self.world.server.events(&conversation(id), audience).iter().enumerate() {
                        let seq = match audience {
                            Audience::Team => Some(event.team_seq),
                            Audience::Visitor => event.visitor_seq,
                        };
                        if seq != Some(at as u64 + 1) {
                            why.push(format!("{id} has {seq:?} where {} is due for {audience:?}", at + 1));
                        }
                        if let EventBody::Message(message) = &event.body
                            && !keys.insert((message.sender.clone(), message.key.clone()))
                        {
                            why.push(format!("{id} has {} twice", message.key));
                        }
                    }
                }
            }
        }
    }

    /// What is shown is what is so: nobody types, those view who view, those are online who are.
    fn judge_truth(&self, why: &mut Vec<String>) {
        let clients = &self.world.clients;
        let is_team_here = clients.iter().any(|client| !client.is_visitor() && client.is_wanted);
        let here: BTreeSet<&str> =
            clients.iter().filter(|it| it.is_visitor() && it.is_wanted).map(|it| it.person.as_str()).collect();
        let open = self.visitors_with_open();
        for client in clients.iter().filter(|client| client.is_connected()) {
            let name = &client.name;
            let (replica, is_visitor) = (&client.replica, client.is_visitor());
            if is_visitor && replica.is_team_online != Some(is_team_here) {
                why.push(format!("{name} thinks of the team's being online: {:?}", replica.is_team_online));
            }
            if let Some(website) = &replica.website {
                let online: BTreeSet<&str> = website.online.keys().map(String::as_str).collect();
                let truth: BTreeSet<&str> = here.iter().copied().filter(|id| open.contains(*id)).collect();
                if online != truth || !website.typing.is_empty() {
                    why.push(format!("{name} shows {website:?}, but {truth:?} are online and nobody types"));
                }
            }
            for (id, (_, view)) in &replica.conversations {
                if !client.confirmed().contains(&Channel::Conversation(id.clone())) {
                    continue;
                }
                let viewing: BTreeSet<String> = clients
                    .iter()
                    .filter(|other| other.viewing.contains(id) && other.person != client.person)
                    .map(|other| other.person.to_string())
                    .collect();
                let others: BTreeSet<String> =
                    view.viewing.iter().filter(|other| **other != client.person.as_str()).cloned().collect();
                let visitor = view.visitor.clone().unwrap_or_default();
                let is_online = here.contains(visitor.as_str());
                let is_wrong = view.online.is_some_and(|online| online != is_online) && open.contains(&visitor);
                if (!is_visitor && others != viewing) || !view.typing.is_empty() || is_wrong {
                    why.push(format!("{name} shows {id} as {view:?}; viewing are {viewing:?}, online is {is_online}"));
                }
                let stored = self.world.server.conversation(&conversation(id));
                let is_so = stored
                    .as_ref()
                    .is_some_and(|stored| Some(stored.status) == view.status && stored.assignee == view.assignee);
                if !is_so {
                    why.push(format!("{name} shows {id} as {view:?}, but stored is {stored:?}"));
                }
            }
        }
    }
}

/// Whether a client is where it wants to be and hears everything.
fn is_sound(client: &Client, now: u64) -> bool {
    client.is_connected() && client.link.as_ref().is_some_and(|link| link.is_sound(now))
}

fn number(key: &str) -> Option<u64> {
    key.rsplit('-').next()?.parse().ok()
}

fn compare_one(
    client: &Client,
    fresh: &Replica,
    open: &BTreeSet<String>,
    twice: &BTreeSet<Person>,
    differences: &mut Vec<String>,
) {
    let own = (client.kind, client.person.to_string());
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
fn without_own(view: &ConversationView, own: &(UserType, String), open: &BTreeSet<String>) -> ConversationView {
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
    if view.visitor.as_ref().is_some_and(|visitor| !open.contains(visitor)) {
        view.online = None;
    }
    view
}
