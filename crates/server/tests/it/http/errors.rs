//! Every error is a problem, and every answer is careful.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use cossistant_protocol::http::{Access, Endpoint, HttpMethod, Operation};
use serde_json::{Value, json};

use super::api::{ADMIN, Api, PAGE};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let api = Api::new().await;
    for path in ["/", "/v1", "/v1/unknown", "/v1/conversations/", "/healthz", "/metrics"] {
        api.get(path).by(api.user("u")).send().await.problem(404, "not_found");
    }
    for (method, path, allowed) in [
        ("PUT", "/v1/conversations", vec!["GET", "HEAD", "POST"]),
        ("DELETE", "/v1/conversations/c", vec!["GET", "HEAD", "PATCH"]),
        ("OPTIONS", "/v1/tokens", vec!["POST"]),
        ("BREW", "/v1/tokens", vec!["POST"]),
    ] {
        let answer = api.ask(method, path).by(api.user("u")).send().await;
        let mut allow: Vec<_> = answer.header("allow").unwrap().split(',').map(|name| name.trim().to_owned()).collect();
        allow.sort();
        assert_eq!(allow, allowed, "{method} {path}");
        answer.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn bodies_are_json_objects_of_a_bounded_size() {
    let api = Api::new().await;
    let ask = || api.ask("POST", "/v1/conversations").by(api.visitor("v"));
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        ask().raw(media, "{}").send().await.problem(415, "unsupported_media_type");
    }
    ask().send().await.problem(415, "unsupported_media_type");
    ask().raw("Application/JSON; charset=utf-8", "{}").send().await.ok(201);
    for body in ["", "{", "{} {}", "nonsense", "\u{feff}{}"] {
        ask().raw("application/json", body).send().await.invalid("");
    }
    ask().raw("application/json", [b'{', b'"', 0xff, b'"', b':', b'1', b'}']).send().await.invalid("");
    for body in ["[]", "\"x\"", "null", "7", "[null, null, null]"] {
        ask().raw("application/json", body).send().await.invalid("");
    }
    ask().raw("application/json", r#"{"conversationId": "a b"}"#).send().await.invalid("conversationId");
    // An optional field may be null, which is its absence.
    ask().raw("application/json", r#"{"conversationId": null}"#).send().await.ok(201);
    ask()
        .raw("application/json", r#"{"conversationId": "a", "conversationId": "b"}"#)
        .send()
        .await
        .invalid("conversationId");
    ask().raw("application/json", r#"{"unknown": 1}"#).send().await.ok(201);
    let fits = format!("{{\"x\":\"{}\"}}", "y".repeat(256 * 1024 - 8));
    assert_eq!(fits.len(), 256 * 1024);
    ask().raw("application/json", fits.clone()).send().await.ok(201);
    ask().raw("application/json", fits + " ").send().await.problem(413, "too_large");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    ask().raw("application/json", format!("{{\"x\":{deep}}}")).send().await.ok(201);
    ask().raw("application/json", format!("{{\"conversationId\":{deep}}}")).send().await.invalid("conversationId");
    ask().header("content-length", "99999999").raw("application/json", "{}").send().await.problem(413, "too_large");
}

#[tokio::test]
async fn every_endpoint_but_the_public_ones_needs_a_credential() {
    let api = Api::new().await;
    for endpoint in Endpoint::ALL {
        if matches!(endpoint.access, Access::Anybody | Access::PublicKey) {
            continue;
        }
        let path = endpoint.path.replace(['{', '}'], "x");
        let ask = || match endpoint.method {
            HttpMethod::Get | HttpMethod::Delete => api.ask(endpoint.method.as_str(), &path),
            HttpMethod::Post | HttpMethod::Patch => {
                api.ask(endpoint.method.as_str(), &path).raw("application/json", "{}")
            }
        };
        let answer = ask().send().await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        answer.problem(401, "unauthorized");
        for bad in ["nonsense", "pk_x", "sk_x", "ak_x", ""] {
            ask().by(bad).send().await.problem(401, "unauthorized");
        }
        ask().header("authorization", "Basic YTpi").send().await.problem(401, "unauthorized");
        let expired = cossistant_testkit::tokens::user("u").org(&api.organization).expires_in(-5).sign();
        ask().by(expired).send().await.problem(401, "token_expired");
        let unknown = cossistant_testkit::tokens::user("u").org("org-unknown").sign();
        ask().by(unknown).send().await.problem(403, "forbidden");
    }
}

/// Who may not call an endpoint at all is told so, whatever is named in the path.
#[tokio::test]
async fn roles_are_checked_first() {
    let api = Api::new().await;
    for endpoint in Endpoint::ALL {
        let forbidden = match endpoint.access {
            Access::Anybody | Access::PublicKey => vec![],
            Access::Participants => vec![ADMIN.to_owned()],
            // A visitor may see a conversation of its own, so of others it learns nothing: see `conversations`.
            Access::Team if endpoint.operation == Operation::ChangeConversation => vec![ADMIN.to_owned()],
            Access::Team => vec![ADMIN.to_owned(), api.visitor("v")],
            Access::SecretKey => vec![ADMIN.to_owned(), api.visitor("v"), api.user("u"), api.admin("u")],
            Access::TeamOrAdmin => vec![api.visitor("v")],
            Access::Admin => vec![api.visitor("v"), api.user("u"), api.agent("a"), api.secret_key.clone()],
        };
        let path = endpoint.path.replace(['{', '}'], "x");
        let body = json!({
            "name": "n", "organizationId": api.organization, "allowedDomains": [], "type": "secret", "sub": "s",
            "websites": [api.website], "userId": "u", "id": "1", "content": {"text": "x"},
            "url": "https://shop.example/hook",
        });
        // The two that make tokens and keys know other words by `type`.
        let body = if endpoint.path == "/v1/tokens" { with_type(body, "user") } else { body };
        for token in forbidden {
            let ask = api.ask(endpoint.method.as_str(), &path).by(&token);
            let ask = match endpoint.method {
                HttpMethod::Get | HttpMethod::Delete => ask,
                HttpMethod::Post | HttpMethod::Patch => ask.raw("application/json", body.to_string()),
            };
            let answer = ask.send().await;
            assert_eq!(answer.status, 403, "{:?} {} {token} {answer:?}", endpoint.method, endpoint.path);
            answer.problem(403, "forbidden");
        }
    }
}

fn with_type(mut body: Value, kind: &str) -> Value {
    body["type"] = json!(kind);
    body
}

#[tokio::test]
async fn preflights_are_answered_for_the_union_of_domains() {
    let api = Api::new().await;
    let stranger = api.stranger().await;
    let preflight = |path: &str, origin: &str| {
        api.ask("OPTIONS", path).origin(origin).header("access-control-request-method", "PATCH").send()
    };
    for origin in [PAGE, "https://other.example:8443"] {
        for path in ["/v1/conversations", "/v1/conversations/c", "/v1/visitors"] {
            let answer = preflight(path, origin).await;
            assert_eq!(answer.status, 204, "{answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert!(answer.header("access-control-allow-methods").unwrap().contains("PATCH"));
            let headers = answer.header("access-control-allow-headers").unwrap().to_lowercase();
            assert!(headers.contains("authorization") && headers.contains("content-type"));
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        let answer = preflight("/v1/conversations", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-methods"), None, "{answer:?}");
    }
    // The request itself is checked against the visitor's website, and the page may read the refusal.
    let ask = || api.get("/v1/conversations");
    let own = ask().by(api.visitor("v")).origin(PAGE).send().await;
    assert_eq!((own.status, own.header("access-control-allow-origin")), (200, Some(PAGE)), "{own:?}");
    let other = ask().by(api.visitor("v")).origin("https://other.example").send().await;
    assert_eq!(other.header("access-control-allow-origin"), Some("https://other.example"));
    other.problem(403, "forbidden");
    ask().by(stranger.visitor).origin(PAGE).send().await.problem(403, "forbidden");
    ask().by(api.visitor("v")).origin("null").send().await.problem(403, "forbidden");
    let inbox = ask().by(api.user("u")).origin("https://inbox.example").send().await;
    assert_eq!((inbox.status, inbox.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn answers_are_careful() {
    let api = Api::new().await;
    for answer in [
        api.get("/v1/conversations").by(api.user("u")).send().await,
        api.get("/v1/unknown").send().await,
        api.ask("PUT", "/v1/tokens").send().await,
    ] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{answer:?}");
    }
}

#[tokio::test]
async fn queries_are_checked() {
    let api = Api::new().await;
    let conversation = api.conversation("v").await;
    let messages = format!("/v1/conversations/{conversation}/messages");
    let inbox = format!("/v1/websites/{}/conversations", api.website);
    for (path, query, field) in [
        (&messages, "limit=0", "limit"),
        (&messages, "limit=201", "limit"),
        (&messages, "limit=x", "limit"),
        (&messages, "limit=", "limit"),
        (&messages, "limit=-1", "limit"),
        (&messages, "limit=1&limit=2", "limit"),
        (&messages, "after=1.5", "after"),
        (&messages, "before=9007199254740992", "before"),
        (&inbox, "status=asleep", "status"),
        (&inbox, "assignee=a%20b", "assignee"),
        (&inbox, "cursor=x", "cursor"),
        (&inbox, "search=a%00b", "search"),
        (&inbox, "agentId=a%20b", "agentId"),
    ] {
        api.get(&format!("{path}?{query}")).by(api.user("u")).send().await.invalid(field);
    }
    for cursor in ["zz", "", "dlv_", "dlv_zz", "dlv_00000000000g", "dlv_0000000000010123456789", "dlv_000000000001-"] {
        let path = format!("/v1/webhooks/hook_1/deliveries?cursor={cursor}");
        api.get(&path).by(&api.secret_key).send().await.invalid("cursor");
    }
    api.get(&format!("{messages}?limit=200&after=0&unknown=1&unknown=2")).by(api.user("u")).send().await.ok(200);
    api.get("/v1/conversations/a%20b").by(api.user("u")).send().await.problem(404, "not_found");
    api.get("/v1/conversations/%ff").by(api.user("u")).send().await.problem(404, "not_found");
}

#[tokio::test]
async fn health_is_told_at_an_address_of_its_own() {
    let api = Api::new().await;
    let ask = |path: &str| api.get(path).send_to(api.operation.clone());
    assert_eq!(ask("/healthz").await.ok(200)["status"], "ok");
    assert_eq!(ask("/readyz").await.ok(200), json!({"status": "ready"}));
    api.readiness.set_bus_down(true);
    assert_eq!(ask("/readyz").await.ok(200), json!({"status": "ready", "degraded": ["bus"]}));
    api.readiness.drain();
    assert_eq!(ask("/readyz").await.problem(503, "unavailable")["detail"], "draining");
    assert_eq!(ask("/healthz").await.ok(200)["status"], "ok");
    let figures = ask("/metrics").await;
    assert_eq!((figures.status, figures.header("content-type").unwrap().starts_with("text/plain")), (200, true));
    ask("/v1/conversations").await.problem(404, "not_found");
    for (path, field) in [("/openapi.json", "openapi"), ("/asyncapi.json", "asyncapi")] {
        assert!(api.get(path).send().await.ok(200)[field].as_str().unwrap().starts_with("3."), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_told_with_a_time() {
    let api = Api::new().await;
    api.store.fail_next_writes(1);
    let answer = api.post("/v1/conversations", json!({})).by(api.visitor("v")).send().await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.problem(503, "unavailable")["retryAfter"], 1000);
    assert!(api.heard().is_empty(), "nothing is told that was not stored");
}

/// A body of which nothing ever comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = axum::body::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_cut() {
    let api = Api::new().await;
    let started = tokio::time::Instant::now();
    let ask = api.ask("POST", "/v1/conversations").by(api.visitor("v")).header("content-type", "application/json");
    let answer = ask.body(Body::new(Never)).send().await;
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    assert_eq!(answer.header("connection"), Some("close"));
    answer.problem(408, "invalid_message");
}
