//! The hub alone: what it queues, asks for and leaves out.

use std::io::IoSlice;
use std::sync::Arc;

use cossistant_protocol::{
    Channel, CloseCode, ConversationId, ConversationStatus, OrganizationId, PersonId, Timestamp, UserType, WebsiteId,
};

use super::{Answer, Ask, ConnRef, Effect, Hub, HubConfig, MAX_FRAMES_PER_WRITE, WorkId};
use crate::auth::{CredentialKind, Principal, PrincipalFields};
use crate::bus::{Notice, ShardId, Topic};
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
            visitor: PersonId::new("vera").unwrap(),
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
            shard: ShardId::alone(0),
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

#[test]
fn what_the_store_has_and_nobody_told_is_read_from_there() {
    let mut world = World::new(1 << 20);
    let work = world.subscribe("web");
    world.answer(work, "web", 5);
    world.hub.take_effects();
    let gap = |hub: &mut Hub| {
        let effects = hub.take_effects();
        effects.iter().find_map(|effect| if let Effect::GapTimer { site } = effect { Some(*site) } else { None })
    };
    let fill = |hub: &mut Hub| {
        let effects = hub.take_effects();
        effects.iter().find_map(|effect| if let Effect::Fill { after, .. } = effect { Some(*after) } else { None })
    };
    world.hub.handle_heads(&[(site("web"), 5), (site("elsewhere"), 9)]);
    assert_eq!(gap(&mut world.hub), None, "that much has come");
    world.hub.handle_heads(&[(site("web"), 7)]);
    let slot = gap(&mut world.hub).expect("it may still be on its way");
    world.hub.handle_events(&[event("web", 6, 0)]);
    world.hub.handle_gap(slot);
    assert_eq!(fill(&mut world.hub), Some(6), "one of two has come");
    world.hub.handle_fill(slot, &site("web"), Some((vec![event("web", 7, 0)], false)));
    assert_eq!(world.offsets(), [6, 7]);
    assert_eq!(gap(&mut world.hub), None);
    world.hub.handle_heads(&[(site("web"), 8)]);
    assert_eq!(gap(&mut world.hub), Some(slot));
    world.hub.handle_events(&[event("web", 8, 0)]);
    world.hub.handle_gap(slot);
    assert_eq!(fill(&mut world.hub), None, "it came by itself");
    assert_eq!(world.offsets(), [6, 7, 8]);
    // What is told while the store is read may have been stored behind that reading.
    for is_lost in [false, true] {
        let head = world.offsets().last().copied().unwrap_or_default() + 1;
        world.hub.handle_heads(&[(site("web"), head)]);
        let slot = gap(&mut world.hub).expect("it is not there");
        world.hub.handle_gap(slot);
        assert_eq!(fill(&mut world.hub), Some(head - 1));
        if is_lost {
            world.hub.fill_all();
        } else {
            world.hub.handle_heads(&[(site("web"), head + 1)]);
        }
        world.hub.handle_fill(slot, &site("web"), Some((vec![event("web", head, 0)], false)));
        assert_eq!(gap(&mut world.hub), Some(slot), "it is read once more");
        world.hub.handle_gap(slot);
        assert_eq!(fill(&mut world.hub), Some(head));
        world.hub.handle_fill(slot, &site("web"), Some((vec![event("web", head + 1, 0)], false)));
        assert_eq!(gap(&mut world.hub), None, "and no more");
    }
    assert_eq!(world.offsets(), [6, 7, 8, 9, 10, 11, 12]);
    // A head that is told before the first snapshot is not forgotten.
    let work = world.subscribe("late");
    world.hub.handle_heads(&[(site("late"), 2)]);
    world.answer(work, "late", 1);
    assert!(gap(&mut world.hub).is_some());
}

#[test]
fn topics_are_followed_for_as_long_as_somebody_cares() {
    let mut world = World::new(1 << 20);
    let follows = |hub: &mut Hub| -> Vec<(Topic, bool)> {
        let effects = hub.take_effects().into_iter();
        effects
            .filter_map(|effect| if let Effect::Follow(topic, is) = effect { Some((topic, is)) } else { None })
            .collect()
    };
    let channel = |website: &str| Channel::Website(WebsiteId::new(website).unwrap());
    let ask = |website: &str| SubscribeRequest { channel: channel(website), after: None, last: None, epoch: None };
    world.hub.subscribe(world.at.index, None, ask("a"));
    assert_eq!(follows(&mut world.hub), [(Topic::Site(site("a")), true)], "the organization is followed since it came");
    world.hub.unsubscribe(world.at.index, None, channel("a"));
    world.hub.disconnect(world.at.index, true, 0);
    let organization = Topic::Organization(site("a").organization);
    assert_eq!(follows(&mut world.hub), [(Topic::Site(site("a")), false), (organization, false)]);
}

#[test]
fn what_was_never_stored_is_forgotten() {
    let mut world = World::new(1 << 20);
    let work = world.subscribe("web");
    world.answer(work, "web", 5);
    world.hub.handle_events(&[event("web", 9, 0), event("web", u64::MAX, 0)]);
    let mut reads = 0;
    while let Some(slot) = world
        .hub
        .take_effects()
        .iter()
        .find_map(|effect| if let Effect::GapTimer { site } = effect { Some(*site) } else { None })
    {
        world.hub.handle_gap(slot);
        world.hub.handle_fill(slot, &site("web"), Some((Vec::new(), false)));
        reads += 1;
        assert!(reads < 1_000, "the store is not asked for ever");
    }
    assert!(reads > 1, "it might have come");
    world.hub.handle_events(&[event("web", 6, 0)]);
    assert_eq!(world.offsets(), [6]);
}

#[test]
fn who_views_more_and_more_views_the_oldest_no_longer() {
    let mut world = World::new(1 << 20);
    let view = |n: usize| super::Doing {
        site: site("web"),
        conversation: ConversationId::new(format!("c{n}")).unwrap(),
        what: super::What::Viewing,
    };
    (0..1_002).for_each(|n| world.hub.begin_doing(world.at.index, view(n)));
    let effects = world.hub.take_effects().into_iter();
    let ended: Vec<String> = effects
        .filter_map(|effect| {
            let Effect::Publish(Notice::Viewing { conversation, is_viewing: false, .. }) = effect else { return None };
            Some(conversation.to_string())
        })
        .collect();
    assert_eq!(ended, ["c0", "c1"]);
    assert!(world.hub.end_doing(world.at.index, &view(2)), "this one still stands");
}

#[test]
fn what_stands_here_is_told_once_more() {
    let mut world = World::new(1 << 20);
    let work = world.subscribe("web");
    world.answer(work, "web", 5);
    let conn = world.hub.conn(world.at.index).expect("the connection");
    let person = Arc::new(crate::bus::PersonInfo::of(&conn.principal));
    let own = world.hub.source(world.at.index).expect("the connection");
    let what = |name: &str| {
        let (site, conversation) = (site("web"), ConversationId::new(name).unwrap());
        super::Doing { site, conversation, what: super::What::Viewing }
    };
    world.hub.begin_doing(world.at.index, what("c"));
    world.hub.begin_doing(world.at.index, what("d"));
    world.hub.end_doing(world.at.index, &what("d"));
    let other = crate::bus::Source { shard: ShardId::alone(1), connection: 1 };
    for source in [own, other] {
        let (site, conversation) = (site("web"), ConversationId::new("c").unwrap());
        let viewing = Notice::Viewing { site, conversation, person: Arc::clone(&person), source, is_viewing: true };
        world.hub.handle_notice(viewing);
    }
    world.hub.take_effects();
    world.hub.retell();
    let told: Vec<Notice> = world
        .hub
        .take_effects()
        .into_iter()
        .filter_map(|effect| if let Effect::Publish(notice) = effect { Some(notice) } else { None })
        .collect();
    assert!(
        matches!(&told[..], [Notice::Presence { is_here: true, .. }, Notice::Viewing { source, .. }] if *source == own),
        "{told:?}"
    );
}
