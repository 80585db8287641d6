//! What the modules share: stages to play on, and the few steps that every test takes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use cossistant_testkit::tokens::{self, Token};
use cossistant_testkit::{
    Credential, Http, Server, ServerGuard, ServerOptions, WsClient, WsOptions, eventually, unique,
};
use serde_json::{Value, json};

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_cossistant");

/// How long a test waits for one thing: a debug build on a busy machine with a slow disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// How long a test listens for what must not come, where no other event can be awaited.
pub(crate) const MOMENT: Duration = Duration::from_millis(200);

/// An origin that the demo website allows.
pub(crate) const PAGE: &str = "http://localhost:3000";

/// A place of its own within a server: an organization, a website, and keys for them.
pub(crate) struct Stage {
    pub(crate) ws_url: String,
    pub(crate) url: String,
    pub(crate) http: Http,
    pub(crate) org: String,
    pub(crate) website: String,
    pub(crate) admin_key: String,
    pub(crate) public_key: String,
    pub(crate) secret_key: String,
    pub(crate) _guard: Option<ServerGuard>,
}

impl Stage {
    /// The demo website of a module's shared server, started by whoever comes first.
    pub(crate) fn shared(cell: &'static OnceLock<Server>, config: &str) -> Self {
        let server = cell.get_or_init(|| options(config).start());
        Self { _guard: Some(server.guard()), ..Self::of(server) }
    }

    /// The demo website of a server that belongs to the test.
    pub(crate) fn of(server: &Server) -> Self {
        let ready = server.ready().clone();
        Self {
            http: server.http(),
            ws_url: ready.ws_url,
            url: ready.url,
            org: ready.organization_id,
            website: ready.website_id,
            admin_key: ready.admin_key,
            public_key: ready.public_key,
            secret_key: ready.secret_key,
            _guard: None,
        }
    }

    /// Another website of the same organization, where no other test is.
    pub(crate) async fn own_website(&self) -> Self {
        let body = json!({"organizationId": self.org, "name": unique("Site"), "allowedDomains": ["localhost", "shop.example"]});
        let made = self.http.post("/v1/websites", body).bearer(&self.admin_key).send().await;
        let made = made.expect(201, "section 8, POST /v1/websites makes a website");
        self.beside(&self.org, text(&made, "id"))
    }

    /// Another organization with one website and keys.
    pub(crate) async fn own_organization(&self) -> Self {
        let made =
            self.http.post("/v1/organizations", json!({"name": unique("Org")})).bearer(&self.admin_key).send().await;
        let made = made.expect(201, "section 8, POST /v1/organizations makes an organization");
        self.beside(text(&made, "id"), "").own_website().await
    }

    fn beside(&self, org: &str, website: &str) -> Self {
        Self {
            ws_url: self.ws_url.clone(),
            url: self.url.clone(),
            http: self.http.clone(),
            org: org.to_owned(),
            website: website.to_owned(),
            admin_key: self.admin_key.clone(),
            public_key: String::new(),
            secret_key: String::new(),
            _guard: None,
        }
    }

    /// A key of this stage's organization: `{id, key?}`.
    pub(crate) async fn key(&self, kind: &str, more: Value) -> Value {
        let mut body = json!({"organizationId": self.org, "type": kind});
        merge(&mut body, &more);
        let made = self.http.post("/v1/keys", body).bearer(&self.admin_key).send().await;
        made.expect(201, "section 8, POST /v1/keys makes a key")
    }

    /// Claims for this stage's organization and website.
    pub(crate) fn claims(&self, kind: &str, sub: &str) -> Token {
        let token = match kind {
            "visitor" => tokens::visitor(sub),
            "user" => tokens::user(sub),
            _ => tokens::ai_agent(sub),
        };
        token.org(&self.org).websites(&[&self.website])
    }

    pub(crate) fn visitor_token(&self, sub: &str) -> String {
        self.claims("visitor", sub).sign()
    }

    pub(crate) fn user_token(&self, sub: &str) -> String {
        self.claims("user", sub).sign()
    }

    pub(crate) fn admin_token(&self, sub: &str) -> String {
        self.claims("user", sub).claim("role", "admin").sign()
    }

    /// How a native client with this token connects.
    pub(crate) fn options(&self, credential: Credential) -> WsOptions {
        WsOptions::new(&self.ws_url, credential).deadline(PATIENCE)
    }

    /// A connection with this token, established.
    pub(crate) async fn join(&self, token: &str, name: &str) -> WsClient {
        self.options(Credential::Header(token.to_owned())).name(name).establish().await
    }

    pub(crate) async fn visitor(&self, sub: &str) -> WsClient {
        self.join(&self.visitor_token(sub), sub).await
    }

    pub(crate) async fn user(&self, sub: &str) -> WsClient {
        self.join(&self.user_token(sub), sub).await
    }

    pub(crate) async fn agent(&self, sub: &str) -> WsClient {
        self.join(&self.claims("ai_agent", sub).sign(), sub).await
    }

    /// A visitor in a new conversation of theirs, subscribed.
    pub(crate) async fn visitor_in_conversation(&self) -> (WsClient, String) {
        let mut visitor = self.visitor(&unique("visitor")).await;
        let conversation = unique("conv");
        subscribe(&mut visitor, &conversation).await;
        (visitor, conversation)
    }

    /// A user, subscribed to the conversation.
    pub(crate) async fn user_in(&self, conversation: &str) -> WsClient {
        let mut user = self.user(&unique("user")).await;
        subscribe(&mut user, conversation).await;
        user
    }

    /// `PATCH /v1/conversations/{id}` by a user.
    pub(crate) async fn patch_conversation(&self, conversation: &str, body: Value) -> Value {
        let token = self.user_token("patcher");
        let path = format!("/v1/conversations/{conversation}");
        let answer = self.http.patch(&path, body).bearer(&token).send().await;
        answer.expect(200, "section 8, the team may PATCH a conversation")
    }

    /// `PATCH /v1/websites/{id}` by an admin.
    pub(crate) async fn patch_website(&self, body: Value) -> Value {
        let path = format!("/v1/websites/{}", self.website);
        let answer = self.http.patch(&path, body).bearer(&self.admin_token("boss")).send().await;
        answer.expect(200, "section 8, an admin may PATCH a website")
    }
}

/// `serve --dev` with this configuration.
pub(crate) fn options(config: &str) -> ServerOptions {
    let options = ServerOptions::new(BINARY);
    if config.is_empty() { options } else { options.config(config) }
}

/// Waits until something is so, which is asked time and again.
pub(crate) async fn comes_true(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(2 * PATIENCE, what, async || is_so().await.then_some(())).await;
}

/// Whether the long rounds are asked for, as by `cargo xtask test --long`.
pub(crate) fn is_long() -> bool {
    std::env::var_os("COSSISTANT_TEST_LONG").is_some_and(|value| value == "1")
}

/// Whether every test has to run, as by `cargo xtask test`, which installs what they need.
pub(crate) fn is_all() -> bool {
    std::env::var_os("COSSISTANT_TEST_ALL").is_some_and(|value| value == "1")
}

/// The program behind a shell that first does something to itself, in a folder of the test's own.
pub(crate) fn wrapped(folder: &Path, before: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let script = folder.join(unique("wrapped"));
    let text = format!("#!/bin/sh\n{before} {BINARY} \"$@\"\n");
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    script
}

/// The text of a field.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("section 4, `{field}` is text: {value}"))
}

/// The whole number of a field.
#[track_caller]
pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("section 4, `{field}` is a whole number: {value}"))
}

/// Asserts RFC 3339 in UTC with milliseconds.
#[track_caller]
pub(crate) fn assert_time(value: &Value, field: &str) {
    let time = text(value, field);
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "section 1, `{field}` is RFC 3339 UTC with ms: {value}");
}

pub(crate) fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

/// Subscribes to a conversation and gives the confirmation.
pub(crate) async fn subscribe(client: &mut WsClient, conversation: &str) -> Value {
    subscribe_with(client, conversation, json!({})).await
}

/// Subscribes with more fields (`after`, `last`, `epoch`) and gives the confirmation.
pub(crate) async fn subscribe_with(client: &mut WsClient, conversation: &str, more: Value) -> Value {
    let mut request = json!({"type": "subscribe_conversation", "conversationId": conversation});
    merge(&mut request, &more);
    confirmed(client, request, &format!("conversation:{conversation}")).await
}

/// Subscribes to a website and gives the confirmation.
pub(crate) async fn subscribe_website(client: &mut WsClient, website: &str, more: Value) -> Value {
    let mut request = json!({"type": "subscribe_website", "websiteId": website});
    merge(&mut request, &more);
    confirmed(client, request, &format!("website:{website}")).await
}

async fn confirmed(client: &mut WsClient, mut request: Value, channel: &str) -> Value {
    let id = unique("sub");
    request["id"] = json!(id);
    client.send(request).await;
    let answer = client.expect_answer(&id).await;
    assert_eq!(answer["type"], "subscription_confirmed", "section 3, one with access may subscribe: {answer}");
    assert_eq!(answer["channel"], channel, "section 4, a confirmation names the channel: {answer}");
    answer
}

/// Sends a message and gives the whole answer, whatever it is.
pub(crate) async fn try_say(client: &mut WsClient, conversation: &str, more: Value) -> Value {
    let mut message = json!({"type": "send_message", "id": unique("key"), "conversationId": conversation, "content": {"text": "hello"}});
    merge(&mut message, &more);
    let id = text(&message, "id").to_owned();
    client.send(message).await;
    client.expect_answer(&id).await
}

/// Sends a text and gives the ack.
pub(crate) async fn say(client: &mut WsClient, conversation: &str, words: &str) -> Value {
    say_with(client, conversation, json!({"content": {"text": words}})).await
}

/// Sends a message with more fields and gives the ack.
pub(crate) async fn say_with(client: &mut WsClient, conversation: &str, more: Value) -> Value {
    let answer = try_say(client, conversation, more).await;
    assert_eq!(answer["type"], "message_ack", "section 3, a participant's message is acked: {answer}");
    answer
}

/// Takes the `new_message` that an ack was for.
pub(crate) async fn new_message(client: &mut WsClient, ack: &Value) -> Value {
    let id = text(ack, "messageId");
    let what = format!("new_message {id}");
    client.recv_until(&what, |message| message["type"] == "new_message" && message["messageId"] == id).await
}

/// Takes the first event of this type of this conversation.
pub(crate) async fn event(client: &mut WsClient, kind: &str, conversation: &str) -> Value {
    let what = format!("{kind} of {conversation}");
    client.recv_until(&what, |message| message["type"] == kind && message["conversationId"] == conversation).await
}

/// Whether a message is this kind of event.
pub(crate) fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |message| message["type"] == kind
}
