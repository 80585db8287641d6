//! Secrets that are replaced: for a while both are taken, then the new one alone.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use cossistant_testkit::tokens::Token;
use cossistant_testkit::{Credential, Server, ServerOptions, tokens, unique};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::{BINARY, Stage, comes_true, text};
use crate::tls::hang_up;

fn rotate(server: &Server, which: &str, more: &[&str]) -> Output {
    let data = server.data().to_str().expect("a path of ours");
    let output = Command::new(BINARY).args(["secret", "rotate", which, "--json", "--data", data]).args(more).output();
    output.expect("the binary runs")
}

fn rotated(server: &Server, which: &str, keep: &str) -> Value {
    let output = rotate(server, which, &["--keep", keep, "--force"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// What the server says of a bearer credential: that it is one, or not.
async fn is_taken(stage: &Stage, path: &str, credential: &str) -> bool {
    let answer = stage.http.get(path).bearer(credential).send().await;
    assert!([200, 401].contains(&answer.status), "{}", answer.text);
    answer.status == 200
}

/// A token that the server signs itself.
async fn own_token(stage: &Stage) -> String {
    let body = json!({"type": "user", "sub": unique("u"), "websites": [stage.website]});
    let made = stage.http.post("/v1/tokens", body).bearer(&stage.secret_key).send().await;
    text(&made.expect(201, "section 8, POST /v1/tokens"), "token").to_owned()
}

#[tokio::test]
async fn own_tokens_by_both_secrets_are_taken_until_the_old_one_ends() {
    let server = ServerOptions::new(BINARY).start();
    let stage = Stage::of(&server);
    let path = format!("/v1/websites/{}", stage.website);
    let old = own_token(&stage).await;
    let before = fs::read_to_string(server.data().join("visitor-secret")).expect("it is there");
    rotated(&server, "visitor", "1h");
    assert_ne!(fs::read_to_string(server.data().join("visitor-secret")).expect("it is there"), before);

    // Which secret signs shows in whether it is taken when the other one has ended.
    let mut new = own_token(&stage).await;
    assert!(is_taken(&stage, &path, &old).await && is_taken(&stage, &path, &new).await);
    let overlapping = rotate(&server, "visitor", &["--keep", "1h"]);
    assert_eq!(overlapping.status.code(), Some(1), "the first secret would end without a word: {overlapping:?}");

    // Its time is put to an end, which the file says.
    let previous = server.data().join("visitor-secret.previous");
    let ended = format!("{}\n2001-01-01T00:00:00.000Z\n", before.trim());
    fs::write(&previous, ended).expect("it is ours");
    comes_true("the old secret ends", async || !is_taken(&stage, &path, &old).await).await;
    comes_true("the new one signs and is taken", async || {
        new = own_token(&stage).await;
        is_taken(&stage, &path, &new).await
    })
    .await;
    // A token on a socket is judged alike.
    let mut refused = stage.options(Credential::Header(old)).connect().await.expect("it opens, to say why");
    refused.expect_close(4401, "section 2, a token by a secret whose time is over").await;
    stage.join(&new, "by the new one").await;
}

#[tokio::test]
async fn a_server_without_tls_and_without_a_terminal_lives_on_when_it_is_told_to_read_them_anew() {
    let server = ServerOptions::new(BINARY).start();
    let stage = Stage::of(&server);
    let path = format!("/v1/websites/{}", stage.website);
    let old = own_token(&stage).await;
    rotated(&server, "visitor", "1h");
    for _ in 0..3 {
        hang_up(&server);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(is_taken(&stage, &path, &old).await);
    }
}

#[tokio::test]
async fn both_admin_keys_are_taken_until_the_old_one_ends() {
    // It is asked time and again with a key that is wrong soon.
    let server = ServerOptions::new(BINARY).production().config("limit_wrong_credentials = 0\n").start();
    let stage = Stage::of(&server);
    let made = stage.http.post("/v1/organizations", json!({"name": "Org"})).bearer(&stage.admin_key).send().await;
    let path = format!("/v1/organizations/{}", text(&made.expect(201, "section 8"), "id"));
    let old = stage.admin_key.clone();
    let told = rotated(&server, "admin", "1h");
    let read = || fs::read_to_string(text(&told, "file")).expect("it is there").trim().to_owned();
    let new = read();
    assert!(new.starts_with("ak_") && new != old);
    comes_true("the new key is taken", async || is_taken(&stage, &path, &new).await).await;
    assert!(is_taken(&stage, &path, &old).await, "and so is the old one, for an hour");

    rotated(&server, "admin", "0s");
    let newest = read();
    comes_true("the newest key is taken", async || is_taken(&stage, &path, &newest).await).await;
    assert!(!is_taken(&stage, &path, &new).await && !is_taken(&stage, &path, &old).await, "those before have ended");
}

#[tokio::test]
async fn servers_that_are_given_the_same_secret_take_each_others_tokens() {
    let (old, new) = (unique("old-secret-old-secret-old-secret"), unique("new-secret-new-secret-new-secret"));
    let with = |config: &str| ServerOptions::new(BINARY).config(config).start();
    let rotated = format!(
        "visitor_secret = \"{new}\"\nvisitor_secret_previous = \"{old}\"\n\
         visitor_secret_previous_until = \"2099-01-01T00:00:00Z\"\n"
    );
    let servers = [&format!("visitor_secret = \"{old}\"\n"), &rotated, &rotated].map(|config| with(config));
    let [before, here, there] = servers.each_ref().map(Stage::of);
    let path = format!("/v1/websites/{}", here.website);
    let (of_before, of_here) = (own_token(&before).await, own_token(&here).await);
    assert!(is_taken(&there, &path, &of_before).await, "the secret before");
    assert!(is_taken(&there, &path, &of_here).await, "the same secret");
    assert!(!is_taken(&before, &path, &of_here).await, "a secret that it was not given");
    assert!(!servers[0].data().join("visitor-secret").exists(), "none was made");
}

#[tokio::test]
async fn the_operators_tokens_by_both_secrets_are_taken_until_the_old_one_ends() {
    let (old, new) = (unique("old-secret-old-secret-old-secret"), unique("new-secret-new-secret-new-secret"));
    let start = |until: &str| {
        let config = format!(
            "jwt_secret = \"{new}\"\njwt_secret_previous = \"{old}\"\njwt_secret_previous_until = \"{until}\"\n"
        );
        ServerOptions::new(BINARY).config(&config).start()
    };
    let by = |stage: &Stage, secret: &str| {
        let token: Token = tokens::user("u").org(&stage.org).websites(&[&stage.website]);
        token.sign_with(Algorithm::HS256, secret.as_bytes())
    };
    let server = start("2099-01-01T00:00:00Z");
    let stage = Stage::of(&server);
    let path = format!("/v1/websites/{}", stage.website);
    for (secret, is_good) in [(&old, true), (&new, true), (&unique("a-third-secret-nobody-knows-of-it"), false)] {
        assert_eq!(is_taken(&stage, &path, &by(&stage, secret)).await, is_good);
    }
    let server = start("2001-01-01T00:00:00Z");
    let stage = Stage::of(&server);
    assert!(!is_taken(&stage, &path, &by(&stage, &old)).await, "its time is over");
    assert!(is_taken(&stage, &path, &by(&stage, &new)).await);
    assert!(server.output().contains("can be left out"), "{}", server.output());

    // One that ends while the server runs.
    let soon = std::time::SystemTime::now() + Duration::from_secs(3);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let soon = cossistant_protocol::Timestamp(u64::try_from(soon).expect("not so late")).to_string();
    let server = start(&soon);
    let stage = Stage::of(&server);
    let token = by(&stage, &old);
    comes_true("its time comes", async || !is_taken(&stage, &path, &token).await).await;
    assert!(is_taken(&stage, &path, &by(&stage, &new)).await);
}
