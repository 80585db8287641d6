//! What the server says.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{Invalid, read};
use crate::json::Object;
use crate::{
    Channel, ConnectionId, ConversationId, ConversationStatus, ErrorCode, MessageId, OrganizationId, PersonId,
    RequestId, Timestamp, UserType, Visibility, WebsiteId,
};

macro_rules! server_messages {
    ($($(#[$doc:meta])* $variant:ident($body:ident) = $type:literal),* $(,)?) => {
        /// What the server says.
        #[derive(Debug, Clone, Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum ServerMessage { $($(#[$doc])* $variant($body)),* }

        impl ServerMessage {
            /// The `type` of every server message.
            pub const TYPES: &'static [&'static str] = &[$($type),*];

            /// The `type` on the wire.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $type),* }
            }

            fn parse_body(kind: &str, text: &str) -> Option<Result<Self, Invalid>> {
                match kind {
                    $($type => Some(read::<$body>(text).map(Self::$variant)),)*
                    _ => None,
                }
            }

            /// The JSON Schema of each message's body, by its `type`.
            #[cfg(feature = "schema")]
            #[must_use]
            pub fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, &'static str, schemars::Schema)> {
                vec![$(($type, stringify!($variant), generator.subschema_for::<$body>())),*]
            }
        }
    };
}

server_messages!(
    /// The connection is established and authenticated.
    ConnectionEstablished(ConnectionEstablished) = "connection_established",
    /// Answers a `ping`.
    Pong(Pong) = "pong",
    /// Answers an `authenticate`.
    Authenticated(Authenticated) = "authenticated",
    /// The token's time is nearly over.
    TokenExpiring(TokenExpiring) = "token_expiring",
    /// Live delivery is in place; the replay follows.
    SubscriptionConfirmed(SubscriptionConfirmed) = "subscription_confirmed",
    /// A subscription was refused.
    SubscriptionError(SubscriptionError) = "subscription_error",
    /// A subscription has ended.
    SubscriptionEnded(SubscriptionEnded) = "subscription_ended",
    /// A message is on stable storage.
    MessageAck(MessageAck) = "message_ack",
    /// A message. Durable.
    NewMessage(NewMessage) = "new_message",
    /// A message was edited or deleted. Durable.
    MessageUpdated(MessageUpdated) = "message_updated",
    /// A conversation began. Durable.
    ConversationCreated(ConversationCreated) = "conversation_created",
    /// A visitor became a known person.
    VisitorIdentified(VisitorIdentified) = "visitor_identified",
    /// The first of the team came.
    TeamOnline(TeamPresence) = "team_online",
    /// The last of the team left.
    TeamOffline(TeamPresence) = "team_offline",
    /// A conversation's status changed. Durable.
    ConversationStatusChanged(ConversationStatusChanged) = "conversation_status_changed",
    /// A conversation's assignee changed. Durable.
    ConversationAssigned(ConversationAssigned) = "conversation_assigned",
    /// Somebody has read up to a place.
    ConversationSeen(ConversationSeen) = "conversation_seen",
    /// Somebody begins or stops typing.
    TypingIndicator(TypingIndicator) = "typing_indicator",
    /// Somebody opened or left a conversation.
    ViewingIndicator(ViewingIndicator) = "viewing_indicator",
    /// The text that somebody has typed so far.
    TypingProgress(TypingProgressEvent) = "typing_progress",
    /// What an AI agent is doing.
    AgentActivity(AgentActivityEvent) = "agent_activity",
    /// A visitor came.
    VisitorOnline(VisitorPresence) = "visitor_online",
    /// A visitor left.
    VisitorOffline(VisitorPresence) = "visitor_offline",
    /// Something failed.
    Error(ErrorMessage) = "error",
    /// The server asks the client to come back elsewhere or later.
    Reconnect(Reconnect) = "reconnect",
);

/// What a connection may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The most bytes of one message, inflated.
    pub max_message_bytes: u64,
    /// The most characters of a message's `text`.
    pub max_text_length: u64,
    /// The most subscriptions of one connection; absent when there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_subscriptions: Option<u64>,
    /// The least time between two typing messages before they are merged, in ms; absent when there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing_interval: Option<u64>,
    /// After how long a silence a typing state ends, in ms.
    pub typing_expiry: u64,
}

/// A member of the team, as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamMember {
    /// A user or an AI agent.
    pub user_type: UserType,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// The team of a website, as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Team {
    /// Whether anybody is connected.
    pub online: bool,
    /// Who is.
    pub members: Vec<TeamMember>,
}

/// The first message on every connection that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectionEstablished {
    /// The connection's id.
    pub connection_id: ConnectionId,
    /// The server's clock, in ms since 1970.
    pub server_time: u64,
    /// Who the connection speaks for.
    pub user_id: PersonId,
    /// What kind of principal it is.
    pub user_type: UserType,
    /// How often the client sends a `ping`, in ms.
    pub heartbeat_interval: u64,
    /// What the connection may do.
    pub limits: Limits,
    /// The token of a visitor that was made just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_token: Option<String>,
    /// When the token's time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Told to visitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
}

/// Answers a `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pong {
    /// The `id` of the `ping`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
}

/// The new token is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Authenticated {
    /// The `id` of the `authenticate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// A new token is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenExpiring {
    /// When the present one's time is over.
    pub expires_at: Timestamp,
}

/// How far a person has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SeenState {
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// The place, in the numbering of the one who is told.
    pub last_seen_seq: u64,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// A person who is typing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingState {
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// Where; told of a website, not of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// What an AI agent is doing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActivityState {
    /// Who.
    pub user_id: PersonId,
    /// A word for it.
    pub phase: String,
    /// A text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// A user who has the conversation open now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ViewingState {
    /// Who.
    pub user_id: PersonId,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// A visitor who is online now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OnlineVisitor {
    /// Who.
    pub visitor_id: PersonId,
    /// The visitor's conversations that are not closed, newest first, at most 20.
    pub conversation_ids: Vec<ConversationId>,
}

/// Who is online: of a conversation whether its visitor is, of a website which visitors are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OnlineState {
    /// Of a conversation.
    Conversation(bool),
    /// Of a website.
    Website(Vec<OnlineVisitor>),
}

/// Live delivery is in place, and this is the state; `replayed` durable events follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionConfirmed {
    /// The `id` of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Which channel.
    pub channel: Channel,
    /// The store's life; places of another one mean nothing.
    pub epoch: String,
    /// The newest place.
    pub head: u64,
    /// Whether nothing is missing between `after` and `head`.
    pub recovered: bool,
    /// How many durable events follow.
    pub replayed: u64,
    /// Of a conversation: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<PersonId>,
    /// Of a conversation: how it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversationStatus>,
    /// Of a conversation: who is to answer; null for nobody.
    #[serde(
        default,
        deserialize_with = "crate::fields::nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(extend("x-nullable" = true)))]
    pub assigned_team_member_id: Option<Option<PersonId>>,
    /// Of a conversation: how far each has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Vec<SeenState>>,
    /// Who is typing, oneself excepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<Vec<TypingState>>,
    /// Of a conversation: what AI agents are doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Vec<ActivityState>>,
    /// Told to the team: who is online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<OnlineState>,
    /// Of a conversation, told to the team: who has it open, oneself excepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewing: Option<Vec<ViewingState>>,
}

/// A subscription was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionError {
    /// The `id` of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Why, for people.
    pub error: String,
    /// Why, for programs.
    pub code: ErrorCode,
    /// Which channel.
    pub channel: Channel,
    /// Where the request is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// After how many ms it may be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// A subscription has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionEnded {
    /// The `id` of the request, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Which channel.
    pub channel: Channel,
    /// `revoked` when access ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A message is on stable storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageAck {
    /// The idempotency key: the `id` of the `send_message`, or one that the server made up.
    pub id: RequestId,
    /// Where it was stored.
    pub conversation_id: ConversationId,
    /// The id that the server gave it.
    pub message_id: MessageId,
    /// Its place, in the sender's numbering.
    pub seq: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether it had been stored before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
}

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// The id that the server gave it.
    pub message_id: MessageId,
    /// What it says; null once deleted.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::MessageContent>"))]
    pub content: Option<Box<RawValue>>,
    /// What kind of principal sent it.
    pub sender_type: UserType,
    /// Who sent it.
    pub sender_id: PersonId,
    /// The sender's name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// An object of the sending application's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Object>"))]
    pub metadata: Option<Box<RawValue>>,
    /// Who may read it.
    pub visibility: Visibility,
    /// The idempotency key under which it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<RequestId>,
    /// Whether it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// When it was last edited or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Its place in the conversation, in the reader's numbering.
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A message was edited or deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageUpdated {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which message.
    pub message_id: MessageId,
    /// What it says now; null once deleted.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::MessageContent>"))]
    pub content: Option<Box<RawValue>>,
    /// When it was edited or deleted.
    pub updated_at: Timestamp,
    /// Whether it was deleted.
    pub deleted: bool,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// The place of this event in the conversation, in the reader's numbering.
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A conversation began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationCreated {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Whose it is.
    pub visitor_id: PersonId,
    /// When it began.
    pub created_at: Timestamp,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Its place in the conversation: the first.
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Who a visitor is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The id in the customer's own books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A visitor became a known person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorIdentified {
    /// Who the visitor is now.
    pub visitor_id: PersonId,
    /// What is known of the person.
    pub identity: Identity,
    /// Who the visitor was, when the person had been known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_visitor_id: Option<PersonId>,
    /// The conversations that are now this visitor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_ids: Option<Vec<ConversationId>>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// The first of a website's team came, or the last one left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TeamPresence {
    /// Of which website.
    pub website_id: WebsiteId,
}

/// A conversation's status changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationStatusChanged {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// How it stands now.
    pub status: ConversationStatus,
    /// Who changed it; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<PersonId>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Its place in the conversation, in the reader's numbering.
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// A conversation's assignee changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationAssigned {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who is to answer now; null for nobody.
    pub assigned_team_member_id: Option<PersonId>,
    /// Who changed it; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<PersonId>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Its place in the conversation, in the reader's numbering.
    pub seq: u64,
    /// Its place in the website; told to the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Somebody has read up to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConversationSeen {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// The place, in the numbering of the one who is told.
    pub last_seen_seq: u64,
    /// When.
    pub seen_at: Timestamp,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// Somebody begins or stops typing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingIndicator {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// Begins or stops.
    pub is_typing: bool,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// Somebody opened or left a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ViewingIndicator {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// Opened or left.
    pub is_viewing: bool,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// The text that somebody has typed so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypingProgressEvent {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: PersonId,
    /// What kind of principal.
    pub user_type: UserType,
    /// The whole text.
    pub content: String,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// What an AI agent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentActivityEvent {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which agent.
    pub user_id: PersonId,
    /// A word for it; `done` ends it.
    pub phase: String,
    /// A text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
}

/// A visitor came or left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorPresence {
    /// The visitor's latest conversation that is not closed.
    pub conversation_id: ConversationId,
    /// All such, newest first, at most 20.
    pub conversation_ids: Vec<ConversationId>,
    /// Who.
    pub visitor_id: PersonId,
    /// On which website.
    pub website_id: WebsiteId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// When the visitor was last here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

/// More about an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// Which field: names and indexes joined by dots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the conversation stands, when that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversationStatus>,
}

/// Something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// The `id` of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// What failed, for people.
    pub error: String,
    /// What failed, for programs.
    pub code: ErrorCode,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// After how many ms it may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The server asks the client to come back elsewhere or later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reconnect {
    /// Why, such as `draining`.
    pub reason: String,
    /// After how many ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Why a text is no server message that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableMessage {
    /// Not JSON, or not an object with a string `type`.
    #[error("not an object with a type")]
    NotAMessage,
    /// A `type` of a newer server: for the application as it is.
    #[error("unknown type {0}")]
    UnknownType(String),
    /// A field is not as it must be.
    #[error("{0}")]
    Invalid(Invalid),
}

impl ServerMessage {
    /// Reads one text frame.
    ///
    /// # Errors
    /// [`UnreadableMessage`] tells apart what to skip and what to hand on.
    pub fn parse(text: &str) -> Result<Self, UnreadableMessage> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow)]
            r#type: std::borrow::Cow<'a, str>,
        }
        let head: Head<'_> = serde_json::from_str(text).map_err(|_| UnreadableMessage::NotAMessage)?;
        match Self::parse_body(&head.r#type, text) {
            Some(body) => body.map_err(UnreadableMessage::Invalid),
            None => Err(UnreadableMessage::UnknownType(head.r#type.into_owned())),
        }
    }

    /// The message as JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a server message is always JSON")
    }
}

/// The metadata of a message as raw JSON.
///
/// # Errors
/// Never for an object; the type keeps the conversion in one place.
pub fn raw_object(object: &Object) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(object)
}
