//! What two nodes do at the same moment, each step of it as slow as it can be.
//!
//! A node is stopped when it has done something and not committed it yet; then another one does something else until it
//! has to wait, or is done; then the first one goes on.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use cossistant_protocol::WebhookId;
use cossistant_protocol::http::WebhookEvent;
use cossistant_testkit::eventually;

use super::nodes::nodes;
use super::server;
use crate::store::contract::world::{
    at, conv, id, identify, key, org, own, replies, says, seen, site, team, touch, user, visitor, web, website_row,
};
use crate::store::outbox::{EventSet, SigningSecret, WebhookRow};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::target::Target;
use crate::store::sql::writer::Reach;
use crate::store::{
    AppendMessage, CreateConversation, KeyMaterial, KeyRow, OrganizationRow, Outbox as _, RevocationRow, Store,
    StoreError, StoreFuture, TouchPerson,
};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A node that has not committed yet what it did; it does once this is dropped.
pub(super) struct Stopped<T> {
    done: StoreFuture<T>,
    go: Sender<()>,
}

impl<T> Stopped<T> {
    pub(super) async fn go_on(self) -> Result<T, StoreError> {
        drop(self.go);
        self.done.await
    }
}

/// Has a node do what is queued by `begin`, all in one transaction, and stop before the commit.
pub(super) fn stop_behind<T>(node: &PostgresStore, begin: impl FnOnce() -> StoreFuture<T>) -> Stopped<T> {
    let (started, is_started) = channel();
    let (gather, is_gathered) = channel::<()>();
    // While it waits, what is queued behind it becomes one group.
    let first = node.writer.call_within(Reach::Kept, move |_| {
        started.send(()).ok();
        is_gathered.recv().ok();
        Ok(())
    });
    is_started.recv_timeout(PATIENCE).unwrap();
    let done = begin();
    let (reached, is_reached) = channel();
    let (go, may_go) = channel::<()>();
    let last = node.writer.call_within(Reach::Kept, move |_| {
        reached.send(()).ok();
        may_go.recv().ok();
        Ok(())
    });
    drop(gather);
    is_reached.recv_timeout(PATIENCE).expect("the operation has run");
    drop((first, last));
    Stopped { done, go }
}

/// Does something while a node is stopped, and lets that one go on when this waits for it or is done.
async fn meet<T, U: Send + 'static>(
    url: &str,
    stopped: Stopped<T>,
    other: StoreFuture<U>,
) -> (Result<T, StoreError>, Result<U, StoreError>) {
    let watch = Target::parse(url).unwrap().connect().await.unwrap();
    let other = tokio::spawn(other);
    let waits = async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND wait_event_type = 'Lock'";
        let count: i64 = watch.query_typed_one(waiting, &[]).await.unwrap().get(0);
        (other.is_finished() || count > 0).then_some(())
    };
    eventually(PATIENCE, "the other one waits or is done", waits).await;
    (stopped.go_on().await, other.await.unwrap())
}

fn count(url: &str, sql: &str) -> String {
    server().run(sql, url.rsplit('/').next().unwrap())
}

fn named(name: &str, page: &str) -> TouchPerson {
    TouchPerson { name: Some(Arc::from(name)), page: Some(page.to_owned()), ..touch(visitor("vera"), &["a"], 50) }
}

#[tokio::test]
async fn a_visit_takes_no_identity_away() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.store.touch_person(touch(visitor("vera"), &["a"], 1)).await.unwrap();
    let stopped = stop_behind(&one, || one.identify_visitor(identify(Some("vera"), "ext")));
    let (identified, touched) = meet(&url, stopped, two.touch_person(named("Vera", "https://a/2"))).await;
    assert_eq!((identified.unwrap().visitor, touched), (id("vera"), Ok(())));
    let row = two.visitor(site("o", "a"), id("vera")).await.unwrap();
    let identity = row.identity.unwrap();
    assert_eq!((identity.external_id.as_deref(), identity.name.as_deref()), (Some("ext"), Some("Vera")));
    assert_eq!((row.page.as_deref(), row.last_seen_at), (Some("https://a/2"), at(50)));
}

#[tokio::test]
async fn an_identity_takes_no_visit_away() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.store.touch_person(touch(visitor("vera"), &["a"], 1)).await.unwrap();
    let stopped = stop_behind(&one, || one.touch_person(named("Vera", "https://a/2")));
    let (touched, identified) = meet(&url, stopped, two.identify_visitor(identify(Some("vera"), "ext"))).await;
    assert_eq!((touched, identified.unwrap().visitor), (Ok(()), id("vera")));
    let row = two.visitor(site("o", "a"), id("vera")).await.unwrap();
    let identity = row.identity.unwrap();
    assert_eq!((identity.external_id.as_deref(), identity.name.as_deref()), (Some("ext"), Some("Vera")));
    assert_eq!((row.page.as_deref(), row.last_seen_at), (Some("https://a/2"), at(50)));
}

#[tokio::test]
async fn a_visit_of_one_who_is_just_merged_is_the_known_visitors() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.identify(Some("known"), "ext").await;
    world.store.touch_person(touch(visitor("vera"), &["a"], 1)).await.unwrap();
    let stopped = stop_behind(&one, || one.identify_visitor(identify(Some("vera"), "ext")));
    let (merged, touched) = meet(&url, stopped, two.touch_person(named("Vera", "https://a/2"))).await;
    assert_eq!((merged.unwrap().previous, touched), (Some(id("vera")), Ok(())));
    let row = two.visitor(site("o", "a"), id("vera")).await.unwrap();
    assert_eq!((row.id, row.page.as_deref(), row.last_seen_at), (id("known"), Some("https://a/2"), at(50)));
    let left = "SELECT count(*) FROM people WHERE alias_of IS NOT NULL AND (name IS NOT NULL OR page IS NOT NULL)";
    assert_eq!(count(&url, left), "0", "an id that stands for another owns nothing");
}

#[tokio::test]
async fn a_website_made_again_while_it_is_deleted_goes_on_with_its_numbers() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    let stopped = stop_behind(&one, || one.delete_website(site("o", "a")));
    let (deleted, made) = meet(&url, stopped, two.create_website(website_row(site("o", "a")))).await;
    assert_eq!((deleted, made), (Ok(()), Ok(())));
    let said = two.append_message(says("vera", "c", "k1", "hello")).await.unwrap();
    assert!(!said.duplicate);
    let first = &said.events[0];
    assert!(
        first.offset > 2 && first.team_seq > 2 && first.visitor_seq > Some(2),
        "no place is given twice: {first:?}"
    );
}

#[tokio::test]
async fn what_is_begun_while_its_website_is_deleted_is_not_found() {
    let create = |conversation| CreateConversation {
        website: site("o", "a"),
        visitor: id("walter"),
        conversation: conv(conversation),
        at: at(3),
    };
    let public = || KeyRow {
        id: "key_new".parse().unwrap(),
        organization: org("o"),
        material: KeyMaterial::Public { key: "pk_new".to_owned(), website: web("a") },
        created_at: at(2),
    };
    for what in ["append", "create", "visit", "key", "mark", "identify", "member"] {
        let url = server().database();
        let ([one, two], world) = nodes::<2>(&url).await;
        world.append(says("vera", "c", "k1", "hello")).await;
        let stopped = stop_behind(&one, || one.delete_website(site("o", "a")));
        let other: StoreFuture<()> = match what {
            "append" => after(two.append_message(says("walter", "w", "k1", "hello"))),
            "create" => after(two.create_conversation(create("w"))),
            "visit" => two.touch_person(touch(visitor("walter"), &["a"], 3)),
            "key" => two.create_key(public()),
            "mark" => after(two.mark_seen(seen(team(), user("anna"), "c", 2))),
            "identify" => after(two.identify_visitor(identify(Some("walter"), "ext"))),
            // A token may name websites that are gone.
            _ => two.touch_person(touch(user("anna"), &["a", "b"], 3)),
        };
        let (deleted, begun) = meet(&url, stopped, other).await;
        let expected = if what == "member" { Ok(()) } else { Err(StoreError::NotFound) };
        assert_eq!((deleted, begun), (Ok(()), expected), "{what}");
        nothing_is_left_over(&url, what);
    }
}

#[tokio::test]
async fn nobody_who_logs_in_waits_for_a_website_that_is_deleted() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    let stopped = stop_behind(&one, || one.delete_website(site("o", "a")));
    for ms in [3, 4] {
        let visit = two.touch_person(touch(user("anna"), &["a", "b"], ms)).await;
        assert_eq!(visit, Ok(()), "while it is deleted elsewhere");
    }
    assert_eq!(two.members(site("o", "b")).await.unwrap().len(), 1);
    let visit = two.touch_person(touch(visitor("walter"), &["a"], 3)).await;
    assert_eq!(visit, Err(StoreError::NotFound), "as if it was gone");
    assert_eq!(stopped.go_on().await, Ok(()));
    nothing_is_left_over(&url, "log-ins");
}

#[tokio::test]
async fn what_was_begun_before_its_website_is_deleted_is_deleted_with_it() {
    for what in ["append", "visit", "mark", "member", "key"] {
        let url = server().database();
        let ([one, two], world) = nodes::<2>(&url).await;
        world.append(says("vera", "c", "k1", "hello")).await;
        let begin = || -> StoreFuture<()> {
            match what {
                "append" => after(one.append_message(says("walter", "w", "k1", "hello"))),
                "visit" => one.touch_person(touch(visitor("walter"), &["a"], 3)),
                "mark" => after(one.mark_seen(seen(team(), user("anna"), "c", 2))),
                "member" => one.touch_person(touch(user("anna"), &["a", "b"], 3)),
                _ => one.create_key(KeyRow {
                    id: "key_new".parse().unwrap(),
                    organization: org("o"),
                    material: KeyMaterial::Public { key: "pk_new".to_owned(), website: web("a") },
                    created_at: at(2),
                }),
            }
        };
        let stopped = stop_behind(&one, begin);
        let (begun, deleted) = meet(&url, stopped, two.delete_website(site("o", "a"))).await;
        assert_eq!((begun, deleted), (Ok(()), Ok(())), "{what}");
        nothing_is_left_over(&url, what);
    }
}

#[tokio::test]
async fn an_organization_is_deleted_with_what_is_begun_in_it() {
    for (what, is_first) in
        [("website", true), ("website", false), ("revocation", true), ("revocation", false), ("again", false)]
    {
        let url = server().database();
        let ([one, two], world) = nodes::<2>(&url).await;
        world.append(says("vera", "c", "k1", "hello")).await;
        let begin = |node: &PostgresStore| -> StoreFuture<()> {
            match what {
                "website" => node.create_website(website_row(site("o", "new"))),
                "revocation" => node.revoke(RevocationRow { organization: org("o"), person: user("anna"), at: at(4) }),
                _ => node.create_organization(OrganizationRow {
                    id: org("o"),
                    name: "again".to_owned(),
                    created_at: at(4),
                }),
            }
        };
        let (deleted, begun) = if is_first {
            let stopped = stop_behind(&one, || begin(&one));
            let (begun, deleted) = meet(&url, stopped, two.delete_organization(org("o"))).await;
            (deleted, begun)
        } else {
            let stopped = stop_behind(&one, || one.delete_organization(org("o")));
            meet(&url, stopped, begin(&two)).await
        };
        let expected = if is_first || what == "again" { Ok(()) } else { Err(StoreError::NotFound) };
        assert_eq!((deleted, begun), (Ok(()), expected), "{what}, first: {is_first}");
        nothing_is_left_over(&url, what);
    }
}

/// The same, with nothing in the answer but whether it failed.
fn after<T: Send + 'static>(answer: StoreFuture<T>) -> StoreFuture<()> {
    Box::pin(async move { answer.await.map(drop) })
}

/// Whether every row belongs to something that is there.
fn nothing_is_left_over(url: &str, what: &str) {
    let orphans = "SELECT concat_ws(' ', \
        (SELECT count(*) FROM people WHERE website > 0 AND website NOT IN (SELECT id FROM websites)), \
        (SELECT count(*) FROM seen WHERE conversation NOT IN (SELECT id FROM conversations)), \
        (SELECT count(*) FROM unseen WHERE conversation NOT IN (SELECT id FROM conversations)), \
        (SELECT count(*) FROM events WHERE conversation NOT IN (SELECT id FROM conversations)))";
    assert_eq!(count(url, orphans), "0 0 0 0", "people, marks, timers, events without a place: {what}");
}

fn watched() -> WebhookRow {
    WebhookRow {
        id: WebhookId::new("h").unwrap(),
        organization: org("o"),
        url: "https://example.com/".to_owned(),
        secret: SigningSecret::new([1; 32]),
        events: EventSet::new(&[WebhookEvent::MessageUnseen]),
        created_at: at(0),
    }
}

#[tokio::test]
async fn a_message_that_comes_while_a_timer_ends_has_a_timer() {
    const MINUTE: u64 = 60_000;
    for is_read in [true, false] {
        for is_first in [true, false] {
            let url = server().database();
            let ([one, two], world) = nodes::<2>(&url).await;
            one.create_webhook(watched()).await.unwrap();
            world.append(says("vera", "c", "k1", "hello")).await;
            if is_read {
                world.seen(team(), user("anna"), "c", 2).await;
            }
            let more = |node: &PostgresStore| {
                let mut more = says("vera", "c", "k2", "is anybody there?");
                more.at = at(MINUTE);
                node.append_message(more)
            };
            if is_first {
                let stopped = stop_behind(&one, || more(&one));
                let (said, told) = meet(&url, stopped, two.tell_unseen(at(MINUTE + 1))).await;
                assert_eq!((said.map(drop), told), (Ok(()), Ok(())));
            } else {
                let stopped = stop_behind(&one, || one.tell_unseen(at(MINUTE + 1)));
                let (told, said) = meet(&url, stopped, more(&two)).await;
                assert_eq!((said.map(drop), told), (Ok(()), Ok(())));
            }
            assert_eq!(count(&url, "SELECT count(*) FROM unseen"), "1", "read: {is_read}, first: {is_first}");
            // Two minutes later all of it has been told.
            two.tell_unseen(at(3 * MINUTE)).await.unwrap();
            two.tell_unseen(at(3 * MINUTE)).await.unwrap();
            let told = "SELECT max(upto_seq) FROM deliveries";
            assert_eq!(count(&url, told), "3", "read: {is_read}, first: {is_first}");
        }
    }
}

#[tokio::test]
async fn people_are_taken_in_one_order() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    let people: Vec<String> = (0..8).map(|n| format!("p{n}")).collect();
    for name in &people {
        world.store.touch_person(touch(user(name), &["a"], 1)).await.unwrap();
        world.identify(Some(&format!("v-{name}")), &format!("ext-{name}")).await;
    }
    for round in 0..5 {
        let both = [&one, &two].map(|node| {
            let mut order: Vec<&String> = people.iter().collect();
            if Arc::ptr_eq(node, &two) {
                order.reverse();
            }
            stop_before(node, move || {
                let mut all: Vec<StoreFuture<()>> = Vec::new();
                for name in order {
                    all.push(node.touch_person(touch(user(name), &["a"], round)));
                    all.push(node.touch_person(touch(visitor(&format!("v-{name}")), &["a"], round)));
                }
                all
            })
        });
        let [(go_one, all_one), (go_two, all_two)] = both;
        drop((go_one, go_two));
        for done in all_one.into_iter().chain(all_two) {
            done.await.unwrap();
        }
    }
    let collisions = one.write_counts().collisions + two.write_counts().collisions;
    assert_eq!(collisions, 0, "no group was run again");
}

#[tokio::test]
async fn a_merge_takes_conversations_in_the_order_in_which_marks_take_them() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.identify(Some("known"), "ext").await;
    for (ms, name) in (1..).zip(["c1", "c2", "c3"]) {
        world.append(AppendMessage { at: at(ms), ..says("vera", name, "k", "hello") }).await;
    }
    // Whoever takes some of them waits at the second one, with those before it in its own order.
    let target = Target::parse(&url).unwrap();
    let (holder, watch) = (target.connect().await.unwrap(), target.connect().await.unwrap());
    holder.batch_execute("BEGIN; SELECT id FROM conversations WHERE public_id = 'c2' FOR UPDATE").await.unwrap();
    let waits = async |count: i64| {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND wait_event_type = 'Lock'";
        let waiting =
            async || (watch.query_typed_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == count).then_some(());
        eventually(PATIENCE, "they wait", waiting).await;
    };
    let (go, marks) = stop_before(&two, || {
        ["c1", "c2", "c3"].map(|name| tokio::spawn(two.mark_seen(seen(team(), user("anna"), name, 2))))
    });
    drop(go);
    waits(1).await;
    let identified = tokio::spawn(one.identify_visitor(identify(Some("vera"), "ext")));
    waits(2).await;
    holder.batch_execute("COMMIT").await.unwrap();
    for mark in marks {
        mark.await.unwrap().unwrap();
    }
    let identified = identified.await.unwrap().unwrap();
    assert_eq!((identified.visitor, identified.conversations), (id("known"), ["c3", "c2", "c1"].map(conv).to_vec()));
    let collisions = one.write_counts().collisions + two.write_counts().collisions;
    assert_eq!(collisions, 0, "no group was run again");
}

/// Has what is queued by `begin` become one group, which begins when the sender is dropped.
pub(super) fn stop_before<T>(node: &PostgresStore, begin: impl FnOnce() -> T) -> (Sender<()>, T) {
    let (started, is_started) = channel();
    let (go, may_go) = channel::<()>();
    let first = node.writer.call_within(Reach::Kept, move |_| {
        started.send(()).ok();
        may_go.recv().ok();
        Ok(())
    });
    is_started.recv_timeout(PATIENCE).unwrap();
    drop(first);
    (go, begin())
}

#[tokio::test]
async fn two_nodes_that_make_the_same_conversation_make_one() {
    let url = server().database();
    let ([one, two], _world) = nodes::<2>(&url).await;
    let stopped = stop_behind(&one, || one.append_message(says("vera", "c", "k1", "hello")));
    let (first, second) = meet(&url, stopped, two.append_message(says("vera", "c", "k2", "hello"))).await;
    assert_eq!((first.unwrap().team_seq, second.unwrap().team_seq), (2, 3));
    // On another website of the organization the id is taken.
    let stopped = stop_behind(&one, || one.append_message(says("vera", "d", "k1", "hello")));
    let mut elsewhere = says("vera", "d", "k1", "hello");
    elsewhere.scope = crate::store::Scope::Visitor { website: web("b"), visitor: id("vera") };
    let (first, second) = meet(&url, stopped, two.append_message(elsewhere)).await;
    assert_eq!((first.map(drop), second.map(drop)), (Ok(()), Err(StoreError::NotFound)));
    // A team member answers in one that is only just there.
    let stopped = stop_behind(&one, || one.append_message(says("vera", "e", "k1", "hello")));
    let (first, second) = meet(&url, stopped, two.append_message(replies("anna", "e", "k2", "hello"))).await;
    assert!(first.is_ok() && matches!(&second, Err(StoreError::NotFound)), "{second:?}");
    let known = two.known_message(org("o"), own("vera"), conv("e"), visitor("vera"), key("k1")).await.unwrap();
    assert_eq!(known.map(|known| known.team_seq), Some(2));
}

#[tokio::test]
async fn a_website_that_another_node_holds_keeps_nobody_else_waiting() {
    let url = server().database();
    let ([one, two], world) = nodes::<2>(&url).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    world.append(says("walter", "d", "k1", "hello")).await;
    let elsewhere = |request: &str| {
        let mut elsewhere = says("vera", "b", request, "hello");
        elsewhere.scope = crate::store::Scope::Visitor { website: web("b"), visitor: id("vera") };
        elsewhere
    };
    let stopped = stop_behind(&one, || one.append_message(says("vera", "c", "k2", "hello")));
    let (go, (held, mark, other)) = stop_before(&two, || {
        let held = two.append_message(replies("anna", "d", "k3", "hello"));
        let mark = two.mark_seen(seen(team(), user("anna"), "c", 2));
        (held, mark, two.append_message(elsewhere("k1")))
    });
    drop(go);
    assert_eq!(other.await.map(|said| said.team_seq), Ok(2), "while the other website is held");
    for more in 2..5 {
        let said = two.append_message(elsewhere(&format!("k{more}"))).await;
        assert_eq!(said.map(|said| said.team_seq), Ok(more + 1), "and from then on at once");
    }
    let (held, mark) = (held.await, mark.await);
    let refused = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
    assert!(held.as_ref().is_err_and(refused) && mark.as_ref().is_err_and(refused), "{held:?} {mark:?}");
    assert_eq!(stopped.go_on().await.map(|said| said.team_seq), Ok(3));

    // What is held for less long is done, in the order in which it was asked for.
    let stopped = stop_behind(&one, || one.append_message(says("vera", "c", "k4", "hello")));
    let (go, (held, other)) = stop_before(&two, || {
        let held = ["k5", "k6", "k7"].map(|request| two.append_message(replies("anna", "c", request, "hello")));
        (held, two.append_message(elsewhere("k9")))
    });
    drop(go);
    other.await.unwrap();
    assert_eq!(stopped.go_on().await.map(|said| said.team_seq), Ok(4));
    for (n, held) in held.into_iter().enumerate() {
        assert_eq!(held.await.map(|said| said.team_seq), Ok(5 + n as u64));
    }
}
