//! `cargo xtask test`: all checks and all tests, one layer after another.

use anyhow::Result;

use crate::layer::{self, Layer, Rounds};
use crate::step::sh;
use crate::{apps, check, conformance, e2e, sim, web};

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
    Layer { name: "check", run: |_| check::run(&check::Args::default()) },
    // The server is tested with the apps inside.
    Layer { name: "apps", run: |_| apps::build() },
    Layer { name: "cargo-test", run: |_| sh("cargo test --workspace --locked") },
    Layer { name: "simulation", run: sim::rounds },
    Layer { name: "conformance", run: conformance::rounds },
    Layer { name: "packages", run: |_| web::check() },
    Layer { name: "browser", run: |_| e2e::client() },
    Layer { name: "browser-widget", run: |_| e2e::web_apps("widget") },
    Layer { name: "browser-inbox", run: |_| e2e::web_apps("inbox") },
    Layer { name: "browser-together", run: |_| e2e::web_apps("together") },
    Layer { name: "browser-histories", run: e2e::histories },
    Layer { name: "consumers", run: e2e::packages },
];

/// Runs the layers.
pub(crate) fn run(args: &Args) -> Result<()> {
    let rounds = if args.long { Rounds::Long } else { Rounds::Short };
    layer::run(LAYERS, args.only.as_deref(), rounds)
}
