//! Section 8: errors, CORS, credentials, set-up and the routes for operators.

use std::sync::OnceLock;

use cossistant_testkit::{Credential, Response, Server, unique};
use serde_json::{Value, json};

use crate::support::{PAGE, Stage, assert_time, say, subscribe, text};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

/// A credential of another kind than the route is for.
#[track_caller]
fn assert_denied(answer: &Response, rule: &str) {
    let code = if answer.status == 401 { "unauthorized" } else { "forbidden" };
    let status = if answer.status == 401 { 401 } else { 403 };
    answer.expect_problem(status, code, &format!("section 8, {rule}"));
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let stage = stage();
    let token = stage.user_token(&unique("u"));
    let http = &stage.http;
    http.get("/v1/unknown").bearer(&token).send().await.expect_problem(404, "not_found", "section 8, 404");
    let wrong = http.request("PUT", "/v1/conversations").bearer(&token).json(json!({})).send().await;
    wrong.expect_problem(405, "method_not_allowed", "section 8, 405");
    let large = json!({"conversationId": "c", "x": "y".repeat(300 * 1024)});
    http.post("/v1/conversations", large).bearer(&token).send().await.expect_problem(
        413,
        "too_large",
        "section 8, bodies ≤ 256 KiB",
    );
    let form = http
        .request("POST", "/v1/conversations")
        .bearer(&token)
        .raw("application/x-www-form-urlencoded", b"a=b".to_vec());
    form.send().await.expect_problem(415, "unsupported_media_type", "section 8, 415");
    for body in ["{", "[]", "\"x\"", ""] {
        let bad =
            http.request("POST", "/v1/conversations").bearer(&token).raw("application/json", body.as_bytes().to_vec());
        let bad = bad.send().await;
        let code = bad.json["code"].as_str().unwrap_or_default().to_owned();
        assert!(["invalid_message", "invalid_json"].contains(&code.as_str()), "section 8, body {body:?}: {bad:?}");
        bad.expect_problem(400, &code, "section 8, 400");
    }
    http.get("/v1/conversations").send().await.expect_problem(401, "unauthorized", "section 8, no credential");
    http.get("/v1/conversations").bearer("nonsense").send().await.expect_problem(
        401,
        "unauthorized",
        "section 8, a bad credential",
    );
    let expired = stage.claims("user", "u").expires_in(-10).sign();
    http.get("/v1/conversations").bearer(&expired).send().await.expect_problem(
        401,
        "token_expired",
        "section 4, token_expired",
    );
    http.get("/v1/conversations/conv_unknown").bearer(&token).send().await.expect_problem(
        404,
        "not_found",
        "section 8",
    );
    let odd = http.get("/v1/conversations/a%20b").bearer(&token).send().await;
    assert!([400, 404].contains(&odd.status), "section 1, an id of a bad form names nothing: {odd:?}");
}

#[tokio::test]
async fn a_preflight_is_answered_for_allowed_domains() {
    let stage = stage();
    let preflight = |origin: &str| {
        let request = stage.http.request("OPTIONS", "/v1/conversations").origin(origin);
        request
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization, content-type")
            .send()
    };
    let allowed = preflight(PAGE).await;
    assert!([200, 204].contains(&allowed.status), "section 8, CORS: {allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some(PAGE), "section 8, CORS: {allowed:?}");
    for (header, word) in [("access-control-allow-headers", "authorization"), ("access-control-allow-methods", "POST")]
    {
        let value = allowed.header(header).unwrap_or_default();
        assert!(
            value == "*" || value.to_lowercase().contains(&word.to_lowercase()),
            "section 8, CORS, {header}: {allowed:?}"
        );
    }
    let foreign = preflight("https://evil.example").await;
    assert_eq!(
        foreign.header("access-control-allow-origin"),
        None,
        "section 8, the union of all allowed domains: {foreign:?}"
    );
    let token = stage.visitor_token(&unique("v"));
    let own = stage.http.get("/v1/conversations").bearer(&token).origin(PAGE).send().await;
    assert_eq!(
        (own.status, own.header("access-control-allow-origin")),
        (200, Some(PAGE)),
        "section 8, the request itself: {own:?}"
    );
    // Allowed for the other website, thus in the union, but not for the demo website.
    stage.own_website().await;
    let other = stage.http.get("/v1/conversations").bearer(&token).origin("https://shop.example").send().await;
    other.expect_problem(403, "forbidden", "section 8, the request itself is checked against its website");
}

#[tokio::test]
async fn secret_keys_issue_tokens() {
    let stage = stage();
    let issue = |body: Value, token: &str| stage.http.post("/v1/tokens", body).bearer(token).send();
    for kind in ["visitor", "user", "ai_agent"] {
        let sub = unique(kind);
        let body = json!({"type": kind, "sub": sub, "websites": [stage.website], "name": "N", "expiresIn": 600});
        let made = issue(body, &stage.secret_key).await.expect(201, "section 8, POST /v1/tokens");
        assert_time(&made, "expiresAt");
        let client = stage.join(text(&made, "token"), kind).await;
        assert_eq!((client.user_id(), &client.established()["userType"]), (sub.as_str(), &json!(kind)), "section 8");
        assert_eq!(client.established()["expiresAt"], made["expiresAt"], "section 8, expiresIn is seconds");
    }
    let body = json!({"type": "user", "sub": "u", "websites": [stage.website]});
    for bad in [stage.user_token("u"), stage.visitor_token("v")] {
        assert_denied(&issue(body.clone(), &bad).await, "for secret keys");
    }
    let wrong = json!({"type": "robot", "sub": "u", "websites": [stage.website]});
    issue(wrong, &stage.secret_key).await.expect_problem(400, "invalid_message", "section 8");
}

#[tokio::test]
async fn an_organization_is_set_up_from_nothing() {
    let stage = stage();
    let org = stage.own_organization().await;
    for kind in ["public", "secret", "jwt_hs256"] {
        let more = if kind == "public" { json!({"websiteId": org.website}) } else { json!({}) };
        let key = org.key(kind, more).await;
        let (id, secret) = (text(&key, "id").to_owned(), text(&key, "key").to_owned());
        let shown = org.http.get(&format!("/v1/keys/{id}")).bearer(&org.admin_key).send().await;
        assert_eq!(shown.status, 200, "section 8, GET of a key: {shown:?}");
        if kind != "public" {
            assert!(!shown.text.contains(&secret), "section 8, a secret is shown once: {shown:?}");
        }
        match kind {
            "public" => {
                let client = org.options(Credential::PublicKey(secret)).origin("http://localhost").establish().await;
                assert!(client.established()["visitorToken"].is_string(), "section 2");
            }
            "secret" => {
                assert!(secret.starts_with("sk_"), "section 2, sk_: {key}");
                org.options(Credential::Header(secret)).query("agentId", "bot").establish().await;
            }
            _ => {}
        }
    }
    for path in [format!("/v1/organizations/{}", org.org), format!("/v1/websites/{}", org.website)] {
        let found = org.http.get(&path).bearer(&org.admin_key).send().await;
        assert_eq!(found.status, 200, "section 8, GET {path}: {found:?}");
        let gone = org.http.delete(&path).bearer(&stage.admin_token("foreign-admin")).send().await;
        assert!([403, 404].contains(&gone.status), "section 8, admin for its own organization: {gone:?}");
    }
    let by_user =
        org.http.post("/v1/websites", json!({"organizationId": org.org, "name": "Mine", "allowedDomains": []}));
    let by_user = by_user.bearer(&org.admin_token("boss")).send().await;
    assert_eq!(by_user.status, 201, "section 8, a user with role admin sets its own organization up: {by_user:?}");
    let refused = org
        .http
        .post("/v1/keys", json!({"organizationId": org.org, "type": "secret"}))
        .bearer(&org.user_token("u"))
        .send()
        .await;
    assert_denied(&refused, "set-up is for admins");
    for (path, body) in [
        ("/v1/organizations", json!({})),
        ("/v1/websites", json!({"organizationId": org.org})),
        ("/v1/keys", json!({"organizationId": org.org, "type": "golden"})),
        (
            "/v1/keys",
            json!({"organizationId": org.org, "type": "jwt_public", "publicKey": "no pem", "algorithm": "RS256"}),
        ),
        ("/v1/keys", json!({"organizationId": org.org, "type": "jwt_hs256", "algorithm": "RS256"})),
        ("/v1/websites", json!({"organizationId": org.org, "name": "x", "allowedDomains": ["https://not a host/"]})),
    ] {
        let bad = org.http.post(path, body).bearer(&org.admin_key).send().await;
        bad.expect_problem(400, "invalid_message", "section 8, set-up is validated");
    }
    let token = org.user_token("survivor");
    let gone = org.http.delete(&format!("/v1/organizations/{}", org.org)).bearer(&org.admin_key).send().await;
    assert!([200, 204].contains(&gone.status), "section 8, DELETE of an organization: {gone:?}");
    let mut refused = org.options(Credential::Header(token)).connect().await.expect("the upgrade comes first");
    refused.expect_close(4403, "section 2, an unknown org").await;
}

#[tokio::test]
async fn website_settings_are_read_by_the_team_and_changed_by_admins() {
    let stage = stage().own_website().await;
    let path = format!("/v1/websites/{}", stage.website);
    let read =
        stage.http.get(&path).bearer(&stage.user_token("u")).send().await.expect(200, "section 8, GET by the team");
    assert_eq!(
        (&read["typingPreview"], &read["unseenAfter"]),
        (&json!("text"), &json!(60)),
        "section 8, defaults: {read}"
    );
    let wanted = json!({"name": "Renamed", "accent": "#112233", "questions": ["Where is my parcel?"], "allowedDomains": ["a.example", "*.b.example:8443"], "typingPreview": "off", "unseenAfter": 0});
    let changed = stage.patch_website(wanted.clone()).await;
    let read = stage.http.get(&path).bearer(&stage.user_token("u")).send().await.expect(200, "section 8");
    for (name, value) in wanted.as_object().into_iter().flatten() {
        assert_eq!((&changed[name], &read[name]), (value, value), "section 8, setting {name}: {read}");
    }
    let refused = stage.http.patch(&path, json!({"name": "x"})).bearer(&stage.user_token("u")).send().await;
    refused.expect_problem(403, "forbidden", "section 8, PATCH: admin");
    let bad = stage.http.patch(&path, json!({"typingPreview": "loud"})).bearer(&stage.admin_token("boss")).send().await;
    bad.expect_problem(400, "invalid_message", "section 8");
    let visitor = stage.http.get(&path).bearer(&stage.visitor_token("v")).send().await;
    assert!([403, 404].contains(&visitor.status), "section 8, for the team: {visitor:?}");
}

async fn anonymous(stage: &Stage, key: &str) -> (String, String) {
    let made = stage.http.post("/v1/visitors", json!({"publicKey": key})).origin(PAGE).send().await;
    let made = made.expect(201, "section 8, POST /v1/visitors");
    assert_time(&made, "expiresAt");
    (text(&made, "visitorId").to_owned(), text(&made, "token").to_owned())
}

#[tokio::test]
async fn visitors_are_made_for_allowed_pages() {
    let stage = stage();
    let (visitor, token) = anonymous(&stage, &stage.public_key).await;
    let client = stage.options(Credential::Subprotocol(token.clone())).origin(PAGE).establish().await;
    assert_eq!(client.user_id(), visitor, "section 8, the token is the visitor's");
    let same = stage
        .http
        .post("/v1/visitors", json!({"publicKey": stage.public_key, "visitorToken": token}))
        .origin(PAGE)
        .send()
        .await;
    let same = same.expect_one_of(&[200, 201], "section 8, with its own token");
    assert_eq!(same["visitorId"], visitor, "section 2, the same visitor comes back: {same}");
    for origin in ["https://evil.example", "null"] {
        let refused =
            stage.http.post("/v1/visitors", json!({"publicKey": stage.public_key})).origin(origin).send().await;
        refused.expect_problem(403, "forbidden", "section 8, public key + Origin");
    }
    let refused = stage.http.post("/v1/visitors", json!({"publicKey": stage.public_key})).send().await;
    refused.expect_problem(403, "forbidden", "section 8, public key + Origin");
    let refused = stage.http.post("/v1/visitors", json!({"publicKey": "pk_unknown"})).origin(PAGE).send().await;
    assert!([401, 403].contains(&refused.status), "section 8, an unknown key: {refused:?}");
}

async fn identify(stage: &Stage, key: &str, visitor_token: &str, external: &str) -> Value {
    let identity = stage.claims("visitor", external).claim("name", "Ada").claim("email", "ada@mail.example").sign();
    let body = json!({"publicKey": key, "visitorToken": visitor_token, "identityToken": identity});
    let made = stage.http.post("/v1/visitors", body).origin(PAGE).send().await;
    made.expect_one_of(&[200, 201], "section 8, identityToken")
}

#[tokio::test]
async fn an_anonymous_visitor_becomes_a_person_and_keeps_its_conversations() {
    let stage = stage();
    let (_, token) = anonymous(&stage, &stage.public_key).await;
    let mut client = stage.join(&token, "anonymous").await;
    let conversation = unique("conv");
    subscribe(&mut client, &conversation).await;
    say(&mut client, &conversation, "who am I?").await;
    let mut user = stage.user_in(&conversation).await;
    let external = unique("customer");
    let known = identify(&stage, &stage.public_key, &token, &external).await;
    let told = user.expect("visitor_identified").await;
    assert_eq!(
        (&told["identity"]["name"], &told["identity"]["email"]),
        (&json!("Ada"), &json!("ada@mail.example")),
        "section 8: {told}"
    );
    assert_eq!(told["identity"]["externalId"], external, "section 8, sub is the external id: {told}");
    assert_eq!(told["visitorId"], known["visitorId"], "section 4: {told}");
    let back = stage.join(text(&known, "token"), "identified").await;
    assert_eq!(back.user_id(), text(&known, "visitorId"), "section 8");
    let own = stage.http.get("/v1/conversations").bearer(text(&known, "token")).send().await.expect(200, "section 8");
    assert!(own.to_string().contains(&conversation), "section 8, keeps its conversations: {own}");
    let described = stage
        .http
        .get(&format!("/v1/visitors/{}", text(&known, "visitorId")))
        .bearer(&stage.user_token("u"))
        .send()
        .await;
    assert_eq!(described.expect(200, "section 8")["identity"]["name"], "Ada", "section 8, lists carry the truth");
}

#[tokio::test]
async fn a_known_person_takes_over_an_anonymous_visitors_conversations() {
    let stage = stage();
    let external = unique("customer");
    let (_, first_token) = anonymous(&stage, &stage.public_key).await;
    let person = identify(&stage, &stage.public_key, &first_token, &external).await;
    let person_id = text(&person, "visitorId").to_owned();
    let (second, second_token) = anonymous(&stage, &stage.public_key).await;
    assert_ne!(second, person_id, "section 2, a new visitor");
    let mut client = stage.join(&second_token, "anonymous again").await;
    let conversation = unique("conv");
    subscribe(&mut client, &conversation).await;
    say(&mut client, &conversation, "on my phone").await;
    let mut user = stage.user_in(&conversation).await;
    let merged = identify(&stage, &stage.public_key, &second_token, &external).await;
    assert_eq!(merged["visitorId"], person_id, "section 8, that person is known already: {merged}");
    client.expect_close(4010, "section 8, the old live connections close").await;
    let told = user.expect("visitor_identified").await;
    assert_eq!(
        (&told["visitorId"], &told["previousVisitorId"]),
        (&json!(person_id), &json!(second)),
        "section 4: {told}"
    );
    assert!(told["conversationIds"].to_string().contains(&conversation), "section 4, now this visitor's: {told}");
    let mut back = stage.join(&second_token, "by the old token").await;
    assert_eq!(back.user_id(), person_id, "section 8, the old token stands for that person");
    let confirmed = subscribe(&mut back, &conversation).await;
    assert_eq!(confirmed["visitorId"], person_id, "section 8, they move to it: {confirmed}");
}

#[tokio::test]
async fn an_identity_that_is_refused_changes_nothing() {
    let demo = stage();
    let stage = demo.own_website().await;
    let external = unique("customer");
    let identity = |seconds: i64| {
        stage.claims("visitor", &external).claim("iat", cossistant_testkit::tokens::unix_seconds(seconds)).sign()
    };
    let public_key = stage.key("public", json!({"websiteId": stage.website})).await;
    let admit = |body: Value| {
        let mut body = body;
        body["publicKey"] = public_key["key"].clone();
        stage.http.post("/v1/visitors", body).origin(PAGE).send()
    };
    let known = admit(json!({"identityToken": identity(-5)})).await.expect(201, "section 8, a person");
    let body = json!({"visitorId": known["visitorId"], "revoke": true});
    let revoked = stage.http.post("/v1/disconnect", body).bearer(&demo.secret_key).send().await;
    assert!(revoked.status < 300, "section 8, POST /v1/disconnect: {revoked:?}");
    let anonymous = admit(json!({})).await.expect(201, "section 8, an anonymous visitor");
    let mut visitor = stage.join(text(&anonymous, "token"), "anonymous").await;
    let conversation = unique("conv");
    say(&mut visitor, &conversation, "still mine").await;
    let body = json!({"visitorToken": anonymous["token"], "identityToken": identity(-5)});
    admit(body).await.expect_problem(401, "unauthorized", "section 8, tokens issued before stay refused");
    visitor.fence().await;
    let path = format!("/v1/conversations/{conversation}");
    let item = stage.http.get(&path).bearer(&stage.user_token("u")).send().await.expect(200, "section 8");
    assert_eq!(item["visitorId"], anonymous["visitorId"], "section 8, nobody became somebody: {item}");
    let body = json!({"visitorToken": anonymous["token"], "identityToken": identity(2)});
    let merged = admit(body).await.expect(201, "section 8, an identity that is told anew");
    assert_eq!(merged["visitorId"], known["visitorId"], "section 8, they move to that person: {merged}");
}

#[tokio::test]
async fn disconnect_and_identities_are_guarded() {
    let stage = stage();
    let body = json!({"userId": "somebody"});
    for bad in [stage.user_token("u"), stage.visitor_token("v")] {
        let refused = stage.http.post("/v1/disconnect", body.clone()).bearer(&bad).send().await;
        assert_denied(&refused, "for secret keys");
    }
    let none = stage.http.post("/v1/disconnect", json!({})).bearer(&stage.secret_key).send().await;
    none.expect_problem(400, "invalid_message", "section 8, whom?");
    let (_, token) = anonymous(&stage, &stage.public_key).await;
    let forged = stage
        .claims("visitor", "victim")
        .sign_with(jsonwebtoken::Algorithm::HS256, b"a-secret-of-somebody-else-entirely");
    let body = json!({"publicKey": stage.public_key, "visitorToken": token, "identityToken": forged});
    let refused = stage.http.post("/v1/visitors", body).origin(PAGE).send().await;
    assert!([400, 401, 403].contains(&refused.status), "section 8, signed by the customer's own server: {refused:?}");
}

#[tokio::test]
async fn agents_and_visitors_are_disconnected_by_their_names() {
    let stage = stage();
    for (field, mut client) in
        [("visitorId", stage.visitor(&unique("v")).await), ("agentId", stage.agent(&unique("a")).await)]
    {
        let body = json!({field: client.user_id()});
        let answer = stage.http.post("/v1/disconnect", body).bearer(&stage.secret_key).send().await;
        assert!([200, 202, 204].contains(&answer.status), "section 8, {field}: {answer:?}");
        client.expect_close(4010, "section 8, ends its connections").await;
    }
}

#[tokio::test]
async fn operators_find_health_metrics_and_documents() {
    let stage = stage();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = stage.http.get(path).send().await;
        assert_eq!(answer.status, 200, "section 8, GET {path}: {answer:?}");
    }
    let openapi = stage.http.get("/openapi.json").send().await.expect(200, "section 8, /openapi.json");
    assert!(text(&openapi, "openapi").starts_with("3."), "section 8: {openapi}");
    for path in [
        "/v1/visitors",
        "/v1/tokens",
        "/v1/conversations",
        "/v1/disconnect",
        "/v1/organizations",
        "/v1/websites",
        "/v1/keys",
    ] {
        assert!(openapi["paths"].get(path).is_some(), "section 8, {path} is documented");
    }
    let asyncapi = stage.http.get("/asyncapi.json").send().await.expect(200, "section 8, /asyncapi.json");
    assert!(text(&asyncapi, "asyncapi").starts_with("3."), "section 8: {asyncapi}");
    for kind in ["send_message", "new_message", "subscription_confirmed"] {
        assert!(asyncapi.to_string().contains(kind), "section 8, {kind} is documented");
    }
}

#[tokio::test]
async fn metrics_never_name_people() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "counted").await;
    let metrics = stage.http.get("/metrics").send().await;
    for name in [visitor.user_id(), &conversation] {
        assert!(!metrics.text.contains(name), "metric labels are bounded: {name}");
    }
    assert!(metrics.text.contains("# TYPE"), "Prometheus text: {}", metrics.text);
}
