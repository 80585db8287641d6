//! Visitors, members, tokens, disconnecting.

use cossistant_protocol::{PersonId, Timestamp, UserType};
use cossistant_server::limits::{Limiter, Rate};
use cossistant_server::store::{PersonKey, Store as _, TouchPerson};
use serde_json::{Value, json};

use super::api::{Api, PAGE};

async fn admit(api: &Api, mut body: Value) -> Value {
    body["publicKey"] = json!(api.public_key);
    api.post("/v1/visitors", body).origin(PAGE).send().await.ok(201)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}"))
}

#[tokio::test]
async fn a_visitor_is_let_in_by_an_allowed_page() {
    let api = Api::new().await;
    let new = admit(&api, json!({})).await;
    let (visitor, token) = (text(&new, "visitorId"), text(&new, "token"));
    assert!(visitor.starts_with("vis_") && new["expiresAt"].is_string());
    api.get("/v1/conversations").by(token).origin(PAGE).send().await.ok(200);
    let same = admit(&api, json!({"visitorToken": token})).await;
    assert_eq!(same["visitorId"], visitor);
    assert_ne!(admit(&api, json!({})).await["visitorId"], visitor, "without a token a new one");
    let post = |body: Value| api.post("/v1/visitors", body);
    let body = || json!({"publicKey": api.public_key});
    post(body()).send().await.problem(403, "forbidden");
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        post(body()).origin(origin).send().await.problem(403, "forbidden");
    }
    post(json!({"publicKey": "pk_unknown"})).origin(PAGE).send().await.problem(403, "forbidden");
    post(json!({})).origin(PAGE).send().await.invalid("publicKey");
    let with = |field: &str, token: &str| json!({"publicKey": api.public_key, field: token});
    post(with("visitorToken", "nonsense")).origin(PAGE).send().await.problem(401, "unauthorized");
    post(with("visitorToken", &api.user("u"))).origin(PAGE).send().await.problem(403, "forbidden");
    let elsewhere = api.stranger().await.visitor;
    post(with("visitorToken", &elsewhere)).origin(PAGE).send().await.problem(403, "forbidden");
    post(with("identityToken", &elsewhere)).origin(PAGE).send().await.problem(403, "forbidden");
    post(with("identityToken", token)).origin(PAGE).send().await.problem(401, "unauthorized");
}

#[tokio::test]
async fn new_visitors_of_an_address_are_limited() {
    let api = Api::with(Limiter::off(), Rate { per_second: 0.01, burst: 1.0 }).await;
    let first = admit(&api, json!({})).await;
    let body = json!({"publicKey": api.public_key});
    let refused = api.post("/v1/visitors", body).origin(PAGE).send().await.problem(429, "rate_limited");
    assert!(refused["retryAfter"].as_u64().unwrap() > 1000, "{refused}");
    admit(&api, json!({"visitorToken": first["token"]})).await;
}

#[tokio::test]
async fn an_anonymous_visitor_becomes_a_person_and_is_merged_later() {
    let api = Api::new().await;
    let phone = admit(&api, json!({})).await;
    let post = |token: &str| api.post("/v1/conversations", json!({})).by(token).send();
    let first = post(text(&phone, "token")).await.ok(201);
    api.heard();
    let body = json!({"visitorToken": phone["token"], "identityToken": api.identity("ada", "Ada")});
    let ada = admit(&api, body.clone()).await;
    assert_eq!(ada["visitorId"], phone["visitorId"], "keeps its id");
    assert_eq!(api.heard(), [format!("identified {} -", text(&ada, "visitorId"))]);
    admit(&api, body).await;
    assert!(api.heard().is_empty(), "what is known already is not told again");
    let laptop = admit(&api, json!({})).await;
    let second = post(text(&laptop, "token")).await.ok(201);
    api.heard();
    let merged =
        admit(&api, json!({"visitorToken": laptop["token"], "identityToken": api.identity("ada", "Ada")})).await;
    assert_eq!(merged["visitorId"], ada["visitorId"], "known already");
    let (id, old) = (text(&ada, "visitorId"), text(&laptop, "visitorId"));
    assert_eq!(api.heard(), [format!("identified {id} {old}"), format!("open {id}")]);
    // By either token they are one visitor now.
    for token in [text(&merged, "token"), text(&laptop, "token"), text(&phone, "token")] {
        let list = api.get("/v1/conversations").by(token).send().await.ok(200);
        assert_eq!(list["conversations"].as_array().unwrap().len(), 2, "{list}");
        for item in list["conversations"].as_array().unwrap() {
            assert_eq!((&item["visitorId"], &item["visitor"]["name"]), (&ada["visitorId"], &json!("Ada")), "{item}");
        }
    }
    let third = post(text(&laptop, "token")).await.ok(201);
    assert_eq!(third["visitorId"], ada["visitorId"], "{third}");
    for conversation in [first, second] {
        let path = format!("/v1/conversations/{}", text(&conversation, "conversationId"));
        assert_eq!(api.get(&path).by(api.user("u")).send().await.ok(200)["visitorId"], ada["visitorId"]);
    }
    let list = api.get(&format!("/v1/conversations?visitorId={old}")).by(api.user("u")).send().await.ok(200);
    assert_eq!(list["conversations"].as_array().unwrap().len(), 3, "the old id stands for the person");
    let profile = api.get(&format!("/v1/visitors/{old}")).by(api.user("u")).send().await.ok(200);
    assert_eq!((&profile["visitorId"], &profile["identity"]["externalId"]), (&ada["visitorId"], &json!("ada")));
}

#[tokio::test]
async fn a_second_person_on_the_same_browser_takes_nothing() {
    let api = Api::new().await;
    let ada = admit(&api, json!({"identityToken": api.identity("ada", "Ada")})).await;
    api.post("/v1/conversations", json!({})).by(text(&ada, "token")).send().await.ok(201);
    let body = json!({"visitorToken": ada["token"], "identityToken": api.identity("bob", "Bob")});
    let bob = admit(&api, body).await;
    assert_ne!(bob["visitorId"], ada["visitorId"]);
    let list = api.get("/v1/conversations").by(text(&bob, "token")).send().await.ok(200);
    assert_eq!(list["conversations"], json!([]));
    let list = api.get("/v1/conversations").by(text(&ada, "token")).send().await.ok(200);
    assert_eq!(list["conversations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn visitors_are_described_to_the_team() {
    let api = Api::new().await;
    let body = json!({"publicKey": api.public_key});
    let ask = api.post("/v1/visitors", body).origin(PAGE).header("referer", "https://shop.example/cart");
    let new = ask.send().await.ok(201);
    let path = format!("/v1/visitors/{}", text(&new, "visitorId"));
    for token in [api.user("u"), api.agent("a"), api.secret_key.clone()] {
        let profile = api.get(&path).by(token).send().await.ok(200);
        assert_eq!((&profile["visitorId"], &profile["page"]), (&new["visitorId"], &json!("https://shop.example/cart")));
        assert!(profile["firstSeenAt"].is_string() && profile["lastSeenAt"].is_string());
    }
    let there = |website: &str| api.get(&format!("{path}?websiteId={website}")).by(&api.secret_key).send();
    there(&api.website).await.ok(200);
    there(&api.add_website().await).await.problem(404, "not_found");
    api.get("/v1/visitors/unknown").by(api.user("u")).send().await.problem(404, "not_found");
    let stranger = api.stranger().await;
    for token in [stranger.user, stranger.secret_key] {
        api.get(&path).by(token).send().await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn members_are_those_who_ever_connected() {
    let api = Api::new().await;
    for (kind, id) in [(UserType::User, "grace"), (UserType::AiAgent, "bot")] {
        let touch = TouchPerson {
            person: PersonKey { kind, id: PersonId::new(id).unwrap() },
            organization: api.organization_id(),
            websites: vec![api.site().website],
            name: Some("Name".into()),
            email: None,
            avatar_url: None,
            page: None,
            at: Timestamp(1),
        };
        api.store.touch_person(touch).await.unwrap();
    }
    api.present.members.lock().unwrap().push(PersonKey { kind: UserType::User, id: PersonId::new("grace").unwrap() });
    let path = format!("/v1/websites/{}/members", api.website);
    let list = api.get(&path).by(api.user("u")).send().await.ok(200);
    let mut members = list["members"].as_array().unwrap().clone();
    members.sort_by_key(|member| member["userId"].to_string());
    assert_eq!(
        members,
        [
            json!({"userId": "bot", "userType": "ai_agent", "name": "Name", "online": false}),
            json!({"userId": "grace", "userType": "user", "name": "Name", "online": true}),
        ]
    );
    let stranger = api.stranger().await;
    api.get(&path).by(stranger.user).send().await.problem(404, "not_found");
    api.get(&format!("/v1/websites/{}/members", stranger.website))
        .by(api.user("u"))
        .send()
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_secret_key_issues_tokens() {
    let api = Api::new().await;
    let issue = |body: Value| api.post("/v1/tokens", body).by(&api.secret_key).send();
    for kind in ["visitor", "user", "ai_agent"] {
        let issued = issue(json!({"type": kind, "sub": "s", "websites": [api.website]})).await.ok(201);
        api.get("/v1/conversations").by(text(&issued, "token")).send().await.ok(200);
    }
    let all =
        issue(json!({"type": "user", "sub": "s", "websites": ["*"], "role": "admin", "expiresIn": 60})).await.ok(201);
    let path = format!("/v1/organizations/{}", api.organization);
    api.get(&path).by(text(&all, "token")).send().await.ok(200);
    for (body, field) in [
        (json!({"type": "visitor", "sub": "s", "websites": ["*"]}), "websites"),
        (json!({"type": "visitor", "sub": "s", "websites": []}), "websites"),
        (json!({"type": "user", "sub": "s", "websites": ["*", "a"]}), "websites"),
        (json!({"type": "user", "sub": "s", "websites": ["a b"]}), "websites.0"),
        (json!({"type": "robot", "sub": "s", "websites": []}), "type"),
        (json!({"type": "user", "sub": "a b", "websites": []}), "sub"),
        (json!({"type": "user", "websites": []}), "sub"),
        (json!({"type": "ai_agent", "sub": "s", "websites": [], "role": "admin"}), "role"),
        (json!({"type": "user", "sub": "s", "websites": [], "role": "king"}), "role"),
        (json!({"type": "user", "sub": "s", "websites": [], "expiresIn": 0}), "expiresIn"),
        (json!({"type": "user", "sub": "s", "websites": [], "expiresIn": 99_999_999}), "expiresIn"),
    ] {
        issue(body).await.invalid(field);
    }
    let foreign = api.stranger().await.website;
    issue(json!({"type": "visitor", "sub": "s", "websites": [foreign]})).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_person_is_disconnected_and_revoked() {
    let api = Api::new().await;
    let disconnect = |body: Value| api.post("/v1/disconnect", body).by(&api.secret_key).send();
    let token = api.user("u");
    assert_eq!(disconnect(json!({"userId": "u"})).await.status, 204);
    let heard = api.heard();
    assert!(heard.len() == 1 && heard[0].contains("Member") && heard[0].ends_with("false"), "{heard:?}");
    api.get("/v1/conversations").by(&token).send().await.ok(200);
    assert_eq!(disconnect(json!({"userId": "u", "revoke": true})).await.status, 204);
    let heard = api.heard();
    assert!(heard.len() == 2 && heard[0] == "directory" && heard[1].ends_with("true"), "{heard:?}");
    api.get("/v1/conversations").by(&token).send().await.problem(401, "unauthorized");
    let unsaid = cossistant_testkit::tokens::user("u").org(&api.organization).without("iat").sign();
    api.get("/v1/conversations").by(unsaid).send().await.problem(401, "unauthorized");
    api.get("/v1/conversations").by(api.agent("u")).send().await.ok(200);
    assert_eq!(disconnect(json!({"visitorId": "v"})).await.status, 204);
    assert!(api.heard()[0].contains("Visitor"));
    assert_eq!(disconnect(json!({"agentId": "a"})).await.status, 204);
    for body in [json!({}), json!({"userId": "u", "agentId": "a"})] {
        disconnect(body).await.invalid("");
    }
    disconnect(json!({"userId": "a b"})).await.invalid("userId");
}

#[tokio::test]
async fn a_merged_visitor_is_disconnected_by_either_id() {
    let api = Api::new().await;
    let ada = admit(&api, json!({"identityToken": api.identity("ada", "Ada")})).await;
    let old = admit(&api, json!({})).await;
    admit(&api, json!({"visitorToken": old["token"], "identityToken": api.identity("ada", "Ada")})).await;
    api.heard();
    let body = json!({"visitorId": old["visitorId"]});
    assert_eq!(api.post("/v1/disconnect", body).by(&api.secret_key).send().await.status, 204);
    let heard = api.heard().concat();
    assert!(heard.contains(text(&ada, "visitorId")) && heard.contains(text(&old, "visitorId")), "{heard}");
}

#[tokio::test]
async fn a_revoked_visitor_comes_back_by_no_older_word() {
    let api = Api::new().await;
    let (early, bob_early) = (api.identity("ada", "Ada"), api.identity("bob", "Bob"));
    let ada = admit(&api, json!({"identityToken": early})).await;
    let alias = admit(&api, json!({})).await;
    admit(&api, json!({"visitorToken": alias["token"], "identityToken": early})).await;
    let alias_token = text(&alias, "token");
    let named = json!({"visitorId": alias["visitorId"]});
    let own = api.post("/v1/conversations", named).by(alias_token).send().await.ok(201);
    assert_eq!(own["visitorId"], ada["visitorId"], "a visitor may name itself by its old id");
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let body = json!({"visitorId": ada["visitorId"], "revoke": true});
    assert_eq!(api.post("/v1/disconnect", body).by(&api.secret_key).send().await.status, 204);

    for token in [text(&ada, "token"), alias_token] {
        api.get("/v1/conversations").by(token).send().await.problem(401, "unauthorized");
        api.post("/v1/conversations", json!({})).by(token).send().await.problem(401, "unauthorized");
    }
    let anonymous = admit(&api, json!({})).await;
    for body in [
        json!({"visitorToken": alias_token}),
        json!({"visitorToken": alias_token, "identityToken": early}),
        json!({"identityToken": early}),
        json!({"visitorToken": anonymous["token"], "identityToken": early}),
    ] {
        let mut body = body;
        body["publicKey"] = json!(api.public_key);
        api.post("/v1/visitors", body).origin(PAGE).send().await.problem(401, "unauthorized");
    }
    let bob = admit(&api, json!({"identityToken": bob_early})).await;
    api.get("/v1/conversations").by(text(&bob, "token")).send().await.ok(200);
    // The customer's tokens tell their second only: the next is surely later.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let back = admit(&api, json!({"identityToken": api.identity("ada", "Ada")})).await;
    assert_eq!(back["visitorId"], ada["visitorId"], "what the customer says later counts");
    api.get("/v1/conversations").by(text(&back, "token")).send().await.ok(200);
}
