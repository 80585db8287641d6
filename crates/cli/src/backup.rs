//! `cossistant backup`: copies a store while it is in use.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::Failure;
use crate::output::print;

/// Copies the store of a data folder into one file, of one moment.
///
/// The server may run on it meanwhile and is not held up. The file holds the conversations, websites and keys, but
/// not the server's own secrets (`admin-key`, `visitor-secret`): keep those two files of the folder as well, or
/// visitors' tokens end with the old folder. It can be read by its owner alone, since keys that sign tokens are in it.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant backup --data ./data --out backup-monday.db")]
pub(crate) struct Backup {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data: PathBuf,
    /// The file to make; one that exists is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Prints an object with `file` and `bytes`
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let bar = bar();
        let copied = cossistant_server::store::backup(&self.data, &self.out, |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        });
        bar.finish_and_clear();
        copied.context("nothing was copied")?;
        let bytes = std::fs::metadata(&self.out).with_context(|| format!("cannot read {}", self.out.display()))?.len();
        if self.json {
            print(&json!({ "file": self.out, "bytes": bytes }).to_string())
        } else {
            print(&format!("{} ({})", self.out.display(), HumanBytes(bytes)))
        }
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("copying {bar:40} {percent:>3} % {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
