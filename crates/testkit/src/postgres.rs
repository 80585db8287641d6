//! A real PostgreSQL server as a fixture, started by hand on temporary data and a free port.

mod pool;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use self::pool::Pool;

use crate::leash::{Leashed, free_port};
use crate::unique;

/// How long a start or a step of it may take: a busy machine with a cold disk, and recovery after a crash.
const PATIENCE: Duration = Duration::from_secs(60);
/// The user that servers are started as by root: PostgreSQL refuses to run as root, and nothing else needs it.
const USER: &str = "postgres";
/// What is said where it is missing.
const MISSING: &str =
    "PostgreSQL is missing: apt-get install --no-install-recommends postgresql (the server, 14 or newer)";

/// The files of a certificate and its key, in the server's folder.
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// What differs between servers.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    settings: Vec<String>,
    password: Option<String>,
    /// Certificate and key as PEM.
    tls: Option<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PostgresOptions {
    /// A server that trusts everybody on loopback and keeps to its durability.
    #[must_use]
    pub const fn new() -> Self {
        Self { settings: Vec::new(), password: None, tls: None }
    }

    /// One more setting, as `name=value`.
    #[must_use]
    pub fn setting(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Asks the user for this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Speaks TLS to those who ask for it, with a certificate and its key as PEM.
    #[must_use]
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.tls = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it is not installed or does not come up; the message has what it said.
    #[must_use]
    pub fn start(self) -> Postgres {
        Postgres::launch(self)
    }
}

/// A running server with the user `test` and the database `postgres`. Dropping it kills it and removes its data; a test
/// process that dies first takes it along.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    bin: PathBuf,
    home: PathBuf,
    port: u16,
    process: Option<Leashed>,
}

impl Postgres {
    fn launch(options: PostgresOptions) -> Self {
        let bin = bin().expect(MISSING);
        let home = std::env::temp_dir().join(unique("cossistant-postgres"));
        fs::create_dir_all(&home).expect("a folder for the server's data");
        let mut server = Self { options, bin, home, port: free_port(), process: None };
        server.make();
        server.start_again();
        server
    }

    /// The address of a database of it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let password = self.options.password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        format!("postgres://test{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database and gives its address.
    ///
    /// # Panics
    ///
    /// When that fails.
    #[must_use]
    pub fn database(&self) -> String {
        let name = unique("db").to_lowercase();
        self.run(&format!("CREATE DATABASE {name}"), "postgres");
        self.url(&name)
    }

    /// Runs SQL by `psql` and gives what it prints, without any decoration.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn run(&self, sql: &str, database: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(self.url(database));
        let output = psql.output().expect(MISSING);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// SIGKILL to all processes of the server: a crash. Those of its connections would go on for a while without it.
    pub fn kill_9(&mut self) {
        let Some(process) = self.process.take() else { return };
        let pid = process.child.id();
        let children = children(pid);
        // The first to go is the one that would start others.
        drop(process);
        if !children.trim().is_empty() {
            Command::new("/bin/sh").args(["-c", &format!("kill -9 {children}")]).stderr(Stdio::null()).status().ok();
        }
    }

    /// SIGSTOP to all processes of the server: it keeps its connections and says nothing more, as if the way to it was
    /// cut. What is sent meanwhile waits.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Has it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().expect("the server runs");
        let send = |pids: &str| {
            let sent =
                Command::new("/bin/sh").args(["-c", &format!("kill -{signal} {pids}")]).stderr(Stdio::null()).status();
            sent.expect("a shell").success()
        };
        // First the one that starts others.
        assert!(send(&pid.to_string()), "the server has ended");
        // One of them may have ended of itself meanwhile.
        send(&children(pid));
    }

    /// The process that starts the others, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Starts it after its end, on the same data and port.
    ///
    /// # Panics
    ///
    /// When it still runs or does not come up.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        let deadline = Instant::now() + PATIENCE;
        // The processes of a killed one may still be there for a moment, and a new one does not start beside them.
        while !self.spawn_and_wait() {
            assert!(Instant::now() < deadline, "PostgreSQL does not come up: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether it came up; if not, it has ended.
    fn spawn_and_wait(&mut self) -> bool {
        let log = File::options().create(true).append(true).open(self.home.join("log")).expect("the server's log");
        let mut command = as_user(&self.bin.join("postgres"));
        command.arg("-D").arg(self.home.join("data")).args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.arg("-k").arg(&self.home).args(["-c", "max_connections=200"]);
        for setting in &self.options.settings {
            command.args(["-c", setting]);
        }
        if self.options.tls.is_some() {
            let path = |name| self.home.join(name).display().to_string();
            command.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", path(CERTIFICATE))]);
            command.args(["-c", &format!("ssl_key_file={}", path(KEY))]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the server's log")).stderr(log);
        let child = command.current_dir(&self.home).spawn().expect(MISSING);
        let mut process = Leashed::new(child, &self.home).expect("a shell");
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            let has_ended = process.child.try_wait().expect("the server's process").is_some();
            if has_ended || Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
        true
    }

    fn is_ready(&self) -> bool {
        let mut ready = Command::new(self.bin.join("pg_isready"));
        ready.args(["-q", "-U", "test", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().expect(MISSING).success()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    fn make(&self) {
        if let Some((certificate, key)) = &self.options.tls {
            for (name, pem) in [(CERTIFICATE, certificate), (KEY, key)] {
                let path = self.home.join(name);
                fs::write(&path, pem).expect("a file of the certificate");
                // The server takes no key that others may read.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of its own");
            }
        }
        give(&self.home);
        let mut command = as_user(&self.bin.join("initdb"));
        command.arg("-D").arg(self.home.join("data")).args(["-U", "test", "--no-sync", "--no-locale", "-E", "UTF8"]);
        if let Some(password) = &self.options.password {
            let file = self.home.join("password");
            fs::write(&file, password).expect("a file of the password");
            command.args(["-A", "scram-sha-256", "--pwfile"]).arg(file);
        } else {
            command.args(["-A", "trust"]);
        }
        let output = command.current_dir(&self.home).output().expect(MISSING);
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill_9();
        if thread::panicking() {
            let said = self.log();
            let shown: Vec<_> = said.lines().rev().take(20).collect();
            eprintln!("--- PostgreSQL on {} said at its end:", self.port);
            shown.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        fs::remove_dir_all(&self.home).ok();
    }
}

/// The processes that one has started, with spaces between them.
fn children(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
}

/// Where the server's programs are: Debian keeps them out of the path.
fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let debian = versions.into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<_> = debian.filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    found.pop().or_else(|| std::env::split_paths(&path).find(|bin| bin.join("initdb").exists()))
}

/// Makes a folder with all in it the property of the user that programs are started as.
pub(crate) fn give(folder: &Path) {
    if is_root() {
        let owned = Command::new("chown").args(["-R", USER]).arg(folder).status();
        assert!(owned.is_ok_and(|status| status.success()), "there is no user {USER}: {MISSING}");
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The program as a user that is not root. It replaces the one that changes the user, so the process is the same.
pub(crate) fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups", "--"]).arg(program);
    command
}
