//! `cossistant restore`: makes a store of a copy.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use cossistant_server::store::OpenError;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;

use crate::Failure;
use crate::output::print;

/// Makes the store of a data folder from a file that `backup` made.
///
/// No server may run on the folder. The copy is checked as a whole before anything is replaced. Clients that come
/// back load anew what they hold, because the store has another life.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant restore --data ./data --from backup-monday.db")]
pub(crate) struct Restore {
    /// The data folder; a new or an empty one, unless --force is given
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data: PathBuf,
    /// The file that `backup` made
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Replaces the store that the folder has
    #[arg(long)]
    force: bool,
    /// Prints an object with `data`
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let bar = spinner();
        let restored = cossistant_server::store::restore(&self.from, &self.data, self.force);
        bar.finish_and_clear();
        let hint = match &restored {
            Err(OpenError::NotEmpty(_)) => "nothing was restored (--force replaces what is there)",
            Ok(()) | Err(_) => "nothing was restored",
        };
        restored.context(hint)?;
        if self.json {
            print(&json!({ "data": self.data }).to_string())
        } else {
            print(&format!("{} is restored; start the server with --data {0}", self.data.display()))
        }
    }
}

fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new_spinner().with_message("checking and restoring");
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
