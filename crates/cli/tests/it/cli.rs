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
    for name in [
        "serve",
        "check-config",
        "doctor",
        "token",
        "chat",
        "tail",
        "organization",
        "website",
        "key",
        "backup",
        "restore",
        "migrate",
        "bench",
        "bench idle",
        "bench fanout",
        "bench typing",
        "bench chat",
        "bench resume",
        "bench disk",
        "bench floor-server",
    ] {
        let output = run(&name.split(' ').chain(["--help"]).collect::<Vec<_>>());
        assert!(output.status.success(), "section 10, {name} --help: {}", words(&output.stderr));
        let help = words(&output.stdout);
        let example = help.split_once("\nExample").map_or("", |(_, example)| example);
        assert!(example.contains(&format!("cossistant {name}")), "section 10, {name} --help has an example: {help}");
    }
}

#[tokio::test]
async fn bench_takes_its_options_behind_the_scenario_too() {
    let folder = std::env::temp_dir();
    let disk = ["disk", "--writes", "1", "--data", folder.to_str().expect("a path in UTF-8")];
    for line in [[&["bench", "--json"], &disk[..]].concat(), [&["bench"], &disk[..], &["--json"]].concat()] {
        let output = run(&line);
        assert_eq!(output.status.code(), Some(0), "section 10, {line:?}: {}", words(&output.stderr));
        for figure in words(&output.stdout).lines() {
            let figure: Value = serde_json::from_str(figure).expect("section 10, --json for programs");
            assert_eq!(figure["scenario"], "disk", "{figure}");
        }
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

#[tokio::test]
async fn chat_in_what_is_not_there_exits_with_1_and_says_so() {
    let stage = stage();
    let token = stage.user_token(&unique("u"));
    let arguments = ["chat", "--url", &stage.url, "--token", &token, "--conversation", &unique("none")];
    let child = command(&arguments).stdin(Stdio::piped()).spawn().expect("the binary runs");
    let output = tokio::time::timeout(PATIENCE, pipe(child, "hello\n".to_owned())).await.expect("section 10, it ends");
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "section 10, refused for good: {said}");
    assert!(said.contains("not_found"), "section 10, a clear error: {said}");
}

#[tokio::test]
async fn chat_takes_more_lines_than_may_be_under_way() {
    let stage = stage();
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let token = stage.user_token(&unique("u"));
    let arguments = ["chat", "--url", &stage.url, "--token", &token, "--conversation", &conversation, "--note"];
    let child = command(&arguments).stdin(Stdio::piped()).spawn().expect("the binary runs");
    let lines: Vec<String> = (0..250).map(|number| format!("line {number}")).collect();
    let output = pipe(child, lines.join("\n\n")).await;
    assert_eq!(output.status.code(), Some(0), "section 10, exit 0: {}", words(&output.stderr));
    assert!(output.stdout.is_empty(), "one's own lines do not come back: {}", words(&output.stdout));
    let path = format!("/v1/conversations/{conversation}/messages?limit=200&after=51");
    let page = stage.http.get(&path).bearer(&token).send().await.expect(200, "section 8, messages");
    let texts: Vec<&str> =
        page["messages"].as_array().into_iter().flatten().map(|message| text(&message["content"], "text")).collect();
    assert_eq!(texts, lines[50..], "section 10, lines are messages, in order, and empty ones are none");
    assert_eq!(page["messages"][0]["visibility"], "internal", "--note");
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

/// Runs a command of the set-up and gives its JSON.
fn set_up(stage: &Stage, words_before: &[&str], words_after: &[&str]) -> Result<Value, String> {
    let access = ["--url", &stage.url, "--token", &stage.admin_key, "--json"];
    let output = run(&[words_before, &access, words_after].concat());
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).expect("section 10, --json")),
        Some(1) => Err(words(&output.stderr)),
        code => panic!("section 10, failed or refused exits 1, not {code:?}: {}", words(&output.stderr)),
    }
}

#[tokio::test]
async fn what_was_set_up_is_shown_changed_and_deleted() {
    let stage = stage();
    let made = set_up(&stage, &["organization", "create"], &["--name", "Ada's"]).expect("it is made");
    let organization = text(&made, "id").to_owned();
    let shown = set_up(&stage, &["organization", "show", &organization], &[]).expect("it is there");
    assert_eq!(shown["name"], "Ada's");

    let create =
        ["--organization", &organization, "--name", "Shop", "--domain", "a.example", "--domain", "*.b.example"];
    let website = set_up(&stage, &["website", "create"], &create).expect("it is made");
    let website = text(&website, "id").to_owned();
    let change = ["--typing-preview", "off", "--unseen-after", "0"];
    set_up(&stage, &["website", "change", &website], &change).expect("it is changed");
    let shown = set_up(&stage, &["website", "show", &website], &[]).expect("it is there");
    assert_eq!(
        (&shown["typingPreview"], &shown["unseenAfter"], &shown["allowedDomains"]),
        (&json!("off"), &json!(0), &json!(["a.example", "*.b.example"])),
        "what is not named stays: {shown}"
    );

    let key = set_up(&stage, &["key", "create"], &["--organization", &organization, "--type", "secret"]);
    let key = key.expect("it is made");
    assert!(text(&key, "key").starts_with("sk_"), "section 8, a secret is shown once: {key}");
    let id = text(&key, "id").to_owned();
    let shown = set_up(&stage, &["key", "show", &id], &[]).expect("it is there");
    assert_eq!((&shown["type"], &shown["key"]), (&json!("secret"), &Value::Null), "section 8, and never again");

    set_up(&stage, &["key", "delete", &id], &[]).expect("it is deleted");
    set_up(&stage, &["website", "delete", &website], &["--yes"]).expect("it is deleted");
    set_up(&stage, &["organization", "delete", &organization], &["--yes"]).expect("it is deleted");
    for (name, id) in [("key", &id), ("website", &website), ("organization", &organization)] {
        let gone = set_up(&stage, &[name, "show", id], &[]).expect_err("it is gone");
        assert!(gone.contains("not_found"), "section 10, a clear error: {gone}");
    }
}

#[tokio::test]
async fn nothing_is_deleted_by_accident() {
    let stage = stage();
    for name in ["website", "organization"] {
        let output = run(&[name, "delete", "some", "--url", &stage.url, "--token", &stage.admin_key]);
        assert_eq!(output.status.code(), Some(2), "section 10, {name} delete without --yes is wrong usage");
    }
}

#[tokio::test]
async fn a_copy_and_a_store_are_overwritten_only_when_told_so() {
    let folder = std::env::temp_dir().join(unique("cossistant-copy"));
    let server = crate::support::options("").start();
    let (data, copy, other) = (server.data().to_owned(), folder.join("copy.db"), folder.join("other"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let at = |path: &std::path::Path| path.to_str().expect("plain letters").to_owned();
    let (data, copy, other) = (at(&data), at(&copy), at(&other));
    let made = run(&["backup", "--data", &data, "--out", &copy, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("section 10, --json");
    assert!(made["bytes"].as_u64() > Some(0) && made["file"] == copy.as_str(), "what was made: {made}");
    assert_eq!(run(&["backup", "--data", &data, "--out", &copy]).status.code(), Some(1), "a copy is there already");
    assert_eq!(run(&["restore", "--data", &data, "--from", &copy, "--force"]).status.code(), Some(1), "it is in use");
    assert_eq!(run(&["restore", "--data", &other, "--from", &copy]).status.code(), Some(0), "a new folder");
    let again = run(&["restore", "--data", &other, "--from", &copy]);
    assert_eq!(again.status.code(), Some(1), "a folder with a store");
    assert!(words(&again.stderr).contains("--force"), "what would do it: {}", words(&again.stderr));
    assert_eq!(run(&["restore", "--data", &other, "--from", &copy, "--force"]).status.code(), Some(0), "--force");
    std::fs::remove_dir_all(&folder).expect("it was ours");
}
