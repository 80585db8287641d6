//! `cargo xtask run`: builds the server and starts it with the demo organization.

use anyhow::Result;

use crate::step::{command, run as run_command};

/// Options of `cargo xtask run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build as for production: slower to build, faster to run.
    #[arg(long)]
    release: bool,
    /// Further options of `cossistant serve`, behind `--`.
    #[arg(last = true)]
    options: Vec<String>,
}

/// Builds, starts, and stays until the server is stopped with Ctrl-C.
pub(crate) fn run(args: &Args) -> Result<()> {
    let profile = if args.release { " --release" } else { "" };
    let mut serve = command(&format!("cargo run --locked --package cossistant{profile} -- serve --dev"));
    // Here, not in the folder from which the command was called.
    if !args.options.iter().any(|option| option.starts_with("--data")) {
        serve.args(["--data", "target/dev-data"]);
    }
    run_command(serve.args(&args.options))
}
