//! Section 8: conversations and messages over HTTP.

use std::sync::OnceLock;

use cossistant_testkit::{Response, Server, eventually, unique};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Stage, assert_time, event, merge, new_message, number, say, say_with, subscribe, subscribe_with, text,
};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

async fn post_message(stage: &Stage, token: &str, conversation: &str, more: Value) -> Response {
    let mut body = json!({"id": unique("key"), "content": {"text": "by http"}});
    merge(&mut body, &more);
    stage.http.post(&format!("/v1/conversations/{conversation}/messages"), body).bearer(token).send().await
}

async fn messages(stage: &Stage, token: &str, conversation: &str, query: &str) -> Value {
    let path = format!("/v1/conversations/{conversation}/messages{query}");
    let page = stage.http.get(&path).bearer(token).send().await;
    page.expect(200, "section 8, participants read the messages")
}

fn seqs(page: &Value) -> Vec<u64> {
    page["messages"].as_array().into_iter().flatten().map(|message| number(message, "seq")).collect()
}

fn items(list: &Value) -> Vec<&Value> {
    list["conversations"].as_array().unwrap_or_else(|| panic!("section 8, `conversations`: {list}")).iter().collect()
}

#[tokio::test]
async fn a_message_by_http_is_told_and_idempotent() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let sender = visitor.user_id().to_owned();
    let token = stage.visitor_token(&sender);
    let body = json!({"id": unique("key"), "content": {"text": "posted"}, "metadata": {"a": 1}});
    let first = post_message(&stage, &token, &conversation, body.clone()).await.expect(201, "section 8, a new message");
    for client in [&mut visitor, &mut user] {
        let told = client
            .recv_until("new_message by HTTP", |message| {
                message["type"] == "new_message" && message["content"]["text"] == "posted"
            })
            .await;
        assert_eq!(told["senderId"], sender, "section 2, from the credential: {told}");
        assert_eq!(told["metadata"], json!({"a": 1}), "section 8, same rules: {told}");
    }
    let again = post_message(&stage, &token, &conversation, body.clone()).await.expect(200, "section 8, a duplicate");
    assert_eq!(
        (&again["messageId"], &again["seq"]),
        (&first["messageId"], &first["seq"]),
        "section 8, same idempotency: {again}"
    );
    let acked = say_with(&mut visitor, &conversation, body.clone()).await;
    assert_eq!(
        (&acked["duplicate"], &acked["messageId"]),
        (&json!(true), &first["messageId"]),
        "section 3, over either way: {acked}"
    );
    let mut other = body;
    other["content"]["text"] = json!("otherwise");
    post_message(&stage, &token, &conversation, other).await.expect_problem(
        409,
        "conflict",
        "section 3, other content under the same id",
    );
}

#[tokio::test]
async fn posted_messages_obey_the_rules_of_sent_ones() {
    let stage = stage();
    let (visitor, conversation) = stage.visitor_in_conversation().await;
    let token = stage.visitor_token(visitor.user_id());
    for (more, path) in [
        (json!({"content": {}}), "content"),
        (json!({"content": {"text": "x".repeat(16_001)}}), "content.text"),
        (json!({"content": {"text": "a\u{0}"}}), "content.text"),
        (
            json!({"content": {"attachments": [{"id": "a", "url": "ftp://x", "type": "t", "name": "n"}]}}),
            "content.attachments.0.url",
        ),
    ] {
        let problem = post_message(&stage, &token, &conversation, more).await.expect_problem(
            400,
            "invalid_message",
            "section 8, same rules",
        );
        assert_eq!(problem["details"]["path"], path, "section 3, details.path: {problem}");
    }
    let html = post_message(&stage, &token, &conversation, json!({"content": {"html": "<b>x</b>"}})).await;
    html.expect_problem(403, "forbidden", "section 3, html is for users and ai_agents");
    let stranger = stage.visitor_token(&unique("stranger"));
    post_message(&stage, &stranger, &conversation, json!({})).await.expect_problem(
        404,
        "not_found",
        "section 4, somebody else's",
    );
    stage.patch_conversation(&conversation, json!({"status": "closed"})).await;
    let closed = post_message(&stage, &token, &conversation, json!({})).await;
    let problem = closed.expect_problem(409, "conflict", "section 6, a closed conversation refuses its visitor");
    assert_eq!(problem["details"]["status"], "closed", "section 6: {problem}");
}

#[tokio::test]
async fn a_secret_key_sends_as_the_agent_that_it_names() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let path = format!("/v1/conversations/{conversation}/messages");
    let body = json!({"id": unique("key"), "content": {"text": "from a server"}});
    let without = stage.http.post(&path, body.clone()).bearer(&stage.secret_key).send().await;
    without.expect_problem(400, "invalid_message", "section 8, agentId where it sends");
    let agent = unique("bot");
    let sent = stage.http.post(&format!("{path}?agentId={agent}"), body).bearer(&stage.secret_key).send().await;
    let sent = sent.expect(201, "section 8, with agentId it sends");
    let told =
        visitor.recv_until("new_message by a secret key", |message| message["messageId"] == sent["messageId"]).await;
    assert_eq!((&told["senderType"], &told["senderId"]), (&json!("ai_agent"), &json!(agent)), "section 2: {told}");
}

#[tokio::test]
async fn messages_are_paged_by_seq() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    for at in 0..6 {
        say(&mut visitor, &conversation, &format!("{at}")).await;
    }
    say_with(&mut user, &conversation, json!({"visibility": "internal"})).await;
    let (mine, theirs) = (stage.visitor_token(visitor.user_id()), stage.user_token("reader"));
    let all = messages(&stage, &mine, &conversation, "").await;
    assert_eq!((seqs(&all).len(), &all["hasMore"]), (6, &json!(false)), "section 8, a visitor's without notes: {all}");
    let team = messages(&stage, &theirs, &conversation, "").await;
    assert_eq!(seqs(&team).len(), 7, "section 8, the team's with notes: {team}");
    let places = seqs(&team);
    assert!(places.is_sorted(), "section 8, always by rising seq: {places:?}");
    let newest = messages(&stage, &theirs, &conversation, "?limit=2").await;
    assert_eq!(
        (seqs(&newest), &newest["hasMore"]),
        (places[5..].to_vec(), &json!(true)),
        "section 8, without a place the newest: {newest}"
    );
    let before = messages(&stage, &theirs, &conversation, &format!("?limit=2&before={}", places[5])).await;
    assert_eq!(
        (seqs(&before), &before["hasMore"]),
        (places[3..5].to_vec(), &json!(true)),
        "section 8, before: {before}"
    );
    let after = messages(&stage, &theirs, &conversation, &format!("?limit=3&after={}", places[0])).await;
    assert_eq!((seqs(&after), &after["hasMore"]), (places[1..4].to_vec(), &json!(true)), "section 8, after: {after}");
    let rest = messages(&stage, &theirs, &conversation, &format!("?after={}", places[4])).await;
    assert_eq!(
        (seqs(&rest), &rest["hasMore"]),
        (places[5..].to_vec(), &json!(false)),
        "section 8, nothing more: {rest}"
    );
    let message = &team["messages"][0];
    for field in ["messageId", "senderType", "senderId", "websiteId", "organizationId", "visibility", "conversationId"]
    {
        text(message, field);
    }
    assert_time(message, "createdAt");
    number(message, "offset");
    assert!(all["messages"][0].get("offset").is_none(), "section 4, offset for the team only: {all}");
    let _most = messages(&stage, &mine, &conversation, "?limit=200").await;
    for list in [format!("conversations/{conversation}/messages"), "conversations".to_owned()] {
        for limit in ["201", "1000000000", "0", "-1", "x", ""] {
            let refused = stage.http.get(&format!("/v1/{list}?limit={limit}")).bearer(&mine).send().await;
            let problem = refused.expect_problem(400, "invalid_message", "section 8, limit at most 200");
            let (path, reason) = (&problem["details"]["path"], text(&problem["details"], "reason"));
            assert!(*path == "limit" && reason.contains("1 to 200"), "what is allowed is named: {problem}");
        }
    }
    let bad = stage.http.get(&format!("/v1/conversations/{conversation}/messages?after=x")).bearer(&mine).send().await;
    bad.expect_problem(400, "invalid_message", "section 8, a place is a number");
    let stranger = stage
        .http
        .get(&format!("/v1/conversations/{conversation}/messages"))
        .bearer(&stage.visitor_token(&unique("v")))
        .send()
        .await;
    stranger.expect_problem(404, "not_found", "section 8, participants only");
}

#[tokio::test]
async fn messages_are_edited_and_deleted_by_the_right_people() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let mine = say(&mut visitor, &conversation, "mine").await;
    let theirs = say(&mut user, &conversation, "theirs").await;
    let note = say_with(&mut user, &conversation, json!({"visibility": "internal"})).await;
    let path = |ack: &Value| format!("/v1/conversations/{conversation}/messages/{}", text(ack, "messageId"));
    let visitor_token = stage.visitor_token(visitor.user_id());
    let (author, colleague, admin) =
        (stage.user_token(user.user_id()), stage.user_token(&unique("u")), stage.admin_token(&unique("boss")));
    let edit = |path: String, token: String| {
        let http = stage.http.clone();
        async move { http.patch(&path, json!({"content": {"text": "edited"}})).bearer(&token).send().await }
    };
    let _mine = edit(path(&mine), visitor_token.clone()).await.expect(200, "section 8, its sender edits");
    let updated = event(&mut user, "message_updated", &conversation).await;
    assert_eq!(
        (&updated["content"]["text"], &updated["deleted"]),
        (&json!("edited"), &json!(false)),
        "section 4: {updated}"
    );
    assert_time(&updated, "updatedAt");
    edit(path(&theirs), visitor_token.clone()).await.expect_problem(
        403,
        "forbidden",
        "section 8, one may see it but not do it",
    );
    edit(path(&mine), colleague.clone()).await.expect_problem(403, "forbidden", "section 8, not its sender");
    edit(path(&note), visitor_token.clone()).await.expect_problem(
        404,
        "not_found",
        "section 4, a note does not exist for a visitor",
    );
    let _note = edit(path(&note), colleague.clone()).await.expect(200, "section 8, users for notes");
    edit(format!("/v1/conversations/{conversation}/messages/msg_unknown"), author.clone()).await.expect_problem(
        404,
        "not_found",
        "section 8",
    );
    let bad = stage.http.patch(&path(&mine), json!({"content": {}})).bearer(&visitor_token).send().await;
    bad.expect_problem(400, "invalid_message", "section 8, edited content is content");
    let delete = |ack: &Value, token: &str| stage.http.delete(&path(ack)).bearer(token).send();
    delete(&theirs, &colleague).await.expect_problem(403, "forbidden", "section 8, a colleague is no admin");
    let _gone = delete(&theirs, &admin).await.expect_one_of(&[200, 204], "section 8, an admin deletes any");
    let _gone = delete(&mine, &visitor_token).await.expect_one_of(&[200, 204], "section 8, its sender deletes");
    delete(&mine, &visitor_token).await.expect_problem(404, "not_found", "section 8, of a deleted one");
    edit(path(&mine), visitor_token.clone()).await.expect_problem(404, "not_found", "section 8, of a deleted one");
    let page = messages(&stage, &visitor_token, &conversation, "").await;
    let listed = page["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|message| message["messageId"] == mine["messageId"])
        .cloned();
    let listed = listed.unwrap_or_else(|| panic!("section 6, a deleted message keeps its place: {page}"));
    assert_eq!(
        (&listed["content"], &listed["deleted"]),
        (&Value::Null, &json!(true)),
        "section 4, content is null once deleted: {listed}"
    );
}

#[tokio::test]
async fn conversations_are_made_by_either_side() {
    let stage = stage();
    let visitor = unique("v");
    let (mine, team) = (stage.visitor_token(&visitor), stage.user_token(&unique("u")));
    let post = |token: &str, body: Value| stage.http.post("/v1/conversations", body).bearer(token).send();
    let made = post(&mine, json!({})).await.expect(201, "section 8, a visitor makes its own");
    assert!(text(&made, "conversationId").starts_with("conv_"), "section 1, ids that the server makes: {made}");
    assert_eq!((&made["visitorId"], &made["status"]), (&json!(visitor), &json!("open")), "section 8: {made}");
    let id = unique("conv");
    let _made =
        post(&mine, json!({"conversationId": id})).await.expect(201, "section 8, with an id of the visitor's choice");
    let again =
        post(&mine, json!({"conversationId": id})).await.expect(200, "section 8, an existing one of the same visitor");
    assert_eq!(again["conversationId"], id, "section 8: {again}");
    post(&stage.visitor_token(&unique("v")), json!({"conversationId": id})).await.expect_problem(
        409,
        "conflict",
        "section 8, of another",
    );
    let body = json!({"websiteId": stage.website, "visitorId": visitor, "conversationId": unique("conv")});
    let _made = post(&team, body.clone()).await.expect(201, "section 8, by the team");
    let _again = post(&team, body).await.expect(200, "section 8, an existing one of the same visitor");
    let somebody = unique("v");
    let _theirs =
        post(&stage.visitor_token(&somebody), json!({})).await.expect(201, "section 8, a visitor makes its own");
    let other = json!({"websiteId": stage.website, "visitorId": somebody, "conversationId": id});
    post(&team, other).await.expect_problem(409, "conflict", "section 8, of another");
    post(&team, json!({"websiteId": stage.website})).await.expect_problem(
        400,
        "invalid_message",
        "section 8, the team names the visitor",
    );
    let foreign = json!({"websiteId": "website-unknown", "visitorId": visitor});
    post(&team, foreign).await.expect_problem(404, "not_found", "section 4, an unknown website");
}

#[tokio::test]
async fn a_conversation_is_read_and_patched() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mine = stage.visitor_token(visitor.user_id());
    let team = stage.user_token(&unique("u"));
    let path = format!("/v1/conversations/{conversation}");
    say(&mut visitor, &conversation, "hello").await;
    let item = stage.http.get(&path).bearer(&team).send().await.expect(200, "section 8, GET by the team");
    assert_eq!(
        (&item["conversationId"], &item["websiteId"], &item["visitorId"]),
        (&json!(conversation), &json!(stage.website), &json!(visitor.user_id())),
        "section 8: {item}"
    );
    assert_eq!(
        (&item["status"], &item["online"], &item["lastMessage"]["content"]["text"]),
        (&json!("open"), &json!(true), &json!("hello")),
        "section 8: {item}"
    );
    assert_time(&item, "createdAt");
    assert_time(&item, "lastActivityAt");
    let _own = stage.http.get(&path).bearer(&mine).send().await.expect(200, "section 8, a visitor GETs its own");
    let stranger = stage.visitor_token(&unique("v"));
    stage.http.get(&path).bearer(&stranger).send().await.expect_problem(404, "not_found", "section 4, somebody else's");
    let patch = |token: &str, body: Value| stage.http.patch(&path, body).bearer(token).send();
    patch(&mine, json!({"status": "closed"})).await.expect_problem(
        403,
        "forbidden",
        "section 8, PATCH is for the team",
    );
    patch(&stranger, json!({"status": "closed"})).await.expect_problem(404, "not_found", "section 4, somebody else's");
    patch(&team, json!({"status": "asleep"})).await.expect_problem(
        400,
        "invalid_message",
        "section 4, the four states",
    );
    let assigned = patch(&team, json!({"assignedTeamMemberId": "m1"})).await.expect(200, "section 8");
    assert_eq!(assigned["assignedTeamMemberId"], "m1", "section 8: {assigned}");
    patch(&team, json!({"assignedTeamMemberId": "m2", "ifAssignedTo": null})).await.expect_problem(
        409,
        "conflict",
        "section 8, compare and set",
    );
    patch(&team, json!({"assignedTeamMemberId": "m2", "ifAssignedTo": "m9"})).await.expect_problem(
        409,
        "conflict",
        "section 8, compare and set",
    );
    let _set = patch(&team, json!({"assignedTeamMemberId": "m2", "ifAssignedTo": "m1"}))
        .await
        .expect(200, "section 8, compare and set");
    let cleared = patch(&team, json!({"assignedTeamMemberId": null})).await.expect(200, "section 4, or null");
    assert!(cleared["assignedTeamMemberId"].is_null(), "section 4: {cleared}");
    let names: Vec<Value> = {
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(
                event(&mut visitor, "conversation_assigned", &conversation).await["assignedTeamMemberId"].clone(),
            );
        }
        names
    };
    assert_eq!(
        names,
        [json!("m1"), json!("m2"), Value::Null],
        "section 4, each change is told, none of the refused ones"
    );
}

#[tokio::test]
async fn a_race_for_an_assignment_has_one_winner() {
    let stage = stage();
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let path = format!("/v1/conversations/{conversation}");
    let racers = (0..6).map(|at| {
        let body = json!({"assignedTeamMemberId": format!("racer-{at}"), "ifAssignedTo": null});
        stage.http.patch(&path, body).bearer(&stage.user_token(&format!("racer-{at}"))).send()
    });
    let answers = futures_util::future::join_all(racers).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((won, lost), (1, 5), "section 8, ifAssignedTo is compare and set: {answers:?}");
}

#[tokio::test]
async fn the_inbox_lists_filters_searches_and_pages() {
    let stage = stage().own_website().await;
    let mut conversations = Vec::new();
    for at in 0..5 {
        let name = format!("Person{at} Lovelace");
        let token = stage
            .claims("visitor", &unique("v"))
            .claim("name", name)
            .claim("email", format!("p{at}@mail.example"))
            .sign();
        let mut visitor = stage.join(&token, "visitor").await;
        let conversation = unique("conv");
        say(&mut visitor, &conversation, &format!("the parcel number{at} is late")).await;
        conversations.push((conversation, visitor));
    }
    let member = unique("u");
    let token = stage.user_token(&member);
    let path = format!("/v1/websites/{}/conversations", stage.website);
    let list = |query: &str| stage.http.get(&format!("{path}{query}")).bearer(&token).send();
    let ids = |list: &Value| -> Vec<String> {
        items(list).iter().map(|item| text(item, "conversationId").to_owned()).collect()
    };
    let newest_first: Vec<String> = conversations.iter().rev().map(|(conversation, _)| conversation.clone()).collect();
    let all = list("").await.expect(200, "section 8, the team lists");
    assert_eq!(ids(&all), newest_first, "section 8, newest activity first: {all}");
    let item = items(&all)[0].clone();
    assert_eq!((&item["unreadCount"], &item["online"]), (&json!(1), &json!(true)), "section 8: {item}");
    assert!(text(&item["lastMessage"]["content"], "text").contains("number4"), "section 8: {item}");
    for field in ["createdAt", "lastActivityAt"] {
        assert_time(&item, field);
    }
    // An older one comes first again when something happens in it.
    let (oldest, visitor) = &mut conversations[0];
    say(visitor, oldest, "still nothing").await;
    let all = list("").await.expect(200, "section 8");
    assert_eq!(
        (ids(&all)[0].as_str(), &items(&all)[0]["unreadCount"]),
        (oldest.as_str(), &json!(2)),
        "section 8, newest activity first: {all}"
    );
    let mut paged = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = list(&query).await.expect(200, "section 8, cursor");
        assert!(items(&page).len() <= 2, "section 8, limit: {page}");
        paged.extend(ids(&page));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, ids(&all), "section 8, pages make the whole list");
    stage.patch_conversation(oldest, json!({"status": "resolved", "assignedTeamMemberId": member})).await;
    for (query, expected) in [
        ("?status=resolved", 1),
        ("?status=open", 4),
        ("?assignee=me", 1),
        ("?assignee=none", 4),
        (&*format!("?assignee={member}"), 1),
        ("?assignee=nobody-else", 0),
    ] {
        let found = list(query).await.expect(200, "section 8, filters");
        assert_eq!(items(&found).len(), expected, "section 8, {query}: {found}");
    }
    list("?status=asleep").await.expect_problem(400, "invalid_message", "section 8, an unknown status");
    for (query, expected) in [
        ("number3", 1),
        ("numb", 5),
        ("PERSON2", 1),
        ("p1%40mail", 1),
        ("parcel%20number0", 1),
        ("absent", 0),
        ("%22%20OR%20%2A", 0),
    ] {
        let what = format!("section 8, search {query}: words, by prefix, in names, e-mail and text");
        eventually(PATIENCE, &what, || async {
            let found = list(&format!("?search={query}")).await.expect(200, "section 8, search");
            (items(&found).len() == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn unread_counts_what_the_asker_has_not_seen() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let first = say(&mut visitor, &conversation, "one").await;
    say(&mut visitor, &conversation, "two").await;
    say(&mut user, &conversation, "mine").await;
    say_with(&mut user, &conversation, json!({"visibility": "internal"})).await;
    let unread = |token: String, rule: &'static str, expected: u64| {
        let request = stage.http.get(&format!("/v1/conversations/{conversation}")).bearer(&token);
        async move {
            let item = request.send().await.expect(200, "section 8, GET");
            assert_eq!(item["unreadCount"], expected, "section 8, {rule}: {item}");
        }
    };
    unread(stage.user_token(user.user_id()), "past its lastSeenSeq, not its own", 2).await;
    unread(stage.visitor_token(visitor.user_id()), "what the asker may see: no notes", 1).await;
    user.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": first["seq"]})).await;
    event(&mut user, "conversation_seen", &conversation).await;
    unread(stage.user_token(user.user_id()), "past its lastSeenSeq", 1).await;
    unread(stage.user_token(&unique("u")), "one who has seen nothing: two, the reply, the note", 4).await;
}

#[tokio::test]
async fn visitors_list_their_own_and_the_team_a_visitors() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "hello").await;
    let mine = stage.http.get("/v1/conversations").bearer(&stage.visitor_token(visitor.user_id())).send().await;
    let mine = mine.expect(200, "section 8, a visitor's own");
    assert_eq!(items(&mine).len(), 1, "section 8: {mine}");
    assert_eq!(items(&mine)[0]["conversationId"], conversation, "section 8: {mine}");
    let path = format!("/v1/conversations?visitorId={}", visitor.user_id());
    let theirs = stage.http.get(&path).bearer(&stage.user_token(&unique("u"))).send().await;
    let theirs = theirs.expect(200, "section 8, the team by visitorId");
    assert_eq!(items(&theirs)[0]["conversationId"], conversation, "section 8: {theirs}");
    let sneaky = stage.http.get(&path).bearer(&stage.visitor_token(&unique("v"))).send().await;
    assert!(!sneaky.text.contains(&conversation), "section 8, visitors list their own alone: {sneaky:?}");
    let list = format!("/v1/websites/{}/conversations", stage.website);
    let refused = stage.http.get(&list).bearer(&stage.visitor_token(visitor.user_id())).send().await;
    assert!([403, 404].contains(&refused.status), "section 8, the inbox is for the team: {refused:?}");
}

#[tokio::test]
async fn members_and_visitors_are_described_to_the_team() {
    let stage = stage().own_website().await;
    let sub = unique("u");
    let here = stage.join(&stage.claims("user", &sub).claim("name", "Grace").sign(), "member").await;
    let gone = stage.agent(&unique("agent")).await;
    let agent = gone.user_id().to_owned();
    gone.close(1000).await;
    let token = stage.user_token(&sub);
    let path = format!("/v1/websites/{}/members", stage.website);
    let listed = eventually(
        PATIENCE,
        "section 8, members: everyone of the team who ever connected, and who is online",
        || async {
            let list = stage.http.get(&path).bearer(&token).send().await.expect(200, "section 8, members");
            let members = list["members"].as_array().cloned().unwrap_or_default();
            let find = |id: &str| members.iter().find(|member| member["userId"] == id).cloned();
            let (user, agent) = (find(&sub)?, find(&agent)?);
            (user["online"] == true && agent["online"] == false).then_some((user, agent))
        },
    )
    .await;
    assert_eq!(
        (&listed.0["name"], &listed.0["userType"], &listed.1["userType"]),
        (&json!("Grace"), &json!("user"), &json!("ai_agent")),
        "section 8: {listed:?}"
    );
    let visitor = unique("v");
    let options = stage.options(cossistant_testkit::Credential::Header(stage.visitor_token(&visitor)));
    let connection = options.query("page", "https%3A%2F%2Fshop.example%2Fcart").establish().await;
    let path = format!("/v1/visitors/{visitor}");
    let described = stage.http.get(&path).bearer(&token).send().await.expect(200, "section 8, a visitor");
    assert_eq!(
        (&described["visitorId"], &described["page"]),
        (&json!(visitor), &json!("https://shop.example/cart")),
        "section 8: {described}"
    );
    assert_time(&described, "firstSeenAt");
    assert_time(&described, "lastSeenAt");
    stage.http.get("/v1/visitors/unknown").bearer(&token).send().await.expect_problem(404, "not_found", "section 8");
    let refused = stage.http.get(&path).bearer(&stage.visitor_token(&visitor)).send().await;
    assert!([403, 404].contains(&refused.status), "section 8, visitors are described to the team: {refused:?}");
    drop((here, connection));
}

#[tokio::test]
async fn http_and_websocket_tell_the_same_messages() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let ack = say_with(&mut visitor, &conversation, json!({"metadata": {"k": 1}, "content": {"text": "same", "attachments": [{"id": "1", "url": "https://x.example/a", "type": "image/png", "name": "a"}]}})).await;
    let live = new_message(&mut visitor, &ack).await;
    let mut late = stage.visitor(visitor.user_id()).await;
    subscribe_with(&mut late, &conversation, json!({"last": 1})).await;
    let replayed = new_message(&mut late, &ack).await;
    let page = messages(&stage, &stage.visitor_token(visitor.user_id()), &conversation, "").await;
    let listed = page["messages"][0].clone();
    for (name, value) in live.as_object().into_iter().flatten() {
        if name != "timestamp" {
            assert_eq!(&replayed[name], value, "section 6, a replay equals what was live, `{name}`");
        }
        if !["type", "timestamp"].contains(&name.as_str()) {
            assert_eq!(&listed[name], value, "section 8, each with the fields of new_message, `{name}`: {listed}");
        }
    }
}

/// What was stored is told, though whoever sent it has gone meanwhile.
#[tokio::test]
async fn a_message_is_told_though_its_sender_did_not_wait() {
    use std::io::Write as _;
    let stage = stage();
    let (visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user(&unique("user")).await;
    subscribe(&mut user, &conversation).await;
    let (path, token) = (format!("/v1/conversations/{conversation}/messages"), stage.visitor_token(visitor.user_id()));
    let host = stage.url.trim_start_matches("http://").to_owned();
    let listed = async || {
        let answer = stage.http.get(&path).bearer(&token).send().await.expect(200, "the visitor may read");
        answer["messages"].as_array().map_or(0, Vec::len)
    };
    let mut stored = 0;
    for n in 0..20 {
        let body = json!({"id": unique("key"), "content": {"text": format!("in haste {n}")}}).to_string();
        let mut socket = std::net::TcpStream::connect(&host).expect("the server listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes())).expect("it is taken");
        drop(socket);
        // It may not be taken at all; if it is, it is to be told, and not only by the next one, which would bring it along.
        for _ in 0..10 {
            if listed().await > stored {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stored = listed().await;
        let is_told = async || {
            user.fence().await;
            let told = user.seen().iter().filter(|message| message["type"] == "new_message").count();
            (told >= stored).then_some(())
        };
        eventually(PATIENCE, "what is stored is told", is_told).await;
    }
    assert!(stored > 0, "some are taken");
}
