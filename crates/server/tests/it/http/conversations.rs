//! Conversations: made, read, changed, listed.

use cossistant_protocol::PersonId;
use cossistant_server::limits::{Buckets, Limiter, Rate};
use serde_json::{Value, json};

use super::api::Api;

fn ids(list: &Value) -> Vec<&str> {
    list["conversations"].as_array().unwrap().iter().map(|item| item["conversationId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_visitor_makes_its_own() {
    let api = Api::new().await;
    let (mine, other) = (api.visitor("v"), api.visitor("w"));
    let made = api.post("/v1/conversations", json!({})).by(&mine).send().await.ok(201);
    assert!(made["conversationId"].as_str().unwrap().starts_with("conv_"), "{made}");
    for (field, value) in [
        ("visitorId", json!("v")),
        ("websiteId", json!(api.website)),
        ("status", json!("open")),
        ("assignedTeamMemberId", Value::Null),
        ("lastMessage", Value::Null),
        ("unreadCount", json!(0)),
        ("online", json!(false)),
    ] {
        assert_eq!(made[field], value, "{field}: {made}");
    }
    assert_eq!(api.heard(), ["conversation_created", "open v"]);
    let body = json!({"conversationId": "chosen"});
    api.post("/v1/conversations", body.clone()).by(&mine).send().await.ok(201);
    api.heard();
    let again = api.post("/v1/conversations", body.clone()).by(&mine).send().await.ok(200);
    assert_eq!(again["conversationId"], "chosen");
    assert!(api.heard().is_empty(), "nothing happened");
    api.post("/v1/conversations", body.clone()).by(&other).send().await.problem(409, "conflict");
    for (field, value) in [("websiteId", "elsewhere"), ("visitorId", "w")] {
        api.post("/v1/conversations", json!({field: value})).by(&mine).send().await.problem(403, "forbidden");
    }
    let own = json!({"websiteId": api.website, "visitorId": "v", "conversationId": "named"});
    api.post("/v1/conversations", own).by(&mine).send().await.ok(201);
    // The same id in another organization is another conversation.
    let stranger = api.stranger().await;
    api.post("/v1/conversations", body).by(stranger.visitor).send().await.ok(201);
}

#[tokio::test]
async fn new_conversations_of_a_visitor_are_limited() {
    let new_conversations = Buckets::new(Rate { per_second: 0.001, burst: 1.0 });
    let api = Api::with(Limiter { new_conversations, ..Limiter::off() }, Rate::OFF).await;
    let post = |body: Value, sub: &str| api.post("/v1/conversations", body).by(api.visitor(sub)).send();
    post(json!({"conversationId": "one"}), "v").await.ok(201);
    let problem = post(json!({"conversationId": "two"}), "v").await.problem(429, "rate_limited");
    assert!(problem["retryAfter"].as_u64().unwrap() > 1000, "{problem}");
    post(json!({"conversationId": "one"}), "v").await.ok(200);
    post(json!({"conversationId": "two"}), "w").await.ok(201);
    let body = json!({"websiteId": api.website, "visitorId": "v"});
    api.post("/v1/conversations", body).by(api.user("u")).send().await.ok(201);
}

#[tokio::test]
async fn the_team_makes_them_for_a_visitor() {
    let api = Api::new().await;
    let stranger = api.stranger().await;
    let body = json!({"websiteId": api.website, "visitorId": "v", "conversationId": "c"});
    for (token, status) in [(api.user("u"), 201), (api.agent("a"), 200), (api.secret_key.clone(), 200)] {
        let made = api.post("/v1/conversations", body.clone()).by(token).send().await.ok(status);
        assert_eq!((&made["visitorId"], &made["conversationId"]), (&json!("v"), &json!("c")));
    }
    let taken = json!({"websiteId": api.website, "visitorId": "w", "conversationId": "c"});
    api.post("/v1/conversations", taken).by(api.user("u")).send().await.problem(409, "conflict");
    api.post("/v1/conversations", json!({"visitorId": "v"})).by(api.user("u")).send().await.invalid("websiteId");
    let missing = json!({"websiteId": api.website});
    api.post("/v1/conversations", missing).by(api.user("u")).send().await.invalid("visitorId");
    for token in [stranger.user, stranger.secret_key] {
        api.post("/v1/conversations", body.clone()).by(token).send().await.problem(404, "not_found");
    }
    let other = json!({"websiteId": stranger.website, "visitorId": "v"});
    api.post("/v1/conversations", other).by(api.user("u")).send().await.problem(404, "not_found");
    let uncovered = json!({"websiteId": api.add_website().await, "visitorId": "v"});
    api.post("/v1/conversations", uncovered.clone()).by(api.user("u")).send().await.problem(404, "not_found");
    api.post("/v1/conversations", uncovered).by(&api.secret_key).send().await.ok(201);
}

#[tokio::test]
async fn one_is_read_by_those_who_may_see_it() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let path = format!("/v1/conversations/{conversation}");
    api.say(&conversation, &api.visitor("v"), "hello", json!({})).await;
    api.say(&conversation, &api.user("u"), "a note", json!({"visibility": "internal"})).await;
    let stranger = api.stranger().await;
    for token in [stranger.user, stranger.visitor, stranger.secret_key, stranger.admin, api.visitor("w")] {
        api.get(&path).by(token).send().await.problem(404, "not_found");
    }
    let team = api.get(&path).by(api.user("reader")).send().await.ok(200);
    assert_eq!((&team["lastMessage"]["content"]["text"], &team["unreadCount"]), (&json!("a note"), &json!(2)));
    let author = api.get(&path).by(api.user("u")).send().await.ok(200);
    assert_eq!(author["unreadCount"], 1, "one's own is not unread: {author}");
    let server = api.get(&path).by(&api.secret_key).send().await.ok(200);
    assert_eq!(server["unreadCount"], 2, "{server}");
    let mine = api.get(&path).by(api.visitor("v")).send().await.ok(200);
    assert_eq!((&mine["lastMessage"]["content"]["text"], &mine["unreadCount"]), (&json!("hello"), &json!(0)));
    assert_eq!(mine["lastActivityAt"], mine["lastMessage"]["createdAt"], "a note tells a visitor nothing: {mine}");
    assert!(mine["lastMessage"].get("offset").is_none() && team["lastMessage"]["offset"].is_u64());
    api.present.visitors.lock().unwrap().insert(PersonId::new("v").unwrap());
    assert_eq!(api.get(&path).by(api.user("u")).send().await.ok(200)["online"], true);
}

#[tokio::test]
async fn status_and_assignee_are_changed_by_the_team() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let path = format!("/v1/conversations/{conversation}");
    let patch = |body: Value, token: String| api.patch(&path, body).by(token).send();
    api.heard();
    let team = || api.user("u");
    assert_eq!(patch(json!({"status": "resolved"}), team()).await.ok(200)["status"], "resolved");
    // Whoever speaks for the visitor looks what is so: another request may have closed it just before.
    assert_eq!(api.heard(), ["conversation_status_changed", "open v"]);
    patch(json!({"status": "resolved"}), team()).await.ok(200);
    assert!(api.heard().is_empty(), "what stands already is no change");
    patch(json!({"status": "closed"}), team()).await.ok(200);
    assert_eq!(api.heard(), ["conversation_status_changed", "open v"], "one open conversation less");
    patch(json!({"assignedTeamMemberId": "m"}), team()).await.ok(200);
    assert_eq!(api.heard(), ["conversation_assigned"]);
    let both = patch(json!({"status": "open", "assignedTeamMemberId": null}), api.secret_key.clone()).await.ok(200);
    assert_eq!((&both["status"], &both["assignedTeamMemberId"]), (&json!("open"), &Value::Null));
    assert_eq!(api.heard(), ["conversation_status_changed", "conversation_assigned", "open v"]);
    patch(json!({"assignedTeamMemberId": "m", "ifAssignedTo": "x"}), team()).await.problem(409, "conflict");
    patch(json!({"assignedTeamMemberId": "m", "ifAssignedTo": null}), api.agent("a")).await.ok(200);
    patch(json!({"assignedTeamMemberId": "n", "ifAssignedTo": null}), team()).await.problem(409, "conflict");
    patch(json!({"assignedTeamMemberId": "n", "ifAssignedTo": "m"}), team()).await.ok(200);
    patch(json!({}), team()).await.ok(200);
    patch(json!({"status": "asleep"}), team()).await.invalid("status");
    let unchanged = patch(json!({"status": null}), team()).await.ok(200);
    assert_eq!(unchanged["status"], "open", "null is the absence of an optional field");
    patch(json!({"assignedTeamMemberId": "a b"}), team()).await.invalid("assignedTeamMemberId");
    patch(json!({"status": "open"}), api.visitor("v")).await.problem(403, "forbidden");
    let stranger = api.stranger().await;
    for token in [stranger.user, stranger.secret_key, stranger.admin, api.visitor("w")] {
        patch(json!({"status": "open"}), token).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_inbox_is_filtered_and_paged() {
    let api = Api::new().await;
    let mut made = Vec::new();
    for at in 0..5 {
        let conversation = api.conversation(&format!("v{at}")).await;
        api.say(&conversation, &api.visitor(&format!("v{at}")), &format!("parcel number{at}"), json!({})).await;
        made.push(conversation);
    }
    let path = format!("/v1/websites/{}/conversations", api.website);
    let list = |query: String, token: String| api.get(&format!("{path}?{query}")).by(token).send();
    let user = || api.user("u");
    let all = list(String::new(), user()).await.ok(200);
    let newest_first: Vec<_> = made.iter().rev().map(String::as_str).collect();
    assert_eq!((ids(&all), &all["nextCursor"]), (newest_first, &Value::Null));
    assert_eq!(all["conversations"][0]["lastMessage"]["content"]["text"], "parcel number4");
    let (mut paged, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = list(query, user()).await.ok(200);
        assert!(ids(&page).len() <= 2);
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        query = format!("limit=2&cursor={cursor}");
    }
    assert_eq!(paged, ids(&all));
    let change = json!({"status": "resolved", "assignedTeamMemberId": "u"});
    api.patch(&format!("/v1/conversations/{}", made[0]), change).by(user()).send().await.ok(200);
    for (query, count) in [
        ("status=resolved", 1),
        ("status=open", 4),
        ("assignee=me", 1),
        ("assignee=u", 1),
        ("assignee=none", 4),
        ("visitorId=v3", 1),
        ("search=NUMB", 5),
        ("search=parcel%20number2", 1),
        ("search=%20", 5),
        ("search=absent", 0),
        ("search=%22*%22", 0),
    ] {
        assert_eq!(ids(&list(query.to_owned(), user()).await.ok(200)).len(), count, "{query}");
    }
    list("assignee=me".to_owned(), api.secret_key.clone()).await.invalid("agentId");
    assert_eq!(ids(&list("assignee=me&agentId=u".to_owned(), api.secret_key.clone()).await.ok(200)).len(), 1);
    let stranger = api.stranger().await;
    for token in [stranger.user, stranger.secret_key] {
        list(String::new(), token).await.problem(404, "not_found");
    }
    list(String::new(), api.visitor("v1")).await.problem(403, "forbidden");
}

#[tokio::test]
async fn visitors_list_their_own_and_the_team_a_visitors() {
    let api = Api::new().await;
    let (first, second) = (api.conversation("v").await, api.conversation("v").await);
    api.conversation("w").await;
    api.say(&first, &api.visitor("v"), "newer", json!({})).await;
    api.say(&second, &api.user("u"), "a note", json!({"visibility": "internal"})).await;
    let list = |query: &str, token: String| api.get(&format!("/v1/conversations{query}")).by(token).send();
    let mine = list("", api.visitor("v")).await.ok(200);
    assert_eq!(ids(&mine).len(), 2, "{mine}");
    let second_of_mine = mine["conversations"].as_array().unwrap().iter().find(|item| item["conversationId"] == second);
    assert_eq!(second_of_mine.unwrap()["lastMessage"], Value::Null, "a note is nothing to a visitor");
    assert!(!mine.to_string().contains("a note"));
    let page = list("?limit=1", api.visitor("v")).await.ok(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = list(&format!("?limit=1&cursor={cursor}"), api.visitor("v")).await.ok(200);
    let mut both = [ids(&page), ids(&rest)].concat();
    both.sort_unstable();
    assert_eq!(both, [first.as_str(), second.as_str()]);
    assert_eq!(ids(&list("?visitorId=v", api.user("u")).await.ok(200)).len(), 2);
    assert_eq!(ids(&list("?visitorId=w", api.visitor("v")).await.ok(200)).len(), 2, "its own, whatever it names");
    assert_eq!(ids(&list("", api.user("u")).await.ok(200)).len(), 3);
    assert_eq!(ids(&list("?visitorId=v", api.stranger().await.user).await.ok(200)), [""; 0]);
    list("?search=newer", api.visitor("v")).await.problem(403, "forbidden");
    list("", super::api::ADMIN.to_owned()).await.problem(403, "forbidden");
}

#[tokio::test]
async fn notes_show_in_no_order_time_or_page_of_a_visitor() {
    let api = Api::new().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(api.conversation("v").await);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    made.reverse();
    let pages = async || {
        let mut found = Vec::new();
        let mut path = "/v1/conversations?limit=1".to_owned();
        loop {
            let page = api.get(&path).by(api.visitor("v")).send().await.ok(200);
            let item = &page["conversations"][0];
            found.push((item["conversationId"].as_str().unwrap().to_owned(), item["lastActivityAt"].clone()));
            let Some(cursor) = page["nextCursor"].as_str() else { break found };
            path = format!("/v1/conversations?limit=1&cursor={cursor}");
        }
    };
    let before = pages().await;
    assert_eq!(before.iter().map(|(id, _)| id).collect::<Vec<_>>(), made.iter().collect::<Vec<_>>());
    api.say(&made[2], &api.user("u"), "a note", json!({"visibility": "internal"})).await;
    assert_eq!(pages().await, before, "a note moves nothing");
    let list = api.get("/v1/conversations?limit=1").by(api.user("u")).send().await.ok(200);
    assert_eq!(list["conversations"][0]["conversationId"], *made[2], "the team sees it move");
}
