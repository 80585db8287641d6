//! Several servers on one PostgreSQL database, which are to be as one.

use cossistant_testkit::{OrderChecker, Place, Postgres, PostgresOptions, Server, eventually, unique};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Stage, number, options, say, say_with, subscribe, subscribe_website, text};

/// A database, and servers on it.
struct Nodes {
    servers: Vec<Server>,
    _database: Postgres,
}

impl Nodes {
    fn start(count: usize) -> Self {
        // No test here has the machine crash.
        let database = PostgresOptions::new().setting("fsync=off").start();
        let url = database.database();
        let start = |_| options(&format!("database_url = {url:?}\nshards = 2")).start();
        Self { servers: (0..count).map(start).collect(), _database: database }
    }

    /// The same website, as one comes to it by each of the servers.
    fn stages(&self) -> Vec<Stage> {
        self.servers.iter().map(Stage::of).collect()
    }
}

/// Reads until a message of these words, and everything before it.
async fn hears(client: &mut cossistant_testkit::WsClient, words: &str) -> Value {
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
    let agent = beyond.options(cossistant_testkit::Credential::Header(secret.clone())).query("agentId", "bot");
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
