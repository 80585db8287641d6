//! The shard's core alone: what it asks for, and what it tells the others.

use std::net::IpAddr;
use std::sync::Arc;

use cossistant_protocol::{CloseCode, ConversationId, Limits, MessageAck, MessageId, RequestId, Timestamp, UserType};

use super::*;
use crate::auth::{CredentialKind, PrincipalFields};
use crate::bus::ShardId;
use crate::chat::Ids;
use crate::config::{DEMO_ORGANIZATION, DEMO_WEBSITE, demo_rows};
use crate::directory::Directory;
use crate::limits::Rate;
use crate::store::Websites;

fn site() -> SiteKey {
    SiteKey { organization: DEMO_ORGANIZATION.parse().unwrap(), website: DEMO_WEBSITE.parse().unwrap() }
}

fn shard() -> Shard {
    shard_with(Rate::OFF)
}

/// One that lets so many ephemeral messages through.
fn shard_with(ephemeral: Rate) -> Shard {
    let config = ShardConfig {
        hub: HubConfig {
            shard: crate::bus::ShardId::alone(0),
            shards: 1,
            max_outbox_bytes: 1 << 20,
            max_subscriptions: 0,
            presence_grace_ms: 10_000,
            epoch: Arc::from("epoch"),
        },
        connection: Arc::new(ConnectionConfig {
            heartbeat_ms: 30_000,
            auth_timeout_ms: 5_000,
            typing_expiry_ms: 6_000,
            frames: Rate::OFF,
            ephemeral,
            max_jobs: 64,
            limits: Limits {
                max_message_bytes: 65_536,
                max_text_length: 16_000,
                max_subscriptions: None,
                typing_interval: None,
                typing_expiry: 6_000,
            },
        }),
    };
    let directory = Directory::new(demo_rows(Timestamp(0)), 1);
    Shard::new(config, Arc::new(directory), Arc::new(Ids::new([1; 32])), Timestamp(0))
}

/// A user who is connected and whose conversation `c` is known.
fn connected(shard: &mut Shard) -> ConnRef {
    connected_until(shard, None)
}

/// The same, with a token that ends.
fn connected_until(shard: &mut Shard, expires_at: Option<Timestamp>) -> ConnRef {
    let credential = Some(Credential::Bearer(Secret::new("a token")));
    let address = IpAddr::from([127, 0, 0, 1]);
    let arrival = Arrival { address, origin: None, deflate: false, credential, agent_id: None, page: None };
    let at = shard.open(arrival, Timestamp(0));
    let principal = Principal::from(PrincipalFields {
        organization: site().organization,
        kind: UserType::User,
        id: PersonId::new("uma").unwrap(),
        websites: Websites::All,
        is_admin: false,
        name: None,
        email: None,
        avatar_url: None,
        expires_at,
        issued_at: None,
        credential: CredentialKind::Own,
    });
    let logged_in = LoggedIn { principal, visitor_token: None };
    shard.handle_done(at, Done::LoggedIn(Ok(Box::new(logged_in))), Timestamp(0));
    shard.connection_mut(at.index).unwrap().remember(ConversationId::new("c").unwrap(), site());
    shard.take_outputs();
    at
}

fn tellings(shard: &mut Shard) -> usize {
    shard.take_outputs().iter().filter(|output| matches!(output, Output::TellPresence { .. })).count()
}

#[test]
fn typing_that_was_looked_up_behind_the_commit_ends_with_the_acknowledgement() {
    let mut shard = shard();
    let at = connected(&mut shard);
    shard.handle_text(at.index, r#"{"type":"typing_start","conversationId":"c"}"#, Timestamp(1));
    let conversation = ConversationId::new("c").unwrap();
    let ack = MessageAck {
        id: RequestId::new("m").unwrap(),
        conversation_id: conversation.clone(),
        message_id: MessageId::new("msg_1").unwrap(),
        seq: 1,
        created_at: Timestamp(1),
        duplicate: Some(true),
    };
    shard.handle_done(at, Done::Sent { id: None, conversation, result: Ok(ack) }, Timestamp(2));
    let told: Vec<bool> = shard
        .take_outputs()
        .iter()
        .filter_map(|output| match output {
            Output::Publish(Notice::TypingStarted { .. }) => Some(true),
            Output::Publish(Notice::TypingStopped { source, .. }) => {
                source.map(|source| source.shard != ShardId::alone(0))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn a_presence_is_told_once_at_a_time_and_again_until_the_store_answers() {
    let mut shard = shard();
    let vera = PersonId::new("vera").unwrap();
    shard.tell_presence(site(), vera.clone());
    shard.tell_presence(site(), vera.clone());
    assert_eq!(tellings(&mut shard), 1, "the second one waits");
    shard.handle_told_presence(&site(), vec![vera.clone()], true, Timestamp(10));
    assert_eq!(tellings(&mut shard), 1, "it waits no longer");
    shard.handle_told_presence(&site(), vec![vera.clone()], false, Timestamp(20));
    assert_eq!(tellings(&mut shard), 0, "the store is down");
    shard.handle_timers(Timestamp(2_000));
    assert_eq!(tellings(&mut shard), 1, "it is tried again");
    shard.handle_told_presence(&site(), vec![vera], true, Timestamp(2_010));
    assert_eq!(tellings(&mut shard), 0);
}

#[test]
fn many_presences_are_told_a_few_at_a_time() {
    let mut shard = shard();
    for n in 0..250 {
        shard.tell_presence(site(), PersonId::new(format!("v{n}")).unwrap());
    }
    let mut told = Vec::new();
    let mut under_way: std::collections::VecDeque<Vec<PersonId>> = std::collections::VecDeque::new();
    loop {
        under_way.extend(shard.take_outputs().into_iter().filter_map(|output| match output {
            Output::TellPresence { visitors, .. } => Some(visitors),
            _ => None,
        }));
        assert!(under_way.len() <= TELLINGS && under_way.iter().all(|visitors| visitors.len() <= TOLD_AT_ONCE));
        let Some(visitors) = under_way.pop_front() else { break };
        told.extend(visitors.clone());
        shard.handle_told_presence(&site(), visitors, true, Timestamp(10));
    }
    let all: std::collections::BTreeSet<_> = told.iter().collect();
    assert_eq!((all.len(), told.len()), (250, 250), "each once");
}

#[test]
fn marks_are_read_a_few_at_a_time_and_each_once_until_the_store_answers() {
    let conversations = |from: u32, to: u32| -> std::collections::BTreeSet<ConversationId> {
        (from..to).map(|n| ConversationId::new(format!("c{n:03}")).unwrap()).collect()
    };
    let reading = |shard: &mut Shard| -> Vec<MarksWanted> {
        let outputs = shard.take_outputs().into_iter();
        outputs.filter_map(|output| if let Output::ReadMarks(wanted) = output { Some(wanted) } else { None }).collect()
    };
    let mut shard = shard();
    let wanted =
        |from, to, since| MarksWanted { site: site(), conversations: conversations(from, to), since: Timestamp(since) };
    shard.want_marks(wanted(0, 80, 500));
    let first = reading(&mut shard);
    assert_eq!((first.len(), first[0].conversations.len()), (1, MARKED_AT_ONCE));
    shard.want_marks(wanted(60, 120, 100));
    assert!(reading(&mut shard).is_empty(), "one read at a time");
    shard.handle_marks(first[0].clone(), None, Timestamp(10));
    assert!(reading(&mut shard).is_empty(), "the store is down");
    let mut read = Vec::new();
    shard.handle_timers(Timestamp(2_000));
    while let Some(next) = reading(&mut shard).pop() {
        assert_eq!(next.since, Timestamp(100), "since the earlier one");
        read.extend(next.conversations.iter().cloned());
        shard.handle_marks(next, Some(Vec::new()), Timestamp(2_010));
    }
    assert_eq!(read.len(), 120, "each once");
    assert_eq!(read.into_iter().collect::<std::collections::BTreeSet<_>>(), conversations(0, 120));
}

#[test]
fn a_message_that_never_ends_is_closed_however_much_its_sender_lives() {
    let mut shard = shard();
    let (endless, at) = (connected(&mut shard), connected(&mut shard));
    for conn in [endless, at] {
        shard.handle_partial(conn.index, true, Timestamp(0));
    }
    // One of them came to its end in time, and the next one has begun.
    shard.handle_partial(at.index, false, Timestamp(5_000));
    shard.handle_partial(at.index, true, Timestamp(5_000));
    let mut open_at = |now| {
        for conn in [endless, at] {
            shard.handle_pong(conn.index, Timestamp(now));
        }
        shard.handle_timers(Timestamp(now));
        (!shard.is_closing(endless.index), !shard.is_closing(at.index))
    };
    assert_eq!(open_at(9_000), (true, true));
    assert_eq!(open_at(11_000), (false, true));
    assert!(open_at(14_000).1 && !open_at(16_000).1, "each message has its own time");
}

#[test]
fn a_long_message_may_take_longer_by_what_has_come_of_it() {
    let mut shard = shard();
    let (slow, dripping) = (connected(&mut shard), connected(&mut shard));
    for conn in [slow, dripping] {
        shard.handle_partial(conn.index, true, Timestamp(0));
    }
    for second in 1..=40 {
        let now = Timestamp(second * 1_000);
        if !shard.is_closing(slow.index) {
            shard.handle_more(slow.index, 2_048, now);
        }
        if !shard.is_closing(dripping.index) {
            shard.handle_more(dripping.index, 1, now);
        }
        shard.handle_timers(now);
        assert!(!shard.is_closing(slow.index), "after {second} s");
        // Its socket is let go of when the close frame was tried for long enough.
        assert_eq!(shard.is_closing(dripping.index), (10..20).contains(&second), "after {second} s");
    }
    // It brings no more.
    shard.handle_timers(Timestamp(49_000));
    assert!(!shard.is_closing(slow.index));
    shard.handle_timers(Timestamp(51_000));
    assert!(shard.is_closing(slow.index));
}

#[test]
fn a_connection_has_few_timers_however_often_something_is_due_before_the_next() {
    let mut shard = shard();
    let at = connected(&mut shard);
    for round in 0..200 {
        let now = round * 10_000;
        shard.handle_timers(Timestamp(now));
        shard.handle_text(at.index, r#"{"type":"typing_start","conversationId":"c"}"#, Timestamp(now));
        // It ends by itself, long before a ping is due.
        shard.handle_timers(Timestamp(now + 7_000));
    }
    assert!(!shard.is_closing(at.index));
    assert!(shard.wheel.len() <= 3, "{} timers", shard.wheel.len());
}

#[test]
fn messages_that_wait_for_the_rate_leave_no_timers_behind() {
    let mut shard = shard_with(Rate { per_second: 50.0, burst: 1.0 });
    let at = connected(&mut shard);
    let (mut most, mut said) = (0, 0);
    // More than is let through, for two heartbeats.
    for now in (0..60_000).step_by(4) {
        shard.handle_timers(Timestamp(now));
        if now % 12 == 0 {
            let progress = format!(r#"{{"type":"typing_progress","conversationId":"c","content":"{now}"}}"#);
            shard.handle_text(at.index, &progress, Timestamp(now));
        }
        let outputs = shard.take_outputs();
        said += outputs.iter().filter(|it| matches!(it, Output::Publish(Notice::Progress { .. }))).count();
        most = most.max(shard.wheel.len());
    }
    assert!(said > 1_500, "{said} went through");
    assert!(most <= 20, "{most} timers");
}

#[test]
fn what_was_typed_before_a_message_and_waits_for_the_rate_is_not_told_behind_it() {
    let mut shard = shard_with(Rate { per_second: 10.0, burst: 1.0 });
    let typed = |text: &str| format!(r#"{{"type":"typing_progress","conversationId":"c","content":"{text}"}}"#);
    let progress = |shard: &mut Shard, now: u64| {
        shard.handle_timers(Timestamp(now));
        let outputs = shard.take_outputs();
        outputs.iter().filter(|it| matches!(it, Output::Publish(Notice::Progress { .. }))).count()
    };
    let (at, other) = (connected(&mut shard), connected(&mut shard));
    for conn in [at, other] {
        shard.handle_text(conn.index, &typed("a"), Timestamp(0));
        shard.handle_text(conn.index, &typed("ab"), Timestamp(0));
    }
    assert_eq!(progress(&mut shard, 0), 2, "the second ones wait");
    let send = r#"{"type":"send_message","id":"m","conversationId":"c","content":{"text":"ab"}}"#;
    shard.handle_text(at.index, send, Timestamp(1));
    let person = shard.hub.person(at.index).unwrap();
    let conversation = ConversationId::new("c").unwrap();
    shard.handle_notice(Notice::TypingStopped { site: site(), conversation, person, source: None }, Timestamp(2));
    assert_eq!(progress(&mut shard, 1_000), 0, "by neither of the person's connections");
    shard.handle_text(at.index, &typed("b"), Timestamp(1_001));
    assert_eq!(progress(&mut shard, 1_001), 1);
}

#[test]
fn marks_that_wait_for_the_rate_outlive_their_connection() {
    let mut shard = shard_with(Rate { per_second: 10.0, burst: 1.0 });
    let mark = |seq: u64| format!(r#"{{"type":"mark_seen","conversationId":"c","seq":{seq}}}"#);
    let marked = |shard: &mut Shard| {
        let seq = |output| if let Output::Job(_, Job::Seen { seq, .. }) = output { Some(seq) } else { None };
        shard.take_outputs().into_iter().filter_map(seq).collect::<Vec<_>>()
    };
    let (at, revoked) = (connected(&mut shard), connected(&mut shard));
    for conn in [at, revoked] {
        for seq in 1..=3 {
            shard.handle_text(conn.index, &mark(seq), Timestamp(0));
        }
    }
    assert_eq!(marked(&mut shard), [1, 1], "the others wait");
    shard.handle_close(at.index, Some(1000), Timestamp(1));
    assert_eq!(marked(&mut shard), [3], "the newest of them");
    shard.close(revoked.index, CloseCode::Forbidden, "access was revoked");
    shard.handle_lost(revoked.index, Timestamp(2));
    assert!(marked(&mut shard).is_empty(), "it may no more");
}

#[test]
fn timers_go_by_the_steady_time_and_tokens_by_the_systems() {
    let mut shard = shard();
    shard.set_wall(Timestamp(1_000_000), Timestamp(0));
    let (silent, at) = (connected(&mut shard), connected_until(&mut shard, Some(Timestamp(1_020_000))));
    let mut is_open_at = |wall, now| {
        shard.set_wall(Timestamp(wall), Timestamp(now));
        shard.handle_text(at.index, r#"{"type":"ping"}"#, Timestamp(now));
        shard.handle_timers(Timestamp(now));
        (!shard.is_closing(at.index), !shard.is_closing(silent.index))
    };
    assert_eq!(is_open_at(1_010_000, 10_000), (true, true));
    assert_eq!(is_open_at(500_000, 25_000), (true, true), "the clock was put back, and the token has not ended");
    assert_eq!(
        is_open_at(1_020_000, 31_000),
        (false, true),
        "it was put forward: the token has ended, nobody is silent"
    );
    assert!(!is_open_at(0, 75_016).1, "silence is silence whatever the clock says");
}

#[test]
fn nothing_is_read_behind_a_visitors_word_that_may_begin_a_conversation() {
    let mut shard = shard();
    let at = connected(&mut shard);
    let visitor = PrincipalFields {
        kind: UserType::Visitor,
        websites: Websites::Only([site().website].into()),
        ..PrincipalFields::clone(&shard.principal(at.index).unwrap())
    };
    shard.hub_mut().conn_mut(at.index).unwrap().principal = Principal::from(visitor);
    let send = |conversation: &str| {
        format!(r#"{{"type":"send_message","id":"m","conversationId":"{conversation}","content":{{"text":"x"}}}}"#)
    };
    shard.handle_text(at.index, &send("c"), Timestamp(1));
    assert!(shard.is_reading(at.index), "the conversation is known");
    shard.handle_text(at.index, &send("d"), Timestamp(1));
    assert!(!shard.is_reading(at.index));
    let refused = |id: &str| Done::Sent {
        id: None,
        conversation: ConversationId::new(id).unwrap(),
        result: Err(crate::chat::ChatError::not_found()),
    };
    shard.handle_done(at, refused("c"), Timestamp(2));
    assert!(!shard.is_reading(at.index), "that was the other one");
    shard.handle_done(at, refused("d"), Timestamp(2));
    assert!(shard.is_reading(at.index));
    // What follows a subscription is behind its state, known or not.
    for conversation in ["e", "c"] {
        let subscribe = format!(r#"{{"type":"subscribe_conversation","conversationId":"{conversation}"}}"#);
        shard.handle_text(at.index, &subscribe, Timestamp(3));
        assert!(!shard.is_reading(at.index), "{conversation}");
        let work = shard.take_outputs().into_iter().find_map(|output| match output {
            Output::Job(_, Job::Ask { work, .. }) => Some(work),
            _ => None,
        });
        let answer = Answer::Snapshot(Err(crate::chat::ChatError::not_found()));
        shard.handle_done(at, Done::Answered(work.unwrap(), answer), Timestamp(4));
        assert!(shard.is_reading(at.index), "{conversation}");
    }
}

#[test]
fn an_end_of_typing_from_another_shard_is_confirmed_by_the_one_that_told_of_it() {
    let mut shard = shard();
    let at = connected(&mut shard);
    let typing = r#"{"type":"typing_start","conversationId":"c"}"#;
    shard.handle_text(at.index, typing, Timestamp(10));
    let told = |shard: &mut Shard| {
        let notice = |output| if let Output::Publish(notice) = output { Some(notice) } else { None };
        shard.take_outputs().into_iter().filter_map(notice).collect::<Vec<_>>()
    };
    let started = told(&mut shard);
    let [Notice::TypingStarted { site, conversation, person, source }] = started.as_slice() else {
        panic!("{started:?}")
    };
    let (site, conversation, person) = (site.clone(), conversation.clone(), Arc::clone(person));
    shard.handle_notice(Notice::TypingStopped { site, conversation, person, source: None }, Timestamp(20));
    let confirmed = told(&mut shard);
    let is_own = |notice: &Notice| matches!(notice, Notice::TypingStopped { source: Some(own), .. } if own == source);
    assert!(confirmed.len() == 1 && is_own(&confirmed[0]), "{confirmed:?}");
    // Whoever types on says so at once, and not only when it would be time to say it again.
    shard.handle_text(at.index, typing, Timestamp(30));
    let again = told(&mut shard);
    assert!(matches!(again.as_slice(), [Notice::TypingStarted { .. }]), "{again:?}");
}
