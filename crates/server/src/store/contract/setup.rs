//! Organizations, websites, keys, revocations.

use std::sync::Arc;

use cossistant_protocol::KeyId;

use super::world::{
    World, at, conv, notes, org, own, query, says, settings, site, team, touch, user, visitor, web, website_row,
};
use crate::store::{
    AppendMessage, Audience, Conflict, ConversationQuery, KeyMaterial, KeyRow, OrganizationRow, RevocationRow, Scope,
    Store, StoreError, WebsiteRow,
};

const TAKEN: StoreError = StoreError::Conflict(Conflict::Taken);

fn key(id: &str, material: KeyMaterial) -> KeyRow {
    KeyRow { id: KeyId::new(id).unwrap(), organization: org("o"), material, created_at: at(4) }
}

fn public(id: &str, text: &str, website: &str) -> KeyRow {
    key(id, KeyMaterial::Public { key: text.to_owned(), website: web(website) })
}

fn secret(id: &str, byte: u8) -> KeyRow {
    key(id, KeyMaterial::Secret { sha256: [byte; 32] })
}

fn revocation(organization: &str, name: &str, ms: u64) -> RevocationRow {
    RevocationRow { organization: org(organization), person: user(name), at: at(ms) }
}

pub(in crate::store) async fn the_directory_is_read_whole(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let keys = [
        key("hs", KeyMaterial::JwtHs256 { secret: vec![0, 1, 255] }),
        key("pem", KeyMaterial::JwtPublic { pem: "-----BEGIN".to_owned(), algorithm: "ES256".to_owned() }),
        public("pk", "pk_1", "a"),
        secret("sk", 7),
    ];
    for key in keys.iter().rev() {
        world.store.create_key(key.clone()).await.unwrap();
    }
    world.store.revoke(revocation("o", "ben", 5)).await.unwrap();
    let rows = world.store.directory().await.unwrap();
    assert_eq!(rows.organizations.iter().map(|row| row.id.to_string()).collect::<Vec<_>>(), ["o", "p"]);
    assert_eq!(rows.organizations[0].name, "O");
    let all: Vec<_> = ["o", "p"]
        .into_iter()
        .flat_map(|organization| ["a", "b"].map(|website| website_row(site(organization, website))))
        .collect();
    assert_eq!(rows.websites, all);
    assert_eq!(rows.keys, keys);
    assert_eq!(rows.revocations, [revocation("o", "ben", 5)]);
    let changed = WebsiteRow { settings: settings("other"), created_at: at(99), ..website_row(site("o", "a")) };
    world.store.update_website(changed).await.unwrap();
    let row = &world.store.directory().await.unwrap().websites[0];
    assert_eq!((row.settings.name.as_str(), row.created_at), ("other", at(1)), "only the settings change");
    world.store.delete_key(KeyId::new("hs").unwrap()).await.unwrap();
    assert_eq!(world.store.directory().await.unwrap().keys.len(), 3);
}

pub(in crate::store) async fn what_is_taken_or_missing_is_refused(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let store = &world.store;
    let row = OrganizationRow { id: org("o"), name: "other".to_owned(), created_at: at(0) };
    assert_eq!(store.create_organization(row).await, Err(TAKEN));
    assert_eq!(store.create_website(website_row(site("o", "a"))).await, Err(TAKEN));
    assert_eq!(store.create_website(website_row(site("q", "a"))).await, Err(StoreError::NotFound));
    assert_eq!(store.update_website(website_row(site("o", "z"))).await, Err(StoreError::NotFound));
    assert_eq!(store.delete_website(site("o", "z")).await, Err(StoreError::NotFound));
    assert_eq!(store.delete_organization(org("q")).await, Err(StoreError::NotFound));
    store.create_key(public("pk", "pk_1", "a")).await.unwrap();
    store.create_key(secret("sk", 1)).await.unwrap();
    assert_eq!(store.create_key(secret("pk", 2)).await, Err(TAKEN));
    assert_eq!(store.create_key(public("pk2", "pk_1", "b")).await, Err(TAKEN), "a public key names one website");
    assert_eq!(store.create_key(secret("sk2", 1)).await, Err(TAKEN));
    let shared = || KeyMaterial::JwtHs256 { secret: vec![1] };
    store.create_key(key("h1", shared())).await.unwrap();
    store.create_key(key("h2", shared())).await.unwrap();
    assert_eq!(store.create_key(public("pk3", "pk_3", "z")).await, Err(StoreError::NotFound));
    let homeless = KeyRow { organization: org("q"), ..secret("sk3", 3) };
    assert_eq!(store.create_key(homeless).await, Err(StoreError::NotFound));
    assert_eq!(store.delete_key(KeyId::new("zz").unwrap()).await, Err(StoreError::NotFound));
    assert_eq!(store.revoke(revocation("q", "ben", 1)).await, Err(StoreError::NotFound));
    assert_eq!(store.epoch().await.unwrap(), store.epoch().await.unwrap());
}

pub(in crate::store) async fn revocations_only_move_forward(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for ms in [5, 9, 7] {
        world.store.revoke(revocation("o", "ben", ms)).await.unwrap();
    }
    world.store.revoke(revocation("p", "ben", 1)).await.unwrap();
    let same_name = RevocationRow { person: visitor("ben"), ..revocation("o", "ben", 3) };
    world.store.revoke(same_name.clone()).await.unwrap();
    let rows = world.store.directory().await.unwrap().revocations;
    assert_eq!(rows, [same_name, revocation("o", "ben", 9), revocation("p", "ben", 1)]);
}

/// A website with something in every table.
async fn furnish(world: &World) {
    world.append(says("vera", "c", "k", "word")).await;
    world.append(notes("anna", "c", "k", "word")).await;
    world.seen(team(), user("anna"), "c", 2).await;
    world.store.touch_person(touch(user("anna"), &["a", "b"], 1)).await.unwrap();
    world.identify(Some("vera"), "ext").await;
    world.append(says("anon", "d", "k", "word")).await;
    world.identify(Some("anon"), "ext").await;
    world.store.create_key(public("pk-a", "pk_a", "a")).await.unwrap();
    world.store.create_key(public("pk-b", "pk_b", "b")).await.unwrap();
    world.store.create_key(secret("sk", 1)).await.unwrap();
    let on_b = AppendMessage {
        scope: Scope::Visitor { website: web("b"), visitor: super::world::id("vera") },
        ..says("vera", "on-b", "k", "word")
    };
    world.append(on_b).await;
}

pub(in crate::store) async fn deleting_a_website_removes_what_is_its_own(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    furnish(&world).await;
    // A message that waits in the same commit goes too.
    let last = world.store.append_message(says("vera", "c", "last", "word"));
    let gone = world.store.delete_website(site("o", "a"));
    last.await.unwrap();
    gone.await.unwrap();
    assert_eq!(world.conversation(team(), "c").await, Err(StoreError::NotFound));
    assert_eq!(world.store.visitor(site("o", "a"), super::world::id("vera")).await, Err(StoreError::NotFound));
    assert_eq!(world.refused(says("vera", "c", "k", "word")).await, StoreError::NotFound);
    let rows = world.store.directory().await.unwrap();
    assert_eq!(rows.keys.iter().map(|key| key.id.to_string()).collect::<Vec<_>>(), ["pk-b", "sk"]);
    assert_eq!(rows.websites.len(), 3);
    let word = ConversationQuery { website: None, search: vec!["word".to_owned()], ..query() };
    assert_eq!(world.listed(word.clone()).await, ["on-b"]);
    assert_eq!(world.store.members(site("o", "b")).await.unwrap().len(), 1);
    // A new website of the same name has nothing of the old one.
    world.store.create_website(website_row(site("o", "a"))).await.unwrap();
    assert!(world.store.members(site("o", "a")).await.unwrap().is_empty());
    assert!(!world.append(says("anon", "c", "k", "else")).await.duplicate);
    assert_eq!(world.listed(word).await, ["on-b"]);
    let snapshot = world.store.conversation_snapshot(org("o"), own("anon"), conv("c")).await.unwrap();
    assert!(snapshot.seen.is_empty());
}

pub(in crate::store) async fn places_of_what_was_deleted_are_not_given_again(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    furnish(&world).await;
    let website = |name: &'static str| world.store.website_snapshot(org("o"), web(name));
    let thread = || world.conversation(team(), "c");
    let (offset, old) = (website("a").await.unwrap().head, thread().await.unwrap());
    assert!(old.team_head > old.visitor_head && old.visitor_head > 1 && offset > old.team_head, "{old:?}");
    world.store.delete_website(site("o", "a")).await.unwrap();

    // The conversation comes again on another website, and with it the numbers of the conversation alone go on.
    let on_b = website("b").await.unwrap().head;
    let scope = || Scope::Visitor { website: web("b"), visitor: super::world::id("vera") };
    let again = AppendMessage { scope: scope(), ..says("vera", "c", "k", "anew") };
    let appended = world.append(again).await;
    assert_eq!((appended.team_seq, appended.visitor_seq), (old.team_head + 3, Some(old.visitor_head + 3)));
    assert_eq!(website("b").await.unwrap().head, on_b + 2);
    for audience in [Audience::Team, Audience::Visitor] {
        let events = world.store.conversation_events(org("o"), conv("c"), audience, 0, 99, 99).await.unwrap();
        let places: Vec<_> = events.iter().map(|event| event.seq(audience).unwrap()).collect();
        let head = thread().await.unwrap().head(audience);
        assert_eq!(places, [head - 1, head], "dense, up to the head");
        // A place of the old one marks nothing.
        let (scope, person) = match audience {
            Audience::Team => (team(), user("anna")),
            Audience::Visitor => (scope(), visitor("vera")),
        };
        assert!(world.seen(scope.clone(), person.clone(), "c", old.visitor_head).await.is_none());
        let mark = world.seen(scope, person, "c", head).await.unwrap().mark;
        assert_eq!((mark.team_seq, mark.visitor_seq), (appended.team_seq, appended.visitor_seq.unwrap()));
    }

    // The website comes again, is deleted once more before anything happens on it, and goes on each time.
    for round in 1..=2 {
        world.store.create_website(website_row(site("o", "a"))).await.unwrap();
        assert_eq!(website("a").await.unwrap().head, offset + round, "round {round}");
        assert!(world.store.website_events(org("o"), web("a"), 0, 99, 99).await.unwrap().is_empty());
        if round == 1 {
            world.store.delete_website(site("o", "a")).await.unwrap();
        }
    }
    world.append(says("vera", "e", "k", "word")).await;
    let events = world.store.website_events(org("o"), web("a"), 0, 99, 99).await.unwrap();
    assert_eq!(events.iter().map(|event| event.offset).collect::<Vec<_>>(), [offset + 3, offset + 4]);

    // So it is when all of the organization goes.
    world.store.delete_organization(org("o")).await.unwrap();
    let row = OrganizationRow { id: org("o"), name: "again".to_owned(), created_at: at(0) };
    world.store.create_organization(row).await.unwrap();
    world.store.create_website(website_row(site("o", "a"))).await.unwrap();
    assert_eq!(website("a").await.unwrap().head, offset + 5);
    assert_eq!(world.append(says("vera", "c", "k", "word")).await.team_seq, appended.team_seq + 3);
    assert_eq!(world.append(says("vera", "new", "k", "word")).await.team_seq, 2, "what is new begins at 1");
}

pub(in crate::store) async fn deleting_an_organization_removes_what_is_its_own(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    furnish(&world).await;
    world.store.revoke(revocation("o", "ben", 5)).await.unwrap();
    let other = AppendMessage { organization: org("p"), ..says("vera", "c", "k", "word") };
    world.append(other).await;
    world.store.delete_organization(org("o")).await.unwrap();
    let rows = world.store.directory().await.unwrap();
    assert_eq!((rows.organizations.len(), rows.websites.len(), rows.keys.len(), rows.revocations.len()), (1, 2, 0, 0));
    assert_eq!(world.conversation(team(), "c").await, Err(StoreError::NotFound));
    assert!(world.store.conversation(org("p"), team(), conv("c")).await.is_ok());
    let row = OrganizationRow { id: org("o"), name: "again".to_owned(), created_at: at(0) };
    world.store.create_organization(row).await.unwrap();
    world.store.create_website(website_row(site("o", "a"))).await.unwrap();
    assert!(world.store.members(site("o", "a")).await.unwrap().is_empty());
    assert!(world.listed(query()).await.is_empty());
}
