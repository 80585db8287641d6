//! Conversations: making them, changing them, marks.

use std::sync::Arc;

use cossistant_protocol::ConversationStatus;

use super::world::{
    World, at, brief, change, conv, id, notes, org, own, replies, says, seen, site, team, team_of, user, visitor, web,
};
use crate::store::{ChangeConversation, Conflict, CreateConversation, EventBody, MarkSeen, Scope, Store, StoreError};

pub(in crate::store) async fn creation_is_idempotent_for_the_same_visitor(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let created = world.create("vera", "c", 3).await.unwrap();
    assert_eq!(created.events.iter().map(brief).collect::<Vec<_>>(), [("created", 1, Some(1))]);
    match &created.events[0].body {
        EventBody::Created { visitor, at: when } => assert_eq!((visitor, *when), (&id("vera"), at(3))),
        other => panic!("{other:?}"),
    }
    let again = world.create("vera", "c", 4).await.unwrap();
    assert!(again.events.is_empty());
    assert_eq!(again.conversation, created.conversation);
    assert_eq!(again.conversation.created_at, at(3));
    assert_eq!(world.create("walter", "c", 5).await.unwrap_err(), StoreError::Conflict(Conflict::Taken));
    let elsewhere = |organization: &str, website: &str| CreateConversation {
        website: site(organization, website),
        visitor: id("vera"),
        conversation: conv("c"),
        at: at(6),
    };
    let create = |create| world.store.create_conversation(create);
    assert_eq!(create(elsewhere("o", "b")).await.unwrap_err(), StoreError::Conflict(Conflict::Taken));
    assert_eq!(create(elsewhere("o", "z")).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(create(elsewhere("p", "a")).await.unwrap().events.len(), 1);
    assert_eq!(world.append(says("vera", "c", "k", "hi")).await.team_seq, 2);
}

pub(in crate::store) async fn scopes_hide_what_is_outside(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "hi")).await;
    let hidden =
        [own("walter"), Scope::Visitor { website: web("b"), visitor: id("vera") }, team_of(&["b"]), team_of(&[])];
    for scope in hidden {
        assert_eq!(world.conversation(scope.clone(), "c").await, Err(StoreError::NotFound), "{scope:?}");
        let snapshot = world.store.conversation_snapshot(org("o"), scope.clone(), conv("c")).await;
        assert_eq!(snapshot.unwrap_err(), StoreError::NotFound, "{scope:?}");
        let change =
            ChangeConversation { scope: scope.clone(), ..change("c", Some(ConversationStatus::Closed), None, 1) };
        assert_eq!(world.store.change_conversation(change).await.unwrap_err(), StoreError::NotFound);
        let person = if matches!(scope, Scope::Team { .. }) { user("anna") } else { visitor("vera") };
        let mark = world.store.mark_seen(seen(scope, person, "c", 1)).await;
        assert_eq!(mark.unwrap_err(), StoreError::NotFound);
    }
    assert_eq!(world.store.conversation(org("p"), team(), conv("c")).await, Err(StoreError::NotFound));
    assert_eq!(world.store.conversation(org("q"), team(), conv("c")).await, Err(StoreError::NotFound));
    assert_eq!(world.conversation(own("vera"), "unknown").await, Err(StoreError::NotFound));
    for scope in [own("vera"), team(), team_of(&["b", "a"])] {
        assert!(world.conversation(scope, "c").await.is_ok());
    }
}

pub(in crate::store) async fn changes_make_events_only_of_what_changes(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "hi")).await;
    let both = change("c", Some(ConversationStatus::Pending), Some(Some(id("anna"))), 9);
    let changed = world.store.change_conversation(both.clone()).await.unwrap();
    assert_eq!(
        changed.events.iter().map(brief).collect::<Vec<_>>(),
        [("status", 3, Some(3)), ("assigned", 4, Some(4))]
    );
    assert_eq!(changed.conversation.last_activity_at, at(9));
    assert_eq!(changed.conversation.team_head, 4);
    let same = world.store.change_conversation(both).await.unwrap();
    assert!(same.events.is_empty());
    assert_eq!(same.conversation, changed.conversation);
    let freed = world.assign("c", None, 10).await;
    assert_eq!(freed.conversation.assignee, None);
    assert_eq!(freed.events.len(), 1);
    let unknown = change("unknown", Some(ConversationStatus::Closed), None, 1);
    assert_eq!(world.store.change_conversation(unknown).await.unwrap_err(), StoreError::NotFound);
    // A clock that goes back does not take the last activity with it.
    assert_eq!(world.status("c", ConversationStatus::Closed, 2).await.conversation.last_activity_at, at(10));
}

pub(in crate::store) async fn compare_and_set_of_the_assignee(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "hi")).await;
    let take = |name: &str, expected: Option<&str>| ChangeConversation {
        if_assigned_to: Some(expected.map(id)),
        ..change("c", Some(ConversationStatus::Pending), Some(Some(id(name))), 1)
    };
    let set = |change| world.store.change_conversation(change);
    assert_eq!(set(take("anna", Some("ben"))).await.unwrap_err(), StoreError::Conflict(Conflict::Assignee));
    assert_eq!(world.conversation(team(), "c").await.unwrap().status, ConversationStatus::Open);
    assert!(set(take("anna", None)).await.is_ok());
    assert_eq!(set(take("ben", None)).await.unwrap_err(), StoreError::Conflict(Conflict::Assignee));
    assert!(set(take("ben", Some("anna"))).await.is_ok());
    assert_eq!(world.conversation(team(), "c").await.unwrap().assignee, Some(id("ben")));
}

pub(in crate::store) async fn marks_are_translated_clamped_and_never_go_back(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    // created 1/1, message 2/2, note 3, note 4, reply 5/3, note 6
    world.append(says("vera", "c", "k", "hi")).await;
    world.append(notes("anna", "c", "n1", "x")).await;
    world.append(notes("anna", "c", "n2", "x")).await;
    world.append(replies("anna", "c", "k", "hello")).await;
    world.append(notes("anna", "c", "n3", "x")).await;
    let places =
        |mark: Option<crate::store::MovedMark>| mark.map(|moved| (moved.mark.team_seq, moved.mark.visitor_seq));
    assert_eq!(places(world.seen(team(), user("anna"), "c", 0).await), None);
    assert_eq!(places(world.seen(team(), user("anna"), "c", 4).await), Some((4, 2)));
    let by_ben = async |seq| world.seen(team(), user("ben"), "c", seq).await.unwrap().visitor_moved;
    assert!(by_ben(2).await);
    assert!(!by_ben(3).await && !by_ben(4).await, "only notes were passed");
    assert!(by_ben(5).await);
    assert_eq!(places(world.seen(team(), user("anna"), "c", 4).await), None);
    assert_eq!(places(world.seen(team(), user("anna"), "c", 3).await), None);
    assert_eq!(places(world.seen(team(), user("anna"), "c", 99).await), Some((6, 3)), "past the head is the head");
    assert_eq!(places(world.seen(team(), user("anna"), "c", 100).await), None);
    assert_eq!(places(world.seen(own("vera"), visitor("vera"), "c", 2).await), Some((2, 2)));
    assert_eq!(places(world.seen(own("vera"), visitor("vera"), "c", 99).await), Some((5, 3)));
    assert_eq!(places(world.seen(own("vera"), visitor("vera"), "c", 1).await), None);
    let snapshot = world.store.conversation_snapshot(org("o"), team(), conv("c")).await.unwrap();
    let marks: Vec<_> =
        snapshot.seen.iter().map(|mark| (mark.person.clone(), mark.team_seq, mark.visitor_seq)).collect();
    assert_eq!(marks, [(visitor("vera"), 5, 3), (user("anna"), 6, 3), (user("ben"), 5, 3)]);
    assert_eq!(snapshot.seen[0].website, site("o", "a"));
    assert_eq!(snapshot.seen[0].name.as_deref(), Some("Name"));
    assert_eq!(snapshot.seen[1].at, at(99));
    let other = MarkSeen { person: visitor("walter"), ..seen(own("vera"), visitor("vera"), "c", 3) };
    assert!(matches!(world.store.mark_seen(other).await, Err(StoreError::Forbidden(_))));
}

pub(in crate::store) async fn snapshots_are_of_one_moment(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "hi")).await;
    world.append(says("walter", "d", "k", "hi")).await;
    let snapshot = world.store.conversation_snapshot(org("o"), own("vera"), conv("c")).await.unwrap();
    assert_eq!((snapshot.website_head, snapshot.conversation.team_head), (4, 2));
    assert!(snapshot.seen.is_empty());
    assert_eq!(snapshot.conversation, world.conversation(team(), "c").await.unwrap());
    let unknown = world.store.conversation_snapshot(org("o"), own("vera"), conv("new")).await;
    assert_eq!(unknown.unwrap_err(), StoreError::NotFound);
    // While writes go on, heads of the same moment: a website with one conversation counts alike.
    let mut writes = Vec::new();
    for n in 0..50 {
        let append = crate::store::AppendMessage { organization: org("p"), ..says("vera", "c", &format!("k{n}"), "x") };
        writes.push(world.store.append_message(append));
        if n == 0 {
            writes.remove(0).await.unwrap();
        }
        let snapshot = world.store.conversation_snapshot(org("p"), own("vera"), conv("c")).await.unwrap();
        assert_eq!(snapshot.website_head, snapshot.conversation.team_head);
    }
    for write in writes {
        write.await.unwrap();
    }
}
