//! A day in the worker's life, on tokio's paused clock: nothing here waits for real.

use std::sync::OnceLock;

use cossistant_protocol::WebsiteId;
use cossistant_protocol::http::{DeliveryStatus, WebhookEvent};

use super::*;
use crate::store::{DeliveryPage, DeliveryRow, EventSet, MemoryStore, SigningSecret, Store, WebhookRow};
use crate::webhook::AddressPolicy;

const HOUR: Duration = Duration::from_secs(3600);

/// The time of the paused clock.
fn clock() -> Timestamp {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    let passed = Instant::now().saturating_duration_since(*began);
    Timestamp(1_700_000_000_000 + u64::try_from(passed.as_millis()).unwrap())
}

fn hook() -> WebhookId {
    WebhookId::new("hook").unwrap()
}

fn organization() -> cossistant_protocol::OrganizationId {
    cossistant_protocol::OrganizationId::new("o").unwrap()
}

/// A store in which one webhook is to be told of one conversation. Its address is refused without any connection.
async fn store() -> Arc<MemoryStore> {
    use crate::store::{CreateConversation, OrganizationRow, SiteKey, WebsiteRow, WebsiteSettings};
    let store = Arc::new(MemoryStore::new("epoch"));
    let key = SiteKey { organization: organization(), website: WebsiteId::new("a").unwrap() };
    let row = OrganizationRow { id: organization(), name: "O".to_owned(), created_at: clock() };
    store.create_organization(row).await.unwrap();
    let settings = WebsiteSettings {
        name: "A".to_owned(),
        accent: None,
        questions: Vec::new(),
        allowed_domains: Vec::new(),
        typing_preview: cossistant_protocol::TypingPreview::Text,
        unseen_after: 60,
    };
    store.create_website(WebsiteRow { key: key.clone(), settings, created_at: clock() }).await.unwrap();
    let row = WebhookRow {
        id: hook(),
        organization: organization(),
        url: "http://127.0.0.1/".to_owned(),
        secret: SigningSecret::new([1; 32]),
        events: EventSet::new(WebhookEvent::ALL),
        created_at: clock(),
    };
    store.create_webhook(row).await.unwrap();
    let create = CreateConversation {
        website: key,
        visitor: cossistant_protocol::PersonId::new("vera").unwrap(),
        conversation: cossistant_protocol::ConversationId::new("c").unwrap(),
        at: clock(),
    };
    store.create_conversation(create).await.unwrap();
    store
}

async fn rows(store: &MemoryStore) -> Vec<DeliveryRow> {
    let page = DeliveryPage { status: None, before: None, limit: 50 };
    store.deliveries(organization(), hook(), page).await.unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_nobody_takes_is_tried_for_a_day_and_kept_for_two_weeks() {
    let store = store().await;
    let sender = Sender::new(AddressPolicy::Public).unwrap();
    let worker = Worker::new(Arc::clone(&store) as Arc<dyn Outbox>, sender, Clocks { wall: clock, onward: clock });
    let (stage, stages) = watch::channel(Stage::Running);
    let task = tokio::spawn(worker.run(stages));

    tokio::time::sleep(Duration::from_secs(1)).await;
    let row = rows(&store).await.remove(0);
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Failed, 1), "{row:?}");
    let pause = row.next_at.as_millis() - row.last_at.unwrap().as_millis();
    assert!((5_000..=5_500).contains(&pause), "{pause}");

    tokio::time::sleep(23 * HOUR).await;
    let row = rows(&store).await.remove(0);
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Failed, 9), "{row:?}");
    tokio::time::sleep(5 * HOUR).await;
    let row = rows(&store).await.remove(0);
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Dead, 10), "{row:?}");
    let took = row.last_at.unwrap().as_millis() - row.at.as_millis();
    let day = 24 * u64::try_from(HOUR.as_millis()).unwrap();
    assert!((day..day + day / 10 + 60_000).contains(&took), "a day, and at most a tenth more: {took}");

    tokio::time::sleep(13 * 24 * HOUR).await;
    assert_eq!(rows(&store).await.len(), 1);
    tokio::time::sleep(2 * 24 * HOUR).await;
    assert_eq!(rows(&store).await, [], "two weeks later it is gone");

    stage.send_replace(Stage::Draining);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_again() {
    let store = store().await;
    // The outcome of the first attempt cannot be written twice; it is not tried again meanwhile.
    store.fail_next_writes(2);
    let sender = Sender::new(AddressPolicy::Public).unwrap();
    let mut worker = Worker::new(Arc::clone(&store) as Arc<dyn Outbox>, sender, Clocks { wall: clock, onward: clock });
    worker.clean_at = Instant::now() + HOUR;
    let (stage, stages) = watch::channel(Stage::Running);
    let task = tokio::spawn(worker.run(stages));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let row = rows(&store).await.remove(0);
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Failed, 1), "{row:?}");
    drop(stage);
    task.await.unwrap();
}

#[test]
fn what_cannot_be_read_waits_longer_and_longer() {
    let at = Timestamp;
    let waits = Waiting { since: Some(at(1_000)), looked_at: at(5_000) };
    assert_eq!((waits.ms(at(5_000), true), waits.ms(at(9_000), false)), (4_000, 8_000));
    let idle = Waiting { since: None, looked_at: at(5_000) };
    assert_eq!((idle.ms(at(5_000), true), idle.ms(at(9_000), false)), (0, 4_000));
    assert_eq!(waits.ms(at(500), true), 0, "a clock that was put back");
}
