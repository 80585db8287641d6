//! Which webhooks there are, in the writer's memory.

use std::sync::Arc;

use cossistant_protocol::WebhookId;
use cossistant_protocol::http::{MAX_WEBHOOKS, WebhookEvent};
use rusqlite::StatementStatus;

use super::{Dir, hold, raw};
use crate::store::contract::outbox::one_that_cannot_be_read_holds_up_no_other;
use crate::store::contract::world::{World, at, org, says};
use crate::store::outbox::{EventSet, SigningSecret, TakeDeliveries, WebhookRow};
use crate::store::sql::{outbox, statements};
use crate::store::sqlite::SqliteStore;
use crate::store::{Outbox as _, Store, StoreError};

fn row(name: &str, organization: &str) -> WebhookRow {
    WebhookRow {
        id: WebhookId::new(name).unwrap(),
        organization: org(organization),
        url: "https://example.com/".to_owned(),
        secret: SigningSecret::new([1; 32]),
        events: EventSet::new(WebhookEvent::ALL),
        created_at: at(0),
    }
}

async fn due(store: &SqliteStore) -> Vec<String> {
    let take = TakeDeliveries { now: at(1), ..TakeDeliveries::default() };
    let due = store.due_deliveries(take).await.unwrap();
    due.deliveries.iter().map(|due| format!("{} {}", due.webhook, due.event)).collect()
}

#[tokio::test]
async fn where_nobody_is_told_a_message_costs_no_statement_more() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    store.create_webhook(row("of-another", "p")).await.unwrap();
    for n in 0..50 {
        world.append(says("vera", "c", &format!("k{n}"), "hi")).await;
    }
    let runs = store
        .writer
        .call(|write| {
            let runs = |sql: &str| raw(write).prepare_cached(sql).unwrap().get_status(StatementStatus::Run);
            Ok([
                runs(statements::INSERT_MESSAGE),
                runs(statements::HOOKS_OF_ORGANIZATION),
                runs(statements::INSERT_DELIVERIES),
                runs(statements::UNSEEN_AFTER),
                runs(statements::PUT_UNSEEN),
            ])
        })
        .await
        .unwrap();
    assert_eq!(runs, [50, 2, 0, 0, 0], "the webhooks of each organization are read once, and nothing else");
}

#[tokio::test]
async fn an_event_is_queued_for_all_webhooks_by_one_statement() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    for n in 0..MAX_WEBHOOKS {
        store.create_webhook(row(&format!("h{n}"), "o")).await.unwrap();
    }
    world.append(says("vera", "c", "k", "hi")).await;
    assert_eq!(due(&store).await.len(), 2 * MAX_WEBHOOKS, "the conversation and its message");
    let runs = store.writer.call(|write| {
        let statement = raw(write).prepare_cached(statements::INSERT_DELIVERIES)?;
        Ok(statement.get_status(StatementStatus::Run))
    });
    assert_eq!(runs.await, Ok(2));
}

/// What waits in the queue together is one group: the writer stands still until all of it is there.
async fn in_one_group(store: &Arc<SqliteStore>, queue: impl FnOnce()) {
    let (go, held) = hold(store);
    queue();
    drop(go);
    held.await.unwrap();
}

#[tokio::test]
async fn what_is_undone_is_not_remembered() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "before", "k", "hi")).await;
    let (mut undone, mut made, mut said) = (None, None, None);
    in_one_group(&store, || {
        // It writes and fails, so that the group is run again, with this one undone alone.
        undone = Some(store.writer.call(|write| {
            outbox::create_webhook(write, &row("undone", "o"))?;
            Err::<(), _>(StoreError::Forbidden("of no use").into())
        }));
        said = Some(store.append_message(says("vera", "c", "k", "nobody is told")));
        made = Some(store.create_webhook(row("made", "o")));
    })
    .await;
    assert_eq!(undone.unwrap().await, Err(StoreError::Forbidden("of no use")));
    said.unwrap().await.unwrap();
    made.unwrap().await.unwrap();
    assert_eq!(due(&store).await, Vec::<String>::new(), "neither of one that never was nor before it was made");

    let (mut gone, mut said) = (None, None);
    in_one_group(&store, || {
        said = Some([
            store.append_message(says("vera", "c", "k2", "told")),
            store.append_message(says("vera", "d", "k", "told")),
        ]);
        gone = Some(store.writer.call(|write| {
            outbox::delete_webhook(write, &org("o"), &WebhookId::new("made").unwrap())?;
            Err::<(), _>(StoreError::Forbidden("of no use").into())
        }));
    })
    .await;
    for said in said.unwrap() {
        said.await.unwrap();
    }
    gone.unwrap().await.unwrap_err();
    let told = ["made message.created", "made conversation.created", "made message.created"];
    assert_eq!(due(&store).await, told, "one that stands is told");
    world.append(says("vera", "d", "k2", "told")).await;
    assert_eq!(due(&store).await.len(), 4);
}

#[tokio::test]
async fn deliveries_are_still_due_after_reopening() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    store.create_webhook(row("h", "o")).await.unwrap();
    world.append(says("vera", "c", "k", "hi")).await;
    let before = due(&store).await;
    assert_eq!(before.len(), 2);
    drop(world);
    drop(Arc::into_inner(store).unwrap());
    let store = dir.open();
    assert_eq!(due(&store).await, before);
}

#[tokio::test]
async fn one_that_is_damaged_holds_up_no_other() {
    for spoil in [
        "UPDATE events SET content = CAST(x'7bff7d' AS TEXT) WHERE kind = 1",
        "UPDATE events SET content = '{\"text\":' WHERE kind = 1",
        "UPDATE events SET public_id = '' WHERE kind = 1",
        "UPDATE webhooks SET url = CAST(x'ff' AS TEXT) WHERE public_id = 'one'",
    ] {
        let dir = Dir::new();
        let store = Arc::new(dir.open());
        let spoiled = async || {
            let changed = store.writer.call(move |write| Ok(raw(write).execute(spoil, [])?)).await;
            assert_eq!(changed, Ok(1), "{spoil}");
        };
        one_that_cannot_be_read_holds_up_no_other(Arc::clone(&store) as Arc<dyn Store>, spoiled).await;
    }
}
