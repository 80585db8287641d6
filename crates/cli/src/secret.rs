//! `cossistant secret`: replaces the server's own secrets.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use cossistant_server::auth::{OwnSecret, RotationError, previous_path, rotate_secret};
use serde_json::json;

use crate::Failure;
use crate::clock::now;
use crate::output::print;
use crate::token::parse_life;

/// Replaces the secrets that a server made for itself.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cossistant secret rotate visitor --data ./data --keep 30d")]
pub(crate) struct Secret {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a new secret, and has the old one taken for a while longer
    ///
    /// A running server takes the new one within seconds. Until the old one's time is over, what stands on either is
    /// accepted; then what stands on the old one is refused. Which of the operator's secrets are taken stands in the
    /// configuration: `jwt_secret_previous`.
    #[command(after_help = "Examples:
  cossistant secret rotate visitor --data ./data --keep 30d
  cossistant secret rotate admin --data ./data --keep 1h")]
    Rotate(Rotate),
}

/// The secrets in the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The admin key
    Admin,
    /// What signs visitors' tokens, and those of `POST /v1/tokens`
    Visitor,
}

impl Which {
    const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Visitor => "visitor",
        }
    }

    const fn secret(self) -> OwnSecret {
        match self {
            Self::Admin => OwnSecret::AdminKey,
            Self::Visitor => OwnSecret::Signing,
        }
    }
}

#[derive(Debug, Args)]
struct Rotate {
    /// Which
    which: Which,
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data: PathBuf,
    /// For how long the old one is taken; 0s ends it at once. Visitors whose token is not renewed by then come back as
    /// new ones
    #[arg(long, value_name = "DURATION", value_parser = parse_keep)]
    keep: Duration,
    /// Ends the secret before the old one, if that is still taken
    #[arg(long)]
    force: bool,
    /// Prints an object with `secret`, `file` and `previousUntil`
    #[arg(long)]
    json: bool,
}

impl Secret {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Rotate(rotate) => rotate.run(),
        }
    }
}

impl Rotate {
    fn run(self) -> Result<(), Failure> {
        let now = now();
        let until = now.plus_millis(u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX));
        let secret = self.which.secret();
        let file = secret.path_in(&self.data);
        let rotated = rotate_secret(&file, secret.prefix(), until, now, self.force);
        let is_overlap = matches!(rotated, Err(RotationError::Overlap(_)));
        rotated.map_err(|error| if is_overlap { anyhow!("{error} (--force ends it now)") } else { error.into() })?;
        let name = self.which.name();
        if self.json {
            return print(&json!({ "secret": name, "file": file, "previousUntil": until }).to_string());
        }
        let old = previous_path(&file);
        print(&format!("{} is new; the old one, in {}, is taken until {until}", file.display(), old.display()))
    }
}

fn parse_keep(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { parse_life(text) }
}
