//! Playing a scenario on the native engine.

use cossistant_engine::{
    Channel, Config, ConnectionState, Engine, Failure, Frame, Input, Output, StopReason, SubscriptionState,
    TokenOutcome, Trouble,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::incoming;
use crate::translate::{Incoming, Payload};

/// An input with its time.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) at: u64,
    pub(crate) input: Value,
}

/// The choices of the application as the packages have them; `Infinity`, which JSON lacks, is null.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ConfigForm(Value);

impl ConfigForm {
    pub(crate) fn as_value(&self) -> &Value {
        &self.0
    }

    pub(crate) fn to_engine(&self) -> Config {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Form {
            auto_reconnect: bool,
            reconnect_delay: u64,
            max_reconnect_delay: u64,
            reconnect_delay_multiplier: f64,
            max_reconnect_attempts: Option<u32>,
            reconnect_jitter: f64,
            connect_timeout: u64,
            enable_message_queue: bool,
            max_queue_size: usize,
            max_queue_age: u64,
            heartbeat_interval: u64,
            request_timeout: u64,
            typing_progress_throttle: u64,
            has_token_source: bool,
        }
        let form: Form = serde_json::from_value(self.0.clone()).expect("the configuration is whole");
        Config {
            auto_reconnect: form.auto_reconnect,
            reconnect_delay: form.reconnect_delay,
            max_reconnect_delay: form.max_reconnect_delay,
            reconnect_delay_multiplier: form.reconnect_delay_multiplier,
            max_reconnect_attempts: form.max_reconnect_attempts,
            reconnect_jitter: form.reconnect_jitter,
            connect_timeout: form.connect_timeout,
            enable_message_queue: form.enable_message_queue,
            max_queue_size: form.max_queue_size,
            max_queue_age: form.max_queue_age,
            heartbeat_interval: form.heartbeat_interval,
            request_timeout: form.request_timeout,
            typing_progress_throttle: form.typing_progress_throttle,
            has_token_source: form.has_token_source,
        }
    }
}

/// The inputs as the packages have them.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum InputForm {
    Connect,
    Disconnect,
    Tick,
    Online,
    Offline,
    Visible,
    Hidden,
    PageHide,
    PageShow,
    Pass,
    Configure { config: ConfigForm },
    Token { request: u32, outcome: OutcomeForm },
    Opened { generation: u32 },
    DialFailed { generation: u32 },
    Invalid { generation: u32 },
    Closed { generation: u32, code: u16, reason: String },
    Inbound { generation: u32, message: Value },
    Subscribe { channel: String, holder: u32 },
    Unsubscribe { channel: String, holder: u32 },
    Send { id: String, conversation_id: String, age: u64 },
    TypingStart { conversation_id: String },
    TypingStop { conversation_id: String },
    TypingProgress { conversation_id: String, text: String },
    Ping { id: String },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum OutcomeForm {
    Ready,
    Failed,
    Denied,
}

/// An engine, and the messages that it was given: what it hands on must be the one of the present input.
pub(crate) struct Player {
    engine: Engine<Payload, Incoming>,
}

impl Player {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        // A seed is a number of JavaScript's.
        Self { engine: Engine::new(config, (seed as f64).to_bits()) }
    }

    pub(crate) fn engine(&self) -> &Engine<Payload, Incoming> {
        &self.engine
    }

    /// Hands in an input; gives it with all that came of it.
    pub(crate) fn play(&mut self, at: u64, input: Value) -> Value {
        self.engine.handle_input(read_input(&input), at);
        let mut outputs = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            outputs.push(output_form(&output));
        }
        json!({
            "at": at,
            "input": input,
            "outputs": outputs,
            "queued": self.engine.queued_message_count(),
            "timeout": self.engine.poll_timeout(),
        })
    }

    pub(crate) fn stats(&self) -> Value {
        let stats = self.engine.stats();
        let last_error = stats.last_error.as_ref().map(|trouble| match trouble {
            Trouble::Server(code) => code.clone(),
            Trouble::Close(code) => format!("close {code}"),
            Trouble::Dial => String::from("dial"),
            Trouble::Token => String::from("token"),
            Trouble::ConnectTimeout => String::from("connectTimeout"),
            Trouble::Silence => String::from("silence"),
            Trouble::Loss => String::from("loss"),
        });
        without_nulls(json!({
            "connectedAt": stats.connected_at,
            "messagesSent": stats.messages_sent,
            "messagesReceived": stats.messages_received,
            "messagesInvalid": stats.messages_invalid,
            "duplicates": stats.duplicates,
            "reconnectAttempts": stats.reconnect_attempts,
            "lastError": last_error,
            "lastErrorAt": stats.last_error_at,
            "latency": stats.latency,
        }))
    }
}

fn without_nulls(value: Value) -> Value {
    let Value::Object(mut fields) = value else {
        return value;
    };
    fields.retain(|_, field| !field.is_null());
    Value::Object(fields)
}

fn read_input(input: &Value) -> Input<Payload, Incoming> {
    let form = InputForm::deserialize(input).unwrap_or_else(|error| panic!("{error} in {input}"));
    match form {
        InputForm::Connect => Input::Connect,
        InputForm::Disconnect => Input::Disconnect,
        InputForm::Tick => Input::Tick,
        InputForm::Online => Input::Online,
        InputForm::Offline => Input::Offline,
        InputForm::Visible => Input::Visible,
        InputForm::Hidden => Input::Hidden,
        InputForm::PageHide => Input::PageHide,
        InputForm::PageShow => Input::PageShow,
        InputForm::Pass => Input::Pass { payload: Payload::from("passed") },
        InputForm::Configure { config } => Input::Configure(config.to_engine()),
        InputForm::Token { request, outcome } => Input::Token {
            request,
            outcome: match outcome {
                OutcomeForm::Ready => TokenOutcome::Ready,
                OutcomeForm::Failed => TokenOutcome::Failed,
                OutcomeForm::Denied => TokenOutcome::Denied,
            },
        },
        InputForm::Opened { generation } => Input::Opened { generation },
        InputForm::DialFailed { generation } => Input::DialFailed { generation },
        InputForm::Invalid { generation } => Input::Invalid { generation },
        InputForm::Closed { generation, code, reason } => Input::Closed { generation, code, reason },
        InputForm::Inbound { generation, message } => {
            let (message, envelope) = incoming::read(&message.to_string())
                .unwrap_or_else(|error| panic!("a driver would not hand this on: {error} in {message}"));
            Input::Inbound { generation, envelope, message }
        }
        InputForm::Subscribe { channel, holder } => Input::Subscribe { channel: read_channel(&channel), holder },
        InputForm::Unsubscribe { channel, holder } => Input::Unsubscribe { channel: read_channel(&channel), holder },
        InputForm::Send { id, conversation_id, age } => {
            let payload = Payload::from(id.as_str());
            Input::Send { id, conversation: conversation_id, payload, age }
        }
        InputForm::TypingStart { conversation_id } => Input::TypingStart { conversation: conversation_id },
        InputForm::TypingStop { conversation_id } => Input::TypingStop { conversation: conversation_id },
        InputForm::TypingProgress { conversation_id, text } => {
            Input::TypingProgress { conversation: conversation_id, text }
        }
        InputForm::Ping { id } => Input::Ping { id },
    }
}

fn read_channel(name: &str) -> Channel {
    match name.split_once(':') {
        Some(("conversation", id)) => Channel::Conversation(String::from(id)),
        Some(("website", id)) => Channel::Website(String::from(id)),
        Some(_) | None => panic!("{name} is no channel"),
    }
}

fn channel_form(channel: &Channel) -> String {
    match channel {
        Channel::Conversation(id) => format!("conversation:{id}"),
        Channel::Website(id) => format!("website:{id}"),
    }
}

fn output_form(output: &Output<Payload, Incoming>) -> Value {
    match output {
        Output::Dial { generation } => json!({ "type": "dial", "generation": generation }),
        Output::CloseSocket { generation, code } => {
            json!({ "type": "closeSocket", "generation": generation, "code": code })
        }
        Output::RequestToken { request, is_refused } => {
            json!({ "type": "requestToken", "request": request, "isRefused": is_refused })
        }
        Output::Transmit { generation, frame } => {
            json!({ "type": "transmit", "generation": generation, "frame": frame_form(frame) })
        }
        Output::Deliver(_) => json!({ "type": "deliver" }),
        Output::StateChanged(state) => json!({ "type": "stateChanged", "state": state_form(*state) }),
        Output::Closed { code, reason } => json!({ "type": "closed", "code": code, "reason": reason }),
        Output::ReconnectAttempt(attempt) => json!({ "type": "reconnectAttempt", "attempt": attempt }),
        Output::ReconnectSuccess => json!({ "type": "reconnectSuccess" }),
        Output::ReconnectFail => json!({ "type": "reconnectFail" }),
        Output::SubscriptionChanged { channel, state } => {
            let state = match state {
                SubscriptionState::Pending => json!({ "type": "pending" }),
                SubscriptionState::Confirmed => json!({ "type": "confirmed" }),
                SubscriptionState::Unavailable => json!({ "type": "unavailable" }),
                SubscriptionState::Released => json!({ "type": "released" }),
                SubscriptionState::Refused(code) => json!({ "type": "refused", "code": code }),
            };
            json!({ "type": "subscriptionChanged", "channel": channel_form(channel), "state": state })
        }
        Output::Resync(channel) => json!({ "type": "resync", "channel": channel_form(channel) }),
        Output::MessageAcked { id } => json!({ "type": "messageAcked", "id": id }),
        Output::MessageFailed { id, failure } => {
            let failure = match failure {
                Failure::Refused(code) => json!({ "type": "refused", "code": code }),
                Failure::QueueFull => json!({ "type": "queueFull" }),
                Failure::DuplicateId => json!({ "type": "duplicateId" }),
                Failure::TooOld => json!({ "type": "tooOld" }),
                Failure::NotConnected => json!({ "type": "notConnected" }),
            };
            json!({ "type": "messageFailed", "id": id, "failure": failure })
        }
        Output::Pong { id, latency } => json!({ "type": "pong", "id": id, "latency": latency }),
        Output::PingFailed { id } => json!({ "type": "pingFailed", "id": id }),
    }
}

fn frame_form(frame: &Frame<Payload>) -> Value {
    match frame {
        Frame::Subscribe { id, channel, after, epoch } => without_nulls(json!({
            "type": "subscribe", "id": id, "channel": channel_form(channel), "after": after, "epoch": epoch,
        })),
        Frame::Unsubscribe { id, channel } => {
            json!({ "type": "unsubscribe", "id": id, "channel": channel_form(channel) })
        }
        Frame::SendMessage { id, conversation, payload } => {
            assert_eq!(&**payload, id, "what is sent under an id is what was given with it");
            json!({ "type": "sendMessage", "id": id, "conversationId": conversation })
        }
        Frame::Pass(_) => json!({ "type": "pass" }),
        Frame::TypingStart { conversation } => json!({ "type": "typingStart", "conversationId": conversation }),
        Frame::TypingStop { conversation } => json!({ "type": "typingStop", "conversationId": conversation }),
        Frame::TypingProgress { conversation, text } => {
            json!({ "type": "typingProgress", "conversationId": conversation, "text": text })
        }
        Frame::Ping { id } => json!({ "type": "ping", "id": id }),
        Frame::Authenticate { id } => json!({ "type": "authenticate", "id": id }),
    }
}

fn state_form(state: ConnectionState) -> Value {
    match state {
        ConnectionState::Disconnected => json!({ "type": "disconnected" }),
        ConnectionState::Connecting => json!({ "type": "connecting" }),
        ConnectionState::Connected => json!({ "type": "connected" }),
        ConnectionState::Waiting { attempt, until } => {
            json!({ "type": "waiting", "attempt": attempt, "until": until })
        }
        ConnectionState::Stopped(reason) => {
            let reason = match reason {
                StopReason::Close(code) => json!({ "type": "close", "code": code }),
                StopReason::TokenDenied => json!({ "type": "tokenDenied" }),
                StopReason::Exhausted => json!({ "type": "exhausted" }),
            };
            json!({ "type": "stopped", "reason": reason })
        }
    }
}
