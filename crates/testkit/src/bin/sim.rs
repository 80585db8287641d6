//! Runs histories of the simulation: `sim --seeds N [--seed S] [--plant NAME] [--trace] [--survey]`.
//!
//! `--trace` prints the whole history of one seed, `--survey` goes on behind a failure and prints one line for each.
//! Exit code 1 when a history broke a promise; its seed, the command that runs it again and its trace are printed.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cossistant_testkit::sim::{Outcome, Plant, run};

/// What the command line asks for.
struct Wish {
    first: u64,
    count: u64,
    plant: Option<Plant>,
    is_traced: bool,
    is_survey: bool,
}

/// How many lines of a failed history's trace are printed; the last ones tell the most.
const TAIL: usize = 400;

fn main() -> ExitCode {
    match wish() {
        Ok(wish) if wish.is_traced => trace(&wish),
        Ok(wish) => search(&wish),
        Err(why) => {
            eprintln!("{why}\nusage: sim --seeds N [--seed S] [--plant NAME] [--trace] [--survey]");
            ExitCode::from(2)
        }
    }
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish { first: 1, count: 100, plant: None, is_traced: false, is_survey: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--trace" {
            wish.is_traced = true;
            continue;
        }
        if word == "--survey" {
            wish.is_survey = true;
            continue;
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"));
        match word.as_str() {
            "--seed" => wish.first = number()?,
            "--seeds" => wish.count = number()?,
            "--plant" => {
                let found = Plant::ALL.iter().find(|(name, _)| *name == value);
                let names: Vec<&str> = Plant::ALL.iter().map(|(name, _)| *name).collect();
                wish.plant = Some(found.ok_or(format!("there is no such bug; there are: {}", names.join(", ")))?.1);
            }
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(wish)
}

fn trace(wish: &Wish) -> ExitCode {
    let outcome = run(wish.first, wish.plant, true);
    for line in &outcome.trace {
        say(line);
    }
    report(wish.first, &outcome)
}

fn report(seed: u64, outcome: &Outcome) -> ExitCode {
    say(&format!(
        "seed {seed}: {} actions, {} faults, trace {:016x}",
        outcome.actions, outcome.faults, outcome.trace_hash
    ));
    match &outcome.failure {
        Some(failure) => {
            say(&format!("FAILED: {failure}"));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Runs the histories on every core; the lowest seed that fails is reported.
fn search(wish: &Wish) -> ExitCode {
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let (actions, faults) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let seed = wish.first.wrapping_add(at);
                    if at >= wish.count || failed.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    let outcome = run(seed, wish.plant, false);
                    actions.fetch_add(outcome.actions, Ordering::Relaxed);
                    faults.fetch_add(outcome.faults, Ordering::Relaxed);
                    if let Some(failure) = &outcome.failure {
                        if wish.is_survey {
                            say(&format!("seed {seed}: {failure}"));
                            continue;
                        }
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let failed = failed.into_inner();
    if failed == u64::MAX {
        let (count, actions, faults) = (wish.count, actions.into_inner(), faults.into_inner());
        #[expect(clippy::cast_precision_loss, reason = "a count of histories is small")]
        let rate = count as f64 / seconds;
        say(&format!(
            "{count} histories kept every promise: {actions} actions, {faults} faults, {rate:.0} histories/s"
        ));
        return ExitCode::SUCCESS;
    }
    let outcome = run(failed, wish.plant, true);
    for line in outcome.trace.iter().skip(outcome.trace.len().saturating_sub(TAIL)) {
        say(line);
    }
    let plant = Plant::ALL.iter().find(|(_, plant)| Some(*plant) == wish.plant);
    let plant = plant.map(|(name, _)| format!(" --plant {name}")).unwrap_or_default();
    say(&format!("run it again: cargo xtask sim --seed {failed} --seeds 1{plant} (--trace for all of the trace)"));
    report(failed, &outcome);
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "this is a command-line program")]
fn say(line: &str) {
    println!("{line}");
}
