//! `cargo xtask test`: all checks and all tests, one layer after another.

use std::path::Path;

use anyhow::Result;

use crate::layer::{self, Layer, Rounds};
use crate::step::{command, run as run_command};
use crate::{apps, check, cluster, conformance, debian, deny, e2e, fuzz, sim, web};

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
    Layer { name: "cargo-test", run: cargo_test },
    Layer { name: "simulation", run: sim::rounds },
    Layer { name: "cluster", run: cluster::rounds },
    Layer { name: "conformance", run: conformance::rounds },
    Layer { name: "packages", run: |_| web::check() },
    Layer { name: "browser", run: |_| e2e::client() },
    Layer { name: "browser-apps", run: |_| e2e::web_apps() },
    Layer { name: "browser-histories", run: e2e::histories },
    Layer { name: "consumers", run: e2e::packages },
    check::DEPENDENCIES,
];

/// Where Debian puts what turns a program's clock; `LIBFAKETIME` names another one.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Where Debian has the pool of connections that tests of the store put before PostgreSQL.
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

/// The workspace's own tests. Long ones kill servers more often, and let them stand still for longer. The kept inputs of
/// the fuzzer's validators are judged by JavaScript as well.
fn cargo_test(rounds: Rounds) -> Result<()> {
    let has_faketime = std::env::var_os("LIBFAKETIME").is_some() || Path::new(FAKETIME).exists();
    if !has_faketime {
        debian::install(
            "faketime",
            "install libfaketime (Debian: faketime), or say where it is: LIBFAKETIME=/path/to/it",
        )?;
    }
    debian::install_postgres_and_nats()?;
    if !Path::new(PGBOUNCER).exists() {
        debian::install("pgbouncer", "install PgBouncer (Debian: pgbouncer)")?;
    }
    let long = if rounds == Rounds::Long { "1" } else { "0" };
    let validators = fuzz::bundle_validators()?;
    let mut tests = command("cargo test --workspace --locked");
    // What was installed above is no reason to leave a test out.
    tests.env("COSSISTANT_TEST_ALL", "1").env("COSSISTANT_TEST_LONG", long).env("COSSISTANT_VALIDATORS", validators);
    run_command(&mut tests)
}

/// Runs the layers.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.only.is_none() {
        deny::prepare()?;
    }
    let rounds = if args.long { Rounds::Long } else { Rounds::Short };
    layer::run(LAYERS, args.only.as_deref(), rounds)
}
