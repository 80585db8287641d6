//! Ways to a database other than a plain connection, and databases that are not made like ours.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use cossistant_testkit::PostgresOptions;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::super::{DatabaseError, PostgresConfig, PostgresStore};
use super::{config, server};
use crate::store::contract::random;
use crate::store::contract::world::{World, org, query, replies, says, web};
use crate::store::sql::rows;
use crate::store::{ConversationQuery, MemoryStore, Store, StoreError};

/// An authority, in a file of its own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = std::env::temp_dir().join(format!("cossistant-{name}-{}.pem", std::process::id()));
        std::fs::write(&file, pem("CERTIFICATE", params.self_signed(&key).unwrap().der())).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// A certificate for a host, and its key.
    fn certify(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", key.serialized_der()))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_file(&self.file).ok();
    }
}

fn pem(of: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {of}-----\n{}\n-----END {of}-----\n", lines.join("\n"))
}

fn database(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_verified() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let (certificate, key) = ours.certify("127.0.0.1");
    let server = PostgresOptions::new().tls(&certificate, &key).setting("fsync=off").start();
    let url = server.database();
    let by =
        |mode: &str, authority: &Authority| format!("{url}?sslmode={mode}&sslrootcert={}", authority.file.display());
    let is_encrypted = "SELECT string_agg(DISTINCT ssl::text, ' ') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE datname = current_database() AND application_name = 'cossistant'";
    for mode in ["require", "verify-ca", "verify-full", "prefer", "allow"] {
        let store = PostgresStore::open(config(&by(mode, &ours))).unwrap();
        store.readers.call(|conn| conn.execute("SELECT 1", &[])).await.unwrap();
        store.writer.call(|write| write.conn.execute("SELECT 1", &[])).await.unwrap();
        assert_eq!(server.run(is_encrypted, database(&url)), "true", "{mode}");
    }
    let plain = PostgresStore::open(config(&by("disable", &ours))).unwrap();
    plain.writer.call(|write| write.conn.execute("SELECT 1", &[])).await.unwrap();
    assert!(server.run(is_encrypted, database(&url)).contains("false"));
    // A certificate that cannot be verified is refused in every mode in which TLS is spoken.
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        for address in [by(mode, &other), format!("{url}?sslmode={mode}")] {
            let refused = PostgresStore::open(config(&address)).map(drop);
            assert!(matches!(refused, Err(DatabaseError::Unreachable { .. })), "{address}: {refused:?}");
        }
    }
    drop(server);
    let (certificate, key) = ours.certify("elsewhere.example");
    let server = PostgresOptions::new().tls(&certificate, &key).setting("fsync=off").start();
    let address = format!("{}?sslmode=require&sslrootcert={}", server.database(), ours.file.display());
    let refused = PostgresStore::open(config(&address)).map(drop);
    assert!(matches!(refused, Err(DatabaseError::Unreachable { .. })), "{refused:?}");
}

/// Plays what the contract plays, and compares with the store in memory.
async fn answers_as_the_store_in_memory(store: PostgresStore, seed: u64) {
    let store: Arc<dyn Store> = Arc::new(store);
    let memory = Arc::new(MemoryStore::new(store.epoch().await.unwrap()));
    random::same_answers(store, memory, seed, 40).await;
}

#[tokio::test]
async fn nodes_work_behind_a_pool_that_gives_each_transaction_another_connection() {
    // Fewer connections than the nodes have of their own.
    let pool = server().pool(3);
    let url = pool.url(database(&server().database()));
    let open = |url: &str| PostgresStore::open(PostgresConfig { is_prepared: false, ..config(url) }).unwrap();
    let nodes = [open(&url), open(&url)].map(Arc::new);
    let world = World::new(Arc::clone(&nodes[0]) as Arc<dyn Store>).await;
    for thread in 0..4 {
        world.append(says("vera", &format!("c{thread}"), "first", "hello")).await;
    }
    let mut writers = Vec::new();
    for writer in 0..8 {
        let node = Arc::clone(&nodes[writer % 2]);
        writers.push(tokio::spawn(async move {
            for n in 0..10 {
                let thread = format!("c{}", (writer + n) % 4);
                node.append_message(replies("anna", &thread, &format!("k{writer}-{n}"), "x")).await.unwrap();
                node.conversations(query()).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let events = nodes[1].website_events(org("o"), web("a"), 0, u64::MAX >> 1, 1000).await.unwrap();
    let offsets: Vec<_> = events.iter().map(|event| event.offset).collect();
    assert_eq!(offsets, (1..=8 + 80).collect::<Vec<_>>());
    answers_as_the_store_in_memory(open(&pool.url(database(&server().database()))), 9).await;
}

/// The version decides: one from 1.21 on knows whose statements are whose, one before that does not.
#[tokio::test]
async fn statements_are_prepared_behind_a_pool_that_keeps_them() {
    let pool = server().pool(3);
    let url = pool.url(database(&server().database()));
    let open = || PostgresStore::open(PostgresConfig { is_prepared: true, ..config(&url) }).unwrap();
    if pool.keeps_prepared() {
        answers_as_the_store_in_memory(open(), 13).await;
        return;
    }
    let unprepared = PostgresStore::open(PostgresConfig { is_prepared: false, ..config(&url) }).unwrap();
    let world = World::new(Arc::new(unprepared) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let (node, other) = (open(), open());
    let (mut places, mut refused) = (Vec::new(), 0);
    for n in 0..30 {
        let said = |by: &str| replies("anna", "c", &format!("{by}-{n}"), "x");
        // At once, so that each has another connection now and then.
        let (one, two) = tokio::join!(node.append_message(said("one")), other.append_message(said("two")));
        for said in [one, two] {
            match said {
                Ok(said) => places.push(said.team_seq),
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    places.sort_unstable();
    assert!(refused > 0, "a statement was found on a connection that has not prepared it");
    assert_eq!(places, (3..3 + places.len() as u64).collect::<Vec<_>>(), "what was answered stands, and nothing else");
}

/// An operator may have made commits fast for all else that is in the database.
#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_database_is_set_to() {
    for (of, found, applies) in [
        ("DATABASE", "off", "on"),
        ("ROLE test IN DATABASE", "off", "on"),
        ("DATABASE", "local", "on"),
        ("ROLE test IN DATABASE", "remote_write", "on"),
        ("DATABASE", "on", "on"),
        ("DATABASE", "remote_apply", "remote_apply"),
    ] {
        let url = server().database();
        let name = database(&url);
        server().run(&format!("ALTER {of} {name} SET synchronous_commit = {found}"), "postgres");
        assert_eq!(server().run("SHOW synchronous_commit", name), found, "what else is there has it");
        let store = PostgresStore::open(config(&url)).unwrap();
        for _ in 0..2 {
            let told = store.writer.call(|write| {
                write.conn.must("SELECT current_setting('synchronous_commit')", &[], |row| rows::text(row, 0))
            });
            assert_eq!(told.await.unwrap(), applies, "{of} {found}");
        }
    }
}

#[tokio::test]
async fn names_are_in_the_order_of_their_bytes_whatever_the_locale() {
    let name = format!("{}_icu", database(&server().database()));
    let create = "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C' TEMPLATE template0";
    server().run(&format!("CREATE DATABASE {name} {create}"), "postgres");
    assert_eq!(server().run("SELECT 'a' < 'B', '_' < 'A'", &name), "t|t", "the locale's order is another one");
    let store = Arc::new(PostgresStore::open(config(&server().url(&name))).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    let mut names = vec!["B", "a", "A", "b", "_", "Z", "-x", "9"];
    for name in &names {
        world.append(says("vera", name, "k", "hello")).await;
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(world.listed(query()).await, names);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = world.list(ConversationQuery { after: after.take(), limit: 1, ..query() }).await;
        let Some(item) = page.items.last() else { break };
        after = Some((item.conversation.last_activity_at, item.conversation.id.clone()));
        paged.push(item.conversation.id.to_string());
    }
    assert_eq!(paged, names);
    drop((world, store));
    let another = format!("{name}_too");
    server().run(&format!("CREATE DATABASE {another} {create}"), "postgres");
    answers_as_the_store_in_memory(PostgresStore::open(config(&server().url(&another))).unwrap(), 11).await;
}
