//! What goes wrong with a move, and what is said of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cossistant_testkit::{Postgres, PostgresOptions, ServerOptions, unique};

use super::{Home, kill_at, migrate, moved, path, rows};
use crate::support::{BINARY, PATIENCE, Stage, say, subscribe, wrapped};

/// A folder that a server has run on, with so many messages.
async fn filled(home: &Home, messages: usize) -> PathBuf {
    let data = home.dir("data");
    let mut server = ServerOptions::new(BINARY).data(&data).start();
    let stage = Stage::of(&server);
    let mut visitor = stage.visitor(&unique("v")).await;
    let conversation = unique("conv");
    subscribe(&mut visitor, &conversation).await;
    for n in 0..messages {
        say(&mut visitor, &conversation, &format!("message {n} {}", "x".repeat(2_000))).await;
    }
    assert_eq!(server.terminate(4 * PATIENCE), Some(0));
    data
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_refused(command: &mut Command, code: i32, part: &str) {
    let output = command.output().expect("it runs");
    let said = said(&output);
    assert!(
        output.status.code() == Some(code) && said.contains(part),
        "{:?} and not {code}, {part}: {said}",
        output.status
    );
    assert!(!said.contains("hunter"), "no password is told: {said}");
}

#[tokio::test]
async fn wrong_places_are_told_and_no_password_is() {
    let database = PostgresOptions::new().password("hunter2").start();
    let (home, url) = (Home::new(), database.database());
    let data = filled(&home, 1).await;
    let (data, nowhere) = (path(&data), home.dir("nowhere"));
    let wrong_port = url.replace(&format!(":{}", database.port()), ":1");
    for (words, code, part) in [
        (&["--from", data, "--to", &url.replace("hunter2", "hunter3")][..], 2, "password authentication failed"),
        (&["--from", data, "--to", &database.url("nowhere")], 2, "createdb"),
        (&["--from", data, "--to", "postgres://test:hunter2@127.0.0.1"], 2, "names no database"),
        (&["--from", data, "--to", "mysql://test:hunter2@127.0.0.1/d"], 2, "postgres://"),
        (&["--from", data, "--to", "test:hunter2@127.0.0.1/d"], 2, "postgres://"),
        (&["--from", data, "--to", "host=127.0.0.1 password=hunter2"], 2, "postgres://"),
        (&["--from", &url, "--to", "test:hun/ter2@127.0.0.1/d"], 2, "does not exist"),
        (&["--from", data, "--to", &wrong_port], 1, "cannot be reached"),
        (&["--from", data, "--to", data], 2, "both are folders"),
        (&["--from", &url, "--to", &url], 2, "both are databases"),
        (&["--from", path(&nowhere), "--to", &url], 1, "no store"),
        (&["--from", &url, "--to", path(&nowhere)], 1, "no store"),
        (&["--from", data], 2, "COSSISTANT_DATABASE_URL"),
        (&[], 2, "--from or --to"),
        (&["--from", data, "--to", &url, "--batch", "0"], 2, "--batch"),
    ] {
        assert_refused(&mut migrate(words), code, part);
    }
    moved(&migrate(&["--from", data, "--json"]).env("COSSISTANT_DATABASE_URL", &url).output().expect("it runs"));
    assert_refused(&mut migrate(&["--from", data, "--to", &url]), 1, "is not empty");
    // Below a file there is no folder.
    let below = home.dir("data").join("store.db").join("x");
    assert_refused(&mut migrate(&["--from", &url, "--to", path(&below)]), 1, "store.db");
    let config = home.dir("config.toml");
    std::fs::write(&config, format!("database_url = {url:?}\n")).expect("a file");
    let target = home.dir("by-config");
    let words = ["--config", path(&config), "--to", path(&target), "--json"];
    moved(&migrate(&words).output().expect("it runs"));
}

#[tokio::test]
async fn a_place_with_a_server_on_it_is_refused() {
    let database = PostgresOptions::new().start();
    let (home, url) = (Home::new(), database.database());
    let data = filled(&home, 3).await;
    let there = ["--from", path(&data), "--to", &url];
    let server = ServerOptions::new(BINARY).data(&data).start();
    assert_refused(&mut migrate(&there), 1, "is in use by process");
    drop(server);
    moved(&migrate(&[&there[..], &["--json"]].concat()).output().expect("it runs"));

    let mut server = ServerOptions::new(BINARY).config(&format!("database_url = {url:?}")).start();
    let target = home.dir("target");
    assert_refused(&mut migrate(&["--from", &url, "--to", path(&target)]), 1, "a server runs on the database");
    // Onto an empty database with a server on it neither, and the server is not harmed by the attempt.
    let other = database.database();
    let another = ServerOptions::new(BINARY).production().config(&format!("database_url = {other:?}")).start();
    assert_refused(&mut migrate(&["--from", path(&data), "--to", &other]), 1, "a server runs on the database");
    let stage = Stage::of(&server);
    let mut visitor = stage.visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "still here").await;
    drop(another);
    // One that was killed is no hindrance.
    server.kill_9();
    moved(&migrate(&["--from", &url, "--to", path(&target), "--json"]).output().expect("it runs"));
}

fn come(database: &Postgres, url: &str) -> Option<u64> {
    let name = url.rsplit('/').next().expect("a name");
    if database.run("SELECT to_regclass('meta') IS NOT NULL", name) != "t" {
        return None;
    }
    rows(&database.run("SELECT value FROM meta WHERE key = 'transfer:events'", name))
}

#[tokio::test]
async fn it_stops_when_it_is_told_to_and_goes_on() {
    let database = PostgresOptions::new().start();
    let (home, url) = (Home::new(), database.database());
    let data = filled(&home, 150).await;
    let there = ["--from", path(&data), "--to", &url, "--batch", "1", "--json"];
    let child = migrate(&there).spawn().expect("it runs");
    let deadline = Instant::now() + 4 * PATIENCE;
    while come(&database, &url).unwrap_or_default() < 60 {
        assert!(Instant::now() < deadline, "it does not begin");
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signalled.success(), "it had ended before");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("run the same command again"), "{}", said(&output));
    assert!(said(&output).contains("moving events"), "lines where there is no terminal: {}", said(&output));
    let kept = come(&database, &url).expect("it is noted");
    assert!((60..150).contains(&kept), "it stopped at {kept}");

    // A server runs on the source meanwhile: what was moved is not what is there.
    let server = ServerOptions::new(BINARY).data(&data).start();
    let mut visitor = Stage::of(&server).visitor(&unique("v")).await;
    say(&mut visitor, &unique("conv"), "meanwhile").await;
    drop((visitor, server));
    assert_refused(&mut migrate(&there), 1, "the source has changed");
    assert_eq!(come(&database, &url), Some(kept), "nothing was thrown away unasked");
    kill_at(migrate(&[&there[..], &["--start-over"]].concat()).spawn().expect("it runs"), 30, &|| {
        come(&database, &url).filter(|rows| *rows < kept)
    });
    // Somebody was at the target: it is told where, and stays what nobody serves.
    let name = url.rsplit('/').next().expect("a name");
    database.run("UPDATE events SET at = at + 1 WHERE id = 3", name);
    assert_refused(&mut migrate(&there), 1, "\"same\":false");
    assert_refused(&mut migrate(&there[..there.len() - 1]), 1, "DIFFERS: ");
    let served = ServerOptions::new(BINARY).config(&format!("database_url = {url:?}")).try_start().map(drop);
    assert!(served.expect_err("a part is not served").to_string().contains("unfinished migration"));
    moved(&migrate(&[&there[..], &["--start-over"]].concat()).output().expect("it runs"));
}

#[tokio::test]
async fn a_full_disk_and_a_source_that_goes_lose_nothing() {
    let database = PostgresOptions::new().start();
    let (home, url) = (Home::new(), database.database());
    let data = filled(&home, 400).await;
    // The folder goes in the middle: what was opened is read to its end.
    let there = ["--from", path(&data), "--to", &url, "--batch", "1", "--json"];
    let child = migrate(&there).spawn().expect("it runs");
    while come(&database, &url).unwrap_or_default() < 20 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let gone = home.dir("gone");
    std::fs::rename(&data, &gone).expect("it is ours");
    std::fs::remove_dir_all(&gone).expect("it is ours");
    moved(&child.wait_with_output().expect("it ends"));

    let target = home.dir("target");
    let bounded = |kibibytes: u64| -> PathBuf {
        wrapped(&home.dir(""), &format!("trap '' XFSZ\nulimit -S -f {} || exit 3\nexec", kibibytes * 2))
    };
    let run = |program: &Path| {
        let mut command = Command::new(program);
        command.args(["migrate", "--from", &url, "--to", path(&target), "--batch", "20", "--json"]);
        command.stdin(Stdio::null()).output().expect("it runs")
    };
    let full = run(&bounded(900));
    assert_eq!(full.status.code(), Some(1), "{}", said(&full));
    assert!(said(&full).contains("the same command goes on where it was"), "{}", said(&full));
    let refused = ServerOptions::new(BINARY).data(&target).try_start().map(drop).expect_err("a part is not served");
    assert!(refused.to_string().contains("unfinished migration"), "{refused}");
    let doctor = Command::new(BINARY).args(["doctor", "--dev", "--json", "--data", path(&target)]).output();
    assert!(said(&doctor.expect("it runs")).contains("cossistant migrate"), "doctor says what to do");
    let report = moved(&run(Path::new(BINARY)));
    assert!(report["rows"].as_u64() < Some(400), "it has gone on: {report}");
    let server = ServerOptions::new(BINARY).data(&target).start();
    let stage = Stage::of(&server);
    let list = stage.http.get("/v1/conversations").bearer(&stage.user_token("u")).send().await;
    let list = list.expect(200, "it serves");
    assert_eq!(list["conversations"].as_array().map(Vec::len), Some(1), "{list}");
}
