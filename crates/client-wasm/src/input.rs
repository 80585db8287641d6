//! From records to inputs.

use cossistant_engine::{Channel, Config, Envelope, EnvelopeKind, Input, TokenOutcome};

use crate::record::Reader;
use crate::symbol::{CONVERSATION, DENIED, FAILED, READY, Symbol, WEBSITE};

/// The choices of an application, in the order of the engine's own type.
pub(crate) fn read_config(reader: &mut Reader<'_>) -> Config {
    Config {
        auto_reconnect: reader.flag(),
        reconnect_delay: reader.amount(),
        max_reconnect_delay: reader.amount(),
        reconnect_delay_multiplier: reader.real(),
        // Infinity, like every number that cannot be counted to, means no limit.
        max_reconnect_attempts: u32::try_from(reader.amount()).ok(),
        reconnect_jitter: reader.real(),
        connect_timeout: reader.amount(),
        enable_message_queue: reader.flag(),
        max_queue_size: usize::try_from(reader.amount()).unwrap_or(usize::MAX),
        max_queue_age: reader.amount(),
        heartbeat_interval: reader.amount(),
        request_timeout: reader.amount(),
        typing_progress_throttle: reader.amount(),
        has_token_source: reader.flag(),
    }
}

pub(crate) fn read_input(reader: &mut Reader<'_>) -> Input<(), (), Symbol> {
    match reader.small() {
        0 => Input::Connect,
        1 => Input::Disconnect,
        2 => Input::Tick,
        3 => Input::Online,
        4 => Input::Offline,
        5 => Input::Visible,
        6 => Input::Hidden,
        7 => Input::PageHide,
        8 => Input::PageShow,
        9 => Input::Pass { payload: () },
        10 => Input::Configure(read_config(reader)),
        11 => Input::Token { request: reader.small(), outcome: read_outcome(reader) },
        12 => Input::Opened { generation: reader.small() },
        13 => Input::DialFailed { generation: reader.small() },
        14 => Input::Invalid { generation: reader.small() },
        15 => Input::Closed { generation: reader.small(), code: reader.close_code(), reason: reader.text() },
        16 => Input::Inbound { generation: reader.small(), envelope: read_envelope(reader), message: () },
        17 => Input::Subscribe { channel: read_channel(reader), holder: reader.small() },
        18 => Input::Unsubscribe { channel: read_channel(reader), holder: reader.small() },
        19 => Input::Send { id: reader.text(), conversation: reader.text(), payload: (), age: reader.amount() },
        20 => Input::TypingStart { conversation: reader.text() },
        21 => Input::TypingStop { conversation: reader.text() },
        22 => Input::TypingProgress { conversation: reader.text(), text: reader.text() },
        23 => Input::Ping { id: reader.text() },
        _ => {
            reader.refuse();
            Input::Tick
        }
    }
}

fn read_outcome(reader: &mut Reader<'_>) -> TokenOutcome {
    match reader.symbol() {
        READY => TokenOutcome::Ready,
        FAILED => TokenOutcome::Failed,
        DENIED => TokenOutcome::Denied,
        _ => {
            reader.refuse();
            TokenOutcome::Denied
        }
    }
}

/// A channel: what is before the colon of its name, and what is behind it.
#[inline(never)]
fn read_channel(reader: &mut Reader<'_>) -> Channel<Symbol> {
    match (reader.symbol(), reader.text()) {
        (CONVERSATION, id) => Channel::Conversation(id),
        (WEBSITE, id) => Channel::Website(id),
        (_, id) => {
            reader.refuse();
            Channel::Website(id)
        }
    }
}

fn read_envelope(reader: &mut Reader<'_>) -> Envelope<Symbol> {
    let code = reader.small();
    // Answers have the id of what they answer.
    let id = if matches!(code, 1 | 3..=7 | 9) { reader.optional_text() } else { None };
    let kind = match code {
        0 => EnvelopeKind::ConnectionEstablished {
            heartbeat_interval: reader.optional_integer(),
            typing_interval: reader.optional_integer(),
        },
        1 => EnvelopeKind::Authenticated,
        2 => EnvelopeKind::TokenExpiring,
        3 => EnvelopeKind::SubscriptionConfirmed {
            channel: read_channel(reader),
            epoch: reader.text(),
            head: reader.integer(),
            recovered: reader.flag(),
        },
        4 => EnvelopeKind::SubscriptionError {
            channel: read_channel(reader),
            code: reader.text(),
            retry_after: reader.optional_integer(),
        },
        5 => EnvelopeKind::SubscriptionEnded { channel: read_channel(reader), reason: reader.optional_text() },
        6 => EnvelopeKind::MessageAck,
        7 => EnvelopeKind::Error { code: reader.text(), retry_after: reader.optional_integer() },
        8 => EnvelopeKind::Reconnect { retry_after: reader.optional_integer() },
        9 => EnvelopeKind::Pong,
        // Each type of event has a code of its own.
        10..=14 => EnvelopeKind::Event {
            conversation: reader.text(),
            website: reader.text(),
            seq: reader.integer(),
            offset: reader.optional_integer(),
        },
        15 => EnvelopeKind::Ephemeral,
        _ => {
            reader.refuse();
            EnvelopeKind::Unknown
        }
    };
    Envelope { id, kind }
}
