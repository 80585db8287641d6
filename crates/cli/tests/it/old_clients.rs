//! Clients from before there were ids, acknowledgements and subprotocols: a plain `WebSocket` that knows a handful of
//! messages and ignores the rest.

use std::sync::OnceLock;

use cossistant_testkit::{Credential, Server, WsClient, unique};
use serde_json::{Value, json};

use crate::support::{PAGE, Stage, text};

static SERVER: OnceLock<Server> = OnceLock::new();

/// The fields of a message that such a client reads.
const FIELDS: &[&str] = &["messageId", "senderType", "senderId", "createdAt", "websiteId", "organizationId"];

/// A client that offers no subprotocol, gives no ids, and looks at nothing but messages that it knows.
struct OldClient {
    socket: WsClient,
}

impl OldClient {
    async fn connect(stage: &Stage, credential: Credential, name: &str) -> Self {
        let socket = stage.options(credential).name(name).origin(PAGE).establish().await;
        assert!(socket.response().get("sec-websocket-protocol").is_none(), "section 1, no subprotocol was offered");
        assert!(socket.established()["connectionId"].is_string() && socket.established()["serverTime"].is_u64());
        Self { socket }
    }

    async fn say(&mut self, kind: &str, conversation: &str, content: Value) {
        let mut message = json!({"type": kind, "conversationId": conversation});
        if !content.is_null() {
            message["content"] = content;
        }
        self.socket.send(message).await;
    }

    /// Subscribes; the confirmation is awaited in place of the time that a person takes to write.
    async fn subscribe(&mut self, conversation: &str) {
        self.say("subscribe_conversation", conversation, Value::Null).await;
        self.socket.expect("subscription_confirmed").await;
    }

    async fn hears(&mut self, kind: &str, conversation: &str) -> Value {
        let what = format!("a {kind} that an old client understands");
        let fits = |message: &Value| message["type"] == kind && message["conversationId"] == conversation;
        self.socket.recv_until(&what, fits).await
    }
}

#[tokio::test]
async fn a_plain_websocket_can_subscribe_send_type_and_receive() {
    let stage = Stage::shared(&SERVER, "");
    let conversation = unique("old");
    let query = |token: String| Credential::Query(token);
    let mut visitor = OldClient::connect(&stage, query(stage.visitor_token(&unique("old-visitor"))), "visitor").await;
    let mut user = OldClient::connect(&stage, query(stage.user_token(&unique("old-user"))), "user").await;

    visitor.subscribe(&conversation).await;
    visitor.say("send_message", &conversation, json!({"text": "Hello!"})).await;
    let echo = visitor.hears("new_message", &conversation).await;
    assert_eq!(echo["content"]["text"], "Hello!");
    for field in FIELDS {
        text(&echo, field);
    }

    user.socket.send(json!({"type": "subscribe_website", "websiteId": stage.website})).await;
    user.socket.expect("subscription_confirmed").await;
    user.subscribe(&conversation).await;
    for content in ["Wh", "Where", "Where is"] {
        visitor.say("typing_progress", &conversation, json!(content)).await;
    }
    let mut draft = Value::Null;
    while draft["content"] != "Where is" {
        draft = user.hears("typing_progress", &conversation).await;
    }
    assert_eq!(draft["userType"], "visitor");

    visitor.say("send_message", &conversation, json!({"text": "Where is my order?"})).await;
    assert_eq!(user.hears("new_message", &conversation).await["content"]["text"], "Where is my order?");

    user.say("typing_start", &conversation, Value::Null).await;
    let typing = visitor.hears("typing_indicator", &conversation).await;
    assert_eq!((&typing["isTyping"], &typing["userType"]), (&json!(true), &json!("user")));
    user.say("typing_stop", &conversation, Value::Null).await;
    assert_eq!(visitor.hears("typing_indicator", &conversation).await["isTyping"], false);
    user.say("send_message", &conversation, json!({"text": "On its way."})).await;
    let answer = loop {
        let message = visitor.hears("new_message", &conversation).await;
        if message["senderType"] == "user" {
            break message;
        }
    };
    assert_eq!(answer["content"]["text"], "On its way.");
    user.socket
        .assert_none("section 5, one copy to a holder of both channels", |message| {
            message["type"] == "new_message" && message["content"]["text"] == "Where is my order?"
        })
        .await;

    visitor.say("unsubscribe_conversation", &conversation, Value::Null).await;
    visitor.socket.fence().await;
    user.say("send_message", &conversation, json!({"text": "Are you there?"})).await;
    user.hears("new_message", &conversation).await;
    let is_late = |message: &Value| message["content"]["text"] == "Are you there?";
    visitor.socket.assert_none("section 3, no event of a channel that was let go", is_late).await;
}

#[tokio::test]
async fn an_anonymous_visitor_needs_no_more_than_the_public_key() {
    let stage = Stage::shared(&SERVER, "");
    let conversation = unique("old-anonymous");
    let key = Credential::PublicKey(stage.public_key.clone());
    let mut visitor = OldClient::connect(&stage, key, "anonymous").await;
    visitor.subscribe(&conversation).await;
    visitor.say("send_message", &conversation, json!({"text": "Hello!"})).await;
    assert_eq!(visitor.hears("new_message", &conversation).await["senderType"], "visitor");
}

#[tokio::test]
async fn two_sends_without_an_id_are_two_messages() {
    let stage = Stage::shared(&SERVER, "");
    let conversation = unique("old-twice");
    let token = Credential::Query(stage.visitor_token(&unique("old-twice")));
    let mut visitor = OldClient::connect(&stage, token, "twice").await;
    visitor.subscribe(&conversation).await;
    for _ in 0..2 {
        visitor.say("send_message", &conversation, json!({"text": "knock"})).await;
    }
    let first = visitor.hears("new_message", &conversation).await;
    let second = visitor.hears("new_message", &conversation).await;
    assert_ne!(first["messageId"], second["messageId"]);
}
