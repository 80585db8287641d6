//! `cargo xtask sim`: random histories of real engines and real shards on a virtual clock.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::debian;
use crate::layer::Rounds;
use crate::step::{command, run as run_command, sh, succeeds, target_directory};

/// How many histories a test run has, and a long one.
const SHORT: u64 = 50_000;
const LONG: u64 = 250_000;
/// How many histories the program is laid out by.
const TRAINING: u64 = 2_000;
/// How its code is ordered: by what follows what, with what is never reached out of the way.
const LAYOUT: &str = "-reorder-blocks=ext-tsp -reorder-functions=cdsort -split-functions -split-all-cold -split-eh -icf=all \
                      -use-gnu-stack";
/// What a history spends its time in. These are optimized; the rest is as every other test has it, so that nothing else
/// is built for this.
const HOT: [&str; 4] = ["cossistant-engine", "cossistant-protocol", "cossistant-server", "cossistant-testkit"];
/// How they are built: arithmetic stays checked.
const SETTINGS: [&str; 4] = ["opt-level=3", "codegen-units=16", "debug-assertions=false", "overflow-checks=true"];
/// What stands in a program that has the simulated node in it.
const MARK: &[u8] = b"a secret that only simulated nodes have";

/// Options of `cargo xtask sim`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many histories.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The seed of the first one; each further one has the next.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// With more people, actions and faults in each.
    #[arg(long)]
    large: bool,
    /// On so many nodes; as each seed has it unless said.
    #[arg(long, value_name = "N")]
    nodes: Option<u64>,
    /// Put this bug in, to see that it is found.
    #[arg(long, value_name = "BUG")]
    plant: Option<String>,
    /// Do only these steps of each history, as a failure prints them.
    #[arg(long, value_name = "STEPS")]
    keep: Option<String>,
    /// How many threads; as many as there are cores unless said.
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Build it as fast as it gets first, which takes many minutes: for many histories.
    #[arg(long)]
    optimized: bool,
    /// Print the whole trace of the first history.
    #[arg(long)]
    trace: bool,
    /// Go on behind a failure and print one line for each.
    #[arg(long)]
    survey: bool,
    /// Run the histories that found a fault once.
    #[arg(long)]
    again: bool,
    /// Look for every planted bug, and print which history found it.
    #[arg(long)]
    prove: bool,
}

/// Runs histories; one that breaks a promise fails, with its trace and the command that runs it again.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut options = format!("--seed {}", args.seed);
    let values = [
        ("--seeds", args.seeds.map(|count| count.to_string())),
        ("--nodes", args.nodes.map(|count| count.to_string())),
        ("--plant", args.plant.clone()),
        ("--keep", args.keep.clone()),
        ("--threads", args.threads.map(|count| count.to_string())),
    ];
    for (option, value) in values {
        if let Some(value) = value {
            options.push_str(&format!(" {option} {value}"));
        }
    }
    let flags = [
        (args.large, " --large"),
        (args.trace, " --trace"),
        (args.survey, " --survey"),
        (args.again, " --again"),
        (args.prove, " --prove"),
    ];
    for (is_wanted, option) in flags {
        if is_wanted {
            options.push_str(option);
        }
    }
    let program = if args.optimized { build_optimized()? } else { build_simulation("--quiet")? };
    sh(&format!("{} {options}", program.display()))
}

/// Builds the simulation as fast as it gets, by a profile of what its histories do; the program.
///
/// A history goes once through another part of the server with each step, so a processor waits for its code more than for
/// anything else. So it is built twice, the second time by the counts of the first, and laid out anew once it is linked.
/// The allocator's C is compiled to what Rust is compiled to, and optimized with it.
fn build_optimized() -> Result<PathBuf> {
    let llvm = install_llvm()?;
    let folder = target_directory()?.join("sim-profile");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let build = |name: &str, of_rust: &str, of_c: &str| -> Result<String> {
        let mut build = command("cargo build --quiet --locked --workspace --features cossistant-testkit/sim --bin sim");
        build.args(["--profile", "sim", "--target-dir", &path(name)]);
        build.env("CC", format!("{llvm}/clang")).env("AR", format!("{llvm}/llvm-ar"));
        build.env("CFLAGS", format!("-flto=thin {of_c}"));
        let linked = format!("-Clinker-plugin-lto -Clinker={llvm}/clang -Clink-arg=-fuse-ld=lld");
        run_command(build.env("RUSTFLAGS", format!("{linked} {of_rust}")))?;
        Ok(format!("{}/sim/sim", path(name)))
    };
    let train = |program: &str| sh(&format!("{program} --seeds {TRAINING} --threads 1"));
    let (counts, profile) = (path("counts"), path("profile"));
    let counting = build("counting", &format!("-Cprofile-generate={counts}"), &format!("-fprofile-generate={counts}"))?;
    train(&counting)?;
    sh(&format!("{llvm}/llvm-profdata merge -o {profile} {counts}"))?;
    let by_profile = format!("-Clink-arg=-Wl,--emit-relocs -Cprofile-use={profile}");
    let built = build("built", &by_profile, &format!("-fprofile-use={profile}"))?;
    let (watched, branches, laid_out) = (path("watched"), path("branches"), path("laid-out"));
    sh(&format!("{llvm}/llvm-bolt {built} -o {watched} -instrument --instrumentation-file={branches}"))?;
    train(&watched)?;
    sh(&format!("{llvm}/llvm-bolt {built} -o {laid_out} -data={branches} {LAYOUT}"))?;
    Ok(PathBuf::from(laid_out))
}

/// Installs what compiles C, links, merges profiles and lays programs out, of the version of LLVM that the compiler has;
/// where it is.
fn install_llvm() -> Result<String> {
    let version = String::from_utf8(command("rustc -vV").output()?.stdout).context("the compiler's version is text")?;
    let version = version.lines().find_map(|line| line.strip_prefix("LLVM version: ")).unwrap_or_default();
    let major = version.split('.').next().unwrap_or_default();
    let folder = format!("/usr/lib/llvm-{major}/bin");
    let tools = ["clang", "ld.lld", "llvm-profdata", "llvm-bolt"];
    if !tools.iter().all(|tool| succeeds(&format!("{folder}/{tool} --version"))) {
        let packages = format!("clang-{major} lld-{major} llvm-{major} bolt-{major}");
        debian::install(&packages, &format!("install LLVM's tools of version {major} (Debian: {packages})"))?;
    }
    Ok(folder)
}

/// Builds the simulation; the program.
fn build_simulation(options: &str) -> Result<PathBuf> {
    cargo(&format!("build {options} --bin sim"))?;
    Ok(target_directory()?.join("debug/sim"))
}

/// Builds the echo of the conformance suite, which is a part of what the simulation is built with; the program.
pub(crate) fn build_echo() -> Result<PathBuf> {
    cargo("build --bin sim --example echo")?;
    Ok(target_directory()?.join("debug/examples/echo"))
}

/// What cargo is to do with the simulation and its tests, built as they always are, and the libraries as all tests have
/// them (see `build.rs`).
fn cargo(what: &str) -> Result<()> {
    let mut line = format!("cargo {what} --locked --workspace --features cossistant-testkit/sim --test simulation");
    for (name, setting) in HOT.iter().flat_map(|name| SETTINGS.map(|setting| (name, setting))) {
        line.push_str(&format!(" --config profile.dev.package.{name}.{setting}"));
    }
    sh(&line)
}

/// The simulation of a test run: the product has nothing of it, its own tests pass, every planted bug is found, and the
/// same histories as always keep every promise.
pub(crate) fn rounds(rounds: Rounds) -> Result<()> {
    let program = build_simulation("")?;
    check_product(&program)?;
    cargo("test")?;
    let program = program.display();
    sh(&format!("{program} --again"))?;
    sh(&format!("{program} --prove"))?;
    let count = match rounds {
        Rounds::Short => SHORT,
        Rounds::Long => LONG,
    };
    sh(&format!("{program} --seeds {count}"))
}

/// Checks that the product is built without the simulation, by its features and by what stands in it.
fn check_product(simulation: &std::path::Path) -> Result<()> {
    let tree = command("cargo tree --locked --package cossistant --edges features,no-dev --prefix none").output()?;
    ensure!(tree.status.success(), "cargo tree {}", tree.status);
    let tree = String::from_utf8(tree.stdout).context("the names of packages are text")?;
    ensure!(tree.contains("cossistant-server feature \"default\""), "the tree of features reads otherwise");
    ensure!(!tree.contains("cossistant-server feature \"sim\""), "the product is built with the simulated node");
    build::as_tested("--bin cossistant")?;
    let has_mark = |path: &std::path::Path| -> Result<bool> {
        let program = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(program.windows(MARK.len()).any(|window| window == MARK))
    };
    ensure!(has_mark(simulation)?, "the simulation has no mark by which it could be told");
    ensure!(!has_mark(&target_directory()?.join("debug/cossistant"))?, "the product has the simulated node in it");
    Ok(())
}
