//! Between the engine's words and those of the wire.

use cossistant_engine::{Channel as EngineChannel, Envelope, EnvelopeKind, Frame};
use cossistant_protocol::fields::{Integer, Text};
use cossistant_protocol::{
    Authenticate, Channel, ClientFrame, ClientMessage, ConversationId, ConversationRef, Ping, RequestId, ServerMessage,
    SubscribeConversation, SubscribeWebsite, TypingProgress, WebsiteId, WebsiteRef,
};

/// What is sent: a whole frame, encoded once.
pub(crate) type Payload = std::sync::Arc<str>;

/// What is received: a message, or the text of one of an unknown type.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    Message(Box<ServerMessage>),
    Unknown(String),
}

/// The places of a durable event; all of them name these fields alike.
macro_rules! place {
    ($event:expr) => {
        EnvelopeKind::Event {
            conversation: $event.conversation_id.as_str().to_owned(),
            website: $event.website_id.as_str().to_owned(),
            seq: $event.seq,
            offset: $event.offset,
        }
    };
}

pub(crate) fn to_engine(channel: &Channel) -> EngineChannel {
    match channel {
        Channel::Conversation(id) => EngineChannel::Conversation(id.as_str().to_owned()),
        Channel::Website(id) => EngineChannel::Website(id.as_str().to_owned()),
    }
}

/// `None` for what was never a channel of this protocol.
pub(crate) fn from_engine(channel: &EngineChannel) -> Option<Channel> {
    match channel {
        EngineChannel::Conversation(id) => ConversationId::new(id).ok().map(Channel::Conversation),
        EngineChannel::Website(id) => WebsiteId::new(id).ok().map(Channel::Website),
    }
}

/// The frame as text. `None` when it cannot be said: a renewal without a token, or a text beyond its limit.
pub(crate) fn encode(frame: Frame<Payload>, token: Option<&str>) -> Option<Payload> {
    let (id, message) = match frame {
        Frame::SendMessage { payload, .. } | Frame::Pass(payload) => return Some(payload),
        Frame::Subscribe { id, channel, after, epoch } => (Some(id), subscribe(&channel, after, epoch)?),
        Frame::Unsubscribe { id, channel } => (Some(id), unsubscribe(&channel)?),
        Frame::TypingStart { conversation } => (None, ClientMessage::TypingStart(conversation_ref(&conversation)?)),
        Frame::TypingStop { conversation } => (None, ClientMessage::TypingStop(conversation_ref(&conversation)?)),
        Frame::TypingProgress { conversation, text } => {
            let conversation_id = ConversationId::new(&conversation).ok()?;
            let content = Text::new(text).ok()?;
            (None, ClientMessage::TypingProgress(TypingProgress { conversation_id, content }))
        }
        Frame::Ping { id } => (Some(id), ClientMessage::Ping(Ping {})),
        Frame::Authenticate { id } => {
            let token = Text::new(token?).ok()?;
            (Some(id), ClientMessage::Authenticate(Authenticate { token }))
        }
    };
    let id = match id {
        Some(id) => Some(RequestId::new(id).ok()?),
        None => None,
    };
    Some(ClientFrame { id, timestamp: None, message }.encode().into())
}

fn subscribe(channel: &EngineChannel, after: Option<u64>, epoch: Option<String>) -> Option<ClientMessage> {
    let after = after.map(Integer);
    let epoch = epoch.and_then(|epoch| Text::new(epoch).ok());
    Some(match from_engine(channel)? {
        Channel::Conversation(conversation_id) => {
            let subscribe = SubscribeConversation { conversation_id, after, epoch, last: None };
            ClientMessage::SubscribeConversation(subscribe)
        }
        Channel::Website(website_id) => ClientMessage::SubscribeWebsite(SubscribeWebsite { website_id, after, epoch }),
    })
}

fn unsubscribe(channel: &EngineChannel) -> Option<ClientMessage> {
    Some(match from_engine(channel)? {
        Channel::Conversation(conversation_id) => {
            ClientMessage::UnsubscribeConversation(ConversationRef { conversation_id })
        }
        Channel::Website(website_id) => ClientMessage::UnsubscribeWebsite(WebsiteRef { website_id }),
    })
}

fn conversation_ref(id: &str) -> Option<ConversationRef> {
    Some(ConversationRef { conversation_id: ConversationId::new(id).ok()? })
}

/// What the engine needs to know of a message.
pub(crate) fn envelope(incoming: &Incoming) -> Envelope {
    let Incoming::Message(message) = incoming else {
        return Envelope { id: None, kind: EnvelopeKind::Unknown };
    };
    let (id, kind) = match &**message {
        ServerMessage::ConnectionEstablished(established) => {
            let heartbeat_interval = Some(established.heartbeat_interval);
            let typing_interval = established.limits.typing_interval;
            (None, EnvelopeKind::ConnectionEstablished { heartbeat_interval, typing_interval })
        }
        ServerMessage::Pong(pong) => (pong.id.as_ref(), EnvelopeKind::Pong),
        ServerMessage::Authenticated(authenticated) => (authenticated.id.as_ref(), EnvelopeKind::Authenticated),
        ServerMessage::TokenExpiring(_) => (None, EnvelopeKind::TokenExpiring),
        ServerMessage::SubscriptionConfirmed(confirmed) => {
            let kind = EnvelopeKind::SubscriptionConfirmed {
                channel: to_engine(&confirmed.channel),
                epoch: confirmed.epoch.clone(),
                head: confirmed.head,
                recovered: confirmed.recovered,
            };
            (confirmed.id.as_ref(), kind)
        }
        ServerMessage::SubscriptionError(refused) => {
            let kind = EnvelopeKind::SubscriptionError {
                channel: to_engine(&refused.channel),
                code: String::from(refused.code.as_str()),
                retry_after: refused.retry_after,
            };
            (refused.id.as_ref(), kind)
        }
        ServerMessage::SubscriptionEnded(ended) => {
            let reason = ended.reason.as_ref().map(ToString::to_string);
            (ended.id.as_ref(), EnvelopeKind::SubscriptionEnded { channel: to_engine(&ended.channel), reason })
        }
        ServerMessage::MessageAck(ack) => (Some(&ack.id), EnvelopeKind::MessageAck),
        ServerMessage::Error(error) => {
            let code = String::from(error.code.as_str());
            (error.id.as_ref(), EnvelopeKind::Error { code, retry_after: error.retry_after })
        }
        ServerMessage::Reconnect(reconnect) => (None, EnvelopeKind::Reconnect { retry_after: reconnect.retry_after }),
        ServerMessage::NewMessage(event) => (None, place!(event)),
        ServerMessage::MessageUpdated(event) => (None, place!(event)),
        ServerMessage::ConversationCreated(event) => (None, place!(event)),
        ServerMessage::ConversationStatusChanged(event) => (None, place!(event)),
        ServerMessage::ConversationAssigned(event) => (None, place!(event)),
        ServerMessage::VisitorIdentified(_)
        | ServerMessage::TeamOnline(_)
        | ServerMessage::TeamOffline(_)
        | ServerMessage::ConversationSeen(_)
        | ServerMessage::TypingIndicator(_)
        | ServerMessage::ViewingIndicator(_)
        | ServerMessage::TypingProgress(_)
        | ServerMessage::AgentActivity(_)
        | ServerMessage::VisitorOnline(_)
        | ServerMessage::VisitorOffline(_) => (None, EnvelopeKind::Ephemeral),
    };
    Envelope { id: id.map(|id| id.as_str().to_owned()), kind }
}
