//! A whole installation is moved between a folder and a database, under clients that come back.

mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cossistant_testkit::{Credential, PostgresOptions, Server, ServerOptions, WsClient, unique};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply, Told};
use crate::support::{
    BINARY, PAGE, PATIENCE, Stage, number, say, say_with, subscribe, subscribe_website, subscribe_with, text,
};

/// How many messages are said before the first move.
const MESSAGES: usize = 300;
/// How often each move is killed.
const KILLS: usize = 4;
/// Limits are of no interest here, and the receiver is on this machine.
const CONFIG: &str = "webhook_allow_private = true\nlimit_visitor_messages = 0\nlimit_new_visitors = 0\n";

/// A folder for the folders of a test, which goes with it.
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn new() -> Self {
        let home = std::env::temp_dir().join(unique("cossistant-migrate"));
        std::fs::create_dir(&home).expect("a folder");
        Self(home)
    }

    pub(super) fn dir(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn production(data: &Path, more: &str) -> ServerOptions {
    ServerOptions::new(BINARY).production().data(data).config(&format!("{more}{CONFIG}"))
}

/// The command, without what the environment of the tests may have.
pub(super) fn migrate(words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("migrate").args(words).env_remove("COSSISTANT_DATABASE_URL").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn path(dir: &Path) -> &str {
    dir.to_str().expect("a path of ours")
}

/// What the command says in the end, as JSON.
#[track_caller]
pub(super) fn moved(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(report["same"], true, "{report}");
    report
}

/// How many events a target has so far, by its own note; `None` once it is complete, or before it has begun.
type Come<'c> = &'c dyn Fn() -> Option<u64>;

fn rows(note: &str) -> Option<u64> {
    serde_json::from_str::<Value>(note).ok()?["rows"].as_u64()
}

/// Kills it when it has come so far.
pub(super) fn kill_at(mut child: Child, at: u64, come: Come<'_>) {
    let deadline = Instant::now() + 4 * PATIENCE;
    while come().unwrap_or_default() < at {
        let ended = child.try_wait().expect("its state");
        assert_eq!(ended, None, "it has ended before it could be killed");
        assert!(Instant::now() < deadline, "it does not come to {at} events");
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

/// An installation as those who use it know it.
struct Known {
    stage: Stage,
    visitor_token: String,
    user_token: String,
    conversation: String,
    epoch: String,
    /// The acks by idempotency key, in their order.
    acked: Vec<(String, Value)>,
    /// The team's offset that is known.
    offset: u64,
}

impl Known {
    /// The same, as it is reached by way of another server.
    fn at(&mut self, server: &Server) {
        let ready = server.ready().clone();
        (self.stage.ws_url, self.stage.url, self.stage.http) = (ready.ws_url, ready.url, server.http());
    }

    async fn visitor(&self) -> WsClient {
        self.stage.options(Credential::Query(self.visitor_token.clone())).origin(PAGE).establish().await
    }

    async fn user(&self) -> WsClient {
        self.stage.join(&self.user_token, "user").await
    }

    async fn say(&mut self, client: &mut WsClient, words: &str) {
        let key = unique("key");
        let ack = say_with(client, &self.conversation, json!({"id": key, "content": {"text": words}})).await;
        self.acked.push((key, ack));
    }

    /// Everybody comes back with the places that they had, and it is as if the server had only been restarted.
    async fn come_back(&mut self) {
        let mut visitor = self.visitor().await;
        let at = self.acked.len() / 3;
        let after = number(&self.acked[at].1, "seq");
        let resume = json!({"after": after, "epoch": self.epoch});
        let confirmed = subscribe_with(&mut visitor, &self.conversation, resume).await;
        assert_eq!((&confirmed["recovered"], text(&confirmed, "epoch")), (&json!(true), &*self.epoch), "{confirmed}");
        for (_, ack) in &self.acked[at + 1..] {
            let message = visitor.expect("new_message").await;
            assert_eq!(
                (&message["messageId"], &message["seq"]),
                (&ack["messageId"], &ack["seq"]),
                "none lost or doubled"
            );
        }
        let mut user = self.user().await;
        let resume = json!({"after": self.offset, "epoch": self.epoch});
        let confirmed = subscribe_website(&mut user, &self.stage.website, resume).await;
        assert_eq!((&confirmed["recovered"], &confirmed["replayed"]), (&json!(true), &json!(0)), "{confirmed}");

        // A message whose ack was lost is answered as it was; the next one is next.
        for at in [0, self.acked.len() / 2, self.acked.len() - 1] {
            let (key, ack) = &self.acked[at];
            let words = json!({"id": key, "content": {"text": format!("message {at}")}});
            let again = say_with(&mut visitor, &self.conversation, words).await;
            assert_eq!((&again["messageId"], &again["seq"]), (&ack["messageId"], &ack["seq"]), "{again}");
            assert_eq!(again["duplicate"], true, "{again}");
        }
        let last = number(&self.acked[self.acked.len() - 1].1, "seq");
        for n in 1..=3 {
            let words = format!("message {}", self.acked.len());
            self.say(&mut visitor, &words).await;
            let seq = number(&self.acked[self.acked.len() - 1].1, "seq");
            assert_eq!(seq, last + n, "densely");
            let told = user.expect("new_message").await;
            assert_eq!(told["content"]["text"], words, "{told}");
            self.offset += 1;
            assert_eq!(number(&told, "offset"), self.offset, "{told}");
        }
    }
}

async fn installation(server: &Server, receiver: &Receiver) -> Known {
    let admin = std::fs::read_to_string(server.data().join("admin-key")).expect("the admin key");
    let stage = Stage { admin_key: admin.trim().to_owned(), ..Stage::of(server) };
    let mut stage = stage.own_organization().await;
    stage.secret_key = text(&stage.key("secret", json!({})).await, "key").to_owned();
    let public = stage.key("public", json!({"websiteId": stage.website})).await;
    stage.public_key = text(&public, "key").to_owned();
    let made = stage.http.post("/v1/webhooks", json!({"url": receiver.url()})).bearer(&stage.secret_key).send().await;
    let _ = made.expect(201, "a webhook");
    let body = json!({"type": "user", "sub": "anna", "websites": [stage.website]});
    let issued = stage.http.post("/v1/tokens", body).bearer(&stage.secret_key).send().await;
    let user_token = text(&issued.expect(201, "a token"), "token").to_owned();

    let key = Credential::PublicKey(stage.public_key.clone());
    let mut visitor = stage.options(key).origin(PAGE).establish().await;
    let visitor_token = text(visitor.established(), "visitorToken").to_owned();
    let conversation = unique("conv");
    let confirmed = subscribe(&mut visitor, &conversation).await;
    let epoch = text(&confirmed, "epoch").to_owned();
    let mut known = Known { stage, visitor_token, user_token, conversation, epoch, acked: Vec::new(), offset: 0 };
    for n in 0..MESSAGES {
        known.say(&mut visitor, &format!("message {n}")).await;
    }
    let mut user = known.user().await;
    let head = subscribe_website(&mut user, &known.stage.website, json!({})).await;
    known.offset = number(&head, "head");
    known
}

/// Every event was told, and each under one id, however often it had to be.
fn assert_told(told: &[Told], known: &Known) {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for told in told.iter().filter(|told| told.kind() == "message.created") {
        ids.entry(text(told.data(), "messageId").to_owned()).or_default().insert(told.id().to_owned());
    }
    for (_, ack) in &known.acked {
        let of = ids.get(text(ack, "messageId")).unwrap_or_else(|| panic!("never told: {ack}"));
        assert_eq!(of.len(), 1, "one delivery, and one id for all of its attempts: {ack} {of:?}");
    }
}

fn has_all(told: &[Told], known: &Known) -> bool {
    let ids: BTreeSet<&str> = told
        .iter()
        .filter(|told| told.kind() == "message.created")
        .map(|told| text(told.data(), "messageId"))
        .collect();
    known.acked.iter().all(|(_, ack)| ids.contains(text(ack, "messageId")))
}

#[tokio::test]
async fn an_installation_moves_there_and_back_under_its_clients() {
    let database = PostgresOptions::new().start();
    let (url, home) = (database.database(), Home::new());
    let name = url.rsplit('/').next().expect("a name").to_owned();
    let sql = |sql: &str| database.run(sql, &name);
    // Takes the first ones, and then nothing until the move is over.
    let is_willing = Arc::new(AtomicBool::new(false));
    let willing = Arc::clone(&is_willing);
    let reply =
        move |n| if n < 20 || willing.load(Ordering::Relaxed) { Reply::Status(204) } else { Reply::Status(503) };
    let receiver = Receiver::start(reply).await;

    let first = home.dir("first");
    let mut server = production(&first, "").start();
    let mut known = installation(&server, &receiver).await;
    receiver.until("some are refused", |told| told.len() > 40).await;
    assert_eq!(server.terminate(4 * PATIENCE), Some(0), "{}", server.output());
    drop(server);

    let there = ["--from", path(&first), "--to", &url, "--batch", "2", "--json"];
    let come = || {
        let begun = sql("SELECT to_regclass('meta') IS NOT NULL");
        if begun != "t" {
            return None;
        }
        rows(&sql("SELECT value FROM meta WHERE key = 'transfer:events'"))
    };
    for kill in 1..=KILLS {
        kill_at(migrate(&there).spawn().expect("it runs"), (kill * 50) as u64, &come);
        let refused = production(&first, &format!("database_url = {url:?}\n")).try_start();
        let refused = refused.map(drop).expect_err("a part is not served").to_string();
        assert!(refused.contains("unfinished migration"), "{refused}");
    }
    let report = moved(&migrate(&there).output().expect("it runs"));
    assert_eq!(report["epoch"], known.epoch, "{report}");
    let events = report["tables"].as_array().expect("tables").iter().find(|table| table["table"] == "events");
    assert_eq!(events.expect("a line")["found"], (MESSAGES + 1) as u64, "{report}");
    assert!(report["rows"].as_u64() < Some(MESSAGES as u64 * 2), "what was there was not moved again: {report}");
    let next = report["next"].to_string();
    assert!(next.contains("database_url") && next.contains("visitor_secret"), "{next}");
    for secret in ["admin-key", "visitor-secret"] {
        let secret = std::fs::read_to_string(first.join(secret)).expect("a secret");
        assert!(!report.to_string().contains(secret.trim()), "no secret is shown: {report}");
    }

    // What waits for its next attempt is due, as it is some time later.
    sql("UPDATE deliveries SET next_at = 0 WHERE status <= 1");
    let mut server = production(&first, &format!("database_url = {url:?}\n")).start();
    known.at(&server);
    known.come_back().await;
    is_willing.store(true, Ordering::Relaxed);
    sql("UPDATE deliveries SET next_at = 0 WHERE status <= 1");
    let told = receiver.until("all is told", |told| has_all(told, &known)).await;
    assert_told(&told, &known);
    assert_eq!(server.terminate(4 * PATIENCE), Some(0), "{}", server.output());
    drop(server);

    // And back, with the secrets put there before, as one is told to.
    let second = home.dir("second");
    std::fs::create_dir(&second).expect("a folder");
    for secret in ["admin-key", "visitor-secret"] {
        std::fs::copy(first.join(secret), second.join(secret)).expect("a secret");
    }
    let back = ["--to", path(&second), "--batch", "2", "--json"];
    let migrate_back = || {
        let mut command = migrate(&back);
        command.env("COSSISTANT_DATABASE_URL", &url);
        command
    };
    let file = second.join("store.db");
    let come = || {
        let store = rusqlite::Connection::open_with_flags(&file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        store.busy_timeout(Duration::from_secs(5)).ok()?;
        let note = store.query_row("SELECT value FROM meta WHERE key = 'transfer:events'", [], |row| row.get(0));
        rows(&note.unwrap_or_else(|_| String::new()))
    };
    for kill in 1..=KILLS {
        kill_at(migrate_back().spawn().expect("it runs"), (kill * 50) as u64, &come);
        let refused = production(&second, "").try_start();
        let refused = refused.map(drop).expect_err("a part is not served").to_string();
        assert!(refused.contains("unfinished migration"), "{refused}");
    }
    let report = moved(&migrate_back().output().expect("it runs"));
    assert!(!report["next"].to_string().contains("visitor-secret"), "it is there: {report}");
    let server = production(&second, "").start();
    known.at(&server);
    known.come_back().await;
    let told = receiver.until("all is told", |told| has_all(told, &known)).await;
    assert_told(&told, &known);
    let made = known.stage.http.post("/v1/organizations", json!({"name": "Another"})).bearer(&known.stage.admin_key);
    let _ = made.send().await.expect(201, "the admin key is the same");
    let mut visitor = known.visitor().await;
    say(&mut visitor, &known.conversation, "the end").await;
}
