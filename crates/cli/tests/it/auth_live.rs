//! Section 2: what happens to a credential while its connection lives.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cossistant_testkit::tokens::Token;
use cossistant_testkit::{Credential, Server, unique};
use serde_json::{Value, json};

use crate::support::{PAGE, Stage, assert_time, event, is, say, subscribe, subscribe_website, text, try_say};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

#[tokio::test]
async fn a_token_about_to_expire_is_told_and_then_closed() {
    let stage = stage();
    let token = stage.claims("user", &unique("u")).expires_in(3).sign();
    let mut client = stage.join(&token, "short-lived").await;
    let warning = client.expect("token_expiring").await;
    assert_time(&warning, "expiresAt");
    assert_eq!(warning["expiresAt"], client.established()["expiresAt"], "section 2, both tell the same end");
    let error = client.expect("error").await;
    assert_eq!(error["code"], "token_expired", "section 2, at expiry: {error}");
    client.expect_close(4401, "section 2, at expiry").await;
}

#[tokio::test]
async fn a_new_token_prolongs_the_connection() {
    let stage = stage();
    let sub = unique("u");
    let claims = stage.claims("user", &sub);
    let mut client = stage.join(&claims.clone().expires_in(3).sign(), "refreshed").await;
    client.expect("token_expiring").await;
    client.send(json!({"type": "authenticate", "id": "again", "token": claims.expires_in(3_600).sign()})).await;
    let answer = client.expect_answer("again").await;
    assert_eq!(answer["type"], "authenticated", "section 2, authenticate replaces the token: {answer}");
    assert_time(&answer, "expiresAt");
    client
        .assert_silent(Duration::from_millis(4_500), "section 2, the old token's end is no longer this connection's")
        .await;
}

/// Hundreds of warnings would be a second's, were each renewal answered by the next one at once.
#[tokio::test]
async fn who_has_no_better_token_is_warned_again_with_growing_pauses() {
    let stage = stage();
    let claims = stage.claims("user", &unique("u"));
    let mut client = stage.join(&claims.clone().expires_in(30).sign(), "short-lived").await;
    client.expect("token_expiring").await;
    let begun = Instant::now();
    for least_ms in [0, 500, 1_500, 3_500] {
        let waited = begun.elapsed().as_millis();
        assert!(waited >= least_ms, "section 2, warned after {waited} ms, not before {least_ms}");
        let token = claims.clone().expires_in(30).sign();
        client.send(json!({"type": "authenticate", "id": "as short", "token": token})).await;
        assert_eq!(client.expect_answer("as short").await["type"], "authenticated", "section 2");
        client.expect("token_expiring").await;
    }
}

/// What comes with the upgrade counts for a connection that says who it is behind it as well.
#[tokio::test]
async fn a_first_message_may_bring_any_token() {
    let stage = stage();
    let bot = unique("bot");
    let waiting = stage.options(Credential::None).query("agentId", &bot);
    let mut agent = waiting.connect().await.expect("the upgrade comes first");
    agent.send(json!({"type": "authenticate", "token": stage.secret_key})).await;
    let established = agent.expect("connection_established").await;
    assert_eq!((&established["userId"], &established["userType"]), (&json!(bot), &json!("ai_agent")), "section 2");
    let (id, page) = (unique("v"), "https://shop.example/shoes");
    let waiting = stage.options(Credential::None).origin(PAGE).query("page", page);
    let mut visitor = waiting.connect().await.expect("the upgrade comes first");
    visitor.send(json!({"type": "authenticate", "token": stage.visitor_token(&id)})).await;
    visitor.expect("connection_established").await;
    visitor.expect("authenticated").await;
    let path = format!("/v1/visitors/{id}");
    let seen = stage.http.get(&path).bearer(&stage.user_token("u")).send().await.expect(200, "section 8, a visitor");
    assert_eq!(seen["page"], page, "section 8, the last ?page= of its connections: {seen}");
}

#[tokio::test]
async fn a_new_token_brings_the_new_name() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let claims = stage.claims("user", &unique("u"));
    let mut user = stage.join(&claims.clone().claim("name", "Grace").sign(), "renamed").await;
    user.send(json!({"type": "authenticate", "id": "new", "token": claims.claim("name", "Admiral Grace").sign()}))
        .await;
    assert_eq!(user.expect_answer("new").await["type"], "authenticated", "section 2");
    user.send(json!({"type": "typing_start", "conversationId": conversation})).await;
    let typing = event(&mut visitor, "typing_indicator", &conversation).await;
    assert_eq!(typing["userName"], "Admiral Grace", "section 2, the token is replaced: {typing}");
    let ack = say(&mut user, &conversation, "hello").await;
    let message = crate::support::new_message(&mut visitor, &ack).await;
    assert_eq!(message["senderName"], "Admiral Grace", "section 2, the token is replaced: {message}");
    let path = format!("/v1/websites/{}/members", stage.website);
    let members = stage.http.get(&path).bearer(&stage.user_token("u")).send().await.expect(200, "section 8, members");
    let listed = members["members"].as_array().into_iter().flatten().find(|member| member["userId"] == user.user_id());
    assert_eq!(listed.map(|member| &member["name"]), Some(&json!("Admiral Grace")), "section 8: {members}");
}

#[tokio::test]
async fn an_earlier_expiry_takes_effect_at_once() {
    let stage = stage();
    let claims = stage.claims("user", &unique("u"));
    let mut client = stage.join(&claims.sign(), "shortened").await;
    client.send(json!({"type": "authenticate", "id": "less", "token": claims.expires_in(2).sign()})).await;
    assert_eq!(client.expect_answer("less").await["type"], "authenticated", "section 2");
    client.expect("token_expiring").await;
    client.expect_close(4401, "section 2, an earlier exp takes effect").await;
}

#[tokio::test]
async fn another_principal_cannot_take_over_a_connection() {
    let stage = stage();
    let sub = unique("u");
    let mut client = stage.user(&sub).await;
    let others = [
        stage.user_token(&unique("other")),
        stage.visitor_token(&sub),
        stage.claims("ai_agent", &sub).sign(),
        stage.own_organization().await.user_token(&sub),
    ];
    for (at, token) in others.iter().enumerate() {
        let id = format!("other-{at}");
        client.send(json!({"type": "authenticate", "id": id, "token": token})).await;
        client.expect_error(&id, "forbidden", "section 2, a different principal is forbidden").await;
    }
    client.fence().await;
    let mut agent =
        stage.options(Credential::Header(stage.secret_key.clone())).query("agentId", &unique("bot")).establish().await;
    agent.send(json!({"type": "authenticate", "id": "sk", "token": stage.user_token(&sub)})).await;
    agent.expect_error("sk", "forbidden", "section 2, a connection by secret key takes no token").await;
    agent.send(json!({"type": "authenticate", "id": "bad", "token": "nonsense"})).await;
    agent.expect_error("bad", "forbidden", "section 2, a connection by secret key takes none, good or bad").await;
    agent.fence().await;
}

#[tokio::test]
async fn of_a_website_that_is_gone_not_even_typing_is_taken() {
    let stage = stage().own_organization().await;
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.join(&stage.claims("user", &unique("u")).websites(&["*"]).sign(), "user of all").await;
    user.send(json!({"type": "typing_start", "conversationId": conversation})).await;
    user.fence().await;
    let path = format!("/v1/websites/{}", stage.website);
    let deleted = stage.http.delete(&path).bearer(&stage.admin_key).send().await;
    assert_eq!(deleted.status, 204, "section 8, DELETE: {deleted:?}");
    user.send(json!({"type": "typing_start", "id": "late", "conversationId": conversation})).await;
    user.expect_error("late", "not_found", "section 5, access is checked on every message").await;
}

#[tokio::test]
async fn fewer_websites_end_what_is_no_longer_covered() {
    let stage = stage().own_website().await;
    let other = stage.own_website().await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let claims = stage.claims("user", &unique("u"));
    let both = claims.clone().websites(&[&stage.website, &other.website]).sign();
    let mut user = stage.join(&both, "user").await;
    subscribe(&mut user, &conversation).await;
    subscribe_website(&mut user, &other.website, json!({})).await;
    user.send(json!({"type": "authenticate", "id": "fewer", "token": claims.websites(&[&other.website]).sign()})).await;
    assert_eq!(user.expect_answer("fewer").await["type"], "authenticated", "section 2");
    let ended = user.expect("subscription_ended").await;
    assert_eq!(
        ended["channel"],
        format!("conversation:{conversation}"),
        "section 2, what is no longer covered: {ended}"
    );
    assert_eq!(ended["reason"], "revoked", "section 2: {ended}");
    say(&mut visitor, &conversation, "in private").await;
    event(&mut visitor, "new_message", &conversation).await;
    user.assert_none("section 5, access is checked on every message", is("new_message")).await;
    let answer = try_say(&mut user, &conversation, json!({})).await;
    assert_eq!(answer["code"], "not_found", "section 4, to one who may not see it, it is not_found: {answer}");
}

#[tokio::test]
async fn what_is_done_where_access_has_ended_ends() {
    let stage = stage().own_website().await;
    let other = stage.own_website().await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut watcher = stage.user_in(&conversation).await;
    let on = |kind: &str| json!({"type": kind, "conversationId": conversation});
    let (user_claims, agent_claims) = (stage.claims("user", &unique("u")), stage.claims("ai_agent", &unique("bot")));
    let both = |claims: &Token| claims.clone().websites(&[&stage.website, &other.website]).sign();
    let mut user = stage.join(&both(&user_claims), "user").await;
    let mut agent = stage.join(&both(&agent_claims), "agent").await;
    user.send(on("typing_start")).await;
    user.send(on("viewing_start")).await;
    event(&mut watcher, "viewing_indicator", &conversation).await;
    agent
        .send(json!({"type": "agent_activity", "conversationId": conversation, "phase": "thinking", "audience": "all"}))
        .await;
    for client in [&mut watcher, &mut visitor] {
        let begun = event(client, "agent_activity", &conversation).await;
        assert_eq!(begun["phase"], "thinking", "section 4: {begun}");
    }
    for (client, claims) in [(&mut user, user_claims), (&mut agent, agent_claims)] {
        let token = claims.websites(&[&other.website]).sign();
        client.send(json!({"type": "authenticate", "id": "fewer", "token": token})).await;
        assert_eq!(client.expect_answer("fewer").await["type"], "authenticated", "section 2");
    }
    for client in [&mut watcher, &mut visitor] {
        let over = event(client, "agent_activity", &conversation).await;
        assert_eq!(over["phase"], "done", "section 7, each end is told: {over}");
    }
    let left = |message: &Value| message["type"] == "viewing_indicator" && message["isViewing"] == false;
    watcher.recv_until("section 5, who looks no more", left).await;
    let mut late = stage.user(&unique("late")).await;
    let confirmed = subscribe(&mut late, &conversation).await;
    for state in ["typing", "viewing", "activity"] {
        assert_eq!(confirmed[state], json!([]), "section 6, as somebody is told who comes anew: {confirmed}");
    }
}

#[tokio::test]
async fn a_deleted_website_closes_its_visitors() {
    let stage = stage().own_website().await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let path = format!("/v1/websites/{}", stage.website);
    let gone = stage.http.delete(&path).bearer(&stage.admin_key).send().await;
    assert!([200, 204].contains(&gone.status), "section 8, DELETE of a website: {gone:?}");
    visitor.expect_close(4403, "section 5, a visitor whose website is gone").await;
    let ended = user.expect("subscription_ended").await;
    assert_eq!(ended["reason"], "revoked", "section 5, access ends with the website: {ended}");
}

#[tokio::test]
async fn a_disconnected_person_may_come_back_unless_revoked() {
    let stage = stage();
    let sub = unique("u");
    let token = stage.claims("user", &sub).claim("iat", cossistant_testkit::tokens::unix_seconds(-5)).sign();
    let mut user = stage.join(&token, "kicked").await;
    let disconnect = |body| stage.http.post("/v1/disconnect", body).bearer(&stage.secret_key).send();
    let answer = disconnect(json!({"userId": sub})).await;
    assert!([200, 202, 204].contains(&answer.status), "section 8, POST /v1/disconnect: {answer:?}");
    user.expect_close(4010, "section 8, disconnect ends connections").await;
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.join(&token, "back").await;
    subscribe(&mut user, &conversation).await;
    disconnect(json!({"userId": sub, "revoke": true})).await;
    let ended = user.expect("subscription_ended").await;
    assert_eq!(ended["reason"], "revoked", "section 8, with revoke: {ended}");
    user.expect_close(4403, "section 8, with revoke").await;
    for token in [token, stage.claims("user", &sub).without("iat").sign()] {
        let mut refused = stage.options(Credential::Header(token)).connect().await.expect("the upgrade comes first");
        let closed = refused.expect_closed().await;
        assert!([Some(4401), Some(4403)].contains(&closed.code), "section 8, older tokens stay refused: {closed:?}");
    }
    let fresh = stage.claims("user", &sub).claim("iat", cossistant_testkit::tokens::unix_seconds(2)).sign();
    stage.join(&fresh, "with a fresh token").await;
}

#[tokio::test]
async fn a_refreshed_visitor_token_keeps_the_visitor() {
    let stage = stage();
    let key = Credential::PublicKey(stage.public_key.clone());
    let mut client = stage.options(key).origin(PAGE).establish().await;
    let token = text(client.established(), "visitorToken").to_owned();
    client.send(json!({"type": "authenticate", "id": "same", "token": token})).await;
    let answer = client.expect_answer("same").await;
    assert_eq!(answer["type"], "authenticated", "section 2, the same principal: {answer}");
}
