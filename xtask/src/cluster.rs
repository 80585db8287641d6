//! `cargo xtask cluster`: three nodes on one PostgreSQL with NATS, under load, while their parts fail.

mod figures;

use std::process::Command;

use anyhow::Result;

use crate::layer::Rounds;
use crate::step::{command, run as run_command, step, target_directory};
use crate::{build, debian};

/// What a test run plays: short faults, few clients, and every fault that the judge has to find.
const SHORT: &str = "--quick --rounds 3 --rolling 1 --clients 40 --rate 60";
/// What a long one plays.
const LONG: &str = "--rounds 20 --rolling 3 --clients 100 --rate 60";

/// Options of `cargo xtask cluster`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many rounds of each kind of fault.
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: usize,
    /// How many rolling restarts of all nodes.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rolling: usize,
    /// How many clients each node has.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    clients: usize,
    /// Messages a second of all who talk, about.
    #[arg(long, value_name = "R", default_value_t = 100.0)]
    rate: f64,
    /// Chooses the order of the rounds, and what fails for how long; a new one each time unless it is given.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Play only this kind: node, nats, database, partition or rolling. With --figures, those that are named like this.
    #[arg(long, value_name = "KIND")]
    only: Option<String>,
    /// Short faults and a short drain.
    #[arg(long)]
    quick: bool,
    /// Measure what nodes cost instead, so many times, and print the medians.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "3")]
    figures: Option<usize>,
}

/// Plays the rounds with the program as it is released.
pub(crate) fn run(args: &Args) -> Result<()> {
    debian::install_postgres_and_nats()?;
    step("build", || {
        // The clients have no part in the apps.
        run_command(command("cargo build --release --locked -p cossistant").env("COSSISTANT_APPS", "optional"))?;
        build::as_tested("--bin cluster")
    })?;
    if let Some(rounds) = args.figures {
        return figures::run(rounds, args.only.as_deref());
    }
    let Args { rounds, rolling, clients, rate, .. } = args;
    let mut options = format!("--rounds {rounds} --rolling {rolling} --clients {clients} --rate {rate}");
    if let Some(seed) = args.seed {
        options.push_str(&format!(" --seed {seed}"));
    }
    if let Some(kind) = &args.only {
        options.push_str(&format!(" --only {kind}"));
    }
    if args.quick {
        options.push_str(" --quick");
    }
    run_command(&mut program("release", &options, None)?)
}

/// The rounds of a test run, with the program as all tests have it; and the judge finds what is planted.
pub(crate) fn rounds(rounds: Rounds) -> Result<()> {
    debian::install_postgres_and_nats()?;
    build::as_tested("--bin cossistant --bin cluster")?;
    run_command(&mut program("debug", "--prove --clients 20", None)?)?;
    let options = if rounds == Rounds::Long { LONG } else { SHORT };
    run_command(&mut program("debug", options, None)?)
}

/// The program that plays, with as many files as the system allows: every client is one, here and at a node. On one core
/// if that is said, with all that it starts.
fn program(profile: &str, options: &str, core: Option<usize>) -> Result<Command> {
    let target = target_directory()?;
    let pin = core.map_or_else(String::new, |core| format!("taskset -c {core} "));
    let mut command = command("sh -c");
    command.arg(format!("ulimit -n $(ulimit -Hn); exec {pin}\"$0\" \"$@\"")).arg(target.join("debug/cluster"));
    command.arg("--binary").arg(target.join(profile).join("cossistant")).args(options.split(' '));
    Ok(command)
}
