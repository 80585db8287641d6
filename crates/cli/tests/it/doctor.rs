//! `check-config` and `doctor`: what is told of a configuration and of a server's surroundings.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cossistant_testkit::{Credential, ServerOptions, unique};
use rusqlite::Connection;
use serde_json::Value;

use crate::faults::{FROM_ALL, hold, without_powers};
use crate::support::{BINARY, PAGE, PATIENCE, Stage, say, text};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(unique("cossistant-doctor"));
        fs::create_dir(&path).expect("a new folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn run(words: &[&str], environment: &[(&str, &str)]) -> Output {
    run_program(Path::new(BINARY), words, environment)
}

fn run_program(program: &Path, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).env_clear().envs(environment.iter().copied());
    command.output().expect("the binary runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

/// What the doctor says of a data folder, with a port that nobody has unless the words say otherwise.
fn doctor(data: &Path, words: &[&str]) -> (Option<i32>, Value) {
    doctor_by(Path::new(BINARY), data, words)
}

fn doctor_by(program: &Path, data: &Path, words: &[&str]) -> (Option<i32>, Value) {
    let data = data.to_str().expect("a path of ours");
    let mut all = vec!["doctor", "--json", "--data", data];
    if !words.contains(&"--listen") {
        all.extend(["--listen", "127.0.0.1:0"]);
    }
    all.extend(words);
    let output = run_program(program, &all, &[]);
    (output.status.code(), json(&output))
}

/// The findings of one check as `state: found`.
fn of(report: &Value, check: &str) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    let of_check = findings.iter().filter(|finding| finding["check"] == check);
    of_check
        .inspect(|finding| {
            let is_well = finding["state"] == "ok";
            assert_eq!(finding["advice"].is_null(), is_well, "who is told of a trouble is told what to do: {finding}");
        })
        .map(|finding| format!("{}: {}", text(finding, "state"), text(finding, "found")))
        .collect()
}

fn only(report: &Value, check: &str) -> String {
    let found = of(report, check);
    assert_eq!(found.len(), 1, "{check}: {report}");
    found.into_iter().next().expect("there is one")
}

/// What to do about the one finding of a check.
fn advice<'a>(report: &'a Value, check: &str) -> &'a str {
    only(report, check);
    let findings = report["findings"].as_array().expect("findings");
    text(findings.iter().find(|finding| finding["check"] == check).expect("there is one"), "advice")
}

#[test]
fn check_config_tells_every_mistake_and_no_secret() {
    let folder = Folder::new();
    let file = folder.path().join("c.toml");
    fs::write(&file, "shards = \"x\"\njwt_secrt = \"hunter2\"\njwt_secret = \"hunter2hunter2hunter2\"\n")
        .expect("a file");
    let words = ["check-config", "--config", file.to_str().expect("a path of ours"), "--max-outbox-bytes", "1"];
    let environment = [("COSSISTANT_LISTEN", "here"), ("COSSISTANT_PORT", "1")];
    let output = run(&[&words[..], &["--json"]].concat(), &environment);
    assert_eq!(output.status.code(), Some(2), "section 10, wrong configuration");
    let told = json(&output);
    assert_eq!(told["ok"], false);
    let places: Vec<&str> = told["problems"].as_array().expect("a list").iter().map(|one| text(one, "place")).collect();
    let in_file = |key: &str| format!("{key} in {}", file.display());
    for place in [&in_file("shards"), &in_file("jwt_secrt"), "COSSISTANT_LISTEN", "--max-outbox-bytes"] {
        assert!(places.contains(&place), "{place} is among {places:?}");
    }
    assert_eq!(places.len(), 4, "{places:?}");
    assert!(told.to_string().contains("did you mean jwt_secret?"), "{told}");
    assert_eq!(told["warnings"].as_array().map(Vec::len), Some(2), "a short secret, a name that is none: {told}");

    let for_people = run(&words, &environment);
    assert_eq!(for_people.status.code(), Some(2), "section 10, wrong configuration");
    for output in [output, for_people] {
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains("hunter2"), "secrets are not shown");
    }
}

#[test]
fn check_config_takes_what_a_server_takes() {
    let output = run(&["check-config", "--json", "--drain-window", "20s"], &[("COSSISTANT_SHARDS", "3")]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told = json(&output);
    let of = |key: &str| {
        let all = told["effective"].as_array().expect("a list");
        let found = all.iter().find(|value| value["key"] == key).unwrap_or_else(|| panic!("{key} is shown"));
        (text(found, "value").to_owned(), found["place"].as_str().map(str::to_owned))
    };
    assert_eq!(of("drain_window"), ("20s".to_owned(), Some("--drain-window".to_owned())));
    assert_eq!(of("shards"), ("3".to_owned(), Some("COSSISTANT_SHARDS".to_owned())));
    assert_eq!(of("auth_timeout"), ("5s".to_owned(), None));

    // What a key leads to is looked at too, as a server would.
    let output = run(&["check-config", "--json", "--jwt-public-key", "/nonexistent/key.pem"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["problems"][0]["place"], "jwt_public_key");
    // Figures that strangers could read are worth a word.
    for (flags, count) in [
        (&["--listen", "0.0.0.0:8787"][..], 1),
        (&["--listen", "0.0.0.0:8787", "--ops-listen", "127.0.0.1:9090"], 0),
        (&["--listen", "127.0.0.1:8787"], 0),
    ] {
        let output = run(&[&["check-config", "--json"], flags].concat(), &[]);
        assert_eq!(output.status.code(), Some(0), "{flags:?}");
        let warnings = json(&output)["warnings"].clone();
        let open = warnings.as_array().expect("a list").iter().filter(|told| told.to_string().contains("/metrics"));
        assert_eq!(open.count(), count, "{flags:?}: {warnings}");
    }
    let unknown = run(&["check-config", "--drain-windw", "1s"], &[]);
    assert_eq!(unknown.status.code(), Some(2), "a flag that is none is wrong usage, as of every command");
}

#[tokio::test]
async fn a_running_server_is_well() {
    let mut server = ServerOptions::new(BINARY).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "hello").await;
    let (data, listen) = (server.data().to_owned(), server.address());
    let pid = server.pid().expect("it runs");

    let (code, report) = doctor(&data, &["--dev", "--full", "--listen", &listen]);
    assert_eq!((code, &report["ok"]), (Some(0), &Value::Bool(true)), "{report}");
    assert_eq!(only(&report, "server"), format!("ok: process {pid} runs on the data folder"));
    assert!(only(&report, "store").starts_with("ok: sound"), "{report}");
    assert!(only(&report, "listen").starts_with("ok: "), "{report}");
    assert!(only(&report, "listen").contains(&format!("process {pid}")), "whoever holds the port is told: {report}");
    assert!(only(&report, "clock").starts_with("ok: not before"), "{report}");
    assert_eq!(only(&report, "webhooks"), "ok: 0 deliveries wait");

    // It is asked as another server's.
    let (code, report) = doctor(&data, &["--listen", &listen]);
    assert_eq!(code, Some(1));
    assert!(only(&report, "store").contains("with --dev"), "{report}");

    say(&mut visitor, &conversation, "and on it goes").await;
    assert_eq!(server.terminate(std::time::Duration::from_secs(60)), Some(0));
    let (code, report) = doctor(&data, &["--dev", "--listen", &listen]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(only(&report, "server"), "ok: no server runs on the data folder");
    assert!(only(&report, "listen").ends_with("is free"), "{report}");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let mut server = ServerOptions::new(BINARY).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "one").await;
    say(&mut visitor, &conversation, "two").await;
    let data = server.data().to_owned();
    server.kill_9();

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken_at = taken.local_addr().expect("it is bound").to_string();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::write(data.join("visitor-secret"), "short\n").expect("it is ours");
    let store = Connection::open(data.join("store.db")).expect("it is a database");
    store
        .execute_batch("UPDATE events SET at = at + 3600000; UPDATE conversations SET team_head = 1;")
        .expect("our rows");
    drop(store);

    let words = ["--dev", "--listen", &taken_at, "--limit-connections-total", "99999999"];
    let (code, report) = doctor(&data, &words);
    assert_eq!((code, &report["ok"]), (Some(1), &Value::Bool(false)), "{report}");
    assert!(only(&report, "data folder").starts_with("warn: "), "{report}");
    assert!(of(&report, "secrets").iter().any(|one| one.starts_with("warn: ") && one.contains("5 bytes")), "{report}");
    assert!(only(&report, "store").contains("fail: 1 conversations whose newest seq is behind"), "{report}");
    assert!(only(&report, "clock").starts_with("fail: the newest event was stored"), "{report}");
    // Of the other connections none is limited under --dev.
    let files = only(&report, "open files");
    assert!(files.starts_with("fail: ") && files.ends_with(" needs 100000355"), "{files}");
    let (_, report) = doctor(&data, &[&words[..], &["--limit-http-connections-total", "1000"]].concat());
    let files = only(&report, "open files");
    assert!(files.ends_with(" needs 100001355"), "with 256 for webhooks and 100 for the rest: {files}");
    assert!(advice(&report, "open files").contains("LimitNOFILE=100001355"), "{report}");
    let port = only(&report, "listen");
    assert!(port.starts_with("fail: ") && port.contains(&format!("process {}", std::process::id())), "{port}");
}

#[test]
fn a_file_that_is_no_store_and_a_bad_configuration_are_told() {
    let folder = Folder::new();
    fs::write(folder.path().join("store.db"), "no database at all, but long enough to be one".repeat(40))
        .expect("a file");
    let (code, report) = doctor(folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(only(&report, "store").starts_with("fail: "), "{report}");
    assert!(advice(&report, "store").contains("restore the newest backup into a new folder"), "{report}");
    let (code, report) = doctor(folder.path(), &["--shards", "x"]);
    assert_eq!(code, Some(1));
    assert!(only(&report, "config").contains("--shards"), "{report}");
    // A folder that is still to be made is nothing wrong.
    let (code, report) = doctor(&folder.path().join("new/data"), &[]);
    assert_eq!(code, Some(0), "{report}");
    assert!(only(&report, "data folder").starts_with("warn: "), "{report}");
}

/// Whoever restores a backup loses what came after it, so nothing but damage is a reason to.
#[test]
fn a_store_that_cannot_be_opened_is_no_damaged_one() {
    let home = Folder::new();
    let mut server = ServerOptions::new(BINARY).data(&home.path().join("data")).start();
    assert_eq!(server.terminate(PATIENCE), Some(0));
    let (data, store) = (server.data(), server.data().join("store.db"));
    let assert_told = |program: &Path, found: &str, expected: &str| {
        let (code, report) = doctor_by(program, data, &["--dev"]);
        assert_eq!(code, Some(1), "{report}");
        let told = only(&report, "store");
        assert!(told.starts_with("fail: ") && told.contains(found), "{found}: {told}");
        let advice = advice(&report, "store");
        assert!(advice.contains(expected) && !advice.contains("backup"), "{found}: {advice}");
    };
    let program = Path::new(BINARY);

    let holder = hold(&store, FROM_ALL);
    assert_told(program, &format!("locked by process {}", std::process::id()), "end that process, or wait");
    drop(holder);

    let powerless = without_powers(home.path());
    let name = store.display().to_string();
    let as_user = "run this as the user of the server, and look at the mount, at the disk and at the modes";
    fs::set_permissions(&store, fs::Permissions::from_mode(0o000)).expect("it is ours");
    assert_told(&powerless, &name, as_user);
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::set_permissions(data, fs::Permissions::from_mode(0o000)).expect("it is ours");
    assert_told(&powerless, &name, as_user);
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("it is ours");

    let change = |sql: &str| {
        let store = Connection::open(&store).expect("it is a database");
        store.execute_batch(sql).expect("our rows");
    };
    change("INSERT INTO migrations VALUES (99, x'00', datetime())");
    assert_told(program, "is of version 99", "at least as new");
    change("DELETE FROM migrations WHERE version = 99; UPDATE migrations SET checksum = x'00' WHERE version = 1");
    assert_told(program, "migration 1", "start the program that wrote the data");
}

#[tokio::test]
async fn a_short_secret_is_replaced_as_the_advice_says() {
    let folder = Folder::new();
    let data = folder.path();
    let secrets = [("visitor-secret", "short"), ("admin-key", "ak_short")];
    for (file, secret) in secrets {
        fs::write(data.join(file), secret).expect("it is ours");
    }
    let mut server = ServerOptions::new(BINARY).data(data).start();
    let stage = Stage::of(&server);
    let key = Credential::PublicKey(stage.public_key.clone());
    let visitor = stage.options(key).origin(PAGE).establish().await;
    let token = text(visitor.established(), "visitorToken").to_owned();

    let (code, report) = doctor(data, &["--dev"]);
    assert_eq!(code, Some(0), "a warning: {report}");
    let findings = report["findings"].as_array().expect("findings");
    for ((file, secret), (words, cost)) in secrets.into_iter().zip([
        ("rotate visitor", "taken for 30d more: anonymous visitors who are not back by then come as new ones"),
        ("rotate admin", "taken for 1h more: whoever uses it needs the new one by then"),
    ]) {
        let found = format!("{} has only {} bytes", data.join(file).display(), secret.len());
        let finding = findings.iter().find(|finding| finding["found"] == found).unwrap_or_else(|| panic!("{report}"));
        let advice = text(finding, "advice");
        assert!(advice.contains(words) && advice.ends_with(cost), "{advice}");
        let command: Vec<&str> = advice.split('`').nth(1).expect("a command").split(' ').collect();
        assert_eq!(command[0], "cossistant");
        let output = run(&command[1..], &[]);
        assert!(output.status.success(), "{advice}: {output:?}");
        assert!(fs::read_to_string(data.join(file)).expect("it is there").trim().len() > 40);
    }
    server.restart();
    let (_, report) = doctor(data, &["--dev"]);
    assert!(of(&report, "secrets").iter().all(|one| one.starts_with("ok: ")), "{report}");
    let stage = Stage::of(&server);
    let back = stage.options(Credential::Query(token)).origin(PAGE).establish().await;
    assert_eq!(back.user_id(), visitor.user_id(), "nobody was lost by it");
}
