//! The same random operations on two stores, every answer compared.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use cossistant_protocol::{
    ConversationId, ConversationStatus, Identity, MessageId, OrganizationId, PersonId, UserType, Visibility,
};

use super::world::{World, at, conv, id, key, msg, org, person, says, site, user, visitor, web, website_row};
use crate::store::{
    AppendMessage, AssigneeFilter, Audience, ChangeConversation, ConversationQuery, CreateConversation, DeleteMessage,
    EditMessage, IdentifyVisitor, MarkSeen, MessagePage, PersonKey, Scope, Store, StoreError, StoreFuture, TouchPerson,
    Websites,
};

/// A small generator, so that a seed says all.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // The constants are of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.one_in(2) { Some(make(self)) } else { None }
    }
}

/// An answer of both, when they are ready.
type Pair = (String, StoreFuture<String>, StoreFuture<String>);

fn shown<T: Debug + Send + 'static>(call: StoreFuture<T>) -> StoreFuture<String> {
    Box::pin(async move { Ok(format!("{:?}", call.await)) })
}

/// Drives both stores with the operations of one seed.
pub(in crate::store) async fn same_answers(one: Arc<dyn Store>, other: Arc<dyn Store>, seed: u64, bursts: u64) {
    let (one, other) = (World::new(one).await.store, World::new(other).await.store);
    go_on(one, other, seed, 0..bursts).await;
}

/// The same on two stores that have a world with the same history already.
pub(in crate::store) async fn go_on(one: Arc<dyn Store>, other: Arc<dyn Store>, seed: u64, bursts: Range<u64>) {
    let mut random = Random(seed);
    let last = bursts.end;
    for burst in bursts {
        let mut pairs = Vec::new();
        for _ in 0..=random.below(24) {
            pairs.push(write(&mut random, &one, &other, burst));
        }
        compare(seed, burst, pairs).await;
        let pairs = (0..12).map(|_| read(&mut random, &one, &other)).collect();
        compare(seed, burst, pairs).await;
    }
    let mut pairs = Vec::new();
    for organization in ["o", "p"] {
        for website in ["a", "b"] {
            let (organization, website) = (org(organization), web(website));
            pairs.push(both("website_events", &one, &other, |store| {
                shown(store.website_events(organization.clone(), website.clone(), 0, u64::MAX, 1_000_000))
            }));
        }
    }
    compare(seed, last, pairs).await;
}

async fn compare(seed: u64, burst: u64, pairs: Vec<Pair>) {
    for (what, a, b) in pairs {
        let (a, b) = (a.await.unwrap(), b.await.unwrap());
        assert_eq!(a, b, "seed {seed}, burst {burst}: {what}");
    }
}

fn both(
    what: impl Into<String>,
    one: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
    call: impl Fn(&dyn Store) -> StoreFuture<String>,
) -> Pair {
    (what.into(), call(&**one), call(&**other))
}

const VISITORS: [&str; 5] = ["v1", "v2", "v3", "v4", "v5"];
const TEAM: [&str; 3] = ["anna", "ben", "v1"];
const CONVERSATIONS: [&str; 7] = ["c1", "c2", "c3", "c4", "c5", "c6", "c7"];
const WORDS: [&str; 8] = ["apple", "apricot", "Banana", "bánd", "cherry", "cola 注文", "date", "x@y.example"];

impl Random {
    fn organization(&mut self) -> OrganizationId {
        if self.one_in(12) { org("p") } else { org("o") }
    }

    fn visitor(&mut self) -> PersonId {
        id(self.of(&VISITORS))
    }

    fn website(&mut self) -> cossistant_protocol::WebsiteId {
        if self.one_in(30) { web("z") } else { web(self.of(&["a", "a", "b"])) }
    }

    fn member(&mut self) -> PersonKey {
        let kind = self.of(&[UserType::User, UserType::User, UserType::AiAgent]);
        person(kind, self.of(&TEAM))
    }

    fn websites(&mut self) -> Websites {
        match self.below(4) {
            0 => Websites::Only(Arc::from([web("b")])),
            1 => Websites::Only(Arc::from([web("a"), web("z")])),
            _ => Websites::All,
        }
    }

    /// A scope and one who acts in it, mostly fitting.
    fn actor(&mut self) -> (Scope, PersonKey) {
        let visitor_id = self.visitor();
        let scope = if self.one_in(2) {
            Scope::Visitor { website: self.website(), visitor: visitor_id.clone() }
        } else {
            Scope::Team { websites: self.websites() }
        };
        let fits = !self.one_in(15);
        let who = match (&scope, fits) {
            (Scope::Visitor { .. }, true) => visitor(visitor_id.as_str()),
            (Scope::Team { .. }, true) => self.member(),
            (_, false) => self.of(&[visitor("v1"), user("anna")]),
        };
        (scope, who)
    }

    fn message(&mut self) -> (ConversationId, MessageId) {
        let name = self.of(&CONVERSATIONS);
        (conv(name), says("x", name, &format!("k{}", self.below(40)), "").message)
    }

    fn text(&mut self) -> String {
        (0..=self.below(3)).map(|_| self.of(&WORDS)).collect::<Vec<_>>().join(" ")
    }

    fn append(&mut self, burst: u64) -> AppendMessage {
        let (scope, sender) = self.actor();
        let (conversation, request) = (self.of(&CONVERSATIONS), format!("k{}", self.below(40)));
        let text = if self.one_in(3) { self.text() } else { request.clone() };
        let said = says("x", conversation, &request, &text);
        AppendMessage {
            organization: self.organization(),
            scope,
            // Edits find a message by an id that is made of its key; two of one key meet in `Conflict::Taken`.
            message: if self.one_in(2) { said.message.clone() } else { msg(&format!("m{}", self.next())) },
            visibility: self.of(&[Visibility::Public, Visibility::Public, Visibility::Internal]),
            sender_name: self.some(|_| Arc::from("Name")),
            may_create: !self.one_in(5),
            at: at(burst * 10 + self.below(30)),
            sender,
            ..said
        }
    }
}

fn write(random: &mut Random, one: &Arc<dyn Store>, other: &Arc<dyn Store>, burst: u64) -> Pair {
    match random.below(100) {
        0..50 => {
            let append = random.append(burst);
            both(format!("{append:?}"), one, other, |store| shown(store.append_message(append.clone())))
        }
        50..58 => edit(random, one, other, burst),
        58..62 => delete(random, one, other, burst),
        62..68 => {
            let create = CreateConversation {
                website: site(random.organization().as_str(), random.website().as_str()),
                visitor: random.visitor(),
                conversation: conv(random.of(&CONVERSATIONS)),
                at: at(burst * 10),
            };
            both(format!("{create:?}"), one, other, |store| shown(store.create_conversation(create.clone())))
        }
        68..78 => change(random, one, other, burst),
        78..88 => {
            let (scope, who) = random.actor();
            let mark = MarkSeen {
                organization: random.organization(),
                scope,
                conversation: conv(random.of(&CONVERSATIONS)),
                person: who,
                name: random.some(|_| Arc::from("Name")),
                avatar_url: None,
                seq: random.below(60),
                at: at(burst * 10),
            };
            both(format!("{mark:?}"), one, other, |store| shown(store.mark_seen(mark.clone())))
        }
        88..93 => {
            let is_visitor = random.one_in(2);
            let touch = TouchPerson {
                person: if is_visitor { visitor(random.visitor().as_str()) } else { random.member() },
                organization: random.organization(),
                websites: vec![random.website()],
                name: random.some(|random| Arc::from(random.text())),
                email: random.some(|_| Arc::from("x@y.example")),
                avatar_url: random.some(|_| Arc::from("https://a/b.png")),
                page: random.some(|random| format!("https://a/{}", random.below(9))),
                at: at(burst * 10 + random.below(30)),
            };
            both(format!("{touch:?}"), one, other, |store| shown(store.touch_person(touch.clone())))
        }
        93..99 => {
            let identify = IdentifyVisitor {
                website: site(random.organization().as_str(), random.website().as_str()),
                visitor: random.some(Random::visitor),
                fresh: id(&format!("fresh-{}", random.below(3))),
                identity: Identity {
                    external_id: Some(random.of(&["e1", "e2", "e3"]).to_owned()),
                    email: random.some(|_| "e@x.example".to_owned()),
                    name: random.some(Random::text),
                },
                at: at(burst * 10),
            };
            both(format!("{identify:?}"), one, other, |store| shown(store.identify_visitor(identify.clone())))
        }
        _ => {
            let key = site("o", random.of(&["b", "b", "b", "a"]));
            if random.one_in(2) {
                both(format!("delete {key:?}"), one, other, |store| shown(store.delete_website(key.clone())))
            } else {
                both(format!("create {key:?}"), one, other, |store| {
                    shown(store.create_website(website_row(key.clone())))
                })
            }
        }
    }
}

fn edit(random: &mut Random, one: &Arc<dyn Store>, other: &Arc<dyn Store>, burst: u64) -> Pair {
    let (scope, editor) = random.actor();
    let text = random.text();
    let (conversation, message) = random.message();
    let edit = EditMessage {
        organization: org("o"),
        scope,
        conversation,
        message,
        editor,
        not_before: random.some(|random| at((burst * 10).saturating_sub(random.below(100)))),
        content: Arc::from(format!("{{\"text\":{text:?}}}")),
        search_text: text,
        at: at(burst * 10),
    };
    both(format!("{edit:?}"), one, other, |store| shown(store.edit_message(edit.clone())))
}

fn delete(random: &mut Random, one: &Arc<dyn Store>, other: &Arc<dyn Store>, burst: u64) -> Pair {
    let (scope, editor) = random.actor();
    let (conversation, message) = random.message();
    let delete = DeleteMessage {
        organization: org("o"),
        scope,
        conversation,
        message,
        editor,
        is_admin: random.one_in(3),
        not_before: None,
        at: at(burst * 10),
    };
    both(format!("{delete:?}"), one, other, |store| shown(store.delete_message(delete.clone())))
}

fn change(random: &mut Random, one: &Arc<dyn Store>, other: &Arc<dyn Store>, burst: u64) -> Pair {
    let somebody = |random: &mut Random| random.some(|random| id(random.of(&TEAM)));
    let change = ChangeConversation {
        organization: random.organization(),
        scope: Scope::Team { websites: random.websites() },
        conversation: conv(random.of(&CONVERSATIONS)),
        status: random.some(|random| random.of(ConversationStatus::ALL)),
        assignee: random.some(somebody),
        if_assigned_to: if random.one_in(3) { Some(somebody(random)) } else { None },
        by: random.some(|random| id(random.of(&TEAM))),
        at: at(burst * 10 + random.below(30)),
    };
    both(format!("{change:?}"), one, other, |store| shown(store.change_conversation(change.clone())))
}

fn read(random: &mut Random, one: &Arc<dyn Store>, other: &Arc<dyn Store>) -> Pair {
    let (scope, who) = random.actor();
    let (o, c) = (random.organization(), conv(random.of(&CONVERSATIONS)));
    match random.below(10) {
        0 => {
            let audience = random.of(&[Audience::Team, Audience::Visitor]);
            let (after, upto) = (random.below(30), random.below(80));
            let limit = usize::try_from(random.below(50)).unwrap();
            both(format!("conversation_events {o} {c} {audience:?} {after}..{upto}"), one, other, |store| {
                shown(store.conversation_events(o.clone(), c.clone(), audience, after, upto, limit))
            })
        }
        1 => both(format!("snapshot {o} {scope:?} {c}"), one, other, |store| {
            shown(store.conversation_snapshot(o.clone(), scope.clone(), c.clone()))
        }),
        2 => {
            let page = MessagePage {
                before: random.some(|random| random.below(60)),
                after: random.some(|random| random.below(60)),
                limit: usize::try_from(random.below(20)).unwrap(),
            };
            both(format!("messages {o} {scope:?} {c} {page:?}"), one, other, |store| {
                shown(store.messages(o.clone(), scope.clone(), c.clone(), page))
            })
        }
        3 => {
            let request = key(&format!("k{}", random.below(40)));
            both(format!("known {o} {scope:?} {c} {who:?} {request}"), one, other, |store| {
                shown(store.known_message(o.clone(), scope.clone(), c.clone(), who.clone(), request.clone()))
            })
        }
        4 => {
            let (website, visitor) = (site(o.as_str(), random.website().as_str()), random.visitor());
            both(format!("visitor {website:?} {visitor}"), one, other, |store| {
                let all = (
                    shown(store.visitor(website.clone(), visitor.clone())),
                    shown(store.resolve_visitor(website.clone(), visitor.clone())),
                    shown(store.open_conversations(website.clone(), visitor.clone())),
                    shown(store.visitor_websites(website.organization.clone(), visitor.clone())),
                    shown(store.members(website.clone())),
                );
                Box::pin(async move {
                    Ok::<_, StoreError>(
                        [all.0.await?, all.1.await?, all.2.await?, all.3.await?, all.4.await?].join("\n"),
                    )
                })
            })
        }
        5 => both("directory", one, other, |store| shown(store.directory())),
        _ => list(random, one, other, o, scope, who),
    }
}

fn list(
    random: &mut Random,
    one: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
    organization: OrganizationId,
    scope: Scope,
    asker: PersonKey,
) -> Pair {
    let query = ConversationQuery {
        organization,
        scope,
        asker,
        website: random.some(Random::website),
        visitor: if random.one_in(4) { Some(random.visitor()) } else { None },
        status: if random.one_in(4) { Some(random.of(ConversationStatus::ALL)) } else { None },
        assignee: match random.below(6) {
            0 => Some(AssigneeFilter::Nobody),
            1 => Some(AssigneeFilter::Person(id(random.of(&TEAM)))),
            _ => None,
        },
        search: match random.below(3) {
            0 => vec![random.of(&["a", "ap", "b", "BAN", "chér", "x@y", "注", "c d", "e", "k1", "-"]).to_owned()],
            _ => Vec::new(),
        },
        after: if random.one_in(3) { Some((at(random.below(600)), conv(random.of(&CONVERSATIONS)))) } else { None },
        limit: usize::try_from(random.below(8)).unwrap(),
    };
    both(format!("{query:?}"), one, other, |store| shown(store.conversations(query.clone())))
}
