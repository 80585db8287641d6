//! People.

use std::sync::Arc;

use cossistant_protocol::{ConversationStatus, Identity, UserType};

use super::world::{World, at, conv, id, org, person, says, site, touch, user, visitor, web};
use crate::store::{Identified, IdentifyVisitor, Store, StoreError, TouchPerson};

pub(in crate::store) async fn visits_are_noted(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let read = || world.store.visitor(site("o", "a"), id("vera"));
    assert_eq!(read().await, Err(StoreError::NotFound));
    assert_eq!(world.store.resolve_visitor(site("o", "a"), id("vera")).await, Ok(id("vera")));
    let first = TouchPerson { page: Some("https://a/1".to_owned()), ..touch(visitor("vera"), &["a"], 5) };
    world.store.touch_person(first).await.unwrap();
    let row = read().await.unwrap();
    assert_eq!((row.id, row.identity), (id("vera"), None));
    assert_eq!((row.first_seen_at, row.last_seen_at, row.page.as_deref()), (at(5), at(5), Some("https://a/1")));
    let second = TouchPerson { name: Some(Arc::from("Vera")), ..touch(visitor("vera"), &["a"], 9) };
    world.store.touch_person(second).await.unwrap();
    world.store.touch_person(touch(visitor("vera"), &["a"], 7)).await.unwrap();
    let row = read().await.unwrap();
    assert_eq!((row.first_seen_at, row.last_seen_at), (at(5), at(9)));
    assert_eq!(row.page.as_deref(), Some("https://a/1"), "what is not told stays");
    assert_eq!(row.identity, Some(Identity { external_id: None, email: None, name: Some("Vera".to_owned()) }));
    // A conversation makes its visitor known too.
    world.append(says("walter", "w", "k", "hi")).await;
    assert_eq!(world.store.visitor(site("o", "a"), id("walter")).await.unwrap().first_seen_at, at(0));
    world.store.touch_person(touch(visitor("vera"), &["b"], 1)).await.unwrap();
    assert_eq!(world.store.visitor_websites(org("o"), id("vera")).await.unwrap(), [web("a"), web("b")]);
    assert!(world.store.visitor_websites(org("p"), id("vera")).await.unwrap().is_empty());
    assert!(world.store.visitor_websites(org("q"), id("vera")).await.unwrap().is_empty());
    let nowhere = world.store.touch_person(touch(visitor("vera"), &["z"], 1)).await;
    assert_eq!(nowhere, Err(StoreError::NotFound));
}

pub(in crate::store) async fn teams_are_kept_per_website(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let named = TouchPerson {
        name: Some(Arc::from("Anna")),
        avatar_url: Some(Arc::from("https://a/anna.png")),
        ..touch(user("anna"), &["a", "gone", "b", "a"], 1)
    };
    world.store.touch_person(named).await.unwrap();
    world.store.touch_person(touch(user("anna"), &["a"], 2)).await.unwrap();
    world.store.touch_person(touch(person(UserType::AiAgent, "anna"), &["a"], 2)).await.unwrap();
    let members = world.store.members(site("o", "a")).await.unwrap();
    assert_eq!(
        members.iter().map(|member| member.person.kind).collect::<Vec<_>>(),
        [UserType::User, UserType::AiAgent]
    );
    assert_eq!(members[0].name.as_deref(), Some("Anna"));
    assert_eq!(members[0].avatar_url.as_deref(), Some("https://a/anna.png"));
    assert_eq!(members[1].name, None);
    assert_eq!(world.store.members(site("o", "b")).await.unwrap().len(), 1);
    assert!(world.store.members(site("p", "a")).await.unwrap().is_empty());
    assert_eq!(world.store.members(site("o", "gone")).await, Err(StoreError::NotFound));
    let nowhere = TouchPerson { organization: org("q"), ..touch(user("anna"), &[], 1) };
    assert_eq!(world.store.touch_person(nowhere).await, Err(StoreError::NotFound));
}

pub(in crate::store) async fn identifying_a_new_person_keeps_the_visitor(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("anon", "c", "k", "hi")).await;
    let expected = Identified { visitor: id("anon"), previous: None, conversations: vec![conv("c")] };
    assert_eq!(world.identify(Some("anon"), "ext").await, expected);
    assert_eq!(world.identify(Some("anon"), "ext").await, expected, "said again, it is the same");
    assert_eq!(world.identify(None, "ext").await, expected, "known by name alone");
    world.status("c", ConversationStatus::Closed, 2).await;
    assert_eq!(world.identify(None, "ext").await, expected, "a conversation that has ended is the visitor's, too");
    let row = world.store.visitor(site("o", "a"), id("anon")).await.unwrap();
    let identity = row.identity.unwrap();
    assert_eq!(identity.external_id.as_deref(), Some("ext"));
    assert_eq!(identity.email.as_deref(), Some("ext@example.com"));
    let fresh = world.identify(None, "new").await;
    assert_eq!(fresh, Identified { visitor: id("fresh-new"), previous: None, conversations: Vec::new() });
    let first_visit = world.identify(Some("never-seen"), "third").await;
    assert_eq!(first_visit.visitor, id("never-seen"));
    let nameless = IdentifyVisitor {
        identity: Identity { external_id: None, email: None, name: None },
        ..super::world::identify(Some("anon"), "ext")
    };
    assert!(matches!(world.store.identify_visitor(nameless).await, Err(StoreError::Forbidden(_))));
    let nowhere = IdentifyVisitor { website: site("o", "z"), ..super::world::identify(None, "ext") };
    assert_eq!(world.store.identify_visitor(nowhere).await, Err(StoreError::NotFound));
}
