//! Reading what happened.

use std::sync::Arc;

use cossistant_protocol::ConversationStatus;

use super::world::{
    World, brief, conv, deletes, edits, message, notes, org, own, replies, says, site, team, team_of, texts, user,
    visitor, web,
};
use crate::store::{Audience, EventBody, MessagePage, Store, StoreError};

/// Conversation `c`: created, message, note, reply, note, status, assignment, message.
async fn told(store: Arc<dyn Store>) -> World {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k1", "one")).await;
    world.append(notes("anna", "c", "k1", "note1")).await;
    world.append(replies("anna", "c", "k2", "two")).await;
    world.append(notes("anna", "c", "k3", "note2")).await;
    world.status("c", ConversationStatus::Pending, 1).await;
    world.assign("c", Some("anna"), 2).await;
    world.append(says("vera", "c", "k2", "three")).await;
    world
}

pub(in crate::store) async fn two_numberings_interleave(store: Arc<dyn Store>) {
    let world = told(store).await;
    let team_sees = world.replay("c", Audience::Team, 0).await;
    let expected = [
        ("created", 1, Some(1)),
        ("message", 2, Some(2)),
        ("message", 3, None),
        ("message", 4, Some(3)),
        ("message", 5, None),
        ("status", 6, Some(4)),
        ("assigned", 7, Some(5)),
        ("message", 8, Some(6)),
    ];
    assert_eq!(team_sees.iter().map(brief).collect::<Vec<_>>(), expected);
    let visitor_sees = world.replay("c", Audience::Visitor, 0).await;
    let public: Vec<_> = expected.into_iter().filter(|event| event.2.is_some()).collect();
    assert_eq!(visitor_sees.iter().map(brief).collect::<Vec<_>>(), public);
    match &team_sees[6].body {
        EventBody::Assigned { assignee, by } => {
            assert_eq!(assignee.as_ref().map(ToString::to_string).as_deref(), Some("anna"));
            assert_eq!(by.as_ref().map(ToString::to_string).as_deref(), Some("anna"));
        }
        other => panic!("{other:?}"),
    }
    let part = |audience, after, upto, limit| {
        world.store.conversation_events(org("o"), conv("c"), audience, after, upto, limit)
    };
    let seqs = |events: &[crate::store::StoredEvent]| events.iter().map(|event| event.team_seq).collect::<Vec<_>>();
    assert_eq!(seqs(&part(Audience::Team, 2, 5, 100).await.unwrap()), [3, 4, 5]);
    assert_eq!(seqs(&part(Audience::Visitor, 2, 5, 100).await.unwrap()), [4, 6, 7]);
    assert_eq!(seqs(&part(Audience::Visitor, 0, 9, 2).await.unwrap()), [1, 2]);
    assert!(part(Audience::Team, 8, u64::MAX, 10).await.unwrap().is_empty());
    assert!(part(Audience::Team, 5, 2, 10).await.unwrap().is_empty());
    let unknown = world.store.conversation_events(org("p"), conv("c"), Audience::Team, 0, 9, 9).await;
    assert_eq!(unknown.unwrap_err(), StoreError::NotFound);
    let conversation = world.conversation(own("vera"), "c").await.unwrap();
    assert_eq!((conversation.head(Audience::Team), conversation.head(Audience::Visitor)), (8, 6));
}

pub(in crate::store) async fn replayed_messages_carry_their_newest_content(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let said = world.append(says("vera", "c", "k1", "one")).await;
    let reply = world.append(replies("anna", "c", "k1", "two")).await;
    world.store.edit_message(edits(own("vera"), visitor("vera"), &said, "one!", 5)).await.unwrap();
    world.store.edit_message(edits(own("vera"), visitor("vera"), &said, "one!!", 6)).await.unwrap();
    world.store.edit_message(edits(team(), user("anna"), &reply, "two!", 7)).await.unwrap();
    world.store.delete_message(deletes(team(), user("anna"), &reply, 8)).await.unwrap();
    let events = world.replay("c", Audience::Visitor, 0).await;
    let kinds: Vec<_> = events.iter().map(|event| brief(event).0).collect();
    assert_eq!(kinds, ["created", "message", "message", "updated", "updated", "updated", "updated"]);
    assert_eq!(message(&events[1]).content.as_deref(), Some("{\"text\":\"one!!\"}"));
    assert!(message(&events[2]).deleted);
    let updates: Vec<_> = events[3..]
        .iter()
        .map(|event| match &event.body {
            EventBody::Updated { message, content, deleted, .. } => (message.clone(), content.is_some(), *deleted),
            other => panic!("{other:?}"),
        })
        .collect();
    let (a, b) = (said.message, reply.message);
    let expected = [(a.clone(), true, false), (a, true, false), (b.clone(), false, true), (b, false, true)];
    assert_eq!(updates, expected);
}

pub(in crate::store) async fn website_events_are_dense_across_conversations(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for n in 0..5 {
        world.append(says("vera", "c", &format!("k{n}"), "x")).await;
        world.append(says("walter", "d", &format!("k{n}"), "x")).await;
        world.append(notes("anna", "d", &format!("n{n}"), "x")).await;
    }
    let elsewhere = crate::store::AppendMessage {
        scope: crate::store::Scope::Visitor { website: web("b"), visitor: super::world::id("vera") },
        ..says("vera", "e", "k", "x")
    };
    assert_eq!(world.append(elsewhere).await.events[0].offset, 1, "each website counts for itself");
    let head = world.store.website_snapshot(org("o"), web("a")).await.unwrap().head;
    assert_eq!(head, 17);
    let mut offsets = Vec::new();
    let mut after = 0;
    loop {
        let page = world.store.website_events(org("o"), web("a"), after, head, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.offset;
        assert!(page.iter().all(|event| event.website == site("o", "a")));
        offsets.extend(page.iter().map(|event| event.offset));
    }
    assert_eq!(offsets, (1..=17).collect::<Vec<_>>());
    assert_eq!(world.store.website_events(org("o"), web("a"), 3, 5, 9).await.unwrap().len(), 2);
    assert_eq!(world.store.website_events(org("o"), web("z"), 0, 5, 9).await.unwrap_err(), StoreError::NotFound);
    assert_eq!(world.store.website_snapshot(org("q"), web("a")).await, Err(StoreError::NotFound));
    assert_eq!(world.store.website_snapshot(org("p"), web("a")).await.unwrap().head, 0);
}

pub(in crate::store) async fn pages_go_both_ways(store: Arc<dyn Store>) {
    let world = told(store).await;
    let page = |scope, before, after, limit| {
        let store = Arc::clone(&world.store);
        async move { store.messages(org("o"), scope, conv("c"), MessagePage { before, after, limit }).await.unwrap() }
    };
    let (all, more) = page(team(), None, None, 10).await;
    assert_eq!(
        (texts(&all), more),
        (vec!["one", "note1", "two", "note2", "three"].into_iter().map(str::to_owned).collect(), false)
    );
    let (newest, more) = page(team(), None, None, 2).await;
    assert_eq!((newest[0].team_seq, newest[1].team_seq, more), (5, 8, true));
    let (before, more) = page(team(), Some(5), None, 2).await;
    assert_eq!((texts(&before).join(" "), more), ("note1 two".to_owned(), true));
    let (rest, more) = page(team(), Some(3), None, 2).await;
    assert_eq!((texts(&rest).join(" "), more), ("one".to_owned(), false));
    let (after, more) = page(team(), None, Some(2), 2).await;
    assert_eq!((texts(&after).join(" "), more), ("note1 two".to_owned(), true));
    let (between, more) = page(team(), Some(8), Some(2), 9).await;
    assert_eq!((texts(&between).join(" "), more), ("note1 two note2".to_owned(), false));
    let (own_page, more) = page(own("vera"), Some(6), None, 2).await;
    assert_eq!((texts(&own_page).join(" "), more), ("one two".to_owned(), false));
    let (own_page, more) = page(own("vera"), None, Some(0), 2).await;
    assert_eq!((texts(&own_page).join(" "), more), ("one two".to_owned(), true));
    assert!(page(team(), None, Some(8), 2).await.0.is_empty());
    assert_eq!(page(team(), None, None, 0).await.0.len(), 0);
}

pub(in crate::store) async fn notes_are_never_read_by_visitors(store: Arc<dyn Store>) {
    let world = told(store).await;
    let note = world.append(notes("anna", "c", "k9", "secret")).await;
    let read = |scope| world.store.message(org("o"), scope, conv("c"), note.message.clone());
    assert_eq!(read(own("vera")).await.unwrap_err(), StoreError::NotFound);
    assert!(read(team()).await.is_ok());
    assert_eq!(read(team_of(&["b"])).await.unwrap_err(), StoreError::NotFound);
    let page = MessagePage { before: None, after: None, limit: 100 };
    let (seen, _) = world.store.messages(org("o"), own("vera"), conv("c"), page).await.unwrap();
    assert_eq!(texts(&seen), ["one", "two", "three"]);
    let hidden = world.store.messages(org("o"), own("mallory"), conv("c"), page).await;
    assert_eq!(hidden.unwrap_err(), StoreError::NotFound);
}

pub(in crate::store) async fn heads_tell_which_websites_have_moved(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k1", "one")).await;
    let ask = async |known: &[(&str, &str, u64)]| {
        let known =
            known.iter().map(|(organization, website, offset)| (site(organization, website), *offset)).collect();
        let mut moved = world.store.heads(known).await.unwrap().moved;
        moved.sort_unstable();
        moved
    };
    let all = [("o", "a", 0), ("o", "b", 0), ("p", "a", 0), ("o", "nowhere", 0), ("nobody", "a", 0)];
    assert_eq!(ask(&all).await, [(site("o", "a"), 2)], "created, message; of the others there is nothing to tell");
    assert_eq!(ask(&[("o", "a", 1)]).await, [(site("o", "a"), 2)]);
    assert!(
        ask(&[("o", "a", 2)]).await.is_empty() && ask(&[("o", "a", 99)]).await.is_empty() && ask(&[]).await.is_empty()
    );
    world.append(notes("anna", "c", "k1", "a note")).await;
    assert_eq!(ask(&[("o", "a", 2), ("o", "b", 0)]).await, [(site("o", "a"), 3)]);
}
