//! PgBouncer in front of a server, handing out its connections by transaction.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{PATIENCE, Postgres, as_user, give};
use crate::leash::{Leashed, free_port};
use crate::unique;

const PLACES: [&str; 3] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
/// What is said where it is missing: whoever has the server tests the pool too.
const MISSING: &str = "PgBouncer is missing: apt-get install --no-install-recommends pgbouncer";
/// The first version that keeps prepared statements for clients that have another connection for each transaction.
const KEEPS_PREPARED: (u32, u32) = (1, 21);

/// A pool of few connections, whose clients have another one for each transaction. Dropping it kills it.
#[derive(Debug)]
pub struct Pool {
    home: PathBuf,
    port: u16,
    version: (u32, u32),
    process: Option<Leashed>,
}

impl Postgres {
    /// Puts a pool in front of the server. It keeps prepared statements for its clients where its version can.
    ///
    /// # Panics
    ///
    /// When PgBouncer is not installed or does not come up.
    #[must_use]
    pub fn pool(&self, connections: u32) -> Pool {
        let program = Path::new(*PLACES.iter().find(|place| Path::new(place).exists()).expect(MISSING));
        let version = version(program);
        let keeps = if version >= KEEPS_PREPARED { "max_prepared_statements = 500\n" } else { "" };
        let home = std::env::temp_dir().join(unique("cossistant-pool"));
        fs::create_dir_all(&home).expect("a folder for the pool");
        let port = free_port();
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {home}/users\npool_mode = transaction\n\
             default_pool_size = {connections}\nserver_round_robin = 1\nmax_client_conn = 200\n{keeps}",
            self.port,
            home = home.display(),
        );
        fs::write(home.join("users"), "\"test\" \"\"\n").expect("its users");
        fs::write(home.join("pool.ini"), config).expect("its settings");
        give(&home);
        let log = File::create(home.join("log")).expect("its log");
        let mut command = as_user(program);
        command.arg(home.join("pool.ini")).current_dir(&home).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("its log")).stderr(log);
        let process = Leashed::new(command.spawn().expect("PgBouncer"), &home).expect("a shell");
        let pool = Pool { process: Some(process), home, port, version };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(pool.home.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PgBouncer does not come up: {log}");
            thread::sleep(Duration::from_millis(20));
        }
        pool
    }
}

/// What it tells of itself, as `PgBouncer 1.18.0`.
fn version(program: &Path) -> (u32, u32) {
    let output = Command::new(program).arg("--version").output().expect(MISSING);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = told.strip_prefix("PgBouncer ").and_then(|rest| rest.split_whitespace().next());
    let mut parts = number.unwrap_or_default().split('.').map_while(|part| part.parse().ok());
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => panic!("PgBouncer does not tell its version: {told}"),
    }
}

impl Pool {
    /// Whether statements that are prepared by way of it are found in the next transaction: from version 1.21 on.
    #[must_use]
    pub fn keeps_prepared(&self) -> bool {
        self.version >= KEEPS_PREPARED
    }

    /// The address of a database of the server, by way of the pool.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://test@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Before its folder goes.
        self.process = None;
        if thread::panicking() {
            eprintln!("--- PgBouncer said: {}", fs::read_to_string(self.home.join("log")).unwrap_or_default());
        }
        fs::remove_dir_all(&self.home).ok();
    }
}
