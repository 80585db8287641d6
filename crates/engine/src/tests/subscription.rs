//! Behaviours 8 to 10: subscriptions and what comes by them.

use super::rig::*;
use crate::{EnvelopeKind, Frame, Input, Output, SubscriptionState};

// 8. Subscriptions are wishes.

#[test]
fn b08_wishes_are_held_counted_and_sent_once() {
    let mut rig = Rig::new(plain());
    for holder in [1, 1, 2] {
        rig.subscribe(conversation("c"), holder);
    }
    rig.input(Input::Connect);
    rig.establish();
    assert_eq!(rig.frames().len(), 1);
    rig.confirm(&conversation("c"), 5, true);
    rig.take();
    let channel = conversation("c");
    rig.input(Input::Unsubscribe { channel: channel.clone(), holder: 1 });
    assert_eq!(rig.take(), []);
    rig.input(Input::Unsubscribe { channel, holder: 2 });
    assert!(matches!(rig.frames()[..], [Frame::Unsubscribe { .. }]));
    assert_eq!(rig.engine.subscriptions().count(), 0);
}

#[test]
fn b08_after_a_reconnect_each_resumes_before_anything_else_is_sent() {
    let mut rig = Rig::connected(plain());
    rig.subscribe(website("w"), 1);
    rig.subscribe(conversation("c"), 1);
    rig.confirm(&website("w"), 40, true);
    rig.confirm(&conversation("c"), 5, true);
    rig.event("c", 6, Some(41));
    rig.close(1006);
    rig.send("m1", "c");
    rig.pass(1_000);
    rig.take();
    rig.establish();
    rig.typed("x");
    let resumed: Vec<_> = rig
        .frames()
        .into_iter()
        .take(2)
        .map(|frame| match frame {
            Frame::Subscribe { channel, after, epoch, .. } => (channel, after, epoch),
            other => panic!("{other:?}"),
        })
        .collect();
    let epoch = Some(String::from("e"));
    assert_eq!(resumed, [(conversation("c"), Some(6), epoch.clone()), (website("w"), Some(41), epoch)]);
    assert_eq!(rig.sent().len(), 0);
    rig.confirm(&conversation("c"), 6, true);
    assert_eq!(rig.sent().len(), 0);
    rig.confirm(&website("w"), 41, true);
    assert_eq!(rig.sent(), ["m1"]);
}

#[test]
fn b08_a_wish_made_on_the_way_holds_no_message_up() {
    let mut rig = Rig::connected(plain());
    rig.subscribe(conversation("c"), 1);
    rig.send("m1", "c");
    assert_eq!(rig.sent(), ["m1"]);
}

// 9. Refusals.

#[test]
fn b09_a_refused_channel_is_not_asked_for_again() {
    let mut rig = Rig::connected(plain());
    let channel = conversation("c");
    rig.subscribe(channel.clone(), 1);
    rig.refuse_channel(&channel, "not_found", None);
    let state = SubscriptionState::Refused(String::from("not_found"));
    assert_eq!(rig.state_of(&channel), Some(state));
    rig.take();
    rig.pass(50_000);
    rig.close(1006);
    rig.pass(1_000);
    rig.establish();
    let asked = |rig: &Rig| {
        let is_asking = |frame: &&Frame<&str>| matches!(frame, Frame::Subscribe { .. });
        rig.frames().iter().filter(is_asking).count()
    };
    assert_eq!(asked(&rig), 0);
    rig.subscribe(channel, 2);
    assert_eq!(asked(&rig), 1, "the application may ask");
}

#[test]
fn b09_a_channel_that_was_put_off_is_asked_for_when_the_server_said() {
    let mut rig = Rig::connected(plain());
    let channel = conversation("c");
    rig.subscribe(channel.clone(), 1);
    rig.refuse_channel(&channel, "unavailable", Some(800));
    assert_eq!(rig.state_of(&channel), Some(SubscriptionState::Unavailable));
    rig.take();
    rig.pass(799);
    assert_eq!(rig.frames(), []);
    rig.pass(1);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn b09_a_revoked_channel_is_told_and_left() {
    let mut rig = Rig::connected(plain());
    let channel = conversation("c");
    rig.subscribe(channel.clone(), 1);
    rig.confirm(&channel, 1, true);
    let reason = Some(String::from("revoked"));
    rig.receive(None, EnvelopeKind::SubscriptionEnded { channel: channel.clone(), reason });
    let state = SubscriptionState::Refused(String::from("revoked"));
    assert_eq!(rig.state_of(&channel), Some(state));
}

// 10. In order and once.

#[test]
fn b10_what_both_channels_bring_is_delivered_once() {
    let mut rig = Rig::with_both();
    rig.event("c", 6, Some(41));
    rig.event("c", 6, Some(41));
    rig.event("d", 9, Some(42));
    rig.event("d", 9, Some(42));
    assert_eq!(rig.delivered(), 2);
    assert_eq!(rig.engine.stats().duplicates, 2);
}

#[test]
fn b10_replays_of_both_channels_overlap_without_doubles_or_false_alarm() {
    let mut rig = Rig::with_both();
    rig.event("d", 1, Some(41));
    rig.reconnect();
    rig.confirm(&conversation("c"), 7, true);
    rig.take();
    rig.event("c", 6, Some(43));
    rig.event("c", 7, Some(45));
    rig.confirm(&website("w"), 45, true);
    rig.take();
    rig.event("d", 2, Some(42));
    rig.event("c", 6, Some(43));
    rig.event("d", 3, Some(44));
    rig.event("c", 7, Some(45));
    rig.event("d", 4, Some(46));
    assert_eq!(rig.delivered(), 3);
    assert!(!rig.has_lost());
}

#[test]
fn b10_a_replay_brings_old_offsets_that_are_no_order_of_the_website() {
    let mut rig = Rig::with_both();
    rig.close(1006);
    rig.pass(1_000);
    rig.establish();
    rig.confirm(&website("w"), 2_000, false);
    rig.confirm(&conversation("c"), 8, true);
    rig.take();
    for (seq, offset) in [(6, 60), (7, 900), (8, 1_999)] {
        rig.event("c", seq, Some(offset));
    }
    rig.event("d", 77, Some(2_001));
    assert_eq!(rig.delivered(), 4);
    assert!(!rig.has_lost());
}

#[test]
fn b10_a_jump_in_a_conversation_is_a_loss() {
    let mut rig = Rig::with_both();
    rig.event("c", 7, None);
    assert_eq!(rig.delivered(), 0);
    assert!(rig.has_lost());
    rig.pass(1_000);
    rig.establish();
    rig.confirm(&conversation("c"), 7, true);
    rig.take();
    rig.event("c", 6, None);
    rig.event("c", 7, None);
    assert_eq!(rig.delivered(), 2);
}

#[test]
fn b10_a_jump_in_a_website_is_a_loss() {
    let mut rig = Rig::with_both();
    rig.event("d", 1, Some(42));
    assert!(rig.has_lost());
    assert_eq!(rig.delivered(), 0);
}

#[test]
fn b10_a_hole_that_a_reconnect_cannot_fill_is_told_once() {
    let mut rig = Rig::with_both();
    rig.event("c", 8, None);
    rig.pass(1_000);
    rig.establish();
    rig.confirm(&conversation("c"), 8, true);
    rig.take();
    rig.event("c", 8, None);
    let told = [Output::Resync(conversation("c")), Output::Deliver(0)];
    assert_eq!(rig.take(), told);
    rig.event("c", 9, None);
    assert_eq!(rig.take(), [Output::Deliver(0)]);
}

#[test]
fn b10_a_visitor_has_no_offsets() {
    let mut rig = Rig::connected(plain());
    rig.subscribe(conversation("c"), 1);
    rig.confirm(&conversation("c"), 0, true);
    rig.take();
    for seq in [1, 2, 2, 3] {
        rig.event("c", seq, None);
    }
    assert_eq!(rig.delivered(), 3);
}

#[test]
fn b10_what_was_not_recovered_is_told_and_goes_on_at_the_head() {
    let mut rig = Rig::with_both();
    rig.reconnect();
    rig.take();
    rig.confirm(&conversation("c"), 5_000, false);
    assert!(rig.has(&Output::Resync(conversation("c"))));
    rig.take();
    rig.event("c", 5_001, None);
    assert_eq!(rig.delivered(), 1);
}

#[test]
fn b10_in_another_life_of_the_store_places_mean_nothing() {
    let mut rig = Rig::with_both();
    rig.event("c", 6, Some(41));
    rig.event("d", 9, Some(42));
    rig.reconnect();
    for channel in [conversation("c"), website("w")] {
        rig.receive(
            None,
            EnvelopeKind::SubscriptionConfirmed { channel, epoch: String::from("other"), head: 3, recovered: false },
        );
    }
    rig.take();
    rig.event("c", 4, Some(4));
    rig.event("d", 2, Some(5));
    assert_eq!(rig.delivered(), 2);
}
