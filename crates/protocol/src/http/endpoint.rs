//! The table of endpoints, from which the server's router and the OpenAPI document are both made.

#[cfg(feature = "schema")]
use super::{
    AdmitVisitor, AgentQuery, ChangeConversation, ChangeWebsite, ConversationItem, ConversationList,
    ConversationsQuery, CreateConversation, CreateKey, CreateOrganization, CreateWebhook, CreateWebsite,
    DeliveriesQuery, Delivery, DeliveryList, Disconnect, EditContent, Health, IssueToken, Key, KeyCreated, MemberList,
    MessageList, MessagesQuery, Organization, PostMessage, Ready, TokenIssued, VisitorAdmitted, VisitorProfile,
    VisitorQuery, WebhookCreated, WebhookList, Website, WebsiteQuery,
};
#[cfg(feature = "schema")]
use crate::{MessageAck, NewMessage};

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl HttpMethod {
    /// The method as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call an endpoint; what each may see and do there is decided by the rules behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Anybody: for those who run the server.
    Anybody,
    /// A page of a website, by its public key and its `Origin`.
    PublicKey,
    /// Users and AI agents by token, and secret keys.
    Team,
    /// Visitors, the team, and secret keys.
    Participants,
    /// Secret keys.
    SecretKey,
    /// The admin key, and users whose token has `role: admin` within their organization.
    Admin,
    /// The team and secret keys, and admins.
    TeamOrAdmin,
}

impl Access {
    /// The same in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::PublicKey => "a page of the website (`Origin`), by its public key",
            Self::Team => "users, AI agents, secret keys",
            Self::Participants => "visitors (their own), users, AI agents, secret keys",
            Self::SecretKey => "secret keys",
            Self::Admin => "the admin key; users with `role: admin`, for their organization",
            Self::TeamOrAdmin => "users, AI agents, secret keys, the admin key",
        }
    }
}

/// One endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// What is called.
    pub operation: Operation,
    /// By which method.
    pub method: HttpMethod,
    /// At which path; `{name}` is one segment.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// The part of the API to which it belongs.
    pub tag: &'static str,
    /// What it does, a line each.
    pub docs: &'static [&'static str],
}

/// The parts of an endpoint that are types, as schemas.
#[cfg(feature = "schema")]
#[derive(Debug)]
pub(super) struct EndpointSchemas {
    pub(super) query: Option<schemars::Schema>,
    pub(super) body: Option<schemars::Schema>,
    pub(super) answers: Vec<(u16, Option<schemars::Schema>)>,
}

macro_rules! endpoints {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $method:ident $path:literal for $access:ident in $tag:literal
        $(query $query:ty)? $(, body $body:ty)? => $($status:literal $($answer:ty)?),+;
    )*) => {
        /// What may be called over HTTP.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($(#[doc = $doc])+ $name),* }

        impl Endpoint {
            /// Every endpoint, grouped by path.
            pub const ALL: &'static [Self] = &[$(Self {
                operation: Operation::$name,
                method: HttpMethod::$method,
                path: $path,
                access: Access::$access,
                tag: $tag,
                docs: &[$($doc),+],
            }),*];

            #[cfg(feature = "schema")]
            pub(super) fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> EndpointSchemas {
                match self.operation {
                    $(Operation::$name => EndpointSchemas {
                        query: None $(.or_else(|| Some(schemars::SchemaGenerator::root_schema_for::<$query>(&mut schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
                            settings.inline_subschemas = true;
                            settings.contract = schemars::generate::Contract::Serialize;
                        }).into_generator()))))?,
                        body: None $(.or_else(|| Some(generator.subschema_for::<$body>())))?,
                        answers: vec![$(($status, None $(.or_else(|| Some(generator.subschema_for::<$answer>())))?)),+],
                    }),*
                }
            }
        }

        impl Operation {
            /// The name of the operation, unique among all.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

endpoints! {
    /// Lets a visitor in.
    /// With `identityToken` the anonymous visitor becomes that person and keeps its conversations; if the person is
    /// known already, they move to it, and the old token stands for that person from then on.
    AdmitVisitor = Post "/v1/visitors" for PublicKey in "people", body AdmitVisitor => 201 VisitorAdmitted;
    /// What is known of a visitor.
    ReadVisitor = Get "/v1/visitors/{visitorId}" for Team in "people" query VisitorQuery => 200 VisitorProfile;
    /// Everyone of the team who ever connected for a website.
    ListMembers = Get "/v1/websites/{websiteId}/members" for Team in "people" => 200 MemberList;
    /// Issues a token.
    IssueToken = Post "/v1/tokens" for SecretKey in "people", body IssueToken => 201 TokenIssued;
    /// Ends the connections of a person.
    /// With `revoke`, tokens issued before now (and those without `iat`) stay refused.
    Disconnect = Post "/v1/disconnect" for SecretKey in "people", body Disconnect => 204;
    /// Conversations of a website, newest activity first.
    ListWebsiteConversations = Get "/v1/websites/{websiteId}/conversations" for Team in "conversations"
        query ConversationsQuery => 200 ConversationList;
    /// Conversations, newest activity first: a visitor's own, or those that the team may see.
    ListConversations = Get "/v1/conversations" for Participants in "conversations"
        query ConversationsQuery => 200 ConversationList;
    /// Makes a conversation.
    /// One of that id and the same visitor is answered with 200.
    CreateConversation = Post "/v1/conversations" for Participants in "conversations", body CreateConversation
        => 201 ConversationItem, 200 ConversationItem;
    /// One conversation.
    ReadConversation = Get "/v1/conversations/{conversationId}" for Participants in "conversations"
        => 200 ConversationItem;
    /// Changes status and assignee.
    ChangeConversation = Patch "/v1/conversations/{conversationId}" for Team in "conversations"
        query AgentQuery, body ChangeConversation => 200 ConversationItem;
    /// Messages of a conversation, by rising `seq`.
    ListMessages = Get "/v1/conversations/{conversationId}/messages" for Participants in "messages"
        query MessagesQuery => 200 MessageList;
    /// Sends a message.
    /// The same `id` of the same sender stores nothing new and is answered with 200 and the first answer.
    PostMessage = Post "/v1/conversations/{conversationId}/messages" for Participants in "messages"
        query AgentQuery, body PostMessage => 201 MessageAck, 200 MessageAck;
    /// Replaces what a message says.
    /// For its sender (a visitor within 5 minutes), and for users where it is a note.
    EditMessage = Patch "/v1/conversations/{conversationId}/messages/{messageId}" for Participants in "messages"
        query AgentQuery, body EditContent => 200 NewMessage;
    /// Deletes what a message says and keeps its place.
    /// For its sender (a visitor within 5 minutes), for users where it is a note, and for admins.
    DeleteMessage = Delete "/v1/conversations/{conversationId}/messages/{messageId}" for Participants in "messages"
        query AgentQuery => 204;
    /// Makes an organization.
    CreateOrganization = Post "/v1/organizations" for Admin in "set-up", body CreateOrganization => 201 Organization;
    /// One organization.
    ReadOrganization = Get "/v1/organizations/{organizationId}" for Admin in "set-up" => 200 Organization;
    /// Deletes an organization with all that is its own.
    DeleteOrganization = Delete "/v1/organizations/{organizationId}" for Admin in "set-up" => 204;
    /// Makes a website.
    CreateWebsite = Post "/v1/websites" for Admin in "set-up", body CreateWebsite => 201 Website;
    /// A website with its settings.
    ReadWebsite = Get "/v1/websites/{websiteId}" for TeamOrAdmin in "set-up" query WebsiteQuery => 200 Website;
    /// Changes settings of a website.
    ChangeWebsite = Patch "/v1/websites/{websiteId}" for Admin in "set-up"
        query WebsiteQuery, body ChangeWebsite => 200 Website;
    /// Deletes a website with its conversations.
    DeleteWebsite = Delete "/v1/websites/{websiteId}" for Admin in "set-up" query WebsiteQuery => 204;
    /// Makes a key. A secret is shown here and never again.
    CreateKey = Post "/v1/keys" for Admin in "set-up", body CreateKey => 201 KeyCreated;
    /// One key, without what is secret of it.
    ReadKey = Get "/v1/keys/{keyId}" for Admin in "set-up" => 200 Key;
    /// Deletes a key; what was signed by it is refused from then on.
    DeleteKey = Delete "/v1/keys/{keyId}" for Admin in "set-up" => 204;
    /// Makes a webhook. Its secret is shown here and never again.
    /// Private addresses are refused, unless the server was told to allow them.
    CreateWebhook = Post "/v1/webhooks" for SecretKey in "webhooks", body CreateWebhook => 201 WebhookCreated;
    /// All webhooks of the organization.
    ListWebhooks = Get "/v1/webhooks" for SecretKey in "webhooks" => 200 WebhookList;
    /// Deletes a webhook with its deliveries; nothing more is sent to it.
    DeleteWebhook = Delete "/v1/webhooks/{webhookId}" for SecretKey in "webhooks" => 204;
    /// What was sent to a webhook, failed, or is dead; the newest first.
    ListDeliveries = Get "/v1/webhooks/{webhookId}/deliveries" for SecretKey in "webhooks"
        query DeliveriesQuery => 200 DeliveryList;
    /// Sends a delivery once more, under the same `webhook-id`, whatever became of it.
    ResendDelivery = Post "/v1/webhooks/{webhookId}/deliveries/{deliveryId}/resend" for SecretKey in "webhooks"
        => 202 Delivery;
    /// Whether the process lives.
    Health = Get "/healthz" for Anybody in "operation" => 200 Health;
    /// Whether the node takes requests: 503 with the reason while it drains or has no store.
    Ready = Get "/readyz" for Anybody in "operation" => 200 Ready;
    /// Figures in the text format of Prometheus.
    Metrics = Get "/metrics" for Anybody in "operation" => 200;
    /// This API as an OpenAPI document.
    OpenApi = Get "/openapi.json" for Anybody in "operation" => 200;
    /// The WebSocket as an AsyncAPI document.
    AsyncApi = Get "/asyncapi.json" for Anybody in "operation" => 200;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_endpoints_are_one() {
        let places: HashSet<_> = Endpoint::ALL.iter().map(|endpoint| (endpoint.method, endpoint.path)).collect();
        assert_eq!(places.len(), Endpoint::ALL.len());
    }
}
