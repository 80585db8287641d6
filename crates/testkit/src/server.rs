//! The real binary as a fixture.

use std::fs;
use std::io::{Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use thiserror::Error;

use crate::leash::Leashed;
use crate::{Http, unique};

/// How long a start may take: a debug build on a busy machine, with a cold disk.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// What is kept of the server's output, in bytes; the oldest goes first.
const OUTPUT_KEPT: usize = 256 * 1024;
/// What a failing test shows of it, in bytes.
const OUTPUT_SHOWN: usize = 8 * 1024;

/// The ready file, section 10 of the contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The address of the HTTP surface.
    pub url: String,
    /// The address of the WebSocket endpoint; ends in `/ws`.
    pub ws_url: String,
    /// The demo website; empty without `--dev`.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub website_id: String,
    /// The demo organization; empty without `--dev`.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub organization_id: String,
    /// The demo website's public key; empty without `--dev`.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub public_key: String,
    /// The demo organization's secret key; empty without `--dev`.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub secret_key: String,
    /// The admin key; empty without `--dev`.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub admin_key: String,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Why a server did not come up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The process ended before it was ready.
    #[error("the server ended with code {code:?} before it was ready; it said:\n{output}")]
    Exited {
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// All that it wrote.
        output: String,
    },
    /// It runs but never wrote the ready file.
    #[error("no ready file within {START_PATIENCE:?}; the server said:\n{0}")]
    NotReady(String),
    /// The ready file is not what section 10 says.
    #[error("the ready file cannot be read: {0}")]
    BadReadyFile(String),
    /// The binary could not be started at all.
    #[error("cannot start the binary: {0}")]
    Spawn(#[from] std::io::Error),
}

/// What to start: `serve --dev` on a free port and a fresh data folder, unless told otherwise.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    binary: PathBuf,
    data: Option<PathBuf>,
    flags: Vec<String>,
    env: Vec<(String, String)>,
    config: Option<String>,
    listen: String,
    dev: bool,
}

impl ServerOptions {
    /// Options for the binary at `binary`: `env!("CARGO_BIN_EXE_cossistant")` in its own tests.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            data: None,
            flags: Vec::new(),
            env: Vec::new(),
            config: None,
            listen: "127.0.0.1:0".to_owned(),
            dev: true,
        }
    }

    /// One more word on the command line.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// One more variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The text of a configuration file (TOML), given by `--config`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.to_owned());
        self
    }

    /// An existing data folder, which is the caller's: it is not removed at the end.
    #[must_use]
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Without `--dev`.
    #[must_use]
    pub const fn production(mut self) -> Self {
        self.dev = false;
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready in time.
    pub fn try_start(self) -> Result<Server, StartError> {
        let home = std::env::temp_dir().join(unique("cossistant-test"));
        fs::create_dir_all(&home)?;
        let data = self.data.clone().unwrap_or_else(|| home.join("data"));
        let mut server = Server {
            listen: self.listen.clone(),
            options: self,
            ready: None,
            process: None,
            output: Output::default(),
            home,
            data,
        };
        server.launch()?;
        Ok(server)
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not come up; the message has its output.
    #[must_use]
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|error| panic!("the server must come up: {error}"))
    }
}

/// A running server. Dropping it kills it and removes its folder; a test process that dies
/// first takes it along, so that a server held in a `static` is no orphan.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    listen: String,
    ready: Option<Ready>,
    process: Option<Leashed>,
    output: Output,
    home: PathBuf,
    data: PathBuf,
}

impl Server {
    /// Starts `binary serve --dev` with nothing else.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(binary: impl Into<PathBuf>) -> Self {
        ServerOptions::new(binary).start()
    }

    /// What the ready file said.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        self.ready.as_ref().expect("a server is handed out ready")
    }

    /// A client of its HTTP surface.
    #[must_use]
    pub fn http(&self) -> Http {
        Http::new(&self.ready().url)
    }

    /// `host:port` of the listener, as a proxy wants it.
    #[must_use]
    pub fn address(&self) -> String {
        host_and_port(&self.ready().url).to_owned()
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// What it wrote so far to stdout and stderr.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// SIGKILL, and waits for the end: a power cut as far as the process can tell.
    pub fn kill_9(&mut self) {
        self.process = None;
    }

    /// Sends SIGTERM and does not wait.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn signal_term(&self) {
        let pid = self.pid().expect("the server runs");
        signal("TERM", pid);
    }

    /// SIGSTOP: it does nothing any more, but its sockets stay open and the system goes on accepting for it.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn freeze(&self) {
        signal("STOP", self.pid().expect("the server runs"));
    }

    /// SIGCONT: it goes on, and finds that time has passed.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn thaw(&self) {
        signal("CONT", self.pid().expect("the server runs"));
    }

    /// Waits for the end and gives the exit code; none when a signal ended it, or when it did
    /// not end within `patience` (it is killed then).
    pub fn wait_exit(&mut self, patience: Duration) -> Option<i32> {
        let mut process = self.process.take()?;
        let deadline = Instant::now() + patience;
        loop {
            match process.child.try_wait() {
                Ok(Some(status)) => break status.code(),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                Ok(None) | Err(_) => break None,
            }
        }
    }

    /// SIGTERM, then the exit code, as [`Self::wait_exit`] gives it.
    pub fn terminate(&mut self, patience: Duration) -> Option<i32> {
        self.signal_term();
        self.wait_exit(patience)
    }

    /// Starts it again after its end, on the same data folder and the same port.
    ///
    /// # Panics
    ///
    /// When it still runs or does not come up.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        self.launch().unwrap_or_else(|error| panic!("the server must come up again: {error}"));
    }

    /// An orderly stop and a new start, on the same data folder and the same port.
    ///
    /// # Panics
    ///
    /// When it does not stop with 0 within a minute, or does not come up again.
    pub fn restart(&mut self) {
        let code = self.terminate(Duration::from_secs(60));
        assert_eq!(code, Some(0), "section 10, an orderly stop exits 0; it said:\n{}", self.output());
        self.start_again();
    }

    /// Shares it with one test, whose failure then shows the output.
    #[must_use]
    pub const fn guard(&'static self) -> ServerGuard {
        ServerGuard { server: self }
    }

    fn launch(&mut self) -> Result<(), StartError> {
        let ready_file = self.home.join("ready.json");
        if ready_file.exists() {
            fs::remove_file(&ready_file)?;
        }
        let mut child = self.command(&ready_file)?.spawn()?;
        self.output.drain(child.stdout.take());
        self.output.drain(child.stderr.take());
        self.process = Some(Leashed::new(child, &self.home)?);
        let ready = self.await_ready(&ready_file)?;
        // The same port again at the next start: clients know no other.
        host_and_port(&ready.url).clone_into(&mut self.listen);
        self.ready = Some(ready);
        Ok(())
    }

    fn command(&self, ready_file: &Path) -> Result<Command, StartError> {
        let mut command = Command::new(&self.options.binary);
        command.arg("serve");
        if self.options.dev {
            command.arg("--dev");
        }
        command.args(["--listen", &self.listen]).arg("--data").arg(&self.data);
        command.arg("--ready-file").arg(ready_file);
        if let Some(config) = &self.options.config {
            let path = self.home.join("config.toml");
            fs::File::create(&path)?.write_all(config.as_bytes())?;
            command.arg("--config").arg(path);
        }
        command.args(&self.options.flags);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COSSISTANT_") {
                command.env_remove(name);
            }
        }
        command.envs(self.options.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    fn await_ready(&mut self, ready_file: &Path) -> Result<Ready, StartError> {
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            if let Ok(text) = fs::read_to_string(ready_file) {
                return serde_json::from_str(&text)
                    .map_err(|error| StartError::BadReadyFile(format!("{error} in {text}")));
            }
            let process = self.process.as_mut().expect("just launched");
            if let Some(status) = process.child.try_wait()? {
                self.kill_9();
                // The pipes are closed by now; give their readers the moment they need.
                self.output.settle();
                return Err(StartError::Exited { code: status.code(), output: self.output.text() });
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill_9();
        Err(StartError::NotReady(self.output.text()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_9();
        if thread::panicking() {
            self.output.show(&self.listen);
        }
        fs::remove_dir_all(&self.home).ok();
    }
}

/// One test's hold on a shared server. When the test fails, the server's last words are shown.
#[derive(Debug)]
pub struct ServerGuard {
    server: &'static Server,
}

impl Deref for ServerGuard {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server
    }
}

impl Drop for ServerGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.server.output.show(&self.server.listen);
        }
    }
}

/// What the process wrote, both pipes in one, bounded.
#[derive(Debug, Default)]
struct Output {
    /// Guards the text only; held for a copy at most.
    text: Arc<Mutex<Vec<u8>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Output {
    fn drain(&mut self, pipe: Option<impl Read + Send + 'static>) {
        let Some(mut pipe) = pipe else { return };
        let text = Arc::clone(&self.text);
        self.readers.push(thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let Ok(mut text) = text.lock() else { return };
                text.extend_from_slice(&chunk[..count]);
                let excess = text.len().saturating_sub(OUTPUT_KEPT);
                text.drain(..excess);
            }
        }));
    }

    fn settle(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
    }

    fn text(&self) -> String {
        self.text.lock().map_or_else(|_| String::new(), |text| String::from_utf8_lossy(&text).into_owned())
    }

    fn show(&self, who: &str) {
        let text = self.text();
        let from = text.len().saturating_sub(OUTPUT_SHOWN);
        let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        eprintln!("--- the server on {who} said (end of it):\n{}\n---", &text[from..]);
    }
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.is_ok_and(|status| status.success()), "SIG{name} to {pid} could not be sent");
}

fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell script in place of the binary, in a folder that the caller removes.
    fn script(text: &str) -> (PathBuf, PathBuf) {
        let home = std::env::temp_dir().join(unique("testkit"));
        fs::create_dir_all(&home).unwrap();
        let script = home.join("binary");
        fs::write(&script, format!("#!/bin/sh\n{text}")).unwrap();
        let status = Command::new("chmod").arg("+x").arg(&script).status().unwrap();
        assert!(status.success());
        (home, script)
    }

    // One test: a script that was just written cannot run while another thread is between fork
    // and exec with the file still open.
    #[test]
    fn servers_are_started_ended_and_told_apart_from_failures() {
        starts_ends_and_starts_again();
        tells_an_early_exit_with_code_and_words();
    }

    fn starts_ends_and_starts_again() {
        let (home, script) = script(
            r#"
            while [ $# -gt 0 ]; do
                [ "$1" = --ready-file ] && file=$2
                [ "$1" = --listen ] && echo "listens on $2"
                shift
            done
            trap 'exit 7' TERM
            echo '{"url":"http://127.0.0.1:4711","wsUrl":"ws://127.0.0.1:4711/ws","websiteId":null}' > "$file.new"
            mv "$file.new" "$file"
            while :; do sleep 0.02; done
            "#,
        );
        let mut server = Server::start(&script);
        assert_eq!((server.address().as_str(), server.ready().website_id.as_str()), ("127.0.0.1:4711", ""));
        assert_eq!(server.terminate(START_PATIENCE), Some(7));
        assert_eq!(server.pid(), None);
        server.start_again();
        assert_eq!(server.pid().map(|_| server.wait_exit(Duration::ZERO)), Some(None), "it does not end by itself");
        server.start_again();
        server.kill_9();
        server.output.settle();
        let said = server.output();
        assert_eq!(said.matches("listens on 127.0.0.1:0\n").count(), 1, "a free port at first: {said}");
        assert_eq!(said.matches("listens on 127.0.0.1:4711\n").count(), 2, "then the same again: {said}");
        let folder = server.home.clone();
        drop(server);
        assert!(!folder.exists(), "its folder goes with it");
        fs::remove_dir_all(home).unwrap();
    }

    fn tells_an_early_exit_with_code_and_words() {
        let (home, script) = script("echo \"no: $1\" >&2\nexit 2\n");
        let error = ServerOptions::new(&script).try_start().unwrap_err();
        fs::remove_dir_all(&home).unwrap();
        assert!(matches!(&error, StartError::Exited { code: Some(2), output } if output == "no: serve\n"), "{error}");
    }

    #[test]
    fn hosts_are_cut_out_of_urls() {
        assert_eq!(host_and_port("http://127.0.0.1:80"), "127.0.0.1:80");
        assert_eq!(host_and_port("http://[::1]:80/x"), "[::1]:80");
    }
}
