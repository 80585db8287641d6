//! Section 6: whoever comes back by its place finds everything, once and in order.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cossistant_testkit::{OrderChecker, Place, Server, WsClient, unique};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Stage, event, is, new_message, number, options, say, say_with, subscribe, subscribe_website,
    subscribe_with, text,
};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

/// Reads the replay that follows a confirmation and asserts the law of places on it.
async fn replay(client: &mut WsClient, confirmed: &Value, place: Place) -> Vec<Value> {
    let (head, count) = (number(confirmed, "head"), number(confirmed, "replayed"));
    let mut checker = OrderChecker::after(place, head - count);
    let mut events = Vec::new();
    while (events.len() as u64) < count {
        let Some(next) = client.next().await else { panic!("section 6, {count} events follow; only {events:?}") };
        if OrderChecker::is_durable(&next) {
            checker.assert_all(client.name(), [&next]);
            events.push(next);
        }
    }
    assert_eq!(checker.last(), head, "section 6, `replayed` is the count up to `head`: {confirmed}");
    events
}

/// A conversation with `count` messages; the visitor is subscribed no longer than its creation.
async fn filled(stage: &Stage, count: u64) -> (WsClient, String, Vec<Value>) {
    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    let mut acks = Vec::new();
    for at in 0..count {
        acks.push(say(&mut visitor, &conversation, &format!("message {at}")).await);
    }
    (visitor, conversation, acks)
}

#[tokio::test]
async fn after_gives_what_followed() {
    let stage = stage();
    let (_visitor, conversation, acks) = filled(&stage, 6).await;
    let mut user = stage.user(&unique("u")).await;
    let after = number(&acks[2], "seq");
    let confirmed = subscribe_with(&mut user, &conversation, json!({"after": after})).await;
    assert_eq!((&confirmed["recovered"], &confirmed["replayed"]), (&json!(true), &json!(3)), "section 6: {confirmed}");
    assert_eq!(confirmed["head"], acks[5]["seq"], "section 6, head is the newest number: {confirmed}");
    let events = replay(&mut user, &confirmed, Place::Seq).await;
    assert_eq!(events[0]["messageId"], acks[3]["messageId"], "section 6: {events:?}");
    let confirmed =
        subscribe_with(&mut user, &conversation, json!({"after": acks[5]["seq"], "epoch": confirmed["epoch"]})).await;
    assert_eq!(
        (&confirmed["recovered"], &confirmed["replayed"]),
        (&json!(true), &json!(0)),
        "section 6, nothing is missing at head: {confirmed}"
    );
}

#[tokio::test]
async fn last_gives_the_newest_and_after_wins_over_it() {
    let stage = stage();
    let (_visitor, conversation, acks) = filled(&stage, 6).await;
    let mut user = stage.user(&unique("u")).await;
    let confirmed = subscribe_with(&mut user, &conversation, json!({"last": 2})).await;
    assert_eq!(confirmed["replayed"], 2, "section 6, last: {confirmed}");
    let events = replay(&mut user, &confirmed, Place::Seq).await;
    assert_eq!(events[1]["messageId"], acks[5]["messageId"], "section 6: {events:?}");
    let confirmed = subscribe_with(&mut user, &conversation, json!({"last": 1, "after": acks[1]["seq"]})).await;
    assert_eq!(confirmed["replayed"], 4, "section 3, after wins over last: {confirmed}");
    replay(&mut user, &confirmed, Place::Seq).await;
    let confirmed = subscribe_with(&mut user, &conversation, json!({"last": 100})).await;
    assert_eq!(
        (&confirmed["replayed"], &confirmed["recovered"]),
        (&json!(7), &json!(true)),
        "section 6, there are only so many: {confirmed}"
    );
    replay(&mut user, &confirmed, Place::Seq).await;
    let confirmed = subscribe(&mut user, &conversation).await;
    assert_eq!(confirmed["replayed"], 0, "section 6, who asks for nothing gets nothing: {confirmed}");
}

#[tokio::test]
async fn a_second_subscribe_replaces_the_first() {
    let stage = stage();
    let (mut visitor, conversation, _) = filled(&stage, 2).await;
    let mut user = stage.user(&unique("u")).await;
    for _ in 0..3 {
        let confirmed = subscribe_with(&mut user, &conversation, json!({"after": 0})).await;
        assert_eq!(confirmed["replayed"], 3, "section 3, confirmed again, replays as asked: {confirmed}");
        replay(&mut user, &confirmed, Place::Seq).await;
    }
    let ack = say(&mut visitor, &conversation, "live").await;
    new_message(&mut user, &ack).await;
    user.assert_none("section 3, still one copy", is("new_message")).await;
}

#[tokio::test]
async fn a_foreign_epoch_and_a_place_ahead_are_not_recovered() {
    let stage = stage();
    let (mut visitor, conversation, acks) = filled(&stage, 3).await;
    let mut user = stage.user(&unique("u")).await;
    let head = number(&acks[2], "seq");
    let epoch = "another-life";
    for more in [
        json!({"after": 1, "epoch": epoch}),
        json!({"last": 2, "epoch": epoch}),
        json!({"epoch": epoch}),
        json!({"after": head + 1}),
    ] {
        let confirmed = subscribe_with(&mut user, &conversation, more.clone()).await;
        assert_eq!(
            (&confirmed["recovered"], &confirmed["replayed"]),
            (&json!(false), &json!(0)),
            "section 6, {more}: {confirmed}"
        );
        assert_eq!(confirmed["head"], head, "section 6: {confirmed}");
    }
    let ack = say(&mut visitor, &conversation, "live").await;
    let message = new_message(&mut user, &ack).await;
    assert_eq!(message["seq"], head + 1, "section 6, live delivery is in place: {message}");
    user.assert_none("section 6, nothing was replayed", is("new_message")).await;
}

#[tokio::test]
async fn more_than_the_replay_limit_is_not_recovered() {
    let server = options("replay_limit = 10\n").start();
    let stage = Stage::of(&server);
    let (_visitor, conversation, acks) = filled(&stage, 14).await;
    let mut user = stage.user(&unique("u")).await;
    let head = number(&acks[13], "seq");
    for (back, recovered) in [(10, true), (11, false)] {
        let confirmed = subscribe_with(&mut user, &conversation, json!({"after": head - back})).await;
        let expected = if recovered { back } else { 0 };
        assert_eq!(
            (&confirmed["recovered"], &confirmed["replayed"]),
            (&json!(recovered), &json!(expected)),
            "section 6, replay_limit 10: {confirmed}"
        );
        replay(&mut user, &confirmed, Place::Seq).await;
    }
    let confirmed = subscribe_website(&mut user, &stage.website, json!({"after": 0})).await;
    assert_eq!(
        (&confirmed["recovered"], &confirmed["replayed"]),
        (&json!(false), &json!(0)),
        "section 6, of a website too: {confirmed}"
    );
}

#[tokio::test]
async fn a_website_is_resumed_by_offset() {
    let stage = stage().own_website().await;
    let mut user = stage.user(&unique("u")).await;
    let start = number(&subscribe_website(&mut user, &stage.website, json!({})).await, "head");
    let (mut visitor, conversation, _) = filled(&stage, 3).await;
    let (_other, second, _) = filled(&stage, 2).await;
    stage.patch_conversation(&conversation, json!({"status": "pending"})).await;
    say_with(&mut user, &second, json!({"visibility": "internal"})).await;
    stage.patch_conversation(&second, json!({"assignedTeamMemberId": user.user_id()})).await;
    let last = say(&mut visitor, &conversation, "last").await;
    new_message(&mut user, &last).await;
    let live: Vec<Value> = user.seen().iter().filter(|message| OrderChecker::is_durable(message)).cloned().collect();
    OrderChecker::after(Place::Offset, start).assert_all("live reader of a website", &live);
    let mut late = stage.user(&unique("u")).await;
    let confirmed = subscribe_website(&mut late, &stage.website, json!({"after": start})).await;
    assert_eq!(confirmed["recovered"], true, "section 6: {confirmed}");
    let events = replay(&mut late, &confirmed, Place::Offset).await;
    // The sender's own key is on its own events alone; all else is one truth.
    let places = |events: &[Value]| -> Vec<(Value, Value, Value)> {
        events.iter().map(|event| (event["type"].clone(), event["offset"].clone(), event["seq"].clone())).collect()
    };
    assert_eq!(places(&events), places(&live), "section 6, a replay equals what was live");
    let confirmed = subscribe_website(&mut late, &stage.website, json!({"after": 1_000_000})).await;
    assert_eq!(
        (&confirmed["recovered"], &confirmed["replayed"]),
        (&json!(false), &json!(0)),
        "section 6, ahead of head: {confirmed}"
    );
}

#[tokio::test]
async fn edited_and_deleted_messages_are_replayed_as_they_are_now() {
    let stage = stage();
    let (mut visitor, conversation, acks) = filled(&stage, 3).await;
    let mut user = stage.user_in(&conversation).await;
    subscribe(&mut visitor, &conversation).await;
    let token = stage.visitor_token(visitor.user_id());
    let path = |at: usize| format!("/v1/conversations/{conversation}/messages/{}", text(&acks[at], "messageId"));
    let edit = stage.http.patch(&path(0), json!({"content": {"text": "edited"}})).bearer(&token).send().await;
    assert_eq!(edit.status, 200, "section 8, a visitor edits within 5 min: {edit:?}");
    let gone = stage.http.delete(&path(1)).bearer(&token).send().await;
    assert!([200, 204].contains(&gone.status), "section 8, a visitor deletes within 5 min: {gone:?}");
    for client in [&mut visitor, &mut user] {
        let edited = event(client, "message_updated", &conversation).await;
        assert_eq!(
            (&edited["messageId"], &edited["content"]["text"], &edited["deleted"]),
            (&acks[0]["messageId"], &json!("edited"), &json!(false)),
            "section 4: {edited}"
        );
        let deleted = event(client, "message_updated", &conversation).await;
        assert_eq!(
            (&deleted["messageId"], &deleted["content"], &deleted["deleted"]),
            (&acks[1]["messageId"], &Value::Null, &json!(true)),
            "section 4: {deleted}"
        );
        assert_eq!(number(&deleted, "seq"), number(&edited, "seq") + 1, "section 6, at its own place");
    }
    let mut late = stage.visitor(visitor.user_id()).await;
    let confirmed = subscribe_with(&mut late, &conversation, json!({"after": 0})).await;
    let events = replay(&mut late, &confirmed, Place::Seq).await;
    assert_eq!(events.len(), 6, "section 6, created, three messages, two updates: {events:?}");
    assert_eq!(
        events[1]["content"]["text"], "edited",
        "section 6, a replayed message carries the newest content: {}",
        events[1]
    );
    assert_eq!(
        (&events[2]["content"], &events[2]["deleted"]),
        (&Value::Null, &json!(true)),
        "section 6, null once deleted: {}",
        events[2]
    );
    assert_eq!(events[4]["type"], "message_updated", "section 6, the update follows at its own place: {}", events[4]);
    assert!(
        !events.iter().any(|event| event.to_string().contains("message 1")),
        "section 6, what is deleted is gone: {events:?}"
    );
}

#[tokio::test]
async fn a_key_of_a_deleted_message_still_answers() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let message = json!({"id": unique("key"), "content": {"text": "regretted"}});
    let ack = say_with(&mut visitor, &conversation, message.clone()).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", text(&ack, "messageId"));
    let gone = stage.http.delete(&path).bearer(&stage.visitor_token(visitor.user_id())).send().await;
    assert!([200, 204].contains(&gone.status), "section 8: {gone:?}");
    let again = say_with(&mut visitor, &conversation, message).await;
    assert_eq!(
        (&again["duplicate"], &again["messageId"]),
        (&json!(true), &ack["messageId"]),
        "section 3, at any later time: {again}"
    );
}

const SENDERS: usize = 4;
const READERS: usize = 4;
const SUBSCRIPTIONS: usize = 200;
/// How many live events each subscription waits for behind its replay.
const LIVE: u64 = 6;

/// 200 subscriptions, each somewhere in the middle of what four senders write at that moment.
#[tokio::test]
async fn subscribing_among_live_senders_loses_and_doubles_nothing() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let newest = AtomicU64::new(number(&say(&mut visitor, &conversation, "first").await, "seq"));
    let done = AtomicBool::new(false);
    let senders = (0..SENDERS).map(|_| async {
        let mut sender = stage.user(&unique("sender")).await;
        while !done.load(Ordering::Relaxed) {
            let ack = say(&mut sender, &conversation, "burst").await;
            newest.fetch_max(number(&ack, "seq"), Ordering::Relaxed);
        }
    });
    let readers = async {
        let all = (0..READERS).map(|reader| read_again_and_again(&stage, &conversation, &newest, reader));
        futures_util::future::join_all(all).await;
        done.store(true, Ordering::Relaxed);
    };
    let both = futures_util::future::join(futures_util::future::join_all(senders), readers);
    tokio::time::timeout(PATIENCE * 12, both).await.expect("section 6, every subscription gets its events");
}

async fn read_again_and_again(stage: &Stage, conversation: &str, newest: &AtomicU64, reader: usize) {
    let mut client = stage.user(&unique("reader")).await;
    for round in 0..SUBSCRIPTIONS / READERS {
        // From far behind, from just behind, and from the very place that was acked last.
        let back = [40, 3, 0, 1][(round + reader) % 4];
        let after = newest.load(Ordering::Relaxed).saturating_sub(back);
        client.skip_seen();
        let confirmed = subscribe_with(&mut client, conversation, json!({"after": after})).await;
        assert_eq!(confirmed["recovered"], true, "section 6, nothing is missing: {confirmed}");
        assert_eq!(number(&confirmed, "replayed"), number(&confirmed, "head") - after, "section 6: {confirmed}");
        let mut checker = OrderChecker::after(Place::Seq, after);
        while checker.last() < number(&confirmed, "head") + LIVE {
            let Some(next) = client.next().await else {
                panic!("section 6, live events follow the replay: {client:?}")
            };
            checker.assert_all(client.name(), [&next]);
        }
        let id = unique("un");
        client.send(json!({"type": "unsubscribe_conversation", "id": id, "conversationId": conversation})).await;
        client.expect_answer(&id).await;
    }
}

#[tokio::test]
async fn a_holder_of_both_channels_gets_one_copy_of_live_events() {
    let stage = stage().own_website().await;
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let confirmed = subscribe_website(&mut user, &stage.website, json!({})).await;
    let mut checker = OrderChecker::after(Place::Offset, number(&confirmed, "head"));
    let mut last = Value::Null;
    for at in 0..20 {
        last = say(&mut visitor, &conversation, &format!("{at}")).await;
    }
    while checker.messages() < 20 {
        let next = user.next().await.expect("section 6, every event comes");
        checker.assert_all("a holder of both", [&next]);
    }
    assert_eq!(checker.messages(), 20, "section 5, one copy");
    user.assert_none("section 5, one copy", is("new_message")).await;
    // With one of the two gone, the other still delivers.
    user.send(json!({"type": "unsubscribe_conversation", "id": "un", "conversationId": conversation})).await;
    user.expect_answer("un").await;
    let ack = say(&mut visitor, &conversation, "by the website").await;
    new_message(&mut user, &ack).await;
    assert!(number(&ack, "seq") > number(&last, "seq"), "section 6");
}

/// The state of a confirmation plus the events behind it equals a fresh confirmation.
#[tokio::test]
async fn the_state_of_a_confirmation_is_as_of_its_head() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    let mut events: Vec<Value> = Vec::new();
    stage.patch_conversation(&conversation, json!({"status": "pending", "assignedTeamMemberId": "member-1"})).await;
    let ack = say(&mut visitor, &conversation, "hello").await;
    user.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": ack["seq"]})).await;
    events.push(event(&mut user, "conversation_status_changed", &conversation).await);
    events.push(event(&mut user, "conversation_assigned", &conversation).await);
    event(&mut user, "conversation_seen", &conversation).await;
    let newest = new_message(&mut user, &ack).await;
    let mut late = stage.user(&unique("u")).await;
    let confirmed = subscribe(&mut late, &conversation).await;
    assert_eq!(confirmed["head"], newest["seq"], "section 6: {confirmed}");
    assert_eq!(confirmed["status"], events[0]["status"], "section 6: {confirmed}");
    assert_eq!(confirmed["assignedTeamMemberId"], events[1]["assignedTeamMemberId"], "section 6: {confirmed}");
    assert_eq!(confirmed["visitorId"], visitor.user_id(), "section 4: {confirmed}");
    let seen = confirmed["seen"].as_array().and_then(|seen| seen.iter().find(|mark| mark["userId"] == user.user_id()));
    assert_eq!(seen.map(|mark| &mark["lastSeenSeq"]), Some(&ack["seq"]), "section 6: {confirmed}");
    assert_eq!(confirmed["online"], true, "section 4, to the team, the visitor is online: {confirmed}");
}

/// A user of all websites of the organization.
async fn user_of_all(stage: &Stage) -> WsClient {
    let token = stage.claims("user", &unique("user")).websites(&["*"]).sign();
    stage.join(&token, "a user of all websites").await
}

#[track_caller]
fn assert_lost(confirmed: &Value, what: &str) {
    assert_eq!(
        (&confirmed["recovered"], &confirmed["replayed"]),
        (&json!(false), &json!(0)),
        "section 6, {what} is missing: {confirmed}"
    );
}

#[tokio::test]
async fn a_conversation_that_comes_again_is_not_taken_for_the_one_before() {
    let first = stage().own_organization().await;
    let second = first.own_website().await;
    let conversation = unique("conv");
    let mut visitor = first.visitor("vera").await;
    for at in 0..3 {
        say(&mut visitor, &conversation, &at.to_string()).await;
    }
    let mut user = user_of_all(&first).await;
    say_with(&mut user, &conversation, json!({"visibility": "internal"})).await;
    let old = subscribe(&mut user, &conversation).await;
    let deleted = first.http.delete(&format!("/v1/websites/{}", first.website)).bearer(&first.admin_key).send().await;
    assert_eq!(deleted.status, 204, "section 8, DELETE: {deleted:?}");
    user.recv_until("section 5, revoked", |message| message["reason"] == "revoked").await;

    // The same id on another website, with as many events as the old one had, and then more.
    let mut visitor = second.visitor("vera").await;
    let (mut user, mut newest) = (user_of_all(&second).await, 0);
    for at in 0..8 {
        newest = number(&say(&mut visitor, &conversation, &at.to_string()).await, "seq");
        let places = json!({"after": old["head"], "epoch": old["epoch"]});
        assert_lost(&subscribe_with(&mut user, &conversation, places).await, "what the old one was");
    }
    assert_lost(&subscribe_with(&mut user, &conversation, json!({"after": 0})).await, "a place before all");
    let mut late = user_of_all(&second).await;
    let confirmed = subscribe_with(&mut late, &conversation, json!({"last": 100})).await;
    assert_eq!(confirmed["recovered"], true, "section 6, nothing is missing: {confirmed}");
    let events = replay(&mut late, &confirmed, Place::Seq).await;
    assert_eq!(events.len(), 9, "section 6, its beginning and 8 messages: {events:?}");
    let live = say(&mut visitor, &conversation, "live").await;
    new_message(&mut late, &live).await;
    let again = json!({"after": newest, "epoch": confirmed["epoch"]});
    let resumed = subscribe_with(&mut visitor, &conversation, again).await;
    assert_eq!(
        (&resumed["recovered"], &resumed["replayed"]),
        (&json!(true), &json!(1)),
        "section 6, places of its own are resumed: {resumed}"
    );
}

#[tokio::test]
async fn a_website_that_comes_again_is_not_taken_for_the_one_before() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "before").await;
    let mut user = stage.user("uma").await;
    let old = subscribe_website(&mut user, &stage.website, json!({})).await;
    let path = format!("/v1/websites/{}", stage.website);
    let deleted = stage.http.delete(&path).bearer(&stage.admin_key).send().await;
    assert_eq!(deleted.status, 204, "section 8, DELETE: {deleted:?}");
    // The demo website is there at every start.
    server.restart();
    let stage = Stage::of(&server);
    let mut user = stage.user("uma").await;
    let places = || json!({"after": old["head"], "epoch": old["epoch"]});
    assert_lost(&subscribe_website(&mut user, &stage.website, places()).await, "what the old one was");
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    for _ in 0..3 {
        say(&mut visitor, &conversation, "after").await;
        assert_lost(&subscribe_website(&mut user, &stage.website, places()).await, "what the old one was");
    }
    let now = subscribe_website(&mut user, &stage.website, json!({})).await;
    assert_eq!(now["epoch"], old["epoch"], "section 6, the store is the same: {now}");
    say(&mut visitor, &conversation, "more").await;
    let resumed =
        subscribe_website(&mut user, &stage.website, json!({"after": now["head"], "epoch": now["epoch"]})).await;
    assert_eq!(
        (&resumed["recovered"], &resumed["replayed"]),
        (&json!(true), &json!(1)),
        "section 6, places of its own are resumed: {resumed}"
    );
}
