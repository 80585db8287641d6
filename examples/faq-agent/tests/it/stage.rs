//! A server, an agent beside it, and people.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use cossistant_testkit::{Credential, Server, ServerOptions, WsClient, WsOptions, eventually, tokens, unique};
use serde_json::{Value, json};

/// How long one thing may take: debug builds on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the agent of these tests knows.
const FAQ: &str = "# Tests\n\n## How long does delivery take?\n## When will it arrive?\n\
    Two to four working days within the country, and up to ten days abroad, holidays not counted.\n\
    \n## How can I pay?\nBy card or on invoice.\n";
pub(crate) const DELIVERY: &str =
    "Two to four working days within the country, and up to ten days abroad, holidays not counted.";
pub(crate) const PAYMENT: &str = "By card or on invoice.";

/// A server of the test's own.
pub(crate) fn server() -> Server {
    let binary = Path::new(env!("CARGO_BIN_EXE_faq-agent")).with_file_name("cossistant");
    assert!(binary.exists(), "the server is not built: run `cargo build -p cossistant` first");
    ServerOptions::new(binary).flag("--drain-window=1s").start()
}

/// The agent's process. Dropping it kills it.
pub(crate) struct Agent {
    process: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts one for the demo website and further ones.
    pub(crate) fn start(server: &Server, websites: &[&str]) -> Self {
        Self::start_with_key(server, &server.ready().secret_key, websites)
    }

    pub(crate) fn start_with_key(server: &Server, key: &str, websites: &[&str]) -> Self {
        let log = server.data().with_file_name(unique("agent"));
        let faq = server.data().with_file_name("faq.md");
        std::fs::write(&faq, FAQ).expect("the server's folder takes a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_faq-agent"));
        command.args(["--url", &server.ready().url, "--website", &server.ready().website_id]).arg("--faq").arg(faq);
        command.args(websites.iter().flat_map(|website| ["--website", *website])).env("FAQ_AGENT_KEY", key);
        let output = File::create(&log).expect("the server's folder takes a file");
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().expect("the agent starts");
        Self { process, log }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill_9(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let status = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "SIGTERM can be sent");
        self.ended().await
    }

    /// How it ended, once it has.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let process = &mut self.process;
        eventually(PATIENCE, "the agent ends", || {
            let ended = process.try_wait().expect("its end can be asked for");
            async move { ended }
        })
        .await
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("--- the agent said:\n{}---", self.log());
        }
    }
}

/// A visitor in a new conversation of theirs on the demo website.
pub(crate) async fn visitor(server: &Server) -> (WsClient, String) {
    visitor_of(server, &server.ready().website_id.clone()).await
}

pub(crate) async fn visitor_of(server: &Server, website: &str) -> (WsClient, String) {
    let token = tokens::visitor(&unique("visitor")).org(&server.ready().organization_id).websites(&[website]).sign();
    let conversation = unique("conv");
    let mut client = join(server, token).await;
    subscribe(&mut client, &conversation).await;
    (client, conversation)
}

/// A member of the team who follows a conversation.
pub(crate) async fn user(server: &Server, conversation: &str) -> WsClient {
    let mut client = join(server, user_token(server)).await;
    subscribe(&mut client, conversation).await;
    client
}

pub(crate) fn user_token(server: &Server) -> String {
    tokens::user("grace").org(&server.ready().organization_id).websites(&["*"]).sign()
}

pub(crate) async fn join(server: &Server, token: String) -> WsClient {
    WsOptions::new(&server.ready().ws_url, Credential::Header(token)).deadline(PATIENCE).establish().await
}

pub(crate) async fn subscribe(client: &mut WsClient, conversation: &str) {
    let id = unique("sub");
    client.send(json!({"type": "subscribe_conversation", "id": id, "conversationId": conversation, "after": 0})).await;
    let answer = client.expect_answer(&id).await;
    assert_eq!(answer["type"], "subscription_confirmed", "{answer}");
}

/// Says something, and waits until it is stored.
pub(crate) async fn say(client: &mut WsClient, conversation: &str, text: &str) {
    say_with(client, conversation, json!({"content": {"text": text}})).await;
}

pub(crate) async fn say_with(client: &mut WsClient, conversation: &str, mut message: Value) {
    let id = unique("key");
    (message["type"], message["id"], message["conversationId"]) =
        (json!("send_message"), json!(id), json!(conversation));
    client.send(message).await;
    let answer = client.expect_answer(&id).await;
    assert_eq!(answer["type"], "message_ack", "{answer}");
}

/// The next message of the agent's.
pub(crate) async fn reply(client: &mut WsClient) -> Value {
    let is_agents = |message: &Value| message["type"] == "new_message" && message["senderType"] == "ai_agent";
    client.recv_until("a reply of the agent", is_agents).await
}

/// The texts of all stored messages of the agent's, as the team sees them.
pub(crate) async fn replies(server: &Server, conversation: &str) -> Vec<String> {
    let path = format!("/v1/conversations/{conversation}/messages?limit=200");
    let page = server.http().get(&path).bearer(&user_token(server)).send().await.expect(200, "the team reads");
    let messages = page["messages"].as_array().cloned().unwrap_or_default();
    let agents = messages.iter().filter(|message| message["senderType"] == "ai_agent");
    agents.map(|message| message["content"]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Where a conversation stands.
pub(crate) async fn stands(server: &Server, conversation: &str) -> (String, Value) {
    let path = format!("/v1/conversations/{conversation}");
    let found = server.http().get(&path).bearer(&user_token(server)).send().await.expect(200, "the team reads");
    (found["status"].as_str().unwrap_or_default().to_owned(), found["assignedTeamMemberId"].clone())
}

/// A member of the team changes a conversation.
pub(crate) async fn change(server: &Server, conversation: &str, change: Value) {
    let path = format!("/v1/conversations/{conversation}");
    let answer = server.http().patch(&path, change).bearer(&user_token(server)).send().await;
    drop(answer.expect(200, "the team may change a conversation"));
}

/// Proves that the agent has had the time to say something about all that was said before: in another conversation,
/// it answers.
pub(crate) async fn agent_is_past(server: &Server) {
    let (mut other, conversation) = visitor(server).await;
    say(&mut other, &conversation, "How can I pay?").await;
    assert_eq!(reply(&mut other).await["content"]["text"], PAYMENT);
}
