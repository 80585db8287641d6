//! From outputs to records.

use cossistant_engine::{
    Channel, ConnectionState, Failure, Frame, Output, Stats, StopReason, SubscriptionState, Trouble,
};

use crate::record::Writer;

pub(crate) fn write_output(output: Output<(), ()>, writer: &mut Writer<'_>) {
    match output {
        Output::Dial { generation } => {
            writer.code(0);
            writer.code(generation);
        }
        Output::CloseSocket { generation, code } => {
            writer.code(1);
            writer.code(generation);
            writer.code(code.into());
        }
        Output::RequestToken { request, is_refused } => {
            writer.code(2);
            writer.code(request);
            writer.flag(is_refused);
        }
        Output::Transmit { generation, frame } => {
            writer.code(3);
            writer.code(generation);
            write_frame(&frame, writer);
        }
        Output::Deliver(()) => writer.code(4),
        Output::StateChanged(state) => {
            writer.code(5);
            write_state(state, writer);
        }
        Output::Closed { code, reason } => {
            writer.code(6);
            writer.code(code.into());
            writer.text(&reason);
        }
        Output::ReconnectAttempt(attempt) => {
            writer.code(7);
            writer.code(attempt);
        }
        Output::ReconnectSuccess => writer.code(8),
        Output::ReconnectFail => writer.code(9),
        Output::SubscriptionChanged { channel, state } => {
            writer.code(10);
            write_channel(&channel, writer);
            write_subscription(&state, writer);
        }
        Output::Resync(channel) => {
            writer.code(11);
            write_channel(&channel, writer);
        }
        Output::MessageAcked { id } => write_named(12, &id, writer),
        Output::MessageFailed { id, failure } => {
            write_named(13, &id, writer);
            write_failure(&failure, writer);
        }
        Output::Pong { id, latency } => {
            write_named(14, &id, writer);
            writer.integer(latency);
        }
        Output::PingFailed { id } => write_named(15, &id, writer),
    }
}

fn write_frame(frame: &Frame<()>, writer: &mut Writer<'_>) {
    match frame {
        Frame::Subscribe { id, channel, after, epoch } => {
            write_named(0, id, writer);
            write_channel(channel, writer);
            writer.optional_integer(*after);
            writer.optional_text(epoch.as_deref());
        }
        Frame::Unsubscribe { id, channel } => {
            write_named(1, id, writer);
            write_channel(channel, writer);
        }
        Frame::SendMessage { id, conversation, payload: () } => {
            write_named(2, id, writer);
            writer.text(conversation);
        }
        Frame::Pass(()) => writer.code(3),
        Frame::TypingStart { conversation } => write_named(4, conversation, writer),
        Frame::TypingStop { conversation } => write_named(5, conversation, writer),
        Frame::TypingProgress { conversation, text } => {
            write_named(6, conversation, writer);
            writer.text(text);
        }
        Frame::Ping { id } => write_named(7, id, writer),
        Frame::Authenticate { id } => write_named(8, id, writer),
    }
}

fn write_named(code: u32, name: &str, writer: &mut Writer<'_>) {
    writer.code(code);
    writer.text(name);
}

/// A channel by its name on the wire.
fn write_channel(channel: &Channel, writer: &mut Writer<'_>) {
    let (prefix, id) = match channel {
        Channel::Conversation(id) => ("conversation:", id),
        Channel::Website(id) => ("website:", id),
    };
    writer.text_of_two(prefix, id);
}

fn write_state(state: ConnectionState, writer: &mut Writer<'_>) {
    match state {
        ConnectionState::Disconnected => writer.code(0),
        ConnectionState::Connecting => writer.code(1),
        ConnectionState::Connected => writer.code(2),
        ConnectionState::Waiting { attempt, until } => {
            writer.code(3);
            writer.code(attempt);
            writer.integer(until);
        }
        ConnectionState::Stopped(reason) => {
            writer.code(4);
            match reason {
                StopReason::Close(code) => {
                    writer.code(0);
                    writer.code(code.into());
                }
                StopReason::TokenDenied => writer.code(1),
                StopReason::Exhausted => writer.code(2),
            }
        }
    }
}

fn write_subscription(state: &SubscriptionState, writer: &mut Writer<'_>) {
    match state {
        SubscriptionState::Pending => writer.code(0),
        SubscriptionState::Confirmed => writer.code(1),
        SubscriptionState::Unavailable => writer.code(2),
        SubscriptionState::Released => writer.code(3),
        SubscriptionState::Refused(code) => write_named(4, code, writer),
    }
}

fn write_failure(failure: &Failure, writer: &mut Writer<'_>) {
    match failure {
        Failure::QueueFull => writer.code(0),
        Failure::DuplicateId => writer.code(1),
        Failure::TooOld => writer.code(2),
        Failure::NotConnected => writer.code(3),
        Failure::Refused(code) => write_named(4, code, writer),
    }
}

pub(crate) fn write_stats(stats: &Stats, writer: &mut Writer<'_>) {
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
    writer.flag(last_error.is_some());
    match last_error {
        None => {}
        Some(Trouble::Server(code)) => write_named(0, code, writer),
        Some(Trouble::Close(code)) => {
            writer.code(1);
            writer.code((*code).into());
        }
        Some(Trouble::Dial) => writer.code(2),
        Some(Trouble::Token) => writer.code(3),
        Some(Trouble::ConnectTimeout) => writer.code(4),
        Some(Trouble::Silence) => writer.code(5),
        Some(Trouble::Loss) => writer.code(6),
    }
}
