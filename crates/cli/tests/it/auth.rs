//! Section 2: who is let in, by which of the five ways, and how the others are told.

use std::sync::OnceLock;

use cossistant_testkit::tokens::unix_seconds;
use cossistant_testkit::{ConnectError, Credential, Server, WsClient, WsOptions, unique};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::logs::{say_raw, whole_log};
use crate::support::{PAGE, Stage, assert_time, number, options, subscribe, text, try_say};

static SERVER: OnceLock<Server> = OnceLock::new();

/// An Ed25519 pair made for these tests alone.
const ED25519_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIB6IQcjyon6wPv/1grQ+QykaCnl/24KrYRWKCrMnVEss\n\
    -----END PRIVATE KEY-----\n";
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAggKBrVTbzCvtIynsz+tF8myuDhMYDy/UAImT4V9/1pI=\n\
    -----END PUBLIC KEY-----\n";

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

/// The credential opens a WebSocket, is told `code`, and closed with `close`.
async fn assert_refused(options: WsOptions, code: &str, close: u16, rule: &str) {
    let (error, closed) = refusal(options, rule).await;
    assert_eq!(error["code"], code, "section 2, {rule}: {error}");
    assert_eq!(closed, close, "section 2, {rule}: {error}");
}

/// The credential is refused in one of the two ways, where the contract leaves it open.
async fn assert_refused_either_way(options: WsOptions, rule: &str) {
    let (error, closed) = refusal(options, rule).await;
    let said = (error["code"].as_str().unwrap_or_default(), closed);
    assert!(
        [("unauthorized", 4401), ("forbidden", 4403)].contains(&said),
        "section 2, {rule}, so unauthorized with 4401 or forbidden with 4403: {said:?}"
    );
}

async fn refusal(options: WsOptions, rule: &str) -> (Value, u16) {
    let mut client = match options.name(rule).connect().await {
        Ok(client) => client,
        Err(error) => panic!("section 2, refused credentials still open the WebSocket ({rule}): {error}"),
    };
    let error = client.expect("error").await;
    let closed = client.expect_closed().await;
    assert!(!closed.reason.is_empty(), "section 4, each close has a reason ({rule}): {closed:?}");
    let welcomed = client.seen().iter().any(|message| message["type"] == "connection_established");
    assert!(!welcomed, "section 2, the refused are not welcomed ({rule}): {:?}", client.seen());
    (error, closed.code.unwrap_or_default())
}

fn header(stage: &Stage, token: &str) -> WsOptions {
    stage.options(Credential::Header(token.to_owned()))
}

#[tokio::test]
async fn a_visitor_is_greeted_with_all_fields() {
    let stage = stage();
    let sub = unique("visitor");
    let client = stage.visitor(&sub).await;
    let hello = client.established();
    assert!(text(hello, "connectionId").starts_with("conn_"), "section 1, server ids carry a prefix: {hello}");
    let behind = unix_seconds(0) - i64::try_from(number(hello, "serverTime") / 1000).expect("a time");
    assert!(behind.abs() < 60, "section 4, `serverTime` is the time in ms: {hello}");
    assert_eq!(hello["userId"], sub, "section 2, a visitor is (website, sub): {hello}");
    assert_eq!(hello["userType"], "visitor", "section 4: {hello}");
    assert_eq!(hello["heartbeatInterval"], 30_000, "section 7, 30 s by default, in ms: {hello}");
    assert_time(hello, "expiresAt");
    let limits = &hello["limits"];
    assert_eq!(limits["maxMessageBytes"], 65_536, "section 9: {hello}");
    assert_eq!(limits["maxTextLength"], 16_000, "section 3: {hello}");
    assert_eq!(limits["typingExpiry"], 6_000, "section 7: {hello}");
    number(limits, "typingInterval");
    assert!(
        hello["team"]["online"].is_boolean() && hello["team"]["members"].is_array(),
        "section 4, visitors are told of the team: {hello}"
    );
}

#[tokio::test]
async fn users_and_agents_are_greeted_without_what_is_for_visitors() {
    let stage = stage();
    for (kind, client) in [("user", stage.user(&unique("u")).await), ("ai_agent", stage.agent(&unique("a")).await)] {
        let hello = client.established();
        assert_eq!(hello["userType"], kind, "section 4: {hello}");
        assert!(
            hello.get("team").is_none() && hello.get("visitorToken").is_none(),
            "section 4, for visitors only: {hello}"
        );
    }
}

#[tokio::test]
async fn a_token_is_taken_from_header_subprotocol_or_query() {
    let stage = stage();
    let token = stage.user_token(&unique("u"));
    for credential in
        [Credential::Header(token.clone()), Credential::Subprotocol(token.clone()), Credential::Query(token.clone())]
    {
        let offered = matches!(credential, Credential::Subprotocol(_));
        let client = stage.options(credential).establish().await;
        let answered = client.response().get("sec-websocket-protocol").map(|value| value.to_str().expect("text"));
        assert_eq!(answered, offered.then_some("cossistant.v1"), "section 2, the token is never echoed");
    }
    let client = stage.options(Credential::Header(token)).protocol("cossistant.v1").establish().await;
    assert_eq!(
        client.response()["sec-websocket-protocol"],
        "cossistant.v1",
        "section 1, an offered protocol is answered"
    );
}

#[tokio::test]
async fn a_token_in_the_query_is_never_logged() {
    // Everything that the server ever logs.
    let server = options("log_level = \"trace\"\n").start();
    let stage = Stage::of(&server);
    let (good, expired) = (stage.user_token(&unique("u")), stage.claims("user", "u").expires_in(-1).sign());
    let forged = stage.claims("user", "u").sign_with(Algorithm::HS256, b"another-secret-another-secret-another");
    let ways = |token: &str| {
        let token = token.to_owned();
        [Credential::Query(token.clone()), Credential::Header(token.clone()), Credential::Subprotocol(token)]
    };
    for credential in ways(&good) {
        stage.options(credential).establish().await.fence().await;
    }
    for credential in ways(&expired).into_iter().chain(ways(&forged)) {
        let mut refused = stage.options(credential).connect().await.expect("it is refused inside");
        refused.expect_close(4401, "section 2, refused credentials").await;
    }
    for credential in ways(&good) {
        let failed = stage.options(credential).header("Sec-WebSocket-Version", "12").connect().await;
        assert!(matches!(failed, Err(ConnectError::Refused { status: 426, .. })), "section 1: {failed:?}");
    }
    for token in [&good, &expired, &forged] {
        let (head, end) = ("HTTP/1.1\r\nHost: x\r\nConnection: close", "\r\n\r\n");
        for request in [
            format!("POST /ws?token={token} {head}{end}"),
            format!("GET /ws?token={token} {head}\r\nSec-WebSocket-Protocol: cossistant.v1, bearer.{token}{end}"),
            format!("GET /v1/nowhere?token={token} {head}\r\nAuthorization: Bearer {token}{end}"),
            format!("GET /v1/conversations?visitorId=v&token={token} {head}\r\nAuthorization: Bearer {token}{end}"),
            // The parser takes none of these.
            format!("GET /ws?token={token} HTTP/9.9\r\nHost: x{end}"),
            format!("GET /ws?token={token} {head}\r\nAuthorization Bearer {token}{end}"),
            format!("{token}{end}"),
        ] {
            say_raw(&server, request.as_bytes()).await;
        }
    }
    let log = whole_log(server).await;
    assert!(log.contains("DEBUG") && log.contains("an HTTP connection ended"), "there is something to look at: {log}");
    for token in [&good, &expired, &forged] {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "neither claims nor signature enter the log: {log}");
        }
    }
}

#[tokio::test]
async fn the_first_credential_found_wins() {
    let stage = stage();
    let (good, bad) = (stage.user_token(&unique("u")), "nonsense");
    let client = header(&stage, &good).query("token", bad).establish().await;
    assert_eq!(client.established()["userType"], "user", "section 2, the header wins over the query");
    assert_refused(
        header(&stage, bad).query("token", &good),
        "unauthorized",
        4401,
        "the header wins over the query, even a bad one",
    )
    .await;
}

#[tokio::test]
async fn an_anonymous_visitor_is_made_and_comes_back_by_its_token() {
    let stage = stage();
    let key = Credential::PublicKey(stage.public_key.clone());
    let first = stage.options(key.clone()).origin(PAGE).establish().await;
    let token = text(first.established(), "visitorToken").to_owned();
    let other = stage.options(key).origin(PAGE).establish().await;
    assert_ne!(first.user_id(), other.user_id(), "section 2, without a token a new visitor is made");
    for credential in [Credential::Subprotocol(token.clone()), Credential::Query(token.clone())] {
        let back = stage.options(credential).origin(PAGE).establish().await;
        assert_eq!(back.user_id(), first.user_id(), "section 2, with its own token the same visitor comes back");
    }
    let both =
        stage.options(Credential::Query(token)).query("publicKey", &stage.public_key).origin(PAGE).establish().await;
    assert_eq!(both.user_id(), first.user_id(), "section 2, a token wins over a public key");
}

#[tokio::test]
async fn an_unsigned_visitor_id_is_not_trusted() {
    let stage = stage();
    let (victim, conversation) = stage.visitor_in_conversation().await;
    let key = Credential::PublicKey(stage.public_key.clone());
    let mut thief = stage.options(key).query("visitorId", victim.user_id()).origin(PAGE).establish().await;
    let answer = try_say(&mut thief, &conversation, json!({})).await;
    assert_eq!(answer["code"], "not_found", "section 2, an unsigned visitor id opens nothing: {answer}");
}

#[tokio::test]
async fn the_page_of_a_public_key_must_be_allowed() {
    let stage = stage();
    let connect = |key: &str, origin: Option<&str>| {
        let options = stage.options(Credential::PublicKey(key.to_owned()));
        origin.map_or(options.clone(), |origin| options.origin(origin)).connect()
    };
    for origin in [PAGE, "http://shop.localhost", "http://127.0.0.1:5173", "http://[::1]:8080", "https://localhost"] {
        let client = connect(&stage.public_key, Some(origin)).await;
        assert!(client.is_ok(), "section 10, {origin} is allowed under --dev: {client:?}");
    }
    let foreign = [
        None,
        Some("https://evil.example"),
        Some("http://localhost.evil.example"),
        Some("http://evil-localhost"),
        Some("null"),
        Some("http://localhost@evil.example"),
    ];
    for origin in foreign {
        assert_forbidden(connect(&stage.public_key, origin).await, &format!("origin {origin:?}"));
    }
    assert_forbidden(connect("pk_unknown", Some(PAGE)).await, "an unknown key");
}

fn assert_forbidden(client: Result<WsClient, ConnectError>, what: &str) {
    assert!(
        matches!(client, Err(ConnectError::Refused { status: 403, .. })),
        "section 2, {what}: HTTP 403 before the upgrade: {client:?}"
    );
}

#[tokio::test]
async fn a_visitor_with_a_token_needs_an_allowed_origin_if_any() {
    let stage = stage();
    let token = stage.visitor_token(&unique("v"));
    header(&stage, &token).origin(PAGE).establish().await;
    header(&stage, &token).establish().await;
    assert_refused(
        header(&stage, &token).origin("https://evil.example"),
        "forbidden",
        4403,
        "a visitor's foreign Origin",
    )
    .await;
}

#[tokio::test]
async fn allowed_domains_may_have_wildcards_and_ports() {
    let stage = stage().own_website().await;
    stage.patch_website(json!({"allowedDomains": ["shop.example", "*.wild.example", "port.example:8443"]})).await;
    let key = stage.key("public", json!({"websiteId": stage.website})).await;
    let key = text(&key, "key");
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("https://a.wild.example", true),
        ("https://port.example:8443", true),
        ("https://port.example:9999", false),
        ("https://sub.shop.example", false),
        ("https://notwild.example", false),
        ("http://localhost", false),
    ] {
        let client = stage.options(Credential::PublicKey(key.to_owned())).origin(origin).connect().await;
        if allowed {
            assert!(client.is_ok(), "section 2, {origin} is among the allowed domains: {client:?}");
        } else {
            assert_forbidden(client, origin);
        }
    }
}

#[tokio::test]
async fn authenticate_may_be_the_first_message() {
    let stage = stage();
    let sub = unique("u");
    let mut client =
        stage.options(Credential::None).connect().await.expect("section 2, no credential: authenticate may follow");
    client.send(json!({"type": "authenticate", "id": "auth-1", "token": stage.user_token(&sub)})).await;
    let hello = client.expect("connection_established").await;
    assert_eq!(hello["userId"], sub, "section 2: {hello}");
    client.fence().await;
    let answered = client.seen().iter().any(|message| message["id"] == "auth-1");
    assert!(answered, "section 1, every answer carries the id of what it answers: {:?}", client.seen());
}

#[tokio::test]
async fn any_other_first_message_is_refused() {
    let stage = stage();
    for first in [
        json!({"type": "ping", "id": "p"}),
        json!({"type": "authenticate", "token": "nonsense"}),
        json!({"type": "authenticate"}),
    ] {
        let mut client = stage.options(Credential::None).connect().await.expect("the upgrade needs no credential");
        client.send(first.clone()).await;
        let error = client.expect("error").await;
        let codes = ["unauthorized", "invalid_message"];
        assert!(codes.iter().any(|code| error["code"] == *code), "section 2, after {first}: {error}");
        client.expect_close(4401, "section 2, a first message that does not authenticate").await;
    }
}

#[tokio::test]
async fn bad_tokens_are_unauthorized() {
    let stage = stage();
    let user = || stage.claims("user", &unique("u"));
    let tampered = {
        let token = user().sign();
        let (head, signature) = token.rsplit_once('.').expect("three parts");
        let other = user().claim("role", "admin").sign();
        let (other_head, _) = other.rsplit_once('.').expect("three parts");
        assert_ne!(head, other_head);
        format!("{other_head}.{signature}")
    };
    for (rule, token) in [
        ("no token at all", "nonsense".to_owned()),
        ("a foreign secret", user().sign_with(Algorithm::HS256, b"another-secret-another-secret-another")),
        ("alg none", user().unsigned()),
        (
            "an algorithm that the key does not use",
            user().sign_with(Algorithm::HS512, b"dev-secret-dev-secret-dev-secret-"),
        ),
        ("claims under another's signature", tampered),
        ("a missing exp", user().without("exp").sign()),
        ("an exp that is no time", user().claim("exp", "tomorrow").sign()),
        ("nbf more than 60 s ahead", user().claim("nbf", unix_seconds(300)).sign()),
        ("an unknown kid", user().kid("key_unknown").sign()),
        ("an admin key as bearer", stage.admin_key.clone()),
        ("a public key as bearer", stage.public_key.clone()),
        ("an unknown secret key", "sk_unknown".to_owned()),
    ] {
        assert_refused(header(&stage, &token), "unauthorized", 4401, rule).await;
    }
    header(&stage, &user().claim("nbf", unix_seconds(20)).sign()).establish().await;
}

#[tokio::test]
async fn an_expired_token_is_told_apart() {
    let stage = stage();
    for seconds in [-1, -3_600] {
        let token = stage.claims("user", "u").expires_in(seconds).sign();
        assert_refused(header(&stage, &token), "token_expired", 4401, "an expired token, no leeway").await;
    }
}

#[tokio::test]
async fn claims_of_a_bad_form_are_refused() {
    let stage = stage();
    let visitor = || stage.claims("visitor", &unique("v"));
    for (rule, token) in [
        ("no sub", visitor().without("sub")),
        ("a sub with a character outside the set", visitor().claim("sub", "a b")),
        ("an empty sub", visitor().claim("sub", "")),
        ("a sub of 129 characters", visitor().claim("sub", "x".repeat(129))),
        ("an unknown type", visitor().claim("type", "robot")),
        ("no type", visitor().without("type")),
        ("no org", visitor().without("org")),
        ("a visitor of two websites", visitor().claim("websites", json!([stage.website, "website-456"]))),
        ("a visitor of all websites", visitor().claim("websites", json!(["*"]))),
        ("a visitor of no website", visitor().claim("websites", json!([]))),
        ("a visitor of an unknown website", visitor().claim("websites", json!(["website-unknown"]))),
    ] {
        assert_refused_either_way(header(&stage, &token.sign()), rule).await;
    }
    let longest = format!("{}.:@|+-", "x".repeat(120));
    let sub = &longest[..longest.len().min(128)];
    let client = header(&stage, &visitor().claim("sub", sub).sign()).establish().await;
    assert_eq!(client.user_id(), sub, "section 1, such characters are allowed in a sub");
}

#[tokio::test]
async fn organizations_and_websites_bound_a_token() {
    let stage = stage();
    let unknown = stage.claims("user", "u").org("org-unknown").sign();
    assert_refused(header(&stage, &unknown), "forbidden", 4403, "an unknown org").await;
    let token = stage.claims("user", &unique("u")).websites(&["website-unknown", &stage.website]).sign();
    let mut user = header(&stage, &token).establish().await;
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    subscribe(&mut user, &conversation).await;
    let all = stage.claims("user", &unique("u")).websites(&["*"]).sign();
    let mut user = header(&stage, &all).establish().await;
    subscribe(&mut user, &conversation).await;
}

#[tokio::test]
async fn a_secret_key_connects_as_the_agent_that_it_names() {
    let stage = stage();
    let agent = unique("bot");
    let client = header(&stage, &stage.secret_key).query("agentId", &agent).establish().await;
    assert_eq!(client.user_id(), agent, "section 2, agentId names the agent");
    assert_eq!(client.established()["userType"], "ai_agent", "section 2: {}", client.established());
    assert_refused_either_way(header(&stage, &stage.secret_key), "a secret key without agentId").await;
}

#[tokio::test]
async fn an_organizations_key_signs_for_it_alone() {
    let stage = stage();
    let own = stage.own_organization().await;
    let key = own.key("jwt_hs256", json!({})).await;
    let (kid, secret) = (text(&key, "id"), text(&key, "key").as_bytes());
    let token = own.claims("user", &unique("u")).kid(kid);
    header(&own, &token.sign_with(Algorithm::HS256, secret)).establish().await;
    let foreign = stage.claims("user", &unique("u")).kid(kid).sign_with(Algorithm::HS256, secret);
    assert_refused_either_way(header(&own, &foreign), "the token's org must be the key's").await;
    assert_refused(header(&own, &token.sign()), "unauthorized", 4401, "a kid is never tried with another key").await;
    let path = format!("/v1/keys/{kid}");
    let _gone = own
        .http
        .delete(&path)
        .bearer(&own.admin_key)
        .send()
        .await
        .expect_one_of(&[200, 204], "section 8, DELETE of a key");
    assert_refused(
        header(&own, &token.sign_with(Algorithm::HS256, secret)),
        "unauthorized",
        4401,
        "a deleted key signs no more",
    )
    .await;
}

#[tokio::test]
async fn a_public_key_verifies_its_own_algorithm_only() {
    let own = stage().own_organization().await;
    let key = own.key("jwt_public", json!({"publicKey": ED25519_PUBLIC, "algorithm": "EdDSA"})).await;
    let token = own.claims("user", &unique("u")).kid(text(&key, "id"));
    header(&own, &token.sign_eddsa(ED25519_PRIVATE)).establish().await;
    // The kind of key says how it signs.
    let unsaid = own.key("jwt_public", json!({"publicKey": ED25519_PUBLIC})).await;
    let by_unsaid = own.claims("user", &unique("u")).kid(text(&unsaid, "id"));
    header(&own, &by_unsaid.sign_eddsa(ED25519_PRIVATE)).establish().await;
    let confused = token.sign_with(Algorithm::HS256, ED25519_PUBLIC.as_bytes());
    assert_refused(header(&own, &confused), "unauthorized", 4401, "a public key is no HMAC secret").await;
}
