//! What a server leaves to those whom it does not know, and how much one address or one website may take of it.

use std::time::Duration;

use cossistant_testkit::{ConnectError, Credential, Server, WsClient, eventually, unique};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PAGE, PATIENCE, Stage, options, say, try_say};

/// What the server's process has open.
fn descriptors(server: &Server) -> usize {
    let pid = server.pid().expect("it runs");
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count()
}

/// The memory that the server's process has, in KiB.
fn memory_kib(server: &Server) -> u64 {
    let pid = server.pid().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the system tells of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// How a refused credential is told over a WebSocket: the code, and that of the close.
async fn refused(stage: &Stage, credential: &str) -> (String, Option<u16>) {
    let mut client =
        stage.options(Credential::Header(credential.to_owned())).connect().await.expect("the upgrade comes first");
    let error = client.expect("error").await;
    (error["code"].as_str().unwrap_or_default().to_owned(), client.expect_closed().await.code)
}

#[tokio::test]
async fn wrong_credentials_of_an_address_are_slowed_down() {
    let server = options("limit_wrong_credentials = 0.001\nlimit_wrong_credentials_burst = 6\n").start();
    let stage = Stage::of(&server);
    let list = "/v1/webhooks";
    let guess = async |key: String| stage.http.get(list).bearer(&key).send().await;
    for at in 0..3 {
        let answer = guess(format!("sk_guess{at}")).await;
        answer.expect_problem(401, "unauthorized", "section 8, a wrong key");
    }
    // Whoever was right is not counted, and what is over is not wrong.
    let _known = stage.http.get(list).bearer(&stage.secret_key).send().await.expect(200, "section 8, a good key");
    let expired = stage.claims("user", "u").expires_in(-5).sign();
    for _ in 0..10 {
        assert_eq!(refused(&stage, &expired).await.0, "token_expired", "section 2");
    }
    assert_eq!(refused(&stage, "nonsense").await, ("unauthorized".to_owned(), Some(4401)), "section 2");
    let bad_signature =
        stage.claims("user", "u").sign_with(jsonwebtoken::Algorithm::HS256, b"another secret of 32 bytes, or so");
    assert_eq!(refused(&stage, &bad_signature).await, ("unauthorized".to_owned(), Some(4401)), "section 2");
    guess("ak_guess".to_owned()).await.expect_problem(401, "unauthorized", "section 8, a wrong key");

    let problem = guess("ak_guess".to_owned()).await.expect_problem(429, "rate_limited", "too many wrong ones");
    assert!(problem["retryAfter"].as_u64().is_some(), "section 8, retryAfter: {problem}");
    assert_eq!(refused(&stage, "nonsense").await, ("rate_limited".to_owned(), Some(4029)), "over WebSockets too");
    let body = json!({"publicKey": stage.public_key, "identityToken": "nonsense"});
    let answer = stage.http.post("/v1/visitors", body).origin(PAGE).send().await;
    answer.expect_problem(429, "rate_limited", "where visitors are made too");
    // A key may be a guess, so it is not looked at; whoever has a token has it from one who knows a key.
    let known = guess(stage.secret_key.clone()).await;
    known.expect_problem(429, "rate_limited", "a key from there is not even looked at");
    stage.user(&unique("u")).await.fence().await;
}

#[tokio::test]
async fn whoever_is_in_guesses_no_faster() {
    let server = options("limit_wrong_credentials = 0.001\nlimit_wrong_credentials_burst = 6\n").start();
    let stage = Stage::of(&server);
    let user = unique("u");
    let mut client = stage.user(&user).await;
    let show = async |client: &mut WsClient, token: &str, answer: &str| {
        client.send(json!({"type": "authenticate", "id": unique("auth"), "token": token})).await;
        client.expect(answer).await["code"].clone()
    };
    for at in 0..6 {
        assert_eq!(show(&mut client, &format!("sk_guess{at}"), "error").await, "unauthorized", "section 2");
    }
    assert_eq!(show(&mut client, "sk_guess", "error").await, "rate_limited", "section 9");
    assert_eq!(show(&mut client, &stage.secret_key, "error").await, "rate_limited", "it is not even looked at");
    assert_eq!(refused(&stage, "nonsense").await.0, "rate_limited", "the address has had its guesses");
    // A good token is nobody's guess.
    show(&mut client, &stage.user_token(&user), "authenticated").await;
    client.fence().await;
}

#[tokio::test]
async fn the_messages_of_a_websites_visitors_are_limited_together() {
    let server = options("limit_website_messages = 0.001\nlimit_website_messages_burst = 4\n").start();
    let stage = Stage::of(&server);
    let elsewhere = stage.own_website().await;
    let conversation = unique("conv");
    let mut first = stage.visitor(&unique("v")).await;
    for _ in 0..2 {
        say(&mut first, &conversation, "mine").await;
        say(&mut stage.visitor(&unique("v")).await, &unique("conv"), "another's").await;
    }
    let refused = try_say(&mut stage.visitor(&unique("v")).await, &unique("conv"), json!({})).await;
    assert_eq!(refused["code"], "rate_limited", "section 9, the website's: {refused}");
    assert!(refused["retryAfter"].as_u64().is_some(), "section 6, retryAfter: {refused}");
    // The team answers, and other websites do not suffer.
    say(&mut stage.user(&unique("u")).await, &conversation, "we are here").await;
    say(&mut elsewhere.visitor(&unique("v")).await, &unique("conv"), "elsewhere").await;
}

/// An anonymous visitor that comes by way of a proxy on this machine, from this address.
async fn newcomer(stage: &Stage, address: &str) -> WsClient {
    let key = Credential::PublicKey(stage.public_key.clone());
    let options = stage.options(key).origin(PAGE).header("X-Forwarded-For", address);
    options.connect().await.expect("the upgrade comes first")
}

#[tokio::test]
async fn new_visitors_of_a_website_are_limited_from_wherever_they_come() {
    let config =
        "limit_website_new_visitors = 0.001\nlimit_website_new_visitors_burst = 3\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let server = options(config).start();
    let stage = Stage::of(&server);
    for at in 0..3 {
        newcomer(&stage, &format!("192.0.2.{at}")).await.expect("connection_established").await;
    }
    let mut late = newcomer(&stage, "192.0.2.99").await;
    let error = late.expect("error").await;
    assert_eq!(error["code"], "rate_limited", "section 9, the website's: {error}");
    late.expect_close(4029, "section 4, rate limited").await;
    let body = json!({"publicKey": stage.public_key});
    let posted =
        stage.http.post("/v1/visitors", body).origin(PAGE).header("X-Forwarded-For", "192.0.2.98").send().await;
    posted.expect_problem(429, "rate_limited", "section 9, by HTTP too");
    // Whom the website knows is not new.
    stage.visitor(&unique("v")).await.fence().await;
}

#[tokio::test]
async fn connections_of_a_websites_visitors_are_limited() {
    let server = options("limit_website_connections = 2\n").start();
    let stage = Stage::of(&server);
    let elsewhere = stage.own_website().await;
    let mut held = vec![stage.visitor(&unique("v")).await, stage.visitor(&unique("v")).await];
    let token = stage.visitor_token(&unique("v"));
    assert_eq!(refused(&stage, &token).await, ("rate_limited".to_owned(), Some(4029)), "section 9, the website's");
    stage.user(&unique("u")).await.fence().await;
    elsewhere.visitor(&unique("v")).await.fence().await;
    held.pop().expect("two").close(1000).await;
    let back = async || {
        let mut client = stage.options(Credential::Header(token.clone())).connect().await.ok()?;
        let said = client.next().await?;
        (said["type"] == "connection_established").then_some(client)
    };
    eventually(PATIENCE, "section 9, a place is free again", back).await;
}

#[tokio::test]
async fn requests_of_an_address_are_limited() {
    let server = options("limit_requests = 0.001\nlimit_requests_burst = 5\n").start();
    let stage = Stage::of(&server);
    let ask = async || stage.http.get("/v1/conversations").bearer(&stage.visitor_token("v")).send().await;
    for _ in 0..5 {
        let _within = ask().await.expect(200, "section 8, within the limit");
    }
    let refused = ask().await;
    refused.expect_problem(429, "rate_limited", "section 9, requests of an address");
    assert!(refused.header("retry-after").is_some(), "section 8, Retry-After: {refused:?}");
    let figures = stage.http.get("/metrics").send().await;
    figures.expect_problem(429, "rate_limited", "section 9, figures are not for everybody as often as they like");
    for path in ["/healthz", "/readyz"] {
        let _well = stage.http.get(path).send().await.expect(200, "section 8, health is no request to the API");
    }
    stage.user(&unique("u")).await.fence().await;
}

#[tokio::test]
async fn connections_that_ask_for_nothing_are_few_and_short() {
    let config = "limit_http_connections = 4\nlimit_http_connections_total = 6\nshards = 1\nrequest_timeout = \"2s\"\n";
    let server = options(&format!("{config}trusted_proxies = [\"127.0.0.2\"]\n")).start();
    let stage = Stage::of(&server);
    let mut user = stage.user(&unique("u")).await;
    let dial = async |from: &str| {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("{from}:0").parse().expect("an address")).expect("loopback is wide");
        socket.connect(server.address().parse().expect("an address")).await.expect("the system takes it")
    };
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(dial("127.0.0.1").await);
    }
    assert_turned_away(dial("127.0.0.1").await, "429").await;
    // Clients of a proxy have its address; those are bounded together with all others.
    idle.push(dial("127.0.0.2").await);
    idle.push(dial("127.0.0.2").await);
    assert_turned_away(dial("127.0.0.3").await, "503").await;
    // Who is there is served, and the silent are soon gone.
    user.fence().await;
    for mut stream in idle {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "section 9, unfinished requests are cut");
    }
    eventually(PATIENCE, "section 9, there is room again", || async {
        (stage.http.get("/healthz").try_send().await.is_ok_and(|answer| answer.status == 200)).then_some(())
    })
    .await;
}

/// The answer may be lost when the end follows it closely, but the end comes.
async fn assert_turned_away(mut stream: TcpStream, status: &str) {
    let mut answer = Vec::new();
    let read =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is turned away at once");
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    if read.is_ok() {
        for part in [
            &format!("http/1.1 {status} "),
            "connection: close\r\n",
            "retry-after: 5\r\n",
            "x-content-type-options: nosniff\r\n",
        ] {
            assert!(answer.contains(part), "it says {part}: {answer}");
        }
    }
}

#[tokio::test]
async fn who_asks_and_never_reads_is_let_go_of() {
    let server = options("request_timeout = \"1s\"\n").start();
    let stage = Stage::of(&server);
    let mut deaf = Vec::new();
    for _ in 0..5 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
        let mut stream = socket.connect(server.address().parse().expect("an address")).await.expect("it listens");
        // As many answers as no buffer of the system holds.
        let many = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2_000);
        stream.write_all(many.as_bytes()).await.expect("the system takes what is asked");
        deaf.push(stream);
    }
    // The end of the connection shows without reading: nothing more can be written.
    let has_ended = |stream: &TcpStream| {
        let written = socket2::SockRef::from(stream).send(b"\r\n");
        written.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
    };
    eventually(Duration::from_secs(30), "section 9, who takes nothing for a while is let go of", || async {
        deaf.iter().all(has_ended).then_some(())
    })
    .await;
    stage.user(&unique("u")).await.fence().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut() {
    let server = options("request_timeout = \"1s\"\n").start();
    let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
    let trickle = async {
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a')) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("section 9, unfinished requests are cut, busy or not");
}

#[tokio::test]
async fn who_never_says_who_they_are_takes_little_and_not_for_long() {
    let server = options("auth_timeout = \"3s\"\n").start();
    let stage = Stage::of(&server);
    let mut user = stage.user(&unique("u")).await;
    let (before, open) = (memory_kib(&server), descriptors(&server));
    let mut strangers = Vec::new();
    for _ in 0..200 {
        let mut stranger = crate::raw::RawSocket::connect_as_nobody(&stage).await;
        // The beginning of a message as large as one may be.
        let head = [&[0x81, 0x80 | 127][..], &60_000_u64.to_be_bytes(), &[0; 4]].concat();
        stranger.stream.write_all(&head).await.expect("it reads");
        stranger.stream.write_all(&[b'x'; 59_000]).await.expect("it reads");
        strangers.push(stranger);
    }
    let grown = memory_kib(&server).saturating_sub(before);
    assert!(grown < 200 * 96, "no more than each was allowed to say: {grown} KiB for 200");
    user.fence().await;
    for stranger in &mut strangers {
        assert_eq!(stranger.close_code().await, Some(4008), "section 4, no authentication in time");
    }
    drop(strangers);
    eventually(PATIENCE, "their sockets are free", || async { (descriptors(&server) < open + 20).then_some(()) }).await;
}

#[tokio::test]
async fn every_answer_has_the_headers_of_caution() {
    let server = options("limit_connects = 0.001\nlimit_connects_burst = 1\n").start();
    let stage = Stage::of(&server);
    let (get, post) = ("GET", "POST");
    let token = stage.user_token("u");
    let visitors = json!({"publicKey": "pk_none"});
    let mut answers = Vec::new();
    for (method, path, bearer, expected) in [
        (get, "/healthz", "", 200),
        (get, "/readyz", "", 200),
        (get, "/metrics", "", 200),
        (get, "/openapi.json", "", 200),
        (get, "/app.json", "", 200),
        (get, "/nowhere", "", 404),
        (get, "/v1/conversations", "", 401),
        (get, "/v1/conversations/none", token.as_str(), 404),
        (get, "/v1/webhooks", token.as_str(), 403),
        ("PUT", "/v1/conversations", token.as_str(), 405),
        ("DELETE", "/healthz", "", 405),
        (get, "/ws", "", 426),
        (post, "/ws", "", 405),
    ] {
        let request = stage.http.request(method, path);
        let request = if bearer.is_empty() { request } else { request.bearer(bearer) };
        answers.push((format!("{method} {path}"), expected, request.send().await));
    }
    answers.push((
        "a foreign page".to_owned(),
        403,
        stage.http.post("/v1/visitors", visitors).origin("https://evil.example").send().await,
    ));
    answers.push((
        "no JSON".to_owned(),
        415,
        stage.http.request(post, "/v1/tokens").bearer(&stage.secret_key).raw("text/plain", b"x".to_vec()).send().await,
    ));
    for (what, expected, answer) in &answers {
        assert_eq!(answer.status, *expected, "section 8, {what}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}: {answer:?}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}: {answer:?}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {answer:?}"
        );
        assert!(answer.header("cache-control").is_some(), "{what}: {answer:?}");
    }
    // Pages and files have policies of their own; none goes without.
    for path in ["/", "/inbox/x", "/demo", "/widget.js"] {
        let answer = stage.http.get(path).send().await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}: {answer:?}");
        let has_policy = answer.header("content-security-policy").is_some();
        assert!(has_policy || path == "/widget.js", "{path}: {answer:?}");
    }
    // Answers that no route gives: of the parser, of the upgrade, of limits.
    let held = stage.user(&unique("u")).await;
    let limited = stage.options(Credential::Header(token.clone())).connect().await;
    let Err(ConnectError::Refused { headers, .. }) = &limited else { panic!("section 9, limit_connects: {limited:?}") };
    assert!(headers.contains_key("x-content-type-options"), "of a refused upgrade: {headers:?}");
    for request in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "no HTTP\r\n\r\n",
        &format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(100_000)),
    ] {
        let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
        let _refused = stream.write_all(request.as_bytes()).await;
        let mut head = Vec::new();
        let _ended = tokio::time::timeout(PATIENCE, async {
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
        })
        .await;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        for line in [
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(head.contains(line), "{request:.30} is answered with {line}: {head}");
        }
    }
    drop(held);
}
