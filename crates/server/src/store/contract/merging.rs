//! Visitors who turn out to be known people.

use std::sync::Arc;

use cossistant_protocol::ConversationStatus;

use super::world::{World, at, conv, id, message, org, own, query, replies, says, site, team, touch, visitor};
use crate::store::{
    AppendMessage, Audience, Conflict, ConversationQuery, EventBody, Identified, Store, StoreError, TouchPerson,
};

pub(in crate::store) async fn everything_moves_to_the_known_visitor(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("known", "old", "k", "long ago")).await;
    world.identify(Some("known"), "ext").await;
    let named = TouchPerson {
        name: Some(Arc::from("Nina")),
        page: Some("https://a/2".to_owned()),
        ..touch(visitor("anon"), &["a"], 20)
    };
    world.store.touch_person(named).await.unwrap();
    world.append(AppendMessage { at: at(30), ..says("anon", "c", "k", "hi") }).await;
    world.append(replies("anna", "c", "k", "hello")).await;
    world.status("c", ConversationStatus::Resolved, 31).await;
    world.append(AppendMessage { at: at(32), ..says("anon", "c", "k2", "again") }).await;
    world.append(AppendMessage { at: at(40), ..says("anon", "d", "k", "more") }).await;
    world.seen(own("anon"), visitor("anon"), "c", 3).await;

    assert_eq!(world.store.known_visitor(site("o", "a"), "ext".to_owned()).await, Ok(Some(id("known"))));
    assert_eq!(world.store.known_visitor(site("o", "b"), "ext".to_owned()).await, Ok(None));
    assert_eq!(world.store.known_visitor(site("o", "a"), "other".to_owned()).await, Ok(None));
    let merged = world.identify(Some("anon"), "ext").await;
    let expected =
        Identified { visitor: id("known"), previous: Some(id("anon")), conversations: vec![conv("d"), conv("c")] };
    assert_eq!(merged, expected);
    assert_eq!(world.store.resolve_visitor(site("o", "a"), id("anon")).await, Ok(id("known")));
    assert_eq!(world.store.known_visitor(site("o", "a"), "ext".to_owned()).await, Ok(Some(id("known"))));

    let events = world.replay("c", Audience::Team, 0).await;
    assert!(matches!(&events[0].body, EventBody::Created { visitor, .. } if *visitor == id("known")));
    assert_eq!(message(&events[1]).sender, visitor("known"));
    assert!(matches!(&events[5].body, EventBody::Status { by: Some(by), .. } if *by == id("known")), "{events:?}");
    let snapshot = world.store.conversation_snapshot(org("o"), own("known"), conv("c")).await.unwrap();
    assert_eq!((&snapshot.seen[0].person, snapshot.seen[0].visitor_seq), (&visitor("known"), 3));

    // Keys stand under the new name, and the old name stands for it.
    for name in ["known", "anon"] {
        let again = AppendMessage { sender: visitor(name), scope: own(name), ..says("anon", "c", "k", "hi") };
        assert!(world.append(again.clone()).await.duplicate, "{name}");
        let other = AppendMessage { fingerprint: [9; 16], ..again };
        assert_eq!(world.refused(other).await, StoreError::Conflict(Conflict::OtherContent));
    }
    let late = world.append(AppendMessage { at: at(50), ..says("anon", "c", "k3", "from the old tab") }).await;
    assert_eq!(message(&late.events[0]).sender, visitor("known"));
    let list = ConversationQuery { scope: own("anon"), asker: visitor("anon"), website: None, ..query() };
    let page = world.list(list).await;
    assert_eq!(super::world::ids(&page), ["c", "d", "old"]);
    assert_eq!(page.items[0].unread, 0, "its own messages and what it has seen are not unread");
    let row = world.store.visitor(site("o", "a"), id("anon")).await.unwrap();
    assert_eq!((row.id, row.first_seen_at, row.last_seen_at), (id("known"), at(0), at(20)));
    assert_eq!(row.page.as_deref(), Some("https://a/2"));
    let identity = row.identity.unwrap();
    assert_eq!((identity.name.as_deref(), identity.external_id.as_deref()), (Some("Nina"), Some("ext")));
    let found = ConversationQuery { search: vec!["nina".to_owned()], ..query() };
    assert_eq!(world.listed(found).await, ["c", "d", "old"]);
    let open = world.store.open_conversations(site("o", "a"), id("anon")).await.unwrap();
    assert_eq!(open, [conv("c"), conv("d"), conv("old")]);
    assert!(world.create("anon", "c", 60).await.unwrap().events.is_empty());
    assert_eq!(world.create("anon", "e", 61).await.unwrap().conversation.visitor, id("known"));
    assert_eq!(world.store.visitor_websites(org("o"), id("anon")).await.unwrap().len(), 1);
    assert!(world.conversation(team(), "c").await.is_ok());
}

pub(in crate::store) async fn aliases_are_flat(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("one", "c1", "k", "hi")).await;
    world.append(says("two", "c2", "k", "hi")).await;
    world.identify(Some("main"), "ext").await;
    world.identify(Some("one"), "ext").await;
    world.identify(Some("two"), "ext").await;
    for name in ["one", "two", "main"] {
        assert_eq!(world.store.resolve_visitor(site("o", "a"), id(name)).await, Ok(id("main")));
        assert_eq!(world.identify(Some(name), "ext").await.previous, None);
        assert!(world.conversation(own(name), "c1").await.is_ok());
        assert!(world.conversation(own(name), "c2").await.is_ok());
    }
    assert_eq!(world.store.resolve_visitor(site("o", "b"), id("one")).await, Ok(id("one")));
    world.store.touch_person(touch(visitor("one"), &["a"], 99)).await.unwrap();
    assert_eq!(world.store.visitor(site("o", "a"), id("main")).await.unwrap().last_seen_at, at(99));
}

pub(in crate::store) async fn two_known_people_are_never_one(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("first", "c1", "k", "hi")).await;
    world.append(says("second", "c2", "k", "hi")).await;
    world.identify(Some("first"), "ext-1").await;
    world.identify(Some("second"), "ext-2").await;
    let back = world.identify(Some("first"), "ext-2").await;
    assert_eq!((back.visitor, back.previous), (id("second"), None));
    assert_eq!(back.conversations, [conv("c2")]);
    assert_eq!(world.conversation(own("second"), "c1").await, Err(StoreError::NotFound));
    let third = world.identify(Some("first"), "ext-3").await;
    assert_eq!((third.visitor, third.previous, third.conversations), (id("fresh-ext-3"), None, Vec::new()));
    assert!(world.conversation(own("first"), "c1").await.is_ok());
}
