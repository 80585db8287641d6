//! A database that goes away, and commits whose answer is lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cossistant_testkit::{PostgresOptions, eventually};

use super::super::{DataKind, PostgresConfig, PostgresStore};
use super::races::{Stopped, stop_behind};
use super::{config, server};
use crate::store::contract::world::{World, org, replies, says, web};
use crate::store::sql::writer::Reach;
use crate::store::{AppendMessage, Appended, Store, StoreError};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_database_that_crashes_loses_nothing_and_is_found_again() {
    let mut server = PostgresOptions::new().start();
    let store = PostgresStore::open(PostgresConfig::new(server.database(), DataKind::Production)).unwrap();
    let store = Arc::new(store);
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let (refused, acked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicU8::new(0));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, refused) = (Arc::clone(&store), Arc::clone(&refused));
            let (acked, stop) = (Arc::clone(&acked), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut places = Vec::new();
                while stop.load(Ordering::Relaxed) == 0 {
                    let key = format!("w{writer}-{}", places.len());
                    // As a client does: the same again until it is answered.
                    let said = loop {
                        match store.append_message(replies("anna", "c", &key, "x")).await {
                            Ok(said) => break said,
                            Err(StoreError::Unavailable(_)) => refused.fetch_add(1, Ordering::Relaxed),
                            Err(error) => panic!("{error}"),
                        };
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    };
                    acked.fetch_add(1, Ordering::Relaxed);
                    places.push(said.team_seq);
                }
                places
            })
        })
        .collect();
    let mut probes = Vec::new();
    for round in 1..=2 {
        let before = acked.load(Ordering::Relaxed);
        let more = async || (acked.load(Ordering::Relaxed) > before + 50).then_some(());
        eventually(PATIENCE, "messages are stored", more).await;
        server.kill_9();
        let already = refused.load(Ordering::Relaxed);
        // Those whose commit was on its way wait for what became of it, so others have to ask.
        let told = async || {
            let (store, told, n) = (Arc::clone(&store), Arc::clone(&refused), probes.len());
            let probe = replies("anna", "c", &format!("probe{n}"), "x");
            probes.push(tokio::spawn(async move {
                match store.append_message(probe).await {
                    Ok(said) => Some(said.team_seq),
                    Err(StoreError::Unavailable(_)) => {
                        told.fetch_add(1, Ordering::Relaxed);
                        None
                    }
                    Err(error) => panic!("{error}"),
                }
            }));
            (refused.load(Ordering::Relaxed) > already + 8).then_some(())
        };
        eventually(PATIENCE, "senders are told that the store is unavailable", told).await;
        server.start_again();
        let before = acked.load(Ordering::Relaxed);
        let again = async || (acked.load(Ordering::Relaxed) > before + 50).then_some(());
        eventually(PATIENCE, &format!("messages are stored again, round {round}"), again).await;
    }
    stop.store(1, Ordering::Relaxed);
    let mut places = Vec::new();
    for writer in writers {
        places.extend(writer.await.unwrap());
    }
    for probe in probes {
        places.extend(probe.await.unwrap());
    }
    places.sort_unstable();
    // Behind the creation and the first message.
    let expected: Vec<_> = (3..3 + places.len() as u64).collect();
    assert_eq!(places, expected, "each once, none missing and none that nobody was told of");
    let events = store.website_events(org("o"), web("a"), 0, u64::MAX >> 1, 100_000).await.unwrap();
    assert_eq!(events.len(), places.len() + 2);
}

/// What becomes of the next commit.
const PASS: u8 = 0;
/// It does not arrive, and the connection breaks.
const LOSE: u8 = 1;
/// It arrives, but the answer does not, and the connection breaks.
const LOSE_ANSWER: u8 = 2;

/// Stands before the database and loses a commit, or its answer, once when told so.
fn hub(to: u16, mode: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            let mode = Arc::clone(&mode);
            std::thread::spawn(move || carry(client, server, &mode));
        }
    });
    port
}

fn carry(mut client: TcpStream, mut server: TcpStream, mode: &Arc<AtomicU8>) {
    let is_deaf = Arc::new(AtomicU8::new(0));
    let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let is_mute = Arc::clone(&is_deaf);
    std::thread::spawn(move || {
        let mut chunk = [0; 65_536];
        while let Ok(count @ 1..) = answers.read(&mut chunk) {
            // Once it has come, the commit stands; the one who waits for it learns only that the connection broke.
            if is_mute.load(Ordering::SeqCst) == 1 || to_client.write_all(&chunk[..count]).is_err() {
                break;
            }
        }
        to_client.shutdown(Shutdown::Both).ok();
        answers.shutdown(Shutdown::Both).ok();
    });
    let mut chunk = [0; 65_536];
    while let Ok(count @ 1..) = client.read(&mut chunk) {
        let is_commit = chunk[..count].windows(8).any(|bytes| bytes == b"; COMMIT");
        let fate = if is_commit { mode.swap(PASS, Ordering::SeqCst) } else { PASS };
        if fate == LOSE {
            break;
        }
        if fate == LOSE_ANSWER {
            is_deaf.store(1, Ordering::SeqCst);
        }
        if server.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    // The other direction ends the rest, unless it still waits for an answer.
    if is_deaf.load(Ordering::SeqCst) == 0 {
        client.shutdown(Shutdown::Both).ok();
        server.shutdown(Shutdown::Both).ok();
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_answered_all_the_same() {
    let mode = Arc::new(AtomicU8::new(PASS));
    let url = server().database();
    let port = hub(server().port(), Arc::clone(&mode));
    let through = url.replace(&server().port().to_string(), &port.to_string());
    let store = Arc::new(PostgresStore::open(config(&through)).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    for round in 0..3 {
        mode.store(LOSE_ANSWER, Ordering::SeqCst);
        let said = store.append_message(says("vera", "c", &format!("stands-{round}"), "hello")).await.unwrap();
        assert_eq!(mode.load(Ordering::SeqCst), PASS, "the commit came by");
        assert!(!said.duplicate && said.events.len() == 1, "it is told as if nothing had happened: {said:?}");

        mode.store(LOSE, Ordering::SeqCst);
        let lost = || says("vera", "c", &format!("lost-{round}"), "hello");
        let refused = store.append_message(lost()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let again = store.append_message(lost()).await.unwrap();
        assert!(!again.duplicate, "nothing of the first attempt stands");
        assert_eq!(again.team_seq, said.team_seq + 1);
    }
    let events = store.website_events(org("o"), web("a"), 0, u64::MAX >> 1, 100).await.unwrap();
    assert_eq!(events.len(), 2 + 2 * 3, "each once");
}

#[tokio::test]
async fn a_statement_that_fails_spoils_nothing_for_those_behind_it() {
    let url = server().database();
    let store = PostgresStore::open(PostgresConfig { readers: 1, ..config(&url) }).unwrap();
    let store = Arc::new(store);
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "k1", "hello")).await;
    for round in 0..3 {
        let read = store.readers.call(|conn| conn.execute("SELECT 1 / 0", &[]));
        assert!(read.await.is_err());
        assert_eq!(store.website_snapshot(org("o"), web("a")).await.unwrap().head, 2 + round);
        let write = store.writer.call(|write| write.conn.execute("SELECT 1 / 0", &[]));
        let said = store.append_message(says("vera", "c", &format!("again-{round}"), "hello"));
        assert!(write.await.is_err());
        assert_eq!(said.await.unwrap().team_seq, 3 + round);
    }
}

#[tokio::test]
async fn what_the_database_ends_is_told_and_begun_anew() {
    let url = server().database();
    let store = Arc::new(PostgresStore::open(config(&url)).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let name = url.rsplit('/').next().unwrap();
    for round in 0..3 {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
            AND pid <> pg_backend_pid()";
        server().run(sql, name);
        let said = async || world.store.append_message(says("vera", "c", &format!("k{round}"), "hello")).await.ok();
        let said = eventually(PATIENCE, "it is stored", said).await;
        assert_eq!(said.team_seq, 3 + round);
        let read = async || store.website_snapshot(org("o"), web("a")).await.ok();
        assert_eq!(eventually(PATIENCE, "it is read", read).await.head, 3 + round);
    }
}

#[tokio::test]
async fn nobody_waits_for_what_became_of_a_commit_in_another_life() {
    let mode = Arc::new(AtomicU8::new(PASS));
    let url = server().database();
    let port = hub(server().port(), Arc::clone(&mode));
    let through = url.replace(&server().port().to_string(), &port.to_string());
    let store = Arc::new(PostgresStore::open(config(&through)).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let stopped = stop_behind(&store, || store.append_message(says("vera", "c", "lost", "hello")));
    // As when the database dies over a commit and a replica takes over.
    mode.store(LOSE, Ordering::SeqCst);
    server().run("UPDATE meta SET value = 'another' WHERE key = 'epoch'", url.rsplit('/').next().unwrap());
    let started = Instant::now();
    let refused = stopped.go_on().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(*store.is_over().borrow() && mode.load(Ordering::SeqCst) == PASS, "the commit came by");
    drop((world, store));
    // It takes as long as a connection, and not the minute for which a database that is away is asked.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Has a node write a message and stop with nothing but the commit before it.
fn stop_before_commit(store: &PostgresStore, append: AppendMessage) -> Stopped<Appended> {
    stop_behind(store, || {
        let said = store.append_message(append);
        // It looks at rows, so what was kept of them is written.
        drop(store.writer.call_within(Reach::Rows, |_| Ok(())));
        said
    })
}

/// Silence for a few seconds: a switch that starts anew, a disk that hangs.
#[tokio::test]
async fn a_commit_waits_for_a_database_that_is_silent_for_a_moment() {
    let server = PostgresOptions::new().start();
    let store = PostgresStore::open(PostgresConfig::new(server.database(), DataKind::Production)).unwrap();
    let store = Arc::new(store);
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let stopped = stop_before_commit(&store, says("vera", "c", "under-way", "hello"));
    server.pause();
    let mut late = Box::pin(stopped.go_on());
    let more = tokio::spawn(store.append_message(says("vera", "c", "behind", "hello")));
    let early = tokio::time::timeout(Duration::from_secs(3), &mut late).await;
    assert!(early.is_err(), "nothing is acknowledged that is not stored: {early:?}");
    server.resume();
    assert_eq!(late.await.map(|said| said.team_seq), Ok(3));
    assert_eq!(more.await.unwrap().map(|said| said.team_seq), Ok(4));
}

/// Silence for longer than a statement may take.
#[tokio::test]
async fn a_database_that_says_nothing_loses_nothing_and_doubles_nothing() {
    let server = PostgresOptions::new().start();
    let store = PostgresStore::open(PostgresConfig::new(server.database(), DataKind::Production)).unwrap();
    let store = Arc::new(store);
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let first = || says("vera", "c", "under-way", "hello");
    let stopped = stop_before_commit(&store, first());
    server.pause();
    let under_way = tokio::spawn(stopped.go_on());
    let read = tokio::spawn(store.website_snapshot(org("o"), web("a")));
    let behind = || says("vera", "c", "behind", "hello");
    let refused = store.append_message(behind()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "who comes later is told so: {refused:?}");
    assert!(!under_way.is_finished(), "what became of the commit is not known");
    let read = read.await.unwrap();
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    server.resume();
    match under_way.await.unwrap() {
        Ok(said) => assert_eq!(said.team_seq, 3),
        Err(StoreError::Unavailable(_)) => {}
        Err(error) => panic!("{error}"),
    }
    // As a client does: the same again until it is answered.
    for (append, team_seq) in [(first(), 3), (behind(), 4)] {
        let said = async || store.append_message(append.clone()).await.ok();
        assert_eq!(eventually(PATIENCE, "it is stored", said).await.team_seq, team_seq);
    }
    let read = async || store.website_events(org("o"), web("a"), 0, u64::MAX >> 1, 100).await.ok();
    let events = eventually(PATIENCE, "it is read", read).await;
    assert_eq!(events.len(), 4, "the conversation and three messages, each once: {events:?}");
}
