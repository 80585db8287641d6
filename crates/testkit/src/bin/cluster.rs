//! Several nodes under load, whose parts fail.
//!
//! `cluster --binary PATH [--rounds N] [--rolling N] [--clients N] [--rate R] [--seed S] [--only KIND] [--quick]` starts
//! three nodes on one PostgreSQL with NATS and puts clients on them. It plays N rounds of each kind of fault (`node`,
//! `nats`, `database`, `partition`) and some of rolling restarts, in an order that the seed chooses, and prints a line
//! for each. The first in which a promise is broken ends it: its seed and the story of the conversation are printed,
//! and the exit code is 1.
//!
//! `cluster --binary PATH --hold NODES [--websites N]` only starts nodes with all that belongs to them, prints where they
//! are as JSON, and keeps them until its standard input ends.
//!
//! `cluster --binary PATH --prove` plants faults of a server instead, and fails if one is not found.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cossistant_testkit::cluster::{Kind, Plan, hold, prove, run};

const USAGE: &str = "usage: cluster --binary PATH [--rounds N] [--rolling N] [--clients N] [--rate R] [--seed S] \
                     [--only node|nats|database|partition|rolling] [--quick] [--prove] [--hold NODES] [--websites N]";

/// What is to be done with the plan.
enum Deed {
    Run,
    Prove,
    Hold { nodes: usize, websites: usize },
}

fn main() -> ExitCode {
    let (plan, deed) = match read() {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let end = match deed {
        Deed::Run => run(&plan, &say),
        Deed::Prove => prove(&plan, &say),
        Deed::Hold { nodes, websites } => hold(&plan.binary, nodes, websites, &say),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("FAILED {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn read() -> Result<(Plan, Deed), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let (mut binary, mut rounds, mut rolling, mut clients, mut rate) = (None, 20, 3, 1_000, 100.0);
    let (mut seed, mut only, mut is_quick) = (now, None, false);
    let (mut is_proof, mut held, mut websites) = (false, None, 0);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |value: String| value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"));
        let count = |value: String| value.parse::<usize>().map_err(|error| format!("{word} {value}: {error}"));
        match word.as_str() {
            "--binary" => {
                let path = value()?;
                binary = Some(std::fs::canonicalize(&path).map_err(|error| format!("{path}: {error}"))?);
            }
            "--rounds" => rounds = count(value()?)?,
            "--rolling" => rolling = count(value()?)?,
            "--clients" => clients = count(value()?)?,
            "--seed" => seed = number(value()?)?,
            "--rate" => rate = value()?.parse::<f64>().map_err(|error| format!("{word}: {error}"))?,
            "--quick" => is_quick = true,
            "--prove" => is_proof = true,
            "--hold" => held = Some(count(value()?)?),
            "--websites" => websites = count(value()?)?,
            "--only" => {
                let name = value()?;
                let found = Kind::ALL.iter().find(|(known, _)| *known == name);
                only = Some(found.ok_or(format!("there is no such kind: {name}"))?.1);
            }
            other => return Err(format!("unknown option {other}")),
        }
    }
    if !(rate > 0.0 && rate.is_finite()) || clients < 20 || held == Some(0) {
        return Err("a rate above 0, at least 20 clients and at least one node, please".to_owned());
    }
    let count = |kind| if kind == Kind::Rolling { rolling } else { rounds };
    let kinds = Kind::ALL.iter().map(|(_, kind)| *kind).filter(|kind| only.is_none_or(|only| only == *kind));
    let rounds = kinds.map(|kind| (kind, count(kind))).collect();
    let binary = binary.ok_or("--binary is missing")?;
    let deed = match (held, is_proof) {
        (Some(nodes), _) => Deed::Hold { nodes, websites },
        (None, true) => Deed::Prove,
        (None, false) => Deed::Run,
    };
    Ok((Plan { binary, rounds, clients, rate, seed, is_quick }, deed))
}

#[expect(clippy::print_stdout, reason = "this is a command-line program")]
fn say(line: &str) {
    println!("{line}");
}
