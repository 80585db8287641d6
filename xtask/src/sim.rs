//! `cargo xtask sim`: random histories of real engines and real shards on a virtual clock.

use anyhow::Result;

use crate::layer::Rounds;
use crate::step::sh;

/// How many histories a test run has, and a long one.
const SHORT: u64 = 2_000;
const LONG: u64 = 50_000;

/// Options of `cargo xtask sim`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many histories.
    #[arg(long, value_name = "N", default_value_t = 100)]
    seeds: u64,
    /// The seed of the first one; each further one has the next.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Put this bug in, to see that it is found.
    #[arg(long, value_name = "NAME")]
    plant: Option<String>,
    /// Print the whole trace of the first history.
    #[arg(long)]
    trace: bool,
    /// Go on behind a failure and print one line for each.
    #[arg(long)]
    survey: bool,
}

/// Runs histories; one that breaks a promise fails, with its trace and the command that runs it again.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut options = format!("--seeds {} --seed {}", args.seeds, args.seed);
    if let Some(plant) = &args.plant {
        options.push_str(" --plant ");
        options.push_str(plant);
    }
    for (is_wanted, option) in [(args.trace, " --trace"), (args.survey, " --survey")] {
        if is_wanted {
            options.push_str(option);
        }
    }
    simulate("--release", &options)
}

/// The histories of a test run, always the same ones. A short run is over sooner than an optimized build of them would
/// be.
pub(crate) fn rounds(rounds: Rounds) -> Result<()> {
    match rounds {
        Rounds::Short => simulate("", &format!("--seeds {SHORT}")),
        Rounds::Long => simulate("--release", &format!("--seeds {LONG}")),
    }
}

fn simulate(profile: &str, options: &str) -> Result<()> {
    sh(&format!("cargo run --quiet {profile} --locked -p cossistant-testkit --features sim --bin sim -- {options}"))
}
