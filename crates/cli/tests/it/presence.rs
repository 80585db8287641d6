//! Section 7: who is online, as the team and as visitors are told.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cossistant_testkit::{Server, WsClient, unique};
use serde_json::{Value, json};

use crate::support::{MOMENT, PAGE, Stage, assert_time, say, subscribe, subscribe_website, text};

static SERVER: OnceLock<Server> = OnceLock::new();

/// Long enough to tell a clean end from a lost line on a slow machine.
const GRACE: Duration = Duration::from_secs(3);

/// A website that no other test sees, with a watcher of it.
async fn watched() -> (Stage, WsClient) {
    let stage = Stage::shared(&SERVER, "presence_grace = \"3s\"\n").own_website().await;
    let mut watcher = stage.user(&unique("watcher")).await;
    subscribe_website(&mut watcher, &stage.website, json!({})).await;
    (stage, watcher)
}

async fn presence(client: &mut WsClient, kind: &str, visitor: &str) -> Value {
    let what = format!("section 7, {kind} of {visitor}");
    client.recv_until(&what, |message| message["type"] == kind && message["visitorId"] == visitor).await
}

fn presence_of(visitor: &str) -> impl Fn(&Value) -> bool {
    move |message| {
        let kind = message["type"].as_str().unwrap_or_default();
        ["visitor_online", "visitor_offline"].contains(&kind) && message["visitorId"] == visitor
    }
}

#[tokio::test]
async fn a_visitor_comes_and_leaves_in_order() {
    let (stage, mut watcher) = watched().await;
    let sub = unique("v");
    let conversation = unique("conv");
    let mut visitor = stage.visitor(&sub).await;
    watcher.assert_silent(MOMENT, "section 4, no presence for a visitor without an open conversation").await;
    say(&mut visitor, &conversation, "hello").await;
    let online = presence(&mut watcher, "visitor_online", &sub).await;
    assert_eq!(online["conversationId"], conversation, "section 4: {online}");
    assert_eq!(online["conversationIds"], json!([conversation]), "section 4: {online}");
    assert_eq!(
        (&online["websiteId"], &online["organizationId"]),
        (&json!(stage.website), &json!(stage.org)),
        "section 4: {online}"
    );
    let start = Instant::now();
    visitor.close(1000).await;
    let offline = presence(&mut watcher, "visitor_offline", &sub).await;
    assert!(
        start.elapsed() < GRACE - Duration::from_millis(500),
        "section 7, at once after a clean close: {:?}",
        start.elapsed()
    );
    assert_time(&offline, "lastSeenAt");
    let back = stage.visitor(&sub).await;
    presence(&mut watcher, "visitor_online", &sub).await;
    drop(back);
}

#[tokio::test]
async fn a_lost_line_is_told_after_the_grace() {
    let (stage, mut watcher) = watched().await;
    let (visitor, _) = stage.visitor_in_conversation().await;
    let sub = visitor.user_id().to_owned();
    presence(&mut watcher, "visitor_online", &sub).await;
    let start = Instant::now();
    visitor.abort();
    presence(&mut watcher, "visitor_offline", &sub).await;
    assert!(
        start.elapsed() >= GRACE - Duration::from_millis(200),
        "section 7, not before the grace: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_reload_is_no_flicker() {
    let (stage, mut watcher) = watched().await;
    let (visitor, _) = stage.visitor_in_conversation().await;
    let sub = visitor.user_id().to_owned();
    presence(&mut watcher, "visitor_online", &sub).await;
    visitor.abort();
    let back = stage.visitor(&sub).await;
    watcher.assert_silent(GRACE + Duration::from_millis(700), "section 7, a page reload is no flicker").await;
    let confirmed = subscribe_website(&mut watcher, &stage.website, json!({})).await;
    assert!(confirmed["online"].to_string().contains(&sub), "section 7, still online: {confirmed}");
    drop(back);
}

#[tokio::test]
async fn presence_counts_all_tabs() {
    let (stage, mut watcher) = watched().await;
    let (first, _) = stage.visitor_in_conversation().await;
    let sub = first.user_id().to_owned();
    presence(&mut watcher, "visitor_online", &sub).await;
    let second = stage.visitor(&sub).await;
    watcher.assert_none("section 7, online from the first connection", presence_of(&sub)).await;
    first.close(1000).await;
    watcher.assert_silent(MOMENT, "section 7, until the last of them").await;
    second.close(1000).await;
    presence(&mut watcher, "visitor_offline", &sub).await;
}

#[tokio::test]
async fn subscribers_of_conversation_and_website_get_one_copy() {
    let (stage, mut watcher) = watched().await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let sub = visitor.user_id().to_owned();
    let second = unique("conv");
    subscribe(&mut visitor, &second).await;
    presence(&mut watcher, "visitor_online", &sub).await;
    let mut member = stage.user(&unique("member")).await;
    for conversation in [&conversation, &second] {
        let confirmed = subscribe(&mut member, conversation).await;
        assert_eq!(confirmed["online"], true, "section 4, online to the team: {confirmed}");
        subscribe(&mut watcher, conversation).await;
    }
    watcher.fence().await;
    watcher.skip_seen();
    visitor.close(1000).await;
    for client in [&mut watcher, &mut member] {
        let offline = presence(client, "visitor_offline", &sub).await;
        let mut ids: Vec<&str> =
            offline["conversationIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut both = [second.as_str(), conversation.as_str()];
        ids.sort_unstable();
        both.sort_unstable();
        assert_eq!(ids, both, "section 4, all that are not closed: {offline}");
        assert_eq!(offline["conversationId"], second, "section 4, the latest that is not closed: {offline}");
        client.assert_none("section 4, one copy", presence_of(&sub)).await;
    }
}

#[tokio::test]
async fn confirmations_tell_who_is_online() {
    let (stage, mut watcher) = watched().await;
    let (visitor, conversation) = stage.visitor_in_conversation().await;
    let sub = visitor.user_id().to_owned();
    presence(&mut watcher, "visitor_online", &sub).await;
    let confirmed = subscribe_website(&mut watcher, &stage.website, json!({})).await;
    let entry = &confirmed["online"][0];
    assert_eq!(
        (&entry["visitorId"], &entry["conversationIds"]),
        (&json!(sub), &json!([conversation])),
        "section 4: {confirmed}"
    );
    visitor.close(1000).await;
    presence(&mut watcher, "visitor_offline", &sub).await;
    let confirmed = subscribe_website(&mut watcher, &stage.website, json!({})).await;
    assert_eq!(confirmed["online"], json!([]), "section 6, state plus events: {confirmed}");
    let confirmed = subscribe(&mut watcher, &conversation).await;
    assert_eq!(confirmed["online"], false, "section 6: {confirmed}");
}

#[tokio::test]
async fn visitors_are_told_of_the_first_and_the_last_of_the_team() {
    let stage = Stage::shared(&SERVER, "presence_grace = \"3s\"\n").own_website().await;
    let mut visitor = stage.visitor(&unique("v")).await;
    assert_eq!(visitor.established()["team"]["online"], false, "section 4: {}", visitor.established());
    let named = stage.claims("user", &unique("u")).claim("name", "Grace").sign();
    let user = stage.join(&named, "first of the team").await;
    let told = visitor.expect("team_online").await;
    assert_eq!(told["websiteId"], stage.website, "section 4: {told}");
    let late = stage.visitor(&unique("v")).await;
    let team = &late.established()["team"];
    assert_eq!(team["online"], true, "section 4: {team}");
    let member = team["members"].as_array().and_then(|members| members.iter().find(|member| member["name"] == "Grace"));
    assert_eq!(member.map(|member| &member["userType"]), Some(&json!("user")), "section 4, members: {team}");
    let agent = stage.agent(&unique("a")).await;
    user.close(1000).await;
    visitor.assert_silent(MOMENT, "section 4, an ai_agent of the website is still there").await;
    agent.close(1000).await;
    let told = visitor.expect("team_offline").await;
    assert_eq!(told["websiteId"], stage.website, "section 4: {told}");
}

#[tokio::test]
async fn who_becomes_a_known_person_is_here_as_that_person() {
    let (stage, mut watcher) = watched().await;
    let key = stage.key("public", json!({"websiteId": stage.website})).await["key"].clone();
    let admit = async |mut body: Value| {
        body["publicKey"] = key.clone();
        stage.http.post("/v1/visitors", body).origin(PAGE).send().await.expect(201, "section 8")
    };
    let identity = stage.claims("visitor", &unique("customer")).sign();
    let (known, anonymous) = (admit(json!({"identityToken": identity})).await, admit(json!({})).await);
    let (person, before) = (text(&known, "visitorId"), text(&anonymous, "visitorId"));
    let mut earlier = stage.join(text(&known, "token"), "the person, earlier").await;
    let (older, conversation) = (unique("older"), unique("conv"));
    say(&mut earlier, &older, "hello").await;
    let mut holder = stage.user_in(&older).await;
    presence(&mut watcher, "visitor_online", person).await;
    earlier.close(1000).await;
    presence(&mut watcher, "visitor_offline", person).await;
    // Tabs on several threads.
    let mut tabs = Vec::new();
    for name in ["one", "two", "three", "four"] {
        tabs.push(stage.join(text(&anonymous, "token"), name).await);
    }
    say(&mut tabs[0], &conversation, "hello").await;
    presence(&mut watcher, "visitor_online", before).await;
    admit(json!({"visitorToken": anonymous["token"], "identityToken": identity})).await;
    for tab in &mut tabs {
        tab.expect_close(4010, "section 8, the old live connections close").await;
    }
    for client in [&mut watcher, &mut holder] {
        let told = client.recv_until("section 4, who it was", |message| message["previousVisitorId"] == before).await;
        assert_eq!(
            (&told["visitorId"], &told["conversationIds"]),
            (&json!(person), &json!([conversation])),
            "section 4, to whoever knows either of the two: {told}"
        );
    }
    // It is soon back as that person.
    let online = presence(&mut watcher, "visitor_online", person).await;
    let begun = Instant::now();
    assert_eq!(online["conversationIds"], json!([conversation, older]), "section 4, of that person now: {online}");
    let confirmed = subscribe(&mut stage.user(&unique("u")).await, &conversation).await;
    assert_eq!(confirmed["online"], true, "section 6, as the events before said: {confirmed}");
    let offline = presence(&mut watcher, "visitor_offline", person).await;
    assert_eq!(offline["conversationIds"], online["conversationIds"], "section 7, it never came back: {offline}");
    assert!(begun.elapsed() > GRACE / 2, "section 7, after the grace: {:?}", begun.elapsed());
    watcher.assert_none("section 4, nobody has the old name any more", presence_of(before)).await;
}
