//! What a store answers after it was moved: all that it would have answered before.

use std::sync::Arc;

use cossistant_protocol::http::WebhookEvent;
use cossistant_protocol::{DeliveryId, KeyId, WebhookId};

use super::{Folders, database, folder, name, run_for, run_through, server, to_database, to_folder};
use crate::store::contract::random;
use crate::store::contract::world::{World, at, id, org, own, query, replies, says, site, team, touch, user, visitor};
use crate::store::transfer::TransferError;
use crate::store::{
    Attempt, AttemptOutcome, DeliveryPage, EventSet, KeyMaterial, KeyRow, MemoryStore, RevocationRow, SigningSecret,
    Store, TakeDeliveries, WebhookRow,
};

/// Random histories, moved there and back and there again between their parts, beside a store that never moves.
#[tokio::test]
async fn a_moved_store_goes_on_as_if_nothing_had_happened() {
    let seeds = match std::env::var("STORE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![1, 2],
    };
    for seed in seeds {
        let folders = Folders::new();
        let (one, other) = (server().database(), server().database());
        let (first, second) = (folders.dir("first"), folders.dir("second"));

        let store = folder(&first);
        let epoch = store.epoch().await.unwrap();
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(epoch.clone()));
        random::same_answers(Arc::clone(&store), Arc::clone(&memory), seed, 30).await;
        drop(store);

        run_through(&to_database(&first, &one));
        let store = database(&one);
        assert_eq!(store.epoch().await.unwrap(), epoch, "places mean what they meant");
        random::go_on(Arc::clone(&store), Arc::clone(&memory), seed + 100, 30..50).await;
        drop(store);

        run_through(&to_folder(&one, &second));
        let store = folder(&second);
        assert_eq!(store.epoch().await.unwrap(), epoch);
        random::go_on(Arc::clone(&store), Arc::clone(&memory), seed + 200, 50..70).await;
        drop(store);

        run_through(&to_database(&second, &other));
        let store = database(&other);
        assert_eq!(store.epoch().await.unwrap(), epoch);
        random::go_on(store, memory, seed + 300, 70..90).await;
    }
}

#[tokio::test]
async fn a_moved_database_is_the_same_as_one_that_grew() {
    let folders = Folders::new();
    let (grown, moved) = (server().database(), server().database());
    drop(database(&grown));
    drop(folder(&folders.dir("data")));
    run_through(&to_database(&folders.dir("data"), &moved));
    let shape = "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
        WHERE connamespace = 'public'::regnamespace UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
        UNION ALL SELECT key FROM meta ORDER BY 1";
    assert_eq!(server().run(shape, name(&moved)), server().run(shape, name(&grown)));
}

/// A copy of a moved database lacks what is acknowledged from then on, as a copy of any other does.
#[tokio::test]
async fn a_copy_of_a_moved_database_has_another_life() {
    let (folders, url) = (Folders::new(), server().database());
    let store = folder(&folders.dir("data"));
    let epoch = store.epoch().await.unwrap();
    drop(store);
    run_through(&to_database(&folders.dir("data"), &url));
    let copy = format!("{}_copy", name(&url));
    server().run(&format!("CREATE DATABASE {copy} TEMPLATE {}", name(&url)), "postgres");
    assert_eq!(database(&url).epoch().await.unwrap(), epoch);
    assert_ne!(database(&server().url(&copy)).epoch().await.unwrap(), epoch);
}

fn hook() -> WebhookId {
    WebhookId::new("hook").unwrap()
}

/// What is due, and what became of the rest.
async fn told(store: &Arc<dyn Store>) -> (Vec<String>, Vec<String>) {
    let take = TakeDeliveries { now: at(5_000), limit: 100, lane: 100, ..TakeDeliveries::default() };
    let due = store.due_deliveries(take).await.unwrap();
    let mut due: Vec<_> = due.deliveries.iter().map(|due| format!("{due:?}")).collect();
    due.sort();
    let (rows, _) =
        store.deliveries(org("o"), hook(), DeliveryPage { status: None, before: None, limit: 100 }).await.unwrap();
    (due, rows.iter().map(|row| format!("{row:?}")).collect())
}

async fn settle(store: &Arc<dyn Store>, delivery: &DeliveryId, outcome: AttemptOutcome) {
    let attempt =
        Attempt { webhook: hook(), delivery: delivery.clone(), round: 0, at: at(100), http_status: Some(500), outcome };
    store.settle_delivery(attempt).await.unwrap();
}

/// Keys, revocations, webhooks, deliveries of every kind, marks, an alias whose person came later, texts that one of the
/// databases cannot keep: there and back, stopped after every few batches.
#[tokio::test]
async fn everything_comes_along_however_often_it_is_stopped() {
    let folders = Folders::new();
    let store = folder(&folders.dir("first"));
    let world = World::new(Arc::clone(&store)).await;
    let row = WebhookRow {
        id: hook(),
        organization: org("o"),
        url: "https://hook.example/".to_owned(),
        secret: SigningSecret::new([7; 32]),
        events: EventSet::new(WebhookEvent::ALL),
        created_at: at(0),
    };
    store.create_webhook(row).await.unwrap();
    let material = KeyMaterial::Public { website: site("o", "a").website, key: "pk_moved".to_owned() };
    let row = KeyRow { id: KeyId::new("public").unwrap(), organization: org("o"), material, created_at: at(3) };
    store.create_key(row).await.unwrap();
    let revoked = RevocationRow { organization: org("o"), person: user("ben"), at: at(9) };
    store.revoke(revoked).await.unwrap();
    for n in 0..40 {
        world.append(says("vera", "c", &format!("k{n}"), &format!("hello number {n}"))).await;
        world.append(replies("anna", "c", &format!("r{n}"), "an answer")).await;
    }
    world.seen(team(), user("anna"), "c", 30).await;
    let mut visit = touch(visitor("vera"), &["a"], 50);
    visit.name = Some(Arc::from("Vera\0 Z\u{fffd} 注文"));
    visit.page = Some("https://shop.example/\"'\\\n".to_owned());
    store.touch_person(visit).await.unwrap();
    // The known person's row is behind that of the one who stands for it from now on.
    world.append(says("old", "d", "k", "before")).await;
    world.append(says("later", "e", "k", "other")).await;
    world.identify(Some("later"), "e1").await;
    world.identify(Some("old"), "e1").await;
    let take = TakeDeliveries { now: at(1), limit: 5, lane: 5, ..TakeDeliveries::default() };
    let due = store.due_deliveries(take).await.unwrap();
    let outcomes = [
        AttemptOutcome::Delivered,
        AttemptOutcome::Failed { error: "down".to_owned(), next_at: Some(at(900_000)) },
        AttemptOutcome::Failed { error: "gone".to_owned(), next_at: None },
    ];
    for (due, outcome) in due.deliveries.iter().zip(outcomes) {
        settle(&store, &due.id, outcome).await;
    }
    let before = all(&store, &told(&store).await).await;
    assert!(before.contains("gone") && before.contains("down"), "{before}");
    drop((world, store));

    let url = server().database();
    let mut there = to_database(&folders.dir("first"), &url);
    there.batch = 7;
    let mut stops = 0;
    let report = loop {
        match run_for(&there, 4 * (1 + stops)) {
            Ok(report) => break report,
            Err(TransferError::Stopped) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(stops > 8 && report.is_same(), "{stops}: {report:#?}");
    let store = database(&url);
    assert_eq!(all(&store, &told(&store).await).await, before.replace('\0', "\u{fffd}").replace("\\0", "\u{fffd}"));
    // What was sent before the move is answered as it was then.
    let again = store.append_message(says("vera", "c", "k3", "hello number 3")).await.unwrap();
    assert!(again.duplicate, "{again:?}");
    let new = store.append_message(says("vera", "c", "new", "hello")).await.unwrap();
    assert_eq!(new.events[0].team_seq, 82, "the next one is next: {new:?}");
    let before = all(&store, &told(&store).await).await;
    drop(store);

    let mut back = to_folder(&url, &folders.dir("second"));
    back.batch = 7;
    let mut stops = 0;
    while let Err(error) = run_for(&back, 4 * (1 + stops)) {
        assert!(matches!(error, TransferError::Stopped), "{error}");
        stops += 1;
    }
    let store = folder(&folders.dir("second"));
    assert_eq!(all(&store, &told(&store).await).await, before);
    let again = store.append_message(says("vera", "c", "new", "hello")).await.unwrap();
    assert!(again.duplicate, "{again:?}");
}

/// All that is asked here, as one text.
async fn all(store: &Arc<dyn Store>, told: &(Vec<String>, Vec<String>)) -> String {
    let mut lines = vec![format!("{told:?}")];
    lines.push(format!("{:?}", store.directory().await.unwrap()));
    for conversation in ["c", "d", "e"] {
        let conversation = crate::store::contract::world::conv(conversation);
        lines.push(format!("{:?}", store.conversation_snapshot(org("o"), team(), conversation).await));
    }
    lines.push(format!("{:?}", store.website_events(org("o"), site("o", "a").website, 0, u64::MAX, 1000).await));
    for search in [vec![], vec!["numb"], vec!["answer"], vec!["注"], vec!["before"]] {
        let search = search.into_iter().map(str::to_owned).collect();
        let page = store.conversations(crate::store::ConversationQuery { search, ..query() }).await.unwrap();
        lines.push(format!("{page:?}"));
    }
    let own = crate::store::ConversationQuery { scope: own("vera"), asker: visitor("vera"), ..query() };
    lines.push(format!("{:?}", store.conversations(own).await));
    for person in ["vera", "old", "later"] {
        lines.push(format!("{:?}", store.visitor(site("o", "a"), id(person)).await));
        lines.push(format!("{:?}", store.resolve_visitor(site("o", "a"), id(person)).await));
    }
    lines.push(format!("{:?}", store.members(site("o", "a")).await));
    lines.join("\n")
}

/// Numbers that others refer to are not given again, even if what had the last one is gone.
#[tokio::test]
async fn numbers_of_what_is_gone_are_not_given_again() {
    let folders = Folders::new();
    let store = folder(&folders.dir("first"));
    World::new(Arc::clone(&store)).await;
    store.delete_website(site("p", "b")).await.unwrap();
    drop(store);
    let url = server().database();
    run_through(&to_database(&folders.dir("first"), &url));
    assert_eq!(server().run("SELECT max(id), nextval('websites_id_seq') FROM websites", name(&url)), "3|5");
    // And one more that is never used, as after a transaction that was undone.
    server().run("SELECT nextval('websites_id_seq')", name(&url));
    run_through(&to_folder(&url, &folders.dir("second")));
    let conn = rusqlite::Connection::open(folders.dir("second").join("store.db")).unwrap();
    let last: i64 =
        conn.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'websites'", [], |row| row.get(0)).unwrap();
    assert_eq!(last, 6);
}
