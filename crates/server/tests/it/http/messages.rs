//! Messages: sent, read, edited, deleted.

use cossistant_server::limits::{Buckets, Limiter, Rate};
use serde_json::{Value, json};

use super::api::Api;

#[tokio::test]
async fn a_message_is_stored_once() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let path = format!("/v1/conversations/{conversation}/messages");
    api.heard();
    let body = json!({"id": "k1", "content": {"text": "hello"}, "metadata": {"a": 1}});
    let post = |body: Value, token: String| api.post(&path, body).by(token).send();
    let first = post(body.clone(), api.visitor("v")).await.ok(201);
    assert_eq!((&first["id"], &first["seq"]), (&json!("k1"), &json!(2)), "{first}");
    assert!(first.get("duplicate").is_none());
    assert_eq!(api.heard(), ["new_message", "v types no longer"]);
    let again = post(body.clone(), api.visitor("v")).await.ok(200);
    assert_eq!((&again["messageId"], &again["duplicate"]), (&first["messageId"], &json!(true)));
    assert!(api.heard().is_empty());
    let other = json!({"id": "k1", "content": {"text": "otherwise"}});
    post(other, api.visitor("v")).await.problem(409, "conflict");
    post(body, api.user("u")).await.ok(201);
}

#[tokio::test]
async fn what_is_sent_is_checked() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let path = format!("/v1/conversations/{conversation}/messages");
    for (body, field) in [
        (json!({"content": {"text": "x"}}), "id"),
        (json!({"id": "", "content": {"text": "x"}}), "id"),
        (json!({"id": "k"}), "content"),
        (json!({"id": "k", "content": {}}), "content"),
        (json!({"id": "k", "content": ["x"]}), "content"),
        (json!({"id": "k", "content": {"text": "a\u{0}"}}), "content.text"),
        (json!({"id": "k", "content": {"text": "x".repeat(16_001)}}), "content.text"),
        (json!({"id": "k", "content": {"text": "x"}, "metadata": {"k": "x".repeat(9_000)}}), "metadata"),
        (json!({"id": "k", "content": {"text": "x"}, "metadata": deep()}), "metadata"),
        (json!({"id": "k", "content": {"text": "x"}, "visibility": "secret"}), "visibility"),
        (
            json!({"id": "k", "content": {"attachments": [{"id": "a", "url": "ftp://x", "type": "t", "name": "n"}]}}),
            "content.attachments.0.url",
        ),
    ] {
        api.post(&path, body).by(api.visitor("v")).send().await.invalid(field);
    }
    let html = json!({"id": "k", "content": {"html": "<b>x</b>"}});
    api.post(&path, html.clone()).by(api.visitor("v")).send().await.problem(403, "forbidden");
    api.post(&path, html).by(api.user("u")).send().await.ok(201);
    let note = json!({"id": "n", "content": {"text": "x"}, "visibility": "internal"});
    api.post(&path, note).by(api.visitor("v")).send().await.problem(403, "forbidden");
    let stranger = api.stranger().await;
    let body = json!({"id": "k", "content": {"text": "x"}});
    for token in [stranger.user, api.visitor("w")] {
        api.post(&path, body.clone()).by(token).send().await.problem(404, "not_found");
    }
    let unknown = "/v1/conversations/unknown/messages";
    api.post(unknown, body.clone()).by(api.user("u")).send().await.problem(404, "not_found");
    api.post(unknown, body.clone()).by(api.visitor("v")).send().await.ok(201);
    api.patch(&format!("/v1/conversations/{conversation}"), json!({"status": "closed"}))
        .by(api.user("u"))
        .send()
        .await
        .ok(200);
    let problem = api.post(&path, body).by(api.visitor("v")).send().await.problem(409, "conflict");
    assert_eq!(problem["details"]["status"], "closed");
}

#[tokio::test]
async fn a_secret_key_sends_as_an_agent() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let path = format!("/v1/conversations/{conversation}/messages");
    let body = json!({"id": "k", "content": {"text": "x"}});
    let ask = |path: &str| api.post(path, body.clone()).by(&api.secret_key);
    ask(&path).send().await.invalid("agentId");
    let sent = ask(&format!("{path}?agentId=bot")).send().await.ok(201);
    let message = format!("{path}/{}", sent["messageId"].as_str().unwrap());
    api.patch(&message, json!({"content": {"text": "y"}})).by(&api.secret_key).send().await.invalid("agentId");
    api.delete(&message).by(&api.secret_key).send().await.invalid("agentId");
    let edit = api.patch(&format!("{message}?agentId=bot"), json!({"content": {"text": "y"}})).by(&api.secret_key);
    let edited = edit.send().await.ok(200);
    assert_eq!((&edited["senderType"], &edited["senderId"]), (&json!("ai_agent"), &json!("bot")));
    let other = api.delete(&format!("{message}?agentId=other")).by(&api.secret_key);
    other.send().await.problem(403, "forbidden");
    assert_eq!(api.delete(&format!("{message}?agentId=bot")).by(&api.secret_key).send().await.status, 204);
}

#[tokio::test]
async fn too_many_are_refused_with_a_time() {
    let visitor_messages = Buckets::new(Rate { per_second: 0.5, burst: 1.0 });
    let api = Api::with(Limiter { visitor_messages, ..Limiter::off() }, Rate::OFF).await;
    let conversation = api.conversation("v").await;
    let path = format!("/v1/conversations/{conversation}/messages");
    let post = |id: &str| api.post(&path, json!({"id": id, "content": {"text": "x"}})).by(api.visitor("v")).send();
    post("one").await.ok(201);
    let refused = post("two").await;
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    refused.problem(429, "rate_limited");
    post("one").await.ok(200);
}

#[tokio::test]
async fn pages_rise_by_the_readers_numbers() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    for at in 0..4 {
        api.say(&conversation, &api.visitor("v"), &at.to_string(), json!({})).await;
        api.say(&conversation, &api.user("u"), "a note", json!({"visibility": "internal"})).await;
    }
    let page = |query: &str, token: String| {
        let path = format!("/v1/conversations/{conversation}/messages{query}");
        let ask = api.get(&path).by(token);
        async move {
            let page = ask.send().await.ok(200);
            let seqs = |page: &Value| -> Vec<u64> {
                page["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()).collect()
            };
            (seqs(&page), page["hasMore"].as_bool().unwrap())
        }
    };
    let (visitor, user) = (|| api.visitor("v"), || api.user("u"));
    assert_eq!(page("", visitor()).await, (vec![2, 3, 4, 5], false), "dense, without the notes");
    assert_eq!(page("", user()).await, ((2..10).collect(), false));
    assert_eq!(page("?limit=3", user()).await, (vec![7, 8, 9], true));
    assert_eq!(page("?limit=3&before=7", user()).await, (vec![4, 5, 6], true));
    assert_eq!(page("?limit=3&before=5", user()).await, (vec![2, 3, 4], false));
    assert_eq!(page("?limit=3&after=4", user()).await, (vec![5, 6, 7], true));
    assert_eq!(page("?after=6", user()).await, (vec![7, 8, 9], false));
    assert_eq!(page("?after=9", user()).await, (vec![], false));
    let path = format!("/v1/conversations/{conversation}/messages");
    let whole = api.get(&path).by(visitor()).send().await;
    assert!(!whole.text.contains("a note") && !whole.text.contains("offset"), "{whole:?}");
    let stranger = api.stranger().await;
    for token in [stranger.user, stranger.visitor, stranger.secret_key, api.visitor("w")] {
        api.get(&path).by(token).send().await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn messages_are_edited_and_deleted_by_the_right_people() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let mine = api.say(&conversation, &api.visitor("v"), "mine", json!({})).await;
    let theirs = api.say(&conversation, &api.user("u"), "theirs", json!({})).await;
    let note = api.say(&conversation, &api.user("u"), "note", json!({"visibility": "internal"})).await;
    let path = |message: &str| format!("/v1/conversations/{conversation}/messages/{message}");
    let edit = |message: &str, token: String| {
        api.patch(&path(message), json!({"content": {"text": "edited"}})).by(token).send()
    };
    let delete = |message: &str, token: String| api.delete(&path(message)).by(token).send();
    api.heard();
    let edited = edit(&mine, api.visitor("v")).await.ok(200);
    assert_eq!((&edited["content"]["text"], &edited["messageId"]), (&json!("edited"), &json!(mine)));
    assert!(edited["updatedAt"].is_string() && edited.get("offset").is_none(), "{edited}");
    assert_eq!(api.heard(), ["message_updated"]);
    edit(&theirs, api.visitor("v")).await.problem(403, "forbidden");
    edit(&mine, api.user("u")).await.problem(403, "forbidden");
    edit(&note, api.visitor("v")).await.problem(404, "not_found");
    edit(&note, api.user("colleague")).await.ok(200);
    edit("msg_unknown", api.user("u")).await.problem(404, "not_found");
    let stranger = api.stranger().await;
    edit(&theirs, stranger.user.clone()).await.problem(404, "not_found");
    delete(&theirs, stranger.admin).await.problem(404, "not_found");
    api.patch(&path(&mine), json!({"content": {}})).by(api.visitor("v")).send().await.invalid("content");
    api.patch(&path(&mine), json!({})).by(api.visitor("v")).send().await.invalid("content");
    delete(&theirs, api.user("colleague")).await.problem(403, "forbidden");
    api.heard();
    assert_eq!(delete(&theirs, api.admin("boss")).await.status, 204);
    assert_eq!(delete(&mine, api.visitor("v")).await.status, 204);
    assert_eq!(api.heard(), ["message_updated", "message_updated"]);
    delete(&mine, api.visitor("v")).await.problem(404, "not_found");
    edit(&mine, api.visitor("v")).await.problem(404, "not_found");
}

fn deep() -> Value {
    (0..9).fold(json!({}), |inner, _| json!({"deeper": inner}))
}
