//! `cargo xtask web`: the web apps, and the npm packages as they are published with what they weigh.

use anyhow::Result;

use crate::apps;
use crate::check::install_packages;
use crate::layer::{self, Layer, Rounds};
use crate::step::sh;
use crate::wasm;

/// Options of `cargo xtask web`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Judge too what was built.
    #[arg(long)]
    check: bool,
}

/// Whether types are found by every way of importing. The engine's file is no module, and has none.
const ATTW: &str = "npx --no-install attw --exclude-entrypoints ./engine.wasm ./widget/tokens.css --profile esm-only";

/// What is asked of the packages once they are built.
const CHECKS: &[Layer] = &[
    Layer { name: "publint", run: |_| for_each_package("npx --no-install publint run --strict") },
    Layer { name: "types-of-packages", run: |_| for_each_package(ATTW) },
    Layer { name: "sizes", run: |_| sh("npm run --silent size -- --check") },
];

/// The tarballs, as `xtask/src/web/pack.mjs` names them.
const TARBALLS: &[&str] = &["protocol", "client", "react"];

/// Builds the apps, each into its `dist`, and the packages into `target/npm`.
pub(crate) fn run(args: &Args) -> Result<()> {
    apps::build()?;
    build()?;
    if args.check { layer::run(CHECKS, None, Rounds::Short) } else { Ok(()) }
}

/// Builds the engine if it is stale, and the packages.
pub(crate) fn build() -> Result<()> {
    install_packages()?;
    wasm::build(false)?;
    sh("node xtask/src/web/pack.mjs")
}

/// Builds the packages and judges what others will install.
pub(crate) fn check() -> Result<()> {
    run(&Args { check: true })
}

fn for_each_package(line: &str) -> Result<()> {
    TARBALLS.iter().try_for_each(|name| sh(&format!("{line} target/npm/{name}.tgz")))
}
