//! An AI agent that answers visitors from a file of questions and answers, and leaves the rest to people.
//!
//! ```sh
//! FAQ_AGENT_KEY=sk_dev cargo run -p faq-agent -- --faq examples/faq-agent/faq.md --website website-123
//! ```
//!
//! See the README beside it.

#![forbid(unsafe_code)]

mod agent;
mod api;
mod faq;
mod reply;
mod wish;
mod words;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use cossistant_client::{Client, Config, PersonId, TokenSource, WebsiteId};
use tokio::signal::unix::{SignalKind, signal};

use self::agent::Agent;
use self::api::Api;
use self::faq::Faq;
use self::reply::Replier;

/// Answers visitors from a file of questions and answers, and leaves the rest to people.
#[derive(Parser)]
#[command(name = "faq-agent", version)]
struct Args {
    /// The address of the server.
    #[arg(long, default_value = "http://127.0.0.1:8787")]
    url: String,
    /// A secret key of the organization, sk_….
    #[arg(long, env = "FAQ_AGENT_KEY", hide_env_values = true)]
    key: String,
    /// A website whose visitors are answered; may be given several times.
    #[arg(long = "website", required = true)]
    websites: Vec<WebsiteId>,
    /// The questions and answers.
    #[arg(long, value_name = "FILE")]
    faq: PathBuf,
    /// Who the agent is. It must stay the same: by it the agent knows which conversations and replies are its own.
    #[arg(long, default_value = "faq-agent")]
    id: PersonId,
    /// The name that people see.
    #[arg(long, default_value = "FAQ assistant")]
    name: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal).init();
    match work(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Works until it is told to stop.
async fn work(args: Args) -> Result<()> {
    // Signals are caught before anything is begun.
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let text = std::fs::read_to_string(&args.faq).with_context(|| format!("{}", args.faq.display()))?;
    let faq = Faq::parse(&text).with_context(|| format!("{}", args.faq.display()))?;
    tracing::info!(questions = faq.questions().count(), "the file is read");

    let api = Api::new(&args.url, &args.key, &args.id);
    let (client, events) = Client::connect(config(&args, &api)?);
    for website in &args.websites {
        client.subscribe_to_website(website.clone())?;
    }
    let mut agent = Agent::new(Replier { client: client.clone(), api, faq: Arc::new(faq), id: args.id }, events);
    let ended = tokio::select! {
        ended = agent.run() => Err(ended),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    // Replies end first, so that nothing is begun that the client would not finish.
    drop(agent);
    client.end().await;
    if let Err(ended) = ended {
        bail!(ended);
    }
    tracing::info!("stopped");
    Ok(())
}

fn config(args: &Args, api: &Api) -> Result<Config> {
    let Some(address) = args.url.strip_prefix("http") else { bail!("--url must begin with http:// or https://") };
    let config = Config::new(&format!("ws{}/ws", address.trim_end_matches('/')))?;
    let (api, name, websites) = (api.clone(), args.name.clone(), args.websites.clone());
    Ok(config.with_token_source(TokenSource::new(move || {
        let (api, name, websites) = (api.clone(), name.clone(), websites.clone());
        async move { api.token(&name, &websites).await.map(Some) }
    })))
}
