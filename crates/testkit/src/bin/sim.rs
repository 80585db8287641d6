//! Runs histories of the simulation.
//!
//! `sim --seeds N [--seed S] [--large] [--nodes N] [--plant BUG] [--keep STEPS] [--threads N] [--trace | --survey]` runs N histories. The
//! first that breaks a promise is shrunk; its trace and the command that runs it again are printed, and the exit code
//! is 1. If all keep theirs, one hash of all that was said is printed: a change that is to change nothing leaves it.
//! `--trace` prints the trace of one history, `--survey` goes on behind a failure and prints a line for each.
//!
//! `sim --again` runs the histories that found a fault once. `sim --prove` looks for each planted bug, prints which seed found it by which rule, and fails if one was not found.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cossistant_testkit::sim::{FOUND, Failure, Keep, Outcome, Plant, Run, Size, run, shrink};

/// A history is thousands of small pieces of memory that live for a moment, all of them on one thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line asks for.
struct Wish {
    first: u64,
    count: Option<u64>,
    size: Size,
    nodes: Option<usize>,
    plant: Option<Plant>,
    keep: Keep,
    threads: usize,
    is_traced: bool,
    is_survey: bool,
    is_proof: bool,
    is_again: bool,
}

/// The most nodes of a history.
const NODES: usize = 5;
/// How many histories are run unless it is said.
const COUNT: u64 = 100;
/// How many histories a planted bug may need to be found.
const PROOF: u64 = 10_000;
/// For how long a failure is shrunk.
const PATIENCE: Duration = Duration::from_secs(60);
const USAGE: &str = "usage: sim [--seeds N] [--seed S] [--large] [--nodes N] [--plant BUG] [--keep STEPS] [--threads N] \
                     [--trace | --survey | --again | --prove]";

fn main() -> ExitCode {
    let wish = match Wish::read() {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let is_well = if wish.is_proof {
        prove(&wish)
    } else if wish.is_again {
        again(&wish)
    } else if wish.is_traced {
        trace(&wish)
    } else {
        search(&wish)
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Wish {
    fn read() -> Result<Self, String> {
        let mut wish = Self {
            first: 1,
            count: None,
            size: Size::Small,
            nodes: None,
            plant: None,
            keep: Keep::ALL,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            is_traced: false,
            is_survey: false,
            is_proof: false,
            is_again: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            let number = |value: String| value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"));
            match word.as_str() {
                "--large" => wish.size = Size::Large,
                "--trace" => wish.is_traced = true,
                "--survey" => wish.is_survey = true,
                "--prove" => wish.is_proof = true,
                "--again" => wish.is_again = true,
                "--seed" => wish.first = number(value()?)?,
                "--seeds" => wish.count = Some(number(value()?)?),
                "--nodes" => {
                    let nodes = usize::try_from(number(value()?)?).ok().filter(|nodes| (1..=NODES).contains(nodes));
                    wish.nodes = Some(nodes.ok_or(format!("there can be 1 to {NODES} nodes"))?);
                }
                "--threads" => wish.threads = usize::try_from(number(value()?)?).unwrap_or(1).max(1),
                "--keep" => wish.keep = Keep::parse(&value()?)?,
                "--plant" => {
                    let names: Vec<&str> = Plant::ALL.iter().map(|(name, _)| *name).collect();
                    let found = Plant::find(&value()?);
                    wish.plant = Some(found.ok_or(format!("there is no such bug; there are: {}", names.join(", ")))?);
                }
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(wish)
    }

    fn run(&self, seed: u64) -> Run {
        Run { seed, size: self.size, nodes: self.nodes, plant: self.plant, keep: self.keep.clone(), is_traced: false }
    }
}

fn trace(wish: &Wish) -> bool {
    let outcome = run(&Run { is_traced: true, ..wish.run(wish.first) });
    outcome.trace.iter().for_each(|line| say(line));
    say(&summary(wish.first, &outcome));
    outcome.failure.is_none()
}

fn summary(seed: u64, outcome: &Outcome) -> String {
    let Outcome { clients, actions, faults, elapsed, trace_hash, .. } = outcome;
    let end = match &outcome.failure {
        Some(failure) => format!("\nFAILED {failure}"),
        None => String::new(),
    };
    format!(
        "seed {seed}: {clients} clients, {actions} actions, {faults} faults, {elapsed} ms, hash {trace_hash:016x}{end}"
    )
}

/// Sums over histories.
#[derive(Default)]
struct Sums {
    histories: AtomicU64,
    clients: AtomicU64,
    actions: AtomicU64,
    faults: AtomicU64,
    seconds: AtomicU64,
    /// Of the hashes of all traces, whose order does not matter: equal for equal histories, however long they took.
    hash: AtomicU64,
}

impl Sums {
    fn add(&self, outcome: &Outcome) {
        let sums = [
            (&self.histories, 1),
            (&self.clients, outcome.clients),
            (&self.actions, outcome.actions),
            (&self.faults, outcome.faults),
            (&self.seconds, outcome.elapsed / 1_000),
            (&self.hash, outcome.trace_hash),
        ];
        for (sum, value) in sums {
            sum.fetch_add(value, Ordering::Relaxed);
        }
    }
}

/// Runs the histories on some threads; `None` if all kept every promise, else the lowest seed that did not.
fn find(wish: &Wish, count: u64, sums: &Sums) -> Option<u64> {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    std::thread::scope(|scope| {
        for _ in 0..wish.threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let seed = wish.first.wrapping_add(at);
                    if at >= count || failed.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    let outcome = run(&wish.run(seed));
                    sums.add(&outcome);
                    match &outcome.failure {
                        Some(failure) if wish.is_survey => say(&format!("seed {seed}: {failure}")),
                        Some(_) => {
                            failed.fetch_min(seed, Ordering::Relaxed);
                        }
                        None => {}
                    }
                }
            });
        }
    });
    Some(failed.into_inner()).filter(|seed| *seed != u64::MAX)
}

fn search(wish: &Wish) -> bool {
    let (start, sums) = (Instant::now(), Sums::default());
    if let Some(seed) = find(wish, wish.count.unwrap_or(COUNT), &sums) {
        report(wish, seed);
        return false;
    }
    let seconds = start.elapsed().as_secs_f64();
    let Sums { histories, clients, actions, faults, seconds: virtual_seconds, hash } = sums;
    let [histories, clients, actions, faults, virtual_seconds, hash] =
        [histories, clients, actions, faults, virtual_seconds, hash].map(AtomicU64::into_inner);
    #[expect(clippy::cast_precision_loss, reason = "a count of histories is small")]
    let rate = histories as f64 / seconds;
    let threads = wish.threads;
    let end = if wish.is_survey { "were run" } else { "kept every promise" };
    say(&format!(
        "{histories} histories {end}: {clients} clients, {actions} actions, {faults} faults, {virtual_seconds} s of \
         their time in {seconds:.1} s, {rate:.0} histories/s on {threads} threads; hash {hash:016x}"
    ));
    true
}

/// Runs the histories that found a fault once, each of which must keep every promise now.
fn again(wish: &Wish) -> bool {
    let like = |size, nodes| Wish { size, nodes, keep: Keep::ALL, ..*wish };
    let failed = FOUND.iter().find(|(seed, size, nodes, _)| run(&like(*size, *nodes).run(*seed)).failure.is_some());
    if let Some((seed, size, nodes, found)) = failed {
        say(&format!("history {seed} once found this: {found}"));
        report(&like(*size, *nodes), *seed);
    } else {
        say(&format!("{} histories that found a fault once kept every promise", FOUND.len()));
    }
    failed.is_none()
}

/// Shrinks what failed, and says how to run it again.
fn report(wish: &Wish, seed: u64) {
    let mut plant = wish.plant.map(|plant| format!(" --plant {}", plant.name())).unwrap_or_default();
    if wish.size == Size::Large {
        plant.push_str(" --large");
    }
    if let Some(nodes) = wish.nodes {
        plant.push_str(&format!(" --nodes {nodes}"));
    }
    say(&format!("seed {seed} broke a promise; the whole of it: cargo xtask sim --seed {seed} --trace{plant}"));
    let Some(shrunk) = shrink(&wish.run(seed), PATIENCE) else { return };
    shrunk.outcome.trace.iter().for_each(|line| say(line));
    let (left, of) = shrunk.steps;
    say(&format!("shrunk to {left} of {of} steps by {} tries", shrunk.tries));
    say(&summary(seed, &shrunk.outcome));
    say(&format!("run it again: cargo xtask sim --seed {seed} --trace{plant} --keep '{}'", shrunk.keep));
}

/// Looks for each planted bug.
fn prove(wish: &Wish) -> bool {
    let count = wish.count.unwrap_or(PROOF);
    say(&format!("{:<26} {:>6}  {:<14} {:>5}", "bug", "seed", "rule", "steps"));
    let mut is_well = true;
    for (name, plant) in Plant::ALL {
        let wish = Wish { plant: Some(*plant), keep: Keep::ALL, is_survey: false, ..*wish };
        let Some(seed) = find(&wish, count, &Sums::default()) else {
            say(&format!("{name:<26} not found within {count} histories"));
            is_well = false;
            continue;
        };
        let outcome = run(&wish.run(seed));
        let rule = outcome.failure.map_or("", |Failure { rule, .. }| rule.name());
        let steps = shrink(&wish.run(seed), Duration::from_secs(2)).map_or(0, |shrunk| shrunk.steps.0);
        say(&format!("{name:<26} {seed:>6}  {rule:<14} {steps:>5}"));
    }
    is_well
}

#[expect(clippy::print_stdout, reason = "this is a command-line program")]
fn say(line: &str) {
    println!("{line}");
}
