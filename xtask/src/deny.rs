//! cargo-deny: what may be a dependency. Where it is missing it is installed beside whatever else is done, because
//! compiling it takes minutes of which most find a processor that waits for a browser or a linker.

use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use crate::step::{command, say, sh, succeeds, target_directory};

/// The version that is installed when there is none.
const VERSION: &str = "0.18.9";

/// The installation that goes on, if there is one.
static INSTALLATION: Mutex<Option<Child>> = Mutex::new(None);

/// Begins to install what is missing, with the patience of something that is wanted at the end.
pub(crate) fn prepare() -> Result<()> {
    let mut installation = INSTALLATION.lock().unwrap_or_else(PoisonError::into_inner);
    if installation.is_some() || succeeds("cargo deny --version") {
        return Ok(());
    }
    say("cargo-deny is being installed in the background");
    // It works a few seconds; optimizing it would take minutes. Of its own place, so that it waits for no other build.
    let line = format!("nice -n 19 cargo install cargo-deny --locked --debug --quiet --version {VERSION}");
    let child = command(&line)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_DIR", target_directory()?.join("cargo-deny"))
        .stdin(Stdio::null())
        .spawn()
        .context("cannot begin to install cargo-deny")?;
    *installation = Some(child);
    Ok(())
}

/// Judges bans, licences and sources always; advisories where their database can be had.
pub(crate) fn check() -> Result<()> {
    prepare()?;
    let installation = INSTALLATION.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut child) = installation {
        let status = child.wait().context("cannot wait for the installation of cargo-deny")?;
        ensure!(status.success(), "cargo-deny cannot be installed: {status}");
    }
    sh("cargo deny --all-features check bans licenses sources --hide-inclusion-graph")?;
    if succeeds("cargo deny fetch db") {
        return sh("cargo deny --all-features check advisories --disable-fetch --hide-inclusion-graph");
    }
    say("advisories were skipped: their database cannot be fetched");
    Ok(())
}
