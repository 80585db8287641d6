//! The `cossistant` command: the server, and the tools around it.
#![forbid(unsafe_code)]

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Live support chat: the server, and the tools around it.
#[derive(Debug, Parser)]
#[command(name = "cossistant", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
}

/// How a command ended, if not well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It failed or was refused: exit code 1.
    Failed(anyhow::Error),
    /// The usage or the configuration is wrong: exit code 2.
    Usage(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::Serve(serve) => serve.run(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
