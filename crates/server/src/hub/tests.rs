//! The hub alone: what it queues, asks for and leaves out.

use std::io::IoSlice;
use std::sync::Arc;

use cossistant_protocol::{
    Channel, CloseCode, ConversationId, ConversationStatus, OrganizationId, PersonId, Timestamp, UserType, WebsiteId,
};

use super::{Answer, Ask, ConnRef, Effect, Hub, HubConfig, MAX_FRAMES_PER_WRITE, WorkId};
use crate::auth::{CredentialKind, Principal, PrincipalFields};
use crate::bus::ShardId;
use crate::chat::{Snapshot, SubscribeRequest};
use crate::event::Event;
use crate::store::{EventBody, SiteKey, StoredEvent, Websites};

fn site(website: &str) -> SiteKey {
    SiteKey { organization: OrganizationId::new("org").unwrap(), website: WebsiteId::new(website).unwrap() }
}

/// An event of a website whose team frame has at least `bytes` bytes.
fn event(website: &str, offset: u64, bytes: usize) -> Arc<Event> {
    Arc::new(Event::encode(&StoredEvent {
        website: site(website),
        conversation: ConversationId::new("c").unwrap(),
        offset,
        team_seq: offset,
        visitor_seq: Some(offset),
        body: EventBody::Status {
            status: ConversationStatus::Open,
            by: Some(PersonId::new("x".repeat(bytes.clamp(1, 128))).unwrap()),
        },
    }))
}

struct World {
    hub: Hub,
    at: ConnRef,
}

impl World {
    /// A hub with one user who may see every website.
    fn new(max_outbox_bytes: usize) -> Self {
        let mut hub = Hub::new(HubConfig {
            shards: 1,
            shard: ShardId(0),
            max_outbox_bytes,
            max_subscriptions: 3,
            presence_grace_ms: 0,
            epoch: Arc::from("epoch"),
        });
        let at = ConnRef { index: hub.reserve(), serial: 7 };
        let principal = Principal::from(PrincipalFields {
            organization: OrganizationId::new("org").unwrap(),
            kind: UserType::User,
            id: PersonId::new("grace").unwrap(),
            websites: Websites::All,
            is_admin: false,
            name: None,
            email: None,
            avatar_url: None,
            expires_at: Some(Timestamp(u64::MAX)),
            issued_at: None,
            credential: CredentialKind::Operator,
        });
        hub.connect(at, principal, false);
        hub.take_effects();
        Self { hub, at }
    }

    fn subscribe(&mut self, website: &str) -> WorkId {
        let channel = Channel::Website(WebsiteId::new(website).unwrap());
        let request = SubscribeRequest { channel, after: None, last: None, epoch: None };
        self.hub.subscribe(self.at.index, None, request);
        self.asked()
    }

    /// The work for which a state was asked just now.
    fn asked(&mut self) -> WorkId {
        let effects = self.hub.take_effects();
        let asked = effects
            .iter()
            .find_map(|effect| if let Effect::Ask(_, work, Ask::Subscribe(_)) = effect { Some(*work) } else { None });
        asked.expect("a state was asked for")
    }

    fn answer(&mut self, work: WorkId, website: &str, head: u64) {
        let snapshot = Snapshot {
            site: site(website),
            website_head: head,
            conversation: None,
            head,
            is_recovered: true,
            replay_after: head,
            page: Vec::new(),
        };
        self.hub.handle_answer(self.at, work, Answer::Snapshot(Ok(Box::new(snapshot))));
    }

    /// What waits for the connection, as text.
    fn queued(&self) -> String {
        let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
        let outbox = &self.hub.conn(self.at.index).unwrap().outbox;
        let count = outbox.slices(&mut slices);
        slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
    }

    /// The offsets of the events that wait for the connection.
    fn offsets(&self) -> Vec<u64> {
        let queued = self.queued();
        let offsets = queued.match_indices("\"offset\":").map(|(at, key)| {
            let digits = queued[at + key.len()..].chars().take_while(char::is_ascii_digit);
            digits.collect::<String>().parse().unwrap()
        });
        offsets.collect()
    }
}

#[test]
fn nothing_follows_an_event_that_was_left_out() {
    let mut world = World::new(700);
    let work = world.subscribe("w");
    world.answer(work, "w", 0);
    assert!(world.queued().contains("subscription_confirmed"));
    // The first fits, the second does not, and the third, which would, must not take its place.
    world.hub.handle_events(&[event("w", 1, 100), event("w", 2, 128), event("w", 3, 1), event("w", 4, 1)]);
    let effects = world.hub.take_effects();
    let closes = effects.iter().filter(|effect| matches!(effect, Effect::Close(_, CloseCode::SlowReader, _))).count();
    assert_eq!(closes, 1, "{effects:?}");
    assert_eq!(world.offsets(), Vec::<u64>::new(), "{}", world.queued());
}

#[test]
fn an_answer_to_other_work_changes_nothing() {
    let mut world = World::new(1 << 20);
    let first = world.subscribe("a");
    world.hub.revoke_uncovered(world.at.index, |_| false);
    let second = world.subscribe("b");
    assert_ne!(first, second);
    world.answer(first, "a", 500);
    assert!(!world.queued().contains("subscription_confirmed"), "{}", world.queued());
    world.answer(second, "b", 3);
    assert!(world.queued().contains(r#""channel":"website:b","epoch":"epoch","head":3"#), "{}", world.queued());
}

#[test]
fn early_events_wait_for_their_turn_and_doubled_ones_are_dropped() {
    let mut world = World::new(1 << 20);
    let work = world.subscribe("w");
    // One comes while the state is read, and is part of it; another is not.
    world.hub.handle_events(&[event("w", 5, 1), event("w", 6, 1)]);
    world.answer(work, "w", 5);
    world.hub.handle_events(&[event("w", 8, 1)]);
    assert_eq!(world.offsets(), [6]);
    let effects = world.hub.take_effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::GapTimer { .. })), "{effects:?}");
    world.hub.handle_events(&[event("w", 6, 1), event("w", 7, 1), event("w", 7, 1)]);
    assert_eq!(world.offsets(), [6, 7, 8]);
}

#[test]
fn a_hole_is_filled_from_the_store() {
    let mut world = World::new(1 << 20);
    let work = world.subscribe("w");
    world.answer(work, "w", 0);
    world.hub.handle_events(&[event("w", 3, 1)]);
    world.hub.take_effects();
    world.hub.handle_gap(0);
    let effects = world.hub.take_effects();
    assert!(matches!(effects.as_slice(), [Effect::Fill { after: 0, .. }]), "{effects:?}");
    let stored = vec![event("w", 1, 1), event("w", 2, 1), event("w", 3, 1)];
    world.hub.handle_fill(0, &site("w"), Some((stored, false)));
    assert_eq!(world.offsets(), [1, 2, 3]);
}

#[test]
fn no_more_subscriptions_than_allowed() {
    let mut world = World::new(1 << 20);
    for website in ["a", "b", "c"] {
        let work = world.subscribe(website);
        world.answer(work, website, 0);
    }
    let channel = Channel::Conversation(ConversationId::new("one-too-many").unwrap());
    let request = SubscribeRequest { channel, after: None, last: None, epoch: None };
    world.hub.subscribe(world.at.index, None, request);
    assert!(world.queued().contains("limit_exceeded"), "{}", world.queued());
    let work = world.subscribe("a");
    world.answer(work, "a", 0);
    assert_eq!(world.queued().matches("limit_exceeded").count(), 1, "one that is held may be renewed");
}

#[test]
fn a_conversation_may_be_seen_once_the_store_has_said_so() {
    let id = ConversationId::new("c").unwrap();
    for is_allowed in [true, false] {
        let mut world = World::new(1 << 20);
        let channel = Channel::Conversation(id.clone());
        let request = SubscribeRequest { channel, after: None, last: None, epoch: None };
        world.hub.subscribe(world.at.index, None, request);
        let effects = world.hub.take_effects();
        let [Effect::Ask(_, work, Ask::Locate(_))] = effects.as_slice() else { panic!("{effects:?}") };
        world.hub.handle_answer(world.at, *work, Answer::Located(Ok(site("w"))));
        let work = world.asked();
        // It is registered, so that nothing is missed, but that proves nothing.
        assert_eq!(world.hub.subscribed_site(world.at.index, &id), None);
        if is_allowed {
            world.answer(work, "w", 0);
            assert_eq!(world.hub.subscribed_site(world.at.index, &id), Some(&site("w")));
            world.hub.unsubscribe(world.at.index, None, Channel::Conversation(id.clone()));
        } else {
            let refused = Answer::Snapshot(Err(crate::chat::ChatError::not_found()));
            world.hub.handle_answer(world.at, work, refused);
            assert!(world.queued().contains("subscription_error"), "{}", world.queued());
        }
        assert_eq!(world.hub.subscribed_site(world.at.index, &id), None);
    }
}
