//! Storing, editing and deleting messages.

use std::sync::Arc;

use cossistant_protocol::{ConversationStatus, UserType, Visibility};

use super::world::{
    World, at, brief, change, conv, deletes, edits, id, key, message, msg, notes, org, own, person, replies, says,
    team, team_of, texts, user, visitor, web,
};
use crate::store::{AppendMessage, Audience, Conflict, EventBody, MessagePage, Scope, Store, StoreError};

pub(in crate::store) async fn a_message_is_answered_with_its_places(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let first = world.append(says("vera", "c", "k1", "hello")).await;
    assert_eq!((first.team_seq, first.visitor_seq, first.duplicate), (2, Some(2), false));
    assert_eq!(first.created_at, at(0));
    assert_eq!(first.events.iter().map(brief).collect::<Vec<_>>(), [("created", 1, Some(1)), ("message", 2, Some(2))]);
    assert_eq!(first.events.iter().map(|event| event.offset).collect::<Vec<_>>(), [1, 2]);
    let stored = message(&first.events[1]);
    assert_eq!(stored.sender, visitor("vera"));
    assert_eq!(stored.key, key("k1"));
    assert_eq!(stored.content.as_deref(), Some("{\"text\":\"hello\"}"));
    assert_eq!(stored.metadata.as_deref(), Some("{\"a\":1}"));
    let note = world.append(notes("anna", "c", "k1", "psst")).await;
    assert_eq!((note.team_seq, note.visitor_seq), (3, None));
    assert_eq!(message(&note.events[0]).visibility, Visibility::Internal);
    assert_eq!(message(&note.events[0]).sender_name.as_deref(), Some("anna"));
    let reply = world.append(replies("anna", "c", "k2", "hi")).await;
    assert_eq!((reply.team_seq, reply.visitor_seq, reply.events[0].offset), (4, Some(3), 4));
}

pub(in crate::store) async fn a_key_sent_again_answers_the_first(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let first = world.append(says("vera", "c", "k", "hello")).await;
    let again = AppendMessage { message: msg("other"), at: at(9), ..says("vera", "c", "k", "hello") };
    let again = world.append(again).await;
    assert!(again.duplicate);
    assert!(again.events.is_empty());
    assert_eq!((&again.message, again.team_seq, again.visitor_seq), (&first.message, 2, Some(2)));
    assert_eq!(again.created_at, at(0));
    let other = world.refused(says("vera", "c", "k", "goodbye")).await;
    assert_eq!(other, StoreError::Conflict(Conflict::OtherContent));
    // What was first sent counts, whatever became of it.
    world.store.edit_message(edits(own("vera"), visitor("vera"), &first, "changed", 1)).await.unwrap();
    assert!(world.append(says("vera", "c", "k", "hello")).await.duplicate);
    world.store.delete_message(deletes(own("vera"), visitor("vera"), &first, 2)).await.unwrap();
    assert!(world.append(says("vera", "c", "k", "hello")).await.duplicate);
    assert_eq!(world.conversation(team(), "c").await.unwrap().team_head, 4);
}

pub(in crate::store) async fn a_key_belongs_to_its_sender_and_conversation(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "one")).await;
    assert!(!world.append(says("vera", "d", "k", "two")).await.duplicate);
    assert!(!world.append(replies("anna", "c", "k", "three")).await.duplicate);
    assert!(!world.append(replies("ben", "c", "k", "four")).await.duplicate);
    let agent = AppendMessage {
        sender: person(UserType::AiAgent, "anna"),
        message: msg("agent"),
        ..replies("anna", "c", "k", "five")
    };
    assert!(!world.append(agent).await.duplicate);
    assert_eq!(world.conversation(team(), "c").await.unwrap().team_head, 5);
}

pub(in crate::store) async fn access_comes_before_key_and_key_before_status(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "hello")).await;
    world.status("c", ConversationStatus::Closed, 1).await;
    assert!(world.append(says("vera", "c", "k", "hello")).await.duplicate, "the key is looked up before the status");
    let other = world.refused(says("vera", "c", "k", "else")).await;
    assert_eq!(other, StoreError::Conflict(Conflict::OtherContent));
    let closed = world.refused(says("vera", "c", "k2", "more")).await;
    assert_eq!(closed, StoreError::Conflict(Conflict::Status(ConversationStatus::Closed)));
    assert_eq!(world.refused(says("mallory", "c", "k", "hello")).await, StoreError::NotFound);
    let elsewhere = AppendMessage {
        scope: Scope::Visitor { website: web("b"), visitor: id("vera") },
        ..says("vera", "c", "k", "hello")
    };
    assert_eq!(world.refused(elsewhere).await, StoreError::NotFound);
    let foreign = AppendMessage { organization: org("p"), ..replies("anna", "c", "k", "hello") };
    assert_eq!(world.refused(foreign).await, StoreError::NotFound);
    let narrow = AppendMessage { scope: team_of(&["b"]), ..replies("anna", "c", "k", "hello") };
    assert_eq!(world.refused(narrow).await, StoreError::NotFound);
    // The team writes to a closed conversation, and that does not open it.
    let reply = world.append(replies("anna", "c", "k", "bye")).await;
    assert_eq!(reply.events.len(), 1);
    assert_eq!(world.conversation(team(), "c").await.unwrap().status, ConversationStatus::Closed);
}

pub(in crate::store) async fn a_visitor_message_reopens_a_resolved_conversation(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    world.status("c", ConversationStatus::Resolved, 1).await;
    let reply = world.append(replies("anna", "c", "k", "ok?")).await;
    assert_eq!(reply.events.len(), 1, "the team's message reopens nothing");
    let again = world.append(AppendMessage { at: at(5), ..says("vera", "c", "k2", "no") }).await;
    assert_eq!(again.events.iter().map(brief).collect::<Vec<_>>(), [("message", 5, Some(5)), ("status", 6, Some(6))]);
    assert_eq!((again.team_seq, again.visitor_seq), (5, Some(5)));
    match &again.events[1].body {
        EventBody::Status { status: ConversationStatus::Open, by, .. } => assert_eq!(by.as_ref(), Some(&id("vera"))),
        other => panic!("{other:?}"),
    }
    let conversation = world.conversation(team(), "c").await.unwrap();
    assert_eq!((conversation.status, conversation.last_activity_at), (ConversationStatus::Open, at(5)));
    world.status("c", ConversationStatus::Pending, 6).await;
    assert_eq!(world.append(says("vera", "c", "k3", "well")).await.events.len(), 1);
}

pub(in crate::store) async fn nobody_acts_as_another_visitor(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "hello")).await;
    let is_forbidden = |error: StoreError| matches!(error, StoreError::Forbidden(_));
    let other = AppendMessage { sender: visitor("mallory"), ..says("vera", "c", "k2", "x") };
    assert!(is_forbidden(world.refused(other).await));
    let as_user = AppendMessage { sender: user("vera"), ..says("vera", "c", "k2", "x") };
    assert!(is_forbidden(world.refused(as_user).await));
    let by_team = AppendMessage { scope: team(), ..says("mallory", "c", "k2", "x") };
    assert!(is_forbidden(world.refused(by_team).await));
    let note = AppendMessage { visibility: Visibility::Internal, ..says("vera", "c", "k2", "x") };
    assert!(is_forbidden(world.refused(note).await));
    let first = AppendMessage { sender: visitor("mallory"), ..says("vera", "new", "k2", "x") };
    assert!(is_forbidden(world.refused(first).await));
    assert_eq!(world.conversation(team(), "new").await, Err(StoreError::NotFound), "nothing of it was stored");
    assert_eq!(world.conversation(team(), "c").await.unwrap().team_head, 2);
    let imported = AppendMessage { scope: team(), ..says("vera", "c", "k2", "x") };
    assert!(!world.append(imported).await.duplicate, "the owner's message may come through the team");
}

pub(in crate::store) async fn a_message_id_is_given_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let first = world.append(says("vera", "c", "k1", "hello")).await;
    let twice = AppendMessage { message: first.message.clone(), ..says("vera", "c", "k2", "other") };
    assert_eq!(world.refused(twice).await, StoreError::Conflict(Conflict::Taken));
    assert_eq!(world.append(says("vera", "c", "k3", "third")).await.team_seq, 3, "no place was lost");
}

pub(in crate::store) async fn unknown_conversations_are_created_for_visitors_alone(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    assert_eq!(world.refused(replies("anna", "c", "k", "hi")).await, StoreError::NotFound);
    let not_now = AppendMessage { may_create: false, ..says("vera", "c", "k", "hi") };
    assert_eq!(world.refused(not_now.clone()).await, StoreError::NotFound);
    let nowhere = AppendMessage {
        scope: Scope::Visitor { website: web("nowhere"), visitor: id("vera") },
        ..says("vera", "c", "k", "hi")
    };
    assert_eq!(world.refused(nowhere).await, StoreError::NotFound);
    world.append(says("vera", "c", "k", "hi")).await;
    assert!(world.append(not_now).await.duplicate);
    // The same id in another organization is another conversation.
    let other = AppendMessage { organization: org("p"), ..says("walter", "c", "k", "hi") };
    assert_eq!(world.append(other).await.events.len(), 2);
    assert_eq!(world.conversation(team(), "c").await.unwrap().visitor, id("vera"));
}

pub(in crate::store) async fn edits_follow_the_rules(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let said = world.append(AppendMessage { at: at(10), ..says("vera", "c", "k", "hello") }).await;
    let note = world.append(notes("anna", "c", "k", "psst")).await;
    let edit = |edit| world.store.edit_message(edit);
    let events = edit(edits(own("vera"), visitor("vera"), &said, "hello!", 20)).await.unwrap();
    assert_eq!(events.iter().map(brief).collect::<Vec<_>>(), [("updated", 4, Some(3))]);
    match &events[0].body {
        EventBody::Updated { message, content, at: when, deleted } => {
            assert_eq!((message, *when, *deleted), (&said.message, at(20), false));
            assert_eq!(content.as_deref(), Some("{\"text\":\"hello!\"}"));
        }
        other => panic!("{other:?}"),
    }
    let late = |ms| crate::store::EditMessage {
        not_before: Some(at(ms)),
        ..edits(own("vera"), visitor("vera"), &said, "late", 21)
    };
    assert!(edit(late(10)).await.is_ok(), "exactly at the point is in time");
    assert!(matches!(edit(late(11)).await, Err(StoreError::Forbidden(_))));
    assert!(matches!(edit(edits(team(), user("anna"), &said, "x", 22)).await, Err(StoreError::Forbidden(_))));
    assert_eq!(
        edit(edits(own("mallory"), visitor("mallory"), &said, "x", 22)).await.unwrap_err(),
        StoreError::NotFound
    );
    assert_eq!(edit(edits(own("vera"), visitor("vera"), &note, "x", 22)).await.unwrap_err(), StoreError::NotFound);
    let by_ben = edit(edits(team(), user("ben"), &note, "pssst", 23)).await.unwrap();
    assert_eq!(brief(&by_ben[0]), ("updated", 6, None), "the update of a note is a note");
    let agent = person(UserType::AiAgent, "bot");
    assert!(matches!(edit(edits(team(), agent, &note, "x", 24)).await, Err(StoreError::Forbidden(_))));
    let stored = world.store.message(org("o"), own("vera"), conv("c"), said.message.clone()).await.unwrap();
    assert_eq!(message(&stored).updated_at, Some(at(21)));
    assert_eq!(message(&stored).metadata.as_deref(), Some("{\"a\":1}"));
    assert_eq!((stored.team_seq, stored.offset), (2, 2), "it keeps its place");
    let unknown =
        crate::store::EditMessage { message: msg("unknown"), ..edits(own("vera"), visitor("vera"), &said, "x", 25) };
    assert_eq!(edit(unknown).await.unwrap_err(), StoreError::NotFound);
}

pub(in crate::store) async fn deletions_follow_the_rules(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let said = world.append(says("vera", "c", "k", "hello")).await;
    let reply = world.append(replies("anna", "c", "k", "hi")).await;
    let delete = |delete| world.store.delete_message(delete);
    assert!(matches!(delete(deletes(team(), user("anna"), &said, 1)).await, Err(StoreError::Forbidden(_))));
    let late =
        crate::store::DeleteMessage { not_before: Some(at(1)), ..deletes(own("vera"), visitor("vera"), &said, 2) };
    assert!(matches!(delete(late.clone()).await, Err(StoreError::Forbidden(_))));
    assert!(matches!(delete(deletes(own("vera"), visitor("vera"), &reply, 2)).await, Err(StoreError::Forbidden(_))));
    let admin = crate::store::DeleteMessage { is_admin: true, ..deletes(team(), user("root"), &said, 3) };
    let events = delete(admin.clone()).await.unwrap();
    assert_eq!(events.iter().map(brief).collect::<Vec<_>>(), [("updated", 4, Some(4))]);
    match &events[0].body {
        EventBody::Updated { content: None, at: when, deleted: true, .. } => assert_eq!(*when, at(3)),
        other => panic!("{other:?}"),
    }
    assert_eq!(delete(admin).await.unwrap_err(), StoreError::NotFound, "a deleted one is gone");
    assert_eq!(delete(late).await.unwrap_err(), StoreError::NotFound);
    let edit = edits(own("vera"), visitor("vera"), &said, "x", 4);
    assert_eq!(world.store.edit_message(edit).await.unwrap_err(), StoreError::NotFound);
    let kept = world.store.message(org("o"), own("vera"), conv("c"), said.message.clone()).await.unwrap();
    assert_eq!((kept.team_seq, message(&kept).deleted), (2, true));
    assert_eq!((message(&kept).content.as_deref(), message(&kept).metadata.as_deref()), (None, None));
    assert_eq!(message(&kept).updated_at, Some(at(3)));
    delete(deletes(team(), user("anna"), &reply, 5)).await.unwrap();
}

pub(in crate::store) async fn known_messages_are_found_within_the_scope(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let known =
        |scope, sender, request: &str| world.store.known_message(org("o"), scope, conv("c"), sender, key(request));
    assert_eq!(known(own("vera"), visitor("vera"), "k").await, Ok(None), "the visitor would make it");
    assert_eq!(known(team(), user("anna"), "k").await, Err(StoreError::NotFound));
    let said = world.append(says("vera", "c", "k", "hello")).await;
    let found = known(own("vera"), visitor("vera"), "k").await.unwrap().unwrap();
    assert_eq!((found.message, found.team_seq, found.visitor_seq), (said.message, 2, Some(2)));
    assert_eq!(found.fingerprint, says("vera", "c", "k", "hello").fingerprint);
    assert_eq!(known(own("vera"), visitor("vera"), "other").await, Ok(None));
    assert_eq!(known(team(), user("vera"), "k").await, Ok(None));
    assert_eq!(known(own("mallory"), visitor("mallory"), "k").await, Err(StoreError::NotFound));
}

pub(in crate::store) async fn calls_commit_in_order_and_fail_alone(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let mut calls = Vec::new();
    for n in 0..100_u64 {
        let mut append = replies("anna", "c", &format!("k{n}"), &format!("text{n}"));
        if n % 10 == 3 {
            append.conversation = conv("unknown");
        }
        if n % 10 == 7 {
            append.key = key("k0");
        }
        calls.push((n, world.store.append_message(append)));
    }
    let mut expected = 2;
    // Awaited backwards, so that the order of awaiting cannot be what orders them.
    let mut answers = Vec::new();
    for (n, call) in calls.into_iter().rev() {
        answers.push((n, call.await));
    }
    for (n, answer) in answers.into_iter().rev() {
        match n % 10 {
            3 => assert_eq!(answer.unwrap_err(), StoreError::NotFound),
            7 => assert_eq!(answer.unwrap_err(), StoreError::Conflict(Conflict::OtherContent)),
            _ => {
                expected += 1;
                assert_eq!(answer.unwrap().team_seq, expected, "call {n}");
            }
        }
    }
    let all = world.replay("c", Audience::Team, 0).await;
    assert_eq!(all.iter().map(|event| event.team_seq).collect::<Vec<_>>(), (1..=expected).collect::<Vec<_>>());
    let page = MessagePage { before: None, after: Some(2), limit: 3 };
    let (first, _) = world.store.messages(org("o"), team(), conv("c"), page).await.unwrap();
    assert_eq!(texts(&first), ["text0", "text1", "text2"]);
    // A read sees every write that was answered, and a change of nothing is none.
    let same = world.store.change_conversation(change("c", Some(ConversationStatus::Open), None, 1)).await.unwrap();
    assert_eq!((same.events.len(), same.conversation.team_head), (0, expected));
}
