//! What several shards, or people of several kinds, make of the same news.

use std::io::IoSlice;

use cossistant_protocol::{Channel, ConversationSeen, OrganizationId, Timestamp, WebsiteId};

use super::*;
use crate::auth::{CredentialKind, Principal, PrincipalFields};
use crate::bus::ShardId;
use crate::chat::{Snapshot, SubscribeRequest};
use crate::hub::{Answer, Ask, HubConfig, MAX_FRAMES_PER_WRITE};
use crate::store::Websites;

pub(in crate::hub) fn site() -> SiteKey {
    SiteKey { organization: OrganizationId::new("org").unwrap(), website: WebsiteId::new("w").unwrap() }
}

fn conversations(ids: &[&str]) -> Arc<[ConversationId]> {
    ids.iter().map(|id| ConversationId::new(*id).unwrap()).collect()
}

fn person(kind: UserType, id: &str) -> Arc<PersonInfo> {
    Arc::new(PersonInfo { key: PersonKey { kind, id: PersonId::new(id).unwrap() }, name: None, avatar_url: None })
}

pub(in crate::hub) fn hub(shard: u16) -> Hub {
    Hub::new(HubConfig {
        shard: ShardId::alone(shard),
        shards: 2,
        max_outbox_bytes: 1 << 20,
        max_subscriptions: 0,
        presence_grace_ms: 10_000,
        epoch: Arc::from("epoch"),
    })
}

pub(in crate::hub) fn principal(kind: UserType, id: &str) -> Principal {
    Principal::from(PrincipalFields {
        organization: site().organization,
        kind,
        id: PersonId::new(id).unwrap(),
        websites: Websites::All,
        is_admin: false,
        name: None,
        email: None,
        avatar_url: None,
        expires_at: None,
        issued_at: None,
        credential: CredentialKind::Operator,
    })
}

/// A user of the website who is subscribed to it, and to whom nothing is written yet.
fn reader(hub: &mut Hub) -> u32 {
    let at = ConnRef { index: hub.reserve(), serial: 1 };
    hub.connect(at, principal(UserType::User, "reader"), false);
    let channel = Channel::Website(site().website);
    hub.subscribe(at.index, None, SubscribeRequest { channel, after: None, last: None, epoch: None });
    let effects = hub.take_effects();
    let asked = effects
        .iter()
        .find_map(|effect| if let Effect::Ask(_, work, Ask::Subscribe(_)) = effect { Some(*work) } else { None });
    let snapshot = Snapshot {
        site: site(),
        website_head: 0,
        conversation: None,
        head: 0,
        is_recovered: true,
        replay_after: 0,
        page: Vec::new(),
    };
    hub.handle_answer(at, asked.expect("the state is asked for"), Answer::Snapshot(Ok(Box::new(snapshot))));
    let length = queued(hub, at.index).len();
    hub.conn_mut(at.index).unwrap().outbox.advance(length);
    hub.go_on(at.index);
    at.index
}

fn queued(hub: &Hub, index: u32) -> String {
    let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
    let outbox = &hub.conn(index).unwrap().outbox;
    let count = outbox.slices(&mut slices);
    slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
}

fn here(shard: u16, is_here: bool) -> Notice {
    Notice::Presence {
        who: Who::Visitor(site(), PersonId::new("vera").unwrap()),
        person: person(UserType::Visitor, "vera"),
        websites: None,
        shard: ShardId::alone(shard),
        is_here,
    }
}

fn tellings(hub: &mut Hub) -> usize {
    hub.take_effects().iter().filter(|effect| matches!(effect, Effect::TellPresence { .. })).count()
}

/// Somebody types, or types no longer.
fn typing(person: &Arc<PersonInfo>, is_typing: bool) -> Notice {
    let (site, conversation) = (site(), ConversationId::new("c").unwrap());
    let (person, source) = (Arc::clone(person), Source { shard: ShardId::alone(1), connection: 7 });
    if is_typing {
        Notice::TypingStarted { site, conversation, person, source }
    } else {
        Notice::TypingStopped { site, conversation, person, source: None }
    }
}

#[test]
fn a_reader_with_no_room_for_the_end_of_typing_takes_the_state_up_anew() {
    let mut hub = hub(0);
    let index = reader(&mut hub);
    let vera = person(UserType::Visitor, "vera");
    hub.handle_notice(typing(&vera, true));
    let length = queued(&hub, index).len();
    hub.conn_mut(index).unwrap().outbox.advance(length);
    hub.go_on(index);
    hub.take_effects();
    // What fills the outbox leaves no room for the end of typing, and then the reader takes all of it.
    let filling = hub.config.max_outbox_bytes;
    hub.push_durable(index, Frame::from(bytes::Bytes::from(vec![b'x'; filling])));
    hub.handle_notice(typing(&vera, false));
    assert!(hub.take_effects().is_empty(), "it may still take what is durable");
    hub.conn_mut(index).unwrap().outbox.advance(filling);
    hub.go_on(index);
    let is_close = |effect: &Effect| matches!(effect, Effect::Close(at, CloseCode::SlowReader, _) if at.index == index);
    assert!(hub.take_effects().iter().any(is_close));
}

#[test]
fn a_visitor_who_comes_and_goes_on_two_shards_at_once_is_told_by_one_of_them() {
    let mut hubs = [hub(0), hub(1)];
    // Each shard hears of the other before it hears of itself.
    for is_here in [true, false] {
        for (hub, shards) in hubs.iter_mut().zip([[1, 0], [0, 1]]) {
            for shard in shards {
                hub.handle_notice(here(shard, is_here));
            }
        }
        let told: usize = hubs.iter_mut().map(tellings).sum();
        assert_eq!(told, 1, "is here: {is_here}");
    }
}

#[test]
fn a_visitor_whose_last_conversation_is_closed_is_told_as_offline() {
    let mut hub = hub(0);
    let reader = reader(&mut hub);
    let visitor = PersonId::new("vera").unwrap();
    let online = Frame::new(&ServerMessage::VisitorOnline(VisitorPresence {
        conversation_id: ConversationId::new("c").unwrap(),
        conversation_ids: conversations(&["c"]).to_vec(),
        visitor_id: visitor.clone(),
        website_id: site().website,
        organization_id: site().organization,
        last_seen_at: None,
    }));
    hub.tell_visitor_presence(&site(), &visitor, true, conversations(&["c"]), Some(&online));
    assert!(queued(&hub, reader).contains("visitor_online"));
    hub.tell_visitor_presence(&site(), &visitor, true, conversations(&[]), None);
    assert!(queued(&hub, reader).contains("visitor_offline"));
    assert!(!hub.presence.is_told_online(&site(), &visitor));
}

#[test]
fn people_of_two_kinds_with_one_id_keep_their_news_apart() {
    let mut hub = hub(0);
    let reader = reader(&mut hub);
    for kind in [UserType::Visitor, UserType::AiAgent] {
        hub.handle_notice(Notice::TypingStarted {
            site: site(),
            conversation: ConversationId::new("c").unwrap(),
            person: person(kind, "sam"),
            source: Source { shard: ShardId::alone(1), connection: 1 },
        });
    }
    let queued = queued(&hub, reader);
    assert_eq!(queued.matches("typing_indicator").count(), 2, "{queued}");
}

#[test]
fn a_mark_that_comes_late_replaces_no_newer_one() {
    let mut hub = hub(0);
    let reader = reader(&mut hub);
    for seq in [16, 6] {
        let conversation = ConversationId::new("c").unwrap();
        let person = person(UserType::User, "uma").key.clone();
        let team = Frame::new(&ServerMessage::ConversationSeen(ConversationSeen {
            conversation_id: conversation.clone(),
            user_id: person.id.clone(),
            user_type: person.kind,
            last_seen_seq: seq,
            seen_at: Timestamp(seq),
            user_name: None,
            avatar_url: None,
            website_id: site().website,
            organization_id: site().organization,
        }));
        hub.handle_notice(Notice::Seen { site: site(), conversation, person, team, visitor: None });
    }
    assert!(queued(&hub, reader).contains("\"lastSeenSeq\":16"));
}
