//! Webhooks: what is queued for them, what becomes of it, and messages that nobody reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use cossistant_protocol::http::{DeliveryStatus, MAX_WEBHOOKS, WebhookEvent};
use cossistant_protocol::{ConversationStatus, DeliveryId, Timestamp, WebhookId};
use futures_util::FutureExt as _;

use super::world::{
    World, at, conv, deletes, edits, id, message, notes, org, own, replies, says, site, team, user, visitor,
    website_row,
};
use crate::store::{
    AppendMessage, Appended, Attempt, AttemptOutcome, Audience, BusyLane, CleanOutbox, Conflict, DeliveryContent,
    DeliveryPage, DueDeliveries, DueDelivery, EventSet, SigningSecret, Store, StoreError, TakeDeliveries, UNREADABLE,
    UnreadableDelivery, UnseenMessages, WebhookRow, WebsiteRow,
};

use WebhookEvent::{
    ConversationAssigned, ConversationCreated, ConversationStatusChanged, MessageCreated, MessageUnseen, MessageUpdated,
};

const MINUTE: u64 = 60_000;

fn hook(name: &str) -> WebhookId {
    WebhookId::new(name).unwrap()
}

fn row(name: &str, organization: &str, events: &[WebhookEvent]) -> WebhookRow {
    WebhookRow {
        id: hook(name),
        organization: org(organization),
        url: format!("https://{name}.example/"),
        secret: SigningSecret::new(name.as_bytes()),
        events: EventSet::new(events),
        created_at: at(0),
    }
}

fn all(ms: u64) -> TakeDeliveries {
    TakeDeliveries { now: at(ms), ..TakeDeliveries::default() }
}

fn attempt(due: &DueDelivery, ms: u64, outcome: AttemptOutcome) -> Attempt {
    let http_status = (outcome == AttemptOutcome::Delivered).then_some(204);
    let (webhook, delivery, round) = (due.webhook.clone(), due.id.clone(), due.round);
    Attempt { webhook, delivery, round, at: at(ms), http_status, outcome }
}

fn failed(next_ms: Option<u64>) -> AttemptOutcome {
    AttemptOutcome::Failed { error: "why".to_owned(), next_at: next_ms.map(at) }
}

fn page(status: Option<DeliveryStatus>) -> DeliveryPage {
    DeliveryPage { status, before: None, limit: 50 }
}

/// Kinds of what is due, by webhook.
fn kinds(due: &DueDeliveries) -> Vec<(String, WebhookEvent)> {
    let mut kinds: Vec<_> =
        due.deliveries.iter().map(|due| (due.id.clone(), due.webhook.to_string(), due.event)).collect();
    kinds.sort();
    kinds.into_iter().map(|(_, webhook, event)| (webhook, event)).collect()
}

fn unseen(due: &DueDelivery) -> &UnseenMessages {
    match &due.content {
        DeliveryContent::Unseen(unseen) => unseen,
        other => panic!("{other:?}"),
    }
}

/// The keys under which the messages were sent.
fn keys(unseen: &UnseenMessages) -> Vec<String> {
    unseen.messages.iter().map(|stored| message(stored).key.to_string()).collect()
}

impl World {
    async fn hook(&self, name: &str, events: &[WebhookEvent]) {
        self.store.create_webhook(row(name, "o", events)).await.unwrap();
    }

    async fn due(&self, ms: u64) -> DueDeliveries {
        self.store.due_deliveries(all(ms)).await.unwrap()
    }

    async fn settle(&self, due: &DueDelivery, ms: u64, outcome: AttemptOutcome) {
        self.store.settle_delivery(attempt(due, ms, outcome)).await.unwrap();
    }

    async fn listed_as(&self, name: &str, status: DeliveryStatus) -> usize {
        self.store.deliveries(org("o"), hook(name), page(Some(status))).await.unwrap().0.len()
    }

    /// Everything that is due is taken.
    async fn take_all(&self, ms: u64) {
        for due in self.due(ms).await.deliveries {
            self.settle(&due, ms, AttemptOutcome::Delivered).await;
        }
    }
}

fn says_at(key: &str, ms: u64) -> AppendMessage {
    AppendMessage { at: at(ms), ..says("vera", "c", key, key) }
}

fn replies_at(key: &str, ms: u64) -> AppendMessage {
    AppendMessage { at: at(ms), ..replies("anna", "c", key, key) }
}

pub(in crate::store) async fn events_are_queued_for_those_who_asked(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "before", "k", "nobody is told")).await;
    world.hook("all", WebhookEvent::ALL).await;
    world.hook("some", &[MessageCreated, ConversationAssigned]).await;
    world.store.create_webhook(row("foreign", "p", WebhookEvent::ALL)).await.unwrap();
    let said = world.append(says("vera", "c", "k", "hi")).await;
    assert!(world.append(says("vera", "c", "k", "hi")).await.duplicate, "a duplicate is no event");
    world.append(notes("anna", "c", "n", "psst")).await;
    world.store.edit_message(edits(own("vera"), visitor("vera"), &said, "ho", 2)).await.unwrap();
    world.status("c", ConversationStatus::Resolved, 3).await;
    world.assign("c", Some("anna"), 4).await;
    world.append(says_at("again", 5)).await;
    world.create("vera", "d", 6).await.unwrap();
    let due = world.due(10).await;
    let of =
        |name: &str| kinds(&due).into_iter().filter(|(hook, _)| hook == name).map(|(_, kind)| kind).collect::<Vec<_>>();
    assert_eq!(
        of("all"),
        [
            ConversationCreated,
            MessageCreated,
            MessageCreated,
            MessageUpdated,
            ConversationStatusChanged,
            ConversationAssigned,
            MessageCreated,
            ConversationStatusChanged,
            ConversationCreated,
        ]
    );
    assert_eq!(of("some"), [MessageCreated, MessageCreated, ConversationAssigned, MessageCreated]);
    assert!(of("foreign").is_empty());
    let mut texts = Vec::new();
    for due in due.deliveries.iter().filter(|due| due.webhook == hook("some")) {
        let DeliveryContent::Event(event) = &due.content else { panic!("{due:?}") };
        assert_eq!(event.website, site("o", "a"));
        assert_eq!((due.url.as_str(), due.secret.expose(), due.attempts), ("https://some.example/", &b"some"[..], 0));
        if due.event == MessageCreated {
            texts.push((due.at, message(event).content.as_deref().unwrap().to_owned(), event.visitor_seq));
        }
    }
    texts.sort();
    let text = |text: &str| format!("{{\"text\":{text:?}}}");
    assert_eq!(
        texts,
        [(at(0), text("ho"), Some(2)), (at(0), text("psst"), None), (at(5), text("again"), Some(6))],
        "the newest content, notes too"
    );
    assert!(world.due(0).await.next_at.is_some_and(|next| next == at(2)), "what lies ahead is not due");
}

pub(in crate::store) async fn deliveries_settle_and_come_again(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", &[MessageCreated]).await;
    for (key, ms) in [("a", 1), ("b", 2), ("c", 3)] {
        world.append(says_at(key, ms)).await;
    }
    let [a, b, c] = <[DueDelivery; 3]>::try_from(world.due(5).await.deliveries).unwrap();
    assert!(a.id < b.id && b.id < c.id, "ids sort by time");
    assert_eq!(world.due(5).await.waiting_since, Some(at(1)));
    world.settle(&a, 6, AttemptOutcome::Delivered).await;
    world.settle(&b, 6, failed(Some(100))).await;
    world.settle(&c, 6, failed(None)).await;
    let due = world.due(99).await;
    assert_eq!((due.deliveries.len(), due.next_at, due.waiting_since), (0, Some(at(100)), Some(at(2))));
    let due = world.due(100).await;
    assert_eq!((due.deliveries[0].id.clone(), due.deliveries[0].attempts), (b.id.clone(), 1));
    let (rows, has_more) = world.store.deliveries(org("o"), hook("h"), page(None)).await.unwrap();
    assert!(!has_more);
    let shown: Vec<_> = rows.iter().map(|row| (row.id.clone(), row.status, row.attempts, row.last_status)).collect();
    assert_eq!(
        shown,
        [
            (c.id.clone(), DeliveryStatus::Dead, 1, None),
            (b.id.clone(), DeliveryStatus::Failed, 1, None),
            (a.id.clone(), DeliveryStatus::Delivered, 1, Some(204)),
        ],
        "the newest first"
    );
    assert_eq!((rows[0].last_at, rows[0].last_error.as_deref(), rows[0].at), (Some(at(6)), Some("why"), at(3)));
    assert_eq!((rows[2].last_error.as_deref(), rows[1].next_at), (None, at(100)));
    let dead = world.store.deliveries(org("o"), hook("h"), page(Some(DeliveryStatus::Dead))).await.unwrap().0;
    assert_eq!(dead, rows[..1]);
    let one = |before: &DeliveryId| DeliveryPage { status: None, before: Some(before.clone()), limit: 1 };
    let (next, has_more) = world.store.deliveries(org("o"), hook("h"), one(&c.id)).await.unwrap();
    assert_eq!((next, has_more), (rows[1..2].to_vec(), true));
    let (last, has_more) = world.store.deliveries(org("o"), hook("h"), one(&b.id)).await.unwrap();
    assert_eq!((last, has_more), (rows[2..].to_vec(), false));
    world.settle(&b, 101, AttemptOutcome::Gone).await;
    assert_eq!(world.store.deliveries(org("o"), hook("h"), page(None)).await.unwrap().0.len(), 2);
}

pub(in crate::store) async fn a_delivery_is_sent_once_more(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", &[MessageCreated]).await;
    world.append(says_at("a", 1)).await;
    let due = world.due(1).await.deliveries.remove(0);
    let resend = |organization: &str, name: &str, delivery: &DeliveryId| {
        world.store.resend_delivery(org(organization), hook(name), delivery.clone(), at(50))
    };
    // While the first attempt is in the works: what comes of it does not end the second one.
    let row = resend("o", "h", &due.id).await.unwrap();
    assert_eq!((row.status, row.attempts, row.next_at), (DeliveryStatus::Pending, 0, at(50)));
    world.settle(&due, 51, AttemptOutcome::Delivered).await;
    assert_eq!(world.listed_as("h", DeliveryStatus::Pending).await, 1);
    let again = world.due(50).await.deliveries.remove(0);
    assert_eq!((again.id.clone(), again.round), (due.id.clone(), due.round + 1));
    world.settle(&again, 52, failed(None)).await;
    assert_eq!(world.listed_as("h", DeliveryStatus::Dead).await, 1);
    for _ in 0..2 {
        resend("o", "h", &due.id).await.unwrap();
        assert_eq!(world.due(50).await.deliveries[0].attempts, 0, "all attempts are before it");
        world.take_all(53).await;
        assert_eq!(world.listed_as("h", DeliveryStatus::Delivered).await, 1);
    }
    world.hook("other", &[]).await;
    let unknown = DeliveryId::new("dlv_unknown").unwrap();
    for (organization, name, id) in [("p", "h", &due.id), ("o", "other", &due.id), ("o", "h", &unknown)] {
        assert_eq!(resend(organization, name, id).await, Err(StoreError::NotFound), "{organization} {name} {id}");
    }
}

pub(in crate::store) async fn webhooks_belong_to_their_organization(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let store = &world.store;
    let rows = [row("h1", "o", &[MessageCreated]), row("h2", "o", WebhookEvent::ALL)];
    for row in rows.iter().rev() {
        store.create_webhook(row.clone()).await.unwrap();
    }
    assert_eq!(store.webhooks(org("o")).await.unwrap(), rows);
    assert_eq!(store.webhooks(org("p")).await.unwrap(), []);
    assert_eq!(store.create_webhook(rows[0].clone()).await, Err(StoreError::Conflict(Conflict::Taken)));
    assert_eq!(store.create_webhook(row("h3", "q", &[])).await, Err(StoreError::NotFound));
    assert_eq!(store.delete_webhook(org("p"), hook("h1")).await, Err(StoreError::NotFound));
    let foreign = store.deliveries(org("p"), hook("h1"), page(None)).await;
    assert_eq!(foreign.unwrap_err(), StoreError::NotFound);
    world.append(says_at("a", 1)).await;
    assert_eq!(world.due(1).await.deliveries.len(), 3);
    store.delete_webhook(org("o"), hook("h2")).await.unwrap();
    assert_eq!(kinds(&world.due(1).await), [("h1".to_owned(), MessageCreated)], "nothing more is sent to it");
    assert_eq!(store.delete_webhook(org("o"), hook("h2")).await, Err(StoreError::NotFound));
    world.append(says_at("b", 2)).await;
    assert_eq!(world.due(2).await.deliveries.len(), 2);
    assert_eq!(store.webhooks(org("o")).await.unwrap(), rows[..1]);
}

pub(in crate::store) async fn webhooks_are_limited_however_many_come_at_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let create = |n: usize| world.store.create_webhook(row(&format!("h{n:03}"), "o", &[MessageCreated]));
    let created = futures_util::future::join_all((0..MAX_WEBHOOKS + 3).map(create)).await;
    let (made, refused): (Vec<_>, Vec<_>) = created.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (MAX_WEBHOOKS, 3));
    assert!(refused.iter().all(|error| matches!(error, Err(StoreError::LimitExceeded(_)))), "{refused:?}");
    let one = world.store.webhooks(org("o")).await.unwrap().remove(0);
    world.store.create_webhook(row("another", "p", &[MessageCreated])).await.unwrap();
    world.store.delete_webhook(org("o"), one.id).await.unwrap();
    create(MAX_WEBHOOKS + 3).await.unwrap();
}

pub(in crate::store) async fn nothing_is_sent_of_what_was_deleted(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", WebhookEvent::ALL).await;
    let said = world.append(says_at("a", 1)).await;
    world.store.delete_message(deletes(own("vera"), visitor("vera"), &said, 2)).await.unwrap();
    let due = world.due(5).await;
    let created = due.deliveries.iter().find(|due| due.event == MessageCreated).unwrap();
    let DeliveryContent::Event(event) = &created.content else { panic!("{created:?}") };
    assert_eq!(
        (message(event).content.clone(), message(event).deleted),
        (None, true),
        "a text is gone with its message"
    );

    world.store.delete_website(site("o", "a")).await.unwrap();
    // Whatever comes under the same names is something else.
    world.store.create_website(website_row(site("o", "a"))).await.unwrap();
    for name in ["x", "y", "z"] {
        world.create(name, name, 6).await.unwrap();
    }
    let due = world.due(6).await;
    let gone: Vec<_> = due.deliveries.iter().filter(|due| matches!(due.content, DeliveryContent::Gone)).collect();
    assert_eq!((gone.len(), due.deliveries.len()), (3, 6), "{due:?}");
    assert!(gone.iter().all(|due| due.at < at(6)));
    world.store.tell_unseen(at(MINUTE * 2)).await.unwrap();
    assert_eq!(world.due(MINUTE * 2).await.deliveries.len(), 6, "its timers are gone too");

    world.store.delete_organization(org("o")).await.unwrap();
    let due = world.due(10 * MINUTE).await;
    assert_eq!((due.deliveries.len(), due.next_at, due.unseen_at), (0, None, None));
    assert_eq!(world.store.webhooks(org("o")).await.unwrap_err(), StoreError::NotFound);
}

/// For backends in which something can be spoiled: either the message that `one` is to be told of, or `one` itself.
pub(in crate::store) async fn one_that_cannot_be_read_holds_up_no_other(
    store: Arc<dyn Store>,
    spoil: impl AsyncFnOnce(),
) {
    let world = World::new(store).await;
    world.hook("one", &[MessageCreated]).await;
    world.hook("two", &[ConversationCreated]).await;
    world.append(says_at("a", 1)).await;
    spoil().await;
    let due = world.due(5).await;
    assert_eq!(kinds(&due), [("two".to_owned(), ConversationCreated)]);
    let dead = async |found: &UnreadableDelivery, ms| {
        let (webhook, delivery, round) = (found.webhook.clone(), found.id.clone(), found.round);
        let outcome = AttemptOutcome::Failed { error: UNREADABLE.to_owned(), next_at: None };
        let attempt = Attempt { webhook, delivery, round, at: at(ms), http_status: None, outcome };
        world.store.settle_delivery(attempt).await.unwrap();
        let due = world.due(ms).await;
        assert_eq!((due.unreadable, due.deliveries.len()), (vec![], 1), "it is dead, and the other one is still due");
        let row = world.store.deliveries(org("o"), hook("one"), page(Some(DeliveryStatus::Dead))).await.unwrap().0;
        assert_eq!((row.len(), row[0].last_error.as_deref()), (1, Some(UNREADABLE)), "{row:?}");
    };
    assert_eq!((due.unreadable.len(), &due.unreadable[0].webhook), (1, &hook("one")), "{due:?}");
    dead(&due.unreadable[0], 6).await;
    // By hand it is no better.
    world.store.resend_delivery(org("o"), hook("one"), due.unreadable[0].id.clone(), at(7)).await.unwrap();
    let again = world.due(7).await.unreadable;
    assert_eq!((again.len(), again[0].round), (1, due.unreadable[0].round + 1), "{again:?}");
    dead(&again[0], 8).await;
}

pub(in crate::store) async fn a_slow_webhook_takes_no_room_from_another(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("slow", &[MessageCreated]).await;
    for n in 0..10 {
        world.append(says_at(&format!("k{n}"), n)).await;
    }
    world.hook("quick", &[MessageCreated]).await;
    world.append(says_at("last", 20)).await;
    let mut take = TakeDeliveries { lane: 4, limit: 100, ..all(30) };
    let first = world.store.due_deliveries(take.clone()).await.unwrap();
    assert_eq!(first.deliveries.len(), 5, "four of one, one of the other");
    let in_flight: Vec<_> =
        first.deliveries.iter().filter(|due| due.webhook == hook("slow")).map(|due| due.id.clone()).collect();
    take.busy.insert(hook("slow"), BusyLane { in_flight: in_flight.clone(), lane: 4 });
    let second = world.store.due_deliveries(take.clone()).await.unwrap();
    assert_eq!(kinds(&second), [("quick".to_owned(), MessageCreated)], "the lane is full");
    take.busy.insert(hook("slow"), BusyLane { in_flight: in_flight[..3].to_vec(), lane: 4 });
    take.limit = 1;
    let third = world.store.due_deliveries(take.clone()).await.unwrap();
    assert_eq!(kinds(&third), [("quick".to_owned(), MessageCreated)], "who has least in the works comes first");
    assert_eq!(third.next_at, Some(at(30)), "and there is more to do");
    take.limit = 2;
    let fourth = world.store.due_deliveries(take).await.unwrap();
    let other = fourth.deliveries.iter().find(|due| due.webhook == hook("slow")).unwrap();
    assert_eq!(other.id, in_flight[3], "the oldest that is not in the works");
}

pub(in crate::store) async fn an_organization_leaves_room_for_others(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for n in 0..MAX_WEBHOOKS {
        world.hook(&format!("h{n:03}"), &[MessageCreated]).await;
    }
    for n in 0..3 {
        world.append(says_at(&format!("k{n}"), n)).await;
    }
    assert_eq!(world.due(10).await.deliveries.len(), 3 * MAX_WEBHOOKS, "each is told of each");
    let mut take = TakeDeliveries { organization: MAX_WEBHOOKS + 10, limit: 1000, lane: 2, ..all(10) };
    let first = world.store.due_deliveries(take.clone()).await.unwrap();
    assert_eq!((first.deliveries.len(), first.next_at), (MAX_WEBHOOKS + 10, None), "the rest waits for room");
    let mut each: BTreeMap<_, BusyLane> = BTreeMap::new();
    for due in first.deliveries {
        let lane = each.entry(due.webhook).or_insert(BusyLane { in_flight: Vec::new(), lane: 2 });
        lane.in_flight.push(due.id);
    }
    assert_eq!(each.len(), MAX_WEBHOOKS, "one to each, before a second one to any");
    take.busy = each;
    assert!(world.store.due_deliveries(take.clone()).await.unwrap().deliveries.is_empty());
    take.busy.pop_first();
    take.busy.pop_first();
    let more = world.store.due_deliveries(take).await.unwrap().deliveries;
    assert_eq!(more.len(), 4, "as many as have ended: two to each of the oldest");
}

pub(in crate::store) async fn what_begins_has_a_bound_in_bytes(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", &[MessageCreated]).await;
    for n in 0..5 {
        world.append(says("vera", "c", &format!("k{n}"), &"x".repeat(10_000))).await;
    }
    let taken = async |bytes| {
        let due = world.store.due_deliveries(TakeDeliveries { bytes, ..all(10) }).await.unwrap();
        (due.deliveries.len(), due.next_at)
    };
    assert_eq!(taken(0).await, (0, Some(at(10))));
    assert_eq!(taken(1).await, (1, Some(at(10))), "one always may, and there is more to do");
    assert_eq!(taken(10_000).await, (1, Some(at(10))));
    assert_eq!(taken(30_000).await, (3, Some(at(10))));
    assert_eq!(taken(1_000_000).await, (5, None));
}

pub(in crate::store) async fn unseen_messages_are_told_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", &[MessageUnseen]).await;
    world.append(says_at("a", 0)).await;
    world.append(says_at("b", 10_000)).await;
    world.append(replies_at("r", 20_000)).await;
    world.append(AppendMessage { at: at(21_000), ..notes("anna", "c", "note", "psst") }).await;
    assert_eq!(world.due(0).await.unseen_at, Some(at(MINUTE)));
    world.store.tell_unseen(at(MINUTE - 1)).await.unwrap();
    assert!(world.due(MINUTE).await.deliveries.is_empty(), "not before its time");
    world.store.tell_unseen(at(MINUTE)).await.unwrap();
    let due = world.due(MINUTE).await;
    assert_eq!(due.deliveries.len(), 1);
    let told = unseen(&due.deliveries[0]);
    assert_eq!((keys(told), told.count), (vec!["a".to_owned(), "b".to_owned()], 2), "all that wait, in one");
    assert_eq!(
        (told.unseen_by, told.visitor.clone(), told.conversation.clone()),
        (Audience::Team, id("vera"), conv("c"))
    );
    assert_eq!((due.deliveries[0].at, due.unseen_at), (at(MINUTE), Some(at(20_000 + MINUTE))));
    world.take_all(MINUTE).await;

    world.store.tell_unseen(at(2 * MINUTE)).await.unwrap();
    let due = world.due(2 * MINUTE).await;
    let told = unseen(&due.deliveries[0]);
    assert_eq!((keys(told), told.unseen_by), (vec!["r".to_owned()], Audience::Visitor), "notes are for nobody to read");
    assert_eq!((due.deliveries.len(), due.unseen_at), (1, None));
    world.take_all(2 * MINUTE).await;
    world.store.tell_unseen(at(9 * MINUTE)).await.unwrap();
    assert!(world.due(9 * MINUTE).await.deliveries.is_empty(), "once");

    world.append(says_at("c", 10 * MINUTE)).await;
    world.store.tell_unseen(at(11 * MINUTE)).await.unwrap();
    let due = world.due(11 * MINUTE).await;
    assert_eq!(keys(unseen(&due.deliveries[0])), ["c"], "what was told before is not told again");
}

pub(in crate::store) async fn reading_cancels_what_is_unseen(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", &[MessageUnseen]).await;
    let first = world.append(says_at("a", 0)).await;
    world.append(says_at("b", 30_000)).await;
    world
        .seen(team(), super::world::person(cossistant_protocol::UserType::AiAgent, "bot"), "c", first.team_seq + 1)
        .await;
    world.seen(team(), user("anna"), "c", first.team_seq).await;
    world.store.tell_unseen(at(MINUTE)).await.unwrap();
    let due = world.due(MINUTE).await;
    assert_eq!((due.deliveries.len(), due.unseen_at), (0, Some(at(30_000 + MINUTE))), "the other one has its own time");
    world.store.tell_unseen(at(30_000 + MINUTE)).await.unwrap();
    let due = world.due(2 * MINUTE).await;
    assert_eq!(keys(unseen(&due.deliveries[0])), ["b"], "an AI agent is no user");
    world.take_all(2 * MINUTE).await;

    // Read by another user, or deleted, before its time: nothing is told.
    let read = world.append(says_at("read", 3 * MINUTE)).await;
    let deleted = world.append(replies_at("deleted", 3 * MINUTE)).await;
    world.seen(team(), user("ben"), "c", read.team_seq).await;
    world.store.delete_message(deletes(team(), user("anna"), &deleted, 3 * MINUTE)).await.unwrap();
    world.store.tell_unseen(at(5 * MINUTE)).await.unwrap();
    let due = world.due(5 * MINUTE).await;
    assert_eq!((due.deliveries.len(), due.unseen_at), (0, None));

    // The visitor reads what the team wrote.
    let reply = world.append(replies_at("reply", 6 * MINUTE)).await;
    world.seen(own("vera"), visitor("vera"), "c", reply.visitor_seq.unwrap()).await;
    world.store.tell_unseen(at(8 * MINUTE)).await.unwrap();
    assert!(world.due(8 * MINUTE).await.deliveries.is_empty());

    // What is read after its time is not sent either, and no retry tells of it: of two messages one is left, then none.
    for (at_ms, says, reader, scope) in [
        (20 * MINUTE, says_at as fn(&str, u64) -> AppendMessage, user("anna"), team()),
        (30 * MINUTE, replies_at, visitor("vera"), own("vera")),
    ] {
        let (first, second) = (format!("first-{at_ms}"), format!("second-{at_ms}"));
        let (one, two) = (world.append(says(&first, at_ms)).await, world.append(says(&second, at_ms + 1)).await);
        let seq = |said: &Appended| if reader == visitor("vera") { said.visitor_seq.unwrap() } else { said.team_seq };
        world.store.tell_unseen(at(at_ms + MINUTE)).await.unwrap();
        let due = world.due(at_ms + MINUTE).await.deliveries.remove(0);
        assert_eq!(keys(unseen(&due)), [first, second.clone()]);
        world.settle(&due, at_ms + MINUTE, failed(Some(at_ms + 2 * MINUTE))).await;
        world.seen(scope.clone(), reader.clone(), "c", seq(&one)).await;
        let due = world.due(at_ms + 2 * MINUTE).await.deliveries.remove(0);
        assert_eq!((keys(unseen(&due)), unseen(&due).count), (vec![second], 1), "{due:?}");
        world.settle(&due, at_ms + 2 * MINUTE, failed(None)).await;
        world.seen(scope, reader.clone(), "c", seq(&two)).await;
        world.store.resend_delivery(org("o"), hook("h"), due.id, at(at_ms + 3 * MINUTE)).await.unwrap();
        let due = world.due(at_ms + 3 * MINUTE).await.deliveries.remove(0);
        assert!(matches!(due.content, DeliveryContent::Gone), "{due:?}");
        world.settle(&due, at_ms + 3 * MINUTE, AttemptOutcome::Gone).await;
    }

    // What is deleted after its time is not sent.
    let late = world.append(replies_at("late", 40 * MINUTE)).await;
    world.store.tell_unseen(at(41 * MINUTE)).await.unwrap();
    world.store.delete_message(deletes(team(), user("anna"), &late, 41 * MINUTE)).await.unwrap();
    let due = world.due(41 * MINUTE).await;
    assert!(matches!(due.deliveries[0].content, DeliveryContent::Gone), "{due:?}");
}

pub(in crate::store) async fn unseen_messages_follow_the_setting(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let setting = |seconds| {
        let mut row = website_row(site("o", "a"));
        row.settings.unseen_after = seconds;
        WebsiteRow { ..row }
    };
    world.hook("h", &[MessageUnseen]).await;
    world.store.update_website(setting(0)).await.unwrap();
    world.append(says_at("off", 0)).await;
    assert_eq!(world.due(0).await.unseen_at, None);
    world.store.update_website(setting(5)).await.unwrap();
    for n in 0..30 {
        world.append(says_at(&format!("k{n}"), 1_000 + n)).await;
    }
    assert_eq!(world.due(0).await.unseen_at, Some(at(6_000)));
    world.store.tell_unseen(at(6_000)).await.unwrap();
    let due = world.due(6_000).await;
    let told = unseen(&due.deliveries[0]);
    assert_eq!((told.count, told.messages.len()), (30, 20), "the newest of many; nothing from before the setting");
    assert_eq!(keys(told).first().map(String::as_str), Some("k10"));
    world.take_all(6_000).await;
    world.append(says_at("later", 10_000)).await;
    world.store.update_website(setting(0)).await.unwrap();
    world.store.tell_unseen(at(20_000)).await.unwrap();
    let due = world.due(20_000).await;
    assert_eq!((due.deliveries.len(), due.unseen_at), (0, None), "switched off before its time");
}

pub(in crate::store) async fn old_deliveries_are_removed(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.hook("h", &[MessageCreated]).await;
    for (key, ms) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        world.append(says_at(key, ms)).await;
    }
    let due = world.due(5).await.deliveries;
    world.settle(&due[0], 10, AttemptOutcome::Delivered).await;
    world.settle(&due[1], 10, failed(None)).await;
    let clean = |delivered: u64, dead: u64, waiting: Option<u64>| CleanOutbox {
        now: at(99),
        delivered_before: at(delivered),
        dead_before: at(dead),
        waiting_before: waiting.map(at),
    };
    let left = || async {
        let mut left = Vec::new();
        for status in DeliveryStatus::ALL {
            left.push(world.listed_as("h", *status).await);
        }
        left
    };
    assert_eq!(world.store.clean_outbox(clean(10, 10, None)).await, Ok(0));
    assert_eq!(left().await, [2, 0, 1, 1]);
    assert_eq!(world.store.clean_outbox(clean(11, 10, None)).await, Ok(1));
    assert_eq!(left().await, [2, 0, 0, 1]);
    assert_eq!(world.store.clean_outbox(clean(11, 11, None)).await, Ok(1));
    assert_eq!(left().await, [2, 0, 0, 0]);
    assert_eq!(world.store.clean_outbox(clean(0, 0, Some(4))).await, Ok(1), "one has waited too long");
    assert_eq!(left().await, [1, 0, 0, 1]);
    let dead = world.store.deliveries(org("o"), hook("h"), page(Some(DeliveryStatus::Dead))).await.unwrap().0;
    assert_eq!((dead[0].last_at, dead[0].at, dead[0].attempts), (Some(at(99)), at(3), 0));
    assert!(dead[0].last_error.is_some(), "and it says so");

    // The rows of a webhook that is gone go too, in pieces; then there is nothing to do.
    world.store.delete_webhook(org("o"), hook("h")).await.unwrap();
    let mut rounds = 0;
    while world.store.clean_outbox(clean(0, 0, None)).await.unwrap() > 0 {
        rounds += 1;
        assert!(rounds < 10, "it comes to an end");
    }
    assert_eq!(world.due(99).await.waiting_since, None::<Timestamp>);
}

pub(in crate::store) async fn the_worker_is_woken(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let signal = world.store.outbox_signal();
    let is_woken = || signal.notified().now_or_never().is_some();
    world.append(says_at("nobody", 0)).await;
    assert!(!is_woken(), "nobody is told");
    world.hook("h", &[MessageUnseen]).await;
    world.append(says_at("a", 1)).await;
    assert!(is_woken(), "a timer has begun");
    world.append(says_at("b", 2)).await;
    world.hook("g", &[MessageCreated]).await;
    while is_woken() {}
    world.append(says_at("c", 3)).await;
    assert!(is_woken(), "a delivery is due");
    let due = world.due(3).await.deliveries.remove(0);
    world.settle(&due, 4, AttemptOutcome::Delivered).await;
    assert!(!is_woken());
    world.store.resend_delivery(org("o"), hook("g"), due.id, at(5)).await.unwrap();
    assert!(is_woken(), "it is due once more");
}
