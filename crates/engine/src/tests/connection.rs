//! Behaviours 1 to 7: the connection.

use super::rig::*;
use crate::{
    CloseAction, Config, ConnectionState, Engine, Envelope, EnvelopeKind, Frame, Input, Output, StopReason,
    TokenOutcome, Trouble, close_action,
};

// 1. A connection owns its timers and callbacks by generation.

#[test]
fn b01_a_replaced_socket_changes_nothing() {
    let mut rig = Rig::connected(plain());
    rig.close(1006);
    rig.pass(1_000);
    let old = rig.generation() - 1;
    rig.establish();
    rig.take();
    rig.input(Input::Closed { generation: old, code: 4403, reason: String::new() });
    rig.input(Input::Opened { generation: old });
    rig.input(Input::DialFailed { generation: old });
    rig.input(Input::Inbound {
        generation: old,
        envelope: Envelope { id: None, kind: EnvelopeKind::Unknown },
        message: 9,
    });
    assert_eq!(rig.take(), []);
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
}

#[test]
fn b01_a_socket_that_opens_after_its_time_is_not_used() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    let late = rig.generation();
    rig.pass(10_000);
    assert!(rig.has(&Output::CloseSocket { generation: late, code: 4_000 }));
    rig.take();
    rig.input(Input::Opened { generation: late });
    assert_eq!(rig.take(), []);
}

// 2. `disconnect()` stays disconnected; mounting twice makes one socket.

#[test]
fn b02_disconnected_on_purpose_stays_so() {
    let mut rig = Rig::connected(plain());
    rig.input(Input::Disconnect);
    assert!(rig.has(&Output::StateChanged(ConnectionState::Disconnected)));
    rig.take();
    for input in [Input::Online, Input::Visible, Input::PageHide, Input::PageShow] {
        rig.input(input);
    }
    rig.pass(1_000_000);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.engine.poll_timeout(), None);
}

#[test]
fn b02_no_clock_however_broken_undoes_that() {
    let mut rig = Rig::connected(plain());
    rig.input(Input::Disconnect);
    rig.take();
    rig.now = u64::MAX;
    rig.input(Input::Tick);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.engine.poll_timeout(), None);
}

#[test]
fn b02_connecting_twice_makes_one_socket() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    rig.input(Input::Connect);
    rig.input(Input::Disconnect);
    rig.input(Input::Connect);
    let closed = rig.count(|output| matches!(output, Output::CloseSocket { .. }));
    assert_eq!((rig.dials(), closed), (2, 1));
}

// 3. Backoff.

#[test]
fn b03_delays_grow_up_to_the_maximum() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    let mut delays = Vec::new();
    for _ in 0..12 {
        let generation = rig.generation();
        rig.input(Input::DialFailed { generation });
        delays.push(rig.wait());
        rig.pass(rig.wait());
    }
    let wanted = [1_000, 1_500, 2_250, 3_375, 5_062, 7_593, 11_390, 17_085, 25_628, 30_000, 30_000, 30_000];
    assert_eq!(delays, wanted);
}

#[test]
fn b03_jitter_takes_its_share() {
    let mut low = u64::MAX;
    let mut high = 0;
    for seed in 0..500 {
        let config = Config { reconnect_jitter: 0.5, ..Config::default() };
        let mut rig = Rig::new(config);
        rig.engine = Engine::new(rig.engine.config.clone(), seed);
        rig.input(Input::Connect);
        rig.input(Input::DialFailed { generation: 1 });
        low = low.min(rig.wait());
        high = high.max(rig.wait());
    }
    assert!((500..520).contains(&low) && (980..=1_000).contains(&high), "{low} {high}");
}

#[test]
fn b03_never_earlier_than_the_server_asked() {
    let mut rig = Rig::connected(plain());
    let code = String::from("rate_limited");
    let retry_after = Some(7_000);
    rig.receive(None, EnvelopeKind::Error { code, retry_after });
    rig.pass(1_000);
    rig.close(4029);
    assert_eq!(rig.wait(), 6_000);
    rig.input(Input::Online);
    assert_eq!(rig.wait(), 6_000);
}

#[test]
fn b03_the_count_returns_to_zero_after_five_seconds() {
    let mut rig = Rig::connected(plain());
    rig.pass(4_999);
    rig.close(1006);
    rig.pass(1_000);
    rig.establish();
    rig.close(1006);
    assert_eq!(rig.wait(), 1_500, "the first one was too short to count");
    rig.pass(1_500);
    rig.establish();
    rig.pass(5_000);
    rig.close(1006);
    assert_eq!(rig.wait(), 1_000);
}

#[test]
fn b03_a_dial_that_hangs_counts_and_attempts_can_end() {
    let mut rig = Rig::new(Config { max_reconnect_attempts: Some(2), ..plain() });
    rig.input(Input::Connect);
    rig.pass(10_000 + 1_000 + 10_000 + 1_500 + 10_000);
    assert_eq!(rig.dials(), 3);
    assert!(rig.has(&Output::ReconnectAttempt(1)) && rig.has(&Output::ReconnectAttempt(2)));
    assert!(rig.has(&Output::ReconnectFail));
    assert_eq!(rig.engine.state(), ConnectionState::Stopped(StopReason::Exhausted));
    assert_eq!(rig.engine.stats().last_error, Some(Trouble::ConnectTimeout));
    rig.input(Input::Connect);
    assert_eq!(rig.dials(), 4);
}

#[test]
fn b03_without_auto_reconnect_a_loss_is_the_end() {
    let mut rig = Rig::connected(Config { auto_reconnect: false, ..plain() });
    rig.close(1006);
    assert_eq!(rig.engine.state(), ConnectionState::Disconnected);
    assert_eq!(rig.engine.poll_timeout(), None);
}

// 4. Close codes and tokens.

#[test]
fn b04_close_codes_follow_the_law() {
    for code in [1000, 1001, 1005, 1006, 1008, 1011, 1012, 4008, 4009, 4010, 4029, 4500, 4999] {
        assert_eq!(close_action(code), CloseAction::Retry, "{code}");
    }
    for code in [1002, 1003, 1007, 1009, 4400, 4403, 4404, 4499] {
        assert_eq!(close_action(code), CloseAction::Stop, "{code}");
        let mut rig = Rig::connected(plain());
        rig.close(code);
        let stopped = ConnectionState::Stopped(StopReason::Close(code));
        assert_eq!(rig.engine.state(), stopped);
        assert_eq!(rig.engine.poll_timeout(), None);
    }
    assert_eq!(close_action(4401), CloseAction::Renew);
}

#[test]
fn b04_unauthorized_without_a_token_source_stops() {
    let mut rig = Rig::connected(plain());
    rig.close(4401);
    let stopped = ConnectionState::Stopped(StopReason::Close(4401));
    assert_eq!(rig.engine.state(), stopped);
}

#[test]
fn b04_unauthorized_gets_one_new_token() {
    let mut rig = Rig::new(with_tokens());
    rig.input(Input::Connect);
    assert_eq!(rig.dials(), 0);
    rig.token(TokenOutcome::Ready);
    rig.establish();
    rig.take();
    rig.close(4401);
    assert_eq!(rig.count(|output| matches!(output, Output::RequestToken { is_refused: true, .. })), 1);
    rig.token(TokenOutcome::Ready);
    let generation = rig.generation();
    rig.input(Input::Opened { generation });
    rig.close(4401);
    let stopped = ConnectionState::Stopped(StopReason::Close(4401));
    assert_eq!(rig.engine.state(), stopped);
}

#[test]
fn b04_a_token_that_expires_much_later_may_be_renewed_again() {
    let mut rig = Rig::new(with_tokens());
    rig.input(Input::Connect);
    for _ in 0..3 {
        rig.token(TokenOutcome::Ready);
        rig.establish();
        rig.pass(6_000);
        rig.take();
        rig.close(4401);
    }
    assert_eq!(rig.engine.state(), ConnectionState::Connecting);
}

#[test]
fn b04_a_token_source_may_fail_hang_or_deny() {
    let mut rig = Rig::new(with_tokens());
    rig.input(Input::Connect);
    rig.token(TokenOutcome::Failed);
    assert_eq!(rig.wait(), 1_000);
    rig.pass(1_000 + 10_000);
    assert_eq!(rig.wait(), 1_500);
    rig.pass(1_500);
    rig.token(TokenOutcome::Denied);
    let stopped = ConnectionState::Stopped(StopReason::TokenDenied);
    assert_eq!(rig.engine.state(), stopped);
}

#[test]
fn b04_an_expiring_token_is_renewed_on_the_connection() {
    let mut rig = Rig::new(with_tokens());
    rig.input(Input::Connect);
    rig.token(TokenOutcome::Ready);
    rig.establish();
    rig.take();
    rig.receive(None, EnvelopeKind::TokenExpiring);
    rig.receive(None, EnvelopeKind::TokenExpiring);
    let asked = |output: &Out| matches!(output, Output::RequestToken { is_refused: false, .. });
    assert_eq!(rig.count(asked), 1);
    rig.token(TokenOutcome::Ready);
    assert!(matches!(rig.frames().last(), Some(Frame::Authenticate { .. })));
}

#[test]
fn b04_a_draining_server_is_used_until_its_time_is_over() {
    let mut rig = Rig::connected(plain());
    let retry_after = Some(3_000);
    rig.receive(None, EnvelopeKind::Reconnect { retry_after });
    rig.send("m1", "c");
    assert_eq!(rig.sent(), ["m1"]);
    rig.pass(2_999);
    assert_eq!(rig.dials(), 0);
    rig.pass(1);
    assert_eq!(rig.dials(), 1);
    rig.establish();
    assert_eq!(rig.sent(), ["m1", "m1"]);
}

#[test]
fn b04_a_draining_server_that_closes_first_is_not_dialled_before_its_time() {
    let mut rig = Rig::connected(plain());
    let retry_after = Some(9_000);
    rig.receive(None, EnvelopeKind::Reconnect { retry_after });
    rig.pass(2_000);
    rig.close(1001);
    assert_eq!(rig.wait(), 7_000);

    let mut rig = Rig::connected(plain());
    let retry_after = None;
    rig.receive(None, EnvelopeKind::Reconnect { retry_after });
    rig.pass(20_000);
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
    rig.close(1001);
    assert_eq!(rig.wait(), 1_000);
}

// 5. Probes.

#[test]
fn b05_signs_of_a_changed_world_probe_the_socket() {
    for sign in [Input::Online, Input::Visible, Input::PageShow] {
        let mut rig = Rig::connected(plain());
        rig.pass(6_000);
        rig.take();
        rig.input(sign);
        assert_eq!(rig.pings(), 1);
        rig.pass(1_999);
        assert_eq!(rig.engine.state(), ConnectionState::Connected);
        rig.pass(1);
        assert_eq!(rig.wait(), 1_000);
        assert_eq!(rig.engine.stats().last_error, Some(Trouble::Silence));
    }
}

#[test]
fn b05_an_answered_probe_keeps_the_socket() {
    let mut rig = Rig::connected(plain());
    rig.input(Input::Online);
    rig.pass(1_500);
    rig.pong();
    rig.pass(10_000);
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
    assert_eq!(rig.engine.stats().latency, Some(1_500));
}

#[test]
fn b05_many_signs_do_not_put_the_deadline_off() {
    let mut rig = Rig::connected(plain());
    for _ in 0..4 {
        rig.input(Input::Online);
        rig.pass(500);
    }
    assert!(matches!(rig.engine.state(), ConnectionState::Waiting { .. }));
}

#[test]
fn b05_a_wait_ends_at_once_with_the_backoff_reset() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    for _ in 0..6 {
        let generation = rig.generation();
        rig.input(Input::DialFailed { generation });
        rig.pass(rig.wait());
    }
    let generation = rig.generation();
    rig.input(Input::DialFailed { generation });
    rig.take();
    rig.input(Input::Online);
    assert_eq!(rig.dials(), 1);
    let generation = rig.generation();
    rig.input(Input::DialFailed { generation });
    assert_eq!(rig.wait(), 1_000);
}

#[test]
fn b05_a_dial_by_a_way_that_is_no_more_is_given_up() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    rig.input(Input::Online);
    assert_eq!(rig.count(|output| matches!(output, Output::CloseSocket { .. })), 0, "the first attempt has only begun");
    for _ in 0..6 {
        let generation = rig.generation();
        rig.input(Input::DialFailed { generation });
        rig.pass(rig.wait());
    }
    rig.take();
    for sign in [Input::Online, Input::Visible] {
        rig.input(sign);
        rig.pass(0);
    }
    // The second sign finds the wait before the next one, which it ends.
    assert_eq!((rig.count(|output| matches!(output, Output::CloseSocket { .. })), rig.dials()), (1, 1));
    let generation = rig.generation();
    rig.input(Input::DialFailed { generation });
    assert_eq!(rig.wait(), 1_000);
}

#[test]
fn b05_a_clock_that_jumped_probes_instead_of_giving_up() {
    let mut rig = Rig::connected(plain());
    rig.now += 3_600_000;
    rig.send("m1", "c");
    assert_eq!((rig.pings(), rig.sent().len()), (1, 0));
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
    rig.pass(500);
    rig.pong();
    assert_eq!(rig.sent(), ["m1"]);
}

#[test]
fn b05_offline_is_only_a_mark() {
    let mut rig = Rig::connected(plain());
    rig.input(Input::Offline);
    assert!(rig.engine.is_offline());
    assert_eq!(rig.take(), []);
    rig.send("m1", "c");
    assert_eq!(rig.sent(), ["m1"]);
}

// 6. Heartbeat.

#[test]
fn b06_pings_at_the_smaller_interval() {
    let mut rig = Rig::new(Config { heartbeat_interval: 20_000, ..plain() });
    rig.input(Input::Connect);
    rig.establish();
    rig.pass(20_000);
    assert_eq!(rig.pings(), 1);
    rig.pong();
    rig.pass(20_000);
    assert_eq!(rig.pings(), 2);
}

#[test]
fn b06_two_silent_intervals_close_and_dial_again() {
    let mut rig = Rig::connected(plain());
    let generation = rig.generation();
    rig.pass(59_999);
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
    rig.pass(1);
    let code = 4_000;
    assert!(rig.has(&Output::CloseSocket { generation, code }));
    rig.pass(1_000);
    assert_eq!(rig.dials(), 1);
}

#[test]
fn b06_into_a_dead_link_no_ping_is_sent() {
    let mut rig = Rig::connected(plain());
    rig.pass(30_000);
    assert_eq!(rig.pings(), 1);
    rig.pass(30_000);
    assert!(matches!(rig.engine.state(), ConnectionState::Waiting { .. }));
    assert_eq!(rig.pings(), 1);
}

#[test]
fn b06_a_hidden_page_asks_an_overdue_link_once_at_a_time() {
    let mut rig = Rig::connected(plain());
    rig.input(Input::Hidden);
    rig.pass(60_000);
    assert_eq!(rig.pings(), 2);
}

#[test]
fn b06_any_frame_counts_as_life() {
    let mut rig = Rig::connected(plain());
    for _ in 0..5 {
        rig.pass(50_000);
        let generation = rig.generation();
        rig.input(Input::Invalid { generation });
    }
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
    assert_eq!(rig.engine.stats().messages_invalid, 5);
}

#[test]
fn b06_a_frame_that_waited_in_a_buffer_puts_the_deadline_out() {
    let mut rig = Rig::connected(plain());
    rig.pass(59_999);
    rig.now += 4_000;
    rig.receive(None, EnvelopeKind::Ephemeral);
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
}

#[test]
fn b06_a_hidden_page_pings_without_a_deadline_and_probes_on_return() {
    let mut rig = Rig::connected(plain());
    rig.input(Input::Hidden);
    rig.pass(300_000);
    assert_eq!(rig.engine.state(), ConnectionState::Connected);
    assert_eq!(rig.pings(), 10, "the heartbeat at which it is overdue is the question");
    rig.take();
    rig.send("m1", "c");
    assert_eq!((rig.pings(), rig.sent().len()), (0, 0), "into an overdue link nothing is sent");
    rig.input(Input::Visible);
    rig.pass(2_000);
    assert!(matches!(rig.engine.state(), ConnectionState::Waiting { .. }));
}

#[test]
fn b06_a_page_that_goes_away_closes_and_dials_when_it_is_back() {
    let mut rig = Rig::connected(plain());
    let generation = rig.generation();
    rig.input(Input::PageHide);
    let code = 1_000;
    assert!(rig.has(&Output::CloseSocket { generation, code }));
    rig.pass(100_000);
    assert_eq!(rig.dials(), 0);
    rig.input(Input::PageShow);
    assert_eq!(rig.dials(), 1);
}

// 7. Connected means established.

#[test]
fn b07_an_open_socket_is_not_yet_a_connection() {
    let mut rig = Rig::new(plain());
    rig.input(Input::Connect);
    rig.input(Input::Opened { generation: 1 });
    assert_eq!(rig.engine.state(), ConnectionState::Connecting);
    rig.send("m1", "c");
    rig.input(Input::Ping { id: String::from("p") });
    assert_eq!(rig.frames(), []);
    rig.pass(10_000);
    assert!(matches!(rig.engine.state(), ConnectionState::Waiting { .. }));
}
