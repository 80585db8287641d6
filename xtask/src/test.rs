//! `cargo xtask test`: all checks and all tests, one layer after another.

use anyhow::Result;

use crate::layer::{self, Layer, Rounds};
use crate::step::{command, run as run_command};
use crate::{apps, check, conformance, deny, e2e, fuzz, sim, web};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this layer.
    #[arg(long, value_name = "LAYER")]
    only: Option<String>,
    /// With the long rounds of random tests.
    #[arg(long)]
    long: bool,
}

/// The layers in their order: what is cheap and fails often comes first.
const LAYERS: &[Layer] = &[
    Layer { name: "check", run: |_| check::run_without_dependencies() },
    // The server is tested with the apps inside.
    Layer { name: "apps", run: |_| apps::build() },
    Layer { name: "cargo-test", run: |_| cargo_test() },
    Layer { name: "simulation", run: sim::rounds },
    Layer { name: "conformance", run: conformance::rounds },
    Layer { name: "packages", run: |_| web::check() },
    Layer { name: "browser", run: |_| e2e::client() },
    Layer { name: "browser-apps", run: |_| e2e::web_apps() },
    Layer { name: "browser-histories", run: e2e::histories },
    Layer { name: "consumers", run: e2e::packages },
    check::DEPENDENCIES,
];

/// Runs the layers.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.only.is_none() {
        deny::prepare()?;
    }
    let rounds = if args.long { Rounds::Long } else { Rounds::Short };
    layer::run(LAYERS, args.only.as_deref(), rounds)
}

/// The kept inputs of the fuzzer's validators are judged by JavaScript as well.
fn cargo_test() -> Result<()> {
    let validators = fuzz::bundle_validators()?;
    run_command(command("cargo test --workspace --locked").env("COSSISTANT_VALIDATORS", validators))
}
