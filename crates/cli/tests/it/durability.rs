//! Sections 6 and 10: what was acked survives everything, and a folder has one server.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cossistant_testkit::{OrderChecker, Place, Server, ServerOptions, StartError, WsClient, eventually, unique};
use serde_json::{Value, json};

use crate::support::{BINARY, PATIENCE, Stage, is_long, number, options, say, subscribe_with, text};

/// How often the server is killed, and in long runs.
const ROUNDS: usize = 20;
const LONG_ROUNDS: usize = 100;
const SENDERS: usize = 4;

/// One sender's book: what it sent, in order, and the acks it got.
struct Sender {
    sub: String,
    sent: Vec<(String, String)>,
    acks: Vec<Value>,
}

impl Sender {
    fn new(at: usize) -> Self {
        Self { sub: unique(&format!("sender{at}")), sent: Vec::new(), acks: Vec::new() }
    }

    /// Sends one after the other, first what was left unanswered, until the line is cut or
    /// `limit` more are acked.
    async fn burst(&mut self, mut client: WsClient, conversation: &str, acked: &AtomicUsize, limit: usize) {
        let end = self.acks.len().saturating_add(limit);
        while self.acks.len() < end {
            if self.sent.len() == self.acks.len() {
                self.sent.push((unique("key"), format!("{} {}", self.sub, self.sent.len())));
            }
            let (id, words) = self.sent[self.acks.len()].clone();
            let Some(ack) = Self::send(&mut client, conversation, &id, &words).await else { return };
            self.acks.push(ack);
            acked.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn send(client: &mut WsClient, conversation: &str, id: &str, words: &str) -> Option<Value> {
        let message =
            json!({"type": "send_message", "id": id, "conversationId": conversation, "content": {"text": words}});
        client.try_send(message).await.ok()?;
        loop {
            let answer = client.next().await?;
            if answer["id"] == id {
                assert_eq!(answer["type"], "message_ack", "section 6, a message is acked: {answer}");
                return Some(answer);
            }
        }
    }

    /// Every send is there once, in the order sent, at the place that its ack named.
    fn assert_kept(&self, messages: &[Value]) {
        let mine: Vec<&Value> = messages.iter().filter(|message| message["senderId"] == self.sub).collect();
        let texts: Vec<&str> = mine.iter().map(|message| text(&message["content"], "text")).collect();
        let sent: Vec<&str> = self.sent.iter().map(|(_, words)| words.as_str()).collect();
        assert_eq!(texts, sent, "section 6, acked lost 0, doubled 0, out of order 0, of {}", self.sub);
        for (message, ack) in mine.iter().zip(&self.acks) {
            assert_eq!(
                (&message["messageId"], &message["seq"]),
                (&ack["messageId"], &ack["seq"]),
                "section 6, as the ack said: {message}"
            );
        }
    }
}

async fn kill_when(server: &mut Server, acked: &AtomicUsize, target: usize) {
    let waiting = async {
        while acked.load(Ordering::Relaxed) < target {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 4, waiting).await.expect("section 6, the senders get their acks");
    server.kill_9();
}

async fn all_messages(stage: &Stage, conversation: &str) -> Vec<Value> {
    let token = stage.user_token("auditor");
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map_or(0, |message| number(message, "seq"));
        let path = format!("/v1/conversations/{conversation}/messages?limit=200&after={after}");
        let page = stage.http.get(&path).bearer(&token).send().await.expect(200, "section 8, messages");
        all.extend(page["messages"].as_array().cloned().unwrap_or_default());
        if page["hasMore"] != true {
            return all;
        }
    }
}

#[tokio::test]
async fn power_cuts_lose_double_and_reorder_nothing() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let (_visitor, conversation) = stage.visitor_in_conversation().await;
    let mut senders: Vec<Sender> = (0..SENDERS).map(Sender::new).collect();
    let mut reader = OrderChecker::after(Place::Seq, 0);
    let mut epoch: Option<String> = None;
    let rounds = if is_long() { LONG_ROUNDS } else { ROUNDS };
    for round in 0..rounds {
        let acked = AtomicUsize::new(0);
        // Another moment in every round: mid-commit, mid-ack, idle.
        let target = 5 + (round * 7) % 23;
        let mut bursts = Vec::new();
        for sender in &mut senders {
            let client = stage.user(&sender.sub).await;
            bursts.push(sender.burst(client, &conversation, &acked, usize::MAX));
        }
        futures_util::future::join(futures_util::future::join_all(bursts), kill_when(&mut server, &acked, target))
            .await;
        server.start_again();
        let mut client = stage.user("reader").await;
        let mut place = json!({"after": reader.last()});
        if let Some(epoch) = &epoch {
            place["epoch"] = json!(epoch);
        }
        let confirmed = subscribe_with(&mut client, &conversation, place).await;
        assert_eq!(confirmed["recovered"], true, "section 6, round {round}, the store is the same: {confirmed}");
        epoch = confirmed["epoch"].as_str().map(str::to_owned);
        let head = number(&confirmed, "head");
        let newest_ack =
            senders.iter().flat_map(|sender| &sender.acks).map(|ack| number(ack, "seq")).max().unwrap_or_default();
        assert!(
            head >= newest_ack,
            "section 6, round {round}, what was acked survives kill -9: head {head}, acked {newest_ack}"
        );
        while reader.last() < head {
            let next = client.next().await.expect("section 6, the replay comes whole");
            reader.assert_all("a reader over all rounds", [&next]);
        }
    }
    let acked = AtomicUsize::new(0);
    for sender in &mut senders {
        let client = stage.user(&sender.sub).await;
        sender.burst(client, &conversation, &acked, 2).await;
    }
    let messages = all_messages(&stage, &conversation).await;
    OrderChecker::after(Place::Seq, 1)
        .assert_all("the pages", messages.iter().map(as_event).collect::<Vec<_>>().iter());
    for sender in &senders {
        sender.assert_kept(&messages);
    }
    let acks: usize = senders.iter().map(|sender| sender.acks.len()).sum();
    eprintln!("{rounds} kills: {acks} messages acknowledged, each kept once, in order");
}

fn as_event(message: &Value) -> Value {
    let mut event = message.clone();
    event["type"] = json!("new_message");
    event
}

#[tokio::test]
async fn a_folder_has_one_server() {
    let first = options("").start();
    let second = options("").data(first.data()).try_start();
    let Err(StartError::Exited { code, output }) = &second else {
        panic!("section 10, a second server on the data: {second:?}")
    };
    assert_eq!(*code, Some(1), "section 10, exits 1: {output}");
    let pid = first.pid().expect("it runs").to_string();
    assert!(output.contains(&pid), "section 10, names the first one's pid {pid}: {output}");
    let folder = first.data().display().to_string();
    assert!(output.contains(&folder), "and the folder {folder}: {output}");
    let mut user = Stage::of(&first).user(&unique("u")).await;
    user.fence().await;
}

#[tokio::test]
async fn a_killed_servers_folder_is_free_again() {
    let mut server = options("").start();
    server.kill_9();
    server.start_again();
    Stage::of(&server).user(&unique("u")).await.fence().await;
}

#[tokio::test]
async fn a_folder_is_of_one_kind_for_ever() {
    let mut server = options("").start();
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    let other = ServerOptions::new(BINARY).production().data(server.data()).try_start();
    let Err(StartError::Exited { code, output }) = &other else {
        panic!("section 10, a data folder is of one kind: {other:?}")
    };
    assert_eq!(*code, Some(2), "section 10, a data folder of the other kind: {output}");
}

#[tokio::test]
async fn data_of_a_newer_version_is_refused_and_left_alone() {
    let mut server = options("").start();
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    let file = server.data().join("store.db");
    let sql = |text: &str| {
        let store = rusqlite::Connection::open(&file).expect("the store is a database");
        store.query_row(text, [], |row| row.get::<_, u32>(0)).expect("it says its version")
    };
    let known = sql("SELECT max(version) FROM migrations");
    let newer = sql("INSERT INTO migrations VALUES (1234, x'00', datetime()) RETURNING version");
    let before = std::fs::read(&file).expect("the store is a file");
    for (what, refused) in [
        ("serve", options("").data(server.data()).try_start()),
        ("serve, without --dev", ServerOptions::new(BINARY).production().data(server.data()).try_start()),
    ] {
        let Err(StartError::Exited { code, output }) = &refused else { panic!("{what} on newer data: {refused:?}") };
        assert_eq!(*code, Some(1), "section 10, refused, {what}: {output}");
        let folder = server.data().display().to_string();
        for part in [folder, newer.to_string(), format!("up to {known}")] {
            assert!(output.contains(&part), "{what} says {part}: {output}");
        }
    }
    assert!(std::fs::read(&file).expect("it is still there") == before, "nothing in it was changed");
    sql("DELETE FROM migrations WHERE version = 1234 RETURNING version");
    server.start_again();
    Stage::of(&server).user(&unique("u")).await.fence().await;
}

#[tokio::test]
async fn wrong_flags_and_keys_exit_with_2_by_name() {
    for (what, wrong, name) in [
        ("a flag", options("").flag("--frobnicate"), "frobnicate"),
        ("a key of the file", options("frobnicate = 1\n"), "frobnicate"),
        ("a value of the file", options("heartbeat_interval = \"soon\"\n"), "heartbeat_interval"),
        ("a value of a flag", options("").flag("--drain-window").flag("soon"), "drain-window"),
        ("--dev beyond loopback", options("").flag("--listen").flag("0.0.0.0:0"), ""),
    ] {
        let started = wrong.try_start();
        let Err(StartError::Exited { code, output }) = &started else {
            panic!("section 10, {what} is refused: {started:?}")
        };
        assert_eq!(*code, Some(2), "section 10, {what}: wrong usage or configuration exits 2: {output}");
        assert!(output.contains(name), "section 10, {what} is refused by name: {output}");
    }
    let server = options("").env("COSSISTANT_FROBNICATE", "1").start();
    let warned = || async { server.output().to_lowercase().contains("frobnicate").then_some(()) };
    cossistant_testkit::eventually(PATIENCE, "section 10, warned of in the environment", warned).await;
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let interval = |options: ServerOptions| async {
        let server = options.start();
        let user = Stage::of(&server).user(&unique("u")).await;
        user.established()["heartbeatInterval"].as_u64()
    };
    let file = options("heartbeat_interval = \"11s\"\n");
    let environment = file.clone().env("COSSISTANT_HEARTBEAT_INTERVAL", "12s");
    assert_eq!(interval(file).await, Some(11_000), "section 10, the file");
    assert_eq!(interval(environment).await, Some(12_000), "section 10, the environment over the file");
    let both = options("listen = \"127.0.0.1:1\"\n").env("COSSISTANT_LISTEN", "127.0.0.1:2").start();
    assert!(
        both.address() != "127.0.0.1:1" && both.address() != "127.0.0.1:2",
        "section 10, flags win: {}",
        both.address()
    );
}

#[tokio::test]
async fn production_makes_an_admin_key_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = ServerOptions::new(BINARY).production().start();
    let file = server.data().join("admin-key");
    let mode = std::fs::metadata(&file).expect("section 10, written to DIR/admin-key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "section 10, mode 0600");
    let key = std::fs::read_to_string(&file).expect("readable");
    // What the server said is read beside the test, so it may come a moment later.
    eventually(PATIENCE, "section 10, the path of the admin key is logged", || async {
        server.output().contains("admin-key").then_some(())
    })
    .await;
    assert!(!server.output().contains(key.trim()), "section 10, the key itself is not logged");
    let made = server.http().post("/v1/organizations", json!({"name": "First"})).bearer(key.trim()).send().await;
    assert_eq!(made.status, 201, "section 10, the admin key sets up: {made:?}");
    let refused = server.http().post("/v1/organizations", json!({"name": "x"})).bearer("ak_dev").send().await;
    refused.expect_problem(401, "unauthorized", "section 10, the keys of --dev are of --dev");
}

#[tokio::test]
async fn a_restored_backup_has_a_new_epoch() {
    let mut server = options("").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let sub = visitor.user_id().to_owned();
    let kept = say(&mut visitor, &conversation, "kept").await;
    let before = subscribe_with(&mut visitor, &conversation, json!({})).await;
    let copy = server.data().with_file_name("backup");
    run(
        Command::new(BINARY).arg("backup").arg("--data").arg(server.data()).arg("--out").arg(&copy),
        "section 10, backup copies a live store",
    );
    say(&mut visitor, &conversation, "after the backup").await;
    server.kill_9();
    let restored = server.data().with_file_name("restored");
    run(
        Command::new(BINARY).arg("restore").arg("--data").arg(&restored).arg("--from").arg(&copy),
        "section 10, restore",
    );
    let second = options("").data(&restored).start();
    let stage = Stage::of(&second);
    let mut back = stage.visitor(&sub).await;
    let confirmed =
        subscribe_with(&mut back, &conversation, json!({"after": kept["seq"], "epoch": before["epoch"]})).await;
    assert_ne!(confirmed["epoch"], before["epoch"], "section 6, restored from a backup: a new epoch");
    assert_eq!(
        (&confirmed["recovered"], &confirmed["replayed"]),
        (&json!(false), &json!(0)),
        "section 6, epoch is not the store's: {confirmed}"
    );
    assert_eq!(confirmed["head"], kept["seq"], "section 10, as of the backup: {confirmed}");
    let messages = all_messages(&stage, &conversation).await;
    assert_eq!(messages.len(), 1, "section 10, what was backed up is there: {messages:?}");
}

fn run(command: &mut Command, rule: &str) {
    let output = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{rule}: {:?} {said}", output.status);
}
