//! From outputs to records. Codes are places in the list of names in `packages/client/src/engine/shapes.ts`.

use cossistant_engine::{
    Channel, ConnectionState, Engine, Failure, Frame, Output, Stats, StopReason, SubscriptionState, Trouble,
};

use crate::record::Writer;
use crate::symbol::{CONVERSATION, NOTHING, Symbol, TROUBLES, WEBSITE};

const REFUSED: u32 = 16;

pub(crate) fn write_output(output: Output<(), (), Symbol>, writer: &mut Writer<'_>) {
    match output {
        Output::Dial { generation } => write_numbered(1, generation, writer),
        Output::CloseSocket { generation, code } => {
            write_numbered(2, generation, writer);
            writer.code(code.into());
        }
        Output::RequestToken { request, is_refused } => {
            write_numbered(3, request, writer);
            writer.flag(is_refused);
        }
        Output::Transmit { generation, frame } => {
            write_numbered(4, generation, writer);
            write_frame(frame, writer);
        }
        Output::Deliver(()) => writer.code(5),
        Output::StateChanged(state) => {
            writer.code(6);
            write_state(state, writer);
        }
        Output::Closed { code, reason } => {
            write_numbered(7, code.into(), writer);
            writer.text(reason);
        }
        Output::ReconnectAttempt(attempt) => write_numbered(8, attempt, writer),
        Output::ReconnectSuccess => writer.code(9),
        Output::ReconnectFail => writer.code(10),
        Output::SubscriptionChanged { channel, state } => {
            writer.code(11);
            write_channel(channel, writer);
            write_subscription(state, writer);
        }
        Output::Resync(channel) => {
            writer.code(12);
            write_channel(channel, writer);
        }
        Output::MessageAcked { id } => write_named(13, id, writer),
        Output::MessageFailed { id, failure } => {
            write_named(14, id, writer);
            write_failure(failure, writer);
        }
        Output::Pong { id, latency } => {
            write_named(15, id, writer);
            writer.integer(latency);
        }
        Output::PingFailed { id } => write_named(17, id, writer),
    }
}

/// All outputs were polled: when to come back, how many messages wait, and the counters.
pub(crate) fn write_idle(engine: &Engine<(), (), Symbol>, writer: &mut Writer<'_>) {
    writer.code(0);
    writer.optional_integer(engine.poll_timeout());
    writer.integer(engine.queued_message_count() as u64);
    write_stats(engine.stats(), writer);
}

fn write_frame(frame: Frame<(), Symbol>, writer: &mut Writer<'_>) {
    match frame {
        Frame::Subscribe { id, channel, after, epoch } => {
            write_named(18, id, writer);
            write_channel(channel, writer);
            writer.optional_integer(after);
            writer.optional_text(epoch);
        }
        Frame::Unsubscribe { id, channel } => {
            write_named(19, id, writer);
            write_channel(channel, writer);
        }
        Frame::SendMessage { id, conversation, payload: () } => {
            write_named(20, id, writer);
            writer.text(conversation);
        }
        Frame::Pass(()) => writer.code(21),
        Frame::TypingStart { conversation } => write_named(22, conversation, writer),
        Frame::TypingStop { conversation } => write_named(23, conversation, writer),
        Frame::TypingProgress { conversation, text } => {
            write_named(24, conversation, writer);
            writer.text(text);
        }
        Frame::Ping { id } => write_named(25, id, writer),
        Frame::Authenticate { id } => write_named(26, id, writer),
    }
}

#[inline(never)]
fn write_numbered(code: u32, number: u32, writer: &mut Writer<'_>) {
    writer.code(code);
    writer.code(number);
}

#[inline(never)]
fn write_named(code: u32, name: Symbol, writer: &mut Writer<'_>) {
    writer.code(code);
    writer.text(name);
}

#[inline(never)]
fn write_channel(channel: Channel<Symbol>, writer: &mut Writer<'_>) {
    let (kind, id) = match channel {
        Channel::Conversation(id) => (CONVERSATION, id),
        Channel::Website(id) => (WEBSITE, id),
    };
    writer.text(kind);
    writer.text(id);
}

fn write_state(state: ConnectionState, writer: &mut Writer<'_>) {
    match state {
        ConnectionState::Disconnected => writer.code(27),
        ConnectionState::Connecting => writer.code(28),
        ConnectionState::Connected => writer.code(29),
        ConnectionState::Waiting { attempt, until } => {
            write_numbered(30, attempt, writer);
            writer.integer(until);
        }
        ConnectionState::Stopped(reason) => {
            writer.code(31);
            match reason {
                StopReason::Close(code) => write_numbered(32, code.into(), writer),
                StopReason::TokenDenied => writer.code(33),
                StopReason::Exhausted => writer.code(34),
            }
        }
    }
}

fn write_subscription(state: SubscriptionState<Symbol>, writer: &mut Writer<'_>) {
    match state {
        SubscriptionState::Pending => writer.code(35),
        SubscriptionState::Confirmed => writer.code(36),
        SubscriptionState::Unavailable => writer.code(37),
        SubscriptionState::Released => writer.code(38),
        SubscriptionState::Refused(code) => write_named(REFUSED, code, writer),
    }
}

fn write_failure(failure: Failure<Symbol>, writer: &mut Writer<'_>) {
    match failure {
        Failure::QueueFull => writer.code(39),
        Failure::DuplicateId => writer.code(40),
        Failure::TooOld => writer.code(41),
        Failure::NotConnected => writer.code(42),
        Failure::Refused(code) => write_named(REFUSED, code, writer),
    }
}

fn write_stats(stats: &Stats<Symbol>, writer: &mut Writer<'_>) {
    let Stats {
        connected_at,
        messages_sent,
        messages_received,
        messages_invalid,
        duplicates,
        reconnect_attempts,
        last_error,
        last_error_at,
        latency,
    } = stats;
    for count in [messages_sent, messages_received, messages_invalid, duplicates, reconnect_attempts] {
        writer.integer(*count);
    }
    for moment in [connected_at, last_error_at, latency] {
        writer.optional_integer(*moment);
    }
    let trouble = match *last_error {
        None => NOTHING,
        Some(Trouble::Server(code)) => code,
        // A close code is a number, all else a text.
        Some(Trouble::Close(code)) => return writer.code(code.into()),
        Some(Trouble::Dial) => Symbol(TROUBLES),
        Some(Trouble::Token) => Symbol(TROUBLES + 1),
        Some(Trouble::ConnectTimeout) => Symbol(TROUBLES + 2),
        Some(Trouble::Silence) => Symbol(TROUBLES + 3),
        Some(Trouble::Loss) => Symbol(TROUBLES + 4),
    };
    writer.text(trouble);
}
