//! More than a server can take: of connections, of pings, of readers. It keeps its bounds, and serves the others.

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use cossistant_testkit::{ConnectError, Credential, OrderChecker, Place, Server, WsClient, eventually, unique};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::RawSocket;
use crate::support::{PATIENCE, Stage, event, number, options, say, subscribe, subscribe_with};

/// What the system says of the server's process, in a file of its own.
fn proc(server: &Server, file: &str) -> String {
    let pid = server.pid().expect("it runs");
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the system tells of a process")
}

/// The memory that the server's process has, in KiB.
fn memory_kib(server: &Server) -> u64 {
    let status = proc(server, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// How long the server's process has been running on processors, in hundredths of a second.
fn processor_ticks(server: &Server) -> u64 {
    let stat = proc(server, "stat");
    // The name of the program stands in parentheses, and may be anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum()
}

/// Bounds the file descriptors of the server's process: as many as it has, and so many more.
fn leave_descriptors(server: &Server, more: usize) {
    let pid = server.pid().expect("it runs");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    let open: HashSet<u64> = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The system gives the lowest free number below the limit.
    let limit = (0..).filter(|number| !open.contains(number)).nth(more).expect("numbers have no end");
    let set = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--nofile={limit}:")]).status();
    assert!(set.expect("prlimit, of util-linux").success(), "the limit is set");
}

const NO_ROOM: &str = "no room for more connections";

#[tokio::test]
async fn without_descriptors_the_server_goes_on_and_takes_connections_again_by_itself() {
    let server = options("shards = 2\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut user = stage.user_in(&conversation).await;
    leave_descriptors(&server, 4);
    let address = server.address();
    let mut idle = Vec::new();
    for _ in 0..16 {
        idle.push(TcpStream::connect(&address).await.expect("the system takes it, if not the server"));
    }
    eventually(PATIENCE, "the log says why nobody gets in", || async {
        server.output().contains(NO_ROOM).then_some(())
    })
    .await;
    let mut late = TcpStream::connect(&address).await.expect("the system takes it");
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .expect("the system takes it");

    // Who is there is served, and the server neither spins nor fills the log.
    let before = processor_ticks(&server);
    user.assert_silent(Duration::from_secs(1), "nothing happens meanwhile").await;
    let busy = processor_ticks(&server) - before;
    assert!(busy < 30, "it waits between two tries: {busy} hundredths of a second of processors within one second");
    let ack = say(&mut visitor, &conversation, "still here").await;
    let told = event(&mut user, "new_message", &conversation).await;
    assert_eq!(told["messageId"], ack["messageId"], "section 6: {told}");
    assert_eq!(server.output().matches(NO_ROOM).count(), 1, "it is told once: {}", server.output());

    drop(idle);
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, late.read_to_string(&mut answer)).await;
    read.expect("in time, who waited is served").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "section 8, /healthz: {answer}");
    eventually(PATIENCE, "the log says that it is over", || async {
        let mut another = stage.user(&unique("u")).await;
        another.fence().await;
        server.output().contains("connections are accepted again").then_some(())
    })
    .await;
}

/// A connection that comes by way of a proxy on this machine, from this address.
async fn from(stage: &Stage, address: &str) -> Result<WsClient, ConnectError> {
    let token = Credential::Header(stage.user_token(&unique("u")));
    stage.options(token).header("X-Forwarded-For", address).connect().await
}

#[track_caller]
fn assert_refused(answer: Result<WsClient, ConnectError>, expected: u16, rule: &str) {
    let Err(ConnectError::Refused { status, headers, .. }) = &answer else {
        panic!("section 9, {rule}: {answer:?}");
    };
    assert_eq!(*status, expected, "section 9, {rule}: {answer:?}");
    assert!(headers.contains_key("retry-after"), "section 8, Retry-After: {answer:?}");
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_count_as_one() {
    for limit in ["limit_connections = 2\n", "limit_connects = 0.001\nlimit_connects_burst = 2\n"] {
        let server = options(&format!("trusted_proxies = [\"127.0.0.1\"]\n{limit}")).start();
        let stage = Stage::of(&server);
        let mut held = Vec::new();
        for address in ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"] {
            held.push(from(&stage, address).await.expect("section 9, within the limit"));
        }
        assert_refused(from(&stage, "2001:db8:1:2:aaaa::7").await, 429, "IPv6: /64");
        // Their neighbours have a count of their own, and so has each IPv4 address, however it is written.
        for address in ["2001:db8:1:3::1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"] {
            held.push(from(&stage, address).await.unwrap_or_else(|error| panic!("section 9, {address}: {error}")));
        }
        assert_refused(from(&stage, "192.0.2.1").await, 429, "an address");
    }
}

#[tokio::test]
async fn connections_of_the_process_are_limited() {
    let server = options("limit_connections_total = 2\n").start();
    let stage = Stage::of(&server);
    let held = [stage.user(&unique("u")).await, stage.user(&unique("u")).await];
    let third = || stage.options(Credential::Header(stage.user_token("u"))).connect();
    assert_refused(third().await, 503, "limit_connections_total the process");
    drop(held);
    eventually(PATIENCE, "section 9, a place is free again", || async { third().await.ok() }).await;
}

#[tokio::test]
async fn connections_that_have_not_logged_in_are_limited() {
    let server = options("limit_waiting_connections = 2\nauth_timeout = \"60s\"\n").start();
    let stage = Stage::of(&server);
    let silent = || stage.options(Credential::None).connect();
    let known = || stage.options(Credential::Header(stage.user_token("u"))).connect();
    let mut first = silent().await.expect("section 9, within the limit");
    // Whoever has logged in counts no longer.
    let _members = [stage.user(&unique("u")).await, stage.user(&unique("u")).await, stage.user(&unique("u")).await];
    let second = silent().await.expect("section 9, within the limit");
    assert_refused(silent().await, 503, "limit_waiting_connections");
    assert_refused(known().await, 503, "whoever knows a token has to wait as well");
    first.send(json!({"type": "authenticate", "id": "a", "token": stage.user_token("u")})).await;
    first.expect("connection_established").await;
    let third = silent().await.expect("section 9, a place is free again");
    assert_refused(silent().await, 503, "limit_waiting_connections");
    drop((second, third));
    eventually(PATIENCE, "section 9, a place is free again", || async { known().await.ok() }).await;
}

#[tokio::test]
async fn pings_of_a_peer_that_never_reads_take_little_memory() {
    let server = options("").start();
    let stage = Stage::of(&server);
    let mut other = stage.user(&unique("u")).await;
    let mut flood = RawSocket::connect(&stage, "x-unknown").await;
    socket2::SockRef::from(&flood.stream).set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let ping = [0x89, 0x80 | 8, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let many = ping.repeat(1_000);
    let before = memory_kib(&server);
    let mut most = before;
    for _ in 0..500 {
        match tokio::time::timeout(PATIENCE, flood.stream.write_all(&many)).await {
            // Whether it is closed or left alone is the server's affair.
            Err(_) | Ok(Err(_)) => break,
            Ok(Ok(())) => most = most.max(memory_kib(&server)),
        }
    }
    other.fence().await;
    most = most.max(memory_kib(&server));
    assert!(most - before < 8 * 1024, "500,000 pings: {before} KiB before, {most} KiB at most");
}

/// How many subscribe and never read.
const SLEEPERS: usize = 40;
/// A text as large as one may be; 60 KB as JSON.
fn big() -> String {
    "😀".repeat(15_000)
}

#[tokio::test]
async fn one_sender_to_many_readers_is_encoded_once() {
    let server = options(&format!("max_outbox_bytes = {}\n", 16 << 20)).start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let mut quick = stage.user_in(&conversation).await;
    let mut sleepers = Vec::new();
    for at in 0..SLEEPERS {
        let token = Credential::Header(stage.user_token(&format!("sleeper-{at}")));
        let mut sleeper = stage.options(token).receive_buffer(8 * 1024).establish().await;
        subscribe(&mut sleeper, &conversation).await;
        sleepers.push(sleeper);
    }
    visitor.send(json!({"type": "unsubscribe_conversation", "id": "un", "conversationId": conversation})).await;
    visitor.expect_answer("un").await;
    let before = memory_kib(&server);
    let mut newest = json!(null);
    for _ in 0..100 {
        newest = say(&mut visitor, &conversation, &big()).await;
        event(&mut quick, "new_message", &conversation).await;
    }
    // 6 MB wait for each of the sleepers, less what the system holds for them.
    let grown = memory_kib(&server).saturating_sub(before);
    assert!(grown < 48 * 1024, "what waits for {SLEEPERS} readers is there once: {grown} KiB more than before");
    let mut checker = OrderChecker::after(Place::Seq, 1);
    let sleeper = &mut sleepers[0];
    while checker.last() < number(&newest, "seq") {
        let next = sleeper.next().await.expect("section 6, whoever is within the bound gets all of it");
        if next["type"] == "new_message" {
            checker.assert_all("a sleeper that woke up", [&next]);
        }
    }
}

/// How often each of those who type says what they have so far.
const ROUNDS: usize = 600;

#[tokio::test]
async fn what_is_not_durable_goes_first() {
    let server = options("max_outbox_bytes = 262144\n").start();
    let stage = Stage::of(&server);
    let (mut visitor, conversation) = stage.visitor_in_conversation().await;
    let token = Credential::Header(stage.user_token(&unique("slow")));
    let mut slow = stage.options(token).receive_buffer(8 * 1024).establish().await;
    subscribe(&mut slow, &conversation).await;
    let mut quick = stage.user_in(&conversation).await;

    // Nearly 10 MB of news of eight people: far more than the bound and all that the system holds.
    let text = "t".repeat(1_990);
    let mut told = 0_u64;
    let mut typists = Vec::new();
    for at in 0..8 {
        typists.push(stage.agent(&format!("typist-{at}")).await);
    }
    for round in 0..ROUNDS {
        for typist in &mut typists {
            let content = format!("{round} {text}");
            typist.send(json!({"type": "typing_progress", "conversationId": conversation, "content": content})).await;
        }
        if round % 50 == 49 {
            for typist in &mut typists {
                typist.fence().await;
            }
            quick.fence().await;
            say(&mut visitor, &conversation, "durable").await;
            told += 1;
        }
    }
    let confirmed = subscribe_with(&mut quick, &conversation, json!({})).await;
    let mut checker = OrderChecker::after(Place::Seq, number(&confirmed, "head") - told);
    while checker.last() < number(&confirmed, "head") {
        let next = slow.next().await.expect("section 6, ephemeral events close nobody, and push no durable one out");
        if next["type"] == "new_message" {
            checker.assert_all("the slow reader", [&next]);
        }
    }
    slow.fence().await;
    let typed: Vec<_> = slow.seen().iter().filter(|message| message["type"] == "typing_progress").collect();
    let all = ROUNDS * typists.len();
    assert!(typed.len() < all, "section 6, dropped or merged for a slow reader: {} of {all}", typed.len());
    for typist in &typists {
        let newest = typed.iter().rev().find(|message| message["userId"] == typist.user_id());
        let content = newest.and_then(|message| message["content"].as_str()).unwrap_or_default();
        let last = format!("{} ", ROUNDS - 1);
        assert!(content.starts_with(&last), "section 6, the newest of a person wins: {content:.20}");
    }
}
