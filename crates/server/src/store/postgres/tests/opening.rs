//! What cannot be opened, and what is said of it.

use cossistant_testkit::PostgresOptions;

use super::super::schema::VERSION;
use super::super::{DataKind, DatabaseError, PostgresConfig, PostgresStore, look_at};
use super::{config, server};

fn refused(url: &str) -> DatabaseError {
    PostgresStore::open(config(url)).map(drop).unwrap_err()
}

fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

#[test]
fn addresses_that_are_none_are_refused() {
    for wrong in [
        "mysql://u:secret@h/d",
        "postgres://u:secret@h:port/d",
        "postgres://u:secret@/d?host=",
        "postgres://u:secret@h",
        "postgres://u:secret@h/d?sslmode=maybe",
        "postgres://u:secret@h/d?secret=1",
        "u:secret@h/d",
    ] {
        let error = refused(wrong);
        assert!(matches!(error, DatabaseError::Url(_)) && error.is_usage(), "{wrong}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let missing = refused("postgres://u:secret@h/d?sslrootcert=/nowhere.pem");
    assert!(matches!(missing, DatabaseError::Authority { .. }), "{missing}");
}

#[test]
fn what_is_wrong_with_a_database_is_said() {
    let url = server().url("nothing_of_this_name");
    let error = refused(&url);
    assert!(matches!(error, DatabaseError::NoDatabase { .. }) && error.is_usage(), "{error}");

    let strange = server().database();
    server().run("CREATE TABLE events (id integer)", name(&strange));
    assert!(matches!(refused(&strange), DatabaseError::NotOurs));

    let latin = format!("{}_latin", name(&server().database()));
    server().run(&format!("CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"), "postgres");
    let error = refused(&server().url(&latin));
    assert!(matches!(error, DatabaseError::Encoding { .. }) && error.is_usage(), "{error}");

    let url = server().database();
    assert_eq!(look_at(&config(&url)).unwrap().0, None, "nothing is there");
    drop(PostgresStore::open(config(&url)).unwrap());
    assert_eq!(look_at(&config(&url)).unwrap().0, Some(VERSION));
    server().run("UPDATE meta SET value = 'production' WHERE key = 'kind'", name(&url));
    let error = refused(&url);
    assert!(matches!(error, DatabaseError::WrongKind { found: DataKind::Production, .. }), "{error}");
    let next = VERSION + 1;
    server().run(&format!("INSERT INTO migrations (version, checksum) VALUES ({next}, '')"), name(&url));
    assert!(matches!(refused(&url), DatabaseError::NewerVersion { found, known: VERSION } if found == next));
    let changed = "UPDATE migrations SET checksum = 'x'";
    server().run(&format!("DELETE FROM migrations WHERE version = {next}; {changed}"), name(&url));
    assert!(matches!(refused(&url), DatabaseError::ChangedMigration { version: 1 }));

    // Nobody listens on a port that was just free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(&format!("postgres://test:secret@{free}/d"));
    assert!(matches!(error, DatabaseError::Unreachable { .. }) && !error.is_usage(), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
}

#[test]
fn a_wrong_password_and_a_server_that_may_lose_are_refused() {
    let server = PostgresOptions::new().password("right").setting("fsync=off").start();
    let url = server.database();
    let error = refused(&url.replace("right", "wrong"));
    assert!(matches!(error, DatabaseError::Denied { .. }) && error.is_usage(), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong"), "{error}");
    let refused = PostgresStore::open(PostgresConfig::new(&url, DataKind::Production)).map(drop).unwrap_err();
    assert!(matches!(refused, DatabaseError::Unsafe) && refused.is_usage(), "{refused}");
    drop(PostgresStore::open(config(&url)).unwrap());
    // TLS is asked for where the server has none.
    let error = self::refused(&format!("{url}?sslmode=require"));
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
}
