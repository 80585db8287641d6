//! Section 5: who receives what, row by row.

use std::sync::OnceLock;

use cossistant_testkit::{Server, WsClient, unique};
use serde_json::{Value, json};

use crate::support::{
    Stage, event, is, new_message, number, say, say_with, subscribe, subscribe_website, text, try_say,
};

static SERVER: OnceLock<Server> = OnceLock::new();

/// Everyone who may and may not hear of one conversation.
struct Cast {
    stage: Stage,
    conversation: String,
    visitor: WsClient,
    /// The same visitor in another tab.
    visitor_tab: WsClient,
    /// A user who holds the conversation, and their other tab.
    user: WsClient,
    user_tab: WsClient,
    /// A user who holds the website alone.
    watcher: WsClient,
    /// An agent who holds both.
    agent: WsClient,
    /// Another visitor of the same website.
    stranger: WsClient,
    /// A user of another website of the organization.
    neighbour: WsClient,
    /// A user of another organization.
    foreigner: WsClient,
}

impl Cast {
    async fn new() -> Self {
        let demo = Stage::shared(&SERVER, "");
        let stage = demo.own_website().await;
        let (mut stranger, _) = stage.visitor_in_conversation().await;
        let (visitor, conversation) = stage.visitor_in_conversation().await;
        let mut visitor_tab = stage.visitor(visitor.user_id()).await;
        subscribe(&mut visitor_tab, &conversation).await;
        let user = stage.user_in(&conversation).await;
        let mut user_tab = stage.user(user.user_id()).await;
        subscribe(&mut user_tab, &conversation).await;
        let mut watcher = stage.user(&unique("watcher")).await;
        subscribe_website(&mut watcher, &stage.website, json!({})).await;
        let mut agent = stage.agent(&unique("agent")).await;
        subscribe(&mut agent, &conversation).await;
        subscribe_website(&mut agent, &stage.website, json!({})).await;
        let next_door = stage.own_website().await;
        let mut neighbour = next_door.user(&unique("neighbour")).await;
        subscribe_website(&mut neighbour, &next_door.website, json!({})).await;
        let abroad = stage.own_organization().await;
        let mut foreigner = abroad.user(&unique("foreigner")).await;
        subscribe_website(&mut foreigner, &abroad.website, json!({})).await;
        stranger.fence().await;
        let mut cast = Self {
            stage,
            conversation,
            visitor,
            visitor_tab,
            user,
            user_tab,
            watcher,
            agent,
            stranger,
            neighbour,
            foreigner,
        };
        cast.settle().await;
        cast
    }

    /// Makes everyone read and forget what the entrance caused.
    async fn settle(&mut self) {
        for client in self.everyone() {
            client.fence().await;
            client.skip_seen();
        }
    }

    fn everyone(&mut self) -> [&mut WsClient; 9] {
        [
            &mut self.visitor,
            &mut self.visitor_tab,
            &mut self.user,
            &mut self.user_tab,
            &mut self.watcher,
            &mut self.agent,
            &mut self.stranger,
            &mut self.neighbour,
            &mut self.foreigner,
        ]
    }

    fn visitors(&mut self) -> [&mut WsClient; 2] {
        [&mut self.visitor, &mut self.visitor_tab]
    }

    fn team(&mut self) -> [&mut WsClient; 4] {
        [&mut self.user, &mut self.user_tab, &mut self.watcher, &mut self.agent]
    }

    /// Nobody has more of this kind than was taken; outsiders never had one.
    async fn assert_no_more(&mut self, kind: &'static str) {
        let conversation = self.conversation.clone();
        for client in self.everyone() {
            client
                .assert_none(&format!("section 5, {kind}: one copy, and none for others"), |message| {
                    message["type"] == kind && message["conversationId"] == conversation
                })
                .await;
        }
    }
}

#[tokio::test]
async fn public_messages_reach_all_of_both_sides_once() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    for side in ["visitor", "user", "ai_agent"] {
        let sender = match side {
            "visitor" => &mut cast.visitor,
            "user" => &mut cast.user,
            _ => &mut cast.agent,
        };
        let ack = say(sender, &conversation, side).await;
        for client in cast.visitors() {
            let message = new_message(client, &ack).await;
            assert!(message.get("offset").is_none(), "section 4, no offset for visitors: {message}");
            assert_eq!(message["senderType"], side, "section 5: {message}");
        }
        for client in cast.team() {
            number(&new_message(client, &ack).await, "offset");
        }
    }
    cast.assert_no_more("new_message").await;
}

#[tokio::test]
async fn notes_leave_no_trace_for_the_visitor() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let before = say(&mut cast.user, &conversation, "before").await;
    let note =
        say_with(&mut cast.user, &conversation, json!({"content": {"text": "psst"}, "visibility": "internal"})).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", text(&note, "messageId"));
    let token = cast.stage.user_token(cast.user.user_id());
    let edit = cast.stage.http.patch(&path, json!({"content": {"text": "psst!"}})).bearer(&token).send().await;
    assert_eq!(edit.status, 200, "section 8, a sender edits its note: {edit:?}");
    let after = say(&mut cast.user, &conversation, "after").await;
    for client in cast.team() {
        let told = new_message(client, &note).await;
        assert_eq!(told["visibility"], "internal", "section 5: {told}");
        let updated = event(client, "message_updated", &conversation).await;
        assert_eq!(updated["content"]["text"], "psst!", "section 4: {updated}");
        new_message(client, &after).await;
    }
    for client in cast.visitors() {
        let first = number(&new_message(client, &before).await, "seq");
        let second = number(&new_message(client, &after).await, "seq");
        assert_eq!(second, first + 1, "section 6, a dense numbering for each audience: not a gap that tells");
        client
            .assert_none("section 5, a note is never for the visitor", |message| message.to_string().contains("psst"))
            .await;
    }
    assert_eq!(number(&after, "seq"), number(&before, "seq") + 3, "section 6, the team counts notes and edits");
    // Not on replay, not by HTTP.
    let mut late = cast.stage.visitor(cast.visitor.user_id()).await;
    let confirmed = crate::support::subscribe_with(&mut late, &conversation, json!({"after": 0})).await;
    assert_eq!(confirmed["replayed"], confirmed["head"], "section 6: {confirmed}");
    new_message(&mut late, &after).await;
    late.assert_none("section 5, not on replay", |message| message.to_string().contains("psst")).await;
    let visitor = cast.stage.visitor_token(cast.visitor.user_id());
    let page = cast.stage.http.get(&format!("/v1/conversations/{conversation}/messages")).bearer(&visitor).send().await;
    assert!(page.status == 200 && !page.text.contains("psst"), "section 5, not by HTTP: {page:?}");
    let own = cast.stage.http.get("/v1/conversations").bearer(&visitor).send().await;
    assert!(own.status == 200 && !own.text.contains("psst"), "section 5, not as lastMessage: {own:?}");
    let hidden = cast.stage.http.delete(&path).bearer(&visitor).send().await;
    assert_eq!(hidden.status, 404, "section 4, to one who may not see it, it is not_found: {hidden:?}");
}

#[tokio::test]
async fn status_and_assignment_reach_both_sides_and_name_the_actor_to_the_team() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let member = cast.user.user_id().to_owned();
    cast.stage.patch_conversation(&conversation, json!({"status": "pending"})).await;
    cast.stage.patch_conversation(&conversation, json!({"assignedTeamMemberId": member})).await;
    for (kind, field, value) in [
        ("conversation_status_changed", "status", json!("pending")),
        ("conversation_assigned", "assignedTeamMemberId", json!(member)),
    ] {
        for client in cast.visitors() {
            let told = event(client, kind, &conversation).await;
            assert_eq!(told[field], value, "section 4: {told}");
            assert!(
                told.get("changedBy").is_none() && told.get("offset").is_none(),
                "section 5, without changedBy: {told}"
            );
        }
        for client in cast.team() {
            let told = event(client, kind, &conversation).await;
            assert_eq!(told[field], value, "section 4: {told}");
            assert!(told["changedBy"].to_string().contains("patcher"), "section 4, changedBy: {told}");
        }
        cast.assert_no_more(kind).await;
    }
}

#[tokio::test]
async fn typing_of_a_visitor_reaches_the_team_alone() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let sub = cast.visitor.user_id().to_owned();
    cast.visitor
        .send(json!({"type": "typing_start", "conversationId": conversation, "userId": "forged", "userType": "user"}))
        .await;
    for client in cast.team() {
        let typing = event(client, "typing_indicator", &conversation).await;
        assert_eq!(
            (&typing["userId"], &typing["userType"], &typing["isTyping"]),
            (&json!(sub), &json!("visitor"), &json!(true)),
            "section 5, from the principal: {typing}"
        );
        assert!(
            !text(&typing, "websiteId").is_empty() && !text(&typing, "organizationId").is_empty(),
            "section 4: {typing}"
        );
    }
    cast.assert_no_more("typing_indicator").await;
}

#[tokio::test]
async fn typing_of_the_team_reaches_the_visitor_but_not_oneself() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    cast.user.send(json!({"type": "typing_start", "conversationId": conversation})).await;
    for client in [&mut cast.visitor, &mut cast.visitor_tab, &mut cast.watcher, &mut cast.agent] {
        let typing = event(client, "typing_indicator", &conversation).await;
        assert_eq!((&typing["userType"], &typing["isTyping"]), (&json!("user"), &json!(true)), "section 5: {typing}");
    }
    cast.assert_no_more("typing_indicator").await;
}

#[tokio::test]
async fn typed_text_of_users_is_for_the_team_and_of_agents_for_all() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let progress = |words: &str| json!({"type": "typing_progress", "conversationId": conversation, "content": words});
    cast.user.send(progress("by a user")).await;
    for client in [&mut cast.watcher, &mut cast.agent] {
        assert_eq!(event(client, "typing_progress", &conversation).await["content"], "by a user", "section 5, of all");
    }
    cast.assert_no_more("typing_progress").await;
    cast.agent.send(progress("by an agent")).await;
    for client in [&mut cast.visitor, &mut cast.visitor_tab, &mut cast.user, &mut cast.user_tab, &mut cast.watcher] {
        let told = event(client, "typing_progress", &conversation).await;
        assert_eq!(
            (&told["content"], &told["userType"]),
            (&json!("by an agent"), &json!("ai_agent")),
            "section 5: {told}"
        );
    }
    cast.assert_no_more("typing_progress").await;
    cast.visitor.send(progress("by the visitor")).await;
    for client in cast.team() {
        assert_eq!(
            event(client, "typing_progress", &conversation).await["content"],
            "by the visitor",
            "section 5, typingPreview is `text` by default"
        );
    }
    cast.assert_no_more("typing_progress").await;
}

#[tokio::test]
async fn seen_marks_of_users_reach_all_and_of_agents_the_team() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let ack = say(&mut cast.visitor, &conversation, "read me").await;
    new_message(&mut cast.user, &ack).await;
    let mark = json!({"type": "mark_seen", "conversationId": conversation, "seq": ack["seq"]});
    cast.user.send(mark.clone()).await;
    let reader = cast.user.user_id().to_owned();
    for client in [
        &mut cast.visitor,
        &mut cast.visitor_tab,
        &mut cast.user,
        &mut cast.user_tab,
        &mut cast.watcher,
        &mut cast.agent,
    ] {
        let what = "conversation_seen of the user";
        let seen = client
            .recv_until(what, |message| message["type"] == "conversation_seen" && message["userId"] == reader)
            .await;
        assert_eq!(seen["lastSeenSeq"], ack["seq"], "section 6: {seen}");
        assert_eq!(seen["userType"], "user", "section 4: {seen}");
        crate::support::assert_time(&seen, "seenAt");
    }
    cast.agent.send(mark).await;
    let agent = cast.agent.user_id().to_owned();
    for client in cast.team() {
        client
            .recv_until("conversation_seen of the agent", |message| {
                message["type"] == "conversation_seen" && message["userId"] == agent
            })
            .await;
    }
    let told = move |message: &Value| message["type"] == "conversation_seen" && message["userId"] == agent;
    for client in cast.visitors() {
        client.assert_none("section 5, visitors see marks of users and of themselves", &told).await;
    }
    for client in [&mut cast.stranger, &mut cast.neighbour, &mut cast.foreigner] {
        client.assert_none("section 5, conversation_seen for participants", is("conversation_seen")).await;
    }
}

#[tokio::test]
async fn a_mark_that_only_passes_notes_tells_the_visitor_nothing() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let said = say(&mut cast.user, &conversation, "read me").await;
    let note = say_with(&mut cast.user, &conversation, json!({"visibility": "internal"})).await;
    let reader = cast.watcher.user_id().to_owned();
    let marks = move |message: &Value| message["type"] == "conversation_seen" && message["userId"] == reader;
    cast.watcher.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": said["seq"]})).await;
    for client in cast.visitors() {
        client.recv_until("the mark of the message", &marks).await;
    }
    cast.user.recv_until("the mark of the message", &marks).await;
    cast.watcher.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": note["seq"]})).await;
    let seen = cast.user.recv_until("the mark of the note", &marks).await;
    assert_eq!(seen["lastSeenSeq"], note["seq"], "section 6: {seen}");
    for client in cast.visitors() {
        client.skip_seen();
        client.assert_none("section 5, not even that there is a note", &marks).await;
    }
}

#[tokio::test]
async fn viewing_is_for_the_others_of_the_team() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    cast.user.send(json!({"type": "viewing_start", "conversationId": conversation})).await;
    for client in [&mut cast.watcher, &mut cast.agent] {
        let viewing = event(client, "viewing_indicator", &conversation).await;
        assert_eq!(viewing["isViewing"], true, "section 4: {viewing}");
    }
    cast.assert_no_more("viewing_indicator").await;
}

#[tokio::test]
async fn agent_activity_is_for_the_team_unless_for_all() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let activity = |phase: &str, audience: Option<&str>| {
        let mut message =
            json!({"type": "agent_activity", "conversationId": conversation, "phase": phase, "text": "…"});
        if let Some(audience) = audience {
            message["audience"] = json!(audience);
        }
        message
    };
    cast.agent.send(activity("thinking", None)).await;
    for client in [&mut cast.user, &mut cast.user_tab, &mut cast.watcher] {
        assert_eq!(event(client, "agent_activity", &conversation).await["phase"], "thinking", "section 5");
    }
    cast.assert_no_more("agent_activity").await;
    cast.agent.send(activity("searching", Some("all"))).await;
    for client in [&mut cast.visitor, &mut cast.visitor_tab, &mut cast.user, &mut cast.user_tab, &mut cast.watcher] {
        let told = event(client, "agent_activity", &conversation).await;
        assert_eq!((&told["phase"], &told["text"]), (&json!("searching"), &json!("…")), "section 5: {told}");
    }
    cast.assert_no_more("agent_activity").await;
}

#[tokio::test]
async fn presence_of_visitors_is_never_for_visitors() {
    let mut cast = Cast::new().await;
    let sub = unique("late");
    let mut late = cast.stage.visitor(&sub).await;
    let conversation = unique("conv");
    say(&mut late, &conversation, "hello").await;
    let online = |message: &Value| message["type"] == "visitor_online" && message["visitorId"] == sub;
    for client in [&mut cast.watcher, &mut cast.agent] {
        let told = client.recv_until("visitor_online of a new visitor", online).await;
        assert_eq!(told["conversationId"], conversation, "section 4: {told}");
        client.assert_none("section 4, one copy", online).await;
    }
    late.assert_none("section 5, never to visitors", is("visitor_online")).await;
    for client in [&mut cast.visitor, &mut cast.stranger, &mut cast.neighbour, &mut cast.foreigner, &mut cast.user] {
        client.assert_none("section 5, to website subscribers and those of the conversation", online).await;
    }
}

#[tokio::test]
async fn outsiders_find_nothing() {
    let mut cast = Cast::new().await;
    let conversation = cast.conversation.clone();
    let http = cast.stage.http.clone();
    for client in [&mut cast.stranger, &mut cast.neighbour, &mut cast.foreigner] {
        client.send(json!({"type": "subscribe_conversation", "id": "sub", "conversationId": conversation})).await;
        let refused = client.expect_answer("sub").await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("subscription_error"), &json!("not_found")),
            "section 4, {}: {refused}",
            client.name()
        );
        let answer = try_say(client, &conversation, json!({})).await;
        assert_eq!(answer["code"], "not_found", "section 4, {}: {answer}", client.name());
        for kind in ["typing_start", "typing_stop"] {
            let id = unique("e");
            client.send(json!({"type": kind, "id": id, "conversationId": conversation})).await;
            client.expect_error(&id, "not_found", "section 4, not_found").await;
        }
        let id = unique("e");
        client.send(json!({"type": "mark_seen", "id": id, "conversationId": conversation, "seq": 1})).await;
        client.expect_error(&id, "not_found", "section 4, not_found").await;
    }
    cast.foreigner.send(json!({"type": "subscribe_website", "id": "site", "websiteId": cast.stage.website})).await;
    let refused = cast.foreigner.expect_answer("site").await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("subscription_error"), &json!("not_found")),
        "section 4, another tenant's website: {refused}"
    );
    let abroad = cast.stage.own_organization().await;
    for path in [
        format!("/v1/conversations/{conversation}"),
        format!("/v1/conversations/{conversation}/messages"),
        format!("/v1/websites/{}/conversations", cast.stage.website),
        format!("/v1/websites/{}/conversations?search=hello", cast.stage.website),
        format!("/v1/websites/{}/members", cast.stage.website),
        format!("/v1/visitors/{}", cast.visitor.user_id()),
    ] {
        let there = http.get(&path).bearer(&abroad.user_token("u")).send().await;
        there.expect_problem(404, "not_found", &format!("section 4, {path} for another tenant"));
    }
}

#[tokio::test]
async fn organizations_do_not_share_conversation_ids() {
    let demo = Stage::shared(&SERVER, "");
    let (one, two) = (demo.own_organization().await, demo.own_organization().await);
    let conversation = unique("conv");
    let mut visitors = Vec::new();
    for stage in [&one, &two] {
        let mut visitor = stage.visitor("same-sub").await;
        subscribe(&mut visitor, &conversation).await;
        visitors.push(visitor);
    }
    let ack = say(&mut visitors[0], &conversation, "only here").await;
    new_message(&mut visitors[0], &ack).await;
    let own = say(&mut visitors[1], &conversation, "only there").await;
    new_message(&mut visitors[1], &own).await;
    visitors[1]
        .assert_none("section 3, ids are unique within an organization, every channel carries it", is("new_message"))
        .await;
    visitors[0].assert_none("section 3, every channel carries the organization", is("new_message")).await;
}
