//! Several servers on one PostgreSQL database, which are to be as one.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cossistant_testkit::{
    Credential, Nats, OrderChecker, Place, Postgres, PostgresOptions, Server, StartError, WsClient, eventually, unique,
};
use serde_json::{Value, json};

use crate::support::{BINARY, PATIENCE, Stage, number, options, say, say_with, subscribe, subscribe_website, text};
use crate::tls::Pair;

/// One server of databases for all tests; none of them has the machine crash.
fn database() -> &'static Postgres {
    static DATABASE: OnceLock<Postgres> = OnceLock::new();
    DATABASE.get_or_init(|| PostgresOptions::new().setting("fsync=off").start())
}

/// Servers on a database of their own. Typing lasts until it is stopped.
struct Nodes {
    servers: Vec<Server>,
}

impl Nodes {
    fn start(count: usize) -> Self {
        Self::configured(count, "")
    }

    /// Servers that talk over NATS.
    fn with_nats(count: usize, nats: &Nats) -> Self {
        Self::configured(count, &format!("nats_url = {:?}", nats.url()))
    }

    fn configured(count: usize, more: &str) -> Self {
        let url = database().database();
        let config = format!("database_url = {url:?}\nshards = 2\ntyping_expiry = \"60s\"\n{more}");
        Self { servers: (0..count).map(|_| options(&config).start()).collect() }
    }

    /// The same website, as one comes to it by each of the servers.
    fn stages(&self) -> Vec<Stage> {
        self.servers.iter().map(Stage::of).collect()
    }
}

/// Reads until a message of these words, and everything before it.
async fn hears(client: &mut WsClient, words: &str) -> Value {
    let fits = |message: &Value| message["type"] == "new_message" && message["content"]["text"] == words;
    client.recv_until(&format!("the message {words:?}"), fits).await
}

#[tokio::test]
async fn without_a_bus_every_event_comes_once_and_in_order() {
    let nodes = Nodes::start(2);
    let [here, there]: [Stage; 2] = nodes.stages().try_into().ok().expect("two");
    let (mut visitor, conversation) = here.visitor_in_conversation().await;
    let mut user = there.user(&unique("user")).await;
    let of_site = subscribe_website(&mut user, &there.website, json!({})).await;
    let begun = subscribe(&mut user, &conversation).await;
    let mut boss = here.user(&unique("boss")).await;
    subscribe(&mut boss, &conversation).await;
    let (other_visitor, other_conversation) = there.visitor_in_conversation().await;
    for n in 0..20 {
        say(&mut visitor, &conversation, &format!("question {n}")).await;
        say(&mut user, &conversation, &format!("answer {n}")).await;
        let note = json!({"content": {"text": format!("note {n}")}, "visibility": "internal"});
        say_with(&mut user, &conversation, note).await;
    }
    there.patch_conversation(&conversation, json!({"status": "pending"})).await;
    say(&mut user, &conversation, "the last answer").await;
    say(&mut visitor, &conversation, "the last question").await;
    hears(&mut visitor, "the last answer").await;
    for reader in [&mut visitor, &mut user, &mut boss] {
        hears(reader, "the last question").await;
    }
    OrderChecker::after(Place::Offset, number(&of_site, "head")).assert_all("the user", user.seen());
    let mut of_boss = OrderChecker::after(Place::Seq, number(&begun, "head"));
    of_boss.assert_all("the boss", boss.seen());
    assert_eq!(of_boss.messages(), 62, "all, notes too");
    let mut of_visitor = OrderChecker::after(Place::Seq, 1);
    of_visitor.assert_all("the visitor", visitor.seen());
    assert_eq!(of_visitor.messages(), 42, "all but the notes");
    assert!(!visitor.seen().iter().any(|message| message.to_string().contains("note ")), "notes are for the team");
    drop((other_visitor, other_conversation));
}

#[tokio::test]
async fn without_a_bus_what_is_set_up_and_revoked_is_so_everywhere() {
    let nodes = Nodes::start(2);
    let [here, there]: [Stage; 2] = nodes.stages().try_into().ok().expect("two");
    let sub = unique("user");
    let mut user = there.user(&sub).await;
    let body = json!({"userId": sub, "revoke": true});
    let revoked = here.http.post("/v1/disconnect", body).bearer(&here.secret_key).send().await;
    assert!(revoked.status < 300, "{revoked:?}");
    user.expect_close(4403, "one who is revoked by way of one server is so on all").await;

    // What one server was told to make, the other one knows.
    let own = here.own_organization().await;
    let key = own.key("secret", json!({})).await;
    let secret = text(&key, "key").to_owned();
    let body = json!({"type": "user", "sub": "grace", "websites": [own.website]});
    let known = async || {
        let issued = there.http.post("/v1/tokens", body.clone()).bearer(&secret).send().await;
        (issued.status == 201).then(|| issued.expect(201, "a token"))
    };
    let token = eventually(PATIENCE, "the other server knows the key", known).await;
    let beyond = Stage { ws_url: there.ws_url.clone(), url: there.url.clone(), http: there.http.clone(), ..own };
    let agent = beyond.options(Credential::Header(secret.clone())).query("agentId", "bot");
    let (mut agent, mut user) = (agent.establish().await, beyond.join(text(&token, "token"), "grace").await);
    let deleted = here.http.delete(&format!("/v1/keys/{}", text(&key, "id"))).bearer(&here.admin_key).send().await;
    assert!(deleted.status < 300, "{deleted:?}");
    agent.expect_close(4403, "its key is gone").await;
    let channel = subscribe_website(&mut user, &beyond.website, json!({})).await["channel"].clone();
    let path = format!("/v1/websites/{}?organizationId={}", beyond.website, beyond.org);
    let deleted = here.http.delete(&path).bearer(&here.admin_key).send().await;
    assert!(deleted.status < 300, "{deleted:?}");
    let ended = user.expect("subscription_ended").await;
    assert_eq!((&ended["channel"], &ended["reason"]), (&channel, &json!("revoked")));
}

async fn is_ready(stage: &Stage, is_degraded: bool) {
    let told = async || {
        let answer = stage.http.get("/readyz").send().await.expect(200, "a bus that is away takes no node away");
        let degraded = &answer["degraded"];
        let found = degraded.as_array().is_some_and(|list| list.contains(&json!("bus")));
        (found == is_degraded).then_some(())
    };
    eventually(2 * PATIENCE, &format!("/readyz says whether the bus is down: {is_degraded}"), told).await;
}

/// Waits until somebody is told that a person types, or types no longer.
async fn sees_typing(client: &mut WsClient, who: &str, is_typing: bool) {
    let fits = |message: &Value| {
        message["type"] == "typing_indicator" && message["userId"] == who && message["isTyping"] == is_typing
    };
    client.recv_until(&format!("{who} types: {is_typing}"), fits).await;
}

/// Types, and goes on to do so until the other one sees it.
async fn types_until_seen(by: &mut WsClient, conversation: &str, other: &mut WsClient) {
    let who = by.user_id().to_owned();
    let start = json!({"type": "typing_start", "conversationId": conversation});
    let is_seen = async || {
        by.send(start.clone()).await;
        other.fence().await;
        let fits = |message: &&Value| message["type"] == "typing_indicator" && message["userId"] == who.as_str();
        other.seen().iter().rfind(fits).filter(|message| message["isTyping"] == true).map(|_| ())
    };
    eventually(4 * PATIENCE, "one who types is seen to", is_seen).await;
    other.skip_seen();
}

#[tokio::test]
async fn over_nats_partners_on_two_servers_are_as_on_one() {
    let nats = Nats::for_user("cossistant", "hunter2");
    let nodes = Nodes::with_nats(2, &nats);
    let [here, there]: [Stage; 2] = nodes.stages().try_into().ok().expect("two");
    is_ready(&here, false).await;
    is_ready(&there, false).await;
    let other_organization = there.own_organization().await;
    let mut stranger = other_organization.user("grace").await;
    subscribe_website(&mut stranger, &other_organization.website, json!({})).await;

    let (mut visitor, conversation) = here.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "hello").await;
    // Nobody of this website is connected to the other server yet, and still it can say who is online.
    let (path, token) = (format!("/v1/websites/{}/conversations", there.website), there.user_token("asker"));
    let is_online = async || {
        let answer = there.http.get(&path).bearer(&token).send().await.expect(200, "the team may list conversations");
        (answer["conversations"][0]["online"] == true).then_some(())
    };
    eventually(PATIENCE, "a list says who is online by way of another server", is_online).await;
    let mut user = there.user("grace").await;
    let confirmed = subscribe_website(&mut user, &there.website, json!({})).await;
    subscribe(&mut user, &conversation).await;
    if !confirmed["online"].to_string().contains(visitor.user_id()) {
        let online = user.expect("visitor_online").await;
        assert_eq!(text(&online, "visitorId"), visitor.user_id());
    }
    if visitor.established()["team"]["online"] != true {
        visitor.expect("team_online").await;
    }
    let mut boss = here.user("boss").await;
    subscribe(&mut boss, &conversation).await;

    let typing = |kind: &str| json!({"type": kind, "conversationId": conversation});
    visitor.send(typing("typing_start")).await;
    sees_typing(&mut user, visitor.user_id(), true).await;
    visitor.send(json!({"type": "typing_progress", "conversationId": conversation, "content": "how do I"})).await;
    let progress = user.expect("typing_progress").await;
    assert_eq!((text(&progress, "content"), text(&progress, "userId")), ("how do I", visitor.user_id()));
    visitor.send(typing("typing_stop")).await;
    sees_typing(&mut user, visitor.user_id(), false).await;
    user.send(typing("typing_start")).await;
    sees_typing(&mut visitor, "grace", true).await;
    user.send(typing("viewing_start")).await;
    let viewing = boss.recv_until("grace views", |message| message["type"] == "viewing_indicator").await;
    assert_eq!((&viewing["userId"], &viewing["isViewing"]), (&json!("grace"), &json!(true)));
    // Who comes later is told what goes on by way of the other server.
    let mut late = here.user("late").await;
    let state = subscribe(&mut late, &conversation).await;
    for field in ["typing", "viewing"] {
        assert!(state[field].to_string().contains("grace"), "{field} of the other server is in the state: {state}");
    }
    // A message ends typing, and is seen.
    say(&mut user, &conversation, "hello, too").await;
    sees_typing(&mut visitor, "grace", false).await;
    let message = hears(&mut visitor, "hello, too").await;
    visitor.send(json!({"type": "mark_seen", "conversationId": conversation, "seq": message["seq"]})).await;
    let seen = user.recv_until("it was seen", |message| message["type"] == "conversation_seen").await;
    assert_eq!(text(&seen, "userId"), visitor.user_id());
    let note = json!({"content": {"text": "a note"}, "visibility": "internal"});
    say_with(&mut user, &conversation, note).await;
    hears(&mut boss, "a note").await;
    say(&mut user, &conversation, "behind the note").await;
    hears(&mut visitor, "behind the note").await;
    assert!(!visitor.seen().iter().any(|message| message.to_string().contains("a note")), "notes are for the team");
    assert!(!visitor.seen().iter().any(|message| message["type"] == "viewing_indicator"));
    let before = stranger.seen().len();
    stranger.fence().await;
    assert_eq!(stranger.seen().len(), before + 1, "another organization hears nothing: {:?}", stranger.seen());
    visitor.close(1000).await;
    let gone = user.expect("visitor_offline").await;
    assert_eq!(gone["conversationId"], conversation.as_str());
}

#[tokio::test]
async fn a_visitor_is_told_at_once_of_a_team_that_is_elsewhere() {
    let nats = Nats::start();
    let nodes = Nodes::with_nats(2, &nats);
    let [here, there]: [Stage; 2] = nodes.stages().try_into().ok().expect("two");
    is_ready(&here, false).await;
    is_ready(&there, false).await;
    // An answer may be late on a machine that is busy; a website of which nobody was ever here is asked for anew.
    let mut told = Vec::new();
    for _ in 0..4 {
        let own = there.own_organization().await;
        let user = own.user("grace").await;
        let secret = text(&own.key("secret", json!({})).await, "key").to_owned();
        let body = json!({"type": "visitor", "sub": "vera", "websites": [own.website]});
        let own = Stage { ws_url: here.ws_url.clone(), url: here.url.clone(), http: here.http.clone(), ..own };
        let known = async || {
            let issued = here.http.post("/v1/tokens", body.clone()).bearer(&secret).send().await;
            (issued.status == 201).then(|| issued.expect(201, "a token"))
        };
        let token = eventually(PATIENCE, "the other server knows the key", known).await;
        let visitor = own.join(text(&token, "token"), "vera").await;
        told.push(visitor.established()["team"].clone());
        drop(user);
        if told.last().is_some_and(|team| team["online"] == true) {
            break;
        }
    }
    let last = told.last().expect("one at least");
    assert_eq!(last["members"].as_array().map(Vec::len), Some(1), "who of the team is there: {told:?}");
}

#[tokio::test]
async fn nats_may_die_and_come_back() {
    let mut nats = Nats::start();
    let nodes = Nodes::with_nats(2, &nats);
    let [here, there]: [Stage; 2] = nodes.stages().try_into().ok().expect("two");
    is_ready(&here, false).await;
    is_ready(&there, false).await;
    let (mut visitor, conversation) = here.visitor_in_conversation().await;
    let mut user = there.user("grace").await;
    subscribe_website(&mut user, &there.website, json!({})).await;
    let begun = subscribe(&mut user, &conversation).await;
    for n in 0..30 {
        if n == 10 {
            nats.kill_9();
        }
        say(&mut visitor, &conversation, &format!("question {n}")).await;
        say(&mut user, &conversation, &format!("answer {n}")).await;
    }
    hears(&mut user, "question 29").await;
    hears(&mut visitor, "answer 29").await;
    is_ready(&here, true).await;
    is_ready(&there, true).await;
    let mut took = Vec::new();
    for _ in 0..5 {
        let sub = unique("user");
        let mut fired = there.user(&sub).await;
        let body = json!({"userId": sub, "revoke": true});
        let revoked = here.http.post("/v1/disconnect", body).bearer(&here.secret_key).send().await;
        assert!(revoked.status < 300, "{revoked:?}");
        let answered = Instant::now();
        fired.expect_close(4403, "a revocation needs no bus").await;
        took.push(answered.elapsed());
    }
    took.sort_unstable();
    assert!(took[2] <= Duration::from_millis(1_500), "most of them within the time that is promised: {took:?}");
    for server in &nodes.servers {
        let output = server.output();
        let lines = output.lines().filter(|line| line.contains("WARN") && line.contains("NATS"));
        assert_eq!(lines.count(), 1, "that NATS is away is said once: {output}");
    }

    nats.start_again();
    is_ready(&here, false).await;
    is_ready(&there, false).await;
    types_until_seen(&mut visitor, &conversation, &mut user).await;
    say(&mut visitor, &conversation, "the last question").await;
    hears(&mut user, "the last question").await;
    hears(&mut visitor, "the last question").await;
    for (name, reader) in [("the visitor", &visitor), ("the user", &user)] {
        let mut checker = OrderChecker::after(Place::Seq, number(&begun, "head"));
        checker.assert_all(name, reader.seen());
        assert_eq!(checker.messages(), 61, "{name} has heard all");
    }
}

#[tokio::test]
async fn who_was_on_a_server_that_died_is_gone_unless_back_elsewhere() {
    let nats = Nats::start();
    let mut nodes = Nodes::with_nats(2, &nats);
    let [here, there]: [Stage; 2] = nodes.stages().try_into().ok().expect("two");
    is_ready(&here, false).await;
    is_ready(&there, false).await;
    let (mut lost, conversation) = here.visitor_in_conversation().await;
    let (returned, _) = here.visitor_in_conversation().await;
    let mut patient = there.options(Credential::Header(there.user_token("grace"))).deadline(4 * PATIENCE);
    patient = patient.name("grace");
    let mut user = patient.establish().await;
    let confirmed = subscribe_website(&mut user, &there.website, json!({})).await;
    for visitor in [&lost, &returned] {
        let id = visitor.user_id().to_owned();
        if !confirmed["online"].to_string().contains(&id) {
            let fits = |message: &Value| message["type"] == "visitor_online" && message["visitorId"] == id.as_str();
            user.recv_until("both are online", fits).await;
        }
    }
    lost.send(json!({"type": "typing_start", "conversationId": conversation})).await;
    sees_typing(&mut user, lost.user_id(), true).await;
    nodes.servers[0].kill_9();
    let back = there.visitor(returned.user_id()).await;
    sees_typing(&mut user, lost.user_id(), false).await;
    let gone = user.expect("visitor_offline").await;
    assert_eq!(text(&gone, "visitorId"), lost.user_id());
    user.assert_none("who came back in time was never gone", |message| message["type"] == "visitor_offline").await;
    drop(back);
}

#[tokio::test]
async fn a_server_starts_without_nats_and_finds_it_later() {
    let mut nats = Nats::start();
    nats.kill_9();
    let nodes = Nodes::with_nats(1, &nats);
    let [here]: [Stage; 1] = nodes.stages().try_into().ok().expect("one");
    is_ready(&here, true).await;
    let figures = here.http.get("/metrics").send().await.text;
    assert!(figures.contains("cossistant_bus_up 0"), "{figures}");
    let (mut visitor, conversation) = here.visitor_in_conversation().await;
    say(&mut visitor, &conversation, "hello").await;
    let said = async || nodes.servers[0].output().contains("NATS is away").then_some(());
    eventually(PATIENCE, "the log says it", said).await;
    nats.start_again();
    is_ready(&here, false).await;
    let output = nodes.servers[0].output();
    let lines = output.lines().filter(|line| line.contains("WARN") && line.contains("NATS"));
    assert_eq!(lines.count(), 1, "it is said once: {output}");
}

#[test]
fn an_address_of_nats_that_cannot_be_used_is_refused_by_its_key() {
    for (config, key) in [
        ("nats_url = 'nats://user:hunter2@127.0.0.1'", "nats_url"),
        ("database_url = 'postgres://user@127.0.0.1/db'\nnats_url = 'http://user:hunter2@127.0.0.1'", "nats_url"),
        (
            "database_url = 'postgres://user@127.0.0.1/db'\nnats_url = 'tls://127.0.0.1'\nnats_tls_ca = '/nowhere'",
            "nats_tls_ca",
        ),
    ] {
        match options(config).try_start() {
            Err(StartError::Exited { code: Some(2), output }) => {
                assert!(output.contains(key) && !output.contains("hunter2"), "{key}: {output}");
            }
            Err(error) => panic!("{key}: {error}"),
            Ok(server) => panic!("{key}: it came up: {}", server.output()),
        }
    }
}

#[tokio::test]
async fn nats_is_known_by_its_authority() {
    let folder = std::env::temp_dir().join(unique("cossistant-nats-tls"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let pair = Pair::valid();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, &pair.certificate).expect("a file");
    std::fs::write(&key, &pair.key).expect("a file");
    let nats = Nats::for_tls(&certificate, &key);
    let url = format!("nats_url = \"tls://localhost:{}\"", nats.port());
    let trusting = Nodes::configured(1, &format!("{url}\nnats_tls_ca = {certificate:?}"));
    is_ready(&Stage::of(&trusting.servers[0]), false).await;
    drop(trusting);
    // That browsers know nobody who knows it is its end.
    let wary = Nodes::configured(1, &url);
    is_ready(&Stage::of(&wary.servers[0]), true).await;
    let said = async || wary.servers[0].output().contains("NATS is away").then_some(());
    eventually(PATIENCE, "it is never let in", said).await;
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
fn doctor_looks_whether_nats_is_there() {
    let mut nats = Nats::for_user("cossistant", "hunter2");
    let finding = |url: &str| {
        let mut command = std::process::Command::new(BINARY);
        command.args(["doctor", "--dev", "--json", "--listen", "127.0.0.1:0"]);
        command.env("COSSISTANT_DATABASE_URL", database().url("postgres")).env("COSSISTANT_NATS_URL", url);
        let output = command.env("COSSISTANT_DATA", std::env::temp_dir()).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(!told.contains("hunter"), "no password is told: {told}");
        let report: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
        let findings = report["findings"].as_array().expect("findings").clone();
        let of = findings.into_iter().find(|finding| finding["check"] == "bus").expect("one of the bus");
        (text(&of, "state").to_owned(), text(&of, "found").to_owned())
    };
    assert_eq!(finding(&nats.url()).0, "ok");
    let wrong = finding(&nats.url().replace("hunter2", "hunter3"));
    assert!(wrong.0 == "warn" && wrong.1.contains("authorization"), "{wrong:?}");
    nats.kill_9();
    assert_eq!(finding(&nats.url()).0, "warn", "a server starts without it");
}
