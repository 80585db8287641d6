//! Processes that end with the test: in an orderly way with whoever holds them, and otherwise with the test process.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A process on a leash. Dropping it kills it, and waits for its end.
#[derive(Debug)]
pub(crate) struct Leashed {
    pub(crate) child: Child,
    watchdog: Child,
    /// Held open for as long as this process lives: its end is the watchdog's signal.
    _leash: Option<ChildStdin>,
}

impl Leashed {
    /// Takes a process on a leash. Should the test process die first, the process and the folder go with it.
    pub(crate) fn new(mut child: Child, home: &Path) -> io::Result<Self> {
        match watchdog(child.id(), home) {
            Ok(mut watchdog) => Ok(Self { child, _leash: watchdog.stdin.take(), watchdog }),
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                Err(error)
            }
        }
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        // The watchdog first, so that the pid it would kill is never another's.
        self.watchdog.kill().ok();
        self.watchdog.wait().ok();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A shell that waits for the end of this process and then ends the other one and its folder.
fn watchdog(pid: u32, home: &Path) -> io::Result<Child> {
    let script = r#"read -r _; kill -9 "$0"; rm -rf "$1""#;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, &pid.to_string()]).arg(home);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// A port for a program that cannot say which free one it took.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
