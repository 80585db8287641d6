//! What must hold when all is quiet behind a history.

use std::collections::{BTreeMap, BTreeSet};

use cossistant_engine::{Channel, Input};
use cossistant_protocol::PersonId;
use cossistant_server::sim::{Tenant, WEBSITE};
use cossistant_server::store::{Audience, EventBody, StoredEvent};

use super::client::{Acked, Client};
use super::history::{History, conversation};
use super::judge::audience;
use super::reader::What;
use super::rule::{Failure, Rule};

/// How long everything may take to become quiet, in steps of a second.
const PATIENCE: u64 = 240;
/// How long it takes to hold what is shown against what newcomers are told, in ms.
const JUDGING_MS: u64 = 10_000;

impl History {
    /// Ends all that is wrong, waits until everything is quiet, and judges the whole.
    pub(super) fn check_at_the_end(&mut self) {
        say!(self.world, "check: the end");
        self.end_faults();
        self.world.is_calm = true;
        for at in 0..self.world.clients.len() {
            self.world.clients[at].throttle = None;
            self.world.input(at, Input::Visible);
            let has_queue = self.world.clients[at].engine.queued_message_count() > 0;
            if has_queue || self.dice.chance(80) {
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
            return self.world.fail(Rule::Convergence, why);
        }
        self.fall_quiet();
        if !self.world.failures.is_empty() {
            return;
        }
        self.compare(3, 1_000);
        // Who has stayed away was not told of a restore; what it knows is void all the same.
        for at in 0..self.world.clients.len() {
            self.world.forget_past(at, self.world.restores.len());
        }
        self.world.check_bounds();
        for Failure { rule, what } in self.verdicts() {
            self.world.fail(rule, what);
        }
    }

    /// Waits until nothing more can come of what happened: in some histories as long as that may ever take, in most of the
    /// small ones only until nobody has held half of a connection for as long as such things are remembered.
    fn fall_quiet(&mut self) {
        if self.dice.chance(self.size.full_quiet_percent()) {
            return self.world.run(self.quiet_ms);
        }
        let end = self.world.now + self.quiet_ms;
        let mut quiet_since = self.world.now;
        while self.world.now < end && self.world.now < quiet_since + self.rest_ms && self.world.failures.is_empty() {
            self.world.run(1_000);
            if self.world.has_leftovers() || self.unsettled().is_some() {
                quiet_since = self.world.now;
            }
        }
    }

    /// Somebody who is not yet where it wants to be, does not yet know that its link is dead, or has a token that ends
    /// before all is judged.
    fn unsettled(&self) -> Option<&Client> {
        let now = self.world.now;
        let judged_at = self.world.server.clock().as_millis() + self.quiet_ms + JUDGING_MS;
        let is_linked = |client: &Client| {
            client.link.as_ref().is_some_and(|link| link.is_sound(now) && link.token.expires_at > judged_at)
        };
        self.world.clients.iter().find(|client| !client.is_settled() || (client.is_wanted && !is_linked(client)))
    }

    fn verdicts(&self) -> Vec<Failure> {
        let ids = self.conversations.iter().flat_map(|(_, ids)| ids);
        let books: Books =
            ids.map(|id| (id.as_str(), self.world.server.events(&conversation(id), Audience::Team))).collect();
        let mut why = Verdicts(Vec::new());
        for client in &self.world.clients {
            self.judge_acks(client, &books, &mut why);
            self.judge_reader(client, &books, &mut why);
            if let Some(open) = client.sent.iter().find(|(_, sent)| sent.is_open) {
                why.push(Rule::Convergence, format!("{} has an open message: {open:?}", client.name));
            }
        }
        judge_store(&books, &mut why);
        self.judge_truth(&mut why);
        why.0
    }

    /// Whether an acknowledged message must still be there: every backup that was restored since had it.
    fn is_kept(&self, acked: &Acked) -> bool {
        self.world.restores[acked.life..].iter().all(|restore| restore.messages.contains(&acked.message))
    }

    /// What was acknowledged is stored, once, at the place that was told, in the order of sending.
    fn judge_acks(&self, client: &Client, books: &Books, why: &mut Verdicts) {
        for acked in client.acked.iter().filter(|acked| self.is_kept(acked)) {
            let is_it = |event: &&StoredEvent| match &event.body {
                EventBody::Message(message) => {
                    message.key.as_str() == acked.key
                        && message.sender.id == client.person
                        && message.sender.kind == client.kind
                }
                EventBody::Created { .. }
                | EventBody::Updated { .. }
                | EventBody::Status { .. }
                | EventBody::Assigned { .. } => false,
            };
            let found: Vec<&StoredEvent> =
                books.get(acked.conversation.as_str()).into_iter().flatten().filter(is_it).collect();
            let [event] = found.as_slice() else {
                let rule = if found.is_empty() { Rule::Acked } else { Rule::Idempotency };
                why.push(
                    rule,
                    format!("{}'s acked message {} is stored {} times", client.name, acked.key, found.len()),
                );
                continue;
            };
            let seq = event.seq(audience(client.kind));
            let is_it = matches!(&event.body, EventBody::Message(message) if message.id == acked.message);
            if seq != Some(acked.seq) || !is_it {
                why.push(Rule::Acked, format!("{}'s ack of {} named another place: {acked:?}", client.name, acked.key));
            }
        }
        let mut newest: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let kept = client.acked.iter().filter(|acked| self.is_kept(acked));
        // One that was refused, and stored when it was sent again meanwhile, comes when it comes.
        let is_placed = |number: &u64| client.sent.get(number).is_some_and(|sent| !sent.was_refused);
        let numbered = kept.filter_map(|acked| Some((number(&acked.key).filter(is_placed)?, acked)));
        let mut in_order: Vec<_> = numbered.collect();
        in_order.sort_by_key(|(number, _)| *number);
        for (number, acked) in in_order {
            if let Some((before, seq)) = newest.insert(&acked.conversation, (number, acked.seq))
                && seq >= acked.seq
                && before != number
            {
                why.push(
                    Rule::OnceInOrder,
                    format!("{}'s messages {before} and {number} are stored in the wrong order", client.name),
                );
            }
        }
    }

    /// Every reader has got every durable event, as it is stored.
    fn judge_reader(&self, client: &Client, books: &Books, why: &mut Verdicts) {
        if client.tenant == Tenant::Other {
            if client.reader.threads.values().any(|thread| !thread.told.is_empty()) {
                why.push(Rule::Audience, format!("{} was told of another organization", client.name));
            }
            return;
        }
        let audience = audience(client.kind);
        let (held, confirmed) = (client.held_conversations(), client.confirmed());
        for (id, thread) in &client.reader.threads {
            let events = books.get(id.as_str()).into_iter().flatten();
            let stored: Vec<&StoredEvent> = events.filter(|event| event.seq(audience).is_some()).collect();
            for (seq, told) in &thread.told {
                let at = usize::try_from(seq - 1).ok().and_then(|at| stored.get(at));
                if at.map(|event| What::of_stored(event)).as_ref() != Some(told) {
                    why.push(
                        Rule::OnceInOrder,
                        format!("{} was told {told:?} at {id} {seq}, but stored is {at:?}", client.name),
                    );
                }
            }
            let is_live = confirmed.iter().any(|live| matches!(live, Channel::Conversation(of) if of == id));
            let head = stored.len() as u64;
            if held.contains(id) && is_live && thread.last.is_some_and(|last| last != head) && !thread.is_open_ended() {
                why.push(Rule::OnceInOrder, format!("{} has {id} up to {:?} of {head}", client.name, thread.last));
            }
        }
        let is_live = confirmed.iter().any(|channel| matches!(channel, Channel::Website(_)));
        if let (Some(base), true) = (client.reader.website_base, is_live) {
            for event in books.values().flatten() {
                let has_jumped = client.reader.threads.get(event.conversation.as_str()).is_some_and(|it| it.has_jumped);
                if event.offset > base && !client.reader.offsets.contains(&event.offset) && !has_jumped {
                    why.push(
                        Rule::OnceInOrder,
                        format!("{} never got offset {} of {WEBSITE}", client.name, event.offset),
                    );
                    return;
                }
            }
        }
    }

    /// What is shown is what is so: nobody types, those view who view, those are online who are.
    fn judge_truth(&self, why: &mut Verdicts) {
        let clients: Vec<&Client> = self.world.clients.iter().filter(|client| client.tenant == Tenant::Ours).collect();
        let is_team_here = clients.iter().any(|client| !client.is_visitor() && client.is_wanted);
        let here: BTreeSet<&str> =
            clients.iter().filter(|it| it.is_visitor() && it.is_wanted).map(|it| it.person.as_str()).collect();
        let open = self.visitors_with_open();
        for client in clients.iter().filter(|client| client.is_connected()) {
            let name = &client.name;
            let (replica, is_visitor) = (&client.replica, client.is_visitor());
            if is_visitor && replica.is_team_online != Some(is_team_here) {
                why.push(
                    Rule::Truth,
                    format!("{name} thinks of the team's being online: {:?}", replica.is_team_online),
                );
            }
            if let Some(website) = &replica.website {
                let online: BTreeSet<&str> = website.online.keys().map(PersonId::as_str).collect();
                let truth: BTreeSet<&str> = here.iter().copied().filter(|id| open.contains(*id)).collect();
                if online != truth || !website.typing.is_empty() {
                    why.push(
                        Rule::Truth,
                        format!("{name} shows {website:?}, but {truth:?} are online and nobody types"),
                    );
                }
            }
            for (id, (_, view)) in &replica.conversations {
                if !client.confirmed().contains(&Channel::Conversation(id.clone())) {
                    continue;
                }
                let viewing: BTreeSet<PersonId> = clients
                    .iter()
                    .filter(|other| other.viewing.contains(id) && other.person != client.person)
                    .map(|other| other.person.clone())
                    .collect();
                let others: BTreeSet<PersonId> =
                    view.viewing.iter().filter(|other| **other != client.person).cloned().collect();
                let visitor = view.visitor.as_ref().map_or("", PersonId::as_str);
                let is_online = here.contains(visitor);
                let is_wrong = view.online.is_some_and(|online| online != is_online) && open.contains(visitor);
                if (!is_visitor && others != viewing) || !view.typing.is_empty() || is_wrong {
                    why.push(
                        Rule::Truth,
                        format!("{name} shows {id} as {view:?}; viewing are {viewing:?}, online is {is_online}"),
                    );
                }
                let stored = self.world.server.conversation(&conversation(id));
                let is_so = stored
                    .as_ref()
                    .is_some_and(|stored| Some(stored.status) == view.status && stored.assignee == view.assignee);
                if !is_so {
                    why.push(Rule::Truth, format!("{name} shows {id} as {view:?}, but stored is {stored:?}"));
                }
            }
        }
    }
}

/// Numbers are dense, and no idempotency key is stored twice.
fn judge_store(books: &Books, why: &mut Verdicts) {
    let mut offsets: Vec<u64> = books.values().flatten().map(|event| event.offset).collect();
    offsets.sort_unstable();
    if let Some((due, offset)) = (1..).zip(&offsets).find(|(due, offset)| due != *offset) {
        why.push(Rule::OnceInOrder, format!("{WEBSITE} has offset {offset} where {due} is due"));
    }
    for (id, events) in books {
        for audience in [Audience::Team, Audience::Visitor] {
            for (at, seq) in events.iter().filter_map(|event| event.seq(audience)).enumerate() {
                if seq != at as u64 + 1 {
                    why.push(Rule::OnceInOrder, format!("{id} has {seq} where {} is due for {audience:?}", at + 1));
                }
            }
        }
        let mut keys = BTreeSet::new();
        for event in events {
            if let EventBody::Message(message) = &event.body
                && !keys.insert((&message.sender, &message.key))
            {
                why.push(Rule::Idempotency, format!("{id} has {} twice", message.key));
            }
        }
    }
}

/// Everything durable of each conversation, in order.
type Books<'a> = BTreeMap<&'a str, Vec<StoredEvent>>;

/// What was found to be wrong.
struct Verdicts(Vec<Failure>);

impl Verdicts {
    fn push(&mut self, rule: Rule, what: String) {
        self.0.push(Failure { rule, what });
    }
}

fn number(key: &str) -> Option<u64> {
    key.rsplit('-').next()?.parse().ok()
}
