//! Behaviours 11 to 15: what goes out, and how frames and outputs are handed over.

use super::rig::*;
use crate::{
    Config, ConnectionState, Engine, EnvelopeKind, Failure, Frame, Input, Output, SubscriptionState, TokenOutcome,
};

// 11. The outbox is bounded and keeps order.

#[test]
fn b11_one_message_of_a_conversation_is_under_way() {
    let mut rig = Rig::connected(plain());
    for (id, conversation) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        rig.send(id, conversation);
    }
    assert_eq!(rig.sent(), ["a1", "b1"]);
    rig.ack("a1");
    assert_eq!(rig.sent(), ["a1", "b1", "a2"]);
    assert!(rig.has(&Output::MessageAcked { id: String::from("a1") }));
}

#[test]
fn b11_a_full_queue_refuses_the_next_one() {
    let mut rig = Rig::new(Config { max_queue_size: 2, ..plain() });
    for id in ["m1", "m2", "m3"] {
        rig.send(id, "c");
    }
    rig.send("m1", "c");
    let failed = |id: &str, failure| Output::MessageFailed { id: String::from(id), failure };
    let refused = [failed("m3", Failure::QueueFull), failed("m1", Failure::DuplicateId)];
    assert_eq!(rig.take(), refused);
    assert_eq!(rig.engine.queued_message_count(), 2);
}

#[test]
fn b11_only_messages_are_queued() {
    let mut rig = Rig::new(plain());
    rig.typed("x");
    rig.input(Input::Pass { payload: "seen" });
    rig.input(Input::Ping { id: String::from("p") });
    rig.input(Input::Connect);
    rig.establish();
    assert_eq!(rig.frames(), []);
    assert!(rig.has(&Output::PingFailed { id: String::from("p") }));
}

#[test]
fn b11_without_a_queue_a_message_needs_a_connection() {
    let mut rig = Rig::new(Config { enable_message_queue: false, ..plain() });
    let failed = |id: &str| Output::MessageFailed { id: String::from(id), failure: Failure::NotConnected };
    rig.send("m1", "c");
    assert!(rig.has(&failed("m1")));
    rig.input(Input::Connect);
    rig.establish();
    rig.send("m2", "c");
    assert_eq!(rig.sent(), ["m2"]);
    rig.close(1006);
    assert!(rig.has(&failed("m2")));
    assert_eq!(rig.engine.queued_message_count(), 0);
}

// 12. Until an ack or a permanent error.

#[test]
fn b12_what_was_not_answered_goes_again_with_the_same_id() {
    let mut rig = Rig::connected(plain());
    rig.send("m1", "c");
    rig.send("m2", "c");
    rig.reconnect();
    assert_eq!(rig.sent(), ["m1", "m1"]);
    rig.ack("m1");
    rig.ack("m1");
    assert_eq!(rig.sent(), ["m1", "m1", "m2"]);
    let acked = |output: &Out| matches!(output, Output::MessageAcked { .. });
    assert_eq!(rig.count(acked), 1);
}

#[test]
fn b12_transient_errors_wait_as_the_server_says() {
    for code in ["unavailable", "rate_limited", "internal"] {
        let mut rig = Rig::connected(plain());
        rig.send("m1", "c");
        rig.refuse("m1", code, Some(2_500));
        rig.pass(2_499);
        assert_eq!(rig.sent().len(), 1);
        rig.pass(1);
        assert_eq!(rig.sent().len(), 2);
        rig.refuse("m1", code, None);
        rig.pass(1_499);
        assert_eq!(rig.sent().len(), 2);
        rig.pass(1);
        assert_eq!(rig.sent().len(), 3);
    }
}

#[test]
fn b12_every_other_code_fails_at_once() {
    for code in ["conflict", "forbidden", "not_found", "never_heard_of"] {
        let mut rig = Rig::connected(plain());
        rig.send("m1", "c");
        rig.send("m2", "c");
        rig.refuse("m1", code, None);
        assert!(
            rig.has(&Output::MessageFailed { id: String::from("m1"), failure: Failure::Refused(String::from(code)) })
        );
        assert_eq!(rig.sent(), ["m1", "m2"]);
    }
}

#[test]
fn b12_an_unauthorized_message_waits_for_a_token() {
    let mut rig = Rig::new(with_tokens());
    rig.input(Input::Connect);
    rig.token(TokenOutcome::Ready);
    rig.establish();
    rig.take();
    rig.send("m1", "c");
    rig.refuse("m1", "token_expired", None);
    rig.pass(5_000);
    assert_eq!(rig.sent().len(), 1);
    rig.token(TokenOutcome::Ready);
    assert_eq!(rig.sent().len(), 1);
    rig.receive(None, EnvelopeKind::Authenticated);
    assert_eq!(rig.sent().len(), 2);
}

#[test]
fn b12_a_late_answer_probes_the_link_and_the_message_goes_again() {
    let mut rig = Rig::connected(plain());
    rig.send("m1", "c");
    rig.pass(10_000);
    assert_eq!(rig.sent(), ["m1", "m1"]);
    assert_eq!(rig.pings(), 1);
    rig.pass(2_000);
    assert!(matches!(rig.engine.state(), ConnectionState::Waiting { .. }));
    assert_eq!(rig.engine.queued_message_count(), 1);
}

#[test]
fn b12_only_age_ends_an_unanswered_message() {
    let mut rig = Rig::new(Config { max_queue_age: 60_000, ..plain() });
    rig.input(Input::Send { id: String::from("old"), conversation: String::from("c"), payload: "text", age: 50_000 });
    rig.send("new", "c");
    rig.pass(9_999);
    assert_eq!(rig.take(), []);
    rig.pass(1);
    let failure = Failure::TooOld;
    let id = String::from("old");
    assert_eq!(rig.take(), [Output::MessageFailed { id, failure }]);
    assert_eq!(rig.engine.queued_message_count(), 1);
}

#[test]
fn b12_a_subscription_is_asked_for_once_more_and_then_told_unavailable() {
    let mut rig = Rig::connected(plain());
    let channel = conversation("c");
    rig.subscribe(channel.clone(), 1);
    let keep_alive = |rig: &mut Rig| {
        rig.pass(9_000);
        rig.receive(None, EnvelopeKind::Ephemeral);
        rig.pass(1_000);
        rig.pong();
    };
    keep_alive(&mut rig);
    assert_eq!(rig.state_of(&channel), Some(SubscriptionState::Pending));
    keep_alive(&mut rig);
    assert_eq!(rig.state_of(&channel), Some(SubscriptionState::Unavailable));
    let ids: Vec<_> = rig
        .frames()
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Subscribe { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    rig.receive(
        Some(&ids[0]),
        EnvelopeKind::SubscriptionConfirmed {
            channel: channel.clone(),
            epoch: String::from("e"),
            head: 3,
            recovered: true,
        },
    );
    assert_eq!(rig.state_of(&channel), Some(SubscriptionState::Confirmed), "late is not never");
}

#[test]
fn b12_a_ping_is_answered_or_fails() {
    let mut rig = Rig::connected(plain());
    let id = || String::from("p");
    rig.input(Input::Ping { id: id() });
    rig.pass(80);
    rig.receive(Some("p"), EnvelopeKind::Pong);
    assert!(rig.has(&Output::Pong { id: id(), latency: 80 }));
    rig.input(Input::Ping { id: id() });
    rig.pass(10_000);
    assert!(rig.has(&Output::PingFailed { id: id() }));
}

// 13. Typing.

fn start() -> Frame<&'static str> {
    Frame::TypingStart { conversation: String::from("c") }
}

fn stop() -> Frame<&'static str> {
    Frame::TypingStop { conversation: String::from("c") }
}

fn progress(text: &str) -> Frame<&'static str> {
    Frame::TypingProgress { conversation: String::from("c"), text: String::from(text) }
}

#[test]
fn b13_the_first_change_goes_at_once_and_the_last_is_never_lost() {
    let mut rig = Rig::connected(plain());
    for text in ["h", "he", "hel", "hell", "hello"] {
        rig.typed(text);
        rig.pass(10);
    }
    assert_eq!(rig.frames(), [start(), progress("h")]);
    rig.pass(50);
    assert_eq!(rig.frames().last(), Some(&progress("hello")));
    rig.pass(1_000);
    assert_eq!(rig.frames().len(), 3);
}

#[test]
fn b13_an_emptied_input_is_sent_and_the_same_text_is_not() {
    let mut rig = Rig::connected(plain());
    rig.typed("h");
    rig.pass(200);
    rig.typed("h");
    rig.pass(200);
    rig.typed("");
    assert_eq!(rig.frames(), [start(), progress("h"), progress("")]);
    rig.typed("x");
    rig.typed("");
    rig.pass(200);
    assert_eq!(rig.frames().len(), 3, "typed and taken back within the throttle");
}

#[test]
fn b13_typing_stops_when_nothing_changes_on_blur_and_on_send() {
    let mut rig = Rig::connected(plain());
    rig.typed("h");
    rig.pass(2_999);
    assert_eq!(rig.frames().len(), 2);
    rig.pass(1);
    assert_eq!(rig.frames().last(), Some(&stop()));

    rig.take();
    rig.typed("he");
    rig.typed("hel");
    rig.input(Input::TypingStop { conversation: String::from("c") });
    let flushed = [start(), progress("he"), progress("hel"), stop()];
    assert_eq!(rig.frames(), flushed);

    rig.pass(200);
    rig.take();
    rig.typed("hell");
    rig.typed("hello");
    rig.send("m1", "c");
    let before: Vec<_> = rig.frames().into_iter().take(3).collect();
    assert_eq!(before, [start(), progress("hell"), stop()]);
    assert_eq!(rig.sent(), ["m1"]);
    rig.pass(5_000);
    assert_eq!(rig.frames().len(), 4);
}

#[test]
fn b13_conversations_are_throttled_apart_and_a_start_is_repeated() {
    let mut rig = Rig::connected(plain());
    rig.typed("h");
    rig.input(Input::TypingProgress { conversation: String::from("d"), text: String::from("h") });
    assert_eq!(rig.frames().len(), 4);
    rig.take();
    let starting = || Input::TypingStart { conversation: String::from("e") };
    for _ in 0..7 {
        rig.input(starting());
        rig.pass(1_000);
    }
    let of_e = Frame::TypingStart { conversation: String::from("e") };
    let starts = rig.frames().iter().filter(|frame| **frame == of_e).count();
    assert_eq!(starts, 3);
}

#[test]
fn b13_the_server_may_ask_for_a_longer_throttle() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    rig.input(Input::Opened { generation: 1 });
    rig.receive(None, EnvelopeKind::ConnectionEstablished { heartbeat_interval: None, typing_interval: Some(1_000) });
    rig.typed("a");
    rig.typed("b");
    rig.pass(999);
    assert_eq!(rig.frames().last(), Some(&progress("a")));
    rig.pass(1);
    assert_eq!(rig.frames().last(), Some(&progress("b")));
}

// 14. Inbound frames.

#[test]
fn b14_invalid_frames_are_counted_and_unknown_ones_delivered() {
    let mut rig = Rig::connected(plain());
    let generation = rig.generation();
    rig.input(Input::Invalid { generation });
    assert_eq!(rig.take(), []);
    rig.receive(None, EnvelopeKind::Unknown);
    assert_eq!(rig.take(), [Output::Deliver(0)]);
    let stats = rig.engine.stats();
    assert_eq!((stats.messages_invalid, stats.messages_received), (1, 3));
}

// 15. What a handler does happens between inputs: it cannot disturb the engine, which hands out outputs one by one.

#[test]
fn b15_outputs_that_are_not_taken_are_kept_in_order() {
    let mut engine: Engine<&str, u32> = Engine::new(plain(), 1);
    engine.handle_input(Input::Connect, 0);
    assert_eq!(engine.poll_output(), Some(Output::StateChanged(ConnectionState::Connecting)));
    engine.handle_input(Input::Disconnect, 1);
    assert_eq!(engine.poll_output(), Some(Output::Dial { generation: 1 }));
    let code = 1_000;
    let generation = 1;
    assert_eq!(engine.poll_output(), Some(Output::CloseSocket { generation, code }));
    assert_eq!(engine.poll_output(), Some(Output::StateChanged(ConnectionState::Disconnected)));
    assert_eq!(engine.poll_output(), None);
}
