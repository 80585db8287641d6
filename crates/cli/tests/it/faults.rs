//! What happens to servers: disks that refuse, databases that others hold, processes that stand still, bad lines.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cossistant_testkit::{Mode, Proxy, Rough, Server, ServerOptions, StartError, eventually, unique};
use serde_json::json;

use crate::crowd::Crowd;
use crate::support::{PATIENCE, Stage, is_long, new_message, number, options, say, subscribe, try_say, wrapped};

/// A folder of the test's own.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(unique(name));
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode can be set");
}

/// The program without the power to ignore permissions, which root has.
pub(crate) fn without_powers(folder: &Path) -> std::path::PathBuf {
    let id = Command::new("id").arg("-u").output().expect("id, of coreutils");
    let is_root = id.stdout.trim_ascii() == b"0";
    wrapped(folder, if is_root { "exec setpriv --bounding-set=-all --inh-caps=-all" } else { "exec" })
}

#[track_caller]
fn assert_refuses_to_start(started: Result<Server, StartError>, parts: &[&str]) {
    let Err(StartError::Exited { code, output }) = &started else { panic!("it must not start: {started:?}") };
    assert_eq!(*code, Some(1), "section 10, failed: {output}");
    for part in parts {
        assert!(output.contains(part), "it says {part}: {output}");
    }
    assert!(!output.contains("panic"), "it ends in order: {output}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named_and_nothing_is_lost_by_it() {
    let home = folder("cossistant-readonly");
    let binary = without_powers(&home);
    let data = home.join("data");
    std::fs::create_dir(&data).expect("a folder");
    set_mode(&data, 0o500);
    let start = || ServerOptions::new(&binary).data(&data).try_start();
    let name = data.display().to_string();
    assert_refuses_to_start(start(), &[&name, "Permission denied"]);

    set_mode(&data, 0o700);
    let mut server = start().expect("it can be written");
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut acks = vec![say(&mut visitor, &conversation, "before").await];
    // What is open stays so: the server goes on, and what it acknowledges is kept.
    let files = || std::fs::read_dir(&data).expect("a folder").map(|file| file.expect("a file").path());
    files().for_each(|file| set_mode(&file, 0o400));
    set_mode(&data, 0o500);
    for at in 0..20 {
        let answer = try_say(&mut visitor, &conversation, json!({"content": {"text": format!("{at}")}})).await;
        match answer["type"].as_str() {
            Some("message_ack") => acks.push(answer),
            _ => assert_eq!(answer["code"], "unavailable", "section 4: {answer}"),
        }
    }
    server.kill_9();
    assert_refuses_to_start(start(), &[&name, "Permission denied"]);
    // The folder alone can be written again, not what is in it.
    set_mode(&data, 0o700);
    assert_refuses_to_start(start(), &[&name]);
    files().for_each(|file| set_mode(&file, 0o600));
    server.start_again();
    let mut user = Stage::of(&server).user(&unique("u")).await;
    let confirmed = crate::support::subscribe_with(&mut user, &conversation, json!({"after": 0})).await;
    assert_eq!(confirmed["recovered"], true, "section 6: {confirmed}");
    for ack in &acks {
        new_message(&mut user, ack).await;
    }
    drop(server);
    std::fs::remove_dir_all(&home).expect("it can be removed");
}

#[tokio::test]
async fn a_small_disk_that_fills_up_loses_nothing_that_was_acknowledged() {
    let home = folder("cossistant-small");
    let data = home.join("data");
    std::fs::create_dir(&data).expect("a folder");
    let mount = format!("mount -t tmpfs -o size=2m tmpfs {}", data.display());
    // Where users have no namespaces of their own, root may mount all the same.
    let ways = [("-rm", &["-U", "-m"][..]), ("-m", &["-m"][..])];
    let may_mount = |way: &str| {
        let tried = Command::new("unshare").args([way, "sh", "-c", &mount]).status();
        tried.is_ok_and(|status| status.success())
    };
    let Some((way, enter)) = ways.into_iter().find(|(way, _)| may_mount(way)) else {
        eprintln!("no mounts of one's own on this machine: a small disk is not tried; files that may not grow are");
        return std::fs::remove_dir_all(&home).expect("it can be removed");
    };
    let script = wrapped(&home, &format!("{mount} && exec"));
    let outer = home.join("outer");
    std::fs::write(&outer, format!("#!/bin/sh\nexec unshare {way} {} \"$@\"\n", script.display())).expect("a script");
    set_mode(&outer, 0o755);
    let server = ServerOptions::new(&outer).data(&data).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut acks = Vec::new();
    let refused = loop {
        let answer = try_say(&mut visitor, &conversation, json!({"content": {"text": "x".repeat(15_000)}})).await;
        if answer["type"] != "message_ack" {
            break answer;
        }
        acks.push(answer);
        assert!(acks.len() < 1_000, "2 MiB are never full");
    };
    assert_eq!(refused["code"], "unavailable", "section 4, the store is full: {refused}");
    stage.http.get("/readyz").send().await.expect_problem(503, "unavailable", "section 8, /readyz with the reason");
    let mut user = stage.user(&unique("u")).await;
    crate::support::subscribe_with(&mut user, &conversation, json!({"after": 0})).await;
    for ack in &acks {
        new_message(&mut user, ack).await;
    }
    // Somebody makes room, and nobody restarts anything.
    let pid = server.pid().expect("it runs");
    let grow = format!("mount -o remount,size=64m {}", data.display());
    let grown = Command::new("nsenter").args(enter).args(["-t", &pid.to_string(), "sh", "-c", &grow]).status();
    assert!(grown.expect("nsenter, of util-linux").success(), "the disk grows");
    eventually(PATIENCE, "section 8, ready again", || async {
        (stage.http.get("/readyz").send().await.status == 200).then_some(())
    })
    .await;
    say(&mut visitor, &conversation, "there is room").await;
    drop(server);
    std::fs::remove_dir_all(&home).expect("it can be removed");
}

/// Holds a database so that nobody else even reads it.
pub(crate) const FROM_ALL: &str =
    "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM meta WHERE key = 'none'";

/// Another process, as far as the database can tell, that holds it.
pub(crate) fn hold(store: &Path, how: &str) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(store).expect("the store is a database");
    holder.busy_timeout(PATIENCE).expect("it can wait");
    holder.execute_batch(how).expect("the database can be held");
    holder
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_told_at_the_start() {
    let mut server = options("").start();
    assert_eq!(server.terminate(PATIENCE), Some(0), "section 10, exit 0");
    let store = server.data().join("store.db");
    let holder = hold(&store, FROM_ALL);
    let me = std::process::id().to_string();
    let start = options("").data(server.data()).try_start();
    assert_refuses_to_start(start, &[&store.display().to_string(), "process", &me]);
    drop(holder);
    server.start_again();
    Stage::of(&server).user(&unique("u")).await.fence().await;
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_unavailable_until_it_lets_go() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let before = say(&mut visitor, &conversation, "before").await;
    let mut user = stage.user(&unique("u")).await;
    let holder = hold(&server.data().join("store.db"), "BEGIN IMMEDIATE");
    let message = json!({"id": unique("key"), "content": {"text": "meanwhile"}});
    let refused = try_say(&mut visitor, &conversation, message.clone()).await;
    assert_eq!(refused["code"], "unavailable", "section 4, the store is held: {refused}");
    number(&refused, "retryAfter");
    // What can be read is read.
    let confirmed = subscribe(&mut user, &conversation).await;
    assert_eq!(confirmed["head"], before["seq"], "section 6, nothing was stored: {confirmed}");
    drop(holder);
    let ack = try_say(&mut visitor, &conversation, message.clone()).await;
    assert_eq!(ack["type"], "message_ack", "section 6, the same id again: {ack}");
    assert_eq!(number(&ack, "seq"), number(&before, "seq") + 1, "section 6, stored once: {ack}");
    new_message(&mut user, &ack).await;
}

#[tokio::test]
async fn a_server_that_stood_still_is_found_again_and_nothing_is_lost() {
    // Past 2.5 heartbeats, so that both sides take each other for dead.
    let server = options("heartbeat_interval = \"1s\"\n").start();
    let stage = Stage::of(&server);
    let crowd = Crowd::gather(&stage, &stage.ws_url, 3).await;
    let still = Duration::from_secs(if is_long() { 20 } else { 4 });
    crowd
        .talk(40, Duration::from_secs(120), async |mut progress| {
            progress.wait_for(|acked| *acked >= 20).await.expect("the senders go on");
            server.freeze();
            tokio::time::sleep(still).await;
            server.thaw();
        })
        .await;
}

#[tokio::test]
async fn peers_that_vanish_are_let_go_of_and_go_offline() {
    let server = options("heartbeat_interval = \"1s\"\npresence_grace = \"1s\"\n").start();
    let stage = Stage::of(&server);
    let mut proxy = Proxy::start(&server.address()).await;
    let mut watcher = stage.user(&unique("watcher")).await;
    crate::support::subscribe_website(&mut watcher, &stage.website, json!({})).await;
    let is_told = |kind: &'static str, client: &cossistant_testkit::WsClient| {
        let name = client.user_id().to_owned();
        move |message: &serde_json::Value| message["type"] == kind && message["visitorId"] == name
    };
    let mut gone = Vec::new();
    for _ in 0..20 {
        let token = cossistant_testkit::Credential::Header(stage.visitor_token(&unique("v")));
        let client = cossistant_testkit::WsOptions::new(&proxy.url(&stage.ws_url), token).deadline(PATIENCE);
        let mut client = client.establish().await;
        say(&mut client, &unique("conv"), "and then the cable was pulled").await;
        watcher.recv_until("section 7, visitor_online", is_told("visitor_online", &client)).await;
        gone.push(client);
    }
    let descriptors = || {
        let pid = server.pid().expect("it runs");
        std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count()
    };
    let before = descriptors();
    proxy.set(Mode::BlackHole).await;
    for client in &gone {
        watcher.recv_until("section 7, a dead line goes offline", is_told("visitor_offline", client)).await;
    }
    // The close frame cannot arrive, so the sockets are reset some seconds later.
    eventually(Duration::from_secs(60), "section 4, the sockets of the vanished are free", || async {
        (descriptors() + gone.len() <= before + 5).then_some(())
    })
    .await;
    watcher.fence().await;
}

#[tokio::test]
async fn talk_over_a_rough_line_loses_doubles_and_reorders_nothing() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let mut proxy = Proxy::start(&server.address()).await;
    let crowd = Crowd::gather(&stage, &proxy.url(&stage.ws_url), 5).await;
    // In a short run there are too few chunks for what happens to one of a thousand.
    let (each, cut_one_in, seed) = if is_long() {
        (200, 1_000, std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| now.as_secs()))
    } else {
        (8, 100, 1)
    };
    let held_up = (Duration::from_millis(200), Duration::from_millis(1_000));
    let rough = Rough { delay: Duration::from_millis(200), held_up_percent: 3, held_up, cut_one_in, seed };
    eprintln!("a rough line: {rough:?}");
    let start = Instant::now();
    proxy.set(Mode::Rough(rough)).await;
    crowd.talk(each, Duration::from_secs(400), async |_progress| {}).await;
    let (sent, took) = (6 * each, start.elapsed());
    eprintln!("{sent} messages to 6 readers in {took:?}: {} chunks held up, {} cuts", proxy.held_up(), proxy.cut());
    assert!(proxy.held_up() > 0 && proxy.cut() > 0, "the line was rough");
}
