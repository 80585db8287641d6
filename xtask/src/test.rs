//! `cargo xtask test`: all checks and all tests, one layer after another.

use anyhow::Result;

use crate::check;
use crate::step::{sh, step};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this layer.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// With the long rounds of random tests.
    #[arg(long)]
    long: bool,
}

/// A layer: its name, and what it runs. `long` asks for the long rounds.
struct Layer {
    name: &'static str,
    run: fn(long: bool) -> Result<()>,
}

/// The layers in their order: what is cheap and fails often comes first.
const LAYERS: &[Layer] = &[
    Layer { name: "check", run: |_| check::run(&check::Args::default()) },
    Layer { name: "cargo test", run: |_| sh("cargo test --workspace --locked") },
];

/// Runs every layer; the first one that fails ends it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let chosen = |layer: &&Layer| args.only.as_deref().is_none_or(|name| name == layer.name);
    let layers: Vec<&Layer> = LAYERS.iter().filter(chosen).collect();
    let names = || LAYERS.iter().map(|layer| layer.name).collect::<Vec<_>>().join(", ");
    anyhow::ensure!(!layers.is_empty(), "there is no such layer; there are: {}", names());
    layers.into_iter().try_for_each(|layer| step(layer.name, || (layer.run)(args.long)))
}
