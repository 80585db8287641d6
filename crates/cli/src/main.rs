//! The `cossistant` command: the server, and the tools around it.
#![forbid(unsafe_code)]

mod api;
mod apps;
mod backup;
mod bench;
mod chat;
mod check_config;
mod clock;
mod doctor;
mod key;
mod link;
mod migrate;
mod organization;
mod output;
mod restore;
mod secret;
mod serve;
mod sources;
mod tail;
mod token;
mod webhook;
mod website;
mod words;

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
    Serve(Box<serve::Serve>),
    CheckConfig(Box<check_config::CheckConfig>),
    Doctor(Box<doctor::Doctor>),
    Token(Box<token::Token>),
    Chat(chat::Chat),
    Tail(tail::Tail),
    Organization(organization::Organization),
    Website(website::Website),
    Key(key::Key),
    Webhook(webhook::Webhook),
    Secret(secret::Secret),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Migrate(migrate::Migrate),
    Bench(bench::Bench),
}

/// How a command ended, if not well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It failed or was refused: exit code 1.
    Failed(anyhow::Error),
    /// The usage or the configuration is wrong: exit code 2.
    Usage(anyhow::Error),
    /// Nobody reads what it says any more: it ends well.
    Unheard,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The runtime of a command; one thread is enough for each.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::CheckConfig(check) => check.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Token(token) => token.run(),
        Command::Chat(chat) => chat.run(),
        Command::Tail(tail) => tail.run(),
        Command::Organization(organization) => organization.run(),
        Command::Website(website) => website.run(),
        Command::Key(key) => key.run(),
        Command::Webhook(webhook) => webhook.run(),
        Command::Secret(secret) => secret.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Bench(bench) => bench.run(),
    };
    match ended {
        Ok(()) | Err(Failure::Unheard) => ExitCode::SUCCESS,
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
