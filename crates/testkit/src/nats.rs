//! A real NATS server as a fixture, on a free port and without anything on disk but its log.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::leash::{Leashed, free_port};
use crate::postgres::{as_user, give};
use crate::unique;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is said where it is missing.
const MISSING: &str = "NATS is missing: apt-get install --no-install-recommends nats-server";

/// A running server. Dropping it kills it; a test process that dies first takes it along.
#[derive(Debug)]
pub struct Nats {
    home: PathBuf,
    port: u16,
    /// Who may come in, if not everybody.
    user: Option<(String, String)>,
    /// Further words on its command line.
    flags: Vec<String>,
    process: Option<Leashed>,
}

impl Nats {
    /// Starts one that lets everybody in, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it is not installed or does not come up; the message has what it said.
    #[must_use]
    pub fn start() -> Self {
        Self::launch(None, &[])
    }

    /// Starts one that lets in who has this name and password.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    #[must_use]
    pub fn for_user(name: &str, password: &str) -> Self {
        Self::launch(Some((name.to_owned(), password.to_owned())), &[])
    }

    /// Starts one that speaks TLS alone, with these files.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    #[must_use]
    pub fn for_tls(certificate: &Path, key: &Path) -> Self {
        let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
        Self::launch(None, &["--tls", "--tlscert", &certificate, "--tlskey", &key])
    }

    fn launch(user: Option<(String, String)>, flags: &[&str]) -> Self {
        let home = std::env::temp_dir().join(unique("cossistant-nats"));
        fs::create_dir_all(&home).expect("a folder for the server's log");
        give(&home);
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut server = Self { home, port: free_port(), user, flags, process: None };
        server.start_again();
        server
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address, with name and password if it asks for them.
    #[must_use]
    pub fn url(&self) -> String {
        let user = self.user.as_ref().map(|(name, password)| format!("{name}:{password}@")).unwrap_or_default();
        format!("nats://{user}{}", self.address())
    }

    /// SIGKILL, and waits for the end.
    pub fn kill_9(&mut self) {
        self.process = None;
    }

    /// Starts it after its end, on the same port.
    ///
    /// # Panics
    ///
    /// When it still runs or does not come up.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        let log = File::options().create(true).append(true).open(self.home.join("log")).expect("the server's log");
        let mut command = as_user(Path::new("nats-server"));
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some((name, password)) = &self.user {
            command.args(["--user", name, "--pass", password]);
        }
        command.args(&self.flags);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the server's log")).stderr(log);
        let child = command.current_dir(&self.home).spawn().expect(MISSING);
        self.process = Some(Leashed::new(child, &self.home).expect("a shell"));
        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            assert!(Instant::now() < deadline, "NATS does not come up: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// It speaks first.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        let mut first = [0; 4];
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.read_exact(&mut first).is_ok()
            && &first == b"INFO"
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill_9();
        if thread::panicking() {
            eprintln!("--- NATS on {} said:\n{}---", self.port, self.log());
        }
        fs::remove_dir_all(&self.home).ok();
    }
}
