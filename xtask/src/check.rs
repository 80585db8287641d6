//! `cargo xtask check`: everything that can be judged without running the server.

use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use crate::generate;
use crate::layer::{self, Layer, Rounds};
use crate::step::{command, root, run as run_command, say, sh, succeeds};
use crate::wasm;

/// The version of cargo-deny that is installed when there is none.
const CARGO_DENY: &str = "0.18.9";
/// How many randomly changed messages Rust and Zod are compared on.
const CHANGED_MESSAGES: u64 = 5_000;

/// Every target, the simulation too.
const CLIPPY: &str = "cargo clippy --workspace --all-targets --features cossistant-testkit/sim --locked -- -D warnings";

/// Options of `cargo xtask check`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Run only this layer.
    #[arg(long, value_name = "LAYER")]
    only: Option<String>,
}

/// The layers in their order: what is cheap and fails often comes first.
const LAYERS: &[Layer] = &[
    Layer { name: "format", run: |_| sh("cargo fmt --all --check") },
    Layer { name: "generated-files", run: |_| generate::check() },
    Layer { name: "clippy", run: |_| sh(CLIPPY) },
    Layer { name: "rustdoc", run: |_| document() },
    Layer { name: "dependencies", run: |_| dependencies() },
    Layer { name: "npm-packages", run: |_| install_packages() },
    Layer { name: "wasm", run: |_| wasm::build(false) },
    Layer { name: "typescript", run: |_| check_types() },
    Layer { name: "vitest", run: |_| test_packages() },
];

/// Runs every check.
pub(crate) fn run(args: &Args) -> Result<()> {
    layer::run(LAYERS, args.only.as_deref(), Rounds::Short)
}

fn document() -> Result<()> {
    run_command(command("cargo doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings"))
}

/// Bans, licences and sources always; advisories where their database can be had.
fn dependencies() -> Result<()> {
    if !succeeds("cargo deny --version") {
        // It works a few seconds; optimizing it would take minutes.
        let install = format!("cargo install cargo-deny --locked --debug --version {CARGO_DENY}");
        run_command(command(&install).env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    sh("cargo deny --all-features check bans licenses sources --hide-inclusion-graph")?;
    if succeeds("cargo deny fetch db") {
        return sh("cargo deny --all-features check advisories --disable-fetch --hide-inclusion-graph");
    }
    say("advisories were skipped: their database cannot be fetched");
    Ok(())
}

/// Installs the npm packages when they are not those of the lock file.
pub(crate) fn install_packages() -> Result<()> {
    let changed = |path: &str| -> Option<SystemTime> { root().join(path).metadata().ok()?.modified().ok() };
    let installed = changed("node_modules/.package-lock.json");
    if installed.is_some() && installed >= changed("package-lock.json") {
        return Ok(());
    }
    sh("npm ci --no-audit --no-fund").context("Node.js 20.19 or newer and npm are needed")
}

/// Of the packages, and of the browser tests.
fn check_types() -> Result<()> {
    sh("npm run check --workspaces --if-present")?;
    sh("npx --no-install tsc --noEmit --project e2e")
}

/// Runs the tests of the npm packages, with messages that Rust has judged and scenarios that it has played, some of
/// them against the real server.
fn test_packages() -> Result<()> {
    sh("cargo build --locked --package cossistant")?;
    let file = |name: &str| std::env::temp_dir().join(format!("cossistant-{name}-{}.jsonl", std::process::id()));
    let (messages, scenarios) = (file("differential"), file("scenarios"));
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    generate::differential(&messages, seed, CHANGED_MESSAGES)?;
    let play = command("cargo test --quiet --locked --package cossistant-client --lib scenarios::random_scenarios_for")
        .env("COSSISTANT_SCENARIOS", &scenarios)
        .env("COSSISTANT_SCENARIO_SEED", seed.to_string())
        .status();
    ensure!(play?.success(), "the random scenarios of COSSISTANT_SCENARIO_SEED={seed} cannot be played");
    // One after another, so that a failure is the last that is printed.
    let tested = workspaces()?.iter().try_for_each(|workspace| {
        run_command(
            command(&format!("npm test --workspace {workspace} --if-present"))
                .env("COSSISTANT_DIFFERENTIAL", &messages)
                .env("COSSISTANT_SCENARIOS", &scenarios),
        )
    });
    if tested.is_err() {
        say(&format!("the changed messages were `cargo xtask gen --differential FILE --seed {seed}`"));
        say(&format!("the random scenarios were those of COSSISTANT_SCENARIO_SEED={seed}"));
    }
    std::fs::remove_file(&messages)?;
    std::fs::remove_file(&scenarios)?;
    tested
}

/// The folders of the npm packages, those that others stand on first.
fn workspaces() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for parent in ["packages", "apps"] {
        let start = found.len();
        for entry in std::fs::read_dir(root().join(parent))? {
            let name = entry?.file_name().into_string().ok().context("a package's folder has a name in UTF-8")?;
            if root().join(parent).join(&name).join("package.json").exists() {
                found.push(format!("{parent}/{name}"));
            }
        }
        found[start..].sort();
    }
    Ok(found)
}
