//! `cargo xtask check`: everything that can be judged without running the server.

use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::deny;
use crate::generate;
use crate::layer::{self, Layer, Rounds};
use crate::step::{command, root, run as run_command, say, sh};
use crate::wasm;

/// How many randomly changed messages Rust and Zod are compared on.
const CHANGED_MESSAGES: u64 = 5_000;

/// Every target, the simulation and the fuzzer too.
const CLIPPY: &str = "cargo clippy --workspace --all-targets --locked \
    --features cossistant-testkit/sim,cossistant-fuzz/program -- -D warnings";
/// With the same features, so that few libraries are judged by the compiler once more.
const DOCUMENT: &str = "cargo doc --workspace --no-deps --locked \
    --features cossistant-testkit/sim,cossistant-fuzz/program";

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
    Layer { name: "npm-packages", run: |_| install_packages() },
    Layer { name: "wasm", run: |_| wasm::build(false) },
    Layer { name: "typescript", run: |_| check_types() },
    Layer { name: "vitest", run: |_| test_packages() },
];
/// Whether the dependencies are such as are allowed. It comes last, since it may have to wait for its program.
pub(crate) const DEPENDENCIES: Layer = Layer { name: "dependencies", run: |_| deny::check() };

/// Runs every check.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.only.is_none() {
        deny::prepare()?;
    }
    layer::run(&[LAYERS, &[DEPENDENCIES]].concat(), args.only.as_deref(), Rounds::Short)
}

/// Runs every check but that of the dependencies.
pub(crate) fn run_without_dependencies() -> Result<()> {
    layer::run(LAYERS, None, Rounds::Short)
}

fn document() -> Result<()> {
    run_command(command(DOCUMENT).env("RUSTDOCFLAGS", "-D warnings"))
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
    build::as_tested("--bin cossistant")?;
    let file = |name: &str| std::env::temp_dir().join(format!("cossistant-{name}-{}.jsonl", std::process::id()));
    let (messages, scenarios) = (file("differential"), file("scenarios"));
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    generate::differential(&messages, seed, CHANGED_MESSAGES)?;
    let play = command("cargo test --quiet --locked --workspace --lib scenarios::random_scenarios_for")
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
