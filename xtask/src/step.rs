//! Steps: what a command does, one after another, each with its name and its time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let output =
        command("cargo metadata --no-deps --format-version 1").output().context("cannot run cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is JSON")?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata names the target folder")?.into())
}

/// Says something to the person who runs the command.
#[expect(clippy::print_stdout, reason = "this is a command-line program")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Does one step and tells its name before and its time after it.
pub(crate) fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    say(&format!("── {name}"));
    let start = Instant::now();
    run().with_context(|| format!("{name} failed"))?;
    say(&format!("── {name}: {:.1} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// A program with its arguments, run at the root of the repository. The line is split at white space.
pub(crate) fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    // The same cargo and toolchain that run this program.
    let cargo = std::env::var_os("CARGO").filter(|_| program == "cargo");
    let mut command = Command::new(cargo.unwrap_or_else(|| program.into()));
    command.args(words).current_dir(root());
    // What cargo tells this program of itself. Some build scripts watch it (that of ring, on which the server and the
    // client stand), and all above them would be built anew whenever somebody called cargo by themselves in between.
    for (name, _) in std::env::vars_os() {
        let is_of_this_program = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_this_program) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end; it must succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{} {status}", command.get_program().display());
    Ok(())
}

/// Runs a command line to its end; it must succeed.
pub(crate) fn sh(line: &str) -> Result<()> {
    run(&mut command(line))
}

/// Whether a command line can be run and succeeds; its output is not shown.
pub(crate) fn succeeds(line: &str) -> bool {
    command(line).output().is_ok_and(|output| output.status.success())
}

/// A server that ends when it is no longer needed.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its data is thrown away, so that it may end at once. One that has ended already is what is wanted.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
