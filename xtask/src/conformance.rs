//! `cargo xtask conformance`: the cases of Autobahn, played against a node that echoes.
//!
//! They are played by kosoku, which carries Autobahn's own case files; the original runner needs Python 2. A test run
//! leaves out those of compression, which send a thousand messages each and take many minutes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::debian;
use crate::layer::Rounds;
use crate::sim;
use crate::step::{Running, command, run as run_command, say, succeeds, target_directory};

const KOSOKU: &str = "kosoku==0.1.0";
/// How many cases Autobahn has, and how many of them are of framing alone. Fewer would mean that some were not played.
const CASES: usize = 517;
const FRAMING_CASES: usize = 301;

/// Plays all cases; every one must pass strictly, or be one of those that only inform.
pub(crate) fn run() -> Result<()> {
    play(&[], CASES)
}

/// Plays those that a test run has time for.
pub(crate) fn rounds(rounds: Rounds) -> Result<()> {
    match rounds {
        Rounds::Short => play(&["-x", "12.*", "-x", "13.*"], FRAMING_CASES),
        Rounds::Long => run(),
    }
}

fn play(choice: &[&str], cases: usize) -> Result<()> {
    let folder = target_directory()?.join("conformance");
    let kosoku = install(&folder.join("python"))?;
    let echo = start(&sim::build_echo()?, &folder.join("data"))?;
    let reports = folder.join("reports");
    if reports.exists() {
        std::fs::remove_dir_all(&reports)?;
    }
    let mut play = command(&kosoku);
    play.args(["-m", "fuzzingclient", "-p", "2"])
        .args(choice)
        .arg("-o")
        .arg(&reports)
        .arg(echo.url.trim_start_matches("ws://"));
    // What it prints of each case is in its report as well.
    let output = play.output().context("cannot run kosoku")?;
    let verdicts = read(&reports.join("index.json"))
        .with_context(|| format!("kosoku said: {}", String::from_utf8_lossy(&output.stderr)))?;
    judge(&verdicts, cases)?;
    ensure!(output.status.success(), "kosoku {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Installs kosoku in an environment of its own; gives its path.
fn install(python: &Path) -> Result<String> {
    let kosoku = python.join("bin/kosoku");
    if !kosoku.exists() {
        if !succeeds("python3 -m ensurepip --version") {
            debian::install("python3-venv", "install Python 3.10 or newer with its module venv")?;
        }
        run_command(command("python3 -m venv").arg(python))?;
        run_command(&mut command(&format!("{} install --quiet {KOSOKU}", python.join("bin/pip").display())))?;
    }
    Ok(kosoku.display().to_string())
}

/// Starts the echo service, which says where it listens.
fn start(program: &Path, data: &Path) -> Result<Running> {
    let mut service = command(&program.display().to_string());
    service.arg(data).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = service.spawn().context("cannot start the echo service")?;
    let mut echo = Running { child, url: String::new() };
    let stdout = echo.child.stdout.take().context("its output is a pipe")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    echo.url = line.trim().to_owned();
    Ok(echo)
}

/// A case, and how its behaviour and its close were judged.
type Verdicts = BTreeMap<String, (String, String)>;

fn read(index: &Path) -> Result<Verdicts> {
    let text = std::fs::read_to_string(index).context("there is no report")?;
    let report: Value = serde_json::from_str(&text)?;
    let agents = report.as_object().context("a report is an object")?;
    let cases = agents.values().next().and_then(Value::as_object).context("a report has one agent")?;
    let verdict = |case: &Value, name: &str| case[name].as_str().unwrap_or("missing").to_owned();
    Ok(cases
        .iter()
        .map(|(id, case)| (id.clone(), (verdict(case, "behavior"), verdict(case, "behaviorClose"))))
        .collect())
}

fn judge(verdicts: &Verdicts, cases: usize) -> Result<()> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for (behavior, _) in verdicts.values() {
        *counts.entry(behavior).or_default() += 1;
    }
    let counted: Vec<String> = counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    say(&format!("{} cases of Autobahn: {}", verdicts.len(), counted.join(", ")));
    let passes = |verdict: &str| matches!(verdict, "OK" | "INFORMATIONAL");
    let wrong: Vec<String> = verdicts
        .iter()
        .filter(|(_, (behavior, close))| !passes(behavior) || !passes(close))
        .map(|(id, (behavior, close))| format!("{id}: {behavior}, its close {close}"))
        .collect();
    if !wrong.is_empty() {
        bail!("not as RFC 6455 and RFC 7692 have it:\n{}", wrong.join("\n"));
    }
    ensure!(verdicts.len() == cases, "{} cases were played, and Autobahn has {cases}", verdicts.len());
    Ok(())
}
