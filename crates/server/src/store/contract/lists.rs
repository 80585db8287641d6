//! Lists, searches and counts.

use std::sync::Arc;

use cossistant_protocol::{ConversationStatus, UserType};

use super::world::{
    World, at, conv, deletes, edits, id, ids, message, notes, own, person, query, replies, says, site, team, team_of,
    touch, user, visitor, web,
};
use crate::store::{
    AppendMessage, AssigneeFilter, ConversationQuery, OPEN_MAX, Scope, Store, StoreError, TouchPerson, UNREAD_MAX,
};

fn after(query: ConversationQuery, last: &crate::store::ConversationItem) -> ConversationQuery {
    let place = (last.conversation.last_activity_at, last.conversation.id.clone());
    ConversationQuery { after: Some(place), ..query }
}

pub(in crate::store) async fn filters_and_order(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for (n, name) in ["c1", "c2", "c3", "c4"].into_iter().enumerate() {
        let who = if n < 2 { "vera" } else { "walter" };
        world.append(AppendMessage { at: at(n as u64), ..says(who, name, "k", "hi") }).await;
    }
    world.status("c2", ConversationStatus::Resolved, 10).await;
    world.assign("c3", Some("anna"), 11).await;
    world.assign("c1", Some("ben"), 12).await;
    assert_eq!(world.listed(query()).await, ["c1", "c3", "c2", "c4"]);
    let status = |status| ConversationQuery { status: Some(status), ..query() };
    assert_eq!(world.listed(status(ConversationStatus::Open)).await, ["c1", "c3", "c4"]);
    assert_eq!(world.listed(status(ConversationStatus::Resolved)).await, ["c2"]);
    assert!(world.listed(status(ConversationStatus::Closed)).await.is_empty());
    let assignee = |filter| ConversationQuery { assignee: Some(filter), ..query() };
    assert_eq!(world.listed(assignee(AssigneeFilter::Person(id("anna")))).await, ["c3"]);
    assert_eq!(world.listed(assignee(AssigneeFilter::Nobody)).await, ["c2", "c4"]);
    let of = |name: &str| ConversationQuery { visitor: Some(id(name)), website: None, ..query() };
    assert_eq!(world.listed(of("vera")).await, ["c1", "c2"]);
    assert!(world.listed(of("nobody")).await.is_empty());
    let narrow = ConversationQuery {
        assignee: Some(AssigneeFilter::Person(id("ben"))),
        status: Some(ConversationStatus::Open),
        ..of("vera")
    };
    assert_eq!(world.listed(narrow).await, ["c1"]);
    // Equal times are ordered by id, greatest first.
    for name in ["t1", "t3", "t2"] {
        world.append(AppendMessage { at: at(99), ..says("tina", name, "k", "hi") }).await;
    }
    assert_eq!(world.listed(of("tina")).await, ["t3", "t2", "t1"]);
    let item = &world.list(of("walter")).await.items[1];
    assert_eq!(item.conversation, world.conversation(team(), "c4").await.unwrap());
    assert_eq!(message(item.last_message.as_ref().unwrap()).sender, visitor("walter"));
    assert_eq!(item.identity, None);
    world.create("eve", "empty", 100).await.unwrap();
    assert!(world.list(of("eve")).await.items[0].last_message.is_none());
}

pub(in crate::store) async fn pages_by_cursor_cover_everything_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let statuses = ConversationStatus::ALL;
    for n in 0..23_usize {
        let name = format!("c{n:02}");
        world.append(AppendMessage { at: at(n as u64 / 3), ..says("vera", &name, "k", "hi there") }).await;
        world.status(&name, statuses[n % 4], n as u64 / 3).await;
    }
    for search in [Vec::new(), vec!["the".to_owned()]] {
        let mut asked = ConversationQuery { limit: 5, search, ..query() };
        let mut all = Vec::new();
        loop {
            let page = world.list(asked.clone()).await;
            all.extend(ids(&page));
            assert_eq!(page.has_more, all.len() < 23, "after {} of them", all.len());
            let Some(last) = page.items.last().filter(|_| page.has_more) else { break };
            asked = after(asked, last);
        }
        let whole = world.listed(ConversationQuery { limit: 100, ..query() }).await;
        assert_eq!(all, whole);
        assert_eq!(whole.len(), 23);
    }
}

pub(in crate::store) async fn notes_move_nothing_in_a_visitors_list(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for (n, name) in ["c1", "c2", "c3"].into_iter().enumerate() {
        world.append(AppendMessage { at: at(n as u64), ..says("vera", name, "k", "hi") }).await;
    }
    world.append(AppendMessage { at: at(10), ..notes("anna", "c1", "n", "a note") }).await;
    let noted = world.append(AppendMessage { at: at(11), ..notes("anna", "c2", "n", "more") }).await;
    let mut edit = edits(team(), user("anna"), &noted, "less", 12);
    edit.conversation = conv("c2");
    world.store.edit_message(edit).await.unwrap();
    assert_eq!(world.listed(query()).await, ["c2", "c1", "c3"]);
    let by_vera = ConversationQuery { scope: own("vera"), asker: visitor("vera"), website: None, ..query() };
    for asked in [
        by_vera.clone(),
        ConversationQuery { search: vec!["hi".to_owned()], ..by_vera.clone() },
        ConversationQuery { assignee: Some(AssigneeFilter::Nobody), ..by_vera.clone() },
    ] {
        let mut asked = ConversationQuery { limit: 1, ..asked };
        for (name, time) in [("c3", 2), ("c2", 1), ("c1", 0)] {
            let page = world.list(asked.clone()).await;
            assert_eq!(ids(&page), [name], "{asked:?}");
            assert_eq!(page.has_more, name != "c1");
            let c = &page.items[0].conversation;
            assert_eq!(c.visitor_activity_at, at(time), "{name}");
            asked.after = Some((c.visitor_activity_at, c.id.clone()));
        }
    }
    world.append(AppendMessage { at: at(20), ..replies("anna", "c1", "k", "hello") }).await;
    assert_eq!(world.listed(by_vera).await, ["c1", "c3", "c2"]);
    let identified = world.identify(Some("vera"), "ext").await;
    assert_eq!(identified.conversations, [conv("c1"), conv("c3"), conv("c2")], "the visitor is told these too");
}

pub(in crate::store) async fn unread_counts(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k1", "one")).await;
    world.append(says("vera", "c", "k2", "two")).await;
    let note = world.append(notes("ben", "c", "n1", "note")).await;
    world.append(replies("anna", "c", "k1", "hello")).await;
    world.status("c", ConversationStatus::Pending, 1).await;
    let unread = |asked: ConversationQuery| {
        let store = Arc::clone(&world.store);
        async move { store.conversations(asked).await.unwrap().items[0].unread }
    };
    let by = |who| ConversationQuery { asker: who, ..query() };
    let by_vera = ConversationQuery { scope: own("vera"), asker: visitor("vera"), website: None, ..query() };
    assert_eq!(unread(by(user("anna"))).await, 3, "two of vera and the note");
    assert_eq!(unread(by(user("ben"))).await, 3, "two of vera and the reply");
    assert_eq!(unread(by(person(UserType::AiAgent, "anna"))).await, 4);
    assert_eq!(unread(by_vera.clone()).await, 1, "no note, nothing of its own");
    world.seen(team(), user("anna"), "c", 3).await;
    assert_eq!(unread(by(user("anna"))).await, 1);
    world.store.delete_message(deletes(team(), user("ben"), &note, 2)).await.unwrap();
    assert_eq!(unread(by(user("anna"))).await, 0, "what was deleted is not to be read");
    world.seen(own("vera"), visitor("vera"), "c", 99).await;
    assert_eq!(unread(by_vera).await, 0);
    let appends: Vec<_> =
        (0..=UNREAD_MAX).map(|n| world.store.append_message(says("vera", "many", &format!("k{n}"), "x"))).collect();
    for append in appends {
        append.await.unwrap();
    }
    let many = ConversationQuery { visitor: Some(id("vera")), search: vec!["x".to_owned()], ..query() };
    assert_eq!(unread(many).await, UNREAD_MAX, "where the counting stops");
}

pub(in crate::store) async fn search_by_prefix(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let known = TouchPerson {
        name: Some(Arc::from("Vera Müller")),
        email: Some(Arc::from("vera@shop.example")),
        ..touch(visitor("vera"), &["a"], 0)
    };
    world.store.touch_person(known).await.unwrap();
    let invoice = world.append(says("vera", "c", "k1", "Where is my Invoice?")).await;
    world.append(says("vera", "d", "k1", "Thanks for the refund")).await;
    world.append(says("walter", "w", "k1", "invoice and refund")).await;
    world.append(notes("anna", "c", "n1", "difficult customer")).await;
    let find = async |words: &[&str]| {
        let search = words.iter().map(|word| (*word).to_owned()).collect();
        let mut found = world.listed(ConversationQuery { search, ..query() }).await;
        found.sort();
        found
    };
    assert_eq!(find(&["INVO"]).await, ["c", "w"]);
    assert_eq!(find(&["refund", "inv"]).await, ["w"], "all words are needed");
    assert_eq!(find(&["muller"]).await, ["c", "d"], "a name finds all conversations of the visitor");
    assert_eq!(find(&["vera@shop.example"]).await, ["c", "d"]);
    assert_eq!(find(&["Müller invoice"]).await, ["c"], "words may be found in different places");
    assert!(find(&["nvoice"]).await.is_empty(), "only from the beginning of a word");
    assert_eq!(find(&["customer"]).await, ["c"]);
    let by_vera = ConversationQuery {
        scope: own("vera"),
        asker: visitor("vera"),
        search: vec!["customer".to_owned()],
        ..query()
    };
    assert!(world.listed(by_vera.clone()).await.is_empty(), "a visitor does not find notes");
    let by_vera = ConversationQuery { search: vec!["invoice".to_owned()], ..by_vera };
    assert_eq!(world.listed(by_vera).await, ["c"]);
    world.store.edit_message(edits(own("vera"), visitor("vera"), &invoice, "Where is my parcel?", 2)).await.unwrap();
    assert_eq!(find(&["invoice"]).await, ["w"]);
    assert_eq!(find(&["parcel"]).await, ["c"]);
    world.store.delete_message(deletes(own("vera"), visitor("vera"), &invoice, 3)).await.unwrap();
    assert!(find(&["parcel"]).await.is_empty());
    let renamed = TouchPerson { name: Some(Arc::from("Vera Meier")), ..touch(visitor("vera"), &["a"], 4) };
    world.store.touch_person(renamed).await.unwrap();
    assert!(find(&["muller"]).await.is_empty());
    assert_eq!(find(&["meier"]).await, ["c", "d"]);
    // In one commit: appended, edited, deleted.
    let first = world.store.append_message(says("walter", "w", "k2", "ephemeral"));
    let message = crate::store::Appended { message: says("walter", "w", "k2", "").message, ..invoice };
    let mut edit = edits(own("walter"), visitor("walter"), &message, "lasting", 5);
    edit.conversation = conv("w");
    let edit = world.store.edit_message(edit);
    first.await.unwrap();
    edit.await.unwrap();
    assert!(find(&["ephemeral"]).await.is_empty());
    assert_eq!(find(&["lasting"]).await, ["w"]);
}

pub(in crate::store) async fn search_syntax_is_harmless(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k1", "to be OR not to be")).await;
    world.append(says("vera", "d", "k1", "注文 naïve 100%")).await;
    let hostile = [
        "\"",
        "'",
        "*",
        "OR",
        "AND",
        "NOT be",
        "NEAR(a b)",
        "words:to",
        "-to",
        "^to",
        "(",
        "%",
        "_",
        "to*",
        "\\",
        ";--",
        "1pto",
        "{a b}",
        "\u{0}",
    ];
    for text in hostile {
        let asked = ConversationQuery { search: vec![text.to_owned()], ..query() };
        assert!(world.store.conversations(asked).await.is_ok(), "{text:?}");
    }
    let find = async |text: &str| world.listed(ConversationQuery { search: vec![text.to_owned()], ..query() }).await;
    assert_eq!(find("or").await, ["c"]);
    assert_eq!(find("to*").await, ["c"]);
    assert_eq!(find("注").await, ["d"]);
    assert_eq!(find("文").await, ["d"]);
    assert_eq!(find("NAIV").await, ["d"]);
    assert_eq!(find("100%").await, ["d"]);
    assert!(find("***").await.is_empty());
    assert!(find("1pto").await.is_empty());
}

pub(in crate::store) async fn lists_keep_to_their_scope(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.append(says("vera", "c", "k", "word")).await;
    let on_b = AppendMessage {
        scope: Scope::Visitor { website: web("b"), visitor: id("vera") },
        at: at(1),
        ..says("vera", "d", "k", "word")
    };
    world.append(on_b).await;
    let in_p = AppendMessage { organization: super::world::org("p"), ..says("vera", "e", "k", "word") };
    world.append(in_p).await;
    for search in [Vec::new(), vec!["word".to_owned()]] {
        let all = ConversationQuery { website: None, search, ..query() };
        assert_eq!(world.listed(all.clone()).await, ["d", "c"]);
        let of = |scope| ConversationQuery { scope, ..all.clone() };
        assert_eq!(world.listed(of(team_of(&["b"]))).await, ["d"]);
        assert_eq!(world.listed(of(own("vera"))).await, ["c"]);
        assert!(world.listed(of(own("walter"))).await.is_empty());
        assert!(world.listed(of(team_of(&[]))).await.is_empty());
        let by_visitor = ConversationQuery { visitor: Some(id("vera")), ..all.clone() };
        assert_eq!(world.listed(by_visitor).await, ["d", "c"]);
    }
    let refused = [
        ConversationQuery { scope: team_of(&["b"]), ..query() },
        ConversationQuery { website: Some(web("z")), ..query() },
        ConversationQuery { website: Some(web("b")), scope: own("vera"), ..query() },
        ConversationQuery { visitor: Some(id("walter")), scope: own("vera"), ..query() },
        ConversationQuery {
            scope: Scope::Visitor { website: web("z"), visitor: id("vera") },
            website: None,
            ..query()
        },
    ];
    for asked in refused {
        assert_eq!(world.store.conversations(asked.clone()).await.unwrap_err(), StoreError::NotFound, "{asked:?}");
    }
    let nowhere = ConversationQuery { organization: super::world::org("q"), website: None, ..query() };
    assert!(world.listed(nowhere).await.is_empty());
}

pub(in crate::store) async fn open_conversations_are_the_newest_twenty(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for n in 0..25_u64 {
        world.append(AppendMessage { at: at(n), ..says("vera", &format!("c{n:02}"), "k", "hi") }).await;
    }
    world.status("c24", ConversationStatus::Closed, 24).await;
    world.status("c23", ConversationStatus::Resolved, 23).await;
    world.status("c00", ConversationStatus::Pending, 50).await;
    let open = world.store.open_conversations(site("o", "a"), id("vera")).await.unwrap();
    assert_eq!(open.len(), OPEN_MAX);
    assert_eq!((open[0].as_str(), open[1].as_str(), open[19].as_str()), ("c00", "c23", "c05"));
    world.append(says("walter", "w", "k", "hi")).await;
    let visitors = vec![id("walter"), id("nobody"), id("vera")];
    let all = world.store.open_conversations_of(site("o", "a"), visitors).await.unwrap();
    assert_eq!(all[0], (id("walter"), vec![conv("w")]));
    assert_eq!(all[1], (id("nobody"), Vec::new()));
    assert_eq!(all[2], (id("vera"), open));
    assert!(world.store.open_conversations(site("o", "b"), id("vera")).await.unwrap().is_empty());
    assert!(world.store.open_conversations(site("o", "z"), id("vera")).await.unwrap().is_empty());
}
