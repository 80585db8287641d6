//! `cossistant migrate`: moves a whole installation between the embedded store and a PostgreSQL database.

mod next;
mod progress;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clap::Args;
use cossistant_server::chat::search_text;
use cossistant_server::config::Config;
use cossistant_server::store::{TableReport, Transfer, TransferError, TransferPlace, TransferReport, transfer};
use indicatif::{HumanCount, HumanDuration};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::progress::Shown;
use crate::Failure;
use crate::output::print;

/// What the code is of a program that a signal ended: that of SIGINT.
const INTERRUPTED: i32 = 130;

/// Moves everything from a data folder to a PostgreSQL database, or the other way round.
///
/// One side is a data folder, the other one the address of a database. A side that is not given is the `database_url`
/// that a server would have: by COSSISTANT_DATABASE_URL or the file of --config, since flags show in the list of
/// processes.
///
/// No server may run on either side. The target has to be new; the source is only read. Clients come back to the new
/// server as to the old one and go on where they were. When it ends before its time, however that was, the same command
/// goes on where it was; no server starts on a target that is not complete. In the end everything is read back and
/// compared, and the source gets another epoch, so that nobody goes on there by mistake.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  COSSISTANT_DATABASE_URL=postgres://cossistant:…@db/cossistant cossistant migrate --from ./data
  cossistant migrate --from postgres://cossistant@db/cossistant --to ./data")]
pub(crate) struct Migrate {
    /// What is moved: a data folder, or the address of a database
    #[arg(long, value_name = "FOLDER|URL")]
    from: Option<String>,
    /// Where to: a new data folder, or one with nothing but a server's secrets; or the address of an empty database
    #[arg(long, value_name = "FOLDER|URL")]
    to: Option<String>,
    /// A TOML file with keys of the configuration, of which `database_url` is read
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Throws away what an unfinished migration has brought to the target, and begins anew
    #[arg(long)]
    start_over: bool,
    /// How many rows go in one transaction
    #[arg(long, value_name = "ROWS", default_value = "2000", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    batch: u32,
    /// Prints an object with `from`, `to`, `epoch`, `rows`, `seconds`, `same`, `tables` and `next`
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (from, to) = places(self.from, self.to, self.config.as_deref()).map_err(Failure::Usage)?;
        let what = Transfer { from, to, batch: self.batch as usize, start_over: self.start_over, search_text };
        let stop = stop_at_signals()?;
        let mut shown = Shown::new();
        let started = Instant::now();
        let moved = transfer(&what, |progress| {
            shown.show(&progress);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        shown.end();
        let report = moved.map_err(failure)?;
        let next = if report.is_same() { next::steps(&what) } else { Vec::new() };
        if self.json {
            print(&as_json(&report, started.elapsed(), &next).to_string())?;
        } else {
            print(&as_text(&report, started.elapsed(), &next))?;
        }
        if report.is_same() {
            return Ok(());
        }
        Err(Failure::Failed(anyhow!(
            "the target has not what the source has; no server starts on it. --start-over begins anew"
        )))
    }
}

fn failure(error: TransferError) -> Failure {
    let (is_usage, can_go_on) = (error.is_usage(), error.can_go_on());
    let is_stopped = matches!(error, TransferError::Stopped);
    let error = anyhow::Error::from(error);
    if is_usage {
        return Failure::Usage(error.context("nothing was moved"));
    }
    Failure::Failed(match (is_stopped, can_go_on) {
        (true, _) => error,
        (false, true) => error.context("not finished; once that is put right, the same command goes on where it was"),
        (false, false) => error.context("not moved"),
    })
}

/// Both sides, of which one may be left to the configuration.
fn places(
    from: Option<String>,
    to: Option<String>,
    config: Option<&std::path::Path>,
) -> anyhow::Result<(TransferPlace, TransferPlace)> {
    let configured = || {
        let (config, _) = Config::load([], std::env::vars(), config)?;
        let url = config.database_url.as_ref().map(|url| TransferPlace::Database(url.expose().to_owned()));
        url.ok_or_else(|| anyhow!("--from and --to are needed; one of them may be COSSISTANT_DATABASE_URL instead"))
    };
    match (from, to) {
        (Some(from), Some(to)) => Ok((place(from)?, new_place(to)?)),
        (Some(from), None) => Ok((place(from)?, configured()?)),
        (None, Some(to)) => Ok((configured()?, new_place(to)?)),
        (None, None) => Err(anyhow!("--from or --to is needed: what is moved, and where to")),
    }
}

fn place(text: String) -> anyhow::Result<TransferPlace> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(TransferPlace::Database(text));
    }
    // Not shown: it may have a password in it.
    if text.contains("://") || is_like_an_address(&text) {
        return Err(anyhow!(
            "an address of a database begins with postgres://, and this is not understood; a folder with such a name is \
             given with ./ before it"
        ));
    }
    if text.is_empty() {
        return Err(anyhow!("an empty name is no folder"));
    }
    Ok(TransferPlace::Folder(PathBuf::from(text)))
}

/// Whether it looks as other programs have an address of a database: `host=db password=…` or `user:password@host/name`.
fn is_like_an_address(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    let word = |before: &str, word: &str| before.trim_end().ends_with(word);
    let mut values = text.split('=').rev().skip(1);
    first.contains('@') || values.any(|before| word(before, "password")) || {
        let is_keyword = |name: &str| ["host", "hostaddr", "port", "dbname", "user", "service"].contains(&name);
        first.split_once('=').is_some_and(|(name, _)| is_keyword(name.trim()))
    }
}

/// Where to: of a folder only the last part is made, so that what was meant for something else makes none.
fn new_place(text: String) -> anyhow::Result<TransferPlace> {
    let place = place(text)?;
    if let TransferPlace::Folder(dir) = &place
        && let Some(parent) = dir.parent()
        && !parent.as_os_str().is_empty()
        && !parent.exists()
    {
        return Err(anyhow!("the folder does not exist in which --to would be made: make it first"));
    }
    Ok(place)
}

/// Turns true at the first SIGINT or SIGTERM; a second one ends the program at once, which loses nothing either.
fn stop_at_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = crate::runtime()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt()).context("SIGINT")?, signal(SignalKind::terminate()).context("SIGTERM")?)
    };
    let wait = move || {
        runtime.block_on(async {
            let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
            next().await;
            told.store(true, Ordering::Relaxed);
            eprintln!("stopping behind what is being written; once more to stop at once");
            next().await;
        });
        #[expect(clippy::exit, reason = "whoever asks twice waits for no database that hangs")]
        std::process::exit(INTERRUPTED);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(stop)
}

fn as_json(report: &TransferReport, took: Duration, next: &[String]) -> Value {
    let table = |table: &TableReport| {
        json!({
            "table": table.table,
            "moved": table.moved,
            "found": table.found,
            "hash": table.hash,
            "foundHash": table.found_hash,
            "same": table.is_same(),
        })
    };
    json!({
        "from": report.from,
        "to": report.to,
        "epoch": report.epoch,
        "rows": report.rows,
        "seconds": took.as_secs_f64(),
        "same": report.is_same(),
        "tables": report.tables.iter().map(table).collect::<Vec<_>>(),
        "next": next,
    })
}

/// How much of a hash is shown to people.
const HASH_SHOWN: usize = 16;

fn as_text(report: &TransferReport, took: Duration, next: &[String]) -> String {
    let shown = |hash: &str| hash.get(..HASH_SHOWN).unwrap_or(hash).to_owned();
    let mut lines = vec![format!("{:14} {:>12} {:>12}  {:16}  ", "table", "moved", "read back", "hash")];
    for table in &report.tables {
        let verdict =
            if table.is_same() { "same".to_owned() } else { format!("DIFFERS: {}", shown(&table.found_hash)) };
        let (moved, found) = (HumanCount(table.moved).to_string(), HumanCount(table.found).to_string());
        lines.push(format!("{:14} {moved:>12} {found:>12}  {:16}  {verdict}", table.table, shown(&table.hash)));
    }
    lines.push(String::new());
    if report.is_same() {
        let (rows, took) = (HumanCount(report.rows), HumanDuration(took));
        lines.push(format!("moved {rows} rows from {} to {} in {took}, and all is there", report.from, report.to));
        lines.extend(next.iter().map(|step| format!("- {step}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_folder_or_an_address() {
        assert!(matches!(place("./data".to_owned()), Ok(TransferPlace::Folder(_))));
        assert!(matches!(place("postgresql://h/d".to_owned()), Ok(TransferPlace::Database(_))));
        for folder in ["./user@host/data", "/srv/a@b", "data=1", "x/host=1"] {
            assert!(matches!(place(folder.to_owned()), Ok(TransferPlace::Folder(_))), "{folder}");
        }
        for wrong in [
            "mysql://u:secret@h/d",
            "u:secret@h/d",
            "u:secret@h",
            "host=db password=secret",
            "host = /run/postgresql password = 'secret'",
            "dbname=d",
            "/run password=secret",
            "",
        ] {
            let error = place(wrong.to_owned()).expect_err("it is neither").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_the_last_part_of_a_folder_is_made() {
        for folder in ["data", "./data", "/data", "/", "."] {
            assert!(new_place(folder.to_owned()).is_ok(), "{folder}");
        }
        let error = new_place("u:se/cret@h/d".to_owned()).expect_err("no such folder").to_string();
        assert!(!error.contains("cret"), "{error}");
    }

    #[test]
    fn a_difference_is_shown() {
        let table = |table, found_hash: &str| TableReport {
            table,
            moved: 1234,
            found: 1234,
            hash: "0123456789abcdef0123".to_owned(),
            found_hash: found_hash.to_owned(),
        };
        let report = TransferReport {
            from: "a".to_owned(),
            to: "b".to_owned(),
            epoch: "e".to_owned(),
            rows: 2,
            tables: vec![table("events", "0123456789abcdef0123"), table("seen", "feed")],
        };
        let text = as_text(&report, Duration::from_secs(1), &[]);
        assert!(text.contains("events                1,234        1,234  0123456789abcdef  same"), "{text}");
        assert!(text.contains("0123456789abcdef  DIFFERS: feed") && !text.contains("all is there"), "{text}");
        assert_eq!(as_json(&report, Duration::ZERO, &[])["tables"][1]["same"], false);
    }
}
