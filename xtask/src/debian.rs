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
