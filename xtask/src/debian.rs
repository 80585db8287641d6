//! What a Debian machine can install by itself.

use anyhow::{Context, Result, bail};

use crate::step::{command, run, say, sh, succeeds};

/// Installs Debian's packages, as root; anyone else is told `advice`.
pub(crate) fn install(packages: &str, advice: &str) -> Result<()> {
    let is_root = command("id -u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root || !succeeds("apt-get --version") {
        bail!("{advice}");
    }
    say(&format!("installing {packages}"));
    sh("apt-get update -qq")?;
    let install = format!("apt-get install -qq -y --no-install-recommends {packages}");
    run(command(&install).env("DEBIAN_FRONTEND", "noninteractive")).context(advice.to_owned())
}

/// Installs the servers of PostgreSQL and NATS where they are missing.
pub(crate) fn install_postgres_and_nats() -> Result<()> {
    if !has_postgres() {
        install("postgresql", "install the PostgreSQL server, 14 or newer (Debian: postgresql)")?;
    }
    if !succeeds("nats-server --version") {
        install("nats-server", "install the NATS server (Debian: nats-server)")?;
    }
    Ok(())
}

/// Whether there is a PostgreSQL server, where the tests look for one: Debian keeps it out of the path.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = versions.map(|version| version.path().join("bin")).chain(std::env::split_paths(&path));
    folders.into_iter().any(|bin| bin.join("initdb").exists())
}
