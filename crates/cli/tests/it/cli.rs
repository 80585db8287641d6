//! Section 10: the commands that are no server.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use cossistant_testkit::{Server, unique};
use serde_json::{Value, json};

use crate::support::{BINARY, PATIENCE, Stage, new_message, say, subscribe_with, text};

static SERVER: OnceLock<Server> = OnceLock::new();

fn stage() -> Stage {
    Stage::shared(&SERVER, "")
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(words: &[&str]) -> Output {
    command(words).output().expect("the binary runs")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Gives lines to the standard input, ends it, and waits for the end of the program.
async fn pipe(mut child: Child, input: String) -> Output {
    tokio::task::spawn_blocking(move || {
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    })
    .await
    .expect("no panic")
}

#[tokio::test]
async fn token_prints_one_that_the_server_takes() {
    let stage = stage();
    for kind in ["visitor", "user", "ai_agent"] {
        let sub = unique(kind);
        let made = run(&["token", "--type", kind, "--sub", &sub, "--website", "website-123", "--dev"]);
        assert!(made.status.success(), "section 10, token: {}", words(&made.stderr));
        let token = words(&made.stdout);
        let client = stage.join(token.trim(), kind).await;
        assert_eq!((client.user_id(), &client.established()["userType"]), (sub.as_str(), &json!(kind)), "section 10");
    }
    let made = run(&[
        "token",
        "--type",
        "user",
        "--sub",
        "u",
        "--website",
        "website-123",
        "--expires-in",
        "1h",
        "--role",
        "admin",
        "--dev",
        "--json",
    ]);
    let json: Value = serde_json::from_slice(&made.stdout)
        .unwrap_or_else(|error| panic!("section 10, --json: {error}: {}", words(&made.stdout)));
    stage.join(text(&json, "token"), "by --json").await;
    let own = run(&[
        "token",
        "--type",
        "user",
        "--sub",
        "u",
        "--website",
        "website-123",
        "--org",
        "org-demo",
        "--jwt-secret",
        "dev-secret-dev-secret-dev-secret-",
    ]);
    stage.join(words(&own.stdout).trim(), "by --jwt-secret").await;
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    for wrong in [
        &["frobnicate"][..],
        &["token", "--type", "robot", "--sub", "x", "--website", "w", "--dev"],
        &["token", "--frobnicate"],
        &["chat"],
    ] {
        let output = run(wrong);
        assert_eq!(
            output.status.code(),
            Some(2),
            "section 10, wrong usage of {wrong:?} exits 2: {}",
            words(&output.stderr)
        );
    }
}

#[tokio::test]
async fn every_command_helps_with_an_example() {
    for name in ["serve", "token", "chat", "tail", "website", "key", "webhook", "backup", "restore", "bench"] {
        let output = run(&[name, "--help"]);
        assert!(output.status.success(), "section 10, {name} --help: {}", words(&output.stderr));
        let help = words(&output.stdout);
        assert!(help.contains(&format!("cossistant {name}")), "section 10, {name} --help has an example: {help}");
    }
}

#[tokio::test]
async fn chat_sends_lines_and_prints_messages() {
    let stage = stage();
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let token = stage.user_token(&unique("u"));
    let arguments = ["chat", "--url", &stage.url, "--token", &token, "--conversation", &conversation, "--json"];
    let child = command(&arguments).stdin(Stdio::piped()).spawn().expect("the binary runs");
    let output = pipe(child, "first line\nsecond line\n".to_owned()).await;
    assert_eq!(output.status.code(), Some(0), "section 10, ends with stdin, exit 0: {}", words(&output.stderr));
    let lines: Vec<Value> = words(&output.stdout)
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("section 10, every line is JSON: {error}: {line}"))
        })
        .collect();
    let acks: Vec<&Value> = lines.iter().filter(|line| line["type"] == "message_ack").collect();
    assert_eq!(acks.len(), 2, "section 10, after the acks: {lines:?}");
    for (ack, expected) in acks.iter().zip(["first line", "second line"]) {
        let told = new_message(&mut visitor, ack).await;
        assert_eq!(told["content"]["text"], expected, "section 10, lines of stdin are messages");
    }
    assert!(
        lines.iter().any(|line| line["type"] == "connection_established"),
        "section 10, every server message: {lines:?}"
    );
}

#[tokio::test]
async fn chat_without_json_ends_with_its_input_too() {
    let stage = stage();
    let visitor = unique("v");
    let conversation = unique("conv");
    let token = stage.visitor_token(&visitor);
    let arguments = ["chat", "--url", &stage.url, "--token", &token, "--conversation", &conversation];
    let child = command(&arguments).stdin(Stdio::piped()).spawn().expect("the binary runs");
    let output = pipe(child, "by a person\n".to_owned()).await;
    assert_eq!(output.status.code(), Some(0), "section 10, exit 0: {}", words(&output.stderr));
    let mut client = stage.visitor(&visitor).await;
    let confirmed = subscribe_with(&mut client, &conversation, json!({"after": 0})).await;
    assert_eq!(confirmed["replayed"], 2, "section 10, it was sent before the end: {confirmed}");
}

#[tokio::test]
async fn chat_with_a_bad_token_exits_with_1() {
    let stage = stage();
    let arguments = ["chat", "--url", &stage.url, "--token", "nonsense", "--conversation", "conv-1", "--json"];
    let child = command(&arguments).stdin(Stdio::piped()).spawn().expect("the binary runs");
    let output = tokio::time::timeout(PATIENCE, pipe(child, "hello\n".to_owned())).await.expect("section 10, it ends");
    assert_eq!(output.status.code(), Some(1), "section 10, refused: {}", words(&output.stderr));
}

/// A child that is killed when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn tail_prints_what_happens_on_a_website() {
    let stage = stage().own_website().await;
    let token = stage.user_token(&unique("u"));
    let mut tail = Running(
        command(&["tail", "--url", &stage.url, "--token", &token, "--website", &stage.website, "--json"])
            .spawn()
            .expect("the binary runs"),
    );
    let stdout = BufReader::new(tail.0.stdout.take().expect("it is piped"));
    let (lines, mut printed) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    // Until it is subscribed it hears nothing, so speak until it does.
    let deadline = Instant::now() + PATIENCE;
    let heard = loop {
        let heard = std::iter::from_fn(|| printed.try_recv().ok())
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .find(|line| line["type"] == "new_message");
        if let Some(heard) = heard {
            break heard;
        }
        assert!(Instant::now() < deadline, "section 10, tail prints server messages as JSON lines");
        say(&mut visitor, &conversation, "anyone?").await;
    };
    assert_eq!(heard["conversationId"], conversation, "section 10");
}

#[tokio::test]
async fn website_and_key_set_up_over_http() {
    let stage = stage();
    for (name, verb) in [("website", "create"), ("key", "create")] {
        let help = run(&[name, verb, "--help"]);
        assert!(help.status.success(), "section 10, {name} {verb} --help: {}", words(&help.stderr));
        let text = words(&help.stdout);
        assert!(text.contains("--url") && text.contains("--token"), "section 10, {name}: set up over HTTP: {text}");
    }
    let name = unique("Site");
    let made = run(&[
        "website",
        "create",
        "--url",
        &stage.url,
        "--token",
        &stage.admin_key,
        "--organization",
        &stage.org,
        "--name",
        &name,
        "--domain",
        "shop.example",
        "--json",
    ]);
    assert!(made.status.success(), "section 10, website: {}", words(&made.stderr));
    let website: Value = serde_json::from_slice(&made.stdout)
        .unwrap_or_else(|error| panic!("section 10, --json: {error}: {}", words(&made.stdout)));
    let website = text(&website, "id").to_owned();
    let made = run(&[
        "key",
        "create",
        "--url",
        &stage.url,
        "--token",
        &stage.admin_key,
        "--organization",
        &stage.org,
        "--website",
        &website,
        "--type",
        "public",
        "--json",
    ]);
    assert!(made.status.success(), "section 10, key: {}", words(&made.stderr));
    let key: Value = serde_json::from_slice(&made.stdout)
        .unwrap_or_else(|error| panic!("section 10, --json: {error}: {}", words(&made.stdout)));
    let made =
        stage.http.post("/v1/visitors", json!({"publicKey": key["key"]})).origin("https://shop.example").send().await;
    assert_eq!(made.status, 201, "section 10, what was set up works: {made:?}");
}
