//! Organizations, websites, keys.

use cossistant_testkit::tokens;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::api::{ADMIN, Api, PAGE};

const ED25519_PUBLIC: &str = include_str!("../../keys/test-eddsa-public.pem");

#[tokio::test]
async fn organizations_are_made_by_the_admin_key() {
    let api = Api::new().await;
    let made = api.post("/v1/organizations", json!({"name": "New"})).by(ADMIN).send().await.ok(201);
    assert_eq!(api.heard(), ["directory"]);
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("org_") && made["createdAt"].is_string(), "{made}");
    let path = format!("/v1/organizations/{id}");
    assert_eq!(api.get(&path).by(ADMIN).send().await.ok(200), made);
    api.post("/v1/organizations", json!({"name": "Mine"})).by(api.admin("boss")).send().await.problem(403, "forbidden");
    for name in [json!({}), json!({"name": ""}), json!({"name": "x".repeat(201)})] {
        api.post("/v1/organizations", name).by(ADMIN).send().await.invalid("name");
    }
    for ask in [api.get(&path), api.delete(&path)] {
        ask.by(api.admin("boss")).send().await.problem(404, "not_found");
    }
    assert_eq!(api.delete(&path).by(ADMIN).send().await.status, 204);
    api.delete(&path).by(ADMIN).send().await.problem(404, "not_found");
    let own = format!("/v1/organizations/{}", api.organization);
    api.get(&own).by(api.admin("boss")).send().await.ok(200);
    assert_eq!(api.delete(&own).by(api.admin("boss")).send().await.status, 204);
    api.get("/v1/conversations").by(api.user("u")).send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn websites_are_made_read_changed_deleted() {
    let api = Api::new().await;
    let stranger = api.stranger().await;
    let body = |organization: &str| json!({"organizationId": organization, "name": "New", "allowedDomains": ["A.example", "*.b.example:8443"]});
    let made = api.post("/v1/websites", body(&api.organization)).by(api.admin("boss")).send().await.ok(201);
    for (field, value) in [
        ("name", json!("New")),
        ("allowedDomains", json!(["a.example", "*.b.example:8443"])),
        ("typingPreview", json!("text")),
        ("unseenAfter", json!(60)),
        ("questions", json!([])),
        ("organizationId", json!(api.organization)),
    ] {
        assert_eq!(made[field], value, "{field}: {made}");
    }
    api.post("/v1/websites", body(&stranger.organization)).by(api.admin("boss")).send().await.problem(404, "not_found");
    api.post("/v1/websites", body("org-unknown")).by(ADMIN).send().await.problem(404, "not_found");
    let mut bad = body(&api.organization);
    bad["allowedDomains"] = json!(["ok.example", "https://not a host/"]);
    api.post("/v1/websites", bad).by(ADMIN).send().await.invalid("allowedDomains.1");
    let path = format!("/v1/websites/{}", api.website);
    for token in [ADMIN.to_owned(), api.admin("boss"), api.user("u"), api.agent("a"), api.secret_key.clone()] {
        assert_eq!(api.get(&path).by(token).send().await.ok(200)["id"], api.website);
    }
    for token in [&stranger.user, &stranger.admin, &stranger.secret_key] {
        api.get(&path).by(token).send().await.problem(404, "not_found");
    }
    let of = |organization: &str| api.get(&format!("{path}?organizationId={organization}")).by(ADMIN).send();
    of(&api.organization).await.ok(200);
    of(&stranger.organization).await.problem(404, "not_found");
    for ask in [api.patch(&path, json!({"name": "x"})), api.delete(&path)] {
        ask.by(&stranger.admin).send().await.problem(404, "not_found");
    }
    assert_eq!(api.delete(&path).by(api.admin("boss")).send().await.status, 204);
    api.get(&path).by(ADMIN).send().await.problem(404, "not_found");
    let refused = api.post("/v1/visitors", json!({"publicKey": api.public_key})).origin(PAGE).send().await;
    refused.problem(403, "forbidden");
}

#[tokio::test]
async fn settings_are_changed_one_by_one() {
    let api = Api::new().await;
    let path = format!("/v1/websites/{}", api.website);
    let patch = |body: Value| api.patch(&path, body).by(api.admin("boss")).send();
    api.heard();
    for (field, value) in [
        ("name", json!("Renamed")),
        ("accent", json!("#112233")),
        ("questions", json!(["Where is my parcel?"])),
        ("allowedDomains", json!(["a.example"])),
        ("typingPreview", json!("off")),
        ("unseenAfter", json!(0)),
    ] {
        assert_eq!(patch(json!({field: value})).await.ok(200)[field], value);
        assert_eq!(api.heard(), ["directory"]);
        assert_eq!(api.get(&path).by(api.user("u")).send().await.ok(200)[field], value);
    }
    assert!(patch(json!({"accent": null})).await.ok(200).get("accent").is_none());
    let unchanged = patch(json!({"questions": null, "typingPreview": null})).await.ok(200);
    assert_eq!(unchanged["typingPreview"], "off", "null is the absence of an optional field");
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"accent": "red; }"}), "accent"),
        (json!({"questions": vec!["x"; 21]}), "questions"),
        (json!({"questions": [""]}), "questions.0"),
        (json!({"allowedDomains": ["a.example/x"]}), "allowedDomains.0"),
        (json!({"allowedDomains": vec!["a.example"; 101]}), "allowedDomains"),
        (json!({"typingPreview": "loud"}), "typingPreview"),
        (json!({"unseenAfter": -1}), "unseenAfter"),
        (json!({"unseenAfter": 99_999_999}), "unseenAfter"),
    ] {
        patch(body).await.invalid(field);
    }
    assert_eq!(api.heard(), ["directory", "directory"], "what is refused changes nothing");
}

#[tokio::test]
async fn keys_are_shown_once() {
    let api = Api::new().await;
    for (body, prefix) in [
        (json!({"type": "public", "websiteId": api.website}), "pk_"),
        (json!({"type": "secret"}), "sk_"),
        (json!({"type": "jwt_hs256"}), ""),
    ] {
        let mut body = body;
        body["organizationId"] = json!(api.organization);
        let made = api.post("/v1/keys", body.clone()).by(api.admin("boss")).send().await.ok(201);
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        assert!(key.starts_with(prefix) && key.len() > 40, "{made}");
        let path = format!("/v1/keys/{id}");
        let shown = api.get(&path).by(ADMIN).send().await;
        assert_eq!(shown.text.contains(key), prefix == "pk_", "{shown:?}");
        assert_eq!(shown.ok(200)["type"], body["type"]);
        for ask in [api.get(&path), api.delete(&path)] {
            ask.by(api.stranger().await.admin).send().await.problem(404, "not_found");
        }
        assert_eq!(api.delete(&path).by(api.admin("boss")).send().await.status, 204);
        api.get(&path).by(ADMIN).send().await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn keys_let_in_until_they_are_deleted() {
    let api = Api::new().await;
    let list = |token: &str| api.get("/v1/conversations").by(token).send();
    let body = json!({"organizationId": api.organization, "type": "jwt_hs256"});
    let made = api.post("/v1/keys", body).by(ADMIN).send().await.ok(201);
    let (id, secret) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let token = tokens::user("u").org(&api.organization).websites(&["*"]).kid(id);
    let token = token.sign_with(Algorithm::HS256, secret.as_bytes());
    list(&token).await.ok(200);
    api.delete(&format!("/v1/keys/{id}")).by(ADMIN).send().await;
    list(&token).await.problem(401, "unauthorized");
    let body = json!({
        "organizationId": api.organization, "type": "jwt_public", "publicKey": ED25519_PUBLIC, "algorithm": "EdDSA",
    });
    let made = api.post("/v1/keys", body).by(ADMIN).send().await.ok(201);
    assert!(made.get("key").is_none(), "{made}");
    let shown = api.get(&format!("/v1/keys/{}", made["id"].as_str().unwrap())).by(ADMIN).send().await.ok(200);
    assert_eq!((&shown["algorithm"], &shown["publicKey"]), (&json!("EdDSA"), &json!(ED25519_PUBLIC)));
}

#[tokio::test]
async fn keys_are_checked() {
    let api = Api::new().await;
    let post = |mut body: Value| {
        body["organizationId"] = json!(api.organization);
        api.post("/v1/keys", body).by(ADMIN).send()
    };
    for (body, field) in [
        (json!({"type": "golden"}), "type"),
        (json!({"type": "public"}), "websiteId"),
        (json!({"type": "jwt_public", "algorithm": "RS256"}), "publicKey"),
        (json!({"type": "jwt_hs256", "algorithm": "EdDSA"}), "algorithm"),
        (json!({"type": "jwt_public", "publicKey": ED25519_PUBLIC, "algorithm": "HS256"}), "publicKey"),
        (json!({"type": "jwt_public", "publicKey": ED25519_PUBLIC, "algorithm": "none"}), "algorithm"),
        (json!({"type": "jwt_public", "publicKey": ED25519_PUBLIC, "algorithm": "RS256"}), "publicKey"),
        (json!({"type": "jwt_public", "publicKey": "no pem", "algorithm": "RS256"}), "publicKey"),
    ] {
        post(body).await.invalid(field);
    }
    let stranger = api.stranger().await;
    post(json!({"type": "public", "websiteId": stranger.website})).await.problem(404, "not_found");
    let foreign = json!({"organizationId": stranger.organization, "type": "secret"});
    api.post("/v1/keys", foreign).by(api.admin("boss")).send().await.problem(404, "not_found");
    api.get("/v1/keys/key_unknown").by(ADMIN).send().await.problem(404, "not_found");
}
