//! Several nodes on one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cossistant_protocol::http::{DeliveryStatus, WebhookEvent};
use cossistant_protocol::{KeyId, WebhookId};

use super::super::{DataKind, DatabaseError, PostgresConfig, PostgresStore};
use super::{config, server};
use crate::store::contract::outbox::one_that_cannot_be_read_holds_up_no_other;
use crate::store::contract::world::{World, at, conv, org, replies, says, site, team, user, web, website_row};
use crate::store::outbox::{
    Attempt, AttemptOutcome, BusyLane, DeliveryPage, DueDelivery, EventSet, SigningSecret, TakeDeliveries, WebhookRow,
};
use crate::store::{
    KeyMaterial, KeyRow, MarkSeen, OrganizationRow, Outbox as _, RevocationRow, Store, StoreError, StoreFuture,
};

#[test]
fn nodes_that_start_at_once_migrate_once() {
    let url = server().database();
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let config = config(&url);
            std::thread::spawn(move || PostgresStore::open(config).unwrap())
        })
        .collect();
    let nodes: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    let lives: BTreeSet<_> = nodes.iter().map(|node| node.keeper.life.epoch.clone()).collect();
    assert_eq!(lives.len(), 1, "all are in one life: {lives:?}");
}

/// Nodes with a world made by the first of them.
pub(super) async fn nodes<const N: usize>(url: &str) -> ([Arc<PostgresStore>; N], World) {
    let nodes = [(); N].map(|()| Arc::new(PostgresStore::open(config(url)).unwrap()));
    let world = World::new(Arc::clone(&nodes[0]) as Arc<dyn Store>).await;
    (nodes, world)
}

#[tokio::test]
async fn numbers_are_dense_whichever_node_gives_them() {
    let (nodes, world) = nodes::<3>(&server().database()).await;
    for thread in 0..4 {
        world.append(says("vera", &format!("c{thread}"), "first", "hello")).await;
    }
    let mut writers = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        for thread in 0..4 {
            let node = Arc::clone(node);
            writers.push(tokio::spawn(async move {
                let thread = format!("c{}", (thread + n) % 4);
                for m in 0..20 {
                    // All nodes take the odd keys: one of them stores each.
                    let key = if m % 2 == 0 { format!("k{n}-{m}") } else { format!("k{m}") };
                    let said = node.append_message(replies("anna", &thread, &key, "x")).await.unwrap();
                    let seen = MarkSeen {
                        organization: org("o"),
                        scope: team(),
                        conversation: conv(&thread),
                        person: user(&format!("bob{n}")),
                        name: None,
                        avatar_url: None,
                        seq: said.team_seq,
                        at: at(m),
                    };
                    node.mark_seen(seen).await.unwrap();
                }
            }));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (a, last) = (web("a"), nodes.last().unwrap());
    let events = last.website_events(org("o"), a, 0, u64::MAX >> 1, 10_000).await.unwrap();
    let offsets: Vec<_> = events.iter().map(|event| event.offset).collect();
    // Two events of each conversation at first; then of each 10 keys of each node, and 10 that they share.
    let count = 4 * (2 + 3 * 10 + 10);
    assert_eq!(offsets, (1..=count).collect::<Vec<_>>());
    for thread in 0..4 {
        let thread = conv(&format!("c{thread}"));
        let seqs = events.iter().filter(|event| event.conversation == thread).map(|event| event.team_seq);
        assert_eq!(seqs.collect::<Vec<_>>(), (1..=42).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_delivery_is_sent_by_one_node_and_by_another_when_that_dies() {
    let url = server().database();
    let (nodes, world) = nodes::<2>(&url).await;
    let row = WebhookRow {
        id: WebhookId::new("h").unwrap(),
        organization: org("o"),
        url: "https://example.com/".to_owned(),
        secret: SigningSecret::new([1; 32]),
        events: EventSet::new(WebhookEvent::ALL),
        created_at: at(0),
    };
    nodes[0].create_webhook(row).await.unwrap();
    for n in 0..10 {
        world.append(says("vera", "c", &format!("k{n}"), "hello")).await;
    }
    let hook = || WebhookId::new("h").unwrap();
    let take = |at, in_flight: &[_]| {
        let busy = BTreeMap::from([(hook(), BusyLane { in_flight: in_flight.to_vec(), lane: 100 })]);
        TakeDeliveries { now: at, limit: 4, lane: 100, busy, ..TakeDeliveries::default() }
    };
    let (mut by_one, mut by_two) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let (one, two) =
            tokio::join!(nodes[0].due_deliveries(take(at(1), &by_one)), nodes[1].due_deliveries(take(at(1), &by_two)),);
        by_one.extend(one.unwrap().deliveries.into_iter().map(|due| due.id));
        by_two.extend(two.unwrap().deliveries.into_iter().map(|due| due.id));
    }
    let each: BTreeSet<_> = by_one.iter().chain(&by_two).map(ToString::to_string).collect();
    assert_eq!((by_one.len() + by_two.len(), each.len()), (11, 11), "each was taken, and by one");
    let nothing = nodes[0].due_deliveries(take(at(2), &by_one)).await.unwrap();
    assert!(nothing.deliveries.is_empty());
    if !by_two.is_empty() {
        let next_at = nothing.next_at.expect("it is looked again when the other's time is over");
        assert!(next_at > at(30_000));
    }
    // The first node is gone, and has told of none.
    end_leases(&url);
    let again = nodes[1].due_deliveries(take(at(3), &by_two)).await.unwrap();
    assert_eq!(again.deliveries.len(), by_one.len().min(4), "another one sends what it had");
}

/// A minute passes for the database.
fn end_leases(url: &str) {
    let sql = "UPDATE deliveries SET leased_until = leased_until - 60000 WHERE leased_until > 0";
    server().run(sql, url.rsplit('/').next().unwrap());
}

#[tokio::test]
async fn a_node_whose_time_is_over_settles_nothing() {
    let url = server().database();
    let (nodes, world) = nodes::<2>(&url).await;
    let row = WebhookRow {
        id: WebhookId::new("h").unwrap(),
        organization: org("o"),
        url: "https://example.com/".to_owned(),
        secret: SigningSecret::new([1; 32]),
        events: EventSet::new(&[WebhookEvent::MessageCreated]),
        created_at: at(0),
    };
    nodes[0].create_webhook(row).await.unwrap();
    for key in ["k1", "k2"] {
        world.append(says("vera", "c", key, "hello")).await;
    }
    let take = |ms| TakeDeliveries { now: at(ms), limit: 100, lane: 100, ..TakeDeliveries::default() };
    let first = nodes[0].due_deliveries(take(1)).await.unwrap().deliveries;
    // Its clock is far ahead, which is no reason to take what another one has.
    let ahead = nodes[1].due_deliveries(take(100_000)).await.unwrap();
    assert!(ahead.deliveries.is_empty(), "{ahead:?}");
    let next_at = ahead.next_at.expect("it looks again when the other one's time is over");
    assert!(next_at > at(100_000 + 30_000) && next_at <= at(100_000 + 60_000), "{next_at:?}");
    end_leases(&url);
    let second = nodes[1].due_deliveries(take(100_000)).await.unwrap().deliveries;
    assert_eq!((first.len(), second.len()), (2, 2), "the first one's time is over");
    let attempt = |due: &DueDelivery, ms, outcome| Attempt {
        webhook: due.webhook.clone(),
        delivery: due.id.clone(),
        round: due.round,
        at: at(ms),
        http_status: None,
        outcome,
    };
    let failed = AttemptOutcome::Failed { error: "why".to_owned(), next_at: Some(at(100_001)) };
    nodes[0].settle_delivery(attempt(&first[0], 100_001, failed)).await.unwrap();
    nodes[0].settle_delivery(attempt(&first[1], 100_001, AttemptOutcome::Gone)).await.unwrap();
    let again = nodes[0].due_deliveries(take(100_002)).await.unwrap().deliveries;
    assert!(again.is_empty(), "the second one has them in the works: {again:?}");
    for due in &second {
        nodes[1].settle_delivery(attempt(due, 100_003, AttemptOutcome::Delivered)).await.unwrap();
    }
    let page = DeliveryPage { status: None, before: None, limit: 50 };
    let (all, _) = nodes[0].deliveries(org("o"), WebhookId::new("h").unwrap(), page).await.unwrap();
    let told: Vec<_> = all.iter().map(|row| (row.status, row.attempts)).collect();
    assert_eq!(told, [(DeliveryStatus::Delivered, 1); 2]);
}

#[tokio::test]
async fn webhooks_of_other_nodes_are_told() {
    let (nodes, world) = nodes::<2>(&server().database()).await;
    world.append(says("vera", "c", "k1", "nobody is told")).await;
    let row = |name: &str| WebhookRow {
        id: WebhookId::new(name).unwrap(),
        organization: org("o"),
        url: "https://example.com/".to_owned(),
        secret: SigningSecret::new([1; 32]),
        events: EventSet::new(&[WebhookEvent::MessageCreated]),
        created_at: at(0),
    };
    nodes[1].create_webhook(row("h")).await.unwrap();
    world.append(says("vera", "c", "k2", "told")).await;
    nodes[1].delete_webhook(org("o"), WebhookId::new("h").unwrap()).await.unwrap();
    nodes[1].create_webhook(row("i")).await.unwrap();
    world.append(says("vera", "c", "k3", "told")).await;
    let take = TakeDeliveries { now: at(1), limit: 100, lane: 100, ..TakeDeliveries::default() };
    let due = nodes[0].due_deliveries(take).await.unwrap();
    assert_eq!(due.deliveries.iter().map(|due| due.webhook.as_str()).collect::<Vec<_>>(), ["i"]);
}

#[tokio::test]
async fn one_that_is_damaged_holds_up_no_other() {
    for spoil in [
        // The database takes no such text from anybody, so bytes have to pass for one.
        "CREATE CAST (bytea AS text) WITHOUT FUNCTION; \
         UPDATE events SET content = '\\x7bff7d'::bytea::text WHERE kind = 1",
        "UPDATE events SET content = '{\"text\":' WHERE kind = 1",
        "UPDATE events SET public_id = '' WHERE kind = 1",
    ] {
        let url = server().database();
        let store = Arc::new(PostgresStore::open(config(&url)).unwrap());
        let spoiled = async || {
            server().run(spoil, url.rsplit('/').next().unwrap());
        };
        one_that_cannot_be_read_holds_up_no_other(store, spoiled).await;
    }
}

#[tokio::test]
async fn another_database_under_a_node_ends_it() {
    let url = server().database();
    let ([node], world) = nodes::<1>(&url).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    let before = Store::epoch(&*node).await.unwrap();
    let mut is_over = node.is_over();
    let name = url.rsplit('/').next().unwrap();
    server().run("UPDATE meta SET value = 'another/00000001' WHERE key = 'lived_on'", name);
    let next = PostgresStore::open(config(&url)).unwrap();
    let after = Store::epoch(&next).await.unwrap();
    assert_ne!(before, after, "its places are not those of the data before");
    let refused = node.append_message(says("vera", "c", "k2", "hello")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    is_over.wait_for(|is_over| *is_over).await.unwrap();
    assert!(Store::epoch(&*node).await.is_err());
    let stored = next.append_message(says("vera", "c", "k2", "hello")).await.unwrap();
    assert!(!stored.duplicate, "nothing was stored by the one before");
    drop(PostgresStore::open(config(&url)).unwrap());
    assert_eq!(Store::epoch(&next).await.unwrap(), after, "it is renewed once");
}

#[tokio::test]
async fn another_database_under_a_node_is_noticed_by_who_only_reads() {
    let url = server().database();
    // One that has its connection already.
    let node = Arc::new(PostgresStore::open(PostgresConfig { readers: 1, ..config(&url) }).unwrap());
    let world = World::new(Arc::clone(&node) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    let head = async || node.website_snapshot(org("o"), web("a")).await;
    assert_eq!(head().await.unwrap().head, 2);
    let name = url.rsplit('/').next().unwrap();
    // As a backup that was put back under connections that stay, as behind a pool.
    server().run("UPDATE meta SET value = 'another' WHERE key = 'epoch'", name);
    let refused = head().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(*node.is_over().borrow() && Store::epoch(&*node).await.is_err());
}

#[tokio::test]
async fn what_one_node_sets_up_another_notices() {
    let ([here, there], world) = nodes::<2>(&server().database()).await;
    let mut seen = BTreeSet::from([there.heads(Vec::new()).await.unwrap().setup]);
    world.append(says("vera", "c", "k1", "hello")).await;
    assert_eq!(seen.len(), 1, "what is said changes nothing of it");
    let organization = OrganizationRow { id: org("q"), name: "Q".to_owned(), created_at: at(1) };
    let key = KeyRow {
        id: KeyId::new("key").unwrap(),
        organization: org("o"),
        material: KeyMaterial::Secret { sha256: [1; 32] },
        created_at: at(1),
    };
    let revocation = RevocationRow { organization: org("o"), person: user("anna"), at: at(2) };
    let mut notices = async |change: StoreFuture<()>| {
        change.await.unwrap();
        let setup = there.heads(Vec::new()).await.unwrap().setup;
        assert!(seen.insert(setup), "another number each time: {setup}");
    };
    notices(here.create_organization(organization)).await;
    notices(here.create_website(website_row(site("q", "z")))).await;
    notices(here.update_website(website_row(site("q", "z")))).await;
    notices(here.create_key(key.clone())).await;
    notices(here.delete_key(key.id)).await;
    notices(here.revoke(revocation)).await;
    notices(here.delete_website(site("o", "a"))).await;
    notices(here.delete_organization(org("p"))).await;
    assert!(here.delete_key(KeyId::new("none").unwrap()).await.is_err());
    assert!(seen.contains(&there.heads(Vec::new()).await.unwrap().setup), "what fails changes nothing");
}

#[tokio::test]
async fn a_copy_in_the_place_of_a_database_ends_the_node() {
    let url = server().database();
    let ([node], world) = nodes::<1>(&url).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    let before = Store::epoch(&*node).await.unwrap();
    let is_over = node.is_over();
    let name = url.rsplit('/').next().unwrap();
    // As a dump that was read in under the same name: what stands in it is the same, its epoch too.
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server().run(&end, "postgres");
    server().run(&format!("ALTER DATABASE {name} RENAME TO {name}_before"), "postgres");
    server().run(&format!("CREATE DATABASE {name} TEMPLATE {name}_before"), "postgres");
    for _ in 0..10 {
        let refused = node.append_message(says("vera", "c", "k2", "hello")).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert!(*is_over.borrow() && Store::epoch(&*node).await.is_err());
    let next = PostgresStore::open(config(&url)).unwrap();
    assert_ne!(before, Store::epoch(&next).await.unwrap());
}

#[test]
fn a_database_of_the_other_kind_is_refused() {
    let url = server().database();
    drop(PostgresStore::open(config(&url)).unwrap());
    // The server is not durable, which is said first.
    let refused = PostgresStore::open(PostgresConfig { kind: DataKind::Production, ..config(&url) });
    assert!(matches!(refused, Err(DatabaseError::Unsafe)), "{refused:?}");
}
